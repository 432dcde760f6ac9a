//! The declarations agree with each other and with PostgreSQL 15's catalogs (`testdata/`, tab-separated).

use super::*;
use crate::def::{CastContext, CastMethod};
use crate::{FunctionKind, Volatility};
use std::collections::{HashMap, HashSet};

/// Rows of a recorded catalog by their first column.
fn recorded(text: &'static str) -> HashMap<u32, Vec<&'static str>> {
    text.lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|fields| (fields[0].parse().expect("an OID"), fields))
        .collect()
}

#[test]
fn oids_are_unique_and_references_resolve() {
    let mut seen = HashSet::new();
    for f in functions() {
        assert!(seen.insert(f.oid), "function {f:?} is declared twice");
        assert!(f.defaults.len() <= f.args.len(), "{f:?} has more defaults than arguments");
        assert!(
            f.arg_names.is_empty() || f.arg_names.len() == f.args.len(),
            "{f:?} names other arguments than it has"
        );
    }
    seen.clear();
    for o in operators() {
        assert!(seen.insert(o.oid), "operator {} is declared twice", o.oid);
        let f =
            function(o.function).unwrap_or_else(|| panic!("operator {} {} has no function", o.name, o.oid));
        let operands = [o.left, o.right].into_iter().filter(|t| t.is_valid()).count();
        assert_eq!(f.args.len(), operands, "operator {} calls {f:?}", o.oid);
        assert_eq!(f.ret, o.ret, "operator {} calls {f:?}", o.oid);
        for link in [o.commutator, o.negator] {
            assert!(!link.is_valid() || operator(link).is_some(), "operator {} refers to {link}", o.oid);
        }
    }
    for c in casts() {
        assert_eq!(c.method == CastMethod::Function, c.function.is_valid());
        if c.function.is_valid() {
            assert!(function(c.function).is_some(), "cast {c:?} has no function");
        }
    }
}

#[test]
fn functions_are_postgresqls() {
    let rows = recorded(include_str!("../../testdata/pg_proc.tsv"));
    let mut wrong = Vec::new();
    for f in functions() {
        let Some(row) = rows.get(&f.oid.0) else {
            wrong.push(format!("{f:?} is not in PostgreSQL"));
            continue;
        };
        let args = f.args.iter().map(|a| a.to_string()).collect::<Vec<_>>().join(" ");
        let volatility = match f.volatility {
            Volatility::Immutable => "i",
            Volatility::Stable => "s",
            Volatility::Volatile => "v",
        };
        let (kind, set) = match f.kind() {
            FunctionKind::Scalar => ("f", "f"),
            FunctionKind::Set => ("f", "t"),
            FunctionKind::Aggregate => ("a", "f"),
            FunctionKind::Window => ("w", "f"),
        };
        let strict = if f.strict { "t" } else { "f" };
        let ours = [
            f.name.to_owned(),
            args,
            f.ret.to_string(),
            volatility.into(),
            strict.into(),
            f.variadic.to_string(),
            kind.into(),
            set.into(),
            f.defaults.len().to_string(),
        ];
        if ours.iter().zip(&row[1..10]).any(|(a, b)| a != b) {
            wrong.push(format!("{f:?}: {ours:?} but PostgreSQL has {:?}", &row[1..10]));
        }
    }
    assert!(wrong.is_empty(), "{} declarations differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn operators_are_postgresqls() {
    let rows = recorded(include_str!("../../testdata/pg_operator.tsv"));
    for o in operators() {
        let row = rows.get(&o.oid.0).unwrap_or_else(|| panic!("operator {} is not in PostgreSQL", o.oid));
        let flag = |f| String::from(if f { "t" } else { "f" });
        let ours = [
            o.name.to_owned(),
            o.left.to_string(),
            o.right.to_string(),
            o.ret.to_string(),
            o.function.to_string(),
            o.commutator.to_string(),
            o.negator.to_string(),
            flag(o.merges),
            flag(o.hashes),
            o.restrict.into(),
            o.join.into(),
        ];
        assert_eq!(&ours[..], &row[1..], "operator {}", o.oid);
    }
}

#[test]
fn casts_are_postgresqls() {
    let rows: HashSet<&str> = include_str!("../../testdata/pg_cast.tsv").lines().collect();
    for c in casts() {
        let context = match c.context {
            CastContext::Implicit => "i",
            CastContext::Assignment => "a",
            CastContext::Explicit => "e",
        };
        let method = match c.method {
            CastMethod::Function => "f",
            CastMethod::Binary => "b",
            CastMethod::InOut => "i",
        };
        let line = format!("{}\t{}\t{}\t{context}\t{method}", c.source, c.target, c.function);
        assert!(rows.contains(line.as_str()), "PostgreSQL has no cast {line}");
    }
}
