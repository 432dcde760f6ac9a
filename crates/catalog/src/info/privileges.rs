//! `has_*_privilege` and `pg_has_role`.
//!
//! Forms: (user, object, privilege) or (object, privilege) for the current user; user and object by name or OID. An OID that isn't there
//! gives NULL, a name that isn't there an error.

use super::{Answer, Call};
use crate::acl::{AclItem, AclObject, Privilege};
use crate::builtin::columns::{pg_language, pg_parameter_acl, pg_proc, pg_tablespace, pg_type};
use crate::defs::{ColumnDef, RelKind, Relation};
use crate::reader::CatalogReader;
use crate::row::oid_datum;
use quarry_common::{Oid, Result, bail};
use quarry_types::Datum;
use quarry_types::io::{ObjectNames, RegKind};
use std::sync::Arc;

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("has_table_privilege", |c| on_relation(c, TABLE, false)),
    ("has_sequence_privilege", |c| on_relation(c, SEQUENCE, true)),
    ("has_any_column_privilege", has_any_column_privilege),
    ("has_column_privilege", has_column_privilege),
    ("has_schema_privilege", has_schema_privilege),
    ("has_database_privilege", has_database_privilege),
    ("has_function_privilege", |c| on_row(c, AclObject::Function, FUNCTION)),
    ("has_type_privilege", |c| on_row(c, AclObject::Type, USAGE)),
    ("has_language_privilege", |c| on_row(c, AclObject::Language, USAGE)),
    ("has_tablespace_privilege", |c| on_row(c, AclObject::Tablespace, CREATE)),
    ("has_foreign_data_wrapper_privilege", |_| Ok(Datum::Null)),
    ("has_server_privilege", |_| Ok(Datum::Null)),
    ("has_parameter_privilege", has_parameter_privilege),
    ("pg_has_role", pg_has_role),
    ("row_security_active", row_security_active),
];

use Privilege as P;
const TABLE: &[P] = &[P::Select, P::Insert, P::Update, P::Delete, P::Truncate, P::References, P::Trigger];
const COLUMN: &[P] = &[P::Select, P::Insert, P::Update, P::References];
const SEQUENCE: &[P] = &[P::Usage, P::Select, P::Update];
const SCHEMA: &[P] = &[P::Create, P::Usage];
const DATABASE: &[P] = &[P::Create, P::Temporary, P::Connect];
const FUNCTION: &[P] = &[P::Execute];
const USAGE: &[P] = &[P::Usage];
const CREATE: &[P] = &[P::Create];
const PARAMETER: &[P] = &[P::Set, P::AlterSystem];

/// A privilege asked for, perhaps with grant option.
#[derive(Clone, Copy)]
struct Asked {
    privilege: P,
    grant_option: bool,
}

/// Parses `SELECT, INSERT WITH GRANT OPTION`.
fn parse(list: &str, allowed: &[P]) -> Result<Vec<Asked>> {
    let mut out = Vec::new();
    for word in list.split(',') {
        let word = word.trim();
        let upper = word.to_ascii_uppercase();
        let (name, grant_option) = match upper.strip_suffix(" WITH GRANT OPTION") {
            Some(n) => (n, true),
            None => (upper.as_str(), false),
        };
        match P::from_name(name).filter(|p| allowed.contains(p)) {
            Some(privilege) => out.push(Asked { privilege, grant_option }),
            None => bail!(INVALID_PARAMETER_VALUE, "unrecognized privilege type: \"{word}\""),
        }
    }
    Ok(out)
}

/// Who is asked about, and where the remaining arguments begin. `rest`: how many there are beside the user.
fn user(c: &Call<'_>, rest: usize) -> Result<(Oid, usize)> {
    if c.args.len() == rest {
        return Ok((c.reader.session().user, 0));
    }
    Ok((role_at(c, 0)?, 1))
}
/// A role by name ("public" is PUBLIC) or OID.
fn role_at(c: &Call<'_>, i: usize) -> Result<Oid> {
    if !c.is_text(i) {
        return Ok(c.oid(i));
    }
    match c.text(i) {
        "public" => Ok(Oid::INVALID),
        name => Ok(c.reader.resolve_role(name)?.oid),
    }
}

fn relation_at(c: &Call<'_>, i: usize) -> Result<Option<Arc<Relation>>> {
    if c.is_text(i) {
        return super::names::relation_by_name(c.reader, c.text(i)).map(Some);
    }
    c.reader.relation(c.oid(i))
}

