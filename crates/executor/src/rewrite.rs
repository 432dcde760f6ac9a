//! Writes a table's rows to the new storage that the table has been given, in physical order or in an index's: VACUUM FULL and
//! CLUSTER (PostgreSQL: commands/cluster.c). Indexes are built afterwards.

use crate::ExecEnv;
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::Layout;
use crate::index_entry::IndexShape;
use crate::scan::rows::{RowReader, open_heap};
use crate::spill::told_of_files;
use quarry_catalog::Relation;
use quarry_common::progress::{Command, cluster as p};
use quarry_common::{Result, Tid};
use quarry_plan::{BoundIndex, ColumnId, ScanColumn};
use quarry_storage::heap::Heap;
use quarry_storage::heap::rewrite::Version;
use quarry_storage::row::RowBuilder;
use quarry_storage::sort::ExternalSort;
use quarry_types::Datum;
use quarry_types::row::put_datum;
use std::sync::Arc;

/// Rows between two looks at the cancel flag, and two notes of progress.
const CHECK_ROWS: u32 = 1024;

/// What came of a rewrite.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rewritten {
    /// Versions left behind.
    pub removed: u64,
    /// Versions kept, and how many of them have ended.
    pub kept: u64,
    pub ended: u64,
    pub old_pages: u32,
    pub new_pages: u32,
}

/// Rows of the old storage on their way to the new one.
struct Copy<'a> {
    env: &'a ExecEnv,
    reader: RowReader,
    old: Heap,
    new: Heap,
    /// Attributes that are dropped are stored as NULL.
    live: Vec<bool>,
    builder: RowBuilder,
    values: Vec<Datum>,
    since_check: u32,
}

impl Copy<'_> {
    fn read(&mut self, tid: Tid, stored: &[u8]) -> Result<()> {
        self.since_check += 1;
        if self.since_check.is_multiple_of(CHECK_ROWS) {
            self.env.session.check_cancelled()?;
        }
        self.reader.datums(&self.old, tid, None, stored, &mut self.values)
    }
    /// The row read last, with every value inline.
    fn row(&mut self) -> &[u8] {
        self.builder.begin(self.new.layout());
        let mut values = self.values.iter();
        for live in &self.live {
            match live.then(|| values.next()).flatten() {
                Some(v) => put_datum(v, &mut self.builder),
                None => self.builder.null(),
            }
        }
        self.builder.finish()
    }
}

/// Copies the rows of `old` (the table as it was) to `fresh` (with its new, empty storage), in the order of `index` if given; `row`
/// are the columns that the index was bound over.
pub fn copy_table(
    env: &ExecEnv,
    old: &Arc<Relation>,
    fresh: &Arc<Relation>,
    order: Option<(&BoundIndex, &[(ColumnId, ScanColumn)])>,
) -> Result<Rewritten> {
    let io = env.io();
    let columns: Vec<ScanColumn> = (0..old.columns.len()).map(ScanColumn::Attribute).collect();
    let live: Vec<bool> = old.columns.iter().map(|c| !c.dropped).collect();
    let read: Vec<ScanColumn> =
        columns.iter().zip(&live).filter(|(_, live)| **live).map(|(c, _)| *c).collect();
    let mut copy = Copy {
        env,
        reader: RowReader::of(old, &read, &io)?,
        old: open_heap(env, old)?,
        new: open_heap(env, fresh)?,
        live,
        builder: RowBuilder::new(),
        values: vec![],
        since_check: 0,
    };
    let mut done = Rewritten { old_pages: copy.old.blocks()?, ..Rewritten::default() };
    let source = open_heap(env, old)?;
    let progress = env.txn.progress().of(Command::Cluster);
    progress.set(p::PHASE, p::SEQ_SCAN);
    progress.set(p::BLOCKS_TOTAL, done.old_pages as i64);
    let kept = std::cell::Cell::new(0u64);
    let mut at_page = |block: u32, _| {
        progress.set(p::BLOCKS_SCANNED, block as i64 + 1);
        progress.set(p::TUPLES_SCANNED, kept.get() as i64);
        if order.is_none() {
            progress.set(p::TUPLES_WRITTEN, kept.get() as i64);
        }
        Ok(())
    };
    match order {
        None => {
            let target = open_heap(env, fresh)?;
            done.removed = source.versions_to_keep(&mut at_page, &mut |version, tid, stored| {
                copy.read(tid, stored)?;
                done.kept += 1;
                kept.set(done.kept);
                done.ended += u64::from(version.has_ended());
                let row = copy.row();
                target.insert_version(&env.txn, &version, row).map(|_| ())
            })?;
        }
        Some((index, row)) => {
            let mut b = Builder::new(&io, false).with_env(env);
            let keys = b.exprs(&index.keys, &Layout::new(row.iter().map(|(id, _)| *id)))?;
            let shape = IndexShape::new(old, &index.index, &io)?;
            let key_reader = RowReader::new(old, row, &io)?;
            let mut rt = b.finish();
            let memory = env.maintenance_mem_bytes();
            let mut sort = ExternalSort::new(env.storage.disk().clone(), memory).told(told_of_files(env));
            let (mut values, mut key_values) = (vec![], vec![]);
            let (mut key, mut value) = (vec![], vec![]);
            done.removed = source.versions_to_keep(&mut at_page, &mut |version, tid, stored| {
                copy.read(tid, stored)?;
                done.kept += 1;
                kept.set(done.kept);
                done.ended += u64::from(version.has_ended());
                key_reader.datums(&copy.old, tid, None, stored, &mut values)?;
                key_values.clear();
                for k in &keys {
                    key_values.push(k.row(&mut Cx::new(env, &io, &mut rt), &values)?);
                }
                key.clear();
                shape.key(&key_values, &mut key)?;
                value.clear();
                version.encode(&mut value);
                value.extend_from_slice(copy.row());
                sort.push(&key, &value)
            })?;
            progress.set(p::TUPLES_SCANNED, done.kept as i64);
            progress.set(p::PHASE, p::SORTING);
            let mut sorted = sort.finish()?;
            progress.set(p::PHASE, p::WRITING);
            let mut written = 0u32;
            while let Some((_, value)) = sorted.next()? {
                let (version, row) = Version::decode(value)?;
                copy.new.insert_version(&env.txn, &version, row)?;
                written += 1;
                if written.is_multiple_of(CHECK_ROWS) {
                    progress.set(p::TUPLES_WRITTEN, written as i64);
                    env.session.check_cancelled()?;
                }
            }
            progress.set(p::TUPLES_WRITTEN, written as i64);
        }
    }
    done.new_pages = copy.new.blocks()?;
    Ok(done)
}
