//! Removing entries of dead rows, and pages left empty by that.
//!
//! Leaves are visited from left to right along the right links, so an entry that a concurrent split moves is met further right.
//! An emptied leaf goes if its left sibling has the same parent: the sibling takes over its range, in one record over the three
//! pages. The freed page is reused with a higher generation, whereby stale links are recognised.

use super::page::{self as bp, Link, Splice, Target, ord};
use super::{BTree, IndexVacuumStats, META_BLOCK, kind, wal};
use crate::buffer::PageMut;
use crate::page::slotted::{PayloadWriter, with_scratch};
use quarry_common::{BlockNo, Result, Tid};

impl BTree {
    /// Removes every entry whose tid is dead.
    pub fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        self.bulk_delete_seeing(dead, &mut |_| ())
    }

    /// The same; `leaf` gets each leaf's page as it is afterwards, from left to right. A leaf removed while the walk is on may lead to one seen twice.
    pub(crate) fn bulk_delete_seeing(
        &self,
        dead: &dyn Fn(Tid) -> bool,
        leaf: &mut dyn FnMut(&[u8]),
    ) -> Result<IndexVacuumStats> {
        let mut stats = IndexVacuumStats::default();
        let mut empty: Vec<HighKey> = Vec::new();
        let mut bound: (Vec<u8>, u64) = (Vec::new(), ord::FIRST);
        let mut link: Option<Link> = None;
        loop {
            let page = match link {
                Some(l) => self.read_link(l, 0)?,
                None => None,
            };
            let page = match page {
                Some(p) => p,
                None => self.descend(&Target::new(&bound.0, bound.1), false, 0, None)?,
            };
            let p: &[u8] = page.bytes();
            let me = Link { block: page.id().block, generation: bp::generation(p) };
            let any_dead = (bp::first_data(p)..bp::slot_count(p)).any(|s| bp::item(p, s).tids().any(dead));
            let (high, right, left_now) = if any_dead {
                drop(page);
                // The page may have been split meanwhile: what went right is met there.
                let Some(mut page) = self.write_link(me, 0)? else { continue };
                stats.removed += self.delete_on_page(&mut page, dead)?;
                leaf(page.bytes());
                state_of(page.bytes())?
            } else {
                leaf(p);
                state_of(p)?
            };
            stats.entries += left_now;
            if left_now == 0
                && let Some(high) = &high
            {
                // Found again by a position inside its range: the first below its high key.
                empty.push(high.clone());
            }
            match high {
                None => break,
                Some((key, o)) => bound = (key, o),
            }
            link = Some(right);
        }
        for (key, ord) in &empty {
            stats.pages_deleted += self.remove_empty_before(&Target::new(key, *ord))? as BlockNo;
        }
        self.collect_free_pages(&mut stats)?;
        Ok(stats)
    }

    fn delete_on_page<'a>(&'a self, page: &mut PageMut<'a>, dead: &dyn Fn(Tid) -> bool) -> Result<u64> {
        let p: &[u8] = page.bytes();
        let mut splices: Vec<Splice> = Vec::new();
        let mut removed = 0;
        for slot in bp::first_data(p)..bp::slot_count(p) {
            let it = bp::item(p, slot);
            let stay: Vec<Tid> = it.tids().filter(|t| !dead(*t)).collect();
            let gone = it.tid_count() - stay.len();
            if gone == 0 {
                continue;
            }
            removed += gone as u64;
            if stay.is_empty() {
                match splices.last_mut() {
                    Some(s) if s.at + s.remove == slot && s.items.is_empty() => s.remove += 1,
                    _ => splices.push(Splice { at: slot, remove: 1, items: Vec::new() }),
                }
            } else {
                splices.push(Splice { at: slot, remove: 1, items: vec![bp::with_fewer_tids(&it, &stay)] });
            }
        }
        if !splices.is_empty() {
            self.log_splices(page, &splices, None)?;
        }
        Ok(removed)
    }

    /// Removes the empty leaf that ends at this position, if it still is empty and its left sibling has the same parent.
    fn remove_empty_before(&self, target: &Target<'_>) -> Result<bool> {
        let pool = self.storage().pool();
        // Find the parent of the leaf below the high key, and the leaf's left neighbour there.
        if self.read_root()?.1 == 0 {
            return Ok(false);
        }
        let (parent_block, left_link, gone_link) = {
            let parent = self.descend(target, true, 1, None)?;
            let p: &[u8] = parent.bytes();
            let slot = bp::child_slot(p, target, true);
            if slot <= bp::first_data(p) {
                return Ok(false);
            }
            (parent.id().block, bp::item(p, slot - 1).child(), bp::item(p, slot).child())
        };
        let Some(mut left) = self.write_link(left_link, 0)? else { return Ok(false) };
        if bp::right(left.bytes()) != gone_link || bp::has_flag(left.bytes(), bp::INCOMPLETE_SPLIT) {
            return Ok(false);
        }
        let Some(mut gone) = self.write_link(gone_link, 0)? else { return Ok(false) };
        let g: &[u8] = gone.bytes();
        if bp::slot_count(g) != bp::first_data(g)
            || bp::has_flag(g, bp::INCOMPLETE_SPLIT)
            || bp::is_rightmost(g)
        {
            return Ok(false);
        }
        let mut parent = pool.write(self.page_id(parent_block))?;
        let p: &[u8] = parent.bytes();
        if bp::level(p) != 1 || bp::has_flag(p, bp::DELETED) {
            return Ok(false);
        }
        let found = (bp::first_data(p) + 1..bp::slot_count(p))
            .find(|s| bp::item(p, *s).child() == gone_link && bp::item(p, s - 1).child() == left_link);
        let Some(slot) = found else { return Ok(false) };
        // The left page must have room for the other's high key in place of its own.
        let old_high = bp::high_key(left.bytes()).map_or(0, |h| h.bytes().len());
        let Some(new_high) = bp::high_key(g).map(|h| h.bytes().to_vec()) else { return Ok(false) };
        if new_high.len() > old_high + bp::free(left.bytes()) {
            return Ok(false);
        }
        let right = bp::right(g);
        self.storage().ssi().page_removed(self.rel(), gone_link.block, left_link.block);
        with_scratch(|payload| {
            wal::push_link(payload, right);
            payload.w8(1).w16(new_high.len() as u16).wbytes(&new_high).w16(slot as u16);
            self.storage().log_change(
                None,
                kind(wal::UNLINK),
                payload,
                &mut [&mut left, &mut gone, &mut parent],
            )
        })?;
        Ok(true)
    }

    /// Finds the deleted and never used pages.
    fn collect_free_pages(&self, stats: &mut IndexVacuumStats) -> Result<()> {
        let pool = self.storage().pool();
        stats.pages = self.blocks()?;
        let mut free = Vec::new();
        let mut ring = crate::buffer::Ring::vacuum();
        for block in (META_BLOCK + 1..stats.pages).rev() {
            let page = pool.read_with(self.page_id(block), &mut ring)?;
            if page.is_new() || bp::has_flag(page.bytes(), bp::DELETED) {
                free.push(block);
            }
        }
        stats.pages_free = free.len() as BlockNo;
        *self.state().free_pages.lock() = free;
        Ok(())
    }
}

/// A high key and its ordinal.
type HighKey = (Vec<u8>, u64);

/// High key, right link and number of tids of a leaf.
fn state_of(p: &[u8]) -> Result<(Option<HighKey>, Link, u64)> {
    let high = match bp::high_key(p) {
        Some(h) => Some((h.key().unpacked()?.into_owned(), h.pivot_ord())),
        None => None,
    };
    let tids = (bp::first_data(p)..bp::slot_count(p)).map(|s| bp::item(p, s).tid_count() as u64).sum();
    Ok((high, bp::right(p), tids))
}
