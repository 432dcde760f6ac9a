//! One value, untyped beyond its physical form.

use crate::PhysicalType;
use bytes::Bytes;

/// A scalar. Equality here is of representation, not of SQL; SQL comparison is in the type registry.
#[derive(Clone, Debug, Default)]
pub enum Datum {
    #[default]
    Null,
    Bool(bool),
    I16(i16),
    I32(i32),
    U32(u32),
    I64(i64),
    F32(f32),
    F64(f64),
    B16([u8; 16]),
    Bytes(Bytes),
}

impl PartialEq for Datum {
    fn eq(&self, other: &Datum) -> bool {
        match (self, other) {
            (Datum::Null, Datum::Null) => true,
            (Datum::Bool(a), Datum::Bool(b)) => a == b,
            (Datum::I16(a), Datum::I16(b)) => a == b,
            (Datum::I32(a), Datum::I32(b)) => a == b,
            (Datum::U32(a), Datum::U32(b)) => a == b,
            (Datum::I64(a), Datum::I64(b)) => a == b,
            // NaN is what it is, and zeroes of two signs are two values.
            (Datum::F32(a), Datum::F32(b)) => a.to_bits() == b.to_bits(),
            (Datum::F64(a), Datum::F64(b)) => a.to_bits() == b.to_bits(),
            (Datum::B16(a), Datum::B16(b)) => a == b,
            (Datum::Bytes(a), Datum::Bytes(b)) => a == b,
            _ => false,
        }
    }
}

impl Datum {
    /// Copies text into a datum.
    pub fn text(s: &str) -> Datum {
        Datum::Bytes(Bytes::copy_from_slice(s.as_bytes()))
    }
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }
    /// The physical type; none for NULL.
    pub fn physical(&self) -> Option<PhysicalType> {
        Some(match self {
            Datum::Null => return None,
            Datum::Bool(_) => PhysicalType::Bool,
            Datum::I16(_) => PhysicalType::I16,
            Datum::I32(_) => PhysicalType::I32,
            Datum::U32(_) => PhysicalType::U32,
            Datum::I64(_) => PhysicalType::I64,
            Datum::F32(_) => PhysicalType::F32,
            Datum::F64(_) => PhysicalType::F64,
            Datum::B16(_) => PhysicalType::B16,
            Datum::Bytes(_) => PhysicalType::Bytes,
        })
    }
    /// The bytes of a varying value. Panics on other forms: the plan's types guarantee the form.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Datum::Bytes(b) => b,
            other => panic!("expected bytes, found {other:?}"),
        }
    }
    /// The text of a varying value known to be text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("text values are checked when they enter")
    }
    pub fn as_bool(&self) -> bool {
        match self {
            Datum::Bool(v) => *v,
            other => panic!("expected bool, found {other:?}"),
        }
    }
    pub fn as_i16(&self) -> i16 {
        match self {
            Datum::I16(v) => *v,
            other => panic!("expected int2, found {other:?}"),
        }
    }
    pub fn as_i32(&self) -> i32 {
        match self {
            Datum::I32(v) => *v,
            other => panic!("expected int4, found {other:?}"),
        }
    }
    pub fn as_u32(&self) -> u32 {
        match self {
            Datum::U32(v) => *v,
            other => panic!("expected oid, found {other:?}"),
        }
    }
    pub fn as_i64(&self) -> i64 {
        match self {
            Datum::I64(v) => *v,
            other => panic!("expected int8, found {other:?}"),
        }
    }
    pub fn as_f32(&self) -> f32 {
        match self {
            Datum::F32(v) => *v,
            other => panic!("expected float4, found {other:?}"),
        }
    }
    pub fn as_f64(&self) -> f64 {
        match self {
            Datum::F64(v) => *v,
            other => panic!("expected float8, found {other:?}"),
        }
    }
    pub fn as_b16(&self) -> &[u8; 16] {
        match self {
            Datum::B16(v) => v,
            other => panic!("expected sixteen bytes, found {other:?}"),
        }
    }
}
