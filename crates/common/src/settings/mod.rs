//! Settings: one definition each, with PostgreSQL's names, units and contexts (manual, chapter 20).
//!
//! The definitions stand in group files (`client.rs`, `planner.rs`, ...). `SHOW`, `SET`, `pg_settings`, `config/quarry.toml` and
//! the command line all read them from here. A new setting is one row in its group's table. One that belongs to a mechanism of
//! PostgreSQL's that isn't there says so in its row ([`WITHOUT_EFFECT`]); every other one has a reader (`cargo xtask tidy`).

mod auto_explain;
mod client;
mod extension;
mod planner;
mod preset;
mod server;
mod vacuum;
mod value;

pub use value::{SettingValue, parse_bool, parse_memory_bytes};

use crate::{Result, err};
use hashbrown::HashMap;
use std::sync::LazyLock;

/// Who may change a setting, and when (`pg_settings.context`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SettingContext {
    /// Never; shows a fact.
    Internal,
    /// At server start.
    Postmaster,
    /// By changing the configuration file and reloading.
    Sighup,
    /// At connection start by superusers.
    SuperuserBackend,
    /// Any time by superusers.
    Superuser,
    /// Any time by anyone.
    User,
}

impl SettingContext {
    /// As `pg_settings` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            SettingContext::Internal => "internal",
            SettingContext::Postmaster => "postmaster",
            SettingContext::Sighup => "sighup",
            SettingContext::SuperuserBackend => "superuser-backend",
            SettingContext::Superuser => "superuser",
            SettingContext::User => "user",
        }
    }
}

/// A numeric setting's base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    None,
    Bytes,
    Kilobytes,
    /// Pages of 8 kB.
    Blocks,
    Megabytes,
    Milliseconds,
    Seconds,
    Minutes,
}

impl Unit {
    /// As `pg_settings.unit` spells it.
    pub fn as_str(self) -> Option<&'static str> {
        Some(match self {
            Unit::None => return None,
            Unit::Bytes => "B",
            Unit::Kilobytes => "kB",
            Unit::Blocks => "8kB",
            Unit::Megabytes => "MB",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Minutes => "min",
        })
    }
}

/// A setting's type and limits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum SettingKind {
    Bool,
    Int { unit: Unit, min: i64, max: i64 },
    Real { unit: Unit, min: f64, max: f64 },
    Enum(&'static [&'static str]),
    Text,
}

/// What ends the `doc` of a setting that nothing reads.
pub const WITHOUT_EFFECT: &str = "Accepted for compatibility, without effect.";

/// A setting's definition.
#[derive(Clone, Copy, Debug)]
pub struct SettingDef {
    pub name: &'static str,
    pub kind: SettingKind,
    /// The default as text; servers may compute another at start ([`machine defaults`](crate::settings)).
    pub default: &'static str,
    pub context: SettingContext,
    /// `pg_settings.category`.
    pub category: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// Reported to clients by ParameterStatus when it changes.
    pub reported: bool,
}

impl SettingDef {
    /// Whether something reads it. Facts are only shown.
    pub fn has_effect(&self) -> bool {
        self.context != SettingContext::Internal && !self.doc.ends_with(WITHOUT_EFFECT)
    }
    /// Whether EXPLAIN's SETTINGS is about it: those that influence planning in PostgreSQL (`GUC_EXPLAIN`).
    pub fn influences_plans(&self) -> bool {
        let elsewhere = matches!(
            self.name,
            "work_mem"
                | "hash_mem_multiplier"
                | "temp_buffers"
                | "search_path"
                | "effective_io_concurrency"
                | "maintenance_io_concurrency"
                | "max_parallel_workers"
                | "max_parallel_workers_per_gather"
                | "parallel_leader_participation"
                | "force_parallel_mode"
        );
        elsewhere || self.category.starts_with("Query Tuning") && self.name != "default_statistics_target"
    }
}

const GROUPS: &[&[SettingDef]] = &[
    client::SETTINGS,
    planner::SETTINGS,
    server::SETTINGS,
    vacuum::SETTINGS,
    preset::SETTINGS,
    extension::SETTINGS,
    auto_explain::SETTINGS,
];

