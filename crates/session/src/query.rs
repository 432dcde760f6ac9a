//! From a parsed query to rows: binding, planning (with PostgreSQL's choice of generic or custom plans), execution.

use crate::block::Block;
use crate::context::SessionContext;
use crate::internal::InternalRunner;
use parking_lot::Mutex;
use quarry_catalog::{CatalogReader, LockMode, SessionView};
use quarry_common::{Oid, Result, err};
use quarry_executor::fastpath::FastPlan;
use quarry_executor::{ExecEnv, Execution};
use quarry_optimizer::{OptimizerEnv, PlannerSettings};
use quarry_plan::physical::RelationUse;
use quarry_plan::rights::RightColumns;
use quarry_plan::{Expr, LockStrength, PhysicalNode, PhysicalPlan, Statement, walk};
use quarry_sql::ast;
use quarry_sql::bind::{self, BindContext, BoundStatement};
use quarry_storage::txn::{Snapshot, Transaction};
use quarry_types::io::IoContext;
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

/// A result column: name, type, table and attribute where it is a plain column.
pub type ResultColumn = (String, SqlType, Option<(Oid, i16)>);

/// A query that names are resolved in.
pub struct Analyzed {
    pub bound: BoundStatement,
    pub columns: Vec<ResultColumn>,
}

/// What a cached plan depends on besides the relations it names.
#[derive(Clone)]
struct Stamp {
    schema_version: u64,
    view: Arc<SessionView>,
    planner_version: u64,
}

/// A plan that may be used again.
pub struct CachedPlan {
    pub statement: Arc<Statement>,
    pub fast: Option<FastPlan>,
    stamp: Stamp,
}

/// The plans of one prepared statement (PostgreSQL: plancache.c).
#[derive(Default)]
pub struct PlanCache {
    generic: Option<Arc<CachedPlan>>,
    custom_plans: u64,
    generic_plans: u64,
    custom_cost_sum: f64,
    generic_cost: Option<f64>,
}

/// Relations of a statement from which its planning may take more than about a millisecond: the worker's other tasks go elsewhere
/// meanwhile.
const LONG_PLANNING_RELATIONS: usize = 6;

/// Custom plans made before a generic one is considered.
const CUSTOM_PLANS_FIRST: u64 = 5;

impl PlanCache {
    /// `pg_prepared_statements.generic_plans` and `custom_plans`.
    pub fn counts(&self) -> (u64, u64) {
        (self.generic_plans, self.custom_plans)
    }
}

/// The session's side of one statement: its transaction, reader and formats.
pub struct StatementContext {
    pub session: Arc<SessionContext>,
    pub txn: Arc<Transaction>,
    pub reader: Arc<CatalogReader>,
    pub io: IoContext<'static>,
    pub read_only: bool,
    /// Number of changes of settings when it was made.
    pub settings_version: u64,
}

