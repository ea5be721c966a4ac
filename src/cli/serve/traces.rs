//! Spans on their way to an OpenTelemetry collector.

use opentelemetry::global;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::cli::Failure;
use crate::config::LogSettings;

/// Sends spans from a thread of its own for as long as it is not ended. Spans that the collector does not
/// take are dropped: no call waits for it.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// As the settings ask for it.
    pub(super) fn of(settings: &LogSettings) -> Result<Option<Self>, Failure> {
        let endpoint = settings.otlp_endpoint.as_deref();
        endpoint.map(Self::send_to).transpose()
    }

    /// Needs the runtime around it that is there until the end.
    fn send_to(endpoint: &str) -> Result<Self, Failure> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| Failure::at_work(format!("sending traces to {endpoint}"), &error))?;
        let resource = Resource::builder().with_service_name("doublecheck").build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Self(provider))
    }

    /// Sends what is left, for some seconds at most.
    pub(super) async fn end(self) {
        // The runtime of this thread must go on meanwhile: the connection lives on it.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!(target: "doublecheck", "the last spans could not be sent");
        }
    }
}
