//! Hash join, all kinds. The inner side is put into a hash table; when it outgrows the memory allowed, both sides are
//! written to partitions by hash and joined partition by partition.

use super::output::{combine, has_inner, matching, no_rows};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::rows::{NO_ROW, RowSet};
use crate::spill::RowFile;
use quarry_common::Result;
use quarry_plan::{Expr, JoinKind, PhysicalPlan};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Rows, TypeRef, Vector, compare, hash};
use std::sync::Arc;

/// Partitions of a join that spills.
const PARTITIONS: usize = 32;

pub struct HashJoin {
    kind: JoinKind,
    outer: BoxOperator,
    inner: BoxOperator,
    outer_keys: Vec<Program>,
    inner_keys: Vec<Program>,
    types: Vec<TypeRef>,
    on: Vec<Program>,
    outer_physicals: Vec<PhysicalType>,
    inner_physicals: Vec<PhysicalType>,
    table: Option<Table>,
    /// Partitions not yet joined.
    parts: Vec<(RowFile, RowFile)>,
    /// The outer side of the partition under way; none: the operator itself.
    file: Option<RowFile>,
    probe: Option<Probe>,
    /// Inner rows given by the final pass of right and full joins.
    tail: Option<usize>,
    done: bool,
    /// Whether the inner side's rows may differ from one rescan to the next.
    inner_depends: bool,
    node: usize,
}

/// The inner side.
struct Table {
    columns: Vec<Arc<Vector>>,
    keys: Vec<Arc<Vector>>,
    len: usize,
    mask: usize,
    /// First row of each bucket + 1, and of each row the next one + 1.
    heads: Vec<u32>,
    next: Vec<u32>,
    hashes: Vec<u64>,
    matched: Option<Vec<bool>>,
}

/// An outer batch being joined.
struct Probe {
    batch: Batch,
    keys: Vec<Arc<Vector>>,
    hashes: Vec<u64>,
    row: usize,
    /// Where in the chain of `row` to go on (row + 1), once begun.
    chain: Option<u32>,
    /// Whether `row` has matched so far.
    matched: bool,
}

pub fn build(
    b: &mut Builder<'_>,
    node: usize,
    kind: JoinKind,
    outer: &PhysicalPlan,
    inner: &PhysicalPlan,
    keys: &[(Expr, Expr)],
    on: &[Expr],
) -> Result<BoxOperator> {
    let outer_layout = Layout::new(outer.output());
    let inner_layout = Layout::new(inner.output());
    let both = Layout::new(outer.output().chain(inner.output()));
    Ok(Box::new(HashJoin {
        kind,
        outer_keys: b.exprs(keys.iter().map(|k| &k.0), &outer_layout)?,
        inner_keys: b.exprs(keys.iter().map(|k| &k.1), &inner_layout)?,
        types: keys.iter().map(|k| b.type_ref(k.1.ty().oid)).collect::<Result<_>>()?,
        on: b.exprs(on, &both)?,
        outer_physicals: b.output_physicals(outer)?,
        inner_physicals: b.output_physicals(inner)?,
        outer: b.plan(outer)?,
        inner: b.plan(inner)?,
        table: None,
        parts: Vec::new(),
        file: None,
        probe: None,
        tail: None,
        done: false,
        inner_depends: crate::correlation::reads_outside(inner),
        node,
    }))
}

fn hash_keys(keys: &[Arc<Vector>], types: &[TypeRef], rows: Rows<'_>) -> Vec<u64> {
    let mut out = vec![0; rows.len()];
    for (k, t) in keys.iter().zip(types) {
        hash::hash_vector(k, t, rows, &mut out);
    }
    out
}

fn partition(hash: u64) -> usize {
    (hash >> 48) as usize % PARTITIONS
}

impl Table {
    fn new(
        columns: Vec<Arc<Vector>>,
        keys: Vec<Arc<Vector>>,
        len: usize,
        types: &[TypeRef],
        mark: bool,
    ) -> Table {
        let hashes = hash_keys(&keys, types, Rows::All(len));
        let buckets = (len * 2).next_power_of_two().max(16);
        let mut t = Table {
            columns,
            len,
            mask: buckets - 1,
            heads: vec![0; buckets],
            next: vec![0; len],
            hashes,
            matched: mark.then(|| vec![false; len]),
            keys,
        };
        for r in 0..len {
            if t.keys.iter().any(|k| k.is_null(r)) {
                continue;
            }
            let b = t.hashes[r] as usize & t.mask;
            t.next[r] = t.heads[b];
            t.heads[b] = r as u32 + 1;
        }
        t
    }
}

impl HashJoin {
    fn marks(&self) -> bool {
        matches!(self.kind, JoinKind::Right | JoinKind::Full)
    }

    fn note(&self, cx: &mut Cx<'_>, buckets: usize, batches: usize, memory: usize) {
        if let Some(s) = cx.rt.stats.get_mut(self.node) {
            let line = format!("{buckets}  Batches: {batches}  Memory Usage: {}kB", memory.div_ceil(1024));
            crate::stats::set(s, "Buckets", line);
        }
    }

