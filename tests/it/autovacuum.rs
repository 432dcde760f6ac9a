//! The background vacuum as a client sees it.

use crate::support::{connect, run, text, until};
use quarry_testkit::server::{Options, Server};

#[test]
fn a_worker_shows_what_it_does_and_can_be_cancelled() {
    run(async {
        let options = Options::default().with("fsync", "off").with("autovacuum_naptime", "1");
        let server = Server::fresh_with("autovacuum", &options);
        let client = connect(&server.url("postgres")).await.unwrap();
        client
            .batch_execute(
                "CREATE TABLE slow (a int) WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,
                     autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
                 INSERT INTO slow SELECT generate_series(1, 40000); DELETE FROM slow WHERE a % 2 = 0",
            )
            .await
            .unwrap();
        let worker = "FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'";
        let shown = "count(*) FROM pg_stat_activity a JOIN pg_stat_progress_vacuum p USING (pid)
             WHERE backend_type = 'autovacuum worker' AND query LIKE 'autovacuum: VACUUM%public.slow' AND state = 'active'
             AND a.datname = 'postgres' AND usesysid IS NULL AND client_port IS NULL AND p.relid = 'slow'::regclass";
        until(&client, &format!("SELECT {shown}"), "1").await;
        until(&client, &format!("SELECT DISTINCT wait_event {worker}"), "VacuumDelay").await;
        let done = "SELECT autovacuum_count FROM pg_stat_user_tables WHERE relname = 'slow'";
        assert_eq!(text(&client, done).await, "0");
        client.batch_execute("ALTER SYSTEM SET autovacuum = off").await.unwrap();
        client
            .batch_execute(&format!("SELECT pg_reload_conf(); SELECT pg_cancel_backend(pid) {worker}"))
            .await
            .unwrap();
        until(&client, &format!("SELECT count(*) {worker}"), "0").await;
        assert_eq!(text(&client, done).await, "0");
        let cancelled = || server.log_text().matches("canceling autovacuum task").count();
        assert_eq!(cancelled(), 1);
        // It also makes way for who wants the table.
        client.batch_execute("ALTER SYSTEM RESET autovacuum").await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        until(&client, &format!("SELECT count(*) {worker} AND query LIKE '%public.slow'"), "1").await;
        client.batch_execute("SET lock_timeout = '60s'; ALTER TABLE slow ADD COLUMN b int").await.unwrap();
        assert_eq!(text(&client, done).await, "0");
        assert!(cancelled() >= 2);
    });
}

#[test]
fn toast_tables_go_by_their_own_parameters_and_other_databases_hold_nothing_back() {
    run(async {
        let options = Options::default().with("fsync", "off").with("autovacuum_naptime", "1");
        let server = Server::fresh_with("autovacuum_toast", &options);
        let client = connect(&server.url("postgres")).await.unwrap();
        client.batch_execute("CREATE DATABASE other").await.unwrap();
        let other = connect(&server.url("other")).await.unwrap();
        other
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_type")
            .await
            .unwrap();
        client
            .batch_execute(
                "CREATE TABLE t (a int, b text) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = on,
                     toast.autovacuum_vacuum_threshold = 3, toast.autovacuum_vacuum_scale_factor = 0);
                 INSERT INTO t SELECT g, (SELECT string_agg(md5((g * x)::text), '') FROM generate_series(1, 300) x)
                     FROM generate_series(1, 20) g;
                 DELETE FROM t",
            )
            .await
            .unwrap();
        let of_toast = "(SELECT reltoastrelid FROM pg_class WHERE relname = 't')";
        until(
            &client,
            &format!("SELECT (autovacuum_count > 0 AND n_dead_tup = 0)::text || n_tup_del FROM pg_stat_all_tables WHERE relid = {of_toast}"),
            "true40",
        )
        .await;
        until(&client, &format!("SELECT pg_relation_size({of_toast})"), "0").await;
        let own = "SELECT autovacuum_count || ' ' || n_dead_tup FROM pg_stat_user_tables WHERE relname = 't'";
        assert_eq!(text(&client, own).await, "0 20");
        // Nobody of this database sees them any more; who is in the other one doesn't look.
        client.batch_execute("VACUUM t").await.unwrap();
        assert_eq!(text(&client, own).await, "0 0");
        assert_eq!(text(&client, "SELECT pg_relation_size('t')").await, "0");
        assert_eq!(text(&other, "SELECT count(*) > 0 FROM pg_type").await, "t");
    });
}
