//! `cargo xtask power-loss`: the storage's crash tests over as many seeds as make so many power cuts.
//!
//! Each of the tests works on a disk in memory that dies at a random write or sync, keeps any part of what wasn't synced, and verifies what is
//! there after recovery, which is interrupted too now and then. `cargo test` runs the same tests over fewer seeds.

use std::process::Command;

/// Test program, test, power cuts of a seed.
const TESTS: [(&str, &str, u64); 5] = [
    ("table_crash", "committed_rows_survive_crashes", 6),
    ("recovery", "random_crashes_lose_nothing_durable", 4),
    ("recovery", "statuses_and_files_after_a_crash", 1),
    ("sequence", "no_value_comes_twice", 12),
    ("transfer", "transfers_survive_crashes", 3),
];

/// Runs at least `rounds` power cuts, beginning with `seed`.
pub fn run(rounds: u64, seed: u64) -> Result<(), String> {
    let of_a_seed: u64 = TESTS.iter().map(|(_, _, cuts)| cuts).sum();
    let seeds = rounds.div_ceil(of_a_seed).max(1);
    println!("power loss: {} power cuts, seeds {seed} to {}", seeds * of_a_seed, seed + seeds - 1);
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.args(["test", "-p", "quarry-storage"]);
    for (program, ..) in TESTS {
        cargo.args(["--test", program]);
    }
    cargo.args(["--", "--exact"]).args(TESTS.map(|(_, test, _)| test));
    let outcome = cargo
        .env("QUARRY_SEED", seed.to_string())
        .env("QUARRY_ROUNDS", seeds.to_string())
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    if !outcome.success() {
        return Err(format!("not all of it went well; QUARRY_SEED={seed} QUARRY_ROUNDS={seeds} repeat it"));
    }
    for (_, test, cuts) in TESTS {
        println!("{test}: {} power cuts, nothing lost", seeds * cuts);
    }
    Ok(())
}
