//! How long parsing takes: `cargo test --release -p quarry-sql speed -- --ignored --nocapture`.

use crate::parse::parse_statements;
use std::time::Instant;

const UPDATE: &str = "UPDATE pgbench_accounts SET abalance = abalance + -3519 WHERE aid = 45678;";
const SELECT: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = 45678;";
const INSERT: &str = "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (5, 1, 45678, -3519, CURRENT_TIMESTAMP);";
const TPCH_Q1: &str = "select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice) as \
     sum_base_price, sum(l_extendedprice * (1 - l_discount)) as sum_disc_price, sum(l_extendedprice * (1 - l_discount) \
     * (1 + l_tax)) as sum_charge, avg(l_quantity) as avg_qty, avg(l_extendedprice) as avg_price, avg(l_discount) as \
     avg_disc, count(*) as count_order from lineitem where l_shipdate <= date '1998-12-01' - interval '90' day group \
     by l_returnflag, l_linestatus order by l_returnflag, l_linestatus";

#[test]
#[ignore = "measures, checks nothing"]
fn speed() {
    let rows: Vec<String> = (0..1000).map(|i| format!("({i}, 'name {i}', {i}.5, true)")).collect();
    let many = format!("INSERT INTO t VALUES {}", rows.join(", "));
    for (name, sql, rounds) in [
        ("pgbench select", SELECT, 100_000),
        ("pgbench update", UPDATE, 100_000),
        ("pgbench insert", INSERT, 100_000),
        ("TPC-H Q1", TPCH_Q1, 20_000),
        ("insert 1000 x 4", many.as_str(), 200),
    ] {
        let mut best = [f64::MAX; 2];
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..rounds {
                std::hint::black_box(crate::lexer::lex(std::hint::black_box(sql)));
            }
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            for _ in 0..rounds {
                std::hint::black_box(parse_statements(std::hint::black_box(sql)).expect("must parse"));
            }
            best[1] = best[1].min(start.elapsed().as_secs_f64());
        }
        let [lex, parse] = best.map(|s| s * 1e6 / f64::from(rounds));
        println!("{name:16} scan {lex:8.2} us   scan, parse and drop {parse:8.2} us");
    }
}
