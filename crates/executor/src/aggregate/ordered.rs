//! Input of an aggregate that must come in order (ORDER BY, DISTINCT of order-sensitive aggregates): gathered with sort keys,
//! sorted in memory or, beyond the memory allowed, by external merge.

use crate::context::Cx;
use crate::rows::RowSet;
use crate::spill::told_of_files;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_storage::row::{RowBuilder, RowLayout, RowRef};
use quarry_storage::sort::{ExternalSort, SortedRun, compare_keys, prefix_of};
use quarry_types::row::{decode_column_into, encode_vectors, layout_of, no_detoast};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Rows, TypeRef, Vector, compare};
use std::sync::Arc;

/// Rows waiting to be sorted by group and key.
pub(super) struct Gathered {
    rows: RowSet,
    keys: Vec<u8>,
    /// Start and end of each row's key, which begins with its group.
    entries: Vec<(usize, usize)>,
    layout: RowLayout,
    external: Option<ExternalSort>,
    reservation: Reservation,
}

impl Gathered {
    pub fn new(physicals: &[PhysicalType]) -> Gathered {
        Gathered {
            rows: RowSet::new(physicals),
            keys: Vec::new(),
            entries: Vec::new(),
            layout: layout_of(physicals),
            external: None,
            reservation: Reservation::default(),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        self.rows.allocated_bytes() + self.keys.capacity() + self.entries.capacity() * 16
    }

    /// Adds rows; `key(r, out)` appends row r's sort key.
    pub fn push(
        &mut self,
        cx: &mut Cx<'_>,
        args: &[Arc<Vector>],
        rows: Rows<'_>,
        numbers: Option<&[u32]>,
        key: &dyn Fn(usize, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        for r in rows.iter() {
            let at = self.keys.len();
            self.keys.extend_from_slice(&numbers.map_or(0, |n| n[r]).to_be_bytes());
            key(r, &mut self.keys)?;
            self.entries.push((at, self.keys.len()));
        }
        self.rows.push_rows(args, rows);
        let bytes = self.memory_bytes();
        cx.rt.note_memory(bytes);
        if !self.reservation.may_hold(bytes) || bytes > cx.env.work_mem_bytes {
            self.write_out(cx)?;
        }
        Ok(())
    }

    fn write_out(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let sort = self.external.get_or_insert_with(|| {
            ExternalSort::new(cx.env.storage.disk().clone(), cx.env.work_mem_bytes)
                .told(told_of_files(cx.env))
        });
        let mut builder = RowBuilder::new();
        let mut run = sort.begin_run()?;
        for row in order(&self.keys, &self.entries) {
            let (start, end) = self.entries[row as usize];
            let row = encode_vectors(&self.rows.columns, row as usize, &self.layout, &mut builder);
            run.push(&self.keys[start..end], row)?;
        }
        sort.end_run(run)?;
        self.rows.clear();
        (self.keys, self.entries) = (Vec::new(), Vec::new());
        self.reservation.holds(0);
        Ok(())
    }

    /// The rows in order, without repeats within a group if `distinct` gives the columns' types.
    pub fn sorted(mut self, cx: &mut Cx<'_>, distinct: Option<&[TypeRef]>) -> Result<Sorted> {
        if self.external.is_some() && !self.entries.is_empty() {
            self.write_out(cx)?;
        }
        let physicals = self.rows.physicals();
        let source = match self.external.take() {
            Some(sort) => Source::Disk(sort.finish()?, self.layout),
            None => {
                let order = order(&self.keys, &self.entries);
                let group = |row: &u32| group_of(&self.keys[self.entries[*row as usize].0..]);
                let groups: Vec<u32> = order.iter().map(group).collect();
                self.reservation.holds(self.rows.allocated_bytes() + order.len() * 8);
                Source::Memory { rows: self.rows, order, groups, at: 0, _reservation: self.reservation }
            }
        };
        let distinct = distinct.map(<[TypeRef]>::to_vec);
        Ok(Sorted { source, physicals, distinct, last: None })
    }
}

/// The rows in the order of their keys, equal ones as they came.
fn order(keys: &[u8], entries: &[(usize, usize)]) -> Vec<u32> {
    let key = |row: u32| {
        let (start, end) = entries[row as usize];
        &keys[start..end]
    };
    let mut sorted: Vec<(u128, u32)> =
        (0..entries.len() as u32).map(|row| (prefix_of(key(row)), row)).collect();
    sorted.sort_unstable_by(|a, b| {
        let (ka, kb) = (key(a.1), key(b.1));
        compare_keys((a.0, ka.len()), (b.0, kb.len()), || (ka, kb)).then(a.1.cmp(&b.1))
    });
    sorted.into_iter().map(|(_, row)| row).collect()
}

fn group_of(key: &[u8]) -> u32 {
    key.first_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b))
}