    fn make_table(&self, cx: &mut Cx<'_>, rows: Batch) -> Result<Table> {
        let keys = self.inner_keys.iter().map(|k| k.eval(cx, &rows)).collect::<Result<Vec<_>>>()?;
        Ok(Table::new(rows.columns, keys, rows.len, &self.types, self.marks()))
    }

    /// Reads the inner side; writes both sides to partitions if it is too big.
    fn read_inner(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut set = RowSet::new(&self.inner_physicals);
        let mut files: Option<Vec<RowFile>> = None;
        while let Some(b) = pull(&mut self.inner, cx)? {
            cx.check_cancelled()?;
            if let Some(files) = &mut files {
                spread(files, cx, &self.inner_keys, &self.types, &b)?;
                continue;
            }
            set.push(&b);
            if set.memory_bytes() + set.len * 20 > cx.env.hash_mem_bytes {
                let mut new = create_files(cx, &self.inner_physicals)?;
                let all = set.take();
                spread(&mut new, cx, &self.inner_keys, &self.types, &all)?;
                files = Some(new);
            }
        }
        let Some(mut inner) = files else {
            let memory = set.memory_bytes() + set.len * 20;
            let rows = set.take();
            let table = self.make_table(cx, rows)?;
            self.note(cx, table.mask + 1, 1, memory);
            self.table = Some(table);
            return Ok(());
        };
        self.note(cx, 0, PARTITIONS, cx.env.hash_mem_bytes);
        let mut outer = create_files(cx, &self.outer_physicals)?;
        while let Some(b) = pull(&mut self.outer, cx)? {
            cx.check_cancelled()?;
            spread(&mut outer, cx, &self.outer_keys, &self.types, &b)?;
        }
        for f in inner.iter_mut().chain(&mut outer) {
            f.rewind()?;
        }
        self.parts = inner.into_iter().zip(outer).collect();
        self.next_partition(cx).map(|_| ())
    }

    /// Loads the next partition; false if there is none.
    fn next_partition(&mut self, cx: &mut Cx<'_>) -> Result<bool> {
        let Some((mut inner, outer)) = self.parts.pop() else { return Ok(false) };
        let mut set = RowSet::new(&self.inner_physicals);
        while let Some(b) = inner.next_batch()? {
            set.push(&b);
        }
        let rows = set.take();
        self.table = Some(self.make_table(cx, rows)?);
        self.file = Some(outer);
        self.tail = None;
        Ok(true)
    }

    fn next_outer(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        match &mut self.file {
            Some(f) => f.next_batch(),
            None => Ok(pull(&mut self.outer, cx)?.map(dense)),
        }
    }

    /// The next rows of the outer batch under way; none: the batch is finished.
    fn step(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let (Some(table), Some(probe)) = (&mut self.table, &mut self.probe) else { return Ok(None) };
        let n = probe.batch.len;
        while probe.row < n {
            let (mut o, mut i) = (Vec::with_capacity(BATCH_ROWS), Vec::with_capacity(BATCH_ROWS));
            let first = probe.row;
            let first_matched = probe.matched;
            let single = !has_inner(self.kind) && self.on.is_empty();
            // Whole outer rows, except where one row's matches alone fill the batch.
            while probe.row < n && o.len() < BATCH_ROWS {
                let r = probe.row;
                let h = probe.hashes[r];
                let mut at = match probe.chain {
                    Some(at) => at,
                    None if probe.keys.iter().any(|k| k.is_null(r)) => 0,
                    None => table.heads[h as usize & table.mask],
                };
                while at != 0 {
                    let c = at as usize - 1;
                    at = table.next[c];
                    let equal = table.hashes[c] == h
                        && probe
                            .keys
                            .iter()
                            .zip(&table.keys)
                            .zip(&self.types)
                            .all(|((a, b), t)| compare::equal_at(a, r, b, c, t));
                    if equal {
                        o.push(r as u32);
                        i.push(c as u32);
                        if single {
                            at = 0;
                        }
                        if o.len() >= BATCH_ROWS && at != 0 {
                            break;
                        }
                    }
                }
                if at != 0 {
                    probe.chain = Some(at);
                    break;
                }
                probe.chain = None;
                probe.row += 1;
            }
            let (o, i) = matching(&self.on, cx, &probe.batch.columns, &table.columns, (o, i))?;
            if let Some(m) = &mut table.matched {
                i.iter().for_each(|r| m[*r as usize] = true);
            }
            // Rows first..row are complete; row itself may be half done.
            let half = probe.chain.is_some();
            let half_row = probe.row as u32;
            probe.matched =
                half && (o.last() == Some(&half_row) || (first_matched && half_row == first as u32));
            let complete = first as u32..probe.row as u32;
            let out = match self.kind {
                JoinKind::Inner | JoinKind::Right => (o, i),
                JoinKind::Left | JoinKind::Full => pad(complete, first_matched, o, i),
                JoinKind::Semi | JoinKind::Anti => {
                    let semi = self.kind == JoinKind::Semi;
                    let mut rows = Vec::new();
                    let mut k = 0;
                    for r in complete {
                        let mut hit = first_matched && r == first as u32;
                        while k < o.len() && o[k] == r {
                            hit = true;
                            k += 1;
                        }
                        if hit == semi {
                            rows.push(r);
                        }
                    }
                    let none = Vec::new();
                    (rows, none)
                }
            };
            if !out.0.is_empty() {
                if !has_inner(self.kind) {
                    return Ok(Some(combine(&probe.batch.columns, &out.0, &[], &[])));
                }
                return Ok(Some(combine(&probe.batch.columns, &out.0, &table.columns, &out.1)));
            }
        }
        Ok(None)
    }

