//! Measurements of Quarry beside PostgreSQL 15.
//!
//! `cargo xtask bench` runs them. On a shared machine two figures taken seconds apart say more than one taken alone, so each
//! [`subjects`] measures both [`peers`] turn by turn, in [`bench::Bench::rounds`], and [`report`] shows medians, the ratio's spread
//! and what is asked of it. [`results`] writes that into `RESULTS.md`.
//!
//! Answers are compared wherever there are any: rows of queries, bytes of COPY, balances of TPC-B, counts after loads.
#![forbid(unsafe_code)]

pub mod bench;
pub mod peers;
pub mod processes;
pub mod report;
pub mod results;
pub mod subjects;
pub mod tools;

mod checkpoint;
mod connections;
mod copy;
mod data;
mod duckdb;
mod fairness;
mod growth;
mod indexes;
mod load;
mod memory;
mod oltp;
mod queries;
mod raw;
mod restart;
mod size;
mod sysbench;
mod tpch;
mod wide;
