//! Building a tree from sorted entries, bottom up: leaves filled one after the other, each finished page handing its separator to the level
//! above. Pages are logged whole, by a thread of their own where the caller has one for it ([`PageLogger`]); nobody can reach them before the
//! meta page names the root.

use super::insert::size_error;
use super::key::{Key, PACK_FROM_BYTES, Packed};
use super::page::{self as bp, Item, Link};
use super::{BTree, META_BLOCK, kind, wal};
use crate::Fork;
use crate::buffer::{PageMut, PagePin};
use crate::page::slotted::PayloadWriter;
use crate::sort::EntryRef;
use crate::txn::Transaction;
use quarry_common::{BlockNo, Error, Result, Tid};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes left free on leaves and internal pages (fillfactors 90 and 70, as PostgreSQL's).
const LEAF_RESERVE: usize = bp::CAPACITY / 10;
const INTERNAL_RESERVE: usize = bp::CAPACITY * 3 / 10;
/// Pages added to the file at once.
const EXTEND_BLOCKS: u32 = 64;
/// Pages logged at once.
const LOG_PAGES: usize = 8;
/// So often as many pages may wait for the thread that logs.
const LOGS_AHEAD: usize = 8;

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
    /// Pages that are complete and not logged yet.
    complete: Vec<PageMut<'a>>,
    logger: Option<ToLogger<'a>>,
}

/// Pages on their way to the thread that logs them, without their latches; then blocks to be written behind.
struct Complete<'a> {
    pages: Vec<PagePin<'a>>,
    written: Range<BlockNo>,
}

/// The builder's end of a [`PageLogger`].
pub(crate) struct ToLogger<'a> {
    pages: SyncSender<Complete<'a>>,
    done: Receiver<Result<()>>,
}

/// Logs the pages of a tree being built, in a thread of its own: compressing their images takes as long as filling them.
///
/// A page is complete, pinned and in nobody's reach when it comes here, so it may go without its latch from one thread to the other.
pub(crate) struct PageLogger<'a> {
    tree: &'a BTree,
    pages: Receiver<Complete<'a>>,
    done: SyncSender<Result<()>>,
}

impl<'a> PageLogger<'a> {
    /// For a tree whose buffer pool has room for the pages that wait; its builder's end, too.
    pub fn new(tree: &'a BTree) -> Option<(ToLogger<'a>, PageLogger<'a>)> {
        let waiting = LOG_PAGES * (LOGS_AHEAD + 2);
        if tree.storage().pool().frame_count() < waiting * 16 {
            return None;
        }
        let (to_pages, pages) = sync_channel(LOGS_AHEAD);
        let (done, is_done) = sync_channel(1);
        Some((ToLogger { pages: to_pages, done: is_done }, PageLogger { tree, pages, done }))
    }

    /// Logs what comes until the builder has ended or the log has no room.
    pub fn run(self) {
        let result = self.pages.iter().try_for_each(|complete| self.log(complete));
        // One that has given up doesn't ask.
        self.done.send(result).ok();
    }

    fn log(&self, complete: Complete<'a>) -> Result<()> {
        let storage = self.tree.storage();
        let mut latched: Vec<PageMut<'a>> = complete.pages.into_iter().map(PagePin::into_write).collect();
        if !latched.is_empty() {
            storage.log_full_page(None, &mut latched.iter_mut().collect::<Vec<_>>())?;
        }
        drop(latched);
        storage.pool().write_behind(self.tree.rel(), Fork::Main, complete.written);
        Ok(())
    }
}

impl<'a> ToLogger<'a> {
    fn send(&self, complete: Complete<'a>) -> Result<()> {
        match self.pages.send(complete) {
            Ok(()) => Ok(()),
            Err(_) => self.done.recv().unwrap_or_else(|_| Err(stopped())).and(Err(stopped())),
        }
    }

    /// Waits until all pages are logged.
    fn finish(self) -> Result<()> {
        let ToLogger { pages, done } = self;
        drop(pages);
        done.recv().unwrap_or_else(|_| Err(stopped()))
    }
}

#[cold]
fn stopped() -> Error {
    Error::internal("the logging of an index's pages has stopped")
}

