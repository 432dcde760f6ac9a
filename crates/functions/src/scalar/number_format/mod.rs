//! `to_char` of numbers and `to_number`: pictures such as `FM999,990.00` (PostgreSQL: `formatting.c`, the numeric half).
//!
//! [`picture`] reads a picture into nodes and counts, [`output`] prints a number's digits through it, [`input`] reads text through it,
//! [`calls`] has the SQL functions, which prepare the digits of each number type.
//!
//! The locale is C: decimal point ".", thousands separator ",", signs "-" and "+", currency symbol one blank.

pub mod calls;
mod input;
mod output;
mod picture;

pub use calls::FUNCTIONS;
