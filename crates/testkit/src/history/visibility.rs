//! Commit order is visibility order: commits and snapshots must have one order in which every snapshot sees exactly the commits before it.
//!
//! The graph's nodes are commits and snapshots (one of each statement at READ COMMITTED, else one of the transaction). "Before" follows
//! from versions that replace each other, from what snapshots see and don't see, from locks, and from real time: what was acknowledged before
//! something else was asked for is before it. A cycle means that two observers saw commits in different orders, that a session didn't see
//! what it knew to be committed, or that a transaction changed a row of which its snapshot doesn't show the latest version.
//!
//! At REPEATABLE READ no cycle is exactly the absence of all anomalies that snapshot isolation forbids (the theorem of Fekete et al.,
//! "Making Snapshot Isolation Serializable", 2005): so this is the complete check, and `depends` finds the names.

use std::collections::HashMap;

use super::cycles::{Graph, inside};
use super::observe::{Observation, snapshot_time};
use super::versions::Versions;
use super::{Class, History, Key, Level, Outcome, Report, Time};

/// Why one node is before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The second's version of the key replaced the first's.
    Replaced(Key),
    /// The snapshot shows what was committed.
    Sees(Key),
    /// The snapshot doesn't show what was committed.
    Misses(Key),
    /// The row was locked until the first's end.
    Locked(Key),
    /// A transaction's snapshot is before its commit; a client's commit before its next snapshot.
    Client,
    /// The clock.
    Time,
}

/// Edges that order everything whose end is known before everything that began later, by nodes that stand for points of time.
pub fn add_time<L: Copy>(graph: &mut Graph<L>, intervals: &[(usize, Time, Option<Time>)], label: L) {
    let mut ends: Vec<(Time, usize)> =
        intervals.iter().filter_map(|(node, _, end)| end.map(|e| (e, *node))).collect();
    ends.sort_unstable();
    let mut points: Vec<(Time, usize)> = Vec::with_capacity(ends.len());
    for (end, node) in ends {
        let point = graph.add_node();
        if let Some((_, last)) = points.last() {
            graph.add(*last, point, label);
        }
        graph.add(node, point, label);
        points.push((end, point));
    }
    for (node, begin, _) in intervals {
        let before = points.partition_point(|(end, _)| end < begin);
        if let Some((_, point)) = before.checked_sub(1).and_then(|at| points.get(at)) {
            graph.add(*point, *node, label);
        }
    }
}

struct Builder<'a> {
    history: &'a History,
    level: Level,
    graph: Graph<Why>,
    /// Snapshots by transaction and statement (0 for a transaction's only one).
    snapshots: HashMap<(usize, usize), usize>,
}

impl Builder<'_> {
    /// The node of the snapshot that a statement read with.
    fn snapshot(&mut self, txn: usize, op: usize) -> usize {
        let op = if self.level.has_one_snapshot() { 0 } else { op };
        let (history, graph) = (self.history, &mut self.graph);
        *self.snapshots.entry((txn, op)).or_insert_with(|| {
            let node = graph.add_node();
            if history.txns[txn].committed() {
                graph.add(node, txn, Why::Client);
            }
            node
        })
    }
}

