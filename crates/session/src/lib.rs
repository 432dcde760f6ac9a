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

mod amcheck;
mod auto_explain;
mod block;
mod clock;
pub mod commands;
pub mod config;
mod context;
mod cursor;
mod digest;
mod domains;
mod exported;
mod index_functions;
mod instance;
mod internal;
mod lock_rows;
mod lock_waits;
pub mod log;
mod nested;
mod notify;
mod pins;
mod plan_choice;
mod plan_shape;
mod planning;
mod portal;
mod portals;
mod prepared;
pub mod protocol;
mod query;
mod request;
mod results;
mod row_ids;
mod rules;
mod seldom;
mod sequence;
mod server_functions;
mod server_rows;
mod session;
mod settings_check;
mod signals;
mod statements;
mod statistics;
mod summary_requests;
mod tag;
mod templates;
mod text_search;
mod timeouts;
mod vars;
pub mod verify;
mod view_definition;

pub use clock::now;
pub use commands::maintenance::start_autovacuum;
pub use context::SessionContext;
pub use instance::{Instance, PasswordVerifier};
pub use request::{FormatCodes, Request, Step, Values, WireFormats};
pub use session::{Session, SessionStart};
pub use settings_check::normalise as normalise_setting;
pub use signals::{Activity, CancelReason, Sessions, Signals};
