//! Limits of time as a session meets them: of its statements, its transactions, its silence (PostgreSQL: postgres.c, timeout.c;
//! `transaction_timeout` as in PostgreSQL 17).
//!
//! A statement's clock runs from its message, or from the first of the messages of the extended protocol up to its end. A
//! transaction's clock runs from its start, or from when the setting first has a value in it, to its end; a block that has failed
//! as a whole has none. Silence counts from ReadyForQuery to the next message.

use super::*;
use crate::signals::CancelReason;
use crate::timeouts::Armed;

/// The clocks that run for a session.
#[derive(Default)]
pub(super) struct Clocks {
    statement: Option<Armed>,
    transaction: Option<Armed>,
    /// The settings' version that the transaction's clock was looked at with.
    seen: u64,
    idle_until: Option<Instant>,
}

impl Session {
    /// Starts the statement's clock anew.
    pub(super) fn restart_statement_clock(&mut self) {
        self.stop_statement_clock();
        if let Some(limit) = self.digest().limits.statement {
            self.clocks.statement = Some(self.arm(limit, CancelReason::StatementTimeout));
        }
    }

    /// Starts the statement's clock unless it runs already.
    pub(super) fn start_statement_clock(&mut self) {
        if self.clocks.statement.is_none() {
            self.restart_statement_clock();
        }
    }

    /// The statement has ended: its clock stops, and if it had just struck, that is for no one.
    pub(super) fn stop_statement_clock(&mut self) {
        if self.clocks.statement.take().is_some() {
            self.cx.signals.forget(CancelReason::StatementTimeout);
        }
    }

    /// A transaction begins.
    pub(super) fn start_transaction_clock(&mut self) {
        self.clocks.seen = self.settings_version();
        if let Some(limit) = self.digest().limits.transaction {
            self.clocks.transaction = Some(self.arm(limit, CancelReason::TransactionTimeout));
        }
    }

    /// The transaction has ended.
    pub(super) fn stop_transaction_clock(&mut self) {
        if self.clocks.transaction.take().is_some() {
            self.cx.signals.forget_transaction_timeout();
        }
    }

    /// A setting may have changed: a first value starts the running transaction's clock, none stops it, another one is for the
    /// next transaction.
    pub(super) fn follow_transaction_limit(&mut self) {
        let version = self.settings_version();
        if version == self.clocks.seen || self.block.txn().is_none() {
            return;
        }
        match (self.digest().limits.transaction, &self.clocks.transaction) {
            (Some(_), None) => self.start_transaction_clock(),
            (None, Some(_)) => self.stop_transaction_clock(),
            _ => {}
        }
        self.clocks.seen = version;
    }

    fn arm(&self, limit: Duration, reason: CancelReason) -> Armed {
        self.cx.instance.timeouts().arm(&self.cx.signals, Instant::now() + limit, reason)
    }

    /// ReadyForQuery: from here on the client is silent.
    pub(super) fn start_idle_clock(&mut self) {
        let limits = self.digest().limits;
        let limit = match self.block.state() {
            BlockState::InBlock | BlockState::Failed => limits.idle_in_transaction,
            BlockState::Idle | BlockState::Implicit => limits.idle,
        };
        self.clocks.idle_until = limit.map(|limit| Instant::now() + limit);
    }

    pub(super) fn stop_idle_clock(&mut self) {
        self.clocks.idle_until = None;
    }

    /// When the client will have been silent for too long; none: it may go on.
    pub fn idle_until(&self) -> Option<Instant> {
        self.clocks.idle_until
    }

    /// Whether nothing has come since ReadyForQuery that runs something.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_active
    }

    /// The client has been silent for too long.
    pub fn end_idle(&mut self, out: &mut BytesMut) -> Step {
        let e = match self.block.state() {
            BlockState::InBlock | BlockState::Failed => err!(
                IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                "terminating connection due to idle-in-transaction timeout"
            ),
            _ => err!(IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout"),
        };
        self.end_with(e.severity(Severity::Fatal), out)
    }

    /// Something woke the idle session.
    pub fn on_signal(&mut self, out: &mut BytesMut) -> Step {
        // As in PostgreSQL, a transaction's time isn't looked at while COPY waits for data.
        let may_end = self.cx.signals.is_terminated() || !matches!(self.work, Work::CopyIn(_));
        if let Some(e) = self.cx.end_error().filter(|_| may_end) {
            let e = match &self.work {
                Work::CopyIn(c) => c.copy.at_next_line(e),
                _ => e,
            };
            return self.end_with(e, out);
        }
        if matches!(self.work, Work::None) && self.block.state() == BlockState::Idle {
            self.deliver_notifications(out);
        }
        Step::Ready
    }

    fn end_with(&self, e: Error, out: &mut BytesMut) -> Step {
        protocol::error_or_notice(out, &e, None);
        self.cx.log_error(&e, None, None);
        Step::Closed
    }
}
