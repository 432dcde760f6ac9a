//! From physical plans to operators.

use crate::context::Runtime;
use crate::expr::Layout;
use crate::join::shared::BuildShare;
use crate::operator::{BoxOperator, Instrumented, Output};
use crate::project::{ProjectSet, ResultNode, SetProgram};
use crate::scan::filters::{Filters, ScanProbe};
use crate::scan::shared::Member;
use crate::scan::{bitmap, cte, function, index, methods, range::Ranges, rows::RowReader, seq, tid, values};
use crate::subplan::{SubplanState, SubqueryNode};
use crate::{
    aggregate, append, correlation, gather, index_entry, join, limit, merge, modify, recursive, setop, sort,
    window,
};
use quarry_common::{Error, Result};
use quarry_plan::physical::{LoopParts, PlannedCte};
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, ScanColumn, ValueRows, walk};
use quarry_types::{IoContext, PhysicalType};

/// Builds operators and compiles expressions; collects what they refer to.
pub struct Builder<'a> {
    io: &'a IoContext<'a>,
    /// Absent where only expressions are compiled.
    env: Option<&'a crate::ExecEnv>,
    instrument: bool,
    pub(crate) runtime: Runtime,
    /// Outputs of the common table expressions and work tables in scope.
    ctes: Vec<(quarry_plan::CteId, Vec<ColumnId>)>,
    work_tables: Vec<(quarry_plan::CteId, Vec<ColumnId>)>,
    /// Greatest node id met.
    max_node: usize,
    filters: &'a [quarry_plan::physical::RuntimeFilter],
    pub(crate) traits: crate::expr::Traits,
    /// Whose copy of a plan is being built, if several threads get one.
    pub(crate) member: Option<Member>,
    /// Subqueries that a crew's leader runs for all.
    pub(crate) asked: Vec<SubqueryNode>,
    /// Numeric columns of the scan being built that are only computed with.
    pub(crate) whole_numbers: Vec<ColumnId>,
}

