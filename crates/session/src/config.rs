//! The server's configuration as sessions reach it: ALTER SYSTEM, pg_reload_conf(), `pg_file_settings` (PostgreSQL: guc-file.l).
//!
//! Files are the server's business ([`ConfigFiles`]); what a reload means to settings and to running sessions is here.

use crate::instance::Instance;
use quarry_common::settings::{self, SettingContext, Settings};
use quarry_common::{Error, Result};
use std::sync::Arc;

/// One line of a configuration file.
#[derive(Clone, Debug)]
pub struct FileEntry {
    pub file: String,
    pub line: i32,
    pub name: String,
    pub value: String,
}

/// The configuration files of a server.
pub trait ConfigFiles: Send + Sync {
    /// ALTER SYSTEM SET; without a value RESET.
    fn set(&self, name: &str, value: Option<&str>) -> Result<()>;
    /// ALTER SYSTEM RESET ALL.
    fn reset_all(&self) -> Result<()>;
    /// All layers anew; the error of one wrong line stops it all.
    fn load(&self) -> Result<Settings>;
    /// The files' lines, those that later ones override too.
    fn entries(&self) -> Result<Vec<FileEntry>>;
}

/// What a reload changed.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// Setting and its new value.
    pub changed: Vec<(&'static str, String)>,
    /// Settings whose new value waits for a restart.
    pub pending: Vec<&'static str>,
}

impl Instance {
    /// The configuration files; 0A000 in a server that has none (tests of the library).
    pub fn config(&self) -> Result<Arc<dyn ConfigFiles>> {
        self.config_files().ok_or_else(|| Error::unsupported("ALTER SYSTEM on a server without files"))
    }

    /// Reads the files again. Running sessions take what they haven't set themselves before their next statement.
    pub fn reload(&self) -> Result<Reloaded> {
        let mut new = self.config()?.load()?;
        let old = self.settings();
        let mut done = Reloaded::default();
        for def in settings::all() {
            let (before, after) = (old.get(def.name), new.get(def.name));
            if before == after {
                continue;
            }
            if matches!(def.context, SettingContext::Postmaster | SettingContext::Internal) {
                new.restore(def.name, before);
                if def.context == SettingContext::Postmaster {
                    done.pending.push(def.name);
                }
                continue;
            }
            done.changed.push((def.name, new.show(def.name).unwrap_or_default()));
        }
        self.set_pending_restart(&done.pending);
        self.set_settings(new);
        Ok(done)
    }
}
