//! `ts_rank` and `ts_rank_cd`. The arithmetic is PostgreSQL's step by step (`tsrank.c`), float by float: the digits are visible.

use quarry_common::{Result, bail};
use quarry_types::array::ArrayRef;
use quarry_types::textsearch::execute::{Match, Places, Source, matches};
use quarry_types::textsearch::query::weight_matches;
use quarry_types::textsearch::{Item, Lexeme, Op, POSITION_LIMIT, Query, VectorRef, position_of, weight_of};
use std::collections::VecDeque;

/// Weights of D, C, B, A.
pub type Weights = [f32; 4];
pub const DEFAULT_WEIGHTS: Weights = [0.1, 0.2, 0.4, 1.0];

const NORM_LOG_LENGTH: i32 = 1;
const NORM_LENGTH: i32 = 2;
const NORM_DISTANCE: i32 = 4;
const NORM_UNIQUE: i32 = 8;
const NORM_LOG_UNIQUE: i32 = 16;
const NORM_BY_ITSELF: i32 = 32;

/// The first argument of the functions that take weights.
pub fn weights_of(array: &ArrayRef<'_>) -> Result<Weights> {
    if array.ndim() != 1 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "array of weight must be one-dimensional");
    }
    if array.len() < 4 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "array of weight is too short");
    }
    if array.has_nulls() {
        bail!(NULL_VALUE_NOT_ALLOWED, "array of weight must not contain nulls");
    }
    let mut weights = DEFAULT_WEIGHTS;
    for (i, w) in weights.iter_mut().enumerate() {
        let given = array.datum(i).as_f32();
        if given >= 0.0 {
            *w = given;
        }
        if *w > 1.0 {
            bail!(INVALID_PARAMETER_VALUE, "weight out of range");
        }
    }
    Ok(weights)
}

/// Positions of a document, a word without positions counting as one.
fn length(v: &VectorRef<'_>) -> i32 {
    v.iter().map(|l| l.position_count().max(1) as i32).sum()
}

/// The lexemes that a word of a query stands for.
fn lexemes<'a>(v: &VectorRef<'a>, word: &'a str, prefix: bool) -> Vec<Lexeme<'a>> {
    if prefix {
        return v.with_prefix(word.as_bytes()).collect();
    }
    v.find(word.as_bytes()).map(|i| vec![v.lexeme(i)]).unwrap_or_default()
}

/// The words of a query in order, each once.
fn unique_words<'a>(q: &Query<'a>) -> Vec<(&'a str, bool)> {
    let mut words: Vec<(&str, bool)> = q
        .items
        .iter()
        .filter_map(|i| match i {
            Item::Word { text, prefix, .. } => Some((*text, *prefix)),
            Item::Operator { .. } => None,
        })
        .collect();
    words.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    words.dedup_by(|b, a| a.0 == b.0);
    words
}

fn word_distance(w: i32) -> f32 {
    if w > 100 {
        return 1e-30;
    }
    (1.0 / (1.005 + 0.05 * (f64::from(w as f32) / 1.5 - 2.0).exp())) as f32
}

fn weight(w: &Weights, stored: u16) -> f32 {
    w[usize::from(weight_of(stored))]
}

fn rank_and(w: &Weights, v: &VectorRef<'_>, q: &Query<'_>) -> f32 {
    let words = unique_words(q);
    if words.len() < 2 {
        return rank_or(w, v, q);
    }
    // Of each word the positions of the last lexeme looked at, and whether it really has some.
    let mut seen: Vec<Option<(Vec<u16>, bool)>> = vec![None; words.len()];
    let mut result = -1.0f32;
    for (i, (word, prefix)) in words.iter().enumerate() {
        for lexeme in lexemes(v, word, *prefix) {
            let known = lexeme.has_positions();
            let here: Vec<u16> = if known { lexeme.positions().collect() } else { vec![POSITION_LIMIT - 1] };
            for (there, there_known) in seen[..i].iter().flatten() {
                for p in &here {
                    for t in there {
                        let mut distance = (i32::from(position_of(*p)) - i32::from(position_of(*t))).abs();
                        if distance == 0 && known && *there_known {
                            continue;
                        }
                        if distance == 0 {
                            distance = i32::from(POSITION_LIMIT);
                        }
                        let product = weight(w, *p) * weight(w, *t) * word_distance(distance);
                        let current = f64::from(product).sqrt() as f32;
                        result = if result < 0.0 {
                            current
                        } else {
                            (1.0 - (1.0 - f64::from(result)) * (1.0 - f64::from(current))) as f32
                        };
                    }
                }
            }
            seen[i] = Some((here, known));
        }
    }
    result
}

