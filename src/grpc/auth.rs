//! Authentication and authorization: TLS for connections, tokens and certificates for calls. Both can be
//! replaced while calls go on.

use std::array;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hyper::Request;
use hyper::header::AUTHORIZATION;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::pb::served::risk_service_server::SERVICE_NAME;
use crate::access::{Access, Credentials, Denial, Fingerprint, Need, Role};
use crate::clock::{Clock, SystemClock};
use crate::scoring::time::Timestamp;
use crate::telemetry::{AuthCounters, HandshakeFailure, Page, Seldom};
use crate::tls::Tls;

/// The name of the standard health service.
const HEALTH: &str = "grpc.health.v1.Health";

/// How often those who are not let in are told of at most, for each reason.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// What connections and calls are checked against, shared by all. By default everybody may do everything,
/// without TLS.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Guard>);

#[derive(Debug)]
struct Guard {
    clock: Arc<dyn Clock>,
    access: ArcSwapOption<Access>,
    tls: ArcSwapOption<Tls>,
    counters: AuthCounters,
    /// When denials were told of last, by their reasons.
    denials_told: [Seldom; Denial::REASONS.len()],
    /// The same of handshakes that failed.
    failures_told: [Seldom; HandshakeFailure::ALL.len()],
}

impl Auth {
    /// Checks calls against `access` if given, and speaks TLS if `tls` is given.
    #[must_use]
    pub fn new(access: Option<Access>, tls: Option<Tls>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Guard {
            clock,
            access: ArcSwapOption::from_pointee(access),
            tls: ArcSwapOption::from_pointee(tls),
            counters: AuthCounters::default(),
            denials_told: array::from_fn(|_| Seldom::every(TOLD_EVERY)),
            failures_told: array::from_fn(|_| Seldom::every(TOLD_EVERY)),
        }))
    }

    /// Replaces the tokens and certificates that calls are checked against, from the next call on.
    pub fn change_access(&self, access: Access) {
        self.0.access.store(Some(Arc::new(access)));
    }

    /// Replaces the server's certificate, from the next connection on. Open connections stay.
    pub fn change_tls(&self, tls: Tls) {
        self.0.tls.store(Some(Arc::new(tls)));
    }

    /// Whether the server's certificate is valid at this moment; `false` without TLS.
    #[must_use]
    pub fn shows_good_certificate_at(&self, now: Timestamp) -> bool {
        let tls = self.0.tls.load();
        tls.as_ref().is_some_and(|tls| tls.is_good_at(now))
    }

    /// Puts its metrics on a page.
    pub fn put_on(&self, page: &mut Page) {
        let tls = self.0.tls.load();
        let valid_to = tls.as_ref().map(|tls| tls.valid_to());
        self.0.counters.put_on(page, valid_to);
    }

    /// Whether a call from `address` may be made: judged by its path and credentials alone, before its message is
    /// read.
    pub(super) fn admit<B>(
        &self,
        call: &Request<B>,
        certificate: Option<Fingerprint>,
        address: SocketAddr,
    ) -> Result<(), Denial> {
        let access = self.0.access.load();
        let Some(access) = &*access else {
            return Ok(());
        };
        let authorization = call.headers().get(AUTHORIZATION);
        let credentials = Credentials {
            authorization: authorization.map(|header| header.as_bytes()),
            certificate,
        };
        let needs = needs(call.uri().path());
        let admitted = access.check(credentials, needs, || self.0.clock.now());
        admitted.inspect_err(|denial| {
            self.0.counters.add_denial(*denial);
            if let Some(denied) = self.0.denials_told[denial.number()].takes() {
                let holder = access.holder(credentials);
                let why = denial.reason();
                tracing::warn!(
                    target: "doublecheck", why, denied, %address, holder,
                    "calls are denied: {denial}; this is the last one's address"
                );
            }
        })
    }

    /// The TLS configuration for a new connection; `None` without TLS.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        let tls = self.0.tls.load();
        tls.as_ref().map(|tls| Arc::clone(tls.server()))
    }

    /// Does the TLS handshake within a time limit. Returns the encrypted stream, and the client's certificate.
    pub(super) async fn accept_tls(
        &self,
        stream: TcpStream,
        tls: Arc<ServerConfig>,
        address: SocketAddr,
        within: Duration,
    ) -> Result<(TlsStream<TcpStream>, Option<Fingerprint>), HandshakeFailure> {
        let agreed = TlsAcceptor::from(tls).accept(stream);
        let agreed = tokio::time::timeout(within, agreed).await;
        let agreed = agreed.map_or(Err(HandshakeFailure::Timeout), |agreed| {
            agreed.map_err(|error| reason_of(&error))
        });
        let stream = agreed.inspect_err(|failure| self.tell_of(*failure, address))?;
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|certificate| Fingerprint::of(certificate));
        Ok((stream, certificate))
    }

    /// A handshake with `address` has failed.
    fn tell_of(&self, failure: HandshakeFailure, address: SocketAddr) {
        self.0.counters.add_failure(failure);
        match failure {
            // As whoever only looks whether the port is open leaves.
            HandshakeFailure::BrokenOff | HandshakeFailure::Timeout => {}
            HandshakeFailure::NoCertificate
            | HandshakeFailure::BadCertificate
            | HandshakeFailure::RefusedByClient
            | HandshakeFailure::Protocol => {
                if let Some(failed) = self.0.failures_told[failure as usize].takes() {
                    let why = failure.name();
                    tracing::warn!(
                        target: "doublecheck", why, failed, %address,
                        "TLS handshakes fail; this is the last one's address"
                    );
                }
            }
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self::new(None, None, Arc::new(SystemClock::start()))
    }
}

