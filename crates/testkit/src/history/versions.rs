//! The versions of each key, in their order.
//!
//! Within an incarnation the server counts versions (`number`), in the statement that makes them; incarnations follow each other as
//! their inserts did: the client that inserted one had the answer before it committed, and nobody can have deleted the row
//! before that, nor inserted the next one before it was deleted.
//!
//! **Positions.** A key's order starts with position 0, where it is absent; each later position is what a transaction left: a version, or the
//! absence after a DELETE. Versions that a transaction replaced itself share the position of its last one, for nobody else may see them.

use std::collections::{BTreeMap, HashMap};

use super::{Action, Class, Element, History, Key, Made, Report, Row, Time, Txn};

/// What a transaction has done to a key up to some statement.
#[derive(Debug, Clone)]
pub struct OwnChange {
    pub key: Key,
    /// The row as the transaction must see it now.
    pub live: Option<Row>,
    /// A row of another transaction was changed or deleted: it can't be seen any more.
    pub took_over: bool,
    made: Option<Made>,
    /// When the statement was answered.
    done: Time,
    /// The row that a DELETE took.
    deleted: Option<Row>,
}

/// A transaction's changes, statement by statement, with savepoints.
#[derive(Debug, Default)]
pub struct Own {
    changes: Vec<OwnChange>,
    savepoints: Vec<usize>,
    /// What was rolled back to savepoints.
    pub undone: Vec<OwnChange>,
}

impl Own {
    /// What the transaction has done to a key, as far as it isn't undone.
    pub fn change_of(&self, key: Key) -> Option<&OwnChange> {
        self.changes.iter().rev().find(|c| c.key == key)
    }

    /// Takes the next statement.
    pub fn step(&mut self, action: &Action, done: Time) {
        let (row, live, made) = match action {
            Action::Write { row, made } => (row, Some(row.clone()), Some(*made)),
            Action::Delete { row } => (row, None, None),
            Action::Savepoint => return self.savepoints.push(self.changes.len()),
            Action::Release => {
                self.savepoints.pop();
                return;
            }
            Action::RollbackTo => {
                let kept = self.savepoints.last().copied().unwrap_or_default();
                return self.undone.extend(self.changes.drain(kept..));
            }
            Action::Read { .. } | Action::Match { .. } | Action::Nothing => return,
        };
        let before = self.change_of(row.key).map(|c| c.took_over);
        let took_over = before.unwrap_or(made != Some(Made::Insert));
        let deleted = made.is_none().then(|| row.clone());
        self.changes.push(OwnChange { key: row.key, live, took_over, made, done, deleted });
    }
}

/// A version that somebody wrote.
#[derive(Debug)]
pub struct Version {
    pub txn: usize,
    pub row: Row,
    pub made: Made,
    /// None if it never was to be seen by others: aborted, or undone.
    pub position: Option<usize>,
    /// Its writer replaced it.
    pub intermediate: bool,
}

/// A state of a key that others can see.
#[derive(Debug)]
pub struct Position {
    /// None before everything.
    pub writer: Option<usize>,
    /// None if there is no row.
    pub row: Option<Row>,
    /// A row was inserted after another transaction had deleted the one before.
    pub reinserted: bool,
}

/// All versions of a history.
#[derive(Debug, Default)]
pub struct Versions {
    /// By element.
    pub by_element: HashMap<Element, Version>,
    pub by_key: HashMap<Key, Vec<Position>>,
}

/// A row from its insert to its deletion.
#[derive(Default)]
struct Incarnation {
    began: Option<Time>,
    /// By number; more than one is an anomaly.
    chain: BTreeMap<i64, Vec<Element>>,
    deletes: Vec<(usize, Row)>,
}

impl Versions {
    /// Finds the order, and says what contradicts one.
    pub fn of(history: &History, report: &mut Report) -> Versions {
        let mut versions = Versions::default();
        let mut incarnations: HashMap<Key, HashMap<Element, Incarnation>> = HashMap::new();
        for (number, txn) in history.txns.iter().enumerate() {
            versions.take(number, txn, &mut incarnations);
        }
        for key in history.keys.clone() {
            let incarnations = incarnations.remove(&key).unwrap_or_default();
            versions.order(key, incarnations, report);
        }
        versions
    }

