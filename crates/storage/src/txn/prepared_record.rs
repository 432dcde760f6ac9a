//! What the log holds of a prepared transaction: enough to make it again after a crash.
//!
//! Payload: length-prefixed gid | u32 user | u32 database | i64 time (microseconds since 2000-01-01) | u8 serializable | lists of
//! subtransaction ids, created relations, created databases, dropped relations, dropped databases, locks, SIREAD locks. A lock is u8 kind |
//! u8 mode | u32, u32, u64 by kind. The bytes are cut into records of [`PART_BYTES`], each with a byte of flags before it.

use super::wal::{Cursor, PREPARE};
use crate::ids::RelId;
use crate::lock::{LockMode, LockTag, VirtualId};
use crate::ssi::Target;
use crate::wal::Wal;
use crate::wal::record::RecordKind;
use crate::wal::rmgr::XACT;
use quarry_common::{Error, Lsn, Oid, Result, Tid, Xid};

/// Bytes of state in one record.
const PART_BYTES: usize = 256 * 1024;
const FIRST: u8 = 1;
const LAST: u8 = 2;

/// Who prepared what, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedInfo {
    pub gid: String,
    /// The top-level id.
    pub xid: Xid,
    pub user: Oid,
    pub database: Oid,
    /// Microseconds since 2000-01-01 UTC.
    pub prepared_at: i64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedState {
    pub info: PreparedInfo,
    /// It ran at SERIALIZABLE and had something that others can conflict with.
    pub serializable: bool,
    pub children: Vec<Xid>,
    pub created: Vec<RelId>,
    pub created_databases: Vec<Oid>,
    pub dropped: Vec<RelId>,
    pub dropped_databases: Vec<Oid>,
    pub locks: Vec<(LockTag, LockMode)>,
    /// Its SIREAD locks.
    pub reads: Vec<Target>,
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    out.extend_from_slice(&(items.len() as u32).to_le_bytes());
    for item in items {
        put(out, item);
    }
}

fn put_u32(out: &mut Vec<u8>, v: u32) {
    out.extend_from_slice(&v.to_le_bytes());
}

fn put_rel(out: &mut Vec<u8>, rel: &RelId) {
    put_u32(out, rel.db.0);
    put_u32(out, rel.rel);
}

/// A lock's bytes, of fixed length.
pub(crate) fn put_lock(out: &mut Vec<u8>, (tag, mode): &(LockTag, LockMode)) {
    let (kind, a, b, c) = match *tag {
        LockTag::Relation { db, oid } => (0u8, db.0, oid.0, 0),
        LockTag::Extension { rel } => (1, rel.db.0, rel.rel, 0),
        LockTag::Database(db) => (2, db.0, 0, 0),
        LockTag::Object { db, class, oid } => (3, class.0, oid.0, u64::from(db.0)),
        LockTag::Xid(xid) => (4, 0, 0, xid.0),
        LockTag::Row { rel, tid } => (5, rel.db.0, rel.rel, u64::from(tid.block) << 16 | u64::from(tid.slot)),
        LockTag::Advisory { db, key, two_keys } => (6, db.0, u32::from(two_keys), key as u64),
        // Waited for only, never held.
        LockTag::Virtual(id) => (7, id.backend, 0, id.local),
    };
    out.extend_from_slice(&[kind, *mode as u8]);
    put_u32(out, a);
    put_u32(out, b);
    out.extend_from_slice(&c.to_le_bytes());
}

