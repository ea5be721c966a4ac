//! Where a story plays: a server of its own, its client, and a clock that is moved by hand.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::{Channel, Endpoint};

use crate::cli::Failure;
use crate::clock::ManualClock;
use crate::engine::Engine;
use crate::grpc;
use crate::grpc::pb::risk_service_client::RiskServiceClient;
use crate::grpc::pb::{
    Assessment, ListPaymentsRequest, Outcome, Payment, PaymentRecord, ReportOutcomeRequest,
    ScorePaymentRequest,
};
use crate::scoring::policy::Policy;
use crate::scoring::time::Timestamp;
use crate::token::TokenKey;

pub(super) struct Stage {
    clock: Arc<ManualClock>,
    client: RiskServiceClient<Channel>,
    /// The server runs for as long as this lives.
    _open: oneshot::Sender<()>,
}

impl Stage {
    /// A server that remembers nothing yet.
    pub(super) async fn open() -> Result<Self, Failure> {
        let listening = async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            std::io::Result::Ok((listener, address))
        };
        let (listener, address) = listening
            .await
            .map_err(|error| Failure::at_work("listening on 127.0.0.1", &error))?;
        let clock = Arc::new(ManualClock::at(Timestamp::default()));
        let engine = Engine::new(
            Policy::default(),
            Arc::<ManualClock>::clone(&clock),
            // Nothing is kept, so nothing has to be kept secret.
            TokenKey::from_bytes(&[0; 32]),
        );
        let (open, closed) = oneshot::channel::<()>();
        let told = async {
            // Whoever held the other end is gone: either way the story is over.
            let _ = closed.await;
        };
        let settings = grpc::Settings::default();
        tokio::spawn(grpc::serve(listener, Arc::new(engine), settings, told));
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| Failure::at_work(format!("connecting to {address}"), &error))?
            .connect()
            .await
            .map_err(|error| Failure::at_work(format!("connecting to {address}"), &error))?;
        Ok(Self {
            clock,
            client: RiskServiceClient::new(channel),
            _open: open,
        })
    }

    pub(super) fn set_time(&self, now: Timestamp) {
        self.clock.set(now);
    }

    pub(super) async fn score(
        &mut self,
        payment: &Payment,
        token: &str,
    ) -> Result<Assessment, Failure> {
        let request = ScorePaymentRequest {
            payment: Some(payment.clone()),
            confirmation_token: token.to_owned(),
        };
        let response = self.client.score_payment(request).await?.into_inner();
        Ok(response.assessment.unwrap_or_default())
    }

    pub(super) async fn report(
        &mut self,
        payment: &Payment,
        outcome: Outcome,
    ) -> Result<(), Failure> {
        let request = ReportOutcomeRequest {
            account_id: payment.account_id.clone(),
            payment_id: payment.payment_id.clone(),
            outcome: outcome.into(),
            payee_id: None,
        };
        self.client.report_outcome(request).await?;
        Ok(())
    }

    /// What is remembered of the account's duplicates, newest first.
    pub(super) async fn duplicates(
        &mut self,
        account_id: &str,
    ) -> Result<Vec<PaymentRecord>, Failure> {
        let request = ListPaymentsRequest {
            account_id: account_id.to_owned(),
            duplicates_only: true,
            ..ListPaymentsRequest::default()
        };
        Ok(self
            .client
            .list_payments(request)
            .await?
            .into_inner()
            .records)
    }
}
