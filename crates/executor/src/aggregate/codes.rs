//! Whole numbers as words, by which equal ones are known.

use quarry_types::{PhysicalType, hash};

/// Applies an expression to the rows' numbers in a column of whole numbers, as a closure from row to word.
macro_rules! with_codes {
    ($column:expr, $word:ident => $body:expr) => {{
        let column: &quarry_types::Vector = $column;
        match column.data() {
            quarry_types::VectorData::Bool(v) => {
                let $word = |r: usize| u64::from(v[column.slot(r)]);
                $body
            }
            quarry_types::VectorData::I16(v) => {
                let $word = |r: usize| i64::from(v[column.slot(r)]) as u64;
                $body
            }
            quarry_types::VectorData::I32(v) => {
                let $word = |r: usize| i64::from(v[column.slot(r)]) as u64;
                $body
            }
            quarry_types::VectorData::U32(v) => {
                let $word = |r: usize| u64::from(v[column.slot(r)]);
                $body
            }
            quarry_types::VectorData::I64(v) => {
                let $word = |r: usize| v[column.slot(r)] as u64;
                $body
            }
            _ => {}
        }
    }};
}
pub(super) use with_codes;

/// Whether values of this kind have words of up to 32 bits.
pub(super) fn is_small(physical: PhysicalType) -> bool {
    use PhysicalType::*;
    matches!(physical, Bool | I16 | I32 | U32)
}

/// The hash of a code: of one column, that of its value.
pub(super) fn hash_of_code(word: u64) -> u64 {
    hash::combine(0, hash::hash_i64(word as i64))
}
