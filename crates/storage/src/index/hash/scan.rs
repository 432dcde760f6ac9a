//! Looking up a key: the rows of its code, under the shared latch of the bucket's primary page.
//!
//! While that latch is held nothing of the bucket moves. Afterwards a scan holds nothing: what it found is copied (8 bytes a row). Of a code with very
//! many rows it takes the first ones, by place in the table, and looks again for those behind them when they are used up: wherever splits have brought the
//! entries meanwhile, each comes once.

use super::page::{self as hp, Entry};
use super::{HashIndex, code_of};
use crate::ssi::Xact;
use crate::txn::Snapshot;
use quarry_common::{BlockNo, Lsn, Result, Tid};
use std::sync::Arc;

/// Rows that a scan takes at once, of twice as many that it may gather.
const ROWS_MAX: usize = 16_384;

/// A page that entries were found on, and its LSN then: unchanged, its entries still lead to the same rows.
#[derive(Clone, Copy)]
struct Seen {
    block: BlockNo,
    lsn: Lsn,
    /// Where its entries begin among those found.
    from: usize,
}

/// A scan in progress. Holds no latch or pin between calls.
pub struct HashScan {
    index: HashIndex,
    code: u64,
    /// The SERIALIZABLE transaction that reads: it locks the bucket.
    reader: Option<Arc<Xact>>,
    found: Vec<Tid>,
    seen: Vec<Seen>,
    at: usize,
    started: bool,
    /// There are rows above the last one found.
    more: bool,
    rows_max: usize,
    /// Places in `found` whose rows are dead.
    dead: Vec<usize>,
    pages_read: BlockNo,
}

impl HashScan {
    pub(super) fn new(index: HashIndex, key: &[u8]) -> HashScan {
        HashScan {
            index,
            code: code_of(key),
            reader: None,
            found: Vec::new(),
            seen: Vec::new(),
            at: 0,
            started: false,
            more: false,
            rows_max: ROWS_MAX,
            dead: Vec::new(),
            pages_read: 0,
        }
    }

    /// As if so many rows were very many (for tests).
    pub fn taking(mut self, rows_max: usize) -> HashScan {
        self.rows_max = rows_max.max(1);
        self
    }

    /// The scan is made to read rows under `snap`: what it finds, and where it finds nothing, may count for serializability.
    pub fn read_by(mut self, snap: &Snapshot) -> HashScan {
        self.reader = snap.reader().cloned();
        self
    }

    /// Begins again with another key, keeping buffers.
    pub fn restart(&mut self, key: &[u8]) {
        self.flush_dead();
        self.code = code_of(key);
        self.found.clear();
        self.seen.clear();
        self.at = 0;
        self.started = false;
        self.more = false;
    }

