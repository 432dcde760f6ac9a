//! Copying a table's row versions into new storage: VACUUM FULL and CLUSTER (PostgreSQL: access/heap/rewriteheap.c).
//!
//! A version keeps its writer and its deleter, so that every snapshot sees in the copy what it saw before; versions dead to all
//! are left behind. Links between versions aren't kept: a copied version that has ended is "deleted" to whoever would follow it,
//! and only snapshots older than the copy see such versions. The caller's AccessExclusive lock keeps everyone else out.

use super::insert::kind;
use super::tuple::{self, HEADER_BYTES, TupleHeader};
use super::visibility::{Fate, fate_between};
use super::{Heap, page as hp, wal};
use crate::buffer::ReadAhead;
use crate::page::slotted::with_scratch;
use crate::txn::{Transaction, XidStatus};
use quarry_common::{BlockNo, CommandId, Error, Result, Tid, Xid};

/// Bytes of a [`Version`] in a sort's rows.
const VERSION_BYTES: usize = 24;

/// Who made a version and who ended it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    xmin: Xid,
    /// As the header has it.
    command: CommandId,
    /// Flags that go with it, of the making and of the end.
    made: u16,
    ended: u16,
    /// Invalid: nobody ended it.
    xmax: Xid,
}

impl Version {
    /// Somebody ended it: only older snapshots see it.
    pub fn has_ended(&self) -> bool {
        self.xmax.is_valid()
    }
    /// Appends it, to be read by [`Version::decode`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.xmin.0.to_le_bytes());
        out.extend_from_slice(&self.xmax.0.to_le_bytes());
        out.extend_from_slice(&self.command.0.to_le_bytes());
        out.extend_from_slice(&self.made.to_le_bytes());
        out.extend_from_slice(&self.ended.to_le_bytes());
    }
    /// A version and what stands behind it.
    pub fn decode(bytes: &[u8]) -> Result<(Version, &[u8])> {
        if bytes.len() < VERSION_BYTES {
            return Err(Error::internal("a row version is too short"));
        }
        let (head, rest) = bytes.split_at(VERSION_BYTES);
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let version = Version {
            xmin: Xid(long(0)),
            xmax: Xid(long(8)),
            command: CommandId(u32::from(short(16)) | u32::from(short(18)) << 16),
            made: short(20),
            ended: short(22),
        };
        Ok((version, rest))
    }
}

/// Gets a version and the stored row.
pub type VersionCallback<'a> = dyn FnMut(Version, Tid, &[u8]) -> Result<()> + 'a;

impl Heap {
    /// Gives every version that some snapshot may see; the number of those that none does.
    pub fn versions_to_keep(
        &self,
        at_page: &mut dyn FnMut(BlockNo, BlockNo) -> Result<()>,
        f: &mut VersionCallback<'_>,
    ) -> Result<u64> {
        let txns = self.storage.txns();
        let live = self.storage.live_snapshots(self.rel.db);
        let mut dead = 0;
        let mut kept: Vec<(Version, Tid, Vec<u8>)> = Vec::new();
        let pool = self.storage.pool();
        let mut ring = self.scan_ring()?;
        let mut ahead = ReadAhead::default();
        let blocks = self.blocks()?;
        for block in 0..blocks {
            at_page(block, blocks)?;
            ahead.before(pool, self.rel, block..blocks, ring.as_mut())?;
            kept.clear();
            {
                let page = match &mut ring {
                    Some(ring) => pool.read_with(self.page_id(block), ring)?,
                    None => pool.read(self.page_id(block))?,
                };
                let p: &[u8] = page.bytes();
                for slot in 1..=hp::slot_count(p) {
                    let Some(t) = hp::tuple(p, slot) else { continue };
                    let h = TupleHeader::read(t);
                    let fate = fate_between(&h, &self.storage, &live);
                    if fate == Fate::Dead {
                        dead += 1;
                        continue;
                    }
                    let ended = h.may_be_ended() && txns.status(h.xmax) != XidStatus::Aborted;
                    let frozen = h.has(tuple::XMIN_FROZEN) || fate == Fate::Live { visible_to_all: true };
                    // The commands may be asked for by the transaction that copies.
                    let paired = h.flags & tuple::PAIRED;
                    let version = Version {
                        xmin: h.xmin,
                        command: if h.has(tuple::RELINKED) { CommandId(0) } else { h.command },
                        made: paired | if frozen { tuple::XMIN_FROZEN } else { 0 },
                        ended: paired | h.flags & tuple::XMAX_KEY,
                        xmax: if ended { h.xmax } else { Xid::INVALID },
                    };
                    kept.push((version, Tid { block, slot }, t[HEADER_BYTES..].to_vec()));
                }
            }
            // The page's latch is gone: values of these rows may lie elsewhere.
            for (version, tid, row) in &kept {
                f(*version, *tid, row)?;
            }
        }
        Ok(dead)
    }

    /// Stores a row as the version it was. `row` has all its values inline.
    pub fn insert_version(&self, txn: &Transaction, version: &Version, row: &[u8]) -> Result<Tid> {
        let body = self.prepare_row(txn, row)?;
        let flags = self.external_flag(&body) | version.made;
        // As COPY does: in a ring of frames, and with the pages on their way to the disk as they are full.
        let mut kept = self.bulk_state(txn.assign_xid(), true)?;
        let own = kept.as_mut().and_then(|kept| kept.as_mut());
        let mut page = self.page_with_space(HEADER_BYTES + body.len(), true, own)?;
        let (block, slot) = (page.id().block, hp::free_slot(page.bytes()));
        let xid = txn.assign_xid();
        with_scratch(|payload| {
            let vm = self.vm_of(&page);
            let command = version.command;
            wal::Insert { vm, slot, flags, command, xmin: version.xmin }.write(payload, &body);
            self.log(txn, xid, wal::INSERT, payload, &mut page)
        })?;
        if version.xmax.is_valid() {
            with_scratch(|payload| {
                let vm = self.vm_of(&page);
                let (bits, command) = (version.ended, version.command);
                wal::SetXmax { vm, slot, bits, xmax: version.xmax, command }.write(payload);
                self.storage.log_change(Some(xid), kind(wal::SET_XMAX), payload, &mut [&mut page]).map(|_| ())
            })?;
        }
        Ok(Tid { block, slot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_survive_encoding() {
        let v = Version {
            xmin: Xid(7),
            command: CommandId(0x1_0203),
            made: tuple::XMIN_FROZEN,
            ended: tuple::XMAX_KEY,
            xmax: Xid(1 << 40),
        };
        let mut bytes = vec![];
        v.encode(&mut bytes);
        bytes.extend_from_slice(b"row");
        assert_eq!(Version::decode(&bytes).unwrap(), (v, &b"row"[..]));
        assert!(Version::decode(&bytes[..5]).is_err());
    }
}
