//! From a bound statement to a physical plan: rewrites, statistics, cost, join order, access paths.
//!
//! Follows PostgreSQL's planner in its cost model (`costsize.c`), its estimates (`selfuncs.c`) and the shapes it prefers, so that
//! plans of common queries look alike; join orders are searched over connected subsets.
#![forbid(unsafe_code)]

mod aliases;
pub mod analyze;
mod cost;
mod dml;
mod exprs;
mod finish;
mod joins;
mod min_max;
mod orders;
mod planner;
mod region;
mod rules;
mod scan;
mod search;
mod settings;
mod stats;
mod subqueries;
mod unique;
mod upper;

#[cfg(test)]
mod tests;

use quarry_catalog::{CatalogReader, Relation};
use quarry_common::Result;
pub use quarry_plan::ConstantFolder;
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta, ScanColumn, Statement};
use quarry_types::SqlType;
pub use settings::PlannerSettings;

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
}

/// Plans a bound statement.
pub fn plan(
    plan: LogicalPlan,
    mut meta: QueryMeta,
    output: Vec<(ColumnId, String, SqlType)>,
    params: Vec<SqlType>,
    env: &OptimizerEnv<'_>,
) -> Result<Statement> {
    let relations = finish::relations(&plan);
    let read_only = finish::read_only(&plan);
    let mut plan = rules::rewrite(plan, &mut meta, env.folder)?;
    let mut needed = rules::prune_columns::Needed::new(meta.len());
    output.iter().for_each(|(id, _, _)| needed.add(*id));
    rules::prune_columns::prune(&mut plan, &mut needed);
    let mut planner = planner::Planner::new(env, meta);
    let mut best = planner.plan_top(plan)?;
    finish::narrow(&mut best, &output);
    finish::trim(&mut best);
    let mut ctes = std::mem::take(&mut planner.ctes);
    aliases::make_unique(&mut best, &mut ctes, &mut planner.meta);
    finish::number(&mut best, &mut ctes);
    Ok(Statement {
        plan: std::sync::Arc::new(best),
        meta: std::sync::Arc::new(planner.meta),
        output,
        params,
        ctes,
        relations,
        read_only,
    })
}