fn rank_or(w: &Weights, v: &VectorRef<'_>, q: &Query<'_>) -> f32 {
    let words = unique_words(q);
    let mut result = 0.0f32;
    for (word, prefix) in &words {
        for lexeme in lexemes(v, word, *prefix) {
            let here: Vec<u16> = if lexeme.has_positions() { lexeme.positions().collect() } else { vec![0] };
            let (mut sum, mut greatest, mut at) = (0.0f32, -1.0f32, 0i32);
            for (j, p) in here.iter().enumerate() {
                let j = j as i32;
                sum += weight(w, *p) / ((j + 1) * (j + 1)) as f32;
                if weight(w, *p) > greatest {
                    greatest = weight(w, *p);
                    at = j;
                }
            }
            // The sum of 1/i² comes to this.
            let term = greatest + sum - greatest / ((at + 1) * (at + 1)) as f32;
            result = (f64::from(result) + f64::from(term) / 1.64493406685) as f32;
        }
    }
    if !words.is_empty() {
        result /= words.len() as f32;
    }
    result
}

/// `ts_rank`.
pub fn rank(w: &Weights, v: &VectorRef<'_>, q: &Query<'_>, method: i32) -> f32 {
    if v.is_empty() || q.is_empty() {
        return 0.0;
    }
    let mut result = match q.items[0] {
        Item::Operator { op: Op::And | Op::Phrase, .. } => rank_and(w, v, q),
        _ => rank_or(w, v, q),
    };
    if result < 0.0 {
        result = 1e-20;
    }
    if method & NORM_LOG_LENGTH != 0 {
        result = (f64::from(result) / (f64::from(length(v) + 1).ln() / 2f64.ln())) as f32;
    }
    if method & NORM_LENGTH != 0 {
        let n = length(v);
        if n > 0 {
            result /= n as f32;
        }
    }
    if method & NORM_UNIQUE != 0 {
        result /= v.len() as f32;
    }
    if method & NORM_LOG_UNIQUE != 0 {
        result = (f64::from(result) / ((v.len() as f64 + 1.0).ln() / 2f64.ln())) as f32;
    }
    if method & NORM_BY_ITSELF != 0 {
        result /= result + 1.0;
    }
    result
}

/// A place in the document where words of the query are.
struct Place {
    stored: u16,
    /// Their items in the query.
    items: Vec<usize>,
}

/// The places of all words, in order of position, weight and lexeme.
fn document(v: &VectorRef<'_>, q: &Query<'_>) -> Vec<Place> {
    let mut all: Vec<(u16, &[u8], usize)> = Vec::new();
    for (i, item) in q.items.iter().enumerate() {
        let Item::Word { text, weights, prefix } = item else { continue };
        for lexeme in lexemes(v, text, *prefix) {
            for p in lexeme.positions() {
                if *weights == 0 || weight_matches(*weights, p) {
                    all.push((p, lexeme.text, i));
                }
            }
        }
    }
    all.sort_by_key(|(p, text, _)| (position_of(*p), weight_of(*p), *text));
    let mut places: Vec<Place> = Vec::new();
    let mut last: Option<(u16, &[u8])> = None;
    for (p, text, item) in all {
        match places.last_mut() {
            Some(place) if last == Some((p, text)) => place.items.push(item),
            _ => places.push(Place { stored: p, items: vec![item] }),
        }
        last = Some((p, text));
    }
    places
}

/// The words seen in a part of the document that grows at one end.
struct Seen {
    /// For each item of the query, the positions, rising.
    items: Vec<VecDeque<u16>>,
    backwards: bool,
}

