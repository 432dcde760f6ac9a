//! Prepared transactions of a server that is killed between PREPARE TRANSACTION and COMMIT PREPARED.

use std::path::Path;

use quarry_testkit::psql;
use quarry_testkit::server::{Options, Server};
use quarry_testkit::temp::TempDir;

fn start(data: &Path) -> Server {
    let options = Options::default().with("max_prepared_transactions", "10");
    Server::start(data, &options).unwrap_or_else(|e| panic!("{e}"))
}

fn sql(server: &Server, sql: &str) -> String {
    psql::execute(&server.target(), "postgres", sql)
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
        .trim()
        .to_owned()
}

/// The error of a statement that must fail.
fn refused(server: &Server, sql: &str) -> String {
    psql::execute(&server.target(), "postgres", sql).expect_err(sql)
}

const PREPARED: &str = "SELECT string_agg(gid, ' ' ORDER BY gid) FROM pg_prepared_xacts";

#[test]
fn prepared_transactions_survive_kills_with_their_rows_locks_and_tables() {
    let dir = TempDir::new("two-phase");
    let data = dir.path().join("data");
    let mut server = start(&data);
    sql(
        &server,
        "CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t SELECT g, g FROM generate_series(1, 10) g;
         CREATE TABLE child (a int REFERENCES t); CREATE TABLE old (a int)",
    );
    sql(
        &server,
        "BEGIN; UPDATE t SET b = 100 WHERE a = 1; SAVEPOINT s; DELETE FROM t WHERE a = 2; RELEASE s;
         INSERT INTO child VALUES (3); CREATE TABLE new (a int PRIMARY KEY); INSERT INTO new VALUES (7); DROP TABLE old;
         PREPARE TRANSACTION 'kept'",
    );
    sql(
        &server,
        "BEGIN; UPDATE t SET b = 200 WHERE a = 4; CREATE TABLE never (a int); INSERT INTO never VALUES (1);
         SELECT * FROM t WHERE a = 5 FOR UPDATE; PREPARE TRANSACTION 'undone'",
    );
    // The parent row that 'kept' refers to gets a new version, which it shares, too.
    sql(&server, "UPDATE t SET b = 33 WHERE a = 3");
    for round in 0..3 {
        server.kill_9();
        server = start(&data);
        assert_eq!(sql(&server, PREPARED), "kept undone", "round {round}");
        assert_eq!(sql(&server, "SELECT sum(b) FROM t"), "85");
        let locked = |statement: &str| refused(&server, &format!("SET lock_timeout = '50ms'; {statement}"));
        for statement in [
            "UPDATE t SET b = 0 WHERE a = 1",
            "UPDATE t SET b = 0 WHERE a = 2",
            "DELETE FROM t WHERE a = 3",
            "UPDATE t SET b = 0 WHERE a = 4",
            "SELECT * FROM t WHERE a = 5 FOR UPDATE",
            "BEGIN; LOCK TABLE t",
            "SELECT * FROM old",
        ] {
            assert!(locked(statement).contains("lock timeout"), "round {round}: {statement}");
        }
        assert!(refused(&server, "SELECT * FROM new").contains("does not exist"));
        if round == 1 {
            sql(&server, "CHECKPOINT");
            sql(&server, "INSERT INTO t VALUES (11, 0)");
        }
    }
    // In order, too.
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    server = start(&data);
    assert_eq!(sql(&server, PREPARED), "kept undone");
    // Someone knows the tables as they were when the commit comes.
    assert_eq!(sql(&server, "SELECT count(*) FROM pg_class WHERE relname IN ('old', 'new', 'never')"), "1");
    // One by one: several statements of one query are a transaction block.
    sql(&server, "ROLLBACK PREPARED 'undone'");
    sql(&server, "COMMIT PREPARED 'kept'");
    for _ in 0..2 {
        assert_eq!(sql(&server, PREPARED), "");
        assert_eq!(sql(&server, "SELECT a, b FROM t WHERE a <= 5 ORDER BY a"), "1|100\n3|33\n4|4\n5|5");
        assert_eq!(sql(&server, "SELECT * FROM new"), "7");
        assert!(refused(&server, "SELECT * FROM old").contains("does not exist"));
        assert!(refused(&server, "SELECT * FROM never").contains("does not exist"));
        assert!(refused(&server, "DELETE FROM t WHERE a = 3").contains("foreign key"));
        sql(&server, "SET lock_timeout = '1s'; UPDATE t SET b = b");
        server.kill_9();
        server = start(&data);
    }
}
