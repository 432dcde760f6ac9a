//! Operator classes: which one a type has by default, and by name.

use super::oids;
use hashbrown::HashMap;
use quarry_common::Oid;
use quarry_types::oids as t;
use quarry_types::registry::TypeInfo;
use std::sync::LazyLock;

/// A row of `pg_opclass`.
#[derive(Debug)]
pub struct OpClass {
    pub oid: Oid,
    pub method: Oid,
    pub name: &'static str,
    pub family: Oid,
    pub input: Oid,
    pub default: bool,
}

static CLASSES: LazyLock<Vec<OpClass>> = LazyLock::new(|| {
    let number = |t: &str| Oid(t.parse().expect("the data file has numbers here"));
    include_str!("data/pg_opclass.tsv")
        .lines()
        .map(|line| {
            let f: Vec<&'static str> = line.split('\t').collect();
            OpClass {
                oid: number(f[0]),
                method: number(f[1]),
                name: f[2],
                family: number(f[5]),
                input: number(f[6]),
                default: f[7] == "t",
            }
        })
        .collect()
});

static BY_OID: LazyLock<HashMap<Oid, &'static OpClass>> =
    LazyLock::new(|| CLASSES.iter().map(|c| (c.oid, c)).collect());

/// Every operator class.
pub fn opclasses() -> &'static [OpClass] {
    &CLASSES
}
/// One by OID.
pub fn opclass(oid: Oid) -> Option<&'static OpClass> {
    BY_OID.get(&oid).copied()
}
/// One by access method and name.
pub fn opclass_named(method: Oid, name: &str) -> Option<&'static OpClass> {
    CLASSES.iter().find(|c| c.method == method && c.name == name)
}
/// The default class of `method` for a type (not a domain).
pub fn default_opclass(method: Oid, ty: &TypeInfo) -> Option<&'static OpClass> {
    let find = |input: Oid| CLASSES.iter().find(|c| c.method == method && c.default && c.input == input);
    let wider = match ty.oid {
        t::VARCHAR => t::TEXT,
        o if quarry_types::reg::kind_of(o).is_some() => t::OID,
        t::CIDR => t::INET,
        _ => match ty.kind {
            'e' => t::ANYENUM,
            'r' => t::ANYRANGE,
            'm' => t::ANYMULTIRANGE,
            'c' => t::RECORD,
            _ if ty.is_array() => t::ANYARRAY,
            _ => Oid::INVALID,
        },
    };
    find(ty.oid).or_else(|| find(wider))
}

/// OID of an access method by name; none if there is no such method.
pub fn access_method(name: &str) -> Option<Oid> {
    Some(match name {
        "heap" => oids::HEAP_AM,
        "btree" => oids::BTREE_AM,
        "hash" => oids::HASH_AM,
        "gist" => oids::GIST_AM,
        "gin" => oids::GIN_AM,
        "brin" => oids::BRIN_AM,
        "spgist" => oids::SPGIST_AM,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_types::type_info;

    #[test]
    fn defaults() {
        let name = |ty: Oid| default_opclass(oids::BTREE_AM, type_info(ty).unwrap()).map(|c| c.name);
        assert_eq!(name(t::INT4), Some("int4_ops"));
        assert_eq!(name(t::VARCHAR), Some("text_ops"));
        assert_eq!(name(t::INT4_ARRAY), Some("array_ops"));
        assert_eq!(name(t::REGCLASS), Some("oid_ops"));
        assert_eq!(name(t::JSON), None);
    }
}
