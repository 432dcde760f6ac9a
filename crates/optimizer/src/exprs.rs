//! Questions about expressions: volatility, strictness, operators; building and replacing parts.

use quarry_common::Oid;
use quarry_functions::{Body, FunctionKind, OperatorDef, registry};
use quarry_plan::expr::SubqueryPlan;
pub use quarry_plan::volatility::{is_volatile, plan_volatility, volatility};
use quarry_plan::{CallForm, CastKind, ColumnId, Expr, FunctionRef, LogicalPlan, SubqueryKind, walk};
use quarry_types::SqlType;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Whether `e` has a subquery in it.
pub fn has_subquery(e: &Expr) -> bool {
    walk::any(e, &|e| matches!(e, Expr::Subquery(_)))
}

/// Whether `e` reads any column.
pub fn has_columns(e: &Expr) -> bool {
    walk::reads_any(e, &mut |_| true)
}

/// The columns `e` reads, without repeats.
pub fn columns(e: &Expr) -> Vec<ColumnId> {
    let mut out = vec![];
    walk::columns_of(e, &mut out);
    if out.len() > 1 {
        out.sort_unstable();
        out.dedup();
    }
    out
}

/// An operator call's parts.
pub fn binary(e: &Expr) -> Option<(&'static OperatorDef, &Expr, &Expr)> {
    match e {
        Expr::Call { args, form: CallForm::Operator(oid), .. } if args.len() == 2 => {
            Some((registry::operator(*oid)?, &args[0], &args[1]))
        }
        _ => None,
    }
}

/// Whether an operator means equality of its type (usable for hashing or merging).
pub fn is_equality(op: &OperatorDef) -> bool {
    op.name == "=" && (op.merges || op.hashes)
}

/// A call of an operator.
pub fn operator_call(op: &'static OperatorDef, left: Expr, right: Expr) -> Option<Expr> {
    Some(Expr::Call {
        function: FunctionRef::Builtin(registry::function(op.function)?),
        args: vec![left, right],
        ty: SqlType::of(op.ret),
        form: CallForm::Operator(op.oid),
        variadic: false,
        pos: Default::default(),
    })
}

/// The same comparison with its sides exchanged.
pub fn commuted(e: &Expr) -> Option<Expr> {
    let (op, left, right) = binary(e)?;
    operator_call(registry::operator(op.commutator)?, right.clone(), left.clone())
}

/// `left = right` for two expressions of one built-in type (binary-compatible ones included).
pub fn equality(left: Expr, right: Expr) -> Option<Expr> {
    let (l, r) = (left.ty().oid, right.ty().oid);
    operator_call(EQUALITIES.get(&(l, r))?, left, right)
}

/// The built-in operators `=` by the types of their operands; of several, the first.
static EQUALITIES: LazyLock<hashbrown::HashMap<(Oid, Oid), &'static OperatorDef>> = LazyLock::new(|| {
    let all = registry::operators_named("=").iter().rev();
    all.map(|op| ((op.left, op.right), *op)).collect()
});

/// `e` without casts that change nothing but the type's name.
pub fn strip_relabel(mut e: &Expr) -> &Expr {
    while let Expr::Cast { arg, kind: CastKind::Relabel, .. } = e {
        e = arg;
    }
    e
}

/// Columns that, NULL, make `e` NULL (or, with `condition`, make it not true).
pub fn nonnullable(e: &Expr, condition: bool, out: &mut Vec<ColumnId>) {
    match e {
        Expr::Column { id, .. } => out.push(*id),
        Expr::Call { function, args, .. } => {
            let def = function.def();
            if def.strict && def.kind() == FunctionKind::Scalar && !matches!(def.body, Body::TypeIo) {
                args.iter().for_each(|a| nonnullable(a, false, out));
            }
        }
        Expr::And(parts) if condition => parts.iter().for_each(|p| nonnullable(p, true, out)),
        Expr::And(parts) | Expr::Or(parts) => {
            // NULL or true in one branch doesn't follow from another's NULL: only what all branches share.
            let mut shared: Option<Vec<ColumnId>> = None;
            for p in parts {
                let mut own = vec![];
                nonnullable(p, condition, &mut own);
                shared = Some(match shared {
                    None => own,
                    Some(s) => s.into_iter().filter(|c| own.contains(c)).collect(),
                });
            }
            out.extend(shared.unwrap_or_default());
        }
        Expr::Not(arg) => nonnullable(arg, false, out),
        Expr::IsNull { arg, negated: true } if condition => nonnullable(arg, false, out),
        Expr::IsBool { arg, test, .. } if condition => {
            use quarry_plan::BoolTest::*;
            if matches!(test, True | False | NotUnknown) {
                nonnullable(arg, false, out)
            }
        }
        Expr::Cast { arg, kind: CastKind::Relabel | CastKind::Io | CastKind::ArrayElements(_), .. } => {
            nonnullable(arg, false, out)
        }
        Expr::ScalarArray { left, array, function, all, .. } if function.def().strict => {
            // An empty array decides without looking at the left side: its result is then not NULL (but false for ANY).
            let nonempty = matches!(&**array, Expr::Array { elements, .. } if !elements.is_empty());
            if nonempty || (condition && !all) {
                nonnullable(left, false, out)
            }
        }
        Expr::Subquery(s) => {
            if let (SubqueryKind::Any { tests }, true) = (&s.kind, condition) {
                let mut own = vec![];
                tests.iter().for_each(|t| nonnullable(t, true, &mut own));
                out.extend(own.into_iter().filter(|c| !s.output.contains(c)));
            }
        }
        _ => {}
    }
}

