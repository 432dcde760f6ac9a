//! A table whose rows are aggregated above a join is aggregated before it, by what the join and the grouping read of it (Yan and
//! Larson, "Eager Aggregation and Lazy Aggregation"); above the join the parts are put together:
//!
//! ```text
//! SELECT c.city, sum(o.total) FROM customer c JOIN orders o ON o.customer = c.id GROUP BY c.city
//!   -> SELECT c.city, sum(p.sum) FROM customer c
//!      JOIN (SELECT customer, sum(total) FROM orders GROUP BY customer) p ON p.customer = c.id GROUP BY c.city
//! ```
//!
//! A count is a sum of counts, an average a sum of sums by a sum of counts; min, max and the like are their own parts. The table may be
//! the right side of a left join: a row that found no partner has NULL parts. What is computed of it must not fail, for rows are
//! aggregated that find no partner; sums of floats depend on their order and are left alone.
//!
//! PostgreSQL joins first. It is tried where statistics say that few groups are left of many rows; costs decide.

use super::{Rule, Rules, inner_joins::filtered};
use crate::exprs::{columns, has_subquery, is_volatile};
use crate::planner::Planner;
use crate::scan::TableScan;
use crate::stats::Known;
use crate::{OptimizerEnv, PlannerSettings};
use quarry_functions::{FunctionDef, registry};
use quarry_plan::total::cannot_fail;
use quarry_plan::{
    AggregateExpr, CallForm, ColumnId, Expr, FunctionRef, JoinKind, LogicalPlan, PhysicalNode, PhysicalPlan,
    QueryMeta, walk,
};
use quarry_types::{Datum, SqlType, oids};
use std::rc::Rc;

/// How many rows a group must have on average for it to be tried.
const ROWS_PER_GROUP_MIN: f64 = 8.0;
/// Fewer rows are joined as they are.
const ROWS_MIN: f64 = 500.0;

/// Runs over the plan (not inside subqueries of expressions). True if a table was aggregated early.
pub fn run(
    plan: &mut LogicalPlan,
    meta: &mut QueryMeta,
    env: &OptimizerEnv<'_>,
    rules: &Rc<Rules>,
    known: &mut Known,
) -> bool {
    if rules.rows_change() || !rules.allows(Rule::AggregateEarly) {
        return false;
    }
    descend(plan, meta, env, rules, known)
}

/// Whether there is anything in a plan that the rule could be about.
pub fn may_apply(plan: &LogicalPlan) -> bool {
    is_candidate(plan) || walk::inputs(plan).into_iter().any(may_apply)
}

fn is_candidate(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Aggregate { input, sets: None, aggregates, grouping, .. } = plan else { return false };
    !aggregates.is_empty() && grouping.is_empty() && is_join(input)
}

fn is_join(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter { input, .. } => is_join(input),
        plan => matches!(plan, LogicalPlan::Join { .. }),
    }
}

fn descend(
    plan: &mut LogicalPlan,
    meta: &mut QueryMeta,
    env: &OptimizerEnv<'_>,
    rules: &Rc<Rules>,
    known: &mut Known,
) -> bool {
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= descend(input, meta, env, rules, known);
    }
    if is_candidate(plan)
        && let Some(rewritten) = aggregated(plan, meta, env, rules, known)
    {
        *plan = rewritten;
        rules.fire(Rule::AggregateEarly);
        any = true;
    }
    any
}

/// Whether it may make a plan cheaper that was made without it, to below this share of what that costs: what can be spared is what joins and
/// groupings do with a table's rows.
pub fn may_pay(plan: &PhysicalPlan, share: f64, s: &PlannerSettings) -> bool {
    let mut most = 0.0;
    flow(plan, &mut most);
    most * FLOWING_ROW * s.cpu_tuple_cost > plan.total_cost * (1.0 - share)
}

/// The most that a row costs in a join or grouping: times `cpu_tuple_cost`.
const FLOWING_ROW: f64 = 4.0;

