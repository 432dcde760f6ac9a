//! From index conditions to key ranges, and the conditions that ranges leave over.

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use quarry_catalog::IndexDef;
use quarry_common::Result;
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_storage::index::KeyRange;
use quarry_types::array::ArrayRef;
use quarry_types::key::{self, KeyBound, KeyOrder};
use quarry_types::{Datum, TypeRef};
use std::ops::Bound;

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
}

struct Cond {
    key: usize,
    test: Test,
    value: Option<Program>,
}

/// An index scan's conditions, compiled.
pub struct Ranges {
    keys: Vec<(TypeRef, KeyOrder)>,
    conds: Vec<Cond>,
}

/// A condition to test on an entry's key bytes.
pub struct Residual {
    key: usize,
    test: Test,
    /// Encoded values; several for IN, sorted.
    values: Vec<Vec<u8>>,
}

/// What to scan: ranges in key order, and tests of the entries found.
pub struct Prepared {
    pub ranges: Vec<KeyRange>,
    pub residual: Vec<Residual>,
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
        for c in conds {
            let (test, value) = match &c.test {
                IndexTest::Eq(e) => (Test::Eq, Some(e)),
                IndexTest::Lt(e) => (Test::Lt, Some(e)),
                IndexTest::Le(e) => (Test::Le, Some(e)),
                IndexTest::Gt(e) => (Test::Gt, Some(e)),
                IndexTest::Ge(e) => (Test::Ge, Some(e)),
                IndexTest::In(e) => (Test::In, Some(e)),
                IndexTest::IsNull => (Test::Null, None),
                IndexTest::IsNotNull => (Test::NotNull, None),
            };
            let value = value.map(|e| b.expr(e, &none)).transpose()?;
            out.push(Cond { key: c.key, test, value });
        }
        Ok(Ranges { keys, conds: out })
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
        let mut values = Vec::with_capacity(self.conds.len());
        for c in &self.conds {
            let v = match &c.value {
                Some(p) => {
                    let v = p.row(cx, &[])?;
                    if v.is_null() {
                        return Ok(None);
                    }
                    v
                }
                None => Datum::Null,
            };
            values.push(v);
        }
        let mut used = vec![false; self.conds.len()];
        let mut prefixes: Vec<Vec<u8>> = vec![Vec::new()];
        let mut ranges: Option<Vec<KeyRange>> = None;
        for k in 0..self.keys.len() {
            let exact = self
                .conds
                .iter()
                .position(|c| c.key == k && matches!(c.test, Test::Eq | Test::In | Test::Null));
            if let Some(i) = exact {
                used[i] = true;
                let parts = match self.conds[i].test {
                    Test::In => {
                        let mut parts = Vec::new();
                        for v in ArrayRef::of(&values[i]).iter().filter(|v| !v.is_null()) {
                            parts.push(self.encode(k, &v)?);
                        }
                        parts.sort_unstable();
                        parts.dedup();
                        parts
                    }
                    _ => vec![self.encode(k, &values[i])?],
                };
                if parts.is_empty() {
                    return Ok(None);
                }
                if let [one] = parts.as_slice() {
                    prefixes.iter_mut().for_each(|p| p.extend_from_slice(one));
                } else {
                    prefixes = prefixes
                        .iter()
                        .flat_map(|p| parts.iter().map(move |part| [p.as_slice(), part.as_slice()].concat()))
                        .collect();
                }
                continue;
            }
            ranges = self.open_ranges(k, &prefixes, &values, &mut used)?;
            break;
        }
        let ranges = ranges.unwrap_or_else(|| {
            prefixes
                .iter()
                .map(|p| if p.is_empty() { KeyRange::full() } else { KeyRange::prefix(p) })
                .collect()
        });
        let mut residual = Vec::new();
        for (i, c) in self.conds.iter().enumerate().filter(|(i, _)| !used[*i]) {
            let encoded = match c.test {
                Test::Null | Test::NotNull => vec![],
                Test::In => {
                    let mut all = Vec::new();
                    for v in ArrayRef::of(&values[i]).iter().filter(|v| !v.is_null()) {
                        all.push(self.encode(c.key, &v)?);
                    }
                    all.sort_unstable();
                    all
                }
                _ => vec![self.encode(c.key, &values[i])?],
            };
            residual.push(Residual { key: c.key, test: c.test, values: encoded });
        }
        Ok(Some(Prepared { ranges, residual }))
    }

    /// Ranges on key `k` behind each prefix; none if no condition bounds it.
    fn open_ranges(
        &self,
        k: usize,
        prefixes: &[Vec<u8>],
        values: &[Datum],
        used: &mut [bool],
    ) -> Result<Option<Vec<KeyRange>>> {
        let mut find = |tests: &[Test]| {
            let i = self.conds.iter().position(|c| c.key == k && tests.contains(&c.test))?;
            used[i] = true;
            Some(i)
        };
        let lower = find(&[Test::Gt, Test::Ge]);
        let upper = find(&[Test::Lt, Test::Le]);
        let not_null = find(&[Test::NotNull]);
        if lower.is_none() && upper.is_none() && not_null.is_none() {
            return Ok(None);
        }
        let bound = |i: Option<usize>| {
            i.map(|i| KeyBound {
                value: &values[i],
                inclusive: matches!(self.conds[i].test, Test::Ge | Test::Le),
            })
        };
        let (ty, order) = &self.keys[k];
        let mut out = Vec::with_capacity(prefixes.len());
        for p in prefixes {
            let (low, high) = key::column_range(p, ty, *order, bound(lower), bound(upper))?;
            if !is_empty(&low, &high) {
                out.push(KeyRange::new(low, high));
            }
        }
        Ok(Some(out))
    }

    /// Whether an entry's key passes the tests.
    pub fn passes(&self, residual: &[Residual], entry: &[u8]) -> Result<bool> {
        if residual.is_empty() {
            return Ok(true);
        }
        let mut rest = entry;
        let last = residual.iter().map(|r| r.key).max().unwrap_or(0);
        for (k, (ty, order)) in self.keys.iter().enumerate().take(last + 1) {
            let start = rest;
            let column = key::read_column(&mut rest, ty, *order)?;
            let bytes = &start[..start.len() - rest.len()];
            let null = matches!(column, key::KeyColumn::Null);
            for r in residual.iter().filter(|r| r.key == k) {
                let order = |v: &Vec<u8>| {
                    let o = bytes.cmp(v.as_slice());
                    if order.desc { o.reverse() } else { o }
                };
                let ok = match r.test {
                    Test::Null => null,
                    Test::NotNull => !null,
                    _ if null => false,
                    Test::Eq => order(&r.values[0]).is_eq(),
                    Test::Lt => order(&r.values[0]).is_lt(),
                    Test::Le => order(&r.values[0]).is_le(),
                    Test::Gt => order(&r.values[0]).is_gt(),
                    Test::Ge => order(&r.values[0]).is_ge(),
                    Test::In => r.values.binary_search_by(|v| v.as_slice().cmp(bytes)).is_ok(),
                };
                if !ok {
                    return Ok(false);
                }
            }
        }
        Ok(true)
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