static BY_NAME: LazyLock<HashMap<String, (usize, &'static SettingDef)>> =
    LazyLock::new(|| all().enumerate().map(|(i, s)| (s.name.to_ascii_lowercase(), (i, s))).collect());

/// Every definition; a setting's index here is its number in [`Settings`].
pub fn all() -> impl Iterator<Item = &'static SettingDef> {
    GROUPS.iter().flat_map(|g| g.iter())
}

/// The definition called `name` (any case) and its number.
pub fn find(name: &str) -> Option<(usize, &'static SettingDef)> {
    if let Some(found) = BY_NAME.get(name) {
        return Some(*found);
    }
    BY_NAME.get(&name.to_ascii_lowercase()).copied()
}

/// 42704 for a name that is no setting.
pub fn unknown(name: &str) -> crate::Error {
    err!(UNDEFINED_OBJECT, "unrecognized configuration parameter \"{name}\"")
}

/// A full set of values: the server's, or a session's on top of it. Custom settings (`app.user_id`) are kept by name.
#[derive(Clone, Debug)]
pub struct Settings {
    values: Vec<SettingValue>,
    custom: HashMap<String, String>,
}

impl Default for Settings {
    fn default() -> Settings {
        let values = all().map(|d| d.parse(d.default).expect("defaults are valid")).collect();
        Settings { values, custom: HashMap::new() }
    }
}

impl Settings {
    /// The value of setting number `index`.
    pub fn value(&self, index: usize) -> &SettingValue {
        &self.values[index]
    }
    /// Checks and sets by name. Says nothing of who may: that is the caller's.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        match find(name) {
            Some((i, def)) => {
                self.values[i] = def.parse(text)?;
                Ok(())
            }
            None if is_custom_name(name) => {
                self.custom.insert(name.to_ascii_lowercase(), text.to_string());
                Ok(())
            }
            None => Err(unknown(name)),
        }
    }
    /// Puts a value back as it was (`None` removes a custom setting).
    pub fn restore(&mut self, name: &str, value: Option<SettingValue>) {
        match (find(name), value) {
            (Some((i, _)), Some(value)) => self.values[i] = value,
            (None, Some(SettingValue::Text(text))) => {
                self.custom.insert(name.to_ascii_lowercase(), text);
            }
            (None, _) => {
                self.custom.remove(&name.to_ascii_lowercase());
            }
            (Some(_), None) => {}
        }
    }
    /// The current value by name, typed; none for an unset custom or unknown name.
    pub fn get(&self, name: &str) -> Option<SettingValue> {
        match find(name) {
            Some((i, _)) => Some(self.values[i].clone()),
            None => self.custom.get(&name.to_ascii_lowercase()).map(|t| SettingValue::Text(t.clone())),
        }
    }
    /// As SHOW prints it.
    pub fn show(&self, name: &str) -> Option<String> {
        match find(name) {
            Some((i, def)) => Some(def.show(&self.values[i])),
            None => self.custom.get(&name.to_ascii_lowercase()).cloned(),
        }
    }
    /// A bool setting. Panics on names that aren't: they are written in code.
    pub fn bool(&self, name: &str) -> bool {
        match self.get(name) {
            Some(SettingValue::Bool(v)) => v,
            other => panic!("{name} is no bool setting: {other:?}"),
        }
    }
    /// An integer setting in its base unit.
    pub fn int(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(SettingValue::Int(v)) => v,
            other => panic!("{name} is no integer setting: {other:?}"),
        }
    }
    /// A real setting.
    pub fn real(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(SettingValue::Real(v)) => v,
            other => panic!("{name} is no real setting: {other:?}"),
        }
    }
    /// A text or enum setting.
    pub fn text(&self, name: &str) -> &str {
        match find(name) {
            Some((i, _)) => match &self.values[i] {
                SettingValue::Text(v) => v,
                other => panic!("{name} is no text setting: {other:?}"),
            },
            None => self.custom.get(name).map_or("", |t| t),
        }
    }
    /// A memory setting in bytes.
    pub fn bytes(&self, name: &str) -> u64 {
        let Some((i, def)) = find(name) else { panic!("{name} is no setting") };
        let SettingValue::Int(v) = self.values[i] else { panic!("{name} is no memory setting") };
        let SettingKind::Int { unit, .. } = def.kind else { panic!("{name} is no memory setting") };
        let scale = match unit {
            Unit::Kilobytes => 1 << 10,
            Unit::Blocks => 8 << 10,
            Unit::Megabytes => 1 << 20,
            _ => 1,
        };
        v.max(0) as u64 * scale
    }
    /// Names of the custom settings that are set.
    pub fn custom_names(&self) -> impl Iterator<Item = &str> {
        self.custom.keys().map(String::as_str)
    }
}