/// The rows that come from a table to where they are grouped, counted for each join between: of the table that has the most; none if all
/// are grouped already, infinitely many where subqueries are asked on the way. `most`: the greatest number of rows that are grouped so.
fn flow(plan: &PhysicalPlan, most: &mut f64) -> Option<f64> {
    let asks = walk::physical_exprs(plan).into_iter().any(has_subquery);
    let (outer, inner, tested) = match &plan.node {
        PhysicalNode::NestLoop { outer, inner, .. } => (outer, inner, outer.rows * inner.rows),
        PhysicalNode::HashJoin { outer, inner, .. } | PhysicalNode::MergeJoin { outer, inner, .. } => {
            (outer, inner, inner.rows)
        }
        node => {
            let below = walk::physical_inputs(plan).into_iter().filter_map(|input| flow(input, most));
            let below = below.reduce(f64::max);
            return match node {
                PhysicalNode::Aggregate { input, .. } => {
                    *most = most.max(below.filter(|rows| *rows > 0.0).map_or(0.0, |rows| rows + input.rows));
                    None
                }
                _ if asks => Some(f64::INFINITY),
                PhysicalNode::SeqScan { .. }
                | PhysicalNode::IndexScan { .. }
                | PhysicalNode::BitmapHeapScan { .. } => Some(0.0),
                _ => below,
            };
        }
    };
    let outer_flow = flow(outer, most).map(|rows| rows + outer.rows);
    let inner_flow = flow(inner, most).map(|rows| rows + tested);
    let rows = outer_flow.into_iter().chain(inner_flow).reduce(f64::max)? + plan.rows;
    Some(if asks { f64::INFINITY } else { rows })
}

/// A table in a FROM clause.
struct Place {
    columns: Vec<ColumnId>,
    /// Its rows may be missing (a left join's right side).
    nullable: bool,
}

fn places(plan: &LogicalPlan, nullable: bool, out: &mut Vec<Place>) {
    match plan {
        LogicalPlan::Filter { input, .. } => places(input, nullable, out),
        LogicalPlan::Join { kind, left, right, .. } => match kind {
            JoinKind::Inner => {
                places(left, nullable, out);
                places(right, nullable, out);
            }
            JoinKind::Left => {
                places(left, nullable, out);
                // Not below further joins of the right side.
                if let (false, Some(columns)) = (nullable, scan_columns(right)) {
                    out.push(Place { columns, nullable: true });
                }
            }
            JoinKind::Semi | JoinKind::Anti => places(left, nullable, out),
            _ => {}
        },
        other => {
            if let Some(columns) = scan_columns(other) {
                out.push(Place { columns, nullable });
            }
        }
    }
}

fn scan_columns(plan: &LogicalPlan) -> Option<Vec<ColumnId>> {
    match plan {
        LogicalPlan::Filter { input, predicates }
            if !predicates.iter().any(|e| has_subquery(e) || is_volatile(e)) =>
        {
            scan_columns(input)
        }
        LogicalPlan::Scan { columns, .. } => Some(columns.iter().map(|(id, _)| *id).collect()),
        _ => None,
    }
}

fn aggregated(
    plan: &LogicalPlan,
    meta: &mut QueryMeta,
    env: &OptimizerEnv<'_>,
    rules: &Rc<Rules>,
    known: &mut Known,
) -> Option<LogicalPlan> {
    let LogicalPlan::Aggregate { input, group, aggregates, .. } = plan else { return None };
    let mut found = vec![];
    places(input, false, &mut found);
    let mut best: Option<(f64, Early)> = None;
    for place in found {
        if !aggregates.iter().all(|(_, a)| is_splittable(a, &place.columns)) {
            continue;
        }
        let Some(early) = Early::of(input, group, aggregates, &place) else { continue };
        let keys: Vec<Expr> = early.keys.iter().map(|id| Expr::column(*id, meta.get(*id).ty)).collect();
        let mut planner = Planner::new(env, std::mem::take(meta), rules.clone());
        planner.stats.known = std::mem::take(known);
        let rows = planner.scan_rows(&early.scan);
        let groups = planner.group_count(&keys.iter().collect::<Vec<_>>(), rows);
        (*meta, *known) = (planner.meta, planner.stats.known);
        let gain = rows / groups.max(1.0);
        let promising = rows >= ROWS_MIN && gain >= ROWS_PER_GROUP_MIN;
        if (promising || env.settings.forced_rules.has(Rule::AggregateEarly))
            && best.as_ref().is_none_or(|(b, _)| gain > *b)
        {
            best = Some((gain, early));
        }
    }
    let (_, early) = best?;
    if !rules.allows_costly(Rule::AggregateEarly) {
        return None;
    }
    early.build(input, group, aggregates, meta)
}

