//! `load` against servers that refuse, die, hang or are too slow: what was answered is told all the same.

use std::fs;
use std::io::{self, Read as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use crate::load::serve;
use crate::support::{Folder, Ran, run};

/// Loads a server that runs, for a count of payments over one connection, and tells what came of it in JSON.
fn load(address: &str, arguments: &[&str]) -> (Ran, Value) {
    let usual = ["load", "--json", "--warm-up", "0s", "--connections", "1"];
    let fixed = ["--seed", "1", "--mistakes", "0", "--address", address];
    let ran = run(&[&usual[..], &fixed, arguments].concat());
    let told = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    (ran, told)
}

fn errors(side: &Value) -> u64 {
    let counts = side["errors"].as_object().unwrap().values();
    counts.map(|count| count.as_u64().unwrap()).sum()
}

/// How many latencies a distribution is of.
fn timed(path: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let (_, total) = text.rsplit_once("Total count    = ").unwrap();
    total.trim().trim_end_matches(']').parse().unwrap()
}

/// A way to `server`, for one connection, on which answers end for good after so many bytes: it is cut then, or
/// stalls.
fn way_to(server: &str, bytes: u64, is_cut: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = TcpStream::connect(server).unwrap();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        drop(listener);
        for end in [&client, &server] {
            end.set_nodelay(true).unwrap();
        }
        let ways = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let asking = thread::spawn(move || io::copy(&mut &ways.0, &mut &ways.1));
        io::copy(&mut (&server).take(bytes), &mut &client).unwrap();
        if is_cut {
            for end in [client, server] {
                // It may be closed already.
                let _ = end.shutdown(Shutdown::Both);
            }
        } else {
            // Until the client has enough.
            let _ = asking.join();
        }
    });
    address
}

#[test]
fn refusals_are_not_timed() {
    let (served, folder) = (serve(), Folder::with(&[]));
    for mode in ["unary", "stream"] {
        let file = folder.path(mode);
        let paid = |payees| {
            let made_up = ["--mode", mode, "--payees-per-account", payees];
            let more = ["--payments", "200", "--histogram", &file];
            load(&served.address, &[made_up, more].concat()).1
        };
        paid("4");
        // The same ids for other payees.
        let again = &paid("2")["score"];
        assert!(again["errors"]["ALREADY_EXISTS"].as_u64() > Some(0));
        assert_eq!(Some(timed(&file)), again["answered"].as_u64(), "{mode}");
    }
}

#[test]
fn a_server_that_goes_away_half_way_exits_with_1() {
    let folder = Folder::with(&[]);
    for mode in ["unary", "batch", "stream"] {
        let served = serve();
        let way = way_to(&served.address, 13_000, true);
        let file = folder.path(mode);
        let calls = ["--mode", mode, "--in-flight", "1", "--payments", "500"];
        let (ran, told) = load(&way, &[&calls[..], &["--histogram", &file]].concat());
        let score = &told["score"];
        let answered = score["answered"].as_u64().unwrap();
        // Not one is lost.
        assert_eq!(answered + errors(score), 500, "{mode}: {ran:?}");
        assert!(answered > 0, "{mode}: {ran:?}");
        assert!(mode == "batch" || timed(&file) == answered, "{mode}");
        let gone = 500 - answered;
        let why = format!("error: {gone} payments were answered by no server");
        assert!(ran.err.starts_with(&why), "{mode}: {ran:?}");
        assert_eq!(ran.code, Some(1), "{mode}");
    }
}

/// A server that ends its one connection when the first call has come, and is gone.
fn gone() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        drop(listener);
        client.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let client = tokio::net::TcpStream::from_std(client).unwrap();
            let mut connection = h2::server::handshake(client).await.unwrap();
            connection.accept().await.unwrap().unwrap();
        });
    });
    address
}

#[test]
fn streams_that_break_lose_no_payment() {
    for pace in [["--in-flight", "4"], ["--rate", "100000"]] {
        let more = ["--mode", "stream", "--payments", "500"];
        let (ran, told) = load(&gone(), &[&more[..], &pace].concat());
        assert_eq!(errors(&told["score"]), 500, "{ran:?}");
        assert!(
            ran.err.ends_with("error: no payment was answered\n"),
            "{ran:?}"
        );
    }
}

/// A server that takes connections and calls, and says nothing.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Its connections are held for as long as the tests run.
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address
}

#[test]
fn calls_that_get_no_answer_are_given_up_and_counted() {
    let address = silent();
    for mode in ["unary", "batch", "stream"] {
        let calls = ["--mode", mode, "--in-flight", "4", "--payments", "600"];
        let (ran, told) = load(&address, &[&calls[..], &["--patience", "50ms"]].concat());
        let sent = if mode == "batch" { 4 * 64 } else { 4 };
        assert_eq!(told["score"]["unanswered"], sent, "{mode}: {ran:?}");
        assert_eq!(told["score"]["unsent"], 600 - sent, "{mode}: {ran:?}");
        let why = format!(
            "error: {sent} payments were unanswered after 50ms (--patience), and {} not sent",
            600 - sent
        );
        assert!(ran.err.starts_with(&why), "{mode}: {ran:?}");
        assert_eq!(ran.code, Some(1), "{mode}");
    }
    // Beyond capacity: far more come due than may be unanswered.
    let open = ["--rate", "100000", "--duration", "50ms"];
    let (ran, told) = load(&address, &[&open[..], &["--patience", "500ms"]].concat());
    let unanswered = told["score"]["unanswered"].as_u64().unwrap();
    assert!((1..=256).contains(&unanswered), "{ran:?}");
    assert!(told["score"]["unsent"].as_u64() > Some(0), "{ran:?}");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let filling = ["--accounts", "1000", "--prefill", "1", "--mistakes", "0"];
    let server = ["load", "--address", &address, "--patience", "50ms"];
    let filled = run(&[&server[..], &filling].concat());
    let why = "error: filling the server: 0 of 1000 payments were answered, 0 wrongly, ";
    assert!(filled.err.starts_with(why), "{filled:?}");
}

#[test]
fn what_was_answered_before_a_server_hangs_is_told() {
    let served = serve();
    let way = way_to(&served.address, 13_000, false);
    let calls = ["--in-flight", "2", "--payments", "500"];
    let (ran, told) = load(&way, &[&calls[..], &["--patience", "200ms"]].concat());
    let score = &told["score"];
    let answered = score["answered"].as_u64().unwrap();
    assert!(answered > 0 && errors(score) == 0, "{ran:?}");
    assert_eq!(score["unanswered"], 2, "{ran:?}");
    assert_eq!(score["unsent"], 500 - 2 - answered, "{ran:?}");
    assert!(score["p50_us"]["median"].as_f64() > Some(0.0), "{ran:?}");
    assert_eq!(ran.code, Some(1), "{ran:?}");
}
