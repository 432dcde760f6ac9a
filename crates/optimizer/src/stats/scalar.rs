//! Equality with and inequality against a value, from most common values and the histogram (PostgreSQL: `var_eq_const`,
//! `scalarineqsel`, `ineq_histogram_selectivity`, `convert_to_scalar`).

use super::Facts;
use super::listed::Listed;
use super::selectivity::DEFAULT_INEQUALITY;
use super::variable::Variable;
use crate::planner::Planner;
use quarry_catalog::ColumnStats;
use quarry_common::Oid;
use quarry_types::compare::compare_datums;
use quarry_types::numeric::NumericRef;
use quarry_types::{Datum, SqlType, TypeInfo, oids};
use std::cmp::Ordering;
use std::sync::{Arc, Weak};

const US_PER_DAY: f64 = 86_400e6;

/// A value as a number on the scale of its type's order; dates on that of timestamps.
pub(super) fn number_of(v: &Datum, ty: SqlType) -> Option<f64> {
    Some(match (ty.oid, v) {
        (oids::DATE, Datum::I32(d)) => f64::from(*d) * US_PER_DAY,
        (oids::NUMERIC, Datum::Bytes(b)) => NumericRef::new(b).to_f64_lossy(),
        (_, Datum::I16(v)) => f64::from(*v),
        (_, Datum::I32(v)) => f64::from(*v),
        (_, Datum::U32(v)) => f64::from(*v),
        (_, Datum::I64(v)) => *v as f64,
        (_, Datum::F32(v)) => f64::from(*v),
        (_, Datum::F64(v)) => *v,
        (_, Datum::Bool(v)) => f64::from(u8::from(*v)),
        _ => return None,
    })
}

/// Orders a value of statistics and another one, which may be of a related type.
pub(super) fn compare(kept: &Datum, info: &TypeInfo, value: &Datum, ty: SqlType) -> Option<Ordering> {
    let same = kept.physical() == value.physical();
    if same && (info.oid == ty.oid || matches!(kept, Datum::Bytes(_)) || !matches!(info.oid, oids::DATE)) {
        info.functions.compare?;
        return Some(compare_datums(kept, value, info));
    }
    number_of(kept, SqlType::of(info.oid))?.partial_cmp(&number_of(value, ty)?)
}

/// A comparison of a column's values with one that is known.
pub(super) struct Compared {
    value: Datum,
    ty: SqlType,
    greater: bool,
    or_equal: bool,
    unique: bool,
    rows: f64,
    stats: Arc<ColumnStats>,
}

/// A comparison of a column's values with another's.
pub(super) struct Other {
    stats: Weak<ColumnStats>,
    greater: bool,
    or_equal: bool,
    types: (Oid, Oid),
}

/// Comparisons whose outcome is kept while a statement is planned.
const COMPARED_MAX: usize = 32;

