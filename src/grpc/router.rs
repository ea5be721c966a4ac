//! Routes calls to our service, or to health and reflection.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::{Request, Response};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service as TowerService};
use tonic::service::Routes;

use super::calls::LimitedBody;
use super::service::RiskServer;
use super::service::decision_log::trace_of;

/// Our service, with tracing where that is compiled in.
#[cfg(not(feature = "otlp"))]
pub(super) type Risk = RiskServer;
#[cfg(feature = "otlp")]
pub(super) type Risk = super::traced::Traced<RiskServer>;

/// The future of a call to it. Named, because an opaque type would make its being `Send` depend on the request
/// body, which refers to the queue of such futures.
#[cfg(not(feature = "otlp"))]
type Served = BoxFuture<Response<Body>, Infallible>;
#[cfg(feature = "otlp")]
type Served = super::traced::Tracing<BoxFuture<Response<Body>, Infallible>>;

/// All services. Calls to ours are told apart before tonic's router, which takes a tenth of a call: it matches
/// the path against patterns, records the match, and boxes body and answer.
#[derive(Debug, Clone)]
pub struct Router {
    risk: Option<Risk>,
    tools: Routes,
}

/// A call that a service works on.
pub(super) enum Serving {
    Risk(Served),
    /// Our service has scored it, and it waits for the journal.
    Later(BoxFuture<Response<Body>, Infallible>),
    // Boxed, as it is larger and rare.
    Tools(Box<<Routes as TowerService<Request<LimitedBody>>>::Future>),
}

/// Without our service: calls to it are UNIMPLEMENTED.
impl From<Routes> for Router {
    fn from(tools: Routes) -> Self {
        let tools = tools.prepare();
        Self { risk: None, tools }
    }
}

impl Router {
    pub(super) fn new(risk: Risk, tools: Routes) -> Self {
        Self {
            risk: Some(risk),
            ..Self::from(tools)
        }
    }

    /// Whether this call scores one payment, and may be queued to be scored with others.
    pub(super) fn scores_one<B>(&self, request: &Request<B>) -> bool {
        self.risk.is_some() && RiskServer::scores_one(request) && !is_traced(request)
    }

    /// What scores the calls of the queue, if our service is there.
    pub(super) fn risk_server(&self) -> Option<&RiskServer> {
        #[cfg(feature = "otlp")]
        return self.risk.as_ref().map(|risk| &risk.0);
        #[cfg(not(feature = "otlp"))]
        return self.risk.as_ref();
    }

    /// Starts a call, to our service or to another.
    pub(super) fn call(&self, is_ours: bool, request: Request<LimitedBody>) -> Serving {
        match &self.risk {
            Some(risk) if is_ours => Serving::Risk(risk.clone().call(request)),
            _ => Serving::Tools(Box::new(self.tools.clone().call(request))),
        }
    }
}

/// Whether a span is recorded for the call, which then has to go through the service as a whole.
fn is_traced<B>(request: &Request<B>) -> bool {
    cfg!(feature = "otlp") && trace_of(request.headers()).is_some()
}

impl Future for Serving {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Risk(answer) => Pin::new(answer).poll(cx),
            Self::Later(answer) => Pin::new(answer).poll(cx),
            Self::Tools(answer) => Pin::new(answer).poll(cx),
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Risk(_) => "Risk",
            Self::Later(_) => "Later",
            Self::Tools(_) => "Tools",
        })
    }
}
