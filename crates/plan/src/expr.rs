//! Bound expressions: names resolved, every node typed, every call tied to its function.

use crate::{ColumnId, LogicalPlan, PhysicalPlan};
use quarry_common::Oid;
use quarry_functions::FunctionDef;
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

/// The function behind a call. User-defined functions join here as a variant of their own.
#[derive(Clone, Copy, Debug)]
pub enum FunctionRef {
    Builtin(&'static FunctionDef),
}

impl FunctionRef {
    pub fn def(&self) -> &'static FunctionDef {
        match self {
            FunctionRef::Builtin(def) => def,
        }
    }
}

impl PartialEq for FunctionRef {
    fn eq(&self, other: &FunctionRef) -> bool {
        self.def().oid == other.def().oid
    }
}

/// The arguments of a call in the order in which they were written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArgumentOrder {
    /// The places of those given, the first `count`.
    places: [u8; ArgumentOrder::MAX],
    count: u8,
    /// So many come without a name.
    positional: u8,
}

impl ArgumentOrder {
    const MAX: usize = 22;

    /// None if there are more arguments than it holds.
    pub fn new(places: &[usize], positional: usize) -> Option<ArgumentOrder> {
        let mut order = ArgumentOrder {
            places: [0; ArgumentOrder::MAX],
            count: u8::try_from(places.len()).ok()?,
            positional: u8::try_from(positional).ok()?,
        };
        for (slot, place) in order.places.get_mut(..places.len())?.iter_mut().zip(places) {
            *slot = u8::try_from(*place).ok()?;
        }
        Some(order)
    }
    /// The places, each with whether it was given by name.
    pub fn places(&self) -> impl Iterator<Item = (usize, bool)> {
        let given = self.places.iter().take(usize::from(self.count)).enumerate();
        let positional = usize::from(self.positional);
        given.map(move |(i, place)| (usize::from(*place), i >= positional))
    }
}

/// How a call was written, for deparsing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallForm {
    Function,
    /// With arguments by name: `f(a, x => b)`. Stored and shown only; plans take arguments by place.
    Named(ArgumentOrder),
    /// The operator's OID (its name and `function` are in the operator table).
    Operator(Oid),
    ImplicitCast,
    ExplicitCast,
    /// SQL's own syntax: EXTRACT(... FROM ...), AT TIME ZONE and the like.
    SqlSyntax,
}

/// `IS TRUE` and its relatives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BoolTest {
    True,
    NotTrue,
    False,
    NotFalse,
    Unknown,
    NotUnknown,
}

/// A cast that is not a call of a cast function.
#[derive(Clone, PartialEq, Debug)]
pub enum CastKind {
    /// Same bytes, another type.
    Relabel,
    /// Through the types' text forms.
    Io,
    /// Each element of an array by this expression, whose `Placeholder` is the element.
    ArrayElements(Box<Expr>),
    /// Into a domain: NOT NULL and CHECKs (name, condition over `Placeholder`) are tested.
    Domain { domain_name: String, not_null: bool, checks: Vec<(String, Expr)> },
    /// COLLATE, which changes nothing here (all collations compare bytes): only expressions that are to be shown keep it.
    Collate(String),
    /// A record into a composite type: each field by its expression over `Placeholder` fields.
    Row,
}

/// CURRENT_DATE and its relatives, which take their value from the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SqlValue {
    CurrentDate,
    CurrentTime,
    CurrentTimestamp,
    LocalTime,
    LocalTimestamp,
    CurrentUser,
    CurrentRole,
    User,
    SessionUser,
    CurrentCatalog,
    CurrentSchema,
}

/// One subscript.
#[derive(Clone, PartialEq, Debug)]
pub enum SubscriptIndex {
    At(Expr),
    Slice(Option<Expr>, Option<Expr>),
}

/// A subquery used as an expression.
#[derive(Clone, PartialEq, Debug)]
pub enum SubqueryKind {
    /// The one value; NULL for no row; 21000 for several.
    Scalar,
    Exists,
    /// `left op ANY (subquery)`: one (left, test) pair per column; a test is an expression over the left value and the
    /// subquery's column. IN is ANY with `=`.
    Any {
        tests: Vec<Expr>,
    },
    /// `left op ALL (subquery)`.
    All {
        tests: Vec<Expr>,
    },
    /// ARRAY(subquery).
    Array,
    /// (a, b) = (subquery) and multi-column UPDATE sources: the row's columns are read by `FieldSelect`.
    Row,
}

