//! The queue of notifications that all sessions of a server share (PostgreSQL: async.c).
//!
//! Each database has a list of its own, of what its listeners have not all read yet; a listener is a position in it. Nothing is
//! kept for a database without listeners. All lists together hold at most [`QUEUE_BYTES`]; of that [`MEMORY_SEGMENTS`] segments and the last one of each
//! list lie in memory, the rest in files ([`super::segments`]), so that a listener that sleeps costs disk, not memory. The files are nobody's after a
//! restart, as nobody listens then.
//!
//! # Order
//! A committing transaction that notifies holds [`NotifyQueue::order`] from before its commit record to after its entries are in the
//! list: entries stand in commit order. An entry carries the end of its commit record and is read only once that is visible; the
//! committer wakes the listeners after it has waited for that.
//!
//! # Locking
//! `order`, then `state`. `state` is a leaf, and not held while files are read or written: what a listener hasn't read stays, and `order` keeps
//! others from moving segments into files.

use super::entry;
use super::segments::{Segments, Source};
use crate::signals::Signals;
use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard};
use quarry_common::{Error, Lsn, Oid, Result, SqlState};
use quarry_storage::disk::Disk;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Room for notifications that some listener hasn't read: PostgreSQL's.
const QUEUE_BYTES: usize = 8 << 30;
/// Closed segments that stay in memory.
const MEMORY_SEGMENTS: usize = 16;
/// A queue more than half full is told of this often at most.
const WARN_INTERVAL: Duration = Duration::from_secs(5);
/// Where the files are.
const DIR: &str = "notify";

/// A notification as its sender made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    pub channel: Arc<str>,
    pub payload: Arc<str>,
}

struct Listener {
    position: u64,
    signals: Arc<Signals>,
}

/// One database's list.
#[derive(Default)]
struct List {
    segments: Segments,
    /// What everyone has read ends here.
    tail: u64,
    listeners: HashMap<i32, Listener>,
    /// How many listeners stand at each position.
    positions: BTreeMap<u64, usize>,
}

/// What has been read by all: its size, and the files that hold it.
#[derive(Default)]
struct Freed {
    bytes: usize,
    files: Vec<u64>,
}

impl List {
    fn leave_position(&mut self, position: u64) {
        if let Some(count) = self.positions.get_mut(&position) {
            *count -= 1;
            if *count == 0 {
                self.positions.remove(&position);
            }
        }
    }

    fn unread(&self) -> usize {
        self.segments.bytes_between(self.tail, self.segments.head())
    }

    /// Drops what everyone has read.
    fn trim(&mut self) -> Freed {
        let oldest = self.positions.first_key_value().map_or(self.segments.head(), |(at, _)| *at);
        let bytes = self.segments.bytes_between(self.tail, oldest);
        self.tail = self.segments.normal(oldest);
        Freed { bytes, files: self.segments.trim(oldest) }
    }
}

#[derive(Default)]
struct State {
    databases: HashMap<Oid, List>,
    warned: Option<Instant>,
}

impl State {
    fn in_memory(&self) -> usize {
        self.databases.values().map(|list| list.segments.in_memory()).sum()
    }
}

/// See the module.
pub struct NotifyQueue {
    /// Where segments go that don't stay in memory.
    disk: Arc<dyn Disk>,
    /// Bytes that all lists may have together.
    room: usize,
    memory_segments: usize,
    order: Mutex<()>,
    state: Mutex<State>,
    /// Bytes in all lists that someone hasn't read; changed under `state`, read without.
    used: AtomicUsize,
}

impl NotifyQueue {
    /// An empty queue. What a former run has left in files goes.
    pub fn new(disk: Arc<dyn Disk>) -> NotifyQueue {
        if let Err(e) = disk.remove_dir_all(DIR) {
            tracing::warn!("old notifications could not be removed: {}", e.message());
        }
        NotifyQueue::with_room(disk, QUEUE_BYTES, MEMORY_SEGMENTS)
    }

    fn with_room(disk: Arc<dyn Disk>, room: usize, memory_segments: usize) -> NotifyQueue {
        NotifyQueue {
            disk,
            room,
            memory_segments,
            order: Mutex::default(),
            state: Mutex::default(),
            used: AtomicUsize::new(0),
        }
    }

