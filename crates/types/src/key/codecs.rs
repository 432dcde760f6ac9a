//! The ascending forms of the plain types.
//!
//! Whole numbers: big-endian, the sign bit flipped. Floats: the bits, negative ones inverted, others with the sign
//! bit flipped; -0 as 0 and all NaNs alike. Text: its bytes and a 0 (text has no zero bytes). bytea: 0 becomes 0 255,
//! the end is 0 1.

use crate::registry::KeyCodec;
use crate::text::{char_byte, char_datum, trim_blanks};
use crate::{Datum, floats, ints};
use bytes::Bytes;
use quarry_common::{Error, Result};

fn short() -> Error {
    Error::corrupted("an index key ends within a value")
}

fn take<const N: usize>(key: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = key.split_at_checked(N).ok_or_else(short)?;
    *key = rest;
    Ok(head.try_into().expect("split at the array's length"))
}

fn skip<const N: usize>(key: &mut &[u8]) -> Result<()> {
    take::<N>(key).map(|_| ())
}

pub const BOOL: KeyCodec = KeyCodec {
    encode: |v, out| out.push(u8::from(v.as_bool())),
    decode: Some(|key| Ok(Datum::Bool(take::<1>(key)?[0] != 0))),
    skip: skip::<1>,
};

pub const I16: KeyCodec = KeyCodec {
    encode: |v, out| out.extend_from_slice(&(v.as_i16() as u16 ^ 1 << 15).to_be_bytes()),
    decode: Some(|key| Ok(Datum::I16((u16::from_be_bytes(take(key)?) ^ 1 << 15) as i16))),
    skip: skip::<2>,
};

pub const I32: KeyCodec = KeyCodec {
    encode: |v, out| out.extend_from_slice(&(v.as_i32() as u32 ^ 1 << 31).to_be_bytes()),
    decode: Some(|key| Ok(Datum::I32((u32::from_be_bytes(take(key)?) ^ 1 << 31) as i32))),
    skip: skip::<4>,
};

pub const U32: KeyCodec = KeyCodec {
    encode: |v, out| out.extend_from_slice(&v.as_u32().to_be_bytes()),
    decode: Some(|key| Ok(Datum::U32(u32::from_be_bytes(take(key)?)))),
    skip: skip::<4>,
};

pub const I64: KeyCodec = KeyCodec {
    encode: |v, out| out.extend_from_slice(&(v.as_i64() as u64 ^ 1 << 63).to_be_bytes()),
    decode: Some(|key| Ok(Datum::I64((u64::from_be_bytes(take(key)?) ^ 1 << 63) as i64))),
    skip: skip::<8>,
};

/// xid8 and pg_lsn.
pub const U64: KeyCodec = KeyCodec {
    encode: |v, out| out.extend_from_slice(&(v.as_i64() as u64).to_be_bytes()),
    decode: Some(|key| Ok(Datum::I64(u64::from_be_bytes(take(key)?) as i64))),
    skip: skip::<8>,
};

/// Any whole number, as an int8.
pub(crate) const I64_ANY: KeyCodec = KeyCodec {
    encode: |v, out| out.extend_from_slice(&(ints::as_i64(v) as u64 ^ 1 << 63).to_be_bytes()),
    decode: None,
    skip: skip::<8>,
};

fn float_bits(v: f64) -> u64 {
    let v = if v == 0.0 { 0.0 } else { v };
    let bits = if v.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { v.to_bits() };
    if bits >> 63 == 1 { !bits } else { bits ^ 1 << 63 }
}

fn encode_f64(v: &Datum, out: &mut Vec<u8>) {
    out.extend_from_slice(&float_bits(floats::as_f64(v)).to_be_bytes());
}

pub const F32: KeyCodec = KeyCodec { encode: encode_f64, decode: None, skip: skip::<8> };
pub const F64: KeyCodec = KeyCodec { encode: encode_f64, decode: None, skip: skip::<8> };
pub(crate) const F64_ANY: KeyCodec = F64;

/// Sixteen bytes that compare bytewise: uuid.
pub const B16: KeyCodec = KeyCodec {
    encode: |v, out| out.extend_from_slice(v.as_b16()),
    decode: Some(|key| Ok(Datum::B16(take(key)?))),
    skip: skip::<16>,
};

/// Appends text's form.
pub(super) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 1);
    out.extend_from_slice(text);
    out.push(0);
}

fn take_text<'k>(key: &mut &'k [u8]) -> Result<&'k [u8]> {
    let end = memchr::memchr(0, key).ok_or_else(short)?;
    let text = &key[..end];
    *key = &key[end + 1..];
    Ok(text)
}

fn skip_text(key: &mut &[u8]) -> Result<()> {
    take_text(key).map(|_| ())
}

pub const TEXT: KeyCodec = KeyCodec {
    encode: |v, out| write_text(v.as_bytes(), out),
    decode: Some(|key| take_text(key).map(|t| Datum::Bytes(Bytes::copy_from_slice(t)))),
    skip: skip_text,
};

/// Trailing blanks don't count; the key does not know how many there were.
pub const BPCHAR: KeyCodec =
    KeyCodec { encode: |v, out| write_text(trim_blanks(v.as_bytes()), out), decode: None, skip: skip_text };

pub const CHAR: KeyCodec = KeyCodec {
    encode: |v, out| out.push(char_byte(v)),
    decode: Some(|key| Ok(char_datum(take::<1>(key)?[0]))),
    skip: skip::<1>,
};

fn encode_bytea(v: &Datum, out: &mut Vec<u8>) {
    for b in v.as_bytes() {
        out.push(*b);
        if *b == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 1]);
}

fn decode_bytea(key: &mut &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let zero = memchr::memchr(0, key).ok_or_else(short)?;
        out.extend_from_slice(&key[..zero]);
        let after = *key.get(zero + 1).ok_or_else(short)?;
        *key = &key[zero + 2..];
        if after != 0xff {
            return Ok(out);
        }
        out.push(0);
    }
}

pub const BYTEA: KeyCodec = KeyCodec {
    encode: encode_bytea,
    decode: Some(|key| decode_bytea(key).map(|b| Datum::Bytes(Bytes::from(b)))),
    skip: |key| decode_bytea(key).map(|_| ()),
};
