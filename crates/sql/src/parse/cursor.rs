//! The parser's place in the tokens, and the errors it raises there.
//!
//! Invariant: no token is consumed that PostgreSQL's grammar would not have shifted. Then the first token
//! that does not fit is the one PostgreSQL names in `syntax error at or near`.

use crate::ast::{Name, Pos};
use crate::lexer::{self, KeywordClass, Kw, LexOptions, Lexed, Token, TokenKind, Value};
use quarry_common::{Error, Result, SqlState, err};

/// Nesting beyond this is refused. The stack may say so earlier.
const DEPTH_MAX: u32 = 1000;

/// Bytes of stack the parser may use: half of what a thread of the async runtime has by default.
const STACK_BYTES_MAX: usize = 1 << 20;

/// Operators in one chain (`1 + 1 + ...`): the tree is as deep as the chain is long.
pub(super) const CHAIN_MAX: u32 = 3000;

pub(crate) struct Parser<'a> {
    pub(super) sql: &'a str,
    lexed: Lexed,
    /// Index of the next token.
    next: usize,
    depth: u32,
    stack_base: usize,
    /// Index of a keyword that is to be taken for a label and not for an operator.
    label_at: usize,
    /// Index of the last keyword for which that was tried.
    label_tried: usize,
    /// An error that PostgreSQL finds when it analyzes the statement, after all syntax errors.
    pub(super) later_error: Option<Error>,
}

fn stack_address() -> usize {
    let marker = 0u8;
    std::ptr::from_ref(&marker) as usize
}

impl<'a> Parser<'a> {
    pub fn new(sql: &'a str) -> Parser<'a> {
        Parser::with_options(sql, LexOptions::default())
    }

    pub fn with_options(sql: &'a str, options: LexOptions) -> Parser<'a> {
        Parser::over(sql, lexer::lex_with(sql, options))
    }

    /// Over a text's tokens.
    pub fn over(sql: &'a str, lexed: Lexed) -> Parser<'a> {
        Parser {
            sql,
            lexed,
            next: 0,
            depth: 0,
            stack_base: stack_address(),
            label_at: usize::MAX,
            label_tried: usize::MAX,
            later_error: None,
        }
    }

    /// The NOTICEs of the scanner.
    pub fn take_notices(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.lexed.notices)
    }

    pub fn token(&self) -> Token {
        self.lexed.tokens[self.next]
    }

    pub fn kind(&self) -> TokenKind {
        self.lexed.tokens[self.next].kind
    }

    /// The token `n` behind the next one; `nth(0)` is the next.
    pub fn nth(&self, n: usize) -> TokenKind {
        self.lexed.tokens.get(self.next + n).map_or(TokenKind::Eof, |t| t.kind)
    }

    /// Where the next token begins.
    pub fn pos(&self) -> Pos {
        self.token().start
    }

    /// Where the last consumed token ended.
    pub fn last_end(&self) -> Pos {
        self.next.checked_sub(1).map_or(0, |i| self.lexed.tokens[i].end)
    }

    pub fn bump(&mut self) -> Token {
        let token = self.token();
        if self.next + 1 < self.lexed.tokens.len() {
            self.next += 1;
        }
        token
    }

    pub fn at(&self, kind: TokenKind) -> bool {
        self.kind() == kind
    }

    pub fn at_kw(&self, kw: Kw) -> bool {
        self.kind() == TokenKind::Keyword(kw)
    }

    pub fn nth_kw(&self, n: usize, kw: Kw) -> bool {
        self.nth(n) == TokenKind::Keyword(kw)
    }

    /// Whether the next tokens are these keywords.
    pub fn at_kws(&self, kws: &[Kw]) -> bool {
        kws.iter().enumerate().all(|(i, &kw)| self.nth_kw(i, kw))
    }

    pub fn keyword(&self) -> Option<Kw> {
        match self.kind() {
            TokenKind::Keyword(kw) => Some(kw),
            _ => None,
        }
    }

    pub fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.at(kind);
        if found {
            self.bump();
        }
        found
    }

    pub fn eat_kw(&mut self, kw: Kw) -> bool {
        self.eat(TokenKind::Keyword(kw))
    }

    /// Consumes all of these keywords or none.
    pub fn eat_kws(&mut self, kws: &[Kw]) -> bool {
        let found = self.at_kws(kws);
        if found {
            for _ in kws {
                self.bump();
            }
        }
        found
    }

    pub fn expect(&mut self, kind: TokenKind) -> Result<Pos> {
        if self.at(kind) { Ok(self.bump().start) } else { Err(self.unexpected()) }
    }

    pub fn expect_kw(&mut self, kw: Kw) -> Result<Pos> {
        self.expect(TokenKind::Keyword(kw))
    }

    pub fn expect_kws(&mut self, kws: &[Kw]) -> Result<Pos> {
        let pos = self.pos();
        for &kw in kws {
            self.expect_kw(kw)?;
        }
        Ok(pos)
    }

    /// The next token fits nowhere.
    pub fn unexpected(&self) -> Error {
        self.error_near("syntax error")
    }

    /// `message at or near` the next token, unless the scanner gave up there.
    pub fn error_near(&self, message: &str) -> Error {
        let token = self.token();
        if let (TokenKind::Error, Some(error)) = (token.kind, &self.lexed.error) {
            return error.clone();
        }
        let text = match token.kind {
            TokenKind::Eof => format!("{message} at end of input"),
            _ => format!("{message} at or near \"{}\"", self.text(token)),
        };
        err!(SYNTAX_ERROR, "{text}").position(token.start as usize)
    }

    /// 42601 with this text at this place.
    pub fn grammar_error(&self, message: &str, pos: Pos) -> Error {
        Error::new(SqlState::SYNTAX_ERROR, message).position(pos as usize)
    }

    /// 0A000 with this text at this place.
    pub fn not_supported(&self, message: &str, pos: Pos) -> Error {
        Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).position(pos as usize)
    }

