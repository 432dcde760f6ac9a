//! Arrays and tsvectors: containment, overlap and matches, from the most common elements (PostgreSQL: `arraycontsel`,
//! `scalararraysel_containment`, `tsmatchsel`).

use super::variable::Variable;
use crate::planner::Planner;
use quarry_catalog::ElementStats;
use quarry_types::compare::compare_datums;
use quarry_types::textsearch::{Item, Op, Query};
use quarry_types::{Datum, TypeInfo};
use std::cmp::Ordering;

const DEFAULT_CONTAINS: f64 = 0.005;
const DEFAULT_OVERLAPS: f64 = 0.01;
const DEFAULT_WORD: f64 = 0.005;

/// What one set of elements is to another.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Relation {
    /// The column has all of them.
    Contains,
    /// It has nothing else.
    Contained,
    Overlaps,
}

/// Share of the arrays that have an element.
fn frequency(e: &ElementStats, info: &TypeInfo, value: &Datum) -> f64 {
    match e.common.binary_search_by(|(v, _)| compare_datums(v, value, info)) {
        Ok(i) => f64::from(e.common[i].1),
        Err(_) => rare(e),
    }
}
/// Share of the arrays that have an element that isn't common.
fn rare(e: &ElementStats) -> f64 {
    if e.common.is_empty() { DEFAULT_CONTAINS } else { DEFAULT_CONTAINS.min(f64::from(e.least) / 2.0) }
}

impl Planner<'_> {
    /// An array column against the elements of an array that is known.
    pub(super) fn array_relation(&mut self, v: &Variable, elements: &[Datum], relation: Relation) -> f64 {
        let found = v.stats.as_ref().and_then(|s| s.elements.clone()).filter(|e| !e.common.is_empty());
        let info = found.as_ref().and_then(|e| self.env.catalog.type_ref(e.ty).ok());
        let default = match relation {
            Relation::Overlaps => DEFAULT_OVERLAPS,
            _ => DEFAULT_CONTAINS,
        };
        let kept = 1.0 - v.nulls();
        if relation == Relation::Contains && elements.iter().any(Datum::is_null) {
            return 0.0;
        }
        let mut known: Vec<&Datum> = elements.iter().filter(|e| !e.is_null()).collect();
        let (Some(e), Some(info)) = (found, info) else {
            return match relation {
                // Of independent rare elements.
                Relation::Contains => DEFAULT_CONTAINS.powi(known.len().min(8) as i32).max(1e-10),
                _ => default,
            };
        };
        if info.functions.compare.is_none() {
            return default;
        }
        known.sort_by(|a, b| compare_datums(a, b, &info));
        known.dedup_by(|a, b| compare_datums(a, b, &info) == Ordering::Equal);
        let shares: Vec<f64> = known.iter().map(|k| frequency(&e, &info, k)).collect();
        let share = match relation {
            Relation::Contains => shares.iter().product(),
            Relation::Overlaps => shares.iter().fold(0.0, |s, x| s + x - s * x),
            Relation::Contained => match contained(&e, &info, &known, &shares) {
                Some(share) => share,
                None => return default,
            },
        };
        (share * kept).clamp(0.0, 1.0)
    }

    /// A tsvector column against a query that is known.
    pub(super) fn matches_query(&mut self, v: &Variable, query: Option<&Datum>) -> f64 {
        let Some(query) = query else { return DEFAULT_WORD };
        let query = Query::of(query);
        if query.is_empty() {
            return 0.0;
        }
        let elements = v.stats.as_ref().and_then(|s| s.elements.clone());
        (query_share(&query, 0, elements.as_ref()) * (1.0 - v.nulls())).clamp(0.0, 1.0)
    }
}

