//! What a text must contain for a pattern to match it: pieces of text, joined by "and" and "or".
//!
//! Each part of a pattern is summed up by the texts it matches, if they are few, or else by the beginnings and ends its matches can have and
//! what they must contain (Russ Cox, "Regular Expression Matching with a Trigram Index"). Texts are in lower case, whatever isn't part of a
//! word is [`BREAK`]; a condition that the text begins or ends here, or a word does, counts as one too. So what is required of a
//! text is always implied by a match, never the reverse.

use super::charset::CharSet;
use super::ctype_data::ALPHA;
use super::parse::{Atom, Branches, Constraint, Parsed, Piece};
use crate::scalar::case::lower_char;
use crate::trigram::is_word;

/// Stands for anything that isn't part of a word.
pub const BREAK: char = ' ';

/// What is required.
#[derive(Clone, PartialEq, Debug)]
pub enum Required {
    /// This is in the text.
    Fragment(Vec<char>),
    All(Vec<Required>),
    Any(Vec<Required>),
}

/// So many texts are told apart.
const TEXTS_MAX: usize = 16;
/// So long may one be.
const TEXT_CHARS_MAX: usize = 64;
/// So many characters on each side of a seam are needed for all trigrams across it.
const SEAM: usize = 2;
/// Sets of up to so many characters are looked at one by one.
const SET_MAX: u32 = 128;
/// Repetitions that are written out.
const COPIES_MAX: u32 = 3;

type Text = Vec<char>;

/// What is known of the matches of a part.
#[derive(Clone)]
enum Known {
    /// They are these.
    Exactly(Vec<Text>),
    Roughly(Rough),
}

/// Every match begins with one of the heads and ends with one of the tails (an empty one says nothing) and has all in `inside`.
#[derive(Clone)]
struct Rough {
    heads: Vec<Text>,
    tails: Vec<Text>,
    inside: Vec<Required>,
}

fn nothing_known() -> Rough {
    Rough { heads: vec![vec![]], tails: vec![vec![]], inside: vec![] }
}

/// What must be in the text of a match; none: nothing is known.
pub fn required(parsed: &Parsed) -> Option<Required> {
    let mut inside = rough(branches(&parsed.root, parsed)).inside;
    if inside.len() > 1 { Some(Required::All(inside)) } else { inside.pop() }
}

fn normal(texts: &mut Vec<Text>) {
    texts.sort_unstable();
    texts.dedup();
}

/// One of the texts is there.
fn one_of(texts: &[Text]) -> Option<Required> {
    // What has no three characters together with its blanks says nothing.
    let tells = |t: &Text| t.len() > 2 || t.windows(2).any(|w| (w[0] == BREAK) != (w[1] == BREAK));
    if texts.is_empty() || !texts.iter().all(tells) {
        return None;
    }
    match texts {
        [one] => Some(Required::Fragment(one.clone())),
        many => Some(Required::Any(many.iter().cloned().map(Required::Fragment).collect())),
    }
}

fn rough(known: Known) -> Rough {
    match known {
        Known::Roughly(r) => r,
        Known::Exactly(texts) => {
            let mut heads: Vec<Text> = texts.iter().map(|t| t[..t.len().min(SEAM)].to_vec()).collect();
            let mut tails: Vec<Text> =
                texts.iter().map(|t| t[t.len().saturating_sub(SEAM)..].to_vec()).collect();
            normal(&mut heads);
            normal(&mut tails);
            Rough { heads, tails, inside: one_of(&texts).into_iter().collect() }
        }
    }
}

/// All joins of one of each; none if they are too many.
fn products(left: &[Text], right: &[Text]) -> Option<Vec<Text>> {
    if left.len() * right.len() > TEXTS_MAX {
        return None;
    }
    let mut all: Vec<Text> =
        left.iter().flat_map(|l| right.iter().map(move |r| [&l[..], r].concat())).collect();
    if all.iter().any(|t| t.len() > TEXT_CHARS_MAX) {
        return None;
    }
    normal(&mut all);
    Some(all)
}

