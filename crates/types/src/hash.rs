//! Hashes for joins, grouping and partitions: deterministic, equal for values that SQL calls equal.
//!
//! A row's hash folds its columns' hashes in order ([`hash_vector`] once per column). int2, int4, int8 hash alike,
//! and so do float4 and float8. The mixing follows wyhash (Wang Yi): multiply to 128 bits, fold the halves.

use crate::text::trim_blanks;
use crate::{Rows, TypeInfo, Vector, VectorData, oids};

const K0: u64 = 0xa076_1d64_78bd_642f;
const K1: u64 = 0xe703_7ed1_a0b4_28db;
const K2: u64 = 0x8ebc_6af0_9c88_c6e3;
/// What NULL hashes to: grouping treats NULLs as equal.
pub const NULL_HASH: u64 = 0x5896_5cc7_5374_cc35;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    wide as u64 ^ (wide >> 64) as u64
}

/// Hash of a whole number.
#[inline]
pub fn hash_i64(v: i64) -> u64 {
    fold(v as u64 ^ K0, K1)
}

/// Hash of a float: -0 as 0, all NaNs alike.
#[inline]
pub fn hash_f64(v: f64) -> u64 {
    let bits = if v == 0.0 {
        0
    } else if v.is_nan() {
        f64::NAN.to_bits()
    } else {
        v.to_bits()
    };
    fold(bits ^ K1, K2)
}

/// Hash of a byte string.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = K0 ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(16);
    for chunk in &mut chunks {
        let (a, b) = chunk.split_at(8);
        let a = u64::from_le_bytes(a.try_into().expect("eight bytes"));
        let b = u64::from_le_bytes(b.try_into().expect("eight bytes"));
        state = fold(a ^ K1, b ^ state);
    }
    let rest = chunks.remainder();
    let mut last = [0u8; 16];
    last[..rest.len()].copy_from_slice(rest);
    let a = u64::from_le_bytes(last[..8].try_into().expect("eight bytes"));
    let b = u64::from_le_bytes(last[8..].try_into().expect("eight bytes"));
    fold(fold(a ^ K1, b ^ state), K2)
}

/// Folds a further column's (or element's) hash into a row's.
#[inline]
pub fn combine(row: u64, column: u64) -> u64 {
    fold(row ^ K2, column ^ K1)
}

/// Folds the hash of each named row of `v` into `out`, which is indexed by position like `v`. Begin with zeros.
///
/// Panics for types without a hash function: the binder has refused them.
pub fn hash_vector(v: &Vector, ty: &TypeInfo, rows: Rows<'_>, out: &mut [u64]) {
    if v.is_constant() {
        let h = match rows.iter().next() {
            Some(first) => hash_slot(v, ty, first),
            None => return,
        };
        rows.iter().for_each(|i| out[i] = combine(out[i], h));
        return;
    }
    macro_rules! each {
        ($hash:expr) => {
            match v.validity() {
                None => rows.iter().for_each(|i| out[i] = combine(out[i], $hash(i))),
                Some(valid) => rows.iter().for_each(|i| {
                    let h = if valid[i] { $hash(i) } else { NULL_HASH };
                    out[i] = combine(out[i], h);
                }),
            }
        };
    }
    match v.data() {
        VectorData::Bool(d) => each!(|i: usize| hash_i64(i64::from(d[i]))),
        VectorData::I16(d) => each!(|i: usize| hash_i64(i64::from(d[i]))),
        VectorData::I32(d) => each!(|i: usize| hash_i64(i64::from(d[i]))),
        VectorData::U32(d) => each!(|i: usize| hash_i64(i64::from(d[i]))),
        VectorData::I64(d) => each!(|i: usize| hash_i64(d[i])),
        VectorData::F32(d) => each!(|i: usize| hash_f64(f64::from(d[i]))),
        VectorData::F64(d) => each!(|i: usize| hash_f64(d[i])),
        VectorData::B16(d) if ty.oid == oids::UUID => each!(|i: usize| hash_bytes(&d[i])),
        VectorData::B16(_) => each!(|i: usize| hash_slot(v, ty, i)),
        VectorData::Bytes(d) => match base_oid(ty) {
            oids::TEXT | oids::VARCHAR | oids::NAME | oids::BYTEA => each!(|i: usize| hash_bytes(d.get(i))),
            oids::BPCHAR => each!(|i: usize| hash_bytes(trim_blanks(d.get(i)))),
            oids::NUMERIC => each!(|i: usize| crate::numeric::NumericRef::new(d.get(i)).hash()),
            _ => each!(|i: usize| hash_slot(v, ty, i)),
        },
    }
}

/// The type's OID, for a domain its base's.
fn base_oid(ty: &TypeInfo) -> quarry_common::Oid {
    ty.base.map_or(ty.oid, |b| b.oid)
}

fn hash_slot(v: &Vector, ty: &TypeInfo, i: usize) -> u64 {
    if v.is_null(i) {
        return NULL_HASH;
    }
    let hash = ty.functions.hash.expect("the binder lets only hashable types be hashed");
    hash(&v.datum(i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Datum, PhysicalType, type_info};

    #[test]
    fn vectors_and_datums_agree() {
        let int4 = type_info(oids::INT4).unwrap();
        let int8 = type_info(oids::INT8).unwrap();
        let mut a = Vector::with_capacity(PhysicalType::I32, 3);
        let mut b = Vector::with_capacity(PhysicalType::I64, 3);
        for v in [1, -5] {
            a.push_datum(&Datum::I32(v));
            b.push_datum(&Datum::I64(v.into()));
        }
        a.push_null();
        b.push_null();
        let (mut ha, mut hb) = ([0; 3], [0; 3]);
        hash_vector(&a, int4, Rows::All(3), &mut ha);
        hash_vector(&b, int8, Rows::All(3), &mut hb);
        assert_eq!(ha, hb);
        let c = Vector::constant(PhysicalType::I32, &Datum::I32(1), 3);
        let mut hc = [0; 3];
        hash_vector(&c, int4, Rows::All(3), &mut hc);
        assert_eq!(hc[2], ha[0]);
        assert_ne!(hash_bytes(b""), hash_bytes(b"\0"));
        assert_eq!(hash_f64(-0.0), hash_f64(0.0));
    }
}
