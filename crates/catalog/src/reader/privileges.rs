//! Who may do what.

use super::CatalogReader;
use crate::acl::{AclItem, AclObject, Privilege, default_acl};
use crate::builtin::oids::{PG_CATALOG, PG_READ_ALL_DATA, PG_WRITE_ALL_DATA};
use crate::defs::{ColumnDef, RelKind, Relation};
use quarry_common::{Oid, Result, bail};

impl CatalogReader {
    /// Which of the privileges in `mask` the role has on an object with this list and owner.
    pub fn acl_privileges(
        &self,
        acl: Option<&[AclItem]>,
        kind: AclObject,
        owner: Oid,
        role: Oid,
        mask: u16,
    ) -> Result<u16> {
        if self.is_superuser(role)? {
            return Ok(mask);
        }
        self.acl_privileges_of(acl, kind, owner, role, mask, false)
    }
    /// As [`CatalogReader::acl_privileges`] without the superuser's pass; with `grant_options` the rights to grant.
    pub fn acl_privileges_of(
        &self,
        acl: Option<&[AclItem]>,
        kind: AclObject,
        owner: Oid,
        role: Oid,
        mask: u16,
        grant_options: bool,
    ) -> Result<u16> {
        let default;
        let items = match acl {
            Some(items) => items,
            None => {
                default = default_acl(kind, owner);
                &default
            }
        };
        let bits = |i: &AclItem| if grant_options { i.grant_options } else { i.privileges } & mask;
        let mut have = 0;
        // The owner may always grant.
        if grant_options && self.has_privileges_of(role, owner)? {
            return Ok(mask);
        }
        for i in items {
            if !i.grantee.is_valid() || i.grantee == role {
                have |= bits(i);
            }
        }
        for i in items {
            if have == mask {
                break;
            }
            if i.grantee.is_valid()
                && i.grantee != role
                && bits(i) & !have != 0
                && self.has_privileges_of(role, i.grantee)?
            {
                have |= bits(i);
            }
        }
        Ok(have)
    }

    fn relation_acl_kind(r: &Relation) -> AclObject {
        if r.kind == RelKind::Sequence { AclObject::Sequence } else { AclObject::Relation }
    }
    /// Whether the role has the privilege on the whole relation.
    pub fn has_relation_privilege(&self, r: &Relation, role: Oid, p: Privilege) -> Result<bool> {
        let mut have =
            self.acl_privileges(r.acl.as_deref(), Self::relation_acl_kind(r), r.owner, role, p.bit())?;
        if have == 0 && r.schema != crate::builtin::oids::PG_TOAST {
            have |= self.predefined_privileges(role, p)?;
        }
        // Indexes have no privileges of their own; catalogs that users can't write stay so.
        Ok(have != 0)
    }
    /// What the roles that may read or write all data give.
    pub(crate) fn predefined_privileges(&self, role: Oid, p: Privilege) -> Result<u16> {
        let through = match p {
            Privilege::Select => PG_READ_ALL_DATA,
            Privilege::Insert | Privilege::Update | Privilege::Delete => PG_WRITE_ALL_DATA,
            _ => return Ok(0),
        };
        Ok(if self.has_privileges_of(role, through)? { p.bit() } else { 0 })
    }
    /// Whether the role has the privilege on one column, by itself or through the relation.
    pub fn has_column_privilege(&self, r: &Relation, c: &ColumnDef, role: Oid, p: Privilege) -> Result<bool> {
        if self.has_relation_privilege(r, role, p)? {
            return Ok(true);
        }
        match &c.acl {
            Some(acl) => Ok(self.acl_privileges(Some(acl), AclObject::Column, r.owner, role, p.bit())? != 0),
            None => Ok(false),
        }
    }

