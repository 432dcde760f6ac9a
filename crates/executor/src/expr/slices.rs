//! Batches whose values would take too much memory at once, computed in slices.
//!
//! Kernels give a batch up when one vector's values outgrow `BATCH_BYTES_MAX`; the slices that take its place are as large as fits.
//! An expression with effects (`nextval`) can't be begun again: it runs without that bound, in slices that begin with one row and
//! grow while they make little.

use super::{Input, Program, scatter};
use crate::context::Cx;
use quarry_common::Result;
use quarry_functions::kernel::{BATCH_BYTES_MAX, batch_too_large, is_batch_too_large};
use quarry_types::{PhysicalType, Rows, Vector};
use std::sync::Arc;

impl Program {
    /// The value for each of these rows.
    pub fn eval_rows(&self, cx: &mut Cx<'_>, columns: &[Arc<Vector>], rows: Rows<'_>) -> Result<Arc<Vector>> {
        if self.effects && self.grows {
            return self.eval_once(cx, columns, rows);
        }
        match self.node.eval(cx, Input { columns, rows, placeholder: None }) {
            Err(e) if is_batch_too_large(&e) => self.eval_slices(cx, columns, rows, usize::MAX),
            done => done,
        }
    }

    /// The same for callers that can do with fewer rows: where the values would take more than a vector's share of memory the
    /// answer is `batch_too_large`. Never for a single row, or for an expression with effects.
    pub fn eval_bounded(
        &self,
        cx: &mut Cx<'_>,
        columns: &[Arc<Vector>],
        rows: Rows<'_>,
    ) -> Result<Arc<Vector>> {
        if self.effects && self.grows {
            return self.eval_once(cx, columns, rows);
        }
        match self.node.eval(cx, Input { columns, rows, placeholder: None }) {
            Err(e) if is_batch_too_large(&e) && self.physical != PhysicalType::Bytes => {
                self.eval_slices(cx, columns, rows, usize::MAX)
            }
            Err(e) if is_batch_too_large(&e) => self.eval_slices(cx, columns, rows, BATCH_BYTES_MAX),
            done => done,
        }
    }

    #[cold]
    fn eval_slices(
        &self,
        cx: &mut Cx<'_>,
        columns: &[Arc<Vector>],
        rows: Rows<'_>,
        limit: usize,
    ) -> Result<Arc<Vector>> {
        let (positions, len): (Vec<u32>, usize) = (rows.iter().map(|r| r as u32).collect(), rows.len());
        let mut out = Vector::zeroed(self.physical, len);
        let (mut at, mut size, mut good) = (0, (positions.len() / 2).max(1), 0);
        while at < positions.len() {
            cx.check_cancelled()?;
            if out.heap_bytes() > limit {
                return Err(batch_too_large());
            }
            let part = &positions[at..(at + size).min(positions.len())];
            let rows = Rows::Selected { positions: part, len };
            match self.node.eval(cx, Input { columns, rows, placeholder: None }) {
                Err(e) if is_batch_too_large(&e) && part.len() > 1 => {
                    (size, good) = (part.len() / 2, 0);
                }
                Err(e) => return Err(e),
                Ok(v) => {
                    scatter(&mut out, &v, rows)?;
                    at += part.len();
                    good += 1;
                    if good == 8 {
                        (size, good) = (size * 2, 0);
                    }
                }
            }
        }
        Ok(Arc::new(out))
    }

    /// Each row once.
    fn eval_once(&self, cx: &mut Cx<'_>, columns: &[Arc<Vector>], rows: Rows<'_>) -> Result<Arc<Vector>> {
        let before = std::mem::replace(&mut cx.rt.unbounded, true);
        let out = self.eval_growing(cx, columns, rows);
        cx.rt.unbounded = before;
        out
    }

    fn eval_growing(&self, cx: &mut Cx<'_>, columns: &[Arc<Vector>], rows: Rows<'_>) -> Result<Arc<Vector>> {
        if rows.count() <= 1 {
            return self.node.eval(cx, Input { columns, rows, placeholder: None });
        }
        let (positions, len): (Vec<u32>, usize) = (rows.iter().map(|r| r as u32).collect(), rows.len());
        let mut out = Vector::zeroed(self.physical, len);
        let (mut at, mut size) = (0, 1);
        while at < positions.len() {
            cx.check_cancelled()?;
            let part = &positions[at..(at + size).min(positions.len())];
            let rows = Rows::Selected { positions: part, len };
            cx.rt.made_bytes = 0;
            let v = self.node.eval(cx, Input { columns, rows, placeholder: None })?;
            scatter(&mut out, &v, rows)?;
            at += part.len();
            let each = cx.rt.made_bytes / part.len();
            size = (BATCH_BYTES_MAX / each.max(1)).clamp(1, size * 2);
        }
        Ok(Arc::new(out))
    }
}
