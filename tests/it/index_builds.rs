//! Indexes made, rebuilt and dropped CONCURRENTLY beside random writers; then every row is looked for through each index and by a
//! sequential scan, and `quarry check` compares the files.
//!
//! Readers do the same all the time, in one snapshot at a time. In some rounds the server is killed in the midst: an index is then
//! not there, or invalid, or complete, and what a half-made one has left can be dropped or built anew.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use quarry_testkit::paths;
use quarry_testkit::psql;
use quarry_testkit::rng::{Rng, Seed};
use quarry_testkit::server::{Options, Server};
use quarry_testkit::temp::TempDir;
use tokio_postgres::{Client, Error};

use crate::support::{connect, run, sqlstate, text, until};

const WRITERS: usize = 5;
const ROWS: i64 = 3000;

/// Indexes that come and go: name, definition, and a condition that all their rows fulfil.
const INDEXES: [(&str, &str, &str); 4] = [
    ("by_k", "INDEX CONCURRENTLY by_k ON t (k, id)", "k > -1"),
    ("by_u", "UNIQUE INDEX CONCURRENTLY by_u ON t (u) INCLUDE (k)", "u > -1"),
    ("by_lower", "INDEX CONCURRENTLY by_lower ON t (lower(v))", "lower(v) > ''"),
    ("by_part", "INDEX CONCURRENTLY by_part ON t (v) WHERE k % 3 = 0", "v > '' AND k % 3 = 0"),
];

#[test]
fn indexes_built_beside_writers_are_complete() {
    let seed = Seed::choose("indexes_built_beside_writers_are_complete");
    println!("seed {}", seed.value());
    let mut rng = seed.rng();
    let dir = TempDir::new("index_builds");
    let data = dir.path().join("data");
    let steps = from_environment("QUARRY_INDEX_STEPS", 60);
    let server = start(&data);
    run(async {
        create(&server).await;
        let load = Load::start(&server, &mut rng);
        let client = connect(&server.url("postgres")).await.unwrap();
        for _ in 0..steps {
            let statement = next_statement(&mut rng);
            if rng.one_in(5) {
                cancelled(&client, &statement, rng.below(60)).await;
            } else {
                attempt(&client, &statement).await.unwrap();
            }
        }
        println!("{} commits, {} comparisons", load.commits(), load.comparisons());
        load.stop().await;
        verify(&server).await;
    });
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    check(&data);
}

#[test]
fn a_crash_in_an_index_build_leaves_no_wrong_index() {
    let seed = Seed::choose("a_crash_in_an_index_build_leaves_no_wrong_index");
    println!("seed {}", seed.value());
    let mut rng = seed.rng();
    let dir = TempDir::new("index_build_crash");
    let data = dir.path().join("data");
    let mut server = start(&data);
    run(create(&server));
    for round in 0..from_environment("QUARRY_CRASH_ROUNDS", 8) {
        run(async {
            let load = Load::start(&server, &mut rng);
            let client = connect(&server.url("postgres")).await.unwrap();
            let killed = load.stopping.clone();
            let mut choices = rng.fork();
            let builder = tokio::spawn(async move {
                loop {
                    let statement = next_statement(&mut choices);
                    if let Err(e) = attempt(&client, &statement).await {
                        assert!(killed.load(Ordering::SeqCst), "{statement}: {e:?}");
                        return statement;
                    }
                }
            });
            tokio::time::sleep(Duration::from_millis(100 + rng.below(900))).await;
            load.stopping.store(true, Ordering::SeqCst);
            server.kill_9();
            let last = builder.await.expect("the builder does not panic");
            println!("round {round}: {} commits, killed in {last}", load.commits());
            load.stop().await;
        });
        server = start(&data);
        run(verify(&server));
    }
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    check(&data);
}

