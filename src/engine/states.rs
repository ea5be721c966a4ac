//! Every state that is remembered, one after the other.

use sha2::{Digest as _, Sha256};

use super::Engine;

/// What a state is the state of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// An account.
    Account,
    /// A payee, for all accounts.
    Payee,
    /// A device, for all accounts.
    Device,
}

/// One state.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<'a> {
    pub(super) kind: StateKind,
    pub(super) key: &'a str,
    /// The sequence number of the last event of the journal that is in it.
    pub(super) applied: u64,
    pub(super) image: &'a [u8],
}

impl Engine {
    /// Runs `visit` on every state, as it is when its turn comes, in runs that take a fraction of a
    /// millisecond each, with a `rest` after each of them; where that says `false`, it ends.
    pub(super) fn visit_states(
        &self,
        mut visit: impl FnMut(State<'_>),
        mut rest: impl FnMut() -> bool,
    ) {
        let mut image = Vec::new();
        macro_rules! visit_store {
            ($store:ident, $kind:ident) => {
                self.$store.sweep_in_runs(
                    |key, held| {
                        image.clear();
                        held.state.put_image(&mut image);
                        visit(State {
                            kind: StateKind::$kind,
                            key: key.as_str(),
                            applied: held.applied,
                            image: &image,
                        });
                        true
                    },
                    &mut rest,
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
        self.sweep();
        let mut sum = 0_u64;
        let add = |state: State<'_>| {
            let mut hash = Sha256::new();
            hash.update([state.kind as u8]);
            hash.update(state.key);
            // No key has a zero byte in it.
            hash.update([0]);
            hash.update(state.image);
            let [a, b, c, d, e, f, g, h, ..] = hash.finalize().0;
            sum = sum.wrapping_add(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
        };
        self.visit_states(add, || true);
        sum
    }
}
