//! From a parsed query to rows: binding, planning (with PostgreSQL's choice of generic or custom plans), execution.

use crate::block::Block;
use crate::context::SessionContext;
use crate::digest::Digest;
use crate::internal::InternalRunner;
use crate::plan_choice::Choice;
use crate::plan_shape::shape_of;
use crate::prepared::Prepared;
use crate::results::Writers;
use crate::templates::{Sizes, same_names};
use quarry_catalog::{CatalogReader, LockMode, Privilege, RelKind, SessionView};
use quarry_common::{CommandId, Oid, Result, Xid, err};
use quarry_executor::fastpath::FastPlan;
use quarry_executor::pool::Pool;
use quarry_executor::{ExecEnv, Execution, InternalSql, Tree};
use quarry_plan::physical::RelationUse;
use quarry_plan::rights::RightColumns;
use quarry_plan::{Expr, LockStrength, PhysicalNode, PhysicalPlan, Statement, walk};
use quarry_sql::ast;
use quarry_sql::bind::{self, BindContext, BoundStatement};
use quarry_storage::txn::{Snapshot, Transaction};
use quarry_types::io::IoContext;
use quarry_types::{Datum, SqlType};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// A result column: name, type, table and attribute where it is a plain column.
pub type ResultColumn = (String, SqlType, Option<(Oid, i16)>);

/// The columns of a result, shared by the statement, its portals and their descriptions.
pub type Columns = Arc<[ResultColumn]>;

/// A query that names are resolved in.
pub struct Analyzed {
    pub bound: BoundStatement,
    pub columns: Vec<ResultColumn>,
    /// Under what its names were resolved: whatever is kept of it holds as long as this does.
    pub(crate) stamp: Stamp,
}

/// What a cached plan depends on besides the relations it names.
#[derive(Clone)]
pub(crate) struct Stamp {
    schema_version: u64,
    view: Arc<SessionView>,
    /// The digest of the settings that texts and plans depend on.
    settings: u64,
}

/// A plan that may be used again.
pub struct CachedPlan {
    pub statement: Arc<Statement>,
    pub fast: Option<FastPlan>,
    /// How its rows are written as text, once some were.
    pub(crate) text_writers: OnceLock<Writers>,
    /// Whether its result is what its statement is described as, once that was asked.
    pub(crate) fits: OnceLock<bool>,
    /// Operators of executions that have ended, once there was more than one.
    trees: Pool<Tree>,
    /// It has been run.
    has_run: AtomicBool,
    stamp: Stamp,
}

/// Operators of one plan that are kept for later executions.
const TREES_MAX: usize = 4;

/// The session's side of one statement: its transaction, reader and formats.
pub struct StatementContext {
    pub session: Arc<SessionContext>,
    pub txn: Arc<Transaction>,
    pub reader: Arc<CatalogReader>,
    pub io: IoContext<'static>,
    pub read_only: bool,
    /// Number of changes of settings, users and such ([`SessionContext::settings_version`]) when it was made.
    pub settings_version: u64,
    /// What they were then.
    digest: Digest,
    /// Of when the reader is: what it has found of the search path holds as long as these do.
    schema_version: u64,
    own_moment: Option<(Xid, CommandId, u64)>,
}

#[cfg(test)]
impl CachedPlan {
    /// A plan that does nothing, at this cost.
    pub(crate) fn of_cost(total_cost: f64) -> CachedPlan {
        let plan = PhysicalPlan {
            node: PhysicalNode::Result { input: None, one_time_filter: vec![] },
            filter: vec![],
            targets: vec![],
            rows: 1.0,
            width: 0,
            startup_cost: 0.0,
            total_cost,
            id: 0,
        };
        let statement = Statement {
            plan: Arc::new(plan),
            meta: Default::default(),
            output: vec![],
            params: vec![],
            ctes: vec![],
            relations: vec![],
            read_only: true,
            runtime_filters: vec![],
            rules: vec![],
            query_id: None,
            pinned: false,
        };
        let stamp = Stamp { schema_version: 0, view: SessionView::superuser(), settings: 0 };
        let (text_writers, fits, trees, has_run) = Default::default();
        CachedPlan { statement: Arc::new(statement), fast: None, text_writers, fits, trees, has_run, stamp }
    }
}

