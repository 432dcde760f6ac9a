//! Backend messages, written straight into the connection's output buffer.
//!
//! The hot ones (DataRow, CommandComplete, ReadyForQuery, ...) are written in place with their length patched afterwards; nothing
//! here allocates per message. They append by `extend_from_slice`, which is compiled in place, not by `BufMut`'s methods. PostgreSQL
//! manual, chapter 55.7.

use bytes::{BufMut, BytesMut};
use quarry_common::{Error, Severity};

/// State byte of ReadyForQuery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionStatus {
    Idle,
    InTransaction,
    Failed,
}

/// Starts a message; give the result to [`finish`].
pub fn begin(out: &mut BytesMut, kind: u8) -> usize {
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
    out.len() - 4
}

/// Starts a DataRow of so many columns; give the result to [`finish`].
pub fn begin_row(out: &mut BytesMut, columns: i16) -> usize {
    let [high, low] = columns.to_be_bytes();
    out.extend_from_slice(&[b'D', 0, 0, 0, 0, high, low]);
    out.len() - 6
}

/// Patches the length of the message that began at `at`.
pub fn finish(out: &mut BytesMut, at: usize) {
    let len = (out.len() - at) as i32;
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

fn put_cstr(out: &mut BytesMut, s: &str) {
    // A zero byte would end the string early; PostgreSQL's strings never hold one.
    out.reserve(s.len() + 1);
    s.as_bytes().split(|b| *b == 0).for_each(|part| out.extend_from_slice(part));
    out.put_u8(0);
}

pub fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    let status = match status {
        TransactionStatus::Idle => b'I',
        TransactionStatus::InTransaction => b'T',
        TransactionStatus::Failed => b'E',
    };
    out.extend_from_slice(&[b'Z', 0, 0, 0, 5, status]);
}
pub fn parse_complete(out: &mut BytesMut) {
    out.extend_from_slice(&[b'1', 0, 0, 0, 4]);
}
pub fn bind_complete(out: &mut BytesMut) {
    out.extend_from_slice(&[b'2', 0, 0, 0, 4]);
}
pub fn close_complete(out: &mut BytesMut) {
    out.extend_from_slice(&[b'3', 0, 0, 0, 4]);
}
pub fn no_data(out: &mut BytesMut) {
    out.extend_from_slice(&[b'n', 0, 0, 0, 4]);
}
pub fn portal_suspended(out: &mut BytesMut) {
    out.extend_from_slice(&[b's', 0, 0, 0, 4]);
}
pub fn empty_query(out: &mut BytesMut) {
    out.extend_from_slice(&[b'I', 0, 0, 0, 4]);
}
pub fn command_complete(out: &mut BytesMut, tag: &str) {
    let at = begin(out, b'C');
    put_cstr(out, tag);
    finish(out, at);
}
/// CommandComplete of a command, with the space behind it, and a count of rows.
pub fn counted_complete(out: &mut BytesMut, command: &str, count: u64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(count).as_bytes();
    let length = 4 + command.len() + digits.len() + 1;
    out.reserve(1 + length);
    let [a, b, c, d] = (length as u32).to_be_bytes();
    out.extend_from_slice(&[b'C', a, b, c, d]);
    out.extend_from_slice(command.as_bytes());
    out.extend_from_slice(digits);
    out.extend_from_slice(&[0]);
}
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    let at = begin(out, b'S');
    put_cstr(out, name);
    put_cstr(out, value);
    finish(out, at);
}
pub fn backend_key_data(out: &mut BytesMut, pid: i32, secret: i32) {
    let at = begin(out, b'K');
    out.put_i32(pid);
    out.put_i32(secret);
    finish(out, at);
}
pub fn parameter_description(out: &mut BytesMut, types: &[u32]) {
    let at = begin(out, b't');
    out.put_i16(types.len() as i16);
    for ty in types {
        out.put_u32(*ty);
    }
    finish(out, at);
}
pub fn notification(out: &mut BytesMut, pid: i32, channel: &str, payload: &str) {
    let at = begin(out, b'A');
    out.put_i32(pid);
    put_cstr(out, channel);
    put_cstr(out, payload);
    finish(out, at);
}

