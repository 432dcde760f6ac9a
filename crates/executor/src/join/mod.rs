//! Joins.

pub(crate) mod deal;
pub mod filter;
pub mod hash;
pub mod inner_parts;
mod lookup;
pub mod memoize;
pub mod merge;
mod merge_side;
pub mod nest_loop;
pub(crate) mod output;
mod partition;
mod resident;
pub(crate) mod shared;
mod table;
