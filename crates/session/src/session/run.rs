//! Running portals: from a chosen plan or command to rows in the output.

use super::*;
use crate::auto_explain;
use crate::query::cache_entry;
use crate::row_ids::{self, RowIds};
use crate::statements::{self, Meter};
use quarry_common::usage;
use quarry_executor::Execution;
use quarry_types::BATCH_ROWS;

impl Session {
    /// Chooses the plan and columns of a portal before its first row.
    pub(crate) fn open(&mut self, portal: &mut Portal) -> Result<()> {
        let statement = portal.statement.clone();
        let Some(stmt) = &statement.statement else { return Ok(()) };
        if takes_snapshot(stmt) && self.block.state() != BlockState::Failed {
            self.await_safe_snapshot()?;
        }
        if is_query(stmt) {
            let st = self.query_context()?;
            let plan = if commands::cursor::current_of(stmt).is_none()
                && statement.name.is_empty()
                && statement.param_types.is_empty()
                && !statement.from_sql
                && portal.columns.is_none()
                && !statement.is_shared()
            {
                // A statement that runs once: no cache to look into.
                let analyzed = st.analyze(stmt, &[], false)?;
                portal.columns = (!analyzed.columns.is_empty() || is_select(stmt))
                    .then(|| analyzed.columns.as_slice().into());
                cache_entry(st.plan(analyzed.bound, None, statement.source())?, analyzed.stamp)
            } else {
                self.plan_prepared(&st, &statement, stmt, &portal.params)?
            };
            if portal.columns.is_none() && !plan.statement.output.is_empty() {
                let meta = &plan.statement.meta;
                let column = |(id, name, ty): &(quarry_plan::ColumnId, String, _)| {
                    (name.clone(), *ty, meta.get(*id).source)
                };
                portal.columns = Some(plan.statement.output.iter().map(column).collect());
            }
            st.check_read_only(&plan.statement, commands::tag_of(stmt))?;
            portal.plan = Some(plan);
        } else if portal.columns.is_none() {
            portal.columns = commands::columns_of(self, stmt)?;
        }
        Ok(())
    }

    /// The plan to run a prepared query with now. 0A000 if its result is no longer what it was described as.
    pub(crate) fn plan_prepared(
        &mut self,
        st: &StatementContext,
        prepared: &Prepared,
        stmt: &ast::Statement,
        params: &[Datum],
    ) -> Result<Arc<CachedPlan>> {
        let placed = commands::cursor::resolve_current_of(self, stmt, true)?;
        let plan = match placed {
            // Each run has another row: nothing to keep.
            Some(placed) => {
                let analyzed = st.analyze(&placed, &prepared.param_types, false)?;
                let values = (!params.is_empty()).then_some(params);
                cache_entry(st.plan(analyzed.bound, values, prepared.source())?, analyzed.stamp)
            }
            None => st.cached_plan(prepared, stmt, params)?,
        };
        // Plans are of one statement, and neither changes.
        let fits = || {
            let described = prepared.columns.as_deref().unwrap_or(&[]);
            let now = plan.statement.output.iter().map(|(_, name, ty)| (name, ty));
            let one_shot = prepared.columns.is_none() && prepared.name.is_empty();
            one_shot || now.eq(described.iter().map(|(name, ty, _)| (name, ty)))
        };
        if !*plan.fits.get_or_init(fits) {
            return Err(err!(FEATURE_NOT_SUPPORTED, "cached plan must not change result type")
                .routine("RevalidateCachedQuery"));
        }
        Ok(plan)
    }

    /// Runs a portal on: up to `max_rows` rows (0: all), or until output wants sending.
    pub(crate) fn advance(
        &mut self,
        portal: &mut Portal,
        max_rows: usize,
        out: &mut BytesMut,
    ) -> Result<Advance> {
        if !self.digest().statements || matches!(portal.state, PortalState::Done { .. }) {
            return self.advance_portal(portal, max_rows, out);
        }
        let meter = Meter::start();
        let is_new = matches!(portal.state, PortalState::New);
        let advanced = self.advance_portal(portal, max_rows, out);
        meter.stop(&mut portal.spent);
        if let (true, Some(cursor), true) = (is_new, &portal.cursor, advanced.is_ok()) {
            // It has run to its end, however many rows were sent.
            let tag = tag_with_count(&portal.statement, cursor.rows_known());
            statements::record(&self.cx, portal, &tag.to_string());
        } else if let Ok(Advance::Complete(tag) | Advance::Committed(_, tag)) = &advanced {
            statements::record(&self.cx, portal, &tag.to_string());
        }
        advanced
    }

