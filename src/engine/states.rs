//! Visits every state that is remembered.

use sha2::{Digest as _, Sha256};

use super::Engine;
use crate::journal::snapshot::{Key, State};

impl Engine {
    /// Calls `visit` with a copy of every state, until it returns `false`. Nobody has to wait but for the state
    /// that is being copied.
    pub(super) fn visit_states(&self, mut visit: impl FnMut(&State<'_>) -> bool) {
        let mut goes_on = true;
        macro_rules! visit_store {
            ($store:ident, $kind:ident) => {
                let copy = std::cell::RefCell::new((String::new(), 0, Vec::new()));
                self.$store.visit(
                    |id, held| {
                        let (key, applied, image) = &mut *copy.borrow_mut();
                        key.clear();
                        key.push_str(id.as_str());
                        *applied = held.applied;
                        image.clear();
                        held.state.put_image(image);
                    },
                    || {
                        let (key, applied, image) = &*copy.borrow();
                        goes_on = goes_on
                            && visit(&State {
                                key: Key::$kind(key),
                                applied: *applied,
                                image,
                            });
                        goes_on
                    },
                );
            };
        }
        visit_store!(accounts, Account);
        visit_store!(payees, Payee);
        visit_store!(devices, Device);
    }

    /// A hash of everything that is remembered, brought up to the present: the same for engines with the same
    /// state, however they came to it.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.forget_old(self.clock.now(), || true);
        let mut sum = 0_u64;
        self.visit_states(|state| {
            let (kind, key) = match state.key {
                Key::Account(key) => (1, key),
                Key::Payee(key) => (2, key),
                Key::Device(key) => (3, key),
            };
            let mut hash = Sha256::new();
            hash.update([kind]);
            hash.update(key);
            // No key contains a zero byte.
            hash.update([0]);
            hash.update(state.image);
            let [a, b, c, d, e, f, g, h, ..] = hash.finalize().0;
            sum = sum.wrapping_add(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
            true
        });
        sum
    }
}
