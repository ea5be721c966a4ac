//! `ScorePayment`: one payment, alone or together with those of other calls.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Bytes;
use hyper::{HeaderMap, Response as HttpResponse};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;

use super::decision_log::trace_of;
use super::routing::RoutedBy;
use super::{Service, end, fast_path};
use crate::clock::Deadline;
use crate::engine::{Chunk, Engine, Kept, Receipt};
use crate::grpc::admission::InFlight;
use crate::grpc::calls::deadline::{self, Arrival};
use crate::grpc::codec::writer::{ANSWER_BYTES, put_framed, put_message};
use crate::grpc::convert::{InvalidRequest, response};
use crate::grpc::pb;
use crate::grpc::server_state::ServerState;
use crate::grpc::status::Fault;
use crate::scoring::account::{Refusal, Scored};
use crate::scoring::payment::Payment;
use crate::telemetry::{Call, Method};

/// The request to score a payment, checked: the payment, and the confirmation token if it came with one.
pub(in crate::grpc) type Asked = Result<(Payment, Option<String>), InvalidRequest>;

/// A payment that is scored, and whose answer may have to wait for the journal.
struct Scoring<'a> {
    engine: &'a Arc<Engine>,
    answer: Answer,
    receipt: Receipt,
    in_flight: InFlight<'a>,
}

impl Scoring<'_> {
    async fn kept(self, deadline: Option<Deadline>) -> Result<Bytes, Status> {
        match self.engine.kept(self.receipt) {
            Some(kept) => Ok(self.answer.kept(kept)?),
            None => committed(self.engine, self.receipt, deadline, self.answer).await,
        }
    }
}

/// A `doublecheck.v1.ScorePaymentResponse`, framed, as if a restart could not forget it.
struct Answer(Vec<u8>);

impl Answer {
    fn of(payment: &Payment, scored: &Scored) -> Self {
        let mut framed = Vec::with_capacity(ANSWER_BYTES);
        put_framed(&mut framed, |into| {
            put_message(1, into, |into| response::put_scored(payment, scored, into));
        });
        Self(framed)
    }

    /// The answer, saying whether a restart may forget it.
    fn kept(self, kept: Kept) -> Result<Bytes, Fault> {
        let note = |answer: &mut pb::ScorePaymentResponse| {
            let assessment = answer.assessment.iter_mut();
            assessment.for_each(|assessment| assessment.degraded = true);
        };
        response::with_kept(self.0, kept, note).map(Bytes::from)
    }
}

/// The answer, once the journal has it.
async fn committed(
    engine: &Engine,
    receipt: Receipt,
    deadline: Option<Deadline>,
    answer: Answer,
) -> Result<Bytes, Status> {
    let committed = async { Ok(engine.committed(receipt).await) };
    let kept = deadline::within(deadline, committed).await?;
    Ok(answer.kept(kept)?)
}

/// The answer to one payment of several that are scored together.
pub(in crate::grpc) enum Answered {
    /// Framed.
    Now(Result<Bytes, Status>),
    /// It has to wait for the journal.
    Later(BoxFuture<HttpResponse<Body>, Infallible>),
}

/// Payments of different calls that are scored together.
pub(in crate::grpc) struct ScoringChunk<'a> {
    service: &'a Service,
    /// `None`: the engine was not ready yet when it began.
    chunk: Option<Chunk<'a>>,
}

impl<'a> ScoringChunk<'a> {
    /// Scores the next payment; `headers` are those of its call.
    pub(in crate::grpc) fn score(
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
                let answer = scoring.answer.kept(kept).map_err(Status::from);
                end(call, &answer);
                Answered::Now(answer)
            }
            None => Answered::Later(service.finish_later(scoring, call, deadline)),
        }
    }
}

impl Service {
    /// The calls of a batch have their turns from now on, one after the other.
    pub(in crate::grpc) fn begin_turns(&self) {
        self.admission.begin_turns();
    }

    /// Begins to score these payments together, in their order.
    pub(in crate::grpc) fn begin_chunk<'a>(
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
            answer,
            receipt,
            in_flight,
        } = scoring;
        let engine = Arc::clone(engine);
        let in_flight = in_flight.go_on(&self.admission);
        let call = call.counted_by(self.server_state.clone());
        Box::pin(async move {
            let answer = committed(&engine, receipt, deadline, answer).await;
            drop(in_flight);
            end(call, &answer);
            Ok(answer.map_or_else(Status::into_http, fast_path::whole_response))
        })
    }

    /// Scores a payment; `headers` are those of its call. The answer is framed.
    pub(in crate::grpc) async fn score(
        &self,
        headers: &HeaderMap,
        Arrival { since, deadline }: Arrival,
        asked: Asked,
    ) -> Result<Bytes, Status> {
        let call = Call::begun(&self.server_state, Method::ScorePayment, since);
        let scoring = self.begin_score(headers, deadline, &asked, |engine, payment, token| {
            engine.score_with_receipt(payment, token)
        });
        let answer = match scoring {
            Ok(scoring) => scoring.kept(deadline).await,
            Err(fault) => Err(fault.into()),
        };
        end(call, &answer);
        answer
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
            answer: Answer::of(payment, &scored),
            receipt,
            in_flight,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;
    use crate::clock::{ManualClock, Stopwatch};
    use crate::grpc::admission::Admission;
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
        let mut chunk = service.begin_chunk(iter::empty());
        let told = chunk.score(&HeaderMap::new(), arrival, &asked);
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
