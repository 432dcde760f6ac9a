//! ANALYZE: samples a table and stores its statistics (PostgreSQL: commands/analyze.c).

use crate::query::StatementContext;
use quarry_catalog::{LockMode, Relation};
use quarry_common::progress::{Command, analyze as p};
use quarry_common::{BlockNo, Oid, Result, Severity, Tid, err};
use quarry_executor::scan::rows::RowReader;
use quarry_plan::ScanColumn;
use quarry_sql::ast;
use quarry_storage::heap::Heap;
use quarry_storage::index::BTree;
use quarry_storage::stats::Count;
use quarry_types::Datum;
use std::sync::Arc;

/// Samples the table and stores its size and its columns' statistics.
pub fn analyze_table(
    st: &StatementContext,
    oid: Oid,
    columns: &[ast::Name],
    verbose: bool,
    in_background: bool,
) -> Result<()> {
    // Statistics of the statistics would have values of every type side by side.
    const PG_STATISTIC: Oid = Oid(2619);
    if oid == PG_STATISTIC {
        return Ok(());
    }
    let Some(relation) = st.reader.lock_relation_oid(oid, LockMode::ShareUpdateExclusive)? else {
        return Ok(());
    };
    let Some(rel) = relation.storage else { return Ok(()) };
    let progress = st.txn.progress().clone();
    let _running = progress.begin(Command::Analyze, oid);
    let progress = progress.of(Command::Analyze);
    progress.set(p::PHASE, p::ACQUIRING_ROWS);
    let storage = st.session.instance.storage();
    let heap = Heap::open(storage, rel, relation.toast, relation.layout.clone());
    let target = st.session.settings().int("default_statistics_target").max(1) as usize;
    let sample = sample(st, &relation, &heap, target.saturating_mul(ROWS_PER_TARGET))?;
    let pages = heap.blocks()?;
    progress.set(p::PHASE, p::COMPUTING);
    if verbose {
        let text = format!("analyzing \"{}.{}\"", relation.schema_name, relation.name);
        st.session.push_notice(Severity::Info, err!(SUCCESSFUL_COMPLETION, "{text}"));
        let rows = sample.columns.first().map_or(0, Vec::len);
        let e = err!(
            SUCCESSFUL_COMPLETION,
            "\"{}\": scanned {} of {pages} pages, containing {} live rows and {} dead rows; {rows} rows in sample, {} estimated total rows",
            relation.name,
            sample.pages,
            sample.seen,
            sample.dead,
            sample.table_rows
        );
        st.session.push_notice(Severity::Info, e);
    }
    let w = super::super::role::writer(st);
    let io = st.io();
    for (i, number) in sample.attributes.iter().enumerate() {
        let c = &relation.columns[*number];
        if !columns.is_empty() && !columns.iter().any(|n| n.value == c.name) {
            continue;
        }
        let base = st.reader.base_type(c.ty)?;
        let info = io.type_ref(base.oid)?;
        // Values of a polymorphic column (anyarray) can't be compared with each other.
        if info.kind == 'p' {
            continue;
        }
        let stats =
            quarry_optimizer::analyze::column_stats(&sample.columns[i], &info, sample.table_rows, target);
        w.set_column_stats(oid, c.number, c.ty, c.collation, &stats)?;
    }
    progress.set(p::PHASE, p::FINALIZING);
    let rows = sample.table_rows as f32;
    w.update_relation_stats(oid, pages, rows, relation.all_visible_pages)?;
    for i in &relation.indexes {
        let tree = BTree::open(storage, i.storage, i.unique);
        w.update_relation_stats(i.oid, tree.blocks()?, rows, 0)?;
    }
    let dead = match sample.pages {
        0 => 0.0,
        n => (sample.dead as f64 / n as f64 * f64::from(pages)).round(),
    };
    let changed = columns.is_empty().then(|| heap.counters().get(Count::Changed));
    heap.counters().note_analyze(sample.table_rows, dead, changed, crate::clock::now(), in_background);
    Ok(())
}

/// Sampled rows per unit of the statistics target (PostgreSQL: analyze.c, after Chaudhuri, Motwani and Narasayya 1998).
const ROWS_PER_TARGET: usize = 300;

/// Rows of a table, by column.
struct Sample {
    /// Indexes in the relation's columns.
    attributes: Vec<usize>,
    columns: Vec<Vec<Datum>>,
    /// Rows the whole table is thought to have.
    table_rows: f64,
    /// Pages read, and rows on them.
    pages: usize,
    seen: u64,
    /// Dead versions there.
    dead: u64,
}

/// Reads up to `wanted` random pages and keeps `wanted` random rows of them, in physical order.
fn sample(st: &StatementContext, relation: &Arc<Relation>, heap: &Heap, wanted: usize) -> Result<Sample> {
    let attributes: Vec<usize> =
        (0..relation.columns.len()).filter(|i| !relation.columns[*i].dropped).collect();
    let sources: Vec<ScanColumn> = attributes.iter().map(|i| ScanColumn::Attribute(*i)).collect();
    let io = st.io();
    let reader = RowReader::of(relation, &sources, &io)?;
    let pages = heap.blocks()?;
    let random = || quarry_functions::SessionEnv::random(&*st.session);
    // Selection sampling: each page is as likely as any other, and they come in order.
    let mut left = wanted.min(pages as usize);
    let mut chosen: Vec<BlockNo> = vec![];
    for block in 0..pages {
        if left == 0 {
            break;
        }
        if random() * f64::from(pages - block) < left as f64 {
            chosen.push(block);
            left -= 1;
        }
    }
    let mut rows: Vec<(Tid, Vec<u8>)> = vec![];
    let (mut seen, mut dead) = (0u64, 0u64);
    let live = heap.storage().live_snapshots();
    let mut scan = heap.scan(st.txn.catalog_snapshot(), Some(0..0));
    let progress = st.txn.progress().of(Command::Analyze);
    progress.set(p::BLOCKS_TOTAL, chosen.len() as i64);
    for (read, block) in chosen.iter().enumerate() {
        progress.set(p::BLOCKS_DONE, read as i64 + 1);
        quarry_functions::SessionEnv::check_cancelled(&*st.session)?;
        dead += heap.dead_on_page(*block, &live)?;
        scan.set_range(*block..*block + 1);
        let mut page = |tid: Tid, body: &[u8]| {
            seen += 1;
            if rows.len() < wanted {
                rows.push((tid, body.to_vec()));
            } else {
                // The reservoir: a later row replaces one with falling probability.
                let at = (random() * seen as f64) as usize;
                if at < wanted {
                    rows[at] = (tid, body.to_vec());
                }
            }
            Ok(())
        };
        while scan.next_page(&mut page)? {}
    }
    rows.sort_by_key(|r| r.0);
    let mut columns: Vec<Vec<Datum>> = vec![Vec::with_capacity(rows.len()); attributes.len()];
    let mut values = vec![];
    for (tid, body) in &rows {
        reader.datums(heap, *tid, None, body, &mut values)?;
        for (column, value) in columns.iter_mut().zip(&values) {
            column.push(value.clone());
        }
    }
    let per_page = if chosen.is_empty() { 0.0 } else { seen as f64 / chosen.len() as f64 };
    let table_rows = (per_page * f64::from(pages)).round();
    Ok(Sample { attributes, columns, table_rows, pages: chosen.len(), seen, dead })
}
