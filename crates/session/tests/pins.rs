//! Pinned plans: a plan that stays through new statistics and crashes, until it is unpinned or what it uses is gone.

mod common;

use common::{Server, config, failed, open};
use quarry_catalog::Catalog;
use quarry_storage::Storage;
use quarry_storage::disk::{Disk, FaultDisk};
use std::sync::Arc;

const QUERY: &str = "SELECT count(t.w) FROM t WHERE v = 7";

fn run(server: &mut Server, sql: &str) -> Vec<String> {
    let said = server.run(sql).expect("the disk is alive");
    assert!(!failed(&said), "{sql}: {said:?}");
    said
}

/// A table in which few rows have `v = 7`, so that they are found by the index.
fn server(disk: &FaultDisk) -> Server {
    let storage = Storage::create(Arc::new(disk.clone()) as Arc<dyn Disk>, config()).expect("created");
    Catalog::bootstrap(&storage).expect("a catalog");
    let mut server = Server::start(storage).expect("started");
    for sql in [
        "CREATE EXTENSION quarry",
        "CREATE TABLE t (id int PRIMARY KEY, v int, w text)",
        "INSERT INTO t SELECT i, i % 1000, repeat('w', 50) FROM generate_series(1, 10000) i",
        "CREATE INDEX t_v ON t (v)",
        "ANALYZE t",
        "SET compute_query_id = on",
    ] {
        run(&mut server, sql);
    }
    server
}

fn explained(server: &mut Server) -> String {
    run(server, &format!("EXPLAIN (COSTS OFF) {QUERY}")).concat()
}

/// The query's identifier, as EXPLAIN shows it.
fn query_id(server: &mut Server) -> i64 {
    let lines = run(server, &format!("EXPLAIN (VERBOSE, COSTS OFF) {QUERY}"));
    let line = lines.iter().find_map(|l| l.split_once("Query Identifier: ")).expect("an identifier");
    line.1.parse().expect("a number")
}

#[test]
fn a_pinned_plan_stays_until_it_is_unpinned() {
    let disk = FaultDisk::new();
    let mut s = server(&disk);
    assert!(explained(&mut s).contains("Bitmap Index Scan on t_v"), "{}", explained(&mut s));
    let id = query_id(&mut s);
    run(&mut s, &format!("SELECT quarry.pin_plan({id})"));
    // Now most rows have the value.
    run(&mut s, "UPDATE t SET v = 7 WHERE id > 500");
    run(&mut s, "ANALYZE t");
    let free =
        run(&mut s, "EXPLAIN (COSTS OFF) SELECT count(t.w) FROM t WHERE v = 7 AND w IS NOT NULL").concat();
    assert!(free.contains("Seq Scan"), "{free}");
    assert!(explained(&mut s).contains("Bitmap Index Scan on t_v"), "{}", explained(&mut s));

    // The server dies without a word.
    drop(s);
    let storage = open(&disk).expect("recovers");
    let mut s = Server::start(storage).expect("started");
    run(&mut s, "ANALYZE t");
    assert!(explained(&mut s).contains("Bitmap Index Scan on t_v"), "{}", explained(&mut s));
    assert_eq!(run(&mut s, QUERY)[0], "D ......9501");

    run(&mut s, &format!("SELECT quarry.unpin_plan({id})"));
    assert!(explained(&mut s).contains("Seq Scan on t"), "{}", explained(&mut s));
}

#[test]
fn a_pinned_plan_whose_index_is_gone_is_the_planners() {
    let disk = FaultDisk::new();
    let mut s = server(&disk);
    run(&mut s, "CREATE INDEX t_other ON t (v, id)");
    let id = query_id(&mut s);
    run(&mut s, &format!("SELECT quarry.pin_plan({id}, 'BitmapScan(t t_v)')"));
    assert!(explained(&mut s).contains("t_v"));
    run(&mut s, "DROP INDEX t_v");
    let mut told = vec![];
    for _ in 0..3 {
        let said = s.run_with_notices(&format!("EXPLAIN (COSTS OFF) {QUERY}")).expect("the disk is alive");
        assert!(said.concat().contains("t_other"), "the planner chooses: {said:?}");
        told.extend(said.into_iter().filter(|m| m.starts_with('N')));
    }
    assert_eq!(told.len(), 1, "said once: {told:?}");
    let text = format!("pinned plan of query {id} cannot be followed");
    assert!(told[0].contains("WARNING") && told[0].contains(&text), "{told:?}");
    assert!(told[0].contains("There is no index \"t_v\" any more."), "{told:?}");
    // It is there again, and so is the plan.
    run(&mut s, "CREATE INDEX t_v ON t (v)");
    assert!(explained(&mut s).contains("t_v"), "{}", explained(&mut s));
}
