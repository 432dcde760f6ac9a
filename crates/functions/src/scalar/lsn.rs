//! Positions in the log: `pg_lsn` arithmetic.

use crate::{FunctionDef, func, scalar};
use quarry_common::{Result, bail};
use quarry_types::numeric::{Numeric, NumericRef};

fn to_numeric(lsn: i64) -> Numeric {
    Numeric::from_i128(i128::from(lsn as u64))
}

fn from_numeric(n: NumericRef<'_>) -> Result<i64> {
    if n.is_nan() {
        bail!(FEATURE_NOT_SUPPORTED, "cannot convert NaN to pg_lsn");
    }
    if !n.is_finite() {
        bail!(FEATURE_NOT_SUPPORTED, "cannot convert infinity to pg_lsn");
    }
    match n.round(0)?.view().to_i128().and_then(|v| u64::try_from(v).ok()) {
        Some(v) => Ok(v as i64),
        None => bail!(INVALID_PARAMETER_VALUE, "pg_lsn out of range"),
    }
}

/// The distance of two positions in bytes.
fn distance(a: i64, b: i64) -> Numeric {
    Numeric::from_i128(i128::from(a as u64) - i128::from(b as u64))
}

fn moved(lsn: i64, bytes: NumericRef<'_>, back: bool) -> Result<i64> {
    if bytes.is_nan() {
        let (verb, link) = if back { ("subtract", "from") } else { ("add", "to") };
        bail!(FEATURE_NOT_SUPPORTED, "cannot {verb} NaN {link} pg_lsn");
    }
    let at = to_numeric(lsn);
    from_numeric(if back { at.view().sub(bytes)? } else { at.view().add(bytes)? }.view())
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3237, "pg_lsn_mi", [PG_LSN, PG_LSN] => NUMERIC, scalar!(|a: i64, b: i64| -> Numeric { distance(a, b) })),
    func!(3165, "pg_wal_lsn_diff", [PG_LSN, PG_LSN] => NUMERIC, scalar!(|a: i64, b: i64| -> Numeric { distance(a, b) })),
    func!(5022, "pg_lsn_pli", [PG_LSN, NUMERIC] => PG_LSN, scalar!(|a: i64, n: NumericRef<'_>| -> Result<i64> { moved(a, n, false) })),
    func!(5023, "numeric_pl_pg_lsn", [NUMERIC, PG_LSN] => PG_LSN, scalar!(|n: NumericRef<'_>, a: i64| -> Result<i64> { moved(a, n, false) })),
    func!(5024, "pg_lsn_mii", [PG_LSN, NUMERIC] => PG_LSN, scalar!(|a: i64, n: NumericRef<'_>| -> Result<i64> { moved(a, n, true) })),
    func!(6103, "pg_lsn", [NUMERIC] => PG_LSN, scalar!(|n: NumericRef<'_>| -> Result<i64> { from_numeric(n) })),
];
