//! Databases (PostgreSQL: commands/dbcommands.c).

use super::role::{stored_setting, writer};
use super::{CommandOutcome, tag_of};
use crate::query::StatementContext;
use crate::server_functions::SIGNAL_BACKEND_ROLE;
use crate::session::Session;
use crate::signals::Backend;
use quarry_catalog::{DatabaseDef, NewDatabase};
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_sql::ast::{self, DefArg, DefElem, Statement};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long DROP DATABASE WITH (FORCE) and others wait for sessions to go.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

pub fn run(s: &mut Session, stmt: &Statement) -> Result<CommandOutcome> {
    match stmt {
        Statement::CreateDatabase(c) => create(s, c)?,
        Statement::DropDatabase(d) => drop_database(s, d)?,
        Statement::AlterDatabase(a) => alter(s, a)?,
        Statement::AlterDatabaseSet(a) => {
            let st = s.statement_context()?;
            let db = find(&st, &a.name)?;
            st.reader.check_owner(db.owner, "database", &db.name)?;
            let (name, value) = stored_setting(s, &a.setting)?;
            writer(&st).set_role_setting(db.oid, Oid::INVALID, name.as_deref(), value.as_deref())?;
        }
        other => return Err(super::unsupported(other)),
    }
    CommandOutcome::done(tag_of(stmt))
}

fn find(st: &StatementContext, name: &str) -> Result<Arc<DatabaseDef>> {
    match st.reader.database_named(name)? {
        Some(d) => Ok(d),
        None => Err(err!(UNDEFINED_DATABASE, "database \"{name}\" does not exist")),
    }
}

/// The text of an option; none: DEFAULT.
fn text(e: &DefElem) -> Option<String> {
    match &e.arg {
        Some(DefArg::String(s) | DefArg::Float(s)) => Some(s.clone()),
        Some(DefArg::Integer(i)) => Some(i.to_string()),
        Some(DefArg::Boolean(b)) => Some(b.to_string()),
        Some(DefArg::Names(n)) => Some(n.join(".")),
        Some(DefArg::Type(t)) => t.names.last().cloned(),
        _ => None,
    }
}

fn unknown_option(e: &DefElem) -> Error {
    let error = err!(SYNTAX_ERROR, "option \"{}\" not recognized", e.name);
    match ast::error_position(e.pos) {
        Some(p) => error.position(p),
        None => error,
    }
}

fn limit(e: &DefElem) -> Result<i32> {
    match text(e) {
        None => Ok(-1),
        Some(t) => match t.parse() {
            Ok(n) if n >= -1 => Ok(n),
            _ => Err(err!(INVALID_PARAMETER_VALUE, "invalid connection limit: {t}")),
        },
    }
}

/// Sessions in a database, besides this one.
fn others_in(s: &Session, db: Oid) -> Vec<Arc<crate::signals::Signals>> {
    let mine = s.cx.signals.pid;
    let all = s.cx.instance.sessions().all();
    all.into_iter().filter(|o| o.pid != mine && o.activity.lock().database == db).collect()
}

/// Prepared transactions of a database.
fn prepared_in(s: &Session, db: Oid) -> usize {
    s.cx.instance.storage().prepared().list().iter().filter(|p| p.database == db).count()
}

