//! CREATE VIEW (PostgreSQL: view.c). The query is stored as `quarry_sql::bind::view` describes.

use super::storage_parameters::{Owner, options_of};
use super::stored::tree_references;
use super::{Ddl, persistence_of};
use crate::session::Session;
use quarry_catalog::{
    LockMode, NewColumn, NewRelation, ObjectAddress, Persistence, RelKind, Relation, StoredExpr,
};
use quarry_common::{Result, bail, err};
use quarry_plan::deparse;
use quarry_sql::ast::{self, CheckOption, Statement};
use quarry_sql::bind::{self, BoundStatement, ViewDefinition};
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

/// A view's options, with the check option among them.
fn view_options(c: &ast::CreateView) -> Result<Vec<(String, String)>> {
    let mut options = options_of(&c.with, Owner::View)?;
    match c.check_option {
        CheckOption::None => {}
        CheckOption::Local => options.push(("check_option".into(), "local".into())),
        CheckOption::Cascaded => options.push(("check_option".into(), "cascaded".into())),
    }
    for (i, (name, _)) in options.iter().enumerate() {
        if options[..i].iter().any(|(n, _)| n == name) {
            bail!(INVALID_PARAMETER_VALUE, "parameter \"{name}\" specified more than once");
        }
    }
    Ok(options)
}

/// The options that a view is to have.
pub fn check_options(d: &Ddl, view: &Relation, options: &[(String, String)]) -> Result<()> {
    options.iter().try_for_each(|(name, value)| check_view_option(name, value))?;
    match &view.view_sql {
        Some(sql) => check_updatable(&d.with_binder(|cx| bind::bind_stored_view(sql, cx))?, options),
        None => Ok(()),
    }
}

/// Whether views have the option, and the value is one of its.
fn check_view_option(name: &str, value: &str) -> Result<()> {
    match name {
        "check_option" if matches!(value, "local" | "cascaded") => Ok(()),
        "check_option" => {
            Err(err!(INVALID_PARAMETER_VALUE, "invalid value for enum option \"check_option\": {value}")
                .detail("Valid values are \"local\" and \"cascaded\"."))
        }
        "security_barrier" | "security_invoker" => match ast::DefArg::String(value.into()).as_bool() {
            Some(_) => Ok(()),
            None => match value {
                "1" | "0" | "yes" | "no" | "t" | "f" | "y" | "n" => Ok(()),
                _ => {
                    bail!(INVALID_PARAMETER_VALUE, "invalid value for boolean option \"{name}\": {value}")
                }
            },
        },
        _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized parameter \"{name}\""),
    }
}

/// 0A000 unless rows can be changed through the view, which its check option is about.
fn check_updatable(definition: &ViewDefinition, options: &[(String, String)]) -> Result<()> {
    if options.iter().any(|(n, _)| n == "check_option")
        && let Some(why) = definition.not_updatable()
    {
        let text = "WITH CHECK OPTION is supported only on automatically updatable views";
        return Err(err!(FEATURE_NOT_SUPPORTED, "{text}").hint(why));
    }
    Ok(())
}

pub fn run(s: &mut Session, c: &ast::CreateView) -> Result<()> {
    let mut d = Ddl::new(s)?;
    let stmt = Statement::Select(Box::new(c.query.clone()));
    if crate::session::has_into(&c.query) {
        bail!(FEATURE_NOT_SUPPORTED, "views must not contain SELECT INTO");
    }
    let bound = d.with_binder(|cx| bind::bind_statement(&stmt, cx))?;
    if bind::changes_data_in_with(&c.query) {
        bail!(FEATURE_NOT_SUPPORTED, "views must not contain data-modifying statements in WITH");
    }
    let mut persistence = persistence_of(c.relation.persistence);
    if persistence == Persistence::Unlogged {
        bail!(SYNTAX_ERROR, "views cannot be unlogged because they do not have storage");
    }
    let options = view_options(c)?;
    let definition = d.with_binder(|cx| bind::bind_view_definition(&c.query, cx))?;
    check_updatable(&definition, &options)?;
    options.iter().try_for_each(|(name, value)| check_view_option(name, value))?;
    let columns = columns_of(&d, &bound, &c.columns, "CREATE VIEW specifies more column names than columns")?;
    let mut refs = vec![];
    tree_references(&definition.tree, &definition.meta, &mut refs);
    let uses_temporary = refs.iter().any(|a| {
        a.class == ObjectAddress::relation(a.oid).class
            && matches!(d.w.relation(a.oid), Ok(Some(r)) if r.persistence == Persistence::Temporary)
    });
    if uses_temporary && persistence != Persistence::Temporary {
        persistence = Persistence::Temporary;
        d.notice(err!(SUCCESSFUL_COMPLETION, "view \"{}\" will be a temporary view", c.relation.name));
    }
    let schema =
        d.creation_schema(c.relation.schema.as_deref(), persistence == Persistence::Temporary, ast::NO_POS)?;
    let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
    let io = quarry_types::io::IoContext { names: d.w.reader(), ..d.st.io.clone() };
    let sql = deparse::stored_query(&definition.tree, &names, &definition.meta, d.w.reader(), &io);
    drop(io);
    let stored = StoredExpr { sql, pretty: None, refs };
    if c.or_replace
        && let Some(old) = d.w.relation_in(schema, &c.relation.name)?
    {
        let r = d.relation(old)?;
        let r =
            d.w.lock_relation(&[r.schema_name.clone(), r.name.clone()], None, LockMode::AccessExclusive)?;
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
