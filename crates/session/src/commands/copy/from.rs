//! COPY FROM: bytes to column vectors to the table (PostgreSQL: commands/copyfrom.c).
//!
//! Values go straight into one vector per column; rows are stored a batch at a time. A row that the table's constraints may
//! refuse by its NULLs is stored alone, so that the error names its line. When there is much data whose reading needs nothing but the
//! data, helpers read it ([`Pipeline`]).

use super::blocks::{self, BLOCK_BYTES, Block, Parsed};
use super::lines::{Fields, Lines};
use super::options::{Format, Header, Options};
use super::pipeline::Pipeline;
use super::rows::{Input, RowFormat, Rows, excerpt, path_of};
use crate::protocol;
use crate::session::Session;
use bytes::BytesMut;
use quarry_catalog::LockMode;
use quarry_catalog::{Privilege, RelKind, Relation};
use quarry_common::progress::copy as progress;
use quarry_common::{Error, Result, bail, err, wait};
use quarry_executor::expr::Program;
use quarry_executor::write::{self, TableWriter};
use quarry_executor::{Cx, ExecEnv, Runtime};
use quarry_plan::QueryMeta;
use quarry_sql::ast::{self, CopySource};
use quarry_sql::bind::{self, BindContext};
use quarry_types::{Batch, Datum, SqlType};
use std::sync::Arc;

/// Bytes of data after which helpers are worth their start.
const MUCH_DATA: usize = 1 << 20;
/// The first bytes of the binary format.
pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Where a live column that isn't in the data gets its value.
enum Missing {
    Given,
    Null,
    Default(usize),
}

/// Decoding state of the binary format.
#[derive(PartialEq, Eq)]
enum Binary {
    Header,
    Rows,
    Ended,
}

/// COPY FROM under way.
pub struct CopyIn {
    format: Arc<RowFormat>,
    env: ExecEnv,
    missing: Vec<Missing>,
    defaults: Vec<Program>,
    defaults_rt: Runtime,
    filter: Option<(Vec<Program>, Runtime)>,
    writer: TableWriter,
    rows: Rows,
    lines: Lines,
    fields: Fields,
    line_number: u64,
    /// Bytes taken so far.
    taken: usize,
    pipeline: Option<Pipeline<Block, Parsed>>,
    stored: u64,
    binary: Binary,
    raw: Vec<u8>,
    shown: super::Shown,
}

fn not_a_table(relation: &Relation) -> Error {
    let name = &relation.name;
    match relation.kind {
        RelKind::View => err!(WRONG_OBJECT_TYPE, "cannot copy to view \"{name}\"")
            .hint("To enable copying to a view, provide an INSTEAD OF INSERT trigger."),
        RelKind::MaterializedView => err!(WRONG_OBJECT_TYPE, "cannot copy to materialized view \"{name}\""),
        RelKind::Sequence => err!(WRONG_OBJECT_TYPE, "cannot copy to sequence \"{name}\""),
        _ => err!(WRONG_OBJECT_TYPE, "cannot copy to non-table relation \"{name}\""),
    }
}

/// The columns a COPY names, as indexes in the relation's columns; all but generated ones if it names none.
pub(super) fn column_list(relation: &Relation, names: &[ast::Name]) -> Result<Vec<usize>> {
    if names.is_empty() {
        let all = relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped && !c.generated);
        return Ok(all.map(|(i, _)| i).collect());
    }
    let mut out = vec![];
    for n in names {
        let at = |e: Error| match ast::error_position(n.pos) {
            Some(p) => e.position(p),
            None => e,
        };
        let Some((i, c)) = relation.column_named(&n.value) else {
            return Err(err!(
                UNDEFINED_COLUMN,
                "column \"{}\" of relation \"{}\" does not exist",
                n.value,
                relation.name
            ));
        };
        if c.generated {
            return Err(err!(INVALID_COLUMN_REFERENCE, "column \"{}\" is a generated column", n.value)
                .detail("Generated columns cannot be used in COPY."));
        }
        if out.contains(&i) {
            return Err(at(err!(DUPLICATE_COLUMN, "column \"{}\" specified more than once", n.value)));
        }
        out.push(i);
    }
    Ok(out)
}

/// A COPY that PostgreSQL refuses only when the client is already sending.
pub struct Refused {
    pub binary: bool,
    pub columns: usize,
    pub error: Error,
}

