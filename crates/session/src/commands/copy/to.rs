//! COPY TO: a query's rows as text, CSV or binary (PostgreSQL: commands/copyto.c).

use super::from::{SIGNATURE, column_list, known_columns};
use super::options::{Format, Header, Options};
use crate::prepared::Source;
use crate::protocol;
use crate::session::Session;
use bytes::BytesMut;
use quarry_catalog::{LockMode, RelKind, Relation, quote_identifier, quote_qualified};
use quarry_common::progress::copy as progress;
use quarry_common::{Oid, Result, bail, err};
use quarry_executor::Execution;
use quarry_sql::ast::{self, CopySource};
use quarry_sql::parse;
use quarry_types::io::TypeRef;
use quarry_types::{Batch, Vector, VectorData, oids};
use std::io::Write;
use std::sync::Arc;

/// Bytes gathered before a file is written to.
const FILE_CHUNK: usize = 64 * 1024;

/// COPY TO under way.
pub struct CopyOut {
    execution: Execution,
    options: Options,
    types: Vec<TypeRef>,
    names: Vec<String>,
    force_quote: Vec<bool>,
    batch: Option<(Batch, usize)>,
    rows: u64,
    /// Of its query; none: that is a table.
    query_id: Option<i64>,
    /// Given so far.
    bytes: usize,
    begun: bool,
    /// The binary header, until it goes out with the first message: clients expect both in one.
    head: Vec<u8>,
    row: Vec<u8>,
    value: Vec<u8>,
    shown: super::Shown,
}

impl CopyOut {
    /// `whole`: the statement.
    pub fn new(s: &mut Session, copy: &ast::Copy, whole: Source<'_>) -> Result<CopyOut> {
        let st = s.statement_context()?;
        let made;
        let mut table = None;
        let query = match &copy.source {
            CopySource::Query(q) => &**q,
            CopySource::Relation { relation: name, columns } => {
                let (query, relation) = table_query(&st, name, columns)?;
                table = Some(relation);
                made = query;
                &made
            }
        };
        let options = Options::new(&copy.options, false)?;
        if let ast::Statement::Select(q) = query
            && crate::session::has_into(q)
        {
            bail!(FEATURE_NOT_SUPPORTED, "COPY (SELECT INTO) is not supported");
        }
        let analyzed = st.analyze(query, &[], false)?;
        if analyzed.columns.is_empty() && !matches!(query, ast::Statement::Select(_)) {
            bail!(FEATURE_NOT_SUPPORTED, "COPY query must have a RETURNING clause");
        }
        let columns = analyzed.columns;
        let source = match &copy.source {
            CopySource::Query(_) => whole.nested(),
            CopySource::Relation { .. } => Source { query: None, ..whole.part() },
        };
        let plan = st.plan(analyzed.bound, None, source)?;
        st.check_read_only(&plan, "COPY TO")?;
        let io = st.io();
        let types = columns.iter().map(|(_, ty, _)| io.type_ref(ty.oid)).collect::<Result<Vec<_>>>()?;
        let names: Vec<String> = columns.into_iter().map(|(name, _, _)| name).collect();
        let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = match &table {
            Some(relation) => known_columns(relation),
            None => (borrowed.clone(), None),
        };
        let force_quote = options.force_quote.flags(&borrowed, &known, "FORCE_QUOTE")?;
        let query_id = plan.query_id;
        let execution = st.start(plan, Arc::from([]), false)?;
        Ok(CopyOut {
            execution,
            options,
            types,
            names,
            force_quote,
            batch: None,
            rows: 0,
            query_id,
            bytes: 0,
            begun: false,
            head: vec![],
            row: vec![],
            value: vec![],
            shown: super::Shown::begin(s, copy, table.as_ref().map_or(Oid::INVALID, |t| t.oid)),
        })
    }

    /// The identifier of the query that it is about, and the rows so far.
    pub fn query_and_rows(&self) -> Option<(i64, u64)> {
        self.query_id.map(|id| (id, self.rows))
    }

    /// CopyOutResponse.
    pub fn announce(&self, out: &mut BytesMut) {
        protocol::copy_response(out, b'H', self.options.format == Format::Binary, self.types.len());
    }

