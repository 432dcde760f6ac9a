//! A column of values in memory.

use crate::numeric::decimals::Stored;
use crate::{BytesColumn, Datum, PhysicalType, Rows};

/// The values of a [`Vector`], by physical type.
#[derive(Clone, Debug)]
pub enum VectorData {
    Bool(Vec<bool>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    B16(Vec<[u8; 16]>),
    Bytes(BytesColumn),
}

/// Applies one expression to the `Vec` or column inside a [`VectorData`], whatever its type.
#[macro_export]
macro_rules! each_data {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::VectorData::Bool($v) => $body,
            $crate::VectorData::I16($v) => $body,
            $crate::VectorData::I32($v) => $body,
            $crate::VectorData::U32($v) => $body,
            $crate::VectorData::I64($v) => $body,
            $crate::VectorData::F32($v) => $body,
            $crate::VectorData::F64($v) => $body,
            $crate::VectorData::B16($v) => $body,
            $crate::VectorData::Bytes($v) => $body,
        }
    };
}

/// A column: values, validity, and whether one stored value stands for every row.
///
/// Invariants: `data` holds `len` values, or exactly one if `constant`; `valid`, where present, has as many bits.
#[derive(Clone, Debug)]
pub struct Vector {
    data: VectorData,
    /// One flag per stored value, false = NULL; absent: no NULLs.
    valid: Option<Vec<bool>>,
    len: usize,
    constant: bool,
}

#[inline]
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a fixed value has its type's width")
}

