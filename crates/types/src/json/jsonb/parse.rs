//! Text to jsonb.

use super::*;
use crate::json::lexer::{self, Lexer, Sink, Token};
use crate::numeric::Numeric;
use quarry_common::Result;

impl Sink for JsonbBuilder {
    fn object_start(&mut self) -> Result<()> {
        self.begin_object()
    }
    fn object_end(&mut self) -> Result<()> {
        self.end()
    }
    fn array_start(&mut self) -> Result<()> {
        self.begin_array()
    }
    fn array_end(&mut self) -> Result<()> {
        self.end()
    }
    fn key(&mut self, lexer: &Lexer<'_>) -> Result<()> {
        JsonbBuilder::key(self, lexer.string())
    }
    fn scalar(&mut self, lexer: &Lexer<'_>) -> Result<()> {
        match lexer.token() {
            Token::String => self.string(lexer.string()),
            Token::Number => self.number(Numeric::parse(lexer.token_text())?.view()),
            Token::True => self.bool(true),
            Token::False => self.bool(false),
            _ => self.null(),
        }
    }
}

/// Reads JSON text.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    let mut b = JsonbBuilder::new();
    parse_into(text, &mut b)?;
    b.finish()
}

/// Reads JSON text as the next value of `builder`.
pub fn parse_into(text: &str, builder: &mut JsonbBuilder) -> Result<()> {
    lexer::parse(&mut Lexer::new(text, true), builder)
}
