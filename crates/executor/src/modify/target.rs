//! A table compiled for writing.

use super::errors;
use super::ri::{self, RiCheck};
use crate::build::Builder;
use crate::context::Cx;
use crate::deferred::Timing;
use crate::env::ExecEnv;
use crate::expr::{Layout, Program};
use crate::index_entry::IndexShape;
use crate::index_method::Keeper;
use crate::scan::rows::open_heap;
use quarry_catalog::{ConstraintDef, ConstraintKind, Relation};
use quarry_common::{Error, Result, Tid};
use quarry_plan::{ColumnId, ScanColumn, TableWrite};
use quarry_storage::heap::{Heap, VersionRef};
use quarry_storage::index::{BTree, InsertOutcome, UniqueCheck};
use quarry_storage::row::RowBuilder;
use quarry_types::row::{put_at, put_datum};
use quarry_types::{Batch, Datum, Rows, SqlType, Vector};
use std::sync::Arc;

/// A B-tree as writers keep it.
pub struct TargetIndex {
    pub def: Arc<quarry_catalog::IndexDef>,
    pub tree: BTree,
    pub shape: IndexShape,
    keys: Vec<Program>,
    /// Positions of the key columns in the row, if all are columns and the index takes every row.
    pub(super) columns: Option<Vec<usize>>,
    /// Positions of INCLUDE columns in the row.
    pub(super) include: Vec<usize>,
    predicate: Option<Program>,
    /// Attributes that key, INCLUDE and predicate read: an update of none of them leaves the index alone.
    pub attributes: Vec<usize>,
}

/// An index of another method as writers keep it.
struct OtherIndex {
    def: Arc<quarry_catalog::IndexDef>,
    keeper: Keeper,
    keys: Vec<Program>,
    predicate: Option<Program>,
    attributes: Vec<usize>,
}

/// A table with everything that writing its rows needs. A row is one value per live column, in order.
pub struct Target {
    pub relation: Arc<Relation>,
    pub heap: Heap,
    /// Attribute (index in `Relation::columns`) of each value of a row.
    pub attributes: Vec<usize>,
    pub types: Vec<SqlType>,
    not_null: Vec<usize>,
    generated: Vec<(usize, Program)>,
    checks: Vec<(String, Program)>,
    view_checks: Vec<(String, Program)>,
    pub indexes: Vec<TargetIndex>,
    others: Vec<OtherIndex>,
    /// Attributes that indexes read which are being built: no HOT update may change them, though nothing is put in there yet.
    pub building: Vec<usize>,
    foreign_keys: Vec<Arc<ConstraintDef>>,
    pub referenced_by: Vec<Arc<ConstraintDef>>,
    builder: RowBuilder,
    arena: Vec<u8>,
    ends: Vec<usize>,
    key: Vec<u8>,
    /// Room for a row's keys.
    keys: Vec<Datum>,
    payload: RowBuilder,
    tids: Vec<Tid>,
    pub(super) entries: super::index_batch::Entries,
}

