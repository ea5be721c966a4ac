//! Sentences for people, built from the evidence: a gateway can show them to a payer as they are.
//!
//! Payee ids are masked: a screen may be seen by others, and a stranger's number is nobody's business.

use std::fmt::{self, Write as _};

use super::assessment::{Decision, Evidence, Reason, ReasonCode};
use super::money::Currency;
use super::outcome::Outcome;
use super::payment::{PayeeId, Payment};
use super::signal::Signal;
use super::time::Span;

mod chinese;
mod english;

/// A sentence in English and in Chinese.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// English.
    pub en: String,
    /// Simplified Chinese.
    pub zh: String,
}

/// What to tell the payer of `payment` about one reason. Where the payer is being asked, the sentence
/// of a slip ends in the question.
#[must_use]
pub fn message(payment: &Payment, decision: Decision, reason: &Reason) -> Message {
    let sentence = Sentence { payment, reason };
    let mut message = Message {
        en: sentence.english(),
        zh: sentence.chinese(),
    };
    if decision == Decision::Confirm
        && let Some((en, zh)) = question(reason)
    {
        message.en.push_str(en);
        message.zh.push_str(zh);
    }
    message
}

const fn question(reason: &Reason) -> Option<(&'static str, &'static str)> {
    if let Evidence::Duplicate {
        other_money: Some(_),
        ..
    } = reason.evidence
    {
        return Some((" Pay this too?", "这笔也要付吗？"));
    }
    match reason.code {
        ReasonCode::Signal(
            Signal::DuplicateInFlight | Signal::DuplicateOrder | Signal::DuplicateRecent,
        ) => Some((" Pay again?", "要再付一次吗？")),
        ReasonCode::Signal(Signal::AmountSlip | Signal::AmountUnusual) => {
            Some((" Is the amount right?", "金额正确吗？"))
        }
        ReasonCode::Signal(Signal::PayeeLookalike | Signal::PayeeNew) => {
            Some((" Is the payee right?", "收款人正确吗？"))
        }
        ReasonCode::Signal(
            Signal::RapidRepeat
            | Signal::SpendSurge
            | Signal::SmallPaymentBurst
            | Signal::FailureBurst
            | Signal::PayeeReported
            | Signal::PayeeFanIn
            | Signal::DeviceFanOut
            | Signal::DeviceNew
            | Signal::DeviceSwitch
            | Signal::HourUnusual,
        )
        | ReasonCode::PayerConfirmed => None,
    }
}

/// Whether an earlier payment is known to be paid: of others it is only said that they were sent.
const fn is_paid(outcome: Option<Outcome>) -> bool {
    matches!(
        outcome,
        Some(Outcome::Succeeded | Outcome::PayerMistake | Outcome::Fraud)
    )
}

struct Sentence<'a> {
    payment: &'a Payment,
    reason: &'a Reason,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "sums of amounts are far below 2^63; the conversion saturates"
)]
const fn whole(amount: f64) -> i64 {
    amount as i64
}

/// An amount that is no payment's: a sum or a median.
struct Amount(i64, Currency);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.write_amount(f, self.0)
    }
}

/// What a decimal point out of place is called where no point can have made it.
#[derive(Debug, Clone, Copy)]
enum Zeros {
    TooMany,
    TooFew,
}

impl Zeros {
    /// `None` where the currency has a point, which makes a hundred times the amount or a hundredth.
    fn of(currency: Currency, ratio: f64) -> Option<Self> {
        let is_by_point = currency.exponent() > 0 && ratio < 500.0;
        let zeros = if ratio > 1.0 {
            Self::TooMany
        } else {
            Self::TooFew
        };
        (!is_by_point).then_some(zeros)
    }
}

/// Whether it shows nothing itself and may change how what is around it shows: its order, above all. In a number
/// that is read out or compared it hides another one. Source: Unicode Standard Annex #9 and the property
/// `Default_Ignorable_Code_Point`, as far as ids and sentences meet them.
#[must_use]
pub const fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// A payee id with its middle hidden: `138****5678`. Short ids show less, the shortest nothing; what is invisible
/// is hidden wherever it stands.
struct Masked<'a>(&'a PayeeId);

/// The same beside an id that looks almost the same. Where it would look quite the same, the character by which the two
/// differ is shown too: `138****9****5678`.
struct MaskedBeside<'a>(&'a PayeeId, &'a PayeeId);

