//! What a summary says of one column: whether there are NULLs, whether there are values, and a superset of the values.
//!
//! | kind | bytes, if there are values |
//! | --- | --- |
//! | MinMax | one interval |
//! | MinMaxMulti | count u16, intervals in rising order, none touching another |
//! | Bloom | the filter's bits |
//!
//! An interval: lower length u16, upper length u16 ([`SAME`]: the lower bound is the upper one too; [`OPEN`]: it has none), lower, upper.
//! Bounds belong to the interval. A key longer than a kind's bounds may be is cut for a lower bound; for an upper one it is the least string above
//! all that begin like it. So intervals only get wider, and every summary fits its page.
//!
//! Intervals are merged as PostgreSQL's minmax-multi does it (brin_minmax_multi.c): the widest gaps stay. The distance of two keys is that of the numbers that their
//! bytes after the common beginning are. The filter is PostgreSQL's (brin_bloom.c) in size and number of hashes, by another hash.

use super::options::{BrinKind, Shape};
use super::{BrinTest, damaged};
use crate::index::key_hash::hash_key;
use crate::index::prefix_end;
use crate::page::slotted::{PayloadReader, PayloadWriter, get_u16, put_u16};
use quarry_common::{Error, Result};
use std::ops::Bound;

const SAME: u16 = 0xffff;
const OPEN: u16 = 0xfffe;
/// While a whole range is gone through, so many times more intervals are kept than in the end.
const SLACK: usize = 10;

/// Keys between two bounds, which belong to it; without an upper one, all above.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interval {
    pub lower: Vec<u8>,
    pub upper: Option<Vec<u8>>,
}

impl Interval {
    fn of(key: &[u8], bound_bytes_max: usize) -> Interval {
        if key.len() <= bound_bytes_max {
            return Interval { lower: key.to_vec(), upper: Some(key.to_vec()) };
        }
        let begin = &key[..bound_bytes_max];
        Interval { lower: begin.to_vec(), upper: prefix_end(begin) }
    }

    fn is_point(&self) -> bool {
        self.upper.as_ref() == Some(&self.lower)
    }

    /// Values that are stored for it.
    fn values(&self) -> usize {
        if self.is_point() { 1 } else { 2 }
    }

    fn extend_to(&mut self, upper: Option<Vec<u8>>) {
        if let Some(now) = &self.upper
            && upper.as_ref().is_none_or(|upper| upper > now)
        {
            self.upper = upper;
        }
    }

    fn push(&self, out: &mut Vec<u8>) {
        let (code, upper) = match &self.upper {
            None => (OPEN, &[][..]),
            Some(upper) if *upper == self.lower => (SAME, &[][..]),
            Some(upper) => (upper.len() as u16, &upper[..]),
        };
        out.w16(self.lower.len() as u16).w16(code).wbytes(&self.lower).wbytes(upper);
    }
}

/// An interval where it is stored.
struct Stored<'a> {
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
}

