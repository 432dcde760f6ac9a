//! Deadlock detection: after `deadlock_timeout` in a queue, a waiter looks for a circle through itself in the waits-for graph. If one
//! can be opened by letting waiters pass each other, their queues are rearranged; else the one who looked gives up with PostgreSQL's
//! report (src/backend/storage/lmgr/deadlock.c).
//!
//! Edges go to holders of conflicting locks (hard) and to conflicting waiters ahead in the queue (soft). Every member of a circle checks
//! `deadlock_timeout` after it began to wait, so the last one to join finds the circle complete.

use super::manager::{Entry, LockManager, take_out};
use super::waits::Waiter;
use super::{LockMode, LockTag, OwnerId, Waiting};
use hashbrown::{HashMap, HashSet};
use quarry_common::{Error, SqlState, Xid};
use std::sync::{Arc, Weak};

/// What a look for a deadlock came to.
pub(super) enum Finding {
    Nothing,
    /// Queues were rearranged.
    Avoided,
    /// The waiter must give up.
    Deadlock(Error),
}

/// At most so many waiters are let pass, and so many ways tried.
const CONSTRAINTS_MAX: usize = 32;
const ATTEMPTS_MAX: usize = 1000;

/// One thing that is waited for.
struct Queue {
    waiters: Vec<Arc<Waiter>>,
    holders: Vec<(OwnerId, i32, u16)>,
    /// The transaction whose end is waited for.
    ender: Option<(OwnerId, i32)>,
}

type Queues = HashMap<LockTag, Queue>;
type Orders = HashMap<LockTag, Vec<Arc<Waiter>>>;
type Edges = HashMap<OwnerId, Vec<Edge>>;

/// `waiter` waits on `tag` for what `blocker` has, or wants before it (`ahead`).
struct Edge {
    waiter: Arc<Waiter>,
    tag: LockTag,
    ahead: Option<Arc<Waiter>>,
    blocker: OwnerId,
    blocker_pid: i32,
}

/// `waiter` is to stand before `ahead`, which is before it now.
struct Constraint {
    tag: LockTag,
    waiter: Arc<Waiter>,
    ahead: Arc<Waiter>,
}

impl LockManager {
    /// Whoever's end is waited for under this tag.
    pub(super) fn ender_of(&self, tag: &LockTag) -> Option<(OwnerId, i32)> {
        let txns = self.txns.get().and_then(Weak::upgrade)?;
        let found = match tag {
            LockTag::Xid(xid) => txns.running.owner_of(txns.top_of(*xid)),
            LockTag::Virtual(id) => txns.running.owner_of_virtual(*id),
            _ => None,
        };
        found.map(|(owner, pid)| (OwnerId(owner), pid))
    }

