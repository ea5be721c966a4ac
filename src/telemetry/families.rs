//! Every metric there is. The README's table is made of this.
//!
//! Names end in their base unit, and in `_total` where they only rise.

use super::page::{Family, Kind};

macro_rules! families {
    ($(#[doc = $help:literal] $constant:ident = $kind:ident $name:literal [$($label:literal),*];)+) => {
        $(
            #[doc = $help]
            pub const $constant: Family = Family {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )+

        /// All of them, in the order of the page.
        pub const ALL: &[Family] = &[$($constant),+];
    };
}

families! {
    /// 1, with the version of the program.
    BUILD = Gauge "doublecheck_build_info" ["version"];
    /// When the process started, in seconds since 1970.
    STARTED = Gauge "process_start_time_seconds" [];
    /// Processor time that the process has used, on all cores.
    CPU = Counter "process_cpu_seconds_total" [];
    /// Memory of the machine that the process has.
    RESIDENT = Gauge "process_resident_memory_bytes" [];
    /// Addresses that it has set aside, with memory behind them or not.
    VIRTUAL = Gauge "process_virtual_memory_bytes" [];
    /// Files and connections that it has open.
    OPEN_FDS = Gauge "process_open_fds" [];
    /// How many it may have open.
    MAX_FDS = Gauge "process_max_fds" [];

    /// Lines of the log that were lost: nobody read them in time, or they could not be written.
    LOG_LINES_LOST = Counter "doublecheck_log_lines_lost_total" [];
    /// Connections that ended before TLS was agreed on, by why.
    HANDSHAKES_FAILED = Counter "doublecheck_tls_handshakes_failed_total" ["reason"];
    /// Calls refused for what they showed of who they are from, by why.
    CALLS_DENIED = Counter "doublecheck_calls_denied_total" ["reason"];
    /// When the certificate in use ends, in seconds since 1970; absent without TLS.
    CERTIFICATE_EXPIRY = Gauge "doublecheck_tls_certificate_expiry_seconds" [];
    /// Files that changed and were read again, by what they hold and how that was taken.
    RELOADS = Counter "doublecheck_reloads_total" ["what", "result"];
    /// 1 while files are no good as they are, and what was in force before stays, by what they hold.
    RELOAD_REFUSED = Gauge "doublecheck_reload_refused" ["what"];
    /// After how long a snapshot is taken, if the journal has grown.
    SNAPSHOT_INTERVAL = Gauge "doublecheck_snapshot_interval_seconds" [];

    /// Calls that began.
    CALLS_STARTED = Counter "grpc_server_started_total" ["grpc_type", "grpc_service", "grpc_method"];
    /// Calls that ended, by the status they ended with; Canceled: the client left before.
    CALLS_HANDLED = Counter "grpc_server_handled_total" ["grpc_type", "grpc_service", "grpc_method", "grpc_code"];
    /// How long calls took since they came, waiting for turn and journal included; a stream, its whole life.
    CALL_SECONDS = Histogram "grpc_server_handling_seconds" ["grpc_type", "grpc_service", "grpc_method"];
    /// Items that streams brought.
    ITEMS_RECEIVED = Counter "grpc_server_msg_received_total" ["grpc_type", "grpc_service", "grpc_method"];
    /// Answers that streams were given.
    ITEMS_SENT = Counter "grpc_server_msg_sent_total" ["grpc_type", "grpc_service", "grpc_method"];

    /// Connections that are open.
    CONNECTIONS_OPEN = Gauge "doublecheck_connections_open" [];
    /// Connections that were accepted and had a slot.
    CONNECTIONS_ACCEPTED = Counter "doublecheck_connections_accepted_total" [];
    /// Connections that were not served, by the limit that was reached; accept: the process has no more files.
    CONNECTIONS_REFUSED = Counter "doublecheck_connections_refused_total" ["reason"];
    /// Connections that ended, by why.
    CONNECTIONS_CLOSED = Counter "doublecheck_connections_closed_total" ["reason"];
    /// Times that a connection was not read from for a while, by whose work came to nothing; begin: it had just come.
    CONNECTIONS_HELD = Counter "doublecheck_connections_held_total" ["reason"];
    /// Calls, and items of streams, refused before anything was done for them, by what was full.
    ADMISSION_REFUSALS = Counter "doublecheck_admission_refusals_total" ["reason"];

    /// The present moment as decisions are told it, in seconds since 1970.
    TIME = Gauge "doublecheck_time_seconds" [];
    /// How far that is ahead of the machine's time of day; behind it where negative.
    TIME_AHEAD = Gauge "doublecheck_time_ahead_seconds" [];
    /// 1, with the version of the policy: the primary one decides, a shadow is only asked.
    POLICY = Gauge "doublecheck_policy_info" ["role", "version"];
    /// Payments decided, by decision.
    DECISIONS = Counter "doublecheck_decisions_total" ["decision"];
    /// Reasons given, by what was decided.
    REASONS = Counter "doublecheck_reasons_total" ["code", "decision"];
    /// Retries that got the answer of the first call again.
    RETRIES = Counter "doublecheck_retries_replayed_total" [];
    /// Questions to payers: asked, confirmed, cancelled (an outcome says so), expired (payment settled unanswered).
    CONFIRMATIONS = Counter "doublecheck_confirmations_total" ["event"];
    /// Outcomes reported and taken, repeated reports included.
    OUTCOMES = Counter "doublecheck_outcomes_total" ["outcome"];
    /// Payments that the shadow policy judged too, by what was decided and what it would have.
    SHADOW = Counter "doublecheck_shadow_decisions_total" ["decision", "shadow_decision"];

    /// Accounts remembered.
    ACCOUNTS = Gauge "doublecheck_accounts" [];
    /// Memory that what is remembered takes.
    MEMORY = Gauge "doublecheck_memory_bytes" ["kind"];
    /// Memory that it may take.
    MEMORY_BUDGET = Gauge "doublecheck_memory_budget_bytes" [];
    /// How full the budget is, or its half for id slots if that is fuller; from 1 on the old is forgotten for the new.
    MEMORY_FULLNESS = Gauge "doublecheck_memory_fullness_ratio" [];
    /// Forgotten to keep to the memory budget.
    EVICTIONS = Counter "doublecheck_evictions_total" ["kind"];
    /// Accounts among them whose latest payment was still guarded against being made twice.
    GUARDS_EVICTED = Counter "doublecheck_guards_evicted_total" [];
    /// Payments forgotten early, because their account made more than are kept.
    PAYMENTS_DROPPED = Counter "doublecheck_payments_dropped_total" [];
    /// Payees forgotten by the account that paid them, because it paid more than are kept.
    PAYEES_FORGOTTEN = Counter "doublecheck_payees_forgotten_total" [];
    /// Devices forgotten by the account that used them, because it used more than are kept.
    DEVICES_FORGOTTEN = Counter "doublecheck_devices_forgotten_total" [];

    /// Whether the journal has failed, so that a restart may forget what is answered now.
    JOURNAL_DEGRADED = Gauge "doublecheck_journal_degraded" [];
    /// Records appended to the journal since it began, also before this process.
    JOURNAL_APPENDED = Counter "doublecheck_journal_appended_total" [];
    /// Records appended that are not kept yet as was promised.
    JOURNAL_LAG = Gauge "doublecheck_journal_kept_lag_records" [];
    /// Records that are not known to be on the disk yet.
    JOURNAL_UNSYNCED = Gauge "doublecheck_journal_unsynced_records" [];
    /// Records that wait to be written.
    JOURNAL_QUEUED = Gauge "doublecheck_journal_queued_bytes" [];
    /// Frames written to the journal: a frame holds the records that came together.
    JOURNAL_FRAMES = Counter "doublecheck_journal_frames_total" [];
    /// Written to the journal.
    JOURNAL_WRITTEN = Counter "doublecheck_journal_written_bytes_total" [];
    /// Syncs of the journal begun.
    JOURNAL_SYNCS = Counter "doublecheck_journal_syncs_total" [];
    /// Failures of the storage under the journal.
    JOURNAL_FAULTS = Counter "doublecheck_journal_faults_total" [];
    /// Records dropped while the journal had failed.
    JOURNAL_DROPPED = Counter "doublecheck_journal_dropped_records_total" [];
    /// Snapshots tried, by result.
    SNAPSHOTS = Counter "doublecheck_snapshots_total" ["result"];
    /// How long ago the latest one was taken; where this process has taken none, when its start began.
    SNAPSHOT_AGE = Gauge "doublecheck_snapshot_age_seconds" [];
    /// Events of the journal that the start of this process did again.
    RECOVERY_EVENTS = Gauge "doublecheck_recovery_events" [];
    /// Payments among them that this version would have answered otherwise; what was answered stands.
    RECOVERY_DISAGREEMENTS = Gauge "doublecheck_recovery_disagreements" [];
}
