//! The conditions between two subsets, and what is known of them: share of pairs that pass, keys, costs. Most pairs of subsets have
//! their conditions in common with others, so that all this is found once for a set of conditions and kept.

use super::ordering::Order;
use super::pair::asc;
use super::{Applied, Search};
use crate::cost::{self, ExprCost};
use crate::exprs::{commuted, equality};
use crate::joins::{hash_key, join_rows};
use crate::region::{RelSet, Source};
use crate::stats::Stretch;
use crate::unique::{fixed_columns, table_is_unique};
use quarry_plan::{BoolTest, ColumnId, Expr, JoinKind};
use std::rc::Rc;

/// So many keys a join may have that minds NULLs: it tells sets of them apart by bits.
const KEYS_MAX: usize = 32;

/// A condition by whose sides rows can be hashed or merged.
pub(super) struct JoinKey {
    /// What is compared, in the type of the comparison.
    pub outer: Expr,
    pub inner: Expr,
    /// The condition, the outer side first.
    pub condition: Expr,
}

/// The conditions of a join as one side's keys and the other's.
pub(super) struct Keyed {
    pub keys: Rc<Vec<JoinKey>>,
    /// Conditions that are no keys.
    pub rest: Rc<Vec<Expr>>,
    pub rest_cost: ExprCost,
    /// What it takes to compute the keys where they are more than columns.
    pub outer_cost: ExprCost,
    pub inner_cost: ExprCost,
    /// Different values of each key, outer and inner, as far as statistics know them.
    pub distinct: Vec<(Option<f64>, Option<f64>)>,
    /// The orders in which both sides can be merged, and what is read of the sides then, by the first key.
    pub orders: Option<(Rc<Order>, Rc<Order>)>,
    pub stretches: (Stretch, Stretch),
}

/// What is known of the conditions of a join.
pub(super) struct Conditions {
    pub kind: JoinKind,
    /// Each with what it costs.
    pub on: Vec<(Applied, Expr, ExprCost)>,
    /// All of them together.
    pub on_cost: ExprCost,
    /// All of `on`.
    pub all: Rc<Vec<Expr>>,
    pub post: Rc<Vec<Expr>>,
    pub post_cost: ExprCost,
    pub post_share: f64,
    /// Share of the pairs of rows for which `on` holds.
    pub selectivity: f64,
    /// Subsets of which the conditions pick at most one row for a row of the other side.
    pub unique: RelSet,
    /// With the left side as the outer one, and as the inner one.
    pub forward: Keyed,
    pub backward: Keyed,
}

/// A condition as it stands between two subsets: which it is, and which of what it reads is on the left.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Mark {
    what: u8,
    number: u32,
    detail: (u32, u32),
    left: RelSet,
}

/// What tells the conditions of pairs apart. A single item may be unique by them.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Signature {
    special: Option<usize>,
    single: (RelSet, RelSet),
    marks: Vec<Mark>,
}

fn single(set: RelSet) -> RelSet {
    if set.count_ones() == 1 { set } else { 0 }
}

impl Search<'_, '_> {
    /// The conditions of a join of two subsets.
    pub(super) fn pair(&mut self, left: RelSet, right: RelSet, special: Option<usize>) -> Rc<Conditions> {
        let signature = self.signature(left, right, special);
        if let Some(known) = self.conditions.get(&signature) {
            return known.clone();
        }
        let found = Rc::new(self.conditions_of(left, right, &signature));
        self.conditions.insert(signature, found.clone());
        found
    }

    fn signature(&self, left: RelSet, right: RelSet, special: Option<usize>) -> Signature {
        let all = left | right;
        let mut marks = vec![];
        if let Some(n) = special {
            for (m, refs) in self.region.specials[n].on_refs.iter().enumerate() {
                marks.push(Mark { what: 0, number: m as u32, detail: (0, 0), left: refs & left });
            }
        }
        let key = self.items_of_a_key(left, right);
        for (n, class) in self.region.classes.iter().enumerate() {
            if class.constant.is_some() {
                continue;
            }
            if let Some((l, r)) = self.members_of_a_key(n, left, right, key) {
                marks.push(Mark { what: 1, number: n as u32, detail: (l as u32, r as u32), left: 0 });
            }
        }
        for (n, c) in self.region.clauses.iter().enumerate() {
            if c.required & !all == 0 && c.required & !left != 0 && c.required & !right != 0 {
                marks.push(Mark { what: 2, number: n as u32, detail: (0, 0), left: c.refs & left });
            }
        }
        Signature { special, single: (single(left), single(right)), marks }
    }