/// Whether an aggregate can be computed in parts over a table that has these columns.
fn is_splittable(a: &AggregateExpr, own: &[ColumnId]) -> bool {
    let plain = !a.distinct && a.order_by.is_empty() && a.direct_args.is_empty() && !a.variadic;
    let usable = |e: &Expr| !has_subquery(e) && !is_volatile(e) && cannot_fail(e, &[]);
    let here =
        a.args.iter().chain(&a.filter).all(|e| usable(e) && columns(e).iter().all(|id| own.contains(id)));
    let exact =
        a.args.iter().all(|e| matches!(e.ty().oid, oids::INT2 | oids::INT4 | oids::INT8 | oids::NUMERIC));
    plain
        && match a.function.def().name {
            "count" => here,
            "sum" | "avg" => here && exact,
            // Rows that are there more often change nothing.
            "min" | "max" | "bool_and" | "bool_or" | "every" => true,
            _ => false,
        }
}

/// A table of a FROM clause that could be aggregated by itself.
struct Early {
    /// Where it stands.
    way: Vec<Step>,
    /// With the conditions on it alone.
    scan: TableScan,
    nullable: bool,
    /// Columns of the table that are read above it.
    keys: Vec<ColumnId>,
}

impl Early {
    fn of(
        from: &LogicalPlan,
        group: &[(ColumnId, Expr)],
        aggregates: &[(ColumnId, AggregateExpr)],
        place: &Place,
    ) -> Option<Early> {
        let own = |e: &Expr| {
            let read = columns(e);
            !read.is_empty()
                && read.iter().all(|id| place.columns.contains(id))
                && !has_subquery(e)
                && !is_volatile(e)
        };
        let way = way_to(from, place, &own)?;
        let mut drawn = vec![];
        let LogicalPlan::Scan { relation, alias, columns: scanned } = follow(from, &way, &mut drawn) else {
            return None;
        };
        let mut read = vec![];
        reads(from, &drawn, &mut read);
        group.iter().for_each(|(_, e)| walk::columns_of(e, &mut read));
        let elsewhere = |a: &AggregateExpr| {
            walk::aggregate_exprs(a).any(|e| columns(e).iter().any(|id| !place.columns.contains(id)))
        };
        for (_, a) in aggregates.iter().filter(|(_, a)| elsewhere(a)) {
            walk::aggregate_exprs(a).for_each(|e| walk::columns_of(e, &mut read));
        }
        let keys: Vec<ColumnId> = place.columns.iter().copied().filter(|id| read.contains(id)).collect();
        if keys.is_empty() {
            return None;
        }
        let filter = drawn.into_iter().cloned().collect();
        let (relation, alias, columns) = (relation.clone(), alias.clone(), scanned.clone());
        let scan = TableScan { relation, alias, columns, filter };
        Some(Early { way, scan, nullable: place.nullable, keys })
    }

    fn build(
        self,
        from: &LogicalPlan,
        group: &[(ColumnId, Expr)],
        aggregates: &[(ColumnId, AggregateExpr)],
        meta: &mut QueryMeta,
    ) -> Option<LogicalPlan> {
        let own: Vec<ColumnId> = self.scan.columns.iter().map(|(id, _)| *id).collect();
        let mut parts = Parts { early: vec![], late: vec![], meta };
        let mut targets: Vec<(ColumnId, Expr)> =
            group.iter().map(|(id, e)| (*id, Expr::column(*id, e.ty()))).collect();
        for (id, a) in aggregates {
            let local = a.star
                || !a.args.is_empty()
                    && walk::aggregate_exprs(a).all(|e| columns(e).iter().all(|c| own.contains(c)));
            let value = if local { parts.split(a, self.nullable)? } else { parts.whole(a) };
            targets.push((*id, value));
        }
        let Parts { early, late, .. } = parts;
        // The keys keep their ids: all that reads them goes on as it was.
        let input = LogicalPlan::Scan {
            relation: self.scan.relation.clone(),
            alias: self.scan.alias.clone(),
            columns: self.scan.columns.clone(),
        };
        let group_early: Vec<(ColumnId, Expr)> =
            self.keys.iter().map(|id| (*id, Expr::column(*id, meta.get(*id).ty))).collect();
        let partial = LogicalPlan::Aggregate {
            input: Box::new(filtered(input, self.scan.filter.clone())),
            group: group_early,
            sets: None,
            aggregates: early,
            grouping: vec![],
        };
        let item = LogicalPlan::SubqueryAlias { input: Box::new(partial), alias: self.scan.alias.clone() };
        let mut from = from.clone();
        *cut(&mut from, &self.way) = item;
        let aggregate = LogicalPlan::Aggregate {
            input: Box::new(from),
            group: group.to_vec(),
            sets: None,
            aggregates: late,
            grouping: vec![],
        };
        Some(LogicalPlan::Project { input: Box::new(aggregate), targets })
    }
}

