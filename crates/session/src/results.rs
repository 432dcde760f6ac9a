//! Result rows as DataRow messages, straight from column vectors into the output buffer.

use crate::prepared::Prepared;
use crate::protocol::{self, FieldDescription};
use crate::query::{CachedPlan, Columns, ResultColumn, StatementContext};
use bytes::BytesMut;
use quarry_common::{Error, Result};
use quarry_types::io::{IoContext, TypeRef};
use quarry_types::{Batch, Datum, PhysicalType, SqlType, Vector, VectorData, oids};
use std::sync::Arc;

/// How one column is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Path {
    /// The bytes as they lie: text types (in both formats), bytea and the like in binary.
    Raw,
    Integer,
    /// The type's fixed-width binary form is the value, big endian.
    BinaryFixed,
    Bool,
    /// Through the type's output or send function.
    General,
}

struct Column {
    ty: TypeRef,
    binary: bool,
    path: Path,
}

/// How the columns of one result are written.
#[derive(Clone)]
pub struct Writers(Arc<[Column]>);

/// Writes rows of one result.
pub struct RowWriter {
    columns: Arc<[Column]>,
    scratch: Vec<u8>,
}

/// Types whose text form is their bytes.
fn is_plain_text(oid: quarry_common::Oid) -> bool {
    matches!(
        oid,
        oids::TEXT | oids::VARCHAR | oids::BPCHAR | oids::NAME | oids::JSON | oids::UNKNOWN | oids::CSTRING
    )
}

fn path_of(ty: &TypeRef, binary: bool) -> Path {
    use PhysicalType as P;
    if is_plain_text(ty.oid) || binary && ty.oid == oids::BYTEA {
        return Path::Raw;
    }
    match (ty.physical, binary) {
        (P::I16 | P::I64 | P::I32, _) if !matches!(ty.oid, oids::INT2 | oids::INT4 | oids::INT8) => {
            match binary {
                // Dates and timestamps are sent as the numbers they are.
                true if matches!(ty.oid, oids::DATE | oids::TIMESTAMP | oids::TIMESTAMPTZ | oids::TIME) => {
                    Path::BinaryFixed
                }
                _ => Path::General,
            }
        }
        (P::I16 | P::I32 | P::I64, false) => Path::Integer,
        (P::U32, false) if ty.oid == oids::OID => Path::Integer,
        (P::Bool, false) => Path::Bool,
        (P::I16 | P::I32 | P::I64 | P::F32 | P::F64 | P::Bool, true) => Path::BinaryFixed,
        (P::U32, true) if ty.oid == oids::OID => Path::BinaryFixed,
        _ => Path::General,
    }
}

/// The longest row: PostgreSQL's limit for anything in one piece.
const ROW_BYTES_MAX: usize = 0x3fff_ffff;

/// The format of column `i`: none given means text, one given is for all.
pub fn format_of(formats: &[i16], i: usize) -> i16 {
    match formats {
        [] => 0,
        [one] => *one,
        many => many.get(i).copied().unwrap_or(0),
    }
}

impl RowWriter {
    pub fn new(
        types: impl ExactSizeIterator<Item = SqlType>,
        formats: &[i16],
        io: &IoContext<'_>,
    ) -> Result<RowWriter> {
        let columns = types
            .enumerate()
            .map(|(i, ty)| {
                let ty = io.type_ref(ty.oid)?;
                let binary = format_of(formats, i) == 1;
                Ok(Column { path: path_of(&ty, binary), ty, binary })
            })
            .collect::<Result<_>>()?;
        Ok(RowWriter { columns, scratch: vec![] })
    }

    /// The writer of a plan's result. Where all is sent as text and no type hangs on the catalog, the plan keeps how that is done.
    pub fn of_plan(plan: &CachedPlan, formats: &[i16], io: &IoContext<'_>) -> Result<RowWriter> {
        let types = plan.statement.output.iter().map(|(_, _, ty)| *ty);
        if !is_text(formats) {
            return RowWriter::new(types, formats, io);
        }
        if let Some(Writers(columns)) = plan.text_writers.get() {
            return Ok(RowWriter { columns: columns.clone(), scratch: vec![] });
        }
        let made = RowWriter::new(types, formats, io)?;
        if made.columns.iter().all(|c| matches!(c.ty, TypeRef::Builtin(_))) {
            // Another session may have been faster, with the same.
            let _ = plan.text_writers.set(Writers(made.columns.clone()));
        }
        Ok(made)
    }

