//! Splits date, time and interval text into typed fields (PostgreSQL's `ParseDateTime`).

use super::tokens::date_token;

/// What a field looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldType {
    Number,
    String,
    Date,
    Time,
    Tz,
    Special,
}

/// One field, in lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    pub ty: FieldType,
    pub text: String,
}

/// Most fields in one value.
const FIELDS_MAX: usize = 25;

/// The text isn't made of fields, or is too long.
#[derive(Debug)]
pub struct BadFormat;

/// Room for fields (with a terminator each) in dates, times and timestamps.
pub const DATE_BUFFER: usize = 129;
/// The same, for timestamps.
pub const TIMESTAMP_BUFFER: usize = 153;
/// The same, for intervals.
pub const INTERVAL_BUFFER: usize = 256;

struct Lexer<'a> {
    rest: &'a [u8],
    field: String,
}

impl Lexer<'_> {
    fn peek(&self) -> u8 {
        self.rest.first().copied().unwrap_or(0)
    }
    fn next_is(&self, f: impl Fn(u8) -> bool) -> bool {
        self.rest.first().is_some_and(|c| f(*c))
    }
    fn push(&mut self) {
        self.field.push(char::from(self.rest[0].to_ascii_lowercase()));
        self.rest = &self.rest[1..];
    }
    fn push_while(&mut self, f: impl Fn(u8) -> bool) {
        while self.next_is(&f) {
            self.push();
        }
    }
}

fn is_space(c: u8) -> bool {
    matches!(c, b' ' | 9..=13)
}

/// Splits `text`; `buffer` bounds the fields' total length.
pub fn split(text: &str, buffer: usize) -> Result<Vec<Field>, BadFormat> {
    let mut lx = Lexer { rest: text.as_bytes(), field: String::new() };
    let mut fields = Vec::with_capacity(4);
    let mut used = 0;
    loop {
        while lx.next_is(is_space) {
            lx.rest = &lx.rest[1..];
        }
        if lx.rest.is_empty() {
            return Ok(fields);
        }
        if fields.len() >= FIELDS_MAX {
            return Err(BadFormat);
        }
        let Some(ty) = field(&mut lx)? else { continue };
        used += lx.field.len() + 1;
        if used >= buffer {
            return Err(BadFormat);
        }
        fields.push(Field { ty, text: std::mem::take(&mut lx.field) });
    }
}

fn field(lx: &mut Lexer<'_>) -> Result<Option<FieldType>, BadFormat> {
    let digit = |c: u8| c.is_ascii_digit();
    let first = lx.peek();
    if digit(first) {
        lx.push_while(digit);
        let delim = lx.peek();
        return Ok(Some(match delim {
            b':' => {
                lx.push();
                lx.push_while(|c| digit(c) || c == b':' || c == b'.');
                FieldType::Time
            }
            b'-' | b'/' | b'.' => {
                lx.push();
                if lx.next_is(digit) {
                    let mut ty = if delim == b'.' { FieldType::Number } else { FieldType::Date };
                    lx.push_while(digit);
                    if lx.peek() == delim {
                        ty = FieldType::Date;
                        lx.push_while(|c| digit(c) || c == delim);
                    }
                    ty
                } else {
                    lx.push_while(|c| c.is_ascii_alphanumeric() || c == delim);
                    FieldType::Date
                }
            }
            _ => FieldType::Number,
        }));
    }
    if first == b'.' {
        lx.push();
        lx.push_while(digit);
        return Ok(Some(FieldType::Number));
    }
    if first.is_ascii_alphabetic() {
        lx.push_while(|c| c.is_ascii_alphabetic());
        // A month with separators, or a zone name with punctuation; a known word before '+' or a digit is neither.
        let next = lx.peek();
        let is_date = match next {
            b'-' | b'/' | b'.' => true,
            b'+' => date_token(&lx.field).is_none(),
            c if digit(c) => date_token(&lx.field).is_none(),
            _ => false,
        };
        if is_date {
            lx.push();
            lx.push_while(|c| {
                c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'/' | b'_' | b'.' | b':')
            });
            return Ok(Some(FieldType::Date));
        }
        return Ok(Some(FieldType::String));
    }
    if first == b'+' || first == b'-' {
        lx.push();
        while lx.next_is(is_space) {
            lx.rest = &lx.rest[1..];
        }
        if lx.next_is(digit) {
            lx.push_while(|c| digit(c) || matches!(c, b':' | b'.' | b'-'));
            return Ok(Some(FieldType::Tz));
        }
        if lx.next_is(|c| c.is_ascii_alphabetic()) {
            lx.push_while(|c| c.is_ascii_alphabetic());
            return Ok(Some(FieldType::Special));
        }
        return Err(BadFormat);
    }
    if first.is_ascii_punctuation() {
        lx.rest = &lx.rest[1..];
        return Ok(None);
    }
    Err(BadFormat)
}
