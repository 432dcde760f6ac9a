//! The rows of one thing that a query looks for, in order, with a way to skip ahead: the lists of a key, or of all keys of a range.

use super::Gin;
use super::cursor::Cursor;
use super::row::GinEntry;
use super::tid_set::{TidList, TidSet};
use crate::buffer::PageRef;
use crate::index::btree::page::{self as bp, Item, Link, Target, ord};
use crate::index::btree::posting::{PACKED_END, pack, unpack};
use crate::ssi::Xact;
use quarry_common::Result;
use std::ops::Range;
use std::sync::Arc;

/// What reading streams needs to know.
pub(super) struct Reading<'a> {
    pub gin: &'a Gin,
    /// The SERIALIZABLE transaction that reads: it locks every leaf.
    pub reader: Option<&'a Arc<Xact>>,
    /// For the rows of ranges.
    pub memory_bytes: usize,
    /// Asked now and then whether to go on.
    pub check: &'a mut dyn FnMut() -> Result<()>,
}

/// Rising packed tids.
pub(super) enum Stream {
    Key(KeyStream),
    Range(TidList, u64),
}

/// Where the tids of a key go on.
enum Next {
    /// On this page, or wherever the position is now.
    Right(Link, u64),
    /// Nowhere.
    Done,
}

/// The lists of one key: a leaf's part of them at a time.
pub(super) struct KeyStream {
    key: Vec<u8>,
    /// Copies of the leaf's items, and of each its last tid.
    bytes: Vec<u8>,
    items: Vec<(Range<usize>, u64)>,
    /// The item that comes after the one being read.
    item: usize,
    /// The position in the item being read, which holds tids up to `last`.
    cursor: Cursor,
    last: u64,
    next: Next,
    estimate: u64,
}

impl Stream {
    /// Begins to read an entry.
    pub fn open(cx: &mut Reading<'_>, entry: &GinEntry) -> Result<Stream> {
        match &entry.upper {
            None => Ok(Stream::Key(KeyStream::open(cx, &entry.lower)?)),
            Some(upper) => read_range(cx, &entry.lower, upper),
        }
    }

    /// About how many tids it has.
    pub fn estimate(&self) -> u64 {
        match self {
            Stream::Key(k) => k.estimate,
            Stream::Range(_, n) => *n,
        }
    }

    /// The first tid from `to` on, which never falls; [`PACKED_END`] if there is none.
    #[inline]
    pub fn seek(&mut self, cx: &mut Reading<'_>, to: u64) -> Result<u64> {
        match self {
            Stream::Key(k) => k.seek(cx, to),
            Stream::Range(list, _) => Ok(list.seek(to)?.unwrap_or(PACKED_END)),
        }
    }
}

impl KeyStream {
    fn open(cx: &mut Reading<'_>, key: &[u8]) -> Result<KeyStream> {
        let mut s = KeyStream {
            key: key.to_vec(),
            bytes: Vec::new(),
            items: Vec::new(),
            item: 0,
            cursor: Cursor::default(),
            last: 0,
            next: Next::Done,
            estimate: 0,
        };
        s.load(cx, ord::FIRST, None)?;
        let parse = |(place, _): &(Range<usize>, u64)| {
            Item::parse(&s.bytes[place.clone()], false).map_or(0, |it| it.tid_count() as u64)
        };
        let here: u64 = s.items.iter().map(parse).sum();
        s.estimate = match s.next {
            Next::Done => here,
            Next::Right(..) => {
                // The first leaf may have other keys, too; those that follow have none.
                let leaf = here.max(1) * (bp::CAPACITY as u64 * 9 / 10) / (s.bytes.len() as u64).max(1);
                here.saturating_add(leaf.max(1).saturating_mul(leaves_of(cx.gin, key)?.saturating_sub(1)))
            }
        };
        Ok(s)
    }

    /// Reads the leaf's part of the lists from a position on; `link`: where that probably is.
    fn load(&mut self, cx: &mut Reading<'_>, from: u64, link: Option<Link>) -> Result<()> {
        (cx.check)()?;
        let tree = &cx.gin.tree;
        let target = Target::new(&self.key, from);
        let page = find_leaf(cx.gin, &target, link)?;
        if let Some(x) = cx.reader {
            tree.storage().ssi().read_page(x, tree.rel(), page.block());
        }
        let p: &[u8] = page.bytes();
        self.bytes.clear();
        self.items.clear();
        self.item = 0;
        let mut slot = bp::lower_bound_leaf(p, &target);
        let count = bp::slot_count(p);
        while slot < count {
            let item = bp::item(p, slot);
            if !item.key().is(&self.key) {
                break;
            }
            let begin = self.bytes.len();
            self.bytes.extend_from_slice(item.bytes());
            self.items.push((begin..self.bytes.len(), pack(item.last_tid())));
            slot += 1;
        }
        self.next = match bp::high_key(p) {
            Some(h) if slot == count && h.key().is(&self.key) => Next::Right(bp::right(p), h.pivot_ord()),
            _ => Next::Done,
        };
        Ok(())
    }

