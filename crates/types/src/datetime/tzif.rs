//! Reader of compiled time zone files (RFC 8536), taking the 64-bit data and the footer.

use super::zone::{Abbrev, LocalType};

/// What a file holds.
#[derive(Debug, Default)]
pub struct TzFile {
    /// Instants (seconds since 1970 UTC) from which `kinds[i]` holds, rising.
    pub times: Vec<i64>,
    /// Index into `types` per transition.
    pub kinds: Vec<u8>,
    pub types: Vec<LocalType>,
    /// POSIX rule for what follows the last transition; empty: none.
    pub footer: String,
    pub leap_seconds: bool,
}

struct Header {
    version: u8,
    utc_count: usize,
    std_count: usize,
    leap_count: usize,
    time_count: usize,
    type_count: usize,
    char_count: usize,
}

fn header(b: &[u8]) -> Option<Header> {
    if b.get(..4)? != b"TZif" {
        return None;
    }
    let n = |i: usize| -> Option<usize> {
        let at = 20 + i * 4;
        Some(u32::from_be_bytes(b.get(at..at + 4)?.try_into().ok()?) as usize)
    };
    Some(Header {
        version: *b.get(4)?,
        utc_count: n(0)?,
        std_count: n(1)?,
        leap_count: n(2)?,
        time_count: n(3)?,
        type_count: n(4)?,
        char_count: n(5)?,
    })
}

impl Header {
    fn body_len(&self, time_size: usize) -> usize {
        self.time_count * (time_size + 1)
            + self.type_count * 6
            + self.char_count
            + self.leap_count * (time_size + 4)
            + self.std_count
            + self.utc_count
    }
}

/// Reads a file's bytes; none: malformed.
pub fn parse(bytes: &[u8]) -> Option<TzFile> {
    const HEADER_LEN: usize = 44;
    let first = header(bytes)?;
    let (h, body, size) = if first.version >= b'2' {
        let second = bytes.get(HEADER_LEN + first.body_len(4)..)?;
        (header(second)?, second.get(HEADER_LEN..)?, 8)
    } else {
        (first, bytes.get(HEADER_LEN..)?, 4)
    };
    let len = h.body_len(size);
    let data = body.get(..len)?;
    let mut out = TzFile { leap_seconds: h.leap_count > 0, ..TzFile::default() };
    for i in 0..h.time_count {
        let raw = data.get(i * size..(i + 1) * size)?;
        out.times.push(match size {
            8 => i64::from_be_bytes(raw.try_into().ok()?),
            _ => i64::from(i32::from_be_bytes(raw.try_into().ok()?)),
        });
    }
    let mut at = h.time_count * size;
    out.kinds.extend_from_slice(data.get(at..at + h.time_count)?);
    at += h.time_count;
    let chars = data.get(at + h.type_count * 6..at + h.type_count * 6 + h.char_count)?;
    for i in 0..h.type_count {
        let t = data.get(at + i * 6..at + i * 6 + 6)?;
        let name = chars.get(usize::from(t[5])..)?;
        let name = &name[..name.iter().position(|c| *c == 0)?];
        out.types.push(LocalType {
            offset: i32::from_be_bytes(t[..4].try_into().ok()?),
            is_dst: t[4] != 0,
            abbrev: Abbrev::new(std::str::from_utf8(name).ok()?),
        });
    }
    if out.types.is_empty()
        || out.kinds.iter().any(|k| usize::from(*k) >= out.types.len())
        || !out.times.is_sorted()
    {
        return None;
    }
    if size == 8 {
        let footer = body.get(len..)?;
        if let Some(rest) = footer.strip_prefix(b"\n")
            && let Some(end) = rest.iter().position(|c| *c == b'\n')
        {
            out.footer = std::str::from_utf8(&rest[..end]).ok()?.to_string();
        }
    }
    Some(out)
}
