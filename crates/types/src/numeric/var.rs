//! The working form of a finite number: sign, weight, digits; exact addition, multiplication, division, rounding.

use super::{DEC_DIGITS, DSCALE_MAX, NBASE, Numeric, Repr, head, overflow};
use quarry_common::{Result, bail};
use std::cmp::Ordering;

const BASE: u64 = NBASE as u64;

/// A number: `digits` in base 10000, the first one times 10000^weight. Stripped: no zero at either end, and zero
/// itself is not negative and has no digits and weight 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Var {
    pub negative: bool,
    pub weight: i32,
    pub dscale: i32,
    pub digits: Vec<u16>,
}

/// Ten to the 0..4.
pub(super) const POW10: [u16; 4] = [1, 10, 100, 1000];

impl Var {
    pub fn zero(dscale: i32) -> Var {
        Var { dscale, ..Var::default() }
    }
    pub fn from_u128(mut v: u128) -> Var {
        let mut digits = Vec::new();
        while v > 0 {
            digits.push((v % u128::from(NBASE)) as u16);
            v /= u128::from(NBASE);
        }
        digits.reverse();
        let mut var = Var { negative: false, weight: digits.len() as i32 - 1, dscale: 0, digits };
        var.strip();
        var
    }
    pub fn from_i128(v: i128) -> Var {
        let mut var = Var::from_u128(v.unsigned_abs());
        var.negative = v < 0;
        var
    }
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }
    pub fn strip(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take_while(|d| **d == 0).count();
        if zeros > 0 {
            self.digits.drain(..zeros);
            self.weight -= zeros as i32;
        }
        if self.digits.is_empty() {
            self.weight = 0;
            self.negative = false;
        }
    }
    /// The digit times 10000^power.
    pub fn digit_at(&self, power: i32) -> u16 {
        usize::try_from(self.weight - power).ok().and_then(|i| self.digits.get(i)).copied().unwrap_or(0)
    }
    /// The power of 10000 of the last digit.
    fn last_power(&self) -> i32 {
        self.weight - (self.digits.len() as i32 - 1)
    }
    pub fn into_numeric(mut self) -> Result<Numeric> {
        self.strip();
        if self.weight > i32::from(i16::MAX) {
            return Err(overflow());
        }
        if self.dscale > DSCALE_MAX || self.weight < i32::from(i16::MIN) {
            return Err(overflow());
        }
        let (head, at) = head(self.negative, self.dscale, self.weight);
        let len = at + 2 * self.digits.len();
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&head[..at]);
        for d in &self.digits {
            bytes.extend_from_slice(&d.to_le_bytes());
        }
        Ok(if len <= super::INLINE_BYTES {
            Numeric::from_stored(&bytes)
        } else {
            Numeric { repr: Repr::Heap(bytes) }
        })
    }

    pub fn cmp_abs(&self, other: &Var) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        self.weight.cmp(&other.weight).then_with(|| self.digits.cmp(&other.digits))
    }
    pub fn cmp(&self, other: &Var) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.cmp_abs(other),
            (true, true) => other.cmp_abs(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
    pub fn neg(mut self) -> Var {
        self.negative = !self.negative && !self.is_zero();
        self
    }

    pub fn add(&self, other: &Var) -> Var {
        let dscale = self.dscale.max(other.dscale);
        let mut sum = if self.negative == other.negative {
            Var { negative: self.negative, ..add_abs(self, other) }
        } else {
            match self.cmp_abs(other) {
                Ordering::Equal => Var::default(),
                Ordering::Greater => Var { negative: self.negative, ..sub_abs(self, other) },
                Ordering::Less => Var { negative: other.negative, ..sub_abs(other, self) },
            }
        };
        sum.dscale = dscale;
        sum.strip();
        sum
    }
    pub fn sub(&self, other: &Var) -> Var {
        let negated = Var { negative: !other.negative, ..other.clone() };
        let mut d = self.add(&negated);
        d.strip();
        d
    }
    /// The exact product; its scale is the sum of the scales.
    pub fn mul(&self, other: &Var) -> Var {
        let dscale = self.dscale + other.dscale;
        if self.is_zero() || other.is_zero() {
            return Var::zero(dscale);
        }
        let (short, long) =
            if self.digits.len() <= other.digits.len() { (self, other) } else { (other, self) };
        let mut sums = vec![0u64; short.digits.len() + long.digits.len()];
        // A product is below 10^8, so 10^11 of them fit in a sum: carries wait until the end.
        // Long numbers are often mostly zeroes (1e1000 + 1).
        for (i, a) in short.digits.iter().enumerate().filter(|(_, a)| **a != 0) {
            let a = u64::from(*a);
            for (sum, b) in sums[i + 1..].iter_mut().zip(&long.digits) {
                *sum += a * u64::from(*b);
            }
        }
        let mut carry = 0;
        for s in sums.iter_mut().rev() {
            let v = *s + carry;
            *s = v % BASE;
            carry = v / BASE;
        }
        let mut product = Var {
            negative: self.negative != other.negative,
            weight: self.weight + other.weight + 1,
            dscale,
            digits: sums.iter().map(|s| *s as u16).collect(),
        };
        product.strip();
        product
    }
    /// The product rounded to a scale, if it has more.
    pub fn mul_round(&self, other: &Var, rscale: i32) -> Var {
        let mut p = self.mul(other);
        if p.dscale > rscale {
            p.round(rscale);
        }
        p.dscale = rscale;
        p
    }
    pub fn mul_small(&self, factor: u16) -> Var {
        let mut p = self.mul(&Var::from_u128(u128::from(factor)));
        p.dscale = self.dscale;
        p
    }

    /// The quotient at scale `rscale`, rounded half away from zero or cut. The caller deals with a zero divisor.
    pub fn div(&self, divisor: &Var, rscale: i32, round: bool) -> Result<Var> {
        if divisor.is_zero() {
            bail!(DIVISION_BY_ZERO, "division by zero");
        }
        if self.is_zero() {
            return Ok(Var::zero(rscale.max(0)));
        }
        let weight = self.weight - divisor.weight;
        // One decimal more than asked for decides the rounding.
        let wanted =
            i64::from(weight) + 1 + i64::from(rscale + i32::from(round) + DEC_DIGITS - 1).div_euclid(4);
        let count = wanted.max(1) as usize;
        let mut quotient = Var {
            negative: self.negative != divisor.negative,
            weight,
            dscale: 0,
            digits: divide_digits(&self.digits, &divisor.digits, count),
        };
        quotient.strip();
        if round {
            quotient.round(rscale);
        } else {
            quotient.trunc(rscale);
        }
        Ok(quotient)
    }

    /// Rounds half away from zero at `rscale` decimals (negative: before the point); sets the scale.
    pub fn round(&mut self, rscale: i32) {
        self.cut(rscale, true);
    }
    /// Cuts at `rscale` decimals; sets the scale.
    pub fn trunc(&mut self, rscale: i32) {
        self.cut(rscale, false);
    }
    fn cut(&mut self, rscale: i32, round: bool) {
        self.dscale = rscale.max(0);
        if self.is_zero() {
            return;
        }
        // Decimal digits kept, counted from the first digit's first decimal.
        let keep = i64::from(self.weight + 1) * 4 + i64::from(rscale);
        if keep < 0 {
            *self = Var::zero(self.dscale);
            return;
        }
        let whole = (keep / 4) as usize;
        let part = (keep % 4) as usize;
        if whole >= self.digits.len() {
            return;
        }
        let next = self.digits[whole];
        let up;
        if part == 0 {
            self.digits.truncate(whole);
            up = round && next >= NBASE / 2;
            if up {
                self.carry_into(whole);
            }
        } else {
            self.digits.truncate(whole + 1);
            let unit = POW10[4 - part];
            let lost = next % unit;
            self.digits[whole] = next - lost;
            up = round && lost >= unit / 2 && unit > 1;
            if up {
                self.digits[whole] += unit;
                if self.digits[whole] >= NBASE {
                    self.digits[whole] -= NBASE;
                    self.carry_into(whole);
                }
            }
        }
        self.strip();
    }
    /// Adds one to the digit before `at`.
    fn carry_into(&mut self, at: usize) {
        for d in self.digits[..at].iter_mut().rev() {
            *d += 1;
            if *d < NBASE {
                return;
            }
            *d = 0;
        }
        self.digits.insert(0, 1);
        self.weight += 1;
    }

    /// An approximation; huge values are infinite.
    pub fn to_f64_approx(&self) -> f64 {
        let head = self.digits.iter().take(5).fold(0f64, |v, d| v * 10_000.0 + f64::from(*d));
        let used = self.digits.len().min(5) as i32;
        let exponent = (self.weight + 1 - used) * 4;
        let v = if exponent < -300 {
            head * 10f64.powi(-300) * 10f64.powi(exponent + 300)
        } else {
            head * 10f64.powi(exponent)
        };
        if self.negative { -v } else { v }
    }
    /// The value cut to a whole number; none if it doesn't fit.
    pub fn to_i128(&self) -> Option<i128> {
        if self.is_zero() || self.weight < 0 {
            return Some(0);
        }
        if self.weight > 9 {
            return None;
        }
        let mut v: i128 = 0;
        for power in (0..=self.weight).rev() {
            v = v.checked_mul(i128::from(NBASE))?.checked_add(i128::from(self.digit_at(power)))?;
        }
        Some(if self.negative { -v } else { v })
    }
    /// Whether the value is a whole number.
    pub fn is_whole(&self) -> bool {
        self.digits.len() as i32 <= self.weight + 1
    }
}

