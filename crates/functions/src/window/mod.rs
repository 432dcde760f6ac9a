//! Window functions: the interface; aggregates run as window functions through their accumulators.
//!
//! A partition may be larger than memory, so a function computes its results for some consecutive rows at a time and asks for
//! values of other rows by their number.

pub mod rank;
pub mod value;

use crate::EvalContext;
use quarry_common::Result;
use quarry_types::{Datum, SqlType, Vector};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// What EXCLUDE takes out of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exclusion {
    Nothing,
    CurrentRow,
    Group,
    /// The current row's peers, but not the row itself.
    Ties,
}

/// The frame of one row: a half-open range of rows of the partition without the excluded ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    pub start: usize,
    pub end: usize,
    pub exclusion: Exclusion,
    pub current: usize,
    /// The current row's peers; asked only where something is excluded.
    pub peers: (usize, usize),
}

impl Frame {
    /// A frame of which nothing is excluded.
    pub fn whole(start: usize, end: usize) -> Frame {
        Frame { start, end, exclusion: Exclusion::Nothing, current: 0, peers: (0, 0) }
    }
    fn contains(&self, row: usize) -> bool {
        let gone = match self.exclusion {
            Exclusion::Nothing => false,
            Exclusion::CurrentRow => row == self.current,
            Exclusion::Group => (self.peers.0..self.peers.1).contains(&row),
            Exclusion::Ties => row != self.current && (self.peers.0..self.peers.1).contains(&row),
        };
        (self.start..self.end).contains(&row) && !gone
    }
    /// The frame's rows in order, as at most three ranges.
    pub fn pieces(&self) -> [Range<usize>; 3] {
        let end = self.end.max(self.start);
        let gone = match self.exclusion {
            Exclusion::Nothing => return [self.start..end, 0..0, 0..0],
            Exclusion::CurrentRow => (self.current, self.current + 1),
            Exclusion::Group | Exclusion::Ties => self.peers,
        };
        let own = self.exclusion == Exclusion::Ties && self.contains(self.current);
        let current = if own { self.current..self.current + 1 } else { 0..0 };
        let before = self.start..end.min(gone.0.max(self.start));
        [before, current, self.start.max(gone.1).min(end)..end]
    }
    /// The row that `nth_value` takes as number `n` from 0. As in PostgreSQL (`WinGetFuncArgInFrame`), the current row counts as
    /// the first of its peers where these are excluded, and gives nothing if it lies outside the frame.
    pub fn nth(&self, n: usize) -> Option<usize> {
        let mut row = self.start.checked_add(n)?;
        let overlap = self.peers.0.max(self.start);
        let meets_peers = row >= self.peers.0 && self.peers.1 > self.start;
        match self.exclusion {
            Exclusion::CurrentRow if row >= self.current && self.current >= self.start => row += 1,
            Exclusion::Group if meets_peers => row += self.peers.1 - overlap,
            Exclusion::Ties if meets_peers && row == overlap => row = self.current,
            Exclusion::Ties if meets_peers => row += self.peers.1 - overlap - 1,
            _ => {}
        }
        self.contains(row).then_some(row)
    }
    /// The row that `last_value` takes, by the same rules.
    pub fn last(&self) -> Option<usize> {
        let mut row = self.end.checked_sub(1)?;
        let overlap = self.peers.1.min(self.end);
        let meets_peers = row < self.peers.1 && self.peers.0 < self.end;
        match self.exclusion {
            Exclusion::CurrentRow if row <= self.current && self.current < self.end => {
                row = row.checked_sub(1)?;
            }
            Exclusion::Group if meets_peers => row = row.checked_sub(overlap - self.peers.0)?,
            Exclusion::Ties if meets_peers && row + 1 == overlap => row = self.current,
            Exclusion::Ties if meets_peers => row = row.checked_sub(overlap - 1 - self.peers.0)?,
            _ => {}
        }
        self.contains(row).then_some(row)
    }
}

/// Consecutive rows of a sorted partition as a window function sees them. Rows are named by their number in the partition.
pub struct WindowRows<'a> {
    /// Rows of the partition.
    pub len: usize,
    /// The rows to compute.
    pub rows: Range<usize>,
    /// The number of the row that comes first in `args` and `groups`.
    pub base: usize,
    /// The call's arguments.
    pub args: &'a [Arc<Vector>],
    /// For each row the number of its peer group, from 0, rising; rows equal in ORDER BY share one.
    pub groups: &'a [u64],
    /// The peers of a row of `rows`.
    pub peers: &'a dyn Fn(usize) -> Result<Range<usize>>,
    /// The frame of a row of `rows`.
    pub frame: &'a dyn Fn(usize) -> Result<Frame>,
    /// The first argument's value for any row of the partition.
    pub value: &'a dyn Fn(usize) -> Result<Datum>,
    /// Raises the error that an argument (the first number) has for a row of `rows`: it is NULL in `args` then.
    pub ask: &'a dyn Fn(usize, usize) -> Result<()>,
    /// What the call remembers from block to block of one partition; 0 at first.
    pub memory: &'a Cell<u64>,
    pub ret: SqlType,
}

impl WindowRows<'_> {
    /// Argument `i` of a row of `rows`.
    pub fn arg(&self, i: usize, row: usize) -> Result<Datum> {
        let arg = self.args.get(i).ok_or_else(crate::kernel_arity)?;
        (self.ask)(i, row)?;
        Ok(arg.datum(row - self.base))
    }
}

/// A window function's code: the result column for `rows`. Blocks of a partition come in order, each once.
#[derive(Clone, Copy)]
pub struct WindowImpl {
    pub compute: fn(&mut EvalContext<'_>, &WindowRows<'_>) -> Result<Vector>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusions() {
        let frame = |exclusion, start, end, current| Frame { start, end, exclusion, current, peers: (2, 5) };
        let nth = |f: Frame| (0..7).map_while(|n| f.nth(n)).collect::<Vec<_>>();
        let rows = |f: Frame| f.pieces().into_iter().flatten().collect::<Vec<_>>();
        for (exclusion, expected) in [
            (Exclusion::Nothing, vec![1, 2, 3, 4, 5, 6]),
            (Exclusion::CurrentRow, vec![1, 2, 4, 5, 6]),
            (Exclusion::Group, vec![1, 5, 6]),
            (Exclusion::Ties, vec![1, 3, 5, 6]),
        ] {
            let f = frame(exclusion, 1, 7, 3);
            assert_eq!(nth(f), expected);
            assert_eq!(rows(f), expected);
            assert_eq!(f.last(), Some(6));
            assert_eq!(frame(exclusion, 1, 2, 3).last(), Some(1));
        }
        assert_eq!(frame(Exclusion::Ties, 1, 5, 3).last(), Some(3));
        assert_eq!(frame(Exclusion::Group, 0, 5, 3).last(), Some(1));
        assert_eq!(frame(Exclusion::Group, 2, 5, 3).last(), None);
        // The current row lies before the frame: PostgreSQL takes it as the first peer and finds it outside.
        assert_eq!(frame(Exclusion::Ties, 3, 7, 2).nth(0), None);
        assert_eq!(frame(Exclusion::Ties, 3, 7, 2).nth(1), Some(5));
    }
}
