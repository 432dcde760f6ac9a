//! Looking up many keys in one go: keys come in their order, and a leaf stays latched for all that lie on it.

use super::BTree;
use super::key::Key;
use super::page::{self as bp, Target, ord};
use super::scan::IndexEntry;
use super::search::LowBound;
use crate::buffer::PageRef;
use crate::heap::Heap;
use crate::txn::Snapshot;
use crate::vm;
use quarry_common::Result;

/// A leaf, and the slot before which everything is below the last key looked up.
type At<'a> = (PageRef<'a>, usize);

impl BTree {
    /// Gives `f` the entries that begin with each of `keys`, with the key's number; keys must rise, and none may begin with another. `f`
    /// says whether it wants further entries of that key. Keys and payloads come only with `whole` entries; with `heap`, whether rows are
    /// visible to every snapshot comes with them.
    ///
    /// `f` is called under the leaf's latch and must not touch other pages of the index or the heap.
    pub fn find_each<'k>(
        &self,
        snap: &Snapshot,
        heap: Option<&Heap>,
        whole: bool,
        keys: impl Iterator<Item = &'k [u8]>,
        mut f: impl FnMut(usize, IndexEntry<'_>) -> Result<bool>,
    ) -> Result<()> {
        let fresh_map = || heap.map(|heap| vm::Lookup::new(heap.storage(), heap.rel()));
        let mut map = None;
        let mut bytes = vec![];
        let mut last: Option<At<'_>> = None;
        for (number, key) in keys.enumerate() {
            let target = Target::new(key, ord::FIRST);
            let near = last.take().filter(|(page, _)| !bp::is_beyond(page.bytes(), &target, false));
            let (mut page, mut from) = match near {
                Some((page, slot)) => {
                    let from = bp::lower_bound_leaf_from(page.bytes(), &target, slot);
                    (page, from)
                }
                None => {
                    // No latch of the map is held while one of the index is waited for.
                    drop(map.take());
                    let found = self.leaf_of(snap, &target)?;
                    map = fresh_map();
                    found
                }
            };
            // Where the leaf was entered, if within the key's entries.
            let mut entered: Option<LowBound> = None;
            last = loop {
                let p: &[u8] = page.bytes();
                let count = bp::slot_count(p);
                let mut wanted = true;
                while wanted && from < count {
                    let it = bp::leaf_item_at(p, from);
                    let found = it.key();
                    if !found.begins_with(key) {
                        break;
                    }
                    if !it.is_dead() {
                        bytes.clear();
                        let mut key_end = 0;
                        if whole {
                            found.append_to(&mut bytes)?;
                            key_end = bytes.len();
                            it.append_payload(&mut bytes)?;
                        }
                        let (stored, payload) = bytes.split_at(key_end);
                        let passed =
                            entered.as_ref().filter(|e| found.is(&e.key)).map_or(ord::FIRST, |e| e.ord);
                        for i in 0..it.tid_count() {
                            let tid = it.tid(i);
                            if ord::of(tid) < passed {
                                continue;
                            }
                            let all_visible = match &mut map {
                                Some(map) => map.is_all_visible(tid.block)?,
                                None => false,
                            };
                            wanted = f(number, IndexEntry { key: stored, payload, tid, all_visible })?;
                            if !wanted {
                                break;
                            }
                        }
                    }
                    from += 1;
                }
                // The entries go on behind the page if its high key begins with the key, too.
                let goes_on =
                    wanted && from == count && bp::high_key(p).is_some_and(|h| h.key().begins_with(key));
                if !goes_on {
                    break Some((page, from));
                }
                let bound = entered.insert(LowBound::default());
                if let Some(high) = bp::high_key(p) {
                    bound.set(&high.key(), high.pivot_ord())?;
                }
                let link = bp::right(p);
                drop(page);
                drop(map.take());
                let target = Target::new(&bound.key, bound.ord);
                (page, from) = match self.read_link(link, 0)? {
                    Some(page) if !bp::is_beyond(page.bytes(), &target, false) => {
                        self.note_leaf(snap, &page);
                        let from = bp::lower_bound_leaf(page.bytes(), &target);
                        (page, from)
                    }
                    _ => self.leaf_of(snap, &target)?,
                };
                map = fresh_map();
            };
        }
        Ok(())
    }

    fn leaf_of(&self, snap: &Snapshot, target: &Target<'_>) -> Result<At<'_>> {
        let page = self.descend(target, false, 0, None)?;
        self.note_leaf(snap, &page);
        let from = bp::lower_bound_leaf(page.bytes(), target);
        Ok((page, from))
    }

    /// What is read may count for serializability.
    fn note_leaf(&self, snap: &Snapshot, page: &PageRef<'_>) {
        if let Some(x) = snap.reader() {
            self.storage().ssi().read_page(x, self.rel(), page.id().block);
        }
    }
}

impl Key<'_> {
    /// Whether the whole key begins with these bytes.
    #[inline]
    fn begins_with(&self, prefix: &[u8]) -> bool {
        if !self.is_packed() {
            return self.bytes().starts_with(prefix);
        }
        self.begins_packed(prefix)
    }

    #[cold]
    fn begins_packed(&self, prefix: &[u8]) -> bool {
        let plain = self.prefix();
        if prefix.len() <= plain.len() {
            plain.starts_with(prefix)
        } else {
            self.lenient().starts_with(prefix)
        }
    }
}
