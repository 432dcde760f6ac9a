//! Counts over an orderly stop: one file, written at the end, read and removed at the start. After a crash it isn't there, or damaged: then counting
//! begins anew (PostgreSQL: pgstat.c, pgstat_write_statsfile).
//!
//! | size | content |
//! | --- | --- |
//! | 8 | [`MAGIC`] |
//! | 4 | CRC-32 of what follows |
//! | 12 + 8 n each | database, file number (0: the database itself; without a database and at the upper end: counts of the server), n, values |

use super::COUNTS;
use crate::{RelId, Storage};
use quarry_common::{Oid, Result};
use std::sync::atomic::Ordering;

const FILE: &str = "statistics";
const MAGIC: u64 = u64::from_le_bytes(*b"quarrys2");
/// Values of one entry at most.
const VALUES_MAX: u32 = 64;

/// Writes all counts.
pub(crate) fn save(storage: &Storage) -> Result<()> {
    let (disk, relations, databases) = (storage.disk(), storage.relation_states(), storage.database_stats());
    let mut body = vec![];
    let mut entry = |db: Oid, number: u32, values: &[i64]| {
        if values.iter().any(|v| *v != 0) {
            for n in [db.0, number, values.len() as u32] {
                body.extend_from_slice(&n.to_le_bytes());
            }
            values.iter().for_each(|v| body.extend_from_slice(&v.to_le_bytes()));
        }
    };
    for (rel, state) in relations.all() {
        entry(rel.db, rel.rel, &state.counters().stored());
    }
    for (db, c) in databases.map.read().iter() {
        let mut values = c.counts.values().to_vec();
        values.push(c.reset_at.load(Ordering::Relaxed));
        entry(*db, 0, &values);
    }
    for (number, counts) in storage.shared_counts() {
        entry(Oid::INVALID, number, &counts.stored());
    }
    let mut bytes = MAGIC.to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    disk.remove(FILE)?;
    if let Some(file) = disk.open(FILE, true)? {
        file.write_at(&bytes, 0)?;
        file.sync()?;
    }
    Ok(())
}

/// Reads the counts of the last run, if it stopped in order (`clean`), and removes the file.
pub(crate) fn load(storage: &Storage, clean: bool) -> Result<()> {
    let disk = storage.disk();
    let Some(file) = disk.open(FILE, false)? else { return Ok(()) };
    let mut bytes = vec![0; file.len()? as usize];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    drop(file);
    disk.remove(FILE)?;
    if clean {
        // Damaged: as if there were none.
        let _ = restore(storage, &bytes);
    }
    Ok(())
}

fn restore(storage: &Storage, bytes: &[u8]) -> Option<()> {
    let (relations, databases) = (storage.relation_states(), storage.database_stats());
    let shared = storage.shared_counts();
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (crc, mut rest) = rest.split_first_chunk::<4>()?;
    if u64::from_le_bytes(*magic) != MAGIC || u32::from_le_bytes(*crc) != crc32fast::hash(rest) {
        return None;
    }
    while let Some((head, tail)) = rest.split_first_chunk::<12>() {
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (db, number, n) = (Oid(word(0)), word(4), word(8));
        if n > VALUES_MAX {
            return None;
        }
        let (values, tail) = tail.split_at_checked(n as usize * 8)?;
        let values: Vec<i64> = values.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
        rest = tail;
        if !db.is_valid()
            && let Some((_, counts)) = shared.iter().find(|(n, _)| *n == number)
        {
            counts.restore(&values);
            continue;
        }
        if number != 0 {
            relations.get(RelId::new(db, number)).counters().restore(&values);
            continue;
        }
        let c = databases.get(db);
        values.iter().take(COUNTS).enumerate().for_each(|(i, v)| c.counts.set(i, *v));
        c.reset_at.store(values.get(COUNTS).copied().unwrap_or(0), Ordering::Relaxed);
    }
    Some(())
}