fn add_abs(a: &Var, b: &Var) -> Var {
    if a.is_zero() {
        return b.clone();
    }
    if b.is_zero() {
        return a.clone();
    }
    let top = a.weight.max(b.weight) + 1;
    let bottom = a.last_power().min(b.last_power());
    let mut digits = vec![0u16; (top - bottom + 1) as usize];
    let mut carry = 0;
    for (slot, power) in digits.iter_mut().rev().zip(bottom..) {
        let v = a.digit_at(power) + b.digit_at(power) + carry;
        carry = v / NBASE;
        *slot = v % NBASE;
    }
    Var { negative: false, weight: top, dscale: 0, digits }
}

/// a - b where a >= b.
fn sub_abs(a: &Var, b: &Var) -> Var {
    if b.is_zero() {
        return a.clone();
    }
    let bottom = a.last_power().min(b.last_power());
    let mut digits = vec![0u16; (a.weight - bottom + 1) as usize];
    let mut borrow = 0;
    for (slot, power) in digits.iter_mut().rev().zip(bottom..) {
        let from = a.digit_at(power) + NBASE - borrow;
        let v = from - b.digit_at(power);
        borrow = u16::from(v < NBASE);
        *slot = v % NBASE;
    }
    Var { negative: false, weight: a.weight, dscale: 0, digits }
}

