//! The functions of date and time types and of json, jsonb.

use super::functions::UNSUPPORTED;
use super::{KeyCodec, TypeFunctions};
use crate::Datum;
use crate::datetime::{self as dt, Interval, TimeTz, typmod};
use crate::hash::{hash_bytes, hash_i64};
use crate::json;
use crate::key;

/// Instant, then zone.
const TIMETZ_KEY: KeyCodec = KeyCodec {
    encode: |v, out| {
        let t = TimeTz::from_bytes(v.as_b16());
        (key::I64.encode)(&Datum::I64(t.utc_micros()), out);
        (key::I32.encode)(&Datum::I32(t.zone), out);
    },
    decode: None,
    skip: |from| {
        (key::I64.skip)(from)?;
        (key::I32.skip)(from)
    },
};
/// The span: 1 month and 30 days are equal, so the value can't be had back.
const INTERVAL_KEY: KeyCodec = KeyCodec {
    encode: |v, out| {
        let span = Interval::from_bytes(v.as_b16()).span() as u128 ^ (1 << 127);
        out.extend_from_slice(&span.to_be_bytes());
    },
    decode: None,
    skip: |from| (key::B16.skip)(from),
};

pub(super) const DATE: TypeFunctions = TypeFunctions {
    input: |_, s, m, cx| dt::date_in(s, m, cx),
    output: |_, v, cx, out| {
        dt::date_out(v, cx, out);
        Ok(())
    },
    receive: |_, b, m, _| dt::date_recv(b, m),
    send: |_, v, _, out| {
        dt::date_send(v, out);
        Ok(())
    },
    typmod_in: None,
    typmod_out: None,
    coerce: None,
    compare: Some(|a, b| a.as_i32().cmp(&b.as_i32())),
    hash: Some(|v| hash_i64(v.as_i32().into())),
    key: Some(key::I32),
};

pub(super) const TIME: TypeFunctions = TypeFunctions {
    input: |_, s, m, cx| dt::time_in(s, m, cx),
    output: |_, v, cx, out| {
        dt::time_out(v, cx, out);
        Ok(())
    },
    receive: |_, b, m, _| dt::time_recv(b, m),
    send: |_, v, _, out| {
        dt::time_send(v, out);
        Ok(())
    },
    typmod_in: Some(|a| typmod::time_typmod_in(a, "TIME", "")),
    typmod_out: Some(|m| typmod::time_typmod_out(m, " without time zone")),
    coerce: Some(|v, m, _| Ok(Datum::I64(typmod::adjust_time(v.as_i64(), m)))),
    compare: Some(|a, b| a.as_i64().cmp(&b.as_i64())),
    hash: Some(|v| hash_i64(v.as_i64())),
    key: Some(key::I64),
};

pub(super) const TIMETZ: TypeFunctions = TypeFunctions {
    input: |_, s, m, cx| dt::timetz_in(s, m, cx),
    output: |_, v, cx, out| {
        dt::timetz_out(v, cx, out);
        Ok(())
    },
    receive: |_, b, m, _| dt::timetz_recv(b, m),
    send: |_, v, _, out| {
        dt::timetz_send(v, out);
        Ok(())
    },
    typmod_in: Some(|a| typmod::time_typmod_in(a, "TIME", " WITH TIME ZONE")),
    typmod_out: Some(|m| typmod::time_typmod_out(m, " with time zone")),
    coerce: Some(|v, m, _| {
        let t = TimeTz::from_bytes(v.as_b16());
        Ok(Datum::B16(TimeTz { micros: typmod::adjust_time(t.micros, m), zone: t.zone }.to_bytes()))
    }),
    compare: Some(|a, b| TimeTz::from_bytes(a.as_b16()).cmp(&TimeTz::from_bytes(b.as_b16()))),
    hash: Some(|v| {
        let t = TimeTz::from_bytes(v.as_b16());
        hash_i64(t.micros ^ i64::from(t.zone).rotate_left(40))
    }),
    key: Some(TIMETZ_KEY),
};

