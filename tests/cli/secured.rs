//! `load` against servers behind TLS and tokens, its own and others; and what is wrong with its files.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;

use crate::support::{Folder, Ran, Served, run};

const LOCAL: [&str; 3] = ["serve", "--grpc-address", "127.0.0.1:0"];

/// An authority, a certificate of it for a server and one for a client, and a token: as files.
fn files() -> Folder {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let [server, client] = ["localhost", "load"].map(|name| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    });
    let made = run(&["token", "load"]);
    let (token, entry) = made.out.split_once("\n\n").unwrap();
    Folder::with(&[
        ("ca.pem", &ca),
        ("server.pem", &server.0),
        ("server.key", &server.1),
        ("client.pem", &client.0),
        ("client.key", &client.1),
        ("tokens.toml", entry),
        ("token", &format!("{token}\n")),
        ("empty", "\n"),
    ])
}

/// Runs a command whose words beginning with @ name files of `folder`.
fn words(folder: &Folder, command: &str) -> Vec<String> {
    let word = |word: &str| match word.strip_prefix('@') {
        Some(name) => folder.path(name),
        None => word.to_owned(),
    };
    command.split_whitespace().map(word).collect()
}

fn run_words(folder: &Folder, command: &str) -> Ran {
    let words = words(folder, command);
    run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn load(folder: &Folder, command: &str) -> Ran {
    run_words(folder, &format!("load --warm-up 0s {command}"))
}

/// A server behind `flags`, and its address by name.
fn served(folder: &Folder, flags: &str) -> (Served, String) {
    let flags = words(folder, flags);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let served = Served::start(&[&LOCAL[..], &flags].concat());
    let (_, port) = served.address.rsplit_once(':').unwrap();
    let address = format!("localhost:{port}");
    (served, address)
}

const TLS: &str = "--tls-certificate @server.pem --tls-key @server.key";

#[test]
fn a_server_behind_tls_and_tokens_is_loaded() {
    let folder = files();
    let (_served, address) = served(&folder, &format!("{TLS} --auth-tokens @tokens.toml"));
    let to = format!("--payments 300 --address {address}");
    for (mode, seed) in [("unary", 1), ("batch", 2), ("stream", 3)] {
        let shown = "--ca @ca.pem --token-file @token --json";
        let ran = load(
            &folder,
            &format!("{to} --mode {mode} --seed {seed} {shown}"),
        );
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{ran:?}");
        let loaded = ran.json();
        assert_eq!(loaded["score"]["answered"], 300, "{loaded}");
        for shown in ["tls", "token"] {
            assert_eq!(loaded["parameters"][shown], true, "{loaded}");
        }
    }
    let by_url =
        format!("--payments 300 --address https://{address} --token-file @token --ca @ca.pem");
    assert_eq!(load(&folder, &by_url).code, Some(0));

    let unknown = load(&folder, &format!("{to} --ca @ca.pem"));
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.out.contains("UNAUTHENTICATED 300"), "{unknown:?}");
    // What was not answered took no time, and why it was not is said.
    assert!(
        unknown.out.contains("\nlatency µs     not measured\n"),
        "{unknown:?}"
    );
    let why = "error: the first payment that failed was told UNAUTHENTICATED: the header ";
    assert!(unknown.err.contains(why), "{unknown:?}");
    // Its certificate is not from there.
    let other = load(
        &folder,
        &format!("{to} --token-file @token --ca @client.pem"),
    );
    assert_eq!((other.code, &*other.out), (Some(1), ""), "{other:?}");
    let expected = format!("error: connecting to https://{address}: ");
    assert!(other.err.starts_with(&expected), "{other:?}");
    let plain = load(&folder, &format!("{to} --token-file @token"));
    assert_eq!(plain.code, Some(1), "{plain:?}");
    assert!(plain.err.contains("no payment was answered"), "{plain:?}");
}

