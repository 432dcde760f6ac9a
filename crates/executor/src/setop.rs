//! UNION, INTERSECT, EXCEPT by hash, and Unique over sorted input.

use crate::build::{Builder, slots_of, types_of};
use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, pull, select};
use crate::rows::RowSet;
use crate::spill::RowFile;
use hashbrown::HashTable;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_plan::{ColumnId, PhysicalPlan, SetOpKind};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Rows, TypeRef, Vector, compare, hash};
use std::sync::Arc;

/// Distinct rows by hash, in the order they came.
pub struct DistinctRows {
    pub rows: RowSet,
    types: Vec<TypeRef>,
    table: HashTable<u32>,
    hashes: Vec<u64>,
}

impl DistinctRows {
    pub fn new(physicals: &[PhysicalType], types: Vec<TypeRef>) -> DistinctRows {
        DistinctRows { rows: RowSet::new(physicals), types, table: HashTable::new(), hashes: Vec::new() }
    }
    pub fn hashes(&self, columns: &[Arc<Vector>], rows: Rows<'_>) -> Vec<u64> {
        let mut out = vec![0; rows.len()];
        for (v, t) in columns.iter().zip(&self.types) {
            hash::hash_vector(v, t, rows, &mut out);
        }
        out
    }
    pub fn find(&self, columns: &[Arc<Vector>], r: usize, h: u64) -> Option<u32> {
        let same = |s: &u32| {
            self.hashes[*s as usize] == h
                && columns
                    .iter()
                    .zip(&self.rows.columns)
                    .zip(&self.types)
                    .all(|((a, b), t)| compare::same_at(a, r, b, *s as usize, t))
        };
        self.table.find(h, same).copied()
    }
    /// The row's number, and whether it is new.
    pub fn add(&mut self, columns: &[Arc<Vector>], r: usize, h: u64) -> (u32, bool) {
        match self.find(columns, r, h) {
            Some(s) => (s, false),
            None => (self.add_new(columns, r, h), true),
        }
    }
    /// Adds a row that is known not to be there; its number.
    pub fn add_new(&mut self, columns: &[Arc<Vector>], r: usize, h: u64) -> u32 {
        let s = self.rows.len as u32;
        let at = [r as u32];
        let len = columns.first().map_or(r + 1, |c| c.len());
        self.rows.push_rows(columns, Rows::Selected { positions: &at, len });
        self.hashes.push(h);
        let hashes = &self.hashes;
        self.table.insert_unique(h, s, |s| hashes[*s as usize]);
        s
    }
    /// Rows, hashes and table together.
    pub fn memory_bytes(&self) -> usize {
        self.rows.memory_bytes() + self.hashes.len() * 8 + self.table.capacity() * 5
    }
    pub fn clear(&mut self) {
        self.rows.clear();
        self.table.clear();
        self.hashes.clear();
    }
}

/// Partitions of a set operation that spills, and how often a partition may be divided again.
const PARTITIONS: usize = 16;
const DEPTH_MAX: u32 = 8;

/// Rows that found no place in memory, by side.
struct Part {
    left: RowFile,
    right: RowFile,
    depth: u32,
}

/// UNION, INTERSECT, EXCEPT by hash. When the distinct rows outgrow the memory allowed, those in memory stay and go on being counted;
/// rows with other values go to partitions by hash, each of which is treated the same way later.
pub struct SetOp {
    kind: SetOpKind,
    all: bool,
    left: BoxOperator,
    right: BoxOperator,
    physicals: Vec<PhysicalType>,
    seen: DistinctRows,
    /// Per distinct row: how often it came from the left, and from the right.
    counts: Vec<(u64, u64)>,
    ready: bool,
    at: usize,
    /// Of row `at`, copies already given.
    given: u64,
    /// Partitions still to be treated.
    parts: Vec<Part>,
    reservation: Reservation,
}

pub fn build(
    b: &mut Builder<'_>,
    kind: SetOpKind,
    all: bool,
    left: (&PhysicalPlan, &[ColumnId]),
    right: (&PhysicalPlan, &[ColumnId]),
) -> Result<BoxOperator> {
    let types = types_of(left.0, left.1)?;
    let physicals = types.iter().map(|t| b.physical(*t)).collect::<Result<Vec<_>>>()?;
    let infos = types.iter().map(|t| b.type_ref(t.oid)).collect::<Result<_>>()?;
    Ok(Box::new(SetOp {
        kind,
        all,
        left: b.picked(left.0, left.1)?,
        right: b.picked(right.0, right.1)?,
        seen: DistinctRows::new(&physicals, infos),
        physicals,
        counts: Vec::new(),
        ready: false,
        at: 0,
        given: 0,
        parts: Vec::new(),
        reservation: Reservation::default(),
    }))
}

impl SetOp {
    fn read(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut parts = None;
        while let Some(b) = pull(&mut self.left, cx)? {
            self.take(cx, &b, true, &mut parts, 0)?;
        }
        while let Some(b) = pull(&mut self.right, cx)? {
            self.take(cx, &b, false, &mut parts, 0)?;
        }
        self.keep_parts(parts)
    }

    /// Treats the next partition; false if there is none.
    fn read_part(&mut self, cx: &mut Cx<'_>) -> Result<bool> {
        let Some(mut part) = self.parts.pop() else { return Ok(false) };
        self.seen.clear();
        self.counts.clear();
        (self.at, self.given) = (0, 0);
        let mut parts = None;
        while let Some(b) = part.left.next_batch()? {
            self.take(cx, &b, true, &mut parts, part.depth)?;
        }
        while let Some(b) = part.right.next_batch()? {
            self.take(cx, &b, false, &mut parts, part.depth)?;
        }
        self.keep_parts(parts)?;
        Ok(true)
    }