/// A node on the way to a table.
struct Step {
    /// Which side of a join is next.
    right: bool,
    /// Positions of those of its conditions that are on the table alone.
    drawn: Vec<usize>,
}

/// The way to the place's table, with its scan and the conditions right above that: from there up.
fn way_to(plan: &LogicalPlan, place: &Place, own: &dyn Fn(&Expr) -> bool) -> Option<Vec<Step>> {
    let is_it = |plan: &LogicalPlan| scan_columns(plan).is_some_and(|c| c == place.columns);
    if is_it(plan) {
        return Some(vec![]);
    }
    let drawn = |list: &[Expr], may: bool| {
        list.iter().enumerate().filter(|(_, e)| may && own(e)).map(|(i, _)| i).collect::<Vec<_>>()
    };
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            let mut way = way_to(input, place, own)?;
            // A condition above a left join is about its result.
            way.push(Step { right: false, drawn: drawn(predicates, !place.nullable) });
            Some(way)
        }
        LogicalPlan::Join { kind, left, right, on } => {
            if *kind == JoinKind::Left && place.nullable && is_it(right) {
                return Some(vec![Step { right: true, drawn: drawn(on, true) }]);
            }
            let inner = *kind == JoinKind::Inner;
            let (mut way, right) = match way_to(left, place, own) {
                Some(way) => (way, false),
                None if inner => (way_to(right, place, own)?, true),
                None => return None,
            };
            way.push(Step { right, drawn: drawn(on, inner && !place.nullable) });
            Some(way)
        }
        _ => None,
    }
}

/// The scan at the end of a way, and the conditions on its table alone.
fn follow<'p>(plan: &'p LogicalPlan, way: &[Step], drawn: &mut Vec<&'p Expr>) -> &'p LogicalPlan {
    let Some((step, rest)) = way.split_last() else {
        return match plan {
            LogicalPlan::Filter { input, predicates } => {
                drawn.extend(predicates);
                follow(input, way, drawn)
            }
            scan => scan,
        };
    };
    let (next, conditions) = match plan {
        LogicalPlan::Filter { input, predicates } => (input, predicates),
        LogicalPlan::Join { left, right, on, .. } => (if step.right { right } else { left }, on),
        other => return other,
    };
    let own = step.drawn.iter().filter_map(|i| conditions.get(*i));
    // The condition of the left join itself comes first.
    if rest.is_empty() && step.right && matches!(plan, LogicalPlan::Join { kind: JoinKind::Left, .. }) {
        drawn.extend(own);
        return follow(next, rest, drawn);
    }
    let scan = follow(next, rest, drawn);
    drawn.extend(own);
    scan
}

/// The place of the scan at the end of a way, with what is right above it; the conditions on its table go.
fn cut<'p>(plan: &'p mut LogicalPlan, way: &[Step]) -> &'p mut LogicalPlan {
    let Some((step, rest)) = way.split_last() else { return plan };
    let mut at = 0;
    let mut stays = |_: &Expr| {
        at += 1;
        !step.drawn.contains(&(at - 1))
    };
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            predicates.retain(&mut stays);
            cut(input, rest)
        }
        LogicalPlan::Join { left, right, on, .. } => {
            on.retain(&mut stays);
            cut(if step.right { right } else { left }, rest)
        }
        other => other,
    }
}

/// The columns that a plan reads, but for what these conditions do.
fn reads(plan: &LogicalPlan, but: &[&Expr], out: &mut Vec<ColumnId>) {
    for e in walk::exprs(plan) {
        if !but.iter().any(|other| std::ptr::eq(*other, e)) {
            walk::columns_of(e, out);
        }
    }
    walk::inputs(plan).into_iter().for_each(|input| reads(input, but, out));
}

