//! Definition of tables, indexes, views, sequences, types, domains, extensions, schemas.

use super::{
    ColumnDefItem, DefElem, DropBehavior, Expr, IntoClause, Name, NullsOrder, OnCommit, OpName, Pos,
    QualifiedName, Query, RangeVar, RoleSpec, SortDirection, Statement, TypeName,
};

/// CREATE TABLE (and CREATE FOREIGN TABLE, which is refused earlier).
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    pub relation: RangeVar,
    pub if_not_exists: bool,
    pub elements: Vec<TableElement>,
    pub inherits: Vec<RangeVar>,
    pub partition_by: Option<PartitionSpec>,
    /// PARTITION OF parent.
    pub partition_of: Option<(RangeVar, PartitionBound)>,
    /// OF type.
    pub of_type: Option<TypeName>,
    pub access_method: Option<String>,
    pub with: Vec<DefElem>,
    pub on_commit: OnCommit,
    pub tablespace: Option<String>,
}

/// What stands between the parentheses of CREATE TABLE.
#[derive(Clone, Debug, PartialEq)]
pub enum TableElement {
    Column(ColumnDef),
    Constraint(Constraint),
    Like(TableLike),
}

/// LIKE relation INCLUDING ....
#[derive(Clone, Debug, PartialEq)]
pub struct TableLike {
    pub relation: RangeVar,
    pub comments: bool,
    pub compression: bool,
    pub constraints: bool,
    pub defaults: bool,
    pub identity: bool,
    pub generated: bool,
    pub indexes: bool,
    pub statistics: bool,
    pub storage: bool,
}

/// A column's definition.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    pub name: String,
    /// `None` where only options are given (`OF type`, `PARTITION OF`).
    pub type_name: Option<TypeName>,
    pub compression: Option<String>,
    pub collation: Option<QualifiedName>,
    pub constraints: Vec<Constraint>,
    /// OPTIONS (...), for foreign tables.
    pub fdw_options: Vec<DefElem>,
    pub pos: Pos,
}

/// A constraint of a column, a table or a domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    pub name: Option<String>,
    pub kind: ConstraintKind,
    pub deferrable: bool,
    pub initially_deferred: bool,
    /// NOT VALID.
    pub not_valid: bool,
    pub no_inherit: bool,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ConstraintKind {
    Null,
    NotNull,
    Default(Expr),
    /// GENERATED {ALWAYS | BY DEFAULT} AS IDENTITY.
    Identity {
        always: bool,
        options: Vec<SequenceOption>,
    },
    /// GENERATED ALWAYS AS (expr) STORED.
    Generated(Expr),
    Check(Expr),
    PrimaryKey(KeyConstraint),
    Unique(KeyConstraint),
    Exclusion(Box<ExclusionConstraint>),
    ForeignKey(Box<ForeignKey>),
}

/// PRIMARY KEY and UNIQUE.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct KeyConstraint {
    /// Empty for a column's constraint and with USING INDEX.
    pub columns: Vec<Name>,
    pub include: Vec<Name>,
    pub nulls_not_distinct: bool,
    pub with: Vec<DefElem>,
    pub tablespace: Option<String>,
    /// USING INDEX name.
    pub using_index: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ExclusionConstraint {
    /// `None`: gist.
    pub access_method: Option<String>,
    pub elements: Vec<(IndexElem, OpName)>,
    pub include: Vec<Name>,
    pub with: Vec<DefElem>,
    pub tablespace: Option<String>,
    pub where_clause: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ForeignKey {
    /// Empty for a column's constraint.
    pub columns: Vec<Name>,
    pub references: RangeVar,
    /// Empty: the primary key.
    pub referenced_columns: Vec<Name>,
    pub match_type: FkMatch,
    pub on_update: FkAction,
    pub on_delete: FkAction,
    /// ON DELETE SET NULL (columns).
    pub on_delete_columns: Vec<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FkMatch {
    #[default]
    Simple,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FkAction {
    #[default]
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// PARTITION BY.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionSpec {
    /// As written: `list`, `range`, `hash`, or what the binder refuses.
    pub strategy: String,
    pub elements: Vec<PartitionElem>,
    pub pos: Pos,
}

/// A column or an expression of a partition key.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionElem {
    pub key: IndexKey,
    pub collation: Option<QualifiedName>,
    pub opclass: Option<QualifiedName>,
    pub pos: Pos,
}

/// FOR VALUES.
#[derive(Clone, Debug, PartialEq)]
pub enum PartitionBound {
    Default(Pos),
    In {
        values: Vec<Expr>,
        pos: Pos,
    },
    /// MINVALUE and MAXVALUE are column references of these names.
    Range {
        from: Vec<Expr>,
        to: Vec<Expr>,
        pos: Pos,
    },
    Hash {
        modulus: i32,
        remainder: i32,
        pos: Pos,
    },
}

/// CREATE TABLE AS, CREATE MATERIALIZED VIEW.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTableAs {
    pub into: IntoClause,
    /// Select or Execute.
    pub query: Statement,
    pub if_not_exists: bool,
    pub materialized_view: bool,
}

/// CREATE VIEW.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    pub relation: RangeVar,
    pub or_replace: bool,
    /// RECURSIVE: the query is already wrapped in its WITH.
    pub recursive: bool,
    pub columns: Vec<Name>,
    pub with: Vec<DefElem>,
    pub query: Query,
    pub check_option: CheckOption,
    /// The bytes of the query in the text.
    pub query_span: (Pos, Pos),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CheckOption {
    #[default]
    None,
    Local,
    Cascaded,
}

/// REFRESH MATERIALIZED VIEW.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshMatView {
    pub relation: RangeVar,
    pub concurrently: bool,
    pub no_data: bool,
}

