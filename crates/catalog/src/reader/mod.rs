//! What one statement of one transaction sees of the catalog.
//!
//! Every answer comes from the shared cache, else from the transaction's private one ([`crate::cache`]), else from the catalogs' B-trees
//! with the transaction's catalog snapshot. Lookups by name honour the search path.

mod dependents;
mod describe;
mod extensions;
mod filenodes;
mod index_facts;
mod load;
mod names;
mod privileges;
mod relations;
mod roles;
mod statistics;
mod stats;
mod text_search;
mod types;

use crate::builtin::oids;
use crate::cache::{Cache, NameKey, NameRef, ObjectCache, Overlay, Touched};
use crate::catalog::{Catalog, DatabaseState, SessionView, table_def};
use crate::row::Row;
use crate::table::CatalogHeap;
use hashbrown::Equivalent;
use quarry_common::{CommandId, Oid, Result, Tid, Xid};
use quarry_storage::{Snapshot, Transaction};
use quarry_types::Datum;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

pub use extensions::InstalledExtension;
pub(crate) use load::{access_method_name, action_of, constraint_of, physical_code};
pub(crate) use names::split_qualified;
pub use names::{quote_identifier, quote_qualified};
pub use privileges::relation_noun;
pub(crate) use statistics::{DATA_INDEX as STATISTICS_DATA_INDEX, INDEX_BY_OID as STATISTICS_INDEX};
pub use stats::ColumnTarget;
pub(crate) use stats::{
    KIND_CORRELATION as STATS_CORRELATION, KIND_ELEMENT_COUNTS as STATS_ELEMENT_COUNTS,
    KIND_ELEMENTS as STATS_ELEMENTS, KIND_HISTOGRAM as STATS_HISTOGRAM, KIND_MCV as STATS_MCV,
};
pub use text_search::TsObject;

/// Reads the catalog for one statement. Cheap to make and to clone.
#[derive(Clone)]
pub struct CatalogReader {
    catalog: Arc<Catalog>,
    db: Arc<DatabaseState>,
    txn: Arc<Transaction>,
    session: Arc<SessionView>,
    path: OnceLock<Arc<[Oid]>>,
    domains: Option<Arc<dyn DomainRules>>,
}

/// Applies the constraints of domains, which are expressions and so beyond the catalog.
pub trait DomainRules: Send + Sync {
    /// 23514 or 23502 if the value (NULL included) is against the domain's constraints.
    fn check(&self, reader: &CatalogReader, domain: Oid, value: &Datum) -> Result<()>;
}

