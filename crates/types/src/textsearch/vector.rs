//! tsvector as stored.
//!
//! | bytes | content |
//! |---|---|
//! | 0..4 | u32 number of lexemes |
//! | 4.. | per lexeme u32: bit 0 it has positions, bits 1..12 its length, bits 12..32 where it begins in the strings |
//! | | the strings: each lexeme; if it has positions, on the next even offset u16 their number and each as u16: weight in the two upper bits, position |
//!
//! All numbers are little-endian. This is PostgreSQL's layout after its length word.

use super::{POSITION_LIMIT, POSITIONS_MAX, STRINGS_BYTES_MAX, position_of, vector_too_long, weight_of};
use crate::Datum;
use bytes::Bytes;
use quarry_common::{Error, Result};
use std::cmp::Ordering;

/// A stored vector, borrowed.
#[derive(Clone, Copy)]
pub struct VectorRef<'a> {
    bytes: &'a [u8],
    len: usize,
    strings: usize,
}

/// One lexeme of it.
#[derive(Clone, Copy, Debug)]
pub struct Lexeme<'a> {
    pub text: &'a [u8],
    /// u16 each, little-endian; empty: none.
    positions: &'a [u8],
}

impl<'a> Lexeme<'a> {
    pub fn as_str(&self) -> &'a str {
        std::str::from_utf8(self.text).expect("lexemes are checked when they enter")
    }
    pub fn has_positions(&self) -> bool {
        !self.positions.is_empty()
    }
    pub fn position_count(&self) -> usize {
        self.positions.len() / 2
    }
    /// Stored positions, rising.
    pub fn positions(&self) -> impl ExactSizeIterator<Item = u16> + use<'a> {
        self.positions.chunks_exact(2).map(|p| u16::from_le_bytes([p[0], p[1]]))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

impl<'a> VectorRef<'a> {
    /// Over bytes in stored form.
    pub fn new(bytes: &'a [u8]) -> VectorRef<'a> {
        let len = u32_at(bytes, 0) as usize;
        VectorRef { bytes, len, strings: 4 + 4 * len }
    }
    pub fn of(datum: &'a Datum) -> VectorRef<'a> {
        VectorRef::new(datum.as_bytes())
    }
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// The `i`th lexeme in order.
    pub fn lexeme(&self, i: usize) -> Lexeme<'a> {
        let entry = u32_at(self.bytes, 4 + 4 * i);
        let len = (entry >> 1 & 0x7ff) as usize;
        let begin = self.strings + (entry >> 12) as usize;
        let text = &self.bytes[begin..begin + len];
        let positions = if entry & 1 == 0 {
            &[][..]
        } else {
            let relative = begin - self.strings + len;
            let at = self.strings + relative + relative % 2;
            let count = usize::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]));
            &self.bytes[at + 2..at + 2 + 2 * count]
        };
        Lexeme { text, positions }
    }
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Lexeme<'a>> + use<'a> {
        let v = *self;
        (0..v.len).map(move |i| v.lexeme(i))
    }
    /// Where `word` is (Ok) or would be (Err).
    pub fn find(&self, word: &[u8]) -> std::result::Result<usize, usize> {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            match word.cmp(self.lexeme(middle).text) {
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => low = middle + 1,
                Ordering::Less => high = middle,
            }
        }
        Err(low)
    }
    /// The lexemes that begin with `prefix`.
    pub fn with_prefix(&self, prefix: &'a [u8]) -> impl Iterator<Item = Lexeme<'a>> + use<'a> {
        let v = *self;
        let first = match v.find(prefix) {
            Ok(i) | Err(i) => i,
        };
        (first..v.len).map(move |i| v.lexeme(i)).take_while(move |l| l.text.starts_with(prefix))
    }
    /// The greatest position in it; 0: none.
    pub fn last_position(&self) -> u16 {
        self.iter().flat_map(|l| l.positions()).map(position_of).max().unwrap_or(0)
    }
}

/// Puts lexemes together. They come in order, each once.
#[derive(Default)]
pub struct VectorBuilder {
    entries: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl VectorBuilder {
    pub fn new() -> VectorBuilder {
        VectorBuilder::default()
    }
    /// Appends a lexeme with its stored positions, rising; none: without.
    pub fn push(&mut self, text: &[u8], positions: impl ExactSizeIterator<Item = u16>) {
        let count = positions.len();
        let begin = self.strings.len() as u32;
        let entry = u32::from(count > 0) | (text.len() as u32 & 0x7ff) << 1 | begin << 12;
        self.entries.extend_from_slice(&entry.to_le_bytes());
        self.strings.extend_from_slice(text);
        if count > 0 {
            if self.strings.len() % 2 == 1 {
                self.strings.push(0);
            }
            self.strings.extend_from_slice(&(count as u16).to_le_bytes());
            for p in positions {
                self.strings.extend_from_slice(&p.to_le_bytes());
            }
        }
        self.count += 1;
    }
    /// Appends a lexeme of another vector.
    pub fn push_lexeme(&mut self, lexeme: &Lexeme<'_>) {
        self.push(lexeme.text, lexeme.positions());
    }
    /// The stored bytes; 54000 if the strings take too much.
    pub fn finish(self) -> Result<Vec<u8>> {
        if self.strings.len() > STRINGS_BYTES_MAX {
            return Err(vector_too_long(self.strings.len()));
        }
        let mut out = Vec::with_capacity(4 + self.entries.len() + self.strings.len());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.entries);
        out.extend_from_slice(&self.strings);
        Ok(out)
    }
    pub fn finish_datum(self) -> Result<Datum> {
        Ok(Datum::Bytes(Bytes::from(self.finish()?)))
    }
}

