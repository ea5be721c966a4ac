//! The account that a call was routed by. Where several instances share the load, proxies send all calls
//! of an account to the same one by this header; a call that it does not fit would be judged by an instance
//! that remembers nothing of its account, so it is refused.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::codec::raw::ScorePaymentRequest;
use super::status::Fault;
use crate::scoring::payment::AccountId;

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-account-id");

/// What it says; usually one value, or none.
#[derive(Debug)]
pub(super) struct RoutedBy(Vec<HeaderValue>);

impl RoutedBy {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(HEADER).iter().cloned().collect())
    }

    /// That what is asked about this account has come to the right place, as far as is known.
    pub(super) fn check(&self, account_id: &AccountId) -> Result<(), Fault> {
        match self.fits(account_id.as_str().as_bytes()) {
            true => Ok(()),
            false => Err(Fault::Misrouted),
        }
    }

    /// The same for a batch, which is of one account or comes without the header.
    pub(super) fn check_all(&self, items: &[ScorePaymentRequest<'_>]) -> Result<(), Fault> {
        let mut payments = items.iter().filter_map(|item| item.payment.as_ref());
        // An item without an account is no payment, and told so itself.
        match payments.all(|payment| payment.account_id.is_empty() || self.fits(payment.account_id))
        {
            true => Ok(()),
            false => Err(Fault::Misrouted),
        }
    }

    fn fits(&self, account_id: &[u8]) -> bool {
        let mut values = self.0.iter();
        values.all(|value| value.as_bytes() == account_id)
    }
}
