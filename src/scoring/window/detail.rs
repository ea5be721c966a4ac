//! What is rarely looked at of a remembered payment, packed into bytes: its ids, and the answer it got.
//!
//! What every decision looks at stands in the record's fixed part; this is what evidence, replays and
//! the last comparison of ids need.

use std::sync::Arc;

use super::answer;
use crate::scoring::assessment::{Assessment, Confirmation, Decision};
use crate::scoring::confirmation::ConfirmationToken;
use crate::scoring::packing::{PackedId, Reader, put_id, put_signed};
use crate::scoring::payment::{PayeeType, PaymentKind};
use crate::scoring::submission::Submission;
use crate::scoring::time::Span;

/// How many bytes a detail takes without optional ids and reasons, about.
pub(super) const USUAL_BYTES: usize = 32;

const HAS_ORDER: u8 = 1;
const HAS_DEVICE: u8 = 1 << 1;
const HAS_SESSION: u8 = 1 << 2;
const HAS_DUPLICATE_WINDOW: u8 = 1 << 3;
const HAS_CONFIRMED_BY: u8 = 1 << 4;

/// Appends the detail of a payment and its answer. `policy_number` stands for the policy's version.
pub(super) fn write(
    out: &mut Vec<u8>,
    submission: &Submission<'_>,
    assessment: &Assessment,
    policy_number: u16,
    confirmed_by: Option<ConfirmationToken>,
) {
    let payment = submission.payment;
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    out.push(
        flag(payment.order_id.is_some(), HAS_ORDER)
            | flag(payment.device_id.is_some(), HAS_DEVICE)
            | flag(payment.session_id.is_some(), HAS_SESSION)
            | flag(payment.duplicate_window.is_some(), HAS_DUPLICATE_WINDOW)
            | flag(confirmed_by.is_some(), HAS_CONFIRMED_BY),
    );
    submission.payment_id.id().put(out);
    out.push(payment.payee.payee_type as u8 | (payment.kind as u8) << 4);
    submission.payee_id.id().put(out);
    for id in [&submission.order_id, &submission.device_id]
        .into_iter()
        .flatten()
    {
        id.id().put(out);
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

/// A detail, read as far as the payee.
#[derive(Debug, Clone)]
pub(super) struct Detail<'a> {
    flags: u8,
    pub(super) payment_id: PackedId<'a>,
    pub(super) kind: PaymentKind,
    pub(super) payee_type: PayeeType,
    pub(super) payee_id: PackedId<'a>,
    rest: Reader<'a>,
}

/// What follows the payee in a detail.
pub(super) struct Remainder<'a> {
    pub(super) order_id: Option<PackedId<'a>>,
    pub(super) device_id: Option<PackedId<'a>>,
    pub(super) session_id: Option<PackedId<'a>>,
    pub(super) duplicate_window: Option<Span>,
    pub(super) confirmed_by: Option<ConfirmationToken>,
    answer: Reader<'a>,
}

impl<'a> Detail<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Reader::new(bytes);
        let flags = rest.byte()?;
        let payment_id = rest.id()?;
        let names = rest.byte()?;
        let payee_id = rest.id()?;
        Some(Self {
            flags,
            payment_id,
            kind: PaymentKind::ALL.get(usize::from(names >> 4)).copied()?,
            payee_type: PayeeType::ALL.get(usize::from(names & 0xf)).copied()?,
            payee_id,
            rest,
        })
    }

    /// All that follows the payee.
    pub(super) fn remainder(&self) -> Option<Remainder<'a>> {
        let mut rest = self.rest.clone();
        let has = |flag: u8| self.flags & flag != 0;
        let mut id = |flag: u8| if has(flag) { rest.id() } else { None };
        let order_id = id(HAS_ORDER);
        let device_id = id(HAS_DEVICE);
        let session_id = id(HAS_SESSION);
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
        Some(Remainder {
            order_id,
            device_id,
            session_id,
            duplicate_window,
            confirmed_by,
            answer: rest,
        })
    }
}

impl Remainder<'_> {
    /// The answer that was given. `version` tells the policy's version by its number.
    pub(super) fn assessment(
        &self,
        decision: Decision,
        version: impl FnOnce(u16) -> Arc<str>,
    ) -> Option<Assessment> {
        answer::read(self.answer.clone(), decision, version)
    }

    /// The question that was asked, if one was.
    pub(super) fn question(&self) -> Option<Confirmation> {
        answer::read_question(self.answer.clone())
    }
}
