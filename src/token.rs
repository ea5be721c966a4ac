//! Confirmation tokens: made so that nobody else can make one, and read back.
//!
//! A token is its end (8 bytes), a nonce (8) and a signature over both (8). The nonce is derived from
//! account, payment and end, so that the same question always gets the same token: a replay of the
//! same traffic under the same key reproduces it. Whether a token was handed out to *this* account
//! for *this* payment, and is unspent, is the account's to know.

use std::fmt;
use std::io;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::scoring::confirmation::{ConfirmationToken, PresentedToken};
use crate::scoring::payment::Payment;
use crate::scoring::time::Timestamp;
use crate::storage::{Directory, read_whole};

/// The file that a key is kept in.
pub const KEY_FILE: &str = "token.key";

const KEY_BYTES: usize = 32;

/// What stands in a file that was made, and never got to the disk.
const NO_BYTES: [u8; KEY_BYTES] = [0; KEY_BYTES];

/// What of a token is signed.
const BODY_BYTES: usize = 16;

/// Enough to tell accounts apart: among a billion two share one with a chance of a few percent.
const ALIAS_BYTES: usize = 8;

/// The name under which an account, a payee or a device is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias([u8; ALIAS_BYTES]);

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Signs tokens. Instances that share a load share nothing else: accounts stay on one instance.
#[derive(Clone)]
pub struct TokenKey {
    /// Ready to sign.
    mac: Hmac<Sha256>,
    /// What it is kept as.
    bytes: [u8; KEY_BYTES],
}

impl TokenKey {
    /// The key made of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut block = [0; 64];
        block[..KEY_BYTES].copy_from_slice(bytes);
        Self {
            mac: Hmac::new(&block.into()),
            bytes: *bytes,
        }
    }

    /// A key nobody knows.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The key that is kept in the directory; where none is, one that nobody knows is made and kept: a
    /// question that was asked before a restart can be answered after it.
    ///
    /// # Errors
    /// When it cannot be read or written, or is no key.
    pub fn kept_in(directory: &dyn Directory) -> io::Result<Self> {
        if let Some(kept) = Self::found_in(directory)? {
            return Ok(kept);
        }
        let key = Self::random().map_err(|error| io::Error::other(error.to_string()))?;
        key.put_in(directory)?;
        Ok(key)
    }

    /// Keeps this key in the directory where there is none: the directory may have been made anew.
    ///
    /// # Errors
    /// When the directory cannot be read or written to.
    pub fn keep_in(&self, directory: &dyn Directory) -> io::Result<()> {
        if is_in(directory)? {
            return Ok(());
        }
        self.put_in(directory)
    }

    fn put_in(&self, directory: &dyn Directory) -> io::Result<()> {
        let unfinished = format!("{KEY_FILE}.new");
        // Of a start that was cut short.
        let _ = directory.remove(&unfinished);
        let file = directory.create(&unfinished)?;
        file.write(&self.bytes)?;
        file.sync()?;
        directory.rename(&unfinished, KEY_FILE)?;
        directory.sync()
    }

    /// The key that is kept in the directory; `None` where none is.
    ///
    /// # Errors
    /// When it cannot be read; [`io::ErrorKind::InvalidData`] when it is no key.
    pub fn found_in(directory: &dyn Directory) -> io::Result<Option<Self>> {
        if !is_in(directory)? {
            return Ok(None);
        }
        let length = directory.length(KEY_FILE)?;
        let no_key = || {
            let told = format!("has {length} bytes, not {KEY_BYTES}");
            io::Error::new(io::ErrorKind::InvalidData, told)
        };
        if length != KEY_BYTES as u64 {
            return Err(no_key());
        }
        let bytes = read_whole(directory, KEY_FILE, KEY_BYTES)?;
        let bytes: &[u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| no_key())?;
        if *bytes == NO_BYTES {
            let told =
                "has nothing but zero bytes, as a power cut leaves it: a key that everybody knows";
            return Err(io::Error::new(io::ErrorKind::InvalidData, told));
        }
        Ok(Some(Self::from_bytes(bytes)))
    }

    /// Whether this key signed the token.
    #[must_use]
    pub fn has_signed(&self, token: ConfirmationToken) -> bool {
        let bytes = token.as_bytes();
        let signature = &bytes[BODY_BYTES..];
        let signed = self.signature_of(bytes);
        signed.verify_truncated_left(signature).is_ok()
    }

    /// The token for the question about `payment` that ends at `expire_time`.
    #[must_use]
    pub fn mint(&self, payment: &Payment, expire_time: Timestamp) -> ConfirmationToken {
        let mut nonce = self.mac.clone();
        nonce.update(b"nonce\0");
        nonce.update(payment.account_id.as_str().as_bytes());
        // Ids hold no control characters, so a zero byte keeps them apart.
        nonce.update(b"\0");
        nonce.update(payment.payment_id.as_str().as_bytes());
        nonce.update(b"\0");
        nonce.update(&expire_time.unix_ms().to_be_bytes());
        let nonce = nonce.finalize().into_bytes();

        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&expire_time.unix_ms().to_be_bytes());
        bytes[8..16].copy_from_slice(&nonce[..8]);
        let signature = self.signature_of(&bytes).finalize().into_bytes();
        bytes[BODY_BYTES..].copy_from_slice(&signature[..8]);
        ConfirmationToken::from_bytes(bytes)
    }

    /// Reads a token that a gateway presents; `None` unless this key signed it.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<PresentedToken> {
        let token = ConfirmationToken::parse(text)?;
        if !self.has_signed(token) {
            return None;
        }
        let expire_ms = i64::from_be_bytes(token.as_bytes()[..8].try_into().ok()?);
        Some(PresentedToken {
            token,
            expire_time: Timestamp::from_unix_ms(expire_ms),
        })
    }

    /// The name under which an id is logged: always the same under this key, and nothing that leads back
    /// to the id without it.
    #[must_use]
    pub fn alias(&self, id: &str) -> Alias {
        let mut mac = self.mac.clone();
        mac.update(b"alias\0");
        mac.update(id.as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut bytes = [0; ALIAS_BYTES];
        bytes.copy_from_slice(&digest[..ALIAS_BYTES]);
        Alias(bytes)
    }

    fn signature_of(&self, bytes: &[u8; 24]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(b"token\0");
        mac.update(&bytes[..BODY_BYTES]);
        mac
    }
}

fn is_in(directory: &dyn Directory) -> io::Result<bool> {
    Ok(directory.names()?.iter().any(|name| name == KEY_FILE))
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_of_its_id_and_its_key() {
        let alias = |key: u8, id: &str| {
            TokenKey::from_bytes(&[key; KEY_BYTES])
                .alias(id)
                .to_string()
        };
        assert_eq!(alias(1, "alice"), alias(1, "alice"));
        assert_ne!(alias(1, "alice"), alias(1, "bob"));
        assert_ne!(alias(1, "alice"), alias(2, "alice"));
        assert_eq!(alias(1, "alice").len(), 2 * ALIAS_BYTES);
    }
}