#[test]
fn a_load_shows_its_certificate_where_clients_must() {
    let folder = files();
    let (_served, address) = served(&folder, &format!("{TLS} --tls-client-ca @ca.pem"));
    let to = format!("--payments 300 --address {address} --ca @ca.pem");
    let shown = load(
        &folder,
        &format!("{to} --cert @client.pem --key @client.key"),
    );
    assert_eq!((shown.code, &*shown.err), (Some(0), ""), "{shown:?}");
    assert!(shown.out.contains(", over TLS\n"), "{shown:?}");
    let missing = load(&folder, &to);
    assert_eq!(missing.code, Some(1), "{missing:?}");
}

#[test]
fn a_load_starts_a_server_behind_tls_and_tokens() {
    let folder = files();
    let load_own = |shown: &str, flags: &str| {
        let prefill = "--payments 300 --prefill 1 --accounts 5000";
        load(&folder, &format!("{prefill} {shown} -- {flags}"))
    };
    let flags = format!("{TLS} --auth-tokens @tokens.toml --tls-client-ca @ca.pem");
    let client = "--cert @client.pem --key @client.key";
    let own = load_own(
        &format!("--ca @ca.pem --token-file @token {client}"),
        &flags,
    );
    assert_eq!((own.code, &*own.err), (Some(0), ""), "{own:?}");
    assert!(
        own.out.contains("its own, over TLS, with a token"),
        "{own:?}"
    );
    load_own("--ca @ca.pem", &format!("{TLS} --auth-tokens @tokens.toml"))
        .complained(1, "UNAUTHENTICATED");
}

#[test]
fn what_a_connection_ended_by_is_told() {
    let folder = files();
    let (tls, tls_address) = served(&folder, &format!("{TLS} --tls-client-ca @ca.pem"));
    let evidence = |server: String, more: &str| {
        let command = format!("evidence --account a --server {server} {more}");
        let ran = run_words(&folder, &command);
        assert_eq!((ran.code, &*ran.out), (Some(1), ""), "{ran:?}");
        let (_, cause) = ran.err.split_once("transport error: ").unwrap();
        assert!(!cause.trim().is_empty(), "{ran:?}");
    };
    // Mostly that a certificate is required; where the server was quicker to close, that it has.
    evidence(format!("https://{tls_address}"), "--tls-ca @ca.pem");
    evidence(format!("http://{tls_address}"), "");
    evidence(format!("http://{}", tls.http_address), "");
}

const SAYS_HTTPS: &str = "\n  if TLS is spoken there, the address begins with https://";
const SAYS_HTTP: &str = "\n  if no TLS is spoken there, the address begins with http://";

#[test]
fn who_speaks_tls_where_there_is_none_or_none_where_there_is_is_told_so() {
    let folder = files();
    let (_tls, by_tls) = served(&folder, TLS);
    let (_plain, in_plain) = served(&folder, "");
    let secure = "--tls-ca @ca.pem";
    for (server, more, told) in [
        (format!("http://{by_tls}"), "", SAYS_HTTPS),
        (format!("https://{in_plain}"), secure, SAYS_HTTP),
    ] {
        for command in [
            "evidence --account a --server",
            "load --payments 5 --address",
        ] {
            let ran = run_words(&folder, &format!("{command} {server} {more}"));
            assert_eq!(ran.code, Some(1), "{ran:?}");
            assert!(ran.err.contains(told), "{ran:?}");
        }
    }
    // Where it is neither, nothing is made up.
    let (_served, address) = served(&folder, &format!("{TLS} --auth-tokens @tokens.toml"));
    let command = format!("evidence --account a --server https://{address} {secure}");
    let ran = run_words(&folder, &command);
    ran.complained_first(1, "error: UNAUTHENTICATED: ");
    assert!(!ran.err.contains("spoken there"), "{ran:?}");
}

