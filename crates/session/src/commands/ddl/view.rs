//! CREATE VIEW: the query's text is kept as written (PostgreSQL: view.c).

use super::stored::plan_references;
use super::{Ddl, options_of, persistence_of};
use crate::session::Session;
use quarry_catalog::{NewColumn, NewRelation, Persistence, RelKind, StoredExpr};
use quarry_common::{Error, Result, bail};
use quarry_sql::ast::{self, CheckOption, Statement};
use quarry_sql::bind::{self, BoundStatement};
use quarry_types::SqlType;

/// Columns of a relation made from a query.
pub fn columns_of(
    d: &Ddl,
    bound: &BoundStatement,
    names: &[ast::Name],
    too_many: &str,
) -> Result<Vec<NewColumn>> {
    if names.len() > bound.output.len() {
        return Err(quarry_common::Error::new(quarry_common::SqlState::SYNTAX_ERROR, too_many.to_string()));
    }
    let mut out = vec![];
    for (i, (_, name, ty)) in bound.output.iter().enumerate() {
        let ty = if ty.oid == quarry_types::oids::UNKNOWN { SqlType::TEXT } else { *ty };
        let name = names.get(i).map_or(name, |n| &n.value);
        let info = d.w.type_ref(ty.oid)?;
        if info.kind == 'p' {
            bail!(INVALID_TABLE_DEFINITION, "column \"{name}\" has pseudo-type {}", d.w.type_name(ty.oid)?);
        }
        out.push(NewColumn::new(name, ty));
    }
    Ok(out)
}

/// What a bound query refers to.
pub fn references_of(d: &Ddl, bound: &BoundStatement) -> Vec<quarry_catalog::ObjectAddress> {
    let mut refs = vec![];
    let is_view = |oid| matches!(d.w.relation(oid), Ok(Some(r)) if r.kind == RelKind::View);
    plan_references(&bound.plan, &bound.meta, &is_view, &mut refs);
    refs
}

pub fn run(s: &mut Session, c: &ast::CreateView) -> Result<()> {
    let text = s.text.clone();
    let mut d = Ddl::new(s)?;
    if c.check_option != CheckOption::None {
        return Err(Error::unsupported("WITH CHECK OPTION"));
    }
    let (from, to) = (c.query_span.0 as usize, c.query_span.1 as usize);
    let Some(sql) = text.get(from..to) else { return Err(Error::internal("a view's text is not there")) };
    let stmt = Statement::Select(Box::new(c.query.clone()));
    if crate::session::has_into(&c.query) {
        bail!(SYNTAX_ERROR, "views must not contain SELECT INTO");
    }
    let bound = d.with_binder(|cx| bind::bind_statement(&stmt, cx))?;
    let columns = columns_of(&d, &bound, &c.columns, "CREATE VIEW specifies more column names than columns")?;
    let refs = references_of(&d, &bound);
    let mut persistence = persistence_of(c.relation.persistence);
    let uses_temporary = refs.iter().any(|a| {
        a.class == quarry_catalog::ObjectAddress::relation(a.oid).class
            && matches!(d.w.relation(a.oid), Ok(Some(r)) if r.persistence == Persistence::Temporary)
    });
    if uses_temporary && persistence != Persistence::Temporary {
        persistence = Persistence::Temporary;
        d.notice(quarry_common::err!(
            SUCCESSFUL_COMPLETION,
            "view \"{}\" will be a temporary view",
            c.relation.name
        ));
    }
    if persistence == Persistence::Unlogged {
        bail!(SYNTAX_ERROR, "views cannot be unlogged because they do not have storage");
    }
    let schema = d.creation_schema(
        c.relation.schema.as_deref(),
        persistence == Persistence::Temporary,
        c.relation.pos,
    )?;
    let stored = StoredExpr { sql: sql.trim().trim_end_matches(';').to_string(), pretty: None, refs };
    let options = options_of(&c.with)?;
    if c.or_replace
        && let Some(old) = d.w.relation_in(schema, &c.relation.name)?
    {
        let r = d.relation(old)?;
        if r.kind != RelKind::View {
            bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a view", r.name);
        }
        d.check_change(&r)?;
        return d.w.set_view(old, &stored, &columns, &options);
    }
    let mut new = NewRelation::new(&c.relation.name, schema, RelKind::View, d.user());
    new.persistence = persistence;
    new.columns = columns;
    new.options = options;
    new.view = Some(stored);
    d.w.create_relation(&new)?;
    Ok(())
}
