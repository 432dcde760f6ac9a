//! The simple query protocol: a text of statements, run one after the other, committed with the last.

use super::*;
use crate::signals::WaitEvent;

/// What `pg_stat_activity` shows of a statement (track_activity_query_size).
const ACTIVITY_BYTES_MAX: usize = 1024;
/// Longer texts are no templates.
const TEMPLATE_BYTES_MAX: usize = 4096;

impl Session {
    pub(super) fn simple_query(&mut self, sql: &str, out: &mut BytesMut) -> Step {
        self.text = Arc::from(sql);
        self.note_query();
        self.timed = self.digest().log.times().then(Timed::start);
        self.portals.remove("");
        match self.templated_portal(sql, out) {
            Ok(None) => {}
            Ok(Some(portal)) => {
                let simple = Simple {
                    text: self.text.clone(),
                    statements: VecDeque::new(),
                    portal: Some(portal),
                    described_at: None,
                };
                self.work = Work::Simple(Box::new(simple));
                return self.drive(out);
            }
            Err(e) => return self.fail_simple(e, out),
        }
        match parse::parse_with_notices(sql, self.lex_options()) {
            Err(e) => {
                let step = self.report(e, out);
                self.ready(out);
                step
            }
            Ok((statements, notices)) => {
                for n in notices {
                    self.cx.push_notice(n.fields().severity, n);
                }
                if statements.is_empty() {
                    protocol::empty_query(out);
                    self.ready(out);
                    return Step::Ready;
                }
                self.log_statements(sql, statements.iter().map(|s| &s.stmt));
                self.block.set_several(statements.len() > 1);
                let simple = Simple {
                    text: self.text.clone(),
                    statements: statements.into(),
                    portal: None,
                    described_at: None,
                };
                self.work = Work::Simple(Box::new(simple));
                self.drive(out)
            }
        }
    }

    /// A portal for a text that a template is known of; its row description is sent.
    fn templated_portal(&mut self, sql: &str, out: &mut BytesMut) -> Result<Option<Portal>> {
        // Plans that are logged have their constants in them.
        if self.block.state() == BlockState::Failed || crate::auto_explain::is_on(&self.cx) {
            return Ok(None);
        }
        let (options, database) = (self.lex_options(), self.cx.database.0);
        let Some(matched) = self.templates.find(sql, options, database, self.cx.instance.text_plans()) else {
            return Ok(None);
        };
        let txn = self.ensure_transaction();
        self.cx.signals.waiting(WaitEvent::SafeSnapshot, || txn.await_safe_snapshot())?;
        let st = self.query_context()?;
        let instance = self.cx.instance.clone();
        let Some(found) = self.templates.take(&matched, &st, instance.text_plans())? else {
            return Ok(None);
        };
        if let Some(statement) = &found.prepared.statement {
            self.log_statements(sql, [statement]);
            st.check_read_only(&found.plan.statement, commands::tag_of(statement))?;
        }
        let portal = found.portal();
        describe_rows(&portal, &st, out)?;
        Ok(Some(portal))
    }

