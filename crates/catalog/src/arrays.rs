//! Arrays as catalog rows hold them: oidvector, int2vector, oid[], int2[], text[], "char"[], float4[], aclitem[].

use crate::acl::AclItem;
use quarry_common::Oid;
use quarry_types::array::{ArrayBuilder, ArrayRef, int2vector, oidvector};
use quarry_types::{Datum, PhysicalType, oids};

fn one_dimension(element: Oid, physical: PhysicalType, values: impl Iterator<Item = Datum>) -> Datum {
    let mut b = ArrayBuilder::new(element, physical);
    values.for_each(|v| b.push(&v));
    b.finish_1d().expect("a catalog's array is short")
}

/// An oidvector.
pub fn oid_vector(v: &[Oid]) -> Datum {
    oidvector(v.iter().copied())
}
/// An int2vector.
pub fn int2_vector(v: &[i16]) -> Datum {
    int2vector(v.iter().copied())
}
/// An oid[].
pub fn oid_array(v: &[Oid]) -> Datum {
    one_dimension(oids::OID, PhysicalType::U32, v.iter().map(|o| Datum::U32(o.0)))
}
/// An int2[].
pub fn int2_array(v: &[i16]) -> Datum {
    one_dimension(oids::INT2, PhysicalType::I16, v.iter().map(|n| Datum::I16(*n)))
}
/// A text[].
pub fn text_array<S: AsRef<str>>(v: &[S]) -> Datum {
    one_dimension(oids::TEXT, PhysicalType::Bytes, v.iter().map(|s| Datum::text(s.as_ref())))
}
/// A "char"[].
pub fn char_array(v: &[char]) -> Datum {
    one_dimension(oids::CHAR, PhysicalType::Bytes, v.iter().map(|c| Datum::text(c.encode_utf8(&mut [0; 4]))))
}
/// A float4[].
pub fn float4_array(v: &[f32]) -> Datum {
    one_dimension(oids::FLOAT4, PhysicalType::F32, v.iter().map(|x| Datum::F32(*x)))
}
/// An aclitem[].
pub fn acl_array(v: &[AclItem]) -> Datum {
    one_dimension(oids::ACLITEM, PhysicalType::Bytes, v.iter().map(|i| i.to_datum()))
}
/// An array of any element type.
pub fn any_array(element: Oid, physical: PhysicalType, v: &[Datum]) -> Datum {
    one_dimension(element, physical, v.iter().cloned())
}

/// The elements of a one-dimensional array; none for NULL.
pub fn elements(d: &Datum) -> Vec<Datum> {
    match d {
        Datum::Bytes(b) => {
            let a = ArrayRef::new(b);
            (0..a.len()).map(|i| a.datum(i)).collect()
        }
        _ => Vec::new(),
    }
}
/// The elements of an oidvector or oid[].
pub fn oids_of(d: &Datum) -> Vec<Oid> {
    elements(d).iter().map(|e| if let Datum::U32(v) = e { Oid(*v) } else { Oid::INVALID }).collect()
}
/// The elements of an int2vector or int2[].
pub fn int2s_of(d: &Datum) -> Vec<i16> {
    elements(d).iter().map(|e| if let Datum::I16(v) = e { *v } else { 0 }).collect()
}
/// The elements of a text[] (or "char"[], name[]).
pub fn texts_of(d: &Datum) -> Vec<String> {
    elements(d).iter().map(|e| if e.is_null() { String::new() } else { e.as_str().to_owned() }).collect()
}
/// The elements of a float4[].
pub fn float4s_of(d: &Datum) -> Vec<f32> {
    elements(d).iter().map(|e| if let Datum::F32(v) = e { *v } else { 0.0 }).collect()
}
/// The items of an aclitem[]; none for NULL.
pub fn acl_of(d: &Datum) -> Option<Vec<AclItem>> {
    (!d.is_null()).then(|| elements(d).iter().filter(|e| !e.is_null()).map(AclItem::of).collect())
}
