//! Indexes.

use super::CatalogWriter;
use super::index_files::IndexFiles;
use super::relation::persistence_letter;
use crate::builtin::access_method::{access_method, index_method};
use crate::builtin::columns::{pg_attribute, pg_class, pg_index, pg_opclass};
use crate::builtin::{oids, opclass};
use crate::cache::Touched;
use crate::defs::{IndexDef, IndexKey};
use crate::object::{DependencyType, ObjectAddress, StoredExpr};
use crate::rows::{AttributeRow, ClassRow, IndexRow, options_datum};
use crate::stored::{join_expressions, with_type};
use quarry_common::{Error, Oid, Result, bail};
use quarry_types::{Datum, SqlType, oids as types};
use std::sync::Arc;

/// An index to be made.
#[derive(Clone, Debug)]
pub struct NewIndex {
    pub name: String,
    pub table: Oid,
    /// As `pg_am` calls it.
    pub method: &'static str,
    pub keys: Vec<IndexKey>,
    /// Parameters of the keys' operator classes, by key; missing ones: none.
    pub key_options: Vec<Vec<(String, String)>>,
    /// Names of the index's columns; missing ones: the table column's name, "expr" for expressions.
    pub key_names: Vec<String>,
    /// Pretty forms of key expressions, by key; missing ones: the same.
    pub key_pretty: Vec<Option<String>>,
    /// INCLUDE columns: indexes in the table's columns.
    pub include: Vec<usize>,
    pub unique: bool,
    pub nulls_not_distinct: bool,
    pub primary: bool,
    pub deferrable: bool,
    pub predicate: Option<StoredExpr>,
    /// What key expressions refer to.
    pub refs: Vec<ObjectAddress>,
    pub options: Vec<(String, String)>,
    /// It belongs to a constraint that the caller makes next: its dependencies go through the constraint.
    pub for_constraint: bool,
    pub valid: bool,
    pub ready: bool,
}

impl NewIndex {
    /// A plain B-tree without keys yet.
    pub fn new(name: impl Into<String>, table: Oid) -> NewIndex {
        NewIndex {
            name: name.into(),
            table,
            method: "btree",
            keys: Vec::new(),
            key_options: Vec::new(),
            key_names: Vec::new(),
            key_pretty: Vec::new(),
            include: Vec::new(),
            unique: false,
            nulls_not_distinct: false,
            primary: false,
            deferrable: false,
            predicate: None,
            refs: Vec::new(),
            options: Vec::new(),
            for_constraint: false,
            valid: true,
            ready: true,
        }
    }
}

impl CatalogWriter {
    /// Makes an index's rows and empty files, which the caller fills.
    pub fn create_index(&self, new: &NewIndex) -> Result<Arc<IndexDef>> {
        let Some(table) = self.relation(new.table)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {} does not exist", new.table)
        };
        if self.relation_in(table.schema, &new.name)?.is_some() {
            bail!(DUPLICATE_TABLE, "relation \"{}\" already exists", new.name);
        }
        let oid = self.new_oid()?;
        self.touch_relation(oid, table.schema, &new.name);
        self.touch([Touched::Relation(table.oid)]);
        let file = self.catalog().storage().new_relfilenode(self.db())?;
        let persistence = self.file_persistence(table.persistence);
        IndexFiles {
            method: new.method,
            keys: &new.keys,
            key_options: &new.key_options,
            options: &new.options,
        }
        .create(self.catalog().storage(), self.txn(), file, persistence)?;

        let count = new.keys.len() + new.include.len();
        let mut class = ClassRow::new(oid, &new.name, table.schema, 'i');
        class.owner = table.owner;
        class.am = access_method(new.method).unwrap_or(oids::BTREE_AM);
        class.filenode = Oid(file.rel);
        class.persistence = persistence_letter(table.persistence);
        class.natts = count as i16;
        class.options = &new.options;
        self.insert(pg_class::TABLE, &class.row())?;