impl Planner<'_> {
    /// `v = value`; without a value, one that is not known yet.
    pub(super) fn equals(&mut self, v: &Variable, value: Option<(&Datum, SqlType)>) -> f64 {
        let nulls = v.nulls();
        if v.unique && v.rows >= 1.0 {
            return 1.0 / v.rows;
        }
        let (distinct, _) = self.distinct(v);
        let (Some(stats), Some(info)) = (v.stats.clone(), self.type_of(v)) else {
            return 1.0 / distinct.max(1.0);
        };
        let Some((value, ty)) = value else {
            let s = (1.0 - nulls) / distinct.max(1.0);
            return stats.mcv.first().map_or(s, |(_, most)| s.min(f64::from(*most)));
        };
        let sorted = stats.mcv.first().is_some_and(|(m, _)| compare(m, &info, value, ty).is_some());
        let (own, common) = match Listed::kept(&stats, &info).filter(|_| sorted) {
            Some(listed) => (listed.share_of(&stats, &info, (value, ty)), listed.total()),
            None => {
                let own = stats.mcv.iter().find(|(m, _)| m == value).map(|(_, f)| f64::from(*f));
                (own, stats.mcv.iter().map(|(_, f)| f64::from(*f)).sum())
            }
        };
        if let Some(own) = own {
            return own;
        }
        let rest = (1.0 - common - nulls).clamp(0.0, 1.0);
        let others = distinct - stats.mcv.len() as f64;
        let s = if others > 1.0 { rest / others } else { rest };
        stats.mcv.last().map_or(s, |(_, least)| s.min(f64::from(*least)))
    }

    /// `v < value`, `v >= value` and so on.
    pub(super) fn compares(
        &mut self,
        v: &Variable,
        value: Option<(&Datum, SqlType)>,
        greater: bool,
        or_equal: bool,
    ) -> f64 {
        if let (Some(results), Some(value)) = (v.results.clone(), value)
            && let Some(share) = self.results_compare(&results, value, greater, or_equal)
        {
            return share;
        }
        let (Some(stats), Some((value, ty)), Some(info)) = (v.stats.clone(), value, self.type_of(v)) else {
            return DEFAULT_INEQUALITY;
        };
        let is_it = |c: &Compared| {
            Arc::ptr_eq(&c.stats, &stats)
                && (c.greater, c.or_equal, c.unique) == (greater, or_equal, v.unique)
                && (c.ty, c.rows) == (ty, v.rows)
                && c.value == *value
        };
        if let Some((_, share)) = self.stats.known.compared.iter().find(|(c, _)| is_it(c)) {
            return *share;
        }
        let sample = stats.histogram.first().or(stats.mcv.first().map(|(v, _)| v));
        if sample.is_some_and(|s| compare(s, &info, value, ty).is_none()) {
            return DEFAULT_INEQUALITY;
        }
        // Without most common values there is nothing to be compared, and else the type has an order.
        let (common, hit) = Listed::kept(&stats, &info).map_or((0.0, 0.0), |listed| {
            (listed.total(), listed.share(&stats, &info, (value, ty), greater, or_equal))
        });
        let (distinct, _) = self.distinct(v);
        let share = below(&stats, &info, value, ty, greater, or_equal, distinct).unwrap_or(0.5);
        let share = ((1.0 - common - f64::from(stats.null_fraction)).max(0.0) * share + hit).clamp(0.0, 1.0);
        if self.stats.known.compared.len() < COMPARED_MAX {
            let value = value.clone();
            let compared = Compared { value, ty, greater, or_equal, unique: v.unique, rows: v.rows, stats };
            self.stats.known.compared.push((compared, share));
        }
        share
    }

    /// `a < b` of two columns, by their histograms; none without them.
    pub(super) fn column_compares(
        &mut self,
        a: &Variable,
        b: &Variable,
        greater: bool,
        or_equal: bool,
    ) -> Option<f64> {
        let facts = a.stats.as_ref().and_then(|s| s.derived.get::<Facts>());
        let other = b.stats.as_ref()?;
        let types = (a.ty.oid, b.ty.oid);
        let is_it = |asked: &Other| {
            asked.stats.as_ptr() == Arc::as_ptr(other)
                && (asked.greater, asked.or_equal, asked.types) == (greater, or_equal, types)
        };
        if let Some(share) = facts.and_then(|facts| facts.compared.find(is_it)) {
            return Some(share);
        }
        let (a_numbers, b_numbers) = (Numbers::kept(a)?, Numbers::kept(b)?);
        // Each value of b stands for its share of the rows.
        let listed = b_numbers.common.iter().map(|c| (c.0, c.1));
        let n = b_numbers.bounds.len();
        let points = POINTS.min(n);
        let at = |i: usize| b_numbers.bounds[i * (n - 1) / (points - 1).max(1)];
        let bounds = (0..points).map(|i| (at(i), b_numbers.rest / points as f64));
        let (mut sum, mut weight) = (0.0, 0.0);
        for (value, share) in listed.chain(bounds) {
            sum += share * a_numbers.compare(value, greater, or_equal);
            weight += share;
        }
        let share = (weight > 0.0).then(|| (sum / weight * (1.0 - b.nulls())).clamp(0.0, 1.0))?;
        if let Some(facts) = facts {
            facts.compared.keep(Other { stats: Arc::downgrade(other), greater, or_equal, types }, share);
        }
        Some(share)
    }
}

/// As many values of a histogram stand for all.
const POINTS: usize = 33;

/// A column's statistics as numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    /// The most common values in order: value, share, shares up to here.
    common: Vec<(f64, f64, f64)>,
    bounds: Vec<f64>,
    /// Share of the rows that the bounds are of.
    rest: f64,
    /// The least and the greatest value that is known.
    ends: Option<(f64, f64)>,
}

impl Numbers {
    /// The numbers that are kept with a column's statistics.
    pub(super) fn kept(v: &Variable) -> Option<Arc<Numbers>> {
        match v.stats.as_ref()?.derived.get::<Facts>() {
            Some(facts) => facts.numbers.get_or_init(|| Numbers::of(v).map(Arc::new)).clone(),
            None => Numbers::of(v).map(Arc::new),
        }
    }

    /// None if the values aren't numbers, or there are none.
    fn of(v: &Variable) -> Option<Numbers> {
        let stats = v.stats.as_ref()?;
        let mut common = vec![];
        for (value, share) in &stats.mcv {
            common.push((number_of(value, v.ty)?, f64::from(*share), 0.0));
        }
        common.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0.0;
        for c in &mut common {
            sum += c.1;
            c.2 = sum;
        }
        let bounds: Vec<f64> = stats.histogram.iter().map(|h| number_of(h, v.ty)).collect::<Option<_>>()?;
        let bounds = if bounds.len() < 2 { vec![] } else { bounds };
        let rest = (1.0 - sum - v.nulls()).max(0.0);
        let values = || common.iter().map(|c| c.0).chain(bounds.iter().copied());
        let ends = values().reduce(f64::min).zip(values().reduce(f64::max));
        ends.map(|_| Numbers { common, bounds, rest, ends })
    }

