//! The queue of notifications that all sessions of a server share (PostgreSQL: async.c).
//!
//! Each database has a list of its own, of what its listeners have not all read yet; a listener is a position in it. Nothing is
//! kept for a database without listeners. All lists together hold at most [`QUEUE_BYTES`].
//!
//! # Order
//! A committing transaction that notifies holds [`NotifyQueue::order`] from before its commit record to after its entries are in the
//! list: entries stand in commit order. An entry carries the end of its commit record and is read only once that is durable; the
//! committer wakes the listeners after it has waited for that.
//!
//! # Locking
//! `order`, then `state`. `state` is a leaf.

use crate::signals::Signals;
use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard};
use quarry_common::{Error, Lsn, Oid, Result, SqlState};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Room for notifications that some listener hasn't read. PostgreSQL has 8 GB of files; these are in memory.
const QUEUE_BYTES: usize = 1 << 30;
/// What an entry costs beside its texts.
const ENTRY_BYTES: usize = std::mem::size_of::<Entry>() + 32;
/// A queue more than half full is told of this often at most.
const WARN_INTERVAL: Duration = Duration::from_secs(5);

/// A notification as its sender made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    pub channel: Arc<str>,
    pub payload: Arc<str>,
}

struct Entry {
    /// Readable once the log is durable up to here; 0: at once.
    lsn: Lsn,
    pid: i32,
    notification: Notification,
}

impl Entry {
    fn bytes(n: &Notification) -> usize {
        ENTRY_BYTES + n.channel.len() + n.payload.len()
    }
}

struct Listener {
    position: u64,
    signals: Arc<Signals>,
}

/// One database's list.
#[derive(Default)]
struct List {
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    base: u64,
    listeners: HashMap<i32, Listener>,
    /// How many listeners stand at each position.
    positions: BTreeMap<u64, usize>,
}

