//! The short path of single-row statements over an in-memory database: its results, its errors, what it does when somebody
//! else has changed the row meanwhile.

use parking_lot::Mutex;
use quarry_catalog::defs::{ConstraintKind, IndexKey, RelKind};
use quarry_catalog::{Catalog, SessionView};
use quarry_catalog::{NewColumn, NewConstraint, NewIndex, NewRelation};
use quarry_common::{Oid, Result};
use quarry_executor::fastpath::{FastPlan, Place};
use quarry_executor::{DeferredQueue, ExecEnv, Execution, eval::Folder};
use quarry_functions::SessionEnv;
use quarry_plan::Statement;
use quarry_storage::disk::FaultDisk;
use quarry_storage::{Config, IsolationLevel, Storage};
use quarry_types::{Datum, IoContext, SqlType, oids};
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
const INT4_OPS: Oid = Oid(1978);
const TEXT_OPS: Oid = Oid(3126);

struct Server {
    storage: Arc<Storage>,
    catalog: Arc<Catalog>,
}

fn key(column: usize, ty: SqlType) -> IndexKey {
    let text = ty.oid == oids::TEXT;
    IndexKey {
        column: Some(column),
        expr_sql: None,
        ty,
        opclass: if text { TEXT_OPS } else { INT4_OPS },
        collation: if text { Oid(100) } else { Oid::INVALID },
        descending: false,
        nulls_first: false,
    }
}

impl Server {
    /// With `t(a int4, b text, n int4, primary key (a, b))` and `u(id int4 primary key, n int4 not null, s text)`.
    fn new() -> Server {
        let config = Config { shared_buffers_bytes: 64 << 20, ..Config::default() };
        let storage = Storage::create(Arc::new(FaultDisk::new()), config).expect("create");
        let catalog = Catalog::bootstrap(&storage).expect("bootstrap");
        let txn = Arc::new(storage.begin(IsolationLevel::ReadCommitted));
        let w = catalog.writer(DB, &txn, &SessionView::superuser());
        let table = |name: &str, columns: &[(&str, SqlType, bool)], keys: &[usize]| {
            let mut r = NewRelation::new(name, PUBLIC, RelKind::Table, SUPERUSER);
            for (name, ty, not_null) in columns {
                let mut c = NewColumn::new(*name, *ty);
                c.not_null = *not_null;
                r.columns.push(c);
            }
            let r = w.create_relation(&r).expect("table");
            let name = format!("{name}_pkey");
            let mut i = NewIndex::new(&name, r.oid);
            (i.unique, i.primary, i.for_constraint) = (true, true, true);
            i.keys = keys.iter().map(|k| key(*k, columns[*k].1)).collect();
            let index = w.create_index(&i).expect("index").oid;
            let kind = ConstraintKind::PrimaryKey { index };
            w.create_constraint(&NewConstraint::new(&name, r.oid, kind, keys.to_vec())).expect("constraint");
        };
        table(
            "t",
            &[("a", SqlType::INT4, true), ("b", SqlType::TEXT, true), ("n", SqlType::INT4, false)],
            &[0, 1],
        );
        table(
            "u",
            &[("id", SqlType::INT4, true), ("n", SqlType::INT4, true), ("s", SqlType::TEXT, false)],
            &[0],
        );
        txn.commit().expect("commit");
        Server { storage, catalog }
    }

    fn begin(&self, isolation: IsolationLevel) -> ExecEnv {
        let txn = Arc::new(self.storage.begin(isolation));
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
            work_mem_bytes: 4 << 20,
            hash_mem_bytes: 4 << 20,
            temp_dir: std::env::temp_dir().join("quarry-executor-test").into(),
            instrument: false,
            sql_runner: None,
            deferred: Arc::new(Mutex::new(DeferredQueue::default())),
        }
    }

    /// Snapshots show what is durable.
    fn commit(&self, env: &ExecEnv) -> Result<()> {
        match env.txn.commit()? {
            Some(lsn) => self.storage.wal().wait_durable_blocking(lsn),
            None => Ok(()),
        }
    }

    /// Runs one statement in a transaction of its own.
    fn run(&self, sql: &str, params: &[Datum]) -> Result<(u64, Vec<String>)> {
        let env = self.begin(IsolationLevel::ReadCommitted);
        let result = run_in(&env, sql, params)?;
        self.commit(&env)?;
        Ok(result)
    }
}

