//! Mathematics.

pub mod bucket;
pub mod float;
pub mod numeric;
