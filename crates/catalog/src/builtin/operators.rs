//! PostgreSQL's built-in operators as `pg_operator` has them, those without a kernel here included.
//!
//! `data/pg_operator.tsv` has the catalog's columns in COPY text form, without schema and owner.

use hashbrown::HashMap;
use quarry_common::Oid;
use quarry_functions::{OperatorDef, registry};
use std::sync::LazyLock;

/// The data file.
pub(super) const FACTS: &str = include_str!("data/pg_operator.tsv");

/// What its name and operands say of an operator.
#[derive(Debug)]
pub struct ListedOperator {
    pub oid: Oid,
    pub name: &'static str,
    /// Invalid: a prefix operator.
    pub left: Oid,
    pub right: Oid,
}

static OPERATORS: LazyLock<Vec<ListedOperator>> = LazyLock::new(|| {
    let number = |t: &str| Oid(t.parse().expect("the data file has numbers here"));
    let listed = FACTS.lines().map(|line| {
        let f: Vec<&'static str> = line.split('\t').collect();
        ListedOperator { oid: number(f[0]), name: f[1], left: number(f[5]), right: number(f[6]) }
    });
    let mut all: Vec<ListedOperator> = listed.collect();
    let known = all.len();
    for o in registry::operators() {
        if all[..known].binary_search_by_key(&o.oid, |l| l.oid).is_err() {
            all.push(ListedOperator { oid: o.oid, name: o.name, left: o.left, right: o.right });
        }
    }
    all.sort_by_key(|o| o.oid);
    all
});

static BY_NAME: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut map: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (i, o) in OPERATORS.iter().enumerate() {
        map.entry(o.name).or_default().push(i);
    }
    map
});

/// Those that extensions can make, by rising OID.
static OF_EXTENSIONS: LazyLock<Vec<ListedOperator>> = LazyLock::new(|| {
    let listed = |o: &OperatorDef| ListedOperator { oid: o.oid, name: o.name, left: o.left, right: o.right };
    let mut all: Vec<_> = registry::EXTENSIONS.iter().flat_map(|e| e.operators).map(listed).collect();
    all.sort_by_key(|o| o.oid);
    all
});

/// The one with this OID, also of an extension.
pub fn listed_operator(oid: Oid) -> Option<&'static ListedOperator> {
    let of = |all: &'static [ListedOperator]| all.binary_search_by_key(&oid, |o| o.oid).ok().map(|i| &all[i]);
    of(&OPERATORS).or_else(|| of(&OF_EXTENSIONS))
}

/// Those with a name, by rising OID.
pub fn operators_named(name: &str) -> Vec<&'static ListedOperator> {
    BY_NAME.get(name).into_iter().flatten().map(|i| &OPERATORS[*i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_have_the_operands_that_are_listed() {
        for o in registry::operators() {
            let l = listed_operator(o.oid).expect("all are listed");
            assert_eq!((l.name, l.left, l.right), (o.name, o.left, o.right), "operator {}", o.oid);
        }
        assert!(operators_named("=").len() > 50);
        assert!(operators_named("<=->").is_empty());
    }
}
