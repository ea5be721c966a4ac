//! Whether an account's past vouches for the device that a payment comes from, and for the payee.
//!
//! Who takes an account over often pays a little first, to see whether it works. If the device were known from then
//! on, and the payee with it, nothing would speak against the large sum that follows. So both are on trial while all
//! that was paid with them is remembered in the window, which is a day. Until then they vouch for sums like most of
//! those that were paid, and a strange device vouches for no payee that only it has paid.

use super::account::Account;
use super::money::Currency;
use super::profile::KnownPayee;
use super::submission::Submission;
use super::time::Timestamp;
use super::window::{RETENTION, RecordRef};

/// A payment, and how large it may be on trial.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial<'a> {
    pub(super) submission: &'a Submission<'a>,
    pub(super) account: &'a Account,
    pub(super) now: Timestamp,
    /// How many times as large as most payments before it, from the device.
    pub(super) device_multiple: f64,
    /// The same, to the payee.
    pub(super) payee_multiple: f64,
}

/// A device that the account's past does not vouch for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrangeDevice {
    /// How many other devices the account knows.
    pub others: u32,
    /// How many payments to the same payee went well from it.
    paid_the_payee: u32,
}

/// A payee that was paid, but that the account's past does not vouch for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriedPayee {
    /// How often it was paid, or may have been.
    pub times_paid: u32,
    /// When last.
    pub last_paid: Timestamp,
    /// Whether a payment like this one is under way.
    pub(super) is_paid_alike: bool,
}

impl Trial<'_> {
    /// The device of this payment, if it is a strange one: the account knows others, and has never paid from it, or
    /// only within a day and mostly far less than this sum. `None` too where no device is named.
    pub(super) fn strange_device(self) -> Option<StrangeDevice> {
        self.submission.device_id.as_ref()?;
        let devices = self.account.profile().devices();
        let used = devices.payments_from_that_of(self.submission);
        let is_from_it = |record: RecordRef<'_>| record.is_from_the_device_of(self.submission);
        if used > 0 && !self.is_on_trial(used, self.device_multiple, is_from_it) {
            return None;
        }
        let others = devices.len().saturating_sub(u32::from(used > 0));
        let lately = self.account.window().newest_first();
        let paid_the_payee = lately.filter(|record| {
            record.was_learnt() && is_from_it(*record) && record.pays_the_payee_of(self.submission)
        });
        (others > 0).then(|| StrangeDevice {
            others,
            paid_the_payee: u32::try_from(paid_the_payee.count()).unwrap_or(u32::MAX),
        })
    }

    /// What was tried with the payee that the profile knows as `known`; `None` if the account's past vouches for it.
    pub(super) fn tried(
        self,
        known: &KnownPayee<'_>,
        device: Option<StrangeDevice>,
    ) -> Option<TriedPayee> {
        let is_alone = device.is_some_and(|device| known.times_paid <= device.paid_the_payee);
        let is_on_trial = || {
            known.last_paid.within(RETENTION, self.now)
                && self.is_far_above_usual(known)
                && self.is_on_trial(known.times_paid, self.payee_multiple, |record| {
                    record.pays_the_payee_of(self.submission)
                })
        };
        (is_alone || is_on_trial()).then_some(TriedPayee {
            times_paid: known.times_paid,
            last_paid: known.last_paid,
            is_paid_alike: false,
        })
    }

    /// What is under way to a payee that the profile does not know: payments that were made, or may have been,
    /// without bad news since. `None` if there is none.
    pub(super) fn under_way(self) -> Option<TriedPayee> {
        let lately = self.account.window().newest_first();
        let under_way = lately.filter(|record| {
            record.pays_the_payee_of(self.submission)
                && record.standing().teaches_profile() != Some(false)
        });
        let mut tried: Option<TriedPayee> = None;
        for record in under_way {
            let is_alike = !self.is_record_far_below(record, self.payee_multiple);
            let so_far = tried.get_or_insert_with(|| TriedPayee {
                times_paid: 0,
                last_paid: record.score_time(),
                is_paid_alike: false,
            });
            so_far.times_paid = so_far.times_paid.saturating_add(1);
            so_far.is_paid_alike |= is_alike;
        }
        tried
    }

    /// Whether this sum is far above most of those that the profile knows of the payee: a look at few numbers, which
    /// spares most payments the look at the window.
    fn is_far_above_usual(self, known: &KnownPayee<'_>) -> bool {
        let amounts = known.amounts_minor();
        let far_below =
            amounts.filter(|minor| self.is_far_below(*minor, known.currency, self.payee_multiple));
        far_below.count() > known.amounts() / 2
    }

    /// Whether all `used` payments of a kind that were learnt from are remembered, and more than half of them are
    /// far less than this one: who climbs step by step is not known at the last step.
    fn is_on_trial(
        self,
        used: u32,
        multiple: f64,
        is_of_kind: impl Fn(RecordRef<'_>) -> bool,
    ) -> bool {
        let window = self.account.window();
        if used as usize > window.len() {
            return false;
        }
        let (mut found, mut alike) = (0_u32, 0_u32);
        for record in window.newest_first() {
            if record.was_learnt() && is_of_kind(record) {
                found = found.saturating_add(1);
                alike = alike.saturating_add((!self.is_record_far_below(record, multiple)).into());
                if alike >= used.div_ceil(2) {
                    return false;
                }
            }
        }
        found >= used
    }

    /// Whether the sum of `record` vouches for none like this one.
    fn is_record_far_below(self, record: RecordRef<'_>, multiple: f64) -> bool {
        let money = record.money();
        self.is_far_below(money.amount_minor(), money.currency(), multiple)
    }

    /// Whether so much is less than a `multiple`th of this sum, or in another currency.
    #[expect(clippy::cast_precision_loss, reason = "amounts are below 2^50")]
    fn is_far_below(self, minor: i64, currency: Currency, multiple: f64) -> bool {
        let now = self.submission.payment.money;
        currency != now.currency() || minor as f64 * multiple < now.amount_minor() as f64
    }
}
