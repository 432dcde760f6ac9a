//! What the text of a statement costs: scanning it, and scanning, parsing and dropping it.
//!
//! `cargo bench -p quarry-benches --bench parse`; a word after `--` picks the cases whose name has it.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use quarry_sql::{lexer::lex, parse::parse_statements};
use std::hint::black_box;

const SELECT: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = 45678;";
const UPDATE: &str = "UPDATE pgbench_accounts SET abalance = abalance + -3519 WHERE aid = 45678;";
const INSERT: &str = "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (5, 1, 45678, -3519, CURRENT_TIMESTAMP);";
const TPCH_Q1: &str = "select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice) as \
     sum_base_price, sum(l_extendedprice * (1 - l_discount)) as sum_disc_price, sum(l_extendedprice * (1 - l_discount) \
     * (1 + l_tax)) as sum_charge, avg(l_quantity) as avg_qty, avg(l_extendedprice) as avg_price, avg(l_discount) as \
     avg_disc, count(*) as count_order from lineitem where l_shipdate <= date '1998-12-01' - interval '90' day group \
     by l_returnflag, l_linestatus order by l_returnflag, l_linestatus";

fn thousand_rows() -> String {
    let rows: Vec<String> = (0..1000).map(|i| format!("({i}, 'name {i}', {i}.5, true)")).collect();
    format!("INSERT INTO t VALUES {}", rows.join(", "))
}

fn statements(c: &mut Criterion) {
    let many = thousand_rows();
    let cases = [
        ("pgbench select", SELECT),
        ("pgbench update", UPDATE),
        ("pgbench insert", INSERT),
        ("TPC-H Q1", TPCH_Q1),
        ("insert of 1000 rows", many.as_str()),
    ];
    let mut scan = c.benchmark_group("scan");
    for (name, sql) in cases {
        scan.throughput(Throughput::Bytes(sql.len() as u64));
        scan.bench_with_input(BenchmarkId::from_parameter(name), sql, |b, sql| {
            b.iter(|| lex(black_box(sql)))
        });
    }
    scan.finish();
    let mut parse = c.benchmark_group("parse");
    for (name, sql) in cases {
        parse.throughput(Throughput::Bytes(sql.len() as u64));
        parse.bench_with_input(BenchmarkId::from_parameter(name), sql, |b, sql| {
            b.iter(|| parse_statements(black_box(sql)).expect("PostgreSQL's grammar has it"));
        });
    }
    parse.finish();
}

criterion_group!(benches, statements);
criterion_main!(benches);
