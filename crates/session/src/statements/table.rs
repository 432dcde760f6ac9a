//! The sums themselves, and which of them make room.

use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::Oid;
use quarry_common::usage::Usage;

/// How much is left of an entry's weight each time that room is made (PostgreSQL: USAGE_DECREASE_FACTOR).
const WEIGHT_LEFT: f64 = 0.99;
/// Entries that go at once: a twentieth, and no fewer than these.
const GO_MIN: usize = 10;
/// Bytes of all texts together. PostgreSQL has them in a file.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// Whose statement, where, and which; and whether the client sent it, rather than another statement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub user: Oid,
    pub database: Oid,
    pub query: i64,
    pub top: bool,
}

/// How long something took, each time it was done, in milliseconds.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Times {
    pub count: u64,
    pub total: f64,
    pub min: f64,
    pub max: f64,
    /// Sum of squared distances from the mean (Welford).
    pub squares: f64,
}

impl Times {
    pub fn add(&mut self, ms: f64) {
        let mean_before = self.mean();
        self.count += 1;
        self.total += ms;
        self.min = if self.count == 1 { ms } else { self.min.min(ms) };
        self.max = self.max.max(ms);
        self.squares += (ms - mean_before) * (ms - self.mean());
    }
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total / self.count as f64 }
    }
    pub fn deviation(&self) -> f64 {
        if self.count > 1 { (self.squares / self.count as f64).sqrt() } else { 0.0 }
    }
}

/// What is added to a statement's sums.
pub(super) struct Spell<'a> {
    pub ms: f64,
    pub rows: u64,
    pub used: &'a Usage,
    /// It was planned, rather than run.
    pub planned: bool,
}

/// Sums over a statement's runs.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Entry {
    pub text: Box<str>,
    pub plans: Times,
    pub runs: Times,
    pub rows: u64,
    pub used: Usage,
    /// Runs, of which older ones count less.
    pub weight: f64,
}

impl Entry {
    fn add(&mut self, spell: &Spell<'_>) {
        let times = if spell.planned { &mut self.plans } else { &mut self.runs };
        times.add(spell.ms);
        self.rows += spell.rows;
        self.used = self.used.plus(spell.used);
        self.weight += 1.0;
    }
}

#[derive(Default)]
pub(super) struct Table {
    entries: HashMap<Key, Entry>,
    text_bytes: usize,
    /// How often entries were dropped for want of room.
    pub dropped: i64,
}

impl Table {
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }
    pub fn insert(&mut self, key: Key, entry: Entry) {
        self.text_bytes += entry.text.len();
        if let Some(old) = self.entries.insert(key, entry) {
            self.text_bytes -= old.text.len();
        }
    }
    /// Adds to a statement's sums; `text` is asked for if it is new.
    pub fn add(&mut self, key: Key, max: usize, text: impl FnOnce() -> String, spell: &Spell<'_>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            return entry.add(spell);
        }
        if self.entries.len() >= max || self.text_bytes >= TEXT_BYTES_MAX {
            self.make_room();
        }
        let mut entry = Entry {
            text: text().into_boxed_str(),
            plans: Times::default(),
            runs: Times::default(),
            rows: 0,
            used: Usage::default(),
            weight: 0.0,
        };
        entry.add(spell);
        self.insert(key, entry);
    }
    /// Those of the least weight go.
    fn make_room(&mut self) {
        let mut weights: Vec<(f64, Key)> = vec![];
        for (key, entry) in &mut self.entries {
            entry.weight *= WEIGHT_LEFT;
            weights.push((entry.weight, *key));
        }
        let go = (weights.len() / 20).max(GO_MIN).min(weights.len());
        if go < weights.len() {
            weights.select_nth_unstable_by(go, |a, b| a.0.total_cmp(&b.0));
        }
        let gone: Vec<Key> = weights[..go].iter().map(|(_, key)| *key).collect();
        self.retain(|key| !gone.contains(key));
        self.dropped += 1;
    }
    /// Keeps the entries that `keeps` wants.
    pub fn retain(&mut self, keeps: impl Fn(&Key) -> bool) {
        self.entries.retain(|key, _| keeps(key));
        self.text_bytes = self.entries.values().map(|e| e.text.len()).sum();
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    #[cfg(test)]
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }
}

/// The sums of all statements of the server.
pub struct StatementStats {
    pub(super) table: Mutex<Table>,
    pub(super) reset_at: Mutex<i64>,
}

impl Default for StatementStats {
    fn default() -> StatementStats {
        StatementStats { table: Mutex::default(), reset_at: Mutex::new(crate::clock::now()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(query: i64) -> Key {
        Key { user: Oid(10), database: Oid(5), query, top: true }
    }

    fn run(table: &mut Table, query: i64, max: usize) {
        let used = Usage { shared_hit: 2, ..Usage::default() };
        let spell = Spell { ms: query as f64, rows: 1, used: &used, planned: false };
        table.add(key(query), max, || format!("query {query}"), &spell);
    }

    #[test]
    fn times_are_summed_up() {
        let mut t = Times::default();
        [2.0, 4.0, 9.0].into_iter().for_each(|ms| t.add(ms));
        assert_eq!((t.count, t.total, t.min, t.max, t.mean()), (3, 15.0, 2.0, 9.0, 5.0));
        assert!((t.deviation() - (26.0f64 / 3.0).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn what_runs_rarely_makes_room() {
        let mut table = Table::default();
        for query in 1..=100 {
            run(&mut table, query, 100);
            if query % 2 == 0 {
                run(&mut table, query, 100);
            }
        }
        assert_eq!((table.iter().count(), table.dropped), (100, 0));
        run(&mut table, 101, 100);
        assert_eq!((table.iter().count(), table.dropped), (91, 1));
        assert!((1..=50).all(|i| table.get(&key(2 * i)).is_some()), "those that ran twice stay");
        assert_eq!(table.get(&key(2)).map(|e| (e.runs.count, e.rows, e.used.shared_hit)), Some((2, 2, 4)));
        // Texts are bounded whatever their number.
        let long = "x".repeat(TEXT_BYTES_MAX);
        let used = Usage::default();
        let spell = Spell { ms: 1.0, rows: 0, used: &used, planned: true };
        table.add(key(200), 100, || long, &spell);
        run(&mut table, 201, 100);
        assert_eq!(table.dropped, 2);
    }
}
