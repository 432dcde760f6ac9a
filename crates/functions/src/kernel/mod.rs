//! From one Rust closure to a function's code.
//!
//! * [`scalar!`](crate::scalar): any argument kinds, one generic loop for batches;
//! * [`wide!`](crate::wide): one or two plain arguments, vectorisable loops: comparisons, arithmetic;
//! * [`flagged!`](crate::flagged): integer arithmetic that may overflow;
//! * [`row_only!`](crate::row_only): a function of one row, for the long tail and for volatile functions.
//!
//! Strictness follows from the argument types: a NULL never reaches an argument that isn't `Option` or `Datum`.
//! A kernel that answers a plain value and takes only plain ones (see [`Arg::TOTAL`]) may be computed for rows no one
//! asked for, so it must be total: no panic, no overflow check.

mod args;
mod call;
pub mod decimals;
pub mod limits;
mod loops;
mod macros;
mod results;
mod totality;

pub use args::{Arg, Value};
pub use call::{call_scalar_batch, call_scalar_row, call_spread_batch, call_spread_row};
pub use limits::{
    BATCH_BYTES_MAX, CHECK_EVERY, batch_too_large, check_buffer, check_value_size, is_batch_too_large,
};
pub use loops::{any0, any1, any2, any3, any4, any5, any6, any7, combined_validity, flagged2, wide1, wide2};
pub use results::{Res, Validity};
pub use totality::{
    total0, total1, total2, total3, total4, total5, total6, total7, wide_total1, wide_total2,
};

#[cfg(test)]
mod tests;
