//! All ways to join two subsets: the conditions that apply, which side may be outer, sorted and uniqued inputs
//! (PostgreSQL: `make_join_rel`, `add_paths_to_joinrel`).

use super::method::materialized;
use super::ordering::Order;
use super::worth::loop_inners;
use super::{Applied, Pair, Path, Search, Step, Subset, add_path};
use crate::cost::{self, DISABLED};
use crate::exprs::equality;
use crate::joins::{hash_key, join_rows};
use crate::region::{RelSet, Source};
use crate::unique::{fixed_columns, table_is_unique};
use quarry_plan::{ColumnId, Expr, JoinKind, PhysicalNode, SortKey};
use std::rc::Rc;

impl Search<'_, '_> {
    /// The right side of a semi join with its duplicates (in the joined columns) removed.
    pub(super) fn unique_side(&mut self, right: RelSet, paths: &[Rc<Path>], pair: &Pair) -> Option<Path> {
        let columns = self.columns(right);
        let mut keys: Vec<(ColumnId, Expr)> = vec![];
        for (_, e) in &pair.on {
            let (op, l, r) = crate::exprs::binary(e)?;
            if !crate::exprs::is_equality(op) || !op.hashes || l.ty().oid != r.ty().oid {
                return None;
            }
            let side = match (l, r) {
                (Expr::Column { id, .. }, other)
                    if columns.contains(id)
                        && !crate::exprs::columns(other).iter().any(|c| columns.contains(c)) =>
                {
                    l
                }
                (other, Expr::Column { id, .. })
                    if columns.contains(id)
                        && !crate::exprs::columns(other).iter().any(|c| columns.contains(c)) =>
                {
                    r
                }
                _ => return None,
            };
            if let Expr::Column { id, .. } = side
                && !keys.iter().any(|(k, _)| k == id)
            {
                keys.push((*id, side.clone()));
            }
        }
        if keys.is_empty() || !pair.post.is_empty() {
            return None;
        }
        let input =
            paths.iter().filter(|p| p.params == 0).min_by(|a, b| a.total.total_cmp(&b.total))?.clone();
        let exprs: Vec<&Expr> = keys.iter().map(|(_, e)| e).collect();
        let rows = self.p.group_count(&exprs, input.rows);
        let s = &self.p.env.settings;
        if !s.enable_hashagg || rows * cost::row_bytes(input.width) > s.hash_mem() {
            return None;
        }
        let startup = input.total + s.cpu_operator_cost * keys.len() as f64 * input.rows;
        let total = startup + s.cpu_tuple_cost * rows;
        let width = self.p.width_of(keys.iter().map(|(id, _)| *id));
        Some(Path {
            step: Step::Unique(input, keys),
            rows,
            width,
            startup,
            total,
            order: self.unordered.clone(),
            params: 0,
            applied: vec![],
        })
    }

    pub(super) fn pair(&mut self, left: RelSet, right: RelSet, special: Option<usize>) -> Pair {
        let all = left | right;
        let mut on: Vec<(Applied, Expr)> = vec![];
        let mut post = vec![];
        let kind = special.map_or(JoinKind::Inner, |s| self.region.specials[s].kind);
        if let Some(n) = special {
            for (m, e) in self.region.specials[n].on.iter().enumerate() {
                on.push((Applied::On(n, m), e.clone()));
            }
        }
        for (n, class) in self.region.classes.iter().enumerate() {
            if class.constant.is_some() {
                continue;
            }
            let l = class.members.iter().find(|m| left >> m.1 & 1 == 1);
            let r = class.members.iter().find(|m| right >> m.1 & 1 == 1);
            if let (Some(l), Some(r)) = (l, r)
                && let Some(e) = equality(
                    Expr::column(l.0, self.p.meta.get(l.0).ty),
                    Expr::column(r.0, self.p.meta.get(r.0).ty),
                )
            {
                on.push((Applied::Class(n), e));
            }
        }
        for (n, c) in self.region.clauses.iter().enumerate() {
            if c.required & !all == 0 && c.required & !left != 0 && c.required & !right != 0 {
                if kind == JoinKind::Inner {
                    on.push((Applied::Clause(n), c.expr.clone()))
                } else {
                    post.push(c.expr.clone())
                }
            }
        }
        let exprs: Vec<Expr> = on.iter().map(|(_, e)| e.clone()).collect();
        let selectivity = self.p.selectivity(&exprs);
        let unique =
            [left, right].into_iter().filter(|set| self.is_unique(*set, &exprs)).fold(0, |a, b| a | b);
        Pair { kind, on, conditions: Rc::new(exprs), post: Rc::new(post), selectivity, unique }
    }

