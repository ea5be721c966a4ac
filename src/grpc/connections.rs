//! Connections: accepted, given a place, served on a task of their own, and asked to leave at the end.

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
use super::calls::{Calls, Shared};
use super::door::Door;
use super::entry::Entry;
use super::limits::Limits;
use super::line::{Clerk, Line};
use super::places::{Place, Places};
use super::received::Endings;
use super::services::Services;
use crate::access::Fingerprint;
use crate::telemetry::{ConnectionClosed, ConnectionHeld, ConnectionRefused, HandshakeFailure};

mod conversation;
mod frames;
mod greeting;
mod life;
mod pulse;
mod waste;

use conversation::Conversation;
pub(super) use conversation::begin_now;
use greeting::{Greeted, Ungreeted};
use life::{Life, Verdict};
pub(super) use pulse::Pulse;
use pulse::Watched;
use waste::Waste;

/// After how long it is tried again to accept a connection, where the process has no more files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// After how long of silence, how often and how many times the kernel asks whether the other end is there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_ASKS: u32 = 3;

/// What the workers share of the edge.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    door: Door,
    settings: Settings,
    workers: usize,
    places: Arc<Places>,
}

impl Edge {
    /// The edge of so many workers, counted at the `door`.
    pub(super) fn new(door: Door, settings: Settings, workers: usize) -> Self {
        Self {
            door,
            workers,
            places: Places::new(&settings.limits),
            settings,
        }
    }

    /// Serves as one of the workers, on this runtime, until `stop` completes and the calls that are open
    /// then have ended, or the time for that has passed. Connections that are open beyond it live until
    /// the runtime does not.
    pub(super) async fn serve(
        &self,
        listener: TcpListener,
        services: impl FnOnce(Arc<Admission>) -> Services,
        stop: impl Future<Output = ()>,
    ) {
        let Settings {
            limits,
            ref entry,
            drain_max,
            ..
        } = self.settings;
        let admission = Arc::new(Admission::new(&limits, self.workers));
        let services = services(Arc::clone(&admission));
        let line = Line::default();
        // Ends with this.
        let mut clerk = JoinSet::new();
        if let Some(direct) = services.direct() {
            clerk.spawn(Clerk::new(line.clone(), direct.clone()));
        }
        let server = Server {
            services,
            line,
            admission,
            door: self.door.clone(),
            entry: entry.clone(),
            limits,
        };
        let (drain, draining) = watch::channel(());
        tokio::select! {
            () = stop => {}
            never = self.accept(&listener, &server, &draining) => match never {},
        }
        // Who comes now is refused at once, not left waiting.
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
        let counters = self.door.edge();
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    counters.refused(ConnectionRefused::Accept);
                    tracing::debug!(target: "doublecheck", %error, "a connection could not be accepted");
                    sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            match self.places.take(address.ip()) {
                Ok(place) => {
                    counters.accepted();
                    let connection = Connection { stream, address };
                    let serving = connection.serve(server.clone(), draining.clone(), place);
                    tokio::spawn(serving);
                }
                // Dropping it closes it.
                Err(why) => counters.refused(why),
            }
        }
    }
}

/// A connection that was accepted.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    address: SocketAddr,
}

impl Connection {
    /// Serves it until the client leaves, or is asked to and its calls have ended; then gives back its
    /// place. One whose address owes much for nothing waits first.
    async fn serve(self, server: Server, mut draining: watch::Receiver<()>, place: Place) {
        let Self { stream, address } = self;
        let door = server.door.clone();
        if let Some(time) = waste::time_to_wait(&place, address.port()) {
            door.edge().held(ConnectionHeld::Begin);
            tokio::select! {
                () = sleep(time) => {}
                _ = draining.changed() => return door.edge().closed(ConnectionClosed::Shutdown),
            }
        }
        let place = Arc::new(place);
        let peer = Peer {
            address,
            place: Arc::clone(&place),
            draining,
        };
        let closed = match prepare(&stream) {
            Ok(()) => match server.entry.tls() {
                None => server.welcome(stream, None, peer).await,
                Some(tls) => Box::pin(server.converse_by_tls(stream, tls, peer)).await,
            },
            Err(_) => ConnectionClosed::Broken,
        };
        door.edge().closed(closed);
        tracing::debug!(target: "doublecheck", %address, why = %closed, "a connection ended");
        drop(place);
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // A small answer must not wait for more to come.
    stream.set_nodelay(true)?;
    // A client that vanished without a word would keep its place and its streams for long.
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_ASKS);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Who is at the other end, and until when.
#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    place: Arc<Place>,
    draining: watch::Receiver<()>,
}

