//! Files that change while the service runs: taken whole or refused, told and counted.

use std::fs;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::support::{Folder, Ran, Served, run};

const LOCAL: [&str; 3] = ["serve", "--grpc-address", "127.0.0.1:0"];

fn reloads(what: &str, result: &str) -> String {
    format!("doublecheck_reloads_total{{what=\"{what}\",result=\"{result}\"}}")
}

/// A new token of this role: the token, and its entry.
fn token(role: &str) -> (String, String) {
    let made = run(&["token", "holder", "--role", role]).succeeded_quietly();
    let (token, entry) = made.out.split_once("\n\n").unwrap();
    assert!(!entry.contains(token), "{made:?}");
    (token.to_owned(), entry.to_owned())
}

fn policy(confirm_from: u32) -> String {
    format!("name = \"ours\"\n[decision]\nconfirm_from = {confirm_from}\n")
}

/// Replaces a file as Kubernetes and careful people do: at once.
fn replace(path: &str, text: &str) {
    let beside = format!("{path}.new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn a_changed_shadow_is_told_by_its_name() {
    let folder = Folder::with(&[("ours.toml", &policy(60)), ("theirs.toml", &policy(61))]);
    let shadow = folder.path("theirs.toml");
    let policies = [
        "--policy",
        &folder.path("ours.toml"),
        "--shadow-policy",
        &shadow,
    ];
    let served = Served::start(&[&LOCAL[..], &policies].concat());
    let shadow_version = || {
        let page = served.get("/metrics");
        let (_, rest) = page.split_once("role=\"shadow\",version=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let before = shadow_version();
    replace(&shadow, &policy(62));
    let line = served.logged(" is in force");
    let after = shadow_version();
    assert_ne!(before, after);
    assert!(line.contains(&format!("and {after} its shadow")), "{line}");
}

#[test]
fn a_changed_policy_decides_and_a_bad_one_is_refused() {
    let folder = Folder::with(&[("ours.toml", &policy(60))]);
    let path = folder.path("ours.toml");
    let served = Served::start(&[&LOCAL[..], &["--policy", &path]].concat());
    let version = |id: &str| {
        let answer = served.score_json(id, &[]);
        answer["policy_version"].as_str().unwrap().to_owned()
    };
    let before = version("a");
    replace(&path, &policy(40));
    let line = served.logged("is in force");
    let after = version("b");
    assert_ne!(before, after);
    assert!(
        after.starts_with("ours-") && line.contains(&after),
        "{line}"
    );

    replace(&path, &policy(400));
    let line = served.logged("refused");
    assert!(
        line.contains("ours.toml:3:16: decision.confirm_from: must be"),
        "{line}"
    );
    assert_eq!(version("c"), after);
    let refused = || served.metric("doublecheck_reload_refused{what=\"policy\"}");
    assert_eq!(refused(), 1.0);
    replace(&path, "[memory]\npayees_max = 9\n");
    let line = served.logged("refused");
    assert!(
        line.contains("memory.payees_max") && line.contains("restart"),
        "{line}"
    );
    assert_eq!((version("d"), refused()), (after, 1.0));
    replace(&path, &policy(60));
    served.logged("is in force");
    assert_eq!((version("e"), refused()), (before, 0.0));

    let counted = |result| served.metric(&reloads("policy", result));
    assert_eq!((counted("taken"), counted("refused")), (2.0, 2.0));
    served.signal("-HUP");
    served.logged("is still in force");
    assert_eq!(counted("taken"), 3.0);
    // What was answered under each of them is answered so after a restart.
    served.end();
}

#[test]
fn a_token_is_good_while_its_entry_stands_in_the_file() {
    let ((scorer, score_entry), (reader, read_entry)) = (token("score"), token("evidence"));
    let folder = Folder::with(&[("tokens.toml", &score_entry)]);
    let path = folder.path("tokens.toml");
    let served = Served::start(&[&LOCAL[..], &["--auth-tokens", &path]].concat());
    let ended = |ran: Ran| (ran.code, ran.err);
    let score = |id: &str, token: &str| ended(served.score(id, &["--bearer-token", token]));
    let read = |token: &str| {
        ended(served.run(&["evidence", "--account", "alice", "--bearer-token", token]))
    };

    assert_eq!(score("a", &scorer).0, Some(0));
    let (code, told) = score("b", &reader);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("UNAUTHENTICATED") && told.contains("TOKEN_UNKNOWN"),
        "{told}"
    );
    assert!(!told.contains(&reader), "{told}");
    let (_, told) = read(&scorer);
    assert!(
        told.contains("PERMISSION_DENIED") && told.contains("`evidence`"),
        "{told}"
    );
    let (_, told) = ended(served.score("c", &[]));
    assert!(told.contains("CREDENTIALS_MISSING"), "{told}");

    replace(&path, &format!("{score_entry}{read_entry}"));
    served.logged("2 entries are good");
    assert_eq!(read(&reader).0, Some(0));
    replace(&path, "[[token]]\nname = \"cut\"\n");
    let line = served.logged("refused");
    assert!(line.contains("tokens.toml:1:1"), "{line}");
    assert_eq!(read(&reader).0, Some(0));
    replace(&path, &read_entry);
    served.logged("1 entry is good");
    let (_, told) = score("d", &scorer);
    assert!(told.contains("TOKEN_UNKNOWN"), "{told}");
    replace(&path, "");
    let line = served.logged("auth.tokens: the file gives nobody anything");
    assert!(line.contains("WARN"), "{line}");
    served.logged("0 entries are good");
    assert_eq!(served.metric(&reloads("tokens", "taken")), 3.0);
    assert_eq!(served.metric(&reloads("tokens", "refused")), 1.0);
    served.end();
}

/// A certificate that its holder vouches for, and its key.
fn certificate() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (certificate_of(&key, |_| ()), key.serialize_pem())
}

fn certificate_of(key: &KeyPair, change: fn(&mut CertificateParams)) -> String {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    change(&mut params);
    params.self_signed(key).unwrap().pem()
}

#[test]
fn a_renewed_certificate_is_shown_and_half_a_pair_is_not() {
    let ((old, old_key), (new, new_key)) = (certificate(), certificate());
    let files = [
        ("a.pem", &*old),
        ("a.key", &*old_key),
        ("old.pem", &old),
        ("new.pem", &new),
    ];
    let folder = Folder::with(&files);
    let (shown, key) = (folder.path("a.pem"), folder.path("a.key"));
    let tls = ["--tls-certificate", &shown, "--tls-key", &key];
    let served = Served::start(&[&LOCAL[..], &tls].concat());
    let (_, port) = served.address.rsplit_once(':').unwrap();
    let url = format!("https://localhost:{port}");
    let trusts = |root: &str, id: &str| {
        let root = folder.path(root);
        served
            .score(id, &["--server", &url, "--tls-ca", &root])
            .code
            == Some(0)
    };
    assert!(trusts("old.pem", "a") && !trusts("new.pem", "b"));
    replace(&shown, &new);
    let line = served.logged("refused, what was in force stays");
    assert!(
        line.contains("a.key: tls.key: is not the key of the certificate"),
        "{line}"
    );
    assert!(trusts("old.pem", "c"));
    replace(&key, &new_key);
    served.logged("connections from now on use them");
    assert!(trusts("new.pem", "d") && !trusts("old.pem", "e"));
    served.end();
}

#[test]
fn a_certificate_that_is_no_good_now_takes_the_place_of_none_that_is() {
    let key = KeyPair::generate().unwrap();
    let good = certificate_of(&key, |_| ());
    let expired = certificate_of(&key, |params| params.not_after = date_time_ymd(2020, 1, 1));
    let not_yet = certificate_of(&key, |params| params.not_before = date_time_ymd(4000, 1, 1));
    let folder = Folder::with(&[("a.pem", &*expired), ("a.key", &key.serialize_pem())]);
    let (shown, key) = (folder.path("a.pem"), folder.path("a.key"));
    let tls = ["--tls-certificate", &shown, "--tls-key", &key];
    let served = Served::start(&[&LOCAL[..], &tls].concat());
    // Worse than what there is it is not.
    replace(&shown, &not_yet);
    let line = served.logged("it is not good before");
    assert!(line.contains("WARN"), "{line}");
    served.logged("connections from now on use them");
    replace(&shown, &good);
    served.logged("connections from now on use them");
    for (bad, why) in [
        (expired, "it was good until 2020-01-01T00:00:00Z"),
        (not_yet, "it is not good before 4000-01-01T00:00:00Z"),
    ] {
        replace(&shown, &bad);
        let line = served.logged("refused");
        assert!(line.contains("ERROR") && line.contains(why), "{line}");
    }
    assert_eq!(served.metric(&reloads("certificates", "taken")), 2.0);
    assert_eq!(served.metric(&reloads("certificates", "refused")), 2.0);
    served.end();
}

#[test]
fn settings_that_take_a_restart_are_named() {
    let folder = Folder::with(&[("doublecheck.toml", "[snapshot]\ninterval_s = 60\n")]);
    let path = folder.path("doublecheck.toml");
    let served = Served::start(&[&LOCAL[..], &["--config", &path]].concat());
    replace(&path, "[snapshot]\ninterval_s = 70\n");
    let line = served.logged("takes a restart");
    assert!(
        line.contains("snapshot.interval_s") && line.contains("70"),
        "{line}"
    );
    replace(&path, "[snapshot]\ninterval_s = 1\njournal_mib = 0\n");
    let line = served.logged("would be refused");
    for fault in [
        "doublecheck.toml:2:14: snapshot.interval_s",
        "; ",
        "doublecheck.toml:3:15: snapshot.journal_mib",
    ] {
        assert!(line.contains(fault), "{line}");
    }
    served.end();
}
