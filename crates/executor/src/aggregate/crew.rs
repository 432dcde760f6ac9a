//! Aggregates whose input is read by several threads.
//!
//! Each member of the crew is an aggregate of its own over a copy of the input, whose scan shares its pages with the others
//! (`scan::shared`); hash joins between have one table for all (`join::shared`). The leader, which is the statement's thread, reads as they do; then it takes over their groups. When one of them
//! outgrows the memory that grouping may have, all but the leader stop, and the leader goes on alone, with files as usual: only it ever
//! has files, and when it begins with them it knows every group there is.
//!
//! Members share the statement's snapshot, transaction and session, and have expressions of their own without effects (the planner's
//! business). Of subqueries they ask at most such that are one value, which the leader has found before they begin.
//!
//! What they have used and counted is added to what the leader's thread and nodes have.

use super::Aggregate;
use crate::ExecEnv;
use crate::context::{Cx, Given, Runtime, is_stopped};
use crate::operator::pull;
use crate::scan::shared::{SharedBlocks, Shares};
use crate::stats::NodeStats;
use crate::subplan::SubqueryNode;
use quarry_common::{Result, helper, usage};
use quarry_types::{Rows, Vector};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Those who help.
pub(super) struct Crew {
    members: Vec<Aggregate>,
    shares: Arc<Shares>,
    /// The pages that their input is made of.
    blocks: Arc<SharedBlocks>,
    /// Subqueries that the leader runs for all.
    asked: Vec<SubqueryNode>,
    /// They have read already.
    done: bool,
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

/// What a member brings back besides its groups.
struct Report {
    stats: Vec<NodeStats>,
    used: usage::Usage,
}

impl Crew {
    pub fn new(
        members: Vec<Aggregate>,
        shares: Arc<Shares>,
        blocks: Arc<SharedBlocks>,
        asked: Vec<SubqueryNode>,
    ) -> Crew {
        Crew { members, shares, blocks, asked, done: false }
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

    /// To be read again from the start.
    pub fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.done = false;
        self.shares.reset();
        self.members.iter_mut().try_for_each(|m| crate::operator::Operator::rescan(m, cx))
    }
}

impl Aggregate {
    /// Reads the input together with the crew, if there is one. What is left of it afterwards is read alone.
    pub(super) fn read_together(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let Some(mut crew) = self.crew.take_if(|crew| !crew.done) else { return Ok(()) };
        crew.done = true;
        let most = cx.env.session.setting("max_parallel_workers").and_then(|t| t.parse().ok()).unwrap_or(8);
        // Serializable transactions note what they read on their own thread.
        let alone = cx.env.snapshot.is_watched() || most == 0;
        let given = if alone { None } else { crew.answers(cx)? };
        let wanted = if given.is_some() { crew.members.len() } else { 0 };
        let permits = Permits::take(wanted, most);
        let reports = match given {
            Some(given) if permits.0 > 0 => self.run(cx, &mut crew, permits.0, given),
            _ => Ok(vec![]),
        };
        let groups = |a: &Aggregate| a.states.iter().map(|s| s.groups.len()).sum::<usize>();
        let partial = groups(self) + crew.members.iter().map(groups).sum::<usize>();
        if let Ok(reports) = &reports {
            for report in reports {
                usage::take_over(&report.used);
                for (to, from) in cx.rt.stats.iter_mut().zip(&report.stats) {
                    add_stats(to, from);
                }
            }
            for member in crew.members.iter_mut().take(permits.0) {
                self.take_over(cx, member)?;
            }
        }
        if let Some(s) = cx.rt.stats.get_mut(self.node) {
            crate::stats::set(s, "Workers Launched", permits.0.to_string());
            crate::stats::set(s, "Partial Rows", partial.to_string());
        }
        self.crew = Some(crew);
        reports.map(|_| ())
    }

