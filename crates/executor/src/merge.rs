//! The merge of sorted inputs: of UNION ALL ([`MergeAppend`]) and of what several threads have sorted ([`crate::gather`]).

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::Layout;
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::rows::RowSet;
use crate::sort::Keys;
use quarry_common::Result;
use quarry_plan::{ColumnId, PhysicalPlan, SortKey};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Rows, Vector};
use std::sync::Arc;

/// A merge under way: what it has of its inputs at hand, whatever these are.
pub struct Merge {
    keys: Keys,
    physicals: Vec<PhysicalType>,
    /// Of each input: the batch at hand; none at its end.
    heads: Option<Vec<Option<Head>>>,
}

struct Head {
    batch: Batch,
    values: Vec<Arc<Vector>>,
    /// The next row, and its key.
    row: usize,
    key: Vec<u8>,
    /// The first row that the batch being made has, and which of its pieces it begins.
    from: usize,
    piece: usize,
}

/// Rows of the inputs that come after each other there, and where they lie in the batch being made.
struct Pieces {
    rows: RowSet,
    starts: Vec<u32>,
}

impl Pieces {
    /// Puts in the rows that a head has given.
    fn put(&mut self, head: &mut Head) {
        self.starts[head.piece] = self.rows.len as u32;
        let positions: Vec<u32> = (head.from as u32..head.row as u32).collect();
        let rows = Rows::Selected { positions: &positions, len: head.batch.len };
        self.rows.push_rows(&head.batch.columns, rows);
        head.from = head.row;
    }
    /// The next piece is one of this head.
    fn begin(&mut self, head: &mut Head) {
        head.piece = self.starts.len();
        self.starts.push(0);
    }
}

impl Merge {
    /// Inputs whose rows have these types, in the order of the keys.
    pub fn new(keys: Keys, physicals: Vec<PhysicalType>) -> Merge {
        Merge { keys, physicals, heads: None }
    }

    /// Begins again.
    pub fn reset(&mut self) {
        self.heads = None;
    }

    fn load(&self, cx: &mut Cx<'_>, batch: Option<Batch>) -> Result<Option<Head>> {
        let Some(batch) = batch else { return Ok(None) };
        let batch = dense(batch);
        let values = self.keys.values(cx, &batch)?;
        let mut key = Vec::new();
        self.keys.encode(&values, 0, &mut key)?;
        Ok(Some(Head { batch, values, row: 0, key, from: 0, piece: 0 }))
    }

    /// The next rows of all `inputs` inputs in order; `pull` gives an input's next batch.
    pub fn next(
        &mut self,
        cx: &mut Cx<'_>,
        inputs: usize,
        mut pull: impl FnMut(&mut Cx<'_>, usize) -> Result<Option<Batch>>,
    ) -> Result<Option<Batch>> {
        let mut heads = match self.heads.take() {
            Some(heads) => heads,
            None => {
                let load = |i| {
                    let batch = pull(cx, i)?;
                    self.load(cx, batch)
                };
                (0..inputs).map(load).collect::<Result<_>>()?
            }
        };
        let mut pieces = Pieces { rows: RowSet::new(&self.physicals), starts: vec![] };
        heads.iter_mut().flatten().for_each(|head| pieces.begin(head));
        // Of each row: its piece, and its place there.
        let mut order: Vec<(usize, u32)> = vec![];
        let wanted = cx.want.min(BATCH_ROWS);
        while order.len() < wanted {
            let at_hand = heads.iter().enumerate().filter_map(|(i, h)| h.as_ref().map(|h| (i, h)));
            let Some(i) = at_hand.min_by(|a, b| a.1.key.cmp(&b.1.key)).map(|(i, _)| i) else { break };
            let Some(head) = &mut heads[i] else { break };
            order.push((head.piece, (head.row - head.from) as u32));
            head.row += 1;
            if head.row < head.batch.len {
                head.key.clear();
                self.keys.encode(&head.values, head.row, &mut head.key)?;
                continue;
            }
            pieces.put(head);
            let batch = pull(cx, i)?;
            heads[i] = self.load(cx, batch)?;
            if let Some(head) = &mut heads[i] {
                pieces.begin(head);
            }
        }
        heads.iter_mut().flatten().for_each(|head| pieces.put(head));
        self.heads = Some(heads);
        if order.is_empty() {
            return Ok(None);
        }
        let places: Vec<u32> = order.iter().map(|(piece, row)| pieces.starts[*piece] + row).collect();
        Ok(Some(pieces.rows.gather(&places)))
    }
}

/// Merges the sorted inputs of a UNION ALL.
pub struct MergeAppend {
    inputs: Vec<BoxOperator>,
    merge: Merge,
}

/// The operator of [`quarry_plan::PhysicalNode::MergeAppend`].
pub fn merge_append(
    b: &mut Builder<'_>,
    inputs: &[(PhysicalPlan, Vec<ColumnId>)],
    output: &[ColumnId],
    keys: &[SortKey],
) -> Result<BoxOperator> {
    let layout = Layout::new(output.iter().copied());
    let physicals = match inputs.first() {
        Some((p, c)) => {
            crate::build::types_of(p, c)?.iter().map(|t| b.physical(*t)).collect::<Result<_>>()?
        }
        None => Vec::new(),
    };
    let keys = Keys::compile(b, keys, &layout)?;
    let inputs = inputs.iter().map(|(p, c)| b.picked(p, c)).collect::<Result<_>>()?;
    Ok(Box::new(MergeAppend { inputs, merge: Merge::new(keys, physicals) }))
}

impl Operator for MergeAppend {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let inputs = &mut self.inputs;
        self.merge.next(cx, inputs.len(), |cx, i| pull(&mut inputs[i], cx))
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.merge.reset();
        self.inputs.iter_mut().try_for_each(|i| i.rescan(cx))
    }
}
