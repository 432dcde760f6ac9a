//! Indexes: how fast they are built, and what lookups by them cost.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use crate::bench::{Bench, progress, text_of};
use crate::copy::copy_in;
use crate::data;
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble};
use crate::tools;

const DATABASE: &str = "indexes";
/// Clients of the lookups.
const CLIENTS: &str = "4";

/// A kind of lookups: what builds its index, pgbench's script, and a query whose rows both must agree on. `ROWS` stands for the
/// number of rows.
struct Lookups {
    name: &'static str,
    index: &'static str,
    script: &'static str,
    probe: &'static str,
    /// Times better: the rate, the processor time.
    goals: [Option<f64>; 2],
}

const LOOKUPS: [Lookups; 7] = [
    Lookups {
        name: "text key by hash index",
        index: "rel USING hash (k)",
        script: "\\set i random(0, ROWS - 1)\nSELECT a, b FROM rel WHERE k = 'key' || :i;\n",
        probe: "SELECT a, b FROM rel WHERE k = 'key77'",
        goals: [None, Some(2.0)],
    },
    Lookups {
        name: "covering index, sum of 150 entries",
        index: "rel (a) INCLUDE (c)",
        script: "\\set i random(0, ROWS - 200)\nSELECT sum(c) FROM rel WHERE a BETWEEN :i AND :i + 150;\n",
        probe: "SELECT sum(c) FROM rel WHERE a BETWEEN 1000 AND 1150",
        goals: [None, Some(2.0)],
    },
    Lookups {
        name: "partial index, next 10 in order",
        index: "rel (a) WHERE status = 'open'",
        script: "\\set i random(0, ROWS - 5000)\nSELECT id, a FROM rel WHERE status = 'open' AND a >= :i ORDER BY a LIMIT 10;\n",
        probe: "SELECT id, a FROM rel WHERE status = 'open' AND a >= 5000 ORDER BY a, id LIMIT 10",
        goals: [None, Some(2.0)],
    },
    Lookups {
        name: "jsonb_ops @>",
        index: "documents USING gin (doc)",
        script: "\\set t random(0, 4999)\nSELECT count(*) FROM documents WHERE doc @> ('{\"tags\": [\"t' || :t || '\"]}')::jsonb;\n",
        probe: "SELECT id FROM documents WHERE doc @> '{\"tags\": [\"t3\"], \"ok\": true}' ORDER BY id",
        goals: [Some(1.5), None],
    },
    Lookups {
        name: "jsonb_path_ops @>",
        index: "documents USING gin (doc jsonb_path_ops)",
        script: "\\set t random(0, 199)\n\\set u random(0, 49)\nSELECT count(*) FROM documents WHERE doc @> ('{\"geo\": {\"cc\": \"c' || :t || '\"}, \"kind\": \"k' || :u || '\"}')::jsonb;\n",
        probe: "SELECT id FROM documents WHERE doc @> '{\"geo\": {\"cc\": \"c5\"}, \"kind\": \"k2\"}' ORDER BY id",
        goals: [Some(1.5), None],
    },
    Lookups {
        name: "full text, two words, rare",
        index: "texts USING gin (to_tsvector('simple', body))",
        script: "\\set a random_zipfian(1, 19999, 1.2)\n\\set b random(1000, 19999)\nSELECT id FROM texts WHERE to_tsvector('simple', body) @@ to_tsquery('simple', 'w' || :a || ' & w' || :b) LIMIT 20;\n",
        probe: "SELECT id FROM texts WHERE to_tsvector('simple', body) @@ to_tsquery('simple', 'w5 & w77') ORDER BY id",
        goals: [Some(1.5), None],
    },
    Lookups {
        name: "full text, two words, counted",
        index: "texts USING gin (to_tsvector('simple', body))",
        script: "\\set a random(0, 30)\n\\set b random(31, 200)\nSELECT count(*) FROM texts WHERE to_tsvector('simple', body) @@ to_tsquery('simple', 'w' || :a || ' & w' || :b);\n",
        probe: "SELECT count(*) FROM texts WHERE to_tsvector('simple', body) @@ to_tsquery('simple', 'w5 | w77')",
        goals: [Some(1.5), None],
    },
];

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    bench.database(DATABASE)?;
    for (name, kind, expression, rows, goal) in [
        ("ints", "int", "((i * 2654435761) % 2147483647)::int", bench.pick(10_000_000, 1_000_000), 2.5),
        ("texts", "text", "'key ' || (i * 40503) % 9999991", bench.pick(5_000_000, 500_000), 2.0),
    ] {
        let made = Built { what: name, column: kind, expression, rows };
        section.take(name, building(bench, &made, goal));
    }
    let rows = bench.pick(500_000, 50_000);
    load(bench, rows)?;
    for lookups in &LOOKUPS {
        section.take(lookups.name, looking_up(bench, lookups, rows));
    }
    section.notes.push(format!(
        "Lookups in {rows} rows or documents, prepared, {CLIENTS} clients; builds of their indexes once."
    ));
    bench.drop_database(DATABASE)
}

/// A table of which an index is built: the column's type and what fills it.
struct Built<'a> {
    what: &'a str,
    column: &'a str,
    expression: &'a str,
    rows: u64,
}

