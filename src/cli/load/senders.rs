//! The threads that send the load, each with connections and a runtime of its own.

use std::error::Error;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tonic::transport::Endpoint;

use super::check::Twin;
use super::interruption::Interruption;
use super::pacing::{Bounds, Pacing};
use super::payer::{Payer, Population};
use super::poisson::PoissonArrivals;
use super::progress::Progress;
use super::sender_context::SenderContext;
use super::tally::Tally;
use super::{batch, stream, unary};
use crate::cli::Failure;
pub(super) use crate::cli::client::Client;
use crate::cli::client::Credentials;
use crate::clock::Stopwatch;
use crate::random::Random;

/// How many calls of an open loop may be unanswered per connection. Further calls that are due wait, and the
/// wait counts. Servers handle about as many calls at once over one connection.
pub(super) const OPEN_IN_FLIGHT: usize = 256;

/// How payments are packed into calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Unary,
    Batch { size: u64 },
    Stream,
}

impl Mode {
    /// How many payments are in a call, or sent at once on a stream.
    pub(super) const fn call_payments(self) -> u64 {
        match self {
            Self::Unary | Self::Stream => 1,
            Self::Batch { size } => size,
        }
    }
}

/// What decides when a call is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// The answer to an earlier call.
    Closed { in_flight: usize },
    /// The time.
    Open { payments_per_second: f64 },
}

impl Pace {
    pub(super) const fn in_flight(self) -> usize {
        match self {
            Self::Closed { in_flight } => in_flight,
            Self::Open { .. } => OPEN_IN_FLIGHT,
        }
    }
}

/// One uninterrupted load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    pub(super) twin: Twin,
    pub(super) mode: Mode,
    /// Whether calls of one payment say whose it is, for a proxy that routes them.
    pub(super) says_account: bool,
    pub(super) pace: Pace,
    pub(super) bounds: Bounds,
    pub(super) population: Population,
    pub(super) seed: u64,
    /// Phases of one number pay the same; ids of others are others.
    pub(super) number: u64,
}

/// The result of a phase, and how long it took.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) tally: Tally,
    pub(super) took: Duration,
}

/// The threads that send to one server.
#[derive(Debug)]
pub(super) struct Senders {
    senders: Vec<Sender>,
    interruption: Interruption,
}

#[derive(Debug)]
struct Sender {
    runtime: Runtime,
    clients: Vec<Client>,
}

impl Senders {
    /// Opens `connections` to a server, shared out among `threads`.
    pub(super) fn connect(
        endpoint: &Endpoint,
        credentials: &Credentials,
        connections: usize,
        threads: usize,
        interruption: &Interruption,
    ) -> Result<Self, Failure> {
        let unreached =
            |why: &(dyn Error + 'static)| credentials.unreached(&endpoint.uri().to_string(), why);
        let connect = || async {
            tokio::select! {
                channel = endpoint.connect() => channel.map_err(|error| unreached(&error)),
                () = interruption.clone().told() => {
                    Err(unreached(&io::Error::from(io::ErrorKind::Interrupted)))
                }
            }
        };
        let senders = (0..threads).map(|thread| {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Failure::at_work("starting a runtime", &error))?;
            let clients = (thread..connections).step_by(threads).map(|_| {
                let channel = runtime.block_on(connect())?;
                Ok(credentials.client(channel))
            });
            let clients = clients.collect::<Result<_, Failure>>()?;
            Ok(Sender { runtime, clients })
        });
        Ok(Self {
            senders: senders.collect::<Result<_, Failure>>()?,
            interruption: interruption.clone(),
        })
    }

