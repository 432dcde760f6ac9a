//! CREATE and ALTER FUNCTION, and functions named elsewhere.

use super::cursor::{COL_ID, Parser, TYPE_FUNC};
use crate::ast::{
    AlterFunction, CreateFunction, FunctionOption, FunctionOptionKind, FunctionParameter, FunctionWithArgs,
    ObjectKind, ParameterMode, SetKind, SetStatement, SqlBody, Statement, Volatility,
};
use crate::lexer::{KeywordClass, Kw, TokenKind};
use quarry_common::Result;

/// Whether a type name may begin with the token.
fn begins_type(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Ident | TokenKind::QuotedIdent(_) => true,
        TokenKind::Keyword(kw) => match kw.class() {
            KeywordClass::Unreserved | KeywordClass::TypeFunc => true,
            KeywordClass::Reserved => false,
            KeywordClass::ColName => matches!(
                kw,
                Kw::Bigint
                    | Kw::Bit
                    | Kw::Boolean
                    | Kw::Char
                    | Kw::Character
                    | Kw::Dec
                    | Kw::Decimal
                    | Kw::Float
                    | Kw::Int
                    | Kw::Integer
                    | Kw::Interval
                    | Kw::National
                    | Kw::Nchar
                    | Kw::Numeric
                    | Kw::Real
                    | Kw::Setof
                    | Kw::Smallint
                    | Kw::Time
                    | Kw::Timestamp
                    | Kw::Varchar
            ),
        },
        _ => false,
    }
}