fn plan(env: &ExecEnv, sql: &str, params: &[Datum]) -> Result<Arc<Statement>> {
    let types: Vec<Oid> =
        params.iter().map(|p| if matches!(p, Datum::Bytes(_)) { oids::TEXT } else { oids::INT4 }).collect();
    let parsed = quarry_sql::parse::parse_statements(sql)?;
    let io = env.io();
    let cx = quarry_sql::bind::BindContext {
        reader: &env.reader,
        io: &io,
        param_types: &types,
        params_allowed: false,
    };
    let bound = quarry_sql::bind::bind_statement(&parsed[0].stmt, &cx)?;
    let folder = Folder::new(env);
    let optimizer = quarry_optimizer::OptimizerEnv {
        catalog: &env.reader,
        settings: Default::default(),
        folder: &folder,
        bind_stored: quarry_sql::bind::bind_for_planning,
        hints: None,
    };
    Ok(Arc::new(quarry_optimizer::plan(bound.plan, bound.meta, bound.output, bound.params, &optimizer)?))
}

/// Runs a statement, which must have a short path: count, and rows as text.
fn run_in(env: &ExecEnv, sql: &str, params: &[Datum]) -> Result<(u64, Vec<String>)> {
    let statement = plan(env, sql, params)?;
    let fast = FastPlan::prepare(&statement)
        .unwrap_or_else(|| panic!("no short path: {sql}\n{:#?}", statement.plan));
    run_plan(&fast, &statement, env, params)
}

fn run_plan(
    fast: &FastPlan,
    statement: &Statement,
    env: &ExecEnv,
    params: &[Datum],
) -> Result<(u64, Vec<String>)> {
    let env = ExecEnv { params: Arc::from(params.to_vec()), ..env.clone() };
    let io = env.io();
    let mut place = Place::new(env.clone());
    let mut lines = vec![];
    let count = fast.run(&mut place, &io, &mut |row| {
        let values: Result<Vec<String>> = row
            .iter()
            .zip(&statement.output)
            .map(
                |(v, (_, _, ty))| {
                    if v.is_null() { Ok("null".into()) } else { io.type_ref(ty.oid)?.output_string(v, &io) }
                },
            )
            .collect();
        lines.push(values?.join("|"));
        Ok(())
    })?;
    Ok((count.expect("few rows"), lines))
}

/// Rows of a statement that runs the normal way.
fn all(s: &Server, sql: &str) -> Vec<String> {
    let env = s.begin(IsolationLevel::ReadCommitted);
    let statement = plan(&env, sql, &[]).expect("plan");
    let mut execution = Execution::start(statement, env.clone()).expect("start");
    let mut lines = vec![];
    while let Some(b) = execution.next().expect("next") {
        for r in b.rows().iter() {
            let values: Vec<String> = b.columns.iter().map(|c| format!("{:?}", c.datum(r))).collect();
            lines.push(values.join("|"));
        }
    }
    lines
}

fn one(line: &str) -> (u64, Vec<String>) {
    (1, vec![line.to_string()])
}

fn none() -> (u64, Vec<String>) {
    (0, vec![])
}

#[test]
fn rows_are_inserted_found_changed_and_deleted() {
    let s = Server::new();
    let int = Datum::I32;
    for (id, text) in [(1, "one"), (2, "two"), (3, "three")] {
        let params = [int(id), Datum::text(text)];
        assert_eq!(s.run("insert into u values ($1, $1 * 10, $2)", &params).unwrap(), (1, vec![]));
    }
    assert_eq!(s.run("select * from u where id = $1", &[int(2)]).unwrap(), one("2|20|two"));
    assert_eq!(s.run("select upper(s), n + 1 from u where id = 3", &[]).unwrap(), one("THREE|31"));
    assert_eq!(s.run("select s from u where id = $1 and n > 20", &[int(2)]).unwrap(), none());
    assert_eq!(s.run("select s from u where id = $1", &[int(9)]).unwrap(), none());
    assert_eq!(s.run("select s from u where id = $1", &[Datum::Null]).unwrap(), none());
    assert_eq!(s.run("update u set n = n + $2 where id = $1", &[int(1), int(5)]).unwrap(), (1, vec![]));
    assert_eq!(s.run("update u set n = 0 where id = $1 and n = 10", &[int(1)]).unwrap(), none());
    assert_eq!(s.run("select n from u where id = 1", &[]).unwrap(), one("15"));
    assert_eq!(s.run("delete from u where id = $1", &[int(2)]).unwrap(), (1, vec![]));
    assert_eq!(s.run("delete from u where id = $1", &[int(2)]).unwrap(), none());
    assert_eq!(s.run("select n from u where id = 2", &[]).unwrap(), none());
    assert_eq!(all(&s, "select id, n from u order by id"), ["I32(1)|I32(15)", "I32(3)|I32(30)"]);
}

