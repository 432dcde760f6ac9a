//! What reads say about the order: each read of a key is an **observation** that its transaction saw one of the positions
//! `from..=to` of that key. A row that was read gives one position; a row that wasn't there, or of which only its presence was shown, gives the
//! span of all positions that agree and could be visible at that time.

use std::collections::HashMap;

use super::versions::{Own, Position, Versions};
use super::{Action, Class, History, Key, Level, Lock, NEVER, Op, Outcome, Report, Row, Time, Txn, Which};

/// A read of a key, of what others wrote.
#[derive(Debug, Clone)]
pub struct Observation {
    pub txn: usize,
    /// The statement's number in its transaction.
    pub op: usize,
    pub key: Key,
    /// Positions in the key's order.
    pub from: usize,
    pub to: usize,
    /// The row was asked for by its key.
    pub item: bool,
    /// Made with the statement's (or transaction's) snapshot, not as a lock found the row.
    pub by_snapshot: bool,
    /// Nobody else can change the row until the transaction ends.
    pub excludes: bool,
}

/// When a transaction's reads, or a statement's, got their snapshot: not before the first, not after the second.
pub fn snapshot_time(txn: &Txn, op: usize, level: Level) -> (Time, Time) {
    let takes_snapshot =
        |o: &&Op| !matches!(o.action, Action::Savepoint | Action::RollbackTo | Action::Release);
    let op = match level.has_one_snapshot() {
        true => txn.ops.iter().find(takes_snapshot).unwrap_or(&txn.ops[op]),
        false => &txn.ops[op],
    };
    (op.sent, op.done)
}

/// All observations; reads that can't be right at all are reported.
pub fn all(history: &History, versions: &Versions, level: Level, report: &mut Report) -> Vec<Observation> {
    let mut found = Vec::new();
    for (number, txn) in history.txns.iter().enumerate() {
        let mut own = Own::default();
        for (at, op) in txn.ops.iter().enumerate() {
            let mut reader =
                Reader { history, versions, level, number, at, own: &own, report, found: &mut found };
            match &op.action {
                Action::Read { which, rows, lock } => reader.rows(which, rows, *lock),
                Action::Match { which, keys } => reader.presence(which, keys),
                _ => {}
            }
            own.step(&op.action, op.done);
        }
    }
    found
}

impl Which {
    fn takes(&self, row: &Row) -> bool {
        match self {
            Which::Keys(keys) => keys.contains(&row.key),
            Which::Range(low, high) => (*low..=*high).contains(&row.key),
            Which::Group(group) => row.group == *group,
        }
    }

    /// The keys whose rows it could take.
    fn keys(&self, history: &History) -> Vec<Key> {
        match self {
            Which::Keys(keys) => keys.clone(),
            Which::Range(low, high) => (*low..=*high).filter(|k| history.keys.contains(k)).collect(),
            Which::Group(_) => history.keys.clone().collect(),
        }
    }
}

/// One statement's reading.
struct Reader<'a> {
    history: &'a History,
    versions: &'a Versions,
    level: Level,
    number: usize,
    at: usize,
    own: &'a Own,
    report: &'a mut Report,
    found: &'a mut Vec<Observation>,
}

