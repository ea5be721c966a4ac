//! The RPCs. Each converts the request, asks the engine, waits until the journal has the answer, and converts
//! that.
//!
//! Scoring is done in place: it takes microseconds and waits for nothing, so there is nothing to hand to
//! another task.

use std::sync::Arc;

use prost::Message;
use tokio_stream::Empty;
use tonic::codegen::http::request::Parts;
use tonic::{Request, Response, Status, Streaming};

use super::admission::{Admission, InFlight};
use super::calls::deadline::{self, Arrival};
use super::codec;
use super::convert::{request, response};
use super::pb;
use super::pb::served::risk_service_server::RiskService;
use super::server_state::ServerState;
use super::status::Fault;
use crate::engine::Engine;
use crate::telemetry::{Call, CallCounters, Method, TraceContext};

pub(super) mod fast_path;
pub(super) mod score;
pub(super) mod batch;
mod stream;
pub(super) mod routing;
pub(super) mod decision_log;

use decision_log::DecisionLog;
pub use fast_path::RiskServer;
use routing::RoutedBy;
use stream::{Answers, Messages};

/// The service of the wire contract, on top of the engine.
#[derive(Debug)]
pub(super) struct Service {
    server_state: ServerState,
    admission: Arc<Admission>,
}

impl Service {
    pub(super) const fn new(server_state: ServerState, admission: Arc<Admission>) -> Self {
        Self {
            server_state,
            admission,
        }
    }

    /// Admits a call; a refusal is counted.
    fn enter(&self) -> Result<InFlight<'_>, Fault> {
        let entered = self.admission.enter();
        if let Err(Fault::Busy(why)) = entered {
            self.server_state.edge().calls_refused(why, 1);
        }
        entered
    }

    fn decision_log<'a>(
        &'a self,
        engine: &'a Engine,
        trace: Option<TraceContext>,
    ) -> DecisionLog<'a> {
        let server_state = &self.server_state;
        DecisionLog {
            server_state,
            engine,
            trace,
        }
    }

    /// Begins to answer a stream of items.
    fn stream(&self, head: &Parts, items: Messages) -> Result<Answers, Status> {
        let Arrival { since, deadline } = Arrival::of(&head.extensions);
        let mut call = Call::begun(self.server_state.clone(), Method::StreamPayments, since);
        match self.server_state.engine() {
            Ok(engine) => Ok(Answers::new(
                Arc::clone(engine),
                head,
                items,
                deadline,
                call,
            )),
            Err(fault) => {
                let status = Status::from(fault);
                call.fail(status.code().into());
                Err(status)
            }
        }
    }

    /// Awaits the answer to a call until its deadline, and counts the call.
    async fn counted<T>(
        &self,
        method: Method,
        arrival: Arrival,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let call = Call::begun(&self.server_state, method, arrival.since);
        let answer = deadline::within(arrival.deadline, answer).await;
        end(call, &answer);
        answer
    }
}

fn end<T>(mut call: Call<impl AsRef<CallCounters>>, answer: &Result<T, Status>) {
    match answer {
        Ok(_) => call.succeed(),
        Err(status) => call.fail(status.code().into()),
    }
}

/// The answer, as tonic asks for it.
fn response_of<M: Message + Default>(framed: &[u8]) -> Result<Response<M>, Status> {
    let message = M::decode(fast_path::message_of(framed));
    let message = message.map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(message))
}

fn arrival<T>(request: &Request<T>) -> Arrival {
    Arrival::of(request.extensions())
}

#[tonic::async_trait]
impl RiskService for Service {
    type StreamPaymentsStream = Empty<Result<pb::StreamPaymentsResponse, Status>>;

    // Ordinary calls do not come here but to `fast_path`.
    async fn score_payment(
        &self,
        request: Request<pb::ScorePaymentRequest>,
    ) -> Result<Response<pb::ScorePaymentResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let arrival = Arrival::of(&extensions);
        let message = message.encode_to_vec();
        let asked = fast_path::asked(&message)?;
        let answer = self.score(metadata.as_ref(), arrival, asked).await?;
        response_of(&answer)
    }

    async fn batch_score_payments(
        &self,
        request: Request<pb::BatchScorePaymentsRequest>,
    ) -> Result<Response<pb::BatchScorePaymentsResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let arrival = Arrival::of(&extensions);
        let message = message.encode_to_vec();
        let asked = codec::read(&message)?;
        let (answer, _) = self.score_batch(metadata.as_ref(), arrival, asked).await?;
        response_of(&answer)
    }

    // Only for calls with compression, which tonic refuses before.
    async fn stream_payments(
        &self,
        _: Request<Streaming<pb::StreamPaymentsRequest>>,
    ) -> Result<Response<Self::StreamPaymentsStream>, Status> {
        Err(Status::unimplemented("streams are answered by `fast_path`"))
    }

    async fn report_outcome(
        &self,
        request: Request<pb::ReportOutcomeRequest>,
    ) -> Result<Response<pb::ReportOutcomeResponse>, Status> {
        self.counted(Method::ReportOutcome, arrival(&request), async {
            let engine = self.server_state.engine_with_room()?;
            let routed_by = RoutedBy::of(request.metadata().as_ref());
            let report = request::outcome_report(request.into_inner()).map_err(Fault::Invalid)?;
            routed_by.check(&report.account_id)?;
            let reported = engine.report_outcome_with_receipt(&report);
            let (remembered, receipt) = reported.map_err(Fault::from)?;
            engine.committed(receipt).await;
            Ok(pb::ReportOutcomeResponse {
                accepted: Some(response::outcome_accepted(remembered)),
            })
        })
        .await
        .map(Response::new)
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        self.counted(Method::GetPayment, arrival(&request), async {
            let _in_flight = self.enter()?;
            let routed_by = RoutedBy::of(request.metadata().as_ref());
            let (account_id, payment_id) =
                request::payment_name(request.into_inner()).map_err(Fault::Invalid)?;
            routed_by.check(&account_id)?;
            let record = self
                .server_state
                .engine()?
                .payment(&account_id, &payment_id);
            let record = record.ok_or(Fault::Unknown)?;
            Ok(pb::GetPaymentResponse {
                record: Some(response::record(&record)?),
            })
        })
        .await
        .map(Response::new)
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        self.counted(Method::ListPayments, arrival(&request), async {
            let _in_flight = self.enter()?;
            let routed_by = RoutedBy::of(request.metadata().as_ref());
            let listing = request::listing(request.into_inner()).map_err(Fault::Invalid)?;
            routed_by.check(&listing.account_id)?;
            let engine = self.server_state.engine()?;
            let records = engine.payments(&listing);
            let alias = engine.alias(listing.account_id.as_str());
            Ok(response::page(&listing, &records, alias.to_string())?)
        })
        .await
        .map(Response::new)
    }
}
