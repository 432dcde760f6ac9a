//! Splitting a page, telling its parent, growing a new root; taking pages for it.

use super::page::{self as bp, Item, Link, Splice, Target};
use super::{BTree, META_BLOCK, kind, wal};
use crate::Fork;
use crate::buffer::PageMut;
use crate::page::slotted::{PayloadWriter, with_scratch};
use quarry_common::Result;
use std::sync::atomic::Ordering;

/// Percent of a rightmost leaf that ascending inserts leave filled.
const LEAF_FILLFACTOR: usize = 90;
/// Candidates on each side of the balanced split point among which the shortest separator wins.
const WINDOW: usize = 6;

impl BTree {
    /// An exclusively latched page to initialise, and the generation it must get.
    pub(crate) fn take_page(&self) -> Result<(PageMut<'_>, u32)> {
        let pool = self.storage().pool();
        loop {
            let Some(block) = self.state().free_pages.lock().pop() else { break };
            // Never wait for a latch here: the caller holds others, and whoever has this one may want them.
            let Some(mut page) = pool.try_write(self.page_id(block))? else { continue };
            if page.is_new() {
                return Ok((page, 0));
            }
            if bp::has_flag(page.bytes(), bp::DELETED) {
                let generation = bp::generation(page.bytes()).wrapping_add(1);
                page.zero();
                return Ok((page, generation));
            }
        }
        Ok((pool.extend(self.rel(), Fork::Main, 1)?, 0))
    }

