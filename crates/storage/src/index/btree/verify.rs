//! Verifying a tree beside others that read and change it (PostgreSQL: contrib/amcheck/verify_nbtree.c): every page's own order and bounds,
//! and along each level that a page's items are not below its left sibling's high key, which its own is above.
//!
//! Each page is judged by a copy taken under its latch. A page's lower bound, its left sibling's high key, holds for good (README, B1); where the
//! sibling has been removed meanwhile the walk comes back to the same place by a descent, without the bound. Parents are not compared to
//! their children: between a split and the entry in the parent they may differ; [`BTree::check`] does that in a tree that nobody changes.

use super::BTree;
use super::page::{self as bp, Link, Target};
use crate::page::Page;
use quarry_common::{Result, Tid};

/// Gets each entry of the leaves: unpacked key, row.
pub type EntryCallback<'a> = dyn FnMut(&[u8], Tid) -> Result<()> + 'a;

/// Where a walk along a level is.
enum Next {
    /// At a page reached by the link.
    Link(Link),
    /// At whatever page holds this position.
    Position(Vec<u8>, u64),
}

impl BTree {
    /// Verifies the tree; XX002 naming the block if it is damaged. `between` is called before each page, without a latch.
    pub fn verify(
        &self,
        between: &mut dyn FnMut() -> Result<()>,
        entries: &mut EntryCallback<'_>,
    ) -> Result<()> {
        let (_, top) = self.read_root()?;
        for level in (0..=top).rev() {
            self.verify_level(level, between, entries)?;
        }
        Ok(())
    }

    fn verify_level(
        &self,
        level: u16,
        between: &mut dyn FnMut() -> Result<()>,
        entries: &mut EntryCallback<'_>,
    ) -> Result<()> {
        // The lowest position there is.
        let mut next = Next::Position(Vec::new(), 0);
        let mut low: Option<(Vec<u8>, u64)> = None;
        loop {
            between()?;
            let (page, block) = match &next {
                Next::Link(link) => match self.read_link(*link, level)? {
                    Some(page) => (Page::clone(&page), link.block),
                    None => {
                        // Removed meanwhile: its range belongs to a page to its left.
                        let Some((key, ord)) = low.take() else {
                            return Err(self.corrupted("a link from the leftmost page leads nowhere"));
                        };
                        next = Next::Position(key, ord);
                        continue;
                    }
                },
                Next::Position(key, ord) => {
                    let page = self.descend(&Target::new(key, *ord), false, level, None)?;
                    (Page::clone(&page), page.block())
                }
            };
            let p: &[u8] = page.bytes();
            let at = |what: &str| self.corrupted(format_args!("block {block}: {what}"));
            if bp::has_flag(p, bp::DELETED) {
                return Err(at("a link leads to a deleted page"));
            }
            bp::check(p).map_err(|what| at(&what))?;
            let first = bp::first_data(p);
            if let (Next::Link(_), Some((key, ord))) = (&next, &low)
                && level == 0
                && first < bp::slot_count(p)
            {
                let item = bp::item(p, first);
                if item.key().cmp_plain(key).then(item.first_ord().cmp(ord)).is_lt() {
                    return Err(at("its first entry is below its left sibling's high key"));
                }
            }
            if level == 0 {
                for slot in first..bp::slot_count(p) {
                    let item = bp::item(p, slot);
                    let key = item.key().unpacked()?;
                    // Behind a removed sibling some have been given already: they may come twice.
                    for tid in item.tids() {
                        entries(&key, tid)?;
                    }
                }
            }
            let Some(high) = bp::high_key(p) else { return Ok(()) };
            let high = (high.key().unpacked()?.into_owned(), high.pivot_ord());
            // It rises from page to page, so the walk ends.
            let passed = match &next {
                Next::Link(_) => low.as_ref().is_some_and(|low| high <= *low),
                Next::Position(key, ord) => !key.is_empty() && (&high.0, high.1) <= (key, *ord),
            };
            if passed {
                return Err(at("its high key is not above its left sibling's"));
            }
            low = Some(high);
            next = Next::Link(bp::right(p));
        }
    }

    /// Whether a descent from the root finds the entry.
    pub fn finds(&self, key: &[u8], tid: Tid) -> Result<bool> {
        let target = Target::new(key, bp::ord::of(tid));
        let page = self.descend(&target, false, 0, None)?;
        let p: &[u8] = page.bytes();
        let slots = bp::first_data(p)..bp::slot_count(p);
        Ok(slots
            .map(|slot| bp::item(p, slot))
            .any(|item| item.key().is(key) && item.tids().any(|t| t == tid)))
    }
}
