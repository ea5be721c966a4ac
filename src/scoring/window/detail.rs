//! The part of a record that is rarely read, packed into bytes: its ids, and the answer it got.
//!
//! The fixed-size [entry](super::entry) is what every decision reads; this is for evidence, replayed answers,
//! and the final comparison of ids.

use std::sync::Arc;

use super::answer;
use crate::scoring::assessment::{Assessment, Confirmation, Decision};
use crate::scoring::confirmation::ConfirmationToken;
use crate::scoring::packing::{PackedId, Reader, put_id, put_signed};
use crate::scoring::payment::{PayeeType, PaymentKind};
use crate::scoring::submission::{Submission, Tagged};
use crate::scoring::time::Span;

/// About how many bytes of a detail are neither ids nor reasons.
const FIXED_BYTES: usize = 14;

const HAS_ORDER: u8 = 1;
const HAS_DEVICE: u8 = 1 << 1;
const HAS_SESSION: u8 = 1 << 2;
const HAS_DUPLICATE_WINDOW: u8 = 1 << 3;
const HAS_CONFIRMED_BY: u8 = 1 << 4;

/// About how many bytes a detail will take.
pub(super) fn expected_bytes(submission: &Submission<'_>, assessment: &Assessment) -> usize {
    let ids = [&submission.order_id, &submission.device_id];
    let bytes = |id: &Tagged<'_>| id.packed.packed_bytes();
    let needed = FIXED_BYTES
        .saturating_add(bytes(&submission.payment_id))
        .saturating_add(bytes(&submission.payee_id));
    let ids = ids.into_iter().flatten().map(bytes);
    ids.fold(needed, usize::saturating_add)
        .saturating_add(answer::expected_bytes(assessment))
}

/// Appends the detail of a payment and its answer. `policy_number` stands for the policy's version. What is
/// read most comes first.
pub(super) fn write(
    out: &mut Vec<u8>,
    submission: &Submission<'_>,
    assessment: &Assessment,
    policy_number: u16,
    confirmed_by: Option<ConfirmationToken>,
) {
    let payment = submission.payment;
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = flag(payment.order_id.is_some(), HAS_ORDER)
        | flag(payment.device_id.is_some(), HAS_DEVICE)
        | flag(payment.session_id.is_some(), HAS_SESSION)
        | flag(payment.duplicate_window.is_some(), HAS_DUPLICATE_WINDOW)
        | flag(confirmed_by.is_some(), HAS_CONFIRMED_BY);
    let names = payment.payee.payee_type as u8 | (payment.kind as u8) << 4;
    out.extend_from_slice(&[flags, names]);
    submission.payee_id.packed.put(out);
    if let Some(device_id) = &submission.device_id {
        device_id.packed.put(out);
    }
    submission.payment_id.packed.put(out);
    if let Some(order_id) = &submission.order_id {
        order_id.packed.put(out);
    }
    if let Some(session_id) = &payment.session_id {
        put_id(out, session_id.as_str());
    }
    if let Some(window) = payment.duplicate_window {
        put_signed(out, window.ms());
    }
    if let Some(token) = confirmed_by {
        out.extend_from_slice(token.as_bytes());
    }
    answer::write(out, assessment, policy_number);
}

/// The payee in a detail.
pub(super) fn payee(detail: &[u8]) -> Option<(PayeeType, PackedId<'_>)> {
    let ([_, names], ids) = detail.split_first_chunk()?;
    Some((payee_type(*names)?, Reader::new(ids).id()?))
}

/// What the payment of a detail was for.
pub(super) fn kind(detail: &[u8]) -> Option<PaymentKind> {
    let [_, names] = detail.first_chunk()?;
    PaymentKind::ALL.get(usize::from(names >> 4)).copied()
}

/// The device in a detail.
pub(super) fn device_id(detail: &[u8]) -> Option<PackedId<'_>> {
    let ([flags, _], ids) = detail.split_first_chunk()?;
    if flags & HAS_DEVICE == 0 {
        return None;
    }
    let mut ids = Reader::new(ids);
    ids.id()?;
    ids.id()
}

/// Whether the payer confirmed the payment of a detail.
pub(super) fn is_confirmed(detail: &[u8]) -> bool {
    detail
        .first()
        .is_some_and(|flags| flags & HAS_CONFIRMED_BY != 0)
}

fn payee_type(names: u8) -> Option<PayeeType> {
    PayeeType::ALL.get(usize::from(names & 0xf)).copied()
}

/// A detail, decoded.
pub(super) struct Detail<'a> {
    pub(super) payee: (PayeeType, PackedId<'a>),
    pub(super) kind: PaymentKind,
    pub(super) payment_id: PackedId<'a>,
    pub(super) order_id: Option<PackedId<'a>>,
    pub(super) device_id: Option<PackedId<'a>>,
    pub(super) session_id: Option<PackedId<'a>>,
    pub(super) duplicate_window: Option<Span>,
    pub(super) confirmed_by: Option<ConfirmationToken>,
    answer: Reader<'a>,
}

impl<'a> Detail<'a> {
    pub(super) fn read(detail: &'a [u8]) -> Option<Self> {
        let ([flags, names], ids) = detail.split_first_chunk()?;
        let has = |flag: u8| flags & flag != 0;
        let mut rest = Reader::new(ids);
        let payee = (payee_type(*names)?, rest.id()?);
        let mut id = |is_there: bool| match is_there {
            true => rest.id().map(Some),
            false => Some(None),
        };
        let device_id = id(has(HAS_DEVICE))?;
        let payment_id = id(true)??;
        let order_id = id(has(HAS_ORDER))?;
        let session_id = id(has(HAS_SESSION))?;
        let duplicate_window = if has(HAS_DUPLICATE_WINDOW) {
            Some(Span::from_ms(rest.signed()?))
        } else {
            None
        };
        let confirmed_by = if has(HAS_CONFIRMED_BY) {
            Some(rest.array().map(ConfirmationToken::from_bytes)?)
        } else {
            None
        };
        Some(Self {
            payee,
            kind: PaymentKind::ALL.get(usize::from(names >> 4)).copied()?,
            payment_id,
            order_id,
            device_id,
            session_id,
            duplicate_window,
            confirmed_by,
            answer: rest,
        })
    }

    /// Whether it is such as may have been written.
    pub(super) fn is_sound(&self) -> bool {
        let optional = [self.order_id, self.device_id, self.session_id];
        let (_, payee_id) = self.payee;
        payee_id.is_sound()
            && self.payment_id.is_sound()
            && optional.into_iter().flatten().all(PackedId::is_sound)
            && answer::is_whole(self.answer.clone())
    }

    /// The answer that was given. `version` gives a policy's version by its number.
    pub(super) fn assessment(
        &self,
        decision: Decision,
        version: impl FnOnce(u16) -> Arc<str>,
    ) -> Option<Assessment> {
        answer::read(self.answer.clone(), decision, version)
    }

    /// The confirmation that was asked for, if any.
    pub(super) fn question(&self) -> Option<Confirmation> {
        answer::read_question(self.answer.clone())
    }
}
