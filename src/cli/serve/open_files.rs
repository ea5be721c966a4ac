//! How many files the process may have open: each connection takes one, and so does much else.

use crate::config::Config;
use crate::http;

/// What the process has open or opens for a while beside what is counted here, such as a segment, a snapshot
/// and a file that is read again: 18 at rest, as counted.
const PROCESS_FILES: u64 = 32;

/// What each thread that serves has open: a listener, the four of a runtime, and a connection that is accepted
/// only to be refused.
const THREAD_FILES: u64 = 6;

/// How many files the process may have open; as many as it likes where nobody says.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct OpenFiles {
    max: Option<u64>,
}

impl OpenFiles {
    /// As many as the system lets this process have if it asks for them, which this does: what it has unasked is
    /// meant for programs that cannot do with more.
    #[cfg(unix)]
    pub(in crate::cli) fn raised() -> Self {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let found = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: found.maximum,
            ..found
        };
        // Where it may not, what there is has to do.
        let _ = setrlimit(Resource::Nofile, raised);
        Self {
            max: getrlimit(Resource::Nofile).current,
        }
    }

    /// As many as it likes.
    #[cfg(not(unix))]
    pub(in crate::cli) const fn raised() -> Self {
        Self { max: None }
    }

    /// How many connections are taken: those that are allowed, as far as there are files for them beside what the
    /// process needs itself; one in any case.
    pub(in crate::cli) fn connections_max(self, config: &Config) -> u64 {
        let allowed = config.limits.connections;
        let left = |max: u64| max.saturating_sub(kept(config)).max(1);
        self.max.map_or(allowed, |max| allowed.min(left(max)))
    }

    /// That fewer connections are taken than are allowed, in words.
    pub(super) fn shortage(self, config: &Config) -> Option<String> {
        let allowed = config.limits.connections;
        let taken = self.connections_max(config);
        let max = self.max.filter(|_| taken < allowed)?;
        Some(format!(
            "limits.connections: of {allowed} at most {taken} are taken, for the process may have {max} files \
             open, and keeps {} for itself",
            kept(config)
        ))
    }
}

/// How many files are kept for all that is no connection: a journal that could open none would fail on a disk
/// that is well.
fn kept(config: &Config) -> u64 {
    let threads = config.threads.get() as u64;
    PROCESS_FILES + http::CONNECTIONS_MAX as u64 + threads * THREAD_FILES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags};

    fn config(threads: u32, connections: u32) -> Config {
        let flags = Flags::from([
            ("--threads", threads.to_string()),
            ("--limits-connections", connections.to_string()),
        ]);
        Config::load(None, &Environment::new(), &flags).unwrap()
    }

    #[test]
    fn connections_leave_the_process_what_it_needs() {
        let files = |max| OpenFiles { max };
        for (max, threads, allowed, taken) in [
            (Some(1_024), 2, 10_000, 916),
            (Some(1_024), 100, 10_000, 328),
            (Some(1_024), 2, 916, 916),
            (Some(64), 2, 10_000, 1),
            (Some(1_048_576), 2, 10_000, 10_000),
            (None, 2, 10_000, 10_000),
        ] {
            let config = config(threads, allowed);
            assert_eq!(files(max).connections_max(&config), taken, "{max:?}");
            let told = files(max).shortage(&config);
            assert_eq!(told.is_some(), taken < u64::from(allowed), "{told:?}");
        }
        assert_eq!(
            files(Some(1_024)).shortage(&config(2, 10_000)).unwrap(),
            "limits.connections: of 10000 at most 916 are taken, for the process may have 1024 files open, and \
             keeps 108 for itself"
        );
    }
}
