//! The header by which proxies route calls to instances.
//!
//! Where several instances share the load, proxies send all calls of an account to the same one. A call whose
//! account is not that of the header would be judged by an instance that remembers nothing of it, so it is
//! refused.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::grpc::codec::raw::ScorePaymentRequest;
use crate::grpc::status::Fault;
use crate::scoring::payment::AccountId;

/// The name of the header that names the account.
pub(crate) const ACCOUNT_HEADER: &str = "x-account-id";

/// That header.
pub(in crate::grpc) const HEADER: HeaderName = HeaderName::from_static(ACCOUNT_HEADER);

/// The values of that header; usually one or none.
#[derive(Debug)]
pub(in crate::grpc) struct RoutedBy(Vec<HeaderValue>);

impl RoutedBy {
    pub(in crate::grpc) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(HEADER).iter().cloned().collect())
    }

    /// Fails if the call is about another account than the one it was routed by.
    pub(in crate::grpc) fn check(&self, account_id: &AccountId) -> Result<(), Fault> {
        match self.fits(account_id.as_str().as_bytes()) {
            true => Ok(()),
            false => Err(Fault::Misrouted),
        }
    }

    /// The same for a batch, which is of one account or comes without the header.
    pub(in crate::grpc) fn check_all(
        &self,
        items: &[ScorePaymentRequest<'_>],
    ) -> Result<(), Fault> {
        let mut payments = items.iter().filter_map(|item| item.payment.as_ref());
        // An item without an account is invalid, and is told so by itself.
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
