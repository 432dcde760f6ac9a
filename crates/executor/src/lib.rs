//! Runs physical plans: vectorised operators and compiled expressions.
//!
//! [`Execution`] runs one statement: [`build::Builder`] turns the plan into a tree of [`operator::Operator`]s with compiled
//! expressions ([`expr::Program`]); each call pulls one batch. What an execution is given is [`ExecEnv`]; what its operators
//! share while it runs is [`context::Runtime`], reached through [`context::Cx`].
//!
//! Columns of enclosing rows (a nested loop's outer side, a subquery's surroundings) are read from `Runtime::outer` by id:
//! whoever drives an inner plan sets them and rescans it.
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod append;
pub mod build;
pub mod context;
pub mod correlation;
pub mod crew;
pub mod deferred;
pub mod env;
pub mod eval;
pub mod execution;
pub mod expr;
pub mod fastpath;
pub mod gather;
pub mod index_build;
pub mod index_entry;
pub mod index_method;
pub mod index_verify;
pub mod join;
pub mod limit;
pub mod merge;
pub mod modify;
mod null_match;
pub mod operator;
pub mod pool;
pub mod project;
pub mod recursive;
pub mod rewrite;
pub mod rows;
pub mod scan;
pub mod seen;
pub mod setop;
pub mod sort;
mod sort_entries;
pub mod spill;
pub mod stats;
pub mod subplan;
#[cfg(test)]
mod testing;
pub mod window;
pub mod write;

pub use context::{Cx, Runtime};
pub use deferred::DeferredQueue;
pub use env::{ExecEnv, InternalSql};
pub use execution::{Execution, Tree, Watcher};
pub use stats::{NodeStats, TriggerStats};