impl CachedPlan {
    /// Operators of an execution that has ended, if there are some that nobody uses.
    pub(crate) fn kept_tree(&self) -> Option<Box<Tree>> {
        self.trees.take()
    }

    /// Keeps the operators of an execution that has ended well, if the plan is one that is run again and again.
    pub(crate) fn keep_tree(&self, execution: Execution) {
        if self.has_run.swap(true, Ordering::Relaxed)
            && Arc::ptr_eq(execution.statement(), &self.statement)
            && let Some(tree) = execution.into_tree()
        {
            self.trees.give(Box::new(tree));
        }
    }
}

/// What the planning of a custom plan is charged for each relation and once more, in operators (PostgreSQL: cached_plan_cost, where
/// it is 1,000). A unit of cost is about a microsecond of our executor, and planning a scan of one table takes 70 to 90 of them.
const PLANNING_OPERATORS: f64 = 16_000.0;

impl StatementContext {
    pub fn new(session: &Arc<SessionContext>, block: &Block, txn: &Arc<Transaction>) -> StatementContext {
        StatementContext::with_settings(session, block, txn, &session.digest())
    }
    /// The same with the digest of the settings at hand.
    pub(crate) fn with_settings(
        session: &Arc<SessionContext>,
        block: &Block,
        txn: &Arc<Transaction>,
        digest: &Digest,
    ) -> StatementContext {
        let reader = Arc::new(session.reader_for(txn).with_domains(session.domain_rules()));
        session.set_reader(Some(reader.clone()));
        StatementContext {
            session: session.clone(),
            txn: txn.clone(),
            schema_version: reader.schema_version(),
            own_moment: reader.own_moment(),
            reader,
            io: session.io(),
            read_only: block.modes.read_only,
            settings_version: session.settings_version(),
            digest: *digest,
        }
    }
    /// For what runs inside a statement, with its reader.
    pub(crate) fn of_reader(
        session: &Arc<SessionContext>,
        reader: Arc<CatalogReader>,
        read_only: bool,
    ) -> StatementContext {
        StatementContext {
            session: session.clone(),
            txn: reader.txn().clone(),
            schema_version: reader.schema_version(),
            own_moment: reader.own_moment(),
            reader,
            io: session.io(),
            read_only,
            settings_version: session.settings_version(),
            digest: session.digest(),
        }
    }
    /// Whether it would be made the same again.
    pub fn holds(&self, txn: &Arc<Transaction>, read_only: bool) -> bool {
        Arc::ptr_eq(&self.txn, txn)
            && self.read_only == read_only
            && self.settings_version == self.session.settings_version()
            && self.schema_version == self.reader.schema_version()
            && self.is_same_moment()
    }
    fn is_same_moment(&self) -> bool {
        match &self.own_moment {
            None => !self.reader.has_changes(),
            of => *of == self.reader.own_moment(),
        }
    }
    /// Reads settings, as a function may have changed them since it was made.
    fn digested<T>(&self, read: impl FnOnce(&Digest) -> T) -> T {
        match self.settings_version == self.session.settings_version() {
            true => read(&self.digest),
            false => self.session.digested(read),
        }
    }
    /// Formats with the catalog's names.
    pub fn io(&self) -> IoContext<'_> {
        IoContext { names: &*self.reader, notices: Some(&*self.session), ..self.io.clone() }
    }
    /// The same for what is only printed.
    pub(crate) fn io_without_notices(&self) -> IoContext<'_> {
        IoContext { names: &*self.reader, ..self.io.clone() }
    }
    /// Resolves names and types of a query.
    pub fn analyze(
        &self,
        stmt: &ast::Statement,
        param_types: &[Oid],
        params_allowed: bool,
    ) -> Result<Analyzed> {
        // Read first: a change of the schema that comes between the names and the plan must outdate what is kept. With a version read
        // later, a plan that doesn't know of a new index would be run by writers whom nobody waits for.
        let stamp = self.stamp();
        let io = self.io();
        let cx = BindContext { reader: &self.reader, io: &io, param_types, params_allowed };
        let bound = bind::bind_statement(stmt, &cx)?;
        let columns = bound
            .output
            .iter()
            .map(|(id, name, ty)| (name.clone(), *ty, bound.meta.get(*id).source))
            .collect();
        Ok(Analyzed { bound, columns, stamp })
    }
    /// 42501 unless the user, and the owners of the views named, may do all that the statement does.
    pub(crate) fn check_privileges(&self, stmt: &Statement) -> Result<()> {
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
        let runner = InternalRunner::new(self.session.internal_plans.clone());
        self.env_with(self.txn.statement_snapshot(), params, instrument, Some(Arc::new(runner)))
    }
    /// The same for a statement that may neither change nor lock rows, nor let others do so with what it found (a cursor).
    pub fn reading_env(&self, params: Arc<[Datum]>, instrument: bool) -> ExecEnv {
        self.env_with(self.txn.reading_snapshot(), params, instrument, None)
    }
    /// An environment of this context that was used before, for another statement.
    pub(crate) fn renew_env(&self, env: &mut ExecEnv, params: Arc<[Datum]>, read_only: bool) {
        env.params = params;
        if read_only {
            env.snapshot = self.txn.reading_snapshot();
            return;
        }
        env.snapshot = self.txn.statement_snapshot();
        match &env.sql_runner {
            Some(runner) => runner.begin_statement(),
            None => env.sql_runner = Some(Arc::new(InternalRunner::new(self.session.internal_plans.clone()))),
        }
    }
    fn env_with(
        &self,
        snapshot: Snapshot,
        params: Arc<[Datum]>,
        instrument: bool,
        sql_runner: Option<Arc<dyn InternalSql>>,
    ) -> ExecEnv {
        let (work_mem_bytes, hash_mem_bytes) = self.digested(|d| (d.work_mem_bytes, d.hash_mem_bytes));
        ExecEnv {
            storage: self.session.instance.storage().clone(),
            txn: self.txn.clone(),
            snapshot,
            crosscheck: None,
            reader: self.reader.clone(),
            session: self.session.clone(),
            io: self.io.clone(),
            params,
            work_mem_bytes,
            hash_mem_bytes,
            temp_dir: self.session.temp_dir.clone(),
            instrument,
            sql_runner,
            deferred: self.session.deferred.clone(),
        }
    }
    fn stamp(&self) -> Stamp {
        Stamp {
            schema_version: self.reader.schema_version(),
            view: self.reader.session().clone(),
            settings: self.digested(|d| d.planning),
        }
    }
    /// Whether a prepared statement's plan made earlier may run now; takes its table locks. When settings of the planner change, it
    /// stays what it is, unless other sessions use it too.
    fn may_reuse(&self, plan: &CachedPlan, shared: bool) -> Result<bool> {
        Ok(self.is_current(plan, shared) && self.lock_relations(plan)?)
    }
    fn is_current(&self, plan: &CachedPlan, shared: bool) -> bool {
        let (stamp, view) = (&plan.stamp, self.reader.session());
        !self.reader.has_own_ddl()
            && stamp.schema_version == self.reader.schema_version()
            && (Arc::ptr_eq(&stamp.view, view) || shared && same_names(&stamp.view, view))
            && (!shared || stamp.settings == self.digested(|d| d.planning))
    }
    /// Takes the table locks of a plan made under the present schema. False: the schema changed meanwhile, so that a table may be gone.
    pub(crate) fn lock_relations(&self, plan: &CachedPlan) -> Result<bool> {
        // The plan reads what is behind views; they stay as they are until the transaction ends, like the tables.
        for r in plan.statement.meta.rights.iter().filter(|r| r.relation.kind == RelKind::View) {
            let mode = match r.privilege {
                Privilege::Select => LockMode::AccessShare,
                _ => LockMode::RowExclusive,
            };
            self.reader.lock_oid_only(r.relation.oid, mode)?;
        }
        for (relation, usage) in &plan.statement.relations {
            let mode = match usage {
                RelationUse::Read => LockMode::AccessShare,
                RelationUse::LockRows => LockMode::RowShare,
                RelationUse::Insert | RelationUse::Update | RelationUse::Delete => LockMode::RowExclusive,
            };
            if relation.is_catalog {
                continue;
            }
            self.reader.lock_oid_only(relation.oid, mode)?;
        }
        Ok(plan.stamp.schema_version == self.reader.schema_version())
    }
    /// The plan to run a prepared statement with (PostgreSQL: `GetCachedPlan`).
    pub fn cached_plan(
        &self,
        prepared: &Prepared,
        stmt: &ast::Statement,
        params: &[Datum],
    ) -> Result<Arc<CachedPlan>> {
        let cache = &prepared.plans;
        let mode = self.digested(|d| d.plan_cache_mode);
        let (mut choice, known, shared) = {
            let mut c = cache.lock();
            c.follow(self.reader.schema_version());
            (c.choose(mode, params), c.generic(), c.is_shared())
        };
        if choice != Choice::Custom {
            let generic = match known {
                Some(plan) if self.may_reuse(&plan, shared)? => plan,
                _ => {
                    let Analyzed { bound, stamp, .. } = self.analyze(stmt, &prepared.param_types, false)?;
                    let plan = cache_entry(self.plan(bound, None, prepared.source())?, stamp);
                    let sizes = if shared { Sizes::of(&plan.statement, &self.reader) } else { None };
                    let shape = shape_of(&plan.statement);
                    let mut c = cache.lock();
                    c.made_generic(&plan, shape, sizes, !self.reader.has_own_ddl());
                    // Now that its cost is known, it may turn out to be no good.
                    choice = c.choose(mode, params);
                    plan
                }
            };
            if let Choice::Probe(values) = choice {
                choice = Choice::Custom;
                let values = values.as_deref().unwrap_or(params);
                let (plan, _) = self.custom_plan(prepared, stmt, values)?;
                if cache.lock().probed(shape_of(&plan.statement)) {
                    choice = Choice::Generic;
                }
            }
            if choice == Choice::Generic {
                cache.lock().used_generic();
                return Ok(generic);
            }
        }
        let (plan, relations) = self.custom_plan(prepared, stmt, params)?;
        let operator = self.session.settings().real("cpu_operator_cost");
        let planning = PLANNING_OPERATORS * operator * (relations + 1) as f64;
        let made = &plan.statement;
        cache.lock().used_custom(shape_of(made), made.plan.total_cost + planning);
        Ok(plan)
    }
    /// A plan for these values, and how many relations the statement names.
    fn custom_plan(
        &self,
        prepared: &Prepared,
        stmt: &ast::Statement,
        params: &[Datum],
    ) -> Result<(Arc<CachedPlan>, usize)> {
        let Analyzed { bound, stamp, .. } = self.analyze(stmt, &prepared.param_types, false)?;
        let relations = count_relations(&bound);
        let plan = self.plan(bound, Some(params), prepared.source())?;
        Ok((cache_entry(plan, stamp), relations))
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
        crate::auto_explain::start(&self.session, None, statement, self.exec_env(params, instrument))
    }
}

/// A plan with its fast path, if it has one. `stamp`: of what it was planned from.
pub(crate) fn cache_entry(statement: Arc<Statement>, stamp: Stamp) -> Arc<CachedPlan> {
    let fast = FastPlan::prepare(&statement);
    let (text_writers, fits, has_run) = Default::default();
    let trees = Pool::of(TREES_MAX);
    Arc::new(CachedPlan { statement, fast, text_writers, fits, trees, has_run, stamp })
}

pub(crate) fn count_relations(bound: &BoundStatement) -> usize {
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
