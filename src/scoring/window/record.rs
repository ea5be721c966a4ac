//! A remembered payment: read in place, or taken out as a whole.

use std::ptr;
use std::sync::Arc;

use super::Window;
use super::detail::{self, Detail};
use super::entry::{Entry, Packed};
use crate::scoring::assessment::{Assessment, Decision};
use crate::scoring::confirmation::ConfirmationToken;
use crate::scoring::money::Money;
use crate::scoring::outcome::{Outcome, Standing};
use crate::scoring::packing::PackedId;
use crate::scoring::payment::{
    AccountId, DeviceId, ID_BYTES_MAX, OrderId, Payee, PayeeId, PayeeType, Payment, PaymentId,
    PaymentKind, SessionId,
};
use crate::scoring::submission::{Submission, Tagged};
use crate::scoring::time::{Span, Timestamp};

/// A payment as it is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What was asked.
    pub payment: Payment,
    /// What was answered.
    pub assessment: Assessment,
    /// When.
    pub score_time: Timestamp,
    /// What became of it, if reported.
    pub outcome: Option<Outcome>,
    /// When that was reported.
    pub outcome_time: Option<Timestamp>,
    /// The token with which the payer confirmed it, if so.
    pub confirmed_by: Option<ConfirmationToken>,
    /// The earlier payment that the payer was asked about, and confirmed by making this one.
    pub confirms: Option<PaymentId>,
    /// The later payment by which the payer confirmed this one.
    pub confirmed_as: Option<PaymentId>,
}

/// A payment that was just decided, to be remembered.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// What was asked.
    pub submission: &'a Submission<'a>,
    /// What is answered.
    pub assessment: &'a Assessment,
    /// Stands for the policy's version.
    pub policy_number: u16,
    /// When.
    pub score_time: Timestamp,
    /// The token with which the payer confirmed it, if so.
    pub confirmed_by: Option<ConfirmationToken>,
    /// Whether the account knew the payee.
    pub payee_was_known: bool,
}

/// A remembered payment, read in place.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    pub(super) packed: &'a Packed,
    /// The window that it is in.
    pub(super) window: &'a Window,
}

impl<'a> RecordRef<'a> {
    /// Mostly a single field is used, and the compiler unpacks no more than that.
    #[inline]
    fn entry(self) -> Entry {
        Entry::unpack(self.packed)
    }

    /// When it was scored.
    #[must_use]
    #[inline]
    pub fn score_time(self) -> Timestamp {
        Entry::score_time_of(self.packed)
    }

    /// Where it stands.
    #[must_use]
    #[inline]
    pub fn standing(self) -> Standing {
        Entry::standing_of(self.packed)
    }

    /// What became of it, if reported.
    #[must_use]
    pub fn outcome(self) -> Option<Outcome> {
        self.standing().outcome
    }

    /// Whether it succeeded after its outcome was unknown.
    #[must_use]
    pub fn was_paid_after_doubt(self) -> bool {
        self.entry().paid_after_doubt
    }

    /// How long after the score its outcome was reported; `Some(None)` if that is still awaited, as where nobody knows.
    /// `None` where there is no outcome to wait for: the payment was not made.
    pub(in crate::scoring) fn reported_after(self) -> Option<Option<Span>> {
        let entry = self.entry();
        match entry.outcome {
            None | Some(Outcome::Unknown) => entry.standing().may_be_paid().then_some(None),
            Some(_) => Some(Some(Span::from_ms(entry.outcome_after_ms.into()))),
        }
    }

    /// How much it was.
    #[must_use]
    #[inline]
    pub fn money(self) -> Money {
        Entry::money_of(self.packed)
    }

    /// Whether the account knew the payee when it paid.
    #[must_use]
    #[inline]
    pub fn payee_was_known(self) -> bool {
        self.entry().payee_was_known
    }

    /// Whether it was held against an earlier payment.
    #[must_use]
    pub fn was_held_against_another(self) -> bool {
        self.entry().held_against_another
    }

    /// Whether the profile has learnt from it.
    #[must_use]
    pub fn was_learnt(self) -> bool {
        self.entry().learnt
    }

    /// Whether it counts as an attempt.
    #[must_use]
    pub fn counts_in_velocity(self) -> bool {
        self.entry().counts_in_velocity()
    }

    /// Whether the payer was asked to confirm it, and neither did nor refused, as far as is known.
    #[must_use]
    pub fn is_question_open(self) -> bool {
        let Standing { decision, outcome } = self.standing();
        matches!(decision, Decision::Confirm)
            && matches!(outcome, None | Some(Outcome::Unknown))
            && !self.entry().token_spent
    }

