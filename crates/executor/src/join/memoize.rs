//! Memoize: an inner side's rows, kept by the values of the outer columns that they depend on. The entry used longest ago goes
//! when memory ends; what doesn't fit by itself is not kept (PostgreSQL: `nodeMemoize.c`).

use crate::build::Builder;
use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, dense, pull};
use hashbrown::HashMap;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_plan::{ColumnId, PhysicalPlan};
use quarry_types::{Batch, Datum};
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct Memoize {
    input: BoxOperator,
    keys: Vec<ColumnId>,
    cache: Cache,
    current: Option<(Arc<Vec<Batch>>, usize)>,
    /// Whether the input must be restarted before it is read.
    stale: bool,
    counts: Counts,
    node: usize,
    reservation: Reservation,
}

#[derive(Default)]
struct Counts {
    hits: u64,
    misses: u64,
    evictions: u64,
    overflows: u64,
    peak: usize,
}

struct Entry {
    rows: Arc<Vec<Batch>>,
    bytes: usize,
    used: u64,
}

/// Entries by key, and their keys by when they were used last.
#[derive(Default)]
struct Cache {
    entries: HashMap<Arc<[u8]>, Entry>,
    by_use: BTreeMap<u64, Arc<[u8]>>,
    clock: u64,
    bytes: usize,
}

impl Cache {
    fn get(&mut self, key: &[u8]) -> Option<Arc<Vec<Batch>>> {
        let entry = self.entries.get_mut(key)?;
        self.clock += 1;
        if let Some(key) = self.by_use.remove(&entry.used) {
            self.by_use.insert(self.clock, key);
        }
        entry.used = self.clock;
        Some(entry.rows.clone())
    }

    /// Keeps an entry, others go until it fits; gives how many.
    fn insert(&mut self, key: Arc<[u8]>, rows: Arc<Vec<Batch>>, bytes: usize, most: usize) -> u64 {
        let mut gone = 0;
        while self.bytes + bytes > most {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            if let Some(old) = self.entries.remove(&oldest) {
                self.bytes -= old.bytes;
                gone += 1;
            }
        }
        self.clock += 1;
        self.by_use.insert(self.clock, key.clone());
        self.entries.insert(key, Entry { rows, bytes, used: self.clock });
        self.bytes += bytes;
        gone
    }
}

pub fn build(
    b: &mut Builder<'_>,
    node: usize,
    input: &PhysicalPlan,
    keys: &[ColumnId],
) -> Result<BoxOperator> {
    // The rows may depend on rows further out as well.
    let mut keys = keys.to_vec();
    for id in crate::correlation::outside_columns(input) {
        if !keys.contains(&id) {
            keys.push(id);
        }
    }
    Ok(Box::new(Memoize {
        input: b.plan(input)?,
        keys,
        cache: Cache::default(),
        current: None,
        stale: false,
        counts: Counts::default(),
        node,
        reservation: Reservation::default(),
    }))
}

/// A byte string that tells datums apart.
pub(crate) fn fingerprint(values: impl Iterator<Item = Datum>) -> Vec<u8> {
    let mut out = Vec::new();
    for v in values {
        match &v {
            Datum::Null => out.push(0),
            v => {
                out.push(1);
                let at = out.len();
                out.extend_from_slice(&[0; 4]);
                quarry_types::stored::write(v, &mut out);
                let n = (out.len() - at - 4) as u32;
                out[at..at + 4].copy_from_slice(&n.to_le_bytes());
            }
        }
    }
    out
}

impl Memoize {
    fn load(&mut self, cx: &mut Cx<'_>) -> Result<Arc<Vec<Batch>>> {
        let key = fingerprint(cx.outer_values(&self.keys));
        if let Some(rows) = self.cache.get(&key) {
            self.counts.hits += 1;
            self.report(cx);
            return Ok(rows);
        }
        self.counts.misses += 1;
        if std::mem::replace(&mut self.stale, true) {
            self.input.rescan(cx)?;
        }
        let mut rows = Vec::new();
        let mut bytes = 2 * key.len() + 160;
        while let Some(b) = pull(&mut self.input, cx)? {
            cx.check_cancelled()?;
            let b = dense(b);
            bytes += b.columns.iter().map(|c| c.memory_bytes()).sum::<usize>() + 64;
            rows.push(b);
        }
        let rows = Arc::new(rows);
        let most = self.reservation.allowance(cx.env.hash_mem_bytes);
        if bytes > most {
            self.counts.overflows += 1;
        } else {
            self.counts.evictions += self.cache.insert(key.into(), rows.clone(), bytes, most);
            self.counts.peak = self.counts.peak.max(self.cache.bytes);
            self.reservation.holds(self.cache.bytes);
        }
        self.report(cx);
        Ok(rows)
    }

    fn report(&self, cx: &mut Cx<'_>) {
        if let Some(s) = cx.rt.stats.get_mut(self.node) {
            let Counts { hits, misses, evictions, overflows, peak } = &self.counts;
            let kb = peak.div_ceil(1024);
            let line = format!(
                "{hits}  Misses: {misses}  Evictions: {evictions}  Overflows: {overflows}  Memory Usage: {kb}kB"
            );
            crate::stats::set(s, "Hits", line);
        }
    }
}

impl Operator for Memoize {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let (rows, at) = match &mut self.current {
            Some(current) => current,
            None => {
                let rows = self.load(cx)?;
                self.current.insert((rows, 0))
            }
        };
        *at += 1;
        Ok(rows.get(*at - 1).cloned())
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.current = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_used_longest_ago_goes_first() {
        let mut c = Cache::default();
        let key = |n: u8| Arc::<[u8]>::from(vec![n]);
        let rows = || Arc::new(vec![]);
        assert_eq!(c.insert(key(1), rows(), 40, 100), 0);
        assert_eq!(c.insert(key(2), rows(), 40, 100), 0);
        assert!(c.get(&[1]).is_some());
        assert_eq!(c.insert(key(3), rows(), 40, 100), 1);
        assert!(c.get(&[2]).is_none());
        assert!(c.get(&[1]).is_some() && c.get(&[3]).is_some());
        assert_eq!(c.insert(key(4), rows(), 100, 100), 2);
        assert_eq!((c.entries.len(), c.by_use.len(), c.bytes), (1, 1, 100));
    }
}
