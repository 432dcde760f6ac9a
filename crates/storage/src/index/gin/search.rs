//! Searching: which rows have the keys that a query asks for (PostgreSQL: ginget.c).
//!
//! A search has scan keys, all of which a row must match; a scan key has entries and a function that says, from which of them a row has, whether
//! it matches. Of a scan key's entries only the rarest are read through: as many as must be known for the function to say no without them (the required
//! ones). Rows come from these; the scan keys' required entries skip ahead to each other's rows, and the frequent entries are only asked
//! about rows that got so far.
//!
//! The pending list is looked through first. Rows found there, matching or not, are left out when they turn up in the tree: they may be on their way there,
//! with some keys only. What is on its way later was added later than the list was read, by a transaction that the search's snapshot doesn't see; what was moved before is in
//! the tree with all its keys.

use super::Gin;
use super::pending::{self, Rows};
use super::row::GinEntry;
use super::stream::{Reading, Stream};
use crate::index::btree::posting::{PACKED_END, pack, unpack};
use crate::ssi::Xact;
use crate::txn::Snapshot;
use quarry_common::{Result, Ternary, Tid};
use std::sync::Arc;

/// Says whether a row matches: gets for each entry whether the row has it.
pub type Consistent = Arc<dyn Fn(&[Ternary]) -> Ternary + Send + Sync>;

/// Rows between two questions whether to go on.
const CHECK_ROWS: u32 = 4096;

/// What a row must have. A row matches if it has one of `entries` or `also` (or the key is exclude-only) and `consistent` doesn't say no.
#[derive(Clone)]
pub struct GinScanKey {
    /// What `consistent` is told of, in this order.
    pub entries: Vec<GinEntry>,
    /// Rows that may match without any of the entries.
    pub also: Vec<GinEntry>,
    /// Every row but those in `unless` may match: `also`, which has them all, is read only if no other scan key gives rows.
    pub exclude_only: bool,
    /// Rows of these never match.
    pub unless: Vec<GinEntry>,
    pub consistent: Consistent,
    /// Exactly the rows with all of `entries` match, and this is `consistent`'s answer then. With such a key there is nothing in `also` and
    /// `unless`.
    pub all: Option<Ternary>,
}

impl GinScanKey {
    /// Whether a row with these keys matches.
    fn test(&self, keys: &[&[u8]], has: &mut Vec<Ternary>) -> Ternary {
        has.clear();
        has.extend(self.entries.iter().map(|e| Ternary::from(e.is_in(keys))));
        let any = |list: &[GinEntry]| list.iter().any(|e| e.is_in(keys));
        let candidate = self.exclude_only || has.contains(&Ternary::True) || any(&self.also);
        if !candidate || any(&self.unless) {
            return Ternary::False;
        }
        (self.consistent)(has)
    }
}

/// Of very many rows only some are wanted (`gin_fuzzy_search_limit`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// About how many, if there may be more.
    pub rows: u64,
    pub seed: u64,
}

/// Chooses rows at random (splitmix64).
struct Choice {
    state: u64,
    /// A row is taken if its number is not above this.
    limit: u64,
}

impl Choice {
    /// All of `rows`, or about as many as the sample wants.
    fn new(sample: Option<Sample>, rows: u64) -> Choice {
        let part = |s: Sample| (s.rows as f64 / rows as f64 * u64::MAX as f64) as u64;
        match sample.filter(|s| s.rows > 0 && rows > s.rows) {
            Some(s) => Choice { state: s.seed, limit: part(s) },
            None => Choice { state: 0, limit: u64::MAX },
        }
    }

    #[inline]
    fn takes(&mut self) -> bool {
        if self.limit == u64::MAX {
            return true;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) <= self.limit
    }
}

/// A question to `consistent`, and its answer.
#[derive(Default)]
struct Asked {
    has: Vec<Ternary>,
    answer: Option<Ternary>,
}

impl Asked {
    fn ask(&mut self, consistent: &Consistent, has: &[Ternary]) -> Ternary {
        match self.answer {
            Some(answer) if self.has == has => answer,
            _ => {
                let answer = consistent(has);
                self.has.clear();
                self.has.extend_from_slice(has);
                self.answer = Some(answer);
                answer
            }
        }
    }
}

