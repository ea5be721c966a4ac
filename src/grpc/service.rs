//! The RPCs: convert, ask the engine, convert. Scoring is done in place: it takes microseconds and
//! waits for nothing, so there is nothing to hand to another task.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use super::batch;
use super::convert::{request, response};
use super::pb;
use super::pb::risk_service_server::RiskService;
use super::status::Fault;
use super::stream::Answers;
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
        let (payment, token) = request::score(request.into_inner()).map_err(Fault::Invalid)?;
        let scored = self.engine.score(&payment, token.as_deref());
        let scored = scored.map_err(Fault::Refused)?;
        Ok(Response::new(pb::ScorePaymentResponse {
            assessment: Some(response::scored(&payment, &scored)),
        }))
    }

    async fn batch_score_payments(
        &self,
        request: Request<pb::BatchScorePaymentsRequest>,
    ) -> Result<Response<pb::BatchScorePaymentsResponse>, Status> {
        let items = request::batch(request.into_inner()).map_err(Fault::Invalid)?;
        let results = batch::results(&self.engine, items);
        Ok(Response::new(pb::BatchScorePaymentsResponse { results }))
    }

    async fn stream_payments(
        &self,
        request: Request<Streaming<pb::StreamPaymentsRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let engine = Arc::clone(&self.engine);
        Ok(Response::new(Answers::new(engine, request.into_inner())))
    }

    async fn report_outcome(
        &self,
        request: Request<pb::ReportOutcomeRequest>,
    ) -> Result<Response<pb::ReportOutcomeResponse>, Status> {
        let report = request::outcome_report(request.into_inner()).map_err(Fault::Invalid)?;
        let noted = self.engine.report_outcome(&report).map_err(Fault::from)?;
        Ok(Response::new(pb::ReportOutcomeResponse {
            accepted: Some(response::outcome_accepted(noted)),
        }))
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
