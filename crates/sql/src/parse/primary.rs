//! Primaries (gram.y's c_expr): constants, columns, parentheses, CASE, subqueries, rows, arrays.

use super::cursor::{COL_ID, LABEL, Parser, TYPE_FUNC};
use super::expr::{Form, Level};
use crate::ast::{
    CaseExpr, CaseWhen, Expr, ExprKind, Indirection, Literal, NO_POS, Pos, Query, SubLink, SubLinkKind,
    TypeName,
};
use crate::lexer::{KeywordClass, Kw, TokenKind};
use quarry_common::Result;

/// What a pair of parentheses encloses.
pub(super) enum Paren {
    Query(Box<Query>),
    /// At least one.
    Exprs(Vec<Expr>),
}

/// What a pair of parentheses may enclose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ParenUse {
    /// A query only.
    Query,
    /// A query or one expression.
    One,
    /// A query or a list of expressions.
    List,
}

pub(super) fn sublink(kind: SubLinkKind, query: Query, pos: Pos) -> Expr {
    let link = SubLink { kind, test: None, op: None, query: Box::new(query) };
    Expr::new(ExprKind::SubLink(Box::new(link)), pos)
}

impl Parser<'_> {
    /// Whether a query without parentheses begins here.
    pub(super) fn at_query_word(&self) -> bool {
        matches!(self.keyword(), Some(Kw::Select | Kw::With | Kw::Table))
            || (self.at_kw(Kw::Values) && self.nth(1) == TokenKind::LeftParen)
    }

    /// Whether the parenthesis here leads, perhaps through others, to a query.
    pub(super) fn at_paren_query(&self) -> bool {
        let mut n = 0;
        while self.nth(n) == TokenKind::LeftParen {
            n += 1;
        }
        n > 0
            && match self.nth(n) {
                TokenKind::Keyword(Kw::Select | Kw::With | Kw::Table) => true,
                TokenKind::Keyword(Kw::Values) => self.nth(n + 1) == TokenKind::LeftParen,
                _ => false,
            }
    }

    /// `( ... )`: a query, one that may itself be in parentheses, or expressions.
    pub(super) fn paren(&mut self, usage: ParenUse) -> Result<Paren> {
        self.nested(|p| p.paren_inner(usage))
    }

    fn paren_inner(&mut self, usage: ParenUse) -> Result<Paren> {
        let open = self.expect(TokenKind::LeftParen)?;
        let query_only = usage == ParenUse::Query;
        if self.at_query_word() || (query_only && self.at_kw(Kw::Values)) {
            let query = self.query()?;
            self.expect(TokenKind::RightParen)?;
            return Ok(Paren::Query(Box::new(query)));
        }
        let first = if self.at_paren_query() || (query_only && self.at(TokenKind::LeftParen)) {
            let inner_pos = self.pos();
            match self.paren(if query_only { usage } else { ParenUse::List })? {
                Paren::Query(query) => {
                    if self.at(TokenKind::RightParen) || self.at_query_rest() {
                        let query = self.query_rest(*query, open + 1)?;
                        self.expect(TokenKind::RightParen)?;
                        return Ok(Paren::Query(Box::new(query)));
                    }
                    if query_only {
                        return Err(self.unexpected());
                    }
                    let link = self.indirection_of(sublink(SubLinkKind::Expr, *query, inner_pos))?;
                    self.expr_rest(link, Level::Lowest, Form::A)?
                }
                Paren::Exprs(list) => {
                    let row = self.parenthesized(list, inner_pos)?;
                    self.expr_rest(row, Level::Lowest, Form::A)?
                }
            }
        } else if query_only {
            return Err(self.unexpected());
        } else {
            self.expr()?
        };
        let mut list = vec![first];
        if usage == ParenUse::List {
            while self.eat(TokenKind::Comma) {
                list.push(self.expr()?);
            }
        }
        self.expect(TokenKind::RightParen)?;
        Ok(Paren::Exprs(list))
    }

    /// One expression in parentheses with what is applied to it, or a row.
    #[inline(never)]
    fn parenthesized(&mut self, mut list: Vec<Expr>, pos: Pos) -> Result<Expr> {
        match (list.len(), list.pop()) {
            (1, Some(only)) => self.indirection_of(only),
            (_, last) => {
                list.extend(last);
                Ok(Expr::new(ExprKind::Row { fields: list, explicit: false }, pos))
            }
        }
    }

    /// select_with_parens.
    pub(super) fn select_with_parens(&mut self) -> Result<Query> {
        match self.paren(ParenUse::Query)? {
            Paren::Query(query) => Ok(*query),
            Paren::Exprs(_) => Err(self.unexpected()),
        }
    }

    /// c_expr.
    pub(super) fn primary(&mut self) -> Result<Expr> {
        let token = self.token();
        let pos = token.start;
        let literal = |p: &mut Self, literal| {
            p.bump();
            Ok(Expr::new(ExprKind::Const(literal), pos))
        };
        match token.kind {
            TokenKind::Integer(value) => literal(self, Literal::Integer(value)),
            TokenKind::Float => {
                let text = self.text(token).to_string();
                literal(self, Literal::Float(text))
            }
            TokenKind::String(_) => {
                let text = self.string()?;
                Ok(Expr::new(ExprKind::Const(Literal::String(text)), pos))
            }
            TokenKind::BitString(_) | TokenKind::HexString(_) => {
                let text = self.bit_string(token).unwrap_or_default();
                literal(self, Literal::BitString(text))
            }
            TokenKind::Param(number) => {
                self.bump();
                self.indirection_of(Expr::new(ExprKind::Param(number), pos))
            }
            TokenKind::LeftParen => match self.paren(ParenUse::List)? {
                Paren::Query(query) => self.indirection_of(sublink(SubLinkKind::Expr, *query, pos)),
                Paren::Exprs(list) => self.parenthesized(list, pos),
            },
            TokenKind::Ident | TokenKind::QuotedIdent(_) => self.name_expr(),
            TokenKind::Keyword(kw) => self.keyword_primary(kw, pos),
            _ => Err(self.unexpected()),
        }
    }

    #[inline(never)]
    fn keyword_primary(&mut self, kw: Kw, pos: Pos) -> Result<Expr> {
        let paren = self.nth(1) == TokenKind::LeftParen;
        let constant = match kw {
            Kw::True => Some(Literal::Boolean(true)),
            Kw::False => Some(Literal::Boolean(false)),
            Kw::Null => Some(Literal::Null),
            _ => None,
        };
        if let Some(literal) = constant {
            self.bump();
            return Ok(Expr::new(ExprKind::Const(literal), pos));
        }
        match kw {
            Kw::Case => return self.case_expr(),
            Kw::Exists if paren => {
                self.bump();
                let query = self.select_with_parens()?;
                return Ok(sublink(SubLinkKind::Exists, query, pos));
            }
            Kw::Array => return self.array(),
            Kw::Row if paren => {
                self.bump();
                self.bump();
                let fields = if self.at(TokenKind::RightParen) { Vec::new() } else { self.expr_list()? };
                self.expect(TokenKind::RightParen)?;
                return Ok(Expr::new(ExprKind::Row { fields, explicit: true }, pos));
            }
            Kw::Grouping if paren => {
                self.bump();
                let args = self.paren_list(Self::expr)?;
                return Ok(Expr::new(ExprKind::Grouping(args), pos));
            }
            _ => {}
        }
        if self.at_typed_constant() {
            return self.typed_constant(pos);
        }
        if let Some(special) = self.special_function(kw, pos)? {
            return Ok(special);
        }
        if kw.class() == KeywordClass::Reserved {
            return Err(self.unexpected());
        }
        self.name_expr()
    }

    /// `type 'text'` for the types the grammar knows.
    #[inline(never)]
    fn typed_constant(&mut self, pos: Pos) -> Result<Expr> {
        let interval = self.at_kw(Kw::Interval);
        let Some(mut type_name) = self.builtin_type(pos, false)? else { return Err(self.unexpected()) };
        let at = self.pos();
        let text = self.string()?;
        // `char '...'` without a length is as long as its text.
        type_name.typmods.retain(|m| m.pos != NO_POS);
        if interval && type_name.typmods.is_empty() {
            self.interval_fields(&mut type_name)?;
        }
        Ok(string_cast(text, at, type_name, pos))
    }

    /// A column, a call, or `type 'text'`: all that begins with a name.
    #[inline(never)]
    fn name_expr(&mut self) -> Result<Expr> {
        let pos = self.pos();
        let first = self.kind();
        if !COL_ID.accepts(first) && !TYPE_FUNC.accepts(first) {
            return Err(self.unexpected());
        }
        let next = self.nth(1);
        if next != TokenKind::Dot {
            if next == TokenKind::LeftParen && TYPE_FUNC.accepts(first) {
                let token = self.bump();
                let name = vec![self.word(token)];
                return self.call(name, pos);
            }
            if matches!(next, TokenKind::String(_)) && TYPE_FUNC.accepts(first) {
                let token = self.bump();
                let names = vec![self.word(token)];
                return self.named_type_constant(names, pos);
            }
        }
        if !COL_ID.accepts(first) {
            self.bump();
            return Err(self.unexpected());
        }
        let mut names = vec![self.col_id()?];
        let mut star = false;
        while self.at(TokenKind::Dot) {
            self.bump();
            if self.eat(TokenKind::Star) {
                star = true;
                break;
            }
            names.push(self.col_label()?);
        }
        if star {
            if matches!(self.kind(), TokenKind::Dot | TokenKind::LeftBracket) {
                self.indirection()?;
                return Err(self.error_near("improper use of \"*\""));
            }
        } else if names.len() > 1 {
            if self.at(TokenKind::LeftParen) {
                return self.call(names, pos);
            }
            if self.at_string() {
                return self.named_type_constant(names, pos);
            }
        }
        let column = Expr::new(ExprKind::ColumnRef { names, star }, pos);
        if star { Ok(column) } else { self.indirection_of(column) }
    }

    /// `name 'text'`.
    #[inline(never)]
    fn named_type_constant(&mut self, names: Vec<String>, pos: Pos) -> Result<Expr> {
        let at = self.pos();
        let text = self.string()?;
        Ok(string_cast(text, at, TypeName { names, ..super::type_name::system_type("", pos) }, pos))
    }

    /// The subscripts and fields that follow `arg`.
    #[inline(never)]
    pub(super) fn indirection_of(&mut self, arg: Expr) -> Result<Expr> {
        if !matches!(self.kind(), TokenKind::Dot | TokenKind::LeftBracket) {
            return Ok(arg);
        }
        let pos = arg.pos;
        let steps = self.indirection()?;
        Ok(Expr::new(ExprKind::Indirection { arg: Box::new(arg), steps }, pos))
    }

    /// indirection: any number of subscripts and fields; `.*` only last.
    pub(super) fn indirection(&mut self) -> Result<Vec<Indirection>> {
        let mut steps = Vec::new();
        loop {
            if self.eat(TokenKind::Dot) {
                if self.eat(TokenKind::Star) {
                    steps.push(Indirection::Star);
                } else {
                    steps.push(Indirection::Field(self.name_of(LABEL)?));
                }
            } else if self.eat(TokenKind::LeftBracket) {
                steps.push(self.subscript()?);
            } else {
                break;
            }
        }
        let count = steps.len();
        if steps.iter().take(count.saturating_sub(1)).any(|s| *s == Indirection::Star) {
            return Err(self.error_near("improper use of \"*\""));
        }
        Ok(steps)
    }

    fn subscript(&mut self) -> Result<Indirection> {
        let lower = if self.at(TokenKind::Colon) { None } else { Some(Box::new(self.expr()?)) };
        if !self.eat(TokenKind::Colon) {
            self.expect(TokenKind::RightBracket)?;
            return lower.map(Indirection::Index).ok_or_else(|| self.unexpected());
        }
        let upper = if self.at(TokenKind::RightBracket) { None } else { Some(Box::new(self.expr()?)) };
        self.expect(TokenKind::RightBracket)?;
        Ok(Indirection::Slice { lower, upper })
    }

    #[inline(never)]
    fn case_expr(&mut self) -> Result<Expr> {
        let pos = self.expect_kw(Kw::Case)?;
        let arg = if self.at_kw(Kw::When) { None } else { Some(self.expr()?) };
        let mut whens = Vec::new();
        loop {
            let pos = self.expect_kw(Kw::When)?;
            let condition = self.expr()?;
            self.expect_kw(Kw::Then)?;
            whens.push(CaseWhen { condition, result: self.expr()?, pos });
            if !self.at_kw(Kw::When) {
                break;
            }
        }
        let default = if self.eat_kw(Kw::Else) { Some(self.expr()?) } else { None };
        self.expect_kw(Kw::End)?;
        Ok(Expr::new(ExprKind::Case(Box::new(CaseExpr { arg, whens, default })), pos))
    }

    /// `ARRAY[...]`, `ARRAY(SELECT ...)`.
    #[inline(never)]
    fn array(&mut self) -> Result<Expr> {
        let pos = self.expect_kw(Kw::Array)?;
        if self.at(TokenKind::LeftParen) {
            return Ok(sublink(SubLinkKind::Array, self.select_with_parens()?, pos));
        }
        let mut array = self.array_elements()?;
        array.pos = pos;
        Ok(array)
    }

    /// array_expr: `[...]`, of expressions or of further brackets.
    fn array_elements(&mut self) -> Result<Expr> {
        self.nested(|p| {
            let pos = p.expect(TokenKind::LeftBracket)?;
            let elements = if p.at(TokenKind::RightBracket) {
                Vec::new()
            } else if p.at(TokenKind::LeftBracket) {
                p.comma_list(Self::array_elements)?
            } else {
                p.expr_list()?
            };
            p.expect(TokenKind::RightBracket)?;
            Ok(Expr::new(ExprKind::Array(elements), pos))
        })
    }
}

/// A string constant cast to a type by the type's name before it.
pub(super) fn string_cast(text: String, at: Pos, type_name: TypeName, pos: Pos) -> Expr {
    let arg = Box::new(Expr::new(ExprKind::Const(Literal::String(text)), at));
    // PostgreSQL gives such a cast no place of its own, and its type's place is the type name's.
    Expr::new(ExprKind::TypeCast { arg, type_name: Box::new(type_name) }, pos)
}
