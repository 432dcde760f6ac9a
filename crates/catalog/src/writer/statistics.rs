//! Statistics objects: made, changed, filled by ANALYZE.

use super::CatalogWriter;
use crate::arrays;
use crate::builtin::catalog_table;
use crate::builtin::columns::{
    pg_depend, pg_statistic, pg_statistic_ext as x, pg_statistic_ext_data as data,
};
use crate::cache::Touched;
use crate::defs::{ColumnStats, StatisticsDef};
use crate::object::{DependencyType, ObjectAddress, StoredExpr};
use crate::reader::{STATISTICS_DATA_INDEX, STATISTICS_INDEX};
use crate::row::{Row, oid_datum};
use crate::stored::{join_expressions, split_expressions};
use quarry_common::{Oid, Result};
use quarry_types::array::ArrayBuilder;
use quarry_types::record::from_fields;
use quarry_types::{Datum, PhysicalType, SqlType};

/// The row type of pg_statistic.
const STATISTIC_ROW: Oid = Oid(10029);

/// Statistics of an expression: its type, collation and what ANALYZE found; none: nothing.
pub type ExpressionStats = (SqlType, Oid, Option<ColumnStats>);

/// What ANALYZE found for one statistics object: pg_ndistinct, pg_dependencies and pg_mcv_list values (or NULL), and statistics of its
/// expressions.
#[derive(Debug)]
pub struct StatisticsData {
    pub distinct: Datum,
    pub dependencies: Datum,
    pub common: Datum,
    pub expressions: Vec<ExpressionStats>,
}

impl CatalogWriter {
    /// Makes a statistics object. `expressions`: what `def.expressions` stands for.
    pub fn create_statistics(&self, def: &StatisticsDef, expressions: &[StoredExpr]) -> Result<Oid> {
        let oid = self.new_oid()?;
        self.touch([Touched::Stats(def.relation)]);
        let texts: Vec<String> = expressions.iter().map(|e| self.stored_expr(e)).collect();
        self.insert(
            x::TABLE,
            &Row(vec![
                oid_datum(oid),
                oid_datum(def.relation),
                Datum::text(&def.name),
                oid_datum(def.schema),
                oid_datum(def.owner),
                Datum::I32(def.target),
                arrays::int2_vector(&def.columns),
                arrays::char_array(&def.kinds),
                if texts.is_empty() { Datum::Null } else { Datum::text(&join_expressions(&texts)) },
            ]),
        )?;
        let address = ObjectAddress::new(x::TABLE, oid);
        let columns = def.columns.iter().map(|c| ObjectAddress::column(def.relation, *c));
        let mut refs: Vec<ObjectAddress> = columns.collect();
        expressions.iter().for_each(|e| refs.extend(e.refs_of(def.relation)));
        // Of an expression without columns only the table is left.
        if !refs.iter().any(|r| r.oid == def.relation) {
            refs.push(ObjectAddress::relation(def.relation));
        }
        self.add_dependencies(address, refs.into_iter(), def.relation, DependencyType::Auto)?;
        self.add_dependency(address, ObjectAddress::schema(def.schema), DependencyType::Normal)?;
        self.record_owner(address, def.owner)?;
        self.advance();
        Ok(oid)
    }

