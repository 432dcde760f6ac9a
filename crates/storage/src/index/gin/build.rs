//! Building an index: rows are inverted in memory ([`super::gather`]), spilled as sorted runs when there are too many, and the tree is written bottom
//! up from keys in order, as the B-tree's build does ([`crate::index::btree::build`]).

use super::Gin;
use super::gather::Gather;
use super::insert::ListWriter;
use super::meta::GinStats;
use super::row::GinRow;
use crate::index::btree::build::Builder;
use crate::index::btree::key::{Key, Packed};
use crate::index::btree::posting::{Differences, push_differences, push_varint, read_varint};
use crate::sort::{ExternalSort, SortedRun};
use crate::txn::Transaction;
use quarry_common::{BlockNo, Error, Result, Tid};

/// Bytes of a list: longer than what inserts leave, so that there are fewer keys on a page.
const LIST_BYTES: usize = 1300;
/// Of the memory allowed, what the merging of runs gets (1 / n).
const SORT_PART: usize = 4;
/// Pairs between two notes of progress.
const PROGRESS_PAIRS: u64 = 1 << 16;

/// What a build came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GinBuilt {
    /// Distinct keys.
    pub keys: u64,
    /// Pairs of key and row.
    pub entries: u64,
    /// Pages.
    pub blocks: BlockNo,
}

/// An index being built.
pub struct GinBuilder {
    gin: Gin,
    gather: Gather,
    memory_bytes: usize,
    runs: Option<ExternalSort>,
    /// The highest block so far.
    highest: BlockNo,
    /// The highest block among what is in `runs`.
    spilled_to: Option<BlockNo>,
    /// Whether a row came whose block is not above that: then a key's runs overlap.
    overlapping: bool,
}

/// Gets each key's lists in turn.
struct Writer<'a, 'p> {
    gin: &'a Gin,
    tree: Builder<'a>,
    progress: &'p mut dyn FnMut(u64) -> Result<()>,
    list: ListWriter,
    pages: PageCount,
    built: GinBuilt,
    noted: u64,
}

/// Counts keys, and leaves that have one long list only.
#[derive(Default)]
pub(super) struct PageCount {
    /// The last key, if there was one.
    last: Vec<u8>,
    some: bool,
    /// Lists of the current page.
    lists: u32,
    /// Whether it has more than one key, and whether its first one was on the page before.
    mixed: bool,
    goes_on: bool,
    pub data_pages: u32,
    pub keys: u64,
}

impl PageCount {
    /// The key of the next list on the page.
    pub fn list(&mut self, key: &[u8]) {
        let same = self.some && self.last == key;
        if !same {
            self.keys += 1;
            self.some = true;
            self.last.clear();
            self.last.extend_from_slice(key);
        }
        match self.lists {
            0 => self.goes_on = same,
            _ => self.mixed |= !same,
        }
        self.lists += 1;
    }

    /// The page ends; `next`: the key that follows, if there is one.
    pub fn page_ends(&mut self, next: Option<&[u8]>) {
        let goes_on = self.goes_on || next == Some(self.last.as_slice());
        self.data_pages += u32::from(self.lists > 0 && !self.mixed && goes_on);
        (self.lists, self.mixed, self.goes_on) = (0, false, false);
    }
}

impl GinBuilder {
    /// Begins; the index is empty, and nobody else changes it until the end.
    pub fn new(gin: &Gin, memory_bytes: usize) -> GinBuilder {
        GinBuilder {
            gin: gin.clone(),
            gather: Gather::new(memory_bytes - memory_bytes / SORT_PART),
            memory_bytes,
            runs: None,
            highest: 0,
            spilled_to: None,
            overlapping: false,
        }
    }

