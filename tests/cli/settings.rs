//! What is refused before anything is served.

use std::net::TcpListener;

use rcgen::{CertificateParams, KeyPair};

use crate::support::{Folder, doublecheck, ran, run};

#[test]
fn an_address_that_others_can_reach_takes_tls_and_tokens_or_a_word() {
    let data = Folder::with(&[]);
    let data = data.path("data");
    for arguments in [
        &["check", "--grpc-address", "0.0.0.0:0"][..],
        &["serve", "--grpc-address", "0.0.0.0:0", "--data-dir", &data],
        &[
            "serve",
            "--grpc-address",
            "[::]:0",
            "--insecure=false",
            "--data-dir",
            &data,
        ],
    ] {
        let ran = run(arguments);
        ran.complained(2, "--grpc-address: takes TLS");
        assert!(ran.err.contains("`--insecure`"), "{ran:?}");
    }
    let ran = run(&["check", "--grpc-address", "0.0.0.0:0", "--insecure"]).succeeded();
    assert!(ran.err.starts_with("warning: grpc.insecure: "), "{ran:?}");
    // For metrics that is not asked: they tell of nobody.
    run(&["check", "--http-address", "0.0.0.0:0"]).succeeded();
}

#[test]
fn whoever_does_without_is_told_what_others_may_then() {
    let entry = run(&["token", "gateway", "--role", "score"]).out;
    let (_, entry) = entry.split_once("\n\n").unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let files = [
        ("tokens.toml", entry),
        ("a.pem", &certificate),
        ("a.key", &key.serialize_pem()),
    ];
    let folder = Folder::with(&files);
    let paths = files.map(|(name, _)| folder.path(name));
    let [tokens, certificate, key] = paths.each_ref().map(String::as_str);
    let tls = ["--tls-certificate", certificate, "--tls-key", key];
    for (flags, may) in [
        (&[][..], "call everything there, and read along"),
        (&["--auth-tokens", tokens], "read along"),
        (&tls, "call everything there"),
    ] {
        let open = ["check", "--grpc-address", "0.0.0.0:1", "--insecure"];
        let ran = run(&[&open, flags].concat());
        let told = format!("warning: grpc.insecure: whoever can reach 0.0.0.0:1 may {may}\n");
        assert!(ran.err.contains(&told), "{ran:?}");
        assert!(!ran.out.contains("warning"), "{ran:?}");
    }
}

#[test]
fn more_memory_than_there_is_may_be_allowed_and_is_warned_of() {
    let warning = "warning: memory.budget: all of 1024TiB, limits.connections and ";
    let ran = run(&["check", "--memory-budget", "1024TiB"]).succeeded();
    assert!(ran.err.contains(warning), "{ran:?}");
    let ran = run(&[
        "check",
        "--memory-budget",
        "16MiB",
        "--limits-connections",
        "100",
    ]);
    assert!(!ran.err.contains("warning: memory"), "{ran:?}");
}

#[test]
fn a_name_counts_for_where_it_listens() {
    let data = Folder::with(&[]);
    let data = data.path("data");
    // The name of this machine is bound wherever it is known; where it is another machine's, or the
    // loopback's, there is nothing to refuse.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let address = format!("{}:0", name.trim());
    let reachable = TcpListener::bind(&address)
        .is_ok_and(|bound| !bound.local_addr().unwrap().ip().is_loopback());
    if reachable {
        run(&["serve", "--grpc-address", &address, "--data-dir", &data]).complained(2, "takes TLS");
    }
}

#[test]
fn a_mistyped_variable_stops_the_service_and_one_of_kubernetes_does_not() {
    let check = |name, value| ran(&doublecheck(&["check"]).env(name, value).output().unwrap());
    let mistyped = check("DOUBLECHECK_THREAD", "1");
    assert_eq!(mistyped.code, Some(2), "{mistyped:?}");
    let told = "DOUBLECHECK_THREAD: no such setting; did you mean `DOUBLECHECK_THREADS`?\n";
    assert_eq!(mistyped.err, told);
    let no_setting = check("DOUBLECHECK_HTTP_PORT", "9464");
    assert_eq!(no_setting.code, Some(2), "{no_setting:?}");
    check("DOUBLECHECK_SERVICE_PORT_GRPC", "50051").succeeded();
    check("DOUBLECHECK_PORT", "tcp://10.0.0.1:50051").succeeded();
}

#[test]
fn an_empty_variable_counts_as_not_set_whatever_reads_it() {
    let check = doublecheck(&["check"])
        .env("DOUBLECHECK_CONFIG", "")
        .env("DOUBLECHECK_THREADS", "")
        .output();
    ran(&check.unwrap()).succeeded();
    let asked = ["score", "--help"];
    let help = ran(&doublecheck(&asked)
        .env("DOUBLECHECK_SERVER", "")
        .output()
        .unwrap());
    assert!(
        help.out.contains("[default: http://127.0.0.1:50051]"),
        "{help:?}"
    );
    let mut call = doublecheck(&["evidence", "--account", "alice"]);
    for name in [
        "DOUBLECHECK_SERVER",
        "DOUBLECHECK_BEARER_TOKEN",
        "DOUBLECHECK_TLS_CA",
        "DOUBLECHECK_TLS_CLIENT_CERTIFICATE",
        "DOUBLECHECK_TLS_CLIENT_KEY",
    ] {
        call.env(name, "");
    }
    let call = ran(&call.output().unwrap());
    // Whether or not somebody serves there, that is where it asks.
    assert_ne!(call.code, Some(2), "{call:?}");
}

#[test]
fn the_readme_has_a_row_for_every_setting() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let ran = run(&["check"]);
    let rows = ran.out.lines().skip(1).take_while(|line| !line.is_empty());
    let paths: Vec<&str> = rows.filter_map(|row| row.split(' ').next()).collect();
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        assert!(readme.contains(&format!("\n| `{path}` |")), "{path}");
    }
}