fn query_share(query: &Query<'_>, i: usize, stats: Option<&ElementStats>) -> f64 {
    let share = match query.items[i] {
        Item::Word { text, prefix, .. } => match stats {
            None => DEFAULT_WORD,
            Some(e) if prefix => {
                // As many of the rare lexemes as of the common ones.
                let (mut with, mut all, mut count) = (0.0, 0.0, 0.0);
                for (v, f) in &e.common {
                    let f = f64::from(*f);
                    if v.as_bytes().starts_with(text.as_bytes()) {
                        with += f - with * f;
                        count += 1.0;
                    }
                    all += f - all * f;
                }
                let share = with + (1.0 - all) * count / e.common.len().max(1) as f64;
                share.max(DEFAULT_WORD.min(f64::from(e.least) / 2.0))
            }
            Some(e) => e
                .common
                .iter()
                .find(|(v, _)| v.as_bytes() == text.as_bytes())
                .map_or(DEFAULT_WORD.min(f64::from(e.least) / 2.0), |(_, f)| f64::from(*f)),
        },
        Item::Operator { op: Op::Not, .. } => 1.0 - query_share(query, i + 1, stats),
        Item::Operator { op, .. } => {
            let right = query_share(query, i + 1, stats);
            let left = query_share(query, query.left_of(i), stats);
            if op == Op::Or { left + right - left * right } else { left * right }
        }
    };
    share.clamp(0.0, 1.0)
}

/// Share of the arrays without any element but these, given how many distinct elements arrays have.
fn contained(e: &ElementStats, info: &TypeInfo, known: &[&Datum], shares: &[f64]) -> Option<f64> {
    let (average, sizes) = e.counts.split_last()?;
    if sizes.len() < 2 {
        return None;
    }
    // How likely none of the other common elements is there, and none of the rare ones.
    let mut others = 1.0;
    let mut rest = f64::from(*average);
    for (v, f) in &e.common {
        rest -= f64::from(*f);
        if known.binary_search_by(|k| compare_datums(k, v, info)).is_err() {
            others *= 1.0 - f64::from(*f);
        }
    }
    let rest = rest.max(0.0);
    if rest > DEFAULT_CONTAINS {
        others *= (-rest).exp();
    }
    let most = known.len();
    let own = distribution(shares, most, 0.0);
    let all: Vec<f64> = e.common.iter().map(|c| f64::from(c.1)).collect();
    let all = distribution(&all, most, rest);
    let by_size = size_shares(sizes, most);
    let mut share = 0.0;
    for i in 0..=most {
        if all[i] > 0.0 {
            share += by_size[i] * others * own[i] / all[i];
        }
    }
    Some(share.clamp(0.0, 1.0))
}

/// How likely 0..=most of independent events with these probabilities happen, and of rare ones that happen `rest` times on average.
fn distribution(p: &[f64], most: usize, rest: f64) -> Vec<f64> {
    let mut out = vec![0.0; most + 1];
    out[0] = 1.0;
    for x in p {
        for i in (0..=most).rev() {
            out[i] = out[i] * (1.0 - x) + if i > 0 { out[i - 1] * x } else { 0.0 };
        }
    }
    if rest > DEFAULT_CONTAINS {
        let mut sum = vec![0.0; most + 1];
        let mut t = (-rest).exp();
        for i in 0..=most {
            for j in 0..=most - i {
                sum[i + j] += out[j] * t;
            }
            t *= rest / (i + 1) as f64;
        }
        out = sum;
    }
    out
}

/// Share of the arrays that have 0..=most distinct elements.
fn size_shares(bounds: &[f32], most: usize) -> Vec<f64> {
    let mut out = vec![0.0; most + 1];
    let bins = (bounds.len() - 1) as f64;
    for w in bounds.windows(2) {
        let (low, high) = (f64::from(w[0]), f64::from(w[1]));
        let width = (high - low).round().max(0.0) + 1.0;
        for (i, o) in out.iter_mut().enumerate() {
            if i as f64 >= low && i as f64 <= high {
                *o += 1.0 / bins / width;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_events() {
        assert_eq!(distribution(&[0.5, 0.5], 2, 0.0), vec![0.25, 0.5, 0.25]);
        assert_eq!(size_shares(&[1.0, 1.0, 2.0], 2), vec![0.0, 0.75, 0.25]);
    }
}
