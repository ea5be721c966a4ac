//! Page tokens: where a listing continues, tied to that listing by a checksum.
//!
//! A token is 16 hexadecimal digits of checksum, 16 of time, and the payment's id as it is. The
//! checksum covers account and filter as well, so a token of another list is told from one of this.
//! It keeps nobody out: who may list an account may list all of it.

use sha2::{Digest as _, Sha256};

use crate::scoring::payment::{AccountId, PaymentId};
use crate::scoring::time::Timestamp;

/// What is wrong with a token that is not of this list.
const FOREIGN: &str = "must be the next_page_token of the same account and filter, or empty";

/// The token for what comes after the payment of this time and id.
pub(super) fn write(
    after: (Timestamp, &PaymentId),
    account_id: &AccountId,
    duplicates_only: bool,
) -> String {
    let (time, payment_id) = after;
    let checksum = checksum(after, account_id, duplicates_only);
    format!("{checksum:016x}{:016x}{payment_id}", time.unix_ms())
}

/// The time and id in a token that [`write`] made for this account and filter.
pub(super) fn read(
    token: &str,
    account_id: &AccountId,
    duplicates_only: bool,
) -> Result<(Timestamp, PaymentId), &'static str> {
    let (time, payment_id) = parse(token).ok_or(FOREIGN)?;
    if write((time, &payment_id), account_id, duplicates_only) == token {
        Ok((time, payment_id))
    } else {
        Err(FOREIGN)
    }
}

fn parse(token: &str) -> Option<(Timestamp, PaymentId)> {
    let (_, body) = token.split_at_checked(16)?;
    let (time, payment_id) = body.split_at_checked(16)?;
    let unix_ms = u64::from_str_radix(time, 16).ok()?.cast_signed();
    let payment_id = PaymentId::new(payment_id).ok()?;
    Some((Timestamp::from_unix_ms(unix_ms), payment_id))
}

fn checksum(after: (Timestamp, &PaymentId), account_id: &AccountId, duplicates_only: bool) -> u64 {
    let (time, payment_id) = after;
    let mut hash = Sha256::new();
    hash.update([u8::from(duplicates_only)]);
    hash.update(time.unix_ms().to_be_bytes());
    hash.update(account_id.as_str());
    // Ids hold no control characters, so a zero byte keeps them apart.
    hash.update([0]);
    hash.update(payment_id.as_str());
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hash.finalize().into();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn id()(text in "[^\\p{Cc}]{1,32}") -> String { text }
    }

    proptest! {
        #[test]
        fn a_token_is_read_back_by_its_own_list_and_by_no_other(
            unix_ms in any::<i64>(),
            payment_id in id(),
            account_id in id(),
            other_account_id in id(),
            duplicates_only in any::<bool>(),
        ) {
            let time = Timestamp::from_unix_ms(unix_ms);
            let payment_id = PaymentId::new(payment_id).unwrap();
            let account_id = AccountId::new(account_id).unwrap();
            let token = write((time, &payment_id), &account_id, duplicates_only);

            let own = read(&token, &account_id, duplicates_only);
            prop_assert_eq!(own, Ok((time, payment_id)));
            prop_assert_eq!(read(&token, &account_id, !duplicates_only), Err(FOREIGN));
            let other = AccountId::new(other_account_id).unwrap();
            prop_assume!(other != account_id);
            prop_assert_eq!(read(&token, &other, duplicates_only), Err(FOREIGN));
        }

        #[test]
        fn no_token_is_read_but_as_it_was_written(
            at in 0..36_usize,
            digit in "[0-9A-Fa-f+ \u{4e00}]",
        ) {
            let payment_id = PaymentId::new("p-01").unwrap();
            let account_id = AccountId::new("a").unwrap();
            let time = Timestamp::from_unix_ms(1_767_225_600_000);
            let token = write((time, &payment_id), &account_id, false);
            let changed = format!("{}{digit}{}", &token[..at], &token[at + 1..]);
            prop_assume!(changed != token);
            prop_assert_eq!(read(&changed, &account_id, false), Err(FOREIGN));
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in any::<String>()) {
            let account_id = AccountId::new("a").unwrap();
            prop_assert_eq!(read(&text, &account_id, false), Err(FOREIGN));
        }
    }
}
