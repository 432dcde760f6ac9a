//! COPY FROM: bytes to column vectors to the table (PostgreSQL: commands/copyfrom.c).
//!
//! Values go straight into one vector per column; every [`BATCH`] rows the batch is stored. A row that the table's constraints may
//! refuse by its NULLs is stored alone, so that the error names its line.

use super::lines::{Fields, Lines, split_csv, split_text};
use super::options::{Format, Header, Options};
use crate::protocol;
use crate::session::Session;
use bytes::BytesMut;
use quarry_catalog::LockMode;
use quarry_catalog::{Privilege, RelKind, Relation};
use quarry_common::progress::copy as progress;
use quarry_common::{Error, Result, bail, err};
use quarry_executor::expr::Program;
use quarry_executor::write::{self, TableWriter};
use quarry_executor::{Cx, ExecEnv, Runtime};
use quarry_plan::QueryMeta;
use quarry_sql::ast::{self, CopySource};
use quarry_sql::bind::{self, BindContext};
use quarry_types::io::TypeRef;
use quarry_types::{Batch, Datum, PhysicalType, SqlType, Vector, oids};
use std::sync::Arc;

/// Rows and bytes stored at once.
const BATCH: usize = 2000;
const BATCH_BYTES: usize = 1 << 20;
/// The first bytes of the binary format.
pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// How a field's text becomes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    /// As it is, if it has no more bytes than this.
    Text(usize),
    Int2,
    Int4,
    Int8,
    General,
}

/// A column that the data has.
struct Input {
    name: String,
    /// Its place among the table's live columns.
    slot: usize,
    ty: SqlType,
    info: TypeRef,
    path: Path,
}

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
    env: ExecEnv,
    relation: Arc<Relation>,
    options: Options,
    inputs: Vec<Input>,
    missing: Vec<Missing>,
    physical: Vec<PhysicalType>,
    not_null: Vec<bool>,
    defaults: Vec<Program>,
    defaults_rt: Runtime,
    filter: Option<(Vec<Program>, Runtime)>,
    writer: TableWriter,
    vectors: Vec<Vector>,
    rows: usize,
    bytes: usize,
    lines: Lines,
    fields: Fields,
    force_not_null: Vec<bool>,
    force_null: Vec<bool>,
    header_left: bool,
    line_number: u64,
    stored: u64,
    binary: Binary,
    raw: Vec<u8>,
    shown: super::Shown,
}

