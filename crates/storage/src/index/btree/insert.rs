//! Inserting an entry: the rightmost page directly if it belongs there, else descending; making room before splitting.

use super::key::{Key, Packed};
use super::page::{self as bp, Splice, Target, ord};
use super::unique::Verdict;
use super::{BTree, kind, wal};
use crate::WaitPolicy;
use crate::buffer::PageMut;
use crate::index::{InsertOutcome, UniqueCheck};
use crate::lock::{RowOperation, RowWait};
use crate::page::slotted::{PayloadWriter, with_scratch};
use crate::txn::Transaction;
use quarry_common::{BlockNo, Error, Result, Tid, err};
use std::sync::atomic::Ordering;

impl BTree {
    /// Adds an entry for the row at `tid`. With a unique check, waits for running transactions whose outcome decides.
    pub fn insert(
        &self,
        txn: &Transaction,
        key: &[u8],
        payload: &[u8],
        tid: Tid,
        check: UniqueCheck<'_>,
    ) -> Result<InsertOutcome> {
        self.insert_entry(txn, key, payload, tid, check, false)
    }

    /// As [`BTree::insert`] for a row that may have its entry already: then nothing happens.
    pub fn insert_missing(
        &self,
        txn: &Transaction,
        key: &[u8],
        payload: &[u8],
        tid: Tid,
        check: UniqueCheck<'_>,
    ) -> Result<InsertOutcome> {
        self.insert_entry(txn, key, payload, tid, check, true)
    }

