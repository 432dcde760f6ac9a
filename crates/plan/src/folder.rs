//! What the planner asks of the executor: values of expressions without columns.

use crate::{ColumnId, Expr};
use quarry_common::Result;
use quarry_types::Datum;

/// Evaluates expressions at plan time.
pub trait ConstantFolder {
    /// The value of an immutable expression over constants.
    fn fold(&self, e: &Expr) -> Result<Datum>;
    /// The value an expression has now (stable functions, parameters), for estimates only. None: not known.
    fn estimate(&self, e: &Expr) -> Option<Datum>;
    /// For which values of the only column that it reads a condition holds, for estimates only. None: not known.
    fn holds_for(&self, condition: &Expr, column: ColumnId, values: &[&Datum]) -> Option<Vec<bool>> {
        let _ = (condition, column, values);
        None
    }
}
