//! Tokens of JSON text, the grammar over them, and PostgreSQL's errors.

use super::{DEPTH_MAX, too_deep};
use quarry_common::{Error, Result, err};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token {
    Invalid,
    String,
    Number,
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Comma,
    Colon,
    True,
    False,
    Null,
    End,
}

/// What the grammar wanted where something else stood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    Json,
    String,
    Colon,
    ArrayNext,
    ObjectFirst,
    ObjectNext,
    End,
}

/// The lexer; holds the current token.
pub struct Lexer<'a> {
    input: &'a str,
    token: Token,
    start: usize,
    end: usize,
    previous_end: usize,
    line: usize,
    line_start: usize,
    /// Decode strings into `string`, and reject escapes that text can't hold.
    decode: bool,
    string: String,
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

/// Length of the UTF-8 character starting at `at`.
fn char_len(s: &str, at: usize) -> usize {
    match s.as_bytes().get(at) {
        Some(b) if *b >= 0xF0 => 4,
        Some(b) if *b >= 0xE0 => 3,
        Some(b) if *b >= 0xC0 => 2,
        _ => 1,
    }
}

impl<'a> Lexer<'a> {
    /// Starts before the first token. `decode`: strings are wanted in decoded form.
    pub fn new(input: &'a str, decode: bool) -> Lexer<'a> {
        Lexer {
            input,
            token: Token::Invalid,
            start: 0,
            end: 0,
            previous_end: 0,
            line: 1,
            line_start: 0,
            decode,
            string: String::new(),
        }
    }
    /// The current token.
    pub fn token(&self) -> Token {
        self.token
    }
    /// The current token's text.
    pub fn token_text(&self) -> &'a str {
        &self.input[self.start..self.end]
    }
    /// Where the current token starts.
    pub fn token_start(&self) -> usize {
        self.start
    }
    /// Where the current token ends.
    pub fn token_end(&self) -> usize {
        self.end
    }
    /// Where the token before the current one ended.
    pub fn previous_end(&self) -> usize {
        self.previous_end
    }
    /// The current string, decoded.
    pub fn string(&self) -> &str {
        &self.string
    }

    fn invalid(&self, detail: String) -> Error {
        err!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json")
            .detail(detail)
            .context(self.where_line())
    }
    fn invalid_token(&self) -> Error {
        self.invalid(format!("Token \"{}\" is invalid.", self.shown()))
    }
    fn shown(&self) -> &str {
        self.input.get(self.start..self.end).unwrap_or("")
    }
    /// "JSON data, line 1: ...": up to fifty bytes before the error.
    fn where_line(&self) -> String {
        let bytes = self.input.as_bytes();
        let end = self.end.min(bytes.len());
        let mut from = self.line_start.min(end);
        while end - from >= 50 {
            from += char_len(self.input, from);
        }
        if from - self.line_start <= 3 {
            from = self.line_start;
        }
        let prefix = if from > self.line_start { "..." } else { "" };
        let more = self.token != Token::End && end < bytes.len() && !matches!(bytes[end], b'\n' | b'\r');
        let suffix = if more { "..." } else { "" };
        let shown = String::from_utf8_lossy(&bytes[from..end]);
        format!("JSON data, line {}: {prefix}{shown}{suffix}", self.line)
    }
    fn unexpected(&self, wanted: Expected) -> Error {
        if self.token == Token::End {
            return self.invalid("The input string ended unexpectedly.".into());
        }
        let what = match wanted {
            Expected::Json => "JSON value",
            Expected::String => "string",
            Expected::Colon => "\":\"",
            Expected::ArrayNext => "\",\" or \"]\"",
            Expected::ObjectFirst => "string or \"}\"",
            Expected::ObjectNext => "\",\" or \"}\"",
            Expected::End => "end of input",
        };
        self.invalid(format!("Expected {what}, but found \"{}\".", self.shown()))
    }

