use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::scoring::policy::{Policy, Preset};

/// An empty folder of this test's own.
pub(super) fn scratch_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("doublecheck-config-{}-{nth}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[derive(Default)]
struct Given<'a> {
    file: &'a str,
    variables: &'a [(&'a str, &'a str)],
    flags: Flags,
}

fn flag(name: &'static str, text: &str) -> Flags {
    Flags::from([(name, text.to_owned())])
}

/// Loads a file and nothing else; tells the faults.
fn load_file(file: &str) -> Result<Config, Vec<String>> {
    load(&Given {
        file,
        ..Given::default()
    })
}

/// Loads and tells the faults, with the folder cut off.
fn load(given: &Given<'_>) -> Result<Config, Vec<String>> {
    let dir = scratch_dir();
    let path = dir.join("doublecheck.toml");
    fs::write(&path, given.file).unwrap();
    fs::write(dir.join("strict.toml"), "[decision]\nconfirm_from = 40\n").unwrap();
    fs::write(dir.join("bad.toml"), "[decision]\nconfirm_from = 0\n").unwrap();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment = given.variables.iter().map(owned).collect();
    let loaded = Config::load(Some(&path), &environment, &given.flags);
    fs::remove_dir_all(&dir).unwrap();
    let folder = format!("{}/", dir.display());
    loaded.map_err(|faults| {
        let told = faults.iter().map(ToString::to_string);
        told.map(|line| line.replace(&folder, "")).collect()
    })
}

#[test]
fn nothing_given_is_the_default() {
    let config = load(&Given::default()).unwrap();
    assert_eq!(config.grpc_address.as_str(), "127.0.0.1:50051");
    assert_eq!(config.http_address.as_str(), "127.0.0.1:9464");
    assert_eq!(config.threads, thread::available_parallelism().unwrap());
    assert_eq!(config.files.policy, PolicySource::default());
    assert_eq!(config.contents.policies, Policy::default().into());
    assert_eq!(config.files.policy_paths(), Vec::<PathBuf>::new());
    assert!(config.contents.access.is_none() && config.contents.tls.is_none());
    assert!(config.reflection && !config.insecure);
    let paths: Vec<&str> = config
        .effective
        .iter()
        .map(|effective| effective.path)
        .collect();
    assert_eq!(paths.len(), names::paths().count());
    for (path, effective) in names::paths().zip(&config.effective) {
        assert!(paths.contains(&path), "{path}");
        assert_eq!(effective.origin, Origin::Default, "{}", effective.path);
    }
}

#[test]
fn later_sources_win() {
    let file = "[grpc]\naddress = \"file:1\"\n";
    let variables = &[("DOUBLECHECK_GRPC_ADDRESS", "environment:2")];
    let address = |variables, flag: Option<&str>| {
        let flags = flag.map(|flag| ("--grpc-address", flag.to_owned()));
        let flags = flags.into_iter().collect();
        let config = load(&Given {
            file,
            variables,
            flags,
        })
        .unwrap();
        config.grpc_address.to_string()
    };
    assert_eq!(address(&[], None), "file:1");
    assert_eq!(address(&[("DOUBLECHECK_GRPC_ADDRESS", "")], None), "file:1");
    assert_eq!(address(variables, None), "environment:2");
    assert_eq!(address(variables, Some("[::1]:3")), "[::1]:3");
}

#[test]
fn threads_are_a_number_or_the_text_of_one() {
    for file in ["threads = 3", "threads = \"3\""] {
        let config = load_file(file).unwrap();
        assert_eq!(config.threads.get(), 3, "{file}");
    }
    let faults = load(&Given {
        file: "threads = 1.5\n",
        variables: &[("DOUBLECHECK_THREADS", "0")],
        flags: flag("--threads", "1025"),
    });
    assert_eq!(
        faults.unwrap_err(),
        [
            "doublecheck.toml:1:11: threads: must be a whole number from 1 to 1024",
            "DOUBLECHECK_THREADS: must be a whole number from 1 to 1024",
            "--threads: must be a whole number from 1 to 1024",
        ]
    );
}

