//! Any bytes as the message of any call: it is answered, and what is a message is never the service's fault.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use doublecheck::clock::ManualClock;
use doublecheck::engine::Engine;
use doublecheck::grpc::limits::Limits;
use doublecheck::grpc::{self, pb};
use doublecheck::scoring::policy::Policy;
use doublecheck::scoring::time::Timestamp;
use doublecheck::token::TokenKey;
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use prost::bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tonic::Code;
use tonic::codegen::{Service as _, http};

/// The methods, and whether bytes are the message that each takes.
const METHODS: [(&str, fn(&[u8]) -> bool); 6] = [
    ("ScorePayment", is::<pb::ScorePaymentRequest>),
    ("BatchScorePayments", is::<pb::BatchScorePaymentsRequest>),
    ("StreamPayments", is::<pb::StreamPaymentsRequest>),
    ("ReportOutcome", is::<pb::ReportOutcomeRequest>),
    ("GetPayment", is::<pb::GetPaymentRequest>),
    ("ListPayments", is::<pb::ListPaymentsRequest>),
];

/// What is remembered stays this small, however long it runs.
const MEMORY_BYTES_MAX: u64 = 64 << 20;

fn is<M: Message + Default>(message: &[u8]) -> bool {
    M::decode(message).is_ok()
}

struct Served {
    runtime: Runtime,
    engine: Arc<Engine>,
}

thread_local! {
    static SERVED: RefCell<Served> = RefCell::new(Served {
        runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
        engine: {
            let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(1_700_000_000_000)));
            let engine = Engine::new(Policy::default(), clock, TokenKey::from_bytes(&[7; 32]));
            Arc::new(engine.with_memory_budget(MEMORY_BYTES_MAX))
        },
    });
}

impl Served {
    /// The code that the call ends with.
    fn call(&self, method: &str, message: &[u8]) -> Code {
        let mut framed = vec![0];
        framed.extend_from_slice(&u32::try_from(message.len()).expect("a short message").to_be_bytes());
        framed.extend_from_slice(message);
        let request = http::Request::post(format!("/doublecheck.v1.RiskService/{method}"))
            .header("content-type", "application/grpc")
            .body(Full::new(Bytes::from(framed)))
            .expect("a request");
        let mut service = grpc::service(Arc::clone(&self.engine), &Limits::default());
        self.runtime.block_on(async {
            let Ok(response) = service.call(request).await;
            let head = response.headers().clone();
            let body = response.into_body().collect().await.expect("an answer to its end");
            let trailers = body.trailers().cloned().unwrap_or_default();
            let code = trailers.get("grpc-status").or_else(|| head.get("grpc-status"));
            Code::from_bytes(code.expect("every call ends with a code").as_bytes())
        })
    }
}

// The first byte says which method.
fuzz_target!(|bytes: &[u8]| {
    let Some((nth, message)) = bytes.split_first() else {
        return;
    };
    let (method, is_message) = METHODS[usize::from(*nth) % METHODS.len()];
    SERVED.with_borrow(|served| {
        // Twice: what is remembered of the first meets the second.
        for _ in 0..2 {
            let code = served.call(method, message);
            if is_message(message) {
                assert!(!matches!(code, Code::Internal | Code::Unknown), "{method}: {code:?}");
            }
        }
    });
});
