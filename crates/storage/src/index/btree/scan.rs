//! Scanning a range of keys in either direction.
//!
//! A scan copies what it needs of a leaf under the shared latch and then holds nothing. Forward it follows the right link it saw; if
//! that page has been removed or reused meanwhile, it descends to the high key it saw. Backward it always descends to the last
//! page below the low bound that its descent found: so neither splits nor removals can make it skip or repeat an entry. A scan of which
//! few entries are expected ([`IndexScan::expect`]) copies a part of a leaf and goes on in the same way from where that ended.

mod visible;

use super::key::Key;
use super::page::{self as bp, Link, Target, ord};
use super::search::LowBound;
use super::{BTree, Direction, KeyRange};
use crate::buffer::{PREFETCH_PAGES, PageRef};
use crate::heap::Heap;
use crate::ssi::Xact;
use crate::txn::Snapshot;
use crate::vm;
use quarry_common::{BlockNo, Lsn, Result, Tid};
use std::ops::{Bound, Range};
use std::sync::Arc;

/// An entry of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry<'a> {
    /// The whole key.
    pub key: &'a [u8],
    /// The bytes stored with it.
    pub payload: &'a [u8],
    /// The row it points to (the root of its HOT chain).
    pub tid: Tid,
    /// With [`IndexScan::with_visibility`]: the row is visible to every snapshot, the heap need not be asked.
    pub all_visible: bool,
}

/// If more entries are wanted than were expected, so many times as many are read.
const GROWTH: usize = 8;

/// Room for so many entries, and bytes of their keys, is kept by a scan that rests.
const KEPT_ENTRIES: usize = 512;
const KEPT_BYTES: usize = 16 << 10;

/// Where the entries that were copied of a leaf end.
enum End {
    /// At the range's end.
    Range,
    /// At the page's.
    Page,
    /// Before an entry of this slot.
    Entry(usize, u64),
}

impl End {
    /// Where the slots of a leaf end of which those up to `end` are within the range, when all up to `near` were looked at, of `to`.
    fn of(p: &[u8], end: usize, near: usize, to: usize) -> End {
        match end {
            end if end == to => End::Page,
            end if end == near => End::Entry(end, bp::leaf_item_at(p, end).first_ord()),
            _ => End::Range,
        }
    }
}

struct Found {
    key: Range<u32>,
    payload: Range<u32>,
    tid: Tid,
    slot: u16,
    all_visible: bool,
}

enum Next {
    /// Nothing read yet.
    Start,
    /// Forward: at `bound`, on this page if nothing has changed.
    Right(Link),
    /// Backward: below `bound`.
    Below,
    /// Nothing left.
    Done,
}

/// A scan in progress. Holds no latch or pin between calls.
pub struct IndexScan {
    tree: BTree,
    range: KeyRange,
    direction: Direction,
    heap: Option<Heap>,
    /// Whether entries come with their keys and payloads.
    with_keys: bool,
    /// Entries to be read at first, and the next time.
    expected: usize,
    part: usize,
    /// The SERIALIZABLE transaction that reads: it locks every leaf.
    reader: Option<Arc<Xact>>,
    /// Bytes of the current page's keys and payloads.
    bytes: Vec<u8>,
    found: Vec<Found>,
    at: usize,
    /// Entries up to here have had their pages asked for.
    asked: usize,
    next: Next,
    bound: LowBound,
    /// The page `found` came from and its LSN then: unchanged, slots still mean the same.
    page: Link,
    page_lsn: Lsn,
    dead: Vec<u16>,
    /// Entries skipped because known dead.
    skipped_dead: u64,
    pages_read: BlockNo,
}

