//! Computes a correlated subquery for all distinct values of the outer columns that it reads (its domain) at once, and joins the
//! outcome back (Neumann and Kemper, "Unnesting Arbitrary Queries"):
//!
//! ```text
//! SELECT o.x, (SELECT sum(i.v) FROM i WHERE i.t < o.t) FROM o
//!   -> SELECT o.x, g.sum FROM o LEFT JOIN
//!        (SELECT d.t, sum(i.v) FROM (SELECT DISTINCT t FROM o) d JOIN i ON i.t < d.t GROUP BY d.t) g ON g.t = o.t
//! ```
//!
//! The domain is joined where the subquery reads outer columns (`push`), whatever the condition is; above that its columns go along:
//! into groupings, grouping sets, set operations, windows, DISTINCT, common table expressions (`domain_ctes`). LIMIT becomes a row number
//! within each combination of them (`domain_limits`). A function or a VALUES list that reads outer columns reads those of the domain, as a LATERAL item. Where the correlation is by equality
//! alone, `lift_correlation` does without a domain.
//!
//! An outer NULL: where it leaves the subquery without rows (`strict`), such outer rows simply find no partner. Else the domain has a
//! second column that says which value stands for NULL, and both are joined by. Where more is done with an outer value than comparing it and
//! its type has equal values that aren't the same (1.0 and 1.00, 0 and -0), the domain has images of values, of NULL too.
//!
//! PostgreSQL runs the subquery for each row. That may well be cheaper: costs decide.

use super::defer_errors::{first_of, is_not_null, keep_of_outer};
use super::domain_ctes::Keyed;
use super::domain_limits::{self, Counts};
use super::domains::{Domain, DomainColumn, Key, as_column, is_only_compared};
use super::inner_joins::{filtered, replaced};
use super::lift_correlation::{Lifted, is_null_over_nothing, is_sorted};
use super::nested_subqueries::plan_with_nested_cannot_fail;
use super::never_null;
use super::order_in_calls::shows_order;
use crate::exprs::{
    binary, columns, equality, has_subquery, is_equality, is_volatile, nonnullable, substitute,
};
use crate::unique::plan_is_unique;
use quarry_functions::{FunctionKind, Volatility, registry};
use quarry_plan::{
    AggregateExpr, ColumnId, CteId, Expr, JoinKind, LogicalPlan, QueryMeta, SetCall, SetOpKind, SortKey, walk,
};
use quarry_types::{Datum, SqlType, oids};
use std::collections::HashMap;

/// Rows with those that were missing: the plan, its keys, the aggregates that leave these out, and what tells the others.
type Filled = (LogicalPlan, Vec<Key>, Vec<(ColumnId, AggregateExpr)>, Expr);

/// The rows for which a subquery is asked.
pub struct Outer<'p> {
    pub from: &'p LogicalPlan,
    /// Conditions that these rows must meet besides.
    pub conditions: &'p [Expr],
    pub available: Vec<ColumnId>,
    /// The subquery is run for each of these rows: what it computes of them alone may fail.
    pub always: bool,
}