/// The text of `config/quarry.toml`: every setting that a file can set, with its meaning and default.
pub fn sample_file() -> String {
    let mut out = String::from(
        "# Every setting that quarry.toml in the data folder, `-c` or SET can change, with its default.\n\
         # Names, units and meanings are PostgreSQL's. Generated from crates/common/src/settings; `cargo xtask settings` writes it.\n\
         # shared_buffers and effective_cache_size are set from the machine's memory unless given: a quarter and three quarters.\n",
    );
    for group in GROUPS {
        let mut defs: Vec<&SettingDef> =
            group.iter().filter(|d| d.context != SettingContext::Internal).collect();
        defs.sort_by_key(|d| d.name.to_ascii_lowercase());
        if let Some(first) = defs.first() {
            out.push_str(&format!("\n# ---- {} ----\n", first.category));
        }
        for d in defs {
            let when = match d.context {
                SettingContext::Postmaster => " Needs a restart.",
                SettingContext::Sighup => " For the file and the command line only.",
                SettingContext::Superuser | SettingContext::SuperuserBackend => " Superusers only.",
                SettingContext::Internal | SettingContext::User => "",
            };
            let values = match d.kind {
                SettingKind::Enum(values) => format!(" One of: {}.", values.join(", ")),
                _ => String::new(),
            };
            let default = d.parse(d.default).map(|v| d.show(&v)).unwrap_or_default();
            out.push_str(&format!("\n# {}{values}{when}\n# {} = {default:?}\n", d.doc, d.name));
        }
    }
    out
}

/// Whether `name` can be a custom setting: identifiers joined by dots, two at least.
pub fn is_custom_name(name: &str) -> bool {
    let ident = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    };
    name.contains('.') && name.split('.').all(ident)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_sound() {
        let mut names: Vec<&str> = all().map(|d| d.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a setting is defined twice");
        for d in all() {
            d.parse(d.default).unwrap_or_else(|e| panic!("default of {}: {e}", d.name));
            assert!(!d.doc.is_empty());
        }
    }

    #[test]
    fn sample_file_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/quarry.toml");
        let written = std::fs::read_to_string(path).expect("config/quarry.toml is part of the project");
        assert!(written == sample_file(), "run `cargo xtask settings`");
    }

    #[test]
    fn shows_like_postgresql() {
        let mut s = Settings::default();
        assert_eq!(s.show("work_mem").as_deref(), Some("4MB"));
        s.set("work_mem", "1536kB").unwrap();
        assert_eq!(s.show("WORK_MEM").as_deref(), Some("1536kB"));
        s.set("statement_timeout", "30s").unwrap();
        assert_eq!(s.show("statement_timeout").as_deref(), Some("30s"));
        assert_eq!(s.int("statement_timeout"), 30_000);
        s.set("statement_timeout", "0").unwrap();
        assert_eq!(s.show("statement_timeout").as_deref(), Some("0"));
        let e = s.set("work_mem", "banana").unwrap_err();
        assert_eq!(e.message(), "invalid value for parameter \"work_mem\": \"banana\"");
        let e = s.set("default_transaction_isolation", "read_committed").unwrap_err();
        assert!(e.fields().hint.as_deref().unwrap().starts_with("Available values: serializable"));
        s.set("app.user", "7").unwrap();
        assert_eq!(s.show("app.user").as_deref(), Some("7"));
    }
}