/// A plan whose names were resolved before an index became known, and which was finished after, must not be kept as one that knows it.
#[test]
fn a_plan_made_across_the_steps_of_a_build_is_not_kept() {
    let dir = TempDir::new("index_build_plan");
    let server = start(&dir.path().join("data"));
    run(async {
        let url = server.url("postgres");
        let open = async || connect(&url).await.unwrap();
        let (observer, writer, locker, lister, reader) =
            (open().await, open().await, open().await, open().await, open().await);
        let setup = "CREATE TABLE a (id int PRIMARY KEY, k int); INSERT INTO a VALUES (1, 0), (2, 0);
             CREATE TABLE b (id int); INSERT INTO b VALUES (1)";
        observer.batch_execute(setup).await.unwrap();
        let prepare = "SET plan_cache_mode = force_generic_plan;
             PREPARE w AS UPDATE a SET k = k + 1 FROM b WHERE a.id = b.id; EXECUTE w";
        writer.batch_execute(prepare).await.unwrap();

        // The build waits for a writer, once the index is known.
        lister.batch_execute("BEGIN; LOCK a IN ROW EXCLUSIVE MODE").await.unwrap();
        let builder = {
            let client = open().await;
            tokio::spawn(async move { client.batch_execute("CREATE INDEX CONCURRENTLY by_k ON a (k)").await })
        };
        phase(&observer, "waiting for writers before build").await;

        // Another writer has looked at the indexes, and waits for the lock on its second table.
        locker.batch_execute("BEGIN; LOCK b").await.unwrap();
        let writing = tokio::spawn(async move {
            writer.batch_execute("EXECUTE w").await.unwrap();
            writer
        });
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'b'::regclass AND NOT granted";
        until(&observer, waiting, "1").await;

        // Its plan is made after the index has become one that writers keep.
        reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
        lister.batch_execute("COMMIT").await.unwrap();
        phase(&observer, "waiting for writers before validation").await;
        locker.batch_execute("COMMIT").await.unwrap();
        let writer = writing.await.unwrap();

        // What comes after the validation is in nobody's hands but the writers'.
        phase(&observer, "waiting for old snapshots").await;
        writer.batch_execute("EXECUTE w").await.unwrap();
        reader.batch_execute("COMMIT").await.unwrap();
        builder.await.unwrap().unwrap();
        observer.batch_execute("SET enable_seqscan = off").await.unwrap();
        assert_eq!(text(&observer, "SELECT count(*) FROM a WHERE k = 3").await, "1");
        let check = "CREATE EXTENSION amcheck; SELECT bt_index_check('by_k', true)";
        observer.batch_execute(check).await.unwrap();
    });
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
}

/// Waits until the index build under way has come so far.
async fn phase(client: &Client, wanted: &str) {
    until(client, "SELECT coalesce(max(phase), '') FROM pg_stat_progress_create_index", wanted).await;
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|s| s.parse().ok()).unwrap_or(default)
}

fn start(data: &Path) -> Server {
    let options = Options::default().with("checkpoint_timeout", "30s").with("deadlock_timeout", "50ms");
    Server::start(data, &options).unwrap_or_else(|e| panic!("{e}"))
}

fn check(data: &Path) {
    let mut check = Command::new(paths::server_binary());
    let out = psql::output_within(check.arg("check").arg("-D").arg(data), Duration::from_secs(120));
    let out = out.unwrap_or_else(|e| panic!("{e}"));
    let said = [out.stdout, out.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    assert!(out.status.success(), "quarry check: {}{}", said[0], said[1]);
}

async fn create(server: &Server) {
    let client = connect(&server.url("postgres")).await.unwrap();
    let schema = format!(
        "CREATE TABLE t (id bigint PRIMARY KEY, k int NOT NULL, u bigint NOT NULL, v text NOT NULL, n int NOT NULL DEFAULT 0);
         CREATE SEQUENCE s START 1000000;
         INSERT INTO t SELECT g, g % 100, g, 'v' || g % 500 FROM generate_series(1, {ROWS}) g"
    );
    client.batch_execute(&schema).await.unwrap();
}

/// What is done to some index next. It may not be there, or be there already.
fn next_statement(rng: &mut Rng) -> String {
    let (name, definition, _) = INDEXES[rng.below(INDEXES.len() as u64) as usize];
    match rng.below(8) {
        0..4 => format!("CREATE {definition}"),
        4 => format!("DROP INDEX CONCURRENTLY {name}"),
        5 => format!("REINDEX INDEX CONCURRENTLY {name}"),
        6 => "REINDEX TABLE CONCURRENTLY t".to_owned(),
        _ => "REINDEX INDEX CONCURRENTLY t_pkey".to_owned(),
    }
}

/// Runs a statement on an index. Deadlocks, indexes that are there or not, and old ones with a suffix are no failures.
async fn attempt(client: &Client, statement: &str) -> Result<(), Error> {
    match client.batch_execute(statement).await {
        Err(e) if matches!(sqlstate(&e), "42P07" | "42P01" | "42704" | "40P01" | "57014") => {
            tidy(client).await
        }
        other => other,
    }
}

/// Runs a statement and cancels it soon.
async fn cancelled(client: &Client, statement: &str, after_ms: u64) {
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        token.cancel_query(tokio_postgres::NoTls).await.ok();
    };
    let (done, ()) = tokio::join!(attempt(client, statement), cancel);
    if let Err(e) = done {
        assert_eq!(sqlstate(&e), "57014", "{statement}: {e:?}");
    }
    tidy(client).await.unwrap();
}

