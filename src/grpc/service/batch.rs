//! `BatchScorePayments`: payments in, results out in the same order, scored in chunks.
//!
//! A long batch would keep its thread for milliseconds, so it yields to other calls after each chunk. It may
//! therefore end in between, at its deadline or because its client left: what was scored stays, and a retry
//! gets it again, as for any payment; the rest is not scored, for nobody would hear of it.

use hyper::HeaderMap;
use tokio::task::yield_now;
use tonic::{Code, Status};

use super::Service;
use super::decision_log::{DecisionLog, trace_of};
use super::routing::RoutedBy;
use crate::engine::{CHUNK_CALLS_MAX, Chunk, Kept, Receipt};
use crate::grpc::admission::Admission;
use crate::grpc::calls::deadline::Arrival;
use crate::grpc::codec::raw::{BatchScorePaymentsRequest, ScorePaymentRequest};
use crate::grpc::convert::{InvalidRequest, request, response};
use crate::grpc::pb;
use crate::grpc::pb::batch_score_payments_response::{Result as BatchResult, result::Answer};
use crate::grpc::status::Fault;
use crate::scoring::payment::Payment;
use crate::telemetry::Method;

impl Service {
    /// Scores the payments of a batch.
    pub(in crate::grpc) async fn score_batch(
        &self,
        headers: &HeaderMap,
        arrival: Arrival,
        message: BatchScorePaymentsRequest<'_>,
    ) -> Result<pb::BatchScorePaymentsResponse, Status> {
        self.counted(Method::BatchScorePayments, arrival, async {
            let _in_flight = self.enter()?;
            let engine = self.server_state.engine_with_room()?;
            let items = request::batch(message).map_err(Fault::Invalid)?;
            RoutedBy::of(headers).check_all(&items)?;
            let log = self.decision_log(engine, trace_of(headers));
            let (mut results, receipt) = results(log, &self.admission, &items).await;
            note_kept(&mut results, engine.committed(receipt).await);
            Ok(pb::BatchScorePaymentsResponse { results })
        })
        .await
    }
}

/// The result for each item, and what the answer has to wait for. A batch of a single chunk does not yield.
async fn results(
    log: DecisionLog<'_>,
    admission: &Admission,
    items: &[ScorePaymentRequest<'_>],
) -> (Vec<BatchResult>, Receipt) {
    let mut receipt = Receipt::default();
    let mut results = Vec::with_capacity(items.len());
    let mut unfinished = admission.begin(items.len().div_ceil(CHUNK_CALLS_MAX));
    let mut items = items.iter().map(request::score);
    while items.len() > 0 {
        if !results.is_empty() {
            yield_now().await;
            unfinished.go_on();
        }
        let taken: Vec<_> = items.by_ref().take(CHUNK_CALLS_MAX).collect();
        let payments = taken.iter().flatten().map(|(payment, _)| payment);
        let mut chunk = log.engine.chunk(payments);
        results.extend(taken.iter().map(|item| result(log, &mut chunk, item)));
        receipt = receipt.max(chunk.receipt());
    }
    (results, receipt)
}

/// An extension of the answer to a batch that came to nothing: this many items were refused for what they are.
#[derive(Debug, Clone, Copy)]
pub(in crate::grpc) struct UselessItems(pub(in crate::grpc) usize);

impl UselessItems {
    /// `Some` if all of these results are such refusals.
    pub(in crate::grpc) fn of(results: &[BatchResult]) -> Option<Self> {
        let is_invalid = |result: &BatchResult| match &result.answer {
            Some(Answer::Error(error)) => error.code == Code::InvalidArgument as i32,
            Some(Answer::Assessment(_)) | None => false,
        };
        results
            .iter()
            .all(is_invalid)
            .then_some(Self(results.len()))
    }
}

/// Says in the results whether a restart may forget them.
fn note_kept(results: &mut [BatchResult], kept: Kept) {
    for result in results {
        if let Some(Answer::Assessment(assessment)) = &mut result.answer {
            response::note_kept(assessment, kept);
        }
    }
}

fn result<'a>(
    log: DecisionLog<'_>,
    chunk: &mut Chunk<'a>,
    item: &'a Result<(Payment, Option<String>), InvalidRequest>,
) -> BatchResult {
    let mut answer = || {
        let (payment, token) = item.as_ref().map_err(InvalidRequest::clone)?;
        let scored = chunk.score(payment, token.as_deref())?;
        log.log(payment, &scored);
        Ok(Answer::Assessment(response::scored(payment, &scored)))
    };
    let error = |fault: Fault| Answer::Error(fault.into());
    BatchResult {
        answer: Some(answer().unwrap_or_else(error)),
    }
}