/// Positions in order, each once with its greatest weight, no more than can be stored (`uniquePos`).
pub fn normalise_positions(positions: &mut Vec<u16>) {
    if positions.len() <= 1 {
        return;
    }
    positions.sort_by_key(|p| position_of(*p));
    let mut kept: Vec<u16> = vec![positions[0]];
    for p in &positions[1..] {
        let last = kept.last_mut().expect("begins with one");
        if position_of(*p) != position_of(*last) {
            kept.push(*p);
            if kept.len() >= POSITIONS_MAX || position_of(*p) == POSITION_LIMIT - 1 {
                break;
            }
        } else if weight_of(*p) > weight_of(*last) {
            *last = *p;
        }
    }
    *positions = kept;
}

/// The vector of words in any order, with repetitions.
pub fn from_words(mut words: Vec<(String, Vec<u16>)>) -> Result<Vec<u8>> {
    words.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut out = VectorBuilder::new();
    let mut words = words.into_iter().peekable();
    while let Some((text, mut positions)) = words.next() {
        while let Some((_, more)) = words.next_if(|w| w.0 == text) {
            positions.extend(more);
        }
        normalise_positions(&mut positions);
        out.push(text.as_bytes(), positions.into_iter());
    }
    out.finish()
}

/// PostgreSQL's order: the shorter value first, then the one with fewer lexemes, then lexeme by lexeme; of those, the one with
/// positions, the one with more, the later and the heavier come first.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (x, y) = (VectorRef::new(a), VectorRef::new(b));
    a.len().cmp(&b.len()).then(x.len().cmp(&y.len())).then_with(|| {
        for (l, r) in x.iter().zip(y.iter()) {
            let order = r
                .has_positions()
                .cmp(&l.has_positions())
                .then_with(|| l.text.cmp(r.text))
                .then_with(|| r.position_count().cmp(&l.position_count()));
            if order != Ordering::Equal {
                return order;
            }
            for (p, q) in l.positions().zip(r.positions()) {
                let order = position_of(q).cmp(&position_of(p)).then_with(|| weight_of(q).cmp(&weight_of(p)));
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
        Ordering::Equal
    })
}

/// Appends the order-preserving form: every part of [`compare`] in its order.
pub fn encode_key(stored: &[u8], out: &mut Vec<u8>) {
    let v = VectorRef::new(stored);
    out.extend_from_slice(&(stored.len() as u32).to_be_bytes());
    out.extend_from_slice(&(v.len() as u32).to_be_bytes());
    for l in v.iter() {
        out.push(u8::from(!l.has_positions()));
        out.extend_from_slice(l.text);
        out.push(0);
        if l.has_positions() {
            out.extend_from_slice(&(!(l.position_count() as u16)).to_be_bytes());
            for p in l.positions() {
                // Position before weight.
                out.extend_from_slice(&(!(position_of(p) << 2 | weight_of(p))).to_be_bytes());
            }
        }
    }
}

fn take<'a>(key: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    let (head, rest) =
        key.split_at_checked(n).ok_or_else(|| Error::corrupted("malformed tsvector in an index key"))?;
    *key = rest;
    Ok(head)
}

/// Moves past what [`encode_key`] wrote.
pub fn skip_key(key: &mut &[u8]) -> Result<()> {
    take(key, 4)?;
    let count = u32::from_be_bytes(take(key, 4)?.try_into().expect("four bytes"));
    for _ in 0..count {
        let has_positions = take(key, 1)?[0] == 0;
        skip_word(key)?;
        if has_positions {
            let n = !u16::from_be_bytes(take(key, 2)?.try_into().expect("two bytes"));
            take(key, 2 * usize::from(n))?;
        }
    }
    Ok(())
}

/// Moves past bytes and their closing zero.
pub(super) fn skip_word(key: &mut &[u8]) -> Result<()> {
    match memchr::memchr(0, key) {
        Some(end) => {
            *key = &key[end + 1..];
            Ok(())
        }
        None => Err(Error::corrupted("malformed word in an index key")),
    }
}
