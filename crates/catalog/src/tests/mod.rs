//! Tests of the whole catalog on an in-memory disk.

mod ddl;
mod drop;
mod facts;
mod info;

use crate::builtin::oids;
use crate::*;
use quarry_common::Oid;
use quarry_storage::disk::FaultDisk;
use quarry_storage::{Config, IsolationLevel, Storage, Transaction};
use std::sync::Arc;

/// A bootstrapped server on a disk in memory.
pub(crate) struct Fixture {
    pub disk: Arc<FaultDisk>,
    pub storage: Arc<Storage>,
    pub catalog: Arc<Catalog>,
}

pub(crate) const DB: Oid = oids::POSTGRES_DB;

impl Fixture {
    pub fn new() -> Fixture {
        let disk = Arc::new(FaultDisk::new());
        let storage = Storage::create(disk.clone(), config()).expect("create");
        let catalog = Catalog::bootstrap(&storage).expect("bootstrap");
        Fixture { disk, storage, catalog }
    }
    pub fn begin(&self) -> Arc<Transaction> {
        Arc::new(self.storage.begin(IsolationLevel::ReadCommitted))
    }
    pub fn reader(&self, txn: &Arc<Transaction>) -> CatalogReader {
        self.catalog.reader(DB, txn, &SessionView::superuser())
    }
    pub fn writer(&self, txn: &Arc<Transaction>) -> CatalogWriter {
        self.catalog.writer(DB, txn, &SessionView::superuser())
    }
    /// Runs changes in a transaction of their own.
    pub fn change<R>(&self, f: impl FnOnce(&CatalogWriter) -> R) -> R {
        let txn = self.begin();
        let out = f(&self.writer(&txn));
        txn.commit().expect("commit");
        out
    }
    /// Asks in a transaction of its own.
    pub fn ask<R>(&self, f: impl FnOnce(&CatalogReader) -> R) -> R {
        let txn = self.begin();
        f(&self.reader(&txn))
    }
    /// Shuts down and opens again.
    pub fn reopen(self) -> Fixture {
        self.storage.shutdown().expect("shutdown");
        let disk = self.disk.clone();
        drop(self);
        let storage = Storage::open(disk.clone(), config()).expect("open");
        let catalog = Catalog::open(&storage).expect("open catalog");
        Fixture { disk, storage, catalog }
    }
}

fn config() -> Config {
    Config { shared_buffers_bytes: 32 << 20, ..Config::default() }
}

pub(crate) fn names(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|p| (*p).to_owned()).collect()
}