impl<'a> Builder<'a> {
    pub fn new(io: &'a IoContext<'a>, instrument: bool) -> Builder<'a> {
        Builder {
            io,
            env: None,
            instrument,
            runtime: Runtime::default(),
            ctes: Vec::new(),
            work_tables: Vec::new(),
            max_node: 0,
            filters: &[],
            traits: Default::default(),
            member: None,
            asked: Vec::new(),
            whole_numbers: Vec::new(),
        }
    }
    /// With what writing nodes need to open their tables.
    pub fn with_env(self, env: &'a crate::ExecEnv) -> Builder<'a> {
        Builder { env: Some(env), ..self }
    }
    /// With what hash joins tell scans.
    pub fn with_filters(self, filters: &'a [quarry_plan::physical::RuntimeFilter]) -> Builder<'a> {
        Builder { filters, ..self }
    }
    pub fn io(&self) -> &'a IoContext<'a> {
        self.io
    }
    /// The execution's environment; writing nodes can't be built without.
    pub fn env(&self) -> Result<&'a crate::ExecEnv> {
        self.env.ok_or_else(|| Error::internal("a writing node outside an execution"))
    }
    /// What the compiled expressions refer to; they run only with it.
    pub fn finish(mut self) -> Runtime {
        if self.instrument {
            self.runtime.stats.resize_with(self.max_node + 1, Default::default);
        }
        self.runtime
    }
    pub(crate) fn add_subplan(&mut self, state: SubplanState) -> usize {
        self.runtime.subplans.push(Some(Box::new(state)));
        self.runtime.subplans.len() - 1
    }
    /// Plans a common table expression; those that it reads must have been added before.
    pub fn cte(&mut self, planned: &PlannedCte) -> Result<()> {
        self.ctes.push((planned.id, planned.output.clone()));
        let op = self.plan(&planned.plan)?;
        // Rows are kept in the order of `output`.
        let slots = slots_of(&planned.plan, &planned.output)?;
        let op = columns(op, slots, planned.plan.targets.len());
        let mut reads = crate::correlation::outside_columns(&planned.plan);
        let mut rounds = crate::correlation::outside_work_tables(&planned.plan);
        for other in crate::correlation::scanned_ctes(&planned.plan) {
            let state = self.runtime.ctes.iter().find(|c| c.id == other);
            reads.extend(state.iter().flat_map(|c| c.reads.iter().copied()));
            rounds.extend(state.iter().flat_map(|c| c.rounds_of.iter().copied()));
        }
        // Where nobody asks whether there was an error, nobody reads the rows.
        let said_by = planned.caught.and_then(|id| planned.output.iter().position(|o| *o == id));
        let caught = match said_by {
            Some(said_by) => {
                let types = types_of(&planned.plan, &planned.output)?;
                let physicals = types.into_iter().map(|ty| self.physical(ty)).collect::<Result<_>>()?;
                Some(cte::Caught::new(said_by, physicals))
            }
            None => None,
        };
        self.runtime.ctes.push(cte::CteState::new(planned.id, op, reads, rounds, caught));
        Ok(())
    }
    /// Makes a recursion's work table known: to its step, and to expressions of the step's own WITH, which are built before it.
    pub(crate) fn push_work_table(&mut self, id: quarry_plan::CteId, output: &[ColumnId]) {
        self.work_tables.push((id, output.to_vec()));
    }

    /// Physical types of a plan's output columns.
    pub fn output_physicals(&self, plan: &PhysicalPlan) -> Result<Vec<PhysicalType>> {
        plan.targets.iter().map(|(_, e)| self.physical(e.ty())).collect()
    }

    /// Makes room for the counts of a node that is no operator of its own.
    pub(crate) fn note_node(&mut self, id: usize) {
        self.max_node = self.max_node.max(id);
    }

    /// As [`Builder::plan`] for a plan that EXPLAIN doesn't show.
    pub fn uncounted(&mut self, plan: &PhysicalPlan) -> Result<BoxOperator> {
        let instrument = std::mem::replace(&mut self.instrument, false);
        let op = self.plan(plan);
        self.instrument = instrument;
        op
    }

    /// The operator for a plan: its columns are `plan.output()`, in order.
    pub fn plan(&mut self, plan: &PhysicalPlan) -> Result<BoxOperator> {
        self.max_node = self.max_node.max(plan.id);
        let (raw, filter) = match seq::build(self, plan)? {
            Some(scan) => scan,
            None => (self.raw(plan)?, plan.filter.iter().collect()),
        };
        let columns = match read_columns(plan) {
            Some(read) => read.iter().map(|(id, _)| *id).collect(),
            None => walk::raw_columns(&plan.node),
        };
        let layout = Layout::new(columns.iter().copied());
        let filter = self.exprs(filter, &layout)?;
        let same = plan.targets.iter().map(|(id, _)| id).eq(&columns);
        let targets = if same {
            None
        } else {
            // A target with a raw column's id is that column: ids are unique in a statement.
            let program = |(id, e): &(ColumnId, Expr)| match layout.slot(*id) {
                Some(_) => self.expr(&Expr::column(*id, e.ty()), &layout),
                None => self.expr(e, &layout),
            };
            Some(plan.targets.iter().map(program).collect::<Result<Vec<_>>>()?)
        };
        let op: BoxOperator = if filter.is_empty() && targets.is_none() {
            raw
        } else {
            Box::new(Output::new(raw, filter, targets))
        };
        Ok(if self.instrument { Box::new(Instrumented::new(op, plan.id)) } else { op })
    }

    /// The conditions of an index scan that entries can be tested for before their rows are visited.
    fn entry_filter(
        &mut self,
        plan: &PhysicalPlan,
        relation: &quarry_catalog::Relation,
        index: &quarry_catalog::IndexDef,
        columns: &[(ColumnId, ScanColumn)],
    ) -> Result<Option<index::EntryFilter>> {
        let held: Vec<(ColumnId, ScanColumn)> =
            columns.iter().filter(|(_, c)| index::place(index, *c).is_some()).copied().collect();
        let ids: Vec<ColumnId> = held.iter().map(|(id, _)| *id).collect();
        let tested: Vec<Expr> = plan.filter.iter().filter(|e| index::is_harmless(e, &ids)).cloned().collect();
        if tested.is_empty() {
            return Ok(None);
        }
        let read: Vec<ScanColumn> = held.iter().map(|(_, c)| *c).collect();
        let shape = index_entry::IndexShape::new(relation, index, self.io)?;
        let Some(columns) = index::Covered::new(index, shape, &read) else { return Ok(None) };
        let physicals = RowReader::of(relation, &read, self.io)?.physicals().to_vec();
        let programs = self.exprs(&tested, &Layout::new(ids))?;
        Ok(Some(index::EntryFilter { columns, physicals, programs }))
    }

    pub(crate) fn reader(
        &self,
        relation: &quarry_catalog::Relation,
        columns: &[(ColumnId, ScanColumn)],
    ) -> Result<RowReader> {
        RowReader::new(relation, columns, self.io)
    }

    fn cte_slots(
        &self,
        tables: &[(quarry_plan::CteId, Vec<ColumnId>)],
        id: quarry_plan::CteId,
        columns: &[(ColumnId, ColumnId)],
    ) -> Result<Vec<usize>> {
        let (_, output) = tables
            .iter()
            .rev()
            .find(|(c, _)| *c == id)
            .ok_or_else(|| Error::internal("a common table expression was not planned"))?;
        columns
            .iter()
            .map(|(_, theirs)| {
                let found = output.iter().position(|o| o == theirs);
                found.ok_or_else(|| Error::internal("a scan reads a column that the table expression lacks"))
            })
            .collect()
    }

    /// What hash joins above a scan will say of its columns; `index`: the one whose entries it reads.
    pub(crate) fn scan_filters(
        &self,
        node: usize,
        relation: &quarry_catalog::Relation,
        columns: &[(ColumnId, ScanColumn)],
        index: Option<&quarry_catalog::IndexDef>,
    ) -> Result<Filters> {
        let mut probes = vec![];
        for (n, f) in self.filters.iter().enumerate().filter(|(_, f)| f.scan == node) {
            if let Some(c @ (_, what @ ScanColumn::Attribute(attribute))) =
                columns.iter().find(|(id, _)| *id == f.column)
            {
                let covered = match index.filter(|index| index::place(index, *what).is_some()) {
                    Some(index) => {
                        let shape = index_entry::IndexShape::new(relation, index, self.io)?;
                        index::Covered::new(index, shape, &[*what])
                    }
                    None => None,
                };
                let reader = self.reader(relation, std::slice::from_ref(c))?;
                probes.push(ScanProbe::new(n, reader, *attribute, covered));
            }
        }
        Ok(Filters::new(probes, node))
    }

    /// What a hash join shares with its copies.
    pub(crate) fn shared_build(&self, node: usize) -> Option<BuildShare> {
        self.member.as_ref()?.build(node)
    }

    /// The operator for a nested loop's outer side, whose rows are dealt if it has parts of these with others.
    pub(crate) fn outer_side(&mut self, node: usize, outer: &PhysicalPlan) -> Result<BoxOperator> {
        let Some((dealer, leads)) = self.member.as_ref().and_then(|member| member.dealer(node)) else {
            return self.plan(outer);
        };
        if !dealer.has_source() {
            // It is one operator for all, which shares nothing itself.
            let member = self.member.take();
            let source = self.plan(outer);
            self.member = member;
            dealer.set_source(source?);
        }
        Ok(Box::new(join::deal::Dealt::new(dealer, leads)))
    }

    /// The node without its filter and targets.
    fn raw(&mut self, plan: &PhysicalPlan) -> Result<BoxOperator> {
        let none = Layout::default();
        let read = read_columns(plan);
        Ok(match &plan.node {
            PhysicalNode::Result { input, one_time_filter } => {
                let input = input.as_ref().map(|p| self.plan(p)).transpose()?;
                Box::new(ResultNode::new(input, self.exprs(one_time_filter, &none)?))
            }
            PhysicalNode::SeqScan { .. } => {
                return Err(Error::internal("a sequential scan is built with its filter"));
            }
            PhysicalNode::IndexScan { relation, index, columns, conds, .. } if index.method == "hash" => {
                let columns = read.as_ref().unwrap_or(columns);
                let scan = methods::MethodScan::compile(self, index, conds)?;
                let layout = Layout::new(columns.iter().map(|(id, _)| *id));
                let recheck =
                    conds.iter().map(|c| self.expr(&c.source, &layout)).collect::<Result<Vec<_>>>()?;
                let reader = self.reader(relation, columns)?;
                let (relation, index) = (relation.clone(), index.clone());
                Box::new(methods::HashIndexScan::new(relation, index, scan, reader, recheck))
            }
            PhysicalNode::IndexScan {
                relation,
                index,
                columns,
                conds,
                backward,
                index_only,
                first_only,
                ..
            } => {
                let given = read.as_ref().unwrap_or(columns);
                let reader = self.reader(relation, given)?;
                let wanted: Vec<ScanColumn> = given.iter().map(|(_, c)| *c).collect();
                let (mut only, mut filter) = (None, None);
                if *index_only {
                    let shape = index_entry::IndexShape::new(relation, index, self.io)?;
                    only = index::Covered::new(index, shape, &wanted);
                } else {
                    filter = self.entry_filter(plan, relation, index, columns)?;
                }
                let ranges = Ranges::compile(self, index, conds)?;
                let joins = self.scan_filters(plan.id, relation, columns, Some(index))?;
                let scan = index::IndexScan::new(
                    relation.clone(),
                    index.clone(),
                    ranges,
                    reader,
                    *backward,
                    only,
                    filter,
                    joins,
                    plan.id,
                );
                Box::new(scan.first_only(*first_only).expecting(plan.rows))
            }
            PhysicalNode::BitmapHeapScan { relation, columns, bitmap, recheck, .. } => {
                let source = bitmap::Source::compile(self, bitmap)?;
                let reader = self.reader(relation, columns)?;
                let recheck = self.exprs(recheck, &Layout::new(columns.iter().map(|(id, _)| *id)))?;
                let joins = self.scan_filters(plan.id, relation, columns, None)?;
                let relation = relation.clone();
                Box::new(bitmap::BitmapHeapScan::new(relation, reader, source, recheck, joins, plan.id))
            }
            PhysicalNode::TidScan { relation, columns, tids, .. } => {
                let tids = self.exprs(tids, &none)?;
                Box::new(tid::TidScan::new(relation.clone(), self.reader(relation, columns)?, tids))
            }
            PhysicalNode::TidRangeScan { relation, columns, lower, upper, .. } => {
                let mut bounds = |list: &[(Expr, bool)]| -> Result<Vec<tid::TidBound>> {
                    let bound = |(e, inclusive): &(Expr, bool)| Ok((self.expr(e, &none)?, *inclusive));
                    list.iter().map(bound).collect()
                };
                let (lower, upper) = (bounds(lower)?, bounds(upper)?);
                let reader = self.reader(relation, columns)?;
                Box::new(tid::TidRangeScan::new(relation.clone(), reader, lower, upper))
            }
            PhysicalNode::ValuesScan { rows: ValueRows::Constant { batches, .. }, .. } => {
                Box::new(values::ConstantScan::new(batches.clone()))
            }
            PhysicalNode::ValuesScan { rows: ValueRows::Computed(rows), columns, .. } => {
                let physicals = match rows.first() {
                    Some(row) => row.iter().map(|e| self.physical(e.ty())).collect::<Result<_>>()?,
                    None => vec![PhysicalType::Bytes; columns.len()],
                };
                let rows = rows.iter().map(|r| self.exprs(r, &none)).collect::<Result<_>>()?;
                Box::new(values::ValuesScan::new(rows, physicals))
            }
            PhysicalNode::FunctionScan { calls, ordinality, .. } => {
                let calls =
                    calls.iter().map(|(c, _)| SetProgram::compile(self, c, &none)).collect::<Result<_>>()?;
                Box::new(function::FunctionScan::new(calls, ordinality.is_some()))
            }
            PhysicalNode::CteScan { cte, columns, .. } => {
                Box::new(cte::CteScan::new(*cte, self.cte_slots(&self.ctes, *cte, columns)?))
            }
            PhysicalNode::WorkTableScan { cte, columns, .. } => {
                Box::new(cte::WorkTableScan::new(*cte, self.cte_slots(&self.work_tables, *cte, columns)?))
            }
            PhysicalNode::SubqueryScan { input, .. } => self.plan(input)?,
            PhysicalNode::NestLoop { kind, outer, inner, on, params, inner_unique, parts } => {
                let sides = join::nest_loop::Parts {
                    kind: *kind,
                    outer,
                    inner,
                    on,
                    params,
                    inner_unique: *inner_unique,
                };
                match (parts, &self.member) {
                    (LoopParts::Inner, Some(_)) => join::inner_parts::build(self, sides)?,
                    _ => join::nest_loop::build(self, plan.id, sides)?,
                }
            }
            PhysicalNode::HashJoin { kind, outer, inner, keys, hash_conds, on, inner_unique, .. } => {
                let filters = self.filters.iter().enumerate();
                let filters = filters.filter(|(_, f)| f.join == plan.id).map(|(n, f)| (n, f.key)).collect();
                let parts = join::hash::Parts {
                    kind: *kind,
                    outer,
                    inner,
                    keys,
                    on,
                    inner_unique: *inner_unique,
                    null_aware: hash_conds
                        .iter()
                        .any(|e| matches!(e, Expr::IsBool { test: quarry_plan::BoolTest::NotFalse, .. })),
                    filters,
                };
                join::hash::build(self, plan.id, parts)?
            }
            PhysicalNode::MergeJoin { kind, outer, inner, keys, order, on, .. } => {
                join::merge::build(self, *kind, outer, inner, keys, order, on)?
            }
            PhysicalNode::Materialize { input } => {
                let depends = correlation::Dependence::of(input);
                Box::new(append::Materialize::new(self.plan(input)?, depends))
            }
            PhysicalNode::Memoize { input, keys } => join::memoize::build(self, plan.id, input, keys)?,
            PhysicalNode::Sort { input, keys, bound, presorted } => {
                sort::build(self, plan.id, input, keys, *bound, *presorted)?
            }
            PhysicalNode::Gather { input, workers, keys } => {
                gather::build(self, plan.id, input, *workers, keys)?
            }
            PhysicalNode::Aggregate {
                input,
                strategy,
                group,
                determined,
                sets,
                aggregates,
                grouping,
                workers,
            } => {
                let spec = aggregate::Spec {
                    workers: *workers,
                    strategy: *strategy,
                    group,
                    determined,
                    sets: sets.as_deref(),
                    aggregates,
                    grouping,
                };
                aggregate::build(self, plan.id, input, spec)?
            }
            PhysicalNode::WindowAgg { input, spec, calls, run, passes_on } => {
                window::build(self, input, spec, calls, (run, *passes_on))?
            }
            PhysicalNode::ProjectSet { input, calls } => ProjectSet::build(self, input, calls)?,
            PhysicalNode::Unique { input, columns } => setop::unique(self, input, columns)?,
            PhysicalNode::SetOp { kind, all, left, right, left_columns, right_columns, .. } => {
                setop::build(self, *kind, *all, (left, left_columns), (right, right_columns))?
            }
            PhysicalNode::Append { inputs, .. } => {
                let inputs = inputs.iter().map(|(p, c)| self.picked(p, c)).collect::<Result<_>>()?;
                Box::new(append::Append::new(inputs))
            }
            PhysicalNode::MergeAppend { inputs, output, keys } => {
                merge::merge_append(self, inputs, output, keys)?
            }
            PhysicalNode::RecursiveUnion {
                cte,
                base,
                step,
                output,
                base_columns,
                step_columns,
                distinct,
            } => recursive::build(self, *cte, (base, base_columns), (step, step_columns), output, *distinct)?,
            PhysicalNode::Limit { input, limit, offset, ties } => {
                limit::build(self, input, limit.as_ref(), offset.as_ref(), ties.as_deref())?
            }
            PhysicalNode::LockRows { .. }
            | PhysicalNode::Insert { .. }
            | PhysicalNode::Update { .. }
            | PhysicalNode::Delete { .. } => modify::build(self, plan)?,
        })
    }

    /// A plan with these of its columns, in this order.
    pub fn picked(&mut self, plan: &PhysicalPlan, wanted: &[ColumnId]) -> Result<BoxOperator> {
        let slots = slots_of(plan, wanted)?;
        let op = self.plan(plan)?;
        Ok(columns(op, slots, plan.targets.len()))
    }
}

