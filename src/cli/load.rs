//! `load`: how fast a server answers, how soon, at what cost; and whether it answers rightly meanwhile.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Ended, Failure, output};

mod poisson;
mod accounts;
mod mistakes;
mod payer;
mod check;
mod latency;
mod tally;
mod pacing;
mod sender_context;
mod unary;
mod batch;
mod stream;
mod interruption;
mod senders;
mod cpu;
mod server;
mod arguments;
mod plan;
mod progress;
mod measure;
mod summary;
mod distribution;
mod report;

use arguments::{CallArguments, MeasuringArguments, PaymentArguments, ServerArguments};
use interruption::Interruption;
use plan::Plan;
use progress::Progress;
use summary::Summary;

/// Load a server with payments, and tell how fast and how rightly it answers
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --address it starts a server of its own under built-in settings, but for one: it keeps nothing (journal.ack is
none, as the report says), so that no disk is measured. Add `-- --journal-ack written` for the cost of answers that
outlive the process; what is kept ends with the server, and that with the load. Told `-- --data-dir DIRECTORY` it keeps
what it answers there, as `serve` does. Of such a server, and of processes named by --pid, the processor time is told
too (on Linux), without that of the load itself.

A closed loop (--in-flight) finds the highest rate: the next call leaves when an earlier one is answered. An open loop
(--rate) finds the latency at a rate: calls leave at random moments of a Poisson process, and latency counts from the
moment at which a call was due, so that a stall counts against every call that came due in it. What the load itself was
late by is in it, and told as `sent late`.

Latencies are of what was answered: refusals and failures are counted, and not timed.

Every answer is checked. Payments are made up from --seed; some repeat an earlier one (--mistakes): double presses,
retries after a time-out and re-submitted orders must not be allowed, and the same id again must get the stored answer.
Accounts that pay faster than people do are asked and blocked (RAPID_REPEAT): that is counted, and no error. More
--accounts pay less often each.

--echo measures the service against its echo twin, a bare server of the same messages that allows everything unread, in
turns and with the same payments: what is between the two is what scoring costs. Read ratios; machines are noisy.

Examples:
  doublecheck load
  doublecheck load --rate 5000 --duration 30s --histogram latency.hgrm
  doublecheck load --mode stream --accounts 1000000 --prefill 4 --distribution zipf
  doublecheck load --echo --mode batch --rounds 7 --json | jq .ratios.rate_per_second.median
  doublecheck load --address 10.0.0.7:50051 --payments 100000
  doublecheck load --address https://risk:50051 --ca ca.pem --token-file token
  doublecheck load -- --policy cautious --journal-ack written

Exit codes: 0 done; 1 a wrong answer, a payment that no server answered (UNAVAILABLE, CANCELLED, UNKNOWN, or nothing
within --patience), no answer at all, or a load that was interrupted, which tells what it has; 2 wrong usage. Whatever
else a server refuses, it has answered: RESOURCE_EXHAUSTED under overload, say, is no failure of the load.")]
pub struct LoadArguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    calls: CallArguments,
    #[command(flatten)]
    payments: PaymentArguments,
    #[command(flatten)]
    measuring: MeasuringArguments,
}

/// Runs `load`.
///
/// # Errors
/// When arguments contradict each other, a server cannot be started or reached, or an answer is wrong.
pub fn run(arguments: &LoadArguments, out: &mut dyn Write) -> Ended {
    let plan = Plan::new(arguments)?;
    let histogram = arguments.measuring.histogram.as_ref();
    let files = histogram.map(|path| create_files(path, plan.twins.len()));
    let files = files.transpose()?.unwrap_or_default();
    let program = std::env::current_exe()
        .map_err(|error| Failure::at_work("finding this program", &error))?;
    let interruption =
        Interruption::listen().map_err(|error| Failure::at_work("waiting for signals", &error))?;
    let progress = Progress::new();
    let measured = measure::measure(&plan, &program, &progress, &interruption);
    progress.finish();
    let is_interrupted = interruption.is_told();
    let nothing = || match is_interrupted {
        true => Failure::Work("error: interrupted before anything was measured".to_owned()),
        false => Failure::Work("error: nothing was measured".to_owned()),
    };
    let measured = measured?;
    let summary = Summary::of(&measured.rounds).ok_or_else(nothing)?;
    let journal_ack = measured.journal_ack.as_deref();
    // A disk that is full takes no figures away.
    let written = write_distributions(&files, &summary);
    if arguments.measuring.json {
        let mut object = json!(summary);
        object["parameters"] = plan.json();
        object["parameters"]["journal_ack"] = json!(journal_ack);
        writeln!(out, "{object}")?;
    } else {
        report::write(out, &plan, journal_ack, &summary)?;
    }
    written?;
    report::complaints(&plan, &summary, is_interrupted)
        .map_or(Ok(()), |told| Err(Failure::Work(told)))
}

/// The files that the distributions of so many twins go to. They are made before anything is measured: no
/// load is to be in vain for want of them.
fn create_files(path: &Path, twins: usize) -> Result<Vec<(PathBuf, File)>, Failure> {
    if output::is_standard(path) {
        let told = "error: --histogram is a file: on standard output are the figures";
        return Err(Failure::Usage(told.to_owned()));
    }
    let mut echo_path = OsString::from(path);
    echo_path.push(".echo");
    let paths = [path.to_owned(), PathBuf::from(echo_path)].into_iter();
    let create = |path: PathBuf| match File::create(&path) {
        Ok(file) => Ok((path, file)),
        Err(error) => Err(Failure::at_work(
            format!("creating {}", path.display()),
            &error,
        )),
    };
    paths.take(twins).map(create).collect()
}

fn write_distributions(files: &[(PathBuf, File)], summary: &Summary) -> Ended {
    for (side, (path, file)) in summary.sides().zip(files) {
        distribution::write_file(file, side.tally.latencies.answered())
            .map_err(|error| Failure::at_work(format!("writing {}", path.display()), &error))?;
    }
    Ok(())
}
