//! The `quarry` command.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod config;
mod start;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: quarry_storage::malloc::Allocator = quarry_storage::malloc::Allocator;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Start(args) => start::run(args),
        Command::Check(args) => check::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let f = e.fields();
            eprintln!("quarry: {}", f.message);
            for line in f.detail.iter().chain(&f.hint) {
                eprintln!("        {line}");
            }
            ExitCode::FAILURE
        }
    }
}