impl IndexScan {
    pub(super) fn new(tree: BTree, range: KeyRange, direction: Direction) -> IndexScan {
        IndexScan {
            tree,
            range,
            direction,
            heap: None,
            with_keys: true,
            expected: usize::MAX,
            part: usize::MAX,
            reader: None,
            bytes: Vec::new(),
            found: Vec::new(),
            at: 0,
            asked: 0,
            next: Next::Start,
            bound: LowBound::default(),
            page: Link::NONE,
            page_lsn: Lsn::INVALID,
            dead: Vec::new(),
            skipped_dead: 0,
            pages_read: 0,
        }
    }

    /// Looks every entry's page up in the heap's visibility map while its leaf is latched: only then a set bit proves that the
    /// entry's row is there (vacuum removes entries before it sets bits).
    pub fn with_visibility(mut self, heap: &Heap) -> IndexScan {
        self.heap = Some(heap.clone());
        self
    }

    /// The scan is made to read rows under `snap`: what it finds, and where it finds nothing, may count for serializability.
    pub fn read_by(mut self, snap: &Snapshot) -> IndexScan {
        self.reader = snap.reader().cloned();
        self
    }

    /// Whether entries are to come with their keys and payloads (a backward scan's always do): without, they are empty, and nothing is
    /// copied. From the next range on.
    pub fn want_keys(&mut self, wanted: bool) {
        self.with_keys = wanted || self.direction == Direction::Backward;
    }

    /// How many entries of each range are probably wanted, from the next range on: of a leaf that has many more, not all are copied at once.
    pub fn expect(&mut self, entries: usize) {
        self.expected = entries.max(1);
        if matches!(self.next, Next::Start) {
            self.part = self.expected;
        }
    }

    /// The key of a range's first entry. The scan is to be restarted afterwards.
    pub fn first_key(&mut self, range: KeyRange) -> Result<Option<Vec<u8>>> {
        let (expected, with_keys) = (self.expected, self.with_keys);
        (self.expected, self.with_keys) = (1, true);
        self.restart(range);
        let first = self.next().map(|e| e.map(|e| e.key.to_vec()));
        (self.expected, self.with_keys) = (expected, with_keys);
        first
    }

    /// Begins again with another range, keeping buffers.
    pub fn restart(&mut self, range: KeyRange) {
        self.flush_dead();
        self.range = range;
        self.rewind();
    }