    /// Carries out `change` on `page`, splitting it if it must be. `child`: the page on the level below whose incomplete split
    /// this completes.
    pub(crate) fn change_or_split<'a>(
        &'a self,
        mut page: PageMut<'a>,
        change: Splice,
        child: Option<&mut PageMut<'a>>,
    ) -> Result<()> {
        if change.growth(page.bytes()) <= bp::free(page.bytes()) as isize {
            return self.log_splices(&mut page, &[change], child);
        }
        self.split(page, &change, child)
    }

    /// Logs and applies splices, which stand in rising order of their slots.
    pub(crate) fn log_splices<'a>(
        &'a self,
        page: &mut PageMut<'a>,
        splices: &[Splice],
        child: Option<&mut PageMut<'a>>,
    ) -> Result<()> {
        with_scratch(|payload| {
            wal::push_splices(payload, splices);
            match child {
                Some(c) => self.storage().log_change(None, kind(wal::SPLICE), payload, &mut [page, c]),
                None => self.storage().log_change(None, kind(wal::SPLICE), payload, &mut [page]),
            }
        })?;
        Ok(())
    }

    fn split<'a>(
        &'a self,
        mut page: PageMut<'a>,
        change: &Splice,
        child: Option<&mut PageMut<'a>>,
    ) -> Result<()> {
        let copy: Box<[u8]> = page.bytes()[..].into();
        let p = &copy[..];
        let level = bp::level(p);
        let first = bp::first_data(p);
        let count = bp::slot_count(p);
        let mut items: Vec<&[u8]> = Vec::with_capacity(count + change.items.len());
        items.extend((first..change.at).map(|s| bp::item(p, s).bytes()));
        items.extend(change.items.iter().map(Vec::as_slice));
        items.extend((change.at + change.remove..count).map(|s| bp::item(p, s).bytes()));
        let rightmost = bp::is_rightmost(p);
        let appended = change.at + change.remove == count && !change.items.is_empty();
        let Some(cut) =
            choose_cut(&items, level, rightmost && appended, bp::high_key(p).map(|h| h.bytes().len()))
        else {
            return Err(self.corrupted("a page can't be split"));
        };
        let separator = cut_separator(&items, cut, level);
        let (mut right_page, generation) = self.take_page()?;
        let right = Link { block: right_page.id().block, generation };
        if level == 0 {
            self.storage().ssi().page_split(self.rel(), page.id().block, right.block);
        }
        let emptied;
        let mut right_items: Vec<&[u8]> = Vec::with_capacity(items.len() - cut + 1);
        if let Some(h) = bp::high_key(p) {
            right_items.push(h.bytes());
        }
        if level > 0 {
            let it = Item::parse(items[cut], true).ok_or_else(|| self.corrupted("bad item"))?;
            emptied = bp::lowest_pivot(it.child());
            right_items.push(&emptied);
            right_items.extend(&items[cut + 1..]);
        } else {
            right_items.extend(&items[cut..]);
        }
        let keep = (change.at - first).min(cut);
        with_scratch(|payload| {
            payload.w16(keep as u16);
            wal::push_items(payload, items[keep..cut].iter().copied());
            payload.w16(separator.len() as u16).wbytes(&separator);
            wal::push_link(payload, right);
            payload.w16(level);
            wal::push_link(payload, bp::right(p));
            wal::push_items(payload, right_items.iter().copied());
            match child {
                Some(c) => self.storage().log_change(
                    None,
                    kind(wal::SPLIT),
                    payload,
                    &mut [&mut page, &mut right_page, c],
                ),
                None => self.storage().log_change(
                    None,
                    kind(wal::SPLIT),
                    payload,
                    &mut [&mut page, &mut right_page],
                ),
            }
        })?;
        if level == 0 && rightmost {
            self.state().rightmost.store(right.block as u64 + 1, Ordering::Relaxed);
        }
        drop(right_page);
        self.insert_in_parent(page, level, &separator, right)
    }

    /// Gives the parent an entry for the right half of `left`'s split.
    fn insert_in_parent<'a>(
        &'a self,
        mut left: PageMut<'a>,
        level: u16,
        separator: &[u8],
        right: Link,
    ) -> Result<()> {
        let pivot = Item::parse(separator, true).ok_or_else(|| self.corrupted("bad high key"))?;
        let entry = bp::pivot_with_child(&pivot, right);
        let left_block = left.id().block;
        if self.read_root()?.0 == left_block {
            return self.grow_root(left, level, &entry);
        }
        let key = pivot.key().unpacked()?;
        let target = Target::new(&key, pivot.pivot_ord());
        let parent = self.descend_write(&target, level + 1)?;
        let at = bp::child_slot(parent.bytes(), &target, false) + 1;
        let change = Splice { at, remove: 0, items: vec![entry] };
        self.change_or_split(parent, change, Some(&mut left))
    }

    fn grow_root<'a>(&'a self, mut left: PageMut<'a>, level: u16, entry: &[u8]) -> Result<()> {
        let (mut root, generation) = self.take_page()?;
        let block = root.id().block;
        let mut meta = self.storage().pool().write(self.page_id(META_BLOCK))?;
        let left_link = Link { block: left.id().block, generation: bp::generation(left.bytes()) };
        let first = bp::lowest_pivot(left_link);
        with_scratch(|payload| {
            payload.w32(block).w32(generation).w16(level + 1);
            wal::push_items(payload, [&first[..], entry].into_iter());
            self.storage().log_change(
                None,
                kind(wal::NEW_ROOT),
                payload,
                &mut [&mut root, &mut meta, &mut left],
            )
        })?;
        self.state().root.store(block as u64 + 1, Ordering::Relaxed);
        Ok(())
    }

    /// Completes the split that `left` is the left half of (its writer died, or has not come to it yet).
    pub(crate) fn finish_split<'a>(&'a self, left: PageMut<'a>) -> Result<()> {
        let level = bp::level(left.bytes());
        let right = bp::right(left.bytes());
        let separator = match bp::high_key(left.bytes()) {
            Some(h) => h.bytes().to_vec(),
            None => return Err(self.corrupted("a split page has no high key")),
        };
        self.insert_in_parent(left, level, &separator, right)
    }
}

/// The separator of a cut before item `cut`: a high key.
fn cut_separator(items: &[&[u8]], cut: usize, level: u16) -> Vec<u8> {
    let none = Link { block: 0, generation: 0 };
    let parse = |i: usize| Item::parse(items[i], level > 0).expect("taken from a page");
    if level > 0 {
        bp::pivot_with_child(&parse(cut), none)
    } else {
        bp::separator(&parse(cut - 1), &parse(cut))
    }
}