    /// What everyone waits for, as it stands in the shards.
    fn queues<'a>(&self, entries: impl Iterator<Item = (&'a LockTag, &'a Entry)>) -> Queues {
        let queue = |(tag, entry): (&LockTag, &Entry)| {
            let holders = entry.holders.iter().map(|h| (h.owner, h.pid, h.modes)).collect();
            let waiters = entry.queue.iter().cloned().collect();
            (*tag, Queue { waiters, holders, ender: self.ender_of(tag) })
        };
        entries.filter(|(_, e)| !e.queue.is_empty()).map(queue).collect()
    }

    /// Looks for a circle through `waiter` (queued for `tag`), and opens it if it can; else the waiter has left its queue, so that
    /// others in the circle who look after this find it open.
    pub(super) fn look_for_deadlock(
        &self,
        who: &Waiting<'_>,
        waiter: &Arc<Waiter>,
        tag: &LockTag,
    ) -> Finding {
        let (orders, circle) = {
            let mut shards: Vec<_> = self.shards.iter().map(|s| s.lock()).collect();
            let queues = self.queues(shards.iter().flat_map(|s| s.iter()));
            let edges = edges(&queues, &Orders::new());
            let Some(circle) = circle_through(&edges, waiter, tag) else { return Finding::Nothing };
            let circle: Vec<Step> = circle.into_iter().map(|e| self.step(e)).collect();
            let orders = resolve(&queues, waiter, tag, &mut Vec::new(), &mut 0);
            for (tag, order) in orders.iter().flatten() {
                if let Some(entry) = shards[self.shard_index(tag)].get_mut(tag) {
                    entry.queue = order.iter().cloned().collect();
                    entry.promote();
                }
            }
            if orders.is_none() {
                take_out(&mut shards[self.shard_index(tag)], tag, waiter);
            }
            (orders, circle)
        };
        match orders {
            Some(_) => Finding::Avoided,
            None => Finding::Deadlock(report(who, &circle)),
        }
    }

    /// An edge as reports show it.
    fn step(&self, edge: &Edge) -> Step {
        // Users know a wait for a row's sharer as one for its transaction's end.
        let xid: Option<Xid> = edge.tag.is_row_share().then(|| self.xid_of(edge.blocker)).flatten();
        let (mode, tag) = match xid {
            Some(xid) => (LockMode::Share, LockTag::Xid(xid)),
            None => (edge.waiter.mode, edge.tag),
        };
        Step { pid: edge.waiter.pid, mode, tag, blocker_pid: edge.blocker_pid }
    }

    /// Process ids of those that session `pid` waits for, each once: holders of what it wants, and others that want it and stand
    /// before it in line. A prepared transaction has none and counts as 0.
    pub fn blocking_pids(&self, pid: i32) -> Vec<i32> {
        let queues = {
            let shards: Vec<_> = self.shards.iter().map(|s| s.lock()).collect();
            self.queues(shards.iter().flat_map(|s| s.iter()))
        };
        let mut pids: Vec<i32> = vec![];
        for edge in edges(&queues, &Orders::new()).values().flatten() {
            if edge.waiter.pid == pid && edge.blocker_pid != pid && !pids.contains(&edge.blocker_pid) {
                pids.push(edge.blocker_pid);
            }
        }
        pids
    }
}

/// Two sessions each hold a lock and wait for a stronger one on the same thing: no need to wait to see it.
pub(super) fn simple_deadlock(who: &Waiting<'_>, tag: LockTag, mode: LockMode, other: &Waiter) -> Error {
    let step = |pid, mode, blocker_pid| Step { pid, mode, tag, blocker_pid };
    report(who, &[step(who.pid, mode, other.pid), step(other.pid, other.mode, who.pid)])
}

/// Who waits for whom, with some queues in another order.
fn edges(queues: &Queues, orders: &Orders) -> Edges {
    let mut edges = Edges::new();
    for (tag, queue) in queues {
        let order = orders.get(tag).unwrap_or(&queue.waiters);
        for (at, waiter) in order.iter().enumerate() {
            let list = edges.entry(waiter.owner).or_default();
            let mut add = |blocker, blocker_pid, ahead| {
                list.push(Edge { waiter: waiter.clone(), tag: *tag, ahead, blocker, blocker_pid });
            };
            if let Some((owner, pid)) = queue.ender {
                add(owner, pid, None);
            }
            for (owner, pid, modes) in &queue.holders {
                if *owner != waiter.owner && modes & waiter.mode.conflicts() != 0 {
                    add(*owner, *pid, None);
                }
            }
            for ahead in &order[..at] {
                if ahead.owner != waiter.owner && ahead.mode.conflicts_with(waiter.mode) {
                    add(ahead.owner, ahead.pid, Some(ahead.clone()));
                }
            }
        }
    }
    edges
}

