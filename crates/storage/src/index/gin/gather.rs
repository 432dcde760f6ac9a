//! Keys with their tids in memory, as a build and the cleaning of the pending list collect them.
//!
//! Tids come by rising blocks, mostly in order. Each key has a stream of differences (zigzag, so that a tid out of order only costs a byte) in a chain of
//! growing slices of one big buffer, as search engines invert documents: adding a tid to a known key copies a byte or two and allocates nothing.

use crate::index::btree::posting::{SLOT_MAX, pack};
use crate::sort::words::RUN_BYTES_LEAST;
use crate::varint::read_varint;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use quarry_common::memory::Reservation;
use quarry_common::{Error, Result, Tid};
use std::hash::BuildHasher;

/// Bytes of a key's first slices; the following have the last's. Multiples of [`UNIT`].
const SLICES: [usize; 8] = [16, 32, 64, 128, 256, 512, 1024, 4096];
/// At the end of a slice: where the next one is, in units.
const LINK: usize = 4;
/// Slices begin at multiples of this.
const UNIT: usize = 8;
/// Slices are numbered with 32 bits.
const BYTES_MAX: usize = 16 << 30;

struct Entry {
    hash: u64,
    key_at: usize,
    key_len: u32,
    first: u64,
    last: u64,
    /// Tids after the first.
    more: u32,
    /// Whether a tid was not above the one before.
    unordered: bool,
    /// Number of the current slice.
    slices: u32,
    head: u32,
    /// Where the stream goes on, and where its current slice's link is.
    at: usize,
    end: usize,
}

/// Keys with their tids.
pub struct Gather {
    table: HashTable<u32>,
    hasher: FixedState,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    streams: Vec<u8>,
    memory_bytes: usize,
    /// Counted by those who ask [`Gather::is_full_or_short`].
    reservation: Reservation,
}

impl Gather {
    /// Empty; is full when it takes about `memory_bytes`.
    pub fn new(memory_bytes: usize) -> Gather {
        Gather {
            table: HashTable::new(),
            hasher: FixedState::default(),
            entries: Vec::new(),
            keys: Vec::new(),
            streams: Vec::new(),
            memory_bytes: memory_bytes.clamp(64 << 10, BYTES_MAX),
            reservation: Reservation::default(),
        }
    }

    fn bytes(&self) -> usize {
        let entries = self.entries.len() * (size_of::<Entry>() + size_of::<u32>() * 2);
        self.keys.len() + self.streams.len() + entries
    }

