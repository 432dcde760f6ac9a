//! The two sides of a hash join in temporary files, for an inner side that outgrows its memory: both spread by hash over
//! partitions. A partition whose inner side is still too big is spread again by further bits of the hash; where that doesn't help,
//! because its rows are of one key, the inner side is taken in pieces and the outer side read once for each.
//! So it is from the start where rows of different hashes belong together. What of the first level stays in memory is in `resident`.

use super::table::hash_keys;
use crate::context::Cx;
use crate::expr::Program;
use crate::spill::RowFile;
use quarry_common::Result;
use quarry_types::{Batch, PhysicalType, TypeRef};

/// Partitions of one level.
pub(super) const PARTITIONS: usize = 32;

/// Levels of partitions; with five bits each they use the hash's upper half, tables use the lower one.
const LEVELS_MAX: u32 = 6;

const _: () = assert!(PARTITIONS == 32, "partitions are five bits of a hash each, and a bit in a word of 32");

/// Where a hash goes at a level.
pub(super) fn place(hash: u64, level: u32) -> usize {
    (hash >> (59 - 5 * level)) as usize % PARTITIONS
}

/// A partition of both sides.
pub(super) struct Partition {
    pub inner: RowFile,
    pub outer: RowFile,
    /// How often its rows have been spread; as often as possible, if spreading them doesn't help.
    pub level: u32,
}

/// A side's expressions for its keys.
pub(super) struct Keys<'k> {
    pub programs: &'k [Program],
    pub types: &'k [TypeRef],
}

/// A side being spread.
pub(super) struct Spread {
    files: Vec<RowFile>,
    level: u32,
}

impl Spread {
    pub fn new(cx: &Cx<'_>, physicals: &[PhysicalType], level: u32) -> Result<Spread> {
        let files =
            (0..PARTITIONS).map(|_| RowFile::create(cx.env, physicals)).collect::<Result<Vec<_>>>()?;
        Ok(Spread { files, level })
    }

    /// A side that isn't parted.
    pub fn whole(cx: &Cx<'_>, physicals: &[PhysicalType]) -> Result<Spread> {
        Ok(Spread { files: vec![RowFile::create(cx.env, physicals)?], level: LEVELS_MAX })
    }

    pub fn push(&mut self, cx: &mut Cx<'_>, keys: &Keys<'_>, b: &Batch) -> Result<()> {
        if let [file] = &mut self.files[..] {
            return b.rows().iter().try_for_each(|r| file.push(b.columns.iter().map(|c| &**c), r));
        }
        self.push_but(cx, keys, b, |_| false).map(|_| ())
    }

    /// Writes the rows but those whose hashes are to be kept; gives the positions of these.
    pub fn push_but(
        &mut self,
        cx: &mut Cx<'_>,
        keys: &Keys<'_>,
        b: &Batch,
        keep: impl Fn(u64) -> bool,
    ) -> Result<Vec<u32>> {
        let values = keys.programs.iter().map(|k| k.eval(cx, b)).collect::<Result<Vec<_>>>()?;
        let hashes = hash_keys(&values, keys.types, b.rows());
        let mut kept = vec![];
        for r in b.rows().iter() {
            if keep(hashes[r]) {
                kept.push(r as u32);
            } else {
                self.files[place(hashes[r], self.level)].push(b.columns.iter().map(|c| &**c), r)?;
            }
        }
        Ok(kept)
    }

    pub fn file(&mut self, at: usize) -> &mut RowFile {
        &mut self.files[at]
    }

    /// All rows of a file.
    pub fn push_file(&mut self, cx: &mut Cx<'_>, keys: &Keys<'_>, file: &mut RowFile) -> Result<()> {
        while let Some(b) = file.next_batch()? {
            cx.check_cancelled()?;
            self.push(cx, keys, &b)?;
        }
        Ok(())
    }
}

/// The partitions of two sides that have been spread, ready to be read, but those (by bit) that are done.
pub(super) fn pairs(inner: Spread, outer: Spread, done: u32) -> Result<Vec<Partition>> {
    let total: u64 = inner.files.iter().map(RowFile::rows).sum();
    let next = (inner.level + 1).min(LEVELS_MAX);
    let mut out = Vec::with_capacity(PARTITIONS);
    for (at, (mut inner, mut outer)) in inner.files.into_iter().zip(outer.files).enumerate() {
        if done >> at & 1 == 1 || inner.rows() == 0 && outer.rows() == 0 {
            continue;
        }
        inner.rewind()?;
        outer.rewind()?;
        // Nearly all in one place: more of the hash won't part them either.
        let stuck = inner.rows() * 10 > total * 9 && next > 1;
        out.push(Partition { inner, outer, level: if stuck { LEVELS_MAX } else { next } });
    }
    Ok(out)
}

impl Partition {
    /// Whether it can be spread further.
    pub fn divisible(&self) -> bool {
        self.level < LEVELS_MAX
    }
}
