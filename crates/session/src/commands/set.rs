//! SET, RESET, SHOW, SET ROLE, SET SESSION AUTHORIZATION.

use super::{CommandOutcome, transaction};
use crate::query::ResultColumn;
use crate::session::Session;
use crate::settings_check;
use crate::vars::SetScope;
use bytes::BytesMut;
use quarry_common::settings::{self, SettingContext};
use quarry_common::{Error, Result, Severity, err};
use quarry_functions::SessionEnv;
use quarry_sql::ast::{SetKind, SetStatement, SetValue, Show, TransactionMode};
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

pub fn set(s: &mut Session, stmt: &SetStatement, out: &mut BytesMut) -> Result<CommandOutcome> {
    s.ensure_transaction();
    let scope = if stmt.local { SetScope::Local } else { SetScope::Session };
    if stmt.local && !s.block.is_block() {
        let e = err!(NO_ACTIVE_SQL_TRANSACTION, "SET LOCAL can only be used in transaction blocks");
        s.cx.push_notice(Severity::Warning, e);
    }
    let superuser = s.cx.is_superuser();
    let changed = match &stmt.kind {
        SetKind::Value { name, values } => {
            let text = joined(name, values)?;
            assign(s, name, &text, scope, superuser)?;
            vec![name.clone()]
        }
        SetKind::Default { name } | SetKind::Reset { name } => {
            reset(s, name, scope, superuser)?;
            vec![name.clone()]
        }
        SetKind::Current { name } => {
            return Err(Error::unsupported(format_args!("SET {name} FROM CURRENT")));
        }
        SetKind::ResetAll => {
            s.cx.vars.lock().reset_all(superuser)?;
            settings::all().filter(|d| d.reported).map(|d| d.name.to_string()).collect()
        }
        SetKind::Transaction(modes) => {
            if !s.block.is_block() {
                let e =
                    err!(NO_ACTIVE_SQL_TRANSACTION, "SET TRANSACTION can only be used in transaction blocks");
                s.cx.push_notice(Severity::Warning, e);
            }
            transaction::set_modes(s, modes)?;
            return CommandOutcome::done("SET");
        }
        SetKind::SessionCharacteristics(modes) => {
            for m in modes {
                let (name, value) = match m {
                    TransactionMode::Isolation(l, _) => ("default_transaction_isolation", l.as_str()),
                    TransactionMode::ReadOnly(v, _) => {
                        ("default_transaction_read_only", if *v { "on" } else { "off" })
                    }
                    TransactionMode::Deferrable(v, _) => {
                        ("default_transaction_deferrable", if *v { "on" } else { "off" })
                    }
                };
                s.cx.vars.lock().set(name, value, SetScope::Session, superuser)?;
            }
            vec!["default_transaction_read_only".into()]
        }
        SetKind::Snapshot(_) if stmt.local => {
            return Err(err!(FEATURE_NOT_SUPPORTED, "SET LOCAL TRANSACTION SNAPSHOT is not implemented"));
        }
        SetKind::Snapshot(name) => {
            if !s.block.is_block() {
                let e =
                    err!(NO_ACTIVE_SQL_TRANSACTION, "SET TRANSACTION can only be used in transaction blocks");
                s.cx.push_notice(Severity::Warning, e);
            }
            crate::exported::import(s, name)?;
            vec![]
        }
    };
    s.report_settings(&changed, out);
    let tag = match stmt.kind {
        SetKind::Reset { .. } | SetKind::ResetAll => "RESET",
        _ => "SET",
    };
    CommandOutcome::done(tag)
}

/// The list of values as one text.
pub fn joined(name: &str, values: &[SetValue]) -> Result<String> {
    let is_list = matches!(
        name,
        "search_path"
            | "datestyle"
            | "temp_tablespaces"
            | "session_preload_libraries"
            | "local_preload_libraries"
    );
    if values.len() > 1 && !is_list {
        return Err(err!(INVALID_PARAMETER_VALUE, "SET {name} takes only one argument"));
    }
    let mut parts = vec![];
    for v in values {
        parts.push(match v {
            SetValue::String(text) if name == "search_path" => quoted_if_needed(text),
            SetValue::String(text) | SetValue::Float(text) => text.clone(),
            SetValue::Integer(i) => i.to_string(),
            SetValue::Interval(e) => settings_check::interval_zone(e)?,
        });
    }
    Ok(parts.join(", "))
}

