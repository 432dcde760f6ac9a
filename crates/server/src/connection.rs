//! One connection: the task between a socket and its session.
//!
//! Input is framed out of one buffer and handed over message by message; output gathers in another and is written when the
//! input has no whole message left, when the session says so, or when it has grown past [`FLUSH_BYTES`]. Both buffers go back to
//! the thread's [`spare`] ones while the connection idles: an idle connection costs a few kilobytes, and the next one that the
//! thread serves finds buffers that its processor has at hand.

use crate::listener::{Counted, Shared};
use crate::reactor::Place;
use crate::startup::{Startup, StartupParams};
use crate::tcp::TcpOptions;
use crate::{auth, frame, spare, startup};
use bytes::{Buf, BytesMut};
use quarry_common::{Error, Result, Severity, err};
use quarry_session::{Request, Session, SessionStart, Signals, Step, log, protocol};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Sleep;

/// Output is written to the socket once it is this long.
const FLUSH_BYTES: usize = 16 * 1024;
/// Room made for input at each read.
const READ_BYTES: usize = 8 * 1024;

/// Serves an accepted connection on the reactor of `place`, from its first byte to its last.
pub(crate) fn spawn(stream: TcpStream, peer: SocketAddr, counted: Counted, place: Place) {
    let Some(stream) = leave_poller(stream, peer) else { return };
    place.handle().clone().spawn(async move {
        if let Some(stream) = join_poller(stream, peer) {
            run(stream, peer, counted, place).await;
        }
    });
}

/// Takes a socket from the poller of the reactor it was on.
fn leave_poller(stream: TcpStream, peer: SocketAddr) -> Option<std::net::TcpStream> {
    stream.into_std().inspect_err(|e| tracing::warn!(%peer, "connection lost: {e}")).ok()
}

/// Gives a socket to the poller of the reactor that runs this.
fn join_poller(stream: std::net::TcpStream, peer: SocketAddr) -> Option<TcpStream> {
    TcpStream::from_std(stream).inspect_err(|e| tracing::warn!(%peer, "connection lost: {e}")).ok()
}

async fn run(mut stream: TcpStream, peer: SocketAddr, counted: Counted, place: Place) {
    let shared = counted.shared();
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!(%peer, "no TCP_NODELAY: {e}");
    }
    let tcp = TcpOptions::of(&shared.instance.settings());
    tcp.apply(&stream);
    if shared.instance.settings().bool("log_connections") {
        log_received(shared, peer);
    }
    let limit = shared.authentication_timeout;
    let mut out = BytesMut::new();
    let session = match place.timeout(limit, start(&mut stream, peer, shared, &mut out)).await {
        Ok(Ok(Some(session))) => session,
        Ok(Ok(None)) => return,
        Ok(Err(e)) => {
            let fatal = if e.fields().severity < Severity::Fatal { e.severity(Severity::Fatal) } else { e };
            tracing::info!(%peer, "connection refused: {}", fatal.message());
            out.clear();
            protocol::error_or_notice(&mut out, &fatal, None);
            // The client may be gone already; there is nobody else to tell.
            let _ = stream.write_all(&out).await;
            let _ = stream.shutdown().await;
            return;
        }
        Err(_) => return,
    };
    let connection = Connection {
        stream,
        signals: session.signals().clone(),
        woken: Box::pin(session.signals().woken()),
        session,
        input: BytesMut::new(),
        out,
        tcp,
        settings_version: 0,
        alarm: None,
    };
    keep(connection, peer, counted, place).await;
}

/// Serves a session on the reactor of `place`, until it ends or moves.
async fn keep(mut connection: Connection, peer: SocketAddr, counted: Counted, mut place: Place) {
    match connection.serve(&mut place).await {
        Ok(None) => {}
        Ok(Some(better)) => move_to(connection, peer, counted, better),
        Err(e) => tracing::debug!(%peer, "connection lost: {}", e.message()),
    }
}

/// Goes on serving a session on another reactor.
fn move_to(connection: Connection, peer: SocketAddr, counted: Counted, place: Place) {
    let Connection { stream, session, signals, woken, input, out, tcp, settings_version, alarm } = connection;
    let Some(stream) = leave_poller(stream, peer) else { return };
    place.handle().clone().spawn(async move {
        if let Some(stream) = join_poller(stream, peer) {
            let connection =
                Connection { stream, session, signals, woken, input, out, tcp, settings_version, alarm };
            keep(connection, peer, counted, place).await;
        }
    });
}

