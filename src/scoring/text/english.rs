//! The sentences in English.

use std::fmt;

use super::{Amount, Masked, Sentence, largest_units, whole};
use crate::scoring::assessment::{AmountSlip, Evidence, ReasonCode};
use crate::scoring::signal::Signal;
use crate::scoring::time::Span;

impl Sentence<'_> {
    pub(super) fn english(&self) -> String {
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        let signal = match self.reason.code {
            ReasonCode::Signal(signal) => signal,
            ReasonCode::PayerConfirmed => return "You confirmed this payment.".to_owned(),
        };
        match (signal, &self.reason.evidence) {
            (Signal::DuplicateInFlight, Evidence::Duplicate { elapsed, .. }) => format!(
                "You paid {money} to {payee} {} ago and it is still in progress.",
                English(*elapsed)
            ),
            (Signal::DuplicateOrder, Evidence::Duplicate { elapsed, .. }) => format!(
                "You already paid this order of {payee} {} ago.",
                English(*elapsed)
            ),
            (_, Evidence::Duplicate { elapsed, .. }) => format!(
                "You already paid {money} to {payee} {} ago.",
                English(*elapsed)
            ),
            (
                Signal::SpendSurge,
                Evidence::Velocity {
                    window,
                    sum_minor,
                    usual,
                    ..
                },
            ) => format!(
                "With this payment you spend {} within {}; you usually spend up to {}.",
                Amount(*sum_minor, money.currency()),
                English(*window),
                Amount(whole(*usual), money.currency())
            ),
            (
                Signal::SmallPaymentBurst,
                Evidence::Velocity {
                    window,
                    count,
                    sum_minor,
                    ..
                },
            ) => {
                format!(
                    "This is small payment number {count} within {}, {} in all.",
                    English(*window),
                    Amount(*sum_minor, money.currency())
                )
            }
            (Signal::FailureBurst, Evidence::Velocity { window, count, .. }) => format!(
                "{count} payments were declined within {}.",
                English(*window)
            ),
            (_, Evidence::Velocity { window, count, .. }) => format!(
                "This is payment number {count} within {}.",
                English(*window)
            ),
            (
                _,
                Evidence::Amount {
                    usual_minor,
                    slip: Some(slip),
                    ..
                },
            ) => format!(
                "You usually pay {payee} about {}; {money} looks like {}.",
                Amount(*usual_minor, money.currency()),
                english_slip(*slip)
            ),
            (
                _,
                Evidence::Amount {
                    usual_minor, ratio, ..
                },
            ) => format!(
                "{money} is {ratio:.1} times the {} that you usually pay.",
                Amount(*usual_minor, money.currency())
            ),
            (
                _,
                Evidence::Payee {
                    similar_payee_id: Some(similar),
                    times_paid,
                    ..
                },
            ) => format!(
                "You never paid {payee}, but {times} {similar}, which looks almost the same.",
                times = EnglishTimes(*times_paid),
                similar = Masked(similar)
            ),
            (_, Evidence::Payee { .. }) => format!("You never paid {payee} before."),
            (Signal::PayeeFanIn, Evidence::Reports { payers, .. }) => {
                format!("Unusually many people, about {payers}, began to pay {payee} lately.")
            }
            (_, Evidence::Reports { .. }) => {
                format!("Other people reported trouble with payments to {payee}.")
            }
            (Signal::DeviceFanOut, Evidence::Device { accounts, .. }) => {
                format!("This device lately paid for about {accounts} different accounts.")
            }
            (Signal::DeviceSwitch, Evidence::Device { known_devices, .. }) => {
                format!("{known_devices} different devices paid from this account within minutes.")
            }
            (_, Evidence::Device { .. }) => {
                "This device never paid from this account before.".to_owned()
            }
            (_, Evidence::Hour { hour, .. }) => {
                format!("You hardly ever pay at this hour ({hour}:00).")
            }
            (signal, Evidence::None) => signal.code().to_owned(),
        }
    }
}

const fn english_slip(slip: AmountSlip) -> &'static str {
    match slip {
        AmountSlip::ExtraDigit => "a zero too many",
        AmountSlip::LostDigit => "a digit was lost",
        AmountSlip::DoubledDigit => "a digit was typed twice",
        AmountSlip::NeighbourKey => "a key beside the right one was pressed",
        AmountSlip::DecimalShift => "the decimal point is in the wrong place",
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
