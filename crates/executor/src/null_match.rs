//! Rows that may equal a row where NULLs stand for any value: what `(a, b) NOT IN (SELECT c, d ...)` must know besides rows that are equal.
//!
//! Rows are sorted by which of their columns are NULL. A row is then looked up in each of these groups by the columns that are NULL on
//! neither side, in a hash table over just these, made when it is first needed: with two columns there are at most four groups.
//! (PostgreSQL's hashed subplan goes through its rows one by one instead.)

use hashbrown::{HashMap, HashTable};
use quarry_types::{Rows, TypeRef, Vector, compare, hash};
use std::sync::Arc;

/// A set of columns, one bit each.
type Columns = u32;

/// So many columns can be told apart.
pub(crate) const COLUMNS_MAX: usize = 32;

/// The rows to be found.
#[derive(Default)]
pub(crate) struct NullMatches {
    groups: Vec<Group>,
}

struct Group {
    /// NULL in all of its rows; the others are not.
    nulls: Columns,
    rows: Vec<u32>,
    /// By the columns compared.
    tables: HashMap<Columns, Table>,
}

/// Of rows that agree in the columns compared, one.
struct Table {
    rows: HashTable<u32>,
}

/// Hashes of a batch's rows by some of their columns.
#[derive(Default)]
pub(crate) struct Hashes {
    by_columns: HashMap<Columns, Vec<u64>>,
}

/// Columns with values and their types.
#[derive(Clone, Copy)]
pub(crate) struct Side<'v> {
    pub columns: &'v [Arc<Vector>],
    pub types: &'v [TypeRef],
    pub len: usize,
}

impl Side<'_> {
    fn nulls(&self, row: usize) -> Columns {
        let mut nulls = 0;
        for (i, c) in self.columns.iter().enumerate() {
            nulls |= Columns::from(c.is_null(row)) << i;
        }
        nulls
    }

    fn hashes(&self, compared: Columns) -> Vec<u64> {
        let mut out = vec![0; self.len];
        for (i, (c, t)) in self.columns.iter().zip(self.types).enumerate() {
            if compared >> i & 1 == 1 {
                hash::hash_vector(c, t, Rows::All(self.len), &mut out);
            }
        }
        out
    }

    fn equal(&self, row: usize, other: &Side<'_>, other_row: usize, compared: Columns) -> bool {
        let columns = self.columns.iter().zip(other.columns).zip(self.types).enumerate();
        columns
            .filter(|(i, _)| compared >> i & 1 == 1)
            .all(|(_, ((a, b), t))| compare::equal_at(a, row, b, other_row, t))
    }
}

impl NullMatches {
    pub(crate) fn new(side: Side<'_>) -> NullMatches {
        let mut groups: Vec<Group> = vec![];
        for row in 0..side.len {
            let nulls = side.nulls(row);
            match groups.iter_mut().find(|g| g.nulls == nulls) {
                Some(group) => group.rows.push(row as u32),
                None => groups.push(Group { nulls, rows: vec![row as u32], tables: HashMap::new() }),
            }
        }
        NullMatches { groups }
    }

    /// A row of `side` that may equal this one for NULLs on either side; those that are equal without are not looked for.
    pub(crate) fn find(
        &mut self,
        side: Side<'_>,
        probe: Side<'_>,
        row: usize,
        hashes: &mut Hashes,
    ) -> Option<u32> {
        let all = ((1u64 << side.columns.len()) - 1) as Columns;
        let nulls = probe.nulls(row);
        for group in &mut self.groups {
            if nulls | group.nulls == 0 {
                continue;
            }
            let compared = all & !(nulls | group.nulls);
            if compared == 0 {
                return group.rows.first().copied();
            }
            let Group { rows, tables, .. } = group;
            let table = tables.entry(compared).or_insert_with(|| Table::new(side, rows, compared));
            let hashes = hashes.by_columns.entry(compared).or_insert_with(|| probe.hashes(compared));
            let same = |found: &u32| probe.equal(row, &side, *found as usize, compared);
            if let Some(found) = table.rows.find(hashes[row], same) {
                return Some(*found);
            }
        }
        None
    }
}

impl Table {
    fn new(side: Side<'_>, rows: &[u32], compared: Columns) -> Table {
        let hashes = side.hashes(compared);
        let mut table = HashTable::with_capacity(rows.len());
        for row in rows {
            let same = |have: &u32| side.equal(*row as usize, &side, *have as usize, compared);
            if table.find(hashes[*row as usize], same).is_none() {
                table.insert_unique(hashes[*row as usize], *row, |have| hashes[*have as usize]);
            }
        }
        Table { rows: table }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_types::{Datum, IoContext, PhysicalType, SqlType};

    fn columns(rows: &[[Option<i32>; 2]]) -> Vec<Arc<Vector>> {
        (0..2)
            .map(|i| {
                let mut out = Vector::with_capacity(PhysicalType::I32, rows.len());
                rows.iter().for_each(|row| out.push_datum(&row[i].map_or(Datum::Null, Datum::I32)));
                Arc::new(out)
            })
            .collect()
    }

    /// Each row against each, as three-valued logic has it.
    #[test]
    fn finds_what_is_not_unequal() {
        let ty = IoContext::default().type_ref(SqlType::INT4.oid).expect("a built-in type");
        let types = [ty.clone(), ty];
        let values = [None, Some(1), Some(2), Some(3)];
        let inner: Vec<[Option<i32>; 2]> =
            vec![[Some(1), None], [None, Some(2)], [Some(3), Some(3)], [Some(1), None], [Some(2), Some(1)]];
        let outer: Vec<[Option<i32>; 2]> =
            values.iter().flat_map(|a| values.iter().map(move |b| [*a, *b])).collect();
        let (inner_columns, outer_columns) = (columns(&inner), columns(&outer));
        let side = Side { columns: &inner_columns, types: &types, len: inner.len() };
        let probe = Side { columns: &outer_columns, types: &types, len: outer.len() };
        let (mut matches, mut hashes) = (NullMatches::new(side), Hashes::default());
        for (r, row) in outer.iter().enumerate() {
            let unknown = |other: &[Option<i32>; 2]| {
                let parts = row.iter().zip(other).map(|(a, b)| Some((*a)? == (*b)?));
                let parts: Vec<Option<bool>> = parts.collect();
                !parts.contains(&Some(false)) && parts.contains(&None)
            };
            let found = matches.find(side, probe, r, &mut hashes);
            assert_eq!(found.is_some(), inner.iter().any(unknown), "{row:?}");
            assert!(found.is_none_or(|f| unknown(&inner[f as usize])), "{row:?}");
        }
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        let (none, outer) = (columns(&[]), columns(&[[None, None]]));
        let ty = IoContext::default().type_ref(SqlType::INT4.oid).expect("a built-in type");
        let types = [ty.clone(), ty];
        let side = Side { columns: &none, types: &types, len: 0 };
        let probe = Side { columns: &outer, types: &types, len: 1 };
        assert_eq!(NullMatches::new(side).find(side, probe, 0, &mut Hashes::default()), None);
    }
}
