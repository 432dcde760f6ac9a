//! How a value of each physical type lies in rows, arrays and records: fixed ones little-endian.

use crate::{Datum, PhysicalType};
use bytes::Bytes;

/// Appends a non-NULL value's stored bytes.
#[inline]
pub fn write(value: &Datum, out: &mut Vec<u8>) {
    match value {
        Datum::Null => panic!("NULL has no stored bytes"),
        Datum::Bool(v) => out.push(u8::from(*v)),
        Datum::I16(v) => out.extend_from_slice(&v.to_le_bytes()),
        Datum::I32(v) => out.extend_from_slice(&v.to_le_bytes()),
        Datum::U32(v) => out.extend_from_slice(&v.to_le_bytes()),
        Datum::I64(v) => out.extend_from_slice(&v.to_le_bytes()),
        Datum::F32(v) => out.extend_from_slice(&v.to_le_bytes()),
        Datum::F64(v) => out.extend_from_slice(&v.to_le_bytes()),
        Datum::B16(v) => out.extend_from_slice(v),
        Datum::Bytes(v) => out.extend_from_slice(v),
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a fixed value has its type's width")
}

/// The value of stored bytes; copies varying ones.
#[inline]
pub fn read(ty: PhysicalType, bytes: &[u8]) -> Datum {
    match ty {
        PhysicalType::Bool => Datum::Bool(bytes[0] != 0),
        PhysicalType::I16 => Datum::I16(i16::from_le_bytes(fixed(bytes))),
        PhysicalType::I32 => Datum::I32(i32::from_le_bytes(fixed(bytes))),
        PhysicalType::U32 => Datum::U32(u32::from_le_bytes(fixed(bytes))),
        PhysicalType::I64 => Datum::I64(i64::from_le_bytes(fixed(bytes))),
        PhysicalType::F32 => Datum::F32(f32::from_le_bytes(fixed(bytes))),
        PhysicalType::F64 => Datum::F64(f64::from_le_bytes(fixed(bytes))),
        PhysicalType::B16 => Datum::B16(fixed(bytes)),
        PhysicalType::Bytes => Datum::Bytes(Bytes::copy_from_slice(bytes)),
    }
}

/// The code that arrays and records store for a physical type.
pub fn code(ty: PhysicalType) -> u8 {
    match ty {
        PhysicalType::Bool => 1,
        PhysicalType::I16 => 2,
        PhysicalType::I32 => 3,
        PhysicalType::U32 => 4,
        PhysicalType::I64 => 5,
        PhysicalType::F32 => 6,
        PhysicalType::F64 => 7,
        PhysicalType::B16 => 8,
        PhysicalType::Bytes => 9,
    }
}

/// Reverses [`code`]; unknown codes are varying.
pub fn from_code(code: u8) -> PhysicalType {
    match code {
        1 => PhysicalType::Bool,
        2 => PhysicalType::I16,
        3 => PhysicalType::I32,
        4 => PhysicalType::U32,
        5 => PhysicalType::I64,
        6 => PhysicalType::F32,
        7 => PhysicalType::F64,
        8 => PhysicalType::B16,
        _ => PhysicalType::Bytes,
    }
}
