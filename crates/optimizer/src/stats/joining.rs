//! Conditions between tables: equality by both sides' most common values, also for semi joins, inequality by their histograms, and
//! keys of several columns (PostgreSQL: `eqjoinsel_inner`, `eqjoinsel_semi`, `get_foreign_key_join_selectivity`).

use super::Facts;
use super::scalar::compare;
use super::selectivity::{DEFAULT_INEQUALITY, DEFAULT_MATCH};
use super::variable::{Variable, distinct_after};
use crate::exprs::{binary, columns};
use crate::planner::Planner;
use hashbrown::HashMap;
use quarry_catalog::ColumnStats;
use quarry_common::Oid;
use quarry_functions::OperatorDef;
use quarry_plan::Expr;
use quarry_types::{Datum, SqlType, TypeInfo};
use std::cmp::Ordering;
use std::sync::{Arc, Weak};

/// Values that both sides have among their most common ones.
#[derive(Clone, Copy, Default)]
pub(super) struct Matches {
    /// Sum of the products of their frequencies, sums of both sides'.
    product: f64,
    left: f64,
    right: f64,
    count: f64,
}

/// The right side's statistics, how many of its values count, and both sides' types.
pub(super) struct Asked {
    right: Weak<ColumnStats>,
    most_right: usize,
    types: (Oid, Oid),
}

/// What two sides have in common, and their statistics.
pub(super) type Known = (Matches, [Arc<ColumnStats>; 2]);

impl Matches {
    fn add(&mut self, left: f32, right: f32) {
        self.product += f64::from(left) * f64::from(right);
        self.left += f64::from(left);
        self.right += f64::from(right);
        self.count += 1.0;
    }
}

/// What lists of whole numbers have in common.
fn whole_numbers(x: &ColumnStats, y: &ColumnStats, most_right: usize) -> Option<Matches> {
    let number = |v: &Datum| match v {
        Datum::I16(v) => Some(i64::from(*v)),
        Datum::I32(v) => Some(i64::from(*v)),
        Datum::I64(v) => Some(*v),
        _ => None,
    };
    // All values of a list have one form. Dates and timestamps are numbers of different units.
    let form = |s: &ColumnStats| s.mcv.first().map(|(v, _)| v.physical());
    if form(x) != form(y) {
        return None;
    }
    let mut right: HashMap<i64, f32> = HashMap::with_capacity(most_right);
    for (v, f) in &y.mcv[..most_right] {
        right.insert(number(v)?, *f);
    }
    let mut out = Matches::default();
    for (v, f) in &x.mcv {
        if let Some(g) = right.remove(&number(v)?) {
            out.add(*f, g);
        }
    }
    Some(out)
}

/// What any lists have in common.
fn compared(x: &ColumnStats, y: &ColumnStats, most_right: usize, info: &TypeInfo, ty: SqlType) -> Matches {
    let mut out = Matches::default();
    let mut used = vec![false; most_right];
    for (v, f) in &x.mcv {
        let same = |w: &Datum| match compare(v, info, w, ty) {
            Some(o) => o == Ordering::Equal,
            None => v == w,
        };
        let found = y.mcv[..most_right].iter().enumerate().find(|(j, (w, _))| !used[*j] && same(w));
        if let Some((j, (_, g))) = found {
            used[j] = true;
            out.add(*f, *g);
        }
    }
    out
}

