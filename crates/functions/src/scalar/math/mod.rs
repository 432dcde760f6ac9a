//! Mathematics.

pub mod float;
pub mod numeric;
