//! The keys that a payment is about, and where their states are.

use super::Engine;
use crate::scoring::payment::{AccountId, DeviceId, PayeeId, Payment};
use crate::store::Sought;

/// The account, the payee and the device of a payment, each hashed once.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    pub(super) account: Sought<'a, AccountId>,
    pub(super) payee: Sought<'a, PayeeId>,
    pub(super) device: Option<Sought<'a, DeviceId>>,
}

/// Where the states of these keys likely are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    account: Option<u32>,
    payee: Option<u32>,
    device: Option<u32>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(engine: &Engine, payment: &'a Payment) -> Self {
        let device_id = payment.device_id.as_ref();
        Self {
            account: engine.accounts.seek(&payment.account_id),
            payee: engine.payees.seek(&payment.payee.id),
            device: device_id.map(|device_id| engine.devices.seek(device_id)),
        }
    }
}

impl Engine {
    /// Where the states are. Several keys that are asked for together wait together.
    pub(super) fn places(&self, keys: &Keys<'_>) -> Places {
        Places {
            account: self.accounts.hint(&keys.account),
            payee: self.payees.hint(&keys.payee),
            device: keys
                .device
                .as_ref()
                .and_then(|device| self.devices.hint(device)),
        }
    }

    /// Fetches the states from memory, all at once.
    pub(super) fn fetch(&self, places: &Places) {
        self.accounts.fetch(places.account);
        self.payees.fetch(places.payee);
        self.devices.fetch(places.device);
    }
}
