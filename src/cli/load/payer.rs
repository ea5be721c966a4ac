//! Who pays: makes up payments from a seed, and makes the mistakes.

use super::accounts::Spread;
use super::mistakes::{Mistake, Mistakes, Pending};
use crate::grpc::pb;
use crate::random::{Random, mix};

/// What payments are made up from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Population {
    pub(super) spread: Spread,
    pub(super) payees_per_account: u64,
    pub(super) mistakes: Mistakes,
    /// Accounts before this one pay so often that a payment may be forgotten before its repeat comes:
    /// they make no mistakes.
    pub(super) first_mistaken: u64,
}

/// A payment that was sent, and what has to be known when its answer comes.
#[derive(Debug)]
pub(super) struct Asked {
    payment_id: PaymentId,
    /// What it repeats, if it is a mistake.
    pub(super) mistake: Option<Mistake>,
    /// How it will be repeated.
    repeat: Option<Box<(Mistake, pb::Payment)>>,
}

impl Asked {
    pub(super) fn is_about(&self, payment_id: &str) -> bool {
        self.payment_id == *payment_id.as_bytes()
    }
}

/// An id in the shape of a UUID.
type PaymentId = [u8; 36];

/// One stream of payments.
#[derive(Debug)]
pub(super) struct Payer {
    population: Population,
    random: Random,
    /// What all ids of this stream begin with, and of no other.
    id_high: u64,
    /// How many payments were made, and how many of them were no mistakes.
    sent: u64,
    originals: u64,
    pending: Pending,
}

impl Payer {
    /// The stream numbered `stream` of those that `seed` gives.
    pub(super) fn new(population: Population, seed: u64, stream: u64) -> Self {
        let mut random = Random::stream(seed, stream);
        Self {
            population,
            id_high: random.next(),
            random,
            sent: 0,
            originals: 0,
            pending: Pending::default(),
        }
    }

    pub(super) fn next(&mut self) -> (pb::ScorePaymentRequest, Asked) {
        let (payment, asked) = match self.pending.take(self.sent) {
            Some((mistake, payment)) => self.repeat(mistake, payment),
            None => self.original(),
        };
        self.sent += 1;
        let request = pb::ScorePaymentRequest {
            payment: Some(payment),
            confirmation_token: String::new(),
        };
        (request, asked)
    }

    /// Hears the answer. Only what was allowed is repeated: the rest was never paid.
    pub(super) fn hear(&mut self, asked: Asked, decision: pb::Decision) {
        if let (Some(repeat), pb::Decision::Allow) = (asked.repeat, decision) {
            let (mistake, payment) = *repeat;
            self.pending.add(mistake, payment, self.sent);
        }
    }

    fn original(&mut self) -> (pb::Payment, Asked) {
        let Population {
            spread,
            payees_per_account,
            mistakes,
            first_mistaken,
        } = self.population;
        let account = spread.draw(&mut self.random, self.originals);
        let payee = self.random.below(payees_per_account);
        let mistake = mistakes
            .draw(&mut self.random)
            .filter(|_| account >= first_mistaken);
        let order = matches!(mistake, Some(Mistake::Resubmit)).then_some(self.originals);
        let payment_id = self.new_id();
        self.originals += 1;
        let payment = payment(&payment_id, account, payee, self.random.unit(), order);
        let asked = Asked {
            payment_id,
            mistake: None,
            repeat: mistake.map(|mistake| Box::new((mistake, payment.clone()))),
        };
        (payment, asked)
    }

    fn repeat(&self, mistake: Mistake, mut payment: pb::Payment) -> (pb::Payment, Asked) {
        let payment_id = match (mistake, payment.payment_id.as_bytes().try_into()) {
            (Mistake::SameId, Ok(same)) => same,
            _ => {
                let new = self.new_id();
                payment.payment_id = text(&new);
                new
            }
        };
        let asked = Asked {
            payment_id,
            mistake: Some(mistake),
            repeat: None,
        };
        (payment, asked)
    }

    fn new_id(&self) -> PaymentId {
        // Scattering is one to one, so no id comes twice.
        payment_id(self.id_high, mix(self.sent))
    }
}

