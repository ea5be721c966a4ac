//! What can be asked of a load, on the command line.

use std::path::PathBuf;
use std::time::Duration;

use super::mistakes::Mistakes;

/// Where the load goes to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerArguments {
    /// A server that runs already [default: one of its own, started for the load and ended after it]
    #[arg(long, value_name = "URL")]
    pub(super) address: Option<String>,
    /// A file with the token to call with, and nothing else
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// The roots that the server's certificate must come from, in PEM: calls go over TLS. The certificate of
    /// a server that is started must be good for `localhost`
    #[arg(long, value_name = "FILE", visible_alias = "ca")]
    pub(super) tls_ca: Option<PathBuf>,
    /// The certificate to show the server, in PEM
    #[arg(long, value_name = "FILE", visible_alias = "cert", requires_all = ["tls_client_key", "tls_ca"])]
    pub(super) tls_client_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(
        long,
        value_name = "FILE",
        visible_alias = "key",
        requires = "tls_client_certificate"
    )]
    pub(super) tls_client_key: Option<PathBuf>,
    /// A process of that server, on this machine, whose processor time to tell (on Linux); may be
    /// repeated for those that it calls
    #[arg(long, value_name = "PID", requires = "address")]
    pub(super) pid: Vec<u32>,
    /// Measure the echo twin too, by turns: a bare server of the same messages that allows everything
    #[arg(long)]
    pub(super) echo: bool,
    /// How many threads the servers it starts use [default: as they do by themselves]
    #[arg(long, value_name = "COUNT")]
    pub(super) threads: Option<u16>,
    /// More arguments for the `doublecheck serve` it starts, after `--`
    #[arg(last = true, value_name = "SERVE ARGUMENTS")]
    pub(super) serve: Vec<String>,
}

/// When calls leave, and what a call is.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Calls")]
pub(super) struct CallArguments {
    /// How payments are put into calls
    #[arg(long, value_enum, default_value = "unary")]
    pub(super) mode: ModeName,
    /// Payments in a call, in mode batch [default: 64]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(super) batch_size: Option<u64>,
    /// Connections to the server
    #[arg(long, value_name = "COUNT", default_value = "8", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) connections: u16,
    /// Closed loop: calls (in mode stream: items) that each connection has unanswered at any time
    /// [default: 32]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) in_flight: Option<u16>,
    /// Open loop: payments a second, sent when they are due and not when there is room
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// Threads that send
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) client_threads: u16,
}

/// Who pays whom, and what goes wrong.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Payments")]
pub(super) struct PaymentArguments {
    /// How many accounts pay
    #[arg(long, value_name = "COUNT", default_value = "100000", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) accounts: u64,
    /// How payments spread over accounts
    #[arg(long, value_enum, default_value = "uniform")]
    pub(super) distribution: Distribution,
    /// How steep zipf is [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = exponent)]
    pub(super) zipf_exponent: Option<f64>,
    /// How many payees each account pays by turns
    #[arg(long, value_name = "COUNT", default_value = "4", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(super) payees_per_account: u64,
    /// The share of payments that repeat an earlier one: 0.01, or by kind:
    /// double_press=0.01,timeout_retry=0.01,resubmit=0.01,same_id=0.01
    #[arg(long, value_name = "SHARES", default_value = "0.01", value_parser = Mistakes::parse)]
    pub(super) mistakes: Mistakes,
    /// Payments that each account has made before anything is measured
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = clap::value_parser!(u64).range(..=100_000))]
    pub(super) prefill: u64,
    /// What payments are made up from: the same seed, the same payments [default: a new one]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
}

/// How long to measure, and where the results go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Measuring")]
pub(super) struct MeasuringArguments {
    /// How long to load the server before each round, unmeasured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(super) warm_up: Duration,
    /// How long a round is measured, such as 500ms or 2m [default: 5s, or without end if --payments is
    /// given]
    #[arg(long, value_name = "TIME", value_parser = time_that_lasts)]
    pub(super) duration: Option<Duration>,
    /// After how many payments a round ends at the latest
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) payments: Option<u64>,
    /// How many rounds to measure [default: 1, with --echo 5 of each]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) rounds: Option<u16>,
    /// How long to wait for a server to start, for the last answers once a round is over, and for any answer
    /// at all where nothing but --payments ends it, or in --prefill
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(super) patience: Duration,
    /// Write the distribution of latencies in µs, as HdrHistogram's plotter reads it; that of the echo
    /// twin goes to FILE.echo
    #[arg(long, value_name = "FILE")]
    pub(super) histogram: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ModeName {
    /// One payment a call
    Unary,
    /// Many payments a call
    Batch,
    /// One long call for each connection
    Stream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Distribution {
    /// All alike
    Uniform,
    /// Few accounts make most payments
    Zipf,
}

fn rate(text: &str) -> Result<f64, &'static str> {
    number(text, 0.01, 10_000_000.0).ok_or("must be 0.01 to 10000000 payments a second")
}

fn exponent(text: &str) -> Result<f64, &'static str> {
    number(text, 0.01, 10.0).ok_or("must be 0.01 to 10")
}

fn number(text: &str, min: f64, max: f64) -> Option<f64> {
    let number = text.parse().ok()?;
    (min..=max).contains(&number).then_some(number)
}

fn time_that_lasts(text: &str) -> Result<Duration, &'static str> {
    match time(text)? {
        Duration::ZERO => Err("must be longer than nothing"),
        time => Ok(time),
    }
}

fn time(text: &str) -> Result<Duration, &'static str> {
    let span: Option<jiff::SignedDuration> = text.parse().ok();
    span.and_then(|span| Duration::try_from(span).ok())
        .ok_or("must be a length of time such as 10s, 2m or 500ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_held_to_what_makes_sense() {
        assert_eq!(rate("2.5e4"), Ok(25_000.0));
        for bad in ["0", "-1", "NaN", "inf", "fast"] {
            assert!(rate(bad).is_err(), "{bad}");
            assert!(exponent(bad).is_err(), "{bad}");
        }
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert!(time_that_lasts("0s").is_err());
        assert_eq!(time_that_lasts("1s"), Ok(Duration::from_secs(1)));
        assert!(time("-1s").is_err());
        assert!(time("soon").is_err());
    }
}
