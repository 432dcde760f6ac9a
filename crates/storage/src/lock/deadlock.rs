//! Deadlock detection: after `deadlock_timeout` in a queue, a waiter looks for a circle through itself in the
//! waits-for graph and, if it finds one, gives up with PostgreSQL's report (src/backend/storage/lmgr/deadlock.c).
//!
//! Edges go to holders of conflicting locks and to conflicting waiters ahead in the queue. Every member of a circle checks
//! `deadlock_timeout` after it began to wait, so the last one to join finds the circle complete.

use super::manager::{Entry, LockManager, Waiter};
use super::{LockMode, LockTag, OwnerId};
use hashbrown::{HashMap, HashSet};
use quarry_common::{Error, SqlState};
use std::fmt::Write;
use std::sync::{Arc, Weak};

/// One edge: `pid` waits for `mode` on `tag`, which `blocker` has. `shown`: as reports call them, where that differs.
struct Edge {
    pid: i32,
    mode: LockMode,
    tag: LockTag,
    shown: Option<(LockMode, LockTag)>,
    blocker: OwnerId,
    blocker_pid: i32,
}

impl LockManager {
    /// The report, if `waiter` (queued for `tag`) is in a circle.
    pub(super) fn find_deadlock(&self, waiter: &Arc<Waiter>, tag: &LockTag) -> Option<Error> {
        let edges = self.waits_for();
        let mut path = Vec::new();
        let start = edges.get(&waiter.owner)?;
        // Only this wait counts for the start, whatever else its owner's threads wait for.
        let mut visited = HashSet::new();
        for edge in start.iter().filter(|e| e.tag == *tag && e.mode == waiter.mode) {
            path.push(edge);
            if edge.blocker == waiter.owner
                || search(&edges, waiter.owner, edge.blocker, &mut visited, &mut path)
            {
                return Some(report(&path));
            }
            path.pop();
        }
        None
    }
}

impl LockManager {
    /// Who waits for whom, all shards seen at one moment.
    fn waits_for(&self) -> HashMap<OwnerId, Vec<Edge>> {
        let txns = self.txns.get().and_then(Weak::upgrade);
        let shards: Vec<_> = self.shards.iter().map(|s| s.lock()).collect();
        let mut edges: HashMap<OwnerId, Vec<Edge>> = HashMap::new();
        for (tag, entry) in shards.iter().flat_map(|s| s.iter()) {
            if entry.queue.is_empty() {
                continue;
            }
            let xid_owner = match (tag, &txns) {
                (LockTag::Xid(xid), Some(txns)) => txns.running.owner_of(txns.top_of(*xid)),
                _ => None,
            };
            for (at, waiting) in entry.queue.iter().enumerate() {
                let list = edges.entry(waiting.owner).or_default();
                for (blocker, blocker_pid) in blockers(entry, at, xid_owner) {
                    let (pid, mode, tag) = (waiting.pid, waiting.mode, *tag);
                    // Users know a wait for a row's sharer as one for its transaction's end.
                    let xid = tag.is_row_share().then(|| txns.as_ref()?.running.xid_of(blocker.0)).flatten();
                    let shown = xid.map(|xid| (LockMode::Share, LockTag::Xid(xid)));
                    list.push(Edge { pid, mode, tag, shown, blocker, blocker_pid });
                }
            }
        }
        edges
    }

    /// Process ids of those that session `pid` waits for, each once: holders of what it wants, and others that want it and stand
    /// before it in line.
    pub fn blocking_pids(&self, pid: i32) -> Vec<i32> {
        let edges = self.waits_for();
        let mut pids: Vec<i32> = vec![];
        for edge in edges.values().flatten().filter(|e| e.pid == pid && e.blocker_pid != pid) {
            if !pids.contains(&edge.blocker_pid) {
                pids.push(edge.blocker_pid);
            }
        }
        pids
    }
}

fn blockers(entry: &Entry, at: usize, xid_owner: Option<(u64, i32)>) -> Vec<(OwnerId, i32)> {
    let waiting = &entry.queue[at];
    let mut found: Vec<_> = xid_owner.into_iter().map(|(owner, pid)| (OwnerId(owner), pid)).collect();
    for holder in &entry.holders {
        if holder.owner != waiting.owner && holder.modes & waiting.mode.conflicts() != 0 {
            found.push((holder.owner, holder.pid));
        }
    }
    for ahead in entry.queue.iter().take(at) {
        if ahead.owner != waiting.owner && ahead.mode.conflicts_with(waiting.mode) {
            found.push((ahead.owner, ahead.pid));
        }
    }
    found
}

/// Depth first from `from` for a path back to `target`.
fn search<'a>(
    edges: &'a HashMap<OwnerId, Vec<Edge>>,
    target: OwnerId,
    from: OwnerId,
    visited: &mut HashSet<OwnerId>,
    path: &mut Vec<&'a Edge>,
) -> bool {
    if !visited.insert(from) {
        return false;
    }
    for edge in edges.get(&from).into_iter().flatten() {
        path.push(edge);
        if edge.blocker == target || search(edges, target, edge.blocker, visited, path) {
            return true;
        }
        path.pop();
    }
    false
}

fn report(path: &[&Edge]) -> Error {
    let mut detail = String::new();
    for edge in path {
        if !detail.is_empty() {
            detail.push('\n');
        }
        let Edge { pid, blocker_pid, .. } = edge;
        let (mode, tag) = edge.shown.unwrap_or((edge.mode, edge.tag));
        // Writing to a String can't fail.
        let _ = write!(
            detail,
            "Process {pid} waits for {} on {tag}; blocked by process {blocker_pid}.",
            mode.name()
        );
    }
    Error::new(SqlState::T_R_DEADLOCK_DETECTED, "deadlock detected")
        .detail(detail)
        .hint("See server log for query details.")
}
