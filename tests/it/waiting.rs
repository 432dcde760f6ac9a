//! More sessions waiting in the server than it has threads ready for it.

use crate::support::{connect, run, text};
use futures_util::future::try_join_all;
use quarry_testkit::server::{Options, Server};

/// More than any default limit of threads.
const WAITING: usize = 560;

/// Whom all wait for must be served, however many wait.
#[test]
fn the_one_that_all_wait_for_is_served() {
    let options = Options::default().with("fsync", "off").with("max_connections", "700");
    let server = Server::fresh_with("waiting", &options);
    run(async {
        let holder = connect(&server.url("postgres")).await.unwrap();
        holder
            .batch_execute("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
            .await
            .unwrap();
        holder.batch_execute("BEGIN; UPDATE t SET n = n + 1").await.unwrap();
        let clients = try_join_all((0..WAITING).map(|_| async { connect(&server.url("postgres")).await }));
        let clients = clients.await.unwrap();
        let all = try_join_all(clients.iter().map(|c| c.batch_execute("UPDATE t SET n = n + 1")));
        let release = async {
            let watcher = connect(&server.url("postgres")).await.unwrap();
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            while text(&watcher, waiting).await != WAITING.to_string() {
                tokio::task::yield_now().await;
            }
            holder.batch_execute("COMMIT").await.unwrap();
        };
        let (done, ()) = tokio::join!(all, release);
        done.unwrap();
        assert_eq!(text(&holder, "SELECT n FROM t").await, (WAITING + 1).to_string());
    });
}
