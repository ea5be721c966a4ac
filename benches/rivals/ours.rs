//! Ours: `doublecheck serve`, and `doublecheck load`, which loads the composed rival too.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::Figures;

const PROGRAM: &str = env!("CARGO_BIN_EXE_doublecheck");

/// A server of our own, ended with this value.
#[derive(Debug)]
pub struct Ours {
    server: Child,
    pub address: String,
}

impl Ours {
    pub fn start() -> Self {
        // Accounts pay faster here than people do, and nobody is to be asked for it: the rivals do not.
        let policy = std::env::temp_dir().join(format!("rivals-{}.toml", std::process::id()));
        std::fs::write(&policy, "[rapid_repeat]\nweight = 0.0\n").unwrap();
        let mut server = Command::new(PROGRAM)
            // Neither do the rivals keep anything on a disk.
            .args([
                "serve",
                "--grpc-address",
                "127.0.0.1:0",
                "--http-address",
                "127.0.0.1:0",
                "--journal-ack",
                "none",
            ])
            .arg("--policy")
            .arg(&policy)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map(Result::unwrap).find_map(|line| {
            let (_, after) = line.split_once("ready address=")?;
            after.split(' ').next().map(str::to_owned)
        });
        // Whoever logs must not wait for somebody to read.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        std::fs::remove_file(policy).unwrap();
        Self {
            server,
            address: address.unwrap(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    pub fn fill(&self, accounts: u64, earlier: i64) {
        load(
            &self.address,
            &[self.pid()],
            accounts,
            1,
            &["--prefill", &earlier.to_string()],
        );
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Loads the server at `address` over one connection. Every answer is right: above all, no payment that
/// is made twice is allowed twice, and of the others hardly any is refused.
pub fn load(address: &str, pids: &[u32], accounts: u64, payments: usize, how: &[&str]) -> Figures {
    let pids = pids.iter().map(|pid| format!("--pid={pid}"));
    let output = Command::new(PROGRAM)
        .args(["load", "--json", "--connections", "1", "--warm-up", "100ms"])
        .args(["--mistakes", "double_press=0.01", "--address", address])
        .args([
            "--accounts",
            &accounts.to_string(),
            "--payments",
            &payments.to_string(),
        ])
        .args(pids)
        .args(how)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{how:?}: {}", output.status);
    let loaded: Value = serde_json::from_slice(&output.stdout).unwrap();
    let score = &loaded["score"];
    for empty in ["errors", "wrong"] {
        assert_eq!(score[empty], Value::Object(Default::default()), "{loaded}");
    }
    let [answered, allowed] = [&score["answered"], &score["decisions"]["allow"]].map(Value::as_u64);
    assert_eq!(answered, Some(payments as u64), "{loaded}");
    assert!(
        allowed >= answered.map(|answered| answered * 8 / 10),
        "{loaded}"
    );
    let of = |figure: &str| score[figure]["median"].as_f64().unwrap();
    Figures {
        p50_us: of("p50_us"),
        per_second: of("rate_per_second"),
        cpu_us: of("server_cpu_us_per_payment"),
    }
}
