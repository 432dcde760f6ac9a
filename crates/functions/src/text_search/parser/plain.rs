//! The tokens that most texts are made of, without the machine: ASCII words, with digits or not, whole numbers and blanks after which nothing begins that the
//! machine would have to try.

use super::token;

/// What a byte can do to a plain token.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
/// After a word or number something longer may begin here: a host, a file, a hyphenated word, a decimal number.
const JOINS: u8 = 4;
/// Blanks end before it, since it may begin a token.
const BEGINS: u8 = 8;
/// A blank can't begin with it.
const NO_BLANK: u8 = 16;
const NOT_ASCII: u8 = 32;

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut b = 0;
    while b < 256 {
        let c = b as u8;
        kinds[b] = if c.is_ascii_alphabetic() {
            LETTER
        } else if c.is_ascii_digit() {
            DIGIT
        } else if !c.is_ascii() {
            NOT_ASCII
        } else {
            match c {
                b'-' | b'/' => JOINS | BEGINS | NO_BLANK,
                b'.' => JOINS | NO_BLANK,
                b'_' | b'@' | b':' => JOINS,
                b'<' | b'+' | b'&' => BEGINS | NO_BLANK,
                b'~' => NO_BLANK,
                _ => 0,
            }
        };
        b += 1;
    }
    kinds
};

/// The token at the beginning of a text and its length; none: the machine must look. Only where nothing is going on.
pub(super) fn token(text: &[u8]) -> Option<(u8, usize)> {
    let kind = |i: usize| text.get(i).map_or(0, |b| KINDS[usize::from(*b)]);
    let run = |of: u8| text.iter().position(|b| KINDS[usize::from(*b)] & of == 0).unwrap_or(text.len());
    let first = kind(0);
    if first == LETTER {
        let len = run(LETTER);
        if kind(len) == DIGIT {
            let len = run(LETTER | DIGIT);
            return (kind(len) & (JOINS | NOT_ASCII) == 0).then_some((token::NUMWORD, len));
        }
        (kind(len) & (DIGIT | JOINS | NOT_ASCII) == 0).then_some((token::ASCIIWORD, len))
    } else if first == DIGIT {
        let len = run(DIGIT);
        (kind(len) & (LETTER | JOINS | NOT_ASCII) == 0).then_some((token::UINT, len))
    } else if first & (NO_BLANK | NOT_ASCII) == 0 {
        let ends = LETTER | DIGIT | BEGINS | NOT_ASCII;
        let len = text.iter().position(|b| KINDS[usize::from(*b)] & ends != 0).unwrap_or(text.len());
        (kind(len) != NOT_ASCII).then_some((token::BLANK, len))
    } else {
        None
    }
}
