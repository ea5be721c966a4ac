//! The built program, run and served, and folders for its files.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use doublecheck::grpc::pb;
use serde_json::Value;

/// The built program, with nothing of this machine's settings in its environment. Whoever serves does it
/// on a free port.
pub(crate) fn doublecheck(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doublecheck"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOUBLECHECK_") {
            command.env_remove(name);
        }
    }
    command.env("DOUBLECHECK_HTTP_ADDRESS", "127.0.0.1:0");
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The same, as a shell runs it that has run `first` before, such as `ulimit -n 64`.
pub(crate) fn doublecheck_after(first: &str, arguments: &[&str]) -> Command {
    let plain = doublecheck(arguments);
    let mut command = Command::new("sh");
    let script = format!("{first} && exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(plain.get_program());
    command.args(plain.get_args()).stdin(Stdio::null());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Whether a program that others make is on this machine. Where it is not, says that a test is skipped;
/// `.ci/run` installs it.
pub(crate) fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("-h").output().is_ok();
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "CI has no {program}");
        // Past the test runner, which keeps what a test that passes says to itself.
        let mut err = std::io::stderr();
        writeln!(err, "skipped: there is no {program} here").unwrap();
    }
    is_there
}

/// The number of the one sample on a page of metrics that begins with this.
pub(crate) fn metric(page: &str, begins: &str) -> f64 {
    let mut found = page.lines().filter_map(|line| line.strip_prefix(begins));
    let number = found.next().unwrap_or_else(|| panic!("{begins}: {page}"));
    assert_eq!(found.next(), None, "{begins}");
    number.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The same, where it went well.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The same, where it went well and had nothing to tell on standard error.
    #[track_caller]
    pub(crate) fn succeeded_quietly(self) -> Self {
        assert_eq!(self.err, "", "{self:?}");
        self.succeeded()
    }

    /// It ended with `code`, told `part` on standard error, and nothing on standard output.
    #[track_caller]
    pub(crate) fn complained(&self, code: i32, part: &str) {
        assert_eq!((self.code, &*self.out), (Some(code), ""), "{self:?}");
        assert!(self.err.contains(part), "{part}: {self:?}");
    }

    /// The same, where that is the first it told.
    #[track_caller]
    pub(crate) fn complained_first(&self, code: i32, start: &str) {
        self.complained(code, start);
        assert!(self.err.starts_with(start), "{start}: {self:?}");
    }

    /// What it told with `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn run(arguments: &[&str]) -> Ran {
    ran(&doublecheck(arguments).output().unwrap())
}

pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout.clone()).unwrap(),
        err: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// A served process on a free port, gone with the test.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) http_address: String,
    /// What it logged until it was ready.
    began: String,
    /// Its data directory, where that is gone with the test too.
    data: Option<Folder>,
    /// What it logs once it is ready.
    log: mpsc::Receiver<String>,
}

