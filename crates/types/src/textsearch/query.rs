//! tsquery as stored.
//!
//! | bytes | content |
//! |---|---|
//! | 0..4 | u32 number of items |
//! | 4.. | items of twelve bytes in prefix notation, right operand before left |
//! | | the words, each followed by a zero |
//!
//! A word's item: u8 1, u8 weights (8 A .. 1 D, 0 any), u8 1 for a prefix, u8 0, i32 checksum of the word, u32 length in bits 0..12 and
//! offset among the words. An operator's item: u8 2, u8 operator, u16 distance, u32 how many items on its left operand is, u32 0.
//! All numbers are little-endian. This is PostgreSQL's layout after its length word.

use super::{STRINGS_BYTES_MAX, position_of};
use crate::Datum;
use quarry_common::{Error, Result, bail};
use std::cmp::Ordering;

const _: () = assert!(STRINGS_BYTES_MAX < 1 << 20);

/// An operator, by PostgreSQL's numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Op {
    Not = 1,
    And = 2,
    Or = 3,
    Phrase = 4,
}

impl Op {
    pub fn from_number(n: u8) -> Option<Op> {
        Some(match n {
            1 => Op::Not,
            2 => Op::And,
            3 => Op::Or,
            4 => Op::Phrase,
            _ => return None,
        })
    }
    /// How strongly it binds.
    pub fn priority(self) -> i32 {
        match self {
            Op::Not => 4,
            Op::Phrase => 3,
            Op::And => 2,
            Op::Or => 1,
        }
    }
}

/// One item, with its word borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    Word {
        text: &'a str,
        /// Bit 3 A .. bit 0 D; 0: any.
        weights: u8,
        prefix: bool,
    },
    Operator {
        op: Op,
        distance: u16,
        /// The left operand is so many items on (1 for NOT, whose only operand is the right one).
        left: usize,
    },
}

/// A query read from its stored form.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    pub items: Vec<Item<'a>>,
}

const ITEM_BYTES: usize = 12;

impl<'a> Query<'a> {
    /// From bytes in stored form.
    pub fn new(bytes: &'a [u8]) -> Query<'a> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let count = u32_at(0) as usize;
        let words = 4 + ITEM_BYTES * count;
        let items = (0..count).map(|i| {
            let at = 4 + ITEM_BYTES * i;
            if bytes[at] == 1 {
                let place = u32_at(at + 8);
                let begin = words + (place >> 12) as usize;
                let text = &bytes[begin..begin + (place & 0xfff) as usize];
                let text = std::str::from_utf8(text).expect("words are checked when they enter");
                Item::Word { text, weights: bytes[at + 1], prefix: bytes[at + 2] != 0 }
            } else {
                let op = Op::from_number(bytes[at + 1]).expect("operators are checked when they enter");
                let distance = u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]);
                Item::Operator { op, distance, left: u32_at(at + 4) as usize }
            }
        });
        Query { items: items.collect() }
    }
    pub fn of(datum: &'a Datum) -> Query<'a> {
        Query::new(datum.as_bytes())
    }
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
    /// Where the left operand of the operator at `i` is.
    pub fn left_of(&self, i: usize) -> usize {
        match self.items[i] {
            Item::Operator { left, .. } => i + left,
            Item::Word { .. } => i,
        }
    }
    pub fn words(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.items.iter().filter_map(|i| match i {
            Item::Word { text, .. } => Some(*text),
            Item::Operator { .. } => None,
        })
    }
}

/// The checksum that orders words before they are compared: CRC-32 with the reflected table but shifted the other way, as
/// PostgreSQL's first version had it and the order of values keeps it.
pub fn checksum(word: &[u8]) -> i32 {
    let mut crc = u32::MAX;
    for b in word {
        crc = CRC_TABLE[usize::from((crc >> 24) as u8 ^ b)] ^ crc << 8;
    }
    !crc as i32
}

static CRC_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut i = 0;
    while i < 256 {
        let mut c = i as u32;
        let mut bit = 0;
        while bit < 8 {
            c = if c & 1 == 1 { 0xedb8_8320 ^ c >> 1 } else { c >> 1 };
            bit += 1;
        }
        table[i] = c;
        i += 1;
    }
    table
};

