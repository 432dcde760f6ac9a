//! Comparisons of one expression with several constants become one with an array, which an index looks up in one scan:
//!
//! ```text
//! a = 1 OR a = 2 OR b = 3 OR a IN (4, 5)  ->  a = ANY ('{1,2,4,5}') OR b = 3
//! ```
//!
//! PostgreSQL 15 keeps the OR, and makes a BitmapOr of it.

use crate::exprs::{binary, columns, has_columns, has_subquery, is_equality, is_volatile};
use quarry_functions::registry;
use quarry_plan::{ConstantFolder, Expr, FunctionRef, LogicalPlan, walk};
use quarry_types::SqlType;

/// Runs over the conditions of the plan (not inside subqueries of expressions). True if one changed.
pub fn run(plan: &mut LogicalPlan, folder: &dyn ConstantFolder) -> bool {
    let mut any = false;
    if let LogicalPlan::Filter { predicates, .. } | LogicalPlan::Join { on: predicates, .. } = plan {
        for p in predicates.iter_mut() {
            any |= merge(p, folder);
        }
    }
    for input in walk::inputs_mut(plan) {
        any |= run(input, folder);
    }
    any
}

fn merge(e: &mut Expr, folder: &dyn ConstantFolder) -> bool {
    match e {
        Expr::And(parts) => parts.iter_mut().fold(false, |any, p| merge(p, folder) | any),
        Expr::Or(branches) => {
            let mut any = branches.iter_mut().fold(false, |any, b| merge(b, folder) | any);
            any |= merge_branches(branches, folder);
            if branches.len() == 1 {
                *e = branches.remove(0);
            }
            any
        }
        _ => false,
    }
}

/// `left = value` for several values, at the place of the first.
struct Group {
    place: usize,
    members: usize,
    left: Expr,
    operator: &'static quarry_functions::OperatorDef,
    values: Vec<Expr>,
}

fn merge_branches(branches: &mut Vec<Expr>, folder: &dyn ConstantFolder) -> bool {
    let mut groups: Vec<Group> = vec![];
    let mut of: Vec<Option<usize>> = vec![];
    for (place, branch) in branches.iter().enumerate() {
        let Some((operator, left, values)) = values_of(branch) else {
            of.push(None);
            continue;
        };
        let same = groups.iter().position(|g| g.operator.oid == operator.oid && g.left == left);
        let at = same.unwrap_or_else(|| {
            groups.push(Group { place, members: 0, left, operator, values: vec![] });
            groups.len() - 1
        });
        groups[at].members += 1;
        for value in values {
            if !groups[at].values.contains(&value) {
                groups[at].values.push(value);
            }
        }
        of.push(Some(at));
    }
    if !groups.iter().any(|g| g.members > 1) {
        return false;
    }
    let merged: Vec<Option<Expr>> =
        groups.iter().map(|g| if g.members > 1 { array_test(g, folder) } else { None }).collect();
    let mut out = vec![];
    for (place, branch) in branches.drain(..).enumerate() {
        match of[place].and_then(|g| merged[g].as_ref().map(|m| (g, m))) {
            None => out.push(branch),
            Some((g, test)) if groups[g].place == place => out.push(test.clone()),
            Some(_) => {}
        }
    }
    *branches = out;
    merged.iter().any(Option::is_some)
}

/// The values that a branch compares an expression with, all of the type on the operator's right.
fn values_of(e: &Expr) -> Option<(&'static quarry_functions::OperatorDef, Expr, Vec<Expr>)> {
    let plain = |left: &Expr| has_columns(left) && !is_volatile(left) && !has_subquery(left);
    // The elements are evaluated once a row, whatever the others say: they must be values.
    let value = |e: &Expr| matches!(e, Expr::Const { .. } | Expr::Param { .. });
    if let Expr::ScalarArray { operator, left, array, all: false, .. } = e {
        let operator = registry::operator(*operator).filter(|o| is_equality(o))?;
        let elements = match &**array {
            Expr::Array { elements, nested: false, .. } if elements.iter().all(value) => elements.clone(),
            Expr::Const { ty, .. } => {
                let element = quarry_types::type_info(ty.oid).filter(|t| t.is_array())?.element;
                crate::stats::array_elements(array, *ty)?
                    .into_iter()
                    .map(|value| Expr::Const { value, ty: SqlType::of(element) })
                    .collect()
            }
            _ => return None,
        };
        let typed = elements.iter().all(|e| e.ty().oid == operator.right);
        return (plain(left) && typed).then(|| (operator, (**left).clone(), elements));
    }
    let (operator, left, right) = binary(e)?;
    let fits = is_equality(operator) && value(right) && right.ty().oid == operator.right;
    (fits && plain(left) && !columns(left).is_empty()).then(|| (operator, left.clone(), vec![right.clone()]))
}

fn array_test(g: &Group, folder: &dyn ConstantFolder) -> Option<Expr> {
    let array = quarry_types::type_info(g.operator.right)?.array;
    quarry_types::type_info(array)?;
    let function = FunctionRef::Builtin(registry::function(g.operator.function)?);
    let constant = g.values.iter().all(|v| matches!(v, Expr::Const { .. }));
    let mut elements = Expr::Array { elements: g.values.clone(), nested: false, ty: SqlType::of(array) };
    if constant {
        elements = Expr::Const { value: folder.fold(&elements).ok()?, ty: SqlType::of(array) };
    }
    Some(Expr::ScalarArray {
        function,
        operator: g.operator.oid,
        left: Box::new(g.left.clone()),
        array: Box::new(elements),
        all: false,
    })
}
