//! Making relations: tables, views, materialized views, sequences, composite types, toast tables.

use super::index_files::IndexFiles;
use super::{CatalogWriter, NewColumn};
use crate::acl::AclObject;
use crate::builtin::columns::{pg_class, pg_rewrite, pg_type};
use crate::builtin::oids::{PG_CATALOG, PG_TOAST};
use crate::cache::{NameKey, Touched};
use crate::defs::{IndexDef, Persistence, RelKind, Relation};
use crate::object::{DependencyType, ObjectAddress, StoredExpr};
use crate::row::{Row, char_datum, oid_datum};
use crate::rows::{ClassRow, TypeRow, system_attributes};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_storage::RelId;
use quarry_storage::heap::Heap;
use quarry_types::registry::{TypeInfo, user_array, user_composite};
use quarry_types::{Datum, TypeRef};
use std::sync::Arc;

/// A relation to be made.
#[derive(Clone, Debug)]
pub struct NewRelation {
    pub name: String,
    pub schema: Oid,
    pub kind: RelKind,
    pub persistence: Persistence,
    pub owner: Oid,
    pub columns: Vec<NewColumn>,
    pub options: Vec<(String, String)>,
    /// The query of a view or materialized view.
    pub view: Option<StoredExpr>,
    /// False: a materialized view WITH NO DATA.
    pub populated: bool,
}

impl NewRelation {
    /// A permanent one without columns.
    pub fn new(name: impl Into<String>, schema: Oid, kind: RelKind, owner: Oid) -> NewRelation {
        NewRelation {
            name: name.into(),
            schema,
            kind,
            persistence: Persistence::Permanent,
            owner,
            columns: Vec::new(),
            options: Vec::new(),
            view: None,
            populated: true,
        }
    }
}

pub(crate) fn kind_letter(k: RelKind) -> char {
    match k {
        RelKind::Table => 'r',
        RelKind::Index => 'i',
        RelKind::Sequence => 'S',
        RelKind::View => 'v',
        RelKind::MaterializedView => 'm',
        RelKind::CompositeType => 'c',
        RelKind::Toast => 't',
    }
}
pub(crate) fn persistence_letter(p: Persistence) -> char {
    match p {
        Persistence::Permanent => 'p',
        Persistence::Unlogged => 'u',
        Persistence::Temporary => 't',
    }
}

/// Rows longer than this are shortened by compression and out-of-line storage.
const TOAST_THRESHOLD: usize = 2032;

/// Whether rows with columns of these types (and modifiers) can outgrow a page's share, so that the table needs a toast table.
pub(crate) fn needs_toast(types: &[(TypeRef, i32)]) -> bool {
    let mut longest = 24;
    for (t, typmod) in types {
        if t.typlen > 0 {
            longest += t.typlen as usize;
            continue;
        }
        if t.typlen == -2 {
            continue;
        }
        let bound = match t.base.map_or(t.oid, |b| b.oid).0 {
            // bpchar, varchar: four bytes per character at most.
            1042 | 1043 if *typmod > 4 => Some((*typmod as usize - 4) * 4 + 4),
            // numeric(p, s).
            1700 if *typmod > 4 => Some((((*typmod - 4) >> 16) as usize & 0xffff) / 2 + 16),
            // bit(n).
            1560 | 1562 if *typmod > 0 => Some(*typmod as usize / 8 + 8),
            _ => None,
        };
        match bound {
            Some(n) => longest += n,
            None => return true,
        }
    }
    longest > TOAST_THRESHOLD
}

