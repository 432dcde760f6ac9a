//! Cursors: DECLARE, FETCH, MOVE, CLOSE (PostgreSQL: commands/portalcmds.c, tcop/pquery.c).
//!
//! A cursor reads its query on demand and keeps the rows it has read, so that it can go back. `at` is 0 before the first row, n on
//! row n, and one more than the number of rows behind the last.

use super::CommandOutcome;
use crate::portal::{Portal, PortalState};
use crate::prepared::Prepared;
use crate::query::ResultColumn;
use crate::session::Session;
use quarry_common::{Error, Result, err};
use quarry_executor::Execution;
use quarry_sql::ast::{self, FetchDirection};
use quarry_types::Datum;
use std::sync::Arc;

/// What DECLARE adds to a portal.
pub struct Cursor {
    /// None: read to the end.
    execution: Option<Execution>,
    rows: Vec<Vec<Datum>>,
    at: usize,
    hold: bool,
    /// Its rows were saved by a commit.
    saved: bool,
    /// NO SCROLL was said.
    forward_only: bool,
}

impl Cursor {
    /// Stays when the transaction commits.
    pub fn is_held(&self) -> bool {
        self.hold
    }
    /// Was saved by an earlier transaction.
    pub fn is_held_before(&self) -> bool {
        self.saved
    }
    /// Reads on until there are `count` rows, or no more.
    fn read_to(&mut self, count: usize) -> Result<()> {
        while self.rows.len() < count {
            let Some(e) = &mut self.execution else { return Ok(()) };
            match e.next()? {
                Some(batch) => {
                    for i in batch.rows().iter() {
                        self.rows.push(batch.columns.iter().map(|v| v.datum(i)).collect());
                    }
                }
                None => {
                    e.finish()?;
                    self.execution = None;
                }
            }
        }
        Ok(())
    }
    fn check_backward(&self) -> Result<()> {
        if self.forward_only {
            return Err(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
                .hint("Declare it with SCROLL option to enable backward scan."));
        }
        Ok(())
    }
    fn current(&self) -> Vec<Vec<Datum>> {
        match self.at.checked_sub(1).and_then(|i| self.rows.get(i)) {
            Some(row) => vec![row.clone()],
            None => vec![],
        }
    }
    fn forward(&mut self, count: usize) -> Result<Vec<Vec<Datum>>> {
        let wanted = self.at.saturating_add(count);
        self.read_to(wanted)?;
        let from = self.at.min(self.rows.len());
        let to = wanted.min(self.rows.len());
        let out = self.rows[from..to].to_vec();
        self.at = if to == wanted { wanted } else { self.rows.len() + 1 };
        Ok(out)
    }
    fn backward(&mut self, count: usize) -> Result<Vec<Vec<Datum>>> {
        self.check_backward()?;
        let mut out = vec![];
        while out.len() < count && self.at > 0 {
            self.at -= 1;
            out.extend(self.current());
        }
        Ok(out)
    }
    /// Goes to row `n` and gives it, if there is one.
    fn absolute(&mut self, n: usize) -> Result<Vec<Vec<Datum>>> {
        if n < self.at || n == self.at && n > 0 {
            self.check_backward()?;
        }
        self.read_to(n)?;
        self.at = n.min(self.rows.len() + 1);
        Ok(self.current())
    }
    fn fetch(&mut self, direction: FetchDirection) -> Result<Vec<Vec<Datum>>> {
        let size = |n: i64| usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
        match direction {
            FetchDirection::Forward(0) | FetchDirection::Backward(0) | FetchDirection::Relative(0) => {
                Ok(self.current())
            }
            FetchDirection::Forward(n) if n > 0 => self.forward(size(n)),
            FetchDirection::Forward(n) => self.backward(size(n)),
            FetchDirection::Backward(n) if n > 0 => self.backward(size(n)),
            FetchDirection::Backward(n) => self.forward(size(n)),
            FetchDirection::Absolute(n) if n >= 0 => self.absolute(size(n)),
            FetchDirection::Absolute(n) => {
                self.check_backward()?;
                self.read_to(usize::MAX)?;
                let back = size(n);
                self.absolute((self.rows.len() + 1).saturating_sub(back))
            }
            FetchDirection::Relative(n) if n > 0 => {
                let to = self.at.saturating_add(size(n));
                self.absolute(to)
            }
            FetchDirection::Relative(n) => {
                self.check_backward()?;
                let to = self.at.saturating_sub(size(n));
                self.absolute(to)
            }
        }
    }
}

