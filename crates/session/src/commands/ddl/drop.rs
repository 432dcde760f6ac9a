//! DROP of tables, views, indexes, sequences, schemas, types and domains.

use super::missing::what_is_missing;
use super::{Ddl, behavior_of};
use crate::session::Session;
use quarry_catalog::{LockMode, ObjectAddress, Persistence, RelKind, Relation, TypeKind};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_sql::ast::{self, ObjectKind as K, ObjectRef};

pub fn run(s: &mut Session, c: &ast::Drop) -> Result<()> {
    if c.concurrently {
        s.block.forbid_block("DROP INDEX CONCURRENTLY")?;
        if let Some((table, index)) = leaving(s, c)? {
            return super::super::concurrently::drop_index(s, table, index);
        }
        if c.if_exists {
            return Ok(());
        }
    }
    let d = Ddl::new(s)?;
    let mut objects = vec![];
    for o in &c.objects {
        let found = match (c.kind, o) {
            (K::Table | K::View | K::MatView | K::Index | K::Sequence, ObjectRef::Name(n)) => {
                relation(&d, c.kind, n, c.if_exists, LockMode::AccessExclusive)?
            }
            (K::Schema, ObjectRef::Name(n)) => schema(&d, n.name(), c.if_exists)?,
            (K::Type | K::Domain, ObjectRef::Type(t)) => ty(&d, c.kind, t, c.if_exists)?,
            (K::Extension, ObjectRef::Name(n)) => super::extension::to_drop(&d, n.name(), c.if_exists)?,
            (K::Statistics, ObjectRef::Name(n)) => super::statistics::to_drop(&d, n, c.if_exists)?,
            (K::TsConfiguration | K::TsDictionary, ObjectRef::Name(n)) => {
                super::text_search::to_drop(&d, c.kind, n, c.if_exists)?
            }
            (kind, object) if c.if_exists => {
                let text = match what_is_missing(&d, kind, object)? {
                    Some(text) => text,
                    None => format!("{} does not exist, skipping", kind.sql().to_lowercase()),
                };
                d.notice(err!(SUCCESSFUL_COMPLETION, "{text}"));
                None
            }
            (kind, _) => return Err(Error::unsupported(format_args!("DROP {}", kind.sql()))),
        };
        if let Some(found) = found
            && !objects.contains(&found)
        {
            objects.push(found);
        }
    }
    let mut plan = d.w.plan_drop(&objects, behavior_of(c.behavior))?;
    for n in std::mem::take(&mut plan.notices) {
        d.notice(n);
    }
    // Tables that go with a schema or a type are asked too.
    for o in plan.objects().filter(|o| *o == ObjectAddress::relation(o.oid)) {
        if let Some(r) = d.w.relation(o.oid)?
            && r.kind == RelKind::Table
        {
            d.st.session.check_not_in_use(&r, "DROP TABLE")?;
        }
    }
    d.w.execute_drop(plan)
}

/// The index that DROP INDEX CONCURRENTLY means, and its table, both locked; none: it isn't there, or is to be dropped plainly.
fn leaving(s: &mut Session, c: &ast::Drop) -> Result<Option<(Oid, Oid)>> {
    let [ObjectRef::Name(n)] = &c.objects[..] else {
        bail!(FEATURE_NOT_SUPPORTED, "DROP INDEX CONCURRENTLY does not support dropping multiple objects")
    };
    if c.behavior == ast::DropBehavior::Cascade {
        bail!(FEATURE_NOT_SUPPORTED, "DROP INDEX CONCURRENTLY does not support CASCADE");
    }
    let d = Ddl::new(s)?;
    let mode = LockMode::ShareUpdateExclusive;
    let Some(object) = relation(&d, c.kind, n, c.if_exists, mode)? else { return Ok(None) };
    let table = d.w.index_table(object.oid)?;
    let Some(table) = table.map(|t| d.w.relation(t)).transpose()?.flatten() else { return Ok(None) };
    if table.persistence == Persistence::Temporary {
        return Ok(None);
    }
    d.st.session.check_not_in_use(&table, "DROP INDEX")?;
    Ok(Some((table.oid, object.oid)))
}

fn noun(kind: K) -> &'static str {
    match kind {
        K::View => "view",
        K::MatView => "materialized view",
        K::Index => "index",
        K::Sequence => "sequence",
        _ => "table",
    }
}

