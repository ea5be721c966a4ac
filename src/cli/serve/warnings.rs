//! What is allowed, and hardly meant.

use super::OpenFiles;
use crate::access::Access;
use crate::config::{Config, Contents, Files};
use crate::scoring::time::{Span, Timestamp};
use crate::tls::Tls;

/// How long before its end a certificate is spoken of.
const ENDS_SOON: Span = Span::from_days(14);

/// What the process takes with nothing remembered and nobody connected, and each connection that says nothing,
/// as measured.
const PROCESS_BYTES: u64 = 32 << 20;
const CONNECTION_BYTES: u64 = 36 << 10;

/// What whoever starts the service should know of its configuration, at `now`.
pub(in crate::cli) fn warnings(
    config: &Config,
    open_files: OpenFiles,
    now: Timestamp,
) -> Vec<String> {
    let Files { tls, tokens, .. } = &config.files;
    let mut warnings = Vec::new();
    if config.insecure && !config.files.keep_strangers_out() {
        let may = match (tls, tokens) {
            (None, None) => "call everything there, and read along",
            (None, Some(_)) => "read along",
            (Some(_), _) => "call everything there",
        };
        warnings.push(format!(
            "grpc.insecure: whoever can reach {} may {may}",
            config.grpc_address
        ));
    }
    if tokens.is_some() && tls.is_none() {
        warnings.push("auth.tokens: without TLS tokens can be read on their way".to_owned());
    }
    let Contents { access, tls, .. } = &config.contents;
    warnings.extend(access.as_ref().and_then(of_access));
    warnings.extend(open_files.shortage(config));
    warnings.extend(of_memory(config, open_files));
    warnings.extend(tls.as_ref().and_then(|tls| of_certificate(tls, now)));
    warnings
}

/// That the process may be ended for want of memory when all that is allowed comes at once.
fn of_memory(config: &Config, open_files: OpenFiles) -> Option<String> {
    let connections_bytes = open_files
        .connections_max(config)
        .saturating_mul(CONNECTION_BYTES);
    let beside_bytes = PROCESS_BYTES
        .saturating_add(connections_bytes)
        .saturating_add(config.limits.unfinished_bytes);
    let excess = config.memory_budget.excess(beside_bytes)?;
    Some(format!(
        "memory.budget: all of {}, limits.connections and limits.unfinished_bytes may come to {excess}",
        config.memory_budget
    ))
}

/// That nobody is let in.
pub(super) fn of_access(access: &Access) -> Option<String> {
    let told = "auth.tokens: the file gives nobody anything: every call is refused";
    access.is_empty().then(|| told.to_owned())
}

/// What there is to know of the certificate.
pub(super) fn of_certificate(tls: &Tls, now: Timestamp) -> Option<String> {
    let told = |time: Timestamp| jiff::Timestamp::from_millisecond(time.unix_ms());
    let told = |time| told(time).map_or_else(|_| "never".to_owned(), |time| time.to_string());
    let (from, to) = (tls.valid_from(), tls.valid_to());
    if now < from {
        Some(format!(
            "tls.certificate: it is not good before {}",
            told(from)
        ))
    } else if to <= now {
        Some(format!("tls.certificate: it was good until {}", told(to)))
    } else if to <= now.plus(ENDS_SOON) {
        Some(format!(
            "tls.certificate: it is good until {} only",
            told(to)
        ))
    } else {
        None
    }
}
