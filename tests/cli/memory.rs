//! The memory budget of a real server: strangers on several threads, and a restart with less memory.

use std::fs;

use crate::support::{Folder, Served, metric, run};

/// More than any of the budgets here has places for.
const STRANGERS: &str = "70000";

const MIB: f64 = 1_048_576.0;

fn serve(data: &str, budget: &str) -> Served {
    let usual = ["serve", "--grpc-address", "127.0.0.1:0", "--threads", "2"];
    let patient = ["--admission-queue-ms", "60000", "--memory-budget", budget];
    Served::start_on(data, &[&usual[..], &patient].concat())
}

/// As many payments, each of an account, to a payee and from a device that hardly any other has.
fn flood(served: &Served) {
    let address = format!("http://{}", served.address);
    run(&[
        "load",
        "--address",
        &address,
        "--mode",
        "batch",
        "--warm-up",
        "0s",
        "--payments",
        STRANGERS,
        "--accounts",
        "1000000000",
        "--mistakes",
        "0",
    ])
    .succeeded();
}

/// How many bytes what is remembered takes, and how many accounts there are.
fn remembered(served: &Served) -> (f64, f64) {
    let page = served.get("/metrics");
    let bytes = ["accounts", "payees", "devices"].map(|kind| {
        let name = format!("doublecheck_memory_bytes{{kind=\"{kind}\"}}");
        metric(&page, &name)
    });
    (bytes.iter().sum(), metric(&page, "doublecheck_accounts"))
}

/// How large the segments of the journal are.
fn segment_bytes(data: &str) -> Vec<u64> {
    let files = fs::read_dir(data).unwrap().map(Result::unwrap);
    files
        .filter(|file| {
            file.path()
                .extension()
                .is_some_and(|kind| kind == "journal")
        })
        .map(|file| file.metadata().unwrap().len())
        .collect()
}

#[test]
fn a_flood_and_a_restart_with_less_memory_keep_to_the_budget() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let served = serve(&data, "64MiB");
    flood(&served);
    let (before_bytes, before) = remembered(&served);
    assert!(before_bytes > 20.0 * MIB, "{before_bytes}");
    // A start reads them whole, one after the other: they are to be small beside the budget.
    let segments = segment_bytes(&data);
    let largest = segments.iter().copied().max().unwrap();
    assert!(segments.len() > 2 && largest < 5 << 20, "{segments:?}");
    served.end();

    let served = serve(&data, "16MiB");
    let within = |served: &Served| {
        let (bytes, accounts) = remembered(served);
        assert!(bytes <= 16.0 * MIB * 1.05, "{bytes}");
        assert!(accounts > 4_000.0, "{accounts}");
        accounts
    };
    let kept = within(&served);
    assert!(kept < before, "{kept} of {before}");
    flood(&served);
    let before = within(&served);
    let log = served.kill();
    let told = "more was remembered than the memory budget allows";
    assert!(log.contains(told), "{log}");

    let served = serve(&data, "16MiB");
    let kept = within(&served);
    assert!(
        kept > before * 0.98,
        "{kept} of {before} under the same budget"
    );
}
