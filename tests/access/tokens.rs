//! Tokens: each opens what its roles open, until it ends or is revoked; nothing else opens anything.

use doublecheck::access::{Access, Fingerprint, Grant, Role};
use doublecheck::grpc::pb;
use doublecheck::scoring::time::{Span, Timestamp};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_types::StatusExt as _;

use crate::authority::Authority;
use crate::support::{START, Server, client_tls, payment, score, tls, with};

const SCORER: &str = "dct_scorer";
const READER: &str = "dct_reader";
const BOSS: &str = "dct_boss";
const SHORT: &str = "dct_short";

pub(crate) fn grant(roles: &[Role], expire_time: Option<Timestamp>) -> Grant {
    Grant {
        name: "holder".to_owned(),
        roles: roles.to_vec(),
        expire_time,
    }
}

pub(crate) fn access() -> Access {
    let mut access = Access::default();
    let mut add = |token: &str, role, expire_time| {
        access.add_token(
            Fingerprint::of(token.as_bytes()),
            grant(&[role], expire_time),
        );
    };
    add(SCORER, Role::Score, None);
    add(READER, Role::Evidence, None);
    add(BOSS, Role::Admin, None);
    add(SHORT, Role::Score, Some(START.plus(Span::from_secs(60))));
    access
}

/// The same without one of them.
fn access_without(token: &str) -> Access {
    let mut access = Access::default();
    for (kept, role) in [(SCORER, Role::Score), (READER, Role::Evidence)] {
        if kept != token {
            access.add_token(Fingerprint::of(kept.as_bytes()), grant(&[role], None));
        }
    }
    access
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// That a call was refused for `reason`, without a word of what was shown.
fn assert_refused(status: &Status, code: Code, reason: &str, shown: &str) {
    assert_eq!(status.code(), code, "{shown}: {status:?}");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (info.domain.as_str(), info.reason.as_str()),
        ("doublecheck", reason)
    );
    let secret = shown.rsplit(' ').next().unwrap_or_default();
    let told = format!("{status:?} {:?}", String::from_utf8_lossy(status.details()));
    assert!(
        secret.len() <= "Bearer".len() || !told.contains(secret),
        "{told}"
    );
}

#[tokio::test]
async fn what_is_no_good_token_opens_nothing() {
    let server = Server::start(Some(access()), None).await;
    let mut client = server.connect(None).await.unwrap();
    let long = bearer(&"x".repeat(300));
    for (header, reason) in [
        (None, "CREDENTIALS_MISSING"),
        (Some("Bearer dct_nobody"), "TOKEN_UNKNOWN"),
        (Some("Bearer dct_score"), "TOKEN_UNKNOWN"),
        (Some("Bearer dct_scorerr"), "TOKEN_UNKNOWN"),
        (Some("Bearer DCT_SCORER"), "TOKEN_UNKNOWN"),
        (Some("Basic dct_scorer"), "CREDENTIALS_MALFORMED"),
        (Some("dct_scorer"), "CREDENTIALS_MALFORMED"),
        (Some("Bearer"), "CREDENTIALS_MALFORMED"),
        (Some("Bearer  dct_scorer"), "CREDENTIALS_MALFORMED"),
        (Some("Bearer dct_scorer, dct_boss"), "CREDENTIALS_MALFORMED"),
        (Some(long.as_str()), "CREDENTIALS_MALFORMED"),
    ] {
        let metric = format!("doublecheck_calls_denied_total{{reason=\"{reason}\"}}");
        let before = server.metric(&metric);
        let status = score(&mut client, header).await.unwrap_err();
        assert_refused(
            &status,
            Code::Unauthenticated,
            reason,
            header.unwrap_or_default(),
        );
        assert_eq!(server.metric(&metric), before + 1.0);
    }
    assert_eq!(server.engine.accounts(), 0);
    score(&mut client, Some(&bearer(SCORER))).await.unwrap();
    assert_eq!(server.engine.accounts(), 1);
}

