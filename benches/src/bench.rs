//! A run: its options, the two servers, what several subjects share, and rounds in turn.

use std::path::{Path, PathBuf};
use std::process::Command;

use quarry_testkit::psql::Target;
use quarry_testkit::temp::TempDir;

use crate::peers::{Peers, Side};
use crate::report::{Figure, Trouble};
use crate::tools;

/// What a run is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Only the subjects whose names contain one of these
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Rounds of each case, of which medians are shown [default: 5, with --quick 2]
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Seconds of each measurement of a rate [default: 10, with --quick 2]
    #[arg(long)]
    pub seconds: Option<u32>,
    /// Small sizes: a look, not a result. The tables are printed only, unless --out names a file
    #[arg(long)]
    pub quick: bool,
    /// The folder with TPC-H's schema.sql, indexes.sql and queries q*.sql
    #[arg(long)]
    pub tpch: Option<PathBuf>,
    /// The folder with TPC-H's .tbl files, without the delimiter at the ends of lines; made without it
    #[arg(long, requires = "tpch")]
    pub tpch_data: Option<PathBuf>,
    /// A Python that has the package `duckdb`
    #[arg(long, default_value = "python3")]
    pub duckdb: PathBuf,
    /// The file whose marked part gets the tables [default: benches/RESULTS.md, with --quick none]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print the subjects and end
    #[arg(long)]
    pub list: bool,
}

impl Options {
    /// Rounds of each case.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).max(1)
    }

    /// Seconds of each measurement of a rate.
    pub fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(if self.quick { 2 } else { 10 }).max(1)
    }
}

/// What one program did to a server.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Operations a second, as the program counts them.
    pub rate: f64,
    /// The server's processor time for an operation, in microseconds.
    pub cpu: f64,
    /// Operations.
    pub count: f64,
}

/// A run.
#[derive(Debug)]
pub struct Bench {
    /// What was asked for.
    pub options: Options,
    /// The servers.
    pub peers: Peers,
    /// Scripts and data files.
    pub dir: TempDir,
    scales: Vec<u32>,
    /// Where TPC-H's files are, once both servers have its data.
    pub(crate) tpch: Option<crate::tpch::Loaded>,
}

impl Bench {
    /// Starts both servers.
    pub fn start(options: Options) -> Result<Bench, String> {
        let dir = TempDir::new("bench");
        Ok(Bench { options, peers: Peers::start(&[])?, dir, scales: vec![], tpch: None })
    }

