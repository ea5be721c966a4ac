//! What deploy/ has for whoever watches the service: rules, alerts, runbook and dashboard, held to each
//! other and to the metrics there are, and run by a real Prometheus against a real server.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use doublecheck::telemetry::families;
use serde_json::Value;

use crate::support::{Folder, Served, is_installed, ran, serve};

const RULES: &str = "deploy/prometheus/rules.yml";
const DASHBOARD: &str = "deploy/grafana/doublecheck.json";

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap()
}

/// What follows `begin` on the lines that have it.
fn after<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| Some(line.trim().strip_prefix(begin)?.trim()))
}

/// Every query of the dashboard, restarts and variables included.
fn dashboard_queries() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(all) => all.iter().for_each(|value| collect(value, found)),
            Value::Object(fields) => {
                let expr = fields.get("expr").and_then(Value::as_str);
                found.extend(expr.map(str::to_owned));
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(&read(DASHBOARD)).unwrap(), &mut found);
    assert!(found.len() > 40, "{}", found.len());
    found
}

/// The metrics of ours that a text names, whatever is made of them.
fn metrics_named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
    let ours = words.filter(|word| {
        ["doublecheck_", "grpc_server_", "process_"]
            .iter()
            .any(|begin| word.starts_with(begin))
    });
    let histogram = families::CALL_SECONDS.name;
    let family = |word: &str| match word.starts_with(histogram) {
        true => histogram.to_owned(),
        false => word.to_owned(),
    };
    ours.map(family).collect()
}

#[test]
fn each_alert_has_its_section_and_its_cases() {
    let (rules, runbook) = (read(RULES), read("deploy/RUNBOOK.md"));
    let cases = read("deploy/prometheus/tests.yml");
    let alerts: Vec<&str> = after(&rules, "- alert:").collect();
    let sections: Vec<&str> = after(&runbook, "## ").collect();
    assert_eq!(alerts, sections);
    let named: Vec<&str> = after(&rules, "runbook:").collect();
    let anchor = |alert: &&str| format!("deploy/RUNBOOK.md#{}", alert.to_lowercase());
    let expected: Vec<String> = alerts.iter().map(anchor).collect();
    assert_eq!(named, expected);
    for section in runbook.split("\n## ").skip(1) {
        for part in [
            "What it means.",
            "What the payer sees.",
            "What to look at.",
            "What to do.",
        ] {
            assert!(section.contains(&format!("**{part}**")), "{part} {section}");
        }
    }
    for alert in alerts {
        let of_it = cases.split("- eval_time:").filter(|case| {
            case.lines()
                .any(|line| line.trim() == format!("alertname: {alert}"))
        });
        let fires: BTreeSet<bool> = of_it.map(|case| case.contains("exp_alerts:")).collect();
        assert_eq!(
            fires.len(),
            2,
            "{alert} must fire in a case, and not in another"
        );
    }
}

#[test]
fn rules_and_dashboard_know_the_metrics_that_there_are() {
    let text = read(RULES) + &dashboard_queries().join("\n");
    let known = families::ALL
        .iter()
        .map(|family| family.name.to_owned())
        .collect();
    let mut named = metrics_named(&text);
    // The groups of rules are called like metrics.
    named.retain(|name| !["doublecheck_recordings", "doublecheck_alerts"].contains(&&**name));
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "there are no such metrics: {unknown:?}");
    let unseen: Vec<_> = known.difference(&named).collect();
    assert!(unseen.is_empty(), "nobody looks at: {unseen:?}");
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    if !is_installed("promtool") {
        return;
    }
    for arguments in [
        ["check", "rules", RULES],
        ["test", "rules", "deploy/prometheus/tests.yml"],
    ] {
        ran(&Command::new("promtool").args(arguments).output().unwrap()).succeeded();
    }
}

/// A Prometheus that watches a server ten times a second, gone with the test.
struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    fn start(folder: &Folder, served: &Served) -> Self {
        let rules = fs::canonicalize(RULES).unwrap();
        let config = format!(
            "global: {{scrape_interval: 100ms, evaluation_interval: 100ms}}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n\
             - {{job_name: doublecheck, static_configs: [{{targets: ['{}']}}]}}\n",
            rules.display(),
            served.http_address
        );
        let path = folder.path("prometheus.yml");
        fs::write(&path, config).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={path}"))
            .arg(format!("--storage.tsdb.path={}", folder.path("tsdb")))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let told = lines.by_ref().map(Result::unwrap);
        let address = told
            .filter(|line| line.contains("\"Listening on\""))
            .find_map(|line| line.split_once("address=").map(|(_, rest)| rest.to_owned()))
            .expect("Prometheus says where it listens");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, address }
    }

    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        // Until it has looked at its storage it says that it is not ready.
        if head.contains(" 503 ") {
            return None;
        }
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {answer}"));
        assert_eq!(body["status"], "success", "{path}: {body}");
        Some(body)
    }

    /// How many series a query gives now.
    fn series(&self, query: &str) -> usize {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}"));
        answer.map_or(0, |answer| {
            answer["data"]["result"].as_array().unwrap().len()
        })
    }

    /// Asks until there is something.
    fn await_series(&self, query: &str) {
        let waiting = doublecheck::clock::Stopwatch::start();
        while self.series(query) == 0 {
            assert!(waiting.elapsed().as_secs() < 60, "no data: {query}");
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_prometheus_runs_every_query_and_every_rule() {
    if !is_installed("prometheus") {
        return;
    }
    let (folder, served) = (Folder::with(&[]), serve());
    let prometheus = Prometheus::start(&folder, &served);
    prometheus.await_series("up == 1");
    served
        .run(&[
            "load",
            "--address",
            &served.address,
            "--payments",
            "3000",
            "--accounts",
            "500",
            "--connections",
            "2",
            "--warm-up",
            "10ms",
            "--mistakes",
            "0.05",
        ])
        .succeeded();
    for query in dashboard_queries() {
        let query = query
            .replace("[$__rate_interval]", "[1m]")
            .replace("$job", ".*")
            .replace("$instance", ".*");
        assert!(!query.contains('$'), "{query}");
        // No process restarts here, nor has a certificate; the query itself must run.
        if query.starts_with("changes(") || query.contains("certificate_expiry") {
            prometheus.series(&query);
        } else {
            prometheus.await_series(&query);
        }
    }
    for record in after(&read(RULES), "- record:") {
        prometheus.await_series(record);
    }
    let rules = prometheus.get("/api/v1/rules").unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    let mut count = 0;
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        // Nothing is wrong with a server that has just been started and asked.
        assert_ne!(rule["state"], "firing", "{rule}");
        count += 1;
    }
    let known = read(RULES).matches("- record:").count() + read(RULES).matches("- alert:").count();
    assert_eq!(count, known);
}