    fn run(&mut self, cx: &mut Cx<'_>, crew: &mut Crew, count: usize, given: Given) -> Result<Vec<Report>> {
        let (blocks, shares) = (crew.blocks.clone(), crew.shares.clone());
        let (env, outer, filters) = (cx.env, cx.rt.outer.clone(), cx.rt.filters.clone());
        let nodes = cx.rt.stats.len();
        let timed = cx.env.session.setting("track_io_timing").is_some_and(|t| t == "on");
        std::thread::scope(|scope| {
            let mut handles = vec![];
            for member in crew.members.iter_mut().take(count) {
                let (outer, filters) = (outer.clone(), filters.clone());
                let (blocks, shares) = (blocks.clone(), shares.clone());
                let rt = Runtime {
                    outer,
                    given: given.clone(),
                    filters,
                    stats: std::iter::repeat_with(NodeStats::default).take(nodes).collect(),
                    stop: Some(shares.failed()),
                    ..Runtime::default()
                };
                let work = move || {
                    usage::set_timed(timed);
                    let mut end = End { shares: &shares, well: false };
                    let out = member.work(env, rt, &blocks);
                    end.well = out.is_ok();
                    out
                };
                handles.push(helper::spawn(scope, "parallel", work));
            }
            let mut end = End { shares: &shares, well: false };
            let above = cx.rt.stop.replace(shares.failed());
            let own = self.read_until_stopped(cx, &blocks);
            cx.rt.stop = above;
            end.well = own.is_ok();
            drop(end);
            let mut reports = vec![];
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
                    Ok(report) => reports.push(report),
                    Err(e) if failed.as_ref().is_none_or(is_stopped) => failed = Some(e),
                    Err(_) => {}
                }
            }
            failed.map_or(Ok(reports), Err)
        })
    }

    /// A member's work: the whole of its input.
    fn work(&mut self, env: &ExecEnv, mut rt: Runtime, blocks: &SharedBlocks) -> Result<Report> {
        let before = usage::now();
        {
            let io = env.io();
            let mut cx = Cx::new(env, &io, &mut rt);
            while let Some(batch) = pull(&mut self.input, &mut cx)? {
                cx.check_cancelled()?;
                self.consume(&mut cx, &batch)?;
                if self.is_full(&cx) {
                    blocks.stop();
                }
            }
        }
        env.storage.flush_counts();
        Ok(Report { stats: rt.stats, used: usage::now().since(&before) })
    }

    /// The leader's part of the work.
    fn read_until_stopped(&mut self, cx: &mut Cx<'_>, blocks: &SharedBlocks) -> Result<()> {
        self.shares = true;
        let read = loop {
            if blocks.is_stopped() {
                break Ok(());
            }
            match pull(&mut self.input, cx) {
                Ok(Some(batch)) => {
                    if let Err(e) = cx.check_cancelled().and_then(|_| self.consume(cx, &batch)) {
                        break Err(e);
                    }
                    if self.is_full(cx) {
                        blocks.stop();
                    }
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        self.shares = false;
        read
    }

    /// Whether groups have outgrown the memory they may have.
    fn is_full(&mut self, cx: &Cx<'_>) -> bool {
        if !self.batches.is_multiple_of(16) {
            return false;
        }
        let bytes = self.memory_bytes();
        !self.reservation.may_hold(bytes - self.reserved_bytes()) || bytes > cx.env.hash_mem_bytes
    }

    /// Makes a member's groups part of the leader's.
    fn take_over(&mut self, cx: &mut Cx<'_>, member: &mut Aggregate) -> Result<()> {
        let theirs = std::mem::take(&mut member.states);
        if self.states.is_empty() {
            self.states = theirs;
            return Ok(());
        }
        let physicals: Vec<_> = self.group.iter().map(|g| g.physical).collect();
        for (mine, theirs) in self.states.iter_mut().zip(theirs) {
            let n = theirs.groups.len();
            let mut map = vec![0u32; n];
            if mine.groups.is_single() {
                mine.groups.touch_single();
            } else {
                let key = |(i, p): (usize, &_)| Arc::new(theirs.groups.key_column(i, *p, 0, n));
                let keys: Vec<Arc<Vector>> = physicals.iter().enumerate().map(key).collect();
                mine.groups.number(&keys, &self.group_types, Rows::All(n), &mut map, None)?;
            }
            cx.check_cancelled()?;
            let groups = mine.groups.len();
            for ((call, to), from) in self.calls.iter().zip(&mut mine.calls).zip(theirs.calls) {
                call.merge(cx, to, from, n, &map, groups)?;
            }
        }
        Ok(())
    }
}

/// Adds what a member has counted at a node.
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
