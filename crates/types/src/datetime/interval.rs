//! Intervals: months, days and microseconds kept apart; arithmetic, order and hash.

use super::*;
use quarry_common::{Result, bail, err};
use std::cmp::Ordering;

/// Months, days and microseconds, each with its sign: a month or day has no fixed length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

fn out_of_range() -> quarry_common::Error {
    err!(DATETIME_VALUE_OUT_OF_RANGE, "interval out of range")
}

/// Rounds to microseconds of whatever `x` counts, as PostgreSQL's TSROUND.
fn ts_round(x: f64) -> f64 {
    (x * 1_000_000.0).round_ties_even() / 1_000_000.0
}

fn f64_to_i32(x: f64) -> Result<i32> {
    if x.is_nan() || x < f64::from(i32::MIN) || x >= 2_147_483_648.0 {
        return Err(out_of_range());
    }
    Ok(x as i32)
}

/// `x` as an integer if it fits.
pub fn f64_to_i64(x: f64) -> Option<i64> {
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x).then_some(x as i64)
}

impl Interval {
    /// The zero interval.
    pub const ZERO: Interval = Interval { months: 0, days: 0, micros: 0 };

    /// From its fields.
    pub const fn new(months: i32, days: i32, micros: i64) -> Interval {
        Interval { months, days, micros }
    }
    /// The stored form (see [`crate::PhysicalType::B16`]).
    pub fn to_bytes(self) -> [u8; 16] {
        let mut b = [0; 16];
        b[..4].copy_from_slice(&self.months.to_le_bytes());
        b[4..8].copy_from_slice(&self.days.to_le_bytes());
        b[8..].copy_from_slice(&self.micros.to_le_bytes());
        b
    }
    /// Reads the stored form.
    pub fn from_bytes(b: &[u8; 16]) -> Interval {
        Interval {
            months: i32::from_le_bytes(b[..4].try_into().expect("four bytes")),
            days: i32::from_le_bytes(b[4..8].try_into().expect("four bytes")),
            micros: i64::from_le_bytes(b[8..].try_into().expect("eight bytes")),
        }
    }
    /// Length in microseconds with months of 30 days of 24 hours: what comparison and hashing use.
    pub fn span(self) -> i128 {
        let days = i128::from(self.months) * i128::from(DAYS_PER_MONTH) + i128::from(self.days);
        days * i128::from(USECS_PER_DAY) + i128::from(self.micros)
    }
    /// SQL order: 1 month = 30 days = 720 hours.
    pub fn sql_cmp(self, other: Interval) -> Ordering {
        self.span().cmp(&other.span())
    }
    /// `-i`.
    pub fn negate(self) -> Result<Interval> {
        Ok(Interval {
            months: self.months.checked_neg().ok_or_else(out_of_range)?,
            days: self.days.checked_neg().ok_or_else(out_of_range)?,
            micros: self.micros.checked_neg().ok_or_else(out_of_range)?,
        })
    }
    /// `a + b`.
    pub fn add(self, b: Interval) -> Result<Interval> {
        Ok(Interval {
            months: self.months.checked_add(b.months).ok_or_else(out_of_range)?,
            days: self.days.checked_add(b.days).ok_or_else(out_of_range)?,
            micros: self.micros.checked_add(b.micros).ok_or_else(out_of_range)?,
        })
    }
    /// `a - b`.
    pub fn sub(self, b: Interval) -> Result<Interval> {
        Ok(Interval {
            months: self.months.checked_sub(b.months).ok_or_else(out_of_range)?,
            days: self.days.checked_sub(b.days).ok_or_else(out_of_range)?,
            micros: self.micros.checked_sub(b.micros).ok_or_else(out_of_range)?,
        })
    }
    /// `i * factor`: fractions of months become days, fractions of days become time.
    pub fn mul(self, factor: f64) -> Result<Interval> {
        let months_exact = f64::from(self.months) * factor;
        let days_exact = f64::from(self.days) * factor;
        let months = f64_to_i32(months_exact)?;
        let days = f64_to_i32(days_exact)?;
        self.cascade(months, days, months_exact, days_exact, self.micros as f64 * factor)
    }
    /// `i / divisor`.
    pub fn div(self, divisor: f64) -> Result<Interval> {
        if divisor == 0.0 {
            bail!(DIVISION_BY_ZERO, "division by zero");
        }
        let months_exact = f64::from(self.months) / divisor;
        let days_exact = f64::from(self.days) / divisor;
        let months = f64_to_i32(months_exact)?;
        let days = f64_to_i32(days_exact)?;
        self.cascade(months, days, months_exact, days_exact, self.micros as f64 / divisor)
    }
    fn cascade(
        self,
        months: i32,
        mut days: i32,
        months_exact: f64,
        days_exact: f64,
        micros_exact: f64,
    ) -> Result<Interval> {
        let month_days = ts_round((months_exact - f64::from(months)) * DAYS_PER_MONTH as f64);
        let whole_month_days = month_days as i32;
        let mut secs = ts_round(
            (days_exact - f64::from(days) + month_days - f64::from(whole_month_days)) * SECS_PER_DAY as f64,
        );
        // Rounding may have made a full day of it.
        if secs.abs() >= SECS_PER_DAY as f64 {
            let carry = (secs / SECS_PER_DAY as f64) as i32;
            days = days.checked_add(carry).ok_or_else(out_of_range)?;
            secs -= f64::from(carry) * SECS_PER_DAY as f64;
        }
        days = days.checked_add(whole_month_days).ok_or_else(out_of_range)?;
        let micros = (micros_exact + secs * USECS_PER_SEC as f64).round_ties_even();
        Ok(Interval { months, days, micros: f64_to_i64(micros).ok_or_else(out_of_range)? })
    }
    /// `justify_hours`: days out of 24-hour periods.
    pub fn justify_hours(self) -> Result<Interval> {
        let mut r = self;
        let whole = r.micros / USECS_PER_DAY;
        r.micros -= whole * USECS_PER_DAY;
        r.days = i32::try_from(i64::from(r.days) + whole).map_err(|_| out_of_range())?;
        if r.days > 0 && r.micros < 0 {
            r.micros += USECS_PER_DAY;
            r.days -= 1;
        } else if r.days < 0 && r.micros > 0 {
            r.micros -= USECS_PER_DAY;
            r.days += 1;
        }
        Ok(r)
    }
    /// `justify_days`: months out of 30-day periods.
    pub fn justify_days(self) -> Result<Interval> {
        let mut r = self;
        let whole = r.days / DAYS_PER_MONTH as i32;
        r.days -= whole * DAYS_PER_MONTH as i32;
        r.months = r.months.checked_add(whole).ok_or_else(out_of_range)?;
        if r.months > 0 && r.days < 0 {
            r.days += DAYS_PER_MONTH as i32;
            r.months -= 1;
        } else if r.months < 0 && r.days > 0 {
            r.days -= DAYS_PER_MONTH as i32;
            r.months += 1;
        }
        Ok(r)
    }
    /// `justify_interval`: both, with one sign throughout.
    pub fn justify_interval(self) -> Result<Interval> {
        let mut months = i64::from(self.months);
        let mut days = i64::from(self.days);
        let mut micros = self.micros;
        days += micros / USECS_PER_DAY;
        micros %= USECS_PER_DAY;
        months += days / DAYS_PER_MONTH;
        days %= DAYS_PER_MONTH;
        if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
            days += DAYS_PER_MONTH;
            months -= 1;
        } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
            days -= DAYS_PER_MONTH;
            months += 1;
        }
        if days > 0 && micros < 0 {
            micros += USECS_PER_DAY;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= USECS_PER_DAY;
            days += 1;
        }
        Ok(Interval {
            months: i32::try_from(months).map_err(|_| out_of_range())?,
            days: i32::try_from(days).map_err(|_| out_of_range())?,
            micros,
        })
    }
}
