//! LIMIT and OFFSET, WITH TIES.

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, dense, pull_some};
use crate::rows::RowSet;
use quarry_common::{Result, bail};
use quarry_plan::{Expr, PhysicalPlan, SortKey};
use quarry_types::{Batch, Datum, Rows, TypeRef, compare};

pub struct Limit {
    input: BoxOperator,
    limit: Option<Program>,
    offset: Option<Program>,
    ties: Option<(Vec<Program>, Vec<TypeRef>)>,
    /// Rows to skip and rows still to give (none: all); set at the first call.
    left: Option<(u64, Option<u64>)>,
    /// Sort keys of the last row given.
    last: Option<RowSet>,
    done: bool,
}

pub fn build(
    b: &mut Builder<'_>,
    input: &PhysicalPlan,
    limit: Option<&Expr>,
    offset: Option<&Expr>,
    ties: Option<&[SortKey]>,
) -> Result<BoxOperator> {
    let none = Layout::default();
    let layout = Layout::new(input.output());
    let ties = match ties {
        Some(keys) => {
            let types = keys.iter().map(|k| b.type_ref(k.expr.ty().oid)).collect::<Result<_>>()?;
            Some((b.exprs(keys.iter().map(|k| &k.expr), &layout)?, types))
        }
        None => None,
    };
    Ok(Box::new(Limit {
        limit: limit.map(|e| b.expr(e, &none)).transpose()?,
        offset: offset.map(|e| b.expr(e, &none)).transpose()?,
        input: b.plan(input)?,
        ties,
        left: None,
        last: None,
        done: false,
    }))
}

fn count(v: Datum) -> Option<i64> {
    match v {
        Datum::I64(v) => Some(v),
        Datum::I32(v) => Some(v.into()),
        Datum::I16(v) => Some(v.into()),
        _ => None,
    }
}

impl Limit {
    fn bounds(&mut self, cx: &mut Cx<'_>) -> Result<(u64, Option<u64>)> {
        let mut eval = |p: &Option<Program>| -> Result<Option<i64>> {
            Ok(match p {
                Some(p) => count(p.row(cx, &[])?),
                None => None,
            })
        };
        let offset = eval(&self.offset)?.unwrap_or(0);
        let limit = eval(&self.limit)?;
        if offset < 0 {
            bail!(INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE, "OFFSET must not be negative");
        }
        if limit.is_some_and(|l| l < 0) {
            bail!(INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT must not be negative");
        }
        Ok((offset as u64, limit.map(|l| l as u64)))
    }

    /// How many leading rows tie with the last row given.
    fn tied(&mut self, cx: &mut Cx<'_>, batch: &Batch) -> Result<usize> {
        let (Some((keys, types)), Some(last)) = (&self.ties, &self.last) else { return Ok(0) };
        let values = keys.iter().map(|k| k.eval(cx, batch)).collect::<Result<Vec<_>>>()?;
        let same = |i: usize| {
            values.iter().zip(&last.columns).zip(types).all(|((v, l), t)| compare::same_at(v, i, l, 0, t))
        };
        Ok(batch.rows().iter().take_while(|i| same(*i)).count())
    }

    fn remember(&mut self, cx: &mut Cx<'_>, batch: &Batch) -> Result<()> {
        let Some((keys, _)) = &self.ties else { return Ok(()) };
        let Some(row) = batch.rows().iter().last() else { return Ok(()) };
        let values = keys.iter().map(|k| k.eval(cx, batch)).collect::<Result<Vec<_>>>()?;
        let physicals: Vec<_> = values.iter().map(|v| v.physical()).collect();
        let mut set = RowSet::new(&physicals);
        set.push_rows(&values, Rows::Selected { positions: &[row as u32], len: batch.len });
        self.last = Some(set);
        Ok(())
    }
}

impl Operator for Limit {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.left.is_none() {
            self.left = Some(self.bounds(cx)?);
        }
        loop {
            let Some((skip, left)) = self.left else { return Ok(None) };
            if self.done || (left == Some(0) && (self.ties.is_none() || self.last.is_none())) {
                return Ok(None);
            }
            let want = match left {
                Some(l) => (skip.saturating_add(l)).clamp(1, quarry_types::BATCH_ROWS as u64) as usize,
                None => quarry_types::BATCH_ROWS,
            };
            let want = want.min((skip as usize).saturating_add(cx.want).max(1));
            let Some(batch) = pull_some(&mut self.input, cx, want)? else {
                self.done = true;
                return Ok(None);
            };
            if left == Some(0) {
                let n = self.tied(cx, &batch)?;
                self.done = n < batch.row_count();
                return Ok(cut(batch, 0, n));
            }
            let n = batch.row_count() as u64;
            if n <= skip {
                self.left = Some((skip - n, left));
                continue;
            }
            let give = (n - skip).min(left.unwrap_or(u64::MAX));
            self.left = Some((0, left.map(|l| l - give)));
            let rest = n - skip - give;
            let out = cut(batch.clone(), skip as usize, give as usize);
            if left == Some(give) && self.ties.is_some() {
                if let Some(out) = &out {
                    self.remember(cx, out)?;
                }
                if rest > 0 {
                    let Some(tail) = cut(batch.clone(), (skip + give) as usize, rest as usize) else {
                        return Ok(out);
                    };
                    let tied = self.tied(cx, &tail)?;
                    self.done = (tied as u64) < rest;
                    return Ok(cut(batch, skip as usize, give as usize + tied));
                }
            }
            return Ok(out);
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.left = None;
        self.last = None;
        self.done = false;
        self.input.rescan(cx)
    }
    fn renew(&mut self) -> bool {
        (self.left, self.last, self.done) = (None, None, false);
        self.input.renew()
    }
}

/// Rows `from..from + n` of those that count.
fn cut(batch: Batch, from: usize, n: usize) -> Option<Batch> {
    if n == 0 {
        return None;
    }
    if from == 0 && n == batch.row_count() {
        return Some(batch);
    }
    let positions: Vec<u32> = batch.rows().iter().skip(from).take(n).map(|p| p as u32).collect();
    Some(dense(Batch { selection: Some(positions.into()), ..batch }))
}
