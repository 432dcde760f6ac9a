//! RETURNING of a single-row write.

use super::{RowSink, is_simple};
use crate::build::Builder;
use crate::context::Cx;
use crate::modify::returning::ReturningRows;
use crate::modify::target::Target;
use quarry_common::{Result, Tid};
use quarry_plan::{ColumnId, Returning};
use quarry_types::Datum;

/// Whether the targets read the stored row and the input's columns only.
pub fn is_supported(r: &Returning, input: &[ColumnId]) -> bool {
    let mut ids: Vec<ColumnId> = r.row.iter().map(|(id, _)| *id).collect();
    ids.extend(input);
    r.targets.iter().all(|(_, e)| is_simple(e, &ids))
}

/// Compiled RETURNING with where the result's columns are among its own.
pub struct Returned {
    rows: ReturningRows,
    slots: Vec<usize>,
    out: Vec<Datum>,
}

impl Returned {
    pub fn new(b: &mut Builder<'_>, r: &Returning, input: &[ColumnId], slots: &[usize]) -> Result<Returned> {
        Ok(Returned { rows: ReturningRows::new(b, r, input)?, slots: slots.to_vec(), out: Vec::new() })
    }
    /// Gives out the result row of a stored row.
    pub fn give(
        &mut self,
        cx: &mut Cx<'_>,
        target: &Target,
        stored: &[Datum],
        tid: Tid,
        input: &[Datum],
        row: RowSink<'_>,
    ) -> Result<()> {
        self.rows.push(cx, target, stored, tid, input)?;
        let Some(batch) = self.rows.take() else { return Ok(()) };
        self.out.clear();
        self.out.extend(self.slots.iter().map(|s| batch.columns[*s].datum(0)));
        row(&self.out)
    }
}
