//! A page of metrics, in the text format of Prometheus.

use std::fmt::{Display, Write as _};

/// What kind of a metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises, until the process restarts.
    Counter,
    /// It rises and falls.
    Gauge,
    /// How many observations were at most as large as each bound.
    Histogram,
}

impl Kind {
    /// Its name, as in the format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric, whatever its labels say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name; the unit is in it.
    pub name: &'static str,
    /// Of what kind.
    pub kind: Kind,
    /// The names of its labels. What they say is from closed sets: never an account, payee or device.
    pub labels: &'static [&'static str],
    /// What it tells, in one line.
    pub help: &'static str,
}

/// How observations are distributed.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution<'a> {
    /// The greatest of each bucket but the last, which has none.
    pub bounds: &'a [f64],
    /// How many observations are in each bucket.
    pub counts: &'a [u64],
    /// Their sum.
    pub sum: f64,
}

/// A page under way.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Puts a metric on the page that is one number.
    pub fn one(&mut self, family: &Family, value: impl Display) {
        self.family(family).put(&[], value);
    }

    /// Begins a metric; its samples come next.
    pub fn family<'a>(&'a mut self, family: &'a Family) -> Samples<'a> {
        let Family {
            name, kind, help, ..
        } = family;
        self.write(format_args!("# HELP {name} {}\n", help.trim()));
        self.write(format_args!("# TYPE {name} {}\n", kind.name()));
        Samples { page: self, family }
    }

    /// The whole page.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // A text takes whatever is written to it.
        let _ = self.0.write_fmt(text);
    }
}

/// The samples of one metric.
#[derive(Debug)]
pub struct Samples<'a> {
    page: &'a mut Page,
    family: &'a Family,
}

impl Samples<'_> {
    /// Puts a number, with what each of the metric's labels says.
    pub fn put(&mut self, labels: &[&str], value: impl Display) {
        self.sample("", labels, None, &value);
    }

    /// Puts the numbers of a histogram.
    pub fn put_distribution(&mut self, labels: &[&str], distribution: &Distribution<'_>) {
        let Distribution {
            bounds,
            counts,
            sum,
        } = distribution;
        let mut count = 0;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, more) in bounds.zip(*counts) {
            count += more;
            let bound = match bound.is_finite() {
                true => bound.to_string(),
                false => "+Inf".to_owned(),
            };
            self.sample("_bucket", labels, Some(&bound), &count);
        }
        self.sample("_sum", labels, None, sum);
        self.sample("_count", labels, None, &count);
    }

    fn sample(&mut self, suffix: &str, said: &[&str], bound: Option<&str>, value: &dyn Display) {
        let page = &mut *self.page;
        page.write(format_args!("{}{suffix}", self.family.name));
        let labels = self.family.labels.iter().copied().zip(said.iter().copied());
        let labels = labels.chain(bound.map(|bound| ("le", bound)));
        let mut open = '{';
        for (name, said) in labels {
            page.write(format_args!("{open}{name}=\"{}\"", escaped(said)));
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        page.write(format_args!("{close} {value}\n"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_as_the_format_asks() {
        const CALLS: Family = Family {
            name: "calls_total",
            kind: Kind::Counter,
            labels: &["method", "code"],
            help: " Calls.",
        };
        const SECONDS: Family = Family {
            name: "call_seconds",
            kind: Kind::Histogram,
            labels: &["method"],
            help: " How long.",
        };
        const HEAT: Family = Family {
            name: "heat_celsius",
            kind: Kind::Gauge,
            labels: &[],
            help: "How hot.",
        };
        let mut page = Page::default();
        page.family(&CALLS).put(&["a\"\\\n", "OK"], 3);
        let distribution = Distribution {
            bounds: &[0.001, 0.1],
            counts: &[2, 0, 5],
            sum: 1.5,
        };
        page.family(&SECONDS)
            .put_distribution(&["a"], &distribution);
        page.one(&HEAT, -1.25);
        let expected = "\
# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{method=\"a\\\"\\\\\\n\",code=\"OK\"} 3
# HELP call_seconds How long.
# TYPE call_seconds histogram
call_seconds_bucket{method=\"a\",le=\"0.001\"} 2
call_seconds_bucket{method=\"a\",le=\"0.1\"} 2
call_seconds_bucket{method=\"a\",le=\"+Inf\"} 7
call_seconds_sum{method=\"a\"} 1.5
call_seconds_count{method=\"a\"} 7
# HELP heat_celsius How hot.
# TYPE heat_celsius gauge
heat_celsius -1.25
";
        assert_eq!(page.finish(), expected);
    }
}