/// All columns of a table by name, and how errors call the table.
pub(super) fn known_columns(relation: &Relation) -> (Vec<&str>, Option<&str>) {
    let live = relation.columns.iter().filter(|c| !c.dropped);
    (live.map(|c| c.name.as_str()).collect(), Some(&relation.name))
}

impl CopyIn {
    pub fn new(s: &mut Session, copy: &ast::Copy) -> Result<std::result::Result<CopyIn, Refused>> {
        let CopySource::Relation { relation: name, columns } = &copy.source else {
            bail!(SYNTAX_ERROR, "COPY query must have a TO clause");
        };
        let st = s.statement_context()?;
        let parts: Vec<&String> = name.catalog.iter().chain(&name.schema).chain([&name.name]).collect();
        st.reader.resolve_relation_strict(&parts, None)?;
        let relation = st.reader.lock_relation(&parts, None, LockMode::RowExclusive)?;
        let listed = column_list(&relation, columns)?;
        if !st.reader.has_relation_privilege(&relation, st.reader.session().user, Privilege::Insert)? {
            st.reader.check_columns(&relation, &listed, Privilege::Insert)?;
        }
        if relation.is_catalog {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", relation.name);
        }
        if s.block.modes.read_only && Some(relation.schema) != s.cx.temp_schema() {
            bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute COPY FROM in a read-only transaction");
        }
        let options = Options::new(&copy.options, true)?;
        let known = known_columns(&relation);
        let names: Vec<&str> = listed.iter().map(|i| relation.columns[*i].name.as_str()).collect();
        let force_not_null = options.force_not_null.flags(&names, &known, "FORCE_NOT_NULL")?;
        let force_null = options.force_null.flags(&names, &known, "FORCE_NULL")?;
        if relation.kind != RelKind::Table {
            let (binary, columns) = (options.format == Format::Binary, listed.len());
            return Ok(Err(Refused { binary, columns, error: not_a_table(&relation) }));
        }
        let io = st.io();
        let cx = BindContext { reader: &st.reader, io: &io, param_types: &[], params_allowed: false };
        let mut meta = QueryMeta::default();
        let table_write = bind::bind_table_write(&relation, &mut meta, &cx)?;
        let live: Vec<usize> =
            (0..relation.columns.len()).filter(|i| !relation.columns[*i].dropped).collect();
        let mut inputs = vec![];
        for i in &listed {
            let c = &relation.columns[*i];
            let slot = live
                .iter()
                .position(|l| l == i)
                .ok_or_else(|| Error::internal("COPY into a dropped column"))?;
            let info = io.type_ref(c.ty.oid)?;
            inputs.push(Input { name: c.name.clone(), slot, ty: c.ty, path: path_of(c.ty), info });
        }
        let mut missing = vec![];
        let mut default_exprs = vec![];
        for i in &live {
            let c = &relation.columns[*i];
            if listed.contains(i) {
                missing.push(Missing::Given);
                continue;
            }
            if c.identity.is_some() {
                default_exprs.push(bind::bind_identity_value(&relation, c, &mut meta, &cx)?);
                missing.push(Missing::Default(default_exprs.len() - 1));
                continue;
            }
            let sql = if c.generated { None } else { default_of(&st.reader, c)? };
            missing.push(match sql {
                None => Missing::Null,
                Some(sql) => {
                    let e = bind::bind_stored_expression(&sql, &relation, &[], Some(c.ty), &mut meta, &cx)?;
                    default_exprs.push(e);
                    Missing::Default(default_exprs.len() - 1)
                }
            });
        }
        let filter = match &copy.where_clause {
            None => None,
            Some(w) => Some(bind::bind_new_expression(
                w,
                Some((&relation, &table_write.row)),
                Some((SqlType::BOOL, "")),
                bind::StoredPlace::Check,
                &mut meta,
                &cx,
            )?),
        };
        let env = crate::domains::StatementDomains::attach(&s.cx, st.exec_env(Arc::from([]), false));
        let (defaults, defaults_rt) = write::compile(&env, &default_exprs, &[])?;
        let filter = match &filter {
            Some(f) => Some(write::compile(&env, std::slice::from_ref(f), &table_write.row)?),
            None => None,
        };
        let physical = live
            .iter()
            .map(|i| st.reader.type_physical(relation.columns[*i].ty.oid))
            .collect::<Result<Vec<_>>>()?;
        let not_null =
            live.iter().map(|i| relation.columns[*i].not_null && !relation.columns[*i].generated).collect();
        let writer = TableWriter::new(&table_write, env.clone())?;
        let absent = missing.iter().enumerate().filter(|(_, m)| matches!(m, Missing::Null)).map(|(i, _)| i);
        let format = RowFormat {
            env: env.clone(),
            table: relation.name.clone(),
            absent: absent.collect(),
            options,
            inputs,
            force_not_null,
            force_null,
            physical,
            not_null,
        };
        Ok(Ok(CopyIn {
            lines: Lines::new(&format.options),
            rows: format.no_rows(),
            format: Arc::new(format),
            env,
            missing,
            defaults,
            defaults_rt,
            filter,
            writer,
            fields: Fields::default(),
            line_number: 0,
            taken: 0,
            pipeline: None,
            stored: 0,
            binary: Binary::Header,
            raw: vec![],
            shown: super::Shown::begin(s, copy, relation.oid),
        }))
    }

