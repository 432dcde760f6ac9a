//! Portals: a statement that is ready to run, running, or done (PostgreSQL: pquery.c).

use crate::cursor::{Cursor, CursorOptions};
use crate::prepared::Prepared;
use crate::query::{CachedPlan, Columns};
use crate::request::FormatCodes;
use crate::results::RowWriter;
use crate::row_ids::RowIds;
use crate::tag::Tag;
use parking_lot::Mutex;
use quarry_catalog::CatalogReader;
use quarry_common::Oid;
use quarry_executor::Execution;
use quarry_types::{Batch, Datum};
use std::sync::Arc;

/// Where a portal stands.
pub enum PortalState {
    /// Nothing has run.
    New,
    /// A query under way.
    Running(Box<Running>),
    /// Rows that a command has already made.
    Stored { rows: std::vec::IntoIter<Vec<Datum>>, tag: String },
    /// COPY TO under way.
    CopyOut(Box<crate::commands::copy::CopyOut>),
    /// Everything was delivered; the tag is sent again if asked for more.
    Done(Tag),
}

/// A query's execution and what of it has been delivered.
pub struct Running {
    pub execution: Execution,
    /// Gives the names that values print.
    pub reader: Arc<CatalogReader>,
    /// The batch being sent and its next selected row.
    pub batch: Option<(Batch, usize)>,
    /// Rows sent by this Execute, and by those before it.
    pub sent: u64,
    pub before: u64,
    pub plan: Arc<CachedPlan>,
    /// Hidden columns of the rows.
    pub row_ids: RowIds,
    /// Pages touched so far, where the choice of plans wants to know.
    pub pages: Option<u64>,
}

/// A bound statement.
pub struct Portal {
    pub statement: Arc<Prepared>,
    pub params: Arc<[Datum]>,
    pub formats: FormatCodes,
    pub state: PortalState,
    /// Columns of the rows to come, where there are any.
    pub columns: Option<Columns>,
    pub writer: Option<RowWriter>,
    /// The plan, once chosen (DECLARE and Bind choose it before the first row).
    pub plan: Option<Arc<CachedPlan>>,
    /// Made after this many others: rolled back with the savepoint it was made in.
    pub number: u64,
    /// A cursor made by DECLARE, or what FETCH made of a portal of the extended protocol.
    pub cursor: Option<Box<Cursor>>,
    /// What it has taken, where that is counted.
    pub spent: crate::statements::Spent,
    /// Its row in `pg_cursors`; none: it isn't shown.
    shown: Option<Shown>,
}

/// What `pg_cursors` shows of a portal.
pub struct PortalEntry {
    number: u64,
    pub name: String,
    pub statement: Arc<Prepared>,
    pub options: CursorOptions,
    /// The relations that its open query reads.
    pub relations: Vec<Oid>,
    pub created_at: i64,
}

/// Takes the portal's entry off the list when it goes.
struct Shown {
    list: Arc<Mutex<Vec<PortalEntry>>>,
    number: u64,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.list.lock().retain(|e| e.number != self.number);
    }
}

impl Portal {
    pub fn new(statement: Arc<Prepared>, params: Arc<[Datum]>, formats: FormatCodes, number: u64) -> Portal {
        let columns = statement.columns.clone();
        Portal {
            statement,
            params,
            formats,
            state: PortalState::New,
            columns,
            writer: None,
            plan: None,
            number,
            cursor: None,
            spent: Default::default(),
            shown: None,
        }
    }
    /// Puts it on the list that `pg_cursors` shows.
    pub fn show(&mut self, name: &str, created_at: i64, list: &Arc<Mutex<Vec<PortalEntry>>>) {
        list.lock().push(PortalEntry {
            number: self.number,
            name: name.to_string(),
            statement: self.statement.clone(),
            options: CursorOptions::default(),
            relations: vec![],
            created_at,
        });
        self.shown = Some(Shown { list: list.clone(), number: self.number });
    }
    /// Makes it a cursor.
    pub fn set_cursor(&mut self, cursor: Cursor) {
        if let Some(shown) = &self.shown
            && let Some(e) = shown.list.lock().iter_mut().find(|e| e.number == shown.number)
        {
            e.options = cursor.options;
            e.relations = cursor.relations().to_vec();
        }
        self.cursor = Some(Box::new(cursor));
    }
    /// Its cursor has all its rows: nothing is read from tables any more.
    pub fn let_go_of_relations(&self) {
        if let Some(shown) = &self.shown
            && let Some(e) = shown.list.lock().iter_mut().find(|e| e.number == shown.number)
        {
            e.relations.clear();
        }
    }
}
