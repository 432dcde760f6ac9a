//! One aggregate call: FILTER, DISTINCT, ORDER BY around an accumulator.

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program, true_positions};
use crate::rows::RowSet;
use hashbrown::HashTable;
use quarry_common::{Error, Result};
use quarry_functions::aggregate::KeyDirection;
use quarry_functions::{Accumulator, AggregateCall, AggregateImpl, Body};
use quarry_plan::{AggregateExpr, Expr};
use quarry_types::key::{self, KeyOrder};
use quarry_types::{BATCH_ROWS, Batch, Datum, PhysicalType, Rows, SqlType, TypeRef, Vector, compare, hash};
use std::sync::Arc;

/// A call, compiled.
pub(super) struct Call {
    code: AggregateImpl,
    args: Vec<Program>,
    arg_types: Vec<SqlType>,
    infos: Vec<TypeRef>,
    direct: Vec<Program>,
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
}

/// Rows that DISTINCT has let through.
struct Seen {
    table: HashTable<u32>,
    groups: Vec<u32>,
    values: Vec<Vector>,
    hashes: Vec<u64>,
}

/// Input waiting to be sorted.
struct Gathered {
    rows: RowSet,
    keys: Vec<u8>,
    /// Group, start and end of the key; by row.
    entries: Vec<(u32, usize, usize)>,
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
            direct: b.exprs(&a.direct_args, layout)?,
            ret: a.ty,
            physical: b.physical(a.ty)?,
            filter: a.filter.as_ref().map(|f| b.expr(f, layout)).transpose()?,
            distinct,
            order,
        })
    }

    pub fn has_direct(&self) -> bool {
        !self.direct.is_empty()
    }

    /// New states. `row`: a row of the input, for direct arguments.
    pub fn start(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<CallState> {
        let direct_args = self.direct.iter().map(|d| d.row(cx, row)).collect::<Result<_>>()?;
        let call = AggregateCall {
            arg_types: self.arg_types.clone(),
            ret: self.ret,
            direct_args,
            order: self.within.clone(),
        };
        let physicals: Vec<PhysicalType> = self.args.iter().map(|a| a.physical).collect();
        let seen = (self.distinct == Distinct::Hashed).then(|| Seen {
            table: HashTable::new(),
            groups: Vec::new(),
            values: physicals.iter().map(|p| Vector::with_capacity(*p, 0)).collect(),
            hashes: Vec::new(),
        });
        let sorted = (!self.order.is_empty()).then(|| Gathered {
            rows: RowSet::new(&physicals),
            keys: Vec::new(),
            entries: Vec::new(),
        });
        Ok(CallState { acc: (self.code.make)(&call)?, seen, sorted })
    }

    /// Adds rows; `numbers[r]` is row r's group (none: all of group 0) of `groups`.
    pub fn update(
        &self,
        cx: &mut Cx<'_>,
        st: &mut CallState,
        batch: &Batch,
        rows: Rows<'_>,
        numbers: Option<&[u32]>,
        groups: usize,
    ) -> Result<()> {
        st.acc.resize(groups)?;
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
        let args =
            self.args.iter().map(|a| a.eval_rows(cx, &batch.columns, rows)).collect::<Result<Vec<_>>>()?;
        if let Some(g) = &mut st.sorted {
            let keys = self
                .order
                .iter()
                .map(|o| o.0.eval_rows(cx, &batch.columns, rows))
                .collect::<Result<Vec<_>>>()?;
            for r in rows.iter() {
                let at = g.keys.len();
                for (v, (_, ty, order)) in keys.iter().zip(&self.order) {
                    key::encode_at(v, r, ty, *order, &mut g.keys)?;
                }
                g.entries.push((numbers.map_or(0, |n| n[r]), at, g.keys.len()));
            }
            g.rows.push_rows(&args, rows);
            return Ok(());
        }
        let new: Vec<u32>;
        if let Some(seen) = &mut st.seen {
            new = seen.let_through(&args, &self.infos, rows, numbers);
            rows = Rows::Selected { positions: &new, len: batch.len };
            if new.is_empty() {
                return Ok(());
            }
        }
        let refs: Vec<&Vector> = args.iter().map(|a| &**a).collect();
        let eval = cx.eval();
        let mut eval = eval.for_call(&self.arg_types, self.ret);
        match numbers {
            None => st.acc.update_single(&mut eval, &refs, rows),
            Some(n) => {
                let groups: Vec<u32> = rows.iter().map(|r| n[r]).collect();
                st.acc.update(&mut eval, &refs, rows, &groups)
            }
        }
    }

    /// Gives the accumulator what was waiting.
    pub fn complete(&self, cx: &mut Cx<'_>, st: &mut CallState, groups: usize) -> Result<()> {
        st.acc.resize(groups)?;
        let Some(g) = &mut st.sorted else { return Ok(()) };
        let mut order: Vec<u32> = (0..g.entries.len() as u32).collect();
        let (entries, keys) = (&g.entries, &g.keys);
        order.sort_by(|a, b| {
            let (ga, sa, ea) = entries[*a as usize];
            let (gb, sb, eb) = entries[*b as usize];
            ga.cmp(&gb).then_with(|| keys[sa..ea].cmp(&keys[sb..eb]))
        });
        if self.distinct == Distinct::Sorted {
            let columns = &g.rows.columns;
            order.dedup_by(|b, a| {
                let (a, b) = (*a as usize, *b as usize);
                entries[a].0 == entries[b].0
                    && columns.iter().zip(&self.infos).all(|(c, t)| compare::same_at(c, a, c, b, t))
            });
        }
        let eval = cx.eval();
        let mut eval = eval.for_call(&self.arg_types, self.ret);
        for part in order.chunks(BATCH_ROWS) {
            let batch = g.rows.gather(part);
            let numbers: Vec<u32> = part.iter().map(|r| entries[*r as usize].0).collect();
            let refs: Vec<&Vector> = batch.columns.iter().map(|c| &**c).collect();
            st.acc.update(&mut eval, &refs, Rows::All(part.len()), &numbers)?;
        }
        st.sorted = None;
        Ok(())
    }

    /// Results of groups `from..to`.
    pub fn results(&self, cx: &mut Cx<'_>, st: &mut CallState, from: usize, to: usize) -> Result<Vector> {
        let eval = cx.eval();
        let mut eval = eval.for_call(&self.arg_types, self.ret);
        let v = st.acc.finish(&mut eval, from, to)?;
        if v.physical() == self.physical { Ok(v) } else { quarry_functions::cast::relabel(&v, self.physical) }
    }
}

