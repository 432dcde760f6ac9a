//! Aggregates whose input is read by several threads ([`crate::crew`]): each groups its part, then the leader takes over the others'
//! groups. When one of them outgrows the memory that grouping may have, all but the leader stop, and the leader goes on alone, with files as
//! usual: only it ever has files, and when it begins with them it knows every group there is.

use super::Aggregate;
use crate::context::Cx;
use crate::operator::pull;
use crate::scan::shared::SharedBlocks;
use quarry_common::Result;
use quarry_types::{Rows, Vector};
use std::sync::Arc;

impl Aggregate {
    /// Reads the input together with the crew, if there is one. What is left of it afterwards is read alone.
    pub(super) fn read_together(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let Some(mut crew) = self.crew.take() else { return Ok(()) };
        let lead = |cx: &mut Cx<'_>, blocks: &SharedBlocks| {
            self.shares = true;
            let read = self.read_until_stopped(cx, blocks);
            self.shares = false;
            read
        };
        let launched = crew.together(cx, lead, Aggregate::work);
        let groups = |a: &Aggregate| a.states.iter().map(|s| s.groups.len()).sum::<usize>();
        let mut partial = groups(self);
        if launched.is_ok() {
            for member in crew.others() {
                partial += groups(member);
                self.take_over(cx, member)?;
            }
        }
        if let (Some(s), Ok(launched)) = (cx.rt.stats.get_mut(self.node), &launched) {
            crate::stats::set(s, crate::stats::LAUNCHED, launched.to_string());
            crate::stats::set(s, crate::stats::PARTIAL_ROWS, partial.to_string());
        }
        self.crew = Some(crew);
        launched.map(|_| ())
    }

    /// A member's work: its part of the input.
    fn work(&mut self, cx: &mut Cx<'_>, blocks: &SharedBlocks) -> Result<()> {
        while let Some(batch) = pull(&mut self.input, cx)? {
            cx.check_cancelled()?;
            self.consume(cx, &batch)?;
            if self.is_full(cx) {
                blocks.stop();
            }
        }
        Ok(())
    }

    /// The leader's part of the work.
    fn read_until_stopped(&mut self, cx: &mut Cx<'_>, blocks: &SharedBlocks) -> Result<()> {
        while !blocks.is_stopped()
            && let Some(batch) = pull(&mut self.input, cx)?
        {
            cx.check_cancelled()?;
            self.consume(cx, &batch)?;
            if self.is_full(cx) {
                blocks.stop();
            }
        }
        Ok(())
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
