//! Tables written anew (VACUUM FULL, CLUSTER, ALTER TABLE, REINDEX) beside writers and readers, who wait and then go on with the new
//! files; and the server killed in the midst of it: no row is lost or there twice, and no file is left over or missing.
//!
//! Writers move amounts between rows that are always there, so every statement must find all of them, and a sum of zero.

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

use crate::support::{connect, run, sqlstate, text};

const CLIENTS: usize = 5;
const ROWS: i64 = 1500;

const REWRITES: [&str; 10] = [
    "VACUUM FULL t",
    "VACUUM (FULL, ANALYZE) t",
    "CLUSTER t USING t_v",
    "CLUSTER t USING t_pkey",
    "CLUSTER t",
    "ALTER TABLE t ALTER COLUMN n TYPE bigint",
    "ALTER TABLE t ALTER COLUMN n TYPE int",
    "ALTER TABLE t ADD COLUMN extra text DEFAULT md5(random()::text)",
    "ALTER TABLE t DROP COLUMN IF EXISTS extra",
    "REINDEX TABLE t",
];

#[test]
fn rewrites_beside_writers_lose_nothing() {
    let seed = Seed::choose("rewrites_beside_writers_lose_nothing");
    println!("seed {}", seed.value());
    let mut rng = seed.rng();
    let dir = TempDir::new("rewrites");
    let data = dir.path().join("data");
    let server = start(&data);
    run(async {
        create(&server).await;
        let load = Load::start(&server, &mut rng);
        let client = connect(&server.url("postgres")).await.unwrap();
        for _ in 0..40 {
            rewrite(&client, &mut rng).await.unwrap();
        }
        println!("{} statements", load.statements());
        load.stop().await;
        verify(&server).await;
    });
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    check(&data);
}

#[test]
fn a_crash_in_a_rewrite_loses_no_row_and_no_file() {
    let seed = Seed::choose("a_crash_in_a_rewrite_loses_no_row_and_no_file");
    println!("seed {}", seed.value());
    let mut rng = seed.rng();
    let dir = TempDir::new("rewrite_crash");
    let data = dir.path().join("data");
    let mut server = start(&data);
    run(create(&server));
    let rounds = std::env::var("QUARRY_CRASH_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(8);
    for round in 0..rounds {
        run(async {
            let load = Load::start(&server, &mut rng);
            let client = connect(&server.url("postgres")).await.unwrap();
            let (killed, mut choices) = (load.stopping.clone(), rng.fork());
            let rewriter = tokio::spawn(async move {
                loop {
                    if let Err(e) = rewrite(&client, &mut choices).await {
                        return assert!(killed.load(Ordering::SeqCst), "a rewrite failed: {e:?}");
                    }
                }
            });
            tokio::time::sleep(Duration::from_millis(50 + rng.below(600))).await;
            load.stopping.store(true, Ordering::SeqCst);
            server.kill_9();
            rewriter.await.expect("the rewriter does not panic");
            println!("round {round}: killed after {} statements", load.statements());
            load.stop().await;
        });
        server = start(&data);
        run(verify(&server));
    }
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    check(&data);
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
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v int NOT NULL, long text);
         INSERT INTO t SELECT g, 0, (g * 7919) % 1000,
                CASE WHEN g % 50 = 0 THEN (SELECT string_agg(md5((g + i)::text), '') FROM generate_series(1, 200) i) ELSE repeat('x', 100) END
           FROM generate_series(1, {ROWS}) g;
         CREATE INDEX t_v ON t (v, id);
         CREATE UNIQUE INDEX t_sign ON t ((id * -1));
         ALTER TABLE t CLUSTER ON t_v"
    );
    client.batch_execute(&schema).await.unwrap();
}

