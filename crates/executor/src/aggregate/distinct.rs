//! DISTINCT for aggregates that don't mind their input's order: values are let through when they come first in their group. Beyond the
//! memory allowed, values not seen yet wait in partitions by hash and are looked at when all input is there.

use super::codes::{hash_of_code, is_small, with_codes};
use crate::context::Cx;
use crate::spill::RowFile;
use hashbrown::HashTable;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_types::{BATCH_ROWS, Batch, Datum, PhysicalType, Rows, TypeRef, Vector, compare, hash};
use std::collections::HashSet;
use std::sync::Arc;

const PARTITIONS: usize = 16;
const DEPTH_MAX: u32 = 8;

/// The values of a call's groups so far.
pub(super) struct Seen {
    held: Held,
    physicals: Vec<PhysicalType>,
    /// Set while new values go to files: group number first, then the arguments.
    waiting: Option<Vec<RowFile>>,
    depth: u32,
    /// Partitions still to be looked at.
    parts: Vec<(RowFile, u32)>,
    reservation: Reservation,
}

/// The values that have been let through.
enum Held {
    /// Of one whole number.
    Words(Words),
    Values(Values),
}

/// A whole number with its group; the halves of the number apart, so that there are no gaps.
#[derive(Clone, Copy)]
struct Word {
    low: u32,
    high: u32,
    group: u32,
}

impl Word {
    fn new(word: u64, group: u32) -> Word {
        Word { low: word as u32, high: (word >> 32) as u32, group }
    }
    fn word(self) -> u64 {
        u64::from(self.low) | u64::from(self.high) << 32
    }
    fn hash(self) -> u64 {
        hash_in_group(hash_of_code(self.word()), self.group)
    }
}

fn hash_in_group(hash: u64, group: u32) -> u64 {
    hash::combine(hash, hash::hash_i64(i64::from(group)))
}

/// Whole numbers, in the table itself: one look at memory for each row.
#[derive(Default)]
struct Words {
    table: HashTable<Word>,
    /// Groups that have NULL.
    null_groups: HashSet<u32>,
}

/// Any values, in the order in which they came.
struct Values {
    table: HashTable<u32>,
    groups: Vec<u32>,
    columns: Vec<Vector>,
    hashes: Vec<u64>,
}

impl Values {
    fn new(physicals: &[PhysicalType]) -> Values {
        Values {
            table: HashTable::new(),
            groups: vec![],
            columns: physicals.iter().map(|p| Vector::with_capacity(*p, 0)).collect(),
            hashes: vec![],
        }
    }
}

impl Held {
    fn new(physicals: &[PhysicalType]) -> Held {
        match physicals {
            [only] if is_small(*only) || *only == PhysicalType::I64 => Held::Words(Words::default()),
            _ => Held::Values(Values::new(physicals)),
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Held::Words(words) => words.table.allocation_size() + words.null_groups.capacity() * 8,
            Held::Values(values) => {
                values.columns.iter().map(Vector::memory_bytes).sum::<usize>()
                    + values.groups.len() * 12
                    + values.table.capacity() * 5
            }
        }
    }
}

/// Rows of a batch, each a value with its group.
struct Incoming<'a> {
    args: &'a [Arc<Vector>],
    types: &'a [TypeRef],
    rows: Rows<'a>,
    numbers: Option<&'a [u32]>,
}

impl Incoming<'_> {
    fn group(&self, r: usize) -> u32 {
        self.numbers.map_or(0, |n| n[r])
    }
}

impl Words {
    /// Has `new` see, in their order, the rows whose values aren't held, with their hashes; they are held from then on if it says so.
    fn look_up(
        &mut self,
        incoming: &Incoming<'_>,
        mut new: impl FnMut(usize, u64) -> Result<bool>,
    ) -> Result<()> {
        let Some(column) = incoming.args.first() else { return Ok(()) };
        let mut words = vec![0; incoming.rows.len()];
        with_codes!(column, word => incoming.rows.iter().for_each(|r| words[r] = word(r)));
        let may_have_nulls = column.may_have_nulls();
        for r in incoming.rows.iter() {
            let group = incoming.group(r);
            if may_have_nulls && column.is_null(r) {
                if !self.null_groups.contains(&group) && new(r, hash_in_group(0, group))? {
                    self.null_groups.insert(group);
                }
                continue;
            }
            let word = Word::new(words[r], group);
            let h = word.hash();
            let same = |w: &Word| w.low == word.low && w.high == word.high && w.group == group;
            if self.table.find(h, same).is_none() && new(r, h)? {
                self.table.insert_unique(h, word, |w| w.hash());
            }
        }
        Ok(())
    }
}