    /// Whether the payer was asked to confirm it, and nothing was heard since: neither an answer nor an outcome.
    #[must_use]
    pub fn was_left_unanswered(self) -> bool {
        self.is_question_open() && self.outcome().is_none()
    }

    /// Whether the time to confirm is over, if the payer was asked to.
    pub(super) fn is_question_expired(self, now: Timestamp) -> bool {
        let asked = self.detail().and_then(|detail| detail.question());
        asked.is_some_and(|asked| asked.expire_time <= now)
    }

    /// Whether the payer confirmed it with this token.
    #[must_use]
    pub fn was_confirmed_by(self, token: ConfirmationToken) -> bool {
        self.was_confirmed()
            && self
                .detail()
                .is_some_and(|detail| detail.confirmed_by == Some(token))
    }

    /// Whether the payer confirmed it.
    #[must_use]
    pub fn was_confirmed(self) -> bool {
        detail::is_confirmed(self.detail_bytes())
    }

    /// Its id.
    #[must_use]
    pub fn payment_id(self) -> Option<PaymentId> {
        let room = &mut [0; ID_BYTES_MAX];
        PaymentId::new(self.detail()?.payment_id.text(room)).ok()
    }

    /// Whether this is its id.
    pub(super) fn has_id(self, payment_id: &Tagged<'_>) -> bool {
        Entry::tags_of(self.packed).payment_id == payment_id.tag
            && self
                .detail()
                .is_some_and(|detail| detail.payment_id == payment_id.id())
    }

    /// Whether it pays the same amount to the same payee.
    #[must_use]
    #[inline]
    pub fn pays_the_same_as(self, submission: &Submission<'_>) -> bool {
        self.money() == submission.payment.money && self.pays_the_payee_of(submission)
    }

    /// Whether it pays the same payee.
    #[must_use]
    #[inline]
    pub fn pays_the_payee_of(self, submission: &Submission<'_>) -> bool {
        self.payee_tag() == submission.payee_id.tag && self.has_payee_of(submission)
    }

    /// The same, when the tags are equal already. Out of line, as most tags differ.
    #[inline(never)]
    fn has_payee_of(self, submission: &Submission<'_>) -> bool {
        let payee_type = submission.payment.payee.payee_type;
        self.packed_payee() == Some((payee_type, submission.payee_id.id()))
    }

    /// Whether both pay the same payee.
    #[must_use]
    pub fn pays_the_same_payee_as(self, other: RecordRef<'_>) -> bool {
        self.payee_tag() == other.payee_tag() && self.packed_payee() == other.packed_payee()
    }

    /// Whether it pays this order.
    pub(super) fn pays_order(self, order_id: &Tagged<'_>) -> bool {
        Entry::tags_of(self.packed).order_id == order_id.tag
            && self.order_id() == Some(order_id.id())
    }

    /// What it was for.
    #[must_use]
    pub fn kind(self) -> Option<PaymentKind> {
        detail::kind(self.detail_bytes())
    }

    /// Whether it pays an order.
    #[must_use]
    pub fn names_an_order(self) -> bool {
        self.entry().tags.order_id != 0
    }

    /// Whether both pay an order, and not the same.
    #[must_use]
    pub fn pays_another_order_than(self, submission: &Submission<'_>) -> bool {
        let Some(order_id) = &submission.order_id else {
            return false;
        };
        self.order_id().is_some_and(|id| id != order_id.id())
    }

    fn has_device(self) -> bool {
        self.entry().device_tag != 0
    }

    /// Whether it came from another device, if both devices are known. They are told apart without a look at
    /// their ids: of 65,535 others one is taken for the same.
    #[must_use]
    pub fn is_from_another_device_than(self, submission: &Submission<'_>) -> bool {
        let device_id = submission.device_id.as_ref();
        self.has_device() && device_id.is_some_and(|id| id.tag != self.entry().device_tag)
    }

    /// Whether it came from the device of this payment; `false` if that names none.
    #[must_use]
    pub fn is_from_the_device_of(self, submission: &Submission<'_>) -> bool {
        let Some(device_id) = &submission.device_id else {
            return false;
        };
        self.entry().device_tag == device_id.tag && self.device_id() == Some(device_id.id())
    }

