//! Which statements run with a plan that was kept: the planner isn't called for them.

mod common;

use bytes::BytesMut;
use common::{Server, config, failed};
use quarry_catalog::Catalog;
use quarry_session::{Request, Session, SessionStart, Step};
use quarry_storage::Storage;
use quarry_storage::disk::{Disk, FaultDisk};
use std::sync::Arc;

fn server() -> Server {
    let disk = FaultDisk::new();
    let storage = Storage::create(Arc::new(disk) as Arc<dyn Disk>, config()).unwrap();
    Catalog::bootstrap(&storage).unwrap();
    let mut server = Server::start(storage).unwrap();
    let made = server
        .run(
            "CREATE TABLE t (id int PRIMARY KEY, v int, w text);
             CREATE TABLE u (id int PRIMARY KEY, t int);
             INSERT INTO t SELECT i, i % 50, 'w' || i FROM generate_series(1, 2000) i;
             INSERT INTO u SELECT i, i FROM generate_series(1, 2000) i;
             ANALYZE",
        )
        .unwrap();
    assert!(!failed(&made), "{made:?}");
    server
}

/// How many of these texts, run one after the other, are planned.
fn planned(server: &mut Server, texts: &[&str]) -> u64 {
    let before = server.session.instance().plans_made();
    for text in texts {
        let said = server.run(text).unwrap();
        assert!(!failed(&said), "{text}: {said:?}");
    }
    server.session.instance().plans_made() - before
}

/// A text with each of these numbers, as many texts.
fn each(text: &str, numbers: impl IntoIterator<Item = i32>) -> Vec<String> {
    numbers.into_iter().map(|n| text.replace('#', &n.to_string())).collect()
}

