//! The engine, from what was kept of it, and back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cli::Failure;
use crate::clock::{Clock, Stopwatch, SystemClock};
use crate::config::Config;
use crate::engine::{Durability, Engine, Progress, Recovered};
use crate::journal::snapshot::SnapshotSummary;
use crate::journal::{JournalFault, Settings, Tail};
use crate::scoring::policy::Policies;
use crate::scoring::time::{Span, Timestamp};
use crate::storage::disk::Disk;
use crate::telemetry::BoundsCounts;
use crate::token::TokenKey;

/// How long the snapshot at the end may take.
const LAST_SNAPSHOT_MAX: Duration = Duration::from_secs(10);

/// Of how many parts of the memory budget a segment of the journal has one at most, and what it may have
/// anyway: a start reads segments whole, beside all that is remembered.
const SEGMENT_PART: u64 = 16;
const SEGMENT_BYTES_MIN: u64 = 4 << 20;

/// From how far back on it is told that the machine's time of day was set back over a restart: by less, clocks
/// are corrected every day.
const SET_BACK_TOLD: Span = Span::from_secs(10);

/// How long the end may take once somebody has insisted: a disk that does not answer is not waited for.
const HURRIED_MAX: Duration = Duration::from_secs(2);

/// The engine that goes on where the data directory's ends. Reading that back takes a thread of its own.
pub(super) async fn open(config: &Config, sets_damage_aside: bool) -> Result<Engine, Failure> {
    let policies = config.contents.policies.clone();
    let budget_bytes_max = config.memory_budget.bytes_max();
    let Some(ack) = config.journal_ack.ack() else {
        return Ok(within(budget_bytes_max, in_memory(policies)?));
    };
    let data_dir = config.data_dir.clone();
    let usual = Settings::with_ack(ack);
    let settings = Settings {
        patience: config.journal_patience,
        segment_bytes_max: budget_bytes_max.map_or(usual.segment_bytes_max, |bytes_max| {
            (bytes_max / SEGMENT_PART).clamp(SEGMENT_BYTES_MIN, usual.segment_bytes_max)
        }),
        ..usual
    };
    let recover = move || {
        let recovered = recover(policies, &data_dir, settings, sets_damage_aside)?;
        Ok(within(budget_bytes_max, recovered))
    };
    tokio::task::spawn_blocking(recover)
        .await
        .map_err(|error| Failure::at_work("reading the journal back", &error))?
}

/// The engine within its memory budget. It may have remembered more under a larger one.
fn within(budget_bytes_max: Option<u64>, engine: Engine) -> Engine {
    let Some(bytes_max) = budget_bytes_max else {
        return engine;
    };
    let engine = engine.with_memory_budget(bytes_max);
    let BoundsCounts {
        accounts_evicted: accounts,
        payees_evicted: payees,
        devices_evicted: devices,
        ..
    } = engine.bounds_counts();
    if accounts > 0 || payees > 0 || devices > 0 {
        tracing::warn!(
            target: "doublecheck", accounts, payees, devices,
            "more was remembered than the memory budget allows; so many were forgotten"
        );
    }
    engine
}

/// Closes what the engine keeps, and takes a last snapshot, so that the next start has little to do. The
/// journal is whole without: a snapshot that takes too long is given up, and so it is once somebody has
/// insisted. What works beside the calls ends first.
pub(super) async fn close(
    engine: Arc<Engine>,
    beside: impl Send + 'static,
    is_hurried: bool,
    insisted: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let hurry = Arc::new(AtomicBool::new(is_hurried));
    let hurried = Arc::clone(&hurry);
    let close = move || {
        drop(beside);
        engine.close()?;
        let taking = Stopwatch::start();
        let goes_on = || taking.elapsed() < LAST_SNAPSHOT_MAX && !hurried.load(Ordering::Relaxed);
        engine.take_snapshot(goes_on)
    };
    let out_of_patience = async {
        if !is_hurried {
            insisted.await;
        }
        hurry.store(true, Ordering::Relaxed);
        tokio::time::sleep(HURRIED_MAX).await;
    };
    let closed = tokio::select! {
        closed = tokio::task::spawn_blocking(close) => closed,
        () = out_of_patience => {
            let told = format!("error: closing the journal took longer than {HURRIED_MAX:?}");
            return Err(Failure::Work(told));
        }
    };
    let closed = closed.map_err(|error| Failure::at_work("closing the journal", &error))?;
    let snapshot = closed.map_err(|fault| Failure::at_work("closing the journal", &fault))?;
    if let Some(summary) = snapshot {
        tell_snapshot(&summary);
    }
    Ok(())
}

