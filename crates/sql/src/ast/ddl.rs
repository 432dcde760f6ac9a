//! Definition of tables, indexes, views, types, functions and the other objects of a schema.

use super::{
    ColumnDefItem, DefArg, DefElem, DropBehavior, Expr, IntoClause, Name, NullsOrder, OnCommit, OpName, Pos,
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

/// CREATE FUNCTION, CREATE PROCEDURE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    pub procedure: bool,
    pub or_replace: bool,
    pub name: QualifiedName,
    /// RETURNS TABLE's columns are parameters of mode `Table`.
    pub parameters: Vec<FunctionParameter>,
    pub returns: Option<TypeName>,
    pub options: Vec<FunctionOption>,
    pub body: Option<SqlBody>,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionParameter {
    pub name: Option<String>,
    pub mode: ParameterMode,
    pub type_name: TypeName,
    pub default: Option<Expr>,
    pub pos: Pos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterMode {
    /// No mode written: IN.
    Default,
    In,
    Out,
    InOut,
    Variadic,
    Table,
}

/// An option of CREATE or ALTER FUNCTION.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionOption {
    pub kind: FunctionOptionKind,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FunctionOptionKind {
    /// AS 'definition' or AS 'object', 'symbol'.
    As(Vec<String>),
    Language(String),
    Transform(Vec<TypeName>),
    Window,
    /// CALLED ON NULL INPUT is `false`.
    Strict(bool),
    Volatility(Volatility),
    SecurityDefiner(bool),
    Leakproof(bool),
    Cost(String),
    Rows(String),
    Support(QualifiedName),
    Set(Box<super::SetStatement>),
    /// SAFE, RESTRICTED, UNSAFE or what the binder refuses.
    Parallel(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// A body in SQL's own syntax.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlBody {
    /// RETURN expr.
    Return(Expr),
    /// BEGIN ATOMIC ... END.
    Atomic(Vec<Statement>),
}

/// ALTER FUNCTION, PROCEDURE, ROUTINE with options.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterFunction {
    pub kind: ObjectKind,
    pub function: FunctionWithArgs,
    pub options: Vec<FunctionOption>,
}

/// A function named for ALTER, DROP, COMMENT, GRANT.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionWithArgs {
    pub name: QualifiedName,
    /// `None`: no parentheses were written. For aggregates written `(*)`: empty.
    pub args: Option<Vec<FunctionParameter>>,
}

impl FunctionWithArgs {
    /// The types of the input parameters, by which the function is looked up.
    pub fn input_types(&self) -> Option<Vec<&TypeName>> {
        let args = self.args.as_ref()?;
        let input = |m| !matches!(m, ParameterMode::Out | ParameterMode::Table);
        Some(args.iter().filter(|a| input(a.mode)).map(|a| &a.type_name).collect())
    }
}

/// CREATE TRIGGER.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTrigger {
    pub or_replace: bool,
    /// CONSTRAINT TRIGGER.
    pub constraint: bool,
    pub name: String,
    pub relation: RangeVar,
    pub function: QualifiedName,
    pub args: Vec<String>,
    pub row: bool,
    pub timing: TriggerTiming,
    pub events: TriggerEvents,
    /// UPDATE OF columns.
    pub columns: Vec<Name>,
    pub when: Option<Expr>,
    pub transitions: Vec<TriggerTransition>,
    pub deferrable: bool,
    pub initially_deferred: bool,
    /// FROM relation, for constraint triggers.
    pub constraint_relation: Option<RangeVar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerTiming {
    Before,
    After,
    InsteadOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TriggerEvents {
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
}

/// REFERENCING NEW TABLE AS name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerTransition {
    pub name: String,
    pub new: bool,
    pub table: bool,
}

/// CREATE POLICY.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePolicy {
    pub name: String,
    pub relation: RangeVar,
    pub permissive: bool,
    /// `all`, `select`, `insert`, `update`, `delete`.
    pub command: String,
    pub roles: Vec<RoleSpec>,
    pub using: Option<Expr>,
    pub with_check: Option<Expr>,
}

/// ALTER POLICY.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterPolicy {
    pub name: String,
    pub relation: RangeVar,
    pub roles: Vec<RoleSpec>,
    pub using: Option<Expr>,
    pub with_check: Option<Expr>,
}

/// CREATE RULE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRule {
    pub or_replace: bool,
    pub name: String,
    pub relation: RangeVar,
    /// `select`, `insert`, `update`, `delete`.
    pub event: String,
    pub where_clause: Option<Expr>,
    pub instead: bool,
    pub actions: Vec<Statement>,
}

/// CREATE STATISTICS.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateStatistics {
    pub name: QualifiedName,
    pub if_not_exists: bool,
    pub kinds: Vec<String>,
    pub elements: Vec<IndexKey>,
    pub relations: Vec<super::TableRef>,
}

/// CREATE CAST.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateCast {
    pub source: TypeName,
    pub target: TypeName,
    /// `None` with `inout` false: WITHOUT FUNCTION.
    pub function: Option<FunctionWithArgs>,
    pub inout: bool,
    pub context: CastContext,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastContext {
    Implicit,
    Assignment,
    Explicit,
}

