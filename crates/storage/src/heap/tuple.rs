//! The header in front of every row body on a heap page: who made this version, who ended it, where the next one is.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 6 | `xmin`: writer |
//! | 6 | 6 | `xmax`: deleter, updater or strong row locker; 0 = none |
//! | 12 | 4 | `command`: the deleter's, if there is one, else the writer's (see [`PAIRED`] and [`RELINKED`]) |
//! | 16 | 4 | `ctid.block` |
//! | 20 | 2 | `ctid.slot`: the next version; 0 = there is none |
//! | 22 | 2 | flags |
//! | 24 | | row body |
//!
//! Six bytes of a transaction id ([`XID_MAX`]) last for 89 years of 100,000 writing transactions a second.
//! `XMIN_*` and `XMAX_*` status flags are hints: true when set, set at any time by anyone holding the page exclusively, not
//! logged. No decision in `apply` depends on them. Commands are of interest to the transaction alone that is running (`../txn/commands.rs`).

use super::links::VersionRef;
use crate::page::slotted::{get_u16, get_u32, get_u64, put_u16, put_u32};
use quarry_common::{CommandId, Tid, Xid};

/// Bytes before the row body.
pub const HEADER_BYTES: usize = 24;

/// The last transaction id that a header has room for.
pub const XID_MAX: Xid = Xid((1 << 48) - 1);

const XMIN: usize = 0;
const XMAX: usize = 6;
const COMMAND: usize = 12;
const BLOCK: usize = 16;
const SLOT: usize = 20;
const FLAGS: usize = 22;

#[inline]
fn get_xid(t: &[u8], at: usize) -> Xid {
    // Eight bytes at once: what follows an id is in the header too.
    Xid(get_u64(t, at) & XID_MAX.0)
}

fn put_xid(t: &mut [u8], at: usize, xid: Xid) {
    debug_assert!(xid <= XID_MAX, "transaction ids have 48 bits");
    t[at..at + 6].copy_from_slice(&xid.0.to_le_bytes()[..6]);
}

/// `xmin` was rolled back.
pub const XMIN_ABORTED: u16 = 0x0002;
/// `xmin` is committed and visible to every present and future snapshot.
pub const XMIN_FROZEN: u16 = 0x0004;
/// `xmax` was rolled back, or was a lock whose holder is gone.
pub const XMAX_ABORTED: u16 = 0x0010;
/// `xmax` only locked the row.
pub const XMAX_LOCK_ONLY: u16 = 0x0020;
/// `xmax` holds the row in Update strength (delete, key update, FOR UPDATE), else NoKeyUpdate.
pub const XMAX_KEY: u16 = 0x0040;
/// The next version is on this page and has no index entries of its own.
pub const HOT_UPDATED: u16 = 0x0080;
/// No index entry points here; reached through the chain.
pub const HEAP_ONLY: u16 = 0x0100;
/// The body has out-of-line values.
pub const HAS_EXTERNAL: u16 = 0x0200;
/// Made by an UPDATE.
pub const UPDATED: u16 = 0x0400;

/// Versions between this one and that at `ctid` have been removed; `command` is the lower half of that one's `xmin`. Only on versions whose end has
/// committed, of which nobody asks the command.
pub const RELINKED: u16 = 0x0800;

/// Made by a serializable transaction's update that changed nothing any index reads, of a version that stands for it: no serializable reader needs
/// to find this one to learn of its writer (`../ssi/README.md`, S15).
pub const STOOD_FOR: u16 = 0x1000;
/// `xmin` and `xmax` are of one transaction, and `command` is the number that it has for both commands. Means nothing to others.
pub const PAIRED: u16 = 0x2000;
/// Every flag that says something of `xmax`.
pub const XMAX_BITS: u16 = XMAX_ABORTED | XMAX_LOCK_ONLY | XMAX_KEY;

/// A version's header, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TupleHeader {
    pub xmin: Xid,
    pub xmax: Xid,
    pub command: CommandId,
    pub ctid: Tid,
    pub flags: u16,
}

impl TupleHeader {
    /// Header of a new version.
    pub fn new(xmin: Xid, command: CommandId, flags: u16) -> TupleHeader {
        TupleHeader { xmin, xmax: Xid::INVALID, command, ctid: Tid::INVALID, flags }
    }

    /// Reads the first [`HEADER_BYTES`] of a tuple.
    #[inline]
    pub fn read(t: &[u8]) -> TupleHeader {
        TupleHeader {
            xmin: get_xid(t, XMIN),
            xmax: get_xid(t, XMAX),
            command: CommandId(get_u32(t, COMMAND)),
            ctid: Tid { block: get_u32(t, BLOCK), slot: get_u16(t, SLOT) },
            flags: get_u16(t, FLAGS),
        }
    }

    /// Writes the first [`HEADER_BYTES`] of a tuple.
    pub fn write(&self, t: &mut [u8]) {
        put_xid(t, XMIN, self.xmin);
        put_xid(t, XMAX, self.xmax);
        put_u32(t, COMMAND, self.command.0);
        put_u32(t, BLOCK, self.ctid.block);
        put_u16(t, SLOT, self.ctid.slot);
        put_u16(t, FLAGS, self.flags);
    }

    /// The next version, if there is one.
    #[inline]
    pub fn next(&self) -> Option<VersionRef> {
        if self.ctid.slot == 0 {
            return None;
        }
        Some(match self.has(RELINKED) {
            true => VersionRef::made_by_low(self.ctid, self.command.0),
            false => VersionRef::made_by(self.ctid, self.xmax),
        })
    }

    /// Whether a flag is set.
    #[inline]
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Whether `xmax` may have ended the version (not none, not known aborted, not a mere lock).
    #[inline]
    pub fn may_be_ended(&self) -> bool {
        self.xmax.is_valid() && self.flags & (XMAX_ABORTED | XMAX_LOCK_ONLY) == 0
    }
}

/// The `xmax` of a tuple without decoding the rest.
#[inline]
pub fn xmax(t: &[u8]) -> Xid {
    get_xid(t, XMAX)
}

/// Flags of a tuple without decoding the rest.
#[inline]
pub fn flags(t: &[u8]) -> u16 {
    get_u16(t, FLAGS)
}

/// Changes a tuple's flags.
#[inline]
pub fn set_flags(t: &mut [u8], flags: u16) {
    put_u16(t, FLAGS, flags);
}

/// What system columns and EvalPlanQual need of a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TupleMeta {
    /// Writer.
    pub xmin: Xid,
    /// Deleter or locker; 0 if none.
    pub xmax: Xid,
    /// What the header says of commands: in PostgreSQL, too, both system columns show this.
    pub command: CommandId,
    /// Next version, or the version itself.
    pub ctid: Tid,
    /// `xmax` is only a lock.
    pub lock_only: bool,
}

impl TupleMeta {
    /// From the header of the version at `own`.
    #[inline]
    pub fn new(h: &TupleHeader, own: Tid) -> TupleMeta {
        let xmax = if h.has(XMAX_ABORTED) { Xid::INVALID } else { h.xmax };
        let ctid = if h.ctid.slot == 0 { own } else { h.ctid };
        let command = if h.has(RELINKED) { CommandId(0) } else { h.command };
        TupleMeta { xmin: h.xmin, xmax, command, ctid, lock_only: h.has(XMAX_LOCK_ONLY) }
    }
}