    /// Adds a row.
    pub fn add(&mut self, tid: Tid, row: &GinRow) -> Result<()> {
        if self.gather.is_full() {
            self.spill()?;
        }
        self.overlapping |= self.spilled_to.is_some_and(|b| tid.block <= b);
        self.highest = self.highest.max(tid.block);
        for key in row.iter() {
            self.gather.add(key, tid)?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let disk = self.gin.storage().disk().clone();
        let memory = self.memory_bytes / SORT_PART;
        let runs = self.runs.get_or_insert_with(|| ExternalSort::new(disk, memory));
        let (mut bytes, mut tids, mut value) = (Vec::new(), Vec::new(), Vec::new());
        for n in self.gather.sorted() {
            self.gather.tids(n, &mut bytes, &mut tids);
            value.clear();
            push_varint(&mut value, tids.len() as u64);
            push_varint(&mut value, tids[0]);
            push_differences(&mut value, &tids);
            runs.push(self.gather.key(n), &value)?;
        }
        self.gather.clear();
        self.spilled_to = Some(self.highest);
        Ok(())
    }

    /// Writes the tree. `progress` gets how many pairs of key and row are in it, now and then.
    pub fn finish(
        mut self,
        txn: &Transaction,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<GinBuilt> {
        if self.runs.is_some() && !self.gather.is_empty() {
            self.spill()?;
        }
        let gin = self.gin.clone();
        let mut w = Writer {
            gin: &gin,
            tree: Builder::begin(&gin.tree)?,
            progress,
            list: ListWriter::new(),
            pages: PageCount::default(),
            built: GinBuilt { keys: 0, entries: 0, blocks: 0 },
            noted: 0,
        };
        match self.runs.take() {
            None => {
                let (mut bytes, mut tids) = (Vec::new(), Vec::new());
                for n in self.gather.sorted() {
                    self.gather.tids(n, &mut bytes, &mut tids);
                    let key = self.gather.key(n);
                    let stored = w.begin(key)?;
                    w.add(key, &stored.as_key(), tids.iter().copied())?;
                    w.end(key, &stored.as_key())?;
                }
            }
            Some(runs) => {
                self.gather.clear();
                w.merge(runs.finish()?, self.overlapping)?;
            }
        }
        w.finish(txn)
    }
}

impl<'a> Writer<'a, '_> {
    fn begin<'k>(&mut self, key: &'k [u8]) -> Result<Packed<'k>> {
        let stored = Packed::key(key);
        self.gin.check_size(&stored, key.len())?;
        self.list.begin(&stored.as_key(), LIST_BYTES);
        Ok(stored)
    }

    /// Adds rising tids to the key's list; those that are there already are left out.
    fn add(&mut self, plain: &[u8], key: &Key<'_>, tids: impl Iterator<Item = u64>) -> Result<()> {
        let Writer { tree, list, pages, built, .. } = self;
        for tid in tids {
            if list.last().is_some_and(|last| last >= tid) {
                continue;
            }
            built.entries += 1;
            list.push(key, tid, &mut |item| put(tree, pages, plain, item))?;
        }
        if built.entries - self.noted >= PROGRESS_PAIRS {
            self.noted = built.entries;
            (self.progress)(self.noted)?;
        }
        Ok(())
    }

    fn end(&mut self, plain: &[u8], key: &Key<'_>) -> Result<()> {
        let Writer { tree, list, pages, .. } = self;
        list.finish(key, &mut |item| put(tree, pages, plain, item))
    }

    /// Reads the runs: equal keys come in the order in which they were spilled. If they overlap, a key's tids are sorted again.
    fn merge(&mut self, mut sorted: SortedRun, overlapping: bool) -> Result<()> {
        let damaged = || Error::corrupted("temporary file is damaged");
        let mut current: Option<Packed<'static>> = None;
        let mut key: Vec<u8> = Vec::new();
        let mut all: Vec<u64> = Vec::new();
        while let Some((next, value)) = sorted.next()? {
            if current.is_none() || next != key {
                if let Some(stored) = current.take() {
                    self.end_merged(&key, &stored, &mut all)?;
                }
                key.clear();
                key.extend_from_slice(next);
                current = Some(self.begin(&key)?.into_owned());
            }
            let mut at = 0;
            let count = read_varint(value, &mut at).ok_or_else(damaged)?;
            let first = read_varint(value, &mut at).ok_or_else(damaged)?;
            let tids = Differences::new(first, count as usize, &value[at..]);
            if overlapping {
                all.extend(tids);
            } else if let Some(stored) = &current {
                self.add(&key, &stored.as_key(), tids)?;
            }
        }
        match current {
            Some(stored) => self.end_merged(&key, &stored, &mut all),
            None => Ok(()),
        }
    }

    fn end_merged(&mut self, key: &[u8], stored: &Packed<'_>, all: &mut Vec<u64>) -> Result<()> {
        all.sort_unstable();
        self.add(key, &stored.as_key(), all.drain(..))?;
        self.end(key, &stored.as_key())
    }

    fn finish(mut self, txn: &Transaction) -> Result<GinBuilt> {
        self.pages.page_ends(None);
        (self.progress)(self.built.entries)?;
        let blocks = self.tree.finish(txn)?;
        let total_pages = self.gin.blocks()?;
        let counted = GinStats {
            pending_pages: 0,
            total_pages,
            entry_pages: blocks.saturating_sub(1).saturating_sub(self.pages.data_pages),
            data_pages: self.pages.data_pages,
            entries: self.pages.keys,
        };
        self.gin.set_counted(&counted)?;
        Ok(GinBuilt { keys: self.pages.keys, blocks, ..self.built })
    }
}

fn put(tree: &mut Builder<'_>, pages: &mut PageCount, key: &[u8], item: &[u8]) -> Result<()> {
    if tree.add_leaf_item(item)? {
        pages.page_ends(Some(key));
    }
    pages.list(key);
    Ok(())
}
