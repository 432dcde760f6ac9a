//! Commands that define, change and drop objects.
//!
//! Each takes a [`Ddl`]: the statement's context and a catalog writer of the same transaction. Catalog primitives put together
//! here are the commands; a failed one is undone with its transaction.

mod alter_column;
mod alter_other;
mod alter_table;
mod comment;
mod constraints;
mod create_table;
pub mod create_table_as;
mod drop;
mod extension;
mod index;
mod missing;
mod persistence;
mod rename;
mod renamed;
mod schema;
mod sequence;
mod statistics;
mod storage_parameters;
mod stored;
mod temporary;
mod text_search;
mod truncate;
mod types;
mod view;

pub use temporary::{drop_temp_schema, on_commit_actions};

use super::CommandOutcome;
use crate::portal::Portal;
use crate::query::StatementContext;
use crate::session::Session;
use quarry_catalog::{CatalogWriter, LockMode, Privilege, RelKind, Relation};
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_executor::ExecEnv;
use quarry_sql::ast::{self, RoleSpecKind, Statement};
use quarry_sql::bind::{self, BindContext};
use quarry_types::SqlType;
use std::cell::RefCell;
use std::sync::Arc;

/// Runs a command of this group.
pub fn run(s: &mut Session, stmt: &Statement, portal: &mut Portal) -> Result<CommandOutcome> {
    match stmt {
        Statement::CreateTable(c) => create_table::run(s, c)?,
        Statement::CreateTableAs(c) => return create_table_as::run(s, c, portal),
        Statement::Select(q) => return create_table_as::select_into(s, q, portal),
        Statement::CreateIndex(c) => index::run(s, c)?,
        Statement::CreateView(c) => view::run(s, c)?,
        Statement::CreateSchema(c) => schema::run(s, c, portal)?,
        Statement::CreateSequence(c) => sequence::create(s, c)?,
        Statement::AlterSequence(c) => sequence::alter(s, c)?,
        Statement::CreateEnum(c) => types::create_enum(s, c)?,
        Statement::AlterEnum(c) => types::alter_enum(s, c)?,
        Statement::CreateCompositeType(c) => types::create_composite(s, c)?,
        Statement::CreateDomain(c) => types::create_domain(s, c)?,
        Statement::AlterDomain(c) => types::alter_domain(s, c)?,
        Statement::CreateExtension(c) => extension::run(s, c, portal)?,
        Statement::Define(c) if text_search::makes(c.kind) => text_search::create(s, c)?,
        Statement::CreateStatistics(c) => statistics::create(s, c)?,
        Statement::AlterStatistics(c) => statistics::alter(s, c)?,
        Statement::AlterTextSearch(c) => text_search::alter(s, c)?,
        Statement::AlterTable(c) => alter_table::run(s, c)?,
        Statement::Drop(c) => drop::run(s, c)?,
        Statement::Rename(c) => rename::run(s, c)?,
        Statement::AlterOwner(c) => rename::owner(s, c)?,
        Statement::AlterObjectSchema(c) => rename::set_schema(s, c)?,
        Statement::Truncate(c) => truncate::run(s, c)?,
        Statement::Comment(c) => comment::run(s, c)?,
        other => return Err(super::unsupported(other)),
    }
    CommandOutcome::done(super::tag_of(stmt))
}

/// What a command works with.
pub(super) struct Ddl {
    pub st: StatementContext,
    pub w: CatalogWriter,
    /// Columns of tables that must turn out to have no NULL when the statement has done all else.
    pub not_null: RefCell<Vec<(Oid, usize)>>,
}

