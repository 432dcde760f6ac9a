//! Inserting rows: choosing the page, one row or many per WAL record.

use super::tuple::{self, HEADER_BYTES};
use super::{Heap, page as hp, prune, wal};
use crate::buffer::{PageMut, Ring};
use crate::page::PAGE_SIZE;
use crate::page::slotted::with_scratch;
use crate::row::RowRef;
use crate::txn::Transaction;
use crate::wal::RecordKind;
use crate::wal::rmgr;
use crate::{Fork, toast, vm};
use parking_lot::MutexGuard;
use quarry_common::{BlockNo, Result, Tid, Xid, err};
use std::borrow::Cow;
use std::ops::Range;

/// Pages added at once when a table of some size grows.
const EXTEND_BLOCKS: u32 = 8;
/// Pages added at once by bulk inserts.
const EXTEND_BLOCKS_BULK: u32 = 64;

/// A page on which a row doesn't fit is offered to others for what it has left if that is at least this, in bytes. Less is left to
/// VACUUM's count: rows shorter than their neighbours would go back to pages just filled, out of the order they came in.
const WORTH_NOTING: usize = PAGE_SIZE / 16;

/// Pages of a table from which bulk inserts go through a ring and write behind themselves.
const BULK_FROM_BLOCKS: BlockNo = 64;

/// What a bulk insert keeps between its batches.
pub(crate) struct Bulk {
    /// Whose it is: another transaction starts anew.
    xid: Xid,
    ring: Ring,
    /// The pages of its last extension, which are full once it needs the next.
    filling: Range<BlockNo>,
}

pub(crate) fn kind(op: u8) -> RecordKind {
    RecordKind { rmgr: rmgr::HEAP, op }
}

/// Space for one tuple on a page, also on one never initialised.
pub(crate) fn room(p: &[u8]) -> usize {
    if hp::is_new(p) { hp::TUPLE_BYTES_MAX } else { hp::free_for_tuple(p) }
}

impl Heap {
    /// Inserts a row.
    pub fn insert(&self, txn: &Transaction, row: &[u8]) -> Result<Tid> {
        let body = self.prepare_row(txn, row)?;
        let flags = self.external_flag(&body);
        self.insert_body(txn, &body, flags)
    }

    /// Inserts a body that fits a page, whatever it holds.
    pub(crate) fn insert_body(&self, txn: &Transaction, body: &[u8], flags: u16) -> Result<Tid> {
        let mut page = self.page_with_space(HEADER_BYTES + body.len(), false, None)?;
        let block = page.id().block;
        txn.check_insert(self.rel)?;
        let slot = hp::free_slot(page.bytes());
        let xid = txn.assign_xid_to_note();
        with_scratch(|payload| {
            let vm = self.vm_of(&page);
            wal::Insert { vm, slot, flags, command: txn.command_id(), xmin: xid }.write(payload, body);
            self.log(txn, xid, wal::INSERT, payload, &mut page)
        })?;
        txn.count(self.rel, &self.state, |a| a.inserted += 1);
        Ok(Tid { block, slot })
    }