    /// Sends one phase.
    pub(super) fn run(&self, phase: &Phase, progress: &Progress) -> Result<Ran, Failure> {
        const SHOW_EVERY: Duration = Duration::from_millis(250);
        let tallies: Vec<_> = (0..self.senders.len())
            .map(|_| Arc::new(Mutex::new(Tally::new(phase.twin))))
            .collect();
        let stopwatch = Arc::new(Stopwatch::start());
        let watcher = thread::current();
        let ended: Result<Vec<Duration>, Failure> = thread::scope(|scope| {
            let senders = self.senders.iter().zip(&tallies).enumerate();
            let threads: Vec<_> = senders
                .map(|(nth, (sender, tally))| {
                    let share = phase.share(nth, self.senders.len());
                    let stopwatch = Arc::clone(&stopwatch);
                    let watcher = watcher.clone();
                    scope.spawn(move || {
                        let ended = sender.run(&share, stopwatch, tally, &self.interruption);
                        watcher.unpark();
                        ended
                    })
                })
                .collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                thread::park_timeout(SHOW_EVERY);
                progress.show(stopwatch.elapsed(), &tallies);
            }
            let joined = threads.into_iter().map(|thread| {
                let ended = thread.join();
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            joined.collect()
        });
        let took = ended?.into_iter().max().unwrap_or_default();
        let mut tally = Tally::new(phase.twin);
        for part in &tallies {
            tally.add(&part.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(Ran { tally, took })
    }
}

impl Phase {
    /// The part of it that thread `nth` of `threads` sends.
    fn share(&self, nth: usize, threads: usize) -> Self {
        let (nth, threads) = (nth as u64, threads as u64);
        let mut share = *self;
        share.number = self.number * threads + nth;
        if self.bounds.payments != u64::MAX {
            let rest = self.bounds.payments % threads;
            share.bounds.payments = self.bounds.payments / threads + u64::from(nth < rest);
        }
        if let Pace::Open {
            payments_per_second,
        } = &mut share.pace
        {
            *payments_per_second /= threads as f64;
        }
        share.population.spread = self.population.spread.share(nth, threads);
        share
    }

    fn pacing(&self, stopwatch: Arc<Stopwatch>) -> io::Result<Pacing> {
        let call_payments = self.mode.call_payments();
        match self.pace {
            Pace::Closed { .. } => Ok(Pacing::closed(stopwatch, self.bounds, call_payments)),
            Pace::Open {
                payments_per_second,
            } => {
                // A random stream of its own, independent of the payments.
                let random = Random::stream(!self.seed, self.number);
                let arrivals =
                    PoissonArrivals::new(random, payments_per_second / call_payments as f64);
                Pacing::open(stopwatch, self.bounds, call_payments, arrivals)
            }
        }
    }
}

/// How a phase ends.
enum End {
    /// With its last answer.
    Whole,
    GivenUp,
    Interrupted,
}

impl Sender {
    /// Sends `phase`, and tells how long that took, to the last answer.
    fn run(
        &self,
        phase: &Phase,
        stopwatch: Arc<Stopwatch>,
        tally: &Arc<Mutex<Tally>>,
        interruption: &Interruption,
    ) -> Result<Duration, Failure> {
        let pacing = phase
            .pacing(Arc::clone(&stopwatch))
            .map_err(|error| Failure::at_work("starting a thread", &error))?;
        let payer = Payer::new(phase.population, phase.seed, phase.number);
        let context = SenderContext::new(Arc::clone(&stopwatch), pacing, payer, Arc::clone(tally));
        let context = Rc::new(context);
        let lanes = LocalSet::new();
        for client in &self.clients {
            let in_flight = phase.pace.in_flight();
            let spread = match phase.mode {
                Mode::Unary | Mode::Batch { .. } => in_flight,
                Mode::Stream => 1,
            };
            for _ in 0..spread {
                let (context, client) = (Rc::clone(&context), client.clone());
                match phase.mode {
                    Mode::Unary => {
                        lanes.spawn_local(unary::lane(context, client, phase.says_account))
                    }
                    Mode::Batch { .. } => lanes.spawn_local(batch::lane(context, client)),
                    Mode::Stream => lanes.spawn_local(stream::lane(context, client, in_flight)),
                };
            }
        }
        let end = self.runtime.block_on(async {
            tokio::select! {
                () = lanes => End::Whole,
                () = context.out_of_patience(phase.bounds) => End::GivenUp,
                () = interruption.clone().told() => End::Interrupted,
            }
        });
        match end {
            End::Whole => return Ok(stopwatch.elapsed()),
            End::GivenUp => context.give_up(),
            End::Interrupted => {}
        }
        Ok(phase.bounds.loaded(context.heard(), stopwatch.elapsed()))
    }
}
