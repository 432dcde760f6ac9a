//! Roles, privileges, ownership.

use super::cursor::{COL_ID, Parser};
use crate::ast::{
    AccessPrivilege, AlterDefaultPrivileges, AlterRole, AlterRoleSet, CreateRole, DropBehavior, Grant,
    GrantRole, GrantTarget, ObjectKind, ObjectRef, ReassignOwned, Rename, RoleOption, RoleOptionKind,
    RoleSpec, RoleStatementKind, Statement,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::{Result, err};

impl Parser<'_> {
    /// Behind CREATE with ROLE, USER or GROUP next.
    pub(super) fn create_role(&mut self) -> Result<Statement> {
        let kind = match self.bump().kind {
            TokenKind::Keyword(Kw::User) => RoleStatementKind::User,
            TokenKind::Keyword(Kw::Group) => RoleStatementKind::Group,
            _ => RoleStatementKind::Role,
        };
        let pos = self.pos();
        let name = self.role_id()?;
        self.eat_kw(Kw::With);
        let options = self.role_options(true)?;
        Ok(Statement::CreateRole(Box::new(CreateRole { kind, name, options, pos })))
    }

    fn role_options(&mut self, create: bool) -> Result<Vec<RoleOption>> {
        let mut options = Vec::new();
        while let Some(option) = self.opt_role_option(create)? {
            options.push(option);
        }
        Ok(options)
    }

    fn opt_role_option(&mut self, create: bool) -> Result<Option<RoleOption>> {
        use RoleOptionKind::*;
        let pos = self.pos();
        let token = self.token();
        let kind = match token.kind {
            TokenKind::Keyword(Kw::Password) => {
                self.bump();
                Password(if self.eat_kw(Kw::Null) { None } else { Some(self.string()?) })
            }
            TokenKind::Keyword(Kw::Encrypted) => {
                self.bump();
                self.expect_kw(Kw::Password)?;
                Password(Some(self.string()?))
            }
            TokenKind::Keyword(Kw::Unencrypted) => {
                self.bump();
                self.expect_kw(Kw::Password)?;
                self.string()?;
                return Err(self
                    .not_supported("UNENCRYPTED PASSWORD is no longer supported", pos)
                    .hint("Remove UNENCRYPTED to store the password in encrypted form instead."));
            }
            TokenKind::Keyword(Kw::Inherit) => {
                self.bump();
                Inherit(true)
            }
            TokenKind::Keyword(Kw::Connection) => {
                self.expect_kws(&[Kw::Connection, Kw::Limit])?;
                ConnectionLimit(self.signed_integer()?)
            }
            TokenKind::Keyword(Kw::Valid) => {
                self.expect_kws(&[Kw::Valid, Kw::Until])?;
                ValidUntil(self.string()?)
            }
            TokenKind::Keyword(Kw::User) => {
                self.bump();
                Members(self.role_list()?)
            }
            TokenKind::Keyword(Kw::Sysid) if create => {
                self.bump();
                SysId(self.integer()?)
            }
            TokenKind::Keyword(Kw::Admin) if create => {
                self.bump();
                Admins(self.role_list()?)
            }
            TokenKind::Keyword(Kw::Role) if create => {
                self.bump();
                Members(self.role_list()?)
            }
            TokenKind::Keyword(Kw::In) if create => {
                self.bump();
                if !self.eat_kw(Kw::Role) {
                    self.expect_kw(Kw::Group)?;
                }
                MemberOf(self.role_list()?)
            }
            TokenKind::Ident | TokenKind::QuotedIdent(_) => {
                self.bump();
                let word = self.word(token);
                match word.as_str() {
                    "superuser" => Superuser(true),
                    "nosuperuser" => Superuser(false),
                    "createrole" => CreateRole(true),
                    "nocreaterole" => CreateRole(false),
                    "replication" => Replication(true),
                    "noreplication" => Replication(false),
                    "createdb" => CreateDb(true),
                    "nocreatedb" => CreateDb(false),
                    "login" => Login(true),
                    "nologin" => Login(false),
                    "bypassrls" => BypassRls(true),
                    "nobypassrls" => BypassRls(false),
                    "noinherit" => Inherit(false),
                    _ => {
                        return Err(
                            err!(SYNTAX_ERROR, "unrecognized role option \"{word}\"").position(pos as usize)
                        );
                    }
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(RoleOption { kind, pos }))
    }

    /// Behind ALTER with ROLE, USER or GROUP next.
    pub(super) fn alter_role(&mut self) -> Result<Statement> {
        let group = self.bump().kind == TokenKind::Keyword(Kw::Group);
        if !group && self.eat_kw(Kw::All) {
            return self.alter_role_set(None);
        }
        let role = self.role_spec()?;
        if self.eat_kw(Kw::Rename) {
            self.expect_kw(Kw::To)?;
            let new_name = self.role_id()?;
            return Ok(Statement::Rename(Box::new(Rename {
                kind: ObjectKind::Role,
                relation_kind: ObjectKind::Role,
                object: ObjectRef::Role(role),
                subname: None,
                new_name,
                if_exists: false,
                behavior: DropBehavior::Restrict,
            })));
        }
        if group {
            let drop_members = self.eat_kw(Kw::Drop);
            if !drop_members {
                self.expect_kw(Kw::Add)?;
            }
            let pos = self.expect_kw(Kw::User)?;
            let options = vec![RoleOption { kind: RoleOptionKind::Members(self.role_list()?), pos }];
            return Ok(Statement::AlterRole(Box::new(AlterRole { role, options, drop_members })));
        }
        if matches!(self.keyword(), Some(Kw::In | Kw::Set | Kw::Reset)) {
            return self.alter_role_set(Some(role));
        }
        self.eat_kw(Kw::With);
        let options = self.role_options(false)?;
        Ok(Statement::AlterRole(Box::new(AlterRole { role, options, drop_members: false })))
    }

    fn alter_role_set(&mut self, role: Option<RoleSpec>) -> Result<Statement> {
        let mut database = None;
        if self.eat_kw(Kw::In) {
            self.expect_kw(Kw::Database)?;
            database = Some(self.col_id()?);
        }
        let setting = self.set_reset_clause()?;
        Ok(Statement::AlterRoleSet(Box::new(AlterRoleSet { role, database, setting })))
    }

    /// GRANT.
    pub(super) fn grant_statement(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Grant)?;
        let privileges = self.privileges()?;
        if self.eat_kw(Kw::On) {
            let target = self.grant_target()?;
            self.expect_kw(Kw::To)?;
            let grant = self.grant_tail(privileges, target)?;
            return Ok(Statement::Grant(Box::new(grant)));
        }
        if privileges.is_empty() {
            return Err(self.unexpected());
        }
        self.expect_kw(Kw::To)?;
        let grantees = self.role_list()?;
        let admin_option = self.eat_kw(Kw::With);
        if admin_option {
            self.expect_kws(&[Kw::Admin, Kw::Option])?;
        }
        let granted_by = self.opt_granted_by()?;
        Ok(Statement::GrantRole(Box::new(GrantRole {
            grant: true,
            roles: privileges,
            grantees,
            admin_option,
            granted_by,
            behavior: DropBehavior::Restrict,
        })))
    }

    /// GRANT behind TO.
    fn grant_tail(&mut self, privileges: Vec<AccessPrivilege>, target: GrantTarget) -> Result<Grant> {
        let grantees = self.comma_list(Self::grantee)?;
        let grant_option = self.eat_kw(Kw::With);
        if grant_option {
            self.expect_kws(&[Kw::Grant, Kw::Option])?;
        }
        let granted_by = self.opt_granted_by()?;
        let behavior = DropBehavior::Restrict;
        Ok(Grant { grant: true, privileges, target, grantees, grant_option, granted_by, behavior })
    }

    /// REVOKE behind FROM.
    fn revoke_tail(
        &mut self,
        privileges: Vec<AccessPrivilege>,
        target: GrantTarget,
        grant_option: bool,
    ) -> Result<Grant> {
        let grantees = self.comma_list(Self::grantee)?;
        let granted_by = self.opt_granted_by()?;
        let behavior = self.drop_behavior();
        Ok(Grant { grant: false, privileges, target, grantees, grant_option, granted_by, behavior })
    }

    fn grantee(&mut self) -> Result<RoleSpec> {
        if self.at_kw(Kw::Group) {
            self.bump();
        }
        self.role_spec()
    }

    fn opt_granted_by(&mut self) -> Result<Option<RoleSpec>> {
        if !self.eat_kw(Kw::Granted) {
            return Ok(None);
        }
        self.expect_kw(Kw::By)?;
        Ok(Some(self.role_spec()?))
    }

    /// REVOKE.
    pub(super) fn revoke_statement(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Revoke)?;
        let mut admin_option = false;
        let mut grant_option = false;
        if self.at_kws(&[Kw::Admin, Kw::Option]) {
            self.expect_kws(&[Kw::Admin, Kw::Option, Kw::For])?;
            admin_option = true;
        } else if self.at_kws(&[Kw::Grant, Kw::Option]) || self.at_kw(Kw::Grant) {
            self.expect_kws(&[Kw::Grant, Kw::Option, Kw::For])?;
            grant_option = true;
        }
        let privileges = self.privileges()?;
        if !admin_option && self.eat_kw(Kw::On) {
            let target = self.grant_target()?;
            self.expect_kw(Kw::From)?;
            return Ok(Statement::Grant(Box::new(self.revoke_tail(privileges, target, grant_option)?)));
        }
        if privileges.is_empty() || grant_option {
            return Err(self.unexpected());
        }
        self.expect_kw(Kw::From)?;
        let grantees = self.role_list()?;
        let granted_by = self.opt_granted_by()?;
        let behavior = self.drop_behavior();
        let grant =
            GrantRole { grant: false, roles: privileges, grantees, admin_option, granted_by, behavior };
        Ok(Statement::GrantRole(Box::new(grant)))
    }

    /// privileges; empty for ALL.
    fn privileges(&mut self) -> Result<Vec<AccessPrivilege>> {
        let pos = self.pos();
        if self.eat_kw(Kw::All) {
            self.eat_kw(Kw::Privileges);
            if !self.at(TokenKind::LeftParen) {
                return Ok(Vec::new());
            }
            let columns = self.name_list()?;
            return Ok(vec![AccessPrivilege { name: None, columns, pos }]);
        }
        self.comma_list(|p| {
            let pos = p.pos();
            let name = match p.keyword() {
                Some(Kw::Alter) => {
                    p.expect_kws(&[Kw::Alter, Kw::System])?;
                    return Ok(AccessPrivilege {
                        name: Some("alter system".into()),
                        columns: Vec::new(),
                        pos,
                    });
                }
                Some(kw @ (Kw::Select | Kw::References | Kw::Create)) => {
                    p.bump();
                    kw.text().to_string()
                }
                _ => p.name_of(COL_ID)?,
            };
            let columns = p.opt_name_list()?;
            Ok(AccessPrivilege { name: Some(name), columns, pos })
        })
    }

    /// privilege_target.
    fn grant_target(&mut self) -> Result<GrantTarget> {
        use ObjectKind::*;
        let Some(kw) = self.keyword() else { return self.grant_relations(Table) };
        if kw == Kw::All {
            return self.grant_all_in_schema();
        }
        // Most of these words may name a table, too.
        let name_follows = COL_ID.accepts(self.nth(1)) || super::cursor::TYPE_FUNC.accepts(self.nth(1));
        match kw {
            Kw::Table => {
                self.bump();
                return self.grant_relations(Table);
            }
            Kw::Sequence if name_follows => {
                self.bump();
                return self.grant_relations(Sequence);
            }
            Kw::Large if self.nth_kw(1, Kw::Object) => {
                self.bump();
                self.bump();
                let objects = self.comma_list(|p| Ok(ObjectRef::LargeObject(p.numeric_arg()?)))?;
                return Ok(GrantTarget::Objects { kind: LargeObject, objects });
            }
            Kw::Foreign => {
                self.bump();
                let kind = if self.eat_kw(Kw::Server) {
                    ForeignServer
                } else {
                    self.expect_kws(&[Kw::Data, Kw::Wrapper])?;
                    ForeignDataWrapper
                };
                let objects = self.comma_list(|p| p.object_ref(kind))?;
                return Ok(GrantTarget::Objects { kind, objects });
            }
            _ => {}
        }
        let kind = match kw {
            Kw::Function => Function,
            Kw::Procedure => Procedure,
            Kw::Routine => Routine,
            Kw::Database => Database,
            Kw::Domain => Domain,
            Kw::Language => Language,
            Kw::Parameter => Parameter,
            Kw::Schema => Schema,
            Kw::Tablespace => Tablespace,
            Kw::Type => Type,
            _ => return self.grant_relations(Table),
        };
        if !name_follows {
            return self.grant_relations(Table);
        }
        self.bump();
        let objects = self.comma_list(|p| match kind {
            Type | Domain | Parameter => Ok(ObjectRef::Name(p.any_name()?)),
            _ => p.object_ref(kind),
        })?;
        Ok(GrantTarget::Objects { kind, objects })
    }

    fn grant_relations(&mut self, kind: ObjectKind) -> Result<GrantTarget> {
        Ok(GrantTarget::Relations { kind, relations: self.comma_list(Self::relation_name)? })
    }

    fn grant_all_in_schema(&mut self) -> Result<GrantTarget> {
        self.expect_kw(Kw::All)?;
        let kind = match self.keyword() {
            Some(Kw::Tables) => ObjectKind::Table,
            Some(Kw::Sequences) => ObjectKind::Sequence,
            Some(Kw::Functions) => ObjectKind::Function,
            Some(Kw::Procedures) => ObjectKind::Procedure,
            Some(Kw::Routines) => ObjectKind::Routine,
            _ => return Err(self.unexpected()),
        };
        self.bump();
        self.expect_kws(&[Kw::In, Kw::Schema])?;
        Ok(GrantTarget::AllInSchema { kind, schemas: self.comma_list(Self::name)? })
    }

    /// Behind ALTER with DEFAULT next.
    pub(super) fn alter_default_privileges(&mut self) -> Result<Statement> {
        self.expect_kws(&[Kw::Default, Kw::Privileges])?;
        let (mut roles, mut schemas) = (Vec::new(), Vec::new());
        loop {
            if self.eat_kw(Kw::In) {
                self.expect_kw(Kw::Schema)?;
                schemas = self.comma_list(Self::name)?;
            } else if self.eat_kw(Kw::For) {
                if !self.eat_kw(Kw::Role) {
                    self.expect_kw(Kw::User)?;
                }
                roles = self.role_list()?;
            } else {
                break;
            }
        }
        let revoke = self.at_kw(Kw::Revoke);
        if !revoke && !self.at_kw(Kw::Grant) {
            return Err(self.unexpected());
        }
        self.bump();
        let grant_option = revoke && self.at_kw(Kw::Grant);
        if grant_option {
            self.expect_kws(&[Kw::Grant, Kw::Option, Kw::For])?;
        }
        let privileges = self.privileges()?;
        self.expect_kw(Kw::On)?;
        let kind = match self.keyword() {
            Some(Kw::Tables) => ObjectKind::Table,
            Some(Kw::Functions | Kw::Routines) => ObjectKind::Function,
            Some(Kw::Sequences) => ObjectKind::Sequence,
            Some(Kw::Types) => ObjectKind::Type,
            Some(Kw::Schemas) => ObjectKind::Schema,
            _ => return Err(self.unexpected()),
        };
        self.bump();
        let target = GrantTarget::Defaults(kind);
        let action = if revoke {
            self.expect_kw(Kw::From)?;
            self.revoke_tail(privileges, target, grant_option)?
        } else {
            self.expect_kw(Kw::To)?;
            self.grant_tail(privileges, target)?
        };
        let statement = AlterDefaultPrivileges { roles, schemas, action };
        Ok(Statement::AlterDefaultPrivileges(Box::new(statement)))
    }

    /// REASSIGN OWNED.
    pub(super) fn reassign_owned(&mut self) -> Result<Statement> {
        self.expect_kws(&[Kw::Reassign, Kw::Owned, Kw::By])?;
        let roles = self.role_list()?;
        self.expect_kw(Kw::To)?;
        let new_role = self.role_spec()?;
        Ok(Statement::ReassignOwned(Box::new(ReassignOwned { roles, new_role })))
    }
}
