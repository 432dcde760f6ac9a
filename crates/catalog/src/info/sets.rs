//! Set-returning information functions.

use super::{Call, Rows, text};
use crate::acl::PRIVILEGES;
use crate::arrays;
use crate::keywords::{KEYWORDS, Reservation};
use quarry_common::Result;
use quarry_functions::registry::{EXTENSIONS, Extension};
use quarry_types::Datum;

pub(super) const ROWS: &[(&str, Rows)] = &[
    ("pg_get_keywords", pg_get_keywords),
    ("aclexplode", aclexplode),
    ("pg_options_to_table", pg_options_to_table),
    ("pg_partition_tree", |_| Ok(Vec::new())),
    ("pg_partition_ancestors", |_| Ok(Vec::new())),
    ("pg_available_extensions", |_| {
        Ok(EXTENSIONS.iter().map(|e| vec![text(e.name), text(e.version), text(e.comment)]).collect())
    }),
    ("pg_available_extension_versions", |_| {
        let yes = Datum::Bool(true);
        let row = |e: &Extension| {
            let (no, none) = (Datum::Bool(false), Datum::Null);
            let name = text(e.name);
            vec![name, text(e.version), yes.clone(), no, yes.clone(), none.clone(), none, text(e.comment)]
        };
        Ok(EXTENSIONS.iter().map(row).collect())
    }),
    ("pg_get_catalog_foreign_keys", |_| Ok(Vec::new())),
    ("pg_tablespace_databases", |c| {
        if c.oid(0) != crate::builtin::oids::DEFAULT_TABLESPACE {
            return Ok(Vec::new());
        }
        Ok(c.reader.databases()?.iter().map(|d| vec![Datum::U32(d.oid.0)]).collect())
    }),
];

fn pg_get_keywords(_: &Call<'_>) -> Result<Vec<Vec<Datum>>> {
    Ok(KEYWORDS
        .iter()
        .map(|(word, reservation, bare)| {
            let (code, description) = match reservation {
                Reservation::Unreserved => ("U", "unreserved"),
                Reservation::ColumnName => ("C", "unreserved (cannot be function or type name)"),
                Reservation::TypeOrFunction => ("T", "reserved (can be function or type name)"),
                Reservation::Reserved => ("R", "reserved"),
            };
            let label = if *bare { "can be bare label" } else { "requires AS" };
            vec![text(word), text(code), Datum::Bool(*bare), text(description), text(label)]
        })
        .collect())
}

fn aclexplode(c: &Call<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut out = Vec::new();
    for i in arrays::acl_of(&c.args[0]).unwrap_or_default() {
        for (p, _, name) in PRIVILEGES {
            if i.privileges & p.bit() != 0 {
                out.push(vec![
                    Datum::U32(i.grantor.0),
                    Datum::U32(i.grantee.0),
                    text(name),
                    Datum::Bool(i.grant_options & p.bit() != 0),
                ]);
            }
        }
    }
    Ok(out)
}

fn pg_options_to_table(c: &Call<'_>) -> Result<Vec<Vec<Datum>>> {
    Ok(arrays::texts_of(&c.args[0])
        .iter()
        .map(|t| match t.split_once('=') {
            Some((n, v)) => vec![text(n), text(v)],
            None => vec![text(t), Datum::Null],
        })
        .collect())
}
