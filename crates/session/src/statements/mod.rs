//! What statements cost, summed up by query (PostgreSQL: contrib/pg_stat_statements): counted where `shared_preload_libraries` names
//! pg_stat_statements.
//!
//! A statement's time is that spent on its portal; that of its planning is summed up beside it where `pg_stat_statements.track_planning`
//! says so. With `pg_stat_statements.track` at `all`, the query that EXPLAIN or COPY is about counts too, as one that isn't on top.
//! Constraints are checked without statements here, so there is nothing to be counted of these.
//!
//! The sums lie in [`table`]; [`keep`] has them survive an orderly stop, [`functions`] shows them.

mod functions;
mod keep;
mod table;

use crate::context::SessionContext;
use crate::planning::lex_options;
use crate::portal::Portal;
use crate::prepared::{Level, Source};
pub(crate) use functions::{reset, rows};
use quarry_common::settings::Settings;
use quarry_common::usage::{self, Usage};
use quarry_sql::ast;
use quarry_sql::lexer::normalised;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};
pub use table::StatementStats;
use table::{Key, Spell};

/// Which statements are counted: `pg_stat_statements.track`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Track {
    None,
    Top,
    All,
}

impl Track {
    pub fn of(settings: &Settings) -> Track {
        match settings.text("pg_stat_statements.track") {
            "none" => Track::None,
            "all" => Track::All,
            _ => Track::Top,
        }
    }
    fn counts(self, level: Level) -> bool {
        match level {
            Level::Top => self != Track::None,
            Level::Nested => self == Track::All,
            Level::Part => false,
        }
    }
}

/// What a portal has taken so far.
#[derive(Default)]
pub struct Spent {
    time: Duration,
    used: Usage,
    /// The query's identifier; none: the statement is none that is planned.
    pub query_id: Option<i64>,
    /// Identifier and rows of the query that a COPY was about.
    pub nested: Option<(i64, u64)>,
}

/// A piece of work, being measured.
pub(crate) struct Meter {
    start: Instant,
    before: Usage,
}

impl Meter {
    pub fn start() -> Meter {
        Meter { start: Instant::now(), before: usage::now() }
    }
    pub fn stop(self, spent: &mut Spent) {
        spent.time += self.start.elapsed();
        spent.used = spent.used.plus(&usage::now().since(&self.before));
    }
}

/// A portal is done.
pub(crate) fn record(cx: &SessionContext, portal: &mut Portal, tag: &str) {
    let spent = std::mem::take(&mut portal.spent);
    let settings = cx.settings();
    if !Track::of(&settings).counts(Level::Top) {
        return;
    }
    let source = portal.statement.source();
    if let Some((id, rows)) = spent.nested {
        record_nested(cx, source.nested(), Some(id), &spent, rows);
    }
    let Some(text) = source.query else { return };
    if spent.query_id.is_none() {
        // Those that are about other statements don't count themselves.
        let about = matches!(
            portal.statement.statement,
            Some(ast::Statement::Prepare(_) | ast::Statement::Execute(_) | ast::Statement::Deallocate(_))
        );
        if about || !settings.bool("pg_stat_statements.track_utility") {
            return;
        }
    }
    let query = spent.query_id.unwrap_or_else(|| {
        let mut hasher = DefaultHasher::new();
        text.trim().hash(&mut hasher);
        hasher.finish() as i64
    });
    let shown = || match spent.query_id {
        Some(_) => normalised(text, lex_options(&settings)),
        None => text.trim().trim_end_matches(';').trim_end().to_string(),
    };
    add(cx, &settings, query, true, shown, &spent, rows_of(tag), false);
}

/// A query was run for the statement that it is part of.
pub(crate) fn record_nested(
    cx: &SessionContext,
    source: Source<'_>,
    id: Option<i64>,
    spent: &Spent,
    rows: u64,
) {
    record_part(cx, source, id, spent, rows, false);
}

/// A query was planned.
pub(crate) fn record_plan(cx: &SessionContext, source: Source<'_>, id: Option<i64>, spent: &Spent) {
    record_part(cx, source, id, spent, 0, true);
}

fn record_part(
    cx: &SessionContext,
    source: Source<'_>,
    id: Option<i64>,
    spent: &Spent,
    rows: u64,
    planned: bool,
) {
    let settings = cx.settings();
    let (Some(text), Some(id)) = (source.query, id) else { return };
    if cx.digested(|d| d.statements) && Track::of(&settings).counts(source.level) {
        let shown = || normalised(text, lex_options(&settings));
        add(cx, &settings, id, source.level == Level::Top, shown, spent, rows, planned);
    }
}

#[expect(clippy::too_many_arguments, reason = "what is counted, and how it is called")]
fn add(
    cx: &SessionContext,
    settings: &Settings,
    query: i64,
    top: bool,
    text: impl FnOnce() -> String,
    spent: &Spent,
    rows: u64,
    planned: bool,
) {
    let user = quarry_functions::SessionEnv::current_user(cx).0;
    let key = Key { user, database: cx.database.0, query, top };
    let max = usize::try_from(settings.int("pg_stat_statements.max")).unwrap_or(0).max(1);
    let spell = Spell { ms: spent.time.as_secs_f64() * 1000.0, rows, used: &spent.used, planned };
    cx.instance.statement_stats().table.lock().add(key, max, text, &spell);
}

/// The rows that a command tag tells of.
fn rows_of(tag: &str) -> u64 {
    match tag.split_once(' ') {
        Some(("SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" | "FETCH" | "REFRESH", rest)) => {
            rest.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
        }
        _ => 0,
    }
}
