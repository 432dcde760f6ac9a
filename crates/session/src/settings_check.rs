//! Checks of settings whose values have a form of their own, and their canonical texts (PostgreSQL: commands/variable.c).

use quarry_common::settings::{self, Settings};
use quarry_common::{Error, Result, err};
use quarry_sql::ast::{Expr, ExprKind, Literal};
use quarry_sql::bind::interval_typmod;
use quarry_types::datetime::interval_in::parse_interval;
use quarry_types::datetime::interval_out::push_interval;
use quarry_types::datetime::{IntervalStyle, TimeZone};
use std::sync::Arc;

/// Encodings that PostgreSQL has and Quarry doesn't, without punctuation and in lower case.
const OTHER_ENCODINGS: &[&str] = &[
    "latin1",
    "latin2",
    "latin3",
    "latin4",
    "latin5",
    "latin6",
    "latin7",
    "latin8",
    "latin9",
    "latin10",
    "iso88591",
    "iso88595",
    "iso88596",
    "iso88597",
    "iso88598",
    "iso885915",
    "win1250",
    "win1251",
    "win1252",
    "win1253",
    "win1254",
    "win1255",
    "win1256",
    "win1257",
    "win1258",
    "win866",
    "win874",
    "koi8r",
    "koi8u",
    "koi8",
    "euccn",
    "eucjp",
    "euckr",
    "euctw",
    "eucjis2004",
    "sjis",
    "big5",
    "gbk",
    "gb18030",
    "johab",
    "uhc",
    "shiftjis2004",
    "muleinternal",
];

/// Locales there are: all of them spell as the C locale does.
const LOCALES: &[&str] = &["", "C", "POSIX", "C.UTF-8", "C.utf8"];
/// Tablespaces there are; none is the default one.
const TABLESPACES: &[&str] = &["", "pg_default"];

/// The canonical text of a setting's value, where the setting has one; the settings' own table checks the rest. What a value
/// leaves open stays as in `current`.
pub fn normalise(name: &str, text: &str, current: &Settings) -> Result<String> {
    match name.to_ascii_lowercase().as_str() {
        "datestyle" => date_style(text, current.text("DateStyle")),
        "timezone" => Ok(time_zone(text)?.name().to_string()),
        "log_timezone" => Ok(time_zone(text)?.name().to_string()),
        "client_encoding" => client_encoding(text),
        "lc_messages" | "lc_monetary" | "lc_numeric" | "lc_time" => {
            if LOCALES.contains(&text) {
                Ok(text.to_string())
            } else {
                Err(invalid(name, text))
            }
        }
        "timezone_abbreviations" if !text.eq_ignore_ascii_case("default") => Err(invalid(name, text)),
        "default_table_access_method" => match text {
            "heap" => Ok(text.to_string()),
            "" => Err(invalid(name, text).detail("default_table_access_method cannot be empty.")),
            "btree" | "hash" | "gist" | "gin" | "spgist" | "brin" => {
                Err(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "access method \"{text}\" is not of type TABLE"))
            }
            _ => Err(invalid(name, text).detail(format!("Table access method \"{text}\" does not exist."))),
        },
        "default_tablespace" if !TABLESPACES.contains(&text) => {
            Err(invalid(name, text).detail(format!("Tablespace \"{text}\" does not exist.")))
        }
        "temp_tablespaces" => match text.split(',').map(str::trim).find(|t| !TABLESPACES.contains(t)) {
            Some(t) => Err(err!(UNDEFINED_OBJECT, "tablespace \"{t}\" does not exist")),
            None => Ok(text.to_string()),
        },
        "quarry.disabled_rules" | "quarry.forced_rules" => match quarry_optimizer::RuleSet::parse(text) {
            Ok(_) => Ok(text.to_string()),
            Err(rule) => Err(invalid(name, text).detail(format!("There is no rule \"{rule}\"."))),
        },
        "search_path" => {
            if is_name_list(text) {
                Ok(text.to_string())
            } else {
                Err(invalid("search_path", text).detail("List syntax is invalid."))
            }
        }
        "application_name" | "cluster_name" => {
            Ok(text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).take(63).collect())
        }
        _ => Ok(text.to_string()),
    }
}

/// 22023 for a value.
fn invalid(name: &str, text: &str) -> Error {
    let name = settings::find(name).map_or(name, |(_, def)| def.name);
    err!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"{name}\": \"{text}\"")
}