impl Seen {
    fn new(items: usize, backwards: bool) -> Seen {
        Seen { items: vec![VecDeque::new(); items], backwards }
    }
    fn add(&mut self, place: &Place) {
        for i in &place.items {
            let seen = &mut self.items[*i];
            let p = position_of(place.stored);
            let end = if self.backwards { seen.front() } else { seen.back() };
            if end == Some(&p) {
                continue;
            }
            if self.backwards { seen.push_front(p) } else { seen.push_back(p) }
        }
    }
}

impl Source for Seen {
    fn word(&mut self, _: &Query<'_>, item: usize, places: Option<&mut Places>) -> Match {
        let seen = &self.items[item];
        if seen.is_empty() {
            return Match::No;
        }
        if let Some(places) = places {
            places.positions.extend(seen);
        }
        Match::Yes
    }
}

/// A shortest part of the document that matches: its places and positions.
struct Cover {
    begin: usize,
    end: usize,
    first: i32,
    last: i32,
}

/// The next one from the `from`th place on, which moves past its beginning.
fn next_cover(doc: &[Place], q: &Query<'_>, from: &mut usize) -> Result<Option<Cover>> {
    while *from < doc.len() {
        let mut seen = Seen::new(q.items.len(), false);
        let mut end = None;
        for (i, place) in doc.iter().enumerate().skip(*from) {
            seen.add(place);
            if matches(q, &mut seen)? {
                end = Some(i);
                break;
            }
        }
        // A match at position 0 doesn't count; there is none.
        let Some(end) = end.filter(|e| position_of(doc[*e].stored) > 0) else { return Ok(None) };
        let mut seen = Seen::new(q.items.len(), true);
        for i in (*from..=end).rev() {
            seen.add(&doc[i]);
            if matches(q, &mut seen)? {
                let position = |i: usize| i32::from(position_of(doc[i].stored));
                *from = i + 1;
                return Ok(Some(Cover { begin: i, end, first: position(i), last: position(end) }));
            }
        }
        *from += 1;
    }
    Ok(None)
}

/// `ts_rank_cd`.
pub fn rank_cover(w: &Weights, v: &VectorRef<'_>, q: &Query<'_>, method: i32) -> Result<f32> {
    let inverse = w.map(|w| 1.0 / f64::from(w));
    let doc = document(v, q);
    if doc.is_empty() {
        return Ok(0.0);
    }
    let (mut result, mut distances, mut previous, mut covers) = (0.0f64, 0.0f64, 0.0f64, 0i32);
    let mut from = 0;
    while let Some(cover) = next_cover(&doc, q, &mut from)? {
        let inverse_sum: f64 = doc[cover.begin..=cover.end]
            .iter()
            .fold(0.0, |sum, p| sum + inverse[usize::from(weight_of(p.stored))]);
        let span = (cover.end - cover.begin) as i32;
        let density = f64::from(span + 1) / inverse_sum;
        // Positions have an upper limit, so that a cover may seem shorter than its words.
        let mut noise = cover.last - cover.first - span;
        if noise < 0 {
            noise = span / 2;
        }
        result += density / f64::from(1 + noise);
        let middle = f64::from(cover.last + cover.first) / 2.0;
        if covers > 0 && middle > previous {
            distances += 1.0 / (middle - previous);
        }
        previous = middle;
        covers += 1;
    }
    if method & NORM_LOG_LENGTH != 0 && !v.is_empty() {
        result /= f64::from(length(v) + 1).ln();
    }
    if method & NORM_LENGTH != 0 {
        let n = length(v);
        if n > 0 {
            result /= f64::from(n);
        }
    }
    if method & NORM_DISTANCE != 0 && covers > 0 && distances > 0.0 {
        result /= f64::from(covers) / distances;
    }
    if method & NORM_UNIQUE != 0 && !v.is_empty() {
        result /= v.len() as f64;
    }
    if method & NORM_LOG_UNIQUE != 0 && !v.is_empty() {
        result /= (v.len() as f64 + 1.0).ln() / 2f64.ln();
    }
    if method & NORM_BY_ITSELF != 0 {
        result /= result + 1.0;
    }
    Ok(result as f32)
}
