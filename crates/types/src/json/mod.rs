//! json and jsonb.
//!
//! `json` keeps its text: [`text`] reads fields and elements out of it by scanning. `jsonb` is a binary tree
//! ([`jsonb`]) made by [`jsonb::parse`] or a [`JsonbBuilder`]. [`lexer`] is shared and gives PostgreSQL's errors;
//! [`path`] is the SQL/JSON path language. Follows PostgreSQL's `jsonapi.c`, `json.c`, `jsonb.c`, `jsonb_util.c`,
//! `jsonfuncs.c`, `jsonpath_exec.c`.

pub mod escape;
pub mod io;
pub mod jsonb;
pub mod lexer;
pub mod path;
pub mod text;

#[cfg(test)]
mod oracle_tests;

pub use escape::escape_json;
pub use io::*;
pub use jsonb::{Container, JsonbBuilder, Value};

use quarry_common::{Error, err};

/// Deepest nesting of arrays and objects.
pub const DEPTH_MAX: usize = 1500;

/// 54001, as PostgreSQL reports nesting that exhausts its stack.
pub(crate) fn too_deep() -> Error {
    err!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(
        "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the \
         platform's stack depth limit is adequate.",
    )
}
