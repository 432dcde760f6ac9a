//! Statistics objects in estimates: most common combinations first, then functional dependencies (PostgreSQL:
//! `statext_clauselist_selectivity`, `dependencies_clauselist_selectivity`, `mcv_combine_selectivities`).

use crate::exprs::{binary, columns, has_subquery, is_volatile, strip_relabel};
use crate::planner::Planner;
use quarry_catalog::ExtendedStats;
use quarry_plan::{ColumnId, Expr, walk};
use quarry_types::{Datum, SqlType, oids};
use std::sync::Arc;

/// A statistics object over the columns of a scan.
struct Object {
    stats: Arc<ExtendedStats>,
    /// Its columns and expressions in order, with their numbers; none: the statement doesn't read it.
    parts: Vec<(i16, Option<Expr>)>,
}

impl Planner<'_> {
    fn objects(&mut self, scan: usize) -> Vec<Object> {
        let relation = self.stats.scans[scan].relation.oid;
        let Ok(all) = self.env.catalog.extended_stats(relation) else { return vec![] };
        let mut out = vec![];
        for stats in all.iter() {
            let mut parts = vec![];
            for number in &stats.def.columns {
                let id = self.stats.scans[scan].columns.iter().find(|c| c.1 == *number).map(|c| c.0);
                parts.push((*number, id.map(|id| Expr::column(id, self.meta.get(id).ty))));
            }
            for (i, sql) in stats.def.expressions.iter().enumerate() {
                parts.push((-1 - i as i16, self.over_scan(scan, sql)));
            }
            out.push(Object { stats: stats.clone(), parts });
        }
        out
    }

    /// The distinct combinations that a statistics object knows for the most of these expressions, and which they are.
    pub(super) fn known_combinations(&mut self, scan: usize, exprs: &[&Expr]) -> Option<(f64, Vec<bool>)> {
        let mut best: Option<(usize, f64, Vec<bool>)> = None;
        for object in self.objects(scan) {
            let number_of = |e: &Expr| {
                let found = object.parts.iter().find(|(_, p)| p.as_ref().is_some_and(|p| is_same(p, e)));
                found.map(|(number, _)| *number)
            };
            let numbers: Vec<Option<i16>> = exprs.iter().map(|e| number_of(e)).collect();
            let covered = numbers.iter().flatten().count();
            if covered < 2 || best.as_ref().is_some_and(|b| b.0 >= covered) {
                continue;
            }
            let matching = object.stats.distinct.iter().find(|c| {
                c.columns.len() == covered && numbers.iter().flatten().all(|n| c.columns.contains(n))
            });
            if let Some(c) = matching {
                best = Some((covered, c.value, numbers.iter().map(Option::is_some).collect()));
            }
        }
        best.map(|(_, value, used)| (value, used))
    }

    /// Selectivity of those conditions that statistics objects know together; marks them done.
    pub(super) fn extended_share(&mut self, conditions: &[Expr], done: &mut [bool], any: bool) -> f64 {
        let mut scans: Vec<usize> = vec![];
        for (c, _) in conditions.iter().zip(done.iter()).filter(|(_, d)| !**d) {
            if let Some(scan) = self.scan_of(c)
                && !scans.contains(&scan)
            {
                scans.push(scan);
            }
        }
        let mut share = if any { 0.0 } else { 1.0 };
        for scan in scans {
            let relation = self.stats.scans[scan].relation.oid;
            if !self.env.catalog.extended_stats(relation).is_ok_and(|s| !s.is_empty()) {
                continue;
            }
            let objects = self.objects(scan);
            share = self.by_common_values(scan, &objects, conditions, done, any, share);
            if !any {
                share *= self.by_dependencies(scan, &objects, conditions, done);
            }
        }
        share
    }

    /// Which parts of an object a condition reads; none: something else too.
    fn covered(&self, scan: usize, object: &Object, e: &Expr) -> Option<Vec<i16>> {
        if self.scan_of(e) != Some(scan) || is_volatile(e) || has_subquery(e) {
            return None;
        }
        let mut found = vec![];
        let rest = replaced(e, object, &mut |number| {
            if !found.contains(&number) {
                found.push(number);
            }
            Datum::Null
        });
        (columns(&rest).is_empty() && !found.is_empty()).then_some(found)
    }

    fn by_common_values(
        &mut self,
        scan: usize,
        objects: &[Object],
        conditions: &[Expr],
        done: &mut [bool],
        any: bool,
        mut share: f64,
    ) -> f64 {
        loop {
            // The object that knows the most of what is left, with the fewest columns besides.
            let mut best: Option<(usize, usize, &Object, Vec<usize>)> = None;
            for object in objects.iter().filter(|o| !o.stats.common.is_empty()) {
                let (mut numbers, mut members): (Vec<i16>, Vec<usize>) = (vec![], vec![]);
                for (i, c) in conditions.iter().enumerate().filter(|(i, _)| !done[*i]) {
                    if let Some(read) = self.covered(scan, object, c) {
                        members.push(i);
                        numbers.extend(read);
                    }
                }
                numbers.sort_unstable();
                numbers.dedup();
                let size = object.parts.len();
                let better =
                    best.as_ref().is_none_or(|b| numbers.len() > b.0 || numbers.len() == b.0 && size < b.1);
                if numbers.len() > 1 && better {
                    best = Some((numbers.len(), size, object, members));
                }
            }
            let Some((_, _, object, members)) = best else { return share };
            let chosen: Vec<Expr> = members.iter().map(|i| conditions[*i].clone()).collect();
            members.iter().for_each(|i| done[*i] = true);
            let simple = match any {
                true => chosen.iter().fold(0.0, |s, c| {
                    let one = self.selectivity_of(c);
                    s + one - s * one
                }),
                false => self.plain_selectivity(&chosen),
            };
            let whole = if any { Expr::Or(chosen) } else { Expr::And(chosen) };
            let one = self.with_common_values(object, &whole, simple);
            share = if any { share + one - share * one } else { share * one };
        }
    }

    /// A condition's share among the most common combinations, and what it would be elsewhere.
    fn with_common_values(&self, object: &Object, whole: &Expr, simple: f64) -> f64 {
        let items = &object.stats.common;
        let tests: Vec<Expr> = items
            .iter()
            .map(|item| {
                replaced(whole, object, &mut |number| {
                    let at = object.parts.iter().position(|p| p.0 == number);
                    at.and_then(|at| item.values.get(at)).cloned().unwrap_or(Datum::Null)
                })
            })
            .collect();
        let Some(holds) = self.all_hold(tests) else { return simple };
        let (mut hit, mut base, mut total) = (0.0, 0.0, 0.0);
        for (item, holds) in items.iter().zip(holds) {
            total += item.frequency;
            if holds {
                hit += item.frequency;
                base += item.base_frequency;
            }
        }
        let other = (simple - base).clamp(0.0, 1.0).min((1.0 - total).max(0.0));
        (hit + other).clamp(0.0, 1.0)
    }

    fn by_dependencies(
        &mut self,
        scan: usize,
        objects: &[Object],
        conditions: &[Expr],
        done: &mut [bool],
    ) -> f64 {
        let mut share = 1.0;
        for object in objects.iter().filter(|o| !o.stats.dependencies.is_empty()) {
            // Equalities with one column or expression each.
            let mut fixed: Vec<(i16, Vec<usize>)> = vec![];
            for (i, c) in conditions.iter().enumerate().filter(|(i, _)| !done[*i]) {
                let Some(read) = self.covered(scan, object, c) else { continue };
                if let [number] = read[..]
                    && fixes(c)
                {
                    match fixed.iter_mut().find(|f| f.0 == number) {
                        Some(f) => f.1.push(i),
                        None => fixed.push((number, vec![i])),
                    }
                }
            }
            if fixed.len() < 2 {
                continue;
            }
            let mut alone: Vec<f64> = vec![];
            for (_, members) in &fixed {
                let chosen: Vec<Expr> = members.iter().map(|i| conditions[*i].clone()).collect();
                alone.push(self.plain_selectivity(&chosen));
            }
            // The widest dependency among what is still free, strongest first; what it implies is settled by it.
            let mut free = vec![true; fixed.len()];
            let mut used = vec![];
            loop {
                let place = |number: &i16| fixed.iter().position(|f| f.0 == *number);
                let mut best: Option<(&quarry_types::multivariate::Coefficient, usize)> = None;
                for d in &object.stats.dependencies {
                    let Some((implied, _)) = d.columns.split_last() else { continue };
                    let known = d.columns.iter().all(|n| place(n).is_some_and(|p| free[p]));
                    let Some(implied) = place(implied).filter(|_| known) else { continue };
                    let better = best.as_ref().is_none_or(|(b, _)| {
                        d.columns.len() > b.columns.len()
                            || d.columns.len() == b.columns.len() && d.value > b.value
                    });
                    if better {
                        best = Some((d, implied));
                    }
                }
                let Some((d, implied)) = best else { break };
                free[implied] = false;
                used.push((d.clone(), implied));
            }
            if used.is_empty() {
                continue;
            }
            let mut touched = vec![false; fixed.len()];
            for (d, implied) in used.iter().rev() {
                let mut determining = 1.0;
                for n in &d.columns {
                    let Some(p) = fixed.iter().position(|f| f.0 == *n) else { continue };
                    touched[p] = true;
                    if p != *implied {
                        determining *= alone[p];
                    }
                }
                let (s2, f) = (alone[*implied], d.value);
                alone[*implied] = match determining <= s2 {
                    true => f + (1.0 - f) * s2,
                    false => f * s2 / determining + (1.0 - f) * s2,
                };
            }
            for (p, (_, members)) in fixed.iter().enumerate().filter(|(p, _)| touched[*p]) {
                share *= alone[p];
                members.iter().for_each(|i| done[*i] = true);
            }
        }
        share.clamp(0.0, 1.0)
    }
}

