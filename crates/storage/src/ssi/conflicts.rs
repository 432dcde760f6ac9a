//! The graph of rw-conflicts among serializable transactions, and what must not come about in it.
//!
//! An edge R → W says that R read the state before a write of the concurrent W. A serialization anomaly needs two edges in a row, T1 → P → T3,
//! where T3 commits before T1 and P, and, if T1 is read only, before T1's snapshot (Fekete et al. 2005, Cahill et al. 2008, Ports and Grittner 2012).
//! Whenever an edge or a commit completes such a pair, one of the three is cancelled.
//!
//! "Before" is a comparison of CSNs. A transaction that commits without having written is read only from the start, and counts as having ended
//! at its snapshot.

use super::errors::{Reason, failure};
use super::xact::Xact;
use crate::txn::{TxnManager, XidStatus};
use hashbrown::{HashMap, HashSet};
use quarry_common::{Lsn, Oid, Result, Xid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Writers of the summary that are remembered one by one.
const OLD_WRITERS_MAX: usize = 1 << 18;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Active,
    /// It will commit, whatever others do: its commit record is being made, or it waits for COMMIT PREPARED.
    Prepared,
    Committed,
}

/// A transaction with its edges.
pub(super) struct Node {
    pub xact: Arc<Xact>,
    pub state: State,
    /// Declared READ ONLY, or committed without a write.
    pub read_only: bool,
    /// Set when committed; none if it wrote nothing.
    csn: Option<Lsn>,
    /// Transactions that wrote what this one had read (this → those), and the reverse.
    pub outs: HashSet<u64>,
    pub ins: HashSet<u64>,
    /// The earliest CSN among committed transactions at the far end of outgoing edges that are in the graph no more.
    earliest_out: Option<Lsn>,
    /// The latest end among committed transactions at the far end of incoming edges that are in the graph no more.
    latest_in: Option<Lsn>,
    /// Read-only transactions that wait to hear how this one ends, and the reverse.
    pub watchers: HashSet<u64>,
    pub waits_for: HashSet<u64>,
}

/// What an edge's reader is, for judging what its writer leads to.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub read_only: bool,
    pub snapshot: Lsn,
    /// Where it committed.
    pub end: Option<Lsn>,
}

/// A summarised transaction that wrote, or several of which nothing more is known.
#[derive(Clone, Copy)]
pub(super) struct OldWriter {
    /// The lowest and the highest CSN.
    pub first: Lsn,
    pub last: Lsn,
    /// The earliest commit that it, or one of them, leads to.
    pub earliest_out: Option<Lsn>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Graph {
    pub nodes: HashMap<u64, Node>,
    next_id: u64,
    /// The latest snapshot taken. They never go back.
    pub last_snapshot: Lsn,
    /// Snapshots of those that run.
    pub active: BTreeSet<(Lsn, u64)>,
    /// Those of `active` that may write.
    writable: usize,
    /// Where the others ended.
    pub finished: BTreeSet<(Lsn, u64)>,
    /// What is left of committed transactions when there are too many of them.
    old: HashMap<Xid, OldWriter>,
    /// Every writer below that id may be one of the summary, as bad as this.
    old_floor: Option<(Xid, OldWriter)>,
    /// The latest end of the summary; 0: it's empty.
    pub old_end: Lsn,
}

impl Graph {
    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub fn enter(&mut self, xact: Arc<Xact>) -> &mut Node {
        self.active.insert((xact.snapshot, xact.id));
        self.writable += usize::from(!xact.read_only);
        let node = Node {
            state: State::Active,
            read_only: xact.read_only,
            csn: None,
            outs: HashSet::new(),
            ins: HashSet::new(),
            earliest_out: None,
            latest_in: None,
            watchers: HashSet::new(),
            waits_for: HashSet::new(),
            xact: xact.clone(),
        };
        self.nodes.entry(xact.id).insert(node).into_mut()
    }