    fn advance_portal(
        &mut self,
        portal: &mut Portal,
        max_rows: usize,
        out: &mut BytesMut,
    ) -> Result<Advance> {
        if portal.cursor.is_some() {
            return self.advance_cursor(portal, max_rows, out);
        }
        let mut left = if max_rows == 0 { usize::MAX } else { max_rows };
        loop {
            match &mut portal.state {
                PortalState::New => {
                    if let Some(done) = self.begin_portal(portal, max_rows, out)? {
                        return Ok(done);
                    }
                }
                PortalState::Done { again: Some(tag) } => return Ok(Advance::Complete(tag.clone())),
                PortalState::Done { again: None } => return Err(commands::cursor::cannot_run("")),
                PortalState::Running(run) => {
                    let io_base = self.cx.io();
                    let reader = run.reader.clone();
                    let io = IoContext { names: &*reader, ..io_base };
                    let writer = match &mut portal.writer {
                        Some(w) => w,
                        empty => {
                            let types = run.plan.statement.output.iter().map(|(_, _, ty)| *ty);
                            empty.insert(RowWriter::new(types, &portal.formats, &io)?)
                        }
                    };
                    let start = out.len();
                    while left > 0 {
                        let (batch, from) = match run.batch.take() {
                            Some(b) => b,
                            None => match next_batch(run, if max_rows > 0 { left } else { BATCH_ROWS })? {
                                Some(batch) => (batch, 0),
                                None => break,
                            },
                        };
                        let written = writer.write_batch(&batch, from, left, SEND_BYTES, &io, out)?;
                        left -= written;
                        run.sent += written as u64;
                        if from + written < batch.row_count() {
                            run.batch = Some((batch, from + written));
                        }
                        if out.len() - start >= SEND_BYTES && left > 0 {
                            return Ok(Advance::More);
                        }
                    }
                    if left == 0 && max_rows > 0 {
                        // The next Execute counts from here.
                        run.before += std::mem::take(&mut run.sent);
                        return Ok(Advance::Suspended);
                    }
                    run.execution.finish()?;
                    if let Some(pages) = run.pages {
                        portal.statement.plans.lock().ran(&run.plan, &portal.params, pages);
                    }
                    let tag = query_tag(&portal.statement, run);
                    return Ok(self.end_portal(portal, tag));
                }
                PortalState::Stored { rows, sent, tag } => {
                    let (before, tag) = (*sent, tag.clone());
                    let mut pending = std::mem::take(rows);
                    let reader = self.query_context()?.reader.clone();
                    let io = IoContext { names: &*reader, ..self.cx.io() };
                    let columns = portal.columns.as_deref().unwrap_or(&[]);
                    let types = columns.iter().map(|(_, ty, _)| *ty);
                    let mut writer = RowWriter::new(types, &portal.formats, &io)?;
                    let start = out.len();
                    let (mut ended, mut written) = (false, 0);
                    while left > 0 && out.len() - start < SEND_BYTES {
                        let Some(row) = pending.next() else {
                            ended = true;
                            break;
                        };
                        writer.write_row(&row, &io, out)?;
                        left -= 1;
                        written += 1;
                    }
                    let sent = before + written;
                    if !ended {
                        let limit_reached = left == 0;
                        // The next Execute counts from there.
                        let sent = if limit_reached { 0 } else { sent };
                        portal.state = PortalState::Stored { rows: pending, sent, tag };
                        return Ok(if limit_reached { Advance::Suspended } else { Advance::More });
                    }
                    let tag = match tag {
                        Tag::Counted(command, _) => Tag::Counted(command, sent),
                        text => text,
                    };
                    return Ok(self.end_portal(portal, tag));
                }
                PortalState::CopyOut(copy) => match copy.advance(out, SEND_BYTES)? {
                    None => return Ok(Advance::More),
                    Some(tag) => {
                        portal.spent.nested = copy.query_and_rows();
                        return Ok(self.end_portal(portal, tag.into()));
                    }
                },
            }
        }
    }

