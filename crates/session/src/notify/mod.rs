//! LISTEN, NOTIFY, UNLISTEN (PostgreSQL: async.c): what a session's transaction has asked for, and what the session listens to.
//!
//! Everything happens at commit: requests gather in [`Notifications`] and are dropped with the (sub)transaction. Notifications reach
//! a listener when it is idle outside a transaction, its own ones before ReadyForQuery.

mod entry;
mod queue;
mod segments;

pub use queue::{Notification, NotifyQueue};

use crate::context::SessionContext;
use crate::protocol;
use crate::seldom::Seldom;
use crate::session::Session;
use bytes::BytesMut;
use hashbrown::HashSet;
use quarry_common::{Lsn, Result, Severity, bail, err};
use std::sync::atomic::{AtomicBool, Ordering};

/// PostgreSQL's limits: NAMEDATALEN, and a page less NAMEDATALEN less 128.
const CHANNEL_BYTES: usize = 64;
const PAYLOAD_BYTES: usize = 8000;
/// Sent at once; the rest after the connection has written it.
const DELIVERED_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Listen(String),
    Unlisten(String),
    UnlistenAll,
}

/// A point in a transaction's requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotifyMark {
    actions: usize,
    pending: usize,
}

#[derive(Default)]
struct State {
    actions: Vec<Action>,
    pending: Vec<Notification>,
    /// Those of `pending`, once they are many.
    seen: HashSet<Notification>,
    /// Channels listened to, in the order of their LISTENs.
    channels: Vec<String>,
}

/// Up to so many notifications are searched one by one.
const LINEAR: usize = 16;

/// A session's part.
#[derive(Default)]
pub struct Notifications {
    state: Seldom<State>,
    /// There are channels.
    listens: AtomicBool,
    /// Something was published, but listeners aren't woken yet.
    published: AtomicBool,
}

impl Notifications {
    /// Queues a notification for the end of the transaction; one that is queued already stands for both.
    pub fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        if channel.is_empty() {
            bail!(INVALID_PARAMETER_VALUE, "channel name cannot be empty");
        }
        if channel.len() >= CHANNEL_BYTES {
            bail!(INVALID_PARAMETER_VALUE, "channel name too long");
        }
        if payload.len() >= PAYLOAD_BYTES {
            bail!(INVALID_PARAMETER_VALUE, "payload string too long");
        }
        let new = Notification { channel: channel.into(), payload: payload.into() };
        let mut state = self.state.lock();
        let State { pending, seen, .. } = &mut *state;
        if pending.len() <= LINEAR {
            if pending.contains(&new) {
                return Ok(());
            }
        } else {
            if seen.is_empty() {
                seen.extend(pending.iter().cloned());
            }
            if !seen.insert(new.clone()) {
                return Ok(());
            }
        }
        pending.push(new);
        Ok(())
    }

    pub fn listen(&self, channel: &str) {
        self.state.lock().actions.push(Action::Listen(channel.to_string()));
    }

    /// None: all channels.
    pub fn unlisten(&self, channel: Option<&str>) {
        let mut state = self.state.lock();
        // Who neither listens nor is about to has nothing to give up.
        if !state.actions.is_empty() || !state.channels.is_empty() {
            state.actions.push(channel.map_or(Action::UnlistenAll, |c| Action::Unlisten(c.to_string())));
        }
    }

    /// Channels listened to.
    pub fn channels(&self) -> Vec<String> {
        self.state.lock().channels.clone()
    }

    /// Whether the transaction has asked for anything.
    pub fn is_pending(&self) -> bool {
        if self.state.is_untouched() {
            return false;
        }
        let state = self.state.lock();
        !state.actions.is_empty() || !state.pending.is_empty()
    }

    pub fn mark(&self) -> NotifyMark {
        let state = self.state.lock();
        NotifyMark { actions: state.actions.len(), pending: state.pending.len() }
    }

    /// Forgets what was asked for since.
    pub fn rollback_to(&self, mark: NotifyMark) {
        let mut state = self.state.lock();
        state.actions.truncate(mark.actions);
        if state.pending.len() > mark.pending {
            state.pending.truncate(mark.pending);
            state.seen.clear();
        }
    }

    /// Forgets all that the transaction asked for.
    pub fn abort(&self) {
        self.rollback_to(NotifyMark::default());
    }
}

/// Commits by `commit`, and does what the transaction asked for if that succeeds.
pub(crate) fn commit(
    cx: &SessionContext,
    commit: impl FnOnce() -> Result<Option<Lsn>>,
) -> Result<Option<Lsn>> {
    let mine = &cx.notifications;
    if !mine.is_pending() {
        return commit();
    }
    let (actions, pending) = {
        let mut state = mine.state.lock();
        state.seen = HashSet::new();
        (std::mem::take(&mut state.actions), std::mem::take(&mut state.pending))
    };
    let (queue, db) = (cx.instance.notify_queue(), cx.database.0);
    let order = (!pending.is_empty()).then(|| queue.order());
    // A session that begins to listen here makes room necessary, but not by what it says itself: that is little.
    queue.check_room(db, &pending)?;
    let lsn = commit()?;
    apply(cx, actions);
    let Some(order) = order else { return Ok(lsn) };
    let waits = cx.settings().text("synchronous_commit") != "off";
    let readable_from = lsn.filter(|_| waits).unwrap_or_default();
    let warning = queue.publish(db, cx.signals.pid, readable_from, pending);
    drop(order);
    mine.published.store(true, Ordering::Relaxed);
    if let Some((usage, slowest)) = warning {
        warn(cx, usage, slowest);
    }
    Ok(lsn)
}

