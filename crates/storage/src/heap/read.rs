//! Reading rows: by tid through the HOT chain, exactly one version, or the whole table page by page.
//!
//! Callbacks run under the page's shared latch and must not touch other pages of the table.

use super::page_rows::{PageRows, Place, form_of};
use super::tuple::{self, HEADER_BYTES, TupleHeader, TupleMeta};
use super::visibility::{Fate, Memo, fate, fate_between, is_visible};
use super::{Heap, Liveness, VersionRef, page as hp, prune};
use crate::buffer::{PageMut, ReadAhead, Ring};
use crate::page::PAGE_SIZE;
use crate::stats::Reads;
use crate::txn::{LiveSnapshots, Snapshot, Transaction, XidStatus};
use quarry_common::{BlockNo, Lsn, Result, Tid};
use std::ops::Range;

/// Gets (tid to index, row, whether it counts for uniqueness).
pub type BuildCallback<'a> = dyn FnMut(Tid, &[u8], bool) -> Result<()> + 'a;
/// What a scan for an index build met.
#[derive(Clone, Copy, Default, Debug)]
pub struct BuildScan {
    pub live_rows: u64,
    /// Snapshots older than the build may see versions that it gave no entries: of a HOT chain only the last can have one. Or their owners would need to
    /// find others that have gone.
    pub left_out: bool,
}

/// What rows are judged by in an index build.
pub struct BuildView {
    horizon: Lsn,
    snapshots: LiveSnapshots,
}

/// What [`Heap::fetch_rows`] works with.
#[derive(Default)]
pub struct FetchRoom {
    places: Vec<Place>,
    entries: Vec<u32>,
}

/// Gets (tid to index, row).
pub type RootCallback<'a> = dyn FnMut(Tid, &[u8]) -> Result<()> + 'a;
/// Gets a row with its system columns.
pub type MetaCallback<'a> = dyn FnMut(Tid, TupleMeta, &[u8]) -> Result<()> + 'a;

impl Heap {
    /// The version of the row that `snap` sees, from a tid that an index gave.
    #[inline]
    pub fn fetch<R>(&self, snap: &Snapshot, tid: Tid, f: impl FnOnce(Tid, &[u8]) -> R) -> Result<Option<R>> {
        self.fetch_with_meta(snap, tid, |tid, _, body| f(tid, body))
    }

    /// As [`fetch`](Self::fetch), with the version's system columns.
    pub fn fetch_with_meta<R>(
        &self,
        snap: &Snapshot,
        tid: Tid,
        f: impl FnOnce(Tid, TupleMeta, &[u8]) -> R,
    ) -> Result<Option<R>> {
        if let Some(x) = snap.reader() {
            return self.fetch_watched(x, snap, tid, f);
        }
        let page = self.storage.pool().read(self.page_id(tid.block))?;
        let p: &[u8] = page.bytes();
        let mut memo = Memo::default();
        for (slot, h, body) in Chain::from_index(p, tid.slot) {
            if is_visible(&h, snap, self.storage.txns(), &mut memo) {
                let tid = Tid { block: tid.block, slot };
                return Ok(Some(f(tid, TupleMeta::new(&h, tid), body)));
            }
        }
        Ok(None)
    }

    /// The versions that `snap` sees behind index entries for one page: `f` gets the entry's position in `slots` with each. The page is
    /// looked up once for all.
    pub fn fetch_page(
        &self,
        snap: &Snapshot,
        block: BlockNo,
        slots: &[u16],
        mut f: impl FnMut(usize, Tid, TupleMeta, &[u8]),
    ) -> Result<()> {
        if let Some(x) = snap.reader() {
            for (i, slot) in slots.iter().enumerate() {
                let tid = Tid { block, slot: *slot };
                self.fetch_watched(x, snap, tid, |tid, meta, body| f(i, tid, meta, body))?;
            }
            return Ok(());
        }
        let page = self.storage.pool().read(self.page_id(block))?;
        let p: &[u8] = page.bytes();
        let mut memo = Memo::default();
        for (i, slot) in slots.iter().enumerate() {
            for (slot, h, body) in Chain::from_index(p, *slot) {
                if is_visible(&h, snap, self.storage.txns(), &mut memo) {
                    let tid = Tid { block, slot };
                    f(i, tid, TupleMeta::new(&h, tid), body);
                    break;
                }
            }
        }
        Ok(())
    }

