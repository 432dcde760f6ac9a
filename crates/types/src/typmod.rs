//! Applying type modifiers: what `numeric(10,2)` or `varchar(5)` does to a value.

use crate::array::{ArrayBuilder, ArrayRef};
use crate::{Datum, SqlType, TypeInfo};
use quarry_common::{Oid, Result};

/// The value as the type with this modifier has it. `explicit`: a cast in the statement, which cuts text silently;
/// otherwise an assignment, where only blanks may be lost (22001).
pub fn coerce_typmod(ty: &TypeInfo, value: Datum, typmod: i32, explicit: bool) -> Result<Datum> {
    if typmod < 0 || value.is_null() {
        return Ok(value);
    }
    if ty.is_array() {
        return coerce_elements(ty.element, value, typmod, explicit);
    }
    match ty.functions.coerce {
        Some(coerce) => coerce(&value, typmod, explicit),
        None => Ok(value),
    }
}

/// Whether [`coerce_typmod`] may change or refuse a value.
pub fn has_effect(ty: SqlType) -> bool {
    let of = |oid: Oid| crate::type_info(oid).is_some_and(|t| t.functions.coerce.is_some());
    ty.typmod >= 0 && (of(ty.oid) || crate::type_info(ty.oid).is_some_and(|t| t.is_array() && of(t.element)))
}

fn coerce_elements(element: Oid, value: Datum, typmod: i32, explicit: bool) -> Result<Datum> {
    // User-defined element types take no modifiers.
    let Some(coerce) = crate::type_info(element).and_then(|t| t.functions.coerce) else {
        return Ok(value);
    };
    let array = ArrayRef::of(&value);
    let mut builder = ArrayBuilder::new(array.element_oid(), array.physical());
    for v in array.iter() {
        match v {
            Datum::Null => builder.push_null(),
            v => builder.push(&coerce(&v, typmod, explicit)?),
        }
    }
    builder.finish(&array.dims())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IoContext, oids, type_info};

    #[test]
    fn arrays_are_coerced_element_by_element() {
        let cx = IoContext::default();
        let t = type_info(oids::VARCHAR_ARRAY).unwrap();
        let v = t.input("{abc,NULL,x}", -1, &cx).unwrap();
        let cut = coerce_typmod(t, v.clone(), 6, true).unwrap();
        assert_eq!(t.output_string(&cut, &cx).unwrap(), "{ab,NULL,x}");
        assert!(coerce_typmod(t, v, 6, false).is_err());
        let n = type_info(oids::NUMERIC).unwrap();
        let typmod = (n.functions.typmod_in.unwrap())(&["5", "2"]).unwrap();
        let v = coerce_typmod(n, n.input("1.005", -1, &cx).unwrap(), typmod, false).unwrap();
        assert_eq!(n.output_string(&v, &cx).unwrap(), "1.01");
    }
}
