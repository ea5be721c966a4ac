//! Errors as gRPC reports them: one `google.rpc.Status`, whether it ends a call or answers an item.

use std::sync::LazyLock;
use std::time::Duration;

use hyper::header::{ALLOW, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use prost::Message as _;
use prost_types::Any;
use tonic::Code;
use tonic::body::Body;
use tonic::metadata::MetadataValue;
use tonic_types::{BadRequest, ErrorInfo, RetryInfo, Status, pb};

use super::convert::InvalidRequest;
use super::service::routing::HEADER;
use crate::access::Denial;
use crate::engine::UnknownPayment;
use crate::scoring::account::Refusal;
use crate::scoring::confirmation::TokenFault;
use crate::scoring::payment::ContentField;
use crate::telemetry::CallRefused;

/// The `domain` of every `google.rpc.ErrorInfo`.
const DOMAIN: &str = "doublecheck";

/// When to try again, where the service only needs a moment.
const RETRY_DELAY_MS: i32 = 100;

/// The metadata by which gRPC clients are told to retry by themselves.
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The HTTP method of all gRPC calls.
const POST: HeaderValue = HeaderValue::from_static("POST");

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It breaks the contract.
    Invalid(InvalidRequest),
    /// The payment was not scored.
    Refused(Refusal),
    /// The payment is not remembered.
    Unknown,
    /// It is not allowed.
    Denied(Denial),
    /// The engine still reads its journal back.
    Recovering,
    /// There are more calls than can be answered in time.
    Busy(CallRefused),
    /// The client's deadline has passed.
    DeadlineExceeded,
    /// Its message has not come whole within this time.
    Unfinished(Duration),
    /// It is about another account than the one by which it was routed.
    Misrouted,
    /// Its HTTP method is not that of gRPC calls.
    NotPosted,
    /// Its content type is not that of gRPC with Protocol Buffers.
    NotGrpc,
    /// What was answered cannot be read back, for this reason.
    Unreadable(String),
}

impl Fault {
    /// Whether the call itself is at fault, and nothing was done for it.
    pub(super) const fn is_the_calls(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::Denied(_) | Self::NotPosted | Self::NotGrpc => true,
            Self::Refused(_)
            | Self::Unknown
            | Self::Recovering
            | Self::Busy(_)
            | Self::DeadlineExceeded
            | Self::Unfinished(_)
            | Self::Misrouted
            | Self::Unreadable(_) => false,
        }
    }

    /// The HTTP status, for clients that do not speak gRPC.
    const fn http(&self) -> StatusCode {
        match self {
            Self::NotPosted => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotGrpc => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::OK,
        }
    }

    /// The answer that ends a call with this error, and its code.
    pub(super) fn into_answer(self) -> (Code, Response<Body>) {
        let Self::Busy(why) = self else {
            let http = self.http();
            let status = tonic::Status::from(self);
            let (code, mut answer) = (status.code(), status.into_http());
            *answer.status_mut() = http;
            if http == StatusCode::METHOD_NOT_ALLOWED {
                answer.headers_mut().insert(ALLOW, POST);
            }
            return (code, answer);
        };
        let mut answer = Response::new(Body::default());
        answer.headers_mut().clone_from(&BUSY[why as usize]);
        (Code::ResourceExhausted, answer)
    }
}

/// The headers of refusals under overload, made once, as there is no time then. They are static text, so that
/// threads share no reference counts.
static BUSY: LazyLock<Vec<HeaderMap>> = LazyLock::new(|| {
    let headers = |why: &CallRefused| {
        let answer: Response<Body> = tonic::Status::from(Fault::Busy(*why)).into_http();
        let headers = answer.into_parts().0.headers.into_iter();
        let headers = headers.filter_map(|(name, value)| {
            let name = HeaderName::from_static(leaked(name?.as_str()));
            Some((name, HeaderValue::from_static(leaked(value.to_str().ok()?))))
        });
        headers.collect()
    };
    CallRefused::ALL.iter().map(headers).collect()
});