    /// Rows of a join, `right` being its right side.
    pub(super) fn pair_rows(&mut self, pair: &Pair, right: RelSet, left_rows: f64, right_rows: f64) -> f64 {
        let rows = match pair.kind {
            JoinKind::Semi | JoinKind::Anti => {
                let on: Vec<Expr> = pair.on.iter().map(|(_, e)| e.clone()).collect();
                let columns = self.columns(right);
                let share = self.p.match_share(&on, &columns, right_rows);
                left_rows * if pair.kind == JoinKind::Semi { share } else { 1.0 - share }
            }
            kind => join_rows(kind, left_rows, right_rows, pair.selectivity),
        };
        cost::clamp_rows(rows * self.p.selectivity(&pair.post))
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

    #[allow(clippy::too_many_arguments)]
    pub(super) fn paths(
        &mut self,
        subset: &mut Subset,
        outer_set: RelSet,
        inner_set: RelSet,
        outers: &[Rc<Path>],
        inners: &[Rc<Path>],
        pair: &Pair,
        kind: JoinKind,
        rows: f64,
    ) {
        let s = self.p.env.settings.clone();
        let all = outer_set | inner_set;
        let cheapest = |paths: &[Rc<Path>]| -> Option<Rc<Path>> {
            paths.iter().filter(|p| p.params & all == 0).min_by(|a, b| a.total.total_cmp(&b.total)).cloned()
        };
        let mut made: Vec<Path> = vec![];
        // Nested loops.
        let loop_inners = loop_inners(inners);
        let unique = inner_set & !pair.unique == 0;
        if matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti) {
            for outer in outers {
                if outer.params & inner_set != 0 {
                    continue;
                }
                for inner in &loop_inners {
                    // A path that applied conditions takes all its parameters from one outer side: what it applied is then
                    // settled. A lateral item may get some of its columns here and others further out.
                    if inner.params & outer_set != 0
                        && inner.params & !outer_set != 0
                        && !inner.applied.is_empty()
                    {
                        continue;
                    }
                    made.extend(self.nest_loop(kind, outer, inner, pair, outer_set, unique, rows, subset));
                    if inner.params & outer_set == 0
                        && s.enable_material
                        && !matches!(inner.step, Step::Materialize(_))
                    {
                        let kept = Rc::new(materialized(inner, &s));
                        made.extend(
                            self.nest_loop(kind, outer, &kept, pair, outer_set, unique, rows, subset),
                        );
                    }
                    if inner.params & outer_set != 0
                        && s.enable_memoize
                        && outer.rows > 2.0
                        && let Some(kept) = self.memoized(inner, outer, outer_set)
                    {
                        made.extend(self.nest_loop(
                            kind,
                            outer,
                            &Rc::new(kept),
                            pair,
                            outer_set,
                            unique,
                            rows,
                            subset,
                        ));
                    }
                }
            }
        }
        // Keys for hashing and merging.
        let outer_columns = self.columns(outer_set);
        let inner_columns = self.columns(inner_set);
        let mut keys: Vec<(Expr, Expr, Expr)> = vec![];
        let mut rest: Vec<Expr> = vec![];
        for (_, e) in &pair.on {
            match hash_key(e, &outer_columns, &inner_columns) {
                Some((o, i)) => keys.push((o, i, e.clone())),
                None => rest.push(e.clone()),
            }
        }
        let (keys, rest) = (Rc::new(keys), Rc::new(rest));
        let needs_hash = matches!(kind, JoinKind::Full);
        if let (Some(inner), true) = (cheapest(inners), !keys.is_empty() || needs_hash) {
            for outer in outers {
                if outer.params & inner_set != 0 {
                    continue;
                }
                made.push(self.hash_join(kind, outer, &inner, &keys, &rest, pair, unique, rows));
            }
        }
        let right = matches!(kind, JoinKind::RightSemi | JoinKind::RightAnti);
        let mergeable = !right && !keys.is_empty() && keys.iter().all(|(o, _, e)| self.mergeable(o, e));
        if mergeable && let (Some(o), Some(i)) = (cheapest(outers), cheapest(inners)) {
            // Sorted sides that exist already, and the cheapest ones sorted.
            let order = self.order_of(keys.iter().map(|(o, _, _)| asc(o)).collect());
            let inner_order = self.order_of(keys.iter().map(|(_, i, _)| asc(i)).collect());
            let pick =
                |this: &mut Self, paths: &[Rc<Path>], cheap: &Rc<Path>, order: &Rc<Order>| -> Rc<Path> {
                    let sorted = Rc::new(this.sort_path(cheap, order));
                    paths
                        .iter()
                        .filter(|p| p.params & all == 0 && p.order.covers(order))
                        .cloned()
                        .chain([sorted])
                        .min_by(|a, b| a.total.total_cmp(&b.total))
                        .expect("the sorted path is there")
                };
            let outer = pick(self, outers, &o, &order);
            let inner = pick(self, inners, &i, &inner_order);
            made.push(self.merge_join(kind, &outer, &inner, &keys, &rest, pair, unique, rows));
        }
        for mut p in made {
            if s.random_joins != 0 {
                randomise(&mut p, s.random_joins, outer_set, inner_set);
            }
            if p.params & !all != 0 {
                let many = subset.paths.iter().filter(|p| p.params & !all != 0).count() >= PARAMETERISED_MAX;
                if many || !self.keeps_params(&p, all) {
                    continue;
                }
            }
            self.trim_order(&mut p, all);
            add_path(subset, p);
        }
    }

