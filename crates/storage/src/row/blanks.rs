//! Text of a fixed number of characters, `char(n)`, without the blanks that fill it up.
//!
//! A column of [`Width::Padded`](super::Width) keeps what is left of a value when the blanks at its end are taken off, if putting blanks there
//! up to `n` characters gives the value again; any other value is kept as it is, under a tag of its own. In UTF-8 each character has
//! one byte that doesn't continue another, and these are counted: that is exact for bytes of any encoding too, as the same count
//! decides on both ways.

/// How many characters there are.
#[inline]
pub fn characters(text: &[u8]) -> usize {
    if is_ascii(text) { text.len() } else { count(text) }
}

/// Whether there are only ASCII characters. No byte is looked at alone in texts of eight and more: the last eight may overlap those before.
#[inline]
fn is_ascii(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let Some(last) = text.last_chunk::<8>() else { return text.iter().all(u8::is_ascii) };
    let (words, _) = text.as_chunks::<8>();
    let all = words.iter().fold(u64::from_le_bytes(*last), |all, word| all | u64::from_le_bytes(*word));
    all & HIGH == 0
}

#[cold]
fn count(text: &[u8]) -> usize {
    text.iter().filter(|b| (**b as i8) >= -0x40).count()
}

/// The value without the blanks at its end.
#[inline]
pub fn trimmed(value: &[u8]) -> &[u8] {
    let mut end = value.len();
    while let Some(last) = value[..end].last_chunk::<8>() {
        if *last != [b' '; 8] {
            break;
        }
        end -= 8;
    }
    while end > 0 && value[end - 1] == b' ' {
        end -= 1;
    }
    &value[..end]
}

/// What a value of `n` characters is stored as; none if it hasn't so many, or hasn't blanks for the missing ones.
#[inline]
pub fn stripped(value: &[u8], n: u32) -> Option<&[u8]> {
    let text = trimmed(value);
    let characters = characters(text) + (value.len() - text.len());
    (characters == n as usize).then_some(text)
}

/// How many blanks are missing behind a stored value.
#[inline]
pub fn missing(text: &[u8], n: u32) -> usize {
    (n as usize).saturating_sub(characters(text))
}

/// The value of which this is stored.
pub fn padded(text: &[u8], n: u32) -> Vec<u8> {
    let blanks = missing(text, n);
    let mut value = Vec::with_capacity(text.len() + blanks);
    value.extend_from_slice(text);
    value.resize(text.len() + blanks, b' ');
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_wherever_they_lie() {
        for len in 0..40 {
            let plain = "x".repeat(len);
            assert_eq!(characters(plain.as_bytes()), len);
            for at in 0..len {
                let text = format!("{}ä{}", &plain[..at], &plain[at + 1..]);
                assert_eq!(characters(text.as_bytes()), len, "{text}");
            }
        }
    }

    #[test]
    fn blanks_go_and_come_back() {
        for (value, n, stored) in [
            ("", 0, Some("")),
            ("   ", 3, Some("")),
            ("a  ", 3, Some("a")),
            (" a ", 3, Some(" a")),
            ("abc", 3, Some("abc")),
            ("äb ", 3, Some("äb")),
            ("日本語", 3, Some("日本語")),
            ("a                   ", 20, Some("a")),
            ("a ", 3, None),
            ("abcd", 3, None),
            ("ab   ", 3, None),
            ("ä", 2, None),
        ] {
            let found = stripped(value.as_bytes(), n);
            assert_eq!(found, stored.map(str::as_bytes), "{value:?} of {n}");
            if let Some(text) = found {
                assert_eq!(padded(text, n), value.as_bytes());
            }
        }
    }

    #[test]
    fn blanks_at_the_end_of_any_length() {
        for text in 0..20 {
            for blanks in 0..40 {
                let mut value = vec![b'x'; text];
                value.resize(text + blanks, b' ');
                assert_eq!(trimmed(&value).len(), text);
            }
        }
    }
}