impl fmt::Display for MaskedBeside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(id, other) = self;
        let masked = Masked(id).to_string();
        let mut pairs = id.as_str().chars().zip(other.as_str().chars());
        let differing = pairs.find(|(a, b)| a != b).map(|(letter, _)| letter);
        match (differing, masked.split_once(HIDDEN)) {
            (Some(letter), Some((head, tail)))
                if !is_invisible(letter) && masked == Masked(other).to_string() =>
            {
                write!(f, "{head}{HIDDEN}{letter}{HIDDEN}{tail}")
            }
            _ => f.write_str(&masked),
        }
    }
}

/// What stands for what is hidden.
const HIDDEN: &str = "****";

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0.as_str();
        let count = id.chars().count();
        let (head, tail) = match count {
            0..=4 => (0, 0),
            5..=7 => (1, 2),
            8..=9 => (2, 3),
            _ => (3, 4),
        };
        let place = |nth| id.char_indices().nth(nth).map_or(id.len(), |(at, _)| at);
        let (start, end) = (place(head), place(count.saturating_sub(tail)));
        let mut show = |part: Option<&str>| {
            let mut letters = part.unwrap_or_default().chars();
            letters.try_for_each(|letter| {
                f.write_char(if is_invisible(letter) { '*' } else { letter })
            })
        };
        show(id.get(..start))?;
        show(Some(HIDDEN))?;
        show(id.get(end..))
    }
}

/// The two largest units of a length of time that are not zero: `1 hour 5 minutes`.
fn largest_units(span: Span) -> [(i64, usize); 2] {
    const UNIT_SECS: [i64; 4] = [86_400, 3_600, 60, 1];
    let mut left = span.secs();
    let mut parts = [(0, 0); 2];
    let mut found = 0_usize;
    for (unit, secs) in UNIT_SECS.into_iter().enumerate() {
        let count = left.div_euclid(secs);
        left = left.rem_euclid(secs);
        if count > 0 {
            if let Some(part) = parts.get_mut(found) {
                *part = (count, unit);
            }
            found = found.saturating_add(1);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::chinese::Chinese;
    use super::english::English;
    use super::*;

    #[test]
    fn payee_ids_never_show_in_full() {
        let check = |id, masked: &str| {
            assert_eq!(Masked(&PayeeId::new(id).unwrap()).to_string(), masked);
        };
        check("13812345678", "138****5678");
        check("1", "****");
        check("1234", "****");
        check("12345", "1****45");
        check("12345678", "12****678");
        check("商户北京朝阳路一二三号", "商户北****一二三号");
        check("\u{202e}13812345678", "*13****5678");
        check("1381234567\u{200b}8", "138****67*8");
    }

    #[test]
    fn ids_that_differ_where_they_are_hidden_show_it() {
        let check = |ids: [&str; 2], masked: [&str; 2]| {
            let ids = ids.map(|id| PayeeId::new(id).unwrap());
            let [a, b] = &ids;
            assert_eq!(MaskedBeside(a, b).to_string(), masked[0]);
            assert_eq!(MaskedBeside(b, a).to_string(), masked[1]);
        };
        check(
            ["6217000012345678", "6217000112345678"],
            ["621****0****5678", "621****1****5678"],
        );
        check(
            ["13812345678", "13812435678"],
            ["138****3****5678", "138****4****5678"],
        );
        // One more in the middle.
        check(
            ["621712345678", "6217712345678"],
            ["621****1****5678", "621****7****5678"],
        );
        // What is shown of them differs already.
        check(
            ["13812345678", "13812345679"],
            ["138****5678", "138****5679"],
        );
        check(["1234", "1235"], ["****4****", "****5****"]);
    }

    #[test]
    fn lengths_of_time_read_naturally() {
        let check = |ms, en: &str, zh: &str| {
            let span = Span::from_ms(ms);
            assert_eq!(English(span).to_string(), en);
            assert_eq!(Chinese(span).to_string(), zh);
        };
        check(0, "less than a second", "不到1秒");
        check(999, "less than a second", "不到1秒");
        check(1_000, "1 second", "1秒");
        check(42_000, "42 seconds", "42秒");
        check(60_000, "1 minute", "1分钟");
        check(61_000, "1 minute 1 second", "1分钟1秒");
        check(3_900_000, "1 hour 5 minutes", "1小时5分钟");
        check(90_000_000, "1 day 1 hour", "1天1小时");
    }
}
