//! Aggregates over a wide table of page views, in the manner of ClickBench: scans, groups of few and of many, texts, top rows.

use crate::bench::{Bench, progress};
use crate::peers::Side;
use crate::queries::{self, Goals, Query};
use crate::report::Section;
use crate::tools;

const DATABASE: &str = "wide";

/// 24 columns, filled by arithmetic on the row's number alone, so that both sides hold the same.
const TABLE: &str = "CREATE TABLE hits (watch_id bigint NOT NULL, counter_id int NOT NULL, event_time timestamp NOT NULL,
    event_date date NOT NULL, user_id bigint NOT NULL, region_id int NOT NULL, os smallint NOT NULL, browser smallint NOT NULL,
    width smallint NOT NULL, height smallint NOT NULL, is_mobile boolean NOT NULL, is_refresh boolean NOT NULL, url text NOT NULL,
    referer text NOT NULL, title text NOT NULL, search_phrase text NOT NULL, engine_id smallint NOT NULL, traffic_source smallint NOT NULL,
    send_timing int NOT NULL, dns_timing int NOT NULL, price numeric(10,2) NOT NULL, currency char(3) NOT NULL, score double precision NOT NULL,
    tag text)";

const ROWS: &str = "INSERT INTO hits SELECT h, (h % 6000)::int, timestamp '2024-01-01' + (i % 2592000) * interval '1 second',
    date '2024-01-01' + (i % 2592000 / 86400)::int, h % 1000003 * 7919, (h / 7 % 230)::int, (h / 11 % 12)::smallint, (h / 13 % 40)::smallint,
    (h / 17 % 20 * 80 + 320)::smallint, (h / 19 % 20 * 60 + 240)::smallint, h % 5 = 0, h % 9 = 0,
    'https://site' || h % 6000 || '.example/path/' || h / 23 % 40000, CASE WHEN h % 3 = 0 THEN '' ELSE 'https://from' || h / 29 % 900 || '.example/' END,
    'Page ' || h / 23 % 40000 || ' of site ' || h % 6000, CASE WHEN h % 6 <> 0 THEN '' ELSE 'phrase ' || h / 31 % 20000 END,
    (h / 37 % 8)::smallint, (h / 41 % 10)::smallint, (h / 43 % 5000)::int, (h / 47 % 300)::int, (h / 53 % 100000)::numeric / 100,
    CASE h / 59 % 4 WHEN 0 THEN 'EUR' WHEN 1 THEN 'USD' WHEN 2 THEN 'GBP' ELSE 'CHF' END, (h / 61 % 1000)::float8 / 8,
    CASE WHEN h % 4 = 0 THEN 'tag' || h / 67 % 50 END
    FROM (SELECT i, i * 2654435761 % 4294967291 AS h FROM generate_series(ROWS_FROM::bigint, ROWS_TO::bigint) AS g(i)) AS hashed";

/// Rows of one INSERT: whole tables in one would need memory and say nothing on their way.
const ROWS_EACH: u64 = 500_000;

/// Each has an order of all its rows, or one row.
const QUERIES: [&str; 20] = [
    "SELECT count(*) FROM hits",
    "SELECT count(*) FROM hits WHERE is_refresh",
    "SELECT sum(send_timing), count(*), avg(width) FROM hits",
    "SELECT avg(user_id) FROM hits",
    "SELECT count(DISTINCT user_id) FROM hits",
    "SELECT count(DISTINCT search_phrase) FROM hits",
    "SELECT min(event_date), max(event_date), min(score), max(price) FROM hits",
    "SELECT engine_id, count(*) FROM hits WHERE engine_id <> 0 GROUP BY engine_id ORDER BY count(*) DESC, engine_id",
    "SELECT region_id, count(DISTINCT user_id) AS u FROM hits GROUP BY region_id ORDER BY u DESC, region_id LIMIT 10",
    "SELECT region_id, sum(send_timing), count(*) AS c, avg(width), sum(price) FROM hits GROUP BY region_id ORDER BY c DESC, region_id LIMIT 10",
    "SELECT browser, os, count(*) AS c FROM hits WHERE is_mobile GROUP BY browser, os ORDER BY c DESC, browser, os LIMIT 10",
    "SELECT search_phrase, count(*) AS c FROM hits WHERE search_phrase <> '' GROUP BY search_phrase ORDER BY c DESC, search_phrase LIMIT 10",
    "SELECT user_id, count(*) AS c FROM hits GROUP BY user_id ORDER BY c DESC, user_id LIMIT 10",
    "SELECT user_id, search_phrase, count(*) AS c FROM hits GROUP BY user_id, search_phrase ORDER BY c DESC, user_id, search_phrase LIMIT 10",
    "SELECT count(*), min(url) FROM hits WHERE url LIKE '%site77%' AND search_phrase <> ''",
    "SELECT date_trunc('hour', event_time) AS hour, count(*) FROM hits WHERE counter_id = 62 GROUP BY hour ORDER BY hour LIMIT 50",
    "SELECT url, count(*) AS c FROM hits WHERE event_date BETWEEN date '2024-01-03' AND date '2024-01-20' AND NOT is_refresh GROUP BY url ORDER BY c DESC, url LIMIT 10",
    "SELECT counter_id, avg(length(url)) AS l, count(*) AS c FROM hits WHERE referer <> '' GROUP BY counter_id HAVING count(*) > 100 ORDER BY l DESC, counter_id LIMIT 25",
    "SELECT currency, is_mobile, sum(price), sum(price * (1 - dns_timing / 1000.0)), avg(price), max(score) FROM hits GROUP BY currency, is_mobile ORDER BY currency, is_mobile",
    "SELECT tag, extract(hour FROM event_time) AS hour, count(*) AS c, sum(send_timing + dns_timing) FROM hits WHERE tag IS NOT NULL AND width > 800 GROUP BY tag, hour ORDER BY c DESC, tag, hour LIMIT 20",
];

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let rows: u64 = bench.pick(5_000_000, 500_000);
    bench.database(DATABASE)?;
    for side in Side::BOTH {
        progress(&format!("{side:?}: {rows} wide rows"));
        let target = bench.target(side)?;
        tools::sql(&target, DATABASE, TABLE)?;
        for first in (0..rows).step_by(ROWS_EACH as usize) {
            let last = (first + ROWS_EACH).min(rows) - 1;
            let insert = ROWS.replace("ROWS_FROM", &first.to_string()).replace("ROWS_TO", &last.to_string());
            tools::sql(&target, DATABASE, &insert)?;
        }
        tools::sql(&target, DATABASE, "VACUUM ANALYZE hits")?;
        tools::sql(&target, DATABASE, "CHECKPOINT")?;
    }
    let query = |(i, sql): (usize, &&str)| Query { name: format!("w{:02}", i + 1), sql: (*sql).to_owned() };
    let queries: Vec<Query> = QUERIES.iter().enumerate().map(query).collect();
    let title = format!("{rows} wide rows");
    // PostgreSQL compiles where that pays, as for TPC-H; there is no index to price.
    let settings: [&[&str]; 2] = [&["SET jit = off"], &["SET jit = on"]];
    queries::measure(
        bench,
        section,
        DATABASE,
        (&title, &queries, Goals { mean: 5.0, each: None }),
        &settings,
    )?;
    bench.drop_database(DATABASE)
}
