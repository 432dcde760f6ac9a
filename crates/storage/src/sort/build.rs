//! Building an index from a table: threads scan stretches of it and gather entries, each for itself; then the entries are merged and the tree is
//! written bottom up.
//!
//! The first sink's thread is the caller's. Stretches are given out by rising block, so what a sink gets rises too. If rows are refused, the error that
//! counts is that of the first stretch with one, whichever thread came first.

use super::entries::{EntryBatch, EntryMerge, EntryRef, EntryRuns};
use super::{BuildRows, EntryCallback, IndexRow, PROGRESS_ROWS};
use crate::heap::{BuildScan, BuildView, Heap};
use crate::index::btree::build::{PageLogger, ToLogger, TreeLoader};
use crate::index::{BTree, BuildOutcome};
use crate::txn::Transaction;
use parking_lot::Mutex;
use quarry_common::helper;
use quarry_common::progress::{Command, Progress, create_index as p};
use quarry_common::usage;
use quarry_common::{BlockNo, Error, Result, Tid};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

/// Blocks of a stretch.
const STRETCH_BLOCKS: BlockNo = 64;
/// Batches that a merging thread may be ahead.
const BATCHES_AHEAD: usize = 4;

/// Takes the rows that one thread scans.
pub trait RowSink: Send {
    /// A row: the tid to index, its body, whether it is live. Called under the page's latch.
    fn row(&mut self, tid: Tid, body: &[u8], live: bool) -> Result<()>;
    /// A stretch has ended: what rows were kept back is to be dealt with.
    fn end_stretch(&mut self) -> Result<()> {
        Ok(())
    }
    /// There are no more rows.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What the threads of a scan share.
struct Shared<'a> {
    heap: &'a Heap,
    txn: &'a Transaction,
    rows: BuildRows<'a>,
    view: BuildView,
    blocks: BlockNo,
    next: AtomicU32,
    done: AtomicU32,
    progress: Progress,
    /// The first stretch that failed, and why.
    failed: Mutex<Option<(BlockNo, Error)>>,
}

impl Shared<'_> {
    fn run<S: RowSink>(&self, sink: &mut S) -> BuildScan {
        let mut sum = BuildScan::default();
        let mut from = 0;
        let mut work = |from: &mut BlockNo| -> Result<()> {
            let mut ring = self.heap.scan_ring()?;
            loop {
                *from = self.next.fetch_add(STRETCH_BLOCKS, Ordering::Relaxed).min(self.blocks);
                if *from >= self.blocks || self.failed.lock().is_some() {
                    return sink.end();
                }
                let stretch = *from..self.blocks.min(*from + STRETCH_BLOCKS);
                let part = self.scan(stretch, &mut ring, sink)?;
                sum.live_rows += part.live_rows;
                sum.left_out |= part.left_out;
                sink.end_stretch()?;
            }
        };
        if let Err(e) = work(&mut from) {
            // Others may be at earlier stretches; there are none that nobody has begun.
            let mut failed = self.failed.lock();
            if failed.as_ref().is_none_or(|f| from < f.0) {
                *failed = Some((from, e));
            }
        }
        sum
    }

    fn scan<S: RowSink>(
        &self,
        stretch: Range<BlockNo>,
        ring: &mut Option<crate::buffer::Ring>,
        sink: &mut S,
    ) -> Result<BuildScan> {
        let mut page = || {
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            self.progress.set(p::BLOCKS_DONE, done as i64);
            Ok(())
        };
        match self.rows {
            BuildRows::All => {
                let mut row = |tid: Tid, body: &[u8], live: bool| sink.row(tid, body, live);
                self.heap.index_build_scan_of(self.txn, &self.view, stretch, ring, &mut page, &mut row)
            }
            BuildRows::SeenBy(snap) => {
                let mut live_rows = 0;
                self.heap.scan_roots_of(snap, stretch, ring, &mut page, &mut |tid, body| {
                    live_rows += 1;
                    sink.row(tid, body, true)
                })?;
                Ok(BuildScan { live_rows, left_out: false })
            }
        }
    }
}

/// Reads what an index must have entries for, with as many threads as there are sinks (at least one).
pub fn scan_for_build<S: RowSink>(
    heap: &Heap,
    txn: &Transaction,
    rows: BuildRows<'_>,
    sinks: &mut [S],
) -> Result<BuildScan> {
    let blocks = heap.blocks()?;
    let progress = txn.progress().of(Command::CreateIndex);
    progress.set(p::BLOCKS_TOTAL, blocks as i64);
    let shared = Shared {
        heap,
        txn,
        rows,
        view: heap.build_view(),
        blocks,
        next: AtomicU32::new(0),
        done: AtomicU32::new(0),
        progress,
        failed: Mutex::new(None),
    };
    let [first, others @ ..] = sinks else { return Err(Error::internal("a scan for nobody")) };
    let scan = std::thread::scope(|scope| {
        let spawn = |sink| {
            let shared = &shared;
            // One that can't be started is not missed: the others do its part.
            helper::spawn(scope, "index-build", move || {
                // A thread of its own has counted nothing before.
                let scan = shared.run(sink);
                shared.heap.storage().flush_counts();
                (scan, usage::now())
            })
        };
        let threads: Vec<_> = others.iter_mut().map(spawn).collect();
        let mut sum = shared.run(first);
        for thread in threads {
            let (part, used) = match thread {
                Ok(t) => t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(_) => continue,
            };
            usage::take_over(&used);
            sum.live_rows += part.live_rows;
            sum.left_out |= part.left_out;
        }
        sum
    });
    match shared.failed.into_inner() {
        None => Ok(scan),
        Some((_, e)) => Err(e),
    }
}