    /// Enters a transaction that was prepared in an earlier run.
    pub fn enter_recovered(&mut self, xact: Arc<Xact>) {
        let id = xact.id;
        let others: Vec<u64> =
            self.nodes.values().filter(|n| n.state == State::Prepared).map(|n| n.xact.id).collect();
        let node = self.enter(xact);
        node.state = State::Prepared;
        node.earliest_out = Some(Lsn(1));
        node.outs.extend(&others);
        node.ins.extend(&others);
        for other in others {
            if let Some(n) = self.nodes.get_mut(&other) {
                n.outs.insert(id);
                n.ins.insert(id);
            }
        }
    }

    /// Whether nobody that runs may write.
    pub fn only_readers(&self) -> bool {
        self.writable == 0
    }

    /// The oldest snapshot of those that run and may read relations of `db` (0: shared ones).
    pub fn oldest_active(&self, db: Oid) -> Option<Lsn> {
        let may_read = |id: &u64| self.nodes.get(id).is_none_or(|n| n.xact.may_read(db));
        self.active.iter().find(|(_, id)| may_read(id)).map(|(snapshot, _)| *snapshot)
    }

    fn leave_active(&mut self, id: u64) {
        let Some(node) = self.nodes.get(&id) else { return };
        if self.active.remove(&(node.xact.snapshot, id)) && !node.xact.read_only {
            self.writable -= 1;
        }
    }

    // ---- judging ----

    /// Where a transaction committed, if it has. One that is prepared may have its CSN already, before the graph hears of it; if
    /// not, its CSN will be above all that exist.
    pub fn commit_csn(&self, txns: &TxnManager, node: &Node) -> Option<Lsn> {
        match node.state {
            State::Active => None,
            State::Committed => node.csn,
            State::Prepared => match txns.status(node.xact.top()) {
                XidStatus::Committed(csn) => Some(csn),
                XidStatus::InProgress | XidStatus::Aborted => None,
            },
        }
    }

    /// Where a committed transaction ended.
    pub fn end(&self, node: &Node) -> Lsn {
        node.csn.unwrap_or(node.xact.snapshot)
    }

    fn reader(&self, txns: &TxnManager, node: &Node) -> Reader {
        let end = match node.state {
            State::Committed => Some(self.end(node)),
            State::Active | State::Prepared => self.commit_csn(txns, node),
        };
        Reader { read_only: node.read_only, snapshot: node.xact.snapshot, end }
    }

    /// Whether `r` → `w` → some T3 that commits first is an anomaly.
    pub fn leads_to_earlier(&self, txns: &TxnManager, w: &Node, r: Reader) -> bool {
        let own = self.commit_csn(txns, w);
        let harms = |csn: Option<Lsn>| match csn {
            Some(c) => {
                own.is_none_or(|w| c < w)
                    && if r.read_only { c <= r.snapshot } else { r.end.is_none_or(|e| c <= e) }
            }
            // Prepared: it may come before whoever has no CSN yet.
            None => own.is_none() && r.end.is_none() && !r.read_only,
        };
        if w.earliest_out.is_some_and(|c| harms(Some(c))) {
            return true;
        }
        w.outs
            .iter()
            .filter_map(|id| self.nodes.get(id))
            .any(|t3| t3.state != State::Active && harms(self.commit_csn(txns, t3)))
    }

    /// Whether some T1 → `r` → W is an anomaly, W being sure to commit, at `csn` or else after everything that has committed.
    fn is_led_to(&self, txns: &TxnManager, r: &Node, csn: Option<Lsn>) -> bool {
        let before = |end: Lsn| csn.is_some_and(|c| c <= end);
        if r.latest_in.is_some_and(before) {
            return true;
        }
        r.ins.iter().filter_map(|id| self.nodes.get(id)).any(|t1| {
            if t1.xact.is_doomed() {
                return false;
            }
            let t1 = self.reader(txns, t1);
            if t1.read_only { before(t1.snapshot) } else { t1.end.is_none_or(before) }
        })
    }

    // ---- edges ----

    /// Whether the edge is there already.
    pub fn has_edge(&self, from: u64, to: u64) -> bool {
        self.nodes.get(&from).is_some_and(|n| n.outs.contains(&to))
    }