    /// Moves to the next token.
    pub fn advance(&mut self) -> Result<()> {
        let b = self.input.as_bytes();
        let mut s = self.end;
        self.previous_end = s;
        while let Some(c) = b.get(s).filter(|c| matches!(c, b' ' | b'\t' | b'\n' | b'\r')) {
            s += 1;
            if *c == b'\n' {
                self.line += 1;
                self.line_start = s;
            }
        }
        self.start = s;
        let Some(&c) = b.get(s) else {
            self.end = s;
            self.token = Token::End;
            return Ok(());
        };
        let mark = match c {
            b'{' => Token::ObjectStart,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayStart,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => {
                self.lex_string()?;
                self.token = Token::String;
                return Ok(());
            }
            b'-' => return self.lex_number(s + 1),
            b'0'..=b'9' => return self.lex_number(s),
            _ => {
                let end = s + b[s..].iter().take_while(|c| is_word(**c)).count();
                if end == s {
                    self.end = s + 1;
                    return Err(self.invalid_token());
                }
                self.end = end;
                self.token = match &b[s..end] {
                    b"true" => Token::True,
                    b"false" => Token::False,
                    b"null" => Token::Null,
                    _ => return Err(self.invalid_token()),
                };
                return Ok(());
            }
        };
        self.token = mark;
        self.end = s + 1;
        Ok(())
    }

    /// Checks that the document has ended.
    pub fn expect_end(&self) -> Result<()> {
        if self.token == Token::End { Ok(()) } else { Err(self.unexpected(Expected::End)) }
    }

