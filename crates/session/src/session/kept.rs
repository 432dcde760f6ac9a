//! What statements run with: made for one, and kept for those that follow it in the same transaction.

use super::*;
use quarry_executor::ExecEnv;

/// Serves a transaction's statements as long as it would be made the same again ([`StatementContext::holds`]). Nobody may have it when the
/// transaction has ended: the next one takes that one's memory.
pub(super) struct Kept {
    context: Arc<StatementContext>,
    /// An environment that was made of it and is used by nobody now. It holds no snapshot and no values.
    env: Option<Box<ExecEnv>>,
}

impl Session {
    /// What the next statement runs with.
    pub(crate) fn statement_context(&mut self) -> Result<StatementContext> {
        let txn = self.ensure_transaction();
        self.digest();
        let digest = &self.digest.1;
        txn.set_lock_timeout(digest.limits.lock);
        txn.set_deadlock_timeout(digest.limits.deadlock);
        Ok(StatementContext::with_settings(&self.cx, &self.block, &txn, digest))
    }

    /// What a query runs with: one for all its messages (Bind, Describe, Execute) and for those after it, unless a setting, the user or
    /// the schema changes in between. Commands, which may change the schema as they go, take a new [`Session::statement_context`] for
    /// each step.
    pub(crate) fn query_context(&mut self) -> Result<Arc<StatementContext>> {
        if let (Some(kept), Some(txn)) = (&self.kept, self.block.txn())
            && kept.context.holds(txn, self.block.modes.read_only)
        {
            return Ok(kept.context.clone());
        }
        let context = Arc::new(self.statement_context()?);
        self.kept = Some(Kept { context: context.clone(), env: None });
        Ok(context)
    }

    /// An environment for one statement on the short path, to be given back by [`Session::give_env`].
    pub(super) fn take_env(
        &mut self,
        st: &StatementContext,
        params: &Arc<[Datum]>,
        read_only: bool,
    ) -> Box<ExecEnv> {
        let idle = self.kept.as_mut().and_then(|kept| kept.env.take());
        match idle.filter(|env| Arc::ptr_eq(&env.reader, &st.reader)) {
            Some(mut env) => {
                st.renew_env(&mut env, params.clone(), read_only);
                env
            }
            None if read_only => Box::new(st.reading_env(params.clone(), false)),
            None => Box::new(st.exec_env(params.clone(), false)),
        }
    }

    /// Keeps an environment whose statement has ended well.
    pub(super) fn give_env(&mut self, mut env: Box<ExecEnv>) {
        if let Some(kept) = &mut self.kept
            && Arc::ptr_eq(&env.reader, &kept.context.reader)
        {
            env.snapshot = Snapshot::at(Lsn(0));
            env.params = self.no_params.clone();
            kept.env = Some(env);
        }
    }

    /// Forgets the transaction: it ends, or has ended.
    pub(crate) fn forget_context(&mut self) {
        self.kept = None;
        self.cx.set_reader(None);
    }
}
