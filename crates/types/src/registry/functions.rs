//! Which functions each built-in type has.

use super::{TypeFunctions, TypeInfo, temporal_json as tj};
use crate::{Datum, IoContext};
use quarry_common::{Error, Result};

/// The functions of the built-in type `oid`.
pub(super) const fn functions_for(oid: u32, category: char, kind: char) -> TypeFunctions {
    match oid {
        114 => tj::JSON,
        1082 => tj::DATE,
        1083 => tj::TIME,
        1114 => tj::TIMESTAMP,
        1184 => tj::TIMESTAMPTZ,
        1186 => tj::INTERVAL,
        1266 => tj::TIMETZ,
        3802 => tj::JSONB,
        _ => match (kind, category) {
            ('c', _) => RECORD,
            ('b', 'A') => ARRAY,
            _ => UNSUPPORTED,
        },
    }
}

fn unsupported(t: &TypeInfo) -> Error {
    Error::unsupported(format_args!("type {}", t.name))
}
fn unsupported_input(t: &TypeInfo, _: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Err(unsupported(t))
}
fn unsupported_output(t: &TypeInfo, _: &Datum, _: &IoContext<'_>, _: &mut Vec<u8>) -> Result<()> {
    Err(unsupported(t))
}
fn unsupported_receive(t: &TypeInfo, _: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Err(unsupported(t))
}

/// Types that can be named but whose values can't be made.
pub(super) const UNSUPPORTED: TypeFunctions = TypeFunctions {
    input: unsupported_input,
    output: unsupported_output,
    receive: unsupported_receive,
    send: unsupported_output,
    typmod_in: None,
    typmod_out: None,
    compare: None,
    hash: None,
    key: None,
};

pub(super) const ENUM: TypeFunctions = UNSUPPORTED;
pub(super) const ARRAY: TypeFunctions = UNSUPPORTED;
pub(super) const RECORD: TypeFunctions = UNSUPPORTED;

/// A domain over a type with functions `base`.
pub(super) fn domain_of(base: &TypeFunctions) -> TypeFunctions {
    *base
}
