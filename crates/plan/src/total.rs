//! Which expressions have a value for every row, so that they may be computed for rows that nobody has asked for, and before others; and
//! which tell nothing of the values that they are asked about, so that rows may be tested by them that somebody must not see (PostgreSQL:
//! `contain_leaked_vars`). Both are the same question of an expression's form; of a function the first is its declaration's `total`,
//! the second its `proleakproof`.
//!
//! The first also knows constants that make a function total (a divisor that isn't 0, a LIKE pattern that ends well) and the ranges of
//! whole numbers: `(a % 10) * 2` is within its type, `a * 2` may not be.

use crate::expr::FrameBound::{Following, Preceding};
use crate::volatility::is_volatile;
use crate::{
    AggregateExpr, CallForm, CastKind, ColumnId, Expr, FunctionRef, LogicalPlan, SetCall, WindowCall,
    WindowSpec, walk,
};
use quarry_functions::{internal, kept, registry};
use quarry_types::array::ArrayRef;
use quarry_types::{Datum, SqlType, oids};

/// Whether computing all of a plan's rows can't raise an error, but for what it does with columns of outer rows alone.
pub fn plan_cannot_fail(plan: &LogicalPlan, outer: &[ColumnId]) -> bool {
    let cannot_fail = |e: &Expr| cannot_fail(e, outer);
    let here = match plan {
        LogicalPlan::Aggregate { group, aggregates, .. } => {
            group.iter().all(|(_, e)| cannot_fail(e))
                && aggregates.iter().all(|(_, a)| aggregate_cannot_fail(a, outer))
        }
        LogicalPlan::Window { spec, calls, .. } => window_cannot_fail(spec, calls, outer),
        LogicalPlan::FunctionScan { calls, .. } => calls.iter().all(|(c, _)| set_cannot_fail(c, outer)),
        LogicalPlan::ProjectSet { calls, .. } => calls.iter().all(|(_, c)| set_cannot_fail(c, outer)),
        // Counts are constants or not looked at here.
        LogicalPlan::Limit { .. } => true,
        LogicalPlan::Scan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::Values { .. }
        | LogicalPlan::Empty { .. }
        | LogicalPlan::OneRow
        | LogicalPlan::Filter { .. }
        | LogicalPlan::Join { .. }
        | LogicalPlan::Project { .. }
        | LogicalPlan::Distinct { .. }
        | LogicalPlan::Sort { .. }
        | LogicalPlan::SubqueryAlias { .. }
        | LogicalPlan::SetOp { .. }
        | LogicalPlan::With { .. } => walk::exprs(plan).into_iter().all(cannot_fail),
        _ => false,
    };
    here && walk::inputs(plan).into_iter().all(|input| plan_cannot_fail(input, outer))
}

/// The same for an aggregate over all its rows.
pub fn aggregate_cannot_fail(a: &AggregateExpr, outer: &[ColumnId]) -> bool {
    aggregate_is_total(a)
        && a.order_by.iter().all(|k| cannot_fail(&k.expr, outer))
        && a.args.iter().all(|e| cannot_fail(e, outer))
        && a.filter.iter().all(|e| cannot_fail(e, outer))
}

/// Whether an aggregate itself has a result for all rows, what it is called with aside.
pub fn aggregate_is_total(a: &AggregateExpr) -> bool {
    let def = a.function.def();
    let direct = kept::runs_another(def.oid) || a.direct_args.iter().all(is_fraction);
    let json = matches!(def.name, "json_agg" | "jsonb_agg");
    direct && (def.total || json && a.args.iter().all(is_plain_in_json))
}

/// A constant that percentiles can be asked for.
fn is_fraction(e: &Expr) -> bool {
    let within = |value: &Datum| value.is_null() || (0.0..=1.0).contains(&value.as_f64());
    match e {
        Expr::Const { value: Datum::Null, .. } => true,
        Expr::Const { value, ty } if ty.oid == oids::FLOAT8 => within(value),
        Expr::Const { value, ty } if ty.oid == oids::FLOAT8_ARRAY => {
            ArrayRef::of(value).iter().all(|one| within(&one))
        }
        _ => false,
    }
}

