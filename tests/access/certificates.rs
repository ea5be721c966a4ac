//! Certificates: the right one gets in, none of the others does, and each is counted for what it is.

use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{HandshakeKind, version};
use tonic::transport::ClientTlsConfig;
use tonic::{Code, Status};

use crate::authority::{Authority, Change, Pair, self_signed};
use crate::support::{Folder, Server, by_tls, client_config, client_tls, connected, score, tls};

const AS_IS: Change = |_| ();
const EXPIRED: Change = |params| params.not_after = date_time_ymd(2020, 1, 1);
const NOT_YET: Change = |params| params.not_before = date_time_ymd(4000, 1, 1);

const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn failed(reason: &str) -> String {
    format!("doublecheck_tls_handshakes_failed_total{{reason=\"{reason}\"}}")
}

/// A server that asks clients of `authority` for their certificate.
async fn server(authority: &Authority) -> Server {
    let shown = authority.server(AS_IS);
    Server::start(None, Some(tls(&shown, Some(authority)))).await
}

/// Whether the call came to nothing below gRPC, where no server can say why: which of the two it is depends
/// on whether the client was still writing.
fn is_of_transport(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown)
}

/// That who comes with `tls` does not get in, and what it is counted as.
async fn assert_kept_out(server: &Server, tls: ClientTlsConfig, reason: &str, what: &str) {
    let before = server.metric(&failed(reason));
    let status = server.score_by_tls(tls).await.expect_err(what);
    assert!(is_of_transport(&status), "{what}: {status:?}");
    // The server may hear of it after the client.
    while server.metric(&failed(reason)) == before {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.metric(&failed(reason)), before + 1.0, "{what}");
    assert_eq!(server.engine.accounts(), 0, "{what}");
}

#[tokio::test]
async fn only_clients_with_the_right_certificate_get_in() {
    let authority = Authority::called("ours");
    let other = Authority::called("another");
    let namesake = Authority::called("ours");
    let server = server(&authority).await;
    let bad = "bad_certificate";
    for (pair, reason, what) in [
        (None, "no_certificate", "none"),
        (Some(authority.client(EXPIRED)), bad, "expired"),
        (Some(authority.client(NOT_YET)), bad, "not yet valid"),
        (Some(other.client(AS_IS)), bad, "of another authority"),
        (
            Some(namesake.client(AS_IS)),
            bad,
            "of one that is called the same",
        ),
        (Some(self_signed()), bad, "self-signed"),
        (Some(authority.server(AS_IS)), bad, "for servers only"),
    ] {
        let tls = client_tls(&authority, pair.as_ref());
        assert_kept_out(&server, tls, reason, what).await;
    }
    let right = authority.client(AS_IS);
    server
        .score_by_tls(client_tls(&authority, Some(&right)))
        .await
        .unwrap();
    assert_eq!(server.engine.accounts(), 1);
}

