//! draft
use super::Ended;
use std::io::Write;
/// demo
#[derive(Debug, clap::Args)]
pub struct DemoArguments {}
/// demo
/// # Errors
/// never
pub fn run(_: &DemoArguments, _: &mut dyn Write) -> Ended {
    Ok(())
}