/// See [`Statement::Define`].
#[derive(Clone, Debug, PartialEq)]
pub struct Define {
    pub kind: ObjectKind,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: QualifiedName,
    /// An aggregate's parameters; `None` for the old style and other kinds.
    pub parameters: Option<Vec<FunctionParameter>>,
    pub options: Vec<DefElem>,
    /// CREATE COLLATION ... FROM.
    pub from: Option<QualifiedName>,
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
    Table {
        relation: RangeVar,
        columns: Vec<Name>,
        where_clause: Option<Expr>,
    },
    /// `None`: CURRENT_SCHEMA.
    Schema(Option<String>),
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

/// ALTER TABLE and its relatives.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterTable {
    pub relation: RangeVar,
    /// Table, Index, Sequence, View, MatView, ForeignTable or Type.
    pub kind: ObjectKind,
    pub if_exists: bool,
    pub actions: Vec<AlterTableAction>,
}

/// One action of ALTER TABLE.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterTableAction {
    AddColumn {
        column: ColumnDef,
        if_not_exists: bool,
        behavior: DropBehavior,
    },
    ColumnDefault {
        column: Name,
        default: Option<Expr>,
    },
    DropNotNull(Name),
    SetNotNull(Name),
    DropExpression {
        column: Name,
        if_exists: bool,
    },
    /// By name, or by number for an index's expression.
    SetStatistics {
        column: Option<Name>,
        number: Option<i32>,
        value: i32,
    },
    SetColumnOptions {
        column: Name,
        options: Vec<DefElem>,
    },
    ResetColumnOptions {
        column: Name,
        options: Vec<DefElem>,
    },
    SetStorage {
        column: Name,
        storage: String,
    },
    SetCompression {
        column: Name,
        method: String,
    },
    AddIdentity {
        column: Name,
        always: bool,
        options: Vec<SequenceOption>,
    },
    SetIdentity {
        column: Name,
        options: Vec<IdentityOption>,
    },
    DropIdentity {
        column: Name,
        if_exists: bool,
    },
    DropColumn {
        column: Name,
        if_exists: bool,
        behavior: DropBehavior,
    },
    AlterColumnType {
        column: Name,
        type_name: TypeName,
        collation: Option<QualifiedName>,
        using: Option<Expr>,
        behavior: DropBehavior,
    },
    AlterColumnFdwOptions {
        column: Name,
        options: Vec<DefElem>,
    },
    AddConstraint(Constraint),
    AlterConstraint {
        name: String,
        deferrable: bool,
        initially_deferred: bool,
    },
    ValidateConstraint(String),
    DropConstraint {
        name: String,
        if_exists: bool,
        behavior: DropBehavior,
    },
    ClusterOn(String),
    SetWithoutCluster,
    SetWithoutOids,
    SetLogged,
    SetUnlogged,
    Trigger {
        which: TriggerSelection,
        enable: EnableMode,
    },
    Rule {
        name: String,
        enable: EnableMode,
    },
    Inherit(RangeVar),
    NoInherit(RangeVar),
    OfType(TypeName),
    NotOf,
    OwnerTo(RoleSpec),
    SetAccessMethod(String),
    SetTablespace(String),
    SetOptions(Vec<DefElem>),
    ResetOptions(Vec<DefElem>),
    ReplicaIdentity(ReplicaIdentity),
    RowSecurity(bool),
    ForceRowSecurity(bool),
    FdwOptions(Vec<DefElem>),
    AttachPartition {
        partition: RangeVar,
        bound: PartitionBound,
    },
    /// ALTER INDEX ... ATTACH PARTITION.
    AttachIndex(RangeVar),
    DetachPartition {
        partition: RangeVar,
        concurrently: bool,
    },
    FinalizeDetach(RangeVar),
    /// ALTER TYPE ... ADD ATTRIBUTE.
    AddAttribute {
        column: ColumnDefItem,
        behavior: DropBehavior,
    },
    DropAttribute {
        name: Name,
        if_exists: bool,
        behavior: DropBehavior,
    },
    AlterAttributeType {
        name: Name,
        type_name: TypeName,
        collation: Option<QualifiedName>,
        behavior: DropBehavior,
    },
}

