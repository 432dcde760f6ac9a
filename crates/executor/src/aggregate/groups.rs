//! Numbering groups by their keys.
//!
//! The table keeps a word for each group beside its number, so that most rows find their group without a look at its keys: the keys'
//! hash, or the key itself where it is one whole number, which no look is needed for at all.

use super::codes::{hash_of_code, is_small, with_codes};
use super::dense::{self, Dense};
use super::front::Front;
use hashbrown::HashTable;
use quarry_common::Result;
use quarry_types::{Datum, PhysicalType, Rows, TypeRef, Vector, compare, hash};
use std::collections::HashMap;
use std::sync::Arc;

/// The groups of one grouping set, by number.
pub(super) struct Groups {
    /// Which group columns take part.
    members: Vec<bool>,
    /// Which of them tell groups apart.
    compared: Vec<bool>,
    /// The only one that does, if it is a whole number, or the only two, if they are such of up to 32 bits.
    codes: Codes,
    keys: Vec<Vector>,
    table: HashTable<Entry>,
    /// With the code of one column, instead of the table: while keys lie close together.
    dense: Option<Dense>,
    /// How many groups there are in the table when the next look is taken at whether their keys lie close together.
    listed_at: usize,
    /// With codes: the groups of keys with NULLs, by which columns are NULL and what the others say.
    null_groups: HashMap<NullKey, u32>,
    len: usize,
    /// For keys of bytes, as long as it pays.
    front: Option<Front>,
    /// Rows of the batch under way that begin groups: their keys are taken over at its end.
    new_rows: Vec<u32>,
}

/// No group.
const UNKNOWN: u32 = u32::MAX;

/// Which columns of a code are NULL, and the code with 0 for them.
type NullKey = (u8, u64);

#[derive(Clone, Copy)]
enum Codes {
    None,
    One(usize),
    Two(usize, usize),
}

/// A group in the table: its word and its number.
#[derive(Clone, Copy)]
struct Entry {
    word: u64,
    group: u32,
}

/// Two columns of up to 32 bits side by side: the first in the lower half.
fn pairs(a: &Vector, b: &Vector, rows: Rows<'_>) -> Vec<u64> {
    let mut words = vec![0; rows.len()];
    with_codes!(a, word => rows.iter().for_each(|r| words[r] = u64::from(word(r) as u32)));
    with_codes!(b, word => rows.iter().for_each(|r| words[r] |= u64::from(word(r) as u32) << 32));
    words
}