    /// CopyInResponse.
    pub fn announce(&self, out: &mut BytesMut) {
        let format = &self.format;
        protocol::copy_response(out, b'G', format.options.format == Format::Binary, format.inputs.len());
    }

    /// Takes a piece of the data.
    pub fn feed(&mut self, data: &[u8]) -> Result<()> {
        self.shown.progress.add(progress::BYTES, data.len() as i64);
        if self.format.options.format == Format::Binary {
            if self.binary == Binary::Ended && !data.is_empty() {
                return Err(data_after_end());
            }
            self.raw.extend_from_slice(data);
            return self.binary_rows();
        }
        self.lines.push(data);
        self.taken += data.len();
        if self.pipeline.is_none() && self.taken > MUCH_DATA && self.taken - data.len() <= MUCH_DATA {
            self.start_pipeline()?;
        }
        self.text_rows(false)
    }

    /// The data is at its end: stores what is left and runs the checks; the command tag.
    pub fn finish(&mut self) -> Result<String> {
        if self.format.options.format == Format::Binary {
            if self.binary == Binary::Header {
                bail!(BAD_COPY_FILE_FORMAT, "COPY file signature not recognized");
            }
            if self.binary == Binary::Rows && !self.raw.is_empty() {
                let e = err!(BAD_COPY_FILE_FORMAT, "unexpected EOF in COPY data");
                return Err(self.at_next_line(e));
            }
        } else {
            self.text_rows(true)?;
        }
        self.pipeline = None;
        self.flush()?;
        self.writer.finish()?;
        Ok(format!("COPY {}", self.stored))
    }

    // ---- text and CSV ----

