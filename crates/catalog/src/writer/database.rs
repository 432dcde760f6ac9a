//! Databases.

use super::CatalogWriter;
use crate::builtin::bootstrap::database_row;
use crate::builtin::columns::{pg_database, pg_db_role_setting, pg_shdepend};
use crate::cache::Touched;
use crate::object::ObjectAddress;
use crate::row::oid_datum;
use quarry_common::{Oid, Result, bail};
use quarry_types::Datum;

/// A database to be made.
#[derive(Clone, Debug)]
pub struct NewDatabase {
    pub name: String,
    pub owner: Oid,
    /// The database that is copied. The caller keeps others out of it meanwhile.
    pub template: Oid,
    pub is_template: bool,
    pub allow_connections: bool,
    pub connection_limit: i32,
}

impl NewDatabase {
    /// A copy of template1.
    pub fn new(name: impl Into<String>, owner: Oid) -> NewDatabase {
        NewDatabase {
            name: name.into(),
            owner,
            template: crate::builtin::oids::TEMPLATE1,
            is_template: false,
            allow_connections: true,
            connection_limit: -1,
        }
    }
}

impl CatalogWriter {
    fn touch_database(&self, oid: Oid, name: &str) {
        self.touch([Touched::Database(oid), Touched::DatabaseName(name.to_owned())]);
    }
    /// Makes a database as a copy of its template. 42P04 if it is there.
    pub fn create_database(&self, new: &NewDatabase) -> Result<Oid> {
        if self.database_named(&new.name)?.is_some() {
            bail!(DUPLICATE_DATABASE, "database \"{}\" already exists", new.name);
        }
        let oid = self.new_oid()?;
        self.touch_database(oid, &new.name);
        self.catalog().storage().copy_database(self.txn(), new.template, oid)?;
        let row = database_row(
            oid,
            &new.name,
            new.owner,
            new.is_template,
            new.allow_connections,
            new.connection_limit,
            None,
        );
        self.insert(pg_database::TABLE, &row)?;
        self.record_owner(ObjectAddress::database(oid), new.owner)?;
        // Owners and privileges of the template's objects hold for the copies too.
        for (_, mut r) in self.find(&self.snapshot(), pg_shdepend::TABLE, 1232, &[oid_datum(new.template)])? {
            r.0[pg_shdepend::DBID] = oid_datum(oid);
            self.insert(pg_shdepend::TABLE, &r)?;
        }
        self.advance();
        Ok(oid)
    }
    /// Renames a database.
    pub fn rename_database(&self, db: Oid, name: &str) -> Result<()> {
        if self.database_named(name)?.is_some() {
            bail!(DUPLICATE_DATABASE, "database \"{name}\" already exists");
        }
        let Some(old) = self.database(db)? else {
            bail!(UNDEFINED_DATABASE, "database with OID {db} does not exist")
        };
        self.touch_database(db, &old.name);
        self.touch_database(db, name);
        self.change_oid(pg_database::TABLE, 2672, db, |r| r.0[pg_database::DATNAME] = Datum::text(name))?;
        self.advance();
        Ok(())
    }
    /// ALTER DATABASE ... IS_TEMPLATE, ALLOW_CONNECTIONS, CONNECTION LIMIT; none leaves a property.
    pub fn alter_database(
        &self,
        db: Oid,
        is_template: Option<bool>,
        allow_connections: Option<bool>,
        connection_limit: Option<i32>,
    ) -> Result<()> {
        self.touch([Touched::Database(db)]);
        self.change_oid(pg_database::TABLE, 2672, db, |r| {
            if let Some(v) = is_template {
                r.0[pg_database::DATISTEMPLATE] = Datum::Bool(v);
            }
            if let Some(v) = allow_connections {
                r.0[pg_database::DATALLOWCONN] = Datum::Bool(v);
            }
            if let Some(v) = connection_limit {
                r.0[pg_database::DATCONNLIMIT] = Datum::I32(v);
            }
        })?;
        self.advance();
        Ok(())
    }
    /// Drops a database with its files (at commit). The caller has made sure that nobody is connected to it.
    pub fn drop_database(&self, db: Oid) -> Result<()> {
        let Some(old) = self.database(db)? else {
            bail!(UNDEFINED_DATABASE, "database with OID {db} does not exist")
        };
        self.touch_database(db, &old.name);
        let snap = self.snapshot();
        let address = ObjectAddress::database(db);
        self.remove_comments(address)?;
        self.remove_shared_dependencies(address, None)?;
        self.delete_all(&snap, pg_shdepend::TABLE, 1232, &[oid_datum(db)])?;
        for (tid, s) in self.table(pg_db_role_setting::TABLE).scan(&snap)? {
            if s.oid(pg_db_role_setting::SETDATABASE) == db {
                self.delete(pg_db_role_setting::TABLE, tid)?;
            }
        }
        self.delete_all(&snap, pg_database::TABLE, 2672, &[oid_datum(db)])?;
        self.catalog().storage().drop_database_dir(self.txn(), db)?;
        let catalog = std::sync::Arc::downgrade(self.catalog());
        self.txn().on_commit(Box::new(move || {
            if let Some(c) = catalog.upgrade() {
                c.forget_database(db);
            }
        }));
        self.advance();
        Ok(())
    }
}
