//! Hash join, all kinds. The inner side is put into a hash table; when it outgrows the memory allowed, both sides are
//! written to partitions by hash and joined partition by partition (`partition`), but for those that most outer rows belong to (`resident`).
//!
//! Right kinds mark the inner rows that have matched. Right semi joins give an inner row with its first match; right anti joins, right
//! and full joins give the unmarked ones at the end.
//!
//! A null-aware anti join is NOT IN: an outer row is given if it equals no inner row, nor may equal one. It may where either side is
//! NULL. With one key that means that one inner NULL lets no row pass, and an outer NULL passes only if there are no inner rows at all.
//! With several keys another one may differ (`null_match`): rows that may be equal have other hashes then, so that an inner side too
//! big for its memory is not parted by hash but taken in pieces.

mod inner;

pub(super) use inner::Inner;

use super::output::{combine, has_inner, has_outer, matching, no_rows};
use super::partition::{Keys, Partition, Spread, pairs};
use super::resident::{Resident, Sides};
use super::shared::BuildShare;
use super::table::{Lookups, Table};
use crate::build::Builder;
use crate::context::Cx;
use crate::correlation::Dependence;
use crate::expr::{Layout, Program};
use crate::null_match::{Hashes, NullMatches, Side};
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::rows::{NO_ROW, RowSet};
use crate::spill::RowFile;
use quarry_common::memory::Reservation;
use quarry_common::{Error, Result};
use quarry_plan::{Expr, JoinKind, PhysicalPlan};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, TypeRef, Vector};
use std::sync::Arc;

/// Bytes of a row in the table beside its values: hash, chain and bucket.
const ROW_OVERHEAD: usize = 20;

/// What a hash join is made of.
pub struct Parts<'p> {
    pub kind: JoinKind,
    pub outer: &'p PhysicalPlan,
    pub inner: &'p PhysicalPlan,
    pub keys: &'p [(Expr, Expr)],
    pub on: &'p [Expr],
    /// No outer row has more than one match.
    pub inner_unique: bool,
    /// An anti join for which NULLs may be equal to anything.
    pub null_aware: bool,
    /// Keys of which scans want a filter: the filter's number and the key's.
    pub filters: Vec<(usize, usize)>,
}

pub struct HashJoin {
    kind: JoinKind,
    /// One match is enough for an outer row.
    single: bool,
    null_aware: bool,
    /// Whether there are inner rows, and inner rows without a value, all partitions together.
    inner_rows: bool,
    inner_nulls: bool,
    outer: BoxOperator,
    inner: BoxOperator,
    outer_keys: Vec<Program>,
    inner_keys: Vec<Program>,
    types: Vec<TypeRef>,
    on: Vec<Program>,
    outer_physicals: Vec<PhysicalType>,
    inner_physicals: Vec<PhysicalType>,
    filters: Vec<(usize, usize)>,
    table: Option<Arc<Table>>,
    /// Which rows of the table have matched, for kinds that give the others.
    matched: Option<Vec<bool>>,
    /// For null-aware joins by several keys.
    nulls: Option<NullMatches>,
    /// Others have the same inner side.
    share: Option<BuildShare>,
    /// Whether the inner side has outgrown its memory: the table is a part of it.
    parted: bool,
    /// While the outer side is spread.
    resident: Option<Resident>,
    /// Partitions not yet joined.
    parts: Vec<Partition>,
    /// The outer side of the partition under way; none: the operator itself.
    file: Option<RowFile>,
    /// While the inner side of a partition is taken in pieces.
    pieces: Option<Pieces>,
    probe: Option<Probe>,
    /// Inner rows given by the final pass of right kinds.
    tail: Option<usize>,
    done: bool,
    /// What the inner side's rows depend on.
    inner_depends: Dependence,
    batches: usize,
    node: usize,
    /// For the table.
    reservation: Reservation,
}

/// An inner side taken in pieces.
struct Pieces {
    /// What is left of it; none after the last piece.
    rest: Option<RowFile>,
    /// Of each outer row, whether a piece had a match.
    matched: Vec<bool>,
    /// Number of the outer batch's first row, and rows read so far in this pass.
    base: usize,
    read: usize,
    /// The last pass, over outer rows alone.
    last: bool,
}

