//! Values of settings: parsing with units, printing as SHOW does (PostgreSQL: guc.c).

use super::{SettingDef, SettingKind, Unit};
use crate::{Error, Result, err};

/// A setting's value; numbers in the setting's base unit, enums as their canonical text.
#[derive(Clone, PartialEq, Debug)]
pub enum SettingValue {
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(String),
}

const MEMORY_HINT: &str = "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".";
const TIME_HINT: &str =
    "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".";

/// Units in bytes, biggest first.
const MEMORY_UNITS: &[(&str, f64)] =
    &[("TB", 1099511627776.0), ("GB", 1073741824.0), ("MB", 1048576.0), ("kB", 1024.0), ("B", 1.0)];
/// Units in microseconds, biggest first.
const TIME_UNITS: &[(&str, f64)] = &[
    ("d", 86_400_000_000.0),
    ("h", 3_600_000_000.0),
    ("min", 60_000_000.0),
    ("s", 1_000_000.0),
    ("ms", 1_000.0),
    ("us", 1.0),
];

/// Names of units, each with its size in the smallest of them.
type UnitTable = &'static [(&'static str, f64)];

impl Unit {
    /// The unit's family, its size in the family's smallest unit (bytes, microseconds), and the family's hint.
    fn family(self) -> Option<(UnitTable, f64, &'static str)> {
        Some(match self {
            Unit::None => return None,
            Unit::Bytes => (MEMORY_UNITS, 1.0, MEMORY_HINT),
            Unit::Kilobytes => (MEMORY_UNITS, 1024.0, MEMORY_HINT),
            Unit::Blocks => (MEMORY_UNITS, 8192.0, MEMORY_HINT),
            Unit::Megabytes => (MEMORY_UNITS, 1048576.0, MEMORY_HINT),
            Unit::Milliseconds => (TIME_UNITS, 1_000.0, TIME_HINT),
            Unit::Seconds => (TIME_UNITS, 1_000_000.0, TIME_HINT),
            Unit::Minutes => (TIME_UNITS, 60_000_000.0, TIME_HINT),
        })
    }
}

impl SettingDef {
    /// Checks `text` and makes a value of it; 22023 with PostgreSQL's texts otherwise.
    pub fn parse(&self, text: &str) -> Result<SettingValue> {
        match self.kind {
            SettingKind::Bool => parse_bool(text).map(SettingValue::Bool).ok_or_else(|| {
                err!(INVALID_PARAMETER_VALUE, "parameter \"{}\" requires a Boolean value", self.name)
            }),
            SettingKind::Int { unit, min, max } => {
                let v = self.number(text, unit)?.round_ties_even();
                if v < min as f64 || v > max as f64 {
                    return Err(self.out_of_range(v, min, max, unit));
                }
                Ok(SettingValue::Int(v as i64))
            }
            SettingKind::Real { unit, min, max } => {
                let v = self.number(text, unit)?;
                if v.is_nan() || v < min || v > max {
                    return Err(self.out_of_range(in_short(v), in_short(min), in_short(max), unit));
                }
                Ok(SettingValue::Real(v))
            }
            SettingKind::Enum(values) => {
                // on/off members take every spelling of a Boolean.
                let wanted = match parse_bool(text) {
                    Some(b) if values.contains(&"on") => if b { "on" } else { "off" }.to_string(),
                    _ => text.to_ascii_lowercase(),
                };
                match values.iter().find(|v| v.eq_ignore_ascii_case(&wanted)) {
                    Some(v) => Ok(SettingValue::Text(v.to_string())),
                    None => Err(self.invalid(text).hint(format!("Available values: {}.", values.join(", ")))),
                }
            }
            SettingKind::Text => Ok(SettingValue::Text(text.to_string())),
        }
    }

    /// As SHOW prints it: numbers with the biggest unit that gives a whole number.
    pub fn show(&self, value: &SettingValue) -> String {
        match (value, self.kind) {
            (SettingValue::Bool(b), _) => if *b { "on" } else { "off" }.to_string(),
            (SettingValue::Int(v), SettingKind::Int { unit, .. }) if *v > 0 => match unit.family() {
                Some((units, base, _)) => {
                    let smallest = *v as f64 * base;
                    let (name, size) = units
                        .iter()
                        .find(|(_, size)| smallest % size == 0.0)
                        .expect("the smallest unit divides everything");
                    format!("{}{name}", smallest / size)
                }
                None => v.to_string(),
            },
            (SettingValue::Int(v), _) => v.to_string(),
            (SettingValue::Real(v), SettingKind::Real { unit, .. }) if *v > 0.0 => match unit.as_str() {
                Some(unit) => format!("{v}{unit}"),
                None => show_real(*v),
            },
            (SettingValue::Real(v), _) => show_real(*v),
            (SettingValue::Text(t), _) => t.clone(),
        }
    }