    /// Begins again with the range that `change` makes of the current one.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut KeyRange)) {
        self.flush_dead();
        change(&mut self.range);
        self.rewind();
    }

    fn rewind(&mut self) {
        self.found.clear();
        self.bytes.clear();
        (self.at, self.asked) = (0, 0);
        self.next = Next::Start;
        self.part = self.expected;
    }

    /// The next entry.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<IndexEntry<'_>>> {
        if !self.fill()? {
            return Ok(None);
        }
        self.at += 1;
        Ok(Some(self.entry(&self.found[self.at - 1])))
    }

    /// How many of the entries up next point to one and the same page of the heap, `max` at most; 0 at the end. They can be looked at
    /// with [`IndexScan::peeked`] until [`IndexScan::skip`].
    pub fn peek_run(&mut self, max: usize) -> Result<usize> {
        if !self.fill()? {
            return Ok(0);
        }
        let block = self.found[self.at].tid.block;
        Ok(self.found[self.at..].iter().take(max).take_while(|f| f.tid.block == block).count())
    }

    /// How many of the entries up next have rows that are visible to every snapshot, `max` at most; as [`IndexScan::peek_run`].
    pub fn peek_visible(&mut self, max: usize) -> Result<usize> {
        if !self.fill()? {
            return Ok(0);
        }
        Ok(self.found[self.at..].iter().take(max).take_while(|f| f.all_visible).count())
    }

    /// Asks for the heap's pages that entries some way behind the next `n` lead to, a few at a time. `max`: how many entries may be wanted.
    #[inline]
    pub fn look_ahead(&mut self, heap: &Heap, n: usize, max: usize) {
        let from = self.asked.max(self.at + n);
        let end = self.found.len().min(self.at.saturating_add(max));
        // Not before half of those asked for last are done: then the waits for the next ones overlap.
        if from < end && from <= self.at + n + PREFETCH_PAGES / 2 {
            let mut last = self.found[self.at].tid.block;
            let mut asked = from;
            let next = self.found[from..end].iter().filter_map(|f| {
                asked += 1;
                let block = std::mem::replace(&mut last, f.tid.block);
                (block != f.tid.block).then_some((f.tid.block, std::slice::from_ref(&f.tid.slot)))
            });
            heap.prefetch(next.take(PREFETCH_PAGES));
            self.asked = asked;
        }
    }

    /// One of the entries that [`IndexScan::peek_run`] counted.
    pub fn peeked(&self, i: usize) -> IndexEntry<'_> {
        self.entry(&self.found[self.at + i])
    }

    /// Appends the slots on their page of the first `n` entries that [`IndexScan::peek_run`] counted.
    #[inline]
    pub fn peeked_slots(&self, n: usize, slots: &mut Vec<u16>) {
        slots.extend(self.found[self.at..self.at + n].iter().map(|f| f.tid.slot));
    }

    /// Ends what it reads, to be used for another reader later ([`IndexScan::read_for`]): it keeps buffers of a usual size, nothing else.
    pub fn rest(&mut self) {
        self.flush_dead();
        self.range = KeyRange::full();
        self.rewind();
        self.dead.clear();
        self.reader = None;
        self.bound = LowBound::default();
        if self.found.capacity() > KEPT_ENTRIES {
            self.found = Vec::new();
        }
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }

    /// As [`IndexScan::read_by`], for one that has rested.
    pub fn read_for(&mut self, snap: &Snapshot) {
        self.reader = snap.reader().cloned();
    }

    /// As [`IndexScan::kill_last`], for one of the entries that [`IndexScan::peek_run`] counted.
    pub fn kill_peeked(&mut self, i: usize) {
        self.dead.push(self.found[self.at + i].slot);
    }

    /// Passes over entries that [`IndexScan::peek_run`] counted.
    pub fn skip(&mut self, n: usize) {
        self.at += n;
    }

    fn entry(&self, f: &Found) -> IndexEntry<'_> {
        IndexEntry {
            key: &self.bytes[f.key.start as usize..f.key.end as usize],
            payload: &self.bytes[f.payload.start as usize..f.payload.end as usize],
            tid: f.tid,
            all_visible: f.all_visible,
        }
    }

    /// Appends the tids of up to `max` entries; gives how many.
    pub fn next_batch(&mut self, tids: &mut Vec<Tid>, max: usize) -> Result<usize> {
        let mut n = 0;
        while n < max && self.fill()? {
            let part = (self.found.len() - self.at).min(max - n);
            tids.extend(self.found[self.at..self.at + part].iter().map(|f| f.tid));
            self.at += part;
            n += part;
        }
        Ok(n)
    }

    /// Notes that the row of the last entry given is dead to every snapshot ([`Heap::is_dead`]): later scans skip the entry.
    pub fn kill_last(&mut self) {
        if self.at > 0 {
            self.dead.push(self.found[self.at - 1].slot);
        }
    }

    /// Leaves read so far.
    pub fn pages_read(&self) -> BlockNo {
        self.pages_read
    }

    fn fill(&mut self) -> Result<bool> {
        while self.at >= self.found.len() {
            self.flush_dead();
            if matches!(self.next, Next::Done) {
                return Ok(false);
            }
            self.found.clear();
            self.bytes.clear();
            (self.at, self.asked) = (0, 0);
            // Out of `self` while a page is read, so that its bounds need no copy.
            let range = std::mem::replace(&mut self.range, KeyRange::full());
            self.pages_read = self.pages_read.wrapping_add(1);
            let read = match self.direction {
                Direction::Forward => self.read_forward(&range),
                Direction::Backward => self.read_backward(&range),
            };
            self.range = range;
            read?;
            self.part = self.part.saturating_mul(GROWTH);
        }
        Ok(true)
    }

    /// Leaves the dead hints gathered for the current page, if it is unchanged and its latch is free.
    fn flush_dead(&mut self) {
        if self.dead.is_empty() {
            return;
        }
        let mut slots = std::mem::take(&mut self.dead);
        slots.sort_unstable();
        let Ok(Some(mut page)) = self.tree.storage().pool().try_write(self.tree.page_id(self.page.block))
        else {
            return;
        };
        if page.lsn() != self.page_lsn || bp::generation(page.bytes()) != self.page.generation {
            return;
        }
        let mut any = false;
        for part in slots.chunk_by(|a, b| a == b) {
            let slot = part[0] as usize;
            // A posting list goes only as a whole.
            if slot < bp::slot_count(page.bytes()) && part.len() >= bp::item(page.bytes(), slot).tid_count() {
                bp::mark_dead(page.bytes_mut(), slot);
                any = true;
            }
        }
        if any {
            page.mark_dirty_hint();
        }
        slots.clear();
        self.dead = slots;
    }

    /// Locks the leaf that is latched.
    #[inline]
    fn note_read(&self, block: BlockNo) {
        if let Some(x) = &self.reader {
            self.tree.storage().ssi().read_page(x, self.tree.rel(), block);
        }
    }

    /// Copies slots `from..` of a leaf while they are within both bounds, `most` entries at most.
    fn collect(
        &mut self,
        upper: &Bound<Vec<u8>>,
        p: &[u8],
        from: usize,
        to: usize,
        start_ord: Option<(&[u8], u64)>,
        most: usize,
    ) -> Result<End> {
        // No slot is without entries.
        let near = to.min(from.saturating_add(most));
        let end = end_of(p, from, near, upper);
        let IndexScan { heap, bytes, found, with_keys, skipped_dead, .. } = self;
        let mut map = heap.as_ref().map(|heap| vm::Lookup::new(heap.storage(), heap.rel()));
        let mut last_visible: Option<(u32, bool)> = None;
        // Of entries of one row nothing but that is asked.
        let bare = !*with_keys && map.is_none() && start_ord.is_none_or(|(_, o)| o == ord::FIRST);
        found.reserve(most.min(end.saturating_sub(from)));
        for slot in from..end {
            let it = bp::leaf_item_at(p, slot);
            if it.is_dead() {
                *skipped_dead += 1;
                continue;
            }
            if bare && !it.is_posting() {
                let tid = it.last_tid();
                if found.len() >= most {
                    return Ok(End::Entry(slot, ord::of(tid)));
                }
                found.push(Found { key: 0..0, payload: 0..0, tid, slot: slot as u16, all_visible: false });
                continue;
            }
            let key = it.key();
            let at = bytes.len() as u32;
            if *with_keys {
                key.append_to(bytes)?;
            }
            let key_end = bytes.len() as u32;
            if *with_keys {
                it.append_payload(bytes)?;
            }
            let payload_end = bytes.len() as u32;
            // Entries with the key that the page is entered at, up to where it was left, have come already.
            let seen_up_to = start_ord.filter(|(k, o)| *o != ord::FIRST && key.is(k)).map(|(_, o)| o);
            for i in 0..it.tid_count() {
                let tid = it.tid(i);
                if seen_up_to.is_some_and(|o| ord::of(tid) < o) {
                    continue;
                }
                if found.len() >= most {
                    return Ok(End::Entry(slot, ord::of(tid)));
                }
                let all_visible = match &mut map {
                    None => false,
                    Some(map) => match last_visible {
                        Some((block, v)) if block == tid.block => v,
                        _ => {
                            let v = map.is_all_visible(tid.block)?;
                            last_visible = Some((tid.block, v));
                            v
                        }
                    },
                };
                found.push(Found {
                    key: at..key_end,
                    payload: key_end..payload_end,
                    tid,
                    slot: slot as u16,
                    all_visible,
                });
            }
        }
        Ok(End::of(p, end, near, to))
    }

    fn read_forward(&mut self, range: &KeyRange) -> Result<()> {
        let tree = self.tree.clone();
        let mut bound = std::mem::take(&mut self.bound);
        let target = entered_at(&self.next, &bound, range);
        let page = tree.page_at(&self.next, &target)?;
        let p: &[u8] = page.bytes();
        self.page = Link { block: page.id().block, generation: bp::generation(p) };
        self.page_lsn = page.lsn();
        self.note_read(page.id().block);
        let from = bp::lower_bound_leaf(p, &target);
        let entered = Some((target.key(), target.ord));
        let end = self.collect(&range.upper, p, from, bp::slot_count(p), entered, self.part)?;
        self.next = after(end, p, self.page, &range.upper, &mut bound)?;
        self.bound = bound;
        Ok(())
    }

    fn read_backward(&mut self, range: &KeyRange) -> Result<()> {
        let tree = self.tree.clone();
        let bound = std::mem::take(&mut self.bound);
        let target = match (&self.next, &range.upper) {
            (Next::Below, _) => Target::new(&bound.key, bound.ord),
            (_, Bound::Unbounded) => Target::ABOVE_ALL,
            (_, Bound::Included(k)) => Target::new(k, ord::LAST),
            (_, Bound::Excluded(k)) => Target::new(k, ord::FIRST),
        };
        let mut low = LowBound::default();
        let page = tree.descend(&target, true, 0, Some(&mut low))?;
        let p: &[u8] = page.bytes();
        self.page = Link { block: page.id().block, generation: bp::generation(p) };
        self.page_lsn = page.lsn();
        self.note_read(page.id().block);
        // Everything below the target, up from the range's lower bound.
        let mut to = bp::lower_bound_leaf(p, &target);
        // A posting list around the target is partly below it.
        if to < bp::slot_count(p) {
            let it = bp::item(p, to);
            if target.cmp_to(&it.key(), ord::of(it.first_tid())).is_gt() {
                to += 1;
            }
        }
        let from = match &range.lower {
            Bound::Unbounded => bp::first_data(p),
            Bound::Included(k) => bp::lower_bound_leaf(p, &Target::new(k, ord::FIRST)),
            Bound::Excluded(k) => bp::lower_bound_leaf(p, &Target::new(k, ord::LAST)),
        };
        let ended = from > bp::first_data(p);
        // The last ones, if not all are wanted.
        let some = Some(to.saturating_sub(self.part)).filter(|s| *s > from);
        self.collect(&range.upper, p, some.unwrap_or(from).min(to), to, None, usize::MAX)?;
        while let Some(f) = self.found.last() {
            let key = &self.bytes[f.key.start as usize..f.key.end as usize];
            if target.cmp_to(&Key::plain(key), ord::of(f.tid)).is_gt() {
                break;
            }
            self.found.pop();
        }
        self.found.reverse();
        let below_range = match &range.lower {
            Bound::Unbounded => false,
            Bound::Included(k) | Bound::Excluded(k) => low.key.as_slice() < k.as_slice(),
        };
        self.next = match some {
            Some(slot) => {
                let first = bp::leaf_item_at(p, slot);
                low.set(&first.key(), first.first_ord())?;
                Next::Below
            }
            None if ended || !low.some || below_range => Next::Done,
            None => Next::Below,
        };
        self.bound = low;
        Ok(())
    }
}

