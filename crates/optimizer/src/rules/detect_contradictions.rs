//! Conditions on a table that exclude each other let no row through, and the table needn't be read (PostgreSQL: `predtest.c`,
//! `relation_excluded_by_constraints`):
//!
//! ```text
//! a > 5 AND a < 3        a = 1 AND a IN (2, 3)        a IS NULL AND a < 7
//! ```
//!
//! With `constraint_exclusion = on` a table's CHECK constraints count as conditions. A constraint holds for NULL, too: it excludes only
//! what a condition that NULL fails asks for.

use crate::exprs::{binary, operator_call};
use quarry_functions::{OperatorDef, registry};
use quarry_plan::{ColumnId, ConstantFolder, Expr};
use quarry_types::{Datum, SqlType, oids};
use std::cmp::Ordering;

/// What a condition asks of a column.
#[derive(Clone)]
enum Test {
    /// One of `=`, `<`, `<=`, `>`, `>=`, with the constant.
    Compare(&'static str, Expr),
    /// Any of the constants.
    Any(Vec<Expr>),
    IsNull,
    IsNotNull,
}

struct Asked {
    column: ColumnId,
    test: Test,
    /// It comes from a constraint, which holds for NULL.
    constraint: bool,
}

/// Most tests that are compared with each other.
const TESTS_MAX: usize = 64;

/// Whether no row can pass all the conditions.
pub fn exclude(filter: &[Expr], folder: &dyn ConstantFolder) -> bool {
    excluded(&tests(filter, false), folder)
        || filter.iter().any(|e| branches_excluded(e, filter, &[], folder))
}

/// Whether no row that obeys the constraints can pass all the conditions.
pub fn exclude_by_checks(filter: &[Expr], checks: &[Expr], folder: &dyn ConstantFolder) -> bool {
    let mut all = tests(filter, false);
    all.extend(tests(checks, true));
    excluded(&all, folder) || filter.iter().any(|e| branches_excluded(e, filter, checks, folder))
}

/// Whether each branch of an OR contradicts the other conditions.
fn branches_excluded(e: &Expr, filter: &[Expr], checks: &[Expr], folder: &dyn ConstantFolder) -> bool {
    let Expr::Or(branches) = e else { return false };
    branches.len() <= TESTS_MAX
        && branches.iter().all(|branch| {
            let mut all = tests(std::slice::from_ref(branch), false);
            all.extend(tests(filter, false));
            all.extend(tests(checks, true));
            excluded(&all, folder)
        })
}

fn excluded(tests: &[Asked], folder: &dyn ConstantFolder) -> bool {
    if tests.len() < 2 {
        return false;
    }
    let tests = &tests[..tests.len().min(TESTS_MAX)];
    tests.iter().enumerate().any(|(i, a)| {
        tests[i + 1..]
            .iter()
            .any(|b| a.column == b.column && !(a.constraint && b.constraint) && contradict(a, b, folder))
    })
}

fn tests(conditions: &[Expr], constraint: bool) -> Vec<Asked> {
    let mut out = vec![];
    add_tests(conditions, constraint, &mut out);
    out
}

fn add_tests(conditions: &[Expr], constraint: bool, out: &mut Vec<Asked>) {
    for e in conditions {
        match e {
            Expr::And(parts) => add_tests(parts, constraint, out),
            e => out.extend(test_of(e).map(|(column, test)| Asked { column, test, constraint })),
        }
    }
}

fn test_of(e: &Expr) -> Option<(ColumnId, Test)> {
    let constant = |e: &Expr| matches!(e, Expr::Const { value, .. } if !value.is_null());
    match e {
        Expr::IsNull { arg, negated } => {
            let Expr::Column { id, .. } = &**arg else { return None };
            if crate::exprs::is_row_type(arg) {
                return None;
            }
            Some((*id, if *negated { Test::IsNotNull } else { Test::IsNull }))
        }
        Expr::ScalarArray { left, array, operator, all: false, .. } => {
            let Expr::Column { id, .. } = &**left else { return None };
            registry::operator(*operator).filter(|o| o.name == "=" && o.merges)?;
            let Expr::Const { ty, .. } = &**array else { return None };
            let element = quarry_types::type_info(ty.oid).filter(|t| t.is_array())?.element;
            let values = crate::stats::array_elements(array, *ty)?;
            let values = values.into_iter().filter(|v| !v.is_null());
            Some((
                *id,
                Test::Any(values.map(|value| Expr::Const { value, ty: SqlType::of(element) }).collect()),
            ))
        }
        // A column of type bool by itself, or its opposite.
        Expr::Column { id, ty } if ty.oid == oids::BOOL => {
            Some((*id, Test::Compare("=", Expr::bool_const(true))))
        }
        Expr::Not(arg) => match &**arg {
            Expr::Column { id, ty } if ty.oid == oids::BOOL => {
                Some((*id, Test::Compare("=", Expr::bool_const(false))))
            }
            _ => None,
        },
        e => {
            let (op, left, right) = binary(e)?;
            let (op, column, value) = match (left, right) {
                (Expr::Column { id, .. }, value) if constant(value) => (op, *id, value),
                (value, Expr::Column { id, .. }) if constant(value) => {
                    (registry::operator(op.commutator)?, *id, value)
                }
                _ => return None,
            };
            let name = ["=", "<", "<=", ">", ">="].into_iter().find(|n| *n == op.name)?;
            // Only orders of a btree: they have all five.
            operator("<", value.ty(), value.ty())?;
            Some((column, Test::Compare(name, value.clone())))
        }
    }
}

/// The operator of this name between two types.
fn operator(name: &str, left: SqlType, right: SqlType) -> Option<&'static OperatorDef> {
    registry::operators_named(name).iter().find(|o| o.left == left.oid && o.right == right.oid).copied()
}