#[test]
fn a_key_may_have_several_columns_and_change() {
    let s = Server::new();
    s.run("insert into t values (1, 'x', 5)", &[]).unwrap();
    s.run("insert into t (b, a) values ('y', 1)", &[]).unwrap();
    assert_eq!(s.run("select n, a from t where b = 'y' and a = 1", &[]).unwrap(), one("null|1"));
    assert_eq!(s.run("update t set b = 'z' where a = 1 and b = 'y'", &[]).unwrap(), (1, vec![]));
    assert_eq!(s.run("select n from t where a = 1 and b = 'y'", &[]).unwrap(), none());
    assert_eq!(s.run("select n from t where a = 1 and b = 'z'", &[]).unwrap(), one("null"));
    let e = s.run("update t set b = 'x' where a = 1 and b = 'z'", &[]).unwrap_err();
    assert_eq!(e.message(), "duplicate key value violates unique constraint \"t_pkey\"");
}

#[test]
fn returning_gives_the_stored_row() {
    let s = Server::new();
    assert_eq!(s.run("insert into u values (1, 2, 'a') returning s, id + n", &[]).unwrap(), one("a|3"));
    assert_eq!(
        s.run("update u set n = n * 7, s = s || 'b' where id = 1 returning *", &[]).unwrap(),
        one("1|14|ab")
    );
    assert_eq!(s.run("delete from u where id = 1 returning n, s", &[]).unwrap(), one("14|ab"));
    assert_eq!(s.run("delete from u where id = 1 returning n, s", &[]).unwrap(), none());
}

#[test]
fn constraints_hold() {
    let s = Server::new();
    s.run("insert into u values (1, 2, 'a')", &[]).unwrap();
    let e = s.run("insert into u values (1, 3, 'b')", &[]).unwrap_err();
    assert_eq!(e.message(), "duplicate key value violates unique constraint \"u_pkey\"");
    let e = s.run("insert into u (id) values (2)", &[]).unwrap_err();
    assert_eq!(e.message(), "null value in column \"n\" of relation \"u\" violates not-null constraint");
    let e = s.run("update u set n = null where id = 1", &[]).unwrap_err();
    assert_eq!(e.message(), "null value in column \"n\" of relation \"u\" violates not-null constraint");
    assert_eq!(all(&s, "select id, n from u"), ["I32(1)|I32(2)"]);
}

#[test]
fn read_committed_follows_a_row_to_its_newest_version() {
    let s = Server::new();
    s.run("insert into u values (1, 10, 'a')", &[]).unwrap();
    // Its statement's snapshot is older than the changes that follow.
    let late = s.begin(IsolationLevel::ReadCommitted);
    s.run("update u set n = n + 1 where id = 1", &[]).unwrap();
    s.run("update u set n = n + 1 where id = 1", &[]).unwrap();
    assert_eq!(run_in(&late, "update u set n = n + 100 where id = 1 returning n", &[]).unwrap(), one("112"));
    s.commit(&late).unwrap();
    assert_eq!(s.run("select n from u where id = 1", &[]).unwrap(), one("112"));

    let late = s.begin(IsolationLevel::ReadCommitted);
    s.run("update u set n = 0 where id = 1", &[]).unwrap();
    assert_eq!(run_in(&late, "update u set s = 'b' where id = 1 and n = 112", &[]).unwrap(), none());
    s.commit(&late).unwrap();

    let late = s.begin(IsolationLevel::ReadCommitted);
    s.run("update u set id = 2 where id = 1", &[]).unwrap();
    assert_eq!(run_in(&late, "delete from u where id = 1", &[]).unwrap(), none());
    s.commit(&late).unwrap();

    let late = s.begin(IsolationLevel::ReadCommitted);
    s.run("delete from u where id = 2", &[]).unwrap();
    assert_eq!(run_in(&late, "update u set n = 5 where id = 2", &[]).unwrap(), none());
    s.commit(&late).unwrap();
    assert!(all(&s, "select id from u").is_empty());
}

