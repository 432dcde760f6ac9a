//! The planner's state, and the dispatch over logical nodes.

use crate::OptimizerEnv;
use crate::cost;
use crate::rules::Rules;
use hashbrown::HashMap;
use quarry_common::Result;
use quarry_plan::physical::PlannedCte;
use quarry_plan::{
    ColumnId, CteId, Expr, JoinKind, LogicalPlan, PhysicalNode, PhysicalPlan, QueryMeta, SortKey, walk,
};
use std::rc::Rc;

/// A plan for some relation and the order of its rows.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub plan: PhysicalPlan,
    pub order: Vec<SortKey>,
}

/// What the nodes above would like.
#[derive(Clone, Default)]
pub struct Want {
    /// Orders of use: each a list of sort keys.
    pub orders: Vec<Vec<SortKey>>,
    /// Rows that will be fetched (LIMIT); 0: all; below 1: that share of them (a cursor).
    pub rows: f64,
    /// Of rows equal in all of these, one is as good as all; empty: all are needed.
    pub distinct: Vec<Expr>,
}

/// What is known of a CTE when it is scanned.
#[derive(Clone)]
pub struct CteInfo {
    pub rows: f64,
    /// While its own step is planned.
    pub recursive: bool,
}

/// Plans one statement.
pub struct Planner<'a> {
    pub env: &'a OptimizerEnv<'a>,
    pub meta: QueryMeta,
    pub ctes: Vec<PlannedCte>,
    pub cte_info: HashMap<CteId, CteInfo>,
    /// Numbers of SubPlans given so far, InitPlans included.
    pub subplans: usize,
    /// What computed columns stand for, to recognise orders.
    pub definitions: HashMap<ColumnId, Expr>,
    /// Whether a join of the statement makes rows of NULLs up: columns of constants are then none above it.
    pub outer_joins: bool,
    /// Columns that inner joins make equal: each leads to its representative.
    pub equal: HashMap<ColumnId, ColumnId>,
    pub stats: crate::stats::StatsCache,
    pub(crate) stored: crate::stored::StoredExprs,
    /// Columns of tables that are read only by the conditions right above their scans.
    pub filter_only: Vec<ColumnId>,
    pub rules: Rc<Rules>,
    /// Whether nothing in the statement stops before it has read all rows of its inputs.
    pub reads_all: bool,
    /// Whether the statement pays for all rows of what is being planned, if they don't come in an order that somebody wants.
    pub whole: bool,
    /// Whether it is an item of several, whose joins may spare it rows.
    pub joined: bool,
}

