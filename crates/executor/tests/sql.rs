//! Queries from text to rows, compared with what PostgreSQL answered (tests/queries/*.out, recorded by `psql -XAt`).
//!
//! `QUERIES=file cargo test -p quarry-executor --test sql -- --nocapture show` prints the answers for a file of one query per line.

use parking_lot::Mutex;
use quarry_catalog::{Catalog, SessionView};
use quarry_common::{Oid, Result};
use quarry_executor::{DeferredQueue, ExecEnv, Execution, eval::Folder};
use quarry_functions::SessionEnv;
use quarry_optimizer::PlannerSettings;
use quarry_storage::disk::FaultDisk;
use quarry_storage::{Config, IsolationLevel, Storage};
use quarry_types::{Datum, IoContext};
use std::sync::Arc;

struct Env;

impl SessionEnv for Env {
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

const DB: Oid = Oid(5);

struct Server {
    storage: Arc<Storage>,
    catalog: Arc<Catalog>,
}

impl Server {
    fn new() -> Server {
        let config = Config { shared_buffers_bytes: 64 << 20, ..Config::default() };
        let storage = Storage::create(Arc::new(FaultDisk::new()), config).expect("create");
        let catalog = Catalog::bootstrap(&storage).expect("bootstrap");
        Server { storage, catalog }
    }

    fn env(&self, memory: usize) -> ExecEnv {
        let txn = Arc::new(self.storage.begin(IsolationLevel::ReadCommitted));
        let reader = Arc::new(self.catalog.reader(DB, &txn, &SessionView::superuser()));
        ExecEnv {
            storage: self.storage.clone(),
            snapshot: txn.statement_snapshot(),
            txn,
            reader,
            session: Arc::new(Env),
            io: IoContext::default(),
            params: Arc::from(Vec::<Datum>::new()),
            work_mem_bytes: memory,
            hash_mem_bytes: memory,
            temp_dir: std::env::temp_dir().join("quarry-executor-test"),
            instrument: false,
            sql_runner: None,
            deferred: Arc::new(Mutex::new(DeferredQueue::default())),
        }
    }

    fn run(&self, sql: &str, memory: usize, settings: &PlannerSettings) -> Result<Vec<String>> {
        let env = self.env(memory);
        let parsed = quarry_sql::parse::parse_statements(sql)?;
        let mut lines = Vec::new();
        for p in parsed {
            let io = env.io();
            let cx = quarry_sql::bind::BindContext {
                reader: &env.reader,
                io: &io,
                param_types: &[],
                params_allowed: false,
            };
            let bound = quarry_sql::bind::bind_statement(&p.stmt, &cx)?;
            let folder = Folder::new(&env);
            let optimizer = quarry_optimizer::OptimizerEnv {
                catalog: &env.reader,
                settings: settings.clone(),
                folder: &folder,
            };
            let statement =
                quarry_optimizer::plan(bound.plan, bound.meta, bound.output, bound.params, &optimizer)?;
            if std::env::var("PLAN").is_ok() {
                eprintln!("{statement:#?}");
            }
            let types: Vec<_> =
                statement.output.iter().map(|(_, _, t)| io.type_ref(t.oid)).collect::<Result<_>>()?;
            let mut execution = Execution::start(Arc::new(statement), env.clone())?;
            while let Some(b) = execution.next()? {
                for r in b.rows().iter() {
                    let mut line = String::new();
                    for (i, (c, t)) in b.columns.iter().zip(&types).enumerate() {
                        if i > 0 {
                            line.push('|');
                        }
                        if !c.is_null(r) {
                            line.push_str(&t.output_string(&c.datum(r), &io)?);
                        }
                    }
                    lines.push(line);
                }
            }
            execution.finish()?;
        }
        Ok(lines)
    }

    /// As psql prints it: rows, or the error's message.
    fn answer(&self, sql: &str, memory: usize, settings: &PlannerSettings) -> Vec<String> {
        match self.run(sql, memory, settings) {
            Ok(lines) => lines.iter().flat_map(|l| l.split('\n').map(str::to_string)).collect(),
            Err(e) => vec![format!("ERROR:  {}", e.message())],
        }
    }
}

/// Compares the answers to a file of recorded ones: lines `-- query`, then its rows.
fn check(file: &str, memory: usize, settings: PlannerSettings) {
    let text = std::fs::read_to_string(format!("{}/tests/queries/{file}", env!("CARGO_MANIFEST_DIR")))
        .expect("file");
    let server = Server::new();
    let mut failed = Vec::new();
    for part in text.split('\u{1}') {
        let mut lines = part.lines();
        let Some(query) = lines.next().filter(|q| !q.trim().is_empty()) else { continue };
        let expected: Vec<String> = lines.map(str::to_string).collect();
        let got = server.answer(query, memory, &settings);
        if got != expected {
            failed.push(format!("{query}\n  expected {expected:?}\n  got      {got:?}"));
        }
    }
    assert!(failed.is_empty(), "{} queries differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn answers_are_postgresql_s() {
    check("basic.out", 4 << 20, PlannerSettings::default());
}

#[test]
fn answers_do_not_depend_on_memory() {
    check("spill.out", 64 << 10, PlannerSettings::default());
}

#[test]
fn merge_joins_and_sorted_groups_give_the_same() {
    let settings = PlannerSettings {
        enable_hashjoin: false,
        enable_nestloop: false,
        enable_hashagg: false,
        enable_indexscan: false,
        enable_indexonlyscan: false,
        ..PlannerSettings::default()
    };
    check("basic.out", 4 << 20, settings.clone());
    check("spill.out", 64 << 10, settings);
}

#[test]
fn nested_loops_and_hashed_groups_give_the_same() {
    let settings = PlannerSettings {
        enable_hashjoin: false,
        enable_mergejoin: false,
        enable_sort: false,
        enable_bitmapscan: false,
        enable_seqscan: false,
        enable_material: false,
        ..PlannerSettings::default()
    };
    check("basic.out", 4 << 20, settings);
}

#[test]
fn show() {
    let Ok(file) = std::env::var("QUERIES") else { return };
    let server = Server::new();
    for query in std::fs::read_to_string(file).expect("file").lines().filter(|l| !l.trim().is_empty()) {
        println!("\u{1}{query}");
        server.answer(query, 4 << 20, &PlannerSettings::default()).iter().for_each(|l| println!("{l}"));
    }
}
