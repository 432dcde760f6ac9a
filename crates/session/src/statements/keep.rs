//! Sums over an orderly stop (`pg_stat_statements.save`): one file, written at the end, read and removed at the start. If it isn't there or
//! is damaged, counting begins anew.
//!
//! | size | content |
//! | --- | --- |
//! | 8 | [`MAGIC`] |
//! | 4 | CRC-32 of what follows |
//! | 16 | times entries were dropped; when everything was last reset |
//! | 17 + 8 [`WORDS`] + 4 + n | user, database, query, whether it is a client's; the entry's words; its text |

use super::table::{Entry, Key, StatementStats, Times};
use quarry_common::usage::Usage;
use quarry_common::{Oid, Result};
use quarry_storage::disk::Disk;

const FILE: &str = "statement_statistics";
const MAGIC: u64 = u64::from_le_bytes(*b"quarrysq");
/// Numbers of an entry: of each [`Times`] 5, its rows and weight, and its usage.
const WORDS: usize = 29;

impl Times {
    fn words(&self) -> [u64; 5] {
        let bits = f64::to_bits;
        [self.count, bits(self.total), bits(self.min), bits(self.max), bits(self.squares)]
    }
    fn of_words(w: &[u64]) -> Times {
        let number = |i: usize| f64::from_bits(w[i]);
        Times { count: w[0], total: number(1), min: number(2), max: number(3), squares: number(4) }
    }
}

/// Pages of tables and of temporary tables, as they are shown and kept.
pub(super) fn page_counts(u: &Usage) -> [u64; 8] {
    [
        u.shared_hit,
        u.shared_read,
        u.shared_dirtied,
        u.shared_written,
        u.local_hit,
        u.local_read,
        u.local_dirtied,
        u.local_written,
    ]
}

fn words(e: &Entry) -> [u64; WORDS] {
    let u = &e.used;
    let mut out = [0; WORDS];
    out[..5].copy_from_slice(&e.plans.words());
    out[5..10].copy_from_slice(&e.runs.words());
    out[10] = e.rows;
    out[11] = e.weight.to_bits();
    out[12..20].copy_from_slice(&page_counts(u));
    out[20..].copy_from_slice(&[
        u.temp_read,
        u.temp_written,
        u.read_ns,
        u.write_ns,
        u.temp_read_ns,
        u.temp_write_ns,
        u.wal_records,
        u.wal_images,
        u.wal_bytes,
    ]);
    out
}

fn entry(w: &[u64; WORDS], text: &str) -> Entry {
    Entry {
        text: text.into(),
        plans: Times::of_words(&w[..5]),
        runs: Times::of_words(&w[5..10]),
        rows: w[10],
        weight: f64::from_bits(w[11]),
        used: Usage {
            shared_hit: w[12],
            shared_read: w[13],
            shared_dirtied: w[14],
            shared_written: w[15],
            local_hit: w[16],
            local_read: w[17],
            local_dirtied: w[18],
            local_written: w[19],
            temp_read: w[20],
            temp_written: w[21],
            read_ns: w[22],
            write_ns: w[23],
            temp_read_ns: w[24],
            temp_write_ns: w[25],
            wal_records: w[26],
            wal_images: w[27],
            wal_bytes: w[28],
        },
    }
}

