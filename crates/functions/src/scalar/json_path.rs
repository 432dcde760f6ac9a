//! The jsonpath functions and operators that answer one value.

use super::regex::{Flags, matcher};
use crate::{EvalContext, FunctionDef, SessionEnv, func, scalar};
use quarry_common::Result;
use quarry_types::datetime::TimeZone;
use quarry_types::json::path::{self, Environment, RegexFlags};

/// The session as paths see it.
pub(crate) struct PathEnv<'a> {
    zone: Option<&'a TimeZone>,
    now_us: i64,
    env: &'a dyn SessionEnv,
}

impl<'a> PathEnv<'a> {
    /// `zoned`: the `_tz` functions may use the session's time zone.
    pub(crate) fn new(cx: &EvalContext<'a>, zoned: bool) -> PathEnv<'a> {
        PathEnv {
            zone: zoned.then_some(&cx.io.time_zone),
            now_us: cx.env.transaction_timestamp(),
            env: cx.env,
        }
    }
}

impl Environment for PathEnv<'_> {
    fn like_regex(&self, pattern: &str, flags: RegexFlags, text: &str) -> Result<bool> {
        let mut f = Flags { ignore_case: flags.ignore_case, literal: flags.quote, ..Flags::default() };
        if !flags.quote {
            f.newline_stops = !flags.dot_all;
            f.newline_anchors = flags.multi_line;
        }
        matcher(self.env, pattern, f)?.is_match(text)
    }
    fn time_zone(&self) -> Option<&TimeZone> {
        self.zone
    }
    fn now_us(&self) -> i64 {
        self.now_us
    }
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(4010, "jsonb_path_exists_opr", [JSONB, JSONPATH] => BOOL, scalar!(cx, |j: &[u8], p: &str| -> Result<Option<bool>> { let p = path::compiled(p)?; path::exists(&p, j, None, true, &PathEnv::new(cx, false)) })),
    func!(4011, "jsonb_path_match_opr", [JSONB, JSONPATH] => BOOL, scalar!(cx, |j: &[u8], p: &str| -> Result<Option<bool>> { let p = path::compiled(p)?; path::matches(&p, j, None, true, &PathEnv::new(cx, false)) })),
    func!(4005, "jsonb_path_exists", [JSONB, JSONPATH, JSONB, BOOL] => BOOL, scalar!(cx, |j: &[u8], p: &str, v: &[u8], s: bool| -> Result<Option<bool>> { let p = path::compiled(p)?; path::exists(&p, j, Some(v), s, &PathEnv::new(cx, false)) })).defaults(&["'{}'::jsonb", "false"]).names(&["target", "path", "vars", "silent"]),
    func!(1177, "jsonb_path_exists_tz", [JSONB, JSONPATH, JSONB, BOOL] => BOOL, scalar!(cx, |j: &[u8], p: &str, v: &[u8], s: bool| -> Result<Option<bool>> { let p = path::compiled(p)?; path::exists(&p, j, Some(v), s, &PathEnv::new(cx, true)) })).stable().defaults(&["'{}'::jsonb", "false"]).names(&["target", "path", "vars", "silent"]),
    func!(4009, "jsonb_path_match", [JSONB, JSONPATH, JSONB, BOOL] => BOOL, scalar!(cx, |j: &[u8], p: &str, v: &[u8], s: bool| -> Result<Option<bool>> { let p = path::compiled(p)?; path::matches(&p, j, Some(v), s, &PathEnv::new(cx, false)) })).defaults(&["'{}'::jsonb", "false"]).names(&["target", "path", "vars", "silent"]),
    func!(2030, "jsonb_path_match_tz", [JSONB, JSONPATH, JSONB, BOOL] => BOOL, scalar!(cx, |j: &[u8], p: &str, v: &[u8], s: bool| -> Result<Option<bool>> { let p = path::compiled(p)?; path::matches(&p, j, Some(v), s, &PathEnv::new(cx, true)) })).stable().defaults(&["'{}'::jsonb", "false"]).names(&["target", "path", "vars", "silent"]),
    func!(4007, "jsonb_path_query_array", [JSONB, JSONPATH, JSONB, BOOL] => JSONB, scalar!(cx, |j: &[u8], p: &str, v: &[u8], s: bool| -> Result<Vec<u8>> { let p = path::compiled(p)?; path::query_array(&p, j, Some(v), s, &PathEnv::new(cx, false)) })).defaults(&["'{}'::jsonb", "false"]).names(&["target", "path", "vars", "silent"]),
    func!(1180, "jsonb_path_query_array_tz", [JSONB, JSONPATH, JSONB, BOOL] => JSONB, scalar!(cx, |j: &[u8], p: &str, v: &[u8], s: bool| -> Result<Vec<u8>> { let p = path::compiled(p)?; path::query_array(&p, j, Some(v), s, &PathEnv::new(cx, true)) })).stable().defaults(&["'{}'::jsonb", "false"]).names(&["target", "path", "vars", "silent"]),
    func!(4008, "jsonb_path_query_first", [JSONB, JSONPATH, JSONB, BOOL] => JSONB, scalar!(cx, |j: &[u8], p: &str, v: &[u8], s: bool| -> Result<Option<Vec<u8>>> { let p = path::compiled(p)?; path::first(&p, j, Some(v), s, &PathEnv::new(cx, false)) })).defaults(&["'{}'::jsonb", "false"]).names(&["target", "path", "vars", "silent"]),
    func!(2023, "jsonb_path_query_first_tz", [JSONB, JSONPATH, JSONB, BOOL] => JSONB, scalar!(cx, |j: &[u8], p: &str, v: &[u8], s: bool| -> Result<Option<Vec<u8>>> { let p = path::compiled(p)?; path::first(&p, j, Some(v), s, &PathEnv::new(cx, true)) })).stable().defaults(&["'{}'::jsonb", "false"]).names(&["target", "path", "vars", "silent"]),
];
