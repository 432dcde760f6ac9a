//! Cursors: a running query that is read a few rows at a time, in both directions where it may (PostgreSQL: pquery.c).
//!
//! Rows come from the execution on demand, never more than a FETCH asks for, so that errors and effects of later rows wait for
//! their FETCH. A scrollable cursor keeps what it has read, within `work_mem` and then in a temporary file; one that only goes
//! forward keeps the batch it stands in. `at` is 0 before the first row, n on row n; behind the last row it is one more than the
//! number of rows and `at_end` is set.

use crate::row_ids::RowIds;
use quarry_common::{Error, Oid, Result, err};
use quarry_executor::spill::BatchStore;
use quarry_executor::{ExecEnv, Execution};
use quarry_sql::ast::FetchDirection;
use quarry_types::{Batch, Datum, Rows};
use std::sync::Arc;

/// How a cursor was declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CursorOptions {
    pub hold: bool,
    pub binary: bool,
    /// Whether it may go backward.
    pub scroll: bool,
}

/// A query open for FETCH.
pub struct Cursor {
    pub options: CursorOptions,
    /// None: read to the end.
    execution: Option<Execution>,
    /// For the temporary file; goes with the execution when the cursor outlives its transaction.
    env: Option<ExecEnv>,
    store: BatchStore,
    /// Number of the first row of each batch in `store`, from 1, and behind them the next row's.
    starts: Vec<u64>,
    /// The batch looked at last, by its place in `store`.
    cached: Option<(usize, Batch)>,
    at: u64,
    at_end: bool,
    /// Its rows were saved by a commit.
    saved: bool,
    /// A FETCH failed: nothing can be read any more.
    failed: bool,
    row_ids: RowIds,
    /// The relations it reads.
    relations: Vec<Oid>,
}

/// What a FETCH gave.
pub struct Fetched {
    pub rows: Vec<Vec<Datum>>,
    /// Rows moved over, which MOVE tells.
    pub count: u64,
}

impl Cursor {
    /// A cursor before its first row.
    pub fn new(execution: Execution, options: CursorOptions, row_ids: RowIds) -> Cursor {
        let env = Some(execution.env().clone());
        let relations = execution.statement().relations.iter().map(|(r, _)| r.oid).collect();
        Cursor { execution: Some(execution), env, options, row_ids, relations, ..Cursor::ended() }.at_start()
    }

    /// A cursor whose rows have all been delivered.
    pub fn ended() -> Cursor {
        Cursor {
            options: CursorOptions::default(),
            execution: None,
            env: None,
            store: BatchStore::default(),
            starts: vec![1],
            cached: None,
            at: 1,
            at_end: true,
            saved: false,
            failed: false,
            row_ids: RowIds::default(),
            relations: vec![],
        }
    }

    fn at_start(self) -> Cursor {
        Cursor { at: 0, at_end: false, ..self }
    }

    /// A cursor over an execution that has delivered `sent` rows already and has `batch` at hand.
    pub fn resumed(
        execution: Execution,
        batch: Option<(Batch, usize)>,
        sent: u64,
        row_ids: RowIds,
    ) -> Result<Cursor> {
        let mut c = Cursor::new(execution, CursorOptions::default(), row_ids);
        c.at = sent;
        c.starts = vec![sent + 1];
        if let Some((batch, from)) = batch {
            let rest: Vec<u32> = batch.rows().iter().skip(from).map(|p| p as u32).collect();
            c.keep(Batch { selection: Some(rest.into()), ..batch })?;
        }
        Ok(c)
    }

    /// The relations it reads; none once it is held.
    pub fn relations(&self) -> &[Oid] {
        &self.relations
    }
    pub fn at_end(&self) -> bool {
        self.at_end
    }
    /// Was saved by an earlier transaction.
    pub fn is_saved(&self) -> bool {
        self.saved
    }
    pub fn row_ids(&self) -> &RowIds {
        &self.row_ids
    }
    /// The values of the row it stands on, hidden columns too; none: on no row.
    pub fn current(&mut self) -> Result<Option<Vec<Datum>>> {
        if self.at == 0 || self.at_end { Ok(None) } else { self.row(self.at) }
    }