/// Names in a list keep their quotes where they need them.
fn quoted_if_needed(name: &str) -> String {
    quarry_catalog::quote_identifier(name)
}

fn assign(s: &mut Session, name: &str, text: &str, scope: SetScope, superuser: bool) -> Result<()> {
    match name.to_ascii_lowercase().as_str() {
        "role" => return set_role(s, text, scope),
        "session_authorization" => return set_session_authorization(s, text, scope),
        "transaction_isolation" | "transaction_read_only" | "transaction_deferrable" => {
            return set_transaction_fact(s, name, text);
        }
        _ => {}
    }
    let text = match name.eq_ignore_ascii_case("default_text_search_config") {
        true => crate::text_search::checked_setting(&s.statement_context()?.reader, text)?,
        false => settings_check::normalise(name, text, &s.cx.settings())?,
    };
    s.cx.vars.lock().set(name, &text, scope, superuser)
}

/// `SET transaction_isolation = ...` is SET TRANSACTION.
fn set_transaction_fact(s: &mut Session, name: &str, text: &str) -> Result<()> {
    use quarry_sql::ast::{IsolationLevel as L, NO_POS};
    let Some((_, def)) = settings::find(name) else { return Err(settings::unknown(name)) };
    let value = def.show(&def.parse(text)?);
    let mode = match (def.name, value.as_str()) {
        ("transaction_isolation", "serializable") => TransactionMode::Isolation(L::Serializable, NO_POS),
        ("transaction_isolation", "repeatable read") => TransactionMode::Isolation(L::RepeatableRead, NO_POS),
        ("transaction_isolation", "read uncommitted") => {
            TransactionMode::Isolation(L::ReadUncommitted, NO_POS)
        }
        ("transaction_isolation", _) => TransactionMode::Isolation(L::ReadCommitted, NO_POS),
        ("transaction_read_only", v) => TransactionMode::ReadOnly(v == "on", NO_POS),
        (_, v) => TransactionMode::Deferrable(v == "on", NO_POS),
    };
    transaction::set_modes(s, &[mode])
}

fn reset(s: &mut Session, name: &str, scope: SetScope, superuser: bool) -> Result<()> {
    match name.to_ascii_lowercase().as_str() {
        "role" => return set_role(s, "none", scope),
        "session_authorization" => {
            let own = s.cx.authenticated_user.1.clone();
            return set_session_authorization(s, &own, scope);
        }
        _ => {}
    }
    s.cx.vars.lock().reset(name, scope, superuser)
}

fn set_role(s: &mut Session, name: &str, scope: SetScope) -> Result<()> {
    if name != "none" {
        let st = s.statement_context()?;
        let role = match st.reader.role_named(name)? {
            Some(r) => r,
            None => return Err(err!(INVALID_PARAMETER_VALUE, "role \"{name}\" does not exist")),
        };
        let me = SessionEnv::session_user(&*s.cx).0;
        if !st.reader.is_superuser(me)? && !st.reader.is_member_of(me, role.oid)? {
            return Err(err!(INSUFFICIENT_PRIVILEGE, "permission denied to set role \"{name}\""));
        }
    }
    s.cx.vars.lock().set("role", name, scope, true)?;
    follow_role(s);
    Ok(())
}

