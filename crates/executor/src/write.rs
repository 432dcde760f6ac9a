//! Writing outside of query plans: COPY, table rewrites, validation of new constraints. Index builds: [`crate::index_build`].

use crate::build::Builder;
use crate::context::{Cx, Runtime};
use crate::env::ExecEnv;
use crate::expr::{Layout, Program};
use crate::modify::target::Target;
use crate::scan::rows::{RowReader, open_heap};
use quarry_catalog::{ConstraintDef, Relation};
use quarry_common::{Result, err};
use quarry_plan::{ColumnId, Expr, ScanColumn, TableWrite};
use quarry_storage::heap::Heap;
use quarry_types::{Batch, Datum, SqlType};
use std::sync::Arc;

/// Stores batches of rows in a table, with constraints and indexes.
pub struct TableWriter {
    env: ExecEnv,
    target: Target,
    rt: Runtime,
    rows: u64,
}

impl TableWriter {
    pub fn new(write: &TableWrite, env: ExecEnv) -> Result<TableWriter> {
        let (target, rt) = {
            let io = env.io();
            let mut b = Builder::new(&io, false).with_env(&env);
            let target = Target::new(&mut b, write, &env)?;
            (target, b.finish())
        };
        Ok(TableWriter { env, target, rt, rows: 0 })
    }
    /// Stores a batch: one column per live column of the table, every row counting.
    pub fn insert_batch(&mut self, batch: Batch) -> Result<u64> {
        let io = self.env.io();
        let mut cx = Cx::new(&self.env, &io, &mut self.rt);
        cx.check_cancelled()?;
        let count = batch.len as u64;
        self.target.insert_batch(&mut cx, batch)?;
        self.rows += count;
        Ok(count)
    }
    /// Runs the checks of the statement's end; rows stored in all.
    pub fn finish(&mut self) -> Result<u64> {
        let io = self.env.io();
        crate::modify::finish_statement(&mut Cx::new(&self.env, &io, &mut self.rt))?;
        Ok(self.rows)
    }
}

/// Columns of `row` as expressions over it read them: attribute list and layout.
pub(crate) fn layout_of(row: &[(ColumnId, ScanColumn)]) -> Layout {
    Layout::new(row.iter().map(|(id, _)| *id))
}

/// Calls `f` for each visible row of a table, with its values in the order of `row`.
pub fn for_each_row(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    row: &[(ColumnId, ScanColumn)],
    f: &mut dyn FnMut(&[Datum]) -> Result<()>,
) -> Result<()> {
    let io = env.io();
    let reader = RowReader::new(relation, row, &io)?;
    let heap: Heap = open_heap(env, relation)?;
    let mut scan = heap.scan(env.txn.catalog_snapshot(), None);
    let mut page: Vec<(quarry_common::Tid, Vec<u8>)> = vec![];
    let mut values = vec![];
    loop {
        env.session.check_cancelled()?;
        page.clear();
        // Values may lie on other pages, so the page is left before they are read.
        let more = scan.next_page(&mut |tid, body| {
            page.push((tid, body.to_vec()));
            Ok(())
        })?;
        for (tid, body) in &page {
            reader.datums(&heap, *tid, None, body, &mut values)?;
            f(&values)?;
        }
        if !more {
            return Ok(());
        }
    }
}

/// Compiles expressions over `row`; they run with the runtime.
pub fn compile(
    env: &ExecEnv,
    exprs: &[Expr],
    row: &[(ColumnId, ScanColumn)],
) -> Result<(Vec<Program>, Runtime)> {
    let io = env.io();
    let mut b = Builder::new(&io, false).with_env(env);
    let programs = b.exprs(exprs, &layout_of(row))?;
    Ok((programs, b.finish()))
}

/// 23514 if a stored row breaks a new CHECK.
pub fn validate_check(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    row: &[(ColumnId, ScanColumn)],
    name: &str,
    check: &Expr,
) -> Result<()> {
    let (programs, mut rt) = compile(env, std::slice::from_ref(check), row)?;
    let io = env.io();
    for_each_row(env, relation, row, &mut |values| {
        let mut cx = Cx::new(env, &io, &mut rt);
        if let Datum::Bool(false) = programs[0].row(&mut cx, values)? {
            return Err(err!(
                CHECK_VIOLATION,
                "check constraint \"{name}\" of relation \"{}\" is violated by some row",
                relation.name
            )
            .schema(&relation.schema_name)
            .table(&relation.name)
            .constraint(name));
        }
        Ok(())
    })
}

/// 23502 if a stored row has NULL in a column (an index in `Relation::columns`).
pub fn validate_not_null(env: &ExecEnv, relation: &Arc<Relation>, column: usize) -> Result<()> {
    let row = [(ColumnId(0), ScanColumn::Attribute(column))];
    for_each_row(env, relation, &row, &mut |values| {
        if values[0].is_null() {
            let name = &relation.columns[column].name;
            return Err(err!(
                NOT_NULL_VIOLATION,
                "column \"{name}\" of relation \"{}\" contains null values",
                relation.name
            )
            .schema(&relation.schema_name)
            .table(&relation.name)
            .column(name));
        }
        Ok(())
    })
}

/// 23503 if a stored row of the referencing table has no referenced row.
pub fn validate_foreign_key(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    constraint: &Arc<ConstraintDef>,
) -> Result<()> {
    use crate::modify::ri::{self, RiCheck};
    let quarry_catalog::ConstraintKind::ForeignKey { columns, .. } = &constraint.kind else { return Ok(()) };
    let row: Vec<(ColumnId, ScanColumn)> =
        columns.iter().enumerate().map(|(i, c)| (ColumnId(i as u32), ScanColumn::Attribute(*c))).collect();
    let mut last: Option<Vec<Datum>> = None;
    for_each_row(env, relation, &row, &mut |values| {
        if last.as_deref() == Some(values) {
            return Ok(());
        }
        last = Some(values.to_vec());
        let check = RiCheck::References {
            relation: relation.clone(),
            constraint: constraint.clone(),
            values: values.to_vec(),
            tid: None,
        };
        ri::run(env, vec![check], None)
    })
}

/// Types of a table's live columns.
pub fn live_types(relation: &Relation) -> Vec<SqlType> {
    relation.columns.iter().filter(|c| !c.dropped).map(|c| c.ty).collect()
}
