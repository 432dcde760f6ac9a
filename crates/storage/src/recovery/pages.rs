//! Redo of pages: changes are gathered over a stretch of the log, sorted by page and applied by several threads.
//!
//! A record changes each of its pages by `apply`, which sees that page only, so pages may be brought forward in any order, and a page's
//! changes are applied in a row: it is read, latched and written once for all of them. What comes before the last whole image of a
//! page within a stretch is passed over. A thread has the pages of every n-th stripe of [`STRIPE_BLOCKS`]; it goes through
//! them in the order of their files, so reads and writes are of neighbours.
//!
//! This is for the start of the server, when nobody reads: between the two ends of a stretch pages are of different ages.
//!
//! Follows no one: PostgreSQL's redo is one process, record by record.

use super::Redo;
use crate::buffer::{BufferPool, PageMut, RunWriter};
use crate::files::RelFiles;
use crate::ids::{Fork, PageId, RelId};
use crate::wal::record::{RecordView, padded};
use crate::wal::rmgr;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::{Error, Lsn, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;

/// How the pages of a redo pass are divided.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Log that is gathered before its changes are applied. Twice as much may be in memory.
    pub stretch_bytes: usize,
    /// What that may grow to if the pool can't hold the pages: in longer stretches each is read and written less often.
    pub stretch_bytes_max: usize,
    pub threads: usize,
    /// Stretches with fewer changes are not worth waking others for.
    pub alone_below: usize,
}

impl Plan {
    /// For a pool of so many bytes on this machine.
    pub fn of_machine(pool_bytes: usize) -> Plan {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
        let stretch_bytes_max = pool_bytes.clamp(STRETCH_BYTES, 128 << 20);
        Plan { stretch_bytes: STRETCH_BYTES, stretch_bytes_max, threads, alone_below: 4096 }
    }
}

/// Log that is gathered at first.
const STRETCH_BYTES: usize = 16 << 20;
/// Neighbours that one thread has.
const STRIPE_BLOCKS: u32 = 128;
/// Changes that the processor is told of ahead.
const PREFETCH: usize = 6;
/// Pages that are read at once at most.
const READ_BLOCKS: usize = 16;

/// One record's part in one page. The order is that of pages, then of the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    /// Number of the fork in the stretch, block.
    page: u64,
    /// Where the record is in the stretch, in units of 8 bytes.
    at: u32,
    /// Which of the record's pages.
    index: u8,
    /// The page is replaced.
    whole: bool,
}

/// A part of the log with changes of pages.
pub(super) struct Stretch {
    /// For each record its LSN, its length (u64 both) and its bytes, padded.
    bytes: Vec<u8>,
    forks: Vec<(RelId, Fork)>,
    numbers: HashMap<(RelId, Fork), u32>,
    last: Option<((RelId, Fork), u32)>,
    /// By thread.
    changes: Vec<Mutex<Vec<Change>>>,
    count: usize,
}

/// Pages that records wanted to change but that don't exist, each with the record's LSN.
pub(super) type Missing = Vec<(PageId, Lsn)>;

impl Stretch {
    /// An empty one in the memory of one that is done with.
    fn cleared(mut self) -> Stretch {
        self.bytes.clear();
        self.forks.clear();
        self.numbers.clear();
        self.last = None;
        self.changes.iter_mut().for_each(|changes| changes.get_mut().clear());
        self.count = 0;
        self
    }

    fn new(threads: usize) -> Stretch {
        Stretch {
            bytes: Vec::new(),
            forks: Vec::new(),
            numbers: HashMap::new(),
            last: None,
            changes: (0..threads).map(|_| Mutex::default()).collect(),
            count: 0,
        }
    }

