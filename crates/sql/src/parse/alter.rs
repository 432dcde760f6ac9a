//! ALTER of everything but tables' own actions.

use super::cursor::Parser;
use crate::ast::{
    AlterDomain, AlterDomainAction, AlterEnum, AlterEnumAction, AlterObjectSchema, AlterOwner,
    AlterStatistics, AlterTable, AlterTableAction, AlterTextSearch, DropBehavior, Name, ObjectKind,
    ObjectRef, QualifiedName, RangeVar, Rename, Statement, TextSearchAction, TypeName,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// ALTER.
    pub(super) fn alter_statement(&mut self) -> Result<Statement> {
        use ObjectKind::*;
        let pos = self.expect_kw(Kw::Alter)?;
        match self.keyword() {
            Some(Kw::System) => return self.alter_system(),
            Some(Kw::Default) => return self.alter_default_privileges(),
            Some(Kw::Role | Kw::User | Kw::Group) if !self.nth_kw(1, Kw::Mapping) => {
                return self.alter_role();
            }
            Some(Kw::Database) => return self.alter_database(),
            _ => {}
        }
        if matches!(self.keyword(), Some(Kw::Column | Kw::Constraint | Kw::Cast | Kw::Transform | Kw::Access))
        {
            return Err(self.unexpected());
        }
        let Some(kind) = self.opt_object_kind()? else { return Err(self.unexpected()) };
        match kind {
            Table | Index | Sequence | View | MatView | ForeignTable => self.alter_relation(kind),
            Type => self.alter_type(),
            Domain => self.alter_domain(),
            Function | Procedure | Routine | Aggregate => self.alter_function(kind),
            Trigger | Rule | Policy => self.alter_on_relation(kind, pos),
            Publication => self.alter_publication(),
            Subscription => self.alter_subscription(),
            Statistics => self.alter_statistics(),
            Extension => self.alter_extension(pos),
            Operator => {
                let object = self.operator_ref()?;
                self.alter_common(kind, object, "ALTER OPERATOR", pos)
            }
            OpClass | OpFamily => {
                let object = self.object_ref(kind)?;
                self.alter_common(kind, object, "ALTER OPERATOR FAMILY", pos)
            }
            LargeObject => {
                let object = self.object_ref(kind)?;
                self.alter_common(kind, object, "ALTER LARGE OBJECT", pos)
            }
            TsConfiguration | TsDictionary => self.alter_text_search(kind),
            UserMapping => Ok(self.unsupported("ALTER USER MAPPING", pos)),
            Schema | Language | Tablespace | Collation | Conversion | EventTrigger | ForeignDataWrapper
            | ForeignServer | TsParser | TsTemplate => {
                let object = self.object_ref(kind)?;
                let what = format!("ALTER {}", kind.sql());
                self.alter_common(kind, object, &what, pos)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// RENAME TO, OWNER TO, SET SCHEMA; anything else is not supported as `what`.
    fn alter_common(
        &mut self,
        kind: ObjectKind,
        object: ObjectRef,
        what: &str,
        pos: u32,
    ) -> Result<Statement> {
        match self.opt_alter_common(kind, object, false)? {
            Ok(statement) => Ok(statement),
            Err(_) => match self.keyword() {
                Some(
                    Kw::Set
                    | Kw::Reset
                    | Kw::Add
                    | Kw::Drop
                    | Kw::Alter
                    | Kw::Options
                    | Kw::Refresh
                    | Kw::Enable
                    | Kw::Disable
                    | Kw::Handler
                    | Kw::No
                    | Kw::Validator
                    | Kw::Version,
                ) => Ok(self.unsupported(what, pos)),
                _ => Err(self.unexpected()),
            },
        }
    }

    /// RENAME TO, OWNER TO, SET SCHEMA; gives the object back if none of them comes next.
    fn opt_alter_common(
        &mut self,
        kind: ObjectKind,
        object: ObjectRef,
        if_exists: bool,
    ) -> Result<std::result::Result<Statement, ObjectRef>> {
        if self.eat_kw(Kw::Rename) {
            self.expect_kw(Kw::To)?;
            let new_name = self.col_id()?;
            return Ok(Ok(rename(kind, kind, object, None, new_name, if_exists)));
        }
        if self.eat_kw(Kw::Owner) {
            self.expect_kw(Kw::To)?;
            let owner = self.role_spec()?;
            return Ok(Ok(Statement::AlterOwner(Box::new(AlterOwner { kind, object, owner }))));
        }
        if self.at_kws(&[Kw::Set, Kw::Schema]) {
            return Ok(Ok(self.set_schema(kind, object, if_exists)?));
        }
        Ok(Err(object))
    }

    fn set_schema(&mut self, kind: ObjectKind, object: ObjectRef, if_exists: bool) -> Result<Statement> {
        self.expect_kws(&[Kw::Set, Kw::Schema])?;
        let new_schema = self.col_id()?;
        Ok(Statement::AlterObjectSchema(Box::new(AlterObjectSchema { kind, object, new_schema, if_exists })))
    }

    /// ALTER TABLE, INDEX, SEQUENCE, VIEW, MATERIALIZED VIEW, FOREIGN TABLE.
    fn alter_relation(&mut self, kind: ObjectKind) -> Result<Statement> {
        if self.at_kw(Kw::All) {
            let pos = self.pos();
            return Ok(self.unsupported("ALTER ... ALL IN TABLESPACE", pos));
        }
        let if_exists = self.if_exists();
        let relation = match kind {
            ObjectKind::Table | ObjectKind::ForeignTable => self.relation_expr()?,
            _ => self.relation_name()?,
        };
        if self.at_kw(Kw::Rename) {
            return self.rename_relation(kind, relation, if_exists);
        }
        if self.at_kws(&[Kw::Set, Kw::Schema]) {
            return self.set_schema(kind, ObjectRef::Name(relation_parts(&relation)), if_exists);
        }
        if kind == ObjectKind::Sequence && self.begins_sequence_option() {
            return self.alter_sequence(relation, if_exists);
        }
        if kind == ObjectKind::Index && self.eat_kw(Kw::Depends) {
            return self.depends(ObjectKind::Index);
        }
        if kind == ObjectKind::Index && self.at_kw(Kw::No) && self.nth_kw(1, Kw::Depends) {
            self.bump();
            self.bump();
            return self.depends(ObjectKind::Index);
        }
        let actions = self.alter_table_actions(kind)?;
        Ok(Statement::AlterTable(Box::new(AlterTable { relation, kind, if_exists, actions })))
    }

    fn begins_sequence_option(&self) -> bool {
        matches!(
            self.keyword(),
            Some(
                Kw::As
                    | Kw::Cache
                    | Kw::Cycle
                    | Kw::Increment
                    | Kw::Maxvalue
                    | Kw::Minvalue
                    | Kw::No
                    | Kw::Owned
                    | Kw::Sequence
                    | Kw::Start
                    | Kw::Logged
                    | Kw::Unlogged
                    | Kw::Restart
            )
        )
    }

    /// `... ON EXTENSION name` behind DEPENDS.
    fn depends(&mut self, kind: ObjectKind) -> Result<Statement> {
        let pos = self.expect_kws(&[Kw::On, Kw::Extension])?;
        self.col_id()?;
        let what = format!("ALTER {} DEPENDS ON EXTENSION", kind.sql());
        Ok(Statement::Unsupported(Box::new(crate::ast::UnsupportedStatement { what, pos })))
    }

    /// RENAME of a relation, of a column or of a constraint.
    fn rename_relation(
        &mut self,
        kind: ObjectKind,
        relation: RangeVar,
        if_exists: bool,
    ) -> Result<Statement> {
        self.expect_kw(Kw::Rename)?;
        let object = ObjectRef::Name(relation_parts(&relation));
        if self.eat_kw(Kw::To) {
            let new_name = self.col_id()?;
            return Ok(rename(kind, kind, object, None, new_name, if_exists));
        }
        if matches!(kind, ObjectKind::Index | ObjectKind::Sequence) {
            return Err(self.unexpected());
        }
        let renamed = if kind == ObjectKind::Table && self.eat_kw(Kw::Constraint) {
            ObjectKind::TableConstraint
        } else {
            self.eat_kw(Kw::Column);
            ObjectKind::Column
        };
        let old = self.name()?;
        self.expect_kw(Kw::To)?;
        let new_name = self.col_id()?;
        Ok(rename(renamed, kind, object, Some(old), new_name, if_exists))
    }

    fn alter_type(&mut self) -> Result<Statement> {
        let name = self.any_name()?;
        match self.keyword() {
            Some(Kw::Add) if self.nth_kw(1, Kw::Value) => {
                self.bump();
                let action = self.enum_add_value()?;
                Ok(Statement::AlterEnum(Box::new(AlterEnum { name, action })))
            }
            Some(Kw::Rename) if self.nth_kw(1, Kw::Value) => {
                self.bump();
                self.bump();
                let from = self.string()?;
                self.expect_kw(Kw::To)?;
                let action = AlterEnumAction::RenameValue { from, to: self.string()? };
                Ok(Statement::AlterEnum(Box::new(AlterEnum { name, action })))
            }
            Some(Kw::Rename) if self.nth_kw(1, Kw::Attribute) => {
                self.bump();
                self.bump();
                let old = self.name()?;
                self.expect_kw(Kw::To)?;
                let new_name = self.col_id()?;
                let behavior = self.drop_behavior();
                Ok(Statement::Rename(Box::new(Rename {
                    kind: ObjectKind::Attribute,
                    relation_kind: ObjectKind::Type,
                    object: ObjectRef::Name(name),
                    subname: Some(old),
                    new_name,
                    if_exists: false,
                    behavior,
                })))
            }
            Some(Kw::Add | Kw::Drop | Kw::Alter) => {
                let relation = self.range_var(name)?;
                let actions = self.comma_list(Self::alter_type_action)?;
                let kind = ObjectKind::Type;
                Ok(Statement::AlterTable(Box::new(AlterTable { relation, kind, if_exists: false, actions })))
            }
            Some(Kw::Set) if self.nth(1) == TokenKind::LeftParen => {
                let pos = name.pos;
                Ok(self.unsupported("ALTER TYPE SET", pos))
            }
            _ => match self.opt_alter_common(ObjectKind::Type, ObjectRef::Name(name), false)? {
                Ok(statement) => Ok(statement),
                Err(_) => {
                    self.eat_kw(Kw::Set);
                    Err(self.unexpected())
                }
            },
        }
    }

    /// alter_type_cmd.
    fn alter_type_action(&mut self) -> Result<AlterTableAction> {
        match self.keyword() {
            Some(Kw::Add) => {
                self.bump();
                self.expect_kw(Kw::Attribute)?;
                let column = self.column_def_item()?;
                Ok(AlterTableAction::AddAttribute { column, behavior: self.drop_behavior() })
            }
            Some(Kw::Drop) => {
                self.bump();
                self.expect_kw(Kw::Attribute)?;
                let if_exists = self.if_exists();
                let name = self.name()?;
                Ok(AlterTableAction::DropAttribute { name, if_exists, behavior: self.drop_behavior() })
            }
            _ => {
                self.expect_kws(&[Kw::Alter, Kw::Attribute])?;
                let name = self.name()?;
                if self.eat_kw(Kw::Set) {
                    self.expect_kw(Kw::Data)?;
                }
                self.expect_kw(Kw::Type)?;
                let type_name = self.type_name()?;
                let collation = self.opt_collate()?;
                let behavior = self.drop_behavior();
                Ok(AlterTableAction::AlterAttributeType { name, type_name, collation, behavior })
            }
        }
    }

    fn alter_domain(&mut self) -> Result<Statement> {
        let name = self.any_name()?;
        let action = match self.keyword() {
            Some(Kw::Set) if self.nth_kw(1, Kw::Default) => {
                self.bump();
                self.bump();
                AlterDomainAction::SetDefault(self.expr()?)
            }
            Some(Kw::Set) if self.nth_kw(1, Kw::Not) => {
                self.expect_kws(&[Kw::Set, Kw::Not, Kw::Null])?;
                AlterDomainAction::SetNotNull
            }
            Some(Kw::Drop) => {
                self.bump();
                if self.eat_kw(Kw::Default) {
                    AlterDomainAction::DropDefault
                } else if self.eat_kw(Kw::Not) {
                    self.expect_kw(Kw::Null)?;
                    AlterDomainAction::DropNotNull
                } else {
                    self.expect_kw(Kw::Constraint)?;
                    let if_exists = self.if_exists();
                    let name = self.col_id()?;
                    AlterDomainAction::DropConstraint { name, if_exists, behavior: self.drop_behavior() }
                }
            }
            Some(Kw::Add) => {
                self.bump();
                AlterDomainAction::AddConstraint(self.domain_constraint()?)
            }
            Some(Kw::Validate) => {
                self.bump();
                self.expect_kw(Kw::Constraint)?;
                AlterDomainAction::ValidateConstraint(self.col_id()?)
            }
            Some(Kw::Rename) if self.nth_kw(1, Kw::Constraint) => {
                self.bump();
                self.bump();
                let old = self.name()?;
                self.expect_kw(Kw::To)?;
                let new_name = self.col_id()?;
                let object = ObjectRef::Name(name);
                let kind = ObjectKind::DomainConstraint;
                return Ok(rename(kind, ObjectKind::Domain, object, Some(old), new_name, false));
            }
            _ => {
                return match self.opt_alter_common(ObjectKind::Domain, ObjectRef::Name(name), false)? {
                    Ok(statement) => Ok(statement),
                    Err(_) => Err(self.unexpected()),
                };
            }
        };
        Ok(Statement::AlterDomain(Box::new(AlterDomain { name, action })))
    }

    fn alter_function(&mut self, kind: ObjectKind) -> Result<Statement> {
        let function = match kind {
            ObjectKind::Aggregate => self.aggregate_with_args()?,
            _ => self.function_with_args()?,
        };
        match self.opt_alter_common(kind, ObjectRef::Function(function), false)? {
            Ok(statement) => Ok(statement),
            Err(ObjectRef::Function(_)) if self.at_kw(Kw::Depends) => {
                self.bump();
                self.depends(kind)
            }
            Err(ObjectRef::Function(_)) if self.at_kws(&[Kw::No, Kw::Depends]) => {
                self.bump();
                self.bump();
                self.depends(kind)
            }
            Err(ObjectRef::Function(function)) if kind != ObjectKind::Aggregate => {
                self.alter_function_options(kind, function)
            }
            Err(_) => {
                self.eat_kw(Kw::Set);
                Err(self.unexpected())
            }
        }
    }

    /// ALTER TRIGGER, RULE, POLICY.
    fn alter_on_relation(&mut self, kind: ObjectKind, pos: u32) -> Result<Statement> {
        let if_exists = kind == ObjectKind::Policy && self.if_exists();
        let name = self.name()?;
        self.expect_kw(Kw::On)?;
        let relation = self.any_name()?;
        if self.eat_kw(Kw::Rename) {
            self.expect_kw(Kw::To)?;
            let new_name = self.col_id()?;
            return Ok(rename(
                kind,
                kind,
                ObjectRef::OnRelation { name, relation },
                None,
                new_name,
                if_exists,
            ));
        }
        match kind {
            ObjectKind::Policy if !if_exists => {
                let relation = self.range_var(relation)?;
                self.alter_policy(name.value, relation)
            }
            ObjectKind::Trigger if matches!(self.keyword(), Some(Kw::Depends | Kw::No)) => {
                Ok(self.unsupported("ALTER TRIGGER DEPENDS ON EXTENSION", pos))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn alter_statistics(&mut self) -> Result<Statement> {
        let if_exists = self.if_exists();
        let name = self.any_name()?;
        if if_exists || self.at_kws(&[Kw::Set, Kw::Statistics]) {
            self.expect_kws(&[Kw::Set, Kw::Statistics])?;
            let target = self.signed_integer()?;
            return Ok(Statement::AlterStatistics(Box::new(AlterStatistics { name, if_exists, target })));
        }
        match self.opt_alter_common(ObjectKind::Statistics, ObjectRef::Name(name), if_exists)? {
            Ok(statement) => Ok(statement),
            Err(_) => Err(self.unexpected()),
        }
    }

    fn alter_text_search(&mut self, kind: ObjectKind) -> Result<Statement> {
        let name = self.any_name()?;
        let action = match self.keyword() {
            Some(Kw::Add) if kind == ObjectKind::TsConfiguration => {
                self.expect_kws(&[Kw::Add, Kw::Mapping, Kw::For])?;
                let tokens = self.token_types()?;
                self.expect_kw(Kw::With)?;
                TextSearchAction::AddMapping { tokens, dictionaries: self.any_name_list()? }
            }
            Some(Kw::Alter) if kind == ObjectKind::TsConfiguration => {
                self.expect_kws(&[Kw::Alter, Kw::Mapping])?;
                let tokens = if self.eat_kw(Kw::For) { self.token_types()? } else { vec![] };
                if tokens.is_empty() || self.at_kw(Kw::Replace) {
                    self.expect_kw(Kw::Replace)?;
                    let old = self.any_name()?;
                    self.expect_kw(Kw::With)?;
                    TextSearchAction::ReplaceDictionary { tokens, old, new: self.any_name()? }
                } else {
                    self.expect_kw(Kw::With)?;
                    TextSearchAction::AlterMapping { tokens, dictionaries: self.any_name_list()? }
                }
            }
            Some(Kw::Drop) if kind == ObjectKind::TsConfiguration => {
                self.expect_kws(&[Kw::Drop, Kw::Mapping])?;
                let if_exists = self.if_exists();
                self.expect_kw(Kw::For)?;
                TextSearchAction::DropMapping { tokens: self.token_types()?, if_exists }
            }
            _ if kind == ObjectKind::TsDictionary && self.at(TokenKind::LeftParen) => {
                TextSearchAction::Options(self.definition()?)
            }
            _ => {
                return match self.opt_alter_common(kind, ObjectRef::Name(name), false)? {
                    Ok(statement) => Ok(statement),
                    Err(_) => Err(self.unexpected()),
                };
            }
        };
        Ok(Statement::AlterTextSearch(Box::new(AlterTextSearch { name, action })))
    }

    /// Names without parentheses around them.
    fn token_types(&mut self) -> Result<Vec<Name>> {
        let mut all = vec![self.name()?];
        while self.eat(TokenKind::Comma) {
            all.push(self.name()?);
        }
        Ok(all)
    }

    fn any_name_list(&mut self) -> Result<Vec<QualifiedName>> {
        let mut all = vec![self.any_name()?];
        while self.eat(TokenKind::Comma) {
            all.push(self.any_name()?);
        }
        Ok(all)
    }

    fn alter_extension(&mut self, pos: u32) -> Result<Statement> {
        let name = self.single_name()?;
        if self.at_kws(&[Kw::Set, Kw::Schema]) {
            return self.set_schema(ObjectKind::Extension, ObjectRef::Name(name), false);
        }
        if matches!(self.keyword(), Some(Kw::Update | Kw::Add | Kw::Drop)) {
            return Ok(self.unsupported("ALTER EXTENSION", pos));
        }
        Err(self.unexpected())
    }
}

/// A relation's name as parts.
fn relation_parts(relation: &RangeVar) -> QualifiedName {
    let parts = [&relation.catalog, &relation.schema].into_iter().flatten().cloned();
    QualifiedName { parts: parts.chain([relation.name.clone()]).collect(), pos: relation.pos }
}

fn rename(
    kind: ObjectKind,
    relation_kind: ObjectKind,
    object: ObjectRef,
    subname: Option<crate::ast::Name>,
    new_name: String,
    if_exists: bool,
) -> Statement {
    let behavior = DropBehavior::Restrict;
    Statement::Rename(Box::new(Rename {
        kind,
        relation_kind,
        object,
        subname,
        new_name,
        if_exists,
        behavior,
    }))
}

/// A type of this name, wherever it is.
pub(super) fn named_type(name: QualifiedName) -> TypeName {
    TypeName { names: name.parts, ..super::type_name::system_type("", name.pos) }
}
