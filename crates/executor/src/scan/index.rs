//! Index scan: tids by key range, in key order; rows from the heap, or from the index itself where every snapshot sees
//! the row's page.

use super::filters::Filters;
use super::range::{Prepared, Ranges};
use super::rows::{RowReader, open_heap, snapshot_for};
use crate::context::Cx;
use crate::expr::Program;
use crate::index_entry::{IndexShape, StoredColumn};
use crate::operator::Operator;
use quarry_catalog::{IndexDef, Relation};
use quarry_common::{BlockNo, Lsn, Result, Tid};
use quarry_functions::registry;
use quarry_plan::{CallForm, CastKind, ColumnId, Expr, ScanColumn, walk};
use quarry_storage::Snapshot;
use quarry_storage::heap::{FetchRoom, Heap};
use quarry_storage::index::{BTree, Direction, IndexScan as TreeScan, KeyRange};
use quarry_storage::stats::Reads;
use quarry_storage::txn::LiveSnapshots;
use quarry_types::{BATCH_ROWS, Batch, Datum, Vector};
use std::sync::Arc;

/// Rows that room is made for because they were estimated.
const ROOM_MAX: f64 = 128.0;

/// Room for so many rows of a page is kept by a scan that rests.
const KEPT_SLOTS: usize = 1024;

/// Where the entries of an index have a table's columns, to read them without the table.
pub struct Covered {
    shape: IndexShape,
    /// For each key, the vector it goes to.
    keys: Vec<Option<usize>>,
    /// Those that come out of the payload.
    stored: Vec<StoredColumn>,
}

impl Covered {
    /// None if the index lacks one of the columns.
    pub fn new(index: &IndexDef, shape: IndexShape, columns: &[ScanColumn]) -> Option<Covered> {
        let mut keys = vec![None; index.keys.len()];
        let mut stored = vec![];
        for (to, column) in columns.iter().enumerate() {
            let column = place(index, *column)?;
            match shape.payload_place(column) {
                Some(at) => stored.push(shape.stored_column(at, to)),
                None => keys[column] = Some(to),
            }
        }
        // Nothing behind the last key that is wanted need be read.
        let wanted = keys.iter().rposition(Option::is_some).map_or(0, |k| k + 1);
        keys.truncate(wanted);
        Some(Covered { shape, keys, stored })
    }

    /// Whether anything is read at all.
    pub fn reads_any(&self) -> bool {
        !self.keys.is_empty() || !self.stored.is_empty()
    }

    /// Appends the columns of an entry to vectors.
    #[inline]
    pub fn read(&self, key: &[u8], payload: &[u8], out: &mut [Vector]) -> Result<()> {
        self.shape.decode_into(key, payload, &self.keys, &self.stored, out)
    }
}

/// The number of an index's column: keys first, then what it includes.
pub fn place(index: &IndexDef, column: ScanColumn) -> Option<usize> {
    let ScanColumn::Attribute(a) = column else { return None };
    let key = index.keys.iter().position(|k| k.column == Some(a));
    let included = || index.include.iter().position(|i| *i == a).map(|i| index.keys.len() + i);
    key.or_else(included)
}

/// Whether a condition reads these columns, nothing else of a row, and can't fail whatever they are.
pub fn is_harmless(e: &Expr, columns: &[ColumnId]) -> bool {
    let mut reads = false;
    let mut fine = true;
    walk::visit(e, &mut |e| {
        fine &= match e {
            Expr::Column { id, .. } => {
                reads = true;
                columns.contains(id)
            }
            Expr::Const { .. } | Expr::Param { .. } => true,
            Expr::And(_) | Expr::Or(_) | Expr::Not(_) | Expr::IsNull { .. } | Expr::IsBool { .. } => true,
            Expr::Cast { kind: CastKind::Relabel, .. } => true,
            Expr::Call { form: CallForm::Operator(oid), .. } => compares(*oid),
            Expr::ScalarArray { operator, array, .. } => {
                compares(*operator) && matches!(**array, Expr::Const { .. })
            }
            _ => false,
        }
    });
    reads && fine
}

