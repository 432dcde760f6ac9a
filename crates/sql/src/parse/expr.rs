//! Expressions: precedence climbing over PostgreSQL's operator table (gram.y's a_expr and b_expr).
//!
//! A level is the binding power of an operator as gram.y declares it; an operator is taken while its level
//! is at least the caller's. Comparisons, IS, BETWEEN, IN, LIKE do not chain: after such an operator's right
//! operand another of its level is a syntax error.

use super::cursor::{CHAIN_MAX, Parser, too_deep};
use crate::ast::{
    BooleanTest, Expr, ExprKind, FuncArg, FuncCall, LikeKind, Literal, OpName, Pos, SubLink, SubLinkKind,
    XmlExpr,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

/// Binding powers, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Lowest,
    Or,
    And,
    Not,
    Is,
    Comparison,
    /// BETWEEN, IN, LIKE, ILIKE, SIMILAR and their negations.
    Like,
    Escape,
    /// Any operator without a level of its own.
    Operator,
    Additive,
    Multiplicative,
    Power,
    AtTimeZone,
    Collate,
    UnaryMinus,
    Cast,
    Highest,
}

impl Level {
    /// What the right operand of a left-associative operator is parsed at.
    fn next(self) -> Level {
        use Level::*;
        match self {
            Lowest => Or,
            Or => And,
            And => Not,
            Not => Is,
            Is => Comparison,
            Comparison => Like,
            Like => Escape,
            Escape => Operator,
            Operator => Additive,
            Additive => Multiplicative,
            Multiplicative => Power,
            Power => AtTimeZone,
            AtTimeZone => Collate,
            Collate => UnaryMinus,
            UnaryMinus => Cast,
            Cast | Highest => Highest,
        }
    }
}

/// Which of the grammar's two expression kinds: b_expr lacks AND, OR, NOT, IN, LIKE, BETWEEN and most of IS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    A,
    B,
}

/// `pg_catalog.name`.
pub(super) fn system_name(name: &str) -> Vec<String> {
    vec!["pg_catalog".into(), name.into()]
}

/// A call that SQL's own syntax stands for.
pub(super) fn syntax_call(name: &str, args: Vec<Expr>, pos: Pos) -> Expr {
    let call = FuncCall { sql_syntax: true, ..FuncCall::positional(system_name(name), args) };
    Expr::new(ExprKind::FuncCall(Box::new(call)), pos)
}

/// A call of one of pg_catalog's functions.
pub(super) fn system_call(name: &str, args: Vec<Expr>, pos: Pos) -> Expr {
    Expr::new(ExprKind::FuncCall(Box::new(FuncCall::positional(system_name(name), args))), pos)
}

pub(super) fn string_const(text: &str, pos: Pos) -> Expr {
    Expr::new(ExprKind::Const(Literal::String(text.into())), pos)
}

