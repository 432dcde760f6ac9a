//! LIKE and regular expressions: the fixed beginning as a range, the rest by rules of thumb, both outweighed by what the values in the
//! statistics do (PostgreSQL: `patternsel`, `like_selectivity`, `regex_selectivity`).

use super::Facts;
use super::answers::{is_small, own};
use super::scalar::below;
use super::variable::Variable;
use crate::planner::Planner;
use crate::scan::pattern::{Fixed, Kind, fixed_beginning, text_after};
use quarry_catalog::ColumnStats;
use quarry_common::Oid;
use quarry_functions::OperatorDef;
use quarry_types::{Datum, SqlType};

const DEFAULT_MATCH: f64 = 0.005;
const FIXED_CHARACTER: f64 = 0.20;
const CHARACTER_RANGE: f64 = 0.25;
const ANY_CHARACTER: f64 = 0.9;
const FULL_WILDCARD: f64 = 5.0;
const PARTIAL_WILDCARD: f64 = 2.0;
/// Histogram entries that say all that is to be said.
const TRUSTED_ENTRIES: f64 = 100.0;
const ENTRIES_MIN: usize = 10;

/// A pattern, the operator that asks for it, and the types of both sides.
pub(super) struct Asked {
    op: Oid,
    pattern: Datum,
    types: (SqlType, SqlType),
}

/// What the values of statistics say of a pattern.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Of the histogram's values those that match, and all that were looked at.
    hits: f64,
    of: f64,
    /// Share of the rows whose most common value matches.
    common: f64,
}

impl Planner<'_> {
    /// `v op pattern`, where `op` is a kind of LIKE, `~` or `^@`.
    pub(super) fn matches_pattern(
        &mut self,
        op: &'static OperatorDef,
        v: &Variable,
        value: Option<&Datum>,
        ty: SqlType,
    ) -> f64 {
        let negated = matches!(op.restrict, "nlikesel" | "icnlikesel" | "regexnesel" | "icregexnesel");
        let positive = match negated {
            true => quarry_functions::registry::operator(op.negator),
            false => Some(op),
        };
        let share = match (positive, value) {
            (Some(op), Some(value)) => self.pattern_share(op, v, value, ty),
            _ => DEFAULT_MATCH,
        };
        if negated { (1.0 - share - v.nulls()).max(0.0) } else { share }
    }

    fn pattern_share(&mut self, op: &'static OperatorDef, v: &Variable, value: &Datum, ty: SqlType) -> f64 {
        let Datum::Bytes(bytes) = value else { return DEFAULT_MATCH };
        let Ok(pattern) = std::str::from_utf8(bytes) else { return DEFAULT_MATCH };
        let any_case = op.restrict.starts_with("ic");
        let kind = match op.restrict {
            "prefixsel" => Kind::Prefix,
            "likesel" | "iclikesel" => Kind::Like,
            _ => Kind::Regex,
        };
        let (prefix, rest) = match fixed_beginning(kind, pattern, any_case) {
            Fixed::Exact(text) => return self.equals(v, Some((&Datum::text(&text), ty))),
            Fixed::Prefix(text) => {
                let rest = match kind {
                    Kind::Prefix => 1.0,
                    Kind::Like => like_rest(pattern, text.chars().count()),
                    Kind::Regex => regex_rest(pattern, text.chars().count()),
                };
                (Some(text), rest)
            }
            Fixed::None => {
                let rest = match kind {
                    Kind::Prefix => 1.0,
                    Kind::Like => like_rest(pattern, 0),
                    Kind::Regex => regex_rest(pattern, 0),
                };
                (None, rest)
            }
        };
        let Some(stats) = v.stats.clone() else {
            return match prefix {
                Some(_) => (DEFAULT_MATCH * rest).clamp(0.0001, 0.9999),
                None => rest.clamp(0.0001, 0.9999),
            };
        };
        let guess = prefix.map_or(1.0, |p| self.prefix_share(v, &p, ty)) * rest;
        let entries = stats.histogram.len();
        let seen = self.seen(op, v.ty, &stats, value, ty);
        let mut share = match &seen {
            Some(Seen { hits, of, .. }) if *of > 0.0 => {
                let seen = hits / of;
                let weight = (entries as f64 / TRUSTED_ENTRIES).min(1.0);
                if entries as f64 >= TRUSTED_ENTRIES { seen } else { seen * weight + guess * (1.0 - weight) }
            }
            _ => guess,
        };
        share = share.clamp(0.0001, 0.9999);
        let common: f64 = stats.mcv.iter().map(|m| f64::from(m.1)).sum();
        let hit = seen.map_or(0.0, |seen| seen.common);
        (share * (1.0 - v.nulls() - common).max(0.0) + hit).clamp(0.0, 1.0)
    }

    /// Tries a pattern on the values in statistics.
    fn seen(
        &self,
        op: &'static OperatorDef,
        own_ty: SqlType,
        stats: &ColumnStats,
        pattern: &Datum,
        ty: SqlType,
    ) -> Option<Seen> {
        let facts = stats.derived.get::<Facts>().filter(|_| is_small(pattern));
        let is_it =
            |asked: &Asked| asked.op == op.oid && asked.types == (own_ty, ty) && asked.pattern == *pattern;
        if let Some(seen) = facts.and_then(|facts| facts.patterns.find(is_it)) {
            return Some(seen);
        }
        let entries = stats.histogram.len();
        let mut values: Vec<&Datum> = stats.mcv.iter().map(|m| &m.0).collect();
        // The ends are extremes.
        let inner = if entries >= ENTRIES_MIN { &stats.histogram[1..entries - 1] } else { &[] };
        values.extend(inner);
        let holds = self.holds_for(op, &values, own_ty, pattern, ty)?;
        let hits = holds[stats.mcv.len()..].iter().filter(|h| **h).count() as f64;
        let listed = stats.mcv.iter().zip(&holds).filter(|(_, h)| **h);
        let seen = Seen { hits, of: inner.len() as f64, common: listed.map(|(m, _)| f64::from(m.1)).sum() };
        if let Some(facts) = facts {
            facts.patterns.keep(Asked { op: op.oid, pattern: own(pattern), types: (own_ty, ty) }, seen);
        }
        Some(seen)
    }

    /// Values from `prefix` on, below the first without it.
    fn prefix_share(&mut self, v: &Variable, prefix: &str, ty: SqlType) -> f64 {
        let (Some(stats), Some(info)) = (v.stats.clone(), self.type_of(v)) else { return DEFAULT_MATCH };
        let (distinct, _) = self.distinct(v);
        let value = Datum::text(prefix);
        let Some(mut share) = below(&stats, &info, &value, ty, true, true, distinct) else {
            return DEFAULT_MATCH;
        };
        if let Some(end) = text_after(prefix) {
            let top = below(&stats, &info, &Datum::text(&end), ty, false, false, distinct).unwrap_or(1.0);
            share = top + share - 1.0;
        }
        share.max(self.equals(v, Some((&value, ty))))
    }
}

