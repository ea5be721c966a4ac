//! Clients that do what no library of gRPC does: calls by their parts, and frames made by hand. The benches of
//! floods and of overload have them too.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::{BufMut as _, Bytes, BytesMut};
use doublecheck::grpc::pb;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use prost::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

pub(crate) const SCORE: &str = "/doublecheck.v1.RiskService/ScorePayment";
pub(crate) const BATCH: &str = "/doublecheck.v1.RiskService/BatchScorePayments";
pub(crate) const REPORT: &str = "/doublecheck.v1.RiskService/ReportOutcome";
pub(crate) const STREAM: &str = "/doublecheck.v1.RiskService/StreamPayments";
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// A connection that makes calls by their parts.
#[derive(Clone)]
pub(crate) struct Wire(SendRequest<Bytes>);

/// A call that was begun.
pub(crate) struct Begun {
    pub(crate) response: ResponseFuture,
    pub(crate) body: SendStream<Bytes>,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) http: u16,
    pub(crate) message: Bytes,
    /// Headers and trailers.
    pub(crate) said: HeaderMap,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, 65_535).await
    }

    /// The same, taking so many bytes of answers before they are read.
    pub(crate) async fn connect_with(address: SocketAddr, window_bytes: u32) -> Self {
        Self::connect_reading(address, window_bytes, 65_535).await
    }

    /// The same, taking so many of all answers and so many of each before they are read.
    pub(crate) async fn connect_reading(
        address: SocketAddr,
        window_bytes: u32,
        answer_bytes: u32,
    ) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let (send, connection) = h2::client::Builder::new()
            .initial_max_send_streams(usize::MAX >> 8)
            .initial_connection_window_size(window_bytes)
            .initial_window_size(answer_bytes)
            // However many small answers come before they are read.
            .data_frame_budget(usize::MAX >> 8)
            .handshake(socket)
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    /// Begins a call, with some headers and no message yet.
    pub(crate) async fn begin(&self, path: &str, headers: &[(&str, &str)]) -> Begun {
        self.try_begin(path, headers).await.unwrap()
    }

    /// The same where the server may have ended the connection.
    pub(crate) async fn try_begin(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Begun, h2::Error> {
        let uri = format!("http://localhost{path}");
        let mut request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.try_ask(request.body(()).unwrap()).await
    }

    /// Begins whatever it may be.
    pub(crate) async fn try_ask(&self, request: Request<()>) -> Result<Begun, h2::Error> {
        let mut send = self.0.clone().ready().await?;
        let (response, body) = send.send_request(request, false)?;
        Ok(Begun { response, body })
    }

    /// Begins a call with its one message.
    pub(crate) async fn ask(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        message: &impl Message,
    ) -> Begun {
        let mut begun = self.begin(path, headers).await;
        begun.body.send_data(framed(message), true).unwrap();
        begun
    }

    /// Asks to score a payment, with a time-out.
    pub(crate) async fn score(&self, payment: pb::Payment, timeout: &str) -> Begun {
        let request = pb::ScorePaymentRequest {
            payment: Some(payment),
            confirmation_token: String::new(),
        };
        let headers = [("grpc-timeout", timeout)];
        let headers = if timeout.is_empty() {
            &[]
        } else {
            &headers[..]
        };
        self.ask(SCORE, headers, &request).await
    }
}

impl Begun {
    pub(crate) async fn end(self) -> Ended {
        self.try_end().await.unwrap()
    }

    /// The same where the server may end the connection.
    pub(crate) async fn try_end(self) -> Result<Ended, h2::Error> {
        let response = self.response.await?;
        let http = response.status().as_u16();
        let mut said = response.headers().clone();
        let mut body = response.into_body();
        let mut message = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            message.extend_from_slice(&data);
        }
        said.extend(body.trailers().await?.unwrap_or_default());
        let message = message.freeze();
        Ok(Ended {
            http,
            message,
            said,
        })
    }

    /// What follows once the answer has begun.
    pub(crate) async fn answer(self) -> RecvStream {
        self.response.await.unwrap().into_body()
    }

    /// The client loses interest.
    pub(crate) fn cancel(mut self) {
        self.body.send_reset(Reason::CANCEL);
    }
}

