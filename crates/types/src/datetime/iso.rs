//! The text of dates and timestamps in its usual form, read without the general decoder: `2024-01-31`, `2024-01-31 23:59:59.5`, with
//! `+01` or `+01:30` after it.
//!
//! A year of four digits in front means the same in every DateStyle. Whatever isn't of exactly this form, or isn't a date and time
//! that exists, is left to the decoder, which knows the other forms and the errors.

use super::calendar::{date_to_julian, days_in_month};
use super::{EPOCH_JDATE, USECS_PER_DAY, USECS_PER_SEC};

/// Two digits.
fn two(t: &[u8]) -> Option<i32> {
    match t {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i32::from(a - b'0') * 10 + i32::from(b - b'0')),
        _ => None,
    }
}

/// Days since 2000-01-01.
pub(super) fn date(t: &[u8]) -> Option<i32> {
    let [c1, c2, y1, y2, b'-', m1, m2, b'-', d1, d2] = *t else { return None };
    let (year, month, day) = (two(&[c1, c2])? * 100 + two(&[y1, y2])?, two(&[m1, m2])?, two(&[d1, d2])?);
    if year < 1000 || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(date_to_julian(year, month, day) - EPOCH_JDATE)
}

/// Microseconds since 2000-01-01 of a date and a time of day, and what follows them.
fn local(t: &[u8]) -> Option<(i64, &[u8])> {
    let (day, t) = t.split_at_checked(10)?;
    let (time, mut rest) = t.split_at_checked(9)?;
    let [b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *time else { return None };
    let (hour, minute, second) = (two(&[h1, h2])?, two(&[m1, m2])?, two(&[s1, s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = i64::from((hour * 60 + minute) * 60 + second) * USECS_PER_SEC;
    if let [b'.', fraction @ ..] = rest {
        let count = fraction.iter().take_while(|c| c.is_ascii_digit()).count();
        if !(1..=6).contains(&count) {
            return None;
        }
        let digits = fraction[..count].iter().fold(0, |v, c| v * 10 + i64::from(c - b'0'));
        micros += digits * 10i64.pow(6 - count as u32);
        rest = &fraction[count..];
    }
    Some((i64::from(date(day)?) * USECS_PER_DAY + micros, rest))
}

/// A timestamp.
pub(super) fn timestamp(t: &[u8]) -> Option<i64> {
    let (local, rest) = local(t)?;
    rest.is_empty().then_some(local)
}

/// A timestamp with time zone, which must be there as an offset.
pub(super) fn timestamptz(t: &[u8]) -> Option<i64> {
    let (local, zone) = local(t)?;
    let (sign, hours, minutes) = match *zone {
        [sign, h1, h2] => (sign, two(&[h1, h2])?, 0),
        [sign, h1, h2, b':', m1, m2] => (sign, two(&[h1, h2])?, two(&[m1, m2])?),
        _ => return None,
    };
    if hours > 14 || minutes > 59 {
        return None;
    }
    let east = i64::from(hours * 60 + minutes) * 60 * USECS_PER_SEC;
    match sign {
        b'+' => Some(local - east),
        b'-' => Some(local + east),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_form_is_read() {
        // Values as PostgreSQL's `extract(epoch from ...)`, less the 946,684,800 seconds between 1970 and 2000.
        assert_eq!(date(b"2000-01-01"), Some(0));
        assert_eq!(date(b"2024-02-29"), Some(8825));
        assert_eq!(date(b"1999-12-31"), Some(-1));
        assert_eq!(timestamp(b"2024-01-01 00:00:17.202077"), Some(757_382_417_202_077));
        assert_eq!(timestamp(b"2024-01-01 00:00:17.2"), Some(757_382_417_200_000));
        assert_eq!(timestamptz(b"2024-01-01 00:00:17+00"), Some(757_382_417_000_000));
        assert_eq!(timestamptz(b"2024-01-01 05:30:17+05:30"), Some(757_382_417_000_000));
        assert_eq!(timestamptz(b"2023-12-31 16:00:17-08"), Some(757_382_417_000_000));
    }

    #[test]
    fn everything_else_is_left() {
        for text in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "0999-01-01",
            "24-01-01",
            "2024-1-01",
            "2024/01/01",
            "2024-01-01 ",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2024-01-01",
            "2024-01-01 24:00:00",
            "2024-01-01 00:00:60",
            "2024-01-01 00:00",
            "2024-01-01 00:00:00.",
            "2024-01-01 00:00:00.1234567",
            "2024-01-01 00:00:00+00",
            "2024-01-01T00:00:00",
        ] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2024-01-01 00:00:00",
            "2024-01-01 00:00:00+15",
            "2024-01-01 00:00:00 UTC",
            "2024-01-01 00:00:00+0530",
        ] {
            assert_eq!(timestamptz(text.as_bytes()), None, "{text}");
        }
    }
}