#[test]
fn a_memory_budget_is_a_number_of_bytes_or_has_a_unit() {
    for file in ["[memory]\nbudget = \"64MiB\"", "memory.budget = 67108864"] {
        let config = load_file(file).unwrap();
        assert_eq!(config.memory_budget.bytes_max(), Some(64 << 20), "{file}");
    }
    let expected = MemoryBudget::EXPECTED;
    let faults = load(&Given {
        file: "[memory]\nbudget = 0.5\n",
        variables: &[("DOUBLECHECK_MEMORY_BUDGET", "much")],
        flags: flag("--memory-budget", "1MiB"),
    });
    assert_eq!(
        faults.unwrap_err(),
        [
            format!("doublecheck.toml:2:10: memory.budget: must be {expected}"),
            format!("DOUBLECHECK_MEMORY_BUDGET: must be {expected}"),
            format!("--memory-budget: must be {expected}"),
        ]
    );
}

#[test]
fn a_policy_lies_beside_the_file_that_names_it() {
    let file = "policy.path = \"strict.toml\"";
    let config = load_file(file).unwrap();
    assert!(
        config
            .contents
            .policies
            .primary()
            .version()
            .starts_with("strict-")
    );
    assert!(config.files.policy.to_string().ends_with("/strict.toml"));
}

#[test]
fn policy_and_shadow_may_be_presets_or_files() {
    let file = "[policy]\npath = \"lenient\"\nshadow = \"strict.toml\"\n";
    let config = load_file(file).unwrap();
    assert_eq!(
        *config.contents.policies.primary(),
        Preset::Lenient.policy()
    );
    assert!(
        config
            .contents
            .policies
            .shadow()
            .unwrap()
            .version()
            .starts_with("strict-")
    );
    let variables = &[("DOUBLECHECK_SHADOW_POLICY", "cautious")];
    let given = Given {
        variables,
        ..Given::default()
    };
    let config = load(&given).unwrap();
    let shadow = config.contents.policies.shadow().unwrap();
    assert_eq!(shadow.version(), Preset::Cautious.policy().version());
}

#[test]
fn faults_of_policy_and_shadow_are_told_at_once() {
    let file = "[policy]\npath = \"bad.toml\"\nshadow = \"none.toml\"\n";
    let faults = load_file(file).unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("bad.toml:2:16: "), "{faults:?}");
    let told = "doublecheck.toml:3:10: policy.shadow: none.toml: cannot be read: ";
    assert!(faults[1].starts_with(told), "{faults:?}");
}

#[test]
fn every_fault_of_every_source_is_told_at_once() {
    let faults = load(&Given {
        file: "[grpc]\naddres = \"localhost:1\"\naddress = 50051\n[policy]\npath = \"bad.toml\"\n",
        variables: &[("DOUBLECHECK_GRPC_ADDRESS", "localhost")],
        flags: flag("--grpc-address", "::1:99999"),
    });
    assert_eq!(
        faults.unwrap_err(),
        [
            "doublecheck.toml:2:1: grpc.addres: no such setting; did you mean `grpc.address`?",
            "doublecheck.toml:3:11: grpc.address: must be host:port, such as 127.0.0.1:50051",
            "DOUBLECHECK_GRPC_ADDRESS: must be host:port, such as 127.0.0.1:50051",
            "--grpc-address: must be host:port, such as 127.0.0.1:50051",
            "bad.toml:2:16: decision.confirm_from: must be 1 to 100 (score)",
        ]
    );
}

#[test]
fn sections_are_tables_and_may_be_empty() {
    let file = "grpc = 1\n[policy]\n";
    let faults = load_file(file);
    assert_eq!(
        faults.unwrap_err(),
        ["doublecheck.toml:1:8: grpc: must be a table"]
    );
}

#[test]
fn a_file_that_is_not_there_is_a_fault() {
    let faults = Config::load(
        Some(Path::new("/no/such/file")),
        &Environment::new(),
        &Flags::default(),
    );
    let told = faults.unwrap_err()[0].to_string();
    assert!(
        told.starts_with("/no/such/file: cannot be read: "),
        "{told}"
    );
}

#[test]
fn every_setting_tells_who_gave_it() {
    let file = "threads = 3\n[grpc]\nreflection = false\n[snapshot]\ninterval_s = 60\n";
    let flags = flag("--snapshot-interval-s", "70");
    let variables = &[("DOUBLECHECK_DRAIN_GRACE_MS", "250")];
    let config = load(&Given {
        file,
        variables,
        flags,
    })
    .unwrap();
    assert_eq!((config.threads.get(), config.reflection), (3, false));
    assert_eq!(config.drain_grace, Duration::from_millis(250));
    let told = |path: &str| {
        let mut all = config.effective.iter();
        let found = all.find(|effective| effective.path == path).unwrap();
        let origin = found.origin.to_string();
        let (_, origin) = origin.rsplit_once('/').unwrap_or(("", &origin));
        format!("{} from {origin}", found.value.as_deref().unwrap_or("-"))
    };
    assert_eq!(told("threads"), "3 from doublecheck.toml:1:11");
    assert_eq!(told("grpc.reflection"), "false from doublecheck.toml:3:14");
    assert_eq!(told("snapshot.interval_s"), "70 from --snapshot-interval-s");
    assert_eq!(
        told("drain.grace_ms"),
        "250 from DOUBLECHECK_DRAIN_GRACE_MS"
    );
    assert_eq!(told("drain.deadline_s"), "10 from default");
    assert_eq!(told("auth.tokens"), "- from default");
}

