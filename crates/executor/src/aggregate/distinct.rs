//! DISTINCT for aggregates that don't mind their input's order: values are let through when they come first in their group. Beyond the
//! memory allowed, values not seen yet wait in partitions by hash and are looked at when all input is there.

use crate::context::Cx;
use crate::spill::RowFile;
use hashbrown::HashTable;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_types::{BATCH_ROWS, Batch, Datum, PhysicalType, Rows, TypeRef, Vector, compare, hash};
use std::sync::Arc;

const PARTITIONS: usize = 16;
const DEPTH_MAX: u32 = 8;

/// The values of a call's groups so far.
pub(super) struct Seen {
    table: HashTable<u32>,
    groups: Vec<u32>,
    values: Vec<Vector>,
    hashes: Vec<u64>,
    physicals: Vec<PhysicalType>,
    /// Set while new values go to files: group number first, then the arguments.
    waiting: Option<Vec<RowFile>>,
    depth: u32,
    /// Partitions still to be looked at.
    parts: Vec<(RowFile, u32)>,
    reservation: Reservation,
}

impl Seen {
    pub fn new(physicals: &[PhysicalType]) -> Seen {
        Seen {
            table: HashTable::new(),
            groups: Vec::new(),
            values: physicals.iter().map(|p| Vector::with_capacity(*p, 0)).collect(),
            hashes: Vec::new(),
            physicals: physicals.to_vec(),
            waiting: None,
            depth: 0,
            parts: Vec::new(),
            reservation: Reservation::default(),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        self.values.iter().map(Vector::memory_bytes).sum::<usize>()
            + self.groups.len() * 12
            + self.table.capacity() * 5
    }

    /// The values held, with their groups, up to a batch of them from `from` on; none behind the last.
    pub fn held(&self, from: usize) -> Option<(Vec<Arc<Vector>>, &[u32])> {
        let to = (from + BATCH_ROWS).min(self.groups.len());
        if from >= to {
            return None;
        }
        let positions: Vec<u32> = (from as u32..to as u32).collect();
        let rows = Rows::Selected { positions: &positions, len: self.groups.len() };
        let values = self.values.iter().map(|v| Arc::new(v.gather(rows))).collect();
        Some((values, &self.groups[from..to]))
    }

    /// The rows not seen before in their group, of those for which that is known now.
    pub fn let_through(
        &mut self,
        cx: &mut Cx<'_>,
        args: &[Arc<Vector>],
        types: &[TypeRef],
        rows: Rows<'_>,
        numbers: Option<&[u32]>,
    ) -> Result<Vec<u32>> {
        let mut hashes = vec![0; rows.len()];
        for (v, t) in args.iter().zip(types) {
            hash::hash_vector(v, t, rows, &mut hashes);
        }
        let mut out = Vec::new();
        let group_column = self.waiting.is_some().then(|| group_column(rows.len(), numbers));
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
            if let (Some(files), Some(group)) = (&mut self.waiting, &group_column) {
                let file = &mut files[(h >> (60 - 4 * self.depth)) as usize % PARTITIONS];
                file.push(std::iter::once(group).chain(args.iter().map(|a| &**a)), r)?;
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
        let bytes = self.memory_bytes();
        cx.rt.note_memory(bytes);
        let may_hold = self.reservation.may_hold(bytes) && bytes <= cx.env.work_mem_bytes;
        if self.waiting.is_none() && self.depth >= DEPTH_MAX {
            self.reservation.must_hold(bytes)?;
        } else if self.waiting.is_none() && !may_hold {
            let mut columns = vec![PhysicalType::I32];
            columns.extend(&self.physicals);
            let files = (0..PARTITIONS).map(|_| RowFile::create(cx.env, &columns));
            self.waiting = Some(files.collect::<Result<_>>()?);
        }
        Ok(out)
    }

    /// The next values that waited, with their groups; none when all have been looked at. Values once let through are forgotten:
    /// those that waited are none of them.
    pub fn next_waiting(&mut self, cx: &mut Cx<'_>, types: &[TypeRef]) -> Result<Option<(Batch, Vec<u32>)>> {
        loop {
            if let Some((file, depth)) = self.parts.last_mut() {
                let depth = *depth;
                if let Some(batch) = file.next_batch()? {
                    cx.check_cancelled()?;
                    self.depth = depth;
                    let groups: Vec<u32> = (0..batch.len)
                        .map(|r| match batch.columns[0].datum(r) {
                            Datum::I32(g) => g as u32,
                            _ => 0,
                        })
                        .collect();
                    let args = batch.columns[1..].to_vec();
                    let new = self.let_through(cx, &args, types, Rows::All(batch.len), Some(&groups))?;
                    if new.is_empty() {
                        continue;
                    }
                    let rows = Rows::Selected { positions: &new, len: batch.len };
                    let kept = args.iter().map(|a| Arc::new(a.gather(rows))).collect();
                    let groups = new.iter().map(|r| groups[*r as usize]).collect();
                    return Ok(Some((Batch::new(kept, new.len()), groups)));
                }
                self.parts.pop();
            }
            let depth = self.depth + 1;
            for mut file in self.waiting.take().into_iter().flatten() {
                if file.rows() > 0 {
                    file.rewind()?;
                    self.parts.push((file, depth));
                }
            }
            if self.parts.is_empty() {
                return Ok(None);
            }
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.table.clear();
        self.groups.clear();
        self.hashes.clear();
        self.values = self.physicals.iter().map(|p| Vector::with_capacity(*p, 0)).collect();
    }
}

/// The rows' groups as a column.
fn group_column(len: usize, numbers: Option<&[u32]>) -> Vector {
    let mut out = Vector::with_capacity(PhysicalType::I32, len);
    for r in 0..len {
        out.push_datum(&Datum::I32(numbers.map_or(0, |n| n[r]) as i32));
    }
    out
}