impl CatalogReader {
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        db: Arc<DatabaseState>,
        txn: Arc<Transaction>,
        session: Arc<SessionView>,
    ) -> CatalogReader {
        CatalogReader { catalog, db, txn, session, path: OnceLock::new(), domains: None }
    }
    /// A reader whose input of domains checks their constraints.
    pub fn with_domains(mut self, rules: Arc<dyn DomainRules>) -> CatalogReader {
        self.domains = Some(rules);
        self
    }
    /// The database read; invalid: only shared catalogs.
    pub fn db(&self) -> Oid {
        self.db.oid
    }
    pub fn txn(&self) -> &Arc<Transaction> {
        &self.txn
    }
    pub fn session(&self) -> &Arc<SessionView> {
        &self.session
    }
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }
    /// The same transaction's view for another session state (after SET ROLE, say).
    pub fn with_session(&self, session: Arc<SessionView>) -> CatalogReader {
        CatalogReader { session, path: OnceLock::new(), ..self.clone() }
    }
    /// A new catalog snapshot: all that is committed, and own changes of earlier commands.
    pub fn snapshot(&self) -> Snapshot {
        self.txn.catalog_snapshot()
    }
    /// Changes with every committed change of the schema; see also [`CatalogReader::has_own_ddl`].
    #[inline]
    pub fn schema_version(&self) -> u64 {
        self.catalog.schema_version_of(&self.db)
    }
    /// Whether this transaction itself has changed the catalog: cached plans may not fit it.
    pub fn has_own_ddl(&self) -> bool {
        self.has_changes() && self.overlay().is_some_and(|o| o.changes() > 0)
    }
    /// Whether this transaction may have changed the catalog.
    #[inline]
    pub fn has_changes(&self) -> bool {
        self.txn.extension().get().is_some()
    }
    /// The moment within a transaction that has changed the catalog: while it stays the same, so does what the transaction sees of the
    /// catalog. None: there is nothing to tell moments apart by.
    pub fn own_moment(&self) -> Option<(Xid, CommandId, u64)> {
        let changes = self.overlay()?.changes();
        Some((self.txn.xid()?, self.txn.command_id(), changes))
    }
    pub(crate) fn overlay(&self) -> Option<Arc<Overlay>> {
        let slot = self.txn.extension().get()?;
        slot.clone().downcast::<Overlay>().ok()
    }
    /// The overlay, made now if need be.
    pub(crate) fn overlay_for_write(&self) -> Arc<Overlay> {
        if let Some(o) = self.overlay() {
            return o;
        }
        let fresh = Arc::new(Overlay::default());
        let _ = self.txn.extension().set(fresh.clone());
        self.overlay().unwrap_or(fresh)
    }

    /// An open catalog table.
    pub(crate) fn table(&self, oid: u32) -> &Arc<CatalogHeap> {
        let (position, def) = table_def(oid);
        let state = if def.shared { self.catalog.shared() } else { &self.db };
        state.table(self.catalog.storage(), position, def)
    }
    /// Rows of a catalog by the first columns of one of its indexes.
    pub(crate) fn find(
        &self,
        snap: &Snapshot,
        table: u32,
        index: u32,
        key: &[Datum],
    ) -> Result<Vec<(Tid, Row)>> {
        self.table(table).find(snap, index, key)
    }
    pub(crate) fn find_one(
        &self,
        snap: &Snapshot,
        table: u32,
        index: u32,
        key: &[Datum],
    ) -> Result<Option<(Tid, Row)>> {
        self.table(table).find_one(snap, index, key)
    }

    /// An object through the caches. `which` names the cache, `touched` the change that would outdate the entry.
    fn cached<K, Q, V>(
        &self,
        state: &DatabaseState,
        which: fn(&ObjectCache) -> &Cache<K, V>,
        key: &Q,
        touched: impl FnOnce() -> Touched,
        load: impl FnOnce(&Snapshot) -> Result<V>,
    ) -> Result<V>
    where
        K: Hash + Eq,
        Q: Hash + Equivalent<K> + ?Sized + ToKey<K>,
        V: Clone,
    {
        let Some(overlay) = self.overlay() else {
            if let Some(v) = which(&state.cache).get(key) {
                return Ok(v);
            }
            let generation = state.cache.generation();
            let v = load(&self.snapshot())?;
            state.cache.publish(which(&state.cache), key.to_key(), v.clone(), generation);
            return Ok(v);
        };
        if !overlay.is_touched(&touched())
            && let Some(v) = which(&state.cache).get(key)
        {
            return Ok(v);
        }
        let stamp = (self.txn.xid(), self.txn.command_id());
        let private = overlay.private(stamp);
        if let Some(v) = which(&private).get(key) {
            return Ok(v);
        }
        let v = load(&self.snapshot())?;
        private.publish(which(&private), key.to_key(), v.clone(), private.generation());
        Ok(v)
    }

    /// The effective search path: the temporary schema first (if there is one), pg_catalog before what was set, then the existing
    /// schemas that the user may use.
    pub fn search_path(&self) -> Result<Arc<[Oid]>> {
        if let Some(p) = self.path.get() {
            return Ok(p.clone());
        }
        let mut path = self.named_path()?;
        if !path.contains(&oids::PG_CATALOG) {
            path.insert(0, oids::PG_CATALOG);
        }
        if let Some(t) = self.session.temp_schema.filter(|t| !path.contains(t)) {
            path.insert(0, t);
        }
        let path: Arc<[Oid]> = path.into();
        Ok(self.path.get_or_init(|| path).clone())
    }

    /// The schemas that the setting names and that exist, in order.
    fn named_path(&self) -> Result<Vec<Oid>> {
        let mut path = Vec::with_capacity(4);
        for name in &self.session.search_path {
            let oid = match name.as_str() {
                "$user" => match self.role(self.session.user)? {
                    Some(r) => self.schema_oid(&r.name)?,
                    None => None,
                },
                "pg_temp" => self.session.temp_schema,
                n => self.schema_oid(n)?,
            };
            if let Some(oid) = oid
                && !path.contains(&oid)
                && self.may_use_schema(oid)?
            {
                path.push(oid);
            }
        }
        Ok(path)
    }

    /// Names of the schemas in the search path, as `current_schemas` gives them.
    pub fn current_schemas(&self, include_implicit: bool) -> Result<Vec<String>> {
        let path = if include_implicit { self.search_path()?.to_vec() } else { self.named_path()? };
        let mut out = Vec::with_capacity(path.len());
        for oid in path {
            if let Some(s) = self.schema(oid)? {
                out.push(s.name.clone());
            }
        }
        Ok(out)
    }

    /// Where an unqualified CREATE puts its object.
    pub fn creation_schema(&self) -> Result<Oid> {
        match self.named_path()?.first() {
            Some(oid) => Ok(*oid),
            None => quarry_common::bail!(UNDEFINED_SCHEMA, "no schema has been selected to create in"),
        }
    }
}

/// Makes the owned key of a cache from the form it is looked up by.
trait ToKey<K> {
    fn to_key(&self) -> K;
}
impl ToKey<Oid> for Oid {
    fn to_key(&self) -> Oid {
        *self
    }
}
impl ToKey<String> for str {
    fn to_key(&self) -> String {
        self.to_owned()
    }
}
impl ToKey<NameKey> for NameRef<'_> {
    fn to_key(&self) -> NameKey {
        (*self).into()
    }
}