async fn rewrite(client: &Client, rng: &mut Rng) -> Result<(), Error> {
    let statement = REWRITES[rng.below(REWRITES.len() as u64) as usize];
    let in_block = !statement.starts_with("VACUUM") && rng.one_in(3);
    let done = match in_block {
        true => {
            let end = if rng.one_in(2) { "COMMIT" } else { "ROLLBACK" };
            client.batch_execute(&format!("BEGIN; {statement}; {end}")).await
        }
        false => client.batch_execute(statement).await,
    };
    match done {
        // A deadlock with a writer; a column that is there already.
        Err(e) if matches!(sqlstate(&e), "40P01" | "42701") => client.batch_execute("ROLLBACK").await,
        other => other,
    }
}

/// Writers and readers at work.
struct Load {
    stopping: Arc<AtomicBool>,
    statements: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(server: &Server, rng: &mut Rng) -> Load {
        let mut load = Load { stopping: Arc::default(), statements: Arc::default(), tasks: vec![] };
        for number in 0..CLIENTS {
            let (url, mut rng) = (server.url("postgres"), rng.fork());
            let (stopping, statements) = (load.stopping.clone(), load.statements.clone());
            load.tasks.push(tokio::spawn(async move {
                let client = match connect(&url).await {
                    Ok(client) => client,
                    Err(e) => return assert!(stopping.load(Ordering::SeqCst), "{e:?}"),
                };
                while !stopping.load(Ordering::SeqCst) {
                    let done = match number {
                        0 => read(&client, &mut rng).await,
                        _ => transfer(&client, &mut rng).await,
                    };
                    match done {
                        Ok(()) => drop(statements.fetch_add(1, Ordering::Relaxed)),
                        Err(e) if matches!(sqlstate(&e), "40P01" | "40001") => {
                            client.batch_execute("ROLLBACK").await.ok();
                        }
                        Err(e) => return assert!(stopping.load(Ordering::SeqCst), "a client failed: {e:?}"),
                    }
                }
            }));
        }
        load
    }

    fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.stopping.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("a client does not panic");
        }
    }
}

async fn transfer(client: &Client, rng: &mut Rng) -> Result<(), Error> {
    let (from, to, amount) = (rng.between(1, ROWS), rng.between(1, ROWS), rng.between(1, 9));
    let move_v = if rng.one_in(4) { ", v = (v + 13) % 1000" } else { "" };
    let end = if rng.one_in(8) { "ROLLBACK" } else { "COMMIT" };
    let change = format!(
        "BEGIN; UPDATE t SET n = n - {amount}{move_v} WHERE id = {from};
         UPDATE t SET n = n + {amount}, long = CASE WHEN id % 50 = 0 THEN long || '.' ELSE long END WHERE id = {to}; {end}"
    );
    client.batch_execute(&change).await
}

const CONDITIONS: [&str; 4] = ["true", "id > 0", "v >= 0", "id * -1 < 0"];

async fn read(client: &Client, rng: &mut Rng) -> Result<(), Error> {
    client
        .batch_execute(if rng.one_in(2) { "SET enable_seqscan = on" } else { "SET enable_seqscan = off" })
        .await?;
    let condition = CONDITIONS[rng.below(4) as usize];
    let sql = format!("SELECT count(*) || ' ' || sum(n) FROM t WHERE {condition}");
    let rows = client.query(&sql, &[]).await?;
    assert_eq!(rows[0].get::<_, String>(0), format!("{ROWS} 0"), "{condition}");
    Ok(())
}

async fn verify(server: &Server) {
    let client = connect(&server.url("postgres")).await.unwrap();
    for seqscan in ["on", "off"] {
        client.batch_execute(&format!("SET enable_seqscan = {seqscan}")).await.unwrap();
        for condition in CONDITIONS {
            let sql = format!(
                "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || sum(n) FROM t WHERE {condition}"
            );
            assert_eq!(text(&client, &sql).await, format!("{ROWS} {ROWS} 0"), "{condition}");
        }
    }
    let broken = "SELECT count(*) FROM t WHERE CASE WHEN id % 50 = 0 THEN left(long, 6400) <>
        (SELECT string_agg(md5((t.id + i)::text), '') FROM generate_series(1, 200) i) ELSE long <> repeat('x', 100) END";
    assert_eq!(text(&client, broken).await, "0", "long values");
}