fn sequence(left: Known, right: Known) -> Known {
    if let (Known::Exactly(l), Known::Exactly(r)) = (&left, &right)
        && let Some(all) = products(l, r)
    {
        return Known::Exactly(all);
    }
    let few = |texts: Option<Vec<Text>>, keep: fn(&Text) -> Text| -> Option<Vec<Text>> {
        let mut texts: Vec<Text> = texts?.iter().map(keep).collect();
        normal(&mut texts);
        Some(texts)
    };
    let head = |t: &Text| t[..t.len().min(SEAM)].to_vec();
    let tail = |t: &Text| t[t.len().saturating_sub(SEAM)..].to_vec();
    let (exact_left, exact_right) = (exact(&left), exact(&right));
    let (l, r) = (rough(left), rough(right));
    let heads = match exact_left {
        // Short ones may be followed by what tells more.
        Some(texts) if texts.iter().any(|t| t.len() < SEAM) => {
            few(products(&texts, &r.heads), head).unwrap_or(l.heads)
        }
        _ => l.heads,
    };
    let tails = match exact_right {
        Some(texts) if texts.iter().any(|t| t.len() < SEAM) => {
            few(products(&l.tails, &texts), tail).unwrap_or(r.tails.clone())
        }
        _ => r.tails.clone(),
    };
    let seam = products(&l.tails, &r.heads).and_then(|s| one_of(&s));
    let inside = l.inside.into_iter().chain(seam).chain(r.inside).collect();
    Known::Roughly(Rough { heads, tails, inside })
}

fn exact(known: &Known) -> Option<Vec<Text>> {
    match known {
        Known::Exactly(texts) => Some(texts.clone()),
        Known::Roughly(_) => None,
    }
}

fn joined(mut inside: Vec<Required>) -> Option<Required> {
    if inside.len() > 1 { Some(Required::All(inside)) } else { inside.pop() }
}

fn alternatives(left: Known, right: Known) -> Known {
    let union = |mut a: Vec<Text>, b: Vec<Text>| {
        a.extend(b);
        normal(&mut a);
        a
    };
    if let (Known::Exactly(l), Known::Exactly(r)) = (&left, &right) {
        let all = union(l.clone(), r.clone());
        if all.len() <= TEXTS_MAX {
            return Known::Exactly(all);
        }
    }
    let (l, r) = (rough(left), rough(right));
    let limited = |texts: Vec<Text>| if texts.len() > TEXTS_MAX { vec![vec![]] } else { texts };
    let inside = match (joined(l.inside), joined(r.inside)) {
        (Some(a), Some(b)) if a == b => vec![a],
        (Some(a), Some(b)) => vec![Required::Any(vec![a, b])],
        _ => vec![],
    };
    Known::Roughly(Rough {
        heads: limited(union(l.heads, r.heads)),
        tails: limited(union(l.tails, r.tails)),
        inside,
    })
}

fn branches(b: &Branches, parsed: &Parsed) -> Known {
    let mut all = b.0.iter().map(|branch| {
        branch.iter().fold(Known::Exactly(vec![vec![]]), |known, p| sequence(known, piece(p, parsed)))
    });
    let first = all.next().unwrap_or(Known::Exactly(vec![vec![]]));
    all.fold(first, alternatives)
}

