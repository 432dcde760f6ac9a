//! Numbers, and what may not follow them.

use super::{DIGIT, IDENT_CONT, IDENT_START, Scanner, TokenKind, is};
use quarry_common::Error;

impl Scanner<'_> {
    fn digits(&self, mut at: usize) -> usize {
        while at < self.bytes.len() && is(self.bytes[at], DIGIT) {
            at += 1;
        }
        at
    }

    /// The end of an identifier that begins at `at`, if one does.
    fn identifier_end(&self, at: usize) -> Option<usize> {
        if !self.bytes.get(at).is_some_and(|&c| is(c, IDENT_START)) {
            return None;
        }
        let mut end = at + 1;
        while end < self.bytes.len() && is(self.bytes[end], IDENT_CONT) {
            end += 1;
        }
        Some(end)
    }

    /// An integer, a decimal or a number with an exponent. `1..2` is an integer before two dots.
    pub(super) fn number(&mut self) -> Result<(), Error> {
        let start = self.pos;
        let mut end = self.digits(start);
        let mut integer = true;
        if self.bytes.get(end) == Some(&b'.') && self.bytes.get(end + 1) != Some(&b'.') {
            integer = false;
            end = self.digits(end + 1);
        }
        if matches!(self.bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent_end = self.digits(end + 1 + sign);
            if exponent_end > end + 1 + sign {
                integer = false;
                end = exponent_end;
            } else if sign == 1 {
                return Err(self.error_near("trailing junk after numeric literal", start, end + 2));
            }
        }
        if let Some(junk_end) = self.identifier_end(end) {
            return Err(self.error_near("trailing junk after numeric literal", start, junk_end));
        }
        self.pos = end;
        let kind = match self.sql[start..end].parse::<i32>() {
            Ok(value) if integer => TokenKind::Integer(value),
            _ => TokenKind::Float,
        };
        self.push(kind, start, end);
        Ok(())
    }

    /// A parameter, the beginning of a dollar-quoted string, or a lone dollar.
    pub(super) fn dollar(&mut self) -> Result<(), Error> {
        let start = self.pos;
        let end = self.digits(start + 1);
        if end > start + 1 {
            if let Some(junk_end) = self.identifier_end(end) {
                return Err(self.error_near("trailing junk after parameter", start, junk_end));
            }
            self.pos = end;
            // PostgreSQL reads a long and keeps its lower half.
            let number = self.sql[start + 1..end].parse::<i64>().unwrap_or(i64::MAX) as i32;
            self.push(TokenKind::Param(number), start, end);
            return Ok(());
        }
        if self.dollar_string()? {
            return Ok(());
        }
        self.pos = start + 1;
        self.push(TokenKind::Other, start, start + 1);
        Ok(())
    }
}
