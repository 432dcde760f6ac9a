//! Comparison, hashing and order-preserving keys of numeric. NaN equals itself and is above everything.
//!
//! A key is a class byte; for finite values other than zero then the weight (i16 big-endian, sign bit flipped) and
//! each digit plus one as u16 big-endian, 0 at the end; of negative values all these bytes are inverted. The
//! display scale is not in the key.

use super::{Class, NBASE, Numeric, NumericRef};
use crate::Datum;
use crate::registry::KeyCodec;
use quarry_common::{Error, Result};
use std::cmp::Ordering;

impl NumericRef<'_> {
    /// SQL's order.
    pub fn compare(self, other: NumericRef<'_>) -> Ordering {
        let (a, b) = (self.class(), other.class());
        if a != Class::Finite || b != Class::Finite {
            return a.cmp(&b);
        }
        let (sa, sb) = (self.signum(), other.signum());
        if sa != sb {
            return sa.cmp(&sb);
        }
        let magnitude = self.weight().cmp(&other.weight()).then_with(|| self.digits().cmp(other.digits()));
        if sa < 0 { magnitude.reverse() } else { magnitude }
    }
    /// The same for values that compare equal.
    pub fn hash(self) -> u64 {
        let sign = match self.class() {
            Class::Finite => self.signum() as i64,
            Class::Nan => 5,
            Class::Infinity => 6,
            Class::NegInfinity => 7,
        };
        let head = crate::hash::hash_i64(sign << 32 | i64::from(self.weight()) & 0xffff_ffff);
        crate::hash::combine(head, crate::hash::hash_bytes(&self.as_bytes()[self.digits_at()..]))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Numeric) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Numeric {}
impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Numeric) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Numeric {
    fn cmp(&self, other: &Numeric) -> Ordering {
        self.view().compare(other.view())
    }
}

pub(crate) fn compare(a: &Datum, b: &Datum) -> Ordering {
    Numeric::of(a).compare(Numeric::of(b))
}
pub(crate) fn hash(v: &Datum) -> u64 {
    Numeric::of(v).hash()
}

const KEY_NEG_INFINITY: u8 = 0x08;
const KEY_NEGATIVE: u8 = 0x10;
const KEY_ZERO: u8 = 0x18;
const KEY_POSITIVE: u8 = 0x20;
const KEY_INFINITY: u8 = 0x28;
const KEY_NAN: u8 = 0x30;

impl NumericRef<'_> {
    /// Appends the order-preserving form.
    pub fn write_key(self, out: &mut Vec<u8>) {
        let class = match self.class() {
            Class::NegInfinity => KEY_NEG_INFINITY,
            Class::Infinity => KEY_INFINITY,
            Class::Nan => KEY_NAN,
            Class::Finite => match self.signum() {
                0 => KEY_ZERO,
                1 => KEY_POSITIVE,
                _ => KEY_NEGATIVE,
            },
        };
        out.push(class);
        let mask = match class {
            KEY_POSITIVE => 0,
            KEY_NEGATIVE => 0xffff,
            _ => return,
        };
        let weight = (self.weight() as i16) as u16 ^ 0x8000;
        out.extend_from_slice(&(weight ^ mask).to_be_bytes());
        self.digits().for_each(|d| out.extend_from_slice(&((d + 1) ^ mask).to_be_bytes()));
        out.extend_from_slice(&mask.to_be_bytes());
    }
}

fn encode(v: &Datum, out: &mut Vec<u8>) {
    Numeric::of(v).write_key(out);
}

fn skip(key: &mut &[u8]) -> Result<()> {
    let malformed = || Error::corrupted("malformed numeric in an index key");
    let mask = match *key.first().ok_or_else(malformed)? {
        KEY_POSITIVE => 0,
        KEY_NEGATIVE => 0xffff,
        _ => {
            *key = &key[1..];
            return Ok(());
        }
    };
    let mut at = 3;
    loop {
        let d = key.get(at..at + 2).ok_or_else(malformed)?;
        at += 2;
        match u16::from_be_bytes([d[0], d[1]]) ^ mask {
            0 => break,
            d if d > NBASE => return Err(malformed()),
            _ => {}
        }
    }
    *key = &key[at..];
    Ok(())
}

pub(crate) const KEY: KeyCodec = KeyCodec { encode, decode: None, skip };
