//! The actions of ALTER TABLE.

use super::alter::named_type;
use super::cursor::{COL_ID, Parser};
use crate::ast::{
    AlterTableAction, EnableMode, IdentityOption, Name, ObjectKind, ReplicaIdentity, TriggerSelection,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::{Result, err};

impl Parser<'_> {
    /// The actions on a relation of this kind.
    pub(super) fn alter_table_actions(&mut self, kind: ObjectKind) -> Result<Vec<AlterTableAction>> {
        // These stand alone.
        match self.keyword() {
            Some(Kw::Attach) if matches!(kind, ObjectKind::Table | ObjectKind::Index) => {
                self.bump();
                self.expect_kw(Kw::Partition)?;
                let partition = self.relation_name()?;
                let action = if kind == ObjectKind::Table {
                    AlterTableAction::AttachPartition { partition, bound: self.partition_bound()? }
                } else {
                    AlterTableAction::AttachIndex(partition)
                };
                return Ok(vec![action]);
            }
            Some(Kw::Detach) if kind == ObjectKind::Table => {
                self.bump();
                self.expect_kw(Kw::Partition)?;
                let partition = self.relation_name()?;
                if self.eat_kw(Kw::Finalize) {
                    return Ok(vec![AlterTableAction::FinalizeDetach(partition)]);
                }
                let concurrently = self.eat_kw(Kw::Concurrently);
                return Ok(vec![AlterTableAction::DetachPartition { partition, concurrently }]);
            }
            _ => {}
        }
        self.comma_list(Self::alter_table_action)
    }

    /// alter_table_cmd.
    fn alter_table_action(&mut self) -> Result<AlterTableAction> {
        use AlterTableAction::*;
        let Some(kw) = self.keyword() else { return Err(self.unexpected()) };
        match kw {
            Kw::Add => self.add_action(),
            Kw::Alter => self.alter_column_action(),
            Kw::Drop => self.drop_action(),
            Kw::Set => self.set_action(),
            Kw::Validate => {
                self.expect_kws(&[Kw::Validate, Kw::Constraint])?;
                Ok(ValidateConstraint(self.col_id()?))
            }
            Kw::Cluster => {
                self.expect_kws(&[Kw::Cluster, Kw::On])?;
                Ok(ClusterOn(self.col_id()?))
            }
            Kw::Enable | Kw::Disable => self.enable_action(),
            Kw::Inherit => {
                self.bump();
                Ok(Inherit(self.relation_name()?))
            }
            Kw::No => {
                self.bump();
                if self.eat_kw(Kw::Force) {
                    self.expect_kws(&[Kw::Row, Kw::Level, Kw::Security])?;
                    return Ok(ForceRowSecurity(false));
                }
                self.expect_kw(Kw::Inherit)?;
                Ok(NoInherit(self.relation_name()?))
            }
            Kw::Force => {
                self.expect_kws(&[Kw::Force, Kw::Row, Kw::Level, Kw::Security])?;
                Ok(ForceRowSecurity(true))
            }
            Kw::Of => {
                self.bump();
                Ok(OfType(named_type(self.any_name()?)))
            }
            Kw::Not => {
                self.expect_kws(&[Kw::Not, Kw::Of])?;
                Ok(NotOf)
            }
            Kw::Owner => {
                self.expect_kws(&[Kw::Owner, Kw::To])?;
                Ok(OwnerTo(self.role_spec()?))
            }
            Kw::Reset => {
                self.bump();
                Ok(ResetOptions(self.reloptions()?))
            }
            Kw::Replica => self.replica_identity(),
            Kw::Options => Ok(FdwOptions(self.fdw_options()?)),
            _ => Err(self.unexpected()),
        }
    }

    fn add_action(&mut self) -> Result<AlterTableAction> {
        self.expect_kw(Kw::Add)?;
        if self.at_table_constraint() {
            return Ok(AlterTableAction::AddConstraint(self.table_constraint()?));
        }
        self.eat_kw(Kw::Column);
        let if_not_exists = self.if_not_exists()?;
        let column = self.column_def()?;
        Ok(AlterTableAction::AddColumn { column, if_not_exists, behavior: Default::default() })
    }

    fn drop_action(&mut self) -> Result<AlterTableAction> {
        self.expect_kw(Kw::Drop)?;
        if self.eat_kw(Kw::Constraint) {
            let if_exists = self.if_exists();
            let name = self.col_id()?;
            return Ok(AlterTableAction::DropConstraint { name, if_exists, behavior: self.drop_behavior() });
        }
        self.eat_kw(Kw::Column);
        let if_exists = self.if_exists();
        let column = self.name()?;
        Ok(AlterTableAction::DropColumn { column, if_exists, behavior: self.drop_behavior() })
    }

    fn set_action(&mut self) -> Result<AlterTableAction> {
        use AlterTableAction::*;
        self.expect_kw(Kw::Set)?;
        match self.keyword() {
            Some(Kw::Logged) => {
                self.bump();
                Ok(SetLogged)
            }
            Some(Kw::Unlogged) => {
                self.bump();
                Ok(SetUnlogged)
            }
            Some(Kw::Without) => {
                self.bump();
                if self.eat_kw(Kw::Cluster) {
                    return Ok(SetWithoutCluster);
                }
                self.expect_kw(Kw::Oids)?;
                Ok(SetWithoutOids)
            }
            Some(Kw::Access) => {
                self.expect_kws(&[Kw::Access, Kw::Method])?;
                Ok(SetAccessMethod(self.col_id()?))
            }
            Some(Kw::Tablespace) => {
                self.bump();
                Ok(SetTablespace(self.col_id()?))
            }
            _ => Ok(SetOptions(self.reloptions()?)),
        }
    }

    fn enable_action(&mut self) -> Result<AlterTableAction> {
        let enable = self.bump().kind == TokenKind::Keyword(Kw::Enable);
        let mode = if !enable {
            EnableMode::Disable
        } else if self.eat_kw(Kw::Always) {
            EnableMode::Always
        } else if self.eat_kw(Kw::Replica) {
            EnableMode::Replica
        } else {
            EnableMode::Enable
        };
        let plain = matches!(mode, EnableMode::Enable | EnableMode::Disable);
        if self.eat_kw(Kw::Trigger) {
            let which = if plain && self.eat_kw(Kw::All) {
                TriggerSelection::All
            } else if plain && self.eat_kw(Kw::User) {
                TriggerSelection::User
            } else {
                TriggerSelection::Name(self.col_id()?)
            };
            return Ok(AlterTableAction::Trigger { which, enable: mode });
        }
        if plain && self.eat_kw(Kw::Row) {
            self.expect_kws(&[Kw::Level, Kw::Security])?;
            return Ok(AlterTableAction::RowSecurity(enable));
        }
        self.expect_kw(Kw::Rule)?;
        Ok(AlterTableAction::Rule { name: self.col_id()?, enable: mode })
    }

    fn replica_identity(&mut self) -> Result<AlterTableAction> {
        self.expect_kws(&[Kw::Replica, Kw::Identity])?;
        let identity = match self.keyword() {
            Some(Kw::Nothing) => ReplicaIdentity::Nothing,
            Some(Kw::Full) => ReplicaIdentity::Full,
            Some(Kw::Default) => ReplicaIdentity::Default,
            _ => {
                self.expect_kws(&[Kw::Using, Kw::Index])?;
                return Ok(AlterTableAction::ReplicaIdentity(ReplicaIdentity::Index(self.col_id()?)));
            }
        };
        self.bump();
        Ok(AlterTableAction::ReplicaIdentity(identity))
    }

    fn alter_column_action(&mut self) -> Result<AlterTableAction> {
        self.expect_kw(Kw::Alter)?;
        if self.eat_kw(Kw::Constraint) {
            let name = self.col_id()?;
            let (deferrable, initially_deferred) = self.deferrability("FOREIGN KEY constraints")?;
            return Ok(AlterTableAction::AlterConstraint { name, deferrable, initially_deferred });
        }
        self.eat_kw(Kw::Column);
        if let TokenKind::Integer(number) = self.kind() {
            let pos = self.pos() as usize;
            self.bump();
            self.expect_kws(&[Kw::Set, Kw::Statistics])?;
            if !(1..=i32::from(i16::MAX)).contains(&number) {
                let message = format!("column number must be in range from 1 to {}", i16::MAX);
                return Err(err!(INVALID_PARAMETER_VALUE, "{message}").position(pos));
            }
            let value = self.signed_integer()?;
            return Ok(AlterTableAction::SetStatistics { column: None, number: Some(number), value });
        }
        let column = self.name()?;
        self.column_action(column)
    }

    /// What ALTER COLUMN does, behind the column.
    fn column_action(&mut self, column: Name) -> Result<AlterTableAction> {
        use AlterTableAction::*;
        match self.keyword() {
            Some(Kw::Set) => self.column_set_action(column),
            Some(Kw::Drop) => {
                self.bump();
                if self.eat_kw(Kw::Default) {
                    return Ok(ColumnDefault { column, default: None });
                }
                if self.eat_kw(Kw::Not) {
                    self.expect_kw(Kw::Null)?;
                    return Ok(DropNotNull(column));
                }
                if self.eat_kw(Kw::Expression) {
                    return Ok(DropExpression { column, if_exists: self.if_exists() });
                }
                self.expect_kw(Kw::Identity)?;
                Ok(DropIdentity { column, if_exists: self.if_exists() })
            }
            Some(Kw::Reset) => {
                self.bump();
                if self.at(TokenKind::LeftParen) {
                    return Ok(ResetColumnOptions { column, options: self.reloptions()? });
                }
                Err(self.unexpected())
            }
            Some(Kw::Restart) => Ok(SetIdentity { column, options: self.identity_options()? }),
            Some(Kw::Add) => {
                self.expect_kws(&[Kw::Add, Kw::Generated])?;
                let always = self.generated_when()?;
                self.expect_kws(&[Kw::As, Kw::Identity])?;
                Ok(AddIdentity { column, always, options: self.opt_paren_sequence_options()? })
            }
            Some(Kw::Options) => Ok(AlterColumnFdwOptions { column, options: self.fdw_options()? }),
            Some(Kw::Type) => self.column_type(column),
            _ => Err(self.unexpected()),
        }
    }

    fn column_set_action(&mut self, column: Name) -> Result<AlterTableAction> {
        use AlterTableAction::*;
        if self.identity_option_next() {
            return Ok(SetIdentity { column, options: self.identity_options()? });
        }
        self.expect_kw(Kw::Set)?;
        match self.keyword() {
            Some(Kw::Default) => {
                self.bump();
                Ok(ColumnDefault { column, default: Some(self.expr()?) })
            }
            Some(Kw::Not) => {
                self.expect_kws(&[Kw::Not, Kw::Null])?;
                Ok(SetNotNull(column))
            }
            Some(Kw::Statistics) => {
                self.bump();
                Ok(SetStatistics { column: Some(column), number: None, value: self.signed_integer()? })
            }
            Some(Kw::Storage) => {
                self.bump();
                Ok(SetStorage { column, storage: self.name_of(COL_ID)? })
            }
            Some(Kw::Compression) => {
                self.bump();
                let method = if self.eat_kw(Kw::Default) { "default".into() } else { self.col_id()? };
                Ok(SetCompression { column, method })
            }
            Some(Kw::Data) => {
                self.bump();
                self.column_type(column)
            }
            _ => Ok(SetColumnOptions { column, options: self.reloptions()? }),
        }
    }

    fn column_type(&mut self, column: Name) -> Result<AlterTableAction> {
        self.expect_kw(Kw::Type)?;
        let type_name = self.type_name()?;
        let collation = self.opt_collate()?;
        let using = if self.eat_kw(Kw::Using) { Some(self.expr()?) } else { None };
        let behavior = Default::default();
        Ok(AlterTableAction::AlterColumnType { column, type_name, collation, using, behavior })
    }

    /// Whether SET is followed by what identity columns have: GENERATED or a sequence's option.
    fn identity_option_next(&self) -> bool {
        use Kw::*;
        matches!(
            self.nth(1),
            TokenKind::Keyword(
                Generated
                    | Cache
                    | Cycle
                    | Increment
                    | Maxvalue
                    | Minvalue
                    | No
                    | Owned
                    | Sequence
                    | Start
                    | Restart
                    | As
            )
        )
    }

    /// alter_identity_column_option_list.
    fn identity_options(&mut self) -> Result<Vec<IdentityOption>> {
        let mut options = Vec::new();
        loop {
            let pos = self.pos();
            if self.at_kw(Kw::Restart) {
                if let Some(option) = self.opt_sequence_option()? {
                    options.push(IdentityOption::Sequence(option));
                }
            } else if self.at_kw(Kw::Set) {
                self.bump();
                if self.eat_kw(Kw::Generated) {
                    options.push(IdentityOption::Generated(self.generated_when()?, pos));
                } else if let Some(option) = self.opt_sequence_option()? {
                    options.push(IdentityOption::Sequence(option));
                } else {
                    return Err(self.unexpected());
                }
            } else {
                return Ok(options);
            }
        }
    }
}
