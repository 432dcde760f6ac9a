//! Arrays: of any dimension up to six, with lower bounds and NULL elements. int2vector and oidvector are arrays too
//! (one dimension from 0), with text of their own.
//!
//! # Stored form
//!
//! | bytes | content |
//! |---|---|
//! | 0 | 1: an array ([`crate::record`] begins with 2) |
//! | 1 | physical type of the elements ([`crate::stored::code`]) |
//! | 2 | dimensions, 0 for the empty array |
//! | 3 | flags: 1 there are NULLs |
//! | 4..8 | u32 element type OID |
//! | 8.. | per dimension i32 length, i32 lower bound |
//! | | if there are NULLs: a bit per element, set for NULL |
//! | | fixed elements one after another (NULLs: zeros); varying: u32 end offset of each, then their bytes |
//!
//! All numbers are little-endian. Any element is found in O(1).

mod order;
mod text;
mod vectors;
mod wire;

pub(crate) use order::{KEY, compare, hash};
pub(crate) use text::{input, output};
pub use vectors::{int2vector, oidvector};
pub(crate) use vectors::{int2vector_input, oidvector_input, vector_output};
pub(crate) use wire::{receive, send};

use crate::{Datum, PhysicalType, stored};
use bytes::Bytes;
use quarry_common::{Oid, Result, bail};

/// First byte of a stored array.
pub(crate) const TAG: u8 = 1;
/// Most dimensions.
pub const DIMENSIONS_MAX: usize = 6;
/// Most elements.
pub const ELEMENTS_MAX: usize = 134_217_727;
const FLAG_NULLS: u8 = 1;
const HEADER_BYTES: usize = 8;

/// Length and lower bound of a dimension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dimension {
    pub len: i32,
    pub lower: i32,
}

impl Dimension {
    /// The last valid subscript.
    pub fn upper(self) -> i32 {
        self.lower + self.len - 1
    }
}

/// A stored array, borrowed.
#[derive(Clone, Copy)]
pub struct ArrayRef<'a> {
    bytes: &'a [u8],
    len: usize,
    physical: PhysicalType,
    /// Where the elements (or end offsets) begin.
    data: usize,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

impl<'a> ArrayRef<'a> {
    /// Over bytes in stored form.
    pub fn new(bytes: &'a [u8]) -> ArrayRef<'a> {
        debug_assert_eq!(bytes.first(), Some(&TAG), "not a stored array");
        let ndim = usize::from(bytes[2]);
        let mut len = usize::from(ndim > 0);
        for d in 0..ndim {
            len *= u32_at(bytes, HEADER_BYTES + 8 * d) as usize;
        }
        let mut data = HEADER_BYTES + 8 * ndim;
        if bytes[3] & FLAG_NULLS != 0 {
            data += len.div_ceil(8);
        }
        ArrayRef { bytes, len, physical: stored::from_code(bytes[1]), data }
    }
    /// A view of a datum of an array type.
    pub fn of(datum: &'a Datum) -> ArrayRef<'a> {
        ArrayRef::new(datum.as_bytes())
    }
    /// Number of dimensions; 0 for the empty array.
    pub fn ndim(&self) -> usize {
        usize::from(self.bytes[2])
    }
    pub fn dimension(&self, d: usize) -> Dimension {
        let at = HEADER_BYTES + 8 * d;
        Dimension { len: u32_at(self.bytes, at) as i32, lower: u32_at(self.bytes, at + 4) as i32 }
    }
    pub fn dims(&self) -> Vec<Dimension> {
        (0..self.ndim()).map(|d| self.dimension(d)).collect()
    }
    pub fn element_oid(&self) -> Oid {
        Oid(u32_at(self.bytes, 4))
    }
    pub fn physical(&self) -> PhysicalType {
        self.physical
    }
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    pub fn has_nulls(&self) -> bool {
        self.bytes[3] & FLAG_NULLS != 0
    }
    /// Whether element `i`, counted from 0 in row-major order, is NULL.
    pub fn is_null(&self, i: usize) -> bool {
        let bitmap = HEADER_BYTES + 8 * self.ndim();
        self.has_nulls() && self.bytes[bitmap + i / 8] >> (i % 8) & 1 == 1
    }
    /// The stored bytes of element `i`, which must not be NULL.
    pub fn bytes_at(&self, i: usize) -> &'a [u8] {
        match self.physical.fixed_width() {
            Some(width) => &self.bytes[self.data + i * width..self.data + (i + 1) * width],
            None => {
                let base = self.data + 4 * self.len;
                let end = u32_at(self.bytes, self.data + 4 * i) as usize;
                let start = if i == 0 { 0 } else { u32_at(self.bytes, self.data + 4 * (i - 1)) as usize };
                &self.bytes[base + start..base + end]
            }
        }
    }
    /// Element `i`.
    pub fn datum(&self, i: usize) -> Datum {
        if self.is_null(i) { Datum::Null } else { stored::read(self.physical, self.bytes_at(i)) }
    }
    /// All elements in row-major order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datum> + use<'a> {
        let array = *self;
        (0..array.len).map(move |i| array.datum(i))
    }
    /// The position of a full set of subscripts; none if one is out of range.
    pub fn position(&self, subscripts: &[i32]) -> Option<usize> {
        if subscripts.len() != self.ndim() || subscripts.is_empty() {
            return None;
        }
        let mut at = 0;
        for (d, s) in subscripts.iter().enumerate() {
            let dim = self.dimension(d);
            let offset = i64::from(*s) - i64::from(dim.lower);
            if offset < 0 || offset >= i64::from(dim.len) {
                return None;
            }
            at = at * dim.len as usize + offset as usize;
        }
        Some(at)
    }
    /// `a[i][j]`: NULL out of range or with another number of subscripts than dimensions.
    pub fn get(&self, subscripts: &[i32]) -> Datum {
        self.position(subscripts).map_or(Datum::Null, |i| self.datum(i))
    }
}

