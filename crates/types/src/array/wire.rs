//! Arrays' binary wire form.

use super::{ArrayBuilder, ArrayRef, DIMENSIONS_MAX, Dimension, element_count};
use crate::wire::WireReader;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Oid, Result, bail};

pub(crate) fn receive(t: &TypeInfo, wire: &[u8], typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    let element = cx.type_ref(t.element)?;
    let mut r = WireReader::new(wire);
    let ndim = r.i32()?;
    if ndim < 0 {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid number of dimensions: {ndim}");
    }
    if ndim as usize > DIMENSIONS_MAX {
        bail!(
            PROGRAM_LIMIT_EXCEEDED,
            "number of array dimensions ({ndim}) exceeds the maximum allowed ({DIMENSIONS_MAX})"
        );
    }
    if !matches!(r.i32()?, 0 | 1) {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid array flags");
    }
    let sent = Oid(r.u32()?);
    if sent != element.oid {
        let name = |oid| crate::typename::format_type(oid, -1, cx.names);
        bail!(
            DATATYPE_MISMATCH,
            "binary data has array element type {sent} ({}) instead of expected {} ({})",
            name(sent),
            element.oid,
            name(element.oid)
        );
    }
    let mut dims = Vec::with_capacity(ndim as usize);
    for _ in 0..ndim {
        dims.push(Dimension { len: r.i32()?, lower: r.i32()? });
    }
    let count = element_count(&dims)?;
    let mut builder = ArrayBuilder::new(element.oid, element.physical);
    for _ in 0..count {
        match r.i32()? {
            -1 => {
                if element.kind == 'd' {
                    cx.names.check_domain(element.oid, &Datum::Null)?;
                }
                builder.push_null()
            }
            n => {
                let Ok(n) = usize::try_from(n) else {
                    bail!(INVALID_BINARY_REPRESENTATION, "insufficient data left in message");
                };
                builder.push(&element.receive(r.take(n)?, typmod, cx)?);
            }
        }
    }
    r.finish()?;
    builder.finish(if count == 0 { &[] } else { &dims })
}

pub(crate) fn send(t: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let array = ArrayRef::of(v);
    let element = cx.type_ref(if t.element.is_valid() { t.element } else { array.element_oid() })?;
    out.extend_from_slice(&(array.ndim() as i32).to_be_bytes());
    out.extend_from_slice(&i32::from(array.has_nulls()).to_be_bytes());
    out.extend_from_slice(&element.oid.0.to_be_bytes());
    for d in array.dims() {
        out.extend_from_slice(&d.len.to_be_bytes());
        out.extend_from_slice(&d.lower.to_be_bytes());
    }
    for i in 0..array.len() {
        if array.is_null(i) {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        element.send(&array.datum(i), cx, out)?;
        let len = (out.len() - at - 4) as i32;
        out[at..at + 4].copy_from_slice(&len.to_be_bytes());
    }
    Ok(())
}
