//! The command line.

use clap::{Parser, Subcommand};

pub mod replay;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(replay::ReplayArguments),
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> std::process::ExitCode {
    match Arguments::parse().command {
        Command::Replay(arguments) => replay::run(&arguments),
    }
}