impl<'a> Stored<'a> {
    fn read(r: &mut PayloadReader<'a>) -> Result<Stored<'a>> {
        let (len, code) = (r.u16()? as usize, r.u16()?);
        let lower = r.bytes(len)?;
        let upper = match code {
            OPEN => None,
            SAME => Some(lower),
            len => Some(r.bytes(len as usize)?),
        };
        Ok(Stored { lower, upper })
    }

    fn contains(&self, key: &[u8]) -> bool {
        self.lower <= key && self.upper.is_none_or(|upper| key <= upper)
    }

    fn meets(&self, test: &BrinTest) -> bool {
        match test {
            BrinTest::Equal(key) => self.contains(key),
            BrinTest::AnyOf(keys) => keys.iter().any(|key| self.contains(key)),
            BrinTest::Range(range) => {
                let above = match &range.lower {
                    Bound::Unbounded => true,
                    Bound::Included(l) => self.upper.is_none_or(|upper| upper >= l.as_slice()),
                    Bound::Excluded(l) => self.upper.is_none_or(|upper| upper > l.as_slice()),
                };
                let below = match &range.upper {
                    Bound::Unbounded => true,
                    Bound::Included(u) => self.lower <= u.as_slice(),
                    Bound::Excluded(u) => self.lower < u.as_slice(),
                };
                above && below
            }
            BrinTest::IsNull | BrinTest::IsNotNull => true,
        }
    }
}

/// A column's summary being made or changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    pub has_nulls: bool,
    pub has_values: bool,
    values: Values,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Values {
    Intervals(Vec<Interval>),
    /// Empty: no filter has been made yet.
    Bloom(Vec<u8>),
}

impl Column {
    /// Of no rows.
    pub fn empty(kind: &BrinKind) -> Column {
        let values = match kind {
            BrinKind::Bloom { .. } => Values::Bloom(Vec::new()),
            BrinKind::MinMax | BrinKind::MinMaxMulti { .. } => Values::Intervals(Vec::new()),
        };
        Column { has_nulls: false, has_values: false, values }
    }

    /// Takes a row in.
    pub fn add(&mut self, shape: &Shape, key: Option<&[u8]>) -> Result<()> {
        let Some(key) = key else {
            self.has_nulls = true;
            return Ok(());
        };
        self.has_values = true;
        match &mut self.values {
            Values::Intervals(intervals) => {
                let new = Interval::of(key, shape.bound_bytes_max);
                add_interval(intervals, new, shape.values_max == 0);
                if shape.values_max > 0 {
                    thin_out(intervals, shape.values_max, shape.values_max * SLACK);
                }
            }
            Values::Bloom(bits) => {
                if bits.is_empty() {
                    bits.resize(shape.filter_bytes()?, 0);
                }
                set_bits(bits, shape.hashes, key);
            }
        }
        Ok(())
    }

    /// Takes what another summary of the same rows, or of others, says in.
    pub fn unite(&mut self, shape: &Shape, other: &Column) {
        self.has_nulls |= other.has_nulls;
        self.has_values |= other.has_values;
        match (&mut self.values, &other.values) {
            (Values::Intervals(mine), Values::Intervals(others)) => {
                for new in others {
                    add_interval(mine, new.clone(), shape.values_max == 0);
                }
                if shape.values_max > 0 {
                    thin_out(mine, shape.values_max, shape.values_max * SLACK);
                }
            }
            (Values::Bloom(mine), Values::Bloom(others)) => {
                if mine.is_empty() {
                    mine.clone_from(others);
                }
                mine.iter_mut().zip(others).for_each(|(a, b)| *a |= b);
            }
            _ => {}
        }
    }

