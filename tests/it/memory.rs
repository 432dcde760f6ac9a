//! What statements gather: counted by session and for the server, bounded by `quarry.memory_limit`, and given back however a statement ends.

use quarry_testkit::server::{Options, Server};
use tokio_postgres::Client;

use crate::support::{connect, run, sqlstate, text, until};

const MB: u64 = 1 << 20;

/// Sessions that are at work at the same time.
const SESSIONS: usize = 24;

/// Statements that gather far more than the limit leaves them, over `wide`. Those of a name may be made to fail at their end, with what they
/// gathered still there: by `{fail}`, an expression over `n`.
const STATEMENTS: &[(&str, &str)] = &[
    ("sort", "SELECT count(t) + 1, max({fail}) FROM (SELECT t, id AS n FROM wide ORDER BY t, id OFFSET 1) s"),
    (
        "window",
        "SELECT count(r), max({fail}) FROM (SELECT sum(id) OVER (PARTITION BY id % 2 ORDER BY t) AS r, id AS n FROM wide) s",
    ),
    (
        "groups",
        "SELECT count(m), max({fail}) FROM (SELECT t, max(id) AS m, count(*) + max(id) - 1 AS n FROM wide GROUP BY t) s",
    ),
    ("join", "SELECT count(b.t), max({fail}) FROM (SELECT t, id AS n FROM wide) a JOIN wide b USING (t)"),
    ("distinct", "SELECT count(t), max({fail}) FROM (SELECT DISTINCT t, id AS n FROM wide) s"),
    (
        "union",
        "SELECT count(t), max({fail}) FROM (SELECT t, id AS n FROM wide EXCEPT SELECT t || 'x', id FROM wide) s",
    ),
    (
        "cte",
        "WITH w AS MATERIALIZED (SELECT t, id AS n FROM wide) SELECT count(t), max({fail}) FROM w WHERE n > (SELECT min(n) - 1 FROM w)",
    ),
    ("distinct argument", "SELECT count(DISTINCT t), max({fail}) FROM (SELECT t, id AS n FROM wide) s"),
];

async fn session(server: &Server) -> Client {
    let client = connect(&server.url("postgres")).await.expect("the server answers");
    client
        .batch_execute(
            "SET enable_mergejoin = off; SET enable_nestloop = off; SET max_parallel_workers_per_gather = 0",
        )
        .await
        .expect("settings can be set");
    client
}

async fn start(limit: &str) -> (Server, Client) {
    let options = Options::default()
        .with("quarry.memory_limit", limit)
        .with("shared_buffers", "16MB")
        .with("work_mem", "64MB")
        .with("maintenance_work_mem", "64MB")
        .with("fsync", "off")
        .with("autovacuum", "off");
    let server = Server::fresh_with("memory", &options);
    let client = session(&server).await;
    client
        .batch_execute(
            "CREATE EXTENSION quarry;
             CREATE TABLE wide AS SELECT i AS id, md5(i::text) || repeat('w', 60) AS t FROM generate_series(1, 30000) i;
             ANALYZE wide",
        )
        .await
        .expect("there is room");
    (server, client)
}

