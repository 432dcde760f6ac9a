//! Several threads for one operator of a statement.
//!
//! The operator there is once for each member of the crew, over copies of one input, of which the scans share their pages
//! (`scan::shared`); hash joins between have one table for all (`join::shared`). The leader is the statement's own thread and works as
//! the others do: what these don't get to, it does itself, so that a crew of one is enough.
//!
//! Members share the statement's snapshot, transaction and session, and have expressions of their own without effects (the planner's
//! business). Of subqueries they ask at most such that are one value, which the leader has found before they begin. They work while
//! [`Crew::together`] runs and never longer: an operator above that asks for nothing more leaves no thread behind.
//!
//! What they have used and counted is added to what the leader's thread and nodes have.

use crate::ExecEnv;
use crate::build::Builder;
use crate::context::{Cx, Given, Runtime, is_stopped};
use crate::scan::shared::{Member, SharedBlocks, Shares};
use crate::stats::NodeStats;
use crate::subplan::SubqueryNode;
use quarry_common::{Result, helper, usage};
use quarry_plan::PhysicalPlan;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An operator's copies beside the leader's, and what all share.
pub struct Crew<T> {
    shares: Arc<Shares>,
    /// The pages that their input is made of.
    blocks: Arc<SharedBlocks>,
    /// Subqueries that the leader runs for all.
    asked: Vec<SubqueryNode>,
    others: Vec<Other<T>>,
    /// How many of the others, the first ones, have begun.
    begun: usize,
}

/// A member beside the leader.
struct Other<T> {
    own: T,
    /// Once it has begun.
    rt: Runtime,
}

/// Members at work in the whole server.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// The right to some threads, given back when dropped.
struct Permits(usize);

impl Permits {
    /// As many of `wanted` as `most` threads at a time allow.
    fn take(wanted: usize, most: usize) -> Permits {
        let mut got = 0;
        let take = |now: usize| {
            got = wanted.min(most.saturating_sub(now));
            Some(now + got)
        };
        let _ = AT_WORK.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        Permits(got)
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Ends the others' work where a thread's ends with an error or a panic: nobody waits for what it would have made.
struct End<'s> {
    shares: &'s Shares,
    well: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if !self.well {
            self.shares.fail();
        }
    }
}

impl<T: Send> Crew<T> {
    /// A crew for so many threads beside the statement's, and the leader's operator; `one` makes an operator, and is told whether it is the
    /// leader's. None if the machine has no processor for a second thread, or the input isn't made of parts.
    pub fn build(
        b: &mut Builder<'_>,
        input: &PhysicalPlan,
        workers: usize,
        mut one: impl FnMut(&mut Builder<'_>, bool) -> Result<T>,
    ) -> Result<Option<(Crew<T>, T)>> {
        let workers = workers.min(helper::processors() - 1);
        let shares = if workers > 0 { Shares::of(input) } else { None };
        let Some((shares, blocks)) = shares else { return Ok(None) };
        let shares = Arc::new(shares);
        let above = std::mem::take(&mut b.asked);
        let mut member = |b: &mut Builder<'_>, leads| {
            let before = b.member.replace(Member { shares: shares.clone(), leads });
            let member = one(b, leads);
            b.member = before;
            member
        };
        let leader = member(b, true)?;
        let asked = std::mem::replace(&mut b.asked, above);
        let other = |_| Ok(Other { own: member(b, false)?, rt: Runtime::default() });
        let others = (0..workers).map(other).collect::<Result<_>>()?;
        Ok(Some((Crew { shares, blocks, asked, others, begun: 0 }, leader)))
    }

    /// How many of the others have begun since the start.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// The others that have begun.
    pub fn others(&mut self) -> impl Iterator<Item = &mut T> {
        self.others.iter_mut().take(self.begun).map(|other| &mut other.own)
    }