/// The aggregates below and above the join.
struct Parts<'a> {
    early: Vec<(ColumnId, AggregateExpr)>,
    late: Vec<(ColumnId, AggregateExpr)>,
    meta: &'a mut QueryMeta,
}

impl Parts<'_> {
    /// One that isn't split.
    fn whole(&mut self, a: &AggregateExpr) -> Expr {
        let id = self.meta.computed(a.function.def().name, a.ty);
        self.late.push((id, a.clone()));
        Expr::column(id, a.ty)
    }

    /// An aggregate as an expression over its parts.
    fn split(&mut self, a: &AggregateExpr, nullable: bool) -> Option<Expr> {
        match a.function.def().name {
            "count" => {
                let mut part = self.below(a.clone());
                if nullable && a.star {
                    // The row that found no partner.
                    let one = Expr::Const { value: Datum::I64(1), ty: SqlType::INT8 };
                    part = Expr::Coalesce { args: vec![part, one], ty: SqlType::INT8 };
                }
                let total = self.above("sum", part)?;
                let count = cast(total, SqlType::INT8)?;
                let zero = Expr::Const { value: Datum::I64(0), ty: SqlType::INT8 };
                Some(Expr::Coalesce { args: vec![count, zero], ty: SqlType::INT8 })
            }
            "sum" => {
                let part = self.below(a.clone());
                let total = self.above("sum", part)?;
                if total.ty().oid == a.ty.oid { Some(total) } else { cast(total, a.ty) }
            }
            "avg" => {
                let arg = a.args.first()?.ty();
                let sum = with_function(a, function("sum", &[arg.oid])?);
                let count = with_function(a, function("count", &[oids::ANY])?);
                let (sum, count) = (self.below(sum), self.below(count));
                let (sum, count) = (self.above("sum", sum)?, self.above("sum", count)?);
                let sum = if sum.ty().oid == oids::NUMERIC { sum } else { cast(sum, SqlType::NUMERIC)? };
                let op = registry::operators_named("/")
                    .iter()
                    .find(|o| o.left == oids::NUMERIC && o.right == oids::NUMERIC)?;
                crate::exprs::operator_call(op, sum, count)
            }
            _ => {
                let part = self.below(a.clone());
                let id = self.meta.computed(a.function.def().name, a.ty);
                let late = AggregateExpr { args: vec![part], filter: None, ..a.clone() };
                self.late.push((id, late));
                Some(Expr::column(id, a.ty))
            }
        }
    }

    fn below(&mut self, a: AggregateExpr) -> Expr {
        if let Some((id, same)) = self.early.iter().find(|(_, have)| *have == a) {
            return Expr::column(*id, same.ty);
        }
        let (name, ty) = (a.function.def().name, a.ty);
        let id = self.meta.computed(format!("partial_{name}"), ty);
        self.early.push((id, a));
        Expr::column(id, ty)
    }

    fn above(&mut self, name: &str, part: Expr) -> Option<Expr> {
        let def = function(name, &[part.ty().oid])?;
        let ty = SqlType::of(def.ret);
        let call = AggregateExpr {
            function: FunctionRef::Builtin(def),
            args: vec![part],
            direct_args: vec![],
            distinct: false,
            order_by: vec![],
            filter: None,
            ty,
            star: false,
            variadic: false,
        };
        if let Some((id, _)) = self.late.iter().find(|(_, have)| *have == call) {
            return Some(Expr::column(*id, ty));
        }
        let id = self.meta.computed(name, ty);
        self.late.push((id, call));
        Some(Expr::column(id, ty))
    }
}

fn function(name: &str, args: &[quarry_common::Oid]) -> Option<&'static FunctionDef> {
    registry::functions_named(name).iter().copied().find(|f| f.args == args)
}

fn with_function(a: &AggregateExpr, def: &'static FunctionDef) -> AggregateExpr {
    AggregateExpr { function: FunctionRef::Builtin(def), ty: SqlType::of(def.ret), star: false, ..a.clone() }
}

/// A value in another type, by a function.
pub fn cast(arg: Expr, ty: SqlType) -> Option<Expr> {
    let cast = registry::cast(arg.ty().oid, ty.oid)?;
    let function = FunctionRef::Builtin(registry::function(cast.function)?);
    let form = CallForm::ExplicitCast;
    Some(Expr::Call { function, args: vec![arg], ty, form, variadic: false, pos: Default::default() })
}
