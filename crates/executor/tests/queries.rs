//! Whole queries over the system catalogs: text, binder, planner and operators together, on a disk in memory.

use parking_lot::Mutex;
use quarry_catalog::{Catalog, SessionView};
use quarry_common::Oid;
use quarry_executor::eval::Folder;
use quarry_executor::{ExecEnv, Execution};
use quarry_functions::SessionEnv;
use quarry_optimizer::{OptimizerEnv, PlannerSettings};
use quarry_sql::bind::{self, BindContext};
use quarry_storage::disk::FaultDisk;
use quarry_storage::{Config, IsolationLevel, Storage};
use quarry_types::io::IoContext;
use std::sync::Arc;

struct NoSession;

impl SessionEnv for NoSession {
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

struct Database {
    storage: Arc<Storage>,
    catalog: Arc<Catalog>,
}

impl Database {
    fn new() -> Database {
        let config = Config { shared_buffers_bytes: 32 << 20, ..Config::default() };
        let storage =
            Storage::create(Arc::new(FaultDisk::new()), config).expect("an empty disk takes a database");
        let catalog = Catalog::bootstrap(&storage).expect("bootstrap");
        Database { storage, catalog }
    }

    /// Rows as text, columns joined by `|`.
    fn query(&self, sql: &str) -> Vec<String> {
        let txn = Arc::new(self.storage.begin(IsolationLevel::ReadCommitted));
        txn.set_read_at_inserted(true);
        let reader = Arc::new(self.catalog.reader(Oid(5), &txn, &SessionView::superuser()));
        let env = ExecEnv {
            storage: self.storage.clone(),
            txn: txn.clone(),
            snapshot: txn.statement_snapshot(),
            reader: reader.clone(),
            session: Arc::new(NoSession),
            io: IoContext::default(),
            params: Arc::from([]),
            work_mem_bytes: 4 << 20,
            hash_mem_bytes: 8 << 20,
            temp_dir: std::env::temp_dir(),
            instrument: false,
            sql_runner: None,
            deferred: Arc::new(Mutex::default()),
        };
        let io = IoContext { names: &*reader, ..IoContext::default() };
        let stmt = quarry_sql::parse::parse_statements(sql).expect(sql).remove(0).stmt;
        let cx = BindContext { reader: &reader, io: &io, param_types: &[], params_allowed: false };
        let bound = bind::bind_statement(&stmt, &cx).expect(sql);
        let folder = Folder::new(&env);
        let optimizer =
            OptimizerEnv { catalog: &reader, settings: PlannerSettings::default(), folder: &folder };
        let plan = quarry_optimizer::plan(bound.plan, bound.meta, bound.output, bound.params, &optimizer)
            .expect(sql);
        let types: Vec<_> = plan.output.iter().map(|(_, _, ty)| *ty).collect();
        let mut execution = Execution::start(Arc::new(plan), env).expect(sql);
        let mut out = vec![];
        while let Some(batch) = execution.next().expect(sql) {
            for r in batch.rows().iter() {
                let fields: Vec<String> = types
                    .iter()
                    .zip(&batch.columns)
                    .map(|(ty, c)| match c.datum(r) {
                        v if v.is_null() => String::new(),
                        v => io.type_ref(ty.oid).and_then(|t| t.output_string(&v, &io)).expect(sql),
                    })
                    .collect();
                out.push(fields.join("|"));
            }
        }
        execution.finish().expect(sql);
        out
    }
}

#[test]
fn queries_over_the_catalogs() {
    let db = Database::new();
    let cases: &[(&str, &[&str])] = &[
        ("SELECT 1", &["1"]),
        ("SELECT 1 + 2 * 3, 'a' || 'b', 7.5 / 2", &["7|ab|3.7500000000000000"]),
        ("SELECT x FROM generate_series(1, 5) x WHERE x % 2 = 1 ORDER BY x DESC", &["5", "3", "1"]),
        (
            "SELECT sum(x), count(*), min(x), max(x), avg(x) FROM generate_series(1, 1000) x",
            &["500500|1000|1|1000|500.5000000000000000"],
        ),
        (
            "SELECT x % 3 AS k, count(*) FROM generate_series(1, 10) x GROUP BY x % 3 ORDER BY k",
            &["0|3", "1|4", "2|3"],
        ),
        (
            "SELECT a.x, b.y FROM generate_series(1, 3) a(x) JOIN generate_series(2, 4) b(y) ON a.x = b.y ORDER BY 1",
            &["2|2", "3|3"],
        ),
        (
            "SELECT a.x, b.y FROM generate_series(1, 3) a(x) LEFT JOIN generate_series(2, 4) b(y) ON a.x = b.y ORDER BY 1",
            &["1|", "2|2", "3|3"],
        ),
        (
            "SELECT x, (SELECT count(*) FROM generate_series(1, 3) y WHERE y <= x) FROM generate_series(0, 2) x",
            &["0|0", "1|1", "2|2"],
        ),
        (
            "SELECT x FROM generate_series(1, 4) x WHERE EXISTS (SELECT 1 FROM generate_series(3, 9) y WHERE y = x)",
            &["3", "4"],
        ),
        (
            "SELECT x FROM generate_series(1, 4) x WHERE x NOT IN (SELECT y FROM generate_series(3, 9) y)",
            &["1", "2"],
        ),
        (
            "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
            &["15"],
        ),
        (
            "SELECT x, row_number() OVER (ORDER BY x DESC), sum(x) OVER (ORDER BY x) FROM generate_series(1, 3) x ORDER BY x",
            &["1|3|1", "2|2|3", "3|1|6"],
        ),
        ("SELECT 1 UNION SELECT 2 UNION ALL SELECT 2 ORDER BY 1", &["1", "2", "2"]),
        ("SELECT CASE WHEN x > 1 THEN 'big' ELSE 'small' END FROM (VALUES (1), (2)) v(x)", &["small", "big"]),
        (
            "SELECT DISTINCT ON (k) k, v FROM (VALUES (1, 'b'), (1, 'a'), (2, 'c')) t(k, v) ORDER BY k, v",
            &["1|a", "2|c"],
        ),
        (
            "SELECT nspname FROM pg_namespace WHERE nspname IN ('public', 'pg_catalog') ORDER BY 1",
            &["pg_catalog", "public"],
        ),
        ("SELECT relname FROM pg_class WHERE oid = 1259", &["pg_class"]),
        (
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname = 'pg_class' AND a.attnum IN (1, 2) ORDER BY a.attnum",
            &["pg_class|oid", "pg_class|relname"],
        ),
        ("SELECT (ARRAY[1, 2, 3])[2], (ROW(1, 'x')).f2", &["2|x"]),
        ("SELECT x FROM generate_series(1, 10) x ORDER BY x LIMIT 2 OFFSET 3", &["4", "5"]),
    ];
    for (sql, want) in cases {
        assert_eq!(db.query(sql), *want, "{sql}");
    }
}