/// An outer batch being joined.
struct Probe {
    batch: Batch,
    /// Where the rows that are looked up lie in the batch, if not all of it are.
    positions: Option<Arc<[u32]>>,
    lookups: Lookups,
    row: usize,
    /// Where in the chain of `row` to go on (row + 1), once begun.
    chain: Option<u32>,
    /// Whether `row` has matched so far.
    matched: bool,
    /// For null-aware joins by several keys.
    by_columns: Hashes,
}

pub fn build(b: &mut Builder<'_>, node: usize, parts: Parts<'_>) -> Result<BoxOperator> {
    let Parts { kind, outer, inner, keys, on, inner_unique, null_aware, filters } = parts;
    let outer_layout = Layout::new(outer.output());
    let inner_layout = Layout::new(inner.output());
    let both = Layout::new(outer.output().chain(inner.output()));
    Ok(Box::new(HashJoin {
        kind,
        single: on.is_empty() && (inner_unique || !has_inner(kind)),
        null_aware,
        inner_rows: false,
        inner_nulls: false,
        outer_keys: b.exprs(keys.iter().map(|k| &k.0), &outer_layout)?,
        inner_keys: b.exprs(keys.iter().map(|k| &k.1), &inner_layout)?,
        types: keys.iter().map(|k| b.type_ref(k.1.ty().oid)).collect::<Result<_>>()?,
        on: b.exprs(on, &both)?,
        outer_physicals: b.output_physicals(outer)?,
        inner_physicals: b.output_physicals(inner)?,
        filters,
        outer: b.plan(outer)?,
        inner: b.plan(inner)?,
        table: None,
        matched: None,
        nulls: None,
        share: b.shared_build(node).filter(|_| !null_aware),
        parted: false,
        resident: None,
        parts: Vec::new(),
        file: None,
        pieces: None,
        probe: None,
        tail: None,
        done: false,
        inner_depends: Dependence::of(inner),
        batches: 0,
        node,
        reservation: Reservation::default(),
    }))
}

impl HashJoin {
    fn marks(&self) -> bool {
        matches!(self.kind, JoinKind::Right | JoinKind::Full | JoinKind::RightSemi | JoinKind::RightAnti)
    }

    /// Whether an outer row's fate is known only when all inner rows have been seen, or it must not be given twice.
    fn remembers_outer(&self) -> bool {
        matches!(self.kind, JoinKind::Left | JoinKind::Full | JoinKind::Semi | JoinKind::Anti)
    }

    fn null_aware_by_several(&self) -> bool {
        self.null_aware && self.types.len() > 1
    }

    fn note(&self, cx: &mut Cx<'_>, buckets: usize, memory: usize) {
        if let Some(s) = cx.rt.stats.get_mut(self.node) {
            let line = format!(
                "{buckets}  Batches: {}  Memory Usage: {}kB",
                self.batches.max(1),
                memory.div_ceil(1024)
            );
            crate::stats::set(s, "Buckets", line);
        }
    }

    fn make_table(&mut self, cx: &mut Cx<'_>, rows: Batch, memory: usize) -> Result<()> {
        let keys = self.inner_keys.iter().map(|k| k.eval(cx, &rows)).collect::<Result<Vec<_>>>()?;
        let table = Table::new(rows.columns, keys, rows.len, &self.types);
        if self.null_aware_by_several() {
            let side = Side { columns: &table.keys, types: &self.types, len: table.len };
            self.nulls = Some(NullMatches::new(side));
        }
        self.matched = self.marks().then(|| vec![false; table.len]);
        cx.rt.note_memory(memory);
        self.reservation.holds(table.memory_bytes());
        self.note(cx, table.buckets(), memory);
        self.table = Some(Arc::new(table));
        Ok(())
    }

    /// Makes a table of the inner rows that most outer rows belong to.
    fn begin_resident(
        &mut self,
        cx: &mut Cx<'_>,
        inner: Spread,
        outer: Spread,
        row_bytes: f64,
    ) -> Result<()> {
        let sides = Sides {
            source: &mut self.outer,
            inner,
            outer,
            inner_keys: Keys { programs: &self.inner_keys, types: &self.types },
            outer_keys: Keys { programs: &self.outer_keys, types: &self.types },
            row_bytes,
            memory: self.reservation.allowance(cx.env.hash_mem_bytes),
            may_leave: !matches!(self.kind, JoinKind::Right | JoinKind::Full | JoinKind::RightAnti),
        };
        let mut set = RowSet::new(&self.inner_physicals);
        self.resident = Some(Resident::begin(cx, sides, &mut set)?);
        let memory = set.memory_bytes() + set.len * ROW_OVERHEAD;
        let rows = set.take();
        self.make_table(cx, rows, memory)
    }