    fn change_statistics(&self, def: &StatisticsDef, f: impl FnMut(&mut Row)) -> Result<()> {
        self.touch([Touched::Stats(def.relation)]);
        self.change(x::TABLE, STATISTICS_INDEX, &[oid_datum(def.oid)], f)?;
        self.advance();
        Ok(())
    }
    /// ALTER STATISTICS ... RENAME TO.
    pub fn rename_statistics(&self, def: &StatisticsDef, name: &str) -> Result<()> {
        self.change_statistics(def, |r| r.0[x::STXNAME] = Datum::text(name))
    }
    /// ALTER STATISTICS ... SET STATISTICS.
    pub fn set_statistics_target(&self, def: &StatisticsDef, target: i32) -> Result<()> {
        self.change_statistics(def, |r| r.0[x::STXSTATTARGET] = Datum::I32(target))
    }
    /// ALTER STATISTICS ... SET SCHEMA.
    pub fn set_statistics_schema(&self, def: &StatisticsDef, schema: Oid) -> Result<()> {
        self.change_statistics(def, |r| r.0[x::STXNAMESPACE] = oid_datum(schema))?;
        let address = ObjectAddress::new(x::TABLE, def.oid);
        self.change_dependency(address, ObjectAddress::schema(def.schema), ObjectAddress::schema(schema))
    }
    /// ALTER STATISTICS ... OWNER TO.
    pub fn set_statistics_owner(&self, def: &StatisticsDef, owner: Oid) -> Result<()> {
        self.change_statistics(def, |r| r.0[x::STXOWNER] = oid_datum(owner))?;
        self.change_owner_dependency(ObjectAddress::new(x::TABLE, def.oid), owner)
    }
    /// Writes the expressions of a table's statistics objects anew.
    pub(crate) fn change_statistics_expressions(
        &self,
        relation: Oid,
        anew: &dyn Fn(&str) -> String,
    ) -> Result<()> {
        for (tid, row) in self.find(&self.snapshot(), x::TABLE, 3379, &[oid_datum(relation)])? {
            if row.0[x::STXEXPRS].is_null() {
                continue;
            }
            let mut new = row.clone();
            let texts: Vec<String> =
                split_expressions(row.str(x::STXEXPRS)).iter().map(|e| anew(e)).collect();
            new.0[x::STXEXPRS] = Datum::text(&join_expressions(&texts));
            if new != row {
                self.touch([Touched::Stats(relation)]);
                self.update(x::TABLE, tid, &row, &new)?;
            }
        }
        Ok(())
    }
    /// Deletes the row and its data.
    pub(crate) fn delete_statistics(&self, oid: Oid) -> Result<()> {
        if let Some(def) = self.statistics_object(oid)? {
            self.touch([Touched::Stats(def.relation)]);
        }
        self.delete_all(&self.snapshot(), data::TABLE, STATISTICS_DATA_INDEX, &[oid_datum(oid)])?;
        self.delete_all(&self.snapshot(), x::TABLE, STATISTICS_INDEX, &[oid_datum(oid)])?;
        Ok(())
    }

    /// Replaces what is known of a statistics object.
    pub fn set_statistics_data(&self, def: &StatisticsDef, found: &StatisticsData) -> Result<()> {
        self.touch([Touched::Stats(def.relation)]);
        let expressions = match found.expressions.is_empty() {
            true => Datum::Null,
            false => self.expression_rows(&found.expressions)?,
        };
        let new = Row(vec![
            oid_datum(def.oid),
            Datum::Bool(false),
            found.distinct.clone(),
            found.dependencies.clone(),
            found.common.clone(),
            expressions,
        ]);
        let key = [oid_datum(def.oid), Datum::Bool(false)];
        match self.find_one(&self.snapshot(), data::TABLE, STATISTICS_DATA_INDEX, &key)? {
            Some((tid, old)) => self.update(data::TABLE, tid, &old, &new)?,
            None => {
                self.insert(data::TABLE, &new)?;
            }
        }
        self.advance();
        Ok(())
    }
    /// Makes the objects on a column new, without data and target: its type has changed.
    pub(crate) fn renew_statistics(&self, relation: Oid, column: i16) -> Result<()> {
        for s in self.extended_stats(relation)?.iter() {
            let address = ObjectAddress::new(x::TABLE, s.def.oid);
            let on = self.depends_on(address, ObjectAddress::column(relation, column))?;
            if !on {
                continue;
            }
            self.set_statistics_target(&s.def, -1)?;
            let key = [oid_datum(s.def.oid)];
            self.delete_all(&self.snapshot(), data::TABLE, STATISTICS_DATA_INDEX, &key)?;
        }
        Ok(())
    }
    fn depends_on(&self, object: ObjectAddress, on: ObjectAddress) -> Result<bool> {
        let key = [oid_datum(object.class), oid_datum(object.oid)];
        let rows = self.find(&self.snapshot(), pg_depend::TABLE, 2673, &key)?;
        Ok(rows.iter().any(|(_, r)| {
            r.oid(pg_depend::REFCLASSID) == on.class
                && r.oid(pg_depend::REFOBJID) == on.oid
                && r.i32(pg_depend::REFOBJSUBID) == on.sub
        }))
    }

    /// An array of rows of pg_statistic.
    fn expression_rows(&self, expressions: &[ExpressionStats]) -> Result<Datum> {
        let types: Vec<Oid> = catalog_table(pg_statistic::TABLE)
            .map(|t| t.columns.iter().map(|c| c.ty).collect())
            .unwrap_or_default();
        let mut rows = ArrayBuilder::new(STATISTIC_ROW, PhysicalType::Bytes);
        for (ty, collation, stats) in expressions {
            match stats {
                Some(stats) => {
                    let row = self.statistic_row(Oid::INVALID, 0, *ty, *collation, stats)?;
                    rows.push(&from_fields(STATISTIC_ROW, types.iter().copied().zip(&row.0)));
                }
                None => rows.push_null(),
            }
        }
        rows.finish_1d()
    }
}
