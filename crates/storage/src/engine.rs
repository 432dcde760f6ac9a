//! [`Storage`]: one open data folder, and what its parts need to find each other.

use crate::buffer::BufferPool;
use crate::checkpoint::{Cause, CheckpointLog, NEXT_OID};
use crate::control::{CONTROL_FILE, Control};
use crate::disk::Disk;
use crate::fatal::{Fatal, FatalHook};
use crate::files::{RelFiles, database_dir};
use crate::fsm::RelationStates;
use crate::heap::links::RemovedLinks;
use crate::ids::RelId;
use crate::lock::LockManager;
use crate::recovery::{Log, Plan, Redo};
use crate::ssi::Ssi;
use crate::stats::DatabaseStats;
use crate::txn::clog::Clog;
use crate::txn::{IsolationLevel, LiveSnapshots, PreparedSet, Transaction, TxnManager, TxnOptions};
use crate::wal::record::RecordKind;
use crate::wal::rmgr::XLOG;
use crate::wal::segments::{Segments, WAL_DIR};
use crate::wal::{Wal, WalOptions};
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use quarry_common::{Error, Lsn, Oid, Result, SqlState, Xid};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What can be set about a storage. Names follow PostgreSQL's settings.
#[derive(Clone)]
pub struct Config {
    pub shared_buffers_bytes: usize,
    pub wal_buffers_bytes: usize,
    /// Size of a log segment; fixed when the folder is made.
    pub wal_segment_bytes: u64,
    /// A checkpoint begins when the log since the last one reaches about half of this.
    pub max_wal_size_bytes: u64,
    pub checkpoint_timeout: Duration,
    /// Part of the interval that a checkpoint's writes are spread over.
    pub checkpoint_completion_target: f64,
    /// False loses data in a system crash. For throw-away databases.
    pub fsync: bool,
    /// False can't repair torn pages.
    pub full_page_writes: bool,
    /// Compresses whole pages in the log, by LZ4.
    pub wal_compression: bool,
    pub deadlock_timeout: Duration,
    /// How long the log writer sleeps when nobody waits for it.
    pub wal_writer_delay: Duration,
    pub bgwriter_delay: Duration,
    pub bgwriter_lru_maxpages: usize,
    /// Time between lines about how far recovery is; zero says nothing.
    pub log_startup_progress_interval: Duration,
    /// What to do when data would be lost; aborts the process by default.
    pub on_fatal: Option<FatalHook>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            shared_buffers_bytes: 128 << 20,
            wal_buffers_bytes: 16 << 20,
            wal_segment_bytes: 16 << 20,
            max_wal_size_bytes: 1 << 30,
            checkpoint_timeout: Duration::from_secs(300),
            checkpoint_completion_target: 0.9,
            fsync: true,
            full_page_writes: true,
            wal_compression: true,
            deadlock_timeout: Duration::from_secs(1),
            wal_writer_delay: Duration::from_millis(200),
            bgwriter_delay: Duration::from_millis(200),
            bgwriter_lru_maxpages: 100,
            log_startup_progress_interval: Duration::from_secs(10),
            on_fatal: None,
        }
    }
}

/// Oids and file numbers, handed out from batches that the log knows of.
pub(crate) struct Counters(Mutex<CountersState>);

struct CountersState {
    oid: u32,
    oid_end: u32,
    rel: u32,
    rel_end: u32,
}

const BATCH: u32 = 8192;

impl Counters {
    /// What the control file must say: the ends of the batches, or at shutdown where they stand.
    pub(crate) fn to_store(&self, exact: bool) -> (u32, u32) {
        let state = self.0.lock();
        if exact { (state.oid, state.rel) } else { (state.oid_end, state.rel_end) }
    }
}