    /// Files for a side that outgrows its memory.
    fn spread(&self, cx: &Cx<'_>, physicals: &[PhysicalType]) -> Result<Spread> {
        if self.null_aware_by_several() {
            Spread::whole(cx, physicals)
        } else {
            Spread::new(cx, physicals, 0)
        }
    }

    /// Loads the next partition; false if there is none.
    fn next_partition(&mut self, cx: &mut Cx<'_>) -> Result<bool> {
        if let Some(resident) = self.resident.take() {
            self.parts = resident.rest()?;
        }
        loop {
            let Some(mut part) = self.parts.pop() else { return Ok(false) };
            let mut set = RowSet::new(&self.inner_physicals);
            let whole = self.load(cx, &mut part.inner, &mut set)?;
            self.tail = None;
            if !whole && part.divisible() {
                drop(set);
                self.divide(cx, part)?;
                continue;
            }
            let memory = set.memory_bytes() + set.len * ROW_OVERHEAD;
            let rows = set.take();
            if !whole {
                let matched =
                    if self.remembers_outer() { vec![false; part.outer.rows() as usize] } else { vec![] };
                self.pieces = Some(Pieces { rest: Some(part.inner), matched, base: 0, read: 0, last: false });
            }
            self.make_table(cx, rows, memory)?;
            self.file = Some(part.outer);
            return Ok(true);
        }
    }

    /// Reads on in a file until its end or the memory's; true at its end.
    fn load(&mut self, cx: &Cx<'_>, file: &mut RowFile, set: &mut RowSet) -> Result<bool> {
        loop {
            cx.check_cancelled()?;
            let Some(b) = file.next_batch()? else { return Ok(true) };
            set.push(&b);
            let may_hold = self.reservation.may_hold(set.allocated_bytes() + set.len * ROW_OVERHEAD);
            if !may_hold || set.memory_bytes() + set.len * ROW_OVERHEAD > cx.env.hash_mem_bytes {
                return Ok(false);
            }
        }
    }

    /// Spreads a partition by further bits of the hash.
    fn divide(&mut self, cx: &mut Cx<'_>, mut part: Partition) -> Result<()> {
        part.inner.rewind()?;
        let mut inner = Spread::new(cx, &self.inner_physicals, part.level)?;
        inner.push_file(cx, &Keys { programs: &self.inner_keys, types: &self.types }, &mut part.inner)?;
        let mut outer = Spread::new(cx, &self.outer_physicals, part.level)?;
        outer.push_file(cx, &Keys { programs: &self.outer_keys, types: &self.types }, &mut part.outer)?;
        let new = pairs(inner, outer, 0)?;
        self.batches += new.len().saturating_sub(1);
        self.parts.extend(new);
        Ok(())
    }

    /// Loads the next piece of the partition under way and goes to its outer side's beginning; false if all is done.
    fn next_piece(&mut self, cx: &mut Cx<'_>) -> Result<bool> {
        let Some(mut pieces) = self.pieces.take() else { return Ok(false) };
        if pieces.last {
            return Ok(false);
        }
        let mut set = RowSet::new(&self.inner_physicals);
        if let Some(mut rest) = pieces.rest.take()
            && !self.load(cx, &mut rest, &mut set)?
        {
            pieces.rest = Some(rest);
        }
        if set.is_empty() {
            pieces.last = true;
            let given = matches!(self.kind, JoinKind::Left | JoinKind::Full | JoinKind::Anti);
            if !given {
                return Ok(false);
            }
        }
        self.batches += 1;
        let memory = set.memory_bytes() + set.len * ROW_OVERHEAD;
        let rows = set.take();
        self.make_table(cx, rows, memory)?;
        self.tail = None;
        (pieces.base, pieces.read) = (0, 0);
        if let Some(f) = &mut self.file {
            f.rewind()?;
        }
        self.pieces = Some(pieces);
        Ok(true)
    }

    fn next_outer(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let batch = match (&mut self.file, &mut self.resident) {
            (Some(f), _) => f.next_batch()?,
            (None, resident) => {
                let batch = match resident {
                    None => pull(&mut self.outer, cx)?,
                    Some(resident) => {
                        let keys = Keys { programs: &self.outer_keys, types: &self.types };
                        resident.next(cx, &mut self.outer, &keys)?
                    }
                };
                // Conditions need the rows themselves; else those without a match are never copied.
                match batch {
                    Some(b) if !self.on.is_empty() => Some(dense(b)),
                    other => other,
                }
            }
        };
        if let (Some(p), Some(b)) = (&mut self.pieces, &batch) {
            p.base = p.read;
            p.read += b.row_count();
        }
        Ok(batch)
    }