/// Whether a value is one of JSON's, or its text is written without asking its type.
fn is_plain_in_json(e: &Expr) -> bool {
    match e {
        Expr::Row { fields, .. } => fields.iter().all(is_plain_in_json),
        e => matches!(
            e.ty().oid,
            oids::BOOL
                | oids::INT2
                | oids::INT4
                | oids::INT8
                | oids::NUMERIC
                | oids::FLOAT4
                | oids::FLOAT8
                | oids::TEXT
                | oids::VARCHAR
                | oids::DATE
                | oids::TIMESTAMP
                | oids::TIMESTAMPTZ
                | oids::UUID
        ),
    }
}

fn set_cannot_fail(call: &SetCall, outer: &[ColumnId]) -> bool {
    call.function.def().total && call.args.iter().all(|e| cannot_fail(e, outer))
}

fn window_cannot_fail(spec: &WindowSpec, calls: &[(ColumnId, WindowCall)], outer: &[ColumnId]) -> bool {
    let offset = |b| matches!(b, &Preceding(_) | &Following(_));
    let all_can = |list: &[Expr]| list.iter().all(|e| cannot_fail(e, outer));
    !offset(&spec.frame.start)
        && !offset(&spec.frame.end)
        && calls.iter().all(|(_, c)| {
            c.function.def().total && all_can(&c.args) && c.filter.iter().all(|e| cannot_fail(e, outer))
        })
        && all_can(&spec.partition_by)
        && spec.order_by.iter().all(|k| cannot_fail(&k.expr, outer))
}

/// Whether an expression has a value for every row. What is done with outer columns alone is done for outer rows that there are.
pub fn cannot_fail(e: &Expr, outer: &[ColumnId]) -> bool {
    if let Expr::Call { function, .. } = e
        && matches!(function.def().oid, internal::VALUE_OR_NULL | internal::ERROR_OF_VALUE)
    {
        return true;
    }
    let harmless = match form(e) {
        Form::Plain | Form::Conditional => true,
        Form::Calls(function) => function.def().total || with_constants(function, e) || stays_within(e),
        Form::Compares(ty) => {
            let less = registry::operators_named("<").iter().find(|o| o.left == ty.oid && o.right == ty.oid);
            less.and_then(|o| registry::function(o.function)).is_some_and(|f| f.total)
        }
        Form::Other => match e {
            Expr::Cast { arg, ty, kind: CastKind::Io, .. } => makes_text(arg.ty(), *ty),
            Expr::Cast { kind: CastKind::ArrayElements(each), .. } => cannot_fail(each, outer),
            _ => false,
        },
    };
    if !harmless {
        let mut own = vec![];
        walk::columns_of(e, &mut own);
        return !outer.is_empty()
            && !own.is_empty()
            && own.iter().all(|id| outer.contains(id))
            && !is_volatile(e)
            && !walk::any(e, &|e| matches!(e, Expr::Subquery(_)));
    }
    let mut all = true;
    walk::for_each_child(e, &mut |child| all = all && cannot_fail(child, outer));
    all
}

/// Whether a condition tells nothing of the values that it is asked about, not even by an error.
pub fn is_leakproof(e: &Expr) -> bool {
    !walk::any(e, &|e| {
        let safe = match form(e) {
            Form::Plain => true,
            Form::Calls(function) => quarry_catalog::builtin::procs::is_leakproof(function.def().oid),
            Form::Conditional | Form::Compares(_) | Form::Other => false,
        };
        !safe && walk::reads_any(e, &mut |_| true)
    })
}

/// What decides whether an expression may fail, its parts aside.
enum Form<'e> {
    /// Nothing.
    Plain,
    /// Nothing either, but PostgreSQL doesn't say that it is leakproof.
    Conditional,
    /// This function.
    Calls(&'e FunctionRef),
    /// The order of this type.
    Compares(SqlType),
    Other,
}

fn form(e: &Expr) -> Form<'_> {
    match e {
        Expr::Call { function, .. } | Expr::ScalarArray { function, .. } => Form::Calls(function),
        Expr::IsDistinct { equals, .. } | Expr::NullIf { equals, .. } => Form::Calls(equals),
        Expr::MinMax { ty, .. } => Form::Compares(*ty),
        Expr::Cast { kind: CastKind::Relabel | CastKind::Collate(_), .. } => Form::Plain,
        Expr::Const { .. }
        | Expr::Column { .. }
        | Expr::Param { .. }
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::IsNull { .. }
        | Expr::IsBool { .. }
        | Expr::Case { .. }
        | Expr::Placeholder { .. }
        // Arrays of arrays must be of one size.
        | Expr::Array { nested: false, .. }
        | Expr::Row { .. }
        | Expr::FieldSelect { .. }
        | Expr::SqlValue { .. } => Form::Plain,
        Expr::Coalesce { .. } | Expr::Subscript { assign: None, .. } => Form::Conditional,
        _ => Form::Other,
    }
}

