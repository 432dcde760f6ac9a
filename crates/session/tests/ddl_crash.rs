//! DDL on a disk that dies at each of its writes in turn: after recovery the schema is as it was before or after the statement that
//! was not acknowledged, every relation has its rows and its index entries, and no file is left that nobody owns.
//!
//! The whole runs over every write; by default every few writes are tried, other ones in each scenario (`QUARRY_EVERY_WRITE=1`: all).

mod common;

use common::{Server, config, failed, open};
use quarry_catalog::{Catalog, Persistence, SessionView};
use quarry_common::Oid;
use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::{IsolationLevel, Storage, check};
use std::sync::{Arc, OnceLock};

/// The disk of a stopped server with a few tables.
fn base() -> &'static FaultDisk {
    static BASE: OnceLock<FaultDisk> = OnceLock::new();
    BASE.get_or_init(|| {
        let disk = FaultDisk::new();
        let storage = Storage::create(Arc::new(disk.clone()) as Arc<dyn Disk>, config()).unwrap();
        Catalog::bootstrap(&storage).unwrap();
        let mut server = Server::start(storage.clone()).unwrap();
        let made = server
            .run(
                "CREATE TABLE a (i int PRIMARY KEY, t text);
                 INSERT INTO a SELECT g, repeat('x', g % 400) FROM generate_series(1, 300) g;
                 CREATE TABLE b (i serial, t text);
                 INSERT INTO b (t) SELECT 'b' FROM generate_series(1, 50) g;
                 CREATE INDEX b_i ON b (i)",
            )
            .unwrap();
        assert!(!failed(&made), "{made:?}");
        drop(server);
        storage.shutdown().unwrap();
        disk
    })
}

/// What a client sees of everything.
fn probe(server: &mut Server) -> Vec<String> {
    let mut seen = vec![];
    for sql in [
        "SELECT relname, relkind, relpersistence, relnatts FROM pg_class WHERE relnamespace = 2200 ORDER BY 1",
        "SELECT datname FROM pg_database ORDER BY 1",
        "SELECT count(*), sum(i), sum(length(t::text)) FROM a",
        "SELECT count(*), sum(i), count(t) FROM b",
        "SELECT count(*) FROM c",
        "SET enable_seqscan = off; SELECT count(*) FROM a WHERE i > 0; SELECT count(*) FROM b WHERE i > 0; \
         RESET enable_seqscan",
    ] {
        seen.extend(server.run(sql).unwrap());
    }
    seen
}

/// Nothing is damaged, and every file is owned.
fn verify(server: &Server, what: &str) {
    check::check_or_error(&server.storage).unwrap_or_else(|e| panic!("{what}: {}", e.message()));
    let txn = Arc::new(server.storage.begin(IsolationLevel::ReadCommitted));
    let databases = server.catalog.reader(Oid::INVALID, &txn, &SessionView::superuser()).databases().unwrap();
    for db in &databases {
        let reader = server.catalog.reader(db.oid, &txn, &SessionView::superuser());
        for r in reader.all_relations(&['r', 'm']).unwrap() {
            // What a session that is gone had for itself: its files went first, its rows go below.
            if r.persistence == Persistence::Temporary {
                continue;
            }
            for index in &r.indexes {
                let pair = check::TableIndex {
                    table: r.storage.unwrap(),
                    index: index.storage,
                    name: index.name.clone(),
                    complete: true,
                };
                check::check_table_index(&server.storage, &pair, &mut |line| panic!("{what}: {line}"))
                    .unwrap_or_else(|e| panic!("{what}: {} of {}: {}", index.name, r.name, e.message()));
            }
        }
    }
    drop(txn);
    // Recovery has left no file for the start of a server to find, only the rows of temporary objects.
    let found = server.catalog.remove_leftovers();
    assert!(found.iter().all(|line| line.starts_with("dropped the temporary objects")), "{what}: {found:?}");
    assert_eq!(server.catalog.remove_leftovers(), Vec::<String>::new(), "{what}");
}

