//! Constraint checks that wait for commit (DEFERRABLE constraints, SET CONSTRAINTS).

use crate::env::ExecEnv;
use crate::modify::ri::{self, RiCheck};
use quarry_common::{Oid, Result};
use std::collections::HashMap;

/// A transaction's waiting checks and what SET CONSTRAINTS has said in it.
#[derive(Default)]
pub struct DeferredQueue {
    waiting: Vec<(Option<Oid>, RiCheck)>,
    /// SET CONSTRAINTS ALL.
    all: Option<bool>,
    /// SET CONSTRAINTS name.
    each: HashMap<Oid, bool>,
    /// While commit runs the checks, nothing is put off any more.
    closing: bool,
}

impl DeferredQueue {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
    /// Whether a constraint's checks wait for commit now.
    pub fn defers(&self, constraint: Option<Oid>, initially_deferred: bool) -> bool {
        if self.closing {
            return false;
        }
        let said = constraint.and_then(|c| self.each.get(&c).copied());
        match (said, self.all) {
            (Some(said), _) => said,
            // ALL speaks of constraints that can be deferred; those that can't are never initially deferred.
            (None, Some(all)) => all && initially_deferred,
            (None, None) => initially_deferred,
        }
    }
    pub fn push(&mut self, constraint: Option<Oid>, check: RiCheck) {
        self.waiting.push((constraint, check));
    }
}

/// Runs everything that waits, and what that brings about, before commit.
pub fn run_deferred(env: &ExecEnv) -> Result<()> {
    env.deferred.lock().closing = true;
    let result = run_waiting(env, |_| true);
    *env.deferred.lock() = DeferredQueue::default();
    result
}

fn run_waiting(env: &ExecEnv, wanted: impl Fn(Option<Oid>) -> bool) -> Result<()> {
    loop {
        let due: Vec<RiCheck> = {
            let mut queue = env.deferred.lock();
            let (due, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut queue.waiting).into_iter().partition(|(c, _)| wanted(*c));
            queue.waiting = rest;
            due.into_iter().map(|(_, check)| check).collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        ri::run(env, due)?;
    }
}

/// SET CONSTRAINTS: `constraints` empty means ALL. Making them immediate runs what waits.
pub fn set_mode(env: &ExecEnv, constraints: &[Oid], deferred: bool) -> Result<()> {
    {
        let mut queue = env.deferred.lock();
        if constraints.is_empty() {
            queue.all = Some(deferred);
            queue.each.clear();
        } else {
            queue.each.extend(constraints.iter().map(|c| (*c, deferred)));
        }
    }
    if deferred {
        return Ok(());
    }
    run_waiting(env, |c| constraints.is_empty() || c.is_some_and(|c| constraints.contains(&c)))
}
