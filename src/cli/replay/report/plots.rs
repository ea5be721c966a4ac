//! Plots, drawn as SVG in the page. Sizes are in the plot's own units; the page scales them.

use super::gathered::{Counts, SCORE_STEP};
use super::html::{Html, grouped, payments};
use crate::cli::eval::Tally;
use crate::scoring::assessment::{Decision, ReasonCode};

/// A drawing of this size; `described` is read out to those who cannot see it.
fn drawing(
    html: &mut Html,
    (width, height): (f64, f64),
    described: &'static str,
    draw: impl FnOnce(&mut Html),
) {
    let view_box = format!("0 0 {width} {height}");
    let attributes: [(_, &dyn std::fmt::Display); 3] = [
        ("viewBox", &view_box),
        ("role", &"img"),
        ("aria-label", &described),
    ];
    html.element("svg", &attributes, draw);
}

/// A rectangle that tells `told` when pointed at.
fn bar(html: &mut Html, class: &'static str, at: (f64, f64), size: (f64, f64), told: &str) {
    let [x, y, width, height] = [at.0, at.1, size.0, size.1].map(rounded);
    let attributes: [(_, &dyn std::fmt::Display); 5] = [
        ("class", &class),
        ("x", &x),
        ("y", &y),
        ("width", &width),
        ("height", &height),
    ];
    html.element("rect", &attributes, |html| html.line("title", &[], told));
}

fn line(html: &mut Html, class: &'static str, from: (f64, f64), to: (f64, f64)) {
    let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(rounded);
    let attributes: [(_, &dyn std::fmt::Display); 5] = [
        ("class", &class),
        ("x1", &x1),
        ("y1", &y1),
        ("x2", &x2),
        ("y2", &y2),
    ];
    html.element("line", &attributes, |_| {});
}

/// Text that ends, begins or is centred at a point.
fn words(html: &mut Html, anchor: &'static str, at: (f64, f64), text: impl std::fmt::Display) {
    let (x, y) = (rounded(at.0), rounded(at.1));
    let attributes: [(_, &dyn std::fmt::Display); 3] =
        [("text-anchor", &anchor), ("x", &x), ("y", &y)];
    html.line("text", &attributes, text);
}

/// A tenth of a unit is finer than anybody sees.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "drawn, not counted")]
const fn drawn(count: u64) -> f64 {
    count as f64
}

