//! What VACUUM and ANALYZE find out.

use super::CatalogWriter;
use crate::arrays;
use crate::builtin::columns::{pg_class, pg_statistic as s};
use crate::cache::Touched;
use crate::defs::ColumnStats;
use crate::reader::{STATS_CORRELATION, STATS_HISTOGRAM, STATS_MCV};
use crate::row::{Row, oid_datum};
use quarry_common::{Oid, Result};
use quarry_functions::registry;
use quarry_types::{Datum, SqlType};

impl CatalogWriter {
    /// Sets a relation's size as the planner sees it. Not if it changes nothing.
    pub fn update_relation_stats(
        &self,
        relation: Oid,
        pages: u32,
        tuples: f32,
        all_visible: u32,
    ) -> Result<()> {
        self.touch([Touched::Relation(relation)]);
        if let Some(table) = self.index_table(relation)? {
            self.touch([Touched::Relation(table)]);
        }
        self.change_oid(pg_class::TABLE, 2662, relation, |r| {
            r.0[pg_class::RELPAGES] = Datum::I32(pages.min(i32::MAX as u32) as i32);
            r.0[pg_class::RELTUPLES] = Datum::F32(tuples);
            r.0[pg_class::RELALLVISIBLE] = Datum::I32(all_visible.min(i32::MAX as u32) as i32);
        })?;
        self.advance();
        Ok(())
    }

    /// Replaces a column's statistics.
    pub fn set_column_stats(
        &self,
        relation: Oid,
        number: i16,
        ty: SqlType,
        collation: Oid,
        stats: &ColumnStats,
    ) -> Result<()> {
        self.touch([Touched::Stats(relation)]);
        let base = self.base_type(ty)?;
        let physical = self.type_physical(base.oid)?;
        let operator = |name: &str| {
            registry::operators_named(name)
                .iter()
                .find(|o| o.left == base.oid && o.right == base.oid)
                .map_or(Oid::INVALID, |o| o.oid)
        };
        let mut slots: Vec<(i16, Oid, Datum, Datum)> = Vec::new();
        if !stats.mcv.is_empty() {
            let numbers: Vec<f32> = stats.mcv.iter().map(|m| m.1).collect();
            let values: Vec<Datum> = stats.mcv.iter().map(|m| m.0.clone()).collect();
            let values = arrays::any_array(base.oid, physical, &values);
            slots.push((STATS_MCV, operator("="), arrays::float4_array(&numbers), values));
        }
        if !stats.histogram.is_empty() {
            let values = arrays::any_array(base.oid, physical, &stats.histogram);
            slots.push((STATS_HISTOGRAM, operator("<"), Datum::Null, values));
        }
        if stats.correlation.is_finite() && stats.distinct != 0.0 {
            slots.push((
                STATS_CORRELATION,
                operator("<"),
                arrays::float4_array(&[stats.correlation]),
                Datum::Null,
            ));
        }
        let mut row = vec![
            oid_datum(relation),
            Datum::I16(number),
            Datum::Bool(false),
            Datum::F32(stats.null_fraction),
            Datum::I32(stats.width),
            Datum::F32(stats.distinct),
        ];
        let slot = |i: usize| slots.get(i);
        row.extend((0..5).map(|i| Datum::I16(slot(i).map_or(0, |s| s.0))));
        row.extend((0..5).map(|i| oid_datum(slot(i).map_or(Oid::INVALID, |s| s.1))));
        row.extend((0..5).map(|i| oid_datum(if slot(i).is_some() { collation } else { Oid::INVALID })));
        row.extend((0..5).map(|i| slot(i).map_or(Datum::Null, |s| s.2.clone())));
        row.extend((0..5).map(|i| slot(i).map_or(Datum::Null, |s| s.3.clone())));
        let new = Row(row);
        let key = [oid_datum(relation), Datum::I16(number), Datum::Bool(false)];
        match self.find_one(&self.snapshot(), s::TABLE, 2696, &key)? {
            Some((tid, old)) => self.update(s::TABLE, tid, &old, &new)?,
            None => {
                self.insert(s::TABLE, &new)?;
            }
        }
        self.advance();
        Ok(())
    }
    /// Removes the statistics of one column, or of all.
    pub(crate) fn delete_column_stats(&self, relation: Oid, number: Option<i16>) -> Result<()> {
        let mut key = vec![oid_datum(relation)];
        key.extend(number.map(Datum::I16));
        if self.delete_all(&self.snapshot(), s::TABLE, 2696, &key)? > 0 {
            self.touch([Touched::Stats(relation)]);
        }
        Ok(())
    }
}
