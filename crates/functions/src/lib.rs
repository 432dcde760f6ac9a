//! Built-in functions, operators, casts, aggregates and window functions.
//!
//! One declaration per thing: a [`FunctionDef`] stands beside its kernel in a family file (`scalar/<family>.rs`,
//! `aggregate/<name>.rs`, `window.rs`, `table/<name>.rs`) and gives its `pg_proc` row, its typing and its code.
//! Operators ([`OperatorDef`]) and casts ([`CastDef`]) name functions by OID. [`registry`] collects all lists and finds by OID or name.
//!
//! A kernel reaches the world only through its [`EvalContext`].
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod cast;
pub mod context;
pub mod def;
pub mod gin;
pub mod internal;
pub mod json_value;
pub mod kept;
pub mod kernel;
pub mod operator;
mod populate;
pub mod registry;
pub mod scalar;
pub mod set;
pub mod table;
pub mod text_search;
pub mod trigram;
pub mod window;

#[cfg(test)]
mod aggregates_test;
#[cfg(test)]
mod calls_test;

pub use aggregate::{Accumulator, AggregateCall, AggregateImpl, KeyDirection};
pub use context::{EvalContext, SessionEnv};
pub use def::{
    BatchFn, Body, CastContext, CastDef, CastMethod, FunctionDef, FunctionKind, OperatorDef, RowFn,
    ScalarImpl, Volatility,
};
pub use kernel::{call_scalar_batch, call_scalar_row, call_spread_batch, call_spread_row};
pub use set::{RowSource, SetImpl};
pub use window::{Exclusion, Frame, WindowImpl, WindowRows};

/// The error of a kernel given another number of arguments than it declares: a bug of the binder.
#[doc(hidden)]
#[cold]
pub fn kernel_arity() -> quarry_common::Error {
    quarry_common::Error::internal("kernel called with another number of arguments")
}
