//! Calls that arrive together are done together, so that their waits for memory overlap.

use std::ptr;

use super::keys::Keys;
use super::{Engine, OutcomeReport, Receipt, Remembered, UnknownPayment};
use crate::scoring::account::{Refusal, Scored};
use crate::scoring::payment::Payment;
use crate::scoring::time::Timestamp;

/// The most calls in a chunk. Enough for their waits for memory to overlap; few enough that the few kB fetched
/// for each account are still in the core's own cache when its turn comes, and that the first answer waits for
/// some dozen microseconds at most.
pub const CHUNK_CALLS_MAX: usize = 64;

/// Calls that are done one after the other, each as it would be alone, all at the time at which the chunk
/// began.
#[derive(Debug)]
pub struct Chunk<'a> {
    engine: &'a Engine,
    /// The keys of its payments, and which of them is the next to be scored.
    keys: Vec<Keys<'a>>,
    next: usize,
    now: Timestamp,
    receipt: Receipt,
}

impl Engine {
    /// Begins a chunk of at most [`CHUNK_CALLS_MAX`] calls, among them these payments, in this order. Their
    /// accounts are fetched from memory before the first is scored; one by one, each would wait for its own.
    pub fn chunk<'a>(&'a self, payments: impl IntoIterator<Item = &'a Payment>) -> Chunk<'a> {
        let payments = payments.into_iter().take(CHUNK_CALLS_MAX);
        let mut keys: Vec<_> = payments.map(|payment| self.seek(payment)).collect();
        // All are requested before the first is used.
        keys.iter_mut().for_each(|keys| self.find(keys));
        keys.iter().for_each(Keys::fetch_heap);
        Chunk {
            engine: self,
            keys,
            next: 0,
            now: self.clock.now(),
            receipt: Receipt::default(),
        }
    }
}

impl<'a> Chunk<'a> {
    /// Like [`Engine::score`]. A payment that is not the next of the chunk is looked up anew.
    ///
    /// # Errors
    /// As there.
    pub fn score(&mut self, payment: &'a Payment, token: Option<&str>) -> Result<Scored, Refusal> {
        let (scored, _) = self.score_with_receipt(payment, token)?;
        Ok(scored)
    }

    /// Like [`score`](Self::score), and returns what the answer has to wait for.
    ///
    /// # Errors
    /// As there.
    pub fn score_with_receipt(
        &mut self,
        payment: &'a Payment,
        token: Option<&str>,
    ) -> Result<(Scored, Receipt), Refusal> {
        let next = self.keys.get_mut(self.next);
        let its_turn = next.filter(|keys| ptr::eq(keys.payment, payment));
        self.next += usize::from(its_turn.is_some());
        let keys = match its_turn {
            Some(keys) => keys,
            None => &mut self.engine.seek(payment),
        };
        let (scored, receipt) = self.engine.score_at(keys, token, self.now)?;
        self.receipt = self.receipt.max(receipt);
        Ok((scored, receipt))
    }

    /// Like [`Engine::report_outcome`].
    ///
    /// # Errors
    /// As there.
    pub fn report_outcome(&mut self, report: &OutcomeReport) -> Result<Remembered, UnknownPayment> {
        let (remembered, receipt) = self.engine.report_outcome_at(report, self.now)?;
        self.receipt = self.receipt.max(receipt);
        Ok(remembered)
    }

    /// What the answers so far have to wait for.
    #[must_use]
    pub const fn receipt(&self) -> Receipt {
        self.receipt
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::clock::Clock;
    use crate::scoring::money::{Currency, Money};
    use crate::scoring::payment::{AccountId, Payee, PayeeId, PayeeType, PaymentId, PaymentKind};
    use crate::scoring::policy::Policy;
    use crate::token::TokenKey;

    /// A clock that moves on by a millisecond each time it is looked at.
    #[derive(Debug, Default)]
    struct Looked(AtomicI64);

    impl Clock for Looked {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_ms(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    fn payment(nth: usize) -> Payment {
        Payment {
            payment_id: PaymentId::new(format!("p{nth}")).unwrap(),
            account_id: AccountId::new(format!("payer-{}", nth % 7)).unwrap(),
            payee: Payee {
                id: PayeeId::new("13800138000").unwrap(),
                payee_type: PayeeType::Phone,
            },
            money: Money::new(5_000, Currency::from_code("CNY").unwrap()).unwrap(),
            kind: PaymentKind::TopUp,
            order_id: None,
            device_id: None,
            session_id: None,
            duplicate_window: None,
        }
    }

    #[test]
    fn the_calls_of_a_chunk_happen_at_one_moment() {
        let clock = Arc::new(Looked::default());
        let key = TokenKey::from_bytes(&[7; 32]);
        let engine = Engine::new(Policy::default(), Arc::clone(&clock) as _, key);
        let payments: Vec<_> = (0..2 * CHUNK_CALLS_MAX).map(payment).collect();
        for (moment_ms, payments) in (0..).zip(payments.chunks(CHUNK_CALLS_MAX)) {
            let mut chunk = engine.chunk(payments);
            for payment in payments {
                let scored = chunk.score(payment, None).unwrap();
                assert_eq!(scored.score_time, Timestamp::from_unix_ms(moment_ms));
            }
        }
    }

    #[test]
    fn a_call_out_of_turn_is_done_all_the_same() {
        let key = TokenKey::from_bytes(&[7; 32]);
        let clock = Arc::new(Looked::default());
        let engine = Engine::new(Policy::default(), clock, key);
        let payments: Vec<_> = (0..7).map(payment).collect();
        let mut chunk = engine.chunk(&payments);
        for payment in payments.iter().rev() {
            assert!(!chunk.score(payment, None).unwrap().replayed);
        }
        assert_eq!(engine.accounts(), payments.len());
        let mut chunk = engine.chunk(&payments);
        for payment in payments.iter().rev() {
            assert!(chunk.score(payment, None).unwrap().replayed);
        }
    }
}
