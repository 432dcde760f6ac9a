//! From index conditions to key ranges, and the conditions that ranges leave over.
//!
//! Conditions on leading keys by equality (one value, several, NULL) make prefixes; the conditions on the next key make ranges behind
//! each prefix. Ranges come in the order of the keys, each entry in at most one. What is left is tested on the entries' bytes.
//!
//! A skip scan has leading keys (or keys behind those that have one value) whose values nobody knows: it looks up the first entry there
//! is, goes through the ranges behind its values, and goes on with the first entry behind those values (PostgreSQL 18:
//! `_bt_skiparray_set_element`; "loose index scan").

use super::key_value::{Carried, carry};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use quarry_catalog::IndexDef;
use quarry_common::{Error, Result};
use quarry_plan::Expr;
use quarry_plan::physical::{IndexCond, IndexTest, RowTest};
use quarry_storage::index::{KeyRange, prefix_end};
use quarry_types::array::ArrayRef;
use quarry_types::key::{self, KeyOrder};
use quarry_types::{Datum, TypeRef};
use std::cmp::Ordering;
use std::ops::Bound;

/// Prefixes up to which lists of values multiply; further lists are tested entry by entry.
const PREFIXES_MAX: usize = 100_000;

/// Keys an index can have.
const KEYS_MAX: usize = 32;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Test {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Null,
    NotNull,
    Row(RowTest),
}

struct Cond {
    key: usize,
    test: Test,
    /// One for each key of a row comparison.
    values: Vec<Program>,
}

/// An index scan's conditions, compiled.
pub struct Ranges {
    keys: Vec<(TypeRef, KeyOrder)>,
    conds: Vec<Cond>,
    /// Keys whose values are skipped over, and how many come before them, each with one value.
    skipped: usize,
    fixed: usize,
}

/// A condition with its values at hand, as key bytes.
#[derive(Debug)]
struct Known {
    key: usize,
    test: Test,
    /// Encoded values; several for IN (sorted) and rows (by key).
    values: Vec<Vec<u8>>,
    /// Of a row comparison: equality of all values needs the next key to be there.
    then_not_null: bool,
}

/// What to scan. Ranges are asked for one after the other with [`Ranges::next`].
pub struct Prepared {
    known: Vec<Known>,
    /// Numbers of the conditions that entries are to be tested for.
    residual: Vec<usize>,
    /// The ranges behind the current leading values.
    ranges: Vec<KeyRange>,
    at: usize,
    /// Skip scan: where further leading values may be.
    ahead: Option<KeyRange>,
}

impl Ranges {
    pub fn compile(b: &mut Builder<'_>, index: &IndexDef, conds: &[IndexCond]) -> Result<Ranges> {
        let none = Layout::default();
        let keys = index
            .keys
            .iter()
            .map(|k| Ok((b.type_ref(k.ty.oid)?, KeyOrder { desc: k.descending, nulls_first: k.nulls_first })))
            .collect::<Result<_>>()?;
        let mut out = Vec::with_capacity(conds.len());
        let mut skipped = 0;
        let fixed = conds.iter().filter(|c| c.test == IndexTest::Skip).map(|c| c.key).min().unwrap_or(0);
        for c in conds {
            let (test, value) = match &c.test {
                IndexTest::Eq(e) => (Test::Eq, Some(e)),
                IndexTest::Lt(e) => (Test::Lt, Some(e)),
                IndexTest::Le(e) => (Test::Le, Some(e)),
                IndexTest::Gt(e) => (Test::Gt, Some(e)),
                IndexTest::Ge(e) => (Test::Ge, Some(e)),
                IndexTest::In(e) => (Test::In, Some(e)),
                IndexTest::Row(test, Expr::Row { fields, .. }) => {
                    let values = b.exprs(fields, &none)?;
                    out.push(Cond { key: c.key, test: Test::Row(*test), values });
                    continue;
                }
                IndexTest::IsNull => (Test::Null, None),
                IndexTest::IsNotNull => (Test::NotNull, None),
                IndexTest::Skip => {
                    skipped += 1;
                    continue;
                }
                IndexTest::Row(..) | IndexTest::Operator { .. } => {
                    return Err(Error::internal("a condition that no key range stands for"));
                }
            };
            let values = value.map(|e| b.expr(e, &none)).transpose()?.into_iter().collect();
            out.push(Cond { key: c.key, test, values });
        }
        Ok(Ranges { keys, conds: out, skipped, fixed })
    }