/// CREATE INDEX; sums by the index and by the table must agree, and be the same on both sides.
fn building(bench: &Bench, table: &Built, goal: f64) -> Result<Vec<Figure>, Trouble> {
    let Built { what, column, expression, rows } = table;
    let insert = format!(
        "INSERT INTO built SELECT {expression}, i % 1000 FROM generate_series(1::bigint, {rows}::bigint) AS g(i)"
    );
    for side in Side::BOTH {
        progress(&format!("{side:?}: {rows} {what}"));
        bench.sql(side, DATABASE, &format!("CREATE TABLE built (a {column} NOT NULL, b int NOT NULL)"))?;
        bench.sql(side, DATABASE, &insert)?;
        bench.sql(side, DATABASE, "VACUUM ANALYZE built")?;
    }
    let probe =
        if *column == "int" { "a BETWEEN 1000000 AND 3000000" } else { "a >= 'key 77' AND a < 'key 78'" };
    let probe = format!("SELECT count(*) || ' ' || coalesce(sum(b), 0) FROM built WHERE {probe}");
    let name = format!("CREATE INDEX on {rows} {what}");
    let figures = [Figure::cost(&name, "s").times(goal), Figure::cost(format!("{name}: server CPU"), "s")];
    let mut sums: [Option<String>; 2] = [None, None];
    let figures = bench.rounds(figures, |side| {
        let target = bench.target(side)?;
        bench.sql(side, DATABASE, "CHECKPOINT")?;
        let cpu = bench.peers.cpu_seconds(side)?;
        let started = Instant::now();
        bench.sql(side, DATABASE, "CREATE INDEX built_a ON built (a)")?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = bench.peers.cpu_seconds(side)? - cpu;
        let by_index = tools::value(&target, DATABASE, &probe)?;
        bench.sql(side, DATABASE, "DROP INDEX built_a")?;
        let by_table = tools::value(&target, DATABASE, &probe)?;
        if by_index != by_table {
            return Err(Trouble::Wrong(format!(
                "{side:?}: {by_index} by the index, {by_table} by the table"
            )));
        }
        sums[side as usize] = Some(by_table);
        Ok([seconds, cpu])
    });
    bench.on_both(DATABASE, &["DROP TABLE built", "CHECKPOINT"])?;
    match sums {
        [Some(ours), Some(theirs)] if ours != theirs => {
            Err(Trouble::Wrong(format!("{ours} against {theirs}")))
        }
        _ => Ok(figures),
    }
}

fn load(bench: &Bench, rows: u64) -> Result<(), String> {
    progress(&format!("{rows} rows, documents and texts"));
    let files = [
        ("documents", data::documents(bench.dir.path(), rows)?),
        ("texts", data::texts(bench.dir.path(), rows)?),
    ];
    let insert = format!(
        "INSERT INTO rel SELECT i, 'key' || (i * 7919) % {rows}, (i * 2654435761) % {rows}, i % 5000, i % 97,
            CASE WHEN i % 100 = 0 THEN 'open' ELSE 'done' END, repeat('x', 60)
         FROM generate_series(0::bigint, {rows}::bigint - 1) AS g(i)"
    );
    bench.on_both(
        DATABASE,
        &[
            "CREATE TABLE rel (id int NOT NULL, k text NOT NULL, a int NOT NULL, b int NOT NULL, c int NOT NULL,
                status text NOT NULL, filler text NOT NULL)",
            &insert,
            "CREATE TABLE documents (id int PRIMARY KEY, doc jsonb NOT NULL)",
            "CREATE TABLE texts (id int PRIMARY KEY, cat int NOT NULL, body text NOT NULL)",
        ],
    )?;
    for (table, path) in &files {
        for side in Side::BOTH {
            let source = File::open(path).map_err(|e| e.to_string())?;
            copy_in(&bench.target(side)?, DATABASE, &format!("COPY {table} FROM STDIN"), source)?;
        }
        std::fs::remove_file(path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    bench.on_both(DATABASE, &["VACUUM ANALYZE", "CHECKPOINT"])
}

fn looking_up(bench: &Bench, lookups: &Lookups, rows: u64) -> Result<Vec<Figure>, Trouble> {
    let mut build = Figure::cost(format!("{}: building the index", lookups.name), "s");
    if lookups.index.contains("gin") {
        build = build.times(2.0);
    }
    let mut seconds = [0.0; 2];
    let mut answers = vec![];
    let script = lookups.script.replace("ROWS", &rows.to_string());
    let script = text_of(Path::new(&bench.file("lookups.sql", &script)?));
    let arguments = ["-M", "prepared", "-c", CLIENTS, "-f", &script];
    for side in Side::BOTH {
        progress(&format!("{side:?}: index on {}", lookups.index));
        let started = Instant::now();
        bench.sql(side, DATABASE, &format!("CREATE INDEX looked_up ON {}", lookups.index))?;
        seconds[side as usize] = started.elapsed().as_secs_f64();
        bench.sql(side, DATABASE, "VACUUM ANALYZE")?;
        answers.push(bench.sql(side, DATABASE, lookups.probe)?);
    }
    build.add(seconds);
    let outcome = if answers[0] == answers[1] {
        let mut rate = Figure::rate(lookups.name, "queries/s");
        if let Some(goal) = lookups.goals[0] {
            rate = rate.times(goal);
        }
        let measure = |side| Ok(bench.pgbench(side, DATABASE, &arguments)?);
        let mut figures = bench.rate_and_cpu(rate, lookups.goals[1], measure);
        figures.push(build);
        Ok(figures)
    } else {
        Err(Trouble::Wrong(format!("{} rows against {}", answers[0].len(), answers[1].len())))
    };
    bench.on_both(DATABASE, &["DROP INDEX looked_up"])?;
    outcome
}
