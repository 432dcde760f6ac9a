//! What DROP ... IF EXISTS says of objects of kinds that nobody can have made (PostgreSQL: dropcmds.c).

use super::Ddl;
use quarry_common::Result;
use quarry_sql::ast::{ObjectKind, ObjectRef, QualifiedName, TypeName};

/// Which object isn't there; `None` if the reference says no more than its kind.
pub fn what_is_missing(d: &Ddl, kind: ObjectKind, object: &ObjectRef) -> Result<Option<String>> {
    let kind = match kind.sql().to_lowercase().as_str() {
        "foreign data wrapper" => "foreign-data wrapper".to_string(),
        other => other.to_string(),
    };
    Ok(Some(match object {
        ObjectRef::Name(name) => format!("{kind} \"{}\"", name.display()),
        ObjectRef::Function(f) => {
            let types = f.input_types().unwrap_or_default();
            let missing = match missing_schema(d, &f.name.parts)? {
                None => missing_type(d, &types)?,
                schema => schema,
            };
            let types: Vec<String> = types.into_iter().map(spelled).collect();
            missing.unwrap_or_else(|| format!("{kind} {}({})", f.name.display(), types.join(",")))
        }
        ObjectRef::Operator { name, left, right, .. } => {
            let types: Vec<&TypeName> = left.iter().chain(right).collect();
            missing_type(d, &types)?.unwrap_or_else(|| format!("{kind} {}", name.display()))
        }
        ObjectRef::Cast { source, target } => missing_type(d, &[source, target])?
            .unwrap_or_else(|| format!("{kind} from type {} to type {}", spelled(source), spelled(target))),
        ObjectRef::OnRelation { name, relation } => match missing_relation(d, relation)? {
            Some(relation) => relation,
            None => format!("{kind} \"{}\" for relation \"{}\"", name.value, relation.display()),
        },
        ObjectRef::Using { name, access_method } => {
            return Ok(Some(format!(
                "{kind} \"{}\" does not exist for access method \"{access_method}\", skipping",
                name.display()
            )));
        }
        ObjectRef::Transform { type_name, language } => missing_type(d, &[type_name])?
            .unwrap_or_else(|| format!("{kind} for type {} language \"{language}\"", spelled(type_name))),
        _ => return Ok(None),
    })
    .map(|what| format!("{what} does not exist, skipping")))
}

/// A type as PostgreSQL repeats it: the grammar's own names are pg_catalog's.
fn spelled(name: &TypeName) -> String {
    let bounds = if name.array_bounds.is_empty() { "" } else { "[]" };
    format!("{}{bounds}", name.names.join("."))
}

fn missing_schema(d: &Ddl, parts: &[String]) -> Result<Option<String>> {
    let Some(schema) = parts.iter().rev().nth(1) else { return Ok(None) };
    Ok(d.w.schema_oid(schema)?.is_none().then(|| format!("schema \"{schema}\"")))
}

fn missing_type(d: &Ddl, types: &[&TypeName]) -> Result<Option<String>> {
    for name in types {
        if let Some(schema) = missing_schema(d, &name.names)? {
            return Ok(Some(schema));
        }
        if d.w.find_type(&name.names)?.is_none() {
            return Ok(Some(format!("type \"{}\"", spelled(name))));
        }
    }
    Ok(None)
}

fn missing_relation(d: &Ddl, name: &QualifiedName) -> Result<Option<String>> {
    if let Some(schema) = missing_schema(d, &name.parts)? {
        return Ok(Some(schema));
    }
    Ok(d.w.find_relation(&name.parts)?.is_none().then(|| format!("relation \"{}\"", name.name())))
}