impl StatementContext {
    pub fn new(session: &Arc<SessionContext>, block: &Block, txn: &Arc<Transaction>) -> StatementContext {
        let reader = session.reader_for(txn).with_domains(session.domain_rules());
        session.set_reader(Some(reader.clone()));
        StatementContext {
            session: session.clone(),
            txn: txn.clone(),
            reader: Arc::new(reader),
            io: session.io(),
            read_only: block.modes.read_only,
            settings_version: session.settings_version(),
        }
    }
    /// Whether it would be made the same again.
    pub fn holds(&self, txn: &Arc<Transaction>, read_only: bool) -> bool {
        Arc::ptr_eq(&self.txn, txn)
            && self.read_only == read_only
            && self.settings_version == self.session.settings_version()
            && Arc::ptr_eq(self.reader.session(), &self.session.view())
    }
    /// Formats with the catalog's names.
    pub fn io(&self) -> IoContext<'_> {
        IoContext { names: &*self.reader, notices: Some(&*self.session), ..self.io.clone() }
    }
    /// Resolves names and types of a query.
    pub fn analyze(
        &self,
        stmt: &ast::Statement,
        param_types: &[Oid],
        params_allowed: bool,
    ) -> Result<Analyzed> {
        let io = self.io();
        let cx = BindContext { reader: &self.reader, io: &io, param_types, params_allowed };
        let bound = bind::bind_statement(stmt, &cx)?;
        let columns = bound
            .output
            .iter()
            .map(|(id, name, ty)| (name.clone(), *ty, bound.meta.get(*id).source))
            .collect();
        Ok(Analyzed { bound, columns })
    }
    /// Plans; with `params`, for these values (a custom plan).
    pub fn plan(&self, bound: BoundStatement, params: Option<&[Datum]>) -> Result<Arc<Statement>> {
        let settings = self.session.settings();
        let exec = self.exec_env(Arc::from(params.unwrap_or(&[])), false);
        let folder = quarry_executor::eval::Folder::new(&exec);
        let env = OptimizerEnv {
            catalog: &self.reader,
            settings: PlannerSettings::from_settings(&settings),
            folder: &folder,
            bind_stored: quarry_sql::bind::bind_for_planning,
        };
        let mut bound = bound;
        if let Some(values) = params {
            substitute_params(&mut bound, values);
        }
        let long = count_relations(&bound) >= LONG_PLANNING_RELATIONS;
        let BoundStatement { plan, meta, output, params } = bound;
        let plan = || quarry_optimizer::plan(plan, meta, output, params, &env);
        let planned = if long { quarry_common::wait::blocking(plan) } else { plan() }?;
        self.check_privileges(&planned)?;
        Ok(Arc::new(planned))
    }
    /// 42501 unless the user, and the owners of the views named, may do all that the statement does.
    fn check_privileges(&self, stmt: &Statement) -> Result<()> {
        let user = self.reader.session().user;
        for r in &stmt.meta.rights {
            let role = r.role.unwrap_or(user);
            let columns = match &r.columns {
                RightColumns::Whole => None,
                RightColumns::Any => Some(&[][..]),
                RightColumns::These(columns) => Some(&columns[..]),
            };
            self.reader.check_columns_of(&r.relation, columns, role, r.privilege)?;
        }
        Ok(())
    }
    /// 25006 for writes in a read-only transaction.
    pub fn check_read_only(&self, stmt: &Statement, given: &str) -> Result<()> {
        if self.read_only && !stmt.read_only {
            let command = first_lock(&stmt.plan).filter(|_| matches!(given, "SELECT" | "DECLARE CURSOR"));
            let command = command.map_or(given, |strength| match strength {
                LockStrength::KeyShare => "SELECT FOR KEY SHARE",
                LockStrength::Share => "SELECT FOR SHARE",
                LockStrength::NoKeyUpdate => "SELECT FOR NO KEY UPDATE",
                LockStrength::Update => "SELECT FOR UPDATE",
            });
            return Err(err!(
                READ_ONLY_SQL_TRANSACTION,
                "cannot execute {command} in a read-only transaction"
            ));
        }
        Ok(())
    }
    /// What an execution needs; takes the statement's snapshot.
    pub fn exec_env(&self, params: Arc<[Datum]>, instrument: bool) -> ExecEnv {
        self.env_with(self.txn.statement_snapshot(), params, instrument)
    }
    /// The same for a statement that may neither change nor lock rows, nor let others do so with what it found (a cursor).
    pub fn reading_env(&self, params: Arc<[Datum]>, instrument: bool) -> ExecEnv {
        self.env_with(self.txn.reading_snapshot(), params, instrument)
    }
    fn env_with(&self, snapshot: Snapshot, params: Arc<[Datum]>, instrument: bool) -> ExecEnv {
        let settings = self.session.settings();
        let work_mem = settings.bytes("work_mem") as usize;
        ExecEnv {
            storage: self.session.instance.storage().clone(),
            txn: self.txn.clone(),
            snapshot,
            crosscheck: None,
            reader: self.reader.clone(),
            session: self.session.clone(),
            io: self.io.clone(),
            params,
            work_mem_bytes: work_mem,
            hash_mem_bytes: (work_mem as f64 * settings.real("hash_mem_multiplier")) as usize,
            temp_dir: self.session.instance.data_dir().join("tmp"),
            instrument,
            sql_runner: Some(Arc::new(InternalRunner::new(self.session.internal_plans.clone()))),
            deferred: self.session.deferred.clone(),
        }
    }
    fn stamp(&self) -> Stamp {
        Stamp {
            schema_version: self.reader.schema_version(),
            view: self.reader.session().clone(),
            planner_version: self.session.planner_version(),
        }
    }
    /// Whether a plan made earlier may run now; takes its table locks.
    pub fn may_reuse(&self, plan: &CachedPlan) -> Result<bool> {
        Ok(self.still_valid(plan) && self.lock_relations(plan)?)
    }
    fn still_valid(&self, plan: &CachedPlan) -> bool {
        !self.reader.has_own_ddl()
            && plan.stamp.schema_version == self.reader.schema_version()
            && plan.stamp.planner_version == self.session.planner_version()
            && Arc::ptr_eq(&plan.stamp.view, self.reader.session())
    }
    /// Takes the table locks of a cached plan. False: the schema changed meanwhile.
    fn lock_relations(&self, plan: &CachedPlan) -> Result<bool> {
        for (relation, usage) in &plan.statement.relations {
            let mode = match usage {
                RelationUse::Read => LockMode::AccessShare,
                RelationUse::LockRows => LockMode::RowShare,
                RelationUse::Insert | RelationUse::Update | RelationUse::Delete => LockMode::RowExclusive,
            };
            if relation.is_catalog {
                continue;
            }
            if self.reader.lock_relation_oid(relation.oid, mode)?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.still_valid(plan))
    }
    /// The plan to run a prepared statement with.
    pub fn cached_plan(
        &self,
        cache: &Mutex<PlanCache>,
        stmt: &ast::Statement,
        param_types: &[Oid],
        params: &[Datum],
    ) -> Result<Arc<CachedPlan>> {
        let generic = cache.lock().generic.clone();
        let mode = self.session.settings();
        let mode = mode.text("plan_cache_mode");
        if let Some(plan) = generic {
            let use_it = params.is_empty() || mode != "force_custom_plan";
            if use_it && self.may_reuse(&plan)? {
                cache.lock().generic_plans += 1;
                return Ok(plan);
            }
            cache.lock().generic = None;
        }
        let (made, average) = {
            let c = cache.lock();
            (c.custom_plans, if c.custom_plans > 0 { c.custom_cost_sum / c.custom_plans as f64 } else { 0.0 })
        };
        let wants_generic = params.is_empty()
            || mode == "force_generic_plan"
            || mode == "auto"
                && made >= CUSTOM_PLANS_FIRST
                && cache.lock().generic_cost.is_none_or(|g| g < average);
        let bound = self.analyze(stmt, param_types, false)?.bound;
        if wants_generic {
            let plan = self.cache_entry(self.plan(bound, None)?);
            let cost = plan.statement.plan.total_cost;
            let mut c = cache.lock();
            c.generic_cost = Some(cost);
            if params.is_empty() || mode == "force_generic_plan" || cost < average {
                c.generic_plans += 1;
                if !self.reader.has_own_ddl() {
                    c.generic = Some(plan.clone());
                }
                return Ok(plan);
            }
            drop(c);
            let bound = self.analyze(stmt, param_types, false)?.bound;
            return self.custom(cache, bound, params);
        }
        self.custom(cache, bound, params)
    }
    fn custom(
        &self,
        cache: &Mutex<PlanCache>,
        bound: BoundStatement,
        params: &[Datum],
    ) -> Result<Arc<CachedPlan>> {
        let relations = count_relations(&bound);
        let plan = self.cache_entry(self.plan(bound, Some(params))?);
        let mut c = cache.lock();
        c.custom_plans += 1;
        // The planning itself is charged, as PostgreSQL does (cached_plan_cost).
        let planning = 1000.0 * self.session.settings().real("cpu_operator_cost") * (relations + 1) as f64;
        c.custom_cost_sum += plan.statement.plan.total_cost + planning;
        Ok(plan)
    }
    /// A plan with its fast path, if it has one.
    pub fn cache_entry(&self, statement: Arc<Statement>) -> Arc<CachedPlan> {
        let fast = FastPlan::prepare(&statement);
        Arc::new(CachedPlan { statement, fast, stamp: self.stamp() })
    }
    /// Starts a plan.
    pub fn start(
        &self,
        statement: Arc<Statement>,
        params: Arc<[Datum]>,
        instrument: bool,
    ) -> Result<Execution> {
        if statement.read_only {
            self.txn.make_floor_durable()?;
        }
        Execution::start(statement, self.exec_env(params, instrument))
    }
}