impl Ddl {
    pub fn new(s: &mut Session) -> Result<Ddl> {
        let st = s.statement_context()?;
        if let Some(temp) = st.session.temp_schema()
            && st.reader.schema(temp)?.is_none()
        {
            // The transaction that made it was rolled back.
            st.session.set_temp_schema(None);
            return Ddl::new(s);
        }
        let w = st.session.instance.catalog().writer(st.session.database.0, &st.txn, &st.session.view());
        Ok(Ddl { st, w, not_null: RefCell::default() })
    }
    /// Of a statement's context that is there already.
    pub fn of(st: StatementContext) -> Ddl {
        let session = &st.session;
        let w = session.instance.catalog().writer(session.database.0, &st.txn, &session.view());
        Ddl { st, w, not_null: RefCell::default() }
    }
    /// The current user.
    pub fn user(&self) -> Oid {
        self.w.session().user
    }
    pub fn notice(&self, e: Error) {
        self.st.session.push_notice(Severity::Notice, e);
    }
    /// An environment to read and write rows with, as of now.
    pub fn env(&self) -> ExecEnv {
        self.st.txn.advance_command();
        let mut env = self.st.exec_env(Arc::from([]), false);
        env.reader = Arc::new(self.w.reader().clone());
        env
    }
    /// Runs `f` with a binding context.
    pub fn with_binder<T>(&self, f: impl FnOnce(&BindContext<'_>) -> Result<T>) -> Result<T> {
        let io = quarry_types::io::IoContext { names: self.w.reader(), ..self.st.io.clone() };
        f(&BindContext { reader: self.w.reader(), io: &io, param_types: &[], params_allowed: false })
    }
    pub fn type_of(&self, name: &ast::TypeName) -> Result<SqlType> {
        self.with_binder(|cx| bind::resolve_type_name(name, cx))
    }
    /// The relation as it is now.
    pub fn relation(&self, oid: Oid) -> Result<Arc<Relation>> {
        self.w.relation(oid)?.ok_or_else(|| err!(UNDEFINED_TABLE, "relation with OID {oid} does not exist"))
    }
    /// The schema a new object goes to, with CREATE checked. Temporary objects go to the session's own schema.
    pub fn creation_schema(&mut self, schema: Option<&str>, temporary: bool, pos: ast::Pos) -> Result<Oid> {
        let own_temp = schema == Some("pg_temp");
        if temporary || own_temp {
            if let Some(name) = schema
                && !own_temp
                && self.w.schema_oid(name)? != self.st.session.temp_schema()
            {
                bail!(INVALID_TABLE_DEFINITION, "cannot create temporary relation in non-temporary schema");
            }
            return self.temp_schema();
        }
        let oid = match schema {
            Some(name) => self.w.resolve_schema(name, ast::error_position(pos)),
            None => self.w.creation_schema(),
        };
        let checked = oid.and_then(|oid| self.w.check_schema(oid, Privilege::Create).map(|()| oid));
        checked.map_err(|e| match ast::error_position(pos) {
            Some(p) => e.position(p),
            None => e,
        })
    }
    fn temp_schema(&mut self) -> Result<Oid> {
        self.st.session.made_temporary.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(oid) = self.st.session.temp_schema() {
            return Ok(oid);
        }
        let oid = self.w.temp_schema()?;
        self.st.session.set_temp_schema(Some(oid));
        // The search path has it from now on.
        let session = &self.st.session;
        self.w = session.instance.catalog().writer(session.database.0, &self.st.txn, &session.view());
        self.st.reader = Arc::new(self.w.reader().clone());
        session.set_reader(Some(self.st.reader.clone()));
        Ok(oid)
    }
    /// The role a role specification means.
    pub fn role(&self, spec: &ast::RoleSpec) -> Result<Oid> {
        match &spec.kind {
            RoleSpecKind::Name(n) => Ok(self.w.resolve_role(n)?.oid),
            RoleSpecKind::CurrentRole | RoleSpecKind::CurrentUser => Ok(self.user()),
            RoleSpecKind::SessionUser => Ok(self.w.session().session_user),
            RoleSpecKind::Public => bail!(UNDEFINED_OBJECT, "role \"public\" does not exist"),
        }
    }
    /// Locks a relation to change it. Its owner is asked before: nobody waits, or holds others up, for a lock that he may not have.
    pub fn lock_own<S: AsRef<str>>(&self, parts: &[S], mode: LockMode) -> Result<Arc<Relation>> {
        self.check_change(&*self.w.resolve_relation_strict(parts, None)?)?;
        let r = self.w.lock_relation(parts, None, mode)?;
        self.check_change(&r)?;
        Ok(r)
    }
    /// 42501 unless the relation is the user's and no system catalog.
    pub fn check_change(&self, r: &Relation) -> Result<()> {
        self.w.check_relation_owner(r)?;
        if r.is_catalog {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", r.name);
        }
        Ok(())
    }
}

/// For commands whose errors PostgreSQL reports without a place.
pub(super) fn without_position(mut e: Error) -> Error {
    e.fields_mut().position = None;
    e
}

/// A relation's name as parts.
pub(super) fn parts_of(r: &ast::RangeVar) -> Vec<String> {
    r.catalog.iter().chain(&r.schema).chain([&r.name]).cloned().collect()
}

/// 42809 naming what the relation is not.
pub(super) fn wrong_kind(r: &Relation, wanted: &str) -> Error {
    let article = if wanted.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    let e = err!(WRONG_OBJECT_TYPE, "\"{}\" is not {article} {wanted}", r.name);
    match r.kind {
        RelKind::Table => e.hint("Use DROP TABLE to remove a table."),
        RelKind::View => e.hint("Use DROP VIEW to remove a view."),
        RelKind::Index => e.hint("Use DROP INDEX to remove an index."),
        RelKind::Sequence => e.hint("Use DROP SEQUENCE to remove a sequence."),
        RelKind::MaterializedView => e.hint("Use DROP MATERIALIZED VIEW to remove a materialized view."),
        RelKind::CompositeType => e.hint("Use DROP TYPE to remove a type."),
        RelKind::Toast => e,
    }
}

/// A catalog's persistence for a statement's.
pub(super) fn persistence_of(p: ast::Persistence) -> quarry_catalog::Persistence {
    match p {
        ast::Persistence::Permanent => quarry_catalog::Persistence::Permanent,
        ast::Persistence::Unlogged => quarry_catalog::Persistence::Unlogged,
        ast::Persistence::Temporary => quarry_catalog::Persistence::Temporary,
    }
}

/// The catalog's drop behavior for a statement's.
pub(in crate::commands) fn behavior_of(b: ast::DropBehavior) -> quarry_catalog::DropBehavior {
    match b {
        ast::DropBehavior::Restrict => quarry_catalog::DropBehavior::Restrict,
        ast::DropBehavior::Cascade => quarry_catalog::DropBehavior::Cascade,
    }
}
