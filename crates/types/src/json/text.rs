//! Reads parts out of json text without making a tree; the text found keeps its form.
//!
//! The whole document is scanned, so that a document with an escape that text can't hold (`\u0000`) is refused as
//! PostgreSQL does, wherever the escape stands. Of fields with the same name the last one counts.

use super::lexer::{self, Check, Lexer, Sink, Token, parse_value};
use super::{escape_json, jsonb};
use quarry_common::{Result, bail};

/// A value's text within a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// As written.
    pub json: &'a str,
    pub token: Token,
    /// The decoded string, where the value is one.
    string: Option<String>,
}

impl Part<'_> {
    /// What `->>` returns; none: JSON null.
    pub fn as_text(&self) -> Option<String> {
        match self.token {
            Token::Null => None,
            Token::String => self.string.clone(),
            _ => Some(self.json.to_string()),
        }
    }
}

/// Reads the value whose first token is current.
fn part<'a>(text: &'a str, lexer: &mut Lexer<'a>) -> Result<Part<'a>> {
    let (token, start) = (lexer.token(), lexer.token_start());
    let string = (token == Token::String).then(|| lexer.string().to_string());
    parse_value(lexer, &mut Check)?;
    Ok(Part { json: &text[start..lexer.previous_end()], token, string })
}

/// Calls `f` with each field's decoded name and value, if the document is an object.
fn for_fields<'a>(
    text: &'a str,
    lexer: &mut Lexer<'a>,
    mut f: impl FnMut(&str, Part<'a>) -> Result<()>,
) -> Result<()> {
    lexer.object_fields(|lexer, key| {
        let p = part(text, lexer)?;
        f(key, p)
    })
}

fn open(text: &str) -> Result<Lexer<'_>> {
    let mut lexer = Lexer::new(text, true);
    lexer.advance()?;
    Ok(lexer)
}

/// `j -> 'key'`.
pub fn object_field<'a>(text: &'a str, key: &str) -> Result<Option<Part<'a>>> {
    let mut found = None;
    let mut lexer = open(text)?;
    if lexer.token() == Token::ObjectStart {
        for_fields(text, &mut lexer, |k, p| {
            if k == key {
                found = Some(p);
            }
            Ok(())
        })?;
    } else {
        parse_value(&mut lexer, &mut Check)?;
    }
    lexer.expect_end()?;
    Ok(found)
}

/// The elements of an array document; none: it is no array.
pub fn elements(text: &str) -> Result<Option<Vec<Part<'_>>>> {
    let mut lexer = open(text)?;
    let mut out = None;
    if lexer.token() == Token::ArrayStart {
        let mut list = Vec::new();
        lexer.array_elements(|lexer| {
            list.push(part(text, lexer)?);
            Ok(())
        })?;
        out = Some(list);
    } else {
        parse_value(&mut lexer, &mut Check)?;
    }
    lexer.expect_end()?;
    Ok(out)
}

/// The fields of an object document in order, duplicates included; none: it is no object.
pub fn fields(text: &str) -> Result<Option<Vec<(String, Part<'_>)>>> {
    let mut lexer = open(text)?;
    let mut out = None;
    if lexer.token() == Token::ObjectStart {
        let mut list = Vec::new();
        for_fields(text, &mut lexer, |k, p| {
            list.push((k.to_string(), p));
            Ok(())
        })?;
        out = Some(list);
    } else {
        parse_value(&mut lexer, &mut Check)?;
    }
    lexer.expect_end()?;
    Ok(out)
}

/// `j -> index`.
pub fn array_element(text: &str, index: i32) -> Result<Option<Part<'_>>> {
    let Some(mut list) = elements(text)? else { return Ok(None) };
    Ok(jsonb::access::position(index, list.len()).map(|i| list.swap_remove(i)))
}

/// `j #> path`. An empty path is the document.
pub fn extract_path<'a, S: AsRef<str>>(text: &'a str, path: &[S]) -> Result<Option<Part<'a>>> {
    if path.is_empty() {
        let mut lexer = open(text)?;
        let p = part(text, &mut lexer)?;
        lexer.expect_end()?;
        return Ok(Some(p));
    }
    // The document is checked once; what is walked below is a part of it.
    lexer::parse(&mut Lexer::new(text, true), &mut Check)?;
    walk(text, path)
}