/// Drops what half-made indexes have left. A cancel that comes late may hit this.
async fn tidy(client: &Client) -> Result<(), Error> {
    loop {
        let sql = "SELECT i.indexrelid::regclass::text FROM pg_index i WHERE i.indrelid = 't'::regclass AND NOT i.indisvalid";
        let left = match client.query(sql, &[]).await {
            Ok(left) => left,
            Err(e) if sqlstate(&e) == "57014" => continue,
            Err(e) => return Err(e),
        };
        let Some(row) = left.first() else { return Ok(()) };
        match client.batch_execute(&format!("DROP INDEX {}", row.get::<_, String>(0))).await {
            Err(e) if !matches!(sqlstate(&e), "40P01" | "57014") => return Err(e),
            _ => {}
        }
    }
}

/// Writers and readers at work.
struct Load {
    stopping: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
    comparisons: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(server: &Server, rng: &mut Rng) -> Load {
        let mut load = Load {
            stopping: Arc::default(),
            commits: Arc::default(),
            comparisons: Arc::default(),
            tasks: vec![],
        };
        for number in 0..WRITERS + 1 {
            let (url, mut rng) = (server.url("postgres"), rng.fork());
            let stopping = load.stopping.clone();
            let count = if number < WRITERS { load.commits.clone() } else { load.comparisons.clone() };
            load.tasks.push(tokio::spawn(async move {
                let client = match connect(&url).await {
                    Ok(client) => client,
                    Err(e) => return assert!(stopping.load(Ordering::SeqCst), "{e:?}"),
                };
                while !stopping.load(Ordering::SeqCst) {
                    let done = match number < WRITERS {
                        true => write(&client, &mut rng).await,
                        false => compare(&client, &mut rng).await,
                    };
                    match done {
                        Ok(()) => drop(count.fetch_add(1, Ordering::Relaxed)),
                        Err(e) if matches!(sqlstate(&e), "40P01" | "40001") => {
                            client.batch_execute("ROLLBACK").await.ok();
                        }
                        Err(e) => {
                            return assert!(stopping.load(Ordering::SeqCst), "a client failed: {e:?}");
                        }
                    }
                }
            }));
        }
        load
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn comparisons(&self) -> u64 {
        self.comparisons.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.stopping.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("a client does not panic");
        }
    }
}

