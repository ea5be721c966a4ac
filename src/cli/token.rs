//! `token`: makes a token for somebody who is to call the service.

use std::io::Write;

use super::{Ended, Failure};
use crate::access::{self, Fingerprint, Role};
use crate::clock::{Clock as _, SystemClock};

/// Make a token, and the entry that lets its holder call the service
///
/// The token goes to whoever is to call: it is printed here once and kept nowhere. The entry goes into the
/// file that `auth.tokens` names; it holds a hash of the token only. To revoke a token, take its entry out:
/// the file is read again when it changes.
///
/// Examples:
///   doublecheck token gateway-eu
///   doublecheck token support --role evidence --expires 2027-01-31T00:00:00Z
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_long_help = super::EXIT_CODES)]
pub struct TokenArguments {
    /// What to call the holder
    #[arg(value_parser = name_of_holder)]
    name: String,
    /// What the holder may do: score payments and report outcomes, read evidence, or everything
    #[arg(long = "role", value_name = "score|evidence|admin", default_value = "score", value_parser = role_named)]
    roles: Vec<Role>,
    /// Until when
    #[arg(long, value_name = "MOMENT")]
    expires: Option<jiff::Timestamp>,
}

fn name_of_holder(name: &str) -> Result<String, &'static str> {
    if name.trim().is_empty() {
        return Err("must not be empty");
    }
    Ok(name.to_owned())
}

fn role_named(name: &str) -> Result<Role, String> {
    let known: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    Role::from_name(name).ok_or_else(|| format!("must be one of {}", known.join(", ")))
}

/// Runs `token`.
///
/// # Errors
/// When the token would have expired by now, or there is no randomness to be had.
pub fn run(arguments: &TokenArguments, out: &mut dyn Write) -> Ended {
    let TokenArguments {
        name,
        roles,
        expires,
    } = arguments;
    let now = SystemClock::start().now().unix_ms();
    if let Some(expires) = expires.filter(|expires| expires.as_millisecond() <= now) {
        return Err(Failure::Usage(format!(
            "error: --expires: {expires} is over"
        )));
    }
    let token = access::new_token()
        .map_err(|error| Failure::Work(format!("error: making a token: {error}")))?;
    let roles: Vec<toml::Value> = roles.iter().map(|role| role.name().into()).collect();
    writeln!(out, "{token}\n")?;
    writeln!(out, "[[token]]")?;
    writeln!(out, "name = {}", toml::Value::from(name.as_str()))?;
    writeln!(out, "roles = {}", toml::Value::from(roles))?;
    writeln!(out, "sha256 = \"{}\"", Fingerprint::of(token.as_bytes()))?;
    if let Some(expires) = expires {
        writeln!(out, "expires = {expires}")?;
    }
    Ok(())
}