    /// 42501 unless the current user has the privilege on the relation.
    pub fn check_relation(&self, r: &Relation, p: Privilege) -> Result<()> {
        if self.has_relation_privilege(r, self.session().user, p)? {
            return Ok(());
        }
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied for {} {}", acl_noun(r.kind), r.name)
    }
    /// 42501 unless a role has one of the privileges on a relation.
    pub fn check_any_privilege(&self, r: &Relation, role: Oid, sufficient: &[Privilege]) -> Result<()> {
        for p in sufficient {
            if self.has_relation_privilege(r, role, *p)? {
                return Ok(());
            }
        }
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied for {} {}", acl_noun(r.kind), r.name)
    }
    /// 42501 unless the current user has the privilege on the relation or on each of the columns (indexes; none: any one will do).
    pub fn check_columns(&self, r: &Relation, columns: &[usize], p: Privilege) -> Result<()> {
        self.check_columns_of(r, Some(columns), self.session().user, p)
    }
    /// As [`CatalogReader::check_columns`] for a role; no list of columns: on the whole relation.
    pub fn check_columns_of(
        &self,
        r: &Relation,
        columns: Option<&[usize]>,
        role: Oid,
        p: Privilege,
    ) -> Result<()> {
        if self.has_relation_privilege(r, role, p)? {
            return Ok(());
        }
        let mut allowed = false;
        if let Some(columns) = columns {
            allowed = !columns.is_empty();
            for (i, c) in r.columns.iter().enumerate() {
                if columns.is_empty() {
                    allowed |= !c.dropped && self.has_column_privilege(r, c, role, p)?;
                } else if columns.contains(&i) {
                    allowed &= self.has_column_privilege(r, c, role, p)?;
                }
            }
        }
        if allowed {
            return Ok(());
        }
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied for {} {}", acl_noun(r.kind), r.name)
    }
    /// Whether the role has the privilege on the schema.
    pub fn has_schema_privilege(&self, schema: Oid, role: Oid, p: Privilege) -> Result<bool> {
        if self.is_superuser(role)? {
            return Ok(true);
        }
        let Some(s) = self.schema(schema)? else { return Ok(false) };
        // One's own temporary schema is open to oneself.
        if self.session().temp_schema == Some(schema) {
            return Ok(true);
        }
        if self.acl_privileges(s.acl.as_deref(), AclObject::Schema, s.owner, role, p.bit())? != 0 {
            return Ok(true);
        }
        Ok(p == Privilege::Usage
            && (self.has_privileges_of(role, PG_READ_ALL_DATA)?
                || self.has_privileges_of(role, PG_WRITE_ALL_DATA)?))
    }
    pub(super) fn may_use_schema(&self, schema: Oid) -> Result<bool> {
        if schema == PG_CATALOG {
            return Ok(true);
        }
        self.has_schema_privilege(schema, self.session().user, Privilege::Usage)
    }
    pub(super) fn check_schema_usage(&self, schema: Oid) -> Result<()> {
        self.check_schema(schema, Privilege::Usage)
    }
    /// 42501 unless the current user has the privilege on the schema.
    pub fn check_schema(&self, schema: Oid, p: Privilege) -> Result<()> {
        if schema == PG_CATALOG && p == Privilege::Usage {
            return Ok(());
        }
        if self.has_schema_privilege(schema, self.session().user, p)? {
            return Ok(());
        }
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied for schema {}", self.schema_name(schema)?)
    }
    /// Whether the role has the privilege on the database.
    pub fn has_database_privilege(&self, db: Oid, role: Oid, p: Privilege) -> Result<bool> {
        let Some(d) = self.database(db)? else { return Ok(false) };
        Ok(self.acl_privileges(d.acl.as_deref(), AclObject::Database, d.owner, role, p.bit())? != 0)
    }
    /// 42501 unless the current user has the privilege on the database.
    pub fn check_database(&self, db: Oid, p: Privilege) -> Result<()> {
        if self.has_database_privilege(db, self.session().user, p)? {
            return Ok(());
        }
        let name = self.database(db)?.map(|d| d.name.clone()).unwrap_or_default();
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied for database {name}")
    }
    /// Whether the current user owns what `owner` owns.
    pub fn owns(&self, owner: Oid) -> Result<bool> {
        self.has_privileges_of(self.session().user, owner)
    }
    /// 42501 unless the current user owns the object; `noun` and `name` are for the message.
    pub fn check_owner(&self, owner: Oid, noun: &str, name: &str) -> Result<()> {
        if self.owns(owner)? {
            return Ok(());
        }
        bail!(INSUFFICIENT_PRIVILEGE, "must be owner of {noun} {name}")
    }
    /// 42501 unless the current user owns the relation.
    pub fn check_relation_owner(&self, r: &Relation) -> Result<()> {
        self.check_owner(r.owner, relation_noun(r.kind), &r.name)
    }
}

/// What "permission denied for ..." calls a relation.
fn acl_noun(kind: RelKind) -> &'static str {
    match kind {
        RelKind::Table | RelKind::Toast | RelKind::CompositeType | RelKind::Index => "table",
        RelKind::Sequence => "sequence",
        RelKind::View => "view",
        RelKind::MaterializedView => "materialized view",
    }
}

/// What messages about objects call a relation.
pub fn relation_noun(kind: RelKind) -> &'static str {
    match kind {
        RelKind::Table => "table",
        RelKind::Toast => "table",
        RelKind::Index => "index",
        RelKind::Sequence => "sequence",
        RelKind::View => "view",
        RelKind::MaterializedView => "materialized view",
        RelKind::CompositeType => "type",
    }
}
