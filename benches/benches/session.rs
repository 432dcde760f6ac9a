//! What statements cost from message to message, without sockets: operators over batches (filter, hash aggregate, hash join, sort), the
//! encoding of rows, and the short way of a prepared lookup and update. The disk is in memory, one thread works.
//!
//! `cargo bench -p quarry-benches --bench session`; a word after `--` picks the cases whose name has it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quarry_catalog::Catalog;
use quarry_common::settings::Settings;
use quarry_session::{Instance, PasswordVerifier, Request, Session, SessionStart, Step, Values};
use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::{Config, Storage};

const ROWS: u64 = 100_000;

/// A server of one session.
struct Server {
    storage: Arc<Storage>,
    session: Session,
    out: BytesMut,
}

impl Server {
    fn start() -> Server {
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
        let config =
            Config { shared_buffers_bytes: 256 << 20, max_wal_size_bytes: 1 << 30, ..Config::default() };
        let storage = Storage::create(disk, config).expect("a fresh disk has no faults");
        let catalog = Catalog::bootstrap(&storage).expect("a fresh disk has room");
        let verifier: PasswordVerifier = |text| Ok(text.to_owned());
        let instance =
            Instance::new(storage.clone(), catalog, Settings::default(), std::env::temp_dir(), verifier);
        let start = SessionStart {
            user: "postgres".to_owned(),
            database: "postgres".to_owned(),
            settings: vec![],
            client_address: None,
        };
        let mut out = BytesMut::new();
        let session = Session::start(instance, start, &mut out).expect("the role is there");
        let mut server = Server { storage, session, out };
        server.must(
            "SET max_parallel_workers_per_gather = 0; SET work_mem = '256MB'; SET synchronous_commit = off",
        );
        server.must(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, few int, many int, price numeric(12,2), name text, day date);
             INSERT INTO t SELECT i, i % 20, i * 7919 % 50000, i % 10000 / 100.0, 'name ' || i * 31 % 9973,
                 date '2024-01-01' + i % 365 FROM generate_series(1, {ROWS}) AS g(i);
             CREATE TABLE u (id int, label text);
             INSERT INTO u SELECT i, 'label ' || i FROM generate_series(1, 50000) AS g(i)"
        ));
        server.must("VACUUM ANALYZE");
        server
    }

    /// Sends a message; bytes of its answer.
    fn send(&mut self, request: &Request<'_>) -> usize {
        let mut step = self.session.handle(request, &mut self.out);
        assert!(!self.out.starts_with(b"E"), "{request:?} failed");
        let mut bytes = 0;
        loop {
            step = match step {
                Step::Ready | Step::Closed => break,
                Step::More => {
                    // What a connection would write and forget before it goes on.
                    bytes += self.out.len();
                    self.out.clear();
                    self.session.resume(&mut self.out)
                }
                Step::WaitDurable(lsn) => {
                    self.storage.wal().wait_durable_blocking(lsn).expect("the disk has no faults");
                    self.session.resume(&mut self.out)
                }
            };
        }
        bytes += self.out.len();
        self.out.clear();
        bytes
    }

    /// Runs statements that must succeed.
    fn must(&mut self, sql: &str) {
        let mut step = self.session.handle(&Request::Query(sql), &mut self.out);
        while step != Step::Ready {
            if let Step::WaitDurable(lsn) = step {
                self.storage.wal().wait_durable_blocking(lsn).expect("the disk has no faults");
            }
            step = self.session.resume(&mut self.out);
        }
        let said = String::from_utf8_lossy(&self.out).into_owned();
        assert!(!said.contains("SERROR"), "{sql}: {said}");
        self.out.clear();
    }
}

fn queries(c: &mut Criterion) {
    let mut server = Server::start();
    let mut group = c.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS));
    for (name, sql) in [
        ("scan and count", "SELECT count(name) FROM t"),
        ("filter on integers", "SELECT count(*) FROM t WHERE many BETWEEN 100 AND 20000 AND few <> 3"),
        ("filter on an expression", "SELECT count(*) FROM t WHERE (many + few) % 7 = 0 AND length(name) > 8"),
        ("sums of numerics", "SELECT sum(price), avg(price * (1 - few / 100.0)) FROM t"),
        (
            "hash aggregate, 20 groups",
            "SELECT count(*) FROM (SELECT few, sum(many), min(name) FROM t GROUP BY few) AS g",
        ),
        (
            "hash aggregate, 50,000 groups",
            "SELECT count(*) FROM (SELECT many, count(*) FROM t GROUP BY many) AS g",
        ),
        ("hash join, 50,000 rows inside", "SELECT count(u.label) FROM t JOIN u ON t.many = u.id"),
        ("sort by text and integer", "SELECT name, many FROM t ORDER BY name, many OFFSET 99999"),
        ("top ten", "SELECT name, many FROM t ORDER BY price DESC, id LIMIT 10"),
        ("encoding of rows as text", "SELECT * FROM t"),
    ] {
        server.must(sql);
        group.bench_function(name, |b| b.iter(|| server.send(black_box(&Request::Query(sql)))));
    }
    group.finish();
}

fn short_statements(c: &mut Criterion) {
    let mut server = Server::start();
    for (name, sql) in
        [("s", "SELECT name FROM t WHERE id = $1"), ("u", "UPDATE t SET few = few + 1 WHERE id = $1")]
    {
        server.send(&Request::Parse { name, sql, param_types: vec![] });
        server.send(&Request::Sync);
    }
    let mut group = c.benchmark_group("statements");
    let mut id = 0;
    for (title, statement) in [("prepared lookup by key", "s"), ("prepared update by key", "u")] {
        group.bench_function(title, |b| {
            b.iter(|| {
                id = id % ROWS + 1;
                let wire = Values::to_wire(&[Some(id.to_string().as_bytes())]);
                server.send(&Request::Bind {
                    portal: "",
                    statement,
                    param_formats: Default::default(),
                    params: Values::new(1, &wire),
                    result_formats: Default::default(),
                });
                server.send(&Request::Execute { portal: "", max_rows: 0 });
                server.send(&Request::Sync)
            });
        });
    }
    group.bench_function("lookup as text, plan kept by its shape", |b| {
        b.iter(|| {
            id = id % ROWS + 1;
            server.send(&Request::Query(&format!("SELECT name FROM t WHERE id = {id}")))
        });
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = short(); targets = queries, short_statements }
criterion_main!(benches);
