//! Commit and abort records.
//!
//! Payload of both: i64 time (microseconds since the Unix epoch) | u32 n, n × u64 subtransaction ids | u32 n,
//! n × (u32 db, u32 rel) relations to remove | u32 n, n × u32 databases to remove; where all lists are empty, which is nearly always, the time
//! alone. `CHILDREN` carries only ids: those that didn't fit the commit record, of the transaction that the record belongs to.

use super::prepared_record::take_lock;
use crate::ids::RelId;
use crate::recovery::Redo;
use crate::wal::record::{Record, RecordKind};
use quarry_common::{Error, Oid, Result, Xid};

pub const COMMIT: u8 = 0;
pub const ABORT: u8 = 1;
pub const CHILDREN: u8 = 2;
/// A prepared transaction's state, or a part of it; again at each checkpoint.
pub const PREPARE: u8 = 3;
/// A prepared transaction shares one more row.
pub const PREPARED_LOCK: u8 = 4;

/// Subtransaction ids in one record.
pub const CHILDREN_MAX: usize = 10_000;

/// A decoded commit or abort.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EndRecord {
    pub time_us: i64,
    pub children: Vec<Xid>,
    pub relations: Vec<RelId>,
    pub databases: Vec<Oid>,
}

/// Reads little-endian numbers off a payload.
pub(crate) struct Cursor<'a>(pub &'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.0.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.0 = rest;
                Ok(*head)
            }
            None => Err(Error::corrupted("WAL record is too short")),
        }
    }
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.take::<1>()?[0])
    }
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take()?))
    }
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take()?))
    }
    pub fn rel(&mut self) -> Result<RelId> {
        Ok(RelId::new(Oid(self.u32()?), self.u32()?))
    }
    /// A counted list.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.u32()?;
        (0..count).map(|_| item(self)).collect()
    }
}

impl EndRecord {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(20 + 8 * (self.children.len() + self.relations.len()));
        out.extend_from_slice(&self.time_us.to_le_bytes());
        if self.children.is_empty() && self.relations.is_empty() && self.databases.is_empty() {
            return out;
        }
        out.extend_from_slice(&(self.children.len() as u32).to_le_bytes());
        for xid in &self.children {
            out.extend_from_slice(&xid.0.to_le_bytes());
        }
        out.extend_from_slice(&(self.relations.len() as u32).to_le_bytes());
        for rel in &self.relations {
            out.extend_from_slice(&rel.db.0.to_le_bytes());
            out.extend_from_slice(&rel.rel.to_le_bytes());
        }
        out.extend_from_slice(&(self.databases.len() as u32).to_le_bytes());
        for db in &self.databases {
            out.extend_from_slice(&db.0.to_le_bytes());
        }
        out
    }

    pub fn decode(payload: &[u8]) -> Result<EndRecord> {
        let mut cursor = Cursor(payload);
        let time_us = cursor.u64()? as i64;
        if cursor.0.is_empty() {
            return Ok(EndRecord { time_us, ..EndRecord::default() });
        }
        Ok(EndRecord {
            time_us,
            children: cursor.list(|c| Ok(Xid(c.u64()?)))?,
            relations: cursor.list(Cursor::rel)?,
            databases: cursor.list(|c| Ok(Oid(c.u32()?)))?,
        })
    }
}

/// Whether redo of the record removes files.
pub fn removes_files(kind: RecordKind, payload: &[u8]) -> bool {
    match kind.op {
        COMMIT | ABORT => {
            EndRecord::decode(payload).is_ok_and(|end| !end.relations.is_empty() || !end.databases.is_empty())
        }
        _ => false,
    }
}