impl Vector {
    /// An empty vector to push into.
    pub fn with_capacity(ty: PhysicalType, rows: usize) -> Vector {
        let data = match ty {
            PhysicalType::Bool => VectorData::Bool(Vec::with_capacity(rows)),
            PhysicalType::I16 => VectorData::I16(Vec::with_capacity(rows)),
            PhysicalType::I32 => VectorData::I32(Vec::with_capacity(rows)),
            PhysicalType::U32 => VectorData::U32(Vec::with_capacity(rows)),
            PhysicalType::I64 => VectorData::I64(Vec::with_capacity(rows)),
            PhysicalType::F32 => VectorData::F32(Vec::with_capacity(rows)),
            PhysicalType::F64 => VectorData::F64(Vec::with_capacity(rows)),
            PhysicalType::B16 => VectorData::B16(Vec::with_capacity(rows)),
            PhysicalType::Bytes => VectorData::Bytes(BytesColumn::with_capacity(rows)),
        };
        Vector { data, valid: None, len: 0, constant: false }
    }
    /// `len` rows of zero, false or empty, all valid: what kernels write their results into by position.
    pub fn zeroed(ty: PhysicalType, len: usize) -> Vector {
        let mut v = Vector::with_capacity(ty, len);
        v.resize(len);
        v
    }
    /// From values and validity (absent: no NULLs).
    pub fn from_parts(data: VectorData, valid: Option<Vec<bool>>) -> Vector {
        let len = match &data {
            VectorData::Bytes(c) => c.len(),
            other => each_data!(other, v => v.len()),
        };
        assert!(valid.as_ref().is_none_or(|v| v.len() == len), "validity of another length");
        Vector { data, valid, len, constant: false }
    }
    /// One value standing for `len` rows; `ty` gives NULL its physical type.
    pub fn constant(ty: PhysicalType, value: &Datum, len: usize) -> Vector {
        let mut v = Vector::with_capacity(ty, 1);
        v.push_datum(value);
        v.len = len;
        v.constant = true;
        v
    }
    pub fn physical(&self) -> PhysicalType {
        match &self.data {
            VectorData::Bool(_) => PhysicalType::Bool,
            VectorData::I16(_) => PhysicalType::I16,
            VectorData::I32(_) => PhysicalType::I32,
            VectorData::U32(_) => PhysicalType::U32,
            VectorData::I64(_) => PhysicalType::I64,
            VectorData::F32(_) => PhysicalType::F32,
            VectorData::F64(_) => PhysicalType::F64,
            VectorData::B16(_) => PhysicalType::B16,
            VectorData::Bytes(_) => PhysicalType::Bytes,
        }
    }
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Whether one stored value (index 0) stands for every row.
    pub fn is_constant(&self) -> bool {
        self.constant
    }
    /// Index into the stored values for row `i`.
    #[inline]
    pub fn slot(&self, i: usize) -> usize {
        if self.constant { 0 } else { i }
    }
    /// The stored values: `len` of them, or one if constant (use [`Vector::slot`]).
    pub fn data(&self) -> &VectorData {
        &self.data
    }
    /// Stored validity flags, indexed as the data; absent: no NULLs.
    pub fn validity(&self) -> Option<&[bool]> {
        self.valid.as_deref()
    }
    /// The stored values and validity (absent: all valid), to fill by position. Not for constants.
    pub fn parts_mut(&mut self) -> (&mut VectorData, &mut Option<Vec<bool>>) {
        assert!(!self.constant, "a constant vector is not written by position");
        (&mut self.data, &mut self.valid)
    }
    #[inline]
    pub fn is_null(&self, i: usize) -> bool {
        match &self.valid {
            Some(valid) => !valid[self.slot(i)],
            None => false,
        }
    }
    /// Whether any stored value may be NULL.
    pub fn may_have_nulls(&self) -> bool {
        self.valid.is_some()
    }
    /// Marks row `i` NULL. Not for constants.
    pub fn set_null(&mut self, i: usize) {
        assert!(!self.constant, "a constant vector is not written by position");
        let len = self.len;
        self.valid.get_or_insert_with(|| vec![true; len])[i] = false;
    }
    /// Grows or shrinks to `len` rows; new rows are valid zeros. Not for constants.
    pub fn resize(&mut self, len: usize) {
        assert!(!self.constant, "a constant vector is not resized");
        match &mut self.data {
            VectorData::Bool(v) => v.resize(len, false),
            VectorData::I16(v) => v.resize(len, 0),
            VectorData::I32(v) => v.resize(len, 0),
            VectorData::U32(v) => v.resize(len, 0),
            VectorData::I64(v) => v.resize(len, 0),
            VectorData::F32(v) => v.resize(len, 0.0),
            VectorData::F64(v) => v.resize(len, 0.0),
            VectorData::B16(v) => v.resize(len, [0; 16]),
            VectorData::Bytes(v) => v.resize(len),
        }
        if let Some(valid) = &mut self.valid {
            valid.resize(len, true);
        }
        self.len = len;
    }
    /// Appends a value. Panics if its physical type is another.
    pub fn push_datum(&mut self, value: &Datum) {
        match (&mut self.data, value) {
            (_, Datum::Null) => return self.push_null(),
            (VectorData::Bool(v), Datum::Bool(x)) => v.push(*x),
            (VectorData::I16(v), Datum::I16(x)) => v.push(*x),
            (VectorData::I32(v), Datum::I32(x)) => v.push(*x),
            (VectorData::U32(v), Datum::U32(x)) => v.push(*x),
            (VectorData::I64(v), Datum::I64(x)) => v.push(*x),
            (VectorData::F32(v), Datum::F32(x)) => v.push(*x),
            (VectorData::F64(v), Datum::F64(x)) => v.push(*x),
            (VectorData::B16(v), Datum::B16(x)) => v.push(*x),
            (VectorData::Bytes(v), Datum::Bytes(x)) => v.push_shared(x),
            (_, other) => panic!("{other:?} pushed into a vector of {:?}", self.physical()),
        }
        self.len += 1;
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }
    /// Appends a value from its stored bytes (see [`crate::stored`]), which have the type's width.
    #[inline]
    pub fn push_stored(&mut self, bytes: &[u8]) {
        match &mut self.data {
            VectorData::Bool(v) => v.push(bytes[0] != 0),
            VectorData::I16(v) => v.push(i16::from_le_bytes(fixed(bytes))),
            VectorData::I32(v) => v.push(i32::from_le_bytes(fixed(bytes))),
            VectorData::U32(v) => v.push(u32::from_le_bytes(fixed(bytes))),
            VectorData::I64(v) => v.push(i64::from_le_bytes(fixed(bytes))),
            VectorData::F32(v) => v.push(f32::from_le_bytes(fixed(bytes))),
            VectorData::F64(v) => v.push(f64::from_le_bytes(fixed(bytes))),
            VectorData::B16(v) => v.push(fixed(bytes)),
            VectorData::Bytes(v) => v.push(bytes),
        }
        self.len += 1;
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }
    /// Appends values from their stored bytes up to the first that is none; gives how many.
    pub fn extend_stored<'a>(&mut self, values: impl Iterator<Item = Option<&'a [u8]>>) -> usize {
        let mut added = 0;
        macro_rules! extend {
            ($to:expr, $decode:expr) => {
                for bytes in values {
                    let Some(bytes) = bytes else { break };
                    $to.push($decode(bytes));
                    added += 1;
                }
            };
        }
        match &mut self.data {
            VectorData::Bool(v) => extend!(v, |b: &[u8]| b[0] != 0),
            VectorData::I16(v) => extend!(v, |b| i16::from_le_bytes(fixed(b))),
            VectorData::I32(v) => extend!(v, |b| i32::from_le_bytes(fixed(b))),
            VectorData::U32(v) => extend!(v, |b| u32::from_le_bytes(fixed(b))),
            VectorData::I64(v) => extend!(v, |b| i64::from_le_bytes(fixed(b))),
            VectorData::F32(v) => extend!(v, |b| f32::from_le_bytes(fixed(b))),
            VectorData::F64(v) => extend!(v, |b| f64::from_le_bytes(fixed(b))),
            VectorData::B16(v) => extend!(v, fixed),
            VectorData::Bytes(v) => added = v.extend_some(values),
        }
        self.len += added;
        if let Some(valid) = &mut self.valid {
            valid.resize(self.len, true);
        }
        added
    }
    /// Appends values of fixed width from their stored bytes, which something else may follow; gives how many: none to a vector of varying values.
    pub fn extend_fixed<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>) -> usize {
        fn head<const N: usize>(bytes: &[u8]) -> [u8; N] {
            fixed(&bytes[..N])
        }
        match &mut self.data {
            VectorData::Bool(v) => v.extend(values.map(|b| b[0] != 0)),
            VectorData::I16(v) => v.extend(values.map(|b| i16::from_le_bytes(head(b)))),
            VectorData::I32(v) => v.extend(values.map(|b| i32::from_le_bytes(head(b)))),
            VectorData::U32(v) => v.extend(values.map(|b| u32::from_le_bytes(head(b)))),
            VectorData::I64(v) => v.extend(values.map(|b| i64::from_le_bytes(head(b)))),
            VectorData::F32(v) => v.extend(values.map(|b| f32::from_le_bytes(head(b)))),
            VectorData::F64(v) => v.extend(values.map(|b| f64::from_le_bytes(head(b)))),
            VectorData::B16(v) => v.extend(values.map(head)),
            VectorData::Bytes(_) => return 0,
        }
        let before = self.len;
        self.len = each_data!(&self.data, v => v.len());
        if let Some(valid) = &mut self.valid {
            valid.resize(self.len, true);
        }
        self.len - before
    }
    /// As [`Vector::extend_stored`], of text that lacks the blanks which make it `characters` long.
    pub fn extend_padded<'a>(
        &mut self,
        texts: impl Iterator<Item = Option<&'a [u8]>>,
        characters: u32,
    ) -> usize {
        let VectorData::Bytes(v) = &mut self.data else { return self.extend_stored(texts) };
        let added = v.extend_padded(texts, characters);
        self.len += added;
        if let Some(valid) = &mut self.valid {
            valid.resize(self.len, true);
        }
        added
    }
    /// As [`Vector::extend_stored`], of numerics that will be computed with: see [`BytesColumn::extend_numerics`].
    pub fn extend_numerics<'a, S: Stored<'a>>(
        &mut self,
        values: impl Iterator<Item = Option<S>>,
        capacity: usize,
    ) -> usize {
        let VectorData::Bytes(v) = &mut self.data else {
            return self.extend_stored(values.map(|v| v.map(S::bytes)));
        };
        let added = v.extend_numerics(values, capacity);
        self.len += added;
        if let Some(valid) = &mut self.valid {
            valid.resize(self.len, true);
        }
        added
    }
    /// Appends NULL.
    pub fn push_null(&mut self) {
        let i = self.len;
        self.resize(i + 1);
        self.set_null(i);
    }
    /// Row `i` as a scalar.
    pub fn datum(&self, i: usize) -> Datum {
        if self.is_null(i) {
            return Datum::Null;
        }
        let i = self.slot(i);
        match &self.data {
            VectorData::Bool(v) => Datum::Bool(v[i]),
            VectorData::I16(v) => Datum::I16(v[i]),
            VectorData::I32(v) => Datum::I32(v[i]),
            VectorData::U32(v) => Datum::U32(v[i]),
            VectorData::I64(v) => Datum::I64(v[i]),
            VectorData::F32(v) => Datum::F32(v[i]),
            VectorData::F64(v) => Datum::F64(v[i]),
            VectorData::B16(v) => Datum::B16(v[i]),
            VectorData::Bytes(v) => Datum::Bytes(v.get_shared(i)),
        }
    }
    /// The bytes of row `i` of a varying vector; the row must not be NULL.
    #[inline]
    pub fn bytes_at(&self, i: usize) -> &[u8] {
        match &self.data {
            VectorData::Bytes(v) => v.get(self.slot(i)),
            other => panic!("bytes asked of {other:?}"),
        }
    }
    /// Appends the given rows of `from` (same physical type).
    pub fn extend_from(&mut self, from: &Vector, rows: Rows<'_>) {
        let before = self.len;
        macro_rules! extend {
            ($to:expr, $src:expr) => {
                match rows {
                    _ if from.constant => $to.resize($to.len() + rows.count(), $src[0]),
                    Rows::All(n) => $to.extend_from_slice(&$src[..n]),
                    Rows::Selected { positions, .. } => {
                        $to.extend(positions.iter().map(|i| $src[*i as usize]))
                    }
                }
            };
        }
        match (&mut self.data, &from.data) {
            (VectorData::Bool(to), VectorData::Bool(src)) => extend!(to, src),
            (VectorData::I16(to), VectorData::I16(src)) => extend!(to, src),
            (VectorData::I32(to), VectorData::I32(src)) => extend!(to, src),
            (VectorData::U32(to), VectorData::U32(src)) => extend!(to, src),
            (VectorData::I64(to), VectorData::I64(src)) => extend!(to, src),
            (VectorData::F32(to), VectorData::F32(src)) => extend!(to, src),
            (VectorData::F64(to), VectorData::F64(src)) => extend!(to, src),
            (VectorData::B16(to), VectorData::B16(src)) => extend!(to, src),
            (VectorData::Bytes(to), VectorData::Bytes(src)) => {
                to.extend_from(src, rows.iter().map(|i| from.slot(i)))
            }
            _ => panic!("rows of {:?} appended to {:?}", from.physical(), self.physical()),
        }
        self.len = before + rows.count();
        if let Some(valid) = &from.valid {
            let mine = self.valid.get_or_insert_with(|| vec![true; before]);
            extend!(mine, valid);
        } else if let Some(mine) = &mut self.valid {
            mine.resize(self.len, true);
        }
    }
    /// Makes ready for [`Vector::sharing`].
    pub fn seal(&mut self) {
        if let VectorData::Bytes(v) = &mut self.data {
            v.seal();
        }
    }
    /// As [`Vector::gather`], with the long values of this one where they lie: for most of the rows of a sealed vector.
    pub fn sharing(&self, rows: Rows<'_>) -> Vector {
        let VectorData::Bytes(v) = &self.data else { return self.gather(rows) };
        let shared = v.sharing(rows.iter().map(|i| self.slot(i)));
        let valid = self.valid.as_ref().map(|valid| rows.iter().map(|i| valid[self.slot(i)]).collect());
        Vector { data: VectorData::Bytes(shared), len: rows.count(), valid, constant: false }
    }
    /// A dense copy of the given rows.
    pub fn gather(&self, rows: Rows<'_>) -> Vector {
        let mut out = Vector::with_capacity(self.physical(), rows.count());
        out.extend_from(self, rows);
        out
    }
    /// Bytes of values of varying length that lie outside the vector's fixed part.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match &self.data {
            VectorData::Bytes(v) => v.heap_bytes(),
            _ => 0,
        }
    }
    /// Approximate memory held, in bytes, with what there is room for.
    pub fn allocated_bytes(&self) -> usize {
        let data = match &self.data {
            VectorData::Bytes(v) => v.memory_bytes(),
            VectorData::Bool(v) => v.capacity(),
            VectorData::I16(v) => v.capacity() * 2,
            VectorData::I32(v) => v.capacity() * 4,
            VectorData::U32(v) => v.capacity() * 4,
            VectorData::F32(v) => v.capacity() * 4,
            VectorData::I64(v) => v.capacity() * 8,
            VectorData::F64(v) => v.capacity() * 8,
            VectorData::B16(v) => v.capacity() * 16,
        };
        data + self.valid.as_ref().map_or(0, Vec::capacity)
    }
    /// Approximate memory held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let data = match &self.data {
            VectorData::Bytes(v) => v.memory_bytes(),
            other => each_data!(other, v => v.len()) * self.physical().fixed_width().unwrap_or(16),
        };
        data + self.valid.as_ref().map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_constants_and_gather() {
        let mut v = Vector::with_capacity(PhysicalType::I32, 4);
        v.push_datum(&Datum::I32(1));
        v.push_null();
        v.push_datum(&Datum::I32(3));
        assert_eq!(v.datum(1), Datum::Null);
        let picked = v.gather(Rows::Selected { positions: &[1, 2], len: 3 });
        assert_eq!((picked.datum(0), picked.datum(1)), (Datum::Null, Datum::I32(3)));
        let c = Vector::constant(PhysicalType::Bytes, &Datum::text("x"), 10);
        assert_eq!(c.bytes_at(7), b"x");
        assert_eq!(c.gather(Rows::Selected { positions: &[0, 9], len: 10 }).len(), 2);
    }
}
