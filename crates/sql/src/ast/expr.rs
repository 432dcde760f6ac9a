//! Expressions.

use super::{NO_POS, OpName, Pos, Query, SortBy, TypeName, WindowDef};

/// An expression; `pos` is PostgreSQL's `location` of the node: the operator's place for operators,
/// the name's for calls and columns, that of `::` or CAST for casts.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub pos: Pos,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `a`, `t.a`, `s.t.a`, and with `star` `t.*`; a lone `*` has no names.
    ColumnRef {
        names: Vec<String>,
        star: bool,
    },
    /// `$n`.
    Param(i32),
    Const(Literal),
    /// `expr::type`, `CAST(expr AS type)`, `type 'text'`.
    TypeCast {
        arg: Box<Expr>,
        type_name: Box<TypeName>,
    },
    Collate {
        arg: Box<Expr>,
        collation: Vec<String>,
    },
    /// A prefix (`left` is `None`) or infix operator.
    Op {
        op: OpName,
        left: Option<Box<Expr>>,
        right: Box<Expr>,
    },
    /// `left op ANY (array)` and `left op ALL (array)`.
    OpArray {
        op: OpName,
        left: Box<Expr>,
        array: Box<Expr>,
        all: bool,
    },
    /// `left IS [NOT] DISTINCT FROM right`.
    Distinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    NullIf {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `left [NOT] IN (list)`; a subquery on the right is a [`SubLink`].
    In {
        left: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    /// LIKE, ILIKE and SIMILAR TO. The pattern is already wrapped in `pg_catalog.like_escape` or
    /// `pg_catalog.similar_to_escape` where PostgreSQL's grammar does so; what is left is the operator
    /// that [`LikeKind::operator`] names.
    Like {
        kind: LikeKind,
        left: Box<Expr>,
        pattern: Box<Expr>,
        negated: bool,
    },
    Between {
        arg: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
        symmetric: bool,
    },
    /// Two or more terms.
    And(Vec<Expr>),
    /// Two or more terms.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// `arg IS [NOT] NULL`.
    NullTest {
        arg: Box<Expr>,
        negated: bool,
    },
    /// `arg IS [NOT] TRUE/FALSE/UNKNOWN`.
    BooleanTest {
        arg: Box<Expr>,
        test: BooleanTest,
    },
    SubLink(Box<SubLink>),
    /// `ROW(...)`, or `(a, b, ...)` when not `explicit`.
    Row {
        fields: Vec<Expr>,
        explicit: bool,
    },
    /// `ARRAY[...]`; inner brackets are nested `Array`s.
    Array(Vec<Expr>),
    /// Subscripts, slices, fields and `.*` applied in order.
    Indirection {
        arg: Box<Expr>,
        steps: Vec<Indirection>,
    },
    Case(Box<CaseExpr>),
    Coalesce(Vec<Expr>),
    /// GREATEST or LEAST.
    MinMax {
        greatest: bool,
        args: Vec<Expr>,
    },
    SqlValue(SqlValueFunction),
    FuncCall(Box<FuncCall>),
    /// `GROUPING(...)`.
    Grouping(Vec<Expr>),
    /// DEFAULT as a value of INSERT or UPDATE.
    SetToDefault,
    /// `WHERE CURRENT OF cursor`.
    CurrentOf(String),
    Xml(Box<XmlExpr>),
}

impl Expr {
    pub fn new(kind: ExprKind, pos: Pos) -> Expr {
        Expr { kind, pos }
    }

    /// The leftmost place of the expression's text: where PostgreSQL points when it means the whole of it
    /// (exprLocation).
    pub fn location(&self) -> Pos {
        use ExprKind::*;
        let children: Pos = match &self.kind {
            TypeCast { arg, type_name } => arg.location().min(type_name.pos),
            Collate { arg, .. } => arg.location(),
            Op { left, right, .. } => left.as_ref().map_or(right.location(), |l| l.location()),
            OpArray { left, .. } | Distinct { left, .. } | NullIf { left, .. } => left.location(),
            In { left, .. } | Like { left, .. } => left.location(),
            Between { arg, .. } | NullTest { arg, .. } | BooleanTest { arg, .. } => arg.location(),
            And(args) | Or(args) => args.first().map_or(NO_POS, Expr::location),
            SubLink(s) => s.test.as_ref().map_or(NO_POS, Expr::location),
            Indirection { arg, .. } => arg.location(),
            FuncCall(f) => f.args.iter().map(|a| a.expr.location()).min().unwrap_or(NO_POS),
            _ => NO_POS,
        };
        self.pos.min(children)
    }

    /// The text of a string constant.
    pub fn as_string_const(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Const(Literal::String(s)) => Some(s),
            _ => None,
        }
    }
}