/// The first `count` digits of a / b, both read as fractions with the point after their first digit.
fn divide_digits(a: &[u16], b: &[u16], count: usize) -> Vec<u16> {
    let digit = |i: usize| u64::from(a.get(i).copied().unwrap_or(0));
    if b.len() <= 3 {
        // Short division: the remainder is below 10^12, times 10^4 fits.
        let divisor = b.iter().fold(0u64, |v, d| v * BASE + u64::from(*d));
        let mut rest = (0..b.len() - 1).fold(0u64, |v, i| v * BASE + digit(i));
        let mut out = Vec::with_capacity(count);
        for i in 0..count {
            rest = rest * BASE + digit(b.len() - 1 + i);
            out.push((rest / divisor) as u16);
            rest %= divisor;
        }
        return out;
    }
    // Knuth's algorithm D.
    let n = b.len();
    let scale = BASE / (u64::from(b[0]) + 1);
    let mut divisor = vec![0u64; n];
    let mut carry = 0;
    for i in (0..n).rev() {
        let v = u64::from(b[i]) * scale + carry;
        divisor[i] = v % BASE;
        carry = v / BASE;
    }
    let mut rest = vec![0u64; count + n];
    carry = 0;
    for i in (0..count + n - 1).rev() {
        let v = digit(i) * scale + carry;
        rest[i + 1] = v % BASE;
        carry = v / BASE;
    }
    rest[0] = carry;
    let mut out = Vec::with_capacity(count);
    for j in 0..count {
        let top = rest[j] * BASE + rest[j + 1];
        let mut q = (top / divisor[0]).min(BASE - 1);
        let mut r = top - q * divisor[0];
        while r < BASE && q * divisor[1] > r * BASE + rest[j + 2] {
            q -= 1;
            r += divisor[0];
        }
        let mut borrow = 0i64;
        for i in (0..n).rev() {
            let v = rest[j + 1 + i] as i64 - (q * divisor[i]) as i64 - borrow;
            let low = v.rem_euclid(BASE as i64);
            borrow = (low - v) / BASE as i64;
            rest[j + 1 + i] = low as u64;
        }
        let v = rest[j] as i64 - borrow;
        if v < 0 {
            // The estimate was one too large.
            q -= 1;
            let mut carry = 0;
            for i in (0..n).rev() {
                let v = rest[j + 1 + i] + divisor[i] + carry;
                rest[j + 1 + i] = v % BASE;
                carry = v / BASE;
            }
        }
        rest[j] = 0;
        out.push(q as u16);
    }
    out
}
