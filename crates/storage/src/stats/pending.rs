//! What a transaction has counted: its writes, by savepoint, until its end tells what they were worth; its reads, for
//! `pg_stat_xact_*`.

use super::Reads;
use crate::RelId;
use crate::fsm::RelationState;
use std::sync::Arc;

/// Writes to a table.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Actions {
    pub inserted: u64,
    pub updated: u64,
    pub hot_updated: u64,
    pub deleted: u64,
    /// The table was emptied before (TRUNCATE).
    pub emptied: bool,
}

impl Actions {
    fn merge(&mut self, o: &Actions) {
        if o.emptied {
            self.emptied = true;
        }
        self.inserted += o.inserted;
        self.updated += o.updated;
        self.hot_updated += o.hot_updated;
        self.deleted += o.deleted;
    }
}

/// Counts of the running transaction for one relation.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct XactCounts {
    pub reads: Reads,
    pub actions: Actions,
}

struct Written {
    rel: RelId,
    state: Arc<RelationState>,
    /// The savepoint that it was done in; 0: none.
    level: u32,
    actions: Actions,
}

impl Written {
    fn count(&self, committed: bool) {
        // Files that a rolled back TRUNCATE has made are gone with all that was in them.
        if committed || !self.actions.emptied {
            self.state.counters().add_actions(&self.actions, committed);
        }
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Pending {
    /// By rising level.
    written: Vec<Written>,
    /// The first relation read, and the others.
    read: Option<(RelId, Reads)>,
    more_read: Vec<(RelId, Reads)>,
    /// Writes of savepoints that were rolled back: counted already, here only for its own eyes.
    undone: Vec<(RelId, Actions)>,
    level: u32,
}

impl Pending {
    pub fn count(&mut self, rel: RelId, state: &Arc<RelationState>, count: impl FnOnce(&mut Actions)) {
        let level = self.level;
        let found = self.written.iter_mut().rev().take_while(|w| w.level == level).find(|w| w.rel == rel);
        match found {
            Some(w) => count(&mut w.actions),
            None => {
                let mut actions = Actions::default();
                count(&mut actions);
                self.written.push(Written { rel, state: state.clone(), level, actions });
            }
        }
    }

    /// Reads count at once, wherever the transaction goes; here only for its own eyes.
    pub fn count_reads(&mut self, rel: RelId, reads: Reads) {
        let first = self.read.get_or_insert((rel, Reads::default()));
        let sum = if first.0 == rel {
            &mut first.1
        } else {
            let at = self.more_read.iter().rposition(|(r, _)| *r == rel).unwrap_or_else(|| {
                self.more_read.push((rel, Reads::default()));
                self.more_read.len() - 1
            });
            &mut self.more_read[at].1
        };
        sum.scans += reads.scans;
        sum.returned += reads.returned;
        sum.fetched += reads.fetched;
    }

    /// A savepoint is opened, the `level`th.
    pub fn set_level(&mut self, level: usize) {
        self.level = level as u32;
    }

    /// Savepoints from `level` on are closed, their work kept.
    pub fn release(&mut self, level: usize) {
        let to = level.saturating_sub(1) as u32;
        self.level = self.level.min(to);
        let from = self.written.partition_point(|w| w.level <= to);
        let same = self.written[..from].iter().rposition(|w| w.level < to).map_or(0, |i| i + 1);
        let inner = self.written.split_off(from);
        for w in inner {
            match self.written[same..].iter_mut().find(|o| o.rel == w.rel) {
                Some(o) => o.actions.merge(&w.actions),
                None => self.written.push(Written { level: to, ..w }),
            }
        }
    }

    /// Savepoints from `level` on are undone; `level` itself stays open.
    pub fn roll_back(&mut self, level: usize) {
        let from = self.written.partition_point(|w| (w.level as usize) < level);
        for w in self.written.drain(from..) {
            w.count(false);
            match self.undone.iter_mut().find(|(rel, _)| *rel == w.rel) {
                Some((_, sum)) => sum.merge(&w.actions),
                None => self.undone.push((w.rel, w.actions)),
            }
        }
        self.level = level as u32;
    }

    /// Of a new transaction in the place of one that has ended.
    pub fn begin_again(&mut self) {
        let Pending { written, read, more_read, undone, level } = self;
        written.clear();
        *read = None;
        more_read.clear();
        undone.clear();
        *level = 0;
    }

    /// The transaction has ended.
    pub fn end(&mut self, committed: bool) {
        if self.written.is_empty() {
            return;
        }
        let written = std::mem::take(&mut self.written);
        // What was done to a table before it was emptied is as if it hadn't been: that was in other files, with lower numbers.
        let same_table = |a: &Written, b: &Written| std::ptr::eq(a.state.counters(), b.state.counters());
        let is_gone = |w: &Written| {
            committed
                && written.iter().any(|e| e.actions.emptied && e.rel.rel > w.rel.rel && same_table(e, w))
        };
        let any_emptied = written.iter().any(|w| w.actions.emptied);
        for w in written.iter().filter(|w| !any_emptied || !is_gone(w)) {
            w.count(committed);
        }
    }

    /// What it has done with a relation so far.
    pub fn of(&self, rel: RelId) -> XactCounts {
        let mut counts = XactCounts::default();
        for w in self.written.iter().filter(|w| w.rel == rel) {
            counts.actions.merge(&w.actions);
        }
        if let Some((_, undone)) = self.undone.iter().find(|(r, _)| *r == rel) {
            counts.actions.merge(undone);
        }
        if let Some((_, reads)) = self.read.iter().chain(&self.more_read).find(|(r, _)| *r == rel) {
            counts.reads = *reads;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Count;
    use quarry_common::Oid;

    #[test]
    fn savepoints_keep_or_lose_their_part() {
        let rel = RelId::new(Oid(1), 2);
        let state = Arc::new(RelationState::default());
        let mut p = Pending::default();
        let insert = |p: &mut Pending, n: u64| p.count(rel, &state, |a| a.inserted += n);
        insert(&mut p, 1);
        p.set_level(1);
        insert(&mut p, 10);
        p.set_level(2);
        insert(&mut p, 100);
        p.release(2);
        insert(&mut p, 10);
        assert_eq!(p.of(rel).actions.inserted, 121);
        p.roll_back(1);
        assert_eq!(p.of(rel).actions.inserted, 121, "what was tried counts");
        insert(&mut p, 5);
        p.release(1);
        assert_eq!((p.of(rel).actions.inserted, p.level), (126, 0));
        p.end(true);
        let c = state.counters();
        assert_eq!([Count::Inserted, Count::Live, Count::Dead].map(|n| c.get(n)), [126, 6, 120]);
    }
}
