//! Queries from text to rows, compared with what PostgreSQL answered (tests/queries/*.out, recorded by `psql -XAt`).
//!
//! `QUERIES=file cargo test -p quarry-executor --test sql -- --nocapture show` prints the answers for a file of one query per line.

use parking_lot::Mutex;
use quarry_catalog::defs::{ConstraintKind, IndexKey, RelKind};
use quarry_catalog::{Catalog, NewColumn, NewConstraint, NewIndex, NewRelation, SessionView};
use quarry_common::{Oid, Result};
use quarry_executor::{DeferredQueue, ExecEnv, Execution, eval::Folder};
use quarry_functions::SessionEnv;
use quarry_optimizer::PlannerSettings;
use quarry_storage::disk::FaultDisk;
use quarry_storage::{Config, IsolationLevel, Storage};
use quarry_types::{Datum, IoContext, SqlType, TypeRef, oids};
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
const PUBLIC: Oid = Oid(2200);
const SUPERUSER: Oid = Oid(10);

fn key(column: usize, ty: SqlType, descending: bool) -> IndexKey {
    let text = ty.oid == oids::TEXT;
    IndexKey {
        column: Some(column),
        expr_sql: None,
        ty,
        opclass: Oid(if text { 3126 } else { 1978 }),
        collation: Oid(if text { 950 } else { 0 }),
        descending,
        nulls_first: descending,
    }
}

struct Server {
    storage: Arc<Storage>,
    catalog: Arc<Catalog>,
    temp_dir: std::path::PathBuf,
    /// The most temporary files seen at once, where that is asked.
    files: Option<std::cell::Cell<usize>>,
    /// Executions that had the operators of one before.
    kept: std::cell::Cell<usize>,
}

impl Server {
    fn new() -> Server {
        let config = Config { shared_buffers_bytes: 64 << 20, ..Config::default() };
        let storage = Storage::create(Arc::new(FaultDisk::new()), config).expect("create");
        let catalog = Catalog::bootstrap(&storage).expect("bootstrap");
        let temp_dir = std::env::temp_dir().join("quarry-executor-test");
        Server { storage, catalog, temp_dir, files: None, kept: Default::default() }
    }

    /// With `item(id int4 primary key, k int4, name text, price int4)`, indexed by (k, name desc) including price and by name,
    /// and `part(pid int4 primary key, item int4, note text)`, indexed by item.
    fn with_tables() -> Server {
        let server = Server::new();
        let txn = Arc::new(server.storage.begin(IsolationLevel::ReadCommitted));
        let w = server.catalog.writer(DB, &txn, &SessionView::superuser());
        let table = |name: &str, columns: &[(&str, SqlType)]| {
            let mut r = NewRelation::new(name, PUBLIC, RelKind::Table, SUPERUSER);
            for (i, (name, ty)) in columns.iter().enumerate() {
                let mut c = NewColumn::new(*name, *ty);
                c.not_null = i == 0;
                r.columns.push(c);
            }
            let r = w.create_relation(&r).expect("table");
            let name = format!("{name}_pkey");
            let mut i = NewIndex::new(&name, r.oid);
            (i.unique, i.primary, i.for_constraint) = (true, true, true);
            i.keys = vec![key(0, columns[0].1, false)];
            let index = w.create_index(&i).expect("index").oid;
            let kind = ConstraintKind::PrimaryKey { index };
            w.create_constraint(&NewConstraint::new(&name, r.oid, kind, vec![0])).expect("constraint");
            r.oid
        };
        let item = table(
            "item",
            &[("id", SqlType::INT4), ("k", SqlType::INT4), ("name", SqlType::TEXT), ("price", SqlType::INT4)],
        );
        let mut i = NewIndex::new("item_k_name", item);
        i.keys = vec![key(1, SqlType::INT4, false), key(2, SqlType::TEXT, true)];
        i.include = vec![3];
        w.create_index(&i).expect("index");
        let mut i = NewIndex::new("item_name", item);
        i.keys = vec![key(2, SqlType::TEXT, false)];
        w.create_index(&i).expect("index");
        let part = table("part", &[("pid", SqlType::INT4), ("item", SqlType::INT4), ("note", SqlType::TEXT)]);
        let mut i = NewIndex::new("part_item", part);
        i.keys = vec![key(1, SqlType::INT4, false)];
        w.create_index(&i).expect("index");
        if let Some(lsn) = txn.commit().expect("commit") {
            server.storage.wal().wait_durable_blocking(lsn).expect("durable");
        }
        for sql in [
            "insert into item select x, nullif(x % 50, 49), 'n' || (x * 7919 % 5000), x % 1000 from generate_series(1, 5000) x",
            "insert into part select x, x * 13 % 6000, 'note ' || x from generate_series(1, 3000) x",
            "update item set price = price + 1 where id % 10 = 0",
            "update item set k = 7 where id % 500 = 1",
            "delete from item where id % 100 = 3",
        ] {
            server
                .run(sql, 4 << 20, &PlannerSettings::default())
                .unwrap_or_else(|e| panic!("{sql}: {}", e.message()));
        }
        server
    }