    /// As [`fetch_page`](Self::fetch_page), all versions together; `f` also gets, for each, the position of its entry in `slots`. Not for
    /// SERIALIZABLE readers. `room` is kept for its memory.
    pub fn fetch_rows<R>(
        &self,
        snap: &Snapshot,
        block: BlockNo,
        slots: &[u16],
        room: &mut FetchRoom,
        f: impl FnOnce(PageRows<'_>, &[u32]) -> Result<R>,
    ) -> Result<R> {
        let FetchRoom { places, entries } = room;
        places.clear();
        entries.clear();
        let page = self.storage.pool().read(self.page_id(block))?;
        let p: &[u8] = page.bytes();
        let all = hp::flags(p) & hp::ALL_VISIBLE != 0;
        let mut memo = Memo::default();
        let mut seen = |h: &TupleHeader| all || is_visible(h, snap, self.storage.txns(), &mut memo);
        for (i, slot) in slots.iter().enumerate() {
            let place = hp::slot(p, *slot);
            if let (hp::Slot::Normal { offset, len }, Some(t)) = (place, hp::tuple_in(p, place)) {
                let h = TupleHeader::read(t);
                // Mostly the row itself is the version that is seen.
                if !h.has(tuple::HEAP_ONLY) && seen(&h) {
                    places.push(Place::new((*slot, offset, len)));
                    entries.push(i as u32);
                    continue;
                }
            }
            let found = Chain::from_index(p, *slot).find(|(_, h, _)| seen(h));
            if let Some((slot, ..)) = found
                && let hp::Slot::Normal { offset, len } = hp::slot(p, slot)
            {
                places.push(Place::new((slot, offset, len)));
                entries.push(i as u32);
            }
        }
        f(PageRows { block, bytes: p, places, form: None }, entries)
    }

    /// Exactly this version, if `snap` sees it.
    pub fn fetch_visible<R>(
        &self,
        snap: &Snapshot,
        tid: Tid,
        f: impl FnOnce(Tid, &[u8]) -> R,
    ) -> Result<Option<R>> {
        if let Some(x) = snap.reader() {
            return self.fetch_visible_watched(x, snap, tid, f);
        }
        if tid.block >= self.blocks()? {
            return Ok(None);
        }
        let page = self.storage.pool().read(self.page_id(tid.block))?;
        let Some(t) = hp::tuple(page.bytes(), tid.slot) else { return Ok(None) };
        let h = TupleHeader::read(t);
        if !is_visible(&h, snap, self.storage.txns(), &mut Memo::default()) {
            return Ok(None);
        }
        Ok(Some(f(tid, &t[HEADER_BYTES..])))
    }

    /// Exactly this version, whether or not anyone sees it.
    pub fn fetch_exact<R>(&self, tid: Tid, f: impl FnOnce(Tid, TupleMeta, &[u8]) -> R) -> Result<Option<R>> {
        let page = self.storage.pool().read(self.page_id(tid.block))?;
        let Some(t) = hp::tuple(page.bytes(), tid.slot) else { return Ok(None) };
        Ok(Some(f(tid, TupleMeta::new(&TupleHeader::read(t), tid), &t[HEADER_BYTES..])))
    }

    /// Whether no snapshot will ever see a row behind this index entry: then the entry may be killed. `live`: the snapshots, asked for once.
    pub fn is_dead(&self, tid: Tid, live: &mut Option<LiveSnapshots>) -> Result<bool> {
        let live = live.get_or_insert_with(|| self.storage.live_snapshots(self.rel.db));
        let page = self.storage.pool().read(self.page_id(tid.block))?;
        let mut chain = Chain::from_index(page.bytes(), tid.slot);
        Ok(chain.all(|(_, h, _)| fate_between(&h, &self.storage, live) == Fate::Dead))
    }

    /// What a unique check must think of the row that an index entry points to. The transaction's later snapshots will show
    /// the commits the answer rests on.
    pub fn liveness(&self, txn: &Transaction, tid: Tid) -> Result<Liveness> {
        let page = self.storage.pool().read(self.page_id(tid.block))?;
        let txns = self.storage.txns();
        let mut all_dead = true;
        for (slot, h, _) in Chain::from_index(page.bytes(), tid.slot) {
            let live = Liveness::Live(VersionRef::made_by(Tid { block: tid.block, slot }, h.xmin));
            if !h.has(tuple::XMIN_FROZEN) && !txn.is_mine(h.xmin) {
                match txns.status(h.xmin) {
                    XidStatus::Aborted => continue,
                    XidStatus::InProgress => return Ok(Liveness::Wait(h.xmin)),
                    XidStatus::Committed(csn) => txn.follow(csn),
                }
            }
            if !h.may_be_ended() {
                return Ok(live);
            }
            if txn.is_mine(h.xmax) {
                all_dead = false;
                continue;
            }
            match txns.status(h.xmax) {
                XidStatus::Aborted => return Ok(live),
                XidStatus::InProgress => return Ok(Liveness::Wait(h.xmax)),
                XidStatus::Committed(csn) => {
                    txn.follow(csn);
                    all_dead &= csn <= txns.oldest_visible_csn_in(self.rel.db);
                }
            }
        }
        Ok(if all_dead { Liveness::Dead } else { Liveness::Gone })
    }

    /// Reads the rows that `snap` sees, all or those of a range of pages, in physical order.
    pub fn scan(&self, snap: Snapshot, range: Option<Range<BlockNo>>) -> HeapScan {
        let heap = self.clone();
        HeapScan {
            heap,
            snap,
            range,
            started: false,
            ring: None,
            ahead: ReadAhead::default(),
            memo: Memo::default(),
            bound: None,
            places: Vec::new(),
            finds_forms: false,
            reads_rows: false,
            counts: false,
            seen: 0,
        }
    }

    /// A ring if the table is too big to be kept in the pool for one scan's sake.
    pub(crate) fn scan_ring(&self) -> Result<Option<Ring>> {
        let big = self.blocks()? as usize > self.storage.pool().frame_count() / 4;
        Ok(big.then(Ring::bulk_read))
    }

    /// Reads what an index must have entries for, page by page: `f(tid to index, row, live)`. Rows that only older snapshots see
    /// come with `live` false: they count for no uniqueness. The caller's table lock keeps writers out.
    pub fn index_build_scan(
        &self,
        txn: &Transaction,
        at_page: &mut dyn FnMut(BlockNo, BlockNo) -> Result<()>,
        f: &mut BuildCallback<'_>,
    ) -> Result<BuildScan> {
        let blocks = self.blocks()?;
        let mut ring = self.scan_ring()?;
        let mut block = 0;
        let mut page = || {
            at_page(block, blocks)?;
            block += 1;
            Ok(())
        };
        self.index_build_scan_of(txn, &self.build_view(), 0..blocks, &mut ring, &mut page, f)
    }

    /// What the scans of one build's stretches judge rows by.
    pub fn build_view(&self) -> BuildView {
        let txns = self.storage.txns();
        BuildView {
            horizon: txns.oldest_visible_csn_in(self.rel.db),
            snapshots: txns.live_snapshots(self.rel.db),
        }
    }

    /// As [`index_build_scan`](Self::index_build_scan), of some pages; `at_page` is called before each.
    pub(crate) fn index_build_scan_of(
        &self,
        txn: &Transaction,
        view: &BuildView,
        blocks: Range<BlockNo>,
        ring: &mut Option<Ring>,
        at_page: &mut dyn FnMut() -> Result<()>,
        f: &mut BuildCallback<'_>,
    ) -> Result<BuildScan> {
        let pool = self.storage.pool();
        let txns = self.storage.txns();
        let mut done = BuildScan::default();
        let mut ahead = ReadAhead::default();
        for block in blocks.clone() {
            at_page()?;
            ahead.before(pool, self.rel, block..blocks.end, ring.as_mut())?;
            let page = match ring.as_mut() {
                Some(ring) => pool.read_with(self.page_id(block), ring)?,
                None => pool.read(self.page_id(block))?,
            };
            let p: &[u8] = page.bytes();
            for root in 1..=hp::slot_count(p) {
                for (_, h, body) in Chain::from_index(p, root) {
                    let hot = h.has(tuple::HOT_UPDATED);
                    let live = match fate(&h, txns, view.horizon) {
                        Fate::Dead => continue,
                        Fate::RecentlyDead if hot => {
                            done.left_out |= fate_between(&h, &self.storage, &view.snapshots) != Fate::Dead;
                            continue;
                        }
                        Fate::RecentlyDead => {
                            // It may have stood for versions of other keys in the new index, which are gone (S15).
                            done.left_out |= h.next().is_some() && self.storage.ssi().knows_writer(h.xmax);
                            false
                        }
                        Fate::Live { .. } => true,
                        Fate::InsertInProgress => {
                            let ended = h.may_be_ended() && txn.is_mine(h.xmax);
                            if ended && hot {
                                continue;
                            }
                            txn.is_mine(h.xmin) && !ended
                        }
                        Fate::DeleteInProgress if txn.is_mine(h.xmax) && hot => {
                            done.left_out = true;
                            continue;
                        }
                        Fate::DeleteInProgress => !txn.is_mine(h.xmax),
                    };
                    done.live_rows += live as u64;
                    f(Tid { block, slot: root }, body, live)?;
                }
            }
        }
        Ok(done)
    }
}

impl Heap {
    /// Reads the rows that `snap` sees while others may change the table: `f(tid to index, row)`, by rising tid, without a latch; `page` is
    /// called with each page's number before. A row's tid is its chain's root, whichever version of the chain is the one seen.
    pub fn scan_roots(
        &self,
        snap: &Snapshot,
        page: &mut dyn FnMut(BlockNo, BlockNo) -> Result<()>,
        f: &mut RootCallback<'_>,
    ) -> Result<()> {
        let mut ring = self.scan_ring()?;
        // Rows on pages added from here on are younger than the snapshot.
        let blocks = self.blocks()?;
        let mut block = 0;
        let mut at_page = || {
            page(block, blocks)?;
            block += 1;
            Ok(())
        };
        self.scan_roots_of(snap, 0..blocks, &mut ring, &mut at_page, f)
    }

