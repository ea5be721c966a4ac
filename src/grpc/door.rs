//! Where calls wait outside while the engine reads its journal back.

use std::sync::Arc;

use tokio::sync::SetOnce;

use super::status::Fault;
use crate::engine::Engine;

/// The engine, once it is there. Until then every call is told to come again.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<SetOnce<Arc<Engine>>>);

impl Door {
    /// A door that is still closed.
    #[must_use]
    pub fn closed() -> Self {
        Self::default()
    }

    /// Opens it, once.
    pub fn open(&self, engine: Arc<Engine>) {
        // A second engine changes nothing.
        let _ = self.0.set(engine);
    }

    /// The engine, if the door is open.
    pub(super) fn engine(&self) -> Result<&Arc<Engine>, Fault> {
        self.0.get().ok_or(Fault::Recovering)
    }

    /// Waits until the door is open.
    pub(super) async fn opened(&self) -> &Arc<Engine> {
        self.0.wait().await
    }
}

impl From<Arc<Engine>> for Door {
    fn from(engine: Arc<Engine>) -> Self {
        Self(Arc::new(SetOnce::new_with(Some(engine))))
    }
}
