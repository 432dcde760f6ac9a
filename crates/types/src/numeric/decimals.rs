//! The fast form of numeric columns: whole numbers at one scale.
//!
//! A column of numerics that all have the same display scale, and values that fit, is as well a column of `i64`: row i is
//! `values[i] / 10^places`, where `places` is the display scale or less: quotients show many zeroes at their end. Kernels that can compute on that ask a column for it ([`crate::BytesColumn::decimals`], computed at the first
//! question and kept) and give back a column that has only this form ([`crate::BytesColumn::from_decimals`]); stored forms are made of it
//! when somebody asks for bytes. So `a * (1 - b)` and what is summed of it never become digits in base 10000.
//!
//! Invariants: D1 a value's display scale is the column's: what PostgreSQL shows is the same in both forms. D2 rows that are NULL, or
//! that nobody has computed, hold any number. D3 an operation that doesn't fit answers none, for the whole column: the general path
//! computes it row by row. D4 NaN, the infinities and columns of mixed scales have no fast form.

pub use super::quotient::div;
use super::{
    DSCALE_MAX, KIND_SHORT, Numeric, NumericRef, SHORT_DSCALE_SHIFT, SHORT_NEGATIVE, SHORT_WEIGHT,
    SHORT_WEIGHT_BIAS,
};

/// Largest scale of a column that is read from stored forms: three digits in base 10000 after the point.
const READ_SCALE_MAX: u16 = 12;
/// Largest scale of a result: beyond it even one digit doesn't fit.
const SCALE_MAX: u16 = 18;

/// Numbers of one display scale: `values[i] / 10^places`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimals {
    /// At most the display scale.
    places: u16,
    dscale: u16,
    values: Vec<i64>,
}

/// Why values are appended no longer.
pub(crate) enum Stop<S> {
    End,
    /// There was none.
    None,
    /// This one has another scale, or is too large.
    Misfit(S),
}

/// A stored numeric among other bytes.
pub trait Stored<'a>: Copy {
    /// The value's bytes.
    fn bytes(self) -> &'a [u8];
    /// The header and up to four digits as the words of a view: see [`Reading::short`].
    fn words(self) -> Option<(u64, u64)>;
}

impl<'a> Stored<'a> for &'a [u8] {
    #[inline(always)]
    fn bytes(self) -> &'a [u8] {
        self
    }
    #[inline(always)]
    fn words(self) -> Option<(u64, u64)> {
        words(self)
    }
}

/// Bytes that begin with the value, and how many it has: mostly all it can have are there, and are read at once.
impl<'a> Stored<'a> for (&'a [u8], usize) {
    #[inline(always)]
    fn bytes(self) -> &'a [u8] {
        &self.0[..self.1]
    }
    #[inline(always)]
    fn words(self) -> Option<(u64, u64)> {
        let (bytes, len) = self;
        let Some(all) = bytes.first_chunk::<16>() else { return words(self.bytes()) };
        if !(2..=SHORT_MAX as usize).contains(&len) || len % 2 != 0 {
            return None;
        }
        let value = u128::from_le_bytes(*all) & ((1 << (8 * len)) - 1);
        Some((len as u64 | (value as u64) << 32, (value >> 32) as u64))
    }
}

/// An argument of an operation on columns.
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    Column(&'a Decimals),
    /// The first row of these stands for all.
    Constant(&'a Decimals),
}

/// A comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    Equal,
    Different,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Test {
    /// Whether values in this order pass.
    #[inline(always)]
    pub fn accepts(self, order: std::cmp::Ordering) -> bool {
        match self {
            Test::Equal => order.is_eq(),
            Test::Different => order.is_ne(),
            Test::Less => order.is_lt(),
            Test::LessEqual => order.is_le(),
            Test::Greater => order.is_gt(),
            Test::GreaterEqual => order.is_ge(),
        }
    }
    /// The same test with its sides changed.
    pub fn turned(self) -> Test {
        match self {
            Test::Equal | Test::Different => self,
            Test::Less => Test::Greater,
            Test::LessEqual => Test::GreaterEqual,
            Test::Greater => Test::Less,
            Test::GreaterEqual => Test::LessEqual,
        }
    }
}

/// How whole numbers of a scale are added to sums in base 10000 (`NumericAccumulator::add_decimal`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecimalScale {
    pub(super) dscale: u16,
    /// Decimals that the whole numbers have.
    pub(super) places: u16,
    /// What makes of the last digits after the point a whole one in base 10000: 1, 10, 100 or 1000.
    pub(super) factor: i64,
    /// Digits in base 10000 after the point.
    pub(super) fraction: u32,
}

