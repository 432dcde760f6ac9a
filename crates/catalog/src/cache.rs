//! Typed caches of catalog objects.
//!
//! [`ObjectCache`] holds one database's (or the shared catalogs') objects as committed transactions left them; every session reads it.
//! A transaction that changed the catalog has an [`Overlay`]: the set of objects it touched, and a private [`ObjectCache`] for what it
//! alone sees.
//!
//! # Staleness
//! C1 A commit first becomes visible to new catalog snapshots, then bumps `generation`, then removes what it touched. A loader reads
//! `generation` before it takes its snapshot and publishes only if the number is unchanged, checked under the shard's lock: so an object
//! read by an older snapshot is never left behind.
//! C2 Only transactions without an overlay publish.
//! C3 `version` changes after the removal; a plan made under version v used no object changed before v.

use crate::defs::{
    ColumnStats, DatabaseDef, ExtendedStats, Relation, RoleDef, SchemaDef, SequenceDef, TypeDef,
};
use hashbrown::{Equivalent, HashMap, HashSet};
use parking_lot::{Mutex, RwLock};
use quarry_common::{CommandId, Oid, Xid};
use quarry_types::TypeRef;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

const SHARDS: usize = 16;
/// A shard that has grown this large is emptied.
const SHARD_ENTRIES_MAX: usize = 8192;
type Build = foldhash::fast::FixedState;

/// A name in a schema, owned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameKey {
    pub schema: Oid,
    pub name: String,
}

/// A name in a schema, borrowed: finds [`NameKey`]s without allocation.
#[derive(Clone, Copy)]
pub struct NameRef<'a>(pub Oid, pub &'a str);

impl Hash for NameKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NameRef(self.schema, &self.name).hash(state)
    }
}
impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}
impl Equivalent<NameKey> for NameRef<'_> {
    fn equivalent(&self, key: &NameKey) -> bool {
        self.0 == key.schema && self.1 == key.name
    }
}
impl From<NameRef<'_>> for NameKey {
    fn from(r: NameRef<'_>) -> NameKey {
        NameKey { schema: r.0, name: r.1.to_owned() }
    }
}

/// A sharded map, most of whose traffic is reads.
pub struct Cache<K, V> {
    shards: [RwLock<HashMap<K, V, Build>>; SHARDS],
}

impl<K: Hash + Eq, V: Clone> Default for Cache<K, V> {
    fn default() -> Self {
        Cache { shards: std::array::from_fn(|_| RwLock::new(HashMap::default())) }
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<HashMap<K, V, Build>> {
        // The map uses the high and low bits of the same hash: take others.
        let hash = Build::default().hash_one(key);
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        self.shard(key).read().get(key).cloned()
    }
    /// Publishes unless `stale` answers true under the shard's lock.
    fn insert(&self, key: K, value: V, stale: impl FnOnce() -> bool) {
        let mut shard = self.shard(&key).write();
        if stale() {
            return;
        }
        // Names that aren't there are cached too: nobody may fill the memory with them.
        if shard.len() >= SHARD_ENTRIES_MAX {
            shard.clear();
        }
        shard.insert(key, value);
    }
    fn remove<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) {
        self.shard(key).write().remove(key);
    }
    fn clear(&self) {
        for s in &self.shards {
            s.write().clear();
        }
    }
}

/// A type as the cache holds it.
#[derive(Clone)]
pub struct TypeEntry {
    pub def: Arc<TypeDef>,
    pub info: TypeRef,
}

/// Statistics of one relation's columns, by index in `Relation::columns`.
pub type RelationStats = Vec<Option<Arc<ColumnStats>>>;

/// What a commit changed, or a transaction is changing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Touched {
    Relation(Oid),
    RelationName(NameKey),
    Type(Oid),
    TypeName(NameKey),
    Schema(Oid),
    SchemaName(String),
    Sequence(Oid),
    Stats(Oid),
    Role(Oid),
    RoleName(String),
    Database(Oid),
    DatabaseName(String),
    /// Everything of the database (renaming a schema or role, say).
    All,
}

/// Caches of one database, or of the shared catalogs.
#[derive(Default)]
pub struct ObjectCache {
    generation: AtomicU64,
    version: AtomicU64,
    pub relations: Cache<Oid, Option<Arc<Relation>>>,
    pub relation_names: Cache<NameKey, Option<Oid>>,
    pub types: Cache<Oid, Option<TypeEntry>>,
    pub type_names: Cache<NameKey, Option<Oid>>,
    /// Labels of enum values; emptied when any type changes.
    pub enum_labels: Cache<Oid, Option<Arc<str>>>,
    pub schemas: Cache<Oid, Option<Arc<SchemaDef>>>,
    pub schema_names: Cache<String, Option<Oid>>,
    pub sequences: Cache<Oid, Option<Arc<SequenceDef>>>,
    pub stats: Cache<Oid, Arc<RelationStats>>,
    /// Statistics objects of a relation.
    pub extended_stats: Cache<Oid, Arc<Vec<Arc<ExtendedStats>>>>,
    pub roles: Cache<Oid, Option<Arc<RoleDef>>>,
    pub role_names: Cache<String, Option<Oid>>,
    pub databases: Cache<Oid, Option<Arc<DatabaseDef>>>,
    pub database_names: Cache<String, Option<Oid>>,
}