impl Served {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let data = Folder::with(&[]);
        let mut served = Self::start_on(&data.path("data"), arguments);
        served.data = Some(data);
        served
    }

    /// One that goes on with a data directory.
    pub(crate) fn start_with_data(path: &str) -> Self {
        Self::start_on(path, &["serve", "--grpc-address", "127.0.0.1:0"])
    }

    /// One that a shell starts once it has run `first`.
    pub(crate) fn start_after(first: &str, arguments: &[&str]) -> Self {
        let data = Folder::with(&[]);
        let mut served = Self::spawn(doublecheck_after(first, arguments), &data.path("data"));
        served.data = Some(data);
        served
    }

    /// One that goes on with a data directory and takes a given address.
    pub(crate) fn start_at(address: &str, data: &str) -> Self {
        Self::start_on(data, &["serve", "--grpc-address", address])
    }

    pub(crate) fn start_on(data: &str, arguments: &[&str]) -> Self {
        Self::spawn(doublecheck(arguments), data)
    }

    /// One whose log nobody reads once it is ready; and that log.
    pub(crate) fn start_unread(arguments: &[&str]) -> (Self, Lines<BufReader<ChildStderr>>) {
        let data = Folder::with(&[]);
        let (mut served, lines) = Self::begin(doublecheck(arguments), &data.path("data"));
        served.data = Some(data);
        (served, lines)
    }

    fn spawn(command: Command, data: &str) -> Self {
        let (mut served, lines) = Self::begin(command, data);
        // Whoever logs must not wait for somebody to read.
        let (logged, log) = mpsc::channel();
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| {
                // A test that does not listen is fine.
                let _ = logged.send(line);
            });
        });
        served.log = log;
        served
    }

    fn begin(mut command: Command, data: &str) -> (Self, Lines<BufReader<ChildStderr>>) {
        let mut child = command
            .env("DOUBLECHECK_DATA_DIR", data)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut began = String::new();
        let (address, http_address) = lines
            .by_ref()
            .map(Result::unwrap)
            .inspect(|line| began += &format!("{line}\n"))
            .find_map(|line| ready(&line))
            .expect("the server says that it is ready");
        let served = Self {
            child,
            address,
            http_address,
            began,
            data: None,
            log: mpsc::channel().1,
        };
        (served, lines)
    }

    /// Waits until it logs a line with `part` in it; returns the line.
    pub(crate) fn logged(&self, part: &str) -> String {
        let line = self.log.iter().find(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("it ended without a word of {part}"))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// What a metric says, by its name and labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {page}"))
            .trim()
            .parse()
            .unwrap()
    }

    /// What it answers to a GET over HTTP, head and all.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http_address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it at once, by force. What it logged.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.all_logged()
    }

    /// Ends it in peace. What it logged.
    pub(crate) fn end(mut self) -> String {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
        self.all_logged()
    }

    fn all_logged(&self) -> String {
        let began = self.began.clone();
        self.log.iter().fold(began, |log, line| log + &line + "\n")
    }

    /// Runs a command against this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = doublecheck(arguments)
            .env("DOUBLECHECK_SERVER", format!("http://{}", self.address))
            .output();
        ran(&output.unwrap())
    }

    /// Scores a top-up of 50.00 CNY by `account`.
    pub(crate) fn score(&self, payment_id: &str, more: &[&str]) -> Ran {
        let mut arguments = vec!["score", "--account", "alice", "--payment-id", payment_id];
        arguments.extend(["--payee", "13812345678", "--payee-type", "phone"]);
        arguments.extend(["--kind", "top_up", "--amount", "50.00", "--currency", "CNY"]);
        arguments.extend(more);
        self.run(&arguments)
    }

    pub(crate) fn score_json(&self, payment_id: &str, more: &[&str]) -> Value {
        self.score(payment_id, &[more, &["--json"]].concat())
            .succeeded()
            .json()
    }

    /// Tells the server that a payment of alice's was paid.
    pub(crate) fn report_succeeded(&self, payment_id: &str) -> Ran {
        self.run(&[
            "outcome",
            "--account",
            "alice",
            "--payment-id",
            payment_id,
            "--outcome",
            "succeeded",
        ])
    }
}

/// The addresses in the line that says that calls are taken, be it for people or for programs.
fn ready(line: &str) -> Option<(String, String)> {
    if let Ok(event) = serde_json::from_str::<Value>(line) {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        return (event["message"] == "ready").then(|| (text("address"), text("http_address")));
    }
    let (_, after) = line.split_once("ready address=")?;
    let mut words = after.split(' ');
    let address = words.next()?.to_owned();
    // The echo twin has none.
    let http_address = words.find_map(|word| word.strip_prefix("http_address="));
    Some((address, http_address.unwrap_or_default().to_owned()))
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn serve() -> Served {
    Served::start(&["serve", "--grpc-address", "127.0.0.1:0"])
}

/// A request to score a purchase of 50.00 CNY by `account`, at a shop of its own.
pub(crate) fn purchase(account: &str, payment_id: &str) -> pb::ScorePaymentRequest {
    let payment = pb::Payment {
        payment_id: payment_id.to_owned(),
        account_id: account.to_owned(),
        payee: Some(pb::Payee {
            id: format!("shop of {account}"),
            r#type: pb::PayeeType::Merchant.into(),
        }),
        money: Some(pb::Money {
            amount_minor: 5_000,
            currency_code: "CNY".to_owned(),
        }),
        kind: pb::PaymentKind::Purchase.into(),
        ..Default::default()
    };
    pb::ScorePaymentRequest {
        payment: Some(payment),
        confirmation_token: String::new(),
    }
}

/// A folder with these files in it, removed with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("doublecheck-cli-{}-{nth}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