/// A subquery in an expression. It is correlated by the outer columns it mentions.
#[derive(Clone, Debug)]
pub struct SubqueryExpr {
    pub kind: SubqueryKind,
    pub plan: SubqueryPlan,
    /// Its visible output columns.
    pub output: Vec<ColumnId>,
    pub ty: SqlType,
    /// The query as written, where the binder was asked for it.
    pub tree: Option<Arc<crate::tree::QueryTree>>,
}

/// Subqueries are logical until the optimizer has planned what it could not unnest.
#[derive(Clone, Debug)]
pub enum SubqueryPlan {
    Logical(Box<LogicalPlan>),
    Physical {
        plan: Arc<PhysicalPlan>,
        /// Outer columns it reads; empty: run once (an InitPlan).
        params: Vec<ColumnId>,
        /// For Any with equality tests and no params: build a hash table of its rows once.
        hashed: bool,
        /// Number shown by EXPLAIN: "SubPlan 1", "InitPlan 1".
        number: usize,
    },
}

impl PartialEq for SubqueryExpr {
    /// Whether they are the same query, whatever ids the columns have that they make (see [`crate::equal`]).
    fn eq(&self, other: &SubqueryExpr) -> bool {
        crate::equal::same_subquery(self, other)
    }
}

/// Where a call was written, as a byte offset. Never part of equality: `a + 1` is `a + 1` wherever it stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallPos(pub Option<u32>);

impl PartialEq for CallPos {
    fn eq(&self, _: &CallPos) -> bool {
        true
    }
}

/// A typed expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    Const {
        value: Datum,
        ty: SqlType,
    },
    Column {
        id: ColumnId,
        ty: SqlType,
    },
    /// `$n`, from 1.
    Param {
        number: u32,
        ty: SqlType,
    },
    Call {
        function: FunctionRef,
        args: Vec<Expr>,
        ty: SqlType,
        form: CallForm,
        variadic: bool,
        pos: CallPos,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull {
        arg: Box<Expr>,
        negated: bool,
    },
    IsBool {
        arg: Box<Expr>,
        test: BoolTest,
    },
    /// IS [NOT] DISTINCT FROM by the `=` operator's function.
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        equals: FunctionRef,
        operator: Oid,
        negated: bool,
    },
    /// With an operand, each condition compares with `Placeholder`, which is the operand's value.
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
        ty: SqlType,
    },
    /// The value the enclosing Case, array cast or domain check is about.
    Placeholder {
        ty: SqlType,
    },
    Coalesce {
        args: Vec<Expr>,
        ty: SqlType,
    },
    NullIf {
        left: Box<Expr>,
        right: Box<Expr>,
        equals: FunctionRef,
        operator: Oid,
        ty: SqlType,
    },
    /// GREATEST / LEAST by the type's comparison.
    MinMax {
        greatest: bool,
        args: Vec<Expr>,
        ty: SqlType,
    },
    Cast {
        arg: Box<Expr>,
        ty: SqlType,
        kind: CastKind,
        implicit: bool,
    },
    /// ARRAY[...]; `nested`: the elements are arrays themselves and become a dimension.
    Array {
        elements: Vec<Expr>,
        nested: bool,
        ty: SqlType,
    },
    Row {
        fields: Vec<Expr>,
        names: Vec<String>,
        ty: SqlType,
    },
    /// Field `index` (from 0) of a record.
    FieldSelect {
        arg: Box<Expr>,
        index: usize,
        name: String,
        ty: SqlType,
    },
    /// Array or jsonb subscripting; with `assign`, the container with the place replaced.
    Subscript {
        container: Box<Expr>,
        indexes: Vec<SubscriptIndex>,
        assign: Option<Box<Expr>>,
        ty: SqlType,
    },
    /// `left op ANY/ALL (array)`.
    ScalarArray {
        function: FunctionRef,
        operator: Oid,
        left: Box<Expr>,
        array: Box<Expr>,
        all: bool,
    },
    SqlValue {
        kind: SqlValue,
        ty: SqlType,
    },
    Subquery(Box<SubqueryExpr>),
}