/// Replaces columns by expressions, inside subqueries' plans too.
pub fn substitute(e: &mut Expr, map: &HashMap<ColumnId, Expr>) {
    if map.is_empty() {
        return;
    }
    walk::rewrite(e, &mut |e| match e {
        Expr::Column { id, .. } => {
            if let Some(new) = map.get(id) {
                *e = new.clone();
            }
        }
        Expr::Subquery(s) => {
            if let SubqueryPlan::Logical(plan) = &mut s.plan {
                substitute_plan(plan, map);
            }
        }
        _ => {}
    });
}

/// Replaces columns in all expressions of a plan, except where an input still gives the column itself (a projection below that passed
/// it on under its own id computes it now).
pub fn substitute_plan(plan: &mut LogicalPlan, map: &HashMap<ColumnId, Expr>) {
    let given: Vec<ColumnId> = walk::inputs(plan)
        .into_iter()
        .flat_map(walk::output_columns)
        .filter(|id| map.contains_key(id))
        .collect();
    if given.is_empty() {
        walk::exprs_mut(plan).into_iter().for_each(|e| substitute(e, map));
    } else {
        let mut rest = map.clone();
        rest.retain(|id, _| !given.contains(id));
        walk::exprs_mut(plan).into_iter().for_each(|e| substitute(e, &rest));
    }
    // A LATERAL item reads what is given beside it.
    if let LogicalPlan::Join { left, right, .. } = plan {
        substitute_plan(left, map);
        let beside = walk::output_columns(left);
        if !beside.iter().any(|id| map.contains_key(id)) {
            return substitute_plan(right, map);
        }
        let mut rest = map.clone();
        rest.retain(|id, _| !beside.contains(id));
        return substitute_plan(right, &rest);
    }
    for input in walk::inputs_mut(plan) {
        substitute_plan(input, map);
    }
}

/// The logical opposite of a condition, pushed down to comparisons where that is possible.
pub fn negate(e: Expr) -> Expr {
    match e {
        Expr::Not(arg) => *arg,
        Expr::And(parts) => Expr::Or(parts.into_iter().map(negate).collect()),
        Expr::Or(parts) => Expr::And(parts.into_iter().map(negate).collect()),
        // Of a whole row IS NULL and IS NOT NULL are no opposites.
        Expr::IsNull { arg, negated } if !matches!(&*arg, Expr::Row { .. }) && !is_row_type(&arg) => {
            Expr::IsNull { arg, negated: !negated }
        }
        Expr::IsBool { arg, test } => {
            use quarry_plan::BoolTest::*;
            let test = match test {
                True => NotTrue,
                NotTrue => True,
                False => NotFalse,
                NotFalse => False,
                Unknown => NotUnknown,
                NotUnknown => Unknown,
            };
            Expr::IsBool { arg, test }
        }
        Expr::IsDistinct { left, right, equals, operator, negated } => {
            Expr::IsDistinct { left, right, equals, operator, negated: !negated }
        }
        Expr::Const { value: quarry_types::Datum::Bool(b), ty } => {
            Expr::Const { value: quarry_types::Datum::Bool(!b), ty }
        }
        Expr::Const { value: quarry_types::Datum::Null, ty } => Expr::null(ty),
        Expr::Call { function, mut args, ty, form: CallForm::Operator(oid), variadic, pos } => {
            let negator = registry::operator(oid)
                .filter(|o| o.negator.is_valid())
                .and_then(|o| registry::operator(o.negator));
            match negator {
                Some(op) if args.len() == 2 && registry::function(op.function).is_some() => {
                    let (right, left) = (args.pop(), args.pop());
                    match (left, right) {
                        (Some(l), Some(r)) => operator_call(op, l, r).unwrap_or(Expr::bool_const(false)),
                        _ => Expr::bool_const(false),
                    }
                }
                _ => Expr::Not(Box::new(Expr::Call {
                    function,
                    args,
                    ty,
                    form: CallForm::Operator(oid),
                    variadic,
                    pos,
                })),
            }
        }
        Expr::ScalarArray { function, operator, left, array, all } => {
            let negator = registry::operator(operator)
                .filter(|o| o.negator.is_valid())
                .and_then(|o| registry::operator(o.negator))
                .and_then(|o| Some((o, registry::function(o.function)?)));
            match negator {
                Some((o, f)) => Expr::ScalarArray {
                    function: FunctionRef::Builtin(f),
                    operator: o.oid,
                    left,
                    array,
                    all: !all,
                },
                None => Expr::Not(Box::new(Expr::ScalarArray { function, operator, left, array, all })),
            }
        }
        other => Expr::Not(Box::new(other)),
    }
}

/// Whether a value is a record, whose IS NULL looks at its fields.
pub fn is_row_type(e: &Expr) -> bool {
    let oid = e.ty().oid;
    oid == quarry_types::oids::RECORD
        || match quarry_types::type_info(oid) {
            Some(t) => t.kind == 'c',
            None => true,
        }
}

/// Whether `e` is the constant true / false (or NULL as a condition).
pub fn is_true(e: &Expr) -> bool {
    matches!(e, Expr::Const { value: quarry_types::Datum::Bool(true), .. })
}
pub fn is_false_or_null(e: &Expr) -> bool {
    matches!(e, Expr::Const { value: quarry_types::Datum::Bool(false) | quarry_types::Datum::Null, .. })
}
