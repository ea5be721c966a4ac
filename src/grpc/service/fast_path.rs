//! A fast path for calls that score: from the bytes of the request to those of the answer.
//!
//! tonic has layers in between for streamed and compressed messages, which cost such a call as much as scoring
//! does. Calls that are not of the ordinary kind, and all other methods, go through tonic.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use prost::bytes::BytesMut;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service as TowerService, StdError};
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::server::NamedService;

use super::Service;
use super::score::Asked;
use super::stream::Messages;
use crate::grpc::calls::deadline::Arrival;
use crate::grpc::codec::{self, HEAD_BYTES, length};
use crate::grpc::convert::request;
use crate::grpc::pb::served::risk_service_server::{RiskServiceServer, SERVICE_NAME};

const SCORE: &str = "/doublecheck.v1.RiskService/ScorePayment";
const STREAM: &str = "/doublecheck.v1.RiskService/StreamPayments";
const SCORE_BATCH: &str = "/doublecheck.v1.RiskService/BatchScorePayments";

/// The header that says how messages are compressed.
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

const OK: HeaderValue = HeaderValue::from_static("0");

/// The gRPC server of the service, with a fast path for most calls. Compression is not supported: payments are
/// small, and a small compressed message can be made to expand to any size.
#[derive(Debug, Clone)]
pub struct RiskServer {
    service: Arc<Service>,
    tonic_server: RiskServiceServer<Service>,
    message_bytes_max: usize,
}

/// A method that has a fast path.
#[derive(Debug, Clone, Copy)]
enum FastMethod {
    Score,
    ScoreBatch,
    Stream,
}

impl FastMethod {
    /// The fast path that this call may take, if any.
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let method = match request.uri().path() {
            SCORE => Self::Score,
            SCORE_BATCH => Self::ScoreBatch,
            STREAM => Self::Stream,
            _ => return None,
        };
        let encoding = request.headers().get(ENCODING);
        let is_compressed = encoding.is_some_and(|encoding| *encoding != IDENTITY);
        (!is_compressed).then_some(method)
    }
}

impl RiskServer {
    /// Whether a call scores one payment, and its message is not compressed.
    pub(in crate::grpc) fn scores_one<B>(request: &Request<B>) -> bool {
        matches!(FastMethod::of(request), Some(FastMethod::Score))
    }

    pub(in crate::grpc) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Reads the request of a call that scores one payment.
    pub(in crate::grpc) fn read(&self, framed: Bytes) -> Result<Asked, Status> {
        check(&framed, self.message_bytes_max)?;
        asked(message_of(&whole(framed)?))
    }

    pub(in crate::grpc) fn new(service: Service, message_bytes_max: usize) -> Self {
        let service = Arc::new(service);
        let tonic_server = RiskServiceServer::from_arc(Arc::clone(&service));
        Self {
            service,
            tonic_server: tonic_server.max_decoding_message_size(message_bytes_max),
            message_bytes_max,
        }
    }
}

impl NamedService for RiskServer {
    const NAME: &'static str = SERVICE_NAME;
}

impl<B> TowerService<Request<B>> for RiskServer
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(method) = FastMethod::of(&request) else {
            return self.tonic_server.call(request);
        };
        let (service, bytes_max) = (Arc::clone(&self.service), self.message_bytes_max);
        Box::pin(async move {
            let answer = answer(&service, method, bytes_max, request).await;
            Ok(answer.unwrap_or_else(Status::into_http))
        })
    }
}

async fn answer<B>(
    service: &Service,
    method: FastMethod,
    bytes_max: usize,
    request: Request<B>,
) -> Result<Response<Body>, Status>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<StdError>,
{
    let (parts, body) = request.into_parts();
    let arrival = Arrival::of(&parts.extensions);
    match method {
        FastMethod::Stream => {
            let items = Messages::new(Body::new(body), bytes_max);
            Ok(response(Body::new(service.stream(&parts, items)?)))
        }
        FastMethod::Score => {
            let asked = asked(message_of(&framed(body, bytes_max).await?))?;
            let answer = service.score(&parts.headers, arrival, asked).await?;
            Ok(whole_response(answer))
        }
        FastMethod::ScoreBatch => {
            let framed = framed(body, bytes_max).await?;
            let asked = codec::read(message_of(&framed))?;
            let (answer, useless) = service.score_batch(&parts.headers, arrival, asked).await?;
            let mut response = whole_response(answer);
            if let Some(useless) = useless {
                response.extensions_mut().insert(useless);
            }
            Ok(response)
        }
    }
}

