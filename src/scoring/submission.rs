//! A submitted payment, with its ids packed once, as records have them.

use super::packing::{Packed, PackedId};
use super::payment::Payment;

/// A payment that is asked about, with its ids as records have them.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The payment.
    pub payment: &'a Payment,
    pub(super) payment_id: Tagged<'a>,
    pub(super) payee_id: Tagged<'a>,
    pub(super) order_id: Option<Tagged<'a>>,
    pub(super) device_id: Option<Tagged<'a>>,
}

impl<'a> Submission<'a> {
    /// Packs the ids of `payment`.
    #[must_use]
    pub fn of(payment: &'a Payment) -> Self {
        Self {
            payment,
            payment_id: Tagged::of(payment.payment_id.as_str()),
            payee_id: Tagged::of(payment.payee.id.as_str()),
            order_id: payment.order_id.as_ref().map(|id| Tagged::of(id.as_str())),
            device_id: payment.device_id.as_ref().map(|id| Tagged::of(id.as_str())),
        }
    }

    /// Whether the id of its order is that of its payee, and so names no order.
    pub(super) fn names_its_payee_as_order(&self) -> bool {
        let is_payee =
            |order: &Tagged<'_>| order.tag == self.payee_id.tag && order.id() == self.payee_id.id();
        self.order_id.as_ref().is_some_and(is_payee)
    }
}

/// A packed id and its tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tagged<'a> {
    pub(super) packed: Packed<'a>,
    /// Sixteen bits of the id's hash, never zero: enough to rule out almost every other id.
    pub(super) tag: u16,
}

impl<'a> Tagged<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let packed = Packed::of(text);
        Self {
            tag: packed.tag(),
            packed,
        }
    }

    pub(super) fn id(&self) -> PackedId<'_> {
        self.packed.id()
    }
}

/// The tag of an optional id; 0 where there is none.
pub(super) fn tag_or_zero(id: Option<&Tagged<'_>>) -> u16 {
    id.map_or(0, |id| id.tag)
}
