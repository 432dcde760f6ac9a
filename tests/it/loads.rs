//! Large loads by COPY, whose lines several threads read: the same rows, and the same errors, as line by line.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use quarry_testkit::rng::Seed;
use tokio_postgres::Client;
use tokio_postgres::error::DbError;

use crate::support::{Database, run, text};

/// Enough for many blocks.
const ROWS: usize = 16_000;

const TABLE: &str =
    "(a int NOT NULL, b text, c numeric(12,2), d timestamptz, e jsonb, f double precision, absent text)";

/// The same rows by SQL.
const EXPECTED: &str = "SELECT g, CASE WHEN g % 7 = 0 THEN NULL WHEN g % 11 = 0 THEN E'tab\\there\\nand \\\\' ELSE repeat('x', g % 400) || g END, g / 4.0,
       '2024-01-01 00:00:00+00'::timestamptz + g * interval '1 second', CASE WHEN g % 3 = 0 THEN jsonb_build_object('k', g) END, g * 0.5, NULL
  FROM generate_series(1, 16000) g";

const SUMS: &str = "SELECT count(*) || ' ' || md5(string_agg(t::text, '|' ORDER BY a)) FROM";

/// A line of the text format for row `g`.
fn line(g: usize) -> String {
    let b = match g {
        g if g % 7 == 0 => "\\N".to_owned(),
        g if g % 11 == 0 => "tab\\there\\nand \\\\".to_owned(),
        g => format!("{}{g}", "x".repeat(g % 400)),
    };
    let (quarters, s) = (g * 25, g % 86_400);
    let day = 1 + g / 86_400;
    let e = if g.is_multiple_of(3) { format!("{{\"k\": {g}}}") } else { "\\N".to_owned() };
    format!(
        "{g}\t{b}\t{}.{:02}\t2024-01-{day:02} {:02}:{:02}:{:02}+00\t{e}\t{}\n",
        quarters / 100,
        quarters % 100,
        s / 3600,
        s / 60 % 60,
        s % 60,
        g as f64 * 0.5
    )
}

/// The same as CSV.
fn csv_line(g: usize) -> String {
    let b = match g {
        g if g % 7 == 0 => String::new(),
        g if g % 11 == 0 => "\"tab\there\nand \\\"".to_owned(),
        g => format!("{}{g}", "x".repeat(g % 400)),
    };
    let text = line(g);
    let fields: Vec<&str> = text.trim_end().split('\t').collect();
    let rest = &fields[fields.len() - 4..];
    let e = if g.is_multiple_of(3) { format!("\"{{\"\"k\"\": {g}}}\"") } else { String::new() };
    format!("{g},{b},{},{},{e},{}\n", rest[0], rest[1], rest[3])
}

/// Sends the data in messages of random sizes.
async fn load(client: &Client, copy: &str, data: &[u8], seed: &Seed) -> Result<u64, tokio_postgres::Error> {
    let mut rng = seed.rng();
    let mut sink = pin!(client.copy_in::<_, Bytes>(copy).await?);
    let mut at = 0;
    while at < data.len() {
        let order = rng.below(20);
        let size = (1 + rng.below(1 << order) as usize).min(data.len() - at);
        sink.send(Bytes::copy_from_slice(&data[at..at + size])).await?;
        at += size;
    }
    sink.finish().await
}

