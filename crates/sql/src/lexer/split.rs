//! Splits a text of several statements at its semicolons.

use super::{Kw, Token, TokenKind};
use std::ops::Range;

/// A statement's place: in the text and in the tokens. Neither includes the semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementSpan {
    /// From the first token's first byte to the last one's end.
    pub text: Range<usize>,
    pub tokens: Range<usize>,
}

/// The statements between semicolons; empty ones are dropped. The semicolons between BEGIN ATOMIC and its
/// END, and those in parentheses (CREATE RULE), split nothing.
pub fn split_statements(tokens: &[Token]) -> Vec<StatementSpan> {
    let mut spans = Vec::new();
    let mut first = 0;
    let mut parens = 0u32;
    // Open BEGIN ATOMIC (only one) and the CASEs inside it.
    let mut blocks = 0u32;
    for (i, token) in tokens.iter().enumerate() {
        let split = match token.kind {
            TokenKind::LeftParen => {
                parens += 1;
                false
            }
            TokenKind::RightParen => {
                parens = parens.saturating_sub(1);
                false
            }
            TokenKind::Keyword(Kw::Atomic)
                if i > 0 && tokens[i - 1].kind == TokenKind::Keyword(Kw::Begin) =>
            {
                blocks = 1;
                false
            }
            TokenKind::Keyword(Kw::Case) if blocks > 0 => {
                blocks += 1;
                false
            }
            TokenKind::Keyword(Kw::End) if blocks > 0 => {
                blocks -= 1;
                false
            }
            TokenKind::Semicolon => parens == 0 && blocks == 0,
            TokenKind::Eof => true,
            _ => false,
        };
        if split {
            if i > first {
                let text = tokens[first].start as usize..tokens[i - 1].end as usize;
                spans.push(StatementSpan { text, tokens: first..i });
            }
            first = i + 1;
            parens = 0;
            blocks = 0;
        }
    }
    spans
}
