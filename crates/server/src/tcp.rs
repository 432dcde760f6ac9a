//! What the settings `tcp_...` make of a connection's socket.

use quarry_common::settings::Settings;
use socket2::{SockRef, TcpKeepalive};
use std::time::Duration;
use tokio::net::TcpStream;

/// The settings as they were put on a socket last; 0 leaves the system's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpOptions {
    idle: i64,
    interval: i64,
    count: i64,
    user_timeout: i64,
}

impl TcpOptions {
    pub fn of(settings: &Settings) -> TcpOptions {
        TcpOptions {
            idle: settings.int("tcp_keepalives_idle"),
            interval: settings.int("tcp_keepalives_interval"),
            count: settings.int("tcp_keepalives_count"),
            user_timeout: settings.int("tcp_user_timeout"),
        }
    }

    /// Puts them on a socket. Probes are sent always, as PostgreSQL does: a client whose machine is gone is found out.
    pub fn apply(&self, stream: &TcpStream) {
        let positive = |v: i64| u64::try_from(v).ok().filter(|v| *v > 0);
        let mut keepalive = TcpKeepalive::new();
        if let Some(s) = positive(self.idle) {
            keepalive = keepalive.with_time(Duration::from_secs(s));
        }
        if let Some(s) = positive(self.interval) {
            keepalive = keepalive.with_interval(Duration::from_secs(s));
        }
        if let Some(n) = positive(self.count) {
            keepalive = keepalive.with_retries(u32::try_from(n).unwrap_or(u32::MAX));
        }
        let socket = SockRef::from(stream);
        let done =
            socket.set_keepalive(true).and_then(|()| socket.set_tcp_keepalive(&keepalive)).and_then(|()| {
                socket.set_tcp_user_timeout(positive(self.user_timeout).map(Duration::from_millis))
            });
        if let Err(e) = done {
            tracing::debug!("keepalive settings of a connection: {e}");
        }
    }
}