impl Reader<'_> {
    fn rows(&mut self, which: &Which, rows: &[Row], lock: Lock) {
        let mut by_key: HashMap<Key, Vec<&Row>> = HashMap::new();
        for row in rows {
            self.is_as_written(row);
            if !which.takes(row) {
                let number = self.number;
                self.report.add(Class::Torn, || format!("T{number} asked for {which:?} and got {row:?}"));
            }
            by_key.entry(row.key).or_default().push(row);
        }
        for key in which.keys(self.history) {
            let rows = by_key.remove(&key).unwrap_or_default();
            let (own, others): (Vec<&Row>, Vec<&Row>) = rows.into_iter().partition(|r| self.is_own(r));
            let change = self.own.change_of(key);
            let expected = change.and_then(|c| c.live.as_ref()).filter(|r| which.takes(r));
            if own != expected.into_iter().collect::<Vec<_>>() && lock != Lock::ExcludesSkipping {
                self.internal(key, &format!("sees {own:?} of its own, not {expected:?}"));
            }
            if others.len() > 1 || (!others.is_empty() && !own.is_empty() && !self.level.has_one_snapshot()) {
                let number = self.number;
                self.report
                    .add(Class::Doubled, || format!("T{number} sees key {key} as {own:?} and {others:?}"));
            }
            let taken = change.is_some_and(|c| c.took_over);
            match others.first() {
                Some(row) if taken => self.internal(key, &format!("still sees {row:?}, which it replaced")),
                Some(row) => self.saw(key, which, row, lock),
                None if change.is_some() => {}
                // What a lock waited for may have gone meanwhile.
                None if lock != Lock::None && !self.level.has_one_snapshot() => {}
                None if lock == Lock::ExcludesSkipping => {}
                None => self.saw_one_of(key, which, false),
            }
        }
    }

    fn presence(&mut self, which: &Which, keys: &[Key]) {
        for key in which.keys(self.history) {
            let there = keys.iter().filter(|k| **k == key).count();
            match self.own.change_of(key) {
                // Its own row, and perhaps one that the snapshot still shows.
                Some(change) if !change.took_over => {}
                Some(change) => {
                    let expected = change.live.as_ref().is_some_and(|r| which.takes(r));
                    if there != usize::from(expected) {
                        self.internal(
                            key,
                            &format!("finds {there} rows, and should find its own: {expected}"),
                        );
                    }
                }
                None => {
                    if there > 1 {
                        let number = self.number;
                        self.report.add(Class::Doubled, || format!("T{number} sees key {key} {there} times"));
                    }
                    self.saw_one_of(key, which, there > 0);
                }
            }
        }
    }

    fn is_own(&self, row: &Row) -> bool {
        self.versions.by_element.get(&row.version()).is_some_and(|v| v.txn == self.number)
    }

    /// A row that somebody wrote, exactly so.
    fn is_as_written(&mut self, row: &Row) {
        let written = self.versions.by_element.get(&row.version()).map(|v| &v.row);
        if written != Some(row) {
            let number = self.number;
            self.report.add(Class::Torn, || format!("T{number} read {row:?}, written was {written:?}"));
        }
    }

    fn internal(&mut self, key: Key, what: &str) {
        let (number, at) = (self.number, self.at);
        let told = super::depends::describe(&self.history.txns[number]);
        self.report
            .add(Class::Internal, || format!("T{number}, statement {at}: key {key}: {what}\n  {told}"));
    }

    /// An exact version of another transaction.
    fn saw(&mut self, key: Key, which: &Which, row: &Row, lock: Lock) {
        let Some(version) = self.versions.by_element.get(&row.version()) else { return };
        let (number, writer) = (self.number, version.txn);
        let Some(at) = version.position else {
            self.report.add(Class::G1a, || {
                format!(
                    "T{number} read {:?} of key {key}, which T{writer} wrote and did not commit",
                    row.list
                )
            });
            return;
        };
        if version.intermediate {
            self.report.add(Class::G1b, || {
                format!(
                    "T{number} read {:?} of key {key}, which T{writer} replaced before it committed",
                    row.list
                )
            });
        }
        let excludes = matches!(lock, Lock::Excludes | Lock::ExcludesSkipping) && self.is_kept();
        let by_snapshot = lock == Lock::None || self.level.has_one_snapshot();
        self.push(key, which, (at, at), by_snapshot, excludes);
    }

    /// True if no later rollback to a savepoint takes the statement's locks back.
    fn is_kept(&self) -> bool {
        let mut depth = 0i32;
        for op in &self.history.txns[self.number].ops[self.at..] {
            match op.action {
                Action::Savepoint => depth += 1,
                Action::Release => depth -= 1,
                // The savepoint stays.
                Action::RollbackTo if depth <= 0 => return false,
                _ => {}
            }
        }
        true
    }

    /// A version that matches, or none that does: one of the positions that agree, at that time.
    fn saw_one_of(&mut self, key: Key, which: &Which, matching: bool) {
        let Some(positions) = self.versions.by_key.get(&key) else { return };
        let (earliest, latest) = snapshot_time(&self.history.txns[self.number], self.at, self.level);
        let agrees = |p: &Position| p.row.as_ref().is_some_and(|r| which.takes(r)) == matching;
        let known_from = positions.iter().rposition(|p| self.acknowledged(p.writer) < earliest).unwrap_or(0);
        let fits = |(at, p): &(usize, &Position)| {
            *at >= known_from
                && self.requested(p.writer) <= latest
                && agrees(p)
                && p.writer != Some(self.number)
        };
        let mut all = positions.iter().enumerate().filter(fits).map(|(at, _)| at);
        let Some(from) = all.next() else {
            let (number, at) = (self.number, self.at);
            self.report.add(Class::Order, || {
                let seen = if matching { "sees" } else { "doesn't see" };
                format!(
                    "T{number}, statement {at} ({which:?}) {seen} key {key}, as no version at that time is"
                )
            });
            return;
        };
        let to = all.next_back().unwrap_or(from);
        // What changed before or after without a difference to the reader is no dependency.
        let others =
            |at: &usize| positions.get(*at).is_some_and(|p| p.writer != Some(self.number) && agrees(p));
        let from = (0..from).rev().take_while(others).last().unwrap_or(from);
        let to = (to + 1..).take_while(others).last().unwrap_or(to);
        self.push(key, which, (from, to), true, false);
    }

    fn acknowledged(&self, writer: Option<usize>) -> Time {
        match writer.map(|w| &self.history.txns[w]) {
            None => 0,
            Some(Txn { outcome: Outcome::Committed { done, .. }, asynchronous: false, .. }) => *done,
            Some(_) => NEVER,
        }
    }

    fn requested(&self, writer: Option<usize>) -> Time {
        match writer.map(|w| &self.history.txns[w].outcome) {
            None => 0,
            Some(Outcome::Committed { sent, .. }) => *sent,
            Some(Outcome::Aborted) => NEVER,
        }
    }

    fn push(
        &mut self,
        key: Key,
        which: &Which,
        (from, to): (usize, usize),
        by_snapshot: bool,
        excludes: bool,
    ) {
        self.found.push(Observation {
            txn: self.number,
            op: self.at,
            key,
            from,
            to,
            item: matches!(which, Which::Keys(_)),
            by_snapshot,
            excludes,
        });
    }
}
