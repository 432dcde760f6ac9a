//! Databases, tablespaces, publications, subscriptions.

use super::cursor::Parser;
use crate::ast::{
    AlterDatabase, AlterDatabaseSet, AlterOwner, AlterPublication, AlterSubscription, CreateDatabase,
    CreatePublication, CreateSubscription, CreateTablespace, DefAction, DefArg, DefElem, DropBehavior,
    ObjectKind, ObjectRef, PublicationAction, PublicationObject, PublicationTable, QualifiedName, Rename,
    Statement,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// Behind CREATE with DATABASE next.
    pub(super) fn create_database(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Database)?;
        let name = self.col_id()?;
        self.eat_kw(Kw::With);
        let options = self.database_options()?;
        Ok(Statement::CreateDatabase(Box::new(CreateDatabase { name, options })))
    }

    /// createdb_opt_list.
    fn database_options(&mut self) -> Result<Vec<DefElem>> {
        let mut options = Vec::new();
        loop {
            let pos = self.pos();
            let name = match self.kind() {
                TokenKind::Ident | TokenKind::QuotedIdent(_) => self.col_id()?,
                TokenKind::Keyword(Kw::Connection) => {
                    self.expect_kws(&[Kw::Connection, Kw::Limit])?;
                    "connection_limit".into()
                }
                TokenKind::Keyword(
                    kw @ (Kw::Encoding | Kw::Location | Kw::Owner | Kw::Tablespace | Kw::Template),
                ) => {
                    self.bump();
                    kw.text().to_string()
                }
                _ => return Ok(options),
            };
            self.eat(TokenKind::Equal);
            let arg = if self.eat_kw(Kw::Default) { None } else { Some(self.scalar_arg()?) };
            options.push(DefElem { namespace: None, name, arg, action: DefAction::Unspecified, pos });
        }
    }

    /// Behind ALTER with DATABASE next.
    pub(super) fn alter_database(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Database)?;
        let pos = self.pos();
        let name = self.col_id()?;
        let kind = ObjectKind::Database;
        let object = |name: &str| ObjectRef::Name(QualifiedName { parts: vec![name.to_string()], pos });
        match self.keyword() {
            Some(Kw::Rename) => {
                self.bump();
                self.expect_kw(Kw::To)?;
                let new_name = self.col_id()?;
                Ok(Statement::Rename(Box::new(Rename {
                    kind,
                    relation_kind: kind,
                    object: object(&name),
                    subname: None,
                    new_name,
                    if_exists: false,
                    behavior: DropBehavior::Restrict,
                })))
            }
            Some(Kw::Owner) if self.nth_kw(1, Kw::To) => {
                self.bump();
                self.bump();
                let owner = self.role_spec()?;
                Ok(Statement::AlterOwner(Box::new(AlterOwner { kind, object: object(&name), owner })))
            }
            Some(Kw::Refresh) => {
                self.expect_kws(&[Kw::Refresh, Kw::Collation, Kw::Version])?;
                let alter = AlterDatabase { name, options: Vec::new(), refresh_collation: true };
                Ok(Statement::AlterDatabase(Box::new(alter)))
            }
            Some(Kw::Set) if self.nth_kw(1, Kw::Tablespace) => {
                self.bump();
                let pos = self.bump().start;
                let arg = Some(DefArg::String(self.col_id()?));
                let action = DefAction::Unspecified;
                let options = vec![DefElem { namespace: None, name: "tablespace".into(), arg, action, pos }];
                Ok(Statement::AlterDatabase(Box::new(AlterDatabase {
                    name,
                    options,
                    refresh_collation: false,
                })))
            }
            Some(Kw::Set | Kw::Reset) => {
                let setting = self.set_reset_clause()?;
                Ok(Statement::AlterDatabaseSet(Box::new(AlterDatabaseSet { name, setting })))
            }
            _ => {
                self.eat_kw(Kw::With);
                let options = self.database_options()?;
                Ok(Statement::AlterDatabase(Box::new(AlterDatabase {
                    name,
                    options,
                    refresh_collation: false,
                })))
            }
        }
    }

    /// Behind CREATE with TABLESPACE next.
    pub(super) fn create_tablespace(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Tablespace)?;
        let name = self.col_id()?;
        let owner = if self.eat_kw(Kw::Owner) { Some(self.role_spec()?) } else { None };
        self.expect_kw(Kw::Location)?;
        let location = self.string()?;
        let options = self.opt_reloptions()?;
        Ok(Statement::CreateTablespace(Box::new(CreateTablespace { name, owner, location, options })))
    }

    /// Behind CREATE with PUBLICATION next.
    pub(super) fn create_publication(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Publication)?;
        let name = self.col_id()?;
        let (mut all_tables, mut objects) = (false, Vec::new());
        if self.eat_kw(Kw::For) {
            if self.eat_kw(Kw::All) {
                self.expect_kw(Kw::Tables)?;
                all_tables = true;
            } else {
                objects = self.publication_objects()?;
            }
        }
        let options = self.opt_definition()?;
        Ok(Statement::CreatePublication(Box::new(CreatePublication { name, all_tables, objects, options })))
    }

    /// pub_obj_list: what TABLE or TABLES IN SCHEMA begins goes on until the next such words.
    fn publication_objects(&mut self) -> Result<Vec<PublicationObject>> {
        let mut schemas = None;
        self.comma_list(|p| p.publication_object(&mut schemas))
    }

    /// One object; `schemas` tells which words came last.
    fn publication_object(&mut self, schemas: &mut Option<bool>) -> Result<PublicationObject> {
        let mut introduced = true;
        if self.eat_kw(Kw::Table) {
            *schemas = Some(false);
        } else if self.at_kws(&[Kw::Tables, Kw::In]) {
            self.expect_kws(&[Kw::Tables, Kw::In, Kw::Schema])?;
            *schemas = Some(true);
        } else {
            introduced = false;
        }
        let pos = self.pos();
        let may_be_schema = !introduced || *schemas == Some(true);
        if may_be_schema && self.eat_kw(Kw::CurrentSchema) {
            return match schemas {
                Some(true) => Ok(PublicationObject::Schema(None)),
                Some(false) => Err(self.grammar_error("invalid table name", pos)),
                None => Err(self.unintroduced(pos)),
            };
        }
        if introduced && *schemas == Some(true) {
            return Ok(PublicationObject::Schema(Some(self.col_id()?)));
        }
        let relation = self.relation_expr()?;
        let columns = self.opt_name_list()?;
        let where_clause = if self.eat_kw(Kw::Where) { Some(self.paren_expr()?) } else { None };
        match schemas {
            None => Err(self.unintroduced(pos)),
            Some(false) => {
                Ok(PublicationObject::Table(Box::new(PublicationTable { relation, columns, where_clause })))
            }
            Some(true) if where_clause.is_some() => {
                Err(self.grammar_error("WHERE clause not allowed for schema", pos))
            }
            Some(true) if !columns.is_empty() => {
                Err(self.grammar_error("column specification not allowed for schema", pos))
            }
            Some(true) if relation.schema.is_some() || relation.only => {
                Err(self.grammar_error("invalid schema name", pos))
            }
            Some(true) => Ok(PublicationObject::Schema(Some(relation.name))),
        }
    }

    fn unintroduced(&self, pos: u32) -> quarry_common::Error {
        self.grammar_error("invalid publication object list", pos).detail(
            "One of TABLE or TABLES IN SCHEMA must be specified before a standalone table or schema name.",
        )
    }

    /// RENAME TO, OWNER TO of a publication or subscription, if they come next.
    fn rename_or_owner(&mut self, kind: ObjectKind, name: &str, pos: u32) -> Result<Option<Statement>> {
        let object = ObjectRef::Name(QualifiedName { parts: vec![name.to_string()], pos });
        if self.eat_kw(Kw::Rename) {
            self.expect_kw(Kw::To)?;
            let new_name = self.col_id()?;
            return Ok(Some(Statement::Rename(Box::new(Rename {
                kind,
                relation_kind: kind,
                object,
                subname: None,
                new_name,
                if_exists: false,
                behavior: DropBehavior::Restrict,
            }))));
        }
        if self.eat_kw(Kw::Owner) {
            self.expect_kw(Kw::To)?;
            let owner = self.role_spec()?;
            return Ok(Some(Statement::AlterOwner(Box::new(AlterOwner { kind, object, owner }))));
        }
        Ok(None)
    }

    /// ALTER PUBLICATION behind the word.
    pub(super) fn alter_publication(&mut self) -> Result<Statement> {
        let pos = self.pos();
        let name = self.col_id()?;
        if let Some(statement) = self.rename_or_owner(ObjectKind::Publication, &name, pos)? {
            return Ok(statement);
        }
        let action = match self.keyword() {
            Some(Kw::Add) => PublicationAction::Add,
            Some(Kw::Set) if self.nth(1) == TokenKind::LeftParen => PublicationAction::SetOptions,
            Some(Kw::Set) => PublicationAction::Set,
            Some(Kw::Drop) => PublicationAction::Drop,
            _ => return Err(self.unexpected()),
        };
        self.bump();
        let (mut objects, mut options) = (Vec::new(), Vec::new());
        if action == PublicationAction::SetOptions {
            options = self.definition()?;
        } else {
            objects = self.publication_objects()?;
        }
        Ok(Statement::AlterPublication(Box::new(AlterPublication { name, action, objects, options })))
    }

    /// Behind CREATE with SUBSCRIPTION next.
    pub(super) fn create_subscription(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Subscription)?;
        let name = self.col_id()?;
        self.expect_kw(Kw::Connection)?;
        let connection = self.string()?;
        self.expect_kw(Kw::Publication)?;
        let publications = self.comma_list(Self::col_id)?;
        let options = self.opt_definition()?;
        let create = CreateSubscription { name, connection, publications, options };
        Ok(Statement::CreateSubscription(Box::new(create)))
    }

    /// ALTER SUBSCRIPTION behind the word.
    pub(super) fn alter_subscription(&mut self) -> Result<Statement> {
        let pos = self.pos();
        let name = self.col_id()?;
        if let Some(statement) = self.rename_or_owner(ObjectKind::Subscription, &name, pos)? {
            return Ok(statement);
        }
        let mut alter = AlterSubscription {
            name,
            action: "",
            connection: None,
            publications: Vec::new(),
            options: Vec::new(),
        };
        alter.action = match self.keyword() {
            Some(Kw::Connection) => {
                self.bump();
                alter.connection = Some(self.string()?);
                "connection"
            }
            Some(Kw::Refresh) => {
                self.expect_kws(&[Kw::Refresh, Kw::Publication])?;
                alter.options = self.opt_definition()?;
                "refresh"
            }
            Some(Kw::Enable) => {
                self.bump();
                "enable"
            }
            Some(Kw::Disable) => {
                self.bump();
                "disable"
            }
            Some(Kw::Skip) => {
                self.bump();
                alter.options = self.definition()?;
                "skip"
            }
            Some(Kw::Set) if self.nth(1) == TokenKind::LeftParen => {
                self.bump();
                alter.options = self.definition()?;
                "options"
            }
            Some(kw @ (Kw::Set | Kw::Add | Kw::Drop)) => {
                self.bump();
                self.expect_kw(Kw::Publication)?;
                alter.publications = self.comma_list(Self::col_id)?;
                alter.options = self.opt_definition()?;
                match kw {
                    Kw::Set => "set publication",
                    Kw::Add => "add publication",
                    _ => "drop publication",
                }
            }
            _ => return Err(self.unexpected()),
        };
        Ok(Statement::AlterSubscription(Box::new(alter)))
    }
}
