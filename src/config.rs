//! Configuration: one TOML file, `DOUBLECHECK_*` environment, flags; later wins. Every fault is told at
//! once, with its place and its setting.
//!
//! To add a setting: its row in `names`, its field in [`Config`], one line in [`Config::load`], and its row in
//! the README.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::grpc::limits::Limits;
use crate::tls::TlsFiles;

mod address;
mod document;
mod effective;
pub mod fault;
mod files;
mod journal;
mod log;
mod memory;
mod names;
pub mod policy_file;
pub mod policy_source;
mod snapshot;
mod sources;
pub mod tokens_file;

pub use address::Address;
pub use effective::{Effective, Origin};
use fault::{Fault, Place, Problem};
pub use files::{Contents, Files};
pub use journal::JournalAck;
pub use log::LogSettings;
pub use memory::MemoryBudget;
use names::{
    AUTH_TOKENS, DATA_DIR, DRAIN_DEADLINE, DRAIN_GRACE, GRPC_ADDRESS, GRPC_INSECURE,
    GRPC_REFLECTION, HTTP_ADDRESS, JOURNAL_ACK, JOURNAL_PATIENCE, MEMORY_BUDGET, POLICY_PATH,
    POLICY_SHADOW, SNAPSHOT_INTERVAL, SNAPSHOT_JOURNAL, THREADS, TLS_CERTIFICATE, TLS_CLIENT_CA,
    TLS_KEY,
};
pub use names::{Flag, flags};
use policy_source::PolicySource;
pub use snapshot::SnapshotEvery;
use sources::Sources;
pub use sources::{Environment, Flags};

/// What is said to an address that others than this machine can reach, where anybody may call there.
pub const OPEN_DOOR: &str = "takes TLS (tls.certificate, tls.key), and auth.tokens or tls.client_ca, where \
    others than this machine can reach it; `--insecure` does without";

/// What the service runs with.
#[derive(Debug)]
pub struct Config {
    /// Where gRPC is served.
    pub grpc_address: Address,
    /// Whether it may be served to others than this machine without TLS and without asking who they are.
    pub insecure: bool,
    /// Whether tools may ask what is served.
    pub reflection: bool,
    /// Where metrics and probes are served.
    pub http_address: Address,
    /// How many threads serve it.
    pub threads: NonZeroUsize,
    /// How long calls are still taken after everybody was told to turn away.
    pub drain_grace: Duration,
    /// How long open calls may go on after that.
    pub drain_deadline: Duration,
    /// Where what is remembered is kept.
    pub data_dir: PathBuf,
    /// What an answer waits for.
    pub journal_ack: JournalAck,
    /// For how long it waits for a disk that does not answer.
    pub journal_patience: Duration,
    /// How often a snapshot is taken.
    pub snapshot_every: SnapshotEvery,
    /// How much memory what is remembered may take.
    pub memory_budget: MemoryBudget,
    /// What is logged, and how.
    pub log: LogSettings,
    /// How much clients may ask of the edge.
    pub limits: Limits,
    /// The files that settings name.
    pub files: Files,
    /// What they hold.
    pub contents: Contents,
    /// Every setting as it is in force.
    pub effective: Vec<Effective>,
}

impl Config {
    /// Puts `file`, `environment` and `flags` together. An empty variable counts as not set.
    ///
    /// # Errors
    /// Every fault of every source, and of the files that settings name.
    pub fn load(
        file: Option<&Path>,
        environment: &Environment,
        flags: &Flags,
    ) -> Result<Self, Vec<Fault>> {
        let mut sources = Sources::new(file, environment, flags);
        let s = &mut sources;
        let address = |text: &str, _: &Path| Address::parse(text);
        let local = Address::local(50_051);
        let grpc_address = s.last_or(&GRPC_ADDRESS, address, local);
        let insecure = s.flag(&GRPC_INSECURE, false);
        let reflection = s.flag(&GRPC_REFLECTION, true);
        let local = Address::local(9_464);
        let http_address = s.last_or(&HTTP_ADDRESS, address, local);
        let threads = threads(s);
        let grace_ms = s.whole(&DRAIN_GRACE, 0);
        let deadline_s = s.whole(&DRAIN_DEADLINE, 10);
        let data_dir = s.path_or(&DATA_DIR, "data");
        let (journal_ack, journal_patience) = journal(s);
        let snapshot_every = snapshot_every(s);
        let budget = |text: &str, _: &Path| MemoryBudget::parse(text);
        let budget_max = MemoryBudget::of_this_process();
        let memory_budget = s.last_or(&MEMORY_BUDGET, budget, budget_max);
        let log = LogSettings::load(s);
        let limits = s.limits();
        let files = files(s);

        let is_open = !insecure && !files.keep_strangers_out();
        check_addresses(s, &grpc_address, &http_address, is_open);
        let Sources {
            mut faults,
            effective,
            ..
        } = sources;
        // The file's own first, in its order.
        faults.sort_by_key(|fault| (fault.position().is_none(), fault.position()));
        let contents = match files.read() {
            Ok(contents) if faults.is_empty() => contents,
            Ok(_) => return Err(faults),
            Err(more) => {
                faults.extend(more.into_iter().map(|fault| where_named(fault, &effective)));
                return Err(faults);
            }
        };
        Ok(Self {
            grpc_address,
            insecure,
            reflection,
            http_address,
            threads,
            drain_grace: Duration::from_millis(grace_ms),
            drain_deadline: Duration::from_secs(deadline_s),
            data_dir,
            journal_ack,
            journal_patience,
            snapshot_every,
            memory_budget,
            log,
            limits,
            files,
            contents,
            effective,
        })
    }
}