    fn conditions_of(&mut self, left: RelSet, right: RelSet, signature: &Signature) -> Conditions {
        let env = self.p.env;
        let s = &env.settings;
        let mut on: Vec<(Applied, Expr, ExprCost)> = vec![];
        let mut post = vec![];
        let special = signature.special;
        let kind = special.map_or(JoinKind::Inner, |s| self.region.specials[s].kind);
        for mark in &signature.marks {
            let n = mark.number as usize;
            let (applied, e) = match mark.what {
                0 => {
                    let special = special.unwrap_or_default();
                    (Applied::On(special, n), self.region.specials[special].on[n].clone())
                }
                1 => {
                    let members = &self.region.classes[n].members;
                    let column = |at: u32| {
                        let id = members[at as usize].0;
                        Expr::column(id, self.p.meta.get(id).ty)
                    };
                    let Some(e) = equality(column(mark.detail.0), column(mark.detail.1)) else { continue };
                    (Applied::Class(n), e)
                }
                _ => {
                    let e = self.region.clauses[n].expr.clone();
                    if kind != JoinKind::Inner {
                        post.push(e);
                        continue;
                    }
                    (Applied::Clause(n), e)
                }
            };
            let cost = cost::expr(&e, s);
            on.push((applied, e, cost));
        }
        let all: Vec<Expr> = on.iter().map(|(_, e, _)| e.clone()).collect();
        let mut selectivity = self.p.selectivity(&all);
        for (applied, _, _) in &on {
            // What conditions on single items have chosen already that follow from these.
            selectivity /= match applied {
                Applied::Clause(n) => self.region.clauses[*n].chosen,
                Applied::Class(n) => self.region.classes[*n].range_share,
                Applied::On(..) => 1.0,
            };
        }
        let selectivity = selectivity.min(1.0);
        let not_false = |e: &Expr| matches!(e, Expr::IsBool { test: BoolTest::NotFalse, .. });
        let null_aware = kind == JoinKind::Anti && all.len() <= KEYS_MAX && all.iter().all(not_false);
        let post_share = self.p.selectivity(&post);
        let unique = [left, right].into_iter().filter(|set| self.is_unique(*set, &all)).fold(0, |a, b| a | b);
        let (left_columns, right_columns) = (self.columns(left), self.columns(right));
        let (forward, backward) = self.both_keyed(&all, &left_columns, &right_columns, null_aware);
        let on_cost = on.iter().fold(ExprCost::default(), |sum, (_, _, c)| ExprCost {
            startup: sum.startup + c.startup,
            per_row: sum.per_row + c.per_row,
        });
        Conditions {
            kind,
            on,
            on_cost,
            all: Rc::new(all),
            post_cost: cost::exprs(&post, s),
            post: Rc::new(post),
            post_share,
            selectivity,
            unique,
            forward,
            backward,
        }
    }

    /// Keys for hashing and merging, with the left side as the outer one and as the inner one. `null_aware`: equalities that need
    /// only be not false are keys of the first, too, if there is nothing else.
    fn both_keyed(
        &mut self,
        conditions: &[Expr],
        left: &[ColumnId],
        right: &[ColumnId],
        null_aware: bool,
    ) -> (Keyed, Keyed) {
        if null_aware && !conditions.is_empty() {
            let forward = self.keyed(conditions, left, right, true).0;
            return (forward, self.keyed(conditions, right, left, false).0);
        }
        self.keyed(conditions, left, right, false)
    }

