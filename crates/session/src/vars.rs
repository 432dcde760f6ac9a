//! A session's settings: SET, SET LOCAL, RESET, and their undoing when a transaction or savepoint rolls back.

use crate::digest::Digest;
use quarry_common::settings::{self, SettingContext, SettingValue, Settings};
use quarry_common::{Result, err};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a value comes from (`pg_settings.source`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetScope {
    Session,
    /// Until the transaction's end.
    Local,
}

struct Undo {
    name: String,
    old: Option<SettingValue>,
    /// SET LOCAL: undone at commit too.
    local: bool,
}

/// The settings of one session. Values are shared with the server's until the first SET.
pub struct SessionVars {
    current: Arc<Settings>,
    /// What RESET goes back to: the server's values, then the database's and role's, then the start-up packet's.
    reset: Arc<Settings>,
    undo: Vec<Undo>,
    /// Counts changes, so that derived state knows when to look again; read without the lock too.
    version: Arc<AtomicU64>,
    /// What every statement asks, as of that version.
    digest: Option<(u64, Digest)>,
}

impl SessionVars {
    pub fn new(base: Arc<Settings>) -> SessionVars {
        SessionVars {
            current: base.clone(),
            reset: base,
            undo: vec![],
            version: Arc::new(AtomicU64::new(1)),
            digest: None,
        }
    }
    pub fn current(&self) -> &Arc<Settings> {
        &self.current
    }
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }
    /// Where changes are counted.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        self.version.clone()
    }
    /// What every statement asks.
    pub fn digest(&mut self) -> &Digest {
        let (version, current) = (self.version(), &self.current);
        if self.digest.as_ref().is_none_or(|(of, _)| *of != version) {
            self.digest = None;
        }
        &self.digest.get_or_insert_with(|| (version, Digest::of(current))).1
    }
    fn changed(&mut self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }
    /// Sets a value that RESET goes back to (start-up packet, ALTER ROLE SET).
    pub fn set_default(&mut self, name: &str, text: &str) -> Result<()> {
        check_allowed(name, true, true)?;
        Arc::make_mut(&mut self.reset).set(name, text)?;
        self.current = self.reset.clone();
        self.changed();
        Ok(())
    }
    /// The server's settings were reloaded: takes what the session, its role and its database haven't set. Names that changed.
    pub fn rebase(&mut self, old: &Settings, new: &Settings) -> Vec<String> {
        let mut names = vec![];
        for def in settings::all() {
            let (before, after) = (old.get(def.name), new.get(def.name));
            let reset = self.reset.get(def.name);
            if before == after || reset != before {
                continue;
            }
            let follows = self.current.get(def.name) == reset;
            Arc::make_mut(&mut self.reset).restore(def.name, after.clone());
            if follows {
                Arc::make_mut(&mut self.current).restore(def.name, after);
                self.changed();
                names.push(def.name.to_string());
            }
        }
        names
    }
    /// SET and SET LOCAL.
    pub fn set(&mut self, name: &str, text: &str, scope: SetScope, superuser: bool) -> Result<()> {
        check_allowed(name, superuser, false)?;
        let old = self.current.get(name);
        Arc::make_mut(&mut self.current).set(name, text)?;
        self.undo.push(Undo { name: name.to_string(), old, local: scope == SetScope::Local });
        self.changed();
        Ok(())
    }
    /// Sets without checks or undo: facts such as `transaction_isolation`, `role`.
    pub fn set_fact(&mut self, name: &str, text: &str) {
        if self.current.show(name).as_deref() != Some(text)
            && Arc::make_mut(&mut self.current).set(name, text).is_ok()
        {
            self.changed();
        }
    }
    /// The value RESET would give.
    pub fn reset_value(&self, name: &str) -> Option<String> {
        self.reset.show(name)
    }
    /// RESET name.
    pub fn reset(&mut self, name: &str, scope: SetScope, superuser: bool) -> Result<()> {
        check_allowed(name, superuser, false)?;
        match self.reset.show(name) {
            Some(text) => self.set(name, &text, scope, superuser),
            // A custom setting that had a value keeps existing, empty.
            None if self.current.get(name).is_some() => self.set(name, "", scope, superuser),
            None => Err(settings::unknown(name)),
        }
    }
    /// RESET ALL: every setting the session may change.
    pub fn reset_all(&mut self, superuser: bool) -> Result<()> {
        let names: Vec<&'static str> = settings::all()
            .filter(|d| {
                d.context == SettingContext::User || d.context == SettingContext::Superuser && superuser
            })
            .map(|d| d.name)
            .filter(|n| {
                !matches!(*n, "transaction_isolation" | "transaction_read_only" | "transaction_deferrable")
            })
            .filter(|n| !matches!(*n, "session_authorization" | "role"))
            .filter(|n| self.current.get(n) != self.reset.get(n))
            .collect();
        for name in names {
            self.reset(name, SetScope::Session, superuser)?;
        }
        Ok(())
    }
    /// A mark to roll back to.
    pub fn mark(&self) -> usize {
        self.undo.len()
    }
    /// Undoes every change since `mark`; names that changed.
    pub fn rollback_to(&mut self, mark: usize) -> Vec<String> {
        let undone = self.undo.split_off(mark.min(self.undo.len()));
        let mut names = vec![];
        for u in undone.into_iter().rev() {
            Arc::make_mut(&mut self.current).restore(&u.name, u.old);
            self.changed();
            names.push(u.name);
        }
        names
    }
    /// At commit: SET LOCAL values go, the rest stays. Names that changed.
    pub fn commit(&mut self) -> Vec<String> {
        let undo = std::mem::take(&mut self.undo);
        let mut names = vec![];
        for (i, u) in undo.iter().enumerate().rev() {
            // A plain SET after the SET LOCAL in the same transaction stands.
            let set_later =
                undo[i + 1..].iter().any(|later| !later.local && later.name.eq_ignore_ascii_case(&u.name));
            if u.local && !set_later {
                Arc::make_mut(&mut self.current).restore(&u.name, u.old.clone());
                self.changed();
                names.push(u.name.clone());
            }
        }
        names
    }
}

