//! The echo twin, to measure against: the same messages on the same runtime, and nothing behind them. Every
//! payment is allowed, unread. What the service costs more is the cost of scoring, limits, admission and
//! deadlines.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::Stream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use super::limits::Limits;
use super::message_bytes_max;
use super::pb::batch_score_payments_response::{self, result};
use super::pb::risk_service_server::{RiskService, RiskServiceServer};
use super::pb::{self, stream_payments_request, stream_payments_response};
use super::workers::Stop;

/// As long as the version of the policy `balanced`, so that answers have the same size.
const POLICY_VERSION: &str = "balanced-00000000";

/// Serves as one worker, with tonic's own server and nothing of ours. What is open after `drain_max` is closed.
pub(super) async fn serve(
    listener: TcpListener,
    limits: Limits,
    stop: Stop,
    drain_max: Duration,
) -> io::Result<()> {
    let connections = TcpIncoming::from(listener).with_nodelay(Some(true));
    let service = RiskServiceServer::new(Echo);
    let serving = Server::builder()
        .add_service(service.max_decoding_message_size(message_bytes_max(&limits)))
        .serve_with_incoming_shutdown(connections, stop.clone().asked());
    let drained = async {
        stop.asked().await;
        tokio::time::sleep(drain_max).await;
    };
    tokio::select! {
        result = serving => result.map_err(io::Error::other),
        () = drained => Ok(()),
    }
}

#[derive(Debug)]
struct Echo;

#[tonic::async_trait]
impl RiskService for Echo {
    type StreamPaymentsStream = Echoes;

    async fn score_payment(
        &self,
        request: Request<pb::ScorePaymentRequest>,
    ) -> Result<Response<pb::ScorePaymentResponse>, Status> {
        let assessment = Some(allow(request.into_inner()));
        Ok(Response::new(pb::ScorePaymentResponse { assessment }))
    }

    async fn batch_score_payments(
        &self,
        request: Request<pb::BatchScorePaymentsRequest>,
    ) -> Result<Response<pb::BatchScorePaymentsResponse>, Status> {
        let result = |item| batch_score_payments_response::Result {
            answer: Some(result::Answer::Assessment(allow(item))),
        };
        let results = request.into_inner().requests.into_iter().map(result);
        Ok(Response::new(pb::BatchScorePaymentsResponse {
            results: results.collect(),
        }))
    }

    async fn stream_payments(
        &self,
        request: Request<Streaming<pb::StreamPaymentsRequest>>,
    ) -> Result<Response<Echoes>, Status> {
        Ok(Response::new(Echoes(request.into_inner())))
    }

    async fn report_outcome(
        &self,
        _: Request<pb::ReportOutcomeRequest>,
    ) -> Result<Response<pb::ReportOutcomeResponse>, Status> {
        Err(nothing_remembered())
    }

    async fn get_payment(
        &self,
        _: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        Err(nothing_remembered())
    }

    async fn list_payments(
        &self,
        _: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        Err(nothing_remembered())
    }
}

fn nothing_remembered() -> Status {
    Status::unimplemented("the echo twin remembers nothing")
}

fn allow(request: pb::ScorePaymentRequest) -> pb::Assessment {
    pb::Assessment {
        payment_id: request.payment.unwrap_or_default().payment_id,
        decision: pb::Decision::Allow.into(),
        challenge: pb::Challenge::None.into(),
        history: pb::History::Full.into(),
        policy_version: POLICY_VERSION.to_owned(),
        ..pb::Assessment::default()
    }
}

/// The answers to a stream, taken in one by one as those of the service are.
#[derive(Debug)]
struct Echoes(Streaming<pb::StreamPaymentsRequest>);

impl Stream for Echoes {
    type Item = Result<pb::StreamPaymentsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        use stream_payments_request::Item;
        use stream_payments_response::Answer;

        let request = ready!(Pin::new(&mut self.0).poll_next(cx));
        Poll::Ready(request.map(|request| {
            let pb::StreamPaymentsRequest { sequence, item } = request?;
            let answer = match item {
                Some(Item::Score(score)) => Answer::Assessment(allow(score)),
                Some(Item::Outcome(_)) | None => {
                    Answer::OutcomeAccepted(pb::OutcomeAccepted::default())
                }
            };
            let answer = Some(answer);
            Ok(pb::StreamPaymentsResponse { sequence, answer })
        }))
    }
}
