//! Verifying an index that nobody is changing, and giving all its tids.

use super::pending::{self, Rows};
use super::{Gin, GinOptions};
use crate::index::btree::page::{self as bp, Link};
use crate::index::btree::posting::SLOT_MAX;
use crate::{Fork, PageId, RelId, Storage};
use quarry_common::{Result, Tid};
use std::sync::Arc;

/// The index, if the relation is one.
pub(crate) fn open_gin(storage: &Arc<Storage>, rel: RelId) -> Result<Option<Gin>> {
    Ok(is_gin(storage, rel)?.then(|| Gin::open(storage, rel, GinOptions::default())))
}

/// Whether the relation is a GIN index.
pub(crate) fn is_gin(storage: &Storage, rel: RelId) -> Result<bool> {
    if storage.pool().blocks(rel, Fork::Main)? == 0 {
        return Ok(false);
    }
    let page = storage.pool().read(PageId::main(rel, 0))?;
    Ok(super::is_meta(&page))
}

/// The rows of all pending pages of a relation, whether in the list or not: [`Gin::check`] verifies that they are.
pub(crate) fn pending_tids(storage: &Storage, rel: RelId, tids: &mut Vec<Tid>) -> Result<()> {
    for block in 1..storage.pool().blocks(rel, Fork::Main)? {
        let page = storage.pool().read(PageId::main(rel, block))?;
        tids.extend(Rows(pending::rows_of(page.bytes())).map(|row| row.tid));
    }
    Ok(())
}

impl Gin {
    /// Verifies order and structure; nothing else may use the index meanwhile. Gives the number of pairs of key and row, some of which may be both in the
    /// tree and in the pending list.
    pub fn check(&self) -> Result<u64> {
        Ok(self.tree.check()? + self.check_pending()?)
    }

    fn check_pending(&self) -> Result<u64> {
        let list = self.pending_list(None)?;
        let blocks = self.blocks()?;
        let (mut pages, mut pairs, mut last) = (0, 0, Link::NONE);
        let mut link = list.head;
        while link.block != bp::NONE {
            let at = |what: &str| self.corrupted(format_args!("block {}: {what}", link.block));
            pages += 1;
            if pages > blocks {
                return Err(at("the pending list goes in a circle"));
            }
            if link.block >= blocks {
                return Err(at("the pending list leads past the end"));
            }
            let page = self.storage().pool().read(self.tree.page_id(link.block))?;
            if !pending::is_page(page.bytes(), link) {
                return Err(at("a link of the pending list leads to another page"));
            }
            let mut rows = Rows(pending::rows_of(page.bytes()));
            for row in rows.by_ref() {
                if !row.is_sound() || row.tid.slot > SLOT_MAX {
                    return Err(at("a pending row is damaged"));
                }
                pairs += row.keys().count() as u64;
            }
            if !rows.0.is_empty() {
                return Err(at("a pending row is damaged"));
            }
            last = link;
            link = bp::right(page.bytes());
        }
        if last != list.tail || pages != list.pages {
            return Err(self.corrupted("the pending list is not as long as the meta page says"));
        }
        Ok(pairs)
    }

    /// Gives every tid of the index, some more than once, in no order. What is in the index at the beginning is given, whatever others do meanwhile.
    pub fn each_tid(&self, f: &mut dyn FnMut(Tid) -> Result<()>) -> Result<()> {
        self.each_pending_page(None, &mut |_, p| {
            for row in Rows(pending::rows_of(p)) {
                f(row.tid)?;
            }
            Ok(true)
        })?;
        let mut tids: Vec<Tid> = Vec::new();
        let mut position: Option<(Vec<u8>, u64)> = Some((Vec::new(), bp::ord::FIRST));
        while let Some((key, ord)) = position.take() {
            let page = self.tree.descend(&bp::Target::new(&key, ord), false, 0, None)?;
            let p: &[u8] = page.bytes();
            tids.clear();
            for slot in bp::first_data(p)..bp::slot_count(p) {
                tids.extend(bp::item(p, slot).tids());
            }
            if let Some(high) = bp::high_key(p) {
                position = Some((high.key().unpacked()?.into_owned(), high.pivot_ord()));
            }
            drop(page);
            tids.drain(..).try_for_each(&mut *f)?;
        }
        Ok(())
    }
}
