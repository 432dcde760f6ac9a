//! COPY TO: a query's rows as text, CSV or binary (PostgreSQL: commands/copyto.c).

use super::from::{SIGNATURE, column_list, known_columns};
use super::options::{Format, Header, Options};
use super::pipeline::Pipeline;
use super::values::{RowWriter, Written, push_csv_name, push_text};
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
use quarry_types::Batch;
use std::io::Write;
use std::sync::Arc;

/// Bytes gathered before a file is written to.
const FILE_CHUNK: usize = 64 * 1024;
/// Bytes written at a time without helpers.
const CHUNK_BYTES: usize = 64 * 1024;
/// Rows after which helpers are worth their start.
const MANY_ROWS: u64 = 8192;
/// Memory of a batch that is one part of the work: its text may take a few times as much.
const PART_BYTES: usize = 4 << 20;

/// COPY TO under way.
pub struct CopyOut {
    execution: Execution,
    writer: Arc<RowWriter>,
    names: Vec<String>,
    /// A batch, and how many of its rows are written.
    batch: Option<(Batch, usize)>,
    /// Rows written, and how many of them are given.
    written: Option<(Written, usize)>,
    pipeline: Option<Pipeline<Batch, Written>>,
    /// The query has no more rows.
    exhausted: bool,
    rows: u64,
    /// Of its query; none: that is a table.
    query_id: Option<i64>,
    /// Given so far.
    bytes: usize,
    begun: bool,
    /// The binary header, until it goes out with the first message: clients expect both in one.
    head: Vec<u8>,
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
        let columns = types.into_iter().zip(force_quote).collect();
        Ok(CopyOut {
            writer: Arc::new(RowWriter::new(columns, options, execution.env().clone())),
            execution,
            names,
            batch: None,
            written: None,
            pipeline: None,
            exhausted: false,
            rows: 0,
            query_id,
            bytes: 0,
            begun: false,
            head: vec![],
            shown: super::Shown::begin(s, copy, table.as_ref().map_or(Oid::INVALID, |t| t.oid)),
        })
    }

    /// The identifier of the query that it is about, and the rows so far.
    pub fn query_and_rows(&self) -> Option<(i64, u64)> {
        self.query_id.map(|id| (id, self.rows))
    }

    /// CopyOutResponse.
    pub fn announce(&self, out: &mut BytesMut) {
        protocol::copy_response(
            out,
            b'H',
            self.writer.options().format == Format::Binary,
            self.writer.column_count(),
        );
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
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(sink);
        }
        let mut given = 0;
        while given < bytes {
            let Some((mut written, first)) =
                self.written.take().map_or_else(|| self.write(), |w| Ok(Some(w)))?
            else {
                self.pipeline = None;
                self.execution.finish()?;
                if self.writer.options().format == Format::Binary {
                    self.head.extend_from_slice(&(-1i16).to_be_bytes());
                    sink(&std::mem::take(&mut self.head));
                }
                return Ok(true);
            };
            let mut start = first.checked_sub(1).map_or(0, |before| written.ends[before]);
            let mut next = first;
            while let Some(end) = written.ends.get(next).filter(|_| given < bytes) {
                let row = &written.bytes[start..*end];
                if self.head.is_empty() {
                    sink(row);
                } else {
                    self.head.extend_from_slice(row);
                    sink(&std::mem::take(&mut self.head));
                }
                given += row.len();
                start = *end;
                next += 1;
            }
            self.rows += (next - first) as u64;
            if next < written.ends.len() {
                self.written = Some((written, next));
            } else if let Some(e) = written.failed.take() {
                return Err(e);
            }
            self.shown.progress.set(progress::TUPLES, self.rows as i64);
            self.shown.progress.set(progress::BYTES, (self.bytes + given) as i64);
        }
        self.bytes += given;
        Ok(false)
    }

    /// Writes the rows that come next; none at the end.
    fn write(&mut self) -> Result<Option<(Written, usize)>> {
        loop {
            if self.batch.is_none() && !self.exhausted {
                self.batch = self.execution.next()?.map(|batch| (batch, 0));
                self.exhausted = self.batch.is_none();
            }
            if let Some(pipeline) = &mut self.pipeline {
                let is_small =
                    |b: &Batch| b.columns.iter().map(|c| c.memory_bytes()).sum::<usize>() <= PART_BYTES;
                let part = self.batch.take_if(|(batch, from)| *from == 0 && is_small(batch));
                let goes_on = part.is_some();
                if let Some((batch, _)) = part {
                    pipeline.push(batch);
                }
                // A batch that is too much for one part waits until those before it are through.
                if let Some(written) = pipeline.pop(!goes_on)? {
                    return Ok(Some((written, 0)));
                }
                if goes_on {
                    continue;
                }
            }
            let Some((batch, from)) = self.batch.take() else { return Ok(None) };
            let written = self.writer.write(&batch, from, CHUNK_BYTES);
            let next = from + written.ends.len();
            if written.failed.is_none() && next < batch.row_count() {
                self.batch = Some((batch, next));
            }
            if self.pipeline.is_none() && self.rows > MANY_ROWS && self.batch.is_none() {
                self.start_pipeline();
            }
            return Ok(Some((written, 0)));
        }
    }

    /// From here on helpers write, if that is possible.
    fn start_pipeline(&mut self) {
        let helpers = super::helpers(self.execution.env(), "max_parallel_workers_per_gather");
        if helpers > 0 && self.writer.is_self_contained() {
            let writer = self.writer.clone();
            self.pipeline = Pipeline::start(move |batch| writer.write(batch, 0, usize::MAX), helpers);
        }
    }

    fn begin(&mut self, sink: &mut dyn FnMut(&[u8])) {
        if self.writer.options().format == Format::Binary {
            self.head = SIGNATURE.to_vec();
            self.head.extend_from_slice(&[0; 8]);
        } else if self.writer.options().header != Header::No {
            let mut row = vec![];
            for (i, name) in self.names.iter().enumerate() {
                if i > 0 {
                    row.push(self.writer.options().delimiter);
                }
                match self.writer.options().format {
                    Format::Csv => {
                        push_csv_name(&mut row, name, self.names.len() == 1, self.writer.options())
                    }
                    _ => push_text(&mut row, name.as_bytes(), self.writer.options().delimiter),
                }
            }
            row.push(b'\n');
            sink(&row);
        }
    }
}

/// The query that reads the columns of a table.
fn table_query(
    st: &crate::query::StatementContext,
    name: &ast::RangeVar,
    columns: &[ast::Name],
) -> Result<(ast::Statement, Arc<Relation>)> {
    let parts: Vec<&String> = name.catalog.iter().chain(&name.schema).chain([&name.name]).collect();
    st.reader.resolve_relation_strict(&parts, None)?;
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