/// What connections are served with.
#[derive(Debug, Clone)]
struct Server {
    services: Services,
    line: Line,
    admission: Arc<Admission>,
    door: Door,
    entry: Entry,
    limits: Limits,
}

impl Server {
    /// Agrees on TLS first: on this task that holds nobody up.
    async fn converse_by_tls(
        self,
        stream: TcpStream,
        tls: Arc<ServerConfig>,
        mut peer: Peer,
    ) -> ConnectionClosed {
        let within = Duration::from_millis(self.limits.handshake_ms);
        let agreed = tokio::select! {
            agreed = self.entry.agree_on_tls(stream, tls, within) => agreed,
            _ = peer.draining.changed() => return ConnectionClosed::Shutdown,
        };
        match agreed {
            Ok((io, certificate)) => self.welcome(io, certificate, peer).await,
            Err(failure) => {
                waste::handshake(&peer.place);
                match failure {
                    HandshakeFailure::Timeout => ConnectionClosed::Handshake,
                    _ => ConnectionClosed::Broken,
                }
            }
        }
    }

    /// Waits for the greeting on `io`, and makes nothing for the connection before.
    async fn welcome(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<Fingerprint>,
        peer: Peer,
    ) -> ConnectionClosed {
        let mut handshake = Box::pin(sleep(Duration::from_millis(self.limits.handshake_ms)));
        // At the end of the service too: what was accepted before it is heard, and then asked to leave.
        let greeted = tokio::select! {
            biased;
            greeted = greeting::read(io) => greeted,
            () = &mut handshake => Err(Ungreeted::Slow),
        };
        let closed = match greeted {
            // In a box of its own: while the greeting is waited for there is no room for it either.
            Ok(io) => {
                return Box::pin(self.converse(io, certificate, peer, handshake)).await;
            }
            Err(Ungreeted::NotHttp2) => ConnectionClosed::NotHttp2,
            Err(Ungreeted::Left) => ConnectionClosed::Broken,
            Err(Ungreeted::Slow) => ConnectionClosed::Handshake,
        };
        waste::silent(&peer.place);
        closed
    }

    /// Speaks HTTP/2 on `io` until it ends, is to be closed, or the client has left when asked to. It has what is
    /// left of its `handshake` for its settings.
    async fn converse(
        self,
        io: Greeted<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
        certificate: Option<Fingerprint>,
        peer: Peer,
        handshake: Pin<Box<Sleep>>,
    ) -> ConnectionClosed {
        let Peer {
            address,
            place,
            mut draining,
        } = peer;
        let mut life = Life::new(&self.limits, address.port());
        let pulse = Arc::new(Pulse::default());
        let waste = Waste::new(place, self.door.clone(), Arc::clone(&pulse));
        let io = Watched::new(io, Arc::clone(&pulse), waste, self.line.clone());
        let shared = Shared {
            door: self.door,
            admission: self.admission,
            entry: self.entry,
            certificate,
            pulse: Arc::clone(&pulse),
            services: self.services,
            line: self.line,
            endings: Endings::default(),
            tools_open: AtomicUsize::new(0),
            going_by: AtomicUsize::new(0),
        };
        let calls = Calls(Arc::new(shared));
        let mut conversation = Conversation::new(io, &self.limits, calls);
        let mut look = handshake;
        loop {
            let turn = poll_fn(|cx| {
                pulse.begin_turn();
                Pin::new(&mut conversation).poll(cx)
            });
            tokio::select! {
                biased;
                ended = turn => return how_ended(ended.is_ok(), &life, &pulse),
                _ = draining.changed(), if life.leaving().is_none() => {
                    conversation.end();
                    look.as_mut().set(sleep(life.drain()));
                }
                () = &mut look => match life.look(&pulse) {
                    Verdict::Live(time) => look.as_mut().set(sleep(time)),
                    Verdict::AskToLeave(time) => {
                        conversation.end();
                        look.as_mut().set(sleep(time));
                    }
                    Verdict::Close(why) => return why,
                },
            }
        }
    }
}

fn how_ended(well: bool, life: &Life, pulse: &Pulse) -> ConnectionClosed {
    match life.leaving() {
        _ if pulse.is_flooded() => ConnectionClosed::Flood,
        Some(why) => why,
        None if well => ConnectionClosed::Client,
        None => ConnectionClosed::Broken,
    }
}
