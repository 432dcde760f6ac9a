//! Putting joined rows together.

use crate::context::Cx;
use crate::expr::Program;
use crate::rows::{NO_ROW, gather};
use quarry_common::Result;
use quarry_plan::JoinKind;
use quarry_types::{Batch, Vector};
use std::sync::Arc;

/// Whether a join gives the inner side's columns.
pub(crate) fn has_inner(kind: JoinKind) -> bool {
    !matches!(kind, JoinKind::Semi | JoinKind::Anti)
}

/// Whether a join gives the outer side's columns.
pub(crate) fn has_outer(kind: JoinKind) -> bool {
    !matches!(kind, JoinKind::RightSemi | JoinKind::RightAnti)
}

/// Rows of two sides side by side; [`NO_ROW`] gives NULLs.
pub(crate) fn combine(outer: &[Arc<Vector>], o: &[u32], inner: &[Arc<Vector>], i: &[u32]) -> Batch {
    let mut columns = Vec::with_capacity(outer.len() + inner.len());
    columns.extend(outer.iter().map(|c| Arc::new(gather(c, o))));
    columns.extend(inner.iter().map(|c| Arc::new(gather(c, i))));
    Batch::new(columns, o.len().max(i.len()))
}

/// Keeps the pairs for which all conditions hold.
pub(crate) fn matching(
    on: &[Program],
    cx: &mut Cx<'_>,
    outer: &[Arc<Vector>],
    inner: &[Arc<Vector>],
    pairs: (Vec<u32>, Vec<u32>),
) -> Result<(Vec<u32>, Vec<u32>)> {
    if on.is_empty() || pairs.0.is_empty() {
        return Ok(pairs);
    }
    let (mut o, mut i) = (Vec::with_capacity(pairs.0.len()), Vec::with_capacity(pairs.0.len()));
    for (po, pi) in pairs.0.chunks(quarry_types::BATCH_ROWS).zip(pairs.1.chunks(quarry_types::BATCH_ROWS)) {
        let batch = combine(outer, po, inner, pi);
        if let Some(kept) = crate::operator::filter_batch(on, cx, batch)? {
            for p in kept.rows().iter() {
                o.push(po[p]);
                i.push(pi[p]);
            }
        }
    }
    cx.rt.note_join_filtered(pairs.0.len() - o.len());
    Ok((o, i))
}

/// `n` times no row.
pub(crate) fn no_rows(n: usize) -> Vec<u32> {
    vec![NO_ROW; n]
}
