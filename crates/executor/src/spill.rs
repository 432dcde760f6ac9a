//! Rows in temporary files, for what does not fit in memory. A file goes when its owner is dropped. Rows that fit into a file's buffer
//! stay there: who spreads rows over many files may leave most of them with few. Buffers are counted ([`quarry_common::memory`]), the smaller the less
//! is left, and there only while a file is written or read: the many that wait for their turn have none.

use crate::ExecEnv;
use crate::rows::RowSet;
use quarry_common::memory::{self, Reservation};
use quarry_common::usage::{self, Counter};
use quarry_common::{Error, Result, Severity, SqlState};
use quarry_functions::SessionEnv;
use quarry_storage::row::{RowBuilder, RowLayout, RowRef};
use quarry_storage::stats::{DatabaseCount, DatabaseCounters};
use quarry_storage::temp_file::Told;
use quarry_types::row::{decode_column_into, encode_vectors, layout_of, no_detoast};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Rows, Vector};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

/// Rows written one after another, then read back once in the same order.
pub struct RowFile {
    file: State,
    layout: RowLayout,
    physicals: Vec<PhysicalType>,
    builder: RowBuilder,
    rows: u64,
    bytes: u64,
    /// Bytes of its buffer.
    buffer: usize,
    /// For the buffer.
    reservation: Reservation,
}

enum State {
    /// As long as its rows fit into the buffer it is no file.
    Buffered(Vec<u8>, Origin),
    Writing(BufWriter<Counted>, TemporaryPath),
    /// To be read from its beginning.
    Waiting(Counted, TemporaryPath),
    Reading(BufReader<Counted>, TemporaryPath),
    ReadingBuffer(Cursor<Vec<u8>>),
}

/// Bytes of a file's buffer, at most and at least.
const BUFFER_BYTES: (usize, usize) = (64 << 10, 8 << 10);

/// A buffer gets this part of what its owner may hold: the buffers of two sides' files together an eighth.
const BUFFER_PART: usize = 512;

/// What a temporary file is made of.
struct Origin {
    folder: PathBuf,
    notes: Notes,
}

impl Origin {
    fn of(env: &ExecEnv) -> Origin {
        Origin { folder: env.temp_dir.to_path_buf(), notes: Notes::of(env) }
    }

    /// A new empty file.
    fn make(self, what: &str) -> Result<(TemporaryPath, File)> {
        std::fs::create_dir_all(&self.folder).map_err(Error::from)?;
        let n = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{what}.{}.{n}", std::process::id()));
        let path = TemporaryPath { path, notes: self.notes };
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path.path)
            .map_err(path.refused("create temporary"))?;
        Ok((path, file))
    }
}

/// Where a temporary file lies; dropped, the file is removed and noted.
pub(crate) struct TemporaryPath {
    path: PathBuf,
    notes: Notes,
}

/// What becomes known of temporary files: each is counted and, if it is large enough for that, logged.
struct Notes {
    counters: Arc<DatabaseCounters>,
    log: Option<Log>,
}

impl Notes {
    fn of(env: &ExecEnv) -> Notes {
        Notes { counters: env.storage.database_stats().get(env.reader.db()), log: Log::of(env) }
    }
    fn note(&self, path: &str, bytes: u64) {
        self.counters.add(DatabaseCount::TempFiles, 1);
        self.counters.add(DatabaseCount::TempBytes, i64::try_from(bytes).unwrap_or(i64::MAX));
        if let Some(log) = self.log.as_ref().filter(|l| bytes / 1024 >= l.from_kilobytes) {
            let text = format!("temporary file: path \"{path}\", size {bytes}");
            log.session.notice(Severity::Log, Error::new(SqlState::SUCCESSFUL_COMPLETION, text));
        }
    }
}

/// Notes the temporary files of a sort.
pub(crate) fn told_of_files(env: &ExecEnv) -> Told {
    let notes = Notes::of(env);
    Arc::new(move |path, bytes| notes.note(path, bytes))
}

