//! CREATE INDEX, DROP INDEX and REINDEX CONCURRENTLY: the work on an index in several transactions, beside readers and writers
//! (PostgreSQL: commands/indexcmds.c, catalog/index.c).
//!
//! A new index goes through three states, each committed before the next step. `Building`: writers keep their HOT updates off its
//! columns; when all who don't know of it have ended, it is filled from a snapshot. `Ready`: writers put their rows in; when all who
//! don't have ended, the rows that a second snapshot sees and the index lacks are added. `Valid`: once no snapshot is older than that
//! second one. An index goes the other way: `Leaving` until no query uses it, `Dead` until no writer does, then it is dropped.
//!
//! The table is locked in SHARE UPDATE EXCLUSIVE by the session from the first transaction to the last. Whatever ends the command early,
//! be it a crash, leaves the index in the state it had: invalid, to be dropped or built anew.

use super::ddl::Ddl;
use crate::context::SessionContext;
use crate::session::Session;
use crate::signals::Backend;
use quarry_catalog::{IndexDef, IndexState, LockMode, Relation, WaitPolicy};
use quarry_common::progress::{Command, Progress, Running, create_index as p};
use quarry_common::{Error, Lsn, Oid, Result, Severity, bail, err};
use quarry_executor::index_build;
use quarry_plan::QueryMeta;
use quarry_sql::bind;
use quarry_storage::LockTag;
use quarry_storage::txn::IsolationLevel;
use std::sync::Arc;
use std::time::Instant;

/// A command under way that works in several transactions. Dropping it gives the table up.
struct Steps<'s> {
    s: &'s mut Session,
    table: Oid,
    cx: Arc<SessionContext>,
    _running: Option<Running>,
}

impl Drop for Steps<'_> {
    fn drop(&mut self) {
        self.cx.session_locks.unlock(self.tag(), LockMode::ShareUpdateExclusive);
    }
}

