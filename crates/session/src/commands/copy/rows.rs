//! Lines of COPY's text and CSV formats to rows (PostgreSQL: commands/copyfromparse.c): the values of a line go straight into one
//! vector per column.

use super::lines::{Fields, split_csv, split_text};
use super::options::{Format, Header, Options};
use quarry_common::{Error, Result, bail, err};
use quarry_executor::ExecEnv;
use quarry_types::io::{IoContext, TypeRef};
use quarry_types::{Datum, PhysicalType, Rows as Selection, SqlType, Vector, oids};

/// Rows and bytes stored at once.
pub(super) const BATCH: usize = 2000;
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// How a field's text becomes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// As it is, if it has no more bytes than this.
    Text(usize),
    Int2,
    Int4,
    Int8,
    General,
}

/// A column that the data has.
pub(super) struct Input {
    pub name: String,
    /// Its place among the table's live columns.
    pub slot: usize,
    pub ty: SqlType,
    pub info: TypeRef,
    pub path: Path,
}

pub(super) fn path_of(ty: SqlType) -> Path {
    match ty.oid {
        oids::TEXT => Path::Text(usize::MAX),
        oids::VARCHAR if ty.typmod == -1 => Path::Text(usize::MAX),
        // So many characters at most.
        oids::VARCHAR => Path::Text((ty.typmod - 4).max(0) as usize),
        oids::INT2 => Path::Int2,
        oids::INT4 => Path::Int4,
        oids::INT8 => Path::Int8,
        _ => Path::General,
    }
}

/// The value of plain decimal digits; none: let the type's input function see it.
fn digits(b: &[u8]) -> Option<i64> {
    let (negative, d) = match b {
        [b'-', d @ ..] => (true, d),
        d => (false, d),
    };
    if d.is_empty() || d.len() > 18 {
        return None;
    }
    let mut v = 0i64;
    for c in d {
        if !c.is_ascii_digit() {
            return None;
        }
        v = v * 10 + (c - b'0') as i64;
    }
    Some(if negative { -v } else { v })
}

/// What there is to know of the lines, and of the table that they are rows of. Several threads may read with it.
pub(super) struct RowFormat {
    pub env: ExecEnv,
    /// The table's name, for contexts.
    pub table: String,
    pub options: Options,
    pub inputs: Vec<Input>,
    pub force_not_null: Vec<bool>,
    pub force_null: Vec<bool>,
    /// Of the table's live columns.
    pub physical: Vec<PhysicalType>,
    /// Which of them refuse NULL.
    pub not_null: Vec<bool>,
    /// Those that are always NULL: the data doesn't have them, and there is no default.
    pub absent: Vec<usize>,
}

/// Rows that are to be stored.
pub(super) struct Rows {
    /// One for each live column of the table.
    pub vectors: Vec<Vector>,
    pub count: usize,
    /// Length of their lines.
    pub bytes: usize,
}

impl Rows {
    pub fn is_full(&self) -> bool {
        self.count >= BATCH || self.bytes >= BATCH_BYTES
    }

    /// Takes the last row out.
    pub fn split_last(&mut self) -> Rows {
        let last = [self.count as u32 - 1];
        let alone = |v: &Vector| v.gather(Selection::Selected { positions: &last, len: v.len() });
        let vectors = self.vectors.iter().map(alone).collect();
        self.count -= 1;
        self.truncate();
        Rows { vectors, count: 1, bytes: 0 }
    }

    /// Drops values beyond the last row.
    pub fn truncate(&mut self) {
        let keep: Vec<u32> = (0..self.count as u32).collect();
        for v in &mut self.vectors {
            *v = v.gather(Selection::Selected { positions: &keep, len: v.len() });
        }
    }
}

impl RowFormat {
    pub fn no_rows(&self) -> Rows {
        let vectors = self.physical.iter().map(|p| Vector::with_capacity(*p, BATCH)).collect();
        Rows { vectors, count: 0, bytes: 0 }
    }

    /// Whether the last row may be refused for its NULLs: it is stored alone, so that the error names its line.
    pub fn is_refusable(&self, rows: &Rows) -> bool {
        let last = rows.count - 1;
        self.not_null.iter().zip(&rows.vectors).any(|(required, v)| *required && v.is_null(last))
    }

    /// Whether reading a line needs nothing but the line: no catalog, no code of users, nothing of the session that changes.
    pub fn is_self_contained(&self) -> bool {
        self.inputs.iter().all(|i| oids::is_self_contained(i.ty.oid))
    }

