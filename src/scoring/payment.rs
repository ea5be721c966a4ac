//! One attempt to pay, and the identities in it. Constructors reject bad input; what exists is valid.

use std::fmt;

use super::heap;
use super::money::Money;
use super::time::Span;

/// The longest an id may be, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 128;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidId {
    /// There is nothing in it.
    Empty,
    /// It is longer than [`ID_BYTES_MAX`] bytes.
    TooLong,
    /// It holds a control character, or is not UTF-8.
    ControlCharacter,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("must not be empty"),
            Self::TooLong => write!(f, "must be at most {ID_BYTES_MAX} bytes of UTF-8"),
            Self::ControlCharacter => f.write_str("must be UTF-8 without control characters"),
        }
    }
}

impl std::error::Error for InvalidId {}

fn check_id(bytes: &[u8]) -> Result<(), InvalidId> {
    if bytes.is_empty() {
        Err(InvalidId::Empty)
    } else if bytes.len() > ID_BYTES_MAX {
        Err(InvalidId::TooLong)
    } else if is_plain(bytes) || str::from_utf8(bytes).is_ok_and(has_no_control) {
        Ok(())
    } else {
        Err(InvalidId::ControlCharacter)
    }
}

fn has_no_control(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether these bytes are the text of an id.
pub(super) fn is_id(bytes: &[u8]) -> bool {
    check_id(bytes).is_ok()
}

/// Whether all of it is printable ASCII, as almost every id is: eight bytes in one step, of which the last
/// eight may have been looked at before.
fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<8>() else {
        let few = text
            .iter()
            .fold(EIGHT_SPACES, |word, byte| word << 8 | u64::from(*byte));
        return are_plain(few);
    };
    let (words, _) = text.as_chunks::<8>();
    let plain = |word: &[u8; 8]| are_plain(u64::from_le_bytes(*word));
    words
        .iter()
        .fold(plain(last), |all, word| all & plain(word))
}

const EIGHT_SPACES: u64 = u64::from_le_bytes([b' '; 8]);

/// Whether each of the eight bytes of a word is printable ASCII: not above 0x7f, not below a space, and not
/// 0x7f. No byte carries into the next.
const fn are_plain(word: u64) -> bool {
    const HIGHEST: u64 = u64::from_le_bytes([0x80; 8]);
    const LOWER: u64 = u64::from_le_bytes([0x7f; 8]);
    let from_space = (word | HIGHEST).wrapping_sub(EIGHT_SPACES);
    let not_delete = (word ^ LOWER).wrapping_add(LOWER);
    word & HIGHEST == 0 && from_space & not_delete & HIGHEST == HIGHEST
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1–128 bytes of UTF-8 without control characters.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes `text` as an id.
            ///
            /// # Errors
            /// [`InvalidId`] when it is empty, too long or holds a control character.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, InvalidId> {
                let text = text.into();
                check_id(text.as_bytes())?;
                Ok(Self(text))
            }

            /// The same of text that may not be UTF-8, and is no id then.
            pub fn from_utf8(text: &[u8]) -> Result<Self, InvalidId> {
                check_id(text)?;
                // Its own memory is aligned, which the library looks through in words.
                let text = String::from_utf8(Box::<[u8]>::from(text).into_vec());
                let text = text.map_err(|_| InvalidId::ControlCharacter)?;
                Ok(Self(text.into()))
            }

            /// How many bytes it has allocated.
            #[must_use]
            pub const fn heap_bytes(&self) -> usize {
                heap::bytes_of::<u8>(self.0.len())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// The gateway's id for one attempt to pay. The same id again is a retry.
    PaymentId
}
id! {
    /// The payer's account: the key of all windows.
    AccountId
}
id! {
    /// The payee's number or name in its own scheme.
    PayeeId
}
id! {
    /// The order, bill or ticket that is paid.
    OrderId
}
id! {
    /// The device that the payer holds.
    DeviceId
}
id! {
    /// The payer's visit to the app or site.
    SessionId
}

/// A closed set of names, as files and command lines write them: lower case with underscores.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every one of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in lower case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The one called `name`, if there is one.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// What kind of thing a payee's id names.
    PayeeType {
        /// A phone number.
        Phone = "phone",
        /// A merchant.
        Merchant = "merchant",
        /// A wallet.
        Wallet = "wallet",
        /// A bank account.
        BankAccount = "bank_account",
    }
}

named! {
    /// What the payment is for.
    PaymentKind {
        /// Credit for a phone, a card or a game.
        TopUp = "top_up",
        /// Money sent to a person.
        Transfer = "transfer",
        /// Goods or services.
        Purchase = "purchase",
        /// A bill or an invoice.
        Bill = "bill",
        /// A tip.
        Tip = "tip",
        /// A gift.
        Gift = "gift",
    }
}

