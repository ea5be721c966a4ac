//! Settings that name files: what is wrong with those, and with one that lacks another.

use super::*;

#[test]
fn a_certificate_and_its_key_are_given_together() {
    let faults = |file: &str| {
        let file = Given {
            file,
            ..Given::default()
        };
        load(&file).unwrap_err()
    };
    let told = faults("[tls]\ncertificate = \"a.pem\"\n");
    let expected = "doublecheck.toml:2:15: tls.certificate: takes tls.key beside it";
    assert_eq!(told, [expected]);
    let told = faults("[tls]\nkey = \"a.key\"\n");
    let expected = "doublecheck.toml:2:7: tls.key: takes tls.certificate beside it";
    assert_eq!(told, [expected]);
    let told = faults("[tls]\nclient_ca = \"a.pem\"\n");
    let beside = "takes tls.certificate and tls.key beside it";
    assert_eq!(
        told,
        [format!("doublecheck.toml:2:13: tls.client_ca: {beside}")]
    );
    let told = faults("[tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n");
    let expected = "doublecheck.toml:2:15: tls.certificate: a.pem: cannot be read: ";
    assert!(told[0].starts_with(expected), "{told:?}");
}

#[test]
fn a_file_that_is_no_good_is_told_with_the_setting_that_names_it_and_its_place() {
    let flags = flag("--auth-tokens", "no-tokens.toml");
    let variables = &[("DOUBLECHECK_POLICY", "none.toml")];
    let told = load(&Given {
        variables,
        flags,
        ..Given::default()
    });
    let told = told.unwrap_err();
    let policy = "DOUBLECHECK_POLICY: none.toml: cannot be read: ";
    assert!(told[0].starts_with(policy), "{told:?}");
    let tokens = "--auth-tokens: no-tokens.toml: cannot be read: ";
    assert!(told[1].starts_with(tokens), "{told:?}");
}
