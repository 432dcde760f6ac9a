//! FOR UPDATE and its kin: whose rows a query locks (PostgreSQL: transformLockingClause, applyLockingClause, CheckSelectLocking; for
//! views markQueryForLocking).
//!
//! A clause locks the tables of its FROM clause, and those of the subqueries and views in it at any depth. What it wants of a subquery
//! is handed down before that is bound ([`Pushed`]). A subquery that the optimizer is sure to merge gives its locks to the query around
//! it, so that rows which that one rejects stay unlocked; any other locks in its own plan. Names of WITH queries, functions and joins
//! lock nothing.

use super::Binder;
use super::coerce::at;
use super::query::{BoundSelect, relation_columns};
use super::scope::{ItemKind, NsItem};
use crate::ast::{self, LockStrength, LockWait, Pos};
use quarry_catalog::{LockMode, Privilege, RelKind, Relation};
use quarry_common::{Error, Result, err};
use quarry_plan::rights::{Right, RightColumns};
use quarry_plan::volatility::{is_volatile, plain_from};
use quarry_plan::{ColumnId, Expr, LogicalPlan, RowLock, walk};
use std::sync::Arc;

/// What a query around a subquery or view locks of it.
#[derive(Clone, Copy)]
pub(super) struct Pushed {
    strength: LockStrength,
    wait: LockWait,
    /// By way of a view: what can't be locked there is met at another place, and names of set operations lock nothing.
    by_view: bool,
}

/// A clause of the query level, or what one further out wants of it.
#[derive(Clone)]
pub(crate) struct LockRequest {
    strength: LockStrength,
    wait: LockWait,
    /// Empty: everything in FROM.
    names: Vec<ast::RangeVar>,
}

/// The locks of a query level.
#[derive(Default)]
pub(super) struct LevelLocks {
    pub locks: Vec<RowLock>,
    /// The level has something to lock, though perhaps in plans below.
    pub any: bool,
}

/// The requests of a query level: its own clauses and what was handed down.
pub(super) fn requests(q: &ast::Query, pushed: Option<Pushed>) -> Vec<LockRequest> {
    let own = q.locking.iter().map(|c| LockRequest {
        strength: c.strength,
        wait: c.wait,
        names: c.relations.clone(),
    });
    let pushed = pushed.map(|p| LockRequest { strength: p.strength, wait: p.wait, names: vec![] });
    own.chain(pushed).collect()
}

/// What a set operation says to a lock.
pub(super) fn check_set_operation(q: &ast::Query, pushed: Option<Pushed>) -> Result<()> {
    let own = q.locking.first().map(|l| l.strength);
    match own.or(pushed.filter(|p| !p.by_view).map(|p| p.strength)) {
        Some(strength) => Err(conflict(strength, "UNION/INTERSECT/EXCEPT")),
        None => Ok(()),
    }
}

fn conflict(strength: LockStrength, what: &str) -> Error {
    err!(FEATURE_NOT_SUPPORTED, "{} is not allowed with {what}", strength.as_str())
}

impl Binder<'_> {
    /// What the level's requests want of the FROM item `alias`, a subquery or a view.
    pub(super) fn lock_below(&self, alias: &str, by_view: bool) -> Option<Pushed> {
        let by_view = by_view || !self.view_levels.is_empty();
        let wanted = self.scopes.last()?.locking.iter();
        let mut wanted = wanted.filter(|r| r.names.is_empty() || r.names.iter().any(|n| n.name == alias));
        let first = wanted.next()?;
        let first = Pushed { strength: first.strength, wait: first.wait, by_view };
        Some(wanted.fold(first, |have, r| Pushed {
            strength: have.strength.max(r.strength),
            wait: have.wait.max(r.wait),
            by_view,
        }))
    }

    /// The lock that reading the relation `alias` of FROM takes on it.
    pub(super) fn read_lock(&self, alias: &str) -> LockMode {
        match self.lock_below(alias, false) {
            Some(_) => LockMode::RowShare,
            None => LockMode::AccessShare,
        }
    }

    /// Notes the privilege that locking the rows of a view takes.
    pub(super) fn note_locked_view(&mut self, view: &Arc<Relation>) {
        let role = self.view_role();
        let (privilege, columns) = (Privilege::Update, RightColumns::Any);
        self.rights.push(Right { relation: view.clone(), role, privilege, columns });
    }

    /// Something of the level's query makes its rows none of a table's (CheckSelectLocking).
    pub(super) fn lock_conflict(&mut self, what: &str) -> Result<()> {
        match self.scope().locking.first() {
            Some(r) => Err(conflict(r.strength, what)),
            None => Ok(()),
        }
    }

    /// Which tables the level locks.
    pub(super) fn row_locks(&mut self, select: &BoundSelect) -> Result<LevelLocks> {
        let mut out = LevelLocks::default();
        let requests = std::mem::take(&mut self.scope().locking);
        if let (Some(r), true) = (requests.first(), select.distinct.is_some()) {
            return Err(conflict(r.strength, "DISTINCT clause"));
        }
        for r in &requests {
            let items = &self.scope().items;
            if r.names.is_empty() {
                for item in items {
                    lock_item(item, r, &mut out)?;
                }
            }
            for name in &r.names {
                lock_item(named_item(items, name, r.strength)?, r, &mut out)?;
            }
        }
        Ok(out)
    }

    /// Whether a level that locks because another wants it leaves that to the other.
    pub(super) fn locks_above(
        &self,
        q: &ast::Query,
        plan: &LogicalPlan,
        targets: &[(ColumnId, Expr)],
    ) -> bool {
        let plain = q.locking.is_empty()
            && q.with.is_none()
            && q.order_by.is_empty()
            && q.limit.is_none()
            && q.offset.is_none();
        plain
            && plain_from(plan)
            && walk::free_columns(plan).is_empty()
            && targets.iter().all(|(_, e)| !is_volatile(e) && !has_subquery(e))
    }
}

