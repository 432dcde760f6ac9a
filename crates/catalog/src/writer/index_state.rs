//! Indexes that come and go beside writers: their state, copies of them, and one taking another's place (PostgreSQL: catalog/index.c).

use super::{CatalogWriter, NewIndex};
use crate::builtin::columns::{pg_class, pg_constraint, pg_depend, pg_description, pg_index, pg_statistic};
use crate::cache::Touched;
use crate::defs::{ConstraintKind, IndexDef};
use crate::object::ObjectAddress;
use crate::row::{Row, oid_datum};
use quarry_common::{Error, Oid, Result};
use quarry_types::Datum;
use std::sync::Arc;

/// What queries and writers do with an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IndexState {
    /// Writers keep their HOT updates off its columns; nothing is put in.
    Building,
    /// Writers put their rows in; queries don't use it.
    Ready,
    /// Queries use it.
    Valid,
    /// Writers go on, queries don't use it any more.
    Leaving,
    /// Nobody looks at it.
    Dead,
}

impl CatalogWriter {
    /// Puts an index into a state.
    pub fn set_index_state(&self, index: Oid, state: IndexState) -> Result<()> {
        if let Some(table) = self.index_table(index)? {
            self.touch([Touched::Relation(table), Touched::Relation(index)]);
            if state == IndexState::Dead {
                let storage = self.relation(index)?.and_then(|r| r.storage);
                self.forget_index_reads(table, storage)?;
            }
        }
        self.change_oid(pg_index::TABLE, 2679, index, |row| {
            use IndexState::*;
            row.0[pg_index::INDISVALID] = Datum::Bool(state == Valid);
            row.0[pg_index::INDISREADY] = Datum::Bool(matches!(state, Ready | Valid | Leaving));
            row.0[pg_index::INDISLIVE] = Datum::Bool(state != Dead);
            if matches!(state, Leaving | Dead) {
                row.0[pg_index::INDISCLUSTERED] = Datum::Bool(false);
                row.0[pg_index::INDISREPLIDENT] = Datum::Bool(false);
            }
        })?;
        self.advance();
        Ok(())
    }

    /// Notes what an index was built of. `not_for_older`: transactions with older snapshots than this one's end must not use it. One that was valid
    /// before and is built `again` is for those that it was for: all changes since have kept its keys apart.
    pub fn note_index_built(
        &self,
        index: Oid,
        rows: u64,
        entries: u64,
        not_for_older: bool,
        again: bool,
    ) -> Result<()> {
        let storage = self.catalog().storage();
        let pages = |rel| storage.relation_blocks(rel, quarry_storage::Fork::Main);
        let Some((table, def)) = self.index(index)? else { return Ok(()) };
        if def.not_for_older.is_some() != not_for_older && !(again && not_for_older) {
            self.touch([Touched::Relation(table.oid)]);
            self.change_oid(pg_index::TABLE, 2679, index, |row| {
                row.0[pg_index::INDCHECKXMIN] = Datum::Bool(not_for_older);
            })?;
            self.advance();
        }
        self.update_relation_stats(index, pages(def.storage)?, entries as f32, 0)?;
        if let Some(rel) = table.storage {
            let (now, rows) = (pages(rel)?, rows as f32);
            // Others may be making indexes on the same table: where nothing is new they aren't waited for.
            if table.pages != now || table.tuples != rows {
                self.touch([Touched::Relation(table.oid)]);
                self.note_in_row(pg_class::TABLE, 2662, table.oid, |row| {
                    row.0[pg_class::RELPAGES] = Datum::I32(now.min(i32::MAX as u32) as i32);
                    row.0[pg_class::RELTUPLES] = Datum::F32(rows);
                })?;
                self.advance();
            }
        }
        Ok(())
    }

    /// Makes an empty index like another, to be built beside it. It is no constraint's.
    pub fn copy_index(&self, index: Oid, name: &str) -> Result<Arc<IndexDef>> {
        let gone = || Error::internal("an index to be copied is not there");
        let (table, old) = self.index(index)?.ok_or_else(gone)?;
        let columns = self.relation(index)?.ok_or_else(gone)?;
        let mut new = NewIndex::new(name, table.oid);
        new.method = old.method;
        new.keys = old.keys.clone();
        new.key_options = old.key_options.clone();
        new.options = old.options.clone();
        new.key_names = columns.columns.iter().map(|c| c.name.clone()).collect();
        new.include = old.include.clone();
        new.unique = old.unique;
        new.nulls_not_distinct = old.nulls_not_distinct;
        new.deferrable = old.deferrable;
        new.valid = false;
        new.ready = false;
        new.refs =
            self.rows_of(pg_depend::TABLE, 2673, index)?.iter().filter_map(|(_, r)| reference(r)).collect();
        let made = self.create_index(&new)?;
        // What is stored as text goes over as it is.
        let stored = self.index_row(index)?;
        self.change_oid(pg_index::TABLE, 2679, made.oid, |row| {
            for column in [pg_index::INDEXPRS, pg_index::INDPRED] {
                row.0[column] = stored.0[column].clone();
            }
        })?;
        self.touch([Touched::Relation(table.oid), Touched::Relation(made.oid)]);
        self.advance();
        Ok(self.index(made.oid)?.ok_or_else(gone)?.1)
    }