impl Planner<'_> {
    /// What the most common values of two sides have in common, of the right one the first so many; found once for each two.
    fn matches(&mut self, a: &Variable, b: &Variable, most_right: usize) -> Matches {
        let (Some(x), Some(y), Some(info)) = (&a.stats, &b.stats, self.type_of(a)) else {
            return Matches::default();
        };
        let most_right = most_right.min(y.mcv.len());
        let key = (Arc::as_ptr(x) as usize, Arc::as_ptr(y) as usize, most_right);
        if let Some((known, _)) = self.stats.known.matches.get(&key) {
            return *known;
        }
        let types = (info.oid, b.ty.oid);
        let facts = x.derived.get::<Facts>();
        let is_it = |asked: &Asked| {
            (asked.right.as_ptr(), asked.most_right, asked.types) == (Arc::as_ptr(y), most_right, types)
        };
        let found = facts.and_then(|facts| facts.matches.find(is_it)).unwrap_or_else(|| {
            let found = whole_numbers(x, y, most_right)
                .unwrap_or_else(|| compared(x, y, most_right, &info, SqlType::of(b.ty.oid)));
            if let Some(facts) = facts {
                facts.matches.keep(Asked { right: Arc::downgrade(y), most_right, types }, found);
            }
            found
        });
        // The statistics are kept, so that their addresses stay theirs.
        self.stats.known.matches.insert(key, (found, [x.clone(), y.clone()]));
        found
    }

    /// Share of all pairs of rows with `a op b`.
    pub(super) fn joins(&mut self, op: &'static OperatorDef, a: &Variable, b: &Variable) -> f64 {
        match op.join {
            "eqjoinsel" => self.joins_equal(a, b),
            "neqjoinsel" => (1.0 - self.joins_equal(a, b) - a.nulls().max(b.nulls())).max(0.0),
            "scalarltjoinsel" | "scalarlejoinsel" | "scalargtjoinsel" | "scalargejoinsel" => {
                let greater = op.join.starts_with("scalarg");
                self.column_compares(a, b, greater, op.name.ends_with('=')).unwrap_or(DEFAULT_INEQUALITY)
            }
            "" => 0.5,
            _ => DEFAULT_MATCH,
        }
    }

    fn joins_equal(&mut self, a: &Variable, b: &Variable) -> f64 {
        // Who asks for the rows with the least value of their group compares the group as well.
        let extreme = |v: &Variable, of: &Variable| v.results.as_ref().and_then(|r| r.extreme_share(of));
        if let Some(share) = extreme(a, b).or_else(|| extreme(b, a)) {
            return share;
        }
        let ((da, _), (db, _)) = (self.distinct(a), self.distinct(b));
        let (na, nb) = (a.nulls(), b.nulls());
        let (Some(x), Some(y)) = (a.stats.clone(), b.stats.clone()) else {
            return (1.0 - na) * (1.0 - nb) / da.max(db).max(1.0);
        };
        if x.mcv.is_empty() || y.mcv.is_empty() {
            return (1.0 - na) * (1.0 - nb) / da.max(db).max(1.0);
        }
        let m = self.matches(a, b, usize::MAX);
        let sum = |s: &quarry_catalog::ColumnStats| s.mcv.iter().map(|(_, f)| f64::from(*f)).sum::<f64>();
        let (unmatched_a, unmatched_b) = ((sum(&x) - m.left).max(0.0), (sum(&y) - m.right).max(0.0));
        let other_a = (1.0 - na - m.left - unmatched_a).clamp(0.0, 1.0);
        let other_b = (1.0 - nb - m.right - unmatched_b).clamp(0.0, 1.0);
        let total = |unmatched: f64, other: f64, other2: f64, unmatched2: f64, d2: f64, listed2: f64| {
            let mut s = m.product;
            if d2 > listed2 {
                s += unmatched * other2 / (d2 - listed2);
            }
            if d2 > m.count {
                s += other * (other2 + unmatched2) / (d2 - m.count);
            }
            s
        };
        let from_a = total(unmatched_a, other_a, other_b, unmatched_b, db, y.mcv.len() as f64);
        let from_b = total(unmatched_b, other_b, other_a, unmatched_a, da, x.mcv.len() as f64);
        from_a.min(from_b).clamp(0.0, 1.0)
    }

    /// Share of the rows of `outer` with a partner among `inner_rows` rows of `inner`.
    pub(super) fn has_partner(&mut self, outer: &Variable, inner: &Variable, inner_rows: f64) -> f64 {
        let ((d1, guess1), (d2, mut guess2)) = (self.distinct(outer), self.distinct(inner));
        let (mut d2, mut d1) = (distinct_after(d2, inner.rows, inner_rows), d1);
        if d2 >= inner_rows {
            d2 = inner_rows;
            guess2 = false;
        }
        let nulls = outer.nulls();
        let listed = |v: &Variable| v.stats.as_ref().map_or(0, |s| s.mcv.len());
        let mut matched = 0.0;
        if listed(outer) > 0 && listed(inner) > 0 {
            let m = self.matches(outer, inner, (d2 as usize).max(1));
            // Of the inner values only those that its conditions left can match.
            let kept = if inner.rows > 0.0 { (inner_rows / inner.rows).min(1.0) } else { 1.0 };
            let left = if kept < 1.0 { kept.sqrt() } else { 1.0 };
            matched = m.left * left;
            d1 -= m.count;
            d2 -= m.count;
        }
        let uncertain = match guess1 || guess2 {
            true => 0.5,
            false if d1 <= d2 || d2 < 0.0 => 1.0,
            false => d2 / d1,
        };
        (matched + uncertain * (1.0 - matched - nulls).clamp(0.0, 1.0)).clamp(0.0, 1.0)
    }

    /// Equalities of several columns of the same two tables: no more combinations of values than either table has rows. Where they
    /// are a unique key of one of the tables, the other's are taken to be among that one's (as a foreign key's are).
    /// Answers which conditions it has accounted for.
    pub(super) fn keys_together(&mut self, conditions: &[Expr], done: &mut [bool]) -> f64 {
        let mut groups: Vec<((usize, usize), Vec<usize>)> = vec![];
        for (i, c) in conditions.iter().enumerate() {
            let Some((op, l, r)) = binary(c).filter(|_| !done[i]) else { continue };
            let (Some(a), Some(b)) = (self.scan_of(l), self.scan_of(r)) else { continue };
            if op.join != "eqjoinsel" || a == b || columns(l).is_empty() || columns(r).is_empty() {
                continue;
            }
            let key = (a.min(b), a.max(b));
            match groups.iter_mut().find(|g| g.0 == key) {
                Some(g) => g.1.push(i),
                None => groups.push((key, vec![i])),
            }
        }
        let mut s = 1.0;
        for ((first, second), members) in groups.into_iter().filter(|g| g.1.len() > 1) {
            let mut product = 1.0;
            let mut kept = 1.0;
            let (mut left, mut right) = (vec![], vec![]);
            for i in &members {
                done[*i] = true;
                let Some((op, l, r)) = binary(&conditions[*i]) else { continue };
                let (l, r) = if self.scan_of(l) == Some(first) { (l, r) } else { (r, l) };
                let (a, b) = (self.variable(l), self.variable(r));
                kept *= (1.0 - a.nulls()) * (1.0 - b.nulls());
                product *= self.joins(op, &a, &b);
                left.push(l.clone());
                right.push(r.clone());
            }
            let most = match (self.is_key(first, &left), self.is_key(second, &right)) {
                (Some(a), Some(b)) => a.max(b),
                (Some(rows), None) | (None, Some(rows)) => rows,
                (None, None) => self.combinations(&left).max(self.combinations(&right)),
            };
            let most = most.max(1.0);
            s *= product.max(kept / most).min(1.0);
        }
        s
    }

    /// The rows of a scanned table if some of its columns are a unique key together.
    fn is_key(&self, scan: usize, parts: &[Expr]) -> Option<f64> {
        let table = &self.stats.scans[scan];
        let mut numbers = vec![];
        for part in parts {
            let Expr::Column { id, .. } = crate::exprs::strip_relabel(part) else { continue };
            let id = self.plain(*id);
            numbers.extend(table.columns.iter().find(|c| c.0 == id).map(|c| c.1));
        }
        let has = |column: Option<usize>| {
            column.and_then(|c| i16::try_from(c + 1).ok()).is_some_and(|number| numbers.contains(&number))
        };
        let mut unique =
            table.relation.indexes.iter().filter(|i| i.unique && i.valid && i.predicate_sql.is_none());
        unique.any(|i| i.keys.iter().all(|k| has(k.column))).then_some(table.rows)
    }
}