/// ALTER COLUMN ... SET GENERATED / RESTART / SET option.
#[derive(Clone, Debug, PartialEq)]
pub enum IdentityOption {
    /// SET GENERATED {ALWAYS (true) | BY DEFAULT}.
    Generated(bool, Pos),
    Sequence(SequenceOption),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerSelection {
    Name(String),
    All,
    User,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnableMode {
    Enable,
    Always,
    Replica,
    Disable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    Nothing,
    Full,
    Default,
    Index(String),
}

/// The kinds of objects, for DROP, COMMENT, RENAME, OWNER, SET SCHEMA, GRANT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    AccessMethod,
    Aggregate,
    Attribute,
    Cast,
    Collation,
    Column,
    Conversion,
    Database,
    DefaultAcl,
    Domain,
    DomainConstraint,
    EventTrigger,
    Extension,
    ForeignDataWrapper,
    ForeignServer,
    ForeignTable,
    Function,
    Index,
    Language,
    LargeObject,
    MatView,
    OpClass,
    Operator,
    OpFamily,
    Parameter,
    Policy,
    Procedure,
    Publication,
    Role,
    Routine,
    Rule,
    Schema,
    Sequence,
    Statistics,
    Subscription,
    Table,
    TableConstraint,
    Tablespace,
    Transform,
    Trigger,
    TsConfiguration,
    TsDictionary,
    TsParser,
    TsTemplate,
    Type,
    UserMapping,
    View,
}

impl ObjectKind {
    /// As SQL writes it, upper case: `MATERIALIZED VIEW`.
    pub fn sql(self) -> &'static str {
        use ObjectKind::*;
        match self {
            AccessMethod => "ACCESS METHOD",
            Aggregate => "AGGREGATE",
            Attribute => "ATTRIBUTE",
            Cast => "CAST",
            Collation => "COLLATION",
            Column => "COLUMN",
            Conversion => "CONVERSION",
            Database => "DATABASE",
            DefaultAcl => "DEFAULT PRIVILEGES",
            Domain => "DOMAIN",
            DomainConstraint | TableConstraint => "CONSTRAINT",
            EventTrigger => "EVENT TRIGGER",
            Extension => "EXTENSION",
            ForeignDataWrapper => "FOREIGN DATA WRAPPER",
            ForeignServer => "SERVER",
            ForeignTable => "FOREIGN TABLE",
            Function => "FUNCTION",
            Index => "INDEX",
            Language => "LANGUAGE",
            LargeObject => "LARGE OBJECT",
            MatView => "MATERIALIZED VIEW",
            OpClass => "OPERATOR CLASS",
            Operator => "OPERATOR",
            OpFamily => "OPERATOR FAMILY",
            Parameter => "PARAMETER",
            Policy => "POLICY",
            Procedure => "PROCEDURE",
            Publication => "PUBLICATION",
            Role => "ROLE",
            Routine => "ROUTINE",
            Rule => "RULE",
            Schema => "SCHEMA",
            Sequence => "SEQUENCE",
            Statistics => "STATISTICS",
            Subscription => "SUBSCRIPTION",
            Table => "TABLE",
            Tablespace => "TABLESPACE",
            Transform => "TRANSFORM",
            Trigger => "TRIGGER",
            TsConfiguration => "TEXT SEARCH CONFIGURATION",
            TsDictionary => "TEXT SEARCH DICTIONARY",
            TsParser => "TEXT SEARCH PARSER",
            TsTemplate => "TEXT SEARCH TEMPLATE",
            Type => "TYPE",
            UserMapping => "USER MAPPING",
            View => "VIEW",
        }
    }
}

/// An object named in DROP, COMMENT, RENAME, OWNER, SET SCHEMA; the form depends on the kind.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectRef {
    /// Relations, schemas, extensions, ...; a column is the relation's parts and its own.
    Name(QualifiedName),
    /// Functions, procedures, routines, aggregates.
    Function(FunctionWithArgs),
    /// Types and domains.
    Type(TypeName),
    /// `None` stands for NONE.
    Operator {
        name: OpName,
        left: Option<TypeName>,
        right: Option<TypeName>,
        pos: Pos,
    },
    /// Triggers, rules, policies, constraints.
    OnRelation {
        name: Name,
        relation: QualifiedName,
    },
    /// A domain's constraint.
    OnDomain {
        name: Name,
        domain: TypeName,
    },
    /// Operator classes and families.
    Using {
        name: QualifiedName,
        access_method: String,
    },
    Cast {
        source: TypeName,
        target: TypeName,
    },
    Transform {
        type_name: TypeName,
        language: String,
    },
    LargeObject(DefArg),
    Role(RoleSpec),
}

/// DROP of anything but roles, databases, tablespaces, subscriptions.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    pub kind: ObjectKind,
    pub objects: Vec<ObjectRef>,
    pub if_exists: bool,
    pub behavior: DropBehavior,
    pub concurrently: bool,
}

/// ALTER ... RENAME.
#[derive(Clone, Debug, PartialEq)]
pub struct Rename {
    /// What is renamed: a Column, an Attribute, a constraint, or the object itself.
    pub kind: ObjectKind,
    /// The relation, or the kind of it that a column or constraint belongs to.
    pub relation_kind: ObjectKind,
    pub object: ObjectRef,
    /// The column, attribute or constraint that is renamed.
    pub subname: Option<Name>,
    pub new_name: String,
    pub if_exists: bool,
    pub behavior: DropBehavior,
}

/// ALTER ... OWNER TO, for what is no relation.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterOwner {
    pub kind: ObjectKind,
    pub object: ObjectRef,
    pub owner: RoleSpec,
}

/// ALTER ... SET SCHEMA.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterObjectSchema {
    pub kind: ObjectKind,
    pub object: ObjectRef,
    pub new_schema: String,
    pub if_exists: bool,
}

/// COMMENT ON.
#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    pub kind: ObjectKind,
    pub object: ObjectRef,
    /// `None`: IS NULL.
    pub comment: Option<String>,
}
