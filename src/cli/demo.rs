//! `demo`: plays what the service is for.

use std::io::Write;

use super::client::block_on;
use super::{Ended, Failure};

mod paint;
mod player;
mod stage;
mod stories;
mod story;
mod teller;

use paint::Paint;
use player::Player;
use stage::Stage;
use stories::STORIES;
use teller::Teller;

/// Play what happens to people who pay, and what Doublecheck says to it
///
/// Starts a server of its own for each story, lets an account pay as usual for some weeks on a clock
/// that is moved by hand, and then plays the story through a real client: nothing is sent anywhere,
/// nothing is kept. Each line is one payment: when, what, the decision, the score from 0 to 100, and
/// the reasons; below it what the payer is told. At the end it says whether every decision was the
/// one that the design promises.
///
/// Example:
///   doublecheck demo | less
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct DemoArguments {}

/// Runs `demo`.
///
/// # Errors
/// When a story is not decided as promised, or the server cannot be run.
pub fn run(_arguments: &DemoArguments, out: &mut dyn Write) -> Ended {
    let mut broken = Vec::new();
    block_on(async {
        for (story, number) in STORIES.iter().zip(1..) {
            let stage = Stage::open().await?;
            let teller = Teller::new(&mut *out, Paint::for_stdout());
            if !Player::new(stage, teller).play(number, story).await? {
                broken.push(story.title);
            }
        }
        Ok(())
    })?;
    let stories = STORIES.len();
    if broken.is_empty() {
        writeln!(out, "{stories} stories, all decided as promised")?;
        return Ok(());
    }
    writeln!(
        out,
        "{stories} stories, {} not decided as promised",
        broken.len()
    )?;
    let titles = broken.join("\n  ");
    Err(Failure::Work(format!(
        "error: not as promised:\n  {titles}"
    )))
}