    /// Inserts rows in order, filling page after page, one WAL record per page; their tids are appended to `tids`.
    pub fn insert_many(&self, txn: &Transaction, rows: &[&[u8]], tids: &mut Vec<Tid>) -> Result<()> {
        let xid = txn.assign_xid_to_note();
        let command = txn.command_id();
        let bulk = rows.len() > 50;
        let mut kept = self.bulk_state(xid, bulk)?;
        let mut next = 0;
        let mut pending: Option<Cow<'_, [u8]>> = None;
        while next < rows.len() {
            let first = match pending.take() {
                Some(b) => b,
                None => self.prepare_row(txn, rows[next])?,
            };
            let own = kept.as_mut().and_then(|kept| kept.as_mut());
            let mut page = self.page_with_space(HEADER_BYTES + first.len(), bulk, own)?;
            let block = page.id().block;
            txn.check_insert(self.rel)?;
            with_scratch(|payload| -> Result<()> {
                wal::MultiInsert { vm: self.vm_of(&page), command, xmin: xid }.write(payload);
                let p: &[u8] = page.bytes();
                let fresh = hp::is_new(p);
                let count = hp::slot_count(p);
                let reuse = hp::flags(p) & hp::HAS_FREE_SLOTS != 0;
                let mut unused = (1..=count).filter(|s| reuse && hp::slot(p, *s) == hp::Slot::Unused);
                let mut new_slot = count;
                let mut left = if fresh { PAGE_SIZE - hp::SLOTS_AT } else { hp::hole(p) };
                let reserve = self.reserve();
                let mut body = first;
                loop {
                    let slot = match unused.next() {
                        Some(s) => s,
                        None => {
                            new_slot += 1;
                            left = left.saturating_sub(4);
                            new_slot
                        }
                    };
                    left -= HEADER_BYTES + body.len();
                    wal::NewRow { slot, flags: self.external_flag(&body), body: &body }.write(payload);
                    tids.push(Tid { block, slot });
                    next += 1;
                    if next == rows.len() {
                        break;
                    }
                    // A row that needs moving out of line waits until this page's latch is gone.
                    if toast::is_needed(rows[next]) {
                        break;
                    }
                    body = Cow::Borrowed(rows[next]);
                    if left < HEADER_BYTES + body.len() + 4 + reserve || new_slot >= hp::SLOTS_MAX {
                        pending = Some(body);
                        break;
                    }
                }
                self.log(txn, xid, wal::MULTI_INSERT, payload, &mut page)
            })?;
        }
        txn.count(self.rel, &self.state, |a| a.inserted += rows.len() as u64);
        Ok(())
    }

    /// Takes back a row that this command inserted (a unique index reported a conflict): nobody will see it.
    pub fn undo_insert(&self, txn: &Transaction, tid: Tid) -> Result<()> {
        let xid = txn.assign_xid_to_note();
        let mut page = self.storage.pool().write(self.page_id(tid.block))?;
        let external = self.external_values(page.bytes(), tid.slot);
        with_scratch(|payload| {
            // By the command that made it.
            let (vm, bits, command) = (self.vm_of(&page), tuple::XMAX_KEY, txn.command_id());
            wal::SetXmax { vm, slot: tid.slot, bits, xmax: xid, command }.write(payload);
            self.log(txn, xid, wal::SET_XMAX, payload, &mut page)
        })?;
        drop(page);
        toast::delete_values(self, txn, &external)
    }

