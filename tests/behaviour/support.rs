//! A server of our own on a free port, its clock in our hand, and short ways to ask it.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use doublecheck::clock::ManualClock;
use doublecheck::engine::{Durability, Engine};
use doublecheck::grpc;
use doublecheck::grpc::limits::Limits;
use doublecheck::grpc::listeners::Listeners;
use doublecheck::grpc::pb::risk_service_client::RiskServiceClient;
use doublecheck::grpc::pb::{self, batch_score_payments_response::result::Answer};
use doublecheck::grpc::server_state::ServerState;
use doublecheck::journal::{Ack, Settings};
use doublecheck::scoring::policy::Policy;
use doublecheck::scoring::time::{Span, Timestamp};
use doublecheck::storage::Directory;
use doublecheck::storage::simulated::Simulated;
use doublecheck::telemetry::Page;
use doublecheck::token::TokenKey;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::{RpcStatusExt as _, StatusExt as _};

/// When every test begins: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// The account of [`payment`].
pub(crate) const ACCOUNT: &str = "payer";

pub(crate) type Rpc<T> = Result<T, Status>;

/// What makes another payment of a payment.
pub(crate) type Change = fn(&mut pb::Payment);

/// A machine that is busy with other things must not decide a test.
pub(crate) const PATIENT: Limits = Limits {
    queue_ms: 60_000,
    waste_us: 1_000_000,
    message_ms: 600_000,
    unread_ms: 600_000,
    ..Limits::DEFAULT
};

