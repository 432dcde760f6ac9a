//! COPY FROM by several threads: helpers turn lines into rows while the session's own thread stores them.
//!
//! The session's thread cuts the data into [`Block`]s of whole lines and hands them out; when all helpers are busy it reads a block
//! itself. Rows are stored by that thread alone, in the order of the data: what a table, its indexes and its constraints see, and which
//! error comes first, is what one thread would have done.

use super::lines::{Fields, Line};
use super::rows::{RowFormat, Rows, excerpt};
use parking_lot::Mutex;
use quarry_common::{Error, Result, helper, wait};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Bytes of a block, unless one line has more: some milliseconds of work.
pub(super) const BLOCK_BYTES: usize = 256 << 10;

/// Lines that are read together.
pub(super) struct Block {
    pub bytes: Vec<u8>,
    /// Each line's place in the bytes.
    pub lines: Vec<Line>,
    /// The number of the first line.
    pub first: u64,
}

/// Rows of consecutive lines.
pub(super) struct Piece {
    pub rows: Rows,
    /// The number of the last line.
    pub line: u64,
    /// The line, if it is one that the table may refuse: its only one.
    pub refusable: Option<String>,
}

/// What became of a block: its rows up to the first error.
pub(super) struct Parsed {
    pub pieces: Vec<Piece>,
    pub failed: Option<Error>,
}

struct Job {
    block: Block,
    answer: SyncSender<Parsed>,
}

enum Slot {
    Helper(Receiver<Parsed>),
    Done(Parsed),
}

/// The helpers of one COPY, and the blocks that are not stored yet. Dropping it ends the helpers.
pub(super) struct Pipeline {
    format: Arc<RowFormat>,
    jobs: Option<SyncSender<Job>>,
    helpers: Vec<JoinHandle<()>>,
    under_way: VecDeque<Slot>,
}

impl Pipeline {
    /// Starts up to so many helpers; none if there are none to be had.
    pub fn start(format: &Arc<RowFormat>, helpers: usize) -> Option<Pipeline> {
        let (jobs, taken) = sync_channel::<Job>(helpers);
        let taken = Arc::new(Mutex::new(taken));
        let start = |_| {
            let (taken, format) = (taken.clone(), format.clone());
            helper::start("copy", move || {
                loop {
                    // Bound first: the queue must be free while the block is read.
                    let job = taken.lock().recv();
                    let Ok(job) = job else { return };
                    // Nobody waits for it: the COPY has failed.
                    let _ = job.answer.send(read(&format, &job.block));
                }
            })
        };
        let helpers: Vec<_> = (0..helpers).map_while(|n| start(n).ok()).collect();
        (!helpers.is_empty()).then(|| Pipeline {
            format: format.clone(),
            jobs: Some(jobs),
            helpers,
            under_way: VecDeque::new(),
        })
    }

    /// Adds the block that follows.
    pub fn push(&mut self, block: Block) {
        let (answer, answered) = sync_channel(1);
        let slot = match &self.jobs {
            None => Slot::Done(read(&self.format, &block)),
            Some(jobs) => match jobs.try_send(Job { block, answer }) {
                Ok(()) => Slot::Helper(answered),
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                    Slot::Done(read(&self.format, &job.block))
                }
            },
        };
        self.under_way.push_back(slot);
    }

    /// The first block's rows, when they are there. It waits for them at the end (`last`), and when too much is under way.
    pub fn pop(&mut self, last: bool) -> Result<Option<Parsed>> {
        let must = last || self.under_way.len() > 2 * self.helpers.len() + 1;
        let parsed = match self.under_way.pop_front() {
            None => return Ok(None),
            Some(Slot::Done(parsed)) => parsed,
            Some(Slot::Helper(answer)) => match answer.try_recv() {
                Ok(parsed) => parsed,
                Err(TryRecvError::Empty) if !must => {
                    self.under_way.push_front(Slot::Helper(answer));
                    return Ok(None);
                }
                Err(_) => wait::blocking(|| answer.recv())
                    .map_err(|_| Error::internal("a helper of COPY ended without an answer"))?,
            },
        };
        Ok(Some(parsed))
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.jobs = None;
        self.under_way.clear();
        for helper in self.helpers.drain(..) {
            // One that panicked has said so in the log; its block is missed by whoever waits for it.
            let _ = wait::blocking(|| helper.join());
        }
    }
}

/// Reads the lines of a block.
fn read(format: &RowFormat, block: &Block) -> Parsed {
    let io = format.env.io();
    let mut fields = Fields::default();
    let mut pieces = vec![];
    let mut rows = format.no_rows();
    let mut failed = None;
    let mut number = block.first;
    for line in &block.lines {
        let bytes = &block.bytes[line.clone()];
        if let Err(e) = format.read(bytes, number, false, &mut fields, &mut rows, &io) {
            failed = Some(e);
            // The values of half a row.
            rows.truncate();
            break;
        }
        if format.is_refusable(&rows) {
            let alone = rows.split_last();
            put(&mut pieces, std::mem::replace(&mut rows, format.no_rows()), number - 1, None);
            put(&mut pieces, alone, number, Some(excerpt(bytes)));
        } else if rows.is_full() {
            put(&mut pieces, std::mem::replace(&mut rows, format.no_rows()), number, None);
        }
        number += 1;
    }
    put(&mut pieces, rows, number - 1, None);
    Parsed { pieces, failed }
}

fn put(pieces: &mut Vec<Piece>, rows: Rows, line: u64, refusable: Option<String>) {
    if rows.count > 0 {
        pieces.push(Piece { rows, line, refusable });
    }
}