/// Runs a scenario once without faults, then with a disk that dies at each (chosen) write.
fn scenario(name: &str, statements: &[&str]) {
    let disk = base().copy();
    let mut server = Server::start(open(&disk).unwrap()).unwrap();
    let from = disk.operations();
    let mut states = vec![probe(&mut server)];
    for sql in statements {
        let answer = if *sql == "CHECKPOINT" {
            server.storage.checkpoint().unwrap();
            vec![]
        } else {
            server.run(sql).unwrap()
        };
        assert!(!failed(&answer), "{name}: {sql}: {answer:?}");
        states.push(probe(&mut server));
    }
    let writes = disk.operations() - from;
    drop(server);
    let all = std::env::var_os("QUARRY_EVERY_WRITE").is_some();
    let stride = if all { 1 } else { (writes / 12).max(1) };
    let first = if all { 0 } else { name.len() as u64 % stride };
    for n in (first..writes + 1).step_by(stride as usize) {
        let what = format!("{name}, write {n} of {writes}");
        let disk = base().copy();
        let mut server = Server::start(open(&disk).unwrap()).unwrap();
        disk.fail_after(n);
        let mut done = 0;
        for sql in statements {
            let answer = match *sql {
                "CHECKPOINT" => server.storage.checkpoint().map(|_| vec![]),
                sql => server.run(sql),
            };
            match answer {
                Ok(answer) if !failed(&answer) => done += 1,
                _ => break,
            }
        }
        drop(server);
        // Half of the time the process only is killed, and what it wrote is there.
        if n % 2 == 0 {
            disk.crash(n)
        } else {
            disk.kill()
        }
        disk.fail_after(n % 17);
        drop(open(&disk));
        disk.crash(n + 1);
        let mut server =
            Server::start(open(&disk).unwrap_or_else(|e| panic!("{what}: {}", e.message()))).unwrap();
        verify(&server, &what);
        let now = probe(&mut server);
        let possible = &states[done..(done + 2).min(states.len())];
        assert!(
            possible.contains(&now),
            "{what}: after {done} statements\n{now:#?}\nnot one of\n{possible:#?}"
        );
    }
}

#[test]
fn create_and_drop() {
    scenario(
        "create and drop",
        &[
            "CREATE TABLE c (i int PRIMARY KEY, t text, s serial)",
            "INSERT INTO c SELECT g, repeat('y', 3000) FROM generate_series(1, 40) g",
            "CHECKPOINT",
            "CREATE INDEX c_t ON c (t, i)",
            "BEGIN; DROP TABLE b; CREATE TABLE b2 (i int PRIMARY KEY); ROLLBACK",
            "DROP TABLE c",
            "CHECKPOINT",
            "DROP INDEX b_i",
        ],
    );
}

#[test]
fn truncate_and_rewrite() {
    scenario(
        "truncate and rewrite",
        &[
            "TRUNCATE b RESTART IDENTITY",
            "INSERT INTO b (t) VALUES ('again')",
            "ALTER TABLE a ALTER i TYPE bigint",
            "CHECKPOINT",
            "ALTER TABLE a ADD COLUMN r float DEFAULT 1.5, ALTER t TYPE varchar(500)",
            "ALTER TABLE a DROP CONSTRAINT a_pkey",
            "BEGIN; TRUNCATE a; INSERT INTO a (i) VALUES (1); ROLLBACK",
            "ALTER TABLE a ADD PRIMARY KEY (i)",
        ],
    );
}

#[test]
fn logged_and_unlogged() {
    scenario(
        "logged and unlogged",
        &[
            "CREATE UNLOGGED TABLE u (i int PRIMARY KEY, t text)",
            "INSERT INTO u SELECT g, repeat('y', 3000) FROM generate_series(1, 40) g",
            "CHECKPOINT",
            "TRUNCATE u",
            "CREATE UNLOGGED SEQUENCE us",
            "ALTER TABLE u SET LOGGED",
            "BEGIN; ALTER TABLE a SET UNLOGGED; ROLLBACK",
            "CHECKPOINT",
            "CREATE TEMP TABLE temporary (i int PRIMARY KEY)",
            "INSERT INTO temporary VALUES (1)",
            "DROP TABLE u; DROP SEQUENCE us",
        ],
    );
}

#[test]
fn vacuum_full_and_reindex() {
    scenario(
        "vacuum full and reindex",
        &[
            "DELETE FROM a WHERE i % 2 = 0",
            "VACUUM FULL a",
            "CHECKPOINT",
            "REINDEX TABLE a",
            "CLUSTER a USING a_pkey",
        ],
    );
}

#[test]
fn databases() {
    scenario("databases", &["CREATE DATABASE other", "CHECKPOINT", "DROP DATABASE other"]);
}
