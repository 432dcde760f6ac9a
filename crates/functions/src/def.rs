//! The shape of a declaration: function, operator, cast.

use crate::{AggregateImpl, EvalContext, SetImpl, WindowImpl};
use quarry_common::{Oid, Result};
use quarry_types::{Datum, Rows, SqlType, Vector};

/// `pg_proc.provolatile`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Volatility {
    /// Same arguments, same result, for ever.
    Immutable,
    /// Constant within one statement.
    Stable,
    /// May change at any call, or has effects.
    Volatile,
}

/// `pg_proc.prokind`, with set-returning functions told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FunctionKind {
    Scalar,
    Set,
    Aggregate,
    Window,
}

/// One value from one row's arguments. For strict functions no argument is NULL.
pub type RowFn = fn(&mut EvalContext<'_>, &[Datum]) -> Result<Datum>;

/// The rows named by `Rows` of the result, from argument vectors. Handles NULLs itself, also for strict functions.
/// The last argument is the call's result type.
pub type BatchFn = fn(&mut EvalContext<'_>, &[&Vector], Rows<'_>, SqlType) -> Result<Vector>;

/// A scalar function's code: for one row (the short path of single-row statements, constant folding) and for batches.
#[derive(Clone, Copy)]
pub struct ScalarImpl {
    pub row: RowFn,
    /// Absent: the executor calls `row` for each row.
    pub batch: Option<BatchFn>,
    /// Whether it answers a value, not a `Result`.
    pub total: bool,
}

/// What a function does.
#[derive(Clone, Copy)]
pub enum Body {
    Scalar(ScalarImpl),
    Set(SetImpl),
    Aggregate(AggregateImpl),
    Window(WindowImpl),
    /// Callable only by name resolution in the binder, which turns it into an expression of its own
    /// (`coalesce`-like forms never come here; type I/O functions such as `int4in` do: they are run by the type registry).
    TypeIo,
}

/// A built-in function: its `pg_proc` row, its typing, its code.
#[derive(Clone, Copy)]
pub struct FunctionDef {
    pub oid: Oid,
    pub name: &'static str,
    /// Input argument types (`proargtypes`); may be polymorphic.
    pub args: &'static [Oid],
    pub ret: Oid,
    pub volatility: Volatility,
    /// NULL in, NULL out, without a call.
    pub strict: bool,
    /// It has a result for all arguments: only one that is too large for any value (1 GB of text, 131,072 digits) is an error. It may
    /// be called for rows that nobody has asked for. Known of kernels whose type says so; others are declared [`total`](Self::total).
    pub total: bool,
    /// Element type of the variadic last argument, `ANY` for `VARIADIC "any"`, 0 if not variadic.
    pub variadic: Oid,
    /// Defaults of the last arguments, as SQL text.
    pub defaults: &'static [&'static str],
    /// Names of all arguments, inputs first (`proargnames`); empty: unnamed.
    pub arg_names: &'static [&'static str],
    /// OUT columns of functions that return records: name and type, in order.
    pub out_args: &'static [(&'static str, Oid)],
    pub body: Body,
}

impl FunctionDef {
    pub const fn kind(&self) -> FunctionKind {
        match self.body {
            Body::Scalar(_) | Body::TypeIo => FunctionKind::Scalar,
            Body::Set(_) => FunctionKind::Set,
            Body::Aggregate(_) => FunctionKind::Aggregate,
            Body::Window(_) => FunctionKind::Window,
        }
    }
}

