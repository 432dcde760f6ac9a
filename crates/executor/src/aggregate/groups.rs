//! Numbering groups by their keys.
//!
//! The table keeps a word for each group beside its number, so that most rows find their group without a look at its keys: the keys'
//! hash, or the key itself where it is one whole number, which no look is needed for at all.

use super::front::Front;
use hashbrown::HashTable;
use quarry_common::Result;
use quarry_types::{Datum, PhysicalType, Rows, TypeRef, Vector, VectorData, compare, hash};
use std::sync::Arc;

/// The groups of one grouping set, by number.
pub(super) struct Groups {
    /// Which group columns take part.
    members: Vec<bool>,
    /// Which of them tell groups apart.
    compared: Vec<bool>,
    /// The only one that does, if it is a whole number.
    code: Option<usize>,
    keys: Vec<Vector>,
    table: HashTable<Entry>,
    /// With a code: the group of NULL, which has none.
    null_group: Option<u32>,
    len: usize,
    /// For keys of bytes, as long as it pays.
    front: Option<Front>,
    /// Rows of the batch under way that begin groups: their keys are taken over at its end.
    new_rows: Vec<u32>,
}

/// A group in the table: its word and its number.
#[derive(Clone, Copy)]
struct Entry {
    word: u64,
    group: u32,
}

/// Applies an expression to the rows' numbers in a column of whole numbers, as a closure from row to word.
macro_rules! with_codes {
    ($column:expr, $word:ident => $body:expr) => {{
        let column: &Vector = $column;
        match column.data() {
            VectorData::Bool(v) => {
                let $word = |r: usize| u64::from(v[column.slot(r)]);
                $body
            }
            VectorData::I16(v) => {
                let $word = |r: usize| i64::from(v[column.slot(r)]) as u64;
                $body
            }
            VectorData::I32(v) => {
                let $word = |r: usize| i64::from(v[column.slot(r)]) as u64;
                $body
            }
            VectorData::U32(v) => {
                let $word = |r: usize| u64::from(v[column.slot(r)]);
                $body
            }
            VectorData::I64(v) => {
                let $word = |r: usize| v[column.slot(r)] as u64;
                $body
            }
            _ => {}
        }
    }};
}

