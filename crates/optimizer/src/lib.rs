//! From a bound statement to a physical plan: rewrites, statistics, cost, join order, access paths.
//!
//! Follows PostgreSQL's planner in its cost model (`costsize.c`), its estimates (`selfuncs.c`) and the shapes it prefers, so that
//! plans of common queries look alike; join orders are searched over connected subsets.
#![forbid(unsafe_code)]

mod aliases;
pub mod analyze;
mod cost;
mod dml;
mod exclusion;
mod exprs;
mod finish;
pub mod hints;
mod joins;
mod min_max;
mod orders;
mod parallel;
mod planner;
mod region;
mod rules;
mod run_conditions;
mod runtime_filters;
mod scan;
mod search;
mod settings;
mod stats;
mod stored;
mod subqueries;
mod unique;
mod upper;

#[cfg(test)]
mod tests;

use quarry_catalog::{CatalogReader, Relation};
use quarry_common::{Error, Result};
pub use quarry_plan::ConstantFolder;
use quarry_plan::physical::RelationUse;
use quarry_plan::{ColumnId, Expr, LogicalPlan, PhysicalPlan, QueryMeta, ScanColumn, Statement};
use quarry_types::SqlType;
pub use rules::RuleSet;
use rules::kinds::Kinds;
use rules::registry::Questions;
use rules::{Rule, Rules};
pub use settings::PlannerSettings;
use std::rc::Rc;
use std::sync::Arc;

/// Turns SQL that the catalog stores (an index's expression or predicate) into an expression over columns of a scan, of a type if one
/// is given.
pub type BindStored = fn(
    &CatalogReader,
    &str,
    &Relation,
    &[(ColumnId, ScanColumn)],
    Option<SqlType>,
    &mut QueryMeta,
) -> Result<Expr>;

/// What planning asks of its surroundings.
pub struct OptimizerEnv<'a> {
    pub catalog: &'a CatalogReader,
    pub settings: PlannerSettings,
    pub folder: &'a dyn ConstantFolder,
    pub bind_stored: BindStored,
    /// What the statement's comment, or its pinned plan, asks for.
    pub hints: Option<&'a hints::Hints>,
}

/// How much cheaper a plan must be for a rewrite that isn't always worth it: estimates of what is alike differ by less.
const CLEARLY: f64 = 0.9;

/// A statement on its way to a plan.
#[derive(Clone)]
struct Bound {
    plan: LogicalPlan,
    meta: QueryMeta,
    output: Vec<(ColumnId, String, SqlType)>,
    params: Vec<SqlType>,
    relations: Vec<(Arc<Relation>, RelationUse)>,
    read_only: bool,
    /// The rules that have rewritten it; none: it is as it was bound.
    rewritten: Option<RuleSet>,
}

