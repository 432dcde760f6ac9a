//! The rows of a VALUES list.

use crate::Expr;
use quarry_types::Batch;
use std::slice;
use std::sync::Arc;

/// Rows of a VALUES list: expressions, or values alone.
#[derive(Clone, Debug)]
pub enum ValueRows {
    /// Expressions, row by row.
    Computed(Vec<Vec<Expr>>),
    /// Nothing but values, column by column. However many they are, they are one thing to whoever looks at the plan.
    Constant { batches: Arc<[Batch]>, len: usize },
}

impl ValueRows {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            ValueRows::Computed(rows) => rows.len(),
            ValueRows::Constant { len, .. } => *len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that are expressions: all or none.
    pub fn computed(&self) -> &[Vec<Expr>] {
        match self {
            ValueRows::Computed(rows) => rows,
            ValueRows::Constant { .. } => &[],
        }
    }

    /// As [`ValueRows::computed`], to be changed.
    pub fn computed_mut(&mut self) -> &mut [Vec<Expr>] {
        match self {
            ValueRows::Computed(rows) => rows,
            ValueRows::Constant { .. } => &mut [],
        }
    }

    /// Over the rows that are expressions.
    pub fn iter(&self) -> slice::Iter<'_, Vec<Expr>> {
        self.computed().iter()
    }

    /// As [`ValueRows::iter`], to be changed.
    pub fn iter_mut(&mut self) -> slice::IterMut<'_, Vec<Expr>> {
        self.computed_mut().iter_mut()
    }

    /// Whether a column is never NULL as far as `is_value` can tell of an expression.
    pub fn never_null(&self, column: usize, is_value: impl Fn(&Expr) -> bool) -> bool {
        match self {
            ValueRows::Computed(rows) => rows.iter().all(|row| row.get(column).is_some_and(&is_value)),
            ValueRows::Constant { batches, .. } => {
                batches.iter().all(|b| b.columns.get(column).is_some_and(|c| !c.may_have_nulls()))
            }
        }
    }
}

impl From<Vec<Vec<Expr>>> for ValueRows {
    fn from(rows: Vec<Vec<Expr>>) -> ValueRows {
        ValueRows::Computed(rows)
    }
}

impl<'a> IntoIterator for &'a ValueRows {
    type Item = &'a Vec<Expr>;
    type IntoIter = slice::Iter<'a, Vec<Expr>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for ValueRows {
    /// Values alone are taken for equal only where they are the same ones.
    fn eq(&self, other: &ValueRows) -> bool {
        match (self, other) {
            (ValueRows::Computed(a), ValueRows::Computed(b)) => a == b,
            (ValueRows::Constant { batches: a, .. }, ValueRows::Constant { batches: b, .. }) => {
                Arc::ptr_eq(a, b)
            }
            _ => false,
        }
    }
}
