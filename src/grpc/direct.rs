//! Calls that score, of one message each way: from the bytes of the question to those of the answer.
//!
//! tonic has layers between these for messages of any number, packed or not, which cost such a call as much as
//! scoring does. Whatever is not as plain as almost every call goes to tonic, and so do all other methods.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use prost::Message;
use prost::bytes::{BufMut as _, BytesMut};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service as TowerService, StdError};
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::server::NamedService;

use super::batch::InVain;
use super::calls::deadline::Arrival;
use super::codec::{self, HEAD_BYTES, length};
use super::convert::request;
use super::pb::served::risk_service_server::RiskServiceServer;
use super::service::{Asked, Service};

const SCORE: &str = "/doublecheck.v1.RiskService/ScorePayment";
const SCORE_BATCH: &str = "/doublecheck.v1.RiskService/BatchScorePayments";

/// What a message is packed with, where it is.
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const NOT_PACKED: HeaderValue = HeaderValue::from_static("identity");

const OK: HeaderValue = HeaderValue::from_static("0");

/// The service, with a way of its own for most calls. Compression is not taken: payments are small, and what
/// is packed can be made to unfold to anything.
#[derive(Debug, Clone)]
pub struct Direct {
    service: Arc<Service>,
    others: RiskServiceServer<Service>,
    message_bytes_max: usize,
}

/// A method that has a way of its own.
#[derive(Debug, Clone, Copy)]
enum Direction {
    Score,
    ScoreBatch,
}

impl Direction {
    /// Where this call goes, if not to tonic.
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let direction = match request.uri().path() {
            SCORE => Self::Score,
            SCORE_BATCH => Self::ScoreBatch,
            _ => return None,
        };
        let encoding = request.headers().get(ENCODING);
        let is_packed = encoding.is_some_and(|encoding| *encoding != NOT_PACKED);
        (!is_packed).then_some(direction)
    }
}

impl Direct {
    /// Whether a call scores one payment, and its message is not packed.
    pub(super) fn scores_one<B>(request: &Request<B>) -> bool {
        matches!(Direction::of(request), Some(Direction::Score))
    }

    pub(super) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// What a call of one message asks that scores one payment.
    pub(super) fn read(&self, framed: Bytes) -> Result<Asked, Status> {
        check(&framed, self.message_bytes_max)?;
        asked(message_of(&whole(framed)?))
    }

    pub(super) fn new(service: Service, message_bytes_max: usize) -> Self {
        let service = Arc::new(service);
        let others = RiskServiceServer::from_arc(Arc::clone(&service));
        Self {
            service,
            others: others.max_decoding_message_size(message_bytes_max),
            message_bytes_max,
        }
    }
}

impl NamedService for Direct {
    const NAME: &'static str = RiskServiceServer::<Service>::NAME;
}

impl<B> TowerService<Request<B>> for Direct
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
        let Some(direction) = Direction::of(&request) else {
            return self.others.call(request);
        };
        let (service, bytes_max) = (Arc::clone(&self.service), self.message_bytes_max);
        Box::pin(async move {
            let answer = answer(&service, direction, bytes_max, request).await;
            Ok(answer.unwrap_or_else(Status::into_http))
        })
    }
}

async fn answer<B>(
    service: &Service,
    direction: Direction,
    bytes_max: usize,
    request: Request<B>,
) -> Result<Response<Body>, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    let (parts, body) = request.into_parts();
    let framed = framed(body, bytes_max).await?;
    let message = message_of(&framed);
    let arrival = Arrival::of(&parts.extensions);
    match direction {
        Direction::Score => {
            let asked = asked(message)?;
            encoded(&service.score(&parts.headers, arrival, asked).await?)
        }
        Direction::ScoreBatch => {
            let asked = codec::read(message)?;
            let answer = service.score_batch(&parts.headers, arrival, asked).await?;
            let mut response = encoded(&answer)?;
            if let Some(in_vain) = InVain::of(&answer.results) {
                response.extensions_mut().insert(in_vain);
            }
            Ok(response)
        }
    }
}

/// The message of a call with its head: all that comes, which is not packed and no longer than this.
async fn framed<B>(mut body: B, bytes_max: usize) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    let mut first = Bytes::new();
    // Only of what comes in pieces.
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

/// All that has come, where that is a message.
fn whole(framed: Bytes) -> Result<Bytes, Status> {
    match length(&framed) {
        Some(length) if length == framed.len() => Ok(framed),
        None if framed.is_empty() => Err(Status::internal("Missing request message.")),
        Some(_) | None => Err(Status::internal("Unexpected EOF decoding stream.")),
    }
}

fn message_of(framed: &[u8]) -> &[u8] {
    framed.get(HEAD_BYTES..).unwrap_or_default()
}

/// What a call asks that scores one payment.
pub(super) fn asked(message: &[u8]) -> Result<Asked, Status> {
    codec::read(message).map(|question| request::score(&question))
}

/// What ends a call before its message is whole. Where that is HTTP/2's or the line's, the client is gone.
fn broken_off(error: impl Into<StdError>) -> Status {
    let error = error.into();
    match error.is::<h2::Error>() {
        true => Status::cancelled("the client has left"),
        false => Status::from_error(error),
    }
}

/// That what has come so far may be the beginning of a message.
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

/// A message with its head.
pub(super) fn framed_message(message: &impl Message) -> Result<Bytes, Status> {
    let length = message.encoded_len();
    let mut bytes = Vec::with_capacity(HEAD_BYTES.saturating_add(length));
    let length = u32::try_from(length).map_err(|error| Status::internal(error.to_string()))?;
    bytes.put_u8(0);
    bytes.put_u32(length);
    message.encode_raw(&mut bytes);
    Ok(bytes.into())
}

/// What an answer of this body begins with.
pub(super) fn response<T>(body: T) -> Response<T> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

/// What follows the message of a call that went well.
pub(super) fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, OK);
    trailers
}

pub(super) fn encoded(message: &impl Message) -> Result<Response<Body>, Status> {
    Ok(response(Body::new(Whole {
        message: Some(framed_message(message)?),
        has_ended: false,
    })))
}

/// An answer of one message, and that its call went well.
#[derive(Debug)]
struct Whole {
    /// `None` once it is on its way.
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

    /// A service that has seen nothing so far.
    fn direct() -> Direct {
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

    /// What a service answers to a call that comes in these pieces: its code, and the bytes of the message.
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
            let expected = call(&mut direct().others, path, &[&sent]).await;
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
            let tonics = call(&mut direct().others, SCORE, &[&sent]).await;
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