/// A fault of a file as a whole, told where the setting stands that names the file: there is no line in it to go
/// to.
fn where_named(fault: Fault, effective: &[Effective]) -> Fault {
    let named_by = effective.iter().find(|given| given.path == fault.field);
    match (&fault.place, named_by.map(|given| &given.origin)) {
        (
            Place::File {
                path,
                position: None,
            },
            Some(Origin::Given(place)),
        ) => Fault {
            problem: Problem::Content(format!("{}: {}", path.display(), fault.problem)),
            place: place.clone(),
            field: fault.field,
        },
        (_, _) => fault,
    }
}

/// Notes an address that others can reach where the door is open, and one that both ask for.
fn check_addresses(sources: &mut Sources<'_>, grpc: &Address, http: &Address, is_open: bool) {
    if is_open && grpc.is_reachable_from_outside() == Some(true) {
        sources.refuse::<()>(&GRPC_ADDRESS, OPEN_DOOR);
    }
    if http.is_taken_by(grpc) {
        sources.refuse::<()>(&HTTP_ADDRESS, "must be another one than grpc.address");
    }
}

/// What an answer waits for, and for how long.
fn journal(sources: &mut Sources<'_>) -> (JournalAck, Duration) {
    let parse = |text: &str, _: &Path| JournalAck::parse(text);
    let ack = sources.last_or(&JOURNAL_ACK, parse, JournalAck::default());
    let patience_ms = sources.whole(&JOURNAL_PATIENCE, 1_000);
    (ack, Duration::from_millis(patience_ms))
}

fn snapshot_every(sources: &mut Sources<'_>) -> SnapshotEvery {
    let interval_s = sources.whole(&SNAPSHOT_INTERVAL, 15 * 60);
    let journal_mib = sources.whole(&SNAPSHOT_JOURNAL, 512);
    SnapshotEvery {
        interval: Duration::from_secs(interval_s),
        journal_bytes: journal_mib << 20,
    }
}

/// The files that settings name.
fn files(sources: &mut Sources<'_>) -> Files {
    let certificate = sources.path(&TLS_CERTIFICATE);
    let key = sources.path(&TLS_KEY);
    let client_ca = sources.path(&TLS_CLIENT_CA);
    let tls = match (certificate, key, client_ca) {
        (None, None, None) => None,
        (Some(certificate), Some(key), client_ca) => Some(TlsFiles {
            certificate,
            key,
            client_ca,
        }),
        // Told where something was given: who is to give the rest looks there.
        (Some(_), None, _) => sources.refuse(&TLS_CERTIFICATE, "takes tls.key beside it"),
        (None, Some(_), _) => sources.refuse(&TLS_KEY, "takes tls.certificate beside it"),
        (None, None, Some(_)) => {
            let why = "takes tls.certificate and tls.key beside it";
            sources.refuse(&TLS_CLIENT_CA, why)
        }
    };
    let tokens = sources.path(&AUTH_TOKENS);
    let policy = PolicySource::default();
    Files {
        policy: sources.last_or(&POLICY_PATH, PolicySource::named, policy),
        shadow: sources.last_of(&POLICY_SHADOW, PolicySource::named),
        tokens,
        tls,
    }
}

/// One for each core that this process may use unless told otherwise; one where the machine does not say.
fn threads(sources: &mut Sources<'_>) -> NonZeroUsize {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = sources.whole(&THREADS, cores.get() as u64);
    let threads = usize::try_from(threads).ok().and_then(NonZeroUsize::new);
    threads.unwrap_or(cores)
}

#[cfg(test)]
mod tests;