    /// Execute on a cursor: its next rows.
    fn advance_cursor(
        &mut self,
        portal: &mut Portal,
        max_rows: usize,
        out: &mut BytesMut,
    ) -> Result<Advance> {
        let reader = self.query_context()?.reader.clone();
        let io = IoContext { names: &*reader, ..self.cx.io() };
        let Some(cursor) = &mut portal.cursor else { return Ok(Advance::Complete(Tag::from(""))) };
        let rows = cursor.next_rows((max_rows > 0).then_some(max_rows as u64), &self.executing)?;
        let types = portal.columns.as_deref().unwrap_or(&[]).iter().map(|(_, ty, _)| *ty);
        let mut writer = RowWriter::new(types, &portal.formats, &io)?;
        for row in &rows {
            writer.write_row(row, &io, out)?;
        }
        if !cursor.at_end() {
            return Ok(Advance::Suspended);
        }
        self.after_statement();
        Ok(Advance::Complete(tag_with_count(&portal.statement, rows.len() as u64)))
    }

    /// A portal's statement has run.
    fn end_portal(&mut self, portal: &mut Portal, tag: Tag) -> Advance {
        self.after_statement();
        if let PortalState::Running(run) = portal.end(&tag) {
            let Running { execution, plan, .. } = *run;
            plan.keep_tree(execution);
        }
        Advance::Complete(tag)
    }

    /// Makes the statement's effects visible to the next one.
    pub(super) fn after_statement(&mut self) {
        self.follow_transaction_limit();
        if let Some(txn) = self.block.txn() {
            txn.advance_command();
        }
    }

    /// Starts a new portal. `Some`: it is already finished, or needs the connection.
    pub(super) fn begin_portal(
        &mut self,
        portal: &mut Portal,
        max_rows: usize,
        out: &mut BytesMut,
    ) -> Result<Option<Advance>> {
        let Some(stmt) = &portal.statement.statement else {
            return Ok(Some(Advance::Complete(Tag::from(""))));
        };
        self.block.has_run |= takes_snapshot(stmt);
        if let Some(plan) = portal.plan.clone() {
            return self.begin_query(portal, plan, max_rows, out);
        }
        let statement = portal.statement.clone();
        let Some(stmt) = &statement.statement else {
            return Ok(Some(Advance::Complete(Tag::from(""))));
        };
        let quick = matches!(
            stmt,
            ast::Statement::Transaction(_)
                | ast::Statement::Set(_)
                | ast::Statement::Show(_)
                | ast::Statement::Prepare(_)
                | ast::Statement::Execute(_)
                | ast::Statement::Deallocate(_)
        );
        let outcome = if quick {
            commands::run(self, stmt, portal, out)?
        } else {
            quarry_common::wait::blocking(|| commands::run(self, stmt, portal, out))?
        };
        match outcome {
            CommandOutcome::Done(tag) => Ok(Some(self.end_portal(portal, tag.into()))),
            CommandOutcome::Rows { rows, tag } => {
                portal.state = PortalState::Stored { rows: rows.into_iter(), sent: 0, tag };
                Ok(None)
            }
            CommandOutcome::Query(plan) => self.begin_query(portal, plan, max_rows, out),
            CommandOutcome::CopyIn(copy) => {
                copy.announce(out);
                Ok(Some(Advance::CopyIn(copy)))
            }
            CommandOutcome::CopyRefused { binary, columns, error } => {
                protocol::copy_response(out, b'G', binary, columns);
                Err(error)
            }
            CommandOutcome::CopyOut(copy) => {
                copy.announce(out);
                portal.state = PortalState::CopyOut(copy);
                Ok(None)
            }
            CommandOutcome::Committed(lsn, tag) => {
                let tag = Tag::from(tag);
                portal.end(&tag);
                Ok(Some(Advance::Committed(lsn, tag)))
            }
        }
    }

