//! A span for each call whose caller records a trace, sent to an OpenTelemetry collector. It says which method
//! was called and how that ended, never whom it was about. For a stream it covers only its beginning.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status as SpanStatus, TraceContextExt as _, TraceFlags,
    TraceState, Tracer as _,
};
use opentelemetry::{Context as Parent, KeyValue, SpanId, TraceId, global};
use tonic::Status;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

use super::service::decision_log::trace_of;
use crate::telemetry::{Method, TraceContext};

/// Codes of failures that are the service's own: a collector shows these as errors.
const OWN_FAULTS: [i64; 6] = [2, 4, 8, 13, 14, 15];

/// A service with a span for each traced call.
#[derive(Debug, Clone)]
pub(super) struct Traced<S>(pub(super) S);

/// A call to it.
#[derive(Debug)]
pub(super) struct Tracing<F> {
    answering: F,
    span: Option<global::BoxedSpan>,
}

impl<S: NamedService> NamedService for Traced<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<http::Request<B>> for Traced<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + NamedService,
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Tracing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let trace = trace_of(request.headers());
        let name = request.uri().path().rsplit('/').next();
        let method = Method::named(name.unwrap_or_default());
        Tracing {
            span: trace.map(|trace| begin(trace, S::NAME, method)),
            answering: self.0.call(request),
        }
    }
}

impl<F, R, E> Future for Tracing<F>
where
    F: Future<Output = Result<http::Response<R>, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answering).poll(cx));
        if let Some(span) = &mut self.span {
            let status = answer.as_ref().ok();
            let status = status.and_then(|answer| answer.headers().get(Status::GRPC_STATUS));
            end(
                span,
                status.and_then(|status| status.to_str().ok()?.parse().ok()),
            );
        }
        Poll::Ready(answer)
    }
}

fn begin(trace: TraceContext, service: &'static str, method: Method) -> global::BoxedSpan {
    let TraceContext { trace_id, span_id } = trace;
    let caller = SpanContext::new(
        TraceId::from(trace_id),
        SpanId::from(span_id),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    let tracer = global::tracer("doublecheck");
    let span = tracer.span_builder(format!("{service}/{method}"));
    span.with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", service),
            KeyValue::new("rpc.method", method.name()),
        ])
        .start_with_context(&tracer, &Parent::new().with_remote_span_context(caller))
}

/// Without a code in the head of the answer, the call went well.
fn end(span: &mut global::BoxedSpan, code: Option<i64>) {
    let code = code.unwrap_or(0);
    span.set_attribute(KeyValue::new("rpc.grpc.status_code", code));
    if OWN_FAULTS.contains(&code) {
        span.set_status(SpanStatus::error(""));
    }
    span.end();
}
