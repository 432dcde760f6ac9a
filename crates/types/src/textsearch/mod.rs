//! Full-text search: the types tsvector and tsquery.
//!
//! [`vector`] and [`query`] are the stored forms, as PostgreSQL lays them out (without the length word), so that sizes and the
//! order of values, which begins with the size, are PostgreSQL's. [`word`] reads one word of either's text, [`parse`] the
//! operators around the words of a query, [`print`] writes a query, [`tree`] is a query to be changed, [`execute`] matches.
//! Follows PostgreSQL's `tsvector.c`, `tsvector_parser.c`, `tsvector_op.c`, `tsquery*.c`.
//!
//! Invariants: V1 the lexemes of a vector rise strictly (bytewise, shorter first); V2 the positions of a lexeme rise strictly, there
//! are at most [`POSITIONS_MAX`]; Q1 a stored query is a whole tree in prefix notation, right operand first.

pub mod execute;
pub mod io;
pub mod parse;
pub mod print;
pub mod query;
pub mod tree;
pub mod vector;
pub mod word;

#[cfg(test)]
mod tests;

pub use io::*;
pub use query::{Item, Op, Query, encode};
pub use vector::{Lexeme, VectorBuilder, VectorRef};

use quarry_common::{Error, err};

/// A lexeme is shorter than this (`MAXSTRLEN`).
pub const LEXEME_BYTES_MAX: usize = (1 << 11) - 1;
/// All lexemes and positions of a vector, or words of a query, take less (`MAXSTRPOS`).
pub const STRINGS_BYTES_MAX: usize = (1 << 20) - 1;
/// Positions are less than this (`MAXENTRYPOS`), and so are distances at most.
pub const POSITION_LIMIT: u16 = 1 << 14;
/// Positions of one lexeme (`MAXNUMPOS`).
pub const POSITIONS_MAX: usize = 256;
/// Deepest nesting of a query.
pub const DEPTH_MAX: usize = 5000;

/// A position without weight, at most the last one that can be stored.
pub fn limit_position(position: u64) -> u16 {
    position.min(u64::from(POSITION_LIMIT) - 1) as u16
}
/// The position of a stored position and weight.
pub fn position_of(stored: u16) -> u16 {
    stored & 0x3fff
}
/// The weight, 3 for A to 0 for D.
pub fn weight_of(stored: u16) -> u16 {
    stored >> 14
}
/// Position and weight as they are stored.
pub fn with_weight(position: u16, weight: u16) -> u16 {
    position & 0x3fff | weight << 14
}

/// 54001, as PostgreSQL reports nesting that exhausts its stack.
pub(crate) fn too_deep() -> Error {
    err!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(
        "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the \
         platform's stack depth limit is adequate.",
    )
}

/// PostgreSQL's 54000 for a vector whose lexemes and positions take too much.
pub fn vector_too_long(bytes: usize) -> Error {
    err!(
        PROGRAM_LIMIT_EXCEEDED,
        "string is too long for tsvector ({bytes} bytes, max {STRINGS_BYTES_MAX} bytes)"
    )
}
