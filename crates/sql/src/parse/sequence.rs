//! Sequences, types, domains, extensions, schemas, casts, and objects defined by option lists.

use super::cursor::Parser;
use crate::ast::{
    AlterSequence, CastContext, CreateCast, CreateCompositeType, CreateDomain, CreateEnum, CreateExtension,
    CreateRange, CreateSchema, CreateSequence, DefElem, Define, ObjectKind, Persistence, SequenceOption,
    SequenceOptionKind, Statement,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// Behind `CREATE [TEMP|UNLOGGED]` with SEQUENCE next.
    pub(super) fn create_sequence(&mut self, persistence: Persistence) -> Result<Statement> {
        self.expect_kw(Kw::Sequence)?;
        let if_not_exists = self.if_not_exists()?;
        let mut sequence = self.relation_name()?;
        sequence.persistence = persistence;
        let options = self.sequence_options()?;
        Ok(Statement::CreateSequence(Box::new(CreateSequence { sequence, if_not_exists, options })))
    }

    /// ALTER SEQUENCE with options, behind the name.
    pub(super) fn alter_sequence(
        &mut self,
        sequence: crate::ast::RangeVar,
        if_exists: bool,
    ) -> Result<Statement> {
        let options = self.sequence_options()?;
        if options.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Statement::AlterSequence(Box::new(AlterSequence { sequence, if_exists, options })))
    }

    fn sequence_options(&mut self) -> Result<Vec<SequenceOption>> {
        let mut options = Vec::new();
        while let Some(option) = self.opt_sequence_option()? {
            options.push(option);
        }
        Ok(options)
    }

    /// OptParenthesizedSeqOptList.
    pub(super) fn opt_paren_sequence_options(&mut self) -> Result<Vec<SequenceOption>> {
        if !self.eat(TokenKind::LeftParen) {
            return Ok(Vec::new());
        }
        let options = self.sequence_options()?;
        if options.is_empty() {
            return Err(self.unexpected());
        }
        self.expect(TokenKind::RightParen)?;
        Ok(options)
    }

    /// SeqOptElem.
    pub(super) fn opt_sequence_option(&mut self) -> Result<Option<SequenceOption>> {
        use SequenceOptionKind::*;
        let pos = self.pos();
        let Some(kw) = self.keyword() else { return Ok(None) };
        if !matches!(
            kw,
            Kw::As
                | Kw::Cache
                | Kw::Cycle
                | Kw::Logged
                | Kw::Unlogged
                | Kw::Increment
                | Kw::Maxvalue
                | Kw::Minvalue
                | Kw::No
                | Kw::Owned
                | Kw::Sequence
                | Kw::Start
                | Kw::Restart
        ) {
            return Ok(None);
        }
        self.bump();
        let kind = match kw {
            Kw::As => As(self.type_name()?),
            Kw::Cache => Cache(self.numeric_text()?),
            Kw::Cycle => Cycle(true),
            Kw::Logged => Logged(true),
            Kw::Unlogged => Logged(false),
            Kw::Increment => {
                self.eat_kw(Kw::By);
                Increment(self.numeric_text()?)
            }
            Kw::Maxvalue => MaxValue(Some(self.numeric_text()?)),
            Kw::Minvalue => MinValue(Some(self.numeric_text()?)),
            Kw::No if self.eat_kw(Kw::Maxvalue) => MaxValue(None),
            Kw::No if self.eat_kw(Kw::Minvalue) => MinValue(None),
            Kw::No => {
                self.expect_kw(Kw::Cycle)?;
                Cycle(false)
            }
            Kw::Owned => {
                self.expect_kw(Kw::By)?;
                OwnedBy(self.any_name()?)
            }
            Kw::Sequence => {
                self.expect_kw(Kw::Name)?;
                SequenceName(self.any_name()?)
            }
            Kw::Start => {
                self.eat_kw(Kw::With);
                Start(self.numeric_text()?)
            }
            _ => {
                let with = self.eat_kw(Kw::With);
                let number = matches!(
                    self.kind(),
                    TokenKind::Integer(_) | TokenKind::Float | TokenKind::Plus | TokenKind::Minus
                );
                Restart(if with || number { Some(self.numeric_text()?) } else { None })
            }
        };
        Ok(Some(SequenceOption { kind, pos }))
    }

    /// Behind CREATE with TYPE next.
    pub(super) fn create_type(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Type)?;
        let name = self.any_name()?;
        if !self.eat_kw(Kw::As) {
            let options = if self.at(TokenKind::LeftParen) { self.definition()? } else { Vec::new() };
            return Ok(define(ObjectKind::Type, name, options));
        }
        if self.eat_kw(Kw::Enum) {
            self.expect(TokenKind::LeftParen)?;
            let labels =
                if self.at(TokenKind::RightParen) { Vec::new() } else { self.comma_list(Self::string)? };
            self.expect(TokenKind::RightParen)?;
            return Ok(Statement::CreateEnum(Box::new(CreateEnum { name, labels })));
        }
        if self.eat_kw(Kw::Range) {
            let options = self.definition()?;
            return Ok(Statement::CreateRange(Box::new(CreateRange { name, options })));
        }
        self.expect(TokenKind::LeftParen)?;
        let columns =
            if self.at(TokenKind::RightParen) { Vec::new() } else { self.comma_list(Self::column_def_item)? };
        self.expect(TokenKind::RightParen)?;
        let name = self.range_var(name)?;
        Ok(Statement::CreateCompositeType(Box::new(CreateCompositeType { name, columns })))
    }

    /// Behind CREATE with DOMAIN next.
    pub(super) fn create_domain(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Domain)?;
        let name = self.any_name()?;
        self.eat_kw(Kw::As);
        let type_name = self.type_name()?;
        let (constraints, collation) = self.column_constraints()?;
        Ok(Statement::CreateDomain(Box::new(CreateDomain { name, type_name, collation, constraints })))
    }

    /// Behind CREATE with EXTENSION next.
    pub(super) fn create_extension(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Extension)?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.col_id()?;
        self.eat_kw(Kw::With);
        let mut extension =
            CreateExtension { name, if_not_exists, schema: None, version: None, cascade: false };
        loop {
            let pos = self.pos();
            let repeated = match self.keyword() {
                Some(Kw::Schema) => {
                    self.bump();
                    extension.schema.replace(self.col_id()?).is_some()
                }
                Some(Kw::Version) => {
                    self.bump();
                    extension.version.replace(self.word_or_string()?).is_some()
                }
                Some(Kw::From) => {
                    self.bump();
                    self.word_or_string()?;
                    return Err(self.not_supported("CREATE EXTENSION ... FROM is no longer supported", pos));
                }
                Some(Kw::Cascade) => {
                    self.bump();
                    std::mem::replace(&mut extension.cascade, true)
                }
                _ => return Ok(Statement::CreateExtension(Box::new(extension))),
            };
            if repeated {
                return Err(self.grammar_error("conflicting or redundant options", pos));
            }
        }
    }

    /// Behind CREATE with SCHEMA next.
    pub(super) fn create_schema(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Schema)?;
        let if_not_exists = self.if_not_exists()?;
        let pos = self.pos();
        let name = if self.at_kw(Kw::Authorization) { None } else { Some(self.col_id()?) };
        let authorization = if self.eat_kw(Kw::Authorization) { Some(self.role_spec()?) } else { None };
        let mut elements = Vec::new();
        let first = self.pos();
        while matches!(self.keyword(), Some(Kw::Create | Kw::Grant)) {
            let element =
                if self.at_kw(Kw::Grant) { self.grant_statement()? } else { self.schema_element()? };
            elements.push(element);
        }
        if if_not_exists && !elements.is_empty() {
            let message = "CREATE SCHEMA IF NOT EXISTS cannot include schema elements";
            return Err(self.not_supported(message, first));
        }
        Ok(Statement::CreateSchema(Box::new(CreateSchema {
            name,
            authorization,
            if_not_exists,
            elements,
            pos,
        })))
    }

    /// A CREATE statement inside CREATE SCHEMA.
    fn schema_element(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Create)?;
        if self.eat_kw(Kw::Or) {
            self.expect_kw(Kw::Replace)?;
            return match self.keyword() {
                Some(Kw::Trigger | Kw::Constraint) => self.create_trigger(true),
                _ => {
                    let persistence = self.opt_temp();
                    self.create_view(true, persistence)
                }
            };
        }
        match self.keyword() {
            Some(Kw::Unique | Kw::Index) => return self.create_index(),
            Some(Kw::Trigger | Kw::Constraint) => return self.create_trigger(false),
            _ => {}
        }
        let persistence = self.opt_temp();
        match self.keyword() {
            Some(Kw::Table) => self.create_table(persistence),
            Some(Kw::Sequence) => self.create_sequence(persistence),
            Some(Kw::View | Kw::Recursive) => self.create_view(false, persistence),
            _ => Err(self.unexpected()),
        }
    }

    /// Behind CREATE with CAST next.
    pub(super) fn create_cast(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Cast)?;
        let (source, target) = self.cast_types()?;
        let (mut function, mut inout) = (None, false);
        if self.eat_kw(Kw::Without) {
            self.expect_kw(Kw::Function)?;
        } else {
            self.expect_kw(Kw::With)?;
            if self.eat_kw(Kw::Inout) {
                inout = true;
            } else {
                self.expect_kw(Kw::Function)?;
                function = Some(self.function_with_args()?);
            }
        }
        let context = if self.eat_kw(Kw::As) {
            if self.eat_kw(Kw::Implicit) {
                CastContext::Implicit
            } else {
                self.expect_kw(Kw::Assignment)?;
                CastContext::Assignment
            }
        } else {
            CastContext::Explicit
        };
        Ok(Statement::CreateCast(Box::new(CreateCast { source, target, function, inout, context })))
    }

    /// `( type AS type )`
    pub(super) fn cast_types(&mut self) -> Result<(crate::ast::TypeName, crate::ast::TypeName)> {
        self.expect(TokenKind::LeftParen)?;
        let source = self.type_name()?;
        self.expect_kw(Kw::As)?;
        let target = self.type_name()?;
        self.expect(TokenKind::RightParen)?;
        Ok((source, target))
    }

    /// Behind `CREATE [OR REPLACE]` with AGGREGATE next.
    pub(super) fn create_aggregate(&mut self, or_replace: bool) -> Result<Statement> {
        self.expect_kw(Kw::Aggregate)?;
        let name = self.func_name()?;
        // The old style has options where the new one has parameters.
        let old_style = self.nth(2) == TokenKind::Equal
            && matches!(self.nth(1), TokenKind::Ident | TokenKind::QuotedIdent(_));
        let parameters = if old_style { None } else { Some(self.aggregate_parameters()?) };
        let options = if old_style {
            self.paren_list(|p| match p.kind() {
                TokenKind::Ident | TokenKind::QuotedIdent(_) => {
                    let pos = p.pos();
                    let name = p.col_id()?;
                    p.expect(TokenKind::Equal)?;
                    Ok(DefElem { arg: Some(p.def_arg()?), ..p.flag(&name, pos) })
                }
                _ => Err(p.unexpected()),
            })?
        } else {
            self.definition()?
        };
        Ok(Statement::Define(Box::new(Define {
            kind: ObjectKind::Aggregate,
            or_replace,
            if_not_exists: false,
            name,
            parameters,
            options,
            from: None,
        })))
    }

    /// Behind CREATE with COLLATION next.
    pub(super) fn create_collation(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Collation)?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.any_name()?;
        let (mut options, mut from) = (Vec::new(), None);
        if self.eat_kw(Kw::From) {
            from = Some(self.any_name()?);
        } else {
            options = self.definition()?;
        }
        Ok(Statement::Define(Box::new(Define {
            kind: ObjectKind::Collation,
            or_replace: false,
            if_not_exists,
            name,
            parameters: None,
            options,
            from,
        })))
    }

    /// Behind CREATE with TEXT next.
    pub(super) fn create_text_search(&mut self) -> Result<Statement> {
        self.expect_kws(&[Kw::Text, Kw::Search])?;
        let kind = self.text_search_kind()?;
        let name = self.any_name()?;
        let options = self.definition()?;
        Ok(define(kind, name, options))
    }

    /// PARSER, DICTIONARY, TEMPLATE, CONFIGURATION.
    pub(super) fn text_search_kind(&mut self) -> Result<ObjectKind> {
        let kind = match self.keyword() {
            Some(Kw::Parser) => ObjectKind::TsParser,
            Some(Kw::Dictionary) => ObjectKind::TsDictionary,
            Some(Kw::Template) => ObjectKind::TsTemplate,
            Some(Kw::Configuration) => ObjectKind::TsConfiguration,
            _ => return Err(self.unexpected()),
        };
        self.bump();
        Ok(kind)
    }

    /// Behind CREATE with OPERATOR next.
    pub(super) fn create_operator(&mut self, pos: u32) -> Result<Statement> {
        self.expect_kw(Kw::Operator)?;
        if self.at_kw(Kw::Class) || self.at_kw(Kw::Family) {
            let what = if self.at_kw(Kw::Class) { "CREATE OPERATOR CLASS" } else { "CREATE OPERATOR FAMILY" };
            return Ok(self.unsupported(what, pos));
        }
        let name_pos = self.pos();
        let op = self.any_operator()?;
        let options = self.definition()?;
        let mut parts = op.schema;
        parts.push(op.name);
        Ok(define(ObjectKind::Operator, crate::ast::QualifiedName { parts, pos: name_pos }, options))
    }

    /// ALTER TYPE ... ADD VALUE, behind ADD.
    pub(super) fn enum_add_value(&mut self) -> Result<crate::ast::AlterEnumAction> {
        self.expect_kw(Kw::Value)?;
        let if_not_exists = self.eat_kw(Kw::If);
        if if_not_exists {
            self.expect_kws(&[Kw::Not, Kw::Exists])?;
        }
        let value = self.string()?;
        let after = self.at_kw(Kw::After);
        let mut place = None;
        if self.eat_kw(Kw::Before) || self.eat_kw(Kw::After) {
            place = Some((self.string()?, after));
        }
        Ok(crate::ast::AlterEnumAction::AddValue { value, if_not_exists, place })
    }
}

fn define(kind: ObjectKind, name: crate::ast::QualifiedName, options: Vec<DefElem>) -> Statement {
    Statement::Define(Box::new(Define {
        kind,
        or_replace: false,
        if_not_exists: false,
        name,
        parameters: None,
        options,
        from: None,
    }))
}