/// One open data folder. See the crate.
pub struct Storage {
    config: Config,
    disk: Arc<dyn Disk>,
    fatal: Fatal,
    files: Arc<RelFiles>,
    wal: Arc<Wal>,
    pool: BufferPool,
    txns: Arc<TxnManager>,
    locks: Arc<LockManager>,
    ssi: Ssi,
    prepared: PreparedSet,
    removed_links: RemovedLinks,
    control: Mutex<Control>,
    counters: Counters,
    /// Relations made by running transactions, with the top-level id.
    created: Mutex<HashMap<RelId, Xid>>,
    /// The log from here on is kept for someone (replicas, archive); MAX = nobody.
    wal_retention: AtomicU64,
    last_redo: AtomicU64,
    /// Someone asked for a checkpoint in the background.
    checkpoint_wanted: AtomicBool,
    /// Held shared from logging a change of files to having made it; a checkpoint takes its redo point exclusively, so
    /// that recovery repeats whatever may not have reached the disk.
    file_changes: RwLock<()>,
    /// Threads that wait for a checkpoint of their own: one under way stops pausing.
    hurry: AtomicU32,
    system_id: u64,
    relation_states: RelationStates,
    database_stats: DatabaseStats,
    checkpoint_log: CheckpointLog,
    recovered_to: Lsn,
    _folder: Box<dyn Send + Sync>,
}

impl Storage {
    /// Whether there is a database in the folder.
    pub fn is_initialised(disk: &dyn Disk) -> Result<bool> {
        Ok(Control::read(disk)?.is_some())
    }

    /// Initialises an empty folder and opens it.
    pub fn create(disk: Arc<dyn Disk>, config: Config) -> Result<Arc<Storage>> {
        let folder = disk.lock_folder()?;
        if Storage::is_initialised(&*disk)? {
            return Err(Error::new(SqlState::DUPLICATE_FILE, "data folder is already initialised"));
        }
        // A log is written only after the control file is there for good.
        if !disk.list(WAL_DIR)?.is_empty() {
            return Err(Error::new(
                SqlState::UNDEFINED_FILE,
                format!("could not open file \"{CONTROL_FILE}\": No such file or directory"),
            )
            .detail("The folder holds a database without it.")
            .hint("Restore the file, or restore a backup."));
        }
        for dir in ["base", &database_dir(Oid::INVALID), WAL_DIR] {
            disk.create_dir(dir)?;
        }
        Clog::create(&*disk)?;
        disk.sync_dir("")?;
        let segment_bytes = config.wal_segment_bytes.next_power_of_two().max(1 << 15);
        let start = Lsn(segment_bytes);
        let control = Control {
            system_id: getrandom::u64().map_err(|e| Error::new(SqlState::IO_ERROR, e.to_string()))?,
            run: 0,
            clean: true,
            segment_bytes,
            redo: start,
            checkpoint_end: start,
            next_xid: Xid::FIRST_NORMAL,
            next_oid: Oid::FIRST_NORMAL.0,
            next_rel: Oid::FIRST_NORMAL.0,
            created: Vec::new(),
        };
        control.write(&*disk)?;
        Storage::open_locked(disk, config, folder)
    }

    /// Opens a folder, recovering first if the server didn't stop in order.
    pub fn open(disk: Arc<dyn Disk>, config: Config) -> Result<Arc<Storage>> {
        let folder = disk.lock_folder()?;
        Storage::open_locked(disk, config, folder)
    }

