//! `BatchScorePayments`: payments in, results out in the same order, scored in chunks.
//!
//! A long batch would keep its thread for milliseconds: after each chunk others have their turn. So it may end in
//! between, by its deadline or because its client left: what was scored stays and a retry is told so, as for
//! any payment, and the rest is not scored, for nobody would hear of it.

use tokio::task::yield_now;
use tonic::Code;

use super::admission::Admission;
use super::codec::raw::ScorePaymentRequest;
use super::convert::{InvalidRequest, request, response};
use super::noted::Noted;
use super::pb::batch_score_payments_response::{Result as BatchResult, result::Answer};
use super::status::Fault;
use crate::engine::{CHUNK_CALLS_MAX, Chunk, Kept, Receipt};
use crate::scoring::payment::Payment;

/// What scoring each item came to, and what the answers wait for. One of a single chunk does not wait.
pub(super) async fn results(
    noted: Noted<'_>,
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
        let mut chunk = noted.engine.chunk(payments);
        results.extend(taken.iter().map(|item| result(noted, &mut chunk, item)));
        receipt = receipt.max(chunk.receipt());
    }
    (results, receipt)
}

/// On the answer to a batch of which nothing came: that so many items were refused for what they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct InVain(pub(super) usize);

impl InVain {
    /// Whether that is what became of all of these.
    pub(super) fn of(results: &[BatchResult]) -> Option<Self> {
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

/// Says in the answers whether a restart may forget them.
pub(super) fn note_kept(results: &mut [BatchResult], kept: Kept) {
    for result in results {
        if let Some(Answer::Assessment(assessment)) = &mut result.answer {
            assessment.degraded = kept == Kept::No;
        }
    }
}

fn result<'a>(
    noted: Noted<'_>,
    chunk: &mut Chunk<'a>,
    item: &'a Result<(Payment, Option<String>), InvalidRequest>,
) -> BatchResult {
    let mut answer = || {
        let (payment, token) = item.as_ref().map_err(InvalidRequest::clone)?;
        let scored = chunk.score(payment, token.as_deref())?;
        noted.note(payment, &scored);
        Ok(Answer::Assessment(response::scored(
            payment,
            &scored,
            Kept::Yes,
        )))
    };
    let error = |fault: Fault| Answer::Error(fault.into());
    BatchResult {
        answer: Some(answer().unwrap_or_else(error)),
    }
}
