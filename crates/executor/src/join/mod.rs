//! Joins.

pub mod hash;
pub mod merge;
pub mod nest_loop;
pub(crate) mod output;
