//! The rest: encodings, sequences, properties of indexes, what can be updated, zeros for statistics that nobody counts.

use super::{Answer, Call, text};
use crate::builtin::access_method::{index_method, index_method_by_oid};
use crate::defs::RelKind;
use quarry_common::{Error, Result, bail};
use quarry_types::{Datum, oids, record};

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("pg_encoding_to_char", |c| {
        let name = usize::try_from(c.int(0)).ok().and_then(|i| ENCODINGS.get(i)).copied().unwrap_or("");
        Ok(text(name))
    }),
    ("pg_char_to_encoding", |c| {
        let wanted = normal_encoding(c.text(0));
        let found = ENCODINGS.iter().position(|e| normal_encoding(e) == wanted);
        Ok(Datum::I32(found.map_or(-1, |i| i as i32)))
    }),
    ("pg_encoding_max_length", |c| Ok(if c.int(0) == 6 { Datum::I32(4) } else { Datum::Null })),
    ("getdatabaseencoding", |_| Ok(text("UTF8"))),
    ("pg_sequence_parameters", pg_sequence_parameters),
    ("pg_sequence_last_value", pg_sequence_last_value),
    ("pg_relation_is_publishable", |c| {
        let t = c.reader.relation(c.oid(0))?;
        Ok(t.map_or(Datum::Null, |t| Datum::Bool(t.kind == RelKind::Table && t.oid.0 >= 16384)))
    }),
    ("pg_my_temp_schema", |c| Ok(Datum::U32(c.reader.session().temp_schema.map_or(0, |s| s.0)))),
    ("pg_is_other_temp_schema", |c| {
        let oid = c.oid(0);
        let temp = c.reader.schema(oid)?.is_some_and(|s| s.name.starts_with("pg_temp_"));
        Ok(Datum::Bool(temp && c.reader.session().temp_schema != Some(oid)))
    }),
    ("pg_index_column_has_property", pg_index_column_has_property),
    ("pg_index_has_property", pg_index_has_property),
    ("pg_indexam_has_property", pg_indexam_has_property),
    ("pg_indexam_progress_phasename", pg_indexam_progress_phasename),
    ("pg_partition_root", |_| Ok(Datum::Null)),
    ("pg_filenode_relation", |_| Ok(Datum::Null)),
    ("pg_collation_actual_version", |_| Ok(Datum::Null)),
    ("pg_database_collation_actual_version", |_| Ok(Datum::Null)),
];

/// A statistic of a server that counts nothing, but for the rows that ANALYZE has seen.
pub(super) fn uncounted(r: &crate::CatalogReader, name: &str, args: &[Datum]) -> Result<Datum> {
    if name == "pg_stat_get_live_tuples"
        && let Some(Datum::U32(oid)) = args.first()
    {
        let tuples = r.relation(quarry_common::Oid(*oid))?.map_or(0.0, |t| t.tuples.max(0.0));
        return Ok(Datum::I64(tuples as i64));
    }
    let ret = quarry_functions::registry::functions_named(name).first().map(|f| f.ret);
    Ok(match ret {
        Some(oids::INT8) => Datum::I64(0),
        Some(oids::INT4) => Datum::I32(0),
        Some(oids::FLOAT8) => Datum::F64(0.0),
        _ => Datum::Null,
    })
}

/// PostgreSQL's encodings by number.
const ENCODINGS: [&str; 42] = [
    "SQL_ASCII",
    "EUC_JP",
    "EUC_CN",
    "EUC_KR",
    "EUC_TW",
    "EUC_JIS_2004",
    "UTF8",
    "MULE_INTERNAL",
    "LATIN1",
    "LATIN2",
    "LATIN3",
    "LATIN4",
    "LATIN5",
    "LATIN6",
    "LATIN7",
    "LATIN8",
    "LATIN9",
    "LATIN10",
    "WIN1256",
    "WIN1258",
    "WIN866",
    "WIN874",
    "KOI8R",
    "WIN1251",
    "WIN1252",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "WIN1250",
    "WIN1253",
    "WIN1254",
    "WIN1255",
    "WIN1257",
    "KOI8U",
    "SJIS",
    "BIG5",
    "GBK",
    "UHC",
    "GB18030",
    "JOHAB",
    "SHIFT_JIS_2004",
];

fn normal_encoding(name: &str) -> String {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if plain == "unicode" { "utf8".into() } else { plain }
}