/// The message of a call with its length prefix, uncompressed and at most `bytes_max` long.
async fn framed<B>(mut body: B, bytes_max: usize) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    let mut first = Bytes::new();
    // Only used if the message comes in several pieces.
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.map_err(broken_off)?.into_data() else {
            continue;
        };
        if first.is_empty() {
            first = bytes;
            check(&first, bytes_max)?;
            continue;
        }
        if all.is_empty() {
            all.reserve(length(&first).unwrap_or_default());
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&bytes);
        check(&all, bytes_max)?;
    }
    whole(if all.is_empty() { first } else { all.freeze() })
}

/// Checks that what has come is exactly one message.
fn whole(framed: Bytes) -> Result<Bytes, Status> {
    match length(&framed) {
        Some(length) if length == framed.len() => Ok(framed),
        None if framed.is_empty() => Err(Status::internal("Missing request message.")),
        Some(_) | None => Err(Status::internal("Unexpected EOF decoding stream.")),
    }
}

/// What is behind the length prefix.
pub(in crate::grpc) fn message_of(framed: &[u8]) -> &[u8] {
    framed.get(HEAD_BYTES..).unwrap_or_default()
}

/// Reads a request to score one payment.
pub(in crate::grpc) fn asked(message: &[u8]) -> Result<Asked, Status> {
    codec::read(message).map(|question| request::score(&question))
}

/// Why a call ended before its message was whole. After an error of HTTP/2 or of the connection, the client is
/// gone.
fn broken_off(error: impl Into<StdError>) -> Status {
    let error = error.into();
    match error.is::<h2::Error>() {
        true => Status::cancelled("the client has left"),
        false => Status::from_error(error),
    }
}

/// Checks that what has come so far may be the beginning of one message.
fn check(framed: &[u8], bytes_max: usize) -> Result<(), Status> {
    if let Some(flag @ 1..) = framed.first() {
        let problem = format!("a message of compression flag {flag}, without grpc-encoding");
        return Err(Status::internal(problem));
    }
    let Some(length) = length(framed) else {
        return Ok(());
    };
    if length > HEAD_BYTES.saturating_add(bytes_max) {
        let problem = format!("a message is at most {bytes_max} bytes long");
        return Err(Status::out_of_range(problem));
    }
    if framed.len() > length {
        return Err(Status::internal("a call of this method has one message"));
    }
    Ok(())
}

/// The head of an answer with this body.
pub(in crate::grpc) fn response<T>(body: T) -> Response<T> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

/// The trailers of a call that succeeded.
pub(in crate::grpc) fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, OK);
    trailers
}

/// The answer of a call that succeeded: this message, which is framed.
pub(in crate::grpc) fn whole_response(message: Bytes) -> Response<Body> {
    response(Body::new(Whole {
        message: Some(message),
        has_ended: false,
    }))
}