/// What a call to `path` needs. Health is for probes, which have no token, and only tells whether the service
/// is well. Whatever is not named here needs some token: nothing is open by oversight.
fn needs(path: &str) -> Need {
    let Some((service, method)) = path.trim_start_matches('/').split_once('/') else {
        return Need::Any;
    };
    match (service, method) {
        (HEALTH, _) => Need::Nothing,
        (
            SERVICE_NAME,
            "ScorePayment" | "BatchScorePayments" | "StreamPayments" | "ReportOutcome",
        ) => Need::Role(Role::Score),
        (SERVICE_NAME, "GetPayment" | "ListPayments") => Need::Role(Role::Evidence),
        (_, _) => Need::Any,
    }
}

fn reason_of(error: &std::io::Error) -> HandshakeFailure {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::NoCertificatesPresented) => HandshakeFailure::NoCertificate,
        Some(rustls::Error::InvalidCertificate(_)) => HandshakeFailure::BadCertificate,
        Some(rustls::Error::AlertReceived(_)) => HandshakeFailure::RefusedByClient,
        Some(_) => HandshakeFailure::Protocol,
        None => HandshakeFailure::BrokenOff,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::super::pb::FILE_DESCRIPTOR_SET;
    use super::*;

    #[test]
    fn every_method_of_the_service_needs_a_role() {
        let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let services = files.file.iter().flat_map(|file| &file.service);
        let ours = services.filter(|service| service.name() == "RiskService");
        let methods: Vec<_> = ours.flat_map(|service| &service.method).collect();
        assert_eq!(methods.len(), 6);
        for method in methods {
            let needed = needs(&format!("/{SERVICE_NAME}/{}", method.name()));
            assert!(matches!(needed, Need::Role(_)), "{}", method.name());
        }
    }

    #[test]
    fn probes_need_nothing_and_everything_else_some_token() {
        assert_eq!(needs("/grpc.health.v1.Health/Check"), Need::Nothing);
        for path in [
            "",
            "/",
            "/x",
            "/grpc.health.v1.HealthX/Check",
            "/doublecheck.v1.RiskService/Other",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(needs(path), Need::Any, "{path}");
        }
    }
}