/// A style and an order, in any order of words; what isn't said stays as it is.
fn date_style(text: &str, current: &str) -> Result<String> {
    let (mut style, mut order): (Option<&str>, Option<&str>) = (None, None);
    let mut german = false;
    let conflict = || invalid("DateStyle", text).detail("Conflicting \"datestyle\" specifications.");
    for word in text.split(',').map(str::trim) {
        let word = word.trim_matches('"');
        let lower = word.to_ascii_lowercase();
        let (new_style, new_order) = match lower.as_str() {
            "iso" => (Some("ISO"), None),
            "sql" => (Some("SQL"), None),
            "german" => {
                german = true;
                (Some("German"), None)
            }
            w if w.starts_with("postgres") => (Some("Postgres"), None),
            "ymd" => (None, Some("YMD")),
            w if w.starts_with("euro") || w == "dmy" => (None, Some("DMY")),
            w if w.starts_with("us") || w == "mdy" || w.starts_with("noneuro") => (None, Some("MDY")),
            "default" => continue,
            _ => {
                let e = invalid("DateStyle", text);
                return Err(e.detail(format!("Unrecognized key word: \"{lower}\".")));
            }
        };
        if let Some(s) = new_style {
            if style.is_some_and(|old| old != s) {
                return Err(conflict());
            }
            style = Some(s);
        }
        if let Some(o) = new_order {
            if order.is_some_and(|old| old != o) {
                return Err(conflict());
            }
            order = Some(o);
        }
    }
    let (old_style, old_order) = current.split_once(", ").unwrap_or(("ISO", "MDY"));
    let order = order.unwrap_or(if german { "DMY" } else { old_order });
    Ok(format!("{}, {order}", style.unwrap_or(old_style)))
}

pub fn client_encoding(text: &str) -> Result<String> {
    let plain: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match plain.as_str() {
        "utf8" | "unicode" => Ok("UTF8".into()),
        "sqlascii" => Ok("SQL_ASCII".into()),
        known if OTHER_ENCODINGS.contains(&known) => {
            Err(Error::unsupported(format_args!("client encoding {text}")))
        }
        _ => Err(invalid("client_encoding", text)),
    }
}

/// Whether `text` is a list of names as PostgreSQL's SplitIdentifierString takes it.
fn is_name_list(text: &str) -> bool {
    let mut rest = text.trim_start();
    if rest.is_empty() {
        return true;
    }
    loop {
        rest = match rest.strip_prefix('"') {
            Some(mut quoted) => loop {
                let Some(end) = quoted.find('"') else { return false };
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => quoted = more,
                    None => break quoted,
                }
            },
            None => {
                let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
                if end == 0 {
                    return false;
                }
                &rest[end..]
            }
        }
        .trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => return rest.is_empty(),
        }
    }
}

/// The zone that the TimeZone setting's text means.
pub fn time_zone(text: &str) -> Result<Arc<TimeZone>> {
    TimeZone::from_setting(text)
}

/// The zone of a value that the setting has: an interval with seconds has made a zone whose name can't be set.
pub fn current_zone(text: &str) -> Arc<TimeZone> {
    time_zone(text).ok().or_else(|| TimeZone::by_name(text)).unwrap_or_else(TimeZone::utc)
}

/// The text of SET TIME ZONE INTERVAL '...': the interval as it prints.
pub fn interval_zone(e: &Expr) -> Result<String> {
    if let ExprKind::TypeCast { arg, type_name } = &e.kind
        && let ExprKind::Const(Literal::String(text)) = &arg.kind
    {
        let interval = parse_interval(text, interval_typmod(type_name)?, IntervalStyle::Postgres)?;
        let mut shown = vec![];
        push_interval(&mut shown, interval, IntervalStyle::Postgres);
        return Ok(format!("INTERVAL '{}'", String::from_utf8_lossy(&shown)));
    }
    Err(err!(SYNTAX_ERROR, "time zone interval must be HOUR or HOUR TO MINUTE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        let check = |name: &str, text: &str| normalise(name, text, &Settings::default());
        assert_eq!(check("DateStyle", "german").unwrap(), "German, DMY");
        assert_eq!(check("datestyle", "iso, ymd").unwrap(), "ISO, YMD");
        assert_eq!(check("datestyle", "dmy").unwrap(), "ISO, DMY");
        assert_eq!(check("client_encoding", "utf-8").unwrap(), "UTF8");
        assert_eq!(check("client_encoding", "latin1").unwrap_err().sqlstate().as_str(), "0A000");
        assert_eq!(check("client_encoding", "foo").unwrap_err().sqlstate().as_str(), "22023");
        assert_eq!(check("search_path", "a b").unwrap_err().sqlstate().as_str(), "22023");
        assert_eq!(check("search_path", "\"$user\", public").unwrap(), "\"$user\", public");
        assert_eq!(check("timezone", "utc").unwrap(), "UTC");
    }
}
