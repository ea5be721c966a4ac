//! `PAYEE_LOOKALIKE`: a new payee whose id is one slip of the finger away from that of one that this account knows:
//! one character replaced, left out, added, or swapped with its neighbour.
//!
//! Compared with this account's own payees only: among all payees, every other number would have a neighbour (the
//! birthday paradox). It counts less where many accounts pay the new payee. It is quiet for short ids, which are
//! alike by chance; where several known payees are as near: numbers issued in sequence, like the extensions of a
//! company, are alike by nature; and for purchases at merchants, whose numbers nobody types: they are in the code that
//! is scanned, or in the shop's own page.

use super::{Context, Measure, Nature};
use crate::scoring::assessment::Evidence;
use crate::scoring::payment::{ID_BYTES_MAX, PayeeId, PayeeType, Payment, PaymentKind};
use crate::scoring::policy::settings;
use crate::scoring::profile::KnownPayee;

settings! {
    /// Settings of `PAYEE_LOOKALIKE`.
    Settings as "payee_lookalike" {
        /// How much the signal counts; 0 switches it off.
        weight: f64 = 1.0, 0 => 1, "share";
        /// Strength against a payee paid once.
        once_strength: f64 = 66.0, 0 => 100, "strength";
        /// Strength against a payee paid more often.
        often_strength: f64 = 80.0, 0 => 100, "strength";
        /// Ids shorter than this are not compared: short ones are alike by chance.
        id_chars_min: u32 = 6, 2 => 128, "characters";
        /// From how many known payees on that are one slip away the numbers are taken for issued in
        /// sequence, and it says nothing.
        sequence_from: u32 = 3, 2 => 1000, "payees";
        /// How many payers of its own make the new payee one that is hardly a typing error.
        popular_from: u32 = 5, 1 => 1000, "accounts";
        /// What is left of the strength then.
        popular_factor: f64 = 0.3, 0 => 1, "share";
    }
}

pub(super) fn measure(settings: &Settings, context: &Context<'_>) -> Option<Measure> {
    if context.known_payee.is_some() || context.tried_payee.is_some() {
        return None;
    }
    let Payment { payee, kind, .. } = context.payment;
    if payee.payee_type == PayeeType::Merchant && *kind == PaymentKind::Purchase {
        return None;
    }
    if payee.id.as_str().chars().count() < settings.id_chars_min as usize {
        return None;
    }
    let is_alike = |known: &KnownPayee<'_>| {
        // One slip changes the length by one character, which is four bytes at most.
        known.payee_type == payee.payee_type
            && known.id.text_bytes().abs_diff(payee.id.as_str().len()) <= 4
            && is_one_slip_away(known.id.text(&mut [0; ID_BYTES_MAX]), payee.id.as_str())
    };
    let mut alike: u32 = 0;
    let mut similar: Option<KnownPayee<'_>> = None;
    for known in context.account.profile().payees().iter().filter(is_alike) {
        alike = alike.saturating_add(1);
        let paid = |known: &KnownPayee<'_>| (known.times_paid, known.last_paid);
        if similar.is_none_or(|best| paid(&best) <= paid(&known)) {
            similar = Some(known);
        }
    }
    let similar = similar?;
    if alike >= settings.sequence_from {
        return None;
    }
    let mut strength = if similar.times_paid > 1 {
        settings.often_strength
    } else {
        settings.once_strength
    };
    if context.surroundings.payee.payers >= settings.popular_from {
        strength *= settings.popular_factor;
    }
    Measure::of(
        strength,
        Nature::Slip,
        Evidence::Payee {
            similar_payee_id: PayeeId::new(similar.id.text(&mut [0; ID_BYTES_MAX])).ok(),
            times_paid: similar.times_paid,
            last_paid_time: Some(similar.last_paid),
        },
    )
}

/// Whether one substitution, transposition, insertion or deletion makes one text of the other: a Damerau-Levenshtein
/// distance of 1. Source: Damerau, "A technique for computer detection and correction of spelling errors", 1964, who
/// found four in five misspellings to be one of these.
fn is_one_slip_away(left: &str, right: &str) -> bool {
    let common_start: usize = left
        .chars()
        .zip(right.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let (Some(left), Some(right)) = (left.get(common_start..), right.get(common_start..)) else {
        return false;
    };
    let (mut l, mut r) = (left.chars(), right.chars());
    let (first_left, first_right) = (l.next(), r.next());
    if first_left.is_none() && first_right.is_none() {
        return false;
    }
    let substitution = first_left.is_some() && first_right.is_some() && l.as_str() == r.as_str();
    let deletion = first_left.is_some() && l.as_str() == right;
    let insertion = first_right.is_some() && left == r.as_str();
    let transposition = first_left.is_some()
        && first_left == r.next()
        && l.next() == first_right
        && l.as_str() == r.as_str();
    substitution || deletion || insertion || transposition
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All texts one operation away, by brute force.
    fn one_away(text: &str, alphabet: &[char]) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        let mut all = Vec::new();
        let len = chars.len();
        for at in 0..=len {
            for letter in alphabet {
                let mut inserted = chars.clone();
                inserted.insert(at, *letter);
                all.push(inserted);
                let mut substituted = chars.clone();
                substituted.splice(at..len.min(at.saturating_add(1)), [*letter]);
                all.push(substituted);
            }
            if at < len {
                let mut deleted = chars.clone();
                deleted.remove(at);
                all.push(deleted);
            }
            let next = at.saturating_add(1);
            if next < len {
                let mut swapped = chars.clone();
                swapped.swap(at, next);
                all.push(swapped);
            }
        }
        let all = all.into_iter().map(String::from_iter);
        all.filter(|other| other != text).collect()
    }

    #[test]
    fn it_agrees_with_brute_force_on_every_short_text() {
        let alphabet = ['0', '1', '中'];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer: Vec<String> = texts
                .iter()
                .flat_map(|text| alphabet.iter().map(move |letter| format!("{text}{letter}")))
                .collect();
            texts.extend(longer);
            texts.sort();
            texts.dedup();
        }
        for left in &texts {
            let near = one_away(left, &alphabet);
            for right in &texts {
                assert_eq!(
                    is_one_slip_away(left, right),
                    near.contains(right),
                    "{left} {right}"
                );
            }
        }
    }
}
