//! The run of payments that a burst is made of: which of the newest payments belong to it, and which of those are
//! errands.

use super::Settings;
use crate::scoring::context::Context;
use crate::scoring::payment::PaymentKind;
use crate::scoring::time::{Span, Timestamp};
use crate::scoring::window::{Recent, RecordRef};

/// How many of the newest payments are looked at: more than it takes to find any run. Older ones only add to the count
/// and the sum that are told.
const LOOK_BACK_MAX: usize = PaymentSet::BITS as usize;

/// What the payment that is asked about is to the run before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// One of the run.
    Member,
    /// A larger payment that comes after the run.
    Follower,
}

impl Role {
    /// How many payments it adds to the run.
    pub(super) const fn count(self) -> u32 {
        match self {
            Self::Member => 1,
            Self::Follower => 0,
        }
    }
}

/// A set of some of the newest payments: a bit for each, the lowest for the newest.
pub(super) type PaymentSet = u32;

/// The run of payments before the one that is asked about. A *stranger* is a payee that the account did not know.
pub(super) struct Run<'a, 'c> {
    context: &'a Context<'c>,
    newest: Recent<'a>,
    older: Recent<'a>,
    role: Role,
    small_minor_max: i64,
    /// Whether irrevocable payments to other strangers than this payee are members, whatever their sum.
    counts_strangers: bool,
    /// Whether payments to this payee are members, whatever their sum: the account met it in this run, and pays it
    /// irrevocably.
    counts_parts: bool,
    /// Whether the payment that is asked about is not small.
    is_large: bool,
    /// Which of the newest payments the run is made of.
    pub(super) members: PaymentSet,
}

