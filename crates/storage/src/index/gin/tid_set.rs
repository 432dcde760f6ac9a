//! The rows of all keys of a range, each once and in order: bits per heap page in memory, and sorted runs in a temporary file when they are too many.

use crate::disk::Disk;
use crate::index::btree::posting::{PACKED_END, SLOT_BITS};
use crate::sort::{ExternalSort, SortedRun};
use hashbrown::HashMap;
use quarry_common::{BlockNo, Error, Result};
use std::sync::Arc;

/// Slots that have a bit; others are rare.
const BIT_SLOTS: u64 = 256;
type Bits = [u64; 4];
/// Memory that the sorting of runs gets.
const SORT_BYTES: usize = 1 << 20;

/// Collects packed tids.
pub struct TidSet {
    disk: Arc<dyn Disk>,
    memory_bytes: usize,
    blocks: HashMap<BlockNo, Bits>,
    others: Vec<u64>,
    runs: Option<ExternalSort>,
}

impl TidSet {
    /// Empty; spills when it takes about `memory_bytes`.
    pub fn new(disk: Arc<dyn Disk>, memory_bytes: usize) -> TidSet {
        let memory_bytes = memory_bytes.max(64 << 10);
        TidSet { disk, memory_bytes, blocks: HashMap::new(), others: Vec::new(), runs: None }
    }

    /// Adds rising tids.
    pub fn add(&mut self, tids: &[u64]) -> Result<()> {
        let mut rest = tids;
        while let Some(first) = rest.first() {
            let block = first >> SLOT_BITS;
            let here = rest.partition_point(|t| t >> SLOT_BITS == block);
            let bits = self.blocks.entry(block as BlockNo).or_default();
            for t in &rest[..here] {
                let slot = t & ((1 << SLOT_BITS) - 1);
                match slot < BIT_SLOTS {
                    true => bits[slot as usize / 64] |= 1 << (slot % 64),
                    false => self.others.push(*t),
                }
            }
            rest = &rest[here..];
        }
        let bytes = self.blocks.len() * (size_of::<(BlockNo, Bits)>() + 1) + self.others.len() * 8;
        if bytes > self.memory_bytes {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let mut list = self.take_list();
        let runs = self.runs.get_or_insert_with(|| ExternalSort::new(self.disk.clone(), SORT_BYTES));
        while let Some(t) = list.next() {
            runs.push(&t.to_be_bytes(), &[])?;
        }
        Ok(())
    }

    fn take_list(&mut self) -> BitList {
        let mut blocks: Vec<(BlockNo, Bits)> = self.blocks.drain().collect();
        blocks.sort_unstable_by_key(|b| b.0);
        let mut others = std::mem::take(&mut self.others);
        others.sort_unstable();
        others.dedup();
        BitList { blocks, at: 0, others, other: 0 }
    }

    /// About how many there are.
    pub fn estimate(&self) -> u64 {
        let bits: u64 = self.blocks.values().flatten().map(|w| w.count_ones() as u64).sum();
        match self.runs {
            None => bits + self.others.len() as u64,
            Some(_) => u64::MAX / 2,
        }
    }

    /// All of them, to be read once.
    pub fn finish(mut self) -> Result<TidList> {
        if self.runs.is_some() {
            self.spill()?;
        }
        Ok(match self.runs.take() {
            None => TidList { current: None, source: Source::Memory(self.take_list()) },
            Some(runs) => TidList { current: None, source: Source::Runs(runs.finish()?) },
        })
    }
}

/// Bits and others, in order.
struct BitList {
    blocks: Vec<(BlockNo, Bits)>,
    at: usize,
    others: Vec<u64>,
    other: usize,
}

impl BitList {
    fn next(&mut self) -> Option<u64> {
        let t = self.seek(0)?;
        match self.others.get(self.other) {
            Some(o) if *o == t => self.other += 1,
            _ => {
                let (_, bits) = &mut self.blocks[self.at];
                let slot = t & ((1 << SLOT_BITS) - 1);
                bits[slot as usize / 64] &= !(1 << (slot % 64));
            }
        }
        Some(t)
    }

    /// The first from `to` on; those before it go.
    fn seek(&mut self, to: u64) -> Option<u64> {
        let block = (to >> SLOT_BITS) as BlockNo;
        if self.blocks.get(self.at).is_some_and(|b| b.0 < block) {
            self.at += self.blocks[self.at..].partition_point(|b| b.0 < block);
        }
        if self.others.get(self.other).is_some_and(|o| *o < to) {
            self.other += self.others[self.other..].partition_point(|o| *o < to);
        }
        let mut found = None;
        while let Some((b, bits)) = self.blocks.get_mut(self.at) {
            let base = (*b as u64) << SLOT_BITS;
            if base < to {
                // The page that `to` is in: its earlier slots are done.
                let done = to - base;
                for (n, word) in bits.iter_mut().enumerate() {
                    let from = n as u64 * 64;
                    if done >= from + 64 {
                        *word = 0;
                    } else if done > from {
                        *word &= u64::MAX << (done - from);
                    }
                }
            }
            match bits.iter().position(|w| *w != 0) {
                Some(n) => {
                    found = Some(base | (n as u64 * 64 + bits[n].trailing_zeros() as u64));
                    break;
                }
                None => self.at += 1,
            }
        }
        match (found, self.others.get(self.other).copied()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

enum Source {
    Memory(BitList),
    Runs(SortedRun),
}

/// Packed tids in order.
pub struct TidList {
    /// The last one read from runs.
    current: Option<u64>,
    source: Source,
}

impl TidList {
    /// The first from `to` on, which never falls; none at the end.
    pub fn seek(&mut self, to: u64) -> Result<Option<u64>> {
        match &mut self.source {
            Source::Memory(list) => Ok(list.seek(to)),
            Source::Runs(runs) => {
                while self.current.is_none_or(|t| t < to) {
                    let next = match runs.next()? {
                        Some((key, _)) => key
                            .try_into()
                            .map(u64::from_be_bytes)
                            .map_err(|_| Error::corrupted("temporary file is damaged"))?,
                        None => PACKED_END,
                    };
                    self.current = Some(next);
                    if next == PACKED_END {
                        break;
                    }
                }
                Ok(self.current.filter(|t| *t < PACKED_END))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;
    use crate::index::btree::posting::pack;
    use quarry_common::Tid;
    use std::collections::BTreeSet;

    #[test]
    fn sets_are_read_in_order() {
        for (memory, spilled) in [(64 << 10, true), (64 << 20, false)] {
            let mut set = TidSet::new(Arc::new(FaultDisk::new()), memory);
            let mut model = BTreeSet::new();
            let mut x = 7u64;
            for _ in 0..2000 {
                let mut some: Vec<u64> = (0..20)
                    .map(|_| {
                        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        let slot = if (x >> 20).is_multiple_of(50) {
                            300 + (x >> 30) % 1700
                        } else {
                            (x >> 30) % 256
                        };
                        pack(Tid { block: (x >> 50) as u32, slot: slot as u16 })
                    })
                    .collect();
                some.sort_unstable();
                set.add(&some).expect("added");
                model.extend(some);
            }
            assert_eq!(set.runs.is_some(), spilled);
            let mut list = set.finish().expect("finished");
            let mut to = 0;
            for step in 0.. {
                let got = list.seek(to).expect("read");
                assert_eq!(got, model.range(to..).next().copied());
                assert_eq!(list.seek(to).expect("read"), got, "again");
                let Some(got) = got else { break };
                to = got + [1, 1, 1, 40, 5000, 1][step % 6];
            }
        }
    }
}