    fn look_up(&self, cx: &mut Cx<'_>, batch: Batch) -> Result<Probe> {
        let mut keys = self.outer_keys.iter().map(|k| k.eval(cx, &batch)).collect::<Result<Vec<_>>>()?;
        if batch.selection.is_some() {
            keys = keys.iter().map(|k| Arc::new(k.gather(batch.rows()))).collect();
        }
        let Some(table) = &self.table else { return Err(Error::internal("a hash join without its table")) };
        Ok(Probe {
            lookups: table.lookups(keys, &self.types, batch.row_count()),
            positions: batch.selection.clone(),
            batch,
            row: 0,
            chain: None,
            matched: false,
            by_columns: Hashes::default(),
        })
    }

    /// The next rows of the outer batch under way; none: the batch is finished.
    fn step(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let (Some(table), Some(probe)) = (&self.table, &mut self.probe) else { return Ok(None) };
        let n = probe.lookups.starts.len();
        let skip_matched = matches!(self.kind, JoinKind::RightSemi | JoinKind::RightAnti);
        while probe.row < n {
            let (mut o, mut i) = (Vec::with_capacity(BATCH_ROWS), Vec::with_capacity(BATCH_ROWS));
            let first = probe.row;
            let first_matched = probe.matched;
            // Whole outer rows, except where one row's matches alone fill the batch.
            while probe.row < n && o.len() < BATCH_ROWS {
                let r = probe.row;
                let mut at = probe.chain.unwrap_or_else(|| probe.lookups.starts[r]);
                while at != 0 {
                    let c = at - 1;
                    let (equal, next) = table.try_row(at, &probe.lookups, r, &self.types);
                    at = next;
                    if !equal || skip_matched && self.matched.as_ref().is_some_and(|m| m[c as usize]) {
                        continue;
                    }
                    o.push(r as u32);
                    i.push(c);
                    if self.single {
                        at = 0;
                    }
                    if o.len() >= BATCH_ROWS && at != 0 {
                        break;
                    }
                }
                if let Some(nulls) = &mut self.nulls
                    && o.last() != Some(&(r as u32))
                {
                    let side = Side { columns: &table.keys, types: &self.types, len: table.len };
                    let outer = Side { columns: &probe.lookups.keys, types: &self.types, len: n };
                    if let Some(c) = nulls.find(side, outer, r, &mut probe.by_columns) {
                        o.push(r as u32);
                        i.push(c);
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
            // Rows first..row are complete; row itself may be half done.
            let half = probe.chain.is_some();
            let half_row = probe.row as u32;
            probe.matched =
                half && (o.last() == Some(&half_row) || (first_matched && half_row == first as u32));
            let complete = first as u32..probe.row as u32;
            let pieces = self.pieces.as_mut().filter(|p| !p.matched.is_empty());
            let out = match (self.kind, pieces) {
                (JoinKind::RightSemi | JoinKind::RightAnti, _) => {
                    let mut new = Vec::new();
                    if let Some(m) = &mut self.matched {
                        new.extend(i.into_iter().filter(|r| !std::mem::replace(&mut m[*r as usize], true)));
                    }
                    if self.kind == JoinKind::RightAnti {
                        new.clear();
                    }
                    (Vec::new(), new)
                }
                (_, Some(pieces)) => remember(self.kind, pieces, complete, first_matched, o, i),
                (JoinKind::Inner | JoinKind::Right, _) => (o, i),
                (JoinKind::Left | JoinKind::Full, _) => pad(complete, first_matched, o, i),
                (JoinKind::Semi | JoinKind::Anti, _) => {
                    let semi = self.kind == JoinKind::Semi;
                    let rows = hits(complete, first_matched, &o).filter(|(_, hit)| *hit == semi);
                    (rows.map(|(r, _)| r).collect(), Vec::new())
                }
            };
            let mut out = out;
            if self.null_aware && self.inner_rows {
                let nulls = self.inner_nulls;
                out.0.retain(|r| !nulls && !probe.lookups.keys.iter().any(|k| k.is_null(*r as usize)));
            }
            if let (JoinKind::Right | JoinKind::Full, Some(m)) = (self.kind, &mut self.matched) {
                out.1.iter().filter(|r| **r != NO_ROW).for_each(|r| m[*r as usize] = true);
            }
            if let Some(positions) = &probe.positions {
                out.0.iter_mut().for_each(|r| *r = positions[*r as usize]);
            }
            if !has_outer(self.kind) {
                if !out.1.is_empty() {
                    return Ok(Some(combine(&[], &[], &table.columns, &out.1)));
                }
            } else if !out.0.is_empty() {
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
        if self.kind == JoinKind::RightSemi {
            return Ok(None);
        }
        let (Some(table), Some(matched)) = (&self.table, &self.matched) else { return Ok(None) };
        let Table { columns, len, .. } = &**table;
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
        if !has_outer(self.kind) {
            return Ok(Some(combine(&[], &[], columns, &rows)));
        }
        let outer: Vec<Arc<Vector>> =
            self.outer_physicals.iter().map(|p| Arc::new(Vector::with_capacity(*p, 0))).collect();
        Ok(Some(combine(&outer, &no_rows(rows.len()), columns, &rows)))
    }

    /// Whether the outer side can add to the result of the table as it is.
    fn needs_outer(&self) -> bool {
        let empty = self.table.as_ref().is_none_or(|t| t.len == 0);
        !empty
            || self.resident.is_some()
            || matches!(self.kind, JoinKind::Left | JoinKind::Full | JoinKind::Anti)
    }
}

/// Complete outer rows with whether they have matched, given the outer rows of the matches.
fn hits(
    complete: std::ops::Range<u32>,
    first_matched: bool,
    o: &[u32],
) -> impl Iterator<Item = (u32, bool)> + '_ {
    let first = complete.start;
    let mut k = 0;
    complete.map(move |r| {
        let mut hit = first_matched && r == first;
        while k < o.len() && o[k] == r {
            hit = true;
            k += 1;
        }
        (r, hit)
    })
}

/// What a piece of the inner side gives, and in the last pass what no piece gave.
fn remember(
    kind: JoinKind,
    pieces: &mut Pieces,
    complete: std::ops::Range<u32>,
    first_matched: bool,
    o: Vec<u32>,
    i: Vec<u32>,
) -> (Vec<u32>, Vec<u32>) {
    let base = pieces.base;
    if pieces.last {
        let rows: Vec<u32> = complete.filter(|r| !pieces.matched[base + *r as usize]).collect();
        let none = if kind == JoinKind::Anti { vec![] } else { no_rows(rows.len()) };
        return (rows, none);
    }
    let mut new = vec![];
    for (r, hit) in hits(complete, first_matched, &o) {
        if hit && !std::mem::replace(&mut pieces.matched[base + r as usize], true) {
            new.push(r);
        }
    }
    match kind {
        JoinKind::Semi => (new, vec![]),
        JoinKind::Anti => (vec![], vec![]),
        _ => (o, i),
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

impl Operator for HashJoin {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        if self.table.is_none() {
            self.read_inner(cx)?;
            if self.done {
                return Ok(None);
            }
        }
        loop {
            if let Some(b) = self.step(cx)? {
                return Ok(Some(b));
            }
            self.probe = None;
            cx.check_cancelled()?;
            let next = if self.tail.is_none() && self.needs_outer() { self.next_outer(cx)? } else { None };
            if let Some(batch) = next {
                self.probe = Some(self.look_up(cx, batch)?);
                continue;
            }
            if self.marks()
                && let Some(b) = self.unmatched(cx)?
            {
                return Ok(Some(b));
            }
            if !self.next_piece(cx)? && !self.next_partition(cx)? {
                self.done = true;
                if self.parted {
                    self.table = None;
                    self.reservation.holds(0);
                }
                return Ok(None);
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        // A table that is shared is made anew by all together.
        let keep = !self.parted && self.share.is_none() && self.inner_depends.holds(cx);
        if self.table.is_some() && keep {
            if let Some(m) = &mut self.matched {
                m.fill(false);
            }
        } else {
            if self.table.is_some() || self.done {
                self.inner.rescan(cx)?;
            }
            self.table = None;
        }
        self.resident = None;
        self.parts.clear();
        self.file = None;
        self.pieces = None;
        self.probe = None;
        self.tail = None;
        self.done = false;
        self.outer.rescan(cx)
    }
}