impl<'a, 'c> Run<'a, 'c> {
    pub(super) fn before(
        settings: &Settings,
        context: &'a Context<'c>,
        role: Role,
        span: Span,
        small_minor_max: i64,
    ) -> Self {
        let recent = context.account.window().within(span, context.now);
        let newest = recent.newest(LOOK_BACK_MAX);
        let payment = context.payment;
        let is_to_this_payee = |record: RecordRef<'_>| record.pays_the_payee_of(context.submission);
        // Whoever said yes to one of many wages is not asked about each.
        let was_meant = |record: RecordRef<'_>| {
            record.was_confirmed()
                && (is_irrevocable_to_a_stranger(record) || is_to_this_payee(record))
        };
        let counts_strangers = role == Role::Member
            && context.knows_the_account()
            && context.account.profile().novelty() <= settings.strangers_novelty
            && !newest.iter().any(was_meant);
        let is_irrevocable = counts_strangers && payment.kind.is_irrevocable();
        let was_met_in_it = |record: RecordRef<'_>| {
            is_irrevocable_to_a_stranger(record) && is_to_this_payee(record)
        };
        let counts_parts = is_irrevocable && newest.iter().any(was_met_in_it);
        let counts_whatever_its_sum = is_irrevocable && (counts_parts || !context.knows_the_payee);
        let is_large = payment.money.amount_minor() > small_minor_max;
        // Any other large payment is only the member of a run of equal ones.
        let counts_equal_only = role == Role::Member && is_large && !counts_whatever_its_sum;
        let mut run = Self {
            context,
            newest,
            older: recent.but_newest(LOOK_BACK_MAX),
            role,
            small_minor_max: if counts_equal_only {
                0
            } else {
                small_minor_max
            },
            counts_strangers: counts_strangers && !counts_equal_only,
            counts_parts,
            is_large,
            members: 0,
        };
        for (nth, record) in newest.iter().enumerate() {
            run.members |= PaymentSet::from(run.has_member(record)) << nth;
        }
        run
    }

    /// Whether the payment is a member by its sum, its payee and its kind, wherever it stands.
    fn has_member(&self, record: RecordRef<'_>) -> bool {
        let money = record.money();
        money.currency() == self.context.payment.money.currency()
            && record.counts_in_velocity()
            && (money.amount_minor() <= self.small_minor_max
                || self.role == Role::Member && record.pays_the_same_as(self.context.submission)
                || self.is_to_another_stranger(record)
                || self.is_part_for_this_payee(record))
    }

    /// Whether it is a member whatever its sum, as it goes to this payee: who empties an account within its transfer
    /// limit does so in parts.
    fn is_part_for_this_payee(&self, record: RecordRef<'_>) -> bool {
        self.counts_parts && self.is_to_this_payee(record)
    }

    /// Whether it is a member whatever its sum, as it cannot be called back from another stranger. What that one gets
    /// later, once the account knows it, is a member if it is small.
    fn is_to_another_stranger(&self, record: RecordRef<'_>) -> bool {
        self.counts_strangers
            && is_irrevocable_to_a_stranger(record)
            && !self.is_to_this_payee(record)
    }

    fn is_to_this_payee(&self, record: RecordRef<'_>) -> bool {
        record.pays_the_payee_of(self.context.submission)
    }

    /// Whether this payment, or one of those that count, is not small.
    pub(super) fn has_large(&self, counted: PaymentSet) -> bool {
        let is_large = |record: RecordRef<'_>| record.money().amount_minor() > self.small_minor_max;
        self.role == Role::Member
            && (self.is_large || self.payments(counted).any(|(_, record)| is_large(record)))
    }

    /// The payments of a set, newest first, each with its bit.
    fn payments(
        &self,
        set: PaymentSet,
    ) -> impl Iterator<Item = (PaymentSet, RecordRef<'a>)> + use<'a> {
        let newest = self.newest;
        bits(set).filter_map(move |bit| {
            let nth = bit.trailing_zeros() as usize;
            Some((bit, newest.get(nth)?))
        })
    }

    /// How many payments the run has at most, this one included: if none of them is an errand.
    pub(super) fn count_max(&self) -> u32 {
        self.members.count_ones().saturating_add(self.role.count())
    }

    /// The members that count, all but the errands; `None` if the payment that is asked about is one itself. Where more
    /// strangers are paid than errands are run, a purchase less than `pause` after the payment before it is no errand:
    /// a script that tries shop after shop also comes to some that the payer knows.
    pub(super) fn counted(&self, pause: Span) -> Option<PaymentSet> {
        let context = self.context;
        let to_this_payee = self.to_this_payee();
        let errands = self.errands(to_this_payee);
        let is_errand = self.role == Role::Member && context.knows_the_payee && to_this_payee == 0;
        let errands_count = errands.count_ones().saturating_add(is_errand.into());
        if self.strangers() <= errands_count {
            return (!is_errand).then_some(self.members & !errands);
        }
        let is_hasty = |kind: Option<PaymentKind>, time, before| {
            kind == Some(PaymentKind::Purchase) && !is_after_a_pause(pause, time, before)
        };
        if is_errand && !is_hasty(Some(context.payment.kind), context.now, self.newest.get(0)) {
            return None;
        }
        let mut counted = self.members & !errands;
        for (bit, record) in self.payments(errands) {
            if is_hasty(record.kind(), record.score_time(), self.just_before(bit)) {
                counted |= bit;
            }
        }
        Some(counted)
    }

    /// How many of the run pay a payee that the account did not know.
    fn strangers(&self) -> u32 {
        let is_to_a_stranger = self.role == Role::Member && !self.context.knows_the_payee;
        let members = self.payments(self.members);
        let strangers = members.filter(|(_, record)| !record.payee_was_known());
        let count = u32::try_from(strangers.count()).unwrap_or(u32::MAX);
        count.saturating_add(is_to_a_stranger.into())
    }

    /// The payment before the one of this bit.
    fn just_before(&self, bit: PaymentSet) -> Option<RecordRef<'a>> {
        let nth_before = (bit.trailing_zeros() as usize).saturating_add(1);
        self.newest.get(nth_before)
    }

    /// The members to this payee. None if the payment only follows the run.
    fn to_this_payee(&self) -> PaymentSet {
        if self.role == Role::Follower {
            return 0;
        }
        let mut set = 0;
        for (bit, record) in self.payments(self.members) {
            if self.is_to_this_payee(record) {
                set |= bit;
            }
        }
        set
    }

    /// The members that are errands: to a payee that was known, and that no other payment of the run pays.
    fn errands(&self, to_this_payee: PaymentSet) -> PaymentSet {
        let mut no_errands = to_this_payee;
        for (bit, record) in self.payments(self.members) {
            if no_errands & bit != 0 {
                continue;
            }
            // A payee's id lies far from the rest of a record, so what is found of two payments is noted for both.
            let mut others = self.payments(self.members & !bit);
            if !record.payee_was_known() {
                no_errands |= bit;
            } else if let Some((other, _)) =
                others.find(|(_, other)| other.pays_the_same_payee_as(record))
            {
                no_errands |= bit | other;
            }
        }
        self.members & !no_errands
    }

    /// How many purchases from strangers come `pause` or longer after the payment before them, among those that count
    /// and this payment.
    pub(super) fn strolls(&self, pause: Span, counted: PaymentSet) -> u32 {
        let context = self.context;
        let is_purchase = |kind: PaymentKind| !kind.is_irrevocable();
        let is_stroll = self.role == Role::Member
            && !context.knows_the_payee
            && is_purchase(context.payment.kind)
            && is_after_a_pause(pause, context.now, self.newest.get(0));
        let strolls = self.payments(counted).filter(|(bit, record)| {
            is_after_a_pause(pause, record.score_time(), self.just_before(*bit))
                && is_to_a_stranger(*record, is_purchase)
        });
        let count = u32::try_from(strolls.count()).unwrap_or(u32::MAX);
        count.saturating_add(is_stroll.into())
    }

    /// How many payments the whole run has, this one included, and what they come to in minor units, paid or not:
    /// those that count, and older ones like them.
    pub(super) fn count_and_sum_minor(&self, counted: PaymentSet) -> (u32, i64) {
        let own_minor = match self.role {
            Role::Follower => 0,
            Role::Member => self.context.payment.money.amount_minor(),
        };
        let (mut count, mut sum_minor) = (self.role.count(), own_minor);
        let newest = self.payments(counted).map(|(_, record)| record);
        for record in newest.chain(self.counted_older(counted)) {
            count = count.saturating_add(1);
            sum_minor = sum_minor.saturating_add(record.money().amount_minor());
        }
        (count, sum_minor)
    }

    /// The older members that are no errands either: to strangers, to this payee, or to one that a payment that counts
    /// pays.
    fn counted_older(&self, counted: PaymentSet) -> impl Iterator<Item = RecordRef<'a>> {
        let is_counted = move |record: &RecordRef<'a>| {
            !record.payee_was_known()
                || self.role == Role::Member && self.is_to_this_payee(*record)
                || self
                    .payments(counted)
                    .any(|(_, newer)| newer.pays_the_same_payee_as(*record))
        };
        let members = self.older.iter().filter(|record| self.has_member(*record));
        members.filter(is_counted)
    }
}

/// Whether a payment at `time` comes `pause` or longer after the one before it.
fn is_after_a_pause(pause: Span, time: Timestamp, before: Option<RecordRef<'_>>) -> bool {
    before.is_none_or(|before| time.since(before.score_time()) >= pause)
}

/// Whether it went to a payee that the account did not know, and `kind_is` holds for its kind.
fn is_to_a_stranger(record: RecordRef<'_>, kind_is: impl FnOnce(PaymentKind) -> bool) -> bool {
    !record.payee_was_known() && record.kind().is_some_and(kind_is)
}

/// Whether it went to a payee that the account did not know, and cannot be called back.
fn is_irrevocable_to_a_stranger(record: RecordRef<'_>) -> bool {
    is_to_a_stranger(record, PaymentKind::is_irrevocable)
}

/// The bits of a set, each by itself, the lowest first.
fn bits(set: PaymentSet) -> impl Iterator<Item = PaymentSet> {
    let without_lowest = |set: &PaymentSet| Some(set & set.wrapping_sub(1));
    std::iter::successors(Some(set), without_lowest)
        .take_while(|set| *set != 0)
        .map(|set| set & set.wrapping_neg())
}