impl DecimalScale {
    /// The number that a whole one of this scale stands for.
    pub fn numeric(self, value: i64) -> Numeric {
        Numeric::from_whole(i128::from(value), self.places.into(), self.dscale.into())
    }
    /// Places and display scale.
    pub(super) fn of_sums(self) -> (u16, u16) {
        (self.places, self.dscale)
    }
}

/// 10 to the `n`, if it fits.
#[inline]
fn pow10(n: u16) -> Option<i64> {
    10i64.checked_pow(u32::from(n))
}

/// How short stored forms of one scale become whole numbers.
#[derive(Clone, Copy)]
struct Reading {
    /// The header, but for sign and weight.
    header: u16,
    /// Digits in base 10000 after the point.
    groups: i32,
    /// What the last of them has too much: 1, 10, 100 or 1000.
    excess: u64,
    /// 2^37 / excess, rounded up: exact for numbers below 10^8.
    inverse: u64,
    /// 10^8 / excess.
    high: i64,
}

/// Bytes of the longest stored form that [`Reading::short`] reads.
const SHORT_MAX: u32 = 10;

impl Reading {
    fn new(dscale: u16) -> Option<Reading> {
        if dscale > READ_SCALE_MAX {
            return None;
        }
        let groups = dscale.div_ceil(4);
        let excess = 10u64.pow(u32::from(groups * 4 - dscale));
        Some(Reading {
            header: KIND_SHORT | dscale << SHORT_DSCALE_SHIFT,
            groups: i32::from(groups),
            excess,
            inverse: (1u64 << 37).div_ceil(excess),
            high: (100_000_000 / excess) as i64,
        })
    }

    /// A value of up to four digits in base 10000, from the two words of its view: length, header and first digit; other digits. No view: 0.
    #[inline(always)]
    fn short(&self, head: u64, rest: u64) -> Option<i64> {
        if head == 0 {
            return Some(0);
        }
        let header = (head >> 32) as u16;
        if header & !(SHORT_NEGATIVE | SHORT_WEIGHT) != self.header {
            return None;
        }
        let weight = i32::from(header & SHORT_WEIGHT) - SHORT_WEIGHT_BIAS;
        let digits = head >> 48 | rest << 16;
        // So many zeroes stand before the digits for the last one to be the last after the point.
        let shift = 3 - weight - self.groups;
        if !(0..4).contains(&shift) {
            return None;
        }
        let x = digits << (16 * shift);
        if shift > 0 && digits >> (64 - 16 * shift) != 0 {
            return None;
        }
        // Two digits, then four, at once.
        const EVEN: u64 = 0x0000_ffff_0000_ffff;
        let pairs = (x & EVEN) * 10_000 + (x >> 16 & EVEN);
        let (first, last) = (pairs & 0xffff_ffff, pairs >> 32);
        let whole = (last * self.inverse) >> 37;
        if whole * self.excess != last {
            return None;
        }
        let value = first as i64 * self.high + whole as i64;
        Some(if header & SHORT_NEGATIVE != 0 { -value } else { value })
    }
}