/// Whether the role has any of the privileges.
fn any(asked: &[Asked], mut has: impl FnMut(Asked) -> Result<bool>) -> Result<Datum> {
    for a in asked {
        if has(*a)? {
            return Ok(Datum::Bool(true));
        }
    }
    Ok(Datum::Bool(false))
}

/// Privileges with and without grant option on a list.
fn list_has(
    r: &CatalogReader,
    acl: Option<&[AclItem]>,
    kind: AclObject,
    owner: Oid,
    role: Oid,
    a: Asked,
) -> Result<bool> {
    if r.is_superuser(role)? {
        return Ok(true);
    }
    Ok(r.acl_privileges_of(acl, kind, owner, role, a.privilege.bit(), a.grant_option)? != 0)
}

fn relation_has(r: &CatalogReader, t: &Relation, role: Oid, a: Asked) -> Result<bool> {
    if !a.grant_option {
        return r.has_relation_privilege(t, role, a.privilege);
    }
    let kind = if t.kind == RelKind::Sequence { AclObject::Sequence } else { AclObject::Relation };
    list_has(r, t.acl.as_deref(), kind, t.owner, role, a)
}

fn on_relation(c: &Call<'_>, allowed: &[P], sequence: bool) -> Result<Datum> {
    let (role, at) = user(c, 2)?;
    let t = relation_at(c, at)?;
    let asked = parse(c.text(at + 1), allowed)?;
    let Some(t) = t else { return Ok(Datum::Null) };
    if sequence && t.kind != RelKind::Sequence {
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", t.name);
    }
    any(&asked, |a| relation_has(c.reader, &t, role, a))
}

fn column_has(r: &CatalogReader, t: &Relation, column: &ColumnDef, role: Oid, a: Asked) -> Result<bool> {
    if relation_has(r, t, role, a)? {
        return Ok(true);
    }
    match &column.acl {
        Some(acl) => list_has(r, Some(acl), AclObject::Column, t.owner, role, a),
        None => Ok(false),
    }
}
fn has_any_column_privilege(c: &Call<'_>) -> Result<Datum> {
    let (role, at) = user(c, 2)?;
    let t = relation_at(c, at)?;
    let asked = parse(c.text(at + 1), COLUMN)?;
    let Some(t) = t else { return Ok(Datum::Null) };
    any(&asked, |a| {
        for column in t.columns.iter().filter(|c| !c.dropped) {
            if column_has(c.reader, &t, column, role, a)? {
                return Ok(true);
            }
        }
        relation_has(c.reader, &t, role, a)
    })
}
fn has_column_privilege(c: &Call<'_>) -> Result<Datum> {
    let (role, at) = user(c, 3)?;
    let t = relation_at(c, at)?;
    let asked = parse(c.text(at + 2), COLUMN)?;
    let Some(t) = t else { return Ok(Datum::Null) };
    let column = if c.is_text(at + 1) {
        match t.column_named(c.text(at + 1)) {
            Some((_, column)) => Some(column),
            None => {
                bail!(
                    UNDEFINED_COLUMN,
                    "column \"{}\" of relation \"{}\" does not exist",
                    c.text(at + 1),
                    t.name
                )
            }
        }
    } else {
        let i = usize::try_from(c.int(at + 1) - 1).ok();
        i.and_then(|i| t.columns.get(i)).filter(|c| !c.dropped)
    };
    let Some(column) = column else { return Ok(Datum::Null) };
    any(&asked, |a| column_has(c.reader, &t, column, role, a))
}

fn has_schema_privilege(c: &Call<'_>) -> Result<Datum> {
    let (role, at) = user(c, 2)?;
    let r = c.reader;
    let oid = if c.is_text(at) {
        match r.schema_oid(c.text(at))? {
            Some(oid) => oid,
            None => bail!(UNDEFINED_SCHEMA, "schema \"{}\" does not exist", c.text(at)),
        }
    } else {
        c.oid(at)
    };
    let asked = parse(c.text(at + 1), SCHEMA)?;
    let Some(s) = r.schema(oid)? else { return Ok(Datum::Null) };
    any(&asked, |a| {
        if a.grant_option {
            list_has(r, s.acl.as_deref(), AclObject::Schema, s.owner, role, a)
        } else {
            r.has_schema_privilege(oid, role, a.privilege)
        }
    })
}

