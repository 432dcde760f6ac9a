//! Tokens of the path language.

use quarry_common::{Error, Result, err};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A word without quotes.
    Word(String),
    String(String),
    Variable(String),
    /// Digits only.
    Int(String),
    Number(String),
    /// Operators and punctuation: "&&", "**", "<=", "(" ...
    Mark(&'static str),
    End,
}

pub(super) struct Scanner<'a> {
    input: &'a str,
    at: usize,
    /// Where the text that an error shows starts.
    start: usize,
    /// Where it ends, if not at `at`.
    shown_end: Option<usize>,
}

const MARKS: [&str; 28] = [
    "&&", "||", "**", "<=", ">=", "==", "!=", "<>", "!", "<", ">", "=", "?", "%", "$", ".", "[", "]", "{",
    "}", "(", ")", "@", ",", "*", "-", "+", "/",
];
const MORE_MARKS: [&str; 4] = ["|", "&", "#", ":"];

fn is_special(c: char) -> bool {
    "?%$.[]{}()|&!=<>@#,*:-+/".contains(c)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

/// Part of a word: anything but blanks, punctuation, quotes and backslashes.
fn is_other(c: char) -> bool {
    !is_special(c) && !is_blank(c) && c != '\\' && c != '"'
}

impl<'a> Scanner<'a> {
    pub fn new(input: &'a str) -> Scanner<'a> {
        Scanner { input, at: 0, start: 0, shown_end: None }
    }
    fn rest(&self) -> &'a str {
        &self.input[self.at..]
    }
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// An error about the current token.
    pub fn error(&self, message: &str) -> Error {
        let text = &self.input[self.start..self.shown_end.unwrap_or(self.at).max(self.start)];
        if text.is_empty() {
            return err!(SYNTAX_ERROR, "{message} at end of jsonpath input");
        }
        err!(SYNTAX_ERROR, "{message} at or near \"{text}\" of jsonpath input")
    }

    pub fn next(&mut self) -> Result<Token> {
        self.shown_end = None;
        self.skip_blanks()?;
        self.start = self.at;
        let Some(c) = self.peek() else { return Ok(Token::End) };
        if c.is_ascii_digit() || (c == '.' && self.rest()[1..].starts_with(|d: char| d.is_ascii_digit())) {
            return self.number();
        }
        if c == '"' {
            self.at += 1;
            return self.quoted().map(Token::String);
        }
        if c == '$' {
            if self.rest()[1..].starts_with('"') {
                self.at += 2;
                return self.quoted().map(Token::Variable);
            }
            let len: usize = self.rest()[1..].chars().take_while(|c| is_other(*c)).map(char::len_utf8).sum();
            if len > 0 {
                let name = self.rest()[1..1 + len].to_string();
                self.at += 1 + len;
                return Ok(Token::Variable(name));
            }
        }
        if let Some(mark) = MARKS.iter().chain(&MORE_MARKS).find(|m| self.rest().starts_with(**m)) {
            self.at += mark.len();
            return Ok(Token::Mark(mark));
        }
        self.word()
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            if self.peek().is_some_and(is_blank) {
                self.at += 1;
            } else if self.rest().starts_with("/*") {
                match self.rest()[2..].find("*/") {
                    Some(end) => self.at += end + 4,
                    None => {
                        self.start = self.input.len();
                        self.at = self.start;
                        return Err(self.error("unexpected end of comment"));
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn number(&mut self) -> Result<Token> {
        let b = self.input.as_bytes();
        let digits = |from: usize| b[from.min(b.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
        let mut end = self.at;
        if b[end] == b'0' {
            end += 1;
        } else {
            end += digits(end);
        }
        let mut int = true;
        if b.get(end) == Some(&b'.') {
            int = false;
            end += 1 + digits(end + 1);
        }
        if matches!(b.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(b.get(end + 1), Some(b'+' | b'-')));
            let n = digits(end + 1 + sign);
            if n == 0 {
                self.at = end + 1 + sign;
                return Err(self.error(if sign == 1 {
                    "invalid numeric literal"
                } else {
                    "trailing junk after numeric literal"
                }));
            }
            int = false;
            end += 1 + sign + n;
        }
        // The longest match wins: digits and letters may be a word.
        let run: usize = self.rest().chars().take_while(|c| is_other(*c)).map(char::len_utf8).sum();
        let junk = self.input[end..].chars().next().filter(|c| is_other(*c)).map_or(0, char::len_utf8);
        if self.at + run > end + junk {
            return self.word();
        }
        let text = self.input[self.at..end].to_string();
        self.at = end;
        if let Some(c) = self.peek().filter(|c| is_other(*c)) {
            self.at += c.len_utf8();
            return Err(self.error("trailing junk after numeric literal"));
        }
        Ok(if int { Token::Int(text) } else { Token::Number(text) })
    }

    /// A word; escapes may occur in it.
    fn word(&mut self) -> Result<Token> {
        let mut out = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.escape(&mut out)?;
            } else if is_other(c) {
                out.push(c);
                self.at += c.len_utf8();
            } else {
                break;
            }
        }
        // PostgreSQL's scanner ends a word at what follows it, and errors show that: blanks, or nothing.
        let blanks = self.rest().chars().take_while(|c| is_blank(*c)).count();
        self.start = self.at;
        self.shown_end = Some(self.at + blanks);
        Ok(Token::Word(out))
    }

    /// The rest of a quoted string.
    fn quoted(&mut self) -> Result<String> {
        let mut out = String::new();
        loop {
            match self.peek() {
                None => {
                    self.start = self.input.len();
                    return Err(self.error("unexpected end of quoted string"));
                }
                Some('"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some('\\') => self.escape(&mut out)?,
                Some(c) => {
                    out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn hex(&self, from: usize, len: usize) -> Option<u32> {
        let digits = self.input.get(from..from + len)?;
        if !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        u32::from_str_radix(digits, 16).ok()
    }

    fn escape(&mut self, out: &mut String) -> Result<()> {
        let Some(c) = self.rest()[1..].chars().next() else {
            self.start = self.at;
            self.at += 1;
            return Err(self.error("unexpected end after backslash"));
        };
        let simple = match c {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'u' => return self.unicode(out),
            'x' => {
                let Some(v) = self.hex(self.at + 2, 2) else {
                    self.start = self.at;
                    self.at += 2;
                    return Err(self.error("invalid hex character sequence"));
                };
                self.at += 4;
                return Self::put(v, out);
            }
            other => other,
        };
        out.push(simple);
        self.at += 1 + c.len_utf8();
        Ok(())
    }

    fn put(code: u32, out: &mut String) -> Result<()> {
        if code == 0 {
            return Err(err!(UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence")
                .detail("\\u0000 cannot be converted to text."));
        }
        match char::from_u32(code) {
            Some(c) => {
                out.push(c);
                Ok(())
            }
            None => Err(err!(SYNTAX_ERROR, "invalid Unicode code point")),
        }
    }

    fn invalid_unicode(&self) -> Error {
        err!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type jsonpath")
            .detail("Unicode low surrogate must follow a high surrogate.")
    }

    /// One code unit: `\uXXXX` or `\u{X...}`.
    fn code_unit(&mut self) -> Result<u32> {
        let from = self.at + 2;
        if self.input[from..].starts_with('{')
            && let Some(len) = self.input[from + 1..].find('}').filter(|n| (1..=6).contains(n))
            && let Some(v) = self.hex(from + 1, len)
        {
            self.at = from + len + 2;
            return Ok(v);
        }
        match self.hex(from, 4) {
            Some(v) => {
                self.at = from + 4;
                Ok(v)
            }
            None => {
                self.start = self.at;
                let rest = &self.input.as_bytes()[from..];
                let brace = usize::from(rest.first() == Some(&b'{'));
                let most = if brace == 1 { 6 } else { 3 };
                self.at = from
                    + brace
                    + rest[brace..].iter().take(most).take_while(|c| c.is_ascii_hexdigit()).count();
                Err(self.error("invalid unicode sequence"))
            }
        }
    }

    fn unicode(&mut self, out: &mut String) -> Result<()> {
        let first = self.code_unit()?;
        match first {
            0xD800..=0xDBFF => {
                if !self.rest().starts_with("\\u") {
                    return Err(self.invalid_unicode());
                }
                let second = self.code_unit()?;
                match second {
                    0xDC00..=0xDFFF => Self::put(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), out),
                    0xD800..=0xDBFF => {
                        Err(err!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type jsonpath")
                            .detail("Unicode high surrogate must not follow a high surrogate."))
                    }
                    _ => Err(self.invalid_unicode()),
                }
            }
            0xDC00..=0xDFFF => Err(self.invalid_unicode()),
            code => Self::put(code, out),
        }
    }
}
