//! The distinct rows of a recursive UNION: in memory up to the memory allowed, further ones in a file behind a hash index that also
//! lies in a file. A look-up reads one page of the index as a rule, and a row only where its hash is the same; so the cost of a
//! round does not grow with what was seen before.

use crate::context::Cx;
use crate::rows::RowSet;
use crate::setop::DistinctRows;
use crate::spill::{TemporaryPath, counted_read, counted_write, temporary_file};
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_storage::row::{RowBuilder, RowLayout, RowRef};
use quarry_types::row::{decode_column_into, encode_vectors, layout_of, no_detoast};
use quarry_types::{Batch, PhysicalType, TypeRef, Vector, compare};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Rows seen so far.
pub struct SeenRows {
    memory: DistinctRows,
    physicals: Vec<PhysicalType>,
    types: Vec<TypeRef>,
    disk: Option<DiskRows>,
    reservation: Reservation,
}

impl SeenRows {
    pub fn new(physicals: &[PhysicalType], types: Vec<TypeRef>) -> SeenRows {
        SeenRows {
            memory: DistinctRows::new(physicals, types.clone()),
            physicals: physicals.to_vec(),
            types,
            disk: None,
            reservation: Reservation::default(),
        }
    }
    pub fn clear(&mut self) {
        self.memory.clear();
        self.disk = None;
    }
    /// The positions of rows not seen before; they are from now on.
    pub fn new_rows(&mut self, cx: &mut Cx<'_>, batch: &Batch) -> Result<Vec<u32>> {
        let hashes = self.memory.hashes(&batch.columns, batch.rows());
        let mut new = Vec::new();
        for r in batch.rows().iter() {
            let h = hashes[r];
            if self.memory.find(&batch.columns, r, h).is_some() {
                continue;
            }
            let added = match &mut self.disk {
                None => {
                    self.memory.add_new(&batch.columns, r, h);
                    true
                }
                Some(disk) => {
                    if r % 256 == 0 {
                        cx.check_cancelled()?;
                    }
                    disk.make_room(cx)?;
                    disk.add(&batch.columns, r, h, &self.types)?
                }
            };
            if added {
                new.push(r as u32);
            }
        }
        let bytes = self.memory.memory_bytes();
        cx.rt.note_memory(bytes);
        let may_hold = self.reservation.may_hold(bytes) && bytes <= cx.env.hash_mem_bytes;
        if self.disk.is_none() && !may_hold {
            self.disk = Some(DiskRows::create(cx, &self.physicals)?);
        }
        Ok(new)
    }
}

const PAGE_BYTES: usize = 4096;
/// An entry is the row's hash and its offset plus one; 0 there: no entry. A page fills from its beginning.
const ENTRY_BYTES: usize = 16;
const ENTRIES: usize = PAGE_BYTES / ENTRY_BYTES;

/// Pages of entries, open to their neighbours: an entry whose page is full lies in the next one that isn't.
struct Index {
    file: File,
    path: TemporaryPath,
    /// There are two to this number of pages.
    bits: u32,
    entries: u64,
}

impl Index {
    fn create(cx: &Cx<'_>, bits: u32) -> Result<Index> {
        let (path, file) = temporary_file(cx.env, "index")?;
        let index = Index { file, path, bits, entries: 0 };
        index.file.set_len(index.pages() * PAGE_BYTES as u64).map_err(index.path.refused("extend"))?;
        Ok(index)
    }
    fn pages(&self) -> u64 {
        1 << self.bits
    }
    fn read(&self, page: u64) -> Result<[u8; PAGE_BYTES]> {
        let mut bytes = [0; PAGE_BYTES];
        counted_read(PAGE_BYTES, || self.file.read_exact_at(&mut bytes, page * PAGE_BYTES as u64))
            .map_err(self.path.refused("read from"))?;
        Ok(bytes)
    }
    /// Calls `found` with the offset of each row of this hash until it says yes. The answer is whether it did, or else the place
    /// for a new entry.
    fn find(&self, hash: u64, mut found: impl FnMut(u64) -> Result<bool>) -> Result<Option<u64>> {
        let mut page = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - self.bits);
        loop {
            let bytes = self.read(page)?;
            for (i, entry) in bytes.chunks_exact(ENTRY_BYTES).enumerate() {
                let (h, offset) = parts(entry);
                match offset.checked_sub(1) {
                    None => return Ok(Some(page * PAGE_BYTES as u64 + (i * ENTRY_BYTES) as u64)),
                    Some(offset) if h == hash && found(offset)? => return Ok(None),
                    Some(_) => {}
                }
            }
            page = (page + 1) % self.pages();
        }
    }
    fn put(&mut self, place: u64, hash: u64, offset: u64) -> Result<()> {
        let mut entry = [0; ENTRY_BYTES];
        entry[..8].copy_from_slice(&hash.to_le_bytes());
        entry[8..].copy_from_slice(&(offset + 1).to_le_bytes());
        counted_write(ENTRY_BYTES, || self.file.write_all_at(&entry, place))
            .map_err(self.path.refused("write to"))?;
        self.entries += 1;
        Ok(())
    }
    fn is_half_full(&self) -> bool {
        self.entries * 2 >= self.pages() * ENTRIES as u64
    }
}

