//! Schemas, also temporary ones.

use super::CatalogWriter;
use crate::acl::{AclItem, AclObject};
use crate::builtin::columns::pg_namespace;
use crate::cache::Touched;
use crate::object::{DropBehavior, ObjectAddress};
use crate::row::{Row, oid_datum};
use quarry_common::{Oid, Result, bail, err};
use quarry_types::Datum;

impl CatalogWriter {
    /// Makes a schema. 42P06 if it is there, 42939 for names that begin with "pg_".
    pub fn create_schema(&self, name: &str, owner: Oid) -> Result<Oid> {
        check_schema_name(name)?;
        let acl = self.new_object_acl(AclObject::Schema, owner, Oid::INVALID)?;
        self.insert_schema(name, owner, acl.as_deref())
    }
    fn insert_schema(&self, name: &str, owner: Oid, acl: Option<&[AclItem]>) -> Result<Oid> {
        if self.schema_oid(name)?.is_some() {
            bail!(DUPLICATE_SCHEMA, "schema \"{name}\" already exists");
        }
        let oid = self.new_oid()?;
        self.touch([Touched::Schema(oid), Touched::SchemaName(name.to_owned())]);
        self.insert(
            pg_namespace::TABLE,
            &Row(vec![oid_datum(oid), Datum::text(name), oid_datum(owner), CatalogWriter::acl_datum(acl)]),
        )?;
        self.record_owner(ObjectAddress::schema(oid), owner)?;
        if let Some(acl) = acl {
            self.record_acl_roles(ObjectAddress::schema(oid), owner, acl)?;
        }
        self.advance();
        Ok(oid)
    }
    /// Renames a schema.
    pub fn rename_schema(&self, schema: Oid, name: &str) -> Result<()> {
        if self.schema_oid(name)?.is_some() {
            bail!(DUPLICATE_SCHEMA, "schema \"{name}\" already exists");
        }
        check_schema_name(name)?;
        // Every relation and type carries its schema's name.
        self.touch([Touched::All]);
        self.change_oid(pg_namespace::TABLE, 2685, schema, |r| {
            r.0[pg_namespace::NSPNAME] = Datum::text(name)
        })?;
        self.advance();
        Ok(())
    }
    /// The session's temporary schema, made if need be. The session keeps the OID in its [`crate::SessionView`].
    pub fn temp_schema(&self) -> Result<Oid> {
        if let Some(oid) = self.session().temp_schema {
            return Ok(oid);
        }
        let name = format!("pg_temp_{}", self.session().session_id);
        if let Some(stale) = self.schema_oid(&name)? {
            // A session of an earlier run left it when the server crashed.
            self.drop_objects(&[ObjectAddress::schema(stale)], DropBehavior::Cascade)?;
        }
        self.insert_schema(&name, crate::builtin::oids::SUPERUSER, None)
    }
}

fn check_schema_name(name: &str) -> Result<()> {
    if name.starts_with("pg_") {
        return Err(err!(RESERVED_NAME, "unacceptable schema name \"{name}\"")
            .detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    Ok(())
}
