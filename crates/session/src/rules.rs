//! The one rule of PostgreSQL's own views: UPDATE of `pg_settings` calls set_config (system_views.sql: pg_settings_u, pg_settings_n).

use quarry_common::{Error, Result, err};
use quarry_sql::ast::{self, ExprKind, QueryBody, SetClause, Statement, TableRef};
use quarry_sql::parse;

/// The statement to run instead, and the command tag it keeps; none: it stands as it is.
pub fn rewrite(stmt: &Statement) -> Result<Option<(Statement, &'static str)>> {
    let Statement::Update(u) = stmt else { return Ok(None) };
    let schema = u.relation.schema.as_deref();
    if u.relation.name != "pg_settings" || !matches!(schema, None | Some("pg_catalog")) {
        return Ok(None);
    }
    if !u.returning.is_empty() {
        return Err(err!(
            FEATURE_NOT_SUPPORTED,
            "cannot perform UPDATE RETURNING on relation \"pg_settings\""
        )
        .hint("You need an unconditional ON UPDATE DO INSTEAD rule with a RETURNING clause."));
    }
    let alias = u.relation.alias.as_ref().map_or(&u.relation.name, |a| &a.name);
    let table = quarry_catalog::quote_identifier(alias);
    let mut query = template(&format!(
        "SELECT pg_catalog.set_config({table}.name, {table}.setting, false) FROM pg_settings \
         WHERE ({table}.name = {table}.name)"
    ))?;
    let broken = || Error::internal("the rule of pg_settings has another form");
    let QueryBody::Select(select) = &mut query.body else { return Err(broken()) };
    let mut conditions: Vec<ast::Expr> = u.where_clause.iter().cloned().collect();
    for clause in &u.sets {
        let SetClause::Single { target, value } = clause else {
            return Err(Error::unsupported("UPDATE of pg_settings with a list of columns"));
        };
        match target.name.as_str() {
            "setting" => {
                let Some(ExprKind::FuncCall(call)) = select.targets.first_mut().map(|t| &mut t.expr.kind)
                else {
                    return Err(broken());
                };
                let Some(arg) = call.args.get_mut(1) else { return Err(broken()) };
                arg.expr = value.clone();
            }
            "name" => {
                // WHERE new.name = old.name.
                let Some(mut same) = select.where_clause.clone() else { return Err(broken()) };
                let ExprKind::Op { right, .. } = &mut same.kind else { return Err(broken()) };
                **right = value.clone();
                conditions.push(same);
            }
            _ => {}
        }
    }
    select.from =
        std::iter::once(TableRef::Relation(u.relation.clone())).chain(u.from.iter().cloned()).collect();
    select.where_clause =
        conditions.into_iter().reduce(|a, b| ast::Expr { kind: ExprKind::And(vec![a, b]), pos: ast::NO_POS });
    query.with = u.with.clone();
    Ok(Some((Statement::Select(Box::new(query)), "UPDATE 0")))
}

fn template(sql: &str) -> Result<ast::Query> {
    match parse::parse_statements(sql)?.pop().map(|p| p.stmt) {
        Some(Statement::Select(q)) => Ok(*q),
        _ => Err(Error::internal("a rule's query can't be read")),
    }
}
