//! Unique checks: is there a live row with this key?
//!
//! The first leaf that can hold the key stays exclusively latched from the check to the insert, so of two inserters of one key the
//! second sees the first's entry. Rows are judged by the heap as of now, not by a snapshot. While a leaf is latched, vacuum
//! cannot have finished with it, so the tids on it have not been reused.

use super::BTree;
use super::page::{self as bp, Item, Target, ord};
use crate::WaitPolicy;
use crate::buffer::{PageMut, PageRef};
use crate::heap::{Heap, Liveness, VersionRef};
use crate::lock::{RowOperation, RowWait};
use crate::txn::Transaction;
use quarry_common::{Result, Tid, Xid};

/// What the entries with a key allow.
pub(crate) enum Verdict {
    /// No live row.
    Free,
    /// A live row, at this version.
    Conflict(VersionRef),
    /// Depends on a running transaction, which made or ends this row.
    Wait(Xid, Tid),
}

/// Judges one item; `None`: nothing against it. The flag says whether all its rows are dead to all.
fn judge(
    it: &Item<'_>,
    txn: &Transaction,
    heap: &Heap,
    skip: Option<Tid>,
) -> Result<(Option<Verdict>, bool)> {
    let mut all_dead = true;
    if it.is_dead() {
        return Ok((None, true));
    }
    for i in 0..it.tid_count() {
        let tid = it.tid(i);
        if skip == Some(tid) {
            all_dead = false;
            continue;
        }
        match heap.liveness(txn, tid)? {
            Liveness::Dead => {}
            Liveness::Gone => all_dead = false,
            Liveness::Live(row) if skip == Some(row.tid) => all_dead = false,
            Liveness::Live(row) => return Ok((Some(Verdict::Conflict(row)), false)),
            Liveness::Wait(xid) => return Ok((Some(Verdict::Wait(xid, tid)), false)),
        }
    }
    Ok((None, all_dead))
}

impl BTree {
    /// Checks `key` from `page`, the exclusively latched first leaf that can hold it.
    pub(crate) fn check_unique(
        &self,
        page: &mut PageMut<'_>,
        txn: &Transaction,
        heap: &Heap,
        key: &[u8],
        own: Tid,
    ) -> Result<Verdict> {
        let start = bp::lower_bound_leaf(page.bytes(), &Target::new(key, ord::FIRST));
        let mut dead = Vec::new();
        let mut verdict = None;
        for slot in start..bp::slot_count(page.bytes()) {
            let it = bp::item(page.bytes(), slot);
            if !it.key().is(key) {
                verdict = Some(Verdict::Free);
                break;
            }
            let (against, all_dead) = judge(&it, txn, heap, Some(own))?;
            if all_dead && !it.is_dead() {
                dead.push(slot);
            }
            if against.is_some() {
                verdict = against;
                break;
            }
        }
        if !dead.is_empty() {
            for slot in dead {
                bp::mark_dead(page.bytes_mut(), slot);
            }
            page.mark_dirty_hint();
        }
        if let Some(v) = verdict {
            return Ok(v);
        }
        let after = Target::new(key, ord::LAST);
        if !bp::is_beyond(page.bytes(), &after, false) {
            return Ok(Verdict::Free);
        }
        // More of them to the right. Each page stays latched until the next is had, so that no page can be removed in between.
        let mut next = self.right_of(page.bytes())?;
        loop {
            for slot in bp::first_data(next.bytes())..bp::slot_count(next.bytes()) {
                let it = bp::item(next.bytes(), slot);
                if !it.key().is(key) {
                    return Ok(Verdict::Free);
                }
                if let (Some(v), _) = judge(&it, txn, heap, Some(own))? {
                    return Ok(v);
                }
            }
            if !bp::is_beyond(next.bytes(), &after, false) {
                return Ok(Verdict::Free);
            }
            next = self.right_of(next.bytes())?;
        }
    }

    /// The right sibling of a latched leaf.
    fn right_of(&self, p: &[u8]) -> Result<PageRef<'_>> {
        self.read_link(bp::right(p), 0)?.ok_or_else(|| self.corrupted("a leaf's right link leads nowhere"))
    }

    /// A live row with this key other than `skip`, if there is one. Waits for running transactions whose outcome decides.
    pub fn find_conflict(
        &self,
        txn: &Transaction,
        key: &[u8],
        heap: &Heap,
        skip: Option<Tid>,
    ) -> Result<Option<VersionRef>> {
        Ok(self.search(txn, key, heap, skip, WaitPolicy::Block)?.flatten())
    }

    /// Whether a row with this key other than `skip` is there or may come to be, as far as can be said without waiting.
    pub fn may_conflict(
        &self,
        txn: &Transaction,
        key: &[u8],
        heap: &Heap,
        skip: Option<Tid>,
    ) -> Result<bool> {
        Ok(self.search(txn, key, heap, skip, WaitPolicy::Skip)?.is_some())
    }

    /// A live row with this key; `Some(None)`: that hangs on a running transaction, and `wait` says not to wait for it.
    fn search(
        &self,
        txn: &Transaction,
        key: &[u8],
        heap: &Heap,
        skip: Option<Tid>,
        wait: WaitPolicy,
    ) -> Result<Option<Option<VersionRef>>> {
        'again: loop {
            let mut from = Target::new(key, ord::FIRST);
            let mut page = self.descend(&from, false, 0, None)?;
            loop {
                let start = bp::lower_bound_leaf(page.bytes(), &from);
                for slot in start..bp::slot_count(page.bytes()) {
                    let it = bp::item(page.bytes(), slot);
                    if !it.key().is(key) {
                        return Ok(None);
                    }
                    match judge(&it, txn, heap, skip)?.0 {
                        Some(Verdict::Conflict(row)) => return Ok(Some(Some(row))),
                        Some(Verdict::Wait(..)) if wait != WaitPolicy::Block => return Ok(Some(None)),
                        Some(Verdict::Wait(xid, at)) => {
                            drop(page);
                            let operation = RowOperation::InsertIndex;
                            let row = RowWait { rel: heap.rel(), tid: at, operation };
                            txn.wait_for_end(xid, WaitPolicy::Block, Some(row))?;
                            continue 'again;
                        }
                        Some(Verdict::Free) | None => {}
                    }
                }
                if !bp::is_beyond(page.bytes(), &Target::new(key, ord::LAST), false) {
                    return Ok(None);
                }
                // Go on from this page's end; a stale link means descending to there again.
                from.ord = bp::high_key(page.bytes()).map_or(ord::LAST, |h| h.pivot_ord());
                let link = bp::right(page.bytes());
                drop(page);
                page = match self.read_link(link, 0)? {
                    Some(p) if !bp::is_beyond(p.bytes(), &from, false) => p,
                    _ => self.descend(&from, false, 0, None)?,
                };
            }
        }
    }
}