/// A scan key while it is read.
struct KeyScan<'k> {
    key: &'k GinScanKey,
    entries: Vec<Stream>,
    /// Numbers of the entries that give rows.
    required: Vec<usize>,
    /// Numbers of those that are only asked about rows.
    additional: Vec<usize>,
    /// Other streams that give rows.
    also: Vec<Stream>,
    unless: Vec<Stream>,
    has: Vec<Ternary>,
    /// The last questions before and after the additional entries were read.
    early: Asked,
    late: Asked,
}

impl<'k> KeyScan<'k> {
    /// Opens an ordinary scan key; none if it can't match.
    fn open(cx: &mut Reading<'_>, key: &'k GinScanKey) -> Result<Option<KeyScan<'k>>> {
        let mut scan = KeyScan::open_entries(cx, key)?;
        let mut order: Vec<usize> = (0..scan.entries.len()).collect();
        order.sort_by_key(|n| scan.entries[*n].estimate());
        // The fewest, rarest entries without which nothing matches.
        let mut has = vec![Ternary::Maybe; order.len()];
        let mut needed = None;
        for (count, n) in order.iter().enumerate() {
            has[*n] = Ternary::False;
            if (key.consistent)(&has) == Ternary::False {
                needed = Some(count + 1);
                break;
            }
        }
        match needed {
            Some(count) => {
                scan.additional = order.split_off(count);
                scan.required = order;
            }
            None => {
                scan.required = order;
                for entry in &key.also {
                    scan.also.push(Stream::open(cx, entry)?);
                }
            }
        }
        Ok((!scan.required.is_empty() || !scan.also.is_empty()).then_some(scan))
    }

    fn open_entries(cx: &mut Reading<'_>, key: &'k GinScanKey) -> Result<KeyScan<'k>> {
        let mut open =
            |list: &[GinEntry]| -> Result<Vec<Stream>> { list.iter().map(|e| Stream::open(cx, e)).collect() };
        Ok(KeyScan {
            entries: open(&key.entries)?,
            required: Vec::new(),
            additional: Vec::new(),
            also: Vec::new(),
            unless: open(&key.unless)?,
            has: vec![Ternary::False; key.entries.len()],
            early: Asked::default(),
            late: Asked::default(),
            key,
        })
    }

    /// Opens an exclude-only scan key, which gives rows itself if `alone`.
    fn open_exclude_only(cx: &mut Reading<'_>, key: &'k GinScanKey, alone: bool) -> Result<KeyScan<'k>> {
        let mut scan = KeyScan::open_entries(cx, key)?;
        scan.additional = (0..scan.entries.len()).collect();
        scan.additional.sort_by_key(|n| scan.entries[*n].estimate());
        if alone {
            for entry in &key.also {
                scan.also.push(Stream::open(cx, entry)?);
            }
        }
        Ok(scan)
    }

    fn gives_rows(&self) -> bool {
        !self.required.is_empty() || !self.also.is_empty()
    }

    /// About how many rows it gives.
    fn estimate(&self) -> u64 {
        let required = self.required.iter().map(|n| self.entries[*n].estimate());
        required.chain(self.also.iter().map(Stream::estimate)).fold(0, u64::saturating_add)
    }

    /// The next row from `to` on that may match.
    fn next(&mut self, cx: &mut Reading<'_>, to: u64) -> Result<u64> {
        let mut least = PACKED_END;
        for n in &self.required {
            least = least.min(self.entries[*n].seek(cx, to)?);
        }
        for stream in &mut self.also {
            least = least.min(stream.seek(cx, to)?);
        }
        Ok(least)
    }

    /// Whether the row matches, which the required entries have been sought up to.
    fn test(&mut self, cx: &mut Reading<'_>, tid: u64) -> Result<Ternary> {
        for n in &self.required {
            self.has[*n] = Ternary::from(self.entries[*n].seek(cx, tid)? == tid);
        }
        if !self.additional.is_empty() {
            for n in &self.additional {
                self.has[*n] = Ternary::Maybe;
            }
            match self.early.ask(&self.key.consistent, &self.has) {
                Ternary::False => return Ok(Ternary::False),
                Ternary::True if self.unless.is_empty() => return Ok(Ternary::True),
                _ => {}
            }
            for n in &self.additional {
                self.has[*n] = Ternary::from(self.entries[*n].seek(cx, tid)? == tid);
            }
        }
        let answer = self.late.ask(&self.key.consistent, &self.has);
        if answer != Ternary::False {
            for stream in &mut self.unless {
                if stream.seek(cx, tid)? == tid {
                    return Ok(Ternary::False);
                }
            }
        }
        Ok(answer)
    }
}

