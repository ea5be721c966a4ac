//! What was asked for, made sense of: every question answered, and contradictions told.

use std::time::Duration;

use serde_json::{Value, json};

use super::LoadArguments;
use super::accounts::{Spread, Zipf};
use super::arguments::{CallArguments, Distribution, ModeName, PaymentArguments, ServerArguments};
use super::check::Twin;
use super::cpu;
use super::mistakes::{AFTER_PAYMENTS_MAX, Mistakes};
use super::pacing::Bounds;
use super::payer::Population;
use super::senders::{Mode, Pace};
use crate::cli::Failure;
use crate::cli::client::{Bearer, Credentials, tls};

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) mode: Mode,
    pub(super) pace: Pace,
    pub(super) connections: usize,
    pub(super) client_threads: usize,
    pub(super) population: Population,
    pub(super) accounts: u64,
    pub(super) zipf_exponent: Option<f64>,
    pub(super) prefill: u64,
    pub(super) seed: u64,
    pub(super) warm_up: Duration,
    pub(super) bounds: Bounds,
    pub(super) rounds: u64,
    pub(super) twins: Vec<Twin>,
    pub(super) address: Option<String>,
    pub(super) credentials: Credentials,
    pub(super) pids: Vec<u32>,
    pub(super) threads: Option<u16>,
    pub(super) serve: Vec<String>,
}

impl Plan {
    pub(super) fn new(arguments: &LoadArguments) -> Result<Self, Failure> {
        let (server, calls) = (&arguments.server, &arguments.calls);
        let (payments, measuring) = (&arguments.payments, &arguments.measuring);
        contradictions(arguments)?;
        if let Some(pid) = server.pid.iter().find(|pid| cpu::is_missing(**pid)) {
            return Err(Failure::Usage(format!(
                "error: --pid: there is no process {pid}"
            )));
        }
        let mode = match calls.mode {
            ModeName::Unary => Mode::Unary,
            ModeName::Batch => Mode::Batch {
                size: calls.batch_size.unwrap_or(64),
            },
            ModeName::Stream => Mode::Stream,
        };
        let pace = match calls.rate {
            Some(payments_per_second) => Pace::Open {
                payments_per_second,
            },
            None => Pace::Closed {
                in_flight: calls.in_flight.unwrap_or(32).into(),
            },
        };
        let duration = match (measuring.duration, measuring.payments) {
            (Some(duration), _) => duration,
            (None, Some(_)) => Duration::MAX,
            (None, None) => Duration::from_secs(5),
        };
        let seed = match payments.seed {
            Some(seed) => seed,
            // Short enough to be typed again.
            None => getrandom::u32()
                .map(u64::from)
                .map_err(|error| Failure::at_work("making up a seed", &error))?,
        };
        let (twins, rounds) = match server.echo {
            true => (vec![Twin::Score, Twin::Echo], 5),
            false => (vec![Twin::Score], 1),
        };
        Ok(Self {
            mode,
            pace,
            connections: calls.connections.into(),
            client_threads: calls.client_threads.into(),
            population: population(payments, calls, mode, pace)?,
            accounts: payments.accounts,
            zipf_exponent: zipf_exponent(payments),
            prefill: payments.prefill,
            seed,
            warm_up: measuring.warm_up,
            bounds: Bounds {
                duration,
                payments: measuring.payments.unwrap_or(u64::MAX),
                patience: measuring.patience,
            },
            rounds: measuring.rounds.map_or(rounds, u64::from),
            twins,
            address: server.address.clone(),
            credentials: credentials(server)?,
            pids: server.pid.clone(),
            threads: server.threads,
            serve: server.serve.clone(),
        })
    }

    /// The plan in numbers, for programs.
    pub(super) fn json(&self) -> Value {
        let (mode, batch_size) = match self.mode {
            Mode::Unary => ("unary", None),
            Mode::Batch { size } => ("batch", Some(size)),
            Mode::Stream => ("stream", None),
        };
        let (in_flight, rate) = match self.pace {
            Pace::Closed { in_flight } => (Some(in_flight), None),
            Pace::Open {
                payments_per_second,
            } => (None, Some(payments_per_second)),
        };
        let mistakes = self.population.mistakes.shares();
        let mistakes: serde_json::Map<String, Value> = mistakes
            .map(|(mistake, share)| (mistake.name().to_owned(), json!(share)))
            .collect();
        let Bounds {
            duration,
            payments,
            patience,
        } = self.bounds;
        json!({
            "mode": mode,
            "batch_size": batch_size,
            "connections": self.connections,
            "in_flight": in_flight,
            "rate_per_second": rate,
            "client_threads": self.client_threads,
            "accounts": self.accounts,
            "zipf_exponent": self.zipf_exponent,
            "payees_per_account": self.population.payees_per_account,
            "mistakes": mistakes,
            "prefill": self.prefill,
            "seed": self.seed,
            "warm_up_seconds": self.warm_up.as_secs_f64(),
            "duration_seconds": (duration < Duration::MAX).then_some(duration.as_secs_f64()),
            "payments": (payments < u64::MAX).then_some(payments),
            "patience_seconds": patience.as_secs_f64(),
            "rounds": self.rounds,
            "address": self.address,
            "tls": self.credentials.tls.is_some(),
            "token": self.credentials.bearer.is_given(),
            "threads": self.threads,
            "serve": self.serve,
        })
    }
}

