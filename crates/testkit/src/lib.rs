//! What the tests of this workspace share: starting and killing a server, running golden SQL files through
//! psql, recording their answers from PostgreSQL 15, seeded randomness.
//!
//! Development only; nothing of the server depends on it. It talks to the server as a user does — a process,
//! a port, psql — and knows nothing of its insides, so that every runner here also works against PostgreSQL.

#![forbid(unsafe_code)]

pub mod client;
pub mod diff;
pub mod golden;
pub mod history;
pub mod isolation;
pub mod parallel;
pub mod paths;
pub mod plans;
pub mod postgres;
pub mod psql;
pub mod random_joins;
pub mod random_query;
pub mod random_subqueries;
pub mod rng;
pub mod server;
pub mod temp;
pub mod wire;