/// What the pending list has.
#[derive(Default)]
struct Pending {
    /// All its rows, in order.
    seen: Vec<u64>,
    seen_at: usize,
    /// Those that match, and whether they are to be rechecked.
    found: Vec<(u64, bool)>,
    found_at: usize,
}

impl Pending {
    fn read(
        gin: &Gin,
        reader: Option<&Arc<Xact>>,
        keys: &[GinScanKey],
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Pending> {
        let mut all = Pending::default();
        let mut has = Vec::new();
        gin.each_pending_page(reader, &mut |_, p| {
            check()?;
            let mut row_keys: Vec<&[u8]> = Vec::new();
            for row in Rows(pending::rows_of(p)) {
                row_keys.clear();
                row_keys.extend(row.keys());
                let mut matches = Ternary::True;
                for key in keys {
                    matches = matches.and(key.test(&row_keys, &mut has));
                    if matches == Ternary::False {
                        break;
                    }
                }
                let tid = pack(row.tid);
                all.seen.push(tid);
                if matches != Ternary::False {
                    all.found.push((tid, matches == Ternary::Maybe));
                }
            }
            Ok(true)
        })?;
        all.seen.sort_unstable();
        all.seen.dedup();
        all.found.sort_unstable();
        all.found.dedup_by_key(|f| f.0);
        Ok(all)
    }

    /// Whether the row was in the list; rows are asked for in order.
    fn had(&mut self, tid: u64) -> bool {
        self.seen_at += self.seen[self.seen_at..].iter().take_while(|t| **t < tid).count();
        self.seen.get(self.seen_at) == Some(&tid)
    }

    /// The next match below `end`.
    fn next_below(&mut self, end: u64) -> Option<(u64, bool)> {
        let next = self.found.get(self.found_at).copied().filter(|f| f.0 < end)?;
        self.found_at += 1;
        Some(next)
    }
}

impl Gin {
    /// Gives every row that matches all scan keys to `emit`, in order and once, with whether the row's value must be looked at to be sure; how many. Of the
    /// rows added while the search runs some are given, some are not. `check` is asked now and then whether to go on.
    pub fn search(
        &self,
        snap: &Snapshot,
        keys: &[GinScanKey],
        memory_bytes: usize,
        check: &mut dyn FnMut() -> Result<()>,
        emit: &mut dyn FnMut(Tid, bool) -> Result<()>,
    ) -> Result<u64> {
        self.search_some(snap, keys, memory_bytes, None, check, emit)
    }

