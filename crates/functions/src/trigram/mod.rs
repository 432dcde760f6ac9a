//! Trigrams of texts, as pg_trgm has them (PostgreSQL: `contrib/pg_trgm/trgm_op.c`).
//!
//! A text's words are its runs of letters and digits, lowercased, with two blanks before and one after; the trigrams are all runs of
//! three characters in them. A trigram is three bytes: ASCII characters as they are, others by a checksum of their UTF-8.
//! [`words`] compares parts of texts, [`pattern`] says which trigrams matches of LIKE and of regular expressions have.

pub mod pattern;
pub mod words;

use crate::scalar::case::lower_char;
use crate::scalar::regex::is_alpha;
use quarry_types::textsearch::query::checksum;

/// Three characters.
pub type Trigram = [u8; 3];

/// Whether words are made of it.
pub fn is_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { is_alpha(c) }
}

/// The trigram of three characters.
fn of_chars(chars: &[char]) -> Trigram {
    let mut utf8 = [0; 12];
    let mut len = 0;
    for c in chars {
        len += c.encode_utf8(&mut utf8[len..]).len();
    }
    match utf8[..len] {
        [a, b, c] => [a, b, c],
        ref bytes => {
            let [a, b, c, _] = checksum(bytes).to_le_bytes();
            [a, b, c]
        }
    }
}

/// Where in its word a trigram stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    pub first: bool,
    pub last: bool,
}

/// Calls `found` for every trigram of a text, in order and with repetitions.
pub fn each(text: &str, mut found: impl FnMut(Trigram, Place)) {
    if text.is_ascii() {
        return each_ascii(text.as_bytes(), &mut found);
    }
    let mut word: Vec<char> = vec![];
    let mut chars = text.chars();
    loop {
        let c = chars.next();
        match c {
            Some(c) if is_word(c) => word.push(lower_char(c)),
            _ if word.is_empty() => {}
            _ => {
                word.splice(0..0, [' ', ' ']);
                word.push(' ');
                let count = word.len() - 2;
                for (i, w) in word.windows(3).enumerate() {
                    found(of_chars(w), Place { first: i == 0, last: i + 1 == count });
                }
                word.clear();
            }
        }
        if c.is_none() {
            return;
        }
    }
}

fn each_ascii(text: &[u8], found: &mut impl FnMut(Trigram, Place)) {
    let mut window = [b' '; 3];
    let mut inside = false;
    for b in text {
        if b.is_ascii_alphanumeric() {
            window = [window[1], window[2], b.to_ascii_lowercase()];
            found(window, Place { first: !inside, last: false });
            inside = true;
        } else if inside {
            found([window[1], window[2], b' '], Place { first: false, last: true });
            window = [b' '; 3];
            inside = false;
        }
    }
    if inside {
        found([window[1], window[2], b' '], Place { first: false, last: true });
    }
}

/// The trigrams of a text, in order and each once.
pub fn distinct(text: &str) -> Vec<Trigram> {
    let mut all = Vec::with_capacity(text.len() + 2);
    each(text, |t, _| all.push(t));
    sort_distinct(&mut all);
    all
}

fn sort_distinct(all: &mut Vec<Trigram>) {
    all.sort_unstable();
    all.dedup();
}

/// The share of common trigrams among `len1` and `len2` that they have.
fn share(common: usize, len1: usize, len2: usize) -> f32 {
    common as f32 / (len1 + len2 - common) as f32
}

/// How similar two texts are: the share of their trigrams that both have.
pub fn similarity(a: &str, b: &str) -> f32 {
    let (a, b) = (distinct(a), distinct(b));
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                i += 1;
                j += 1;
                common += 1;
            }
        }
    }
    share(common, a.len(), b.len())
}

/// `show_trgm`: trigrams as text in the order of signed bytes; those that aren't plain characters as hexadecimal numbers.
pub fn shown(text: &str) -> Vec<String> {
    let mut all = distinct(text);
    all.sort_unstable_by_key(|t| t.map(|b| b ^ 0x80));
    let show = |t: &Trigram| match t.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ') {
        true => t.iter().map(|b| char::from(*b)).collect(),
        false => format!("0x{:02x}{:02x}{:02x}", t[0], t[1], t[2]),
    };
    all.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigrams_are_postgresqls() {
        assert_eq!(shown("a b C0*%^"), ["  a", "  b", "  c", " a ", " b ", " c0", "c0 "]);
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(shown("--"), [""; 0]);
        assert_eq!(shown("é"), ["0xe69b54", "0xe82c48"]);
        let mixed = shown("naïve Ärger x").join(",");
        let expected =
            "0xb96f40,0xd8acd7,0xf05920,0x0bfdec,  n,  x, na, x ,0x59a8da,0x5be7e5,er ,ger,rge,ve ";
        assert_eq!(mixed, expected);
    }

    #[test]
    fn similarities_are_postgresqls() {
        assert_eq!(similarity("wow", "WOWa "), 0.5);
        assert_eq!(similarity("wow", " WOW "), 1.0);
        assert_eq!(similarity("---", "####---"), 0.0);
    }
}
