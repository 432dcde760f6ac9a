//! oid, xid, cid, xid8, tid, pg_lsn: the numbers the system gives to things.

use crate::ints::{invalid_syntax, is_space, write_int};
use crate::wire::WireReader;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Lsn, Oid, Result, Tid, err};
use std::cmp::Ordering;

/// C's `strtoul`: white space, sign, digits; base 0 takes 0x and 0 prefixes. Returns the value (all ones on
/// overflow), whether it overflowed, and what follows the digits; none without digits.
fn strtoul(text: &str, base: u32) -> Option<(u64, bool, &str)> {
    let body = text.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8));
    let (negative, body) = match body.as_bytes().first() {
        Some(b'-') => (true, &body[1..]),
        Some(b'+') => (false, &body[1..]),
        _ => (false, body),
    };
    let (base, body) = match base {
        0 => match body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
            Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => (16, hex),
            _ if body.starts_with('0') => (8, body),
            _ => (10, body),
        },
        b => (b, body),
    };
    let len = body.bytes().take_while(|b| (*b as char).is_digit(base)).count();
    if len == 0 {
        return None;
    }
    let (digits, rest) = body.split_at(len);
    Some(match u64::from_str_radix(digits, base) {
        Ok(v) if negative => (v.wrapping_neg(), false, rest),
        Ok(v) => (v, false, rest),
        Err(_) => (u64::MAX, true, rest),
    })
}

/// A 64-bit number as C would store it in 32 bits, if it is that number signed or unsigned.
fn narrow(v: u64) -> Option<u32> {
    let low = v as u32;
    (v == u64::from(low) || v == i64::from(low as i32) as u64).then_some(low)
}

/// Reads an oid: decimal, also negative as PostgreSQL takes it; 22P02 and 22003.
pub fn parse_oid(text: &str) -> Result<Oid> {
    let Some((v, overflow, rest)) = strtoul(text, 10) else {
        return Err(invalid_syntax("oid", text));
    };
    if !rest.bytes().all(is_space) {
        return Err(invalid_syntax("oid", text));
    }
    match narrow(v) {
        Some(oid) if !overflow => Ok(Oid(oid)),
        _ => Err(err!(NUMERIC_VALUE_OUT_OF_RANGE, "value \"{text}\" is out of range for type oid")),
    }
}

pub(crate) fn oid_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_oid(text).map(|o| Datum::U32(o.0))
}
/// xid and cid take what `strtoul` makes of the text.
pub(crate) fn xid_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::U32(strtoul(text, 0).map_or(0, |(v, ..)| v as u32)))
}
pub(crate) fn xid8_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::I64(strtoul(text, 0).map_or(0, |(v, ..)| v as i64)))
}
pub(crate) fn u32_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    write_int(v.as_u32(), out);
    Ok(())
}
pub(crate) fn xid8_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    write_int(v.as_i64() as u64, out);
    Ok(())
}
pub(crate) fn u32_receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let v = r.u32()?;
    r.finish()?;
    Ok(Datum::U32(v))
}
pub(crate) fn u32_send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&v.as_u32().to_be_bytes());
    Ok(())
}
pub(crate) fn u32_compare(a: &Datum, b: &Datum) -> Ordering {
    a.as_u32().cmp(&b.as_u32())
}
pub(crate) fn u32_hash(v: &Datum) -> u64 {
    crate::hash::hash_i64(i64::from(v.as_u32()))
}
/// xid8 and pg_lsn: unsigned.
pub(crate) fn u64_compare(a: &Datum, b: &Datum) -> Ordering {
    (a.as_i64() as u64).cmp(&(b.as_i64() as u64))
}

/// Reads "(block,slot)".
pub fn parse_tid(text: &str) -> Option<Tid> {
    let (block, slot) = text.split_once('(')?.1.split_once(',')?;
    let (block, block_over, rest) = strtoul(block, 10)?;
    let (slot, slot_over, after) = strtoul(slot, 10)?;
    if block_over || slot_over || !rest.is_empty() || !after.starts_with(')') {
        return None;
    }
    Some(Tid { block: narrow(block)?, slot: u16::try_from(slot).ok()? })
}
/// A tid from its datum.
pub fn tid_of(v: &Datum) -> Tid {
    Tid::from_u64(v.as_i64() as u64)
}
/// A tid as a datum.
pub fn tid_datum(tid: Tid) -> Datum {
    Datum::I64(tid.to_u64() as i64)
}
pub(crate) fn tid_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_tid(text).map(tid_datum).ok_or_else(|| invalid_syntax("tid", text))
}
pub(crate) fn tid_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(tid_of(v).to_string().as_bytes());
    Ok(())
}
pub(crate) fn tid_receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let tid = Tid { block: r.u32()?, slot: r.u16()? };
    r.finish()?;
    Ok(tid_datum(tid))
}
pub(crate) fn tid_send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let tid = tid_of(v);
    out.extend_from_slice(&tid.block.to_be_bytes());
    out.extend_from_slice(&tid.slot.to_be_bytes());
    Ok(())
}

/// Reads "16/B374D848".
pub fn parse_lsn(text: &str) -> Option<Lsn> {
    let (high, low) = text.split_once('/')?;
    let half = |s: &str| {
        let ok = (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_hexdigit());
        ok.then(|| u64::from_str_radix(s, 16).ok()).flatten()
    };
    Some(Lsn(half(high)? << 32 | half(low)?))
}
pub(crate) fn lsn_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_lsn(text).map(|l| Datum::I64(l.0 as i64)).ok_or_else(|| invalid_syntax("pg_lsn", text))
}
pub(crate) fn lsn_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(Lsn(v.as_i64() as u64).to_string().as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_c_reads_them() {
        assert_eq!(parse_oid("  12 ").unwrap(), Oid(12));
        assert_eq!(parse_oid("-1").unwrap(), Oid(u32::MAX));
        assert!(parse_oid("4294967296").unwrap_err().message().ends_with("is out of range for type oid"));
        assert!(parse_oid("-4294967296").is_err());
        assert!(parse_oid("12 x").unwrap_err().message().starts_with("invalid input syntax for type oid"));
        assert_eq!(strtoul("0x10", 0).map(|v| v.0), Some(16));
        assert_eq!(strtoul("10z", 0).map(|v| v.0), Some(10));
        assert_eq!(parse_tid("(-1,2)"), Some(Tid { block: u32::MAX, slot: 2 }));
        assert_eq!(parse_tid("(1,70000)"), None);
        assert_eq!(parse_tid("(1,2"), None);
        assert_eq!(parse_lsn("16/B374D848"), Some(Lsn(0x16_B374_D848)));
        assert_eq!(parse_lsn("123456789/1"), None);
    }
}
