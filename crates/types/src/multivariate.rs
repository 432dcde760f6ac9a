//! Values of pg_ndistinct, pg_dependencies and pg_mcv_list: what extended statistics know of several columns together
//! (PostgreSQL: `mvdistinct.c`, `dependencies.c`, `mcv.c`). They are made by ANALYZE, never read from text.
//!
//! Columns go by their numbers; expressions by -1, -2, ... Stored forms (little-endian):
//!
//! | type | bytes |
//! | --- | --- |
//! | pg_ndistinct, pg_dependencies | u32 items; per item u16 columns, i16 each, f64 |
//! | pg_mcv_list | u32 columns, u32 items; f64 frequency and f64 base frequency per item; per column u32 length and an array of its values |

use crate::array::{ArrayBuilder, ArrayRef};
use crate::{Datum, IoContext, PhysicalType, TypeInfo};
use bytes::Bytes;
use quarry_common::{Error, Oid, Result};
use std::fmt::Write as _;

/// Distinct combinations of some columns (pg_ndistinct), or how much the last of them depends on the others (pg_dependencies).
#[derive(Clone, PartialEq, Debug)]
pub struct Coefficient {
    pub columns: Vec<i16>,
    pub value: f64,
}

/// A combination of values, in the order of the object's columns.
#[derive(Clone, PartialEq, Debug)]
pub struct CommonItem {
    pub values: Vec<Datum>,
    /// Its share of the rows.
    pub frequency: f64,
    /// What its share would be if the columns were independent.
    pub base_frequency: f64,
}

/// A list of coefficients as a value.
pub fn encode_coefficients(items: &[Coefficient]) -> Datum {
    let mut out = (items.len() as u32).to_le_bytes().to_vec();
    for item in items {
        out.extend((item.columns.len() as u16).to_le_bytes());
        item.columns.iter().for_each(|c| out.extend(c.to_le_bytes()));
        out.extend(item.value.to_le_bytes());
    }
    Datum::Bytes(Bytes::from(out))
}

/// Reads a value from its beginning.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
    fn u32(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(self.array()?) as usize)
    }
    fn f64(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.array()?))
    }
}

/// The coefficients of a stored value; none if it isn't one.
pub fn decode_coefficients(value: &Datum) -> Vec<Coefficient> {
    let Datum::Bytes(bytes) = value else { return vec![] };
    let mut r = Reader(bytes);
    let mut read = || -> Option<Vec<Coefficient>> {
        let count = r.u32()?;
        let mut items = vec![];
        for _ in 0..count {
            let columns = u16::from_le_bytes(r.array()?);
            let columns = (0..columns).map(|_| r.array().map(i16::from_le_bytes)).collect::<Option<_>>()?;
            items.push(Coefficient { columns, value: r.f64()? });
        }
        Some(items)
    };
    read().unwrap_or_default()
}

/// A most-common-values list as a value; `columns`: element type and physical type of each.
pub fn encode_common(items: &[CommonItem], columns: &[(Oid, PhysicalType)]) -> Result<Datum> {
    let mut out = (columns.len() as u32).to_le_bytes().to_vec();
    out.extend((items.len() as u32).to_le_bytes());
    for item in items {
        out.extend(item.frequency.to_le_bytes());
        out.extend(item.base_frequency.to_le_bytes());
    }
    for (i, (ty, physical)) in columns.iter().enumerate() {
        let mut values = ArrayBuilder::new(*ty, *physical);
        items.iter().for_each(|item| match &item.values[i] {
            Datum::Null => values.push_null(),
            v => values.push(v),
        });
        let Datum::Bytes(bytes) = values.finish_1d()? else {
            return Err(Error::internal("an array is a varying value"));
        };
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&bytes);
    }
    Ok(Datum::Bytes(Bytes::from(out)))
}

/// The columns' types and the items of a stored list; none if it isn't one.
pub fn decode_common(value: &Datum) -> Option<(Vec<Oid>, Vec<CommonItem>)> {
    let Datum::Bytes(bytes) = value else { return None };
    let mut r = Reader(bytes);
    let (columns, count) = (r.u32()?, r.u32()?);
    let mut items = vec![];
    for _ in 0..count {
        items.push(CommonItem { values: vec![], frequency: r.f64()?, base_frequency: r.f64()? });
    }
    let mut types = vec![];
    for _ in 0..columns {
        let length = r.u32()?;
        let array = ArrayRef::new(r.take(length)?);
        if array.len() != count {
            return None;
        }
        types.push(array.element_oid());
        for (item, v) in items.iter_mut().zip(array.iter()) {
            item.values.push(v);
        }
    }
    Some((types, items))
}

pub(crate) fn ndistinct_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let mut text = String::from("{");
    for (i, item) in decode_coefficients(v).iter().enumerate() {
        let columns: Vec<String> = item.columns.iter().map(i16::to_string).collect();
        let comma = if i > 0 { ", " } else { "" };
        // Writing to a String can't fail.
        let _ = write!(text, "{comma}\"{}\": {}", columns.join(", "), item.value as i32);
    }
    text.push('}');
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

pub(crate) fn dependencies_output(
    _: &TypeInfo,
    v: &Datum,
    _: &IoContext<'_>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut text = String::from("{");
    for (i, item) in decode_coefficients(v).iter().enumerate() {
        let Some((implied, columns)) = item.columns.split_last() else { continue };
        let columns: Vec<String> = columns.iter().map(i16::to_string).collect();
        let comma = if i > 0 { ", " } else { "" };
        let _ = write!(text, "{comma}\"{} => {implied}\": {:.6}", columns.join(", "), item.value);
    }
    text.push('}');
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oids;

    #[test]
    fn what_was_stored_is_read() {
        let items = vec![
            Coefficient { columns: vec![1, 2], value: 10.0 },
            Coefficient { columns: vec![1, -1, 3], value: 0.25 },
        ];
        let stored = encode_coefficients(&items);
        assert_eq!(decode_coefficients(&stored), items);
        let cx = IoContext::default();
        let ty = crate::type_info(oids::PG_NDISTINCT).expect("pg_ndistinct");
        let mut out = vec![];
        ndistinct_output(ty, &stored, &cx, &mut out).expect("text");
        assert_eq!(out, br#"{"1, 2": 10, "1, -1, 3": 0}"#);
        out.clear();
        dependencies_output(ty, &stored, &cx, &mut out).expect("text");
        assert_eq!(out, br#"{"1 => 2": 10.000000, "1, -1 => 3": 0.250000}"#);
        let common = vec![CommonItem {
            values: vec![Datum::I32(1), Datum::Null],
            frequency: 0.5,
            base_frequency: 0.25,
        }];
        let columns = [(oids::INT4, PhysicalType::I32), (oids::TEXT, PhysicalType::Bytes)];
        let stored = encode_common(&common, &columns).expect("a list");
        assert_eq!(decode_common(&stored), Some((vec![oids::INT4, oids::TEXT], common)));
        assert_eq!(decode_common(&Datum::text("x")), None);
    }
}