#[test]
fn statements_that_differ_in_constants_are_planned_once() {
    let mut s = server();
    for text in [
        "SELECT v FROM t WHERE id = #",
        "UPDATE t SET v = v WHERE id = #",
        "INSERT INTO u VALUES (10000 + #, 1)",
        "DELETE FROM u WHERE id = #",
        "SELECT t.w, u.id FROM t JOIN u ON u.id = t.v WHERE t.id = # ORDER BY 1 LIMIT 10",
        "SELECT count(*) FROM t WHERE v = #",
    ] {
        let texts = each(text, 1..=2);
        planned(&mut s, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        let texts = each(text, 3..=20);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(planned(&mut s, &texts), 0, "{text}");
    }
}

#[test]
fn plans_that_hang_on_constants_are_made_anew() {
    let mut s = server();
    let said = s.run("INSERT INTO t SELECT i, 7, 'x' FROM generate_series(3000, 20000) i; ANALYZE t; CREATE INDEX ON t (v); SELECT 1");
    assert!(!failed(&said.unwrap()));
    let texts = each("SELECT w FROM t WHERE id BETWEEN # AND 1000", 900..920);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert!(planned(&mut s, &texts) >= 20);
    // The same text again can't need another.
    let same = ["SELECT w FROM t WHERE id BETWEEN 5 AND 900"; 4];
    planned(&mut s, &same);
    assert_eq!(planned(&mut s, &same), 0);
}

#[test]
fn what_a_plan_depends_on_outdates_it() {
    let mut s = server();
    let point = ["SELECT v FROM t WHERE id = 5"; 3];
    planned(&mut s, &point);
    assert_eq!(planned(&mut s, &point), 0);
    for change in [
        "CREATE TABLE other (a int)",
        "ANALYZE t",
        "SET enable_indexscan = off",
        "SET search_path = pg_catalog, public",
        "CREATE ROLE r; GRANT SELECT ON t TO r; SET ROLE r",
    ] {
        assert!(!failed(&s.run(change).unwrap()), "{change}");
        assert!(planned(&mut s, &point) > 0, "{change}");
        assert_eq!(planned(&mut s, &point), 0, "after {change}");
    }
    // A transaction that has changed the schema keeps to itself.
    let said = s.run("RESET ROLE; RESET search_path; BEGIN; CREATE TABLE third (a int)").unwrap();
    assert!(!failed(&said), "{said:?}");
    assert_eq!(planned(&mut s, &point), 3);
}

#[test]
fn a_table_that_grows_gets_another_plan() {
    let mut s = server();
    let texts = ["SELECT count(*) FROM u WHERE t = 5"; 5];
    planned(&mut s, &texts);
    assert_eq!(planned(&mut s, &texts), 0);
    assert!(!failed(&s.run("INSERT INTO u SELECT i, i FROM generate_series(20001, 60000) i").unwrap()));
    assert!(planned(&mut s, &texts[..1]) > 0);
}

#[test]
fn sessions_share_plans() {
    let mut s = server();
    let point = ["SELECT v FROM t WHERE id = 5"; 3];
    planned(&mut s, &point);
    let instance = s.session.instance().clone();
    let start = SessionStart {
        user: "postgres".to_string(),
        database: "postgres".to_string(),
        settings: vec![],
        client_address: None,
    };
    let mut other = Session::start(instance.clone(), start, &mut BytesMut::new()).unwrap();
    let before = instance.plans_made();
    let mut out = BytesMut::new();
    assert!(matches!(other.handle(&Request::Query("SELECT v FROM t WHERE id = 6"), &mut out), Step::Ready));
    assert_eq!(instance.plans_made(), before);
    other.end();
}

/// How many plans are made for a text that is sent with each of these values by Parse, Bind and Execute.
fn planned_messages(server: &mut Server, sql: &str, values: impl IntoIterator<Item = i32>) -> u64 {
    let before = server.session.instance().plans_made();
    for value in values {
        let text = value.to_string();
        let params: &[&str] = if sql.contains('$') { &[&text] } else { &[] };
        let said = server.execute(sql, params).unwrap();
        assert!(!failed(&said), "{sql} {value}: {said:?}");
    }
    server.session.instance().plans_made() - before
}

#[test]
fn unnamed_statements_share_plans_by_their_text() {
    let mut s = server();
    for text in [
        "SELECT v FROM t WHERE id = $1",
        "UPDATE t SET v = v WHERE id = $1",
        "INSERT INTO u VALUES (10000 + $1, 1)",
        "DELETE FROM u WHERE id = 10000 + $1",
        "SELECT count(*) FROM t",
        "INSERT INTO u SELECT 20000 + count(*) FROM u",
    ] {
        planned_messages(&mut s, text, 1..=9);
        assert_eq!(planned_messages(&mut s, text, 10..=30), 0, "{text}");
    }
    let point = "SELECT v FROM t WHERE id = $1";
    for change in ["CREATE TABLE other (a int)", "ANALYZE t", "SET enable_indexscan = off"] {
        assert!(!failed(&s.run(change).unwrap()), "{change}");
        assert!(planned_messages(&mut s, point, 1..=7) > 0, "{change}");
        assert_eq!(planned_messages(&mut s, point, 1..=7), 0, "after {change}");
    }
    // What is kept is no other's: the result is that of the text, whatever has changed.
    let said = s.execute("SELECT * FROM other", &[]).unwrap();
    assert!(!failed(&said), "{said:?}");
    planned_messages(&mut s, "SELECT * FROM other", 1..=4);
    assert!(!failed(&s.run("ALTER TABLE other ADD COLUMN b int; INSERT INTO other VALUES (7, 8)").unwrap()));
    assert_eq!(s.execute("SELECT * FROM other", &[]).unwrap()[0], "D ......7....8");
}

#[test]
fn plans_that_come_out_alike_are_made_no_more() {
    let mut s = server();
    for text in [
        "CREATE TABLE docs (id int PRIMARY KEY, doc jsonb)",
        "INSERT INTO docs SELECT i, jsonb_build_object('k', 'v' || i % 500, 'n', i) FROM generate_series(1, 20000) i",
        "CREATE INDEX ON docs USING gin (doc jsonb_path_ops)",
        "VACUUM ANALYZE docs",
        "PREPARE docs(int) AS SELECT count(*) FROM docs WHERE doc @> ('{\"k\": \"v' || $1 || '\"}')::jsonb",
    ] {
        let said = s.run(text).unwrap();
        assert!(!failed(&said), "{text}: {said:?}");
    }
    let texts = each("EXECUTE docs(#)", 1..=40);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    // Five custom plans, the generic one, one to compare after 16 runs.
    assert_eq!(planned(&mut s, &texts), 7);
    let counts = s.run("SELECT generic_plans, custom_plans FROM pg_prepared_statements").unwrap();
    assert_eq!(counts[0], "D ......35....5");
}

#[test]
fn texts_with_hints_are_kept() {
    let mut s = server();
    for hint in ["/*+ SeqScan(t) */", "/*+ IndexScan(t) */", "/*+ BitmapScan(t) */"] {
        let texts = each(&format!("{hint} SELECT v FROM t WHERE id = #"), 1..=2);
        planned(&mut s, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        let texts = each(&format!("{hint} SELECT v FROM t WHERE id = #"), 1..=12);
        planned(&mut s, &texts.iter().map(String::as_str).collect::<Vec<_>>()[..2]);
        let same = [texts[5].as_str(); 3];
        planned(&mut s, &same);
        assert_eq!(planned(&mut s, &same), 0, "{hint}");
    }
    let shown = s.run("EXPLAIN /*+ SeqScan(t) */ SELECT v FROM t WHERE id = 5").unwrap();
    assert!(shown.concat().contains("Seq Scan"), "{shown:?}");
}
