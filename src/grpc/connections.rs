//! Connections, from accept to close.
//!
//! Each takes a slot ([`slots`]) or is refused ([`refusals`]), is served on a task of its own, and gives the slot back.
//! On it: TLS if configured, the HTTP/2 connection preface ([`preface`]), then HTTP/2 ([`http2`]) on a
//! [watched socket](WatchedSocket) that counts what the client sends ([`activity`], [`frames`]) and throttles a client
//! whose requests come to nothing ([`waste`]).
//! Idle and old connections are asked to leave ([`lifetime`]), and so are all of them at shutdown.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};
use tokio_rustls::rustls::ServerConfig;

use super::Settings;
use super::admission::Admission;
use super::auth::Auth;
use super::calls::queue::{CallQueue, Scorer};
use super::calls::{Calls, Shared, UnendedBodies};
use super::limits::Limits;
use super::router::Router;
use super::server_state::ServerState;
use crate::access::Fingerprint;
use crate::telemetry::{ConnectionClosed, ConnectionHeld, HandshakeFailure};
use slots::{Slot, Slots};

mod slots;
mod refusals;
mod http2;
mod frames;
mod preface;
mod lifetime;
mod activity;
mod waste;
mod leaky_bucket;

pub(super) use activity::Activity;
use activity::WatchedSocket;
use http2::Http2Connection;
pub(super) use http2::spawn_unless_ready;
use lifetime::{Lifetime, Verdict};
use preface::NoPreface;
use refusals::Refusals;
use waste::Waste;

/// How long to wait before accepting again after an error: most likely the process is out of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// TCP keepalive: after how long of silence, how often, and how many times the kernel probes the other end.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// What all workers share: settings, connection slots and counters.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    server_state: ServerState,
    settings: Settings,
    workers: usize,
    slots: Arc<Slots>,
    refusals: Arc<Refusals>,
}

impl Edge {
    /// The edge for this many workers; `server_state` holds the counters.
    pub(super) fn new(server_state: ServerState, settings: Settings, workers: usize) -> Self {
        Self {
            server_state,
            workers,
            slots: Slots::new(&settings.limits),
            refusals: Arc::new(Refusals::new()),
            settings,
        }
    }

    /// Serves as one of the workers, on this runtime, until `stop` completes and the calls then open have
    /// ended, or `drain_max` has passed. Connections still open then live until the runtime is dropped.
    pub(super) async fn serve(
        &self,
        listener: TcpListener,
        router: impl FnOnce(Arc<Admission>) -> Router,
        stop: impl Future<Output = ()>,
    ) {
        let Settings {
            limits,
            ref auth,
            drain_max,
            ..
        } = self.settings;
        let admission = Arc::new(Admission::new(&limits, self.workers));
        let router = router(Arc::clone(&admission));
        let queue = CallQueue::default();
        // A set, so that the task ends when this function does.
        let mut scorer = JoinSet::new();
        if let Some(server) = router.risk_server() {
            scorer.spawn(Scorer::new(queue.clone(), server.clone()));
        }
        let server = Server {
            router,
            queue,
            admission,
            server_state: self.server_state.clone(),
            auth: auth.clone(),
            limits,
        };
        let (drain, draining) = watch::channel(());
        tokio::select! {
            () = stop => {}
            never = self.accept(&listener, &server, &draining) => match never {},
        }
        // Closes the listener, so that new clients are refused at once instead of left waiting.
        drop((listener, draining));
        drain.send_replace(());
        let drained = tokio::time::timeout(drain_max, drain.closed());
        if drained.await.is_err() {
            tracing::warn!(?drain_max, "calls were still open at the drain deadline");
        }
    }

    /// Accepts connections, each to be served on a task of its own.
    async fn accept(
        &self,
        listener: &TcpListener,
        server: &Server,
        draining: &watch::Receiver<()>,
    ) -> Infallible {
        let counters = self.server_state.edge();
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.refusals.not_accepted(counters, &error);
                    sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            match self.slots.take(address.ip()) {
                Ok(slot) => {
                    counters.accepted();
                    let connection = Connection { stream, address };
                    let serving = connection.serve(server.clone(), draining.clone(), slot);
                    tokio::spawn(serving);
                }
                // Dropping the stream closes the connection.
                Err(why) => self.refusals.no_place(counters, why, address.ip()),
            }
        }
    }
}

/// An accepted connection.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    address: SocketAddr,
}

