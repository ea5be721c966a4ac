//! The RPCs: convert, ask the engine, wait until the journal has the answer, convert. Scoring is done in
//! place: it takes microseconds and waits for nothing, so there is nothing to hand to another task.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use super::batch;
use super::convert::{request, response};
use super::door::Door;
use super::pb;
use super::pb::risk_service_server::RiskService;
use super::status::Fault;
use super::stream::Answers;
use crate::engine::Engine;

/// The service: the engine behind the wire contract.
#[derive(Debug)]
pub(super) struct Service {
    door: Door,
}

impl Service {
    pub(super) const fn new(door: Door) -> Self {
        Self { door }
    }

    /// The engine, if what it answers can be kept.
    fn engine_with_room(&self) -> Result<&Arc<Engine>, Fault> {
        let engine = self.door.engine()?;
        match engine.has_room() {
            true => Ok(engine),
            false => Err(Fault::JournalFull),
        }
    }
}

#[tonic::async_trait]
impl RiskService for Service {
    type StreamPaymentsStream = Answers;

    async fn score_payment(
        &self,
        request: Request<pb::ScorePaymentRequest>,
    ) -> Result<Response<pb::ScorePaymentResponse>, Status> {
        let engine = self.engine_with_room()?;
        let (payment, token) = request::score(request.into_inner()).map_err(Fault::Invalid)?;
        let scored = engine.score_with_receipt(&payment, token.as_deref());
        let (scored, receipt) = scored.map_err(Fault::Refused)?;
        let kept = engine.committed(receipt).await;
        Ok(Response::new(pb::ScorePaymentResponse {
            assessment: Some(response::scored(&payment, &scored, kept)),
        }))
    }

    async fn batch_score_payments(
        &self,
        request: Request<pb::BatchScorePaymentsRequest>,
    ) -> Result<Response<pb::BatchScorePaymentsResponse>, Status> {
        let engine = self.engine_with_room()?;
        let items = request::batch(request.into_inner()).map_err(Fault::Invalid)?;
        let (mut results, receipt) = batch::results(engine, items);
        batch::note_kept(&mut results, engine.committed(receipt).await);
        Ok(Response::new(pb::BatchScorePaymentsResponse { results }))
    }

    async fn stream_payments(
        &self,
        request: Request<Streaming<pb::StreamPaymentsRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let engine = Arc::clone(self.door.engine()?);
        Ok(Response::new(Answers::new(engine, request.into_inner())))
    }

    async fn report_outcome(
        &self,
        request: Request<pb::ReportOutcomeRequest>,
    ) -> Result<Response<pb::ReportOutcomeResponse>, Status> {
        let engine = self.engine_with_room()?;
        let report = request::outcome_report(request.into_inner()).map_err(Fault::Invalid)?;
        let noted = engine.report_outcome_with_receipt(&report);
        let (noted, receipt) = noted.map_err(Fault::from)?;
        engine.committed(receipt).await;
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
        let record = self.door.engine()?.payment(&account_id, &payment_id);
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
        let records = self.door.engine()?.payments(&listing);
        Ok(Response::new(response::page(&listing, &records)))
    }
}
