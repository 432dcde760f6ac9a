//! regclass, regtype and the like: OIDs that read and print as names. Names come from the catalog through
//! [`crate::ObjectNames`].

use crate::identifiers::parse_oid;
use crate::ints::write_int;
use crate::io::RegKind;
use crate::{Datum, IoContext, TypeInfo, oids};
use quarry_common::{Oid, Result};

/// Which of the types `oid` is.
pub fn kind_of(oid: Oid) -> Option<RegKind> {
    Some(match oid {
        oids::REGPROC => RegKind::Proc,
        oids::REGPROCEDURE => RegKind::Procedure,
        oids::REGOPER => RegKind::Oper,
        oids::REGOPERATOR => RegKind::Operator,
        oids::REGCLASS => RegKind::Class,
        oids::REGTYPE => RegKind::Type,
        oids::REGNAMESPACE => RegKind::Namespace,
        oids::REGROLE => RegKind::Role,
        oids::REGCONFIG => RegKind::Config,
        oids::REGDICTIONARY => RegKind::Dictionary,
        oids::REGCOLLATION => RegKind::Collation,
        _ => return None,
    })
}

/// How the type prints and reads "no object".
fn none_text(kind: RegKind) -> &'static str {
    match kind {
        RegKind::Oper | RegKind::Operator => "0",
        _ => "-",
    }
}

pub(crate) fn input(t: &TypeInfo, text: &str, _: i32, cx: &IoContext<'_>) -> Result<Datum> {
    let kind = kind_of(t.oid).expect("only the reg types have this function");
    if text == none_text(kind) {
        return Ok(Datum::U32(0));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return parse_oid(text).map(|o| Datum::U32(o.0));
    }
    cx.names.reg_in(kind, text).map(|o| Datum::U32(o.0))
}

pub(crate) fn output(t: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let kind = kind_of(t.oid).expect("only the reg types have this function");
    let oid = Oid(v.as_u32());
    if !oid.is_valid() {
        out.extend_from_slice(none_text(kind).as_bytes());
        return Ok(());
    }
    match cx.names.reg_out(kind, oid) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => write_int(oid.0, out),
    }
    Ok(())
}