impl ObjectCache {
    /// Read it before the snapshot that an object is loaded with.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
    /// Changes with every commit that touched anything.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
    /// Publishes an object loaded under `generation`.
    pub fn publish<K: Hash + Eq, V: Clone>(&self, cache: &Cache<K, V>, key: K, value: V, generation: u64) {
        cache.insert(key, value, || self.generation() != generation);
    }
    /// Forgets what a commit touched.
    pub fn invalidate<'a>(&self, touched: impl Iterator<Item = &'a Touched>) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        for t in touched {
            match t {
                Touched::Relation(o) => self.relations.remove(o),
                Touched::RelationName(k) => self.relation_names.remove(k),
                Touched::Type(o) => {
                    self.types.remove(o);
                    self.enum_labels.clear();
                }
                Touched::TypeName(k) => self.type_names.remove(k),
                Touched::Schema(o) => self.schemas.remove(o),
                Touched::SchemaName(n) => self.schema_names.remove(n),
                Touched::Sequence(o) => self.sequences.remove(o),
                Touched::Stats(o) => {
                    self.stats.remove(o);
                    self.extended_stats.remove(o);
                }
                Touched::Role(o) => self.roles.remove(o),
                Touched::RoleName(n) => self.role_names.remove(n),
                Touched::Database(o) => self.databases.remove(o),
                Touched::DatabaseName(n) => self.database_names.remove(n),
                Touched::All => self.clear(),
            }
        }
        self.version.fetch_add(1, Ordering::AcqRel);
    }
    fn clear(&self) {
        self.relations.clear();
        self.relation_names.clear();
        self.types.clear();
        self.type_names.clear();
        self.enum_labels.clear();
        self.schemas.clear();
        self.schema_names.clear();
        self.sequences.clear();
        self.stats.clear();
        self.extended_stats.clear();
        self.roles.clear();
        self.role_names.clear();
        self.databases.clear();
        self.database_names.clear();
    }
}

/// What identifies a moment in a transaction: the current subtransaction and command. Both change when earlier changes become visible
/// or are rolled back, so objects cached under another stamp are dropped.
pub type Stamp = (Option<Xid>, CommandId);

/// The uncommitted catalog changes of one transaction.
#[derive(Default)]
pub struct Overlay {
    touched: Mutex<HashSet<Touched>>,
    /// `Touched::All` is among them.
    all: AtomicBool,
    /// What this transaction alone sees, valid under the stamp.
    private: RwLock<(Option<Stamp>, Arc<ObjectCache>)>,
    /// Changes so far, for plan caches.
    changes: AtomicU64,
    /// The database changed; a transaction changes the schema of one only.
    db: AtomicU32,
}

impl Overlay {
    /// The database whose caches the commit concerns; invalid: only the shared ones.
    pub fn db(&self) -> Oid {
        Oid(self.db.load(Ordering::Acquire))
    }
    /// Notes changes about to be made in `db`.
    pub fn touch(&self, db: Oid, touched: impl IntoIterator<Item = Touched>) {
        if db.is_valid() {
            self.db.store(db.0, Ordering::Release);
        }
        let mut set = self.touched.lock();
        for t in touched {
            if t == Touched::All {
                self.all.store(true, Ordering::Release);
            }
            set.insert(t);
        }
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.private.write().0 = None;
    }
    /// Whether the shared cache's answer doesn't hold for this transaction.
    pub fn is_touched(&self, t: &Touched) -> bool {
        self.all.load(Ordering::Acquire) || self.touched.lock().contains(t)
    }
    /// The private cache for this moment.
    pub fn private(&self, stamp: Stamp) -> Arc<ObjectCache> {
        {
            let p = self.private.read();
            if p.0 == Some(stamp) {
                return p.1.clone();
            }
        }
        let mut p = self.private.write();
        if p.0 != Some(stamp) {
            *p = (Some(stamp), Arc::default());
        }
        p.1.clone()
    }
    pub fn take(&self) -> HashSet<Touched> {
        std::mem::take(&mut *self.touched.lock())
    }
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_loaded_before_a_commit_is_not_published_after_it() {
        let c = ObjectCache::default();
        let before = c.generation();
        c.invalidate([Touched::SchemaName("s".into())].iter());
        c.publish(&c.schema_names, "s".into(), Some(Oid(5)), before);
        assert!(c.schema_names.get("s").is_none());
        c.publish(&c.schema_names, "s".into(), Some(Oid(5)), c.generation());
        assert_eq!(c.schema_names.get("s"), Some(Some(Oid(5))));
        c.invalidate([Touched::SchemaName("s".into())].iter());
        assert!(c.schema_names.get("s").is_none());
    }

    #[test]
    fn names_are_found_without_allocation() {
        let c: Cache<NameKey, u32> = Cache::default();
        c.insert(NameKey { schema: Oid(1), name: "t".into() }, 7, || false);
        assert_eq!(c.get(&NameRef(Oid(1), "t")), Some(7));
        assert_eq!(c.get(&NameRef(Oid(2), "t")), None);
    }

    #[test]
    fn a_new_stamp_empties_the_private_cache() {
        let o = Overlay::default();
        let one = o.private((None, CommandId(1)));
        one.publish(&one.schema_names, "s".into(), Some(Oid(5)), one.generation());
        assert!(o.private((None, CommandId(1))).schema_names.get("s").is_some());
        assert!(o.private((None, CommandId(2))).schema_names.get("s").is_none());
        o.touch(Oid(1), [Touched::Schema(Oid(5))]);
        assert!(o.is_touched(&Touched::Schema(Oid(5))));
        assert!(!o.is_touched(&Touched::Schema(Oid(6))));
    }
}
