//! What of a hash join's inner side goes back into memory before its outer side is spread over partitions (DeWitt et al., hybrid hash
//! join; PostgreSQL keeps the rows of the outer side's most common values, `ExecHashBuildSkewHash`).
//!
//! By the time the inner side lies in its partitions, the memory is free again. The first outer rows tell which partitions most of them
//! go to: as many of those as fit are loaded at once, and the outer rows that belong to them are joined as they come, and never written.
//! So a value that many outer rows have costs no file, wherever it comes from. Where no partition fits, the inner rows of the hashes
//! that are most frequent by themselves are loaded: they stay in their files, too, where no outer row will look for them.

use super::partition::{Keys, PARTITIONS, Partition, Spread, pairs, place};
use super::table::hash_keys;
use crate::context::Cx;
use crate::operator::{BoxOperator, dense, pull};
use crate::rows::RowSet;
use quarry_common::Result;
use quarry_types::Batch;
use std::collections::{HashMap, HashSet, VecDeque};

/// Outer rows that are looked at, and the part of the memory that they may take.
const SAMPLE_ROWS: usize = 32 * 1024;
const SAMPLE_SHARE: usize = 8;

/// Part of the memory that is filled, as rows are counted by their average.
const FILLED_SHARE: f64 = 0.9;

/// A hash is frequent from one outer row in so many on.
const FREQUENT: usize = 100;

/// Which outer rows find all their inner rows in memory.
#[derive(Default)]
struct Chosen {
    /// By partition.
    partitions: u32,
    hashes: HashSet<u64>,
}

impl Chosen {
    fn has(&self, hash: u64) -> bool {
        self.partitions >> place(hash, 0) & 1 == 1 || self.hashes.contains(&hash)
    }
}

/// A join's two sides while the outer one is spread.
pub(super) struct Resident {
    chosen: Chosen,
    /// Outer rows read already.
    sample: VecDeque<Batch>,
    inner: Spread,
    outer: Spread,
}

/// What [`Resident::begin`] needs of its join.
pub(super) struct Sides<'s> {
    pub source: &'s mut BoxOperator,
    pub inner: Spread,
    pub outer: Spread,
    pub inner_keys: Keys<'s>,
    pub outer_keys: Keys<'s>,
    /// Bytes that an inner row takes in memory.
    pub row_bytes: f64,
    /// Bytes that inner rows may take.
    pub memory: usize,
    /// Whether inner rows may be left in their files though they are in memory, too.
    pub may_leave: bool,
}

impl Resident {
    /// Looks at the first outer rows, and loads the inner rows for as many of all as possible into `set`.
    pub fn begin(cx: &mut Cx<'_>, sides: Sides<'_>, set: &mut RowSet) -> Result<Resident> {
        let Sides { source, inner, outer, inner_keys, outer_keys, row_bytes, memory, may_leave } = sides;
        let mut sample = VecDeque::new();
        let mut hashes = vec![];
        let mut bytes = 0;
        while hashes.len() < SAMPLE_ROWS && bytes < memory / SAMPLE_SHARE {
            let Some(batch) = pull(source, cx)?.map(dense) else { break };
            cx.check_cancelled()?;
            let values =
                outer_keys.programs.iter().map(|k| k.eval(cx, &batch)).collect::<Result<Vec<_>>>()?;
            hashes.extend(hash_keys(&values, outer_keys.types, batch.rows()));
            bytes += batch.columns.iter().map(|c| c.memory_bytes()).sum::<usize>();
            sample.push_back(batch);
        }
        let mut this = Resident { chosen: Chosen::default(), sample, inner, outer };
        this.choose_partitions(&hashes, memory as f64 * FILLED_SHARE, row_bytes);
        if this.chosen.partitions == 0 && may_leave {
            this.load_frequent(cx, &inner_keys, &hashes, memory / 2, set)?;
        }
        for at in (0..PARTITIONS).filter(|at| this.chosen.partitions >> at & 1 == 1) {
            let file = this.inner.file(at);
            file.rewind()?;
            while let Some(b) = file.next_batch()? {
                cx.check_cancelled()?;
                set.push(&b);
            }
        }
        Ok(this)
    }

    /// Takes the partitions with the most outer rows for each inner row, as long as they fit.
    fn choose_partitions(&mut self, hashes: &[u64], memory: f64, row_bytes: f64) {
        let mut outer_rows = [0usize; PARTITIONS];
        hashes.iter().for_each(|h| outer_rows[place(*h, 0)] += 1);
        let mut ranked: Vec<(f64, usize, f64)> = (0..PARTITIONS)
            .filter(|at| outer_rows[*at] > 0)
            .map(|at| {
                let size = self.inner.file(at).rows() as f64 * row_bytes;
                (outer_rows[at] as f64 / size.max(1.0), at, size)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut left = memory;
        for (_, at, size) in ranked {
            if size <= left {
                left -= size;
                self.chosen.partitions |= 1 << at;
            }
        }
    }

    /// Loads the inner rows of frequent hashes, unless there are too many.
    fn load_frequent(
        &mut self,
        cx: &mut Cx<'_>,
        keys: &Keys<'_>,
        hashes: &[u64],
        memory: usize,
        set: &mut RowSet,
    ) -> Result<()> {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        hashes.iter().for_each(|h| *counts.entry(*h).or_default() += 1);
        let frequent: HashSet<u64> =
            counts.into_iter().filter(|(_, n)| n * FREQUENT >= hashes.len()).map(|(h, _)| h).collect();
        let places: HashSet<usize> = frequent.iter().map(|h| place(*h, 0)).collect();
        for at in places {
            let file = self.inner.file(at);
            file.rewind()?;
            while let Some(b) = file.next_batch()? {
                cx.check_cancelled()?;
                let values = keys.programs.iter().map(|k| k.eval(cx, &b)).collect::<Result<Vec<_>>>()?;
                let own = hash_keys(&values, keys.types, b.rows());
                let found = (0..b.len as u32).filter(|r| frequent.contains(&own[*r as usize])).collect();
                if let Some(b) = crate::operator::select(b, found) {
                    set.push(&b);
                }
                if set.memory_bytes() > memory {
                    set.clear();
                    return Ok(());
                }
            }
        }
        self.chosen.hashes = frequent;
        Ok(())
    }

    /// The next outer rows that are joined at once; the others are written. None at the outer side's end.
    pub fn next(
        &mut self,
        cx: &mut Cx<'_>,
        source: &mut BoxOperator,
        keys: &Keys<'_>,
    ) -> Result<Option<Batch>> {
        loop {
            cx.check_cancelled()?;
            let batch = match self.sample.pop_front() {
                Some(b) => b,
                None => match pull(source, cx)? {
                    Some(b) => b,
                    None => return Ok(None),
                },
            };
            let chosen = &self.chosen;
            let kept = self.outer.push_but(cx, keys, &batch, |hash| chosen.has(hash))?;
            if let Some(b) = crate::operator::select(batch, kept) {
                return Ok(Some(b));
            }
        }
    }

    /// What is left to be joined.
    pub fn rest(self) -> Result<Vec<Partition>> {
        pairs(self.inner, self.outer, self.chosen.partitions)
    }
}
