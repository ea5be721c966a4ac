//! Files that change while the service runs, read again behind the back of the calls.
//!
//! Files are read whole to see whether they have changed: a few kilobytes, some times a second, and neither
//! a link that was turned, as Kubernetes does it, nor an edit within the second goes unseen.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::signals::Hangups;
use super::warnings::{of_access, of_certificate};
use crate::access::Fingerprint;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Files;
use crate::config::fault::Fault;
use crate::engine::{Engine, PolicyChange};
use crate::grpc::auth::Auth;
use crate::telemetry::{ReloadCounters, Reloaded};

/// How often it is looked whether files have changed. They are read once two looks have seen the same: who
/// writes two of them, or one in two goes, is not interrupted.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What reading changed files again changes.
pub(super) struct Reloads {
    pub(super) files: Files,
    pub(super) engine: Arc<Engine>,
    pub(super) auth: Auth,
    pub(super) counters: Arc<ReloadCounters>,
    /// Tells whether a restart would find other settings, or none that it could start with.
    pub(super) tell_settings: Box<dyn Fn() + Send>,
}

/// Files that are read together.
#[derive(Debug)]
pub(super) struct Watched {
    what: What,
    paths: Vec<PathBuf>,
    taken: Vec<Option<Fingerprint>>,
    changed: Option<Vec<Option<Fingerprint>>>,
}

/// What the files are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Contents(Reloaded),
    Settings,
}

/// A thread that looks for as long as this value lives.
pub(super) struct Reloading {
    asked: mpsc::Sender<()>,
}

impl Reloading {
    pub(super) fn start(reloads: Reloads, mut watched: Vec<Watched>) -> std::io::Result<Self> {
        let (asked, asks) = mpsc::channel();
        thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || {
                loop {
                    let is_asked = match asks.recv_timeout(LOOK_EVERY) {
                        Ok(()) => true,
                        Err(mpsc::RecvTimeoutError::Timeout) => false,
                        Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    };
                    for watched in &mut watched {
                        if watched.is_to_be_read(is_asked) {
                            reloads.read_again(watched.what);
                        }
                    }
                }
            })?;
        Ok(Self { asked })
    }

    /// Reads all of them again at each SIGHUP.
    pub(super) fn ask_at(&self, mut hangups: Hangups) {
        let asked = self.asked.clone();
        tokio::spawn(async move {
            loop {
                hangups.next().await;
                tracing::info!(target: "doublecheck", signal = "SIGHUP", "reading files again");
                if asked.send(()).is_err() {
                    return;
                }
            }
        });
    }
}

impl Watched {
    /// All that is to be watched, as it is now.
    pub(super) fn all(files: &Files, settings: Option<&PathBuf>) -> Vec<Self> {
        let of = |what, paths: Vec<PathBuf>| Self {
            what,
            taken: prints(&paths),
            paths,
            changed: None,
        };
        let contents = Reloaded::ALL.iter().copied();
        let contents = contents.map(|what| {
            let paths = match what {
                Reloaded::Policy => files.policy_paths(),
                Reloaded::Tokens => files.tokens.iter().cloned().collect(),
                Reloaded::Certificates => files.tls_paths(),
            };
            of(What::Contents(what), paths)
        });
        let settings = of(What::Settings, settings.cloned().into_iter().collect());
        contents.chain([settings]).collect()
    }

    /// Whether its files have changed and are still, or somebody asks for them.
    fn is_to_be_read(&mut self, is_asked: bool) -> bool {
        if self.paths.is_empty() {
            return false;
        }
        let seen = prints(&self.paths);
        let has_changed = seen != self.taken;
        if is_asked || has_changed && self.changed.as_ref() == Some(&seen) {
            self.taken = seen;
            self.changed = None;
            return true;
        }
        self.changed = has_changed.then_some(seen);
        false
    }
}

fn prints(paths: &[PathBuf]) -> Vec<Option<Fingerprint>> {
    let print = |path: &PathBuf| fs::read(path).ok().map(|bytes| Fingerprint::of(&bytes));
    paths.iter().map(print).collect()
}

impl Reloads {
    fn read_again(&self, what: What) {
        let what = match what {
            What::Settings => return (self.tell_settings)(),
            What::Contents(what) => what,
        };
        let taken = match what {
            Reloaded::Policy => self.policies(),
            Reloaded::Tokens => self.tokens(),
            Reloaded::Certificates => self.certificates(),
        };
        self.counters.add(what, &taken);
        match taken {
            Ok(told) => tracing::info!(target: "doublecheck", %what, "{told}"),
            Err(why) => tracing::error!(
                target: "doublecheck", %what, "refused, what was in force stays: {why}"
            ),
        }
    }

    fn policies(&self) -> Result<String, String> {
        let policies = self.files.policies().map_err(|faults| told(&faults))?;
        let change = self.engine.change_policies(&policies);
        let is = match change.map_err(|refusal| refusal.to_string())? {
            PolicyChange::Made => "is",
            PolicyChange::None => "is still",
        };
        let policies = self.engine.policies();
        let version = policies.primary().version();
        Ok(match policies.shadow() {
            Some(shadow) => format!(
                "{version} {is} in force, and {} its shadow",
                shadow.version()
            ),
            None => format!("{version} {is} in force"),
        })
    }

    fn tokens(&self) -> Result<String, String> {
        let access = self.files.access().map_err(|faults| told(&faults))?;
        let access = access.unwrap_or_default();
        let count = access.len();
        warn(of_access(&access));
        self.auth.change_access(access);
        Ok(match count {
            1 => "1 entry is good".to_owned(),
            count => format!("{count} entries are good"),
        })
    }

    fn certificates(&self) -> Result<String, String> {
        let Some(tls) = self.files.tls().map_err(|faults| told(&faults))? else {
            return Ok("there are none".to_owned());
        };
        let now = SystemClock::start().now();
        let warning = of_certificate(&tls, now);
        // No client would connect any more.
        if !tls.is_good_at(now) && self.auth.shows_good_certificate_at(now) {
            return Err(warning.unwrap_or_default());
        }
        warn(warning);
        self.auth.change_tls(tls);
        Ok("connections from now on use them".to_owned())
    }
}

fn warn(warning: Option<String>) {
    if let Some(warning) = warning {
        tracing::warn!(target: "doublecheck", "{warning}");
    }
}

fn told(faults: &[Fault]) -> String {
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    told.join("; ")
}
