//! Finding a built-in type.

use super::table::TYPES;
use super::{TypeFunctions, TypeInfo};
use crate::PhysicalType;
use quarry_common::Oid;
use std::collections::HashMap;
use std::sync::LazyLock;

/// One more than the largest OID of a built-in type.
const OID_END: usize = 6160;

/// Row of [`TYPES`] for each OID; `u8::MAX`: none.
static INDEX: [u8; OID_END] = {
    let mut index = [u8::MAX; OID_END];
    let mut i = 0;
    while i < TYPES.len() {
        index[TYPES[i].oid.0 as usize] = i as u8;
        i += 1;
    }
    index
};

static BY_NAME: LazyLock<HashMap<&'static str, &'static TypeInfo>> =
    LazyLock::new(|| TYPES.iter().map(|t| (t.name.as_ref(), t)).collect());

/// The built-in type with this OID.
#[inline]
pub fn type_info(oid: Oid) -> Option<&'static TypeInfo> {
    let row = *INDEX.get(oid.0 as usize)?;
    TYPES.get(row as usize)
}

/// The built-in type of this `pg_type.typname` ("int4", "_text"); see [`crate::typename`] for SQL's spellings.
pub fn type_by_name(name: &str) -> Option<&'static TypeInfo> {
    BY_NAME.get(name).copied()
}

/// Every built-in type, by rising OID.
pub fn all_types() -> &'static [TypeInfo] {
    &TYPES
}

/// How values of a built-in type lie. OIDs that aren't built in answer [`PhysicalType::Bytes`], which holds for
/// composites and arrays; for enums (U32) and domains (their base's) ask the catalog's `TypeInfo`.
#[inline]
pub fn physical_of(oid: Oid) -> PhysicalType {
    type_info(oid).map_or(PhysicalType::Bytes, |t| t.physical)
}

/// The functions of a built-in type.
#[inline]
pub fn functions_of(oid: Oid) -> Option<&'static TypeFunctions> {
    type_info(oid).map(|t| &t.functions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oids;

    #[test]
    fn every_row_is_found_and_refers_to_rows() {
        let mut last = 0;
        for t in all_types() {
            assert!(t.oid.0 > last, "{t:?} out of order");
            last = t.oid.0;
            assert_eq!(type_info(t.oid).map(|f| f.oid), Some(t.oid));
            assert_eq!(type_by_name(&t.name).map(|f| f.oid), Some(t.oid));
            for other in [t.array, t.element] {
                // Arrays of most catalogs' row types are numbered by the catalog's bootstrap.
                assert!(
                    other.0 == 0 || other.0 >= 10_000 || type_info(other).is_some(),
                    "{t:?} refers to {other}"
                );
            }
            if (1..10_000).contains(&t.array.0) {
                assert_eq!(type_info(t.array).map(|a| a.element), Some(t.oid));
            }
        }
        assert!(type_info(Oid(0)).is_none());
        assert!(type_info(Oid(999_999)).is_none());
        assert_eq!(physical_of(oids::INT4), PhysicalType::I32);
    }
}