    fn text_rows(&mut self, last: bool) -> Result<()> {
        let (mut lines, mut fields) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.fields));
        let done = match self.pipeline.take() {
            Some(mut pipeline) => {
                let done = match last || lines.pending() >= BLOCK_BYTES {
                    true => wait::blocking(|| self.blocks_of(&mut lines, &mut pipeline, last)),
                    false => Ok(()),
                };
                self.pipeline = Some(pipeline);
                done
            }
            None => self.rows_of(&mut lines, &mut fields, last),
        };
        (self.lines, self.fields) = (lines, fields);
        done
    }

    fn rows_of(&mut self, lines: &mut Lines, fields: &mut Fields, last: bool) -> Result<()> {
        let format = self.format.clone();
        while let Some(line) = lines.next(last).map_err(|e| self.at_next_line(e))? {
            self.line_number += 1;
            let line = lines.bytes(&line);
            let header = self.line_number == 1 && format.options.header != Header::No;
            let io = format.env.io();
            if !format.read(line, self.line_number, header, fields, &mut self.rows, &io)? {
                continue;
            }
            let number = self.line_number;
            if !self.complete_row().map_err(|e| format.at_line(e, number, &excerpt(line)))? {
                continue;
            }
            if format.is_refusable(&self.rows) {
                let alone = self.rows.split_last();
                self.flush()?;
                self.store(alone, number, Some(&excerpt(line)))?;
            } else if self.rows.is_full() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// From here on helpers read, if that is possible.
    fn start_pipeline(&mut self) -> Result<()> {
        let independent = self.filter.is_none() && self.defaults.is_empty();
        if !independent || !self.format.is_self_contained() {
            return Ok(());
        }
        let helpers = super::helpers(&self.env, "max_parallel_maintenance_workers");
        if helpers > 0 && self.line_number > 0 {
            self.flush()?;
            let format = self.format.clone();
            self.pipeline = Pipeline::start(move |block| blocks::read(&format, block), helpers);
        }
        Ok(())
    }

    /// Hands out what came as blocks of lines, and stores what is read of them.
    fn blocks_of(
        &mut self,
        lines: &mut Lines,
        pipeline: &mut Pipeline<Block, Parsed>,
        last: bool,
    ) -> Result<()> {
        loop {
            let (block, failed) = self.block_of(lines, last);
            let more = !block.lines.is_empty();
            if more {
                pipeline.push(block);
            }
            let all = failed.is_some() || (last && !more);
            while let Some(parsed) = pipeline.pop(all)? {
                self.store_parsed(parsed)?;
            }
            // What is wrong with an earlier line was told first.
            failed.map_or(Ok(()), Err)?;
            if !more || (!last && lines.pending() < BLOCK_BYTES) {
                return Ok(());
            }
        }
    }

    /// The lines that come next; none: there are no more whole ones. The error is that of the line after them.
    fn block_of(&mut self, lines: &mut Lines, last: bool) -> (Block, Option<Error>) {
        let mut block = Block { bytes: vec![], lines: vec![], first: self.line_number + 1 };
        let mut failed = None;
        let (mut from, mut to) = (None, 0);
        loop {
            match lines.next(last) {
                Ok(Some(line)) => {
                    let from = *from.get_or_insert(line.start);
                    to = line.end;
                    block.lines.push(line.start - from..line.end - from);
                    self.line_number += 1;
                    if to - from >= BLOCK_BYTES {
                        break;
                    }
                }
                Ok(None) => break,
                Err(e) => {
                    failed = Some(self.at_next_line(e));
                    break;
                }
            }
        }
        if let Some(from) = from {
            block.bytes = lines.bytes(&(from..to)).to_vec();
        }
        (block, failed)
    }

    fn store_parsed(&mut self, parsed: Parsed) -> Result<()> {
        for piece in parsed.pieces {
            self.store(piece.rows, piece.line, piece.refusable.as_deref())?;
        }
        parsed.failed.map_or(Ok(()), Err)
    }

    /// The error of something that happens while the next line is waited for.
    pub fn at_next_line(&self, e: Error) -> Error {
        e.context(format!("COPY {}, line {}", self.format.table, self.line_number + 1))
    }

    /// The error of something that happens after `data` came.
    pub fn at_last_line(&self, e: Error, data: &[u8]) -> Error {
        let whole = data.iter().rposition(|b| *b == b'\n').map(|end| &data[..end]);
        match whole.filter(|_| self.format.options.format != Format::Binary) {
            Some(lines) => {
                let begin = lines.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                self.format.at_line(e, self.line_number, &excerpt(&lines[begin..]))
            }
            None => self.at_next_line(e),
        }
    }

    /// Gives the last row the defaults of columns that the data doesn't have, and applies WHERE, which drops it: false.
    fn complete_row(&mut self) -> Result<bool> {
        if self.defaults.is_empty() && self.filter.is_none() {
            return Ok(true);
        }
        let io = self.env.io();
        for (slot, m) in self.missing.iter().enumerate() {
            if let Missing::Default(n) = m {
                let mut cx = Cx::new(&self.env, &io, &mut self.defaults_rt);
                let value = self.defaults[*n].row(&mut cx, &[])?;
                self.rows.vectors[slot].push_datum(&value);
            }
        }
        if let Some((programs, rt)) = &mut self.filter {
            let last = self.rows.count - 1;
            let values: Vec<Datum> = self.rows.vectors.iter().map(|v| v.datum(last)).collect();
            let mut cx = Cx::new(&self.env, &io, rt);
            if !programs[0].row_is_true(&mut cx, &values)? {
                self.rows.count = last;
                self.rows.truncate();
                self.shown.progress.add(progress::EXCLUDED, 1);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stores the rows gathered so far.
    fn flush(&mut self) -> Result<()> {
        let rows = std::mem::replace(&mut self.rows, self.format.no_rows());
        self.store(rows, self.line_number, None)
    }

    /// Stores rows, the last of which is that of line number `line`. `text`: the line of the only one.
    fn store(&mut self, rows: Rows, line: u64, text: Option<&str>) -> Result<()> {
        let count = rows.count;
        if count == 0 {
            return Ok(());
        }
        let columns = rows.vectors.into_iter().map(Arc::new).collect();
        match self.writer.insert_batch(Batch::new(columns, count)) {
            Ok(n) => {
                self.stored += n;
                self.shown.progress.set(progress::TUPLES, self.stored as i64);
                Ok(())
            }
            Err(e) => Err(match text {
                Some(text) => self.format.at_line(e, line, text),
                None if count == 1 => e.context(format!("COPY {}, line {line}", self.format.table)),
                None => e.context(format!("COPY {}", self.format.table)),
            }),
        }
    }

    // ---- binary ----

    fn binary_rows(&mut self) -> Result<()> {
        let raw = std::mem::take(&mut self.raw);
        let mut at = 0;
        let done = self.binary_from(&raw, &mut at);
        self.raw = raw;
        self.raw.drain(..at);
        done
    }

    fn binary_from(&mut self, raw: &[u8], at: &mut usize) -> Result<()> {
        let format = self.format.clone();
        let int = |at: usize| raw.get(at..at + 4).map(|b| i32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        if self.binary == Binary::Header {
            let n = raw.len().min(SIGNATURE.len());
            if raw[..n] != SIGNATURE[..n] {
                bail!(BAD_COPY_FILE_FORMAT, "COPY file signature not recognized");
            }
            let (Some(flags), Some(extension)) = (int(11), int(15)) else { return Ok(()) };
            if flags & (1 << 16) != 0 {
                bail!(BAD_COPY_FILE_FORMAT, "invalid COPY file header (WITH OIDS)");
            }
            if flags as u32 >> 16 != 0 {
                bail!(BAD_COPY_FILE_FORMAT, "unrecognized critical flags in COPY file header");
            }
            let Ok(extension) = usize::try_from(extension) else {
                bail!(BAD_COPY_FILE_FORMAT, "invalid COPY file header (wrong length)");
            };
            if raw.len() < 19 + extension {
                return Ok(());
            }
            *at = 19 + extension;
            self.binary = Binary::Rows;
        }
        while self.binary == Binary::Rows {
            // A row is taken only when all of it is there.
            let Some(count) = raw.get(*at..*at + 2).map(|b| i16::from_be_bytes([b[0], b[1]])) else {
                return Ok(());
            };
            if count == -1 {
                if raw.len() > *at + 2 {
                    return Err(data_after_end());
                }
                *at = raw.len();
                self.binary = Binary::Ended;
                break;
            }
            let line = self.line_number + 1;
            let context = |e: Error| e.context(format!("COPY {}, line {line}", format.table));
            if count as usize != format.inputs.len() || count < 0 {
                let e = err!(
                    BAD_COPY_FILE_FORMAT,
                    "row field count is {count}, expected {}",
                    format.inputs.len()
                );
                return Err(context(e));
            }
            let mut end = *at + 2;
            let mut spans: Vec<Option<std::ops::Range<usize>>> = vec![];
            for _ in 0..count {
                let Some(len) = int(end) else { return Ok(()) };
                end += 4;
                if len == -1 {
                    spans.push(None);
                    continue;
                }
                let Ok(len) = usize::try_from(len) else {
                    return Err(context(err!(BAD_COPY_FILE_FORMAT, "invalid field size")));
                };
                if raw.len() < end + len {
                    return Ok(());
                }
                spans.push(Some(end..end + len));
                end += len;
            }
            self.line_number += 1;
            let io = format.env.io();
            for (c, span) in format.inputs.iter().zip(spans) {
                let value = match span {
                    None => Datum::Null,
                    Some(s) => c.info.receive(&raw[s], c.ty.typmod, &io).map_err(|e| {
                        e.context(format!("COPY {}, line {line}, column {}", format.table, c.name))
                    })?,
                };
                self.rows.vectors[c.slot].push_datum(&value);
            }
            for slot in &format.absent {
                self.rows.vectors[*slot].push_null();
            }
            self.rows.count += 1;
            self.rows.bytes += end - *at;
            *at = end;
            let kept = self.complete_row().map_err(context)?;
            if kept && (self.rows.is_full() || format.is_refusable(&self.rows)) {
                self.flush()?;
            }
        }
        *at = if self.binary == Binary::Ended { raw.len() } else { *at };
        Ok(())
    }
}

/// A column's default as SQL: its own, or its domain's.
fn default_of(
    reader: &quarry_catalog::CatalogReader,
    c: &quarry_catalog::ColumnDef,
) -> Result<Option<String>> {
    if c.default_sql.is_some() {
        return Ok(c.default_sql.clone());
    }
    match reader.type_def(c.ty.oid)?.map(|d| d.kind.clone()) {
        Some(quarry_catalog::TypeKind::Domain { default_sql, .. }) => {
            Ok(default_sql.or_else(|| Some("NULL".into())))
        }
        _ => Ok(None),
    }
}

fn data_after_end() -> Error {
    err!(BAD_COPY_FILE_FORMAT, "received copy data after EOF marker")
}
