//! LOCK TABLE (PostgreSQL: commands/lockcmds.c). A view is locked with all relations that its query names, views among them; those
//! inside are locked with the rights of the view's owner.

use super::CommandOutcome;
use crate::query::StatementContext;
use crate::session::Session;
use quarry_catalog::{LockMode, Privilege, RelKind, Relation, WaitPolicy};
use quarry_common::{Oid, Result, err};
use quarry_plan::deparse::BY_OID;
use quarry_sql::ast::{self, TableLockMode};

pub fn run(s: &mut Session, l: &ast::Lock) -> Result<CommandOutcome> {
    s.block.require_block("LOCK TABLE")?;
    let mode = match l.mode {
        TableLockMode::AccessShare => LockMode::AccessShare,
        TableLockMode::RowShare => LockMode::RowShare,
        TableLockMode::RowExclusive => LockMode::RowExclusive,
        TableLockMode::ShareUpdateExclusive => LockMode::ShareUpdateExclusive,
        TableLockMode::Share => LockMode::Share,
        TableLockMode::ShareRowExclusive => LockMode::ShareRowExclusive,
        TableLockMode::Exclusive => LockMode::Exclusive,
        TableLockMode::AccessExclusive => LockMode::AccessExclusive,
    };
    let st = s.statement_context()?;
    let me = st.reader.session().user;
    let wait = if l.nowait { WaitPolicy::NoWait } else { WaitPolicy::Block };
    let locking = Locking { st: &st, me, mode, wait };
    for r in &l.relations {
        let parts: Vec<String> = r.catalog.iter().chain(&r.schema).chain([&r.name]).cloned().collect();
        let mut found = st.reader.resolve_relation_strict(&parts, None)?;
        // Nobody waits, or holds others up, for a lock that they may not have.
        let relation = loop {
            check_kind(&found)?;
            locking.check_rights(&found, me)?;
            let locked = st.reader.lock_relation_with(&parts, None, mode, wait)?;
            if locked.oid == found.oid {
                break locked;
            }
            found = locked;
        };
        if relation.kind == RelKind::View {
            locking.lock_view(&relation)?;
        }
    }
    CommandOutcome::done("LOCK TABLE")
}

fn check_kind(r: &Relation) -> Result<()> {
    let noun = match r.kind {
        RelKind::Table | RelKind::View => return Ok(()),
        RelKind::Index => "indexes",
        RelKind::Sequence => "sequences",
        RelKind::MaterializedView => "materialized views",
        RelKind::CompositeType => "composite types",
        RelKind::Toast => "TOAST tables",
    };
    Err(err!(WRONG_OBJECT_TYPE, "cannot lock relation \"{}\"", r.name)
        .detail(format!("This operation is not supported for {noun}.")))
}

struct Locking<'a> {
    st: &'a StatementContext,
    me: Oid,
    mode: LockMode,
    wait: WaitPolicy,
}

impl Locking<'_> {
    fn check_rights(&self, r: &Relation, role: Oid) -> Result<()> {
        let sufficient: &[Privilege] = match self.mode {
            LockMode::AccessShare => &[Privilege::Select],
            LockMode::RowExclusive => {
                &[Privilege::Insert, Privilege::Update, Privilege::Delete, Privilege::Truncate]
            }
            _ => &[Privilege::Update, Privilege::Delete, Privilege::Truncate],
        };
        self.st.reader.check_any_privilege(r, role, sufficient)
    }

    /// The relations in a view's query.
    fn lock_view(&self, view: &Relation) -> Result<()> {
        let role = quarry_sql::bind::role_of_view(view).unwrap_or(self.me);
        let mut inside = self.st.reader.relations_in_view(view.oid)?;
        // In the order in which the query names them.
        let text = view.view_sql.as_deref().unwrap_or_default();
        inside.sort_by_key(|oid| text.find(&format!("\"{BY_OID}\".\"{oid}\"")).unwrap_or(usize::MAX));
        for oid in inside {
            let Some(inside) = self.st.reader.relation(oid)? else { continue };
            if !matches!(inside.kind, RelKind::Table | RelKind::View) {
                continue;
            }
            self.check_rights(&inside, role)?;
            let Some(locked) = self.st.reader.lock_relation_oid_with(&inside, self.mode, self.wait)? else {
                continue;
            };
            if locked.kind == RelKind::View {
                self.lock_view(&locked)?;
            }
        }
        Ok(())
    }
}
