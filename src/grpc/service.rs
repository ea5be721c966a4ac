//! The RPCs. Each converts the request, asks the engine, waits until the journal has the answer, and converts
//! that.
//!
//! Scoring is done in place: it takes microseconds and waits for nothing, so there is nothing to hand to
//! another task.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::{HeaderMap, Response as HttpResponse};
use prost::Message as _;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::{Request, Response, Status, Streaming};

use super::admission::{Admission, InFlight};
use super::calls::deadline::{self, Arrival};
use super::codec;
use super::codec::raw::BatchScorePaymentsRequest;
use super::convert::{InvalidRequest, request, response};
use super::pb;
use super::pb::served::risk_service_server::RiskService;
use super::server_state::ServerState;
use super::status::Fault;
use crate::clock::Deadline;
use crate::engine::{Chunk, Engine, Kept, Receipt};
use crate::scoring::account::{Refusal, Scored};
use crate::scoring::payment::Payment;
use crate::telemetry::{Call, CallCounters, Method, TraceContext};

pub(super) mod unary;
pub(super) mod batch;
mod stream;
pub(super) mod routing;
pub(super) mod decision_log;

use decision_log::{DecisionLog, trace_of};
use routing::RoutedBy;
use stream::Answers;
pub(super) use stream::CheckedItem;
pub use unary::RiskServer;

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

/// The request to score a payment, checked: the payment, and the confirmation token if it came with one.
pub(super) type Asked = Result<(Payment, Option<String>), InvalidRequest>;

/// A payment that is scored, and whose answer may have to wait for the journal.
struct Scoring<'a> {
    engine: &'a Arc<Engine>,
    assessment: pb::Assessment,
    receipt: Receipt,
    in_flight: InFlight<'a>,
}

impl Scoring<'_> {
    async fn kept(self, deadline: Option<Deadline>) -> Result<pb::Assessment, Status> {
        match self.engine.kept(self.receipt) {
            Some(kept) => Ok(with_kept(self.assessment, kept)),
            None => committed(self.engine, self.receipt, deadline, self.assessment).await,
        }
    }
}

/// The answer, saying whether a restart may forget it.
const fn with_kept(mut assessment: pb::Assessment, kept: Kept) -> pb::Assessment {
    response::note_kept(&mut assessment, kept);
    assessment
}

/// The answer, once the journal has it.
async fn committed(
    engine: &Engine,
    receipt: Receipt,
    deadline: Option<Deadline>,
    assessment: pb::Assessment,
) -> Result<pb::Assessment, Status> {
    let committed = async { Ok(engine.committed(receipt).await) };
    let kept = deadline::within(deadline, committed).await?;
    Ok(with_kept(assessment, kept))
}

/// The answer to one payment of several that are scored together.
pub(super) enum Answered {
    Now(Result<pb::Assessment, Status>),
    /// It has to wait for the journal.
    Later(BoxFuture<HttpResponse<Body>, Infallible>),
}

/// Payments of different calls that are scored together.
pub(super) struct ScoringChunk<'a> {
    service: &'a Service,
    /// `None`: the engine was not ready yet when it began.
    chunk: Option<Chunk<'a>>,
}

impl<'a> ScoringChunk<'a> {
    /// Scores the next payment; `headers` are those of its call.
    pub(super) fn score(
        &mut self,
        headers: &HeaderMap,
        Arrival { since, deadline }: Arrival,
        asked: &'a Asked,
    ) -> Answered {
        let Self { service, chunk } = self;
        let call = Call::begun(&service.server_state, Method::ScorePayment, since);
        let scoring =
            service.begin_score(
                headers,
                deadline,
                asked,
                |engine, payment, token| match chunk {
                    Some(chunk) => chunk.score_with_receipt(payment, token),
                    None => engine.score_with_receipt(payment, token),
                },
            );
        let scoring = match scoring {
            Ok(scoring) => scoring,
            Err(fault) => {
                let answer = Err(fault.into());
                end(call, &answer);
                return Answered::Now(answer);
            }
        };
        match scoring.engine.kept(scoring.receipt) {
            Some(kept) => {
                let answer = Ok(with_kept(scoring.assessment, kept));
                end(call, &answer);
                Answered::Now(answer)
            }
            None => Answered::Later(service.finish_later(scoring, call, deadline)),
        }
    }
}

impl Service {
    /// The calls of a batch have their turns from now on, one after the other.
    pub(super) fn begin_turns(&self) {
        self.admission.begin_turns();
    }