    /// Keys with these sides, and the same turned round.
    fn keyed(
        &mut self,
        conditions: &[Expr],
        outer: &[ColumnId],
        inner: &[ColumnId],
        null_aware: bool,
    ) -> (Keyed, Keyed) {
        let (mut keys, mut turned_keys) = (vec![], vec![]);
        let mut rest = vec![];
        let (mut first, mut second) = (vec![], vec![]);
        let mut mergeable = true;
        for e in conditions {
            let tested = match e {
                Expr::IsBool { arg, test: BoolTest::NotFalse } if null_aware => arg,
                e => e,
            };
            let Some(key) = hash_key(tested, outer, inner) else {
                rest.push(e.clone());
                continue;
            };
            mergeable &= self.mergeable(&key.outer, e);
            let commuted = commuted(e).unwrap_or_else(|| e.clone());
            let (condition, other) = if key.turned { (commuted, e.clone()) } else { (e.clone(), commuted) };
            first.push(asc(key.plain_outer));
            second.push(asc(key.plain_inner));
            turned_keys.push(JoinKey {
                outer: key.inner.clone(),
                inner: key.outer.clone(),
                condition: other,
            });
            keys.push(JoinKey { outer: key.outer, inner: key.inner, condition });
        }
        if null_aware && !rest.is_empty() {
            keys.clear();
            first.clear();
            second.clear();
            rest = conditions.to_vec();
        }
        let distinct: Vec<(Option<f64>, Option<f64>)> = first
            .iter()
            .zip(&second)
            .map(|(o, i)| (self.known_distinct(&o.expr), self.known_distinct(&i.expr)))
            .collect();
        let mut stretches = (Stretch::WHOLE, Stretch::WHOLE);
        let orders = match (first.first(), second.first()) {
            (Some(one), Some(other)) if mergeable => {
                stretches = self.p.stretches(&one.expr, &other.expr);
                Some((self.order_of(first), self.order_of(second)))
            }
            _ => None,
        };
        let rest_cost = cost::exprs(&rest, &self.p.env.settings);
        let rest = Rc::new(rest);
        let computed = |side: fn(&JoinKey) -> &Expr| {
            let keys = keys.iter().map(side).filter(|e| crate::runtime_filters::column_of(e).is_none());
            cost::exprs(keys, &self.p.env.settings)
        };
        let (outer_cost, inner_cost) = (computed(|k| &k.outer), computed(|k| &k.inner));
        let turned = Keyed {
            outer_cost: inner_cost,
            inner_cost: outer_cost,
            keys: Rc::new(turned_keys),
            rest: rest.clone(),
            rest_cost,
            distinct: distinct.iter().map(|(o, i)| (*i, *o)).collect(),
            orders: orders.as_ref().map(|(o, i)| (i.clone(), o.clone())),
            stretches: (stretches.1, stretches.0),
        };
        let keys = Rc::new(keys);
        (Keyed { keys, rest, rest_cost, outer_cost, inner_cost, distinct, orders, stretches }, turned)
    }

    /// Different values of a column, as far as statistics know them.
    fn known_distinct(&mut self, e: &Expr) -> Option<f64> {
        let Expr::Column { id, .. } = crate::exprs::strip_relabel(e) else { return None };
        if let Some(known) = self.distinct.get(id) {
            return *known;
        }
        let known = self.p.is_unique(*id) || self.p.column_stats(*id).is_some();
        let distinct = known.then(|| self.p.distinct_of(*id));
        self.distinct.insert(*id, distinct);
        distinct
    }

    fn mergeable(&self, key: &Expr, condition: &Expr) -> bool {
        // Orders by a subquery's value can't be compared with each other.
        !crate::exprs::has_subquery(condition)
            && crate::exprs::binary(condition).is_some_and(|(op, _, _)| op.merges)
            && self.p.env.catalog.type_ref(key.ty().oid).is_ok_and(|t| t.functions.compare.is_some())
    }

    /// Rows of a join, `right` being its right side.
    pub(super) fn pair_rows(
        &mut self,
        pair: &Conditions,
        right: RelSet,
        left_rows: f64,
        right_rows: f64,
    ) -> f64 {
        let rows = match pair.kind {
            JoinKind::Semi | JoinKind::Anti => {
                let columns = self.columns(right);
                let share = self.p.match_share(&pair.all, &columns, right_rows);
                left_rows * if pair.kind == JoinKind::Semi { share } else { 1.0 - share }
            }
            kind => join_rows(kind, left_rows, right_rows, pair.selectivity),
        };
        cost::clamp_rows(rows * pair.post_share)
    }

    /// Whether a subset is one table of which these conditions pick at most one row.
    fn is_unique(&self, set: RelSet, conditions: &[Expr]) -> bool {
        if set.count_ones() != 1 {
            return false;
        }
        let item = &self.region.items[set.trailing_zeros() as usize];
        let Source::Table(scan) = &item.source else {
            let Some(key) = &item.key else { return false };
            let fixed = fixed_columns(conditions.iter(), &item.columns);
            return key.iter().all(|id| fixed.contains(id));
        };
        if !scan.relation.indexes.iter().any(|i| i.unique) {
            return false;
        }
        let fixed = fixed_columns(conditions.iter().chain(&scan.filter), &item.columns);
        table_is_unique(&scan.relation, &scan.columns, &fixed)
    }

    pub(super) fn columns(&self, set: RelSet) -> Vec<ColumnId> {
        super::graph::members(set).flat_map(|i| self.region.items[i].columns.iter().copied()).collect()
    }
}
