//! Operators: their `pg_operator` rows. The functions that compute them are declared with the scalar families.

pub mod arithmetic;
pub mod array;
pub mod comparison;
pub mod json;
pub mod pattern;
pub mod text_search;
