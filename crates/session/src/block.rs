//! The transaction block: what BEGIN, COMMIT, ROLLBACK and savepoints do to a session (PostgreSQL: xact.c).

use quarry_common::{Error, Lsn, Result, bail, err};
use quarry_executor::deferred::DeferredMark;
use quarry_storage::engine::Storage;
use quarry_storage::stats::{DatabaseCount, DatabaseCounters};
use quarry_storage::txn::{IsolationLevel, Transaction, TxnOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::notify::NotifyMark;
use crate::protocol::TransactionStatus;

/// Where the session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockState {
    /// No transaction.
    Idle,
    /// A transaction around a statement (or a simple query's statements, or an extended-protocol sequence up to Sync).
    Implicit,
    /// Between BEGIN and COMMIT.
    InBlock,
    /// A statement in the block failed: only ROLLBACK (TO) is taken.
    Failed,
}

/// A savepoint by name.
struct Savepoint {
    name: String,
    level: usize,
    vars_mark: usize,
    portals_mark: u64,
    deferred: DeferredMark,
    notify: NotifyMark,
    /// The modes outside of it.
    modes: TransactionModes,
}

/// What a block is started with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TransactionModes {
    pub isolation: IsolationLevel,
    pub read_only: bool,
    pub deferrable: bool,
}

/// A session's transaction, if any.
pub struct Block {
    state: BlockState,
    /// Where transactions are counted.
    pub(crate) counters: Option<Arc<DatabaseCounters>>,
    txn: Option<Arc<Transaction>>,
    /// The transaction before, which has ended: the next one begins in its memory.
    last: Option<Arc<Transaction>>,
    savepoints: Vec<Savepoint>,
    pub modes: TransactionModes,
    /// Start of the transaction: now().
    pub started_at: i64,
    /// Mark in the session's settings at the start.
    pub vars_mark: usize,
    /// Whether a statement has taken a snapshot: SET TRANSACTION comes too late then.
    pub has_run: bool,
    /// The running simple query has several statements: together they are an implicit transaction block.
    several: bool,
    /// The implicit transaction has run an Execute already.
    pipelined: bool,
    /// Something ran in it that can't be undone: it commits with this Execute, not at Sync.
    commits_at_once: AtomicBool,
}

impl Default for Block {
    fn default() -> Block {
        let modes = TransactionModes {
            isolation: IsolationLevel::ReadCommitted,
            read_only: false,
            deferrable: false,
        };
        Block {
            state: BlockState::Idle,
            counters: None,
            txn: None,
            last: None,
            savepoints: vec![],
            modes,
            started_at: 0,
            vars_mark: 0,
            has_run: false,
            several: false,
            pipelined: false,
            commits_at_once: AtomicBool::new(false),
        }
    }
}

/// How a transaction starts.
pub struct Start {
    pub modes: TransactionModes,
    pub vars_mark: usize,
    /// Microseconds since 2000.
    pub now: i64,
    pub read_at_inserted: bool,
    /// How many references to the transaction before the caller has and wants to be to this one.
    pub kept: usize,
}

/// What a savepoint rollback has to undo in the session.
pub struct RolledBack {
    pub vars_mark: usize,
    /// Portals made after this number are gone.
    pub portals_mark: u64,
    /// The constraint checks that waited.
    pub deferred: DeferredMark,
    /// What was to be told to others or listened to.
    pub notify: NotifyMark,
}

