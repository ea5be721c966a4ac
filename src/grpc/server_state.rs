//! What the whole server shares: the engine, once it has recovered, and the counters of calls and connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::SetOnce;

use super::status::Fault;
use crate::engine::Engine;
use crate::telemetry::{CallCounters, CallRefused, EdgeCounters, Page, Sample};

/// The state of the server, the same for all workers. Until the engine is set, every call is answered
/// UNAVAILABLE.
#[derive(Debug, Clone, Default)]
pub struct ServerState(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    engine: SetOnce<Arc<Engine>>,
    draining: AtomicBool,
    calls: CallCounters,
    disturbed: Sample,
    edge: EdgeCounters,
}

impl ServerState {
    /// A server whose engine still recovers.
    #[must_use]
    pub fn recovering() -> Self {
        Self::default()
    }

    /// The same, logging this sample of the payments that disturb their payers.
    #[must_use]
    pub fn logging(disturbed: Sample) -> Self {
        Self(Arc::new(Inner {
            disturbed,
            ..Inner::default()
        }))
    }

    /// The engine has recovered: calls are answered from now on.
    pub fn set_engine(&self, engine: Arc<Engine>) {
        // Only the first engine counts.
        let _ = self.0.engine.set(engine);
    }

    /// Whether to send it new calls: the engine is there, and shutdown was not announced.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.engine.get().is_some() && !self.0.draining.load(Ordering::Relaxed)
    }

    /// Puts the metrics of calls, and of the engine if it is there, on a page.
    pub fn put_on(&self, page: &mut Page) {
        self.0.calls.put_on(page);
        self.0.edge.put_on(page);
        if let Some(engine) = self.0.engine.get() {
            engine.put_on(page);
        }
    }

    /// The sample of confirmed and blocked payments to log.
    pub(super) fn disturbed(&self) -> &Sample {
        &self.0.disturbed
    }

    /// The counters of connections and refusals.
    pub(super) fn edge(&self) -> &EdgeCounters {
        &self.0.edge
    }

    /// The engine, if the journal has room for what it will answer.
    pub(super) fn engine_with_room(&self) -> Result<&Arc<Engine>, Fault> {
        let engine = self.engine()?;
        if engine.has_room() {
            return Ok(engine);
        }
        self.edge().calls_refused(CallRefused::Journal, 1);
        Err(Fault::Busy(CallRefused::Journal))
    }

    /// Shutdown is announced. New calls are still answered, but should go elsewhere.
    pub(super) fn begin_draining(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// The engine, once it has recovered.
    pub(super) fn engine(&self) -> Result<&Arc<Engine>, Fault> {
        self.0.engine.get().ok_or(Fault::Recovering)
    }

    /// Waits until the engine has recovered.
    pub(super) async fn ready(&self) -> &Arc<Engine> {
        self.0.engine.wait().await
    }
}

impl AsRef<CallCounters> for ServerState {
    fn as_ref(&self) -> &CallCounters {
        &self.0.calls
    }
}

impl From<Arc<Engine>> for ServerState {
    fn from(engine: Arc<Engine>) -> Self {
        let server_state = Self::recovering();
        server_state.set_engine(engine);
        server_state
    }
}
