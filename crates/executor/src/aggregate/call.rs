//! One aggregate call: FILTER, DISTINCT, ORDER BY around an accumulator.

use super::distinct::Seen;
use super::ordered::Gathered;
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program, true_positions};
use quarry_common::{Error, Result};
use quarry_functions::aggregate::KeyDirection;
use quarry_functions::kernel::is_batch_too_large;
use quarry_functions::{Accumulator, AggregateCall, AggregateImpl, Body};
use quarry_plan::{AggregateExpr, Expr};
use quarry_types::key::{self, KeyOrder};
use quarry_types::{Batch, Datum, PhysicalType, Rows, SqlType, TypeRef, Vector};
use std::sync::Arc;

/// A call, compiled.
pub(super) struct Call {
    code: AggregateImpl,
    args: Vec<Program>,
    arg_types: Vec<SqlType>,
    infos: Vec<TypeRef>,
    direct: Vec<Program>,
    /// The direct arguments read columns: each group has an accumulator of its own, made with its values.
    per_group: bool,
    ret: SqlType,
    physical: PhysicalType,
    filter: Option<Program>,
    distinct: Distinct,
    /// The keys of WITHIN GROUP.
    within: Vec<KeyDirection>,
    /// Keys to sort the input by.
    order: Vec<(Program, TypeRef, KeyOrder)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Distinct {
    No,
    /// As rows come.
    Hashed,
    /// Neighbours after sorting.
    Sorted,
}

/// A call's states for all groups.
pub(super) struct CallState {
    acc: Box<dyn Accumulator>,
    seen: Option<Seen>,
    sorted: Option<Gathered>,
    /// By group, where the call has direct arguments that read columns.
    own: Vec<Option<Box<dyn Accumulator>>>,
}

impl Call {
    pub fn compile(b: &mut Builder<'_>, a: &AggregateExpr, layout: &Layout) -> Result<Call> {
        let Body::Aggregate(code) = a.function.def().body else {
            return Err(Error::internal("an aggregate call of another kind of function"));
        };
        let args = b.exprs(&a.args, layout)?;
        let infos: Vec<TypeRef> = a.args.iter().map(|e| b.type_ref(e.ty().oid)).collect::<Result<_>>()?;
        let arg_types: Vec<SqlType> = a.direct_args.iter().chain(&a.args).map(Expr::ty).collect();
        let within = match code.is_ordered_set() {
            true => a
                .order_by
                .iter()
                .map(|k| KeyDirection { desc: k.descending, nulls_first: k.nulls_first })
                .collect(),
            false => Vec::new(),
        };
        let mut order = Vec::new();
        if !code.order_insensitive {
            for k in &a.order_by {
                let key = KeyOrder { desc: k.descending, nulls_first: k.nulls_first };
                order.push((b.expr(&k.expr, layout)?, b.type_ref(k.expr.ty().oid)?, key));
            }
        }
        let hashable = infos.iter().all(|t| t.functions.hash.is_some());
        let distinct = match a.distinct {
            false => Distinct::No,
            true if code.order_insensitive && hashable => Distinct::Hashed,
            true => {
                // DISTINCT sorts by the arguments that ORDER BY does not name already.
                for (e, info) in a.args.iter().zip(&infos) {
                    if !a.order_by.iter().any(|k| k.expr == *e) {
                        order.push((b.expr(e, layout)?, info.clone(), KeyOrder::ASC));
                    }
                }
                Distinct::Sorted
            }
        };
        Ok(Call {
            code,
            args,
            arg_types,
            within,
            infos,
            per_group: reads(&a.direct_args, layout),
            direct: b.exprs(&a.direct_args, layout)?,
            ret: a.ty,
            physical: b.physical(a.ty)?,
            filter: a.filter.as_ref().map(|f| b.expr(f, layout)).transpose()?,
            distinct,
            order,
        })
    }

