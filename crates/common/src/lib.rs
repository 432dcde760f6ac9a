//! What every Quarry crate shares: errors that carry a SQLSTATE, newtypes for ids, settings definitions, limits.
//!
//! Main types: [`Error`] (everything a client may be told), [`SqlState`], [`Oid`], [`Xid`], [`Lsn`], [`Tid`].
//! This crate knows nothing of SQL text, pages or sockets.
#![forbid(unsafe_code)]

pub mod error;
pub mod helper;
pub mod ids;
pub mod memory;
pub mod progress;
pub mod quoting;
pub mod settings;
pub mod sqlstate;
pub mod ternary;
pub mod usage;
pub mod wait;

pub use error::{Error, Result, Severity};
pub use ids::{BlockNo, CommandId, Lsn, Oid, SubXid, Tid, Xid};
pub use sqlstate::SqlState;
pub use ternary::Ternary;