/// The header and up to four digits of a stored numeric as the words of a view.
#[inline(always)]
fn words(stored: &[u8]) -> Option<(u64, u64)> {
    let half = |at: usize| u64::from(u16::from_le_bytes([stored[at], stored[at + 1]]));
    let word = |at: usize| half(at) | half(at + 2) << 16;
    let (first, rest) = match stored.len() {
        2 => (half(0), 0),
        4 => (word(0), 0),
        6 => (word(0), half(4)),
        8 => (word(0), word(4)),
        10 => (word(0), word(4) | half(8) << 32),
        _ => return None,
    };
    Some((stored.len() as u64 | first << 32, rest))
}

impl NumericRef<'_> {
    /// The value times 10^dscale, if that is its display scale and the result fits.
    pub fn decimal(self, dscale: i32) -> Option<i64> {
        if !self.is_finite() || self.dscale() != dscale {
            return None;
        }
        let (coefficient, fraction) = self.scaled()?;
        let has = 4 * fraction as i32;
        let value = if has <= dscale {
            coefficient.checked_mul(10i128.checked_pow((dscale - has) as u32)?)?
        } else {
            let excess = 10i128.checked_pow((has - dscale) as u32)?;
            if coefficient % excess != 0 {
                return None;
            }
            coefficient / excess
        };
        i64::try_from(value).ok()
    }
}

impl Decimals {
    /// `values / 10^dscale`; none for a scale that no `i64` needs.
    pub fn new(dscale: u16, values: Vec<i64>) -> Option<Decimals> {
        Decimals::shown(dscale, dscale, values)
    }
    /// `values / 10^places` with a display scale; none if it has fewer decimals, or is none, or if no `i64` needs so many places.
    pub fn shown(places: u16, dscale: u16, values: Vec<i64>) -> Option<Decimals> {
        let fits = places <= SCALE_MAX && places <= dscale && i32::from(dscale) <= DSCALE_MAX;
        fits.then_some(Decimals { places, dscale, values })
    }

    /// Reads `n` rows: `words` gives a row's view as two words, `long` a value that doesn't fit in one. Rows without a view are 0.
    #[inline]
    pub(crate) fn read<'a>(
        n: usize,
        words: impl Fn(usize) -> (u64, u64),
        long: impl Fn(usize) -> &'a [u8],
    ) -> Option<Decimals> {
        let first = (0..n).map(|i| (i, words(i).0)).find(|(_, head)| *head != 0);
        let dscale = match first {
            None => 0,
            Some((i, _)) => {
                let v = NumericRef::new(long(i));
                if !v.is_finite() {
                    return None;
                }
                v.dscale() as u16
            }
        };
        let reading = Reading::new(dscale)?;
        let mut values = Vec::with_capacity(n);
        for i in 0..n {
            let (head, rest) = words(i);
            let short = if head as u32 <= SHORT_MAX { reading.short(head, rest) } else { None };
            values.push(match short {
                Some(v) => v,
                None => NumericRef::new(long(i)).decimal(i32::from(dscale))?,
            });
        }
        Some(Decimals { places: dscale, dscale, values })
    }

    /// Begins a column with the display scale of its first value.
    pub(crate) fn begin(first: &[u8], capacity: usize) -> Option<Decimals> {
        let first = NumericRef::new(first);
        let dscale = first.dscale() as u16;
        let fits = first.is_finite() && dscale <= READ_SCALE_MAX;
        fits.then(|| Decimals { places: dscale, dscale, values: Vec::with_capacity(capacity) })
    }
    /// Appends stored values up to the first that is none or doesn't fit.
    #[inline(always)]
    pub(crate) fn extend<'a, S: Stored<'a>>(
        &mut self,
        values: &mut impl Iterator<Item = Option<S>>,
    ) -> Stop<S> {
        let reading = if self.places == self.dscale { Reading::new(self.dscale) } else { None };
        let Some(reading) = reading else {
            return match values.next() {
                Some(Some(stored)) => Stop::Misfit(stored),
                Some(None) => Stop::None,
                None => Stop::End,
            };
        };
        for stored in values {
            let Some(stored) = stored else { return Stop::None };
            let short = stored.words().and_then(|(head, rest)| reading.short(head, rest));
            match short.or_else(|| NumericRef::new(stored.bytes()).decimal(i32::from(self.dscale))) {
                Some(v) => self.values.push(v),
                None => return Stop::Misfit(stored),
            }
        }
        Stop::End
    }

    pub(crate) fn resize(&mut self, n: usize) {
        self.values.resize(n, 0);
    }

    /// Digits after the point of all values.
    pub fn dscale(&self) -> u16 {
        self.dscale
    }
    /// For sums of the values.
    pub fn scale(&self) -> DecimalScale {
        let fraction = self.places.div_ceil(4);
        let factor = 10i64.pow(u32::from(fraction * 4 - self.places));
        DecimalScale { dscale: self.dscale, places: self.places, factor, fraction: fraction.into() }
    }
    /// Decimals that [`Decimals::values`] have.
    pub fn places(&self) -> u16 {
        self.places
    }
    /// The values times 10^places.
    pub fn values(&self) -> &[i64] {
        &self.values
    }
    /// Row `i` in stored form.
    pub fn numeric(&self, i: usize) -> Numeric {
        Numeric::from_whole(i128::from(self.values[i]), self.places.into(), self.dscale.into())
    }

    /// The values with more places.
    fn with_places(&self, places: u16) -> Option<Vec<i64>> {
        let factor = pow10(places.checked_sub(self.places)?)?;
        collect(self.values.iter().map(|v| v.overflowing_mul(factor)))
    }

    /// The negated values.
    pub fn neg(&self) -> Option<Decimals> {
        let values = collect(self.values.iter().map(|v| v.overflowing_neg()))?;
        Some(Decimals { values, ..*self })
    }
}

