//! Sequences: one page with one row (last_value, log_cnt, is_called) that everybody sees and that is changed in place
//! (PostgreSQL: sequence.c).
//!
//! The page holds the state as it is; the log is ahead of it. A record says which value the sequence goes on from after a crash, some
//! values beyond those given out, so that most changes need no record. They are marked dirty like hints, and lost by a crash unless
//! a checkpoint wrote them.
//!
//! # Crash story
//! - **Q1** Every value given out is covered by a record: one that replay will see, or one that a checkpoint has made needless by
//!   writing the page with the value. Whoever changes the page without a record therefore marks it dirty first and then looks at
//!   the redo point: if the page's last record is before it, a new record is due. Seen the other way round, a checkpoint that had no
//!   record to replay finds the page dirty and waits for its latch.
//! - **Q2** A record makes the whole page, whatever is there: replay doesn't ask for the page's LSN, since the page on disk may be
//!   newer than its last record and behind it at once.
//!   (An unlogged sequence has no records: after a crash it is in its first state.)
//! - **Q3** Changes are nobody's transaction: neither a rollback nor a snapshot knows of them.

use crate::buffer::PageMut;
use crate::heap::wal::SEQUENCE;
use crate::heap::{page as hp, tuple};
use crate::page::Page;
use crate::row::{RowBuilder, RowLayout, RowRef, Width};
use crate::txn::Transaction;
use crate::wal::{RecordKind, rmgr};
use crate::{Fork, PageId, Persistence, RelId, Storage};
use quarry_common::{Error, Lsn, Result};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, LazyLock};

/// The row of a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceState {
    pub last_value: i64,
    /// Values that may be given out without a record.
    pub log_count: i64,
    pub is_called: bool,
}

/// What a change of a sequence comes to.
pub struct SequenceChange<R> {
    pub result: R,
    /// The state from now on.
    pub live: SequenceState,
    /// The state after a crash; none: the last record covers `live`.
    pub logged: Option<SequenceState>,
}

/// A sequence's page. Cheap to make.
pub struct Sequence {
    storage: Arc<Storage>,
    rel: RelId,
}

static LAYOUT: LazyLock<RowLayout> =
    LazyLock::new(|| RowLayout::new(&[Width::Fixed(8), Width::Fixed(8), Width::Fixed(1)]));

fn encode(state: &SequenceState) -> Vec<u8> {
    let mut builder = RowBuilder::new();
    builder.begin(&LAYOUT);
    builder.fixed(&state.last_value.to_le_bytes());
    builder.fixed(&state.log_count.to_le_bytes());
    builder.fixed(&[u8::from(state.is_called)]);
    builder.finish().to_vec()
}

fn no_row() -> Error {
    Error::corrupted("a sequence's page has no row")
}

/// Puts another state in the place of a row's.
fn overwrite(body: &mut [u8], state: &SequenceState) {
    let row = RowRef::new(&LAYOUT, body);
    let [last_value, log_count, is_called] = [0, 1, 2].map(|i| row.fixed_range(i));
    body[last_value].copy_from_slice(&state.last_value.to_le_bytes());
    body[log_count].copy_from_slice(&state.log_count.to_le_bytes());
    body[is_called].copy_from_slice(&[u8::from(state.is_called)]);
}

fn decode(page: &[u8]) -> Result<SequenceState> {
    let body = hp::tuple(page, 1).and_then(|t| t.get(tuple::HEADER_BYTES..)).ok_or_else(no_row)?;
    let row = RowRef::new(&LAYOUT, body);
    Ok(SequenceState {
        last_value: i64::from_le_bytes(row.fixed_array::<8>(0)),
        log_count: i64::from_le_bytes(row.fixed_array::<8>(1)),
        is_called: row.fixed(2)[0] != 0,
    })
}

