//! What unit tests of operators need: an environment, and inputs whose rows they say.

use crate::context::Cx;
use crate::operator::Operator;
use crate::{DeferredQueue, ExecEnv};
use parking_lot::Mutex;
use quarry_catalog::{Catalog, SessionView};
use quarry_common::{Error, Oid, Result};
use quarry_functions::SessionEnv;
use quarry_storage::disk::FaultDisk;
use quarry_storage::{Config, IsolationLevel, Storage};
use quarry_types::{Batch, Datum, IoContext, PhysicalType, Vector};
use std::sync::Arc;

const DB: Oid = Oid(5);

struct Session;

impl SessionEnv for Session {
    fn transaction_timestamp(&self) -> i64 {
        0
    }
    fn statement_timestamp(&self) -> i64 {
        0
    }
    fn clock_timestamp(&self) -> i64 {
        0
    }
}

/// An environment over an empty database.
pub fn env() -> ExecEnv {
    let config = Config { shared_buffers_bytes: 16 << 20, ..Config::default() };
    let storage = Storage::create(Arc::new(FaultDisk::new()), config).expect("create");
    let catalog = Catalog::bootstrap(&storage).expect("bootstrap");
    let txn = Arc::new(storage.begin(IsolationLevel::ReadCommitted));
    let reader = Arc::new(catalog.reader(DB, &txn, &SessionView::superuser()));
    ExecEnv {
        snapshot: txn.statement_snapshot(),
        storage,
        crosscheck: None,
        txn,
        reader,
        session: Arc::new(Session),
        io: IoContext::default(),
        params: Arc::from(vec![]),
        work_mem_bytes: 4 << 20,
        hash_mem_bytes: 4 << 20,
        temp_dir: std::env::temp_dir().join("quarry-executor-test").into(),
        instrument: false,
        sql_runner: None,
        deferred: Arc::new(Mutex::new(DeferredQueue::default())),
    }
}

/// A batch of one column.
pub fn batch(values: impl IntoIterator<Item = i64>) -> Batch {
    let mut column = Vector::with_capacity(PhysicalType::I64, 0);
    values.into_iter().for_each(|v| column.push_datum(&Datum::I64(v)));
    let rows = column.len();
    Batch::new(vec![Arc::new(column)], rows)
}

/// The values of a batch's column, of the rows that count.
pub fn values(batch: &Batch, column: usize) -> Vec<i64> {
    let value = |r| match batch.columns[column].datum(r) {
        Datum::I64(v) => v,
        other => panic!("{other:?}"),
    };
    batch.rows().iter().map(value).collect()
}

/// Gives the batches it was made of, then perhaps an error.
#[derive(Default)]
pub struct Input {
    pub batches: Vec<Batch>,
    pub fails: bool,
    pub given: usize,
}

impl Input {
    pub fn boxed(batches: Vec<Batch>) -> Box<Input> {
        Box::new(Input { batches, ..Input::default() })
    }
}

impl Operator for Input {
    fn next(&mut self, _: &mut Cx<'_>) -> Result<Option<Batch>> {
        let next = self.batches.get(self.given).cloned();
        if next.is_none() && self.fails {
            return Err(Error::internal("the input fails"));
        }
        self.given += 1;
        Ok(next)
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.given = 0;
        Ok(())
    }
}
