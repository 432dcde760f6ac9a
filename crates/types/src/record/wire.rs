//! Records' binary wire form.

use super::text::columns;
use super::{RecordBuilder, RecordRef};
use crate::wire::WireReader;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Oid, Result, bail};

pub(crate) fn receive(t: &TypeInfo, wire: &[u8], _: i32, cx: &IoContext<'_>) -> Result<Datum> {
    let columns = columns(t, cx)?;
    let mut r = WireReader::new(wire);
    let sent = r.i32()?;
    if usize::try_from(sent) != Ok(columns.len()) {
        bail!(DATATYPE_MISMATCH, "wrong number of columns: {sent}, expected {}", columns.len());
    }
    let mut builder = RecordBuilder::new(t.oid);
    for (i, column) in columns.iter().enumerate() {
        let sent = Oid(r.u32()?);
        if sent != column.oid {
            let name = |oid| crate::typename::format_type(oid, -1, cx.names);
            bail!(
                DATATYPE_MISMATCH,
                "binary data has type {sent} ({}) instead of expected {} ({}) in record column {}",
                name(sent),
                column.oid,
                name(column.oid),
                i + 1
            );
        }
        let value = match r.i32()? {
            -1 => {
                if cx.type_ref(column.oid)?.kind == 'd' {
                    cx.names.check_domain(column.oid, &Datum::Null)?;
                }
                Datum::Null
            }
            n => {
                let Ok(n) = usize::try_from(n) else {
                    bail!(INVALID_BINARY_REPRESENTATION, "insufficient data left in message");
                };
                cx.type_ref(column.oid)?.receive(r.take(n)?, column.typmod, cx)?
            }
        };
        builder.push(column.oid, &value);
    }
    r.finish()?;
    Ok(builder.finish())
}

pub(crate) fn send(_: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let record = RecordRef::of(v);
    out.extend_from_slice(&(record.len() as i32).to_be_bytes());
    for i in 0..record.len() {
        let oid = record.field_oid(i);
        out.extend_from_slice(&oid.0.to_be_bytes());
        if record.is_null(i) {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        cx.type_ref(oid)?.send(&record.datum(i), cx, out)?;
        let len = (out.len() - at - 4) as i32;
        out[at..at + 4].copy_from_slice(&len.to_be_bytes());
    }
    Ok(())
}