/// 55P02 or 42501 for settings that can't be changed now or by this user; 42704 for unknown ones.
pub(crate) fn check_allowed(name: &str, superuser: bool, at_start: bool) -> Result<()> {
    let Some((_, def)) = settings::find(name) else {
        return if settings::is_custom_name(name) { Ok(()) } else { Err(settings::unknown(name)) };
    };
    let name = def.name;
    match def.context {
        SettingContext::Internal => {
            Err(err!(CANT_CHANGE_RUNTIME_PARAM, "parameter \"{name}\" cannot be changed"))
        }
        SettingContext::Postmaster => Err(err!(
            CANT_CHANGE_RUNTIME_PARAM,
            "parameter \"{name}\" cannot be changed without restarting the server"
        )),
        SettingContext::Sighup => {
            Err(err!(CANT_CHANGE_RUNTIME_PARAM, "parameter \"{name}\" cannot be changed now"))
        }
        SettingContext::SuperuserBackend if !at_start => {
            Err(err!(CANT_CHANGE_RUNTIME_PARAM, "parameter \"{name}\" cannot be set after connection start"))
        }
        SettingContext::Superuser if !superuser => {
            Err(err!(INSUFFICIENT_PRIVILEGE, "permission denied to set parameter \"{name}\""))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_values_end_with_the_transaction() {
        let mut v = SessionVars::new(Arc::default());
        v.set("work_mem", "8MB", SetScope::Session, true).unwrap();
        v.commit();
        v.set("work_mem", "16MB", SetScope::Local, true).unwrap();
        v.set("app.x", "1", SetScope::Local, true).unwrap();
        assert_eq!(v.current().show("work_mem").unwrap(), "16MB");
        v.commit();
        assert_eq!(v.current().show("work_mem").unwrap(), "8MB");
        assert_eq!(v.current().show("app.x"), None);
        let mark = v.mark();
        v.set("work_mem", "1MB", SetScope::Session, true).unwrap();
        v.rollback_to(mark);
        assert_eq!(v.current().show("work_mem").unwrap(), "8MB");
        v.reset("work_mem", SetScope::Session, true).unwrap();
        assert_eq!(v.current().show("work_mem").unwrap(), "4MB");
        assert_eq!(v.set("fsync", "off", SetScope::Session, true).unwrap_err().sqlstate().as_str(), "55P02");
        assert_eq!(v.set("nonsense", "1", SetScope::Session, true).unwrap_err().sqlstate().as_str(), "42704");
    }
}
