//! The RPCs: convert, ask the engine, convert. Scoring is done in place: it takes microseconds and
//! waits for nothing, so there is nothing to hand to another task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{InvalidRequest, request, response};
use super::pb::risk_service_server::RiskService;
use super::pb::{self, batch_score_payments_response, stream_payments_request};
use super::status::Fault;
use crate::engine::Engine;

/// The service: the engine behind the wire contract.
#[derive(Debug)]
pub(super) struct Service {
    engine: Arc<Engine>,
}

impl Service {
    pub(super) const fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[tonic::async_trait]
impl RiskService for Service {
    type StreamPaymentsStream = Answers;

    async fn score_payment(
        &self,
        request: Request<pb::ScorePaymentRequest>,
    ) -> Result<Response<pb::ScorePaymentResponse>, Status> {
        let assessment = Some(score(&self.engine, request.into_inner())?);
        Ok(Response::new(pb::ScorePaymentResponse { assessment }))
    }

    async fn batch_score_payments(
        &self,
        request: Request<pb::BatchScorePaymentsRequest>,
    ) -> Result<Response<pb::BatchScorePaymentsResponse>, Status> {
        let items = request::batch(request.into_inner()).map_err(Fault::Invalid)?;
        let results = items
            .into_iter()
            .map(|item| batch_result(score(&self.engine, item)))
            .collect();
        Ok(Response::new(pb::BatchScorePaymentsResponse { results }))
    }

    async fn stream_payments(
        &self,
        request: Request<Streaming<pb::StreamPaymentsRequest>>,
    ) -> Result<Response<Answers>, Status> {
        Ok(Response::new(Answers {
            engine: Arc::clone(&self.engine),
            items: request.into_inner(),
        }))
    }

    async fn report_outcome(
        &self,
        request: Request<pb::ReportOutcomeRequest>,
    ) -> Result<Response<pb::ReportOutcomeResponse>, Status> {
        let accepted = Some(report(&self.engine, request.into_inner())?);
        Ok(Response::new(pb::ReportOutcomeResponse { accepted }))
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        let (account_id, payment_id) =
            request::payment_name(request.into_inner()).map_err(Fault::Invalid)?;
        let record = self.engine.payment(&account_id, &payment_id);
        let record = record.ok_or(Fault::Unknown)?;
        Ok(Response::new(pb::GetPaymentResponse {
            record: Some(response::record(&record)),
        }))
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        let listing = request::listing(request.into_inner()).map_err(Fault::Invalid)?;
        let records = self.engine.payments(&listing);
        Ok(Response::new(response::page(&listing, &records)))
    }
}

/// The answers to a stream of items. An item is taken in when its answer is asked for and not before,
/// so a client that does not read is not read from either.
#[derive(Debug)]
pub(super) struct Answers {
    engine: Arc<Engine>,
    items: Streaming<pb::StreamPaymentsRequest>,
}

impl Stream for Answers {
    type Item = Result<pb::StreamPaymentsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut self.items).poll_next(cx));
        Poll::Ready(item.map(|item| item.map(|item| answer(&self.engine, item))))
    }
}

fn answer(engine: &Engine, request: pb::StreamPaymentsRequest) -> pb::StreamPaymentsResponse {
    use pb::stream_payments_response::Answer;
    use stream_payments_request::Item;

    let answer = match request.item {
        Some(Item::Score(item)) => score(engine, item).map(Answer::Assessment),
        Some(Item::Outcome(item)) => report(engine, item).map(Answer::OutcomeAccepted),
        None => Err(InvalidRequest::field("item", "must be set").into()),
    };
    pb::StreamPaymentsResponse {
        sequence: request.sequence,
        answer: Some(answer.unwrap_or_else(|fault| Answer::Error(fault.into()))),
    }
}

fn batch_result(result: Result<pb::Assessment, Fault>) -> batch_score_payments_response::Result {
    use batch_score_payments_response::result::Answer;

    let answer = match result {
        Ok(assessment) => Answer::Assessment(assessment),
        Err(fault) => Answer::Error(fault.into()),
    };
    batch_score_payments_response::Result {
        answer: Some(answer),
    }
}

fn score(engine: &Engine, request: pb::ScorePaymentRequest) -> Result<pb::Assessment, Fault> {
    let (payment, token) = request::score(request)?;
    let scored = engine.score(&payment, token.as_deref())?;
    Ok(response::assessment(
        &payment,
        &scored.assessment,
        scored.replayed,
    ))
}

fn report(
    engine: &Engine,
    request: pb::ReportOutcomeRequest,
) -> Result<pb::OutcomeAccepted, Fault> {
    let report = request::outcome_report(request)?;
    Ok(response::outcome_accepted(engine.report_outcome(&report)?))
}