    /// Sends on, up to about `bytes` more bytes; the tag at the end.
    pub fn advance(&mut self, out: &mut BytesMut, bytes: usize) -> Result<Option<String>> {
        let start = out.len();
        let limit = bytes.max(out.len() - start);
        let done = self.produce(&mut |data| protocol::copy_data(out, data), limit)?;
        if !done {
            return Ok(None);
        }
        protocol::copy_done(out);
        Ok(Some(format!("COPY {}", self.rows)))
    }

    /// Writes everything to a server file; the tag.
    pub fn write_file(&mut self, path: &str) -> Result<String> {
        let file = std::fs::File::create(path).map_err(|e| {
            super::file_error(path, "writing", &e).hint(
                "COPY TO instructs the PostgreSQL server process to write a file. \
                 You may want a client-side facility such as psql's \\copy.",
            )
        })?;
        let mut file = std::io::BufWriter::new(file);
        let mut failed = None;
        loop {
            let done = self.produce(
                &mut |data| {
                    if failed.is_none() {
                        failed = file.write_all(data).err();
                    }
                },
                FILE_CHUNK,
            )?;
            if let Some(e) = failed.take() {
                return Err(e.into());
            }
            if done {
                break;
            }
        }
        file.flush()?;
        Ok(format!("COPY {}", self.rows))
    }

    /// Gives rows to `sink` until about `bytes` bytes; true at the end.
    fn produce(&mut self, sink: &mut dyn FnMut(&[u8]), bytes: usize) -> Result<bool> {
        let mut given = 0;
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(sink);
        }
        let reader = self.execution.env().reader.clone();
        let base = self.execution.env().io.clone();
        let io = quarry_types::IoContext { names: &*reader, ..base };
        while given < bytes {
            let (batch, from) = match self.batch.take() {
                Some(b) => b,
                None => match self.execution.next()? {
                    Some(batch) => (batch, 0),
                    None => {
                        self.execution.finish()?;
                        if self.options.format == Format::Binary {
                            self.head.extend_from_slice(&(-1i16).to_be_bytes());
                            sink(&std::mem::take(&mut self.head));
                        }
                        return Ok(true);
                    }
                },
            };
            let mut next = from;
            for i in batch.rows().iter().skip(from) {
                self.write_row(&batch, i, &io)?;
                if self.head.is_empty() {
                    sink(&self.row);
                } else {
                    self.head.extend_from_slice(&self.row);
                    sink(&std::mem::take(&mut self.head));
                }
                given += self.row.len();
                self.rows += 1;
                next += 1;
                if given >= bytes {
                    break;
                }
            }
            if next < batch.row_count() {
                self.batch = Some((batch, next));
            }
            self.shown.progress.set(progress::TUPLES, self.rows as i64);
            self.shown.progress.set(progress::BYTES, (self.bytes + given) as i64);
        }
        self.bytes += given;
        Ok(false)
    }

    fn begin(&mut self, sink: &mut dyn FnMut(&[u8])) {
        if self.options.format == Format::Binary {
            self.head = SIGNATURE.to_vec();
            self.head.extend_from_slice(&[0; 8]);
        } else if self.options.header != Header::No {
            self.row.clear();
            for (i, name) in self.names.iter().enumerate() {
                if i > 0 {
                    self.row.push(self.options.delimiter);
                }
                match self.options.format {
                    Format::Csv => {
                        push_csv(&mut self.row, name.as_bytes(), &self.options, false, self.names.len() == 1)
                    }
                    _ => push_text(&mut self.row, name.as_bytes(), self.options.delimiter),
                }
            }
            self.row.push(b'\n');
            sink(&self.row);
        }
    }

    fn write_row(&mut self, batch: &Batch, i: usize, io: &quarry_types::IoContext<'_>) -> Result<()> {
        let o = &self.options;
        self.row.clear();
        if o.format == Format::Binary {
            self.row.extend_from_slice(&(self.types.len() as i16).to_be_bytes());
        }
        let single = self.types.len() == 1;
        for (n, (ty, vector)) in self.types.iter().zip(&batch.columns).enumerate() {
            if o.format == Format::Binary {
                if vector.is_null(i) {
                    self.row.extend_from_slice(&(-1i32).to_be_bytes());
                    continue;
                }
                self.value.clear();
                ty.send(&vector.datum(i), io, &mut self.value)?;
                self.row.extend_from_slice(&(self.value.len() as i32).to_be_bytes());
                self.row.extend_from_slice(&self.value);
                continue;
            }
            if n > 0 {
                self.row.push(o.delimiter);
            }
            if vector.is_null(i) {
                self.row.extend_from_slice(o.null.as_bytes());
                continue;
            }
            let plain = plain_bytes(ty, vector, i);
            let value: &[u8] = match plain {
                Some(b) => b,
                None => {
                    self.value.clear();
                    write_value(ty, vector, i, io, &mut self.value)?;
                    &self.value
                }
            };
            match o.format {
                Format::Csv => push_csv(&mut self.row, value, o, self.force_quote[n], single),
                _ => push_text(&mut self.row, value, o.delimiter),
            }
        }
        if o.format != Format::Binary {
            self.row.push(b'\n');
        }
        Ok(())
    }
}

