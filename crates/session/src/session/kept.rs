//! What statements run with: made for one, and kept for those that follow it, in the same transaction or in later ones.
//!
//! A transaction begins in the memory of the one before it, if nobody else has that (`storage::txn::transaction::again`). So what is kept
//! refers to the new one as it is: of its own it only has the time at which its transaction began. Invariant: while it is idle, the session's
//! reader is its reader.

use super::*;
use quarry_executor::fastpath::Place;

/// Serves statements as long as it would be made the same again ([`StatementContext::holds`]).
pub(super) struct Kept {
    context: Arc<StatementContext>,
    /// A place with an environment that was made of it, used by nobody now. It holds no snapshot and no values.
    place: Option<Box<Place>>,
    /// Its transaction has ended, and it has served none since.
    is_idle: bool,
}

impl Kept {
    /// How many references to the transaction it has; none: others may have some by way of it.
    fn references(&self) -> Option<usize> {
        let places = usize::from(self.place.is_some());
        let is_own = Arc::strong_count(&self.context) == 1
            && Arc::strong_count(&self.context.reader) == 1 + places + SHOWN;
        // The context's, its reader's and the environment's.
        is_own.then_some(1 + 1 + places)
    }

    /// It serves the next transaction from now on, which began at that time. False: somebody else has it.
    fn serve_next(&mut self, started_at: i64) -> bool {
        let Some(context) = Arc::get_mut(&mut self.context) else { return false };
        context.io.now_us = started_at;
        if let Some(place) = &mut self.place {
            place.env.io.now_us = started_at;
        }
        self.is_idle = false;
        true
    }
}

/// The session's reference to the reader of what is kept.
const SHOWN: usize = 1;

impl Session {
    /// What the next statement runs with.
    pub(crate) fn statement_context(&mut self) -> Result<StatementContext> {
        let txn = self.ensure_transaction();
        self.limit_lock_waits();
        Ok(StatementContext::with_settings(&self.cx, &self.block, &txn, &self.digest.1))
    }

    /// Tells the transaction how long it may wait for locks.
    fn limit_lock_waits(&mut self) {
        let limits = self.digest().limits;
        if let Some(txn) = self.block.txn() {
            txn.set_lock_timeout(limits.lock);
            txn.set_deadlock_timeout(limits.deadlock);
        }
    }

    /// What a query runs with: one for all its messages (Bind, Describe, Execute) and for those after it, unless a setting, the user or
    /// the schema changes in between. Commands, which may change the schema as they go, take a new [`Session::statement_context`] for
    /// each step.
    pub(crate) fn query_context(&mut self) -> Result<Arc<StatementContext>> {
        if self.block.txn().is_none() {
            self.ensure_transaction();
        }
        if let (Some(kept), Some(txn)) = (&mut self.kept, self.block.txn())
            && kept.context.holds(txn, self.block.modes.read_only)
        {
            if !kept.is_idle {
                return Ok(kept.context.clone());
            }
            if kept.serve_next(self.block.started_at) {
                let context = kept.context.clone();
                self.limit_lock_waits();
                return Ok(context);
            }
        }
        let context = Arc::new(self.statement_context()?);
        self.kept = Some(Kept { context: context.clone(), place: None, is_idle: false });
        Ok(context)
    }

    /// The references to the transaction before that what is kept has, and that nobody else has by way of it.
    pub(super) fn kept_references(&mut self) -> usize {
        match self.kept.as_ref().map(|kept| (kept.is_idle, kept.references())) {
            None => 0,
            Some((true, Some(references))) => references,
            Some(_) => {
                self.forget_context();
                0
            }
        }
    }

    /// The transaction has committed: what its statements ran with waits for the next one, if that begins in its memory.
    pub(super) fn keep_for_next(&mut self, kept: Option<Kept>) {
        let Some(mut kept) = kept.filter(|kept| self.block.goes_on_in(&kept.context.txn)) else {
            return self.forget_context();
        };
        self.cx.show_reader(&kept.context.reader);
        kept.is_idle = true;
        self.kept = Some(kept);
    }

    /// A place for one statement on the short path, to be given back by [`Session::give_place`].
    pub(super) fn take_place(
        &mut self,
        st: &StatementContext,
        params: &Arc<[Datum]>,
        read_only: bool,
    ) -> Box<Place> {
        let idle = self.kept.as_mut().and_then(|kept| kept.place.take());
        match idle.filter(|place| Arc::ptr_eq(&place.env.reader, &st.reader)) {
            Some(mut place) => {
                st.renew_env(&mut place.env, params.clone(), read_only);
                place
            }
            None if read_only => Box::new(Place::new(st.reading_env(params.clone(), false))),
            None => Box::new(Place::new(st.exec_env(params.clone(), false))),
        }
    }

    /// Keeps a place whose statement has ended well.
    pub(super) fn give_place(&mut self, mut place: Box<Place>) {
        if let Some(kept) = &mut self.kept
            && Arc::ptr_eq(&place.env.reader, &kept.context.reader)
        {
            place.env.snapshot = Snapshot::at(Lsn(0));
            place.env.params = self.no_params.clone();
            kept.place = Some(place);
        }
    }

    /// Forgets the transaction: it ends, or has ended.
    pub(crate) fn forget_context(&mut self) {
        self.kept = None;
        self.cx.set_reader(None);
    }
}