/// A tree being built from entries that come in (key, tid) order.
pub struct TreeLoader<'a> {
    tree: &'a BTree,
    builder: Builder<'a>,
    entries: u64,
    /// The run of equal keys being gathered: the key, as stored if that is not how it is, and its rows without payload that aren't in yet.
    key: Vec<u8>,
    packed: Option<Packed<'static>>,
    tids: Vec<Tid>,
    /// The last row, and the last of this key that counts for uniqueness.
    last: Option<Tid>,
    last_unique: Option<Tid>,
    item: Vec<u8>,
}

impl<'a> TreeLoader<'a> {
    /// Begins with an empty tree. Without a thread that logs, the caller's does.
    pub(crate) fn begin(tree: &'a BTree, logger: Option<ToLogger<'a>>) -> Result<TreeLoader<'a>> {
        Ok(TreeLoader {
            tree,
            builder: Builder { logger, ..Builder::begin(tree)? },
            entries: 0,
            key: Vec::new(),
            packed: None,
            tids: Vec::new(),
            last: None,
            last_unique: None,
            item: Vec::new(),
        })
    }

    /// Entries added so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Adds an entry; if the tree is unique and has the key already, that entry's row.
    pub fn add(&mut self, e: EntryRef<'_>) -> Result<Option<Tid>> {
        let same = self.last.is_some() && e.key == self.key;
        if !same {
            if self.last.is_some() && e.key < self.key.as_slice() {
                return Err(self.tree.corrupted("entries to build from are not sorted"));
            }
            self.last_unique = None;
        } else if self.last >= Some(e.tid) {
            return Err(self.tree.corrupted("entries to build from are not sorted by tid"));
        }
        if e.unique && self.tree.is_unique() {
            if let Some(first) = self.last_unique {
                return Ok(Some(first));
            }
            self.last_unique = Some(e.tid);
        }
        let stored = self.packed.as_ref().map_or(self.key.len(), |p| p.bytes().len());
        let posting = 4 + stored + (self.tids.len() + 1) * 6;
        if !same || !e.payload.is_empty() || posting > bp::POSTING_BYTES_MAX {
            self.flush()?;
        }
        if !same {
            self.key.clear();
            self.key.extend_from_slice(e.key);
            self.packed = (e.key.len() > PACK_FROM_BYTES).then(|| Packed::key(e.key).into_owned());
        }
        let payload = Packed::payload(e.payload);
        let stored = self.packed.as_ref().map_or(self.key.len(), |p| p.bytes().len());
        if stored + payload.bytes().len() > bp::ENTRY_BYTES_MAX {
            return Err(size_error(self.tree.name(), stored + payload.bytes().len(), e.tid));
        }
        if e.payload.is_empty() {
            self.tids.push(e.tid);
        } else {
            self.item.clear();
            let key = self.packed.as_ref().map_or(Key::plain(&self.key), |p| p.as_key());
            bp::write_leaf_item(&key, &payload, e.tid, &mut self.item);
            self.builder.add(0, &self.item)?;
        }
        self.last = Some(e.tid);
        self.entries += 1;
        Ok(None)
    }

    /// Puts the rows gathered into the tree.
    fn flush(&mut self) -> Result<()> {
        if self.tids.is_empty() {
            return Ok(());
        }
        self.item.clear();
        let key = self.packed.as_ref().map_or(Key::plain(&self.key), |p| p.as_key());
        bp::write_posting_item(&key, &self.tids, &mut self.item);
        self.tids.clear();
        self.builder.add(0, &self.item)
    }

    /// Writes what is left and names the root.
    pub fn finish(mut self, txn: &Transaction) -> Result<BuildOutcome> {
        self.flush()?;
        let blocks = self.builder.finish(txn)?;
        Ok(BuildOutcome::Built { entries: self.entries, blocks })
    }
}

impl BTree {
    /// Fills an empty tree from entries in (key, tid) order: `source` fills the entry it is given and says whether there was one.
    pub fn build(
        &self,
        txn: &Transaction,
        source: &mut dyn FnMut(&mut BuildEntry) -> Result<bool>,
    ) -> Result<BuildOutcome> {
        let mut loader = TreeLoader::begin(self, None)?;
        let mut entry = BuildEntry::default();
        while source(&mut entry)? {
            let BuildEntry { key, payload, tid, unique } = &entry;
            let added = loader.add(EntryRef { key, payload, tid: *tid, unique: *unique })?;
            if let Some(first) = added {
                return Ok(BuildOutcome::Duplicate { first, second: entry.tid, key: entry.key });
            }
        }
        loader.finish(txn)
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
        let first = Level { page, generation: 0 };
        Ok(Builder {
            tree,
            levels: vec![first],
            next: 0,
            end: 0,
            used: 2,
            complete: Vec::new(),
            logger: None,
        })
    }

