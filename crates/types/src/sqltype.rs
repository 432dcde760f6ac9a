//! A SQL type as an expression or column has it.

use crate::oids;
use quarry_common::Oid;

/// Type OID and type modifier (-1: none), as in PostgreSQL's `pg_attribute.atttypid` / `atttypmod`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SqlType {
    pub oid: Oid,
    /// varchar(n)/char(n): n + 4; numeric(p,s): ((p << 16) | (s & 0x7ff)) + 4; time types: precision; interval: PostgreSQL's packing.
    pub typmod: i32,
}

impl SqlType {
    pub const BOOL: SqlType = SqlType::of(oids::BOOL);
    pub const INT2: SqlType = SqlType::of(oids::INT2);
    pub const INT4: SqlType = SqlType::of(oids::INT4);
    pub const INT8: SqlType = SqlType::of(oids::INT8);
    pub const FLOAT8: SqlType = SqlType::of(oids::FLOAT8);
    pub const NUMERIC: SqlType = SqlType::of(oids::NUMERIC);
    pub const TEXT: SqlType = SqlType::of(oids::TEXT);
    pub const UNKNOWN: SqlType = SqlType::of(oids::UNKNOWN);
    pub const OID: SqlType = SqlType::of(oids::OID);
    pub const NAME: SqlType = SqlType::of(oids::NAME);
    pub const RECORD: SqlType = SqlType::of(oids::RECORD);
    pub const TID: SqlType = SqlType::of(oids::TID);

    /// A type without modifier.
    pub const fn of(oid: Oid) -> SqlType {
        SqlType { oid, typmod: -1 }
    }
    /// A type with modifier.
    pub const fn with_typmod(oid: Oid, typmod: i32) -> SqlType {
        SqlType { oid, typmod }
    }
}
