//! The process and its data folder: start, second start, shutdown, restart, settings, offline check.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use quarry_testkit::server::{Options, Server, free_port};
use quarry_testkit::temp::TempDir;
use quarry_testkit::{paths, psql};
use rustix::process::Signal;

use crate::support::{ANSWER, connect, run, sqlstate, text};

fn quarry(args: &[&str]) -> Output {
    psql::output_within(Command::new(paths::server_binary()).args(args), Duration::from_secs(120))
        .unwrap_or_else(|e| panic!("{e}"))
}

fn said(out: &Output) -> String {
    [out.stdout.as_slice(), &out.stderr].iter().map(|b| String::from_utf8_lossy(b)).collect()
}

fn sql(server: &Server, sql: &str) -> String {
    psql::execute(&server.target(), "postgres", sql)
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
        .trim()
        .to_owned()
}

fn start(data: &Path) -> Server {
    Server::start(data, &Options::default()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn help_names_the_commands() {
    for (args, words) in [
        (vec!["--help"], vec!["start", "check"]),
        (vec!["start", "--help"], vec!["-D", "--listen", "--port", "-c"]),
        (vec!["check", "--help"], vec!["-D"]),
    ] {
        let out = quarry(&args);
        assert!(out.status.success(), "{args:?}");
        for word in words {
            assert!(said(&out).contains(word), "{args:?} does not mention {word}:\n{}", said(&out));
        }
    }
    assert!(!quarry(&["nosuchcommand"]).status.success());
    let dir = TempDir::new("help");
    let data = dir.path().join("data").to_string_lossy().into_owned();
    let port = free_port().to_string();
    for bad in ["nosuch_setting=1", "work_mem=banana", "work_mem"] {
        let out = quarry(&["start", "-D", &data, "--port", &port, "-c", bad]);
        assert!(!out.status.success(), "started with -c {bad}");
        assert!(!said(&out).contains("panicked"), "{}", said(&out));
    }
}

#[test]
fn a_second_server_on_the_folder_is_refused() {
    let first = Server::fresh("second");
    sql(&first, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let mut second =
        Server::spawn(first.data(), free_port(), &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    let status = second.wait_for_end().unwrap_or_else(|e| panic!("{e}"));
    assert!(!status.success(), "the second server ended with {status}");
    assert_eq!(sql(&first, "SELECT a FROM t"), "1");
}

#[test]
fn signals_end_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = TempDir::new("signals");
        let data = dir.path().join("data");
        let mut server = start(&data);
        sql(&server, "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)");
        run(async {
            let idle = connect(&server.url("postgres")).await.unwrap();
            let busy = connect(&server.url("postgres")).await.unwrap();
            busy.batch_execute("BEGIN; INSERT INTO t VALUES (5000)").await.unwrap();
            server.signal(signal).unwrap();
            let status = server.wait_for_end().unwrap_or_else(|e| panic!("{e}"));
            assert!(status.success(), "{signal:?}: ended with {status}; {}", server.log_text());
            for client in [&idle, &busy] {
                tokio::time::timeout(ANSWER, client.simple_query("SELECT 1"))
                    .await
                    .expect("no hang")
                    .unwrap_err();
            }
        });
        let check = quarry(&["check", "-D", &data.to_string_lossy()]);
        assert!(check.status.success(), "{}", said(&check));
        let server = start(&data);
        assert_eq!(sql(&server, "SELECT count(*), max(a) FROM t"), "1000|1000");
    }
}

/// A client's alarm stays from one wait to the next: it may ring before the client has been silent for too long, and must not end the session then.
#[test]
fn silent_clients_are_ended_when_their_time_is_over() {
    let server = Server::fresh_with("silent", &Options::default().with("authentication_timeout", "1"));
    let ends = async |client: &tokio_postgres::Client| {
        let began = Instant::now();
        while !client.is_closed() {
            assert!(began.elapsed() < ANSWER, "the session goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    };
    run(async {
        for set in
            ["SET idle_session_timeout = '1s'", "SET idle_in_transaction_session_timeout = '1s'; BEGIN"]
        {
            let client = connect(&server.url("postgres")).await.unwrap();
            client.batch_execute(set).await.unwrap();
            // Four times as long as it may be silent.
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                client.batch_execute("SELECT 1").await.unwrap();
            }
            assert!(ends(&client).await > Duration::from_millis(500), "{set}");
        }
        // Another limit counts from the next silence on, a shorter one too; none ends nobody.
        let client = connect(&server.url("postgres")).await.unwrap();
        client.batch_execute("SET idle_session_timeout = '1h'").await.unwrap();
        client.batch_execute("SET idle_session_timeout = '1s'").await.unwrap();
        client.batch_execute("RESET idle_session_timeout").await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        client.batch_execute("SET idle_session_timeout = '1s'").await.unwrap();
        ends(&client).await;
        // Who says nothing at all is not waited for, either.
        let mut mute = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        let mut said = [0; 16];
        let read = tokio::io::AsyncReadExt::read(&mut mute, &mut said);
        assert_eq!(tokio::time::timeout(ANSWER, read).await.expect("it ends").unwrap_or(0), 0);
    });
}

#[test]
fn committed_rows_survive_a_kill() {
    let dir = TempDir::new("kill");
    let data = dir.path().join("data");
    let server = start(&data);
    sql(&server, "CREATE TABLE t (a int PRIMARY KEY, b text); CREATE INDEX ON t (b); CREATE SEQUENCE s");
    sql(&server, "INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 5000) g");
    sql(&server, "CHECKPOINT; UPDATE t SET b = 'changed' WHERE a <= 100; DELETE FROM t WHERE a > 4900");
    let next: i64 = sql(&server, "SELECT nextval('s') + 0 * count(*) FROM t").parse().unwrap();
    let open = run(async {
        let client = connect(&server.url("postgres")).await.unwrap();
        client
            .batch_execute("BEGIN; INSERT INTO t VALUES (9999, 'never'); CREATE TABLE never (a int)")
            .await
            .unwrap();
        client
    });
    server.kill_9();
    drop(open);
    let server = start(&data);
    let counts = "SELECT count(*), count(*) FILTER (WHERE b = 'changed'), max(a) FROM t";
    assert_eq!(sql(&server, counts), "4900|100|4900");
    assert_eq!(sql(&server, "SELECT count(*) FROM pg_class WHERE relname = 'never'"), "0");
    assert!(sql(&server, "SELECT nextval('s')").parse::<i64>().unwrap() > next);
    for scan in ["enable_seqscan", "enable_indexscan"] {
        let other = if scan == "enable_seqscan" {
            ""
        } else {
            "; SET enable_bitmapscan = off; SET enable_indexonlyscan = off"
        };
        let count =
            sql(&server, &format!("SET {scan} = off{other}; SELECT count(*) FROM t WHERE b = 'changed'"));
        assert_eq!(count, "100", "with {scan} off");
    }
    // Killed again at once, before it has written anything of its own.
    server.kill_9();
    let server = start(&data);
    assert_eq!(sql(&server, counts), "4900|100|4900");
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    let check = quarry(&["check", "-D", &data.to_string_lossy()]);
    assert!(check.status.success(), "{}", said(&check));
}

#[test]
fn settings_come_from_three_places() {
    let dir = TempDir::new("settings");
    let data = dir.path().join("data");
    let server = start(&data);
    let default = sql(&server, "SHOW work_mem");
    assert_eq!(default, "4MB");
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    std::fs::write(data.join("quarry.toml"), "work_mem = \"7MB\"\nstatement_timeout = \"90s\"\n").unwrap();
    let server = Server::start(&data, &Options::default().with("statement_timeout", "80s"))
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(sql(&server, "SHOW work_mem"), "7MB");
    assert_eq!(sql(&server, "SHOW statement_timeout"), "80s");
    run(async {
        let client = connect(&format!("{} options='-c work_mem=9MB'", server.url("postgres"))).await.unwrap();
        assert_eq!(text(&client, "SHOW work_mem").await, "9MB");
        client.batch_execute("SET work_mem = '11MB'").await.unwrap();
        client.batch_execute("RESET work_mem").await.unwrap();
        assert_eq!(text(&client, "SHOW work_mem").await, "9MB");
        let error = connect(&format!("{} options='-c nosuch=9'", server.url("postgres")))
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(sqlstate(&error), "42704");
    });
}

#[test]
fn the_offline_check_finds_damage() {
    let dir = TempDir::new("damage");
    let data = dir.path().join("data");
    let server = start(&data);
    let marker = "MARKER-of-the-damaged-page";
    sql(
        &server,
        &format!("CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, '{marker}')"),
    );
    sql(&server, "INSERT INTO t SELECT g, 'row ' || g FROM generate_series(2, 2000) g");
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    let folder = data.to_string_lossy().into_owned();
    assert!(quarry(&["check", "-D", &folder]).status.success());
    let (file, at) = find(&data, marker.as_bytes()).expect("the row is in a file of the data folder");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[at] ^= 0x20;
    std::fs::write(&file, bytes).unwrap();
    let out = quarry(&["check", "-D", &folder]);
    assert!(!out.status.success(), "damage in {} was not found:\n{}", file.display(), said(&out));
    assert!(!said(&out).contains("panicked"), "{}", said(&out));
    // The server says so too when it reads the page, and goes on.
    let server = start(&data);
    let error =
        psql::execute(&server.target(), "postgres", "\\set VERBOSITY sqlstate\nSELECT b FROM t WHERE a = 1");
    assert!(error.is_err(), "{error:?}");
    assert_eq!(sql(&server, "SELECT 1"), "1");
    assert!(!quarry(&["check", "-D", &dir.path().join("nothing").to_string_lossy()]).status.success());
}

/// The file under `dir` (outside of the log) that contains the bytes, and where.
fn find(dir: &Path, needle: &[u8]) -> Option<(PathBuf, usize)> {
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        let log = entry.file_name().to_string_lossy().contains("wal");
        if path.is_dir() && !log {
            if let Some(found) = find(&path, needle) {
                return Some(found);
            }
        } else if path.is_file() && !log {
            let bytes = std::fs::read(&path).ok()?;
            if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
                return Some((path, at));
            }
        }
    }
    None
}
