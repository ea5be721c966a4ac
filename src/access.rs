//! Who may call what: bearer tokens and client certificates with roles.
//!
//! Neither is kept here, only the hash of each. A hash is found by a hash of its own under a key of this
//! process, and compared in constant time: how long it takes says nothing of any token.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::scoring::payment::named;
use crate::scoring::time::Timestamp;

/// What begins every token, for whoever searches logs and repositories for leaked ones.
const TOKEN_PREFIX: &str = "dct_";

/// How many random bytes a token has.
const TOKEN_BYTES: usize = 32;

/// A longer token is none of ours: it is not even hashed.
const TOKEN_CHARS_MAX: usize = 256;

named! {
    /// What somebody may do.
    Role {
        /// Score payments and report their outcomes.
        Score = "score",
        /// Read what is remembered.
        Evidence = "evidence",
        /// Everything.
        Admin = "admin",
    }
}

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: anybody may.
    Nothing,
    /// Any role.
    Any,
    /// This one.
    Role(Role),
}

/// What one token or certificate gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What people call its holder.
    pub name: String,
    /// What the holder may do.
    pub roles: Vec<Role>,
    /// From when on it is no good.
    pub expire_time: Option<Timestamp>,
}

/// A hash by SHA-256: of a token, or of a certificate as DER has it.
#[derive(Clone, Copy)]
pub struct Fingerprint([u8; 32]);

/// Every token and certificate that gives anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    tokens: HashMap<Fingerprint, Grant>,
    certificates: HashMap<Fingerprint, Grant>,
}

/// What a caller shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The header `authorization`, if there is one.
    pub authorization: Option<&'a [u8]>,
    /// The certificate of the connection, if the client has shown one.
    pub certificate: Option<Fingerprint>,
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Neither a token nor a certificate that gives anything was shown.
    Missing,
    /// The header `authorization` is not `Bearer` and a token.
    Malformed,
    /// The token is not, or no longer, one of those that give anything.
    Unknown,
    /// It was, until some time ago.
    Expired,
    /// It gives other roles than this one.
    NeedsRole(Role),
}

impl Access {
    /// Adds a token by its hash. Returns whether it is new.
    pub fn add_token(&mut self, token: Fingerprint, grant: Grant) -> bool {
        self.tokens.insert(token, grant).is_none()
    }

    /// Adds a certificate by its hash. Returns whether it is new.
    pub fn add_certificate(&mut self, certificate: Fingerprint, grant: Grant) -> bool {
        self.certificates.insert(certificate, grant).is_none()
    }

    /// How many give anything.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len() + self.certificates.len()
    }

    /// Whether nobody may do anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether who shows `credentials` at the moment that `now` tells may do what `needs` asks for.
    ///
    /// # Errors
    /// Why not.
    pub fn check(
        &self,
        credentials: Credentials<'_>,
        needs: Need,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<(), Denial> {
        if needs == Need::Nothing {
            return Ok(());
        }
        let grant = self.grant(credentials)?;
        if grant.expire_time.is_some_and(|expires| expires <= now()) {
            return Err(Denial::Expired);
        }
        match needs {
            Need::Role(role) if !grant.has(role) => Err(Denial::NeedsRole(role)),
            Need::Nothing | Need::Any | Need::Role(_) => Ok(()),
        }
    }

    /// What people call who shows `credentials`, if they are known.
    #[must_use]
    pub fn holder(&self, credentials: Credentials<'_>) -> Option<&str> {
        let grant = self.grant(credentials).ok();
        grant.map(|grant| grant.name.as_str())
    }

    /// What `credentials` give. A token counts before a certificate.
    fn grant(&self, credentials: Credentials<'_>) -> Result<&Grant, Denial> {
        match (credentials.authorization, credentials.certificate) {
            (Some(header), _) => {
                let token = bearer(header).ok_or(Denial::Malformed)?;
                let token = Fingerprint::of(token);
                self.tokens.get(&token).ok_or(Denial::Unknown)
            }
            (None, Some(certificate)) => self.certificates.get(&certificate).ok_or(Denial::Missing),
            (None, None) => Err(Denial::Missing),
        }
    }
}

/// The token of a header `authorization`. The scheme may be spelt in capitals or not.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(b"Bearer ".len())?;
    let is_token = |byte: &u8| byte.is_ascii_graphic();
    (scheme.eq_ignore_ascii_case(b"Bearer ")
        && !token.is_empty()
        && token.len() <= TOKEN_CHARS_MAX
        && token.iter().all(is_token))
    .then_some(token)
}

/// A token that nobody has.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn new_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{TOKEN_PREFIX}{}", Hex(&bytes)))
}

impl Grant {
    fn has(&self, role: Role) -> bool {
        self.roles
            .iter()
            .any(|has| *has == role || *has == Role::Admin)
    }
}

impl Denial {
    /// The names of all of them.
    pub const REASONS: [&str; 5] = [
        "CREDENTIALS_MISSING",
        "CREDENTIALS_MALFORMED",
        "TOKEN_UNKNOWN",
        "TOKEN_EXPIRED",
        "ROLE_MISSING",
    ];

