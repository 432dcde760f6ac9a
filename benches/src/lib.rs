//! Measurements of Quarry.
//!
//! `side-by-side` ([`cases`] on a pair of [`peers`]) measures Quarry and PostgreSQL 15 in one run, turn by turn, and reports the
//! ratios: on a shared machine two figures taken seconds apart say more than one taken alone. `RESULTS.md` keeps what was measured.
#![forbid(unsafe_code)]

pub mod cases;
pub mod checkpoint;
pub mod peers;
pub mod report;