fn warn(cx: &SessionContext, usage: f64, slowest: i32) {
    let mut e = err!(WARNING, "NOTIFY queue is {:.0}% full", usage * 100.0);
    if slowest != 0 {
        e = e
            .detail(format!(
                "The server process with PID {slowest} is among those with the oldest transactions."
            ))
            .hint("The NOTIFY queue cannot be emptied until that process ends its current transaction.");
    }
    cx.push_notice(Severity::Warning, e);
}

/// Listens and stops listening.
fn apply(cx: &SessionContext, actions: Vec<Action>) {
    let (queue, db) = (cx.instance.notify_queue(), cx.database.0);
    let mut state = cx.notifications.state.lock();
    let channels = &mut state.channels;
    let listened = !channels.is_empty();
    for action in actions {
        match action {
            Action::Listen(channel) if channels.contains(&channel) => {}
            Action::Listen(channel) => channels.push(channel),
            Action::Unlisten(channel) => channels.retain(|c| *c != channel),
            Action::UnlistenAll => channels.clear(),
        }
    }
    let listens = !channels.is_empty();
    cx.notifications.listens.store(listens, Ordering::Relaxed);
    match (listened, listens) {
        (false, true) => queue.register(db, &cx.signals),
        (true, false) => queue.unregister(db, cx.signals.pid),
        _ => {}
    }
}

/// The session ends: it listens to nothing any more.
pub(crate) fn end(cx: &SessionContext) {
    wake_listeners(cx);
    cx.notifications.abort();
    apply(cx, vec![Action::UnlistenAll]);
}

/// Wakes the listeners to what this session has published; its commit is durable.
pub(crate) fn wake_listeners(cx: &SessionContext) {
    if cx.notifications.published.load(Ordering::Relaxed) {
        cx.notifications.published.store(false, Ordering::Relaxed);
        cx.instance.notify_queue().wake(cx.database.0, cx.signals.pid);
    }
}

impl Session {
    /// Sends what other sessions (and this one) have notified it of; to be called outside transactions only.
    pub(crate) fn deliver_notifications(&self, out: &mut BytesMut) {
        let cx = &self.cx;
        if !cx.notifications.listens.load(Ordering::Relaxed) {
            return;
        }
        let channels = cx.notifications.channels();
        let visible = cx.instance.storage().wal().visible();
        let wanted = |channel: &str| channels.iter().any(|c| c == channel);
        let queue = cx.instance.notify_queue();
        let send =
            |pid: i32, channel: &str, payload: &str| protocol::notification(out, pid, channel, payload);
        if queue.read(cx.database.0, cx.signals.pid, visible, DELIVERED_BYTES, wanted, send) {
            cx.signals.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(n: &Notifications) -> Vec<String> {
        n.state.lock().pending.iter().map(|p| p.payload.to_string()).collect()
    }

    #[test]
    fn duplicates_fold_and_savepoints_drop() {
        let n = Notifications::default();
        n.notify("a", "1").unwrap();
        let mark = n.mark();
        n.notify("a", "1").unwrap();
        n.notify("a", "2").unwrap();
        n.listen("a");
        n.rollback_to(mark);
        assert_eq!(payloads(&n), ["1"]);
        n.notify("a", "2").unwrap();
        assert_eq!(payloads(&n), ["1", "2"]);
        assert!(n.state.lock().actions.is_empty());
        n.abort();
        assert!(!n.is_pending());
    }

    #[test]
    fn many_fold_too() {
        let n = Notifications::default();
        for i in 0..100 {
            n.notify("a", &(i % 40).to_string()).unwrap();
        }
        assert_eq!(payloads(&n).len(), 40);
        let mark = NotifyMark { actions: 0, pending: 30 };
        n.rollback_to(mark);
        n.notify("a", "35").unwrap();
        n.notify("a", "5").unwrap();
        assert_eq!(payloads(&n).len(), 31);
    }

    #[test]
    fn limits() {
        let n = Notifications::default();
        let message = |r: Result<()>| r.unwrap_err().message().to_string();
        assert_eq!(message(n.notify("", "")), "channel name cannot be empty");
        assert_eq!(message(n.notify(&"x".repeat(64), "")), "channel name too long");
        assert_eq!(message(n.notify("x", &"p".repeat(8000))), "payload string too long");
        n.notify(&"x".repeat(63), &"p".repeat(7999)).unwrap();
    }
}
