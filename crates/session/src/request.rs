//! What a client asks of its session: protocol messages without the wire around them.

/// Text (0) or binary (1), for parameters or for columns: one for all, or one for each; none is text.
pub type FormatCodes = smallvec::SmallVec<[i16; 8]>;

/// Parameters as they come; none is NULL.
pub type Values<'a> = smallvec::SmallVec<[Option<&'a [u8]>; 8]>;

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
        param_formats: FormatCodes,
        params: Values<'a>,
        result_formats: FormatCodes,
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
