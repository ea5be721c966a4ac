//! draft
/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArguments {}

/// Runs `replay`.
#[must_use]
pub fn run(_arguments: &ReplayArguments) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