impl Target {
    pub fn new(b: &mut Builder<'_>, write: &TableWrite, env: &ExecEnv) -> Result<Target> {
        let relation = write.relation.clone();
        let layout = Layout::new(write.row.iter().map(|(id, _)| *id));
        let attributes: Vec<usize> = write.row.iter().filter_map(|(_, c)| attribute(*c)).collect();
        let position = |attribute: usize| attributes.iter().position(|a| *a == attribute);
        let types = attributes.iter().map(|a| relation.columns[*a].ty).collect();
        let not_null = (0..attributes.len()).filter(|i| relation.columns[attributes[*i]].not_null).collect();
        let mut generated = vec![];
        for (a, e) in &write.generated {
            let Some(p) = position(*a) else { continue };
            generated.push((p, b.expr(e, &layout)?));
        }
        let checks =
            write.checks.iter().map(|(n, e)| Ok((n.clone(), b.expr(e, &layout)?))).collect::<Result<_>>()?;
        let compiled = |(view, e): &(String, quarry_plan::Expr)| Ok((view.clone(), b.expr(e, &layout)?));
        let view_checks = write.view_checks.iter().map(compiled).collect::<Result<_>>()?;
        let io = env.io();
        let (mut indexes, mut others, mut building) = (vec![], vec![], vec![]);
        for i in &write.indexes {
            let mut read: Vec<ColumnId> = vec![];
            i.keys.iter().chain(&i.predicate).for_each(|e| quarry_plan::walk::columns_of(e, &mut read));
            let of_id =
                |id: &ColumnId| write.row.iter().find(|(c, _)| c == id).and_then(|(_, c)| attribute(*c));
            let mut used: Vec<usize> = read.iter().filter_map(of_id).collect();
            used.extend(&i.index.include);
            if !i.index.ready {
                building.extend(used);
                continue;
            }
            if i.index.method != "btree" {
                others.push(OtherIndex {
                    keeper: Keeper::open(env, &i.index)?,
                    keys: b.exprs(&i.keys, &layout)?,
                    predicate: i.predicate.as_ref().map(|p| b.expr(p, &layout)).transpose()?,
                    attributes: used,
                    def: i.index.clone(),
                });
                continue;
            }
            indexes.push(TargetIndex {
                tree: BTree::open(&env.storage, i.index.storage, i.index.unique)
                    .with_name(i.index.name.clone()),
                shape: IndexShape::new(&relation, &i.index, &io)?,
                keys: b.exprs(&i.keys, &layout)?,
                columns: match i.predicate {
                    None => i.index.keys.iter().map(|k| position(k.column?)).collect(),
                    Some(_) => None,
                },
                include: i.index.include.iter().filter_map(|a| position(*a)).collect(),
                predicate: i.predicate.as_ref().map(|p| b.expr(p, &layout)).transpose()?,
                attributes: used,
                def: i.index.clone(),
            });
        }
        // Rows that come from another server were checked there: its triggers, and with them foreign keys, rest.
        let replica = env.session.setting("session_replication_role").as_deref() == Some("replica");
        let mut foreign_keys: Vec<Arc<ConstraintDef>> = relation
            .constraints
            .iter()
            .filter(|c| !replica && matches!(c.kind, ConstraintKind::ForeignKey { .. }))
            .cloned()
            .collect();
        // As PostgreSQL's triggers are named: in the order in which they were made.
        foreign_keys.sort_by_key(|c| c.oid);
        Ok(Target {
            heap: open_heap(env, &relation)?,
            attributes,
            types,
            not_null,
            generated,
            checks,
            view_checks,
            indexes,
            others,
            building,
            foreign_keys,
            referenced_by: if replica { vec![] } else { relation.referenced_by.clone() },
            relation,
            builder: RowBuilder::new(),
            arena: vec![],
            ends: vec![],
            key: vec![],
            keys: vec![],
            payload: RowBuilder::new(),
            tids: vec![],
            entries: Default::default(),
        })
    }

    /// Position in a row of an attribute.
    pub fn position(&self, attribute: usize) -> Option<usize> {
        self.attributes.iter().position(|a| *a == attribute)
    }

    /// Computes generated columns, then tests NOT NULL and CHECK constraints.
    pub fn complete(&self, cx: &mut Cx<'_>, row: &mut [Datum]) -> Result<()> {
        for (p, program) in &self.generated {
            row[*p] = program.row(cx, row)?;
        }
        for p in &self.not_null {
            if row[*p].is_null() {
                let name = &self.relation.columns[self.attributes[*p]].name;
                return Err(errors::null_violation(&self.relation, name, row, &self.types, cx.io));
            }
        }
        for (name, check) in &self.checks {
            // NULL is no violation.
            if let Datum::Bool(false) = check.row(cx, row)? {
                return Err(errors::check_violation(&self.relation, name, row, &self.types, cx.io));
            }
        }
        Ok(())
    }

    /// The stored form of a row; valid until the next call.
    pub fn encode(&mut self, row: &[Datum]) -> &[u8] {
        stored_form(&mut self.builder, &self.heap, &self.attributes, row)
    }

    /// Key and payload of a row in index `i`; `None` if a partial index leaves it out. `Some(true)`: a key is NULL.
    fn entry(
        &mut self,
        cx: &mut Cx<'_>,
        i: usize,
        row: &[Datum],
        keys: &mut Vec<Datum>,
    ) -> Result<Option<bool>> {
        let index = &self.indexes[i];
        if let Some(p) = &index.predicate
            && !p.row_is_true(cx, row)?
        {
            return Ok(None);
        }
        keys.clear();
        for k in &index.keys {
            keys.push(k.row(cx, row)?);
        }
        self.key.clear();
        Ok(Some(index.shape.key(keys, &mut self.key)?))
    }