/// Whether bytes of an unknown type are a stored array: tag, counts and lengths all fit.
pub(crate) fn is_stored_form(bytes: &[u8]) -> bool {
    if bytes.len() < HEADER_BYTES || bytes[0] != TAG || !(1..=9).contains(&bytes[1]) || bytes[3] > FLAG_NULLS
    {
        return false;
    }
    let ndim = usize::from(bytes[2]);
    if ndim > DIMENSIONS_MAX || bytes.len() < HEADER_BYTES + 8 * ndim {
        return false;
    }
    let lens = (0..ndim).map(|d| u32_at(bytes, HEADER_BYTES + 8 * d) as usize);
    let count = lens.fold(usize::from(ndim > 0), usize::saturating_mul);
    if count > ELEMENTS_MAX {
        return false;
    }
    let array = ArrayRef::new(bytes);
    match array.physical.fixed_width() {
        Some(width) => bytes.len() == array.data + count * width,
        None => {
            let base = array.data + 4 * count;
            let end = |i: usize| u32_at(bytes, array.data + 4 * i) as usize;
            bytes.len() >= base
                && (1..count).all(|i| end(i - 1) <= end(i))
                && bytes.len() == base + if count == 0 { 0 } else { end(count - 1) }
        }
    }
}

/// Checks dimensions given by a user and returns the number of elements.
pub fn element_count(dims: &[Dimension]) -> Result<usize> {
    if dims.len() > DIMENSIONS_MAX {
        bail!(
            PROGRAM_LIMIT_EXCEEDED,
            "number of array dimensions ({}) exceeds the maximum allowed ({DIMENSIONS_MAX})",
            dims.len()
        );
    }
    let mut count: usize = usize::from(!dims.is_empty());
    for d in dims {
        count = usize::try_from(d.len).ok().and_then(|n| count.checked_mul(n)).unwrap_or(usize::MAX);
        if count > ELEMENTS_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({ELEMENTS_MAX})");
        }
        if d.lower.checked_add(d.len).is_none() {
            bail!(PROGRAM_LIMIT_EXCEEDED, "array lower bound is too large: {}", d.lower);
        }
    }
    Ok(count)
}

/// Collects elements into an array.
pub struct ArrayBuilder {
    element: Oid,
    physical: PhysicalType,
    len: usize,
    /// One flag per element from the first NULL on; before that empty.
    nulls: Vec<bool>,
    /// End offsets of varying elements.
    ends: Vec<u32>,
    data: Vec<u8>,
}

