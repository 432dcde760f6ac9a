//! FROM: scans, joins, filters.

use crate::cost;
use crate::exprs::{binary, columns, is_equality};
use crate::planner::{Candidate, Planner, Want};
use crate::region::Region;
use crate::scan::TableScan;
use quarry_common::{Oid, Result};
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, PhysicalNode};
use quarry_types::oids;

impl Planner<'_> {
    /// Plans of a FROM tree.
    pub fn plan_from(&mut self, plan: LogicalPlan, want: &Want) -> Result<Vec<Candidate>> {
        match plan {
            LogicalPlan::Filter { input, predicates } => match *input {
                // The commonest case by far, without detours.
                LogicalPlan::Scan { relation, alias, columns } => {
                    let (filter, gate) = split_gate(predicates);
                    let scan = TableScan { relation, alias, columns, filter };
                    if self.scan_is_empty(&scan) {
                        let output = scan.columns.iter().map(|(id, _)| *id).collect();
                        return self.plan_leaf(LogicalPlan::Empty { output }, want);
                    }
                    let c = self.scan_candidates(&scan, want)?;
                    Ok(self.gate(c, gate))
                }
                other => {
                    let region =
                        Region::of(LogicalPlan::Filter { input: Box::new(other), predicates }, self)?;
                    self.plan_region(region, want)
                }
            },
            LogicalPlan::Scan { relation, alias, columns } => {
                self.scan_candidates(&TableScan { relation, alias, columns, filter: vec![] }, want)
            }
            LogicalPlan::Join { .. } => {
                let region = Region::of(plan, self)?;
                self.plan_region(region, want)
            }
            other => self.plan_leaf(other, want),
        }
    }

    /// FROM items that are neither tables nor joins.
    pub fn plan_leaf(&mut self, plan: LogicalPlan, want: &Want) -> Result<Vec<Candidate>> {
        let s = self.env.settings.clone();
        let plan = match plan {
            LogicalPlan::OneRow => self.make(
                PhysicalNode::Result { input: None, one_time_filter: vec![] },
                1.0,
                0.0,
                s.cpu_tuple_cost,
            ),
            LogicalPlan::Empty { output } => {
                let node =
                    PhysicalNode::Result { input: None, one_time_filter: vec![Expr::bool_const(false)] };
                let mut plan = self.make(node, 1.0, 0.0, 0.0);
                plan.targets = output.iter().map(|id| (*id, Expr::null(self.meta.get(*id).ty))).collect();
                plan
            }
            LogicalPlan::Values { mut rows, output, alias } => {
                if let [row] = rows.computed_mut() {
                    let row = std::mem::take(row);
                    let node = PhysicalNode::Result { input: None, one_time_filter: vec![] };
                    let mut plan = self.make(node, 1.0, 0.0, s.cpu_tuple_cost);
                    plan.targets = output.iter().copied().zip(row).collect();
                    plan.width = self.width_of(output.iter().copied());
                    return Ok(vec![Candidate { plan, order: vec![] }]);
                }
                let n = rows.len() as f64;
                let total = n * (s.cpu_tuple_cost + s.cpu_operator_cost);
                self.make(PhysicalNode::ValuesScan { rows, columns: output, alias }, n, 0.0, total)
            }
            LogicalPlan::FunctionScan { calls, ordinality, alias } => {
                let rows = calls.iter().map(|(c, _)| self.set_rows(c)).fold(1.0, f64::max);
                let c = cost::exprs(calls.iter().flat_map(|(c, _)| &c.args), &s);
                let startup = c.startup + c.per_row + s.cpu_operator_cost * calls.len() as f64;
                let total = startup + rows * s.cpu_tuple_cost;
                self.make(PhysicalNode::FunctionScan { calls, ordinality, alias }, rows, startup, total)
            }
            LogicalPlan::CteScan { cte, name, alias, columns } => {
                let info = self.cte_info.get(&cte).cloned();
                let (rows, recursive) = info.map_or((1000.0, false), |i| (i.rows, i.recursive));
                self.note_cte_columns(&columns);
                let total = rows * (s.cpu_tuple_cost * 2.0);
                let node = if recursive {
                    PhysicalNode::WorkTableScan { cte, alias, columns }
                } else {
                    PhysicalNode::CteScan { cte, name, alias, columns }
                };
                self.make(node, rows, 0.0, total)
            }
            LogicalPlan::SubqueryAlias { input, alias } => {
                let inner = self.plan_node(*input, want)?;
                return Ok(inner
                    .into_iter()
                    .map(|c| {
                        let (rows, startup) = (c.plan.rows, c.plan.startup_cost);
                        let total = c.plan.total_cost + rows * s.cpu_tuple_cost;
                        let node =
                            PhysicalNode::SubqueryScan { input: Box::new(c.plan), alias: alias.clone() };
                        Candidate { plan: self.make(node, rows, startup, total), order: c.order }
                    })
                    .collect());
            }
            other => return self.plan_node(other, want),
        };
        Ok(vec![Candidate { plan, order: vec![] }])
    }

    /// Adds conditions to a plan's rows.
    pub fn filtered(&mut self, mut c: Candidate, predicates: Vec<Expr>) -> Candidate {
        if predicates.is_empty() {
            return c;
        }
        let selectivity = self.selectivity(&predicates);
        let e = cost::exprs(&predicates, &self.env.settings);
        let input_rows = c.plan.rows;
        let through =
            c.plan.targets.iter().all(|(id, e)| matches!(e, Expr::Column { id: same, .. } if same == id));
        let can_filter = !matches!(
            c.plan.node,
            PhysicalNode::Limit { .. }
                | PhysicalNode::LockRows { .. }
                | PhysicalNode::Sort { .. }
                | PhysicalNode::Unique { .. }
                | PhysicalNode::Materialize { .. }
                | PhysicalNode::Memoize { .. }
                | PhysicalNode::Append { .. }
                | PhysicalNode::MergeAppend { .. }
                | PhysicalNode::SetOp { .. }
                | PhysicalNode::RecursiveUnion { .. }
                | PhysicalNode::Insert { .. }
                | PhysicalNode::Update { .. }
                | PhysicalNode::Delete { .. }
                | PhysicalNode::ProjectSet { .. }
                | PhysicalNode::WindowAgg { .. }
                | PhysicalNode::Result { .. }
        );
        let mut predicates = predicates;
        if through {
            predicates = crate::run_conditions::stop_windows(&mut c.plan, predicates);
        }
        let mut plan = if through && can_filter || predicates.is_empty() {
            let mut plan = c.plan;
            plan.filter.extend(predicates);
            plan
        } else {
            let (rows, startup, total) = (c.plan.rows, c.plan.startup_cost, c.plan.total_cost);
            let mut plan = self.make(
                PhysicalNode::Result { input: Some(Box::new(c.plan)), one_time_filter: vec![] },
                rows,
                startup,
                total,
            );
            plan.filter = predicates;
            plan
        };
        plan.startup_cost += e.startup;
        plan.total_cost += e.startup + e.per_row * input_rows;
        plan.rows = cost::clamp_rows(input_rows * selectivity);
        c.plan = plan;
        c
    }

    /// Puts conditions that read no row in front of a plan.
    pub fn gate(&mut self, candidates: Vec<Candidate>, gate: Vec<Expr>) -> Vec<Candidate> {
        if gate.is_empty() {
            return candidates;
        }
        candidates
            .into_iter()
            .map(|c| {
                let (rows, startup, total) = (c.plan.rows, c.plan.startup_cost, c.plan.total_cost);
                let never = gate.iter().any(crate::exprs::is_false_or_null);
                // A row of nothing is not made first.
                if let (PhysicalNode::Result { input: None, one_time_filter }, false, true) =
                    (&c.plan.node, never, c.plan.filter.is_empty())
                    && one_time_filter.is_empty()
                {
                    let mut plan = c.plan;
                    plan.node = PhysicalNode::Result { input: None, one_time_filter: gate.clone() };
                    return Candidate { plan, order: c.order };
                }
                let input = if never { None } else { Some(Box::new(c.plan.clone())) };
                let gate = if never { vec![Expr::bool_const(false)] } else { gate.clone() };
                let node = PhysicalNode::Result { input, one_time_filter: gate };
                let mut plan = self.make(node, rows, startup, total);
                if never {
                    plan.targets = c.plan.targets.iter().map(|(id, e)| (*id, Expr::null(e.ty()))).collect();
                    (plan.startup_cost, plan.total_cost, plan.rows) = (0.0, 0.0, 1.0);
                }
                Candidate { plan, order: c.order }
            })
            .collect()
    }

    pub fn set_rows(&self, c: &quarry_plan::SetCall) -> f64 {
        let def = c.function.def();
        if def.kind() != quarry_functions::FunctionKind::Set {
            return 1.0;
        }
        match (def.name, &c.args[..]) {
            ("generate_series", [a, b, rest @ ..]) => {
                let number = |e: &Expr| match self.estimate(e) {
                    Some(quarry_types::Datum::I32(v)) => Some(f64::from(v)),
                    Some(quarry_types::Datum::I64(v)) => Some(v as f64),
                    _ => None,
                };
                let step = rest.first().map_or(Some(1.0), number);
                match (number(a), number(b), step) {
                    (Some(a), Some(b), Some(step)) if step != 0.0 => {
                        (((b - a + step) / step).floor()).max(1.0)
                    }
                    _ => 1000.0,
                }
            }
            ("unnest", [a]) => crate::stats::array_length(a).max(1.0),
            _ => 1000.0,
        }
    }
}

