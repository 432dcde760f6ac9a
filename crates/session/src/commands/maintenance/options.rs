//! The options of VACUUM and ANALYZE, checked as PostgreSQL checks them (commands/vacuum.c: ExecVacuum).

use crate::session::Session;
use quarry_common::{Error, Result, bail, err};
use quarry_sql::ast::{self, DefArg, DefElem};
use quarry_storage::vacuum::IndexCleanup;

/// Most workers that PARALLEL may ask for.
const PARALLEL_MAX: i32 = 1024;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub vacuum: bool,
    pub analyze: bool,
    pub full: bool,
    pub verbose: bool,
    pub skip_locked: bool,
    /// Look at pages the visibility map calls clean, too.
    pub all_pages: bool,
    /// None: as the table says.
    pub truncate: Option<bool>,
    /// None: as the table says.
    pub index_cleanup: Option<IndexCleanup>,
    pub skip_toast: bool,
}

fn parallel(o: &DefElem) -> Result<i32> {
    let at = |e: Error| match ast::error_position(o.pos) {
        Some(p) => e.position(p),
        None => e,
    };
    let Some(arg) = &o.arg else {
        let text = "parallel option requires a value between 0 and 1024";
        return Err(at(err!(SYNTAX_ERROR, "{text}")));
    };
    let n = match arg {
        DefArg::Integer(n) => *n,
        other => match other.as_string().parse::<i32>() {
            Ok(n) => n,
            Err(_) => bail!(SYNTAX_ERROR, "{} requires an integer value", o.name),
        },
    };
    if !(0..=PARALLEL_MAX).contains(&n) {
        return Err(at(err!(
            SYNTAX_ERROR,
            "parallel workers for vacuum must be between 0 and {PARALLEL_MAX}"
        )));
    }
    Ok(n)
}

/// Reads the options, and what they forbid each other.
pub fn wanted(s: &Session, v: &ast::Vacuum) -> Result<Wanted> {
    let mut w = Wanted {
        vacuum: v.vacuum,
        analyze: !v.vacuum,
        full: false,
        verbose: false,
        skip_locked: false,
        all_pages: false,
        truncate: None,
        index_cleanup: None,
        skip_toast: false,
    };
    let (mut workers, mut no_skipping, mut toast) = (0, false, true);
    let flag = super::super::copy::boolean_option;
    for o in &v.options {
        match o.name.to_ascii_lowercase().as_str() {
            "verbose" => w.verbose = flag(o)?,
            "skip_locked" => w.skip_locked = flag(o)?,
            "analyze" if v.vacuum => w.analyze = flag(o)?,
            "full" if v.vacuum => w.full = flag(o)?,
            "freeze" if v.vacuum => w.all_pages |= flag(o)?,
            "disable_page_skipping" if v.vacuum => no_skipping = flag(o)?,
            "truncate" if v.vacuum => w.truncate = Some(flag(o)?),
            "process_toast" if v.vacuum => toast = flag(o)?,
            "index_cleanup" if v.vacuum => {
                let auto = o.arg.as_ref().is_some_and(|a| a.as_string().eq_ignore_ascii_case("auto"));
                w.index_cleanup = Some(match auto {
                    true => IndexCleanup::Auto,
                    false if flag(o)? => IndexCleanup::On,
                    false => IndexCleanup::Off,
                });
            }
            "parallel" if v.vacuum => workers = parallel(o)?,
            _ => {
                let command = if v.vacuum { "VACUUM" } else { "ANALYZE" };
                let e = err!(SYNTAX_ERROR, "unrecognized {command} option \"{}\"", o.name);
                return Err(match ast::error_position(o.pos) {
                    Some(p) => e.position(p),
                    None => e,
                });
            }
        }
    }
    w.all_pages |= no_skipping;
    w.skip_toast = !toast;
    if w.full && workers > 0 {
        bail!(FEATURE_NOT_SUPPORTED, "VACUUM FULL cannot be performed in parallel");
    }
    if !w.analyze && v.relations.iter().any(|r| !r.columns.is_empty()) {
        bail!(FEATURE_NOT_SUPPORTED, "ANALYZE option must be specified when a column list is provided");
    }
    if v.vacuum {
        s.block.forbid_block("VACUUM")?;
    }
    if w.full && no_skipping {
        bail!(FEATURE_NOT_SUPPORTED, "VACUUM option DISABLE_PAGE_SKIPPING cannot be used with FULL");
    }
    if w.full && !toast {
        bail!(FEATURE_NOT_SUPPORTED, "PROCESS_TOAST required with VACUUM FULL");
    }
    Ok(w)
}
