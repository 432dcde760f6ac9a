//! Which privileges a statement takes, found from its bound plan (PostgreSQL: markVarForSelectPriv, ExecCheckRTPerms).
//!
//! While FROM items are bound, the binder notes each relation's entry with the ids of its columns ([`RangeEntry`]) and the view that it
//! stands in. When the statement is bound, the columns that some expression reads are known: they, and no others, need SELECT. A
//! relation in a view's query is the business of the view's owner; the view itself is the user's.

use super::Binder;
use super::change_view::{Change, ViewTarget, columns_named};
use super::scope::NsItem;
use super::view::{oid_name, view_query};
use crate::ast::{QueryBody, TableRef};
use quarry_catalog::{Privilege, RelKind, Relation};
use quarry_common::{Error, Oid, Result};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::rights::{Right, RightColumns};
use quarry_plan::{
    ColumnId, Expr, LogicalPlan, OnConflict, OnConflictAction, Returning, ScanColumn, TableWrite, walk,
};
use std::collections::HashSet;
use std::sync::Arc;

/// A relation in FROM, or a change's target.
pub(super) struct RangeEntry {
    relation: Arc<Relation>,
    role: Option<Oid>,
    columns: Vec<(ColumnId, ScanColumn)>,
    /// Its rights are settled.
    done: bool,
}

/// A view whose query is being bound.
pub(super) struct ViewLevel {
    /// Who reads its relations.
    role: Option<Oid>,
}

/// A view, the role whose privileges count and the table's column for each of the view's.
type ViewOnTheWay = (Arc<Relation>, Option<Oid>, Vec<Option<usize>>);

/// A change that is made through views, told by the first id of the row written.
pub(super) struct ViewWrite {
    row: ColumnId,
    /// Outermost first.
    views: Vec<ViewOnTheWay>,
    /// Who must have the privileges on the table.
    role: Option<Oid>,
    /// What the views' queries read, each with who must be allowed to if the statement reads anything of the outermost view.
    layers: Vec<Right>,
}

/// What a statement reads of the views that it makes changes through.
#[derive(Default)]
pub(super) struct ViewUses {
    /// Views over rows of their tables: what their columns (by index) stand for there.
    items: Vec<(Oid, Vec<usize>, Vec<Expr>)>,
    /// The views' own conditions, in no way the user's.
    conditions: Vec<Expr>,
    /// View and column.
    read: HashSet<(Oid, usize)>,
}

/// The role that a view's relations are read as: its owner, unless they are its invoker's business.
pub fn role_of_view(view: &Relation) -> Option<Oid> {
    let invoker = view.options.iter().any(|(n, v)| n == "security_invoker" && is_on(v));
    (!invoker).then_some(view.owner)
}

/// Whether a view hides rows from conditions that could tell of them.
pub(super) fn is_barrier(view: &Relation) -> bool {
    view.options.iter().any(|(n, v)| n == "security_barrier" && is_on(v))
}