fn count_relations(bound: &BoundStatement) -> usize {
    fn count(p: &quarry_plan::LogicalPlan) -> usize {
        let own = usize::from(matches!(p, quarry_plan::LogicalPlan::Scan { .. }));
        own + quarry_plan::walk::inputs(p).into_iter().map(count).sum::<usize>()
    }
    count(&bound.plan)
}

/// The strength of the first row lock in a plan.
fn first_lock(plan: &PhysicalPlan) -> Option<LockStrength> {
    match &plan.node {
        PhysicalNode::LockRows { locks, .. } if !locks.is_empty() => locks.first().map(|l| l.strength),
        _ => walk::physical_inputs(plan).into_iter().find_map(first_lock),
    }
}

/// Puts values in the place of parameters.
pub(crate) fn substitute_params(bound: &mut BoundStatement, values: &[Datum]) {
    fn plan(p: &mut quarry_plan::LogicalPlan, values: &[Datum]) {
        for e in quarry_plan::walk::exprs_mut(p) {
            expr(e, values);
        }
        for input in quarry_plan::walk::inputs_mut(p) {
            plan(input, values);
        }
    }
    fn expr(e: &mut Expr, values: &[Datum]) {
        quarry_plan::walk::rewrite(e, &mut |e| match e {
            Expr::Param { number, ty } => {
                if let Some(value) = values.get(*number as usize - 1) {
                    *e = Expr::Const { value: value.clone(), ty: *ty };
                }
            }
            Expr::Subquery(s) => {
                if let quarry_plan::expr::SubqueryPlan::Logical(p) = &mut s.plan {
                    plan(p, values);
                }
            }
            _ => {}
        })
    }
    plan(&mut bound.plan, values);
}