    /// Appends its stored form.
    pub fn push(&mut self, shape: &Shape, out: &mut Vec<u8>) {
        out.w8(self.has_nulls as u8 | (self.has_values as u8) << 1);
        let at = out.len();
        out.w16(0);
        if self.has_values {
            match &mut self.values {
                Values::Bloom(bits) => _ = out.wbytes(bits),
                Values::Intervals(intervals) => {
                    if shape.values_max > 0 {
                        thin_out(intervals, shape.values_max, shape.values_max);
                        out.w16(intervals.len() as u16);
                    }
                    intervals.iter().for_each(|i| i.push(out));
                }
            }
        }
        let len = out.len() - at - 2;
        put_u16(out, at, len as u16);
    }
}

/// Where a key lies among intervals: in which one, or before which one.
fn find(intervals: &[Interval], key: &[u8]) -> std::result::Result<usize, usize> {
    let at = intervals.partition_point(|i| i.upper.as_deref().is_some_and(|upper| upper < key));
    match intervals.get(at) {
        Some(i) if i.lower.as_slice() <= key => Ok(at),
        _ => Err(at),
    }
}

/// Takes an interval in; `one`: there is to be one in the end, from the lowest bound to the highest.
fn add_interval(intervals: &mut Vec<Interval>, new: Interval, one: bool) {
    if one {
        match intervals.first_mut() {
            None => intervals.push(new),
            Some(all) => {
                if new.lower < all.lower {
                    all.lower = new.lower;
                }
                all.extend_to(new.upper);
            }
        }
        return;
    }
    // Everything from `from` to `to` touches it.
    let from = find(intervals, &new.lower).unwrap_or_else(|at| at);
    let mut to = from;
    while intervals.get(to).is_some_and(|i| new.upper.as_ref().is_none_or(|upper| i.lower <= *upper)) {
        to += 1;
    }
    let mut all = new;
    for i in &intervals[from..to] {
        if i.lower < all.lower {
            all.lower.clone_from(&i.lower);
        }
        all.extend_to(i.upper.clone());
    }
    intervals.splice(from..to, [all]);
}

/// If there are more than `limit` values, joins neighbours until there are at most `max`: those with the narrowest gaps between them.
fn thin_out(intervals: &mut Vec<Interval>, max: usize, limit: usize) {
    let values: usize = intervals.iter().map(Interval::values).sum();
    if values <= limit {
        return;
    }
    let common = match (intervals.first(), intervals.last()) {
        (Some(first), Some(last)) => {
            let last = last.upper.as_ref().unwrap_or(&last.lower);
            first.lower.iter().zip(last).take_while(|(a, b)| a == b).count()
        }
        _ => 0,
    };
    let number = |key: &[u8]| {
        let mut bytes = [0; 16];
        let part = key.get(common..).unwrap_or(&[]);
        let n = part.len().min(16);
        bytes[..n].copy_from_slice(&part[..n]);
        u128::from_be_bytes(bytes)
    };
    let mut gaps: Vec<(u128, usize)> = intervals
        .windows(2)
        .enumerate()
        .map(|(n, pair)| {
            let from = pair[0].upper.as_deref().unwrap_or(&pair[0].lower);
            (number(&pair[1].lower).saturating_sub(number(from)), n)
        })
        .collect();
    // As many intervals as there may be if each has two bounds.
    let stay = (max / 2).max(1) - 1;
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    let mut kept: Vec<usize> = gaps.iter().take(stay).map(|(_, n)| *n).collect();
    kept.sort_unstable();
    let mut kept = kept.into_iter().peekable();
    let mut thin: Vec<Interval> = Vec::with_capacity(stay + 1);
    let mut apart = true;
    for (n, interval) in std::mem::take(intervals).into_iter().enumerate() {
        match thin.last_mut() {
            Some(last) if !apart => last.extend_to(interval.upper),
            _ => thin.push(interval),
        }
        apart = kept.next_if_eq(&n).is_some();
    }
    *intervals = thin;
}

/// The places of a key's bits, by double hashing (Kirsch and Mitzenmacher 2006).
fn places(key: &[u8], hashes: u32, bits: usize) -> impl Iterator<Item = usize> {
    let hash = hash_key(key);
    let (first, step) = (hash & 0xffff_ffff, (hash >> 32) | 1);
    (0..hashes as u64).map(move |n| (first.wrapping_add(n.wrapping_mul(step)) % bits as u64) as usize)
}

fn set_bits(filter: &mut [u8], hashes: u32, key: &[u8]) {
    for at in places(key, hashes, filter.len() * 8) {
        filter[at / 8] |= 1 << (at % 8);
    }
}

fn has_bits(filter: &[u8], hashes: u32, key: &[u8]) -> bool {
    !filter.is_empty() && places(key, hashes, filter.len() * 8).all(|at| filter[at / 8] & 1 << (at % 8) != 0)
}

/// A column's summary where it is stored.
#[derive(Clone, Copy)]
pub struct ColumnRef<'a> {
    flags: u8,
    bytes: &'a [u8],
}

