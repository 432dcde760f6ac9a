//! Names: visibility, spelling, descriptions, objects by name.

use super::{Answer, Call, if_found, opt, text};
use crate::builtin::columns::{pg_description, pg_shdescription};
use crate::builtin::{catalog_tables, opclass, operators, procs};
use crate::object::ObjectAddress;
use crate::reader::{CatalogReader, TsObject, split_qualified};
use crate::row::oid_datum;
use quarry_common::{Oid, Result, bail, err};
use quarry_types::io::{ObjectNames, RegKind};
use quarry_types::{Datum, oids, record};
use std::sync::Arc;

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("pg_table_is_visible", |c| visible(c.reader.is_visible_relation(c.oid(0))?)),
    ("pg_type_is_visible", |c| visible(c.reader.is_visible_type(c.oid(0))?)),
    ("pg_function_is_visible", |c| {
        visible(match procs::listed_proc(c.oid(0)) {
            Some(_) => Some(true),
            None => c.reader.is_visible_extension_function(c.oid(0))?,
        })
    }),
    ("pg_operator_is_visible", |c| {
        visible(match c.reader.extension_operator_schema(c.oid(0))? {
            Some(schema) => Some(c.reader.search_path()?.contains(&schema)),
            None => operators::listed_operator(c.oid(0)).map(|_| true),
        })
    }),
    ("pg_opclass_is_visible", |c| visible(opclass::opclass(c.oid(0)).map(|_| true))),
    ("pg_opfamily_is_visible", |c| {
        visible(opclass::opclasses().iter().find(|o| o.family == c.oid(0)).map(|_| true))
    }),
    ("pg_collation_is_visible", |c| visible(c.reader.collation_name(c.oid(0))?.map(|_| true))),
    ("pg_conversion_is_visible", |_| Ok(Datum::Null)),
    ("pg_statistics_obj_is_visible", |c| visible(c.reader.is_visible_statistics(c.oid(0))?)),
    ("pg_ts_parser_is_visible", |c| visible(c.reader.is_visible_ts(TsObject::Parser, c.oid(0))?)),
    ("pg_ts_dict_is_visible", |c| visible(c.reader.is_visible_ts(TsObject::Dictionary, c.oid(0))?)),
    ("pg_ts_template_is_visible", |c| visible(c.reader.is_visible_ts(TsObject::Template, c.oid(0))?)),
    ("pg_ts_config_is_visible", |c| visible(c.reader.is_visible_ts(TsObject::Configuration, c.oid(0))?)),
    ("pg_get_userbyid", |c| Ok(text(&c.reader.role_name(c.oid(0))?))),
    ("format_type", format_type),
    ("obj_description", obj_description),
    ("col_description", |c| Ok(opt(c.reader.comment(Oid(1259), c.oid(0), c.int(1) as i32)?))),
    ("shobj_description", obj_description),
    ("pg_describe_object", |c| Ok(opt(c.reader.describe_if_exists(address(c))?))),
    ("pg_identify_object", pg_identify_object),
    ("to_regclass", |c| regular(c, RegKind::Class)),
    ("to_regtype", |c| regular(c, RegKind::Type)),
    ("to_regproc", |c| regular(c, RegKind::Proc)),
    ("to_regprocedure", |c| regular(c, RegKind::Procedure)),
    ("to_regoper", |c| regular(c, RegKind::Oper)),
    ("to_regoperator", |c| regular(c, RegKind::Operator)),
    ("to_regnamespace", |c| regular(c, RegKind::Namespace)),
    ("to_regrole", |c| regular(c, RegKind::Role)),
    ("to_regcollation", |c| regular(c, RegKind::Collation)),
    ("pg_get_serial_sequence", pg_get_serial_sequence),
];

fn visible(v: Option<bool>) -> Result<Datum> {
    Ok(v.map_or(Datum::Null, Datum::Bool))
}

