//! Which stored row a cursor stands on: what `WHERE CURRENT OF` asks (PostgreSQL: execCurrent.c).
//!
//! A cursor's plan gets one hidden output column for each table whose rows can be named: those of FOR UPDATE's locks, else the one
//! table that the plan reads without a join, grouping or sort in between.

use crate::query::StatementContext;
use quarry_catalog::Relation;
use quarry_common::{Oid, Result, Tid, bail};
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, QueryMeta, ScanColumn, Statement};
use quarry_storage::heap::{Heap, VersionRef};
use quarry_types::{Datum, SqlType, identifiers};
use std::sync::Arc;

/// Where a cursor's rows tell their place.
#[derive(Clone, Debug, Default)]
pub struct RowIds {
    /// Table and index of its column in a row.
    columns: Vec<(Oid, usize)>,
    /// They come from FOR UPDATE or its relatives.
    locked: bool,
}

/// The plan with hidden columns behind the visible ones.
pub fn expose(statement: &Arc<Statement>) -> (Arc<Statement>, RowIds) {
    let mut plan = (*statement.plan).clone();
    let mut meta = (*statement.meta).clone();
    let mut found = vec![];
    let locked = add_to(&mut plan, &mut meta, &mut found);
    if found.is_empty() {
        return (statement.clone(), RowIds { columns: vec![], locked });
    }
    let mut output = statement.output.clone();
    let mut columns = vec![];
    for (oid, id) in found {
        columns.push((oid, output.len()));
        output.push((id, "ctid".into(), SqlType::TID));
    }
    let made = Statement { plan: Arc::new(plan), meta: Arc::new(meta), output, ..(**statement).clone() };
    (Arc::new(made), RowIds { columns, locked })
}

/// Makes `plan` give the places of its rows; true: it locks rows.
fn add_to(plan: &mut PhysicalPlan, meta: &mut QueryMeta, found: &mut Vec<(Oid, ColumnId)>) -> bool {
    let locked = match &mut plan.node {
        PhysicalNode::SeqScan { relation, columns, .. }
        | PhysicalNode::BitmapHeapScan { relation, columns, .. }
        | PhysicalNode::TidScan { relation, columns, .. }
        | PhysicalNode::TidRangeScan { relation, columns, .. } => {
            found.push((relation.oid, ctid_of(columns, meta)));
            false
        }
        PhysicalNode::IndexScan { relation, columns, index_only, .. } => {
            *index_only = false;
            found.push((relation.oid, ctid_of(columns, meta)));
            false
        }
        PhysicalNode::Result { input: Some(input), .. }
        | PhysicalNode::SubqueryScan { input, .. }
        | PhysicalNode::Limit { input, .. } => add_to(input, meta, found),
        PhysicalNode::LockRows { locks, .. } => {
            found.extend(locks.iter().map(|l| (l.relation.oid, l.ctid)));
            true
        }
        _ => false,
    };
    for (_, id) in found.iter() {
        if !plan.targets.iter().any(|(t, _)| t == id) {
            plan.targets.push((*id, Expr::column(*id, SqlType::TID)));
        }
    }
    locked
}

fn ctid_of(columns: &mut Vec<(ColumnId, ScanColumn)>, meta: &mut QueryMeta) -> ColumnId {
    match columns.iter().find(|(_, c)| *c == ScanColumn::Ctid) {
        Some((id, _)) => *id,
        None => {
            let id = meta.computed("ctid", SqlType::TID);
            columns.push((id, ScanColumn::Ctid));
            id
        }
    }
}

impl RowIds {
    /// The place of `relation`'s row in the cursor `name`, which stands on `row`.
    pub fn place(&self, name: &str, relation: &Relation, row: Option<&[Datum]>) -> Result<Tid> {
        let table = &relation.name;
        let mut mine = self.columns.iter().filter(|(oid, _)| *oid == relation.oid);
        let Some((_, column)) = mine.next() else {
            if self.locked {
                bail!(
                    INVALID_CURSOR_STATE,
                    "cursor \"{name}\" does not have a FOR UPDATE/SHARE reference to table \"{table}\""
                );
            }
            bail!(
                INVALID_CURSOR_STATE,
                "cursor \"{name}\" is not a simply updatable scan of table \"{table}\""
            );
        };
        if mine.next().is_some() {
            bail!(
                INVALID_CURSOR_STATE,
                "cursor \"{name}\" has multiple FOR UPDATE/SHARE references to table \"{table}\""
            );
        }
        match row.and_then(|r| r.get(*column)) {
            Some(v) if !v.is_null() => Ok(identifiers::tid_of(v)),
            _ => bail!(INVALID_CURSOR_STATE, "cursor \"{name}\" is not positioned on a row"),
        }
    }
}

/// The version of the row at `tid` that the statement sees: the cursor may have read an older one.
pub fn current_version(st: &StatementContext, relation: &Relation, tid: Tid) -> Result<Tid> {
    let Some(rel) = relation.storage else { return Ok(tid) };
    let heap = Heap::open(st.session.instance.storage(), rel, relation.toast, relation.layout.clone());
    let snapshot = st.txn.statement_snapshot();
    let mut seen = tid;
    let mut at = VersionRef::from(tid);
    loop {
        if heap.fetch_visible(&snapshot, at.tid, |_, _| ())?.is_some() {
            seen = at.tid;
        }
        match heap.next_version(at)? {
            Some(next) => at = next,
            None => return Ok(seen),
        }
    }
}