fn parts(entry: &[u8]) -> (u64, u64) {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    (number(&entry[..8]), number(&entry[8..]))
}

/// Distinct rows in a file.
struct DiskRows {
    index: Index,
    rows: File,
    path: TemporaryPath,
    end: u64,
    layout: RowLayout,
    physicals: Vec<PhysicalType>,
    builder: RowBuilder,
}

impl DiskRows {
    fn create(cx: &Cx<'_>, physicals: &[PhysicalType]) -> Result<DiskRows> {
        let (path, rows) = temporary_file(cx.env, "seen")?;
        Ok(DiskRows {
            index: Index::create(cx, 4)?,
            rows,
            path,
            end: 0,
            layout: layout_of(physicals),
            physicals: physicals.to_vec(),
            builder: RowBuilder::new(),
        })
    }

    /// Adds a row unless it is there; whether it was added.
    fn add(&mut self, columns: &[Arc<Vector>], r: usize, hash: u64, types: &[TypeRef]) -> Result<bool> {
        let same = |offset: u64| -> Result<bool> {
            let row = self.row_at(offset)?;
            let mut both = columns.iter().zip(&row.columns).zip(types);
            Ok(both.all(|((a, b), t)| compare::same_at(a, r, b, 0, t)))
        };
        let Some(place) = self.index.find(hash, same)? else { return Ok(false) };
        let body = encode_vectors(columns.iter().map(|c| &**c), r, &self.layout, &mut self.builder);
        let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(body);
        counted_write(bytes.len(), || self.rows.write_all_at(&bytes, self.end))
            .map_err(self.path.refused("write to"))?;
        self.index.put(place, hash, self.end)?;
        self.end += bytes.len() as u64;
        Ok(true)
    }

    fn row_at(&self, offset: u64) -> Result<RowSet> {
        let mut head = [0; 4];
        counted_read(4, || self.rows.read_exact_at(&mut head, offset))
            .map_err(self.path.refused("read from"))?;
        let mut body = vec![0; u32::from_le_bytes(head) as usize];
        counted_read(body.len(), || self.rows.read_exact_at(&mut body, offset + 4))
            .map_err(self.path.refused("read from"))?;
        let row = RowRef::new(&self.layout, &body);
        let mut set = RowSet::new(&self.physicals);
        for (i, c) in set.columns.iter_mut().enumerate() {
            decode_column_into(&row, i, c, &mut no_detoast)?;
        }
        set.len = 1;
        Ok(set)
    }

    /// Doubles the index once it is half full.
    fn make_room(&mut self, cx: &Cx<'_>) -> Result<()> {
        if !self.index.is_half_full() {
            return Ok(());
        }
        let mut larger = Index::create(cx, self.index.bits + 1)?;
        for page in 0..self.index.pages() {
            cx.check_cancelled()?;
            for entry in self.index.read(page)?.chunks_exact(ENTRY_BYTES) {
                let (hash, offset) = parts(entry);
                if let Some(offset) = offset.checked_sub(1)
                    && let Some(place) = larger.find(hash, |_| Ok(false))?
                {
                    larger.put(place, hash, offset)?;
                }
            }
        }
        self.index = larger;
        Ok(())
    }
}
