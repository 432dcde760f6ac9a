//! Connections: how fast they come and go, and what idle ones cost.

use std::time::{Duration, Instant};

use quarry_testkit::psql::Target;

use crate::bench::{Bench, Run, progress, text_of};
use crate::peers::Side;
use crate::raw::{Connection, Login};
use crate::report::{Figure, Section, Trouble};
use crate::tools;

/// The role that has to give a password.
const ROLE: &str = "bench_scram";
const PASSWORD: &str = "bench";
/// Who connects at a time.
const CLIENTS: usize = 4;

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let idle = bench.pick(2000, 500);
    // Freshly started, so that no memory that earlier cases gave back is used again.
    bench.peers.configure(&[("max_connections", "2100")])?;
    section.take("memory of idle connections", memory(bench, idle));
    let script = text_of(&bench.file("one.sql", "SELECT 1;\n")?);
    let clients = CLIENTS.to_string();
    let arguments = ["-C", "-c", &clients, "-f", &script];
    let trust = Figure::rate("connect, SELECT 1, close; trust", "conn/s").times(8.0);
    section.extend(
        bench.rate_and_cpu(trust, Some(10.0), |side| Ok(bench.pgbench(side, "postgres", &arguments)?)),
    );
    section.take("connect by SCRAM", scram(bench, &arguments));
    section.notes.push(
        "By SCRAM a client hashes 4,096 times, for which libpq takes longer than either server: pgbench is slower than what it measures. \
         The other client spends a tenth of that."
            .to_owned(),
    );
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
    let figure = Figure::rate("connect, SELECT 1, close; SCRAM, by pgbench", "conn/s").times(3.0);
    let mut figures = bench.rate_and_cpu(figure, Some(10.0), |side| {
        let mut command = tools::pgbench(&bench.target(side)?, "postgres", &arguments);
        Ok(bench.measured(side, command.env("PGPASSWORD", PASSWORD))?)
    });
    let figure =
        Figure::rate("connect, SELECT 1, close; SCRAM, client that hashes fast", "conn/s").times(3.0);
    figures.extend(bench.rate_and_cpu(figure, None, |side| Ok(coming_and_going(bench, side)?)));
    bench.on_both("postgres", &[&format!("DROP ROLE {ROLE}")])?;
    Ok(figures)
}

/// Connections of clients of our own: each opens one, runs a statement and closes it, again and again.
fn coming_and_going(bench: &Bench, side: Side) -> Result<Run, String> {
    let target = bench.target(side)?;
    let before = bench.peers.cpu_seconds(side)?;
    let started = Instant::now();
    let deadline = started + Duration::from_secs(bench.options.seconds().into());
    let counts = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| come_and_go(&target, deadline))).collect();
        let joined =
            clients.into_iter().map(|c| c.join().map_err(|_| "a client panicked".to_owned()).flatten());
        joined.collect::<Result<Vec<u64>, String>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let count = counts.iter().sum::<u64>() as f64;
    let used = bench.peers.cpu_seconds(side)? - before;
    Ok(Run { rate: count / seconds, cpu: used * 1e6 / count.max(1.0), count })
}

/// How many connections came and went until the deadline.
fn come_and_go(target: &Target, deadline: Instant) -> Result<u64, String> {
    let mut count = 0;
    while Instant::now() < deadline {
        let login = Login { user: ROLE, password: PASSWORD };
        let mut connection = Connection::open(target, "postgres", login)?;
        connection.query("SELECT 1")?;
        connection.wait_for(b'Z')?;
        connection.close()?;
        count += 1;
    }
    Ok(count)
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
    target: &Target,
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
