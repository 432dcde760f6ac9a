//! Building a tree from sorted entries, bottom up: leaves filled one after the other, each finished page handing its separator to the level
//! above. Pages are logged whole; nobody can reach them before the meta page names the root.

use super::insert::size_error;
use super::key::Packed;
use super::page::{self as bp, Item, Link};
use super::{BTree, META_BLOCK, kind, wal};
use crate::Fork;
use crate::buffer::PageMut;
use crate::page::slotted::PayloadWriter;
use crate::txn::Transaction;
use quarry_common::{BlockNo, Result, Tid};
use std::sync::atomic::Ordering;

/// Bytes left free on leaves and internal pages (fillfactors 90 and 70, as PostgreSQL's).
const LEAF_RESERVE: usize = bp::CAPACITY / 10;
const INTERNAL_RESERVE: usize = bp::CAPACITY * 3 / 10;
/// Pages added to the file at once.
const EXTEND_BLOCKS: u32 = 64;

/// An entry to build from.
#[derive(Clone, Default, Debug)]
pub struct BuildEntry {
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
    pub tid: Tid,
    /// The row is live and no key column is NULL: it counts for uniqueness.
    pub unique: bool,
}

/// What a build came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BuildOutcome {
    /// The tree is there.
    Built { entries: u64, blocks: BlockNo },
    /// Two rows share a key of a unique index.
    Duplicate { first: Tid, second: Tid, key: Vec<u8> },
}

struct Level<'a> {
    page: PageMut<'a>,
    generation: u32,
    /// The last item added; its separator from the next one becomes the high key.
    last: Vec<u8>,
}

/// A tree being built: items go in, in their order.
pub(crate) struct Builder<'a> {
    tree: &'a BTree,
    levels: Vec<Level<'a>>,
    /// Blocks of the file that are ours and unused: `next..end`.
    next: BlockNo,
    end: BlockNo,
    /// Blocks used.
    used: BlockNo,
}

impl BTree {
    /// Fills an empty tree from entries in (key, tid) order: `source` fills the entry it is given and says whether there was one.
    pub fn build(
        &self,
        txn: &Transaction,
        source: &mut dyn FnMut(&mut BuildEntry) -> Result<bool>,
    ) -> Result<BuildOutcome> {
        let mut b = Builder::begin(self)?;
        let mut entry = BuildEntry::default();
        let mut entries = 0u64;
        // The run of equal keys being gathered.
        let mut key: Vec<u8> = Vec::new();
        let mut stored = Packed::key(&[]).into_owned();
        let mut tids: Vec<Tid> = Vec::new();
        let mut last_unique: Option<Tid> = None;
        let mut last: Option<Tid> = None;
        while source(&mut entry)? {
            let same = last.is_some() && entry.key == key;
            if !same {
                if last.is_some() && entry.key < key {
                    return Err(self.corrupted("entries to build from are not sorted"));
                }
                last_unique = None;
            } else if last >= Some(entry.tid) {
                return Err(self.corrupted("entries to build from are not sorted by tid"));
            }
            if self.is_unique() && entry.unique {
                if let Some(first) = last_unique {
                    return Ok(BuildOutcome::Duplicate { first, second: entry.tid, key: entry.key });
                }
                last_unique = Some(entry.tid);
            }
            let payload = Packed::payload(&entry.payload);
            let posting = 4 + stored.bytes().len() + (tids.len() + 1) * 6;
            let joins =
                same && !tids.is_empty() && entry.payload.is_empty() && posting <= bp::POSTING_BYTES_MAX;
            if !joins && !tids.is_empty() {
                b.add_leaf_item(&bp::posting_item(&stored.as_key(), &tids))?;
                tids.clear();
            }
            if !same {
                key.clear();
                key.extend_from_slice(&entry.key);
                stored = Packed::key(&entry.key).into_owned();
            }
            let bytes = stored.bytes().len() + payload.bytes().len();
            if bytes > bp::ENTRY_BYTES_MAX {
                return Err(size_error(self.name(), bytes, entry.tid));
            }
            if entry.payload.is_empty() {
                tids.push(entry.tid);
            } else {
                b.add_leaf_item(&bp::leaf_item(&stored.as_key(), &payload, entry.tid))?;
            }
            last = Some(entry.tid);
            entries += 1;
        }
        if !tids.is_empty() {
            b.add_leaf_item(&bp::posting_item(&stored.as_key(), &tids))?;
        }
        let blocks = b.finish(txn)?;
        Ok(BuildOutcome::Built { entries, blocks })
    }
}