impl List {
    fn head(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    fn leave_position(&mut self, position: u64) {
        if let Some(count) = self.positions.get_mut(&position) {
            *count -= 1;
            if *count == 0 {
                self.positions.remove(&position);
            }
        }
    }

    /// Drops what everyone has read; its size.
    fn trim(&mut self) -> usize {
        let oldest = self.positions.first_key_value().map_or(self.head(), |(at, _)| *at);
        let mut freed = 0;
        while self.base < oldest
            && let Some(entry) = self.entries.pop_front()
        {
            freed += Entry::bytes(&entry.notification);
            self.base += 1;
        }
        freed
    }
}

#[derive(Default)]
struct State {
    databases: HashMap<Oid, List>,
    warned: Option<Instant>,
}

/// See the module.
pub struct NotifyQueue {
    /// Bytes that all lists may have together.
    room: usize,
    order: Mutex<()>,
    state: Mutex<State>,
    /// Bytes in all lists; changed under `state`, read without.
    used: AtomicUsize,
}

/// A part of what a listener had not read.
pub struct Unread {
    pub notifications: Vec<(i32, Notification)>,
    /// There is more that can be read now.
    pub more: bool,
}

impl Default for NotifyQueue {
    fn default() -> NotifyQueue {
        NotifyQueue::with_room(QUEUE_BYTES)
    }
}

impl NotifyQueue {
    fn with_room(room: usize) -> NotifyQueue {
        NotifyQueue { room, order: Mutex::default(), state: Mutex::default(), used: AtomicUsize::new(0) }
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
        let wanted: usize = notifications.iter().map(Entry::bytes).sum();
        if self.used.load(Ordering::Relaxed) + wanted <= self.room || !self.has_listeners(db) {
            return Ok(());
        }
        Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "too many notifications in the NOTIFY queue"))
    }

    fn has_listeners(&self, db: Oid) -> bool {
        self.state.lock().databases.contains_key(&db)
    }

    /// Puts a committed transaction's notifications into the list. `Some`: the queue is more than half full and someone should say
    /// so: how full, and a process that has read least.
    pub fn publish(
        &self,
        db: Oid,
        pid: i32,
        lsn: Lsn,
        notifications: Vec<Notification>,
    ) -> Option<(f64, i32)> {
        let mut state = self.state.lock();
        let State { databases, warned } = &mut *state;
        let list = databases.get_mut(&db)?;
        let mut added = 0;
        for notification in notifications {
            added += Entry::bytes(&notification);
            list.entries.push_back(Entry { lsn, pid, notification });
        }
        let used = self.used.fetch_add(added, Ordering::Relaxed) + added;
        if used < self.room / 2 || warned.is_some_and(|at| at.elapsed() < WARN_INTERVAL) {
            return None;
        }
        *warned = Some(Instant::now());
        let slowest = databases
            .values()
            .max_by_key(|list| list.entries.len())
            .and_then(|list| list.listeners.iter().min_by_key(|(_, l)| l.position))
            .map_or(0, |(pid, _)| *pid);
        Some((used as f64 / self.room as f64, slowest))
    }

    /// Wakes the database's listeners that have something to read, but for `except`.
    pub fn wake(&self, db: Oid, except: i32) {
        let state = self.state.lock();
        let Some(list) = state.databases.get(&db) else { return };
        let head = list.head();
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
        let position = list.head();
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
            freed += list.entries.iter().map(|e| Entry::bytes(&e.notification)).sum::<usize>();
            state.databases.remove(&db);
        }
        self.used.fetch_sub(freed, Ordering::Relaxed);
    }

    /// What the listener hasn't read and `wanted` names, about `limit` bytes of it, of commits durable up to `durable`.
    pub fn read(
        &self,
        db: Oid,
        pid: i32,
        durable: Lsn,
        limit: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Unread {
        let mut unread = Unread { notifications: vec![], more: false };
        let mut state = self.state.lock();
        let Some(list) = state.databases.get_mut(&db) else { return unread };
        let Some(from) = list.listeners.get(&pid).map(|l| l.position) else { return unread };
        let (mut to, mut bytes) = (from, 0);
        for entry in list.entries.range(usize::try_from(from - list.base).unwrap_or(usize::MAX)..) {
            if entry.lsn > durable {
                break;
            }
            if bytes > limit {
                unread.more = true;
                break;
            }
            to += 1;
            if wanted(&entry.notification.channel) {
                bytes += Entry::bytes(&entry.notification);
                unread.notifications.push((entry.pid, entry.notification.clone()));
            }
        }
        if to != from {
            if let Some(listener) = list.listeners.get_mut(&pid) {
                listener.position = to;
            }
            list.leave_position(from);
            *list.positions.entry(to).or_default() += 1;
            if from == list.base {
                let freed = list.trim();
                self.used.fetch_sub(freed, Ordering::Relaxed);
            }
        }
        unread
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{Activity, Sessions};

    fn note(channel: &str, payload: &str) -> Notification {
        Notification { channel: channel.into(), payload: payload.into() }
    }

    fn read(q: &NotifyQueue, db: u32, pid: i32, durable: u64) -> Vec<String> {
        let unread = q.read(Oid(db), pid, Lsn(durable), 1 << 20, |channel| channel != "deaf");
        unread.notifications.iter().map(|(pid, n)| format!("{pid}:{}:{}", n.channel, n.payload)).collect()
    }

    #[test]
    fn listeners_read_what_is_durable_in_order_and_the_rest_is_dropped() {
        let (sessions, q) = (Sessions::default(), NotifyQueue::default());
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
        let (sessions, q) = (Sessions::default(), NotifyQueue::default());
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
        let (sessions, q) = (Sessions::default(), NotifyQueue::with_room(10 * Entry::bytes(&note("x", "1"))));
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
        let (sessions, q) = (Sessions::default(), NotifyQueue::default());
        let a = sessions.register(1, Activity::default());
        q.register(Oid(5), &a);
        q.publish(Oid(5), 1, Lsn(0), (0..10).map(|i| note("x", &i.to_string())).collect());
        let mut got = 0;
        loop {
            let unread = q.read(Oid(5), a.pid, Lsn(0), 2 * ENTRY_BYTES, |_| true);
            got += unread.notifications.len();
            if !unread.more {
                break;
            }
            assert!(unread.notifications.len() < 10);
        }
        assert_eq!((got, q.usage()), (10, 0.0));
    }
}
