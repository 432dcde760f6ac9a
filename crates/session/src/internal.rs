//! SQL of the server's own making inside a statement: checks and actions of foreign keys (PostgreSQL: ri_triggers.c, which keeps
//! prepared plans the same way).
//!
//! A statement with many rows runs the same text many times, so a plan is made once: it is kept for the statement, and for the session
//! while the schema stays. Plans never depend on the parameters' values. They avoid sequential scans, because a plan made while a
//! table was small lives on while it grows.

use parking_lot::Mutex;
use quarry_catalog::LockMode;
use quarry_common::{Error, Oid, Result};
use quarry_executor::{ExecEnv, Execution};
use quarry_optimizer::{OptimizerEnv, PlannerSettings};
use quarry_plan::Statement;
use quarry_plan::physical::RelationUse;
use quarry_sql::bind::{self, BindContext};
use quarry_types::Datum;
use quarry_types::io::IoContext;
use std::collections::HashMap;
use std::sync::Arc;

/// Kept plans beyond which all are forgotten: foreign keys of one session are few.
const PLANS_MAX: usize = 512;

type Plans = HashMap<String, (Vec<Oid>, Arc<Statement>)>;

/// A session's plans.
#[derive(Default)]
pub struct InternalPlans {
    schema_version: u64,
    plans: Plans,
}

/// Runs internal statements of one statement of a client.
pub struct InternalRunner {
    session: Arc<Mutex<InternalPlans>>,
    /// Plans whose relations this statement has locked.
    locked: Mutex<Plans>,
}

impl InternalRunner {
    /// A runner for one statement.
    pub fn new(session: Arc<Mutex<InternalPlans>>) -> InternalRunner {
        InternalRunner { session, locked: Mutex::default() }
    }

    fn plan(&self, sql: &str, types: Vec<Oid>, env: &ExecEnv) -> Result<Arc<Statement>> {
        if let Some((_, plan)) = self.locked.lock().get(sql).filter(|(t, _)| *t == types) {
            return Ok(plan.clone());
        }
        let plan = match self.kept(sql, &types, env)? {
            Some(plan) => plan,
            None => {
                // Read first: a change of the schema while the plan is made must outdate it.
                let version = env.reader.schema_version();
                let plan = make(sql, &types, env)?;
                self.keep(sql, &types, &plan, version, env);
                plan
            }
        };
        self.locked.lock().insert(sql.to_string(), (types, plan.clone()));
        Ok(plan)
    }

    /// The session's plan, its relations locked; none if there is none or the schema changed.
    fn kept(&self, sql: &str, types: &[Oid], env: &ExecEnv) -> Result<Option<Arc<Statement>>> {
        let version = env.reader.schema_version();
        let plan = {
            let kept = self.session.lock();
            let same = kept.schema_version == version && !env.reader.has_own_ddl();
            kept.plans.get(sql).filter(|(t, _)| same && t == types).map(|(_, plan)| plan.clone())
        };
        let Some(plan) = plan else { return Ok(None) };
        for (relation, usage) in &plan.relations {
            let mode = match usage {
                RelationUse::Read => LockMode::AccessShare,
                RelationUse::LockRows => LockMode::RowShare,
                RelationUse::Insert | RelationUse::Update | RelationUse::Delete => LockMode::RowExclusive,
            };
            if env.reader.lock_relation_oid(relation.oid, mode)?.is_none() {
                return Ok(None);
            }
        }
        // Waiting for a lock may have let a change of the schema through.
        Ok((env.reader.schema_version() == version).then_some(plan))
    }

    fn keep(&self, sql: &str, types: &[Oid], plan: &Arc<Statement>, version: u64, env: &ExecEnv) {
        if env.reader.has_own_ddl() {
            return;
        }
        let mut kept = self.session.lock();
        if kept.schema_version != version || kept.plans.len() >= PLANS_MAX {
            *kept = InternalPlans { schema_version: version, plans: HashMap::new() };
        }
        kept.plans.insert(sql.to_string(), (types.to_vec(), plan.clone()));
    }
}

fn make(sql: &str, types: &[Oid], env: &ExecEnv) -> Result<Arc<Statement>> {
    let parsed = quarry_sql::parse::parse_statements(sql)?;
    let Some(stmt) = parsed.into_iter().next().map(|p| p.stmt) else {
        return Err(Error::internal("empty internal statement"));
    };
    let io = IoContext { names: &*env.reader, ..env.io.clone() };
    let cx = BindContext { reader: &env.reader, io: &io, param_types: types, params_allowed: false };
    let bound = bind::bind_statement(&stmt, &cx)?;
    let folder = quarry_executor::eval::Folder::new(env);
    let settings = PlannerSettings { enable_seqscan: false, ..PlannerSettings::default() };
    let optimizer = OptimizerEnv {
        catalog: &env.reader,
        settings,
        folder: &folder,
        bind_stored: quarry_sql::bind::bind_for_planning,
        hints: None,
    };
    quarry_optimizer::plan(bound.plan, bound.meta, bound.output, bound.params, &optimizer).map(Arc::new)
}

/// The rows of a query of the server's own, asked with the server's rights.
pub(crate) fn rows(sql: &str, env: &ExecEnv) -> Result<Vec<Vec<Datum>>> {
    let mut execution = Execution::start(make(sql, &[], env)?, env.clone())?;
    let mut rows = vec![];
    while let Some(batch) = execution.next()? {
        rows.extend(batch.rows().iter().map(|i| batch.columns.iter().map(|c| c.datum(i)).collect()));
    }
    execution.finish()?;
    Ok(rows)
}

impl quarry_executor::InternalSql for InternalRunner {
    fn run(&self, sql: &str, params: &[(Oid, Datum)], env: &ExecEnv, latest: bool) -> Result<u64> {
        self.run_in(sql, params, env, latest).map_err(|e| e.context(format!("SQL statement \"{sql}\"")))
    }
    fn begin_statement(&self) {
        self.locked.lock().clear();
    }
}

impl InternalRunner {
    fn run_in(&self, sql: &str, params: &[(Oid, Datum)], env: &ExecEnv, latest: bool) -> Result<u64> {
        let types = params.iter().map(|(t, _)| *t).collect();
        let values = params.iter().map(|(_, v)| v.clone()).collect();
        env.txn.advance_command();
        let own = env.txn.statement_snapshot();
        let (snapshot, crosscheck) = match latest && env.txn.isolation().uses_one_snapshot() {
            true => (env.txn.latest_snapshot(), Some(own.unwatched())),
            false => (own, None),
        };
        let inner = ExecEnv { params: values, snapshot, crosscheck, ..env.clone() };
        let plan = self.plan(sql, types, &inner)?;
        let mut execution = Execution::start(plan, inner)?;
        while execution.next()?.is_some() {}
        execution.finish()?;
        Ok(execution.rows_affected())
    }
}