impl<'a> Builder<'a> {
    /// Begins with an empty tree.
    pub(crate) fn begin(tree: &'a BTree) -> Result<Builder<'a>> {
        let (root, level) = tree.read_root()?;
        let page = tree.storage().pool().write(tree.page_id(root))?;
        if level != 0 || bp::slot_count(page.bytes()) != 0 {
            return Err(tree.corrupted("a build needs an empty tree"));
        }
        let first = Level { page, generation: 0, last: Vec::new() };
        Ok(Builder { tree, levels: vec![first], next: 0, end: 0, used: 2 })
    }

    /// Adds an entry or a posting list, which is above those before it; whether a new leaf begins with it.
    pub(crate) fn add_leaf_item(&mut self, item: &[u8]) -> Result<bool> {
        let before = self.levels[0].page.id().block;
        self.add(0, item)?;
        Ok(self.levels[0].page.id().block != before)
    }

    fn take_page(&mut self) -> Result<PageMut<'a>> {
        let tree = self.tree;
        let pool = tree.storage().pool();
        self.used += 1;
        if self.next < self.end {
            self.next += 1;
            return pool.write(tree.page_id(self.next - 1));
        }
        // Small trees grow by single pages.
        let count = if self.used > EXTEND_BLOCKS { EXTEND_BLOCKS } else { 1 };
        if count > 1 {
            // All but the last of each level are complete.
            pool.write_behind(tree.rel(), Fork::Main, self.end.saturating_sub(count)..self.end);
        }
        let page = pool.extend(tree.rel(), Fork::Main, count)?;
        self.next = page.id().block + 1;
        self.end = page.id().block + count;
        Ok(page)
    }

    /// Adds an item at the end of a level.
    fn add(&mut self, level: usize, item: &[u8]) -> Result<()> {
        let l = &self.levels[level];
        let p: &[u8] = l.page.bytes();
        let pivot = level > 0;
        let reserve = if pivot { INTERNAL_RESERVE } else { LEAF_RESERVE };
        let parsed = Item::parse(item, pivot).ok_or_else(|| self.tree.corrupted("bad item"))?;
        // Room for the item and for the longest high key it may lead to.
        let need = item.len() + 2 + parsed.key().bytes().len() + 19;
        let free = bp::free(p);
        let count = bp::slot_count(p);
        if count > 0 && (free < need || (free < reserve + item.len() && count > 2)) {
            self.next_page(level, item)?;
        }
        let l = &mut self.levels[level];
        let at = bp::slot_count(l.page.bytes());
        let emptied;
        let stored = if pivot && at == 0 {
            emptied = bp::lowest_pivot(parsed.child());
            &emptied[..]
        } else {
            item
        };
        bp::splice(l.page.bytes_mut(), at, 0, &[stored])?;
        l.last.clear();
        l.last.extend_from_slice(item);
        Ok(())
    }

    /// Finishes a level's page and begins the next, whose first item will be `item`.
    fn next_page(&mut self, level: usize, item: &[u8]) -> Result<()> {
        let pivot = level > 0;
        let (mut page, generation) = (self.take_page()?, 0);
        bp::init(page.bytes_mut(), level as u16, generation, Link::NONE);
        let link = Link { block: page.id().block, generation };
        let damaged = || self.tree.corrupted("bad item");
        let new = Item::parse(item, pivot).ok_or_else(damaged)?;
        let none = Link { block: 0, generation: 0 };
        let separator = if pivot {
            bp::pivot_with_child(&new, none)
        } else {
            bp::separator(&Item::parse(&self.levels[level].last, false).ok_or_else(damaged)?, &new)
        };
        let next = Level { page, generation, last: Vec::new() };
        let mut done = std::mem::replace(&mut self.levels[level], next);
        bp::set_high_key(done.page.bytes_mut(), &separator, link)?;
        let first = Link { block: done.page.id().block, generation: done.generation };
        self.tree.storage().log_full_page(None, &mut [&mut done.page])?;
        drop(done);
        if self.levels.len() == level + 1 {
            let mut page = self.take_page()?;
            bp::init(page.bytes_mut(), level as u16 + 1, 0, Link::NONE);
            self.levels.push(Level { page, generation: 0, last: Vec::new() });
            self.add(level + 1, &bp::lowest_pivot(first))?;
        }
        let pivot = Item::parse(&separator, true).ok_or_else(|| self.tree.corrupted("bad separator"))?;
        let entry = bp::pivot_with_child(&pivot, link);
        self.add(level + 1, &entry)
    }

    /// Writes the last page of every level and names the root.
    pub(crate) fn finish(self, txn: &Transaction) -> Result<BlockNo> {
        let tree = self.tree;
        let storage = tree.storage();
        let mut root = (0, 0u16);
        for (n, mut level) in self.levels.into_iter().enumerate() {
            root = (level.page.id().block, n as u16);
            storage.log_full_page(None, &mut [&mut level.page])?;
        }
        let mut meta = storage.pool().write(tree.page_id(META_BLOCK))?;
        let mut payload = Vec::new();
        payload.w32(root.0).w16(root.1);
        storage.log_change(txn.xid(), kind(wal::META), &payload, &mut [&mut meta])?;
        drop(meta);
        tree.state().root.store(root.0 as u64 + 1, Ordering::Relaxed);
        tree.state().rightmost.store(0, Ordering::Relaxed);
        // Pages of the last extension that were not needed.
        tree.state().free_pages.lock().extend((self.next..self.end).rev());
        Ok(self.used)
    }
}
