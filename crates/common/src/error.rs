//! The error every layer returns and the client is told.

use crate::SqlState;
use std::fmt;

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// PostgreSQL's message severities, rising.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    Debug,
    Log,
    Info,
    Notice,
    Warning,
    Error,
    Fatal,
    Panic,
}

impl Severity {
    /// The word the protocol's `S` and `V` fields carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Log => "LOG",
            Severity::Info => "INFO",
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Panic => "PANIC",
        }
    }
}

/// Everything an ErrorResponse or NoticeResponse can carry. Boxed: a `Result<T>` stays small.
///
/// Built by chaining: `Error::new(SqlState::UNDEFINED_TABLE, format!(...)).hint("...").position(pos)`.
#[derive(Clone)]
pub struct Error(Box<ErrorFields>);

/// The fields behind [`Error`], as the protocol names them.
#[derive(Clone, Debug)]
pub struct ErrorFields {
    pub severity: Severity,
    pub sqlstate: SqlState,
    pub message: String,
    pub detail: Option<String>,
    /// What the server's log has instead of `detail`, where clients may not know as much.
    pub detail_log: Option<String>,
    pub hint: Option<String>,
    /// Byte offset (from 0) in the statement's text; the session turns it into a character number from 1.
    pub position: Option<usize>,
    /// Position within `internal_query`.
    pub internal_position: Option<usize>,
    pub internal_query: Option<String>,
    /// "where": the call stack in the user's terms, innermost first.
    pub context: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub data_type: Option<String>,
    pub constraint: Option<String>,
    /// The routine that raised it, where clients look at that.
    pub routine: Option<&'static str>,
}

impl Error {
    /// An error of severity ERROR.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Error {
        Error(Box::new(ErrorFields {
            severity: Severity::Error,
            sqlstate,
            message: message.into(),
            detail: None,
            detail_log: None,
            hint: None,
            position: None,
            internal_position: None,
            internal_query: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            routine: None,
        }))
    }

    /// 0A000 for a feature named by `what`: "`what` is not supported".
    pub fn unsupported(what: impl fmt::Display) -> Error {
        Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
    }

    /// XX000: a bug in Quarry that ends one statement.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(SqlState::INTERNAL_ERROR, message)
    }

    /// XX001: bytes on disk that can't be right. Names file, block and position in the message.
    pub fn corrupted(message: impl Into<String>) -> Error {
        Error::new(SqlState::DATA_CORRUPTED, message)
    }

    /// 57014: the statement was cancelled.
    pub fn cancelled() -> Error {
        Error::new(SqlState::QUERY_CANCELED, "canceling statement due to user request")
    }

    pub fn severity(mut self, severity: Severity) -> Error {
        self.0.severity = severity;
        self
    }
    pub fn detail(mut self, detail: impl Into<String>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }
    /// The detail for the server's log alone.
    pub fn detail_log(mut self, detail: impl Into<String>) -> Error {
        self.0.detail_log = Some(detail.into());
        self
    }
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }
    /// Sets the byte offset in the statement's text.
    pub fn position(mut self, byte_offset: usize) -> Error {
        self.0.position = Some(byte_offset);
        self
    }
    /// Sets the byte offset unless an inner layer, which knows better, has set one.
    pub fn position_if_none(mut self, byte_offset: usize) -> Error {
        self.0.position.get_or_insert(byte_offset);
        self
    }
    /// Adds an outer line to the context.
    pub fn context(mut self, line: impl Into<String>) -> Error {
        let line = line.into();
        self.0.context = Some(match self.0.context.take() {
            Some(inner) => format!("{inner}\n{line}"),
            None => line,
        });
        self
    }
    pub fn schema(mut self, name: impl Into<String>) -> Error {
        self.0.schema = Some(name.into());
        self
    }
    pub fn table(mut self, name: impl Into<String>) -> Error {
        self.0.table = Some(name.into());
        self
    }
    pub fn column(mut self, name: impl Into<String>) -> Error {
        self.0.column = Some(name.into());
        self
    }
    pub fn data_type(mut self, name: impl Into<String>) -> Error {
        self.0.data_type = Some(name.into());
        self
    }
    pub fn constraint(mut self, name: impl Into<String>) -> Error {
        self.0.constraint = Some(name.into());
        self
    }

    pub fn routine(mut self, name: &'static str) -> Error {
        self.0.routine = Some(name);
        self
    }

    /// All fields, to send or to inspect.
    pub fn fields(&self) -> &ErrorFields {
        &self.0
    }
    /// All fields, to rewrite.
    pub fn fields_mut(&mut self) -> &mut ErrorFields {
        &mut self.0
    }
    pub fn sqlstate(&self) -> SqlState {
        self.0.sqlstate
    }
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// Whether the same transaction, run again, may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.sqlstate, SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.0.severity.as_str(), self.0.message, self.0.sqlstate)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    /// 53100 for a full disk, 53000 for too many open files, 58030 otherwise.
    fn from(e: std::io::Error) -> Error {
        let state = match e.kind() {
            std::io::ErrorKind::StorageFull => SqlState::DISK_FULL,
            // ENFILE, EMFILE.
            _ if matches!(e.raw_os_error(), Some(23 | 24)) => SqlState::INSUFFICIENT_RESOURCES,
            _ => SqlState::IO_ERROR,
        };
        Error::new(state, e.to_string())
    }
}

/// `bail!(SQLSTATE, "format", args...)`: returns an [`Error`] from the enclosing function.
#[macro_export]
macro_rules! bail {
    ($state:ident, $($arg:tt)+) => {
        return Err($crate::Error::new($crate::SqlState::$state, format!($($arg)+)))
    };
}

/// `err!(SQLSTATE, "format", args...)`: an [`Error`] value, to chain `.hint(..)` and the like on.
#[macro_export]
macro_rules! err {
    ($state:ident, $($arg:tt)+) => {
        $crate::Error::new($crate::SqlState::$state, format!($($arg)+))
    };
}