/// CREATE INDEX.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateIndex {
    pub name: Option<String>,
    pub relation: RangeVar,
    pub unique: bool,
    pub concurrently: bool,
    pub if_not_exists: bool,
    /// `None`: btree.
    pub access_method: Option<String>,
    pub elements: Vec<IndexElem>,
    pub include: Vec<IndexElem>,
    pub nulls_not_distinct: bool,
    pub with: Vec<DefElem>,
    pub tablespace: Option<String>,
    pub where_clause: Option<Expr>,
}

/// A column or an expression of an index, or of ON CONFLICT.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexElem {
    pub key: IndexKey,
    pub collation: Option<QualifiedName>,
    pub opclass: Option<QualifiedName>,
    pub opclass_options: Vec<DefElem>,
    pub direction: SortDirection,
    pub nulls: Option<NullsOrder>,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum IndexKey {
    Column(String),
    Expr(Expr),
}

/// CREATE SCHEMA.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSchema {
    /// `None`: the role's name.
    pub name: Option<String>,
    pub authorization: Option<RoleSpec>,
    pub if_not_exists: bool,
    pub elements: Vec<Statement>,
    pub pos: Pos,
}

/// CREATE SEQUENCE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSequence {
    pub sequence: RangeVar,
    pub if_not_exists: bool,
    pub options: Vec<SequenceOption>,
}

/// ALTER SEQUENCE with options.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterSequence {
    pub sequence: RangeVar,
    pub if_exists: bool,
    pub options: Vec<SequenceOption>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SequenceOption {
    pub kind: SequenceOptionKind,
    pub pos: Pos,
}

/// Numbers are text with their sign: the binder checks their range.
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceOptionKind {
    As(TypeName),
    Cache(String),
    Cycle(bool),
    /// LOGGED or UNLOGGED.
    Logged(bool),
    Increment(String),
    /// `None`: NO MAXVALUE.
    MaxValue(Option<String>),
    /// `None`: NO MINVALUE.
    MinValue(Option<String>),
    /// `none` for OWNED BY NONE.
    OwnedBy(QualifiedName),
    SequenceName(QualifiedName),
    Start(String),
    /// `None`: RESTART without a value.
    Restart(Option<String>),
}

/// CREATE TYPE ... AS ENUM.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateEnum {
    pub name: QualifiedName,
    pub labels: Vec<String>,
}

/// CREATE TYPE ... AS (...).
#[derive(Clone, Debug, PartialEq)]
pub struct CreateCompositeType {
    pub name: RangeVar,
    pub columns: Vec<ColumnDefItem>,
}

/// CREATE TYPE ... AS RANGE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRange {
    pub name: QualifiedName,
    pub options: Vec<DefElem>,
}

/// ALTER TYPE ... ADD VALUE / RENAME VALUE.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterEnum {
    pub name: QualifiedName,
    pub action: AlterEnumAction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterEnumAction {
    /// `place` is (neighbour, after).
    AddValue {
        value: String,
        if_not_exists: bool,
        place: Option<(String, bool)>,
    },
    RenameValue {
        from: String,
        to: String,
    },
}

/// CREATE DOMAIN.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateDomain {
    pub name: QualifiedName,
    pub type_name: TypeName,
    pub collation: Option<QualifiedName>,
    pub constraints: Vec<Constraint>,
}

/// ALTER DOMAIN.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterDomain {
    pub name: QualifiedName,
    pub action: AlterDomainAction,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AlterDomainAction {
    SetDefault(Expr),
    DropDefault,
    SetNotNull,
    DropNotNull,
    AddConstraint(Constraint),
    DropConstraint { name: String, if_exists: bool, behavior: DropBehavior },
    ValidateConstraint(String),
}

/// CREATE EXTENSION.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateExtension {
    pub name: String,
    pub if_not_exists: bool,
    pub schema: Option<String>,
    pub version: Option<String>,
    pub cascade: bool,
}

/// CREATE PUBLICATION.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePublication {
    pub name: String,
    pub all_tables: bool,
    pub objects: Vec<PublicationObject>,
    pub options: Vec<DefElem>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PublicationObject {
    Table(Box<PublicationTable>),
    /// `None`: CURRENT_SCHEMA.
    Schema(Option<String>),
}

/// A table of a publication.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicationTable {
    pub relation: RangeVar,
    pub columns: Vec<Name>,
    pub where_clause: Option<Expr>,
}

/// ALTER PUBLICATION.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterPublication {
    pub name: String,
    pub action: PublicationAction,
    pub objects: Vec<PublicationObject>,
    pub options: Vec<DefElem>,
}

/// What ALTER PUBLICATION does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationAction {
    SetOptions,
    Add,
    Set,
    Drop,
}

/// CREATE SUBSCRIPTION.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSubscription {
    pub name: String,
    pub connection: String,
    pub publications: Vec<String>,
    pub options: Vec<DefElem>,
}

/// ALTER SUBSCRIPTION; `action` is `options`, `connection`, `refresh`, `set publication`,
/// `add publication`, `drop publication`, `enable`, `disable` or `skip`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterSubscription {
    pub name: String,
    pub action: &'static str,
    pub connection: Option<String>,
    pub publications: Vec<String>,
    pub options: Vec<DefElem>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DropSubscription {
    pub name: String,
    pub if_exists: bool,
    pub behavior: DropBehavior,
}
