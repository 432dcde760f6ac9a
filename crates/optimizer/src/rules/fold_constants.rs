//! Evaluates what doesn't depend on rows and simplifies conditions (PostgreSQL: `eval_const_expressions`).
//!
//! An expression whose evaluation fails is left as it is and the first such error is handed to the caller: PostgreSQL refuses a
//! statement with `1/0` in it when it is planned, unless the constant is in a place that other constants have decided (a CASE
//! branch never taken, an AND behind a false) or that has been dropped with an unread column.

use super::{Rule, Rules};
use crate::exprs::{binary, has_columns, has_subquery, is_row_type, is_volatile, negate};
use quarry_common::Error;
use quarry_functions::{FunctionKind, Volatility};
use quarry_plan::{BoolTest, CastKind, ConstantFolder, Expr, JoinKind, LogicalPlan, walk};
use quarry_types::{Datum, oids};

/// Folds all expressions of a plan (not those inside subqueries of expressions), if the rule is allowed. Answers the first error.
pub fn run(plan: &mut LogicalPlan, folder: &dyn ConstantFolder, rules: &Rules) -> Result<(), Error> {
    let mut outcome = Outcome::default();
    run_all(plan, folder, rules.allows(Rule::FoldConstants), &mut outcome);
    if outcome.changed {
        rules.fire(Rule::FoldConstants);
    }
    outcome.error.map_or(Ok(()), Err)
}

/// What has become of folding.
#[derive(Default)]
struct Outcome {
    /// The first error.
    error: Option<Error>,
    /// Whether anything was evaluated or decided.
    changed: bool,
}

/// Without `fold`, conditions are only taken apart.
fn run_all(plan: &mut LogicalPlan, folder: &dyn ConstantFolder, fold: bool, failed: &mut Outcome) {
    // A false condition decides what stands behind it.
    let conditions = matches!(plan, LogicalPlan::Filter { .. } | LogicalPlan::Join { .. });
    let mut ignored = Outcome::default();
    let mut decided = false;
    for e in walk::exprs_mut(plan).into_iter().filter(|_| fold) {
        let failed = if decided { &mut ignored } else { &mut *failed };
        if !matches!(e, Expr::Column { .. } | Expr::Const { .. } | Expr::Param { .. }) {
            fold_into(e, folder, failed);
        }
        decided |= conditions && matches!(e, Expr::Const { value: Datum::Bool(false), .. });
    }
    if let LogicalPlan::Filter { predicates, .. } | LogicalPlan::Join { on: predicates, .. } = plan
        && predicates.iter().any(|p| matches!(p, Expr::And(_)) || crate::exprs::is_true(p))
    {
        let parts = std::mem::take(predicates);
        *predicates =
            parts.into_iter().flat_map(Expr::into_conjuncts).filter(|p| !crate::exprs::is_true(p)).collect();
    }
    let of_groups =
        matches!(plan, LogicalPlan::Filter { input, .. } if matches!(**input, LogicalPlan::Aggregate { .. }));
    if let LogicalPlan::Filter { predicates, .. }
    | LogicalPlan::Join { on: predicates, kind: JoinKind::Inner | JoinKind::Semi, .. } = plan
        && fold
        && !of_groups
    {
        for p in predicates {
            if let Some(simple) = equal_to_itself(p) {
                *p = simple;
                failed.changed = true;
            }
        }
    }
    for input in walk::inputs_mut(plan) {
        run_all(input, folder, fold, failed);
    }
}

/// A condition `x = x` holds where x is not NULL, and says more about how many rows are left so.
fn equal_to_itself(e: &Expr) -> Option<Expr> {
    let (op, left, right) = binary(e)?;
    let plain = op.merges
        && op.restrict == "eqsel"
        && left == right
        && has_columns(left)
        && !has_subquery(left)
        && !is_row_type(left)
        && !is_volatile(left);
    plain.then(|| Expr::IsNull { arg: Box::new(left.clone()), negated: true })
}

fn is_const(e: &Expr) -> bool {
    matches!(e, Expr::Const { .. })
}
fn is_null(e: &Expr) -> bool {
    matches!(e, Expr::Const { value: Datum::Null, .. })
}

/// Folds one expression; what can't be evaluated stays.
pub fn fold(e: &mut Expr, folder: &dyn ConstantFolder) {
    fold_into(e, folder, &mut Outcome::default());
}