    fn keep_parts(&mut self, parts: Option<Vec<Part>>) -> Result<()> {
        for mut part in parts.into_iter().flatten() {
            // Nothing comes out of rows of the right side alone.
            if part.left.rows() > 0 {
                part.left.rewind()?;
                part.right.rewind()?;
                self.parts.push(part);
            }
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.seen.memory_bytes() + self.counts.len() * std::mem::size_of::<(u64, u64)>()
    }

    /// Counts a batch of one side. A UNION doesn't tell the sides apart.
    fn take(
        &mut self,
        cx: &mut Cx<'_>,
        b: &Batch,
        left: bool,
        parts: &mut Option<Vec<Part>>,
        depth: u32,
    ) -> Result<()> {
        cx.check_cancelled()?;
        let adds = left || self.kind == SetOpKind::Union;
        let hashes = self.seen.hashes(&b.columns, b.rows());
        for r in b.rows().iter() {
            let h = hashes[r];
            let found = self.seen.find(&b.columns, r, h);
            let known = match (found, &mut *parts) {
                (Some(s), _) => s,
                (None, Some(parts)) => {
                    let part = &mut parts[(h >> (60 - 4 * depth)) as usize % PARTITIONS];
                    let columns = b.columns.iter().map(|c| &**c);
                    if adds {
                        part.left.push(columns, r)?;
                    } else if part.left.rows() > 0 {
                        part.right.push(columns, r)?;
                    }
                    continue;
                }
                (None, None) if adds => {
                    self.counts.push((0, 0));
                    self.seen.add_new(&b.columns, r, h)
                }
                (None, None) => continue,
            };
            let count = &mut self.counts[known as usize];
            if adds {
                count.0 += 1;
            } else {
                count.1 += 1;
            }
        }
        cx.rt.note_memory(self.memory_bytes());
        let bytes = self.memory_bytes();
        let may_hold = self.reservation.may_hold(bytes) && bytes <= cx.env.hash_mem_bytes;
        if parts.is_none() && depth >= DEPTH_MAX {
            self.reservation.must_hold(bytes)?;
        } else if parts.is_none() && !may_hold {
            let part = |_| -> Result<Part> {
                Ok(Part {
                    left: RowFile::create(cx.env, &self.physicals)?,
                    right: RowFile::create(cx.env, &self.physicals)?,
                    depth: depth + 1,
                })
            };
            *parts = Some((0..PARTITIONS).map(part).collect::<Result<_>>()?);
        }
        Ok(())
    }

    fn copies(&self, (left, right): (u64, u64)) -> u64 {
        match (self.kind, self.all) {
            (SetOpKind::Union, true) => left,
            (SetOpKind::Union, false) => 1,
            (SetOpKind::Intersect, true) => left.min(right),
            (SetOpKind::Intersect, false) => u64::from(right > 0),
            (SetOpKind::Except, true) => left.saturating_sub(right),
            (SetOpKind::Except, false) => u64::from(right == 0),
        }
    }
}

impl Operator for SetOp {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if !std::mem::replace(&mut self.ready, true) {
            self.read(cx)?;
        }
        loop {
            let mut rows = Vec::new();
            while self.at < self.counts.len() && rows.len() < BATCH_ROWS {
                if self.given < self.copies(self.counts[self.at]) {
                    rows.push(self.at as u32);
                    self.given += 1;
                } else {
                    self.at += 1;
                    self.given = 0;
                }
            }
            if !rows.is_empty() {
                return Ok(Some(self.seen.rows.gather(&rows)));
            }
            if !self.read_part(cx)? {
                return Ok(None);
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.seen.clear();
        self.counts.clear();
        self.parts.clear();
        self.ready = false;
        self.at = 0;
        self.given = 0;
        self.left.rescan(cx)?;
        self.right.rescan(cx)
    }
}

/// Drops rows equal to the one before.
pub struct Unique {
    input: BoxOperator,
    slots: Vec<usize>,
    types: Vec<TypeRef>,
    last: Option<(Batch, usize)>,
}

pub fn unique(b: &mut Builder<'_>, input: &PhysicalPlan, columns: &[ColumnId]) -> Result<BoxOperator> {
    let types = types_of(input, columns)?.iter().map(|t| b.type_ref(t.oid)).collect::<Result<_>>()?;
    Ok(Box::new(Unique { slots: slots_of(input, columns)?, types, input: b.plan(input)?, last: None }))
}

impl Operator for Unique {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        loop {
            let Some(b) = self.input.next(cx)? else { return Ok(None) };
            let mut keep = Vec::with_capacity(b.row_count());
            let before = self.last.take();
            let mut last = before.as_ref().map(|(batch, row)| (batch, *row));
            for r in b.rows().iter() {
                let same = last.is_some_and(|(lb, lr)| {
                    let mut columns = self.slots.iter().zip(&self.types);
                    columns.all(|(s, t)| compare::same_at(&b.columns[*s], r, &lb.columns[*s], lr, t))
                });
                if !same {
                    keep.push(r as u32);
                    last = Some((&b, r));
                }
            }
            self.last = last.map(|(batch, row)| (batch.clone(), row));
            if let Some(b) = select(b, keep) {
                return Ok(Some(b));
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.last = None;
        self.input.rescan(cx)
    }
    fn renew(&mut self) -> bool {
        self.last = None;
        self.input.renew()
    }
}