enum Source {
    Memory { rows: RowSet, order: Vec<u32>, groups: Vec<u32>, at: usize, _reservation: Reservation },
    Disk(SortedRun, RowLayout),
}

/// Sorted rows, read once.
pub(super) struct Sorted {
    source: Source,
    physicals: Vec<PhysicalType>,
    distinct: Option<Vec<TypeRef>>,
    /// The row before, as a batch of its own, and its group.
    last: Option<(Batch, u32)>,
}

impl Sorted {
    /// The next rows and their groups.
    pub fn next(&mut self) -> Result<Option<(Batch, Vec<u32>)>> {
        loop {
            let Some((batch, groups)) = self.read()? else { return Ok(None) };
            let Some(types) = &self.distinct else { return Ok(Some((batch, groups))) };
            let same = |a: &Batch, ra: usize, b: &Batch, rb: usize| {
                a.columns
                    .iter()
                    .zip(&b.columns)
                    .zip(types)
                    .all(|((x, y), t)| compare::same_at(x, ra, y, rb, t))
            };
            let mut keep: Vec<u32> = Vec::new();
            for r in 0..batch.len {
                let repeated = match (r, &self.last) {
                    (0, Some((last, group))) => *group == groups[0] && same(last, 0, &batch, 0),
                    (0, None) => false,
                    _ => groups[r] == groups[r - 1] && same(&batch, r - 1, &batch, r),
                };
                if !repeated {
                    keep.push(r as u32);
                }
            }
            let pick = |positions: &[u32]| {
                let rows = Rows::Selected { positions, len: batch.len };
                Batch::new(batch.columns.iter().map(|c| Arc::new(c.gather(rows))).collect(), positions.len())
            };
            let end = batch.len - 1;
            self.last = Some((pick(&[end as u32]), groups[end]));
            if !keep.is_empty() {
                let kept = keep.iter().map(|r| groups[*r as usize]).collect();
                return Ok(Some((pick(&keep), kept)));
            }
        }
    }

    fn read(&mut self) -> Result<Option<(Batch, Vec<u32>)>> {
        match &mut self.source {
            Source::Memory { rows, order, groups, at, .. } => {
                let end = (*at + BATCH_ROWS).min(order.len());
                if *at == end {
                    return Ok(None);
                }
                let part = *at..end;
                *at = end;
                Ok(Some((rows.gather(&order[part.clone()]), groups[part].to_vec())))
            }
            Source::Disk(run, layout) => {
                let mut out = RowSet::new(&self.physicals);
                let mut groups = Vec::new();
                while out.len < BATCH_ROWS {
                    let Some((key, row)) = run.next()? else { break };
                    groups.push(group_of(key));
                    let row = RowRef::new(layout, row);
                    for (i, c) in out.columns.iter_mut().enumerate() {
                        decode_column_into(&row, i, c, &mut no_detoast)?;
                    }
                    out.len += 1;
                }
                Ok(if out.is_empty() { None } else { Some((out.take(), groups)) })
            }
        }
    }
}