impl Parser<'_> {
    /// a_expr.
    pub fn expr(&mut self) -> Result<Expr> {
        // A constant by itself: lists may have many.
        let is_constant =
            matches!(self.kind(), TokenKind::Integer(_) | TokenKind::Float | TokenKind::String(_));
        if is_constant && matches!(self.nth(1), TokenKind::Comma | TokenKind::RightParen) {
            return self.primary();
        }
        self.expr_at(Level::Lowest, Form::A)
    }

    /// b_expr.
    pub fn b_expr(&mut self) -> Result<Expr> {
        self.expr_at(Level::Lowest, Form::B)
    }

    pub fn expr_list(&mut self) -> Result<Vec<Expr>> {
        self.comma_list(Self::expr)
    }

    fn expr_at(&mut self, level: Level, form: Form) -> Result<Expr> {
        self.nested(|p| {
            let left = p.prefix(form)?;
            p.expr_rest(left, level, form)
        })
    }

    /// A prefix operator with its operand, or a primary.
    fn prefix(&mut self, form: Form) -> Result<Expr> {
        let pos = self.pos();
        match self.kind() {
            TokenKind::Keyword(Kw::Not) if form == Form::A => {
                self.bump();
                let arg = self.expr_at(Level::Not, form)?;
                Ok(Expr::new(ExprKind::Not(Box::new(arg)), pos))
            }
            TokenKind::Keyword(Kw::Default) if form == Form::A => {
                self.bump();
                Ok(Expr::new(ExprKind::SetToDefault, pos))
            }
            TokenKind::Keyword(Kw::Unique) if form == Form::A => {
                self.bump();
                if self.eat_kw(Kw::Nulls) {
                    self.eat_kw(Kw::Not);
                    self.expect_kw(Kw::Distinct)?;
                }
                self.select_with_parens()?;
                Err(self.not_supported("UNIQUE predicate is not yet implemented", pos))
            }
            TokenKind::Plus => {
                self.bump();
                let right = Box::new(self.expr_at(Level::UnaryMinus, form)?);
                Ok(Expr::new(ExprKind::Op { op: OpName::bare("+"), left: None, right }, pos))
            }
            TokenKind::Minus => {
                self.bump();
                let arg = self.expr_at(Level::UnaryMinus, form)?;
                Ok(negate(arg, pos))
            }
            TokenKind::Op => self.prefix_operator(form, pos),
            TokenKind::Keyword(Kw::Operator) if self.nth(1) == TokenKind::LeftParen => {
                self.prefix_operator(form, pos)
            }
            _ => self.primary(),
        }
    }

    #[inline(never)]
    fn prefix_operator(&mut self, form: Form, pos: Pos) -> Result<Expr> {
        let op = self.qual_operator()?;
        let right = Box::new(self.expr_at(Level::Operator.next(), form)?);
        Ok(Expr::new(ExprKind::Op { op, left: None, right }, pos))
    }

    /// What follows a complete operand: operators of `level` and above.
    pub(super) fn expr_rest(&mut self, mut left: Expr, level: Level, form: Form) -> Result<Expr> {
        let mut chain = 0;
        loop {
            let Some(op_level) = self.infix_level(form) else { return Ok(left) };
            if op_level < level || (level == Level::Lowest && self.is_label()) {
                return Ok(left);
            }
            chain += 1;
            if chain > CHAIN_MAX && !matches!(left.kind, ExprKind::And(_) | ExprKind::Or(_)) {
                return Err(too_deep());
            }
            left = self.infix(left, op_level, form)?;
        }
    }

    /// The level of the operator that comes next, if one does.
    fn infix_level(&self, form: Form) -> Option<Level> {
        use TokenKind::*;
        Some(match self.kind() {
            Less | Greater | Equal | LessEqual | GreaterEqual | NotEqual => Level::Comparison,
            Plus | Minus => Level::Additive,
            Star | Slash | Percent => Level::Multiplicative,
            Caret => Level::Power,
            Op => Level::Operator,
            TypeCast => Level::Cast,
            Keyword(kw) => match kw {
                Kw::Operator => Level::Operator,
                Kw::Is => Level::Is,
                _ if form == Form::B => return None,
                Kw::Or => Level::Or,
                Kw::And => Level::And,
                Kw::Isnull | Kw::Notnull => Level::Is,
                Kw::In | Kw::Like | Kw::Ilike | Kw::Similar | Kw::Between => Level::Like,
                Kw::Not => match self.nth(1) {
                    Keyword(Kw::In | Kw::Like | Kw::Ilike | Kw::Similar | Kw::Between) => Level::Like,
                    _ => return None,
                },
                Kw::At => Level::AtTimeZone,
                Kw::Collate => Level::Collate,
                Kw::Overlaps => Level::Operator,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Complains if an operator of the same, not associative level follows.
    fn no_chain(&self, level: Level, form: Form) -> Result<()> {
        if self.infix_level(form) == Some(level) { Err(self.unexpected()) } else { Ok(()) }
    }

    #[inline(never)]
    fn infix(&mut self, left: Expr, level: Level, form: Form) -> Result<Expr> {
        let pos = self.pos();
        match level {
            Level::Or | Level::And => {
                self.bump();
                let right = self.expr_at(level.next(), form)?;
                Ok(junction(left, right, level == Level::And, pos))
            }
            Level::Cast => {
                self.bump();
                let type_name = Box::new(self.type_name()?);
                Ok(Expr::new(ExprKind::TypeCast { arg: Box::new(left), type_name }, pos))
            }
            Level::Is => self.is_test(left, pos, form),
            Level::Collate => {
                self.bump();
                let collation = self.any_name()?.parts;
                Ok(Expr::new(ExprKind::Collate { arg: Box::new(left), collation }, pos))
            }
            Level::AtTimeZone => {
                self.expect_kws(&[Kw::At, Kw::Time, Kw::Zone])?;
                let zone = self.expr_at(level.next(), form)?;
                Ok(syntax_call("timezone", vec![zone, left], pos))
            }
            Level::Like => self.like_level(left, pos),
            _ if self.at_kw(Kw::Overlaps) => self.overlaps(left, pos),
            _ => {
                let op = self.qual_operator()?;
                if form == Form::A
                    && let Some(kind) = self.sub_type()
                {
                    return self.quantified(left, op, kind, pos);
                }
                let right = Box::new(self.expr_at(level.next(), form)?);
                if level == Level::Comparison {
                    self.no_chain(level, form)?;
                }
                Ok(Expr::new(ExprKind::Op { op, left: Some(Box::new(left)), right }, pos))
            }
        }
    }

    /// ANY, SOME, ALL.
    fn sub_type(&mut self) -> Option<SubLinkKind> {
        let kind = match self.keyword()? {
            Kw::Any | Kw::Some => SubLinkKind::Any,
            Kw::All => SubLinkKind::All,
            _ => return None,
        };
        self.bump();
        Some(kind)
    }

    /// `left op ANY (...)` behind the ANY.
    #[inline(never)]
    fn quantified(&mut self, left: Expr, op: OpName, kind: SubLinkKind, pos: Pos) -> Result<Expr> {
        match self.paren(super::primary::ParenUse::One)? {
            super::primary::Paren::Query(query) => {
                let link = SubLink { kind, test: Some(left), op: Some(op), query };
                Ok(Expr::new(ExprKind::SubLink(Box::new(link)), pos))
            }
            super::primary::Paren::Exprs(mut list) => {
                let array = Box::new(list.pop().ok_or_else(|| self.unexpected())?);
                let all = kind == SubLinkKind::All;
                Ok(Expr::new(ExprKind::OpArray { op, left: Box::new(left), array, all }, pos))
            }
        }
    }

    /// IS ..., ISNULL, NOTNULL.
    #[inline(never)]
    fn is_test(&mut self, left: Expr, pos: Pos, form: Form) -> Result<Expr> {
        let word = self.bump().kind;
        let arg = Box::new(left);
        if word == TokenKind::Keyword(Kw::Isnull) {
            return Ok(Expr::new(ExprKind::NullTest { arg, negated: false }, pos));
        }
        if word == TokenKind::Keyword(Kw::Notnull) {
            return Ok(Expr::new(ExprKind::NullTest { arg, negated: true }, pos));
        }
        let negated = self.eat_kw(Kw::Not);
        let kw = self.keyword().ok_or_else(|| self.unexpected())?;
        match kw {
            Kw::Distinct => {
                self.bump();
                self.expect_kw(Kw::From)?;
                let right = Box::new(self.expr_at(Level::Is.next(), form)?);
                self.no_chain(Level::Is, form)?;
                return Ok(Expr::new(ExprKind::Distinct { left: arg, right, negated }, pos));
            }
            Kw::Document => {
                self.bump();
                let test = Expr::new(ExprKind::Xml(Box::new(XmlExpr::IsDocument(*arg))), pos);
                return Ok(if negated { Expr::new(ExprKind::Not(Box::new(test)), pos) } else { test });
            }
            _ if form == Form::B => return Err(self.unexpected()),
            Kw::Null => {
                self.bump();
                return Ok(Expr::new(ExprKind::NullTest { arg, negated }, pos));
            }
            _ => {}
        }
        let test = match (kw, negated) {
            (Kw::True, false) => BooleanTest::IsTrue,
            (Kw::True, true) => BooleanTest::IsNotTrue,
            (Kw::False, false) => BooleanTest::IsFalse,
            (Kw::False, true) => BooleanTest::IsNotFalse,
            (Kw::Unknown, false) => BooleanTest::IsUnknown,
            (Kw::Unknown, true) => BooleanTest::IsNotUnknown,
            (Kw::Normalized | Kw::Nfc | Kw::Nfd | Kw::Nfkc | Kw::Nfkd, _) => {
                let mut args = vec![*arg];
                args.extend(self.unicode_normal_form());
                self.expect_kw(Kw::Normalized)?;
                let call = syntax_call("is_normalized", args, pos);
                return Ok(if negated { Expr::new(ExprKind::Not(Box::new(call)), pos) } else { call });
            }
            _ => return Err(self.unexpected()),
        };
        self.bump();
        Ok(Expr::new(ExprKind::BooleanTest { arg, test }, pos))
    }

    /// NFC, NFD, NFKC, NFKD as a string constant.
    pub(super) fn unicode_normal_form(&mut self) -> Option<Expr> {
        let kw = self.keyword()?;
        if !matches!(kw, Kw::Nfc | Kw::Nfd | Kw::Nfkc | Kw::Nfkd) {
            return None;
        }
        let pos = self.bump().start;
        Some(string_const(&kw.text().to_ascii_uppercase(), pos))
    }

    /// [NOT] IN, LIKE, ILIKE, SIMILAR TO, BETWEEN.
    #[inline(never)]
    fn like_level(&mut self, left: Expr, pos: Pos) -> Result<Expr> {
        let negated = self.eat_kw(Kw::Not);
        let word = self.keyword().ok_or_else(|| self.unexpected())?;
        self.bump();
        match word {
            Kw::In => self.in_list(left, negated, pos),
            Kw::Between => self.between(left, negated, pos),
            Kw::Similar => {
                self.expect_kw(Kw::To)?;
                self.pattern(left, LikeKind::Similar, negated, pos)
            }
            _ => {
                let kind = if word == Kw::Like { LikeKind::Like } else { LikeKind::ILike };
                if let Some(sub) = self.sub_type() {
                    return self.quantified(left, OpName::bare(kind.operator(negated)), sub, pos);
                }
                self.pattern(left, kind, negated, pos)
            }
        }
    }

    /// The pattern of LIKE and the like, with its ESCAPE.
    #[inline(never)]
    fn pattern(&mut self, left: Expr, kind: LikeKind, negated: bool, pos: Pos) -> Result<Expr> {
        let mut pattern = self.expr_at(Level::Escape, Form::A)?;
        let mut args = vec![];
        if self.eat_kw(Kw::Escape) {
            args.push(self.expr_at(Level::Escape, Form::A)?);
            if self.at_kw(Kw::Escape) {
                return Err(self.unexpected());
            }
        }
        self.no_chain(Level::Like, Form::A)?;
        if kind == LikeKind::Similar {
            args.insert(0, pattern);
            pattern = system_call("similar_to_escape", args, pos);
        } else if !args.is_empty() {
            args.insert(0, pattern);
            pattern = system_call("like_escape", args, pos);
        }
        Ok(Expr::new(ExprKind::Like { kind, left: Box::new(left), pattern: Box::new(pattern), negated }, pos))
    }

    #[inline(never)]
    fn in_list(&mut self, left: Expr, negated: bool, pos: Pos) -> Result<Expr> {
        match self.paren(super::primary::ParenUse::List)? {
            super::primary::Paren::Query(query) => {
                let link = SubLink { kind: SubLinkKind::Any, test: Some(left), op: None, query };
                let link = Expr::new(ExprKind::SubLink(Box::new(link)), pos);
                Ok(if negated { Expr::new(ExprKind::Not(Box::new(link)), pos) } else { link })
            }
            super::primary::Paren::Exprs(list) => {
                Ok(Expr::new(ExprKind::In { left: Box::new(left), list, negated }, pos))
            }
        }
    }

    #[inline(never)]
    fn between(&mut self, left: Expr, negated: bool, pos: Pos) -> Result<Expr> {
        let symmetric = self.eat_kw(Kw::Symmetric);
        if !symmetric {
            self.eat_kw(Kw::Asymmetric);
        }
        let low = Box::new(self.b_expr()?);
        self.expect_kw(Kw::And)?;
        let high = Box::new(self.expr_at(Level::Escape, Form::A)?);
        self.no_chain(Level::Like, Form::A)?;
        Ok(Expr::new(ExprKind::Between { arg: Box::new(left), low, high, negated, symmetric }, pos))
    }

    /// `(a, b) OVERLAPS (c, d)`.
    #[inline(never)]
    fn overlaps(&mut self, left: Expr, pos: Pos) -> Result<Expr> {
        let ExprKind::Row { fields: mut args, .. } = left.kind else { return Err(self.unexpected()) };
        self.bump();
        if !self.at(TokenKind::LeftParen) && !self.at_kw(Kw::Row) {
            return Err(self.unexpected());
        }
        let right = self.primary()?;
        let ExprKind::Row { fields, .. } = right.kind else { return Err(self.unexpected()) };
        if args.len() != 2 {
            return Err(
                self.grammar_error("wrong number of parameters on left side of OVERLAPS expression", pos)
            );
        }
        if fields.len() != 2 {
            return Err(
                self.grammar_error("wrong number of parameters on right side of OVERLAPS expression", pos)
            );
        }
        args.extend(fields);
        Ok(syntax_call("overlaps", args, pos))
    }
}

/// `left AND right`, flattened to the left as PostgreSQL does.
fn junction(left: Expr, right: Expr, and: bool, pos: Pos) -> Expr {
    match (left, and) {
        (Expr { kind: ExprKind::And(mut terms), pos }, true) => {
            terms.push(right);
            Expr::new(ExprKind::And(terms), pos)
        }
        (Expr { kind: ExprKind::Or(mut terms), pos }, false) => {
            terms.push(right);
            Expr::new(ExprKind::Or(terms), pos)
        }
        (left, true) => Expr::new(ExprKind::And(vec![left, right]), pos),
        (left, false) => Expr::new(ExprKind::Or(vec![left, right]), pos),
    }
}

/// A minus before a number is part of the number.
pub(super) fn negate(arg: Expr, pos: Pos) -> Expr {
    match arg.kind {
        ExprKind::Const(Literal::Integer(value)) => Expr::new(ExprKind::Const(Literal::Integer(-value)), pos),
        ExprKind::Const(Literal::Float(text)) => {
            let text = match text.strip_prefix('-') {
                Some(positive) => positive.to_string(),
                None => format!("-{text}"),
            };
            Expr::new(ExprKind::Const(Literal::Float(text)), pos)
        }
        kind => {
            let right = Box::new(Expr::new(kind, arg.pos));
            Expr::new(ExprKind::Op { op: OpName::bare("-"), left: None, right }, pos)
        }
    }
}

/// An argument without a name.
pub(super) fn unnamed(expr: Expr) -> FuncArg {
    FuncArg { name: None, pos: expr.location(), expr }
}