impl Binder<'_> {
    /// Whose privileges count for relations named now: the current user's, unless it is in a view's query.
    pub(super) fn view_role(&self) -> Option<Oid> {
        self.view_levels.last().and_then(|l| l.role)
    }
    /// Notes a FROM item.
    pub(super) fn note_range(&mut self, relation: &Arc<Relation>, columns: Vec<(ColumnId, ScanColumn)>) {
        let role = self.view_role();
        self.range.push(RangeEntry { relation: relation.clone(), role, columns, done: false });
    }
    /// Binds the query of the view that was noted last.
    pub(super) fn in_view<T>(&mut self, view: &Relation, f: impl FnOnce(&mut Self) -> T) -> T {
        self.view_levels.push(ViewLevel { role: role_of_view(view) });
        let bound = f(self);
        self.view_levels.pop();
        bound
    }
    /// Gives the columns of an item noted before they were known.
    pub(super) fn range_columns(&mut self, at: usize, columns: Vec<(ColumnId, ScanColumn)>) {
        self.range[at].columns = columns;
    }
    /// Notes the columns that an INSERT gives values for.
    pub(super) fn note_insert(&mut self, target: &TableWrite, columns: Vec<usize>) {
        let columns = if columns.is_empty() { RightColumns::Any } else { RightColumns::These(columns) };
        let mut rights = vec![];
        self.write_rights(target, Privilege::Insert, columns, &mut rights);
        self.rights.extend(rights);
    }
    /// Notes that a change of `target` is made through a view, and the views it reads.
    pub(super) fn note_view_write(&mut self, target: &TableWrite, view: &ViewTarget) -> Result<()> {
        let Some((row, _)) = target.row.first() else { return Ok(()) };
        let of_table = |v: &ViewTarget| v.columns.iter().map(|c| c.as_ref().ok().copied()).collect();
        let mut role = None;
        let mut views = vec![(view.view.clone(), role, of_table(view))];
        let mut innermost = view.view.clone();
        loop {
            role = role_of_view(&innermost);
            let base = self.view_base(&innermost)?;
            if base.kind != RelKind::View {
                break;
            }
            let below = self.view_target(&base, Change::Update)?;
            views.push((base.clone(), role, of_table(&below)));
            innermost = base;
        }
        let range = self.range.len();
        let base = self.row_item(&target.relation, &target.row, &target.relation.name);
        let opened = self.open_view(&view.view, base, &view.view.name)?;
        // Relations in the view's conditions count where those are tested.
        self.range.truncate(range);
        let layers = opened.levels.into_iter().rev().map(|l| Right {
            relation: l.base,
            role: role_of_view(&l.view),
            privilege: Privilege::Select,
            columns: if l.reads.is_empty() { RightColumns::Any } else { RightColumns::These(l.reads) },
        });
        self.view_writes.push(ViewWrite { row: *row, views, role, layers: layers.collect() });
        Ok(())
    }
    /// Notes a view over a row of its table, and the conditions that it brings into the plan.
    pub(super) fn note_view_item<'e>(
        &mut self,
        view: &Relation,
        item: &NsItem,
        conditions: impl IntoIterator<Item = &'e Expr>,
    ) {
        let live = view.columns.iter().enumerate().filter(|(_, c)| !c.dropped).map(|(i, _)| i);
        let columns = item.columns.iter().map(|c| c.expr.clone()).collect();
        self.view_uses.items.push((view.oid, live.collect(), columns));
        self.view_uses.conditions.extend(conditions.into_iter().cloned());
    }
    /// The rights to read that changes through views take: what the user reads of the view, then all that the views' queries name.
    fn view_read_rights(&mut self, rights: &mut Vec<Right>) {
        for w in std::mem::take(&mut self.view_writes) {
            let Some((view, role, _)) = w.views.first() else { continue };
            let mut read: Vec<usize> =
                self.view_uses.read.iter().filter(|(v, _)| *v == view.oid).map(|(_, i)| *i).collect();
            if read.is_empty() {
                continue;
            }
            read.sort_unstable();
            let (relation, columns) = (view.clone(), RightColumns::These(read));
            // PostgreSQL asks about the view before what it reads.
            rights.insert(0, Right { relation, role: *role, privilege: Privilege::Select, columns });
            rights.extend(w.layers);
        }
    }
    /// The one relation that an updatable view reads.
    fn view_base(&self, view: &Relation) -> Result<Arc<Relation>> {
        let query = view_query(view.view_sql.as_deref().unwrap_or_default())?;
        let oid = match &query.body {
            QueryBody::Select(s) => match s.from.first() {
                Some(TableRef::Relation(r)) => oid_name(&r.name)?,
                _ => Oid::INVALID,
            },
            _ => Oid::INVALID,
        };
        let found = self.reader.relation(oid)?;
        found.ok_or_else(|| Error::internal(format!("view {} reads no table", view.name)))
    }
    fn view_write(&self, target: &TableWrite) -> Option<&ViewWrite> {
        let (row, _) = target.row.first()?;
        self.view_writes.iter().find(|w| w.row == *row)
    }
    /// A privilege on a change's table, and on the views it is made through.
    fn write_rights(
        &self,
        target: &TableWrite,
        privilege: Privilege,
        columns: RightColumns,
        out: &mut Vec<Right>,
    ) {
        let write = self.view_write(target);
        for (view, role, of_table) in write.iter().flat_map(|w| &w.views) {
            let columns = match &columns {
                RightColumns::These(c) => {
                    let of_view = of_table.iter().enumerate();
                    let named = of_view.filter(|(_, t)| t.is_some_and(|t| c.contains(&t)));
                    RightColumns::These(named.map(|(i, _)| i).collect())
                }
                other => other.clone(),
            };
            out.push(Right { relation: view.clone(), role: *role, privilege, columns });
        }
        let role = write.and_then(|w| w.role);
        out.push(Right { relation: target.relation.clone(), role, privilege, columns });
    }
    /// All rights of the statement.
    pub(super) fn rights_of(
        &mut self,
        plan: &LogicalPlan,
        output: impl Iterator<Item = ColumnId>,
    ) -> Vec<Right> {
        let mut used: HashSet<ColumnId> = output.collect();
        let mut rights = std::mem::take(&mut self.rights);
        self.walk_rights(plan, &mut used, &mut rights);
        self.view_read_rights(&mut rights);
        for r in std::mem::take(&mut self.range).into_iter().filter(|r| !r.done) {
            let columns = columns_read(&r.relation, &r.columns, &used);
            rights.push(Right { relation: r.relation, role: r.role, privilege: Privilege::Select, columns });
        }
        rights
    }

    fn walk_rights(&mut self, plan: &LogicalPlan, used: &mut HashSet<ColumnId>, rights: &mut Vec<Right>) {
        for e in walk::exprs(plan) {
            self.expr_rights(e, used, rights);
        }
        match plan {
            LogicalPlan::Insert { target, on_conflict, returning, .. } => {
                if let Some(c) = on_conflict {
                    self.conflict_rights(target, c, used, rights);
                }
                self.returning_rights(target, returning, used, rights);
            }
            LogicalPlan::Update { target, source, ctid, set, returning, .. } => {
                let columns = RightColumns::These(set.iter().map(|(i, _)| *i).collect());
                self.write_rights(target, Privilege::Update, columns, rights);
                self.returning_rights(target, returning, used, rights);
                match &**source {
                    LogicalPlan::Project { input, targets } => {
                        // Columns that are only passed on are not read.
                        for (id, e) in targets {
                            if !matches!(e, Expr::Column { id: from, .. } if from == id) {
                                self.expr_rights(e, used, rights);
                            }
                        }
                        self.walk_rights(input, used, rights);
                    }
                    source => self.walk_rights(source, used, rights),
                }
                self.target_rights(target, *ctid, used, rights);
                return;
            }
            LogicalPlan::Delete { target, source, ctid, returning, .. } => {
                self.write_rights(target, Privilege::Delete, RightColumns::Whole, rights);
                self.returning_rights(target, returning, used, rights);
                self.walk_rights(source, used, rights);
                self.target_rights(target, *ctid, used, rights);
                return;
            }
            LogicalPlan::LockRows { input, locks, .. } => {
                self.walk_rights(input, used, rights);
                for l in locks {
                    // The row's place is the lock's own business, not read by anyone.
                    used.remove(&l.ctid);
                    if let Some(r) = self.entry_of(l.ctid).and_then(|i| self.range.get(i)) {
                        rights.push(Right {
                            relation: r.relation.clone(),
                            role: r.role,
                            privilege: Privilege::Update,
                            columns: RightColumns::Any,
                        });
                    }
                }
                return;
            }
            LogicalPlan::With { ctes, body } => {
                for c in ctes {
                    let recursive = c.recursive.as_ref().map(|r| &r.0);
                    // What nobody reads is not run, unless it changes something.
                    if self.cte_references[c.id.0 as usize] == 0 && !changes_data(&c.plan) {
                        self.settle_all(&c.plan);
                    } else {
                        self.walk_rights(&c.plan, used, rights);
                        recursive.into_iter().for_each(|p| self.walk_rights(p, used, rights));
                    }
                }
                return self.walk_rights(body, used, rights);
            }
            _ => {}
        }
        for input in walk::inputs(plan) {
            self.walk_rights(input, used, rights);
        }
    }
    /// What the statement reads of the rows it changes.
    fn target_rights(
        &mut self,
        target: &TableWrite,
        ctid: ColumnId,
        used: &HashSet<ColumnId>,
        rights: &mut Vec<Right>,
    ) {
        let Some(at) = self.entry_of(ctid) else { return };
        self.range[at].done = true;
        // The row's place is the change's own business, not read by anyone.
        let columns = self.range[at].columns.iter().filter(|(id, _)| *id != ctid);
        let columns: Vec<_> = columns.copied().collect();
        self.read_rights(target, &columns, used, rights);
    }
    fn entry_of(&self, column: ColumnId) -> Option<usize> {
        self.range.iter().position(|r| r.columns.iter().any(|(id, _)| *id == column))
    }
    /// Drops the entries of a plan that is not run.
    fn settle_all(&mut self, plan: &LogicalPlan) {
        let made: Vec<ColumnId> = match plan {
            LogicalPlan::Scan { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
            LogicalPlan::Project { targets, .. } => targets.iter().map(|(id, _)| *id).collect(),
            _ => vec![],
        };
        if let Some(at) = made.first().and_then(|id| self.entry_of(*id)) {
            self.range[at].done = true;
        }
        for input in walk::inputs(plan) {
            self.settle_all(input);
        }
    }
    /// RETURNING reads the columns it names.
    fn returning_rights(
        &self,
        target: &TableWrite,
        returning: &Option<Returning>,
        used: &HashSet<ColumnId>,
        rights: &mut Vec<Right>,
    ) {
        if let Some(r) = returning {
            self.read_rights(target, &r.row, used, rights);
        }
    }
    /// DO UPDATE changes columns and reads those of the existing row; the columns that decide are read in any case.
    fn conflict_rights(
        &mut self,
        target: &TableWrite,
        c: &OnConflict,
        used: &HashSet<ColumnId>,
        rights: &mut Vec<Right>,
    ) {
        let keys = c.arbiters.iter().filter_map(|a| target.indexes.get(*a));
        let deciding: Vec<usize> = keys.flat_map(|i| i.index.keys.iter().filter_map(|k| k.column)).collect();
        if let Some((view, _, of_table)) = self.view_write(target).and_then(|w| w.views.first()) {
            let (oid, of_view) = (view.oid, of_table.iter().enumerate());
            let named = of_view.filter(|(_, t)| t.is_some_and(|t| deciding.contains(&t)));
            let read: Vec<_> = named.map(|(i, _)| (oid, i)).collect();
            self.view_uses.read.extend(read);
        } else if !deciding.is_empty() {
            self.write_rights(target, Privilege::Select, RightColumns::These(deciding), rights);
        }
        if let OnConflictAction::Update { existing, set, .. } = &c.action {
            let columns = RightColumns::These(set.iter().map(|(i, _)| *i).collect());
            self.write_rights(target, Privilege::Update, columns, rights);
            self.read_rights(target, existing, used, rights);
            self.read_rights(target, &target.row, used, rights);
        }
    }
    fn read_rights(
        &self,
        target: &TableWrite,
        row: &[(ColumnId, ScanColumn)],
        used: &HashSet<ColumnId>,
        rights: &mut Vec<Right>,
    ) {
        // What is read of a view is known by its own columns.
        if self.view_write(target).is_some() {
            return;
        }
        match columns_read(&target.relation, row, used) {
            RightColumns::Any => {}
            columns => self.write_rights(target, Privilege::Select, columns, rights),
        }
    }
    fn expr_rights(&mut self, e: &Expr, used: &mut HashSet<ColumnId>, rights: &mut Vec<Right>) {
        let mut subplans = vec![];
        match self.view_uses.conditions.iter().position(|c| is_condition(c, e)) {
            Some(at) => drop(self.view_uses.conditions.swap_remove(at)),
            None => {
                let ViewUses { items, read, .. } = &mut self.view_uses;
                for (view, numbers, columns) in items.iter() {
                    columns_named(e, columns, &mut |i| read.extend(numbers.get(i).map(|n| (*view, *n))));
                }
            }
        }
        walk::visit(e, &mut |e| match e {
            Expr::Column { id, .. } => {
                used.insert(*id);
            }
            Expr::Subquery(s) => {
                if let SubqueryPlan::Logical(p) = &s.plan {
                    used.extend(&s.output);
                    subplans.push(p.as_ref());
                }
            }
            _ => {}
        });
        for p in subplans {
            self.walk_rights(p, used, rights);
        }
    }
}

