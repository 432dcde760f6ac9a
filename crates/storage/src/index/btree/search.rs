//! Descending: from the root to the page of a level whose range holds a position.
//!
//! No latch is held from a page to the next one when reading; a page split meanwhile is caught by its high key, one removed or
//! reused by its generation.

use super::key::Key;
use super::page::{self as bp, Link, Target};
use super::{BTree, META_BLOCK, wal};
use crate::buffer::{PageMut, PageRef};
use quarry_common::{BlockNo, Result};
use std::sync::atomic::Ordering;

/// The greatest separator passed on the way down: everything on the page reached is at or above it.
#[derive(Clone, Default, Debug)]
pub struct LowBound {
    pub key: Vec<u8>,
    pub ord: u64,
    /// Whether there is one: not on the leftmost page.
    pub some: bool,
}

impl LowBound {
    pub(super) fn set(&mut self, key: &Key<'_>, ord: u64) -> Result<()> {
        self.key.clear();
        key.append_to(&mut self.key)?;
        self.ord = ord;
        self.some = true;
        Ok(())
    }
}

/// Descents that meet stale links start again; this many in a row can only mean damage.
const RESTARTS_MAX: u32 = 10_000;

impl BTree {
    /// The root as last known, re-read from the meta page if it has since been split.
    fn root_page(&self) -> Result<PageRef<'_>> {
        let pool = self.storage().pool();
        let known = self.state().root.load(Ordering::Relaxed);
        if known != 0 {
            let page = pool.read(self.page_id((known - 1) as BlockNo))?;
            if bp::is_rightmost(page.bytes()) {
                self.keep_root(&page);
                return Ok(page);
            }
        }
        let (block, _) = self.read_root()?;
        let page = pool.read(self.page_id(block))?;
        self.keep_root(&page);
        Ok(page)
    }

    /// Block and level of the root, from the meta page.
    pub(crate) fn read_root(&self) -> Result<(BlockNo, u16)> {
        let meta = self.storage().pool().read(self.page_id(META_BLOCK))?;
        let root = wal::root_of(&meta)?;
        self.state().root.store(root.0 as u64 + 1, Ordering::Relaxed);
        Ok(root)
    }

    /// The page behind a link, if it still is that page.
    pub(crate) fn read_link(&self, link: Link, level: u16) -> Result<Option<PageRef<'_>>> {
        let page = self.storage().pool().read(self.page_id(link.block))?;
        let ok = is_same(page.bytes(), link, level);
        Ok(ok.then_some(page))
    }

    /// As [`read_link`](Self::read_link), latched exclusively.
    pub(crate) fn write_link(&self, link: Link, level: u16) -> Result<Option<PageMut<'_>>> {
        let page = self.storage().pool().write(self.page_id(link.block))?;
        let ok = is_same(page.bytes(), link, level);
        Ok(ok.then_some(page))
    }

    /// The page of `level` whose range holds `target`, latched shared. With `strict`: the page that holds the last
    /// position below `target`. `low`, if given, gets the page's lower bound.
    pub(crate) fn descend(
        &self,
        target: &Target<'_>,
        strict: bool,
        level: u16,
        mut low: Option<&mut LowBound>,
    ) -> Result<PageRef<'_>> {
        'restart: for _ in 0..RESTARTS_MAX {
            if let Some(l) = low.as_deref_mut() {
                l.some = false;
            }
            let mut page = match self.first_step(target, strict, level, low.as_deref_mut())? {
                None => self.root_page()?,
                Some((link, below)) => {
                    let page = self.read_link(link, below)?;
                    let direct = |p: &PageRef<'_>| !bp::is_beyond(p.bytes(), target, strict);
                    if !page.as_ref().is_some_and(direct) {
                        self.forget_root();
                    }
                    let Some(page) = page else { continue 'restart };
                    page
                }
            };
            loop {
                let at_level = bp::level(page.bytes());
                while bp::is_beyond(page.bytes(), target, strict) {
                    if let (Some(l), Some(h)) = (low.as_deref_mut(), bp::high_key(page.bytes())) {
                        l.set(&h.key(), h.pivot_ord())?;
                    }
                    let right = bp::right(page.bytes());
                    drop(page);
                    match self.read_link(right, at_level)? {
                        Some(p) => page = p,
                        None => continue 'restart,
                    }
                }
                if at_level == level {
                    return Ok(page);
                }
                if at_level < level {
                    return Err(self.corrupted(format_args!("no level {level}")));
                }
                let slot = bp::child_slot(page.bytes(), target, strict);
                let entry = bp::item(page.bytes(), slot);
                if let Some(l) = low.as_deref_mut()
                    && slot > bp::first_data(page.bytes())
                {
                    l.set(&entry.key(), entry.pivot_ord())?;
                }
                let child = entry.child();
                drop(page);
                match self.read_link(child, at_level - 1)? {
                    Some(p) => page = p,
                    None => continue 'restart,
                }
            }
        }
        Err(self.corrupted("a descent never arrives"))
    }

    /// The link to the page of `level` whose range holds `target`, which is not the root.
    fn link_from_parent(&self, target: &Target<'_>, level: u16) -> Result<Link> {
        let parent = self.descend(target, false, level + 1, None)?;
        Ok(bp::item(parent.bytes(), bp::child_slot(parent.bytes(), target, false)).child())
    }

    /// The page of `level` whose range holds `target`, latched exclusively, with no split left incomplete.
    pub(crate) fn descend_write(&self, target: &Target<'_>, level: u16) -> Result<PageMut<'_>> {
        'restart: for _ in 0..RESTARTS_MAX {
            let step = self.first_step(target, false, level, None)?;
            let link = match step {
                Some((link, below)) if below == level => link,
                Some(_) => self.link_from_parent(target, level)?,
                None => {
                    let root = self.root_page()?;
                    let p = root.bytes();
                    if bp::level(p) == level {
                        Link { block: root.id().block, generation: bp::generation(p) }
                    } else if bp::level(p) < level {
                        return Err(self.corrupted(format_args!("no level {level}")));
                    } else {
                        drop(root);
                        self.link_from_parent(target, level)?
                    }
                }
            };
            let page = self.write_link(link, level)?;
            let direct = |p: &PageMut<'_>| !bp::is_beyond(p.bytes(), target, false);
            if step.is_some_and(|(_, below)| below == level) && !page.as_ref().is_some_and(direct) {
                self.forget_root();
            }
            let Some(mut page) = page else { continue };
            loop {
                if bp::has_flag(page.bytes(), bp::INCOMPLETE_SPLIT) {
                    self.finish_split(page)?;
                    continue 'restart;
                }
                if !bp::is_beyond(page.bytes(), target, false) {
                    return Ok(page);
                }
                page = match self.write_link(bp::right(page.bytes()), level)? {
                    Some(p) => p,
                    None => continue 'restart,
                };
            }
        }
        Err(self.corrupted("a descent never arrives"))
    }
}

fn is_same(p: &[u8], link: Link, level: u16) -> bool {
    bp::generation(p) == link.generation && bp::level(p) == level && !bp::has_flag(p, bp::DELETED)
}
