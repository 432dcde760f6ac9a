//! Names, type names and the small nodes every other module uses.

use super::{Expr, Pos};

/// An identifier with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub value: String,
    pub pos: Pos,
}

/// A name of one or more parts, the object's own name last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualifiedName {
    /// Never empty.
    pub parts: Vec<String>,
    pub pos: Pos,
}

impl QualifiedName {
    /// The object's own name: the last part.
    pub fn name(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }
    /// The part before the name, if any.
    pub fn schema(&self) -> Option<&str> {
        self.parts.len().checked_sub(2).map(|i| self.parts[i].as_str())
    }
    /// The parts joined by dots, unquoted: as messages name an object.
    pub fn display(&self) -> String {
        self.parts.join(".")
    }
}

/// A type as written. The grammar's own names are resolved as PostgreSQL does: `integer` is
/// `pg_catalog.int4`, `character varying` is `pg_catalog.varchar`, `char` is `pg_catalog.bpchar` with length 1.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    /// Optional schema, name; for `%TYPE` the relation's name and the column's.
    pub names: Vec<String>,
    /// `RETURNS SETOF t`.
    pub setof: bool,
    /// `rel.col%TYPE`.
    pub pct_type: bool,
    /// What stands in the parentheses; for intervals the precision only.
    pub typmods: Vec<Expr>,
    /// `INTERVAL DAY TO SECOND`.
    pub interval_fields: Option<IntervalFields>,
    /// One entry per dimension; -1 where no bound is written.
    pub array_bounds: Vec<i32>,
    pub pos: Pos,
}

/// The fields of an INTERVAL type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalFields {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    YearToMonth,
    DayToHour,
    DayToMinute,
    DayToSecond,
    HourToMinute,
    HourToSecond,
    MinuteToSecond,
}

/// How long a relation lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Persistence {
    #[default]
    Permanent,
    Unlogged,
    Temporary,
}

/// A relation's name in a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeVar {
    pub catalog: Option<String>,
    pub schema: Option<String>,
    pub name: String,
    /// `ONLY rel`: without its children.
    pub only: bool,
    pub persistence: Persistence,
    pub alias: Option<Alias>,
    pub pos: Pos,
}

impl RangeVar {
    /// The name with its qualification, unquoted: as messages name a relation.
    pub fn display(&self) -> String {
        match (&self.catalog, &self.schema) {
            (Some(c), Some(s)) => format!("{c}.{s}.{}", self.name),
            (None, Some(s)) => format!("{s}.{}", self.name),
            _ => self.name.clone(),
        }
    }
}

/// `AS name (columns)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    pub name: String,
    pub columns: Vec<String>,
}

/// A role's name where CURRENT_USER and the like may stand too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSpec {
    pub kind: RoleSpecKind,
    pub pos: Pos,
}

/// See [`RoleSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleSpecKind {
    Name(String),
    CurrentRole,
    CurrentUser,
    SessionUser,
    Public,
}

/// CASCADE or RESTRICT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DropBehavior {
    #[default]
    Restrict,
    Cascade,
}

/// One `name = value` of an option list.
#[derive(Clone, Debug, PartialEq)]
pub struct DefElem {
    /// `toast` in `toast.autovacuum_enabled`.
    pub namespace: Option<String>,
    pub name: String,
    pub arg: Option<DefArg>,
    pub action: DefAction,
    pub pos: Pos,
}

/// What an OPTIONS list does with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DefAction {
    #[default]
    Unspecified,
    Set,
    Add,
    Drop,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum DefArg {
    /// A quoted string or a bare word.
    String(String),
    Integer(i32),
    /// A number that is no int4, as text with its sign.
    Float(String),
    Boolean(bool),
    /// A name of several parts or with type decoration.
    Type(Box<TypeName>),
    /// `OPERATOR(s.+)` or a bare operator.
    Operator(OpName),
    Names(Vec<String>),
    Star,
    /// A list whose entries are values themselves.
    List(Vec<DefArg>),
    Expr(Box<Expr>),
}

impl DefArg {
    /// The value as text, as PostgreSQL's defGetString gives it.
    pub fn as_string(&self) -> String {
        match self {
            DefArg::String(s) | DefArg::Float(s) => s.clone(),
            DefArg::Integer(i) => i.to_string(),
            DefArg::Boolean(b) => b.to_string(),
            DefArg::Type(t) => t.names.join("."),
            DefArg::Operator(o) => o.display(),
            DefArg::Names(n) => n.join("."),
            DefArg::Star => "*".into(),
            DefArg::List(l) => l.iter().map(DefArg::as_string).collect::<Vec<_>>().join(", "),
            DefArg::Expr(_) => String::new(),
        }
    }
    /// The value as a truth value, as PostgreSQL's defGetBoolean reads it.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            DefArg::Boolean(b) => Some(*b),
            DefArg::Integer(0) => Some(false),
            DefArg::Integer(1) => Some(true),
            DefArg::Integer(_) => None,
            other => match other.as_string().to_ascii_lowercase().as_str() {
                "true" | "on" => Some(true),
                "false" | "off" => Some(false),
                _ => None,
            },
        }
    }
}

/// An operator's name, perhaps as `OPERATOR(schema.name)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpName {
    /// Empty for an operator written bare.
    pub schema: Vec<String>,
    pub name: String,
}

impl OpName {
    /// An operator without qualification.
    pub fn bare(name: impl Into<String>) -> OpName {
        OpName { schema: Vec::new(), name: name.into() }
    }
    /// The name with its qualification.
    pub fn display(&self) -> String {
        if self.schema.is_empty() {
            self.name.clone()
        } else {
            format!("{}.{}", self.schema.join("."), self.name)
        }
    }
}
