//! Recovery: finds the log's end, applies it from the last checkpoint's redo point, aborts what didn't finish.
//!
//! There is no undo: a version whose writer has no commit record is invisible by its status. What redo does to pages is
//! each manager's `apply`, as on the live path. [`scan`] reads the log to its end and notes what it changes before anything is
//! changed; [`pages`] applies that, page by page.

#[cfg(test)]
mod apply_test;
mod chunk;
mod pages;
mod scan;
#[cfg(test)]
mod scan_test;

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
use crate::wal::record::{Record, RecordView};
use crate::wal::segments::Segments;
use crate::wal::{rmgr, tail};
use hashbrown::HashMap;
use quarry_common::{Error, Lsn, Oid, Result, Xid};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use chunk::Forks;
use pages::Part;
pub use pages::Plan;
use scan::{Scan, Scanned};

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
}

impl Progress {
    fn new(every: Duration) -> Progress {
        let now = Instant::now();
        Progress { every, begun: now, last: now }
    }

    /// So many of the changes up to a place in the log are applied, of so many.
    fn at(&mut self, lsn: Lsn, done: u64, of: u64) {
        if self.every.is_zero() || self.last.elapsed() < self.every {
            return;
        }
        self.last = Instant::now();
        let seconds = self.begun.elapsed().as_secs_f64();
        let percent = done * 100 / of.max(1);
        tracing::info!(
            "redo in progress, elapsed time: {seconds:.2} s, {percent} % of the changes up to {lsn}"
        );
    }

    /// How long to wait at most before the next word.
    fn patience(&self) -> Duration {
        if self.every.is_zero() { Duration::MAX } else { self.every }
    }
}

/// Whether a record's redo touches files or pages of its own: what comes before it must be in them.
fn moves_files(view: &RecordView<'_>) -> bool {
    match view.kind().rmgr {
        rmgr::XLOG => false,
        rmgr::XACT => crate::txn::wal::removes_files(view.kind(), view.payload()),
        _ => true,
    }
}

