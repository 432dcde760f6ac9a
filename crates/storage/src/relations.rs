//! Making and removing relation files and database folders inside transactions.
//!
//! A relation's file appears when its first page is written out, after the log says that it was made; so a crash can't
//! leave a file that nobody knows. Files go after the commit (or abort) record that removes them is durable, or at
//! the end of recovery if the transaction that made them didn't commit.
//!
//! An unlogged relation's init fork is a file from the beginning: it says that the relation is one. The log says so too, for recovery.
//! Of temporary relations the log says nothing; what a crash leaves of them goes at the next start.

use crate::buffer::Ring;
use crate::engine::Storage;
use crate::files::database_dir;
use crate::ids::{Fork, PageId, Persistence, RelId};
use crate::recovery::Redo;
use crate::txn::Transaction;
use crate::txn::wal::Cursor;
use crate::wal::record::{Record, RecordKind};
use crate::wal::rmgr::SMGR;
use quarry_common::{BlockNo, Error, Oid, Result, bail};

pub const CREATE: u8 = 0;
pub const TRUNCATE: u8 = 1;
pub const CREATE_DATABASE: u8 = 2;
pub const CREATE_UNLOGGED: u8 = 3;

fn rel_bytes(rel: RelId) -> Vec<u8> {
    let mut out = rel.db.0.to_le_bytes().to_vec();
    out.extend_from_slice(&rel.rel.to_le_bytes());
    out
}

/// How a new database's folder stands among the new relations.
pub(crate) fn folder_of(db: Oid) -> RelId {
    RelId::new(db, 0)
}

impl Storage {
    /// Makes a relation, empty. It goes again if the transaction aborts.
    pub fn create_relation(&self, txn: &Transaction, rel: RelId, persistence: Persistence) -> Result<()> {
        let xid = txn.assign_xid();
        if let Persistence::Temporary(_) = persistence {
            txn.note_created(rel);
            return self.files().set_persistence(rel, persistence);
        }
        // Before the record: a checkpoint between the two then knows of it.
        self.created().lock().insert(rel, txn.top_xid().unwrap_or(xid));
        txn.note_created(rel);
        if persistence == Persistence::Permanent {
            self.wal().insert(Some(xid), RecordKind::new(SMGR, CREATE), &rel_bytes(rel))?;
            return Ok(());
        }
        let _redone_by_recovery = self.file_changes().read();
        let lsn = self.wal().insert(Some(xid), RecordKind::new(SMGR, CREATE_UNLOGGED), &rel_bytes(rel))?;
        // The file must not exist before the log can say who made it.
        self.wal().flush_to(lsn)?;
        self.files().set_persistence(rel, persistence)
    }

    /// Removes a relation's files when the transaction commits. The caller holds ACCESS EXCLUSIVE.
    pub fn drop_relation(&self, txn: &Transaction, rel: RelId) -> Result<()> {
        txn.assign_xid();
        txn.note_dropped(rel);
        Ok(())
    }

    /// Shortens a relation fork at once, whatever becomes of the transaction. The caller holds ACCESS EXCLUSIVE and knows
    /// that the pages hold nothing anyone needs.
    pub fn truncate_relation(&self, rel: RelId, fork: Fork, blocks: BlockNo) -> Result<()> {
        if self.relation_blocks(rel, fork)? <= blocks {
            return Ok(());
        }
        if self.files().persistence(rel)? != Persistence::Permanent {
            self.pool().forget(rel, Some(fork), blocks);
            return self.files().truncate(rel, fork, blocks);
        }
        let mut payload = rel_bytes(rel);
        payload.extend_from_slice(&(fork as u32).to_le_bytes());
        payload.extend_from_slice(&blocks.to_le_bytes());
        let _redone_by_recovery = self.file_changes().read();
        let lsn = self.wal().insert(None, RecordKind::new(SMGR, TRUNCATE), &payload)?;
        self.wal().flush_to(lsn)?;
        self.pool().forget(rel, Some(fork), blocks);
        self.files().truncate(rel, fork, blocks)
    }

    /// Makes a database's folder. It goes again if the transaction aborts.
    pub fn create_database_dir(&self, txn: &Transaction, db: Oid) -> Result<()> {
        let xid = txn.assign_xid();
        // As for a relation: a checkpoint while it is being filled must remember whose it is.
        self.created().lock().insert(folder_of(db), txn.top_xid().unwrap_or(xid));
        txn.note_created_database(db);
        let _redone_by_recovery = self.file_changes().read();
        let lsn =
            self.wal().insert(Some(xid), RecordKind::new(SMGR, CREATE_DATABASE), &db.0.to_le_bytes())?;
        // The folder must not exist before the log can say who made it.
        self.wal().flush_to(lsn)?;
        self.disk().create_dir(&database_dir(db))?;
        self.disk().sync_dir("base")
    }

    /// Removes a database with all its relations when the transaction commits. The caller has made sure that nobody is in it.
    pub fn drop_database_dir(&self, txn: &Transaction, db: Oid) -> Result<()> {
        txn.assign_xid();
        txn.note_dropped_database(db);
        Ok(())
    }