/// A transaction of a few changes, some of which are undone.
async fn write(client: &Client, rng: &mut Rng) -> Result<(), Error> {
    let in_block = rng.one_in(2);
    if in_block {
        client.batch_execute("BEGIN").await?;
    }
    for _ in 0..if in_block { 1 + rng.below(5) } else { 1 } {
        let (id, k) = (rng.between(1, 2 * ROWS), rng.between(0, 99));
        let change = match rng.below(10) {
            0 => format!(
                "INSERT INTO t SELECT {id}, {k}, nextval('s'), 'new' || {k} WHERE NOT EXISTS (SELECT FROM t WHERE id = {id})
                   ON CONFLICT (id) DO NOTHING"
            ),
            1 => format!(
                "INSERT INTO t VALUES ({id}, {k}, nextval('s'), 'Up{id}') ON CONFLICT (id) DO UPDATE SET k = excluded.k, v = excluded.v"
            ),
            2 => format!("DELETE FROM t WHERE id = {id}"),
            3 => format!("UPDATE t SET k = {k} WHERE id BETWEEN {id} AND {id} + 3"),
            4 => format!("UPDATE t SET u = nextval('s') WHERE id = {id}"),
            5 => format!("UPDATE t SET v = 'w' || {k}, k = k + 1 WHERE id = {id}"),
            6 => format!("SELECT 1 FROM t WHERE id = {id} FOR UPDATE"),
            // These may be HOT.
            _ => format!("UPDATE t SET n = n + 1 WHERE id = {id}"),
        };
        match rng.below(8) {
            0 if in_block => {
                client.batch_execute(&format!("SAVEPOINT a; {change}; ROLLBACK TO a")).await?;
            }
            1 if in_block => client.batch_execute(&format!("SAVEPOINT a; {change}; RELEASE a")).await?,
            _ => client.batch_execute(&change).await?,
        }
    }
    match in_block {
        true if rng.one_in(6) => client.batch_execute("ROLLBACK").await,
        true => client.batch_execute("COMMIT").await,
        false => Ok(()),
    }
}

const BY_TABLE: &str = "SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off";
const BY_INDEX: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on; SET LOCAL enable_indexonlyscan = on; SET LOCAL enable_bitmapscan = on";

/// In one snapshot, an index and the table give the same rows.
async fn compare(client: &Client, rng: &mut Rng) -> Result<(), Error> {
    let (_, _, condition) = INDEXES[rng.below(INDEXES.len() as u64) as usize];
    let sql = format!(
        "SELECT count(*), coalesce(sum(id), 0)::bigint, coalesce(sum(k), 0)::bigint FROM t WHERE {condition}"
    );
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    client.batch_execute("SELECT FROM t WHERE id = 1").await?;
    if rng.one_in(2) {
        // Time for an index to come or go.
        tokio::time::sleep(Duration::from_millis(rng.below(50))).await;
    }
    client.batch_execute(BY_TABLE).await?;
    let table = counts(client, &sql).await?;
    client.batch_execute(BY_INDEX).await?;
    let index = counts(client, &sql).await?;
    client.batch_execute("COMMIT").await?;
    assert_eq!(table, index, "the table, and its index, for {condition}");
    Ok(())
}

async fn counts(client: &Client, sql: &str) -> Result<[i64; 3], Error> {
    let row = client.query_one(sql, &[]).await?;
    Ok([row.get(0), row.get(1), row.get(2)])
}

/// With nobody else at work: what is left half made goes, all indexes are there in the end, and each gives the table's rows.
async fn verify(server: &Server) {
    let client = connect(&server.url("postgres")).await.unwrap();
    for round in 0..2 {
        for (name, definition, condition) in INDEXES {
            let valid = format!(
                "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('{name}') AND indisvalid"
            );
            if round == 1 && text(&client, &valid).await == "0" {
                client.batch_execute(&format!("CREATE {definition}")).await.unwrap();
            }
            let list = format!(
                "SELECT md5(string_agg(concat(id, k, u, v), ',' ORDER BY id)) FROM t WHERE {condition}"
            );
            client.batch_execute(&format!("BEGIN; {BY_TABLE}")).await.unwrap();
            let table = text(&client, &list).await;
            client.batch_execute(BY_INDEX).await.unwrap();
            let plan = client.simple_query(&format!("EXPLAIN {list}")).await.unwrap();
            let used = format!("{plan:?}").contains(name);
            let index = text(&client, &list).await;
            client.batch_execute("COMMIT").await.unwrap();
            assert_eq!(table, index, "round {round}: {name} disagrees with its table");
            assert!(used || round == 0, "{name} is not used: {plan:?}");
        }
        tidy(&client).await.unwrap();
    }
    client.batch_execute("REINDEX TABLE CONCURRENTLY t").await.unwrap();
    let names = text(
        &client,
        "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 't'::regclass",
    );
    assert_eq!(names.await, "by_k by_lower by_part by_u t_pkey");
}