    fn env(&self, memory: usize) -> ExecEnv {
        let txn = Arc::new(self.storage.begin(IsolationLevel::ReadCommitted));
        let reader = Arc::new(self.catalog.reader(DB, &txn, &SessionView::superuser()));
        ExecEnv {
            storage: self.storage.clone(),
            snapshot: txn.statement_snapshot(),
            crosscheck: None,
            txn,
            reader,
            session: Arc::new(Env),
            io: IoContext::default(),
            params: Arc::from(Vec::<Datum>::new()),
            work_mem_bytes: memory,
            hash_mem_bytes: memory,
            temp_dir: self.temp_dir.as_path().into(),
            instrument: false,
            sql_runner: None,
            deferred: Arc::new(Mutex::new(DeferredQueue::default())),
        }
    }

    fn run(&self, sql: &str, memory: usize, settings: &PlannerSettings) -> Result<Vec<String>> {
        Ok(self.run_measured(sql, memory, settings)?.0)
    }

    /// The rows, and the most bytes that an operator accounted for at once.
    fn run_measured(
        &self,
        sql: &str,
        memory: usize,
        settings: &PlannerSettings,
    ) -> Result<(Vec<String>, usize)> {
        let mut peak = 0;
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
                bind_stored: quarry_sql::bind::bind_for_planning,
                hints: None,
            };
            let statement =
                quarry_optimizer::plan(bound.plan, bound.meta, bound.output, bound.params, &optimizer)?;
            if std::env::var("PLAN").is_ok() {
                eprintln!("{statement:#?}");
            }
            let types: Vec<_> =
                statement.output.iter().map(|(_, _, t)| io.type_ref(t.oid)).collect::<Result<_>>()?;
            let statement = Arc::new(statement);
            let mut execution = Execution::start(statement.clone(), env.clone())?;
            let before = lines.len();
            self.read(&mut execution, &types, &mut lines)?;
            peak = peak.max(execution.peak_bytes());
            // Operators that can be used again give the same again, to another transaction.
            if statement.read_only && self.files.is_none() {
                let mut tree = execution.into_tree();
                for _ in 0..2 {
                    let Some(kept) = tree.take() else { break };
                    self.kept.set(self.kept.get() + 1);
                    let mut execution = Execution::start_in(kept, statement.clone(), self.env(memory));
                    let mut again = vec![];
                    self.read(&mut execution, &types, &mut again)?;
                    assert_eq!(lines[before..], again, "{sql}");
                    tree = execution.into_tree();
                }
            }
        }
        if let Some(lsn) = env.txn.commit()? {
            self.storage.wal().wait_durable_blocking(lsn)?;
        }
        Ok((lines, peak))
    }

    /// Runs to the end; appends the rows.
    fn read(&self, execution: &mut Execution, types: &[TypeRef], lines: &mut Vec<String>) -> Result<()> {
        while let Some(b) = execution.next()? {
            if let Some(most) = &self.files {
                most.set(most.get().max(files_in(&self.temp_dir)));
            }
            let io = execution.env().io();
            for r in b.rows().iter() {
                let mut line = String::new();
                for (i, (c, t)) in b.columns.iter().zip(types).enumerate() {
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
        execution.finish()
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
    let server = if file == "tables.out" { Server::with_tables() } else { Server::new() };
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

/// Set operations and DISTINCT aggregates over much more than the memory allowed: right answers, and never much more held than
/// allowed (a batch of input comes on top before anything is written out).
#[test]
fn set_operations_and_distinct_aggregates_keep_to_their_memory() {
    const MEMORY: usize = 256 << 10;
    let server = Server::new();
    let settings = PlannerSettings { enable_sort: false, ..PlannerSettings::default() };
    let wide = "'some longer text that takes its place in memory ' || x";
    let queries = [
        (
            format!(
                "select count(*), sum(length(t)) from (select {wide} as t from generate_series(1,30000) x \
                 intersect select {wide} from generate_series(15001,45000) x) s"
            ),
            "15000|795000",
        ),
        (
            format!(
                "select count(*), sum(length(t)) from (select {wide} as t from generate_series(1,30000) x \
                 except all select {wide} from generate_series(10001,45000) x) s"
            ),
            "10000|518894",
        ),
        (format!("select count(distinct {wide}), count(*) from generate_series(1,40000) x"), "40000|40000"),
        (
            format!(
                "select sum(n) from (select x % 3 as g, count(distinct {wide}) as n \
                 from generate_series(1,40000) x group by 1) s"
            ),
            "40000",
        ),
        (
            format!(
                "select length(string_agg(distinct t, ',' order by t)), count(*) \
                 from (select {wide} as t from generate_series(1,20000) x) s"
            ),
            "1068893|20000",
        ),
    ];
    for (sql, expected) in queries {
        let (rows, peak) =
            server.run_measured(&sql, MEMORY, &settings).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(rows, [expected], "{sql}");
        assert!(peak < 4 * MEMORY, "{sql}: {peak} bytes");
    }
}

/// Hash joins in which nearly all rows of both sides have one key, with little memory: spreading them over partitions doesn't help, and
/// the inner side is taken in pieces. The answers are PostgreSQL's.
#[test]
fn one_key_of_most_rows_is_joined_in_pieces() {
    const MEMORY: usize = 32 << 10;
    let server = Server::new();
    let settings = PlannerSettings {
        enable_mergejoin: false,
        enable_nestloop: false,
        hash_mem_multiplier: 1.0,
        work_mem: 32.0,
        runtime_filters: false,
        ..PlannerSettings::default()
    };
    let side = |rows: u32, other: &str| {
        format!(
            "(select case when x % 10 > 0 then 1 else x {other} end as k, x as n, \
             'a text that takes some place in memory, so that rows are wide ' || x as t \
             from generate_series(1,{rows}) x)"
        )
    };
    let (l, r) = (side(600, "+ 5"), side(2000, ""));
    let queries = [
        (
            format!("select count(*), sum(l.n), sum(length(r.t)) from {l} l join {r} r on l.k = r.k"),
            "972000|291600000|63612540",
        ),
        (
            format!("select count(*), sum(l.n), sum(r.n) from {l} l left join {r} r on l.k = r.k"),
            "972060|291618300|972000000",
        ),
        (
            format!("select count(*), sum(l.n), sum(r.n) from {l} l right join {r} r on l.k = r.k"),
            "972200|291600000|972201000",
        ),
        (
            format!("select count(*), sum(l.n), sum(r.n) from {l} l full join {r} r on l.k = r.k"),
            "972260|291618300|972201000",
        ),
        (
            format!(
                "select count(*), sum(l.n) from {l} l full join {r} r on l.k = r.k and (l.n + r.n) % 1000 = 7"
            ),
            "2120|324180",
        ),
        (
            format!(
                "select count(*), sum(n) from {l} l where exists (select from {r} r where r.k = l.k and r.n > l.n + 1990)"
            ),
            "8|36",
        ),
        (
            format!(
                "select count(*), sum(n) from {l} l where not exists (select from {r} r where r.k = l.k and r.n > l.n + 1990)"
            ),
            "592|180264",
        ),
    ];
    for (sql, expected) in queries {
        let (rows, peak) =
            server.run_measured(&sql, MEMORY, &settings).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(rows, [expected], "{sql}");
        // A batch of input comes on top before anything is written out.
        assert!(peak < MEMORY + (320 << 10), "{sql}: {peak} bytes");
    }
}

/// Hash joins with too little memory for their inner side, where one value is that of many outer rows: these rows are joined as they
/// come, whether a partition of the inner side fits into memory or a single key's rows alone. The answers are PostgreSQL's.
#[test]
fn frequent_outer_values_write_less() {
    let server = Server::new();
    let settings = PlannerSettings {
        enable_mergejoin: false,
        enable_nestloop: false,
        hash_mem_multiplier: 1.0,
        work_mem: 32.0,
        runtime_filters: false,
        ..PlannerSettings::default()
    };
    let l = "(select case when x % 5 < 2 then 1 else x end as k, x as n from generate_series(1,40000) x offset 0)";
    let r = "(select x as k, x as n, 'a text that takes some place in memory ' || x as t from generate_series(1,20000) x \
             offset 0)";
    let queries = [
        (
            format!("select count(*), sum(l.n), sum(length(r.t)) from {l} l join {r} r on l.k = r.k"),
            "28000|440014000|1161334",
        ),
        (
            format!("select count(*), sum(l.n), sum(r.n) from {l} l left join {r} r on l.k = r.k"),
            "40000|800020000|120022000",
        ),
        (
            format!("select count(*), sum(l.n), sum(r.n) from {l} l right join {r} r on l.k = r.k"),
            "35999|440014000|200025999",
        ),
        (
            format!("select count(*), sum(l.n), sum(r.n) from {l} l full join {r} r on l.k = r.k"),
            "47999|800020000|200025999",
        ),
        (
            format!(
                "select count(*), sum(n) from {l} l \
                 where exists (select from {r} r where r.k = l.k and length(r.t) > 9)"
            ),
            "28000|440014000",
        ),
        (
            format!(
                "select count(*), sum(n) from {l} l \
                 where not exists (select from {r} r where r.k = l.k and length(r.t) > 9)"
            ),
            "12000|360006000",
        ),
        (
            format!("select count(*), sum(n) from {r} r where exists (select from {l} l where r.k = l.k)"),
            "12001|120006001",
        ),
        (
            format!(
                "select count(*), sum(n) from {r} r where not exists (select from {l} l where r.k = l.k)"
            ),
            "7999|80003999",
        ),
    ];
    for memory in [16 << 10, 128 << 10] {
        for (sql, expected) in &queries {
            assert_eq!(server.answer(sql, memory, &settings), [*expected], "{sql}");
        }
    }
    let written = |key: &str| {
        let l = format!(
            "(select {key} as k, 'a text that takes some place on the disk ' || x as t from generate_series(1,200000) x offset 0)"
        );
        let r = "(select x as k, 'a text that takes some place in memory ' || x as t from generate_series(1,60000) x \
                 offset 0)";
        let before = quarry_common::usage::now();
        let sql = format!("select count(r.t), count(l.t) from {l} l join {r} r on l.k = r.k");
        server.answer(&sql, 256 << 10, &settings);
        quarry_common::usage::now().since(&before).temp_written
    };
    let (skewed, even) = (written("case when x % 5 < 2 then 1 else x end"), written("x"));
    assert!(skewed * 10 < even * 8, "{skewed} bytes, {even} without a frequent value");
}

/// PostgreSQL refuses full joins by conditions that can be neither merged nor hashed by; the answers are those of a left join together with
/// the right side's other rows.
#[test]
fn full_joins_take_any_condition() {
    let server = Server::new();
    let (l, r) = ("generate_series(1,50) a(x)", "generate_series(30,90) b(y)");
    for memory in [4 << 20, 1 << 10] {
        for (condition, expected) in
            [("a.x > b.y", "281|240|251|9635|10500"), ("false", "111|50|61|1275|3660")]
        {
            let sql = format!(
                "select count(*), count(a.x), count(b.y), sum(a.x), sum(b.y) from {l} full join {r} on {condition}"
            );
            assert_eq!(server.answer(&sql, memory, &PlannerSettings::default()), [expected], "{sql}");
        }
    }
}

fn files_in(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |files| files.count())
}

/// Every kind of window call and a recursive UNION over more than the memory allowed: PostgreSQL's answers, rows in files meanwhile,
/// no file afterwards; and no file where everything fits.
#[test]
fn windows_and_recursive_unions_write_files() {
    const MEMORY: usize = 64 << 10;
    let temp_dir = std::env::temp_dir().join(format!("quarry-spill-test-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&temp_dir);
    let mut server = Server::new();
    server.temp_dir.clone_from(&temp_dir);
    let rows = "(select x, x / 7 as k, 'a text of some length ' || x as t from generate_series(1, 4000) x offset 0) q";
    let window = |call: &str, clause: &str| format!("select x, {call} over ({clause}), t from {rows}");
    let queries = [
        (window("lag(x, 1000, 0)", "order by x"), "3999|2999"),
        (window("lead(t)", "order by x"), "3999|a text of some length 4000"),
        (window("first_value(t)", "order by k"), "3999|a text of some length 1"),
        (
            window("last_value(x)", "order by x rows between 3 preceding and 2 preceding exclude ties"),
            "3999|3997",
        ),
        (window("nth_value(x, 3)", "order by k range between 10 preceding and 5 preceding"), "3999|3929"),
        (window("ntile(7)", "order by x"), "3999|7"),
        (window("percent_rank()", "order by k"), "3999|0.9992498124531133"),
        (window("cume_dist()", "order by k"), "3999|1"),
        (
            window("sum(x)", "order by k groups between 1 preceding and current row exclude group"),
            "3999|27951",
        ),
        (window("max(x)", "order by x rows between 5 preceding and 1 following"), "3999|4000"),
        (
            "with recursive r(n, t) as (select 3999, repeat('x', 20) union \
             select (n * 3 + 1) % 7919, t || (n % 10) from r where length(t) < 1500) \
             select n, length(t) from r"
                .to_owned(),
            "3999|20",
        ),
    ];
    for (sql, line) in &queries {
        for (memory, spills) in [(MEMORY, true), (64 << 20, false)] {
            server.files = Some(std::cell::Cell::new(0));
            let (rows, peak) = server
                .run_measured(sql, memory, &PlannerSettings::default())
                .unwrap_or_else(|e| panic!("{sql}: {e}"));
            assert!(
                rows.iter().any(|r| r == line || *r == format!("{line}|a text of some length 3999")),
                "{sql}: {:?}",
                rows.iter().find(|r| r.starts_with("3999|"))
            );
            let files = server.files.as_ref().map_or(0, std::cell::Cell::get);
            assert_eq!(files > 0, spills, "{sql}: {files} files");
            assert_eq!(files_in(&temp_dir), 0, "{sql}");
            assert!(!spills || peak < 16 * MEMORY, "{sql}: {peak} bytes");
        }
    }
    let _ = std::fs::remove_dir_all(&temp_dir);
}

/// Windows over partitions much larger than the memory allowed, with PostgreSQL's answers.
#[test]
fn running_windows_keep_to_their_memory() {
    const MEMORY: usize = 256 << 10;
    let server = Server::new();
    let settings = PlannerSettings::default();
    let queries = [
        (
            "select count(*), sum(n), sum(r), sum(d), sum(s), sum(c), max(m) from (select row_number() over w n, rank() over w r, dense_rank() over w d, sum(x) over w s, count(*) filter (where x % 3 = 0) over w c, max(t) over w m from (select x % 2 as p, x / 7 as o, x, 'some longer text that takes its place in memory ' || x as t from generate_series(1,30000) x) q window w as (partition by p order by o)) z",
            "30000|225015000|224976432|64305000|2250916111776|75012858|some longer text that takes its place in memory 9999",
        ),
        (
            "select count(*), sum(n), sum(r), sum(s), max(m) from (select row_number() over w n, rank() over w r, sum(x) over w s, max(t) over w m from (select x % 2 as p, x / 7 as o, x, 'some longer text that takes its place in memory ' || x as t from generate_series(1,30000) x) q window w as (partition by p order by o, x rows unbounded preceding)) z",
            "30000|225015000|225015000|2250337512500|some longer text that takes its place in memory 9999",
        ),
        (
            "select count(*), sum(s), sum(a), count(distinct m) from (select sum(x) over w s, avg(x) over w a, min(t) over w m from (select x % 2 as p, x / 7 as o, x, 'some longer text that takes its place in memory ' || x as t from generate_series(1,30000) x) q window w as (partition by p)) z",
            "30000|6750225000000|450015000.000000000000|2",
        ),
        (
            "select count(*), sum(s), sum(a) from (select sum(x) over w s, count(x) over w a from (select x % 2 as p, x / 7 as o, x, 'some longer text that takes its place in memory ' || x as t from generate_series(1,30000) x) q window w as (partition by p order by o groups between unbounded preceding and current row)) z",
            "30000|2250916111776|225053568",
        ),
    ];
    for (sql, expected) in queries {
        let (rows, peak) =
            server.run_measured(sql, MEMORY, &settings).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(rows, [expected], "{sql}");
        assert!(peak < 4 * MEMORY, "{sql}: {peak} bytes");
        // The same where everything fits.
        let (rows, _) =
            server.run_measured(sql, 64 << 20, &settings).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(rows, [expected], "{sql}");
    }
}

#[test]
fn tables_are_read_by_every_way() {
    check("tables.out", 4 << 20, PlannerSettings::default());
    let no_indexes = PlannerSettings {
        enable_indexscan: false,
        enable_indexonlyscan: false,
        enable_bitmapscan: false,
        enable_hashjoin: false,
        enable_nestloop: false,
        ..PlannerSettings::default()
    };
    check("tables.out", 64 << 10, no_indexes);
    let indexes = PlannerSettings {
        enable_seqscan: false,
        enable_bitmapscan: false,
        enable_sort: false,
        enable_hashjoin: false,
        ..PlannerSettings::default()
    };
    check("tables.out", 4 << 20, indexes);
    let bitmaps = PlannerSettings {
        enable_seqscan: false,
        enable_indexscan: false,
        enable_indexonlyscan: false,
        enable_hashjoin: false,
        ..PlannerSettings::default()
    };
    check("tables.out", 4 << 20, bitmaps);
}

#[test]
fn operators_of_short_statements_are_used_again() {
    let server = Server::with_tables();
    let settings = PlannerSettings {
        enable_seqscan: false,
        enable_bitmapscan: false,
        enable_hashjoin: false,
        enable_mergejoin: false,
        enable_memoize: false,
        ..PlannerSettings::default()
    };
    for sql in [
        "select name from item where id between 10 and 20",
        "select sum(price), count(k) from item where id between 10 and 20",
        "select name from item where id between 10 and 20 order by name",
        "select distinct name from item where id between 10 and 20 order by name",
        "select id, price from item where k = 7 order by name desc limit 5 offset 1",
        "select price from item where k = 7 and name > 'n4'",
        "select i.name, p.note from part p join item i on i.id = p.item where p.pid between 5 and 9",
        "select 1 where 2 > 1",
    ] {
        let before = server.kept.get();
        server.run(sql, 4 << 20, &settings).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(server.kept.get() - before, 2, "{sql}");
    }
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
    let server = Server::with_tables();
    for query in std::fs::read_to_string(file).expect("file").lines().filter(|l| !l.trim().is_empty()) {
        println!("\u{1}{query}");
        server.answer(query, 4 << 20, &PlannerSettings::default()).iter().for_each(|l| println!("{l}"));
    }
}