    /// Reads an object, whose brace is current: `f` is called with each field's name where its value is current,
    /// and must read the value.
    pub fn object_fields(&mut self, mut f: impl FnMut(&mut Lexer<'a>, &str) -> Result<()>) -> Result<()> {
        self.advance()?;
        if self.token == Token::ObjectEnd {
            return self.advance();
        }
        if self.token != Token::String {
            return Err(self.unexpected(Expected::ObjectFirst));
        }
        loop {
            let key = std::mem::take(&mut self.string);
            self.advance()?;
            if self.token != Token::Colon {
                return Err(self.unexpected(Expected::Colon));
            }
            self.advance()?;
            f(self, &key)?;
            match self.token {
                Token::Comma => self.advance()?,
                Token::ObjectEnd => return self.advance(),
                _ => return Err(self.unexpected(Expected::ObjectNext)),
            }
            if self.token != Token::String {
                return Err(self.unexpected(Expected::String));
            }
        }
    }

    /// Reads an array, whose bracket is current: `f` is called where an element is current, and must read it.
    pub fn array_elements(&mut self, mut f: impl FnMut(&mut Lexer<'a>) -> Result<()>) -> Result<()> {
        self.advance()?;
        if self.token == Token::ArrayEnd {
            return self.advance();
        }
        loop {
            f(self)?;
            match self.token {
                Token::Comma => self.advance()?,
                Token::ArrayEnd => return self.advance(),
                _ => return Err(self.unexpected(Expected::ArrayNext)),
            }
        }
    }

    fn lex_number(&mut self, mut s: usize) -> Result<()> {
        let b = self.input.as_bytes();
        let digits = |s: usize| b[s.min(b.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
        let mut bad = false;
        match b.get(s) {
            Some(b'0') => s += 1,
            Some(b'1'..=b'9') => s += digits(s),
            _ => bad = true,
        }
        if b.get(s) == Some(&b'.') {
            s += 1;
            let n = digits(s);
            bad |= n == 0;
            s += n;
        }
        if matches!(b.get(s), Some(b'e' | b'E')) {
            s += 1;
            if matches!(b.get(s), Some(b'+' | b'-')) {
                s += 1;
            }
            let n = digits(s);
            bad |= n == 0;
            s += n;
        }
        let rest = b[s..].iter().take_while(|c| is_word(**c)).count();
        self.end = s + rest;
        if bad || rest > 0 {
            return Err(self.invalid_token());
        }
        self.token = Token::Number;
        Ok(())
    }

    fn lex_string(&mut self) -> Result<()> {
        let b = self.input.as_bytes();
        self.string.clear();
        let mut s = self.start + 1;
        // A high surrogate that waits for its low one.
        let mut high: Option<u32> = None;
        loop {
            // Plain characters at once.
            let plain =
                b[s..].iter().position(|c| *c == b'"' || *c == b'\\' || *c < 32).unwrap_or(b.len() - s);
            if plain > 0 {
                if high.is_some() {
                    self.end = s + char_len(self.input, s);
                    return Err(self.low_surrogate());
                }
                if self.decode {
                    self.string.push_str(&self.input[s..s + plain]);
                }
                s += plain;
            }
            match b.get(s) {
                None => {
                    self.end = s;
                    return Err(self.invalid_token());
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    s += 1;
                    let Some(&c) = b.get(s) else {
                        self.end = s;
                        return Err(self.invalid_token());
                    };
                    if c == b'u' {
                        s = self.unicode_escape(s, &mut high)?;
                        continue;
                    }
                    if high.is_some() {
                        self.end = s + char_len(self.input, s);
                        return Err(self.low_surrogate());
                    }
                    let decoded = match c {
                        b'"' | b'\\' | b'/' => char::from(c),
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        _ => {
                            self.start = s;
                            self.end = s + char_len(self.input, s);
                            return Err(
                                self.invalid(format!("Escape sequence \"\\{}\" is invalid.", self.shown()))
                            );
                        }
                    };
                    if self.decode {
                        self.string.push(decoded);
                    }
                    s += 1;
                }
                Some(&c) => {
                    self.end = s;
                    return Err(self.invalid(format!("Character with value 0x{c:02x} must be escaped.")));
                }
            }
        }
        if high.is_some() {
            self.end = s + 1;
            return Err(self.low_surrogate());
        }
        self.end = s + 1;
        Ok(())
    }

    fn low_surrogate(&self) -> Error {
        self.invalid("Unicode low surrogate must follow a high surrogate.".into())
    }

    /// Reads the four digits after the "u" at `s`; returns where to go on.
    fn unicode_escape(&mut self, s: usize, high: &mut Option<u32>) -> Result<usize> {
        let b = self.input.as_bytes();
        let mut code = 0;
        for i in s + 1..=s + 4 {
            let Some(&c) = b.get(i) else {
                self.end = i;
                return Err(self.invalid_token());
            };
            let Some(digit) = char::from(c).to_digit(16) else {
                self.end = i + char_len(self.input, i);
                return Err(self.invalid("\"\\u\" must be followed by four hexadecimal digits.".into()));
            };
            code = code * 16 + digit;
        }
        let next = s + 5;
        if !self.decode {
            return Ok(next);
        }
        self.end = next;
        match code {
            0xD800..=0xDBFF => {
                if high.is_some() {
                    return Err(
                        self.invalid("Unicode high surrogate must not follow a high surrogate.".into())
                    );
                }
                *high = Some(code);
            }
            0xDC00..=0xDFFF => {
                let Some(h) = high.take() else { return Err(self.low_surrogate()) };
                let c = 0x10000 + ((h - 0xD800) << 10) + (code - 0xDC00);
                self.string.push(char::from_u32(c).expect("a surrogate pair is a character"));
            }
            _ if high.is_some() => return Err(self.low_surrogate()),
            0 => {
                return Err(err!(UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence")
                    .detail("\\u0000 cannot be converted to text.")
                    .context(self.where_line()));
            }
            _ => self.string.push(char::from_u32(code).expect("not a surrogate")),
        }
        Ok(next)
    }
}

/// Receives a document's parts in order.
pub trait Sink {
    fn object_start(&mut self) -> Result<()>;
    fn object_end(&mut self) -> Result<()>;
    fn array_start(&mut self) -> Result<()>;
    fn array_end(&mut self) -> Result<()>;
    /// A field's name, decoded if the lexer decodes.
    fn key(&mut self, lexer: &Lexer<'_>) -> Result<()>;
    /// A string, number, true, false or null: the lexer's current token.
    fn scalar(&mut self, lexer: &Lexer<'_>) -> Result<()>;
}

/// A [`Sink`] that only checks.
pub struct Check;

impl Sink for Check {
    fn object_start(&mut self) -> Result<()> {
        Ok(())
    }
    fn object_end(&mut self) -> Result<()> {
        Ok(())
    }
    fn array_start(&mut self) -> Result<()> {
        Ok(())
    }
    fn array_end(&mut self) -> Result<()> {
        Ok(())
    }
    fn key(&mut self, _: &Lexer<'_>) -> Result<()> {
        Ok(())
    }
    fn scalar(&mut self, _: &Lexer<'_>) -> Result<()> {
        Ok(())
    }
}

/// Reads a whole document.
pub fn parse(lexer: &mut Lexer<'_>, sink: &mut impl Sink) -> Result<()> {
    lexer.advance()?;
    parse_value(lexer, sink)?;
    if lexer.token != Token::End {
        return Err(lexer.unexpected(Expected::End));
    }
    Ok(())
}

/// Reads one value, of which the current token is the first; leaves the token after it current. Without recursion.
pub fn parse_value(lexer: &mut Lexer<'_>, sink: &mut impl Sink) -> Result<()> {
    // true: object, false: array.
    let mut open: Vec<bool> = Vec::new();
    loop {
        // A value starts here.
        match lexer.token {
            Token::ObjectStart => {
                if open.len() >= DEPTH_MAX {
                    return Err(too_deep());
                }
                sink.object_start()?;
                lexer.advance()?;
                match lexer.token {
                    Token::String => {
                        open.push(true);
                        field_name(lexer, sink)?;
                        continue;
                    }
                    Token::ObjectEnd => {
                        sink.object_end()?;
                        lexer.advance()?;
                    }
                    _ => return Err(lexer.unexpected(Expected::ObjectFirst)),
                }
            }
            Token::ArrayStart => {
                if open.len() >= DEPTH_MAX {
                    return Err(too_deep());
                }
                sink.array_start()?;
                lexer.advance()?;
                if lexer.token != Token::ArrayEnd {
                    open.push(false);
                    continue;
                }
                sink.array_end()?;
                lexer.advance()?;
            }
            Token::String | Token::Number | Token::True | Token::False | Token::Null => {
                sink.scalar(lexer)?;
                lexer.advance()?;
            }
            _ => return Err(lexer.unexpected(Expected::Json)),
        }
        // A value has ended; so may what holds it.
        loop {
            match (open.last(), lexer.token) {
                (None, _) => return Ok(()),
                (Some(true), Token::Comma) => {
                    lexer.advance()?;
                    if lexer.token != Token::String {
                        return Err(lexer.unexpected(Expected::String));
                    }
                    field_name(lexer, sink)?;
                    break;
                }
                (Some(true), Token::ObjectEnd) => {
                    sink.object_end()?;
                    open.pop();
                    lexer.advance()?;
                }
                (Some(true), _) => return Err(lexer.unexpected(Expected::ObjectNext)),
                (Some(false), Token::Comma) => {
                    lexer.advance()?;
                    break;
                }
                (Some(false), Token::ArrayEnd) => {
                    sink.array_end()?;
                    open.pop();
                    lexer.advance()?;
                }
                (Some(false), _) => return Err(lexer.unexpected(Expected::ArrayNext)),
            }
        }
    }
}

/// Reads a field's name and colon.
fn field_name(lexer: &mut Lexer<'_>, sink: &mut impl Sink) -> Result<()> {
    sink.key(lexer)?;
    lexer.advance()?;
    if lexer.token != Token::Colon {
        return Err(lexer.unexpected(Expected::Colon));
    }
    lexer.advance()
}

/// Checks text against JSON's grammar.
pub fn check(text: &str) -> Result<()> {
    parse(&mut Lexer::new(text, false), &mut Check)
}