impl From<InvalidRequest> for Fault {
    fn from(invalid: InvalidRequest) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<UnknownPayment> for Fault {
    fn from(UnknownPayment: UnknownPayment) -> Self {
        Self::Unknown
    }
}

/// The answer to one item of a batch or stream.
impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Invalid(request) => invalid(request),
            Fault::Refused(Refusal::Conflict(fields)) => {
                let paths = paths(&fields);
                let message = format!("payment.payment_id was used before with other {paths}");
                let reason = "PAYMENT_ID_CONFLICT";
                refused_for_fields(Code::AlreadyExists, message, reason, paths)
            }
            Fault::Refused(Refusal::Token(fault)) => {
                let paths = match &fault {
                    TokenFault::Foreign(fields) => paths(fields),
                    TokenFault::Wrong | TokenFault::Spent | TokenFault::Expired => String::new(),
                };
                let code = Code::FailedPrecondition;
                refused_for_fields(code, fault.to_string(), fault.reason(), paths)
            }
            Fault::Unknown => {
                let message = "the account has no such payment that is remembered";
                refused(Code::NotFound, message, "PAYMENT_UNKNOWN")
            }
            Fault::Denied(denial) => {
                let code = match denial {
                    Denial::NeedsRole(_) => Code::PermissionDenied,
                    Denial::Missing | Denial::Malformed | Denial::Unknown | Denial::Expired => {
                        Code::Unauthenticated
                    }
                };
                refused(code, denial.to_string(), denial.reason())
            }
            Fault::Recovering => {
                let message = "the state is still being read back";
                later(refused(Code::Unavailable, message, "RECOVERING"))
            }
            Fault::Busy(why) => busy(why),
            Fault::DeadlineExceeded => {
                let message = "the time for the answer is over";
                refused(Code::DeadlineExceeded, message, "DEADLINE_EXCEEDED")
            }
            Fault::Unfinished(time) => {
                let message = format!("the message has not come whole within {time:?}");
                refused(Code::DeadlineExceeded, message, "MESSAGE_UNFINISHED")
            }
            Fault::Misrouted => {
                let message = format!("the header {HEADER} names another account");
                let named = Some(("header", HEADER.to_string()));
                let code = Code::FailedPrecondition;
                refused_naming(code, message, "ACCOUNT_HEADER_MISMATCH", named)
            }
            Fault::NotPosted => {
                let message = "a call of gRPC is a POST";
                refused(Code::InvalidArgument, message, "NOT_GRPC")
            }
            Fault::NotGrpc => {
                let message = "content-type must be application/grpc or application/grpc+proto";
                let named = Some(("header", "content-type".to_owned()));
                refused_naming(Code::InvalidArgument, message, "NOT_GRPC", named)
            }
            Fault::Unreadable(why) => {
                let message = format!("the answer cannot be read back: {why}");
                refused(Code::Internal, message, "ANSWER_UNREADABLE")
            }
        }
    }
}

/// The end of a call: the same, in the trailers.
impl From<Fault> for tonic::Status {
    fn from(fault: Fault) -> Self {
        let is_passing = matches!(fault, Fault::Recovering | Fault::Busy(_));
        let status = Status::from(fault);
        let details = status.encode_to_vec().into();
        let code = Code::from_i32(status.code);
        let mut ended = Self::with_details(code, status.message, details);
        if is_passing {
            let delay = MetadataValue::from(RETRY_DELAY_MS);
            ended.metadata_mut().insert(RETRY_PUSHBACK, delay);
        }
        ended
    }
}

/// Whether a call that ended like this had a message that could not be read: only then are there no details.
pub(super) const fn is_unread(code: Code, has_details: bool) -> bool {
    let may_be = matches!(
        code,
        Code::OutOfRange | Code::Unimplemented | Code::Internal | Code::InvalidArgument
    );
    may_be && !has_details
}

fn leaked(text: &str) -> &'static str {
    Box::leak(text.into())
}

fn busy(why: CallRefused) -> Status {
    let (message, reason) = match why {
        CallRefused::Journal => ("the journal is behind: nothing was done", "JOURNAL_FULL"),
        CallRefused::InFlight => ("too many calls are open: nothing was done", "OVERLOADED"),
        CallRefused::Queue => (
            "the call waited for too long: nothing was done",
            "OVERLOADED",
        ),
        CallRefused::Messages => (
            "too many long messages have begun and are not whole: nothing was done",
            "OVERLOADED",
        ),
    };
    later(refused(Code::ResourceExhausted, message, reason))
}

fn invalid(request: InvalidRequest) -> Status {
    let said: Vec<String> = request
        .violations
        .iter()
        .map(|violation| format!("{} {}", violation.field, violation.description))
        .collect();
    let field_violations = request
        .violations
        .into_iter()
        .map(|violation| pb::bad_request::FieldViolation {
            field: violation.field.to_owned(),
            description: violation.description,
            ..Default::default()
        })
        .collect();
    let detail = Any {
        type_url: BadRequest::TYPE_URL.to_owned(),
        value: pb::BadRequest { field_violations }.encode_to_vec(),
    };
    status(Code::InvalidArgument, said.join("; "), detail)
}

fn refused(code: Code, message: impl Into<String>, reason: &str) -> Status {
    refused_naming(code, message, reason, None)
}

/// `fields` that are at fault are named in the metadata.
fn refused_for_fields(code: Code, message: String, reason: &str, fields: String) -> Status {
    let named = (!fields.is_empty()).then_some(("fields", fields));
    refused_naming(code, message, reason, named)
}