fn address(c: &Call<'_>) -> ObjectAddress {
    ObjectAddress { class: c.oid(0), oid: c.oid(1), sub: c.int(2) as i32 }
}

fn format_type(c: &Call<'_>) -> Result<Datum> {
    if c.is_null(0) {
        return Ok(Datum::Null);
    }
    let oid = c.oid(0);
    Ok(text(&match c.args.get(1) {
        Some(Datum::I32(typmod)) => c.reader.format_type(oid, *typmod)?,
        _ => c.reader.type_name(oid)?,
    }))
}

/// `obj_description(oid, 'pg_class')` and `shobj_description`; the old form without catalog takes any.
fn obj_description(c: &Call<'_>) -> Result<Datum> {
    let oid = c.oid(0);
    if c.args.len() < 2 {
        let rows = c.reader.find(&c.reader.snapshot(), pg_description::TABLE, 2675, &[oid_datum(oid)])?;
        let found = rows.iter().find(|(_, r)| r.i32(pg_description::OBJSUBID) == 0);
        return Ok(opt(found.map(|(_, r)| r.string(pg_description::DESCRIPTION))));
    }
    let name = c.text(1);
    let Some(table) = catalog_tables().iter().find(|t| t.name == name) else { return Ok(Datum::Null) };
    let r = c.reader;
    if c.name == "shobj_description" {
        let key = [oid_datum(oid), oid_datum(table.oid())];
        let row = r.find_one(&r.snapshot(), pg_shdescription::TABLE, 2397, &key)?;
        return Ok(opt(row.map(|(_, r)| r.string(pg_shdescription::DESCRIPTION))));
    }
    let key = [oid_datum(oid), oid_datum(table.oid()), Datum::I32(0)];
    let row = r.find_one(&r.snapshot(), pg_description::TABLE, 2675, &key)?;
    Ok(opt(row.map(|(_, r)| r.string(pg_description::DESCRIPTION))))
}

fn pg_identify_object(c: &Call<'_>) -> Result<Datum> {
    let (kind, schema, name, identity) = match c.reader.identify(address(c))? {
        Some((k, s, n, i)) => (text(&k), opt(s), opt(n), text(&i)),
        None => return Ok(Datum::Null),
    };
    let fields = [&kind, &schema, &name, &identity];
    Ok(record::from_fields(oids::RECORD, fields.into_iter().map(|d| (oids::TEXT, d))))
}

fn regular(c: &Call<'_>, kind: RegKind) -> Result<Datum> {
    // Names only: what is written as an OID is looked for as a name, too.
    let name = c.text(0);
    // A type's name is parsed as a query's would be.
    if kind == RegKind::Type && name.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        let token = name.split_whitespace().next().unwrap_or_default();
        bail!(SYNTAX_ERROR, "syntax error at or near \"{token}\"");
    }
    Ok(if_found(c.reader.reg_in(kind, name))?.map_or(Datum::Null, |o| Datum::U32(o.0)))
}

/// The relation that text names, with regclass's rules but a query's errors.
pub(crate) fn relation_by_name(r: &CatalogReader, name: &str) -> Result<Arc<crate::Relation>> {
    let Some(parts) = split_qualified(name) else { bail!(INVALID_NAME, "invalid name syntax") };
    r.resolve_relation(&parts, None)
}

fn pg_get_serial_sequence(c: &Call<'_>) -> Result<Datum> {
    let table = relation_by_name(c.reader, c.text(0))?;
    let column = c.text(1);
    let Some((_, def)) = table.column_named(column) else {
        return Err(err!(
            UNDEFINED_COLUMN,
            "column \"{column}\" of relation \"{}\" does not exist",
            table.name
        ));
    };
    for sequence in c.reader.owned_sequences(table.oid, def.number)? {
        if let Some(s) = c.reader.relation(sequence)? {
            return Ok(text(&crate::quote_qualified(&s.schema_name, &s.name)));
        }
    }
    Ok(Datum::Null)
}