type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) client: RiskServiceClient<Channel>,
    pub(crate) server_state: ServerState,
    clock: Arc<ManualClock>,
    shutdown: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_draining_for(grpc::DRAIN_MAX).await
    }

    pub(crate) async fn start_draining_for(drain_max: Duration) -> Self {
        Self::start_with_settings(grpc::Settings {
            drain_max,
            limits: PATIENT,
            ..Default::default()
        })
        .await
    }

    pub(crate) async fn start_with_settings(settings: grpc::Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move |server_state, stop| {
            grpc::serve(listener, server_state, settings, stop).await;
            Ok(())
        };
        Self::start_with(address, serve).await
    }

    /// A server with threads of its own, as `doublecheck serve` has them.
    pub(crate) async fn start_on_workers(threads: usize, drain_max: Duration) -> Self {
        let threads = NonZeroUsize::new(threads).unwrap();
        let listeners = Listeners::bind("127.0.0.1:0", threads).await.unwrap();
        let address = listeners.address();
        let settings = grpc::Settings {
            drain_max,
            limits: PATIENT,
            ..Default::default()
        };
        let serve = async move |server_state, stop| {
            grpc::serve_on_workers(listeners, server_state, settings, stop).await
        };
        Self::start_with(address, serve).await
    }

    /// A server with these limits.
    pub(crate) async fn start_within(limits: Limits) -> Self {
        Self::start_with_settings(grpc::Settings {
            limits,
            ..Default::default()
        })
        .await
    }

    /// A server that keeps what it answers on this disk, for as long as that does not take too long.
    pub(crate) async fn start_on(disk: &Simulated) -> Self {
        let settings = Settings::with_ack(Ack::Written);
        Self::start_keeping(PATIENT, Arc::new(disk.clone()), settings).await
    }

    /// A server that keeps what it answers in this directory, with these limits, however long that takes.
    pub(crate) async fn start_within_on(limits: Limits, directory: Arc<dyn Directory>) -> Self {
        let settings = Settings {
            patience: Duration::from_secs(3_600),
            ..Settings::with_ack(Ack::Written)
        };
        Self::start_keeping(limits, directory, settings).await
    }

    async fn start_keeping(
        limits: Limits,
        directory: Arc<dyn Directory>,
        settings: Settings,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let durability = Durability {
            directory,
            settings,
            sets_damage_aside: false,
        };
        let clock_from = |_| Arc::clone(&clock) as _;
        let policies = Policy::default().into();
        let engine = Engine::recover(policies, durability, clock_from, |_| ()).unwrap();
        let settings = grpc::Settings {
            limits,
            ..Default::default()
        };
        let serve = async move |server_state, stop| {
            grpc::serve(listener, server_state, settings, stop).await;
            Ok(())
        };
        Self::start_engine(address, clock, engine, serve).await
    }

    async fn start_with<F>(address: SocketAddr, serve: impl FnOnce(ServerState, Stop) -> F) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let clock = Arc::new(ManualClock::at(START));
        let key = TokenKey::from_bytes(&[7; 32]);
        let engine = Engine::new(Policy::default(), Arc::clone(&clock) as _, key);
        Self::start_engine(address, clock, engine, serve).await
    }

    async fn start_engine<F>(
        address: SocketAddr,
        clock: Arc<ManualClock>,
        engine: Engine,
        serve: impl FnOnce(ServerState, Stop) -> F,
    ) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let server_state = ServerState::from(Arc::new(engine));
        let (shutdown, stop) = oneshot::channel();
        let stop: Stop = Box::pin(async { stop.await.unwrap_or_default() });
        let served = tokio::spawn(serve(server_state.clone(), stop));
        Self {
            address,
            client: RiskServiceClient::new(connect(address).await),
            server_state,
            clock,
            shutdown,
            served,
        }
    }

    /// What a sample of the metrics is now.
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        let mut page = Page::default();
        self.server_state.put_on(&mut page);
        let page = page.finish();
        let number = page.lines().find_map(|line| line.strip_prefix(sample));
        number.unwrap().trim().parse().unwrap()
    }

    /// How many calls to a method took longer than this, in seconds as the metrics have it.
    pub(crate) fn took_over(&self, method: &str, seconds: &str) -> u64 {
        let labels = format!(
            "grpc_type=\"unary\",grpc_service=\"doublecheck.v1.RiskService\",\
             grpc_method=\"{method}\""
        );
        let within = |bound| {
            self.metric(&format!(
                "grpc_server_handling_seconds_bucket{{{labels},le=\"{bound}\"}}"
            ))
        };
        within("+Inf") - within(seconds)
    }

    /// Waits until a sample of the metrics is this.
    pub(crate) async fn until(&self, sample: &str, number: u64) {
        while self.metric(sample) != number {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn advance_ms(&self, ms: i64) {
        self.clock.advance(Span::from_ms(ms));
    }

    pub(crate) fn advance_secs(&self, secs: i64) {
        self.clock.advance(Span::from_secs(secs));
    }

    /// Tells the server to stop; what comes back completes when it has.
    pub(crate) fn shut_down(self) -> JoinHandle<io::Result<()>> {
        self.shutdown.send(()).unwrap();
        self.served
    }

    pub(crate) async fn score(&self, payment: pb::Payment) -> Rpc<pb::Assessment> {
        self.score_with(payment, "").await
    }

    pub(crate) async fn score_with(
        &self,
        payment: pb::Payment,
        token: &str,
    ) -> Rpc<pb::Assessment> {
        let request = request(payment, token);
        let answer = self.client.clone().score_payment(request).await?;
        Ok(answer.into_inner().assessment.unwrap())
    }

    pub(crate) async fn batch(
        &self,
        requests: Vec<pb::ScorePaymentRequest>,
    ) -> Rpc<Vec<Result<pb::Assessment, tonic_types::Status>>> {
        let request = pb::BatchScorePaymentsRequest { requests };
        let answer = self.client.clone().batch_score_payments(request).await?;
        let results = answer.into_inner().results.into_iter();
        Ok(results
            .map(|result| match result.answer.unwrap() {
                Answer::Assessment(assessment) => Ok(assessment),
                Answer::Error(status) => Err(status),
            })
            .collect())
    }

    /// Sends the items one after the other, closes, and gives back all the answers.
    pub(crate) async fn stream(
        &self,
        items: Vec<pb::StreamPaymentsRequest>,
    ) -> Vec<pb::StreamPaymentsResponse> {
        let items = tokio_stream::iter(items);
        let answers = self.client.clone().stream_payments(items).await.unwrap();
        let answers: Result<_, Status> = answers.into_inner().collect().await;
        answers.unwrap()
    }

    /// Reports an outcome of a payment of [`ACCOUNT`]; whether the payment was remembered.
    pub(crate) async fn report(&self, payment_id: &str, outcome: pb::Outcome) -> Rpc<bool> {
        let report = outcome_of(payment_id, outcome);
        let answer = self.client.clone().report_outcome(report).await?;
        Ok(answer.into_inner().accepted.unwrap().remembered)
    }

    /// The evidence for a payment of [`ACCOUNT`].
    pub(crate) async fn record(&self, payment_id: &str) -> Rpc<pb::PaymentRecord> {
        let request = pb::GetPaymentRequest {
            account_id: ACCOUNT.to_owned(),
            payment_id: payment_id.to_owned(),
        };
        let answer = self.client.clone().get_payment(request).await?;
        Ok(answer.into_inner().record.unwrap())
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListPaymentsRequest,
    ) -> Rpc<pb::ListPaymentsResponse> {
        let answer = self.client.clone().list_payments(request).await?;
        Ok(answer.into_inner())
    }

    /// The ids of everything that is remembered of [`ACCOUNT`], newest first.
    pub(crate) async fn remembered(&self) -> Vec<String> {
        let page = self.list(list_of(ACCOUNT)).await.unwrap();
        assert_eq!(page.next_page_token, "");
        ids(&page)
    }

    /// Scores a payment, then the same one 30 s later under `asked_id`: gets asked. The token.
    pub(crate) async fn ask(&self, allowed_id: &str, asked_id: &str) -> String {
        let allowed = self.score(payment(allowed_id)).await.unwrap();
        assert_eq!(allowed.decision(), pb::Decision::Allow);
        self.advance_secs(30);
        let asked = self.score(payment(asked_id)).await.unwrap();
        assert_eq!(asked.decision(), pb::Decision::Confirm);
        asked.confirmation.unwrap().token
    }
}

/// A connection of its own.
pub(crate) async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// A top-up of 50.00 CNY by [`ACCOUNT`], which gets allowed.
pub(crate) fn payment(payment_id: &str) -> pb::Payment {
    pb::Payment {
        payment_id: payment_id.to_owned(),
        account_id: ACCOUNT.to_owned(),
        payee: Some(pb::Payee {
            id: "13800138000".to_owned(),
            r#type: pb::PayeeType::Phone.into(),
        }),
        money: Some(money(5_000, "CNY")),
        kind: pb::PaymentKind::TopUp.into(),
        ..Default::default()
    }
}

/// [`payment`] with something changed.
pub(crate) fn payment_but(payment_id: &str, change: impl FnOnce(&mut pb::Payment)) -> pb::Payment {
    let mut payment = payment(payment_id);
    change(&mut payment);
    payment
}

pub(crate) fn money(amount_minor: i64, currency_code: &str) -> pb::Money {
    pb::Money {
        amount_minor,
        currency_code: currency_code.to_owned(),
    }
}

pub(crate) fn request(payment: pb::Payment, token: &str) -> pb::ScorePaymentRequest {
    pb::ScorePaymentRequest {
        payment: Some(payment),
        confirmation_token: token.to_owned(),
    }
}

pub(crate) fn outcome_of(payment_id: &str, outcome: pb::Outcome) -> pb::ReportOutcomeRequest {
    pb::ReportOutcomeRequest {
        account_id: ACCOUNT.to_owned(),
        payment_id: payment_id.to_owned(),
        outcome: outcome.into(),
        payee_id: None,
    }
}

pub(crate) fn list_of(account_id: &str) -> pb::ListPaymentsRequest {
    pb::ListPaymentsRequest {
        account_id: account_id.to_owned(),
        ..Default::default()
    }
}

/// The item of a stream that scores a payment.
pub(crate) fn score_item(sequence: u64, payment: pb::Payment) -> pb::StreamPaymentsRequest {
    use pb::stream_payments_request::Item;
    pb::StreamPaymentsRequest {
        sequence,
        item: Some(Item::Score(request(payment, ""))),
    }
}

/// The assessment or error in an answer of a stream; a panic on any other.
pub(crate) fn scored(
    answer: pb::StreamPaymentsResponse,
) -> Result<pb::Assessment, tonic_types::Status> {
    use pb::stream_payments_response::Answer;
    match answer.answer.unwrap() {
        Answer::Assessment(assessment) => Ok(assessment),
        Answer::Error(status) => Err(status),
        Answer::OutcomeAccepted(accepted) => panic!("{accepted:?}"),
    }
}

pub(crate) fn ids(page: &pb::ListPaymentsResponse) -> Vec<String> {
    let payments = page.records.iter().flat_map(|record| &record.payment);
    payments.map(|payment| payment.payment_id.clone()).collect()
}

pub(crate) fn codes(assessment: &pb::Assessment) -> Vec<pb::ReasonCode> {
    assessment.reasons.iter().map(pb::Reason::code).collect()
}

/// The status that ended a call, as an item of a batch or stream would carry it.
pub(crate) fn in_band(status: &Status) -> tonic_types::Status {
    let carried = tonic_types::Status::decode(status.details()).unwrap();
    assert_eq!(carried.code, i32::from(status.code()));
    assert_eq!(carried.message, status.message());
    carried
}

/// The paths of the fields that a refusal blames.
pub(crate) fn bad_fields(status: &tonic_types::Status) -> Vec<String> {
    let bad_request = status.get_details_bad_request().unwrap();
    let violations = bad_request.field_violations.into_iter();
    violations.map(|violation| violation.field).collect()
}

/// The reason in an error's details and the fields that it names.
pub(crate) fn reason_and_fields(status: &Status) -> (String, String) {
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.domain, "doublecheck");
    let fields = info.metadata.get("fields").cloned();
    (info.reason, fields.unwrap_or_default())
}
