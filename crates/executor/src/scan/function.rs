//! Functions in FROM, side by side, with an optional row number.

use crate::context::Cx;
use crate::operator::Operator;
use crate::project::{SetProgram, Started};
use crate::rows::push_nulls;
use quarry_common::Result;
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Vector};
use std::sync::Arc;

pub struct FunctionScan {
    calls: Vec<SetProgram>,
    ordinality: bool,
    running: Option<Vec<Option<Started>>>,
    row_number: i64,
}

impl FunctionScan {
    pub fn new(calls: Vec<SetProgram>, ordinality: bool) -> FunctionScan {
        FunctionScan { calls, ordinality, running: None, row_number: 0 }
    }
}

impl Operator for FunctionScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.running.is_none() {
            self.running = Some(self.calls.iter().map(|c| c.start(cx, &[])).collect::<Result<_>>()?);
            self.row_number = 0;
        }
        let running = self.running.get_or_insert_with(Vec::new);
        let want = cx.want.min(BATCH_ROWS);
        let mut most = 0;
        let mut parts: Vec<(Vec<Vector>, usize)> = Vec::with_capacity(self.calls.len());
        for (call, started) in self.calls.iter().zip(running) {
            let mut out: Vec<Vector> = call.vectors.iter().map(|p| Vector::with_capacity(*p, 0)).collect();
            let mut got = 0;
            while let Some(s) = started
                && got < want
            {
                let n = s.next(call, cx, want - got, &mut out)?;
                if n == 0 {
                    *started = None;
                }
                got += n;
            }
            most = most.max(got);
            parts.push((out, got));
        }
        if most == 0 {
            return Ok(None);
        }
        let mut columns: Vec<Arc<Vector>> = Vec::new();
        for (part, got) in parts {
            for mut v in part {
                if got < most {
                    push_nulls(&mut v, most - got);
                }
                columns.push(Arc::new(v));
            }
        }
        if self.ordinality {
            let mut v = Vector::with_capacity(PhysicalType::I64, most);
            for i in 1..=most as i64 {
                v.push_datum(&quarry_types::Datum::I64(self.row_number + i));
            }
            self.row_number += most as i64;
            columns.push(Arc::new(v));
        }
        Ok(Some(Batch::new(columns, most)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.running = None;
        Ok(())
    }
}
