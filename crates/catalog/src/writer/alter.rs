//! Changes that several kinds of objects have in common: name, schema, owner, options.

use super::CatalogWriter;
use crate::builtin::columns::{
    pg_attribute, pg_class, pg_constraint, pg_database, pg_index, pg_namespace, pg_statistic_ext,
    pg_ts_config, pg_ts_dict, pg_type,
};
use crate::builtin::oids::PG_CATALOG;
use crate::cache::Touched;
use crate::defs::{Persistence, RelKind, TypeDef, TypeKind};
use crate::object::ObjectAddress;
use crate::row::{Row, char_datum, oid_datum};
use quarry_common::{Error, Oid, Result, bail};
use quarry_types::Datum;

impl CatalogWriter {
    /// Renames a table, view, sequence or index; its row type and the constraint over it follow.
    pub fn rename_relation(&self, relation: Oid, name: &str) -> Result<()> {
        let Some(r) = self.relation(relation)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {relation} does not exist")
        };
        if r.schema == PG_CATALOG && relation.0 < Oid::FIRST_NORMAL.0 {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", r.name);
        }
        self.check_name_free(r.schema, name, r.kind)?;
        self.touch_relation(relation, r.schema, &r.name);
        self.touch_relation(relation, r.schema, name);
        self.change_oid(pg_class::TABLE, 2662, relation, |row| row.0[pg_class::RELNAME] = Datum::text(name))?;
        if r.row_type.is_valid() {
            self.rename_type_rows(r.row_type, name)?;
        }
        if r.kind == RelKind::Index
            && let Some((table, index)) = self.index(relation)?
        {
            self.touch([Touched::Relation(table.oid)]);
            if let Some(c) = table.constraints.iter().find(|c| Some(c.oid) == index.constraint) {
                self.rename_constraint_row(c, name)?;
            }
        }
        self.advance();
        Ok(())
    }

    /// Moves a relation to another schema, with its indexes, constraints, row type and owned sequences.
    pub fn set_relation_schema(&self, relation: Oid, schema: Oid) -> Result<()> {
        let Some(r) = self.relation(relation)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {relation} does not exist")
        };
        if r.schema == schema {
            return Ok(());
        }
        if self.relation_in(schema, &r.name)?.is_some() {
            bail!(
                DUPLICATE_TABLE,
                "relation \"{}\" already exists in schema \"{}\"",
                r.name,
                self.schema_name(schema)?
            );
        }
        self.move_relation_row(relation, r.schema, schema, &r.name)?;
        if r.row_type.is_valid() {
            self.move_type_rows(r.row_type, schema, r.kind == RelKind::CompositeType)?;
        }
        if r.kind != RelKind::CompositeType {
            self.change_dependency(
                ObjectAddress::relation(relation),
                ObjectAddress::schema(r.schema),
                ObjectAddress::schema(schema),
            )?;
        }
        for i in &r.indexes {
            self.move_relation_row(i.oid, r.schema, schema, &i.name)?;
        }
        for c in &r.constraints {
            self.change_oid(pg_constraint::TABLE, 2667, c.oid, |row| {
                row.0[pg_constraint::CONNAMESPACE] = oid_datum(schema)
            })?;
        }
        self.advance();
        for c in r.columns.iter().filter(|c| !c.dropped) {
            for sequence in self.owned_sequences(relation, c.number)? {
                self.set_relation_schema(sequence, schema)?;
            }
        }
        Ok(())
    }
    fn move_relation_row(&self, relation: Oid, from: Oid, to: Oid, name: &str) -> Result<()> {
        self.touch_relation(relation, from, name);
        self.touch_relation(relation, to, name);
        self.change_oid(pg_class::TABLE, 2662, relation, |row| row.0[pg_class::RELNAMESPACE] = oid_datum(to))
    }
    /// Moves an enum, domain or composite type to another schema.
    pub fn set_type_schema(&self, ty: Oid, schema: Oid) -> Result<()> {
        let Some(def) = self.type_def(ty)? else {
            bail!(UNDEFINED_OBJECT, "type with OID {ty} does not exist")
        };
        if def.schema == schema {
            return Ok(());
        }
        if let TypeKind::Composite { relation } = def.kind {
            return self.set_relation_schema(relation, schema);
        }
        if self.type_in(schema, &def.name)?.is_some() {
            bail!(
                DUPLICATE_OBJECT,
                "type \"{}\" already exists in schema \"{}\"",
                def.name,
                self.schema_name(schema)?
            );
        }
        self.move_type_rows(ty, schema, true)?;
        let checks = self.find(&self.snapshot(), pg_constraint::TABLE, 2666, &[oid_datum(ty)])?;
        for (_, c) in checks {
            let oid = c.oid(pg_constraint::OID);
            self.change_oid(pg_constraint::TABLE, 2667, oid, |row| {
                row.0[pg_constraint::CONNAMESPACE] = oid_datum(schema)
            })?;
        }
        self.advance();
        Ok(())
    }

    /// Gives an object another owner. A table's indexes, row type and owned sequences follow. Privileges that the old owner had or had
    /// granted become the new one's.
    pub fn set_owner(&self, object: ObjectAddress, owner: Oid) -> Result<()> {
        match object.class.0 {
            pg_class::TABLE => self.set_relation_owner(object.oid, owner)?,
            pg_type::TABLE => self.set_type_owner(object.oid, owner)?,
            pg_statistic_ext::TABLE => {
                if let Some(def) = self.statistics_object(object.oid)? {
                    self.set_statistics_owner(&def, owner)?;
                }
            }
            pg_ts_dict::TABLE | pg_ts_config::TABLE => {
                let index = if object.class.0 == pg_ts_dict::TABLE { 3605 } else { 3712 };
                self.set_owner_column(object, index, pg_ts_config::CFGOWNER, None, owner)?;
            }
            pg_namespace::TABLE => {
                self.touch([Touched::Schema(object.oid)]);
                self.set_owner_column(
                    object,
                    2685,
                    pg_namespace::NSPOWNER,
                    Some(pg_namespace::NSPACL),
                    owner,
                )?;
            }
            pg_database::TABLE => {
                self.touch([Touched::Database(object.oid)]);
                self.set_owner_column(object, 2672, pg_database::DATDBA, Some(pg_database::DATACL), owner)?;
            }
            _ => return Err(Error::unsupported("ALTER OWNER of this kind of object")),
        }
        self.advance();
        Ok(())
    }
    fn set_owner_column(
        &self,
        object: ObjectAddress,
        index: u32,
        column: usize,
        acl: Option<usize>,
        owner: Oid,
    ) -> Result<()> {
        let mut changed = None;
        self.change_oid(object.class.0, index, object.oid, |row| {
            let old = row.oid(column);
            row.0[column] = oid_datum(owner);
            changed = acl.and_then(|at| hand_over(row, at, old, owner));
        })?;
        if let Some(items) = changed {
            self.record_acl_roles(object, owner, &items)?;
        }
        self.change_owner_dependency(object, owner)
    }
    /// The privileges on a relation's columns follow its owner.
    fn hand_over_columns(&self, relation: Oid, old: Oid, owner: Oid) -> Result<()> {
        for (_, row) in self.find(&self.snapshot(), pg_attribute::TABLE, 2659, &[oid_datum(relation)])? {
            let Datum::I16(number) = row.0[pg_attribute::ATTNUM] else { continue };
            if row.acl(pg_attribute::ATTACL).is_none() {
                continue;
            }
            let mut changed = None;
            let key = [oid_datum(relation), Datum::I16(number)];
            self.change(pg_attribute::TABLE, 2659, &key, |row| {
                changed = hand_over(row, pg_attribute::ATTACL, old, owner);
            })?;
            if let Some(items) = changed {
                let column = ObjectAddress { sub: i32::from(number), ..ObjectAddress::relation(relation) };
                self.record_acl_roles(column, owner, &items)?;
            }
        }
        Ok(())
    }
    fn set_relation_owner(&self, relation: Oid, owner: Oid) -> Result<()> {
        let Some(r) = self.relation(relation)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {relation} does not exist")
        };
        self.touch([Touched::Relation(relation)]);
        self.hand_over_columns(relation, r.owner, owner)?;
        self.set_owner_column(
            ObjectAddress::relation(relation),
            2662,
            pg_class::RELOWNER,
            Some(pg_class::RELACL),
            owner,
        )?;
        if r.row_type.is_valid() {
            self.set_type_owner(r.row_type, owner)?;
        }
        for i in &r.indexes {
            self.touch([Touched::Relation(i.oid)]);
            self.change_oid(pg_class::TABLE, 2662, i.oid, |row| {
                row.0[pg_class::RELOWNER] = oid_datum(owner)
            })?;
        }
        self.advance();
        for c in r.columns.iter().filter(|c| !c.dropped) {
            for sequence in self.owned_sequences(relation, c.number)? {
                self.set_relation_owner(sequence, owner)?;
            }
        }
        Ok(())
    }
    fn set_type_owner(&self, ty: Oid, owner: Oid) -> Result<()> {
        let Some(def) = self.type_def(ty)? else { return Ok(()) };
        let composite = match def.kind {
            TypeKind::Composite { relation } => {
                self.relation(relation)?.is_some_and(|r| r.kind == RelKind::CompositeType)
            }
            _ => true,
        };
        self.set_type_row_owner(&def, owner)?;
        if composite {
            self.change_owner_dependency(ObjectAddress::ty(ty), owner)?;
            if let TypeKind::Composite { relation } = def.kind {
                self.touch([Touched::Relation(relation)]);
                self.change_oid(pg_class::TABLE, 2662, relation, |row| {
                    row.0[pg_class::RELOWNER] = oid_datum(owner)
                })?;
            }
        }
        if let Some(array) = self.type_def(def.array)? {
            self.set_type_row_owner(&array, owner)?;
        }
        Ok(())
    }
    fn set_type_row_owner(&self, def: &TypeDef, owner: Oid) -> Result<()> {
        self.touch_type(def.oid, def.schema, &def.name);
        let mut changed = None;
        self.change_oid(pg_type::TABLE, 2703, def.oid, |row| {
            let old = row.oid(pg_type::TYPOWNER);
            row.0[pg_type::TYPOWNER] = oid_datum(owner);
            changed = hand_over(row, pg_type::TYPACL, old, owner);
        })?;
        match changed {
            Some(items) => self.record_acl_roles(ObjectAddress::ty(def.oid), owner, &items),
            None => Ok(()),
        }
    }

    /// Replaces a relation's `reloptions`.
    pub fn set_options(&self, relation: Oid, options: &[(String, String)]) -> Result<()> {
        self.touch_with_table(relation)?;
        self.change_oid(pg_class::TABLE, 2662, relation, |r| {
            r.0[pg_class::RELOPTIONS] = crate::rows::options_datum(options)
        })?;
        self.advance();
        Ok(())
    }
    /// Changes the `reloptions` of a table's toast table; nothing if it has none.
    pub fn set_toast_options(
        &self,
        relation: Oid,
        change: impl Fn(&[(String, String)]) -> Vec<(String, String)>,
    ) -> Result<()> {
        let mut toast = Oid::INVALID;
        self.change_oid(pg_class::TABLE, 2662, relation, |r| toast = r.oid(pg_class::RELTOASTRELID))?;
        match self.relation(toast)? {
            Some(r) => self.set_options(toast, &change(&r.options)),
            None => Ok(()),
        }
    }
    /// SET LOGGED and UNLOGGED, for a relation and its toast table. Their files are to be made anew by the caller.
    pub fn set_persistence(&self, relation: Oid, persistence: Persistence) -> Result<()> {
        self.touch_with_table(relation)?;
        let letter = super::relation::persistence_letter(persistence);
        let mut toast = Oid::INVALID;
        self.change_oid(pg_class::TABLE, 2662, relation, |r| {
            toast = r.oid(pg_class::RELTOASTRELID);
            r.0[pg_class::RELPERSISTENCE] = char_datum(letter)
        })?;
        if toast.is_valid() {
            self.touch([Touched::Relation(toast)]);
            self.change_oid(pg_class::TABLE, 2662, toast, |r| {
                r.0[pg_class::RELPERSISTENCE] = char_datum(letter)
            })?;
        }
        self.advance();
        Ok(())
    }
    /// ENABLE / DISABLE / FORCE ROW LEVEL SECURITY.
    pub fn set_row_security(&self, relation: Oid, enabled: Option<bool>, forced: Option<bool>) -> Result<()> {
        self.touch([Touched::Relation(relation)]);
        self.change_oid(pg_class::TABLE, 2662, relation, |r| {
            if let Some(on) = enabled {
                r.0[pg_class::RELROWSECURITY] = Datum::Bool(on);
            }
            if let Some(on) = forced {
                r.0[pg_class::RELFORCEROWSECURITY] = Datum::Bool(on);
            }
        })?;
        self.advance();
        Ok(())
    }
    /// REPLICA IDENTITY: n, d, f or, with an index, i.
    pub fn set_replica_identity(&self, relation: Oid, identity: char, index: Option<Oid>) -> Result<()> {
        self.touch([Touched::Relation(relation)]);
        let Some(r) = self.relation(relation)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {relation} does not exist")
        };
        for i in &r.indexes {
            let wanted = Some(i.oid) == index;
            self.change_oid(pg_index::TABLE, 2679, i.oid, |row| {
                row.0[pg_index::INDISREPLIDENT] = Datum::Bool(wanted)
            })?;
        }
        self.change_oid(pg_class::TABLE, 2662, relation, |r| {
            r.0[pg_class::RELREPLIDENT] = char_datum(identity)
        })?;
        self.advance();
        Ok(())
    }
    /// Touches a relation and, if it is an index, its table.
    fn touch_with_table(&self, relation: Oid) -> Result<()> {
        self.touch([Touched::Relation(relation)]);
        if let Some(table) = self.index_table(relation)? {
            self.touch([Touched::Relation(table)]);
        }
        Ok(())
    }
}

/// Gives the new owner what a list says of the old one; the list if there is one (PostgreSQL: aclnewowner).
fn hand_over(row: &mut Row, at: usize, old: Oid, owner: Oid) -> Option<Vec<crate::acl::AclItem>> {
    let mut items = row.acl(at)?;
    for i in &mut items {
        for role in [&mut i.grantee, &mut i.grantor] {
            if *role == old {
                *role = owner;
            }
        }
    }
    let items = merge(items);
    row.0[at] = crate::arrays::acl_array(&items);
    Some(items)
}

/// Joins entries of the same grantee and grantor.
fn merge(items: Vec<crate::acl::AclItem>) -> Vec<crate::acl::AclItem> {
    let mut out: Vec<crate::acl::AclItem> = Vec::with_capacity(items.len());
    for i in items {
        match out.iter_mut().find(|o| o.grantee == i.grantee && o.grantor == i.grantor) {
            Some(o) => {
                o.privileges |= i.privileges;
                o.grant_options |= i.grant_options;
            }
            None => out.push(i),
        }
    }
    out
}
