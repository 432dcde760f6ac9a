//! Planning of a bound statement: under the session's settings, as the hints in its comment want it, or else its pinned plan.

use crate::prepared::Source;
use crate::query::{StatementContext, count_relations, substitute_params};
use crate::settings_check;
use crate::statements::{self, Meter, Spent};
use quarry_common::settings::Settings;
use quarry_common::{Error, Result, Severity, SqlState};
use quarry_optimizer::hints::{self, Hints, scan_names};
use quarry_optimizer::{OptimizerEnv, PlannerSettings};
use quarry_plan::Statement;
use quarry_sql::bind::BoundStatement;
use quarry_sql::lexer::{LexOptions, normalised, query_id};
use quarry_types::Datum;
use std::sync::Arc;

/// Relations of a statement from which its planning may take more than about a millisecond: the worker's other tasks go elsewhere
/// meanwhile.
const LONG_PLANNING_RELATIONS: usize = 6;

impl StatementContext {
    /// Plans; with `params`, for these values (a custom plan).
    pub fn plan(
        &self,
        bound: BoundStatement,
        params: Option<&[Datum]>,
        source: Source<'_>,
    ) -> Result<Arc<Statement>> {
        self.plan_fetched(bound, params, source, 0.0)
    }

    /// Plans a cursor's query, of which `cursor_tuple_fraction` says how much is fetched (PostgreSQL: standard_planner).
    pub fn plan_cursor(
        &self,
        bound: BoundStatement,
        params: Option<&[Datum]>,
        source: Source<'_>,
    ) -> Result<Arc<Statement>> {
        let share = self.session.settings().real("cursor_tuple_fraction");
        let fetched = if share >= 1.0 { 0.0 } else { share.max(1e-10) };
        self.plan_fetched(bound, params, source, fetched)
    }

    fn plan_fetched(
        &self,
        bound: BoundStatement,
        params: Option<&[Datum]>,
        source: Source<'_>,
        fetched: f64,
    ) -> Result<Arc<Statement>> {
        self.session.instance.note_plan_made();
        let settings = self.session.settings();
        let identifies = source.query.is_some() && self.session.digested(|d| d.query_ids);
        let pins = if source.query.is_some() { Some(self.pins()?).filter(|p| !p.is_empty()) } else { None };
        let id = match source.query {
            Some(query) if identifies || pins.is_some() => Some(query_id(query, lex_options(&settings))),
            _ => None,
        };
        let names = id.map(|_| scan_names(&bound.plan)).unwrap_or_default();
        let (hints, pinned) = match self.hints(&settings, source.text)? {
            Some(hints) => (Some(hints), false),
            None => {
                let pin = pins.as_ref().zip(id).and_then(|(pins, id)| pins.get(&id));
                (pin.map(|hints| Hints::parse(hints).pinned(names.clone())), pin.is_some())
            }
        };
        let hinted = match &hints {
            Some(hints) => hints.settings(&settings, &|name, value| {
                crate::vars::check_allowed(name, self.session.is_superuser(), false)?;
                settings_check::normalise(name, value, &settings)
            }),
            None => None,
        };
        let exec = self.exec_env(Arc::from(params.unwrap_or(&[])), false);
        let folder = quarry_executor::eval::Folder::new(&exec);
        let env = OptimizerEnv {
            catalog: &self.reader,
            settings: PlannerSettings {
                fetched,
                ..PlannerSettings::from_settings(hinted.as_ref().unwrap_or(&settings))
            },
            folder: &folder,
            bind_stored: quarry_sql::bind::bind_for_planning,
            hints: hints.as_ref(),
        };
        let mut bound = bound;
        if let Some(values) = params {
            substitute_params(&mut bound, values);
        }
        let long = count_relations(&bound) >= LONG_PLANNING_RELATIONS;
        let BoundStatement { plan, meta, output, params } = bound;
        let plan = || quarry_optimizer::plan(plan, meta, output, params, &env);
        let meter = self.session.digested(|d| d.statement_plans).then(Meter::start);
        let planned = if long { quarry_common::wait::blocking(plan) } else { plan() }?;
        let mut spent = meter.map(|meter| {
            let mut spent = Spent::default();
            meter.stop(&mut spent);
            spent
        });
        if let Some(hints) = hints.as_ref().filter(|_| !pinned) {
            self.tell_of(hints, &settings)?;
        }
        if let (Some(hints), Some(id), true) = (hints.as_ref(), id, pinned) {
            self.tell_of_lost(hints, id)?;
        }
        self.check_privileges(&planned)?;
        let mut planned = planned;
        planned.pinned = pinned;
        if let (Some(id), Some(query), true) = (id, source.query, identifies) {
            planned.query_id = Some(id);
            let text = || normalised(query, lex_options(&settings));
            self.session.instance.pins().remember(self.session.database.0, id, text, &planned, &names);
            if let Some(spent) = spent.take() {
                statements::record_plan(&self.session, source, Some(id), &spent);
            }
        }
        Ok(Arc::new(planned))
    }

