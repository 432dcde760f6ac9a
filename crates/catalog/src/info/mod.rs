//! Catalog information functions: `pg_get_indexdef`, `has_table_privilege`, `pg_relation_size`, ... by SQL name.
//!
//! Their declarations stand in `quarry_functions::scalar::catalog_info`; the kernels there come here through
//! `SessionEnv::catalog_function` and `catalog_rows`. All overloads of a name share one entry, which tells them apart by its arguments
//! (a name comes as text, an OID as u32). Strict functions are never called with NULL.

mod acls;
mod definitions;
mod misc;
mod names;
mod privileges;
mod routines;
mod sets;
mod sizes;
mod statistics;

pub(crate) use names::relation_by_name;

use crate::reader::CatalogReader;
use hashbrown::HashMap;
use quarry_common::{Error, Oid, Result};
use quarry_types::Datum;
use std::sync::LazyLock;

/// What an answer may use.
pub(crate) struct Call<'a> {
    pub reader: &'a CatalogReader,
    pub args: &'a [Datum],
    /// The function's name, for those that share code.
    pub name: &'static str,
}

impl Call<'_> {
    pub fn oid(&self, i: usize) -> Oid {
        match self.args.get(i) {
            Some(Datum::U32(v)) => Oid(*v),
            // An OID that came as a number.
            Some(Datum::I32(v)) => Oid(*v as u32),
            _ => Oid::INVALID,
        }
    }
    pub fn text(&self, i: usize) -> &str {
        match self.args.get(i) {
            Some(Datum::Bytes(b)) => std::str::from_utf8(b).unwrap_or(""),
            _ => "",
        }
    }
    pub fn int(&self, i: usize) -> i64 {
        match self.args.get(i) {
            Some(Datum::I16(v)) => i64::from(*v),
            Some(Datum::I32(v)) => i64::from(*v),
            Some(Datum::I64(v)) => *v,
            _ => 0,
        }
    }
    pub fn bool(&self, i: usize) -> bool {
        matches!(self.args.get(i), Some(Datum::Bool(true)))
    }
    pub fn is_text(&self, i: usize) -> bool {
        matches!(self.args.get(i), Some(Datum::Bytes(_)))
    }
    pub fn is_null(&self, i: usize) -> bool {
        self.args.get(i).is_none_or(Datum::is_null)
    }
}

pub(crate) type Answer = fn(&Call<'_>) -> Result<Datum>;
pub(crate) type Rows = fn(&Call<'_>) -> Result<Vec<Vec<Datum>>>;

static ANSWERS: LazyLock<HashMap<&'static str, Answer>> = LazyLock::new(|| {
    [
        acls::ANSWERS,
        definitions::ANSWERS,
        misc::ANSWERS,
        names::ANSWERS,
        privileges::ANSWERS,
        routines::ANSWERS,
        sizes::ANSWERS,
    ]
    .iter()
    .flat_map(|t| t.iter().copied())
    .collect()
});
static ROWS: LazyLock<HashMap<&'static str, Rows>> = LazyLock::new(|| sets::ROWS.iter().copied().collect());

/// The answer of an information function; none if it is no catalog matter (the server's state, say).
///
/// Statistics (`pg_stat_get_*`) answer as a server that has counted nothing: whoever keeps counters asks himself first.
pub fn call(reader: &CatalogReader, name: &'static str, args: &[Datum]) -> Result<Option<Datum>> {
    match ANSWERS.get(name) {
        Some(f) => f(&Call { reader, args, name }).map(Some),
        None if name.starts_with("pg_stat_get_") => misc::uncounted(reader, name, args).map(Some),
        None => Ok(None),
    }
}

/// Functions on parts of PostgreSQL that this server may not have: no rows, unless the caller knows better and asks himself first.
const EMPTY: &[&str] = &[
    "pg_get_backend_memory_contexts",
    "pg_get_publication_tables",
    "pg_get_replication_slots",
    "pg_get_shmem_allocations",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_show_all_file_settings",
    "pg_show_replication_origin_status",
    "pg_stat_get_recovery_prefetch",
    "pg_stat_get_subscription",
    "pg_stat_get_wal_senders",
];

/// The rows of a set-returning information function; none if it is no catalog matter.
pub fn rows(reader: &CatalogReader, name: &'static str, args: &[Datum]) -> Result<Option<Vec<Vec<Datum>>>> {
    match ROWS.get(name) {
        Some(f) => f(&Call { reader, args, name }).map(Some),
        None if EMPTY.contains(&name) => Ok(Some(Vec::new())),
        None => Ok(None),
    }
}

/// Text or NULL.
pub(crate) fn opt(s: Option<String>) -> Datum {
    s.map_or(Datum::Null, |s| Datum::text(&s))
}
pub(crate) fn text(s: &str) -> Datum {
    Datum::text(s)
}

/// NULL where an error only means that the thing isn't there.
pub(crate) fn if_found<T>(r: Result<T>) -> Result<Option<T>> {
    match r {
        Ok(v) => Ok(Some(v)),
        Err(e) if is_not_found(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

fn is_not_found(e: &Error) -> bool {
    use quarry_common::SqlState as S;
    [
        S::UNDEFINED_TABLE,
        S::UNDEFINED_OBJECT,
        S::UNDEFINED_FUNCTION,
        S::UNDEFINED_SCHEMA,
        S::AMBIGUOUS_FUNCTION,
    ]
    .contains(&e.sqlstate())
}
