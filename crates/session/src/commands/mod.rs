//! Everything that isn't a query, one file per object or topic (PostgreSQL: utility.c, commands/).
//!
//! [`run`] dispatches. A command gets the session, reads and changes the catalog through its `CatalogReader` and `CatalogWriter`,
//! and answers a [`CommandOutcome`]. What isn't there answers 0A000 by name ([`unsupported`]).

mod alter_system;
mod concurrently;
pub mod copy;
pub mod cursor;
pub mod database;
pub mod ddl;
pub mod discard;
pub mod explain;
pub mod load;
pub mod lock;
pub mod maintenance;
mod owned;
pub mod prepare;
pub mod role;
pub mod set;
mod tags;
pub mod transaction;
pub mod two_phase;

pub use tags::tag_of;

use crate::portal::Portal;
use crate::query::{CachedPlan, Columns};
use crate::session::Session;
use crate::tag::Tag;
use bytes::BytesMut;
use quarry_common::{Error, Lsn, Result};
use quarry_sql::ast::Statement;
use quarry_types::Datum;
use std::sync::Arc;

/// What a command came to.
pub enum CommandOutcome {
    /// Done; the command tag.
    Done(String),
    /// Done; rows to deliver (their columns were told by [`columns_of`]).
    Rows {
        rows: Vec<Vec<Datum>>,
        tag: Tag,
    },
    /// Go on as this query (EXECUTE).
    Query(Arc<CachedPlan>),
    CopyIn(Box<copy::CopyIn>),
    /// COPY FROM STDIN that is refused once the client sends: it is told to send, then of the error, as PostgreSQL does it.
    CopyRefused {
        binary: bool,
        columns: usize,
        error: Error,
    },
    CopyOut(Box<copy::CopyOut>),
    /// The transaction ended; its record is to be waited for.
    Committed(Option<Lsn>, String),
}

impl CommandOutcome {
    /// Done, with a fixed tag.
    pub fn done(tag: &str) -> Result<CommandOutcome> {
        Ok(CommandOutcome::Done(tag.to_string()))
    }
}

/// Runs a command.
pub fn run(
    s: &mut Session,
    stmt: &Statement,
    portal: &mut Portal,
    out: &mut BytesMut,
) -> Result<CommandOutcome> {
    if !matches!(stmt, Statement::Transaction(_) | Statement::Set(_) | Statement::Show(_)) {
        check_read_only(s, stmt)?;
    }
    match stmt {
        Statement::Transaction(t) => transaction::run(s, t, out),
        Statement::Set(set) => set::set(s, set, out),
        Statement::Show(show) => set::show(s, show),
        Statement::AlterSystem(a) => alter_system::run(s, a),
        Statement::SetConstraints(c) => transaction::set_constraints(s, c),
        Statement::Prepare(p) => prepare::prepare(s, p, &portal.statement.text),
        Statement::Execute(e) => prepare::execute(s, e, portal),
        Statement::Deallocate(d) => prepare::deallocate(s, d),
        Statement::DeclareCursor(d) => cursor::declare(s, d, portal),
        Statement::Fetch(f) => cursor::fetch(s, f),
        Statement::ClosePortal(c) => cursor::close(s, c),
        Statement::Discard(d) => discard::run(s, *d.as_ref(), out),
        Statement::Copy(c) => copy::run(s, c, portal),
        Statement::Explain(e) => explain::run(s, e, portal),
        Statement::Load(l) => load::run(s, l),
        Statement::Lock(l) => lock::run(s, l),
        Statement::Vacuum(v) => maintenance::vacuum(s, v),
        Statement::Reindex(r) => maintenance::reindex(s, r),
        Statement::Cluster(c) => maintenance::cluster(s, c),
        Statement::Checkpoint => maintenance::checkpoint(s),
        Statement::Listen(l) => {
            s.cx.notifications.listen(&l.channel);
            CommandOutcome::done("LISTEN")
        }
        Statement::Unlisten(u) => {
            s.cx.notifications.unlisten(u.channel.as_deref());
            CommandOutcome::done("UNLISTEN")
        }
        Statement::Notify(n) => {
            s.cx.notifications.notify(&n.channel, n.payload.as_deref().unwrap_or_default())?;
            CommandOutcome::done("NOTIFY")
        }
        Statement::CreateRole(_)
        | Statement::AlterRole(_)
        | Statement::AlterRoleSet(_)
        | Statement::DropRole(_)
        | Statement::Grant(_)
        | Statement::GrantRole(_)
        | Statement::ReassignOwned(_)
        | Statement::DropOwned(_)
        | Statement::AlterDefaultPrivileges(_) => role::run(s, stmt),
        Statement::CreateDatabase(_)
        | Statement::AlterDatabase(_)
        | Statement::AlterDatabaseSet(_)
        | Statement::DropDatabase(_) => database::run(s, stmt),
        _ => ddl::run(s, stmt, portal),
    }
}

/// 25006 for commands that change something, in a read-only transaction.
fn check_read_only(s: &mut Session, stmt: &Statement) -> Result<()> {
    let reads = matches!(
        stmt,
        Statement::Prepare(_)
            | Statement::Execute(_)
            | Statement::Deallocate(_)
            | Statement::DeclareCursor(_)
            | Statement::Fetch(_)
            | Statement::ClosePortal(_)
            | Statement::Discard(_)
            | Statement::Explain(_)
            | Statement::Lock(_)
            | Statement::SetConstraints(_)
            | Statement::Checkpoint
            | Statement::Copy(_)
            | Statement::Vacuum(_)
            | Statement::Listen(_)
            | Statement::Notify(_)
            | Statement::Unlisten(_)
    );
    s.ensure_transaction();
    if !reads && s.block.modes.read_only {
        let tag = tag_of(stmt);
        return Err(quarry_common::err!(
            READ_ONLY_SQL_TRANSACTION,
            "cannot execute {tag} in a read-only transaction"
        ));
    }
    Ok(())
}

/// Columns of the rows a command will give; none: it gives none.
pub fn columns_of(s: &mut Session, stmt: &Statement) -> Result<Option<Columns>> {
    match stmt {
        Statement::Show(show) => set::show_columns(s, show).map(|c| Some(c.into())),
        Statement::Explain(e) => explain::columns(e).map(|c| Some(c.into())),
        Statement::Fetch(f) if !f.is_move => Ok(cursor::fetch_columns(s, f)),
        Statement::Execute(e) => Ok(s.cx.prepared.lock().get(&e.name).and_then(|p| p.columns.clone())),
        _ => Ok(None),
    }
}

/// 0A000 naming the command.
pub fn unsupported(stmt: &Statement) -> Error {
    match stmt {
        Statement::Unsupported(u) => Error::unsupported(&u.what),
        other => Error::unsupported(tag_of(other)),
    }
}

/// WITH HOLD cursors take their rows along when the transaction commits.
pub fn hold_cursors(s: &mut Session) -> Result<()> {
    cursor::hold_all(s)
}

/// ON COMMIT DROP and DELETE ROWS of temporary tables.
pub fn on_commit_actions(s: &mut Session) -> Result<()> {
    ddl::on_commit_actions(s)
}

/// Temporary tables end with their session.
pub fn drop_temp_objects(s: &mut Session) {
    if let Err(e) = ddl::drop_temp_schema(s) {
        tracing::warn!("could not drop temporary tables: {}", e.message());
    }
}

/// SET ROLE and SET SESSION AUTHORIZATION are undone by a rollback: the user follows the settings again.
pub fn restore_role(s: &mut Session) {
    set::follow_role(s);
}