impl CatalogWriter {
    /// Makes a relation with its storage, toast table, row type and dependencies. 42P07 if the name is taken.
    pub fn create_relation(&self, new: &NewRelation) -> Result<Arc<Relation>> {
        self.check_columns_new(&new.columns, new.kind)?;
        self.check_name_free(new.schema, &new.name, new.kind)?;
        if matches!(new.schema, PG_CATALOG | PG_TOAST) {
            let schema = self.schema_name(new.schema)?;
            return Err(err!(
                INSUFFICIENT_PRIVILEGE,
                "permission denied to create \"{schema}.{}\"",
                new.name
            )
            .detail("System catalog modifications are currently disallowed."));
        }
        let oid = self.new_oid()?;
        self.touch_relation(oid, new.schema, &new.name);
        let mut toast = Oid::INVALID;
        let has_storage = matches!(new.kind, RelKind::Table | RelKind::MaterializedView | RelKind::Sequence);
        let mut filenode = Oid::INVALID;
        if has_storage {
            // Not the OID: file numbers are never used again, OIDs may be.
            let file = self.catalog().storage().new_relfilenode(self.db())?;
            self.create_heap(file, new.persistence)?;
            filenode = Oid(file.rel);
        }
        if matches!(new.kind, RelKind::Table | RelKind::MaterializedView) {
            let mut types = Vec::with_capacity(new.columns.len());
            for c in &new.columns {
                types.push((self.type_ref(c.ty.oid)?, c.ty.typmod));
            }
            if needs_toast(&types) {
                toast = self.create_toast(oid, new.owner, new.persistence)?;
            }
        }
        let row_type = match new.kind {
            RelKind::Table | RelKind::View | RelKind::MaterializedView | RelKind::CompositeType => {
                self.create_row_type(oid, new)?
            }
            RelKind::Index | RelKind::Sequence | RelKind::Toast => Oid::INVALID,
        };
        let mut class = ClassRow::new(oid, &new.name, new.schema, kind_letter(new.kind));
        class.owner = new.owner;
        class.row_type = row_type;
        class.filenode = filenode;
        class.toast = toast;
        class.persistence = persistence_letter(new.persistence);
        class.natts = new.columns.len() as i16;
        class.has_rules = matches!(new.kind, RelKind::View | RelKind::MaterializedView);
        class.populated = new.populated;
        class.options = &new.options;
        let acl = match new.kind {
            RelKind::Table | RelKind::View | RelKind::MaterializedView => {
                self.new_object_acl(AclObject::Relation, new.owner, new.schema)?
            }
            RelKind::Sequence => self.new_object_acl(AclObject::Sequence, new.owner, new.schema)?,
            RelKind::Index | RelKind::CompositeType | RelKind::Toast => None,
        };
        class.acl = acl.as_deref();
        self.insert(pg_class::TABLE, &class.row())?;
        for (i, c) in new.columns.iter().enumerate() {
            self.insert_column(oid, i as i16 + 1, c)?;
        }
        if has_storage {
            for row in system_attributes(oid) {
                self.insert(crate::builtin::columns::pg_attribute::TABLE, &row)?;
            }
        }
        let address = ObjectAddress::relation(oid);
        if new.kind != RelKind::CompositeType {
            self.add_dependency(address, ObjectAddress::schema(new.schema), DependencyType::Normal)?;
            self.record_owner(address, new.owner)?;
        }
        if let Some(acl) = &acl {
            self.record_acl_roles(address, new.owner, acl)?;
        }
        if let Some(view) = &new.view {
            self.insert_view_rule(oid, view)?;
        }
        self.advance();
        self.relation(oid)?.ok_or_else(|| Error::internal("a relation just made is not there"))
    }

    /// 42P07 if a relation, 42710 if a type has the name.
    pub(crate) fn check_name_free(&self, schema: Oid, name: &str, kind: RelKind) -> Result<()> {
        if self.relation_in(schema, name)?.is_some() {
            if kind == RelKind::CompositeType {
                bail!(DUPLICATE_OBJECT, "type \"{name}\" already exists");
            }
            bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
        }
        let has_type = matches!(
            kind,
            RelKind::Table | RelKind::View | RelKind::MaterializedView | RelKind::CompositeType
        );
        if has_type
            && let Some(existing) = self.type_in(schema, name)?
            && !self.move_array_type_away(existing)?
        {
            let e = err!(DUPLICATE_OBJECT, "type \"{name}\" already exists");
            if kind == RelKind::CompositeType {
                return Err(e);
            }
            return Err(e.hint(
                "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.",
            ));
        }
        Ok(())
    }
    /// Renames an array type that stands in the way, since nobody chose its name. False if the type is no such array.
    pub(crate) fn move_array_type_away(&self, ty: Oid) -> Result<bool> {
        let Some(def) = self.type_def(ty)? else { return Ok(false) };
        let crate::defs::TypeKind::Array { element } = def.kind else { return Ok(false) };
        let Some(element) = self.type_def(element)? else { return Ok(false) };
        let name = self.free_array_name(def.schema, &element.name)?;
        self.touch_type(ty, def.schema, &def.name);
        self.touch_type(ty, def.schema, &name);
        self.change_oid(pg_type::TABLE, 2703, ty, |row| row.0[pg_type::TYPNAME] = Datum::text(&name))?;
        self.advance();
        Ok(true)
    }
    /// `_name`, with more underscores until it is free.
    pub(crate) fn free_array_name(&self, schema: Oid, name: &str) -> Result<String> {
        for count in 1..63 {
            let candidate = format!("{}{name}", "_".repeat(count));
            let mut cut = candidate.len().min(63);
            while !candidate.is_char_boundary(cut) {
                cut -= 1;
            }
            if self.type_in(schema, &candidate[..cut])?.is_none() {
                return Ok(candidate[..cut].to_owned());
            }
        }
        bail!(DUPLICATE_OBJECT, "could not form array type name for type \"{name}\"")
    }
    pub(crate) fn touch_type(&self, oid: Oid, schema: Oid, name: &str) {
        self.touch([Touched::Type(oid), Touched::TypeName(NameKey { schema, name: name.to_owned() })]);
    }