/// The body of an answer: one message, and the trailers of success.
#[derive(Debug)]
struct Whole {
    /// `None` once it is sent.
    message: Option<Bytes>,
    has_ended: bool,
}

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        let trailers = (!self.has_ended).then(|| Ok(Frame::trailers(trailers())));
        self.has_ended = true;
        Poll::Ready(trailers)
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use prost::Message;
    use tokio_stream::iter;
    use tonic::Code;

    use super::*;
    use crate::clock::ManualClock;
    use crate::engine::Engine;
    use crate::grpc::limits::Limits;
    use crate::grpc::pb;
    use crate::scoring::policy::Policy;
    use crate::scoring::time::Timestamp;
    use crate::token::TokenKey;

    const MESSAGE_BYTES_MAX: u32 = 2_000;

    /// A server whose engine remembers nothing yet.
    fn direct() -> RiskServer {
        let clock = ManualClock::at(Timestamp::from_unix_ms(1_700_000_000_000));
        let key = TokenKey::from_bytes(&[7; 32]);
        let engine = Engine::new(Policy::default(), Arc::new(clock), key);
        let limits = Limits {
            message_bytes: MESSAGE_BYTES_MAX.into(),
            ..Limits::default()
        };
        crate::grpc::service(Arc::new(engine), &limits)
    }

    fn score() -> pb::ScorePaymentRequest {
        pb::ScorePaymentRequest {
            payment: Some(pb::Payment {
                payment_id: "p1".to_owned(),
                account_id: "alice".to_owned(),
                payee: Some(pb::Payee {
                    id: "13800138000".to_owned(),
                    r#type: pb::PayeeType::Phone.into(),
                }),
                money: Some(pb::Money {
                    amount_minor: 5_000,
                    currency_code: "CNY".to_owned(),
                }),
                kind: pb::PaymentKind::TopUp.into(),
                ..pb::Payment::default()
            }),
            confirmation_token: String::new(),
        }
    }

    fn framed(message: &impl Message) -> Vec<u8> {
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], &message].concat()
    }

    /// What a server answers to a call that comes in these pieces: the code, and the bytes of the message.
    async fn call<S>(service: &mut S, path: &str, pieces: &[&[u8]]) -> (Code, Bytes)
    where
        S: TowerService<Request<Pieces>, Response = Response<Body>, Error = Infallible>,
    {
        let frame = |piece: &&[u8]| Ok(Frame::data(Bytes::copy_from_slice(piece)));
        let frames: Vec<_> = pieces.iter().map(frame).collect();
        let body: Pieces = StreamBody::new(iter(frames));
        let request = Request::post(path).body(body).unwrap();
        let Ok(response) = service.call(request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or(head.headers);
        let code = Code::from_bytes(trailers[Status::GRPC_STATUS].as_bytes());
        (code, body.to_bytes())
    }

    type Pieces = StreamBody<tokio_stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Status>>>>;

    #[tokio::test]
    async fn it_answers_as_tonic_does_however_the_message_is_cut() {
        let batch = pb::BatchScorePaymentsRequest {
            requests: vec![score(), pb::ScorePaymentRequest::default(), score()],
        };
        for (path, sent) in [(SCORE, framed(&score())), (SCORE_BATCH, framed(&batch))] {
            let expected = call(&mut direct().tonic_server, path, &[&sent]).await;
            assert_eq!(expected.0, Code::Ok);
            for cut in 0..=sent.len() {
                let (begin, end) = sent.split_at(cut);
                assert_eq!(call(&mut direct(), path, &[begin, end]).await, expected);
            }
            let bytes: Vec<&[u8]> = sent.chunks(1).collect();
            assert_eq!(call(&mut direct(), path, &bytes).await, expected);
        }
    }

    #[tokio::test]
    async fn what_is_no_message_ends_as_with_tonic() {
        let sent = framed(&score());
        let with = |at: usize, byte: u8| {
            let mut sent = sent.clone();
            sent[at] = byte;
            sent
        };
        let long = |bytes: u32| {
            let head = [&[0], &bytes.to_be_bytes()[..]].concat();
            [head, vec![0; 10]].concat()
        };
        let bad = [
            (vec![], Code::Internal),
            (vec![0], Code::Internal),
            (sent[..HEAD_BYTES].to_vec(), Code::Internal),
            (sent[..sent.len() - 1].to_vec(), Code::Internal),
            (with(0, 1), Code::Internal),
            (with(0, 7), Code::Internal),
            (with(HEAD_BYTES, 0xff), Code::InvalidArgument),
            (long(MESSAGE_BYTES_MAX), Code::Internal),
            (long(MESSAGE_BYTES_MAX + 1), Code::OutOfRange),
            (long(u32::MAX), Code::OutOfRange),
        ];
        for (sent, code) in bad {
            let told = call(&mut direct(), SCORE, &[&sent]).await;
            assert_eq!(told, (code, Bytes::new()), "{sent:?}");
            let tonics = call(&mut direct().tonic_server, SCORE, &[&sent]).await;
            assert_eq!(told, tonics, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_second_message_is_no_part_of_such_a_call() {
        let sent = framed(&score());
        let (code, _) = call(&mut direct(), SCORE, &[&sent, &sent]).await;
        assert_eq!(code, Code::Internal);
        let (code, _) = call(&mut direct(), SCORE, &[&[&sent[..], &[0]].concat()]).await;
        assert_eq!(code, Code::Internal);
    }

    #[tokio::test]
    async fn what_is_packed_goes_to_tonic_which_says_that_it_is_not_taken() {
        let mut request = Request::post(SCORE)
            .body(http_body_util::Empty::new().map_err(|never: Infallible| match never {}));
        let headers = request.as_mut().unwrap().headers_mut();
        headers.insert(ENCODING, HeaderValue::from_static("gzip"));
        let Ok(response) = direct().call(request.unwrap()).await;
        assert_eq!(response.headers()[Status::GRPC_STATUS], "12");
    }
}
