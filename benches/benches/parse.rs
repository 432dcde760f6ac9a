//! What the text of a statement costs: scanning it, scanning, parsing and dropping it, and recognising it as one whose plan is kept;
//! beside sqlparser, the parser that the design first had in mind, and how often each agrees with PostgreSQL on the statements of the
//! golden files.
//!
//! `cargo bench -p quarry-benches --bench parse`; a word after `--` picks the cases whose name has it.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use quarry_sql::lexer::{LexOptions, lex};
use quarry_sql::parse::parse_statements;
use quarry_sql::shape::Shape;
use quarry_testkit::golden;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
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
    let mut recognise = c.benchmark_group("recognise");
    for (name, sql) in cases {
        // Texts that no shape is kept of, because they are too long or not of a kind that is.
        let Some(lifted) = Shape::lift(sql, LexOptions::default()) else { continue };
        recognise.bench_with_input(BenchmarkId::from_parameter(name), sql, |b, sql| {
            b.iter(|| lifted.shape.constants(black_box(sql), LexOptions::default()).is_some());
        });
    }
    recognise.finish();
    let mut other = c.benchmark_group("sqlparser");
    for (name, sql) in cases {
        other.throughput(Throughput::Bytes(sql.len() as u64));
        other.bench_with_input(BenchmarkId::from_parameter(name), sql, |b, sql| {
            b.iter(|| Parser::parse_sql(&PostgreSqlDialect {}, black_box(sql)).expect("its grammar has it"));
        });
    }
    other.finish();
}

/// Prints how both parsers judge the golden files' one-line statements; PostgreSQL's verdict is in its answers.
fn agreement(_: &mut Criterion) {
    let mut judged = [0u32; 2];
    let mut ours = [0u32; 2];
    let mut theirs = [0u32; 2];
    for area in golden::areas() {
        for file in golden::files(&area) {
            let text =
                std::fs::read_to_string(file.with_extension("out")).expect("golden files have answers");
            let mut lines = text.lines().peekable();
            while let Some(line) = lines.next() {
                let next = lines.peek().copied().unwrap_or_default();
                let is_statement = line.ends_with(';')
                    && line.starts_with(|c: char| c.is_ascii_uppercase())
                    && !line.starts_with("LINE ");
                if !is_statement || line.contains(" :") || line.contains("\\;") {
                    continue;
                }
                let refused = usize::from(next == "ERROR:  42601");
                judged[refused] += 1;
                ours[refused] += u32::from(parse_statements(line).is_err());
                theirs[refused] += u32::from(Parser::parse_sql(&PostgreSqlDialect {}, line).is_err());
            }
        }
    }
    println!(
        "of {} statements that PostgreSQL accepts, refused: {} (sqlparser {})",
        judged[0], ours[0], theirs[0]
    );
    println!(
        "of {} that it refuses as wrong syntax, refused: {} (sqlparser {})",
        judged[1], ours[1], theirs[1]
    );
}

criterion_group!(benches, statements, agreement);
criterion_main!(benches);
