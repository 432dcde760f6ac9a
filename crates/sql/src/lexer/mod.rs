//! The scanner: SQL text to tokens, by the rules of PostgreSQL's scan.l and of the token filter behind it.
//!
//! One pass over the bytes, no allocation per token: a token is its kind and its byte range; only strings
//! with escapes, doubled quotes or continuations are decoded into [`Lexed::values`]. The scanner never
//! fails: where the text can't go on it leaves an [`TokenKind::Error`] token and the error beside it, so
//! that a syntax error further left is reported first, as PostgreSQL does, which scans on demand.
//!
//! [`LexOptions`] has the settings that change what a text means.

mod escape;
mod fingerprint;
mod keywords;
mod number;
mod query_id;
mod split;
mod string;
mod token;

#[cfg(test)]
mod tests;

pub use fingerprint::fingerprint;
pub use keywords::{KeywordClass, Kw, MAX_KEYWORD_BYTES};
pub use query_id::{normalised, query_id};
pub use split::{StatementSpan, split_statements};
pub use token::{Token, TokenKind, Value};

use quarry_common::{Error, Severity, SqlState};

/// Identifiers are cut to fewer bytes than this.
pub const NAMEDATALEN: usize = 64;

/// The tokens of a text.
#[derive(Debug)]
pub struct Lexed {
    pub tokens: Vec<Token>,
    /// Texts that differ from what stands between the quotes.
    pub values: Vec<String>,
    /// NOTICEs about identifiers that were truncated, WARNINGs about escapes.
    pub notices: Vec<Error>,
    /// What the `Error` token stands for.
    pub error: Option<Error>,
}

/// The settings the scanner obeys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LexOptions {
    /// `standard_conforming_strings`: a backslash in a plain string is a backslash.
    pub conforming: bool,
    /// `escape_string_warning`: warn of backslashes where they are escapes in a plain string.
    pub escape_warning: bool,
    /// `backslash_quote`: `\'` may stand for a quote.
    pub backslash_quote: bool,
}

impl Default for LexOptions {
    fn default() -> LexOptions {
        LexOptions { conforming: true, escape_warning: true, backslash_quote: true }
    }
}

/// Scans `sql` under the default settings.
pub fn lex(sql: &str) -> Lexed {
    lex_with(sql, LexOptions::default())
}

/// Scans `sql`. Texts of 4 GiB and more are refused.
pub fn lex_with(sql: &str, options: LexOptions) -> Lexed {
    let mut scanner = Scanner {
        options,
        sql,
        bytes: sql.as_bytes(),
        pos: 0,
        out: Lexed {
            tokens: Vec::with_capacity(sql.len() / 5 + 4),
            values: Vec::new(),
            notices: Vec::new(),
            error: None,
        },
    };
    if sql.len() >= u32::MAX as usize {
        let error = Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "statement is too long");
        scanner.out.error = Some(error);
        scanner.push(TokenKind::Error, 0, 0);
        scanner.push(TokenKind::Eof, 0, 0);
        return scanner.out;
    }
    if let Err(error) = scanner.run() {
        scanner.out.error = Some(error);
        let at = scanner.pos.min(sql.len());
        scanner.push(TokenKind::Error, at, sql.len());
    }
    scanner.push(TokenKind::Eof, sql.len(), sql.len());
    scanner.out
}

/// The folded and truncated form of an unquoted identifier.
pub fn fold_identifier(text: &str) -> String {
    let mut folded = text.to_ascii_lowercase();
    truncate_identifier(&mut folded);
    folded
}

/// Cuts an identifier to 63 bytes at a character's boundary; whether there was something to cut.
pub fn truncate_identifier(name: &mut String) -> bool {
    if name.len() < NAMEDATALEN {
        return false;
    }
    let mut end = NAMEDATALEN - 1;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    true
}

struct Scanner<'a> {
    options: LexOptions,
    sql: &'a str,
    bytes: &'a [u8],
    pos: usize,
    out: Lexed,
}

/// Bits of [`CLASS`].
const IDENT_START: u8 = 1;
const IDENT_CONT: u8 = 2;
const OP_CHAR: u8 = 4;
const SPACE: u8 = 8;
const DIGIT: u8 = 16;
/// Operators of these may end in `+` or `-`.
const OP_SPECIAL: u8 = 32;

static CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let c = i as u8;
        let mut bits = 0;
        if c.is_ascii_alphabetic() || c == b'_' || c >= 0x80 {
            bits |= IDENT_START | IDENT_CONT;
        }
        if c.is_ascii_digit() {
            bits |= DIGIT | IDENT_CONT;
        }
        if c == b'$' {
            bits |= IDENT_CONT;
        }
        if matches!(c, b' ' | b'\t' | b'\n' | b'\r' | 0x0c) {
            bits |= SPACE;
        }
        if matches!(c, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%') {
            bits |= OP_CHAR | OP_SPECIAL;
        }
        if matches!(c, b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=') {
            bits |= OP_CHAR;
        }
        table[i] = bits;
        i += 1;
    }
    table
};

fn is(c: u8, bits: u8) -> bool {
    CLASS[usize::from(c)] & bits != 0
}

