//! An account's level in each currency that it pays in.
//!
//! Most accounts pay in one currency: its level is a field of the profile. The levels in other currencies are
//! entries of the profile's list.

use std::mem;

use super::{LEVEL_BYTES, Level};
use crate::scoring::money::{Currency, Money};
use crate::scoring::profile::CURRENCIES_KEPT;
use crate::scoring::profile::entry_list::{EntryList, HEAD, Kind};

/// How many levels are kept in the list; with the one in the profile, as many as there are currencies whose
/// amounts are kept.
const OTHERS_MAX: u32 = 3;

const _: () = assert!(OTHERS_MAX as usize + 1 == CURRENCIES_KEPT);

/// The level in `currency` from the list, and the position of its entry.
pub(in crate::scoring::profile) fn find(
    entries: &EntryList,
    currency: Currency,
) -> Option<(usize, Level)> {
    let tag = currency.number().into();
    entries.find(Kind::Level, tag, |entry| read(entry, currency))
}

/// Learns from `money` as [`Level::learn`] does, in its currency. `main` is the level in the profile.
pub(in crate::scoring::profile) fn learn(
    main: &mut Level,
    entries: &mut EntryList,
    money: Money,
    payee_doublings: f64,
) -> Option<f64> {
    if main.sums == 0 || main.currency == Some(money.currency()) {
        return main.learn(money, payee_doublings);
    }
    let found = find(entries, money.currency());
    let mut level = found.map_or_else(|| main.of_no_sums(), |(_, level)| level);
    let above = level.learn(money, payee_doublings);
    match found {
        Some((at, _)) if level.sums <= main.sums => entries.put(at, HEAD, level.to_bytes()),
        Some((at, _)) => {
            // The level known from most sums is the one in the profile.
            entries.remove(at);
            mem::swap(main, &mut level);
            push(entries, level);
        }
        None => push(entries, level),
    }
    above
}

fn push(entries: &mut EntryList, level: Level) {
    let Some(currency) = level.currency else {
        return;
    };
    // The one known from fewest sums goes, so that paying once in many currencies displaces none that the
    // account pays in all the time.
    let sums = |entry: &[u8]| entry.get(HEAD).copied();
    entries.forget_least(Kind::Level, OTHERS_MAX, sums);
    let tag = currency.number().into();
    entries.push(Kind::Level, tag, LEVEL_BYTES, |out| {
        out.extend_from_slice(&level.to_bytes());
    });
}

fn read(entry: &[u8], currency: Currency) -> Option<Level> {
    let bytes = entry.get(HEAD..)?.try_into().ok()?;
    Level::from_bytes(currency, bytes)
}

/// Checks, when an image is read, that these bytes are an entry of this tag.
pub(in crate::scoring::profile) fn check(entry: &[u8], tag: u16) -> Option<()> {
    let currency = Currency::from_number(u8::try_from(tag).ok()?)?;
    read(entry, currency).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::profile::LogAmount;

    fn money(amount_minor: i64, code: &str) -> Money {
        Money::new(amount_minor, Currency::from_code(code).unwrap()).unwrap()
    }

    fn level(main: &Level, entries: &EntryList, money: Money) -> Option<Level> {
        let is_main = main.currency == Some(money.currency());
        let found = find(entries, money.currency()).map(|(_, level)| level);
        if is_main { Some(*main) } else { found }
    }

    #[test]
    fn each_currency_has_a_level_of_its_own() {
        let (mut main, mut entries) = (Level::default(), EntryList::default());
        let paid = [money(1_000, "EUR"), money(150_000, "JPY"), money(9, "KWD")];
        for nth in 0..90 {
            learn(&mut main, &mut entries, paid[nth % 3], 0.0);
        }
        for money in paid {
            let level = level(&main, &entries, money).unwrap();
            assert_eq!(level.sums_in(money.currency()), 30);
            let middle = LogAmount::of(money.amount_minor()).doublings();
            assert!((level.middle_doublings() - middle).abs() < 0.01);
        }
    }

    #[test]
    fn the_level_known_best_is_at_hand_and_the_one_known_least_goes() {
        let (mut main, mut entries) = (Level::default(), EntryList::default());
        let mut pay = |code, times| {
            for _ in 0..times {
                learn(&mut main, &mut entries, money(1_000, code), 0.0);
            }
        };
        pay("USD", 1);
        pay("EUR", 30);
        pay("GBP", 20);
        for code in ["JPY", "KWD", "INR", "CHF"] {
            pay(code, 1);
        }
        assert_eq!(main.currency, Currency::from_code("EUR").ok());
        let left = |code| level(&main, &entries, money(1, code)).map(|level| level.sums);
        assert_eq!(left("EUR"), Some(30));
        assert_eq!(left("GBP"), Some(20));
        assert_eq!(left("CHF"), Some(1));
        assert_eq!(left("USD"), None);
    }
}