    /// A size: the whole one or that of a quick run.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.options.quick { quick } else { full }
    }

    /// Where clients of a side connect.
    pub fn target(&self, side: Side) -> Result<Target, String> {
        self.peers.target(side)
    }

    /// The rows of a statement.
    pub fn sql(&self, side: Side, database: &str, sql: &str) -> Result<tools::Rows, String> {
        tools::sql(&self.target(side)?, database, sql)
    }

    /// Runs statements on both sides, each by itself.
    pub fn on_both(&self, database: &str, statements: &[&str]) -> Result<(), String> {
        for side in Side::BOTH {
            let mut client = tools::connect(&self.target(side)?, database)?;
            for sql in statements {
                tools::rows(&mut client, sql).map_err(|e| format!("{side:?}: {e}"))?;
            }
        }
        Ok(())
    }

    /// An empty database on both sides.
    pub fn database(&self, name: &str) -> Result<(), String> {
        self.drop_database(name)?;
        self.on_both("postgres", &[&format!("CREATE DATABASE {name}")])
    }

    /// Removes a database from both sides, and writes back what the others left to write.
    pub fn drop_database(&self, name: &str) -> Result<(), String> {
        self.on_both("postgres", &[&format!("DROP DATABASE IF EXISTS {name}"), "CHECKPOINT"])
    }

    /// A database with pgbench's tables at a scale, on both sides; made once.
    pub fn pgbench_database(&mut self, scale: u32) -> Result<String, String> {
        let name = format!("pgbench_{scale}");
        if !self.scales.contains(&scale) {
            self.database(&name)?;
            for side in Side::BOTH {
                progress(&format!("{side:?}: pgbench's tables at scale {scale}"));
                let args = ["-i", "-q", "-s", &scale.to_string()];
                tools::run(&mut tools::pgbench(&self.target(side)?, &name, &args))?;
            }
            self.on_both(&name, &["CHECKPOINT"])?;
            self.scales.push(scale);
        }
        Ok(name)
    }

    /// Removes pgbench's tables at a scale.
    pub fn drop_pgbench_database(&mut self, scale: u32) -> Result<(), String> {
        self.scales.retain(|s| *s != scale);
        self.drop_database(&format!("pgbench_{scale}"))
    }

    /// A file of the run, with this text.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// Runs pgbench on a side for the run's seconds, with the server's processor time beside it.
    pub fn pgbench(&self, side: Side, database: &str, args: &[&str]) -> Result<Run, String> {
        let seconds = self.options.seconds().to_string();
        let args = [&["-n", "-j", "2", "-T", &seconds], args].concat();
        self.measured(side, &mut tools::pgbench(&self.target(side)?, database, &args))
    }

    /// Runs a pgbench command, with the server's processor time beside it.
    pub fn measured(&self, side: Side, command: &mut Command) -> Result<Run, String> {
        let before = self.peers.cpu_seconds(side)?;
        let text = tools::run(command)?;
        let used = self.peers.cpu_seconds(side)? - before;
        let count = tools::number_after(&text, "actually processed:")?;
        if count == 0.0 {
            return Err(format!("no transaction ended: {text}"));
        }
        Ok(Run { rate: tools::number_after(&text, "tps = ")?, cpu: used * 1e6 / count, count })
    }

    /// Measures on both sides, in turn, the first side changing with the rounds, and adds each round to the figures. A side that
    /// can't be measured leaves one line that says why.
    pub fn rounds<const N: usize>(
        &self,
        figures: [Figure; N],
        measure: impl FnMut(Side) -> Result<[f64; N], Trouble>,
    ) -> Vec<Figure> {
        in_turn(self.options.rounds(), figures, measure)
    }

    /// A rate and the server's processor time for each operation.
    pub fn rate_and_cpu(
        &self,
        rate: Figure,
        cpu_goal: Option<f64>,
        mut measure: impl FnMut(Side) -> Result<Run, Trouble>,
    ) -> Vec<Figure> {
        let cpu = Figure::cost(format!("{}: server CPU", rate.name()), "us");
        let cpu = match cpu_goal {
            Some(times) => cpu.times(times),
            None => cpu,
        };
        self.rounds([rate, cpu], |side| measure(side).map(|run| [run.rate, run.cpu]))
    }
}

/// As [`Bench::rounds`], with so many of them.
pub fn in_turn<const N: usize>(
    rounds: usize,
    mut figures: [Figure; N],
    mut measure: impl FnMut(Side) -> Result<[f64; N], Trouble>,
) -> Vec<Figure> {
    for round in 0..rounds {
        let mut values = [[0.0; 2]; N];
        for side in Side::in_round(round) {
            progress(&format!("{}: round {}, {side:?}", figures[0].name(), round + 1));
            match measure(side) {
                Ok(of_side) => (0..N).for_each(|i| values[i][side as usize] = of_side[i]),
                Err(trouble) => {
                    let trouble = match trouble {
                        Trouble::Missing(why) => Trouble::Missing(format!("{side:?}: {why}")),
                        wrong => wrong,
                    };
                    return vec![Figure::without(figures[0].name(), trouble)];
                }
            }
        }
        figures.iter_mut().zip(values).for_each(|(figure, values)| figure.add(values));
    }
    figures.into()
}

/// Says on standard error what is being done.
pub fn progress(what: &str) {
    eprintln!("{what}");
}

/// A path as an argument.
pub fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_take_turns_and_stop_at_trouble() {
        let mut order = vec![];
        let figures = in_turn(2, [Figure::rate("r", "x")], |side| {
            order.push(side);
            Ok([if side == Side::Quarry { 6.0 } else { 2.0 }])
        });
        assert_eq!(order, [Side::Quarry, Side::Postgres, Side::Postgres, Side::Quarry]);
        assert_eq!(figures[0].better_by(), [3.0; 3]);
        let figures = in_turn(2, [Figure::rate("r", "x")], |_| Err("no tool".into()));
        assert_eq!(figures[0].row(), "| r | not run: Quarry: no tool | | | | | |");
    }
}