/// Folds one expression; the first error goes into `failed`.
fn fold_into(e: &mut Expr, folder: &dyn ConstantFolder, failed: &mut Outcome) {
    // CASE first: branches that are never taken are not evaluated.
    if let Expr::Case { .. } = e {
        return fold_case(e, folder, failed);
    }
    if let Some(expanded) = quarry_plan::inline::expand(e) {
        *e = expanded;
        failed.changed = true;
    }
    let sound = failed.error.is_none();
    fold_children(e, folder, failed);
    if sound && failed.error.is_some() && matches!(e, Expr::Call { .. }) {
        // An argument's error is not to be lost in the call's NULL.
        return;
    }
    let all_const = |e: &Expr| {
        let mut yes = true;
        walk::for_each_child(e, &mut |c| yes &= is_const(c));
        yes
    };
    match e {
        Expr::Call { function, args, ty, variadic, .. } => {
            let def = function.def();
            if def.kind() != FunctionKind::Scalar {
                return;
            }
            if def.strict && !*variadic && def.volatility != Volatility::Volatile && args.iter().any(is_null)
            {
                *e = Expr::null(*ty);
                failed.changed = true;
                return;
            }
            if def.volatility == Volatility::Immutable && args.iter().all(is_const) {
                evaluate(e, folder, failed);
            } else if let Some(simple) = boolean_comparison(e) {
                *e = simple;
                failed.changed = true;
            }
        }
        Expr::And(_) | Expr::Or(_) => {
            let constant = |e: &Expr| {
                let mut found = false;
                walk::for_each_child(e, &mut |c| found |= is_const(c));
                found
            };
            failed.changed |= constant(e);
            simplify_boolean(e)
        }
        Expr::Not(arg) => {
            let inner = std::mem::replace(&mut **arg, Expr::bool_const(true));
            *e = negate(inner);
            if let Expr::And(_) | Expr::Or(_) = e {
                walk::for_each_child_mut(e, &mut |child| {
                    if let Expr::And(_) | Expr::Or(_) = child {
                        simplify_boolean(child)
                    }
                });
                simplify_boolean(e);
            }
        }
        Expr::IsNull { arg, negated } => {
            if let Expr::Const { value, .. } = &**arg
                && (value.is_null() || !is_row_type(arg))
            {
                *e = Expr::bool_const(value.is_null() != *negated);
                failed.changed = true;
            }
        }
        Expr::IsBool { arg, test } => {
            if let Expr::Const { value, .. } = &**arg {
                let v = match value {
                    Datum::Bool(b) => Some(*b),
                    _ => None,
                };
                *e = Expr::bool_const(match test {
                    BoolTest::True => v == Some(true),
                    BoolTest::NotTrue => v != Some(true),
                    BoolTest::False => v == Some(false),
                    BoolTest::NotFalse => v != Some(false),
                    BoolTest::Unknown => v.is_none(),
                    BoolTest::NotUnknown => v.is_some(),
                });
            }
        }
        Expr::Coalesce { args, ty } => {
            let mut kept: Vec<Expr> = vec![];
            for a in std::mem::take(args) {
                if is_null(&a) {
                    continue;
                }
                let last = is_const(&a);
                kept.push(a);
                if last {
                    break;
                }
            }
            match kept.len() {
                0 => *e = Expr::null(*ty),
                1 => *e = kept.remove(0),
                _ => *args = kept,
            }
        }
        Expr::Cast { arg, ty, kind, .. } => {
            let Expr::Const { value, ty: from } = &**arg else { return };
            match kind {
                // The bits stay, but their form may change: an int4 becomes an oid. Types of users lie as what they are made of.
                CastKind::Relabel => {
                    let relabeled = match quarry_types::type_info(ty.oid) {
                        Some(t) => quarry_functions::cast::relabel_datum(value.clone(), t.physical),
                        None => Ok(value.clone()),
                    };
                    if let Ok(value) = relabeled {
                        *e = Expr::Const { value, ty: *ty };
                    }
                }
                CastKind::Io if value.is_null() => *e = Expr::null(*ty),
                CastKind::Io if stable_text(from.oid) && stable_text(ty.oid) => evaluate(e, folder, failed),
                CastKind::ArrayElements(element) => {
                    let element = element.clone();
                    if crate::exprs::volatility(&element) == Volatility::Immutable {
                        evaluate(e, folder, failed)
                    }
                }
                _ => {}
            }
        }
        // Nothing equals a NULL.
        Expr::NullIf { left, right, .. } if is_null(left) || is_null(right) => {
            *e = std::mem::replace(&mut **left, Expr::bool_const(true));
            failed.changed = true;
        }
        Expr::Subscript { container, assign: None, ty, .. } if is_null(container) => {
            *e = Expr::null(*ty);
            failed.changed = true;
        }
        Expr::Array { .. }
        | Expr::MinMax { .. }
        | Expr::NullIf { .. }
        | Expr::IsDistinct { .. }
        | Expr::Subscript { assign: None, .. }
            if all_const(e) && quarry_types::type_info(e.ty().oid).is_some() =>
        {
            evaluate(e, folder, failed)
        }
        Expr::ScalarArray { function, .. } => {
            let immutable = function.def().volatility == Volatility::Immutable;
            if immutable && all_const(e) {
                evaluate(e, folder, failed)
            }
        }
        _ => {}
    }
}