    /// Adds `reader` → `writer`, which `me` (one of the two) has found. If that makes an anomaly possible, the writer is cancelled if it can
    /// be, else the reader.
    pub fn add_edge(&mut self, txns: &TxnManager, reader: u64, writer: u64, me: u64) -> Result<()> {
        let (Some(r), Some(w)) = (self.nodes.get(&reader), self.nodes.get(&writer)) else { return Ok(()) };
        let who = self.reader(txns, r);
        let sure = w.state != State::Active;
        let mut fails = self.leads_to_earlier(txns, w, who);
        if !fails && sure && !r.read_only {
            fails = self.is_led_to(txns, r, self.commit_csn(txns, w));
        }
        if fails {
            if me == writer {
                return Err(failure(Reason::PivotWriting));
            }
            if sure {
                return Err(failure(Reason::OutToPivot(w.xact.top())));
            }
            w.xact.doom();
        } else if r.read_only && w.state == State::Committed {
            // The reader comes before the writer, and nothing can change that any more.
            return Ok(());
        }
        if let Some(r) = self.nodes.get_mut(&reader) {
            r.outs.insert(writer);
        }
        if let Some(w) = self.nodes.get_mut(&writer) {
            w.ins.insert(reader);
        }
        Ok(())
    }

    /// `writer` (which is active) writes what a summarised transaction had read, which ended at `end`.
    pub fn add_old_reader(&mut self, txns: &TxnManager, writer: u64, end: Lsn) -> Result<()> {
        let Some(w) = self.nodes.get(&writer) else { return Ok(()) };
        // Whether it wrote is forgotten: for one that did not, `end` is its snapshot, so both cases ask the same.
        let old = Reader { read_only: false, snapshot: end, end: Some(end) };
        if self.leads_to_earlier(txns, w, old) {
            return Err(failure(Reason::PivotWriting));
        }
        if let Some(w) = self.nodes.get_mut(&writer) {
            w.latest_in = w.latest_in.max(Some(end));
        }
        Ok(())
    }

    /// What the summary knows of a writer.
    pub fn old_writer(&self, xid: Xid) -> Option<OldWriter> {
        match self.old.get(&xid) {
            Some(w) => Some(*w),
            None => self.old_floor.filter(|(floor, _)| xid < *floor).map(|(_, w)| w),
        }
    }

    /// `reader` (which is active) read under a write of a summarised transaction.
    pub fn add_old_writer(&mut self, txns: &TxnManager, reader: u64, xid: Xid, w: OldWriter) -> Result<()> {
        let Some(r) = self.nodes.get(&reader) else { return Ok(()) };
        if w.last <= r.xact.snapshot {
            return Ok(());
        }
        if w.earliest_out.is_some_and(|c| !r.read_only || c <= r.xact.snapshot) {
            return Err(failure(Reason::OutToOldPivot(xid)));
        }
        if self.is_led_to(txns, r, Some(w.first)) {
            return Err(failure(Reason::PivotOutToOld(xid)));
        }
        if let Some(r) = self.nodes.get_mut(&reader) {
            r.earliest_out = Some(r.earliest_out.map_or(w.first, |c| c.min(w.first)));
        }
        Ok(())
    }

    // ---- ends ----

    /// The last moment at which a transaction can be cancelled: from here on it is sure to commit. It may be the first to commit of a
    /// T1 → P → T3: then the pivot goes, if it still can.
    pub fn prepare(&mut self, txns: &TxnManager, id: u64) -> Result<()> {
        let Some(me) = self.nodes.get(&id) else { return Ok(()) };
        if me.xact.is_doomed() {
            return Err(failure(Reason::DoomedCommitting));
        }
        for pivot in me.ins.iter().filter_map(|p| self.nodes.get(p)) {
            if pivot.xact.is_doomed() || self.reader(txns, pivot).end.is_some() {
                continue;
            }
            let first = |t1: &Node| {
                t1.xact.id == id
                    || (!t1.read_only && !t1.xact.is_doomed() && self.reader(txns, t1).end.is_none())
            };
            if pivot.ins.iter().filter_map(|t1| self.nodes.get(t1)).any(first) {
                if pivot.state == State::Prepared {
                    return Err(failure(Reason::InFromPreparedPivot));
                }
                pivot.xact.doom();
            }
        }
        if let Some(me) = self.nodes.get_mut(&id) {
            me.state = State::Prepared;
        }
        Ok(())
    }

