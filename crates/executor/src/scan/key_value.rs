//! Values compared with an index's key that are of another type than the key: carried over, or found to lie outside or between the
//! values that the key's type has.
//!
//! The optimizer passes on whole numbers of any width, floats of either, dates and timestamps as they are
//! (`optimizer::scan::clauses`). A value's form tells its type, as the key's type is known.

use quarry_common::Oid;
use quarry_types::datetime::convert::{date_to_timestamp_clamped, timestamp_to_date};
use quarry_types::datetime::{USECS_PER_DAY, timestamp_is_infinite};
use quarry_types::{Datum, oids};

/// Where a value lies among the key type's values.
#[derive(Clone, PartialEq, Debug)]
pub enum Carried {
    /// It is one of them.
    Exact(Datum),
    /// Below all of them.
    Below,
    /// Above all of them.
    Above,
    /// Above this one and below the next.
    After(Datum),
}

/// Carries a value, not NULL, over to the key's type.
pub fn carry(value: Datum, key: Oid) -> Carried {
    match (key, value) {
        (oids::INT2 | oids::INT4 | oids::INT8, v @ (Datum::I16(_) | Datum::I32(_) | Datum::I64(_))) => {
            let wide = match v {
                Datum::I16(v) => i64::from(v),
                Datum::I32(v) => i64::from(v),
                Datum::I64(v) => v,
                _ => 0,
            };
            let narrow = match key {
                oids::INT2 => i16::try_from(wide).ok().map(Datum::I16),
                oids::INT4 => i32::try_from(wide).ok().map(Datum::I32),
                _ => Some(Datum::I64(wide)),
            };
            match narrow {
                Some(v) => Carried::Exact(v),
                None if wide < 0 => Carried::Below,
                None => Carried::Above,
            }
        }
        (oids::TIMESTAMP, Datum::I32(day)) => Carried::Exact(Datum::I64(date_to_timestamp_clamped(day))),
        (oids::DATE, Datum::I64(t)) => {
            let day = Datum::I32(timestamp_to_date(t));
            if timestamp_is_infinite(t) || t.rem_euclid(USECS_PER_DAY) == 0 {
                Carried::Exact(day)
            } else {
                Carried::After(day)
            }
        }
        (_, value) => Carried::Exact(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        assert_eq!(carry(Datum::I64(7), oids::INT4), Carried::Exact(Datum::I32(7)));
        assert_eq!(carry(Datum::I64(1 << 40), oids::INT4), Carried::Above);
        assert_eq!(carry(Datum::I64(-(1 << 40)), oids::INT4), Carried::Below);
        assert_eq!(carry(Datum::I16(-3), oids::INT8), Carried::Exact(Datum::I64(-3)));
        assert_eq!(carry(Datum::I32(40_000), oids::INT2), Carried::Above);
    }

    #[test]
    fn days() {
        assert_eq!(carry(Datum::I32(2), oids::TIMESTAMP), Carried::Exact(Datum::I64(2 * USECS_PER_DAY)));
        assert_eq!(carry(Datum::I64(2 * USECS_PER_DAY), oids::DATE), Carried::Exact(Datum::I32(2)));
        assert_eq!(carry(Datum::I64(2 * USECS_PER_DAY + 1), oids::DATE), Carried::After(Datum::I32(2)));
        assert_eq!(carry(Datum::I64(-1), oids::DATE), Carried::After(Datum::I32(-1)));
        assert_eq!(carry(Datum::I64(i64::MAX), oids::DATE), Carried::Exact(Datum::I32(i32::MAX)));
    }
}