fn walk<'a, S: AsRef<str>>(text: &'a str, path: &[S]) -> Result<Option<Part<'a>>> {
    let (step, rest) = path.split_first().expect("called with a step to go");
    let step = step.as_ref();
    let mut found = None;
    let mut take = |p: Part<'a>| -> Result<()> {
        if rest.is_empty() {
            found = Some(p);
        } else if matches!(p.token, Token::ObjectStart | Token::ArrayStart)
            && let Some(inner) = walk(p.json, rest)?
        {
            found = Some(inner);
        }
        Ok(())
    };
    match text.trim_start().as_bytes().first() {
        Some(b'{') => {
            for (k, p) in fields(text)?.unwrap_or_default() {
                if k == step {
                    take(p)?;
                }
            }
        }
        Some(b'[') => {
            if let Some(index) = jsonb::access::path_index(step)
                && let Some(p) = array_element(text, index)?
            {
                take(p)?;
            }
        }
        _ => {}
    }
    Ok(found)
}

fn root_token(text: &str) -> Result<Token> {
    Ok(open(text)?.token())
}

/// `json_typeof`.
pub fn type_of(text: &str) -> Result<&'static str> {
    Ok(match root_token(text)? {
        Token::ObjectStart => "object",
        Token::ArrayStart => "array",
        Token::String => "string",
        Token::Number => "number",
        Token::True | Token::False => "boolean",
        _ => "null",
    })
}

/// `json_array_length`.
pub fn array_length(text: &str) -> Result<usize> {
    match root_token(text)? {
        Token::ArrayStart => Ok(elements(text)?.map_or(0, |e| e.len())),
        Token::ObjectStart => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a non-array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a scalar"),
    }
}

/// The elements that `function` ("json_array_elements", "json_array_elements_text") returns.
pub fn array_elements<'a>(text: &'a str, function: &str) -> Result<Vec<Part<'a>>> {
    match root_token(text)? {
        Token::ArrayStart => Ok(elements(text)?.unwrap_or_default()),
        Token::ObjectStart => bail!(INVALID_PARAMETER_VALUE, "cannot call {function} on a non-array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call {function} on a scalar"),
    }
}

/// The fields that `json_each` and `json_each_text` return.
pub fn each(text: &str) -> Result<Vec<(String, Part<'_>)>> {
    match root_token(text)? {
        Token::ObjectStart => Ok(fields(text)?.unwrap_or_default()),
        Token::ArrayStart => bail!(INVALID_PARAMETER_VALUE, "cannot deconstruct an array as an object"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot deconstruct a scalar"),
    }
}

/// `json_object_keys`, duplicates included.
pub fn object_keys(text: &str) -> Result<Vec<String>> {
    match root_token(text)? {
        Token::ObjectStart => Ok(fields(text)?.unwrap_or_default().into_iter().map(|(k, _)| k).collect()),
        Token::ArrayStart => {
            bail!(INVALID_PARAMETER_VALUE, "cannot call json_object_keys on an array")
        }
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call json_object_keys on a scalar"),
    }
}

/// `json_strip_nulls`: written anew without white space and without object fields that are null.
pub fn strip_nulls(text: &str) -> Result<String> {
    #[derive(Default)]
    struct Strip {
        out: Vec<u8>,
        /// A field's name that waits for its value.
        pending: Option<Vec<u8>>,
    }
    impl Strip {
        fn comma(&mut self) {
            if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
                self.out.push(b',');
            }
        }
        fn before_value(&mut self) {
            match self.pending.take() {
                Some(key) => {
                    self.comma();
                    self.out.extend_from_slice(&key);
                    self.out.push(b':');
                }
                None => self.comma(),
            }
        }
    }
    impl Sink for Strip {
        fn object_start(&mut self) -> Result<()> {
            self.before_value();
            self.out.push(b'{');
            Ok(())
        }
        fn object_end(&mut self) -> Result<()> {
            self.out.push(b'}');
            Ok(())
        }
        fn array_start(&mut self) -> Result<()> {
            self.before_value();
            self.out.push(b'[');
            Ok(())
        }
        fn array_end(&mut self) -> Result<()> {
            self.out.push(b']');
            Ok(())
        }
        fn key(&mut self, lexer: &Lexer<'_>) -> Result<()> {
            let mut key = Vec::new();
            escape_json(&mut key, lexer.string());
            self.pending = Some(key);
            Ok(())
        }
        fn scalar(&mut self, lexer: &Lexer<'_>) -> Result<()> {
            if lexer.token() == Token::Null && self.pending.take().is_some() {
                return Ok(());
            }
            self.before_value();
            if lexer.token() == Token::String {
                escape_json(&mut self.out, lexer.string());
            } else {
                self.out.extend_from_slice(lexer.token_text().as_bytes());
            }
            Ok(())
        }
    }
    let mut sink = Strip::default();
    lexer::parse(&mut Lexer::new(text, true), &mut sink)?;
    Ok(String::from_utf8(sink.out).expect("made of text"))
}
