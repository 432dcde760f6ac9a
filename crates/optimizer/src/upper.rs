//! Everything above FROM: projection, grouping, windows, distinct, sorting, limits, set operations, row locks.

use crate::cost::{self, measured};
use crate::exprs::{is_volatile, substitute};
use crate::planner::{Candidate, Planner, Want, cheapest, cheapest_of};
use crate::rules::Rule;
use quarry_common::{Error, Result};
use quarry_functions::Body;
use quarry_plan::physical::{AggregateStrategy, SetOpStrategy};
use quarry_plan::{
    AggregateExpr, ColumnId, Expr, LogicalPlan, PhysicalNode, PhysicalPlan, Recheck, RowLock, SetCall,
    SetOpKind, SortKey, WindowCall, WindowSpec, walk,
};
use quarry_types::Datum;
use std::collections::HashMap;

impl Planner<'_> {
    pub fn plan_project(
        &mut self,
        input: LogicalPlan,
        targets: Vec<(ColumnId, Expr)>,
        want: &Want,
    ) -> Result<Vec<Candidate>> {
        let mut want = want.clone();
        if targets.iter().any(|(_, e)| is_volatile(e)) {
            want.distinct.clear();
        }
        let inner = self.plan_node(input, &want)?;
        Ok(inner
            .into_iter()
            .map(|c| Candidate { plan: self.projected(c.plan, targets.clone()), order: c.order })
            .collect())
    }

    /// Makes a plan give these targets: in the node itself where it can compute, else in a Result above.
    pub fn projected(&self, mut plan: PhysicalPlan, targets: Vec<(ColumnId, Expr)>) -> PhysicalPlan {
        let s = &self.env.settings;
        let c = cost::exprs(targets.iter().map(|(_, e)| e), s);
        let width = self.width_of(targets.iter().map(|(id, _)| *id));
        let simple = targets.iter().all(|(_, e)| matches!(e, Expr::Column { .. }));
        let through =
            plan.targets.iter().all(|(id, e)| matches!(e, Expr::Column { id: same, .. } if same == id));
        let computes = !matches!(
            plan.node,
            PhysicalNode::Sort { .. }
                | PhysicalNode::Limit { .. }
                | PhysicalNode::Unique { .. }
                | PhysicalNode::Append { .. }
                | PhysicalNode::MergeAppend { .. }
                | PhysicalNode::SetOp { .. }
                | PhysicalNode::Materialize { .. }
                | PhysicalNode::Memoize { .. }
                | PhysicalNode::RecursiveUnion { .. }
                | PhysicalNode::Insert { .. }
                | PhysicalNode::Update { .. }
                | PhysicalNode::Delete { .. }
        );
        if computes && through
            || simple
                && through
                && !matches!(
                    plan.node,
                    PhysicalNode::Insert { .. } | PhysicalNode::Update { .. } | PhysicalNode::Delete { .. }
                )
        {
            plan.targets = targets;
        } else if computes && self.mergeable(&plan, &targets) {
            let map: HashMap<ColumnId, Expr> = plan.targets.iter().cloned().collect();
            let mut targets = targets;
            let constants = map.values().any(|e| matches!(e, Expr::Const { .. }));
            for (_, e) in &mut targets {
                substitute(e, &map);
                if constants && !matches!(e, Expr::Const { .. } | Expr::Column { .. }) {
                    crate::rules::fold_constants::fold(e, self.env.folder);
                }
            }
            plan.targets = targets;
        } else {
            let (rows, startup, total) = (plan.rows, plan.startup_cost, plan.total_cost);
            plan = self.make(
                PhysicalNode::Result { input: Some(Box::new(plan)), one_time_filter: vec![] },
                rows,
                startup,
                total,
            );
            plan.targets = targets;
        }
        plan.width = width;
        plan.startup_cost += c.startup;
        plan.total_cost += c.startup + c.per_row * plan.rows;
        plan
    }

    /// Whether a plan's own computed targets can be put into the new ones: nothing volatile, nothing computed twice.
    fn mergeable(&self, plan: &PhysicalPlan, targets: &[(ColumnId, Expr)]) -> bool {
        let mut uses: Vec<ColumnId> = vec![];
        targets.iter().for_each(|(_, e)| walk::columns_of(e, &mut uses));
        // Renaming or dropping columns moves nothing.
        let renames = targets.iter().all(|(_, e)| matches!(e, Expr::Column { .. }));
        if renames && !uses.iter().enumerate().any(|(i, u)| uses[..i].contains(u)) {
            return true;
        }
        // A subquery's plan holds its outer columns by id: they must stay.
        if targets.iter().any(|(_, e)| crate::exprs::has_subquery(e)) {
            return false;
        }
        plan.targets.iter().all(|(id, e)| match e {
            Expr::Column { .. } | Expr::Const { .. } | Expr::Param { .. } => true,
            e => {
                !is_volatile(e)
                    && !crate::exprs::has_subquery(e)
                    && uses.iter().filter(|u| *u == id).count() <= 1
            }
        })
    }

    /// Candidates in this order: those that have it, and the cheapest sorted.
    pub fn ordered(&mut self, candidates: Vec<Candidate>, keys: &[SortKey], limit: f64) -> Vec<Candidate> {
        let mut out = vec![];
        let mut to_sort: Vec<Candidate> = vec![];
        for c in candidates {
            let presorted = self.common_order(&c.order, keys);
            if presorted >= keys.len() {
                out.push(c);
            } else if presorted > 0 && self.env.settings.enable_incremental_sort {
                let sorted = self.sorted(c.clone(), keys, limit, presorted);
                out.push(sorted);
                to_sort.push(c);
            } else {
                to_sort.push(c);
            }
        }
        if !to_sort.is_empty() {
            let best = cheapest(to_sort, 0.0);
            out.push(self.sorted(best, keys, limit, 0));
        }
        out
    }

    fn sorted(&mut self, c: Candidate, keys: &[SortKey], limit: f64, presorted: usize) -> Candidate {
        let s = self.env.settings.clone();
        let rows = c.plan.rows;
        let (startup, total) = if presorted > 0 {
            let exprs: Vec<&Expr> = keys[..presorted].iter().map(|k| &k.expr).collect();
            let groups = self.group_count(&exprs, rows).max(1.0);
            let per_group = (rows / groups).max(1.0);
            let (g_start, g_run) = cost::sort(1.5 * per_group, c.plan.width, limit, &s);
            let input_run = (c.plan.total_cost - c.plan.startup_cost) / groups;
            let startup = c.plan.startup_cost + g_start + input_run;
            let run = g_run
                + (g_start + g_run) * (groups - 1.0)
                + input_run * (groups - 1.0)
                + (s.cpu_tuple_cost + s.cpu_operator_cost) * rows
                + 2.0 * s.cpu_tuple_cost * groups;
            (startup, startup + run)
        } else {
            let (sort, run) = cost::sort(rows, c.plan.width, limit, &s);
            (c.plan.total_cost + sort, c.plan.total_cost + sort + run)
        };
        let penalty = if s.enable_sort { 0.0 } else { cost::DISABLED };
        let bound = (limit >= 1.0).then_some(limit as u64);
        let node = PhysicalNode::Sort { input: Box::new(c.plan), keys: keys.to_vec(), bound, presorted };
        Candidate { plan: self.make(node, rows, startup + penalty, total + penalty), order: keys.to_vec() }
    }

    pub fn plan_sort(
        &mut self,
        input: LogicalPlan,
        keys: Vec<SortKey>,
        want: &Want,
    ) -> Result<Vec<Candidate>> {
        let keys: Vec<SortKey> = keys.into_iter().filter(|k| !matches!(k.expr, Expr::Const { .. })).collect();
        let inner_want = Want { orders: vec![keys.clone()], distinct: vec![], ..want.clone() };
        let candidates = self.plan_node(input, &inner_want)?;
        // Keys the input computes become columns only where the expression is one of its targets already.
        Ok(self.ordered(candidates, &keys, 0.0))
    }

    pub fn plan_limit(
        &mut self,
        input: LogicalPlan,
        limit: Option<Expr>,
        offset: Option<Expr>,
        ties: Option<Vec<SortKey>>,
        fetched: f64,
    ) -> Result<Vec<Candidate>> {
        let number = |e: &Option<Expr>, p: &Self| -> Option<f64> {
            match p.estimate(e.as_ref()?) {
                Some(Datum::I64(v)) => Some(v.max(0) as f64),
                Some(Datum::I32(v)) => Some(f64::from(v.max(0))),
                _ => None,
            }
        };
        let count = number(&limit, self);
        let skip = number(&offset, self);
        let all = matches!(&limit, None | Some(Expr::Const { value: Datum::Null, .. }));
        let constant = |e: &Option<Expr>| matches!(e, None | Some(Expr::Const { .. }));
        let none = matches!(&offset, None | Some(Expr::Const { value: Datum::Null | Datum::I64(0), .. }));
        if all && ties.is_none() && none {
            // What cuts off nothing only kept things apart until now.
            let rows = if fetched < 1.0 { fetched } else { 0.0 };
            return self.plan_node(input, &Want { rows, ..Want::default() });
        }
        let wanted = match (count, skip) {
            _ if all => 0.0,
            (Some(c), Some(s)) => c + s,
            (Some(c), None) if offset.is_none() => c,
            _ => 0.0,
        };
        // The executor may stop sorting early only if the limit is certain.
        let bound = if constant(&limit) && constant(&offset) && ties.is_none() { wanted } else { 0.0 };
        // A cursor may stop before.
        let wanted = match wanted > 0.0 && fetched > 0.0 && fetched < 1.0 {
            true => (wanted * fetched).max(1.0),
            false => wanted,
        };
        let candidates = match input {
            LogicalPlan::Sort { input, keys } => {
                let keys: Vec<SortKey> =
                    keys.into_iter().filter(|k| !matches!(k.expr, Expr::Const { .. })).collect();
                let inner = self.plan_node(
                    *input,
                    &Want { orders: vec![keys.clone()], rows: wanted, ..Want::default() },
                )?;
                self.ordered(inner, &keys, bound)
            }
            LogicalPlan::Project { input, targets } if matches!(*input, LogicalPlan::Sort { .. }) => {
                let LogicalPlan::Sort { input: below, keys } = *input else { return Ok(vec![]) };
                let inner = self.plan_node(
                    *below,
                    &Want { orders: vec![keys.clone()], rows: wanted, ..Want::default() },
                )?;
                let sorted = self.ordered(inner, &keys, bound);
                sorted
                    .into_iter()
                    .map(|c| Candidate { plan: self.projected(c.plan, targets.clone()), order: c.order })
                    .collect()
            }
            other => self.plan_node(other, &Want { rows: wanted, ..Want::default() })?,
        };
        let best = cheapest(candidates, wanted);
        let Candidate { plan: input, order } = best;
        let rows_in = input.rows;
        let skip_rows = match skip {
            Some(s) => s.min(rows_in),
            None if offset.is_some() => (rows_in * 0.1).round_ties_even(),
            None => 0.0,
        };
        let after = (rows_in - skip_rows).max(1.0);
        let rows = if all {
            after
        } else {
            match count {
                Some(c) => c.min(after).max(1.0),
                None => (rows_in * 0.1).round_ties_even().max(1.0).min(after),
            }
        };
        let per_row = (input.total_cost - input.startup_cost) / rows_in.max(1.0);
        let startup = input.startup_cost + per_row * skip_rows;
        let total = startup + per_row * rows;
        let node = PhysicalNode::Limit { input: Box::new(input), limit, offset, ties };
        Ok(vec![Candidate { plan: self.make(node, rows, startup, total), order }])
    }

    pub fn plan_aggregate(
        &mut self,
        input: LogicalPlan,
        group: Vec<(ColumnId, Expr)>,
        sets: Option<Vec<Vec<usize>>>,
        aggregates: Vec<(ColumnId, AggregateExpr)>,
        grouping: Vec<(ColumnId, Vec<usize>)>,
        want: &Want,
    ) -> Result<Vec<Candidate>> {
        let s = self.env.settings.clone();
        let before = self.subplans;
        let by_index = if group.is_empty() && sets.is_none() && self.rules.allows(Rule::TakeIndexEnds) {
            self.min_max(&input, &aggregates)?
        } else {
            None
        };
        // Those of plans that aren't chosen leave no gap in the numbers.
        let numbered = std::mem::replace(&mut self.subplans, before);
        let determined = match &sets {
            None if self.rules.allows(Rule::ReduceGroupKeys) => {
                crate::rules::reduce_group_keys::determined(&input, &group)
            }
            _ => vec![],
        };
        if !determined.is_empty() {
            self.rules.fire(Rule::ReduceGroupKeys);
        }
        let compared: Vec<&(ColumnId, Expr)> =
            group.iter().enumerate().filter(|(i, _)| !determined.contains(i)).map(|(_, g)| g).collect();
        // Group in the order asked for above, if that is possible.
        let mut keys: Vec<SortKey> = vec![];
        for w in want.orders.iter().flatten() {
            let canonical = self.canonical(&w.expr);
            if let Some((_, e)) = compared.iter().find(|(_, e)| self.canonical(e) == canonical)
                && !keys.iter().any(|k| k.expr == *e)
            {
                keys.push(SortKey { expr: e.clone(), ..w.clone() });
            } else {
                break;
            }
        }
        for (_, e) in &compared {
            if !keys.iter().any(|k| k.expr == *e) {
                keys.push(SortKey { expr: e.clone(), descending: false, nulls_first: false });
            }
        }
        let orders = if keys.is_empty() { vec![] } else { vec![keys.clone()] };
        // Groups alone need one row each.
        let distinct = match aggregates.is_empty() && sets.is_none() {
            true => group.iter().map(|(_, e)| e.clone()).collect(),
            false => vec![],
        };
        let mut candidates = self.plan_node(input, &Want { orders, distinct, ..Want::default() })?;
        // All of it is read before the first group is there, unless it comes in groups and somebody stops early, or a join tells the scan
        // which groups it looks for.
        let at_once = |c: &Candidate| {
            (self.reads_all || self.common_order(&c.order, &keys) == 0)
                && !(self.joined && !keys.is_empty() && crate::search::is_driven(&c.plan, &s))
        };
        if self.rules.is_try()
            && by_index.is_none()
            && candidates.iter().all(|c| at_once(c) && self.rules.is_too_much(c.plan.total_cost))
        {
            return Err(Error::internal("another plan costs less"));
        }
        let input_rows = candidates[0].plan.rows;
        let calls = cost::exprs(
            aggregates.iter().flat_map(|(_, a)| a.args.iter().chain(&a.direct_args).chain(&a.filter)),
            &s,
        );
        let per_input = calls.per_row + aggregates.len() as f64 * s.cpu_operator_cost;
        let finalize = aggregates.len() as f64 * s.cpu_operator_cost + s.cpu_tuple_cost;
        let build = |p: &Self, input: PhysicalPlan, strategy, rows: f64, startup: f64, total: f64| {
            let node = PhysicalNode::Aggregate {
                input: Box::new(input),
                strategy,
                group: group.clone(),
                determined: determined.clone(),
                sets: sets.clone(),
                aggregates: aggregates.clone(),
                grouping: grouping.clone(),
                workers: 0,
            };
            p.make(node, rows, startup, total)
        };
        if group.is_empty() && sets.is_none() {
            self.note_aggregates(&aggregates, input_rows, 1.0);
            let best = cheapest(candidates, 0.0).plan;
            let startup =
                best.total_cost + calls.startup + per_input * input_rows + aggregates.len() as f64 * 0.0;
            let total = startup + finalize;
            if let Some(c) = by_index
                && c.plan.total_cost < total
            {
                self.rules.fire(Rule::TakeIndexEnds);
                self.subplans = numbered;
                return Ok(vec![c]);
            }
            let plan = build(self, best, AggregateStrategy::Plain, 1.0, startup, total);
            return Ok(vec![Candidate { plan, order: vec![] }]);
        }
        let exprs: Vec<&Expr> = group.iter().map(|(_, e)| e).collect();
        let groups = match &sets {
            None => {
                let exprs: Vec<&Expr> = compared.iter().map(|(_, e)| e).collect();
                self.group_count(&exprs, input_rows)
            }
            Some(sets) => {
                let mut sum = 0.0;
                for set in sets {
                    let part: Vec<&Expr> = set.iter().filter_map(|i| exprs.get(*i).copied()).collect();
                    sum += self.group_count(&part, input_rows);
                }
                sum
            }
        };
        if sets.is_none() {
            self.note_aggregates(&aggregates, input_rows, groups);
        }
        let group_cost = compared.len() as f64 * s.cpu_operator_cost;
        let sorts = aggregates.iter().any(|(_, a)| !self.goes_without_sort(a, input_rows));
        let hashable = compared.iter().all(|(_, e)| self.hashable_type(e));
        let mut out = vec![];
        if let Some(sets) = &sets {
            // Sorted grouping sets need a sort each; the executor hashes them whatever their order.
            let best = cheapest(candidates, 0.0).plan;
            let startup = best.total_cost + (per_input + group_cost) * input_rows * sets.len() as f64;
            let plan =
                build(self, best, AggregateStrategy::Hashed, groups, startup, startup + finalize * groups);
            return Ok(vec![Candidate { plan, order: vec![] }]);
        }
        // As it is known above.
        let made = |p: &Self, order: &[SortKey]| -> Vec<SortKey> {
            let of_group = |k: &SortKey| {
                let canonical = p.canonical(&k.expr);
                let (id, e) = group.iter().find(|(_, e)| p.canonical(e) == canonical)?;
                Some(SortKey { expr: Expr::column(*id, e.ty()), ..k.clone() })
            };
            order.iter().map_while(of_group).collect()
        };
        if hashable && !sorts {
            let best = &cheapest_of(&candidates).plan;
            let hashed = group_cost + measured::GROUPED_ROW * s.cpu_tuple_cost;
            let mut startup = best.total_cost + calls.startup + (per_input + hashed) * input_rows;
            let entry = cost::row_bytes(best.width) + 40.0 * aggregates.len() as f64;
            if groups * entry > s.hash_mem() {
                // Batches go through disk once.
                let pages = (input_rows * cost::row_bytes(best.width) / 8192.0).ceil();
                startup += pages * (s.random_page_cost + s.seq_page_cost);
            }
            if !s.enable_hashagg {
                startup += cost::DISABLED;
            }
            let total = startup + (finalize + measured::GROUP * s.cpu_tuple_cost) * groups;
            // Groups in an order that nobody asks for are of use only where they cost less, or where the first one may be all there is.
            let dearer = |c: &Candidate| {
                let (first, all) = match self.common_order(&c.order, &keys) {
                    n if n >= keys.len() => (c.plan.startup_cost, c.plan.total_cost),
                    0 => {
                        let (sort, run) = cost::sort(c.plan.rows, c.plan.width, 0.0, &s);
                        (c.plan.total_cost + sort, c.plan.total_cost + sort + run)
                    }
                    _ => return false,
                };
                let grouping = calls.startup + (per_input + group_cost) * c.plan.rows + finalize * groups;
                all + grouping > total && (!self.joined || first >= startup)
            };
            let asked = || {
                let order = made(self, &keys);
                want.orders.iter().any(|w| self.common_order(&order, w) > 0)
            };
            let alone = want.rows == 0.0 && candidates.iter().all(dearer) && !asked();
            let best = match alone {
                true => cheapest(std::mem::take(&mut candidates), 0.0).plan,
                false => cheapest_of(&candidates).plan.clone(),
            };
            let plan = build(self, best, AggregateStrategy::Hashed, groups, startup, total);
            out.push(Candidate { plan, order: vec![] });
            if alone {
                return Ok(out);
            }
        }
        for c in self.ordered(candidates, &keys, 0.0) {
            let startup = c.plan.startup_cost;
            let total = c.plan.total_cost
                + calls.startup
                + (per_input + group_cost) * c.plan.rows
                + finalize * groups;
            let order = made(self, &c.order);
            out.push(Candidate {
                plan: build(self, c.plan, AggregateStrategy::Sorted, groups, startup, total),
                order,
            });
        }
        Ok(out)
    }

    /// Whether hashed grouping computes an aggregate. The executor lets the different values of DISTINCT through by hash, too. That is left
    /// where it holds much, and not used for few rows: sorting these costs little, and groups come in the order that PostgreSQL gives them.
    fn goes_without_sort(&self, a: &AggregateExpr, rows: f64) -> bool {
        const FEW: f64 = 10_000.0;
        const VALUE_BYTES: f64 = 64.0;
        let by_hash = || {
            let Body::Aggregate(code) = a.function.def().body else { return false };
            code.order_insensitive
                && a.args.iter().all(|e| self.hashable_type(e))
                && rows > FEW
                && rows * VALUE_BYTES < self.env.settings.hash_mem()
        };
        a.order_by.is_empty() && (!a.distinct || by_hash())
    }

    /// Whether values of an expression's type are known by their hashes.
    pub(crate) fn hashable_type(&self, e: &Expr) -> bool {
        self.env.catalog.type_ref(e.ty().oid).is_ok_and(|t| t.functions.hash.is_some())
    }

    pub fn plan_window(
        &mut self,
        input: LogicalPlan,
        spec: WindowSpec,
        calls: Vec<(ColumnId, WindowCall)>,
    ) -> Result<Vec<Candidate>> {
        let s = self.env.settings.clone();
        let mut keys: Vec<SortKey> = vec![];
        for e in &spec.partition_by {
            if !matches!(e, Expr::Const { .. }) {
                // In the direction that ORDER BY wants, where it names the same.
                let wanted = spec.order_by.iter().find(|k| k.expr == *e).cloned();
                keys.push(wanted.unwrap_or(SortKey {
                    expr: e.clone(),
                    descending: false,
                    nulls_first: false,
                }));
            }
        }
        for k in &spec.order_by {
            if !matches!(k.expr, Expr::Const { .. }) && !keys.iter().any(|have| have.expr == k.expr) {
                keys.push(k.clone());
            }
        }
        let orders = if keys.is_empty() { vec![] } else { vec![keys.clone()] };
        let candidates = self.plan_node(input, &Want { orders, ..Want::default() })?;
        let sorted = if keys.is_empty() {
            vec![cheapest(candidates, 0.0)]
        } else {
            self.ordered(candidates, &keys, 0.0)
        };
        let c = cost::exprs(calls.iter().flat_map(|(_, c)| c.args.iter().chain(&c.filter)), &s);
        Ok(sorted
            .into_iter()
            .map(|i| {
                let rows = i.plan.rows;
                let startup = i.plan.startup_cost;
                let per_row = c.per_row
                    + s.cpu_operator_cost
                        * (calls.len() + spec.partition_by.len() + spec.order_by.len()) as f64
                    + s.cpu_tuple_cost;
                let total = i.plan.total_cost + per_row * rows;
                let node = PhysicalNode::WindowAgg {
                    input: Box::new(i.plan),
                    spec: spec.clone(),
                    calls: calls.clone(),
                    run: vec![],
                    passes_on: false,
                };
                Candidate { plan: self.make(node, rows, startup, total), order: i.order }
            })
            .collect())
    }

    pub fn plan_project_set(
        &mut self,
        input: LogicalPlan,
        calls: Vec<(ColumnId, SetCall)>,
        want: &Want,
    ) -> Result<Vec<Candidate>> {
        let s = self.env.settings.clone();
        // Of rows alike, some may give sets that are empty.
        let candidates = self.plan_node(input, &Want { distinct: vec![], ..want.clone() })?;
        let per = calls.iter().map(|(_, c)| self.set_rows(c)).fold(1.0, f64::max);
        Ok(candidates
            .into_iter()
            .map(|c| {
                let rows = c.plan.rows * per;
                let total = c.plan.total_cost + s.cpu_tuple_cost * rows;
                let node = PhysicalNode::ProjectSet { input: Box::new(c.plan.clone()), calls: calls.clone() };
                Candidate { plan: self.make(node, rows, c.plan.startup_cost, total), order: c.order }
            })
            .collect())
    }

    pub fn plan_distinct(
        &mut self,
        input: LogicalPlan,
        on: Option<Vec<Expr>>,
        want: &Want,
    ) -> Result<Vec<Candidate>> {
        let s = self.env.settings.clone();
        if let Some(on) = on {
            let candidates = self.plan_node(input, want)?;
            let ids: Vec<ColumnId> = on
                .iter()
                .filter_map(|e| if let Expr::Column { id, .. } = e { Some(*id) } else { None })
                .collect();
            let exprs: Vec<&Expr> = on.iter().collect();
            let rows_in = candidates[0].plan.rows;
            let groups = self.group_count(&exprs, rows_in);
            return Ok(candidates.into_iter().map(|c| self.unique(c, ids.clone(), groups)).collect());
        }
        let ids = walk::output_columns(&input);
        let mut keys: Vec<SortKey> = vec![];
        for w in want.orders.iter().flatten() {
            if let Expr::Column { id, .. } = &w.expr
                && ids.contains(id)
                && !keys.iter().any(|k| k.expr == w.expr)
            {
                keys.push(w.clone());
            } else {
                break;
            }
        }
        for id in &ids {
            let expr = Expr::column(*id, self.meta.get(*id).ty);
            if !keys.iter().any(|k| k.expr == expr) {
                keys.push(SortKey { expr, descending: false, nulls_first: false });
            }
        }
        let columns: Vec<Expr> = ids.iter().map(|id| Expr::column(*id, self.meta.get(*id).ty)).collect();
        let inner = Want { orders: vec![keys.clone()], distinct: columns.clone(), ..Want::default() };
        let candidates = self.plan_node(input, &inner)?;
        let rows_in = candidates[0].plan.rows;
        let refs: Vec<&Expr> = columns.iter().collect();
        let groups = self.group_count(&refs, rows_in);
        let mut out = vec![];
        if columns.iter().all(|e| self.hashable_type(e)) && !ids.is_empty() {
            out.push(self.hashed_distinct(cheapest_of(&candidates).plan.clone(), &columns, groups, &s));
        }
        for c in self.ordered(candidates, &keys, 0.0) {
            out.push(self.unique(c, ids.clone(), groups));
        }
        Ok(out)
    }

    fn unique(&self, c: Candidate, columns: Vec<ColumnId>, groups: f64) -> Candidate {
        let startup = c.plan.startup_cost;
        let total =
            c.plan.total_cost + self.env.settings.cpu_operator_cost * c.plan.rows * columns.len() as f64;
        let node = PhysicalNode::Unique { input: Box::new(c.plan), columns };
        Candidate { plan: self.make(node, groups, startup, total), order: c.order }
    }

    /// DISTINCT as grouping by all columns, which keep their ids.
    fn hashed_distinct(
        &self,
        input: PhysicalPlan,
        columns: &[Expr],
        groups: f64,
        s: &crate::PlannerSettings,
    ) -> Candidate {
        let group: Vec<(ColumnId, Expr)> = columns
            .iter()
            .filter_map(|e| if let Expr::Column { id, .. } = e { Some((*id, e.clone())) } else { None })
            .collect();
        let per_row = s.cpu_operator_cost * group.len() as f64 + measured::GROUPED_ROW * s.cpu_tuple_cost;
        let mut startup = input.total_cost + per_row * input.rows;
        if !s.enable_hashagg {
            startup += cost::DISABLED;
        }
        if groups * cost::row_bytes(input.width) > s.hash_mem() {
            let pages = (input.rows * cost::row_bytes(input.width) / 8192.0).ceil();
            startup += pages * (s.random_page_cost + s.seq_page_cost);
        }
        let total = startup + (1.0 + measured::GROUP) * s.cpu_tuple_cost * groups;
        let node = PhysicalNode::Aggregate {
            input: Box::new(input),
            strategy: AggregateStrategy::Hashed,
            group,
            determined: vec![],
            sets: None,
            aggregates: vec![],
            grouping: vec![],
            workers: 0,
        };
        Candidate { plan: self.make(node, groups, startup, total), order: vec![] }
    }

    pub fn plan_set_op(&mut self, plan: LogicalPlan, want: &Want) -> Result<Vec<Candidate>> {
        let LogicalPlan::SetOp { kind, all, left, right, output, left_columns, right_columns } = plan else {
            return Err(quarry_common::Error::internal("not a set operation"));
        };
        let s = self.env.settings.clone();
        let columns: Vec<Expr> = output.iter().map(|id| Expr::column(*id, self.meta.get(*id).ty)).collect();
        if kind == SetOpKind::Union {
            let mut inputs = vec![];
            self.append_inputs(*left, left_columns, all, &mut inputs)?;
            self.append_inputs(*right, right_columns, all, &mut inputs)?;
            let rows: f64 = inputs.iter().map(|(p, _)| p.rows).sum();
            let startup = inputs.first().map_or(0.0, |(p, _)| p.startup_cost);
            let total = inputs.iter().map(|(p, _)| p.total_cost).sum::<f64>() + 0.5 * s.cpu_tuple_cost * rows;
            let append =
                self.make(PhysicalNode::Append { inputs, output: output.clone() }, rows, startup, total);
            let append = Candidate { plan: append, order: vec![] };
            if all {
                return Ok(vec![append]);
            }
            // PostgreSQL takes every row for distinct here.
            let mut out = vec![];
            if columns.iter().all(|e| self.hashable_type(e)) && !columns.is_empty() {
                out.push(self.hashed_distinct(append.plan.clone(), &columns, rows, &s));
            }
            let mut keys: Vec<SortKey> = vec![];
            for w in want.orders.iter().flatten() {
                if columns.contains(&w.expr) && !keys.iter().any(|k| k.expr == w.expr) {
                    keys.push(w.clone());
                } else {
                    break;
                }
            }
            for e in columns {
                if !keys.iter().any(|k| k.expr == e) {
                    keys.push(SortKey { expr: e, descending: false, nulls_first: false });
                }
            }
            for c in self.ordered(vec![append], &keys, 0.0) {
                out.push(self.unique(c, output.clone(), rows));
            }
            return Ok(out);
        }
        let l = cheapest(self.plan_node(*left, &Want::default())?, 0.0).plan;
        let r = cheapest(self.plan_node(*right, &Want::default())?, 0.0).plan;
        let rows = if kind == SetOpKind::Except { l.rows } else { l.rows.min(r.rows) };
        let startup =
            l.total_cost + r.total_cost + s.cpu_operator_cost * output.len() as f64 * (l.rows + r.rows);
        let total = startup + rows * s.cpu_tuple_cost;
        let hash = columns.iter().all(|e| self.hashable_type(e));
        let strategy = if hash && s.enable_hashagg { SetOpStrategy::Hashed } else { SetOpStrategy::Sorted };
        let sort = |p: &mut Self, plan: PhysicalPlan, ids: &[ColumnId]| {
            let keys: Vec<SortKey> = ids
                .iter()
                .map(|id| SortKey {
                    expr: Expr::column(*id, p.meta.get(*id).ty),
                    descending: false,
                    nulls_first: false,
                })
                .collect();
            p.sorted(Candidate { plan, order: vec![] }, &keys, 0.0, 0).plan
        };
        let (l, r) = match strategy {
            SetOpStrategy::Sorted if !output.is_empty() => {
                (sort(self, l, &left_columns), sort(self, r, &right_columns))
            }
            _ => (l, r),
        };
        let node = PhysicalNode::SetOp {
            kind,
            all,
            strategy,
            left: Box::new(l),
            right: Box::new(r),
            output,
            left_columns,
            right_columns,
        };
        Ok(vec![Candidate { plan: self.make(node, rows, startup, total), order: vec![] }])
    }

    /// Inputs of a UNION, nested ones of the same kind flattened.
    fn append_inputs(
        &mut self,
        plan: LogicalPlan,
        columns: Vec<ColumnId>,
        all: bool,
        out: &mut Vec<(PhysicalPlan, Vec<ColumnId>)>,
    ) -> Result<()> {
        match plan {
            LogicalPlan::SetOp {
                kind: SetOpKind::Union,
                all: inner_all,
                left,
                right,
                output,
                left_columns,
                right_columns,
            } if inner_all == all || inner_all => {
                let place = |ids: &[ColumnId]| -> Vec<ColumnId> {
                    columns
                        .iter()
                        .filter_map(|c| output.iter().position(|o| o == c).map(|i| ids[i]))
                        .collect()
                };
                let (l, r) = (place(&left_columns), place(&right_columns));
                self.append_inputs(*left, l, all, out)?;
                self.append_inputs(*right, r, all, out)
            }
            other => {
                let plan = cheapest(self.plan_node(other, &Want::default())?, 0.0).plan;
                out.push((plan, columns));
                Ok(())
            }
        }
    }

    pub fn plan_lock_rows(
        &mut self,
        input: LogicalPlan,
        locks: Vec<RowLock>,
        recheck: Recheck<LogicalPlan>,
        want: &Want,
    ) -> Result<Vec<Candidate>> {
        let candidates = self.plan_node(input, &Want { distinct: vec![], ..want.clone() })?;
        let recheck = self.plan_recheck(recheck)?;
        Ok(candidates
            .into_iter()
            .map(|c| {
                let (rows, startup) = (c.plan.rows, c.plan.startup_cost);
                let total = c.plan.total_cost + self.env.settings.cpu_tuple_cost * rows;
                let node = PhysicalNode::LockRows {
                    input: Box::new(c.plan),
                    locks: locks.clone(),
                    recheck: recheck.clone(),
                };
                // A row that is locked may come back changed, its place in the order with it; PostgreSQL accepts that too.
                Candidate { plan: self.make(node, rows, startup, total), order: c.order }
            })
            .collect())
    }
}