/// The values, if none has overflowed.
#[inline(always)]
pub(super) fn collect(values: impl Iterator<Item = (i64, bool)>) -> Option<Vec<i64>> {
    let mut bad = false;
    let values = values
        .map(|(v, overflowed)| {
            bad |= overflowed;
            v
        })
        .collect();
    (!bad).then_some(values)
}

/// Computes row by row; none for two constants, which the general path computes once.
#[inline(always)]
fn zip(a: Side<'_>, b: Side<'_>, f: impl Fn(i64, i64) -> (i64, bool)) -> Option<Vec<i64>> {
    match (a, b) {
        (Side::Column(a), Side::Column(b)) => collect(a.iter().zip(b).map(|(a, b)| f(*a, *b))),
        (Side::Column(a), Side::Constant(b)) => collect(a.iter().map(|a| f(*a, b))),
        (Side::Constant(a), Side::Column(b)) => collect(b.iter().map(|b| f(a, *b))),
        (Side::Constant(_), Side::Constant(_)) => None,
    }
}

/// An argument's numbers, without their scale.
#[derive(Clone, Copy)]
enum Side<'a> {
    Column(&'a [i64]),
    Constant(i64),
}

impl<'a> Operand<'a> {
    fn decimals(self) -> &'a Decimals {
        match self {
            Operand::Column(d) | Operand::Constant(d) => d,
        }
    }
    fn dscale(self) -> u16 {
        self.decimals().dscale
    }
    fn places(self) -> u16 {
        self.decimals().places
    }
    fn side(self) -> Option<Side<'a>> {
        Some(match self {
            Operand::Column(d) => Side::Column(&d.values),
            Operand::Constant(d) => Side::Constant(*d.values.first()?),
        })
    }
    /// As [`Operand::side`] with so many places; `room` keeps what had to be computed.
    fn side_at<'r>(self, places: u16, room: &'r mut Vec<i64>) -> Option<Side<'r>>
    where
        'a: 'r,
    {
        if self.places() == places {
            return self.side();
        }
        Some(match self {
            Operand::Column(d) => {
                *room = d.with_places(places)?;
                Side::Column(room)
            }
            Operand::Constant(d) => {
                let factor = pow10(places.checked_sub(d.places)?)?;
                Side::Constant(d.values.first()?.checked_mul(factor)?)
            }
        })
    }
}