/// The least round number that is not below `most`: 1, 2 or 5 and zeros.
fn round_top(most: u64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        for times in [1, 2, 5] {
            let top = unit.saturating_mul(times);
            if most <= top {
                return top;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// Bars over time, stacked of these decisions.
pub(super) fn over_time(html: &mut Html, bars: &[(String, Counts)], decisions: &[Decision]) {
    const LEFT: f64 = 64.0;
    const WIDTH: f64 = 930.0;
    const HEIGHT: f64 = 130.0;
    let stacked =
        |counts: &Counts| -> u64 { decisions.iter().map(|decision| counts.of(*decision)).sum() };
    let most = bars.iter().map(|(_, counts)| stacked(counts)).max();
    let top = round_top(most.unwrap_or(0).max(1));
    let height = |count: u64| HEIGHT * drawn(count) / drawn(top);
    let step = WIDTH / drawn(bars.len().max(1) as u64);
    let labels_every = bars.len().div_ceil(9);
    let described = "Decisions over time, stacked";
    drawing(html, (1_000.0, HEIGHT + 32.0), described, |html| {
        for tick in [0, top / 2, top] {
            let y = 8.0 + HEIGHT - height(tick);
            line(html, "grid", (LEFT, y), (LEFT + WIDTH, y));
            words(html, "end", (LEFT - 6.0, y + 4.0), grouped(tick));
        }
        for (nth, (name, counts)) in bars.iter().enumerate() {
            let x = LEFT + step * drawn(nth as u64);
            let mut y = 8.0 + HEIGHT;
            for decision in decisions {
                let count = counts.of(*decision);
                if count > 0 {
                    y -= height(count);
                    let told = format!("{name}: {} {decision}", grouped(count));
                    let size = (step * 0.86, height(count));
                    bar(html, decision.name(), (x, y), size, &told);
                }
            }
            if nth.is_multiple_of(labels_every) && x < LEFT + WIDTH - 60.0 {
                words(html, "start", (x, HEIGHT + 26.0), name);
            }
        }
    });
}

/// Bars of how many scores lie where, on a logarithmic scale, with the thresholds.
pub(super) fn scores(html: &mut Html, bars: &[Counts], thresholds: [(f64, &'static str); 2]) {
    const LEFT: f64 = 58.0;
    const WIDTH: f64 = 430.0;
    const HEIGHT: f64 = 270.0;
    const BOTTOM: f64 = HEIGHT + 24.0;
    let most = bars.iter().map(Counts::all).max().unwrap_or(0);
    let decades = drawn(most.max(9) + 1).log10().ceil();
    // One payment must be seen, and none must not.
    let height = |count: u64| HEIGHT * drawn(count + 1).log10() / decades;
    let step = WIDTH / drawn(bars.len().max(1) as u64);
    let x_of = |score: f64| LEFT + WIDTH * score / 100.0;
    drawing(
        html,
        (500.0, BOTTOM + 24.0),
        "How many scores lie where",
        |html| {
            let mut tick: u64 = 1;
            while drawn(tick).log10() < decades {
                let y = BOTTOM - height(tick);
                line(html, "grid", (LEFT, y), (LEFT + WIDTH, y));
                words(html, "end", (LEFT - 6.0, y + 4.0), grouped(tick));
                tick *= 10;
            }
            for (nth, counts) in bars.iter().enumerate() {
                let from = nth * SCORE_STEP;
                let x = LEFT + step * drawn(nth as u64);
                // The logarithm of a sum is no sum of logarithms: a bar has one colour, its hardest.
                let decision = Decision::ALL.iter().rev().find(|d| counts.of(**d) > 0);
                if let Some(decision) = decision {
                    let told = format!(
                        "{from} to {}: {} ({} confirm, {} block)",
                        from + SCORE_STEP,
                        payments(counts.all()),
                        grouped(counts.of(Decision::Confirm)),
                        grouped(counts.of(Decision::Block))
                    );
                    let size = (step * 0.86, height(counts.all()));
                    bar(html, decision.name(), (x, BOTTOM - size.1), size, &told);
                }
            }
            for score in [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] {
                words(html, "middle", (x_of(score), BOTTOM + 16.0), score);
            }
            for (score, name) in thresholds {
                line(
                    html,
                    "threshold",
                    (x_of(score), 14.0),
                    (x_of(score), BOTTOM),
                );
                words(html, "middle", (x_of(score), 10.0), name);
            }
        },
    );
}

/// Bars of how often each reason was given, and how often to somebody who was disturbed.
pub(super) fn reasons(html: &mut Html, reasons: &[(ReasonCode, Counts)]) {
    const LEFT: f64 = 170.0;
    const WIDTH: f64 = 210.0;
    const ROW: f64 = 24.0;
    let most = reasons.iter().map(|(_, counts)| counts.all()).max();
    let scale = drawn(most.unwrap_or(0) + 1).log10().max(1.0);
    let width = |count: u64| WIDTH * drawn(count + 1).log10() / scale;
    let height = ROW * drawn(reasons.len() as u64) + 4.0;
    drawing(
        html,
        (500.0, height),
        "How often each reason was given",
        |html| {
            for (nth, (code, counts)) in reasons.iter().enumerate() {
                let y = ROW * drawn(nth as u64) + 4.0;
                let (all, disturbed) = (counts.all(), counts.disturbed());
                let told = format!(
                    "{code}: {}, {} disturbed",
                    payments(all),
                    grouped(disturbed)
                );
                words(html, "end", (LEFT - 8.0, y + 12.0), code);
                bar(html, "allow", (LEFT, y), (width(all), 8.0), &told);
                bar(
                    html,
                    "confirm",
                    (LEFT, y + 8.0),
                    (width(disturbed), 8.0),
                    &told,
                );
                let numbers = format!("{} / {}", grouped(all), grouped(disturbed));
                words(html, "start", (LEFT + width(all) + 6.0, y + 12.0), numbers);
            }
        },
    );
}

/// A share on a scale, to as many digits as a quarter of the finest scale has.
fn share_told(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

/// Shares with their intervals, on a scale from 0 to the least round share that holds them.
pub(super) fn intervals(html: &mut Html, class: &'static str, shares: &[(String, Tally)]) {
    const LEFT: f64 = 190.0;
    const WIDTH: f64 = 440.0;
    const ROW: f64 = 24.0;
    let most = shares.iter().map(|(_, tally)| tally.stopped.interval().1);
    let top = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
        .into_iter()
        .find(|top| most.clone().all(|high| high <= *top))
        .unwrap_or(1.0);
    let x_of = |share: f64| LEFT + WIDTH * share / top;
    let bottom = ROW * drawn(shares.len() as u64) + 4.0;
    drawing(
        html,
        (1_000.0, bottom + 20.0),
        "Shares stopped, with intervals",
        |html| {
            for quarter in [0.0, 0.25, 0.5, 0.75, 1.0] {
                let x = x_of(top * quarter);
                line(html, "grid", (x, 0.0), (x, bottom));
                words(
                    html,
                    "middle",
                    (x, bottom + 15.0),
                    share_told(top * quarter),
                );
            }
            for (nth, (name, Tally { stopped, blocked })) in shares.iter().enumerate() {
                let y = ROW * drawn(nth as u64) + 14.0;
                let (low, high) = stopped.interval();
                let told = format!(
                    "{:.4} ({low:.4} to {high:.4}), blocked {:.4}, of {}",
                    stopped.value(),
                    blocked.value(),
                    grouped(stopped.of as u64)
                );
                words(html, "end", (LEFT - 10.0, y + 4.0), name);
                bar(
                    html,
                    class,
                    (x_of(low), y - 2.0),
                    (x_of(high) - x_of(low), 4.0),
                    &told,
                );
                let middle = (x_of(stopped.value()) - 2.5, y - 6.0);
                bar(html, class, middle, (5.0, 12.0), &told);
                words(html, "start", (LEFT + WIDTH + 14.0, y + 4.0), told);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_told_in_short_numbers() {
        for top in [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0] {
            for quarter in [0.0, 0.25, 0.5, 0.75, 1.0] {
                let told = share_told(top * quarter).to_string();
                assert!(told.len() <= "0.0125".len(), "{told}");
            }
        }
    }
}
