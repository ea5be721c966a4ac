//! Logs a sample of the payments that are confirmed or blocked. Accounts, payees and devices are named by
//! aliases that only the holder of the key can compute, never by their own ids.

use hyper::HeaderMap;
use hyper::header::HeaderName;

use crate::engine::Engine;
use crate::grpc::server_state::ServerState;
use crate::scoring::account::Scored;
use crate::scoring::assessment::Decision;
use crate::scoring::payment::Payment;
use crate::telemetry::{TRACEPARENT, TraceContext};

const TRACE: HeaderName = HeaderName::from_static(TRACEPARENT);

/// The trace context of the caller, if it records the trace.
pub(in crate::grpc) fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let header = headers.get(TRACE)?;
    TraceContext::sampled(header.to_str().ok()?)
}

/// Logs decisions for one call.
#[derive(Debug, Clone, Copy)]
pub(in crate::grpc) struct DecisionLog<'a> {
    pub(in crate::grpc) server_state: &'a ServerState,
    pub(in crate::grpc) engine: &'a Engine,
    pub(in crate::grpc) trace: Option<TraceContext>,
}

impl DecisionLog<'_> {
    /// Logs a decision, if it disturbs the payer and is part of the sample.
    pub(in crate::grpc) fn log(&self, payment: &Payment, scored: &Scored) {
        let Scored {
            assessment,
            replayed,
            ..
        } = scored;
        let is_disturbed = assessment.decision != Decision::Allow && !replayed;
        if !is_disturbed || !self.server_state.disturbed().takes() {
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

/// Two digits are enough for a log; evidence has them all. Rounded down, so that a score below a threshold
/// stays below it.
fn in_hundredths(score: f64) -> f64 {
    (score * 100.0).floor() / 100.0
}
