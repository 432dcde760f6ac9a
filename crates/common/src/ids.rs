//! Newtypes for the ids that cross crate boundaries.

use std::fmt;

/// PostgreSQL object id; 0 is "no object".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Oid(pub u32);

impl Oid {
    /// "No object".
    pub const INVALID: Oid = Oid(0);
    /// The first id handed to objects that users make; smaller ones are built in.
    pub const FIRST_NORMAL: Oid = Oid(16384);

    /// Whether this names an object at all.
    pub const fn is_valid(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({})", self.0)
    }
}

/// Transaction id: 64 bits, never reused, allotted at a transaction's first write. 0 is "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Xid(pub u64);

impl Xid {
    /// "No transaction".
    pub const INVALID: Xid = Xid(0);
    /// Writer of the rows made when a data folder is initialised: always committed, visible to all.
    pub const BOOTSTRAP: Xid = Xid(1);
    /// The first ordinary transaction id.
    pub const FIRST_NORMAL: Xid = Xid(3);

    /// Whether this names a transaction at all.
    pub const fn is_valid(self) -> bool {
        self.0 != 0
    }
}

/// A subtransaction's id; drawn from the same counter as [`Xid`].
pub type SubXid = Xid;

/// Log sequence number: byte position in the write-ahead log. Also a transaction's commit sequence number (CSN).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Lsn(pub u64);

impl Lsn {
    /// "No position".
    pub const INVALID: Lsn = Lsn(0);
    /// Later than every real position.
    pub const MAX: Lsn = Lsn(u64::MAX);
}

impl fmt::Display for Lsn {
    /// PostgreSQL's `pg_lsn` form: two hexadecimal halves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 as u32)
    }
}

/// Number of a command within its transaction: a command sees the effects of earlier ones only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct CommandId(pub u32);

/// Page number within a relation fork.
pub type BlockNo = u32;

/// Tuple id: where a row version lies in its heap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Tid {
    /// Page number.
    pub block: BlockNo,
    /// Line pointer on the page, from 1.
    pub slot: u16,
}

impl Tid {
    /// "Nowhere": slot 0 never holds a row.
    pub const INVALID: Tid = Tid { block: u32::MAX, slot: 0 };

    /// Packs into 48 bits, ordered like the pair.
    pub const fn to_u64(self) -> u64 {
        (self.block as u64) << 16 | self.slot as u64
    }

    /// Reverses [`Tid::to_u64`].
    pub const fn from_u64(packed: u64) -> Tid {
        Tid { block: (packed >> 16) as u32, slot: packed as u16 }
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.slot)
    }
}
