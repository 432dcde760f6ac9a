//! Connections: listening, start-up, authentication, the message loop.
//!
//! [`serve`] accepts; each connection is one task ([`connection`]) on one of the [`reactor`]s: it negotiates ([`startup`]), authenticates ([`auth`], by the rules
//! of [`hba`]), then turns frames into requests ([`frame`]) for its `Session` and sends what the session wrote. The pgwire crate
//! gives the start-up messages and SCRAM; every other byte from a client is validated in [`frame`] before it is looked at.
#![forbid(unsafe_code)]

pub mod auth;
pub mod connection;
pub mod frame;
pub mod hba;
pub mod listener;
pub mod reactor;
mod spare;
pub mod startup;
mod tcp;

pub use listener::{ServerHandle, serve};
pub use reactor::Reactors;