#[test]
fn for_update_locks_and_reads_the_newest_version() {
    let s = Server::new();
    s.run("insert into u values (1, 10, 'a')", &[]).unwrap();
    let late = s.begin(IsolationLevel::ReadCommitted);
    s.run("update u set n = 11 where id = 1", &[]).unwrap();
    assert_eq!(run_in(&late, "select n, s from u where id = 1 for update", &[]).unwrap(), one("11|a"));
    let other = s.begin(IsolationLevel::ReadCommitted);
    assert_eq!(run_in(&other, "select n from u where id = 1 for share skip locked", &[]).unwrap(), none());
    let e = run_in(&other, "select n from u where id = 1 for update nowait", &[]).unwrap_err();
    assert_eq!(e.message(), "could not obtain lock on row in relation \"u\"");
    drop(other);
    s.commit(&late).unwrap();
    let late = s.begin(IsolationLevel::ReadCommitted);
    s.run("update u set n = 12 where id = 1", &[]).unwrap();
    assert_eq!(run_in(&late, "select n from u where id = 1 and n = 11 for update", &[]).unwrap(), none());
}

#[test]
fn repeatable_read_does_not() {
    let s = Server::new();
    s.run("insert into u values (1, 10, 'a')", &[]).unwrap();
    s.run("insert into u values (2, 20, 'b')", &[]).unwrap();
    let late = || {
        let env = s.begin(IsolationLevel::RepeatableRead);
        run_in(&env, "select n from u where id = 1", &[]).unwrap();
        env
    };
    let env = late();
    s.run("update u set n = 11 where id = 1", &[]).unwrap();
    assert_eq!(run_in(&env, "select n from u where id = 1", &[]).unwrap(), one("10"));
    let e = run_in(&env, "update u set n = 0 where id = 1", &[]).unwrap_err();
    assert_eq!(e.message(), "could not serialize access due to concurrent update");
    drop(env);
    let env = late();
    s.run("delete from u where id = 2", &[]).unwrap();
    let e = run_in(&env, "delete from u where id = 2", &[]).unwrap_err();
    assert_eq!(e.message(), "could not serialize access due to concurrent delete");
    drop(env);
}

#[test]
fn a_prepared_plan_serves_many_executions_at_once() {
    let s = Server::new();
    s.run("insert into u values (1, 0, 'a')", &[]).unwrap();
    let env = s.begin(IsolationLevel::ReadCommitted);
    let int = Datum::I32;
    let statement = plan(&env, "update u set n = n + $2 where id = $1", &[int(1), int(1)]).unwrap();
    let fast = FastPlan::prepare(&statement).expect("a short path");
    s.commit(&env).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let env = s.begin(IsolationLevel::ReadCommitted);
                    assert_eq!(run_plan(&fast, &statement, &env, &[int(1), int(2)]).unwrap().0, 1);
                    s.commit(&env).unwrap();
                }
            });
        }
    });
    assert_eq!(s.run("select n from u where id = 1", &[]).unwrap(), one("200"));
}

#[test]
fn other_statements_run_the_normal_way() {
    let s = Server::new();
    let env = s.begin(IsolationLevel::ReadCommitted);
    for sql in [
        "select * from u",
        "select * from u where id > 1",
        "select * from t where a = 1",
        "select (select 1 from t limit 1) from u where id = 1",
        "select count(*) from u where id = 1",
        "select relname from pg_class where oid = 1259",
        "insert into u values (1, 2, 'a'), (2, 3, 'b')",
        "insert into u select * from u",
        "insert into u values (1, 2, 'a') on conflict do nothing",
        "update u set n = (select max(n) from t) where id = 1",
        "update u set n = t.n from t where id = 1 and t.a = 2",
        "delete from u where id in (1, 2)",
    ] {
        let statement = plan(&env, sql, &[]).unwrap();
        assert!(FastPlan::prepare(&statement).is_none(), "{sql}");
    }
}
