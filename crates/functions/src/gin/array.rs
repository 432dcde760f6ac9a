//! `array_ops`: a key for each element, in the order-preserving form of the element type (PostgreSQL: `ginarrayproc.c`).

use super::{GinClass, GinEntryQuery, GinKeys, GinMode, GinQuery, all, any, unknown_strategy};
use crate::EvalContext;
use quarry_common::{Result, Ternary};
use quarry_types::array::ArrayRef;
use quarry_types::element::key_element;
use quarry_types::{Datum, oids};

pub struct ArrayOps;

const OVERLAP: u16 = 1;
const CONTAINS: u16 = 2;
const CONTAINED: u16 = 3;
const EQUAL: u16 = 4;

/// Appends the key of an element. Texts are keys as they are.
fn write_key(array: &ArrayRef<'_>, i: usize, out: &mut Vec<u8>) {
    let oid = array.element_oid();
    match oid {
        oids::TEXT | oids::VARCHAR => out.extend_from_slice(array.bytes_at(i)),
        _ => key_element(oid, &array.datum(i), out),
    }
}

impl GinClass for ArrayOps {
    fn extract_value(&self, value: &[u8], out: &mut GinKeys) -> Result<()> {
        let array = ArrayRef::new(value);
        for i in 0..array.len() {
            if array.is_null(i) {
                out.push_null();
            } else {
                out.push_with(|key| write_key(&array, i, key));
            }
        }
        Ok(())
    }

    fn extract_query(&self, _cx: &EvalContext<'_>, query: &Datum, strategy: u16) -> Result<GinQuery> {
        let array = ArrayRef::of(query);
        let mut keys = GinKeys::new();
        self.extract_value(query.as_bytes(), &mut keys)?;
        keys.finish();
        let mut entries: Vec<_> = keys.iter().map(|k| GinEntryQuery::Key(k.to_vec())).collect();
        if keys.has_null() && matches!(strategy, CONTAINED | EQUAL) {
            entries.push(GinEntryQuery::Null);
        }
        Ok(match strategy {
            // NULL equals nothing.
            OVERLAP => GinQuery::new(entries, GinMode::Default, any),
            CONTAINS if keys.has_null() => GinQuery::nothing(),
            CONTAINS if array.is_empty() => GinQuery::new(entries, GinMode::All, all),
            CONTAINS => {
                GinQuery { all: Some(Ternary::True), ..GinQuery::new(entries, GinMode::Default, all) }
            }
            CONTAINED => GinQuery::new(entries, GinMode::IncludeEmpty, |_| Ternary::Maybe),
            // Order, repetitions and dimensions aren't in the index.
            EQUAL if array.is_empty() => GinQuery::new(entries, GinMode::IncludeEmpty, |_| Ternary::Maybe),
            EQUAL => GinQuery::all_of(entries),
            _ => return unknown_strategy(strategy),
        })
    }
}
