//! Typed definitions of catalog objects, as binder, planner and executor use them. Built from catalog rows, never changed
//! after: a change of the schema makes new ones.

use crate::acl::AclItem;
use quarry_common::{Oid, Xid};
use quarry_storage::ids::RelId;
use quarry_storage::row::RowLayout;
use quarry_types::multivariate::{Coefficient, CommonItem};
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

/// `pg_class.relkind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelKind {
    Table,
    Index,
    Sequence,
    View,
    MaterializedView,
    CompositeType,
    Toast,
}

/// `pg_class.relpersistence`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Persistence {
    Permanent,
    Unlogged,
    Temporary,
}

/// A relation: table, view, sequence, composite type (indexes are [`IndexDef`]s of their table).
#[derive(Clone, Debug)]
pub struct Relation {
    pub oid: Oid,
    pub name: String,
    pub schema: Oid,
    pub schema_name: String,
    pub kind: RelKind,
    pub persistence: Persistence,
    pub owner: Oid,
    /// The row type's OID (`pg_class.reltype`).
    pub row_type: Oid,
    /// Storage of tables, sequences and materialized views.
    pub storage: Option<RelId>,
    pub toast: Option<RelId>,
    /// All columns by attribute number - 1, dropped ones too (their numbers are never reused).
    pub columns: Vec<ColumnDef>,
    /// Layout of stored rows: one width per entry of `columns`.
    pub layout: Arc<RowLayout>,
    pub indexes: Vec<Arc<IndexDef>>,
    pub constraints: Vec<Arc<ConstraintDef>>,
    /// Foreign keys of other tables that reference this one.
    pub referenced_by: Vec<Arc<ConstraintDef>>,
    /// A view's query as SQL text: of a user's view in the form that `quarry_sql::bind` describes in its module `view`.
    pub view_sql: Option<String>,
    /// `reloptions`: (name, value).
    pub options: Vec<(String, String)>,
    /// Access control list; none: the default.
    pub acl: Option<Vec<AclItem>>,
    pub row_security: bool,
    /// Planner's numbers of the last VACUUM or ANALYZE (-1 rows: never).
    pub pages: u32,
    pub tuples: f32,
    pub all_visible_pages: u32,
    /// Whether this is a system catalog (its rows are read with the catalog snapshot and written by catalog code only).
    pub is_catalog: bool,
}

impl Relation {
    /// The live column called `name` and its index in `columns`.
    pub fn column_named(&self, name: &str) -> Option<(usize, &ColumnDef)> {
        self.columns.iter().enumerate().find(|(_, c)| !c.dropped && c.name == name)
    }
    /// The primary key's index.
    pub fn primary_key(&self) -> Option<&Arc<IndexDef>> {
        self.indexes.iter().find(|i| i.primary)
    }
}

/// `pg_attribute.attgenerated` / `attidentity`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity {
    Always,
    ByDefault,
}

/// A column of a relation.
#[derive(Clone, Debug)]
pub struct ColumnDef {
    /// `attnum`, from 1.
    pub number: i16,
    pub name: String,
    pub ty: SqlType,
    pub not_null: bool,
    pub dropped: bool,
    /// Default, or generation expression, as SQL text with qualified names.
    pub default_sql: Option<String>,
    /// GENERATED ALWAYS AS (default_sql) STORED.
    pub generated: bool,
    pub identity: Option<Identity>,
    /// Value of this column in rows stored before it was added.
    pub missing: Option<Datum>,
    /// `attcollation`.
    pub collation: Oid,
    /// Privileges on this column alone (`attacl`).
    pub acl: Option<Vec<AclItem>>,
}

/// One key of an index.
#[derive(Clone, Debug)]
pub struct IndexKey {
    /// Index in the table's `columns`; none: an expression.
    pub column: Option<usize>,
    /// Expression as SQL text.
    pub expr_sql: Option<String>,
    pub ty: SqlType,
    pub opclass: Oid,
    pub collation: Oid,
    pub descending: bool,
    pub nulls_first: bool,
}