        self.insert_index_columns(oid, new, &table)?;
        let numbers: Vec<i16> = new
            .keys
            .iter()
            .map(|k| k.column.map_or(0, |c| c as i16 + 1))
            .chain(new.include.iter().map(|c| *c as i16 + 1))
            .collect();
        let mut expressions: Vec<String> = Vec::new();
        for (i, k) in new.keys.iter().enumerate().filter(|(_, k)| k.column.is_none()) {
            let pretty = new.key_pretty.get(i).and_then(|p| p.as_deref());
            let field = self.stored_field(k.expr_sql.as_deref().unwrap_or(""), pretty);
            let as_its_column = self.column_type(new, k)?.oid == k.ty.oid;
            expressions.push(if as_its_column { field } else { with_type(&field, k.ty) });
        }
        let expressions = (!expressions.is_empty()).then(|| join_expressions(&expressions));
        let predicate = new.predicate.as_ref().map(|p| self.stored_expr(p));
        let options: Vec<i16> =
            new.keys.iter().map(|k| i16::from(k.descending) | i16::from(k.nulls_first) << 1).collect();
        self.insert(
            pg_index::TABLE,
            &IndexRow {
                index: oid,
                table: table.oid,
                columns: &numbers,
                key_count: new.keys.len() as i16,
                unique: new.unique,
                nulls_not_distinct: new.nulls_not_distinct,
                primary: new.primary,
                immediate: !new.deferrable,
                valid: new.valid,
                ready: new.ready,
                collations: &new.keys.iter().map(|k| k.collation).collect::<Vec<_>>(),
                opclasses: &new.keys.iter().map(|k| k.opclass).collect::<Vec<_>>(),
                options: &options,
                expressions: expressions.as_deref(),
                predicate: predicate.as_deref(),
            }
            .row(),
        )?;
        self.index_dependencies(oid, new, &numbers)?;
        if table.indexes.is_empty() {
            self.note_in_row(pg_class::TABLE, 2662, table.oid, |row| {
                row.0[pg_class::RELHASINDEX] = Datum::Bool(true)
            })?;
        }
        self.advance();
        match self.index(oid)? {
            Some((_, index)) => Ok(index),
            None => Err(Error::internal("an index just made is not there")),
        }
    }

    fn insert_index_columns(&self, oid: Oid, new: &NewIndex, table: &crate::defs::Relation) -> Result<()> {
        let mut used: Vec<String> = Vec::new();
        let keys = new.keys.iter().map(|k| (k.column, k.ty, k.collation));
        let included = new.include.iter().map(|c| (Some(*c), table.columns[*c].ty, Oid::INVALID));
        for (i, (column, mut ty, collation)) in keys.chain(included).enumerate() {
            if let Some(k) = new.keys.get(i) {
                ty = self.column_type(new, k)?;
            }
            let base = match (new.key_names.get(i), column) {
                (Some(name), _) => name.clone(),
                (None, Some(c)) => table.columns[c].name.clone(),
                (None, None) => "expr".to_owned(),
            };
            // A name used before gets a number.
            let mut name = base.clone();
            let mut n = 0;
            while used.contains(&name) {
                n += 1;
                name = super::make_object_name(&base, None, None) + &n.to_string();
            }
            let info = self.type_ref(ty.oid)?;
            let mut a = AttributeRow::new(oid, i as i16 + 1, &name, ty, &info);
            a.collation = if i < new.keys.len() { collation } else { info.collation };
            let mut row = a.row(&info);
            if let Some(options) = new.key_options.get(i) {
                row.0[pg_attribute::ATTOPTIONS] = options_datum(options);
            }
            self.insert(pg_attribute::TABLE, &row)?;
            used.push(name);
        }
        Ok(())
    }

    /// The type an index's column has: that of the key, unless its operator class or its method stores something else.
    fn column_type(&self, new: &NewIndex, key: &IndexKey) -> Result<SqlType> {
        let stored = opclass::opclass(key.opclass).map_or(Oid::INVALID, |c| c.key_type);
        let method = index_method(new.method).filter(|m| m.oid != oids::BTREE_AM);
        let oid = match method {
            None => return Ok(key.ty),
            Some(m) if !stored.is_valid() => m.key_type,
            Some(_) if stored == types::ANYELEMENT => self.type_ref(self.base_type(key.ty)?.oid)?.element,
            Some(_) => stored,
        };
        Ok(if !oid.is_valid() || oid == key.ty.oid { key.ty } else { SqlType::of(oid) })
    }

    fn index_dependencies(&self, oid: Oid, new: &NewIndex, numbers: &[i16]) -> Result<()> {
        let address = ObjectAddress::relation(oid);
        let mut refs: Vec<ObjectAddress> = new.refs.clone();
        if let Some(p) = &new.predicate {
            refs.extend(p.refs_of(new.table));
        }
        for r in &mut refs {
            if r.class.0 == pg_class::TABLE && !r.oid.is_valid() {
                r.oid = new.table;
            }
        }
        if !new.for_constraint {
            refs.extend(numbers.iter().filter(|n| **n > 0).map(|n| ObjectAddress::column(new.table, *n)));
            if !refs.iter().any(|r| r.oid == new.table) {
                refs.push(ObjectAddress::relation(new.table));
            }
        }
        refs.extend(
            new.keys.iter().filter(|k| k.collation.is_valid()).map(|k| ObjectAddress::collation(k.collation)),
        );
        // Other operator classes are always there.
        let of_extensions = new.keys.iter().filter(|k| opclass::is_extension_opclass(k.opclass));
        refs.extend(of_extensions.map(|k| ObjectAddress::new(pg_opclass::TABLE, k.opclass)));
        self.add_dependencies(address, refs.into_iter(), new.table, DependencyType::Auto)
    }

    /// Makes an existing unique index a primary key's (ALTER TABLE ... ADD PRIMARY KEY USING INDEX).
    pub fn set_index_primary(&self, index: Oid, primary: bool, deferrable: bool) -> Result<()> {
        if let Some(table) = self.index_table(index)? {
            self.touch([Touched::Relation(table), Touched::Relation(index)]);
        }
        self.change_oid(pg_index::TABLE, 2679, index, |row| {
            row.0[pg_index::INDISPRIMARY] = Datum::Bool(primary);
            row.0[pg_index::INDIMMEDIATE] = Datum::Bool(!deferrable);
        })?;
        self.advance();
        Ok(())
    }
    /// Marks the index that the table is clustered on, and no other.
    pub fn set_clustered(&self, table: Oid, index: Option<Oid>) -> Result<()> {
        let Some(r) = self.relation(table)? else { return Ok(()) };
        self.touch([Touched::Relation(table)]);
        for i in &r.indexes {
            let on = Some(i.oid) == index;
            self.change_oid(pg_index::TABLE, 2679, i.oid, |row| {
                row.0[pg_index::INDISCLUSTERED] = Datum::Bool(on)
            })?;
        }
        self.advance();
        Ok(())
    }
    /// The default operator class of a type for an index method; none if it has none.
    pub fn default_opclass(&self, method: Oid, ty: Oid) -> Result<Option<Oid>> {
        let base = self.base_type(SqlType::of(ty))?;
        let info = self.type_ref(base.oid)?;
        Ok(opclass::default_opclass(method, &info).map(|c| c.oid))
    }
}