/// The position that a forward scan has reached: where the last page ended, or the range's beginning.
fn entered_at<'a>(next: &Next, bound: &'a LowBound, range: &'a KeyRange) -> Target<'a> {
    match (next, &range.lower) {
        (Next::Right(_), _) => Target::new(&bound.key, bound.ord),
        (_, Bound::Unbounded) => Target::new(&[], ord::FIRST),
        (_, Bound::Included(k)) => Target::new(k, ord::FIRST),
        (_, Bound::Excluded(k)) => Target::new(k, ord::LAST),
    }
}

/// Where a forward scan goes on behind what it took of a leaf; `bound` learns the position.
fn after(end: End, p: &[u8], page: Link, upper: &Bound<Vec<u8>>, bound: &mut LowBound) -> Result<Next> {
    Ok(match (end, bp::high_key(p)) {
        (End::Entry(slot, ord), _) => {
            bound.set(&bp::leaf_item_at(p, slot).key(), ord)?;
            Next::Right(page)
        }
        (End::Page, Some(h)) if !is_above(upper, &h.key()) => {
            bound.set(&h.key(), h.pivot_ord())?;
            Next::Right(bp::right(p))
        }
        _ => Next::Done,
    })
}

/// The first of a leaf's slots `from..to` that is above the range; `to` if there is none.
fn end_of(p: &[u8], from: usize, to: usize, upper: &Bound<Vec<u8>>) -> usize {
    let is_within = |slot: usize| {
        let item = bp::leaf_item_at(p, slot);
        match upper {
            Bound::Unbounded => true,
            Bound::Included(u) => item.key().cmp_plain(u).is_le(),
            Bound::Excluded(u) => item.key().cmp_plain(u).is_lt(),
        }
    };
    // Of most ranges it is near, of the others beyond the page.
    bp::partition_near(from, to, is_within)
}

