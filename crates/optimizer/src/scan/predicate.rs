//! Proofs that conditions imply a predicate (PostgreSQL: `predtest.c`): a partial index can serve a query only if every row the query
//! wants is in it.
//!
//! Conditions are known to be true for the rows in question; the predicate must then be true too. AND and OR are taken apart as in
//! `predtest.c`; `= ANY (constant array)` is an OR and `op ALL` an AND of its elements. What is left are single comparisons, proven by
//! the order of their constants, and IS NOT NULL, proven by strictness. No proof is no refutation: the answer no means "not known".

use super::index::same;
use crate::exprs::{binary, commuted, is_row_type, strip_relabel};
use crate::planner::Planner;
use quarry_functions::{Body, FunctionKind, registry};
use quarry_plan::{BoolTest, CastKind, Expr};
use quarry_types::{Datum, oids};
use std::cmp::Ordering;

/// Elements up to which an array is taken apart.
const ARRAY_MAX: usize = 100;

/// How deep conditions may nest before the proof is given up.
const DEPTH_MAX: usize = 64;

/// A condition as a proof sees it.
enum Class<'e> {
    And(Vec<Term<'e>>),
    Or(Vec<Term<'e>>),
    Atom,
}

/// A condition, borrowed from the query or made out of one.
enum Term<'e> {
    Given(&'e Expr),
    Made(Expr),
}

impl Term<'_> {
    fn expr(&self) -> &Expr {
        match self {
            Term::Given(e) => e,
            Term::Made(e) => e,
        }
    }
}

impl Planner<'_> {
    /// Whether rows for which all of `clauses` are true also satisfy all of `predicate`.
    pub(crate) fn clauses_imply(&self, clauses: &[Expr], predicate: &[Expr]) -> bool {
        predicate.iter().all(|p| self.any_implies(clauses, p))
    }

    /// Whether all of `clauses` together, each known to be true, imply one condition.
    fn any_implies(&self, clauses: &[Expr], p: &Expr) -> bool {
        match classify(p) {
            Class::And(parts) => parts.iter().all(|part| self.any_implies(clauses, part.expr())),
            Class::Or(parts) => {
                parts.iter().any(|part| self.any_implies(clauses, part.expr()))
                    || clauses.iter().any(|c| self.implies(c, p, 0))
            }
            Class::Atom => clauses.iter().any(|c| self.implies(c, p, 0)),
        }
    }

    /// Whether one condition implies another.
    fn implies(&self, c: &Expr, p: &Expr, depth: usize) -> bool {
        if depth > DEPTH_MAX {
            return false;
        }
        if same(c, p) {
            return true;
        }
        let next = depth + 1;
        match (classify(c), classify(p)) {
            (Class::And(_), Class::And(parts)) | (Class::Atom, Class::And(parts)) => {
                parts.iter().all(|part| self.implies(c, part.expr(), next))
            }
            (Class::And(own), Class::Or(parts)) => {
                parts.iter().any(|part| self.implies(c, part.expr(), next))
                    || own.iter().any(|o| self.implies(o.expr(), p, next))
            }
            (Class::And(own), Class::Atom) => own.iter().any(|o| self.implies(o.expr(), p, next)),
            // Whichever branch holds, the predicate must follow from it.
            (Class::Or(own), Class::Or(_)) | (Class::Or(own), Class::Atom) => {
                !own.is_empty() && own.iter().all(|o| self.implies(o.expr(), p, next))
            }
            (Class::Or(own), Class::And(parts)) => {
                parts.iter().all(|part| self.implies(c, part.expr(), next))
                    || !own.is_empty() && own.iter().all(|o| self.implies(o.expr(), p, next))
            }
            (Class::Atom, Class::Or(parts)) => parts.iter().any(|part| self.implies(c, part.expr(), next)),
            (Class::Atom, Class::Atom) => self.atom_implies(c, p),
        }
    }

    fn atom_implies(&self, c: &Expr, p: &Expr) -> bool {
        match p {
            Expr::IsNull { arg, negated: true } if !is_row_type(arg) => {
                return is_strict_for(c, strip_relabel(arg), true);
            }
            Expr::IsBool { arg, test } => {
                return match test {
                    BoolTest::True => same(c, arg),
                    BoolTest::NotFalse => same(c, arg),
                    BoolTest::False | BoolTest::NotTrue => matches!(c, Expr::Not(inner) if same(inner, arg)),
                    BoolTest::NotUnknown => {
                        same(c, arg)
                            || matches!(c, Expr::Not(inner) if same(inner, arg))
                            || is_strict_for(c, strip_relabel(arg), true)
                    }
                    BoolTest::Unknown => false,
                };
            }
            Expr::Not(inner) => {
                return matches!(c, Expr::IsBool { arg, test: BoolTest::False } if same(arg, inner));
            }
            _ => {}
        }
        if let Expr::IsBool { arg, test: BoolTest::True } = c {
            return self.implies(arg, p, DEPTH_MAX - 1);
        }
        self.comparison_implies(c, p)
    }

    /// `x op1 constant` implies `x op2 constant`, or `x op1 y` implies `x op2 y`.
    fn comparison_implies(&self, c: &Expr, p: &Expr) -> bool {
        let (Some(c), Some(p)) = (upright(c), upright(p)) else { return false };
        let (Some((cop, cl, cr)), Some((pop, pl, pr))) = (binary(&c), binary(&p)) else { return false };
        let (Some(have), Some(wanted)) = (Comparison::of(cop.name), Comparison::of(pop.name)) else {
            return false;
        };
        let (cl, pl) = (strip_relabel(cl), strip_relabel(pl));
        if !same(cl, pl) {
            return false;
        }
        if same(cr, pr) && !crate::exprs::is_volatile(cr) {
            return have.implies_at(wanted, Ordering::Equal);
        }
        match (cr, pr) {
            (Expr::Const { value: a, ty: at }, Expr::Const { value: b, ty: bt }) => {
                self.compare_constants(a, at.oid, b, bt.oid).is_some_and(|o| have.implies_at(wanted, o))
            }
            _ => false,
        }
    }

    fn compare_constants(
        &self,
        a: &Datum,
        a_type: quarry_common::Oid,
        b: &Datum,
        b_type: quarry_common::Oid,
    ) -> Option<Ordering> {
        if a.is_null() || b.is_null() {
            return None;
        }
        if let (Some(a), Some(b)) = (whole_number(a, a_type), whole_number(b, b_type)) {
            return Some(a.cmp(&b));
        }
        let text = |o| matches!(o, oids::TEXT | oids::VARCHAR);
        if a_type != b_type && !(text(a_type) && text(b_type)) {
            return None;
        }
        let info = self.env.catalog.type_ref(a_type).ok()?;
        info.functions.compare?;
        Some(quarry_types::compare::compare_datums(a, b, &info))
    }
}

