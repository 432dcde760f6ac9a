//! One word of a tsvector's or tsquery's text: bare or in quotes, with backslash escapes, for vectors with positions.

use super::{limit_position, with_weight};
use quarry_common::{Error, Result, err};

/// What is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Words end at blanks; positions follow a colon.
    Vector,
    /// Words end at blanks, colons and `! & | ( )`.
    Query,
    /// As `Query`, but quotes and backslashes are ordinary characters, and a double quote ends a word too: `websearch_to_tsquery`.
    Web,
}

/// Reads words off a text.
pub struct Words<'a> {
    text: &'a str,
    kind: Kind,
    /// Where to go on, in bytes.
    pub at: usize,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// Stored positions in the order of the text.
    pub positions: Vec<u16>,
}

/// `isspace` of the C.UTF-8 locale: Unicode's blanks but those that don't break.
pub fn is_space(c: char) -> bool {
    match c {
        '\t'..='\r' | ' ' | '\u{1680}' | '\u{2028}' | '\u{2029}' | '\u{205f}' | '\u{3000}' => true,
        '\u{2000}'..='\u{200a}' => c != '\u{2007}',
        _ => false,
    }
}

/// Whether it ends a word of a query.
pub fn is_operator(c: char) -> bool {
    matches!(c, '!' | '&' | '|' | '(' | ')' | '<')
}

impl<'a> Words<'a> {
    pub fn new(text: &'a str, kind: Kind) -> Words<'a> {
        Words { text, kind, at: 0 }
    }
    /// Whether it ends a bare word, backslash and colon aside.
    fn ends_word(&self, c: char) -> bool {
        is_space(c) || self.kind != Kind::Vector && is_operator(c) || self.kind == Kind::Web && c == '"'
    }
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
    }
    fn syntax_error(&self) -> Error {
        let ty = if self.kind == Kind::Vector { "tsvector" } else { "tsquery" };
        err!(SYNTAX_ERROR, "syntax error in {ty}: \"{}\"", self.text)
    }
    fn escaped(&mut self) -> Result<char> {
        let Some(c) = self.peek() else {
            return Err(err!(SYNTAX_ERROR, "there is no escaped character: \"{}\"", self.text));
        };
        self.bump(c);
        Ok(c)
    }

    /// The next word; none at the end.
    pub fn next_word(&mut self) -> Result<Option<Word>> {
        while let Some(c) = self.peek().filter(|c| is_space(*c)) {
            self.bump(c);
        }
        match self.peek() {
            None => Ok(None),
            Some('\'') if self.kind != Kind::Web => self.quoted().map(Some),
            Some(c) if self.kind != Kind::Vector && is_operator(c) => Err(self.syntax_error()),
            Some(_) => self.bare().map(Some),
        }
    }

    fn bare(&mut self) -> Result<Word> {
        let mut text = String::new();
        let mut first = true;
        loop {
            match self.peek() {
                Some('\\') if self.kind != Kind::Web => {
                    self.bump('\\');
                    text.push(self.escaped()?);
                }
                Some(':') if !first => {
                    if text.is_empty() {
                        return Err(self.syntax_error());
                    }
                    if self.kind != Kind::Vector {
                        return Ok(Word { text, positions: Vec::new() });
                    }
                    return self.positions(text);
                }
                Some(c) if !self.ends_word(c) => {
                    self.bump(c);
                    text.push(c);
                }
                _ if text.is_empty() => return Err(self.syntax_error()),
                _ => return Ok(Word { text, positions: Vec::new() }),
            }
            first = false;
        }
    }

    fn quoted(&mut self) -> Result<Word> {
        self.bump('\'');
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else { return Err(self.syntax_error()) };
            self.bump(c);
            match c {
                '\\' => text.push(self.escaped()?),
                '\'' if self.peek() == Some('\'') => {
                    self.bump('\'');
                    text.push('\'');
                }
                '\'' => break,
                c => text.push(c),
            }
        }
        if text.is_empty() {
            return Err(self.syntax_error());
        }
        match self.peek() {
            Some(':') if self.kind == Kind::Vector => self.positions(text),
            _ => Ok(Word { text, positions: Vec::new() }),
        }
    }

    /// From the colon.
    fn positions(&mut self, text: String) -> Result<Word> {
        self.bump(':');
        let mut positions = Vec::new();
        loop {
            let digits = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return Err(self.syntax_error());
            }
            let number = &self.text[self.at..self.at + digits];
            self.at += digits;
            let position = limit_position(c_atoi(number));
            if position == 0 {
                return Err(err!(SYNTAX_ERROR, "wrong position info in tsvector: \"{}\"", self.text));
            }
            let mut weight = 0;
            loop {
                let next = self.peek();
                let given = match next {
                    Some('a' | 'A' | '*') => 3,
                    Some('b' | 'B') => 2,
                    Some('c' | 'C') => 1,
                    Some('d' | 'D') => 0,
                    Some(c) if c.is_ascii_digit() => {
                        // Digits after a weight are passed over, as PostgreSQL does.
                        self.bump(c);
                        continue;
                    }
                    _ => break,
                };
                if weight != 0 {
                    return Err(self.syntax_error());
                }
                weight = given;
                self.at += 1;
            }
            positions.push(with_weight(position, weight));
            match self.peek() {
                Some(',') => self.at += 1,
                None => break,
                Some(c) if is_space(c) => break,
                Some(_) => return Err(self.syntax_error()),
            }
        }
        Ok(Word { text, positions })
    }
}

/// C's `atoi` of digits as PostgreSQL makes a position of it: what overflows 64 bits is their largest, of which the lower half counts,
/// signed; of a negative number the lower bits count.
fn c_atoi(digits: &str) -> u64 {
    let wide = digits.parse::<i64>().unwrap_or(i64::MAX) as i32;
    match u64::try_from(wide) {
        Ok(position) => position,
        Err(_) => u64::from(wide as u16 & 0x3fff),
    }
}