    /// Runs `parse` one level deeper.
    pub fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH_MAX || self.stack_base.abs_diff(stack_address()) > STACK_BYTES_MAX {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Whether the next token is a keyword that [`Self::or_label`] takes for a label.
    pub fn is_label(&self) -> bool {
        self.next == self.label_at
    }

    /// Parses a target's expression. A keyword that is an operator may also be the target's label
    /// (`SELECT 1 in FROM t`).
    pub fn or_label<T>(&mut self, parse: fn(&mut Self) -> Result<T>) -> Result<T> {
        self.up_to_keyword(parse, |p, kw| kw.is_bare_label() && p.at_end_of_target())
    }

    /// Parses an expression that a keyword may end though it is an operator, too: where the operator finds
    /// no operand and `ends` says so, the expression is parsed again up to the keyword. Once per keyword, so
    /// that nesting costs no more.
    pub fn up_to_keyword<T>(
        &mut self,
        parse: fn(&mut Self) -> Result<T>,
        ends: fn(&Self, Kw) -> bool,
    ) -> Result<T> {
        let start = self.next;
        let depth = self.depth;
        let error = match parse(self) {
            Ok(parsed) => return Ok(parsed),
            Err(error) => error,
        };
        let Some(keyword) = self.next.checked_sub(1).filter(|&k| k > start && k != self.label_tried) else {
            return Err(error);
        };
        let TokenKind::Keyword(kw) = self.lexed.tokens[keyword].kind else { return Err(error) };
        if !ends(self, kw) {
            return Err(error);
        }
        let failed_at = self.next;
        (self.label_at, self.label_tried) = (keyword, keyword);
        (self.next, self.depth) = (start, depth);
        let again = parse(self);
        self.label_at = usize::MAX;
        if again.is_ok() && self.next == keyword {
            return again;
        }
        self.next = failed_at;
        Err(error)
    }

    /// Whether no target goes on here.
    pub fn at_end_of_target(&self) -> bool {
        use Kw::{
            Except, Fetch, For, From, Group, Having, Intersect, Into, Limit, Offset, On, Order, Union, Where,
            Window, With,
        };
        match self.kind() {
            TokenKind::Eof | TokenKind::Semicolon | TokenKind::RightParen | TokenKind::Comma => true,
            TokenKind::Keyword(kw) => matches!(
                kw,
                Into | From
                    | Where
                    | Group
                    | Having
                    | Window
                    | Union
                    | Intersect
                    | Except
                    | Order
                    | Limit
                    | Offset
                    | Fetch
                    | For
                    | On
                    | With
            ),
            _ => false,
        }
    }

    /// A token's bytes.
    pub fn text(&self, token: Token) -> &'a str {
        &self.sql[token.start as usize..token.end as usize]
    }

    /// A decoded text; `open` is the bytes before the opening quote's end.
    fn value(&self, token: Token, value: Value, open: usize) -> &str {
        match value {
            Value::Plain => &self.sql[token.start as usize + open..token.end as usize - 1],
            Value::Decoded(i) => &self.lexed.values[i as usize],
        }
    }

    /// The name a word token stands for.
    pub fn word(&self, token: Token) -> String {
        match token.kind {
            TokenKind::Keyword(kw) => kw.text().to_string(),
            TokenKind::QuotedIdent(value) => self.value(token, value, 1).to_string(),
            _ => lexer::fold_identifier(self.text(token)),
        }
    }

    /// Consumes a string constant, if one is next.
    pub fn eat_string(&mut self) -> Option<String> {
        let token = self.token();
        let TokenKind::String(value) = token.kind else { return None };
        let text = self.value(token, value, 1).to_string();
        self.bump();
        Some(text)
    }

    pub fn at_string(&self) -> bool {
        matches!(self.kind(), TokenKind::String(_))
    }

    pub fn string(&mut self) -> Result<String> {
        self.eat_string().ok_or_else(|| self.unexpected())
    }

