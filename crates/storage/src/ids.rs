//! Names of things on disk: relations (by file number), their forks, their pages.

use quarry_common::{BlockNo, Oid};
use std::fmt;

/// A database's OID; 0 is the folder shared by all databases.
pub type DbId = Oid;

/// A relation's files: number `rel` in the folder of database `db` (0 = shared by all databases).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RelId {
    /// The database, 0 for shared relations.
    pub db: Oid,
    /// The file number ("relfilenode"); never reused.
    pub rel: u32,
}

impl RelId {
    /// From the two numbers.
    pub const fn new(db: Oid, rel: u32) -> RelId {
        RelId { db, rel }
    }
}

impl fmt::Display for RelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.db.is_valid() {
            write!(f, "base/{}/{}", self.db, self.rel)
        } else {
            write!(f, "global/{}", self.rel)
        }
    }
}

/// What becomes of a relation's content in a crash.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Persistence {
    /// It is in the log.
    #[default]
    Permanent,
    /// It is not in the log: it stays over an orderly stop and is emptied after a crash. Its [`Fork::Init`] says what that means.
    Unlogged,
    /// As unlogged, and gone with the session of this number, or with the server.
    Temporary(i32),
}

/// A relation's parts, each a file (or files, 1 GiB each) of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Fork {
    /// The data.
    Main = 0,
    /// Free-space map.
    Fsm = 1,
    /// Visibility map.
    Vm = 2,
    /// What an unlogged relation's main fork is after a crash; only unlogged relations have it, and it is in the log.
    Init = 3,
}

impl Fork {
    /// Every fork, in the order of their numbers.
    pub const ALL: [Fork; 4] = [Fork::Main, Fork::Fsm, Fork::Vm, Fork::Init];

    /// From its stored number.
    pub fn from_u8(n: u8) -> Option<Fork> {
        Fork::ALL.get(n as usize).copied()
    }

    /// What the file name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Fork::Main => "",
            Fork::Fsm => "_fsm",
            Fork::Vm => "_vm",
            Fork::Init => "_init",
        }
    }
}

/// One page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PageId {
    pub rel: RelId,
    pub fork: Fork,
    pub block: BlockNo,
}

impl PageId {
    /// A page of any fork.
    pub const fn new(rel: RelId, fork: Fork, block: BlockNo) -> PageId {
        PageId { rel, fork, block }
    }

    /// A page of the main fork.
    pub const fn main(rel: RelId, block: BlockNo) -> PageId {
        PageId { rel, fork: Fork::Main, block }
    }
}

impl std::hash::Hash for PageId {
    /// Two words instead of four fields: this is hashed at every access to a page.
    #[inline]
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64((self.rel.db.0 as u64) << 32 | self.rel.rel as u64);
        state.write_u64((self.fork as u64) << 32 | self.block as u64);
    }
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} of {}{}", self.block, self.rel, self.fork.suffix())
    }
}
