//! Snapshots handed from one transaction to another: `pg_export_snapshot` and SET TRANSACTION SNAPSHOT. The refusals are PostgreSQL 15's.

use tokio_postgres::Client;

use crate::support::{Database, connect, run, sqlstate, text};

/// What a statement is refused with: SQLSTATE and message.
async fn refusal(client: &Client, sql: &str) -> (String, String) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    let message = error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned());
    (sqlstate(&error).to_owned(), message)
}

fn expected(code: &str, message: &str) -> (String, String) {
    (code.to_owned(), message.to_owned())
}

/// Begins a transaction of one client that has another's snapshot.
async fn import(client: &Client, modes: &str, name: &str) {
    client
        .batch_execute(&format!("BEGIN {modes}; SET TRANSACTION SNAPSHOT '{name}'"))
        .await
        .expect("imported");
}

const REPEATABLE: &str = "ISOLATION LEVEL REPEATABLE READ";
const SERIALIZABLE: &str = "ISOLATION LEVEL SERIALIZABLE";

#[test]
fn two_transactions_see_the_same() {
    run(async {
        let database = Database::new("snapshots_same").await;
        let (a, b, c) = (database.connect().await, database.connect().await, database.connect().await);
        a.batch_execute("CREATE TABLE t (i int); INSERT INTO t VALUES (1)").await.expect("a table");
        for modes in ["", REPEATABLE, SERIALIZABLE] {
            a.batch_execute(&format!("BEGIN {modes}")).await.expect("begins");
            let before = text(&a, "SELECT count(*) FROM t").await;
            let name = text(&a, "SELECT pg_export_snapshot()").await;
            c.batch_execute("INSERT INTO t VALUES (2)").await.expect("inserts");
            let wanted = if modes.is_empty() { REPEATABLE } else { modes };
            import(&b, wanted, &name).await;
            assert_eq!(text(&b, "SELECT count(*) FROM t").await, before, "{modes}");
            // It outlives the transaction that it came from, and what the latter writes is not in it.
            a.batch_execute("INSERT INTO t VALUES (3); COMMIT").await.expect("commits");
            a.batch_execute("DELETE FROM t WHERE i = 1").await.expect("deletes");
            a.batch_execute("VACUUM t").await.expect("vacuums");
            assert_eq!(text(&b, "SELECT count(*) FROM t").await, before, "{modes}");
            b.batch_execute("COMMIT").await.expect("commits");
            a.batch_execute("INSERT INTO t VALUES (1)").await.expect("inserts");
        }
    });
}

#[test]
fn what_cannot_be_imported() {
    run(async {
        let database = Database::new("snapshots_refused").await;
        let (a, b) = (database.connect().await, database.connect().await);
        let elsewhere = connect(&Database::new("snapshots_elsewhere").await.url()).await.expect("connects");
        a.batch_execute("CREATE TABLE t (i int)").await.expect("a table");
        a.batch_execute(&format!("BEGIN {REPEATABLE} READ ONLY")).await.expect("begins");
        let names = text(&a, "SELECT pg_export_snapshot() || ' ' || pg_export_snapshot()").await;
        let (name, second) = names.split_once(' ').expect("two names");
        assert_eq!(name.strip_suffix('1'), second.strip_suffix('2'));
        let set = format!("SET TRANSACTION SNAPSHOT '{name}'");
        for (client, begin, code, message) in [
            (
                &b,
                "BEGIN".to_owned(),
                "0A000",
                "a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ",
            ),
            (
                &b,
                format!("BEGIN {SERIALIZABLE}"),
                "0A000",
                "a serializable transaction cannot import a snapshot from a non-serializable transaction",
            ),
            (
                &b,
                format!("BEGIN {REPEATABLE}; SELECT 1"),
                "25001",
                "SET TRANSACTION SNAPSHOT must be called before any query",
            ),
            (
                &b,
                format!("BEGIN {REPEATABLE}; {set}"),
                "25001",
                "SET TRANSACTION SNAPSHOT must be called before any query",
            ),
            (
                &elsewhere,
                format!("BEGIN {REPEATABLE}"),
                "0A000",
                "cannot import a snapshot from a different database",
            ),
        ] {
            client.batch_execute(&begin).await.expect("begins");
            assert_eq!(refusal(client, &set).await, expected(code, message), "{begin}");
            client.batch_execute("ROLLBACK").await.expect("rolls back");
        }
        b.batch_execute(&format!("BEGIN {REPEATABLE}")).await.expect("begins");
        assert_eq!(
            refusal(&b, &format!("SET LOCAL TRANSACTION SNAPSHOT '{name}'")).await,
            expected("0A000", "SET LOCAL TRANSACTION SNAPSHOT is not implemented")
        );
        b.batch_execute("ROLLBACK").await.expect("rolls back");
        // A read-only transaction's snapshot may be written with, at this level; the level stays.
        import(&b, REPEATABLE, name).await;
        b.batch_execute("INSERT INTO t VALUES (1)").await.expect("inserts");
        b.batch_execute("ROLLBACK").await.expect("rolls back");
        import(&b, REPEATABLE, name).await;
        assert_eq!(
            refusal(&b, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await,
            expected("25001", "SET TRANSACTION ISOLATION LEVEL must be called before any query")
        );
        b.batch_execute("ROLLBACK").await.expect("rolls back");
        import(&b, REPEATABLE, name).await;
        assert_eq!(
            refusal(&b, "SET TRANSACTION READ ONLY; SET TRANSACTION READ WRITE").await,
            expected("25001", "transaction read-write mode must be set before any query")
        );
        b.batch_execute("ROLLBACK").await.expect("rolls back");
        a.batch_execute("COMMIT").await.expect("commits");
        b.batch_execute(&format!("BEGIN {REPEATABLE}")).await.expect("begins");
        let message = format!("invalid snapshot identifier: \"{name}\"");
        assert_eq!(refusal(&b, &set).await, expected("22023", &message));
    });
}

#[test]
fn serializable_transactions_are_choosy() {
    run(async {
        let database = Database::new("snapshots_serializable").await;
        let (a, b) = (database.connect().await, database.connect().await);
        a.batch_execute(&format!("BEGIN {SERIALIZABLE} READ ONLY")).await.expect("begins");
        let name = text(&a, "SELECT pg_export_snapshot()").await;
        let set = format!("SET TRANSACTION SNAPSHOT '{name}'");
        b.batch_execute(&format!("BEGIN {SERIALIZABLE}")).await.expect("begins");
        let message =
            "a non-read-only serializable transaction cannot import a snapshot from a read-only transaction";
        assert_eq!(refusal(&b, &set).await, expected("0A000", message));
        b.batch_execute("ROLLBACK").await.expect("rolls back");
        b.batch_execute(&format!("BEGIN {SERIALIZABLE} READ ONLY DEFERRABLE")).await.expect("begins");
        let message = "a snapshot-importing transaction must not be READ ONLY DEFERRABLE";
        assert_eq!(refusal(&b, &set).await, expected("0A000", message));
        b.batch_execute("ROLLBACK").await.expect("rolls back");
        import(&b, "ISOLATION LEVEL SERIALIZABLE READ ONLY", &name).await;
        // Lower levels take it as well.
        b.batch_execute("COMMIT").await.expect("commits");
        import(&b, REPEATABLE, &name).await;
        b.batch_execute("COMMIT; BEGIN").await.expect("commits");
        a.batch_execute("SAVEPOINT s").await.expect("a savepoint");
        assert_eq!(
            refusal(&a, "SELECT pg_export_snapshot()").await,
            expected("25001", "cannot export a snapshot from a subtransaction")
        );
    });
}
