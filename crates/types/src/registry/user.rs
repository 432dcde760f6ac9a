//! Descriptions of user-defined types, for the catalog's cache.

use super::functions as f;
use super::{TypeInfo, TypeProcs, table};
use crate::{PhysicalType, SqlType};
use quarry_common::Oid;
use std::borrow::Cow;

/// An enum; its values are the OIDs of `pg_enum` rows.
pub fn user_enum(oid: Oid, name: String, array: Oid) -> TypeInfo {
    TypeInfo {
        oid,
        name: Cow::Owned(name),
        kind: 'e',
        physical: PhysicalType::U32,
        typlen: 4,
        typbyval: true,
        typalign: 'i',
        typstorage: 'p',
        category: 'E',
        preferred: false,
        delim: ',',
        array,
        element: Oid::INVALID,
        relation: Oid::INVALID,
        collation: Oid::INVALID,
        base: None,
        procs: TypeProcs {
            input: "enum_in",
            output: "enum_out",
            receive: "enum_recv",
            send: "enum_send",
            ..table::NO_PROCS
        },
        functions: f::ENUM,
    }
}

/// A composite type, of a table or on its own.
pub fn user_composite(oid: Oid, name: String, array: Oid, relation: Oid) -> TypeInfo {
    TypeInfo {
        oid,
        name: Cow::Owned(name),
        kind: 'c',
        physical: PhysicalType::Bytes,
        typlen: -1,
        typbyval: false,
        typalign: 'd',
        typstorage: 'x',
        category: 'C',
        preferred: false,
        delim: ',',
        array,
        element: Oid::INVALID,
        relation,
        collation: Oid::INVALID,
        base: None,
        procs: TypeProcs {
            input: "record_in",
            output: "record_out",
            receive: "record_recv",
            send: "record_send",
            ..table::NO_PROCS
        },
        functions: f::RECORD,
    }
}

/// A domain over `base_info` (not itself a domain); `base` carries the modifier that the domain fixes.
pub fn user_domain(oid: Oid, name: String, array: Oid, base: SqlType, base_info: &TypeInfo) -> TypeInfo {
    TypeInfo {
        oid,
        name: Cow::Owned(name),
        kind: 'd',
        preferred: false,
        array,
        relation: Oid::INVALID,
        element: Oid::INVALID,
        base: Some(base),
        procs: TypeProcs {
            input: "domain_in",
            receive: "domain_recv",
            typmod_in: "",
            typmod_out: "",
            subscript: "",
            ..base_info.procs
        },
        functions: f::domain_of(&base_info.functions),
        ..base_info.clone()
    }
}

/// The array type of a user-defined type.
pub fn user_array(oid: Oid, name: String, element: &TypeInfo) -> TypeInfo {
    TypeInfo {
        oid,
        name: Cow::Owned(name),
        kind: 'b',
        physical: PhysicalType::Bytes,
        typlen: -1,
        typbyval: false,
        typalign: if element.typalign == 'd' { 'd' } else { 'i' },
        typstorage: 'x',
        category: 'A',
        preferred: false,
        delim: element.delim,
        array: Oid::INVALID,
        element: element.oid,
        relation: Oid::INVALID,
        collation: element.collation,
        base: None,
        procs: TypeProcs {
            input: "array_in",
            output: "array_out",
            receive: "array_recv",
            send: "array_send",
            typmod_in: element.procs.typmod_in,
            typmod_out: element.procs.typmod_out,
            analyze: "array_typanalyze",
            subscript: "array_subscript_handler",
        },
        functions: f::ARRAY,
    }
}
