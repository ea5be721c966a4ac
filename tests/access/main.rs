//! Who gets in: certificates and tokens, good and bad, over real connections; and what changes while calls
//! go on.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod authority;
mod certificates;
mod changes;
mod support;
mod tokens;