impl Ended {
    pub(crate) fn said(&self, name: &str) -> &str {
        self.said
            .get(name)
            .map_or("", |text| text.to_str().unwrap())
    }

    /// The status of gRPC.
    pub(crate) fn code(&self) -> tonic::Code {
        tonic::Code::from_bytes(self.said("grpc-status").as_bytes())
    }

    /// The status as the details have it.
    pub(crate) fn status(&self) -> tonic::Status {
        tonic::Status::from_header_map(&self.said).unwrap()
    }

    pub(crate) fn assessment(&self) -> pb::Assessment {
        let answer = pb::ScorePaymentResponse::decode(&self.message[5..]);
        answer.unwrap().assessment.unwrap()
    }
}

/// A message as gRPC puts it on the wire.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    packed(0, &message.encode_to_vec())
}

/// Bytes as gRPC puts a message on the wire, compressed or not.
pub(crate) fn packed(flag: u8, bytes: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(flag);
    framed.put_u32(u32::try_from(bytes.len()).unwrap());
    framed.put_slice(bytes);
    framed.freeze()
}

/// A connection whose frames are made by hand.
pub(crate) struct Raw(TcpStream);

/// How the server ended a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The reason of the last GOAWAY, if there was one.
    pub(crate) goaway: Option<u32>,
    /// Whether it closed in mid-sentence.
    pub(crate) reset: bool,
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a call, each as it is and none remembered.
pub(crate) fn headers(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

impl Raw {
    /// A connection that has said nothing yet.
    pub(crate) async fn silent(address: SocketAddr) -> Self {
        Self::silent_from(Ipv4Addr::LOCALHOST, address).await
    }

    /// The same from an address of this machine's.
    pub(crate) async fn silent_from(source: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    /// A connection that has said what every client begins with.
    pub(crate) async fn greeted(address: SocketAddr) -> Self {
        Self::silent(address).await.greet().await
    }

    /// Says what every client begins with.
    pub(crate) async fn greet(mut self) -> Self {
        self.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
            .await;
        self
    }

    /// Sends, for as long as the server takes it.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Sends the same again and again until the server ends it, `max` times at most.
    pub(crate) async fn flood(self, max: usize, mut next: impl FnMut(usize) -> Vec<u8>) -> Cut {
        let (mut from, mut to) = self.0.into_split();
        let sent = async move {
            for nth in 0..max {
                if to.write_all(&next(nth)).await.is_err() {
                    break;
                }
            }
            to
        };
        let (cut, _to) = tokio::join!(until_cut(&mut from), sent);
        cut
    }

    /// Reads until the server asks to leave.
    pub(crate) async fn asked_to_leave(&mut self) {
        let mut head = [0; 9];
        while head[3] != GOAWAY {
            self.0.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.unwrap();
        }
    }

    /// Reads until the server answers this call; whether it did, before it asked to leave.
    pub(crate) async fn answered(&mut self, stream: u32) -> bool {
        let mut head = [0; 9];
        while self.0.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.unwrap();
            match head[3] {
                GOAWAY => return false,
                HEADERS if head[5..] == stream.to_be_bytes() => return true,
                _ => {}
            }
        }
        false
    }

    /// All that the server says until it ends it.
    pub(crate) async fn heard(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        // What it has closed on is lost, and no matter.
        let _ = self.0.read_to_end(&mut heard).await;
        heard
    }

    /// Reads until the server ends it.
    pub(crate) async fn cut(&mut self) -> Cut {
        until_cut(&mut self.0).await
    }
}

async fn until_cut(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Cut {
    let mut cut = Cut::default();
    let mut head = [0; 9];
    loop {
        if let Err(error) = from.read_exact(&mut head).await {
            cut.reset = error.kind() == std::io::ErrorKind::ConnectionReset;
            return cut;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if from.read_exact(&mut payload).await.is_err() {
            return cut;
        }
        if head[3] == GOAWAY {
            let reason = payload[4..8].try_into().unwrap();
            cut.goaway = Some(u32::from_be_bytes(reason));
        }
    }
}
