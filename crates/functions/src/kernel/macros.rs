//! The macros of the framework.

/// A strict (or `Option`-taking) kernel as [`ScalarImpl`](crate::ScalarImpl), for rows and for batches.
///
/// `scalar!(|a: i32, b: &str| -> Result<String> { ... })`, with the context: `scalar!(cx, |a: i64| -> String { ... })`.
/// Up to seven arguments of the types of [`Arg`](crate::kernel::Arg); results of [`Res`](crate::kernel::Res).
/// A result that borrows from two or more arguments names the lifetime `'a`. Immutable and stable functions only: a
/// call with constant arguments is computed once per batch.
#[macro_export]
macro_rules! scalar {
    (|$($a:ident : $t:ty),* $(,)?| -> $r:ty $body:block) => {
        $crate::scalar!(_cx, |$($a: $t),*| -> $r $body)
    };
    ($cx:ident, || -> $r:ty $body:block) => {{
        #[inline(always)]
        fn kernel($cx: &mut $crate::EvalContext<'_>) -> $r $body
        fn row(cx: &mut $crate::EvalContext<'_>, _: &[::quarry_types::Datum]) -> ::quarry_common::Result<::quarry_types::Datum> {
            $crate::kernel::Res::into_datum(kernel(cx))
        }
        fn batch(cx: &mut $crate::EvalContext<'_>, args: &[&::quarry_types::Vector], rows: ::quarry_types::Rows<'_>, _: ::quarry_types::SqlType) -> ::quarry_common::Result<::quarry_types::Vector> {
            $crate::kernel::any0(cx, args, rows, kernel)
        }
        $crate::ScalarImpl { row, batch: Some(batch), total: $crate::kernel::total0(&kernel) }
    }};
    ($cx:ident, |$($a:ident : $t:ty),+ $(,)?| -> $r:ty $body:block) => {{
        #[allow(clippy::needless_lifetimes, clippy::extra_unused_lifetimes, clippy::too_many_arguments, clippy::ptr_arg)]
        #[inline(always)]
        fn kernel<'a>($cx: &mut $crate::EvalContext<'_>, $($a: $t),+) -> $r $body
        fn row(cx: &mut $crate::EvalContext<'_>, args: &[::quarry_types::Datum]) -> ::quarry_common::Result<::quarry_types::Datum> {
            let [$($a),+, ..] = args else { return Err($crate::kernel_arity()) };
            $crate::kernel::Res::into_datum(kernel(cx, $($crate::kernel::Arg::of($a)),+))
        }
        fn batch(cx: &mut $crate::EvalContext<'_>, args: &[&::quarry_types::Vector], rows: ::quarry_types::Rows<'_>, _: ::quarry_types::SqlType) -> ::quarry_common::Result<::quarry_types::Vector> {
            $crate::kernel_loop!($($a)+)(cx, args, rows, kernel)
        }
        $crate::ScalarImpl { row, batch: Some(batch), total: $crate::kernel_total!($($a)+)(&kernel) }
    }};
}

/// Picks the generic loop by the number of arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! kernel_loop {
    ($a:ident) => {
        $crate::kernel::any1
    };
    ($a:ident $b:ident) => {
        $crate::kernel::any2
    };
    ($a:ident $b:ident $c:ident) => {
        $crate::kernel::any3
    };
    ($a:ident $b:ident $c:ident $d:ident) => {
        $crate::kernel::any4
    };
    ($a:ident $b:ident $c:ident $d:ident $e:ident) => {
        $crate::kernel::any5
    };
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident) => {
        $crate::kernel::any6
    };
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident) => {
        $crate::kernel::any7
    };
}

/// Picks the question whether a kernel may fail by the number of arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! kernel_total {
    ($a:ident) => {
        $crate::kernel::total1
    };
    ($a:ident $b:ident) => {
        $crate::kernel::total2
    };
    ($a:ident $b:ident $c:ident) => {
        $crate::kernel::total3
    };
    ($a:ident $b:ident $c:ident $d:ident) => {
        $crate::kernel::total4
    };
    ($a:ident $b:ident $c:ident $d:ident $e:ident) => {
        $crate::kernel::total5
    };
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident) => {
        $crate::kernel::total6
    };
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident) => {
        $crate::kernel::total7
    };
}