    /// Makes the folder of database `to` and copies every relation of `from` into it, page by page under the log, temporary ones left
    /// out. The caller keeps everyone from writing to `from`.
    pub fn copy_database(&self, txn: &Transaction, from: Oid, to: Oid) -> Result<()> {
        const BATCH: u32 = 16;
        if from == to || !to.is_valid() {
            bail!(INTERNAL_ERROR, "cannot copy database {from} to {to}");
        }
        self.create_database_dir(txn, to)?;
        let mut source_ring = Ring::bulk_read();
        let mut target_ring = Ring::bulk_write();
        let mut unlogged = None;
        for (rel, fork) in self.files().relations_of(from)? {
            let copy = RelId::new(to, rel.rel);
            if unlogged != Some(rel) && self.files().persistence(rel)? == Persistence::Unlogged {
                unlogged = Some(rel);
                self.create_relation(txn, copy, Persistence::Unlogged)?;
            }
            let blocks = self.relation_blocks(rel, fork)?;
            let mut block = 0;
            while block < blocks {
                let end = blocks.min(block + BATCH);
                let mut pages = Vec::new();
                for number in block..end {
                    let source = match fork {
                        Fork::Main | Fork::Init => {
                            self.pool().read_with(PageId::new(rel, fork, number), &mut source_ring)?
                        }
                        _ => self.pool().read_or_zero(PageId::new(rel, fork, number))?,
                    };
                    let mut target = self.pool().extend_with(copy, fork, 1, &mut target_ring)?;
                    if !source.is_new() {
                        target.bytes_mut().copy_from_slice(source.bytes());
                        pages.push(target);
                    }
                }
                if !pages.is_empty() {
                    self.log_full_page(txn.xid(), &mut pages.iter_mut().collect::<Vec<_>>())?;
                }
                block = end;
            }
        }
        Ok(())
    }

    /// Blocks of a relation fork.
    #[inline]
    pub fn relation_blocks(&self, rel: RelId, fork: Fork) -> Result<BlockNo> {
        self.files().blocks(rel, fork)
    }

    /// Bytes of a relation fork.
    pub fn relation_bytes(&self, rel: RelId, fork: Fork) -> Result<u64> {
        Ok(self.relation_blocks(rel, fork)? as u64 * crate::page::PAGE_SIZE as u64)
    }

    pub(crate) fn forget_created(&self, relations: &[RelId], databases: &[Oid]) {
        if !relations.is_empty() || !databases.is_empty() {
            let mut created = self.created().lock();
            for rel in relations.iter().copied().chain(databases.iter().map(|db| folder_of(*db))) {
                created.remove(&rel);
            }
        }
    }

    /// Removes the files of a relation that the catalog doesn't know, at the start of a server.
    pub fn remove_relation_files(&self, rel: RelId) -> Result<()> {
        self.pool().forget(rel, None, 0);
        self.files().remove(rel)
    }

    /// Removes the folder of a database that the catalog doesn't know, at the start of a server.
    pub fn remove_database_files(&self, db: Oid) -> Result<()> {
        self.pool().forget_database(db);
        self.files().remove_database(db)
    }

    /// Removes files of relations and databases that are gone for good. A failure leaves a file behind, which is only
    /// worth a line in the server's log.
    pub(crate) fn remove_files(&self, relations: &[RelId], databases: &[Oid]) {
        for rel in relations {
            self.pool().forget(*rel, None, 0);
            if let Some(state) = self.relation_states().remove(*rel) {
                self.database_stats().relation_removed(*rel, state.counters());
            }
            if let Err(e) = self.files().remove(*rel) {
                tracing::warn!("could not remove relation {rel}: {}", e.message());
            }
        }
        for db in databases {
            self.pool().forget_database(*db);
            self.relation_states().remove_database(*db);
            if let Err(e) = self.files().remove_database(*db) {
                tracing::warn!("could not remove database {db}: {}", e.message());
            }
        }
    }
}

/// Redo of file records. Commits and aborts remove files, see [`crate::txn::wal`].
pub fn redo(redo: &mut Redo<'_>, record: &Record) -> Result<()> {
    let mut cursor = Cursor(record.payload());
    match record.kind.op {
        CREATE => {
            redo.created.insert(cursor.rel()?, record.xid);
            Ok(())
        }
        CREATE_UNLOGGED => {
            let rel = cursor.rel()?;
            redo.created.insert(rel, record.xid);
            redo.files.set_persistence(rel, Persistence::Unlogged)
        }
        TRUNCATE => {
            let rel = cursor.rel()?;
            let fork = u8::try_from(cursor.u32()?).ok().and_then(Fork::from_u8);
            let Some(fork) = fork else { return Err(Error::corrupted("truncate record names no fork")) };
            let blocks = cursor.u32()?;
            redo.pool.forget(rel, Some(fork), blocks);
            redo.files.truncate(rel, fork, blocks)
        }
        CREATE_DATABASE => {
            let db = Oid(cursor.u32()?);
            redo.created.insert(folder_of(db), record.xid);
            redo.disk.create_dir(&database_dir(db))
        }
        op => Err(Error::corrupted(format!("unknown file record {op}"))),
    }
}

pub fn describe(op: u8, payload: &[u8]) -> String {
    let mut cursor = Cursor(payload);
    match op {
        CREATE | CREATE_UNLOGGED | TRUNCATE => match cursor.rel() {
            Ok(rel) if op == CREATE_UNLOGGED => format!("CREATE UNLOGGED {rel}"),
            Ok(rel) => format!("{} {rel}", if op == CREATE { "CREATE" } else { "TRUNCATE" }),
            Err(e) => e.message().to_string(),
        },
        CREATE_DATABASE => format!("CREATE DATABASE {}", cursor.u32().unwrap_or(0)),
        _ => format!("op {op}"),
    }
}