    /// As [`scan_roots`](Self::scan_roots), of some pages; `at_page` is called before each.
    pub(crate) fn scan_roots_of(
        &self,
        snap: &Snapshot,
        blocks: Range<BlockNo>,
        ring: &mut Option<Ring>,
        at_page: &mut dyn FnMut() -> Result<()>,
        f: &mut RootCallback<'_>,
    ) -> Result<()> {
        let (pool, txns) = (self.storage.pool(), self.storage.txns());
        let mut ahead = ReadAhead::default();
        let mut memo = Memo::default();
        let mut found: Vec<(Tid, Range<usize>)> = Vec::new();
        let mut bytes: Vec<u8> = Vec::new();
        for block in blocks.clone() {
            at_page()?;
            ahead.before(pool, self.rel, block..blocks.end, ring.as_mut())?;
            found.clear();
            bytes.clear();
            {
                let page = match ring.as_mut() {
                    Some(ring) => pool.read_with(self.page_id(block), ring)?,
                    None => pool.read(self.page_id(block))?,
                };
                let p: &[u8] = page.bytes();
                for root in 1..=hp::slot_count(p) {
                    let seen =
                        Chain::from_index(p, root).find(|(_, h, _)| is_visible(h, snap, txns, &mut memo));
                    if let Some((_, _, body)) = seen {
                        let at = bytes.len();
                        bytes.extend_from_slice(body);
                        found.push((Tid { block, slot: root }, at..bytes.len()));
                    }
                }
            }
            for (tid, at) in &found {
                f(*tid, &bytes[at.clone()])?;
            }
        }
        Ok(())
    }