    pub(super) fn begin_query(
        &mut self,
        portal: &mut Portal,
        plan: Arc<CachedPlan>,
        max_rows: usize,
        out: &mut BytesMut,
    ) -> Result<Option<Advance>> {
        let st = self.query_context()?;
        portal.spent.query_id = plan.statement.query_id;
        if plan.statement.query_id.is_some() {
            self.cx.signals.activity.lock().query_id = plan.statement.query_id;
        }
        if plan.statement.read_only {
            st.txn.make_floor_durable()?;
        }
        let explained = self.digest().explain_from >= 0 && auto_explain::is_on(&self.cx);
        if let (Some(fast), true) = (&plan.fast, max_rows == 0 && !explained) {
            let mut place = self.take_place(&st, &portal.params, plan.statement.read_only);
            let io = st.io_without_notices();
            let mut writer = match portal.columns {
                Some(_) => Some(RowWriter::of_plan(&plan, &portal.formats, &io)?),
                None => None,
            };
            let count = fast.run(&mut place, &io, &mut |row| match &mut writer {
                Some(writer) => writer.write_row(row, &io, out),
                None => Ok(()),
            })?;
            self.give_place(place);
            if let Some(count) = count {
                let tag = tag_with_count(&portal.statement, count);
                return Ok(Some(self.end_portal(portal, tag)));
            }
        }
        if max_rows > 0 && portal.columns.is_some() && commands::cursor::writes(&plan.statement) {
            portal.plan = Some(plan);
            self.cursor_of(portal, "")?;
            self.after_statement();
            return self.advance_cursor(portal, max_rows, out).map(Some);
        }
        // A portal that may be read in parts can be named by WHERE CURRENT OF.
        let (runnable, row_ids) = match max_rows {
            0 => (plan.statement.clone(), RowIds::default()),
            _ => row_ids::expose(&plan.statement),
        };
        let env = match max_rows == 0 && runnable.read_only {
            true => st.reading_env(portal.params.clone(), false),
            false => st.exec_env(portal.params.clone(), false),
        };
        let kept = if max_rows == 0 && !explained { plan.kept_tree() } else { None };
        let execution = match kept {
            Some(tree) => Execution::start_in(*tree, runnable, env),
            None => auto_explain::start(&self.cx, Some(&portal.statement.text), runnable, env)?,
        };
        let watched = !portal.params.is_empty() && portal.statement.plans.lock().is_watching();
        portal.state = PortalState::Running(Box::new(Running {
            execution,
            reader: st.reader.clone(),
            batch: None,
            sent: 0,
            before: 0,
            plan,
            row_ids,
            pages: watched.then_some(0),
        }));
        Ok(None)
    }
}

/// Whether PostgreSQL takes a snapshot to run the statement, after which SET TRANSACTION comes too late.
fn takes_snapshot(stmt: &ast::Statement) -> bool {
    use ast::Statement as S;
    !matches!(
        stmt,
        S::Transaction(_)
            | S::Set(_)
            | S::Show(_)
            | S::SetConstraints(_)
            | S::Lock(_)
            | S::Fetch(_)
            | S::Listen(_)
            | S::Notify(_)
            | S::Unlisten(_)
            | S::Checkpoint
    )
}

/// Estimated cost from which a statement is taken to run for more than about a millisecond.
const LONG_COST: f64 = 2000.0;

/// The next batch, where so many rows are wanted; a long statement lets the worker's other tasks go elsewhere meanwhile.
fn next_batch(run: &mut Running, want: usize) -> Result<Option<quarry_types::Batch>> {
    let before = run.pages.map(|_| usage::now());
    let want = want.min(BATCH_ROWS);
    let batch = if run.plan.statement.plan.total_cost > LONG_COST {
        quarry_common::wait::blocking(|| run.execution.next_some(want))
    } else {
        run.execution.next_some(want)
    };
    if let (Some(pages), Some(before)) = (&mut run.pages, before) {
        let used = usage::now().since(&before);
        *pages += used.shared_hit + used.shared_read + used.local_hit + used.local_read;
    }
    batch
}