#[test]
fn who_is_not_let_in_is_told_of_in_the_log() {
    let folder = files();
    let flags = format!("{TLS} --auth-tokens @tokens.toml --log-format json");
    let (served, address) = served(&folder, &flags);
    let evidence = |more: &str| {
        let command =
            format!("evidence --account a --server https://{address} --tls-ca @ca.pem {more}");
        let ran = run_words(&folder, &command);
        assert_eq!(ran.code, Some(1), "{ran:?}");
    };
    let token = std::fs::read_to_string(folder.path("token")).unwrap();
    let token = token.trim();
    let unknown = format!("{token}-none");
    for (shown, why, holder) in [
        ("", "CREDENTIALS_MISSING", Value::Null),
        (
            &*format!("--bearer-token {unknown}"),
            "TOKEN_UNKNOWN",
            Value::Null,
        ),
        (
            &*format!("--bearer-token {token}"),
            "ROLE_MISSING",
            "load".into(),
        ),
    ] {
        evidence(shown);
        let line = served.logged("calls are denied");
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&event["why"], &event["level"]),
            (&why.into(), &"WARN".into()),
            "{line}"
        );
        assert_eq!(
            (&event["denied"], &event["holder"]),
            (&1.into(), &holder),
            "{line}"
        );
        assert!(
            event["address"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
        assert!(!line.contains(token), "{line}");
    }
}

#[test]
fn handshakes_that_fail_are_told_of_in_the_log() {
    let folder = files();
    let (served, address) = served(&folder, &format!("{TLS} --tls-client-ca @ca.pem"));
    for (server, why) in [
        (format!("http://{address}"), "protocol"),
        (
            format!("https://{address} --tls-ca @ca.pem"),
            "no_certificate",
        ),
    ] {
        let ran = run_words(&folder, &format!("evidence --account a --server {server}"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let line = served.logged("TLS handshakes fail");
        assert!(line.contains(&format!("why=\"{why}\"")), "{line}");
        assert!(line.contains("address=127.0.0.1:"), "{line}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_the_flag_that_named_it() {
    let folder = files();
    let pair = "--ca @ca.pem --cert @client.pem --key";
    for (arguments, told) in [
        (
            "--ca @no-such-file",
            "--tls-ca: @no-such-file: cannot be read: ",
        ),
        (
            "--ca @token",
            "--tls-ca: @token: has no certificate in PEM\n",
        ),
        (
            &format!("{pair} @client.pem"),
            "--tls-client-key: @client.pem: has no private key in PEM\n",
        ),
        (
            &format!("{pair} @server.key"),
            "--tls-client-key: @server.key: is not the key of the certificate\n",
        ),
        (
            "--ca @ca.pem --cert @empty --key @client.key",
            "--tls-client-certificate: @empty: has no certificate in PEM\n",
        ),
        (
            "--token-file @no-such-file",
            "--token-file: @no-such-file: cannot be read: ",
        ),
        ("--token-file @empty", "--token-file: @empty: is empty\n"),
        ("--token-file @tokens.toml", "--token-file: is no token\n"),
        (
            "--ca @ca.pem --address http://localhost:1",
            "--tls-ca: takes an address of https://, and http://localhost:1 is none\n",
        ),
        (
            "--address https://localhost:1",
            "--address: https://localhost:1 takes --tls-ca, the roots that its certificate must come from\n",
        ),
        (
            "--address ftp://localhost:1",
            "--address: ftp://localhost:1: must be an address of http:// or https://\n",
        ),
        ("--ca @ca.pem --echo", "error: --tls-ca and --echo: "),
    ] {
        let ran = load(&folder, arguments);
        let told = words(&folder, told).join(" ");
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{arguments}: {ran:?}");
        assert!(ran.err.starts_with(told.trim_end()), "{arguments}: {ran:?}");
    }
    for (alone, other) in [
        ("--cert @client.pem --key @client.key", "--tls-ca"),
        ("--ca @ca.pem --cert @client.pem", "--tls-client-key"),
        ("--ca @ca.pem --key @client.key", "--tls-client-certificate"),
    ] {
        let ran = load(&folder, alone);
        assert_eq!(ran.code, Some(2), "{alone}: {ran:?}");
        assert!(ran.err.contains(other), "{alone}: {ran:?}");
    }
}
