//! Snapshots: one LSN, the reader's own ids, a command number.

use super::sub_ids::SubIds;
use super::transaction::Pin;
use super::{TxnManager, XidStatus};
use crate::RelId;
use crate::heap::tuple::TupleHeader;
use crate::ssi::Xact;
use crate::stats::Reads;
use quarry_common::{CommandId, Lsn, Xid};
use std::sync::Arc;

/// What a statement sees: commits with a CSN at or below `csn`, and its own transaction's earlier commands.
///
/// Cheap to clone. Valid while its transaction runs; live clones keep old versions from being removed.
#[derive(Clone)]
pub struct Snapshot {
    csn: Lsn,
    cid: CommandId,
    /// The transaction's top-level id when the snapshot was taken; INVALID if it had none.
    top: Xid,
    /// Its live subtransactions, rising.
    subs: Option<SubIds>,
    /// Keeps what it sees.
    pin: Option<Pin>,
    /// Whose reads leave locks and find conflicts: a SERIALIZABLE transaction, reading its tables.
    reader: Option<Arc<Xact>>,
}

impl Snapshot {
    pub(crate) fn new(
        csn: Lsn,
        cid: CommandId,
        top: Xid,
        subs: Option<SubIds>,
        pin: Option<Pin>,
    ) -> Snapshot {
        Snapshot { csn, cid, top, subs, pin, reader: None }
    }

    /// The same; what is read with it counts for serializability.
    pub(crate) fn read_by(self, reader: Option<Arc<Xact>>) -> Snapshot {
        Snapshot { reader, ..self }
    }

    /// The same; what is read with it doesn't count for serializability.
    pub fn unwatched(self) -> Snapshot {
        self.read_by(None)
    }

    /// Whether what is read with it counts for serializability.
    pub fn is_watched(&self) -> bool {
        self.reader().is_some()
    }

    /// Whose reads count for serializability, if they do.
    #[inline]
    pub(crate) fn reader(&self) -> Option<&Arc<Xact>> {
        self.reader.as_ref()
    }

    /// A snapshot outside any transaction, at a fixed point. It doesn't hold back vacuum: for checks and tests.
    pub fn at(csn: Lsn) -> Snapshot {
        Snapshot { csn, cid: CommandId(0), top: Xid::INVALID, subs: None, pin: None, reader: None }
    }

    #[inline]
    pub fn csn(&self) -> Lsn {
        self.csn
    }

    /// Own changes of this command and later ones are not seen.
    #[inline]
    pub fn cid(&self) -> CommandId {
        self.cid
    }

    /// The same with another command number.
    pub fn with_cid(&self, cid: CommandId) -> Snapshot {
        Snapshot { cid, ..self.clone() }
    }

    /// Notes reads in its transaction's own counts.
    #[inline]
    pub(crate) fn count_reads(&self, rel: RelId, reads: Reads) {
        if let Some(pin) = &self.pin {
            pin.count_reads(rel, reads);
        }
    }

    /// The commands in which its transaction made and ended a version, which it asks for where it has done so ([`super::commands`]).
    #[inline]
    pub(crate) fn commands(&self, h: &TupleHeader) -> (CommandId, CommandId) {
        match &self.pin {
            Some(pin) => pin.shared().commands(h),
            None => (h.command, h.command),
        }
    }

    /// Whether `xid` is the reader's transaction or a live subtransaction of it.
    #[inline]
    pub fn is_mine(&self, xid: Xid) -> bool {
        xid.is_valid() && (xid == self.top || self.subs.as_ref().is_some_and(|s| s.contains(xid)))
    }

    /// Whether `xid`, not the reader's own, committed at or before the snapshot.
    #[inline]
    pub fn sees_xid(&self, txns: &TxnManager, xid: Xid) -> bool {
        matches!(txns.status(xid), XidStatus::Committed(csn) if csn <= self.csn)
    }

    /// Whether a row version is visible: made by `xmin` in command `cmin`, deleted by `xmax` (INVALID: not deleted)
    /// in command `cmax`.
    #[inline]
    pub fn sees(&self, txns: &TxnManager, xmin: Xid, cmin: CommandId, xmax: Xid, cmax: CommandId) -> bool {
        let made = if self.is_mine(xmin) { cmin < self.cid } else { self.sees_xid(txns, xmin) };
        if !made || !xmax.is_valid() {
            return made;
        }
        let deleted = if self.is_mine(xmax) { cmax < self.cid } else { self.sees_xid(txns, xmax) };
        !deleted
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} cid {} xid {})", self.csn, self.cid.0, self.top.0)
    }
}