    /// The text of a bit string token, with PostgreSQL's letter before it.
    pub fn bit_string(&self, token: Token) -> Option<String> {
        match token.kind {
            TokenKind::BitString(value) => Some(format!("b{}", self.value(token, value, 2))),
            TokenKind::HexString(value) => Some(format!("x{}", self.value(token, value, 2))),
            _ => None,
        }
    }

    /// An unsigned int4 constant.
    pub fn integer(&mut self) -> Result<i32> {
        match self.kind() {
            TokenKind::Integer(value) => {
                self.bump();
                Ok(value)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// An int4 constant with an optional sign.
    pub fn signed_integer(&mut self) -> Result<i32> {
        if self.eat(TokenKind::Minus) {
            return Ok(-self.integer()?);
        }
        self.eat(TokenKind::Plus);
        self.integer()
    }

    /// A number with an optional sign, as text.
    pub fn numeric_text(&mut self) -> Result<String> {
        let negative = self.eat(TokenKind::Minus);
        if !negative {
            self.eat(TokenKind::Plus);
        }
        match self.kind() {
            TokenKind::Integer(_) | TokenKind::Float => {
                let token = self.bump();
                let text = self.text(token);
                Ok(if negative { format!("-{text}") } else { text.to_string() })
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `item` one or more times with commas between.
    pub fn comma_list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat(TokenKind::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `( item, ... )`
    pub fn paren_list<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(TokenKind::LeftParen)?;
        let items = self.comma_list(item)?;
        self.expect(TokenKind::RightParen)?;
        Ok(items)
    }
}

/// 54001.
pub(super) fn too_deep() -> Error {
    err!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(
        "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the \
         platform's stack depth limit is adequate.",
    )
}

/// What words may stand for a name.
#[derive(Clone, Copy)]
pub(super) struct NameClass {
    col_name: bool,
    type_func: bool,
    reserved: bool,
}

/// Columns, tables, and most other objects.
pub(super) const COL_ID: NameClass = NameClass { col_name: true, type_func: false, reserved: false };
/// Types and functions.
pub(super) const TYPE_FUNC: NameClass = NameClass { col_name: false, type_func: true, reserved: false };
/// Anything that is not reserved.
pub(super) const NON_RESERVED: NameClass = NameClass { col_name: true, type_func: true, reserved: false };
/// Anything.
pub(super) const LABEL: NameClass = NameClass { col_name: true, type_func: true, reserved: true };

impl NameClass {
    pub fn accepts(self, kind: TokenKind) -> bool {
        match kind {
            TokenKind::Ident | TokenKind::QuotedIdent(_) => true,
            TokenKind::Keyword(kw) => match kw.class() {
                KeywordClass::Unreserved => true,
                KeywordClass::ColName => self.col_name,
                KeywordClass::TypeFunc => self.type_func,
                KeywordClass::Reserved => self.reserved,
            },
            _ => false,
        }
    }
}

/// Whether the token may label a column without AS.
pub(super) fn is_bare_label(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Ident | TokenKind::QuotedIdent(_) => true,
        TokenKind::Keyword(kw) => kw.is_bare_label(),
        _ => false,
    }
}

impl Parser<'_> {
    pub fn at_name(&self, class: NameClass) -> bool {
        class.accepts(self.kind())
    }

    /// A name of the class.
    pub fn name_of(&mut self, class: NameClass) -> Result<String> {
        if !self.at_name(class) {
            return Err(self.unexpected());
        }
        let token = self.bump();
        Ok(self.word(token))
    }

    /// ColId.
    pub fn col_id(&mut self) -> Result<String> {
        self.name_of(COL_ID)
    }

    /// ColLabel.
    pub fn col_label(&mut self) -> Result<String> {
        self.name_of(LABEL)
    }

    /// ColId with its place.
    pub fn name(&mut self) -> Result<Name> {
        let pos = self.pos();
        Ok(Name { value: self.col_id()?, pos })
    }

    /// `( name, ... )`
    pub fn name_list(&mut self) -> Result<Vec<Name>> {
        self.paren_list(Self::name)
    }

    /// [`Self::name_list`] if a parenthesis comes next.
    pub fn opt_name_list(&mut self) -> Result<Vec<Name>> {
        if self.at(TokenKind::LeftParen) { self.name_list() } else { Ok(Vec::new()) }
    }

    /// IF EXISTS.
    pub fn if_exists(&mut self) -> bool {
        self.eat_kws(&[Kw::If, Kw::Exists])
    }

    /// IF NOT EXISTS.
    pub fn if_not_exists(&mut self) -> Result<bool> {
        if !self.at_kws(&[Kw::If, Kw::Not]) {
            return Ok(false);
        }
        self.expect_kws(&[Kw::If, Kw::Not, Kw::Exists])?;
        Ok(true)
    }

    /// CASCADE, RESTRICT or nothing.
    pub fn drop_behavior(&mut self) -> crate::ast::DropBehavior {
        use crate::ast::DropBehavior;
        if self.eat_kw(Kw::Cascade) {
            DropBehavior::Cascade
        } else {
            self.eat_kw(Kw::Restrict);
            DropBehavior::Restrict
        }
    }
}
