//! VALUES lists: of expressions, which are computed row by row, and of values alone, which lie in batches already.

use crate::context::Cx;
use crate::expr::Program;
use crate::operator::Operator;
use quarry_common::Result;
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Vector};
use std::sync::Arc;

pub struct ValuesScan {
    rows: Vec<Vec<Program>>,
    physicals: Vec<PhysicalType>,
    at: usize,
}

impl ValuesScan {
    pub fn new(rows: Vec<Vec<Program>>, physicals: Vec<PhysicalType>) -> ValuesScan {
        ValuesScan { rows, physicals, at: 0 }
    }
}

impl Operator for ValuesScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let n = (self.rows.len() - self.at).min(BATCH_ROWS.min(cx.want));
        if n == 0 {
            return Ok(None);
        }
        let mut out: Vec<Vector> = self.physicals.iter().map(|p| Vector::with_capacity(*p, n)).collect();
        for row in &self.rows[self.at..self.at + n] {
            for (program, to) in row.iter().zip(&mut out) {
                to.push_datum(&program.row(cx, &[])?);
            }
        }
        self.at += n;
        Ok(Some(Batch::new(out.into_iter().map(Arc::new).collect(), n)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.at = 0;
        Ok(())
    }
    fn renew(&mut self) -> bool {
        self.at = 0;
        true
    }
}

/// Hands out batches that the plan has.
pub struct ConstantScan {
    batches: Arc<[Batch]>,
    at: usize,
}

impl ConstantScan {
    pub fn new(batches: Arc<[Batch]>) -> ConstantScan {
        ConstantScan { batches, at: 0 }
    }
}

impl Operator for ConstantScan {
    fn next(&mut self, _: &mut Cx<'_>) -> Result<Option<Batch>> {
        let batch = self.batches.get(self.at).cloned();
        self.at += 1;
        Ok(batch)
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.at = 0;
        Ok(())
    }
    fn renew(&mut self) -> bool {
        self.at = 0;
        true
    }
}
