//! Of payments that are asked about or blocked, a sample is logged: under names that only who has the key
//! can tell, never under an account's, payee's or device's own.

use hyper::HeaderMap;
use hyper::header::HeaderName;

use super::door::Door;
use crate::engine::Engine;
use crate::scoring::account::Scored;
use crate::scoring::assessment::Decision;
use crate::scoring::payment::Payment;
use crate::telemetry::{TRACEPARENT, TraceContext};

const TRACE: HeaderName = HeaderName::from_static(TRACEPARENT);

/// The trace that the caller records, if so.
pub(super) fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let header = headers.get(TRACE)?;
    TraceContext::sampled(header.to_str().ok()?)
}

/// Who looks at payments, and for which call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted<'a> {
    pub(super) door: &'a Door,
    pub(super) engine: &'a Engine,
    pub(super) trace: Option<TraceContext>,
}

impl Noted<'_> {
    /// Logs what was decided on a payment, if it is its turn. One that is let through never is.
    pub(super) fn note(&self, payment: &Payment, scored: &Scored) {
        let Scored {
            assessment,
            replayed,
            ..
        } = scored;
        let is_disturbed = assessment.decision != Decision::Allow && !replayed;
        if !is_disturbed || !self.door.disturbed().takes() {
            return;
        }
        let codes: Vec<&str> = assessment
            .reasons
            .iter()
            .map(|reason| reason.code.name())
            .collect();
        let alias = |id: &str| self.engine.alias(id).to_string();
        let device = payment.device_id.as_ref().map(|id| alias(id.as_str()));
        tracing::info!(
            target: "doublecheck",
            decision = assessment.decision.name(),
            score = in_hundredths(assessment.score),
            reasons = codes.join(","),
            policy = &*assessment.policy_version,
            account = alias(payment.account_id.as_str()),
            payee = alias(payment.payee.id.as_str()),
            device,
            trace_id = self.trace.map(|trace| format!("{:032x}", trace.trace_id)),
            span_id = self.trace.map(|trace| format!("{:016x}", trace.span_id)),
            "a payment was disturbed"
        );
    }
}

/// Further digits tell a reader of the log nothing; evidence has them all. What is under a threshold stays
/// under it.
fn in_hundredths(score: f64) -> f64 {
    (score * 100.0).floor() / 100.0
}
