//! Listening sockets and the set of connections.

use crate::connection;
use crate::hba::Hba;
use crate::reactor::Reactors;
use arc_swap::ArcSwap;
use quarry_common::{Result, err};
use quarry_session::Instance;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

/// Connections the kernel may hold before they are accepted.
const BACKLOG: u32 = 4096;

/// What every connection needs.
pub(crate) struct Shared {
    pub instance: Arc<Instance>,
    pub hba: ArcSwap<Hba>,
    pub authentication_timeout: Duration,
    connections: AtomicUsize,
    connections_max: usize,
}

impl Shared {
    /// Whether the connections left are those kept for superusers.
    pub fn only_reserved_left(&self) -> bool {
        let reserved = self.instance.settings().int("superuser_reserved_connections").max(0) as usize;
        self.connections.load(Ordering::Acquire) > self.connections_max.saturating_sub(reserved)
    }
}

/// A running server.
pub struct ServerHandle {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
}

impl ServerHandle {
    /// The addresses bound.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
    /// Takes new authentication rules for connections to come.
    pub fn set_hba(&self, hba: Hba) {
        self.shared.hba.store(Arc::new(hba));
    }
    /// Stops accepting, ends every session (57P01) and waits for them, `limit` at most.
    pub async fn stop(self, limit: Duration) {
        // No receiver left means that no listener runs any more.
        let _ = self.stop.send(true);
        self.shared.instance.sessions().terminate_all();
        let deadline = tokio::time::Instant::now() + limit;
        while self.shared.connections.load(Ordering::Acquire) > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Binds `addresses`, accepts their connections in the background of the calling runtime and serves them on `reactors`.
pub async fn serve(
    instance: Arc<Instance>,
    hba: Hba,
    addresses: &[SocketAddr],
    reactors: Arc<Reactors>,
) -> Result<ServerHandle> {
    let settings = instance.settings();
    let shared = Arc::new(Shared {
        hba: ArcSwap::from_pointee(hba),
        authentication_timeout: Duration::from_secs(settings.int("authentication_timeout") as u64),
        connections: AtomicUsize::new(0),
        connections_max: settings.int("max_connections") as usize,
        instance,
    });
    let (stop, stopped) = watch::channel(false);
    let mut bound = vec![];
    for address in addresses {
        let listener = bind(*address)?;
        bound.push(listener.local_addr()?);
        tokio::spawn(accept(listener, shared.clone(), stopped.clone(), reactors.clone()));
    }
    tokio::spawn(reactors.balance());
    Ok(ServerHandle { shared, addresses: bound, stop })
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    let listener = socket.bind(address).and_then(|()| socket.listen(BACKLOG));
    listener.map_err(|e| err!(CONNECTION_FAILURE, "could not listen on {address}: {e}"))
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
    reactors: Arc<Reactors>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(pair) => pair,
            Err(e) => {
                // Out of file descriptors, most likely: give sessions a moment to end.
                tracing::warn!("could not accept a connection: {e}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if shared.connections.fetch_add(1, Ordering::AcqRel) >= shared.connections_max {
            shared.connections.fetch_sub(1, Ordering::AcqRel);
            tokio::spawn(connection::refuse_too_many(stream));
            continue;
        }
        connection::spawn(stream, peer, Counted(shared.clone()), reactors.place());
    }
}

/// Counts a connection down when it ends, by a panic too.
pub(crate) struct Counted(Arc<Shared>);

impl Counted {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}
