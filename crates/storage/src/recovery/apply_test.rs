//! A log applied page by page in several threads leaves the pages that applying it record by record leaves.

use super::{Log, Plan, Redo, damaged};
use crate::buffer::{BufferPool, RunWriter};
use crate::control::Control;
use crate::disk::{Disk, FaultDisk, FaultRng};
use crate::fatal::Fatal;
use crate::files::RelFiles;
use crate::heap::{Heap, ModifyResult, UpdateOptions};
use crate::index::{BTree, IndexMethod, UniqueCheck};
use crate::page::PAGE_SIZE;
use crate::row::{RowBuilder, RowLayout, Width};
use crate::txn::TxnManager;
use crate::txn::clog::Clog;
use crate::vacuum::VacuumOptions;
use crate::wal::{Wal, WalOptions, WalReader, rmgr};
use crate::{Config, Fork, IsolationLevel, PageId, RelId, Storage, WaitPolicy};
use quarry_common::{Oid, Result, Tid};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const TABLE: RelId = RelId::new(Oid(5), 30000);
const INDEX: RelId = RelId::new(Oid(5), 30001);
const PATCHED: RelId = RelId::new(Oid(5), 30002);

/// A table with an index whose pages are nearly full, and pages that are changed anywhere, cut off and added again.
struct Work {
    storage: Arc<Storage>,
    heap: Heap,
    index: BTree,
    layout: Arc<RowLayout>,
    rows: Vec<Option<Tid>>,
}

impl Work {
    fn begin(disk: &FaultDisk) -> Result<Work> {
        let config = Config {
            shared_buffers_bytes: 256 * PAGE_SIZE,
            wal_buffers_bytes: 1,
            wal_segment_bytes: 1 << 17,
            on_fatal: Some(Arc::new(|_| ())),
            ..Config::default()
        };
        let storage = Storage::create(Arc::new(disk.clone()), config)?;
        let t = storage.begin(IsolationLevel::ReadCommitted);
        storage.create_database_dir(&t, Oid(5))?;
        Heap::create(&storage, &t, TABLE)?;
        Heap::create(&storage, &t, PATCHED)?;
        BTree::create(&storage, &t, INDEX)?;
        t.commit()?;
        let layout = Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Var]));
        let heap = Heap::open(&storage, TABLE, None, layout.clone());
        let index = BTree::open(&storage, INDEX, false);
        Ok(Work { storage, heap, index, layout, rows: vec![None; 300] })
    }

    fn change_rows(&mut self, rng: &mut FaultRng) -> Result<()> {
        let t = self.storage.begin(IsolationLevel::ReadCommitted);
        t.set_read_at_inserted(true);
        let first = rng.below(self.rows.len() as u64) as usize;
        for id in (first..self.rows.len()).take(20) {
            t.advance_command();
            let mut row = RowBuilder::new();
            row.begin(&self.layout);
            row.fixed(&(id as u32).to_le_bytes());
            row.var(&vec![id as u8; rng.below(200) as usize]);
            let (snapshot, was) = (t.statement_snapshot(), self.rows[id]);
            let options = UpdateOptions { hot_allowed: rng.below(2) == 0, key_unchanged: true };
            let (tid, indexed) = match was {
                None => (self.heap.insert(&t, row.finish())?, false),
                Some(tid) => {
                    match self.heap.update(&t, &snapshot, tid, row.finish(), options, WaitPolicy::Block)? {
                        ModifyResult::Done { tid, hot } => (tid, hot),
                        other => panic!("{other:?}"),
                    }
                }
            };
            if !indexed {
                self.index.insert(&t, &(id as u32 / 2).to_be_bytes(), b"", tid, UniqueCheck::None)?;
            }
            self.rows[id] = Some(tid);
        }
        t.commit().map(drop)
    }

    fn patch(&self, rng: &mut FaultRng) -> Result<()> {
        let pool = self.storage.pool();
        let blocks = pool.blocks(PATCHED, Fork::Main)?;
        if blocks > 600 && rng.below(30) == 0 {
            return self.storage.truncate_relation(PATCHED, Fork::Main, blocks - 50);
        }
        for _ in 0..30 {
            let mut page = match rng.below(4) {
                0 if blocks < 900 => pool.extend(PATCHED, Fork::Main, 1)?,
                _ if blocks > 0 => pool.write(PageId::main(PATCHED, rng.below(blocks.into()) as u32))?,
                _ => continue,
            };
            let offset = 32 + rng.below(PAGE_SIZE as u64 - 64);
            self.storage.log_patch(None, &mut page, &[(offset as u16, &rng.next_u64().to_le_bytes())])?;
        }
        Ok(())
    }

    fn go_on(&mut self, rounds: u32, rng: &mut FaultRng) -> Result<()> {
        for _ in 0..rounds {
            match rng.below(40) {
                0 => {
                    let indexes: [&dyn IndexMethod; 1] = [&self.index];
                    self.heap.vacuum(&indexes, &VacuumOptions::default()).map(drop)?;
                }
                1..20 => self.change_rows(rng)?,
                _ => self.patch(rng)?,
            }
        }
        Ok(())
    }
}