    /// Adds an entry or a posting list, which is above those before it; whether a new leaf begins with it.
    pub(crate) fn add_leaf_item(&mut self, item: &[u8]) -> Result<bool> {
        let before = self.levels[0].page.id().block;
        self.add(0, item)?;
        Ok(self.levels[0].page.id().block != before)
    }

    /// Logs the pages that are complete, or has them logged; then these blocks may be written behind.
    fn log_complete(&mut self, written: Range<BlockNo>) -> Result<()> {
        if let Some(logger) = &self.logger {
            let pages = self.complete.drain(..).map(PageMut::unlatch).collect();
            return logger.send(Complete { pages, written });
        }
        if !self.complete.is_empty() {
            let mut pages: Vec<&mut PageMut<'a>> = self.complete.iter_mut().collect();
            self.tree.storage().log_full_page(None, &mut pages)?;
            self.complete.clear();
        }
        self.tree.storage().pool().write_behind(self.tree.rel(), Fork::Main, written);
        Ok(())
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
            self.log_complete(self.end.saturating_sub(count)..self.end)?;
        }
        let page = pool.extend(tree.rel(), Fork::Main, count)?;
        self.next = page.id().block + 1;
        self.end = page.id().block + count;
        Ok(page)
    }

    /// Adds an item at the end of a level.
    fn add(&mut self, level: usize, item: &[u8]) -> Result<()> {
        let p: &[u8] = self.levels[level].page.bytes();
        let pivot = level > 0;
        let reserve = if pivot { INTERNAL_RESERVE } else { LEAF_RESERVE };
        // Room for the item and for the longest high key it may lead to.
        let need = item.len() + 2 + item.len() + 19;
        let free = bp::free(p);
        let count = bp::slot_count(p);
        if count > 0 && (free < need || (free < reserve + item.len() && count > 2)) {
            let parsed = Item::parse(item, pivot).ok_or_else(|| self.tree.corrupted("bad item"))?;
            let need = item.len() + 2 + parsed.key().bytes().len() + 19;
            if free < need || (free < reserve + item.len() && count > 2) {
                self.next_page(level, item)?;
            }
        }
        let page = self.levels[level].page.bytes_mut();
        if pivot && bp::slot_count(page) == 0 {
            let parsed = Item::parse(item, true).ok_or_else(|| self.tree.corrupted("bad item"))?;
            return bp::append(page, &bp::lowest_pivot(parsed.child()));
        }
        bp::append(page, item)
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
            {
                // Still the rightmost page, so every slot is an entry.
                let p: &[u8] = self.levels[level].page.bytes();
                let last = bp::slot_count(p).checked_sub(1).ok_or_else(damaged)?;
                bp::separator(&bp::item(p, last), &new)
            }
        };
        let next = Level { page, generation };
        let mut done = std::mem::replace(&mut self.levels[level], next);
        bp::set_high_key(done.page.bytes_mut(), &separator, link)?;
        let first = Link { block: done.page.id().block, generation: done.generation };
        self.complete.push(done.page);
        if self.complete.len() >= LOG_PAGES {
            self.log_complete(0..0)?;
        }
        if self.levels.len() == level + 1 {
            let mut page = self.take_page()?;
            bp::init(page.bytes_mut(), level as u16 + 1, 0, Link::NONE);
            self.levels.push(Level { page, generation: 0 });
            self.add(level + 1, &bp::lowest_pivot(first))?;
        }
        let pivot = Item::parse(&separator, true).ok_or_else(|| self.tree.corrupted("bad separator"))?;
        let entry = bp::pivot_with_child(&pivot, link);
        self.add(level + 1, &entry)
    }

    /// Writes the last page of every level and names the root.
    pub(crate) fn finish(mut self, txn: &Transaction) -> Result<BlockNo> {
        self.log_complete(0..0)?;
        if let Some(logger) = self.logger.take() {
            logger.finish()?;
        }
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
