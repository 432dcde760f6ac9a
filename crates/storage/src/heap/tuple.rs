//! The header in front of every row body on a heap page: who made this version, who ended it, where the next one is.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | `xmin`: writer |
//! | 8 | 8 | `xmax`: deleter, updater or strong row locker; 0 = none |
//! | 16 | 4 | `cmin`: command of the writer |
//! | 20 | 4 | `cmax`: command of the deleter (see [`RELINKED`]) |
//! | 24 | 4 | `ctid.block` |
//! | 28 | 2 | `ctid.slot`: the next version; 0 = there is none |
//! | 30 | 2 | flags |
//! | 32 | | row body |
//!
//! `XMIN_*` and `XMAX_*` status flags are hints: true when set, set at any time by anyone holding the page exclusively, not
//! logged. No decision in `apply` depends on them. Unlike PostgreSQL, both command ids fit, so there are no combo ids.

use super::links::VersionRef;
use crate::page::slotted::{get_u16, get_u32, get_u64, put_u16, put_u32, put_u64};
use quarry_common::{CommandId, Tid, Xid};

/// Bytes before the row body.
pub const HEADER_BYTES: usize = 32;

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

/// Versions between this one and that at `ctid` have been removed; `cmax` is the lower half of that one's `xmin`. Only on versions whose end has
/// committed, of which nobody asks the command.
pub const RELINKED: u16 = 0x0800;

/// Made by a serializable transaction's update that changed nothing any index reads, of a version that stands for it: no serializable reader needs
/// to find this one to learn of its writer (`../ssi/README.md`, S15).
pub const STOOD_FOR: u16 = 0x1000;
/// Every flag that says something of `xmax`.
pub const XMAX_BITS: u16 = XMAX_ABORTED | XMAX_LOCK_ONLY | XMAX_KEY;

/// A version's header, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TupleHeader {
    pub xmin: Xid,
    pub xmax: Xid,
    pub cmin: CommandId,
    pub cmax: CommandId,
    pub ctid: Tid,
    pub flags: u16,
}

impl TupleHeader {
    /// Header of a new version.
    pub fn new(xmin: Xid, cmin: CommandId, flags: u16) -> TupleHeader {
        TupleHeader { xmin, xmax: Xid::INVALID, cmin, cmax: CommandId(0), ctid: Tid::INVALID, flags }
    }

    /// Reads the first [`HEADER_BYTES`] of a tuple.
    #[inline]
    pub fn read(t: &[u8]) -> TupleHeader {
        TupleHeader {
            xmin: Xid(get_u64(t, 0)),
            xmax: Xid(get_u64(t, 8)),
            cmin: CommandId(get_u32(t, 16)),
            cmax: CommandId(get_u32(t, 20)),
            ctid: Tid { block: get_u32(t, 24), slot: get_u16(t, 28) },
            flags: get_u16(t, 30),
        }
    }

    /// Writes the first [`HEADER_BYTES`] of a tuple.
    pub fn write(&self, t: &mut [u8]) {
        put_u64(t, 0, self.xmin.0);
        put_u64(t, 8, self.xmax.0);
        put_u32(t, 16, self.cmin.0);
        put_u32(t, 20, self.cmax.0);
        put_u32(t, 24, self.ctid.block);
        put_u16(t, 28, self.ctid.slot);
        put_u16(t, 30, self.flags);
    }

    /// The next version, if there is one.
    #[inline]
    pub fn next(&self) -> Option<VersionRef> {
        if self.ctid.slot == 0 {
            return None;
        }
        Some(match self.has(RELINKED) {
            true => VersionRef::made_by_low(self.ctid, self.cmax.0),
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
    Xid(get_u64(t, 8))
}

/// Flags of a tuple without decoding the rest.
#[inline]
pub fn flags(t: &[u8]) -> u16 {
    get_u16(t, 30)
}

/// What system columns and EvalPlanQual need of a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TupleMeta {
    /// Writer.
    pub xmin: Xid,
    /// Deleter or locker; 0 if none.
    pub xmax: Xid,
    /// Writer's command.
    pub cmin: CommandId,
    /// Deleter's command.
    pub cmax: CommandId,
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
        let cmax = if h.has(RELINKED) { CommandId(0) } else { h.cmax };
        TupleMeta { xmin: h.xmin, xmax, cmin: h.cmin, cmax, ctid, lock_only: h.has(XMAX_LOCK_ONLY) }
    }
}
