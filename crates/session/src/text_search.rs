//! Text search configurations as a session uses them: made once and kept while the schema stays, and the setting that names one.

use parking_lot::Mutex;
use quarry_catalog::{CatalogReader, TsObject, quote_qualified};
use quarry_common::{CommandId, Oid, Result, SqlState, Xid, err};
use quarry_functions::text_search::Config;
use quarry_functions::text_search::dictionary::Dictionary;
use quarry_types::ObjectNames;
use quarry_types::io::RegKind;
use std::collections::HashMap;
use std::sync::Arc;

/// The schema that something was made under: a version, and within a transaction that has changed it the moment.
type Made = (u64, Option<(Xid, CommandId, u64)>);

/// What was made under one schema.
#[derive(Default)]
struct Kept {
    made: Made,
    configs: HashMap<Oid, Arc<Config>>,
    dictionaries: HashMap<Oid, Arc<Dictionary>>,
    /// By the setting's text.
    named: HashMap<String, Oid>,
}

/// A session's configurations and dictionaries.
#[derive(Default)]
pub struct TextSearch {
    kept: Mutex<Kept>,
}

/// More names than a session uses; then all is forgotten.
const NAMES_MAX: usize = 64;

impl TextSearch {
    fn kept<T>(
        &self,
        reader: &CatalogReader,
        get: impl Fn(&Kept) -> Option<T>,
        put: impl FnOnce(&mut Kept, &T),
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        // What a transaction changed itself is kept for the moment only: it may be rolled back.
        let moment = match reader.has_own_ddl() {
            true => match reader.own_moment() {
                None => return make(),
                moment => moment,
            },
            false => None,
        };
        let now = (reader.schema_version(), moment);
        {
            let mut kept = self.kept.lock();
            if kept.made != now || kept.named.len() > NAMES_MAX {
                *kept = Kept { made: now, ..Kept::default() };
            }
            if let Some(found) = get(&kept) {
                return Ok(found);
            }
        }
        let made = make()?;
        let mut kept = self.kept.lock();
        if kept.made == now {
            put(&mut kept, &made);
        }
        Ok(made)
    }

    pub fn config(&self, reader: &CatalogReader, oid: Oid) -> Result<Arc<Config>> {
        self.kept(
            reader,
            |k| k.configs.get(&oid).cloned(),
            |k, c| {
                k.configs.insert(oid, c.clone());
            },
            || reader.ts_config(oid),
        )
    }
    pub fn dictionary(&self, reader: &CatalogReader, oid: Oid) -> Result<Arc<Dictionary>> {
        self.kept(
            reader,
            |k| k.dictionaries.get(&oid).cloned(),
            |k, d| {
                k.dictionaries.insert(oid, d.clone());
            },
            || reader.ts_dictionary(oid),
        )
    }
    /// The configuration that the setting's text names.
    pub fn named(&self, reader: &CatalogReader, name: &str) -> Result<Oid> {
        self.kept(
            reader,
            |k| k.named.get(name).copied(),
            |k, oid| {
                k.named.insert(name.to_owned(), *oid);
            },
            || reader.reg_in(RegKind::Config, name),
        )
    }
}

/// `default_text_search_config` as SET keeps it: qualified, so that it means the same under any search path.
pub fn checked_setting(reader: &CatalogReader, text: &str) -> Result<String> {
    let oid = reader.reg_in(RegKind::Config, text).map_err(|e| match e.sqlstate() {
        SqlState::UNDEFINED_OBJECT | SqlState::UNDEFINED_SCHEMA => {
            err!(
                INVALID_PARAMETER_VALUE,
                "invalid value for parameter \"default_text_search_config\": \"{text}\""
            )
        }
        _ => e,
    })?;
    match reader.ts_name(TsObject::Configuration, oid)? {
        Some((name, schema)) => {
            let schema = reader.schema(schema)?.map(|s| s.name.clone()).unwrap_or_default();
            Ok(quote_qualified(&schema, &name))
        }
        None => Ok(text.to_owned()),
    }
}
