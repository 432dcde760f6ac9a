//! What crashes and failing disks have left behind, at the start of a server: files and folders that no relation and no database owns,
//! and the catalog rows of temporary objects, whose sessions are gone.
//!
//! Recovery removes what unfinished transactions had made and repeats the removals of finished ones. What is left for this is what no
//! log speaks of any more: a file whose removal failed. A file is owned if any version of a row names it whose writer may have committed
//! and whose deletion is not certain: rows of prepared transactions count. Whatever can't be read owns everything: with a damaged
//! `pg_database` nothing is removed, with a damaged `pg_class` nothing of its database. A `pg_database` that names none of the folders
//! there are is damaged.

use crate::builtin::columns::{pg_class, pg_database, pg_namespace};
use crate::catalog::{Catalog, SessionView, table_def};
use crate::object::{DropBehavior, ObjectAddress};
use hashbrown::HashSet;
use quarry_common::{Error, Oid, Result};
use quarry_storage::files::database_dir;
use quarry_storage::{IsolationLevel, RelId};

impl Catalog {
    /// Removes leftovers; nobody is using the server yet. Gives a line about each. What fails stays for the next time.
    pub fn remove_leftovers(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Err(e) = self.remove_unowned(&mut lines) {
            lines.push(format!("could not look for files that belong to nothing: {}", e.message()));
        }
        if let Err(e) = self.remove_temporary_objects(&mut lines) {
            lines.push(format!("could not drop temporary objects of an earlier run: {}", e.message()));
        }
        lines
    }

    fn remove_unowned(&self, lines: &mut Vec<String>) -> Result<()> {
        let storage = self.storage();
        let databases = self.owned(Oid::INVALID, pg_database::TABLE, pg_database::OID)?;
        let folders: Vec<u32> = storage.disk().list("base")?.iter().filter_map(|f| f.parse().ok()).collect();
        let (owned, unowned): (Vec<u32>, Vec<u32>) = folders.into_iter().partition(|f| databases.contains(f));
        if owned.is_empty() && !unowned.is_empty() {
            return Err(Error::corrupted("pg_database names none of the databases whose folders are there"));
        }
        for folder in unowned {
            storage.remove_database_files(Oid(folder))?;
            lines.push(format!("removed folder base/{folder}, which belonged to no database"));
        }
        for db in databases {
            if let Err(e) = self.remove_unowned_of(Oid(db), lines) {
                lines.push(format!(
                    "could not look for files that belong to nothing in {}: {}",
                    database_dir(Oid(db)),
                    e.message()
                ));
            }
        }
        Ok(())
    }

    fn remove_unowned_of(&self, db: Oid, lines: &mut Vec<String>) -> Result<()> {
        let storage = self.storage();
        let owned = self.owned(db, pg_class::TABLE, pg_class::RELFILENODE)?;
        let mut unowned: Vec<RelId> =
            storage.files().relations_of(db)?.into_iter().map(|(rel, _)| rel).collect();
        // The catalogs' own files have the numbers of their OIDs, and no others.
        unowned.retain(|rel| rel.rel >= Oid::FIRST_NORMAL.0 && !owned.contains(&rel.rel));
        unowned.dedup();
        for rel in unowned {
            storage.remove_relation_files(rel)?;
            lines.push(format!("removed file {rel}, which belonged to no relation"));
        }
        Ok(())
    }

    /// The values of an OID column in every row that may count.
    fn owned(&self, db: Oid, table: u32, column: usize) -> Result<HashSet<u32>> {
        let (position, def) = table_def(table);
        let state = self.database_state(db);
        state.table(self.storage(), position, def).column_of_versions(column)
    }

    fn remove_temporary_objects(&self, lines: &mut Vec<String>) -> Result<()> {
        let session = SessionView::superuser();
        let databases = {
            let txn = std::sync::Arc::new(self.storage().begin(IsolationLevel::ReadCommitted));
            self.reader(Oid::INVALID, &txn, &session).databases()?
        };
        for database in databases {
            let txn = std::sync::Arc::new(self.storage().begin(IsolationLevel::ReadCommitted));
            let writer = self.writer(database.oid, &txn, &session);
            let mut stale = Vec::new();
            for (_, row) in writer.table(pg_namespace::TABLE).scan(&writer.snapshot())? {
                if row.str(pg_namespace::NSPNAME).starts_with("pg_temp_") {
                    stale.push(ObjectAddress::schema(row.oid(pg_namespace::OID)));
                }
            }
            if stale.is_empty() {
                continue;
            }
            writer.drop_objects(&stale, DropBehavior::Cascade)?;
            if let Some(lsn) = txn.commit()? {
                self.storage().wal().wait_durable_blocking(lsn)?;
            }
            lines.push(format!(
                "dropped the temporary objects of {} sessions of an earlier run in database \"{}\"",
                stale.len(),
                database.name
            ));
        }
        Ok(())
    }
}
