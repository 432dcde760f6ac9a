//! PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED (PostgreSQL: twophase.c, PrepareTransaction in xact.c).

use super::CommandOutcome;
use crate::block::BlockState;
use crate::query::StatementContext;
use crate::session::Session;
use bytes::BytesMut;
use quarry_catalog::Persistence;
use quarry_common::{Lsn, Result, Severity, Xid, bail, err};
use quarry_storage::LockMode;
use quarry_storage::lock::LockTag;
use quarry_storage::txn::{IsolationLevel, PreparedInfo};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A gid is shorter.
const GID_BYTES: usize = 200;

pub fn prepare(s: &mut Session, gid: &str, out: &mut BytesMut) -> Result<CommandOutcome> {
    match s.block.state() {
        BlockState::Failed => {
            s.rollback(out);
            return Ok(CommandOutcome::Committed(None, "ROLLBACK".into()));
        }
        BlockState::Idle | BlockState::Implicit => {
            let e = err!(NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
            s.cx.push_notice(Severity::Warning, e);
            // The statements of one simple query are prepared together; a single one has nothing to prepare.
            if !s.block.is_block() {
                return CommandOutcome::done("ROLLBACK");
            }
            s.ensure_transaction();
        }
        BlockState::InBlock => {}
    }
    let vars_mark = s.block.vars_mark;
    match quarry_common::wait::blocking(|| make_ready_and_prepare(s, gid)) {
        Ok(lsn) => {
            s.end_transaction(true, vars_mark, out);
            s.cx.set_reader(None);
            s.cx.note_side_lsn(lsn);
            Ok(CommandOutcome::Committed(s.cx.take_side_lsn(), "PREPARE TRANSACTION".into()))
        }
        Err(e) => {
            s.block.abort();
            s.end_transaction(false, vars_mark, out);
            Err(e)
        }
    }
}

fn make_ready_and_prepare(s: &mut Session, gid: &str) -> Result<Lsn> {
    s.run_deferred()?;
    let holds =
        |p: &crate::portal::Portal| p.cursor.as_ref().is_some_and(|c| c.options.hold && !c.is_saved());
    if s.portals.iter().any(holds) {
        bail!(FEATURE_NOT_SUPPORTED, "cannot PREPARE a transaction that has created a cursor WITH HOLD");
    }
    s.portals.retain(|p| p.cursor.as_ref().is_some_and(|c| c.is_saved()));
    super::on_commit_actions(s)?;
    let st = s.statement_context()?;
    let locks = st.txn.held_locks();
    let database = s.cx.database.0;
    if s.cx.made_temporary.load(Ordering::Relaxed) || locks_temporary(s, &st, &locks)? {
        bail!(FEATURE_NOT_SUPPORTED, "cannot PREPARE a transaction that has operated on temporary objects");
    }
    if s.cx.has_exported_snapshots() {
        bail!(FEATURE_NOT_SUPPORTED, "cannot PREPARE a transaction that has exported snapshots");
    }
    if gid.len() >= GID_BYTES {
        bail!(INVALID_PARAMETER_VALUE, "transaction identifier \"{gid}\" is too long");
    }
    let max = usize::try_from(s.cx.settings().int("max_prepared_transactions")).unwrap_or(0);
    if max == 0 {
        return Err(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "prepared transactions are disabled")
            .hint("Set max_prepared_transactions to a nonzero value."));
    }
    if s.cx.instance.storage().prepared().contains(gid) {
        bail!(DUPLICATE_OBJECT, "transaction identifier \"{gid}\" is already in use");
    }
    if s.cx.notifications.is_pending() {
        bail!(
            FEATURE_NOT_SUPPORTED,
            "cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY"
        );
    }
    // What the transaction holds goes with it, what the session holds stays.
    if locks.iter().any(|(tag, _)| s.cx.session_locks.holds(tag)) {
        bail!(
            FEATURE_NOT_SUPPORTED,
            "cannot PREPARE while holding both session-level and transaction-level locks on the same object"
        );
    }
    let info = PreparedInfo {
        gid: gid.to_string(),
        xid: Xid::INVALID,
        user: st.reader.session().user,
        database,
        prepared_at: crate::clock::now(),
    };
    drop(st);
    s.forget_context();
    let lsn = s.block.prepare(|txn| txn.prepare(info, max))?;
    s.wait_unless_connection_does(lsn)?;
    Ok(lsn)
}

/// Whether one of the relations locked is temporary, or was before the transaction dropped it.
fn locks_temporary(s: &Session, st: &StatementContext, locks: &[(LockTag, LockMode)]) -> Result<bool> {
    let database = s.cx.database.0;
    let mut before = None;
    for (tag, _) in locks {
        let LockTag::Relation { db, oid } = tag else { continue };
        if *db != database {
            continue;
        }
        let found = match st.reader.relation(*oid)? {
            Some(r) => Some(r),
            None => {
                let storage = s.cx.instance.storage();
                let other = || s.cx.reader_for(&Arc::new(storage.begin(IsolationLevel::ReadCommitted)));
                before.get_or_insert_with(other).relation(*oid)?
            }
        };
        if found.is_some_and(|r| r.persistence == Persistence::Temporary) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// COMMIT PREPARED and ROLLBACK PREPARED.
pub fn finish(s: &mut Session, gid: &str, commit: bool) -> Result<CommandOutcome> {
    let command = if commit { "COMMIT PREPARED" } else { "ROLLBACK PREPARED" };
    s.block.forbid_block(command)?;
    let st = s.statement_context()?;
    let me = st.reader.session().user;
    let superuser = st.reader.is_superuser(me)?;
    let database = s.cx.database.0;
    let check = |info: &PreparedInfo| {
        if info.user != me && !superuser {
            return Err(err!(INSUFFICIENT_PRIVILEGE, "permission denied to finish prepared transaction")
                .hint("Must be superuser or the user that prepared the transaction."));
        }
        if info.database != database {
            return Err(err!(FEATURE_NOT_SUPPORTED, "prepared transaction belongs to another database")
                .hint("Connect to the database where the transaction was prepared to finish it."));
        }
        Ok(())
    };
    let catalog = s.cx.instance.catalog().clone();
    let storage = s.cx.instance.storage().clone();
    let lsn = quarry_common::wait::blocking(|| {
        // Which objects it touched is known only to the run of the server that prepared it.
        storage.finish_prepared(gid, commit, check, move || catalog.forget_all(database))
    })?;
    s.cx.note_side_lsn(lsn);
    quarry_common::wait::blocking(|| s.wait_unless_connection_does(lsn))?;
    CommandOutcome::done(command)
}