impl CallState {
    pub fn memory_bytes(&self) -> usize {
        let seen = self
            .seen
            .as_ref()
            .map_or(0, |s| s.values.iter().map(Vector::memory_bytes).sum::<usize>() + s.groups.len() * 20);
        let sorted =
            self.sorted.as_ref().map_or(0, |g| g.rows.memory_bytes() + g.keys.len() + g.entries.len() * 24);
        self.acc.memory_bytes() + seen + sorted
    }
}

impl Seen {
    /// The rows not seen before in their group.
    fn let_through(
        &mut self,
        args: &[Arc<Vector>],
        types: &[TypeRef],
        rows: Rows<'_>,
        numbers: Option<&[u32]>,
    ) -> Vec<u32> {
        let mut hashes = vec![0; rows.len()];
        for (v, t) in args.iter().zip(types) {
            hash::hash_vector(v, t, rows, &mut hashes);
        }
        let mut out = Vec::new();
        for r in rows.iter() {
            let g = numbers.map_or(0, |n| n[r]);
            let h = hash::combine(hashes[r], hash::hash_i64(i64::from(g)));
            let found = self.table.find(h, |s| {
                let s = *s as usize;
                self.groups[s] == g
                    && args
                        .iter()
                        .zip(&self.values)
                        .zip(types)
                        .all(|((a, v), t)| compare::same_at(a, r, v, s, t))
            });
            if found.is_some() {
                continue;
            }
            let s = self.groups.len() as u32;
            self.groups.push(g);
            self.hashes.push(h);
            for (a, v) in args.iter().zip(&mut self.values) {
                v.extend_from(a, Rows::Selected { positions: &[r as u32], len: a.len() });
            }
            let hashes = &self.hashes;
            self.table.insert_unique(h, s, |s| hashes[*s as usize]);
            out.push(r as u32);
        }
        out
    }
}