    /// Begins to score these payments together, in their order.
    pub(super) fn begin_chunk<'a>(
        &'a self,
        payments: impl IntoIterator<Item = &'a Payment>,
    ) -> ScoringChunk<'a> {
        let engine = self.server_state.engine().ok();
        ScoringChunk {
            service: self,
            chunk: engine.map(|engine| engine.chunk(payments)),
        }
    }

    /// The rest of a call that has to wait for the journal.
    fn finish_later(
        &self,
        scoring: Scoring<'_>,
        call: Call<&ServerState>,
        deadline: Option<Deadline>,
    ) -> BoxFuture<HttpResponse<Body>, Infallible> {
        let Scoring {
            engine,
            assessment,
            receipt,
            in_flight,
        } = scoring;
        let engine = Arc::clone(engine);
        let in_flight = in_flight.go_on(&self.admission);
        let call = call.counted_by(self.server_state.clone());
        Box::pin(async move {
            let answer = committed(&engine, receipt, deadline, assessment).await;
            drop(in_flight);
            end(call, &answer);
            let response = answer.and_then(|assessment| unary::encoded(&scored(assessment)));
            Ok(response.unwrap_or_else(Status::into_http))
        })
    }

    /// Scores a payment; `headers` are those of its call.
    pub(super) async fn score(
        &self,
        headers: &HeaderMap,
        Arrival { since, deadline }: Arrival,
        asked: Asked,
    ) -> Result<pb::ScorePaymentResponse, Status> {
        let call = Call::begun(&self.server_state, Method::ScorePayment, since);
        let scoring = self.begin_score(headers, deadline, &asked, |engine, payment, token| {
            engine.score_with_receipt(payment, token)
        });
        let answer = match scoring {
            Ok(scoring) => scoring.kept(deadline).await,
            Err(fault) => Err(fault.into()),
        };
        end(call, &answer);
        answer.map(scored)
    }

    /// Everything but the wait for the journal. Not async, or the future would have to carry and move all of
    /// it.
    fn begin_score<'a>(
        &self,
        headers: &HeaderMap,
        deadline: Option<Deadline>,
        asked: &'a Asked,
        score: impl FnOnce(&Engine, &'a Payment, Option<&str>) -> Result<(Scored, Receipt), Refusal>,
    ) -> Result<Scoring<'_>, Fault> {
        deadline::check(deadline)?;
        let in_flight = self.enter()?;
        let engine = self.server_state.engine_with_room()?;
        let (payment, token) = asked.as_ref().map_err(InvalidRequest::clone)?;
        RoutedBy::of(headers).check(&payment.account_id)?;
        let (scored, receipt) = score(engine, payment, token.as_deref())?;
        self.decision_log(engine, trace_of(headers))
            .log(payment, &scored);
        Ok(Scoring {
            engine,
            assessment: response::scored(payment, &scored),
            receipt,
            in_flight,
        })
    }

    /// Scores the payments of a batch.
    pub(super) async fn score_batch(
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
            let (mut results, receipt) = batch::results(log, &self.admission, &items).await;
            batch::note_kept(&mut results, engine.committed(receipt).await);
            Ok(pb::BatchScorePaymentsResponse { results })
        })
        .await
    }
}

pub(super) const fn scored(assessment: pb::Assessment) -> pb::ScorePaymentResponse {
    pb::ScorePaymentResponse {
        assessment: Some(assessment),
    }
}

fn arrival<T>(request: &Request<T>) -> Arrival {
    Arrival::of(request.extensions())
}

#[tonic::async_trait]
impl RiskService for Service {
    type StreamPaymentsStream = Answers;

    // Ordinary calls do not come here but to `unary`.
    async fn score_payment(
        &self,
        request: Request<pb::ScorePaymentRequest>,
    ) -> Result<Response<pb::ScorePaymentResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let arrival = Arrival::of(&extensions);
        let message = message.encode_to_vec();
        let asked = unary::asked(&message)?;
        let answer = self.score(metadata.as_ref(), arrival, asked).await;
        answer.map(Response::new)
    }

    async fn batch_score_payments(
        &self,
        request: Request<pb::BatchScorePaymentsRequest>,
    ) -> Result<Response<pb::BatchScorePaymentsResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let arrival = Arrival::of(&extensions);
        let message = message.encode_to_vec();
        let asked = codec::read(&message)?;
        let answer = self.score_batch(metadata.as_ref(), arrival, asked).await;
        answer.map(Response::new)
    }

    async fn stream_payments(
        &self,
        request: Request<Streaming<CheckedItem>>,
    ) -> Result<Response<Answers>, Status> {
        let Arrival { since, deadline } = arrival(&request);
        let mut call = Call::begun(self.server_state.clone(), Method::StreamPayments, since);
        match self.server_state.engine() {
            Ok(engine) => {
                let engine = Arc::clone(engine);
                let answers = Answers::new(engine, request, deadline, call);
                Ok(Response::new(answers))
            }
            Err(fault) => {
                let status = Status::from(fault);
                call.fail(status.code().into());
                Err(status)
            }
        }
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
                record: Some(response::record(&record)),
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
            Ok(response::page(&listing, &records, alias.to_string()))
        })
        .await
        .map(Response::new)
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;
    use crate::clock::{ManualClock, Stopwatch};
    use crate::grpc::limits::Limits;
    use crate::scoring::policy::Policy;
    use crate::scoring::time::Timestamp;
    use crate::telemetry::Page;
    use crate::token::TokenKey;

    #[test]
    fn a_call_that_waited_for_its_turn_took_its_time_from_when_it_came() {
        let clock = ManualClock::at(Timestamp::from_unix_ms(1_700_000_000_000));
        let key = TokenKey::from_bytes(&[7; 32]);
        let engine = Engine::new(Policy::default(), Arc::new(clock), key);
        let server_state = ServerState::from(Arc::new(engine));
        let admission = Arc::new(Admission::new(&Limits::DEFAULT, 1));
        let service = Service::new(server_state.clone(), admission);
        let arrival = Arrival {
            since: Stopwatch::start(),
            deadline: None,
        };
        sleep(Duration::from_millis(2));
        let asked = Err(InvalidRequest::field("payment", "must be set"));
        let mut begin_chunk = service.begin_chunk(iter::empty());
        let told = begin_chunk.score(&HeaderMap::new(), arrival, &asked);
        assert!(matches!(told, Answered::Now(Err(_))));
        let mut page = Page::default();
        server_state.put_on(&mut page);
        let labels = "grpc_type=\"unary\",grpc_service=\"doublecheck.v1.RiskService\",\
            grpc_method=\"ScorePayment\"";
        let page = page.finish();
        for (bound, calls) in [("0.001", 0), ("+Inf", 1)] {
            let sample =
                format!("grpc_server_handling_seconds_bucket{{{labels},le=\"{bound}\"}} {calls}\n");
            assert!(page.contains(&sample), "{sample}");
        }
    }
}
