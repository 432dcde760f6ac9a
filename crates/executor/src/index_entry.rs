//! What an index entry holds: the key's columns, and as payload a row of the key columns that keys can't give back
//! followed by the INCLUDE columns. Without such columns the payload is empty.

use quarry_catalog::{IndexDef, Relation};
use quarry_common::Result;
use quarry_storage::row::{FixedColumn, RowBuilder, RowLayout, RowRef};
use quarry_types::key::{self, KeyColumn, KeyOrder};
use quarry_types::row::{decode_column_into, encode_row, get_datum, layout_of, no_detoast};
use quarry_types::{Datum, IoContext, PhysicalType, TypeRef, Vector};

/// Types and order of an index's columns.
pub struct IndexShape {
    keys: Vec<(TypeRef, KeyOrder)>,
    /// Key numbers stored in the payload.
    stored: Vec<usize>,
    included: Vec<PhysicalType>,
    payload: Option<(RowLayout, Vec<PhysicalType>)>,
}

/// A column of a payload that is read, and the number of the vector it goes to.
pub struct StoredColumn {
    place: usize,
    to: usize,
    fixed: Option<FixedColumn>,
}

impl IndexShape {
    pub fn new(relation: &Relation, index: &IndexDef, io: &IoContext<'_>) -> Result<IndexShape> {
        let keys = index
            .keys
            .iter()
            .map(|k| {
                Ok((io.type_ref(k.ty.oid)?, KeyOrder { desc: k.descending, nulls_first: k.nulls_first }))
            })
            .collect::<Result<Vec<_>>>()?;
        let stored: Vec<usize> =
            keys.iter().enumerate().filter(|(_, (t, _))| !key::is_invertible(t)).map(|(i, _)| i).collect();
        let included = index
            .include
            .iter()
            .map(|c| Ok(io.type_ref(relation.columns[*c].ty.oid)?.physical))
            .collect::<Result<Vec<_>>>()?;
        let physicals: Vec<PhysicalType> =
            stored.iter().map(|i| keys[*i].0.physical).chain(included.iter().copied()).collect();
        let payload = if physicals.is_empty() { None } else { Some((layout_of(&physicals), physicals)) };
        Ok(IndexShape { keys, stored, included, payload })
    }

    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The key columns' types and orders.
    pub fn keys(&self) -> &[(TypeRef, KeyOrder)] {
        &self.keys
    }

    /// Whether entries have a payload.
    pub fn has_payload(&self) -> bool {
        self.payload.is_some()
    }

    /// Appends the key; tells whether a column is NULL.
    pub fn key(&self, values: &[Datum], out: &mut Vec<u8>) -> Result<bool> {
        let mut has_null = false;
        for (v, (ty, order)) in values.iter().zip(&self.keys) {
            has_null |= v.is_null();
            key::encode_datum(v, ty, *order, out)?;
        }
        Ok(has_null)
    }

    /// The payload for key values and INCLUDE values.
    pub fn payload<'b>(&self, keys: &[Datum], included: &[Datum], row: &'b mut RowBuilder) -> &'b [u8] {
        match &self.payload {
            None => &[],
            Some((layout, _)) => {
                let values: Vec<Datum> =
                    self.stored.iter().map(|i| keys[*i].clone()).chain(included.iter().cloned()).collect();
                encode_row(&values, layout, row)
            }
        }
    }

    /// Where a column of an entry is: in the payload (its place there), or only in the key.
    pub fn payload_place(&self, column: usize) -> Option<usize> {
        match column.checked_sub(self.keys.len()) {
            Some(included) => Some(self.stored.len() + included),
            None => self.stored.iter().position(|k| *k == column),
        }
    }

    /// Appends columns of an entry to vectors. `keys`: for each key column that may be wanted, the vector it goes to; `stored`: those of
    /// the payload.
    pub fn decode_into(
        &self,
        mut entry: &[u8],
        payload: &[u8],
        keys: &[Option<usize>],
        stored: &[StoredColumn],
        out: &mut [Vector],
    ) -> Result<()> {
        for ((ty, order), to) in self.keys.iter().zip(keys) {
            match to {
                Some(to) => {
                    key::read_column_into(&mut entry, ty, *order, &mut out[*to])?;
                }
                None => {
                    key::skip_column(&mut entry, ty, *order)?;
                }
            }
        }
        let Some((layout, _)) = &self.payload else { return Ok(()) };
        for column in stored {
            match column.fixed.and_then(|f| f.get(payload)) {
                Some(value) => out[column.to].push_stored(value),
                None => {
                    let row = RowRef::new(layout, payload);
                    decode_column_into(&row, column.place, &mut out[column.to], &mut no_detoast)?;
                }
            }
        }
        Ok(())
    }

    /// The column of the payload at a place, on its way to a vector.
    pub fn stored_column(&self, place: usize, to: usize) -> StoredColumn {
        let fixed = self.payload.as_ref().and_then(|(layout, _)| FixedColumn::of(layout, place));
        StoredColumn { place, to, fixed }
    }

    /// The key columns' values, then the INCLUDE columns'.
    pub fn decode(&self, mut entry: &[u8], payload: &[u8], out: &mut Vec<Datum>) -> Result<()> {
        out.clear();
        for (ty, order) in &self.keys {
            out.push(match key::read_column(&mut entry, ty, *order)? {
                KeyColumn::Value(v) => v,
                KeyColumn::Null | KeyColumn::NotInvertible => Datum::Null,
            });
        }
        if let Some((layout, physicals)) = &self.payload {
            let row = RowRef::new(layout, payload);
            for (i, k) in self.stored.iter().enumerate() {
                out[*k] = get_datum(&row, i, physicals[i], &mut no_detoast)?;
            }
            for i in 0..self.included.len() {
                let at = self.stored.len() + i;
                out.push(get_datum(&row, at, physicals[at], &mut no_detoast)?);
            }
        }
        Ok(())
    }
}