/// A column of RowDescription.
#[derive(Clone, Copy, Debug)]
pub struct FieldDescription<'a> {
    pub name: &'a str,
    pub table: u32,
    pub attribute: i16,
    pub type_oid: u32,
    pub type_len: i16,
    pub typmod: i32,
    pub format: i16,
}

/// Starts a RowDescription of so many fields: each is put by [`row_field`], then comes [`finish`].
pub fn begin_row_description(out: &mut BytesMut, fields: i16) -> usize {
    let at = begin(out, b'T');
    out.put_i16(fields);
    at
}

pub fn row_field(out: &mut BytesMut, f: &FieldDescription<'_>) {
    put_cstr(out, f.name);
    let mut fixed = [0; 18];
    fixed[..4].copy_from_slice(&f.table.to_be_bytes());
    fixed[4..6].copy_from_slice(&f.attribute.to_be_bytes());
    fixed[6..10].copy_from_slice(&f.type_oid.to_be_bytes());
    fixed[10..12].copy_from_slice(&f.type_len.to_be_bytes());
    fixed[12..16].copy_from_slice(&f.typmod.to_be_bytes());
    fixed[16..].copy_from_slice(&f.format.to_be_bytes());
    out.extend_from_slice(&fixed);
}

/// CopyInResponse ('G') or CopyOutResponse ('H') with one format for all columns.
pub fn copy_response(out: &mut BytesMut, kind: u8, binary: bool, columns: usize) {
    let at = begin(out, kind);
    out.put_u8(binary as u8);
    out.put_i16(columns as i16);
    for _ in 0..columns {
        out.put_i16(binary as i16);
    }
    finish(out, at);
}
pub fn copy_data(out: &mut BytesMut, data: &[u8]) {
    let at = begin(out, b'd');
    out.extend_from_slice(data);
    finish(out, at);
}
pub fn copy_done(out: &mut BytesMut) {
    out.extend_from_slice(&[b'c', 0, 0, 0, 4]);
}

/// ErrorResponse, or NoticeResponse below ERROR. `position` is already a character number from 1.
pub fn error_or_notice(out: &mut BytesMut, error: &Error, position: Option<usize>) {
    let f = error.fields();
    let at = begin(out, if f.severity >= Severity::Error { b'E' } else { b'N' });
    let mut field = |code: u8, text: &str| {
        out.put_u8(code);
        put_cstr(out, text);
    };
    field(b'S', f.severity.as_str());
    field(b'V', f.severity.as_str());
    field(b'C', f.sqlstate.as_str());
    field(b'M', &f.message);
    let optional = [(b'D', &f.detail), (b'H', &f.hint)];
    for (code, text) in optional {
        if let Some(text) = text {
            field(code, text);
        }
    }
    if let Some(p) = position {
        field(b'P', &p.to_string());
    }
    if let Some(p) = f.internal_position {
        field(b'p', &(p + 1).to_string());
    }
    let optional = [
        (b'q', &f.internal_query),
        (b'W', &f.context),
        (b's', &f.schema),
        (b't', &f.table),
        (b'c', &f.column),
        (b'd', &f.data_type),
        (b'n', &f.constraint),
    ];
    for (code, text) in optional {
        if let Some(text) = text {
            field(code, text);
        }
    }
    if let Some(name) = f.routine {
        field(b'R', name);
    }
    out.put_u8(0);
    finish(out, at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_common::err;

    #[test]
    fn error_has_all_fields_in_order() {
        let mut out = BytesMut::new();
        let e = err!(UNIQUE_VIOLATION, "duplicate").detail("d").hint("h").table("t").constraint("c");
        error_or_notice(&mut out, &e, Some(8));
        assert_eq!(out[0], b'E');
        assert_eq!(i32::from_be_bytes(out[1..5].try_into().unwrap()) as usize, out.len() - 1);
        let body = &out[5..];
        assert_eq!(body, b"SERROR\0VERROR\0C23505\0Mduplicate\0Dd\0Hh\0P8\0tt\0nc\0\0");
    }
}