/// Plans a bound statement. Rewrites that aren't always worth it are tried, all together and each alone: the cheapest plan wins.
pub fn plan<'a>(
    plan: LogicalPlan,
    meta: QueryMeta,
    output: Vec<(ColumnId, String, SqlType)>,
    params: Vec<SqlType>,
    env: &'a OptimizerEnv<'a>,
) -> Result<Statement> {
    let kinds = Kinds::of(&plan);
    let choices = rules::choices(&plan, kinds);
    let rows_change = kinds.has(Kinds::CHANGE) && rules::changes_rows(&plan);
    let mut bound = Bound::new(plan, meta, output, params, kinds);
    let disabled = env.settings.disabled_rules;
    let forced = env.settings.forced_rules;
    let rules = Rc::new(Rules::new(disabled, forced, rows_change));
    let unwritten = choices.while_rewriting.then(|| bound.clone());
    bound.rewrite(kinds, env, &rules)?;
    // Where no choice was met, the statement is rewritten the same way for all plans.
    let met = !rules.asked().is_empty();
    let first_new = unwritten.as_ref().filter(|_| met).unwrap_or(&bound).first_new();
    // What was allowed, and asked for, and what came of it: others that get the same answers go on from there.
    let mut rewritten: Vec<(RuleSet, Questions, Bound)> = vec![];
    if unwritten.is_some() || choices.any() && !met {
        rewritten.push((forced, rules.asked(), bound.clone()));
    }
    let mut known = stats::Known::default();
    known.scans.wanted = !rewritten.is_empty();
    // What is rewritten comes first; then what is done to that which was rewritten best.
    let early = RuleSet::of(Rule::AggregateEarly);
    let afterwards = early.and(RuleSet::of(Rule::SplitOrs));
    // Where values of subqueries are all that is open, and dear as they stand, the joins are planned first.
    let joins = RuleSet::of(Rule::UnnestScalars);
    if !rewritten.is_empty() && met && rules.asked().rules().without(forced).without(afterwards) == joins {
        rules.let_wait();
    }
    let mut first = match bound.plan(env, &rules, &mut known) {
        Err(_) if rules.put_off().is_some() => None,
        planned => Some(planned?),
    };
    let undecided = rules.asked().rules().without(forced);
    if let Some(best) = first.take_if(|_| rewritten.is_empty() || undecided == RuleSet::default()) {
        return Ok(best.finish(known));
    }
    // The one that was planned last.
    let mut last = Some(0);
    let mut with = |costly: RuleSet, limit: f64| {
        let allowed = costly.and(forced);
        let rules = Rules::new(disabled, allowed, rows_change).within(limit);
        let alike = |(before, asked, _): &(RuleSet, Questions, Bound)| asked.answered_alike(*before, allowed);
        let at = rewritten.iter().position(alike);
        let (rules, bound) = match (at, &unwritten) {
            (Some(at), _) => {
                let (_, asked, bound) = &rewritten[at];
                let rules = rules.after(bound.rewritten.unwrap_or_default(), asked.clone());
                (Rc::new(rules), Ok(bound.clone()))
            }
            (None, Some(bound)) => {
                let (rules, mut bound) = (Rc::new(rules), bound.clone());
                let outcome = bound.rewrite(kinds, env, &rules);
                if outcome.is_ok() {
                    rewritten.push((allowed, rules.asked(), bound.clone()));
                }
                (rules, outcome.map(|()| bound))
            }
            (None, None) => return (Err(Error::internal("a choice that nobody has met")), rules.asked()),
        };
        let planned = bound.and_then(|bound| {
            // Columns that rewriting has made are the same in the same rewritten statement only.
            known.forget_from(if at.is_some() && at == last { bound.first_new() } else { first_new });
            last = at.or(rewritten.len().checked_sub(1));
            bound.plan(env, &rules, &mut known)
        });
        (planned, rules.asked())
    };
    let mut attempts = vec![(forced, rules.asked())];
    let mut tries = match first {
        Some(best) => Tries { cost: CLEARLY * best.cost(), best, chosen: forced, attempts },
        None => {
            let (other, asked) = with(joins, f64::INFINITY);
            attempts.push((joins.and(forced), asked));
            // The one that was put off need not be cheaper: it is what others must cost clearly less than.
            let limit = other.as_ref().map_or(f64::INFINITY, |other| other.cost() / CLEARLY);
            let again = rules.put_off().is_none_or(|least| least < limit).then(|| with(forced, limit).0);
            match (again, other) {
                (Some(Ok(best)), other) if other.is_err() || best.cost() <= limit => {
                    Tries { cost: CLEARLY * best.cost(), best, chosen: forced, attempts }
                }
                (Some(Err(error)), Err(_)) => return Err(error),
                (_, other) => {
                    let best = other?;
                    Tries { cost: best.cost(), best, chosen: joins.and(forced), attempts }
                }
            }
        }
    };
    // Answers what was asked for.
    let mut attempt = |tries: &mut Tries<'a>, costly: RuleSet| {
        let allowed = costly.and(forced);
        if let Some(asked) = tries.asked_before(allowed) {
            return asked;
        }
        let (planned, asked) = with(costly, tries.cost);
        tries.attempts.push((allowed, asked.clone()));
        if let Ok(planned) = planned
            && planned.cost() < tries.cost
        {
            (tries.cost, tries.best, tries.chosen) = (planned.cost(), planned, allowed);
        }
        asked
    };
    // All open rules of a kind, then each alone, on top of others.
    let mut explore = |tries: &mut Tries<'a>, base: RuleSet, open: RuleSet, kind: RuleSet| {
        let mut all = open.common(kind);
        if all == RuleSet::default() {
            return;
        }
        // Some are possible only where others were done.
        let asked_of_all = loop {
            let asked = attempt(tries, base.and(all));
            let more = asked.rules().common(kind).without(forced).without(all);
            if more == RuleSet::default() {
                break asked;
            }
            all = all.and(more);
        };
        // Errors that are looked for beside a join cost more than those that come out of it, which are kept where costs allow all.
        let beside = RuleSet::of(Rule::DeferErrors);
        let second_best = |rule: RuleSet| rule == beside && !asked_of_all.has(rule);
        for rule in all.each().into_iter().filter(|rule| !second_best(*rule)) {
            attempt(tries, base.and(rule));
        }
    };
    explore(&mut tries, forced, undecided, RuleSet::all().without(afterwards));
    let base = tries.chosen;
    let open = tries.asked_before(base).unwrap_or_default().rules().without(forced);
    let worth = if tries.best.may_aggregate_early() { afterwards } else { afterwards.without(early) };
    explore(&mut tries, base, open, worth);
    let best = tries.best;
    Ok(best.finish(known))
}

/// The plans that were tried.
struct Tries<'a> {
    best: Planned<'a>,
    /// What another one must stay below.
    cost: f64,
    /// What was allowed for the best.
    chosen: RuleSet,
    /// What was allowed, and what was asked for.
    attempts: Vec<(RuleSet, Questions)>,
}

impl Tries<'_> {
    /// What was asked for by one that got the same answers: it asks the same then, and has the same plan.
    fn asked_before(&self, allowed: RuleSet) -> Option<Questions> {
        let alike = |(before, asked): &&(RuleSet, Questions)| asked.answered_alike(*before, allowed);
        self.attempts.iter().find(alike).map(|(_, asked)| asked.clone())
    }
}

