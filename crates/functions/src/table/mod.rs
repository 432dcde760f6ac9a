//! Set-returning functions, by family.

pub mod collected;
pub mod json;
pub mod json_populate;
pub mod series;
pub mod statistics;
pub mod string;
pub mod text_search;
pub mod unnest;
