//! How a hash join reads its inner side: alone, or together with other threads' joins ([`crate::join::shared`]).

use super::{HashJoin, ROW_OVERHEAD};
use crate::context::Cx;
use crate::join::filter::{FilterBuilder, KeyFilter};
use crate::join::partition::{Keys, PARTITIONS, Spread, pairs};
use crate::join::shared::{BuildShare, Built, Turn};
use crate::operator::pull;
use crate::rows::RowSet;
use quarry_common::Result;
use quarry_types::{Batch, PhysicalType, Rows, Vector};
use std::sync::Arc;

/// An inner side being read.
pub(in crate::join) struct Inner {
    set: RowSet,
    /// Its rows, once there are too many.
    spread: Option<Spread>,
    /// Bytes of a row in memory.
    row_bytes: f64,
    builders: Vec<FilterBuilder>,
}

impl Inner {
    pub fn new(physicals: &[PhysicalType], builders: Vec<FilterBuilder>) -> Inner {
        Inner { set: RowSet::new(physicals), spread: None, row_bytes: 0.0, builders }
    }

    fn bytes(&self) -> usize {
        self.set.memory_bytes() + self.set.len * ROW_OVERHEAD
    }

    fn allocated_bytes(&self) -> usize {
        let noted = self.builders.iter().map(FilterBuilder::memory_bytes).sum::<usize>();
        self.set.allocated_bytes() + self.set.len * ROW_OVERHEAD + noted
    }
}

impl HashJoin {
    fn filter_builders(&self) -> Vec<FilterBuilder> {
        self.filters.iter().map(|(_, key)| FilterBuilder::new(self.types[*key].clone())).collect()
    }

    fn add_to_filters(&self, cx: &mut Cx<'_>, builders: &mut [FilterBuilder], b: &Batch) -> Result<()> {
        for (builder, (_, key)) in builders.iter_mut().zip(&self.filters) {
            let values = self.inner_keys[*key].eval(cx, b)?;
            builder.add(&values, b.rows());
        }
        Ok(())
    }

    fn finish_filters(&self, builders: Vec<FilterBuilder>) -> Vec<Option<Arc<KeyFilter>>> {
        builders.into_iter().map(FilterBuilder::finish).collect()
    }

    fn publish(&self, cx: &mut Cx<'_>, filters: Vec<Option<Arc<KeyFilter>>>) {
        for (filter, (number, _)) in filters.into_iter().zip(&self.filters) {
            if cx.rt.filters.len() <= *number {
                cx.rt.filters.resize(*number + 1, None);
            }
            cx.rt.filters[*number] = filter;
        }
    }

    /// Reads the inner side; writes both sides to partitions if it is too big.
    pub(super) fn read_inner(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.inner_depends.note(cx);
        self.parted = false;
        self.batches = 1;
        (self.inner_rows, self.inner_nulls) = (false, false);
        if let Some(share) = self.share.clone() {
            return self.read_together(cx, &share);
        }
        let mut inner = Inner::new(&self.inner_physicals, self.filter_builders());
        self.read_rows(cx, &mut inner, None)?;
        self.finish_inner(cx, inner)
    }

