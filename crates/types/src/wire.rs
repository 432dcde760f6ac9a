//! Reading the binary wire form, with PostgreSQL's errors for malformed input. Nothing here trusts a length.

use quarry_common::{Error, Result, SqlState, bail};

/// Takes fields off the front of a binary value.
pub struct WireReader<'a> {
    rest: &'a [u8],
}

impl<'a> WireReader<'a> {
    pub fn new(bytes: &'a [u8]) -> WireReader<'a> {
        WireReader { rest: bytes }
    }
    /// The next `n` bytes; 08P01 if there are fewer.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        if n > self.rest.len() {
            bail!(PROTOCOL_VIOLATION, "insufficient data left in message");
        }
        let (head, tail) = self.rest.split_at(n);
        self.rest = tail;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("take returns as many bytes as asked"))
    }
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }
    pub fn b16(&mut self) -> Result<[u8; 16]> {
        self.array()
    }
    /// Everything left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    /// 22P03 unless everything was read.
    pub fn finish(&self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::new(SqlState::INVALID_BINARY_REPRESENTATION, "incorrect binary data format"))
    }
}

/// Checks that text from outside is UTF-8 without zero bytes: 22021 with PostgreSQL's rendering of the bad sequence.
pub fn check_text(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let lead = bytes[at];
        let claimed = match lead {
            0xf0..=0xf7 => 4,
            0xe0..=0xef => 3,
            0xc0..=0xdf => 2,
            _ => 1,
        };
        let shown = &bytes[at..bytes.len().min(at + claimed)];
        invalid_sequence(shown)
    })?;
    match memchr::memchr(0, bytes) {
        None => Ok(text),
        Some(_) => Err(invalid_sequence(&[0])),
    }
}

fn invalid_sequence(bytes: &[u8]) -> Error {
    let shown: Vec<String> = bytes.iter().map(|b| format!("0x{b:02x}")).collect();
    Error::new(
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
    )
}
