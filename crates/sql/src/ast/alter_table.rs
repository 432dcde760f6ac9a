//! ALTER TABLE and its relatives.

use super::{
    ColumnDef, ColumnDefItem, Constraint, DefElem, DropBehavior, Expr, Name, ObjectKind, PartitionBound, Pos,
    QualifiedName, RangeVar, RoleSpec, SequenceOption, TypeName,
};

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
