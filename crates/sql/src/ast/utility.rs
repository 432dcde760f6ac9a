//! Session, transaction, role and maintenance commands.

use super::{
    DefElem, DropBehavior, Expr, FuncCall, Name, ObjectKind, ObjectRef, Pos, Query, RangeVar, RoleSpec,
    Statement, TypeName,
};

/// BEGIN, COMMIT and all that control a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Transaction {
    /// BEGIN; `start` when written START TRANSACTION.
    Begin {
        modes: Vec<TransactionMode>,
        start: bool,
    },
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    Prepare(String),
    CommitPrepared(String),
    RollbackPrepared(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionMode {
    Isolation(IsolationLevel, Pos),
    ReadOnly(bool, Pos),
    Deferrable(bool, Pos),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationLevel {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl IsolationLevel {
    /// As `transaction_isolation` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            IsolationLevel::ReadUncommitted => "read uncommitted",
            IsolationLevel::ReadCommitted => "read committed",
            IsolationLevel::RepeatableRead => "repeatable read",
            IsolationLevel::Serializable => "serializable",
        }
    }
}

/// SET and RESET.
#[derive(Clone, Debug, PartialEq)]
pub struct SetStatement {
    /// SET LOCAL.
    pub local: bool,
    pub kind: SetKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SetKind {
    /// SET name = values. SET TIME ZONE, NAMES, ROLE, SESSION AUTHORIZATION, SCHEMA, XML OPTION arrive
    /// under their settings' names (`timezone`, `client_encoding`, ...).
    Value {
        name: String,
        values: Vec<SetValue>,
    },
    /// SET name TO DEFAULT.
    Default {
        name: String,
    },
    /// SET name FROM CURRENT.
    Current {
        name: String,
    },
    /// RESET name.
    Reset {
        name: String,
    },
    ResetAll,
    /// SET TRANSACTION modes.
    Transaction(Vec<TransactionMode>),
    /// SET TRANSACTION SNAPSHOT.
    Snapshot(String),
    /// SET SESSION CHARACTERISTICS AS TRANSACTION modes.
    SessionCharacteristics(Vec<TransactionMode>),
}

/// One value of SET.
#[derive(Clone, Debug, PartialEq)]
pub enum SetValue {
    /// A quoted string or a word.
    String(String),
    Integer(i32),
    /// Any other number, as text with its sign.
    Float(String),
    /// SET TIME ZONE INTERVAL '...': a cast expression.
    Interval(Box<Expr>),
}

/// SHOW.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// `all` for SHOW ALL.
    pub name: String,
}

/// SET CONSTRAINTS.
#[derive(Clone, Debug, PartialEq)]
pub struct SetConstraints {
    /// Empty: ALL.
    pub constraints: Vec<RangeVar>,
    pub deferred: bool,
}

/// LOCK TABLE.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    pub relations: Vec<RangeVar>,
    pub mode: TableLockMode,
    pub nowait: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableLockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

/// PREPARE.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    pub name: String,
    pub arg_types: Vec<TypeName>,
    pub statement: Statement,
    /// The bytes of the statement in the text.
    pub span: (Pos, Pos),
}

/// EXECUTE.
#[derive(Clone, Debug, PartialEq)]
pub struct Execute {
    pub name: String,
    pub args: Vec<Expr>,
}

/// DEALLOCATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deallocate {
    /// `None`: ALL.
    pub name: Option<String>,
}

/// DECLARE CURSOR.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclareCursor {
    pub name: String,
    pub binary: bool,
    /// SCROLL, NO SCROLL.
    pub scroll: Option<bool>,
    /// ASENSITIVE is `false`; `None` when neither is written.
    pub insensitive: Option<bool>,
    pub hold: bool,
    pub query: Query,
    /// The bytes of the query in the text.
    pub query_span: (Pos, Pos),
    pub pos: Pos,
}

/// FETCH and MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub cursor: String,
    pub direction: FetchDirection,
    /// MOVE.
    pub is_move: bool,
}

/// Counts are as written; ALL is [`FetchDirection::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchDirection {
    Forward(i64),
    Backward(i64),
    Absolute(i64),
    Relative(i64),
}

impl FetchDirection {
    /// The count that means all rows.
    pub const ALL: i64 = i64::MAX;
}

/// CLOSE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosePortal {
    /// `None`: ALL.
    pub name: Option<String>,
}

/// LISTEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub channel: String,
}

/// NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    pub channel: String,
    pub payload: Option<String>,
}

/// UNLISTEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisten {
    /// `None`: `*`.
    pub channel: Option<String>,
}

/// DISCARD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    All,
    Plans,
    Sequences,
    Temp,
}

/// LOAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    pub file: String,
}

/// CALL.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub function: FuncCall,
    pub pos: Pos,
}

/// DO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoBlock {
    pub body: String,
    pub language: Option<String>,
}

/// EXPLAIN.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// `EXPLAIN ANALYZE VERBOSE` arrives as options, too.
    pub options: Vec<DefElem>,
    pub statement: Statement,
    /// The bytes of the statement in the text.
    pub span: (Pos, Pos),
}

/// VACUUM and ANALYZE.
#[derive(Clone, Debug, PartialEq)]
pub struct Vacuum {
    /// `false`: ANALYZE.
    pub vacuum: bool,
    /// `VACUUM FULL FREEZE VERBOSE ANALYZE` arrives as options, too.
    pub options: Vec<DefElem>,
    /// Empty: all tables.
    pub relations: Vec<VacuumRelation>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VacuumRelation {
    pub relation: RangeVar,
    pub columns: Vec<Name>,
}

/// CLUSTER.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// `None`: all that were clustered before.
    pub relation: Option<RangeVar>,
    pub index: Option<String>,
    pub options: Vec<DefElem>,
}