    /// Reads on in the inner side until its end. With `share`, and the inner side in parts, what is too much isn't written: the others
    /// read no more, and the leader stops at once.
    fn read_rows(&mut self, cx: &mut Cx<'_>, inner: &mut Inner, share: Option<&BuildShare>) -> Result<()> {
        let in_parts = share.filter(|s| s.build.is_in_parts());
        while let Some(b) = pull(&mut self.inner, cx)? {
            cx.check_cancelled()?;
            if self.null_aware && self.types.len() == 1 && !self.inner_nulls {
                self.inner_rows |= !b.rows().is_empty();
                for key in &self.inner_keys {
                    let values = key.eval(cx, &b)?;
                    self.inner_nulls |= b.rows().iter().any(|r| values.is_null(r));
                }
            }
            self.add_to_filters(cx, &mut inner.builders, &b)?;
            if let Some(spread) = &mut inner.spread {
                spread.push(cx, &Keys { programs: &self.inner_keys, types: &self.types }, &b)?;
                continue;
            }
            let before = inner.bytes();
            inner.set.push(&b);
            let may_hold = self.reservation.may_hold(inner.allocated_bytes());
            let bytes = match in_parts {
                Some(share) => share.build.add(inner.bytes().saturating_sub(before)),
                None => inner.bytes(),
            };
            let fits = may_hold && bytes <= cx.env.hash_mem_bytes;
            match in_parts {
                None if !fits => self.spread_inner(cx, inner)?,
                None => {}
                Some(share) => {
                    if !fits {
                        share.build.give_up();
                    }
                    if share.leads && share.build.is_given_up() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Moves rows to files; further ones go there, too.
    fn spread_inner(&mut self, cx: &mut Cx<'_>, inner: &mut Inner) -> Result<()> {
        inner.row_bytes = inner.bytes() as f64 / inner.set.len.max(1) as f64;
        let mut spread = self.spread(cx, &self.inner_physicals)?;
        let all = inner.set.take();
        spread.push(cx, &Keys { programs: &self.inner_keys, types: &self.types }, &all)?;
        // Files count their buffers themselves.
        self.reservation.holds(0);
        inner.spread = Some(spread);
        Ok(())
    }

    /// Makes the table with others, or takes theirs.
    fn read_together(&mut self, cx: &mut Cx<'_>, share: &BuildShare) -> Result<()> {
        let build = &share.build;
        let mut turn = build.enter(share.leads);
        if matches!(turn, Turn::Read) {
            let mut inner = Inner::new(&self.inner_physicals, self.filter_builders());
            self.read_rows(cx, &mut inner, Some(share))?;
            if inner.spread.is_some() {
                build.give_up();
            }
            turn = build.leave(inner, share.leads);
        }
        match turn {
            Turn::Build(read) => {
                let inner = self.unite(cx, read)?;
                let filters = self.finish_filters(inner.builders);
                self.publish(cx, filters.clone());
                let memory = inner.set.memory_bytes() + inner.set.len * ROW_OVERHEAD;
                let mut set = inner.set;
                let rows = set.take();
                self.make_table(cx, rows, memory)?;
                if let Some(table) = &self.table {
                    build.ready(Built { table: table.clone(), filters });
                }
            }
            Turn::Join(built) => {
                self.reservation.holds(0);
                self.publish(cx, built.filters.clone());
                self.table = Some(built.table.clone());
            }
            Turn::GoOn(read) => {
                let mut inner = self.unite(cx, read)?;
                if inner.spread.is_none() {
                    self.spread_inner(cx, &mut inner)?;
                }
                if build.is_in_parts() {
                    self.read_rows(cx, &mut inner, None)?;
                }
                self.finish_inner(cx, inner)?;
            }
            Turn::Nothing | Turn::Read => {
                self.reservation.holds(0);
                self.done = true;
            }
        }
        Ok(())
    }

    /// All that was read, as one.
    fn unite(&mut self, cx: &mut Cx<'_>, read: Vec<Inner>) -> Result<Inner> {
        let mut read = read.into_iter();
        let Some(mut all) = read.next() else {
            return Ok(Inner::new(&self.inner_physicals, self.filter_builders()));
        };
        for other in read {
            cx.check_cancelled()?;
            let columns: Vec<Arc<Vector>> = other.set.columns.into_iter().map(Arc::new).collect();
            all.set.push_rows(&columns, Rows::All(other.set.len));
            all.builders.iter_mut().zip(other.builders).for_each(|(mine, theirs)| mine.merge(theirs));
        }
        Ok(all)
    }

    /// Makes the table of an inner side that was read, or of a part of it.
    fn finish_inner(&mut self, cx: &mut Cx<'_>, inner: Inner) -> Result<()> {
        let Inner { mut set, spread, row_bytes, builders } = inner;
        let filters = self.finish_filters(builders);
        self.publish(cx, filters);
        let Some(inner) = spread else {
            let memory = set.memory_bytes() + set.len * ROW_OVERHEAD;
            let rows = set.take();
            return self.make_table(cx, rows, memory);
        };
        self.parted = true;
        let mut outer = self.spread(cx, &self.outer_physicals)?;
        if !self.null_aware_by_several() {
            self.batches = PARTITIONS;
            return self.begin_resident(cx, inner, outer, row_bytes);
        }
        while let Some(b) = pull(&mut self.outer, cx)? {
            cx.check_cancelled()?;
            outer.push(cx, &Keys { programs: &self.outer_keys, types: &self.types }, &b)?;
        }
        self.parts = pairs(inner, outer, 0)?;
        self.note(cx, 0, cx.env.hash_mem_bytes);
        self.next_partition(cx).map(|_| ())
    }
}