/// Chooses how many items stay left. `append`: ascending inserts, leave the left page nearly full. None: impossible.
fn choose_cut(items: &[&[u8]], level: u16, append: bool, old_high: Option<usize>) -> Option<usize> {
    let old_high = old_high.map_or(0, |h| h + 2);
    let mut prefix = Vec::with_capacity(items.len());
    let mut total = 0;
    for item in items {
        prefix.push(total);
        total += item.len() + 2;
    }
    let goal = if append { bp::CAPACITY * LEAF_FILLFACTOR / 100 } else { total / 2 };
    let fits = |cut: usize| {
        let left = prefix[cut] + cut_separator(items, cut, level).len() + 2;
        left <= bp::CAPACITY && total - prefix[cut] + old_high <= bp::CAPACITY
    };
    let distance = |cut: usize| prefix[cut].abs_diff(goal);
    // From the goal outwards: making separators takes long, and mostly the first one will do.
    let mut below = prefix.partition_point(|sum| *sum < goal);
    let mut above = below.max(1);
    let best = loop {
        let cut = match (below > 1, above < items.len()) {
            (false, false) => return None,
            (true, true) if distance(below - 1) > distance(above) => above,
            (false, true) => above,
            (true, _) => below - 1,
        };
        if fits(cut) {
            break cut;
        }
        if cut < below { below -= 1 } else { above += 1 }
    };
    // A shorter separator nearby is worth a little imbalance.
    let tolerance = bp::CAPACITY / 16;
    let from = best.saturating_sub(WINDOW).max(1);
    let to = (best + WINDOW).min(items.len() - 1);
    (from..=to)
        .filter(|c| *c == best || (distance(*c) <= distance(best) + tolerance && fits(*c)))
        .min_by_key(|c| (cut_separator(items, *c, level).len(), distance(*c)))
}

#[cfg(test)]
mod tests {
    use super::super::key::{Key, Packed};
    use super::*;
    use quarry_common::Tid;

    #[test]
    fn three_largest_entries_split() {
        let items: Vec<Vec<u8>> = (0..4u8)
            .map(|i| {
                let mut key = vec![7u8; bp::ENTRY_BYTES_MAX];
                key[bp::ENTRY_BYTES_MAX - 1] = i;
                bp::leaf_item(&Key::plain(&key), &Packed::payload(b""), Tid { block: 1, slot: 1 })
            })
            .collect();
        let refs: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
        let high = Some(10 + bp::ENTRY_BYTES_MAX + 6);
        for n in 3..=3 {
            assert!(choose_cut(&refs[..n], 0, false, high).is_some());
        }
        assert!(choose_cut(&refs, 0, true, None).is_some());
    }

    /// The cut nearest to the goal is found from there as it is among all.
    #[test]
    fn the_nearest_cut_that_fits_is_taken() {
        let entry = |i: u16, len: usize| {
            let mut key = vec![3u8; len];
            key[..2].copy_from_slice(&i.to_be_bytes());
            bp::leaf_item(&Key::plain(&key), &Packed::payload(b""), Tid { block: 1, slot: 1 })
        };
        let long = bp::ENTRY_BYTES_MAX;
        let pages: [&[usize]; 6] = [
            &[20; 300],
            &[long, long, long, 8],
            &[8, long, long, long],
            &[long, 8, 8, 8, long, long],
            &[8, 8],
            &[long, long, 30, 30, 30, long],
        ];
        for lens in pages {
            let items: Vec<Vec<u8>> = lens.iter().enumerate().map(|(i, len)| entry(i as u16, *len)).collect();
            let refs: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
            let before = |cut: usize| refs[..cut].iter().map(|i| i.len() + 2).sum::<usize>();
            let total = before(refs.len());
            for (append, goal) in [(false, total / 2), (true, bp::CAPACITY * LEAF_FILLFACTOR / 100)] {
                let fits = |cut: &usize| {
                    before(*cut) + cut_separator(&refs, *cut, 0).len() + 2 <= bp::CAPACITY
                        && total - before(*cut) <= bp::CAPACITY
                };
                let distance = |cut: usize| before(cut).abs_diff(goal);
                let nearest = (1..refs.len()).filter(fits).min_by_key(|cut| distance(*cut));
                let cut = choose_cut(&refs, 0, append, None);
                assert_eq!(cut.is_some(), nearest.is_some(), "{lens:?}");
                let (Some(cut), Some(nearest)) = (cut, nearest) else { continue };
                assert!(fits(&cut) && distance(cut) <= distance(nearest) + bp::CAPACITY / 16, "{lens:?}");
            }
        }
    }

    #[test]
    fn ascending_inserts_fill_pages() {
        let items: Vec<Vec<u8>> = (0..510u32)
            .map(|i| {
                bp::leaf_item(&Key::plain(&i.to_be_bytes()), &Packed::payload(b""), Tid { block: i, slot: 1 })
            })
            .collect();
        let refs: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
        let cut = choose_cut(&refs, 0, true, None).expect("splits");
        assert!(cut * 16 > bp::CAPACITY * 8 / 10);
        let cut = choose_cut(&refs, 0, false, None).expect("splits");
        assert!((200..310).contains(&cut));
    }
}
