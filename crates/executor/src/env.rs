//! What one execution is given from outside.

use crate::DeferredQueue;
use parking_lot::Mutex;
use quarry_catalog::CatalogReader;
use quarry_common::{Oid, Result};
use quarry_functions::SessionEnv;
use quarry_storage::{Snapshot, Storage, Transaction};
use quarry_types::{Datum, IoContext};
use std::path::Path;
use std::sync::Arc;

/// Everything one execution needs. Cloning shares.
#[derive(Clone)]
pub struct ExecEnv {
    pub storage: Arc<Storage>,
    pub txn: Arc<Transaction>,
    pub snapshot: Snapshot,
    /// Rows that are changed must be visible to this one too: the transaction's, while `snapshot` shows later commits
    /// to a referential action.
    pub crosscheck: Option<Snapshot>,
    pub reader: Arc<CatalogReader>,
    pub session: Arc<dyn SessionEnv + Send + Sync>,
    /// Settings that text forms depend on; names come from `reader`, see [`ExecEnv::io`].
    pub io: IoContext<'static>,
    pub params: Arc<[Datum]>,
    pub work_mem_bytes: usize,
    pub hash_mem_bytes: usize,
    pub temp_dir: Arc<Path>,
    /// Whether to count rows and time per node.
    pub instrument: bool,
    /// Runs SQL within this transaction: referential actions. None where rows are only read.
    pub sql_runner: Option<Arc<dyn InternalSql>>,
    /// The transaction's constraint checks that wait for commit.
    pub deferred: Arc<Mutex<DeferredQueue>>,
}

impl ExecEnv {
    /// What an index build or a rewrite may use to sort in: `maintenance_work_mem`.
    pub fn maintenance_mem_bytes(&self) -> usize {
        let set = self.session.setting("maintenance_work_mem");
        let bytes = set.and_then(|text| quarry_common::settings::parse_memory_bytes(&text));
        bytes.map_or(64 << 20, |b| b as usize).max(self.work_mem_bytes).max(1 << 20)
    }
    /// The settings with the catalog's names.
    pub fn io(&self) -> IoContext<'_> {
        IoContext { names: &*self.reader, ..self.io.clone() }
    }
}

/// Runs SQL of the server's own making within a transaction.
pub trait InternalSql: Send + Sync {
    /// Runs one statement with typed parameters; gives the number of rows it touched. `latest`: it sees every commit, also those that
    /// a transaction with one snapshot doesn't; what it would then have to change is 40001.
    fn run(&self, sql: &str, params: &[(Oid, Datum)], env: &ExecEnv, latest: bool) -> Result<u64>;
    /// Another statement of the transaction begins: what was found out for the one before may not hold any more.
    fn begin_statement(&self);
}
