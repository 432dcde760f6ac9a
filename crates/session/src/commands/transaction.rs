//! BEGIN, COMMIT, ROLLBACK, savepoints, SET TRANSACTION.

use super::{CommandOutcome, two_phase};
use crate::block::{BlockState, TransactionModes};
use crate::query::StatementContext;
use crate::session::Session;
use bytes::BytesMut;
use quarry_catalog::ConstraintDef;
use quarry_common::{Error, Result, Severity, SqlState, err};
use quarry_sql::ast::{self, Transaction, TransactionMode};
use quarry_storage::txn::IsolationLevel;

pub fn run(s: &mut Session, t: &Transaction, out: &mut BytesMut) -> Result<CommandOutcome> {
    match t {
        Transaction::Begin { modes, start } => {
            let was_block = !begin(s);
            if was_block {
                let e = err!(ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress");
                s.cx.push_notice(Severity::Warning, e);
            }
            set_modes(s, modes)?;
            CommandOutcome::done(if *start { "START TRANSACTION" } else { "BEGIN" })
        }
        Transaction::Commit { chain } => commit(s, *chain, out),
        Transaction::Rollback { chain } => rollback(s, *chain, out),
        Transaction::Savepoint(name) => {
            let mark = s.cx.vars.lock().mark();
            let portals = s.portal_count;
            let deferred = s.cx.deferred.lock().mark();
            let notify = s.cx.notifications.mark();
            s.block.savepoint(name, mark, portals, deferred, notify)?;
            CommandOutcome::done("SAVEPOINT")
        }
        Transaction::Release(name) => {
            s.block.release(name)?;
            facts(s);
            CommandOutcome::done("RELEASE")
        }
        Transaction::RollbackTo(name) => {
            let undone = s.block.rollback_to(name)?;
            s.portals.retain(|p| p.number <= undone.portals_mark);
            s.cx.deferred.lock().rollback_to(&undone.deferred);
            s.cx.notifications.rollback_to(undone.notify);
            let names = s.cx.vars.lock().rollback_to(undone.vars_mark);
            s.report_settings(&names, out);
            facts(s);
            super::restore_role(s);
            CommandOutcome::done("ROLLBACK")
        }
        Transaction::Prepare(gid) => two_phase::prepare(s, gid, out),
        Transaction::CommitPrepared(gid) => two_phase::finish(s, gid, true),
        Transaction::RollbackPrepared(gid) => two_phase::finish(s, gid, false),
    }
}

/// Opens a block. False: there was one.
fn begin(s: &mut Session) -> bool {
    s.ensure_transaction();
    s.block.begin()
}

fn chained(s: &mut Session, modes: TransactionModes) {
    s.ensure_transaction();
    apply(s, modes);
    s.block.begin();
}

fn apply(s: &mut Session, modes: TransactionModes) {
    s.block.modes = modes;
    if let Some(txn) = s.block.txn() {
        txn.set_isolation(modes.isolation);
        txn.set_modes(modes.read_only, modes.deferrable);
    }
    facts(s);
}

/// Shows the transaction's modes as settings.
pub fn facts(s: &mut Session) {
    let m = s.block.modes;
    s.shown_modes = m;
    let mut vars = s.cx.vars.lock();
    let isolation = match m.isolation {
        IsolationLevel::ReadUncommitted => "read uncommitted",
        IsolationLevel::ReadCommitted => "read committed",
        IsolationLevel::RepeatableRead => "repeatable read",
        IsolationLevel::Serializable => "serializable",
    };
    vars.set_fact("transaction_isolation", isolation);
    vars.set_fact("transaction_read_only", if m.read_only { "on" } else { "off" });
    vars.set_fact("transaction_deferrable", if m.deferrable { "on" } else { "off" });
}

fn commit(s: &mut Session, chain: bool, out: &mut BytesMut) -> Result<CommandOutcome> {
    let modes = s.block.modes;
    match s.block.state() {
        BlockState::Failed => {
            s.rollback(out);
            if chain {
                chained(s, modes);
            }
            return Ok(CommandOutcome::Committed(None, "ROLLBACK".into()));
        }
        BlockState::Idle | BlockState::Implicit => {
            if chain {
                return Err(err!(
                    NO_ACTIVE_SQL_TRANSACTION,
                    "COMMIT AND CHAIN can only be used in transaction blocks"
                ));
            }
            no_transaction_warning(s);
        }
        BlockState::InBlock => {}
    }
    let lsn = s.commit(out)?;
    if chain {
        chained(s, modes);
    }
    Ok(CommandOutcome::Committed(lsn, "COMMIT".into()))
}

fn rollback(s: &mut Session, chain: bool, out: &mut BytesMut) -> Result<CommandOutcome> {
    let modes = s.block.modes;
    if !matches!(s.block.state(), BlockState::InBlock | BlockState::Failed) {
        if chain {
            return Err(err!(
                NO_ACTIVE_SQL_TRANSACTION,
                "ROLLBACK AND CHAIN can only be used in transaction blocks"
            ));
        }
        no_transaction_warning(s);
    }
    s.rollback(out);
    if chain {
        chained(s, modes);
    }
    Ok(CommandOutcome::Committed(None, "ROLLBACK".into()))
}

fn no_transaction_warning(s: &Session) {
    let e = err!(NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
    s.cx.push_notice(Severity::Warning, e);
}

/// The level an AST names.
pub fn level(l: ast::IsolationLevel) -> IsolationLevel {
    match l {
        ast::IsolationLevel::ReadUncommitted => IsolationLevel::ReadUncommitted,
        ast::IsolationLevel::ReadCommitted => IsolationLevel::ReadCommitted,
        ast::IsolationLevel::RepeatableRead => IsolationLevel::RepeatableRead,
        ast::IsolationLevel::Serializable => IsolationLevel::Serializable,
    }
}

/// BEGIN's modes and SET TRANSACTION.
pub fn set_modes(s: &mut Session, modes: &[TransactionMode]) -> Result<()> {
    let mut m = s.block.modes;
    let outer = s.block.outer_modes();
    let too_late = |text: &str| Error::new(SqlState::ACTIVE_SQL_TRANSACTION, text);
    for mode in modes {
        match mode {
            TransactionMode::Isolation(l, _) => {
                let wanted = level(*l);
                if wanted != m.isolation {
                    if s.block.has_run {
                        return Err(too_late(
                            "SET TRANSACTION ISOLATION LEVEL must be called before any query",
                        ));
                    }
                    if outer.is_some() {
                        return Err(too_late(
                            "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
                        ));
                    }
                }
                m.isolation = wanted;
            }
            TransactionMode::ReadOnly(wanted, _) => {
                if m.read_only && !wanted {
                    if outer.is_some() {
                        return Err(too_late(
                            "cannot set transaction read-write mode inside a read-only transaction",
                        ));
                    }
                    if s.block.has_run {
                        return Err(too_late("transaction read-write mode must be set before any query"));
                    }
                }
                m.read_only = *wanted;
            }
            TransactionMode::Deferrable(wanted, _) => {
                if outer.is_some() {
                    return Err(too_late(
                        "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction",
                    ));
                }
                if s.block.has_run {
                    return Err(too_late("SET TRANSACTION [NOT] DEFERRABLE must be called before any query"));
                }
                m.deferrable = *wanted;
            }
        }
    }
    apply(s, m);
    Ok(())
}

pub fn set_constraints(s: &mut Session, c: &ast::SetConstraints) -> Result<CommandOutcome> {
    if !s.block.is_block() {
        let e = err!(NO_ACTIVE_SQL_TRANSACTION, "SET CONSTRAINTS can only be used in transaction blocks");
        s.cx.push_notice(Severity::Warning, e);
    }
    let st = s.statement_context()?;
    let mut constraints = vec![];
    for name in &c.constraints {
        for k in constraints_named(&st, name)? {
            // Only those of several that can wait are meant, but making one wait that can't is an error.
            if k.deferrable {
                constraints.push(k.oid);
            } else if c.deferred {
                return Err(err!(WRONG_OBJECT_TYPE, "constraint \"{}\" is not deferrable", k.name));
            }
        }
    }
    if c.constraints.is_empty() || !constraints.is_empty() {
        let env = st.exec_env(std::sync::Arc::from([]), false);
        quarry_executor::deferred::set_mode(&env, &constraints, c.deferred)?;
    }
    CommandOutcome::done("SET CONSTRAINTS")
}

/// The constraints a name means: those of the first schema in the path that has one of this name.
fn constraints_named(st: &StatementContext, name: &ast::RangeVar) -> Result<Vec<ConstraintDef>> {
    if let Some(catalog) = &name.catalog
        && *catalog != st.session.database.1
    {
        return Err(err!(
            FEATURE_NOT_SUPPORTED,
            "cross-database references are not implemented: \"{catalog}.{}.{}\"",
            name.schema.as_deref().unwrap_or_default(),
            name.name
        ));
    }
    let schemas = match &name.schema {
        Some(schema) => vec![st.reader.resolve_schema(schema, None)?],
        None => st.reader.search_path()?.to_vec(),
    };
    for schema in schemas {
        let found = st.reader.constraints_in(schema, &name.name)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(err!(UNDEFINED_OBJECT, "constraint \"{}\" does not exist", name.name))
}
