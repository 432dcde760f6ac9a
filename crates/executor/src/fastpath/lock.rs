//! Locking the row found, at its newest version.

use super::point::{Point, PointWork};
use crate::context::Cx;
use crate::modify::errors;
use crate::scan::rows::RowReader;
use quarry_common::{Result, Tid, err};
use quarry_plan::LockWait;
use quarry_storage::heap::{ModifyResult, RowLockMode, VersionRef};
use quarry_storage::{IsolationLevel, WaitPolicy};
use quarry_types::Datum;

/// Locks the newest version from `at` on; tells whether it is another one. None: the row is gone, or is to be skipped.
pub fn newest(
    cx: &Cx<'_>,
    point: &Point,
    work: &PointWork,
    at: impl Into<VersionRef>,
    mode: RowLockMode,
    wait: LockWait,
) -> Result<Option<(Tid, bool)>> {
    let policy = match wait {
        LockWait::Block => WaitPolicy::Block,
        LockWait::Skip => WaitPolicy::Skip,
        LockWait::NoWait => WaitPolicy::NoWait,
    };
    let one_snapshot =
        matches!(cx.env.txn.isolation(), IsolationLevel::RepeatableRead | IsolationLevel::Serializable);
    let mut at: VersionRef = at.into();
    let mut moved = false;
    loop {
        match work.heap.lock(&cx.env.txn, &cx.env.snapshot, at, mode, policy)? {
            ModifyResult::Done { tid, .. } => return Ok(Some((tid, moved))),
            ModifyResult::SelfModified { .. } => return Ok(None),
            ModifyResult::Updated { .. } | ModifyResult::Deleted if one_snapshot => {
                return Err(errors::concurrent_update());
            }
            ModifyResult::Deleted => return Ok(None),
            ModifyResult::Updated { next } => {
                at = next;
                moved = true;
            }
            ModifyResult::WouldBlock if wait == LockWait::Skip => return Ok(None),
            ModifyResult::WouldBlock => {
                let name = &point.relation.name;
                return Err(err!(LOCK_NOT_AVAILABLE, "could not obtain lock on row in relation \"{name}\""));
            }
        }
    }
}

/// Reads version `tid` into `work.row` if it still has the key and passes the filter; gives its stored form.
pub fn read_again(
    cx: &mut Cx<'_>,
    point: &Point,
    work: &mut PointWork,
    key_reader: &RowReader,
    tid: Tid,
) -> Result<Option<Vec<u8>>> {
    let Some((meta, body)) = work.heap.fetch_exact(tid, |_, meta, body| (meta, body.to_vec()))? else {
        return Ok(None);
    };
    let mut key: Vec<Datum> = Vec::new();
    key_reader.datums(&work.heap, tid, None, &body, &mut key)?;
    if !point.is_key(work, &key)? {
        return Ok(None);
    }
    point.read_version(work, tid, &meta, &body)?;
    Ok(point.passes(cx, work)?.then_some(body))
}