/// Like [`scalar!`] for one or two arguments without context, with a loop of its own for each combination of
/// constant and flat arguments: for kernels of a few instructions.
#[macro_export]
macro_rules! wide {
    (|$a:ident : $ta:ty| -> $r:ty $body:block) => {{
        #[inline(always)]
        fn kernel($a: $ta) -> $r $body
        fn row(_: &mut $crate::EvalContext<'_>, args: &[::quarry_types::Datum]) -> ::quarry_common::Result<::quarry_types::Datum> {
            let [a, ..] = args else { return Err($crate::kernel_arity()) };
            $crate::kernel::Res::into_datum(kernel($crate::kernel::Arg::of(a)))
        }
        fn batch(_: &mut $crate::EvalContext<'_>, args: &[&::quarry_types::Vector], rows: ::quarry_types::Rows<'_>, _: ::quarry_types::SqlType) -> ::quarry_common::Result<::quarry_types::Vector> {
            $crate::kernel::wide1(args, rows, kernel)
        }
        $crate::ScalarImpl { row, batch: Some(batch), total: $crate::kernel::wide_total1(&kernel) }
    }};
    (|$a:ident : $ta:ty, $b:ident : $tb:ty| -> $r:ty $body:block) => {{
        #[inline(always)]
        fn kernel($a: $ta, $b: $tb) -> $r $body
        fn row(_: &mut $crate::EvalContext<'_>, args: &[::quarry_types::Datum]) -> ::quarry_common::Result<::quarry_types::Datum> {
            let [a, b, ..] = args else { return Err($crate::kernel_arity()) };
            $crate::kernel::Res::into_datum(kernel($crate::kernel::Arg::of(a), $crate::kernel::Arg::of(b)))
        }
        fn batch(_: &mut $crate::EvalContext<'_>, args: &[&::quarry_types::Vector], rows: ::quarry_types::Rows<'_>, _: ::quarry_types::SqlType) -> ::quarry_common::Result<::quarry_types::Vector> {
            $crate::kernel::wide2(args, rows, kernel)
        }
        $crate::ScalarImpl { row, batch: Some(batch), total: $crate::kernel::wide_total2(&kernel) }
    }};
}

/// Arithmetic that may overflow: the closure answers the wrapped result and whether it is wrong, `$error` makes the
/// error: `flagged!(int4_out_of_range, |a: i32, b: i32| -> i32 { a.overflowing_add(b) })`.
#[macro_export]
macro_rules! flagged {
    ($error:expr, |$a:ident : $ta:ty, $b:ident : $tb:ty| -> $r:ty $body:block) => {{
        #[inline(always)]
        fn kernel($a: $ta, $b: $tb) -> ($r, bool) $body
        fn row(_: &mut $crate::EvalContext<'_>, args: &[::quarry_types::Datum]) -> ::quarry_common::Result<::quarry_types::Datum> {
            let [a, b, ..] = args else { return Err($crate::kernel_arity()) };
            match kernel($crate::kernel::Arg::of(a), $crate::kernel::Arg::of(b)) {
                (_, true) => Err($error()),
                (v, false) => $crate::kernel::Res::into_datum(v),
            }
        }
        fn batch(_: &mut $crate::EvalContext<'_>, args: &[&::quarry_types::Vector], rows: ::quarry_types::Rows<'_>, _: ::quarry_types::SqlType) -> ::quarry_common::Result<::quarry_types::Vector> {
            $crate::kernel::flagged2(args, rows, $error, kernel)
        }
        $crate::ScalarImpl { row, batch: Some(batch), total: false }
    }};
}

/// A function of one row's datums (a [`RowFn`](crate::RowFn) or a closure of that shape), called once per row.
#[macro_export]
macro_rules! row_only {
    ($f:expr) => {
        $crate::ScalarImpl { row: $f, batch: None, total: false }
    };
}

/// Declares a scalar function: `func!(177, "int4pl", [INT4, INT4] => INT4, wide!(...))`. Immutable and strict unless
/// the modifiers of [`FunctionDef`](crate::FunctionDef) say otherwise: `func!(...).stable().lax()`.
/// Type names are constants of [`quarry_types::oids`].
#[macro_export]
macro_rules! func {
    ($oid:literal, $name:literal, [$($arg:ident),* $(,)?] => $ret:ident, $body:expr $(,)?) => {
        $crate::FunctionDef::new(
            $oid,
            $name,
            &[$(::quarry_types::oids::$arg),*],
            ::quarry_types::oids::$ret,
            $crate::Body::Scalar($body),
        )
    };
}

/// Declares an operator by its `pg_operator` row:
/// `op!(96, "=", INT4, INT4 => BOOL, 65, 96, 518, "mh", "eqsel", "eqjoinsel")`: OID, name, operands (`NONE` left for
/// prefix operators) and result, function, commutator, negator, m(erges) h(ashes), selectivity estimators.
#[macro_export]
macro_rules! op {
    ($oid:literal, $name:literal, $left:ident, $right:ident => $ret:ident, $function:literal, $com:literal, $neg:literal,
     $flags:literal, $restrict:literal, $join:literal) => {
        $crate::OperatorDef::row(
            $oid,
            $name,
            $crate::op!(@type $left),
            $crate::op!(@type $right),
            $crate::op!(@type $ret),
            [$function, $com, $neg],
            $flags,
            $restrict,
            $join,
        )
    };
    (@type NONE) => { ::quarry_common::Oid::INVALID };
    (@type $t:ident) => { ::quarry_types::oids::$t };
}
