//! PREPARE, EXECUTE, DEALLOCATE.

use super::CommandOutcome;
use crate::portal::Portal;
use crate::prepared::Prepared;
use crate::request::FormatCodes;
use crate::session::{Session, is_query};
use quarry_common::{Error, Oid, Result, err};
use quarry_sql::ast::{self, NO_POS};
use quarry_sql::bind::{self, BindContext};
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

pub fn prepare(s: &mut Session, p: &ast::Prepare, text: &Arc<str>) -> Result<CommandOutcome> {
    let types: Vec<Oid> = {
        let st = s.statement_context()?;
        let io = st.io();
        let cx = BindContext { reader: &st.reader, io: &io, param_types: &[], params_allowed: false };
        p.arg_types.iter().map(|t| Ok(bind::resolve_type_name(t, &cx)?.oid)).collect::<Result<_>>()?
    };
    let prepared = s.prepare(&p.name, text, Some(p.statement.clone()), &types, true)?;
    // The name is looked at last, as by PostgreSQL: the statement's own errors come first.
    let mut named = s.cx.prepared.lock();
    if named.contains(&p.name) {
        return Err(err!(DUPLICATE_PSTATEMENT, "prepared statement \"{}\" already exists", p.name));
    }
    named.insert(Arc::new(prepared));
    CommandOutcome::done("PREPARE")
}

/// The values of EXECUTE's arguments, each of its parameter's type.
pub fn arguments(s: &mut Session, prepared: &Prepared, args: &[ast::Expr]) -> Result<Arc<[Datum]>> {
    if args.len() != prepared.param_types.len() {
        let e = err!(SYNTAX_ERROR, "wrong number of parameters for prepared statement \"{}\"", prepared.name);
        return Err(e.detail(format!(
            "Expected {} parameters but got {}.",
            prepared.param_types.len(),
            args.len()
        )));
    }
    if args.is_empty() {
        return Ok(Arc::from([]));
    }
    let st = s.statement_context()?;
    let io = st.io();
    let cx = BindContext { reader: &st.reader, io: &io, param_types: &[], params_allowed: false };
    let env = st.exec_env(Arc::from([]), false);
    let mut values = vec![];
    for (i, (arg, ty)) in args.iter().zip(&prepared.param_types).enumerate() {
        let (expr, _) = bind::bind_constant_expr(arg, Some(SqlType::of(*ty)), &cx, &(i + 1).to_string())?;
        values.push(quarry_executor::eval::eval_const(&expr, &env)?);
    }
    Ok(values.into())
}

/// A prepared statement by name.
pub fn find(s: &Session, name: &str) -> Result<Arc<Prepared>> {
    match s.cx.prepared.lock().get(name) {
        Some(p) => Ok(p.clone()),
        None => Err(err!(UNDEFINED_PSTATEMENT, "prepared statement \"{name}\" does not exist")),
    }
}

pub fn execute(s: &mut Session, e: &ast::Execute, portal: &mut Portal) -> Result<CommandOutcome> {
    let _ = NO_POS;
    let prepared = find(s, &e.name)?;
    let values = arguments(s, &prepared, &e.args)?;
    let Some(stmt) = &prepared.statement else { return CommandOutcome::done("") };
    if !is_query(stmt) {
        let mut inner = Portal::new(prepared.clone(), values, FormatCodes::new(), 0);
        let mut out = bytes::BytesMut::new();
        return super::run(s, stmt, &mut inner, &mut out);
    }
    let st = s.query_context()?;
    let plan = s.plan_prepared(&st, &prepared, stmt, &values)?;
    st.check_read_only(&plan.statement, super::tag_of(stmt))?;
    // From here on the portal is one of the prepared statement: its tag and rows are that statement's.
    portal.params = values;
    portal.statement = prepared.clone();
    Ok(CommandOutcome::Query(plan))
}

pub fn deallocate(s: &mut Session, d: &ast::Deallocate) -> Result<CommandOutcome> {
    match &d.name {
        None => {
            s.cx.prepared.lock().clear();
            CommandOutcome::done("DEALLOCATE ALL")
        }
        Some(name) => match s.cx.prepared.lock().remove(name) {
            Some(_) => CommandOutcome::done("DEALLOCATE"),
            None => Err(err!(UNDEFINED_PSTATEMENT, "prepared statement \"{name}\" does not exist")),
        },
    }
}

/// For DISCARD ALL.
pub fn forget_all(s: &mut Session) -> Result<(), Error> {
    s.cx.prepared.lock().clear();
    Ok(())
}