/// The columns that an index scan gives: those that somebody reads. Others were read only by conditions that the index stands for.
pub(crate) fn read_columns(plan: &PhysicalPlan) -> Option<Vec<(ColumnId, ScanColumn)>> {
    let PhysicalNode::IndexScan { columns, .. } = &plan.node else { return None };
    // A target with a raw column's id is that column, whatever its expression.
    let mut read: Vec<ColumnId> = plan.targets.iter().map(|(id, _)| *id).collect();
    walk::physical_exprs(plan).into_iter().for_each(|e| walk::columns_of(e, &mut read));
    Some(columns.iter().filter(|(id, _)| read.contains(id)).copied().collect())
}

fn columns(op: BoxOperator, slots: Vec<usize>, all: usize) -> BoxOperator {
    if slots.iter().copied().eq(0..all) { op } else { Box::new(crate::project::Columns::new(op, slots)) }
}

/// Where a plan's output has these columns.
pub fn slots_of(plan: &PhysicalPlan, wanted: &[ColumnId]) -> Result<Vec<usize>> {
    wanted
        .iter()
        .map(|w| {
            let found = plan.output().position(|o| o == *w);
            found.ok_or_else(|| Error::internal("a plan lacks a column that its parent reads"))
        })
        .collect()
}

/// Types of these output columns of a plan.
pub fn types_of(plan: &PhysicalPlan, wanted: &[ColumnId]) -> Result<Vec<quarry_types::SqlType>> {
    slots_of(plan, wanted).map(|slots| slots.iter().map(|s| plan.targets[*s].1.ty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_common::Oid;
    use quarry_types::SqlType;

    #[test]
    fn columns_that_only_the_index_stands_for_are_not_read() {
        let env = crate::testing::env();
        let relation = env.reader.relation(Oid(1259)).expect("a catalog").expect("pg_class");
        let id = |n: usize| ColumnId(n as u32);
        let column = |n: usize| Expr::column(id(n), relation.columns[n].ty);
        let scan = |targets: &[usize], filter: &[usize]| PhysicalPlan {
            node: PhysicalNode::IndexScan {
                relation: relation.clone(),
                alias: String::new(),
                index: relation.indexes[0].clone(),
                columns: (0..4).map(|n| (id(n), ScanColumn::Attribute(n))).collect(),
                conds: vec![],
                backward: false,
                index_only: false,
                first_only: false,
            },
            targets: targets.iter().map(|n| (id(*n), column(*n))).collect(),
            filter: filter
                .iter()
                .map(|n| Expr::IsNull { arg: Box::new(column(*n)), negated: true })
                .collect(),
            ..PhysicalPlan::stand_in()
        };
        let read = |plan: &PhysicalPlan| -> Vec<u32> {
            let columns = read_columns(plan).expect("an index scan's");
            columns.iter().map(|(id, _)| id.0).collect()
        };
        assert_eq!(read(&scan(&[1], &[])), [1]);
        assert_eq!(read(&scan(&[2, 1], &[0])), [0, 1, 2]);
        assert_eq!(read(&scan(&[], &[])), [0; 0]);
        // A target that has the column's id, whatever it is computed of.
        let mut plan = scan(&[3], &[]);
        plan.targets[0].1 = Expr::column(id(2), SqlType::INT4);
        assert_eq!(read(&plan), [2, 3]);
        assert!(read_columns(&PhysicalPlan::stand_in()).is_none());
    }
}
