//! Merge join, all kinds: both sides come sorted by the keys. The inner rows of one key are kept together; each outer row
//! of that key is joined with all of them.

use super::output::{combine, has_inner, matching};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::rows::{NO_ROW, RowSet};
use quarry_common::Result;
use quarry_plan::{Expr, JoinKind, PhysicalPlan};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Rows, TypeRef, Vector, compare};
use std::cmp::Ordering;
use std::sync::Arc;

pub struct MergeJoin {
    kind: JoinKind,
    outer: Side,
    inner: Side,
    types: Vec<TypeRef>,
    /// Per key: descending, nulls first.
    order: Vec<(bool, bool)>,
    on: Vec<Program>,
    out: RowSet,
    done: bool,
}

/// One sorted input and the place in it.
struct Side {
    op: BoxOperator,
    keys: Vec<Program>,
    physicals: Vec<PhysicalType>,
    batch: Option<(Batch, Vec<Arc<Vector>>)>,
    row: usize,
    done: bool,
}

impl Side {
    /// Whether there is a current row; reads on if need be.
    fn ready(&mut self, cx: &mut Cx<'_>) -> Result<bool> {
        loop {
            if let Some((b, _)) = &self.batch
                && self.row < b.len
            {
                return Ok(true);
            }
            if self.done {
                return Ok(false);
            }
            match pull(&mut self.op, cx)? {
                Some(b) => {
                    let b = dense(b);
                    let keys = self.keys.iter().map(|k| k.eval(cx, &b)).collect::<Result<_>>()?;
                    self.batch = Some((b, keys));
                    self.row = 0;
                }
                None => {
                    self.done = true;
                    self.batch = None;
                }
            }
        }
    }
    fn has_null_key(&self) -> bool {
        self.batch.as_ref().is_some_and(|(_, keys)| keys.iter().any(|k| k.is_null(self.row)))
    }
    fn nulls(&self) -> Vec<Arc<Vector>> {
        self.physicals.iter().map(|p| Arc::new(Vector::with_capacity(*p, 0))).collect()
    }
    /// Takes all rows equal to the current one in the keys, and one row of key values.
    fn take_group(&mut self, cx: &mut Cx<'_>, types: &[TypeRef]) -> Result<(RowSet, Vec<Vector>)> {
        let mut rows = RowSet::new(&self.physicals);
        let mut key: Vec<Vector> = Vec::new();
        while self.ready(cx)? {
            let Some((batch, keys)) = &self.batch else { break };
            if key.is_empty() {
                let at = [self.row as u32];
                key =
                    keys.iter().map(|k| k.gather(Rows::Selected { positions: &at, len: k.len() })).collect();
            }
            let start = self.row;
            while self.row < batch.len
                && keys.iter().zip(&key).zip(types).all(|((k, g), t)| compare::same_at(k, self.row, g, 0, t))
            {
                self.row += 1;
            }
            let picked: Vec<u32> = (start as u32..self.row as u32).collect();
            rows.push_rows(&batch.columns, Rows::Selected { positions: &picked, len: batch.len });
            if self.row < batch.len {
                break;
            }
        }
        Ok((rows, key))
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.batch = None;
        self.row = 0;
        self.done = false;
        self.op.rescan(cx)
    }
}

pub fn build(
    b: &mut Builder<'_>,
    kind: JoinKind,
    outer: &PhysicalPlan,
    inner: &PhysicalPlan,
    keys: &[(Expr, Expr)],
    order: &[(bool, bool)],
    on: &[Expr],
) -> Result<BoxOperator> {
    let both = Layout::new(outer.output().chain(inner.output()));
    let on = b.exprs(on, &both)?;
    let types = keys.iter().map(|k| b.type_ref(k.1.ty().oid)).collect::<Result<_>>()?;
    let mut side = |plan: &PhysicalPlan, keys: Vec<&Expr>| -> Result<Side> {
        let layout = Layout::new(plan.output());
        Ok(Side {
            keys: b.exprs(keys, &layout)?,
            physicals: b.output_physicals(plan)?,
            op: b.plan(plan)?,
            batch: None,
            row: 0,
            done: false,
        })
    };
    let outer = side(outer, keys.iter().map(|k| &k.0).collect())?;
    let inner = side(inner, keys.iter().map(|k| &k.1).collect())?;
    let mut physicals = outer.physicals.clone();
    if has_inner(kind) {
        physicals.extend(&inner.physicals);
    }
    let mut order = order.to_vec();
    order.resize(keys.len(), (false, false));
    Ok(Box::new(MergeJoin {
        kind,
        outer,
        inner,
        types,
        order,
        on,
        out: RowSet::new(&physicals),
        done: false,
    }))
}