impl Groups {
    pub fn new(members: &[bool], compared: &[bool], physicals: &[PhysicalType]) -> Groups {
        let compared: Vec<bool> =
            members.iter().zip(compared).map(|(member, compared)| *member && *compared).collect();
        let mut by = compared.iter().enumerate().filter(|(_, compared)| **compared).map(|(i, _)| i);
        let is_small = |i: usize| is_small(physicals[i]);
        let codes = match (by.next(), by.next(), by.next()) {
            (Some(only), None, None) if is_small(only) || physicals[only] == PhysicalType::I64 => {
                Codes::One(only)
            }
            (Some(a), Some(b), None) if is_small(a) && is_small(b) => Codes::Two(a, b),
            _ => Codes::None,
        };
        let of_bytes =
            physicals.iter().zip(&compared).all(|(p, compared)| !compared || *p == PhysicalType::Bytes);
        let columns = compared.iter().filter(|c| **c).count();
        Groups {
            members: members.to_vec(),
            compared,
            codes,
            keys: physicals.iter().map(|p| Vector::with_capacity(*p, 0)).collect(),
            table: HashTable::new(),
            dense: None,
            listed_at: dense::GROUPS_MIN,
            null_groups: HashMap::new(),
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
        let found_by = self.dense.as_ref().map_or(self.len * 20, Dense::memory_bytes);
        self.keys.iter().map(Vector::memory_bytes).sum::<usize>() + found_by
    }
    /// As [`Groups::memory_bytes`], with what there is room for.
    pub fn allocated_bytes(&self) -> usize {
        let keys = self.keys.iter().map(Vector::allocated_bytes).sum::<usize>();
        keys + self.table.allocation_size() + self.null_groups.capacity() * size_of::<(NullKey, u32)>()
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
        let mut after = None;
        if let (Codes::One(column), None, true) = (self.codes, &left, self.dense.is_some()) {
            let column = &keys[column];
            with_codes!(column, word => after = self.number_by_place(word, column, rows, out));
            if after.is_none() {
                self.keep(keys);
                return;
            }
        }
        self.leave_list();
        let rows = match &after {
            Some(positions) => Rows::Selected { positions, len: rows.len() },
            None => rows,
        };
        let may_become_dense = left.is_none() && matches!(self.codes, Codes::One(_));
        let mut hashes = vec![0; rows.len()];
        if !matches!(self.codes, Codes::Two(..)) {
            for ((k, t), compared) in keys.iter().zip(types).zip(&self.compared) {
                if *compared {
                    hash::hash_vector(k, t, rows, &mut hashes);
                }
            }
        }
        match self.codes {
            Codes::One(column) => {
                let column = &keys[column];
                let null = |r: usize| column.is_null(r).then_some((1, 0));
                with_codes!(column, word => self.number_codes(word, null, &hashes, rows, out, left))
            }
            Codes::Two(a, b) => {
                let words = pairs(&keys[a], &keys[b], rows);
                let is_null = |v: &Vector, r: usize| v.may_have_nulls() && v.is_null(r);
                let null = |r: usize| {
                    let mask = u8::from(is_null(&keys[a], r)) | u8::from(is_null(&keys[b], r)) << 1;
                    let known =
                        [u64::MAX, u64::from(u32::MAX) << 32, u64::from(u32::MAX), 0][usize::from(mask)];
                    (mask != 0).then(|| (mask, words[r] & known))
                };
                for r in rows.iter() {
                    let word = null(r).map_or(words[r], |(mask, word)| word ^ u64::from(mask));
                    hashes[r] = hash_of_code(word);
                }
                self.number_codes(|r| words[r], null, &hashes, rows, out, left)
            }
            Codes::None => self.number_hashes(keys, types, &hashes, rows, out, left),
        }
        self.keep(keys);
        if may_become_dense && self.table.len() >= self.listed_at {
            self.listed_at = self.table.len() * 2;
            self.dense = Dense::of(self.table.iter().map(|e| (e.word, e.group)));
            if self.dense.is_some() {
                self.table = HashTable::new();
            }
        }
    }

    /// Finds or makes each row's group by the list of groups. Rows are left over from the first on whose key lies too far from the others.
    fn number_by_place(
        &mut self,
        word: impl Fn(usize) -> u64,
        column: &Vector,
        rows: Rows<'_>,
        out: &mut [u32],
    ) -> Option<Vec<u32>> {
        let mut dense = self.dense.take()?;
        let may_have_nulls = column.may_have_nulls();
        let mut at = rows.iter();
        while let Some(r) = at.next() {
            if may_have_nulls && column.is_null(r) {
                out[r] = match self.null_groups.get(&(1, 0)) {
                    Some(g) => *g,
                    None => {
                        let g = self.begin(r);
                        self.null_groups.insert((1, 0), g);
                        g
                    }
                };
                continue;
            }
            let key = word(r);
            out[r] = match dense.get(key) {
                Some(g) => g,
                None if dense.insert(key, self.len as u32, self.len + 1) => self.begin(r),
                None => {
                    self.dense = Some(dense);
                    return Some(std::iter::once(r).chain(at).map(|r| r as u32).collect());
                }
            };
        }
        self.dense = Some(dense);
        None
    }

    /// From the list of groups to the table, for good.
    fn leave_list(&mut self) {
        let Some(dense) = self.dense.take() else { return };
        self.listed_at = usize::MAX;
        self.table.reserve(self.len, |e| hash_of_code(e.word));
        for (word, group) in dense.groups() {
            self.table.insert_unique(hash_of_code(word), Entry { word, group }, |e| hash_of_code(e.word));
        }
    }

    /// Takes over the keys of the batch's new groups.
    fn keep(&mut self, keys: &[Arc<Vector>]) {
        let new = std::mem::take(&mut self.new_rows);
        self.push(keys, &new);
        self.new_rows = new;
        self.new_rows.clear();
    }

    fn number_codes(
        &mut self,
        word: impl Fn(usize) -> u64,
        null: impl Fn(usize) -> Option<NullKey>,
        hashes: &[u64],
        rows: Rows<'_>,
        out: &mut [u32],
        mut left: Option<&mut Vec<(u32, u64)>>,
    ) {
        let hash_of = |e: &Entry| hash_of_code(e.word);
        let mut last: Option<(u64, u32)> = None;
        for r in rows.iter() {
            if let Some(key) = null(r) {
                match (self.null_groups.get(&key), &mut left) {
                    (Some(g), _) => out[r] = *g,
                    (None, Some(left)) => left.push((r as u32, hashes[r])),
                    (None, None) => {
                        let g = self.begin(r);
                        self.null_groups.insert(key, g);
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
        // In passes, so that the memory for many rows is waited for at once: which groups have the hashes, then whether the keys are theirs.
        let found =
            |r: usize| self.table.find(hashes[r], |e| e.word == hashes[r]).map_or(UNKNOWN, |e| e.group);
        let groups: Vec<u32> = rows.iter().map(found).collect();
        let mut unknown = vec![];
        for (r, g) in rows.iter().zip(groups) {
            if g != UNKNOWN && self.same(keys, types, r, g as usize) {
                out[r] = g;
            } else {
                unknown.push(r);
            }
        }
        let mut last: Option<(u64, u32)> = None;
        for r in unknown {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[Option<i32>]) -> Arc<Vector> {
        let mut v = Vector::with_capacity(PhysicalType::I32, values.len());
        for value in values {
            v.push_datum(&value.map_or(Datum::Null, Datum::I32));
        }
        Arc::new(v)
    }

    /// Numbers batches of one column by both ways, from the order in which keys come first.
    fn agrees(batches: &[Vec<Option<i32>>]) -> Groups {
        let ty = TypeRef::Builtin(quarry_types::registry::type_info(quarry_types::oids::INT4).unwrap());
        let mut groups = Groups::new(&[true], &[true], &[PhysicalType::I32]);
        let mut known: Vec<Option<i32>> = vec![];
        for batch in batches {
            let mut out = vec![u32::MAX; batch.len()];
            let rows = Rows::All(batch.len());
            groups.number(&[column(batch)], std::slice::from_ref(&ty), rows, &mut out, None).unwrap();
            for (key, group) in batch.iter().zip(out) {
                let expected = known.iter().position(|k| k == key).unwrap_or_else(|| {
                    known.push(*key);
                    known.len() - 1
                });
                assert_eq!(group as usize, expected, "{key:?}");
            }
        }
        assert_eq!(groups.len(), known.len());
        groups
    }

    #[test]
    fn keys_that_lie_close_together_are_found_by_place() {
        let batch = |from: i32, step: i32| -> Vec<Option<i32>> {
            (0..1500).map(|i| if i == 700 { None } else { Some(from + (i * 7 % 1500) * step) }).collect()
        };
        let close = agrees(&[batch(-500, 3), batch(2000, 2), batch(-3000, 1)]);
        assert!(close.dense.is_some() && close.table.is_empty());
        let mut far = batch(0, 1);
        far.extend([Some(i32::MAX), Some(5), None, Some(i32::MIN), Some(i32::MAX)]);
        let far = agrees(&[batch(0, 1), far, batch(1000, 1)]);
        assert!(far.dense.is_none() && far.table.len() + 1 == far.len());
        assert!(agrees(&[batch(0, 1000)]).dense.is_none());
    }

    #[test]
    fn two_whole_numbers_are_one_code() {
        let physicals = [PhysicalType::I32, PhysicalType::I32];
        let mut groups = Groups::new(&[true, true], &[true, true], &physicals);
        let a = [Some(1), Some(-1), Some(1), None, None, Some(1), None, Some(0), Some(-1)];
        let b = [Some(2), Some(2), Some(2), Some(2), None, None, Some(2), None, Some(2)];
        let keys = [column(&a), column(&b)];
        let mut out = vec![9; 9];
        groups.number(&keys, &[], Rows::All(9), &mut out, None).unwrap();
        assert_eq!(out, [0, 1, 0, 2, 3, 4, 2, 5, 1]);
        assert_eq!(groups.len(), 6);
        let mut left = vec![];
        let more = [column(&[Some(1), Some(7), None, None]), column(&[Some(2), Some(2), Some(2), Some(3)])];
        let rows = Rows::Selected { positions: &[0, 1, 3], len: 4 };
        groups.number(&more, &[], rows, &mut out, Some(&mut left)).unwrap();
        assert_eq!((out[0], left.iter().map(|l| l.0).collect::<Vec<_>>()), (0, vec![1, 3]));
    }
}