    /// FETCH; with `keep` false MOVE, which gives no rows. `name` is for errors.
    pub fn fetch(&mut self, direction: FetchDirection, keep: bool, name: &str) -> Result<Fetched> {
        if self.failed {
            return Err(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "portal \"{name}\" cannot be run"));
        }
        let done = self.go(direction, keep);
        self.failed = done.is_err();
        done
    }

    /// The next rows, all of them without a count: what Execute reads.
    pub fn next_rows(&mut self, count: Option<u64>, name: &str) -> Result<Vec<Vec<Datum>>> {
        let count = count.and_then(|c| i64::try_from(c).ok()).unwrap_or(i64::MAX);
        Ok(self.fetch(FetchDirection::Forward(count), true, name)?.rows)
    }

    fn go(&mut self, direction: FetchDirection, keep: bool) -> Result<Fetched> {
        let all = FetchDirection::ALL;
        let (forward, count) = match direction {
            FetchDirection::Absolute(n) => return self.absolute(n, keep),
            FetchDirection::Relative(n) if n > 0 => {
                self.forward(n as u64 - 1, false)?;
                return self.forward(1, keep);
            }
            FetchDirection::Relative(n) if n < 0 => {
                self.backward(n.unsigned_abs() - 1, false)?;
                return self.backward(1, keep);
            }
            FetchDirection::Relative(_) => (true, 0),
            FetchDirection::Forward(n) => (n >= 0, n.unsigned_abs()),
            FetchDirection::Backward(n) => (n < 0, n.unsigned_abs()),
        };
        let whole = matches!(direction, FetchDirection::Forward(n) | FetchDirection::Backward(n) if n == all);
        if count == 0 {
            let on_row = self.at > 0 && !self.at_end;
            if !keep {
                return Ok(Fetched { rows: vec![], count: u64::from(on_row) });
            }
            // The row it stands on, once more: a step back and one forward.
            if !on_row {
                return Ok(Fetched { rows: vec![], count: 0 });
            }
            self.backward(1, false)?;
            return self.forward(1, true);
        }
        if !forward && whole && !keep {
            let over = if self.at > 0 && !self.at_end { self.at - 1 } else { self.rows_known().min(self.at) };
            self.rewind()?;
            return Ok(Fetched { rows: vec![], count: over });
        }
        if forward { self.forward(count, keep) } else { self.backward(count, keep) }
    }

    fn absolute(&mut self, n: i64, keep: bool) -> Result<Fetched> {
        if n == 0 {
            self.rewind()?;
            return Ok(Fetched { rows: vec![], count: 0 });
        }
        if n > 0 {
            let n = n as u64;
            // From the start where that is nearer, as PostgreSQL: it decides whether NO SCROLL allows the way.
            if n - 1 <= self.passed() / 2 {
                self.rewind()?;
                self.forward(n - 1, false)?;
            } else if n <= self.at {
                self.backward(self.at - n + 1, false)?;
            } else {
                self.forward(n - self.at - 1, false)?;
            }
            return self.forward(1, keep);
        }
        self.forward(u64::MAX, false)?;
        if n < -1 {
            self.backward(n.unsigned_abs() - 1, false)?;
        }
        self.backward(1, keep)
    }

    /// Rows it has moved over.
    fn passed(&self) -> u64 {
        if self.at_end { self.at.saturating_sub(1) } else { self.at }
    }
    /// Rows read so far.
    pub fn rows_known(&self) -> u64 {
        self.starts.last().copied().unwrap_or(1) - 1
    }

    fn rewind(&mut self) -> Result<()> {
        if self.at == 0 && !self.at_end {
            return Ok(());
        }
        self.check_backward()?;
        self.at = 0;
        self.at_end = false;
        Ok(())
    }

    fn check_backward(&self) -> Result<()> {
        if self.options.scroll {
            return Ok(());
        }
        Err(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
            .hint("Declare it with SCROLL option to enable backward scan."))
    }

    fn forward(&mut self, count: u64, keep: bool) -> Result<Fetched> {
        let mut rows = vec![];
        let mut moved = 0;
        if self.at_end || count == 0 {
            return Ok(Fetched { rows, count: 0 });
        }
        while moved < count {
            if self.at >= self.rows_known() && !self.read_more(count - moved)? {
                self.at += 1;
                self.at_end = true;
                break;
            }
            let here = self.rows_known().min(self.at.saturating_add(count - moved)) - self.at;
            if keep {
                for n in self.at + 1..=self.at + here {
                    rows.extend(self.row(n)?);
                }
            }
            self.at += here;
            moved += here;
        }
        Ok(Fetched { rows, count: moved })
    }

    fn backward(&mut self, count: u64, keep: bool) -> Result<Fetched> {
        self.check_backward()?;
        let mut rows = vec![];
        let mut moved = 0;
        while moved < count && self.at > 0 {
            self.at -= 1;
            self.at_end = false;
            if self.at == 0 {
                break;
            }
            if keep {
                rows.extend(self.row(self.at)?);
            }
            moved += 1;
        }
        Ok(Fetched { rows, count: moved })
    }

    /// Reads on where about `want` rows are wanted; false: there are no more.
    fn read_more(&mut self, want: u64) -> Result<bool> {
        let Some(e) = &mut self.execution else { return Ok(false) };
        match e.next_some(usize::try_from(want).unwrap_or(usize::MAX))? {
            Some(batch) => {
                if !self.options.scroll && !self.saved && self.at >= self.rows_known() {
                    self.forget();
                }
                self.keep(batch)?;
                Ok(true)
            }
            None => {
                e.finish()?;
                self.execution = None;
                Ok(false)
            }
        }
    }

    /// Drops the rows it has passed for good.
    fn forget(&mut self) {
        self.store.clear();
        self.cached = None;
        self.starts = vec![self.at + 1];
    }

    fn keep(&mut self, batch: Batch) -> Result<()> {
        let rows = batch.row_count();
        if rows == 0 {
            return Ok(());
        }
        let batch = match &batch.selection {
            None => batch,
            Some(s) => {
                let rows = Rows::Selected { positions: s, len: batch.len };
                let columns = batch.columns.iter().map(|c| Arc::new(c.gather(rows))).collect();
                Batch::new(columns, s.len())
            }
        };
        let Some(env) = &self.env else { return Err(Error::internal("a cursor without an execution reads")) };
        self.store.push(env, batch)?;
        self.starts.push(self.starts.last().copied().unwrap_or(1) + rows as u64);
        Ok(())
    }

    /// Row `n`, if it has been read and kept.
    fn row(&mut self, n: u64) -> Result<Option<Vec<Datum>>> {
        let place = self.starts.partition_point(|s| *s <= n);
        if place == 0 || place >= self.starts.len() {
            return Ok(None);
        }
        let (i, within) = (place - 1, (n - self.starts[place - 1]) as usize);
        if self.cached.as_ref().is_none_or(|(c, _)| *c != i) {
            self.cached = self.store.get(i)?.map(|b| (i, b));
        }
        let Some((_, batch)) = &self.cached else {
            return Err(Error::internal("a cursor lost a row"));
        };
        Ok(Some(batch.columns.iter().map(|c| c.datum(within)).collect()))
    }

    /// Reads the rest of the rows; it stays where it is.
    pub fn read_all(&mut self) -> Result<()> {
        let (at, at_end) = (self.at, self.at_end);
        while self.read_more(u64::MAX)? {}
        (self.at, self.at_end) = (at, at_end);
        Ok(())
    }

    /// WITH HOLD, before its transaction commits: reads the rest of the rows.
    pub fn hold(&mut self) -> Result<()> {
        self.saved = true;
        self.read_all()?;
        self.execution = None;
        self.env = None;
        self.relations.clear();
        Ok(())
    }
}
