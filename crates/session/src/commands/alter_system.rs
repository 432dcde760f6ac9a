//! ALTER SYSTEM: settings written to the data folder (PostgreSQL: guc.c, AlterSystemSetConfigFile).

use super::{CommandOutcome, set};
use crate::session::Session;
use crate::settings_check;
use quarry_common::settings::{self, SettingContext, SettingDef};
use quarry_common::{Error, Result, bail, err};
use quarry_sql::ast::{SetKind, SetStatement};

/// Settings that only say what is, or that belong to one session or transaction.
const NOT_IN_FILES: &[&str] = &[
    "config_file",
    "data_directory",
    "hba_file",
    "is_superuser",
    "role",
    "seed",
    "session_authorization",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
];

pub fn run(s: &mut Session, stmt: &SetStatement) -> Result<CommandOutcome> {
    s.block.forbid_block("ALTER SYSTEM")?;
    let config = s.cx.instance.config()?;
    match &stmt.kind {
        SetKind::ResetAll => {
            if !s.cx.is_superuser() {
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied to perform ALTER SYSTEM RESET ALL");
            }
            config.reset_all()?;
        }
        SetKind::Value { name, values } => {
            let def = changeable(s, name)?;
            let text = set::joined(def.name, values)?;
            if text.contains('\n') {
                bail!(INVALID_PARAMETER_VALUE, "parameter value for ALTER SYSTEM must not contain a newline");
            }
            let checked = settings_check::normalise(def.name, &text, &s.cx.settings())?;
            def.parse(&checked)?;
            config.set(def.name, Some(&text))?;
        }
        SetKind::Default { name } | SetKind::Reset { name } => {
            let def = changeable(s, name)?;
            config.set(def.name, None)?;
        }
        SetKind::Current { .. }
        | SetKind::Transaction(_)
        | SetKind::SessionCharacteristics(_)
        | SetKind::Snapshot(_) => return Err(Error::unsupported("this form of ALTER SYSTEM")),
    }
    CommandOutcome::done("ALTER SYSTEM")
}

/// The setting, if the user may write it to the file.
fn changeable(s: &Session, name: &str) -> Result<&'static SettingDef> {
    if !s.cx.is_superuser() {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied to set parameter \"{name}\"");
    }
    let Some((_, def)) = settings::find(name) else { return Err(settings::unknown(name)) };
    if def.context == SettingContext::Internal || NOT_IN_FILES.contains(&def.name) {
        return Err(err!(CANT_CHANGE_RUNTIME_PARAM, "parameter \"{}\" cannot be changed", def.name));
    }
    Ok(def)
}