    fn log_statements<'a>(&mut self, sql: &str, statements: impl IntoIterator<Item = &'a ast::Statement>) {
        let logged = log::wants(&self.cx.log_settings(), statements);
        if logged {
            self.cx.log(&format!("statement: {sql}"), None);
        }
        if let Some(timed) = &mut self.timed {
            timed.logged = logged;
        }
    }

    /// The settings the scanner obeys.
    pub(super) fn lex_options(&self) -> LexOptions {
        crate::planning::lex_options(&self.cx.settings())
    }

    /// A message that runs something came: the clock of `statement_timestamp()`.
    pub(super) fn note_statement_start(&self) -> i64 {
        let now = crate::clock::now();
        self.cx.statement_start.store(now, Ordering::Relaxed);
        now
    }

    /// The statement in `text` begins, as `pg_stat_activity` shows it.
    pub(super) fn note_query(&mut self) {
        let now = self.note_statement_start();
        self.note_query_at(now);
    }

    /// The same at a time that was noted before.
    pub(super) fn note_query_at(&mut self, now: i64) {
        let untracked = !self.digest().track_activities;
        let mut a = self.cx.signals.activity.lock();
        if a.state != "active" && !self.cx.signals.must_end() {
            // A cancel that came while nothing ran is for no one.
            self.cx.signals.take_cancel();
        }
        a.state = "active";
        self.is_active = true;
        a.untracked = untracked;
        a.query_start = Some(now);
        a.query_id = None;
        match self.text.len() <= ACTIVITY_BYTES_MAX {
            true if Arc::ptr_eq(&a.query, &self.text) => {}
            true => a.query = self.text.clone(),
            false => a.query = Arc::from(&self.text[..floor_char(&self.text, ACTIVITY_BYTES_MAX)]),
        }
        drop(a);
        self.start_statement_clock();
    }

    /// Goes on with `work` until the connection has something to do.
    pub(super) fn drive(&mut self, out: &mut BytesMut) -> Step {
        loop {
            match std::mem::replace(&mut self.work, Work::None) {
                Work::None => return Step::Ready,
                Work::CopyIn(c) => {
                    self.work = Work::CopyIn(c);
                    return Step::Ready;
                }
                Work::Committed { tag, then } => {
                    if let Some(step) = self.committed(tag, then, out) {
                        return step;
                    }
                }
                Work::Simple(s) => {
                    if let Some(step) = self.drive_simple(s, out) {
                        return step;
                    }
                }
                Work::Execute { name, max_rows } => return self.drive_execute(&name, max_rows, out),
            }
        }
    }

    /// One step of a simple query; none: go on.
    pub(super) fn drive_simple(&mut self, mut s: Box<Simple>, out: &mut BytesMut) -> Option<Step> {
        let Some(mut portal) = s.portal.take() else {
            let Some(next) = s.statements.pop_front() else {
                self.log_duration("statement", &s.text, None);
                self.ready(out);
                return Some(Step::Ready);
            };
            let start = out.len();
            match self.simple_portal(&s.text, next, out) {
                Ok(portal) => {
                    s.described_at = runs_before_rows(&portal).then_some(start);
                    s.portal = Some(portal);
                    self.work = Work::Simple(s);
                    return None;
                }
                Err(e) => return Some(self.fail_simple(e, out)),
            }
        };
        let described_at = s.described_at.take();
        match self.advance(&mut portal, 0, out) {
            Err(e) => {
                drop(portal);
                if let Some(start) = described_at {
                    out.truncate(start);
                }
                Some(self.fail_simple(e, out))
            }
            Ok(Advance::More) => {
                s.portal = Some(portal);
                self.work = Work::Simple(s);
                Some(Step::More)
            }
            Ok(Advance::CopyIn(copy)) => {
                self.work = Work::CopyIn(Box::new(CopyIn { copy, portal, then: AfterCopy::Simple(s) }));
                Some(Step::More)
            }
            Ok(Advance::Committed(lsn, tag)) => {
                drop(portal);
                self.send_notices(out);
                Some(self.after_commit(lsn, Some(tag), AfterCommit::Simple(s), out))
            }
            Ok(Advance::Complete(tag)) => {
                drop(portal);
                self.finish_simple_statement(s, tag, out)
            }
            Ok(Advance::Suspended) => {
                Some(self.fail_simple(Error::internal("a simple query was suspended"), out))
            }
        }
    }

    /// A statement of a simple query is done: commit if it was the last one outside a block.
    pub(super) fn finish_simple_statement(
        &mut self,
        s: Box<Simple>,
        tag: Tag,
        out: &mut BytesMut,
    ) -> Option<Step> {
        self.send_notices(out);
        if s.statements.is_empty() && self.block.state() == BlockState::Implicit {
            return Some(match self.commit(out) {
                Ok(lsn) => self.after_commit(lsn, Some(tag), AfterCommit::Simple(s), out),
                Err(e) => self.fail_simple(e, out),
            });
        }
        tag.send(out);
        self.work = Work::Simple(s);
        None
    }

    pub(super) fn fail_simple(&mut self, e: Error, out: &mut BytesMut) -> Step {
        let step = self.report(e, out);
        if step != Step::Closed {
            self.ready(out);
        }
        step
    }

    /// Waits for a commit, then sends the tag.
    pub(super) fn after_commit(
        &mut self,
        lsn: Option<Lsn>,
        tag: Option<Tag>,
        then: AfterCommit,
        out: &mut BytesMut,
    ) -> Step {
        if let Some(lsn) = lsn {
            self.work = Work::Committed { tag, then };
            return Step::WaitDurable(lsn);
        }
        self.committed(tag, then, out).unwrap_or_else(|| self.drive(out))
    }

    /// The commit is as durable as it is to be: sends the tag. None: `work` goes on.
    fn committed(&mut self, tag: Option<Tag>, then: AfterCommit, out: &mut BytesMut) -> Option<Step> {
        crate::notify::wake_listeners(&self.cx);
        if let Some(tag) = tag {
            tag.send(out);
        }
        match then {
            AfterCommit::Simple(s) => {
                self.work = Work::Simple(s);
                return None;
            }
            AfterCommit::Extended => {}
            AfterCommit::Sync => self.ready(out),
        }
        Some(Step::Ready)
    }

    pub(super) fn waits_for_durability(&self) -> bool {
        match self.digest.0 == self.cx.settings_version() {
            true => self.digest.1.waits_for_durability,
            false => self.cx.digested(|d| d.waits_for_durability),
        }
    }

    /// Commits the transaction, deferred constraints first. On error it is undone. `Some`: what is to be waited for before the client is
    /// told.
    pub(crate) fn commit(&mut self, out: &mut BytesMut) -> Result<Option<Lsn>> {
        let vars_mark = self.block.vars_mark;
        let prepared = self.before_commit();
        if let Err(e) = prepared {
            self.block.abort();
            self.end_transaction(false, vars_mark, out);
            return Err(e);
        }
        let block = &mut self.block;
        let lsn =
            crate::notify::commit(&self.cx, || block.commit()).map(|lsn| lsn.max(self.cx.take_side_lsn()));
        // Refused before it got as far as that.
        if self.block.state() != BlockState::Idle {
            self.block.abort();
        }
        // The setting as it is inside the transaction counts.
        let waits = self.waits_for_durability();
        if let Ok(Some(lsn)) = lsn
            && !waits
        {
            self.unawaited = lsn;
        }
        let kept = self.kept.take();
        self.end_transaction(lsn.is_ok(), vars_mark, out);
        self.keep_for_next(kept.filter(|_| lsn.is_ok()));
        lsn.map(|lsn| lsn.filter(|_| waits))
    }

    /// A new transaction sees what the session has committed without waiting.
    pub(super) fn follow_own_commit(&mut self, txn: &Transaction) {
        if self.unawaited.0 == 0 {
            return;
        }
        if self.unawaited <= self.cx.instance.storage().wal().visible() {
            self.unawaited = Lsn(0);
        } else if self.waits_for_durability() {
            txn.follow(self.unawaited);
        }
    }

    pub(super) fn before_commit(&mut self) -> Result<()> {
        if self.block.txn().is_none() {
            return Ok(());
        }
        commands::hold_cursors(self)?;
        self.run_deferred()?;
        commands::on_commit_actions(self)
    }

    /// The constraint checks that waited for the end of the transaction.
    pub(crate) fn run_deferred(&mut self) -> Result<()> {
        if self.cx.has_deferred() {
            let st = self.query_context()?;
            quarry_executor::deferred::run_deferred(&st.exec_env(Arc::from([]), false))?;
        }
        Ok(())
    }

    /// Waits for the log here where the connection won't: what two-phase commit says is durable, whatever `synchronous_commit`.
    pub(crate) fn wait_unless_connection_does(&self, lsn: Lsn) -> Result<()> {
        if self.waits_for_durability() {
            return Ok(());
        }
        self.cx.instance.storage().wal().wait_durable_blocking(lsn)
    }

    /// ROLLBACK.
    pub(crate) fn rollback(&mut self, out: &mut BytesMut) {
        let vars_mark = self.block.vars_mark;
        self.block.abort();
        self.end_transaction(false, vars_mark, out);
        self.cx.set_reader(None);
    }

    /// A portal for one statement of a simple query; its row description is sent.
    pub(super) fn simple_portal(
        &mut self,
        text: &Arc<str>,
        parsed: parse::ParsedStatement,
        out: &mut BytesMut,
    ) -> Result<Portal> {
        self.check_failed_block(&parsed.stmt)?;
        quarry_common::quoting::set_quote_all(self.cx.settings().bool("quote_all_identifiers"));
        self.restart_statement_clock();
        let formats = match &parsed.stmt {
            ast::Statement::Fetch(f) => commands::cursor::fetch_formats(self, f),
            _ => FormatCodes::new(),
        };
        let alone = is_alone(text, &parsed);
        let place = (!alone).then_some((parsed.start, parsed.end));
        let (statement, rule_tag) = ruled(parsed.stmt)?;
        let prepared = Prepared {
            name: String::new(),
            text: text.clone(),
            place,
            statement: Some(statement),
            rule_tag,
            param_types: vec![],
            columns: None,
            plans: Default::default(),
            described: Default::default(),
            from_sql: false,
            prepared_at: 0,
        };
        let mut portal = Portal::new(Arc::new(prepared), Arc::from([]), formats, 0);
        let noticed = self.cx.noticed();
        self.open(&mut portal)?;
        if portal.columns.is_some() {
            describe_rows(&portal, &*self.query_context()?, out)?;
        }
        // What its planning has to say is said each time.
        if alone && self.cx.noticed() == noticed {
            self.note_template(text, &portal)?;
        }
        Ok(portal)
    }

    /// A statement that is all of a text was planned: its plan may serve the next text like it.
    fn note_template(&mut self, text: &Arc<str>, portal: &Portal) -> Result<()> {
        let instance = self.cx.instance.clone();
        let plans = instance.text_plans();
        if text.len() > TEMPLATE_BYTES_MAX || !plans.is_on() {
            return Ok(());
        }
        let placed = portal.statement.statement.as_ref().and_then(commands::cursor::current_of);
        if portal.plan.is_some() && placed.is_none() {
            let st = self.query_context()?;
            self.templates.note(text, self.lex_options(), &st, portal, plans);
        }
        Ok(())
    }

    /// 25P02 for anything but the end of a failed block.
    pub(super) fn check_failed_block(&self, stmt: &ast::Statement) -> Result<()> {
        if self.block.state() != BlockState::Failed {
            return Ok(());
        }
        let ends = matches!(stmt, ast::Statement::Transaction(t) if matches!(**t,
            ast::Transaction::Commit { .. } | ast::Transaction::Rollback { .. } | ast::Transaction::RollbackTo(_)
                | ast::Transaction::Prepare(_)));
        if ends { Ok(()) } else { Err(aborted()) }
    }
}

/// Whether PostgreSQL runs the statement before it says anything of its rows: an error comes alone then.
fn runs_before_rows(portal: &Portal) -> bool {
    portal.columns.is_some()
        && portal.plan.as_ref().is_none_or(|plan| commands::cursor::writes(&plan.statement))
}

/// Whether a statement is the only one of its text.
fn is_alone(text: &str, parsed: &parse::ParsedStatement) -> bool {
    let (before, after) = (text.get(..parsed.start), text.get(parsed.end..));
    let ends = |c: char| c == ';' || c.is_ascii_whitespace();
    before.is_some_and(|t| !t.contains(';')) && after.is_some_and(|t| t.trim_matches(ends).is_empty())
}

/// Sends the description of the rows to come, if there are any.
fn describe_rows(portal: &Portal, st: &StatementContext, out: &mut BytesMut) -> Result<()> {
    if let Some(columns) = &portal.columns {
        results::describe_statement(&portal.statement, columns, &portal.formats, st, out)?;
    }
    Ok(())
}
