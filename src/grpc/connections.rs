//! Connections: accepted, given a place, served on a task of their own, and asked to leave at the end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tonic::Status;
use tonic::codegen::Service as _;
use tonic::service::Routes;

use super::Settings;
use super::entry::Entry;
use super::places::{Place, Places};
use crate::access::Fingerprint;

/// After how long it is tried again to accept a connection, where the process has no more files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// How long agreeing on TLS may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// What the workers share of the edge.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    places: Arc<Places>,
    entry: Entry,
}

impl Edge {
    pub(super) fn new(settings: &Settings) -> Self {
        let places = Places::new(&settings.limits);
        let entry = settings.entry.clone();
        Self { places, entry }
    }

    /// Serves `routes` on this runtime until `stop` completes and the calls that are open then have
    /// ended, or `drain_max` has passed. Connections that are open beyond it live until the runtime does
    /// not.
    pub(super) async fn serve(
        &self,
        listener: TcpListener,
        routes: Routes,
        stop: impl Future<Output = ()>,
        drain_max: Duration,
    ) {
        let server = Server {
            http2: self.http2(),
            routes: routes.prepare(),
            entry: self.entry.clone(),
        };
        let (drain, draining) = watch::channel(());
        tokio::select! {
            () = stop => {}
            never = self.accept(&listener, &server, &draining) => match never {},
        }
        // Who comes now is refused at once, not left waiting.
        drop((listener, draining));
        drain.send_replace(());
        if tokio::time::timeout(drain_max, drain.closed())
            .await
            .is_err()
        {
            tracing::warn!(?drain_max, "calls were still open at the drain deadline");
        }
    }

    fn http2(&self) -> http2::Builder<TokioExecutor> {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2.timer(TokioTimer::new());
        http2
    }

    /// Accepts connections, each to be served on a task of its own.
    async fn accept(
        &self,
        listener: &TcpListener,
        server: &Server,
        draining: &watch::Receiver<()>,
    ) -> Infallible {
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(target: "doublecheck", %error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            // Without a place it is closed at once: by dropping it.
            if let Ok(place) = self.places.take(address.ip()) {
                let connection = Connection {
                    stream,
                    address,
                    place,
                };
                tokio::spawn(connection.serve(server.clone(), draining.clone()));
            }
        }
    }
}

/// What connections are served with.
#[derive(Debug, Clone)]
struct Server {
    http2: http2::Builder<TokioExecutor>,
    routes: Routes,
    entry: Entry,
}

/// A connection that was accepted.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    /// Given back once the connection is closed.
    place: Place,
}

impl Connection {
    /// Serves it until the client leaves, or is asked to and its calls have ended.
    async fn serve(self, server: Server, draining: watch::Receiver<()>) {
        let Self {
            stream,
            address,
            place,
        } = self;
        // A small answer must not wait for more to come.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(target: "doublecheck", %error, %address, "a connection ended at once");
            return;
        }
        match server.entry.tls() {
            None => server.converse(stream, None, draining).await,
            Some(tls) => server.converse_by_tls(stream, tls, draining).await,
        }
        drop(place);
    }
}

impl Server {
    /// Agrees on TLS first. On this task that holds nobody up.
    async fn converse_by_tls(
        self,
        stream: TcpStream,
        tls: Arc<ServerConfig>,
        mut draining: watch::Receiver<()>,
    ) {
        let agreed = tokio::select! {
            agreed = self.entry.agree_on_tls(stream, tls, HANDSHAKE_MAX) => agreed,
            _ = draining.changed() => return,
        };
        match agreed {
            Ok((stream, certificate)) => self.converse(stream, certificate, draining).await,
            Err(failure) => {
                tracing::debug!(target: "doublecheck", reason = failure.name(), "no TLS was agreed on");
            }
        }
    }

    /// Speaks HTTP/2 on `io` until it ends, or `draining` tells to let no more calls begin.
    async fn converse(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<Fingerprint>,
        mut draining: watch::Receiver<()>,
    ) {
        let Self {
            http2,
            routes,
            entry,
        } = self;
        let answer = service_fn(move |request: Request<Incoming>| {
            let admitted = entry.admit(&request, certificate);
            let mut routes = routes.clone();
            async move {
                match admitted {
                    Ok(()) => routes.call(request).await,
                    Err(fault) => Ok(Status::from(fault).into_http()),
                }
            }
        });
        let mut conversation = pin!(http2.serve_connection(TokioIo::new(io), answer));
        let ended = tokio::select! {
            ended = &mut conversation => ended,
            _ = draining.changed() => {
                conversation.as_mut().graceful_shutdown();
                conversation.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(target: "doublecheck", %error, "a connection broke off");
        }
    }
}