fn changes_data(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Insert { .. } | LogicalPlan::Update { .. } | LogicalPlan::Delete { .. })
        || walk::inputs(plan).into_iter().any(changes_data)
}

/// Whether `e` is this condition; subqueries are told by their columns' ids.
fn is_condition(condition: &Expr, e: &Expr) -> bool {
    let made = |e: &Expr| {
        let mut out = vec![];
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e {
                out.extend(s.output.iter().copied());
            }
        });
        out
    };
    let ids = made(condition);
    condition == e || (!ids.is_empty() && ids == made(e))
}

/// The columns of a row that are among those used.
fn columns_read(
    relation: &Relation,
    row: &[(ColumnId, ScanColumn)],
    used: &HashSet<ColumnId>,
) -> RightColumns {
    let mut read = vec![];
    let mut whole = false;
    for (_, c) in row.iter().filter(|(id, _)| used.contains(id)) {
        match c {
            ScanColumn::Attribute(i) => read.push(*i),
            ScanColumn::WholeRow => {
                read.extend((0..relation.columns.len()).filter(|i| !relation.columns[*i].dropped))
            }
            _ => whole = true,
        }
    }
    match (whole, read.is_empty()) {
        (true, _) => RightColumns::Whole,
        (false, true) => RightColumns::Any,
        (false, false) => RightColumns::These(read),
    }
}

fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "true" | "on" | "yes" | "1" | "t" | "y")
}
