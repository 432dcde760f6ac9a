//! System views and psql's catalog queries, run whole: text, binder, planner and operators over a bootstrapped catalog.
//!
//! `QUERIES=file cargo test -p quarry-catalog --test sql -- --nocapture show` prints the answers for a file of queries; with
//! `PLAN=1` the plans, too.

use parking_lot::Mutex;
use quarry_catalog::{Catalog, SessionView, info};
use quarry_common::{Error, Oid, Result};
use quarry_executor::eval::Folder;
use quarry_executor::{ExecEnv, Execution};
use quarry_functions::SessionEnv;
use quarry_optimizer::{OptimizerEnv, PlannerSettings};
use quarry_plan::explain::{Explain, ExplainOptions, explain};
use quarry_sql::bind::{self, BindContext};
use quarry_storage::disk::FaultDisk;
use quarry_storage::{Config, IsolationLevel, Storage};
use quarry_types::{Datum, IoContext};
use std::sync::Arc;

/// A session that answers catalog questions only.
struct Session(Arc<quarry_catalog::CatalogReader>);

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
    fn catalog_function(&self, name: &'static str, args: &[Datum]) -> Result<Datum> {
        info::call(&self.0, name, args)?.ok_or_else(|| Error::unsupported(name))
    }
    /// The server's own state has no rows here.
    fn catalog_rows(&self, name: &'static str, args: &[Datum]) -> Result<Vec<Vec<Datum>>> {
        Ok(info::rows(&self.0, name, args)?.unwrap_or_default())
    }
}

struct Server {
    storage: Arc<Storage>,
    catalog: Arc<Catalog>,
}

impl Server {
    fn new() -> Server {
        let config = Config { shared_buffers_bytes: 32 << 20, ..Config::default() };
        let storage = Storage::create(Arc::new(FaultDisk::new()), config).expect("create");
        let catalog = Catalog::bootstrap(&storage).expect("bootstrap");
        Server { storage, catalog }
    }

    /// Rows as text, columns joined by `|`.
    fn query(&self, sql: &str) -> Result<Vec<String>> {
        let txn = Arc::new(self.storage.begin(IsolationLevel::ReadCommitted));
        txn.set_read_at_inserted(true);
        let reader = Arc::new(self.catalog.reader(Oid(5), &txn, &SessionView::superuser()));
        let env = ExecEnv {
            storage: self.storage.clone(),
            txn: txn.clone(),
            snapshot: txn.statement_snapshot(),
            crosscheck: None,
            reader: reader.clone(),
            session: Arc::new(Session(reader.clone())),
            io: IoContext::default(),
            params: Arc::from([]),
            work_mem_bytes: 4 << 20,
            hash_mem_bytes: 8 << 20,
            temp_dir: std::env::temp_dir().into(),
            instrument: false,
            sql_runner: None,
            deferred: Arc::new(Mutex::default()),
        };
        let io = IoContext { names: &*reader, ..IoContext::default() };
        let stmt = quarry_sql::parse::parse_statements(sql)?.remove(0).stmt;
        let cx = BindContext { reader: &reader, io: &io, param_types: &[], params_allowed: false };
        let bound = bind::bind_statement(&stmt, &cx)?;
        let folder = Folder::new(&env);
        let optimizer = OptimizerEnv {
            catalog: &reader,
            settings: PlannerSettings::default(),
            folder: &folder,
            bind_stored: quarry_sql::bind::bind_for_planning,
            hints: None,
        };
        let plan = quarry_optimizer::plan(bound.plan, bound.meta, bound.output, bound.params, &optimizer)?;
        if std::env::var("PLAN").is_ok() {
            let explained = explain(&Explain {
                statement: &plan,
                options: &ExplainOptions::default(),
                names: &*reader,
                io: &io,
                stats: &|_| None,
                triggers: &[],
                query_text: None,
                query_id: None,
                planning_ms: Some(0.0),
                planning: None,
                execution_ms: 0.0,
            });
            explained.iter().for_each(|line| println!("   # {line}"));
        }
        let types: Vec<_> = plan.output.iter().map(|(_, _, ty)| *ty).collect();
        let mut execution = Execution::start(Arc::new(plan), env)?;
        let mut out = vec![];
        while let Some(batch) = execution.next()? {
            for r in batch.rows().iter() {
                let mut fields = Vec::with_capacity(types.len());
                for (ty, c) in types.iter().zip(&batch.columns) {
                    fields.push(match c.datum(r) {
                        v if v.is_null() => String::new(),
                        v => io.type_ref(ty.oid)?.output_string(&v, &io)?,
                    });
                }
                out.push(fields.join("|"));
            }
        }
        execution.finish()?;
        Ok(out)
    }
}

#[test]
fn show() {
    let Ok(file) = std::env::var("QUERIES") else { return };
    let server = Server::new();
    for query in std::fs::read_to_string(file).expect("file").split(";\n") {
        if query.trim().is_empty() {
            continue;
        }
        println!("{}", query.lines().next().unwrap_or(""));
        match server.query(query) {
            Ok(rows) => rows.iter().for_each(|r| println!("   {r}")),
            Err(e) => println!("   {e} {:?}", e.fields().detail),
        }
    }
}

#[test]
fn queries_over_views() {
    let server = Server::new();
    for (sql, expected) in [
        (
            "SELECT array_agg(x) FROM (SELECT x FROM (SELECT c.relname AS x FROM pg_class c LEFT JOIN pg_type y ON y.oid = c.reloftype) q
              WHERE x IN ('pg_class', 'pg_am') ORDER BY x) z",
            vec!["{pg_am,pg_class}"],
        ),
        (
            "SELECT table_name, column_name, data_type FROM information_schema.columns
              WHERE table_schema = 'pg_catalog' AND table_name IN ('pg_am', 'pg_proc') ORDER BY 1, ordinal_position LIMIT 5",
            vec!["pg_am|oid|oid", "pg_am|amname|name", "pg_am|amhandler|regproc", "pg_am|amtype|\"char\"", "pg_proc|oid|oid"],
        ),
        (
            "SELECT i.indexrelid, k.conname FROM pg_class c, pg_index i LEFT JOIN pg_constraint k
                 ON k.conrelid = i.indrelid AND k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
              WHERE c.oid = 1259 AND c.oid = i.indrelid ORDER BY 1",
            vec!["2662|pg_class_oid_index", "2663|pg_class_relname_nsp_index", "3455|"],
        ),
        ("SELECT proacl || reloptions::text[] FROM pg_class, (SELECT NULL::text[] AS proacl) x WHERE oid = 1259", vec![""]),
        ("SELECT usename, passwd FROM pg_user", vec!["postgres|********"]),
    ] {
        assert_eq!(server.query(sql).expect(sql), expected, "{sql}");
    }
}