/// Whether a cast by way of text is output alone.
fn makes_text(from: SqlType, to: SqlType) -> bool {
    let plain = matches!(
        from.oid,
        oids::BOOL
            | oids::INT2
            | oids::INT4
            | oids::INT8
            | oids::OID
            | oids::NUMERIC
            | oids::FLOAT4
            | oids::FLOAT8
            | oids::DATE
            | oids::TIME
            | oids::TIMESTAMP
            | oids::TIMESTAMPTZ
            | oids::INTERVAL
            | oids::UUID
    );
    plain && matches!(to.oid, oids::TEXT | oids::VARCHAR)
}

/// Functions that a constant argument makes total.
fn with_constants(function: &FunctionRef, e: &Expr) -> bool {
    let name = function.def().name;
    if let Expr::ScalarArray { .. } = e {
        return false;
    }
    let Expr::Call { args, form, .. } = e else { return false };
    let text = |e: &Expr| match e {
        Expr::Const { value: value @ Datum::Bytes(_), ty } if matches!(ty.oid, oids::TEXT | oids::BPCHAR) => {
            Some(value.as_str().to_owned())
        }
        _ => None,
    };
    match (name, &args[..]) {
        ("substr" | "substring", [_, _]) => true,
        ("substr" | "substring", [_, _, Expr::Const { value: Datum::I32(n), .. }]) => *n >= 0,
        ("date_part" | "extract", [field, from]) => {
            let known =
                ["year", "month", "day", "quarter", "dow", "doy", "isodow", "isoyear", "week", "epoch"];
            matches!(from.ty().oid, oids::DATE | oids::TIMESTAMP | oids::TIMESTAMPTZ)
                && text(field).is_some_and(|f| known.contains(&f.as_str()))
        }
        (_, [_, pattern]) if matches!(form, CallForm::Operator(_)) && is_like(function) => {
            text(pattern).is_some_and(|p| ends_well(&p))
        }
        (_, [_, divisor]) => {
            let CallForm::Operator(oid) = form else { return false };
            let divides = registry::operator(*oid).is_some_and(|o| matches!(o.name, "/" | "%"));
            divides && is_safe_divisor(divisor)
        }
        _ => false,
    }
}

fn is_like(function: &FunctionRef) -> bool {
    let name = function.def().name;
    ["text", "bpchar", "name"].iter().any(|ty| {
        name.strip_prefix(ty).is_some_and(|rest| matches!(rest, "like" | "nlike" | "iclike" | "icnlike"))
    })
}

/// Whether no escape stands at a pattern's end.
fn ends_well(pattern: &str) -> bool {
    pattern.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0
}

/// A whole number that is neither 0 nor, as the least number can't be divided by it, -1.
fn is_safe_divisor(e: &Expr) -> bool {
    let whole = matches!(e.ty().oid, oids::INT2 | oids::INT4 | oids::INT8);
    whole && range(e).is_some_and(|(low, high)| low > 0 || high < -1)
}

/// Whether the result of whole numbers' arithmetic, or of a cast of one, is of the result's type for certain.
fn stays_within(e: &Expr) -> bool {
    let Expr::Call { ty, .. } = e else { return false };
    match (computed_range(e), limits(ty.oid)) {
        (Some((low, high)), Some((least, most))) => low >= least && high <= most,
        _ => false,
    }
}

type Range = (i128, i128);

fn limits(ty: quarry_common::Oid) -> Option<Range> {
    Some(match ty {
        oids::INT2 => (i16::MIN.into(), i16::MAX.into()),
        oids::INT4 => (i32::MIN.into(), i32::MAX.into()),
        oids::INT8 => (i64::MIN.into(), i64::MAX.into()),
        _ => return None,
    })
}

