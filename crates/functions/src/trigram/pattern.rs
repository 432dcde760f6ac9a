//! Which trigrams a text has that matches a pattern.

use super::{Trigram, is_word, of_chars, sort_distinct};
use crate::scalar::case::lower_char;
use crate::scalar::regex::required::{BREAK, Required};

/// Adds the trigrams of a known piece of a text. A word that begins or ends where the piece does may go on there; anything that isn't
/// part of a word, `BREAK` too, ends it.
pub fn of_fragment(fragment: &[char], out: &mut Vec<Trigram>) {
    let mut padded = Vec::with_capacity(fragment.len() + 3);
    let mut i = 0;
    while i < fragment.len() {
        if !is_word(fragment[i]) {
            i += 1;
            continue;
        }
        let end = fragment[i..].iter().position(|c| !is_word(*c)).map_or(fragment.len(), |n| i + n);
        padded.clear();
        if i > 0 {
            padded.extend([' ', ' ']);
        }
        padded.extend(fragment[i..end].iter().map(|c| lower_char(*c)));
        if end < fragment.len() {
            padded.push(' ');
        }
        out.extend(padded.windows(3).map(of_chars));
        i = end;
    }
}

/// The trigrams that every match of a LIKE pattern has, in order and each once.
pub fn of_like(pattern: &str) -> Vec<Trigram> {
    let mut out = vec![];
    let mut fragment = vec![BREAK];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => {
                of_fragment(&fragment, &mut out);
                fragment.clear();
            }
            '\\' => fragment.extend(chars.next()),
            _ => fragment.push(c),
        }
    }
    fragment.push(BREAK);
    of_fragment(&fragment, &mut out);
    sort_distinct(&mut out);
    out
}

/// What a text must have for a regular expression to match, in trigrams.
#[derive(Clone, PartialEq, Debug)]
pub enum Needs {
    Trigram(Trigram),
    All(Vec<Needs>),
    Any(Vec<Needs>),
}

/// Trigrams are looked for up to this many.
const TRIGRAMS_MAX: usize = 256;

/// What matches must have; none: nothing that trigrams tell.
pub fn of_regex(required: &Required) -> Option<Needs> {
    needs(required, &mut 0)
}

fn needs(required: &Required, count: &mut usize) -> Option<Needs> {
    match required {
        Required::Fragment(fragment) => {
            let mut all = vec![];
            of_fragment(fragment, &mut all);
            sort_distinct(&mut all);
            // Fewer trigrams find more, which is right too.
            all.truncate(TRIGRAMS_MAX.saturating_sub(*count));
            *count += all.len();
            joined(all.into_iter().map(Needs::Trigram).collect())
        }
        Required::All(parts) => joined(parts.iter().filter_map(|p| needs(p, count)).collect()),
        Required::Any(parts) => {
            let before = *count;
            let mut all = Vec::with_capacity(parts.len());
            for part in parts {
                match needs(part, count) {
                    Some(n) => all.push(n),
                    None => {
                        *count = before;
                        return None;
                    }
                }
            }
            if all.len() > 1 { Some(Needs::Any(all)) } else { all.pop() }
        }
    }
}

fn joined(mut parts: Vec<Needs>) -> Option<Needs> {
    if parts.len() > 1 { Some(Needs::All(parts)) } else { parts.pop() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[Trigram]) -> Vec<String> {
        all.iter().map(|t| String::from_utf8_lossy(t).into_owned()).collect()
    }

    #[test]
    fn like_patterns_need_the_trigrams_of_their_fixed_parts() {
        assert_eq!(texts(&of_like("a%bcd%")), ["  a", "bcd"]);
        assert_eq!(texts(&of_like("%foo bar_")), ["  b", " ba", "bar", "foo", "oo "]);
        assert_eq!(texts(&of_like(r"%a\%bc%")), ["  b", " bc"]);
        assert_eq!(texts(&of_like("%ab%")), [""; 0]);
        assert_eq!(texts(&of_like("AB")), ["  a", " ab", "ab "]);
    }
}