    /// Puts a stored row into index `i`. `Some`: a row with the same key is there (nothing inserted).
    pub fn insert_entry(
        &mut self,
        cx: &mut Cx<'_>,
        i: usize,
        row: &[Datum],
        tid: Tid,
        keys: &mut Vec<Datum>,
    ) -> Result<Option<Tid>> {
        let Some(has_null) = self.entry(cx, i, row, keys)? else { return Ok(None) };
        let index = &self.indexes[i];
        let included: Vec<Datum> = match index.include.is_empty() {
            true => vec![],
            false => index.include.iter().map(|p| row[*p].clone()).collect(),
        };
        let payload = index.shape.payload(keys, &included, &mut self.payload);
        let exempt = has_null && !index.def.nulls_not_distinct;
        let check = if index.def.unique && !exempt && !index.def.deferrable {
            UniqueCheck::Enforce(&self.heap)
        } else {
            UniqueCheck::None
        };
        let outcome = index.tree.insert(&cx.env.txn, &self.key, payload, tid, check);
        match outcome.map_err(|e| errors::index_row_too_long(e, &self.relation, &index.def))? {
            InsertOutcome::Inserted => Ok(None),
            InsertOutcome::Conflict { tid } => Ok(Some(tid)),
        }
    }

    /// A live row with the same key in index `i`, if there is one. Waits for transactions that may make or end one.
    pub fn find_conflict(
        &mut self,
        cx: &mut Cx<'_>,
        i: usize,
        row: &[Datum],
        keys: &mut Vec<Datum>,
    ) -> Result<Option<VersionRef>> {
        let Some(has_null) = self.entry(cx, i, row, keys)? else { return Ok(None) };
        let index = &self.indexes[i];
        if has_null && !index.def.nulls_not_distinct {
            return Ok(None);
        }
        index.tree.find_conflict(&cx.env.txn, &self.key, &self.heap, None)
    }

    /// Puts a stored row into every index (that `changed` attributes concern, where given); 23505 on a duplicate.
    pub fn index_row(&mut self, cx: &mut Cx<'_>, row: &[Datum], tid: Tid) -> Result<()> {
        let mut keys = std::mem::take(&mut self.keys);
        for i in 0..self.indexes.len() {
            if self.insert_entry(cx, i, row, tid, &mut keys)?.is_some() {
                return Err(errors::unique_violation(&self.relation, &self.indexes[i].def, &keys, cx.io));
            }
            self.queue_deferred_unique(cx, i, &keys, tid)?;
        }
        keys.clear();
        self.keys = keys;
        self.index_row_elsewhere(cx, row, tid)
    }

    /// Puts a stored row into the indexes that are no B-trees.
    pub fn index_row_elsewhere(&mut self, cx: &mut Cx<'_>, row: &[Datum], tid: Tid) -> Result<()> {
        let mut values = vec![];
        for index in &mut self.others {
            if let Some(p) = &index.predicate
                && !p.row_is_true(cx, row)?
            {
                continue;
            }
            values.clear();
            for k in &index.keys {
                values.push(k.row(cx, row)?);
            }
            let done = index.keeper.insert(&cx.env.txn, &values, tid);
            let behind = done.map_err(|e| errors::index_row_too_long(e, &self.relation, &index.def))?;
            if let Some(block) = behind {
                cx.env.session.request_summary(index.def.oid, block);
            }
        }
        Ok(())
    }

    /// Whether an index reads one of these attributes: an update that changes them needs entries of its own.
    pub fn is_indexed(&self, changed: &[usize]) -> bool {
        let reads = |attributes: &[usize]| attributes.iter().any(|a| changed.contains(a));
        self.indexes.iter().any(|i| reads(&i.attributes))
            || self.others.iter().any(|i| reads(&i.attributes))
            || reads(&self.building)
    }