    /// A complete copy takes an index's place: its name, its constraints, what depends on it. The other is left as `Leaving`, under a
    /// name of its own.
    pub fn swap_indexes(&self, new: Oid, old: Oid, old_name: &str) -> Result<()> {
        let gone = || Error::internal("an index to be replaced is not there");
        let (table, index) = self.index(old)?.ok_or_else(gone)?;
        let (_, copy) = self.index(new)?.ok_or_else(gone)?;
        for name in [&index.name, &copy.name, old_name] {
            self.touch_relation(old, table.schema, name);
        }
        self.touch([Touched::Relation(new), Touched::Relation(table.oid)]);
        self.touch([Touched::Stats(new), Touched::Stats(old)]);
        self.rename_index(old, old_name)?;
        self.rename_index(new, &index.name)?;
        self.swap_index_flags(new, old)?;
        self.move_constraints(&table, old, new)?;
        for (catalog, by) in [(pg_depend::TABLE, 2673), (pg_depend::TABLE, 2674)] {
            let mut rows = vec![];
            for oid in [old, new] {
                rows.extend(self.rows_of(catalog, by, oid)?);
            }
            let column = if by == 2673 { pg_depend::OBJID } else { pg_depend::REFOBJID };
            for (tid, row) in rows {
                let to = if row.oid(column) == old { new } else { old };
                let mut changed = row.clone();
                changed.0[column] = oid_datum(to);
                self.update(catalog, tid, &row, &changed)?;
            }
            self.advance();
        }
        let key = [oid_datum(old), oid_datum(Oid(pg_class::TABLE))];
        for (tid, row) in self.find(&self.snapshot(), pg_description::TABLE, 2675, &key)? {
            let mut changed = row.clone();
            changed.0[pg_description::OBJOID] = oid_datum(new);
            self.update(pg_description::TABLE, tid, &row, &changed)?;
        }
        // Statistics of expressions.
        for (_, mut row) in self.find(&self.snapshot(), pg_statistic::TABLE, 2696, &[oid_datum(old)])? {
            row.0[pg_statistic::STARELID] = oid_datum(new);
            self.insert(pg_statistic::TABLE, &row)?;
        }
        self.advance();
        Ok(())
    }

    fn rename_index(&self, index: Oid, name: &str) -> Result<()> {
        self.change_oid(pg_class::TABLE, 2662, index, |r| r.0[pg_class::RELNAME] = Datum::text(name))?;
        self.advance();
        Ok(())
    }

    fn swap_index_flags(&self, new: Oid, old: Oid) -> Result<()> {
        let before = self.index_row(old)?;
        self.change_oid(pg_index::TABLE, 2679, old, |row| {
            for flag in [
                pg_index::INDISPRIMARY,
                pg_index::INDISCLUSTERED,
                pg_index::INDISREPLIDENT,
                pg_index::INDISVALID,
            ] {
                row.0[flag] = Datum::Bool(false);
            }
        })?;
        self.change_oid(pg_index::TABLE, 2679, new, |row| {
            for flag in [
                pg_index::INDISPRIMARY,
                pg_index::INDIMMEDIATE,
                pg_index::INDISCLUSTERED,
                pg_index::INDISREPLIDENT,
            ] {
                row.0[flag] = before.0[flag].clone();
            }
            row.0[pg_index::INDISVALID] = Datum::Bool(true);
        })
    }

    /// Constraints that the index carries, and foreign keys that refer to it.
    fn move_constraints(&self, table: &crate::defs::Relation, old: Oid, new: Oid) -> Result<()> {
        for c in table.constraints.iter().chain(&table.referenced_by) {
            let by = match c.kind {
                ConstraintKind::PrimaryKey { index } | ConstraintKind::Unique { index } => index,
                ConstraintKind::ForeignKey { ref_index, .. } => ref_index,
                ConstraintKind::Check { .. } => continue,
            };
            let row = self.find_one(&self.snapshot(), pg_constraint::TABLE, 2667, &[oid_datum(c.oid)])?;
            // A foreign key to the table itself stands in both lists.
            if by != old || row.is_none_or(|(_, r)| r.oid(pg_constraint::CONINDID) != old) {
                continue;
            }
            self.touch([Touched::Relation(c.table)]);
            self.change_oid(pg_constraint::TABLE, 2667, c.oid, |r| {
                r.0[pg_constraint::CONINDID] = oid_datum(new);
            })?;
            self.advance();
        }
        Ok(())
    }

    fn index_row(&self, index: Oid) -> Result<Row> {
        let row = self.find_one(&self.snapshot(), pg_index::TABLE, 2679, &[oid_datum(index)])?;
        row.map(|(_, r)| r).ok_or_else(|| Error::internal(format!("cache lookup failed for index {index}")))
    }
    /// Rows of `pg_depend` with a relation on one side.
    fn rows_of(&self, catalog: u32, by: u32, relation: Oid) -> Result<Vec<(quarry_common::Tid, Row)>> {
        self.find(&self.snapshot(), catalog, by, &[oid_datum(Oid(pg_class::TABLE)), oid_datum(relation)])
    }
}

/// What a row of `pg_depend` refers to, unless its object is a part of that.
fn reference(r: &Row) -> Option<ObjectAddress> {
    let address = ObjectAddress {
        class: r.oid(pg_depend::REFCLASSID),
        oid: r.oid(pg_depend::REFOBJID),
        sub: r.i32(pg_depend::REFOBJSUBID),
    };
    (r.char(pg_depend::DEPTYPE) != 'i').then_some(address)
}
