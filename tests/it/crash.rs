//! Kill -9 under load, twenty times over one data folder: every acknowledged commit is there, money is conserved,
//! unique and foreign keys hold, and every index tells the same as the table.
//!
//! Eight writers move money between accounts. Each transfer is a row with a token of its own, written in the
//! transaction that changes the two balances; the token is noted as acknowledged only when COMMIT has been answered.
//! A commit that was sent and not answered may have happened or not. `QUARRY_SEED` repeats a run's choices (the
//! moment of the kill counts acknowledged commits, so it's nearly the same moment), `QUARRY_CRASH_ROUNDS` sets how many.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use quarry_testkit::paths;
use quarry_testkit::psql;
use quarry_testkit::rng::{Rng, Seed};
use quarry_testkit::server::{Options, Server};
use quarry_testkit::temp::TempDir;
use tokio_postgres::Client;

use crate::support::{connect, run, sqlstate, text};

const WRITERS: usize = 8;
const ACCOUNTS: i64 = 200;
const START_BALANCE: i64 = 1000;
/// If the writers are slow, the kill comes after this long whatever they have done.
const ROUND_LIMIT: Duration = Duration::from_secs(4);

#[test]
fn crash_under_transfers() {
    let rounds = std::env::var("QUARRY_CRASH_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let seed = Seed::choose("crash_under_transfers");
    let mut rng = seed.rng();
    let dir = TempDir::new("crash");
    let data = dir.path().join("data");
    let mut server = start(&data);
    run(create(&server));
    let acknowledged = Arc::new(Mutex::new(HashSet::new()));
    println!("seed {}", seed.value());
    for round in 0..rounds {
        let kill_after = 20 + rng.below(400);
        let done = run(write_until_killed(server, &mut rng, round, kill_after, &acknowledged));
        server = start(&data);
        run(verify(&server, &acknowledged.lock().unwrap()));
        let total = acknowledged.lock().unwrap().len();
        println!("round {round}: killed after {done} commits, {total} acknowledged in all");
    }
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    let mut check = std::process::Command::new(paths::server_binary());
    let out = psql::output_within(check.arg("check").arg("-D").arg(&data), Duration::from_secs(120));
    let out = out.unwrap_or_else(|e| panic!("{e}"));
    assert!(
        out.status.success(),
        "quarry check: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

fn start(data: &std::path::Path) -> Server {
    // Checkpoints during the load make recovery start at different places.
    let options = Options::default().with("checkpoint_timeout", "30s").with("deadlock_timeout", "20ms");
    Server::start(data, &options).unwrap_or_else(|e| panic!("{e}"))
}

async fn create(server: &Server) {
    let client = connect(&server.url("postgres")).await.unwrap();
    let schema = format!(
        "CREATE TABLE accounts (id int PRIMARY KEY, owner text NOT NULL UNIQUE, balance bigint NOT NULL, filler text);
         CREATE TABLE transfers (token bigint PRIMARY KEY, src int NOT NULL REFERENCES accounts,
                                 dst int NOT NULL REFERENCES accounts, amount bigint NOT NULL, note text);
         CREATE INDEX transfers_src ON transfers (src, amount DESC);
         CREATE INDEX transfers_dst ON transfers (dst);
         CREATE INDEX transfers_amount ON transfers USING hash (amount);
         CREATE INDEX transfers_sides ON transfers USING gin ((ARRAY[src, dst])) WITH (gin_pending_list_limit = 64);
         CREATE INDEX transfers_span ON transfers USING brin (note, token) WITH (pages_per_range = 2);
         INSERT INTO accounts SELECT g, 'owner ' || g, {START_BALANCE}, repeat('x', 100) FROM generate_series(1, {ACCOUNTS}) g;
         CREATE TABLE scratch (k int PRIMARY KEY, v text);"
    );
    client.batch_execute(&schema).await.unwrap();
}

/// Lets the writers run until so many commits are acknowledged, then kills the server. Returns how many there were.
async fn write_until_killed(
    server: Server,
    rng: &mut Rng,
    round: u64,
    kill_after: u64,
    acknowledged: &Arc<Mutex<HashSet<i64>>>,
) -> u64 {
    let commits = Arc::new(AtomicU64::new(0));
    let killed = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let writer = Writer {
            url: server.url("postgres"),
            rng: rng.fork(),
            // Tokens are unique over writers and rounds without asking the server.
            next_token: (round as i64 * WRITERS as i64 + writer as i64) * 1_000_000,
            commits: commits.clone(),
            killed: killed.clone(),
            acknowledged: acknowledged.clone(),
        };
        writers.push(tokio::spawn(writer.work()));
    }
    let enough = async {
        while commits.load(Ordering::Relaxed) < kill_after {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(ROUND_LIMIT, enough).await.ok();
    killed.store(true, Ordering::SeqCst);
    server.kill_9();
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    commits.load(Ordering::Relaxed)
}

struct Writer {
    url: String,
    rng: Rng,
    next_token: i64,
    commits: Arc<AtomicU64>,
    killed: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<HashSet<i64>>>,
}

impl Writer {
    /// Moves money until the connection ends.
    async fn work(mut self) {
        let client = match connect(&self.url).await {
            Ok(client) => client,
            Err(e) => return self.ended(&e),
        };
        loop {
            self.next_token += 1;
            let token = self.next_token;
            let outcome = match self.rng.below(20) {
                0 => client.batch_execute("CHECKPOINT").await.map(|()| false),
                1 => self.scratch(&client).await.map(|()| false),
                _ => self.transfer(&client, token).await,
            };
            match outcome {
                Ok(true) => {
                    self.acknowledged.lock().unwrap().insert(token);
                    self.commits.fetch_add(1, Ordering::Relaxed);
                }
                Ok(false) => {}
                Err(e) if matches!(sqlstate(&e), "40P01" | "40001" | "55P03") => {
                    if let Err(e) = client.batch_execute("ROLLBACK").await {
                        return self.ended(&e);
                    }
                }
                Err(e) => return self.ended(&e),
            }
        }
    }

    /// A connection may only end because of the kill.
    fn ended(&self, error: &tokio_postgres::Error) {
        assert!(self.killed.load(Ordering::SeqCst), "a writer failed before the kill: {error:?}");
    }

    /// One transfer; true if its commit was acknowledged.
    async fn transfer(&mut self, client: &Client, token: i64) -> Result<bool, tokio_postgres::Error> {
        let src = self.rng.between(1, ACCOUNTS);
        let dst = (src - 1 + self.rng.between(1, ACCOUNTS - 1)) % ACCOUNTS + 1;
        let amount = self.rng.between(1, 50);
        let note = "n".repeat(self.rng.below(200) as usize);
        // Mostly in the order of keys; sometimes not, so that deadlocks happen too.
        let (first, second) = if src < dst || self.rng.one_in(10) { (src, dst) } else { (dst, src) };
        client.batch_execute("BEGIN").await?;
        if self.rng.one_in(8) {
            // Work that is undone inside the transaction must stay undone.
            let undone = format!(
                "SAVEPOINT s; UPDATE accounts SET balance = balance + 1000000 WHERE id = {src};
                 INSERT INTO transfers VALUES ({}, {src}, {dst}, 1000000, 'undone'); ROLLBACK TO s",
                -token - 1
            );
            client.batch_execute(&undone).await?;
        }
        for id in [first, second] {
            let by = if id == src { -amount } else { amount };
            client
                .batch_execute(&format!("UPDATE accounts SET balance = balance + {by} WHERE id = {id}"))
                .await?;
        }
        client
            .batch_execute(&format!(
                "INSERT INTO transfers VALUES ({token}, {src}, {dst}, {amount}, '{note}')"
            ))
            .await?;
        if self.rng.one_in(10) {
            client.batch_execute("ROLLBACK").await?;
            return Ok(false);
        }
        client.batch_execute("COMMIT").await?;
        Ok(true)
    }

    /// Rows that come and go, with long values, so that vacuum, TOAST and page splits are in the log too.
    async fn scratch(&mut self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let k = self.rng.between(1, 50);
        let length = 1 + self.rng.below(4000);
        let sql = if self.rng.one_in(4) {
            "DELETE FROM scratch".to_owned()
        } else {
            format!(
                "INSERT INTO scratch VALUES ({k}, (SELECT string_agg(md5(g::text), '') FROM generate_series(1, {length} / 32 + 1) g))
                 ON CONFLICT (k) DO UPDATE SET v = excluded.v"
            )
        };
        client.batch_execute(&sql).await
    }
}

async fn verify(server: &Server, acknowledged: &HashSet<i64>) {
    let client = connect(&server.url("postgres")).await.unwrap();
    let sum: i64 = text(&client, "SELECT sum(balance) FROM accounts").await.parse().unwrap();
    assert_eq!(sum, ACCOUNTS * START_BALANCE, "the sum of all balances changed");

    sequential_only(&client).await;
    let rows = client.query("SELECT token FROM transfers", &[]).await.unwrap();
    let present: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(present.len(), rows.len(), "a token is there twice");
    let lost: Vec<&i64> = acknowledged.difference(&present).collect();
    assert!(lost.is_empty(), "{} acknowledged commits are lost: {lost:?}", lost.len());
    assert!(present.iter().all(|token| *token >= 0), "an undone transfer is there");

    // Each balance is what the transfers say, so both sides of every transaction are there or neither.
    let wrong = text(
        &client,
        &format!(
            "SELECT count(*) FROM (
               SELECT a.id, a.balance, {START_BALANCE} + coalesce(i.s, 0) - coalesce(o.s, 0) AS expected FROM accounts a
               LEFT JOIN (SELECT dst, sum(amount) AS s FROM transfers GROUP BY dst) i ON i.dst = a.id
               LEFT JOIN (SELECT src, sum(amount) AS s FROM transfers GROUP BY src) o ON o.src = a.id) q
             WHERE balance <> expected"
        ),
    )
    .await;
    assert_eq!(wrong, "0", "balances that the transfers do not explain");
    for (what, sql) in [
        (
            "duplicate owners",
            "SELECT count(*) FROM (SELECT owner FROM accounts GROUP BY owner HAVING count(*) > 1) q",
        ),
        ("duplicate ids", "SELECT count(*) FROM (SELECT id FROM accounts GROUP BY id HAVING count(*) > 1) q"),
        ("lost accounts", &format!("SELECT {ACCOUNTS} - count(*) FROM accounts")),
        (
            "transfers without an account",
            "SELECT count(*) FROM transfers t WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = t.src)
               OR NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = t.dst)",
        ),
        ("broken long values", "SELECT count(*) FROM scratch WHERE left(v, 32) <> md5('1')"),
    ] {
        assert_eq!(text(&client, sql).await, "0", "{what}");
    }
    indexes_agree(&client).await;

    // The keys still refuse what they must.
    let error = client.batch_execute("INSERT INTO accounts VALUES (1, 'new', 0)").await.unwrap_err();
    assert_eq!(sqlstate(&error), "23505");
    let error = client.batch_execute("INSERT INTO accounts VALUES (100000, 'owner 1', 0)").await.unwrap_err();
    assert_eq!(sqlstate(&error), "23505");
    let error = client.batch_execute("INSERT INTO transfers VALUES (-1, 1, 100000, 1)").await.unwrap_err();
    assert_eq!(sqlstate(&error), "23503");
    let error = client.batch_execute("BEGIN; DELETE FROM accounts").await.unwrap_err();
    assert_eq!(sqlstate(&error), "23503");
    client.batch_execute("ROLLBACK").await.unwrap();
}

const INDEX_SCANS: [&str; 3] = ["enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"];

async fn sequential_only(client: &Client) {
    let off: String = INDEX_SCANS.iter().map(|name| format!("SET {name} = off;")).collect();
    client.batch_execute(&format!("SET enable_seqscan = on; {off}")).await.unwrap();
}

async fn indexes_only(client: &Client) {
    let on: String = INDEX_SCANS.iter().map(|name| format!("SET {name} = on;")).collect();
    client.batch_execute(&format!("SET enable_seqscan = off; {on}")).await.unwrap();
}

/// The same questions answered by the table and by each of its indexes.
async fn indexes_agree(client: &Client) {
    for sql in [
        "SELECT md5(string_agg(id || ':' || balance, ',' ORDER BY id)) FROM accounts WHERE id > 0",
        "SELECT md5(string_agg(owner || ':' || balance, ',' ORDER BY owner)) FROM accounts WHERE owner > ''",
        "SELECT md5(string_agg(token || ':' || amount, ',' ORDER BY token)) FROM transfers WHERE token > -1",
        "SELECT md5(string_agg(token || ':' || src, ',' ORDER BY token)) FROM transfers WHERE src > 0",
        "SELECT md5(string_agg(token || ':' || dst, ',' ORDER BY token)) FROM transfers WHERE dst > 0",
        "SELECT count(*) FROM transfers WHERE src = 7",
        "SELECT coalesce(sum(amount), 0) FROM transfers WHERE src BETWEEN 20 AND 30 AND amount > 25",
        "SELECT md5(string_agg(token::text, ',' ORDER BY token)) FROM transfers WHERE amount = 7",
        "SELECT md5(string_agg(token::text, ',' ORDER BY token)) FROM transfers WHERE ARRAY[src, dst] @> '{7}'",
        "SELECT count(*), md5(string_agg(token::text, ',' ORDER BY token)) FROM transfers WHERE note > 'nnnn'",
    ] {
        sequential_only(client).await;
        let table = text(client, sql).await;
        indexes_only(client).await;
        let index = text(client, sql).await;
        assert_eq!(table, index, "an index disagrees with its table: {sql}");
    }
    client.batch_execute("RESET ALL").await.unwrap();
}
