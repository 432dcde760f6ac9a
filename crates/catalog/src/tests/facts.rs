//! Rows of the built-in catalogs against PostgreSQL 15's (`facts/*.tsv`: what its COPY prints).

use super::*;
use crate::builtin::{catalog_table, columns};
use quarry_types::type_info;
use std::collections::HashMap;
use std::time::Instant;

/// Rows as text, the given columns only, keyed by the first.
fn rows(f: &Fixture, table: u32, shown: &[usize]) -> HashMap<String, String> {
    let def = catalog_table(table).unwrap();
    f.ask(|r| {
        let cx = quarry_types::IoContext::default();
        let mut out = HashMap::new();
        for (_, row) in r.table(table).scan(&r.snapshot()).unwrap() {
            let fields: Vec<String> = shown
                .iter()
                .map(|c| match &row.0[*c] {
                    quarry_types::Datum::Null => "\\N".into(),
                    quarry_types::Datum::U32(v) => v.to_string(),
                    d => type_info(def.columns[*c].ty).unwrap().output_string(d, &cx).unwrap(),
                })
                .collect();
            out.insert(fields[0].clone(), fields.join("\t"));
        }
        out
    })
}

fn compare(f: &Fixture, table: u32, shown: &[usize], facts: &str) {
    let ours = rows(f, table, shown);
    let mut missing = Vec::new();
    for line in facts.lines() {
        let key = line.split('\t').next().unwrap();
        if ours.get(key).map(String::as_str) != Some(line) {
            missing.push(format!("postgres {line}\n  quarry {:?}", ours.get(key)));
        }
    }
    assert!(
        missing.is_empty(),
        "{} rows differ:\n{}",
        missing.len(),
        missing[..missing.len().min(10)].join("\n")
    );
}

#[test]
fn built_in_rows_are_postgresqls() {
    let start = Instant::now();
    let f = Fixture::new();
    println!("bootstrap took {:?}", start.elapsed());
    use columns::{pg_class as c, pg_type as t};
    compare(
        &f,
        c::TABLE,
        &[
            c::OID,
            c::RELNAME,
            c::RELNAMESPACE,
            c::RELTYPE,
            c::RELAM,
            c::RELFILENODE,
            c::RELTABLESPACE,
            c::RELTOASTRELID,
            c::RELHASINDEX,
            c::RELISSHARED,
            c::RELKIND,
            c::RELNATTS,
            c::RELHASRULES,
            c::RELREPLIDENT,
        ],
        include_str!("facts/pg_class.tsv"),
    );
    compare(
        &f,
        t::TABLE,
        &(0..31).filter(|c| *c != t::TYPDEFAULTBIN).collect::<Vec<_>>(),
        include_str!("facts/pg_type.tsv"),
    );
    compare(
        &f,
        columns::pg_opclass::TABLE,
        &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        include_str!("../builtin/data/pg_opclass.tsv"),
    );
    compare(&f, columns::pg_index::TABLE, &(0..19).collect::<Vec<_>>(), include_str!("facts/pg_index.tsv"));
}

#[test]
fn every_catalog_table_can_be_read() {
    let f = Fixture::new();
    f.ask(|r| {
        for t in crate::builtin::catalog_tables() {
            let rel = r.relation(Oid(t.oid)).unwrap().unwrap_or_else(|| panic!("{} has no row", t.name));
            assert_eq!(rel.columns.len(), t.columns.len());
            assert_eq!(rel.indexes.len(), t.indexes.len(), "{}", t.name);
            assert!(rel.is_catalog);
            assert_eq!(r.resolve_relation(&[t.name], None).unwrap().oid.0, t.oid);
            r.table(t.oid).scan(&r.snapshot()).unwrap();
        }
        for v in crate::views::system_views() {
            let rel = r.resolve_relation(&[v.schema, v.name], None).unwrap();
            assert_eq!((rel.kind, rel.columns.len()), (RelKind::View, v.columns.len()), "{}", v.name);
            assert!(rel.view_sql.is_some());
        }
        assert_eq!(r.databases().unwrap().len(), 3);
        assert_eq!(r.comment(Oid(2615), oids::PUBLIC, 0).unwrap().as_deref(), Some("standard public schema"));
    });
}
