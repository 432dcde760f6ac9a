//! LOAD: modules that are part of the server are switched on by it (PostgreSQL: dfmgr.c).

use super::CommandOutcome;
use crate::session::Session;
use quarry_common::{Result, err};
use quarry_sql::ast;

/// Modules that can be loaded. What those do that the server always does is there anyway.
pub const MODULES: &[&str] =
    &["auto_explain", "pg_hint_plan", "pg_stat_statements", "pg_trgm", "plpgsql", "amcheck"];

/// The module that a file name means.
pub fn module_of(file: &str) -> Option<&'static str> {
    let name = file.strip_prefix("$libdir/").unwrap_or(file);
    let name = name.strip_suffix(".so").unwrap_or(name);
    MODULES.iter().find(|m| **m == name).copied()
}

pub fn run(s: &mut Session, l: &ast::Load) -> Result<CommandOutcome> {
    if !s.cx.is_superuser() && !l.file.starts_with("$libdir/plugins/") {
        return Err(err!(INSUFFICIENT_PRIVILEGE, "access to library \"{}\" is not allowed", l.file));
    }
    match module_of(&l.file) {
        Some(module) => s.cx.load(module),
        None => {
            return Err(err!(
                UNDEFINED_FILE,
                "could not access file \"{}\": No such file or directory",
                l.file
            ));
        }
    }
    CommandOutcome::done("LOAD")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names() {
        assert_eq!(module_of("auto_explain"), Some("auto_explain"));
        assert_eq!(module_of("$libdir/auto_explain.so"), Some("auto_explain"));
        assert_eq!((module_of("nosuch"), module_of("$libdir/plugins/auto_explain")), (None, None));
    }
}