    /// Appends the batch's rows from its `from`-th selected row on, until `max` rows or `bytes_max` bytes are written.
    /// Returns how many.
    pub fn write_batch(
        &mut self,
        batch: &Batch,
        from: usize,
        max: usize,
        bytes_max: usize,
        io: &IoContext<'_>,
        out: &mut BytesMut,
    ) -> Result<usize> {
        let start = out.len();
        let mut written = 0;
        for i in batch.rows().iter().skip(from).take(max) {
            let (columns, scratch) = (&self.columns, &mut self.scratch);
            whole_row(out, columns.len(), |out| {
                let mut pairs = columns.iter().zip(&batch.columns);
                pairs.try_for_each(|(c, vector)| write_vector_value(c, vector, i, io, scratch, out))
            })?;
            written += 1;
            if out.len() - start >= bytes_max {
                break;
            }
        }
        Ok(written)
    }

    /// Appends one row given as scalars: the short path.
    pub fn write_row(&mut self, row: &[Datum], io: &IoContext<'_>, out: &mut BytesMut) -> Result<()> {
        let (columns, scratch) = (&self.columns, &mut self.scratch);
        whole_row(out, columns.len(), |out| {
            columns.iter().zip(row).try_for_each(|(c, value)| write_datum(c, value, io, scratch, out))
        })
    }
}

/// Appends a row whose values `write` writes. On an error nothing of it stays: half a message would confuse the client for good.
fn whole_row(
    out: &mut BytesMut,
    columns: usize,
    write: impl FnOnce(&mut BytesMut) -> Result<()>,
) -> Result<()> {
    let before = out.len();
    let at = protocol::begin_row(out, columns as i16);
    let done = write(out).and_then(|()| finish_row(out, at));
    if done.is_err() {
        out.truncate(before);
    }
    done
}

/// Patches the row's length; 54000 for rows no message can hold.
fn finish_row(out: &mut BytesMut, at: usize) -> Result<()> {
    if out.len() - at > ROW_BYTES_MAX {
        return Err(quarry_common::err!(PROGRAM_LIMIT_EXCEEDED, "out of memory")
            .detail("A row is longer than a message can be."));
    }
    protocol::finish(out, at);
    Ok(())
}

fn put_value(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(bytes.len() + 4);
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_null(out: &mut BytesMut) {
    out.extend_from_slice(&(-1_i32).to_be_bytes());
}

fn put_integer(out: &mut BytesMut, v: impl itoa::Integer) {
    let mut buffer = itoa::Buffer::new();
    put_short(out, buffer.format(v).as_bytes());
}

/// As [`put_value`], for values of a number's length: length and bytes in one.
#[inline]
fn put_short(out: &mut BytesMut, bytes: &[u8]) {
    const MAX: usize = 44;
    if bytes.len() > MAX {
        return put_value(out, bytes);
    }
    let mut both = [0; MAX + 4];
    both[..4].copy_from_slice(&(bytes.len() as i32).to_be_bytes());
    both[4..4 + bytes.len()].copy_from_slice(bytes);
    out.extend_from_slice(&both[..4 + bytes.len()]);
}

/// Whether all columns are asked for as text.
fn is_text(formats: &[i16]) -> bool {
    formats.iter().all(|f| *f == 0)
}

fn write_vector_value(
    c: &Column,
    vector: &Vector,
    row: usize,
    io: &IoContext<'_>,
    scratch: &mut Vec<u8>,
    out: &mut BytesMut,
) -> Result<()> {
    if vector.is_null(row) {
        put_null(out);
        return Ok(());
    }
    let i = vector.slot(row);
    match (c.path, vector.data()) {
        (Path::Raw, VectorData::Bytes(v)) => put_value(out, v.get(i)),
        (Path::Integer, VectorData::I16(v)) => put_integer(out, v[i]),
        (Path::Integer, VectorData::I32(v)) => put_integer(out, v[i]),
        (Path::Integer, VectorData::I64(v)) => put_integer(out, v[i]),
        (Path::Integer, VectorData::U32(v)) => put_integer(out, v[i]),
        (Path::Bool, VectorData::Bool(v)) => put_value(out, if v[i] { b"t" } else { b"f" }),
        (Path::BinaryFixed, VectorData::I16(v)) => put_value(out, &v[i].to_be_bytes()),
        (Path::BinaryFixed, VectorData::I32(v)) => put_value(out, &v[i].to_be_bytes()),
        (Path::BinaryFixed, VectorData::I64(v)) => put_value(out, &v[i].to_be_bytes()),
        (Path::BinaryFixed, VectorData::U32(v)) => put_value(out, &v[i].to_be_bytes()),
        (Path::BinaryFixed, VectorData::F32(v)) => put_value(out, &v[i].to_be_bytes()),
        (Path::BinaryFixed, VectorData::F64(v)) => put_value(out, &v[i].to_be_bytes()),
        (Path::BinaryFixed, VectorData::Bool(v)) => put_value(out, &[v[i] as u8]),
        _ => write_general(c, &vector.datum(row), io, scratch, out)?,
    }
    Ok(())
}

fn write_datum(
    c: &Column,
    value: &Datum,
    io: &IoContext<'_>,
    scratch: &mut Vec<u8>,
    out: &mut BytesMut,
) -> Result<()> {
    match (c.path, value) {
        (_, Datum::Null) => put_null(out),
        (Path::Raw, Datum::Bytes(v)) => put_value(out, v),
        (Path::Integer, Datum::I16(v)) => put_integer(out, *v),
        (Path::Integer, Datum::I32(v)) => put_integer(out, *v),
        (Path::Integer, Datum::I64(v)) => put_integer(out, *v),
        (Path::Integer, Datum::U32(v)) => put_integer(out, *v),
        (Path::Bool, Datum::Bool(v)) => put_value(out, if *v { b"t" } else { b"f" }),
        (Path::BinaryFixed, Datum::I16(v)) => put_value(out, &v.to_be_bytes()),
        (Path::BinaryFixed, Datum::I32(v)) => put_value(out, &v.to_be_bytes()),
        (Path::BinaryFixed, Datum::I64(v)) => put_value(out, &v.to_be_bytes()),
        (Path::BinaryFixed, Datum::U32(v)) => put_value(out, &v.to_be_bytes()),
        (Path::BinaryFixed, Datum::F32(v)) => put_value(out, &v.to_be_bytes()),
        (Path::BinaryFixed, Datum::F64(v)) => put_value(out, &v.to_be_bytes()),
        (Path::BinaryFixed, Datum::Bool(v)) => put_value(out, &[*v as u8]),
        _ => write_general(c, value, io, scratch, out)?,
    }
    Ok(())
}

fn write_general(
    c: &Column,
    value: &Datum,
    io: &IoContext<'_>,
    scratch: &mut Vec<u8>,
    out: &mut BytesMut,
) -> Result<()> {
    scratch.clear();
    if c.binary {
        c.ty.send(value, io, scratch)?
    } else {
        c.ty.output(value, io, scratch)?
    }
    put_value(out, scratch);
    Ok(())
}

fn is_own(statement: &Prepared, columns: &Columns) -> bool {
    statement.columns.as_ref().is_some_and(|own| Arc::ptr_eq(own, columns))
}

/// What [`describe_statement`] would append, if it is known.
pub fn known_description<'p>(
    statement: &'p Prepared,
    columns: &Columns,
    formats: &[i16],
) -> Option<&'p [u8]> {
    let known = statement.described.get()?;
    (is_text(formats) && is_own(statement, columns)).then_some(&**known)
}