impl Bound {
    fn new(
        plan: LogicalPlan,
        meta: QueryMeta,
        output: Vec<(ColumnId, String, SqlType)>,
        params: Vec<SqlType>,
        kinds: Kinds,
    ) -> Bound {
        let relations = finish::relations(&plan);
        let read_only = !kinds.has(Kinds::CHANGE.and(Kinds::INSERT));
        Bound { plan, meta, output, params, relations, read_only, rewritten: None }
    }

    /// The first of the columns that will be made after those it has.
    fn first_new(&self) -> ColumnId {
        ColumnId(u32::try_from(self.meta.len()).unwrap_or(u32::MAX))
    }

    /// Rewrites it, up to the choices that are made afterwards.
    fn rewrite(&mut self, kinds: Kinds, env: &OptimizerEnv<'_>, rules: &Rules) -> Result<()> {
        if self.rewritten.is_none() {
            let plan = std::mem::replace(&mut self.plan, LogicalPlan::OneRow);
            self.plan = rules::rewrite(plan, kinds, &mut self.meta, env.folder, rules)?;
            self.rewritten = Some(rules.done());
        }
        Ok(())
    }

    /// The plan of what has been rewritten.
    fn plan<'a>(
        self,
        env: &'a OptimizerEnv<'a>,
        rules: &Rc<Rules>,
        known: &mut stats::Known,
    ) -> Result<Planned<'a>> {
        let Bound { mut plan, mut meta, output, params, relations, read_only, .. } = self;
        let ids: Vec<ColumnId> = output.iter().map(|(id, _, _)| *id).collect();
        let forced = env.settings.forced_rules.has(Rule::SplitOrs);
        rules::split_ors::run(&mut plan, &ids, &mut meta, forced, rules);
        rules::aggregate_early::run(&mut plan, &mut meta, env, rules, known);
        let mut needed = rules::prune_columns::Needed::new(meta.len(), rules);
        output.iter().for_each(|(id, _, _)| needed.add(*id));
        rules::prune_columns::prune(&mut plan, &mut needed);
        let filter_only = std::mem::take(&mut needed.filter_only);
        let mut planner = planner::Planner::new(env, meta, rules.clone());
        planner.filter_only = filter_only;
        planner.reads_all = rules.is_try() && env.settings.fetched == 0.0 && planner::reads_all(&plan);
        planner.stats.known = std::mem::take(known);
        let planned = planner.plan_top(plan);
        *known = std::mem::take(&mut planner.stats.known);
        Ok(Planned { plan: planned?, planner, output, params, relations, read_only })
    }
}

/// A plan that is one of several perhaps, without the last touches.
struct Planned<'a> {
    plan: PhysicalPlan,
    planner: planner::Planner<'a>,
    output: Vec<(ColumnId, String, SqlType)>,
    params: Vec<SqlType>,
    relations: Vec<(Arc<Relation>, RelationUse)>,
    read_only: bool,
}

impl Planned<'_> {
    /// What the statement costs, as far as it is fetched, CTEs included.
    fn cost(&self) -> f64 {
        let fetched = self.planner.env.settings.fetched;
        cost::fraction_cost(&self.plan, fetched)
            + self.planner.ctes.iter().map(|cte| cte.plan.total_cost).sum::<f64>()
    }

    /// Whether it could cost clearly less if tables were aggregated before they are joined.
    fn may_aggregate_early(&self) -> bool {
        let mut plans = self.planner.ctes.iter().map(|cte| &*cte.plan).chain([&self.plan]);
        let settings = &self.planner.env.settings;
        plans.any(|plan| rules::aggregate_early::may_pay(plan, CLEARLY, settings))
    }

    /// The plan as it is run. `known`: what has been looked up for it.
    fn finish(self, known: stats::Known) -> Statement {
        let Planned { plan: mut best, mut planner, output, params, relations, read_only } = self;
        planner.stats.known = known;
        finish::narrow(&mut best, &output);
        finish::trim(&mut best);
        let mut ctes = std::mem::take(&mut planner.ctes);
        // Most statements have none, and needn't be searched for them. What tests changed rows again numbers its own.
        let subqueries = planner.subplans > 0 || !read_only;
        aliases::make_unique(&mut best, &mut ctes, &mut planner.meta, subqueries);
        if read_only {
            parallel::assign(&mut best, &mut ctes, &mut planner);
        }
        finish::number(&mut best, &mut ctes, subqueries);
        // What is read again because a row has changed meanwhile is read by plans of their own.
        let filters = planner.env.settings.runtime_filters && read_only;
        let runtime_filters = if filters { runtime_filters::find(&best, &ctes) } else { vec![] };
        Statement {
            plan: Arc::new(best),
            meta: Arc::new(planner.meta),
            output,
            params,
            ctes,
            relations,
            read_only,
            runtime_filters,
            rules: planner.rules.fired(),
            query_id: None,
            pinned: false,
        }
    }
}
