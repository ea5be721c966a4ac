//! Sentences for people, built from the evidence: a gateway can show them to a payer as they are.
//!
//! Payee ids are masked: a screen may be seen by others, and a stranger's number is nobody's business.

use std::fmt;

use super::assessment::{AmountSlip, Decision, Evidence, Reason, ReasonCode};
use super::money::Currency;
use super::payment::{PayeeId, Payment};
use super::signal::Signal;
use super::time::Span;

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
        && let Some((en, zh)) = question(reason.code)
    {
        message.en.push_str(en);
        message.zh.push_str(zh);
    }
    message
}

const fn question(code: ReasonCode) -> Option<(&'static str, &'static str)> {
    match code {
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

struct Sentence<'a> {
    payment: &'a Payment,
    reason: &'a Reason,
}

impl Sentence<'_> {
    fn english(&self) -> String {
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

    fn chinese(&self) -> String {
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        let signal = match self.reason.code {
            ReasonCode::Signal(signal) => signal,
            ReasonCode::PayerConfirmed => return "您已确认这笔付款。".to_owned(),
        };
        match (signal, &self.reason.evidence) {
            (Signal::DuplicateInFlight, Evidence::Duplicate { elapsed, .. }) => format!(
                "您在{}前向{payee}支付了{money}，该笔付款仍在处理中。",
                Chinese(*elapsed)
            ),
            (Signal::DuplicateOrder, Evidence::Duplicate { elapsed, .. }) => {
                format!("您在{}前已支付过{payee}的这个订单。", Chinese(*elapsed))
            }
            (_, Evidence::Duplicate { elapsed, .. }) => {
                format!("您在{}前已向{payee}支付过{money}。", Chinese(*elapsed))
            }
            (
                Signal::SpendSurge,
                Evidence::Velocity {
                    window,
                    sum_minor,
                    usual,
                    ..
                },
            ) => format!(
                "加上这笔付款，您在{}内共支出{}；您平时最多支出{}。",
                Chinese(*window),
                Amount(*sum_minor, money.currency()),
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
                    "这是您{}内的第{count}笔小额付款，合计{}。",
                    Chinese(*window),
                    Amount(*sum_minor, money.currency())
                )
            }
            (Signal::FailureBurst, Evidence::Velocity { window, count, .. }) => {
                format!("{}内有{count}笔付款被拒绝。", Chinese(*window))
            }
            (_, Evidence::Velocity { window, count, .. }) => {
                format!("这是您{}内的第{count}笔付款。", Chinese(*window))
            }
            (
                _,
                Evidence::Amount {
                    usual_minor,
                    slip: Some(slip),
                    ..
                },
            ) => format!(
                "您平时向{payee}支付约{}；{money}看起来{}。",
                Amount(*usual_minor, money.currency()),
                chinese_slip(*slip)
            ),
            (
                _,
                Evidence::Amount {
                    usual_minor, ratio, ..
                },
            ) => format!(
                "{money}是您平时付款金额{}的{ratio:.1}倍。",
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
                "您从未向{payee}付过款，但向几乎相同的{similar}付过{times_paid}次。",
                similar = Masked(similar)
            ),
            (_, Evidence::Payee { .. }) => format!("您从未向{payee}付过款。"),
            (Signal::PayeeFanIn, Evidence::Reports { payers, .. }) => {
                format!("最近突然有很多人（约{payers}人）向{payee}付款。")
            }
            (_, Evidence::Reports { .. }) => {
                format!("有其他人反映向{payee}付款后出现问题。")
            }
            (Signal::DeviceFanOut, Evidence::Device { accounts, .. }) => {
                format!("这台设备最近为约{accounts}个不同账户付过款。")
            }
            (Signal::DeviceSwitch, Evidence::Device { known_devices, .. }) => {
                format!("几分钟内有{known_devices}台不同设备从该账户付款。")
            }
            (_, Evidence::Device { .. }) => "这台设备从未用该账户付过款。".to_owned(),
            (_, Evidence::Hour { hour, .. }) => {
                format!("您几乎从不在这个时段（{hour}时）付款。")
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

const fn chinese_slip(slip: AmountSlip) -> &'static str {
    match slip {
        AmountSlip::ExtraDigit => "多输了一个零",
        AmountSlip::LostDigit => "少输了一位数字",
        AmountSlip::DoubledDigit => "有一位数字重复输入",
        AmountSlip::NeighbourKey => "按到了相邻的数字键",
        AmountSlip::DecimalShift => "小数点位置有误",
    }
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

/// A payee id with its middle hidden: `138****5678`. Short ids show less, the shortest nothing.
struct Masked<'a>(&'a PayeeId);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars: Vec<char> = self.0.as_str().chars().collect();
        let (head, tail) = match chars.len() {
            0..=4 => (0, 0),
            5..=7 => (1, 2),
            8..=9 => (2, 3),
            _ => (3, 4),
        };
        let shown = |chars: &[char]| chars.iter().collect::<String>();
        let start = chars.get(..head).map(shown).unwrap_or_default();
        let end = chars.len().saturating_sub(tail);
        let end = chars.get(end..).map(shown).unwrap_or_default();
        write!(f, "{start}****{end}")
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

/// The two largest units of a length of time that are not zero: `1 hour 5 minutes`.
fn largest_units(span: Span) -> [(i64, usize); 2] {
    const UNIT_SECS: [i64; 4] = [86_400, 3_600, 60, 1];
    let mut left = span.secs();
    let mut parts = [(0, 0); 2];
    let mut found = 0_usize;
    for (unit, secs) in UNIT_SECS.into_iter().enumerate() {
        let count = left.div_euclid(secs);
        left = left.rem_euclid(secs);
        if count > 0 || (unit == 3 && found == 0) {
            if let Some(part) = parts.get_mut(found) {
                *part = (count, unit);
            }
            found = found.saturating_add(1);
        }
    }
    parts
}

/// A length of time in English.
struct English(Span);

impl fmt::Display for English {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// A length of time in Chinese.
struct Chinese(Span);

impl fmt::Display for Chinese {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (count, unit)) in largest_units(self.0).into_iter().enumerate() {
            if nth > 0 && count == 0 {
                break;
            }
            let name = ["天", "小时", "分钟", "秒"].get(unit).unwrap_or(&"");
            write!(f, "{count}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn lengths_of_time_read_naturally() {
        let check = |ms, en: &str, zh: &str| {
            let span = Span::from_ms(ms);
            assert_eq!(English(span).to_string(), en);
            assert_eq!(Chinese(span).to_string(), zh);
        };
        check(0, "0 seconds", "0秒");
        check(999, "0 seconds", "0秒");
        check(1_000, "1 second", "1秒");
        check(42_000, "42 seconds", "42秒");
        check(60_000, "1 minute", "1分钟");
        check(61_000, "1 minute 1 second", "1分钟1秒");
        check(3_900_000, "1 hour 5 minutes", "1小时5分钟");
        check(90_000_000, "1 day 1 hour", "1天1小时");
    }
}
