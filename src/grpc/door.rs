//! Where calls wait outside while the engine reads its journal back, and where they are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::SetOnce;

use super::status::Fault;
use crate::engine::Engine;
use crate::telemetry::{CallCounters, CallRefused, EdgeCounters, Page, Sample};

/// The engine, once it is there. Until then every call is told to come again.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<Frame>);

#[derive(Debug, Default)]
struct Frame {
    engine: SetOnce<Arc<Engine>>,
    closing: AtomicBool,
    calls: CallCounters,
    disturbed: Sample,
    edge: EdgeCounters,
}

impl Door {
    /// A door that is still closed.
    #[must_use]
    pub fn closed() -> Self {
        Self::default()
    }

    /// The same, where so many of those whose payments are disturbed are logged.
    #[must_use]
    pub fn logging(disturbed: Sample) -> Self {
        Self(Arc::new(Frame {
            disturbed,
            ..Frame::default()
        }))
    }

    /// Opens it, once.
    pub fn open(&self, engine: Arc<Engine>) {
        // A second engine changes nothing.
        let _ = self.0.engine.set(engine);
    }

    /// Whether new calls are welcome: the engine is there, and nobody has asked to stop.
    #[must_use]
    pub fn welcomes_calls(&self) -> bool {
        self.0.engine.get().is_some() && !self.0.closing.load(Ordering::Relaxed)
    }

    /// Puts the metrics of calls, and of the engine once it is there, on a page.
    pub fn put_on(&self, page: &mut Page) {
        self.0.calls.put_on(page);
        self.0.edge.put_on(page);
        if let Some(engine) = self.0.engine.get() {
            engine.put_on(page);
        }
    }

    /// Which payments that are asked about or blocked are logged.
    pub(super) fn disturbed(&self) -> &Sample {
        &self.0.disturbed
    }

    /// Where connections and refusals are counted.
    pub(super) fn edge(&self) -> &EdgeCounters {
        &self.0.edge
    }

    /// The engine, if what it answers can be kept.
    pub(super) fn engine_with_room(&self) -> Result<&Arc<Engine>, Fault> {
        let engine = self.engine()?;
        if engine.has_room() {
            return Ok(engine);
        }
        self.edge().calls_refused(CallRefused::Journal, 1);
        Err(Fault::Busy(CallRefused::Journal))
    }

    /// New calls are still let in, but no longer welcome.
    pub(super) fn begin_to_close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
    }

    /// The engine, if the door is open.
    pub(super) fn engine(&self) -> Result<&Arc<Engine>, Fault> {
        self.0.engine.get().ok_or(Fault::Recovering)
    }

    /// Waits until the door is open.
    pub(super) async fn opened(&self) -> &Arc<Engine> {
        self.0.engine.wait().await
    }
}

impl AsRef<CallCounters> for Door {
    fn as_ref(&self) -> &CallCounters {
        &self.0.calls
    }
}

impl From<Arc<Engine>> for Door {
    fn from(engine: Arc<Engine>) -> Self {
        let door = Self::closed();
        door.open(engine);
        door
    }
}
