//! Which functions each built-in type has.

use super::{TypeFunctions, TypeInfo, temporal_json as tj};
use crate::{
    Datum, IoContext, aclitem, array, boolean, bytea, enums, floats, identifiers, ints, key, numeric,
};
use crate::{multivariate, pseudo, record, reg, text, textsearch, uuid};
use quarry_common::{Error, Result};

/// The functions of the built-in type `oid`.
pub(super) const fn functions_for(oid: u32, category: char, kind: char) -> TypeFunctions {
    match oid {
        16 => BOOL,
        17 => BYTEA,
        18 => CHAR,
        19 => NAME,
        20 => INT8,
        21 => INT2,
        22 => INT2VECTOR,
        23 => INT4,
        24 | 2202..=2206 | 3734 | 3769 | 4089 | 4096 | 4191 => REG,
        // text, pg_node_tree, unknown, refcursor, cstring
        25 | 194 | 705 | 1790 | 2275 => TEXT,
        26 => OID,
        27 => TID,
        28 | 29 => XID,
        30 => OIDVECTOR,
        114 => tj::JSON,
        700 => FLOAT4,
        701 => FLOAT8,
        1033 => ACLITEM,
        1042 => BPCHAR,
        1043 => VARCHAR,
        1082 => tj::DATE,
        1083 => tj::TIME,
        1114 => tj::TIMESTAMP,
        1184 => tj::TIMESTAMPTZ,
        1186 => tj::INTERVAL,
        1266 => tj::TIMETZ,
        1560 => BIT,
        1562 => VARBIT,
        1700 => NUMERIC,
        2249 => RECORD,
        2287 => ARRAY,
        2277 | 5078 => ANYARRAY,
        2278 => VOID,
        2950 => UUID,
        3361 => NDISTINCT,
        3402 => DEPENDENCIES,
        5017 => MCV_LIST,
        3220 => PG_LSN,
        3614 => TSVECTOR,
        3615 => TSQUERY,
        3802 => tj::JSONB,
        4072 => tj::JSONPATH,
        5069 => XID8,
        _ => match (kind, category) {
            ('c', _) => RECORD,
            ('b', 'A') => ARRAY,
            ('p', _) => PSEUDO,
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
    coerce: None,
    compare: None,
    hash: None,
    key: None,
};

/// Modifiers mean nothing without the type.
const BIT: TypeFunctions =
    TypeFunctions { typmod_in: Some(|_| Err(Error::unsupported("type bit"))), ..UNSUPPORTED };
const VARBIT: TypeFunctions =
    TypeFunctions { typmod_in: Some(|_| Err(Error::unsupported("type bit varying"))), ..UNSUPPORTED };

/// Types that stand in signatures only.
const PSEUDO: TypeFunctions = TypeFunctions {
    input: pseudo::no_input,
    output: pseudo::no_output,
    receive: pseudo::no_receive,
    send: pseudo::no_output,
    ..UNSUPPORTED
};

/// What ANALYZE alone makes.
const NDISTINCT: TypeFunctions = TypeFunctions {
    input: pseudo::no_input,
    output: multivariate::ndistinct_output,
    receive: pseudo::no_receive,
    send: text::output,
    ..UNSUPPORTED
};
const DEPENDENCIES: TypeFunctions = TypeFunctions { output: multivariate::dependencies_output, ..NDISTINCT };
const MCV_LIST: TypeFunctions = TypeFunctions { output: bytea::output, ..NDISTINCT };

const VOID: TypeFunctions = TypeFunctions {
    input: pseudo::void_input,
    output: pseudo::void_output,
    receive: pseudo::void_receive,
    send: pseudo::void_output,
    ..UNSUPPORTED
};

/// anyarray is also the type of columns of pg_statistic: it prints.
const ANYARRAY: TypeFunctions = TypeFunctions {
    input: pseudo::no_input,
    output: array::output,
    receive: pseudo::no_receive,
    send: array::send,
    compare: Some(array::compare),
    ..UNSUPPORTED
};

const BOOL: TypeFunctions = TypeFunctions {
    input: boolean::input,
    output: boolean::output,
    receive: boolean::receive,
    send: boolean::send,
    compare: Some(boolean::compare),
    hash: Some(boolean::hash),
    key: Some(key::BOOL),
    ..UNSUPPORTED
};

const BYTEA: TypeFunctions = TypeFunctions {
    input: bytea::input,
    output: bytea::output,
    receive: bytea::receive,
    send: text::output,
    compare: Some(text::compare),
    hash: Some(text::hash),
    key: Some(key::BYTEA),
    ..UNSUPPORTED
};

const INT2: TypeFunctions = TypeFunctions {
    input: ints::input2,
    output: ints::output,
    receive: ints::receive2,
    send: ints::send,
    compare: Some(ints::compare),
    hash: Some(ints::hash),
    key: Some(key::I16),
    ..UNSUPPORTED
};

const INT4: TypeFunctions =
    TypeFunctions { input: ints::input4, receive: ints::receive4, key: Some(key::I32), ..INT2 };

const INT8: TypeFunctions =
    TypeFunctions { input: ints::input8, receive: ints::receive8, key: Some(key::I64), ..INT2 };

const FLOAT4: TypeFunctions = TypeFunctions {
    input: floats::input4,
    output: floats::output4,
    receive: floats::receive4,
    send: floats::send,
    compare: Some(floats::compare),
    hash: Some(floats::hash),
    key: Some(key::F32),
    ..UNSUPPORTED
};

const FLOAT8: TypeFunctions = TypeFunctions {
    input: floats::input8,
    output: floats::output8,
    receive: floats::receive8,
    key: Some(key::F64),
    ..FLOAT4
};

const NUMERIC: TypeFunctions = TypeFunctions {
    input: numeric::input,
    output: numeric::output,
    receive: numeric::receive,
    send: numeric::send,
    typmod_in: Some(numeric::typmod_in),
    typmod_out: Some(numeric::typmod_out),
    coerce: Some(|v, typmod, _| Ok(numeric::Numeric::of(v).apply_typmod(typmod)?.into_datum())),
    compare: Some(numeric::compare),
    hash: Some(numeric::hash),
    key: Some(numeric::KEY),
};

const TEXT: TypeFunctions = TypeFunctions {
    input: text::input,
    output: text::output,
    receive: text::receive,
    send: text::output,
    compare: Some(text::compare),
    hash: Some(text::hash),
    key: Some(key::TEXT),
    ..UNSUPPORTED
};

const VARCHAR: TypeFunctions = TypeFunctions {
    input: text::varchar_input,
    receive: text::varchar_receive,
    typmod_in: Some(text::varchar_typmod_in),
    typmod_out: Some(text::typmod_out),
    coerce: Some(|v, typmod, explicit| text::limit_varchar(v.as_str(), typmod, explicit).map(Datum::text)),
    ..TEXT
};

const BPCHAR: TypeFunctions = TypeFunctions {
    input: text::bpchar_input,
    receive: text::bpchar_receive,
    typmod_in: Some(text::bpchar_typmod_in),
    typmod_out: Some(text::typmod_out),
    coerce: Some(|v, typmod, explicit| {
        text::limit_bpchar(v.as_str(), typmod, explicit).map(|t| Datum::text(&t))
    }),
    compare: Some(text::bpchar_compare),
    hash: Some(text::bpchar_hash),
    key: Some(key::BPCHAR),
    ..TEXT
};

const NAME: TypeFunctions = TypeFunctions { input: text::name_input, receive: text::name_receive, ..TEXT };

const CHAR: TypeFunctions = TypeFunctions {
    input: text::char_input,
    output: text::char_output,
    receive: text::char_receive,
    send: text::char_send,
    key: Some(key::CHAR),
    ..TEXT
};

const UUID: TypeFunctions = TypeFunctions {
    input: uuid::input,
    output: uuid::output,
    receive: uuid::receive,
    send: uuid::send,
    compare: Some(uuid::compare),
    hash: Some(uuid::hash),
    key: Some(key::B16),
    ..UNSUPPORTED
};

const TSVECTOR: TypeFunctions = TypeFunctions {
    input: textsearch::vector_input,
    output: textsearch::vector_output,
    receive: textsearch::vector_receive,
    send: textsearch::vector_send,
    compare: Some(|a, b| textsearch::vector::compare(a.as_bytes(), b.as_bytes())),
    // Equal vectors are the same bytes.
    hash: Some(text::hash),
    key: Some(textsearch::VECTOR_KEY),
    ..UNSUPPORTED
};

const TSQUERY: TypeFunctions = TypeFunctions {
    input: textsearch::query_input,
    output: textsearch::query_output,
    receive: textsearch::query_receive,
    send: textsearch::query_send,
    compare: Some(|a, b| textsearch::query::compare(a.as_bytes(), b.as_bytes())),
    hash: Some(textsearch::query_hash),
    key: Some(textsearch::QUERY_KEY),
    ..UNSUPPORTED
};

const OID: TypeFunctions = TypeFunctions {
    input: identifiers::oid_input,
    output: identifiers::u32_output,
    receive: identifiers::u32_receive,
    send: identifiers::u32_send,
    compare: Some(identifiers::u32_compare),
    hash: Some(identifiers::u32_hash),
    key: Some(key::U32),
    ..UNSUPPORTED
};

/// xid and cid: equality and hashing, no order in SQL.
const XID: TypeFunctions = TypeFunctions { input: identifiers::xid_input, key: None, ..OID };

const REG: TypeFunctions = TypeFunctions { input: reg::input, output: reg::output, ..OID };

const XID8: TypeFunctions = TypeFunctions {
    input: identifiers::xid8_input,
    output: identifiers::xid8_output,
    compare: Some(identifiers::u64_compare),
    key: Some(key::U64),
    ..INT8
};

const PG_LSN: TypeFunctions =
    TypeFunctions { input: identifiers::lsn_input, output: identifiers::lsn_output, ..XID8 };

const ACLITEM: TypeFunctions = TypeFunctions {
    input: aclitem::input,
    output: aclitem::output,
    compare: Some(aclitem::compare),
    hash: Some(text::hash),
    ..UNSUPPORTED
};

const TID: TypeFunctions = TypeFunctions {
    input: identifiers::tid_input,
    output: identifiers::tid_output,
    receive: identifiers::tid_receive,
    send: identifiers::tid_send,
    ..INT8
};

pub(super) const ENUM: TypeFunctions = TypeFunctions {
    input: enums::input,
    output: enums::output,
    receive: enums::receive,
    send: enums::output,
    ..OID
};

pub(super) const ARRAY: TypeFunctions = TypeFunctions {
    input: array::input,
    output: array::output,
    receive: array::receive,
    send: array::send,
    coerce: None,
    compare: Some(array::compare),
    hash: Some(array::hash),
    key: Some(array::KEY),
    ..UNSUPPORTED
};

const INT2VECTOR: TypeFunctions =
    TypeFunctions { input: array::int2vector_input, output: array::vector_output, ..ARRAY };

const OIDVECTOR: TypeFunctions =
    TypeFunctions { input: array::oidvector_input, output: array::vector_output, ..ARRAY };

pub(super) const RECORD: TypeFunctions = TypeFunctions {
    input: record::input,
    output: record::output,
    receive: record::receive,
    send: record::send,
    compare: Some(record::compare),
    hash: Some(record::hash),
    key: Some(record::KEY),
    ..UNSUPPORTED
};

fn domain_base<'a>(t: &TypeInfo, cx: &IoContext<'a>) -> Result<crate::TypeRef> {
    let base = t.base.ok_or_else(|| Error::internal(format!("domain {} has no base type", t.name)))?;
    cx.type_ref(base.oid)
}
fn domain_typmod(t: &TypeInfo) -> i32 {
    t.base.map_or(-1, |b| b.typmod)
}
fn domain_input(t: &TypeInfo, text: &str, _: i32, cx: &IoContext<'_>) -> Result<Datum> {
    let value = domain_base(t, cx)?.input(text, domain_typmod(t), cx)?;
    cx.names.check_domain(t.oid, &value)?;
    Ok(value)
}
fn domain_receive(t: &TypeInfo, wire: &[u8], _: i32, cx: &IoContext<'_>) -> Result<Datum> {
    let value = domain_base(t, cx)?.receive(wire, domain_typmod(t), cx)?;
    cx.names.check_domain(t.oid, &value)?;
    Ok(value)
}
fn domain_output(t: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    domain_base(t, cx)?.output(v, cx, out)
}
fn domain_send(t: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    domain_base(t, cx)?.send(v, cx, out)
}

/// A domain over a type with functions `base`: its input checks the constraints.
pub(super) fn domain_of(base: &TypeFunctions) -> TypeFunctions {
    TypeFunctions {
        input: domain_input,
        output: domain_output,
        receive: domain_receive,
        send: domain_send,
        typmod_in: None,
        typmod_out: None,
        ..*base
    }
}