impl Expr {
    pub fn bool_const(value: bool) -> Expr {
        Expr::Const { value: Datum::Bool(value), ty: SqlType::BOOL }
    }
    pub fn null(ty: SqlType) -> Expr {
        Expr::Const { value: Datum::Null, ty }
    }
    pub fn column(id: ColumnId, ty: SqlType) -> Expr {
        Expr::Column { id, ty }
    }
    /// The expression's type.
    pub fn ty(&self) -> SqlType {
        match self {
            Expr::Const { ty, .. }
            | Expr::Column { ty, .. }
            | Expr::Param { ty, .. }
            | Expr::Call { ty, .. }
            | Expr::Case { ty, .. }
            | Expr::Placeholder { ty }
            | Expr::Coalesce { ty, .. }
            | Expr::NullIf { ty, .. }
            | Expr::MinMax { ty, .. }
            | Expr::Cast { ty, .. }
            | Expr::Array { ty, .. }
            | Expr::Row { ty, .. }
            | Expr::FieldSelect { ty, .. }
            | Expr::Subscript { ty, .. }
            | Expr::SqlValue { ty, .. } => *ty,
            Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull { .. }
            | Expr::IsBool { .. }
            | Expr::IsDistinct { .. }
            | Expr::ScalarArray { .. } => SqlType::BOOL,
            Expr::Subquery(s) => s.ty,
        }
    }
    /// Splits a condition at its ANDs.
    pub fn into_conjuncts(self) -> Vec<Expr> {
        match self {
            Expr::And(parts) => parts.into_iter().flat_map(Expr::into_conjuncts).collect(),
            other => vec![other],
        }
    }
}

/// A sort key. `expr` is any expression over the node's input; the order is that of the type's btree operator class.
#[derive(Clone, PartialEq, Debug)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

/// An aggregate call, computed by an Aggregate (or Window) node.
#[derive(Clone, PartialEq, Debug)]
pub struct AggregateExpr {
    pub function: FunctionRef,
    /// Arguments; none for count(*).
    pub args: Vec<Expr>,
    /// Direct arguments of ordered-set aggregates.
    pub direct_args: Vec<Expr>,
    pub distinct: bool,
    pub order_by: Vec<SortKey>,
    pub filter: Option<Expr>,
    pub ty: SqlType,
    /// Whether written `f(*)`.
    pub star: bool,
    pub variadic: bool,
}

/// A frame bound.
#[derive(Clone, PartialEq, Debug)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// ROWS, RANGE, GROUPS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameMode {
    Rows,
    Range,
    Groups,
}

/// EXCLUDE clause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameExclude {
    NoOthers,
    CurrentRow,
    Group,
    Ties,
}

/// A window's frame.
#[derive(Clone, PartialEq, Debug)]
pub struct WindowFrame {
    pub mode: FrameMode,
    pub start: FrameBound,
    pub end: FrameBound,
    pub exclude: FrameExclude,
    /// For RANGE: how the offset of start and end, which may be of different types, is applied.
    pub range_functions: [Option<RangeFunctions>; 2],
}

/// How RANGE offsets are applied to the one sort key.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RangeFunctions {
    pub subtract: FunctionRef,
    pub add: FunctionRef,
}

/// PARTITION BY, ORDER BY, frame. Calls with equal specs share one Window node.
#[derive(Clone, PartialEq, Debug)]
pub struct WindowSpec {
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortKey>,
    pub frame: WindowFrame,
    /// Name in a WINDOW clause, for deparsing.
    pub name: Option<String>,
}

/// A window function (or aggregate) call.
#[derive(Clone, PartialEq, Debug)]
pub struct WindowCall {
    pub function: FunctionRef,
    pub args: Vec<Expr>,
    pub filter: Option<Expr>,
    pub ty: SqlType,
    pub star: bool,
}

/// A call of a set-returning function.
#[derive(Clone, PartialEq, Debug)]
pub struct SetCall {
    pub function: FunctionRef,
    pub args: Vec<Expr>,
    /// Types of its columns.
    pub columns: Vec<SqlType>,
    /// Type of a row as one value: the only column's, or a record of them all.
    pub row: SqlType,
}