impl<'a> ColumnRef<'a> {
    /// Reads the next column's.
    pub fn read(r: &mut PayloadReader<'a>) -> Result<ColumnRef<'a>> {
        let flags = r.u8()?;
        let len = r.u16()? as usize;
        Ok(ColumnRef { flags, bytes: r.bytes(len)? })
    }

    pub fn has_nulls(self) -> bool {
        self.flags & 1 != 0
    }

    pub fn has_values(self) -> bool {
        self.flags & 2 != 0
    }

    fn intervals(self, kind: &BrinKind) -> (usize, PayloadReader<'a>) {
        match kind {
            BrinKind::MinMaxMulti { .. } if self.bytes.len() >= 2 => {
                (get_u16(self.bytes, 0) as usize, PayloadReader::new(&self.bytes[2..]))
            }
            _ => (1, PayloadReader::new(self.bytes)),
        }
    }

    /// Whether a row is in already.
    pub fn covers(self, kind: &BrinKind, shape: &Shape, key: Option<&[u8]>) -> Result<bool> {
        let Some(key) = key else { return Ok(self.has_nulls()) };
        if !self.has_values() {
            return Ok(false);
        }
        if let BrinKind::Bloom { .. } = kind {
            return Ok(has_bits(self.bytes, shape.hashes, key));
        }
        let (count, mut r) = self.intervals(kind);
        for _ in 0..count {
            if Stored::read(&mut r)?.contains(key) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a row of the range may pass.
    pub fn may_pass(self, kind: &BrinKind, shape: &Shape, test: &BrinTest) -> Result<bool> {
        match test {
            BrinTest::IsNull => return Ok(self.has_nulls()),
            BrinTest::IsNotNull => return Ok(self.has_values()),
            _ if !self.has_values() => return Ok(false),
            _ => {}
        }
        if let BrinKind::Bloom { .. } = kind {
            let has = |key: &Vec<u8>| has_bits(self.bytes, shape.hashes, key);
            return Ok(match test {
                BrinTest::Equal(key) => has(key),
                BrinTest::AnyOf(keys) => keys.iter().any(has),
                BrinTest::Range(range) => match (&range.lower, &range.upper) {
                    (Bound::Included(l), Bound::Included(u)) if l == u => has(l),
                    _ => true,
                },
                BrinTest::IsNull | BrinTest::IsNotNull => true,
            });
        }
        let (count, mut r) = self.intervals(kind);
        for _ in 0..count {
            if Stored::read(&mut r)?.meets(test) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As one that can be changed.
    pub fn to_column(self, kind: &BrinKind, shape: &Shape) -> Result<Column> {
        let mut column = Column::empty(kind);
        column.has_nulls = self.has_nulls();
        column.has_values = self.has_values();
        if !column.has_values {
            return Ok(column);
        }
        column.values = match kind {
            BrinKind::Bloom { .. } => {
                if self.bytes.len() != shape.filter_bytes()? {
                    return Err(damaged("a Bloom filter has another size"));
                }
                Values::Bloom(self.bytes.to_vec())
            }
            BrinKind::MinMax | BrinKind::MinMaxMulti { .. } => {
                let (count, mut r) = self.intervals(kind);
                let mut all: Vec<Interval> = Vec::with_capacity(count.min(1024));
                for _ in 0..count {
                    let i = Stored::read(&mut r)?;
                    let i = Interval { lower: i.lower.to_vec(), upper: i.upper.map(<[u8]>::to_vec) };
                    let ordered = i.upper.as_ref().is_none_or(|upper| *upper >= i.lower);
                    let rises = all
                        .last()
                        .is_none_or(|last| last.upper.as_ref().is_some_and(|upper| *upper < i.lower));
                    if !ordered || !rises {
                        return Err(damaged("intervals are not in order"));
                    }
                    all.push(i);
                }
                Values::Intervals(all)
            }
        };
        Ok(column)
    }
}

/// What PostgreSQL says of a filter that can't be stored.
pub fn filter_too_large(bytes: usize, max: usize) -> Error {
    Error::internal(format!("the bloom filter is too large ({bytes} > {max})"))
}

#[cfg(test)]
mod tests;
