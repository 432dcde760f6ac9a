//! What a client asks of its session: protocol messages without the wire around them.

/// Text (0) or binary (1), for parameters or for columns: one for all, or one for each; none is text.
pub type FormatCodes = smallvec::SmallVec<[i16; 8]>;

/// The same as they lie in a message, 16 bits each.
#[derive(Clone, Copy, Debug, Default)]
pub struct WireFormats<'a>(&'a [u8]);

impl<'a> WireFormats<'a> {
    /// Of the codes' bytes, each 0 or 1.
    pub fn new(bytes: &'a [u8]) -> WireFormats<'a> {
        WireFormats(bytes)
    }
    pub fn len(self) -> usize {
        self.0.len() / 2
    }
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
    /// The codes, one after the other.
    pub fn iter(self) -> impl Iterator<Item = i16> + use<'a> {
        self.0.chunks_exact(2).map(|code| i16::from_be_bytes([code[0], code[1]]))
    }
    /// Whether value `i` is binary.
    pub fn is_binary(self, i: usize) -> bool {
        let place = if self.len() == 1 { 0 } else { 2 * i };
        self.0.get(place + 1) == Some(&1)
    }
}

/// Parameters as they lie in a message: 32 bits of length, then the value; -1 is NULL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    /// Of `count` values that these bytes are.
    pub fn new(count: usize, bytes: &'a [u8]) -> Values<'a> {
        Values { count, bytes }
    }
    pub fn len(self) -> usize {
        self.count
    }
    pub fn is_empty(self) -> bool {
        self.count == 0
    }
    /// The values, one after the other; none is NULL.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (len, behind) = rest.split_first_chunk()?;
            let (value, behind) = match usize::try_from(i32::from_be_bytes(*len)) {
                Ok(len) => behind.split_at_checked(len).map(|(value, behind)| (Some(value), behind))?,
                Err(_) => (None, behind),
            };
            rest = behind;
            Some(value)
        })
    }
    /// The bytes of values that are to be sent.
    pub fn to_wire(values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut bytes = vec![];
        for value in values {
            let len = value.map_or(-1, |v| v.len() as i32);
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(value.unwrap_or_default());
        }
        bytes
    }
}

/// A frontend message. Borrowed from the connection's input buffer.
#[derive(Clone, Debug)]
pub enum Request<'a> {
    Query(&'a str),
    Parse {
        name: &'a str,
        sql: &'a str,
        param_types: Vec<u32>,
    },
    Bind {
        portal: &'a str,
        statement: &'a str,
        param_formats: WireFormats<'a>,
        params: Values<'a>,
        result_formats: WireFormats<'a>,
    },
    Describe {
        portal: bool,
        name: &'a str,
    },
    Execute {
        portal: &'a str,
        max_rows: i32,
    },
    Close {
        portal: bool,
        name: &'a str,
    },
    Flush,
    Sync,
    CopyData(&'a [u8]),
    CopyDone,
    CopyFail(&'a str),
    /// Function call protocol: refused by name.
    FunctionCall,
    Terminate,
}

/// What the connection does after a session took a message or went on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The next message can be handled.
    Ready,
    /// There is more to do and the output is worth sending first: send, then call `resume`.
    More,
    /// Wait until the log is durable up to here, then call `resume`.
    WaitDurable(quarry_common::Lsn),
    /// Send what there is and close.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_message_is_read_in_order() {
        let values: [Option<&[u8]>; 4] = [Some(b"ab"), None, Some(b""), Some(b"c")];
        let wire = Values::to_wire(&values);
        assert_eq!(Values::new(4, &wire).iter().collect::<Vec<_>>(), values);
        let formats = [0, 0, 0, 1];
        let formats = WireFormats::new(&formats);
        assert_eq!((formats.len(), formats.iter().collect::<Vec<_>>()), (2, vec![0, 1]));
        assert_eq!([0, 1, 2].map(|i| formats.is_binary(i)), [false, true, false]);
        // One is for all, none is text.
        assert!([0, 9].iter().all(|i| WireFormats::new(&[0, 1]).is_binary(*i)));
        assert!(!WireFormats::default().is_binary(0));
    }
}
