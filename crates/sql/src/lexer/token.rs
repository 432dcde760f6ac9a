//! Tokens: what the scanner hands to the parser.

use super::Kw;

/// A token and its bytes in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub start: u32,
    pub end: u32,
}

/// Where a token's decoded text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The text between the quotes, as it stands.
    Plain,
    /// An entry of [`super::Lexed::values`].
    Decoded(u32),
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TokenKind {
    Keyword(Kw),
    /// An unquoted identifier: its text, folded and truncated.
    Ident,
    /// A quoted identifier.
    QuotedIdent(Value),
    /// Fits int4.
    Integer(i32),
    /// Any other number.
    Float,
    String(Value),
    /// `B'...'`
    BitString(Value),
    /// `X'...'`
    HexString(Value),
    /// `$n`
    Param(i32),
    /// An operator that is none of the single characters and pairs below.
    Op,
    Comma,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Dot,
    Semicolon,
    Colon,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Caret,
    Less,
    Greater,
    Equal,
    /// `::`
    TypeCast,
    /// `..`
    DotDot,
    /// `:=`
    ColonEqual,
    /// `=>`
    EqualGreater,
    /// `<=`
    LessEqual,
    /// `>=`
    GreaterEqual,
    /// `<>` and `!=`
    NotEqual,
    /// A character that begins no token.
    Other,
    /// Where the scanner gave up: the error is [`super::Lexed::error`]. Always the last but one.
    Error,
    /// The end of the text. Always the last.
    Eof,
}

impl TokenKind {
    /// Whether it is an operator: between two operands, or before one.
    pub fn is_operator(self) -> bool {
        matches!(
            self,
            TokenKind::Op
                | TokenKind::Plus
                | TokenKind::Minus
                | TokenKind::Star
                | TokenKind::Slash
                | TokenKind::Percent
                | TokenKind::Caret
                | TokenKind::Less
                | TokenKind::Greater
                | TokenKind::Equal
                | TokenKind::LessEqual
                | TokenKind::GreaterEqual
                | TokenKind::NotEqual
        )
    }
}