    /// Its name, as programs read it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        Self::REASONS[self.number()]
    }

    /// Where its name is among all of them.
    #[must_use]
    pub const fn number(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Malformed => 1,
            Self::Unknown => 2,
            Self::Expired => 3,
            Self::NeedsRole(_) => 4,
        }
    }
}

impl Fingerprint {
    /// The hash of a token, or of a certificate as DER has it.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes 64 hexadecimal digits; colons may stand between two, as tools write certificates' hashes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            let (high, low) = (digit(pair[0])?, digit(pair[1])?);
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(bytes))
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Fingerprint {}

impl Hash for Fingerprint {
    /// For a map whose hasher has a key of its own, as those of std have.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the header `authorization: Bearer TOKEN` is missing"),
            Self::Malformed => f.write_str("the header `authorization` must be `Bearer TOKEN`"),
            Self::Unknown => f.write_str("the token is not known, or was revoked"),
            Self::Expired => f.write_str("the token has expired"),
            Self::NeedsRole(role) => write!(f, "this needs the role `{role}`"),
        }
    }
}

/// Bytes in hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000);

    fn grant(roles: &[Role], expire_ms: Option<i64>) -> Grant {
        Grant {
            name: "holder".to_owned(),
            roles: roles.to_vec(),
            expire_time: expire_ms.map(Timestamp::from_unix_ms),
        }
    }

    fn access() -> Access {
        let mut access = Access::default();
        access.add_token(Fingerprint::of(b"scorer"), grant(&[Role::Score], None));
        access.add_token(
            Fingerprint::of(b"reader"),
            grant(&[Role::Evidence], Some(1_001)),
        );
        access.add_token(Fingerprint::of(b"boss"), grant(&[Role::Admin], None));
        access.add_token(Fingerprint::of(b"gone"), grant(&[Role::Admin], Some(1_000)));
        access.add_certificate(Fingerprint::of(b"DER"), grant(&[Role::Score], None));
        access
    }

    fn check(authorization: &str, needs: Need) -> Result<(), Denial> {
        let credentials = Credentials {
            authorization: Some(authorization.as_bytes()),
            certificate: None,
        };
        access().check(credentials, needs, || NOW)
    }

    #[test]
    fn roles_are_held_or_not() {
        let (score, evidence) = (Need::Role(Role::Score), Need::Role(Role::Evidence));
        assert_eq!(check("Bearer scorer", score), Ok(()));
        assert_eq!(check("bearer scorer", Need::Any), Ok(()));
        let needs_evidence = Err(Denial::NeedsRole(Role::Evidence));
        assert_eq!(check("Bearer scorer", evidence), needs_evidence);
        assert_eq!(check("Bearer reader", evidence), Ok(()));
        assert_eq!(
            check("Bearer reader", score),
            Err(Denial::NeedsRole(Role::Score))
        );
        for needs in [score, evidence, Need::Any, Need::Role(Role::Admin)] {
            assert_eq!(check("Bearer boss", needs), Ok(()));
            assert_eq!(check("Bearer gone", needs), Err(Denial::Expired));
            assert_eq!(check("Bearer nobody", needs), Err(Denial::Unknown));
        }
        assert_eq!(check("nonsense", Need::Nothing), Ok(()));
    }

    #[test]
    fn a_header_that_is_no_bearer_token_is_malformed() {
        let long = format!("Bearer {}", "x".repeat(TOKEN_CHARS_MAX + 1));
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Basic scorer",
            "scorer",
            "Bearer  scorer",
            "Bearer a b",
            &long,
        ] {
            assert_eq!(check(header, Need::Any), Err(Denial::Malformed), "{header}");
        }
    }

    #[test]
    fn a_certificate_counts_where_no_token_is_shown() {
        let check = |authorization, certificate: &[u8]| {
            let credentials = Credentials {
                authorization,
                certificate: Some(Fingerprint::of(certificate)),
            };
            access().check(credentials, Need::Role(Role::Score), || NOW)
        };
        assert_eq!(check(None, b"DER"), Ok(()));
        assert_eq!(check(None, b"other"), Err(Denial::Missing));
        assert_eq!(check(Some(b"Bearer nobody"), b"DER"), Err(Denial::Unknown));
        let nothing = Credentials::default();
        assert_eq!(
            access().check(nothing, Need::Any, || NOW),
            Err(Denial::Missing)
        );
    }

    #[test]
    fn fingerprints_are_read_as_they_are_written() {
        let fingerprint = Fingerprint::of(b"abc");
        let text = fingerprint.to_string();
        assert!(text.starts_with("ba7816bf8f01cfea"), "{text}");
        assert_eq!(Fingerprint::parse(&text), Some(fingerprint));
        let colons: Vec<&str> = (0..32).map(|nth| &text[2 * nth..2 * nth + 2]).collect();
        let colons = colons.join(":").to_uppercase();
        assert_eq!(Fingerprint::parse(&colons), Some(fingerprint));
        for bad in ["", "ba", &text[1..], &text.replace('b', "g")] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), TOKEN_PREFIX.len() + 2 * TOKEN_BYTES);
        assert!(bearer(format!("Bearer {one}").as_bytes()).is_some());
    }
}