/// Redo of all of them.
pub fn redo(redo: &mut Redo<'_>, record: &Record) -> Result<()> {
    match record.kind.op {
        COMMIT => {
            let end = EndRecord::decode(record.payload())?;
            let mut earlier = redo.children.remove(&record.xid).unwrap_or_default();
            earlier.extend(redo.prepared.end(record.xid));
            for xid in earlier.iter().chain(&end.children).chain([&record.xid]) {
                redo.seen_xid(*xid);
                redo.txns.clog().set_committed(*xid, record.end)?;
            }
            redo.remove(&end.relations, &end.databases)
        }
        ABORT => {
            let end = EndRecord::decode(record.payload())?;
            redo.children.remove(&record.xid);
            redo.prepared.end(record.xid);
            for xid in end.children.iter().chain([&record.xid]) {
                redo.seen_xid(*xid);
                redo.txns.clog().set_aborted(*xid)?;
            }
            redo.remove(&end.relations, &end.databases)
        }
        CHILDREN => {
            let children = Cursor(record.payload()).list(|c| Ok(Xid(c.u64()?)))?;
            redo.children.entry(record.xid).or_default().extend(children);
            Ok(())
        }
        PREPARE => {
            if let Some(state) = redo.prepared.add_part(record.xid, record.payload())? {
                state.children.iter().for_each(|xid| redo.seen_xid(*xid));
                redo.prepared.insert(state);
            }
            Ok(())
        }
        PREPARED_LOCK => {
            let lock = take_lock(&mut Cursor(record.payload()))?;
            redo.prepared.add_lock(record.xid, lock);
            Ok(())
        }
        op => Err(Error::corrupted(format!("unknown transaction record {op}"))),
    }
}

pub fn describe(op: u8, payload: &[u8]) -> String {
    match (op, EndRecord::decode(payload)) {
        (COMMIT, Ok(end)) => {
            format!("COMMIT subxacts: {}; drops: {:?} {:?}", end.children.len(), end.relations, end.databases)
        }
        (ABORT, Ok(end)) => {
            format!("ABORT subxacts: {}; drops: {:?} {:?}", end.children.len(), end.relations, end.databases)
        }
        (PREPARE, _) => format!("PREPARE, {} bytes", payload.len()),
        (PREPARED_LOCK, _) => "PREPARED LOCK".to_string(),
        _ => format!("op {op}, {} bytes", payload.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let end = EndRecord {
            time_us: -5,
            children: vec![Xid(7), Xid(9)],
            relations: vec![RelId::new(Oid(5), 16384)],
            databases: vec![Oid(77)],
        };
        let bytes = end.encode();
        assert_eq!(EndRecord::decode(&bytes).unwrap(), end);
        assert!(EndRecord::decode(&bytes[..bytes.len() - 1]).is_err());
        let end = EndRecord { time_us: 5, ..EndRecord::default() };
        assert_eq!(EndRecord::decode(&end.encode()).unwrap(), end);
    }

    /// Subtransactions beyond those that fit the commit record are in records before it: a redo point between them would lose them.
    #[test]
    fn no_redo_point_comes_between_the_records_of_a_commit() {
        use crate::disk::FaultDisk;
        use crate::{Config, IsolationLevel, Storage};
        use std::sync::Arc;
        use std::time::{Duration, Instant};
        let storage = Storage::create(Arc::new(FaultDisk::new()), Config::default()).unwrap();
        let txn = storage.begin(IsolationLevel::ReadCommitted);
        txn.assign_xid();
        for _ in 0..CHILDREN_MAX + 1 {
            let level = txn.savepoint();
            txn.assign_xid();
            txn.release(level);
        }
        std::thread::scope(|scope| {
            // A checkpoint is taking its redo point.
            let redo_point = storage.file_changes().write();
            let before = storage.wal().inserted();
            let commit = scope.spawn(|| txn.commit());
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(50) {
                assert_eq!(storage.wal().inserted(), before, "part of the commit lies before the redo point");
                std::thread::yield_now();
            }
            drop(redo_point);
            commit.join().unwrap().unwrap().unwrap();
        });
    }
}
