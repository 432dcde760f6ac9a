//! LIKE patterns of plain text between `%`, looked for as strings: what a batch is compared with is usually one such constant.

use memchr::memmem::Finder;
use quarry_types::{Rows, Vector, VectorData};

/// A pattern without `_`, taken apart at its `%`.
pub struct Parts {
    /// What the text begins with; without a `%`, what it is.
    first: Vec<u8>,
    /// What must follow, in this order, anywhere.
    middle: Vec<Finder<'static>>,
    /// What it ends with; none without a `%`.
    last: Option<Vec<u8>>,
}

impl Parts {
    /// None for patterns with `_`, and for one that ends in the middle of an escape, which is an error if it gets so far.
    pub fn of(pattern: &[u8]) -> Option<Parts> {
        let mut parts = vec![vec![]];
        let mut bytes = pattern.iter();
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'_' => return None,
                b'%' => {
                    parts.push(vec![]);
                    continue;
                }
                b'\\' => bytes.next()?,
                byte => byte,
            };
            parts.last_mut()?.push(*byte);
        }
        let last = if parts.len() > 1 { parts.pop() } else { None };
        let mut parts = parts.into_iter();
        let first = parts.next()?;
        let middle = parts.filter(|p| !p.is_empty()).map(|p| Finder::new(&p).into_owned()).collect();
        Some(Parts { first, middle, last })
    }

    /// Whether all that is asked is how the text begins.
    pub fn is_prefix(&self) -> bool {
        self.middle.is_empty() && self.last.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether a text is like the pattern.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        let Some(last) = &self.last else { return text == self.first };
        let Some(rest) = text.strip_prefix(&self.first[..]) else { return false };
        let Some(mut rest) = rest.strip_suffix(&last[..]) else { return false };
        for part in &self.middle {
            match part.find(rest) {
                Some(at) => rest = &rest[at + part.needle().len()..],
                None => return false,
            }
        }
        true
    }
}

/// `texts LIKE pattern`, or with `negated` NOT LIKE, for a constant pattern; none if the pattern isn't one of these.
pub fn batch(args: &[&Vector], rows: Rows<'_>, negated: bool) -> Option<Vector> {
    let &[texts, pattern] = args else { return None };
    if !pattern.is_constant() || texts.is_constant() || pattern.is_null(0) {
        return None;
    }
    let (VectorData::Bytes(values), VectorData::Bytes(pattern)) = (texts.data(), pattern.data()) else {
        return None;
    };
    let parts = Parts::of(pattern.get(0))?;
    let mut out = vec![false; rows.len()];
    for i in rows.iter() {
        out[i] = !texts.is_null(i) && parts.matches(values.get(i)) != negated;
    }
    Some(Vector::from_parts(VectorData::Bool(out), texts.validity().map(<[bool]>::to_vec)))
}

#[cfg(test)]
mod tests {
    use super::super::like::matches;
    use super::*;

    #[test]
    fn agrees_with_the_general_way() {
        let patterns = [
            "", "%", "%%", "a", "a%", "%a", "%a%", "a%b", "%ab%ba%", "ab%ba", "%a%a%", "a%a", "\\%%",
            "%\\_%", "%\\\\%", "a\\b", "é%", "%é%é", "aba%aba", "%%a%%b",
        ];
        let texts = [
            "", "a", "b", "ab", "aba", "abba", "abab", "aab", "%", "_a", "\\", "éaé", "é", "ababa", "abaaba",
            "ba%", "a_b",
        ];
        for p in patterns {
            let parts = Parts::of(p.as_bytes()).unwrap();
            for t in texts {
                let expected = matches(t.as_bytes(), p.as_bytes(), true).unwrap();
                assert_eq!(parts.matches(t.as_bytes()), expected, "{t} LIKE {p}");
            }
        }
        assert!(Parts::of(b"a_%").is_none() && Parts::of(b"a%\\").is_none());
    }
}