    /// A deferrable unique index is checked at the end of the statement, or at commit, if a row with the same key is there or on its
    /// way now: one that comes later has a check of its own. Follows [`Self::insert_entry`], whose key it reads.
    pub fn queue_deferred_unique(
        &mut self,
        cx: &mut Cx<'_>,
        i: usize,
        keys: &[Datum],
        tid: Tid,
    ) -> Result<()> {
        let index = &self.indexes[i];
        let exempt = !index.def.nulls_not_distinct && keys.iter().any(Datum::is_null);
        // One without a constraint is to take the place of another, or has lost its own: that keeps rows unique.
        if !(index.def.unique && index.def.deferrable && index.def.constraint.is_some())
            || exempt
            || !index.tree.may_conflict(&cx.env.txn, &self.key, &self.heap, Some(tid))?
        {
            return Ok(());
        }
        let constraint = self.relation.constraints.iter().find(|c| Some(c.oid) == index.def.constraint);
        let timing = constraint.map_or(Timing::IMMEDIATE, |c| Timing::of(c));
        let check = RiCheck::Unique {
            relation: self.relation.clone(),
            index: index.def.clone(),
            key: self.key.clone(),
            keys: keys.to_vec(),
            tid,
        };
        ri::queue(cx, check, timing);
        Ok(())
    }