    /// Appends a line's values to the rows; false: it is the header. Errors say where they are.
    pub fn read(
        &self,
        line: &[u8],
        number: u64,
        header: bool,
        fields: &mut Fields,
        rows: &mut Rows,
        io: &IoContext<'_>,
    ) -> Result<bool> {
        let text = match self.line(line, header, fields) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(false),
            Err(e) => return Err(self.at_line(e, number, &excerpt(line))),
        };
        match self.values(fields, text, rows, io) {
            Ok(()) => {
                rows.bytes += line.len();
                Ok(true)
            }
            Err((e, Some(column))) => {
                let value = match fields.get(column, line) {
                    Some(v) => format!("\"{}\"", excerpt(v)),
                    None => "null input".into(),
                };
                let column = &self.inputs[column].name;
                Err(e.context(format!("COPY {}, line {number}, column {column}: {value}", self.table)))
            }
            Err((e, None)) => Err(self.at_line(e, number, &excerpt(line))),
        }
    }

    /// The error of a line, with the line.
    pub fn at_line(&self, e: Error, number: u64, text: &str) -> Error {
        e.context(format!("COPY {}, line {number}: \"{text}\"", self.table))
    }

    /// Splits a line, which comes back as text; none: it was the header, or there for nothing.
    fn line<'a>(&self, line: &'a [u8], header: bool, fields: &mut Fields) -> Result<Option<&'a str>> {
        if header && self.options.header == Header::Yes {
            return Ok(None);
        }
        let text = utf8(line)?;
        match self.options.format {
            Format::Csv => split_csv(line, &self.options, &self.force_not_null, &self.force_null, fields)?,
            _ => split_text(line, &self.options, fields),
        }
        if header {
            self.check_header(fields, line)?;
            return Ok(None);
        }
        Ok(Some(text))
    }

    fn check_header(&self, fields: &Fields, line: &[u8]) -> Result<()> {
        if fields.len() != self.inputs.len() {
            bail!(
                BAD_COPY_FILE_FORMAT,
                "wrong number of fields in header line: got {}, expected {}",
                fields.len(),
                self.inputs.len()
            );
        }
        for (i, c) in self.inputs.iter().enumerate() {
            match fields.get(i, line) {
                None => bail!(
                    BAD_COPY_FILE_FORMAT,
                    "column name mismatch in header line field {}: got null value (\"{}\"), expected \"{}\"",
                    i + 1,
                    self.options.null,
                    c.name
                ),
                Some(got) if got != c.name.as_bytes() => bail!(
                    BAD_COPY_FILE_FORMAT,
                    "column name mismatch in header line field {}: got \"{}\", expected \"{}\"",
                    i + 1,
                    String::from_utf8_lossy(got),
                    c.name
                ),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Appends the fields of `line` as a row. The error's number is the input column at fault.
    fn values(
        &self,
        fields: &Fields,
        line: &str,
        rows: &mut Rows,
        io: &IoContext<'_>,
    ) -> Result<(), (Error, Option<usize>)> {
        let bytes = fields.whole(line.as_bytes());
        // A copy without escapes need not be text, and what is text as a whole need not be so field by field.
        let text = if fields.is_copy() { std::str::from_utf8(bytes).ok() } else { Some(line) };
        let empty_line =
            self.inputs.is_empty() && fields.len() == 1 && fields.span(0).is_none_or(|s| s.is_empty());
        if fields.len() > self.inputs.len() && !empty_line {
            return Err((err!(BAD_COPY_FILE_FORMAT, "extra data after last expected column"), None));
        }
        for (i, c) in self.inputs.iter().enumerate() {
            if i >= fields.len() {
                return Err((err!(BAD_COPY_FILE_FORMAT, "missing data for column \"{}\"", c.name), None));
            }
            let vector = &mut rows.vectors[c.slot];
            let at = |e| (e, Some(i));
            let Some(span) = fields.span(i) else {
                if c.info.kind == 'd' {
                    io.names.check_domain(c.ty.oid, &Datum::Null).map_err(at)?;
                }
                vector.push_null();
                continue;
            };
            let field = match text.and_then(|t| t.get(span.clone())) {
                Some(field) if !fields.is_copy() || !field.contains('\0') => field,
                _ => utf8(&bytes[span]).map_err(at)?,
            };
            let value = match (c.path, field.as_bytes()) {
                (Path::Text(limit), field) if field.len() <= limit => {
                    vector.push_stored(field);
                    continue;
                }
                (Path::Int2, field) => digits(field).and_then(|v| i16::try_from(v).ok()).map(Datum::I16),
                (Path::Int4, field) => digits(field).and_then(|v| i32::try_from(v).ok()).map(Datum::I32),
                (Path::Int8, field) => digits(field).map(Datum::I64),
                (Path::Text(_) | Path::General, _) => None,
            };
            let value = match value {
                Some(value) => value,
                None => c.info.input(field, c.ty.typmod, io).map_err(at)?,
            };
            vector.push_datum(&value);
        }
        for slot in &self.absent {
            rows.vectors[*slot].push_null();
        }
        rows.count += 1;
        Ok(())
    }
}

/// Bytes as text; 22021 naming the first that are no UTF-8.
fn utf8(bytes: &[u8]) -> Result<&str> {
    let at = match std::str::from_utf8(bytes) {
        Ok(t) if !t.contains('\0') => return Ok(t),
        Ok(_) => bail!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": 0x00"),
        Err(e) => e.valid_up_to(),
    };
    let len = match bytes[at] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    };
    let shown: Vec<String> = bytes[at..].iter().take(len).map(|b| format!("0x{b:02x}")).collect();
    Err(err!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")))
}

/// At most 100 bytes of a line or value, for the context.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.len() <= 100 {
        return text.into_owned();
    }
    let mut end = 100;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
}
