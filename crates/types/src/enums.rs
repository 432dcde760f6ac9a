//! Enums: OIDs of `pg_enum` rows, read and printed as labels.

use crate::wire::check_text;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Oid, Result};

pub(crate) fn input(t: &TypeInfo, text: &str, _: i32, cx: &IoContext<'_>) -> Result<Datum> {
    cx.names.enum_value(t.oid, text).map(|o| Datum::U32(o.0))
}
pub(crate) fn output(_: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(cx.names.enum_label(Oid(v.as_u32()))?.as_bytes());
    Ok(())
}
pub(crate) fn receive(t: &TypeInfo, wire: &[u8], typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    input(t, check_text(wire)?, typmod, cx)
}
