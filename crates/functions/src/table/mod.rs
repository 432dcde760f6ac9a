//! Set-returning functions, by family.

pub mod series;
pub mod unnest;
