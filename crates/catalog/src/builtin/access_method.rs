//! Access methods: what `pg_am` names, and what each can do (PostgreSQL: the handlers' `IndexAmRoutine`s).

use super::oids;
use quarry_common::Oid;
use quarry_types::oids as t;

/// What an index method can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexMethodDef {
    pub oid: Oid,
    pub name: &'static str,
    /// Its scans give rows in key order, and keys have directions.
    pub can_order: bool,
    pub can_order_by_operator: bool,
    pub can_backward: bool,
    pub can_unique: bool,
    pub can_multicol: bool,
    /// A scan needs no condition on the first key.
    pub optional_key: bool,
    /// `key = ANY (array)` is one scan.
    pub search_array: bool,
    pub search_nulls: bool,
    pub clusterable: bool,
    /// An entry gives its values back.
    pub can_return: bool,
    pub can_include: bool,
    /// There are scans that give row after row, not only bitmaps.
    pub index_scan: bool,
    /// The type of its columns where an operator class says nothing; invalid: that of the key.
    pub key_type: Oid,
    /// The server has it.
    pub available: bool,
}

const NOTHING: IndexMethodDef = IndexMethodDef {
    oid: Oid::INVALID,
    name: "",
    can_order: false,
    can_order_by_operator: false,
    can_backward: false,
    can_unique: false,
    can_multicol: true,
    optional_key: true,
    search_array: false,
    search_nulls: false,
    clusterable: false,
    can_return: false,
    can_include: false,
    index_scan: false,
    key_type: Oid::INVALID,
    available: true,
};

/// All index methods of `pg_am`.
pub static INDEX_METHODS: [IndexMethodDef; 6] = [
    IndexMethodDef {
        oid: oids::BTREE_AM,
        name: "btree",
        can_order: true,
        can_backward: true,
        can_unique: true,
        search_array: true,
        search_nulls: true,
        clusterable: true,
        can_return: true,
        can_include: true,
        index_scan: true,
        ..NOTHING
    },
    IndexMethodDef {
        oid: oids::HASH_AM,
        name: "hash",
        can_backward: true,
        can_multicol: false,
        optional_key: false,
        index_scan: true,
        key_type: t::INT4,
        ..NOTHING
    },
    IndexMethodDef {
        oid: oids::GIST_AM,
        name: "gist",
        can_order_by_operator: true,
        search_nulls: true,
        clusterable: true,
        can_include: true,
        index_scan: true,
        available: false,
        ..NOTHING
    },
    IndexMethodDef { oid: oids::GIN_AM, name: "gin", ..NOTHING },
    IndexMethodDef {
        oid: oids::SPGIST_AM,
        name: "spgist",
        can_order_by_operator: true,
        can_multicol: false,
        search_nulls: true,
        can_include: true,
        index_scan: true,
        available: false,
        ..NOTHING
    },
    IndexMethodDef { oid: oids::BRIN_AM, name: "brin", search_nulls: true, ..NOTHING },
];

/// The index method of this name.
pub fn index_method(name: &str) -> Option<&'static IndexMethodDef> {
    INDEX_METHODS.iter().find(|m| m.name == name)
}

/// The index method with this OID.
pub fn index_method_by_oid(oid: Oid) -> Option<&'static IndexMethodDef> {
    INDEX_METHODS.iter().find(|m| m.oid == oid)
}

/// OID of an access method by name; none if there is no such method.
pub fn access_method(name: &str) -> Option<Oid> {
    match name {
        "heap" => Some(oids::HEAP_AM),
        _ => index_method(name).map(|m| m.oid),
    }
}