/// Declarations are built by chaining; see [`func!`](crate::func).
impl FunctionDef {
    /// An immutable, strict function without names, defaults or OUT columns. Aggregates are never
    /// strict here, as in PostgreSQL.
    pub const fn new(
        oid: u32,
        name: &'static str,
        args: &'static [Oid],
        ret: Oid,
        body: Body,
    ) -> FunctionDef {
        FunctionDef {
            oid: Oid(oid),
            name,
            args,
            ret,
            volatility: Volatility::Immutable,
            strict: !matches!(body, Body::Aggregate(_)),
            total: matches!(body, Body::Scalar(ScalarImpl { total: true, .. })),
            variadic: Oid::INVALID,
            defaults: &[],
            arg_names: &[],
            out_args: &[],
            body,
        }
    }
    pub const fn stable(mut self) -> FunctionDef {
        self.volatility = Volatility::Stable;
        self
    }
    pub const fn volatile(mut self) -> FunctionDef {
        self.volatility = Volatility::Volatile;
        self
    }
    /// It has a result for all arguments.
    pub const fn total(mut self) -> FunctionDef {
        self.total = true;
        self
    }
    /// Not strict: called with NULLs.
    pub const fn lax(mut self) -> FunctionDef {
        self.strict = false;
        self
    }
    /// The last argument is variadic, of this element type (`ANY` for `VARIADIC "any"`).
    pub const fn variadic(mut self, element: Oid) -> FunctionDef {
        self.variadic = element;
        self
    }
    /// Defaults of the last arguments, as SQL text.
    pub const fn defaults(mut self, defaults: &'static [&'static str]) -> FunctionDef {
        self.defaults = defaults;
        self
    }
    /// Names of the arguments.
    pub const fn names(mut self, names: &'static [&'static str]) -> FunctionDef {
        self.arg_names = names;
        self
    }
    /// OUT columns.
    pub const fn outs(mut self, columns: &'static [(&'static str, Oid)]) -> FunctionDef {
        self.out_args = columns;
        self
    }
}

impl std::fmt::Debug for FunctionDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.name, self.oid)
    }
}

/// A built-in operator: its `pg_operator` row.
#[derive(Clone, Copy, Debug)]
pub struct OperatorDef {
    pub oid: Oid,
    pub name: &'static str,
    /// 0 for prefix operators.
    pub left: Oid,
    pub right: Oid,
    pub ret: Oid,
    /// The function that computes it.
    pub function: Oid,
    pub commutator: Oid,
    pub negator: Oid,
    /// Usable in merge joins.
    pub merges: bool,
    /// Usable in hash joins.
    pub hashes: bool,
    /// Selectivity estimators by PostgreSQL's names ("eqsel", "scalarltsel", ...), empty if none.
    pub restrict: &'static str,
    pub join: &'static str,
}

impl OperatorDef {
    /// See [`op!`](crate::op). `links`: function, commutator, negator. `flags`: "m" merges, "h" hashes.
    #[allow(clippy::too_many_arguments)]
    pub const fn row(
        oid: u32,
        name: &'static str,
        left: Oid,
        right: Oid,
        ret: Oid,
        links: [u32; 3],
        flags: &'static str,
        restrict: &'static str,
        join: &'static str,
    ) -> OperatorDef {
        let flags = flags.as_bytes();
        let merges = !flags.is_empty() && flags[0] == b'm';
        OperatorDef {
            oid: Oid(oid),
            name,
            left,
            right,
            ret,
            function: Oid(links[0]),
            commutator: Oid(links[1]),
            negator: Oid(links[2]),
            merges,
            hashes: !flags.is_empty() && flags[flags.len() - 1] == b'h',
            restrict,
            join,
        }
    }
}

/// `pg_cast.castcontext`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CastContext {
    Implicit,
    Assignment,
    Explicit,
}

/// `pg_cast.castmethod`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CastMethod {
    /// Call `CastDef::function` (with typmod and is-explicit arguments if it takes them).
    Function,
    /// Same physical form and meaning: nothing to do.
    Binary,
    /// Through text output and input.
    InOut,
}

/// A built-in cast: its `pg_cast` row.
#[derive(Clone, Copy, Debug)]
pub struct CastDef {
    pub source: Oid,
    pub target: Oid,
    pub function: Oid,
    pub context: CastContext,
    pub method: CastMethod,
}

impl CastDef {
    /// A row of `pg_cast`; `function` 0: none.
    pub const fn row(
        source: Oid,
        target: Oid,
        function: u32,
        context: CastContext,
        method: CastMethod,
    ) -> CastDef {
        CastDef { source, target, function: Oid(function), context, method }
    }
}
