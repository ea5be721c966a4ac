//! The limits as arguments, as their table has them.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::grpc::limits::{Limit, Limits};

/// What the flags of limits say, each by its flag.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitFlags(pub(super) Vec<(&'static str, String)>);

impl Args for LimitFlags {
    fn augment_args(command: Command) -> Command {
        command.args(Limits::ALL.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(limit: &'static Limit) -> Arg {
    let what = limit.what.concat();
    let what = what.trim().trim_end_matches('.');
    let Limit {
        path,
        variable,
        default,
        expected,
        ..
    } = limit;
    Arg::new(limit.flag)
        .long(limit.flag.trim_start_matches('-'))
        .value_name("NUMBER")
        .help(format!(
            "{what}: {expected} [file: {path}] [env: {variable}] [default: {default}]"
        ))
}

impl FromArgMatches for LimitFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for Limit { flag, .. } in Limits::ALL {
            if let Some(text) = matches.get_one::<String>(flag) {
                self.0.push((flag, text.clone()));
            }
        }
        Ok(())
    }
}