/// The stored form of items in prefix notation; the `left` offsets are made here. 54000 if it gets too large.
pub fn encode(items: &[Item<'_>]) -> Result<Vec<u8>> {
    let words: usize = items
        .iter()
        .map(|i| match i {
            Item::Word { text, .. } => text.len() + 1,
            Item::Operator { .. } => 0,
        })
        .sum();
    if items.len().saturating_mul(ITEM_BYTES).saturating_add(words) > MAX_ALLOC {
        bail!(PROGRAM_LIMIT_EXCEEDED, "tsquery is too large");
    }
    let mut out = Vec::with_capacity(4 + items.len() * ITEM_BYTES + words);
    let lefts = left_offsets(items)?;
    out.extend_from_slice(&(items.len() as u32).to_le_bytes());
    let mut offset = 0u32;
    for (item, left) in items.iter().zip(lefts) {
        match item {
            Item::Word { text, weights, prefix } => {
                out.extend_from_slice(&[1, *weights, u8::from(*prefix), 0]);
                out.extend_from_slice(&checksum(text.as_bytes()).to_le_bytes());
                out.extend_from_slice(&(text.len() as u32 | offset << 12).to_le_bytes());
                offset = offset.wrapping_add(text.len() as u32 + 1);
            }
            Item::Operator { op, distance, .. } => {
                out.extend_from_slice(&[2, *op as u8]);
                out.extend_from_slice(&distance.to_le_bytes());
                out.extend_from_slice(&(left as u32).to_le_bytes());
                out.extend_from_slice(&[0; 4]);
            }
        }
    }
    for item in items {
        if let Item::Word { text, .. } = item {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
    }
    Ok(out)
}

/// PostgreSQL's `MaxAllocSize`.
const MAX_ALLOC: usize = 0x3fff_ffff;

/// For each operator how many items on its left operand begins. Checks that the items are one whole tree.
fn left_offsets(items: &[Item<'_>]) -> Result<Vec<usize>> {
    let mut lefts = vec![0; items.len()];
    // From behind: where the subtrees begin that nothing takes yet, the nearest last.
    let mut open: Vec<usize> = Vec::new();
    let missing = || Error::internal("malformed tsquery: operand not found");
    for (i, item) in items.iter().enumerate().rev() {
        if let Item::Operator { op, .. } = item {
            open.pop().ok_or_else(missing)?;
            lefts[i] = match op {
                Op::Not => 1,
                _ => open.pop().ok_or_else(missing)? - i,
            };
        }
        open.push(i);
    }
    if open.len() > 1 {
        return Err(Error::internal("malformed tsquery: extra nodes"));
    }
    Ok(lefts)
}

/// PostgreSQL's order: fewer items first, then shorter, then node by node ([`compare_items`]).
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (x, y) = (Query::new(a), Query::new(b));
    x.items.len().cmp(&y.items.len()).then(a.len().cmp(&b.len())).then_with(|| compare_items(&x, &y))
}

/// Two trees of as many items: the order of their nodes in prefix notation, the distances of phrases after their operands.
fn compare_items(a: &Query<'_>, b: &Query<'_>) -> Ordering {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    encode_items(a, &mut x);
    encode_items(b, &mut y);
    x.cmp(&y)
}

/// Appends the order-preserving form.
pub fn encode_key(stored: &[u8], out: &mut Vec<u8>) {
    let q = Query::new(stored);
    out.extend_from_slice(&(q.items.len() as u32).to_be_bytes());
    out.extend_from_slice(&(stored.len() as u32).to_be_bytes());
    encode_items(&q, out);
}

/// Greater types, operators, distances and checksums come first; words rise.
fn encode_items(q: &Query<'_>, out: &mut Vec<u8>) {
    // Distances wait until both operands are written: (operands still to come, distance).
    let mut waiting: Vec<(u32, Option<u16>)> = Vec::new();
    for item in &q.items {
        match item {
            Item::Operator { op, distance, .. } => {
                out.extend_from_slice(&[0, !(*op as u8)]);
                let operands = if *op == Op::Not { 1 } else { 2 };
                waiting.push((operands, (*op == Op::Phrase).then_some(*distance)));
                continue;
            }
            Item::Word { text, .. } => {
                out.push(1);
                out.extend_from_slice(&(!(checksum(text.as_bytes()) as u32 ^ 1 << 31)).to_be_bytes());
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
        }
        while let Some((operands, distance)) = waiting.last_mut() {
            *operands -= 1;
            if *operands > 0 {
                break;
            }
            if let Some(d) = distance {
                out.extend_from_slice(&(!*d).to_be_bytes());
            }
            waiting.pop();
        }
    }
}

/// Moves past what [`encode_key`] wrote.
pub fn skip_key(key: &mut &[u8]) -> Result<()> {
    let malformed = || Error::corrupted("malformed tsquery in an index key");
    let take = |n: usize, key: &mut &[u8]| -> Result<u32> {
        let (head, rest) = key.split_at_checked(n).ok_or_else(malformed)?;
        *key = rest;
        Ok(head.iter().fold(0, |v, b| v << 8 | u32::from(*b)))
    };
    let count = take(4, key)?;
    take(4, key)?;
    let mut waiting: Vec<(u32, bool)> = Vec::new();
    for _ in 0..count {
        if take(1, key)? == 0 {
            let op = !(take(1, key)? as u8);
            waiting.push((if op == Op::Not as u8 { 1 } else { 2 }, op == Op::Phrase as u8));
            continue;
        }
        take(4, key)?;
        super::vector::skip_word(key)?;
        while let Some((operands, phrase)) = waiting.last_mut() {
            *operands -= 1;
            if *operands > 0 {
                break;
            }
            if *phrase {
                take(2, key)?;
            }
            waiting.pop();
        }
    }
    Ok(())
}

/// Whether a weight mask takes a stored position.
pub fn weight_matches(weights: u8, stored: u16) -> bool {
    debug_assert!(position_of(stored) < super::POSITION_LIMIT);
    weights & 1 << super::weight_of(stored) != 0
}
