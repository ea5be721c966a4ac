//! The composed rival: a gRPC service, served as ours is, that asks Redis once for each payment.

use std::sync::Arc;
use std::time::SystemTime;

use doublecheck::grpc::listeners::Listeners;
use doublecheck::grpc::pb::risk_service_server::{RiskService, RiskServiceServer};
use doublecheck::grpc::server_state::ServerState;
use doublecheck::grpc::{Settings, pb, workers};
use redis::aio::MultiplexedConnection;
use std::num::NonZeroUsize;
use tokio::sync::OnceCell;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use crate::{Answer, direct};

/// Serves for as long as the process lives, on as many threads as ours; gives the address.
pub fn serve(redis_url: &str, script: &str) -> String {
    let (told, address) = std::sync::mpsc::channel();
    let redis = direct::client(redis_url);
    let script: Arc<str> = script.into();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async move {
            let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            let listeners = Listeners::bind("127.0.0.1:0", threads).await.unwrap();
            told.send(listeners.address().to_string()).unwrap();
            let services = move |_| {
                // A connection for each worker, as all else.
                let composed = Composed {
                    redis: redis.clone(),
                    connection: OnceCell::new(),
                    script: Arc::clone(&script),
                };
                Routes::new(RiskServiceServer::new(composed)).into()
            };
            let never = std::future::pending();
            workers::run(
                listeners,
                ServerState::recovering(),
                services,
                Settings::default(),
                never,
            )
            .await
            .unwrap();
        });
    });
    address.recv().unwrap()
}

#[derive(Debug)]
struct Composed {
    redis: redis::Client,
    connection: OnceCell<MultiplexedConnection>,
    script: Arc<str>,
}

impl Composed {
    async fn ask(&self, payment: &pb::Payment) -> redis::RedisResult<Answer> {
        let connect = || self.redis.get_multiplexed_async_connection();
        let mut connection = self.connection.get_or_try_init(connect).await?.clone();
        let money = payment.money.clone().unwrap_or_default();
        let payee = payment.payee.as_ref().map_or("", |payee| payee.id.as_str());
        redis::cmd("EVALSHA")
            .arg(&*self.script)
            .arg(1)
            .arg(&payment.account_id)
            .arg(now_ms())
            .arg(money.amount_minor)
            .arg(payee)
            .arg(&payment.payment_id)
            .query_async(&mut connection)
            .await
    }
}

pub fn now_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tonic::async_trait]
impl RiskService for Composed {
    type StreamPaymentsStream = tokio_stream::Empty<Result<pb::StreamPaymentsResponse, Status>>;

    async fn score_payment(
        &self,
        request: Request<pb::ScorePaymentRequest>,
    ) -> Result<Response<pb::ScorePaymentResponse>, Status> {
        let payment = request.into_inner().payment.unwrap_or_default();
        let answer = self.ask(&payment).await;
        let answer = answer.map_err(|error| Status::unavailable(error.to_string()))?;
        let decision = match answer[0] {
            0 => pb::Decision::Allow,
            _ => pb::Decision::Confirm,
        };
        let assessment = Some(pb::Assessment {
            payment_id: payment.payment_id,
            decision: decision.into(),
            challenge: pb::Challenge::None.into(),
            history: pb::History::Full.into(),
            policy_version: "balanced-00000000".to_owned(),
            ..pb::Assessment::default()
        });
        Ok(Response::new(pb::ScorePaymentResponse { assessment }))
    }

    async fn batch_score_payments(
        &self,
        _: Request<pb::BatchScorePaymentsRequest>,
    ) -> Result<Response<pb::BatchScorePaymentsResponse>, Status> {
        Err(not_asked_here())
    }

    async fn stream_payments(
        &self,
        _: Request<Streaming<pb::StreamPaymentsRequest>>,
    ) -> Result<Response<Self::StreamPaymentsStream>, Status> {
        Err(not_asked_here())
    }

    async fn report_outcome(
        &self,
        _: Request<pb::ReportOutcomeRequest>,
    ) -> Result<Response<pb::ReportOutcomeResponse>, Status> {
        Err(not_asked_here())
    }

    async fn get_payment(
        &self,
        _: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        Err(not_asked_here())
    }

    async fn list_payments(
        &self,
        _: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        Err(not_asked_here())
    }
}

fn not_asked_here() -> Status {
    Status::unimplemented("the rival scores single payments")
}