    /// Whether the row behind an index entry is there now, as far as is known: one that a running transaction is deleting still is.
    pub fn is_live(&self, txn: &Transaction, tid: Tid) -> Result<bool> {
        Ok(matches!(self.liveness(txn, tid)?, Liveness::Live(_) | Liveness::Wait(_)))
    }
}

/// The versions of a HOT chain on one page, oldest first.
pub(crate) struct Chain<'a> {
    p: &'a [u8],
    next: u16,
    /// What the next version must be.
    expected: Option<VersionRef>,
    /// Steps left; bounds the walk whatever the page says.
    fuel: u16,
    /// Whether the next version must be one that index entries point to.
    root: bool,
}

impl<'a> Chain<'a> {
    /// From a slot an index entry points to; empty if it is not a root.
    #[inline]
    pub(crate) fn from_index(p: &'a [u8], slot: u16) -> Chain<'a> {
        let (next, root) = match hp::slot(p, slot) {
            hp::Slot::Redirect(to) => (to, false),
            _ => (slot, true),
        };
        Chain { p, next, expected: None, fuel: hp::SLOTS_MAX, root }
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = (u16, TupleHeader, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == 0 || self.fuel == 0 {
            return None;
        }
        self.fuel -= 1;
        let slot = self.next;
        let t = hp::tuple(self.p, slot)?;
        let h = TupleHeader::read(t);
        if h.has(tuple::HEAP_ONLY) == self.root || self.expected.is_some_and(|v| !v.is(&h)) {
            return None;
        }
        self.root = false;
        if h.has(tuple::HOT_UPDATED) && !h.has(tuple::XMAX_ABORTED) {
            self.next = h.ctid.slot;
            self.expected = h.next();
        } else {
            self.next = 0;
        }
        Some((slot, h, &t[HEADER_BYTES..]))
    }
}

/// A scan of a table; holds nothing between calls.
pub struct HeapScan {
    heap: Heap,
    snap: Snapshot,
    /// Pages to read; determined at the first call unless given.
    range: Option<Range<BlockNo>>,
    started: bool,
    /// For big tables.
    ring: Option<Ring>,
    ahead: ReadAhead,
    memo: Memo,
    /// Commits up to there are durable and seen by all, as last asked.
    bound: Option<Lsn>,
    /// Where the visible rows of the page being read are; kept for its memory.
    places: Vec<Place>,
    /// Whether pages come with the form of their rows.
    finds_forms: bool,
    /// Whether the reader looks at the rows it gets, and doesn't only count them.
    reads_rows: bool,
    /// Whether it is in the relation's statistics: scans of parts aren't (ANALYZE's sample).
    counts: bool,
    /// Rows given.
    seen: u64,
}

impl Drop for HeapScan {
    fn drop(&mut self) {
        if self.counts {
            let reads = Reads { scans: 1, returned: self.seen, fetched: 0 };
            self.heap.count_reads(&self.snap, reads);
        }
    }
}

impl HeapScan {
    fn range_mut(&mut self) -> Result<&mut Range<BlockNo>> {
        if !self.started
            && let Some(x) = self.snap.reader()
        {
            // Before the table's length is asked for: who adds a page afterwards finds the lock.
            self.heap.storage.ssi().read_relation(x, self.heap.rel);
        }
        if self.range.is_none() {
            self.range = Some(0..self.heap.blocks()?);
            self.counts = true;
        }
        if !self.started {
            self.ring = self.heap.scan_ring()?;
            self.started = true;
        }
        Ok(self.range.as_mut().expect("set above"))
    }

    /// Pages come with the form that their rows have in common ([`PageRows::fixed`]): for who reads columns of most rows.
    pub fn find_forms(&mut self) {
        self.finds_forms = true;
        self.reads_rows = true;
    }

    /// Pages still to be read.
    pub fn blocks(&mut self) -> Result<Range<BlockNo>> {
        Ok(self.range_mut()?.clone())
    }

    /// Goes on with other pages.
    pub fn set_range(&mut self, range: Range<BlockNo>) {
        self.range = Some(range);
    }

    /// The snapshot read under.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snap
    }

    /// Calls `f` for each visible row of the next page; false when there is no further page.
    pub fn next_page(&mut self, f: &mut dyn FnMut(Tid, &[u8]) -> Result<()>) -> Result<bool> {
        self.reads_rows = true;
        self.next_rows(|rows| (0..rows.len()).try_for_each(|i| f(rows.tid(i), rows.body(i))))
    }

    /// As [`next_page`](Self::next_page), with system columns.
    pub fn next_page_with_meta(&mut self, f: &mut MetaCallback<'_>) -> Result<bool> {
        self.reads_rows = true;
        self.next_rows(|rows| (0..rows.len()).try_for_each(|i| f(rows.tid(i), rows.meta(i), rows.body(i))))
    }

    /// Gives `f` the visible rows of the next page together; false when there is no further page.
    #[inline]
    pub fn next_rows(&mut self, f: impl FnOnce(PageRows<'_>) -> Result<()>) -> Result<bool> {
        let range = self.range_mut()?;
        let Some(block) = range.next() else { return Ok(false) };
        let end = range.end;
        let HeapScan { heap, snap, ring, ahead, memo, bound, places, finds_forms, reads_rows, seen, .. } =
            self;
        let storage = &heap.storage;
        let pool = storage.pool();
        ahead.before(pool, heap.rel, block..end, ring.as_mut())?;
        let mut read = || match ring {
            Some(ring) => pool.read_with(heap.page_id(block), ring),
            None => pool.read(heap.page_id(block)),
        };
        let mut page = read()?;
        if hp::prune_xid(page.bytes()) != 0
            && hp::hole(page.bytes()) < PAGE_SIZE / 10
            && prune::is_promising(page.bytes(), storage, page.id().rel)
        {
            let pin = page.pin();
            drop(page);
            if let Some(mut exclusive) = pin.try_write() {
                prune::prune_in_passing(storage, &mut exclusive)?;
            }
            page = read()?;
        }
        places.clear();
        let p: &[u8] = page.bytes();
        heap.prefetch_scan(&page, block + 1..end, *reads_rows);
        if hp::flags(p) & hp::ALL_VISIBLE != 0 {
            places.extend(hp::tuple_places(p).map(Place::new));
            *seen += places.len() as u64;
            let form = if *finds_forms { form_of(p, places) } else { None };
            f(PageRows { block, bytes: p, places, form })?;
            return Ok(true);
        }
        let txns = storage.txns();
        let mut unfrozen = None;
        for (slot, offset, len) in hp::tuple_places(p) {
            let h = TupleHeader::read(&p[offset as usize..]);
            let visible = match snap.reader() {
                None => is_visible(&h, snap, txns, memo),
                Some(x) => heap.is_visible_to(x, snap, &h)?,
            };
            if visible {
                if !h.has(tuple::XMIN_FROZEN) {
                    unfrozen = Some(h.xmin);
                }
                places.push(Place::new((slot, offset, len)));
            }
        }
        *seen += places.len() as u64;
        let form = if *finds_forms { form_of(p, places) } else { None };
        f(PageRows { block, bytes: p, places, form })?;
        // Leave hints for those who come after, if that is possible without waiting.
        if let Some(xmin) = unfrozen
            && let XidStatus::Committed(csn) = txns.status(xmin)
        {
            let limit = match *bound {
                Some(b) if csn <= b || block % 256 != 0 => b,
                _ => txns.oldest_visible_csn_in(heap.rel.db),
            };
            *bound = Some(limit);
            if csn <= limit {
                let pin = page.pin();
                drop(page);
                if let Some(mut exclusive) = pin.try_write() {
                    heap.set_hints(&mut exclusive, limit);
                }
            }
        }
        Ok(true)
    }
}

impl Heap {
    /// Sets the status flags that are certain by now: commits up to `limit` are seen by all, hence durable if they have anything to lose.
    pub(crate) fn set_hints(&self, page: &mut PageMut<'_>, limit: Lsn) {
        let txns = self.storage.txns();
        let mut changed = false;
        let mut last = (quarry_common::Xid::INVALID, 0u16);
        for slot in 1..=hp::slot_count(page.bytes()) {
            let Some(t) = hp::tuple(page.bytes(), slot) else { continue };
            let h = TupleHeader::read(t);
            let mut flags = h.flags;
            if flags & (tuple::XMIN_FROZEN | tuple::XMIN_ABORTED) == 0 {
                if last.0 != h.xmin {
                    let hint = match txns.status(h.xmin) {
                        XidStatus::Committed(csn) if csn <= limit => tuple::XMIN_FROZEN,
                        XidStatus::Aborted => tuple::XMIN_ABORTED,
                        XidStatus::Committed(_) | XidStatus::InProgress => 0,
                    };
                    last = (h.xmin, hint);
                }
                flags |= last.1;
            }
            if h.xmax.is_valid() && flags & tuple::XMAX_ABORTED == 0 {
                match txns.status(h.xmax) {
                    XidStatus::Aborted => flags |= tuple::XMAX_ABORTED,
                    XidStatus::Committed(_) if flags & tuple::XMAX_LOCK_ONLY != 0 => {
                        flags |= tuple::XMAX_ABORTED
                    }
                    XidStatus::Committed(_) | XidStatus::InProgress => {}
                }
            }
            if flags != h.flags
                && let Some(t) = hp::tuple_mut(page.bytes_mut(), slot)
            {
                tuple::set_flags(t, flags);
                changed = true;
            }
        }
        if changed {
            page.mark_dirty_hint();
        }
    }
}