    /// Stores one complete row with its index entries; foreign keys are queued.
    pub fn insert_row(&mut self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<Tid> {
        let body = stored_form(&mut self.builder, &self.heap, &self.attributes, row);
        let tid = self.heap.insert(&cx.env.txn, body)?;
        self.index_row(cx, row, tid)?;
        self.queue_foreign_keys(cx, row, None, tid);
        self.test_view_checks(cx, row)?;
        Ok(tid)
    }

    /// Queues the checks of this table's foreign keys for the row stored at `tid`; unchanged keys of an update need none, unless the
    /// row's earlier version may have a check waiting, which finds it outdated.
    pub fn queue_foreign_keys(&self, cx: &mut Cx<'_>, row: &[Datum], before: Option<&[Datum]>, tid: Tid) {
        for fk in &self.foreign_keys {
            let ConstraintKind::ForeignKey { columns, .. } = &fk.kind else { continue };
            let value = |row: &[Datum], c: &usize| self.position(*c).map_or(Datum::Null, |p| row[p].clone());
            let values: Vec<Datum> = columns.iter().map(|c| value(row, c)).collect();
            let timing = Timing::of(fk);
            if let Some(before) = before
                && columns.iter().zip(&values).all(|(c, v)| value(before, c) == *v)
                && !cx.env.deferred.lock().may_wait(timing)
            {
                continue;
            }
            let check = RiCheck::References {
                relation: self.relation.clone(),
                constraint: fk.clone(),
                values,
                tid: Some(tid),
            };
            ri::queue(cx, check, timing);
        }
    }

    /// Queues what a deleted or updated row means to the rows that reference it.
    pub fn queue_referenced(&self, cx: &mut Cx<'_>, before: &[Datum], after: Option<&[Datum]>) {
        for fk in &self.referenced_by {
            let ConstraintKind::ForeignKey { ref_columns, on_delete, on_update, .. } = &fk.kind else {
                continue;
            };
            let value = |row: &[Datum], c: &usize| self.position(*c).map_or(Datum::Null, |p| row[p].clone());
            let old: Vec<Datum> = ref_columns.iter().map(|c| value(before, c)).collect();
            if old.iter().any(Datum::is_null) {
                continue;
            }
            let new = after.map(|row| ref_columns.iter().map(|c| value(row, c)).collect::<Vec<Datum>>());
            if new.as_ref() == Some(&old) {
                continue;
            }
            let action = if new.is_some() { *on_update } else { *on_delete };
            // Only NO ACTION can wait: the other actions happen at once, however the constraint is declared.
            let timing = match action {
                quarry_catalog::ReferentialAction::NoAction => Timing::of(fk),
                _ => Timing::IMMEDIATE,
            };
            let check = RiCheck::Referenced {
                relation: self.relation.clone(),
                constraint: fk.clone(),
                old,
                new,
                action,
            };
            ri::queue(cx, check, timing);
        }
    }

    /// Stores a whole batch whose columns are a row's values, all rows counting. The hot path of COPY and INSERT SELECT.
    pub fn insert_batch(&mut self, cx: &mut Cx<'_>, batch: Batch) -> Result<(Batch, &[Tid])> {
        let batch = self.complete_batch(cx, batch)?;
        self.arena.clear();
        self.ends.clear();
        let width = self.heap.layout().len();
        for r in 0..batch.len {
            self.builder.begin(self.heap.layout());
            let mut next = 0;
            for a in 0..width {
                if self.attributes.get(next) == Some(&a) {
                    put_at(&batch.columns[next], r, &mut self.builder);
                    next += 1;
                } else {
                    self.builder.null();
                }
            }
            self.arena.extend_from_slice(self.builder.finish());
            self.ends.push(self.arena.len());
        }
        let mut start = 0;
        let rows: Vec<&[u8]> = self
            .ends
            .iter()
            .map(|end| {
                let row = &self.arena[start..*end];
                start = *end;
                row
            })
            .collect();
        self.tids.clear();
        let mut tids = std::mem::take(&mut self.tids);
        self.heap.insert_many(&cx.env.txn, &rows, &mut tids)?;
        self.index_batch(cx, &batch, &tids)?;
        self.tids = tids;
        Ok((batch, &self.tids))
    }

    /// Generated columns and constraints over a batch.
    fn complete_batch(&self, cx: &mut Cx<'_>, mut batch: Batch) -> Result<Batch> {
        for (p, program) in &self.generated {
            batch.columns[*p] = program.eval(cx, &batch)?;
        }
        let row_of =
            |batch: &Batch, r: usize| -> Vec<Datum> { batch.columns.iter().map(|c| c.datum(r)).collect() };
        for p in &self.not_null {
            let column: &Vector = &batch.columns[*p];
            if column.may_have_nulls()
                && let Some(r) = (0..batch.len).find(|r| column.is_null(*r))
            {
                // An earlier row may break a CHECK: constraints are tested row by row then.
                for earlier in 0..r {
                    self.test_checks(cx, &row_of(&batch, earlier))?;
                }
                let name = &self.relation.columns[self.attributes[*p]].name;
                return Err(errors::null_violation(
                    &self.relation,
                    name,
                    &row_of(&batch, r),
                    &self.types,
                    cx.io,
                ));
            }
        }
        for (name, check) in &self.checks {
            let v = check.eval_rows(cx, &batch.columns, Rows::All(batch.len))?;
            let quarry_types::VectorData::Bool(flags) = v.data() else { continue };
            if let Some(r) = (0..batch.len).find(|r| !v.is_null(*r) && !flags[v.slot(*r)]) {
                return Err(errors::check_violation(
                    &self.relation,
                    name,
                    &row_of(&batch, r),
                    &self.types,
                    cx.io,
                ));
            }
        }
        Ok(batch)
    }

    /// Tests a stored row against the check options of the views it was written through.
    pub fn test_view_checks(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<()> {
        for (view, check) in &self.view_checks {
            if !check.row_is_true(cx, row)? {
                return Err(errors::view_violation(view, row, &self.types, cx.io));
            }
        }
        Ok(())
    }

    fn test_checks(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<()> {
        for (name, check) in &self.checks {
            if let Datum::Bool(false) = check.row(cx, row)? {
                return Err(errors::check_violation(&self.relation, name, row, &self.types, cx.io));
            }
        }
        Ok(())
    }

    /// Whether nothing but B-trees wants to hear of stored rows.
    pub(super) fn needs_only_batches(&self) -> bool {
        self.others.is_empty() && self.foreign_keys.is_empty() && self.view_checks.is_empty()
    }

    /// Whether batches can be stored without looking at single rows' outcome.
    pub fn width(&self) -> usize {
        self.attributes.len()
    }
}

/// The stored form of a row, which has a value for each of `attributes`.
fn stored_form<'b>(
    builder: &'b mut RowBuilder,
    heap: &Heap,
    attributes: &[usize],
    row: &[Datum],
) -> &'b [u8] {
    builder.begin(heap.layout());
    let mut next = 0;
    for a in 0..heap.layout().len() {
        if attributes.get(next) == Some(&a) {
            put_datum(&row[next], builder);
            next += 1;
        } else {
            builder.null();
        }
    }
    builder.finish()
}

/// The attribute a scan column reads.
pub fn attribute(c: ScanColumn) -> Option<usize> {
    match c {
        ScanColumn::Attribute(a) => Some(a),
        _ => None,
    }
}

/// An internal error for rows that lack a column.
pub fn missing(what: &str) -> Error {
    Error::internal(format!("{what} is missing from the input of a write"))
}
