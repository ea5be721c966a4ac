//! Confirmation: the question that was asked, the token that answers it, and what may be wrong with one.

use std::fmt;

use super::payment::ContentField;
use super::time::Timestamp;

/// How many bytes a token has.
pub const TOKEN_BYTES: usize = 24;

/// What a payer's "yes" is presented with. Opaque to the domain: the engine mints and authenticates it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConfirmationToken([u8; TOKEN_BYTES]);

impl ConfirmationToken {
    /// A token of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; TOKEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the token.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; TOKEN_BYTES] {
        &self.0
    }

    /// Reads a token from the text that [`Display`](fmt::Display) wrote: 48 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != TOKEN_BYTES.saturating_mul(2) {
            return None;
        }
        let mut bytes = [0; TOKEN_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else { return None };
            *byte = hex_value(high)? << 4 | hex_value(low)?;
        }
        Some(Self(bytes))
    }
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

const fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0'.wrapping_add(value),
        _ => b'a'.wrapping_sub(10).wrapping_add(value),
    }
}

impl fmt::Display for ConfirmationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; TOKEN_BYTES * 2];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
        }
        f.write_str(str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ConfirmationToken {
    /// Tokens let payments through; they are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfirmationToken(..)")
    }
}

/// A token as a gateway presented it, after the engine looked at its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresentedToken {
    /// The token.
    pub token: ConfirmationToken,
    /// When it ends, by its own signed words.
    pub expire_time: Timestamp,
}

/// What is wrong with a confirmation token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// Doublecheck never handed it out.
    Wrong,
    /// It has been used already, whether its payment was let through or not, or it is known what became of
    /// the payment that was asked about.
    Spent,
    /// Its time is over.
    Expired,
    /// It was handed out for something else: another account (no fields named), or another payee,
    /// amount, currency or kind.
    Foreign(Vec<ContentField>),
}

impl TokenFault {
    /// The reason as programs read it.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Wrong => "CONFIRMATION_TOKEN_WRONG",
            Self::Spent => "CONFIRMATION_TOKEN_SPENT",
            Self::Expired => "CONFIRMATION_TOKEN_EXPIRED",
            Self::Foreign(_) => "CONFIRMATION_TOKEN_FOREIGN",
        }
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong => f.write_str("the confirmation token was never handed out"),
            Self::Spent => {
                f.write_str("the confirmation token has been used, or the question is over")
            }
            Self::Expired => f.write_str("the confirmation token has expired"),
            Self::Foreign(fields) if fields.is_empty() => {
                f.write_str("the confirmation token was handed out to another account")
            }
            Self::Foreign(fields) => {
                f.write_str("the confirmation token was handed out for another payment: ")?;
                for (nth, field) in fields.iter().enumerate() {
                    let comma = if nth == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", field.path())?;
                }
                f.write_str(" differ")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_text_and_nothing_else_is_one() {
        let token =
            ConfirmationToken::from_bytes(*b"\x00\x01\x0f\x10\x7f\x80\xfe\xffa token of 16 by");
        assert_eq!(ConfirmationToken::parse(&token.to_string()), Some(token));
        let upper = token.to_string().to_uppercase();
        for text in [
            "",
            "00",
            "zz",
            &"g".repeat(48),
            &"0".repeat(47),
            &upper,
            &"é".repeat(24),
        ] {
            assert_eq!(ConfirmationToken::parse(text), None, "{text:?}");
        }
    }
}