/// A subquery without its correlation with the outer rows. `whole`: one that aggregates all its rows may be left without a row
/// where it has none to aggregate, as [`Lifted::whole`] says. `caught`: errors are.
pub fn lift(
    plan: &LogicalPlan,
    outer: &Outer<'_>,
    whole: bool,
    meta: &mut QueryMeta,
    caught: bool,
) -> Option<Lifted> {
    // What the topmost projections compute is computed above the join, where the outer row is at hand.
    let below = below_projections(plan);
    let free = walk::free_columns(below);
    if free.is_empty() || !walk::free_columns(plan).iter().all(|id| outer.available.contains(id)) {
        return None;
    }
    if crate::exprs::plan_volatility(plan) == Volatility::Volatile {
        return None;
    }
    // What is computed of the outer row alone is computed for no row of the domain where it fails.
    let mut errors = vec![];
    let (counted, with_kept);
    let mut plan = plan;
    let mut of_counts = vec![];
    if !caught && domain_limits::counts_rows(plan) {
        let mut kept = plan.clone();
        of_counts = domain_limits::keep_counts(&mut kept)?;
        counted = kept;
        plan = &counted;
    }
    let below = below_projections(plan);
    if !caught && !plan_with_nested_cannot_fail(below, if outer.always { &free } else { &[] }) {
        let mut kept = plan.clone();
        errors = keep_of_outer(&mut kept, &free)?;
        if !plan_with_nested_cannot_fail(below_projections(&kept), &[]) {
            return None;
        }
        with_kept = kept;
        plan = &with_kept;
    }
    let below = below_projections(plan);
    let mut source = narrowed(outer, &free)?;
    let counts = outer.always && !of_counts.is_empty();
    if outer.always
        && let Some(error) = first_of(std::mem::take(&mut of_counts))
    {
        source = filtered(source, vec![domain_limits::raised(error)?]);
    }
    if crate::exprs::plan_volatility(&source) == Volatility::Volatile {
        return None;
    }
    let mut known = never_null::columns_of(outer.from);
    outer.conditions.iter().for_each(|e| nonnullable(e, true, &mut known));
    let mut domain = Domain { source, columns: vec![] };
    for id in &free {
        let ty = meta.get(*id).ty;
        domain.columns.push(DomainColumn::new(*id, ty, is_only_compared(below, *id)));
    }
    // First as if NULLs left nothing over.
    let mut pushed = Pushing { domain: &domain, counts, meta, ctes: HashMap::new() }.below(plan, whole)?;
    let lost: Vec<bool> = domain
        .columns
        .iter()
        .zip(&pushed.strict)
        .map(|(c, strict)| !c.imaged && !strict && !known.contains(&c.id))
        .collect();
    if lost.contains(&true) {
        for (column, _) in domain.columns.iter_mut().zip(lost).filter(|(_, lost)| *lost) {
            column.take_null()?;
        }
        pushed = Pushing { domain: &domain, counts, meta, ctes: HashMap::new() }.below(plan, whole)?;
    }
    let mut on = vec![];
    let mut keys = vec![];
    for (column, key) in domain.columns.iter().zip(&pushed.keys) {
        on.extend(Key::of_outer(column)?.equals(key)?);
        // One that is never NULL comes first: it tells whether there is a partner.
        if let Some(never) = key.null.as_ref().or(key.image.as_ref()).and_then(as_column) {
            keys.insert(0, never);
        }
        keys.extend(as_column(&key.value));
    }
    let ids: Vec<ColumnId> = keys.iter().map(|(id, _)| *id).collect();
    let single = pushed.whole || plan_is_unique(&pushed.plan, &ids);
    for error in &mut errors {
        let partner = is_not_null(keys.first()?.1.clone());
        let whens = vec![(partner, std::mem::replace(error, Expr::null(SqlType::TEXT)))];
        *error = Expr::Case { operand: None, whens, otherwise: None, ty: SqlType::TEXT };
    }
    // Counts are looked at before any row is.
    of_counts.append(&mut errors);
    Some(Lifted {
        values: pushed.values,
        plan: pushed.plan,
        keys,
        on,
        whole: pushed.whole,
        single,
        indexed: false,
        by_domain: true,
        errors: of_counts,
    })
}

/// What is below the topmost projections. One that has subqueries counts as below: these are joined to its rows.
fn below_projections(mut plan: &LogicalPlan) -> &LogicalPlan {
    while let LogicalPlan::Project { input, targets } = plan
        && !targets.iter().any(|(_, e)| has_subquery(e))
    {
        plan = input;
    }
    plan
}

/// What gives the outer columns: the smallest part of FROM that has them all, with the conditions on it.
pub(super) fn narrowed(outer: &Outer<'_>, ids: &[ColumnId]) -> Option<LogicalPlan> {
    let part = part_with(outer.from, ids)?;
    let own = walk::output_columns(&part);
    let usable = |e: &&Expr| is_local(e, &own);
    Some(filtered(part, outer.conditions.iter().filter(usable).cloned().collect()))
}

fn is_local(e: &Expr, own: &[ColumnId]) -> bool {
    !has_subquery(e) && !is_volatile(e) && columns(e).iter().all(|id| own.contains(id))
}