/// A comparison with the constant, if there is one, on the right.
fn upright(e: &Expr) -> Option<Expr> {
    let (_, left, right) = binary(e)?;
    let constant = |e: &Expr| matches!(e, Expr::Const { .. } | Expr::Param { .. });
    if constant(left) && !constant(right) { commuted(e) } else { Some(e.clone()) }
}

fn whole_number(v: &Datum, ty: quarry_common::Oid) -> Option<i64> {
    match (v, ty) {
        (Datum::I16(v), oids::INT2) => Some(i64::from(*v)),
        (Datum::I32(v), oids::INT4) => Some(i64::from(*v)),
        (Datum::I64(v), oids::INT8) => Some(*v),
        _ => None,
    }
}

/// What a comparison operator says of its left side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Comparison {
    fn of(name: &str) -> Option<Comparison> {
        Some(match name {
            "=" => Comparison::Eq,
            "<>" => Comparison::Ne,
            "<" => Comparison::Lt,
            "<=" => Comparison::Le,
            ">" => Comparison::Gt,
            ">=" => Comparison::Ge,
            _ => return None,
        })
    }

    /// Whether `x self a` implies `x wanted b`, where `a` compares with `b` like `order`.
    fn implies_at(self, wanted: Comparison, order: Ordering) -> bool {
        use Comparison::*;
        let (lt, eq, gt) = (order.is_lt(), order.is_eq(), order.is_gt());
        match (self, wanted) {
            (Eq, Eq) => eq,
            (Eq, Ne) => !eq,
            (Eq, Lt) => lt,
            (Eq, Le) => lt || eq,
            (Eq, Gt) => gt,
            (Eq, Ge) => gt || eq,
            (Lt, Lt | Le | Ne) => lt || eq,
            (Le, Le) => lt || eq,
            (Le, Lt | Ne) => lt,
            (Gt, Gt | Ge | Ne) => gt || eq,
            (Ge, Ge) => gt || eq,
            (Ge, Gt | Ne) => gt,
            (Ne, Ne) => eq,
            _ => false,
        }
    }
}

