//! Numbering groups by their keys.

use hashbrown::HashTable;
use quarry_common::Result;
use quarry_types::{Datum, PhysicalType, Rows, TypeRef, Vector, compare, hash};
use std::sync::Arc;

/// The groups of one grouping set, by number.
pub(super) struct Groups {
    /// Which group columns take part.
    members: Vec<bool>,
    /// Which of them tell groups apart.
    compared: Vec<bool>,
    keys: Vec<Vector>,
    hashes: Vec<u64>,
    table: HashTable<u32>,
    len: usize,
}

impl Groups {
    pub fn new(members: &[bool], compared: &[bool], physicals: &[PhysicalType]) -> Groups {
        Groups {
            members: members.to_vec(),
            compared: members.iter().zip(compared).map(|(member, compared)| *member && *compared).collect(),
            keys: physicals.iter().map(|p| Vector::with_capacity(*p, 0)).collect(),
            hashes: Vec::new(),
            table: HashTable::new(),
            len: 0,
        }
    }
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there are no group columns.
    pub fn is_single(&self) -> bool {
        !self.members.contains(&true)
    }
    pub fn touch_single(&mut self) {
        self.len = 1;
    }
    pub fn memory_bytes(&self) -> usize {
        self.keys.iter().map(Vector::memory_bytes).sum::<usize>() + self.len * 20
    }

    fn push(&mut self, keys: &[Arc<Vector>], r: usize) -> u32 {
        let at = [r as u32];
        for ((k, to), member) in keys.iter().zip(&mut self.keys).zip(&self.members) {
            if *member {
                to.extend_from(k, Rows::Selected { positions: &at, len: k.len() });
            }
        }
        self.len += 1;
        self.len as u32 - 1
    }

    fn same(&self, keys: &[Arc<Vector>], types: &[TypeRef], r: usize, g: usize) -> bool {
        keys.iter()
            .zip(&self.keys)
            .zip(types)
            .zip(&self.compared)
            .all(|(((k, mine), t), compared)| !compared || compare::same_at(k, r, mine, g, t))
    }

    /// Finds or makes each row's group. With `left`, no groups are made: rows of unknown groups go there with their hash.
    pub fn number(
        &mut self,
        keys: &[Arc<Vector>],
        types: &[TypeRef],
        rows: Rows<'_>,
        out: &mut [u32],
        mut left: Option<&mut Vec<(u32, u64)>>,
    ) -> Result<()> {
        let mut hashes = vec![0; rows.len()];
        for ((k, t), compared) in keys.iter().zip(types).zip(&self.compared) {
            if *compared {
                hash::hash_vector(k, t, rows, &mut hashes);
            }
        }
        let mut last: Option<(u64, u32)> = None;
        for r in rows.iter() {
            let h = hashes[r];
            // Neighbours are often of the same group.
            if let Some((lh, g)) = last
                && lh == h
                && self.same(keys, types, r, g as usize)
            {
                out[r] = g;
                continue;
            }
            let found = self
                .table
                .find(h, |g| self.hashes[*g as usize] == h && self.same(keys, types, r, *g as usize))
                .copied();
            out[r] = match (found, &mut left) {
                (Some(g), _) => g,
                (None, Some(left)) => {
                    left.push((r as u32, h));
                    continue;
                }
                (None, None) => {
                    let g = self.push(keys, r);
                    self.hashes.push(h);
                    let hashes = &self.hashes;
                    self.table.insert_unique(h, g, |g| hashes[*g as usize]);
                    g
                }
            };
            last = Some((h, out[r]));
        }
        Ok(())
    }

    /// Numbers rows sorted by the keys: a row that differs from the last group begins another.
    pub fn number_sorted(
        &mut self,
        keys: &[Arc<Vector>],
        types: &[TypeRef],
        rows: Rows<'_>,
        out: &mut [u32],
    ) {
        for r in rows.iter() {
            if self.len == 0 || !self.same(keys, types, r, self.len - 1) {
                self.push(keys, r);
            }
            out[r] = self.len as u32 - 1;
        }
    }

    /// Group column `i` of groups `from..to`; NULL where the set lacks it.
    pub fn key_column(&self, i: usize, physical: PhysicalType, from: usize, to: usize) -> Vector {
        if !self.members[i] {
            return Vector::constant(physical, &Datum::Null, to - from);
        }
        let rows: Vec<u32> = (from as u32..to as u32).collect();
        self.keys[i].gather(Rows::Selected { positions: &rows, len: self.len })
    }
}
