//! Fuzzy checkpoints: everything before the redo point is on disk, so that the log before it is no longer needed.
//!
//! 1. Take the redo point: from here on, first changes of pages carry images.
//! 2. Write the pages that are dirty now (unlogged ones only when the server stops), in the order of their files and in runs of
//!    neighbours, spread over time.
//! 3. Write and sync the commit log; sync the files.
//! 4. Insert the checkpoint record, flush the log.
//! 5. Replace the control file.
//! 6. Give old log segments up.

mod log;

pub(crate) use log::CheckpointLog;

use self::log::Course;
use crate::buffer::RunWriter;
use crate::control::encode_created;
use crate::engine::Storage;
use crate::stats::WriterCount;
use crate::stats::shared::Role;
use crate::txn::wal::Cursor;
use crate::wal::record::RecordKind;
use crate::wal::rmgr::XLOG;
use quarry_common::{Lsn, Result, SqlState};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// XLOG operations (2 is [`crate::log_change::XLOG_PAGES`]).
pub const CHECKPOINT: u8 = 0;
pub const NEXT_OID: u8 = 1;

/// Called with the part done (0 to 1) after each write: sleeps to spread the writes, or not.
pub type Pace<'a> = &'a mut dyn FnMut(f64);

/// Why a checkpoint is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Someone waits for it.
    Command,
    /// Someone wants it soon: recovery is done, or the log has no room.
    Request,
    /// The log has grown.
    Log,
    /// It's time.
    Time,
    /// The server stops.
    Shutdown,
}

impl Cause {
    /// As the server's log shows it.
    fn shown(self) -> &'static str {
        match self {
            Cause::Command => " immediate force wait",
            Cause::Request => " immediate force",
            Cause::Log => " wal",
            Cause::Time => " time",
            Cause::Shutdown => " shutdown immediate",
        }
    }
}

impl Storage {
    /// Makes a checkpoint at once; its redo point.
    pub fn checkpoint(&self) -> Result<Lsn> {
        self.hurry().fetch_add(1, Ordering::AcqRel);
        let outcome = self.checkpoint_because(Cause::Command, &mut |_| ());
        self.hurry().fetch_sub(1, Ordering::AcqRel);
        outcome
    }

    /// Makes a checkpoint, pausing as `pace` does.
    pub fn checkpoint_because(&self, cause: Cause, pace: Pace<'_>) -> Result<Lsn> {
        let shutdown = cause == Cause::Shutdown;
        let mut control = self.control().lock();
        self.fatal().check()?;
        let _role = Role::begin(WriterCount::Checkpoint);
        let mut course = Course::begin(self, cause);
        let made = self.wal().segments().made();
        let redo = {
            let _no_file_changes = self.file_changes().write();
            self.wal().begin_checkpoint()
        };
        self.log_prepared_again()?;
        // After the redo point: every id in a record before it is below.
        let next_xid = self.txns().next_xid();
        let created: Vec<_> = self.created().lock().iter().map(|(rel, xid)| (*rel, *xid)).collect();
        let (next_oid, next_rel) = self.counters().to_store(shutdown);
        let dirty = self.pool().dirty_pages(shutdown);
        let count = dirty.len();
        let began = Instant::now();
        let mut writer = RunWriter::new(self.pool(), true);
        for (done, page) in dirty.into_iter().enumerate() {
            let written = writer.add(page)?;
            course.pages += written as u64;
            if written > 0 {
                pace(done as f64 / count as f64);
            }
        }
        course.pages += writer.finish()? as u64;
        self.txns().clog().flush(next_xid, &|lsn| self.wal().flush_to(lsn))?;
        course.write = began.elapsed();
        let began = Instant::now();
        course.syncs = self.files().sync_all(shutdown).map_err(|e| match e.sqlstate() {
            // Nothing has been tried.
            SqlState::INSUFFICIENT_RESOURCES => e,
            _ => self.fatal().raise(&format!("could not fsync: {}", e.message())),
        })?;
        course.sync = began.elapsed();
        let mut payload = Vec::new();
        payload.extend_from_slice(&redo.0.to_le_bytes());
        payload.extend_from_slice(&next_xid.0.to_le_bytes());
        payload.extend_from_slice(&next_oid.to_le_bytes());
        payload.extend_from_slice(&next_rel.to_le_bytes());
        payload.extend_from_slice(&encode_created(&created));
        let end = self.wal().insert(None, RecordKind::new(XLOG, CHECKPOINT), &payload)?;
        self.wal().flush_to(end)?;
        control.redo = redo;
        control.checkpoint_end = end;
        control.next_xid = next_xid;
        control.next_oid = next_oid;
        control.next_rel = next_rel;
        control.created = created;
        control.clean = shutdown;
        control.write(&**self.disk())?;
        self.recycle_wal(redo, &mut course)?;
        course.segments_added = self.wal().segments().made() - made;
        let oldest_csn = self.txns().oldest_visible_csn();
        self.txns().clog().trim(self.txns().oldest_running_xid(), oldest_csn);
        course.end(self, cause);
        Ok(redo)
    }

    fn recycle_wal(&self, redo: Lsn, course: &mut Course) -> Result<()> {
        let segments = self.wal().segments();
        let keep = redo.min(Lsn(self.wal_retention().load(Ordering::Acquire)));
        let current = segments.number_of(self.wal().inserted());
        // As many spare segments as the log took since the checkpoint before, within max_wal_size.
        let last = self.last_redo().swap(redo.0, Ordering::AcqRel);
        course.distance = redo.0.saturating_sub(last);
        let used = segments.number_of(redo).saturating_sub(segments.number_of(Lsn(last))) + 1;
        let bound = (self.config().max_wal_size_bytes / segments.segment_bytes()).max(2);
        (course.segments_removed, course.segments_renamed) =
            segments.recycle(segments.number_of(keep), current, current + used.min(bound))?;
        Ok(())
    }
}

pub fn describe(op: u8, payload: &[u8]) -> String {
    let mut cursor = Cursor(payload);
    match op {
        CHECKPOINT => match (cursor.u64(), cursor.u64()) {
            (Ok(redo), Ok(xid)) => format!("CHECKPOINT redo {}; next xid {xid}", Lsn(redo)),
            _ => "CHECKPOINT, damaged".to_string(),
        },
        NEXT_OID => format!("NEXTOID {}; next file {}", cursor.u32().unwrap_or(0), cursor.u32().unwrap_or(0)),
        _ => "FPI".to_string(),
    }
}