/// REINDEX.
#[derive(Clone, Debug, PartialEq)]
pub struct Reindex {
    pub target: ReindexTarget,
    pub options: Vec<DefElem>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ReindexTarget {
    Index(RangeVar),
    Table(RangeVar),
    Schema(Name),
    System(Name),
    Database(Name),
}

/// CREATE ROLE, USER, GROUP.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRole {
    pub kind: RoleStatementKind,
    pub name: String,
    pub options: Vec<RoleOption>,
    pub pos: Pos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleStatementKind {
    Role,
    User,
    Group,
}

/// ALTER ROLE with options; also ALTER GROUP ADD/DROP USER.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterRole {
    pub role: RoleSpec,
    pub options: Vec<RoleOption>,
    /// ALTER GROUP ... DROP USER: the members leave.
    pub drop_members: bool,
}

/// An option of CREATE or ALTER ROLE.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleOption {
    pub kind: RoleOptionKind,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RoleOptionKind {
    /// `None`: PASSWORD NULL.
    Password(Option<String>),
    Superuser(bool),
    Inherit(bool),
    CreateRole(bool),
    CreateDb(bool),
    Login(bool),
    Replication(bool),
    BypassRls(bool),
    ConnectionLimit(i32),
    ValidUntil(String),
    /// USER, ROLE: these become members.
    Members(Vec<RoleSpec>),
    /// ADMIN.
    Admins(Vec<RoleSpec>),
    /// IN ROLE, IN GROUP.
    MemberOf(Vec<RoleSpec>),
    /// SYSID, which has no effect.
    SysId(i32),
}

/// ALTER ROLE ... SET.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterRoleSet {
    /// `None`: ALL.
    pub role: Option<RoleSpec>,
    /// IN DATABASE.
    pub database: Option<String>,
    pub setting: SetStatement,
}

/// DROP ROLE, USER, GROUP.
#[derive(Clone, Debug, PartialEq)]
pub struct DropRole {
    pub roles: Vec<RoleSpec>,
    pub if_exists: bool,
}

/// GRANT and REVOKE of privileges.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub grant: bool,
    /// Empty: ALL.
    pub privileges: Vec<AccessPrivilege>,
    pub target: GrantTarget,
    pub grantees: Vec<RoleSpec>,
    /// WITH GRANT OPTION, GRANT OPTION FOR.
    pub grant_option: bool,
    pub granted_by: Option<RoleSpec>,
    pub behavior: DropBehavior,
}

/// A privilege with its columns, or the name of a role.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessPrivilege {
    /// `None`: ALL (columns).
    pub name: Option<String>,
    pub columns: Vec<Name>,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum GrantTarget {
    /// `kind` is Table also for views; Sequence, Database, Schema, Function, Type, ....
    Objects { kind: ObjectKind, objects: Vec<ObjectRef> },
    /// Tables and sequences.
    Relations { kind: ObjectKind, relations: Vec<RangeVar> },
    /// ALL TABLES IN SCHEMA.
    AllInSchema { kind: ObjectKind, schemas: Vec<Name> },
    /// ALTER DEFAULT PRIVILEGES: TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS.
    Defaults(ObjectKind),
}

/// GRANT role TO role.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantRole {
    pub grant: bool,
    pub roles: Vec<AccessPrivilege>,
    pub grantees: Vec<RoleSpec>,
    pub admin_option: bool,
    pub granted_by: Option<RoleSpec>,
    pub behavior: DropBehavior,
}

/// ALTER DEFAULT PRIVILEGES.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterDefaultPrivileges {
    pub roles: Vec<RoleSpec>,
    pub schemas: Vec<Name>,
    pub action: Grant,
}

/// REASSIGN OWNED.
#[derive(Clone, Debug, PartialEq)]
pub struct ReassignOwned {
    pub roles: Vec<RoleSpec>,
    pub new_role: RoleSpec,
}

/// DROP OWNED.
#[derive(Clone, Debug, PartialEq)]
pub struct DropOwned {
    pub roles: Vec<RoleSpec>,
    pub behavior: DropBehavior,
}

/// CREATE DATABASE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateDatabase {
    pub name: String,
    pub options: Vec<DefElem>,
}

/// ALTER DATABASE with options, SET TABLESPACE, REFRESH COLLATION VERSION.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterDatabase {
    pub name: String,
    pub options: Vec<DefElem>,
    pub refresh_collation: bool,
}

/// ALTER DATABASE ... SET.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterDatabaseSet {
    pub name: String,
    pub setting: SetStatement,
}

/// DROP DATABASE.
#[derive(Clone, Debug, PartialEq)]
pub struct DropDatabase {
    pub name: String,
    pub if_exists: bool,
    /// FORCE.
    pub options: Vec<DefElem>,
}

/// CREATE TABLESPACE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTablespace {
    pub name: String,
    pub owner: Option<RoleSpec>,
    pub location: String,
    pub options: Vec<DefElem>,
}

/// DROP TABLESPACE.
#[derive(Clone, Debug, PartialEq)]
pub struct DropTablespace {
    pub name: String,
    pub if_exists: bool,
}

/// See [`Statement::Unsupported`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedStatement {
    /// `CREATE FOREIGN TABLE`.
    pub what: String,
    pub pos: Pos,
}
