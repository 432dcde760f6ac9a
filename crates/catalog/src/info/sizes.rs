//! Sizes on disk and file names.

use super::{Answer, Call, text};
use crate::defs::{RelKind, Relation};
use crate::reader::CatalogReader;
use quarry_common::{Oid, Result, bail, err};
use quarry_storage::{Fork, RelId};
use quarry_types::Datum;

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("pg_relation_size", pg_relation_size),
    ("pg_table_size", |c| sized(c, table_bytes)),
    ("pg_indexes_size", |c| sized(c, indexes_bytes)),
    ("pg_total_relation_size", |c| sized(c, |r, t| Ok(table_bytes(r, t)? + indexes_bytes(r, t)?))),
    ("pg_database_size", pg_database_size),
    ("pg_tablespace_size", |c| {
        let mut total = 0;
        if tablespace_exists(c)? {
            for db in c.reader.databases()? {
                total += database_bytes(c.reader, db.oid)?;
            }
        }
        Ok(Datum::I64(total as i64))
    }),
    ("pg_relation_filenode", |c| match storage_of(c)? {
        Some(s) => Ok(Datum::U32(s.rel)),
        None => Ok(Datum::Null),
    }),
    ("pg_relation_filepath", |c| match storage_of(c)? {
        Some(s) => Ok(text(&c.reader.catalog().storage().files().path(s)?)),
        None => Ok(Datum::Null),
    }),
    ("pg_tablespace_location", |_| Ok(text(""))),
];

fn storage_of(c: &Call<'_>) -> Result<Option<RelId>> {
    let Some(t) = c.reader.relation(c.oid(0))? else { return Ok(None) };
    Ok(relation_storage(c.reader, &t))
}
fn relation_storage(_: &CatalogReader, t: &Relation) -> Option<RelId> {
    match t.kind {
        RelKind::View | RelKind::CompositeType => None,
        _ => t.storage,
    }
}

fn fork_bytes(r: &CatalogReader, storage: RelId, fork: Fork) -> u64 {
    // A file that isn't there (dropped meanwhile, or a fork never made) has no bytes.
    r.catalog().storage().relation_bytes(storage, fork).unwrap_or(0)
}
fn all_forks(r: &CatalogReader, storage: RelId) -> u64 {
    Fork::ALL.into_iter().map(|f| fork_bytes(r, storage, f)).sum()
}
fn table_bytes(r: &CatalogReader, t: &Relation) -> Result<u64> {
    let main = relation_storage(r, t).map_or(0, |s| all_forks(r, s));
    Ok(main + t.toast.map_or(0, |s| all_forks(r, s)))
}
fn indexes_bytes(r: &CatalogReader, t: &Relation) -> Result<u64> {
    Ok(t.indexes.iter().map(|i| all_forks(r, i.storage)).sum())
}

fn sized(c: &Call<'_>, f: fn(&CatalogReader, &Relation) -> Result<u64>) -> Result<Datum> {
    match c.reader.relation(c.oid(0))? {
        Some(t) => Ok(Datum::I64(f(c.reader, &t)? as i64)),
        None => Ok(Datum::Null),
    }
}

fn pg_relation_size(c: &Call<'_>) -> Result<Datum> {
    let fork = match if c.args.len() > 1 { c.text(1) } else { "main" } {
        "main" => Some(Fork::Main),
        "fsm" => Some(Fork::Fsm),
        "vm" => Some(Fork::Vm),
        "init" => Some(Fork::Init),
        _ => {
            return Err(err!(INVALID_PARAMETER_VALUE, "invalid fork name")
                .hint("Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\"."));
        }
    };
    let Some(t) = c.reader.relation(c.oid(0))? else { return Ok(Datum::Null) };
    let bytes = match (relation_storage(c.reader, &t), fork) {
        (Some(s), Some(f)) => fork_bytes(c.reader, s, f),
        _ => 0,
    };
    Ok(Datum::I64(bytes as i64))
}

/// Bytes of every relation in a database.
fn database_bytes(r: &CatalogReader, db: Oid) -> Result<u64> {
    let other = r.catalog().reader(db, r.txn(), r.session());
    let mut total = 0;
    for (_, row) in other.table(1259).scan(&other.snapshot())? {
        let relation = row.oid(crate::builtin::columns::pg_class::OID);
        if let Some(storage) = other.relation(relation)?.and_then(|t| relation_storage(&other, &t))
            && storage.db == db
        {
            total += all_forks(r, storage);
        }
    }
    Ok(total)
}

fn pg_database_size(c: &Call<'_>) -> Result<Datum> {
    let r = c.reader;
    let db = if c.is_text(0) {
        match r.database_named(c.text(0))? {
            Some(db) => db.oid,
            None => bail!(UNDEFINED_DATABASE, "database \"{}\" does not exist", c.text(0)),
        }
    } else {
        match r.database(c.oid(0))? {
            Some(db) => db.oid,
            None => return Ok(Datum::Null),
        }
    };
    Ok(Datum::I64(database_bytes(r, db)? as i64))
}

fn tablespace_exists(c: &Call<'_>) -> Result<bool> {
    if c.is_text(0) {
        return match c.text(0) {
            "pg_default" => Ok(true),
            "pg_global" => Ok(false),
            name => bail!(UNDEFINED_OBJECT, "tablespace \"{name}\" does not exist"),
        };
    }
    Ok(c.oid(0) == crate::builtin::oids::DEFAULT_TABLESPACE)
}