    pub fn keys(&self) -> &[(TypeRef, KeyOrder)] {
        &self.keys
    }

    fn encode(&self, key: usize, value: &Datum) -> Result<Vec<u8>> {
        let (ty, order) = &self.keys[key];
        let mut out = Vec::with_capacity(16);
        key::encode_datum(value, ty, *order, &mut out)?;
        Ok(out)
    }

    /// Evaluates the compared values; none: no row can satisfy the conditions.
    pub fn prepare(&self, cx: &mut Cx<'_>) -> Result<Option<Prepared>> {
        let mut known = Vec::with_capacity(self.conds.len());
        for c in &self.conds {
            let Some(k) = self.know(c, cx)? else { return Ok(None) };
            known.push(k);
        }
        let mut prepared = Prepared { known, residual: vec![], ranges: vec![], at: 0, ahead: None };
        let mut used = vec![false; self.conds.len()];
        if self.skipped > 0 {
            let prefix = self.fixed_values(&prepared.known, &mut used)?;
            let all = if prefix.is_empty() { KeyRange::full() } else { KeyRange::prefix(&prefix) };
            let outer = self.open_ranges(self.fixed, &[prefix], &prepared.known, &mut used)?;
            let Some(outer) = outer.unwrap_or_else(|| vec![all]).pop() else { return Ok(None) };
            prepared.ahead = Some(outer);
            // Which conditions the ranges behind any skipped values stand for.
            self.ranges_behind(self.fixed + self.skipped, Vec::new(), &prepared.known, &mut used)?;
        } else {
            prepared.ranges = self.ranges_behind(0, Vec::new(), &prepared.known, &mut used)?;
            if prepared.ranges.is_empty() {
                return Ok(None);
            }
        }
        prepared.residual = (0..used.len()).filter(|i| !used[*i]).collect();
        Ok(Some(prepared))
    }

    /// The values of the keys before those that are skipped over.
    fn fixed_values(&self, known: &[Known], used: &mut [bool]) -> Result<Vec<u8>> {
        let mut prefix = vec![];
        for k in 0..self.fixed {
            let found = known.iter().position(|c| c.key == k && c.test == Test::Eq);
            let Some(i) = found else {
                return Err(Error::internal("a skipped key behind one without a value"));
            };
            used[i] = true;
            prefix.extend_from_slice(&known[i].values[0]);
        }
        Ok(prefix)
    }

    /// A condition's values, as bytes; none: no row can satisfy it.
    fn know(&self, c: &Cond, cx: &mut Cx<'_>) -> Result<Option<Known>> {
        let known = |test, values| Ok(Some(Known { key: c.key, test, values, then_not_null: false }));
        let ty = self.keys[c.key].0.oid;
        if let Test::Row(test) = c.test {
            return self.know_row(c, test, cx);
        }
        let Some(program) = c.values.first() else { return known(c.test, vec![]) };
        let value = program.row(cx, &[])?;
        if value.is_null() {
            return Ok(None);
        }
        if c.test == Test::In {
            let mut all = Vec::new();
            for v in ArrayRef::of(&value).iter().filter(|v| !v.is_null()) {
                if let Carried::Exact(v) = carry(v, ty) {
                    all.push(self.encode(c.key, &v)?);
                }
            }
            all.sort_unstable();
            all.dedup();
            return if all.is_empty() { Ok(None) } else { known(Test::In, all) };
        }
        let upward = matches!(c.test, Test::Gt | Test::Ge);
        match (carry(value, ty), c.test) {
            (Carried::Exact(v), test) => known(test, vec![self.encode(c.key, &v)?]),
            (_, Test::Eq) => Ok(None),
            (Carried::Below, _) if upward => known(Test::NotNull, vec![]),
            (Carried::Above, _) if !upward => known(Test::NotNull, vec![]),
            (Carried::Below | Carried::Above, _) => Ok(None),
            (Carried::After(v), _) => {
                known(if upward { Test::Gt } else { Test::Le }, vec![self.encode(c.key, &v)?])
            }
        }
    }

