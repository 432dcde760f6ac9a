//! Reading for a SERIALIZABLE transaction: every row version that is seen gets a SIREAD lock, every one that isn't, or is about to be replaced,
//! because its writer is concurrent, is a conflict ([`crate::ssi`], rules S4 to S6). The page is latched all along, so that a writer
//! either finds the lock or has been found.

use super::read::Chain;
use super::tuple::{HEADER_BYTES, TupleHeader, TupleMeta};
use super::visibility::{judge, made_at};
use super::{Heap, page as hp};
use crate::ssi::Xact;
use crate::txn::{Snapshot, Transaction};
use quarry_common::{BlockNo, Result, Tid};
use std::sync::Arc;

impl Heap {
    /// Whether the version is visible; notes conflicts.
    #[inline]
    pub(super) fn is_visible_to(&self, x: &Arc<Xact>, snap: &Snapshot, h: &TupleHeader) -> Result<bool> {
        let ssi = self.storage.ssi();
        ssi.check_reader(x)?;
        let (visible, writer) = judge(h, snap, self.storage.txns());
        if let Some(writer) = writer {
            ssi.conflict_out(x, writer)?;
        }
        Ok(visible)
    }

    /// As [`Heap::fetch_with_meta`].
    pub(super) fn fetch_watched<R>(
        &self,
        x: &Arc<Xact>,
        snap: &Snapshot,
        tid: Tid,
        f: impl FnOnce(Tid, TupleMeta, &[u8]) -> R,
    ) -> Result<Option<R>> {
        let page = self.storage.pool().read(self.page_id(tid.block))?;
        for (slot, h, body) in Chain::from_index(page.bytes(), tid.slot) {
            if self.is_visible_to(x, snap, &h)? {
                let tid = Tid { block: tid.block, slot };
                self.lock_seen(x, snap, tid, &h);
                return Ok(Some(f(tid, TupleMeta::new(&h, tid), body)));
            }
        }
        Ok(None)
    }

    /// As [`Heap::fetch_visible`]. A place where nothing is to be seen is no gap that a lock could be on: then it's the whole table.
    pub(super) fn fetch_visible_watched<R>(
        &self,
        x: &Arc<Xact>,
        snap: &Snapshot,
        tid: Tid,
        f: impl FnOnce(Tid, &[u8]) -> R,
    ) -> Result<Option<R>> {
        if tid.block < self.blocks()? {
            let page = self.storage.pool().read(self.page_id(tid.block))?;
            if let Some(t) = hp::tuple(page.bytes(), tid.slot) {
                let h = TupleHeader::read(t);
                if self.is_visible_to(x, snap, &h)? {
                    self.lock_seen(x, snap, tid, &h);
                    return Ok(Some(f(tid, &t[HEADER_BYTES..])));
                }
            }
        }
        self.storage.ssi().read_relation(x, self.rel);
        Ok(None)
    }

    fn lock_seen(&self, x: &Arc<Xact>, snap: &Snapshot, tid: Tid, h: &TupleHeader) {
        // What the transaction wrote itself nobody else can change before it ends.
        if !snap.is_mine(h.xmin) {
            self.storage.ssi().read_tuple(x, self.rel, tid);
        }
    }

    /// An index entry was found whose row the visibility map showed to all: whether it still does, for a reader that will not look at the row. A
    /// SERIALIZABLE reader locks the page first; who clears the bit looks for that lock afterwards (rule S6).
    #[inline]
    pub fn is_still_all_visible(&self, snap: &Snapshot, block: BlockNo) -> Result<bool> {
        let Some(x) = snap.reader() else { return Ok(true) };
        self.storage.ssi().check_reader(x)?;
        self.storage.ssi().read_page(x, self.rel, block);
        self.all_visible(block)
    }

    /// Whether readers that look for a version which `txn` makes of this one, with the same keys, come to this one, or one that stands for it, and
    /// learn of a writer there (rule S15).
    #[inline]
    pub(super) fn stands_for_next(&self, txn: &Transaction, h: &TupleHeader) -> bool {
        txn.xact().is_some() && {
            let (ssi, txns) = (self.storage.ssi(), self.storage.txns());
            ssi.knows_writer(h.xmin) || ssi.is_shown_to_all(made_at(h, txns))
        }
    }

    /// A unique check found this row: that it exists is something read.
    pub(crate) fn note_found(&self, txn: &Transaction, tid: Tid) -> Result<()> {
        if let Some(x) = txn.xact() {
            let _latched = self.storage.pool().read(self.page_id(tid.block))?;
            self.storage.ssi().read_tuple(x, self.rel, tid);
        }
        Ok(())
    }
}
