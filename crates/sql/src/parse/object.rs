//! Kinds and names of objects, for the commands that take many: DROP, COMMENT, and parts of ALTER.

use super::cursor::Parser;
use crate::ast::{
    Comment, DefArg, Drop, DropBehavior, DropDatabase, DropOwned, DropRole, DropSubscription, DropTablespace,
    ObjectKind, ObjectRef, Pos, QualifiedName, Statement, TypeName,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// The words that name a kind of object, if they come next.
    pub(super) fn opt_object_kind(&mut self) -> Result<Option<ObjectKind>> {
        use ObjectKind::*;
        let Some(kw) = self.keyword() else { return Ok(None) };
        let kind = match kw {
            Kw::Aggregate => Aggregate,
            Kw::Cast => Cast,
            Kw::Collation => Collation,
            Kw::Column => Column,
            Kw::Conversion => Conversion,
            Kw::Database => Database,
            Kw::Domain => Domain,
            Kw::Extension => Extension,
            Kw::Function => Function,
            Kw::Index => Index,
            Kw::Language => Language,
            Kw::Policy => Policy,
            Kw::Procedure => Procedure,
            Kw::Publication => Publication,
            Kw::Role | Kw::User | Kw::Group => {
                if kw == Kw::User && self.nth_kw(1, Kw::Mapping) {
                    self.bump();
                    UserMapping
                } else {
                    Role
                }
            }
            Kw::Routine => Routine,
            Kw::Rule => Rule,
            Kw::Schema => Schema,
            Kw::Sequence => Sequence,
            Kw::Server => ForeignServer,
            Kw::Statistics => Statistics,
            Kw::Subscription => Subscription,
            Kw::Table => Table,
            Kw::Tablespace => Tablespace,
            Kw::Transform => Transform,
            Kw::Trigger => Trigger,
            Kw::Type => Type,
            Kw::View => View,
            Kw::Constraint => TableConstraint,
            _ => return self.opt_long_object_kind(kw),
        };
        self.bump();
        Ok(Some(kind))
    }

    /// The kinds of more than one word.
    fn opt_long_object_kind(&mut self, kw: Kw) -> Result<Option<ObjectKind>> {
        use ObjectKind::*;
        let (second, kind) = match kw {
            Kw::Access => (Kw::Method, AccessMethod),
            Kw::Event => (Kw::Trigger, EventTrigger),
            Kw::Large => (Kw::Object, LargeObject),
            Kw::Materialized => (Kw::View, MatView),
            Kw::Procedural => (Kw::Language, Language),
            Kw::Operator => {
                self.bump();
                return Ok(Some(if self.eat_kw(Kw::Class) {
                    OpClass
                } else if self.eat_kw(Kw::Family) {
                    OpFamily
                } else {
                    Operator
                }));
            }
            Kw::Text => {
                self.bump();
                self.expect_kw(Kw::Search)?;
                return self.text_search_kind().map(Some);
            }
            Kw::Foreign => {
                self.bump();
                if self.eat_kw(Kw::Table) {
                    return Ok(Some(ForeignTable));
                }
                self.expect_kws(&[Kw::Data, Kw::Wrapper])?;
                return Ok(Some(ForeignDataWrapper));
            }
            _ => return Ok(None),
        };
        self.bump();
        self.expect_kw(second)?;
        Ok(Some(kind))
    }

    /// A type's name with NONE for none.
    fn opt_operand_type(&mut self) -> Result<Option<TypeName>> {
        if self.eat_kw(Kw::None) { Ok(None) } else { Ok(Some(self.type_name()?)) }
    }

    /// operator_with_argtypes.
    pub(super) fn operator_ref(&mut self) -> Result<ObjectRef> {
        let pos = self.pos();
        let name = self.any_operator()?;
        self.expect(TokenKind::LeftParen)?;
        let left = self.opt_operand_type()?;
        if left.is_some() && self.at(TokenKind::RightParen) {
            let at = self.pos();
            return Err(self
                .grammar_error("missing argument", at)
                .hint("Use NONE to denote the missing argument of a unary operator."));
        }
        self.expect(TokenKind::Comma)?;
        let right = self.opt_operand_type()?;
        self.expect(TokenKind::RightParen)?;
        Ok(ObjectRef::Operator { name, left, right, pos })
    }

    /// A name of one part.
    pub(super) fn single_name(&mut self) -> Result<QualifiedName> {
        let name = self.name()?;
        Ok(QualifiedName { parts: vec![name.value], pos: name.pos })
    }

    /// The object of a kind, as DROP and COMMENT name it.
    pub(super) fn object_ref(&mut self, kind: ObjectKind) -> Result<ObjectRef> {
        use ObjectKind::*;
        Ok(match kind {
            Function | Procedure | Routine => ObjectRef::Function(self.function_with_args()?),
            Aggregate => ObjectRef::Function(self.aggregate_with_args()?),
            Type | Domain => ObjectRef::Type(self.type_name()?),
            Operator => self.operator_ref()?,
            Trigger | Rule | Policy | TableConstraint => {
                let name = self.name()?;
                self.expect_kw(Kw::On)?;
                if kind == TableConstraint && self.eat_kw(Kw::Domain) {
                    let at = self.pos();
                    let parts = self.any_name()?.parts;
                    let domain = TypeName { names: parts, ..super::type_name::system_type("", at) };
                    return Ok(ObjectRef::OnDomain { name, domain });
                }
                ObjectRef::OnRelation { name, relation: self.any_name()? }
            }
            OpClass | OpFamily => {
                let name = self.any_name()?;
                self.expect_kw(Kw::Using)?;
                ObjectRef::Using { name, access_method: self.col_id()? }
            }
            Cast => {
                let (source, target) = self.cast_types()?;
                ObjectRef::Cast { source, target }
            }
            Transform => {
                self.expect_kw(Kw::For)?;
                let type_name = self.type_name()?;
                self.expect_kw(Kw::Language)?;
                ObjectRef::Transform { type_name, language: self.col_id()? }
            }
            LargeObject => ObjectRef::LargeObject(self.numeric_arg()?),
            Role => ObjectRef::Role(self.role_spec()?),
            AccessMethod | Database | EventTrigger | Extension | ForeignDataWrapper | ForeignServer
            | Language | Publication | Schema | Subscription | Tablespace => {
                ObjectRef::Name(self.single_name()?)
            }
            _ => ObjectRef::Name(self.any_name()?),
        })
    }

    /// DROP.
    pub(super) fn drop_statement(&mut self) -> Result<Statement> {
        use ObjectKind::*;
        let pos = self.expect_kw(Kw::Drop)?;
        if self.at_kw(Kw::Owned) {
            return self.drop_owned();
        }
        if matches!(self.keyword(), Some(Kw::Column | Kw::Large | Kw::Constraint)) {
            return Err(self.unexpected());
        }
        let Some(kind) = self.opt_object_kind()? else { return Err(self.unexpected()) };
        let concurrently = kind == Index && self.eat_kw(Kw::Concurrently);
        let if_exists = if kind == Cast && self.at_kw(Kw::If) {
            self.expect_kws(&[Kw::If, Kw::Exists])?;
            true
        } else {
            self.if_exists()
        };
        match kind {
            Role => {
                let roles = self.role_list()?;
                return Ok(Statement::DropRole(Box::new(DropRole { roles, if_exists })));
            }
            Database => return self.drop_database(if_exists),
            Tablespace => {
                let name = self.col_id()?;
                return Ok(Statement::DropTablespace(Box::new(DropTablespace { name, if_exists })));
            }
            Subscription => {
                let name = self.col_id()?;
                let behavior = self.drop_behavior();
                let drop = DropSubscription { name, if_exists, behavior };
                return Ok(Statement::DropSubscription(Box::new(drop)));
            }
            UserMapping => return Ok(self.unsupported("DROP USER MAPPING", pos)),
            _ => {}
        }
        let several = !matches!(kind, Trigger | Rule | Policy | Cast | Transform | OpClass | OpFamily);
        let mut objects = vec![self.object_ref(kind)?];
        while several && self.eat(TokenKind::Comma) {
            objects.push(self.object_ref(kind)?);
        }
        let behavior = self.drop_behavior();
        Ok(Statement::Drop(Box::new(Drop { kind, objects, if_exists, behavior, concurrently })))
    }

    fn drop_database(&mut self, if_exists: bool) -> Result<Statement> {
        let name = self.col_id()?;
        let with = self.eat_kw(Kw::With);
        let options = if with || self.at(TokenKind::LeftParen) {
            self.paren_list(|p| {
                let pos = p.expect_kw(Kw::Force)?;
                Ok(p.flag("force", pos))
            })?
        } else {
            Vec::new()
        };
        Ok(Statement::DropDatabase(Box::new(DropDatabase { name, if_exists, options })))
    }

    fn drop_owned(&mut self) -> Result<Statement> {
        self.expect_kws(&[Kw::Owned, Kw::By])?;
        let roles = self.role_list()?;
        let behavior: DropBehavior = self.drop_behavior();
        Ok(Statement::DropOwned(Box::new(DropOwned { roles, behavior })))
    }

    /// COMMENT ON.
    pub(super) fn comment(&mut self) -> Result<Statement> {
        self.expect_kws(&[Kw::Comment, Kw::On])?;
        let Some(mut kind) = self.opt_object_kind()? else { return Err(self.unexpected()) };
        let object = self.object_ref(kind)?;
        if matches!(object, ObjectRef::OnDomain { .. }) {
            kind = ObjectKind::DomainConstraint;
        }
        self.expect_kw(Kw::Is)?;
        let comment = if self.eat_kw(Kw::Null) { None } else { Some(self.string()?) };
        Ok(Statement::Comment(Box::new(Comment { kind, object, comment })))
    }

    /// A statement PostgreSQL has and Quarry has not: its tokens up to the semicolon are skipped.
    pub(super) fn unsupported(&mut self, what: &str, pos: Pos) -> Statement {
        while !matches!(self.kind(), TokenKind::Semicolon | TokenKind::Eof | TokenKind::Error) {
            self.bump();
        }
        let what = what.to_string();
        Statement::Unsupported(Box::new(crate::ast::UnsupportedStatement { what, pos }))
    }

    /// An option's value that is a word, a number or a string, as text.
    pub(super) fn scalar_arg(&mut self) -> Result<DefArg> {
        match self.kind() {
            TokenKind::Integer(_) | TokenKind::Float | TokenKind::Plus | TokenKind::Minus => {
                self.numeric_arg()
            }
            _ => Ok(DefArg::String(self.boolean_or_string()?)),
        }
    }
}
