//! The engine, from what was kept of it, and back.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::time_of_day::clock_from;
use crate::cli::Failure;
use crate::clock::{Stopwatch, SystemClock};
use crate::config::Config;
use crate::engine::{Durability, Engine, Progress, Recovered};
use crate::journal::snapshot::SnapshotSummary;
use crate::journal::{JournalFault, Settings, Tail, has_segments, is_kept_in};
use crate::scoring::policy::Policies;
use crate::storage::Directory;
use crate::storage::disk::Disk;
use crate::telemetry::BoundsCounts;
use crate::token::{KEY_FILE, TokenKey};

/// How long the snapshot at the end may take.
const LAST_SNAPSHOT_MAX: Duration = Duration::from_secs(10);

/// Of how many parts of the memory budget a segment of the journal has one at most, and what it may have
/// anyway: a start reads segments whole, beside all that is remembered.
const SEGMENT_PART: u64 = 16;
const SEGMENT_BYTES_MIN: u64 = 4 << 20;

/// How long the end may take at all: a disk that does not answer is not waited for without an end, and whoever stops
/// services ends them by force after a minute.
const CLOSING_MAX: Duration = Duration::from_secs(30);

/// How long the end may take once somebody has insisted: a disk that does not answer is not waited for.
const HURRIED_MAX: Duration = Duration::from_secs(2);