/// Makes the page what its record makes of zeroes: another row in the place of the one that is there, or all of it.
fn remake(page: &mut Page, row: &[u8]) -> Result<()> {
    if !page.is_new() {
        let body = hp::tuple_mut(page.bytes_mut(), 1).and_then(|t| t.get_mut(tuple::HEADER_BYTES..));
        if let Some(body) = body.filter(|body| body.len() == row.len()) {
            body.copy_from_slice(row);
            return Ok(());
        }
    }
    page.zero();
    crate::heap::wal::apply(SEQUENCE, row, 0, page)
}

impl Sequence {
    /// Opens a sequence.
    pub fn open(storage: &Arc<Storage>, rel: RelId) -> Sequence {
        Sequence { storage: storage.clone(), rel }
    }
    fn page(&self) -> PageId {
        PageId { rel: self.rel, fork: Fork::Main, block: 0 }
    }
    /// Stores the first state; the files are there, new and empty, and go away if the transaction is rolled back.
    pub fn create(&self, txn: &Transaction, state: &SequenceState) -> Result<()> {
        // The files are the transaction's, so its end must be in the log.
        txn.assign_xid();
        let unlogged = self.storage.files().persistence(self.rel)? == Persistence::Unlogged;
        for fork in [Fork::Main].into_iter().chain(unlogged.then_some(Fork::Init)) {
            let mut page = self.storage.pool().extend(self.rel, fork, 1)?;
            self.log(&mut page, state)?;
        }
        Ok(())
    }
    /// The state.
    pub fn read(&self) -> Result<SequenceState> {
        decode(self.storage.pool().read(self.page())?.bytes())
    }
    /// Changes the state under the page's latch: `change` is told whether a checkpoint makes a record necessary.
    /// The position up to which the log must be durable before anyone relies on the result.
    pub fn change<R>(
        &self,
        change: impl FnOnce(&SequenceState, bool) -> Result<SequenceChange<R>>,
    ) -> Result<(R, Lsn)> {
        let mut page = self.storage.pool().write(self.page())?;
        let now = decode(page.bytes())?;
        page.mark_dirty();
        // Q1: the mark must be seen by a checkpoint that the next line doesn't see.
        fence(Ordering::SeqCst);
        let outdated = page.lsn() <= self.storage.wal().redo_point();
        let SequenceChange { result, live, logged } = change(&now, outdated)?;
        debug_assert!(logged.is_some() || !outdated);
        if let Some(state) = &logged {
            self.log(&mut page, state)?;
        }
        let body = hp::tuple_mut(page.bytes_mut(), 1).and_then(|t| t.get_mut(tuple::HEADER_BYTES..));
        overwrite(body.ok_or_else(no_row)?, &live);
        Ok((result, page.lsn()))
    }
    fn log(&self, page: &mut PageMut<'_>, state: &SequenceState) -> Result<Lsn> {
        let kind = RecordKind { rmgr: rmgr::HEAP, op: SEQUENCE };
        let row = encode(state);
        self.storage.log_whole_page(None, kind, &row, page, |page| remake(page, &row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let state = SequenceState { last_value: -7, log_count: 32, is_called: true };
        let mut page = Page::zeroed();
        crate::heap::wal::apply(SEQUENCE, &encode(&state), 0, &mut page).unwrap();
        assert_eq!(decode(page.bytes()).unwrap(), state);
        // What is logged of a page in use is what replay makes anew.
        let next = SequenceState { last_value: 25, log_count: 0, is_called: true };
        let mut anew = Page::zeroed();
        for page in [&mut page, &mut anew] {
            remake(page, &encode(&next)).unwrap();
        }
        assert_eq!(page.bytes()[..], anew.bytes()[..]);
        let state = SequenceState { last_value: i64::MAX, log_count: 0, is_called: false };
        overwrite(&mut hp::tuple_mut(page.bytes_mut(), 1).unwrap()[tuple::HEADER_BYTES..], &state);
        assert_eq!(decode(page.bytes()).unwrap(), state);
    }
}