fn damaged(lsn: Lsn) -> Error {
    Error::corrupted(format!("WAL record at {lsn} is damaged"))
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

/// A log that was read to its end, and what it changes, as far as there was memory for that.
pub struct Log {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    run: u32,
    plan: Plan,
    forks: Forks,
    first: Option<Scanned>,
    /// Where its last valid record ends.
    pub end: Lsn,
    /// Records from the last checkpoint's redo point.
    pub records: u64,
    /// If the log was to be synced, it is up to here.
    pub synced: Lsn,
}

impl Log {
    /// Reads the log from the redo point, and makes the most of it durable meanwhile if `sync`. An error if its valid records end where
    /// they can't have ended.
    pub fn read(disk: &Arc<dyn Disk>, control: &Control, plan: Plan, sync: bool) -> Result<Log> {
        let mut log = Log {
            disk: disk.clone(),
            segment_bytes: control.segment_bytes,
            run: control.run,
            plan,
            forks: Forks::default(),
            first: None,
            end: control.redo,
            records: 0,
            synced: control.redo,
        };
        let scanned = Scan { sync, ..log.scan() }.read(control.redo, None)?;
        let (end, epoch) = (scanned.end, scanned.epoch);
        (log.end, log.records, log.synced) = (end, scanned.records, scanned.synced);
        log.first = Some(scanned);
        if end < control.checkpoint_end {
            let segments = Segments::new(disk.clone(), control.segment_bytes, false);
            return Err(tail::damaged(&segments, end, Lsn(control.checkpoint_end.0 - 1)).detail(format!(
                "The log must reach to the end of the last checkpoint at {}.",
                control.checkpoint_end
            )));
        }
        // A clean shutdown's checkpoint is the last record there was.
        if !control.clean {
            tail::check_end(disk, control.segment_bytes, end, epoch, control.run)?;
        }
        Ok(log)
    }

    fn scan(&self) -> Scan<'_> {
        Scan {
            disk: &self.disk,
            segment_bytes: self.segment_bytes,
            run: self.run,
            threads: self.plan.threads.max(1),
            memory: self.plan.memory,
            forks: &self.forks,
            sync: false,
        }
    }
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

    /// Applies a log; says now and then how far it is.
    pub fn apply_all(&mut self, mut log: Log, report_every: Duration) -> Result<()> {
        let mut progress = Progress::new(report_every);
        let mut first = log.first.take();
        let mut from = None;
        while from != Some(log.end) {
            let scanned = match first.take() {
                Some(scanned) => scanned,
                None => log.scan().read(from.unwrap_or(log.end), Some(log.end))?,
            };
            // What could be read to its end before must be there again.
            if scanned.upto < log.end && from.is_some_and(|from| scanned.upto <= from) {
                return Err(Error::corrupted(format!(
                    "WAL record at {} could be read before, but not again",
                    scanned.upto
                )));
            }
            from = Some(scanned.upto);
            self.apply(&scanned, &log, &mut progress)?;
        }
        if log.records > 1 {
            let seconds = progress.begun.elapsed().as_secs_f64();
            tracing::info!("redo done at {}, {} records, elapsed: {seconds:.2} s", log.end, log.records);
        }
        Ok(())
    }

    /// Applies a part of the log that was read. Effects on files come when all changes before them are in the pages.
    fn apply(&mut self, scanned: &Scanned, log: &Log, progress: &mut Progress) -> Result<()> {
        for chunk in &scanned.chunks {
            self.seen_xid(chunk.max_xid);
        }
        let effects: Vec<_> = scanned.chunks.iter().flat_map(|chunk| &chunk.effects).copied().collect();
        let mut begin = 0;
        let mut rest = effects.as_slice();
        // Many pages would push everything else out.
        let passing = chunk::pages(&scanned.chunks) > self.pool.frame_count() / 8;
        loop {
            let quiet = rest.iter().position(|effect| effect.moves_files).unwrap_or(rest.len());
            let (effects, moving) = rest.split_at(quiet);
            let end = moving.first().map(|effect| effect.at);
            let part = Part {
                scanned,
                forks: &log.forks,
                pool: self.pool,
                files: self.files,
                at: begin..end.unwrap_or(u32::MAX),
                passing,
                next: AtomicUsize::new(0),
                done: AtomicU64::new(0),
            };
            self.apply_part(&part, log.plan, progress, |redo| {
                effects.iter().try_for_each(|effect| redo.effect(scanned, effect.at))
            })?;
            let Some((effect, behind)) = moving.split_first() else { return Ok(()) };
            self.effect(scanned, effect.at)?;
            (begin, rest) = (effect.at, behind);
        }
    }

    /// Applies changes of pages, and `meanwhile` effects that don't touch pages.
    fn apply_part(
        &mut self,
        part: &Part<'_>,
        plan: Plan,
        progress: &mut Progress,
        meanwhile: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let (threads, count) = (plan.threads.max(1), part.count());
        if count < plan.alone_below || threads == 1 {
            meanwhile(self)?;
            self.missing.extend(part.apply()?);
            return Ok(());
        }
        std::thread::scope(|scope| {
            let (sender, outcomes) = channel();
            for _ in 0..threads {
                let sender = sender.clone();
                // Nobody listens any more only after an error.
                scope.spawn(move || drop(sender.send(part.apply())));
            }
            drop(sender);
            meanwhile(self)?;
            loop {
                match outcomes.recv_timeout(progress.patience()) {
                    Ok(missing) => self.missing.extend(missing?),
                    Err(RecvTimeoutError::Timeout) => {
                        let done = part.done.load(Ordering::Relaxed);
                        progress.at(part.scanned.upto, done, count as u64);
                    }
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            }
        })
    }

    /// What a record does besides changing pages.
    fn effect(&mut self, scanned: &Scanned, at: u32) -> Result<()> {
        let view = scanned.record(at)?;
        let Some(redo) = rmgr::of(view.kind())?.redo else { return Ok(()) };
        let record = view.to_record().ok_or_else(|| damaged(view.lsn()))?;
        redo(self, &record).map_err(|e| {
            let name = rmgr::RMGRS[record.kind.rmgr as usize].name;
            e.context(format!("WAL redo at {} for {name}", record.lsn))
        })
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
