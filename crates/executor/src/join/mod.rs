//! Joins.

pub mod filter;
pub mod hash;
pub mod memoize;
pub mod merge;
pub mod nest_loop;
pub(crate) mod output;
mod partition;
