//! What VACUUM and ANALYZE find out.

use super::CatalogWriter;
use crate::arrays;
use crate::builtin::columns::{pg_class, pg_statistic as s};
use crate::cache::Touched;
use crate::defs::ColumnStats;
use crate::reader::{STATS_CORRELATION, STATS_ELEMENT_COUNTS, STATS_ELEMENTS, STATS_HISTOGRAM, STATS_MCV};
use crate::row::{Row, oid_datum};
use quarry_common::{Oid, Result};
use quarry_functions::registry;
use quarry_types::{Datum, SqlType, oids};

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
        self.note_in_row(pg_class::TABLE, 2662, relation, |r| {
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
        let new = self.statistic_row(relation, number, ty, collation, stats)?;
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

    /// A row of pg_statistic.
    pub(crate) fn statistic_row(
        &self,
        relation: Oid,
        number: i16,
        ty: SqlType,
        collation: Oid,
        stats: &ColumnStats,
    ) -> Result<Row> {
        let base = self.base_type(ty)?;
        let info = self.type_ref(base.oid)?;
        let physical = self.type_physical(base.oid)?;
        // Strings but text have no operators of their own, enums and arrays those of all their kind.
        let operand = match (base.oid, info.kind) {
            (oids::VARCHAR, _) => oids::TEXT,
            (_, 'e') => oids::ANYENUM,
            _ if info.is_array() && registry::operators_named("=").iter().all(|o| o.left != base.oid) => {
                oids::ANYARRAY
            }
            (oid, _) => oid,
        };
        let operator_of = |operand: Oid, name: &str| {
            registry::operators_named(name)
                .iter()
                .find(|o| o.left == operand && o.right == operand)
                .map_or(Oid::INVALID, |o| o.oid)
        };
        let operator = |name: &str| operator_of(operand, name);
        let mut slots: Vec<(i16, Oid, Oid, Datum, Datum)> = Vec::new();
        if !stats.mcv.is_empty() {
            let numbers: Vec<f32> = stats.mcv.iter().map(|m| m.1).collect();
            let values: Vec<Datum> = stats.mcv.iter().map(|m| m.0.clone()).collect();
            let values = arrays::any_array(base.oid, physical, &values);
            slots.push((STATS_MCV, operator("="), collation, arrays::float4_array(&numbers), values));
        }
        if !stats.histogram.is_empty() {
            let values = arrays::any_array(base.oid, physical, &stats.histogram);
            slots.push((STATS_HISTOGRAM, operator("<"), collation, Datum::Null, values));
        }
        if let Some(correlation) = stats.correlation {
            let numbers = arrays::float4_array(&[correlation]);
            slots.push((STATS_CORRELATION, operator("<"), collation, numbers, Datum::Null));
        }
        if let Some(e) = &stats.elements {
            let element_collation = if base.oid == oids::TSVECTOR { Oid(100) } else { collation };
            let operand = if e.ty == oids::VARCHAR { oids::TEXT } else { e.ty };
            let equals = operator_of(operand, "=");
            if !e.common.is_empty() {
                let mut numbers: Vec<f32> = e.common.iter().map(|c| c.1).collect();
                numbers.extend([e.least, e.most]);
                numbers.extend(e.with_null);
                let values: Vec<Datum> = e.common.iter().map(|c| c.0.clone()).collect();
                let values = arrays::any_array(e.ty, self.type_physical(e.ty)?, &values);
                let numbers = arrays::float4_array(&numbers);
                slots.push((STATS_ELEMENTS, equals, element_collation, numbers, values));
            }
            if !e.counts.is_empty() {
                let numbers = arrays::float4_array(&e.counts);
                slots.push((STATS_ELEMENT_COUNTS, equals, element_collation, numbers, Datum::Null));
            }
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
        row.extend((0..5).map(|i| oid_datum(slot(i).map_or(Oid::INVALID, |s| s.2))));
        row.extend((0..5).map(|i| slot(i).map_or(Datum::Null, |s| s.3.clone())));
        row.extend((0..5).map(|i| slot(i).map_or(Datum::Null, |s| s.4.clone())));
        Ok(Row(row))
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