/// Negotiates, authenticates, makes the session. `None`: there is none to make.
async fn start(
    stream: &mut TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    out: &mut BytesMut,
) -> Result<Option<Session>> {
    let params = match startup::negotiate(stream).await? {
        Startup::Session(params) => params,
        Startup::Cancel { pid, secret } => {
            shared.instance.sessions().cancel(pid, secret);
            return Ok(None);
        }
        Startup::Gone => return Ok(None),
    };
    negotiate_version(&params, out);
    let role = shared.instance.login_role(&params.user)?;
    let is_member = |group: &str| shared.instance.is_member(&params.user, group);
    auth::authenticate(stream, &shared.hba.load(), &params, peer.ip(), role.as_ref(), &is_member, out)
        .await?;
    if role.as_ref().is_none_or(|r| !r.superuser) && shared.only_reserved_left() {
        return Err(err!(
            TOO_MANY_CONNECTIONS,
            "remaining connection slots are reserved for non-replication superuser connections"
        )
        .severity(Severity::Fatal));
    }
    let start = SessionStart {
        user: params.user.clone(),
        database: params.database.clone(),
        settings: params.settings.clone(),
        client_address: Some(peer),
    };
    Session::start(shared.instance.clone(), start, out).map(Some)
}

/// Tells a client that asked for more than protocol 3.0 what it gets.
fn negotiate_version(params: &StartupParams, out: &mut BytesMut) {
    use bytes::BufMut;
    if params.minor_version == 0 && params.protocol_options.is_empty() {
        return;
    }
    let at = protocol::begin(out, b'v');
    out.put_i32(3 << 16);
    out.put_i32(params.protocol_options.len() as i32);
    for option in &params.protocol_options {
        out.put_slice(option.as_bytes());
        out.put_u8(0);
    }
    protocol::finish(out, at);
}

/// What a connection waited for.
enum Event {
    /// So many bytes came; 0: the client is gone.
    Input(usize),
    /// There is something to tell the client, or the session has to end.
    Woken,
    IdleTooLong,
}

struct Connection {
    stream: TcpStream,
    session: Session,
    signals: Arc<Signals>,
    /// Stays registered from one wait to the next, as most waits end with input.
    woken: Pin<Box<OwnedNotified>>,
    input: BytesMut,
    out: BytesMut,
    /// What stands on the socket.
    tcp: TcpOptions,
    /// The session's settings that were looked at for it.
    settings_version: u64,
    /// Rings when the client may have been silent for too long: at the latest when it has, perhaps sooner. It stays from one wait to the next, as
    /// setting it costs more than a wait does.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// The line of a connection that nothing is known of yet.
fn log_received(shared: &Shared, peer: SocketAddr) {
    let Some(sink) = shared.instance.log_sink() else { return };
    let place = log::Place {
        application: "[unknown]",
        user: "[unknown]",
        database: "[unknown]",
        client: Some(peer),
        pid: 0,
        started: quarry_session::now(),
        sqlstate: "00000",
        session: true,
    };
    let prefix = log::prefix(&shared.instance.settings(), &place);
    sink(&format!("{prefix}LOG:  connection received: host={} port={}\n", peer.ip(), peer.port()));
}

impl Connection {
    /// Serves the session to its end (`None`), or until it had better move to another place.
    async fn serve(&mut self, place: &mut Place) -> Result<Option<Place>> {
        self.flush().await?;
        loop {
            if !self.handle_buffered(place).await? {
                break;
            }
            self.flush().await?;
            if let Some(better) = place.better() {
                return Ok(Some(better));
            }
            if !self.read_more(place).await? {
                break;
            }
        }
        self.close().await.map(|()| None)
    }

    /// Handles every whole message in the input buffer. False: the session is over.
    async fn handle_buffered(&mut self, place: &Place) -> Result<bool> {
        // The messages before this are dealt with, and leave the buffer together.
        let mut at = 0;
        loop {
            if at == self.input.len() {
                self.input.clear();
                return Ok(true);
            }
            let total = match frame::next_frame(&self.input[at..]) {
                Ok(Some((_, total))) => total,
                Ok(None) => {
                    self.input.advance(at);
                    return Ok(true);
                }
                Err(e) => {
                    protocol::error_or_notice(&mut self.out, &e, None);
                    return Ok(false);
                }
            };
            if self.out.capacity() == 0 {
                self.out = spare::take();
            }
            let message = &self.input[at..at + total];
            let mut step = match frame::decode(message) {
                Ok(Request::Terminate) => return Ok(false),
                Ok(ref request) => self.session.handle(request, &mut self.out),
                Err(e) => self.session.bad_message(message[0], e, &mut self.out),
            };
            at += total;
            loop {
                match step {
                    Step::Ready => break,
                    Step::More => self.flush().await?,
                    // Nobody else can do anything on this thread meanwhile: it needn't wake another, and be woken, to write the log.
                    Step::WaitDurable(lsn) if place.is_alone() => self.session.instance().make_durable(lsn),
                    Step::WaitDurable(lsn) => self.session.instance().wait_durable(lsn).await,
                    Step::Closed => return Ok(false),
                }
                step = self.session.resume(&mut self.out);
            }
            if self.out.len() >= FLUSH_BYTES {
                self.flush().await?;
            }
        }
    }