fn refused_naming(
    code: Code,
    message: impl Into<String>,
    reason: &str,
    named: Option<(&str, String)>,
) -> Status {
    let named = named.map(|(name, value)| (name.to_owned(), value));
    let info = pb::ErrorInfo {
        reason: reason.to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: named.into_iter().collect(),
    };
    let detail = Any {
        type_url: ErrorInfo::TYPE_URL.to_owned(),
        value: info.encode_to_vec(),
    };
    status(code, message.into(), detail)
}

/// Adds when to try again.
fn later(mut status: Status) -> Status {
    let value = pb::RetryInfo {
        retry_delay: Some(prost_types::Duration {
            seconds: 0,
            nanos: RETRY_DELAY_MS * 1_000_000,
        }),
    };
    status.details.push(Any {
        type_url: RetryInfo::TYPE_URL.to_owned(),
        value: value.encode_to_vec(),
    });
    status
}

fn status(code: Code, message: String, detail: Any) -> Status {
    Status {
        code: code.into(),
        message,
        details: vec![detail],
    }
}

/// The paths of `fields` in a request to score, separated by commas.
fn paths(fields: &[ContentField]) -> String {
    let paths: Vec<String> = fields
        .iter()
        .map(|field| format!("payment.{}", field.path()))
        .collect();
    paths.join(",")
}

/// The code as the gRPC specification spells it.
pub(crate) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;

    #[test]
    fn what_is_made_ahead_says_what_would_be_made() {
        for why in CallRefused::ALL.iter().copied() {
            let (code, ahead) = Fault::Busy(why).into_answer();
            let made: Response<Body> = tonic::Status::from(Fault::Busy(why)).into_http();
            assert_eq!(ahead.headers(), made.headers());
            assert_eq!(code, Code::ResourceExhausted);
        }
    }

    /// The reasons are a promise to programs, and this table is where their authors look.
    #[test]
    fn the_readme_tells_of_every_reason_with_its_status() {
        let readme = std::fs::read_to_string("README.md").unwrap();
        let (_, table) = readme.split_once("\n| What goes wrong | Status |").unwrap();
        let rows: Vec<&str> = table.lines().take_while(|line| !line.is_empty()).collect();
        let token_faults = [
            TokenFault::Wrong,
            TokenFault::Spent,
            TokenFault::Expired,
            TokenFault::Foreign(Vec::new()),
        ];
        let denials = [
            Denial::Missing,
            Denial::Malformed,
            Denial::Unknown,
            Denial::Expired,
            Denial::NeedsRole(crate::access::Role::Score),
        ];
        let refused = token_faults.map(|fault| Fault::Refused(Refusal::Token(fault)));
        let denied = denials.map(Fault::Denied);
        let busy = CallRefused::ALL.iter().copied().map(Fault::Busy);
        let others = [
            Fault::Refused(Refusal::Conflict(Vec::new())),
            Fault::Unknown,
            Fault::Recovering,
            Fault::DeadlineExceeded,
            Fault::Unfinished(Duration::ZERO),
            Fault::Misrouted,
            Fault::NotPosted,
            Fault::NotGrpc,
            Fault::Unreadable(String::new()),
        ];
        for fault in refused.into_iter().chain(denied).chain(busy).chain(others) {
            let ended = tonic::Status::from(fault.clone());
            let reason = ended.get_details_error_info().unwrap().reason;
            let code = code_name(ended.code());
            let has_both = |row: &&&str| {
                row.contains(&format!("| `{code}`")) && row.contains(&format!("`{reason}`"))
            };
            assert!(rows.iter().any(|row| has_both(&row)), "{code} {reason}");
        }
    }

    #[test]
    fn what_passes_says_when_to_come_again_and_nothing_else_does() {
        let busy = CallRefused::ALL.iter().copied().map(Fault::Busy);
        for fault in busy.chain([Fault::Recovering]) {
            let ended = tonic::Status::from(fault.clone());
            let pushback = ended.metadata().get(RETRY_PUSHBACK).unwrap();
            assert_eq!(pushback, "100", "{fault:?}");
            let delay = ended.get_details_retry_info().unwrap().retry_delay;
            assert_eq!(delay.unwrap().as_millis(), 100, "{fault:?}");
        }
        let invalid = InvalidRequest::field("payment", "must be set");
        for fault in [invalid.into(), Fault::Unknown, Fault::DeadlineExceeded] {
            let ended = tonic::Status::from(fault.clone());
            assert_eq!(ended.metadata().get(RETRY_PUSHBACK), None, "{fault:?}");
            assert!(ended.get_details_retry_info().is_none(), "{fault:?}");
        }
    }
}
