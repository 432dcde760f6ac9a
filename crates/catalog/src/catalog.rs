//! The server's catalog: open tables and caches per database.

use crate::builtin::{CatalogTable, bootstrap, catalog_table_position, catalog_tables};
use crate::cache::{ObjectCache, Overlay, Touched};
use crate::reader::CatalogReader;
use crate::table::CatalogHeap;
use crate::writer::CatalogWriter;
use arc_swap::ArcSwap;
use hashbrown::HashMap;
use quarry_common::{Oid, Result};
use quarry_storage::{Storage, Transaction};
use std::sync::{Arc, OnceLock, Weak};

/// Who asks, as far as names and privileges depend on it. Made anew when SET ROLE or search_path changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The current user.
    pub user: Oid,
    pub session_user: Oid,
    /// The `search_path` setting's entries, `$user` unresolved.
    pub search_path: Vec<String>,
    /// The session's temporary schema, once it has one.
    pub temp_schema: Option<Oid>,
    /// Number that names the temporary schema: unique among live sessions.
    pub session_id: u32,
    /// `transform_null_equals`: `x = NULL` is read as `x IS NULL`.
    pub transform_null_equals: bool,
}

impl SessionView {
    /// The bootstrap superuser with the default search path.
    pub fn superuser() -> Arc<SessionView> {
        Arc::new(SessionView {
            user: crate::builtin::oids::SUPERUSER,
            session_user: crate::builtin::oids::SUPERUSER,
            search_path: vec!["$user".into(), "public".into()],
            temp_schema: None,
            session_id: 0,
            transform_null_equals: false,
        })
    }
}

/// One database's open catalogs and caches; with OID 0: the shared ones.
pub struct DatabaseState {
    pub(crate) oid: Oid,
    tables: Vec<OnceLock<Arc<CatalogHeap>>>,
    pub(crate) cache: ObjectCache,
}

impl DatabaseState {
    fn new(oid: Oid) -> Arc<DatabaseState> {
        Arc::new(DatabaseState {
            oid,
            tables: catalog_tables().iter().map(|_| OnceLock::new()).collect(),
            cache: ObjectCache::default(),
        })
    }
    pub(crate) fn table(
        &self,
        storage: &Arc<Storage>,
        position: usize,
        def: &'static CatalogTable,
    ) -> &Arc<CatalogHeap> {
        self.tables[position].get_or_init(|| Arc::new(CatalogHeap::open(storage, self.oid, def)))
    }
}

/// The system catalogs of all databases: one per server.
pub struct Catalog {
    storage: Arc<Storage>,
    shared: Arc<DatabaseState>,
    databases: ArcSwap<HashMap<Oid, Arc<DatabaseState>>>,
    /// For callbacks that outlive a borrow.
    this: Weak<Catalog>,
}

impl Catalog {
    fn new(storage: &Arc<Storage>) -> Arc<Catalog> {
        Arc::new_cyclic(|this| Catalog {
            storage: storage.clone(),
            shared: DatabaseState::new(Oid::INVALID),
            databases: ArcSwap::default(),
            this: this.clone(),
        })
    }

    /// Writes the system catalogs of template1, template0 and postgres into an empty storage, in one transaction.
    pub fn bootstrap(storage: &Arc<Storage>) -> Result<Arc<Catalog>> {
        let catalog = Catalog::new(storage);
        bootstrap::run(&catalog)?;
        Ok(catalog)
    }

    /// The catalog of a bootstrapped storage. Loads nothing yet.
    pub fn open(storage: &Arc<Storage>) -> Result<Arc<Catalog>> {
        Ok(Catalog::new(storage))
    }

    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    pub(crate) fn shared(&self) -> &Arc<DatabaseState> {
        &self.shared
    }

    pub(crate) fn database_state(&self, db: Oid) -> Arc<DatabaseState> {
        if !db.is_valid() {
            return self.shared.clone();
        }
        if let Some(state) = self.databases.load().get(&db) {
            return state.clone();
        }
        let fresh = DatabaseState::new(db);
        self.databases.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.entry(db).or_insert_with(|| fresh.clone());
            map
        });
        self.databases.load().get(&db).cloned().unwrap_or(fresh)
    }

    /// Forgets a dropped database.
    pub(crate) fn forget_database(&self, db: Oid) {
        self.databases.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.remove(&db);
            map
        });
    }

    /// What one statement of `txn` in database `db` sees. With an invalid `db` only roles, databases and other shared objects.
    pub fn reader(&self, db: Oid, txn: &Arc<Transaction>, session: &Arc<SessionView>) -> CatalogReader {
        let this = self.this.upgrade().expect("borrowed from an Arc");
        CatalogReader::new(this, self.database_state(db), txn.clone(), session.clone())
    }

    /// As [`Catalog::reader`], for changes.
    pub fn writer(&self, db: Oid, txn: &Arc<Transaction>, session: &Arc<SessionView>) -> CatalogWriter {
        CatalogWriter::new(self.reader(db, txn, session))
    }

    /// Changes with every committed change of the database's or the shared catalogs.
    pub fn schema_version(&self, db: Oid) -> u64 {
        self.schema_version_of(&self.database_state(db))
    }

    /// The same for a database at hand.
    #[inline]
    pub(crate) fn schema_version_of(&self, db: &DatabaseState) -> u64 {
        let own = if db.oid.is_valid() { db.cache.version() } else { 0 };
        own.wrapping_mul(1 << 20).wrapping_add(self.shared.cache.version())
    }

    /// Caches of a database and the shared ones forget everything: a transaction committed of which nobody knows what it touched.
    pub fn forget_all(&self, db: Oid) {
        let overlay = Overlay::default();
        overlay.touch(db, [Touched::All]);
        self.committed(&overlay);
    }

    /// Runs after a commit: caches forget what the transaction touched.
    pub(crate) fn committed(&self, overlay: &Overlay) {
        let touched = overlay.take();
        if touched.is_empty() {
            return;
        }
        let db = overlay.db();
        if touched.iter().any(is_shared) {
            self.shared.cache.invalidate(touched.iter());
        }
        if db.is_valid() {
            self.database_state(db).cache.invalidate(touched.iter());
        }
    }
}

fn is_shared(t: &Touched) -> bool {
    matches!(
        t,
        Touched::Role(_)
            | Touched::RoleName(_)
            | Touched::Database(_)
            | Touched::DatabaseName(_)
            | Touched::All
    )
}

/// Position and definition of a catalog that code names by OID.
pub(crate) fn table_def(oid: u32) -> (usize, &'static CatalogTable) {
    let position = catalog_table_position(oid).expect("code names existing catalogs");
    (position, &catalog_tables()[position])
}
