//! What an operator hands to the next one.

use crate::Vector;
use std::sync::Arc;

/// Most rows a batch carries.
pub const BATCH_ROWS: usize = 2048;

/// Columns of equal length and, where rows were filtered out, the positions of those that remain.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub columns: Vec<Arc<Vector>>,
    /// Rows in each column.
    pub len: usize,
    /// Positions of the rows that count, rising; none: all.
    pub selection: Option<Arc<[u32]>>,
}

impl Batch {
    /// A batch of all rows.
    pub fn new(columns: Vec<Arc<Vector>>, len: usize) -> Batch {
        debug_assert!(columns.iter().all(|c| c.len() == len), "columns of unequal length");
        Batch { columns, len, selection: None }
    }
    /// Rows that count.
    pub fn row_count(&self) -> usize {
        self.selection.as_ref().map_or(self.len, |s| s.len())
    }
    /// The rows that count, to iterate or to give to a kernel.
    pub fn rows(&self) -> Rows<'_> {
        match &self.selection {
            Some(s) => Rows::Selected { positions: s, len: self.len },
            None => Rows::All(self.len),
        }
    }
}

/// The rows a kernel computes. Its result has `len()` rows; positions not named hold anything.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    All(usize),
    Selected { positions: &'a [u32], len: usize },
}

impl<'a> Rows<'a> {
    /// Length of the vectors involved.
    pub fn len(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::Selected { len, .. } => *len,
        }
    }
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
    /// Rows to compute.
    pub fn count(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::Selected { positions, .. } => positions.len(),
        }
    }
    /// The positions, rising.
    pub fn iter(&self) -> RowsIter<'a> {
        match *self {
            Rows::All(n) => RowsIter::All(0..n),
            Rows::Selected { positions, .. } => RowsIter::Selected(positions.iter()),
        }
    }
}

/// Iterator of [`Rows::iter`].
pub enum RowsIter<'a> {
    All(std::ops::Range<usize>),
    Selected(std::slice::Iter<'a, u32>),
}

impl Iterator for RowsIter<'_> {
    type Item = usize;
    #[inline]
    fn next(&mut self) -> Option<usize> {
        match self {
            RowsIter::All(range) => range.next(),
            RowsIter::Selected(it) => it.next().map(|p| *p as usize),
        }
    }
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            RowsIter::All(range) => range.size_hint(),
            RowsIter::Selected(it) => it.size_hint(),
        }
    }
    /// Which of the two it is, is asked once.
    #[inline]
    fn fold<B, F: FnMut(B, usize) -> B>(self, init: B, mut f: F) -> B {
        match self {
            RowsIter::All(range) => range.fold(init, f),
            RowsIter::Selected(it) => it.fold(init, |b, p| f(b, *p as usize)),
        }
    }
}

impl ExactSizeIterator for RowsIter<'_> {}