/// Whether entries at or above a high key with this key are all above the range.
fn is_above(upper: &Bound<Vec<u8>>, high: &Key<'_>) -> bool {
    match upper {
        Bound::Unbounded => false,
        Bound::Included(u) => high.cmp_plain(u).is_gt(),
        Bound::Excluded(u) => high.cmp_plain(u).is_ge(),
    }
}

impl BTree {
    /// The leaf that a forward scan's position is on.
    fn page_at(&self, next: &Next, target: &Target<'_>) -> Result<PageRef<'_>> {
        if let Next::Right(link) = next
            && let Some(page) = self.read_link(*link, 0)?
            && !bp::is_beyond(page.bytes(), target, false)
        {
            return Ok(page);
        }
        self.descend(target, false, 0, None)
    }

    /// Appends the tids of all entries with exactly this key: a point lookup without a scan's buffers.
    pub fn lookup(&self, key: &[u8], tids: &mut Vec<Tid>) -> Result<()> {
        self.lookup_noted(None, key, tids)
    }

    /// The same, made to read rows under `snap`.
    pub fn lookup_by(&self, snap: &Snapshot, key: &[u8], tids: &mut Vec<Tid>) -> Result<()> {
        self.lookup_noted(snap.reader(), key, tids)
    }

    fn lookup_noted(&self, reader: Option<&Arc<Xact>>, key: &[u8], tids: &mut Vec<Tid>) -> Result<()> {
        let mut from = Target::new(key, ord::FIRST);
        let mut page = self.descend(&from, false, 0, None)?;
        loop {
            if let Some(x) = reader {
                self.storage().ssi().read_page(x, self.rel(), page.id().block);
            }
            let p: &[u8] = page.bytes();
            for slot in bp::lower_bound_leaf(p, &from)..bp::slot_count(p) {
                let it = bp::item(p, slot);
                if !it.key().is(key) {
                    return Ok(());
                }
                if !it.is_dead() {
                    let all = (0..it.tid_count()).map(|i| it.tid(i));
                    tids.extend(all.filter(|t| ord::of(*t) >= from.ord));
                }
            }
            if !bp::is_beyond(p, &Target::new(key, ord::LAST), false) {
                return Ok(());
            }
            // Go on from this page's end; a stale link means descending to there again.
            from.ord = bp::high_key(p).map_or(ord::LAST, |h| h.pivot_ord());
            let link = bp::right(p);
            drop(page);
            page = match self.read_link(link, 0)? {
                Some(p) if !bp::is_beyond(p.bytes(), &from, false) => p,
                _ => self.descend(&from, false, 0, None)?,
            };
        }
    }
}

impl Drop for IndexScan {
    fn drop(&mut self) {
        self.flush_dead();
    }
}