    /// The row type of a relation and the array of it.
    fn create_row_type(&self, relation: Oid, new: &NewRelation) -> Result<Oid> {
        let (oid, array) = (self.new_oid()?, self.new_oid()?);
        let info = user_composite(oid, new.name.clone(), array, relation);
        let composite = new.kind == RelKind::CompositeType;
        self.insert_type(&info, new.schema, new.owner, composite)?;
        let (ty, rel) = (ObjectAddress::ty(oid), ObjectAddress::relation(relation));
        if composite {
            self.add_dependency(rel, ty, DependencyType::Internal)?;
        } else {
            self.add_dependency(ty, rel, DependencyType::Internal)?;
        }
        Ok(oid)
    }
    /// Rows of a type and of the array of it. `independent`: it depends on its schema and has an owner of its own.
    pub(crate) fn insert_type(
        &self,
        info: &TypeInfo,
        schema: Oid,
        owner: Oid,
        independent: bool,
    ) -> Result<()> {
        self.insert_type_row(&TypeRow::new(info, schema, owner), independent)
    }
    pub(crate) fn insert_type_row(&self, row: &TypeRow<'_>, independent: bool) -> Result<()> {
        let (info, schema, owner) = (row.info, row.schema, row.owner);
        self.touch_type(info.oid, schema, &info.name);
        let acl = if independent { self.new_object_acl(AclObject::Type, owner, schema)? } else { None };
        let mut stored = row.row();
        stored.0[pg_type::TYPACL] = CatalogWriter::acl_datum(acl.as_deref());
        self.insert(pg_type::TABLE, &stored)?;
        let address = ObjectAddress::ty(info.oid);
        if let Some(acl) = &acl {
            self.record_acl_roles(address, owner, acl)?;
        }
        if independent {
            self.add_dependency(address, ObjectAddress::schema(schema), DependencyType::Normal)?;
            self.record_owner(address, owner)?;
        }
        if info.array.is_valid() {
            let name = self.free_array_name(schema, &info.name)?;
            self.touch_type(info.array, schema, &name);
            let array = user_array(info.array, name, info);
            let mut row = TypeRow::new(&array, schema, owner);
            row.collation = info.collation;
            self.insert(pg_type::TABLE, &row.row())?;
            self.add_dependency(ObjectAddress::ty(info.array), address, DependencyType::Internal)?;
        }
        Ok(())
    }

    fn create_heap(&self, file: RelId, persistence: Persistence) -> Result<()> {
        Heap::create_as(self.catalog().storage(), self.txn(), file, self.file_persistence(persistence))
    }
    /// What a relation's files are to storage.
    pub(crate) fn file_persistence(&self, persistence: Persistence) -> quarry_storage::Persistence {
        match persistence {
            Persistence::Permanent => quarry_storage::Persistence::Permanent,
            Persistence::Unlogged => quarry_storage::Persistence::Unlogged,
            Persistence::Temporary => {
                quarry_storage::Persistence::Temporary(self.session().session_id as i32)
            }
        }
    }

    /// The toast table of a table.
    pub(crate) fn create_toast(&self, table: Oid, owner: Oid, persistence: Persistence) -> Result<Oid> {
        let oid = self.new_oid()?;
        let name = format!("pg_toast_{table}");
        self.touch_relation(oid, PG_TOAST, &name);
        let file = self.catalog().storage().new_relfilenode(self.db())?;
        self.create_heap(file, persistence)?;
        let mut class = ClassRow::new(oid, &name, PG_TOAST, 't');
        class.owner = owner;
        class.filenode = Oid(file.rel);
        class.persistence = persistence_letter(persistence);
        class.natts = 3;
        self.insert(pg_class::TABLE, &class.row())?;
        self.add_dependency(
            ObjectAddress::relation(oid),
            ObjectAddress::relation(table),
            DependencyType::Internal,
        )?;
        Ok(oid)
    }