    /// Whether both came from the same device, which are told apart in the same way.
    #[must_use]
    pub fn is_from_the_same_device_as(self, other: RecordRef<'_>) -> bool {
        self.has_device() && self.entry().device_tag == other.entry().device_tag
    }

    /// The token with which the payer confirmed it, if so, and the one that it handed out itself.
    pub(super) fn tokens(self) -> [Option<ConfirmationToken>; 2] {
        let Some(detail) = self.detail() else {
            return [None; 2];
        };
        let asked = detail.question();
        [detail.confirmed_by, asked.map(|asked| asked.token)]
    }

    /// Who was paid.
    #[must_use]
    pub fn payee(self) -> Option<Payee> {
        let (payee_type, id) = self.packed_payee()?;
        let id = PayeeId::new(id.text(&mut [0; ID_BYTES_MAX])).ok()?;
        Some(Payee { id, payee_type })
    }

    /// What was asked.
    #[must_use]
    pub fn payment(self, account_id: &AccountId) -> Option<Payment> {
        let detail = self.detail()?;
        let room = &mut [0; ID_BYTES_MAX];
        let mut text = |id: PackedId<'_>| Box::<str>::from(id.text(room));
        let mut optional = |id: Option<PackedId<'_>>| id.map(&mut text);
        Some(Payment {
            order_id: optional(detail.order_id).and_then(|id| OrderId::new(id).ok()),
            device_id: optional(detail.device_id).and_then(|id| DeviceId::new(id).ok()),
            session_id: optional(detail.session_id).and_then(|id| SessionId::new(id).ok()),
            payment_id: PaymentId::new(text(detail.payment_id)).ok()?,
            account_id: account_id.clone(),
            payee: self.payee()?,
            money: self.money(),
            kind: detail.kind,
            duplicate_window: detail.duplicate_window,
        })
    }

    /// What was answered. `version` gives a policy's version by its number.
    pub(in crate::scoring) fn assessment(
        self,
        version: impl FnOnce(u16) -> Arc<str>,
    ) -> Option<Assessment> {
        self.detail()?.assessment(self.standing().decision, version)
    }

    /// The whole record, for evidence. `version` as there.
    #[must_use]
    pub fn record(
        self,
        account_id: &AccountId,
        version: impl FnOnce(u16) -> Arc<str>,
    ) -> Option<Record> {
        let (entry, detail) = (self.entry(), self.detail()?);
        let after = Span::from_ms(entry.outcome_after_ms.into());
        Some(Record {
            payment: self.payment(account_id)?,
            assessment: self.assessment(version)?,
            score_time: entry.score_time,
            outcome: entry.outcome,
            outcome_time: entry.outcome.map(|_| entry.score_time.plus(after)),
            confirmed_by: detail.confirmed_by,
            confirms: detail.confirmed_by.and_then(|token| self.other_with(token)),
            confirmed_as: match detail.question() {
                Some(asked) if entry.token_spent => self.other_with(asked.token),
                Some(_) | None => None,
            },
        })
    }

    /// The other payment that this token belongs to, if it is remembered: of a question and the payment that answers
    /// it, the one that this is not.
    fn other_with(self, token: ConfirmationToken) -> Option<PaymentId> {
        let is_other = |record: &RecordRef<'_>| {
            !ptr::eq(record.packed, self.packed) && record.tokens().contains(&Some(token))
        };
        self.window.newest_first().find(is_other)?.payment_id()
    }

    /// The tag of the payee's id.
    pub(in crate::scoring) fn payee_tag(self) -> u16 {
        Entry::payee_tag_of(self.packed)
    }

    /// The payee, packed.
    pub(in crate::scoring) fn packed_payee(self) -> Option<(PayeeType, PackedId<'a>)> {
        detail::payee(self.detail_bytes())
    }

    /// The device, packed, and the tag of its id, if it is known.
    pub(in crate::scoring) fn packed_device(self) -> Option<(u16, PackedId<'a>)> {
        Some((self.entry().device_tag, self.device_id()?))
    }

    fn order_id(self) -> Option<PackedId<'a>> {
        self.detail()?.order_id
    }

    fn device_id(self) -> Option<PackedId<'a>> {
        detail::device_id(self.detail_bytes())
    }

    pub(super) fn detail(self) -> Option<Detail<'a>> {
        Detail::read(self.detail_bytes())
    }

    /// Looked up only when needed: most records are passed over.
    fn detail_bytes(self) -> &'a [u8] {
        self.window.records.detail_at(Entry::detail_of(self.packed))
    }
}
