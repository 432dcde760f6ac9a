//! Integration tests: each starts servers of its own and speaks to them as users do.
//!
//! `golden` compares SQL files with PostgreSQL's answers, `plans` is about plans and the rules that make them, `isolation` what concurrent sessions see; `drivers`, `languages` and `pgbench` are client programs;
//! `crash`, `disk_full` and `lifecycle` are about processes and their data folders; `robustness` sends what no client should;
//! `history` looks for anomalies in random transactions; `snapshots` is about handing them on; `index_builds` is about indexes made beside writers, `rewrites` about
//! tables written anew, `autovacuum` about the background vacuum, `dump` about pg_dump; `auth` is about who may connect, `loads` about large COPYs, `memory` about what statements gather, `notify` about LISTEN and NOTIFY, `portals` about what the extended protocol's portals answer, `two_phase` about prepared transactions.

#![forbid(unsafe_code)]

mod auth;
mod autovacuum;
mod crash;
mod disk_full;
mod drivers;
mod dump;
mod golden;
mod history;
mod index_builds;
mod isolation;
mod languages;
mod lifecycle;
mod loads;
mod memory;
mod notify;
mod pgbench;
mod plans;
mod portals;
mod rewrites;
mod robustness;
mod snapshots;
mod support;
mod two_phase;
mod waiting;
mod wire_types;