    fn insert_entry(
        &self,
        txn: &Transaction,
        key: &[u8],
        payload: &[u8],
        tid: Tid,
        check: UniqueCheck<'_>,
        if_missing: bool,
    ) -> Result<InsertOutcome> {
        let (stored, payload) = (Packed::key(key), Packed::payload(payload));
        self.check_size(&stored, &payload, tid)?;
        let target = Target::new(key, ord::of(tid));
        let unchecked = matches!(check, UniqueCheck::None);
        'again: loop {
            let (mut page, above_all, at_end) = match self.rightmost_for(&target, unchecked)? {
                Some((page, new_key)) => (page, new_key, true),
                None => {
                    let first = match check {
                        UniqueCheck::None => target,
                        UniqueCheck::Enforce(_) | UniqueCheck::Report(_) => Target::new(key, ord::FIRST),
                    };
                    (self.descend_write(&first, 0)?, false, false)
                }
            };
            if let (UniqueCheck::Enforce(heap) | UniqueCheck::Report(heap), false) = (check, above_all) {
                if bp::is_beyond(page.bytes(), &Target::new(key, ord::FIRST), false) {
                    continue;
                }
                match self.check_unique(&mut page, txn, heap, key, tid)? {
                    Verdict::Free => {}
                    Verdict::Conflict(row) => {
                        let tid = row.tid;
                        // A serialization failure comes before the violation: that may be only its consequence.
                        txn.check_entry(self.rel(), page.id().block)?;
                        heap.note_found(txn, tid)?;
                        return Ok(InsertOutcome::Conflict { tid });
                    }
                    Verdict::Wait(xid, _) => {
                        drop(page);
                        let operation = RowOperation::InsertIndex;
                        let row = RowWait { rel: self.rel(), tid, operation };
                        txn.wait_for_end(xid, WaitPolicy::Block, Some(row))?;
                        continue;
                    }
                }
                // Equal keys may fill several pages; the entry's place is by tid. The first page's latch has kept other
                // inserters of the key out; keep it until the next is had.
                while bp::is_beyond(page.bytes(), &target, false) {
                    match self.write_link(bp::right(page.bytes()), 0)? {
                        Some(next) => page = next,
                        None => continue 'again,
                    }
                    if bp::has_flag(page.bytes(), bp::INCOMPLETE_SPLIT) {
                        self.finish_split(page)?;
                        continue 'again;
                    }
                }
            }
            if if_missing && has_entry(page.bytes(), &target, tid) {
                return Ok(InsertOutcome::Inserted);
            }
            txn.check_entry(self.rel(), page.id().block)?;
            let end = bp::slot_count(page.bytes());
            if at_end && self.insert_at(&mut page, end, &stored.as_key(), &payload, tid)? {
                return Ok(InsertOutcome::Inserted);
            }
            self.insert_on_leaf(page, &target, &stored.as_key(), &payload, tid)?;
            return Ok(InsertOutcome::Inserted);
        }
    }

    fn check_size(&self, key: &Packed<'_>, payload: &Packed<'_>, tid: Tid) -> Result<()> {
        let bytes = key.bytes().len() + payload.bytes().len();
        if bytes <= bp::ENTRY_BYTES_MAX {
            return Ok(());
        }
        Err(size_error(self.name(), bytes, tid))
    }

    /// The rightmost leaf, if `target` certainly belongs at its end; and whether no entry has its key.
    pub(super) fn rightmost_for(
        &self,
        target: &Target<'_>,
        unchecked: bool,
    ) -> Result<Option<(PageMut<'_>, bool)>> {
        let known = self.state().rightmost.load(Ordering::Relaxed);
        if known == 0 {
            return Ok(None);
        }
        let pool = self.storage().pool();
        let page = pool.write(self.page_id((known - 1) as BlockNo))?;
        let p: &[u8] = page.bytes();
        let count = bp::slot_count(p);
        if page.is_new() || bp::level(p) != 0 || bp::has_flag(p, bp::DELETED) || !bp::is_rightmost(p) {
            self.state().rightmost.store(0, Ordering::Relaxed);
            return Ok(None);
        }
        if count == 0 {
            return Ok(None);
        }
        let last = bp::item(p, count - 1);
        let to_last = last.key().cmp_plain(target.key());
        if to_last.then(ord::of(last.last_tid()).cmp(&target.ord)).is_ge() {
            return Ok(None);
        }
        let new_key = to_last.is_lt();
        // An equal key needs the unique check, which wants the first page that can hold it.
        if !new_key && !unchecked {
            return Ok(None);
        }
        Ok(Some((page, new_key)))
    }

    fn insert_on_leaf<'a>(
        &'a self,
        mut page: PageMut<'a>,
        target: &Target<'_>,
        key: &Key<'_>,
        payload: &Packed<'_>,
        tid: Tid,
    ) -> Result<()> {
        if self.insert_plainly(&mut page, target, key, payload, tid)? {
            return Ok(());
        }
        let mut change = place(page.bytes(), target, key, payload, tid);
        if change.growth(page.bytes()) > bp::free(page.bytes()) as isize {
            let cleaned = self.remove_dead(&mut page)?;
            if cleaned {
                change = place(page.bytes(), target, key, payload, tid);
            }
            if change.growth(page.bytes()) > bp::free(page.bytes()) as isize && self.deduplicate(&mut page)? {
                change = place(page.bytes(), target, key, payload, tid);
            }
        }
        // Also if this insert splits the page: the split corrects it.
        self.remember_rightmost(&page);
        self.change_or_split(page, change, None)
    }

    /// The common case without allocations: the page has room and no posting list is in the way. False: not done.
    fn insert_plainly<'a>(
        &'a self,
        page: &mut PageMut<'a>,
        target: &Target<'_>,
        key: &Key<'_>,
        payload: &Packed<'_>,
        tid: Tid,
    ) -> Result<bool> {
        let p: &[u8] = page.bytes();
        if bp::free(p) < bp::leaf_item_len(key, payload) + 2 {
            return Ok(false);
        }
        let at = bp::lower_bound_leaf(p, target);
        if at < bp::slot_count(p) && bp::item(p, at).is_posting() && bp::item(p, at).key().is(target.key()) {
            return Ok(false);
        }
        self.insert_at(page, at, key, payload, tid)
    }

    /// The same at a slot that is known to be the entry's, and no posting list.
    fn insert_at<'a>(
        &'a self,
        page: &mut PageMut<'a>,
        at: usize,
        key: &Key<'_>,
        payload: &Packed<'_>,
        tid: Tid,
    ) -> Result<bool> {
        let len = bp::leaf_item_len(key, payload);
        if bp::free(page.bytes()) < len + 2 {
            return Ok(false);
        }
        self.remember_rightmost(page);
        with_scratch(|record| {
            // One splice of one item, as `wal::push_splices` writes it.
            record.w16(1).w16(at as u16).w16(0).w16(1).w16(len as u16);
            bp::write_leaf_item(key, payload, tid, record);
            self.storage().log_change(None, kind(wal::SPLICE), record, &mut [page])
        })?;
        Ok(true)
    }

    fn remember_rightmost(&self, page: &PageMut<'_>) {
        if bp::is_rightmost(page.bytes()) {
            let at = page.id().block as u64 + 1;
            if self.state().rightmost.load(Ordering::Relaxed) != at {
                self.state().rightmost.store(at, Ordering::Relaxed);
            }
        }
    }

    /// Removes the entries known to be dead to all.
    fn remove_dead<'a>(&'a self, page: &mut PageMut<'a>) -> Result<bool> {
        if !bp::has_flag(page.bytes(), bp::HAS_DEAD) {
            return Ok(false);
        }
        let p: &[u8] = page.bytes();
        let mut splices: Vec<Splice> = Vec::new();
        for slot in bp::first_data(p)..bp::slot_count(p) {
            if bp::item(p, slot).is_dead() {
                match splices.last_mut() {
                    Some(s) if s.at + s.remove == slot => s.remove += 1,
                    _ => splices.push(Splice { at: slot, remove: 1, items: Vec::new() }),
                }
            }
        }
        bp::set_flag(page.bytes_mut(), bp::HAS_DEAD, false);
        if splices.is_empty() {
            return Ok(false);
        }
        self.log_splices(page, &splices, None)?;
        Ok(true)
    }

    /// Joins runs of equal keys into posting lists.
    fn deduplicate<'a>(&'a self, page: &mut PageMut<'a>) -> Result<bool> {
        let p: &[u8] = page.bytes();
        let count = bp::slot_count(p);
        let mut splices: Vec<Splice> = Vec::new();
        let mut tids: Vec<Tid> = Vec::new();
        let mut slot = bp::first_data(p);
        while slot < count {
            let head = bp::item(p, slot);
            let mut end = slot;
            tids.clear();
            while end < count {
                let it = bp::item(p, end);
                let bytes = 4 + head.key().bytes().len() + (tids.len() + it.tid_count()) * 6;
                let joins = !it.has_payload() && bytes <= bp::POSTING_BYTES_MAX && it.key().same(&head.key());
                if !joins {
                    break;
                }
                tids.extend((0..it.tid_count()).map(|i| it.tid(i)));
                end += 1;
            }
            if end > slot + 1 {
                let items = vec![bp::posting_item(&head.key(), &tids)];
                splices.push(Splice { at: slot, remove: end - slot, items });
            }
            slot = end.max(slot + 1);
        }
        if splices.is_empty() {
            return Ok(false);
        }
        self.log_splices(page, &splices, None)?;
        Ok(true)
    }
}