fn has_database_privilege(c: &Call<'_>) -> Result<Datum> {
    let (role, at) = user(c, 2)?;
    let r = c.reader;
    let db = if c.is_text(at) {
        match r.database_named(c.text(at))? {
            Some(db) => Some(db),
            None => bail!(UNDEFINED_DATABASE, "database \"{}\" does not exist", c.text(at)),
        }
    } else {
        r.database(c.oid(at))?
    };
    let asked = parse(c.text(at + 1), DATABASE)?;
    let Some(db) = db else { return Ok(Datum::Null) };
    any(&asked, |a| list_has(r, db.acl.as_deref(), AclObject::Database, db.owner, role, a))
}

/// Objects without a cached definition: functions, types, languages, tablespaces.
fn on_row(c: &Call<'_>, kind: AclObject, allowed: &[P]) -> Result<Datum> {
    let (role, at) = user(c, 2)?;
    let r = c.reader;
    let (table, oid_index, name_index, owner, acl) = match kind {
        AclObject::Function => (pg_proc::TABLE, 2690, 0, pg_proc::PROOWNER, pg_proc::PROACL),
        AclObject::Type => (pg_type::TABLE, 2703, 0, pg_type::TYPOWNER, pg_type::TYPACL),
        AclObject::Language => (pg_language::TABLE, 2682, 2681, pg_language::LANOWNER, pg_language::LANACL),
        _ => (pg_tablespace::TABLE, 2697, 2698, pg_tablespace::SPCOWNER, pg_tablespace::SPCACL),
    };
    let row = if !c.is_text(at) {
        r.find_one(&r.snapshot(), table, oid_index, &[oid_datum(c.oid(at))])?
    } else {
        let name = c.text(at);
        match kind {
            AclObject::Function => {
                let oid = r.reg_in(RegKind::Procedure, name)?;
                r.find_one(&r.snapshot(), table, oid_index, &[oid_datum(oid)])?
            }
            AclObject::Type => {
                let oid = r.parse_type(name)?.oid;
                r.find_one(&r.snapshot(), table, oid_index, &[oid_datum(oid)])?
            }
            _ => match r.find_one(&r.snapshot(), table, name_index, &[Datum::text(name)])? {
                Some(row) => Some(row),
                None => {
                    let noun = if kind == AclObject::Language { "language" } else { "tablespace" };
                    bail!(UNDEFINED_OBJECT, "{noun} \"{name}\" does not exist")
                }
            },
        }
    };
    let asked = parse(c.text(at + 1), allowed)?;
    let Some((_, row)) = row else { return Ok(Datum::Null) };
    let items = row.acl(acl);
    any(&asked, |a| list_has(r, items.as_deref(), kind, row.oid(owner), role, a))
}

fn has_parameter_privilege(c: &Call<'_>) -> Result<Datum> {
    let (role, at) = user(c, 2)?;
    let asked = parse(c.text(at + 1), PARAMETER)?;
    let r = c.reader;
    let name = c.text(at).to_ascii_lowercase();
    let row = r.find_one(&r.snapshot(), pg_parameter_acl::TABLE, 6246, &[Datum::text(&name)])?;
    let items = row.and_then(|(_, row)| row.acl(pg_parameter_acl::PARACL)).unwrap_or_default();
    any(&asked, |a| list_has(r, Some(&items), AclObject::Parameter, crate::builtin::oids::SUPERUSER, role, a))
}

fn pg_has_role(c: &Call<'_>) -> Result<Datum> {
    let (role, at) = user(c, 2)?;
    let r = c.reader;
    let of = if c.is_text(at) { r.resolve_role(c.text(at))?.oid } else { c.oid(at) };
    for word in c.text(at + 1).split(',') {
        let word = word.trim();
        let upper = word.to_ascii_uppercase();
        let has = match upper.as_str() {
            "USAGE" => r.has_privileges_of(role, of)?,
            "MEMBER" => r.is_member_of(role, of)?,
            "USAGE WITH GRANT OPTION"
            | "USAGE WITH ADMIN OPTION"
            | "MEMBER WITH GRANT OPTION"
            | "MEMBER WITH ADMIN OPTION" => r.is_admin_of_role(role, of)?,
            _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized privilege type: \"{word}\""),
        };
        if has {
            return Ok(Datum::Bool(true));
        }
    }
    Ok(Datum::Bool(false))
}

fn row_security_active(c: &Call<'_>) -> Result<Datum> {
    let Some(t) = relation_at(c, 0)? else { return Ok(Datum::Null) };
    let r = c.reader;
    let user = r.session().user;
    let bypass =
        r.role(user)?.is_some_and(|u| u.superuser || u.bypass_rls) || r.has_privileges_of(user, t.owner)?;
    Ok(Datum::Bool(t.row_security && !bypass))
}
