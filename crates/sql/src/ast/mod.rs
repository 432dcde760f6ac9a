//! The abstract syntax of a statement as written: names unresolved, nothing typed.
//!
//! The tree follows PostgreSQL's raw parse tree in its names and shapes, so that errors raised while
//! binding can carry PostgreSQL's positions. Every `pos` is a byte offset from 0 into the text handed
//! to the parser ([`NO_POS`] where no text stands behind a node). Identifiers are already folded to
//! lower case and truncated to 63 bytes; nothing here refers back to the text.

mod alter_table;
mod ddl;
mod dml;
mod expr;
mod object;
mod query;
mod routine;
mod types;
mod utility;

pub use alter_table::*;
pub use ddl::*;
pub use dml::*;
pub use expr::*;
pub use object::*;
pub use query::*;
pub use routine::*;
pub use types::*;
pub use utility::*;

/// A byte offset from 0 into the statement's text.
pub type Pos = u32;

/// The position of a node that no text stands behind.
pub const NO_POS: Pos = u32::MAX;

/// A position as errors take it: `None` for [`NO_POS`].
pub fn error_position(pos: Pos) -> Option<usize> {
    (pos != NO_POS).then_some(pos as usize)
}

/// One SQL statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    // Queries and changes of data.
    /// SELECT, VALUES, TABLE, WITH ... SELECT; `SELECT INTO` has `Select::into` set.
    Select(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Merge(Box<Merge>),
    Copy(Box<Copy>),
    Truncate(Box<Truncate>),
    Call(Box<Call>),
    Do(Box<DoBlock>),

    // Definition of objects.
    CreateTable(Box<CreateTable>),
    /// CREATE TABLE AS and CREATE MATERIALIZED VIEW.
    CreateTableAs(Box<CreateTableAs>),
    CreateView(Box<CreateView>),
    CreateIndex(Box<CreateIndex>),
    CreateSchema(Box<CreateSchema>),
    CreateSequence(Box<CreateSequence>),
    AlterSequence(Box<AlterSequence>),
    /// CREATE TYPE ... AS ENUM.
    CreateEnum(Box<CreateEnum>),
    /// CREATE TYPE ... AS (...).
    CreateCompositeType(Box<CreateCompositeType>),
    /// CREATE TYPE ... AS RANGE.
    CreateRange(Box<CreateRange>),
    AlterEnum(Box<AlterEnum>),
    CreateDomain(Box<CreateDomain>),
    AlterDomain(Box<AlterDomain>),
    CreateExtension(Box<CreateExtension>),
    CreateFunction(Box<CreateFunction>),
    AlterFunction(Box<AlterFunction>),
    CreateTrigger(Box<CreateTrigger>),
    CreatePolicy(Box<CreatePolicy>),
    AlterPolicy(Box<AlterPolicy>),
    CreateRule(Box<CreateRule>),
    CreateStatistics(Box<CreateStatistics>),
    AlterStatistics(Box<AlterStatistics>),
    AlterTextSearch(Box<AlterTextSearch>),
    CreateCast(Box<CreateCast>),
    /// CREATE AGGREGATE, OPERATOR, base TYPE, COLLATION and TEXT SEARCH objects.
    Define(Box<Define>),
    /// ALTER TABLE, INDEX, SEQUENCE, VIEW, MATERIALIZED VIEW, FOREIGN TABLE, and ALTER TYPE on attributes.
    AlterTable(Box<AlterTable>),
    Drop(Box<Drop>),
    Rename(Box<Rename>),
    AlterOwner(Box<AlterOwner>),
    AlterObjectSchema(Box<AlterObjectSchema>),
    Comment(Box<Comment>),
    RefreshMatView(Box<RefreshMatView>),
    CreatePublication(Box<CreatePublication>),
    AlterPublication(Box<AlterPublication>),
    CreateSubscription(Box<CreateSubscription>),
    AlterSubscription(Box<AlterSubscription>),
    DropSubscription(Box<DropSubscription>),

    // Roles, privileges, databases.
    CreateRole(Box<CreateRole>),
    AlterRole(Box<AlterRole>),
    AlterRoleSet(Box<AlterRoleSet>),
    DropRole(Box<DropRole>),
    /// GRANT and REVOKE of privileges on objects.
    Grant(Box<Grant>),
    /// GRANT and REVOKE of membership in roles.
    GrantRole(Box<GrantRole>),
    AlterDefaultPrivileges(Box<AlterDefaultPrivileges>),
    ReassignOwned(Box<ReassignOwned>),
    DropOwned(Box<DropOwned>),
    CreateDatabase(Box<CreateDatabase>),
    AlterDatabase(Box<AlterDatabase>),
    AlterDatabaseSet(Box<AlterDatabaseSet>),
    DropDatabase(Box<DropDatabase>),
    CreateTablespace(Box<CreateTablespace>),
    DropTablespace(Box<DropTablespace>),
    AlterSystem(Box<SetStatement>),

    // Transactions and session.
    Transaction(Box<Transaction>),
    /// SET, RESET, SET TRANSACTION, SET SESSION CHARACTERISTICS.
    Set(Box<SetStatement>),
    Show(Box<Show>),
    SetConstraints(Box<SetConstraints>),
    Lock(Box<Lock>),
    Prepare(Box<Prepare>),
    Execute(Box<Execute>),
    Deallocate(Box<Deallocate>),
    DeclareCursor(Box<DeclareCursor>),
    /// FETCH and MOVE.
    Fetch(Box<Fetch>),
    ClosePortal(Box<ClosePortal>),
    Listen(Box<Listen>),
    Notify(Box<Notify>),
    Unlisten(Box<Unlisten>),
    Discard(Box<Discard>),
    Load(Box<Load>),

    // Maintenance.
    Explain(Box<Explain>),
    /// VACUUM and ANALYZE.
    Vacuum(Box<Vacuum>),
    Cluster(Box<Cluster>),
    Reindex(Box<Reindex>),
    Checkpoint,

    /// Valid in PostgreSQL, not in Quarry: `what` names the feature in the error's text.
    Unsupported(Box<UnsupportedStatement>),
}
