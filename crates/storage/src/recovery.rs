//! Recovery: finds the log's end, applies it from the last checkpoint's redo point, aborts what didn't finish.
//!
//! There is no undo: a version whose writer has no commit record is invisible by its status. What redo does to pages is
//! each manager's `apply`, as on the live path; [`pages`] says in which order.

mod pages;

use crate::buffer::BufferPool;
use crate::checkpoint::{CHECKPOINT, NEXT_OID};
use crate::control::{Control, decode_created};
use crate::disk::Disk;
use crate::files::RelFiles;
use crate::ids::{PageId, RelId};
use crate::lock::{LockMode, LockTag};
use crate::log_change::XLOG_PAGES;
use crate::relations::folder_of;
use crate::txn::prepared_record::{PreparedState, add_part};
use crate::txn::wal::Cursor;
use crate::txn::{TxnManager, XidStatus};
use crate::wal::record::Record;
use crate::wal::segments::Segments;
use crate::wal::{WalReader, rmgr, tail};
use hashbrown::HashMap;
use quarry_common::{Error, Lsn, Oid, Result, Xid};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pages::Gatherer;
pub use pages::Plan;

/// The state of a redo pass.
pub struct Redo<'a> {
    pub disk: &'a dyn Disk,
    pub pool: &'a BufferPool,
    pub files: &'a RelFiles,
    pub txns: &'a TxnManager,
    /// Relations and databases ([`folder_of`]) made by transactions whose end hasn't been seen.
    pub created: HashMap<RelId, Xid>,
    /// Subtransactions announced before their commit record.
    pub children: HashMap<Xid, Vec<Xid>>,
    pub prepared: PreparedRedo,
    pub next_oid: u32,
    pub next_rel: u32,
    next_xid: Xid,
    /// Pages that a record wanted to change but that don't exist: their relation must turn out to be dropped.
    missing: HashMap<PageId, Lsn>,
}

/// Says now and then how far recovery is.
struct Progress {
    every: Duration,
    begun: Instant,
    last: Instant,
    records: u64,
}

impl Progress {
    fn new(every: Duration) -> Progress {
        let now = Instant::now();
        Progress { every, begun: now, last: now, records: 0 }
    }

    /// A record has been read.
    fn at(&mut self, lsn: Lsn) {
        self.records += 1;
        // The clock is not looked at for each of millions.
        if self.every.is_zero() || !self.records.is_multiple_of(1024) || self.last.elapsed() < self.every {
            return;
        }
        self.last = Instant::now();
        tracing::info!("redo in progress, elapsed time: {:.2} s, current LSN: {lsn}", self.seconds());
    }

    fn done(&self, end: Lsn) {
        if self.records > 1 {
            tracing::info!("redo done at {end}, {} records, elapsed: {:.2} s", self.records, self.seconds());
        }
    }

    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

/// Whether a record's redo touches files or pages of its own: what comes before it must be in them.
fn moves_files(record: &Record) -> bool {
    match record.kind.rmgr {
        rmgr::XLOG => false,
        rmgr::XACT => crate::txn::wal::removes_files(record),
        _ => true,
    }
}

/// Prepared transactions that a redo pass has met and whose end it hasn't.
#[derive(Default)]
pub struct PreparedRedo {
    states: HashMap<Xid, PreparedState>,
    parts: HashMap<Xid, Vec<u8>>,
    /// Locks that came after the state, or before it is logged again.
    locks: HashMap<Xid, Vec<(LockTag, LockMode)>>,
}

impl PreparedRedo {
    /// A record of one; its state if that is complete now.
    pub fn add_part(&mut self, xid: Xid, payload: &[u8]) -> Result<Option<PreparedState>> {
        add_part(self.parts.entry(xid).or_default(), xid, payload)
    }
    pub fn insert(&mut self, state: PreparedState) {
        self.states.insert(state.info.xid, state);
    }
    pub fn add_lock(&mut self, xid: Xid, lock: (LockTag, LockMode)) {
        self.locks.entry(xid).or_default().push(lock);
    }
    /// It has ended; its subtransactions.
    pub fn end(&mut self, xid: Xid) -> Vec<Xid> {
        self.parts.remove(&xid);
        self.locks.remove(&xid);
        self.states.remove(&xid).map_or_else(Vec::new, |state| state.children)
    }
    fn xids(&self) -> Vec<Xid> {
        self.states.values().flat_map(|s| s.children.iter().copied().chain([s.info.xid])).collect()
    }
    /// Those that are left, in the order of their ids.
    pub fn take(&mut self) -> Vec<PreparedState> {
        let mut states: Vec<_> = std::mem::take(&mut self.states).into_values().collect();
        states.sort_by_key(|state| state.info.xid);
        for state in &mut states {
            state.locks.extend(self.locks.remove(&state.info.xid).unwrap_or_default());
            state.locks.sort_unstable();
            state.locks.dedup();
        }
        states
    }
}

/// Where the log ends: the end of its last valid record. An error if it can't be the end.
pub fn find_end(disk: &Arc<dyn Disk>, control: &Control) -> Result<(Lsn, u64)> {
    let mut reader = WalReader::new(disk.clone(), control.segment_bytes, control.redo);
    let mut count = 0;
    while reader.next_view()?.is_some() {
        count += 1;
    }
    let end = reader.position();
    if end < control.checkpoint_end {
        let segments = Segments::new(disk.clone(), control.segment_bytes, false);
        return Err(tail::damaged(&segments, end, Lsn(control.checkpoint_end.0 - 1)).detail(format!(
            "The log must reach to the end of the last checkpoint at {}.",
            control.checkpoint_end
        )));
    }
    // A clean shutdown's checkpoint is the last record there was.
    if !control.clean {
        tail::check_end(disk, control.segment_bytes, end, reader.epoch(), control.run)?;
    }
    Ok((end, count))
}

impl<'a> Redo<'a> {
    pub fn new(
        disk: &'a dyn Disk,
        pool: &'a BufferPool,
        files: &'a RelFiles,
        txns: &'a TxnManager,
        control: &Control,
    ) -> Redo<'a> {
        Redo {
            disk,
            pool,
            files,
            txns,
            created: control.created.iter().copied().collect(),
            children: HashMap::new(),
            prepared: PreparedRedo::default(),
            next_oid: control.next_oid,
            next_rel: control.next_rel,
            next_xid: control.next_xid,
            missing: HashMap::new(),
        }
    }