    /// The same; of the rows of lists that are longer than a limit only some, chosen at random.
    pub fn search_some(
        &self,
        snap: &Snapshot,
        keys: &[GinScanKey],
        memory_bytes: usize,
        sample: Option<Sample>,
        check: &mut dyn FnMut() -> Result<()>,
        emit: &mut dyn FnMut(Tid, bool) -> Result<()>,
    ) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        let mut pending = Pending::read(self, snap.reader(), keys, check)?;
        let mut cx = Reading { gin: self, reader: snap.reader(), memory_bytes, check };
        let mut count = 0;
        let mut give = |tid: u64, recheck: bool| {
            count += 1;
            emit(unpack(tid), recheck)
        };
        let all = keys.iter().map(|k| k.all).try_fold(Ternary::True, |a, b| Some(a.and(b?)));
        if let Some(answer) = all {
            let recheck = answer == Ternary::Maybe;
            intersect(&mut cx, keys, sample, &mut |tid| {
                if !pending.had(tid) {
                    while let Some((earlier, recheck)) = pending.next_below(tid) {
                        give(earlier, recheck)?;
                    }
                    give(tid, recheck)?;
                }
                Ok(())
            })?;
        } else if let Some(mut scans) = open_all(&mut cx, keys)? {
            let mut at = 0;
            let mut rows = 0u32;
            let least = scans.iter().filter(|s| s.gives_rows()).map(KeyScan::estimate).min();
            let mut choice = Choice::new(sample, least.unwrap_or(0));
            while let Some(tid) = next_common(&mut scans, &mut cx, at)? {
                rows = rows.wrapping_add(1);
                if rows.is_multiple_of(CHECK_ROWS) {
                    (cx.check)()?;
                }
                at = tid + 1;
                if !choice.takes() {
                    continue;
                }
                let mut matches = Ternary::True;
                for scan in &mut scans {
                    matches = matches.and(scan.test(&mut cx, tid)?);
                    if matches == Ternary::False {
                        break;
                    }
                }
                if matches != Ternary::False && !pending.had(tid) {
                    while let Some((earlier, recheck)) = pending.next_below(tid) {
                        give(earlier, recheck)?;
                    }
                    give(tid, matches == Ternary::Maybe)?;
                }
            }
        }
        while let Some((tid, recheck)) = pending.next_below(PACKED_END) {
            give(tid, recheck)?;
        }
        Ok(count)
    }
}

/// Gives the rows that have all entries of all scan keys, in order.
fn intersect(
    cx: &mut Reading<'_>,
    keys: &[GinScanKey],
    sample: Option<Sample>,
    give: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let mut streams = Vec::with_capacity(keys.iter().map(|k| k.entries.len()).sum());
    for entry in keys.iter().flat_map(|k| &k.entries) {
        let stream = Stream::open(cx, entry)?;
        if stream.estimate() == 0 {
            return Ok(());
        }
        streams.push(stream);
    }
    streams.sort_by_key(Stream::estimate);
    let Some((rarest, others)) = streams.split_first_mut() else { return Ok(()) };
    let mut choice = Choice::new(sample, rarest.estimate());
    let (mut at, mut rows) = (0, 0u32);
    loop {
        let tid = rarest.seek(cx, at)?;
        if tid == PACKED_END {
            return Ok(());
        }
        rows = rows.wrapping_add(1);
        if rows.is_multiple_of(CHECK_ROWS) {
            (cx.check)()?;
        }
        // Where the first list that lacks the row goes on, the rarest may go on too.
        at = tid + 1;
        let mut everywhere = true;
        for other in others.iter_mut() {
            let next = other.seek(cx, tid)?;
            if next != tid {
                (at, everywhere) = (next, false);
                break;
            }
        }
        if everywhere {
            if choice.takes() {
                give(tid)?;
            }
        } else if at == PACKED_END {
            return Ok(());
        }
    }
}

/// Opens the scan keys, those with the fewest rows first; none if there is one that can't match.
fn open_all<'k>(cx: &mut Reading<'_>, keys: &'k [GinScanKey]) -> Result<Option<Vec<KeyScan<'k>>>> {
    let mut scans = Vec::with_capacity(keys.len());
    for key in keys.iter().filter(|k| !k.exclude_only) {
        match KeyScan::open(cx, key)? {
            Some(scan) => scans.push(scan),
            None => return Ok(None),
        }
    }
    scans.sort_by_key(KeyScan::estimate);
    for key in keys.iter().filter(|k| k.exclude_only) {
        let alone = !scans.iter().any(KeyScan::gives_rows);
        scans.push(KeyScan::open_exclude_only(cx, key, alone)?);
    }
    Ok(scans.iter().any(KeyScan::gives_rows).then_some(scans))
}

/// The first row from `at` on that every scan key gives that gives any.
fn next_common(scans: &mut [KeyScan<'_>], cx: &mut Reading<'_>, mut at: u64) -> Result<Option<u64>> {
    loop {
        let from = at;
        for scan in scans.iter_mut().filter(|s| s.gives_rows()) {
            at = scan.next(cx, at)?;
            if at == PACKED_END {
                return Ok(None);
            }
        }
        // One pass that moved nothing: all are at the same row. The first one's own step may be the only one.
        if at == from || scans.iter().filter(|s| s.gives_rows()).count() == 1 {
            return Ok(Some(at));
        }
    }
}
