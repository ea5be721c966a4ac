//! The sentences in Chinese.

use std::fmt;

use super::{Amount, Masked, MaskedBeside, Sentence, Zeros, is_paid, largest_units, whole};
use crate::scoring::assessment::{AmountSlip, Evidence, ReasonCode};
use crate::scoring::money::{Currency, Money};
use crate::scoring::signal::Signal;
use crate::scoring::time::Span;

impl Sentence<'_> {
    pub(super) fn chinese(&self) -> String {
        let ReasonCode::Signal(signal) = self.reason.code else {
            return "您已确认这笔付款。".to_owned();
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
                    Some(earlier) => self.chinese_part(*earlier, &Chinese(*elapsed), is_paid),
                    None => self.chinese_duplicate(signal, &Chinese(*elapsed), is_paid),
                }
            }
            Evidence::Velocity { .. } => {
                chinese_velocity(signal, &self.reason.evidence, money.currency())
            }
            Evidence::Amount {
                usual_minor,
                usual_for_payee,
                ratio,
                slip,
            } => {
                let usual = Amount(*usual_minor, money.currency());
                self.chinese_amount(&usual, *usual_for_payee, *ratio, *slip)
            }
            Evidence::Payee {
                similar_payee_id: Some(similar),
                times_paid,
                ..
            } => format!(
                "您从未向{}付过款，但向几乎相同的{}付过{times_paid}次。",
                MaskedBeside(&self.payment.payee.id, similar),
                MaskedBeside(similar, &self.payment.payee.id)
            ),
            Evidence::Payee {
                similar_payee_id: None,
                times_paid: 0,
                ..
            } => format!("您从未向{payee}付过款。"),
            Evidence::Payee {
                similar_payee_id: None,
                ..
            } => format!("您最近一天内才首次向{payee}付款。"),
            Evidence::Reports { payers, .. } if signal == Signal::PayeeFanIn => {
                format!("最近约有{payers}人向{payee}付款，多于平时。")
            }
            Evidence::Reports { .. } => format!("有人反映向{payee}付款后出现问题。"),
            Evidence::Device {
                known_devices,
                accounts,
            } => chinese_device(signal, *known_devices, *accounts),
            Evidence::Hour { .. } => "您几乎从不在一天中的这个时段付款。".to_owned(),
        }
    }

    fn chinese_amount(
        &self,
        usual: &Amount,
        usual_for_payee: bool,
        ratio: f64,
        slip: Option<AmountSlip>,
    ) -> String {
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        let slip = slip.map(|slip| chinese_slip(slip, Zeros::of(money.currency(), ratio)));
        match (slip, usual_for_payee) {
            (Some(slip), true) => format!("您平时向{payee}支付约{usual}；{money}看起来{slip}。"),
            (Some(slip), false) => format!("您平时每笔支付约{usual}；{money}看起来{slip}。"),
            (None, true) => format!("{money}是向{payee}付款的通常金额{usual}的{ratio:.1}倍。"),
            (None, false) => format!("{money}是您平时付款金额{usual}的{ratio:.1}倍。"),
        }
    }

    /// Of an order of which another sum was paid.
    fn chinese_part(&self, earlier: Money, elapsed: &Chinese, is_paid: bool) -> String {
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        if is_paid {
            format!("您在{elapsed}前已为{payee}的这个订单支付过{earlier}，这是另外一笔{money}。")
        } else {
            format!(
                "您在{elapsed}前已为{payee}的这个订单发起过{earlier}的付款，这是另外一笔{money}。"
            )
        }
    }

    fn chinese_duplicate(&self, signal: Signal, elapsed: &Chinese, is_paid: bool) -> String {
        let money = self.payment.money;
        let payee = Masked(&self.payment.payee.id);
        match signal {
            Signal::DuplicateInFlight => {
                format!("您在{elapsed}前向{payee}支付了{money}，该笔付款仍在处理中。")
            }
            Signal::DuplicateOrder if is_paid => {
                format!("您在{elapsed}前已支付过{payee}的这个订单。")
            }
            Signal::DuplicateOrder => {
                format!("您在{elapsed}前已为{payee}的这个订单发起过付款。")
            }
            _ if is_paid => format!("您在{elapsed}前已向{payee}支付过{money}。"),
            _ => format!("您在{elapsed}前已向{payee}发起过{money}的付款。"),
        }
    }
}

fn chinese_velocity(signal: Signal, evidence: &Evidence, currency: Currency) -> String {
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
    let (window, sum) = (Chinese(*window), Amount(*sum_minor, currency));
    match signal {
        Signal::SpendSurge => format!(
            "加上这笔付款，您在{window}内共支出{sum}；您平时最多支出{}。",
            Amount(whole(*usual), currency)
        ),
        Signal::SmallPaymentBurst => format!("{window}内连续尝试{count}笔付款，合计{sum}。"),
        Signal::FailureBurst => format!("{window}内有{count}笔付款被拒绝。"),
        _ => format!("这是您{window}内的第{count}笔付款。"),
    }
}

fn chinese_device(signal: Signal, known_devices: u32, accounts: u32) -> String {
    match signal {
        Signal::DeviceFanOut => format!("这台设备最近为约{accounts}个不同账户付过款。"),
        Signal::DeviceSwitch => {
            format!("几分钟内有{known_devices}台不同设备从该账户付款。")
        }
        _ => "这台设备对该账户来说是新的。".to_owned(),
    }
}

const fn chinese_slip(slip: AmountSlip, zeros: Option<Zeros>) -> &'static str {
    match slip {
        AmountSlip::ExtraDigit => "多输了一个零",
        AmountSlip::LostDigit => "少输了一位数字",
        AmountSlip::DoubledDigit => "有一位数字重复输入",
        AmountSlip::NeighbourKey => "按到了相邻的数字键",
        AmountSlip::DecimalShift => match zeros {
            None => "小数点位置有误",
            Some(Zeros::TooMany) => "多输了几个零",
            Some(Zeros::TooFew) => "少输了几个零",
        },
    }
}

/// A length of time in Chinese.
pub(super) struct Chinese(pub(super) Span);

impl fmt::Display for Chinese {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.secs() == 0 {
            return f.write_str("不到1秒");
        }
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