/// A constant as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Fits int4.
    Integer(i32),
    /// Any other number, as text; a minus sign directly before is part of it.
    Float(String),
    String(String),
    /// `B'..'` as `b...`, `X'..'` as `x...`.
    BitString(String),
    Boolean(bool),
    Null,
}

/// See [`ExprKind::Like`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeKind {
    Like,
    ILike,
    Similar,
}

impl LikeKind {
    /// The operator's name.
    pub fn operator(self, negated: bool) -> &'static str {
        match (self, negated) {
            (LikeKind::Like, false) => "~~",
            (LikeKind::Like, true) => "!~~",
            (LikeKind::ILike, false) => "~~*",
            (LikeKind::ILike, true) => "!~~*",
            (LikeKind::Similar, false) => "~",
            (LikeKind::Similar, true) => "!~",
        }
    }
}

/// See [`ExprKind::BooleanTest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BooleanTest {
    IsTrue,
    IsNotTrue,
    IsFalse,
    IsNotFalse,
    IsUnknown,
    IsNotUnknown,
}

/// A subquery in an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct SubLink {
    pub kind: SubLinkKind,
    /// The left side, for [`SubLinkKind::Any`] and [`SubLinkKind::All`].
    pub test: Option<Expr>,
    /// `None` with `Any` means IN, that is `= ANY`.
    pub op: Option<OpName>,
    pub query: Box<Query>,
}

/// See [`SubLink`]. NOT IN is a NOT around an `Any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubLinkKind {
    Exists,
    Any,
    All,
    /// A scalar subquery, or the source of a multi-column assignment.
    Expr,
    /// `ARRAY(SELECT ...)`.
    Array,
}

/// One step of [`ExprKind::Indirection`].
#[derive(Clone, Debug, PartialEq)]
pub enum Indirection {
    /// `.name`
    Field(String),
    /// `.*`
    Star,
    /// `[i]`
    Index(Box<Expr>),
    /// `[lower:upper]`
    Slice { lower: Option<Box<Expr>>, upper: Option<Box<Expr>> },
}

/// CASE.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseExpr {
    pub arg: Option<Expr>,
    pub whens: Vec<CaseWhen>,
    pub default: Option<Expr>,
}

/// WHEN ... THEN ....
#[derive(Clone, Debug, PartialEq)]
pub struct CaseWhen {
    pub condition: Expr,
    pub result: Expr,
    pub pos: Pos,
}

/// The functions SQL writes without parentheses. `precision` where one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlValueFunction {
    CurrentDate,
    CurrentTime(Option<i32>),
    CurrentTimestamp(Option<i32>),
    LocalTime(Option<i32>),
    LocalTimestamp(Option<i32>),
    CurrentRole,
    CurrentUser,
    SessionUser,
    User,
    CurrentCatalog,
    CurrentSchema,
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct FuncCall {
    /// Optional qualification, name.
    pub name: Vec<String>,
    pub args: Vec<FuncArg>,
    /// ORDER BY inside the parentheses, or of WITHIN GROUP.
    pub order_by: Vec<SortBy>,
    pub within_group: bool,
    /// `f(*)`.
    pub star: bool,
    pub distinct: bool,
    /// The last argument is VARIADIC.
    pub variadic: bool,
    pub filter: Option<Expr>,
    pub over: Option<WindowDef>,
    /// Written in SQL's own syntax (EXTRACT(... FROM ...), AT TIME ZONE, ...), to be displayed so.
    pub sql_syntax: bool,
}

/// An argument, named by `name => expr` or `name := expr`.
#[derive(Clone, Debug, PartialEq)]
pub struct FuncArg {
    pub name: Option<String>,
    /// The name's place, else the expression's.
    pub pos: Pos,
    pub expr: Expr,
}

impl FuncCall {
    /// A plain call of `name` with positional arguments.
    pub fn positional(name: Vec<String>, args: Vec<Expr>) -> FuncCall {
        FuncCall {
            name,
            args: args.into_iter().map(|expr| FuncArg { name: None, pos: expr.location(), expr }).collect(),
            order_by: Vec::new(),
            within_group: false,
            star: false,
            distinct: false,
            variadic: false,
            filter: None,
            over: None,
            sql_syntax: false,
        }
    }
}

/// The XML constructors.
#[derive(Clone, Debug, PartialEq)]
pub enum XmlExpr {
    Concat(Vec<Expr>),
    Element { name: String, attributes: Vec<(Option<String>, Expr)>, content: Vec<Expr> },
    Forest(Vec<(Option<String>, Expr)>),
    Parse { document: bool, arg: Expr, preserve_whitespace: bool },
    Pi { name: String, content: Option<Expr> },
    Root { arg: Expr, version: Option<Expr>, standalone: Option<bool> },
    Serialize { document: bool, arg: Expr, type_name: TypeName },
    IsDocument(Expr),
}