fn part_with(plan: &LogicalPlan, ids: &[ColumnId]) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            let part = part_with(input, ids)?;
            let own = walk::output_columns(&part);
            let usable = predicates.iter().filter(|e| is_local(e, &own)).cloned().collect();
            Some(filtered(part, usable))
        }
        LogicalPlan::Join { kind, left, right, on } => {
            let all = walk::output_columns(plan);
            let has = |side: &LogicalPlan| {
                let own = walk::output_columns(side);
                ids.iter().all(|id| own.contains(id))
                    && !walk::free_columns(side).iter().any(|id| all.contains(id))
            };
            let side = match kind {
                JoinKind::Inner if has(left) => Some(left),
                JoinKind::Inner if has(right) => Some(right),
                JoinKind::Left | JoinKind::Semi | JoinKind::Anti if has(left) => Some(left),
                JoinKind::Right if has(right) => Some(right),
                _ => None,
            };
            match side {
                Some(side) => {
                    let part = part_with(side, ids)?;
                    let own = walk::output_columns(&part);
                    let usable = on.iter().filter(|e| *kind == JoinKind::Inner && is_local(e, &own));
                    let usable = usable.cloned().collect();
                    Some(filtered(part, usable))
                }
                None => Some(plan.clone()),
            }
        }
        other => Some(other.clone()),
    }
}

/// A plan without correlation that gives the domain's columns, too.
pub(super) struct Pushed {
    pub(super) plan: LogicalPlan,
    pub(super) keys: Vec<Key>,
    /// For each column of the domain: where it is NULL, there are no rows.
    pub(super) strict: Vec<bool>,
}

/// The same for the subquery as a whole.
struct PushedAll {
    plan: LogicalPlan,
    keys: Vec<Key>,
    strict: Vec<bool>,
    values: Vec<(ColumnId, Expr)>,
    whole: bool,
}

pub(super) struct Pushing<'a> {
    pub(super) domain: &'a Domain,
    /// Rows of the domain are looked at: it raises errors of counts.
    counts: bool,
    pub(super) meta: &'a mut QueryMeta,
    /// Common table expressions that give the domain's columns, too.
    pub(super) ctes: HashMap<CteId, Keyed>,
}