    /// A row comparison is decided by the first columns that differ, so that its values count only up to one that is NULL or that the
    /// key's type doesn't have.
    fn know_row(&self, c: &Cond, test: RowTest, cx: &mut Cx<'_>) -> Result<Option<Known>> {
        let upward = matches!(test, RowTest::Gt | RowTest::Ge);
        let (strict, loose) = if upward { (RowTest::Gt, RowTest::Ge) } else { (RowTest::Lt, RowTest::Le) };
        let mut out = Known { key: c.key, test: Test::Row(test), values: Vec::new(), then_not_null: false };
        for (i, program) in c.values.iter().enumerate() {
            let value = program.row(cx, &[])?;
            if value.is_null() {
                out.test = Test::Row(strict);
                break;
            }
            let key = c.key + i;
            match carry(value, self.keys[key].0.oid) {
                Carried::Exact(v) => {
                    out.values.push(self.encode(key, &v)?);
                    continue;
                }
                Carried::After(v) => {
                    out.values.push(self.encode(key, &v)?);
                    out.test = Test::Row(if upward { RowTest::Gt } else { RowTest::Le });
                }
                Carried::Below | Carried::Above if i == 0 => {
                    let v = carry(program.row(cx, &[])?, self.keys[key].0.oid);
                    let all = upward == (v == Carried::Below);
                    out.test = Test::NotNull;
                    return Ok(all.then_some(out));
                }
                v => {
                    let passes = upward == (v == Carried::Below);
                    out.test = Test::Row(if passes { loose } else { strict });
                    out.then_not_null = passes;
                }
            }
            break;
        }
        Ok((out.test == Test::NotNull || !out.values.is_empty()).then_some(out))
    }

    /// The ranges that conditions on the keys from `first` on make behind a prefix; `used` learns which conditions they stand for.
    fn ranges_behind(
        &self,
        first: usize,
        prefix: Vec<u8>,
        known: &[Known],
        used: &mut [bool],
    ) -> Result<Vec<KeyRange>> {
        let mut prefixes: Vec<Vec<u8>> = vec![prefix];
        for k in first..self.keys.len() {
            let find = |test| known.iter().position(|c| c.key == k && c.test == test);
            let exact = find(Test::Eq).or_else(|| find(Test::Null)).or_else(|| find(Test::In));
            let Some(i) = exact.filter(|i| prefixes.len() * known[*i].values.len().max(1) <= PREFIXES_MAX)
            else {
                let ranges = self.open_ranges(k, &prefixes, known, used)?;
                if let Some(ranges) = ranges {
                    return Ok(ranges);
                }
                break;
            };
            used[i] = true;
            let null;
            let parts: &[Vec<u8>] = match known[i].test {
                Test::Null => {
                    null = [self.encode(k, &Datum::Null)?];
                    &null
                }
                _ => &known[i].values,
            };
            if let [one] = parts {
                prefixes.iter_mut().for_each(|p| p.extend_from_slice(one));
            } else {
                prefixes = prefixes
                    .iter()
                    .flat_map(|p| parts.iter().map(move |part| [p.as_slice(), part.as_slice()].concat()))
                    .collect();
            }
        }
        let range = |p: &Vec<u8>| if p.is_empty() { KeyRange::full() } else { KeyRange::prefix(p) };
        Ok(prefixes.iter().map(range).collect())
    }