pub fn declare(s: &mut Session, d: &ast::DeclareCursor, portal: &mut Portal) -> Result<CommandOutcome> {
    if !d.hold {
        s.block.require_block("DECLARE CURSOR")?;
    }
    if d.binary {
        return Err(Error::unsupported("DECLARE CURSOR with BINARY"));
    }
    if s.portals.contains_key(&d.name) {
        return Err(err!(DUPLICATE_CURSOR, "cursor \"{}\" already exists", d.name));
    }
    let query = ast::Statement::Select(Box::new(d.query.clone()));
    let st = s.statement_context()?;
    let analyzed = st.analyze(&query, &portal.statement.param_types, false)?;
    let params = portal.params.clone();
    let plan = st.plan(analyzed.bound, (!params.is_empty()).then_some(&*params))?;
    st.check_read_only(&plan, "DECLARE CURSOR")?;
    let execution = st.start(plan, params, false)?;
    let prepared = Prepared {
        name: String::new(),
        text: portal.statement.text.clone(),
        statement: portal.statement.statement.clone(),
        param_types: vec![],
        columns: Some(analyzed.columns),
        plans: Default::default(),
        from_sql: true,
        prepared_at: crate::clock::now(),
    };
    s.portal_count += 1;
    let mut made = Portal::new(Arc::new(prepared), Arc::from([]), vec![], s.portal_count);
    made.state = PortalState::Done(String::new());
    made.cursor = Some(Box::new(Cursor {
        execution: Some(execution),
        rows: vec![],
        at: 0,
        hold: d.hold,
        saved: false,
        forward_only: d.scroll == Some(false),
    }));
    s.portals.insert(d.name.clone(), made);
    CommandOutcome::done("DECLARE CURSOR")
}

fn undefined(name: &str) -> Error {
    err!(UNDEFINED_CURSOR, "cursor \"{name}\" does not exist")
}

pub fn fetch(s: &mut Session, f: &ast::Fetch) -> Result<CommandOutcome> {
    // Functions that the query calls ask the catalog through the session.
    s.statement_context()?;
    let portal = s.portals.get_mut(&f.cursor).ok_or_else(|| undefined(&f.cursor))?;
    let Some(cursor) = &mut portal.cursor else {
        return Err(Error::unsupported("FETCH from a portal of the extended protocol"));
    };
    let rows = cursor.fetch(f.direction)?;
    if f.is_move {
        return Ok(CommandOutcome::Done(format!("MOVE {}", rows.len())));
    }
    let tag = format!("FETCH {}", rows.len());
    Ok(CommandOutcome::Rows { rows, tag })
}

/// The columns that FETCH will give; none: there is no such cursor.
pub fn fetch_columns(s: &Session, f: &ast::Fetch) -> Option<Vec<ResultColumn>> {
    s.portals.get(&f.cursor).and_then(|p| p.columns.clone())
}

pub fn close(s: &mut Session, c: &ast::ClosePortal) -> Result<CommandOutcome> {
    match &c.name {
        None => {
            s.portals.retain(|_, p| p.cursor.is_none());
            CommandOutcome::done("CLOSE CURSOR ALL")
        }
        Some(name) => match s.portals.remove(name) {
            Some(_) => CommandOutcome::done("CLOSE CURSOR"),
            None => Err(undefined(name)),
        },
    }
}

/// Before a commit: cursors WITH HOLD read the rest of their rows.
pub fn hold_all(s: &mut Session) -> Result<()> {
    let wanted = |p: &Portal| p.cursor.as_ref().is_some_and(|c| c.hold && !c.saved);
    if !s.portals.values().any(wanted) {
        return Ok(());
    }
    s.statement_context()?;
    for p in s.portals.values_mut() {
        if let Some(c) = &mut p.cursor
            && c.hold
            && !c.saved
        {
            c.read_to(usize::MAX)?;
            c.saved = true;
        }
    }
    Ok(())
}