    /// Whether it has taken what memory it may.
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.memory_bytes
    }

    /// As [`Gather::is_full`], also by what all statements together may hold.
    pub fn is_full_or_short(&mut self) -> bool {
        let bytes = self.bytes();
        bytes >= self.memory_bytes || !self.reservation.may_hold(bytes) && bytes >= RUN_BYTES_LEAST
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.table.clear();
        self.entries.clear();
        self.keys.clear();
        self.streams.clear();
    }

    /// Adds a tid to a key.
    pub fn add(&mut self, key: &[u8], tid: Tid) -> Result<()> {
        if tid.slot > SLOT_MAX {
            return Err(Error::internal(format!("no heap page has a slot {}", tid.slot)));
        }
        let tid = pack(tid);
        let hash = self.hasher.hash_one(key);
        let (entries, keys) = (&self.entries, &self.keys);
        let found = self.table.find(hash, |n| {
            let e = &entries[*n as usize];
            e.hash == hash && &keys[e.key_at..e.key_at + e.key_len as usize] == key
        });
        let Some(n) = found else {
            let n = u32::try_from(self.entries.len())
                .map_err(|_| Error::internal("too many keys are gathered at once"))?;
            self.entries.push(Entry {
                hash,
                key_at: self.keys.len(),
                key_len: key.len() as u32,
                first: tid,
                last: tid,
                more: 0,
                unordered: false,
                slices: 0,
                head: 0,
                at: 0,
                end: 0,
            });
            self.keys.extend_from_slice(key);
            let entries = &self.entries;
            self.table.insert_unique(hash, n, |n| entries[*n as usize].hash);
            return Ok(());
        };
        let e = &mut self.entries[*n as usize];
        let difference = tid.wrapping_sub(e.last) as i64;
        if difference == 0 {
            return Ok(());
        }
        e.unordered |= difference < 0;
        e.last = tid;
        e.more += 1;
        let mut rest = ((difference << 1) ^ (difference >> 63)) as u64;
        loop {
            if e.at == e.end {
                next_slice(&mut self.streams, e);
            }
            self.streams[e.at] = if rest < 0x80 { rest as u8 } else { rest as u8 | 0x80 };
            e.at += 1;
            rest >>= 7;
            if rest == 0 {
                return Ok(());
            }
        }
    }

    /// The numbers of the entries, in the order of keys.
    pub fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<(u64, u32)> = (0..self.entries.len() as u32)
            .map(|n| {
                let mut prefix = [0; 8];
                let key = self.key(n);
                // Columns and categories are few: what is behind them tells more.
                let len = key.len().min(8);
                prefix[..len].copy_from_slice(&key[..len]);
                (u64::from_be_bytes(prefix), n)
            })
            .collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.key(a.1).cmp(self.key(b.1))));
        order.into_iter().map(|(_, n)| n).collect()
    }

    /// An entry's key.
    pub fn key(&self, n: u32) -> &[u8] {
        let e = &self.entries[n as usize];
        &self.keys[e.key_at..e.key_at + e.key_len as usize]
    }

    /// Puts an entry's packed tids, rising, into `out`; `bytes` is a buffer.
    pub fn tids(&self, n: u32, bytes: &mut Vec<u8>, out: &mut Vec<u64>) {
        let e = &self.entries[n as usize];
        out.clear();
        out.push(e.first);
        if e.more == 0 {
            return;
        }
        // The stream in one piece.
        bytes.clear();
        let mut at = e.head as usize * UNIT;
        for number in 0..e.slices as usize {
            let len = SLICES[number.min(SLICES.len() - 1)];
            if number + 1 == e.slices as usize {
                bytes.extend_from_slice(&self.streams[at..e.at]);
                break;
            }
            let link = at + len - LINK;
            bytes.extend_from_slice(&self.streams[at..link]);
            let next: [u8; LINK] = self.streams[link..link + LINK].try_into().expect("four bytes");
            at = u32::from_le_bytes(next) as usize * UNIT;
        }
        let (mut last, mut place) = (e.first, 0);
        for _ in 0..e.more {
            let zigzag = read_varint(bytes, &mut place).expect("as written by add");
            last = last.wrapping_add((zigzag >> 1) ^ (zigzag & 1).wrapping_neg());
            out.push(last);
        }
        if e.unordered {
            out.sort_unstable();
            out.dedup();
        }
    }
}

/// Chains another slice to an entry's stream.
fn next_slice(streams: &mut Vec<u8>, e: &mut Entry) {
    let len = SLICES[(e.slices as usize).min(SLICES.len() - 1)];
    let at = streams.len();
    let unit = (at / UNIT) as u32;
    streams.resize(at + len, 0);
    if e.slices == 0 {
        e.head = unit;
    } else {
        streams[e.end..e.end + LINK].copy_from_slice(&unit.to_le_bytes());
    }
    e.slices += 1;
    e.at = at;
    e.end = at + len - LINK;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn gathers_like_a_map() {
        let mut gather = Gather::new(1 << 20);
        let mut model: BTreeMap<Vec<u8>, BTreeSet<u64>> = BTreeMap::new();
        let mut x = 1u64;
        for row in 0..20_000u32 {
            for _ in 0..3 {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let key = match x >> 62 {
                    0 => b"frequent".to_vec(),
                    1 => format!("{}", (x >> 40) % 50).into_bytes(),
                    _ => format!("key {}", (x >> 40) % 5000).into_bytes(),
                };
                let tid = Tid { block: row / 20, slot: ((x >> 33) % 20 + 1) as u16 };
                gather.add(&key, tid).expect("added");
                model.entry(key).or_default().insert(pack(tid));
            }
        }
        assert!(gather.is_full() || gather.streams.len() < 1 << 20);
        let order = gather.sorted();
        assert_eq!(order.len(), model.len());
        for (n, (key, tids)) in order.iter().zip(&model) {
            assert_eq!(gather.key(*n), key);
            let mut got = Vec::new();
            gather.tids(*n, &mut Vec::new(), &mut got);
            assert!(got.iter().eq(tids), "{key:?}");
        }
        gather.clear();
        assert!(gather.is_empty() && gather.sorted().is_empty());
    }
}