    /// The rule that makes a relation a view.
    pub(crate) fn insert_view_rule(&self, relation: Oid, view: &StoredExpr) -> Result<()> {
        let rule = self.new_oid()?;
        self.insert(
            pg_rewrite::TABLE,
            &Row(vec![
                oid_datum(rule),
                Datum::text("_RETURN"),
                oid_datum(relation),
                char_datum('1'),
                char_datum('O'),
                Datum::Bool(true),
                Datum::text("<>"),
                Datum::text(&self.stored_expr(view)),
            ]),
        )?;
        let address = ObjectAddress::rule(rule);
        self.add_dependency(address, ObjectAddress::relation(relation), DependencyType::Internal)?;
        self.add_dependencies(address, view.refs_of(relation), Oid::INVALID, DependencyType::Normal)
    }

    /// New, empty storage for a table, index, materialized view or sequence (and its toast table): for TRUNCATE, rewrites and REINDEX.
    /// The old files go when the transaction commits.
    pub fn new_storage(&self, relation: Oid) -> Result<RelId> {
        let Some(r) = self.relation(relation)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {relation} does not exist")
        };
        self.touch([Touched::Relation(r.oid), Touched::Sequence(r.oid)]);
        if let Some(table) = self.index_table(relation)? {
            self.touch([Touched::Relation(table)]);
            self.forget_index_reads(table, r.storage)?;
        }
        let index = match r.kind {
            RelKind::Index => self.index(relation)?.map(|(_, i)| i),
            _ => None,
        };
        let fresh = self.replace_files(relation, r.storage, r.persistence, index.as_deref())?;
        if let Some(old) = r.toast {
            let (_, row) = self
                .find_one(&self.snapshot(), pg_class::TABLE, 2662, &[oid_datum(relation)])?
                .ok_or_else(|| Error::internal("a relation's row is not there"))?;
            let toast = row.oid(pg_class::RELTOASTRELID);
            self.touch([Touched::Relation(toast)]);
            self.replace_files(toast, Some(old), r.persistence, None)?;
        }
        self.advance();
        Ok(fresh)
    }
    /// An index goes, or gets other files: what serializable transactions have read of it counts as read of the whole table.
    pub(crate) fn forget_index_reads(&self, table: Oid, index: Option<RelId>) -> Result<()> {
        if let (Some(index), Some(table)) = (index, self.relation(table)?.and_then(|t| t.storage)) {
            self.catalog().storage().ssi().relation_replaced(index, table);
        }
        Ok(())
    }
    fn replace_files(
        &self,
        relation: Oid,
        old: Option<RelId>,
        persistence: Persistence,
        index: Option<&IndexDef>,
    ) -> Result<RelId> {
        let storage = self.catalog().storage();
        let fresh = storage.new_relfilenode(self.db())?;
        if let Some(i) = index {
            IndexFiles { method: i.method, keys: &i.keys, key_options: &i.key_options, options: &i.options }
                .create(storage, self.txn(), fresh, self.file_persistence(persistence))?;
        } else {
            self.create_heap(fresh, persistence)?;
        }
        if let Some(old) = old {
            storage.ssi().relation_replaced(old, fresh);
            self.txn().relation_replaced(old, fresh);
            storage.drop_relation(self.txn(), old)?;
        }
        self.change_oid(pg_class::TABLE, 2662, relation, |row| {
            row.0[pg_class::RELFILENODE] = oid_datum(Oid(fresh.rel));
            row.0[pg_class::RELPAGES] = Datum::I32(0);
            row.0[pg_class::RELTUPLES] = Datum::F32(if index.is_some() { 0.0 } else { -1.0 });
            row.0[pg_class::RELALLVISIBLE] = Datum::I32(0);
        })?;
        Ok(fresh)
    }
    /// Gives a table the storage of another relation's files that the caller has filled (a rewrite): the old files go at commit.
    pub fn set_storage(&self, relation: Oid, storage: RelId) -> Result<()> {
        let Some(r) = self.relation(relation)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {relation} does not exist")
        };
        self.touch([Touched::Relation(r.oid)]);
        if let Some(old) = r.storage {
            self.catalog().storage().ssi().relation_replaced(old, storage);
            self.txn().relation_replaced(old, storage);
            self.catalog().storage().drop_relation(self.txn(), old)?;
        }
        self.change_oid(pg_class::TABLE, 2662, relation, |row| {
            row.0[pg_class::RELFILENODE] = oid_datum(Oid(storage.rel));
        })?;
        self.advance();
        Ok(())
    }
}