fn credentials(server: &ServerArguments) -> Result<Credentials, Failure> {
    let ServerArguments {
        tls_ca: ca,
        tls_client_certificate: certificate,
        tls_client_key: key,
        ..
    } = server;
    let token = server.token_file.as_ref();
    let bearer = token.map(|path| Bearer::read("--token-file", path));
    Ok(Credentials {
        tls: tls(ca.as_ref(), certificate.as_ref(), key.as_ref())?,
        bearer: bearer.transpose()?.unwrap_or_default(),
    })
}

fn zipf_exponent(payments: &PaymentArguments) -> Option<f64> {
    match payments.distribution {
        Distribution::Uniform => None,
        Distribution::Zipf => Some(payments.zipf_exponent.unwrap_or(1.0)),
    }
}

/// Arguments that cannot both be meant.
fn contradictions(arguments: &LoadArguments) -> Result<(), Failure> {
    let LoadArguments {
        server,
        calls,
        payments,
        ..
    } = arguments;
    let told = [
        (
            calls.rate.is_some() && calls.in_flight.is_some(),
            "--rate and --in-flight: in an open loop payments leave when they are due, however many \
             are unanswered; in a closed loop the answers say when. Choose one",
        ),
        (
            calls.batch_size.is_some() && calls.mode != ModeName::Batch,
            "--batch-size: only --mode batch has batches",
        ),
        (
            payments.zipf_exponent.is_some() && payments.distribution != Distribution::Zipf,
            "--zipf-exponent: only --distribution zipf has an exponent",
        ),
        (
            calls.client_threads > calls.connections,
            "--client-threads: each thread needs a connection of its own; raise --connections",
        ),
        (
            server.address.is_some() && server.echo,
            "--address and --echo: the echo twin is compared with a server on the same machine, which \
             --echo starts itself",
        ),
        (
            server.tls_ca.is_some() && server.echo,
            "--tls-ca and --echo: the echo twin speaks no TLS; measure the service with and without it",
        ),
        (
            server.address.is_some() && (server.threads.is_some() || !server.serve.is_empty()),
            "--address: a server that runs already takes no arguments; --threads and those after `--` \
             are for one that is started",
        ),
    ];
    match told.iter().find(|(contradictory, _)| *contradictory) {
        Some((_, why)) => Err(Failure::Usage(format!("error: {why}"))),
        None => Ok(()),
    }
}

/// A service remembers an account's newest payments only (256, if not set otherwise), so that a
/// mistake can be held to what it repeats only if few others of the account come in between.
const BETWEEN_MAX: f64 = 64.0;

fn population(
    payments: &PaymentArguments,
    calls: &CallArguments,
    mode: Mode,
    pace: Pace,
) -> Result<Population, Failure> {
    let accounts = payments.accounts;
    let spread = match zipf_exponent(payments) {
        Some(exponent) => Spread::Zipf(Zipf::new(accounts, exponent)),
        None => Spread::Uniform { accounts },
    };
    let unanswered = usize::from(calls.connections) * pace.in_flight();
    let between = unanswered as f64 * mode.call_payments() as f64
        + AFTER_PAYMENTS_MAX as f64 * f64::from(calls.client_threads);
    let first_mistaken = spread.first_below(BETWEEN_MAX / between);
    if first_mistaken.is_none() && payments.mistakes != Mistakes::NONE {
        return Err(Failure::Usage(format!(
            "error: --mistakes: with {accounts} accounts, a payment may be forgotten before its repeat \
             comes; raise --accounts (to {:.0}, if uniform), or set --mistakes 0",
            (between / BETWEEN_MAX).ceil()
        )));
    }
    Ok(Population {
        spread,
        payees_per_account: payments.payees_per_account,
        mistakes: payments.mistakes,
        first_mistaken: first_mistaken.unwrap_or(u64::MAX),
    })
}
