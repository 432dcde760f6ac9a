//! SQL types: values, column vectors, text and binary I/O, comparison, hashing, order-preserving keys.
//!
//! Values are *physical*: a [`Datum`] or a [`Vector`] says how bytes lie, never which SQL type they are; the SQL type
//! ([`SqlType`]) comes from the plan, as in PostgreSQL. [`registry`] is the one table of built-in types: it gives each
//! its OID, its [`PhysicalType`] and its functions for text and binary I/O, comparison, hashing and keys.
//!
//! Data flow: text or binary from a client -> [`Datum`] -> row bytes (`quarry_storage::row`) -> [`Vector`]s in a
//! [`Batch`] -> text or binary to the client.
#![deny(unsafe_op_in_unsafe_fn)]
// Arithmetic on SQL values can fail, so that `add` and its like can't be the operators' traits.
#![allow(clippy::should_implement_trait)]

pub mod aclitem;
pub mod array;
pub mod batch;
pub mod boolean;
pub mod bytea;
pub mod bytes_column;
pub mod compare;
pub mod datetime;
pub mod datum;
pub mod element;
pub mod enums;
pub mod floats;
pub mod hash;
pub mod identifiers;
pub mod ints;
pub mod io;
pub mod json;
pub mod key;
pub mod multivariate;
pub mod numeric;
pub mod oids;
pub mod output;
pub mod physical;
pub mod pseudo;
pub mod record;
pub mod reg;
pub mod registry;
pub mod row;
pub mod sqltype;
pub mod stored;
pub mod text;
pub mod textsearch;
pub mod typename;
pub mod typmod;
pub mod uuid;
pub mod vector;
pub mod wire;

pub use batch::{BATCH_ROWS, Batch, Rows};
pub use bytes_column::BytesColumn;
pub use datum::Datum;
pub use io::{IoContext, ObjectNames, TypeRef};
pub use physical::PhysicalType;
pub use registry::{TypeInfo, type_info};
pub use sqltype::SqlType;
pub use vector::{Vector, VectorData};