#[tokio::test]
async fn whoever_has_to_show_a_certificate_shows_it_each_time() {
    let authority = Authority::called("ours");
    let shown = authority.server(AS_IS);
    let right = authority.client(AS_IS);
    for (client_ca, second) in [
        (None, HandshakeKind::Resumed),
        (Some(&authority), HandshakeKind::Full),
    ] {
        let server = Server::start(None, Some(tls(&shown, client_ca))).await;
        for version in [&version::TLS13, &version::TLS12] {
            let client = client_config(&authority, Some(&right), &[version]);
            for expected in [HandshakeKind::Full, second] {
                let mut connection = connected(server.address, &client).await;
                assert_eq!(connection.get_ref().1.handshake_kind(), Some(expected));
                // Behind the first that is heard are all tickets that were given.
                say(&mut connection, GREETING).await;
                connection.read_exact(&mut [0; 9]).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn clients_turn_away_from_a_server_that_is_not_the_right_one() {
    let authority = Authority::called("ours");
    let right = authority.client(AS_IS);
    let refused = "refused_by_client";
    let to = |tls: ClientTlsConfig, shown: Pair, what: &'static str| {
        let authority = &authority;
        async move {
            let server = Server::start(None, Some(self::tls(&shown, Some(authority)))).await;
            assert_kept_out(&server, tls, refused, what).await;
        }
    };
    let tls = || client_tls(&authority, Some(&right));
    let elsewhere = tls().domain_name("elsewhere");
    to(elsewhere, authority.server(AS_IS), "of another name").await;
    to(tls(), authority.server(EXPIRED), "expired").await;
    let other = Authority::called("another");
    to(tls(), other.server(AS_IS), "of another authority").await;
    to(tls(), authority.client(AS_IS), "for clients only").await;
}

#[tokio::test]
async fn what_is_no_tls_is_not_answered() {
    let authority = Authority::called("ours");
    let server = server(&authority).await;
    let mut plain = server.connect(None).await;
    if let Ok(client) = &mut plain {
        let status = score(client, None).await.unwrap_err();
        assert!(is_of_transport(&status), "{status:?}");
    }
    // The beginning of a greeting that never goes on.
    let mut cut = TcpStream::connect(server.address).await.unwrap();
    cut.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
    cut.shutdown().await.unwrap();
    assert_eq!(cut.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    // And one that is none.
    let mut wrong = TcpStream::connect(server.address).await.unwrap();
    wrong
        .write_all(&[22, 3, 1, 0, 4, 1, 255, 255, 255])
        .await
        .unwrap();
    let mut said = Vec::new();
    // Closed, with an alert or without.
    let _ = wrong.read_to_end(&mut said).await;
    assert!(matches!(said.first(), None | Some(&21)), "{said:?}");
    let counted = || [failed("broken_off"), failed("protocol")].map(|name| server.metric(&name));
    assert_eq!(counted(), [1.0, 2.0]);
    assert_eq!(server.engine.accounts(), 0);
}

#[tokio::test]
async fn behind_tls_too_a_greeting_may_come_in_pieces_and_what_is_none_is_closed_at_once() {
    let authority = Authority::called("ours");
    let shown = authority.server(AS_IS);
    // Whoever waits for the time-out waits for ten minutes.
    let server = Server::start_greeted_within(600_000, tls(&shown, None)).await;
    let mut pieces = by_tls(server.address, &authority).await;
    for byte in GREETING.chunks(1) {
        say(&mut pieces, byte).await;
    }
    // The head of the settings that HTTP/2's library begins with.
    let mut head = [0; 9];
    pieces.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4);
    for (nth, byte) in [(0, b'G'), (23, b'\r')] {
        let mut wrong = by_tls(server.address, &authority).await;
        say(&mut wrong, &GREETING[..nth]).await;
        say(&mut wrong, &[byte]).await;
        assert!(heard(wrong).await.is_empty(), "{nth}");
    }
}

#[tokio::test]
async fn behind_tls_too_who_does_not_greet_in_time_is_out_and_nothing_was_said_to_it() {
    let authority = Authority::called("ours");
    let shown = authority.server(AS_IS);
    let server = Server::start_greeted_within(2_000, tls(&shown, None)).await;
    let mut slow = by_tls(server.address, &authority).await;
    say(&mut slow, b"PRI * HTTP/2.0").await;
    assert!(heard(slow).await.is_empty());
}

async fn say(client: &mut TlsStream<TcpStream>, bytes: &[u8]) {
    client.write_all(bytes).await.unwrap();
    client.flush().await.unwrap();
}

/// What the server says until it ends it.
async fn heard(mut client: TlsStream<TcpStream>) -> Vec<u8> {
    let mut heard = Vec::new();
    // It ends without a word of TLS's.
    let _ = client.read_to_end(&mut heard).await;
    heard
}

#[tokio::test]
async fn without_a_client_ca_tls_asks_nobody() {
    let authority = Authority::called("ours");
    let shown = authority.server(AS_IS);
    let server = Server::start(None, Some(tls(&shown, None))).await;
    server
        .score_by_tls(client_tls(&authority, None))
        .await
        .unwrap();
    let ends = server.metric("doublecheck_tls_certificate_expiry_seconds");
    assert!(ends > 6e10, "{ends}");
}

#[test]
fn every_fault_of_a_file_names_it() {
    let authority = Authority::called("ours");
    let (pair, other) = (authority.server(AS_IS), authority.server(AS_IS));
    let folder = Folder::new();
    let faults = |certificate: &str, key: &str, client_ca: Option<&str>| {
        let mut files = folder.tls_files(&pair, None);
        files.certificate = folder.write("server.pem", certificate);
        files.key = folder.write("server.key", key);
        files.client_ca = client_ca.map(|pem| folder.write("clients.pem", pem));
        let fault = files
            .read()
            .map_or_else(|fault| fault.to_string(), |_| "fine".to_owned());
        fault
            .rsplit_once('/')
            .map_or_else(|| fault.clone(), |(_, told)| told.to_owned())
    };
    let Pair {
        certificate, key, ..
    } = &pair;
    assert_eq!(faults(certificate, key, Some(&authority.pem)), "fine");
    for (told, expected) in [
        (
            faults(certificate, &other.key, None),
            "server.key: is not the key of the certificate",
        ),
        (
            faults("", key, None),
            "server.pem: has no certificate in PEM",
        ),
        (
            faults(key, key, None),
            "server.pem: has no certificate in PEM",
        ),
        (
            faults(certificate, certificate, None),
            "server.key: has no private key in PEM",
        ),
        (
            faults(certificate, key, Some("")),
            "clients.pem: has no certificate in PEM",
        ),
        (
            faults(&certificate[..200], key, None),
            "server.pem: is not PEM: ",
        ),
    ] {
        assert!(told.starts_with(expected), "{told}");
    }
    let broken = certificate.replace("MII", "MIJ");
    let told = faults(&broken, key, None);
    assert!(
        told.starts_with("server.pem: has a certificate that is none: "),
        "{told}"
    );
}
