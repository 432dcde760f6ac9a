//! Connections: how fast they come and go, and what idle ones cost.

use crate::bench::{Bench, progress, text_of};
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble};
use crate::tools;

/// The role that has to give a password.
const ROLE: &str = "bench_scram";
const PASSWORD: &str = "bench";

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let idle = bench.pick(2000, 500);
    // Freshly started, so that no memory that earlier cases gave back is used again.
    bench.peers.configure(&[("max_connections", "2100")])?;
    section.take("memory of idle connections", memory(bench, idle));
    let script = text_of(&bench.file("one.sql", "SELECT 1;\n")?);
    let arguments = ["-C", "-c", "4", "-f", &script];
    let trust = Figure::rate("connect, SELECT 1, close; trust", "conn/s").times(8.0);
    section.extend(
        bench.rate_and_cpu(trust, Some(10.0), |side| Ok(bench.pgbench(side, "postgres", &arguments)?)),
    );
    section.take("connect by SCRAM", scram(bench, &arguments));
    bench.peers.configure(&[])
}

/// As with trust, with a password.
fn scram(bench: &Bench, arguments: &[&str]) -> Result<Vec<Figure>, Trouble> {
    for side in Side::BOTH {
        let path = bench.peers.folder(side).join("pg_hba.conf");
        let rules = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        std::fs::write(&path, format!("host all {ROLE} 127.0.0.1/32 scram-sha-256\n{rules}"))
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let role = format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'");
    bench.on_both(
        "postgres",
        &["SET password_encryption = 'scram-sha-256'", &role, "SELECT pg_reload_conf()"],
    )?;
    let seconds = bench.options.seconds().to_string();
    let arguments = [&["-n", "-j", "2", "-T", &seconds, "-U", ROLE], arguments].concat();
    // Servers read their files when they get to it. A wrong password must be refused, else it isn't SCRAM that is measured.
    std::thread::sleep(std::time::Duration::from_secs(1));
    for side in Side::BOTH {
        let once = ["-n", "-t", "1", "-U", ROLE, "-f", arguments[arguments.len() - 1]];
        let mut wrong = tools::pgbench(&bench.target(side)?, "postgres", &once);
        if tools::run(wrong.env("PGPASSWORD", "wrong")).is_ok() {
            return Err(Trouble::Wrong(format!("{side:?} takes a wrong password")));
        }
    }
    let figure = Figure::rate("connect, SELECT 1, close; SCRAM", "conn/s").times(3.0);
    let figures = bench.rate_and_cpu(figure, None, |side| {
        let mut command = tools::pgbench(&bench.target(side)?, "postgres", &arguments);
        Ok(bench.measured(side, command.env("PGPASSWORD", PASSWORD))?)
    });
    bench.on_both("postgres", &[&format!("DROP ROLE {ROLE}")])?;
    Ok(figures)
}

/// What idle connections add to the servers' memory, each after three prepared statements.
fn memory(bench: &mut Bench, idle: usize) -> Result<Vec<Figure>, Trouble> {
    let database = bench.pgbench_database(bench.pick(50, 10))?;
    let mut figures = [
        Figure::cost(format!("memory that {idle} idle connections add"), "MB").times(20.0),
        Figure::cost("memory of an idle connection", "KB"),
    ];
    let mut values = [[0.0; 2]; 2];
    for side in Side::BOTH {
        progress(&format!("{side:?}: {idle} idle connections"));
        let target = bench.target(side)?;
        // What the first connection brings to life stays.
        let mut open = vec![prepared(&target, &database, 0)?];
        let before = bench.peers.memory_bytes(side)?;
        for number in 1..=idle {
            open.push(prepared(&target, &database, number)?);
        }
        let added = bench.peers.memory_bytes(side)?.saturating_sub(before) as f64;
        values[0][side as usize] = added / 1e6;
        values[1][side as usize] = added / 1e3 / idle as f64;
    }
    figures.iter_mut().zip(values).for_each(|(figure, values)| figure.add(values));
    Ok(figures.into())
}

/// A connection that has run three prepared statements.
fn prepared(
    target: &quarry_testkit::psql::Target,
    database: &str,
    number: usize,
) -> Result<quarry_testkit::client::Client, String> {
    let mut client = tools::connect(target, database)?;
    for (name, sql) in [
        ("a", "SELECT abalance FROM pgbench_accounts WHERE aid = $1"),
        (
            "b",
            "SELECT b.bbalance, t.tbalance FROM pgbench_branches b JOIN pgbench_tellers t USING (bid) WHERE tid = $1",
        ),
        ("c", "SELECT count(*) FROM pgbench_tellers WHERE bid = $1"),
    ] {
        tools::rows(&mut client, &format!("PREPARE {name}(int) AS {sql}"))?;
        tools::rows(&mut client, &format!("EXECUTE {name}({})", 1 + number % 10))?;
    }
    Ok(client)
}
