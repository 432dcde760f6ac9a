//! Plans of slow statements in the log (PostgreSQL: contrib/auto_explain), for sessions that have loaded `auto_explain`.
//!
//! A statement that is looked at carries a [`Watch`]: the execution tells it at the end how long it took, and its plan is logged if that was
//! long enough.

use crate::commands::explain;
use crate::context::SessionContext;
use quarry_common::{Error, Result, Severity, SqlState};
use quarry_executor::{ExecEnv, Execution, Watcher};
use quarry_plan::Statement;
use quarry_plan::explain::{Explain, ExplainFormat, ExplainOptions, NodeStats, explain_for_log};
use std::sync::Arc;

/// The module's name.
pub const MODULE: &str = "auto_explain";

/// One statement under observation.
struct Watch {
    session: Arc<SessionContext>,
    text: Arc<str>,
    /// Milliseconds from which on it is logged.
    min_duration: i64,
    analyze: bool,
}

impl Watch {
    /// A watch for a statement that begins; none: this one is left out.
    fn begin(session: &Arc<SessionContext>, text: Arc<str>) -> Option<Watch> {
        let settings = session.settings();
        let rate = settings.real("auto_explain.sample_rate");
        let chance = f64::from(session.instance.random_i32() as u32) / (f64::from(u32::MAX) + 1.0);
        (chance < rate).then(|| Watch {
            session: session.clone(),
            text,
            min_duration: session.digested(|d| d.explain_from),
            analyze: settings.bool("auto_explain.log_analyze"),
        })
    }

    fn report(&self, execution: &Execution, ms: f64) -> String {
        let settings = self.session.settings();
        let on = |name: &str| settings.bool(name);
        let analyze = self.analyze;
        let options = ExplainOptions {
            analyze,
            verbose: on("auto_explain.log_verbose"),
            buffers: analyze && on("auto_explain.log_buffers"),
            wal: analyze && on("auto_explain.log_wal"),
            timing: analyze && on("auto_explain.log_timing"),
            triggers: analyze && on("auto_explain.log_triggers"),
            settings: on("auto_explain.log_settings")
                .then(|| explain::changed_planner_settings(&self.session)),
            format: match settings.text("auto_explain.log_format") {
                "json" => ExplainFormat::Json,
                "yaml" => ExplainFormat::Yaml,
                "xml" => ExplainFormat::Xml,
                _ => ExplainFormat::Text,
            },
            io_timing: settings.bool("track_io_timing"),
            q_error: analyze && settings.bool("quarry.explain_q_error"),
            ..ExplainOptions::default()
        };
        let env = execution.env();
        let io = env.io();
        let stats = |node: usize| -> Option<NodeStats> { execution.stats(node) };
        let plan = explain_for_log(&Explain {
            statement: execution.statement(),
            options: &options,
            names: &*env.reader,
            io: &io,
            stats: &stats,
            triggers: execution.triggers(),
            query_text: Some(&self.text),
            query_id: execution.statement().query_id,
            planning_ms: None,
            planning: None,
            execution_ms: ms,
        });
        format!("duration: {ms:.3} ms  plan:\n{plan}")
    }
}

/// Starts a statement, observed if it is to be. `text`: none for what `pg_stat_activity` shows.
pub fn start(
    session: &Arc<SessionContext>,
    text: Option<&Arc<str>>,
    statement: Arc<Statement>,
    mut env: ExecEnv,
) -> Result<Execution> {
    if !is_on(session) {
        return Execution::start(statement, env);
    }
    let text = text.cloned().unwrap_or_else(|| session.signals.activity.lock().query.clone());
    let watch = Watch::begin(session, text);
    env.instrument |= watch.as_ref().is_some_and(|w| w.analyze);
    let mut execution = Execution::start(statement, env)?;
    if let Some(watch) = watch {
        execution.watch(Box::new(watch));
    }
    Ok(execution)
}

/// The same for a statement that another one runs, with this text.
pub fn start_nested(
    session: &Arc<SessionContext>,
    text: &str,
    statement: Arc<Statement>,
    env: ExecEnv,
) -> Result<Execution> {
    match is_on(session) && session.settings().bool("auto_explain.log_nested_statements") {
        true => start(session, Some(&Arc::from(text)), statement, env),
        false => Execution::start(statement, env),
    }
}

/// Whether statements of the session may be looked at.
pub fn is_on(session: &SessionContext) -> bool {
    session.digested(|d| d.explain_from) >= 0 && session.has_loaded(MODULE)
}

impl Watcher for Watch {
    fn finished(&self, execution: &Execution, ms: f64) {
        if ms < self.min_duration as f64 {
            return;
        }
        let text = self.report(execution, ms);
        let settings = self.session.settings();
        let severity = match settings.text("auto_explain.log_level") {
            "info" => Severity::Info,
            "notice" => Severity::Notice,
            "warning" => Severity::Warning,
            "log" => Severity::Log,
            _ => Severity::Debug,
        };
        let state = match severity {
            Severity::Warning => SqlState::WARNING,
            _ => SqlState::SUCCESSFUL_COMPLETION,
        };
        self.session.push_notice(severity, Error::new(state, text));
    }
}
