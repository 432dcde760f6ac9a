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
    assert!(matches!(other.handle(Request::Query("SELECT v FROM t WHERE id = 6"), &mut out), Step::Ready));
    assert_eq!(instance.plans_made(), before);
    other.end();
}