fn classify(e: &Expr) -> Class<'_> {
    match e {
        Expr::And(parts) => Class::And(parts.iter().map(Term::Given).collect()),
        Expr::Or(parts) => Class::Or(parts.iter().map(Term::Given).collect()),
        Expr::ScalarArray { left, array, operator, all, .. } => {
            match elements(left, array, *operator) {
                // Of no element ANY is false and ALL is true: neither is worth a proof.
                Some(parts) if !parts.is_empty() => {
                    let parts = parts.into_iter().map(Term::Made).collect();
                    if *all { Class::And(parts) } else { Class::Or(parts) }
                }
                _ => Class::Atom,
            }
        }
        _ => Class::Atom,
    }
}

/// `left op element` for each element of a constant array.
fn elements(left: &Expr, array: &Expr, operator: quarry_common::Oid) -> Option<Vec<Expr>> {
    let op = registry::operator(operator)?;
    let values: Vec<Expr> = match strip_relabel(array) {
        Expr::Array { elements, nested: false, .. } if elements.len() <= ARRAY_MAX => elements.clone(),
        e @ Expr::Const { ty, .. } => {
            let element = quarry_types::type_info(ty.oid)?.element;
            let values = crate::stats::array_elements(e, *ty)?;
            if values.len() > ARRAY_MAX {
                return None;
            }
            let ty = quarry_types::SqlType::of(element);
            values.into_iter().map(|value| Expr::Const { value, ty }).collect()
        }
        _ => return None,
    };
    values.into_iter().map(|v| crate::exprs::operator_call(op, left.clone(), v)).collect()
}

/// Whether `e` can't be true while `arg` is NULL (with `condition`; without: it is NULL then) (PostgreSQL: `clause_is_strict_for`).
fn is_strict_for(e: &Expr, arg: &Expr, condition: bool) -> bool {
    if same(strip_relabel(e), arg) {
        return true;
    }
    match e {
        Expr::Call { function, args, .. } => {
            let def = function.def();
            def.strict
                && def.kind() == FunctionKind::Scalar
                && !matches!(def.body, Body::TypeIo)
                && args.iter().any(|a| is_strict_for(a, arg, false))
        }
        Expr::Not(inner) => is_strict_for(inner, arg, false),
        Expr::Cast {
            arg: inner,
            kind: CastKind::Relabel | CastKind::Io | CastKind::ArrayElements(_),
            ..
        } => is_strict_for(inner, arg, false),
        Expr::IsNull { arg: inner, negated: true } if condition && !is_row_type(inner) => {
            is_strict_for(inner, arg, false)
        }
        Expr::IsBool { arg: inner, test: BoolTest::True | BoolTest::False | BoolTest::NotUnknown }
            if condition =>
        {
            is_strict_for(inner, arg, false)
        }
        Expr::ScalarArray { left, array, function, all, .. } if function.def().strict => {
            // ANY of an empty array is false whatever the left side is; ALL of one is true.
            let nonempty = match strip_relabel(array) {
                Expr::Array { elements, .. } => !elements.is_empty(),
                e @ Expr::Const { ty, .. } => {
                    crate::stats::array_elements(e, *ty).is_some_and(|v| !v.is_empty())
                }
                _ => false,
            };
            (nonempty || condition && !all) && is_strict_for(left, arg, false)
        }
        Expr::And(parts) if condition => parts.iter().any(|p| is_strict_for(p, arg, true)),
        Expr::And(parts) | Expr::Or(parts) => {
            !parts.is_empty() && parts.iter().all(|p| is_strict_for(p, arg, condition))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Comparison;
    use std::cmp::Ordering;

    /// Every proof holds for all numbers of a small range, and none that holds for all of them is missed.
    #[test]
    fn comparisons_imply_what_they_should() {
        use Comparison::*;
        let holds = |op: Comparison, x: i32, c: i32| match op {
            Eq => x == c,
            Ne => x != c,
            Lt => x < c,
            Le => x <= c,
            Gt => x > c,
            Ge => x >= c,
        };
        for have in [Eq, Ne, Lt, Le, Gt, Ge] {
            for wanted in [Eq, Ne, Lt, Le, Gt, Ge] {
                // Spaced by ten, so that there are values between: an order need not be that of whole numbers.
                for (a, b) in [(10, 20), (20, 20), (20, 10)] {
                    let true_for_all = (-5..40).all(|x| !holds(have, x, a) || holds(wanted, x, b));
                    let order: Ordering = a.cmp(&b);
                    assert_eq!(have.implies_at(wanted, order), true_for_all);
                }
            }
        }
    }
}
