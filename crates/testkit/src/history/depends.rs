//! Adya's direct serialization graph over committed transactions, and the names of its cycles.
//!
//! Edges: **ww** to who replaced a version; **wr** to who saw it (or saw its effect on a predicate); **rw** from who saw a version to who made the next
//! one; at SERIALIZABLE also real time. Cycles are named by their edges. Of cycles that the level permits only a sample
//! is looked for: enough to show that the load could have found them.

use super::cycles::{Graph, Step, inside};
use super::observe::Observation;
use super::versions::Versions;
use super::visibility::add_time;
use super::{Action, Class, History, Key, Level, Outcome, Report, Time, Txn};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ww,
    Wr,
    Rw,
    Time,
}

/// A dependency, and the key that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dependency {
    kind: Kind,
    key: Key,
    item: bool,
}

/// How many anti-dependencies of a component are tried, if not all must be.
const SAMPLE: usize = 200;

/// Reports all cycles' kinds that the level forbids. `suspects` are the transactions among which a violation of snapshot isolation is.
pub fn check(
    history: &History,
    versions: &Versions,
    observations: &[Observation],
    level: Level,
    suspects: Option<&Vec<bool>>,
    report: &mut Report,
) {
    let mut graph = Graph::new(history.txns.len());
    for (key, positions) in &versions.by_key {
        for pair in positions.windows(2) {
            // A row that takes a deleted one's place is another item to snapshots.
            let another = pair[1].reinserted && level.has_one_snapshot();
            if let (Some(first), Some(second), false) = (pair[0].writer, pair[1].writer, another) {
                graph.add(first, second, Dependency { kind: Kind::Ww, key: *key, item: true });
            }
        }
    }
    let reads = observations.iter().filter(|o| history.txns[o.txn].committed());
    for o in reads {
        let positions = &versions.by_key[&o.key];
        let edge = |kind| Dependency { kind, key: o.key, item: o.item };
        if let Some(writer) = positions[o.from].writer {
            graph.add(writer, o.txn, edge(Kind::Wr));
        }
        let next = positions.get(o.to + 1);
        if let Some(writer) = next.and_then(|p| p.writer) {
            graph.add(o.txn, writer, edge(Kind::Rw));
        }
    }
    report.edges = graph.count(|_| true);
    lost_updates(history, versions, observations, report);
    if level == Level::Serializable {
        let mut intervals = Vec::new();
        for (number, txn) in history.txns.iter().enumerate() {
            let (Outcome::Committed { done, .. }, Some(first)) = (txn.outcome, txn.ops.first()) else {
                continue;
            };
            intervals.push((number, first.sent, (!txn.asynchronous).then_some(done)));
        }
        add_time(&mut graph, &intervals, Dependency { kind: Kind::Time, key: Key::MIN, item: true });
    }
    Namer { history, graph: &graph, level, suspects, report }.all();
}

/// A row changed between a transaction's reading it and its changing it.
fn lost_updates(history: &History, versions: &Versions, observations: &[Observation], report: &mut Report) {
    for o in observations.iter().filter(|o| o.from == o.to && o.item && history.txns[o.txn].committed()) {
        let positions = &versions.by_key[&o.key];
        let Some(next) = positions.get(o.from + 1).filter(|p| p.writer != Some(o.txn)) else { continue };
        let later = &positions[o.from + 1..];
        let Some(at) = later.iter().position(|p| p.writer == Some(o.txn)) else { continue };
        let (own, another) = (&later[at], later[..=at].iter().any(|p| p.reinserted));
        if let (Some(lost), false) = (next.writer, another) {
            report.add(Class::LostUpdate, || {
                let (mine, its) = (describe(&history.txns[o.txn]), describe(&history.txns[lost]));
                format!(
                    "key {}: T{} read {:?} and wrote {:?}, between them T{lost} wrote {:?}\n  T{}: {mine}\n  T{lost}: {its}",
                    o.key,
                    o.txn,
                    positions[o.from].row.as_ref().map(|r| &r.list),
                    own.row.as_ref().map(|r| &r.list),
                    next.row.as_ref().map(|r| &r.list),
                    o.txn,
                )
            });
        }
    }
}

/// Names the cycles.
struct Namer<'a> {
    history: &'a History,
    graph: &'a Graph<Dependency>,
    level: Level,
    suspects: Option<&'a Vec<bool>>,
    report: &'a mut Report,
}