/// A circle through `waiter`.
fn circle_through<'a>(edges: &'a Edges, waiter: &Arc<Waiter>, tag: &LockTag) -> Option<Vec<&'a Edge>> {
    let mut path = Vec::new();
    let mut visited = HashSet::new();
    // Only this wait counts for the start, whatever else its owner's threads wait for.
    for edge in edges.get(&waiter.owner)?.iter().filter(|e| e.tag == *tag && Arc::ptr_eq(&e.waiter, waiter)) {
        path.push(edge);
        if edge.blocker == waiter.owner || search(edges, waiter.owner, edge.blocker, &mut visited, &mut path)
        {
            return Some(path);
        }
        path.pop();
    }
    None
}

/// Depth first from `from` for a path back to `target`.
fn search<'a>(
    edges: &'a Edges,
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

/// Orders of queues in which neither `start` nor anyone who is let pass is in a circle; none: there is no such.
fn resolve(
    queues: &Queues,
    start: &Arc<Waiter>,
    tag: &LockTag,
    constraints: &mut Vec<Constraint>,
    attempts: &mut usize,
) -> Option<Orders> {
    *attempts += 1;
    if *attempts > ATTEMPTS_MAX || constraints.len() > CONSTRAINTS_MAX {
        return None;
    }
    let orders = orders(queues, constraints)?;
    let edges = edges(queues, &orders);
    let moved = constraints.iter().flat_map(|c| [(&c.waiter, &c.tag), (&c.ahead, &c.tag)]);
    let circle = moved.chain([(start, tag)]).find_map(|(waiter, tag)| circle_through(&edges, waiter, tag));
    let Some(circle) = circle else { return Some(orders) };
    // The last one first, as PostgreSQL tries them: the one who looks stays where it is if others can go.
    for edge in circle.into_iter().rev() {
        let Some(ahead) = edge.ahead.clone() else { continue };
        constraints.push(Constraint { tag: edge.tag, waiter: edge.waiter.clone(), ahead });
        let found = resolve(queues, start, tag, constraints, attempts);
        constraints.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The queues in the order that the constraints ask for, as near to the present one as may be; none: they contradict each other.
fn orders(queues: &Queues, constraints: &[Constraint]) -> Option<Orders> {
    let mut orders = Orders::new();
    for tag in constraints.iter().map(|c| c.tag) {
        if orders.contains_key(&tag) {
            continue;
        }
        let here: Vec<&Constraint> = constraints.iter().filter(|c| c.tag == tag).collect();
        let mut left = queues.get(&tag)?.waiters.clone();
        let mut order = Vec::with_capacity(left.len());
        // From the back: whoever nobody left has to stand behind.
        while !left.is_empty() {
            let may_be_last = |w: &Arc<Waiter>| {
                !here
                    .iter()
                    .any(|c| Arc::ptr_eq(&c.waiter, w) && left.iter().any(|l| Arc::ptr_eq(l, &c.ahead)))
            };
            let at = left.iter().rposition(may_be_last)?;
            order.push(left.remove(at));
        }
        order.reverse();
        orders.insert(tag, order);
    }
    Some(orders)
}

/// A line of a report.
struct Step {
    pid: i32,
    mode: LockMode,
    tag: LockTag,
    blocker_pid: i32,
}

fn report(who: &Waiting<'_>, circle: &[Step]) -> Error {
    let line = |s: &Step| {
        format!(
            "Process {} waits for {} on {}; blocked by process {}.",
            s.pid,
            s.mode.name(),
            who.name_of(&s.tag),
            s.blocker_pid
        )
    };
    let detail = circle.iter().map(line).collect::<Vec<_>>().join("\n");
    let mut e = Error::new(SqlState::T_R_DEADLOCK_DETECTED, "deadlock detected");
    if let Some(observer) = who.observer {
        let mut logged = detail.clone();
        for step in circle {
            logged.push_str(&format!("\nProcess {}: {}", step.pid, observer.activity_of(step.pid)));
        }
        e = e.detail_log(logged);
    }
    e.detail(detail).hint("See server log for query details.")
}
