//! Comparison operators' functions, by how values are stored.

pub mod datetime;
pub mod float;
pub mod generic;
pub mod in_range;
pub mod int;
pub mod numeric;
pub mod text;