/// An index.
#[derive(Clone, Debug)]
pub struct IndexDef {
    pub oid: Oid,
    pub name: String,
    pub table: Oid,
    pub storage: RelId,
    /// `pg_am.amname`: "btree", ...
    pub method: &'static str,
    pub keys: Vec<IndexKey>,
    /// Parameters of the keys' operator classes, by key; keys past its end have none.
    pub key_options: Vec<Vec<(String, String)>>,
    /// `reloptions`: (name, value).
    pub options: Vec<(String, String)>,
    /// INCLUDE columns: indexes in the table's `columns`.
    pub include: Vec<usize>,
    pub unique: bool,
    pub nulls_not_distinct: bool,
    pub primary: bool,
    /// Unique check at the end of statement or transaction rather than at once.
    pub deferrable: bool,
    /// Usable by queries / kept up to date by writers.
    pub valid: bool,
    pub ready: bool,
    /// Snapshots that don't show this transaction must not use it (`indcheckxmin`, and who set it).
    pub not_for_older: Option<Xid>,
    /// Predicate of a partial index, as SQL text.
    pub predicate_sql: Option<String>,
    /// The constraint it carries, if any.
    pub constraint: Option<Oid>,
    pub pages: u32,
    pub tuples: f32,
}

/// What happens to referencing rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReferentialAction {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// A constraint's particular part.
#[derive(Clone, Debug)]
pub enum ConstraintKind {
    /// Expression as SQL text.
    Check {
        expr_sql: String,
    },
    PrimaryKey {
        index: Oid,
    },
    Unique {
        index: Oid,
    },
    ForeignKey {
        /// Columns of the referencing table, then of the referenced one (indexes in `columns`).
        columns: Vec<usize>,
        ref_table: Oid,
        ref_columns: Vec<usize>,
        /// The unique index on the referenced columns.
        ref_index: Oid,
        on_update: ReferentialAction,
        on_delete: ReferentialAction,
        /// MATCH FULL rather than SIMPLE.
        match_full: bool,
        /// ON DELETE SET NULL (columns): indexes in `columns`; empty: all.
        set_columns: Vec<usize>,
    },
}

/// A table constraint.
#[derive(Clone, Debug)]
pub struct ConstraintDef {
    pub oid: Oid,
    pub name: String,
    pub table: Oid,
    pub kind: ConstraintKind,
    pub deferrable: bool,
    pub initially_deferred: bool,
    pub validated: bool,
    /// Columns involved (indexes in `columns`).
    pub columns: Vec<usize>,
}

/// A sequence's parameters (`pg_sequence`).
#[derive(Clone, Debug)]
pub struct SequenceDef {
    pub oid: Oid,
    pub storage: RelId,
    pub ty: SqlType,
    pub start: i64,
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cache: i64,
    pub cycle: bool,
}

/// A type made by a user, or a row type.
#[derive(Clone, Debug)]
pub struct TypeDef {
    pub oid: Oid,
    pub name: String,
    pub schema: Oid,
    pub schema_name: String,
    pub owner: Oid,
    pub array: Oid,
    pub kind: TypeKind,
}

/// What a type is.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// In the built-in registry.
    Base,
    /// Row type of this relation.
    Composite {
        relation: Oid,
    },
    /// Labels in order with their OIDs and sort positions.
    Enum {
        labels: Vec<(Oid, f32, String)>,
    },
    Domain {
        base: SqlType,
        not_null: bool,
        default_sql: Option<String>,
        checks: Vec<(String, String)>,
    },
    /// Array of `element`.
    Array {
        element: Oid,
    },
    Pseudo,
}

