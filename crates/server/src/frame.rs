//! Frames: from bytes to [`Request`]s. Every length and every string is checked here, within its frame, so that no input can
//! make a decoder read past its message.

use quarry_common::{Error, Result, bail};
use quarry_session::{Request, Values, WireFormats};

/// Longest message of the kinds that carry data (PostgreSQL: PQ_LARGE_MESSAGE_LIMIT), in bytes.
const LARGE_MESSAGE_BYTES_MAX: usize = 0x3fff_ffff;
/// Longest message of the other kinds (PQ_SMALL_MESSAGE_LIMIT).
const SMALL_MESSAGE_BYTES_MAX: usize = 10_000;

/// The first frame in `buf`: its type byte and total length including type and length word. `None`: incomplete.
///
/// An error means that the stream can't be trusted any more: the connection is closed.
pub fn next_frame(buf: &[u8]) -> Result<Option<(u8, usize)>> {
    if buf.len() < 5 {
        return Ok(None);
    }
    let kind = buf[0];
    let len = i32::from_be_bytes(buf[1..5].try_into().expect("four bytes"));
    let max = match kind {
        b'Q' | b'P' | b'B' | b'F' | b'd' | b'f' => LARGE_MESSAGE_BYTES_MAX,
        b'D' | b'E' | b'C' | b'H' | b'S' | b'c' | b'X' | b'p' => SMALL_MESSAGE_BYTES_MAX,
        other => return Err(fatal(format!("invalid frontend message type {other}"))),
    };
    if len < 4 || len as usize > max {
        return Err(fatal("invalid message length".to_string()));
    }
    let total = len as usize + 1;
    Ok((buf.len() >= total).then_some((kind, total)))
}

/// 08P01 that ends the connection.
fn fatal(message: String) -> Error {
    Error::new(quarry_common::SqlState::PROTOCOL_VIOLATION, message).severity(quarry_common::Severity::Fatal)
}

/// Decodes one whole frame. Errors are 08P01 or 22021 and leave the stream in step.
pub fn decode(frame: &[u8]) -> Result<Request<'_>> {
    let mut r = Reader { rest: &frame[5..] };
    let request = match frame[0] {
        b'Q' => Request::Query(r.text()?),
        b'P' => {
            let (name, sql) = (r.text()?, r.text()?);
            let count = r.count()?;
            let param_types = (0..count).map(|_| r.u32()).collect::<Result<_>>()?;
            Request::Parse { name, sql, param_types }
        }
        b'B' => {
            let (portal, statement) = (r.text()?, r.text()?);
            let param_formats = r.formats()?;
            let params = r.values()?;
            let result_formats = r.formats()?;
            Request::Bind { portal, statement, param_formats, params, result_formats }
        }
        kind @ (b'D' | b'C') => {
            let portal = match r.u8()? {
                b'P' => true,
                b'S' => false,
                other if kind == b'D' => {
                    bail!(PROTOCOL_VIOLATION, "invalid DESCRIBE message subtype {other}")
                }
                other => bail!(PROTOCOL_VIOLATION, "invalid CLOSE message subtype {other}"),
            };
            let name = r.text()?;
            if kind == b'D' { Request::Describe { portal, name } } else { Request::Close { portal, name } }
        }
        b'E' => Request::Execute { portal: r.text()?, max_rows: r.u32()? as i32 },
        b'H' => Request::Flush,
        b'S' => Request::Sync,
        b'd' => return Ok(Request::CopyData(r.rest)),
        b'c' => Request::CopyDone,
        b'f' => Request::CopyFail(r.text()?),
        b'F' => {
            r.u32()?;
            for _ in 0..r.count()? {
                r.format()?;
            }
            for _ in 0..r.count()? {
                r.value()?;
            }
            r.format()?;
            Request::FunctionCall
        }
        b'X' => return Ok(Request::Terminate),
        other => return Err(fatal(format!("invalid frontend message type {other}"))),
    };
    if !r.rest.is_empty() {
        bail!(PROTOCOL_VIOLATION, "invalid message format");
    }
    Ok(request)
}

