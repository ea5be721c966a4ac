//! The settings as arguments, for every command that has any.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use super::Failure;
use crate::config::{self, Config, Flags};

/// The flag that says `true` where it stands alone.
const STANDS_ALONE: &str = "--insecure";

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct Settings {
    /// The TOML file of settings; relative paths in it start from its folder
    #[arg(long, value_name = "FILE", env = "DOUBLECHECK_CONFIG")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    flags: SettingFlags,
}

impl Settings {
    /// What these, the file and the environment come to.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        // Environment and file are looked at by the configuration, which tells their faults apart.
        Config::load(self.config.as_deref(), &variables.collect(), &self.flags.0)
            .map_err(|faults| Failure::faulty(&faults))
    }
}

/// The flags that the configuration knows.
#[derive(Debug, Clone, Default)]
struct SettingFlags(Flags);

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(config::flags().map(|flag| {
            let argument = Arg::new(flag.name)
                .long(flag.name.trim_start_matches('-'))
                .value_name(flag.value_name)
                .help(flag.help);
            match flag.name {
                STANDS_ALONE => argument
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true"),
                _ => argument,
            }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let given = |name: &'static str| Some((name, matches.get_one::<String>(name)?.clone()));
        let given = config::flags().filter_map(|flag| given(flag.name));
        self.0.extend(given);
        Ok(())
    }
}