pub(crate) fn take_lock(c: &mut Cursor<'_>) -> Result<(LockTag, LockMode)> {
    let damaged = || Error::corrupted("a lock in a WAL record is damaged");
    let (kind, mode) = (c.u8()?, c.u8()?);
    let (a, b, wide) = (c.u32()?, c.u32()?, c.u64()?);
    let mode = LockMode::ALL.into_iter().find(|m| *m as u8 == mode).ok_or_else(damaged)?;
    let rel = RelId::new(Oid(a), b);
    let tag = match kind {
        0 => LockTag::Relation { db: Oid(a), oid: Oid(b) },
        1 => LockTag::Extension { rel },
        2 => LockTag::Database(Oid(a)),
        3 => LockTag::Object {
            db: Oid(u32::try_from(wide).map_err(|_| damaged())?),
            class: Oid(a),
            oid: Oid(b),
        },
        4 => LockTag::Xid(Xid(wide)),
        5 => LockTag::Row {
            rel,
            tid: Tid {
                block: u32::try_from(wide >> 16).map_err(|_| damaged())?,
                slot: (wide & 0xffff) as u16,
            },
        },
        6 => LockTag::Advisory { db: Oid(a), key: wide as i64, two_keys: b != 0 },
        7 => LockTag::Virtual(VirtualId { backend: a, local: wide }),
        _ => return Err(damaged()),
    };
    Ok((tag, mode))
}

/// A SIREAD lock's bytes: the relation, u8 kind, u32 block, u16 slot.
fn put_read(out: &mut Vec<u8>, read: &Target) {
    put_rel(out, &read.rel);
    out.push(match (read.block(), read.slot()) {
        (None, _) => 0,
        (Some(_), None) => 1,
        (Some(_), Some(_)) => 2,
    });
    put_u32(out, read.block().unwrap_or(0));
    out.extend_from_slice(&read.slot().unwrap_or(0).to_le_bytes());
}

fn take_read(c: &mut Cursor<'_>) -> Result<Target> {
    let (rel, kind, block) = (c.rel()?, c.u8()?, c.u32()?);
    let slot = u16::from_le_bytes([c.u8()?, c.u8()?]);
    match kind {
        0 => Ok(Target::relation(rel)),
        1 => Ok(Target::page(rel, block)),
        2 => Ok(Target::tuple(rel, Tid { block, slot })),
        _ => Err(Error::corrupted("a lock in a WAL record is damaged")),
    }
}

impl PreparedState {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![];
        put_list(&mut out, self.info.gid.as_bytes(), |out, b| out.push(*b));
        put_u32(&mut out, self.info.user.0);
        put_u32(&mut out, self.info.database.0);
        out.extend_from_slice(&self.info.prepared_at.to_le_bytes());
        out.push(self.serializable as u8);
        put_list(&mut out, &self.children, |out, xid| out.extend_from_slice(&xid.0.to_le_bytes()));
        put_list(&mut out, &self.created, put_rel);
        put_list(&mut out, &self.created_databases, |out, db| put_u32(out, db.0));
        put_list(&mut out, &self.dropped, put_rel);
        put_list(&mut out, &self.dropped_databases, |out, db| put_u32(out, db.0));
        put_list(&mut out, &self.locks, put_lock);
        put_list(&mut out, &self.reads, put_read);
        out
    }

    pub fn decode(xid: Xid, bytes: &[u8]) -> Result<PreparedState> {
        let mut c = Cursor(bytes);
        let gid = c.list(|c| c.u8())?;
        let gid = String::from_utf8(gid).map_err(|_| Error::corrupted("a transaction's gid is damaged"))?;
        let info = PreparedInfo {
            gid,
            xid,
            user: Oid(c.u32()?),
            database: Oid(c.u32()?),
            prepared_at: c.u64()? as i64,
        };
        Ok(PreparedState {
            info,
            serializable: c.u8()? != 0,
            children: c.list(|c| Ok(Xid(c.u64()?)))?,
            created: c.list(|c| c.rel())?,
            created_databases: c.list(|c| Ok(Oid(c.u32()?)))?,
            dropped: c.list(|c| c.rel())?,
            dropped_databases: c.list(|c| Ok(Oid(c.u32()?)))?,
            locks: c.list(take_lock)?,
            reads: c.list(take_read)?,
        })
    }

    /// Writes it to the log; the end of its last record.
    pub(crate) fn log(&self, wal: &Wal) -> Result<Lsn> {
        let bytes = self.encode();
        let count = bytes.len().div_ceil(PART_BYTES);
        let mut end = Lsn(0);
        for (at, part) in bytes.chunks(PART_BYTES).enumerate() {
            let first = if at == 0 { FIRST } else { 0 };
            let last = if at + 1 == count { LAST } else { 0 };
            let mut payload = vec![first | last];
            payload.extend_from_slice(part);
            end = wal.insert(Some(self.info.xid), RecordKind::new(XACT, PREPARE), &payload)?;
        }
        Ok(end)
    }
}

