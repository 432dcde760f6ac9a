//! Operator classes: which one a type has by default, and by name; the operators of their families.

use hashbrown::HashMap;
use quarry_common::Oid;
use quarry_functions::registry::{EXTENSIONS, ExtensionClass};
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
    /// The type of what is stored; invalid: the input type.
    pub key_type: Oid,
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
                key_type: number(f[8]),
            }
        })
        .collect()
});

/// Those that extensions can make.
static OF_EXTENSIONS: LazyLock<Vec<OpClass>> = LazyLock::new(|| {
    let class = |c: &ExtensionClass| OpClass {
        oid: c.oid,
        method: c.method,
        name: c.name,
        family: c.family,
        input: c.input,
        default: false,
        key_type: c.key_type,
    };
    EXTENSIONS.iter().flat_map(|e| e.classes).map(class).collect()
});

static BY_OID: LazyLock<HashMap<Oid, &'static OpClass>> =
    LazyLock::new(|| CLASSES.iter().chain(OF_EXTENSIONS.iter()).map(|c| (c.oid, c)).collect());

/// Every operator class.
pub fn opclasses() -> &'static [OpClass] {
    &CLASSES
}
/// One by OID, also of an extension.
pub fn opclass(oid: Oid) -> Option<&'static OpClass> {
    BY_OID.get(&oid).copied()
}
/// One by access method and name.
pub fn opclass_named(method: Oid, name: &str) -> Option<&'static OpClass> {
    CLASSES.iter().find(|c| c.method == method && c.name == name)
}
/// Whether an extension makes it.
pub fn is_extension_opclass(oid: Oid) -> bool {
    OF_EXTENSIONS.iter().any(|c| c.oid == oid)
}
/// One that an extension can make; whether it has, the catalog knows.
pub fn extension_opclass_named(method: Oid, name: &str) -> Option<&'static OpClass> {
    OF_EXTENSIONS.iter().find(|c| c.method == method && c.name == name)
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

/// A row of `pg_amop`: an operator that a family's indexes answer.
#[derive(Clone, Copy, Debug)]
pub struct FamilyOperator {
    pub family: Oid,
    pub left: Oid,
    pub right: Oid,
    pub strategy: u16,
    pub operator: Oid,
}

static OPERATORS: LazyLock<Vec<FamilyOperator>> = LazyLock::new(|| {
    let number = |t: &str| t.parse::<u32>().expect("the data file has numbers here");
    let mut all: Vec<FamilyOperator> = include_str!("data/pg_amop.tsv")
        .lines()
        .map(|line| line.split('\t').collect::<Vec<&str>>())
        // Not those that only order.
        .filter(|f| f[5] == "s")
        .map(|f| FamilyOperator {
            family: Oid(number(f[1])),
            left: Oid(number(f[2])),
            right: Oid(number(f[3])),
            strategy: f[4].parse().expect("the data file has numbers here"),
            operator: Oid(number(f[6])),
        })
        .collect();
    for c in EXTENSIONS.iter().flat_map(|e| e.classes) {
        let row = |(strategy, operator): &(u16, Oid)| FamilyOperator {
            family: c.family,
            left: c.input,
            right: c.input,
            strategy: *strategy,
            operator: *operator,
        };
        all.extend(c.operators.iter().map(row));
    }
    all.sort_by_key(|o| (o.family, o.operator));
    all
});

/// The number a family gives an operator; none if its indexes don't answer it.
pub fn strategy(family: Oid, operator: Oid) -> Option<u16> {
    let at = OPERATORS.binary_search_by_key(&(family, operator), |o| (o.family, o.operator)).ok()?;
    Some(OPERATORS[at].strategy)
}

#[cfg(test)]
mod tests {
    use super::super::oids;
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

    #[test]
    fn strategies() {
        let family = |method: Oid, name: &str| opclass_named(method, name).unwrap().family;
        // jsonb @> jsonb, jsonb ? text.
        assert_eq!(strategy(family(oids::GIN_AM, "jsonb_ops"), Oid(3246)), Some(7));
        assert_eq!(strategy(family(oids::GIN_AM, "jsonb_ops"), Oid(3247)), Some(9));
        assert_eq!(strategy(family(oids::GIN_AM, "jsonb_path_ops"), Oid(3247)), None);
        // int4 = int8.
        assert_eq!(strategy(family(oids::HASH_AM, "int4_ops"), Oid(15)), Some(1));
        assert_eq!(opclass_named(oids::GIN_AM, "jsonb_ops").unwrap().key_type, t::TEXT);
    }
}