#[tokio::test]
async fn a_token_opens_what_its_roles_open() {
    let server = Server::start(Some(access()), None).await;
    let mut client = server.connect(None).await.unwrap();
    let denied = |status: &Status, token| {
        assert_refused(status, Code::PermissionDenied, "ROLE_MISSING", token);
    };
    for (token, scores, reads) in [
        (SCORER, true, false),
        (READER, false, true),
        (BOSS, true, true),
    ] {
        let header = bearer(token);
        let header = Some(header.as_str());
        let batch = pb::BatchScorePaymentsRequest {
            requests: vec![payment()],
        };
        let report = pb::ReportOutcomeRequest {
            account_id: "nobody".to_owned(),
            payment_id: "p1".to_owned(),
            outcome: pb::Outcome::Succeeded.into(),
            payee_id: Some("13800138000".to_owned()),
        };
        let listing = pb::ListPaymentsRequest {
            account_id: "nobody".to_owned(),
            ..Default::default()
        };
        let record = pb::GetPaymentRequest {
            account_id: "nobody".to_owned(),
            payment_id: "p1".to_owned(),
        };
        let scored = [
            client
                .score_payment(with(payment(), header))
                .await
                .map(drop),
            client
                .batch_score_payments(with(batch, header))
                .await
                .map(drop),
            client
                .stream_payments(with(tokio_stream::empty(), header))
                .await
                .map(drop),
            client.report_outcome(with(report, header)).await.map(drop),
        ];
        for result in scored {
            match scores {
                true => result.unwrap(),
                false => denied(&result.unwrap_err(), token),
            }
        }
        let listed = client.list_payments(with(listing, header)).await.map(drop);
        let read = client
            .get_payment(with(record, header))
            .await
            .map(drop)
            .unwrap_err();
        match reads {
            true => {
                listed.unwrap();
                assert_eq!(read.code(), Code::NotFound);
            }
            false => {
                denied(&listed.unwrap_err(), token);
                denied(&read, token);
            }
        }
    }
}

#[tokio::test]
async fn a_token_ends_when_it_says_and_when_it_is_revoked() {
    let server = Server::start(Some(access()), None).await;
    let mut client = server.connect(None).await.unwrap();
    let short = bearer(SHORT);
    server.clock.advance(Span::from_ms(59_999));
    score(&mut client, Some(&short)).await.unwrap();
    server.clock.advance(Span::from_ms(1));
    let status = score(&mut client, Some(&short)).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "TOKEN_EXPIRED", &short);

    let scorer = bearer(SCORER);
    score(&mut client, Some(&scorer)).await.unwrap();
    server.auth.change_access(access_without(SCORER));
    let status = score(&mut client, Some(&scorer)).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "TOKEN_UNKNOWN", &scorer);
    server.auth.change_access(access_without(READER));
    score(&mut client, Some(&scorer)).await.unwrap();
}

#[tokio::test]
async fn probes_need_no_token_and_tools_need_any() {
    let server = Server::start(Some(access()), None).await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address));
    let channel = channel.unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    health.check(HealthCheckRequest::default()).await.unwrap();
    let mut tools = ServerReflectionClient::new(channel);
    let mut ask = async |header: Option<&str>| {
        let questions = tokio_stream::empty::<ServerReflectionRequest>();
        tools
            .server_reflection_info(with(questions, header))
            .await
            .map(drop)
    };
    let status = ask(None).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_MISSING", "");
    for token in [SCORER, READER] {
        ask(Some(bearer(token).as_str())).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_may_stand_for_a_token() {
    let authority = Authority::called("ours");
    let (known, stranger) = (authority.client(|_| ()), authority.client(|_| ()));
    let mut access = access();
    let roles = grant(&[Role::Score], None);
    access.add_certificate(Fingerprint::of(&known.der), roles);
    let shown = tls(&authority.server(|_| ()), Some(&authority));
    let server = Server::start(Some(access), Some(shown)).await;
    let mut client = server
        .connect(Some(client_tls(&authority, Some(&known))))
        .await
        .unwrap();
    score(&mut client, None).await.unwrap();
    let listing = pb::ListPaymentsRequest {
        account_id: "nobody".to_owned(),
        ..Default::default()
    };
    let status = client.list_payments(listing).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "ROLE_MISSING", "");

    let tls = client_tls(&authority, Some(&stranger));
    let mut client = server.connect(Some(tls)).await.unwrap();
    let status = score(&mut client, None).await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_MISSING", "");
    score(&mut client, Some(&bearer(SCORER))).await.unwrap();
}
