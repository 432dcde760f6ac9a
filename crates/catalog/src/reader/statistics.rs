//! Statistics objects: by name, by relation, with what ANALYZE found (`pg_statistic_ext`, `pg_statistic_ext_data`).

use super::CatalogReader;
use super::stats::column_stats_of;
use crate::arrays;
use crate::builtin::columns::{pg_statistic, pg_statistic_ext as x, pg_statistic_ext_data as data};
use crate::cache::Touched;
use crate::defs::{ExtendedStats, StatisticsDef};
use crate::row::{Row, oid_datum};
use crate::stored::{expression_sql, split_expressions};
use quarry_common::{Oid, Result, err};
use quarry_types::Datum;
use quarry_types::multivariate::{decode_coefficients, decode_common};
use quarry_types::record::RecordRef;
use std::sync::Arc;

const INDEX_BY_RELATION: u32 = 3379;
pub(crate) const INDEX_BY_OID: u32 = 3380;
const INDEX_BY_NAME: u32 = 3997;
pub(crate) const DATA_INDEX: u32 = 3433;

fn def_of(r: &Row) -> StatisticsDef {
    StatisticsDef {
        oid: r.oid(x::OID),
        name: r.string(x::STXNAME),
        schema: r.oid(x::STXNAMESPACE),
        owner: r.oid(x::STXOWNER),
        relation: r.oid(x::STXRELID),
        target: r.i32(x::STXSTATTARGET),
        columns: r.int2s(x::STXKEYS),
        kinds: r.texts(x::STXKIND).iter().filter_map(|k| k.chars().next()).collect(),
        expressions: split_expressions(r.str(x::STXEXPRS))
            .iter()
            .map(|e| expression_sql(e).to_owned())
            .collect(),
    }
}

impl CatalogReader {
    /// The statistics object of this OID.
    pub fn statistics_object(&self, oid: Oid) -> Result<Option<StatisticsDef>> {
        let found = self.find_one(&self.snapshot(), x::TABLE, INDEX_BY_OID, &[oid_datum(oid)])?;
        Ok(found.map(|(_, r)| def_of(&r)))
    }
    /// Its row as stored.
    pub(crate) fn statistics_row(&self, oid: Oid) -> Result<Option<Row>> {
        let found = self.find_one(&self.snapshot(), x::TABLE, INDEX_BY_OID, &[oid_datum(oid)])?;
        Ok(found.map(|(_, r)| r))
    }
    /// The statistics object of this name in a schema.
    pub fn statistics_in_schema(&self, name: &str, schema: Oid) -> Result<Option<Oid>> {
        let key = [Datum::text(name), oid_datum(schema)];
        let found = self.find_one(&self.snapshot(), x::TABLE, INDEX_BY_NAME, &key)?;
        Ok(found.map(|(_, r)| r.oid(x::OID)))
    }
    /// The statistics object that a name, qualified or not, means.
    pub fn find_statistics<S: AsRef<str>>(&self, parts: &[S]) -> Result<Option<Oid>> {
        let Some((name, schema)) = parts.split_last() else { return Ok(None) };
        if let Some(schema) = schema.last() {
            return match self.schema_oid(schema.as_ref())? {
                Some(schema) => self.statistics_in_schema(name.as_ref(), schema),
                None => Ok(None),
            };
        }
        for schema in self.search_path()?.iter() {
            if let Some(oid) = self.statistics_in_schema(name.as_ref(), *schema)? {
                return Ok(Some(oid));
            }
        }
        Ok(None)
    }
    /// The same; 42704 if there is none.
    pub fn resolve_statistics<S: AsRef<str>>(&self, parts: &[S]) -> Result<StatisticsDef> {
        if let [schema, _] = parts
            && self.schema_oid(schema.as_ref())?.is_none()
        {
            return Err(err!(UNDEFINED_SCHEMA, "schema \"{}\" does not exist", schema.as_ref()));
        }
        let found = match self.find_statistics(parts)? {
            Some(oid) => self.statistics_object(oid)?,
            None => None,
        };
        found.ok_or_else(|| {
            let shown = parts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".");
            err!(UNDEFINED_OBJECT, "statistics object \"{shown}\" does not exist")
        })
    }
    /// Whether the name alone finds it; none: there is no such object.
    pub fn is_visible_statistics(&self, oid: Oid) -> Result<Option<bool>> {
        match self.statistics_object(oid)? {
            Some(def) => Ok(Some(self.find_statistics(&[def.name])? == Some(oid))),
            None => Ok(None),
        }
    }

    /// The statistics objects of a relation, in the order of their OIDs.
    pub fn extended_stats(&self, relation: Oid) -> Result<Arc<Vec<Arc<ExtendedStats>>>> {
        self.cached(
            &self.db,
            |c| &c.extended_stats,
            &relation,
            || Touched::Stats(relation),
            |snap| {
                let mut out = Vec::new();
                for (_, r) in self.find(snap, x::TABLE, INDEX_BY_RELATION, &[oid_datum(relation)])? {
                    let def = def_of(&r);
                    let key = [oid_datum(def.oid), Datum::Bool(false)];
                    let found = self.find_one(snap, data::TABLE, DATA_INDEX, &key)?;
                    let mut stats = ExtendedStats {
                        def,
                        distinct: vec![],
                        dependencies: vec![],
                        common: vec![],
                        expressions: vec![],
                    };
                    if let Some((_, d)) = found {
                        stats.distinct = decode_coefficients(&d.0[data::STXDNDISTINCT]);
                        stats.dependencies = decode_coefficients(&d.0[data::STXDDEPENDENCIES]);
                        stats.common =
                            decode_common(&d.0[data::STXDMCV]).map(|(_, items)| items).unwrap_or_default();
                        for e in arrays::elements(&d.0[data::STXDEXPR]) {
                            stats.expressions.push(expression_stats(&e));
                        }
                    }
                    out.push(Arc::new(stats));
                }
                out.sort_by_key(|s| s.def.oid);
                Ok(Arc::new(out))
            },
        )
    }
}

/// Statistics of an expression: a row of pg_statistic as a value.
fn expression_stats(value: &Datum) -> Option<Arc<crate::ColumnStats>> {
    if value.is_null() {
        return None;
    }
    let record = RecordRef::of(value);
    (record.len() > pg_statistic::STAVALUES5)
        .then(|| Arc::new(column_stats_of(&Row(record.iter().collect()))))
}