/// Folds a CASE: branches behind a true condition go, and those whose condition is false or NULL.
fn fold_case(e: &mut Expr, folder: &dyn ConstantFolder, failed: &mut Outcome) {
    let Expr::Case { operand, whens, otherwise, ty } = e else { return };
    if let Some(value) = operand {
        fold_into(value, folder, failed);
        if is_const(value) {
            // Its value stands in each condition, which are those of a CASE without an operand then.
            whens.iter_mut().for_each(|(when, _)| put_operand(when, value));
            *operand = None;
            failed.changed = true;
        }
    }
    let mut kept = vec![];
    let mut end = None;
    for (mut when, mut then) in std::mem::take(whens) {
        fold_into(&mut when, folder, failed);
        if crate::exprs::is_false_or_null(&when) {
            failed.changed = true;
            continue;
        }
        let sure = crate::exprs::is_true(&when);
        fold_into(&mut then, folder, failed);
        if sure {
            end = Some(then);
            break;
        }
        kept.push((when, then));
    }
    let end = end.or_else(|| {
        otherwise.take().map(|mut o| {
            fold_into(&mut o, folder, failed);
            *o
        })
    });
    if kept.is_empty() {
        *e = end.unwrap_or(Expr::null(*ty));
        failed.changed = true;
        return;
    }
    *whens = kept;
    *otherwise = end.map(Box::new);
}

/// Puts a CASE's operand where a condition names it: an argument of the comparison, with casts around it. What else is in there
/// has placeholders of its own.
fn put_operand(condition: &mut Expr, operand: &Expr) {
    match condition {
        Expr::Placeholder { .. } => *condition = operand.clone(),
        Expr::Call { args, .. } => args.iter_mut().for_each(|a| put_operand(a, operand)),
        Expr::Cast { arg, .. } => put_operand(arg, operand),
        Expr::Not(arg) => put_operand(arg, operand),
        _ => {}
    }
}

/// `x = true` is x, `x <> true` is NOT x (PostgreSQL: `simplify_boolean_equality`).
fn boolean_comparison(e: &Expr) -> Option<Expr> {
    let (op, left, right) = crate::exprs::binary(e)?;
    let (arg, value) = match (left, right) {
        (arg, Expr::Const { value: Datum::Bool(b), .. })
        | (Expr::Const { value: Datum::Bool(b), .. }, arg) => (arg, *b),
        _ => return None,
    };
    if op.left != oids::BOOL || op.right != oids::BOOL {
        return None;
    }
    match op.name {
        "=" => Some(if value { arg.clone() } else { negate(arg.clone()) }),
        "<>" => Some(if value { negate(arg.clone()) } else { arg.clone() }),
        _ => None,
    }
}

/// Types whose text form depends on no setting.
fn stable_text(oid: quarry_common::Oid) -> bool {
    matches!(
        oid,
        oids::INT2
            | oids::INT4
            | oids::INT8
            | oids::TEXT
            | oids::VARCHAR
            | oids::BPCHAR
            | oids::BOOL
            | oids::NUMERIC
            | oids::UUID
            | oids::OID
            | oids::NAME
            | oids::UNKNOWN
    )
}

fn evaluate(e: &mut Expr, folder: &dyn ConstantFolder, failed: &mut Outcome) {
    let ty = e.ty();
    match folder.fold(e) {
        Ok(value) => {
            *e = Expr::Const { value, ty };
            failed.changed = true;
        }
        Err(error) => drop(failed.error.get_or_insert(error)),
    }
}

/// Folds what `e` is made of, as far as constants before it don't decide.
fn fold_children(e: &mut Expr, folder: &dyn ConstantFolder, failed: &mut Outcome) {
    match e {
        Expr::And(parts) | Expr::Or(parts) if parts.is_empty() => {}
        Expr::And(_) | Expr::Or(_) => {
            let is_and = matches!(e, Expr::And(_));
            let (Expr::And(parts) | Expr::Or(parts)) = e else { return };
            for p in parts {
                fold_into(p, folder, failed);
                if matches!(p, Expr::Const { value: Datum::Bool(b), .. } if *b != is_and) {
                    return;
                }
            }
        }
        Expr::Coalesce { args, .. } => {
            for a in args {
                fold_into(a, folder, failed);
                if is_const(a) && !is_null(a) {
                    return;
                }
            }
        }
        _ => walk::for_each_child_mut(e, &mut |child| fold_into(child, folder, failed)),
    }
}

/// Flattens AND/OR and drops constants that decide nothing.
fn simplify_boolean(e: &mut Expr) {
    let is_and = matches!(e, Expr::And(_));
    let (Expr::And(parts) | Expr::Or(parts)) = e else { return };
    let mut out: Vec<Expr> = vec![];
    let mut null = false;
    for p in std::mem::take(parts) {
        let inner = match p {
            Expr::And(inner) if is_and => inner,
            Expr::Or(inner) if !is_and => inner,
            one => vec![one],
        };
        for p in inner {
            match &p {
                Expr::Const { value: Datum::Bool(b), .. } if *b == is_and => {}
                Expr::Const { value: Datum::Bool(_), .. } => {
                    *e = Expr::bool_const(!is_and);
                    return;
                }
                Expr::Const { value: Datum::Null, .. } => null = true,
                _ => out.push(p),
            }
        }
    }
    if null {
        out.push(Expr::null(quarry_types::SqlType::BOOL));
    }
    *e = match out.len() {
        0 => Expr::bool_const(is_and),
        1 => out.remove(0),
        _ if is_and => Expr::And(out),
        _ => Expr::Or(out),
    };
}
