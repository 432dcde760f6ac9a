//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A SQL server that PostgreSQL's clients can't tell from PostgreSQL.
#[derive(Parser, Debug)]
#[command(
    name = "quarry",
    version,
    after_help = "Start a server in ./quarry-data and connect to it:\n\n    quarry start\n    psql postgres://postgres@127.0.0.1:5432/postgres"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a server, making its data folder first if there is none
    Start(StartArgs),
    /// Verify every page and index of a data folder whose server is stopped
    Check(CheckArgs),
}

#[derive(Args, Debug)]
#[command(
    after_help = "Settings are looked for in this order: -c on the command line, then quarry.toml in the data \
folder, then defaults that fit the machine. SIGINT or SIGTERM shuts down cleanly."
)]
pub struct StartArgs {
    /// Data folder
    #[arg(
        short = 'D',
        long = "data",
        value_name = "DIR",
        default_value = "./quarry-data",
        env = "QUARRY_DATA"
    )]
    pub data: PathBuf,
    /// Addresses to listen on, separated by commas; "*" for all
    #[arg(long, value_name = "ADDRESSES")]
    pub listen: Option<String>,
    /// TCP port
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Set a setting, as in `-c work_mem=64MB`; may be given several times
    #[arg(short = 'c', value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Data folder
    #[arg(
        short = 'D',
        long = "data",
        value_name = "DIR",
        default_value = "./quarry-data",
        env = "QUARRY_DATA"
    )]
    pub data: PathBuf,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_string(), value.trim().to_string()))
        }
        _ => Err("expected NAME=VALUE".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["quarry", "start", "-c", "work_mem=8MB", "--port", "6000"]).unwrap();
        let Command::Start(args) = cli.command else { panic!("start expected") };
        assert_eq!(args.settings, [("work_mem".to_string(), "8MB".to_string())]);
        assert!(Cli::try_parse_from(["quarry", "start", "-c", "work_mem"]).is_err());
    }
}