    #[inline]
    fn seek(&mut self, cx: &mut Reading<'_>, to: u64) -> Result<u64> {
        // No tid is 0.
        if self.cursor.now >= to.max(1) { Ok(self.cursor.now) } else { self.seek_further(cx, to.max(1)) }
    }

    fn seek_further(&mut self, cx: &mut Reading<'_>, to: u64) -> Result<u64> {
        loop {
            if self.last >= to {
                return match self.cursor.seek(&self.bytes, to) {
                    true => Ok(self.cursor.now),
                    false => Err(cx.gin.corrupted("a list doesn't have the last tid that it says")),
                };
            }
            // The next item that reaches as far.
            let skip = self.items[self.item..].partition_point(|(_, last)| *last < to);
            self.item += skip;
            if let Some((place, last)) = self.items.get(self.item) {
                let item = Item::parse(&self.bytes[place.clone()], false);
                self.cursor = item
                    .and_then(|item| Cursor::of(&item, place.end))
                    .ok_or_else(|| cx.gin.corrupted("a list has no tids"))?;
                self.last = *last;
                self.item += 1;
                continue;
            }
            match std::mem::replace(&mut self.next, Next::Done) {
                Next::Done => {
                    (self.cursor.now, self.last) = (PACKED_END, PACKED_END);
                    return Ok(PACKED_END);
                }
                Next::Right(link, bound) => {
                    let from = if to < PACKED_END { ord::of(unpack(to)).max(bound) } else { ord::LAST };
                    self.load(cx, from, Some(link))?;
                }
            }
        }
    }
}

/// The leaf that holds a position; `link`: it, or one shortly before it, if nothing has changed.
fn find_leaf<'a>(gin: &'a Gin, target: &Target<'_>, link: Option<Link>) -> Result<PageRef<'a>> {
    if let Some(link) = link
        && let Some(page) = gin.tree.read_link(link, 0)?
        && !bp::is_beyond(page.bytes(), target, false)
    {
        return Ok(page);
    }
    gin.tree.descend(target, false, 0, None)
}

/// About how many leaves the lists of a key fill, by the separators above them.
fn leaves_of(gin: &Gin, key: &[u8]) -> Result<u64> {
    let (_, top) = gin.tree.read_root()?;
    let mut leaves = 1;
    for level in 1..=top {
        let target = Target::new(key, ord::FIRST);
        let page = gin.tree.descend(&target, false, level, None)?;
        let p: &[u8] = page.bytes();
        let first = bp::child_slot(p, &target, false) + 1;
        let here = (first..bp::slot_count(p)).take_while(|s| bp::item(p, *s).key().is(key)).count();
        leaves *= here as u64 + 1;
        if first + here < bp::slot_count(p) || bp::is_rightmost(p) {
            break;
        }
    }
    Ok(leaves)
}

/// Reads all keys of a range.
fn read_range(cx: &mut Reading<'_>, lower: &[u8], upper: &[u8]) -> Result<Stream> {
    let tree = &cx.gin.tree;
    let mut set = TidSet::new(tree.storage().disk().clone(), cx.memory_bytes);
    let mut position = (lower.to_vec(), ord::FIRST);
    let mut link = None;
    let mut tids: Vec<u64> = Vec::new();
    // Where each item's tids end in `tids`.
    let mut ends: Vec<usize> = Vec::new();
    loop {
        (cx.check)()?;
        let high = {
            let target = Target::new(&position.0, position.1);
            let page = find_leaf(cx.gin, &target, link)?;
            if let Some(x) = cx.reader {
                tree.storage().ssi().read_page(x, tree.rel(), page.block());
            }
            let p: &[u8] = page.bytes();
            let mut slot = bp::lower_bound_leaf(p, &target);
            let count = bp::slot_count(p);
            tids.clear();
            ends.clear();
            while slot < count {
                let item = bp::item(p, slot);
                if item.key().cmp_plain(upper).is_ge() {
                    break;
                }
                tids.extend(item.tids().map(pack));
                ends.push(tids.len());
                slot += 1;
            }
            link = Some(bp::right(p));
            match bp::high_key(p) {
                Some(h) if slot == count && h.key().cmp_plain(upper).is_lt() => {
                    Some((h.key().unpacked()?.into_owned(), h.pivot_ord()))
                }
                _ => None,
            }
        };
        let mut from = 0;
        for end in &ends {
            set.add(&tids[from..*end])?;
            from = *end;
        }
        match high {
            Some(high) => position = high,
            None => break,
        }
    }
    let estimate = set.estimate();
    Ok(Stream::Range(set.finish()?, estimate))
}
