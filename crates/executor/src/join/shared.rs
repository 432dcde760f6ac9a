//! The inner side of a hash join whose outer side several threads read: one table for all of them.
//!
//! Each thread has a join of its own, with a copy of the inner side; what the copies read is shared in one of two ways. In parts: the inner
//! side is made of a scan whose pages the copies share, so each reads some of its rows. Or whole: the first thread that needs the
//! table reads all of it. The last one that has read puts the table together; meanwhile the others wait.
//!
//! Who waits waits for threads that read, and these wait only for tables of joins further down, which they all need in the same order: so
//! there is always one that gets on. One that fails says so ([`SharedBuild::fail`]), and there are no rows for anybody then.
//!
//! An inner side that outgrows its memory is left to the leader: the others stop reading it, hand over what they have, and take
//! no further part in the join or in anything above it; the leader, which reads all pages that nobody else has taken, goes on with files.

use super::hash::Inner;
use super::table::Table;
use crate::join::filter::KeyFilter;
use crate::scan::shared::SharedBlocks;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A join's part in building a table with others.
#[derive(Clone)]
pub struct BuildShare {
    pub build: Arc<SharedBuild>,
    /// Whether it is the leader's.
    pub leads: bool,
}

/// A table that threads make together.
pub struct SharedBuild {
    /// What the copies of the inner side share; none: one thread reads it all.
    parts: Option<Arc<SharedBlocks>>,
    /// Bytes of all rows read.
    bytes: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Threads that read.
    reading: usize,
    /// Somebody has begun to.
    begun: bool,
    /// What was read by those that are ready.
    read: Vec<Inner>,
}

#[derive(Default)]
enum Phase {
    #[default]
    Reading,
    /// Too much was read; it is the leader's.
    TooLarge,
    /// The table is being put together.
    Building,
    Ready(Arc<Built>),
    Failed,
}

/// The table, and the filters for scans in the order of the join's.
pub(super) struct Built {
    pub table: Arc<Table>,
    pub filters: Vec<Option<Arc<KeyFilter>>>,
}

/// What a thread has to do next.
pub(super) enum Turn {
    /// Read the inner side.
    Read,
    /// Make the table of all that was read.
    Build(Vec<Inner>),
    /// Go on alone with what was read so far.
    GoOn(Vec<Inner>),
    Join(Arc<Built>),
    /// There are no rows for this thread.
    Nothing,
}

impl SharedBuild {
    pub fn new(parts: Option<Arc<SharedBlocks>>) -> SharedBuild {
        let (state, changed) = Default::default();
        SharedBuild { parts, bytes: AtomicUsize::new(0), state, changed }
    }

    /// Begins anew. No thread is at work.
    pub fn reset(&self) {
        *self.state.lock() = State::default();
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// A thread has failed: nobody waits for it.
    pub fn fail(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Failed;
        state.read.clear();
        self.changed.notify_all();
    }

    /// Whether each thread reads a part.
    pub(super) fn is_in_parts(&self) -> bool {
        self.parts.is_some()
    }

    /// So many more bytes have been read; gives those of all threads.
    pub(super) fn add(&self, bytes: usize) -> usize {
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// Leaves what isn't read yet to the leader.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Reading) {
            state.phase = Phase::TooLarge;
        }
        if let Some(blocks) = &self.parts {
            blocks.stop();
        }
    }

    /// Whether the leader is to go on alone.
    pub(super) fn is_given_up(&self) -> bool {
        !matches!(self.state.lock().phase, Phase::Reading)
    }

    /// A thread needs the table.
    pub(super) fn enter(&self, leads: bool) -> Turn {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Reading) && (self.is_in_parts() || !state.begun) {
            state.begun = true;
            state.reading += 1;
            return Turn::Read;
        }
        self.wait(state, leads)
    }

    /// A thread has read what there was for it.
    pub(super) fn leave(&self, read: Inner, leads: bool) -> Turn {
        let mut state = self.state.lock();
        state.reading -= 1;
        state.read.push(read);
        if state.reading == 0 {
            self.changed.notify_all();
            if matches!(state.phase, Phase::Reading) {
                state.phase = Phase::Building;
                return Turn::Build(std::mem::take(&mut state.read));
            }
        }
        self.wait(state, leads)
    }

    fn wait(&self, mut state: parking_lot::MutexGuard<'_, State>, leads: bool) -> Turn {
        loop {
            match &state.phase {
                Phase::Ready(built) => return Turn::Join(built.clone()),
                Phase::Failed => return Turn::Nothing,
                Phase::TooLarge if !leads => return Turn::Nothing,
                Phase::TooLarge if state.reading == 0 => return Turn::GoOn(std::mem::take(&mut state.read)),
                Phase::Reading | Phase::Building | Phase::TooLarge => self.changed.wait(&mut state),
            }
        }
    }

    /// The table is there.
    pub(super) fn ready(&self, built: Built) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Building) {
            state.phase = Phase::Ready(Arc::new(built));
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> Inner {
        Inner::new(&[], vec![])
    }

    fn table() -> Built {
        Built { table: Arc::new(Table::new(vec![], vec![], 0, &[])), filters: vec![] }
    }

    #[test]
    fn the_last_to_read_builds() {
        let build = SharedBuild::new(Some(Arc::default()));
        assert!(matches!(build.enter(true), Turn::Read));
        assert!(matches!(build.enter(false), Turn::Read));
        std::thread::scope(|s| {
            let first = s.spawn(|| build.leave(read(), false));
            while build.state.lock().reading > 1 {
                std::thread::yield_now();
            }
            let Turn::Build(all) = build.leave(read(), true) else { panic!("the last one builds") };
            assert_eq!(all.len(), 2);
            build.ready(table());
            assert!(matches!(first.join().unwrap(), Turn::Join(_)));
        });
        assert!(matches!(build.enter(false), Turn::Join(_)));
        build.reset();
        assert!(matches!(build.enter(false), Turn::Read));
    }

    #[test]
    fn what_is_too_large_is_the_leaders() {
        let build = SharedBuild::new(Some(Arc::default()));
        assert!(matches!(build.enter(false), Turn::Read));
        assert!(!build.is_given_up());
        build.give_up();
        assert!(build.is_given_up());
        assert!(matches!(build.leave(read(), false), Turn::Nothing));
        let Turn::GoOn(all) = build.enter(true) else { panic!("the leader goes on") };
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn one_reads_what_is_not_in_parts() {
        let build = SharedBuild::new(None);
        assert!(matches!(build.enter(false), Turn::Read));
        std::thread::scope(|s| {
            let other = s.spawn(|| build.enter(true));
            assert!(matches!(build.leave(read(), false), Turn::Build(_)));
            build.fail();
            assert!(matches!(other.join().unwrap(), Turn::Nothing));
        });
        build.ready(table());
        assert!(matches!(build.enter(false), Turn::Nothing));
    }
}
