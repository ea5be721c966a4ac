//! The sentences in Chinese.

use std::fmt;

use super::{Amount, Masked, Sentence, largest_units, whole};
use crate::scoring::assessment::{AmountSlip, Evidence, ReasonCode};
use crate::scoring::signal::Signal;
use crate::scoring::time::Span;

impl Sentence<'_> {
    pub(super) fn chinese(&self) -> String {
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

const fn chinese_slip(slip: AmountSlip) -> &'static str {
    match slip {
        AmountSlip::ExtraDigit => "多输了一个零",
        AmountSlip::LostDigit => "少输了一位数字",
        AmountSlip::DoubledDigit => "有一位数字重复输入",
        AmountSlip::NeighbourKey => "按到了相邻的数字键",
        AmountSlip::DecimalShift => "小数点位置有误",
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