/// Who logs temporary files, and from how many kilobytes on (`log_temp_files`).
struct Log {
    session: Arc<dyn SessionEnv + Send + Sync>,
    from_kilobytes: u64,
}

impl Log {
    fn of(env: &ExecEnv) -> Option<Log> {
        let set = env.session.setting("log_temp_files")?;
        let bytes = quarry_common::settings::parse_memory_bytes(&set)?;
        Some(Log { session: env.session.clone(), from_kilobytes: bytes / 1024 })
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        let bytes = std::fs::metadata(&self.path).map_or(0, |m| m.len());
        self.notes.note(&self.last(2).display().to_string(), bytes);
        // What stays is removed when the server starts again.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads of a temporary file, counted.
pub(crate) fn counted_read<T>(bytes: usize, read: impl FnOnce() -> T) -> T {
    usage::add(Counter::TempRead, bytes as u64);
    usage::timed(Counter::TempReadTime, read)
}

/// Writes to a temporary file, counted.
pub(crate) fn counted_write<T>(bytes: usize, write: impl FnOnce() -> T) -> T {
    usage::add(Counter::TempWritten, bytes as u64);
    usage::timed(Counter::TempWriteTime, write)
}

/// A temporary file whose reads and writes count.
struct Counted(File);

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = usage::timed(Counter::TempReadTime, || self.0.read(buffer))?;
        usage::add(Counter::TempRead, read as u64);
        Ok(read)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        counted_write(bytes.len(), || self.0.write(bytes))
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl TemporaryPath {
    /// The last parts of the path.
    fn last(&self, parts: usize) -> PathBuf {
        self.path.components().rev().take(parts).collect::<Vec<_>>().into_iter().rev().collect()
    }
    /// What the user is told when the system refuses to `do` something with the file.
    pub(crate) fn refused(&self, doing: &str) -> impl Fn(std::io::Error) -> Error + use<> {
        let name = self.last(3);
        let doing = doing.to_string();
        move |e| {
            let plain = Error::from(e);
            let reason = plain.message().split(" (os error").next().unwrap_or_default();
            Error::new(plain.sqlstate(), format!("could not {doing} file \"{}\": {reason}", name.display()))
        }
    }
}

/// A new empty file in the temporary folder.
pub(crate) fn temporary_file(env: &ExecEnv, what: &str) -> Result<(TemporaryPath, File)> {
    Origin::of(env).make(what)
}

impl RowFile {
    pub fn create(env: &ExecEnv, physicals: &[PhysicalType]) -> Result<RowFile> {
        let (most, least) = BUFFER_BYTES;
        Ok(RowFile {
            file: State::Buffered(vec![], Origin::of(env)),
            layout: layout_of(physicals),
            physicals: physicals.to_vec(),
            builder: RowBuilder::new(),
            rows: 0,
            bytes: 0,
            buffer: (memory::allowance(usize::MAX) / BUFFER_PART).clamp(least, most),
            reservation: Reservation::default(),
        })
    }
    pub fn rows(&self) -> u64 {
        self.rows
    }
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
    /// Appends a row of these columns.
    pub fn push<'v>(&mut self, columns: impl IntoIterator<Item = &'v Vector>, row: usize) -> Result<()> {
        let body = encode_vectors(columns, row, &self.layout, &mut self.builder);
        let head = (body.len() as u32).to_le_bytes();
        match &mut self.file {
            State::Buffered(bytes, _) => {
                let room = bytes.capacity();
                bytes.extend_from_slice(&head);
                bytes.extend_from_slice(body);
                if bytes.capacity() != room {
                    self.reservation.holds_exactly(bytes.capacity());
                }
            }
            State::Writing(file, path) => {
                file.write_all(&head)
                    .and_then(|()| file.write_all(body))
                    .map_err(|e| path.refused("write to")(e))?;
            }
            State::Waiting(..) | State::Reading(..) | State::ReadingBuffer(_) => {
                return Err(Error::internal("a temporary file is written after it was read"));
            }
        }
        self.rows += 1;
        self.bytes += 4 + body.len() as u64;
        if self.bytes > self.buffer as u64 {
            self.make_file()?;
        }
        Ok(())
    }
    /// Makes a file of what is in the buffer only.
    fn make_file(&mut self) -> Result<()> {
        if !matches!(self.file, State::Buffered(..)) {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.file, State::ReadingBuffer(Cursor::default()));
        let State::Buffered(bytes, origin) = before else { return Ok(()) };
        let (path, file) = origin.make("rows")?;
        let mut file = BufWriter::with_capacity(self.buffer, Counted(file));
        file.write_all(&bytes).map_err(path.refused("write to"))?;
        self.file = State::Writing(file, path);
        self.reservation.holds_exactly(self.buffer);
        Ok(())
    }
    /// Appends these rows.
    pub fn push_rows(&mut self, columns: &[Arc<Vector>], rows: Rows<'_>) -> Result<()> {
        rows.iter().try_for_each(|r| self.push(columns.iter().map(|c| &**c), r))
    }
    /// Goes to the beginning, to be read.
    pub fn rewind(&mut self) -> Result<()> {
        let at_end = State::ReadingBuffer(Cursor::default());
        self.file = match std::mem::replace(&mut self.file, at_end) {
            State::Buffered(bytes, _) => State::ReadingBuffer(Cursor::new(bytes)),
            State::ReadingBuffer(buffer) => State::ReadingBuffer(Cursor::new(buffer.into_inner())),
            State::Writing(mut w, path) => {
                w.flush().map_err(path.refused("write to"))?;
                let file = w.into_inner().map_err(|e| Error::from(e.into_error()))?;
                self.waiting(file, path)?
            }
            State::Reading(r, path) => self.waiting(r.into_inner(), path)?,
            State::Waiting(file, path) => State::Waiting(file, path),
        };
        Ok(())
    }
    fn waiting(&mut self, mut file: Counted, path: TemporaryPath) -> Result<State> {
        file.0.seek(SeekFrom::Start(0)).map_err(Error::from)?;
        self.reservation.holds_exactly(0);
        Ok(State::Waiting(file, path))
    }
    /// The next rows; none at the end.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        if matches!(self.file, State::Waiting(..)) {
            let at_end = State::ReadingBuffer(Cursor::default());
            if let State::Waiting(file, path) = std::mem::replace(&mut self.file, at_end) {
                self.file = State::Reading(BufReader::with_capacity(self.buffer, file), path);
                self.reservation.holds_exactly(self.buffer);
            }
        }
        match &mut self.file {
            State::Reading(file, path) => {
                read_batch(file, &self.physicals, &self.layout).map_err(|e| e.told(path))
            }
            State::ReadingBuffer(buffer) => {
                read_batch(buffer, &self.physicals, &self.layout).map_err(Unread::error)
            }
            State::Buffered(..) | State::Writing(..) | State::Waiting(..) => {
                Err(Error::internal("a temporary file is read before it was rewound"))
            }
        }
    }
}

