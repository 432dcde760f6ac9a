//! `cargo xtask plans-agree`: random queries, each answered by many plans of a server (join methods forbidden, join orders drawn
//! at random, little memory, rules forced) and once by PostgreSQL 15: all answers must be the same rows, those of changes too.

use std::time::Duration;

use quarry_testkit::client::{Client, Protocol};
use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::Target;
use quarry_testkit::random_joins::Joins;
use quarry_testkit::random_query::Generator;
use quarry_testkit::random_subqueries::Subqueries;

const QUERIES_PER_ROUND: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(60);
/// Answers with more rows say nothing more, and bad plans take long for them.
const ROWS_MAX: usize = 20_000;

/// What each query is run under; the first changes nothing. `{}` stands for a random number.
const PLANS: &[&str] = &[
    "",
    "SET enable_hashjoin = off; SET enable_mergejoin = off",
    "SET enable_nestloop = off; SET enable_mergejoin = off",
    "SET enable_nestloop = off; SET enable_hashjoin = off",
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off",
    "SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_material = off",
    "SET join_collapse_limit = 1",
    "SET work_mem = '64kB'; SET enable_memoize = off; SET enable_hashagg = off",
    "SET quarry.random_joins = {}",
    "SET quarry.random_joins = {}",
    "SET quarry.random_joins = {}; SET enable_nestloop = off",
    "SET quarry.random_joins = {}; SET enable_hashjoin = off",
    "SET quarry.random_joins = {}; SET work_mem = '64kB'; SET enable_seqscan = off",
    "SET quarry.forced_rules = 'all'",
    "SET quarry.forced_rules = 'all'; SET quarry.random_joins = {}",
    "SET quarry.forced_rules = 'all'; SET enable_nestloop = off; SET quarry.random_joins = {}",
];

type Rows = Vec<Vec<Option<String>>>;

/// Where the queries of a round come from: of five, two make joins, two make subqueries, one makes all that queries are made of.
enum Queries {
    Joins(Joins),
    Subqueries(Subqueries),
    Any(Generator),
}

impl Queries {
    fn new(seed: u64) -> Queries {
        match seed % 5 {
            0 | 3 => Queries::Joins(Joins::new(seed)),
            1 | 4 => Queries::Subqueries(Subqueries::new(seed)),
            _ => Queries::Any(Generator::new(seed)),
        }
    }

    fn tables(&mut self) -> Vec<String> {
        match self {
            Queries::Joins(joins) => joins.tables(),
            Queries::Subqueries(subqueries) => subqueries.tables(),
            Queries::Any(any) => any.tables(),
        }
    }

    fn query(&mut self) -> String {
        match self {
            Queries::Joins(joins) => joins.query(),
            Queries::Subqueries(subqueries) => subqueries.query(),
            // Other changes of data are others' business.
            Queries::Any(any) => loop {
                if let [query] = &any.statement()[..] {
                    return query.clone();
                }
            },
        }
    }
}

/// Runs `queries` queries from `seed` on; the error counts the queries with different answers, which are printed.
pub fn run(port: u16, postgres: Option<u16>, seed: u64, queries: u64) -> Result<(), String> {
    let private = if postgres.is_none() { Some(Postgres::start()?) } else { None };
    let reference = match (&private, postgres) {
        (Some(server), _) => server.target(),
        (None, port) => Target::local(port.unwrap_or_default()),
    };
    let (mut answers, mut different, mut refused) = (0, 0, 0);
    let mut seed = seed;
    while answers < queries {
        let round = QUERIES_PER_ROUND.min(queries - answers);
        let (d, r) = run_round(&Target::local(port), &reference, seed, round)?;
        (answers, different, refused, seed) = (answers + round, different + d, refused + r, seed + 1);
    }
    println!(
        "{answers} queries under {} settings each: {different} differ; PostgreSQL refuses {refused} or has too many rows",
        PLANS.len()
    );
    if different == 0 { Ok(()) } else { Err(format!("{different} queries have different answers")) }
}

/// `schema`: another one for each server that is tested, as several may be compared with the same PostgreSQL at a time.
fn connect(target: &Target, schema: &str, tables: &[String]) -> Result<Client, String> {
    let mut client = Client::connect(target, "postgres", PATIENCE)?;
    let head = [
        format!("CREATE SCHEMA IF NOT EXISTS {schema}"),
        format!("SET search_path = {schema}"),
        "SET statement_timeout = '20s'".to_owned(),
        "SET jit = off".to_owned(),
    ];
    for statement in head.iter().chain(tables) {
        let answer = client.run(statement, Protocol::Simple)?;
        if let Some(e) = answer.error {
            return Err(format!("{statement}: {}", e.message));
        }
    }
    Ok(client)
}

/// The rows, sorted, or the error's code and text.
fn answer(client: &mut Client, sql: &str) -> Result<Result<Rows, String>, String> {
    let mut answer = client.run(sql, Protocol::Simple)?;
    Ok(match answer.error {
        Some(e) => Err(format!("{}: {}", e.code, e.message)),
        None => {
            answer.rows.sort_unstable();
            Ok(answer.rows)
        }
    })
}

fn run_round(ours: &Target, reference: &Target, seed: u64, queries: u64) -> Result<(u64, u64), String> {
    let mut queries_of = Queries::new(seed);
    let tables = queries_of.tables();
    let schema = format!("plans_agree_{}", ours.port);
    let mut reference = connect(reference, &schema, &tables)?;
    let mut server = connect(ours, &schema, &tables)?;
    let (mut different, mut refused) = (0, 0);
    for n in 0..queries {
        let sql = queries_of.query();
        reference.run("BEGIN", Protocol::Simple)?;
        let want = answer(&mut reference, &sql)?;
        reference.run("ROLLBACK", Protocol::Simple)?;
        if !want.as_ref().is_ok_and(|rows| rows.len() <= ROWS_MAX) {
            refused += 1;
            continue;
        }
        for (p, plan) in PLANS.iter().enumerate() {
            let number = (seed * 7919 + n * 31 + p as u64) % 1_000_000 + 1;
            let settings = plan.replace("{}", &number.to_string());
            // As one message: a transaction of its own, so that the settings hold for it alone.
            let sets: String = settings.replace("SET ", "SET LOCAL ");
            server.run("BEGIN", Protocol::Simple)?;
            for set in sets.split("; ").filter(|s| !s.is_empty()) {
                server.run(set, Protocol::Simple)?;
            }
            let have = answer(&mut server, &sql);
            let have = match have {
                Ok(have) => have,
                Err(gone) => return Err(format!("seed {seed}, query {n}\n{settings};\n{sql};\n{gone}")),
            };
            server.run("ROLLBACK", Protocol::Simple)?;
            if have != want {
                different += 1;
                println!("-- seed {seed}, query {n}\n{settings};\n{sql};");
                println!("-- PostgreSQL: {}\n-- here: {}", shown(&want), shown(&have));
                break;
            }
        }
    }
    if different > 0 {
        println!("-- tables of seed {seed}\n{};", tables.join(";\n"));
    }
    Ok((different, refused))
}

fn shown(answer: &Result<Rows, String>) -> String {
    match answer {
        Err(e) => e.clone(),
        Ok(rows) => {
            let row = |r: &Vec<Option<String>>| {
                r.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(" ")
            };
            let some: Vec<String> = rows.iter().take(12).map(row).collect();
            format!("{} rows: {}", rows.len(), some.join(" | "))
        }
    }
}