fn fits(kind: K, r: &Relation) -> bool {
    match kind {
        K::Table => r.kind == RelKind::Table,
        K::View => r.kind == RelKind::View,
        K::MatView => r.kind == RelKind::MaterializedView,
        K::Index => r.kind == RelKind::Index,
        K::Sequence => r.kind == RelKind::Sequence,
        _ => false,
    }
}

/// The relation that a name means once it is locked, with its table where it is an index; none: absent and IF EXISTS.
fn relation(
    d: &Ddl,
    kind: K,
    n: &ast::QualifiedName,
    if_exists: bool,
    mode: LockMode,
) -> Result<Option<ObjectAddress>> {
    loop {
        let Some(found) = named(d, kind, n, if_exists)? else { return Ok(None) };
        if let Some(table) = d.w.index_table(found.oid)? {
            d.w.lock_oid_only(table, mode)?;
        }
        d.w.lock_oid_only(found.oid, mode)?;
        // Who was waited for may have dropped it, or given its name to another.
        if d.w.find_relation(&n.parts)?.is_some_and(|now| now.oid == found.oid) {
            return Ok(Some(found));
        }
    }
}

/// The relation that a name means, if the user may drop it.
fn named(d: &Ddl, kind: K, n: &ast::QualifiedName, if_exists: bool) -> Result<Option<ObjectAddress>> {
    if let Some(schema) = n.schema()
        && schema != "pg_temp"
        && d.w.schema_oid(schema)?.is_none()
    {
        let e = err!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist");
        if if_exists {
            d.notice(err!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist, skipping"));
            return Ok(None);
        }
        return Err(e);
    }
    let Some(r) = d.w.find_relation(&n.parts)? else {
        let what = noun(kind);
        let code = if matches!(kind, K::Index) {
            quarry_common::SqlState::UNDEFINED_OBJECT
        } else {
            quarry_common::SqlState::UNDEFINED_TABLE
        };
        if if_exists {
            d.notice(Error::new(
                quarry_common::SqlState::SUCCESSFUL_COMPLETION,
                format!("{what} \"{}\" does not exist, skipping", n.name()),
            ));
            return Ok(None);
        }
        return Err(Error::new(code, format!("{what} \"{}\" does not exist", n.name())));
    };
    if !fits(kind, &r) {
        return Err(super::wrong_kind(&r, noun(kind)));
    }
    if !d.w.owns(r.owner)? {
        let owns_schema = d.w.schema(r.schema)?.map_or(Ok(false), |s| d.w.owns(s.owner))?;
        if !owns_schema {
            d.w.check_relation_owner(&r)?;
        }
    }
    if r.is_catalog {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", r.name);
    }
    Ok(Some(ObjectAddress::relation(r.oid)))
}

fn schema(d: &Ddl, name: &str, if_exists: bool) -> Result<Option<ObjectAddress>> {
    let Some(found) = d.w.schema_named(name)? else {
        if if_exists {
            d.notice(err!(SUCCESSFUL_COMPLETION, "schema \"{name}\" does not exist, skipping"));
            return Ok(None);
        }
        bail!(INVALID_SCHEMA_NAME, "schema \"{name}\" does not exist");
    };
    d.w.check_owner(found.owner, "schema", name)?;
    Ok(Some(ObjectAddress::schema(found.oid)))
}

fn ty(d: &Ddl, kind: K, t: &ast::TypeName, if_exists: bool) -> Result<Option<ObjectAddress>> {
    let shown = t.names.join(".");
    if let [schema, _] = &t.names[..]
        && d.w.schema_oid(schema)?.is_none()
        && if_exists
    {
        d.notice(err!(SUCCESSFUL_COMPLETION, "schema \"{schema}\" does not exist, skipping"));
        return Ok(None);
    }
    let Some(oid) = d.w.find_type(&t.names)? else {
        if if_exists {
            d.notice(err!(SUCCESSFUL_COMPLETION, "type \"{shown}\" does not exist, skipping"));
            return Ok(None);
        }
        bail!(UNDEFINED_OBJECT, "type \"{shown}\" does not exist");
    };
    let Some(def) = d.w.type_def(oid)? else { bail!(UNDEFINED_OBJECT, "type \"{shown}\" does not exist") };
    if kind == K::Domain && !matches!(def.kind, TypeKind::Domain { .. }) {
        bail!(WRONG_OBJECT_TYPE, "\"{shown}\" is not a domain");
    }
    d.w.check_owner(def.owner, "type", &d.w.type_name(oid)?)?;
    Ok(Some(ObjectAddress::ty(oid)))
}