/// Why rows couldn't be read.
enum Unread {
    System(std::io::Error),
    Rows(Error),
}

impl Unread {
    fn told(self, path: &TemporaryPath) -> Error {
        match self {
            Unread::System(e) => path.refused("read from")(e),
            Unread::Rows(e) => e,
        }
    }
    fn error(self) -> Error {
        match self {
            Unread::System(e) => Error::from(e),
            Unread::Rows(e) => e,
        }
    }
}

/// Reads up to a batch of rows; none at the end.
fn read_batch(
    file: &mut impl Read,
    physicals: &[PhysicalType],
    layout: &RowLayout,
) -> std::result::Result<Option<Batch>, Unread> {
    let mut set = RowSet::new(physicals);
    let mut body = Vec::new();
    while set.len < BATCH_ROWS {
        let mut head = [0u8; 4];
        match file.read_exact(&mut head) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(Unread::System(e)),
        }
        body.resize(u32::from_le_bytes(head) as usize, 0);
        file.read_exact(&mut body).map_err(Unread::System)?;
        let row = RowRef::new(layout, &body);
        for (i, c) in set.columns.iter_mut().enumerate() {
            decode_column_into(&row, i, c, &mut no_detoast).map_err(Unread::Rows)?;
        }
        set.len += 1;
    }
    Ok(if set.is_empty() { None } else { Some(set.take()) })
}

