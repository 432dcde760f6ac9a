//! Putting rows into the index: into the pending list, or key by key into the tree.
//!
//! What goes into the tree comes in the order of keys and tids. A leaf that is latched takes all that belongs on it and fits, in one
//! record; what doesn't fit splits it.

use super::pending::{self, CAPACITY};
use super::row::GinRow;
use super::{Gin, GinOptions};
use crate::buffer::PageMut;
use crate::index::btree::key::{Key, Packed};
use crate::index::btree::page::{self as bp, Splice, Target, ord};
use crate::index::btree::posting::{SLOT_MAX, pack, unpack};
use crate::txn::Transaction;
use crate::varint::varint_len;
use quarry_common::{Error, Result, Tid, err};

/// Bytes of a list that grows by inserts: beyond, it becomes two, so that a change rewrites and logs little.
const LIST_BYTES: usize = 640;
/// Bytes of any list: as of the longest entry, so that three fit a page.
pub(super) const LIST_BYTES_MAX: usize = bp::ENTRY_BYTES_MAX + 10;
/// Bytes for tids that a list has at least beside a long key, if they fit a page.
const TIDS_BYTES_MIN: usize = 400;
/// What a compressed list has beside key and differences.
const LIST_HEAD: usize = 4 + 2 + 12;
/// Tids taken at once for a leaf.
const STEP: usize = 512;
/// A page splits in two if what comes is no more than this (the longest item and its slot).
const GROWTH_MAX: usize = LIST_BYTES_MAX + 2;

/// A key and the packed tids to be added, rising.
pub(super) struct Addition<'a> {
    pub key: &'a [u8],
    pub tids: Vec<u64>,
}

impl Gin {
    /// Adds a row with its keys. A row that is there already stays as it is.
    pub fn insert(&self, txn: &Transaction, row: &GinRow, tid: Tid) -> Result<()> {
        if tid.slot > SLOT_MAX {
            return Err(Error::internal(format!("no heap page has a slot {}", tid.slot)));
        }
        for key in row.iter() {
            self.check_size(&Packed::key(key), key.len())?;
        }
        if row.is_empty() {
            return Ok(());
        }
        let GinOptions { fastupdate, pending_list_bytes } = self.options;
        if fastupdate && pending::row_bytes(row) <= CAPACITY {
            if let Some(pages) = self.append_pending(txn, row, tid)?
                && pages as u64 * CAPACITY as u64 > pending_list_bytes
            {
                self.clean_if_nobody_does()?;
            }
            return Ok(());
        }
        let tids = vec![pack(tid)];
        let list: Vec<Addition<'_>> = row.iter().map(|key| Addition { key, tids: tids.clone() }).collect();
        self.insert_in_tree(Some(txn), &list)
    }

    /// Refuses a key that is too long.
    pub(super) fn check_size(&self, stored: &Packed<'_>, plain_bytes: usize) -> Result<()> {
        if stored.bytes().len() <= bp::ENTRY_BYTES_MAX {
            return Ok(());
        }
        // PostgreSQL's tuple has a header of 8 bytes and a length of 4 instead of column and category.
        // It compresses only what becomes a quarter shorter.
        let packed_bytes = stored.bytes().len();
        let bytes = if packed_bytes <= plain_bytes - plain_bytes / 4 { packed_bytes } else { plain_bytes };
        let size = (bytes + 10).next_multiple_of(8).max(TUPLE_BYTES_MAX + 8);
        if size > INDEX_ROW_BYTES_MAX {
            return Err(err!(
                PROGRAM_LIMIT_EXCEEDED,
                "index row requires {size} bytes, maximum size is {INDEX_ROW_BYTES_MAX}"
            ));
        }
        Err(err!(
            PROGRAM_LIMIT_EXCEEDED,
            "index row size {size} exceeds maximum {TUPLE_BYTES_MAX} for index \"{}\"",
            self.name()
        ))
    }

