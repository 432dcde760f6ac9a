//! Exported snapshots: `pg_export_snapshot()` and SET TRANSACTION SNAPSHOT (PostgreSQL: snapmgr.c).
//!
//! A snapshot is one number; an export keeps the exporter's snapshot alive, and with it the versions that it sees, until its
//! transaction ends. Who takes it over publishes it as its own, then looks whether the exporter is still there: so it was never
//! unprotected.

use crate::context::SessionContext;
use crate::session::Session;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_storage::txn::{IsolationLevel, Snapshot, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// An exported snapshot, as long as its transaction runs.
struct Exported {
    txn: Arc<Transaction>,
    snapshot: Snapshot,
    database: Oid,
    isolation: IsolationLevel,
    read_only: bool,
}

/// The exported snapshots of a server, by name, and how many transactions have exported some: names don't come again.
#[derive(Default)]
pub struct ExportedSnapshots(Mutex<HashMap<String, Exported>>, AtomicU32);

impl SessionContext {
    /// Whether the transaction has exported its snapshot.
    pub(crate) fn has_exported_snapshots(&self) -> bool {
        !self.exported.is_untouched() && !self.exported.lock().is_empty()
    }

    /// The transaction ends: what it exported is gone.
    pub(crate) fn withdraw_snapshots(&self) {
        let names = self.exported.take();
        if !names.is_empty() {
            let mut all = self.instance.exported_snapshots().0.lock();
            names.iter().for_each(|name| drop(all.remove(name)));
        }
    }

    /// `pg_export_snapshot()`: the name of the running statement's snapshot.
    pub(crate) fn export_snapshot(&self) -> Result<String> {
        let reader = self.reader()?;
        let txn = reader.txn();
        if txn.sub_level() > 0 {
            bail!(ACTIVE_SQL_TRANSACTION, "cannot export a snapshot from a subtransaction");
        }
        let snapshot = txn.statement_snapshot();
        let mut mine = self.exported.lock();
        // The session, its transaction, and a number, as PostgreSQL has it.
        let (pid, counter) = (self.signals.pid, mine.len() + 1);
        let name = match mine.first().and_then(|first| first.strip_suffix('1')) {
            Some(transaction) => format!("{transaction}{counter}"),
            None => {
                let serial = self.instance.exported_snapshots().1.fetch_add(1, Ordering::Relaxed);
                format!("{pid:08X}-{serial:08X}-{counter}")
            }
        };
        let exported = Exported {
            txn: txn.clone(),
            snapshot,
            database: self.database.0,
            isolation: txn.isolation(),
            read_only: self.vars.lock().current().bool("transaction_read_only"),
        };
        self.instance.exported_snapshots().0.lock().insert(name.clone(), exported);
        mine.push(name.clone());
        Ok(name)
    }
}

/// SET TRANSACTION SNAPSHOT.
pub(crate) fn import(s: &mut Session, name: &str) -> Result<()> {
    let txn = s.ensure_transaction();
    if s.block.has_run || txn.has_first_snapshot() || txn.top_xid().is_some() || txn.sub_level() > 0 {
        bail!(ACTIVE_SQL_TRANSACTION, "SET TRANSACTION SNAPSHOT must be called before any query");
    }
    if !txn.isolation().uses_one_snapshot() {
        bail!(
            FEATURE_NOT_SUPPORTED,
            "a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ"
        );
    }
    let instance = s.cx.instance.clone();
    let all = instance.exported_snapshots().0.lock();
    let Some(exported) = all.get(name) else { return Err(unknown(name)) };
    if txn.isolation() == IsolationLevel::Serializable {
        if exported.isolation != IsolationLevel::Serializable {
            bail!(
                FEATURE_NOT_SUPPORTED,
                "a serializable transaction cannot import a snapshot from a non-serializable transaction"
            );
        }
        if exported.read_only && !s.block.modes.read_only {
            bail!(
                FEATURE_NOT_SUPPORTED,
                "a non-read-only serializable transaction cannot import a snapshot from a read-only transaction"
            );
        }
    }
    if exported.database != s.cx.database.0 {
        bail!(FEATURE_NOT_SUPPORTED, "cannot import a snapshot from a different database");
    }
    let modes = &s.block.modes;
    if txn.isolation() == IsolationLevel::Serializable && modes.read_only && modes.deferrable {
        bail!(FEATURE_NOT_SUPPORTED, "a snapshot-importing transaction must not be READ ONLY DEFERRABLE");
    }
    txn.import_snapshot(&exported.snapshot)?;
    // The transaction has its snapshot: its level can't change any more.
    s.block.has_run = true;
    // It was still protected when it was published here if its transaction hasn't begun to end by now.
    if exported.txn.is_done() { Err(unknown(name)) } else { Ok(()) }
}

fn unknown(name: &str) -> Error {
    err!(INVALID_PARAMETER_VALUE, "invalid snapshot identifier: \"{name}\"")
}
