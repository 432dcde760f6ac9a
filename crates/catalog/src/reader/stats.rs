//! Statistics of columns, from `pg_statistic`, and what ANALYZE is told about columns.

use super::CatalogReader;
use crate::arrays;
use crate::builtin::columns::{pg_attribute, pg_statistic as s};
use crate::cache::{RelationStats, Touched};
use crate::defs::{ColumnStats, ElementStats};
use crate::row::{Row, oid_datum};
use quarry_common::{Oid, Result};
use quarry_types::Datum;
use quarry_types::array::ArrayRef;
use std::sync::Arc;

/// Kinds of slots in `pg_statistic`.
pub(crate) const KIND_MCV: i16 = 1;
pub(crate) const KIND_HISTOGRAM: i16 = 2;
pub(crate) const KIND_CORRELATION: i16 = 3;
pub(crate) const KIND_ELEMENTS: i16 = 4;
pub(crate) const KIND_ELEMENT_COUNTS: i16 = 5;

/// What ANALYZE is told about a column.
#[derive(Clone, Copy, Debug)]
pub struct ColumnTarget {
    pub number: i16,
    /// `attstattarget`: -1 the default, 0 no statistics.
    pub target: i32,
    /// The number of distinct values to be taken for true (ALTER COLUMN SET (n_distinct)).
    pub distinct: Option<f32>,
}

impl CatalogReader {
    /// Statistics of the column at this index of the relation's columns, or of an index's key; none if it was never analyzed.
    pub fn column_stats(&self, relation: Oid, column: usize) -> Result<Option<Arc<ColumnStats>>> {
        let all = self.cached(
            &self.db,
            |c| &c.stats,
            &relation,
            || Touched::Stats(relation),
            |snap| {
                let mut out: RelationStats = Vec::new();
                for (_, r) in self.find(snap, s::TABLE, 2696, &[oid_datum(relation)])? {
                    let number = r.i16(s::STAATTNUM);
                    if number <= 0 || r.bool(s::STAINHERIT) {
                        continue;
                    }
                    let index = number as usize - 1;
                    if out.len() <= index {
                        out.resize(index + 1, None);
                    }
                    out[index] = Some(Arc::new(column_stats_of(&r)));
                }
                Ok(Arc::new(out))
            },
        )?;
        Ok(all.get(column).cloned().flatten())
    }

    /// What ANALYZE is told about the columns of a relation (an index too), by number.
    pub fn column_targets(&self, relation: Oid) -> Result<Vec<ColumnTarget>> {
        let rows = self.find(&self.snapshot(), pg_attribute::TABLE, 2659, &[oid_datum(relation)])?;
        let mut out: Vec<ColumnTarget> = rows
            .iter()
            .filter(|(_, r)| r.i16(pg_attribute::ATTNUM) > 0)
            .map(|(_, r)| ColumnTarget {
                number: r.i16(pg_attribute::ATTNUM),
                target: r.i32(pg_attribute::ATTSTATTARGET),
                distinct: r
                    .texts(pg_attribute::ATTOPTIONS)
                    .iter()
                    .find_map(|o| o.strip_prefix("n_distinct=")?.parse().ok())
                    .filter(|d| *d != 0.0),
            })
            .collect();
        out.sort_by_key(|t| t.number);
        Ok(out)
    }
}

pub(crate) fn column_stats_of(r: &Row) -> ColumnStats {
    let mut out = ColumnStats {
        null_fraction: r.f32(s::STANULLFRAC),
        width: r.i32(s::STAWIDTH),
        distinct: r.f32(s::STADISTINCT),
        ..ColumnStats::default()
    };
    for slot in 0..5 {
        let numbers = arrays::float4s_of(&r.0[s::STANUMBERS1 + slot]);
        let values = || arrays::elements(&r.0[s::STAVALUES1 + slot]);
        match r.i16(s::STAKIND1 + slot) {
            KIND_MCV => out.mcv = values().into_iter().zip(numbers).collect(),
            KIND_HISTOGRAM => out.histogram = values(),
            KIND_CORRELATION => out.correlation = numbers.first().copied(),
            KIND_ELEMENTS => {
                let values = values();
                let (shares, rest) = numbers.split_at(values.len().min(numbers.len()));
                let elements = out.elements.get_or_insert_default();
                if let Datum::Bytes(b) = &r.0[s::STAVALUES1 + slot] {
                    elements.ty = ArrayRef::new(b).element_oid();
                }
                elements.common = values.into_iter().zip(shares.iter().copied()).collect();
                elements.least = rest.first().copied().unwrap_or(0.0);
                elements.most = rest.get(1).copied().unwrap_or(0.0);
                elements.with_null = rest.get(2).copied();
            }
            KIND_ELEMENT_COUNTS => out.elements.get_or_insert_with(ElementStats::default).counts = numbers,
            _ => {}
        }
    }
    out
}
