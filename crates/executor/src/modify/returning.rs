//! RETURNING: the row as stored, read by the targets.

use super::target::Target;
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use quarry_common::{CommandId, Result, Tid};
use quarry_plan::{ColumnId, Returning, ScanColumn};
use quarry_types::record::RecordBuilder;
use quarry_types::{Batch, Datum, PhysicalType, Vector};
use std::sync::Arc;

/// Compiled RETURNING targets and the rows gathered so far.
pub struct ReturningRows {
    row: Vec<ScanColumn>,
    programs: Vec<Program>,
    columns: Vec<Vector>,
    rows: usize,
}

impl ReturningRows {
    /// `extra` are source columns that follow the stored row's (UPDATE FROM, DELETE USING).
    pub fn new(b: &mut Builder<'_>, r: &Returning, extra: &[ColumnId]) -> Result<ReturningRows> {
        let own: Vec<ColumnId> = r.row.iter().map(|(id, _)| *id).collect();
        let layout = Layout::new(own.iter().copied().chain(extra.iter().copied()));
        let programs = r.targets.iter().map(|(_, e)| b.expr(e, &layout)).collect::<Result<Vec<_>>>()?;
        let columns = programs.iter().map(|p| Vector::with_capacity(p.physical, 16)).collect();
        Ok(ReturningRows { row: r.row.iter().map(|(_, c)| *c).collect(), programs, columns, rows: 0 })
    }
    /// Adds the result for one stored row.
    pub fn push(
        &mut self,
        cx: &mut Cx<'_>,
        target: &Target,
        row: &[Datum],
        tid: Tid,
        source: &[Datum],
    ) -> Result<()> {
        let mut values: Vec<Datum> = Vec::with_capacity(self.row.len() + source.len());
        for c in &self.row {
            values.push(match c {
                ScanColumn::Attribute(a) => target.position(*a).map_or(Datum::Null, |p| row[p].clone()),
                ScanColumn::Ctid => Datum::I64(tid.to_u64() as i64),
                ScanColumn::TableOid => Datum::U32(target.relation.oid.0),
                ScanColumn::Xmin => Datum::U32(cx.env.txn.assign_xid_to_note().0 as u32),
                ScanColumn::Xmax => Datum::U32(0),
                ScanColumn::Cmin | ScanColumn::Cmax => {
                    let CommandId(c) = cx.env.txn.command_id();
                    Datum::U32(c)
                }
                ScanColumn::WholeRow => whole_row(target, row)?,
            });
        }
        values.extend_from_slice(source);
        for (program, column) in self.programs.iter().zip(&mut self.columns) {
            column.push_datum(&program.row(cx, &values)?);
        }
        self.rows += 1;
        Ok(())
    }
    /// What was gathered, as a batch; none if nothing.
    pub fn take(&mut self) -> Option<Batch> {
        if self.rows == 0 {
            return None;
        }
        let types: Vec<PhysicalType> = self.columns.iter().map(Vector::physical).collect();
        let fresh = types.iter().map(|t| Vector::with_capacity(*t, 16)).collect();
        let columns = std::mem::replace(&mut self.columns, fresh).into_iter().map(Arc::new).collect();
        Some(Batch::new(columns, std::mem::take(&mut self.rows)))
    }
    pub fn len(&self) -> usize {
        self.rows
    }
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

fn whole_row(target: &Target, row: &[Datum]) -> Result<Datum> {
    let mut record = RecordBuilder::new(target.relation.row_type);
    for (v, ty) in row.iter().zip(&target.types) {
        record.push(ty.oid, v);
    }
    Ok(record.finish())
}