/// Reads a frame's body; never past its end.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(n) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => bail!(PROTOCOL_VIOLATION, "insufficient data left in message"),
        }
    }
    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }
    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().expect("four bytes")))
    }
    fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into().expect("two bytes")))
    }
    /// A count of things: unsigned 16 bits, as libpq sends up to 65,535 parameters.
    fn count(&mut self) -> Result<usize> {
        Ok(self.i16()? as u16 as usize)
    }
    fn format(&mut self) -> Result<i16> {
        match self.i16()? {
            code @ (0 | 1) => Ok(code),
            other => bail!(INVALID_PARAMETER_VALUE, "unsupported format code: {other}"),
        }
    }
    /// Format codes behind their count; mostly none, or one.
    fn formats(&mut self) -> Result<WireFormats<'a>> {
        let count = self.count()?;
        let start = self.rest;
        if let Some((codes, rest)) = start.split_at_checked(2 * count)
            && codes.chunks_exact(2).all(|code| matches!(code, [0, 0 | 1]))
        {
            self.rest = rest;
            return Ok(WireFormats::new(codes));
        }
        // Something is wrong with them.
        for _ in 0..count {
            self.format()?;
        }
        Ok(WireFormats::new(&start[..2 * count]))
    }
    /// Values behind their count.
    fn values(&mut self) -> Result<Values<'a>> {
        let count = self.count()?;
        let start = self.rest;
        for _ in 0..count {
            self.value()?;
        }
        Ok(Values::new(count, &start[..start.len() - self.rest.len()]))
    }
    #[inline]
    fn value(&mut self) -> Result<Option<&'a [u8]>> {
        match self.u32()? as i32 {
            -1 => Ok(None),
            len if len < 0 => bail!(PROTOCOL_VIOLATION, "insufficient data left in message"),
            len => self.take(len as usize).map(Some),
        }
    }
    /// A zero-terminated UTF-8 string.
    fn text(&mut self) -> Result<&'a str> {
        // Portals and statements mostly have no name.
        if let [0, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok("");
        }
        let Some(end) = self.rest.iter().position(|b| *b == 0) else {
            bail!(PROTOCOL_VIOLATION, "invalid string in message");
        };
        let bytes = self.take(end + 1)?;
        utf8(&bytes[..end])
    }
}

/// 22021 with the offending bytes, as PostgreSQL names them.
pub fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| {
        let bad = &bytes[e.valid_up_to()..];
        let expected = match bad[0] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        let shown: Vec<String> = bad.iter().take(expected).map(|b| format!("0x{b:02x}")).collect();
        quarry_common::err!(
            CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\": {}",
            shown.join(" ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut f = vec![kind];
        f.extend((body.len() as i32 + 4).to_be_bytes());
        f.extend(body);
        f
    }

    #[test]
    fn incomplete_and_bad_lengths() {
        assert_eq!(next_frame(b"Q\0\0").unwrap(), None);
        assert_eq!(next_frame(&frame(b'S', b"")).unwrap(), Some((b'S', 5)));
        assert!(next_frame(b"Q\0\0\0\x03").is_err());
        assert!(next_frame(b"S\x7f\xff\xff\xff").is_err());
        assert!(next_frame(b"!\0\0\0\x04").is_err());
    }

    #[test]
    fn bind_with_lying_lengths_is_refused() {
        let whole = [b"p\0s\0".as_slice(), &[0, 1, 0, 1, 0, 1, 0, 0, 0, 2], b"ab", &[0, 0]].concat();
        assert!(matches!(
            decode(&frame(b'B', &whole)).unwrap(),
            Request::Bind { portal: "p", statement: "s", .. }
        ));
        for cut in 0..whole.len() {
            assert!(decode(&frame(b'B', &whole[..cut])).is_err(), "cut at {cut}");
        }
        let long = [b"p\0s\0".as_slice(), &[0, 0, 0, 1, 0, 0, 0, 200], b"ab", &[0, 0]].concat();
        assert_eq!(decode(&frame(b'B', &long)).unwrap_err().sqlstate().as_str(), "08P01");
        let trailing = [whole.as_slice(), b"x"].concat();
        assert!(decode(&frame(b'B', &trailing)).is_err());
    }

    #[test]
    fn text_is_checked() {
        assert_eq!(decode(&frame(b'Q', b"SELECT 1")).unwrap_err().sqlstate().as_str(), "08P01");
        let e = decode(&frame(b'Q', b"SELECT '\xff'\0")).unwrap_err();
        assert_eq!(
            (e.sqlstate().as_str(), e.message()),
            ("22021", "invalid byte sequence for encoding \"UTF8\": 0xff")
        );
    }
}