/// Appends the RowDescription of a statement's own columns. What was sent once is kept if it is text of types that don't hang on the
/// catalog.
pub fn describe_statement(
    statement: &Prepared,
    columns: &Columns,
    formats: &[i16],
    st: &StatementContext,
    out: &mut BytesMut,
) -> Result<()> {
    if !is_own(statement, columns) || !is_text(formats) {
        return describe(columns, formats, &st.io(), out);
    }
    if let Some(known) = statement.described.get() {
        out.extend_from_slice(known);
        return Ok(());
    }
    let (before, io) = (out.len(), st.io());
    describe(columns, formats, &io, out)?;
    let builtin = |c: &ResultColumn| matches!(io.type_ref(c.1.oid), Ok(TypeRef::Builtin(_)));
    if columns.iter().all(builtin) {
        // Another session may have been faster, with the same.
        let _ = statement.described.set(out[before..].into());
    }
    Ok(())
}

/// Appends the RowDescription of a result. On an error nothing of it stays.
fn describe(columns: &[ResultColumn], formats: &[i16], io: &IoContext<'_>, out: &mut BytesMut) -> Result<()> {
    let Ok(count) = i16::try_from(columns.len()) else {
        return Err(Error::internal("too many result columns"));
    };
    let before = out.len();
    let at = protocol::begin_row_description(out, count);
    for (i, column) in columns.iter().enumerate() {
        match field(column, format_of(formats, i), io) {
            Ok(field) => protocol::row_field(out, &field),
            Err(e) => {
                out.truncate(before);
                return Err(e);
            }
        }
    }
    protocol::finish(out, at);
    Ok(())
}

fn field<'a>(
    (name, ty, source): &'a ResultColumn,
    format: i16,
    io: &IoContext<'_>,
) -> Result<FieldDescription<'a>> {
    let info = io.type_ref(ty.oid)?;
    // Domains are described as their base type, as drivers know no domains.
    let (oid, typmod) = match info.base {
        // A row's shape is our own affair.
        _ if ty.oid == oids::RECORD => (ty.oid, -1),
        Some(base) if ty.typmod == -1 => (base.oid, base.typmod),
        Some(base) => (base.oid, ty.typmod),
        None => (ty.oid, ty.typmod),
    };
    // `source` are table OID and attribute number of a plain column.
    let (table, attribute) = source.map_or((0, 0), |(t, a)| (t.0, a));
    Ok(FieldDescription { name, table, attribute, type_oid: oid.0, type_len: info.typlen, typmod, format })
}