    fn number(&mut self, key: (RelId, Fork)) -> u32 {
        if let Some((last, number)) = self.last
            && last == key
        {
            return number;
        }
        let next = self.forks.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.forks.push(key);
        }
        self.last = Some((key, number));
        number
    }

    /// Takes a record's pages in.
    fn add(&mut self, view: &RecordView<'_>) -> Result<()> {
        let at = (self.bytes.len() / 8) as u32;
        self.bytes.extend_from_slice(&view.lsn().0.to_le_bytes());
        self.bytes.extend_from_slice(&(view.raw().len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(view.raw());
        self.bytes.resize(padded(self.bytes.len()), 0);
        for index in 0..view.block_count() {
            let block = view.block(index).ok_or_else(|| damaged(view.lsn()))?;
            let id = block.id;
            let number = self.number((id.rel, id.fork));
            let page = u64::from(number) << 32 | u64::from(id.block);
            let thread = (number + id.block / STRIPE_BLOCKS) as usize % self.changes.len();
            let change = Change { page, at, index: index as u8, whole: block.is_whole() };
            self.changes[thread].get_mut().push(change);
            self.count += 1;
        }
        Ok(())
    }

    fn record(&self, at: u32) -> RecordView<'_> {
        let at = at as usize * 8;
        let word = |at: usize| u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"));
        RecordView::known(Lsn(word(at)), &self.bytes[at + 16..at + 16 + word(at + 8) as usize])
    }

    fn id(&self, page: u64) -> PageId {
        let (rel, fork) = self.forks[(page >> 32) as usize];
        PageId::new(rel, fork, page as u32)
    }

    /// Asks the processor for a record: sorted by page they lie all over the stretch.
    #[inline]
    fn prefetch(&self, change: Option<&Change>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(change) = change
            && let Some(record) = self.bytes.get(change.at as usize * 8..)
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // Length, header, reference, and the begin of the payload.
            for line in record.chunks(64).take(3) {
                // SAFETY: a prefetch reads nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = change;
    }

    /// Applies one thread's share.
    fn apply_share(&self, share: usize, pool: &BufferPool, files: &RelFiles) -> Result<Missing> {
        let mut changes = self.changes[share].lock();
        changes.sort_unstable();
        let changes: &[Change] = &changes;
        let mut missing = Vec::new();
        let pages = changes.chunk_by(|a, b| a.page == b.page).count();
        // Pages that will be pushed out of a small pool are written while they are at hand, in runs.
        let mut writer = (pages * self.changes.len() > pool.frame_count() / 8 * 7)
            .then(|| RunWriter::new(pool, false).unhurried());
        let mut brought = 0;
        let mut next = 0;
        let mut groups = changes.chunk_by(|a, b| a.page == b.page);
        while let Some(group) = groups.next() {
            let id = self.id(group[0].page);
            let from = group.iter().rposition(|c| c.whole).unwrap_or(0);
            next += from;
            files.get(id.rel, id.fork)?.grow_to_hold(id.block);
            let mut page = if group[from].whole {
                pool.write_replaced(id)?
            } else {
                if group[0].page >= brought {
                    // Those that follow it in the file and are not replaced either.
                    let row = groups.clone().take(READ_BLOCKS - 1).zip(1..);
                    let more = row.take_while(|(g, n)| g[0].page == group[0].page + n && !g[0].whole).count();
                    brought = group[0].page + 1 + more as u64;
                    if more > 0 {
                        pool.bring(id.rel, id.fork, id.block..id.block + 1 + more as u32)?;
                    }
                }
                pool.write(id)?
            };
            for change in &group[from..] {
                next += 1;
                self.prefetch(changes.get(next + PREFETCH));
                self.apply_change(change, id, &mut page, &mut missing)?;
            }
            drop(page);
            if let Some(writer) = &mut writer {
                writer.add(id)?;
            }
        }
        if let Some(writer) = writer {
            writer.finish()?;
        }
        Ok(missing)
    }

    fn apply_change(
        &self,
        change: &Change,
        id: PageId,
        page: &mut PageMut<'_>,
        missing: &mut Missing,
    ) -> Result<()> {
        let view = self.record(change.at);
        let (lsn, kind) = (view.lsn(), view.kind());
        let rmgr = rmgr::of(kind)?;
        let context =
            |e: Error| e.context(format!("WAL redo at {lsn} for {} op {} on {id}", rmgr.name, kind.op));
        let block = view.block(change.index as usize).ok_or_else(|| damaged(lsn))?;
        if !block.restore_image(lsn, view.raw(), page).map_err(context)? {
            if block.init {
                page.zero();
            } else if page.is_new() {
                missing.push((id, lsn));
                return Ok(());
            } else if page.lsn() >= view.end() {
                return Ok(());
            }
            (rmgr.apply)(kind.op, view.payload(), change.index as usize, page).map_err(context)?;
        }
        page.set_lsn(view.end());
        page.mark_dirty();
        Ok(())
    }
}

fn damaged(lsn: Lsn) -> Error {
    Error::corrupted(format!("WAL record at {lsn} is damaged"))
}

/// Gathers and applies, see the module.
pub(super) struct Gatherer<'s> {
    plan: Plan,
    now: Stretch,
    threads: Vec<Sender<Arc<Stretch>>>,
    answers: Option<Receiver<Result<Missing>>>,
    /// The stretch before, and how many threads are at it.
    before: Option<Arc<Stretch>>,
    busy: usize,
    /// Pages that the pool had dropped when the stretch before was passed on.
    evictions: u64,
    pool: &'s BufferPool,
    files: &'s RelFiles,
}