#[test]
fn large_loads_give_the_rows_of_the_data() {
    let seed = Seed::choose("large_loads_give_the_rows_of_the_data");
    println!("seed {}", seed.value());
    run(async {
        let database = Database::new("loads_rows").await;
        let client = database.connect().await;
        client.batch_execute("SET timezone = 'UTC'").await.unwrap();
        for name in ["expected", "plain", "csv", "serial"] {
            client.batch_execute(&format!("CREATE TABLE {name} {TABLE}")).await.unwrap();
        }
        client.batch_execute(&format!("INSERT INTO expected {EXPECTED}")).await.unwrap();
        let columns = "(a, b, c, d, e, f)";
        let plain: String = (1..=ROWS).map(line).collect();
        let csv: String = "a,b,c,d,e,f\n".to_owned() + &(1..=ROWS).map(csv_line).collect::<String>();
        let loaded =
            load(&client, &format!("COPY plain {columns} FROM STDIN"), plain.as_bytes(), &seed).await;
        assert_eq!(loaded.unwrap(), ROWS as u64);
        let copy = format!("COPY csv {columns} FROM STDIN (FORMAT csv, HEADER)");
        assert_eq!(load(&client, &copy, csv.as_bytes(), &seed).await.unwrap(), ROWS as u64);
        client.batch_execute("SET max_parallel_maintenance_workers = 0").await.unwrap();
        let copy = format!("COPY serial {columns} FROM STDIN");
        assert_eq!(load(&client, &copy, plain.as_bytes(), &seed).await.unwrap(), ROWS as u64);
        let expected = text(&client, &format!("{SUMS} expected t")).await;
        for name in ["plain", "csv", "serial"] {
            assert_eq!(text(&client, &format!("{SUMS} {name} t")).await, expected, "{name}");
        }
    });
}

#[test]
fn errors_of_large_loads_name_their_line() {
    let seed = Seed::choose("errors_of_large_loads_name_their_line");
    println!("seed {}", seed.value());
    run(async {
        let database = Database::new("loads_errors").await;
        let client = database.connect().await;
        client.batch_execute(&format!("CREATE TABLE t {TABLE}; CREATE UNIQUE INDEX ON t (a)")).await.unwrap();
        // Line, what stands there instead; SQLSTATE, message and context of the error. The first error in the data counts.
        let invalid = (
            11_000,
            "11000\tb\tnone\t2024-01-01\t\\N\t1\n",
            "22P02",
            "invalid input syntax for type numeric: \"none\"",
            "COPY t, line 11000, column c: \"none\"",
        );
        let null = (
            9_000,
            "\\N\tb\t1\t2024-01-01\t\\N\t1\n",
            "23502",
            "null value in column \"a\" of relation \"t\" violates not-null constraint",
            "COPY t, line 9000: \"\\N\tb\t1\t2024-01-01\t\\N\t1\"",
        );
        let short = (
            13_001,
            "13001\tb\n",
            "22P04",
            "missing data for column \"c\"",
            "COPY t, line 13001: \"13001\tb\"",
        );
        let long = (
            15_999,
            "15999\tb\t1\t2024-01-01\t\\N\t1\tmore\n",
            "22P04",
            "extra data after last expected column",
            "COPY t, line 15999: \"15999\tb\t1\t2024-01-01\t\\N\t1\tmore\"",
        );
        for wrong in [
            vec![invalid],
            vec![null],
            vec![short],
            vec![long],
            vec![long, invalid, short],
            vec![short, null],
        ] {
            let mut lines: Vec<String> = (1..=ROWS).map(line).collect();
            for (number, instead, ..) in &wrong {
                lines[number - 1] = (*instead).to_owned();
            }
            let copy = "COPY t (a, b, c, d, e, f) FROM STDIN";
            let failed = load(&client, copy, lines.concat().as_bytes(), &seed).await.unwrap_err();
            let first = wrong.iter().min_by_key(|w| w.0).unwrap();
            let error = failed.as_db_error().unwrap_or_else(|| panic!("{failed:?}"));
            let said = (error.code().code(), error.message(), error.where_());
            assert_eq!(said, (first.2, first.3, Some(first.4)));
            assert_eq!(text(&client, "SELECT count(*) FROM t").await, "0");
        }
        let mut lines: Vec<String> = (1..=ROWS).map(line).collect();
        lines[12_000] = line(17);
        let failed =
            load(&client, "COPY t (a, b, c, d, e, f) FROM STDIN", lines.concat().as_bytes(), &seed).await;
        let error = failed.unwrap_err();
        assert_eq!(error.as_db_error().map(DbError::detail), Some(Some("Key (a)=(17) already exists.")));
    });
}
