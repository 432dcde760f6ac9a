//! The control file: where recovery starts, and the counters that go with that point.
//!
//! Written whole to a temporary name, synced, renamed: there is always exactly one good version. All integers
//! little-endian; the last four bytes are the CRC-32 of the rest. Magic, [`FORMAT_VERSION`] and CRC stand in these places in every
//! version, so that a server can say what it can't read.

use crate::disk::Disk;
use crate::ids::RelId;
use crate::txn::wal::Cursor;
use quarry_common::{Error, Lsn, Result, Xid, err};

/// Its name.
pub const CONTROL_FILE: &str = "control";
const TEMPORARY: &str = "control.new";
const MAGIC: u64 = 0x5952_5241_5551_0001;
/// Version of everything on disk: this file, log records, pages, rows, the commit log, the catalogs' columns. Raised with any change that an
/// older server would misread, or that makes older data unreadable.
///
/// | version | what is new |
/// | --- | --- |
/// | 1 | |
/// | 2 | init forks and files of unlogged relations, databases among the new relations, links past removed row versions, how far the log was durable in log records |
/// | 3, 4 | shorter rows, numerics, index entries and log records |
/// | 5 | `char(n)` without blanks, one command in the header of a row version |
pub const FORMAT_VERSION: u32 = 5;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Random, fixed when the folder is made: tells log archives apart.
    pub system_id: u64,
    /// Starts of the server so far; the epoch of log records.
    pub run: u32,
    /// The server stopped in order after the last checkpoint.
    pub clean: bool,
    pub segment_bytes: u64,
    /// Where redo starts.
    pub redo: Lsn,
    /// The end of the checkpoint's record: the log must reach at least to here.
    pub checkpoint_end: Lsn,
    pub next_xid: Xid,
    /// Oids and file numbers below these may be in use.
    pub next_oid: u32,
    pub next_rel: u32,
    /// Relations made by transactions that were running at the redo point.
    pub created: Vec<(RelId, Xid)>,
}

impl Control {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [
            MAGIC,
            FORMAT_VERSION as u64,
            self.system_id,
            self.run as u64,
            self.clean as u64,
            self.segment_bytes,
            self.redo.0,
            self.checkpoint_end.0,
            self.next_xid.0,
            self.next_oid as u64,
            self.next_rel as u64,
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&encode_created(&self.created));
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Control> {
        let bad = || Error::corrupted(format!("file \"{CONTROL_FILE}\" is damaged"));
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(bad)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(bad());
        }
        let mut cursor = Cursor(body);
        if cursor.u64()? != MAGIC {
            return Err(bad());
        }
        let version = cursor.u64()?;
        if version != FORMAT_VERSION as u64 {
            let hint = match version > FORMAT_VERSION as u64 {
                true => "The data folder was made by a newer server: start that one.",
                false => {
                    "The data folder was made by an older server: take the data out with that one (pg_dumpall) and into a new folder."
                }
            };
            return Err(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "database files are incompatible with server")
                .detail(format!(
                    "The data folder has format version {version}, but the server needs format version {FORMAT_VERSION}."
                ))
                .hint(hint));
        }
        let narrow = |word: u64| u32::try_from(word).map_err(|_| bad());
        Ok(Control {
            system_id: cursor.u64()?,
            run: narrow(cursor.u64()?)?,
            clean: cursor.u64()? != 0,
            segment_bytes: cursor.u64()?,
            redo: Lsn(cursor.u64()?),
            checkpoint_end: Lsn(cursor.u64()?),
            next_xid: Xid(cursor.u64()?),
            next_oid: narrow(cursor.u64()?)?,
            next_rel: narrow(cursor.u64()?)?,
            created: decode_created(&mut cursor)?,
        })
    }

    /// Reads the file; none if there is no database here.
    pub fn read(disk: &dyn Disk) -> Result<Option<Control>> {
        let Some(file) = disk.open(CONTROL_FILE, false)? else { return Ok(None) };
        let mut bytes = vec![0; file.len()? as usize];
        let got = file.read_at(&mut bytes, 0)?;
        Control::decode(&bytes[..got]).map(Some)
    }

    /// Replaces the file, durably.
    pub fn write(&self, disk: &dyn Disk) -> Result<()> {
        disk.remove(TEMPORARY)?;
        let file = disk.open(TEMPORARY, true)?.expect("created");
        file.write_at(&self.encode(), 0)?;
        file.sync()?;
        disk.rename(TEMPORARY, CONTROL_FILE)?;
        disk.sync_dir("")
    }
}

pub(crate) fn encode_created(created: &[(RelId, Xid)]) -> Vec<u8> {
    let mut out = (created.len() as u32).to_le_bytes().to_vec();
    for (rel, xid) in created {
        out.extend_from_slice(&rel.db.0.to_le_bytes());
        out.extend_from_slice(&rel.rel.to_le_bytes());
        out.extend_from_slice(&xid.0.to_le_bytes());
    }
    out
}

pub(crate) fn decode_created(cursor: &mut Cursor<'_>) -> Result<Vec<(RelId, Xid)>> {
    cursor.list(|c| Ok((c.rel()?, Xid(c.u64()?))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;
    use quarry_common::Oid;

    fn control() -> Control {
        Control {
            system_id: 1,
            run: 1,
            clean: true,
            segment_bytes: 1 << 24,
            redo: Lsn(5),
            checkpoint_end: Lsn(6),
            next_xid: Xid(7),
            next_oid: 8,
            next_rel: 9,
            created: vec![(RelId::new(Oid(1), 2), Xid(3))],
        }
    }

    #[test]
    fn other_versions_are_refused_in_words() {
        for (version, word) in [(FORMAT_VERSION - 1, "older"), (FORMAT_VERSION + 1, "newer")] {
            let mut bytes = control().encode();
            bytes[8..16].copy_from_slice(&(version as u64).to_le_bytes());
            let end = bytes.len() - 4;
            let crc = crc32fast::hash(&bytes[..end]);
            bytes[end..].copy_from_slice(&crc.to_le_bytes());
            let e = Control::decode(&bytes).unwrap_err();
            assert_eq!(e.message(), "database files are incompatible with server");
            let detail = e.fields().detail.as_deref().unwrap_or_default();
            assert!(detail.contains(&format!("format version {version}, but the server needs")), "{detail}");
            assert!(e.fields().hint.as_deref().unwrap_or_default().contains(word));
        }
    }

    #[test]
    fn a_crash_leaves_the_old_or_the_new_one() {
        let control = control();
        for seed in 0..20 {
            for operations in 0..6 {
                let disk = FaultDisk::new();
                assert_eq!(Control::read(&disk).unwrap(), None);
                control.write(&disk).unwrap();
                let next = Control { run: 2, ..control.clone() };
                disk.fail_after(operations);
                let written = next.write(&disk).is_ok();
                disk.crash(seed);
                let read = Control::read(&disk).unwrap().unwrap();
                assert!(read == next || (read == control && !written), "seed {seed} operation {operations}");
            }
        }
    }
}