    /// Waits for input, or for something to tell an idle client. False: the client is gone or must go.
    async fn read_more(&mut self, place: &Place) -> Result<bool> {
        let version = self.session.settings_version();
        if version != self.settings_version {
            self.settings_version = version;
            let tcp = TcpOptions::of(&self.session.settings());
            if tcp != self.tcp {
                tcp.apply(&self.stream);
                self.tcp = tcp;
            }
        }
        if self.input.is_empty() {
            spare::give(std::mem::take(&mut self.input));
        }
        loop {
            match self.wait(place).await? {
                Event::Input(bytes) => return Ok(bytes > 0),
                Event::Woken => {
                    if self.session.on_signal(&mut self.out) == Step::Closed {
                        return Ok(false);
                    }
                    self.flush().await?;
                }
                Event::IdleTooLong => {
                    self.session.end_idle(&mut self.out);
                    return Ok(false);
                }
            }
        }
    }

    /// Waits for what comes next. Input goes first, except where the session has to end: a client that never pauses must not keep it.
    async fn wait(&mut self, place: &Place) -> Result<Event> {
        let idle_until = self.session.idle_until();
        if let Some(until) = idle_until {
            self.set_alarm(until, place);
        }
        let Connection { stream, signals, input, woken, alarm, .. } = self;
        let mut has_waited = false;
        std::future::poll_fn(|cx| {
            // No buffer is held while nothing comes; but who has waited and is woken has input as a rule, and need not ask before it reads.
            if !signals.is_terminated() && (has_waited || stream.poll_read_ready(cx)?.is_ready()) {
                if input.capacity() == 0 {
                    *input = spare::take();
                }
                input.reserve(READ_BYTES);
                // Unlike `try_read_buf` this takes a read that doesn't fill the buffer for the last one, which saves a call to the
                // system for each message.
                if let Poll::Ready(read) = pin!(stream.read_buf(input)).poll(cx) {
                    return Poll::Ready(Ok(Event::Input(read?)));
                }
                if input.is_empty() {
                    spare::give(std::mem::take(input));
                }
            }
            has_waited = true;
            if woken.as_mut().poll(cx).is_ready() {
                woken.set(signals.woken());
                return Poll::Ready(Ok(Event::Woken));
            }
            if let (Some(until), Some(alarm)) = (idle_until, &mut *alarm) {
                while alarm.as_mut().poll(cx).is_ready() {
                    if Instant::now() >= until {
                        return Poll::Ready(Ok(Event::IdleTooLong));
                    }
                    alarm.as_mut().reset(until.into());
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Has the alarm ring at that time, or before it.
    fn set_alarm(&mut self, until: Instant, place: &Place) {
        match &mut self.alarm {
            Some(alarm) if alarm.deadline().into_std() <= until => {}
            Some(alarm) => alarm.as_mut().reset(until.into()),
            none => *none = Some(Box::pin(place.alarm(until))),
        }
    }

    async fn flush(&mut self) -> Result<()> {
        if !self.out.is_empty() {
            // Mostly the socket takes it all at once. If it has failed, that is said again here.
            let written = self.stream.try_write(&self.out).unwrap_or(0);
            if written < self.out.len() {
                self.stream.write_all(&self.out[written..]).await?;
            }
            self.out.clear();
        }
        if self.input.is_empty() {
            spare::give(std::mem::take(&mut self.out));
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.session.end();
        if !self.out.is_empty() {
            self.stream.write_all(&self.out).await?;
        }
        self.stream.shutdown().await?;
        Ok(())
    }
}

/// 53300, for connections over the limit.
pub(crate) async fn refuse_too_many(mut stream: TcpStream) {
    // The client must have sent its start-up packet before it reads an answer; whatever comes is not looked at.
    let mut first = [0u8; 512];
    let wait = std::time::Duration::from_secs(5);
    let _ = tokio::time::timeout(wait, stream.read(&mut first)).await;
    let e: Error = err!(TOO_MANY_CONNECTIONS, "sorry, too many clients already").severity(Severity::Fatal);
    let mut out = BytesMut::new();
    protocol::error_or_notice(&mut out, &e, None);
    let _ = stream.write_all(&out).await;
    let _ = stream.shutdown().await;
}
