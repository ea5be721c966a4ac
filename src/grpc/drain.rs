//! Serving until told to stop, and then for as long as open calls need, within bounds.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Error;
use tonic::transport::server::{Router, TcpIncoming};

/// Serves `router` on this runtime until `stop` completes and the calls that are open then have ended,
/// or `drain_max` has passed. Connections that are open beyond it live until the runtime does not.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    drain_max: Duration,
) -> Result<(), Error> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let (drain, draining) = oneshot::channel();
    let stop_taking_calls = async {
        stop.await;
        // Nobody listens once the server has failed, and then there is nothing to drain.
        let _ = drain.send(());
    };
    let mut serving = pin!(router.serve_with_incoming_shutdown(incoming, stop_taking_calls));
    tokio::select! {
        result = &mut serving => return result,
        Ok(()) = draining => {}
    }
    if let Ok(result) = tokio::time::timeout(drain_max, serving).await {
        return result;
    }
    tracing::warn!(target: "doublecheck", ?drain_max, "calls were still open at the drain deadline");
    Ok(())
}