/// Waits a little for sessions that are just leaving; how many stay.
fn wait_for_others(s: &Session, db: Oid) -> Result<usize> {
    let end = Instant::now() + LEAVE_TIMEOUT;
    quarry_common::wait::blocking(|| {
        loop {
            let others = others_in(s, db);
            let count = others.len();
            // Autovacuum makes way.
            for o in others.iter().filter(|o| o.activity.lock().backend == Backend::AutovacuumWorker) {
                o.terminate();
            }
            if count == 0 || Instant::now() >= end {
                return Ok(count);
            }
            quarry_functions::SessionEnv::check_cancelled(&*s.cx)?;
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

fn in_use(what: &str, name: &str, count: usize, prepared: usize) -> Error {
    let detail = match (count, prepared) {
        (1, 0) => "There is 1 other session using the database.".to_string(),
        (n, 0) => format!("There are {n} other sessions using the database."),
        (0, 1) => "There is 1 prepared transaction using the database.".to_string(),
        (0, n) => format!("There are {n} prepared transactions using the database."),
        (n, m) => {
            format!("There are {n} other session(s) and {m} prepared transaction(s) using the database.")
        }
    };
    err!(OBJECT_IN_USE, "{what} \"{name}\" is being accessed by other users").detail(detail)
}

/// 55006 if other sessions are connected to the database.
pub(super) fn check_unused(s: &Session, db: Oid, name: &str) -> Result<()> {
    let count = wait_for_others(s, db)?;
    match (count, prepared_in(s, db)) {
        (0, 0) => Ok(()),
        (_, prepared) => Err(in_use("database", name, count, prepared)),
    }
}

fn create(s: &mut Session, c: &ast::CreateDatabase) -> Result<()> {
    s.block.forbid_block("CREATE DATABASE")?;
    let st = s.statement_context()?;
    let me = st.reader.session().user;
    let mut template = "template1".to_string();
    let mut new = NewDatabase::new(&c.name, me);
    for e in &c.options {
        match e.name.as_str() {
            "owner" => {
                if let Some(name) = text(e) {
                    new.owner = st.reader.resolve_role(&name)?.oid;
                }
            }
            "template" => template = text(e).unwrap_or(template),
            "encoding" => {
                if let Some(name) = text(e) {
                    let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
                    if !matches!(plain.as_str(), "utf8" | "unicode" | "6") {
                        return Err(Error::unsupported(format_args!("database encoding {name}")));
                    }
                }
            }
            "is_template" => new.is_template = super::copy::boolean_option(e)?,
            "allow_connections" => new.allow_connections = super::copy::boolean_option(e)?,
            "connection_limit" => new.connection_limit = limit(e)?,
            "lc_collate" | "lc_ctype" | "locale" | "locale_provider" | "icu_locale" => {
                let name = text(e).unwrap_or_default().to_ascii_lowercase();
                let known = ["", "c", "posix", "c.utf-8", "c.utf8", "en_us.utf-8", "en_us.utf8", "libc"];
                if !known.contains(&name.as_str()) {
                    return Err(Error::unsupported(format_args!("database locale {name}")));
                }
            }
            "strategy" | "collation_version" => {}
            "tablespace" => {
                if text(e).is_some_and(|t| t != "pg_default") {
                    return Err(Error::unsupported("CREATE DATABASE with TABLESPACE"));
                }
            }
            _ => return Err(unknown_option(e)),
        }
    }
    let role = st.reader.role(me)?;
    if !role.as_ref().is_some_and(|r| r.superuser || r.create_db) {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied to create database");
    }
    if !st.reader.is_member_of(me, new.owner)? {
        bail!(INSUFFICIENT_PRIVILEGE, "must be member of role \"{}\"", st.reader.role_name(new.owner)?);
    }
    if st.reader.database_named(&c.name)?.is_some() {
        bail!(DUPLICATE_DATABASE, "database \"{}\" already exists", c.name);
    }
    let Some(source) = st.reader.database_named(&template)? else {
        bail!(UNDEFINED_DATABASE, "template database \"{template}\" does not exist");
    };
    if !source.is_template && !st.reader.owns(source.owner)? {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied to copy database \"{template}\"");
    }
    new.template = source.oid;
    let (count, prepared) = (wait_for_others(s, source.oid)?, prepared_in(s, source.oid));
    if count + prepared > 0 {
        return Err(in_use("source database", &template, count, prepared));
    }
    writer(&st).create_database(&new)?;
    Ok(())
}

fn drop_database(s: &mut Session, d: &ast::DropDatabase) -> Result<()> {
    s.block.forbid_block("DROP DATABASE")?;
    let st = s.statement_context()?;
    let Some(db) = st.reader.database_named(&d.name)? else {
        if d.if_exists {
            let e = err!(SUCCESSFUL_COMPLETION, "database \"{}\" does not exist, skipping", d.name);
            s.cx.push_notice(Severity::Notice, e);
            return Ok(());
        }
        bail!(UNDEFINED_DATABASE, "database \"{}\" does not exist", d.name);
    };
    st.reader.check_owner(db.owner, "database", &db.name)?;
    if db.is_template {
        bail!(WRONG_OBJECT_TYPE, "cannot drop a template database");
    }
    if db.oid == s.cx.database.0 {
        bail!(OBJECT_IN_USE, "cannot drop the currently open database");
    }
    if d.options.iter().any(|o| o.name == "force") {
        terminate_others(s, &st, db.oid, &db.name)?;
    }
    check_unused(s, db.oid, &db.name)?;
    writer(&st).drop_database(db.oid)
}

/// WITH (FORCE): ends the sessions of others there, if the user may end all of them. Nobody can end prepared transactions so.
fn terminate_others(s: &Session, st: &StatementContext, db: Oid, name: &str) -> Result<()> {
    let prepared = prepared_in(s, db);
    if prepared > 0 {
        let text = match prepared {
            1 => "There is 1 prepared transaction using the database.".to_string(),
            n => format!("There are {n} prepared transactions using the database."),
        };
        return Err(
            err!(OBJECT_IN_USE, "database \"{name}\" is being used by prepared transactions").detail(text)
        );
    }
    let me = st.reader.session().user;
    let others = others_in(s, db);
    for other in &others {
        let user = other.activity.lock().user;
        if st.reader.is_superuser(user)? && !st.reader.is_superuser(me)? {
            bail!(INSUFFICIENT_PRIVILEGE, "must be a superuser to terminate superuser process");
        }
        if !st.reader.has_privileges_of(me, user)? && !st.reader.has_privileges_of(me, SIGNAL_BACKEND_ROLE)? {
            bail!(
                INSUFFICIENT_PRIVILEGE,
                "must be a member of the role whose process is being terminated or member of pg_signal_backend"
            );
        }
    }
    others.iter().for_each(|o| o.terminate());
    Ok(())
}

fn alter(s: &mut Session, a: &ast::AlterDatabase) -> Result<()> {
    let st = s.statement_context()?;
    let db = find(&st, &a.name)?;
    st.reader.check_owner(db.owner, "database", &db.name)?;
    let (mut template, mut allow, mut connections) = (None, None, None);
    for e in &a.options {
        match e.name.as_str() {
            "is_template" => template = Some(super::copy::boolean_option(e)?),
            "allow_connections" => allow = Some(super::copy::boolean_option(e)?),
            "connection_limit" => connections = Some(limit(e)?),
            "tablespace" => return Err(Error::unsupported("ALTER DATABASE SET TABLESPACE")),
            _ => return Err(unknown_option(e)),
        }
    }
    if allow == Some(false) && db.oid == s.cx.database.0 {
        bail!(INVALID_PARAMETER_VALUE, "cannot disallow connections for current database");
    }
    writer(&st).alter_database(db.oid, template, allow, connections)
}