    /// It has committed, at `csn` if it has a commit record.
    pub fn committed(&mut self, txns: &TxnManager, id: u64, csn: Option<Lsn>) -> Vec<Arc<Xact>> {
        self.leave_active(id);
        let Some(node) = self.nodes.get_mut(&id) else { return Vec::new() };
        node.state = State::Committed;
        node.csn = csn.filter(|_| node.xact.has_written());
        node.read_only |= node.csn.is_none();
        let end = node.csn.unwrap_or(node.xact.snapshot);
        self.finished.insert((end, id));
        let safe = self.settle_watchers(txns, id, true);
        self.stop_waiting(id);
        safe
    }

    /// It has rolled back: nothing of it matters any more. Its node is gone.
    pub fn aborted(&mut self, txns: &TxnManager, id: u64) -> Vec<Arc<Xact>> {
        self.leave_active(id);
        let safe = self.settle_watchers(txns, id, false);
        self.stop_waiting(id);
        self.detach(txns, id, false);
        safe
    }

    /// Takes a node out. Of one that committed, its neighbours keep what they need.
    pub fn detach(&mut self, txns: &TxnManager, id: u64, committed: bool) {
        let Some(node) = self.nodes.remove(&id) else { return };
        self.leave_active_set(&node);
        let end = self.reader(txns, &node).end;
        for out in &node.outs {
            if let Some(n) = self.nodes.get_mut(out) {
                n.ins.remove(&id);
                if committed {
                    n.latest_in = n.latest_in.max(end);
                }
            }
        }
        for from in &node.ins {
            if let Some(n) = self.nodes.get_mut(from) {
                n.outs.remove(&id);
                if committed && let Some(csn) = node.csn {
                    n.earliest_out = Some(n.earliest_out.map_or(csn, |c| c.min(csn)));
                }
            }
        }
    }

    fn leave_active_set(&mut self, node: &Node) {
        if self.active.remove(&(node.xact.snapshot, node.xact.id)) && !node.xact.read_only {
            self.writable -= 1;
        }
    }

    /// Takes the committed transaction that ended first into the summary.
    pub fn summarise_first(&mut self, txns: &TxnManager) -> Option<(Arc<Xact>, Lsn)> {
        let (end, id) = self.finished.pop_first()?;
        let node = self.nodes.get(&id)?;
        let xact = node.xact.clone();
        if let Some(csn) = node.csn {
            let outs =
                node.outs.iter().filter_map(|o| self.nodes.get(o)).filter_map(|o| self.commit_csn(txns, o));
            let earliest_out = outs.chain(node.earliest_out).filter(|c| *c < csn).min();
            let old = OldWriter { first: csn, last: csn, earliest_out };
            self.old.extend(xact.xids.lock().iter().map(|xid| (*xid, old)));
            self.limit_old();
        }
        // Whoever finds the transaction's lock without its node then knows what to do.
        xact.set_summary_end(end);
        self.old_end = self.old_end.max(end);
        self.detach(txns, id, true);
        Some((xact, end))
    }

    /// Forgets the older half of the summary's writers one by one: from then on each id below some floor counts as the worst of them.
    fn limit_old(&mut self) {
        if self.old.len() <= OLD_WRITERS_MAX {
            return;
        }
        let mut xids: Vec<Xid> = self.old.keys().copied().collect();
        let middle = xids.len() / 2;
        let floor = *xids.select_nth_unstable(middle).1;
        let mut worst = self.old_floor.map(|(_, w)| w);
        self.old.retain(|xid, w| {
            if *xid >= floor {
                return true;
            }
            let merged = worst.get_or_insert(*w);
            merged.first = merged.first.min(w.first);
            merged.last = merged.last.max(w.last);
            merged.earliest_out = match (merged.earliest_out, w.earliest_out) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            false
        });
        self.old_floor = worst.map(|w| (floor, w));
    }

    /// Forgets the summary.
    pub fn clear_old(&mut self) {
        self.old = HashMap::new();
        self.old_floor = None;
        self.old_end = Lsn(0);
    }

    /// Summarised writers.
    pub fn old_writers(&self) -> impl Iterator<Item = OldWriter> {
        self.old.values().copied().chain(self.old_floor.map(|(_, w)| w))
    }
}