fn is_same(a: &Expr, b: &Expr) -> bool {
    strip_relabel(a) == strip_relabel(b)
}

/// Whether a condition gives a column one value (or some).
fn fixes(e: &Expr) -> bool {
    match e {
        Expr::Call { .. } => binary(e).is_some_and(|(op, _, _)| op.restrict == "eqsel"),
        Expr::ScalarArray { operator, all: false, .. } => {
            quarry_functions::registry::operator(*operator).is_some_and(|o| o.restrict == "eqsel")
        }
        Expr::Column { .. } => true,
        Expr::Not(arg) => matches!(&**arg, Expr::Column { .. }),
        Expr::Or(parts) => parts.iter().all(fixes),
        _ => false,
    }
}

/// A condition with an object's parts replaced by values.
fn replaced(e: &Expr, object: &Object, value: &mut dyn FnMut(i16) -> Datum) -> Expr {
    let mut out = e.clone();
    walk::rewrite(&mut out, &mut |e| {
        let found = object.parts.iter().find(|(_, p)| p.as_ref().is_some_and(|p| strip_relabel(p) == e));
        if let Some((number, _)) = found {
            *e = Expr::Const { value: value(*number), ty: e.ty() };
        }
    });
    out
}

impl Planner<'_> {
    /// Which of some conditions without columns hold; none if one can't be evaluated.
    pub(super) fn all_hold(&self, tests: Vec<Expr>) -> Option<Vec<bool>> {
        if tests.is_empty() {
            return Some(vec![]);
        }
        let ty = SqlType::of(oids::BOOL_ARRAY);
        let array = Expr::Array { elements: tests, nested: false, ty };
        let value = self.env.folder.estimate(&array)?;
        let Datum::Bytes(bytes) = &value else { return None };
        let held = quarry_types::array::ArrayRef::new(bytes);
        Some(held.iter().map(|v| matches!(v, Datum::Bool(true))).collect())
    }
    /// For which values `value op other` holds.
    pub(super) fn holds_for(
        &self,
        op: &'static quarry_functions::OperatorDef,
        values: &[&Datum],
        value_ty: SqlType,
        other: &Datum,
        other_ty: SqlType,
    ) -> Option<Vec<bool>> {
        // Some column that no statement has.
        const COLUMN: ColumnId = ColumnId(u32::MAX);
        let left = Expr::column(COLUMN, value_ty);
        let condition =
            crate::exprs::operator_call(op, left, Expr::Const { value: other.clone(), ty: other_ty })?;
        self.env.folder.holds_for(&condition, COLUMN, values)
    }
}
