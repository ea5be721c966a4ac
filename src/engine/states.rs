//! Every state that is remembered, one after the other.

use sha2::{Digest as _, Sha256};

use super::Engine;
use crate::journal::snapshot::{Key, State};

impl Engine {
    /// Runs `visit` on every state, as it is when its turn comes; where that says `false`, it ends. Nobody
    /// waits for it, but for the state that is just being copied.
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

    /// A hash of all that is remembered, brought up to the present moment: the same for engines that have
    /// the same state, in whatever order they came to it.
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
            // No key has a zero byte in it.
            hash.update([0]);
            hash.update(state.image);
            let [a, b, c, d, e, f, g, h, ..] = hash.finalize().0;
            sum = sum.wrapping_add(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
            true
        });
        sum
    }
}
