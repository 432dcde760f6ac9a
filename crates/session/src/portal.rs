//! Portals: a statement that is ready to run, running, or done (PostgreSQL: pquery.c).

use crate::prepared::Prepared;
use crate::query::{CachedPlan, ResultColumn};
use crate::results::RowWriter;
use quarry_catalog::CatalogReader;
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
    Done(String),
}

/// A query's execution and what of it has been delivered.
pub struct Running {
    pub execution: Execution,
    /// Gives the names that values print.
    pub reader: Arc<CatalogReader>,
    /// The batch being sent and its next selected row.
    pub batch: Option<(Batch, usize)>,
    pub sent: u64,
    pub plan: Arc<CachedPlan>,
}

/// A bound statement.
pub struct Portal {
    pub statement: Arc<Prepared>,
    pub params: Arc<[Datum]>,
    pub formats: Vec<i16>,
    pub state: PortalState,
    /// Columns of the rows to come, where there are any.
    pub columns: Option<Vec<ResultColumn>>,
    pub writer: Option<RowWriter>,
    /// The plan, once chosen (DECLARE and Bind choose it before the first row).
    pub plan: Option<Arc<CachedPlan>>,
    /// Made after this many others: rolled back with the savepoint it was made in.
    pub number: u64,
    /// A cursor made by DECLARE.
    pub cursor: Option<Box<crate::commands::cursor::Cursor>>,
    pub created_at: i64,
}

impl Portal {
    pub fn new(statement: Arc<Prepared>, params: Arc<[Datum]>, formats: Vec<i16>, number: u64) -> Portal {
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
            created_at: crate::clock::now(),
        }
    }
}