/// Whether the leaf has this very entry.
fn has_entry(p: &[u8], target: &Target<'_>, tid: Tid) -> bool {
    let at = bp::lower_bound_leaf(p, target);
    if at >= bp::slot_count(p) {
        return false;
    }
    let it = bp::item(p, at);
    it.key().is(target.key()) && (0..it.tid_count()).any(|i| it.tid(i) == tid)
}

/// Where and how an entry goes onto a leaf: beside its neighbours, or into the posting list whose tids surround it.
/// `target`: the entry's place, `key` its key as it is to be stored.
fn place(p: &[u8], target: &Target<'_>, key: &Key<'_>, payload: &Packed<'_>, tid: Tid) -> Splice {
    let at = bp::lower_bound_leaf(p, target);
    if at < bp::slot_count(p) {
        let it = bp::item(p, at);
        if it.is_posting() && it.key().is(target.key()) && it.first_tid() < tid {
            let all: Vec<Tid> = (0..it.tid_count()).map(|i| it.tid(i)).collect();
            let cut = all.partition_point(|t| *t < tid);
            if all.get(cut) == Some(&tid) {
                // Already there: an entry left by a row version that vacuum has since removed can't be; change nothing.
                return Splice { at, remove: 0, items: Vec::new() };
            }
            let items = if payload.bytes().is_empty() && it.bytes().len() + 6 <= bp::POSTING_BYTES_MAX {
                let mut tids = all;
                tids.insert(cut, tid);
                vec![bp::posting_item(key, &tids)]
            } else {
                vec![
                    bp::posting_item(key, &all[..cut]),
                    bp::leaf_item(key, payload, tid),
                    bp::posting_item(key, &all[cut..]),
                ]
            };
            return Splice { at, remove: 1, items };
        }
    }
    Splice { at, remove: 0, items: vec![bp::leaf_item(key, payload, tid)] }
}

/// What PostgreSQL's index tuples can say of their length.
const INDEX_ROW_BYTES_MAX: usize = 8191;

/// PostgreSQL's error for entries that are too long.
/// The detail ends before the table's name, which only the caller knows.
pub(crate) fn size_error(name: &str, bytes: usize, tid: Tid) -> Error {
    let size = (bytes + 8).next_multiple_of(8);
    if size > INDEX_ROW_BYTES_MAX {
        return err!(
            PROGRAM_LIMIT_EXCEEDED,
            "index row requires {size} bytes, maximum size is {INDEX_ROW_BYTES_MAX}"
        );
    }
    err!(
        PROGRAM_LIMIT_EXCEEDED,
        "index row size {size} exceeds btree version 4 maximum 2704 for index \"{name}\""
    )
    .detail(format!("Index row references tuple {tid}"))
    .hint(
        "Values larger than 1/3 of a buffer page cannot be indexed.\nConsider a function index of an MD5 hash of the value, or use full text indexing.",
    )
}
