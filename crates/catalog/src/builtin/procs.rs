//! Functions that `pg_type`, `pg_am`, `pg_operator` and `pg_aggregate` name and that have no kernel of their own: type I/O, estimators,
//! access method handlers, transition functions. They are rows of `pg_proc`; the server does their work by other means.

use hashbrown::HashMap;
use quarry_common::Oid;
use quarry_functions::registry;
use std::sync::LazyLock;

/// One such function.
#[derive(Debug)]
pub struct SupportProc {
    pub oid: Oid,
    pub name: &'static str,
    pub args: Vec<Oid>,
    pub ret: Oid,
    pub volatility: char,
    pub strict: bool,
}

static PROCS: LazyLock<Vec<SupportProc>> = LazyLock::new(|| {
    let number = |t: &str| Oid(t.parse().expect("the data file has numbers here"));
    include_str!("data/support_procs.tsv")
        .lines()
        .map(|line| {
            let f: Vec<&'static str> = line.split('\t').collect();
            SupportProc {
                oid: number(f[0]),
                name: f[1],
                args: f[2].split_ascii_whitespace().map(number).collect(),
                ret: number(f[3]),
                volatility: f[4].chars().next().unwrap_or('i'),
                strict: f[5] == "t",
            }
        })
        .collect()
});

static BY_NAME: LazyLock<HashMap<&'static str, Oid>> =
    LazyLock::new(|| PROCS.iter().rev().map(|p| (p.name, p.oid)).collect());

/// All of them, by rising OID.
pub fn support_procs() -> &'static [SupportProc] {
    &PROCS
}

/// The one with this OID.
pub fn support_proc(oid: Oid) -> Option<&'static SupportProc> {
    PROCS.binary_search_by_key(&oid, |p| p.oid).ok().map(|i| &PROCS[i])
}

/// The OID of a function by its name alone; invalid for "" and unknown names.
pub fn proc_named(name: &str) -> Oid {
    if name.is_empty() {
        return Oid::INVALID;
    }
    if let Some(oid) = BY_NAME.get(name) {
        return *oid;
    }
    registry::functions_named(name).first().map_or(Oid::INVALID, |f| f.oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_functions_are_found() {
        assert_eq!(proc_named("int4in"), Oid(42));
        assert_eq!(proc_named("array_in"), Oid(750));
        assert_eq!(proc_named(""), Oid::INVALID);
        assert_eq!(support_proc(Oid(42)).map(|p| p.name), Some("int4in"));
        for t in quarry_types::registry::all_types() {
            assert!(proc_named(t.procs.input).is_valid(), "{t:?}");
        }
    }
}