impl Pushing<'_> {
    /// The subquery; what its topmost projections compute is left to be computed above the join.
    fn below(&mut self, plan: &LogicalPlan, whole: bool) -> Option<PushedAll> {
        let mut below = plan;
        let mut values: Option<Vec<(ColumnId, Expr)>> = None;
        let plain = |targets: &[(ColumnId, Expr)]| !targets.iter().any(|(_, e)| has_subquery(e));
        while let LogicalPlan::Project { input, targets } = below
            && plain(targets)
        {
            let map: HashMap<ColumnId, Expr> = targets.iter().cloned().collect();
            match &mut values {
                None => values = Some(targets.clone()),
                Some(values) => values.iter_mut().for_each(|(_, e)| substitute(e, &map)),
            }
            below = input;
        }
        let mut values = values.unwrap_or_else(|| {
            let own = walk::output_columns(below).into_iter();
            own.map(|id| (id, Expr::column(id, self.meta.get(id).ty))).collect()
        });
        if let LogicalPlan::Aggregate { input, group, sets: None, aggregates, grouping } = below
            && whole
            && group.is_empty()
            && aggregates.iter().all(|(_, a)| is_null_over_nothing(a))
        {
            let pushed = self.grouped(input, group, aggregates, grouping)?;
            values
                .iter_mut()
                .for_each(|(_, e)| super::lift_correlation::count_nothing_as_zero(e, aggregates));
            let Pushed { plan, keys, strict } = pushed;
            return Some(PushedAll { plan, keys, strict, values, whole: true });
        }
        let Pushed { plan, keys, strict } = self.push(below)?;
        Some(PushedAll { plan, keys, strict, values, whole: false })
    }

    pub(super) fn is_correlated(&self, plan: &LogicalPlan) -> bool {
        let free = walk::free_columns(plan);
        self.domain.columns.iter().any(|c| free.contains(&c.id)) || self.scans_keyed(plan)
    }

    /// What stands for the outer columns.
    pub(super) fn map(&self, keys: &[Key]) -> HashMap<ColumnId, Expr> {
        self.domain.columns.iter().zip(keys).map(|(c, key)| (c.id, key.value.clone())).collect()
    }

    pub(super) fn none_strict(&self) -> Vec<bool> {
        vec![false; self.domain.columns.len()]
    }

    /// Outer columns for whose NULL a function gives no rows.
    fn without_rows(&self, call: &SetCall) -> Vec<bool> {
        let def = call.function.def();
        let passed =
            |id: ColumnId| call.args.iter().any(|e| matches!(e, Expr::Column { id: own, .. } if *own == id));
        let sets = def.strict && def.kind() == FunctionKind::Set;
        self.domain.columns.iter().map(|c| sets && passed(c.id)).collect()
    }

    /// Outer columns whose NULL makes the conditions fail.
    fn made_strict(&self, conditions: &[Expr], strict: &mut [bool]) {
        let mut found = vec![];
        conditions.iter().for_each(|e| nonnullable(e, true, &mut found));
        for (column, strict) in self.domain.columns.iter().zip(strict) {
            *strict |= found.contains(&column.id);
        }
    }

    pub(super) fn push(&mut self, plan: &LogicalPlan) -> Option<Pushed> {
        if !self.is_correlated(plan) {
            let (domain, keys) = self.domain.plan(self.meta)?;
            let plan = LogicalPlan::Join {
                kind: JoinKind::Inner,
                left: Box::new(domain),
                right: Box::new(plan.clone()),
                on: vec![],
            };
            return Some(Pushed { plan, keys, strict: self.none_strict() });
        }
        match plan {
            LogicalPlan::Filter { input, predicates } => {
                let Pushed { plan, keys, mut strict } = match self.equated(input, predicates) {
                    Some(keys) => Pushed { plan: (**input).clone(), keys, strict: self.none_strict() },
                    None => self.push(input)?,
                };
                self.made_strict(predicates, &mut strict);
                let predicates = replaced(predicates.clone(), &self.map(&keys), self.meta);
                Some(Pushed { plan: filtered(plan, predicates), keys, strict })
            }
            LogicalPlan::Project { input, targets } => {
                let below = self.push(input)?;
                Some(self.projected(below, targets))
            }
            LogicalPlan::Join { kind, left, right, on } => self.joined(*kind, left, right, on),
            LogicalPlan::Aggregate { input, group, sets: None, aggregates, grouping }
                if !group.is_empty() =>
            {
                self.grouped(input, group, aggregates, grouping)
            }
            LogicalPlan::Aggregate { input, group, sets: None, aggregates, grouping } if group.is_empty() => {
                let below = self.grouped_below(input, aggregates)?;
                self.with_empty_groups(below, aggregates, grouping)
            }
            LogicalPlan::Aggregate { input, group, sets: Some(sets), aggregates, grouping } => {
                self.grouped_by_sets(input, group, sets, aggregates, grouping)
            }
            LogicalPlan::FunctionScan { .. } | LogicalPlan::Values { .. } => {
                let (domain, keys) = self.domain.plan(self.meta)?;
                let map = self.map(&keys);
                let mut right = plan.clone();
                walk::exprs_mut(&mut right).into_iter().for_each(|e| substitute(e, &map));
                let strict = match plan {
                    LogicalPlan::FunctionScan { calls, .. } => match &calls[..] {
                        [(call, _)] => self.without_rows(call),
                        _ => self.none_strict(),
                    },
                    _ => self.none_strict(),
                };
                let (left, right) = (Box::new(domain), Box::new(right));
                let plan = LogicalPlan::Join { kind: JoinKind::Inner, left, right, on: vec![] };
                Some(Pushed { plan, keys, strict })
            }
            LogicalPlan::ProjectSet { input, calls } => {
                let Pushed { plan, keys, mut strict } = self.push(input)?;
                let map = self.map(&keys);
                if let [(_, call)] = &calls[..] {
                    let more = self.without_rows(call);
                    strict.iter_mut().zip(more).for_each(|(s, more)| *s |= more);
                }
                let mut calls = calls.clone();
                calls.iter_mut().flat_map(|(_, c)| &mut c.args).for_each(|e| substitute(e, &map));
                Some(Pushed { plan: LogicalPlan::ProjectSet { input: Box::new(plan), calls }, keys, strict })
            }
            LogicalPlan::Distinct { input, on: None } => {
                let Pushed { plan, keys, strict } = self.push(input)?;
                let plan = LogicalPlan::Distinct { input: Box::new(plan), on: None };
                Some(Pushed { plan, keys, strict })
            }
            LogicalPlan::Distinct { input, on: Some(on) } => {
                let LogicalPlan::Sort { input, keys: order } = &**input else { return None };
                let below = self.push(input)?;
                let map = self.map(&below.keys);
                let (mut on, mut order) = (on.clone(), order.clone());
                on.iter_mut().for_each(|e| substitute(e, &map));
                order.iter_mut().for_each(|k| substitute(&mut k.expr, &map));
                Some(first_of_each(below, on, order))
            }
            LogicalPlan::Sort { input, .. } => self.push(input),
            LogicalPlan::SubqueryAlias { input, alias } => {
                let Pushed { plan, keys, strict } = self.push(input)?;
                let plan = LogicalPlan::SubqueryAlias { input: Box::new(plan), alias: alias.clone() };
                Some(Pushed { plan, keys, strict })
            }
            LogicalPlan::Window { input, spec, calls } => {
                let Pushed { plan, keys, strict } = self.push(input)?;
                let map = self.map(&keys);
                let (mut spec, mut calls) = (spec.clone(), calls.clone());
                spec.partition_by.iter_mut().for_each(|e| substitute(e, &map));
                spec.order_by.iter_mut().for_each(|k| substitute(&mut k.expr, &map));
                calls
                    .iter_mut()
                    .flat_map(|(_, c)| c.args.iter_mut().chain(&mut c.filter))
                    .for_each(|e| substitute(e, &map));
                spec.partition_by.extend(all_columns(&keys));
                spec.name = None;
                let plan = LogicalPlan::Window { input: Box::new(plan), spec, calls };
                Some(Pushed { plan, keys, strict })
            }
            LogicalPlan::Limit { input, limit, offset, ties } => self.limited(
                input,
                &Counts { limit: limit.as_ref(), offset: offset.as_ref() },
                ties.is_some(),
            ),
            LogicalPlan::With { ctes, body } => self.with_ctes(ctes, body),
            LogicalPlan::CteScan { cte, name, alias, columns } => {
                let Keyed { keys, strict } = self.ctes.get(cte)?.clone();
                let mut columns = columns.clone();
                let keys = keys.iter().map(|key| self.scanned(key, &mut columns)).collect::<Option<_>>()?;
                let (cte, name, alias) = (*cte, name.clone(), alias.clone());
                Some(Pushed { plan: LogicalPlan::CteScan { cte, name, alias, columns }, keys, strict })
            }
            LogicalPlan::SetOp { kind, all, left, right, output, left_columns, right_columns } => {
                let (l, r) = (self.push(left)?, self.push(right)?);
                let (mut output, mut left_columns, mut right_columns) =
                    (output.clone(), left_columns.clone(), right_columns.clone());
                let mut one = |meta: &mut QueryMeta, a: &Expr, b: &Expr| -> Option<Expr> {
                    let ((left, _), (right, _)) = (as_column(a)?, as_column(b)?);
                    let own = meta.computed(meta.get(left).name.clone(), a.ty());
                    left_columns.push(left);
                    right_columns.push(right);
                    output.push(own);
                    Some(Expr::column(own, a.ty()))
                };
                let mut keys = vec![];
                for (a, b) in l.keys.iter().zip(&r.keys) {
                    keys.push(a.zipped(b, &mut |a, b| one(self.meta, a, b))?);
                }
                let strict = l.strict.iter().zip(&r.strict).map(|(l, r)| match kind {
                    SetOpKind::Union => *l && *r,
                    SetOpKind::Intersect => *l || *r,
                    SetOpKind::Except => *l,
                });
                Some(Pushed {
                    keys,
                    strict: strict.collect(),
                    plan: LogicalPlan::SetOp {
                        kind: *kind,
                        all: *all,
                        left: Box::new(l.plan),
                        right: Box::new(r.plan),
                        output,
                        left_columns,
                        right_columns,
                    },
                })
            }
            _ => None,
        }
    }

    /// Where each outer column must equal a column of the input, these stand for the domain: what is computed for values that no
    /// outer row has is not asked for.
    fn equated(&self, input: &LogicalPlan, predicates: &[Expr]) -> Option<Vec<Key>> {
        if self.counts || self.is_correlated(input) {
            return None;
        }
        let own = walk::output_columns(input);
        let equal_to = |column: &DomainColumn| {
            let found = predicates.iter().find_map(|p| {
                let (op, left, right) = binary(p)?;
                let of = |e: &Expr, id: ColumnId| matches!(e, Expr::Column { id: c, .. } if *c == id);
                let (Expr::Column { .. }, Expr::Column { .. }) = (left, right) else { return None };
                let inner = match (of(left, column.id), of(right, column.id)) {
                    (true, false) => right,
                    (false, true) => left,
                    _ => return None,
                };
                let usable = is_equality(op) && op.hashes && inner.ty().oid == column.ty.oid;
                let (id, _) = as_column(inner)?;
                (usable && own.contains(&id)).then(|| inner.clone())
            })?;
            let plain = !column.flagged && !column.imaged;
            plain.then_some(Key { value: found, null: None, image: None })
        };
        let keys: Vec<Key> = self.domain.columns.iter().map(equal_to).collect::<Option<_>>()?;
        let twice = keys.iter().enumerate().any(|(i, k)| keys[..i].iter().any(|have| have.value == k.value));
        (!twice).then_some(keys)
    }

    /// A projection that passes the domain's columns on.
    pub(super) fn projected(&self, below: Pushed, targets: &[(ColumnId, Expr)]) -> Pushed {
        let map = self.map(&below.keys);
        let mut targets = targets.to_vec();
        targets.iter_mut().for_each(|(_, e)| substitute(e, &map));
        add_columns(&mut targets, &below.keys);
        Pushed { plan: LogicalPlan::Project { input: Box::new(below.plan), targets }, ..below }
    }

    fn joined(
        &mut self,
        kind: JoinKind,
        left: &LogicalPlan,
        right: &LogicalPlan,
        on: &[Expr],
    ) -> Option<Pushed> {
        let (kind, left, right) = match kind {
            JoinKind::Right => (JoinKind::Left, right, left),
            JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti => (kind, left, right),
            JoinKind::Full => return self.joined_fully(left, right, on),
            _ => return None,
        };
        let mut on = on.to_vec();
        let inner = kind == JoinKind::Inner;
        let right_correlated = self.is_correlated(right);
        let Pushed { plan: left, keys, mut strict } =
            match inner && right_correlated && !self.is_correlated(left) {
                true => {
                    let Pushed { plan, keys, mut strict } = self.push(right)?;
                    self.made_strict(&on, &mut strict);
                    let map = self.map(&keys);
                    on.iter_mut().for_each(|e| substitute(e, &map));
                    let plan =
                        LogicalPlan::Join { kind, left: Box::new(left.clone()), right: Box::new(plan), on };
                    return Some(Pushed { plan, keys, strict });
                }
                false => self.push(left)?,
            };
        if inner {
            self.made_strict(&on, &mut strict);
        }
        let map = self.map(&keys);
        on.iter_mut().for_each(|e| substitute(e, &map));
        let mut right = right.clone();
        if right_correlated {
            let pushed = self.push(&right)?;
            for (a, b) in keys.iter().zip(&pushed.keys) {
                on.extend(a.equals(b)?);
            }
            if inner {
                strict.iter_mut().zip(&pushed.strict).for_each(|(s, more)| *s |= more);
            }
            right = pushed.plan;
        }
        let plan = LogicalPlan::Join { kind, left: Box::new(left), right: Box::new(right), on };
        Some(Pushed { plan, keys, strict })
    }

    /// Both sides give the domain's columns; a row without a partner has them from its own side.
    fn joined_fully(&mut self, left: &LogicalPlan, right: &LogicalPlan, on: &[Expr]) -> Option<Pushed> {
        let own: Vec<ColumnId> =
            walk::output_columns(left).into_iter().chain(walk::output_columns(right)).collect();
        let (l, r) = (self.push(left)?, self.push(right)?);
        let map = self.map(&l.keys);
        let mut on = on.to_vec();
        on.iter_mut().for_each(|e| substitute(e, &map));
        let mut targets: Vec<(ColumnId, Expr)> =
            own.into_iter().map(|id| (id, Expr::column(id, self.meta.get(id).ty))).collect();
        let mut keys = vec![];
        for (a, b) in l.keys.iter().zip(&r.keys) {
            on.extend(a.equals(b)?);
            let mut either = |a: &Expr, b: &Expr| {
                let ty = a.ty();
                let own = self.meta.computed("either", ty);
                targets.push((own, Expr::Coalesce { args: vec![a.clone(), b.clone()], ty }));
                Some(Expr::column(own, ty))
            };
            keys.push(a.zipped(b, &mut either)?);
        }
        let strict = l.strict.iter().zip(&r.strict).map(|(l, r)| *l && *r).collect();
        let kind = JoinKind::Full;
        let join = LogicalPlan::Join { kind, left: Box::new(l.plan), right: Box::new(r.plan), on };
        Some(Pushed { plan: LogicalPlan::Project { input: Box::new(join), targets }, keys, strict })
    }

    fn grouped_below(
        &mut self,
        input: &LogicalPlan,
        aggregates: &[(ColumnId, AggregateExpr)],
    ) -> Option<Pushed> {
        let ordered = |(_, a): &(ColumnId, AggregateExpr)| shows_order(a);
        if (is_sorted(input) || self.is_listed(input)) && aggregates.iter().any(ordered) {
            return None;
        }
        self.push(input)
    }

    /// Whether rows come in the order of a list or a function's values that depend on the outer row.
    fn is_listed(&self, plan: &LogicalPlan) -> bool {
        let lists = matches!(
            plan,
            LogicalPlan::FunctionScan { .. } | LogicalPlan::Values { .. } | LogicalPlan::ProjectSet { .. }
        );
        lists && self.is_correlated(plan) || walk::inputs(plan).into_iter().any(|input| self.is_listed(input))
    }

    /// Groups by the domain's columns besides.
    fn grouped(
        &mut self,
        input: &LogicalPlan,
        group: &[(ColumnId, Expr)],
        aggregates: &[(ColumnId, AggregateExpr)],
        grouping: &[(ColumnId, Vec<usize>)],
    ) -> Option<Pushed> {
        let Pushed { plan, keys, strict } = self.grouped_below(input, aggregates)?;
        let map = self.map(&keys);
        let (mut group, mut aggregates) = (group.to_vec(), aggregates.to_vec());
        group.iter_mut().for_each(|(_, e)| substitute(e, &map));
        aggregates.iter_mut().for_each(|(_, a)| substitute_aggregate(a, &map));
        add_columns(&mut group, &keys);
        let grouping = grouping.to_vec();
        let plan = LogicalPlan::Aggregate { input: Box::new(plan), group, sets: None, aggregates, grouping };
        Some(Pushed { plan, keys, strict })
    }

    /// The same within each of several sets. The set of no columns has its group where there are no rows, too.
    fn grouped_by_sets(
        &mut self,
        input: &LogicalPlan,
        group: &[(ColumnId, Expr)],
        sets: &[Vec<usize>],
        aggregates: &[(ColumnId, AggregateExpr)],
        grouping: &[(ColumnId, Vec<usize>)],
    ) -> Option<Pushed> {
        let below = self.grouped_below(input, aggregates)?;
        let map = self.map(&below.keys);
        let (mut group, mut grouping) = (group.to_vec(), grouping.to_vec());
        group.iter_mut().for_each(|(_, e)| substitute(e, &map));
        let shown: Vec<ColumnId> = group
            .iter()
            .map(|(id, _)| *id)
            .chain(aggregates.iter().map(|(id, _)| *id))
            .chain(grouping.iter().map(|(id, _)| *id))
            .collect();
        let own = group.len();
        let (input, keys, mut aggregates, there) = match sets.iter().any(Vec::is_empty) {
            true => {
                let (input, keys, aggregates, there) = self.with_missing(&below, aggregates)?;
                (input, keys, aggregates, Some(there))
            }
            false => {
                let mut aggregates = aggregates.to_vec();
                aggregates.iter_mut().for_each(|(_, a)| substitute_aggregate(a, &map));
                (below.plan, below.keys, aggregates, None)
            }
        };
        // A set without the key has NULL in its place.
        if all_columns(&keys)
            .iter()
            .filter_map(as_column)
            .any(|(key, _)| group.iter().any(|(id, _)| *id == key))
        {
            return None;
        }
        add_columns(&mut group, &keys);
        let sets = sets.iter().map(|set| set.iter().copied().chain(own..group.len()).collect()).collect();
        let strict = if there.is_some() { self.none_strict() } else { below.strict };
        let mut conditions = vec![];
        if let Some(there) = there {
            let function = registry::functions_named("bool_or").iter().find(|f| f.args == [oids::BOOL])?;
            let found = self.meta.computed("found", SqlType::BOOL);
            aggregates.push((found, super::unnest_scalars::aggregate(function, vec![there], SqlType::BOOL)));
            let level = self.meta.computed("grouping", SqlType::INT4);
            let all = i32::try_from((1_i64 << own.min(32)) - 1).ok().filter(|_| own <= 31)?;
            grouping.push((level, (0..own).collect()));
            let all = Expr::Const { value: Datum::I32(all), ty: SqlType::INT4 };
            conditions.push(Expr::Or(vec![
                Expr::column(found, SqlType::BOOL),
                equality(Expr::column(level, SqlType::INT4), all)?,
            ]));
        }
        let input = Box::new(input);
        let plan = LogicalPlan::Aggregate { input, group, sets: Some(sets), aggregates, grouping };
        let plan = match conditions.is_empty() {
            true => plan,
            false => {
                let column = |id: ColumnId| (id, Expr::column(id, self.meta.get(id).ty));
                let mut targets: Vec<(ColumnId, Expr)> = shown.into_iter().map(column).collect();
                add_columns(&mut targets, &keys);
                LogicalPlan::Project { input: Box::new(filtered(plan, conditions)), targets }
            }
        };
        Some(Pushed { plan, keys, strict })
    }

    /// Aggregates all rows that belong to a combination of values, none included.
    fn with_empty_groups(
        &mut self,
        below: Pushed,
        aggregates: &[(ColumnId, AggregateExpr)],
        grouping: &[(ColumnId, Vec<usize>)],
    ) -> Option<Pushed> {
        let (input, keys, aggregates, _) = self.with_missing(&below, aggregates)?;
        let plan = LogicalPlan::Aggregate {
            input: Box::new(input),
            group: all_columns(&keys).iter().filter_map(as_column).collect(),
            sets: None,
            aggregates,
            grouping: grouping.to_vec(),
        };
        Some(Pushed { plan, keys, strict: self.none_strict() })
    }

    /// Rows, and one more for each combination of values that has none: the domain is joined once more. Aggregates that leave such rows
    /// out, and what tells the others.
    fn with_missing(&mut self, below: &Pushed, aggregates: &[(ColumnId, AggregateExpr)]) -> Option<Filled> {
        let (domain, keys) = self.domain.plan(self.meta)?;
        let inner = self.map(&below.keys);
        let matched = self.meta.computed("matched", SqlType::BOOL);
        let mut targets: Vec<(ColumnId, Expr)> = walk::output_columns(&below.plan)
            .into_iter()
            .map(|id| (id, Expr::column(id, self.meta.get(id).ty)))
            .collect();
        targets.push((matched, Expr::bool_const(true)));
        let mut on = vec![];
        for (a, b) in keys.iter().zip(&below.keys) {
            on.extend(a.equals(b)?);
        }
        let right = LogicalPlan::Project { input: Box::new(below.plan.clone()), targets };
        let mut aggregates = aggregates.to_vec();
        for (_, a) in &mut aggregates {
            // One value for the whole group, where there is no row too.
            let of_group = self.map(&keys);
            a.direct_args.iter_mut().for_each(|e| substitute(e, &of_group));
            substitute_aggregate(a, &inner);
            let there = Expr::column(matched, SqlType::BOOL);
            a.filter = Some(match a.filter.take() {
                None => there,
                Some(filter) => Expr::And(vec![there, filter]),
            });
        }
        let input = LogicalPlan::Join {
            kind: JoinKind::Left,
            left: Box::new(domain),
            right: Box::new(LogicalPlan::SubqueryAlias { input: Box::new(right), alias: "found".into() }),
            on,
        };
        Some((input, keys, aggregates, Expr::column(matched, SqlType::BOOL)))
    }
}

