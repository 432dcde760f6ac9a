//! Building an index: rows are inverted in memory ([`super::gather`]), spilled as sorted runs when there are too many, and the tree is written bottom
//! up from keys in order, as the B-tree's build does ([`crate::index::btree::build`]).

use super::Gin;
use super::gather::Gather;
use super::insert::ListWriter;
use super::meta::GinStats;
use super::row::GinRow;
use crate::index::btree::build::Builder;
use crate::index::btree::key::{Key, Packed};
use crate::index::btree::posting::{Differences, push_differences};
use crate::sort::{ExternalSort, SortedRun};
use crate::txn::Transaction;
use crate::varint::{push_varint, read_varint};
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

/// What one thread gathers for an index being built.
pub struct GinBuilder {
    gin: Gin,
    gather: Gather,
    /// The numbers of what is gathered, in the order of keys; set at the end.
    order: Vec<u32>,
    memory_bytes: usize,
    runs: Option<ExternalSort>,
}

/// What one thread gathered, key by key.
enum Source {
    Memory { gather: Gather, order: Vec<u32>, at: usize, bytes: Vec<u8>, tids: Vec<u64> },
    Runs { sorted: SortedRun, key: Vec<u8>, value: Vec<u8>, some: bool },
}

impl Source {
    fn begin(builder: GinBuilder) -> Result<Source> {
        let GinBuilder { gather, order, runs, .. } = builder;
        Ok(match runs {
            None => Source::Memory { gather, order, at: 0, bytes: Vec::new(), tids: Vec::new() },
            Some(runs) => {
                drop(gather);
                let (key, value) = (Vec::new(), Vec::new());
                let mut source = Source::Runs { sorted: runs.finish()?, key, value, some: true };
                source.step()?;
                source
            }
        })
    }

    /// The current key; none at the end.
    fn key(&self) -> Option<&[u8]> {
        match self {
            Source::Memory { gather, order, at, .. } => order.get(*at).map(|n| gather.key(*n)),
            Source::Runs { key, some, .. } => some.then_some(key.as_slice()),
        }
    }

    /// Appends the current key's tids, rising.
    fn take(&mut self, out: &mut Vec<u64>) -> Result<()> {
        match self {
            Source::Memory { gather, order, at, bytes, tids } => {
                if let Some(n) = order.get(*at) {
                    gather.tids(*n, bytes, tids);
                    out.append(tids);
                }
            }
            Source::Runs { value, .. } => {
                let damaged = || Error::corrupted("temporary file is damaged");
                let mut at = 0;
                let count = read_varint(value, &mut at).ok_or_else(damaged)?;
                let first = read_varint(value, &mut at).ok_or_else(damaged)?;
                out.extend(Differences::new(first, count as usize, &value[at..]));
            }
        }
        self.step()
    }

    /// Goes on to the next key, of runs to the next part of the same key perhaps.
    fn step(&mut self) -> Result<()> {
        match self {
            Source::Memory { at, .. } => *at += 1,
            Source::Runs { sorted, key, value, some } => match sorted.next()? {
                Some((k, v)) => {
                    key.clear();
                    key.extend_from_slice(k);
                    value.clear();
                    value.extend_from_slice(v);
                }
                None => *some = false,
            },
        }
        Ok(())
    }
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
            order: Vec::new(),
            memory_bytes,
            runs: None,
        }
    }

    /// Adds a row.
    pub fn add(&mut self, tid: Tid, row: &GinRow) -> Result<()> {
        if self.gather.is_full_or_short() {
            self.spill()?;
        }
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
        Ok(())
    }

    /// Sorts what is left. To be called by the thread that gathered; no row comes afterwards.
    pub fn end(&mut self) -> Result<()> {
        if self.runs.is_some() && !self.gather.is_empty() {
            self.spill()?;
        }
        self.order = self.gather.sorted();
        Ok(())
    }

    /// Writes the tree. `progress` gets how many pairs of key and row are in it, now and then.
    pub fn finish(self, txn: &Transaction, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<GinBuilt> {
        let gin = self.gin.clone();
        GinBuilder::finish_all(vec![self], &gin, txn, progress)
    }

    /// The same with what several threads have gathered.
    pub fn finish_all(
        mut threads: Vec<GinBuilder>,
        gin: &Gin,
        txn: &Transaction,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<GinBuilt> {
        threads.iter_mut().try_for_each(GinBuilder::end)?;
        let mut sources = threads.into_iter().map(Source::begin).collect::<Result<Vec<_>>>()?;
        let mut w = Writer {
            gin,
            tree: Builder::begin(&gin.tree)?,
            progress,
            list: ListWriter::new(),
            pages: PageCount::default(),
            built: GinBuilt { keys: 0, entries: 0, blocks: 0 },
            noted: 0,
        };
        let (mut key, mut tids): (Vec<u8>, Vec<u64>) = (Vec::new(), Vec::new());
        while let Some(least) = sources.iter().filter_map(Source::key).min() {
            key.clear();
            key.extend_from_slice(least);
            tids.clear();
            let mut parts = 0;
            for source in &mut sources {
                while source.key() == Some(key.as_slice()) {
                    source.take(&mut tids)?;
                    parts += 1;
                }
            }
            if parts > 1 {
                // Parts that rise each.
                tids.sort();
            }
            let stored = w.begin(&key)?;
            w.add(&key, &stored.as_key(), tids.iter().copied())?;
            w.end(&key, &stored.as_key())?;
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