fn piece(p: &Piece, parsed: &Parsed) -> Known {
    let empty = || Known::Exactly(vec![vec![]]);
    if p.max == Some(0) {
        return empty();
    }
    let once = match &p.atom {
        Atom::Set(id) => set(&parsed.sets[*id as usize]),
        Atom::Constraint(c) => constraint(*c),
        Atom::Group { body, .. } => branches(body, parsed),
        Atom::Reference(_) => Known::Roughly(nothing_known()),
    };
    match (p.min, p.max) {
        (1, Some(1)) => once,
        (0, Some(1)) => alternatives(once, empty()),
        (0, _) => Known::Roughly(nothing_known()),
        (min, max) => {
            let copies =
                (1..min.min(COPIES_MAX)).fold(once.clone(), |known, _| sequence(known, once.clone()));
            if max == Some(min) && min <= COPIES_MAX {
                return copies;
            }
            // There may be more of it in between: the ends and what is inside stay.
            let ends = rough(once);
            let copies = rough(copies);
            Known::Roughly(Rough { heads: ends.heads, tails: ends.tails, inside: copies.inside })
        }
    }
}

fn constraint(c: Constraint) -> Known {
    Known::Exactly(vec![match c {
        Constraint::TextBegin
        | Constraint::TextEnd
        | Constraint::LineBegin
        | Constraint::LineEnd
        | Constraint::WordBegin
        | Constraint::WordEnd => vec![BREAK],
        Constraint::WordEdge | Constraint::NoWordEdge | Constraint::Look(_) => vec![],
    }])
}

/// Whether some character of the range may be part of a word.
fn has_word(low: u32, high: u32) -> bool {
    let meets = |l: u32, h: u32| low <= h && l <= high;
    if meets(0, 127) {
        let ascii = (low..=high.min(127)).filter_map(char::from_u32).any(is_word);
        if ascii {
            return true;
        }
    }
    let first = ALPHA.partition_point(|r| r.1 < low.max(128));
    ALPHA.get(first).is_some_and(|r| meets(r.0.max(128), r.1))
}

fn set(set: &CharSet) -> Known {
    let ranges = set.ranges();
    if !ranges.iter().any(|(low, high)| has_word(*low, *high)) {
        return Known::Exactly(vec![vec![BREAK]]);
    }
    let count = ranges.iter().fold(0u32, |n, (low, high)| n.saturating_add(high - low + 1));
    if count > SET_MAX {
        return Known::Roughly(nothing_known());
    }
    let chars = ranges.iter().flat_map(|(low, high)| *low..=*high).filter_map(char::from_u32);
    let mut texts: Vec<Text> = chars.map(|c| vec![if is_word(c) { lower_char(c) } else { BREAK }]).collect();
    normal(&mut texts);
    if texts.len() > TEXTS_MAX { Known::Roughly(nothing_known()) } else { Known::Exactly(texts) }
}

#[cfg(test)]
mod tests {
    use super::super::{Flags, parse};
    use super::*;

    fn show(r: &Required) -> String {
        let list = |parts: &[Required]| parts.iter().map(show).collect::<Vec<_>>().join(" ");
        match r {
            Required::Fragment(f) => format!("{:?}", f.iter().collect::<String>()),
            Required::All(p) => format!("(and {})", list(p)),
            Required::Any(p) => format!("(or {})", list(p)),
        }
    }

    fn of(pattern: &str) -> String {
        let parsed = parse::parse(pattern, Flags::default()).unwrap();
        required(&parsed).map_or_else(String::new, |r| show(&r))
    }

    #[test]
    fn matches_must_have_the_fixed_parts() {
        assert_eq!(of("abcd"), r#""abcd""#);
        assert_eq!(of("^abc"), r#"" abc""#);
        assert_eq!(of("abc.*def"), r#"(and "abc" "def")"#);
        assert_eq!(of("abc|xyz"), r#"(or "abc" "xyz")"#);
        assert_eq!(of("a[bc]d"), r#"(or "abd" "acd")"#);
        assert_eq!(of(r"\mFoo\s+bar"), r#"(and " foo" "oo " " b" " ba" "bar")"#);
        assert_eq!(of(".*"), "");
        assert_eq!(of("(abc)?x"), "");
        assert_eq!(of("(abc)+"), r#""abc""#);
        assert_eq!(of("(?i)AbC"), r#""abc""#);
    }
}
