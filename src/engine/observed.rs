//! The engine's metrics.

use super::{Engine, MemoryUse};
use crate::clock::{Clock as _, SystemClock};
use crate::journal::{Condition, JournalCounts};
use crate::telemetry::Page;
use crate::telemetry::families::{
    ACCOUNTS, JOURNAL_APPENDED, JOURNAL_DEGRADED, JOURNAL_DROPPED, JOURNAL_FAULTS, JOURNAL_FRAMES,
    JOURNAL_LAG, JOURNAL_QUEUED, JOURNAL_SYNCS, JOURNAL_UNSYNCED, JOURNAL_WRITTEN, MEMORY,
    MEMORY_BUDGET, MEMORY_FULLNESS, POLICY, RECOVERY_DISAGREEMENTS, RECOVERY_EVENTS, TIME,
    TIME_AHEAD,
};

impl Engine {
    /// Puts its metrics on a page.
    pub fn put_on(&self, page: &mut Page) {
        let now = self.clock.now();
        page.one(&TIME, now.unix_ms() as f64 / 1e3);
        let machine = SystemClock::start().now();
        let ahead_ms = now.unix_ms().saturating_sub(machine.unix_ms());
        page.one(&TIME_AHEAD, ahead_ms as f64 / 1e3);
        let in_force = self.in_force.now();
        let mut policies = page.family(&POLICY);
        policies.put(&["primary", in_force.primary().version()], 1);
        if let Some(shadow) = in_force.shadow() {
            policies.put(&["shadow", shadow.version()], 1);
        }
        self.scores.put_on(page);
        self.shadow.counts().put_on(page);
        self.put_memory_on(page);
        self.bounds.counts().put_on(page);
        self.put_journal_on(page);
        self.snapshots.put_on(page);
        page.one(&RECOVERY_EVENTS, self.recovered.events);
        page.one(&RECOVERY_DISAGREEMENTS, self.recovered.disagreements);
    }

    fn put_memory_on(&self, page: &mut Page) {
        let MemoryUse {
            accounts_bytes,
            payees_bytes,
            devices_bytes,
        } = self.memory_use();
        page.one(&ACCOUNTS, self.accounts());
        let mut memory = page.family(&MEMORY);
        memory.put(&["accounts"], accounts_bytes);
        memory.put(&["payees"], payees_bytes);
        memory.put(&["devices"], devices_bytes);
        match self.memory_budget_bytes() {
            Some(bytes_max) => page.one(&MEMORY_BUDGET, bytes_max),
            None => page.one(&MEMORY_BUDGET, "+Inf"),
        }
        page.one(&MEMORY_FULLNESS, self.memory_fullness());
    }

    /// Without a journal nothing is promised, and nothing is broken: everything is 0.
    fn put_journal_on(&self, page: &mut Page) {
        let journal = self.journal.as_ref();
        let condition = journal.map_or(Condition::Sound, |journal| journal.condition());
        let is_degraded = matches!(condition, Condition::Degraded { .. });
        let counts = journal.map_or_else(JournalCounts::default, |journal| journal.counts());
        // The counters are read one after the other, while more is written.
        let behind = |to: u64| counts.appended_to.saturating_sub(to);
        page.one(&JOURNAL_DEGRADED, u8::from(is_degraded));
        page.one(&JOURNAL_APPENDED, counts.appended_to);
        page.one(&JOURNAL_LAG, behind(counts.kept_to));
        page.one(&JOURNAL_UNSYNCED, behind(counts.synced_to));
        page.one(&JOURNAL_QUEUED, counts.queued_bytes);
        page.one(&JOURNAL_FRAMES, counts.frames);
        page.one(&JOURNAL_WRITTEN, counts.bytes);
        page.one(&JOURNAL_SYNCS, counts.syncs);
        page.one(&JOURNAL_FAULTS, counts.faults);
        page.one(&JOURNAL_DROPPED, counts.dropped);
    }
}