impl<'s> Gatherer<'s> {
    pub fn new(plan: Plan, pool: &'s BufferPool, files: &'s RelFiles) -> Gatherer<'s> {
        let now = Stretch::new(plan.threads.max(1));
        Gatherer {
            plan,
            now,
            threads: Vec::new(),
            answers: None,
            before: None,
            busy: 0,
            evictions: 0,
            pool,
            files,
        }
    }

    /// Takes a record's pages in, and passes the stretch on when it is long.
    pub fn add<'scope>(
        &mut self,
        redo: &mut Redo<'_>,
        view: &RecordView<'_>,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<()>
    where
        's: 'scope,
    {
        self.now.add(view)?;
        if self.now.bytes.len() >= self.plan.stretch_bytes { self.pass_on(redo, scope) } else { Ok(()) }
    }

    /// Has everything gathered applied, and waits for it.
    pub fn settle<'scope>(&mut self, redo: &mut Redo<'_>, scope: &'scope Scope<'scope, '_>) -> Result<()>
    where
        's: 'scope,
    {
        self.pass_on(redo, scope)?;
        self.wait(redo)
    }

    fn pass_on<'scope>(&mut self, redo: &mut Redo<'_>, scope: &'scope Scope<'scope, '_>) -> Result<()>
    where
        's: 'scope,
    {
        self.wait(redo)?;
        if self.now.count == 0 {
            return Ok(());
        }
        let evictions = self.pool.stats().evictions.load(Ordering::Relaxed);
        if evictions - self.evictions > self.pool.frame_count() as u64 / 16 {
            self.plan.stretch_bytes = (self.plan.stretch_bytes * 2).min(self.plan.stretch_bytes_max);
        }
        self.evictions = evictions;
        let empty = self.before.take().and_then(Arc::into_inner).map(Stretch::cleared);
        let empty = empty.unwrap_or_else(|| Stretch::new(self.plan.threads.max(1)));
        let stretch = std::mem::replace(&mut self.now, empty);
        if stretch.count < self.plan.alone_below || self.plan.threads < 2 {
            for share in 0..stretch.changes.len() {
                redo.note_missing(stretch.apply_share(share, self.pool, self.files)?);
            }
            self.before = Some(Arc::new(stretch));
            return Ok(());
        }
        if self.threads.is_empty() {
            self.start(scope);
        }
        let stretch = Arc::new(stretch);
        for thread in &self.threads {
            thread.send(stretch.clone()).map_err(|_| gone())?;
            self.busy += 1;
        }
        self.before = Some(stretch);
        Ok(())
    }

    fn start<'scope>(&mut self, scope: &'scope Scope<'scope, '_>)
    where
        's: 'scope,
    {
        let (answer, answers) = channel();
        self.answers = Some(answers);
        for share in 0..self.plan.threads {
            let (sender, stretches) = channel::<Arc<Stretch>>();
            let (answer, pool, files) = (answer.clone(), self.pool, self.files);
            scope.spawn(move || {
                // Ends when the sender goes.
                for stretch in stretches {
                    let outcome = stretch.apply_share(share, pool, files);
                    // Who hears of the last one takes its memory over.
                    drop(stretch);
                    if answer.send(outcome).is_err() {
                        break;
                    }
                }
            });
            self.threads.push(sender);
        }
    }

    /// Waits until the stretch before is applied.
    fn wait(&mut self, redo: &mut Redo<'_>) -> Result<()> {
        while self.busy > 0 {
            self.busy -= 1;
            let answer = self.answers.as_ref().and_then(|answers| answers.recv().ok());
            redo.note_missing(answer.ok_or_else(gone)??);
        }
        Ok(())
    }
}

fn gone() -> Error {
    Error::internal("a thread of recovery has ended")
}