    /// The value in its base unit as text, without the unit: `pg_settings.setting`.
    pub fn raw(&self, value: &SettingValue) -> String {
        match value {
            SettingValue::Int(v) => v.to_string(),
            SettingValue::Real(v) => show_real(*v),
            other => self.show(other),
        }
    }

    fn invalid(&self, text: &str) -> Error {
        err!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"{}\": \"{text}\"", self.name)
    }

    fn out_of_range(
        &self,
        v: impl std::fmt::Display,
        min: impl std::fmt::Display,
        max: impl std::fmt::Display,
        unit: Unit,
    ) -> Error {
        let unit = unit.as_str().map(|u| format!(" {u}")).unwrap_or_default();
        err!(
            INVALID_PARAMETER_VALUE,
            "{v}{unit} is outside the valid range for parameter \"{}\" ({min} .. {max})",
            self.name
        )
    }

    fn number(&self, text: &str, unit: Unit) -> Result<f64> {
        let text = text.trim();
        let end = number_length(text);
        let (digits, suffix) = text.split_at(end);
        let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(hex) => i64::from_str_radix(hex, 16).map(|v| v as f64).ok(),
            None => digits.parse::<f64>().ok(),
        };
        let value = value.ok_or_else(|| self.invalid(text))?;
        let suffix = suffix.trim();
        if suffix.is_empty() {
            return Ok(value);
        }
        let Some((units, base, hint)) = unit.family() else { return Err(self.invalid(text)) };
        match units.iter().find(|(name, _)| *name == suffix) {
            Some((_, size)) => Ok(value * size / base),
            None => Err(self.invalid(text).hint(hint)),
        }
    }
}

/// Length of the number that `text` starts with.
fn number_length(text: &str) -> usize {
    let b = text.as_bytes();
    let mut i = usize::from(matches!(b.first(), Some(b'+' | b'-')));
    if b[i..].starts_with(b"0x") || b[i..].starts_with(b"0X") {
        i += 2;
        while i < b.len() && b[i].is_ascii_hexdigit() {
            i += 1;
        }
        return i;
    }
    while i < b.len() && (b[i].is_ascii_digit() || b[i] == b'.') {
        i += 1;
    }
    if i < b.len() && matches!(b[i], b'e' | b'E') {
        let mut j = i + 1;
        if j < b.len() && matches!(b[j], b'+' | b'-') {
            j += 1;
        }
        if j < b.len() && b[j].is_ascii_digit() {
            while j < b.len() && b[j].is_ascii_digit() {
                j += 1;
            }
            i = j;
        }
    }
    i
}

fn show_real(v: f64) -> String {
    if v != 0.0 && (v.abs() >= 1e15 || v.abs() < 1e-5) { format!("{v:e}") } else { v.to_string() }
}

/// Six digits of a number, as C's `%g` prints them.
fn in_short(v: f64) -> String {
    let scientific = format!("{v:.5e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if (-4..6).contains(&exponent) {
        return trimmed(&format!("{v:.*}", (5 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

/// PostgreSQL's Boolean spellings: unique prefixes of true/false/yes/no, on, off, 1, 0.
/// A boolean as PostgreSQL reads it (parse_bool): any unique prefix of true, false, yes, no; on, off, 1, 0.
pub fn parse_bool(text: &str) -> Option<bool> {
    let t = text.to_ascii_lowercase();
    let is_prefix_of = |word: &str| !t.is_empty() && word.starts_with(&t);
    match t.as_str() {
        "on" | "1" => Some(true),
        "off" | "of" | "0" => Some(false),
        _ if is_prefix_of("true") || is_prefix_of("yes") => Some(true),
        _ if is_prefix_of("false") || is_prefix_of("no") => Some(false),
        _ => None,
    }
}

/// Bytes of a memory size such as "512MB", for tools' options; none if it is no size.
pub fn parse_memory_bytes(text: &str) -> Option<u64> {
    let (digits, unit) = text.trim().split_at(number_length(text.trim()));
    let size = match unit.trim() {
        "" => 1.0,
        unit => MEMORY_UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    let bytes = digits.parse::<f64>().ok()? * size;
    (bytes >= 0.0).then_some(bytes as u64)
}