/// The bytes of a value whose text they are.
fn plain_bytes<'a>(ty: &TypeRef, vector: &'a Vector, i: usize) -> Option<&'a [u8]> {
    let plain =
        matches!(ty.oid, oids::TEXT | oids::VARCHAR | oids::BPCHAR | oids::NAME | oids::JSON | oids::UNKNOWN);
    plain.then(|| vector.bytes_at(i))
}

fn write_value(
    ty: &TypeRef,
    vector: &Vector,
    i: usize,
    io: &quarry_types::IoContext<'_>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let slot = vector.slot(i);
    let mut buffer = itoa::Buffer::new();
    match (ty.oid, vector.data()) {
        (oids::INT4, VectorData::I32(v)) => out.extend_from_slice(buffer.format(v[slot]).as_bytes()),
        (oids::INT8, VectorData::I64(v)) => out.extend_from_slice(buffer.format(v[slot]).as_bytes()),
        _ => ty.output(&vector.datum(i), io, out)?,
    }
    Ok(())
}

/// A value of the text format, with its escapes.
fn push_text(out: &mut Vec<u8>, value: &[u8], delimiter: u8) {
    for c in value {
        let escaped = match c {
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b'\\' => b'\\',
            c if *c == delimiter => *c,
            c => {
                out.push(*c);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escaped]);
    }
}

/// A value of the CSV format, quoted if it must be.
fn push_csv(out: &mut Vec<u8>, value: &[u8], o: &Options, force: bool, single: bool) {
    let special = |c: &u8| *c == o.delimiter || *c == o.quote || matches!(c, b'\n' | b'\r');
    // A lone `\.` would end the data when read back.
    let quote = force || value == o.null.as_bytes() || single && value == b"\\." || value.iter().any(special);
    if !quote {
        out.extend_from_slice(value);
        return;
    }
    out.push(o.quote);
    for c in value {
        if *c == o.quote || *c == o.escape {
            out.push(o.escape);
        }
        out.push(*c);
    }
    out.push(o.quote);
}

/// The query that reads the columns of a table.
fn table_query(
    st: &crate::query::StatementContext,
    name: &ast::RangeVar,
    columns: &[ast::Name],
) -> Result<(ast::Statement, Arc<Relation>)> {
    let parts: Vec<&String> = name.catalog.iter().chain(&name.schema).chain([&name.name]).collect();
    let relation = st.reader.lock_relation(&parts, None, LockMode::AccessShare)?;
    let hint = "Try the COPY (SELECT ...) TO variant.";
    match relation.kind {
        RelKind::Table | RelKind::Toast => {}
        RelKind::View => {
            return Err(err!(WRONG_OBJECT_TYPE, "cannot copy from view \"{}\"", relation.name).hint(hint));
        }
        RelKind::MaterializedView => {
            return Err(err!(WRONG_OBJECT_TYPE, "cannot copy from materialized view \"{}\"", relation.name)
                .hint(hint));
        }
        RelKind::Sequence => bail!(WRONG_OBJECT_TYPE, "cannot copy from sequence \"{}\"", relation.name),
        RelKind::Index | RelKind::CompositeType => {
            bail!(WRONG_OBJECT_TYPE, "cannot copy from non-table relation \"{}\"", relation.name)
        }
    }
    let listed = column_list(&relation, columns)?;
    let list: Vec<String> = listed.iter().map(|i| quote_identifier(&relation.columns[*i].name)).collect();
    let table = quote_qualified(&relation.schema_name, &relation.name);
    let sql = format!("SELECT {} FROM ONLY {table}", list.join(", "));
    let parsed = parse::parse_statements(&sql)?;
    match parsed.into_iter().next() {
        Some(p) => Ok((p.stmt, relation)),
        None => Err(quarry_common::Error::internal("COPY made no query")),
    }
}