/// Tells of a snapshot that was taken.
pub(super) fn tell_snapshot(summary: &SnapshotSummary) {
    let SnapshotSummary {
        file,
        counts,
        bytes,
        ..
    } = summary;
    tracing::info!(target: "doublecheck", file, %counts, bytes, "a snapshot was taken");
}

fn in_memory(policies: Policies) -> Result<Engine, Failure> {
    let token_key = TokenKey::random()
        .map_err(|error| Failure::at_work("making a key for confirmation tokens", &error))?;
    let clock = Arc::new(SystemClock::start());
    Ok(Engine::new(policies, clock, token_key))
}

fn recover(
    policies: Policies,
    data_dir: &Path,
    settings: Settings,
    sets_damage_aside: bool,
) -> Result<Engine, Failure> {
    let opening = format!("opening the data directory {}", data_dir.display());
    let directory = Disk::open(data_dir).map_err(|error| Failure::at_work(&opening, &error))?;
    let durability = Durability {
        directory: Arc::new(directory),
        settings,
        sets_damage_aside,
    };
    Engine::recover(policies, durability, clock_from, tell)
        .map_err(|fault: JournalFault| Failure::at_work(&opening, &fault))
}

/// The machine's clock, or where it has been set back, one that goes on from what was written last.
fn clock_from(earliest: Timestamp) -> Arc<dyn Clock> {
    let clock = SystemClock::start();
    let set_back = earliest.since(clock.now());
    if set_back >= SET_BACK_TOLD {
        tracing::warn!(
            target: "doublecheck", seconds = set_back.secs(),
            "the machine's time of day is before what was written last; time goes on from there"
        );
    }
    Arc::new(clock.not_before(earliest))
}

fn tell(progress: Progress) {
    match progress {
        Progress::PassedOver(damage) => tracing::error!(
            target: "doublecheck", %damage,
            "a snapshot is damaged; an older one and more of the journal are read instead"
        ),
        Progress::Begun(accounts) => {
            tracing::info!(target: "doublecheck", accounts, "a snapshot was read");
        }
        Progress::Redone(events) => {
            tracing::info!(target: "doublecheck", events, "reading the journal back");
        }
        Progress::Ended(recovered, tail) => {
            let Recovered {
                snapshot_accounts: _,
                events,
                disagreements,
                policies_changed,
            } = recovered;
            tracing::info!(target: "doublecheck", events, "the journal was read back");
            tell_tail(&tail);
            if disagreements > 0 || policies_changed > 0 {
                tracing::warn!(
                    target: "doublecheck", disagreements, policies_changed,
                    "this version would have decided otherwise; what was answered stands"
                );
            }
        }
    }
}

fn tell_tail(tail: &Tail) {
    match tail {
        Tail::Closed | Tail::Open => {}
        Tail::Torn {
            file,
            offset,
            bytes,
            ..
        } => tracing::warn!(
            target: "doublecheck", file, offset, bytes,
            "the journal ended in the middle of a write; that was cut off"
        ),
        Tail::SetAside(damage) => tracing::warn!(
            target: "doublecheck", %damage,
            "the journal is damaged; what stands behind was set aside"
        ),
    }
}
