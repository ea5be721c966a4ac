//! Where calls go: to our service, or to those that tools ask.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::{Request, Response};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service as TowerService};
use tonic::service::Routes;

use super::calls::LimitedBody;
use super::direct::Direct;
use super::noted::trace_of;

/// Our service, on the wire.
#[cfg(not(feature = "otlp"))]
pub(super) type Risk = Direct;
#[cfg(feature = "otlp")]
pub(super) type Risk = super::traced::Traced<Direct>;

/// A call on its way through it. By its own name: whether it may go from thread to thread would else depend on what
/// calls bring, which knows of those that wait.
#[cfg(not(feature = "otlp"))]
type Served = BoxFuture<Response<Body>, Infallible>;
#[cfg(feature = "otlp")]
type Served = super::traced::Tracing<BoxFuture<Response<Body>, Infallible>>;

/// All services. Ours stands before the router, whose way to a service takes a tenth of a call: it looks the
/// path up as a pattern, notes what it matched, and puts body and answer into boxes.
#[derive(Debug, Clone)]
pub struct Services {
    risk: Option<Risk>,
    tools: Routes,
}

/// A call on its way through its service.
pub(super) enum Serving {
    Risk(Served),
    /// Has been through it, and waits.
    Later(BoxFuture<Response<Body>, Infallible>),
    // Larger, and seldom.
    Tools(Box<<Routes as TowerService<Request<LimitedBody>>>::Future>),
}

/// Without ours: calls to it are UNIMPLEMENTED.
impl From<Routes> for Services {
    fn from(tools: Routes) -> Self {
        let tools = tools.prepare();
        Self { risk: None, tools }
    }
}

impl Services {
    pub(super) fn new(risk: Risk, tools: Routes) -> Self {
        Self {
            risk: Some(risk),
            ..Self::from(tools)
        }
    }

    /// Whether this call scores one payment and may do so in a line with others.
    pub(super) fn scores_one<B>(&self, request: &Request<B>) -> bool {
        self.risk.is_some() && Direct::scores_one(request) && !is_traced(request)
    }

    /// What scores in a line, where anything does.
    pub(super) fn direct(&self) -> Option<&Direct> {
        #[cfg(feature = "otlp")]
        return self.risk.as_ref().map(|risk| &risk.0);
        #[cfg(not(feature = "otlp"))]
        return self.risk.as_ref();
    }

    /// Begins a call, which is one to our service or not.
    pub(super) fn call(&self, is_ours: bool, request: Request<LimitedBody>) -> Serving {
        match &self.risk {
            Some(risk) if is_ours => Serving::Risk(risk.clone().call(request)),
            _ => Serving::Tools(Box::new(self.tools.clone().call(request))),
        }
    }
}

/// Whether a span is made for the call: around all of it, by itself.
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