/// Share of the texts with the right beginning that match what follows it.
fn like_rest(pattern: &str, fixed: usize) -> f64 {
    let mut chars = pattern.chars().peekable();
    let mut left = fixed;
    while left > 0 {
        match chars.next() {
            Some('\\') => {
                chars.next();
            }
            Some(_) => {}
            None => break,
        }
        left -= 1;
    }
    // What a wildcard in front leaves open is in the beginning's share already.
    while chars.next_if(|c| matches!(c, '%' | '_')).is_some() {}
    let mut share = 1.0;
    while let Some(c) = chars.next() {
        match c {
            '%' => share *= FULL_WILDCARD,
            '_' => share *= ANY_CHARACTER,
            '\\' => {
                if chars.next().is_none() {
                    break;
                }
                share *= FIXED_CHARACTER;
            }
            _ => share *= FIXED_CHARACTER,
        }
    }
    f64::min(share, 1.0)
}

fn regex_rest(pattern: &str, fixed: usize) -> f64 {
    let bytes = pattern.as_bytes();
    let closed = bytes.ends_with(b"$") && !bytes.ends_with(b"\\$");
    let mut share = match closed {
        true => regex_part(&bytes[..bytes.len() - 1]),
        false => regex_part(bytes) * FULL_WILDCARD,
    };
    if fixed > 0 {
        share /= FIXED_CHARACTER.powi(fixed.min(1000) as i32);
    }
    share.clamp(0.0, 1.0)
}

fn regex_part(pattern: &[u8]) -> f64 {
    let (mut share, mut depth, mut open) = (1.0, 0usize, 0);
    let mut i = 0;
    while i < pattern.len() {
        let top = depth == 0;
        match pattern[i] {
            b'(' => {
                if top {
                    open = i + 1;
                }
                depth += 1;
            }
            b')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    share *= regex_part(&pattern[open..i]);
                }
            }
            b'|' if top => {
                share += regex_part(&pattern[i + 1..]);
                break;
            }
            b'[' => {
                i += 1;
                let negated = pattern.get(i) == Some(&b'^');
                i += usize::from(negated);
                i += usize::from(pattern.get(i) == Some(&b']'));
                while i < pattern.len() && pattern[i] != b']' {
                    i += 1;
                }
                if top {
                    share *= if negated { 1.0 - CHARACTER_RANGE } else { CHARACTER_RANGE };
                }
            }
            b'.' if top => share *= ANY_CHARACTER,
            b'*' | b'?' | b'+' if top => share *= PARTIAL_WILDCARD,
            b'{' => {
                while i < pattern.len() && pattern[i] != b'}' {
                    i += 1;
                }
                if top {
                    share *= PARTIAL_WILDCARD;
                }
            }
            b'\\' => {
                i += 1;
                if i < pattern.len() && top {
                    share *= FIXED_CHARACTER;
                }
            }
            _ if top => share *= FIXED_CHARACTER,
            _ => {}
        }
        i += 1;
    }
    f64::min(share, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_of_patterns() {
        assert_eq!(like_rest("abc%", 3), 1.0);
        assert!((like_rest("%ab", 0) - 0.04).abs() < 1e-9);
        assert!((like_rest("a%b_", 1) - 0.18).abs() < 1e-9);
        assert!((regex_rest("^ab", 2) - 1.0).abs() < 1e-9);
        assert!((regex_part(b"(a|b)c") - 0.4 * 0.2).abs() < 1e-9);
    }
}
