//! Rules between settings: what one of them says must not contradict another.

use super::Policy;

/// The path of the setting that a rule is for, whether it holds, and what must.
pub(super) type Rule = (&'static str, bool, &'static str);

/// The rule that one setting of a section is at most another. Where strength grows from one to the other,
/// it would else leap from nothing to all.
macro_rules! in_order {
    ($settings:ident, $section:ident: $low:ident <= $high:ident) => {
        (
            concat!(stringify!($section), ".", stringify!($low)),
            $settings.$section.$low <= $settings.$section.$high,
            concat!(
                "must be at most ",
                stringify!($section),
                ".",
                stringify!($high)
            ),
        )
    };
}

impl Policy {
    /// Every rule between its settings.
    pub(super) fn rules(&self) -> Vec<Rule> {
        let signals = &self.signals;
        let block_within = signals.duplicate_in_flight.block_within_ms;
        let mut rules = vec![
            (
                "decision.confirm_from",
                self.decision.confirm_from < self.decision.block_from,
                "must be less than decision.block_from",
            ),
            in_order!(self, confirmation: second_factor_from <= biometric_from),
            // Seconds that were meant for milliseconds would let the double press through.
            (
                "duplicate_in_flight.window_ms",
                signals.duplicate_in_flight.window_ms >= block_within,
                "must be at least duplicate_in_flight.block_within_ms",
            ),
            (
                "duplicate_recent.window_ms",
                signals.duplicate_recent.window_ms >= block_within,
                "must be at least duplicate_in_flight.block_within_ms",
            ),
            in_order!(signals, spend_surge: from_multiple <= full_multiple),
            in_order!(signals, small_payment_burst: nothing_up_to <= from),
            in_order!(signals, failure_burst: confirm_from <= block_from),
            in_order!(signals, amount_unusual: from_deviations <= knee_deviations),
            in_order!(signals, amount_unusual: knee_deviations <= full_deviations),
            in_order!(signals, amount_slip: from_nats <= full_nats),
            in_order!(signals, payee_new: rare_novelty <= everyday_novelty),
            in_order!(signals, payee_reported: from_rate <= full_rate),
            in_order!(signals, payee_fan_in: from_multiple <= full_multiple),
            in_order!(signals, device_fan_out: accounts_free <= accounts_full),
            in_order!(signals, device_fan_out: accounts_full <= crowd_accounts),
            in_order!(signals, device_switch: devices_free <= devices_full),
            in_order!(signals, hour_unusual: full_share <= from_share),
            in_order!(signals, hour_unusual: modest_multiple <= large_multiple),
        ];
        rules.extend(signals.rapid_repeat.rules(self.memory.payments_max));
        rules
    }
}
