//! What all sessions keep by text (templates, and statements of Parse messages), within a limit of memory: those used longest ago make
//! room.
//!
//! They lie in shards by their key, each behind a lock that is held for a look-up. A session comes here only for texts that it hasn't
//! used lately.

use super::Template;
use super::parsed::ParsedText;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::Oid;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 16;
/// Entries of one fingerprint: texts that differ in layout, or scopes.
const OF_ONE_KEY_MAX: usize = 8;
/// Fingerprints of texts that are not kept which a shard remembers; older ones are forgotten all at once.
const SEEN_MAX: usize = 1024;

/// Something that is kept.
pub trait Entry {
    fn key(&self) -> Key;
    /// How many bytes it takes.
    fn bytes(&self) -> usize;
}

/// Plans of statements that come as text.
pub type TextPlans = SharedTexts<Template>;
/// Statements of Parse messages without a name.
pub type ParsedTexts = SharedTexts<ParsedText>;

/// Under which an entry is found.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub database: Oid,
    pub fingerprint: u64,
}

/// How often a text was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    Again,
    /// No template could be made of it.
    Refused,
}

struct Kept<T> {
    entry: Arc<T>,
    /// When it was last looked up here.
    used: u64,
}

struct Shard<T> {
    kept: HashMap<Key, Vec<Kept<T>>>,
    bytes: usize,
    seen: HashMap<Key, Seen>,
}

impl<T> Default for Shard<T> {
    fn default() -> Shard<T> {
        Shard { kept: HashMap::new(), bytes: 0, seen: HashMap::new() }
    }
}

/// What is kept of texts, of all sessions.
pub struct SharedTexts<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
    /// Most bytes that they may take together.
    limit: usize,
    count: AtomicUsize,
    clock: AtomicU64,
}

impl<T: Entry> SharedTexts<T> {
    pub fn new(limit: usize) -> SharedTexts<T> {
        SharedTexts {
            shards: Default::default(),
            limit,
            count: AtomicUsize::new(0),
            clock: AtomicU64::new(0),
        }
    }

    fn shard(&self, key: Key) -> &Mutex<Shard<T>> {
        &self.shards[(key.fingerprint >> 40) as usize % SHARDS]
    }

    /// Whether there is nothing to be found.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Whether anything is kept at all.
    pub(crate) fn is_on(&self) -> bool {
        self.limit > 0
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|s| s.lock().bytes).sum()
    }

    /// The last entry of a key that `fit` accepts.
    pub(crate) fn find<F>(&self, key: Key, fit: impl Fn(&T) -> Option<F>) -> Option<(Arc<T>, F)> {
        let mut shard = self.shard(key).lock();
        let kept = shard.kept.get_mut(&key)?;
        let (kept, found) = kept.iter_mut().rev().find_map(|k| fit(&k.entry).map(|f| (k, f)))?;
        kept.used = self.clock.fetch_add(1, Ordering::Relaxed);
        Some((kept.entry.clone(), found))
    }

    /// A text went the normal way.
    pub(crate) fn see(&self, key: Key) -> Seen {
        let mut shard = self.shard(key).lock();
        if shard.seen.len() >= SEEN_MAX && !shard.seen.contains_key(&key) {
            shard.seen.clear();
        }
        match shard.seen.get_mut(&key) {
            None => {
                shard.seen.insert(key, Seen::First);
                Seen::First
            }
            Some(seen) => {
                if *seen == Seen::First {
                    *seen = Seen::Again;
                }
                *seen
            }
        }
    }

    /// Nothing can be kept of a text.
    pub(crate) fn refuse(&self, key: Key) {
        self.shard(key).lock().seen.insert(key, Seen::Refused);
    }

    pub(crate) fn insert(&self, entry: T) {
        let (key, bytes) = (entry.key(), entry.bytes());
        let mut shard = self.shard(key).lock();
        let most = self.limit / SHARDS;
        if bytes > most {
            return;
        }
        while shard.bytes + bytes > most && self.drop_oldest(&mut shard) {}
        shard.bytes += bytes;
        let kept = Kept { entry: Arc::new(entry), used: self.clock.fetch_add(1, Ordering::Relaxed) };
        let list = shard.kept.entry(key).or_default();
        list.push(kept);
        let freed = if list.len() > OF_ONE_KEY_MAX { list.remove(0).entry.bytes() } else { 0 };
        shard.bytes -= freed;
        if freed == 0 {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// False: there is none.
    fn drop_oldest(&self, shard: &mut Shard<T>) -> bool {
        let places = shard
            .kept
            .iter()
            .flat_map(|(key, list)| list.iter().enumerate().map(move |(i, kept)| (kept.used, *key, i)));
        let Some((_, key, i)) = places.min_by_key(|(used, _, _)| *used) else { return false };
        if let Some(list) = shard.kept.get_mut(&key) {
            shard.bytes -= list.remove(i).entry.bytes();
            self.count.fetch_sub(1, Ordering::Relaxed);
            if list.is_empty() {
                shard.kept.remove(&key);
            }
        }
        true
    }

    /// Takes out an entry that is of no use any more.
    pub(crate) fn remove(&self, entry: &Arc<T>) {
        let key = entry.key();
        let mut shard = self.shard(key).lock();
        let Some(list) = shard.kept.get_mut(&key) else { return };
        let before = list.len();
        list.retain(|k| !Arc::ptr_eq(&k.entry, entry));
        let (gone, empty) = (before - list.len(), list.is_empty());
        if empty {
            shard.kept.remove(&key);
        }
        shard.bytes -= gone * entry.bytes();
        self.count.fetch_sub(gone, Ordering::Relaxed);
    }
}

/// A hash of a whole text.
pub(super) fn text_hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