/// Whether an operator only compares two values.
fn compares(operator: quarry_common::Oid) -> bool {
    registry::operator(operator).is_some_and(|o| {
        matches!(
            o.restrict,
            "eqsel" | "neqsel" | "scalarltsel" | "scalarlesel" | "scalargtsel" | "scalargesel"
        ) && matches!(o.name, "=" | "<>" | "<" | "<=" | ">" | ">=")
    })
}

/// Conditions that an entry can be tested for before its row is visited. They can't fail: the row might be one that nobody sees.
pub struct EntryFilter {
    /// Reads the columns that the programs are compiled over.
    pub columns: Covered,
    pub physicals: Vec<quarry_types::PhysicalType>,
    pub programs: Vec<Program>,
}

impl EntryFilter {
    fn passes(&self, cx: &mut Cx<'_>, key: &[u8], payload: &[u8], row: &mut Vec<Datum>) -> Result<bool> {
        let mut out: Vec<Vector> = self.physicals.iter().map(|p| Vector::with_capacity(*p, 1)).collect();
        self.columns.read(key, payload, &mut out)?;
        row.clear();
        row.extend(out.iter().map(|v| v.datum(0)));
        for p in &self.programs {
            if !p.row_is_true(cx, row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

pub struct IndexScan {
    relation: Arc<Relation>,
    index: Arc<IndexDef>,
    ranges: Ranges,
    reader: RowReader,
    backward: bool,
    /// Set: all columns come out of the index.
    only: Option<Covered>,
    filter: Option<EntryFilter>,
    /// What hash joins above say of the rows.
    joins: Filters,
    /// One row of each range is enough.
    first_only: bool,
    open: Option<Open>,
    state: State,
    /// Entries removed by `filter`.
    filtered: u64,
    /// Rows of index-only scans that the heap was asked for, over all loops.
    heap_fetches: u64,
    /// Rows that the next batch will have, if it is like the last one.
    expected: usize,
    node: usize,
}

struct Open {
    heap: Heap,
    snapshot: Snapshot,
    scan: TreeScan,
    tree: BTree,
    reads: Reads,
    /// For judging dead entries, once there are some.
    live: Option<LiveSnapshots>,
    /// It is of an execution that has ended.
    rests: bool,
    /// Buffers.
    run: Vec<usize>,
    slots: Vec<u16>,
    fetch: FetchRoom,
    row: Vec<Datum>,
}

impl Open {
    /// Lets go of the statement that it was opened for.
    fn rest(&mut self) {
        self.tree.count_reads(&self.snapshot, std::mem::take(&mut self.reads));
        self.snapshot = Snapshot::at(Lsn(0));
        self.live = None;
        self.rests = true;
        self.scan.rest();
        if self.run.capacity() > KEPT_SLOTS {
            (self.run, self.slots, self.fetch) = (vec![], vec![], FetchRoom::default());
        }
        self.row.clear();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tree.count_reads(&self.snapshot, self.reads);
    }
}

enum State {
    Start,
    Running(Prepared),
    Done,
}

impl IndexScan {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        relation: Arc<Relation>,
        index: Arc<IndexDef>,
        ranges: Ranges,
        reader: RowReader,
        backward: bool,
        only: Option<Covered>,
        filter: Option<EntryFilter>,
        joins: Filters,
        node: usize,
    ) -> IndexScan {
        IndexScan {
            only: only.filter(|_| !relation.is_catalog),
            relation,
            index,
            ranges,
            reader,
            backward,
            filter,
            joins,
            first_only: false,
            open: None,
            state: State::Start,
            filtered: 0,
            heap_fetches: 0,
            expected: 0,
            node,
        }
    }

    /// Makes room for so many rows at first.
    pub fn expecting(self, rows: f64) -> IndexScan {
        IndexScan { expected: rows.clamp(1.0, ROOM_MAX) as usize, ..self }
    }

    /// With `on`, of each range only the first row that is seen.
    pub fn first_only(self, on: bool) -> IndexScan {
        IndexScan { first_only: on, ..self }
    }

    fn start(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let Some(prepared) = self.ranges.prepare(cx)? else {
            self.state = State::Done;
            return Ok(());
        };
        if let Some(open) = self.open.as_mut().filter(|open| open.rests) {
            open.snapshot = snapshot_for(cx.env, &self.relation);
            open.scan.read_for(&open.snapshot);
            open.rests = false;
        }
        if self.open.is_none() {
            let heap = open_heap(cx.env, &self.relation)?;
            let snapshot = snapshot_for(cx.env, &self.relation);
            let tree = BTree::open(&cx.env.storage, self.index.storage, self.index.unique);
            let direction = if self.backward { Direction::Backward } else { Direction::Forward };
            let scan = tree.scan(KeyRange::full(), direction).read_by(&snapshot);
            let scan = if self.only.is_some() { scan.with_visibility(&heap) } else { scan };
            self.open = Some(Open {
                heap,
                snapshot,
                scan,
                tree,
                reads: Reads::default(),
                live: None,
                rests: false,
                run: vec![],
                slots: vec![],
                fetch: FetchRoom::default(),
                row: vec![],
            });
        }
        if let Some(open) = &mut self.open {
            let covers = self.only.as_ref().is_some_and(Covered::reads_any);
            let wanted = covers
                || self.filter.is_some()
                || self.joins.are_active()
                || self.ranges.reads_keys(&prepared);
            open.scan.want_keys(wanted);
        }
        self.state = State::Running(prepared);
        self.next_range(cx.want)
    }

    /// Positions the tree scan on the next range, if there is one; `want`: how many rows are asked for.
    fn next_range(&mut self, want: usize) -> Result<()> {
        let (State::Running(prepared), Some(open)) = (&mut self.state, &mut self.open) else { return Ok(()) };
        let scan = &mut open.scan;
        let mut seek = |range: KeyRange| scan.first_key(range);
        match self.ranges.next(prepared, self.backward, &mut seek)? {
            Some(range) => {
                open.reads.scans += 1;
                // Behind a full batch there are more.
                open.scan.expect(match want < BATCH_ROWS {
                    _ if self.first_only => 1,
                    true => want,
                    false => usize::MAX,
                });
                open.scan.restart(range);
            }
            None => self.state = State::Done,
        }
        Ok(())
    }

    /// Adds the rows of the next entries, those up next that point to one page; false: the range is at its end.
    fn read_run(
        &mut self,
        cx: &mut Cx<'_>,
        max: usize,
        out: &mut [Vector],
        rows: &mut usize,
    ) -> Result<bool> {
        let (State::Running(prepared), Some(open)) = (&self.state, &mut self.open) else { return Ok(false) };
        let Open { heap, snapshot, scan, reads, live, run, slots, fetch, row, .. } = open;
        let joined = self.joins.are_active();
        if let Some(covered) = &self.only {
            let (ranges, joins) = (&self.ranges, &mut self.joins);
            let n = scan.each_visible(max, &mut |key, payload| {
                if ranges.passes(prepared, key)? && (!joined || joins.passes_entry(key, payload)?) {
                    covered.read(key, payload, out)?;
                    *rows += 1;
                    reads.returned += 1;
                }
                Ok(())
            })?;
            if n > 0 {
                return Ok(true);
            }
            let n = scan.peek_visible(max)?;
            let mut done = 0;
            while done < n {
                let e = scan.peeked(done);
                if !heap.is_still_all_visible(snapshot, e.tid.block)? {
                    break;
                }
                let passes = self.ranges.passes(prepared, e.key)?;
                if passes && (!joined || self.joins.passes_entry(e.key, e.payload)?) {
                    covered.read(e.key, e.payload, out)?;
                    *rows += 1;
                    reads.returned += 1;
                }
                done += 1;
            }
            scan.skip(done);
            if done > 0 {
                return Ok(true);
            }
        }
        let n = scan.peek_run(max)?;
        if n == 0 {
            return Ok(false);
        }
        scan.look_ahead(heap, n, max);
        run.clear();
        slots.clear();
        let block = scan.peeked(0).tid.block;
        let tested = joined || self.filter.is_some() || self.ranges.reads_keys(prepared);
        if !tested {
            scan.peeked_slots(n, slots);
        }
        for i in 0..if tested { n } else { 0 } {
            let e = scan.peeked(i);
            if !self.ranges.passes(prepared, e.key)? {
                continue;
            }
            if joined && !self.joins.passes_entry(e.key, e.payload)? {
                continue;
            }
            if let Some(filter) = &self.filter
                && !filter.passes(cx, e.key, e.payload, row)?
            {
                self.filtered += 1;
                continue;
            }
            run.push(i);
            slots.push(e.tid.slot);
        }
        reads.returned += slots.len() as u64;
        if !slots.is_empty() {
            if self.only.is_some() {
                self.heap_fetches += slots.len() as u64;
            }
            let unseen = match joined || snapshot.is_watched() {
                true => {
                    let (reader, joins) = (&self.reader, joined.then_some(&mut self.joins));
                    each_row(heap, snapshot, (block, slots), reader, joins, out, rows)?
                }
                false => heap.fetch_rows(snapshot, block, slots, fetch, |page, entries| {
                    *rows += page.len();
                    self.reader.push_page(heap, &page, out)?;
                    Ok(missing(entries, slots.len()))
                })?,
            };
            reads.fetched += (slots.len() - unseen.len()) as u64;
            for i in unseen {
                if heap.is_dead(Tid { block, slot: slots[i] }, live)? {
                    scan.kill_peeked(if tested { run[i] } else { i });
                }
            }
        }
        scan.skip(n);
        Ok(true)
    }
}

/// Which of `n` positions aren't among these, which rise.
fn missing(among: &[u32], n: usize) -> Vec<usize> {
    if among.len() == n {
        return vec![];
    }
    let mut there = among.iter().peekable();
    (0..n).filter(|i| there.next_if(|p| **p as usize == *i).is_none()).collect()
}

/// Adds rows of a page one by one: those that hash joins above want, or that a serializable transaction reads. Gives the positions of
/// entries whose rows aren't seen.
fn each_row(
    heap: &Heap,
    snapshot: &Snapshot,
    (block, slots): (BlockNo, &[u16]),
    reader: &RowReader,
    mut joins: Option<&mut Filters>,
    out: &mut [Vector],
    rows: &mut usize,
) -> Result<Vec<usize>> {
    let mut seen: Vec<u32> = vec![];
    let mut failed = Ok(());
    heap.fetch_page(snapshot, block, slots, |i, tid, meta, body| {
        seen.push(i as u32);
        if failed.is_err() {
            return;
        }
        let passes = joins.as_mut().map_or(Ok(true), |joins| joins.passes_row(heap, tid, body));
        failed = match passes {
            Ok(true) => {
                *rows += 1;
                reader.push(heap, tid, Some(&meta), body, out)
            }
            other => other.map(|_| ()),
        };
    })?;
    failed?;
    Ok(missing(&seen, slots.len()))
}

impl Operator for IndexScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        self.joins.begin(cx);
        if matches!(self.state, State::Start) {
            self.start(cx)?;
        }
        let want = cx.want.min(BATCH_ROWS);
        let mut out = self.reader.vectors(want.min(self.expected));
        let mut rows = 0;
        while rows < want && !matches!(self.state, State::Done) {
            let before = rows;
            let most = if self.first_only { 1 } else { want - rows };
            let more = self.read_run(cx, most, &mut out, &mut rows)?;
            if !more || self.first_only && rows > before {
                self.next_range(want - rows.min(want))?;
                cx.check_cancelled()?;
            }
        }
        cx.check_cancelled()?;
        if self.joins.are_active() {
            self.joins.report(cx);
        }
        if self.only.is_some()
            && let Some(s) = cx.rt.stats.get_mut(self.node)
        {
            crate::stats::set(s, "Heap Fetches", self.heap_fetches.to_string());
        }
        if rows == 0 {
            return Ok(None);
        }
        self.expected = rows;
        Ok(Some(Batch::new(out.into_iter().map(Arc::new).collect(), rows)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.state = State::Start;
        Ok(())
    }
    fn renew(&mut self) -> bool {
        if let Some(open) = &mut self.open {
            open.rest();
        }
        self.state = State::Start;
        (self.filtered, self.heap_fetches) = (0, 0);
        self.joins.is_empty()
    }
    fn rows_filtered(&self) -> u64 {
        self.filtered
    }
}
