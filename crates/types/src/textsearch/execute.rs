//! Whether a query matches, and where (`TS_execute`, `TS_phrase_execute`, `TS_execute_locations`).
//!
//! What is searched answers for single words through [`Source`]; below a phrase operator it gives their positions too. A phrase matches
//! where its last lexeme is; its width is how many positions before that it begins.

use super::query::{Item, Op, Query, weight_matches};
use super::vector::{Lexeme, VectorRef};
use super::{DEPTH_MAX, position_of, too_deep};
use quarry_common::Result;

/// The answer for a word or a subtree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    No,
    Yes,
    /// Positions are wanted and not known.
    Maybe,
}

/// Where something matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Positions of the last lexemes, rising, without weights.
    pub positions: Vec<u16>,
    /// Everywhere but there.
    pub negate: bool,
    /// Positions of a match, less one.
    pub width: i32,
}

/// What is searched.
pub trait Source {
    /// Whether the word, the `item`th of the query, is in it; `places`: also where.
    fn word(&mut self, query: &Query<'_>, item: usize, places: Option<&mut Places>) -> Match;
}

/// Whether the query matches; an empty one never does.
pub fn matches(query: &Query<'_>, source: &mut dyn Source) -> Result<bool> {
    if query.is_empty() {
        return Ok(false);
    }
    Ok(plain(query, 0, source, 0)? != Match::No)
}

/// Whether a vector matches.
pub fn vector_matches(vector: VectorRef<'_>, query: &Query<'_>) -> Result<bool> {
    matches(query, &mut Searched(vector))
}

struct Searched<'a>(VectorRef<'a>);

fn lexeme_matches(lexeme: &Lexeme<'_>, weights: u8, places: Option<&mut Vec<u16>>) -> Match {
    let Some(places) = places else {
        // Without positions weights aren't looked at.
        let found =
            weights == 0 || !lexeme.has_positions() || lexeme.positions().any(|p| weight_matches(weights, p));
        return if found { Match::Yes } else { Match::No };
    };
    if !lexeme.has_positions() {
        return Match::Maybe;
    }
    let before = places.len();
    places
        .extend(lexeme.positions().filter(|p| weights == 0 || weight_matches(weights, *p)).map(position_of));
    if places.len() > before { Match::Yes } else { Match::No }
}

impl Source for Searched<'_> {
    fn word(&mut self, query: &Query<'_>, item: usize, mut places: Option<&mut Places>) -> Match {
        let Item::Word { text, weights, prefix } = query.items[item] else { return Match::No };
        if !prefix {
            return match self.0.find(text.as_bytes()) {
                Ok(i) => lexeme_matches(&self.0.lexeme(i), weights, places.map(|p| &mut p.positions)),
                Err(_) => Match::No,
            };
        }
        let mut found = Match::No;
        for lexeme in self.0.with_prefix(text.as_bytes()) {
            let one = lexeme_matches(&lexeme, weights, places.as_deref_mut().map(|p| &mut p.positions));
            match one {
                Match::No => {}
                Match::Yes => found = Match::Yes,
                Match::Maybe => {
                    if let Some(p) = places {
                        p.positions.clear();
                    }
                    return Match::Maybe;
                }
            }
            if places.is_none() && found == Match::Yes {
                break;
            }
        }
        if let Some(p) = places {
            p.positions.sort_unstable();
            p.positions.dedup();
        }
        found
    }
}

fn plain(q: &Query<'_>, i: usize, source: &mut dyn Source, depth: usize) -> Result<Match> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    let Item::Operator { op, .. } = q.items[i] else { return Ok(source.word(q, i, None)) };
    Ok(match op {
        Op::Not => match plain(q, i + 1, source, depth + 1)? {
            Match::No => Match::Yes,
            Match::Yes => Match::No,
            Match::Maybe => Match::Maybe,
        },
        Op::And => match plain(q, q.left_of(i), source, depth + 1)? {
            Match::No => Match::No,
            left => match plain(q, i + 1, source, depth + 1)? {
                Match::Yes => left,
                right => right,
            },
        },
        Op::Or => match plain(q, q.left_of(i), source, depth + 1)? {
            Match::Yes => Match::Yes,
            left => match plain(q, i + 1, source, depth + 1)? {
                Match::No => left,
                right => right,
            },
        },
        Op::Phrase => match phrase(q, i, source, depth + 1)?.0 {
            Match::Yes => Match::Yes,
            Match::No | Match::Maybe => Match::No,
        },
    })
}

const NOWHERE: (Match, Places) = (Match::No, Places { positions: Vec::new(), negate: false, width: 0 });
const SOMEWHERE: (Match, Places) = (Match::Maybe, Places { positions: Vec::new(), negate: false, width: 0 });