/// Two arguments with as many places as the one that has more.
fn aligned<R>(a: Operand<'_>, b: Operand<'_>, f: impl FnOnce(Side<'_>, Side<'_>) -> Option<R>) -> Option<R> {
    let places = a.places().max(b.places());
    let (mut room_a, mut room_b) = (vec![], vec![]);
    f(a.side_at(places, &mut room_a)?, b.side_at(places, &mut room_b)?)
}

fn add_or_sub(a: Operand<'_>, b: Operand<'_>, f: impl Fn(i64, i64) -> (i64, bool)) -> Option<Decimals> {
    let values = aligned(a, b, |a, b| zip(a, b, f))?;
    Decimals::shown(a.places().max(b.places()), a.dscale().max(b.dscale()), values)
}

/// a + b.
pub fn add(a: Operand<'_>, b: Operand<'_>) -> Option<Decimals> {
    add_or_sub(a, b, i64::overflowing_add)
}

/// a - b.
pub fn sub(a: Operand<'_>, b: Operand<'_>) -> Option<Decimals> {
    add_or_sub(a, b, i64::overflowing_sub)
}

/// a * b.
pub fn mul(a: Operand<'_>, b: Operand<'_>) -> Option<Decimals> {
    let places = a.places() + b.places();
    if places > SCALE_MAX {
        return None;
    }
    Decimals::shown(places, a.dscale() + b.dscale(), zip(a.side()?, b.side()?, i64::overflowing_mul)?)
}

/// Which rows pass a comparison.
pub fn compare(a: Operand<'_>, b: Operand<'_>, test: Test) -> Option<Vec<bool>> {
    match (a, b) {
        (Operand::Constant(_), Operand::Constant(_)) => None,
        (Operand::Column(a), Operand::Constant(b)) => compare_constant(a, b, test),
        (Operand::Constant(a), Operand::Column(b)) => compare_constant(b, a, test.turned()),
        (Operand::Column(_), Operand::Column(_)) => aligned(a, b, |a, b| {
            let (Side::Column(a), Side::Column(b)) = (a, b) else { return None };
            let pairs = a.iter().zip(b);
            Some(match test {
                Test::Equal => pairs.map(|(a, b)| a == b).collect(),
                Test::Different => pairs.map(|(a, b)| a != b).collect(),
                Test::Less => pairs.map(|(a, b)| a < b).collect(),
                Test::LessEqual => pairs.map(|(a, b)| a <= b).collect(),
                Test::Greater => pairs.map(|(a, b)| a > b).collect(),
                Test::GreaterEqual => pairs.map(|(a, b)| a >= b).collect(),
            })
        }),
    }
}

fn compare_constant(column: &Decimals, constant: &Decimals, test: Test) -> Option<Vec<bool>> {
    let k = i128::from(*constant.values.first()?);
    let (low, high, within) = bounds(k, constant.places, column.places, test)?;
    let values = column.values.iter();
    Some(match within {
        true => values.map(|v| (low <= *v) & (*v <= high)).collect(),
        false => values.map(|v| (low > *v) | (*v > high)).collect(),
    })
}

/// The whole numbers with `to` places of which a comparison with `k / 10^from` is true: those from the least to the greatest (the first two,
/// both included; empty if they are the wrong way round), or with `false` all others.
fn bounds(k: i128, from: u16, to: u16, test: Test) -> Option<(i64, i64, bool)> {
    // The constant lies at `floor`, or between it and the next number.
    let (floor, exact) = match from.checked_sub(to) {
        Some(excess) => {
            let unit = i128::from(pow10(excess)?);
            (k.div_euclid(unit), k.rem_euclid(unit) == 0)
        }
        None => (k.checked_mul(i128::from(pow10(to - from)?))?, true),
    };
    let clamp = |v: i128| v.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    let fits = i64::try_from(floor).is_ok();
    const NOTHING: (i64, i64, bool) = (1, 0, true);
    const ALL: (i64, i64, bool) = (1, 0, false);
    let up_to = |v: i128| if v < i64::MIN.into() { NOTHING } else { (i64::MIN, clamp(v), true) };
    let from_on = |v: i128| if v > i64::MAX.into() { NOTHING } else { (clamp(v), i64::MAX, true) };
    Some(match test {
        Test::Equal if exact && fits => (clamp(floor), clamp(floor), true),
        Test::Equal => NOTHING,
        Test::Different if exact && fits => (clamp(floor), clamp(floor), false),
        Test::Different => ALL,
        Test::Less => up_to(if exact { floor - 1 } else { floor }),
        Test::LessEqual => up_to(floor),
        Test::Greater => from_on(floor + 1),
        Test::GreaterEqual => from_on(if exact { floor } else { floor + 1 }),
    })
}