impl Scanner<'_> {
    /// The byte `ahead` of the current one; 0 beyond the end (no text contains it).
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, kind: TokenKind, start: usize, end: usize) {
        self.out.tokens.push(Token { kind, start: start as u32, end: end as u32 });
    }

    /// `message at or near "text"` for the text from `start` to `end`.
    fn error_near(&self, message: &str, start: usize, end: usize) -> Error {
        let message = if start >= self.bytes.len() {
            format!("{message} at end of input")
        } else {
            format!("{message} at or near \"{}\"", String::from_utf8_lossy(&self.bytes[start..end]))
        };
        Error::new(SqlState::SYNTAX_ERROR, message).position(start)
    }

    fn run(&mut self) -> Result<(), Error> {
        loop {
            self.skip_space()?;
            let start = self.pos;
            let Some(&c) = self.bytes.get(start) else { return Ok(()) };
            if is(c, IDENT_START) {
                if self.prefixed_string(c)? {
                    continue;
                }
                self.word();
            } else if is(c, DIGIT) || (c == b'.' && is(self.peek(1), DIGIT)) {
                self.number()?;
            } else {
                match c {
                    b'\'' => self.plain_string()?,
                    b'"' => self.quoted_identifier()?,
                    b'$' => self.dollar()?,
                    _ => self.punctuation(c)?,
                }
            }
        }
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) -> Result<(), Error> {
        loop {
            let c = self.peek(0);
            if is(c, SPACE) {
                self.pos += 1;
            } else if c == b'-' && self.peek(1) == b'-' {
                self.skip_line_comment();
            } else if c == b'/' && self.peek(1) == b'*' {
                self.skip_block_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    fn skip_line_comment(&mut self) {
        while self.pos < self.bytes.len() && !matches!(self.bytes[self.pos], b'\n' | b'\r') {
            self.pos += 1;
        }
    }

    fn skip_block_comment(&mut self) -> Result<(), Error> {
        let start = self.pos;
        self.pos += 2;
        let mut depth = 1;
        while depth > 0 {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.pos += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.pos += 2;
                }
                _ if self.pos >= self.bytes.len() => {
                    self.pos = start;
                    return Err(self.error_near("unterminated /* comment", start, self.bytes.len()));
                }
                _ => self.pos += 1,
            }
        }
        Ok(())
    }

    /// A keyword or an unquoted identifier.
    fn word(&mut self) {
        let start = self.pos;
        let mut end = start + 1;
        while end < self.bytes.len() && is(self.bytes[end], IDENT_CONT) {
            end += 1;
        }
        self.pos = end;
        let word = &self.bytes[start..end];
        let mut kind = TokenKind::Ident;
        if word.len() <= MAX_KEYWORD_BYTES {
            let mut lower = [0u8; MAX_KEYWORD_BYTES];
            for (to, from) in lower.iter_mut().zip(word) {
                *to = from.to_ascii_lowercase();
            }
            if let Some(kw) = Kw::lookup(&lower[..word.len()]) {
                kind = TokenKind::Keyword(kw);
            }
        } else if word.len() >= NAMEDATALEN {
            let full = self.sql[start..end].to_ascii_lowercase();
            self.truncation_notice(&full);
        }
        self.push(kind, start, end);
    }

    /// Tells that an identifier is too long, if it is.
    fn truncation_notice(&mut self, full: &str) {
        let mut cut = full.to_string();
        if truncate_identifier(&mut cut) {
            let message = format!("identifier \"{full}\" will be truncated to \"{cut}\"");
            self.out.notices.push(Error::new(SqlState::NAME_TOO_LONG, message).severity(Severity::Notice));
        }
    }

    /// Operators, brackets and the rest.
    fn punctuation(&mut self, c: u8) -> Result<(), Error> {
        let start = self.pos;
        if is(c, OP_CHAR) {
            return self.operator();
        }
        let (kind, bytes) = match (c, self.peek(1)) {
            (b':', b':') => (TokenKind::TypeCast, 2),
            (b':', b'=') => (TokenKind::ColonEqual, 2),
            (b'.', b'.') => (TokenKind::DotDot, 2),
            (b':', _) => (TokenKind::Colon, 1),
            (b'.', _) => (TokenKind::Dot, 1),
            (b',', _) => (TokenKind::Comma, 1),
            (b'(', _) => (TokenKind::LeftParen, 1),
            (b')', _) => (TokenKind::RightParen, 1),
            (b'[', _) => (TokenKind::LeftBracket, 1),
            (b']', _) => (TokenKind::RightBracket, 1),
            (b';', _) => (TokenKind::Semicolon, 1),
            _ => (TokenKind::Other, 1),
        };
        self.pos += bytes;
        self.push(kind, start, start + bytes);
        Ok(())
    }

    /// The longest run of operator characters, cut where a comment begins, and without trailing `+` and `-`
    /// unless one of the characters that SQL's own operators lack is in it.
    fn operator(&mut self) -> Result<(), Error> {
        let start = self.pos;
        let mut end = start;
        while end < self.bytes.len() && is(self.bytes[end], OP_CHAR) {
            if matches!(&self.bytes[end..(end + 2).min(self.bytes.len())], b"--" | b"/*") && end > start {
                break;
            }
            end += 1;
        }
        while end - start > 1 && matches!(self.bytes[end - 1], b'+' | b'-') {
            if self.bytes[start..end - 1].iter().any(|&c| is(c, OP_SPECIAL)) {
                break;
            }
            end -= 1;
        }
        let kind = match &self.bytes[start..end] {
            b"+" => TokenKind::Plus,
            b"-" => TokenKind::Minus,
            b"*" => TokenKind::Star,
            b"/" => TokenKind::Slash,
            b"%" => TokenKind::Percent,
            b"^" => TokenKind::Caret,
            b"<" => TokenKind::Less,
            b">" => TokenKind::Greater,
            b"=" => TokenKind::Equal,
            b"=>" => TokenKind::EqualGreater,
            b"<=" => TokenKind::LessEqual,
            b">=" => TokenKind::GreaterEqual,
            b"<>" | b"!=" => TokenKind::NotEqual,
            op if op.len() >= NAMEDATALEN => return Err(self.error_near("operator too long", start, end)),
            _ => TokenKind::Op,
        };
        self.pos = end;
        self.push(kind, start, end);
        Ok(())
    }
}