/// The files' bytes after recovery by a plan, or record by record.
fn recovered(disk: &FaultDisk, plan: Option<Plan>, frames: usize) -> Result<BTreeMap<String, Vec<u8>>> {
    let disk: Arc<dyn Disk> = Arc::new(disk.copy());
    let control = Control::read(&*disk)?.expect("there is one");
    let read = plan.unwrap_or(Plan { memory: 1 << 20, threads: 1, alone_below: 0 });
    let log = Log::read(&disk, &control, read, true)?;
    let fatal = Fatal::new(Arc::new(|_: &str| ()));
    let options = WalOptions {
        segment_bytes: control.segment_bytes,
        buffer_bytes: 1,
        fsync: true,
        full_page_writes: true,
        compress_pages: true,
        run: control.run + 1,
        position: log.end,
        redo: control.redo,
    };
    let wal = Arc::new(Wal::new(disk.clone(), fatal.clone(), options));
    let files = Arc::new(RelFiles::new(disk.clone(), true));
    let pool = BufferPool::new(frames * PAGE_SIZE, files.clone(), wal.clone(), fatal.clone());
    let clog = Clog::new(Clog::open_file(&*disk, control.next_xid)?, fatal, true);
    let txns = TxnManager::new(wal, clog, control.next_xid);
    let mut redo = Redo::new(&*disk, &pool, &files, &txns, &control);
    match plan {
        Some(_) => redo.apply_all(log, Duration::ZERO)?,
        None => by_record(&mut redo, &disk, &control)?,
    }
    redo.finish()?;
    let mut writer = RunWriter::new(&pool, true);
    for id in pool.dirty_pages(true) {
        writer.add(id)?;
    }
    writer.finish()?;
    let mut all = BTreeMap::new();
    for dir in ["global", "base/5"] {
        for name in disk.list(dir)? {
            let path = format!("{dir}/{name}");
            let file = disk.open(&path, false)?.expect("is listed");
            let mut bytes = vec![0; file.len()? as usize];
            file.read_at(&mut bytes, 0)?;
            all.insert(path, bytes);
        }
    }
    Ok(all)
}

fn by_record(redo: &mut Redo<'_>, disk: &Arc<dyn Disk>, control: &Control) -> Result<()> {
    let mut reader = WalReader::new(disk.clone(), control.segment_bytes, control.redo);
    while let Some(record) = reader.next_record()? {
        redo.seen_xid(record.xid);
        let rmgr = rmgr::of(record.kind)?;
        for (index, block) in record.blocks.iter().enumerate() {
            let mut page = match block.is_whole() {
                true => redo.pool.write_replaced(block.id)?,
                false => redo.pool.write_or_zero(block.id)?,
            };
            if !record.restore_image(index, &mut page)? {
                if !block.init && page.is_new() {
                    redo.missing.insert(block.id, record.lsn);
                    continue;
                }
                if !block.init && page.lsn() >= record.end {
                    continue;
                }
                (rmgr.apply)(record.kind.op, record.payload(), index, &mut page)
                    .map_err(|_| damaged(record.lsn))?;
            }
            page.set_lsn(record.end);
            page.mark_dirty();
        }
        if let Some(effect) = rmgr.redo {
            effect(redo, &record)?;
        }
    }
    Ok(())
}

#[test]
fn pages_are_those_of_one_record_after_the_other() -> Result<()> {
    for seed in 0..4 {
        let mut rng = FaultRng::new(seed);
        let disk = FaultDisk::new();
        let mut work = Work::begin(&disk)?;
        work.go_on(100, &mut rng)?;
        work.storage.checkpoint()?;
        work.go_on(400, &mut rng)?;
        work.storage.wal().flush_all()?;
        disk.fail_after(0);
        drop(work);
        disk.crash(seed);
        let expected = recovered(&disk, None, 64)?;
        assert!(expected.values().map(Vec::len).sum::<usize>() > 500 * PAGE_SIZE, "seed {seed}");
        for (threads, memory, frames) in
            [(1, 1 << 20, 64), (3, 1 << 30, 64), (4, 1 << 14, 64), (2, 1 << 30, 20_000)]
        {
            let plan = Plan { memory, threads, alone_below: 0 };
            let found = recovered(&disk, Some(plan), frames)?;
            assert!(found.keys().eq(expected.keys()), "seed {seed}, {plan:?}: other files");
            for (path, bytes) in &found {
                let pages = || bytes.chunks(PAGE_SIZE).zip(expected[path].chunks(PAGE_SIZE));
                let differs = pages().position(|(found, expected)| found != expected);
                assert_eq!(differs, None, "seed {seed}, {plan:?}: page of {path}");
                assert_eq!(bytes.len(), expected[path].len(), "seed {seed}, {plan:?}: {path}");
            }
        }
    }
    Ok(())
}
