//! How values lie in memory and in rows.

/// The storage class of a SQL type. Several SQL types share one; kernels are monomorphic per physical type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PhysicalType {
    /// bool.
    Bool,
    /// int2.
    I16,
    /// int4, date (days since 2000-01-01).
    I32,
    /// oid, xid, cid and the reg* types: unsigned.
    U32,
    /// int8, time, timestamp, timestamptz (microseconds; timestamps since 2000-01-01 00:00 UTC), tid (packed), xid8, pg_lsn.
    I64,
    /// float4.
    F32,
    /// float8.
    F64,
    /// Sixteen bytes: uuid, interval (months i32 LE, days i32 LE, microseconds i64 LE), timetz (time i64 LE, zone seconds west i32 LE, 0).
    B16,
    /// Varying: text, varchar, bpchar, name, "char", bytea, numeric, json, jsonb, arrays, records, void, unknown, cstring.
    Bytes,
}

impl PhysicalType {
    /// Bytes a value takes in a row's fixed area; none for varying ones.
    pub const fn fixed_width(self) -> Option<usize> {
        match self {
            PhysicalType::Bool => Some(1),
            PhysicalType::I16 => Some(2),
            PhysicalType::I32 | PhysicalType::U32 | PhysicalType::F32 => Some(4),
            PhysicalType::I64 | PhysicalType::F64 => Some(8),
            PhysicalType::B16 => Some(16),
            PhysicalType::Bytes => None,
        }
    }
}