/// The least and the greatest value that a whole number may have.
fn range(e: &Expr) -> Option<Range> {
    let (least, most) = limits(e.ty().oid)?;
    let constant = match e {
        Expr::Const { value: Datum::I16(v), .. } => Some(i128::from(*v)),
        Expr::Const { value: Datum::I32(v), .. } => Some(i128::from(*v)),
        Expr::Const { value: Datum::I64(v), .. } => Some(i128::from(*v)),
        _ => None,
    };
    if let Some(v) = constant {
        return Some((v, v));
    }
    let (low, high) = computed_range(e).unwrap_or((least, most));
    Some((low.max(least), high.min(most)))
}

/// The same for arithmetic and casts, were there no limits to the type.
fn computed_range(e: &Expr) -> Option<Range> {
    let Expr::Call { args, form, .. } = e else { return None };
    match (form, &args[..]) {
        (CallForm::ImplicitCast | CallForm::ExplicitCast, [arg]) => range(arg),
        (CallForm::Operator(oid), [left, right]) => {
            let ((a, b), (c, d)) = (range(left)?, range(right)?);
            match registry::operator(*oid)?.name {
                "+" => Some((a + c, b + d)),
                "-" => Some((a - d, b - c)),
                // Each is below 2 to the 64th.
                "*" => {
                    let products = [a * c, a * d, b * c, b * d];
                    Some((products.iter().copied().min()?, products.iter().copied().max()?))
                }
                "/" if c == d && c != 0 => Some(((a / c).min(b / c), (a / c).max(b / c))),
                "%" if c > 0 || d < 0 => {
                    let most = c.abs().max(d.abs()) - 1;
                    Some((if a >= 0 { 0 } else { -most }, if b <= 0 { 0 } else { most }))
                }
                _ => None,
            }
        }
        (CallForm::Operator(oid), [arg]) if registry::operator(*oid)?.name == "-" => {
            range(arg).map(|(a, b)| (-b, -a))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_functions::{Body, FunctionKind};

    fn int(v: i32) -> Expr {
        Expr::Const { value: Datum::I32(v), ty: SqlType::INT4 }
    }

    fn column() -> Expr {
        Expr::column(ColumnId(1), SqlType::INT4)
    }

    fn call(name: &str, left: Expr, right: Expr) -> Expr {
        let (l, r) = (left.ty().oid, right.ty().oid);
        let ops = registry::operators_named(name);
        let op = ops.iter().find(|o| o.left == l && o.right == r).expect("a built-in operator");
        Expr::Call {
            function: FunctionRef::Builtin(registry::function(op.function).expect("it has a function")),
            args: vec![left, right],
            ty: SqlType::of(op.ret),
            form: CallForm::Operator(op.oid),
            variadic: false,
            pos: Default::default(),
        }
    }

    /// What tells nothing by an error has none.
    #[test]
    fn leakproof_functions_are_total() {
        // Their kernels answer a `Result` that is never an error, or are no kernels.
        let wrong: Vec<String> = registry::functions()
            .filter(|f| quarry_catalog::builtin::procs::is_leakproof(f.oid))
            .filter(|f| f.kind() == FunctionKind::Scalar && !matches!(f.body, Body::TypeIo))
            .filter(|f| !f.total)
            .map(|f| format!("{f:?}"))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn whole_numbers_within_their_type() {
        let fine = |e: &Expr| cannot_fail(e, &[]);
        assert!(!fine(&call("+", column(), int(1))));
        assert!(!fine(&call("*", column(), column())));
        assert!(fine(&call("%", column(), int(10))));
        assert!(fine(&call("*", call("%", column(), int(10)), int(2))));
        assert!(!fine(&call("%", column(), int(0))));
        assert!(fine(&call("/", column(), int(2))));
        assert!(!fine(&call("/", column(), int(-1))));
        assert!(!fine(&call("/", int(2), column())));
        assert!(fine(&call("-", call("/", column(), int(2)), int(1))));
        assert!(!fine(&call("%", column(), column())));
    }

    #[test]
    fn patterns_that_end_well() {
        let text = |v: &str| Expr::Const { value: Datum::text(v), ty: SqlType::TEXT };
        let name = Expr::column(ColumnId(2), SqlType::TEXT);
        let fine = |p: &str| cannot_fail(&call("~~", name.clone(), text(p)), &[]);
        assert!(fine("a%"));
        assert!(fine("a\\\\"));
        assert!(!fine("a\\"));
        assert!(!cannot_fail(&call("~~", name.clone(), name.clone()), &[]));
        assert!(!cannot_fail(&call("~", name.clone(), text("a")), &[]));
    }
}