/// A sink that gathers a B-tree's entries.
pub trait EntrySink: RowSink {
    /// All its entries.
    fn into_runs(self) -> EntryRuns;
}

/// Builds a B-tree over a table: scan, sort, bulk load. `sinks`: one for each thread, which may use as much memory as they say;
/// `memory_bytes`: for reading back what didn't fit.
pub fn build_tree<S: EntrySink>(
    heap: &Heap,
    index: &BTree,
    txn: &Transaction,
    rows: BuildRows<'_>,
    memory_bytes: usize,
    mut sinks: Vec<S>,
) -> Result<(BuildOutcome, BuildScan)> {
    let progress = txn.progress().of(Command::CreateIndex);
    progress.set(p::SUBPHASE, p::SCANNING_TABLE);
    let scan = scan_for_build(heap, txn, rows, &mut sinks)?;
    progress.set(p::SUBPHASE, p::SORTING);
    let threads = sinks.len();
    let runs: Vec<EntryRuns> = sinks.into_iter().map(S::into_runs).collect();
    let count: u64 = runs.iter().map(EntryRuns::len).sum();
    progress.set(p::TUPLES_TOTAL, count as i64);
    let mut merge = EntryMerge::new(runs, memory_bytes)?;
    progress.set(p::SUBPHASE, p::LOADING);
    let outcome = match threads {
        1 => load(index, txn, &progress, None, &mut || merge.next_batch())?,
        _ => std::thread::scope(|scope| {
            let (send, receive) = sync_channel(BATCHES_AHEAD);
            let merging = move || {
                loop {
                    let batch = merge.next_batch();
                    let last = batch.as_ref().map_or(true, EntryBatch::is_empty);
                    // Nobody listens: the loading has failed.
                    if send.send(batch).is_err() || last {
                        return usage::now();
                    }
                }
            };
            let thread = helper::spawn(scope, "index-build", merging)
                .map_err(|e| Error::internal(format!("could not start a thread: {e}")))?;
            let mut logging = None;
            let mut to_logger = None;
            if let Some((to, logger)) = PageLogger::new(index) {
                let log = move || {
                    logger.run();
                    index.storage().flush_counts();
                    usage::now()
                };
                // Without one, this thread logs.
                logging = helper::spawn(scope, "index-build", log).ok();
                to_logger = logging.is_some().then_some(to);
            }
            let outcome = load(index, txn, &progress, to_logger, &mut || take(&receive));
            drop(receive);
            for thread in [Some(thread), logging].into_iter().flatten() {
                usage::take_over(&thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            outcome
        })?,
    };
    Ok((outcome, scan))
}

fn take(from: &Receiver<Result<EntryBatch>>) -> Result<EntryBatch> {
    from.recv().map_err(|_| Error::internal("the merging of an index's entries has stopped"))?
}

/// Writes the tree from batches up to an empty one.
fn load<'a>(
    index: &'a BTree,
    txn: &Transaction,
    progress: &Progress,
    logger: Option<ToLogger<'a>>,
    next: &mut dyn FnMut() -> Result<EntryBatch>,
) -> Result<BuildOutcome> {
    let mut loader = TreeLoader::begin(index, logger)?;
    let mut noted = 0;
    let mut duplicate = None;
    loop {
        let batch = next()?;
        if batch.is_empty() {
            break;
        }
        batch.for_each(&mut |e| {
            if duplicate.is_none()
                && let Some(first) = loader.add(e)?
            {
                duplicate = Some(BuildOutcome::Duplicate { first, second: e.tid, key: e.key.to_vec() });
            }
            Ok(())
        })?;
        if let Some(duplicate) = duplicate {
            return Ok(duplicate);
        }
        if loader.entries() - noted >= PROGRESS_ROWS {
            noted = loader.entries();
            progress.set(p::TUPLES_DONE, noted as i64);
            if txn.is_cancelled() {
                return Err(Error::cancelled());
            }
        }
    }
    progress.set(p::TUPLES_DONE, loader.entries() as i64);
    loader.finish(txn)
}

/// One thread's entries, made by a callback.
struct Callback<'a> {
    runs: EntryRuns,
    make: &'a mut EntryCallback<'a>,
    key: Vec<u8>,
    payload: Vec<u8>,
}

impl RowSink for Callback<'_> {
    fn row(&mut self, tid: Tid, body: &[u8], live: bool) -> Result<()> {
        self.key.clear();
        self.payload.clear();
        let made = (self.make)(tid, body, &mut self.key, &mut self.payload)?;
        let IndexRow::Entry { may_conflict } = made else { return Ok(()) };
        let unique = live && may_conflict;
        self.runs.push(EntryRef { key: &self.key, payload: &self.payload, tid, unique })
    }
    fn end(&mut self) -> Result<()> {
        self.runs.end()
    }
}

impl EntrySink for Callback<'_> {
    fn into_runs(self) -> EntryRuns {
        self.runs
    }
}

/// Builds a B-tree in the caller's thread alone. `f` makes a row's key and payload in the (cleared) buffers given.
pub fn build_index<'f>(
    heap: &Heap,
    index: &BTree,
    txn: &Transaction,
    rows: BuildRows<'_>,
    memory_bytes: usize,
    f: &'f mut EntryCallback<'f>,
) -> Result<(BuildOutcome, BuildScan)> {
    let runs = EntryRuns::new(heap.storage().disk().clone(), memory_bytes);
    let sink = Callback { runs, make: f, key: Vec::new(), payload: Vec::new() };
    build_tree(heap, index, txn, rows, memory_bytes, vec![sink])
}
