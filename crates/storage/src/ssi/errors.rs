//! The one error of this module, 40001, with the reason that PostgreSQL gives for each place it can come from.

use quarry_common::{Error, Xid, err};

/// Why a transaction is cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// Another transaction chose this one as victim; noticed while reading.
    DoomedReading,
    /// The same, noticed while writing.
    DoomedWriting,
    /// The same, noticed at commit.
    DoomedCommitting,
    /// This transaction's write makes it a pivot.
    PivotWriting,
    /// This transaction read under a write of a pivot that can't be cancelled any more.
    OutToPivot(Xid),
    /// The same; all that is left of the pivot is its summary.
    OutToOldPivot(Xid),
    /// This transaction is a pivot, and all that is left of the writer is its summary.
    PivotOutToOld(Xid),
    /// Another transaction, prepared already, would be the pivot.
    InFromPreparedPivot,
}

pub(super) fn failure(reason: Reason) -> Error {
    use Reason::*;
    let why = match reason {
        DoomedReading => "identification as a pivot, during conflict out checking.".to_string(),
        DoomedWriting => "identification as a pivot, during conflict in checking.".to_string(),
        DoomedCommitting => "identification as a pivot, during commit attempt.".to_string(),
        PivotWriting => "identification as a pivot, during write.".to_string(),
        OutToPivot(xid) => format!("conflict out to pivot {}, during read.", xid.0),
        OutToOldPivot(xid) => format!("conflict out to old pivot {}.", xid.0),
        PivotOutToOld(xid) => {
            format!("identification as a pivot, with conflict out to old committed transaction {}.", xid.0)
        }
        InFromPreparedPivot => "commit attempt with conflict in from prepared pivot.".to_string(),
    };
    err!(
        T_R_SERIALIZATION_FAILURE,
        "could not serialize access due to read/write dependencies among transactions"
    )
    .detail(format!("Reason code: Canceled on {why}"))
    .hint("The transaction might succeed if retried.")
}