/// The engine that goes on where the data directory's ends. Reading that back takes a thread of its own.
pub(super) async fn open(config: &Config, sets_damage_aside: bool) -> Result<Engine, Failure> {
    let policies = config.contents.policies.clone();
    let budget_bytes_max = config.memory_budget.bytes_max();
    let Some(ack) = config.journal_ack.ack() else {
        warn_of_unread_journal(&config.data_dir);
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
/// insisted. What works beside the calls ends first. Where the disk does not answer, this ends all the same.
pub(super) async fn close(
    engine: Arc<Engine>,
    beside: impl Send + 'static,
    is_hurried: bool,
    insisted: impl Future<Output = ()>,
) -> Result<(), Failure> {
    close_within(CLOSING_MAX, engine, beside, is_hurried, insisted).await
}

async fn close_within(
    closing_max: Duration,
    engine: Arc<Engine>,
    beside: impl Send + 'static,
    is_hurried: bool,
    insisted: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let hurry = Arc::new(AtomicBool::new(is_hurried));
    let hurried = Arc::clone(&hurry);
    let closed_well = Arc::new(AtomicBool::new(false));
    let is_closed = Arc::clone(&closed_well);
    let close = move || {
        drop(beside);
        let taking = Stopwatch::start();
        let goes_on = || taking.elapsed() < LAST_SNAPSHOT_MAX && !hurried.load(Ordering::Relaxed);
        let made_good = make_good(&engine, goes_on);
        engine.close()?;
        made_good?;
        is_closed.store(true, Ordering::Relaxed);
        engine.take_snapshot(goes_on)
    };
    let out_of_patience = async {
        if !is_hurried {
            tokio::select! {
                () = insisted => {}
                () = tokio::time::sleep(closing_max) => return closing_max,
            }
        }
        hurry.store(true, Ordering::Relaxed);
        tokio::time::sleep(HURRIED_MAX).await;
        HURRIED_MAX
    };
    let closed = tokio::select! {
        closed = tokio::task::spawn_blocking(close) => closed,
        time = out_of_patience => {
            let told = match closed_well.load(Ordering::Relaxed) {
                true => format!("error: the last snapshot took longer than {time:?}; the journal is whole without it"),
                false => format!("error: closing the journal took longer than {time:?}"),
            };
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

/// Where the journal has failed, a last try: once it is closed, nothing stands for what was dropped.
fn make_good(engine: &Engine, rest: impl FnMut() -> bool) -> Result<(), JournalFault> {
    if engine.keeps_its_promise() {
        return Ok(());
    }
    let error = match engine.restart_journal(rest) {
        Ok(true) => return Ok(()),
        Ok(false) => io::Error::other("there was no time for it"),
        Err(fault) => io::Error::other(fault),
    };
    let tried = "keeping what was answered since the journal failed";
    Err(JournalFault::storage(tried)(error))
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
    warn_of_missing_key(&directory);
    let durability = Durability {
        directory: Arc::new(directory),
        settings,
        sets_damage_aside,
    };
    Engine::recover(policies, durability, clock_from, tell)
        .map_err(|fault: JournalFault| Failure::at_work(&opening, &fault))
}

/// Says so where nothing is kept beside what was: whoever meant to go on with that must not learn it by a restart.
fn warn_of_unread_journal(data_dir: &Path) {
    // Where there is no directory, or none to be looked into, there is nothing that could be missed.
    if Disk::look_at(data_dir).is_ok_and(|disk| is_kept_in(&disk).unwrap_or(false)) {
        tracing::warn!(
            target: "doublecheck", data_dir = %data_dir.display(),
            "the data directory holds a journal that is not read, and what is answered now is not kept: journal.ack is \
             none"
        );
    }
}

/// Says so where a service has kept a journal, and the key that it signed with is gone: a new one is made. What was
/// imported has neither.
fn warn_of_missing_key(directory: &dyn Directory) {
    // Where either cannot be read, whoever needs it says so.
    let has_journal = has_segments(directory).unwrap_or(false);
    if has_journal && matches!(TokenKey::found_in(directory), Ok(None)) {
        tracing::warn!(
            target: "doublecheck", file = KEY_FILE,
            "the key beside the journal is gone, and a new one is made: questions that are open cannot be answered \
             any more and are asked again, and ids have other aliases in the log"
        );
    }
}

fn tell(progress: Progress) {
    match progress {
        Progress::PassedOver(damage) => tracing::error!(
            target: "doublecheck", %damage,
            "a snapshot is damaged; what it stands for is looked for in an older one and in the journal"
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
            readable_behind: 0,
        } => tracing::warn!(
            target: "doublecheck", file, offset, bytes,
            "the journal ended in the middle of a write; that was cut off"
        ),
        Tail::Torn {
            file,
            offset,
            bytes,
            readable_behind,
        } => tracing::warn!(
            target: "doublecheck", file, offset, bytes, readable_behind,
            "the journal cannot be read on from there, and was not known to be on the disk: that was cut off, \
             and a copy was set aside for what can be read in it"
        ),
        Tail::SetAside(damage) => tracing::warn!(
            target: "doublecheck", %damage,
            "the journal is damaged; what stands behind was set aside"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::journal::Ack;
    use crate::scoring::money::{Currency, Money};
    use crate::scoring::payment::{
        AccountId, Payee, PayeeId, PayeeType, Payment, PaymentId, PaymentKind,
    };
    use crate::scoring::policy::Policy;
    use crate::storage::simulated::{Operation, Simulated};

    fn start(disk: &Simulated) -> Arc<Engine> {
        let durability = Durability {
            directory: Arc::new(disk.clone()),
            settings: Settings::with_ack(Ack::Synced),
            sets_damage_aside: false,
        };
        let clock = |earliest| Arc::new(ManualClock::at(earliest)) as Arc<dyn Clock>;
        let engine = Engine::recover(Policy::default().into(), durability, clock, |_| {});
        Arc::new(engine.unwrap())
    }

    fn payment() -> Payment {
        Payment {
            payment_id: PaymentId::new("p1").unwrap(),
            account_id: AccountId::new("alice").unwrap(),
            payee: Payee {
                id: PayeeId::new("13800138000").unwrap(),
                payee_type: PayeeType::Phone,
            },
            money: Money::new(5_000, Currency::from_code("CNY").unwrap()).unwrap(),
            kind: PaymentKind::TopUp,
            order_id: None,
            device_id: None,
            session_id: None,
            duplicate_window: None,
        }
    }

    /// A service whose disk was full when it answered.
    async fn degraded(disk: &Simulated, payment: &Payment) -> Arc<Engine> {
        let engine = start(disk);
        disk.set_bytes_max(0);
        let (_, receipt) = engine.score_with_receipt(payment, None).unwrap();
        engine.committed(receipt).await;
        assert!(!engine.keeps_its_promise());
        engine
    }

    #[tokio::test]
    async fn what_was_answered_before_the_disk_healed_is_kept_by_the_end() {
        let disk = Simulated::new(1);
        let payment = payment();
        let engine = degraded(&disk, &payment).await;
        disk.set_bytes_max(usize::MAX);
        let closed = close(engine, (), false, std::future::pending()).await;
        closed.unwrap();
        assert!(start(&disk).score(&payment, None).unwrap().replayed);
    }

    /// What works beside the calls, and waits for a disk that does not answer.
    struct Hanging(std::sync::mpsc::Receiver<()>);

    impl Drop for Hanging {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_at_the_end_is_not_waited_for_without_an_end() {
        let time = Duration::from_millis(100);
        let told = |closed| match closed {
            Err(Failure::Work(told)) => told,
            other => panic!("{other:?}"),
        };
        let disk = Simulated::new(1);
        let (answers, hanging) = std::sync::mpsc::channel();
        let insisted = std::future::pending;
        let closed = close_within(time, start(&disk), Hanging(hanging), false, insisted()).await;
        assert_eq!(
            told(closed),
            "error: closing the journal took longer than 100ms"
        );
        drop(answers);

        let disk = Simulated::new(2);
        let engine = start(&disk);
        // It closes the journal, and begins no file.
        disk.hang(Some(Operation::Change));
        let closed = close_within(time, engine, (), false, insisted()).await;
        assert_eq!(
            told(closed),
            "error: the last snapshot took longer than 100ms; the journal is whole without it"
        );
        disk.hang(None);
    }

    #[tokio::test]
    async fn where_it_has_not_healed_the_end_says_what_may_be_forgotten() {
        let disk = Simulated::new(1);
        let engine = degraded(&disk, &payment()).await;
        let closed = close(engine, (), false, std::future::pending()).await;
        let Err(Failure::Work(told)) = closed else {
            panic!("{closed:?}");
        };
        let expected = "closing the journal: keeping what was answered since the journal failed: ";
        assert!(told.contains(expected), "{told}");
    }
}
