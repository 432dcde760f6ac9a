//! pgbench: its initialisation, its three builtin scripts in its three protocol modes, and what they leave.

use std::process::Command;
use std::time::Duration;

use quarry_testkit::server::Server;
use quarry_testkit::{paths, psql};

const LIMIT: Duration = Duration::from_secs(180);

fn pgbench(server: &Server, args: &[&str]) -> String {
    let mut command = Command::new(paths::postgres_tool("pgbench"));
    command.env("PGHOST", "127.0.0.1").env("PGPORT", server.port().to_string()).env("PGUSER", "postgres");
    let out =
        psql::output_within(command.args(args).arg("postgres"), LIMIT).unwrap_or_else(|e| panic!("{e}"));
    let text = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(out.status.success(), "pgbench {args:?}: {}\n{text}", out.status);
    text
}

fn value(server: &Server, sql: &str) -> String {
    psql::execute(&server.target(), "postgres", sql)
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
        .trim()
        .to_owned()
}

#[test]
fn builtin_scripts_in_every_mode() {
    let server = Server::fresh("pgbench");
    pgbench(&server, &["-i", "-s", "1", "-q"]);
    assert_eq!(value(&server, "SELECT count(*) FROM pgbench_accounts"), "100000");
    let (clients, each) = (4, 25);
    let mut histories = 0;
    for script in ["tpcb-like", "simple-update", "select-only"] {
        for mode in ["simple", "extended", "prepared"] {
            let (clients_arg, each_arg) = (clients.to_string(), each.to_string());
            let text = pgbench(
                &server,
                &["-n", "-b", script, "-M", mode, "-c", &clients_arg, "-j", "2", "-t", &each_arg],
            );
            let done = format!("number of transactions actually processed: {0}/{0}", clients * each);
            assert!(text.contains(&done), "{script} {mode}: {text}");
            assert!(text.contains("number of failed transactions: 0"), "{script} {mode}: {text}");
            if script != "select-only" {
                histories += clients * each;
            }
        }
    }
    assert_eq!(value(&server, "SELECT count(*) FROM pgbench_history"), histories.to_string());
    // Each transaction of tpcb-like moves the same amount in three tables; simple-update in one of them.
    assert_eq!(
        value(
            &server,
            "SELECT sum(abalance) = (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts"
        ),
        "t"
    );
    assert_eq!(
        value(
            &server,
            "SELECT (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers)"
        ),
        "t"
    );
}

#[test]
fn initialisation_in_every_way() {
    let server = Server::fresh("pgbench-init");
    // Data made by the server, foreign keys, and a second initialisation over the first.
    pgbench(&server, &["-i", "-I", "dtGvp", "-s", "1", "-q"]);
    assert_eq!(value(&server, "SELECT count(*), sum(aid) FROM pgbench_accounts"), "100000|5000050000");
    pgbench(&server, &["-i", "-s", "1", "-q", "--foreign-keys", "-F", "90"]);
    assert_eq!(
        value(&server, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conname LIKE 'pgbench%'"),
        "5"
    );
    pgbench(&server, &["-n", "-c", "2", "-t", "10"]);
    pgbench(&server, &["-i", "-I", "d"]);
    assert_eq!(value(&server, "SELECT count(*) FROM pg_class WHERE relname LIKE 'pgbench%'"), "0");
}