/// Batches kept for reading by number: in memory up to a limit, further ones in a file.
#[derive(Default)]
pub struct BatchStore {
    memory: Vec<Batch>,
    bytes: usize,
    reservation: Reservation,
    file: Option<StoreFile>,
}

struct StoreFile {
    path: TemporaryPath,
    file: File,
    end: u64,
    /// Offset, length and rows of each batch.
    places: Vec<(u64, usize, usize)>,
    layout: RowLayout,
    physicals: Vec<PhysicalType>,
}

impl BatchStore {
    pub fn len(&self) -> usize {
        self.memory.len() + self.file.as_ref().map_or(0, |f| f.places.len())
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Of the batches in memory.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }
    pub fn clear(&mut self) {
        *self = BatchStore::default();
    }
    /// Appends a batch all of whose rows count.
    pub fn push(&mut self, env: &ExecEnv, batch: Batch) -> Result<()> {
        if self.file.is_none() {
            self.bytes += batch.columns.iter().map(|c| c.memory_bytes()).sum::<usize>() + 64;
            self.memory.push(batch);
            if self.bytes > env.work_mem_bytes || !self.reservation.may_hold(self.bytes) {
                self.file = Some(StoreFile::create(env, &self.memory[0])?);
            }
            return Ok(());
        }
        match &mut self.file {
            Some(f) => f.push(&batch),
            None => Ok(()),
        }
    }
    /// Batch `i`, if there are so many.
    pub fn get(&self, i: usize) -> Result<Option<Batch>> {
        if let Some(b) = self.memory.get(i) {
            return Ok(Some(b.clone()));
        }
        match &self.file {
            Some(f) => f.get(i - self.memory.len()),
            None => Ok(None),
        }
    }
}

impl StoreFile {
    fn create(env: &ExecEnv, like: &Batch) -> Result<StoreFile> {
        let (path, file) = temporary_file(env, "batches")?;
        let physicals: Vec<PhysicalType> = like.columns.iter().map(|c| c.physical()).collect();
        Ok(StoreFile { path, file, end: 0, places: Vec::new(), layout: layout_of(&physicals), physicals })
    }
    fn push(&mut self, batch: &Batch) -> Result<()> {
        let mut bytes = Vec::new();
        let mut builder = RowBuilder::new();
        for r in batch.rows().iter() {
            let body = encode_vectors(batch.columns.iter().map(|c| &**c), r, &self.layout, &mut builder);
            bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
            bytes.extend_from_slice(body);
        }
        counted_write(bytes.len(), || self.file.write_all_at(&bytes, self.end))
            .map_err(self.path.refused("write to"))?;
        self.places.push((self.end, bytes.len(), batch.row_count()));
        self.end += bytes.len() as u64;
        Ok(())
    }
    fn get(&self, i: usize) -> Result<Option<Batch>> {
        let Some((at, len, rows)) = self.places.get(i) else { return Ok(None) };
        let mut bytes = vec![0; *len];
        counted_read(*len, || self.file.read_exact_at(&mut bytes, *at))
            .map_err(self.path.refused("read from"))?;
        let mut set = RowSet::new(&self.physicals);
        let mut rest = bytes.as_slice();
        for _ in 0..*rows {
            let Some((head, tail)) = rest.split_first_chunk::<4>() else {
                return Err(Error::corrupted("a temporary file ends within a row"));
            };
            let n = u32::from_le_bytes(*head) as usize;
            if tail.len() < n {
                return Err(Error::corrupted("a temporary file ends within a row"));
            }
            let row = RowRef::new(&self.layout, &tail[..n]);
            for (i, c) in set.columns.iter_mut().enumerate() {
                decode_column_into(&row, i, c, &mut no_detoast)?;
            }
            set.len += 1;
            rest = &tail[n..];
        }
        Ok(Some(set.take()))
    }
}
