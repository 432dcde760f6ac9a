//! auto_explain: what gets into the server's log; and what EXPLAIN says of estimates.

mod common;

use common::Server;
use parking_lot::Mutex;
use quarry_catalog::Catalog;
use quarry_storage::Storage;
use quarry_storage::disk::{Disk, FaultDisk};
use std::sync::Arc;

/// A server with a table of a hundred rows, and what it logs.
fn server() -> (Server, Arc<Mutex<String>>) {
    let disk = Arc::new(FaultDisk::new()) as Arc<dyn Disk>;
    let storage = Storage::create(disk, common::config()).expect("created");
    Catalog::bootstrap(&storage).expect("a catalog");
    let mut server = Server::start(storage).expect("started");
    let log = Arc::new(Mutex::new(String::new()));
    let sink = log.clone();
    server.session.instance().set_log(Arc::new(move |line: &str| sink.lock().push_str(line)));
    let rows = "create table t (a int primary key); insert into t select generate_series(1, 100)";
    run(&mut server, rows);
    (server, log)
}

fn run(server: &mut Server, sql: &str) -> Vec<String> {
    let messages = server.run(sql).expect("the disk is alive");
    assert!(!messages.iter().any(|m| m.starts_with('E')), "{sql}: {messages:?}");
    messages
}

/// What a statement adds to the log.
fn logged(server: &mut Server, log: &Mutex<String>, sql: &str) -> String {
    log.lock().clear();
    run(server, sql);
    std::mem::take(&mut *log.lock())
}

#[test]
fn plans_of_slow_statements_are_logged() {
    let (mut server, log) = server();
    let query = "select count(*) from t where a <= 5";
    run(&mut server, "set auto_explain.log_min_duration = 0");
    assert_eq!(logged(&mut server, &log, query), "", "it isn't loaded");
    run(&mut server, "load 'auto_explain'");
    for _ in 0..3 {
        let text = logged(&mut server, &log, query);
        let (first, rest) = text.split_once('\n').expect("several lines");
        assert!(first.contains("LOG:  duration: ") && first.ends_with(" ms  plan:"), "{text}");
        assert!(
            rest.starts_with("\tQuery Text: select count(*) from t where a <= 5\n\tAggregate  (cost="),
            "{text}"
        );
        assert!(rest.contains("(a <= 5)") && !rest.contains("actual"), "{text}");
    }
    run(
        &mut server,
        "set auto_explain.log_analyze = on; set auto_explain.log_buffers = on; set auto_explain.log_timing = off",
    );
    let text = logged(&mut server, &log, query);
    assert!(text.contains("(actual rows=1 loops=1)\n") && text.contains("Buffers: shared hit="), "{text}");
    run(&mut server, "set auto_explain.log_format = json");
    let text = logged(&mut server, &log, query);
    assert!(
        text.contains(
            "plan:\n\t{\n\t  \"Query Text\": \"select count(*) from t where a <= 5\",\n\t  \"Plan\": {"
        ),
        "{text}"
    );
    run(&mut server, "prepare p(int) as select a from t where a = $1");
    let text = logged(&mut server, &log, "execute p(3)");
    assert!(text.contains("\"Query Text\": \"prepare p(int) as select a from t where a = $1\""), "{text}");
    assert!(text.contains("(a = 3)"), "{text}");
    run(&mut server, "set auto_explain.log_format = text; set auto_explain.log_triggers = on");
    run(&mut server, "create table u (a int references t)");
    let text = logged(&mut server, &log, "insert into u values (1), (2)");
    assert!(text.contains("Trigger for constraint u_a_fkey: calls=2\n"), "{text}");
    assert_eq!(text.matches("Query Text").count(), 1, "checks of constraints are no statements: {text}");
    let text = logged(&mut server, &log, "create table v as select * from t");
    assert!(text.contains("Query Text: create table v as select * from t"), "{text}");
}

#[test]
fn statements_of_functions_are_logged_where_they_are_asked_for() {
    let (mut server, log) = server();
    run(&mut server, "load 'auto_explain'; set auto_explain.log_min_duration = 0");
    let query = "select * from ts_stat('select to_tsvector(''simple'', a::text) from t where a < 3')";
    let text = logged(&mut server, &log, query);
    assert_eq!(text.matches("Query Text").count(), 1, "{text}");
    run(&mut server, "set auto_explain.log_nested_statements = on");
    let text = logged(&mut server, &log, query);
    assert_eq!(text.matches("Query Text").count(), 2, "{text}");
    assert!(
        text.contains("Query Text: select to_tsvector('simple', a::text) from t where a < 3\n"),
        "{text}"
    );
}

#[test]
fn temporary_files_are_logged_from_a_size_on() {
    let (mut server, log) = server();
    let sort = "select repeat('x', 100), i from generate_series(1, 20000) i order by -i";
    run(&mut server, "set work_mem = '64kB'");
    assert_eq!(logged(&mut server, &log, sort), "");
    run(&mut server, "set log_temp_files = 0");
    let text = logged(&mut server, &log, sort);
    assert!(text.contains("LOG:  temporary file: path \"") && text.contains("\", size "), "{text}");
    run(&mut server, "set log_temp_files = '1GB'");
    assert_eq!(logged(&mut server, &log, sort), "");
}

#[test]
fn not_every_statement_is_logged() {
    let (mut server, log) = server();
    run(&mut server, "load '$libdir/auto_explain'; set auto_explain.log_min_duration = '1h'");
    assert_eq!(logged(&mut server, &log, "select count(*) from t"), "");
    run(&mut server, "set auto_explain.log_min_duration = 0; set auto_explain.sample_rate = 0");
    assert_eq!(logged(&mut server, &log, "select count(*) from t"), "");
    run(&mut server, "set auto_explain.sample_rate = 1; set auto_explain.log_level = debug1");
    assert_eq!(logged(&mut server, &log, "select count(*) from t"), "", "below log_min_messages");
    run(&mut server, "reset auto_explain.log_level");
    assert_ne!(logged(&mut server, &log, "select count(*) from t"), "");
}

#[test]
fn q_errors_are_shown_where_they_are_asked_for() {
    let (mut server, _log) = server();
    run(&mut server, "analyze t");
    let plain = run(&mut server, "explain (analyze, format json) select a from t where a <= 50");
    assert!(!plain.concat().contains("Q-Error"));
    let asked = run(&mut server, "explain (analyze, q_error, format json) select a from t where a <= 50");
    assert!(asked.concat().contains("\"Q-Error\": 1.0"), "{asked:?}");
    run(&mut server, "set quarry.explain_q_error = on");
    let asked = run(&mut server, "explain (analyze) select a from t where a <= 50");
    assert!(asked.concat().contains("Q-Error: 1.0"), "{asked:?}");
}