impl Namer<'_> {
    fn all(mut self) {
        self.overwrites_and_reads(|d| d.kind == Kind::Ww, Class::G0);
        self.overwrites_and_reads(|d| matches!(d.kind, Kind::Ww | Kind::Wr), Class::G1c);
        for component in self.graph.components(|_| true) {
            self.with_anti_dependencies(&component);
        }
    }

    /// One cycle of each component over the edges of some kinds.
    fn overwrites_and_reads(&mut self, kinds: impl Fn(Dependency) -> bool, class: Class) {
        for component in self.graph.components(&kinds) {
            let inside = inside(self.graph.len(), &component);
            let cycle = component.iter().find_map(|node| {
                let cycle = self.graph.cycle(*node, &inside, &kinds)?;
                let is_new = class == Class::G0 || cycle.iter().any(|(_, _, d)| d.kind != Kind::Ww);
                is_new.then_some(cycle)
            });
            if let Some(cycle) = cycle {
                self.tell(class, &cycle);
            }
        }
    }

    /// Cycles with anti-dependencies, each by that of its names which the weakest level forbids.
    fn with_anti_dependencies(&mut self, component: &[usize]) {
        let inside = inside(self.graph.len(), component);
        let suspect = |node: usize| self.suspects.is_some_and(|s| s.get(node) == Some(&true));
        let mut edges: Vec<Step<Dependency>> = Vec::new();
        for node in component {
            let out = self.graph.edges(*node).map(|(to, d)| (*node, to, d));
            edges.extend(out.filter(|(_, to, d)| d.kind == Kind::Rw && inside[*to]));
        }
        if edges.is_empty() {
            self.only_time(component, &inside);
            return;
        }
        edges.sort_by_key(|(from, to, _)| !(suspect(*from) && suspect(*to)));
        for edge in edges.into_iter().take(SAMPLE) {
            self.name(edge, &inside);
        }
    }

    fn name(&mut self, (from, to, rw): Step<Dependency>, inside: &[bool]) {
        let is_rw = |d: Dependency| d.kind == Kind::Rw;
        let back = |class: Class, keep: &dyn Fn(Dependency, Dependency) -> bool| {
            // Two anti-dependencies are apart also where the cycle closes.
            let ends = |d: Dependency| class != Class::GNonadjacent || !is_rw(d);
            Some((class, self.graph.path((to, rw), (from, ends), inside, is_rw, keep)?))
        };
        let found = back(Class::GSingle, &|_, d| !is_rw(d))
            .or_else(|| back(Class::GNonadjacent, &|before, d| !(is_rw(before) && is_rw(d))))
            .or_else(|| back(Class::G2Item, &|_, d| !is_rw(d) || d.item).filter(|_| rw.item))
            .or_else(|| back(Class::G2, &|_, _| true));
        if let Some((class, path)) = found {
            let mut cycle = vec![(from, to, rw)];
            cycle.extend(path);
            self.tell(class, &cycle);
        }
    }

    /// A cycle of reads and overwrites against the clock.
    fn only_time(&mut self, component: &[usize], inside: &[bool]) {
        let is_dependency = |d: Dependency| d.kind != Kind::Time;
        if !component.iter().any(|n| self.graph.edges(*n).any(|(to, d)| inside[to] && d.kind == Kind::Time)) {
            return;
        }
        let start =
            component.iter().find(|n| self.graph.edges(**n).any(|(to, d)| inside[to] && is_dependency(d)));
        let cycle = start.and_then(|n| self.graph.cycle(*n, inside, |_| true));
        if let Some(cycle) = cycle {
            self.tell(Class::Order, &cycle);
        }
    }

    fn tell(&mut self, class: Class, cycle: &[Step<Dependency>]) {
        let (history, level) = (self.history, self.level);
        self.report.add(class, || {
            let is_txn = |node: usize| node < history.txns.len();
            let mut text = format!("{} edges, as {} sees them:", cycle.len(), level.sql());
            for (from, to, d) in cycle {
                let line = match (is_txn(*from), is_txn(*to), d.kind) {
                    (true, false, _) => format!("\n  T{from} was over before"),
                    (false, true, _) => format!(" T{to} began"),
                    (false, false, _) => continue,
                    (_, _, kind) => format!("\n  T{from} -{kind:?}, key {}-> T{to}", d.key),
                };
                text.push_str(&line);
            }
            for (from, _, _) in cycle.iter().filter(|(from, _, _)| is_txn(*from)) {
                text.push_str(&format!("\n  T{from}: {}", describe(&history.txns[*from])));
            }
            text
        });
    }
}

/// A transaction in one line; times in milliseconds.
pub fn describe(txn: &Txn) -> String {
    let ms = |t: Time| t as f64 / 1e6;
    let mut text = format!("client {}{}", txn.client, if txn.asynchronous { " (asynchronous)" } else { "" });
    for op in &txn.ops {
        let what = match &op.action {
            Action::Read { which, rows, lock } => {
                let rows: Vec<String> =
                    rows.iter().map(|r| format!("{}#{}:{:?}g{}", r.key, r.number, r.list, r.group)).collect();
                format!("read {which:?} {lock:?}: {}", rows.join(" "))
            }
            Action::Match { which, keys } => format!("match {which:?}: {keys:?}"),
            Action::Write { row, made } => {
                format!("{made:?} {}#{}:{:?}g{}", row.key, row.number, row.list, row.group)
            }
            Action::Delete { row } => format!("delete {}#{}:{:?}", row.key, row.number, row.list),
            other => format!("{other:?}"),
        };
        text.push_str(&format!("; [{:.3}-{:.3}] {what}", ms(op.sent), ms(op.done)));
    }
    match txn.outcome {
        Outcome::Committed { sent, done } => {
            text.push_str(&format!("; [{:.3}-{:.3}] commit", ms(sent), ms(done)));
        }
        Outcome::Aborted => text.push_str("; aborted"),
    }
    text
}
