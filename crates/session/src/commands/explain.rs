//! EXPLAIN.

use super::CommandOutcome;
use crate::portal::Portal;
use crate::query::ResultColumn;
use crate::session::Session;
use quarry_common::{Error, Result};
use quarry_sql::ast::{self, DefArg};
use quarry_types::{SqlType, oids};

/// The one column of the answer.
pub fn columns(e: &ast::Explain) -> Result<Vec<ResultColumn>> {
    let format = e.options.iter().find(|o| o.name == "format").and_then(|o| match &o.arg {
        Some(DefArg::String(s)) => Some(s.to_ascii_lowercase()),
        _ => None,
    });
    let ty = match format.as_deref() {
        Some("json") => SqlType::of(oids::JSON),
        Some("xml") => SqlType::of(oids::XML),
        _ => SqlType::TEXT,
    };
    Ok(vec![("QUERY PLAN".to_string(), ty, None)])
}

pub fn run(_s: &mut Session, _e: &ast::Explain, _portal: &mut Portal) -> Result<CommandOutcome> {
    Err(Error::unsupported("EXPLAIN"))
}