impl StatementStats {
    /// Writes all sums.
    pub(crate) fn save(&self, disk: &dyn Disk) -> Result<()> {
        let table = self.table.lock();
        let mut body = table.dropped.to_le_bytes().to_vec();
        body.extend_from_slice(&self.reset_at.lock().to_le_bytes());
        for (key, e) in table.iter() {
            body.extend_from_slice(&key.user.0.to_le_bytes());
            body.extend_from_slice(&key.database.0.to_le_bytes());
            body.extend_from_slice(&key.query.to_le_bytes());
            body.push(u8::from(key.top));
            words(e).iter().for_each(|w| body.extend_from_slice(&w.to_le_bytes()));
            let length = u32::try_from(e.text.len()).unwrap_or(0);
            body.extend_from_slice(&length.to_le_bytes());
            body.extend_from_slice(&e.text.as_bytes()[..length as usize]);
        }
        drop(table);
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

    /// What the last run has saved, if `wanted`; the file is removed. A file that can't be read is as good as none.
    pub(crate) fn load(disk: &dyn Disk, wanted: bool) -> StatementStats {
        let read = || -> Result<Option<Vec<u8>>> {
            let Some(file) = disk.open(FILE, false)? else { return Ok(None) };
            let mut bytes = vec![0; file.len()? as usize];
            let read = file.read_at(&mut bytes, 0)?;
            bytes.truncate(read);
            drop(file);
            disk.remove(FILE)?;
            Ok(Some(bytes))
        };
        match read() {
            Ok(Some(bytes)) if wanted => restored(&bytes).unwrap_or_else(|| {
                tracing::warn!("{FILE} is damaged: statements are counted anew");
                StatementStats::default()
            }),
            Ok(_) => StatementStats::default(),
            Err(e) => {
                tracing::warn!("{FILE} could not be read: {}", e.message());
                StatementStats::default()
            }
        }
    }
}

/// Takes a number off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn restored(mut bytes: &[u8]) -> Option<StatementStats> {
    let rest = &mut bytes;
    let magic = u64::from_le_bytes(take(rest)?);
    let crc = u32::from_le_bytes(take(rest)?);
    if magic != MAGIC || crc != crc32fast::hash(rest) {
        return None;
    }
    let stats = StatementStats::default();
    {
        let mut table = stats.table.lock();
        table.dropped = i64::from_le_bytes(take(rest)?);
        *stats.reset_at.lock() = i64::from_le_bytes(take(rest)?);
        while !rest.is_empty() {
            let key = Key {
                user: Oid(u32::from_le_bytes(take(rest)?)),
                database: Oid(u32::from_le_bytes(take(rest)?)),
                query: i64::from_le_bytes(take(rest)?),
                top: take::<1>(rest)?[0] != 0,
            };
            let mut numbers = [0; WORDS];
            for n in &mut numbers {
                *n = u64::from_le_bytes(take(rest)?);
            }
            let length = u32::from_le_bytes(take(rest)?);
            let (text, after) = rest.split_at_checked(length as usize)?;
            *rest = after;
            table.insert(key, entry(&numbers, std::str::from_utf8(text).ok()?));
        }
    }
    Some(stats)
}

#[cfg(test)]
mod tests {
    use super::super::table::Spell;
    use super::*;
    use quarry_storage::disk::FaultDisk;

    #[test]
    fn sums_come_back_once() {
        let disk = FaultDisk::new();
        let stats = StatementStats::default();
        let key = Key { user: Oid(10), database: Oid(5), query: -7, top: false };
        let used = Usage { wal_bytes: 9, temp_read_ns: 3, shared_hit: 1, ..Usage::default() };
        for (ms, planned) in [(0.5, true), (2.25, false), (3.5, false)] {
            let spell = Spell { ms, rows: 4, used: &used, planned };
            stats.table.lock().add(key, 100, || "select $1 -- é".into(), &spell);
        }
        stats.table.lock().dropped = 3;
        stats.save(&disk).unwrap();
        let back = StatementStats::load(&disk, true);
        assert_eq!(back.table.lock().get(&key), stats.table.lock().get(&key));
        assert_eq!(back.table.lock().dropped, 3);
        assert_eq!(*back.reset_at.lock(), *stats.reset_at.lock());
        assert!(StatementStats::load(&disk, true).table.lock().is_empty(), "the file is gone");
        stats.save(&disk).unwrap();
        let file = disk.open(FILE, false).unwrap().unwrap();
        file.write_at(b"x", 40).unwrap();
        assert!(StatementStats::load(&disk, true).table.lock().is_empty(), "damaged");
    }
}