/// A role.
#[derive(Clone, Debug)]
pub struct RoleDef {
    pub oid: Oid,
    pub name: String,
    pub superuser: bool,
    pub inherit: bool,
    pub create_role: bool,
    pub create_db: bool,
    pub can_login: bool,
    pub replication: bool,
    pub bypass_rls: bool,
    pub connection_limit: i32,
    /// SCRAM verifier or md5 hash (`pg_authid.rolpassword`).
    pub password: Option<String>,
    pub valid_until: Option<i64>,
    /// Roles this one is a direct member of.
    pub member_of: Vec<Oid>,
}

/// A database.
#[derive(Clone, Debug)]
pub struct DatabaseDef {
    pub oid: Oid,
    pub name: String,
    pub owner: Oid,
    pub allow_connections: bool,
    pub is_template: bool,
    pub connection_limit: i32,
    pub acl: Option<Vec<AclItem>>,
}

/// A schema.
#[derive(Clone, Debug)]
pub struct SchemaDef {
    pub oid: Oid,
    pub name: String,
    pub owner: Oid,
    pub acl: Option<Vec<AclItem>>,
}

/// Statistics of a column (`pg_statistic`), typed.
#[derive(Clone, Debug, Default)]
pub struct ColumnStats {
    pub null_fraction: f32,
    /// Average width of non-null values, in bytes.
    pub width: i32,
    /// Distinct values: > 0 a number, < 0 minus the share of rows, 0 unknown.
    pub distinct: f32,
    /// Most common values and their frequencies, falling.
    pub mcv: Vec<(Datum, f32)>,
    /// Bounds of an equi-depth histogram of the values that are not in `mcv`.
    pub histogram: Vec<Datum>,
    /// Correlation of value order and physical order, -1..1; none: not computed.
    pub correlation: Option<f32>,
    /// Of arrays and tsvectors.
    pub elements: Option<ElementStats>,
    /// What the planner has computed of them.
    pub derived: Derived,
}

/// What is computed of statistics once and kept as long as they are; a copy computes its own.
#[derive(Default)]
pub struct Derived(std::sync::OnceLock<Box<dyn std::any::Any + Send + Sync>>);

impl Derived {
    /// The facts of a type, made empty when first asked for; none if another type's are kept.
    pub fn get<T: Default + Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get_or_init(|| Box::new(T::default())).downcast_ref()
    }
}

impl Clone for Derived {
    fn clone(&self) -> Derived {
        Derived::default()
    }
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Derived")
    }
}

/// The most common elements of an array column's values, or lexemes of a tsvector's.
#[derive(Clone, Debug, Default)]
pub struct ElementStats {
    /// The elements' type.
    pub ty: Oid,
    /// In order (lexemes: shorter ones first), with the share of the values that have them.
    pub common: Vec<(Datum, f32)>,
    /// The least and the greatest of these shares.
    pub least: f32,
    pub most: f32,
    /// Share of the values with a NULL element; arrays only.
    pub with_null: Option<f32>,
    /// Equi-depth histogram of the numbers of distinct elements, then their average; arrays only.
    pub counts: Vec<f32>,
}

/// A statistics object (`pg_statistic_ext`).
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsDef {
    pub oid: Oid,
    pub name: String,
    pub schema: Oid,
    pub owner: Oid,
    pub relation: Oid,
    /// -1: as the columns say.
    pub target: i32,
    /// Numbers of the columns, rising.
    pub columns: Vec<i16>,
    /// What it gathers: d distinct combinations, f functional dependencies, m most common combinations, e expressions.
    pub kinds: Vec<char>,
    /// Expressions over the table, as SQL text.
    pub expressions: Vec<String>,
}

/// A statistics object with what the last ANALYZE found.
#[derive(Clone, Debug)]
pub struct ExtendedStats {
    pub def: StatisticsDef,
    pub distinct: Vec<Coefficient>,
    pub dependencies: Vec<Coefficient>,
    /// Values in the order of the columns, then the expressions.
    pub common: Vec<CommonItem>,
    pub expressions: Vec<Option<Arc<ColumnStats>>>,
}
