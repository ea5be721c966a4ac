//! The first draft: what everybody writes first. A map of queues of strings.

use std::collections::VecDeque;

use dashmap::DashMap;
use doublecheck::clock::{Clock as _, ManualClock};
use doublecheck::engine::{CHUNK_CALLS_MAX, Engine};
use doublecheck::scoring::assessment::Decision;
use doublecheck::scoring::payment::Payment;
use doublecheck::scoring::time::Span;

use crate::common::{self, Random, Stopwatch, Town, claim_memory, median_of};
use crate::{Answer, DUPLICATE_WITHIN_MS, LIMIT, WINDOWS_MS};

#[derive(Debug)]
struct Seen {
    payment_id: String,
    payee: String,
    amount_minor: i64,
    at_ms: i64,
}

/// What each account paid in the last 24 hours.
#[derive(Debug, Default)]
pub struct Draft(DashMap<String, VecDeque<Seen>>);

impl Draft {
    /// Refused or not, and count and sum of each window: what `score.lua` answers.
    pub fn score(&self, payment: &Payment, now_ms: i64) -> Answer {
        let mut seen = self.0.entry(payment.account_id.to_string()).or_default();
        while seen
            .front()
            .is_some_and(|first| now_ms - first.at_ms >= WINDOWS_MS[3])
        {
            seen.pop_front();
        }
        let (payee, amount_minor) = (payment.payee.id.to_string(), payment.money.amount_minor());
        let mut answer = [0; 9];
        for earlier in seen.iter() {
            let age_ms = now_ms - earlier.at_ms;
            if age_ms < DUPLICATE_WITHIN_MS
                && earlier.payee == payee
                && earlier.amount_minor == amount_minor
                && earlier.payment_id != payment.payment_id.to_string()
            {
                answer[0] = 1;
            }
            for (nth, window_ms) in WINDOWS_MS.into_iter().enumerate() {
                if age_ms < window_ms {
                    answer[1 + 2 * nth] += 1;
                    answer[2 + 2 * nth] += earlier.amount_minor;
                }
            }
        }
        if (0..4).any(|nth| answer[1 + 2 * nth] > LIMIT) {
            answer[0] = 1;
        }
        seen.push_back(Seen {
            payment_id: payment.payment_id.to_string(),
            payee,
            amount_minor,
            at_ms: now_ms,
        });
        answer
    }
}

/// By how much either grows in a round at most.
const GROWTH_BYTES: u64 = 256 << 20;

/// The draft and our engine by turns, in one process: nanoseconds on the core.
pub fn compare(accounts: u64, rounds: u64, payments: usize) {
    const EARLIER: u64 = 8;
    let town = Town::new(accounts);
    let (clock, engine) = common::engine_under(common::patient_policy());
    common::fill(&engine, &clock, &town, EARLIER);
    let draft = Draft::default();
    let now_ms = now_ms(&clock);
    let mut random = Random::new(accounts);
    for nth_of_account in 0..EARLIER {
        let at_ms = now_ms - 72_000_000 + i64::try_from(nth_of_account).unwrap() * 8_000_000;
        for nth in 0..accounts {
            draft.score(&town.payment(nth, &mut random), at_ms);
        }
    }
    let mut figures = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..rounds {
        clock.advance(Span::from_minutes(3));
        let [a, b, c] = [0, 1, 2].map(|way| calls(&town, 3 * round + way, payments));
        claim_memory(GROWTH_BYTES);
        figures[0].push(drafted(&draft, &clock, &a));
        claim_memory(GROWTH_BYTES);
        figures[1].push(one_by_one(&engine, &b));
        claim_memory(GROWTH_BYTES);
        figures[2].push(in_chunks(&engine, &c));
    }
    let of = |way: usize| {
        figures[0]
            .iter()
            .zip(&figures[way])
            .map(|(draft, our)| draft / our)
    };
    let mut ratios = [1, 2].map(|way| of(way).collect::<Vec<f64>>());
    println!(
        "In process, {accounts} accounts with {EARLIER} earlier payments each, ns a payment on the core"
    );
    println!(
        "(the draft does a duplicate check, counts and sums; our engine all signals but that of pace):"
    );
    let names = ["first draft", "ours, one by one", "ours, in chunks"];
    for (name, figures) in names.into_iter().zip(&mut figures) {
        let (median, least, most) = median_of(figures);
        println!("  {name:24} {median:>8.0} ({least:.0}–{most:.0})");
    }
    crate::print_ratio("first draft / one by one", &mut ratios[0], 3.0);
    crate::print_ratio("first draft / in chunks", &mut ratios[1], 10.0);
}

fn now_ms(clock: &ManualClock) -> i64 {
    clock.now().unix_ms()
}

fn calls(town: &Town, seed: u64, payments: usize) -> Vec<Payment> {
    let mut random = Random::new(0xd4af ^ seed << 16);
    (0..payments)
        .map(|_| town.payment(random.below(town.accounts), &mut random))
        .collect()
}

fn drafted(draft: &Draft, clock: &ManualClock, calls: &[Payment]) -> f64 {
    let now_ms = now_ms(clock);
    let watch = Stopwatch::start();
    let answers = calls.iter().map(|call| draft.score(call, now_ms));
    let refused = answers.filter(|answer| answer[0] != 0).count();
    let ns = watch.ns_each(calls.len());
    assert!(refused * 10 < calls.len(), "{refused} refused");
    ns
}

fn one_by_one(engine: &Engine, calls: &[Payment]) -> f64 {
    let watch = Stopwatch::start();
    let decisions = calls
        .iter()
        .map(|call| engine.score(call, None).unwrap().assessment.decision);
    let allowed = decisions
        .filter(|decision| *decision == Decision::Allow)
        .count();
    let ns = watch.ns_each(calls.len());
    assert!(allowed * 10 > calls.len() * 9, "{allowed} allowed");
    ns
}

fn in_chunks(engine: &Engine, calls: &[Payment]) -> f64 {
    let watch = Stopwatch::start();
    let mut allowed = 0;
    for calls in calls.chunks(CHUNK_CALLS_MAX) {
        let mut chunk = engine.chunk(calls);
        for call in calls {
            let scored = chunk.score(call, None).unwrap();
            allowed += usize::from(scored.assessment.decision == Decision::Allow);
        }
    }
    let ns = watch.ns_each(calls.len());
    assert!(allowed * 10 > calls.len() * 9, "{allowed} allowed");
    ns
}
