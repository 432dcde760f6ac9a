//! COPY by several threads: helpers turn lines into rows, or rows into text, while the session's own thread stores or sends them.
//!
//! The session's thread hands parts of the data out; when all helpers are busy it works on one itself. Results come back in the order
//! of the parts and go on from there by that thread alone: what a table, its indexes and its constraints see, what a client gets, and
//! which error comes first, is what one thread would have done.

use parking_lot::Mutex;
use quarry_common::{Error, Result, helper, wait};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

struct Job<P, R> {
    part: P,
    answer: SyncSender<R>,
}

enum Slot<R> {
    Helper(Receiver<R>),
    Done(R),
}

/// What is done with a part.
type Work<P, R> = Arc<dyn Fn(&P) -> R + Send + Sync>;

/// The helpers of one COPY, and the parts (`P`) whose results (`R`) nobody has taken yet. Dropping it ends the helpers.
pub(super) struct Pipeline<P, R> {
    work: Work<P, R>,
    jobs: Option<SyncSender<Job<P, R>>>,
    helpers: Vec<JoinHandle<()>>,
    under_way: VecDeque<Slot<R>>,
}

impl<P: Send + 'static, R: Send + 'static> Pipeline<P, R> {
    /// Starts up to so many helpers; none if there are none to be had.
    pub fn start(work: impl Fn(&P) -> R + Send + Sync + 'static, helpers: usize) -> Option<Pipeline<P, R>> {
        let work: Work<P, R> = Arc::new(work);
        let (jobs, taken) = sync_channel::<Job<P, R>>(helpers);
        let taken = Arc::new(Mutex::new(taken));
        let start = |_| {
            let (taken, work) = (taken.clone(), work.clone());
            helper::start("copy", move || {
                loop {
                    // Bound first: the queue must be free meanwhile.
                    let job = taken.lock().recv();
                    let Ok(job) = job else { return };
                    // Nobody waits for it: the COPY has failed.
                    let _ = job.answer.send(work(&job.part));
                }
            })
        };
        let helpers: Vec<_> = (0..helpers).map_while(|n| start(n).ok()).collect();
        (!helpers.is_empty()).then(|| Pipeline {
            work,
            jobs: Some(jobs),
            helpers,
            under_way: VecDeque::new(),
        })
    }

    /// Adds the part that follows.
    pub fn push(&mut self, part: P) {
        let (answer, answered) = sync_channel(1);
        let slot = match &self.jobs {
            None => Slot::Done((self.work)(&part)),
            Some(jobs) => match jobs.try_send(Job { part, answer }) {
                Ok(()) => Slot::Helper(answered),
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                    Slot::Done((self.work)(&job.part))
                }
            },
        };
        self.under_way.push_back(slot);
    }

    /// The first part's result, when it is there. It waits for it at the end (`last`), and when too much is under way.
    pub fn pop(&mut self, last: bool) -> Result<Option<R>> {
        let must = last || self.under_way.len() > 2 * self.helpers.len() + 1;
        let done = match self.under_way.pop_front() {
            None => return Ok(None),
            Some(Slot::Done(done)) => done,
            Some(Slot::Helper(answer)) => match answer.try_recv() {
                Ok(done) => done,
                Err(TryRecvError::Empty) if !must => {
                    self.under_way.push_front(Slot::Helper(answer));
                    return Ok(None);
                }
                Err(_) => wait::blocking(|| answer.recv())
                    .map_err(|_| Error::internal("a helper of COPY ended without an answer"))?,
            },
        };
        Ok(Some(done))
    }
}

impl<P, R> Drop for Pipeline<P, R> {
    fn drop(&mut self) {
        self.jobs = None;
        self.under_way.clear();
        for helper in self.helpers.drain(..) {
            // One that panicked has said so in the log; its part is missed by whoever waits for it.
            let _ = wait::blocking(|| helper.join());
        }
    }
}
