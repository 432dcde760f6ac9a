//! Mathematics.

pub mod bucket;
mod cbrt;
pub mod float;
pub mod numeric;
