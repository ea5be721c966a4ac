//! Measuring: servers started, filled, warmed up, and loaded by turns.

use std::path::Path;
use std::time::Duration;

use super::accounts::Spread;
use super::check::Twin;
use super::interruption::Interruption;
use super::mistakes::Mistakes;
use super::pacing::Bounds;
use super::payer::Population;
use super::plan::Plan;
use super::progress::Progress;
use super::senders::{Mode, Pace, Phase, Senders};
use super::server::{OwnServer, Server};
use super::tally::Tally;
use crate::cli::Failure;

/// What came of one round.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) twin: Twin,
    pub(super) tally: Tally,
    pub(super) took: Duration,
    /// What the server's processor time grew by, where that is known.
    pub(super) cpu: Option<Duration>,
}

/// What came of all of them.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) rounds: Vec<Round>,
    /// What answers waited for, where the server is one of ours.
    pub(super) journal_ack: Option<String>,
}

/// Runs `plan`: every round, of each twin by turns.
pub(super) fn measure(
    plan: &Plan,
    program: &Path,
    progress: &Progress,
    interruption: &Interruption,
) -> Result<Measured, Failure> {
    let stands = plan
        .twins
        .iter()
        .map(|twin| Stand::open(plan, *twin, program, interruption));
    let stands: Vec<Stand> = stands.collect::<Result<_, _>>()?;
    for stand in &stands {
        stand.prefill(plan, progress)?;
    }
    // The service comes first.
    let journal_ack = stands.first().and_then(|stand| stand.server.journal_ack());
    Ok(Measured {
        journal_ack: journal_ack.map(str::to_owned),
        rounds: by_turns(plan, &stands, progress, interruption)?,
    })
}

fn by_turns(
    plan: &Plan,
    stands: &[Stand],
    progress: &Progress,
    interruption: &Interruption,
) -> Result<Vec<Round>, Failure> {
    let mut rounds = Vec::new();
    for nth in 0..plan.rounds {
        for stand in stands {
            let round = stand.round(plan, nth, progress);
            if interruption.is_told() {
                // What it lacks is no failure of its own.
                rounds.extend(round.ok().flatten());
                return Ok(rounds);
            }
            rounds.extend(round?);
        }
    }
    Ok(rounds)
}

/// A server under load.
struct Stand {
    twin: Twin,
    server: Server,
    interruption: Interruption,
}

impl Stand {
    fn open(
        plan: &Plan,
        twin: Twin,
        program: &Path,
        interruption: &Interruption,
    ) -> Result<Self, Failure> {
        let server = match &plan.address {
            Some(address) => Server::Running {
                address: address.clone(),
                pids: plan.pids.clone(),
            },
            None => {
                let threads = plan.threads.map(|threads| format!("--threads={threads}"));
                let more = match twin {
                    Twin::Score => plan.serve.as_slice(),
                    Twin::Echo => &[],
                };
                let arguments: Vec<String> = threads.into_iter().chain(more.to_vec()).collect();
                Server::Own(OwnServer::start(
                    program,
                    twin,
                    &arguments,
                    plan.bounds.patience,
                    interruption,
                )?)
            }
        };
        Ok(Self {
            twin,
            server,
            interruption: interruption.clone(),
        })
    }

    /// Who loads it. Its connections are new each time: a server deals connections out to its threads by
    /// chance, and no round should be measured by the luck of an earlier one.
    fn senders(&self, plan: &Plan) -> Result<Senders, Failure> {
        let Plan {
            connections,
            client_threads,
            credentials,
            ..
        } = plan;
        let endpoint = self.server.endpoint(credentials)?;
        Senders::connect(
            &endpoint,
            credentials,
            *connections,
            *client_threads,
            &self.interruption,
        )
    }

    /// Lets every account pay, for the service to remember.
    fn prefill(&self, plan: &Plan, progress: &Progress) -> Result<(), Failure> {
        let payments = plan.accounts * plan.prefill;
        if payments == 0 || self.twin == Twin::Echo {
            return Ok(());
        }
        let in_turn = Spread::InTurn {
            accounts: plan.accounts,
            first: 0,
            step: 1,
        };
        let phase = Phase {
            twin: self.twin,
            mode: Mode::Stream,
            says_account: false,
            pace: Pace::Closed { in_flight: 256 },
            bounds: Bounds {
                duration: Duration::MAX,
                payments,
                patience: plan.bounds.patience,
            },
            population: Population {
                spread: in_turn,
                mistakes: Mistakes::NONE,
                ..plan.population
            },
            seed: plan.seed,
            number: 0,
        };
        progress.begin(format!("{payments} payments before"));
        let ran = self.senders(plan)?.run(&phase, progress)?;
        if self.interruption.is_told() {
            return Ok(());
        }
        if ran.tally.answered < payments || ran.tally.wrongs() > 0 {
            let wrongs = ran.tally.wrongs();
            let errors: Vec<_> = ran.tally.errors.iter().collect();
            let (answered, unanswered) = (ran.tally.answered, ran.tally.unanswered);
            let why = format!(
                "{answered} of {payments} payments were answered, {wrongs} wrongly, {unanswered} waited \
                 for in vain; errors: {errors:?}"
            );
            return Err(Failure::Work(format!("error: filling the server: {why}")));
        }
        Ok(())
    }

    /// One round; none if it is interrupted before anything of it is measured.
    fn round(&self, plan: &Plan, nth: u64, progress: &Progress) -> Result<Option<Round>, Failure> {
        let phase = |bounds, number| Phase {
            twin: self.twin,
            mode: plan.mode,
            // Ours are reached without a proxy, and the header would be measured too.
            says_account: plan.address.is_some(),
            pace: plan.pace,
            bounds,
            population: plan.population,
            seed: plan.seed,
            number,
        };
        let warming = Bounds {
            duration: plan.warm_up,
            payments: u64::MAX,
            patience: plan.bounds.patience,
        };
        let twin = self.twin.name();
        let label = |what| format!("{twin} {}/{}{what}", nth + 1, plan.rounds);
        let senders = self.senders(plan)?;
        let warmed = phase(warming, 1 + 2 * nth);
        progress.begin(label(" warming up"));
        let warmed = senders.run(&warmed, progress)?;
        if self.interruption.is_told() {
            return Ok(None);
        }
        // Calls that were given up are still under way on their connections.
        let senders = match warmed.tally.unanswered {
            0 => senders,
            _ => self.senders(plan)?,
        };
        let cpu_before = self.server.cpu();
        let measured = phase(plan.bounds, 2 + 2 * nth);
        progress.begin(label(""));
        let mut ran = senders.run(&measured, progress)?;
        // Nobody measures the warm-up, but wrong is wrong.
        ran.tally.add_wrongs(&warmed.tally);
        let cpu = self.server.cpu().zip(cpu_before);
        Ok(Some(Round {
            twin: self.twin,
            tally: ran.tally,
            took: ran.took,
            cpu: cpu.map(|(after, before)| after.saturating_sub(before)),
        }))
    }
}
