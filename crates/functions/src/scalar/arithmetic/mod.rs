//! Arithmetic on machine numbers.

pub mod datetime;
pub mod errors;
pub mod float;
pub mod int;
