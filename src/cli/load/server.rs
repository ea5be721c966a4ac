//! The server under load: one that runs already, or a process of our own.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, iter};

use tokio::sync::oneshot;
use tonic::transport::Endpoint;

use super::check::Twin;
use super::cpu;
use super::interruption::Interruption;
use crate::cli::Failure;
use crate::cli::client::{self, Credentials};
use crate::cli::serve::Starter;
use crate::config::JournalAck;

#[derive(Debug)]
pub(super) enum Server {
    /// Somebody else's, at this address, and those of its processes that are known.
    Running { address: String, pids: Vec<u32> },
    /// Ours.
    Own(OwnServer),
}

impl Server {
    /// How to reach it.
    pub(super) fn endpoint(&self, credentials: &Credentials) -> Result<Endpoint, Failure> {
        const ADDRESS: &str = "--address";
        match self {
            Self::Running { address, .. } => credentials.endpoint(ADDRESS, address),
            // Certificates are good for names.
            Self::Own(own) => credentials
                .clone()
                .expecting("localhost")
                .endpoint(ADDRESS, &own.address),
        }
    }

    /// What its answers wait for, where that can be known.
    pub(super) fn journal_ack(&self) -> Option<&str> {
        match self {
            Self::Running { .. } => None,
            Self::Own(own) => Some(&own.journal_ack),
        }
    }

    /// The processor time that it has used so far, where that can be known.
    pub(super) fn cpu(&self) -> Option<Duration> {
        match self {
            Self::Running { pids, .. } => {
                let used: Option<Duration> = pids.iter().map(|pid| cpu::used_by(*pid)).sum();
                used.filter(|_| !pids.is_empty())
            }
            Self::Own(own) => cpu::used_by(own.child.id()),
        }
    }
}

/// A process of this same program that serves on a free port, ended with this value.
#[derive(Debug)]
pub(super) struct OwnServer {
    child: Child,
    address: String,
    journal_ack: String,
    /// Gone after it.
    _data: TemporaryFolder,
}

impl OwnServer {
    /// Starts `twin` with `arguments` added to its command, and waits until it is ready, but not for longer
    /// than `patience`.
    pub(super) fn start(
        program: &Path,
        twin: Twin,
        arguments: &[String],
        patience: Duration,
        interruption: &Interruption,
    ) -> Result<Self, Failure> {
        let name = match twin {
            Twin::Score => "serve",
            Twin::Echo => "echo",
        };
        let data = TemporaryFolder::named_by_chance()?;
        let mut child = command(program, name, &data.0, arguments)
            .spawn()
            .map_err(|error| Failure::at_work(format!("starting {}", program.display()), &error))?;
        let (out, log) = (child.stdout.take(), child.stderr.take());
        let log = log.map(last_lines);
        let mut own = Self {
            child,
            address: String::new(),
            journal_ack: String::new(),
            _data: data,
        };
        let ready = client::block_on(async {
            Ok(tokio::select! {
                told = first_line(out) => told.map_err(|_| "did not start".to_owned()),
                () = tokio::time::sleep(patience) => {
                    Err(format!("was not ready within {patience:?} (--patience)"))
                }
                () = interruption.clone().told() => {
                    Err("was not ready yet when the load was interrupted".to_owned())
                }
            })
        });
        let why = match ready? {
            Ok(Told {
                address,
                journal_ack,
            }) => {
                own.address = address.to_string();
                own.journal_ack = journal_ack;
                return Ok(own);
            }
            Err(why) => why,
        };
        // Who is ending anyway ends as it would have.
        let _ = own.child.kill();
        let status = own.child.wait().ok();
        // What it said is whole now.
        drop(own);
        let said = log.and_then(|log| log.join().ok()).unwrap_or_default();
        let mut message = format!("error: `doublecheck {name}` {why}");
        for (line, before) in said.iter().zip(iter::once(":\n").chain(iter::repeat("\n"))) {
            message.extend([before, line]);
        }
        Err(match status.and_then(|status| status.code()) {
            // Its arguments are ours.
            Some(2) => Failure::Usage(message),
            _ => Failure::Work(message),
        })
    }
}

/// How to start a server on a free port that says where it is and ends with this process.
fn command(program: &Path, name: &str, data: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    // Who presses Ctrl-C means the load, which ends it once it has told what it has.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    // What this shell has set for servers of its own is not what is to be measured.
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DOUBLECHECK_") {
            command.env_remove(variable);
        }
    }
    if !names_data_dir(arguments) {
        // Unless asked for, its journal is not what is to be measured either. The report says so.
        command.env("DOUBLECHECK_JOURNAL_ACK", JournalAck::NONE.to_string());
    }
    command
        // Made-up payments belong into nobody's data.
        .env("DOUBLECHECK_DATA_DIR", data)
        .env("DOUBLECHECK_HTTP_ADDRESS", "127.0.0.1:0")
        .args([name, "--grpc-address", "127.0.0.1:0", Starter::FLAG])
        .args(arguments)
        // Held as long as this process lives: however it ends, the server ends with it.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Whether a server is told where to keep what it answers: then it is to keep it.
fn names_data_dir(arguments: &[String]) -> bool {
    let names = |argument: &String| argument == "--data-dir" || argument.starts_with("--data-dir=");
    arguments.iter().any(names)
}

/// What a server says of itself once it is ready.
struct Told {
    address: SocketAddr,
    journal_ack: String,
}

/// What the first line of `out` says, once that comes.
fn first_line(out: Option<ChildStdout>) -> oneshot::Receiver<Told> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        let first = BufReader::new(out?).lines().next()?.ok()?;
        let (address, journal_ack) = first.split_once(' ')?;
        let line = Told {
            address: address.parse().ok()?,
            journal_ack: journal_ack.to_owned(),
        };
        // Nobody may wait for it any more.
        tell.send(line).ok()
    });
    told
}

/// Reads a log to its end, as whoever logs must not wait for somebody to read; gives the last of its lines.
fn last_lines(log: ChildStderr) -> JoinHandle<VecDeque<String>> {
    const LINES: usize = 20;
    thread::spawn(move || {
        let mut last = VecDeque::with_capacity(LINES);
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if last.len() == LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
        last
    })
}

/// A folder in the system's place for temporary files, removed with this value. Whoever needs it makes it.
#[derive(Debug)]
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn named_by_chance() -> Result<Self, Failure> {
        let number =
            getrandom::u64().map_err(|error| Failure::at_work("making up a name", &error))?;
        let name = format!("doublecheck-load-{number:016x}");
        Ok(Self(std::env::temp_dir().join(name)))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Mostly nobody has made it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