const _: () = assert!((SCALE_MAX as i32) < DSCALE_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BytesColumn;
    use crate::numeric::NumericAccumulator;

    fn number(text: &str) -> Numeric {
        Numeric::parse(text).expect("a number")
    }

    fn column(values: &[&str]) -> BytesColumn {
        let mut c = BytesColumn::default();
        for v in values {
            c.push(number(v).as_bytes());
        }
        c
    }

    fn decimals(values: &[&str]) -> Option<Decimals> {
        column(values).decimals().cloned()
    }

    #[test]
    fn reads_what_it_writes() {
        let cases: [(u16, &[&str]); 9] = [
            (0, &["0", "1", "-9999", "10000", "123456789012345678", "-9223372036854775808"]),
            (1, &["0.0", "-0.1", "9999.9", "10000.0", "99999999999.9"]),
            (2, &["0.05", "-12345.67", "104949.50", "0.00", "100.00", "9999999999999999.99"]),
            (3, &["0.001", "1.010", "-9999.999"]),
            (4, &["0.0001", "-1.0000", "12345678.9012"]),
            (6, &["0.000001", "1.100000", "99999999.999999", "123456789.000001"]),
            (8, &["0.00000001", "-0.00010000", "1.00000000"]),
            (11, &["0.00000000001", "7.00000000000"]),
            (12, &["0.000000000001", "-9999.000000000000", "1.000000000000"]),
        ];
        for (dscale, texts) in cases {
            let c = column(texts);
            let d = c.decimals().unwrap_or_else(|| panic!("{texts:?} are whole numbers of one scale"));
            assert_eq!(d.dscale(), dscale);
            let back = BytesColumn::from_decimals(d.clone());
            for (i, text) in texts.iter().enumerate() {
                assert_eq!(d.numeric(i).to_string(), *text);
                assert_eq!(back.get(i), c.get(i), "{text}");
            }
        }
    }

    #[test]
    fn a_value_reads_the_same_whatever_follows_it() {
        let bytes: Vec<u8> = (1..40).collect();
        for len in 0..=14 {
            for rest in [0, 1, 15, 16, 20] {
                let all = &bytes[..len + rest];
                assert_eq!((all, len).words(), bytes[..len].words(), "{len} bytes, {rest} behind them");
                assert_eq!((all, len).bytes(), &bytes[..len]);
            }
        }
    }

    #[test]
    fn refuses_what_is_no_such_column() {
        assert_eq!(decimals(&["1.0", "1.00"]), None);
        assert_eq!(decimals(&["NaN"]), None);
        assert_eq!(decimals(&["1", "Infinity"]), None);
        assert_eq!(decimals(&["9223372036854775808"]), None);
        assert_eq!(decimals(&["0.0000000000001"]), None);
        assert_eq!(decimals(&["92233720368547758.08"]), None);
    }

    #[test]
    fn operations_agree_with_the_general_ones() {
        let a = column(&["12.34", "-0.01", "0.00", "99999.99"]);
        let b = column(&["0.5", "-3.0", "7.1", "99999.9"]);
        let k = column(&["1.125"]);
        let (da, db, dk) = (a.decimals().unwrap(), b.decimals().unwrap(), k.decimals().unwrap());
        let view = |c: &BytesColumn, i: usize| NumericRef::new(c.get(i)).to_numeric();
        type Whole = fn(Operand<'_>, Operand<'_>) -> Option<Decimals>;
        type General = fn(&Numeric, &Numeric) -> quarry_common::Result<Numeric>;
        let operations: [(Whole, General); 3] =
            [(add, Numeric::add), (sub, Numeric::sub), (mul, Numeric::mul)];
        for (fast, general) in operations {
            let columns = fast(Operand::Column(da), Operand::Column(db)).unwrap();
            let right = fast(Operand::Column(da), Operand::Constant(dk)).unwrap();
            let left = fast(Operand::Constant(dk), Operand::Column(db)).unwrap();
            for i in 0..4 {
                let (x, y, z) = (view(&a, i), view(&b, i), view(&k, 0));
                assert_eq!(columns.numeric(i).to_string(), general(&x, &y).unwrap().to_string());
                assert_eq!(right.numeric(i).to_string(), general(&x, &z).unwrap().to_string());
                assert_eq!(left.numeric(i).to_string(), general(&z, &y).unwrap().to_string());
            }
        }
        let big = decimals(&["9000000000000000000"]).unwrap();
        assert_eq!(add(Operand::Column(&big), Operand::Column(&big)), None);
        assert_eq!(mul(Operand::Column(&big), Operand::Constant(&big)), None);
    }

    #[test]
    fn sums_agree_with_the_general_ones() {
        let c = column(&["12.345", "-0.001", "99999.999", "7.000"]);
        let d = c.decimals().unwrap();
        let (mut one, mut all, mut squares) =
            (NumericAccumulator::new(), NumericAccumulator::new(), NumericAccumulator::with_squares());
        let (mut general, mut general_squares) =
            (NumericAccumulator::new(), NumericAccumulator::with_squares());
        for i in 0..c.len() {
            one.add_decimal(d.values()[i], d.scale());
            squares.add_decimal(d.values()[i], d.scale());
            general.add(NumericRef::new(c.get(i)));
            general_squares.add(NumericRef::new(c.get(i)));
        }
        all.add_decimals(d.values().iter().copied(), d.scale());
        let text = |n: quarry_common::Result<Option<Numeric>>| n.unwrap().unwrap().to_string();
        assert_eq!(text(general.sum()), "100019.343");
        assert_eq!(text(one.sum()), text(general.sum()));
        assert_eq!(text(all.sum()), text(general.sum()));
        assert_eq!(text(all.avg()), text(general.avg()));
        assert_eq!(text(squares.variance(true)), text(general_squares.variance(true)));
    }

    #[test]
    fn comparisons_agree_with_the_general_one() {
        let tests =
            [Test::Equal, Test::Different, Test::Less, Test::LessEqual, Test::Greater, Test::GreaterEqual];
        let a = column(&["-0.05", "0.00", "0.04", "0.05", "0.06", "24.00"]);
        let constants =
            ["0.05", "0.050", "0.055", "-0.0501", "24", "9223372036854775807", "-9223372036854775808", "0"];
        let da = a.decimals().unwrap();
        for text in constants {
            let k = column(&[text]);
            let dk = k.decimals().unwrap();
            for test in tests {
                let got = compare(Operand::Column(da), Operand::Constant(dk), test).unwrap();
                let turned = compare(Operand::Constant(dk), Operand::Column(da), test).unwrap();
                for i in 0..a.len() {
                    let order = NumericRef::new(a.get(i)).compare(NumericRef::new(k.get(0)));
                    assert_eq!(got[i], test.accepts(order), "row {i} {test:?} {text}");
                    assert_eq!(turned[i], test.accepts(order.reverse()), "{text} {test:?} row {i}");
                }
            }
        }
        let b = column(&["-0.050", "0.001", "0.039"]);
        let a3 = column(&["-0.05", "0.00", "0.04"]);
        let got = compare(
            Operand::Column(a3.decimals().unwrap()),
            Operand::Column(b.decimals().unwrap()),
            Test::Less,
        );
        assert_eq!(got, Some(vec![false, true, false]));
    }
}