/// The number after a name in the server's `/proc` entry, in bytes; none where there is no such file.
fn status(server: &Server, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

async fn number(client: &Client, sql: &str) -> u64 {
    text(client, sql).await.parse().unwrap_or_else(|e| panic!("{sql}: {e}"))
}

#[test]
fn many_statements_share_the_limit() {
    run(async {
        let limit = 16 * MB;
        let (server, client) = start("16MB").await;
        assert_eq!(number(&client, "SELECT limit_bytes FROM quarry.memory() WHERE pid IS NULL").await, limit);
        let before = status(&server, "VmRSS");
        let work = (0..SESSIONS).map(|i| {
            let server = &server;
            async move {
                let client = session(server).await;
                let (name, sql) = STATEMENTS[i % STATEMENTS.len()];
                let sql = sql.replace("{fail}", "n");
                assert_eq!(text(&client, &sql).await, "30000", "{name}");
                client
                    .batch_execute(&format!("CREATE INDEX wide_{i} ON wide (t, id)"))
                    .await
                    .unwrap_or_else(|e| panic!("{name}: {e:?}"));
                let own = "SELECT peak_bytes FROM quarry.memory() WHERE pid = pg_backend_pid()";
                let peak = number(&client, own).await;
                assert!(peak > MB / 4, "{name} gathered {peak} bytes");
                assert!(peak < 2 * limit, "{name} gathered {peak} bytes");
            }
        });
        futures_util::future::join_all(work).await;
        let peak = number(&client, "SELECT peak_bytes FROM quarry.memory() WHERE pid IS NULL").await;
        // Each session may go beyond it by what an operation may always hold, a batch, and the least that an index build sorts at once.
        let beyond = SESSIONS as u64 * 4 * MB;
        assert!(peak > limit / 2 && peak < limit + beyond, "all together held {peak} bytes");
        if let (Some(before), Some(highest)) = (before, status(&server, "VmHWM")) {
            let grown = highest.saturating_sub(before);
            let allowed = limit + SESSIONS as u64 * 6 * MB;
            assert!(grown < allowed, "the server grew by {grown} bytes, {allowed} are allowed");
        }
        nothing_is_held(&client).await;
    });
}

/// Sessions that have ended still give back for a moment.
async fn nothing_is_held(client: &Client) {
    until(client, "SELECT sum(held_bytes) FROM quarry.memory()", "0").await;
}

#[test]
fn a_statement_gives_back_what_it_held_however_it_ends() {
    run(async {
        let (server, client) = start("16MB").await;
        let small = session(&server).await;
        for (name, sql) in STATEMENTS {
            // It fails at a row that comes after all have been gathered.
            let failing = sql.replace("{fail}", "1 / (n - 15000)");
            let error = small.batch_execute(&failing).await.expect_err(name);
            assert_eq!(sqlstate(&error), "22012", "{name}: {error:?}");
            assert_eq!(number(&client, "SELECT sum(held_bytes) FROM quarry.memory()").await, 0, "{name}");
            // It is cancelled while it stands on what it gathered.
            let waiting =
                sql.replace("{fail}", "CASE WHEN n = 15000 THEN length(pg_sleep(600)::text) ELSE n END");
            let pid = number(&small, "SELECT pg_backend_pid()").await;
            let cancelled = async {
                let asleep = format!(
                    "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"
                );
                until(&client, &asleep, "1").await;
                text(&client, &format!("SELECT pg_cancel_backend({pid})")).await
            };
            let (ended, _) = tokio::join!(small.batch_execute(&waiting), cancelled);
            assert_eq!(sqlstate(&ended.expect_err(name)), "57014", "{name}");
            assert_eq!(number(&client, "SELECT sum(held_bytes) FROM quarry.memory()").await, 0, "{name}");
        }
        // A cursor holds until it is closed, or its session ends.
        let held = "SELECT held_bytes > 0 FROM quarry.memory() WHERE pid IS NULL";
        for end in ["CLOSE c", "ROLLBACK"] {
            small
                .batch_execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM wide ORDER BY t; FETCH 10 FROM c")
                .await
                .expect("a cursor");
            assert_eq!(text(&client, held).await, "t");
            small.batch_execute(end).await.expect(end);
            assert_eq!(text(&client, held).await, "f", "{end}");
            small.batch_execute("ROLLBACK").await.expect("a block's end");
        }
        small
            .batch_execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM wide ORDER BY t; FETCH 10 FROM c")
            .await
            .expect("a cursor");
        assert_eq!(text(&client, held).await, "t");
        drop(small);
        nothing_is_held(&client).await;
    });
}

#[test]
fn what_cannot_go_to_files_is_refused() {
    run(async {
        let (server, client) = start("4MB").await;
        let error = client
            .batch_execute("SELECT length(string_agg(t, ',')) FROM wide, generate_series(1, 4)")
            .await
            .expect_err("there is no room for it");
        assert_eq!(sqlstate(&error), "53200", "{error:?}");
        assert_eq!(error.as_db_error().map(|e| e.message()), Some("out of memory"));
        nothing_is_held(&client).await;
        let (name, sql) = STATEMENTS[0];
        assert_eq!(text(&client, &sql.replace("{fail}", "n")).await, "30000", "{name}");
        let text_of_log = server.log_text();
        assert!(!text_of_log.contains("panicked"), "{text_of_log}");
    });
}
