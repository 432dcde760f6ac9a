//! Function calls, and the functions that have a syntax of their own.

use super::cursor::{Parser, TYPE_FUNC};
use super::expr::{string_const, syntax_call, system_call, system_name, unnamed};
use super::primary::string_cast;
use super::type_name::system_type;
use crate::ast::{Expr, ExprKind, FuncArg, FuncCall, Pos, SqlValueFunction, TypeName, XmlExpr};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// A call of `name` with the parenthesis next; also `name(typmods) 'text'`.
    #[inline(never)]
    pub(super) fn call(&mut self, name: Vec<String>, pos: Pos) -> Result<Expr> {
        let mut call = self.func_application(name)?;
        if self.at_string() && may_be_typmods(&call) {
            return self.constant_with_typmods(call, pos);
        }
        self.within_group(&mut call)?;
        if self.eat_kw(Kw::Filter) {
            self.expect(TokenKind::LeftParen)?;
            self.expect_kw(Kw::Where)?;
            call.filter = Some(self.expr()?);
            self.expect(TokenKind::RightParen)?;
        }
        if self.eat_kw(Kw::Over) {
            call.over = Some(self.over_clause()?);
        }
        Ok(Expr::new(ExprKind::FuncCall(Box::new(call)), pos))
    }

    /// func_application behind the name.
    pub(super) fn func_application(&mut self, name: Vec<String>) -> Result<FuncCall> {
        let mut call = FuncCall::positional(name, Vec::new());
        self.expect(TokenKind::LeftParen)?;
        if self.eat(TokenKind::Star) {
            call.star = true;
            self.expect(TokenKind::RightParen)?;
            return Ok(call);
        }
        if self.eat(TokenKind::RightParen) {
            return Ok(call);
        }
        let quantified = if self.eat_kw(Kw::Distinct) {
            call.distinct = true;
            true
        } else {
            self.eat_kw(Kw::All)
        };
        loop {
            if !quantified && self.eat_kw(Kw::Variadic) {
                call.variadic = true;
            }
            call.args.push(self.func_arg()?);
            if call.variadic || !self.eat(TokenKind::Comma) {
                break;
            }
        }
        if self.at_kw(Kw::Order) {
            call.order_by = self.order_by()?;
        }
        self.expect(TokenKind::RightParen)?;
        Ok(call)
    }

    /// func_arg_expr.
    fn func_arg(&mut self) -> Result<FuncArg> {
        if TYPE_FUNC.accepts(self.kind())
            && matches!(self.nth(1), TokenKind::ColonEqual | TokenKind::EqualGreater)
        {
            let token = self.bump();
            self.bump();
            let expr = self.expr()?;
            return Ok(FuncArg { name: Some(self.word(token)), pos: token.start, expr });
        }
        Ok(unnamed(self.expr()?))
    }

    #[inline(never)]
    fn constant_with_typmods(&mut self, call: FuncCall, pos: Pos) -> Result<Expr> {
        if let Some(arg) = call.args.iter().find(|a| a.name.is_some()) {
            return Err(self.grammar_error("type modifier cannot have parameter name", arg.pos));
        }
        if let Some(sort) = call.order_by.first() {
            return Err(self.grammar_error("type modifier cannot have ORDER BY", sort.pos));
        }
        let at = self.pos();
        let text = self.string()?;
        let typmods = call.args.into_iter().map(|a| a.expr).collect();
        Ok(string_cast(text, at, TypeName { names: call.name, typmods, ..system_type("", pos) }, pos))
    }

    #[inline(never)]
    fn within_group(&mut self, call: &mut FuncCall) -> Result<()> {
        let pos = self.pos();
        if !self.eat_kw(Kw::Within) {
            return Ok(());
        }
        self.expect_kw(Kw::Group)?;
        self.expect(TokenKind::LeftParen)?;
        let order_by = self.order_by()?;
        self.expect(TokenKind::RightParen)?;
        let refusal = if !call.order_by.is_empty() {
            "cannot use multiple ORDER BY clauses with WITHIN GROUP"
        } else if call.distinct {
            "cannot use DISTINCT with WITHIN GROUP"
        } else if call.variadic {
            "cannot use VARIADIC with WITHIN GROUP"
        } else {
            call.order_by = order_by;
            call.within_group = true;
            return Ok(());
        };
        Err(self.grammar_error(refusal, pos))
    }

    /// The functions whose names are keywords, if `kw` (the next token) begins one.
    #[inline(never)]
    pub(super) fn special_function(&mut self, kw: Kw, pos: Pos) -> Result<Option<Expr>> {
        if let Some(value) = self.sql_value_function(kw)? {
            return Ok(Some(Expr::new(ExprKind::SqlValue(value), pos)));
        }
        if kw == Kw::Collation && self.nth_kw(1, Kw::For) {
            self.expect_kws(&[Kw::Collation, Kw::For])?;
            self.expect(TokenKind::LeftParen)?;
            let arg = self.expr()?;
            self.expect(TokenKind::RightParen)?;
            return Ok(Some(syntax_call("pg_collation_for", vec![arg], pos)));
        }
        if self.nth(1) != TokenKind::LeftParen && kw != Kw::Cast {
            return Ok(None);
        }
        type Parse<'a> = fn(&mut Parser<'a>, Pos) -> Result<Expr>;
        let parse: Parse<'_> = match kw {
            Kw::Cast => Self::cast,
            Kw::Treat => Self::treat,
            Kw::Extract => Self::extract,
            Kw::Normalize => Self::normalize,
            Kw::Overlay => Self::overlay,
            Kw::Position => Self::position,
            Kw::Substring => Self::substring,
            Kw::Trim => Self::trim,
            Kw::Nullif => Self::nullif,
            Kw::Coalesce | Kw::Greatest | Kw::Least => {
                self.bump();
                let args = self.paren_list(Self::expr)?;
                let kind = match kw {
                    Kw::Coalesce => ExprKind::Coalesce(args),
                    _ => ExprKind::MinMax { greatest: kw == Kw::Greatest, args },
                };
                return Ok(Some(Expr::new(kind, pos)));
            }
            _ => return self.xml_function(kw, pos),
        };
        self.bump();
        self.expect(TokenKind::LeftParen)?;
        let expr = parse(self, pos)?;
        self.expect(TokenKind::RightParen)?;
        Ok(Some(expr))
    }

    fn sql_value_function(&mut self, kw: Kw) -> Result<Option<SqlValueFunction>> {
        use SqlValueFunction::*;
        let plain = match kw {
            Kw::CurrentDate => CurrentDate,
            Kw::CurrentRole => CurrentRole,
            Kw::CurrentUser => CurrentUser,
            Kw::SessionUser => SessionUser,
            Kw::User => User,
            Kw::CurrentCatalog => CurrentCatalog,
            Kw::CurrentSchema if self.nth(1) != TokenKind::LeftParen => {
                // A type-class keyword: also the name of a type in `current_schema 'x'`.
                if matches!(self.nth(1), TokenKind::String(_)) {
                    return Ok(None);
                }
                CurrentSchema
            }
            Kw::CurrentTime | Kw::CurrentTimestamp | Kw::Localtime | Kw::Localtimestamp => {
                self.bump();
                let mut precision = None;
                if self.eat(TokenKind::LeftParen) {
                    precision = Some(self.integer()?);
                    self.expect(TokenKind::RightParen)?;
                }
                return Ok(Some(match kw {
                    Kw::CurrentTime => CurrentTime(precision),
                    Kw::CurrentTimestamp => CurrentTimestamp(precision),
                    Kw::Localtime => LocalTime(precision),
                    _ => LocalTimestamp(precision),
                }));
            }
            _ => return Ok(None),
        };
        self.bump();
        Ok(Some(plain))
    }

    fn cast(&mut self, pos: Pos) -> Result<Expr> {
        let arg = Box::new(self.expr()?);
        self.expect_kw(Kw::As)?;
        let type_name = Box::new(self.type_name()?);
        Ok(Expr::new(ExprKind::TypeCast { arg, type_name }, pos))
    }

    /// TREAT(expr AS type) calls the function that is named like the type.
    fn treat(&mut self, pos: Pos) -> Result<Expr> {
        let arg = self.expr()?;
        self.expect_kw(Kw::As)?;
        let name = self.type_name()?.names.pop().unwrap_or_default();
        Ok(system_call(&name, vec![arg], pos))
    }

    fn extract(&mut self, pos: Pos) -> Result<Expr> {
        let at = self.pos();
        let field = match self.kind() {
            TokenKind::String(_) => self.string()?,
            TokenKind::Ident | TokenKind::QuotedIdent(_) => self.col_id()?,
            TokenKind::Keyword(Kw::Year | Kw::Month | Kw::Day | Kw::Hour | Kw::Minute | Kw::Second) => {
                self.col_id()?
            }
            _ => return Err(self.unexpected()),
        };
        self.expect_kw(Kw::From)?;
        let source = self.expr()?;
        Ok(syntax_call("extract", vec![string_const(&field, at), source], pos))
    }

    fn normalize(&mut self, pos: Pos) -> Result<Expr> {
        let mut args = vec![self.expr()?];
        if self.eat(TokenKind::Comma) {
            args.push(self.unicode_normal_form().ok_or_else(|| self.unexpected())?);
        }
        Ok(syntax_call("normalize", args, pos))
    }

    /// The arguments of a plain call, for functions whose keyword may be called like any other.
    fn plain_arguments(&mut self, name: &str, args: Vec<FuncArg>, system: bool, pos: Pos) -> Result<Expr> {
        let mut call = FuncCall::positional(vec![name.into()], Vec::new());
        if system {
            call.name = system_name(name);
        }
        call.args = args;
        Ok(Expr::new(ExprKind::FuncCall(Box::new(call)), pos))
    }

    /// Behind a first argument: `, arg, ...`.
    fn more_arguments(&mut self, first: FuncArg) -> Result<Vec<FuncArg>> {
        let mut args = vec![first];
        while self.eat(TokenKind::Comma) {
            args.push(self.func_arg()?);
        }
        Ok(args)
    }

    fn overlay(&mut self, pos: Pos) -> Result<Expr> {
        if self.at(TokenKind::RightParen) {
            return self.plain_arguments("overlay", Vec::new(), false, pos);
        }
        let first = self.func_arg()?;
        if first.name.is_some() || !self.at_kw(Kw::Placing) {
            let args = self.more_arguments(first)?;
            return self.plain_arguments("overlay", args, false, pos);
        }
        self.expect_kw(Kw::Placing)?;
        let mut args = vec![first.expr, self.expr()?];
        self.expect_kw(Kw::From)?;
        args.push(self.expr()?);
        if self.eat_kw(Kw::For) {
            args.push(self.expr()?);
        }
        Ok(syntax_call("overlay", args, pos))
    }

    /// POSITION(needle IN haystack) is position(haystack, needle).
    fn position(&mut self, pos: Pos) -> Result<Expr> {
        let needle = self.b_expr()?;
        self.expect_kw(Kw::In)?;
        let haystack = self.b_expr()?;
        Ok(syntax_call("position", vec![haystack, needle], pos))
    }

    fn substring(&mut self, pos: Pos) -> Result<Expr> {
        if self.at(TokenKind::RightParen) {
            return self.plain_arguments("substring", Vec::new(), false, pos);
        }
        let first = self.up_to_keyword(Self::func_arg, |_, kw| kw == Kw::Similar)?;
        let special = matches!(self.keyword(), Some(Kw::From | Kw::For | Kw::Similar));
        if first.name.is_some() || !special {
            let args = self.more_arguments(first)?;
            return self.plain_arguments("substring", args, false, pos);
        }
        let mut args = vec![first.expr];
        if self.eat_kw(Kw::Similar) {
            args.push(self.expr()?);
            self.expect_kw(Kw::Escape)?;
            args.push(self.expr()?);
        } else if self.eat_kw(Kw::From) {
            args.push(self.expr()?);
            if self.eat_kw(Kw::For) {
                args.push(self.expr()?);
            }
        } else {
            self.expect_kw(Kw::For)?;
            let length = self.expr()?;
            if self.eat_kw(Kw::From) {
                args.push(self.expr()?);
                args.push(length);
            } else {
                // Without FROM it starts at 1, and the length is forced to be an int4.
                args.push(Expr::new(ExprKind::Const(crate::ast::Literal::Integer(1)), crate::ast::NO_POS));
                let type_name = Box::new(system_type("int4", crate::ast::NO_POS));
                let arg = Box::new(length);
                args.push(Expr::new(ExprKind::TypeCast { arg, type_name }, crate::ast::NO_POS));
            }
        }
        Ok(syntax_call("substring", args, pos))
    }

    fn trim(&mut self, pos: Pos) -> Result<Expr> {
        let name = match self.keyword() {
            Some(Kw::Leading) => "ltrim",
            Some(Kw::Trailing) => "rtrim",
            _ => "btrim",
        };
        if matches!(self.keyword(), Some(Kw::Both | Kw::Leading | Kw::Trailing)) {
            self.bump();
        }
        if self.eat_kw(Kw::From) {
            let args = self.expr_list()?;
            return Ok(syntax_call(name, args, pos));
        }
        let first = self.expr()?;
        let mut args = Vec::new();
        if self.eat_kw(Kw::From) {
            args.extend(self.expr_list()?);
            args.push(first);
        } else {
            args.push(first);
            while self.eat(TokenKind::Comma) {
                args.push(self.expr()?);
            }
        }
        Ok(syntax_call(name, args, pos))
    }

    fn nullif(&mut self, pos: Pos) -> Result<Expr> {
        let left = Box::new(self.expr()?);
        self.expect(TokenKind::Comma)?;
        let right = Box::new(self.expr()?);
        Ok(Expr::new(ExprKind::NullIf { left, right }, pos))
    }

    /// XMLCONCAT and its kin.
    fn xml_function(&mut self, kw: Kw, pos: Pos) -> Result<Option<Expr>> {
        let is_xml = matches!(
            kw,
            Kw::Xmlconcat
                | Kw::Xmlelement
                | Kw::Xmlexists
                | Kw::Xmlforest
                | Kw::Xmlparse
                | Kw::Xmlpi
                | Kw::Xmlroot
                | Kw::Xmlserialize
        );
        if !is_xml {
            return Ok(None);
        }
        self.bump();
        self.expect(TokenKind::LeftParen)?;
        let xml = match kw {
            Kw::Xmlconcat => XmlExpr::Concat(self.expr_list()?),
            Kw::Xmlforest => XmlExpr::Forest(self.comma_list(Self::xml_attribute)?),
            Kw::Xmlelement => self.xml_element()?,
            Kw::Xmlexists => {
                let path = self.primary()?;
                let document = self.xmlexists_argument()?;
                self.expect(TokenKind::RightParen)?;
                return Ok(Some(syntax_call("xmlexists", vec![path, document], pos)));
            }
            Kw::Xmlparse => {
                let document = self.document_or_content()?;
                let arg = self.expr()?;
                let mut preserve_whitespace = false;
                if self.at_kw(Kw::Preserve) || self.at_kw(Kw::Strip) {
                    preserve_whitespace = self.bump().kind == TokenKind::Keyword(Kw::Preserve);
                    self.expect_kw(Kw::Whitespace)?;
                }
                XmlExpr::Parse { document, arg, preserve_whitespace }
            }
            Kw::Xmlpi => {
                self.expect_kw(Kw::Name)?;
                let name = self.col_label()?;
                let content = if self.eat(TokenKind::Comma) { Some(self.expr()?) } else { None };
                XmlExpr::Pi { name, content }
            }
            Kw::Xmlroot => self.xml_root()?,
            _ => {
                let document = self.document_or_content()?;
                let arg = self.expr()?;
                self.expect_kw(Kw::As)?;
                XmlExpr::Serialize { document, arg, type_name: self.type_name()? }
            }
        };
        self.expect(TokenKind::RightParen)?;
        Ok(Some(Expr::new(ExprKind::Xml(Box::new(xml)), pos)))
    }

    fn document_or_content(&mut self) -> Result<bool> {
        if self.eat_kw(Kw::Document) {
            return Ok(true);
        }
        self.expect_kw(Kw::Content)?;
        Ok(false)
    }

    fn xml_attribute(&mut self) -> Result<(Option<String>, Expr)> {
        let expr = self.expr()?;
        let name = if self.eat_kw(Kw::As) { Some(self.col_label()?) } else { None };
        Ok((name, expr))
    }

    fn xml_element(&mut self) -> Result<XmlExpr> {
        self.expect_kw(Kw::Name)?;
        let name = self.col_label()?;
        let (mut attributes, mut content) = (Vec::new(), Vec::new());
        if self.eat(TokenKind::Comma) {
            if self.at_kw(Kw::Xmlattributes) && self.nth(1) == TokenKind::LeftParen {
                self.bump();
                attributes = self.paren_list(Self::xml_attribute)?;
                if self.eat(TokenKind::Comma) {
                    content = self.expr_list()?;
                }
            } else {
                content = self.expr_list()?;
            }
        }
        Ok(XmlExpr::Element { name, attributes, content })
    }

    fn xml_root(&mut self) -> Result<XmlExpr> {
        let arg = self.expr()?;
        self.expect(TokenKind::Comma)?;
        self.expect_kw(Kw::Version)?;
        let version = if self.eat_kws(&[Kw::No, Kw::Value]) { None } else { Some(self.expr()?) };
        let mut standalone = None;
        if self.eat(TokenKind::Comma) {
            self.expect_kw(Kw::Standalone)?;
            if self.eat_kw(Kw::Yes) {
                standalone = Some(true);
            } else {
                self.expect_kw(Kw::No)?;
                standalone = if self.eat_kw(Kw::Value) { None } else { Some(false) };
            }
        }
        Ok(XmlExpr::Root { arg, version, standalone })
    }

    /// xmlexists_argument: PASSING [BY REF] doc [BY REF].
    pub(super) fn xmlexists_argument(&mut self) -> Result<Expr> {
        self.expect_kw(Kw::Passing)?;
        self.by_ref()?;
        let document = self.primary()?;
        self.by_ref()?;
        Ok(document)
    }

    fn by_ref(&mut self) -> Result<()> {
        if self.eat_kw(Kw::By) && !self.eat_kw(Kw::Ref) {
            self.expect_kw(Kw::Value)?;
        }
        Ok(())
    }
}

/// Whether what was read as a call can be a type with modifiers.
fn may_be_typmods(call: &FuncCall) -> bool {
    !call.star && !call.distinct && !call.variadic && !call.args.is_empty()
}
