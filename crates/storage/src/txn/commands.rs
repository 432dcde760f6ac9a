//! Commands of row versions that one transaction both made and ended, and what else a transaction shares with its snapshots.
//!
//! A version's header has room for one command: that of its end, if it has ended, else that of its making. Both are asked for only by the
//! transaction that is running: others know from its commit. So where it ends what it has made itself, the header gets the number of a pair
//! that stands here, flagged ([`PAIRED`]). Nobody else ever looks a number up, so pairs need be neither logged nor kept: replicas and whoever
//! comes after a crash see a transaction that has ended. (PostgreSQL: utils/time/combocid.c.)
//!
//! Threads that work for one statement, its cursors, and snapshots taken before a pair was made find it in the same place. Pairs are never taken
//! back, as a rolled back subtransaction's end leaves the command of the making here.

use crate::heap::tuple::{PAIRED, TupleHeader};
use crate::stats::Pending;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::CommandId;

/// What a transaction and its snapshots have in common.
#[derive(Default)]
pub struct Shared {
    /// What it has counted; its snapshots count there, too.
    pub counts: Mutex<Pending>,
    pairs: Mutex<Pairs>,
}

/// A version's first and last command.
type Pair = (CommandId, CommandId);

#[derive(Default)]
struct Pairs {
    by_number: Vec<Pair>,
    numbers: HashMap<Pair, u32>,
}

impl Shared {
    /// Of a new transaction in the place of one that has ended.
    pub fn begin_again(&self) {
        let Shared { counts, pairs } = self;
        counts.lock().begin_again();
        let mut pairs = pairs.lock();
        if !pairs.by_number.is_empty() {
            *pairs = Pairs::default();
        }
    }

    /// The commands in which this transaction made and ended a version. Each means something only if it has done so.
    #[inline]
    pub fn commands(&self, h: &TupleHeader) -> Pair {
        if h.has(PAIRED) { self.pair(h.command) } else { (h.command, h.command) }
    }

    #[cold]
    fn pair(&self, number: CommandId) -> Pair {
        // One that isn't here was noted by a transaction that has ended: whoever asks isn't the one.
        self.pairs.lock().by_number.get(number.0 as usize).copied().unwrap_or_default()
    }

    /// What a header keeps of a version that the transaction made in one command and ends in another, and the flag for it.
    pub fn note(&self, made: CommandId, ended: CommandId) -> (CommandId, u16) {
        // One that is ended by the command that made it is seen by none: the one command tells that.
        if made == ended {
            return (ended, 0);
        }
        let Pairs { by_number, numbers } = &mut *self.pairs.lock();
        let number = *numbers.entry((made, ended)).or_insert_with(|| {
            by_number.push((made, ended));
            by_number.len() as u32 - 1
        });
        (CommandId(number), PAIRED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_common::Xid;

    #[test]
    fn pairs_come_back() {
        let shared = Shared::default();
        let mut h = TupleHeader::new(Xid(7), CommandId(3), 0);
        assert_eq!(shared.commands(&h).0, CommandId(3));
        for _ in 0..2 {
            for (made, ended) in [(3, 4), (3, 9), (8, 9), (0, u32::MAX)] {
                let (command, flag) = shared.note(CommandId(made), CommandId(ended));
                (h.command, h.flags) = (command, flag);
                assert!(command.0 < 4);
                assert_eq!(shared.commands(&h), (CommandId(made), CommandId(ended)));
            }
        }
        assert_eq!(shared.note(CommandId(5), CommandId(5)), (CommandId(5), 0));
    }
}