pub(super) const TIMESTAMP: TypeFunctions = TypeFunctions {
    input: |_, s, m, cx| dt::timestamp_in(s, m, cx),
    output: |_, v, cx, out| {
        dt::timestamp_out(v, cx, out);
        Ok(())
    },
    receive: |_, b, m, _| dt::timestamp_recv(b, m),
    send: |_, v, _, out| {
        dt::timestamp_send(v, out);
        Ok(())
    },
    typmod_in: Some(|a| typmod::time_typmod_in(a, "TIMESTAMP", "")),
    typmod_out: Some(|m| typmod::time_typmod_out(m, " without time zone")),
    coerce: Some(|v, m, _| typmod::adjust_timestamp(v.as_i64(), m).map(Datum::I64)),
    compare: Some(|a, b| a.as_i64().cmp(&b.as_i64())),
    hash: Some(|v| hash_i64(v.as_i64())),
    key: Some(key::I64),
};

pub(super) const TIMESTAMPTZ: TypeFunctions = TypeFunctions {
    input: |_, s, m, cx| dt::timestamptz_in(s, m, cx),
    output: |_, v, cx, out| {
        dt::timestamptz_out(v, cx, out);
        Ok(())
    },
    typmod_in: Some(|a| typmod::time_typmod_in(a, "TIMESTAMP", " WITH TIME ZONE")),
    typmod_out: Some(|m| typmod::time_typmod_out(m, " with time zone")),
    ..TIMESTAMP
};

pub(super) const INTERVAL: TypeFunctions = TypeFunctions {
    input: |_, s, m, cx| dt::interval_in(s, m, cx),
    output: |_, v, cx, out| {
        dt::interval_out(v, cx, out);
        Ok(())
    },
    receive: |_, b, m, _| dt::interval_recv(b, m),
    send: |_, v, _, out| {
        dt::interval_send(v, out);
        Ok(())
    },
    typmod_in: Some(typmod::interval_typmod_in),
    typmod_out: Some(typmod::interval_typmod_out),
    coerce: Some(|v, m, _| {
        let i = typmod::adjust_interval(Interval::from_bytes(v.as_b16()), m)?;
        Ok(Datum::B16(i.to_bytes()))
    }),
    compare: Some(|a, b| Interval::from_bytes(a.as_b16()).sql_cmp(Interval::from_bytes(b.as_b16()))),
    hash: Some(|v| hash_bytes(&Interval::from_bytes(v.as_b16()).span().to_le_bytes())),
    key: Some(INTERVAL_KEY),
};

pub(super) const JSON: TypeFunctions = TypeFunctions {
    input: |_, s, _, _| json::json_in(s),
    output: |_, v, _, out| {
        json::json_out(v, out);
        Ok(())
    },
    receive: |_, b, _, _| json::json_recv(b),
    send: |_, v, _, out| {
        json::json_send(v, out);
        Ok(())
    },
    ..UNSUPPORTED
};

pub(super) const JSONB: TypeFunctions = TypeFunctions {
    input: |_, s, _, _| json::jsonb_in(s),
    output: |_, v, _, out| {
        json::jsonb_out(v, out);
        Ok(())
    },
    receive: |_, b, _, _| json::jsonb_recv(b),
    send: |_, v, _, out| {
        json::jsonb_send(v, out);
        Ok(())
    },
    compare: Some(|a, b| json::jsonb::compare::compare(a.as_bytes(), b.as_bytes())),
    hash: Some(|v| json::jsonb::compare::hash(v.as_bytes())),
    key: Some(json::jsonb::key::KEY),
    ..UNSUPPORTED
};

pub(super) const JSONPATH: TypeFunctions = TypeFunctions {
    input: |_, s, _, _| json::path::jsonpath_in(s),
    output: |_, v, _, out| {
        json::path::jsonpath_out(v, out);
        Ok(())
    },
    receive: |_, b, _, _| json::path::jsonpath_recv(b),
    send: |_, v, _, out| {
        json::path::jsonpath_send(v, out);
        Ok(())
    },
    ..UNSUPPORTED
};