#[test]
fn a_mistyped_variable_is_a_fault() {
    let variables = &[
        ("DOUBLECHECK_GRPC_ADRESS", "localhost:1"),
        ("DOUBLECHECK_WHATEVER", ""),
        ("DOUBLECHECK_SERVICE_PORT", "50051"),
        ("GRPC_ADDRESS", "localhost:1"),
    ];
    let faults = load(&Given {
        variables,
        ..Given::default()
    });
    let expected = [
        "DOUBLECHECK_GRPC_ADRESS: no such setting; did you mean `DOUBLECHECK_GRPC_ADDRESS`?",
        "DOUBLECHECK_WHATEVER: no such setting",
    ];
    assert_eq!(faults.unwrap_err(), expected);
}

#[test]
fn an_open_door_is_refused_wherever_it_was_asked_for() {
    let faults = |file: &str| {
        let loaded = load_file(file);
        loaded.map_or_else(|faults| faults, |_| Vec::new())
    };
    let door = format!("doublecheck.toml:2:11: grpc.address: {OPEN_DOOR}");
    let open = "[grpc]\naddress = \"0.0.0.0:1\"\n";
    assert_eq!(faults(open), [door.as_str()]);
    assert_eq!(faults(&format!("{open}insecure = true\n")), [""; 0]);
    // Tokens without TLS can be read along.
    let tokens = format!("{open}[auth]\ntokens = \"tokens.toml\"\n");
    assert!(faults(&tokens).contains(&door));
    for held in ["[::1]:1", "127.0.0.2:1", "localhost:1"] {
        assert_eq!(faults(&format!("[grpc]\naddress = \"{held}\"\n")), [""; 0]);
    }
}

#[test]
fn calls_and_metrics_are_served_at_two_addresses() {
    let faults = |grpc: &str, http: &str| {
        let file = format!("[grpc]\naddress = \"{grpc}\"\n[http]\naddress = \"{http}\"\n");
        let loaded = load_file(&file);
        loaded.map_or_else(|faults| faults, |_| Vec::new())
    };
    let told = "doublecheck.toml:4:11: http.address: must be another one than grpc.address";
    assert_eq!(faults("[::1]:10", "[::1]:10"), [told]);
    assert_eq!(faults("[::1]:10", "[::1]:11"), [""; 0]);
    // A free port each.
    assert_eq!(faults("[::1]:0", "[::1]:0"), [""; 0]);
}

#[test]
fn limits_come_from_every_source_and_each_fault_names_its_own() {
    let limits = |file, variables, flag: &str| {
        let flags = Flags::from([("--limits-connections", flag.to_owned())]);
        let given = Given {
            file,
            variables,
            flags,
        };
        load(&given).map(|config| config.limits)
    };
    let file = "[limits]\nconnections = 5\nidle_s = 60\n[admission]\nqueue_ms = \"7\"\n";
    let found = limits(file, &[("DOUBLECHECK_LIMITS_IDLE_S", "61")], "6").unwrap();
    let expected = Limits {
        connections: 6,
        idle_s: 61,
        queue_ms: 7,
        ..Limits::default()
    };
    assert_eq!(found, expected);
    let file = "[limits]\nconections = 5\nidle_s = 0\n";
    let faults = limits(file, &[("DOUBLECHECK_ADMISSION_QUEUE_MS", "soon")], "many");
    assert_eq!(
        faults.unwrap_err(),
        [
            "doublecheck.toml:2:1: limits.conections: no such setting; did you mean `limits.connections`?",
            "doublecheck.toml:3:10: limits.idle_s: must be a whole number from 1 to 2592000",
            "--limits-connections: must be a whole number from 1 to 1000000",
            "DOUBLECHECK_ADMISSION_QUEUE_MS: must be a whole number from 1 to 60000",
        ]
    );
}

#[test]
fn a_certificate_and_its_key_are_given_together() {
    let faults = |file: &str| load_file(file).unwrap_err();
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