    /// Adds to the tree, in the order of keys. `txn`: whose writes these are; none if they have been checked for conflicts already.
    pub(super) fn insert_in_tree(&self, txn: Option<&Transaction>, list: &[Addition<'_>]) -> Result<()> {
        let (mut at, mut done) = (0, 0);
        while let Some(first) = list.get(at) {
            let target = Target::new(first.key, ord::of(unpack(first.tids[done])));
            let page = self.tree.descend_write(&target, 0)?;
            if let Some(txn) = txn {
                txn.check_entry(self.rel(), page.id().block)?;
            }
            self.insert_on_leaf(page, list, &mut at, &mut done)?;
        }
        Ok(())
    }

    /// Adds to a leaf what belongs there from `list[at].tids[done]` on, at least that one; moves both on.
    fn insert_on_leaf<'a>(
        &'a self,
        mut page: PageMut<'a>,
        list: &[Addition<'_>],
        at: &mut usize,
        done: &mut usize,
    ) -> Result<()> {
        let mut splices: Vec<Splice> = Vec::new();
        let mut room = bp::free(page.bytes());
        while let Some(Addition { key, tids }) = list.get(*at) {
            let rest = &tids[*done..];
            let p: &[u8] = page.bytes();
            let mut count = belonging(p, key, &rest[..rest.len().min(STEP)]);
            if count == 0 {
                break;
            }
            let stored = Packed::key(key);
            let change = loop {
                let change = plan(p, key, &stored.as_key(), &rest[..count]);
                let growth = change.as_ref().map_or(0, |s| s.growth(p).max(0) as usize);
                if growth <= room {
                    room -= growth;
                    break change;
                }
                if !splices.is_empty() {
                    // Next time round, with all the page's space.
                    return self.tree.log_splices(&mut page, &splices, None);
                }
                if growth <= GROWTH_MAX || count == 1 {
                    *done += count;
                    advance(list, at, done);
                    let Some(change) = change else { return Ok(()) };
                    return self.tree.change_or_split(page, change, None);
                }
                count /= 2;
            };
            splices.extend(change);
            *done += count;
            // The page as it is now has been planned on: of one key no more can come.
            if !advance(list, at, done) {
                break;
            }
        }
        if splices.is_empty() {
            return Ok(());
        }
        self.tree.log_splices(&mut page, &splices, None)
    }
}

/// PostgreSQL's longest entry tuple.
const TUPLE_BYTES_MAX: usize = 2712;
/// What PostgreSQL's index tuples can say of their length.
const INDEX_ROW_BYTES_MAX: usize = 8191;

/// Goes on to the next key if this one's tids are done; whether it did.
fn advance(list: &[Addition<'_>], at: &mut usize, done: &mut usize) -> bool {
    let over = list[*at].tids.len() == *done;
    if over {
        *at += 1;
        *done = 0;
    }
    over
}

/// How many of the tids belong on the page, which no entry before the first one's place belongs behind.
fn belonging(p: &[u8], key: &[u8], tids: &[u64]) -> usize {
    let beyond = |t: &u64| bp::is_beyond(p, &Target::new(key, ord::of(unpack(*t))), false);
    match tids {
        [.., last] if !beyond(last) => tids.len(),
        _ => tids.partition_point(|t| !beyond(t)),
    }
}

/// How the tids get into the leaf: into the lists that they are between, or into new ones. None: all are there.
fn plan(p: &[u8], plain: &[u8], key: &Key<'_>, new: &[u64]) -> Option<Splice> {
    let (first, last) = (unpack(new[0]), unpack(*new.last()?));
    let goal = list_goal(key.bytes().len(), LIST_BYTES);
    let count = bp::slot_count(p);
    let mut from = bp::lower_bound_leaf(p, &Target::new(plain, ord::of(first)));
    let is_mine = |slot: usize| bp::item(p, slot).key().is(plain);
    let has_room = |slot: usize| bp::item(p, slot).bytes().len() + 16 < goal;
    let mut to = from;
    while to < count && is_mine(to) && bp::item(p, to).first_tid() <= last {
        to += 1;
    }
    let last_list = !(to < count && is_mine(to));
    if from == to {
        // Between two lists, or beside one: better in one that has room than on their own.
        if from > bp::first_data(p) && is_mine(from - 1) && has_room(from - 1) {
            from -= 1;
        } else if !last_list && has_room(to) {
            to += 1;
        }
    }
    let old: Vec<u64> = (from..to).flat_map(|slot| bp::item(p, slot).tids()).map(pack).collect();
    let appended = last_list && old.last().is_none_or(|t| *t < new[0]);
    let all = merge(&old, new);
    if all.len() == old.len() {
        return None;
    }
    let items = lists(key, &all, goal, !appended);
    Some(Splice { at: from, remove: to - from, items })
}

/// Bytes that a list with such a key is to have at most.
pub(super) fn list_goal(key_bytes: usize, bytes: usize) -> usize {
    bytes.max(key_bytes + TIDS_BYTES_MIN).min(LIST_BYTES_MAX)
}

/// Two rising lists as one.
fn merge(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                i += 1;
                j += 1;
            }
        }
        out.push(if i > 0 && (j == 0 || a[i - 1] >= b[j - 1]) { a[i - 1] } else { b[j - 1] });
    }
    out.extend_from_slice(&a[i..]);
    out.extend_from_slice(&b[j..]);
    out
}

