//! One client's state: settings, prepared statements, portals, transaction block, COPY, utility commands.
//!
//! A [`Session`] is a state machine that knows nothing of sockets: the connection hands it [`Request`]s, it appends backend
//! messages to an output buffer and says by [`Step`] how to go on. [`Instance`] is what all sessions of a server share.
//!
//! ```text
//! Request -> parse -> bind -> plan (or plan cache) -> Execution -> DataRow messages
//!                \-> commands/<object>.rs for everything that isn't a query
//! ```
#![forbid(unsafe_code)]

pub mod protocol;
pub mod request;

pub use request::{Request, Step};