    fn mergeable(&self, key: &Expr, condition: &Expr) -> bool {
        // Orders by a subquery's value can't be compared with each other.
        !crate::exprs::has_subquery(condition)
            && crate::exprs::binary(condition).is_some_and(|(op, _, _)| op.merges)
            && self.p.env.catalog.type_ref(key.ty().oid).is_ok_and(|t| t.functions.compare.is_some())
    }

    pub(super) fn columns(&self, set: RelSet) -> Vec<ColumnId> {
        self.region
            .items
            .iter()
            .enumerate()
            .filter(|(i, _)| set >> i & 1 == 1)
            .flat_map(|(_, item)| item.columns.iter().copied())
            .collect()
    }

    fn sort_path(&self, input: &Rc<Path>, order: &Rc<Order>) -> Path {
        let s = &self.p.env.settings;
        let (startup, run) = cost::sort(input.rows, input.width, 0.0, s);
        let penalty = if s.enable_sort { 0.0 } else { DISABLED };
        Path {
            step: Step::Sort(input.clone(), order.keys.clone()),
            rows: input.rows,
            width: input.width,
            startup: input.total + startup + penalty,
            total: input.total + startup + run + penalty,
            order: order.clone(),
            params: input.params,
            applied: input.applied.clone(),
        }
    }

    /// A cache of a parameterised inner path's rows by its parameters, if those repeat enough.
    fn memoized(&mut self, inner: &Rc<Path>, outer: &Rc<Path>, outer_set: RelSet) -> Option<Path> {
        let Step::Leaf(plan) = &inner.step else { return None };
        let mut keys = vec![];
        let PhysicalNode::IndexScan { conds, .. } = &plan.node else { return None };
        for e in conds.iter().map(|c| &c.source).chain(&plan.filter) {
            quarry_plan::walk::columns_of(e, &mut keys);
        }
        let outer_columns = self.columns(outer_set);
        keys.retain(|id| outer_columns.contains(id));
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() || inner.params & !outer_set != 0 {
            return None;
        }
        let exprs: Vec<Expr> = keys.iter().map(|id| Expr::column(*id, self.p.meta.get(*id).ty)).collect();
        if !exprs
            .iter()
            .all(|e| self.p.env.catalog.type_ref(e.ty().oid).is_ok_and(|t| t.functions.hash.is_some()))
        {
            return None;
        }
        let refs: Vec<&Expr> = exprs.iter().collect();
        let distinct = self.p.group_count(&refs, outer.rows);
        let s = &self.p.env.settings;
        let entry = inner.rows * cost::row_bytes(inner.width) + 100.0;
        let fit = (s.hash_mem() / entry).floor().max(1.0).min(distinct);
        let calls = outer.rows;
        let hit = ((calls - distinct) / calls * (fit / distinct.max(fit))).clamp(0.0, 1.0);
        let evict = 1.0 - fit / distinct;
        let mut total = inner.total * (1.0 - hit) + s.cpu_operator_cost;
        total += s.cpu_tuple_cost * evict
            + s.cpu_operator_cost * evict * inner.rows
            + s.cpu_tuple_cost * inner.rows;
        let startup = inner.startup * (1.0 - hit) + s.cpu_tuple_cost;
        Some(Path {
            step: Step::Memoize(inner.clone(), keys),
            rows: inner.rows,
            width: inner.width,
            startup,
            total: total.max(startup),
            order: self.unordered.clone(),
            params: inner.params,
            applied: inner.applied.clone(),
        })
    }
}

/// Paths of one join that may wait for columns from outside.
const PARAMETERISED_MAX: usize = 6;

/// Makes a join cost anything between what it costs and a thousand times that; the same for the same number and sides.
fn randomise(path: &mut Path, number: u64, outer: RelSet, inner: RelSet) {
    let Step::Join { method, .. } = &path.step else { return };
    let mut h = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (*method as u64);
    for part in [outer, inner] {
        h = (h ^ part as u64 ^ (part >> 64) as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h ^= h >> 29;
    }
    path.total *= 1.0 + (h % 1000) as f64;
}

pub(super) fn asc(e: &Expr) -> SortKey {
    SortKey { expr: e.clone(), descending: false, nulls_first: false }
}
