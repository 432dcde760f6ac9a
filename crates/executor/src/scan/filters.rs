//! What hash joins above a scan know of its columns: which rows, and which pages, have no chance there.
//!
//! Rows are tested by their key alone, before the rest of them is decoded: where an index entry holds the key even before the row is
//! visited. A filter that lets most rows pass is not asked again ([`Probe`]).

use super::index::Covered;
use super::narrow;
use super::rows::RowReader;
use crate::context::Cx;
use crate::join::filter::{KeyFilter, Probe};
use quarry_catalog::Relation;
use quarry_common::{BlockNo, Result, Tid};
use quarry_storage::Snapshot;
use quarry_storage::heap::{Heap, KeptRows, PageRows};
use quarry_types::Vector;
use std::ops::Range;
use std::sync::Arc;

/// A column of a scan that a filter is about.
pub struct ScanProbe {
    probe: Probe,
    /// Reads the column alone.
    reader: RowReader,
    /// The column's number in its table.
    attribute: usize,
    /// Reads it from entries of the index that is scanned, if they have it.
    covered: Option<Covered>,
    /// Room for one value.
    one: Vec<Vector>,
}

impl ScanProbe {
    pub fn new(filter: usize, reader: RowReader, attribute: usize, covered: Option<Covered>) -> ScanProbe {
        let one = reader.vectors(1);
        ScanProbe { probe: Probe::new(filter), reader, attribute, covered, one }
    }
}

/// The pages worth reading, if they are known and few.
type Pages = Option<Vec<Range<BlockNo>>>;

/// The filters of a scan, and how far they have been worth asking.
pub struct Filters {
    probes: Vec<ScanProbe>,
    /// Those in force now: their probe's position.
    active: Vec<(usize, Arc<KeyFilter>)>,
    removed: u64,
    /// Pages that weren't read, over all loops.
    skipped: u64,
    node: usize,
    hashes: Vec<u64>,
    kept: Vec<u32>,
    rows: KeptRows,
    /// The pages worth reading, for the filter that they were found by.
    narrowed: Option<(Arc<KeyFilter>, Pages)>,
}

impl Filters {
    pub fn new(probes: Vec<ScanProbe>, node: usize) -> Filters {
        Filters {
            probes,
            active: vec![],
            removed: 0,
            skipped: 0,
            node,
            hashes: vec![],
            kept: vec![],
            rows: KeptRows::default(),
            narrowed: None,
        }
    }

    /// Looks which filters are there by now; to be called before rows are tested.
    pub fn begin(&mut self, cx: &Cx<'_>) {
        self.active.clear();
        for (i, p) in self.probes.iter().enumerate().filter(|(_, p)| p.probe.is_on()) {
            if let Some(Some(filter)) = cx.rt.filters.get(p.probe.filter) {
                self.active.push((i, filter.clone()));
            }
        }
    }

    /// Whether no hash join will ever say anything.
    pub fn is_empty(&self) -> bool {
        self.probes.is_empty()
    }

    pub fn are_active(&self) -> bool {
        !self.active.is_empty()
    }

    /// The page's rows that have a chance above.
    pub fn pass<'p>(&'p mut self, heap: &Heap, page: PageRows<'p>) -> Result<PageRows<'p>> {
        let before = page.len();
        self.rows.all(&page);
        for (at, filter) in &self.active {
            let ScanProbe { probe, reader, .. } = &mut self.probes[*at];
            if !probe.is_on() {
                continue;
            }
            let left = page.only(&self.rows);
            let mut keys = reader.vectors(left.len());
            reader.push_page(heap, &left, &mut keys)?;
            filter.select(&keys[0], &mut self.hashes, &mut self.kept);
            probe.note(left.len(), self.kept.len());
            self.rows.retain(&self.kept);
        }
        let kept = page.only(&self.rows);
        self.removed += (before - kept.len()) as u64;
        Ok(kept)
    }

    /// Whether a row has a chance, as far as its index entry tells.
    pub fn passes_entry(&mut self, key: &[u8], payload: &[u8]) -> Result<bool> {
        for (at, filter) in &self.active {
            let ScanProbe { probe, covered: Some(covered), one, .. } = &mut self.probes[*at] else {
                continue;
            };
            if probe.is_on() {
                one[0].resize(0);
                covered.read(key, payload, one)?;
                if !noted(probe, filter.has(&one[0])) {
                    self.removed += 1;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether a row has a chance, by what [`Filters::passes_entry`] hasn't looked at.
    pub fn passes_row(&mut self, heap: &Heap, tid: Tid, body: &[u8]) -> Result<bool> {
        for (at, filter) in &self.active {
            let ScanProbe { probe, reader, covered: None, one, .. } = &mut self.probes[*at] else { continue };
            if probe.is_on() {
                one[0].resize(0);
                reader.push(heap, tid, None, body, one)?;
                if !noted(probe, filter.has(&one[0])) {
                    self.removed += 1;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The pages of the table that can have rows with a chance, if an index tells and they are few; the table has `blocks`.
    pub fn pages(
        &mut self,
        cx: &mut Cx<'_>,
        relation: &Relation,
        blocks: BlockNo,
        snapshot: &Snapshot,
    ) -> Result<Option<Vec<Range<BlockNo>>>> {
        let mut best: Option<Vec<Range<BlockNo>>> = None;
        for (at, filter) in &self.active {
            let attribute = self.probes[*at].attribute;
            let known =
                self.narrowed.as_ref().filter(|(f, _)| self.active.len() == 1 && Arc::ptr_eq(f, filter));
            let found = match known {
                Some((_, pages)) => pages.clone(),
                None => narrow::pages(cx, relation, attribute, filter, blocks, snapshot)?,
            };
            if self.active.len() == 1 {
                self.narrowed = Some((filter.clone(), found.clone()));
            }
            if let Some(found) = found
                && best.as_ref().is_none_or(|b| narrow::count(&found) < narrow::count(b))
            {
                best = Some(found);
            }
        }
        if let Some(best) = &best {
            self.skipped += u64::from(blocks).saturating_sub(narrow::count(best));
        }
        Ok(best)
    }

    pub fn report(&self, cx: &mut Cx<'_>) {
        let Some(s) = cx.rt.stats.get_mut(self.node) else { return };
        if self.removed > 0 {
            crate::stats::set(s, "Rows Removed by Runtime Filter", self.removed.to_string());
        }
        if self.skipped > 0 {
            crate::stats::set(s, "Blocks Skipped by Runtime Filter", self.skipped.to_string());
        }
    }
}

fn noted(probe: &mut Probe, passes: bool) -> bool {
    probe.note(1, usize::from(passes));
    passes
}