    /// The hints of a text, if there are any that can be followed.
    fn hints(&self, settings: &Settings, text: &str) -> Result<Option<Hints>> {
        if !text.contains("/*+") || !settings.bool("pg_hint_plan.enable_hint") {
            return Ok(None);
        }
        let hints = match hints::comment(text, settings.bool("pg_hint_plan.hints_anywhere")) {
            None => return Ok(None),
            Some(Err(e)) => {
                self.tell(e, settings)?;
                return Ok(None);
            }
            Some(Ok(text)) => Hints::parse(text),
        };
        if hints.is_empty() {
            self.tell_of(&hints, settings)?;
            return Ok(None);
        }
        Ok(Some(hints))
    }

    /// Warns once of a pinned plan whose indexes are gone: the statement runs, with what the planner chooses for their tables.
    fn tell_of_lost(&self, hints: &Hints, id: i64) -> Result<()> {
        let lost = hints.lost_indexes();
        if lost.is_empty() || !self.session.instance.pins().is_new_loss(self.session.database.0, id) {
            return Ok(());
        }
        let detail = match &lost[..] {
            [one] => format!("There is no index \"{one}\" any more."),
            several => format!("There are no indexes \"{}\" any more.", several.join("\", \"")),
        };
        let warning = Error::new(SqlState::WARNING, format!("pinned plan of query {id} cannot be followed"));
        let hint = "Pin another plan with quarry.pin_plan(), or unpin this one with quarry.unpin_plan().";
        self.session.push_notice(Severity::Warning, warning.detail(detail).hint(hint));
        Ok(())
    }

    /// Passes on what there is to say of hints that were followed.
    fn tell_of(&self, hints: &Hints, settings: &Settings) -> Result<()> {
        for message in hints.take_messages() {
            self.tell(message, settings)?;
        }
        let report = match settings.text("pg_hint_plan.debug_print") {
            _ if hints.is_empty() => return Ok(()),
            "on" => hints.report(),
            "detailed" | "verbose" => hints.report_in_line(),
            _ => return Ok(()),
        };
        let level = level(settings.text("pg_hint_plan.message_level"));
        self.session.push_notice(level, Error::new(SqlState::SUCCESSFUL_COMPLETION, report));
        Ok(())
    }

    /// A mistake in a hint is told as the settings want it.
    fn tell(&self, message: Error, settings: &Settings) -> Result<()> {
        let severity = match message.fields().severity {
            Severity::Error => level(settings.text("pg_hint_plan.parse_messages")),
            own => own,
        };
        if severity >= Severity::Error {
            return Err(message);
        }
        self.session.push_notice(severity, message);
        Ok(())
    }
}

/// A level of messages by its name.
fn level(name: &str) -> Severity {
    match name {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        "notice" => Severity::Notice,
        "info" => Severity::Info,
        "log" => Severity::Log,
        _ => Severity::Debug,
    }
}

/// The settings the scanner obeys.
pub(crate) fn lex_options(settings: &Settings) -> LexOptions {
    LexOptions {
        conforming: settings.bool("standard_conforming_strings"),
        escape_warning: settings.bool("escape_string_warning"),
        // The client's encoding is UTF-8, which is safe.
        backslash_quote: settings.text("backslash_quote") != "off",
    }
}
