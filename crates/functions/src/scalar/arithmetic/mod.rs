//! Arithmetic on machine numbers.

pub mod errors;
pub mod datetime;
pub mod float;
pub mod int;
