//! Read-only transactions: which snapshots need no watching.
//!
//! A READ ONLY transaction can be part of an anomaly only as T1 of T1 → P → T3 where T3 committed before T1's snapshot and P, which was
//! running then, commits afterwards. So its snapshot is safe as soon as every read-write transaction that overlapped its beginning has
//! ended without such an edge to a T3; from then on it takes no locks and finds no conflicts. If one of them commits with
//! such an edge, the snapshot is unsafe for good. DEFERRABLE waits for the outcome before it reads anything, and tries again when unsafe.

use super::conflicts::{Graph, Node, Reader};
use super::xact::Xact;
use crate::txn::TxnManager;
use quarry_common::Lsn;
use std::sync::Arc;

/// What can be said of a new read-only transaction's snapshot.
pub(super) enum Safety {
    Safe,
    Unsafe,
    /// It hangs on these.
    Open(Vec<u64>),
}

fn reader(snapshot: Lsn) -> Reader {
    Reader { read_only: true, snapshot, end: None }
}

impl Graph {
    /// Judges a snapshot that has just been taken.
    pub fn judge_snapshot(&self, txns: &TxnManager, snapshot: Lsn) -> Safety {
        // Committed, but not durable when the snapshot was taken: later than it.
        let later = self.finished.range((Lsn(snapshot.0 + 1), 0)..).filter_map(|(_, id)| self.nodes.get(id));
        let is_bad = |n: &Node| self.leads_to_earlier(txns, n, reader(snapshot));
        if later.filter(|n| !n.read_only).any(is_bad) {
            return Safety::Unsafe;
        }
        if self.old_end > snapshot
            && self.old_writers().any(|w| w.last > snapshot && w.earliest_out.is_some_and(|c| c <= snapshot))
        {
            return Safety::Unsafe;
        }
        let open: Vec<u64> = self
            .active
            .iter()
            .filter_map(|(_, id)| self.nodes.get(id))
            .filter(|n| !n.read_only && !n.xact.is_doomed())
            .filter(|n| self.commit_csn(txns, n).is_none_or(|csn| csn > snapshot))
            .map(|n| n.xact.id)
            .collect();
        if open.is_empty() { Safety::Safe } else { Safety::Open(open) }
    }

    /// `id`'s snapshot hangs on those.
    pub fn watch(&mut self, id: u64, open: Vec<u64>) {
        for other in &open {
            if let Some(n) = self.nodes.get_mut(other) {
                n.watchers.insert(id);
            }
        }
        if let Some(n) = self.nodes.get_mut(&id) {
            n.waits_for.extend(open);
        }
    }

    /// Whether a running transaction has this snapshot.
    pub fn is_in_use(&self, snapshot: Lsn) -> bool {
        self.active.range((snapshot, 0)..=(snapshot, u64::MAX)).next().is_some()
    }

    /// `id` may write, and begins with a snapshot older than those of read-only transactions: they hang on it.
    pub fn let_readers_watch(&mut self, id: u64) {
        let readers: Vec<u64> = self
            .nodes
            .values()
            .filter(|n| n.read_only && !n.waits_for.is_empty() && !n.xact.is_unsafe())
            .map(|n| n.xact.id)
            .collect();
        for reader in readers {
            self.watch(reader, vec![id]);
        }
    }

    /// `id` has ended: tells the read-only transactions whose snapshots hang on it. Gives those that are safe now and out of the graph.
    pub fn settle_watchers(&mut self, txns: &TxnManager, id: u64, committed: bool) -> Vec<Arc<Xact>> {
        let mut safe = Vec::new();
        let Some(node) = self.nodes.get_mut(&id) else { return safe };
        for watcher in std::mem::take(&mut node.watchers) {
            let Some(w) = self.nodes.get(&watcher) else { continue };
            let snapshot = w.xact.snapshot;
            let harmful = committed
                && self
                    .nodes
                    .get(&id)
                    .is_some_and(|n| !n.read_only && self.leads_to_earlier(txns, n, reader(snapshot)));
            let Some(w) = self.nodes.get_mut(&watcher) else { continue };
            w.waits_for.remove(&id);
            if harmful {
                w.xact.settle(false);
            } else if w.waits_for.is_empty() && !w.xact.is_unsafe() {
                w.xact.settle(true);
                safe.push(w.xact.clone());
                self.detach(txns, watcher, false);
            }
        }
        safe
    }

    /// `id` has ended and wants to hear of nobody any more.
    pub fn stop_waiting(&mut self, id: u64) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        for other in std::mem::take(&mut node.waits_for) {
            if let Some(n) = self.nodes.get_mut(&other) {
                n.watchers.remove(&id);
            }
        }
    }

    /// Process ids of those whose end `pid`'s DEFERRABLE transaction waits for.
    pub fn awaited_by(&self, pid: i32) -> Vec<i32> {
        let waiting = self.nodes.values().filter(|n| n.xact.pid() == pid && !n.waits_for.is_empty());
        let mut pids: Vec<i32> = waiting
            .filter(|n| n.xact.is_deferring())
            .flat_map(|n| n.waits_for.iter().filter_map(|id| self.nodes.get(id)).map(|n| n.xact.pid()))
            .collect();
        pids.sort_unstable();
        pids
    }
}
