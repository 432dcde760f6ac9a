//! The root as descents use it: a copy of the page in memory, so that they all begin without touching a latch or a pin that every
//! other processor touches too.
//!
//! A copy may be as old as it likes: a link is checked where it leads (B3), and a page that was split since is left to the right (B2).
//! Old copies only cost steps, so whoever notices such a step forgets the copy, and the next descent makes a new one. Levels only grow,
//! and the copy is never used for a page of its own level.

use super::BTree;
use super::page::{self as bp, Link, Target};
use super::search::LowBound;
use crate::buffer::PageRef;
use quarry_common::Result;
use std::sync::Arc;

/// The bytes of a root that is no leaf.
pub(crate) struct RootCopy(Box<[u8]>);

impl BTree {
    /// The link to follow from the root for a page of `level`, and the level that it leads to. None: there is no copy that knows.
    pub(super) fn first_step(
        &self,
        target: &Target<'_>,
        strict: bool,
        level: u16,
        low: Option<&mut LowBound>,
    ) -> Result<Option<(Link, u16)>> {
        let copy = self.state().root_copy.load();
        let Some(RootCopy(page)) = copy.as_deref() else { return Ok(None) };
        let at_level = bp::level(page);
        if at_level <= level {
            return Ok(None);
        }
        let slot = bp::child_slot(page, target, strict);
        let entry = bp::item(page, slot);
        if let Some(low) = low
            && slot > bp::first_data(page)
        {
            low.set(&entry.key(), entry.pivot_ord())?;
        }
        Ok(Some((entry.child(), at_level - 1)))
    }

    /// Keeps a copy of the root, where there is none.
    pub(super) fn keep_root(&self, page: &PageRef<'_>) {
        let bytes = page.bytes();
        if bp::level(bytes) > 0 && bp::is_rightmost(bytes) && self.state().root_copy.load().is_none() {
            self.state().root_copy.store(Some(Arc::new(RootCopy((&bytes[..]).into()))));
        }
    }

    /// The copy has cost a step.
    #[cold]
    pub(super) fn forget_root(&self) {
        self.state().root_copy.store(None);
    }
}
