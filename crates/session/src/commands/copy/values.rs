//! Rows and values as COPY TO writes them.

use super::options::{Format, Options};
use quarry_common::{Error, Oid, Result};
use quarry_executor::ExecEnv;
use quarry_types::io::{IoContext, TypeRef};
use quarry_types::output::{output_vector_value, send_vector_value};
use quarry_types::{Batch, Vector, oids};

/// What is known of the text of a column's values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    /// It is the value's bytes.
    Stored,
    /// It never holds what needs an escape or quotes.
    Harmless,
    /// The type's output function makes it.
    Made,
}

/// Rows that follow each other, as they go out: up to the first that can't be written.
#[derive(Default)]
pub(super) struct Written {
    pub bytes: Vec<u8>,
    /// Where each row ends.
    pub ends: Vec<usize>,
    pub failed: Option<Error>,
}

/// How the rows of one COPY TO are written.
pub(super) struct RowWriter {
    columns: Vec<ValueWriter>,
    options: Options,
    env: ExecEnv,
}

impl RowWriter {
    /// Of columns with their types, and whether they are quoted in any case.
    pub fn new(columns: Vec<(TypeRef, bool)>, options: Options, env: ExecEnv) -> RowWriter {
        let single = columns.len() == 1;
        let columns =
            columns.into_iter().map(|(ty, force)| ValueWriter::new(ty, force, single, &options)).collect();
        RowWriter { columns, options, env }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Whether helpers can write rows.
    pub fn is_self_contained(&self) -> bool {
        self.columns.iter().all(|c| oids::is_self_contained(c.ty.oid))
    }

    /// Writes a batch's rows from its `from`-th one on, until there are about `bytes` bytes.
    pub fn write(&self, batch: &Batch, from: usize, bytes: usize) -> Written {
        let base = self.env.io();
        let io = IoContext { names: &*self.env.reader, ..base };
        let mut written = Written::default();
        let mut scratch = vec![];
        for i in batch.rows().iter().skip(from) {
            if let Err(e) = self.write_row(batch, i, &io, &mut scratch, &mut written.bytes) {
                written.failed = Some(e);
                break;
            }
            written.ends.push(written.bytes.len());
            if written.bytes.len() >= bytes {
                break;
            }
        }
        written
    }

    fn write_row(
        &self,
        batch: &Batch,
        i: usize,
        io: &IoContext<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let o = &self.options;
        if o.format == Format::Binary {
            out.extend_from_slice(&(self.columns.len() as i16).to_be_bytes());
            return self.columns.iter().zip(&batch.columns).try_for_each(|(column, vector)| {
                if vector.is_null(i) {
                    out.extend_from_slice(&(-1i32).to_be_bytes());
                    return Ok(());
                }
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                send_vector_value(vector, i, &column.ty, io, out)?;
                let bytes = (out.len() - start - 4) as i32;
                out[start..start + 4].copy_from_slice(&bytes.to_be_bytes());
                Ok(())
            });
        }
        for (n, (column, vector)) in self.columns.iter().zip(&batch.columns).enumerate() {
            if n > 0 {
                out.push(o.delimiter);
            }
            match vector.is_null(i) {
                true => out.extend_from_slice(o.null.as_bytes()),
                false => column.write(vector, i, o, io, scratch, out)?,
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Writes the values of one column.
struct ValueWriter {
    ty: TypeRef,
    text: Text,
    force_quote: bool,
    /// The only column.
    single: bool,
}

impl ValueWriter {
    fn new(ty: TypeRef, force_quote: bool, single: bool, o: &Options) -> ValueWriter {
        let text = match ty.oid {
            oids::TEXT | oids::VARCHAR | oids::BPCHAR | oids::NAME | oids::JSON | oids::UNKNOWN => {
                Text::Stored
            }
            oid if is_harmless(oid, o) => Text::Harmless,
            _ => Text::Made,
        };
        ValueWriter { ty, text, force_quote, single }
    }

    /// Appends value `i` of a vector, which is not NULL.
    fn write(
        &self,
        vector: &Vector,
        i: usize,
        o: &Options,
        io: &IoContext<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if self.text == Text::Stored {
            self.push(vector.bytes_at(i), o, out);
            return Ok(());
        }
        let start = out.len();
        output_vector_value(vector, i, &self.ty, io, out)?;
        let as_is = match o.format {
            Format::Csv => !self.is_quoted(&out[start..], o),
            _ => self.text == Text::Harmless || plain_length(&out[start..], o.delimiter) == out.len() - start,
        };
        if !as_is {
            scratch.clear();
            scratch.extend_from_slice(&out[start..]);
            out.truncate(start);
            self.push(scratch, o, out);
        }
        Ok(())
    }

    fn push(&self, value: &[u8], o: &Options, out: &mut Vec<u8>) {
        match o.format {
            Format::Csv if self.is_quoted(value, o) => push_quoted(out, value, o),
            Format::Csv => out.extend_from_slice(value),
            _ => push_text(out, value, o.delimiter),
        }
    }

    /// Whether a value stands in quotes in CSV.
    fn is_quoted(&self, value: &[u8], o: &Options) -> bool {
        self.force_quote
            || value == o.null.as_bytes()
            || self.text != Text::Harmless && needs_quotes(value, self.single, o)
    }
}

/// Types whose text is of letters, digits and a few signs, when none of these means something to COPY.
fn is_harmless(oid: Oid, o: &Options) -> bool {
    let means_something = |c: u8| c.is_ascii_alphanumeric() || b"+-.:/ ".contains(&c);
    let quote = if o.format == Format::Csv { o.quote } else { b'\\' };
    !means_something(o.delimiter)
        && !means_something(quote)
        && matches!(
            oid,
            oids::BOOL
                | oids::INT2
                | oids::INT4
                | oids::INT8
                | oids::OID
                | oids::FLOAT4
                | oids::FLOAT8
                | oids::NUMERIC
                | oids::DATE
                | oids::TIME
                | oids::TIMESTAMP
                | oids::TIMESTAMPTZ
                | oids::UUID
        )
}

/// The letter behind the backslash, where the text format has one.
fn escape(c: u8, delimiter: u8) -> Option<u8> {
    Some(match c {
        8 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        11 => b'v',
        12 => b'f',
        b'\r' => b'r',
        b'\\' => b'\\',
        c if c == delimiter => c,
        _ => return None,
    })
}

/// Bytes before the first that has an escape in the text format.
fn plain_length(value: &[u8], delimiter: u8) -> usize {
    // Sixteen at a time without a branch, which the compiler turns into vector instructions.
    let special = |c: u8| (c.wrapping_sub(8) < 6) | (c == b'\\') | (c == delimiter);
    let chunks = value.chunks_exact(16);
    let plain = chunks.take_while(|c| !c.iter().fold(false, |any, c| any | special(*c))).count() * 16;
    plain + value[plain..].iter().take_while(|c| !special(**c)).count()
}

/// A value of the text format, with its escapes.
pub fn push_text(out: &mut Vec<u8>, mut value: &[u8], delimiter: u8) {
    loop {
        let (plain, rest) = value.split_at(plain_length(value, delimiter));
        out.extend_from_slice(plain);
        let Some((first, rest)) = rest.split_first() else { return };
        out.push(b'\\');
        out.push(escape(*first, delimiter).unwrap_or(*first));
        value = rest;
    }
}

fn needs_quotes(value: &[u8], single: bool, o: &Options) -> bool {
    let special = |c: u8| (c == o.delimiter) | (c == o.quote) | (c == b'\n') | (c == b'\r');
    // A lone `\.` would end the data when read back.
    single && value == b"\\." || value.iter().fold(false, |any, c| any | special(*c))
}

/// A column's name in the header line of the CSV format.
pub fn push_csv_name(out: &mut Vec<u8>, name: &str, single: bool, o: &Options) {
    match name == o.null || needs_quotes(name.as_bytes(), single, o) {
        true => push_quoted(out, name.as_bytes(), o),
        false => out.extend_from_slice(name.as_bytes()),
    }
}

fn push_quoted(out: &mut Vec<u8>, value: &[u8], o: &Options) {
    out.push(o.quote);
    for c in value {
        if *c == o.quote || *c == o.escape {
            out.push(o.escape);
        }
        out.push(*c);
    }
    out.push(o.quote);
}