    /// The next entry's row. Its key may be another one with the same code.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Tid>> {
        self.fill()?;
        let tid = self.found.get(self.at).copied();
        self.at += tid.is_some() as usize;
        Ok(tid)
    }

    /// Appends the rows of up to `max` entries; gives how many.
    pub fn next_batch(&mut self, tids: &mut Vec<Tid>, max: usize) -> Result<usize> {
        self.fill()?;
        let n = max.min(self.found.len() - self.at);
        tids.extend_from_slice(&self.found[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }

    /// Notes that the row of the last entry given is dead to every snapshot: later scans skip the entry.
    pub fn kill_last(&mut self) {
        if self.at > 0 {
            self.dead.push(self.at - 1);
        }
    }

    /// Pages read so far.
    pub fn pages_read(&self) -> BlockNo {
        self.pages_read
    }

    /// Has rows at hand, if there are any left.
    #[inline]
    fn fill(&mut self) -> Result<()> {
        if self.at < self.found.len() || (self.started && !self.more) {
            return Ok(());
        }
        self.read()
    }

    fn read(&mut self) -> Result<()> {
        let above = self.found.last().copied().filter(|_| self.more);
        self.flush_dead();
        self.found.clear();
        self.seen.clear();
        (self.at, self.started, self.more) = (0, true, false);
        let HashScan { index, code, reader, found, seen, pages_read, more, rows_max, .. } = self;
        index.look_up(reader.as_ref(), *code, &mut |p, block, lsn| {
            *pages_read = pages_read.wrapping_add(1);
            let from = found.len();
            collect(p, *code, above, found);
            if found.len() > from {
                seen.push(Seen { block, lsn, from });
            }
            if found.len() > *rows_max * 2 {
                found.select_nth_unstable(*rows_max - 1);
                found.truncate(*rows_max);
                *more = true;
            }
        })?;
        if *more {
            found.sort_unstable();
            found.truncate(*rows_max);
            // Which page an entry is on is no longer known.
            seen.clear();
        }
        Ok(())
    }

    /// Leaves the dead hints gathered, on pages that are unchanged and whose latch is free.
    fn flush_dead(&mut self) {
        if self.dead.is_empty() || self.seen.is_empty() {
            self.dead.clear();
            return;
        }
        let index = &self.index;
        for (n, page) in self.seen.iter().enumerate() {
            let end = self.seen.get(n + 1).map_or(self.found.len(), |next| next.from);
            let here = self.dead.iter().filter(|at| (page.from..end).contains(at));
            let mut tids = here.map(|at| self.found[*at]).peekable();
            if tids.peek().is_none() {
                continue;
            }
            let Ok(Some(mut latched)) = index.storage().pool().try_write(index.page_id(page.block)) else {
                continue;
            };
            if latched.lsn() != page.lsn {
                continue;
            }
            let p = latched.bytes_mut();
            for tid in tids {
                let entry = Entry::new(self.code, tid);
                let at = hp::lower_bound(p, hp::depth(p), entry);
                if at < hp::count(p) && hp::entry(p, at) == entry {
                    hp::mark_dead(p, at);
                }
            }
            latched.mark_dirty_hint();
        }
        self.dead.clear();
    }
}

impl Drop for HashScan {
    fn drop(&mut self) {
        self.flush_dead();
    }
}

/// Calls `f` with the rows of a page's entries with this code, those above a place.
#[inline]
fn each(p: &[u8], code: u64, above: Option<Tid>, mut f: impl FnMut(Tid)) {
    let count = hp::count(p);
    let first = above.map_or(Entry::first_of(code), |tid| Entry::new(code, tid));
    let mut at = hp::lower_bound(p, hp::depth(p), first);
    while at < count {
        let entry = hp::entry(p, at);
        if entry.code() != code {
            break;
        }
        if !hp::is_dead(p, at) && above != Some(entry.tid()) {
            f(entry.tid());
        }
        at += 1;
    }
}

/// Appends them.
#[inline]
fn collect(p: &[u8], code: u64, above: Option<Tid>, tids: &mut Vec<Tid>) {
    each(p, code, above, |tid| tids.push(tid));
}

impl HashIndex {
    /// Appends the rows of all entries with this key, and perhaps of others with the same code.
    pub fn lookup(&self, key: &[u8], tids: &mut Vec<Tid>) -> Result<()> {
        let code = code_of(key);
        self.look_up(None, code, &mut |p, _, _| collect(p, code, None, tids))
    }

    /// The same, made to read rows under `snap`.
    pub fn lookup_by(&self, snap: &Snapshot, key: &[u8], tids: &mut Vec<Tid>) -> Result<()> {
        self.each_by(snap, key, &mut |tid| tids.push(tid))
    }

    /// The same, each given to `f`, which must not wait for anything.
    pub fn each_by(&self, snap: &Snapshot, key: &[u8], f: &mut dyn FnMut(Tid)) -> Result<()> {
        let code = code_of(key);
        self.look_up(snap.reader(), code, &mut |p, _, _| each(p, code, None, &mut *f))
    }

    /// Calls `f` with every page that can have entries of the code.
    fn look_up(
        &self,
        reader: Option<&Arc<Xact>>,
        code: u64,
        f: &mut dyn FnMut(&[u8], BlockNo, Lsn),
    ) -> Result<()> {
        let mut page = self.read_bucket(code)?;
        // The latches of both buckets, in their order, for as long as entries may be in either (rule H4).
        let mut source = None;
        if hp::has_flag(page.bytes(), hp::POPULATING) {
            let bucket = hp::bucket(page.bytes());
            drop(page);
            source = Some(self.read_primary(self.source_of(bucket))?);
            page = self.read_primary(bucket)?;
            if !hp::covers(bucket, hp::depth(page.bytes()), code) {
                // It has been split itself meanwhile.
                drop((source, page));
                return self.look_up(reader, code, f);
            }
            if !hp::has_flag(page.bytes(), hp::POPULATING) {
                source = None;
            }
        }
        if let Some(x) = reader {
            self.storage().ssi().read_page(x, self.rel(), page.block());
        }
        for page in source.iter().chain([&page]) {
            f(page.bytes(), page.block(), page.lsn());
            let mut next = hp::next(page.bytes());
            let mut steps = 0;
            while next != 0 {
                let block = self.overflow_block(next, &mut steps)?;
                let overflow = self.storage().pool().read(self.page_id(block))?;
                self.expect_overflow(overflow.bytes(), block)?;
                f(overflow.bytes(), block, overflow.lsn());
                next = hp::next(overflow.bytes());
            }
        }
        Ok(())
    }

    /// Calls `f` with every entry's row. Entries that a split moves meanwhile may come twice; none that was there at the beginning is missed.
    pub fn for_each_tid(&self, f: &mut dyn FnMut(Tid) -> Result<()>) -> Result<()> {
        let mut tids = Vec::new();
        let mut bucket = 0;
        while bucket < self.buckets()? {
            let page = self.read_primary(bucket)?;
            self.walk(page.bytes(), page.block(), &mut |p, _| {
                tids.extend((0..hp::count(p)).filter(|i| !hp::is_dead(p, *i)).map(|i| hp::entry(p, i).tid()));
                Ok(true)
            })?;
            drop(page);
            for tid in tids.drain(..) {
                f(tid)?;
            }
            bucket += 1;
        }
        Ok(())
    }
}