    /// Inner rows without a match.
    fn unmatched(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let Some(Table { matched: Some(matched), columns, len, .. }) = &self.table else { return Ok(None) };
        let from = self.tail.unwrap_or(0);
        let mut rows = Vec::new();
        let mut at = from;
        while at < *len && rows.len() < BATCH_ROWS {
            if !matched[at] {
                rows.push(at as u32);
            }
            at += 1;
        }
        self.tail = Some(at);
        if rows.is_empty() {
            return Ok(None);
        }
        cx.check_cancelled()?;
        let outer: Vec<Arc<Vector>> =
            self.outer_physicals.iter().map(|p| Arc::new(Vector::with_capacity(*p, 0))).collect();
        Ok(Some(combine(&outer, &no_rows(rows.len()), columns, &rows)))
    }
}

/// Adds a row of NULLs for each complete outer row without a match, in order.
pub(super) fn pad(
    complete: std::ops::Range<u32>,
    first_matched: bool,
    o: Vec<u32>,
    i: Vec<u32>,
) -> (Vec<u32>, Vec<u32>) {
    let (mut po, mut pi) = (Vec::with_capacity(o.len()), Vec::with_capacity(o.len()));
    let mut k = 0;
    let first = complete.start;
    for r in complete {
        let mut hit = first_matched && r == first;
        while k < o.len() && o[k] == r {
            hit = true;
            po.push(r);
            pi.push(i[k]);
            k += 1;
        }
        if !hit {
            po.push(r);
            pi.push(NO_ROW);
        }
    }
    po.extend_from_slice(&o[k..]);
    pi.extend_from_slice(&i[k..]);
    (po, pi)
}

fn create_files(cx: &Cx<'_>, physicals: &[PhysicalType]) -> Result<Vec<RowFile>> {
    (0..PARTITIONS).map(|_| RowFile::create(cx.env, physicals)).collect()
}

fn spread(
    files: &mut [RowFile],
    cx: &mut Cx<'_>,
    keys: &[Program],
    types: &[TypeRef],
    b: &Batch,
) -> Result<()> {
    let keys = keys.iter().map(|k| k.eval(cx, b)).collect::<Result<Vec<_>>>()?;
    let hashes = hash_keys(&keys, types, b.rows());
    b.rows().iter().try_for_each(|r| files[partition(hashes[r])].push(b.columns.iter().map(|c| &**c), r))
}

impl Operator for HashJoin {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        if self.table.is_none() {
            self.read_inner(cx)?;
        }
        loop {
            if let Some(b) = self.step(cx)? {
                return Ok(Some(b));
            }
            self.probe = None;
            cx.check_cancelled()?;
            let empty = self.table.as_ref().is_none_or(|t| t.len == 0);
            let needs_outer = !empty || matches!(self.kind, JoinKind::Left | JoinKind::Full | JoinKind::Anti);
            let next = if self.tail.is_none() && needs_outer { self.next_outer(cx)? } else { None };
            if let Some(batch) = next {
                let keys = self.outer_keys.iter().map(|k| k.eval(cx, &batch)).collect::<Result<Vec<_>>>()?;
                let hashes = hash_keys(&keys, &self.types, Rows::All(batch.len));
                self.probe = Some(Probe { batch, keys, hashes, row: 0, chain: None, matched: false });
                continue;
            }
            if self.marks()
                && let Some(b) = self.unmatched(cx)?
            {
                return Ok(Some(b));
            }
            if !self.next_partition(cx)? {
                self.done = true;
                if self.file.is_some() {
                    self.table = None;
                }
                return Ok(None);
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let keep = !self.inner_depends && self.file.is_none();
        if let Some(t) = self.table.as_mut().filter(|_| keep) {
            if let Some(m) = &mut t.matched {
                m.fill(false);
            }
        } else {
            if self.table.is_some() || self.done {
                self.inner.rescan(cx)?;
            }
            self.table = None;
        }
        self.parts.clear();
        self.file = None;
        self.probe = None;
        self.tail = None;
        self.done = false;
        self.outer.rescan(cx)
    }
}