    /// Compresses or moves out of line what makes the row too long for a page.
    pub(crate) fn prepare_row<'r>(&self, txn: &Transaction, row: &'r [u8]) -> Result<Cow<'r, [u8]>> {
        let body = if toast::is_needed(row) { toast::shrink(self, txn, row)? } else { Cow::Borrowed(row) };
        if HEADER_BYTES + body.len() > hp::TUPLE_BYTES_MAX {
            let size = HEADER_BYTES + body.len();
            return Err(err!(PROGRAM_LIMIT_EXCEEDED, "row is too big: size {size}, maximum size 8160"));
        }
        Ok(body)
    }

    pub(crate) fn external_flag(&self, body: &[u8]) -> u16 {
        if self.toast.is_some() && RowRef::new(&self.layout, body).has_external() {
            tuple::HAS_EXTERNAL
        } else {
            0
        }
    }

    /// The block whose visibility bit a change of this page clears, as records carry it.
    pub(crate) fn vm_of(&self, page: &PageMut<'_>) -> u32 {
        if hp::flags(page.bytes()) & hp::ALL_VISIBLE != 0 { page.id().block } else { wal::NO_VM }
    }

    /// Logs and applies a one-page record whose payload starts with the visibility block.
    pub(crate) fn log<'a>(
        &'a self,
        txn: &Transaction,
        xid: Xid,
        op: u8,
        payload: &[u8],
        page: &mut PageMut<'a>,
    ) -> Result<()> {
        txn.note_change(page);
        if hp::flags(page.bytes()) & hp::ALL_VISIBLE != 0 && payload[..4] != wal::NO_VM.to_le_bytes() {
            let mut map = vm::write_page(&self.storage, self.rel, page.id().block)?;
            self.storage.log_change(Some(xid), kind(op), payload, &mut [page, &mut map])?;
        } else {
            self.storage.log_change(Some(xid), kind(op), payload, &mut [page])?;
        }
        Ok(())
    }

    /// Bytes inserts leave free on every page.
    fn reserve(&self) -> usize {
        PAGE_SIZE * (100 - self.options.fillfactor.clamp(10, 100) as usize) / 100
    }

    /// What a bulk insert into a table of some size keeps; none if another one is at it.
    pub(super) fn bulk_state(&self, xid: Xid, bulk: bool) -> Result<Option<MutexGuard<'_, Option<Bulk>>>> {
        if !bulk || self.blocks()? < BULK_FROM_BLOCKS {
            return Ok(None);
        }
        let mut state = self.state.bulk.try_lock();
        if let Some(state) = &mut state
            && state.as_ref().is_none_or(|bulk| bulk.xid != xid)
        {
            let filling = state.take().map_or(0..0, |bulk| bulk.filling);
            **state = Some(Bulk { xid, ring: Ring::bulk_write(), filling });
        }
        Ok(state)
    }

    /// A latched page with room for a tuple of `need` bytes, made this thread's insertion page.
    pub(crate) fn page_with_space(
        &self,
        need: usize,
        bulk: bool,
        mut kept: Option<&mut Bulk>,
    ) -> Result<PageMut<'_>> {
        let pool = self.storage.pool();
        let wanted = (need + self.reserve()).min(hp::TUPLE_BYTES_MAX);
        loop {
            let block = match self.state.target() {
                Some(b) => b,
                None => match self.state.take(&self.storage, self.rel, wanted + 4)? {
                    Some(b) => b,
                    None => return self.extend(bulk, kept),
                },
            };
            let id = self.page_id(block);
            let pin = match &mut kept {
                Some(kept) => pool.pin_with(id, &mut kept.ring)?,
                None => pool.pin(id)?,
            };
            let mut page = match pin.try_write() {
                Some(page) => page,
                None if self.state.spread_targets() => continue,
                None => pin.into_write(),
            };
            let mut free = room(page.bytes());
            if free < wanted && prune::prune_in_passing(&self.storage, &mut page)? {
                free = room(page.bytes());
            }
            if free >= wanted {
                self.state.set_target(Some(block));
                return Ok(page);
            }
            if free >= WORTH_NOTING {
                self.state.record(block, free);
            }
            self.state.set_target(None);
        }
    }

    fn extend(&self, bulk: bool, kept: Option<&mut Bulk>) -> Result<PageMut<'_>> {
        let pool = self.storage.pool();
        let size = pool.blocks(self.rel, Fork::Main)?;
        let count: BlockNo = match (bulk, size) {
            (true, 16..) => EXTEND_BLOCKS_BULK,
            (false, 64..) => EXTEND_BLOCKS,
            _ => 1,
        };
        let page = match kept {
            Some(kept) => {
                pool.write_behind(self.rel, Fork::Main, kept.filling.clone());
                let page = pool.extend_with(self.rel, Fork::Main, count, &mut kept.ring)?;
                kept.filling = page.block()..page.block() + count;
                page
            }
            None => pool.extend(self.rel, Fork::Main, count)?,
        };
        let first = page.id().block;
        for b in first + 1..first + count {
            self.state.record(b, hp::TUPLE_BYTES_MAX + 4);
        }
        self.state.set_target(Some(first));
        Ok(page)
    }
}