impl Parser<'_> {
    /// arg_class, if there.
    fn opt_parameter_mode(&mut self) -> Option<ParameterMode> {
        let mode = match self.keyword()? {
            Kw::In if self.nth_kw(1, Kw::Out) => {
                self.bump();
                ParameterMode::InOut
            }
            Kw::In => ParameterMode::In,
            Kw::Out => ParameterMode::Out,
            Kw::Inout => ParameterMode::InOut,
            Kw::Variadic => ParameterMode::Variadic,
            _ => return None,
        };
        self.bump();
        Some(mode)
    }

    /// func_arg, without its default.
    fn parameter(&mut self) -> Result<FunctionParameter> {
        let pos = self.pos();
        let mut mode = self.opt_parameter_mode();
        let mut name = None;
        if TYPE_FUNC.accepts(self.kind()) {
            let mode_next = mode.is_none()
                && matches!(self.nth(1), TokenKind::Keyword(Kw::In | Kw::Out | Kw::Inout | Kw::Variadic));
            let type_next =
                begins_type(self.nth(1)) && !(self.at_kw(Kw::Double) && self.nth_kw(1, Kw::Precision));
            if mode_next || type_next {
                name = Some(self.name_of(TYPE_FUNC)?);
                if mode_next {
                    mode = self.opt_parameter_mode();
                }
            }
        }
        let type_name = self.func_type()?;
        Ok(FunctionParameter {
            name,
            mode: mode.unwrap_or(ParameterMode::Default),
            type_name,
            default: None,
            pos,
        })
    }

    fn parameter_with_default(&mut self) -> Result<FunctionParameter> {
        let mut parameter = self.parameter()?;
        if self.eat_kw(Kw::Default) || self.eat(TokenKind::Equal) {
            parameter.default = Some(self.expr()?);
        }
        Ok(parameter)
    }

    /// func_args.
    fn parameters(&mut self) -> Result<Vec<FunctionParameter>> {
        self.expect(TokenKind::LeftParen)?;
        let list =
            if self.at(TokenKind::RightParen) { Vec::new() } else { self.comma_list(Self::parameter)? };
        self.expect(TokenKind::RightParen)?;
        Ok(list)
    }

    /// aggr_args; those behind ORDER BY follow the others.
    pub(super) fn aggregate_parameters(&mut self) -> Result<Vec<FunctionParameter>> {
        self.expect(TokenKind::LeftParen)?;
        let mut list = Vec::new();
        if !self.eat(TokenKind::Star) {
            if !self.at_kw(Kw::Order) {
                list = self.comma_list(Self::parameter)?;
            }
            if self.eat_kw(Kw::Order) {
                self.expect_kw(Kw::By)?;
                let ordered = self.comma_list(Self::parameter)?;
                // (VARIADIC "any" ORDER BY VARIADIC "any") names one parameter.
                let same = list.last().is_some_and(|l| {
                    l.mode == ParameterMode::Variadic
                        && ordered.len() == 1
                        && ordered[0].mode == ParameterMode::Variadic
                });
                if !same {
                    list.extend(ordered);
                }
            }
        }
        self.expect(TokenKind::RightParen)?;
        Ok(list)
    }

    /// function_with_argtypes.
    pub(super) fn function_with_args(&mut self) -> Result<FunctionWithArgs> {
        let call = self.nth(1) == TokenKind::LeftParen && TYPE_FUNC.accepts(self.kind());
        let name = if COL_ID.accepts(self.kind()) && !call { self.any_name()? } else { self.func_name()? };
        let may_have_args = call || name.parts.len() > 1;
        let args =
            if may_have_args && self.at(TokenKind::LeftParen) { Some(self.parameters()?) } else { None };
        Ok(FunctionWithArgs { name, args })
    }

    /// aggregate_with_argtypes.
    pub(super) fn aggregate_with_args(&mut self) -> Result<FunctionWithArgs> {
        let name = self.func_name()?;
        Ok(FunctionWithArgs { name, args: Some(self.aggregate_parameters()?) })
    }

    /// Behind `CREATE [OR REPLACE]` with FUNCTION or PROCEDURE next.
    pub(super) fn create_function(&mut self, or_replace: bool) -> Result<Statement> {
        let procedure = self.bump().kind == TokenKind::Keyword(Kw::Procedure);
        let name = self.func_name()?;
        self.expect(TokenKind::LeftParen)?;
        let mut parameters = if self.at(TokenKind::RightParen) {
            Vec::new()
        } else {
            self.comma_list(Self::parameter_with_default)?
        };
        self.expect(TokenKind::RightParen)?;
        let mut returns = None;
        // RETURNS NULL ON NULL INPUT is an option.
        if !procedure && self.at_kw(Kw::Returns) && !self.nth_kw(1, Kw::Null) {
            self.bump();
            if self.at_kw(Kw::Table) {
                let pos = self.bump().start;
                returns = Some(self.returns_table(&mut parameters, pos)?);
            } else {
                returns = Some(self.func_type()?);
            }
        }
        let mut options = Vec::new();
        while let Some(option) = self.opt_function_option(true)? {
            options.push(option);
        }
        let body = self.opt_sql_body()?;
        let function = CreateFunction { procedure, or_replace, name, parameters, returns, options, body };
        Ok(Statement::CreateFunction(Box::new(function)))
    }

    /// RETURNS TABLE: its columns become parameters; the result is a set of the column's type, or of records.
    fn returns_table(
        &mut self,
        parameters: &mut Vec<FunctionParameter>,
        pos: crate::ast::Pos,
    ) -> Result<crate::ast::TypeName> {
        let columns = self.paren_list(|p| {
            let pos = p.pos();
            let name = Some(p.name_of(TYPE_FUNC)?);
            let type_name = p.func_type()?;
            Ok(FunctionParameter { name, mode: ParameterMode::Table, type_name, default: None, pos })
        })?;
        let mut result = match columns.as_slice() {
            [only] => only.type_name.clone(),
            _ => super::type_name::system_type("record", pos),
        };
        result.setof = true;
        parameters.extend(columns);
        Ok(result)
    }

    /// createfunc_opt_item, or with `create` false common_func_opt_item.
    fn opt_function_option(&mut self, create: bool) -> Result<Option<FunctionOption>> {
        use FunctionOptionKind::*;
        let pos = self.pos();
        let Some(kw) = self.keyword() else { return Ok(None) };
        let simple = match kw {
            Kw::Strict => Some(Strict(true)),
            Kw::Immutable => Some(Volatility(self::Volatility::Immutable)),
            Kw::Stable => Some(Volatility(self::Volatility::Stable)),
            Kw::Volatile => Some(Volatility(self::Volatility::Volatile)),
            Kw::Leakproof => Some(Leakproof(true)),
            Kw::Window if create => Some(Window),
            _ => None,
        };
        if let Some(kind) = simple {
            self.bump();
            return Ok(Some(FunctionOption { kind, pos }));
        }
        let kind = match kw {
            Kw::Called => {
                self.expect_kws(&[Kw::Called, Kw::On, Kw::Null, Kw::Input])?;
                Strict(false)
            }
            Kw::Returns => {
                self.expect_kws(&[Kw::Returns, Kw::Null, Kw::On, Kw::Null, Kw::Input])?;
                Strict(true)
            }
            Kw::External | Kw::Security => {
                self.eat_kw(Kw::External);
                self.expect_kw(Kw::Security)?;
                let definer = self.eat_kw(Kw::Definer);
                if !definer {
                    self.expect_kw(Kw::Invoker)?;
                }
                SecurityDefiner(definer)
            }
            Kw::Not => {
                self.expect_kws(&[Kw::Not, Kw::Leakproof])?;
                Leakproof(false)
            }
            Kw::Cost => {
                self.bump();
                Cost(self.numeric_text()?)
            }
            Kw::Rows => {
                self.bump();
                Rows(self.numeric_text()?)
            }
            Kw::Support => {
                self.bump();
                Support(self.any_name()?)
            }
            Kw::Parallel => {
                self.bump();
                Parallel(self.col_id()?)
            }
            Kw::Set => {
                self.bump();
                Set(Box::new(SetStatement { local: false, kind: self.set_rest_more()? }))
            }
            Kw::Reset => Set(Box::new(SetStatement { local: false, kind: self.reset()? })),
            Kw::As if create => {
                self.bump();
                let mut parts = vec![self.string()?];
                if self.eat(TokenKind::Comma) {
                    parts.push(self.string()?);
                }
                As(parts)
            }
            Kw::Language if create => {
                self.bump();
                Language(self.word_or_string()?)
            }
            Kw::Transform if create => {
                self.bump();
                Transform(self.comma_list(|p| {
                    p.expect_kws(&[Kw::For, Kw::Type])?;
                    p.type_name()
                })?)
            }
            _ => return Ok(None),
        };
        Ok(Some(FunctionOption { kind, pos }))
    }

    /// opt_routine_body.
    fn opt_sql_body(&mut self) -> Result<Option<SqlBody>> {
        if self.eat_kw(Kw::Return) {
            return Ok(Some(SqlBody::Return(self.expr()?)));
        }
        if !self.eat_kw(Kw::Begin) {
            return Ok(None);
        }
        self.expect_kw(Kw::Atomic)?;
        let mut statements = Vec::new();
        while !self.eat_kw(Kw::End) {
            if self.eat(TokenKind::Semicolon) {
                continue;
            }
            if self.eat_kw(Kw::Return) {
                // As PostgreSQL: a RETURN is a SELECT of its expression.
                let pos = self.pos();
                let expr = self.expr()?;
                let target = crate::ast::Target { name: None, pos: expr.location(), expr };
                let select = crate::ast::Select { targets: vec![target], ..super::query::empty_select(pos) };
                let body = crate::ast::QueryBody::Select(Box::new(select));
                statements.push(Statement::Select(Box::new(super::query::bare_query(body, pos))));
            } else {
                statements.push(self.nested(Self::statement)?);
            }
            self.expect(TokenKind::Semicolon)?;
        }
        Ok(Some(SqlBody::Atomic(statements)))
    }

    /// ALTER FUNCTION with options, behind the function.
    pub(super) fn alter_function_options(
        &mut self,
        kind: ObjectKind,
        function: FunctionWithArgs,
    ) -> Result<Statement> {
        let mut options = Vec::new();
        while let Some(option) = self.opt_function_option(false)? {
            options.push(option);
        }
        if options.is_empty() {
            return Err(self.unexpected());
        }
        self.eat_kw(Kw::Restrict);
        Ok(Statement::AlterFunction(Box::new(AlterFunction { kind, function, options })))
    }

    /// DO.
    pub(super) fn do_block(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Do)?;
        let (mut body, mut language) = (None, None);
        loop {
            let pos = self.pos();
            if self.at_string() {
                if body.replace(self.string()?).is_some() {
                    return Err(self.grammar_error("conflicting or redundant options", pos));
                }
            } else if self.eat_kw(Kw::Language) {
                if language.replace(self.word_or_string()?).is_some() {
                    return Err(self.grammar_error("conflicting or redundant options", pos));
                }
            } else if body.is_none() && language.is_none() {
                return Err(self.unexpected());
            } else {
                break;
            }
        }
        let body = body.ok_or_else(|| self.plain_grammar_error("no inline code specified"))?;
        Ok(Statement::Do(Box::new(crate::ast::DoBlock { body, language })))
    }

    /// CALL.
    pub(super) fn call_statement(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Call)?;
        let pos = self.pos();
        let name = self.func_name()?.parts;
        let function = self.func_application(name)?;
        Ok(Statement::Call(Box::new(crate::ast::Call { function, pos })))
    }

    /// A SET clause for a role, a database or a function: `SET ...` or `RESET ...`.
    pub(super) fn set_reset_clause(&mut self) -> Result<SetStatement> {
        let kind: SetKind = if self.at_kw(Kw::Reset) {
            self.reset()?
        } else {
            self.expect_kw(Kw::Set)?;
            self.set_rest()?
        };
        Ok(SetStatement { local: false, kind })
    }
}
