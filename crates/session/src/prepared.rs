//! Prepared statements, of PREPARE and of the Parse message.

use crate::plan_choice::PlanCache;
use crate::query::Columns;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::Oid;
use quarry_sql::ast;
use std::sync::{Arc, OnceLock};

/// A statement that was parsed and described once.
pub struct Prepared {
    pub name: String,
    /// The text as the client sent it, for pg_prepared_statements and error positions.
    pub text: Arc<str>,
    /// Where in the text the statement stands, if it isn't all of it.
    pub place: Option<(usize, usize)>,
    /// None: an empty query.
    pub statement: Option<ast::Statement>,
    /// The command tag of the statement that a rule replaced by this one.
    pub rule_tag: Option<&'static str>,
    pub param_types: Vec<Oid>,
    /// Result columns; none: no rows come (or they are known only when it runs).
    pub columns: Option<Columns>,
    pub plans: Mutex<PlanCache>,
    /// The RowDescription of `columns` as text, once it was sent.
    pub(crate) described: OnceLock<Box<[u8]>>,
    /// Made by PREPARE rather than Parse.
    pub from_sql: bool,
    /// Microseconds since 2000-01-01 UTC.
    pub prepared_at: i64,
}

/// A session's prepared statements by name.
#[derive(Default)]
pub struct Statements {
    by_name: HashMap<String, Arc<Prepared>>,
    /// The one that was asked for last: mostly it is asked for again. It is among the others.
    last: Option<Arc<Prepared>>,
}

impl Statements {
    pub fn get(&mut self, name: &str) -> Option<&Arc<Prepared>> {
        if self.last.as_ref().is_none_or(|last| last.name != name) {
            self.last = Some(self.by_name.get(name)?.clone());
        }
        self.last.as_ref()
    }
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
    /// Puts a statement in under its name, in the place of one with that name.
    pub fn insert(&mut self, prepared: Arc<Prepared>) {
        self.last = None;
        self.by_name.insert(prepared.name.clone(), prepared);
    }
    pub fn remove(&mut self, name: &str) -> Option<Arc<Prepared>> {
        self.last = None;
        self.by_name.remove(name)
    }
    pub fn clear(&mut self) {
        *self = Statements::default();
    }
    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Prepared>> {
        self.by_name.values()
    }
}

/// Where a statement comes from.
#[derive(Clone, Copy)]
pub struct Source<'t> {
    /// What the client sent, whose first comment may have hints.
    pub text: &'t str,
    /// The statement itself; none: it is none of the client's, and has no identifier.
    pub query: Option<&'t str>,
    pub level: Level,
}

/// What a query is to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The statement that was sent.
    Top,
    /// What the statement is about: EXPLAIN's query, COPY's.
    Nested,
    /// A part of the statement that nobody counts by itself, or a plan that isn't run.
    Part,
}

impl<'t> Source<'t> {
    /// The same as the query that the statement is about.
    pub fn nested(self) -> Source<'t> {
        Source { level: Level::Nested, ..self }
    }
    /// The same as a part of the statement.
    pub fn part(self) -> Source<'t> {
        Source { level: Level::Part, ..self }
    }
}

impl Prepared {
    /// The same with plans for all sessions that send its text.
    pub(crate) fn for_all_sessions(self) -> Prepared {
        Prepared { plans: Mutex::new(PlanCache::of_all_sessions()), ..self }
    }
    /// Whether other sessions may be running it.
    pub(crate) fn is_shared(&self) -> bool {
        self.plans.lock().is_shared()
    }
    pub fn source(&self) -> Source<'_> {
        let part = self.place.and_then(|(start, end)| self.text.get(start..end));
        Source { text: &self.text, query: Some(part.unwrap_or(&self.text)), level: Level::Top }
    }
}
