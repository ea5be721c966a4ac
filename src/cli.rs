//! The command line: a module for each command, and how they end.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed at
//! work, 2 wrong usage or configuration.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::clock::{Clock as _, SystemClock};
use crate::config::fault::Fault;
use crate::telemetry;

pub mod check;
mod client;
pub mod demo;
pub mod echo;
pub mod eval;
pub mod evidence;
pub mod import;
pub mod journal;
mod json;
pub mod load;
pub mod outcome;
mod output;
pub mod replay;
pub mod score;
pub mod serve;
mod settings;
mod show;
mod source;
pub mod token;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed at work, 2 wrong usage or configuration.";

/// Asks, before money moves, whether the payer means this payment: allow, confirm or block.
///
/// Doublecheck remembers what each account paid lately and answers one question about every payment:
/// does the payer really mean it? Payment gateways ask it over gRPC; this program runs the service and
/// talks to it.
///
/// Without a command it serves, as `doublecheck serve` does.
#[derive(Debug, Parser)]
#[command(
    version,
    verbatim_doc_comment,
    args_conflicts_with_subcommands = true,
    after_long_help = "New here? `doublecheck demo` plays what the service is for, and needs nothing.\n\n\
        Exit codes: 0 done, 1 failed at work, 2 wrong usage or configuration."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArguments),
    Score(Box<score::ScoreArguments>),
    Outcome(outcome::OutcomeArguments),
    Evidence(evidence::EvidenceArguments),
    Check(check::CheckArguments),
    Demo(demo::DemoArguments),
    Replay(replay::ReplayArguments),
    Eval(eval::EvalArguments),
    Import(import::ImportArguments),
    Load(Box<load::LoadArguments>),
    Journal(journal::JournalArguments),
    Token(token::TokenArguments),
    #[command(hide = true)]
    Echo(echo::EchoArguments),
}

fn arguments() -> Result<Arguments, clap::Error> {
    let mut matches = without_empty_variables(Arguments::command()).try_get_matches()?;
    Arguments::from_arg_matches_mut(&mut matches)
        .map_err(|error| error.format(&mut Arguments::command()))
}

/// An empty variable counts as not set, for flags as for settings: who starts a container cannot always leave one
/// out.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|argument| match argument.get_env().is_some_and(is_empty) {
            true => argument.env(None::<&'static str>),
            false => argument,
        })
        .mut_subcommands(without_empty_variables)
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(wrong) if wrong.use_stderr() => {
            telemetry::unless_unread(move || drop(wrong.print()));
            return ExitCode::from(2);
        }
        // Help, for whoever asked for it.
        Err(help) => help.exit(),
    };
    let out = || io::stdout().lock();
    let ended = match &arguments.command {
        None => serve::run(&arguments.serve),
        Some(Command::Serve(serve)) => serve::run(serve),
        Some(Command::Score(score)) => score::run(score, &mut out()),
        Some(Command::Outcome(outcome)) => outcome::run(outcome, &mut out()),
        Some(Command::Evidence(evidence)) => evidence::run(evidence, &mut out()),
        Some(Command::Check(check)) => check::run(check, &mut out()),
        Some(Command::Demo(demo)) => demo::run(demo, &mut out()),
        Some(Command::Replay(replay)) => replay::run(replay),
        Some(Command::Eval(eval)) => eval::run(eval, &mut out()),
        Some(Command::Import(import)) => import::run(import, &mut out()),
        Some(Command::Load(load)) => load::run(load, &mut out()),
        Some(Command::Journal(journal)) => journal::run(journal, &mut out()),
        Some(Command::Token(token)) => token::run(token, &mut out()),
        Some(Command::Echo(echo)) => echo::run(echo),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// It failed at work.
    Work(String),
    /// It was used or configured wrongly.
    Usage(String),
    /// Whoever read the results has heard enough: no failure at all.
    ReaderGone,
}

impl Failure {
    fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Work(message) => (message, ExitCode::from(1)),
            Self::Usage(message) => (message, ExitCode::from(2)),
            Self::ReaderGone => return ExitCode::SUCCESS,
        };
        // Who does not listen is not waited for: the exit code says it.
        telemetry::unless_unread(move || tell(message));
        code
    }

    /// The same, told as an event of a log of JSON: whoever reads that takes each line for one.
    fn into_event(self) -> Self {
        let event = |message: String| {
            let time = jiff::Timestamp::from_millisecond(SystemClock::start().now().unix_ms());
            serde_json::json!({
                "timestamp": time.map_or_else(|_| String::new(), |time| time.to_string()),
                "level": "ERROR",
                "message": message.trim_start_matches("error: "),
                "target": "doublecheck",
            })
            .to_string()
        };
        match self {
            Self::Work(message) => Self::Work(event(message)),
            Self::Usage(message) => Self::Usage(event(message)),
            Self::ReaderGone => self,
        }
    }

    /// A configuration with these faults, one a line.
    fn faulty(faults: &[Fault]) -> Self {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Self::Usage(lines.join("\n"))
    }

    /// A file with a line that is no good.
    fn bad_line(path: &Path, number: u64, reason: impl fmt::Display) -> Self {
        Self::Work(format!("error: {}:{number}: {reason}", path.display()))
    }

    /// A failure at work, in a sentence that begins with what was tried.
    fn at_work(tried: impl fmt::Display, error: &dyn std::error::Error) -> Self {
        let mut message = format!("error: {tried}: {error}");
        push_causes(&mut message, error);
        Self::Work(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(message) | Self::Usage(message) => f.write_str(message),
            Self::ReaderGone => f.write_str("whoever read the results has heard enough"),
        }
    }
}

impl From<io::Error> for Failure {
    /// What writing results may fail with.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::at_work("writing the results", &error)
        }
    }
}

/// Adds what `error`, which `message` ends with, comes from.
fn push_causes(message: &mut String, error: &dyn std::error::Error) {
    let mut source = error.source();
    while let Some(cause) = source {
        // Errors that wrap one another often say the same again.
        let cause_text = cause.to_string();
        if !message.ends_with(&cause_text) {
            message.push_str(": ");
            message.push_str(&cause_text);
        }
        source = cause.source();
    }
}

/// How a command ends.
pub type Ended = Result<(), Failure>;

/// Says on standard error what is no result. Where nobody is left to tell, results and exit code are what
/// they would have been.
fn tell(message: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}
