//! Metrics and probes, for tools that do not speak gRPC.
//!
//! On a thread of its own: whoever asks here takes nothing from the threads that serve calls.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::grpc::auth::Auth;
use crate::grpc::server_state::ServerState;
use crate::telemetry::families::{BUILD, SNAPSHOT_INTERVAL};
use crate::telemetry::{LinesLost, Page, Process, ReloadCounters};

/// How many connections are served at once. One more ends the oldest: whoever probes asks at once, and must
/// not wait for those that say nothing.
pub const CONNECTIONS_MAX: usize = 64;

/// How long a connection may take for its one request and answer.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a request may be.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// After how long it is tried again to accept a connection, where the process has no more files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// A thread that answers for as long as this value lives.
#[derive(Debug)]
pub struct Http {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

/// What is told of.
#[derive(Debug)]
pub struct Told {
    /// What calls go through.
    pub server_state: ServerState,
    /// What they, and connections, get in by.
    pub auth: Auth,
    /// How changed files were taken.
    pub reloads: Arc<ReloadCounters>,
    /// After how long a snapshot is taken.
    pub snapshot_interval: Duration,
    /// What of the log was lost.
    pub lines_lost: LinesLost,
    /// The process.
    pub process: Process,
}

impl Http {
    /// Answers on `host_and_port` what is to be `told`. With port 0, a free one is picked.
    ///
    /// # Errors
    /// When the host is not known or the port is taken, or the thread cannot start.
    pub fn start(host_and_port: &str, told: Told) -> io::Result<Self> {
        let listener = TcpListener::bind(host_and_port)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let told = Arc::new(told);
        thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        // Nothing is ever sent: this is the error of a dropped sender.
                        _ = stopped => {}
                        Err(error) = listen(listener, told) => {
                            tracing::error!(target: "doublecheck", %error, "no metrics are served");
                        }
                    }
                });
            })?;
        Ok(Self {
            address,
            _stop: stop,
        })
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn listen(listener: TcpListener, told: Arc<Told>) -> io::Result<Infallible> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut served: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        served.retain(|connection| !connection.is_finished());
        if served.len() >= CONNECTIONS_MAX
            && let Some(oldest) = served.pop_front()
        {
            oldest.abort();
        }
        let answered = tokio::time::timeout(CONNECTION_TIME_MAX, serve(stream, Arc::clone(&told)));
        // What a client broke off, or took too long for, is nobody's loss but its own.
        served.push_back(tokio::spawn(answered).abort_handle());
        // Its request may be there already: it has a turn before others take its place.
        tokio::task::yield_now().await;
    }
}

/// Serves one request.
async fn serve(stream: TcpStream, told: Arc<Told>) -> hyper::Result<()> {
    let answer = service_fn(|request: Request<Incoming>| {
        let answer = told.answer(request.method(), request.uri().path());
        async { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

impl Told {
    /// To HEAD as to GET: hyper leaves the body out.
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match path {
            "/metrics" | "/healthz" | "/readyz" if !is_read => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
                let allowed = HeaderValue::from_static("GET, HEAD");
                response.headers_mut().insert(ALLOW, allowed);
                response
            }
            "/metrics" => {
                let mut response = text(StatusCode::OK, self.metrics());
                response.headers_mut().insert(CONTENT_TYPE, METRICS);
                response
            }
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match self.server_state.is_ready() {
                true => text(StatusCode::OK, "ready\n"),
                false => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            },
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz and /readyz\n",
            ),
        }
    }

    fn metrics(&self) -> String {
        let mut page = Page::default();
        page.family(&BUILD).put(&[env!("CARGO_PKG_VERSION")], 1);
        self.process.put_on(&mut page);
        self.lines_lost.put_on(&mut page);
        self.auth.put_on(&mut page);
        self.reloads.put_on(&mut page);
        page.one(&SNAPSHOT_INTERVAL, self.snapshot_interval.as_secs());
        self.server_state.put_on(&mut page);
        page.finish()
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}
