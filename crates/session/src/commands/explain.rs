//! EXPLAIN (PostgreSQL: commands/explain.c). The plan's text is made by `quarry_plan::explain`.

use super::CommandOutcome;
use super::ddl::create_table_as;
use crate::context::SessionContext;
use crate::portal::Portal;
use crate::query::{ResultColumn, StatementContext};
use crate::session::{Session, is_query};
use crate::statements::{self, Meter, Spent};
use quarry_common::{Error, Result, err, usage};
use quarry_plan::Statement as Plan;
use quarry_plan::explain::{Explain, ExplainFormat, ExplainOptions, NodeStats, explain};
use quarry_sql::ast::{self, DefArg, DefElem, Statement};
use quarry_types::{Datum, SqlType, oids};
use std::sync::Arc;
use std::time::Instant;

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn format(e: &ast::Explain) -> Result<ExplainFormat> {
    let Some(o) = e.options.iter().rfind(|o| o.name == "format") else { return Ok(ExplainFormat::Text) };
    let word = match &o.arg {
        Some(DefArg::String(s)) => s.clone(),
        Some(DefArg::Type(t)) => t.names.last().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    match word.as_str() {
        "text" => Ok(ExplainFormat::Text),
        "json" => Ok(ExplainFormat::Json),
        "yaml" => Ok(ExplainFormat::Yaml),
        "xml" => Ok(ExplainFormat::Xml),
        _ => Err(at(
            err!(INVALID_PARAMETER_VALUE, "unrecognized value for EXPLAIN option \"format\": \"{word}\""),
            o,
        )),
    }
}

fn at(e: Error, o: &DefElem) -> Error {
    match ast::error_position(o.pos) {
        Some(p) => e.position(p),
        None => e,
    }
}

/// The one column of the answer.
pub fn columns(e: &ast::Explain) -> Result<Vec<ResultColumn>> {
    let ty = match format(e)? {
        ExplainFormat::Json => SqlType::of(oids::JSON),
        // There is no type for XML.
        ExplainFormat::Text | ExplainFormat::Yaml | ExplainFormat::Xml => SqlType::TEXT,
    };
    Ok(vec![("QUERY PLAN".to_string(), ty, None)])
}

fn options(s: &Session, e: &ast::Explain) -> Result<ExplainOptions> {
    let mut o = ExplainOptions { format: format(e)?, ..ExplainOptions::default() };
    o.rules = s.cx.settings().bool("quarry.explain_rules");
    o.q_error = s.cx.settings().bool("quarry.explain_q_error");
    o.io_timing = s.cx.settings().bool("track_io_timing");
    let (mut timing, mut summary) = (None, None);
    for d in &e.options {
        let on = || super::copy::boolean_option(d);
        match d.name.as_str() {
            "analyze" => o.analyze = on()?,
            "verbose" => o.verbose = on()?,
            "costs" => o.costs = on()?,
            "buffers" => o.buffers = on()?,
            "wal" => o.wal = on()?,
            "q_error" => o.q_error = on()?,
            "timing" => timing = Some(on()?),
            "summary" => summary = Some(on()?),
            "settings" => {
                o.settings = on()?.then(|| changed_planner_settings(&s.cx));
            }
            "format" => {}
            other => return Err(at(err!(SYNTAX_ERROR, "unrecognized EXPLAIN option \"{other}\""), d)),
        }
    }
    if o.wal && !o.analyze {
        return Err(err!(INVALID_PARAMETER_VALUE, "EXPLAIN option WAL requires ANALYZE"));
    }
    if timing == Some(true) && !o.analyze {
        return Err(err!(INVALID_PARAMETER_VALUE, "EXPLAIN option TIMING requires ANALYZE"));
    }
    o.timing = timing.unwrap_or(o.analyze);
    o.summary = summary.unwrap_or(o.analyze);
    Ok(o)
}

/// Planner settings that differ from their defaults. What the server has worked out for itself is no difference.
pub fn changed_planner_settings(cx: &SessionContext) -> Vec<(String, String)> {
    let (current, server) = (cx.settings(), cx.instance.settings());
    let mut changed: Vec<(String, String)> = quarry_common::settings::all()
        .filter(|d| d.influences_plans())
        .filter_map(|d| {
            let shown = current.show(d.name)?;
            let default = d.parse(d.default).map(|v| d.show(&v)).unwrap_or_default();
            let computed = d.name == "effective_cache_size" && server.show(d.name).as_ref() == Some(&shown);
            (shown != default && !computed).then(|| (d.name.to_string(), shown))
        })
        .collect();
    changed.sort();
    changed
}

/// The plan to be explained, its parameters, and how long planning took.
fn plan_of(s: &mut Session, stmt: &Statement, portal: &Portal) -> Result<(Arc<Plan>, Arc<[Datum]>, f64)> {
    let query;
    let is_cursor = matches!(stmt, Statement::DeclareCursor(_));
    let stmt = match stmt {
        Statement::DeclareCursor(d) => {
            query = Statement::Select(Box::new(d.query.clone()));
            &query
        }
        Statement::Execute(e) => {
            let prepared = super::prepare::find(s, &e.name)?;
            let values = super::prepare::arguments(s, &prepared, &e.args)?;
            let Some(inner) = &prepared.statement else {
                return Err(Error::unsupported("EXPLAIN of an empty statement"));
            };
            if !is_query(inner) {
                return Err(Error::unsupported("EXPLAIN EXECUTE of a utility statement"));
            }
            let start = Instant::now();
            let st = s.statement_context()?;
            let plan = st.cached_plan(&prepared, inner, &values)?;
            return Ok((plan.statement.clone(), values, milliseconds(start)));
        }
        q if is_query(q) => q,
        other => return Err(Error::unsupported(format_args!("EXPLAIN {}", super::tag_of(other)))),
    };
    let st = s.statement_context()?;
    let analyzed = st.analyze(stmt, &portal.statement.param_types, false)?;
    let params = portal.params.clone();
    // Resolving names is no part of planning, in PostgreSQL neither.
    let start = Instant::now();
    let values = (!params.is_empty()).then_some(&*params);
    let source = portal.statement.source().nested();
    let plan = match is_cursor {
        true => st.plan_cursor(analyzed.bound, values, source)?,
        false => st.plan(analyzed.bound, values, source)?,
    };
    Ok((plan, params, milliseconds(start)))
}

/// Of a table that is there already there is no plan.
const EMPTY_XML: &str =
    "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n  <CREATE-TABLE-AS />\n</explain>";

/// Runs the plan to its end, throwing its rows away.
fn run_plan(
    st: &StatementContext,
    plan: &Arc<Plan>,
    params: Arc<[Datum]>,
) -> Result<quarry_executor::Execution> {
    let mut execution = st.start(plan.clone(), params, true)?;
    while execution.next()?.is_some() {}
    execution.finish()?;
    Ok(execution)
}

pub fn run(s: &mut Session, e: &ast::Explain, portal: &mut Portal) -> Result<CommandOutcome> {
    // What would be stored is the query's result; only ANALYZE stores it.
    let query = create_table_as::query_of(&e.statement);
    let options = match options(s, e) {
        Ok(options) => options,
        // The statement's own errors come first.
        Err(error) => {
            plan_of(s, query.as_ref().unwrap_or(&e.statement), portal)?;
            return Err(error);
        }
    };
    let before = usage::now();
    if query.is_some() && create_table_as::is_made_already(s, &e.statement)? {
        let rows = match options.format {
            ExplainFormat::Text => vec![],
            ExplainFormat::Json => vec![vec![Datum::text("[\n  \"CREATE TABLE AS\"\n]")]],
            ExplainFormat::Yaml => vec![vec![Datum::text("- \"CREATE TABLE AS\"")]],
            ExplainFormat::Xml => vec![vec![Datum::text(EMPTY_XML)]],
        };
        return Ok(CommandOutcome::Rows { rows, tag: "EXPLAIN".into() });
    }
    let (mut plan, params, planning_ms) = plan_of(s, query.as_ref().unwrap_or(&e.statement), portal)?;
    let planning = usage::now().since(&before);
    let st = s.statement_context()?;
    let meter = Meter::start();
    let (execution, execution_ms) = if options.analyze && query.is_some() {
        super::check_read_only(s, &e.statement)?;
        let Some((execution, ms)) = create_table_as::observed(s, &e.statement, portal)? else {
            return Err(Error::internal("a table that was not there has not been made"));
        };
        plan = execution.statement().clone();
        (Some(execution), ms)
    } else if options.analyze {
        st.check_read_only(&plan, super::tag_of(&e.statement))?;
        let start = Instant::now();
        let execution = run_plan(&st, &plan, params)?;
        (Some(execution), milliseconds(start))
    } else {
        (None, 0.0)
    };
    if query.is_none() {
        let mut spent = Spent::default();
        meter.stop(&mut spent);
        let rows = execution.as_ref().and_then(|x| x.stats(plan.plan.id)).map_or(0, |s| s.rows as u64);
        statements::record_nested(&s.cx, portal.statement.source().nested(), plan.query_id, &spent, rows);
    }
    let io = st.io();
    let stats = |node: usize| -> Option<NodeStats> { execution.as_ref().and_then(|x| x.stats(node)) };
    let names = &*st.reader;
    let explained = explain(&Explain {
        statement: &plan,
        options: &options,
        names,
        io: &io,
        stats: &stats,
        triggers: execution.as_ref().map_or(&[], |x| x.triggers()),
        query_text: None,
        query_id: plan.query_id.filter(|_| s.cx.settings().text("compute_query_id") != "regress"),
        planning_ms: Some(planning_ms),
        planning: Some(planning),
        execution_ms,
    });
    let rows = explained.iter().map(|line| vec![Datum::text(line)]).collect();
    Ok(CommandOutcome::Rows { rows, tag: "EXPLAIN".into() })
}