impl<'s> Steps<'s> {
    /// The transaction that holds SHARE UPDATE EXCLUSIVE on the table is about to end: the session keeps the lock.
    fn begin(s: &'s mut Session, table: Oid, command: Option<i64>) -> Result<Steps<'s>> {
        let cx = s.cx.clone();
        let running = command.and_then(|_| cx.signals.progress.begin(Command::CreateIndex, table));
        progress(&cx).set(p::COMMAND, command.unwrap_or(0));
        let tag = LockTag::Relation { db: cx.database.0, oid: table };
        cx.lock_for_session(tag, LockMode::ShareUpdateExclusive, WaitPolicy::Block)?;
        Ok(Steps { s, table, cx, _running: running })
    }

    fn tag(&self) -> LockTag {
        LockTag::Relation { db: self.cx.database.0, oid: self.table }
    }

    /// Commits what was done and goes on in a new transaction.
    fn next(&mut self) -> Result<Ddl> {
        self.s.next_transaction()?;
        Ddl::new(self.s)
    }

    /// Waits for the end of all transactions that now hold a lock on the table which conflicts with `mode`.
    fn wait_for_lockers(&mut self, mode: LockMode, phase: i64) -> Result<()> {
        let st = self.s.statement_context()?;
        let progress = progress(&self.cx);
        progress.set(p::PHASE, phase);
        st.txn.statement_done();
        st.txn.wait_for_lockers(&[self.tag()], mode, &mut |total, done, pid| {
            lockers(&progress, total, done, pid)
        })
    }

    /// Fills an index from what a snapshot of now sees.
    fn build(&mut self, index: Oid) -> Result<()> {
        let d = Ddl::new(self.s)?;
        let (table, bound, row) = bound_index(&d, self.table, index)?;
        let env = d.env();
        let snapshot = env.snapshot.clone().unwatched();
        let built = index_build::build(&env, &table, &bound, &row, Some(&snapshot))?;
        d.w.note_index_built(index, built.table_rows, built.entries, false, false)?;
        d.w.set_index_state(index, IndexState::Ready)
    }

    /// Adds what an index that writers keep still lacks; the snapshot it is complete for.
    fn validate(&mut self, index: Oid) -> Result<Lsn> {
        let d = Ddl::new(self.s)?;
        let (table, bound, row) = bound_index(&d, self.table, index)?;
        let env = d.env();
        let snapshot = env.snapshot.clone().unwatched();
        index_build::validate(&env, &table, &bound, &row, &snapshot)?;
        Ok(snapshot.csn())
    }

    /// Waits until nobody has a snapshot older than that any more.
    fn wait_for_snapshots(&mut self, csn: Lsn) -> Result<()> {
        let st = self.s.statement_context()?;
        let progress = progress(&self.cx);
        progress.set(p::PHASE, p::WAITING_FOR_SNAPSHOTS);
        st.txn.statement_done();
        let db = self.cx.database.0;
        let sessions = self.cx.instance.sessions();
        // Those of other databases never use the index, nor does autovacuum.
        let concerns = |pid: i32| {
            sessions.get(pid).is_some_and(|s| {
                let a = s.activity.lock();
                a.database == db && a.backend == Backend::Client
            })
        };
        st.txn.wait_for_older_snapshots(csn, &concerns, &mut |total, done, pid| {
            lockers(&progress, total, done, pid)
        })
    }

    /// No writer puts rows into the indexes any more once they are dead; then they are dropped.
    fn drop_leaving(mut self, indexes: &[Oid]) -> Result<()> {
        self.wait_for_lockers(LockMode::AccessExclusive, p::WAITING_BEFORE_DEAD)?;
        let d = Ddl::new(self.s)?;
        for index in indexes {
            d.w.set_index_state(*index, IndexState::Dead)?;
        }
        self.next()?;
        self.wait_for_lockers(LockMode::AccessExclusive, p::WAITING_BEFORE_DROP)?;
        let d = Ddl::new(self.s)?;
        for index in indexes {
            // The lock stands for the session's, which goes before this transaction does.
            d.w.lock_relation_oid(self.table, LockMode::ShareUpdateExclusive)?;
            d.w.lock_relation_oid(*index, LockMode::AccessExclusive)?;
            let plan = d.w.plan_index_drop(*index)?;
            d.w.execute_drop(plan)?;
        }
        Ok(())
    }
}

fn progress(cx: &SessionContext) -> Progress {
    cx.signals.progress.of(Command::CreateIndex)
}

fn lockers(progress: &Progress, total: usize, done: usize, pid: i32) {
    let over = total == done;
    progress.set(p::LOCKERS_TOTAL, if over { 0 } else { total as i64 });
    progress.set(p::LOCKERS_DONE, if over { 0 } else { done as i64 });
    progress.set(p::LOCKER_PID, pid as i64);
}

type Bound = (Arc<Relation>, quarry_plan::BoundIndex, Vec<(quarry_plan::ColumnId, quarry_plan::ScanColumn)>);

/// A table as it is now, with one of its indexes.
fn bound_index(d: &Ddl, table: Oid, index: Oid) -> Result<Bound> {
    let r = d.relation(table)?;
    let mut meta = QueryMeta::default();
    let write = d.with_binder(|cx| bind::bind_table_write(&r, &mut meta, cx))?;
    match write.indexes.into_iter().find(|i| i.index.oid == index) {
        Some(bound) => Ok((r, bound, write.row)),
        None => bail!(UNDEFINED_OBJECT, "could not open relation with OID {index}"),
    }
}

impl Session {
    /// Ends the transaction around a command that works in several, and begins the next.
    pub(crate) fn next_transaction(&mut self) -> Result<()> {
        self.forget_context();
        self.block.commit()?;
        // Its snapshots must not be the session's one for all.
        self.ensure_transaction().set_isolation(IsolationLevel::ReadCommitted);
        // What comes can't be undone either: it commits with the command.
        self.block.forbid_block("")
    }
}

/// CREATE INDEX CONCURRENTLY, once the index is there, not ready, in the transaction that holds the lock on its table.
pub fn complete_index(s: &mut Session, table: Oid, index: Oid) -> Result<()> {
    let mut steps = Steps::begin(s, table, Some(p::CREATE_CONCURRENTLY))?;
    progress(&steps.cx).set(p::INDEX, index.0 as i64);
    steps.next()?;
    steps.wait_for_lockers(LockMode::Share, p::WAITING_BEFORE_BUILD)?;
    steps.build(index)?;
    steps.next()?;
    steps.wait_for_lockers(LockMode::Share, p::WAITING_BEFORE_VALIDATION)?;
    let csn = steps.validate(index)?;
    steps.next()?;
    steps.wait_for_snapshots(csn)?;
    let d = Ddl::new(steps.s)?;
    // As above, for the rest of this transaction.
    d.w.lock_relation_oid(table, LockMode::ShareUpdateExclusive)?;
    d.w.set_index_state(index, IndexState::Valid)
}

/// DROP INDEX CONCURRENTLY, in a transaction that holds SHARE UPDATE EXCLUSIVE on the index's table.
pub fn drop_index(s: &mut Session, table: Oid, index: Oid) -> Result<()> {
    let d = Ddl::new(s)?;
    // What depends on it is found before anything has happened.
    d.w.plan_index_drop(index)?;
    d.w.set_index_state(index, IndexState::Leaving)?;
    // No view shows how far it is.
    let mut steps = Steps::begin(s, table, None)?;
    steps.next()?;
    steps.drop_leaving(&[index])
}

/// REINDEX CONCURRENTLY of a table's indexes, or of one. False: there are none that can be.
pub fn reindex(s: &mut Session, table: Oid, only: Option<Oid>, verbose: bool) -> Result<bool> {
    let began = Instant::now();
    let d = Ddl::new(s)?;
    let Some(relation) = d.w.lock_relation_oid(table, LockMode::ShareUpdateExclusive)? else {
        return Ok(true);
    };
    let old = replaceable(&d, &relation, only);
    if old.is_empty() {
        return Ok(false);
    }
    let mut pairs = vec![];
    for i in &old {
        let name = d.w.choose_relation_name(&i.name, None, "ccnew", relation.schema, false, &[])?;
        pairs.push((i.oid, d.w.copy_index(i.oid, &name)?.oid));
    }
    let mut steps = Steps::begin(s, table, Some(p::REINDEX_CONCURRENTLY))?;
    progress(&steps.cx).set(p::INDEX, pairs.last().map_or(0, |(old, _)| old.0 as i64));
    steps.next()?;
    steps.wait_for_lockers(LockMode::Share, p::WAITING_BEFORE_BUILD)?;
    for (_, new) in &pairs {
        steps.next()?;
        steps.build(*new)?;
    }
    steps.next()?;
    steps.wait_for_lockers(LockMode::Share, p::WAITING_BEFORE_VALIDATION)?;
    for (_, new) in &pairs {
        steps.next()?;
        let csn = steps.validate(*new)?;
        steps.next()?;
        steps.wait_for_snapshots(csn)?;
    }
    let d = steps.next()?;
    for (i, (old, new)) in old.iter().zip(&pairs).map(|(i, pair)| (i, *pair)) {
        let name = d.w.choose_relation_name(&i.name, None, "ccold", relation.schema, false, &[])?;
        d.w.swap_indexes(new, old, &name)?;
    }
    steps.next()?;
    steps.drop_leaving(&pairs.iter().map(|(old, _)| *old).collect::<Vec<_>>())?;
    if verbose {
        told(s, &relation, &old, only.is_none(), began);
    }
    Ok(true)
}

/// The indexes that can be built anew beside writers; the others are named in warnings.
fn replaceable(d: &Ddl, relation: &Relation, only: Option<Oid>) -> Vec<Arc<IndexDef>> {
    let mut out = vec![];
    for i in relation.indexes.iter().filter(|i| only.is_none_or(|o| o == i.oid)) {
        if only.is_none() && !i.valid {
            let text = format!(
                "cannot reindex invalid index \"{}.{}\" concurrently, skipping",
                relation.schema_name, i.name
            );
            d.st.session.push_notice(Severity::Warning, err!(FEATURE_NOT_SUPPORTED, "{text}"));
            continue;
        }
        out.push(i.clone());
    }
    out
}

fn told(s: &Session, relation: &Relation, indexes: &[Arc<IndexDef>], whole_table: bool, began: Instant) {
    let schema = &relation.schema_name;
    let elapsed = format!("Elapsed: {:.2} s.", began.elapsed().as_secs_f64());
    let say = |kind: &str, name: &str, detail: bool| {
        let e: Error = err!(SUCCESSFUL_COMPLETION, "{kind} \"{schema}.{name}\" was reindexed");
        s.cx.push_notice(Severity::Info, if detail { e.detail(&elapsed) } else { e });
    };
    indexes.iter().for_each(|i| say("index", &i.name, !whole_table));
    if whole_table {
        say("table", &relation.name, true);
    }
}
