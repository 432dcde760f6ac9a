//! What kernels may ask of the world.

use quarry_common::{Error, Oid, Result, Severity};
use quarry_types::io::IoContext;
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

/// What one statement's evaluation shares. Kernels get it mutably and one at a time; parallel workers have their own.
pub struct EvalContext<'a> {
    /// DateStyle, TimeZone, ... and object names for reg* types.
    pub io: &'a IoContext<'a>,
    pub env: &'a dyn SessionEnv,
    /// Types of the current call's arguments, for polymorphic and "any" ones. Empty between calls.
    pub arg_types: &'a [SqlType],
    /// The current call's result type.
    pub ret: SqlType,
    /// Bytes that the values of one result vector may take before the batch is given up ([`crate::kernel::batch_too_large`]).
    pub limit: usize,
}

impl<'a> EvalContext<'a> {
    /// A context in which no call is under way.
    pub fn new(io: &'a IoContext<'a>, env: &'a dyn SessionEnv) -> EvalContext<'a> {
        EvalContext { io, env, arg_types: &[], ret: SqlType::UNKNOWN, limit: usize::MAX }
    }
    /// The same world for one call of a function.
    pub fn for_call<'b>(&'b self, arg_types: &'b [SqlType], ret: SqlType) -> EvalContext<'b> {
        EvalContext { io: self.io, env: self.env, arg_types, ret, limit: self.limit }
    }
}

/// The session, transaction and server as functions see them. Times are microseconds since 2000-01-01 UTC.
///
/// Methods with a default body answer 0A000, so that tests and tools need only what they use.
pub trait SessionEnv {
    fn transaction_timestamp(&self) -> i64;
    fn statement_timestamp(&self) -> i64;
    fn clock_timestamp(&self) -> i64;
    /// Returns the error of a pending cancel or timeout. Called at least once per batch.
    fn check_cancelled(&self) -> Result<()> {
        Ok(())
    }
    /// Sends a notice, or drops it by client_min_messages.
    fn notice(&self, _severity: Severity, _error: Error) {}
    /// A number in 0..1 from the session's generator.
    fn random(&self) -> f64 {
        0.5
    }
    fn set_seed(&self, _seed: f64) {}
    fn current_user(&self) -> (Oid, String) {
        (Oid(10), "postgres".into())
    }
    fn session_user(&self) -> (Oid, String) {
        (Oid(10), "postgres".into())
    }
    fn current_database(&self) -> (Oid, String) {
        (Oid(5), "postgres".into())
    }
    /// Names of the schemas of the effective search path.
    fn current_schemas(&self, _include_implicit: bool) -> Vec<String> {
        vec!["public".into()]
    }
    fn backend_pid(&self) -> i32 {
        0
    }
    /// A setting's value as SHOW prints it; none if unknown.
    fn setting(&self, _name: &str) -> Option<String> {
        None
    }
    /// `set_config`: answers the new value.
    fn set_setting(&self, _name: &str, _value: Option<&str>, _local: bool) -> Result<String> {
        Err(Error::unsupported("set_config"))
    }
    fn nextval(&self, _sequence: Oid) -> Result<i64> {
        Err(Error::unsupported("nextval"))
    }
    /// As [`SessionEnv::nextval`] for an identity column, which asks for no privilege on its sequence.
    fn identity_value(&self, sequence: Oid) -> Result<i64> {
        self.nextval(sequence)
    }
    fn currval(&self, _sequence: Oid) -> Result<i64> {
        Err(Error::unsupported("currval"))
    }
    fn lastval(&self) -> Result<i64> {
        Err(Error::unsupported("lastval"))
    }
    fn setval(&self, _sequence: Oid, _value: i64, _is_called: bool) -> Result<()> {
        Err(Error::unsupported("setval"))
    }
    /// The transaction's id, allotted now if need be.
    fn transaction_id(&self, _assign: bool) -> Result<Option<u64>> {
        Err(Error::unsupported("txid_current"))
    }
    /// Catalog questions answered by name, for the long tail of information functions that need typed catalogs
    /// (`pg_get_indexdef`, `pg_get_constraintdef`, `pg_table_is_visible`, `has_table_privilege`, `pg_relation_size`, ...):
    /// `function` is the SQL function's name, `args` its arguments. The catalog crate keeps the table of answers.
    fn catalog_function(&self, function: &'static str, _args: &[Datum]) -> Result<Datum> {
        Err(Error::unsupported(format_args!("function {function}")))
    }
    /// Rows of server-state functions (`pg_stat_get_activity`, `pg_show_all_settings`, `pg_lock_status`, `pg_cursor`, ...), by function name.
    fn catalog_rows(&self, function: &'static str, _args: &[Datum]) -> Result<Vec<Vec<Datum>>> {
        Err(Error::unsupported(format_args!("function {function}")))
    }
    /// A text search configuration with its dictionaries.
    fn text_search_config(&self, _oid: Oid) -> Result<Arc<crate::text_search::Config>> {
        Err(Error::unsupported("text search configurations"))
    }
    /// A text search dictionary.
    fn text_search_dictionary(&self, _oid: Oid) -> Result<Arc<crate::text_search::dictionary::Dictionary>> {
        Err(Error::unsupported("text search dictionaries"))
    }
    /// What `default_text_search_config` names.
    fn current_text_search_config(&self) -> Result<Oid> {
        Err(Error::unsupported("default_text_search_config"))
    }
    /// Runs a statement that only reads, given as text by the user: the types of its columns and its rows.
    fn run_query(&self, _sql: &str) -> Result<(Vec<SqlType>, Vec<Vec<Datum>>)> {
        Err(Error::unsupported("functions that run a statement"))
    }
    /// A range of an index's table, by its first block, waits for its summary.
    fn request_summary(&self, _index: Oid, _block: u32) {}
    /// Server actions by function name (`pg_cancel_backend`, `pg_terminate_backend`, `pg_sleep`, `pg_advisory_lock`, ...).
    fn server_function(&self, function: &'static str, _args: &[Datum]) -> Result<Datum> {
        Err(Error::unsupported(format_args!("function {function}")))
    }
}

/// A context for unit tests: default settings, UTC, a clock that stands at 2000-01-01.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) struct TestEnv;

    impl SessionEnv for TestEnv {
        fn transaction_timestamp(&self) -> i64 {
            0
        }
        fn statement_timestamp(&self) -> i64 {
            0
        }
        fn clock_timestamp(&self) -> i64 {
            0
        }
    }

    pub(crate) fn io() -> IoContext<'static> {
        IoContext::default()
    }
    pub(crate) fn context<'a>(io: &'a IoContext<'a>) -> EvalContext<'a> {
        EvalContext::new(io, &TestEnv)
    }
}