    /// Ranges on key `k` behind each prefix; none if no condition bounds it.
    fn open_ranges(
        &self,
        k: usize,
        prefixes: &[Vec<u8>],
        known: &[Known],
        used: &mut [bool],
    ) -> Result<Option<Vec<KeyRange>>> {
        let (ty, order) = &self.keys[k];
        // The bounds in the order of the bytes: the tightest counts.
        let mut low: Option<Vec<u8>> = None;
        let mut high: Option<Vec<u8>> = None;
        let mut any = false;
        for (i, c) in known.iter().enumerate().filter(|(_, c)| c.key == k) {
            let (upward, inclusive) = match c.test {
                Test::NotNull => {
                    any = true;
                    used[i] = true;
                    continue;
                }
                Test::Gt | Test::Row(RowTest::Gt) => (true, false),
                Test::Ge | Test::Row(RowTest::Ge) => (true, true),
                Test::Lt | Test::Row(RowTest::Lt) => (false, false),
                Test::Le | Test::Row(RowTest::Le) => (false, true),
                Test::Eq | Test::In | Test::Null => continue,
            };
            any = true;
            // Equal first columns and a NULL after them pass the range, but not the comparison.
            used[i] = !matches!(c.test, Test::Row(_));
            // Columns bound the bytes as long as they go the same way; equality of those is not decided by them alone.
            let run = (0..c.values.len()).take_while(|v| self.keys[k + v].1.desc == order.desc).count();
            let inclusive = inclusive || run < c.values.len();
            let value = match &c.values[..run] {
                [one] => one.clone(),
                several => several.concat(),
            };
            let at_start = upward != order.desc;
            // A value's key begins with its marker, which is no 0xff, so that there always is something behind it.
            let edge = if at_start == inclusive { value } else { prefix_end(&value).unwrap_or(value) };
            if at_start {
                low = Some(low.map_or(edge.clone(), |l| l.max(edge)));
            } else {
                high = Some(high.map_or(edge.clone(), |h| h.min(edge)));
            }
        }
        if !any {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(prefixes.len());
        if let ([prefix], Some(_), Some(_)) = (prefixes, &low, &high)
            && prefix.is_empty()
        {
            // A range as it mostly is, of the first key.
            let (low, high) = (
                low.map_or(Bound::Unbounded, Bound::Included),
                high.map_or(Bound::Unbounded, Bound::Excluded),
            );
            if !is_empty(&low, &high) {
                out.push(KeyRange::new(low, high));
            }
            return Ok(Some(out));
        }
        for p in prefixes {
            let (all_low, all_high) = key::column_range(p, ty, *order, None, None)?;
            let low = low.as_ref().map_or(all_low, |l| Bound::Included([p.as_slice(), l].concat()));
            let high = high.as_ref().map_or(all_high, |h| Bound::Excluded([p.as_slice(), h].concat()));
            if !is_empty(&low, &high) {
                out.push(KeyRange::new(low, high));
            }
        }
        Ok(Some(out))
    }

    /// The next range to scan, in the order of the keys or backward. `seek` gives the first key, in that direction, of a range.
    pub fn next(
        &self,
        prepared: &mut Prepared,
        backward: bool,
        seek: &mut dyn FnMut(KeyRange) -> Result<Option<Vec<u8>>>,
    ) -> Result<Option<KeyRange>> {
        loop {
            let n = prepared.ranges.len();
            if prepared.at < n {
                let i = if backward { n - 1 - prepared.at } else { prepared.at };
                prepared.at += 1;
                return Ok(Some(prepared.ranges[i].clone()));
            }
            let Some(ahead) = prepared.ahead.take() else { return Ok(None) };
            let Some(entry) = seek(ahead.clone())? else { return Ok(None) };
            let mut rest = entry.as_slice();
            for (ty, order) in self.keys.iter().take(self.fixed + self.skipped) {
                key::skip_column(&mut rest, ty, *order)?;
            }
            let prefix = entry[..entry.len() - rest.len()].to_vec();
            let mut used = vec![false; self.conds.len()];
            prepared.ahead = match (backward, prefix_end(&prefix)) {
                (true, _) => Some(KeyRange::new(ahead.lower, Bound::Excluded(prefix.clone()))),
                (false, Some(end)) => Some(KeyRange::new(Bound::Included(end), ahead.upper)),
                (false, None) => None,
            }
            .filter(|r| !is_empty(&r.lower, &r.upper));
            let behind = self.fixed + self.skipped;
            prepared.ranges = self.ranges_behind(behind, prefix, &prepared.known, &mut used)?;
            prepared.at = 0;
        }
    }

    /// Whether the entries' keys are looked at.
    pub fn reads_keys(&self, prepared: &Prepared) -> bool {
        !prepared.residual.is_empty() || self.skipped > 0
    }

    /// Whether an entry's key passes the tests that ranges leave over.
    #[inline]
    pub fn passes(&self, prepared: &Prepared, entry: &[u8]) -> Result<bool> {
        Ok(prepared.residual.is_empty() || self.passes_all(prepared, entry)?)
    }

    fn passes_all(&self, prepared: &Prepared, entry: &[u8]) -> Result<bool> {
        let tests = || prepared.residual.iter().map(|i| &prepared.known[*i]);
        let last = tests().map(|c| c.key + c.values.len().max(1)).max().unwrap_or(0);
        let mut columns: [(usize, usize, bool); KEYS_MAX] = [(0, 0, false); KEYS_MAX];
        let mut rest = entry;
        let count = self.keys.len().min(last + 1).min(columns.len());
        for ((ty, order), at) in self.keys.iter().zip(&mut columns[..count]) {
            let start = entry.len() - rest.len();
            let null = key::skip_column(&mut rest, ty, *order)?;
            *at = (start, entry.len() - rest.len(), null);
        }
        Ok(tests().all(|c| self.passes_one(c, entry, &columns[..count])))
    }

    fn passes_one(&self, c: &Known, entry: &[u8], columns: &[(usize, usize, bool)]) -> bool {
        let column = |k: usize| columns.get(k).map(|(a, b, null)| (&entry[*a..*b], *null));
        let Some((bytes, null)) = column(c.key) else { return false };
        let order = |bytes: &[u8], value: &[u8], k: usize| {
            let o = bytes.cmp(value);
            if self.keys[k].1.desc { o.reverse() } else { o }
        };
        let first = || order(bytes, &c.values[0], c.key);
        match c.test {
            Test::Null => null,
            Test::NotNull => !null,
            _ if null => false,
            Test::Eq => first().is_eq(),
            Test::Lt => first().is_lt(),
            Test::Le => first().is_le(),
            Test::Gt => first().is_gt(),
            Test::Ge => first().is_ge(),
            Test::In => c.values.binary_search_by(|v| v.as_slice().cmp(bytes)).is_ok(),
            Test::Row(test) => {
                let mut found = Ordering::Equal;
                for (i, value) in c.values.iter().enumerate() {
                    let Some((bytes, false)) = column(c.key + i) else { return false };
                    found = order(bytes, value, c.key + i);
                    if found.is_ne() {
                        break;
                    }
                }
                if found.is_eq()
                    && c.then_not_null
                    && !matches!(column(c.key + c.values.len()), Some((_, false)))
                {
                    return false;
                }
                match test {
                    RowTest::Lt => found.is_lt(),
                    RowTest::Le => found.is_le(),
                    RowTest::Gt => found.is_gt(),
                    RowTest::Ge => found.is_ge(),
                }
            }
        }
    }
}

fn is_empty(low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>) -> bool {
    match (low, high) {
        (Bound::Included(l), Bound::Excluded(h)) => l >= h,
        (Bound::Included(l), Bound::Included(h)) => l > h,
        (Bound::Excluded(l), Bound::Excluded(h) | Bound::Included(h)) => l >= h,
        _ => false,
    }
}