    /// Applies the log that `reader` gives, up to `end`; says now and then how far it is.
    pub fn apply_all(
        &mut self,
        mut reader: WalReader,
        end: Lsn,
        plan: Plan,
        report_every: Duration,
    ) -> Result<()> {
        let mut progress = Progress::new(report_every);
        std::thread::scope(|scope| {
            let mut pages = Gatherer::new(plan, self.pool, self.files);
            while reader.position() < end {
                let at = reader.position();
                let Some(view) = reader.next_view()? else {
                    return Err(Error::corrupted(format!(
                        "WAL record at {at} could be read before, but not again"
                    )));
                };
                self.seen_xid(view.xid());
                if let Some(redo) = rmgr::of(view.kind())?.redo {
                    let record = view.to_record().ok_or_else(|| {
                        Error::corrupted(format!("WAL record at {} is damaged", view.lsn()))
                    })?;
                    if moves_files(&record) {
                        pages.settle(self, scope)?;
                    }
                    redo(self, &record).map_err(|e| {
                        e.context(format!(
                            "WAL redo at {at} for {}",
                            rmgr::RMGRS[record.kind.rmgr as usize].name
                        ))
                    })?;
                }
                if view.block_count() > 0 {
                    pages.add(self, &view, scope)?;
                }
                progress.at(at);
            }
            pages.settle(self, scope)
        })?;
        progress.done(end);
        Ok(())
    }

    pub(crate) fn note_missing(&mut self, pages: Vec<(PageId, Lsn)>) {
        self.missing.extend(pages);
    }

    /// Notes that an id was in use.
    pub fn seen_xid(&mut self, xid: Xid) {
        if xid >= self.next_xid {
            self.next_xid = Xid(xid.0 + 1);
        }
    }

    /// The id the next writer gets.
    pub fn next_xid(&self) -> Xid {
        self.next_xid
    }

    /// Removes files of relations and databases whose removal is in the log.
    pub fn remove(&mut self, relations: &[RelId], databases: &[Oid]) -> Result<()> {
        for rel in relations {
            self.created.remove(rel);
            self.missing.retain(|page, _| page.rel != *rel);
            self.pool.forget(*rel, None, 0);
            self.files.remove(*rel)?;
        }
        for db in databases {
            self.created.retain(|rel, _| rel.db != *db);
            self.missing.retain(|page, _| page.rel.db != *db);
            self.pool.forget_database(*db);
            self.files.remove_database(*db)?;
        }
        Ok(())
    }

    /// After the last record: removes what unfinished transactions had made.
    pub fn finish(&mut self) -> Result<()> {
        self.txns.clog().forget_from(self.next_xid)?;
        self.txns.start_at(self.next_xid);
        for xid in self.prepared.xids() {
            self.txns.clog().set_prepared(xid)?;
        }
        // What is still in progress was prepared.
        let lost = |txns: &TxnManager, xid: Xid| txns.status(xid) == XidStatus::Aborted;
        let gone: Vec<RelId> =
            self.created.iter().filter(|(_, xid)| lost(self.txns, **xid)).map(|(rel, _)| *rel).collect();
        let (folders, relations): (Vec<RelId>, Vec<RelId>) =
            gone.into_iter().partition(|rel| *rel == folder_of(rel.db));
        let databases: Vec<Oid> = folders.into_iter().map(|folder| folder.db).collect();
        self.remove(&relations, &databases)?;
        if let Some((page, lsn)) = self.missing.iter().next() {
            return Err(Error::corrupted(format!(
                "WAL record at {lsn} changes {page}, which does not exist"
            )));
        }
        Ok(())
    }
}

/// Redo of XLOG records.
pub fn redo_xlog(redo: &mut Redo<'_>, record: &Record) -> Result<()> {
    let mut cursor = Cursor(record.payload());
    match record.kind.op {
        CHECKPOINT => {
            cursor.u64()?;
            redo.seen_xid(Xid(cursor.u64()?.saturating_sub(1)));
            redo.next_oid = redo.next_oid.max(cursor.u32()?);
            redo.next_rel = redo.next_rel.max(cursor.u32()?);
            for (rel, xid) in decode_created(&mut cursor)? {
                redo.created.entry(rel).or_insert(xid);
            }
            Ok(())
        }
        NEXT_OID => {
            redo.next_oid = redo.next_oid.max(cursor.u32()?);
            redo.next_rel = redo.next_rel.max(cursor.u32()?);
            Ok(())
        }
        XLOG_PAGES => Ok(()),
        op => Err(Error::corrupted(format!("unknown XLOG record {op}"))),
    }
}