/// Reports cycles; if there are, tells which transactions are in them.
pub fn check(
    history: &History,
    versions: &Versions,
    observations: &[Observation],
    level: Level,
    report: &mut Report,
) -> Option<Vec<bool>> {
    let graph = Graph::new(history.txns.len());
    let mut b = Builder { history, level, graph, snapshots: HashMap::new() };
    for (key, positions) in &versions.by_key {
        for pair in positions.windows(2) {
            let (Some(first), Some(second)) = (pair[0].writer, pair[1].writer) else { continue };
            b.graph.add(first, second, Why::Replaced(*key));
            if level.has_one_snapshot() && !pair[1].reinserted {
                let snapshot = b.snapshot(second, 0);
                b.graph.add(first, snapshot, Why::Replaced(*key));
            }
        }
    }
    for o in observations {
        let positions = &versions.by_key[&o.key];
        let next = positions.get(o.to + 1).and_then(|p| p.writer);
        if o.by_snapshot {
            let snapshot = b.snapshot(o.txn, o.op);
            if let Some(writer) = positions[o.from].writer.filter(|w| *w != o.txn) {
                b.graph.add(writer, snapshot, Why::Sees(o.key));
            }
            if let Some(writer) = next {
                b.graph.add(snapshot, writer, Why::Misses(o.key));
            }
        }
        if o.excludes && history.txns[o.txn].committed() {
            if let Some(writer) = positions[o.from].writer {
                b.graph.add(writer, o.txn, Why::Sees(o.key));
            }
            if let Some(writer) = next {
                b.graph.add(o.txn, writer, Why::Locked(o.key));
            }
        }
    }
    let suspects = cycles(b, report);
    suspects.iter().any(|s| *s).then_some(suspects)
}

/// Adds what the clock and the clients' own order say, and reports the cycles there are then.
fn cycles(b: Builder<'_>, report: &mut Report) -> Vec<bool> {
    let Builder { history, level, mut graph, snapshots } = b;
    let nodes = graph.len();
    let mut intervals = Vec::with_capacity(nodes);
    let mut by_client: HashMap<usize, Vec<(Time, usize)>> = HashMap::new();
    for (number, txn) in history.txns.iter().enumerate() {
        let Outcome::Committed { sent, done } = txn.outcome else { continue };
        intervals.push((number, sent, (!txn.asynchronous).then_some(done)));
        by_client.entry(txn.client).or_default().push((sent, number));
    }
    let mut names: HashMap<usize, (usize, usize)> = HashMap::new();
    for (name, node) in &snapshots {
        let txn = &history.txns[name.0];
        let (sent, done) = snapshot_time(txn, name.1, level);
        intervals.push((*node, sent, (!txn.asynchronous).then_some(done)));
        by_client.entry(txn.client).or_default().push((sent, *node));
        names.insert(*node, *name);
    }
    for events in by_client.values_mut() {
        events.sort_unstable();
        events.windows(2).for_each(|pair| graph.add(pair[0].1, pair[1].1, Why::Client));
    }
    add_time(&mut graph, &intervals, Why::Time);
    let mut suspects = vec![false; history.txns.len()];
    for component in graph.components(|_| true) {
        for node in &component {
            let txn = names.get(node).map_or(*node, |(txn, _)| *txn);
            if txn < suspects.len() {
                suspects[txn] = true;
            }
        }
        let name = |node: usize| match names.get(&node) {
            Some((txn, _)) if level.has_one_snapshot() => format!("snapshot of T{txn}"),
            Some((txn, op)) => format!("snapshot of T{txn}'s statement {op}"),
            None if node < nodes => format!("commit of T{node}"),
            None => "time".to_owned(),
        };
        let inside = inside(graph.len(), &component);
        let start = component.iter().filter(|n| **n < nodes).min().copied().unwrap_or(component[0]);
        let Some(cycle) = graph.cycle(start, &inside, |_| true) else { continue };
        report.add(Class::Order, || {
            let mut text = format!("a cycle among {} commits and snapshots:", component.len());
            let mut last = String::new();
            for (from, to, why) in &cycle {
                // A stretch of points of time is said once.
                let line = match (name(*from).as_str(), name(*to).as_str()) {
                    ("time", "time") => continue,
                    (from, "time") => {
                        last = from.to_owned();
                        continue;
                    }
                    ("time", to) => format!("\n  {last}, was over before it: {to}"),
                    (from, to) => format!("\n  {from}, {why:?}: {to}"),
                };
                text.push_str(&line);
            }
            for (node, _, _) in &cycle {
                let txn = names.get(node).map_or(*node, |(txn, _)| *txn);
                if let Some(t) = history.txns.get(txn).filter(|_| *node < nodes) {
                    text.push_str(&format!("\n  T{txn}: {}", super::depends::describe(t)));
                }
            }
            text
        });
    }
    suspects
}