impl<'a> Planner<'a> {
    pub fn new(env: &'a OptimizerEnv<'a>, meta: QueryMeta, rules: Rc<Rules>) -> Planner<'a> {
        Planner {
            env,
            meta,
            ctes: vec![],
            cte_info: HashMap::new(),
            subplans: 0,
            definitions: HashMap::new(),
            outer_joins: false,
            equal: HashMap::new(),
            stats: Default::default(),
            stored: Default::default(),
            filter_only: vec![],
            rules,
            reads_all: false,
            whole: true,
            joined: false,
        }
    }

    /// The statement's plan.
    pub fn plan_top(&mut self, plan: LogicalPlan) -> Result<PhysicalPlan> {
        let rows = self.env.settings.fetched;
        self.whole = rows == 0.0;
        Ok(cheapest(self.plan_node(plan, &Want { rows, ..Want::default() })?, rows).plan)
    }

    /// Plans of a logical node, each best in some respect; never empty.
    pub fn plan_node(&mut self, mut plan: LogicalPlan, want: &Want) -> Result<Vec<Candidate>> {
        self.collect_definitions(&plan);
        self.plan_subqueries_of(&mut plan)?;
        match plan {
            LogicalPlan::OneRow
            | LogicalPlan::Scan { .. }
            | LogicalPlan::Filter { .. }
            | LogicalPlan::Join { .. }
            | LogicalPlan::Values { .. }
            | LogicalPlan::FunctionScan { .. }
            | LogicalPlan::CteScan { .. }
            | LogicalPlan::Empty { .. }
            | LogicalPlan::SubqueryAlias { .. } => self.plan_from(plan, want),
            LogicalPlan::With { ctes, body } => {
                for cte in ctes {
                    self.plan_cte(cte)?;
                }
                self.plan_node(*body, want)
            }
            LogicalPlan::Barrier { input } => self.plan_node(*input, want),
            LogicalPlan::Project { input, targets } => self.plan_project(*input, targets, want),
            LogicalPlan::Aggregate { input, group, sets, aggregates, grouping } => {
                self.plan_aggregate(*input, group, sets, aggregates, grouping, want)
            }
            LogicalPlan::Window { input, spec, calls } => self.plan_window(*input, spec, calls),
            LogicalPlan::ProjectSet { input, calls } => self.plan_project_set(*input, calls, want),
            LogicalPlan::Distinct { input, on } => self.plan_distinct(*input, on, want),
            LogicalPlan::Sort { input, keys } => self.plan_sort(*input, keys, want),
            LogicalPlan::Limit { input, limit, offset, ties } => {
                let whole = self.whole && is_sorted(&input);
                self.with_whole(whole, |p| p.plan_limit(*input, limit, offset, ties, want.rows))
            }
            LogicalPlan::SetOp { .. } => self.plan_set_op(plan, want),
            LogicalPlan::LockRows { input, locks, recheck, .. } => {
                self.plan_lock_rows(*input, locks, recheck, want)
            }
            LogicalPlan::Insert { .. } | LogicalPlan::Update { .. } | LogicalPlan::Delete { .. } => {
                self.plan_write(plan)
            }
        }
    }

    /// Plans something, knowing whether the statement pays for all of its rows.
    pub fn with_whole<T>(&mut self, whole: bool, plan: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.whole, whole);
        let planned = plan(self);
        self.whole = before;
        planned
    }

    fn collect_definitions(&mut self, plan: &LogicalPlan) {
        let mut add = |id: &ColumnId, e: &Expr| {
            if !matches!(e, Expr::Column { id: same, .. } if same == id)
                && !crate::exprs::has_subquery(e)
                && !crate::exprs::is_volatile(e)
            {
                self.definitions.insert(*id, e.clone());
            }
        };
        // A column of an anti join's right side is NULL from there up under its own id, and not so below.
        let computed = |input: &LogicalPlan, id: ColumnId, e: &Expr| {
            !matches!(e, Expr::Const { .. }) || !is_made_in(input, id)
        };
        match plan {
            LogicalPlan::Project { targets: list, input }
            | LogicalPlan::Aggregate { group: list, sets: None, input, .. } => {
                list.iter().filter(|(id, e)| computed(input, *id, e)).for_each(|(id, e)| add(id, e))
            }
            _ => {}
        }
    }

    /// A node whose targets are its raw columns.
    pub fn make(&self, node: PhysicalNode, rows: f64, startup: f64, total: f64) -> PhysicalPlan {
        let targets: Vec<(ColumnId, Expr)> = walk::raw_columns(&node)
            .into_iter()
            .map(|id| (id, Expr::column(id, self.meta.get(id).ty)))
            .collect();
        let width = self.width_of(targets.iter().map(|(id, _)| *id));
        PhysicalPlan {
            node,
            filter: vec![],
            targets,
            rows: cost::clamp_rows(rows),
            width,
            startup_cost: startup,
            total_cost: total,
            id: 0,
        }
    }

    /// Average width of these columns together.
    pub fn width_of(&self, columns: impl Iterator<Item = ColumnId>) -> u32 {
        columns.map(|id| self.column_width(id)).sum()
    }

    /// The value an expression has now, for estimates: nothing volatile is ever run.
    pub fn estimate(&self, e: &Expr) -> Option<quarry_types::Datum> {
        match e {
            Expr::Const { value, .. } => Some(value.clone()),
            Expr::Column { .. } => None,
            e if crate::exprs::is_volatile(e)
                || crate::exprs::has_subquery(e)
                || crate::exprs::has_columns(e) =>
            {
                None
            }
            e => self.env.folder.estimate(e),
        }
    }
}

/// Whether nothing in a plan stops before it has read all rows of its inputs.
pub fn reads_all(plan: &LogicalPlan) -> bool {
    use quarry_plan::expr::{SubqueryKind, SubqueryPlan};
    if matches!(
        plan,
        LogicalPlan::Limit { .. } | LogicalPlan::Join { kind: JoinKind::Semi | JoinKind::Anti, .. }
    ) {
        return false;
    }
    let within = |e: &Expr| {
        walk::any(e, &|e| match e {
            Expr::Subquery(s) => match (&s.kind, &s.plan) {
                (SubqueryKind::Scalar | SubqueryKind::Array, SubqueryPlan::Logical(plan)) => !reads_all(plan),
                _ => true,
            },
            _ => false,
        })
    };
    !walk::exprs(plan).into_iter().any(within) && walk::inputs(plan).into_iter().all(reads_all)
}

/// Whether what is below LIMIT is sorted: all is read then, unless it comes in that order.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Project { input, .. } => is_sorted(input),
        LogicalPlan::Sort { keys, .. } => keys.iter().any(|k| !matches!(k.expr, Expr::Const { .. })),
        _ => false,
    }
}

/// Whether a node of the plan gives the column.
fn is_made_in(plan: &LogicalPlan, id: ColumnId) -> bool {
    walk::output_columns(plan).contains(&id) || walk::inputs(plan).into_iter().any(|p| is_made_in(p, id))
}

/// The cheapest candidate for fetching all rows.
pub fn cheapest_of(candidates: &[Candidate]) -> &Candidate {
    let mut best = candidates.first().expect("planning a node gives at least one candidate");
    for c in candidates {
        if c.plan.total_cost < best.plan.total_cost {
            best = c;
        }
    }
    best
}

/// The cheapest candidate for fetching `rows` rows (0: all; below 1: that share of them).
pub fn cheapest(candidates: Vec<Candidate>, rows: f64) -> Candidate {
    let mut best: Option<(f64, Candidate)> = None;
    for c in candidates {
        let cost = cost::fraction_cost(&c.plan, rows);
        if best.as_ref().is_none_or(|(b, _)| cost < *b) {
            best = Some((cost, c));
        }
    }
    best.expect("planning a node gives at least one candidate").1
}