fn payment_id(high: u64, low: u64) -> PaymentId {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let mut digits = u128::from(high) << 64 | u128::from(low);
    let mut id = [b'-'; 36];
    for (at, place) in id.iter_mut().enumerate() {
        if !HYPHENS.contains(&at) {
            digits = digits.rotate_left(4);
            *place = b"0123456789abcdef"[(digits & 0xf) as usize];
        }
    }
    id
}

fn text(id: &PaymentId) -> String {
    String::from_utf8_lossy(id).into_owned()
}

/// A top-up of one of the payees that `account` usually pays, of about the sum that it usually pays:
/// from 0.7 to 1.3 times, as `swing` goes from 0 to 1.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a sum between the two ends of the swing"
)]
fn payment(
    payment_id: &PaymentId,
    account: u64,
    payee: u64,
    swing: f64,
    order: Option<u64>,
) -> pb::Payment {
    let usual_minor = 20_000 + mix(account) % 80_000;
    let phone = mix(account ^ mix(payee)) % 100_000_000;
    let amount_minor = usual_minor as f64 * (0.7 + 0.6 * swing);
    pb::Payment {
        payment_id: text(payment_id),
        account_id: format!("account-{account:010}"),
        payee: Some(pb::Payee {
            id: format!("138{phone:08}"),
            r#type: pb::PayeeType::Phone.into(),
        }),
        money: Some(pb::Money {
            amount_minor: amount_minor as i64,
            currency_code: "CNY".to_owned(),
        }),
        kind: pb::PaymentKind::TopUp.into(),
        order_id: order.map(|order| format!("order-{order:010}")),
        device_id: Some(format!("device-{account:010}")),
        session_id: None,
        duplicate_window: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn payer(mistakes: &str, seed: u64, stream: u64) -> Payer {
        let population = Population {
            spread: Spread::Uniform { accounts: 1_000 },
            payees_per_account: 4,
            mistakes: Mistakes::parse(mistakes).unwrap(),
            first_mistaken: 1,
        };
        Payer::new(population, seed, stream)
    }

    fn pay(
        payer: &mut Payer,
        payments: usize,
        decision: pb::Decision,
    ) -> Vec<(pb::Payment, Option<Mistake>)> {
        let mut sent = Vec::new();
        for _ in 0..payments {
            let (request, asked) = payer.next();
            let (payment, mistake) = (request.payment.unwrap(), asked.mistake);
            assert!(asked.is_about(&payment.payment_id));
            payer.hear(asked, decision);
            sent.push((payment, mistake));
        }
        sent
    }

    #[test]
    fn ids_look_like_uuids_and_none_comes_twice() {
        let mut ids = HashSet::new();
        for stream in 0..4 {
            let sent = pay(&mut payer("0", 1, stream), 5_000, pb::Decision::Allow);
            ids.extend(sent.into_iter().map(|(payment, _)| payment.payment_id));
        }
        assert_eq!(ids.len(), 20_000);
        assert_eq!(
            text(&payment_id(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)),
            "01234567-89ab-cdef-fedc-ba9876543210"
        );
    }

    #[test]
    fn the_same_seed_pays_the_same() {
        let paid = |seed| pay(&mut payer("0.1", seed, 0), 500, pb::Decision::Allow);
        assert_eq!(paid(1), paid(1));
        assert_ne!(paid(1), paid(2));
    }

    #[test]
    fn mistakes_repeat_what_was_allowed() {
        let sent = pay(&mut payer("0.2", 1, 0), 5_000, pb::Decision::Allow);
        let repeats = sent.iter().filter(|(_, mistake)| mistake.is_some()).count();
        assert!((750..1_100).contains(&repeats), "{repeats}");
        let content = |payment: &pb::Payment| {
            let mut content = payment.clone();
            content.payment_id.clear();
            content
        };
        for (at, (payment, mistake)) in sent.iter().enumerate() {
            let Some(mistake) = *mistake else {
                continue;
            };
            let (earlier, _) = sent[..at]
                .iter()
                .rev()
                .find(|(earlier, _)| content(earlier) == content(payment))
                .unwrap();
            let has_same_id = earlier.payment_id == payment.payment_id;
            assert_eq!(has_same_id, mistake == Mistake::SameId, "{payment:?}");
            assert_eq!(payment.order_id.is_some(), mistake == Mistake::Resubmit);
        }
        let blocked = pay(&mut payer("0.2", 1, 0), 2_000, pb::Decision::Block);
        assert!(blocked.iter().all(|(_, mistake)| mistake.is_none()));
    }
}
