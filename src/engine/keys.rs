//! The keys of a payment (account, payee, device) and where the stores have their states.

use super::Engine;
use super::logged::Logged;
use crate::scoring::account::Account;
use crate::scoring::memory::{DeviceMemory, PayeeMemory};
use crate::scoring::payment::{AccountId, DeviceId, PayeeId, Payment};
use crate::store::{Sought, Store};

pub(super) type SoughtAccount<'a> = Sought<'a, AccountId, Logged<Account>>;
pub(super) type SoughtPayee<'a> = Sought<'a, PayeeId, Logged<PayeeMemory>>;
pub(super) type SoughtDevice<'a> = Sought<'a, DeviceId, Logged<DeviceMemory>>;

/// A payment and its keys, each hashed once.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    pub(super) payment: &'a Payment,
    pub(super) account: SoughtAccount<'a>,
    pub(super) payee: SoughtPayee<'a>,
    pub(super) device: Option<SoughtDevice<'a>>,
}

impl Engine {
    pub(super) fn seek<'a>(&'a self, payment: &'a Payment) -> Keys<'a> {
        let device_id = payment.device_id.as_ref();
        Keys {
            payment,
            account: self.accounts.seek(&payment.account_id),
            payee: self.payees.seek(&payment.payee.id),
            device: device_id.map(|device_id| self.devices.seek(device_id)),
        }
    }

    /// Finds the states of all keys and fetches them, so that the waits for memory overlap.
    pub(super) fn find_and_fetch<'a>(&'a self, payment: &'a Payment) -> Keys<'a> {
        let mut keys = self.seek(payment);
        self.find(&mut keys);
        keys.fetch_heap();
        keys
    }

    /// Finds the states and requests them from memory. For several payments together the waits overlap.
    pub(super) fn find<'a>(&'a self, keys: &mut Keys<'a>) {
        self.accounts.find(&mut keys.account);
        self.payees.find(&mut keys.payee);
        if let Some(device) = &mut keys.device {
            self.devices.find(device);
        }
    }
}

impl Keys<'_> {
    /// Requests what the found states have allocated.
    pub(super) fn fetch_heap(&self) {
        Store::fetch_heap(&self.account);
        Store::fetch_heap(&self.payee);
        if let Some(device) = &self.device {
            Store::fetch_heap(device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_on_one_cache_line_a_payee_on_four_and_an_account_on_six() {
        let slots = [
            Store::<DeviceId, Logged<DeviceMemory>>::SLOT_BYTES,
            Store::<PayeeId, Logged<PayeeMemory>>::SLOT_BYTES,
            Store::<AccountId, Logged<Account>>::SLOT_BYTES,
        ];
        assert_eq!(slots, [1, 4, 6].map(|lines| 64 * lines));
    }
}