impl PaymentKind {
    /// Whether money sent this way usually cannot be called back: nobody owes anything for it.
    #[must_use]
    pub const fn is_irrevocable(self) -> bool {
        match self {
            Self::Transfer | Self::Tip | Self::Gift | Self::TopUp => true,
            Self::Purchase | Self::Bill => false,
        }
    }
}

/// Who receives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payee {
    /// The number or name.
    pub id: PayeeId,
    /// What kind of number or name it is. The same text under another type is another payee.
    pub payee_type: PayeeType,
}

/// One attempt to pay, as the gateway submits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The gateway's id for this attempt.
    pub payment_id: PaymentId,
    /// Whose money.
    pub account_id: AccountId,
    /// Who receives it.
    pub payee: Payee,
    /// How much.
    pub money: Money,
    /// What for.
    pub kind: PaymentKind,
    /// Which order, if there is one.
    pub order_id: Option<OrderId>,
    /// From which device, if known.
    pub device_id: Option<DeviceId>,
    /// In which session, if known.
    pub session_id: Option<SessionId>,
    /// How far back content duplicates are looked for; `None` leaves it to the policy, zero
    /// switches `DUPLICATE_IN_FLIGHT` and `DUPLICATE_RECENT` off for this payment.
    pub duplicate_window: Option<Span>,
}

/// A part of a payment's content. Two submissions of one id must agree in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentField {
    /// `payee.id`
    PayeeId,
    /// `payee.type`
    PayeeType,
    /// `money.amount_minor`
    AmountMinor,
    /// `money.currency_code`
    CurrencyCode,
    /// `kind`
    Kind,
    /// `order_id`
    OrderId,
}

impl ContentField {
    /// The field's path in a `Payment` message.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::PayeeId => "payee.id",
            Self::PayeeType => "payee.type",
            Self::AmountMinor => "money.amount_minor",
            Self::CurrencyCode => "money.currency_code",
            Self::Kind => "kind",
            Self::OrderId => "order_id",
        }
    }
}

impl Payment {
    /// Where the content of two payments of one account differs. Device, session and duplicate
    /// window are volatile and left out: a retry may come from a reconnected phone.
    #[must_use]
    pub fn differing_content(&self, other: &Self) -> Vec<ContentField> {
        let mut fields = self.differing_terms(other);
        if self.order_id != other.order_id {
            fields.push(ContentField::OrderId);
        }
        fields
    }

    /// Where payee, money or kind differ: what a confirmation token is bound to.
    #[must_use]
    pub fn differing_terms(&self, other: &Self) -> Vec<ContentField> {
        let mut fields = Vec::new();
        let mut check = |same: bool, field| {
            if !same {
                fields.push(field);
            }
        };
        check(self.payee.id == other.payee.id, ContentField::PayeeId);
        check(
            self.payee.payee_type == other.payee.payee_type,
            ContentField::PayeeType,
        );
        check(
            self.money.amount_minor() == other.money.amount_minor(),
            ContentField::AmountMinor,
        );
        check(
            self.money.currency() == other.money.currency(),
            ContentField::CurrencyCode,
        );
        check(self.kind == other.kind, ContentField::Kind);
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_at_both_ends_of_their_length() {
        assert_eq!(PaymentId::new(""), Err(InvalidId::Empty));
        assert!(PaymentId::new("x").is_ok());
        assert!(PaymentId::new("x".repeat(ID_BYTES_MAX)).is_ok());
        assert_eq!(
            PaymentId::new("x".repeat(ID_BYTES_MAX + 1)),
            Err(InvalidId::TooLong)
        );
        // 43 characters of three bytes are 129 bytes.
        assert_eq!(
            PaymentId::new("\u{4e00}".repeat(43)),
            Err(InvalidId::TooLong)
        );
    }

    #[test]
    fn control_characters_are_refused_wherever_they_stand() {
        for text in ["\0", "a\nb", "a\u{7f}", "\u{85}x"] {
            assert_eq!(
                PayeeId::new(text),
                Err(InvalidId::ControlCharacter),
                "{text:?}"
            );
        }
        assert!(PayeeId::new("中国 移动").is_ok());
    }

    #[test]
    fn every_byte_is_plain_or_not_wherever_it_stands() {
        for len in 1..=20 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    let is_printable = matches!(byte, b' '..=b'~');
                    assert_eq!(is_plain(&text), is_printable, "{byte:#x} at {at} of {len}");
                }
            }
        }
    }
}