/// The comparison of two constants, if their types have one.
fn holds(name: &str, a: &Expr, b: &Expr) -> Option<Expr> {
    operator_call(operator(name, a.ty(), b.ty())?, a.clone(), b.clone())
}

/// Whether `a name b` is certainly false.
fn refuted(name: &str, a: &Expr, b: &Expr, folder: &dyn ConstantFolder) -> bool {
    if let Some(order) = order_of(a, b) {
        return match name {
            "=" => order.is_ne(),
            "<" => order.is_ge(),
            "<=" => order.is_gt(),
            ">" => order.is_le(),
            ">=" => order.is_lt(),
            _ => false,
        };
    }
    holds(name, a, b).is_some_and(|e| matches!(folder.fold(&e), Ok(Datum::Bool(false))))
}

/// How two constants of one type compare, where that is what its operators say: nothing needs to be compiled for it then.
fn order_of(a: &Expr, b: &Expr) -> Option<Ordering> {
    let (Expr::Const { value: x, ty }, Expr::Const { value: y, ty: other }) = (a, b) else { return None };
    let plain = matches!(
        ty.oid,
        oids::INT2
            | oids::INT4
            | oids::INT8
            | oids::NUMERIC
            | oids::DATE
            | oids::TIMESTAMP
            | oids::TIMESTAMPTZ
            | oids::TEXT
            | oids::BPCHAR
    );
    if !plain || ty.oid != other.oid || x.is_null() || x.physical() != y.physical() {
        return None;
    }
    let info = quarry_types::type_info(ty.oid)?;
    info.functions.compare.map(|compare| compare(x, y))
}

fn contradict(a: &Asked, b: &Asked, folder: &dyn ConstantFolder) -> bool {
    match (&a.test, &b.test) {
        (Test::IsNull, Test::IsNull) | (Test::IsNotNull, Test::IsNotNull) => false,
        // A constraint lets NULL pass unless it says that it doesn't.
        (Test::IsNull, other) => !b.constraint || matches!(other, Test::IsNotNull),
        (other, Test::IsNull) => !a.constraint || matches!(other, Test::IsNotNull),
        (Test::IsNotNull, _) | (_, Test::IsNotNull) => false,
        (Test::Any(values), test) | (test, Test::Any(values)) => {
            values.iter().all(|v| disjoint(&Test::Compare("=", v.clone()), test, folder))
        }
        (x, y) => disjoint(x, y, folder),
    }
}

/// Whether no value passes both.
fn disjoint(a: &Test, b: &Test, folder: &dyn ConstantFolder) -> bool {
    match (a, b) {
        (Test::Any(values), test) | (test, Test::Any(values)) => {
            values.iter().all(|v| disjoint(&Test::Compare("=", v.clone()), test, folder))
        }
        (Test::Compare("=", x), Test::Compare(name, y)) => refuted(name, x, y, folder),
        (Test::Compare(name, y), Test::Compare("=", x)) => refuted(name, x, y, folder),
        (Test::Compare(low @ (">" | ">="), x), Test::Compare(high @ ("<" | "<="), y))
        | (Test::Compare(high @ ("<" | "<="), y), Test::Compare(low @ (">" | ">="), x)) => {
            // Something lies between them only if x < y, or x = y and both ends count.
            let both = *low == ">=" && *high == "<=";
            refuted(if both { "<=" } else { "<" }, x, y, folder)
        }
        _ => false,
    }
}