    /// An accumulator whose direct arguments are those of a row.
    fn accumulator(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<Box<dyn Accumulator>> {
        let direct_args = self.direct.iter().map(|d| d.row(cx, row)).collect::<Result<_>>()?;
        (self.code.make)(&AggregateCall {
            arg_types: self.arg_types.clone(),
            ret: self.ret,
            direct_args,
            order: self.within.clone(),
        })
    }

    /// New states. `nulls`: a row of the input's width.
    pub fn start(&self, cx: &mut Cx<'_>, nulls: &[Datum]) -> Result<CallState> {
        let acc = self.accumulator(cx, nulls)?;
        let physicals: Vec<PhysicalType> = self.args.iter().map(|a| a.physical).collect();
        let seen = (self.distinct == Distinct::Hashed).then(|| Seen::new(&physicals));
        let sorted = (!self.order.is_empty()).then(|| Gathered::new(&physicals));
        Ok(CallState { acc, seen, sorted, own: Vec::new() })
    }

    /// Adds rows; `numbers[r]` is row r's group (none: all of group 0) of `groups`. `ungrouped`: columns that the grouping set
    /// lacks.
    #[allow(clippy::too_many_arguments)]
    pub fn update(
        &self,
        cx: &mut Cx<'_>,
        st: &mut CallState,
        batch: &Batch,
        rows: Rows<'_>,
        numbers: Option<&[u32]>,
        groups: usize,
        ungrouped: &[usize],
    ) -> Result<()> {
        st.acc.resize(groups)?;
        if self.per_group {
            st.own.resize_with(groups, || None);
            for r in rows.iter() {
                let g = numbers.map_or(0, |n| n[r] as usize);
                if st.own[g].is_none() {
                    let mut row: Vec<Datum> = batch.columns.iter().map(|c| c.datum(r)).collect();
                    ungrouped.iter().for_each(|slot| row[*slot] = Datum::Null);
                    let mut acc = self.accumulator(cx, &row)?;
                    acc.resize(1)?;
                    st.own[g] = Some(acc);
                }
            }
        }
        let positions: Vec<u32>;
        let mut rows = rows;
        if let Some(f) = &self.filter {
            let flags = f.eval_rows(cx, &batch.columns, rows)?;
            positions = true_positions(&flags, rows);
            if positions.len() != batch.len {
                rows = Rows::Selected { positions: &positions, len: batch.len };
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.add(cx, st, batch, rows, numbers)
    }

    /// Adds rows that FILTER has let through.
    fn add(
        &self,
        cx: &mut Cx<'_>,
        st: &mut CallState,
        batch: &Batch,
        rows: Rows<'_>,
        numbers: Option<&[u32]>,
    ) -> Result<()> {
        let args = self.args.iter().map(|a| a.eval_bounded(cx, &batch.columns, rows));
        let args = match args.collect::<Result<Vec<_>>>() {
            Err(e) if is_batch_too_large(&e) && rows.count() > 1 => {
                let positions: Vec<u32> = rows.iter().map(|r| r as u32).collect();
                for half in positions.chunks(positions.len().div_ceil(2)) {
                    self.add(cx, st, batch, Rows::Selected { positions: half, len: batch.len }, numbers)?;
                }
                return Ok(());
            }
            args => args?,
        };
        if let Some(g) = &mut st.sorted {
            let keys = self
                .order
                .iter()
                .map(|o| o.0.eval_rows(cx, &batch.columns, rows))
                .collect::<Result<Vec<_>>>()?;
            let key = |r: usize, out: &mut Vec<u8>| -> Result<()> {
                for (v, (_, ty, order)) in keys.iter().zip(&self.order) {
                    key::encode_at(v, r, ty, *order, out)?;
                }
                Ok(())
            };
            g.push(cx, &args, rows, numbers, &key)?;
            return Ok(());
        }
        let new: Vec<u32>;
        let mut rows = rows;
        if let Some(seen) = &mut st.seen {
            new = seen.let_through(cx, &args, &self.infos, rows, numbers)?;
            rows = Rows::Selected { positions: &new, len: batch.len };
            if new.is_empty() {
                return Ok(());
            }
        }
        let refs: Vec<&Vector> = args.iter().map(|a| &**a).collect();
        let eval = cx.eval();
        let mut eval = eval.for_call(&self.arg_types, self.ret);
        if self.per_group {
            return feed(&mut st.own, &mut eval, &refs, rows, numbers);
        }
        match numbers {
            None => st.acc.update_single(&mut eval, &refs, rows),
            Some(n) => match rows {
                Rows::All(len) => st.acc.update(&mut eval, &refs, rows, &n[..len]),
                Rows::Selected { positions, .. } => {
                    let groups: Vec<u32> = positions.iter().map(|r| n[*r as usize]).collect();
                    st.acc.update(&mut eval, &refs, rows, &groups)
                }
            },
        }
    }

    /// Adds the first `n` of another thread's states: its group g becomes part of `map[g]`, of `groups`. Of DISTINCT calls, the values that
    /// it has let through are rows like others.
    pub fn merge(
        &self,
        cx: &mut Cx<'_>,
        st: &mut CallState,
        mut from: CallState,
        n: usize,
        map: &[u32],
        groups: usize,
    ) -> Result<()> {
        st.acc.resize(groups)?;
        let (Some(mine), Some(mut theirs)) = (&mut st.seen, from.seen.take()) else {
            from.acc.resize(n)?;
            return st.acc.merge(from.acc, map);
        };
        let acc = &mut st.acc;
        let mut add = |cx: &mut Cx<'_>, args: &[Arc<Vector>], of: &[u32]| -> Result<()> {
            cx.check_cancelled()?;
            let numbers: Vec<u32> = of.iter().map(|g| map[*g as usize]).collect();
            let len = numbers.len();
            let new = mine.let_through(cx, args, &self.infos, Rows::All(len), Some(&numbers))?;
            let groups: Vec<u32> = new.iter().map(|r| numbers[*r as usize]).collect();
            let eval = cx.eval();
            let mut eval = eval.for_call(&self.arg_types, self.ret);
            let refs: Vec<&Vector> = args.iter().map(|a| &**a).collect();
            acc.update(&mut eval, &refs, Rows::Selected { positions: &new, len }, &groups)
        };
        theirs.give_held(|(args, of)| add(cx, &args, &of))?;
        while let Some((batch, of)) = theirs.next_waiting(cx, &self.infos)? {
            add(cx, &batch.columns, &of)?;
        }
        Ok(())
    }

    /// Gives the accumulator what was waiting.
    pub fn complete(&self, cx: &mut Cx<'_>, st: &mut CallState, groups: usize) -> Result<()> {
        st.acc.resize(groups)?;
        let mut give = |cx: &mut Cx<'_>, batch: &Batch, numbers: &[u32]| -> Result<()> {
            let eval = cx.eval();
            let mut eval = eval.for_call(&self.arg_types, self.ret);
            let refs: Vec<&Vector> = batch.columns.iter().map(|c| &**c).collect();
            if self.per_group {
                return feed(&mut st.own, &mut eval, &refs, Rows::All(batch.len), Some(numbers));
            }
            st.acc.update(&mut eval, &refs, Rows::All(batch.len), numbers)
        };
        if let Some(seen) = &mut st.seen {
            while let Some((batch, numbers)) = seen.next_waiting(cx, &self.infos)? {
                give(cx, &batch, &numbers)?;
            }
        }
        let Some(gathered) = st.sorted.take() else { return Ok(()) };
        let distinct = (self.distinct == Distinct::Sorted).then_some(&self.infos[..]);
        let mut sorted = gathered.sorted(cx, distinct)?;
        while let Some((batch, numbers)) = sorted.next()? {
            give(cx, &batch, &numbers)?;
        }
        Ok(())
    }

    /// Results of groups `from..to`.
    pub fn results(&self, cx: &mut Cx<'_>, st: &mut CallState, from: usize, to: usize) -> Result<Vector> {
        let eval = cx.eval();
        let mut eval = eval.for_call(&self.arg_types, self.ret);
        if self.per_group {
            let mut out = Vector::with_capacity(self.physical, to - from);
            for g in from..to {
                let acc = st.own.get_mut(g).and_then(Option::as_mut);
                let v = acc.unwrap_or(&mut st.acc).finish(&mut eval, 0, 1)?;
                out.push_datum(&v.datum(0));
            }
            return Ok(out);
        }
        let v = st.acc.finish(&mut eval, from, to)?;
        if v.physical() == self.physical { Ok(v) } else { quarry_functions::cast::relabel(&v, self.physical) }
    }
}

/// Whether expressions read columns of the input.
fn reads(exprs: &[Expr], layout: &Layout) -> bool {
    let mut ids = vec![];
    exprs.iter().for_each(|e| quarry_plan::walk::columns_of(e, &mut ids));
    ids.iter().any(|id| layout.slot(*id).is_some())
}

/// Gives each group's own accumulator its rows. `numbers`: by row, for `Rows::All` by position in the batch.
fn feed(
    own: &mut [Option<Box<dyn Accumulator>>],
    eval: &mut quarry_functions::EvalContext<'_>,
    args: &[&Vector],
    rows: Rows<'_>,
    numbers: Option<&[u32]>,
) -> Result<()> {
    let len = match rows {
        Rows::All(len) => len,
        Rows::Selected { len, .. } => len,
    };
    let mut by_group: std::collections::BTreeMap<usize, Vec<u32>> = Default::default();
    for r in rows.iter() {
        by_group.entry(numbers.map_or(0, |n| n[r] as usize)).or_default().push(r as u32);
    }
    for (g, positions) in by_group {
        if let Some(Some(acc)) = own.get_mut(g) {
            acc.update_single(eval, args, Rows::Selected { positions: &positions, len })?;
        }
    }
    Ok(())
}

impl CallState {
    pub fn memory_bytes(&self) -> usize {
        let own: usize = self.own.iter().flatten().map(|a| a.memory_bytes()).sum();
        self.acc.memory_bytes() + own + self.reserved_bytes()
    }
    /// Of [`CallState::memory_bytes`], those that have reservations of their own.
    pub fn reserved_bytes(&self) -> usize {
        let seen = self.seen.as_ref().map_or(0, Seen::memory_bytes);
        seen + self.sorted.as_ref().map_or(0, Gathered::memory_bytes)
    }
}
