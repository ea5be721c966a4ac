//! The levels of an account's amounts, by currency.
//!
//! Most accounts pay in one currency, and its level is a field of the profile. The levels of other currencies
//! are in the list.

use std::mem;

use super::CURRENCIES_KEPT;
use super::level::{LEVEL_BYTES, Level};
use super::listed::{HEAD, Kind, Listed};
use crate::scoring::money::{Currency, Money};

/// How many are in the list: with the one in the profile, as many as there are currencies with amounts.
const LISTED_MAX: u32 = 3;

const _: () = assert!(LISTED_MAX as usize + 1 == CURRENCIES_KEPT);

/// The level in `currency` from the list, and its position.
pub(super) fn find(listed: &Listed, currency: Currency) -> Option<(usize, Level)> {
    let tag = currency.number().into();
    listed.find(Kind::Level, tag, |entry| read(entry, currency))
}

/// Learns from `money` paid to a payee whose price level is `payee_doublings`; `own` is the level in the
/// profile. Returns what the payee may learn from it.
pub(super) fn learn(
    own: &mut Level,
    listed: &mut Listed,
    money: Money,
    payee_doublings: f64,
) -> Option<f64> {
    if own.sums() == 0 || own.currency() == Some(money.currency()) {
        return own.learn(money, payee_doublings);
    }
    let found = find(listed, money.currency());
    let mut level = found.map_or_else(|| own.of_no_sums(), |(_, level)| level);
    let above = level.learn(money, payee_doublings);
    match found {
        Some((at, _)) if level.sums() <= own.sums() => listed.put(at, HEAD, level.to_bytes()),
        Some((at, _)) => {
            // The best-known level goes into the profile.
            listed.remove(at);
            mem::swap(own, &mut level);
            push(listed, level);
        }
        None => push(listed, level),
    }
    above
}

fn push(listed: &mut Listed, level: Level) {
    let Some(currency) = level.currency() else {
        return;
    };
    // Paying once in many currencies must not displace those that the account lives with.
    let worth = |entry: &[u8]| entry.get(HEAD).copied();
    listed.forget_least(Kind::Level, LISTED_MAX, worth);
    let tag = currency.number().into();
    listed.push(Kind::Level, tag, LEVEL_BYTES, |out| {
        out.extend_from_slice(&level.to_bytes());
    });
}

fn read(entry: &[u8], currency: Currency) -> Option<Level> {
    let bytes = entry.get(HEAD..)?.try_into().ok()?;
    Level::from_bytes(currency, bytes)
}

/// Checks that an entry may have been written under this tag.
pub(super) fn check(entry: &[u8], tag: u16) -> Option<()> {
    let currency = Currency::from_number(u8::try_from(tag).ok()?)?;
    read(entry, currency).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::super::LogAmount;
    use super::*;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money::new(amount_minor, Currency::from_code(code).unwrap()).unwrap()
    }

    fn level(own: &Level, listed: &Listed, money: Money) -> Option<Level> {
        let is_own = own.currency() == Some(money.currency());
        let found = find(listed, money.currency()).map(|(_, level)| level);
        if is_own { Some(*own) } else { found }
    }

    #[test]
    fn each_currency_has_a_level_of_its_own() {
        let (mut own, mut listed) = (Level::default(), Listed::default());
        let paid = [money(1_000, "EUR"), money(150_000, "JPY"), money(9, "KWD")];
        for nth in 0..90 {
            learn(&mut own, &mut listed, paid[nth % 3], 0.0);
        }
        for money in paid {
            let level = level(&own, &listed, money).unwrap();
            assert_eq!(level.sums_in(money.currency()), 30);
            let middle = LogAmount::of(money.amount_minor()).doublings();
            assert!((level.middle_doublings() - middle).abs() < 0.01);
        }
    }

    #[test]
    fn the_level_known_best_is_at_hand_and_the_one_known_least_goes() {
        let (mut own, mut listed) = (Level::default(), Listed::default());
        let mut pay = |code, times| {
            for _ in 0..times {
                learn(&mut own, &mut listed, money(1_000, code), 0.0);
            }
        };
        pay("USD", 1);
        pay("EUR", 30);
        pay("GBP", 20);
        for code in ["JPY", "KWD", "INR", "CHF"] {
            pay(code, 1);
        }
        assert_eq!(own.currency(), Currency::from_code("EUR").ok());
        let left = |code| level(&own, &listed, money(1, code)).map(|level| level.sums());
        assert_eq!(left("EUR"), Some(30));
        assert_eq!(left("GBP"), Some(20));
        assert_eq!(left("CHF"), Some(1));
        assert_eq!(left("USD"), None);
    }
}