impl ArrayBuilder {
    pub fn new(element: Oid, physical: PhysicalType) -> ArrayBuilder {
        ArrayBuilder { element, physical, len: 0, nulls: Vec::new(), ends: Vec::new(), data: Vec::new() }
    }
    /// Elements so far.
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Bytes held so far.
    pub fn memory_bytes(&self) -> usize {
        self.data.capacity() + 4 * self.ends.capacity() + self.nulls.capacity()
    }
    pub fn push(&mut self, value: &Datum) {
        match value {
            Datum::Null => self.push_null(),
            v => {
                debug_assert_eq!(v.physical(), Some(self.physical), "an element of another physical type");
                stored::write(v, &mut self.data);
                self.end_element(false);
            }
        }
    }
    /// Appends a varying element.
    pub fn push_bytes(&mut self, value: &[u8]) {
        debug_assert_eq!(self.physical, PhysicalType::Bytes, "bytes pushed among fixed elements");
        self.data.extend_from_slice(value);
        self.end_element(false);
    }
    /// Appends an element's stored bytes.
    pub fn push_stored(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.end_element(false);
    }
    pub fn push_null(&mut self) {
        let width = self.physical.fixed_width().unwrap_or(0);
        self.data.resize(self.data.len() + width, 0);
        self.end_element(true);
    }
    /// Appends element `i` of another array of the same type.
    pub fn push_from(&mut self, array: &ArrayRef<'_>, i: usize) {
        if array.is_null(i) {
            self.push_null();
        } else {
            self.push_stored(array.bytes_at(i));
        }
    }
    fn end_element(&mut self, null: bool) {
        if null || !self.nulls.is_empty() {
            self.nulls.resize(self.len, false);
            self.nulls.push(null);
        }
        self.len += 1;
        if self.physical == PhysicalType::Bytes {
            self.ends.push(self.data.len() as u32);
        }
    }
    /// A one-dimensional array from 1; without elements the empty array.
    pub fn finish_1d(self) -> Result<Datum> {
        let dim = Dimension { len: i32::try_from(self.len).unwrap_or(i32::MAX), lower: 1 };
        if self.len == 0 { self.finish(&[]) } else { self.finish(&[dim]) }
    }
    /// An array of these dimensions, whose product is the number of elements (none: the empty array).
    pub fn finish(self, dims: &[Dimension]) -> Result<Datum> {
        let count = element_count(dims)?;
        assert_eq!(count, self.len, "dimensions and elements differ");
        if self.data.len() > i32::MAX as usize / 2 {
            bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (1073741823)");
        }
        let dims = if count == 0 { &[] } else { dims };
        let has_nulls = self.nulls.iter().any(|n| *n);
        let mut out = Vec::with_capacity(
            HEADER_BYTES + 8 * dims.len() + count.div_ceil(8) + 4 * self.ends.len() + self.data.len(),
        );
        out.extend_from_slice(&[TAG, stored::code(self.physical), dims.len() as u8, u8::from(has_nulls)]);
        out.extend_from_slice(&self.element.0.to_le_bytes());
        for d in dims {
            out.extend_from_slice(&d.len.to_le_bytes());
            out.extend_from_slice(&d.lower.to_le_bytes());
        }
        if has_nulls {
            let bitmap = out.len();
            out.resize(bitmap + count.div_ceil(8), 0);
            for (i, _) in self.nulls.iter().enumerate().filter(|(_, n)| **n) {
                out[bitmap + i / 8] |= 1 << (i % 8);
            }
        }
        self.ends.iter().for_each(|e| out.extend_from_slice(&e.to_le_bytes()));
        out.extend_from_slice(&self.data);
        Ok(Datum::Bytes(Bytes::from(out)))
    }
}

/// The empty array of an element type.
pub fn empty(element: Oid, physical: PhysicalType) -> Datum {
    ArrayBuilder::new(element, physical).finish(&[]).expect("no dimensions break no limit")
}

/// A one-dimensional array from 1.
pub fn from_datums(element: Oid, physical: PhysicalType, values: &[Datum]) -> Result<Datum> {
    let mut builder = ArrayBuilder::new(element, physical);
    values.iter().for_each(|v| builder.push(v));
    builder.finish_1d()
}

#[cfg(test)]
mod tests;
