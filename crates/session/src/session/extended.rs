//! The extended protocol: Parse, Bind, Describe, Execute, Sync.

use super::*;
use crate::request::{Values, WireFormats};
use crate::templates::parsed;

impl Session {
    pub(super) fn parse_message(
        &mut self,
        name: &str,
        sql: &str,
        param_types: &[u32],
        out: &mut BytesMut,
    ) -> Result<()> {
        self.text = Arc::from(sql);
        self.note_query();
        self.timed = self.digest().log.times().then(Timed::start);
        if !name.is_empty() && self.cx.prepared.lock().contains(name) {
            return Err(err!(DUPLICATE_PSTATEMENT, "prepared statement \"{name}\" already exists"));
        }
        let types: Vec<Oid> = param_types.iter().map(|t| Oid(*t)).collect();
        if name.is_empty()
            && let Some(known) = self.parsed_before(sql, &types)?
        {
            self.cx.prepared.lock().insert(known);
            protocol::parse_complete(out);
            self.log_duration("parse <unnamed>", sql, None);
            return Ok(());
        }
        let noticed = self.cx.noticed();
        let (mut statements, notices) = parse::parse_with_notices(sql, self.lex_options())?;
        for n in notices {
            self.cx.push_notice(n.fields().severity, n);
        }
        if statements.len() > 1 {
            return Err(err!(SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement"));
        }
        let statement = statements.pop().map(|p| p.stmt);
        let text = self.text.clone();
        let prepared = self.prepare(name, &text, statement, &types, false)?;
        let prepared = match name.is_empty() && self.cx.noticed() == noticed {
            true => self.keep_parsed(prepared, &types)?,
            false => Arc::new(prepared),
        };
        self.cx.prepared.lock().insert(prepared);
        self.send_notices(out);
        protocol::parse_complete(out);
        self.log_duration(&format!("parse {}", log::portal_name(name, "")), sql, None);
        Ok(())
    }

    /// The statement of a text that was parsed before, by whatever session, if it is the same here and now.
    fn parsed_before(&mut self, sql: &str, types: &[Oid]) -> Result<Option<Arc<Prepared>>> {
        // Plans that are logged have their values in them.
        if self.block.state() == BlockState::Failed || crate::auto_explain::is_on(&self.cx) {
            return Ok(None);
        }
        let (options, database) = (self.lex_options(), self.cx.database.0);
        let instance = self.cx.instance.clone();
        let Some(found) = parsed::find(instance.parsed_texts(), database, sql, options, types) else {
            return Ok(None);
        };
        let st = self.query_context()?;
        let known = parsed::take(instance.parsed_texts(), &found, &st);
        self.block.has_run |= known.is_some();
        Ok(known)
    }

    /// A statement of an unnamed Parse message, to be kept for the next such message if it is a query that means the same each time.
    fn keep_parsed(&mut self, prepared: Prepared, types: &[Oid]) -> Result<Arc<Prepared>> {
        let lasting = prepared.rule_tag.is_none()
            && prepared
                .statement
                .as_ref()
                .is_some_and(|stmt| is_query(stmt) && commands::cursor::current_of(stmt).is_none());
        if !lasting || crate::auto_explain::is_on(&self.cx) {
            return Ok(Arc::new(prepared));
        }
        let (options, instance) = (self.lex_options(), self.cx.instance.clone());
        let st = self.query_context()?;
        Ok(parsed::keep(instance.parsed_texts(), &st, options, types, prepared))
    }

    /// Analyzes a statement for later.
    pub(crate) fn prepare(
        &mut self,
        name: &str,
        text: &Arc<str>,
        statement: Option<ast::Statement>,
        types: &[Oid],
        from_sql: bool,
    ) -> Result<Prepared> {
        let mut param_types = types.to_vec();
        let mut columns = None;
        let (statement, rule_tag) = match statement {
            Some(stmt) => ruled(stmt).map(|(s, tag)| (Some(s), tag))?,
            None => (None, None),
        };
        if let Some(stmt) = &statement {
            self.check_failed_block(stmt)?;
            if is_query(stmt) {
                self.block.has_run = true;
                let placed = commands::cursor::resolve_current_of(self, stmt, false)?;
                let st = self.statement_context()?;
                let analyzed = st.analyze(placed.as_ref().unwrap_or(stmt), types, true)?;
                param_types = analyzed.bound.params.iter().map(|t| t.oid).collect();
                columns = (!analyzed.columns.is_empty() || is_select(stmt)).then(|| analyzed.columns.into());
            } else if self.block.state() != BlockState::Failed {
                columns = commands::columns_of(self, stmt)?;
            }
        }
        Ok(Prepared {
            name: name.to_string(),
            text: text.clone(),
            place: None,
            statement,
            rule_tag,
            param_types,
            columns,
            plans: Default::default(),
            described: Default::default(),
            from_sql,
            prepared_at: crate::clock::now(),
        })
    }

    pub(super) fn bind_message(
        &mut self,
        portal: &str,
        statement: &str,
        param_formats: WireFormats<'_>,
        params: Values<'_>,
        formats: WireFormats<'_>,
        out: &mut BytesMut,
    ) -> Result<()> {
        let now = self.note_statement_start();
        let Some(prepared) = self.cx.prepared.lock().get(statement).cloned() else {
            return Err(match statement {
                "" => err!(UNDEFINED_PSTATEMENT, "unnamed prepared statement does not exist"),
                name => err!(UNDEFINED_PSTATEMENT, "prepared statement \"{name}\" does not exist"),
            });
        };
        self.set_text(&prepared.text);
        if let Some(stmt) = &prepared.statement {
            self.check_failed_block(stmt)?;
        }
        if param_formats.len() > 1 && param_formats.len() != params.len() {
            return Err(err!(
                PROTOCOL_VIOLATION,
                "bind message has {} parameter formats but {} parameters",
                param_formats.len(),
                params.len()
            ));
        }
        if params.len() != prepared.param_types.len() {
            return Err(err!(
                PROTOCOL_VIOLATION,
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                params.len(),
                prepared.param_types.len()
            ));
        }
        let columns = prepared.columns.as_ref().map_or(0, |c| c.len());
        if formats.len() > 1 && formats.len() != columns {
            return Err(err!(
                PROTOCOL_VIOLATION,
                "bind message has {} result formats but query has {columns} columns",
                formats.len()
            ));
        }
        if !portal.is_empty() && self.portals.contains(portal) {
            return Err(err!(DUPLICATE_CURSOR, "cursor \"{portal}\" already exists"));
        }
        self.note_query_at(now);
        self.check_cancelled()?;
        self.timed = self.digest().log.times().then(Timed::start);
        let mut before = self.portals.remove(portal).or_else(|| self.portals.take_resting(portal));
        let room = before.as_mut().map(|p| std::mem::replace(&mut p.params, self.no_params.clone()));
        let values = self.decode_params(&prepared, param_formats, params, room)?;
        let mut codes = FormatCodes::new();
        formats.iter().for_each(|code| codes.push(code));
        let mut made = self.new_portal(portal, prepared, values, codes, before);
        let prepared = &made.statement;
        if prepared.statement.as_ref().is_some_and(is_query) {
            self.open(&mut made)?;
        }
        if self.timed.is_some() {
            let detail = self.parameters_text(&made);
            let what = format!("bind {}", log::portal_name(&made.statement.name, portal));
            self.log_duration(&what, &made.statement.text, detail.as_deref());
        }
        self.portals.insert(portal, made);
        protocol::bind_complete(out);
        Ok(())
    }

    pub(super) fn decode_params(
        &mut self,
        prepared: &Prepared,
        formats: WireFormats<'_>,
        params: Values<'_>,
        room: Option<Arc<[Datum]>>,
    ) -> Result<Arc<[Datum]>> {
        if params.is_empty() {
            return Ok(self.no_params.clone());
        }
        let st = self.query_context()?;
        let io = st.io();
        // Values that somebody still reads are left to them.
        let room = room.filter(|room| room.len() == params.len() && Arc::strong_count(room) == 1);
        let mut values = room.unwrap_or_else(|| std::iter::repeat_n(Datum::Null, params.len()).collect());
        let slots =
            Arc::get_mut(&mut values).ok_or_else(|| Error::internal("values are read while they come"))?;
        for (i, ((value, oid), slot)) in params.iter().zip(&prepared.param_types).zip(slots).enumerate() {
            let Some(bytes) = value else {
                *slot = Datum::Null;
                continue;
            };
            let ty = io.type_ref(*oid)?;
            let decoded = if formats.is_binary(i) {
                ty.receive(bytes, -1, &io)
            } else if let Some(value) = ty.input_digits(bytes) {
                Ok(value)
            } else {
                let text = std::str::from_utf8(bytes).map_err(|_| {
                    err!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\"")
                })?;
                ty.input(text, -1, &io)
            };
            *slot = decoded.map_err(|e| e.context(format!("unnamed portal parameter ${}", i + 1)))?;
        }
        Ok(values)
    }

    pub(super) fn describe_message(&mut self, portal: bool, name: &str, out: &mut BytesMut) -> Result<()> {
        if portal && let Some(p) = self.portals.get(name) {
            let Some(columns) = &p.columns else {
                protocol::no_data(out);
                return Ok(());
            };
            if let Some(known) = results::known_description(&p.statement, columns, &p.formats) {
                out.extend_from_slice(known);
                return Ok(());
            }
        }
        let (statement, columns, formats) = if portal {
            match self.portals.get(name) {
                Some(p) => (p.statement.clone(), p.columns.clone(), FormatCodes::from_slice(&p.formats)),
                None => return Err(err!(UNDEFINED_CURSOR, "portal \"{name}\" does not exist")),
            }
        } else {
            let Some(p) = self.cx.prepared.lock().get(name).cloned() else {
                return Err(match name {
                    "" => err!(UNDEFINED_PSTATEMENT, "unnamed prepared statement does not exist"),
                    name => err!(UNDEFINED_PSTATEMENT, "prepared statement \"{name}\" does not exist"),
                });
            };
            let types: Vec<u32> = p.param_types.iter().map(|t| t.0).collect();
            protocol::parameter_description(out, &types);
            let columns = p.columns.clone();
            (p, columns, FormatCodes::new())
        };
        match columns {
            None => protocol::no_data(out),
            Some(columns) => {
                let st = self.query_context()?;
                results::describe_statement(&statement, &columns, &formats, &st, out)?;
            }
        }
        Ok(())
    }

    /// What errors and others are shown as the running statement.
    fn set_text(&mut self, text: &Arc<str>) {
        if !Arc::ptr_eq(&self.text, text) {
            self.text = text.clone();
        }
    }

    /// An Execute message comes: the session is at work again, if it wasn't.
    pub(super) fn note_execute(&mut self, portal: &str) -> Result<()> {
        if let Some(p) = self.portals.get(portal) {
            let text = &p.statement.text;
            if !Arc::ptr_eq(&self.text, text) {
                self.text = text.clone();
            }
            match self.is_idle() {
                true => self.note_query(),
                false => self.start_statement_clock(),
            }
        }
        self.check_cancelled()
    }

    pub(super) fn drive_execute(&mut self, name: &str, max_rows: usize, out: &mut BytesMut) -> Step {
        self.executing.clear();
        self.executing.push_str(name);
        let step = self.execute_portal(name, max_rows, out);
        self.executing.clear();
        step
    }

    fn execute_portal(&mut self, name: &str, max_rows: usize, out: &mut BytesMut) -> Step {
        let Some(mut portal) = self.portals.remove(name) else {
            let e = err!(UNDEFINED_CURSOR, "portal \"{name}\" does not exist");
            return self.fail_extended(e, out);
        };
        self.set_text(&portal.statement.text);
        let Some(stmt) = portal.statement.statement.as_ref() else {
            protocol::empty_query(out);
            self.portals.insert(name, portal);
            return Step::Ready;
        };
        let runs = match portal.is_spent() {
            true => Err(commands::cursor::cannot_run(name)),
            false => Ok(()),
        };
        if let Err(e) = self.check_failed_block(stmt).and(runs) {
            self.portals.insert(name, portal);
            return self.fail_extended(e, out);
        }
        self.log_execute(name, &portal, stmt);
        let advanced = self.advance(&mut portal, max_rows, out);
        self.send_notices(out);
        if matches!(advanced, Ok(Advance::Complete(_) | Advance::Committed(..))) {
            // The next message starts a clock of its own.
            self.stop_statement_clock();
        }
        if self.timed.is_some()
            && matches!(advanced, Ok(Advance::Suspended | Advance::Complete(_) | Advance::Committed(..)))
        {
            let what = format!("execute {}", log::portal_name(&portal.statement.name, name));
            let detail = self.parameters_text(&portal);
            self.log_duration(&what, &portal.statement.text.clone(), detail.as_deref());
        }
        match advanced {
            Err(e) => {
                portal.spoil();
                self.portals.insert(name, portal);
                self.fail_extended(e, out)
            }
            Ok(Advance::More) => {
                self.portals.insert(name, portal);
                self.work = Work::Execute { name: name.to_string(), max_rows };
                Step::More
            }
            Ok(Advance::Suspended) => {
                protocol::portal_suspended(out);
                self.block.executed();
                self.portals.insert(name, portal);
                Step::Ready
            }
            Ok(Advance::Complete(tag)) if self.block.executed() => match self.commit(out) {
                Ok(lsn) => self.after_commit(lsn, Some(tag), AfterCommit::Extended, out),
                Err(e) => self.fail_extended(e, out),
            },
            Ok(Advance::Complete(tag)) => {
                tag.send(out);
                if self.block.txn().is_some() && !self.went_with_its_savepoint(&portal) {
                    self.portals.insert(name, portal);
                }
                Step::Ready
            }
            Ok(Advance::CopyIn(copy)) => {
                self.work =
                    Work::CopyIn(Box::new(CopyIn { copy, portal: *portal, then: AfterCopy::Extended }));
                Step::More
            }
            Ok(Advance::Committed(lsn, tag)) => self.after_commit(lsn, Some(tag), AfterCommit::Extended, out),
        }
    }

    /// Whether the portal has run ROLLBACK TO a savepoint that it was made after.
    fn went_with_its_savepoint(&self, portal: &Portal) -> bool {
        matches!(&portal.statement.statement, Some(ast::Statement::Transaction(t))
            if matches!(**t, ast::Transaction::RollbackTo(_)))
            && self.block.portals_mark().is_some_and(|mark| portal.number > mark)
    }

    /// Starts an Execute's clock and logs its statement, where wanted; not again when it goes on after output was sent.
    fn log_execute(&mut self, name: &str, portal: &Portal, stmt: &ast::Statement) {
        let settings = self.digest().log;
        let fresh = matches!(portal.state, PortalState::New) || portal.cursor.is_some();
        if !fresh || !settings.times() && settings.statements == log::Statements::None {
            return;
        }
        let mut timed = Timed::start();
        if log::wants(&settings, [stmt]) {
            let what = log::portal_name(&portal.statement.name, name);
            let detail = self.parameters_text(portal);
            self.cx.log(&format!("execute {what}: {}", portal.statement.text), detail.as_deref());
            timed.logged = true;
        }
        self.timed = Some(timed);
    }

    /// A portal's parameters as DETAIL shows them.
    fn parameters_text(&mut self, portal: &Portal) -> Option<String> {
        if portal.params.is_empty() {
            return None;
        }
        let st = self.statement_context().ok()?;
        let io = st.io();
        let text = |(v, oid): (&Datum, &Oid)| -> Option<String> {
            if v.is_null() {
                return None;
            }
            let mut out = vec![];
            io.type_ref(*oid).ok()?.output(v, &io, &mut out).ok()?;
            Some(String::from_utf8_lossy(&out).into_owned())
        };
        let texts: Vec<_> = portal.params.iter().zip(&portal.statement.param_types).map(text).collect();
        log::parameters(&texts)
    }

    /// Sync: an implicit transaction ends here.
    pub(super) fn sync(&mut self, out: &mut BytesMut) -> Step {
        self.skip_to_sync = false;
        if self.block.state() != BlockState::Implicit {
            if self.block.state() == BlockState::Idle {
                self.portals.retain(|p| p.cursor.as_ref().is_some_and(|c| c.options.hold));
            }
            self.ready(out);
            return Step::Ready;
        }
        match self.commit(out) {
            Ok(lsn) => self.after_commit(lsn, None, AfterCommit::Sync, out),
            Err(e) => {
                self.report(e, out);
                self.ready(out);
                Step::Ready
            }
        }
    }
}
