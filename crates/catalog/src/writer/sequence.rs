//! Sequences.

use super::{CatalogWriter, NewColumn, NewRelation};
use crate::builtin::columns::{pg_depend, pg_sequence};
use crate::cache::Touched;
use crate::defs::{Persistence, RelKind, SequenceDef};
use crate::object::{DependencyType, ObjectAddress};
use crate::row::{Row, oid_datum};
use quarry_common::{Error, Oid, Result};
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

/// A sequence to be made.
#[derive(Clone, Debug)]
pub struct NewSequence {
    pub name: String,
    pub schema: Oid,
    pub owner: Oid,
    pub persistence: Persistence,
    pub ty: SqlType,
    pub start: i64,
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cache: i64,
    pub cycle: bool,
}

impl CatalogWriter {
    /// Makes a sequence's relation and parameters. Its one row (last_value, log_cnt, is_called) is the caller's to write.
    pub fn create_sequence(&self, new: &NewSequence) -> Result<Arc<SequenceDef>> {
        let mut relation = NewRelation::new(&new.name, new.schema, RelKind::Sequence, new.owner);
        relation.persistence = new.persistence;
        for (name, ty) in
            [("last_value", SqlType::INT8), ("log_cnt", SqlType::INT8), ("is_called", SqlType::BOOL)]
        {
            let mut c = NewColumn::new(name, ty);
            c.not_null = true;
            relation.columns.push(c);
        }
        let made = self.create_relation(&relation)?;
        self.touch([Touched::Sequence(made.oid)]);
        let row = Row(vec![
            oid_datum(made.oid),
            oid_datum(new.ty.oid),
            Datum::I64(new.start),
            Datum::I64(new.increment),
            Datum::I64(new.max),
            Datum::I64(new.min),
            Datum::I64(new.cache),
            Datum::Bool(new.cycle),
        ]);
        self.insert(pg_sequence::TABLE, &row)?;
        self.advance();
        self.sequence(made.oid)?.ok_or_else(|| Error::internal("a sequence just made is not there"))
    }
    /// Replaces a sequence's parameters.
    pub fn alter_sequence(&self, def: &SequenceDef) -> Result<()> {
        self.touch([Touched::Sequence(def.oid)]);
        self.change_oid(pg_sequence::TABLE, 5002, def.oid, |r| {
            r.0[pg_sequence::SEQTYPID] = oid_datum(def.ty.oid);
            r.0[pg_sequence::SEQSTART] = Datum::I64(def.start);
            r.0[pg_sequence::SEQINCREMENT] = Datum::I64(def.increment);
            r.0[pg_sequence::SEQMAX] = Datum::I64(def.max);
            r.0[pg_sequence::SEQMIN] = Datum::I64(def.min);
            r.0[pg_sequence::SEQCACHE] = Datum::I64(def.cache);
            r.0[pg_sequence::SEQCYCLE] = Datum::Bool(def.cycle);
        })?;
        self.advance();
        Ok(())
    }
    /// Ties a sequence to a column (OWNED BY; `internal`: an identity column's), or to none.
    pub fn set_sequence_owner(
        &self,
        sequence: Oid,
        column: Option<(Oid, i16)>,
        internal: bool,
    ) -> Result<()> {
        let address = ObjectAddress::relation(sequence);
        self.remove_dependencies(address, Some(DependencyType::Auto))?;
        self.remove_dependencies(address, Some(DependencyType::Internal))?;
        if let Some((relation, number)) = column {
            let kind = if internal { DependencyType::Internal } else { DependencyType::Auto };
            self.add_dependency(address, ObjectAddress::column(relation, number), kind)?;
        }
        self.touch([Touched::Sequence(sequence)]);
        self.advance();
        Ok(())
    }
}

impl crate::reader::CatalogReader {
    /// The column that a sequence belongs to, and whether as its identity sequence.
    pub fn sequence_column(&self, sequence: Oid) -> Result<Option<(Oid, i16, bool)>> {
        let key = [oid_datum(ObjectAddress::relation(sequence).class), oid_datum(sequence), Datum::I32(0)];
        for (_, r) in self.find(&self.snapshot(), pg_depend::TABLE, 2673, &key)? {
            let kind = r.char(pg_depend::DEPTYPE);
            let sub = r.i32(pg_depend::REFOBJSUBID);
            if matches!(kind, 'a' | 'i') && sub > 0 && r.oid(pg_depend::REFCLASSID).0 == 1259 {
                return Ok(Some((r.oid(pg_depend::REFOBJID), sub as i16, kind == 'i')));
            }
        }
        Ok(None)
    }
    /// The sequences that belong to a column.
    pub fn owned_sequences(&self, relation: Oid, number: i16) -> Result<Vec<Oid>> {
        let key = [oid_datum(Oid(1259)), oid_datum(relation), Datum::I32(i32::from(number))];
        let mut out = Vec::new();
        for (_, r) in self.find(&self.snapshot(), pg_depend::TABLE, 2674, &key)? {
            let oid = r.oid(pg_depend::OBJID);
            if r.oid(pg_depend::CLASSID).0 == 1259
                && matches!(r.char(pg_depend::DEPTYPE), 'a' | 'i')
                && self.relation(oid)?.is_some_and(|s| s.kind == RelKind::Sequence)
            {
                out.push(oid);
            }
        }
        Ok(out)
    }
}
