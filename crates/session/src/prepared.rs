//! Prepared statements, of PREPARE and of the Parse message.

use crate::query::{PlanCache, ResultColumn};
use parking_lot::Mutex;
use quarry_common::Oid;
use quarry_sql::ast;
use std::sync::Arc;

/// A statement that was parsed and described once.
pub struct Prepared {
    pub name: String,
    /// The text as the client sent it, for pg_prepared_statements and error positions.
    pub text: Arc<str>,
    /// None: an empty query.
    pub statement: Option<ast::Statement>,
    /// The command tag of the statement that a rule replaced by this one.
    pub rule_tag: Option<&'static str>,
    pub param_types: Vec<Oid>,
    /// Result columns; none: no rows come (or they are known only when it runs).
    pub columns: Option<Vec<ResultColumn>>,
    pub plans: Mutex<PlanCache>,
    /// Made by PREPARE rather than Parse.
    pub from_sql: bool,
    /// Microseconds since 2000-01-01 UTC.
    pub prepared_at: i64,
}