    fn open_locked(
        disk: Arc<dyn Disk>,
        config: Config,
        folder: Box<dyn Send + Sync>,
    ) -> Result<Arc<Storage>> {
        let Some(mut control) = Control::read(&*disk)? else {
            return Err(Error::new(SqlState::UNDEFINED_FILE, "data folder is not initialised"));
        };
        let fatal = config.on_fatal.clone().map_or_else(Fatal::default, Fatal::new);
        let xact = Clog::open_file(&*disk, control.next_xid)?;
        let was_clean = control.clean;
        // What a killed server had written is in the system's cache only, and pages will be written on the strength of it.
        let sync = config.fsync && !was_clean;
        let log = Log::read(&disk, &control, Plan::of_machine(config.shared_buffers_bytes), sync)?;
        let (end, records) = (log.end, log.records);
        if sync {
            Segments::new(disk.clone(), control.segment_bytes, true).sync(log.synced, end)?;
        }
        // The epoch must be on disk before a record carries it.
        control.run += 1;
        control.clean = false;
        control.write(&*disk)?;
        let options = WalOptions {
            segment_bytes: control.segment_bytes,
            buffer_bytes: config.wal_buffers_bytes,
            fsync: config.fsync,
            full_page_writes: config.full_page_writes,
            compress_pages: config.wal_compression,
            run: control.run,
            position: end,
            redo: control.redo,
        };
        let wal = Arc::new(Wal::new(disk.clone(), fatal.clone(), options));
        let files = Arc::new(RelFiles::new(disk.clone(), config.fsync));
        let pool = BufferPool::new(config.shared_buffers_bytes, files.clone(), wal.clone(), fatal.clone());
        let clog = Clog::new(xact, fatal.clone(), config.fsync);
        let txns = Arc::new(TxnManager::new(wal.clone(), clog, control.next_xid));
        let locks = Arc::new(LockManager::new(config.deadlock_timeout));
        // Set once, here.
        let _ = locks.txns.set(Arc::downgrade(&txns));

        crate::unlogged::remove_temporary(&*disk)?;
        crate::temp_file::remove_leftovers(&*disk)?;
        let mut redo = Redo::new(&*disk, &pool, &files, &txns, &control);
        if !was_clean {
            tracing::info!(
                "database system was interrupted; redo starts at {}, {records} records",
                control.redo
            );
        }
        redo.apply_all(log, config.log_startup_progress_interval)?;
        redo.finish()?;
        let prepared = redo.prepared.take();
        let counters = Counters(Mutex::new(CountersState {
            oid: redo.next_oid,
            oid_end: redo.next_oid,
            rel: redo.next_rel,
            rel_end: redo.next_rel,
        }));
        let last_redo = AtomicU64::new(control.redo.0);
        let system_id = control.system_id;
        let ssi = Ssi::new(wal.clone(), txns.clone());
        let storage = Arc::new(Storage {
            config,
            disk,
            fatal,
            files,
            wal,
            pool,
            txns,
            locks,
            ssi,
            prepared: PreparedSet::default(),
            removed_links: RemovedLinks::default(),
            control: Mutex::new(control),
            counters,
            created: Mutex::default(),
            wal_retention: AtomicU64::new(u64::MAX),
            last_redo,
            checkpoint_wanted: AtomicBool::new(false),
            file_changes: RwLock::new(()),
            hurry: AtomicU32::new(0),
            system_id,
            relation_states: RelationStates::default(),
            database_stats: DatabaseStats::default(),
            checkpoint_log: CheckpointLog::default(),
            recovered_to: end,
            _folder: folder,
        });
        if !was_clean {
            storage.reset_unlogged()?;
        }
        storage.recover_prepared(prepared)?;
        crate::stats::load(&storage, was_clean)?;
        if was_clean {
            // The record of this run's start.
            storage.checkpoint()?;
        } else {
            // Until it is done, another crash means the same redo again, and what this run adds. Nobody need wait for it.
            storage.request_checkpoint();
        }
        Ok(storage)
    }

    /// A transaction alone.
    pub fn begin(self: &Arc<Self>, isolation: IsolationLevel) -> Transaction {
        Transaction::begin(self.clone(), isolation, TxnOptions::default())
    }

    /// A transaction of a session.
    pub fn begin_with(self: &Arc<Self>, isolation: IsolationLevel, options: TxnOptions) -> Transaction {
        Transaction::begin(self.clone(), isolation, options)
    }

    /// The final checkpoint. Transactions must have ended and background workers stopped; the storage is used no more.
    pub fn shutdown(&self) -> Result<()> {
        self.checkpoint_because(Cause::Shutdown, &mut |_| ())?;
        // Nothing depends on them.
        if let Err(e) = crate::stats::save(self) {
            tracing::warn!("the statistics could not be saved: {}", e.message());
        }
        Ok(())
    }