    /// The least and the greatest value that is known.
    pub(super) fn ends(&self) -> Option<(f64, f64)> {
        self.ends
    }

    /// Share of the rows below a value (above: `greater`).
    pub(super) fn compare(&self, value: f64, greater: bool, or_equal: bool) -> f64 {
        // What is below, equal values included if they are not to be above.
        let with_equal = greater != or_equal;
        let before = |x: f64| if with_equal { x <= value } else { x < value };
        let listed = self.common.last().map_or(0.0, |c| c.2);
        let below = match self.common.partition_point(|c| before(c.0)) {
            0 => 0.0,
            n => self.common[n - 1].2,
        };
        let (share, rest) = match self.bounds.len() {
            0 => (0.0, 0.0),
            n => match self.bounds.partition_point(|x| before(*x)) {
                0 => (0.0, self.rest),
                at if at == n => (1.0, self.rest),
                at => {
                    let (low, high) = (self.bounds[at - 1], self.bounds[at]);
                    let inside =
                        if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
                    (((at - 1) as f64 + inside) / (n - 1) as f64, self.rest)
                }
            },
        };
        if greater { listed - below + (1.0 - share) * rest } else { below + share * rest }
    }
}

/// Share of the histogram's values below `value` (above: `greater`); none without a histogram.
pub(super) fn below(
    stats: &ColumnStats,
    info: &TypeInfo,
    value: &Datum,
    ty: SqlType,
    greater: bool,
    or_equal: bool,
    distinct: f64,
) -> Option<f64> {
    let h = &stats.histogram;
    if h.len() < 2 {
        return None;
    }
    let strict = greater == or_equal;
    let under = h.partition_point(|x| match compare(x, info, value, ty) {
        Some(Ordering::Less) => true,
        Some(Ordering::Equal) => !strict,
        _ => false,
    });
    let bins = (h.len() - 1) as f64;
    let fraction = if under == 0 {
        0.0
    } else if under == h.len() {
        1.0
    } else {
        // The share of one value matters at the ends of the first bin and for >= and <.
        let others = distinct - stats.mcv.len() as f64;
        let one = if (under == 1 || strict) && others > 1.0 { 1.0 / others } else { 0.0 };
        let inside = within(&h[under - 1], &h[under], value, info, ty);
        let mut fraction = ((under - 1) as f64 + inside) / bins;
        if under == 1 {
            fraction += one * (1.0 - inside);
        }
        if strict {
            fraction -= one;
        }
        fraction
    };
    let fraction = if greater { 1.0 - fraction } else { fraction };
    let cutoff = 0.01 / bins;
    Some(fraction.clamp(cutoff, 1.0 - cutoff))
}

/// Where a value lies between two bounds, 0..1.
fn within(low: &Datum, high: &Datum, value: &Datum, info: &TypeInfo, ty: SqlType) -> f64 {
    let own = SqlType::of(info.oid);
    let (low, high, value) = match (number_of(low, own), number_of(high, own), number_of(value, ty)) {
        (Some(l), Some(h), Some(v)) => (l, h, v),
        _ => match (low, high, value) {
            (Datum::Bytes(l), Datum::Bytes(h), Datum::Bytes(v)) if is_string(info) => {
                let [l, h, v] = string_scale(l, h, v, info.oid == oids::BYTEA);
                (l, h, v)
            }
            _ => return 0.5,
        },
    };
    if high <= low {
        return 0.5;
    }
    let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
    if share.is_nan() { 0.5 } else { share }
}

fn is_string(info: &TypeInfo) -> bool {
    matches!(info.oid, oids::TEXT | oids::VARCHAR | oids::BPCHAR | oids::NAME | oids::BYTEA)
}

/// Two bounds and a value as fractions in the base of the characters that they have.
fn string_scale(low: &[u8], high: &[u8], value: &[u8], binary: bool) -> [f64; 3] {
    let (mut from, mut to) = (u8::MAX, u8::MIN);
    for c in low.iter().chain(high).chain(value) {
        (from, to) = (from.min(*c), to.max(*c));
    }
    if binary {
        (from, to) = (0, u8::MAX);
    } else {
        for (first, last) in [(b'A', b'Z'), (b'a', b'z'), (b'0', b'9')] {
            if from <= last && to >= first {
                (from, to) = (from.min(first), to.max(last));
            }
        }
        if to.saturating_sub(from) < 9 {
            (from, to) = (b' ', 127);
        }
    }
    let shared = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    let skipped = shared.min(value.iter().zip(low).take_while(|(a, b)| a == b).count());
    let base = f64::from(to) - f64::from(from) + 1.0;
    [low, high, value].map(|s| {
        let mut out = 0.0;
        let mut unit = 1.0;
        for c in s.iter().skip(skipped).take(12) {
            unit /= base;
            out += (f64::from(*c) - f64::from(from)) * unit;
        }
        out
    })
}