/// Makes lists of at most `goal` bytes (a single tid may need more); `even`: of about the same length.
fn lists(key: &Key<'_>, tids: &[u64], goal: usize, even: bool) -> Vec<Vec<u8>> {
    let head = LIST_HEAD + key.bytes().len();
    let total: usize = tids.windows(2).map(|w| varint_len(w[1] - w[0])).sum();
    let room = goal.saturating_sub(head).max(1);
    let room = if even { total.div_ceil(total.div_ceil(room).max(1)) + 8 } else { room };
    let limit = (head + room).min(goal);
    let mut out = Vec::new();
    let (mut from, mut bytes) = (0, head);
    for i in 1..tids.len() {
        let more = varint_len(tids[i] - tids[i - 1]);
        if bytes + more > limit {
            out.push(bp::compressed_item(key, &tids[from..i]));
            (from, bytes) = (i, head);
        } else {
            bytes += more;
        }
    }
    out.push(bp::compressed_item(key, &tids[from..]));
    out
}

/// Gathers one key's rising tids into lists.
pub(super) struct ListWriter {
    tids: Vec<u64>,
    bytes: usize,
    goal: usize,
}

impl ListWriter {
    /// For lists of about so many bytes.
    pub(super) fn new() -> ListWriter {
        ListWriter { tids: Vec::new(), bytes: 0, goal: 0 }
    }

    /// Begins with a key, for lists of about `list_bytes`.
    pub(super) fn begin(&mut self, key: &Key<'_>, list_bytes: usize) {
        self.tids.clear();
        self.goal = list_goal(key.bytes().len(), list_bytes);
        self.bytes = LIST_HEAD + key.bytes().len();
    }

    /// Adds a tid, which is above the last; a list that is full goes to `full`.
    pub(super) fn push(
        &mut self,
        key: &Key<'_>,
        tid: u64,
        full: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if let Some(last) = self.tids.last() {
            let more = varint_len(tid - last);
            if self.bytes + more > self.goal {
                self.finish(key, full)?;
            } else {
                self.bytes += more;
            }
        }
        self.tids.push(tid);
        Ok(())
    }

    /// The last tid added.
    pub(super) fn last(&self) -> Option<u64> {
        self.tids.last().copied()
    }

    /// Hands out what is left of the key's tids.
    pub(super) fn finish(&mut self, key: &Key<'_>, full: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if !self.tids.is_empty() {
            full(&bp::compressed_item(key, &self.tids))?;
            self.tids.clear();
            self.bytes = LIST_HEAD + key.bytes().len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging() {
        assert_eq!(merge(&[1, 3, 5], &[2, 3, 9]), [1, 2, 3, 5, 9]);
        assert_eq!(merge(&[], &[2]), [2]);
        assert_eq!(merge(&[4], &[]), [4]);
        assert_eq!(merge(&[4, 5], &[1, 2, 3, 5]), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn lists_keep_to_their_length() {
        let tids: Vec<u64> = (0..5000u64).map(|n| n * 300).collect();
        for (bytes, even) in [(1, true), (300, true), (2000, false), (2690, true), (2696, false)] {
            let stored = vec![7; bytes];
            let key = Key::plain(&stored);
            let goal = list_goal(bytes, LIST_BYTES);
            let items = lists(&key, &tids, goal, even);
            let mut back: Vec<u64> = Vec::new();
            for it in &items {
                assert!(it.len() <= LIST_BYTES_MAX, "{} bytes beside {bytes}", it.len());
                back.extend(bp::Item::parse(it, false).expect("an item").tids().map(pack));
            }
            assert_eq!(back, tids);
            let mut writer = ListWriter::new();
            writer.begin(&key, LIST_BYTES);
            let mut written = Vec::new();
            let mut full = |it: &[u8]| {
                written.push(it.to_vec());
                Ok(())
            };
            for t in &tids {
                writer.push(&key, *t, &mut full).expect("written");
            }
            writer.finish(&key, &mut full).expect("written");
            assert!(even || written == items);
        }
    }
}