impl MergeJoin {
    fn compare(&self) -> Ordering {
        let (Some((_, ok)), Some((_, ik))) = (&self.outer.batch, &self.inner.batch) else {
            return Ordering::Equal;
        };
        for (((o, i), ty), (desc, nulls_first)) in ok.iter().zip(ik).zip(&self.types).zip(&self.order) {
            let column = compare::SortColumn { ty, desc: *desc, nulls_first: *nulls_first };
            let c = column.compare(o, self.outer.row, i, self.inner.row);
            if c != Ordering::Equal {
                return c;
            }
        }
        Ordering::Equal
    }

    fn give_outer(&self) -> bool {
        matches!(self.kind, JoinKind::Left | JoinKind::Full | JoinKind::Anti)
    }
    fn give_inner(&self) -> bool {
        matches!(self.kind, JoinKind::Right | JoinKind::Full)
    }

    fn push(&mut self, outer: &[Arc<Vector>], o: &[u32], inner: &[Arc<Vector>], i: &[u32]) {
        if o.is_empty() {
            return;
        }
        let batch =
            if has_inner(self.kind) { combine(outer, o, inner, i) } else { combine(outer, o, &[], &[]) };
        self.out.push(&batch);
    }

    /// The current outer row has no match.
    fn skip_outer(&mut self) {
        if self.give_outer()
            && let Some((b, _)) = &self.outer.batch
        {
            let columns = b.columns.clone();
            let row = self.outer.row as u32;
            self.push(&columns, &[row], &self.inner.nulls(), &[NO_ROW]);
        }
        self.outer.row += 1;
    }
    fn skip_inner(&mut self) {
        if self.give_inner()
            && let Some((b, _)) = &self.inner.batch
        {
            let columns = b.columns.clone();
            let row = self.inner.row as u32;
            self.push(&self.outer.nulls(), &[NO_ROW], &columns, &[row]);
        }
        self.inner.row += 1;
    }

    /// Both sides stand at equal keys: joins all outer rows of the key with all inner rows of it.
    fn join_group(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let (mut inner, key) = self.inner.take_group(cx, &self.types)?;
        let inner = inner.take();
        let mut matched = vec![false; inner.len];
        while self.outer.ready(cx)? {
            let Some((b, keys)) = &self.outer.batch else { break };
            let same = keys
                .iter()
                .zip(&key)
                .zip(&self.types)
                .all(|((k, g), t)| compare::same_at(k, self.outer.row, g, 0, t));
            if !same {
                break;
            }
            let columns = b.columns.clone();
            let row = self.outer.row as u32;
            self.outer.row += 1;
            let pairs = (vec![row; inner.len], (0..inner.len as u32).collect::<Vec<u32>>());
            let (o, i) = matching(&self.on, cx, &columns, &inner.columns, pairs)?;
            i.iter().for_each(|r| matched[*r as usize] = true);
            match self.kind {
                JoinKind::Semi if !o.is_empty() => self.push(&columns, &[row], &[], &[]),
                JoinKind::Anti if o.is_empty() => self.push(&columns, &[row], &[], &[]),
                JoinKind::Semi | JoinKind::Anti => {}
                JoinKind::Left | JoinKind::Full if o.is_empty() => {
                    self.push(&columns, &[row], &inner.columns, &[NO_ROW]);
                }
                _ => self.push(&columns, &o, &inner.columns, &i),
            }
        }
        if self.give_inner() {
            let rows: Vec<u32> = (0..inner.len as u32).filter(|r| !matched[*r as usize]).collect();
            let none = super::output::no_rows(rows.len());
            self.push(&self.outer.nulls(), &none, &inner.columns, &rows);
        }
        Ok(())
    }
}

impl Operator for MergeJoin {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        while !self.done && self.out.len < cx.want.min(BATCH_ROWS) {
            let (o, i) = (self.outer.ready(cx)?, self.inner.ready(cx)?);
            match (o, i) {
                (false, false) => self.done = true,
                (true, false) if !self.give_outer() => self.done = true,
                (false, true) if !self.give_inner() => self.done = true,
                (true, false) => self.skip_outer(),
                (false, true) => self.skip_inner(),
                (true, true) if self.outer.has_null_key() => self.skip_outer(),
                (true, true) if self.inner.has_null_key() => self.skip_inner(),
                (true, true) => match self.compare() {
                    Ordering::Less => self.skip_outer(),
                    Ordering::Greater => self.skip_inner(),
                    Ordering::Equal => self.join_group(cx)?,
                },
            }
        }
        cx.check_cancelled()?;
        Ok(if self.out.is_empty() { None } else { Some(self.out.take()) })
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.out.clear();
        self.done = false;
        self.outer.rescan(cx)?;
        self.inner.rescan(cx)
    }
}
