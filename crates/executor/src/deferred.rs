//! Constraint checks that wait for commit (DEFERRABLE constraints, SET CONSTRAINTS; PostgreSQL: trigger.c).
//!
//! [`DeferredQueue`] is a transaction's: what waits, and what SET CONSTRAINTS has said. A savepoint takes a [`DeferredMark`]; rolling
//! back to it drops the checks queued since, gives back those that were run since (the run is undone with everything else) and
//! forgets what SET CONSTRAINTS has said since.

use crate::env::ExecEnv;
use crate::modify::ri::{self, RiCheck};
use quarry_catalog::ConstraintDef;
use quarry_common::{Oid, Result};
use std::collections::HashMap;

/// The properties of a constraint that decide when it is checked.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub constraint: Option<Oid>,
    pub deferrable: bool,
    pub initially_deferred: bool,
}

impl Timing {
    /// A constraint that is always checked at the statement's end.
    pub const IMMEDIATE: Timing = Timing { constraint: None, deferrable: false, initially_deferred: false };
    /// As declared.
    pub fn of(c: &ConstraintDef) -> Timing {
        Timing { constraint: Some(c.oid), deferrable: c.deferrable, initially_deferred: c.initially_deferred }
    }
}

struct Waiting<C> {
    timing: Timing,
    check: C,
    /// The run that took it; 0: none yet.
    run: u64,
}

/// What SET CONSTRAINTS has said in a transaction.
#[derive(Clone, Default)]
struct Said {
    /// SET CONSTRAINTS ALL.
    all: Option<bool>,
    /// SET CONSTRAINTS name.
    each: HashMap<Oid, bool>,
}

/// A transaction's waiting checks and what SET CONSTRAINTS has said in it.
pub struct DeferredQueue<C = RiCheck> {
    waiting: Vec<Waiting<C>>,
    /// How many of `waiting` have not been run.
    open: usize,
    said: Said,
    /// Number of the last run of checks.
    runs: u64,
    /// While commit runs the checks, nothing is put off any more.
    closing: bool,
}

/// A queue's state at a savepoint.
#[derive(Clone)]
pub struct DeferredMark {
    len: usize,
    runs: u64,
    said: Said,
}

impl<C> Default for DeferredQueue<C> {
    fn default() -> Self {
        DeferredQueue { waiting: vec![], open: 0, said: Said::default(), runs: 0, closing: false }
    }
}

impl<C: Clone> DeferredQueue<C> {
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }
    /// Whether it is as a transaction begins with it.
    pub fn is_unused(&self) -> bool {
        let Said { all, each } = &self.said;
        self.waiting.is_empty() && self.runs == 0 && !self.closing && all.is_none() && each.is_empty()
    }
    /// Whether a constraint's checks wait for commit now.
    pub fn defers(&self, t: Timing) -> bool {
        if self.closing || !t.deferrable {
            return false;
        }
        let said = t.constraint.and_then(|c| self.said.each.get(&c).copied()).or(self.said.all);
        said.unwrap_or(t.initially_deferred)
    }
    /// Whether a check of this constraint may be waiting.
    pub fn may_wait(&self, t: Timing) -> bool {
        self.open > 0 && self.defers(t)
    }
    pub fn push(&mut self, timing: Timing, check: C) {
        self.waiting.push(Waiting { timing, check, run: 0 });
        self.open += 1;
    }
    /// The state to come back to.
    pub fn mark(&self) -> DeferredMark {
        DeferredMark { len: self.waiting.len(), runs: self.runs, said: self.said.clone() }
    }
    /// Undoes everything since a mark.
    pub fn rollback_to(&mut self, mark: &DeferredMark) {
        self.waiting.truncate(mark.len);
        if self.runs > mark.runs {
            self.waiting.iter_mut().filter(|w| w.run > mark.runs).for_each(|w| w.run = 0);
        }
        self.open = self.waiting.iter().filter(|w| w.run == 0).count();
        self.said = mark.said.clone();
    }
    /// Takes the checks that are due: all while closing, else those that don't wait any more.
    fn take_due(&mut self) -> Vec<C> {
        let mut due = vec![];
        self.runs += 1;
        let run = self.runs;
        for i in 0..self.waiting.len() {
            if self.waiting[i].run == 0 && !self.defers(self.waiting[i].timing) {
                let w = &mut self.waiting[i];
                w.run = run;
                due.push(w.check.clone());
            }
        }
        self.open -= due.len();
        due
    }
}

impl DeferredQueue {
    /// Whether checks of a table's rows wait. They know rows by their places and the table by its shape: neither may change till then.
    pub fn concerns(&self, table: Oid) -> bool {
        self.open > 0 && self.waiting.iter().any(|w| w.run == 0 && w.check.relation().oid == table)
    }
}

/// Runs everything that waits, and what that brings about, before commit.
pub fn run_deferred(env: &ExecEnv) -> Result<()> {
    env.deferred.lock().closing = true;
    let result = run_due(env);
    *env.deferred.lock() = DeferredQueue::default();
    result
}

fn run_due(env: &ExecEnv) -> Result<()> {
    loop {
        let due = env.deferred.lock().take_due();
        if due.is_empty() {
            return Ok(());
        }
        ri::run(env, due, None)?;
    }
}

/// SET CONSTRAINTS: `constraints` empty means ALL. Making them immediate runs what waits.
pub fn set_mode(env: &ExecEnv, constraints: &[Oid], deferred: bool) -> Result<()> {
    {
        let mut queue = env.deferred.lock();
        if constraints.is_empty() {
            queue.said = Said { all: Some(deferred), each: HashMap::new() };
        } else {
            queue.said.each.extend(constraints.iter().map(|c| (*c, deferred)));
        }
    }
    if deferred { Ok(()) } else { run_due(env) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Timing = Timing { constraint: Some(Oid(1)), deferrable: true, initially_deferred: true };
    const EARLY: Timing = Timing { constraint: Some(Oid(2)), deferrable: true, initially_deferred: false };

    #[test]
    fn what_was_said_last_counts() {
        let mut q = DeferredQueue::<()>::default();
        assert!(q.defers(LATE) && !q.defers(EARLY) && !q.defers(Timing::IMMEDIATE));
        let mark = q.mark();
        q.said.all = Some(true);
        assert!(q.defers(EARLY) && !q.defers(Timing::IMMEDIATE));
        q.said.each.insert(Oid(1), false);
        assert!(!q.defers(LATE));
        q.rollback_to(&mark);
        assert!(q.defers(LATE) && !q.defers(EARLY));
    }

    #[test]
    fn rolling_back_gives_back_what_was_run() {
        let mut q = DeferredQueue::<()>::default();
        q.push(LATE, ());
        let mark = q.mark();
        q.push(LATE, ());
        q.said.all = Some(false);
        assert_eq!(q.take_due().len(), 2);
        assert!(q.is_empty());
        q.rollback_to(&mark);
        assert!(!q.is_empty());
        assert_eq!(q.take_due().len(), 0);
        q.closing = true;
        assert_eq!(q.take_due().len(), 1);
    }
}
