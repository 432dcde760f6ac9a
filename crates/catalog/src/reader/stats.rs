//! Statistics of columns, from `pg_statistic`.

use super::CatalogReader;
use crate::arrays;
use crate::builtin::columns::pg_statistic as s;
use crate::cache::{RelationStats, Touched};
use crate::defs::ColumnStats;
use crate::row::{Row, oid_datum};
use quarry_common::{Oid, Result};
use std::sync::Arc;

/// Kinds of slots in `pg_statistic`.
pub(crate) const KIND_MCV: i16 = 1;
pub(crate) const KIND_HISTOGRAM: i16 = 2;
pub(crate) const KIND_CORRELATION: i16 = 3;

impl CatalogReader {
    /// Statistics of the column at this index of the relation's columns; none if it was never analyzed.
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
            KIND_CORRELATION => out.correlation = numbers.first().copied().unwrap_or(0.0),
            _ => {}
        }
    }
    out
}