/// Rows of a join.
pub fn join_rows(kind: JoinKind, outer: f64, inner: f64, selectivity: f64) -> f64 {
    match kind {
        JoinKind::Inner => outer * inner * selectivity,
        JoinKind::Left => (outer * inner * selectivity).max(outer),
        JoinKind::Right => (outer * inner * selectivity).max(inner),
        JoinKind::Full => (outer * inner * selectivity).max(outer).max(inner),
        JoinKind::Semi => outer * (inner * selectivity).min(1.0),
        JoinKind::Anti => outer * (1.0 - (inner * selectivity).min(1.0)),
        JoinKind::RightSemi => inner * (outer * selectivity).min(1.0),
        JoinKind::RightAnti => inner * (1.0 - (outer * selectivity).min(1.0)),
    }
}

/// An equality whose sides can be hashed.
pub struct HashKey {
    /// The sides in one type.
    pub outer: Expr,
    pub inner: Expr,
    /// The sides as they are written.
    pub plain_outer: Expr,
    pub plain_inner: Expr,
    /// The outer side is the condition's right one.
    pub turned: bool,
}

/// The sides of an equality that can be hashed, outer first.
pub fn hash_key(c: &Expr, outer: &[ColumnId], inner: &[ColumnId]) -> Option<HashKey> {
    let (op, l, r) = binary(c)?;
    if !is_equality(op) || crate::exprs::is_volatile(c) {
        return None;
    }
    let ty = common_type(l.ty().oid, r.ty().oid)?;
    let (lc, rc) = (columns(l), columns(r));
    let within = |ids: &[ColumnId], side: &[ColumnId], other: &[ColumnId]| {
        ids.iter().any(|id| side.contains(id)) && !ids.iter().any(|id| other.contains(id))
    };
    let (o, i, turned) = if within(&lc, outer, inner) && within(&rc, inner, outer) {
        (l, r, false)
    } else if within(&rc, outer, inner) && within(&lc, inner, outer) {
        (r, l, true)
    } else {
        return None;
    };
    let fit = |e: &Expr| if e.ty().oid == ty { Some(e.clone()) } else { crate::scan::cast_to(e.clone(), ty) };
    let (plain_outer, plain_inner) = (o.clone(), i.clone());
    Some(HashKey { outer: fit(o)?, inner: fit(i)?, plain_outer, plain_inner, turned })
}

/// The type in which values of two types are compared: whole numbers and floats of different widths are in the wider one.
fn common_type(a: Oid, b: Oid) -> Option<Oid> {
    const WHOLE: [Oid; 3] = [oids::INT2, oids::INT4, oids::INT8];
    const FLOATS: [Oid; 2] = [oids::FLOAT4, oids::FLOAT8];
    let wider = |list: &[Oid]| {
        let place = |t: Oid| list.iter().position(|x| *x == t);
        Some(list[place(a)?.max(place(b)?)])
    };
    if a == b { Some(a) } else { wider(&WHOLE).or_else(|| wider(&FLOATS)) }
}

/// Conditions on rows, and conditions that read no column of any row here and now.
pub fn split_gate(predicates: Vec<Expr>) -> (Vec<Expr>, Vec<Expr>) {
    predicates.into_iter().partition(|p| crate::exprs::has_columns(p) || crate::exprs::is_volatile(p))
}