fn set_session_authorization(s: &mut Session, name: &str, scope: SetScope) -> Result<()> {
    let st = s.statement_context()?;
    let own = &s.cx.authenticated_user;
    let name = if name == "default" { own.1.clone() } else { name.to_string() };
    let Some(role) = st.reader.role_named(&name)? else {
        return Err(err!(INVALID_PARAMETER_VALUE, "role \"{name}\" does not exist"));
    };
    if role.oid != own.0 && !st.reader.is_superuser(own.0)? {
        return Err(err!(INSUFFICIENT_PRIVILEGE, "permission denied to set session authorization"));
    }
    let mut vars = s.cx.vars.lock();
    vars.set("session_authorization", &name, scope, true)?;
    vars.set("role", "none", scope, true)?;
    drop(vars);
    follow_role(s);
    Ok(())
}

/// Makes session and current user what the settings `session_authorization` and `role` say.
pub fn follow_role(s: &mut Session) {
    let settings = s.cx.settings();
    let session = settings.text("session_authorization").to_string();
    let role = settings.text("role");
    let name = if role == "none" { session.clone() } else { role.to_string() };
    let now = &*s.cx;
    let same_session = session.is_empty() || SessionEnv::session_user(now).1 == session;
    if same_session && (name.is_empty() || SessionEnv::current_user(now).1 == name) {
        return;
    }
    // The session's transaction may just have ended; one that this began would go on into the next statement.
    let txn = match s.block.txn() {
        Some(txn) => txn.clone(),
        None => Arc::new(s.cx.instance.storage().begin(quarry_storage::IsolationLevel::ReadCommitted)),
    };
    let superuser = quarry_catalog::SessionView::superuser();
    let reader = s.cx.instance.catalog().reader(s.cx.database.0, &txn, &superuser);
    if !same_session && let Ok(Some(r)) = reader.role_named(&session) {
        s.cx.set_session_user(r.oid, &r.name);
    }
    if let Ok(Some(r)) = reader.role_named(&name) {
        s.cx.set_current_user(r.oid, &r.name, r.superuser);
        let shown = if r.superuser { "on" } else { "off" };
        s.cx.vars.lock().set_fact("is_superuser", shown);
    }
}

pub fn show_columns(s: &mut Session, show: &Show) -> Result<Vec<ResultColumn>> {
    if show.name.eq_ignore_ascii_case("all") {
        return Ok(["name", "setting", "description"].map(|n| (n.to_string(), SqlType::TEXT, None)).to_vec());
    }
    let name = match settings::find(&show.name) {
        Some((_, def)) => def.name.to_string(),
        None if s.cx.settings().get(&show.name).is_some() => show.name.clone(),
        None => return Err(settings::unknown(&show.name)),
    };
    Ok(vec![(name, SqlType::TEXT, None)])
}

pub fn show(s: &mut Session, show: &Show) -> Result<CommandOutcome> {
    s.ensure_transaction();
    let settings = s.cx.settings();
    if show.name.eq_ignore_ascii_case("all") {
        let mut defs: Vec<_> =
            settings::all().filter(|d| d.context != SettingContext::Internal || d.name != "role").collect();
        defs.sort_by_key(|d| d.name.to_ascii_lowercase());
        let rows = defs
            .iter()
            .map(|d| [d.name, &settings.show(d.name).unwrap_or_default(), d.doc].map(Datum::text).to_vec())
            .collect();
        return Ok(CommandOutcome::Rows { rows, tag: "SHOW".into() });
    }
    let value = match show.name.to_ascii_lowercase().as_str() {
        "transaction_isolation" => match s.block.modes.isolation {
            quarry_storage::txn::IsolationLevel::ReadUncommitted => "read uncommitted".to_string(),
            quarry_storage::txn::IsolationLevel::ReadCommitted => "read committed".to_string(),
            quarry_storage::txn::IsolationLevel::RepeatableRead => "repeatable read".to_string(),
            quarry_storage::txn::IsolationLevel::Serializable => "serializable".to_string(),
        },
        "transaction_read_only" => if s.block.modes.read_only { "on" } else { "off" }.to_string(),
        name => settings.show(name).ok_or_else(|| settings::unknown(&show.name))?,
    };
    Ok(CommandOutcome::Rows { rows: vec![vec![Datum::text(&value)]], tag: "SHOW".into() })
}