    /// To be held from before the commit record to after [`NotifyQueue::publish`].
    pub fn order(&self) -> MutexGuard<'_, ()> {
        self.order.lock()
    }

    /// How full the queue is, from 0 to 1.
    pub fn usage(&self) -> f64 {
        self.used.load(Ordering::Relaxed) as f64 / self.room as f64
    }

    /// 54000 unless there is room for these. What is true stays true while `order` is held.
    pub fn check_room(&self, db: Oid, notifications: &[Notification]) -> Result<()> {
        let wanted: usize = notifications.iter().map(entry::size).sum();
        if self.used.load(Ordering::Relaxed) + wanted <= self.room || !self.has_listeners(db) {
            return Ok(());
        }
        Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "too many notifications in the NOTIFY queue"))
    }

    fn has_listeners(&self, db: Oid) -> bool {
        self.state.lock().databases.contains_key(&db)
    }

    /// Puts a committed transaction's notifications into the list; `order` is held. `Some`: the queue is more than half full and someone should say
    /// so: how full, and a process that has read least.
    pub fn publish(
        &self,
        db: Oid,
        pid: i32,
        lsn: Lsn,
        notifications: Vec<Notification>,
    ) -> Option<(f64, i32)> {
        for n in notifications {
            let mut state = self.state.lock();
            let list = state.databases.get_mut(&db)?;
            let size = entry::size(&n);
            let closed = list.segments.append(size, |out| entry::write(out, lsn, pid, &n));
            self.used.fetch_add(size, Ordering::Relaxed);
            if closed {
                drop(state);
                self.spill(db);
            }
        }
        self.warning()
    }

    fn warning(&self) -> Option<(f64, i32)> {
        let used = self.used.load(Ordering::Relaxed);
        if used < self.room / 2 {
            return None;
        }
        let mut state = self.state.lock();
        let State { databases, warned } = &mut *state;
        if warned.is_some_and(|at| at.elapsed() < WARN_INTERVAL) {
            return None;
        }
        *warned = Some(Instant::now());
        let slowest = databases
            .values()
            .max_by_key(|list| list.unread())
            .and_then(|list| list.listeners.iter().min_by_key(|(_, l)| l.position))
            .map_or(0, |(pid, _)| *pid);
        Some((used as f64 / self.room as f64, slowest))
    }

    /// A list has closed a segment: if too many lie in memory now, its first one goes into a file.
    fn spill(&self, db: Oid) {
        let oldest = {
            let state = self.state.lock();
            match state.databases.get(&db) {
                Some(list) if state.in_memory() > self.memory_segments => list.segments.oldest_in_memory(),
                _ => None,
            }
        };
        let Some((number, from, bytes)) = oldest else { return };
        if let Err(e) = self.write(db, number, from, &bytes) {
            // It stays in memory; the next one that is closed tries again.
            tracing::warn!("notifications could not be written to a file: {}", e.message());
            self.remove(db, &[number]);
            return;
        }
        let is_there =
            self.state.lock().databases.get_mut(&db).is_some_and(|list| list.segments.written(number));
        if !is_there {
            self.remove(db, &[number]);
        }
    }

    fn path(db: Oid, segment: u64) -> String {
        format!("{DIR}/{}_{segment:016X}", db.0)
    }

    fn write(&self, db: Oid, segment: u64, from: usize, bytes: &[u8]) -> Result<()> {
        let path = NotifyQueue::path(db, segment);
        self.disk.create_dir(DIR)?;
        self.disk.remove(&path)?;
        let file = self.disk.open(&path, true)?;
        let file = file.ok_or_else(|| Error::internal(format!("file \"{path}\" was not created")))?;
        file.write_at(bytes, from as u64)
    }

    fn read_file(&self, db: Oid, segment: u64, at: usize) -> Result<Vec<u8>> {
        let path = NotifyQueue::path(db, segment);
        let missing = || Error::corrupted(format!("file \"{path}\" is missing"));
        let file = self.disk.open(&path, false)?.ok_or_else(missing)?;
        let mut bytes = vec![0; (file.len()? as usize).saturating_sub(at)];
        let read = file.read_at(&mut bytes, at as u64)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn remove(&self, db: Oid, segments: &[u64]) {
        for segment in segments {
            if let Err(e) = self.disk.remove(&NotifyQueue::path(db, *segment)) {
                tracing::warn!("old notifications could not be removed: {}", e.message());
            }
        }
    }

    /// Wakes the database's listeners that have something to read, but for `except`.
    pub fn wake(&self, db: Oid, except: i32) {
        let state = self.state.lock();
        let Some(list) = state.databases.get(&db) else { return };
        let head = list.segments.head();
        for (pid, listener) in &list.listeners {
            if *pid != except && listener.position < head {
                listener.signals.wake();
            }
        }
    }

    /// Makes a session a listener: it gets what is published from now on.
    pub fn register(&self, db: Oid, signals: &Arc<Signals>) {
        let mut state = self.state.lock();
        let list = state.databases.entry(db).or_default();
        let position = list.segments.head();
        if !list.listeners.contains_key(&signals.pid) {
            list.listeners.insert(signals.pid, Listener { position, signals: signals.clone() });
            *list.positions.entry(position).or_default() += 1;
        }
    }

    pub fn unregister(&self, db: Oid, pid: i32) {
        let mut state = self.state.lock();
        let Some(list) = state.databases.get_mut(&db) else { return };
        let Some(listener) = list.listeners.remove(&pid) else { return };
        list.leave_position(listener.position);
        let mut freed = list.trim();
        if list.listeners.is_empty() {
            freed.bytes += list.unread();
            freed.files.extend(list.segments.files());
            state.databases.remove(&db);
        }
        self.used.fetch_sub(freed.bytes, Ordering::Relaxed);
        drop(state);
        self.remove(db, &freed.files);
    }

    /// Gives `each` the sender, channel and payload of what the listener hasn't read and `wanted` names, about `limit` bytes of it, of commits visible
    /// up to `visible`. Whether there is more that can be read now.
    pub fn read(
        &self,
        db: Oid,
        pid: i32,
        visible: Lsn,
        limit: usize,
        wanted: impl Fn(&str) -> bool,
        mut each: impl FnMut(i32, &str, &str),
    ) -> bool {
        let mut given = 0;
        loop {
            let (position, source) = {
                let state = self.state.lock();
                let Some(list) = state.databases.get(&db) else { return false };
                let Some(listener) = list.listeners.get(&pid) else { return false };
                let position = list.segments.normal(listener.position);
                (position, list.segments.source(position))
            };
            let (memory, file);
            let bytes: &[u8] = match source {
                Source::End => return false,
                Source::Memory { bytes, at } => {
                    memory = bytes;
                    memory.get(at..).unwrap_or_default()
                }
                Source::Last(bytes) => {
                    file = bytes;
                    &file
                }
                Source::File { segment, at } => match self.read_file(db, segment, at) {
                    Ok(bytes) => {
                        file = bytes;
                        &file
                    }
                    Err(e) => {
                        tracing::error!("notifications could not be read: {}", e.message());
                        return false;
                    }
                },
            };
            let (mut at, mut is_hidden) = (0, false);
            while given <= limit
                && let Some(e) = entry::first(&bytes[at..])
            {
                if e.lsn > visible {
                    is_hidden = true;
                    break;
                }
                if wanted(e.channel) {
                    given += e.size;
                    each(e.pid, e.channel, e.payload);
                }
                at += e.size;
            }
            let more = self.advance(db, pid, position + at as u64);
            if is_hidden || at == 0 || !more {
                return false;
            }
            if given > limit {
                return true;
            }
        }
    }

    /// A listener has read up to there; whether there is more.
    fn advance(&self, db: Oid, pid: i32, to: u64) -> bool {
        let mut state = self.state.lock();
        let Some(list) = state.databases.get_mut(&db) else { return false };
        let to = list.segments.normal(to);
        let Some(listener) = list.listeners.get_mut(&pid) else { return false };
        let from = std::mem::replace(&mut listener.position, to);
        let more = to < list.segments.head();
        let mut freed = Freed::default();
        if to != from {
            list.leave_position(from);
            *list.positions.entry(to).or_default() += 1;
            freed = list.trim();
            self.used.fetch_sub(freed.bytes, Ordering::Relaxed);
        }
        drop(state);
        self.remove(db, &freed.files);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{Activity, Sessions};
    use quarry_storage::disk::FaultDisk;

    fn queue() -> NotifyQueue {
        NotifyQueue::new(Arc::new(FaultDisk::new()))
    }

    fn note(channel: &str, payload: &str) -> Notification {
        Notification { channel: channel.into(), payload: payload.into() }
    }

    fn read(q: &NotifyQueue, db: u32, pid: i32, durable: u64) -> Vec<String> {
        let mut read = vec![];
        q.read(
            Oid(db),
            pid,
            Lsn(durable),
            1 << 20,
            |channel| channel != "deaf",
            |pid, channel, payload| {
                read.push(format!("{pid}:{channel}:{payload}"));
            },
        );
        read
    }

    #[test]
    fn listeners_read_what_is_durable_in_order_and_the_rest_is_dropped() {
        let (sessions, q) = (Sessions::default(), queue());
        let (a, b) = (sessions.register(1, Activity::default()), sessions.register(2, Activity::default()));
        // Nobody listens: nothing is kept.
        q.publish(Oid(5), 9, Lsn(0), vec![note("x", "lost")]);
        q.register(Oid(5), &a);
        q.register(Oid(6), &b);
        assert_eq!(q.usage(), 0.0);
        q.publish(Oid(5), 9, Lsn(100), vec![note("x", "1"), note("deaf", "2")]);
        q.publish(Oid(5), 8, Lsn(0), vec![note("x", "3")]);
        assert!(q.usage() > 0.0);
        assert!(read(&q, 5, a.pid, 99).is_empty());
        assert!(read(&q, 6, b.pid, 200).is_empty());
        assert_eq!(read(&q, 5, a.pid, 100), ["9:x:1", "8:x:3"]);
        assert!(read(&q, 5, a.pid, 100).is_empty());
        assert_eq!(q.usage(), 0.0);
    }

    #[test]
    fn the_slowest_listener_keeps_entries() {
        let (sessions, q) = (Sessions::default(), queue());
        let (a, b) = (sessions.register(1, Activity::default()), sessions.register(2, Activity::default()));
        q.register(Oid(5), &a);
        q.register(Oid(5), &b);
        q.publish(Oid(5), 1, Lsn(0), vec![note("x", "1")]);
        assert_eq!(read(&q, 5, a.pid, 0).len(), 1);
        assert!(q.usage() > 0.0);
        q.publish(Oid(5), 1, Lsn(0), vec![note("x", "2")]);
        q.unregister(Oid(5), b.pid);
        assert!(q.usage() > 0.0);
        assert_eq!(read(&q, 5, a.pid, 0), ["1:x:2"]);
        assert_eq!(q.usage(), 0.0);
        q.publish(Oid(5), 1, Lsn(0), vec![note("x", "3")]);
        q.unregister(Oid(5), a.pid);
        assert_eq!(q.usage(), 0.0);
    }

    #[test]
    fn a_full_queue_warns_once_and_refuses() {
        let (sessions, q) = (
            Sessions::default(),
            NotifyQueue::with_room(Arc::new(FaultDisk::new()), 10 * entry::size(&note("x", "1")), 1),
        );
        let a = sessions.register(1, Activity::default());
        let one = || vec![note("x", "1")];
        // Without listeners nothing is kept, and there is always room.
        assert!(q.check_room(Oid(5), &vec![note("x", "1"); 11]).is_ok());
        q.register(Oid(5), &a);
        let told: Vec<bool> = (0..10)
            .map(|_| {
                q.check_room(Oid(5), &one()).unwrap();
                q.publish(Oid(5), 9, Lsn(0), one()).is_some_and(|(usage, slowest)| {
                    assert_eq!((usage, slowest), (0.5, a.pid));
                    true
                })
            })
            .collect();
        assert_eq!(told.iter().position(|t| *t), Some(4));
        assert_eq!(told.iter().filter(|t| **t).count(), 1);
        assert_eq!(q.usage(), 1.0);
        let e = q.check_room(Oid(5), &one()).unwrap_err();
        assert_eq!(e.message(), "too many notifications in the NOTIFY queue");
        assert_eq!(e.sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
        // Who listens in another database has the same queue before it.
        q.register(Oid(6), &sessions.register(2, Activity::default()));
        assert!(q.check_room(Oid(6), &one()).is_err());
        assert_eq!(read(&q, 5, a.pid, 0).len(), 10);
        assert!(q.check_room(Oid(5), &one()).is_ok());
    }

    #[test]
    fn a_read_is_limited_in_size() {
        let (sessions, q) = (Sessions::default(), queue());
        let a = sessions.register(1, Activity::default());
        q.register(Oid(5), &a);
        q.publish(Oid(5), 1, Lsn(0), (0..10).map(|i| note("x", &i.to_string())).collect());
        let mut got = 0;
        loop {
            let mut now = 0;
            let more =
                q.read(Oid(5), a.pid, Lsn(0), 2 * entry::size(&note("x", "1")), |_| true, |_, _, _| now += 1);
            got += now;
            if !more {
                break;
            }
            assert!(now < 10);
        }
        assert_eq!((got, q.usage()), (10, 0.0));
    }

    #[test]
    fn what_a_sleeper_has_not_read_lies_in_files() {
        let disk = FaultDisk::new();
        disk.create_dir(DIR).unwrap();
        disk.open("notify/left", true).unwrap();
        let q = NotifyQueue::new(Arc::new(disk.clone()));
        assert!(disk.list(DIR).unwrap().is_empty(), "of a former run");
        let q = NotifyQueue { memory_segments: 2, ..q };
        let sessions = Sessions::default();
        let (sleeper, reader) =
            (sessions.register(1, Activity::default()), sessions.register(2, Activity::default()));
        q.register(Oid(5), &sleeper);
        q.register(Oid(5), &reader);
        let payload = |n: u32| format!("{n}{}", "x".repeat(n as usize % 5000));
        let sum: usize = (0..2000).map(|n| entry::size(&note("x", &payload(n)))).sum();
        let files = || disk.list(DIR).unwrap().len();
        for n in 0..2000 {
            let order = q.order();
            q.publish(Oid(5), 9, Lsn(0), vec![note("x", &payload(n))]);
            drop(order);
            // One that keeps up reads from memory.
            assert_eq!(read(&q, 5, reader.pid, 0), [format!("9:x:{}", payload(n))]);
        }
        assert_eq!(q.used.load(Ordering::Relaxed), sum);
        let segments = sum / super::super::segments::SEGMENT_BYTES;
        assert!(files() >= segments - 3, "{} files of {segments} segments", files());
        assert_eq!(q.state.lock().in_memory(), 2);
        // The sleeper gets everything, in order and once, and the files go.
        let mut next = 0;
        let mut rounds = 0;
        loop {
            let more = q.read(
                Oid(5),
                sleeper.pid,
                Lsn(0),
                100_000,
                |_| true,
                |_, _, text| {
                    assert_eq!(text, payload(next));
                    next += 1;
                },
            );
            rounds += 1;
            if !more {
                break;
            }
        }
        assert_eq!((next, q.usage(), files(), q.state.lock().in_memory()), (2000, 0.0, 0, 0));
        assert!(rounds > 20);
        // Nobody listens any more: what is there goes, too.
        for n in 0..2000 {
            q.publish(Oid(5), 9, Lsn(0), vec![note("x", &payload(n))]);
        }
        assert!(files() > 0);
        q.unregister(Oid(5), reader.pid);
        assert!(q.usage() > 0.0);
        q.unregister(Oid(5), sleeper.pid);
        assert_eq!((q.usage(), files()), (0.0, 0));
    }

    #[test]
    fn without_room_on_the_disk_it_stays_in_memory() {
        let disk = FaultDisk::new();
        let q = NotifyQueue::with_room(Arc::new(disk.clone()), 1 << 30, 0);
        let a = Sessions::default().register(1, Activity::default());
        q.register(Oid(5), &a);
        disk.set_capacity(Some(0));
        let text = "y".repeat(7000);
        for n in 0..200 {
            if n == 120 {
                disk.set_capacity(None);
            }
            q.publish(Oid(5), 9, Lsn(0), vec![note("x", &text)]);
        }
        assert!(!disk.list(DIR).unwrap().is_empty());
        let mut got = 0;
        assert!(!q.read(
            Oid(5),
            a.pid,
            Lsn(0),
            usize::MAX,
            |_| true,
            |_, _, t| got += usize::from(t == text)
        ));
        assert_eq!((got, q.usage()), (200, 0.0));
    }
}