    fn take(
        &mut self,
        number: usize,
        txn: &Txn,
        incarnations: &mut HashMap<Key, HashMap<Element, Incarnation>>,
    ) {
        let mut own = Own::default();
        txn.ops.iter().for_each(|op| own.step(&op.action, op.done));
        let lasting = txn.committed();
        for (change, lasting) in
            own.changes.iter().map(|c| (c, lasting)).chain(own.undone.iter().map(|c| (c, false)))
        {
            let Some(row) = change.live.as_ref().or(change.deleted.as_ref()) else { continue };
            if let Some(made) = change.made {
                let version =
                    Version { txn: number, row: row.clone(), made, position: None, intermediate: false };
                self.by_element.insert(row.version(), version);
            }
            if !lasting {
                continue;
            }
            let incarnation = incarnations.entry(change.key).or_default().entry(row.incarnation).or_default();
            match &change.deleted {
                Some(row) => incarnation.deletes.push((number, row.clone())),
                None => incarnation.chain.entry(row.number).or_default().push(row.version()),
            }
            if change.made == Some(Made::Insert) || incarnation.began.is_none() {
                incarnation.began = Some(change.done);
            }
        }
    }

    /// Puts a key's versions in order.
    fn order(&mut self, key: Key, incarnations: HashMap<Element, Incarnation>, report: &mut Report) {
        let mut incarnations: Vec<(Element, Incarnation)> = incarnations.into_iter().collect();
        incarnations.sort_by_key(|(element, i)| (i.began, *element));
        let mut positions = vec![Position { writer: None, row: None, reinserted: false }];
        for (name, incarnation) in &incarnations {
            self.check_chain(key, *name, incarnation, report);
            for element in incarnation.chain.values().flatten() {
                let version = &self.by_element[element];
                let (txn, row) = (version.txn, version.row.clone());
                self.put(&mut positions, txn, Some(row));
            }
            for (txn, _) in &incarnation.deletes {
                self.put(&mut positions, *txn, None);
            }
        }
        for (at, position) in positions.iter().enumerate() {
            let Some(row) = &position.row else { continue };
            if let Some(version) = self.by_element.get_mut(&row.version()) {
                version.position = Some(at);
            }
        }
        self.by_key.insert(key, positions);
    }

    /// Adds a state; one of the same transaction is replaced.
    fn put(&mut self, positions: &mut Vec<Position>, txn: usize, row: Option<Row>) {
        let here = positions.len() - 1;
        let last = &mut positions[here];
        if last.writer == Some(txn) {
            if let Some(version) = last.row.take().and_then(|r| self.by_element.get_mut(&r.version())) {
                version.intermediate = true;
                version.position = Some(here);
            }
            last.row = row;
        } else {
            let reinserted = last.row.is_none() && last.writer.is_some();
            positions.push(Position { writer: Some(txn), row, reinserted });
        }
    }

    /// An incarnation's versions have the numbers 1, 2, ..., each appended to the one before, and only the last can be deleted.
    fn check_chain(&self, key: Key, name: Element, incarnation: &Incarnation, report: &mut Report) {
        let mut before: Option<&Row> = None;
        for (expected, (number, elements)) in (1..).zip(&incarnation.chain) {
            let row = &self.by_element[&elements[0]].row;
            if elements.len() > 1 {
                report.add(Class::LostWrite, || {
                    format!("key {key}: versions {elements:?} are both number {number} of row {name}")
                });
            }
            if *number != expected {
                self.missing(key, name, row, report);
                return;
            }
            let base = row.list.split_last().map_or(&[][..], |(_, base)| base);
            let appended = self.by_element[&elements[0]].made == Made::Append;
            if let Some(before) = before.filter(|b| appended && b.list != base) {
                report.add(Class::LostWrite, || {
                    format!("key {key}: {:?} was appended to {:?}", row.list, before.list)
                });
            }
            before = Some(row);
        }
        let last = before.map(Row::version);
        for (txn, row) in &incarnation.deletes {
            if incarnation.deletes.len() > 1 || Some(row.version()) != last {
                report.add(Class::LostWrite, || {
                    format!("key {key}: T{txn} deleted {:?}, the last version is {last:?}", row.list)
                });
            }
        }
    }

    /// A version whose predecessor did not come to last.
    fn missing(&self, key: Key, name: Element, row: &Row, report: &mut Report) {
        let base = row.list.iter().rev().nth(1);
        let aborted = base.and_then(|b| self.by_element.get(b)).map(|v| v.txn);
        report.add(Class::G1a, || {
            format!(
                "key {key}: number {} of row {name}, {:?}, was built on a version that isn't committed{}",
                row.number,
                row.list,
                aborted.map_or_else(String::new, |t| format!(", of T{t}"))
            )
        });
    }
}