fn path_of(ty: SqlType) -> Path {
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
        let mut copy_in = CopyIn {
            lines: Lines::new(&options),
            header_left: options.header != Header::No,
            env,
            relation: relation.clone(),
            options,
            inputs,
            missing,
            physical,
            not_null,
            defaults,
            defaults_rt,
            filter,
            writer,
            vectors: vec![],
            rows: 0,
            bytes: 0,
            fields: Fields::default(),
            force_not_null,
            force_null,
            line_number: 0,
            stored: 0,
            binary: Binary::Header,
            raw: vec![],
            shown: super::Shown::begin(s, copy, relation.oid),
        };
        copy_in.fresh_vectors();
        Ok(Ok(copy_in))
    }

    fn fresh_vectors(&mut self) {
        self.vectors = self.physical.iter().map(|p| Vector::with_capacity(*p, BATCH)).collect();
        self.rows = 0;
        self.bytes = 0;
    }

    /// CopyInResponse.
    pub fn announce(&self, out: &mut BytesMut) {
        protocol::copy_response(out, b'G', self.options.format == Format::Binary, self.inputs.len());
    }

    /// Takes a piece of the data.
    pub fn feed(&mut self, data: &[u8]) -> Result<()> {
        self.shown.progress.add(progress::BYTES, data.len() as i64);
        if self.options.format == Format::Binary {
            if self.binary == Binary::Ended && !data.is_empty() {
                return Err(data_after_end());
            }
            self.raw.extend_from_slice(data);
            return self.binary_rows();
        }
        self.lines.push(data);
        self.text_rows(false)
    }

    /// The data is at its end: stores what is left and runs the checks; the command tag.
    pub fn finish(&mut self) -> Result<String> {
        if self.options.format == Format::Binary {
            if self.binary == Binary::Header {
                bail!(BAD_COPY_FILE_FORMAT, "COPY file signature not recognized");
            }
            if self.binary == Binary::Rows && !self.raw.is_empty() {
                let e = err!(BAD_COPY_FILE_FORMAT, "unexpected EOF in COPY data");
                return Err(e.context(format!("COPY {}, line {}", self.relation.name, self.line_number + 1)));
            }
        } else {
            self.text_rows(true)?;
        }
        self.flush(None)?;
        self.writer.finish()?;
        Ok(format!("COPY {}", self.stored))
    }

    // ---- text and CSV ----

    fn text_rows(&mut self, last: bool) -> Result<()> {
        let (mut lines, mut fields) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.fields));
        let done = self.rows_of(&mut lines, &mut fields, last);
        (self.lines, self.fields) = (lines, fields);
        done
    }

    fn rows_of(&mut self, lines: &mut Lines, fields: &mut Fields, last: bool) -> Result<()> {
        loop {
            let next = lines.next(last).map_err(|e| {
                e.context(format!("COPY {}, line {}", self.relation.name, self.line_number + 1))
            })?;
            let Some(line) = next else { return Ok(()) };
            self.line_number += 1;
            let line = lines.bytes(&line);
            let text = match self.line(line, fields) {
                Ok(Some(text)) => text,
                // The header line, or one that is there for nothing.
                Ok(None) => continue,
                Err(e) => return Err(self.at_line(e, &excerpt(line))),
            };
            match self.row(fields, text) {
                Ok(alone) => {
                    self.bytes += line.len();
                    if alone {
                        self.store_alone(&excerpt(line))?;
                    } else if self.rows >= BATCH || self.bytes >= BATCH_BYTES {
                        self.flush(None)?;
                    }
                }
                Err((e, Some(column))) => {
                    let c = &self.inputs[column];
                    let value = match fields.get(column, line) {
                        Some(v) => format!("\"{}\"", excerpt(v)),
                        None => "null input".into(),
                    };
                    let at = format!(
                        "COPY {}, line {}, column {}: {value}",
                        self.relation.name, self.line_number, c.name
                    );
                    return Err(e.context(at));
                }
                Err((e, None)) => return Err(self.at_line(e, &excerpt(line))),
            }
        }
    }

    /// The error of something that happens while the next line is waited for.
    pub fn at_next_line(&self, e: Error) -> Error {
        e.context(format!("COPY {}, line {}", self.relation.name, self.line_number + 1))
    }

    /// The error of something that happens after `data` came.
    pub fn at_last_line(&self, e: Error, data: &[u8]) -> Error {
        let whole = data.iter().rposition(|b| *b == b'\n').map(|end| &data[..end]);
        match whole.filter(|_| self.options.format != Format::Binary) {
            Some(lines) => {
                let begin = lines.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                self.at_line(e, &excerpt(&lines[begin..]))
            }
            None => self.at_next_line(e),
        }
    }

    fn at_line(&self, e: Error, text: &str) -> Error {
        e.context(format!("COPY {}, line {}: \"{text}\"", self.relation.name, self.line_number))
    }

    /// Splits a line, which comes back as text; none: it was the header.
    fn line<'a>(&self, line: &'a [u8], fields: &mut Fields) -> Result<Option<&'a str>> {
        let header = self.header_left && self.line_number == 1;
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

    /// Appends a row to the batch, the fields of `line`. `Ok(true)`: it must be stored alone. The error's number is the input column
    /// at fault.
    fn row(&mut self, fields: &Fields, line: &str) -> Result<bool, (Error, Option<usize>)> {
        let bytes = fields.whole(line.as_bytes());
        // A copy without escapes need not be text, and what is text as a whole need not be so field by field.
        let text = if fields.is_copy() { std::str::from_utf8(bytes).ok() } else { Some(line) };
        let empty_line =
            self.inputs.is_empty() && fields.len() == 1 && fields.span(0).is_none_or(|s| s.is_empty());
        if fields.len() > self.inputs.len() && !empty_line {
            return Err((err!(BAD_COPY_FILE_FORMAT, "extra data after last expected column"), None));
        }
        let io = self.env.io();
        for (i, c) in self.inputs.iter().enumerate() {
            if i >= fields.len() {
                return Err((err!(BAD_COPY_FILE_FORMAT, "missing data for column \"{}\"", c.name), None));
            }
            let vector = &mut self.vectors[c.slot];
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
                None => c.info.input(field, c.ty.typmod, &io).map_err(at)?,
            };
            vector.push_datum(&value);
        }
        self.complete_row().map_err(|e| (e, None))
    }

    /// Fills in the columns the data doesn't have and applies WHERE.
    fn complete_row(&mut self) -> Result<bool> {
        let io = self.env.io();
        let row = self.rows;
        for (slot, m) in self.missing.iter().enumerate() {
            match m {
                Missing::Given => {}
                Missing::Null => self.vectors[slot].push_null(),
                Missing::Default(n) => {
                    let mut cx = Cx::new(&self.env, &io, &mut self.defaults_rt);
                    let value = self.defaults[*n].row(&mut cx, &[])?;
                    self.vectors[slot].push_datum(&value);
                }
            }
        }
        if let Some((programs, rt)) = &mut self.filter {
            let values: Vec<Datum> = self.vectors.iter().map(|v| v.datum(row)).collect();
            let mut cx = Cx::new(&self.env, &io, rt);
            if !programs[0].row_is_true(&mut cx, &values)? {
                let keep: Vec<u32> = (0..row as u32).collect();
                for v in &mut self.vectors {
                    *v = v.gather(quarry_types::Rows::Selected { positions: &keep, len: v.len() });
                }
                self.shown.progress.add(progress::EXCLUDED, 1);
                return Ok(false);
            }
        }
        self.rows += 1;
        Ok(self.not_null.iter().zip(&self.vectors).any(|(required, v)| *required && v.is_null(row)))
    }

    /// Stores the batch up to the last row, then that one, whose errors name its line.
    fn store_alone(&mut self, text: &str) -> Result<()> {
        let last = [self.rows as u32 - 1];
        let alone: Vec<Vector> = self
            .vectors
            .iter()
            .map(|v| v.gather(quarry_types::Rows::Selected { positions: &last, len: self.rows }))
            .collect();
        let keep: Vec<u32> = (0..last[0]).collect();
        for v in &mut self.vectors {
            *v = v.gather(quarry_types::Rows::Selected { positions: &keep, len: v.len() });
        }
        self.rows -= 1;
        self.flush(None)?;
        self.vectors = alone;
        self.rows = 1;
        self.flush(Some(text))
    }

    /// Stores the batch. `text`: the line of its only row.
    fn flush(&mut self, text: Option<&str>) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let rows = self.rows;
        let columns = std::mem::take(&mut self.vectors).into_iter().map(Arc::new).collect();
        self.fresh_vectors();
        match self.writer.insert_batch(Batch::new(columns, rows)) {
            Ok(n) => {
                self.stored += n;
                self.shown.progress.set(progress::TUPLES, self.stored as i64);
                Ok(())
            }
            Err(e) => Err(match text {
                Some(text) => self.at_line(e, text),
                None if rows == 1 => {
                    e.context(format!("COPY {}, line {}", self.relation.name, self.line_number))
                }
                None => e.context(format!("COPY {}", self.relation.name)),
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
            let context =
                |e: Error, relation: &Relation| e.context(format!("COPY {}, line {line}", relation.name));
            if count as usize != self.inputs.len() || count < 0 {
                let e =
                    err!(BAD_COPY_FILE_FORMAT, "row field count is {count}, expected {}", self.inputs.len());
                return Err(context(e, &self.relation));
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
                    return Err(context(err!(BAD_COPY_FILE_FORMAT, "invalid field size"), &self.relation));
                };
                if raw.len() < end + len {
                    return Ok(());
                }
                spans.push(Some(end..end + len));
                end += len;
            }
            self.line_number += 1;
            let io = self.env.io();
            for (c, span) in self.inputs.iter().zip(spans) {
                let value = match span {
                    None => Datum::Null,
                    Some(s) => c.info.receive(&raw[s], c.ty.typmod, &io).map_err(|e| {
                        e.context(format!("COPY {}, line {line}, column {}", self.relation.name, c.name))
                    })?,
                };
                self.vectors[c.slot].push_datum(&value);
            }
            self.bytes += end - *at;
            *at = end;
            let alone = self.complete_row().map_err(|e| context(e, &self.relation))?;
            if alone || self.rows >= BATCH || self.bytes >= BATCH_BYTES {
                self.flush(None)?;
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
fn excerpt(bytes: &[u8]) -> String {
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

fn data_after_end() -> Error {
    err!(BAD_COPY_FILE_FORMAT, "received copy data after EOF marker")
}