impl Groups {
    pub fn new(members: &[bool], compared: &[bool], physicals: &[PhysicalType]) -> Groups {
        let compared: Vec<bool> =
            members.iter().zip(compared).map(|(member, compared)| *member && *compared).collect();
        let mut by = compared.iter().enumerate().filter(|(_, compared)| **compared).map(|(i, _)| i);
        let code = match (by.next(), by.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        };
        use PhysicalType::*;
        let of_bytes = physicals.iter().zip(&compared).all(|(p, compared)| !compared || *p == Bytes);
        let columns = compared.iter().filter(|c| **c).count();
        Groups {
            members: members.to_vec(),
            compared,
            code: code.filter(|i| matches!(physicals[*i], Bool | I16 | I32 | U32 | I64)),
            keys: physicals.iter().map(|p| Vector::with_capacity(*p, 0)).collect(),
            table: HashTable::new(),
            null_group: None,
            len: 0,
            front: (of_bytes && (1..=2).contains(&columns)).then(Front::new),
            new_rows: vec![],
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

    fn push(&mut self, keys: &[Arc<Vector>], rows: &[u32]) {
        for ((k, to), member) in keys.iter().zip(&mut self.keys).zip(&self.members) {
            if *member {
                to.extend_from(k, Rows::Selected { positions: rows, len: k.len() });
            }
        }
    }

    /// Whether a row is of the group, which may have begun in the same batch.
    fn same(&self, keys: &[Arc<Vector>], types: &[TypeRef], r: usize, g: usize) -> bool {
        let kept = self.len - self.new_rows.len();
        let of_group = keys.iter().zip(&self.keys).zip(types).zip(&self.compared);
        of_group.into_iter().all(|(((k, mine), t), compared)| {
            !compared
                || match g.checked_sub(kept) {
                    None => compare::same_at(k, r, mine, g, t),
                    Some(new) => compare::same_at(k, r, k, self.new_rows[new] as usize, t),
                }
        })
    }

    /// A group that begins with a row.
    fn begin(&mut self, r: usize) -> u32 {
        self.new_rows.push(r as u32);
        self.len += 1;
        self.len as u32 - 1
    }

    /// Finds or makes each row's group. With `left`, no groups are made: rows of unknown groups go there with their hash.
    pub fn number(
        &mut self,
        keys: &[Arc<Vector>],
        types: &[TypeRef],
        rows: Rows<'_>,
        out: &mut [u32],
        left: Option<&mut Vec<(u32, u64)>>,
    ) -> Result<()> {
        let paying = self.front.take().filter(|f| left.is_none() && f.pays());
        let Some(mut front) = paying else {
            self.look_up(keys, types, rows, out, left);
            return Ok(());
        };
        match front.number(keys, &self.compared, rows, out) {
            None => self.look_up(keys, types, rows, out, None),
            Some(missed) => {
                if !missed.is_empty() {
                    let rows = Rows::Selected { positions: &missed, len: rows.len() };
                    self.look_up(keys, types, rows, out, None);
                    front.learn(keys, &self.compared, &missed, out);
                }
            }
        }
        self.front = Some(front);
        Ok(())
    }

    /// As [`Groups::number`], by the table.
    fn look_up(
        &mut self,
        keys: &[Arc<Vector>],
        types: &[TypeRef],
        rows: Rows<'_>,
        out: &mut [u32],
        left: Option<&mut Vec<(u32, u64)>>,
    ) {
        let mut hashes = vec![0; rows.len()];
        for ((k, t), compared) in keys.iter().zip(types).zip(&self.compared) {
            if *compared {
                hash::hash_vector(k, t, rows, &mut hashes);
            }
        }
        match self.code {
            Some(column) => with_codes!(&keys[column], word => {
                self.number_codes(&keys[column], word, &hashes, rows, out, left)
            }),
            None => self.number_hashes(keys, types, &hashes, rows, out, left),
        }
        let new = std::mem::take(&mut self.new_rows);
        self.push(keys, &new);
        self.new_rows = new;
        self.new_rows.clear();
    }

    fn number_codes(
        &mut self,
        column: &Vector,
        word: impl Fn(usize) -> u64,
        hashes: &[u64],
        rows: Rows<'_>,
        out: &mut [u32],
        mut left: Option<&mut Vec<(u32, u64)>>,
    ) {
        let hash_of = |e: &Entry| hash::combine(0, hash::hash_i64(e.word as i64));
        let mut last: Option<(u64, u32)> = None;
        for r in rows.iter() {
            if column.is_null(r) {
                match (self.null_group, &mut left) {
                    (Some(g), _) => out[r] = g,
                    (None, Some(left)) => left.push((r as u32, hashes[r])),
                    (None, None) => {
                        let g = self.begin(r);
                        self.null_group = Some(g);
                        out[r] = g;
                    }
                }
                continue;
            }
            let word = word(r);
            // Neighbours are often of the same group.
            if let Some((of, g)) = last
                && of == word
            {
                out[r] = g;
                continue;
            }
            let found = self.table.find(hashes[r], |e| e.word == word).map(|e| e.group);
            out[r] = match (found, &mut left) {
                (Some(g), _) => g,
                (None, Some(left)) => {
                    left.push((r as u32, hashes[r]));
                    continue;
                }
                (None, None) => {
                    let group = self.begin(r);
                    self.table.insert_unique(hashes[r], Entry { word, group }, hash_of);
                    group
                }
            };
            last = Some((word, out[r]));
        }
    }

    fn number_hashes(
        &mut self,
        keys: &[Arc<Vector>],
        types: &[TypeRef],
        hashes: &[u64],
        rows: Rows<'_>,
        out: &mut [u32],
        mut left: Option<&mut Vec<(u32, u64)>>,
    ) {
        let mut last: Option<(u64, u32)> = None;
        for r in rows.iter() {
            let h = hashes[r];
            if let Some((of, g)) = last
                && of == h
                && self.same(keys, types, r, g as usize)
            {
                out[r] = g;
                continue;
            }
            let is_it = |e: &Entry| e.word == h && self.same(keys, types, r, e.group as usize);
            let found = self.table.find(h, is_it).map(|e| e.group);
            out[r] = match (found, &mut left) {
                (Some(g), _) => g,
                (None, Some(left)) => {
                    left.push((r as u32, h));
                    continue;
                }
                (None, None) => {
                    let group = self.begin(r);
                    self.table.insert_unique(h, Entry { word: h, group }, |e| e.word);
                    group
                }
            };
            last = Some((h, out[r]));
        }
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
                self.begin(r);
            }
            out[r] = self.len as u32 - 1;
        }
        let new = std::mem::take(&mut self.new_rows);
        self.push(keys, &new);
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
