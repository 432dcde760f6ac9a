//! Rows of a table on their way into a new index: copied out of their pages column by column, so that keys are made for many at once.

use crate::build::Builder;
use crate::context::{Cx, Runtime};
use crate::env::ExecEnv;
use crate::expr::Program;
use crate::modify::target::attribute;
use crate::scan::rows::{RowReader, open_heap};
use crate::write::layout_of;
use quarry_catalog::Relation;
use quarry_common::{Result, Tid};
use quarry_plan::{BoundIndex, ColumnId, ScanColumn, walk};
use quarry_storage::heap::Heap;
use quarry_storage::sort::{EntryRuns, EntrySink, RowSink};
use quarry_types::{Batch, IoContext, Vector};
use std::sync::Arc;

/// Rows of a batch, and bytes of them.
const ROWS_MAX: usize = 1024;
const BYTES_MAX: usize = 256 << 10;

/// The columns of a table's row that an index needs.
pub(crate) fn needed(index: &BoundIndex, row: &[(ColumnId, ScanColumn)]) -> Vec<(ColumnId, ScanColumn)> {
    let mut used = vec![];
    for e in index.keys.iter().chain(&index.predicate) {
        walk::columns_of(e, &mut used);
    }
    let included = |c: &ScanColumn| attribute(*c).is_some_and(|a| index.index.include.contains(&a));
    row.iter().filter(|(id, c)| used.contains(id) || included(c)).copied().collect()
}

/// Gathers rows and makes their keys' values.
pub(crate) struct RowBatches<'a> {
    env: &'a ExecEnv,
    io: &'a IoContext<'a>,
    heap: Heap,
    rt: Runtime,
    reader: RowReader,
    keys: Vec<Program>,
    predicate: Option<Program>,
    columns: Vec<Vector>,
    rows: Vec<(Tid, bool)>,
    bytes: usize,
}

/// Rows with their keys' values.
pub(crate) struct KeyBatch {
    pub keys: Vec<Arc<Vector>>,
    /// The table's columns that were read.
    pub columns: Vec<Arc<Vector>>,
    /// The rows that belong into the index.
    pub positions: Vec<u32>,
    /// Of each row, where the index must lead and whether it is live.
    pub rows: Vec<(Tid, bool)>,
}

impl<'a> RowBatches<'a> {
    /// `row`: the columns to read, as [`needed`] gives them.
    pub fn new(
        env: &'a ExecEnv,
        io: &'a IoContext<'a>,
        relation: &'a Arc<Relation>,
        index: &'a BoundIndex,
        row: &[(ColumnId, ScanColumn)],
    ) -> Result<RowBatches<'a>> {
        let mut b = Builder::new(io, false).with_env(env);
        let layout = layout_of(row);
        let keys = b.exprs(&index.keys, &layout)?;
        let predicate = index.predicate.as_ref().map(|p| b.expr(p, &layout)).transpose()?;
        let reader = RowReader::new(relation, row, io)?;
        Ok(RowBatches {
            env,
            io,
            heap: open_heap(env, relation)?,
            columns: reader.vectors(0),
            reader,
            keys,
            predicate,
            rt: b.finish(),
            rows: vec![],
            bytes: 0,
        })
    }

    /// Adds a row; whether it is time to take them.
    #[inline]
    pub fn push(&mut self, tid: Tid, body: &[u8], live: bool) -> Result<bool> {
        self.reader.push(&self.heap, tid, None, body, &mut self.columns)?;
        self.rows.push((tid, live));
        self.bytes += body.len();
        Ok(self.rows.len() >= ROWS_MAX || self.bytes >= BYTES_MAX)
    }

    /// What was gathered.
    pub fn take(&mut self) -> Result<KeyBatch> {
        let mut cx = Cx::new(self.env, self.io, &mut self.rt);
        cx.check_cancelled()?;
        let capacity = self.rows.len();
        let columns = std::mem::replace(&mut self.columns, self.reader.vectors(capacity));
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(capacity));
        self.bytes = 0;
        let mut batch = Batch::new(columns.into_iter().map(Arc::new).collect(), rows.len());
        let positions = match &self.predicate {
            None => (0..rows.len() as u32).collect(),
            Some(p) => {
                let positions = p.positions(&mut cx, &batch)?;
                batch.selection = Some(positions.as_slice().into());
                positions
            }
        };
        let keys = self.keys.iter().map(|k| k.eval(&mut cx, &batch)).collect::<Result<_>>()?;
        Ok(KeyBatch { keys, columns: batch.columns, positions, rows })
    }
}

/// What makes entries of batches of rows, in one thread's part of a build.
pub(crate) trait KeySink: Send {
    /// Rows whose keys are made.
    fn take(&mut self, batch: KeyBatch) -> Result<()>;
    /// There are no more.
    fn end(&mut self) -> Result<()>;
}

/// A sink that gets its rows batch by batch.
pub(crate) struct Batched<'a, S> {
    batches: RowBatches<'a>,
    pub sink: S,
}

impl<'a, S: KeySink> Batched<'a, S> {
    pub fn new(batches: RowBatches<'a>, sink: S) -> Batched<'a, S> {
        Batched { batches, sink }
    }

    fn take(&mut self) -> Result<()> {
        self.sink.take(self.batches.take()?)
    }
}

impl<S: KeySink> RowSink for Batched<'_, S> {
    fn row(&mut self, tid: Tid, body: &[u8], live: bool) -> Result<()> {
        if self.batches.push(tid, body, live)? { self.take() } else { Ok(()) }
    }
    fn end_stretch(&mut self) -> Result<()> {
        self.take()
    }
    fn end(&mut self) -> Result<()> {
        self.sink.end()
    }
}

impl<S: KeySink + Into<EntryRuns>> EntrySink for Batched<'_, S> {
    fn into_runs(self) -> EntryRuns {
        self.sink.into()
    }
}
