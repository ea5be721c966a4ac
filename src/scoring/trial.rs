//! Devices and payees on trial: known only from small payments within the last day, they count as unknown.
//!
//! Who takes an account over often pays a little first, to see whether it works. Were the device known from then on,
//! and the payee with it, nothing would speak against the large sum that follows. So both are on trial until the first
//! payment with them is a day old: until then they count as known for sums like those paid before, and as new for one
//! that is more than `memory.trial_multiple` times as large. Nor is a payee known that only a strange device has paid.

use super::account::Account;
use super::profile::KnownPayee;
use super::submission::Submission;
use super::time::Timestamp;
use super::window::{RETENTION, RecordRef};

/// More payments than this that went well end a trial early: who made them all within a day was asked about them, or
/// is the payer.
const PAYMENTS_MAX: u32 = 8;

/// A device that the account has never paid from, or that is on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrangeDevice {
    /// How many other devices the account knows; one or more.
    pub others: u32,
    /// How many payments to the payee of this one went well from it.
    paid_the_payee: u32,
}

impl StrangeDevice {
    /// The device of this payment, if it is a strange one: the account knows others, and has never paid from it,
    /// or only within a day and sums that, times `multiple`, are less than this one. `None` too where no device is
    /// named.
    pub(super) fn of(
        submission: &Submission<'_>,
        account: &Account,
        multiple: f64,
    ) -> Option<Self> {
        submission.device_id.as_ref()?;
        let devices = account.profile().devices();
        let used = devices.payments_from_that_of(submission);
        if used > PAYMENTS_MAX {
            return None;
        }
        let others = devices.len().saturating_sub(u32::from(used > 0));
        if others == 0 {
            return None;
        }
        if used == 0 {
            return Some(Self {
                others,
                paid_the_payee: 0,
            });
        }
        let is_from_it = |record: RecordRef<'_>| record.is_from_the_device_of(submission);
        if !is_on_trial(submission, account, used, multiple, is_from_it) {
            return None;
        }
        let paid = account.window().newest_first().filter(|record| {
            record.was_learnt() && is_from_it(*record) && record.pays_the_payee_of(submission)
        });
        Some(Self {
            others,
            paid_the_payee: u32::try_from(paid.count()).unwrap_or(u32::MAX),
        })
    }

    /// Whether all payments to `known`, the payee of this payment, came from this device.
    pub(super) const fn is_alone_in_paying(self, known: &KnownPayee<'_>) -> bool {
        known.times_paid <= self.paid_the_payee
    }
}

/// Whether `known`, the payee of this payment, is on trial: paid only within a day, and sums that, times `multiple`,
/// are less than this one.
pub(super) fn is_payee_on_trial(
    submission: &Submission<'_>,
    account: &Account,
    known: &KnownPayee<'_>,
    multiple: f64,
    now: Timestamp,
) -> bool {
    known.times_paid <= PAYMENTS_MAX
        && known.last_paid.within(RETENTION, now)
        && is_on_trial(submission, account, known.times_paid, multiple, |record| {
            record.pays_the_payee_of(submission)
        })
}

/// Whether the account is paying the payee of this payment already: one that is remembered was let through, nothing
/// bad is known of it, and its sum is not far below this one.
pub(super) fn is_paying_the_payee(
    submission: &Submission<'_>,
    account: &Account,
    multiple: f64,
) -> bool {
    account.window().newest_first().any(|record| {
        record.pays_the_payee_of(submission)
            && record.standing().teaches_profile() != Some(false)
            && !is_far_below(record, submission, multiple)
    })
}

/// Whether a device or a payee is on trial that was `used` so often, in the payments for which `uses_it` holds: all of
/// them are still remembered, and the sum of each is far below this one. Looks no further than the newest that is not.
fn is_on_trial(
    submission: &Submission<'_>,
    account: &Account,
    used: u32,
    multiple: f64,
    uses_it: impl Fn(RecordRef<'_>) -> bool,
) -> bool {
    let mut small: u32 = 0;
    for record in account.window().newest_first() {
        if small >= used {
            break;
        }
        if record.was_learnt() && uses_it(record) {
            if !is_far_below(record, submission, multiple) {
                return false;
            }
            small = small.saturating_add(1);
        }
    }
    small >= used
}

/// Whether the sum of `record`, times `multiple`, is less than that of the payment, or is in another currency: then it
/// does not make the payment's sum known.
fn is_far_below(record: RecordRef<'_>, submission: &Submission<'_>, multiple: f64) -> bool {
    let (before, now) = (record.money(), submission.payment.money);
    #[expect(clippy::cast_precision_loss, reason = "amounts are below 2^50")]
    let is_below = before.amount_minor() as f64 * multiple < now.amount_minor() as f64;
    is_below || before.currency() != now.currency()
}