impl Values {
    /// As [`Words::look_up`].
    fn look_up(
        &mut self,
        incoming: &Incoming<'_>,
        mut new: impl FnMut(usize, u64) -> Result<bool>,
    ) -> Result<()> {
        let Incoming { args, types, rows, .. } = *incoming;
        let mut hashes = vec![0; rows.len()];
        for (v, t) in args.iter().zip(types) {
            hash::hash_vector(v, t, rows, &mut hashes);
        }
        for r in rows.iter() {
            let g = incoming.group(r);
            let h = hash_in_group(hashes[r], g);
            let same = |s: &u32| {
                let s = *s as usize;
                let mut columns = args.iter().zip(&self.columns).zip(types);
                self.groups[s] == g && columns.all(|((a, v), t)| compare::same_at(a, r, v, s, t))
            };
            if self.table.find(h, same).is_some() || !new(r, h)? {
                continue;
            }
            let s = self.groups.len() as u32;
            self.groups.push(g);
            self.hashes.push(h);
            for (a, v) in args.iter().zip(&mut self.columns) {
                v.extend_from(a, Rows::Selected { positions: &[r as u32], len: a.len() });
            }
            let hashes = &self.hashes;
            self.table.insert_unique(h, s, |s| hashes[*s as usize]);
        }
        Ok(())
    }
}

/// Values with their groups.
pub(super) type Grouped = (Vec<Arc<Vector>>, Vec<u32>);

impl Seen {
    pub fn new(physicals: &[PhysicalType]) -> Seen {
        Seen {
            held: Held::new(physicals),
            physicals: physicals.to_vec(),
            waiting: None,
            depth: 0,
            parts: Vec::new(),
            reservation: Reservation::default(),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        self.held.memory_bytes()
    }

    /// Gives the values held away, a batch at a time, to `each`.
    pub fn give_held(&mut self, mut each: impl FnMut(Grouped) -> Result<()>) -> Result<()> {
        let column = |values: Vector| vec![Arc::new(values)];
        match std::mem::replace(&mut self.held, Held::new(&self.physicals)) {
            Held::Words(Words { table, null_groups }) => {
                let Some(physical) = self.physicals.first() else { return Ok(()) };
                let nulls: Vec<u32> = null_groups.into_iter().collect();
                if !nulls.is_empty() {
                    each((column(Vector::constant(*physical, &Datum::Null, nulls.len())), nulls))?;
                }
                let mut words = table.into_iter();
                loop {
                    let batch: Vec<Word> = words.by_ref().take(BATCH_ROWS).collect();
                    if batch.is_empty() {
                        return Ok(());
                    }
                    let mut values = Vector::with_capacity(*physical, batch.len());
                    batch.iter().for_each(|w| values.push_datum(&datum_of(*physical, w.word())));
                    each((column(values), batch.iter().map(|w| w.group).collect()))?;
                }
            }
            Held::Values(held) => {
                for from in (0..held.groups.len()).step_by(BATCH_ROWS) {
                    let to = (from + BATCH_ROWS).min(held.groups.len());
                    let positions: Vec<u32> = (from as u32..to as u32).collect();
                    let rows = Rows::Selected { positions: &positions, len: held.groups.len() };
                    let values = held.columns.iter().map(|v| Arc::new(v.gather(rows))).collect();
                    each((values, held.groups[from..to].to_vec()))?;
                }
                Ok(())
            }
        }
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
        let incoming = Incoming { args, types, rows, numbers };
        let mut out = Vec::new();
        let group_column = self.waiting.is_some().then(|| group_column(rows.len(), numbers));
        let (waiting, depth) = (&mut self.waiting, self.depth);
        let new = |r: usize, h: u64| -> Result<bool> {
            if let (Some(files), Some(group)) = (&mut *waiting, &group_column) {
                let file = &mut files[(h >> (60 - 4 * depth)) as usize % PARTITIONS];
                file.push(std::iter::once(group).chain(args.iter().map(|a| &**a)), r)?;
                return Ok(false);
            }
            out.push(r as u32);
            Ok(true)
        };
        match &mut self.held {
            Held::Words(words) => words.look_up(&incoming, new)?,
            Held::Values(values) => values.look_up(&incoming, new)?,
        }
        let bytes = self.memory_bytes();
        cx.rt.note_memory(bytes);
        let may_hold = self.reservation.may_hold(bytes) && bytes <= cx.env.hash_mem_bytes;
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
            self.held = Held::new(&self.physicals);
        }
    }
}

/// The value that a whole number's word stands for.
fn datum_of(physical: PhysicalType, word: u64) -> Datum {
    match physical {
        PhysicalType::Bool => Datum::Bool(word != 0),
        PhysicalType::I16 => Datum::I16(word as i16),
        PhysicalType::I32 => Datum::I32(word as i32),
        PhysicalType::U32 => Datum::U32(word as u32),
        _ => Datum::I64(word as i64),
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
