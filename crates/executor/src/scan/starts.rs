//! Beginnings of texts: what `substring(column FROM 1 FOR n)` and `left(column, n)` are compared with, tested without taking anything out of
//! the text.

use quarry_functions::FunctionDef;
use quarry_plan::Expr;
use quarry_types::{Datum, oids};

/// Longer beginnings are taken out and compared by the ordinary filter.
const CHARACTERS_MAX: usize = 1000;

/// The values that the first `n` characters of a text may be.
pub(super) struct Starts(Vec<Start>);

struct Start {
    bytes: Vec<u8>,
    /// The text must be this and nothing more: it has fewer characters than are asked for.
    whole: bool,
    /// The first eight bytes, and which of them there are.
    word: u64,
    mask: u64,
}

/// A text's first eight bytes, with zeroes behind its end.
#[inline(always)]
fn word_of(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => {
            let mut bytes = [0; 8];
            bytes[..text.len()].copy_from_slice(text);
            u64::from_le_bytes(bytes)
        }
    }
}

impl Starts {
    /// Texts whose first `n` characters are one of these values: values with more characters are none's.
    pub fn new<'v>(n: usize, values: impl Iterator<Item = &'v [u8]>) -> Starts {
        let start = |bytes: &[u8]| {
            // In UTF-8, bytes that begin no character look like no others.
            let characters = bytes.iter().filter(|b| (**b as i8) >= -0x40).count();
            let mask = if bytes.len() < 8 { (1u64 << (8 * bytes.len())) - 1 } else { u64::MAX };
            let (word, whole) = (word_of(bytes), characters < n);
            (characters <= n).then(|| Start { bytes: bytes.to_vec(), whole, word, mask })
        };
        Starts(values.filter_map(start).collect())
    }

    /// Whether a text begins with one of the values.
    #[inline(always)]
    pub fn has(&self, text: &[u8]) -> bool {
        let word = word_of(text);
        self.0.iter().any(|s| (word ^ s.word) & s.mask == 0 && s.fits(text))
    }
}

impl Start {
    #[inline(always)]
    fn fits(&self, text: &[u8]) -> bool {
        let len = self.bytes.len();
        text.len() >= len && (!self.whole || text.len() == len) && (len <= 8 || text.starts_with(&self.bytes))
    }
}

/// A text, and how many of its first characters are asked for.
pub(super) struct Beginning<'e> {
    pub text: &'e Expr,
    /// The text is of type `char(n)`, and goes without the blanks at its end.
    pub trimmed: bool,
    pub characters: usize,
}

/// What an expression is the beginning of, if it is one whatever the text is.
pub(super) fn beginning(e: &Expr) -> Option<Beginning<'_>> {
    let Expr::Call { function, args, .. } = e else { return None };
    let whole = |e: &Expr| match e {
        Expr::Const { value: Datum::I32(n), .. } => usize::try_from(*n).ok(),
        _ => None,
    };
    let FunctionDef { name, args: types, .. } = function.def();
    let (text, n) = match (*name, *types, &args[..]) {
        ("substring" | "substr", [oids::TEXT, oids::INT4, oids::INT4], [text, from, n]) => {
            (text, whole(n).filter(|_| whole(from) == Some(1))?)
        }
        ("left", [oids::TEXT, oids::INT4], [text, n]) => (text, whole(n)?),
        _ => return None,
    };
    let (text, trimmed) = match text {
        Expr::Call { function, args, .. }
            if function.def().name == "text" && function.def().args == [oids::BPCHAR] =>
        {
            (args.first()?, true)
        }
        text => (text, false),
    };
    (n <= CHARACTERS_MAX).then_some(Beginning { text, trimmed, characters: n })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_taking_the_beginning_out() {
        let texts = [
            "",
            "1",
            "13",
            "13-",
            "é",
            "éé",
            "éa",
            "aé",
            "a\0",
            "a",
            "12345678",
            "123456789",
            "日本語",
            "日本",
        ];
        for n in 0..11 {
            for value in texts {
                let starts = Starts::new(n, std::iter::once(value.as_bytes()));
                for text in texts {
                    let first: String = text.chars().take(n).collect();
                    assert_eq!(
                        starts.has(text.as_bytes()),
                        first == value,
                        "first {n} of {text:?} = {value:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn several_values() {
        let starts = Starts::new(2, [&b"13"[..], b"31", b"7"].into_iter());
        let has = |t: &str| starts.has(t.as_bytes());
        assert!(has("13-245") && has("31") && has("7"));
        assert!(!has("77") && !has("1") && !has("") && !has("3-1"));
    }
}