/// The FROM item that OF names.
fn named_item<'i>(items: &'i [NsItem], name: &ast::RangeVar, strength: LockStrength) -> Result<&'i NsItem> {
    let (clause, pos): (&str, Pos) = (strength.as_str(), name.pos);
    if name.schema.is_some() || name.catalog.is_some() {
        return Err(at(err!(SYNTAX_ERROR, "{clause} must specify unqualified relation names"), pos));
    }
    let Some(item) = items.iter().find(|i| i.alias.as_ref() == Some(&name.name)) else {
        let e =
            err!(UNDEFINED_TABLE, "relation \"{}\" in {clause} clause not found in FROM clause", name.name);
        return Err(at(e, pos));
    };
    let what = match item.kind {
        ItemKind::Rows => return Ok(item),
        ItemKind::Join => "a join",
        ItemKind::Function => "a function",
        ItemKind::Cte => "a WITH query",
    };
    Err(at(err!(FEATURE_NOT_SUPPORTED, "{clause} cannot be applied to {what}"), pos))
}

fn lock_item(item: &NsItem, r: &LockRequest, out: &mut LevelLocks) -> Result<()> {
    if item.kind != ItemKind::Rows || item.alias.is_none() {
        return Ok(());
    }
    out.any = true;
    for lock in &item.locks {
        if !out.locks.iter().any(|l| l.ctid == lock.ctid) {
            out.locks.push(lock.clone());
        }
    }
    let (Some(relation), Some(alias)) = (&item.relation, &item.alias) else { return Ok(()) };
    let what = match relation.kind {
        RelKind::Sequence => "sequence",
        RelKind::Toast => "TOAST relation",
        RelKind::MaterializedView => "materialized view",
        _ => "",
    };
    if !what.is_empty() {
        return Err(err!(WRONG_OBJECT_TYPE, "cannot lock rows in {what} \"{}\"", relation.name));
    }
    let place = item.system.iter().find(|(c, _, _)| *c == quarry_plan::ScanColumn::Ctid);
    let Some((_, ctid, _)) = place else { return Ok(()) };
    let strength = match r.strength {
        LockStrength::KeyShare => quarry_plan::LockStrength::KeyShare,
        LockStrength::Share => quarry_plan::LockStrength::Share,
        LockStrength::NoKeyUpdate => quarry_plan::LockStrength::NoKeyUpdate,
        LockStrength::Update => quarry_plan::LockStrength::Update,
    };
    let wait = match r.wait {
        LockWait::Block => quarry_plan::LockWait::Block,
        LockWait::SkipLocked => quarry_plan::LockWait::Skip,
        LockWait::NoWait => quarry_plan::LockWait::NoWait,
    };
    // Of several clauses about a table the strongest counts, and the one that waits least.
    if let Some(have) = out.locks.iter_mut().find(|l| l.ctid == *ctid) {
        have.strength = have.strength.max(strength);
        have.wait = have.wait.max(wait);
        return Ok(());
    }
    out.locks.push(RowLock {
        relation: relation.clone(),
        alias: alias.clone(),
        ctid: *ctid,
        columns: relation_columns(item),
        strength,
        wait,
    });
    Ok(())
}

fn has_subquery(e: &Expr) -> bool {
    walk::any(e, &|e| matches!(e, Expr::Subquery(_)))
}
