//! Strings of every kind, and quoted identifiers.

use super::{IDENT_CONT, IDENT_START, Kw, SPACE, Scanner, TokenKind, Value, escape, is, truncate_identifier};
use quarry_common::{Error, Severity, SqlState};

impl Scanner<'_> {
    /// `e''`, `b''`, `x''`, `n''`, `u&''`, `u&""`; whether one of them begins here.
    pub(super) fn prefixed_string(&mut self, c: u8) -> Result<bool, Error> {
        let start = self.pos;
        match (c, self.peek(1)) {
            (b'e' | b'E', b'\'') => {
                self.pos += 1;
                self.escape_string(start, false)?;
            }
            (b'b' | b'B', b'\'') => {
                let value = self.quoted_run(start, start + 1, "unterminated bit string literal")?;
                self.push(TokenKind::BitString(value), start, self.pos);
            }
            (b'x' | b'X', b'\'') => {
                let value = self.quoted_run(start, start + 1, "unterminated hexadecimal string literal")?;
                self.push(TokenKind::HexString(value), start, self.pos);
            }
            (b'n' | b'N', b'\'') => {
                // N'...' is NCHAR '...'.
                self.push(TokenKind::Keyword(Kw::Nchar), start, start + 1);
                self.pos += 1;
            }
            (b'u' | b'U', b'&') if matches!(self.peek(2), b'\'' | b'"') => self.unicode_literal(start)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn plain_string(&mut self) -> Result<(), Error> {
        let start = self.pos;
        if !self.options.conforming {
            return self.escape_string(start, self.options.escape_warning);
        }
        let value = self.quoted_run(start, start, "unterminated quoted string")?;
        self.push(TokenKind::String(value), start, self.pos);
        Ok(())
    }

    /// Stores a decoded text.
    fn decoded(&mut self, text: String) -> Value {
        self.out.values.push(text);
        Value::Decoded(self.out.values.len() as u32 - 1)
    }

    /// After a closing quote: the place behind the opening quote of a continuation, if white space with
    /// a newline and then a quote follow.
    fn continuation(&self) -> Option<usize> {
        let mut at = self.pos;
        let mut newline = false;
        loop {
            match self.bytes.get(at) {
                Some(b'\n' | b'\r') => {
                    newline = true;
                    at += 1;
                }
                Some(&c) if is(c, SPACE) => at += 1,
                Some(b'-') if self.bytes.get(at + 1) == Some(&b'-') => {
                    while at < self.bytes.len() && !matches!(self.bytes[at], b'\n' | b'\r') {
                        at += 1;
                    }
                }
                Some(b'\'') if newline => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// A run of quoted pieces whose only escape is the doubled quote. `quote` is the opening one's place.
    fn quoted_run(&mut self, start: usize, quote: usize, unterminated: &str) -> Result<Value, Error> {
        let mut piece = quote + 1;
        let mut text: Option<String> = None;
        self.pos = piece;
        loop {
            let Some(at) = self.bytes[self.pos..].iter().position(|&c| c == b'\'') else {
                return Err(self.error_near(unterminated, start, self.bytes.len()));
            };
            let at = self.pos + at;
            self.pos = at + 1;
            if self.peek(0) == b'\'' {
                text.get_or_insert_default().push_str(&self.sql[piece..=at]);
                self.pos += 1;
                piece = self.pos;
            } else if let Some(next) = self.continuation() {
                text.get_or_insert_default().push_str(&self.sql[piece..at]);
                piece = next;
                self.pos = next;
            } else {
                return Ok(match text {
                    Some(mut text) => {
                        text.push_str(&self.sql[piece..at]);
                        self.decoded(text)
                    }
                    // The parser takes what is between the token's quotes.
                    None => Value::Plain,
                });
            }
        }
    }

    /// Warns of a string's first escape; `c` is what follows the backslash.
    fn warn_of_escape(&mut self, c: u8, start: usize) {
        let (what, hint) = match c {
            b'\'' => ("\\'", "Use '' to write quotes in strings, or use the escape string syntax (E'...')."),
            b'\\' => ("\\\\", "Use the escape string syntax for backslashes, e.g., E'\\\\'."),
            _ => ("escape", "Use the escape string syntax for escapes, e.g., E'\\r\\n'."),
        };
        let message = format!("nonstandard use of {what} in a string literal");
        let warning = Error::new(SqlState::NONSTANDARD_USE_OF_ESCAPE_CHARACTER, message);
        self.out.notices.push(warning.hint(hint).position(start).severity(Severity::Warning));
    }

    /// `E'...'` with the scanner on the quote; also `'...'` where strings don't conform to the standard, with a warning.
    fn escape_string(&mut self, start: usize, mut warn: bool) -> Result<(), Error> {
        self.pos += 1;
        let mut text = Vec::new();
        let mut binary = false;
        loop {
            let Some(&c) = self.bytes.get(self.pos) else {
                return Err(self.error_near("unterminated quoted string", start, self.bytes.len()));
            };
            match c {
                b'\'' => {
                    self.pos += 1;
                    if self.peek(0) == b'\'' {
                        text.push(b'\'');
                        self.pos += 1;
                    } else if let Some(next) = self.continuation() {
                        self.pos = next;
                    } else {
                        break;
                    }
                }
                b'\\' if self.peek(1) == b'\'' && !self.options.backslash_quote => {
                    let code = SqlState::NONSTANDARD_USE_OF_ESCAPE_CHARACTER;
                    return Err(Error::new(code, "unsafe use of \\' in a string literal")
                        .hint("Use '' to write quotes in strings. \\' is insecure in client-only encodings.")
                        .position(start));
                }
                b'\\' if self.pos + 1 < self.bytes.len() => {
                    if std::mem::take(&mut warn) {
                        self.warn_of_escape(self.peek(1), start);
                    }
                    self.pos = escape::backslash(self.sql, self.pos, &mut text, &mut binary)?;
                }
                _ => {
                    text.push(c);
                    self.pos += 1;
                }
            }
        }
        let text = if binary { escape::verify(text)? } else { escape::utf8(text)? };
        let value = self.decoded(text);
        self.push(TokenKind::String(value), start, self.pos);
        Ok(())
    }

    /// `U&'...'` and `U&"..."`, with UESCAPE if it follows.
    fn unicode_literal(&mut self, start: usize) -> Result<(), Error> {
        let identifier = self.peek(2) == b'"';
        if !identifier && !self.options.conforming {
            let message = "unsafe use of string constant with Unicode escapes";
            let detail = "String constants with Unicode escapes cannot be used when standard_conforming_strings is off.";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).detail(detail).position(start));
        }
        let raw = if identifier {
            self.pos += 2;
            let raw = self.double_quoted(start)?;
            raw.unwrap_or_else(|| self.sql[start + 3..self.pos - 1].to_string())
        } else {
            match self.quoted_run(start, start + 2, "unterminated quoted string")? {
                Value::Plain => self.sql[start + 3..self.pos - 1].to_string(),
                Value::Decoded(_) => self.out.values.pop().unwrap_or_default(),
            }
        };
        let literal_end = self.pos;
        let escape_char = self.uescape()?;
        let end = if escape_char.is_some() { self.pos } else { literal_end };
        let mut text = escape::unicode(&raw, escape_char.unwrap_or('\\'), start)?;
        let kind = if identifier {
            self.truncation_notice(&text);
            truncate_identifier(&mut text);
            TokenKind::QuotedIdent(self.decoded(text))
        } else {
            TokenKind::String(self.decoded(text))
        };
        self.push(kind, start, end);
        Ok(())
    }

    /// Reads `UESCAPE 'c'`, if it comes next; else stays where it is.
    fn uescape(&mut self) -> Result<Option<char>, Error> {
        let before = self.pos;
        self.skip_space()?;
        let word = self.bytes.get(self.pos..self.pos + 7);
        let is_word =
            word.is_some_and(|w| w.eq_ignore_ascii_case(b"uescape")) && !is(self.peek(7), IDENT_CONT);
        if !is_word {
            self.pos = before;
            return Ok(None);
        }
        self.pos += 7;
        self.skip_space()?;
        let at = self.pos;
        if self.peek(0) != b'\'' {
            let end = self.token_end();
            return Err(self.error_near("UESCAPE must be followed by a simple string literal", at, end));
        }
        let text = match self.quoted_run(at, at, "unterminated quoted string")? {
            Value::Plain => self.sql[at + 1..self.pos - 1].to_string(),
            Value::Decoded(_) => self.out.values.pop().unwrap_or_default(),
        };
        let bytes = text.as_bytes();
        let bad = |c: u8| c.is_ascii_hexdigit() || matches!(c, b'+' | b'\'' | b'"') || is(c, SPACE);
        if bytes.len() != 1 || bad(bytes[0]) {
            return Err(self.error_near("invalid Unicode escape character", at, self.pos));
        }
        Ok(Some(char::from(bytes[0])))
    }

    /// The end of the token at the scanner's place, roughly: enough to name it in an error.
    fn token_end(&self) -> usize {
        let mut end = self.pos;
        while end < self.bytes.len() && is(self.bytes[end], IDENT_CONT) {
            end += 1;
        }
        if end == self.pos {
            end = (end + 1..=self.bytes.len()).find(|&i| self.sql.is_char_boundary(i)).unwrap_or(end);
        }
        end
    }

    /// `"..."` with the scanner on the quote. `None`: as it stands.
    fn double_quoted(&mut self, start: usize) -> Result<Option<String>, Error> {
        self.pos += 1;
        let mut piece = self.pos;
        let first = piece;
        let mut text: Option<String> = None;
        loop {
            let Some(at) = self.bytes[self.pos..].iter().position(|&c| c == b'"') else {
                return Err(self.error_near("unterminated quoted identifier", start, self.bytes.len()));
            };
            let at = self.pos + at;
            self.pos = at + 1;
            if self.peek(0) == b'"' {
                text.get_or_insert_default().push_str(&self.sql[piece..=at]);
                self.pos += 1;
                piece = self.pos;
                continue;
            }
            if at == first {
                return Err(self.error_near("zero-length delimited identifier", start, self.pos));
            }
            if let Some(text) = &mut text {
                text.push_str(&self.sql[piece..at]);
            }
            return Ok(text);
        }
    }

    pub(super) fn quoted_identifier(&mut self) -> Result<(), Error> {
        let start = self.pos;
        let text = self.double_quoted(start)?;
        let long = self.pos - start - 2 >= super::NAMEDATALEN;
        let value = match text {
            None if !long => Value::Plain,
            text => {
                let mut text = text.unwrap_or_else(|| self.sql[start + 1..self.pos - 1].to_string());
                self.truncation_notice(&text);
                truncate_identifier(&mut text);
                self.decoded(text)
            }
        };
        self.push(TokenKind::QuotedIdent(value), start, self.pos);
        Ok(())
    }

    /// `$tag$...$tag$`; whether one begins here.
    pub(super) fn dollar_string(&mut self) -> Result<bool, Error> {
        let start = self.pos;
        let mut at = start + 1;
        let tag_char = |c: u8, first: bool| is(c, if first { IDENT_START } else { IDENT_CONT }) && c != b'$';
        while at < self.bytes.len() && tag_char(self.bytes[at], at == start + 1) {
            at += 1;
        }
        if self.bytes.get(at) != Some(&b'$') {
            return Ok(false);
        }
        let tag = &self.sql[start..=at];
        let body = at + 1;
        let Some(length) = self.sql[body..].find(tag) else {
            return Err(self.error_near("unterminated dollar-quoted string", start, self.bytes.len()));
        };
        let text = self.sql[body..body + length].to_string();
        self.pos = body + length + tag.len();
        let value = self.decoded(text);
        self.push(TokenKind::String(value), start, self.pos);
        Ok(true)
    }
}
