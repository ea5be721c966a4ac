//! What deploy/ has for whoever runs the service: it fits the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Folder, is_installed, ran};

/// Every file under deploy/, with its text.
fn files() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((path.clone(), fs::read_to_string(path).unwrap())),
            }
        }
    }
    assert!(found.len() >= 9, "{found:?}");
    found
}

#[test]
fn every_variable_that_is_set_is_a_setting() {
    let readme = fs::read_to_string("README.md").unwrap();
    for (path, text) in files() {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<&str> = words
            .filter(|word| word.starts_with("DOUBLECHECK_"))
            .collect();
        for variable in named {
            let is_known =
                variable == "DOUBLECHECK_CONFIG" || readme.contains(&format!("`{variable}`"));
            assert!(is_known, "{}: {variable}", path.display());
        }
    }
}

#[test]
fn every_probe_asks_what_is_served() {
    let manifest = fs::read_to_string("deploy/kubernetes/doublecheck.yaml").unwrap();
    for (probe, asks) in [
        ("startupProbe", "/readyz"),
        ("readinessProbe", "/readyz"),
        ("livenessProbe", "/healthz"),
    ] {
        let (_, after) = manifest.split_once(&format!("{probe}:\n")).unwrap();
        let first = after.lines().next().unwrap().trim();
        // Not over gRPC: such probes speak no TLS.
        assert_eq!(
            first,
            format!("httpGet: {{port: http, path: {asks}}}"),
            "{probe}"
        );
    }
}

#[test]
fn whoever_stops_it_waits_as_long_as_others_do() {
    for (path, waits) in [
        ("systemd/doublecheck.service", "TimeoutStopSec=60\n"),
        (
            "kubernetes/doublecheck.yaml",
            "terminationGracePeriodSeconds: 60\n",
        ),
        ("docker/Dockerfile", "--stop-timeout 60 "),
    ] {
        let text = fs::read_to_string(Path::new("deploy").join(path)).unwrap();
        assert_eq!(text.matches(waits).count(), 1, "{path}: {waits}");
    }
}

#[test]
fn the_image_that_pods_run_is_the_one_that_is_built() {
    let image = concat!("doublecheck:", env!("CARGO_PKG_VERSION"));
    for (path, named) in [
        ("kubernetes/doublecheck.yaml", format!("image: {image}\n")),
        ("docker/Dockerfile", format!("-t {image} .\n")),
    ] {
        let text = fs::read_to_string(Path::new("deploy").join(path)).unwrap();
        assert_eq!(text.matches(&named).count(), 1, "{path}: {named}");
    }
}

#[test]
fn a_reload_of_the_unit_has_files_read_again() {
    let unit = fs::read_to_string("deploy/systemd/doublecheck.service").unwrap();
    // See tests/cli/reload.rs for what it does.
    assert!(unit.contains("\nExecReload=/bin/kill -HUP $MAINPID\n"));
}

#[test]
fn systemd_takes_the_unit_and_finds_it_confined() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let unit = fs::read_to_string("deploy/systemd/doublecheck.service").unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_doublecheck"));
    let unit = unit.replace("/usr/bin/doublecheck", binary.to_str().unwrap());
    let folder = Folder::with(&[("doublecheck.service", &unit)]);
    let path = folder.path("doublecheck.service");
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&path)
            .output();
        ran(&output.unwrap())
    };
    analyze(&["verify"]).succeeded_quietly();
    // In tenths: 10 is not confined at all, and below 2 stands "OK" with a smile.
    analyze(&["security", "--offline=true", "--threshold=20"]).succeeded();
}