fn pg_sequence_parameters(c: &Call<'_>) -> Result<Datum> {
    let oid = c.oid(0);
    let Some(s) = c.reader.sequence(oid)? else {
        return Err(Error::internal(format!("cache lookup failed for sequence {oid}")));
    };
    let fields = [
        (oids::INT8, Datum::I64(s.start)),
        (oids::INT8, Datum::I64(s.min)),
        (oids::INT8, Datum::I64(s.max)),
        (oids::INT8, Datum::I64(s.increment)),
        (oids::BOOL, Datum::Bool(s.cycle)),
        (oids::INT8, Datum::I64(s.cache)),
        (oids::OID, Datum::U32(s.ty.oid.0)),
    ];
    Ok(record::from_fields(oids::RECORD, fields.iter().map(|(o, d)| (*o, d))))
}

/// The last value, NULL before the first nextval.
fn pg_sequence_last_value(c: &Call<'_>) -> Result<Datum> {
    let oid = c.oid(0);
    let Some(r) = c.reader.relation(oid)?.filter(|r| r.kind == RelKind::Sequence) else {
        let name = c.reader.relation(oid)?.map(|r| r.name.clone()).unwrap_or_default();
        bail!(WRONG_OBJECT_TYPE, "\"{name}\" is not a sequence")
    };
    let Some(storage) = r.storage else { return Ok(Datum::Null) };
    let state = quarry_storage::sequence::Sequence::open(c.reader.catalog().storage(), storage).read()?;
    Ok(if state.is_called { Datum::I64(state.last_value) } else { Datum::Null })
}

fn pg_index_column_has_property(c: &Call<'_>) -> Result<Datum> {
    let Some((_, index)) = c.reader.index(c.oid(0))? else { return Ok(Datum::Null) };
    let Some(at) = usize::try_from(c.int(1) - 1).ok().filter(|i| *i < index.keys.len() + index.include.len())
    else {
        return Ok(Datum::Null);
    };
    let property = c.text(2).to_ascii_lowercase();
    let Some(key) = index.keys.get(at) else {
        // An INCLUDE column.
        return Ok(match property.as_str() {
            "asc" | "desc" | "nulls_first" | "nulls_last" | "orderable" | "distance_orderable"
            | "search_array" | "search_nulls" => Datum::Bool(false),
            "returnable" => Datum::Bool(true),
            _ => Datum::Null,
        });
    };
    let Some(method) = index_method(index.method) else { return Ok(Datum::Null) };
    let ordered = |yes: bool| Datum::Bool(method.can_order && yes);
    Ok(match property.as_str() {
        "asc" => ordered(!key.descending),
        "desc" => ordered(key.descending),
        "nulls_first" => ordered(key.nulls_first),
        "nulls_last" => ordered(!key.nulls_first),
        "orderable" => Datum::Bool(method.can_order),
        "returnable" => Datum::Bool(method.can_return),
        "search_array" => Datum::Bool(method.search_array),
        "search_nulls" => Datum::Bool(method.search_nulls),
        "distance_orderable" => Datum::Bool(false),
        _ => Datum::Null,
    })
}

fn pg_index_has_property(c: &Call<'_>) -> Result<Datum> {
    let Some((_, index)) = c.reader.index(c.oid(0))? else { return Ok(Datum::Null) };
    let Some(method) = index_method(index.method) else { return Ok(Datum::Null) };
    Ok(match c.text(1).to_ascii_lowercase().as_str() {
        "clusterable" => Datum::Bool(method.clusterable),
        "index_scan" => Datum::Bool(method.index_scan),
        "bitmap_scan" => Datum::Bool(true),
        "backward_scan" => Datum::Bool(method.can_backward),
        _ => Datum::Null,
    })
}

/// The steps of a B-tree's build as `pg_stat_progress_create_index` calls them.
fn pg_indexam_progress_phasename(c: &Call<'_>) -> Result<Datum> {
    let step = match c.args.get(1) {
        Some(Datum::I64(n)) if c.oid(0).0 == 403 => *n,
        _ => return Ok(Datum::Null),
    };
    Ok(match step {
        1 => Datum::text("initializing"),
        2 => Datum::text("scanning table"),
        3 => Datum::text("sorting live tuples"),
        4 => Datum::text("sorting dead tuples"),
        5 => Datum::text("loading tuples in tree"),
        _ => Datum::Null,
    })
}

fn pg_indexam_has_property(c: &Call<'_>) -> Result<Datum> {
    let Some(method) = index_method_by_oid(c.oid(0)) else { return Ok(Datum::Null) };
    Ok(match c.text(1).to_ascii_lowercase().as_str() {
        "can_order" => Datum::Bool(method.can_order),
        "can_unique" => Datum::Bool(method.can_unique),
        "can_multi_col" => Datum::Bool(method.can_multicol),
        "can_exclude" => Datum::Bool(method.index_scan),
        "can_include" => Datum::Bool(method.can_include),
        _ => Datum::Null,
    })
}
