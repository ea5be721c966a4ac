//! Whether an account's past vouches for the device that a payment comes from, and for the payee.
//!
//! Who takes an account over often pays a little first, to see whether it works. Were the device known from then
//! on, and the payee with it, nothing would speak against the large sum that follows. So both are on trial for as
//! long as all that was paid with them lies within what is remembered, a day: until then they vouch for sums like
//! most of those that were paid, and the device for no payee that only it has paid.

use super::account::Account;
use super::profile::KnownPayee;
use super::submission::Submission;
use super::time::Timestamp;
use super::window::{RETENTION, RecordRef};

/// So many payments that went well end a trial early: who made them all within a day was asked about them, or is
/// the payer.
const PAYMENTS_MAX: u32 = 8;

/// A device that the account's past does not vouch for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrangeDevice {
    /// How many other devices the account knows.
    pub others: u32,
    /// How many payments to the same payee went well from it.
    paid_the_payee: u32,
}

impl StrangeDevice {
    /// The device of this payment, if it is a strange one: the account knows others, and has never paid from it,
    /// or only within a day and less than a `multiple`th of this sum. `None` too where no device is named.
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
        let is_from_it = |record: RecordRef<'_>| record.comes_from_the_device_of(submission);
        is_on_trial(submission, account, used, multiple, is_from_it).then(|| {
            let lately = account.window().newest_first();
            let paid = lately.filter(|record| {
                record.was_learnt() && is_from_it(*record) && record.pays_the_payee_of(submission)
            });
            Self {
                others,
                paid_the_payee: u32::try_from(paid.count()).unwrap_or(u32::MAX),
            }
        })
    }

    /// Whether no other device has paid this payee.
    pub(super) const fn is_alone_in_paying(self, known: &KnownPayee<'_>) -> bool {
        known.times_paid <= self.paid_the_payee
    }
}

/// Whether `known`, the payee of this payment, was paid only within a day and less than a `multiple`th of this sum.
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

/// Whether a remembered payment to the same payee was made, or may have been, and nothing bad is known of it, of
/// no less than a `multiple`th of this sum.
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

/// Whether all `used` payments that were learnt from and are of a kind are remembered, and more than half of them are
/// less than a `multiple`th of this one: who climbs to it step by step is not yet known there.
fn is_on_trial(
    submission: &Submission<'_>,
    account: &Account,
    used: u32,
    multiple: f64,
    is_of_kind: impl Fn(RecordRef<'_>) -> bool,
) -> bool {
    let lately = account.window().newest_first();
    let of_kind = lately.filter(|record| record.was_learnt() && is_of_kind(*record));
    let (mut found, mut small) = (0_u32, 0_u32);
    for record in of_kind.take(used as usize) {
        found = found.saturating_add(1);
        small = small.saturating_add(is_far_below(record, submission, multiple).into());
    }
    found == used && small > used / 2
}

/// Whether the sum of `record` vouches for none like this one: it is less than a `multiple`th of it, or in another
/// currency.
fn is_far_below(record: RecordRef<'_>, submission: &Submission<'_>, multiple: f64) -> bool {
    let (before, now) = (record.money(), submission.payment.money);
    #[expect(clippy::cast_precision_loss, reason = "amounts are below 2^50")]
    let is_below = before.amount_minor() as f64 * multiple < now.amount_minor() as f64;
    is_below || before.currency() != now.currency()
}
