//! The server under load: one that runs already, or a process of our own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tonic::transport::Endpoint;

use super::check::Twin;
use super::cpu;
use crate::cli::Failure;
use crate::cli::client::Credentials;
use crate::cli::serve::Starter;

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
}

impl OwnServer {
    /// Starts `twin` with `arguments` added to its command, and waits until it is ready.
    pub(super) fn start(program: &Path, twin: Twin, arguments: &[String]) -> Result<Self, Failure> {
        let name = match twin {
            Twin::Score => "serve",
            Twin::Echo => "echo",
        };
        let mut command = Command::new(program);
        // What this shell has set for servers of its own is not what is to be measured.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("DOUBLECHECK_") {
                command.env_remove(variable);
            }
        }
        command
            // Unless asked for, its journal is not what is to be measured either.
            .env("DOUBLECHECK_JOURNAL_ACK", "none")
            .env("DOUBLECHECK_HTTP_ADDRESS", "127.0.0.1:0")
            .args([name, "--grpc-address", "127.0.0.1:0", Starter::FLAG])
            .args(arguments)
            // Held as long as this process lives: however it ends, the server ends with it.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| Failure::at_work(format!("starting {}", program.display()), &error))?;
        let logged = child.stderr.take();
        let mut own = Self {
            child,
            address: String::new(),
        };
        let mut lines = BufReader::new(logged.ok_or_else(no_log)?).lines();
        let mut said = Vec::new();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(address) = ready_address(&line) {
                address.clone_into(&mut own.address);
                // Whoever logs must not wait for somebody to read.
                thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
                return Ok(own);
            }
            said.push(line);
        }
        let said = said.join("\n");
        Err(Failure::Work(format!(
            "error: `doublecheck {name}` did not start:\n{said}"
        )))
    }
}

fn no_log() -> Failure {
    Failure::Work("error: the server's log cannot be read".to_owned())
}

/// The address in the line that a server logs once it takes calls.
fn ready_address(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("ready address=")?;
    after.split(' ').next()
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_ready_line() {
        let line = "2026-11-21T21:00:00Z  INFO doublecheck: ready address=127.0.0.1:4711 policy=x";
        assert_eq!(ready_address(line), Some("127.0.0.1:4711"));
        assert_eq!(
            ready_address("INFO doublecheck: ready address=[::1]:1"),
            Some("[::1]:1")
        );
        assert_eq!(ready_address("INFO doublecheck: listening"), None);
    }
}
