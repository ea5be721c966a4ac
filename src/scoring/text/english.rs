//! The sentences in English.

use std::fmt;

use super::{Amount, Masked, MaskedBeside, Sentence, Zeros, is_paid, largest_units, whole};
use crate::scoring::assessment::{AmountSlip, Evidence, ReasonCode};
use crate::scoring::money::{Currency, Money};
use crate::scoring::signal::Signal;
use crate::scoring::time::Span;

impl Sentence<'_> {
    pub(super) fn english(&self) -> String {
        let ReasonCode::Signal(signal) = self.reason.code else {
            return "You confirmed this payment.".to_owned();
        };
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        match &self.reason.evidence {
            Evidence::None => signal.code().to_owned(),
            Evidence::Duplicate {
                elapsed,
                earlier_outcome,
                other_money,
                ..
            } => {
                let is_paid = is_paid(*earlier_outcome);
                match other_money {
                    Some(earlier) => self.english_part(*earlier, &English(*elapsed), is_paid),
                    None => self.english_duplicate(signal, &English(*elapsed), is_paid),
                }
            }
            Evidence::Velocity { .. } => {
                english_velocity(signal, &self.reason.evidence, money.currency())
            }
            Evidence::Amount {
                usual_minor,
                usual_for_payee,
                ratio,
                slip,
            } => {
                let usual = Amount(*usual_minor, money.currency());
                self.english_amount(&usual, *usual_for_payee, *ratio, *slip)
            }
            Evidence::Payee {
                similar_payee_id: Some(similar),
                times_paid,
                ..
            } => format!(
                "You never paid {}, but {} {}, which looks almost the same.",
                MaskedBeside(&self.payment.payee.id, similar),
                EnglishTimes(*times_paid),
                MaskedBeside(similar, &self.payment.payee.id)
            ),
            Evidence::Payee {
                similar_payee_id: None,
                times_paid: 0,
                ..
            } => format!("You never paid {payee} before."),
            Evidence::Payee {
                similar_payee_id: None,
                ..
            } => format!("You paid {payee} for the first time within the last day."),
            Evidence::Reports { payers, .. } if signal == Signal::PayeeFanIn => {
                let people = if *payers == 1 { "person" } else { "people" };
                format!("About {payers} {people} paid {payee} lately, more than usual.")
            }
            Evidence::Reports { .. } => format!("Trouble was reported with payments to {payee}."),
            Evidence::Device {
                known_devices,
                accounts,
            } => english_device(signal, *known_devices, *accounts),
            Evidence::Hour { .. } => "You hardly ever pay at this time of day.".to_owned(),
        }
    }

    fn english_amount(
        &self,
        usual: &Amount,
        usual_for_payee: bool,
        ratio: f64,
        slip: Option<AmountSlip>,
    ) -> String {
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        let slip = slip.map(|slip| english_slip(slip, Zeros::of(money.currency(), ratio)));
        match (slip, usual_for_payee) {
            (Some(slip), true) => {
                format!("You usually pay {payee} about {usual}; {money} looks like {slip}.")
            }
            (Some(slip), false) => {
                format!("You usually pay about {usual}; {money} looks like {slip}.")
            }
            (None, true) => {
                format!("{money} is {ratio:.1} times the {usual} that would be usual for {payee}.")
            }
            (None, false) => {
                format!("{money} is {ratio:.1} times the {usual} that you usually pay.")
            }
        }
    }

    /// Of an order of which another sum was paid.
    fn english_part(&self, earlier: Money, elapsed: &English, is_paid: bool) -> String {
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        let paid = if is_paid { "paid" } else { "sent" };
        format!(
            "You {paid} {earlier} for this order of {payee} {elapsed} ago; this is another {money}."
        )
    }

    fn english_duplicate(&self, signal: Signal, elapsed: &English, is_paid: bool) -> String {
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        match signal {
            Signal::DuplicateInFlight => {
                format!("You paid {money} to {payee} {elapsed} ago and it is still in progress.")
            }
            Signal::DuplicateOrder if is_paid => {
                format!("You already paid this order of {payee} {elapsed} ago.")
            }
            Signal::DuplicateOrder => {
                format!("You already sent a payment for this order of {payee} {elapsed} ago.")
            }
            _ if is_paid => format!("You already paid {money} to {payee} {elapsed} ago."),
            _ => format!("You already sent {money} to {payee} {elapsed} ago."),
        }
    }
}

fn english_velocity(signal: Signal, evidence: &Evidence, currency: Currency) -> String {
    let Evidence::Velocity {
        window,
        count,
        sum_minor,
        usual,
        ..
    } = evidence
    else {
        return signal.code().to_owned();
    };
    let (window, sum) = (English(*window), Amount(*sum_minor, currency));
    match signal {
        Signal::SpendSurge => format!(
            "With this payment you spend {sum} within {window}; you usually spend up to {}.",
            Amount(whole(*usual), currency)
        ),
        Signal::SmallPaymentBurst => {
            format!("{count} payments were tried in a row within {window}, {sum} in all.")
        }
        Signal::FailureBurst => format!("{count} payments were declined within {window}."),
        _ => format!("This is payment number {count} within {window}."),
    }
}

fn english_device(signal: Signal, known_devices: u32, accounts: u32) -> String {
    match signal {
        Signal::DeviceFanOut => {
            format!("This device lately paid for about {accounts} different accounts.")
        }
        Signal::DeviceSwitch => {
            format!("{known_devices} different devices paid from this account within minutes.")
        }
        _ => "This device is new to this account.".to_owned(),
    }
}

const fn english_slip(slip: AmountSlip, zeros: Option<Zeros>) -> &'static str {
    match slip {
        AmountSlip::ExtraDigit => "a zero too many",
        AmountSlip::LostDigit => "a lost digit",
        AmountSlip::DoubledDigit => "a digit typed twice",
        AmountSlip::NeighbourKey => "a slip to the key beside it",
        AmountSlip::DecimalShift => match zeros {
            None => "a misplaced decimal point",
            Some(Zeros::TooMany) => "too many zeros",
            Some(Zeros::TooFew) => "too few zeros",
        },
    }
}

struct EnglishTimes(u32);

impl fmt::Display for EnglishTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("once"),
            2 => f.write_str("twice"),
            times => write!(f, "{times} times"),
        }
    }
}

/// A length of time in English.
pub(super) struct English(pub(super) Span);

impl fmt::Display for English {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.secs() == 0 {
            return f.write_str("less than a second");
        }
        let mut gap = "";
        for (nth, (count, unit)) in largest_units(self.0).into_iter().enumerate() {
            if nth > 0 && count == 0 {
                break;
            }
            let name = ["day", "hour", "minute", "second"].get(unit).unwrap_or(&"");
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{gap}{count} {name}{plural}")?;
            gap = " ";
        }
        Ok(())
    }
}