    /// Begins again, with the input from its start.
    pub fn rescan(
        &mut self,
        cx: &mut Cx<'_>,
        mut each: impl FnMut(&mut T, &mut Cx<'_>) -> Result<()>,
    ) -> Result<()> {
        self.shares.reset();
        for other in self.others.iter_mut().take(std::mem::take(&mut self.begun)) {
            each(&mut other.own, cx)?;
        }
        Ok(())
    }

    /// How many others may help now, and what they are given: nobody where the settings or the transaction say so.
    fn help(&self, cx: &mut Cx<'_>) -> Result<(Permits, Given)> {
        let most = cx.env.session.setting("max_parallel_workers").and_then(|t| t.parse().ok()).unwrap_or(8);
        // Serializable transactions note what they read on their own thread.
        let alone = cx.env.snapshot.is_watched() || most == 0;
        let given = if alone { None } else { self.answers(cx)? };
        Ok(match given {
            Some(given) => (Permits::take(self.others.len(), most), given),
            None => (Permits(0), Given::default()),
        })
    }

    /// The values of the subqueries that all ask. None where one fails by what it computes: perhaps no row asks for it.
    fn answers(&self, cx: &mut Cx<'_>) -> Result<Option<Given>> {
        match self.asked.iter().map(|s| s.answer(cx)).collect() {
            Ok(answers) => Ok(Some(answers)),
            // Classes 21 and 22: wrong numbers of rows, and values.
            Err(e) if e.sqlstate().as_str().starts_with('2') => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Runs the leader's part of some work on this thread and the others' on threads of their own, until all are done: how many others
    /// have worked, who are the first ones.
    ///
    /// # Errors
    /// The first one of any of them; all others have stopped then.
    pub fn together(
        &mut self,
        cx: &mut Cx<'_>,
        lead: impl FnOnce(&mut Cx<'_>, &SharedBlocks) -> Result<()>,
        work: impl Fn(&mut T, &mut Cx<'_>, &SharedBlocks) -> Result<()> + Sync,
    ) -> Result<usize> {
        let (permits, given) = self.help(cx)?;
        for other in self.others.iter_mut().take(permits.0).skip(self.begun) {
            other.rt = Runtime {
                outer: cx.rt.outer.clone(),
                given: given.clone(),
                filters: cx.rt.filters.clone(),
                stats: std::iter::repeat_with(NodeStats::default).take(cx.rt.stats.len()).collect(),
                stop: Some(self.shares.failed()),
                ..Runtime::default()
            };
        }
        self.begun = self.begun.max(permits.0);
        let env = cx.env;
        let timed = env.session.setting("track_io_timing").is_some_and(|t| t == "on");
        let (shares, blocks, work) = (&*self.shares, &*self.blocks, &work);
        let used = std::thread::scope(|scope| {
            let mut handles = vec![];
            for other in self.others.iter_mut().take(permits.0) {
                let part = move || {
                    usage::set_timed(timed);
                    let mut end = End { shares, well: false };
                    let out = one_part(env, other, |own, cx| work(own, cx, blocks));
                    end.well = out.is_ok();
                    out
                };
                handles.push(helper::spawn(scope, "parallel", part));
            }
            let mut end = End { shares, well: false };
            let above = cx.rt.stop.replace(shares.failed());
            let own = lead(cx, blocks);
            cx.rt.stop = above;
            end.well = own.is_ok();
            drop(end);
            let mut used = vec![];
            let mut failed = own.err();
            for handle in handles {
                let out = match handle {
                    Ok(handle) => match handle.join() {
                        Ok(out) => out,
                        Err(panic) => std::panic::resume_unwind(panic),
                    },
                    // Without a thread: its share of the pages is left to the others.
                    Err(_) => continue,
                };
                match out {
                    Ok(by_one) => used.push(by_one),
                    Err(e) if failed.as_ref().is_none_or(is_stopped) => failed = Some(e),
                    Err(_) => {}
                }
            }
            failed.map_or(Ok(used), Err)
        })?;
        used.iter().for_each(usage::take_over);
        for other in self.others.iter_mut().take(permits.0) {
            other.give_stats(cx.rt);
        }
        Ok(permits.0)
    }

    /// Has one of the others that have begun do something on this thread.
    pub fn ask<R>(
        &mut self,
        cx: &mut Cx<'_>,
        which: usize,
        what: impl FnOnce(&mut T, &mut Cx<'_>) -> Result<R>,
    ) -> Result<R> {
        let other = &mut self.others[which];
        let want = cx.want;
        let out = what(&mut other.own, &mut Cx { want, ..Cx::new(cx.env, cx.io, &mut other.rt) });
        other.give_stats(cx.rt);
        out
    }
}

impl<T> Other<T> {
    /// Adds what it has counted at its nodes to what the statement has.
    fn give_stats(&mut self, to: &mut Runtime) {
        to.stats
            .iter_mut()
            .zip(&mut self.rt.stats)
            .for_each(|(to, from)| add_stats(to, &std::mem::take(from)));
    }
}

/// A member's work on its own thread: what it has used.
fn one_part<T>(
    env: &ExecEnv,
    other: &mut Other<T>,
    work: impl FnOnce(&mut T, &mut Cx<'_>) -> Result<()>,
) -> Result<usage::Usage> {
    let before = usage::now();
    let io = env.io();
    work(&mut other.own, &mut Cx::new(env, &io, &mut other.rt))?;
    env.storage.flush_counts();
    Ok(usage::now().since(&before))
}

fn add_stats(to: &mut NodeStats, from: &NodeStats) {
    to.startup_ms += from.startup_ms;
    to.total_ms += from.total_ms;
    to.rows += from.rows;
    to.loops += from.loops;
    to.filtered += from.filtered;
    to.join_filtered += from.join_filtered;
    to.usage = to.usage.plus(&from.usage);
    let new = from.extra.iter().filter(|(name, _)| !to.extra.iter().any(|(n, _)| n == name));
    let new: Vec<_> = new.cloned().collect();
    to.extra.extend(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_given_back() {
        let many = Permits::take(3, 1000);
        assert_eq!(many.0, 3);
        assert_eq!(Permits::take(2, 0).0, 0);
        drop(many);
    }

    fn assert_shared<T: Sync>() {}

    #[test]
    fn members_may_share_the_environment() {
        assert_shared::<ExecEnv>();
    }
}
