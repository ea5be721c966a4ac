//! `BatchScorePayments`: payments in, results out in the same order, scored in chunks.
//!
//! A long batch would keep its thread for milliseconds, so it yields to other calls after each chunk. It may
//! therefore end in between, at its deadline or because its client left: what was scored stays, and a retry
//! gets it again, as for any payment; the rest is not scored, for nobody would hear of it.

use hyper::HeaderMap;
use hyper::body::Bytes;
use tokio::task::yield_now;
use tonic::Status;

use super::Service;
use super::decision_log::{DecisionLog, trace_of};
use super::routing::RoutedBy;
use crate::engine::{CHUNK_CALLS_MAX, Chunk, Kept, Receipt};
use crate::grpc::admission::Admission;
use crate::grpc::calls::deadline::Arrival;
use crate::grpc::codec::HEAD_BYTES;
use crate::grpc::codec::raw::{BatchScorePaymentsRequest, ScorePaymentRequest};
use crate::grpc::codec::writer::{ANSWER_BYTES, put_framed, put_known, put_message};
use crate::grpc::convert::{InvalidRequest, request, response};
use crate::grpc::pb;
use crate::grpc::pb::batch_score_payments_response::result::Answer;
use crate::grpc::status::Fault;
use crate::scoring::payment::Payment;
use crate::telemetry::Method;

impl Service {
    /// Scores the payments of a batch. The answer is framed.
    pub(in crate::grpc) async fn score_batch(
        &self,
        headers: &HeaderMap,
        arrival: Arrival,
        message: BatchScorePaymentsRequest<'_>,
    ) -> Result<(Bytes, Option<UselessItems>), Status> {
        self.counted(Method::BatchScorePayments, arrival, async {
            let _in_flight = self.enter()?;
            let engine = self.server_state.engine_with_room()?;
            let items = request::batch(message).map_err(Fault::Invalid)?;
            RoutedBy::of(headers).check_all(&items)?;
            let log = self.decision_log(engine, trace_of(headers));
            let results = results(log, &self.admission, &items).await;
            let kept = engine.committed(results.receipt).await;
            let useless = results.useless;
            let all_useless = (useless == items.len()).then_some(UselessItems(useless));
            Ok((results.framed(kept)?, all_useless))
        })
        .await
    }
}

/// The results of the items so far.
struct Results {
    /// The fields of a `doublecheck.v1.BatchScorePaymentsResponse`, as if a restart could not forget them.
    written: Vec<u8>,
    /// How many items were refused for what they are.
    useless: usize,
    /// What the answer has to wait for.
    receipt: Receipt,
}

/// The result for each item. A batch of a single chunk does not yield.
async fn results(
    log: DecisionLog<'_>,
    admission: &Admission,
    items: &[ScorePaymentRequest<'_>],
) -> Results {
    let mut results = Results {
        written: Vec::with_capacity(items.len() * ANSWER_BYTES),
        useless: 0,
        receipt: Receipt::default(),
    };
    let mut unfinished = admission.begin(items.len().div_ceil(CHUNK_CALLS_MAX));
    let mut items = items.iter().map(request::score);
    while items.len() > 0 {
        if !results.written.is_empty() {
            yield_now().await;
            unfinished.go_on();
        }
        let taken: Vec<_> = items.by_ref().take(CHUNK_CALLS_MAX).collect();
        let payments = taken.iter().flatten().map(|(payment, _)| payment);
        let mut chunk = log.engine.chunk(payments);
        for item in &taken {
            results.add(log, &mut chunk, item);
        }
        results.receipt = results.receipt.max(chunk.receipt());
    }
    results
}

/// An extension of the answer to a batch that came to nothing: this many items were refused for what they are.
#[derive(Debug, Clone, Copy)]
pub(in crate::grpc) struct UselessItems(pub(in crate::grpc) usize);

impl Results {
    /// Adds the result for the next item.
    fn add<'a>(
        &mut self,
        log: DecisionLog<'_>,
        chunk: &mut Chunk<'a>,
        item: &'a Result<(Payment, Option<String>), InvalidRequest>,
    ) {
        let scored = match item {
            Ok((payment, token)) => match chunk.score(payment, token.as_deref()) {
                Ok(scored) => Ok((payment, scored)),
                Err(refusal) => Err(Fault::Refused(refusal)),
            },
            Err(invalid) => Err(Fault::Invalid(invalid.clone())),
        };
        put_message(1, &mut self.written, |into| match scored {
            Ok((payment, scored)) => {
                log.log(payment, &scored);
                put_message(1, into, |into| response::put_scored(payment, &scored, into));
            }
            Err(fault) => {
                self.useless += usize::from(fault.is_the_calls());
                put_known(2, &tonic_types::Status::from(fault), into);
            }
        });
    }

    /// The answer, saying of each result whether a restart may forget it.
    fn framed(self, kept: Kept) -> Result<Bytes, Fault> {
        let mut framed = Vec::with_capacity(HEAD_BYTES + self.written.len());
        put_framed(&mut framed, |into| into.extend(self.written));
        let note = |answer: &mut pb::BatchScorePaymentsResponse| {
            for result in &mut answer.results {
                if let Some(Answer::Assessment(assessment)) = &mut result.answer {
                    assessment.degraded = true;
                }
            }
        };
        response::with_kept(framed, kept, note).map(Bytes::from)
    }
}