impl Block {
    pub fn state(&self) -> BlockState {
        self.state
    }
    pub fn status(&self) -> TransactionStatus {
        match self.state {
            BlockState::Idle | BlockState::Implicit => TransactionStatus::Idle,
            BlockState::InBlock => TransactionStatus::InTransaction,
            BlockState::Failed => TransactionStatus::Failed,
        }
    }
    pub fn txn(&self) -> Option<&Arc<Transaction>> {
        self.txn.as_ref()
    }
    /// The current transaction, started (implicitly) if there is none. `options` are a session's, the same each time.
    pub fn ensure(
        &mut self,
        storage: &Arc<Storage>,
        start: Start,
        options: impl FnOnce() -> TxnOptions,
    ) -> &Arc<Transaction> {
        if self.txn.is_none() {
            let Start { modes, vars_mark, now, read_at_inserted, kept } = start;
            // One that is still known somewhere is left to those.
            let again = |last: &Arc<Transaction>| {
                Arc::strong_count(last) == 1 + kept && last.begin_again(modes.isolation, read_at_inserted)
            };
            let txn = self.last.take().filter(again).unwrap_or_else(|| {
                let options = TxnOptions { read_at_inserted, ..options() };
                Arc::new(storage.begin_with(modes.isolation, options))
            });
            txn.set_modes(modes.read_only, modes.deferrable);
            self.txn = Some(txn);
            self.modes = modes;
            self.started_at = now;
            self.vars_mark = vars_mark;
            self.has_run = false;
            self.pipelined = false;
            self.commits_at_once.store(false, Ordering::Relaxed);
            if self.state == BlockState::Idle {
                self.state = BlockState::Implicit;
            }
        }
        self.txn.as_ref().expect("started above")
    }
    /// A simple query has several statements or not.
    pub fn set_several(&mut self, several: bool) {
        self.several = several;
    }
    /// An Execute has ended, or stopped half-way. True: the implicit transaction is to be committed now.
    pub fn executed(&mut self) -> bool {
        self.pipelined = true;
        self.state == BlockState::Implicit && self.commits_at_once.load(Ordering::Relaxed)
    }
    /// Whether there is a transaction block, an implicit one perhaps.
    pub fn is_block(&self) -> bool {
        self.several || matches!(self.state, BlockState::InBlock | BlockState::Failed)
    }
    /// BEGIN: the implicit transaction becomes a block. False: there was one already (25001 warning).
    pub fn begin(&mut self) -> bool {
        match self.state {
            BlockState::InBlock | BlockState::Failed => false,
            BlockState::Idle | BlockState::Implicit => {
                self.state = BlockState::InBlock;
                true
            }
        }
    }
    /// The statement failed: a block becomes failed and its writes since the last savepoint are undone by ROLLBACK; an
    /// implicit transaction is over.
    pub fn fail(&mut self) {
        match self.state {
            BlockState::InBlock => {
                self.state = BlockState::Failed;
                // Work and locks since the last savepoint (or BEGIN) go at once: others may be waiting for them.
                match (self.savepoints.last(), &self.txn) {
                    (Some(s), Some(txn)) => txn.rollback_to(s.level),
                    (None, _) => {
                        if let Some(txn) = self.txn.take() {
                            txn.abort();
                            self.count(false);
                        }
                    }
                    (Some(_), None) => {}
                }
            }
            BlockState::Implicit => self.abort(),
            BlockState::Idle | BlockState::Failed => {}
        }
    }
    /// Ends the transaction, making it permanent. `Some`: its commit record, not yet durable.
    pub fn commit(&mut self) -> Result<Option<Lsn>> {
        self.savepoints.clear();
        self.state = BlockState::Idle;
        match self.txn.take() {
            Some(txn) => {
                let outcome = txn.commit();
                self.count(outcome.is_ok());
                // What upper layers keep with a transaction goes with it.
                self.last = Some(txn).filter(|txn| txn.extension().get().is_none());
                outcome
            }
            None => Ok(None),
        }
    }
    /// Whether the next transaction begins in the memory of this one, as far as it alone is concerned.
    pub fn goes_on_in(&self, txn: &Arc<Transaction>) -> bool {
        self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, txn))
    }
    /// The session lets go of its transaction, which `prepare` takes.
    pub fn prepare(&mut self, prepare: impl FnOnce(&Transaction) -> Result<Lsn>) -> Result<Lsn> {
        let Some(txn) = &self.txn else { return Err(no_block("PREPARE TRANSACTION")) };
        let lsn = prepare(txn)?;
        self.savepoints.clear();
        self.state = BlockState::Idle;
        self.txn = None;
        Ok(lsn)
    }
    /// Ends the transaction, undoing it.
    pub fn abort(&mut self) {
        self.savepoints.clear();
        self.state = BlockState::Idle;
        if let Some(txn) = self.txn.take() {
            txn.abort();
            self.count(false);
        }
    }
    /// A session's, whose transactions are counted there.
    pub fn counted_in(counters: Arc<DatabaseCounters>) -> Block {
        Block { counters: Some(counters), ..Block::default() }
    }
    fn count(&self, committed: bool) {
        if let Some(counters) = &self.counters {
            counters.add(if committed { DatabaseCount::Commits } else { DatabaseCount::Rollbacks }, 1);
        }
    }
    /// SAVEPOINT.
    pub fn savepoint(
        &mut self,
        name: &str,
        vars_mark: usize,
        portals_mark: u64,
        deferred: DeferredMark,
        notify: NotifyMark,
    ) -> Result<()> {
        self.require_explicit_block("SAVEPOINT")?;
        let Some(txn) = &self.txn else { return Err(no_block("SAVEPOINT")) };
        let level = txn.savepoint();
        let (name, modes) = (name.to_string(), self.modes);
        self.savepoints.push(Savepoint { name, level, vars_mark, portals_mark, deferred, notify, modes });
        Ok(())
    }
    /// RELEASE SAVEPOINT.
    pub fn release(&mut self, name: &str) -> Result<()> {
        self.require_explicit_block("RELEASE SAVEPOINT")?;
        let at = self.find_savepoint(name)?;
        if let Some(txn) = &self.txn {
            txn.release(self.savepoints[at].level);
        }
        // READ ONLY said inside a subtransaction is over with it.
        self.modes.read_only = self.savepoints[at].modes.read_only;
        self.savepoints.truncate(at);
        Ok(())
    }
    /// ROLLBACK TO SAVEPOINT: also takes a failed block back to life.
    pub fn rollback_to(&mut self, name: &str) -> Result<RolledBack> {
        self.require_explicit_block("ROLLBACK TO SAVEPOINT")?;
        let at = self.find_savepoint(name)?;
        let s = &self.savepoints[at];
        let undone = RolledBack {
            vars_mark: s.vars_mark,
            portals_mark: s.portals_mark,
            deferred: s.deferred.clone(),
            notify: s.notify,
        };
        if let Some(txn) = &self.txn {
            txn.rollback_to(s.level);
        }
        self.modes = s.modes;
        self.savepoints.truncate(at + 1);
        self.state = BlockState::InBlock;
        Ok(undone)
    }
    /// Portals made after this number belong to the innermost savepoint; none: there is no savepoint.
    pub fn portals_mark(&self) -> Option<u64> {
        self.savepoints.last().map(|s| s.portals_mark)
    }
    /// The modes outside the innermost savepoint; none: there is no savepoint.
    pub fn outer_modes(&self) -> Option<TransactionModes> {
        self.savepoints.last().map(|s| s.modes)
    }
    fn find_savepoint(&self, name: &str) -> Result<usize> {
        match self.savepoints.iter().rposition(|s| s.name == name) {
            Some(at) => Ok(at),
            None => bail!(S_E_INVALID_SPECIFICATION, "savepoint \"{name}\" does not exist"),
        }
    }
    /// 25P01 unless in a block.
    pub fn require_block(&self, command: &str) -> Result<()> {
        if self.is_block() { Ok(()) } else { Err(no_block(command)) }
    }
    /// 25P01 unless BEGIN has opened a block.
    fn require_explicit_block(&self, command: &str) -> Result<()> {
        match self.state {
            BlockState::InBlock | BlockState::Failed => Ok(()),
            BlockState::Idle | BlockState::Implicit => Err(no_block(command)),
        }
    }
    /// 25001 if in a block, or behind other statements of an implicit transaction. What comes next can't be undone.
    pub fn forbid_block(&self, command: &str) -> Result<()> {
        if self.is_block() {
            bail!(ACTIVE_SQL_TRANSACTION, "{command} cannot run inside a transaction block");
        }
        if self.pipelined && self.state == BlockState::Implicit {
            bail!(ACTIVE_SQL_TRANSACTION, "{command} cannot be executed within a pipeline");
        }
        self.commits_at_once.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn no_block(command: &str) -> Error {
    err!(NO_ACTIVE_SQL_TRANSACTION, "{command} can only be used in transaction blocks")
}

/// 25P02: what a failed block answers to anything but its end.
pub fn aborted() -> Error {
    err!(
        IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block"
    )
}