fn phrase(q: &Query<'_>, i: usize, source: &mut dyn Source, depth: usize) -> Result<(Match, Places)> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    let Item::Operator { op, distance, .. } = q.items[i] else {
        let mut places = Places::default();
        let found = source.word(q, i, Some(&mut places));
        return Ok((found, places));
    };
    if op == Op::Not {
        return Ok(match phrase(q, i + 1, source, depth + 1)? {
            (Match::No, mut places) => {
                places.positions.clear();
                places.negate = true;
                (Match::Yes, places)
            }
            (Match::Yes, places) if places.positions.is_empty() => {
                debug_assert!(places.negate);
                NOWHERE
            }
            (Match::Yes, mut places) => {
                places.negate = !places.negate;
                (Match::Yes, places)
            }
            (Match::Maybe, _) => SOMEWHERE,
        });
    }
    let (left_match, mut left) = phrase(q, q.left_of(i), source, depth + 1)?;
    if left_match == Match::No && op != Op::Or {
        return Ok(NOWHERE);
    }
    let (right_match, mut right) = phrase(q, i + 1, source, depth + 1)?;
    if right_match == Match::No && (op != Op::Or || left_match == Match::No) {
        return Ok(NOWHERE);
    }
    if left_match == Match::Maybe || right_match == Match::Maybe {
        return Ok(SOMEWHERE);
    }
    if left_match == Match::No {
        left.width = 0;
    }
    if right_match == Match::No {
        right.width = 0;
    }
    let (left_offset, right_offset, width) = if op == Op::Phrase {
        let distance = i32::from(distance);
        (distance + right.width, 0, distance + left.width + right.width)
    } else {
        // The narrower side's matches are put at the right end of the wider's.
        let width = left.width.max(right.width);
        (width - left.width, width - right.width, width)
    };
    // Which positions come out: those of the left only, of both, of the right only; and whether the rest is meant.
    let (emit, negate) = match (op == Op::Or, left.negate, right.negate) {
        (false, false, false) => ([false, true, false], false),
        (false, true, true) => ([true, true, true], true),
        (false, true, false) => ([false, false, true], false),
        (false, false, true) => ([true, false, false], false),
        (true, false, false) => ([true, true, true], false),
        (true, true, true) => ([false, true, false], true),
        (true, true, false) => ([true, false, false], true),
        (true, false, true) => ([false, false, true], true),
    };
    let positions = merge(&left.positions, &right.positions, emit, left_offset, right_offset);
    if positions.is_empty() && !negate {
        return Ok(NOWHERE);
    }
    Ok((Match::Yes, Places { positions, negate, width }))
}

/// Merges rising lists after adding the offsets; `emit`: what is only left, in both, only right.
fn merge(left: &[u16], right: &[u16], emit: [bool; 3], left_add: i32, right_add: i32) -> Vec<u16> {
    let mut out = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        let l = left.get(i).map(|p| i32::from(*p) + left_add);
        let r = right.get(j).map(|p| i32::from(*p) + right_add);
        let (place, emitted) = match (l, r) {
            (Some(l), Some(r)) if l == r => {
                i += 1;
                j += 1;
                (r, emit[1])
            }
            (Some(l), r) if r.is_none_or(|r| l < r) => {
                i += 1;
                (l, emit[0])
            }
            (_, Some(r)) => {
                j += 1;
                (r, emit[2])
            }
            _ => break,
        };
        if emitted && place > 0 {
            // A width may carry it past what a position can be; PostgreSQL keeps sixteen bits.
            out.push(place as u16);
        }
    }
    out
}

/// Where the ANDed parts of the query match, one entry each (alternatives are one entry, together); empty: it doesn't match, or only
/// because something isn't there.
pub fn locations(query: &Query<'_>, source: &mut dyn Source) -> Result<Vec<Places>> {
    if query.is_empty() {
        return Ok(Vec::new());
    }
    Ok(locate(query, 0, source, 0)?.unwrap_or_default())
}

fn locate(q: &Query<'_>, i: usize, source: &mut dyn Source, depth: usize) -> Result<Option<Vec<Places>>> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    let Item::Operator { op, .. } = q.items[i] else {
        let mut places = Places::default();
        return Ok((source.word(q, i, Some(&mut places)) == Match::Yes).then(|| vec![places]));
    };
    Ok(match op {
        Op::Not => match locate(q, i + 1, source, depth + 1)? {
            None => Some(Vec::new()),
            Some(_) => None,
        },
        Op::And => {
            let Some(mut left) = locate(q, q.left_of(i), source, depth + 1)? else { return Ok(None) };
            let Some(right) = locate(q, i + 1, source, depth + 1)? else { return Ok(None) };
            left.extend(right);
            Some(left)
        }
        Op::Or => {
            let left = locate(q, q.left_of(i), source, depth + 1)?;
            let right = locate(q, i + 1, source, depth + 1)?;
            match (left, right) {
                (None, None) => None,
                (Some(one), None) | (None, Some(one)) => Some(one),
                (Some(l), Some(r)) if l.is_empty() => Some(r),
                (Some(l), Some(r)) if r.is_empty() => Some(l),
                (Some(l), Some(r)) => {
                    let pairs = l.iter().flat_map(|a| r.iter().map(move |b| (a, b)));
                    let union = |(a, b): (&Places, &Places)| Places {
                        positions: merge(&a.positions, &b.positions, [true; 3], 0, 0),
                        negate: false,
                        width: a.width.max(b.width),
                    };
                    Some(pairs.map(union).collect())
                }
            }
        }
        Op::Phrase => match phrase(q, i, source, depth + 1)? {
            (Match::Yes, places) if places.negate => Some(Vec::new()),
            (Match::Yes, places) => Some(vec![places]),
            _ => None,
        },
    })
}