/// Puts a state together again from its records, which come in order but perhaps mixed with other transactions'.
pub(crate) fn add_part(parts: &mut Vec<u8>, xid: Xid, payload: &[u8]) -> Result<Option<PreparedState>> {
    let Some((flags, bytes)) = payload.split_first() else {
        return Err(Error::corrupted("WAL record is too short"));
    };
    if flags & FIRST != 0 {
        parts.clear();
    }
    parts.extend_from_slice(bytes);
    if flags & LAST == 0 {
        return Ok(None);
    }
    PreparedState::decode(xid, &std::mem::take(parts)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(children: u64) -> PreparedState {
        let rel = RelId::new(Oid(5), 16384);
        let lock = |tag| (tag, LockMode::ShareRowExclusive);
        PreparedState {
            info: PreparedInfo {
                gid: "gíd '1'".into(),
                xid: Xid(77),
                user: Oid(10),
                database: Oid(5),
                prepared_at: -5,
            },
            serializable: true,
            children: (0..children).map(|n| Xid(100 + n)).collect(),
            created: vec![rel],
            created_databases: vec![Oid(9)],
            dropped: vec![RelId::new(Oid(5), 1), rel],
            dropped_databases: vec![Oid(8)],
            locks: vec![
                lock(LockTag::Relation { db: Oid(5), oid: Oid(6) }),
                lock(LockTag::Extension { rel }),
                lock(LockTag::Database(Oid(4))),
                lock(LockTag::Object { db: Oid(5), class: Oid(1), oid: Oid(2) }),
                lock(LockTag::Xid(Xid(u64::MAX))),
                lock(LockTag::Row { rel, tid: Tid { block: u32::MAX - 1, slot: 0x8001 } }),
                (LockTag::Advisory { db: Oid(5), key: -3, two_keys: true }, LockMode::Share),
            ],
            reads: vec![
                Target::relation(rel),
                Target::page(rel, 7),
                Target::tuple(rel, Tid { block: 8, slot: 9 }),
            ],
        }
    }

    #[test]
    fn states_come_back() {
        let state = state(3);
        let bytes = state.encode();
        assert_eq!(PreparedState::decode(Xid(77), &bytes).unwrap(), state);
        for len in 0..bytes.len() {
            assert!(PreparedState::decode(Xid(77), &bytes[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn parts_are_joined_and_a_new_beginning_forgets_the_old() {
        let state = state(1);
        let bytes = state.encode();
        let (head, tail) = bytes.split_at(40);
        let part = |flags: u8, bytes: &[u8]| [&[flags], bytes].concat();
        let mut parts = vec![];
        assert!(
            add_part(&mut parts, Xid(77), &part(FIRST, b"of a checkpoint that failed")).unwrap().is_none()
        );
        assert!(add_part(&mut parts, Xid(77), &part(FIRST, head)).unwrap().is_none());
        assert_eq!(add_part(&mut parts, Xid(77), &part(LAST, tail)).unwrap(), Some(state.clone()));
        assert_eq!(add_part(&mut parts, Xid(77), &part(FIRST | LAST, &bytes)).unwrap(), Some(state));
        assert!(add_part(&mut parts, Xid(77), b"").is_err());
    }
}