/// All columns that make up the keys.
pub(super) fn all_columns(keys: &[Key]) -> Vec<Expr> {
    keys.iter().flat_map(Key::parts).cloned().collect()
}

/// Adds the keys' columns that aren't there.
fn add_columns(list: &mut Vec<(ColumnId, Expr)>, keys: &[Key]) {
    for (id, e) in all_columns(keys).iter().filter_map(as_column) {
        if !list.iter().any(|(have, _)| *have == id) {
            list.push((id, e));
        }
    }
}

/// Replaces columns in an aggregate call.
pub fn substitute_aggregate(a: &mut AggregateExpr, map: &HashMap<ColumnId, Expr>) {
    a.args.iter_mut().chain(&mut a.direct_args).chain(&mut a.filter).for_each(|e| substitute(e, map));
    a.order_by.iter_mut().for_each(|k| substitute(&mut k.expr, map));
}

/// The first row in an order for each combination of the keys and of these expressions.
pub(super) fn first_of_each(below: Pushed, on: Vec<Expr>, order: Vec<SortKey>) -> Pushed {
    let all = all_columns(&below.keys);
    let key = |e: &Expr| SortKey { expr: e.clone(), descending: false, nulls_first: false };
    let mut keys: Vec<SortKey> = all.iter().map(key).collect();
    keys.extend(order);
    let sorted = LogicalPlan::Sort { input: Box::new(below.plan), keys };
    let on = all.into_iter().chain(on).collect();
    Pushed { plan: LogicalPlan::Distinct { input: Box::new(sorted), on: Some(on) }, ..below }
}