    pub fn config(&self) -> &Config {
        &self.config
    }
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }
    pub fn fatal(&self) -> &Fatal {
        &self.fatal
    }
    pub fn files(&self) -> &RelFiles {
        &self.files
    }
    pub fn wal(&self) -> &Wal {
        &self.wal
    }
    pub fn pool(&self) -> &BufferPool {
        &self.pool
    }
    pub fn locks(&self) -> &Arc<LockManager> {
        &self.locks
    }
    /// What serializable transactions have read and how they conflict.
    pub fn ssi(&self) -> &Ssi {
        &self.ssi
    }
    /// Where followers of a row go on whose next version has been removed.
    pub fn removed_links(&self) -> &RemovedLinks {
        &self.removed_links
    }
    /// The snapshots alive now, to judge single versions of a database's relations by (0: shared ones). Costs a pass over the running transactions.
    pub fn live_snapshots(&self, db: Oid) -> LiveSnapshots {
        let live = self.txns.live_snapshots(db);
        // Afterwards: a serializable transaction whose snapshot was found is in the graph by now, or has ended.
        let watcher = self.ssi.oldest_snapshot(live.follower(), db);
        live.watched_from(watcher)
    }
    /// Prepared transactions.
    pub fn prepared(&self) -> &PreparedSet {
        &self.prepared
    }
    pub fn txns(&self) -> &TxnManager {
        &self.txns
    }
    /// What is remembered about relations in use (free space, hints).
    pub fn relation_states(&self) -> &RelationStates {
        &self.relation_states
    }
    /// What has been counted of databases.
    pub fn database_stats(&self) -> &DatabaseStats {
        &self.database_stats
    }
    /// Where the log that recovery found ended; this run's log begins here.
    pub fn recovered_to(&self) -> Lsn {
        self.recovered_to
    }
    /// Identifies the data folder for ever.
    pub fn system_id(&self) -> u64 {
        self.system_id
    }
    pub(crate) fn control(&self) -> &Mutex<Control> {
        &self.control
    }
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
    pub(crate) fn created(&self) -> &Mutex<HashMap<RelId, Xid>> {
        &self.created
    }
    /// The log from this LSN on is not removed; u64::MAX = no one needs it.
    pub fn wal_retention(&self) -> &AtomicU64 {
        &self.wal_retention
    }
    pub(crate) fn last_redo(&self) -> &AtomicU64 {
        &self.last_redo
    }

    pub(crate) fn file_changes(&self) -> &RwLock<()> {
        &self.file_changes
    }
    pub(crate) fn checkpoint_log(&self) -> &CheckpointLog {
        &self.checkpoint_log
    }
    pub(crate) fn hurry(&self) -> &AtomicU32 {
        &self.hurry
    }

    /// Asks the background checkpointer for a checkpoint soon.
    pub fn request_checkpoint(&self) {
        self.checkpoint_wanted.store(true, Ordering::Release);
    }
    pub(crate) fn take_checkpoint_request(&self) -> bool {
        self.checkpoint_wanted.swap(false, Ordering::AcqRel)
    }

    fn next(&self, oid: bool) -> Result<u32> {
        let mut state = self.counters.0.lock();
        let exhausted = if oid { state.oid >= state.oid_end } else { state.rel >= state.rel_end };
        if exhausted {
            if oid {
                // Past the end, oids start over; whoever takes one checks that it's free.
                if state.oid > u32::MAX - BATCH {
                    state.oid = Oid::FIRST_NORMAL.0;
                }
                state.oid_end = state.oid + BATCH;
            } else {
                state.rel_end = (state.rel.checked_add(BATCH)).ok_or_else(|| {
                    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "file numbers are used up")
                })?;
            }
            let mut payload = state.oid_end.to_le_bytes().to_vec();
            payload.extend_from_slice(&state.rel_end.to_le_bytes());
            // Not flushed: whatever uses the numbers comes later in the log.
            self.wal.insert(None, RecordKind::new(XLOG, NEXT_OID), &payload)?;
        }
        let counter = if oid { &mut state.oid } else { &mut state.rel };
        *counter += 1;
        Ok(*counter - 1)
    }

    /// A fresh oid (16384 and up). After four billion they come again: the caller checks that it's free.
    pub fn new_oid(&self) -> Result<Oid> {
        self.next(true).map(Oid)
    }

    /// A fresh relation file number.
    pub fn new_relfilenode(&self, db: Oid) -> Result<RelId> {
        self.next(false).map(|rel| RelId::new(db, rel))
    }
}