impl Connection {
    /// Serves it until the client leaves, or is asked to leave and its calls have ended; then gives back its
    /// slot. Where the address is in debt for wasted work, the connection waits first.
    async fn serve(self, server: Server, mut draining: watch::Receiver<()>, slot: Slot) {
        let Self { stream, address } = self;
        let server_state = server.server_state.clone();
        if let Some(time) = waste::delay_for_debt(&slot, address.port()) {
            server_state.edge().held(ConnectionHeld::Begin);
            tokio::select! {
                () = sleep(time) => {}
                _ = draining.changed() => return server_state.edge().closed(ConnectionClosed::Shutdown),
            }
        }
        let slot = Arc::new(slot);
        let peer = Peer {
            address,
            slot: Arc::clone(&slot),
            draining,
        };
        let closed = match prepare(&stream) {
            Ok(()) => match server.auth.tls() {
                None => server.await_preface(stream, None, peer).await,
                Some(tls) => Box::pin(server.serve_tls(stream, tls, peer)).await,
            },
            Err(_) => ConnectionClosed::Broken,
        };
        server_state.edge().closed(closed);
        tracing::debug!(target: "doublecheck", %address, why = %closed, "a connection ended");
        drop(slot);
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // A small answer must not wait to be sent with the next one.
    stream.set_nodelay(true)?;
    // A client that vanished without closing would keep its slot and its streams for long.
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// The other end of a connection, its slot, and the signal that the service is draining.
#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    slot: Arc<Slot>,
    draining: watch::Receiver<()>,
}

/// What one worker serves its connections with.
#[derive(Debug, Clone)]
struct Server {
    router: Router,
    queue: CallQueue,
    admission: Arc<Admission>,
    server_state: ServerState,
    auth: Auth,
    limits: Limits,
}

impl Server {
    /// Does the TLS handshake, then goes on as [`await_preface`](Self::await_preface). It runs on the
    /// connection's own task, so a slow client holds nobody up.
    async fn serve_tls(
        self,
        stream: TcpStream,
        tls: Arc<ServerConfig>,
        mut peer: Peer,
    ) -> ConnectionClosed {
        let within = Duration::from_millis(self.limits.handshake_ms);
        let agreed = tokio::select! {
            agreed = self.auth.accept_tls(stream, tls, peer.address, within) => agreed,
            _ = peer.draining.changed() => return ConnectionClosed::Shutdown,
        };
        match agreed {
            Ok((io, certificate)) => self.await_preface(io, certificate, peer).await,
            Err(failure) => {
                waste::charge_failed_handshake(&peer.slot);
                match failure {
                    HandshakeFailure::Timeout => ConnectionClosed::Handshake,
                    _ => ConnectionClosed::Broken,
                }
            }
        }
    }

    /// Waits for the HTTP/2 preface on `io`. Nothing is allocated for the connection before it is whole.
    async fn await_preface(
        self,
        mut io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<Fingerprint>,
        peer: Peer,
    ) -> ConnectionClosed {
        let mut handshake = Box::pin(sleep(Duration::from_millis(self.limits.handshake_ms)));
        // During shutdown too: a connection accepted before it is served, and then asked to leave.
        let preface = tokio::select! {
            biased;
            preface = preface::read(&mut io) => preface,
            () = &mut handshake => Err(NoPreface::Slow),
        };
        let closed = match preface {
            // Boxed, so that the large future takes no memory while the preface is waited for.
            Ok(()) => {
                return Box::pin(self.serve_http2(io, certificate, peer, handshake)).await;
            }
            Err(NoPreface::NotHttp2) => ConnectionClosed::NotHttp2,
            Err(NoPreface::Left) => ConnectionClosed::Broken,
            Err(NoPreface::Slow) => ConnectionClosed::Handshake,
        };
        waste::charge_no_preface(&peer.slot);
        closed
    }

    /// Serves HTTP/2 on `io`, of which the preface was read, until the client closes it, it has to be closed, or
    /// the client has left after being asked to. The client's SETTINGS must come before what is left of the
    /// `handshake` timer runs out.
    async fn serve_http2(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<Fingerprint>,
        peer: Peer,
        handshake: Pin<Box<Sleep>>,
    ) -> ConnectionClosed {
        let Peer {
            address,
            slot,
            mut draining,
        } = peer;
        let mut lifetime = Lifetime::new(&self.limits, address.port());
        let activity = Arc::new(Activity::default());
        let waste = Waste::new(slot, self.server_state.clone(), Arc::clone(&activity));
        let io = WatchedSocket::new(io, Arc::clone(&activity), waste, self.queue.clone());
        let shared = Shared {
            server_state: self.server_state,
            admission: self.admission,
            auth: self.auth,
            certificate,
            address,
            activity: Arc::clone(&activity),
            router: self.router,
            queue: self.queue,
            unended: UnendedBodies::default(),
            tools_open: AtomicUsize::new(0),
            discarding: AtomicUsize::new(0),
        };
        let calls = Calls(Arc::new(shared));
        let mut http2 = Http2Connection::new(io, &self.limits, calls);
        let mut check = handshake;
        loop {
            let turn = poll_fn(|cx| {
                activity.begin_turn();
                Pin::new(&mut http2).poll(cx)
            });
            tokio::select! {
                biased;
                ended = turn => return how_ended(ended.is_ok(), &lifetime, &activity),
                _ = draining.changed(), if lifetime.leaving().is_none() => {
                    http2.end();
                    check.as_mut().set(sleep(lifetime.drain()));
                }
                () = &mut check => match lifetime.check(&activity) {
                    Verdict::Live(time) => check.as_mut().set(sleep(time)),
                    Verdict::AskToLeave(time) => {
                        http2.end();
                        check.as_mut().set(sleep(time));
                    }
                    Verdict::Close(why) => return why,
                },
            }
        }
    }
}

fn how_ended(well: bool, lifetime: &Lifetime, activity: &Activity) -> ConnectionClosed {
    match lifetime.leaving() {
        _ if activity.is_flooded() => ConnectionClosed::Flood,
        Some(why) => why,
        None if well => ConnectionClosed::Client,
        None => ConnectionClosed::Broken,
    }
}
