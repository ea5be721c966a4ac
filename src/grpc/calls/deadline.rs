//! Deadlines, from the header `grpc-timeout`.
//!
//! A waiting call is answered DEADLINE_EXCEEDED in time, and a payment whose deadline passes before its turn is
//! not scored: nobody would hear the answer. A batch yields between its chunks and may end there; what was
//! scored stays, as with any answer that comes too late, and a retry gets it again. A timer is only set for a
//! call that has a deadline and has to wait.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::HeaderName;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::codegen::http::Extensions;

use crate::clock::{Deadline, Stopwatch};
use crate::grpc::convert::InvalidRequest;
use crate::grpc::status::Fault;

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The most digits that gRPC allows.
const DIGITS_MAX: usize = 8;

/// The value of `grpc-timeout` cannot be read, so nobody knows how long the client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::grpc) struct InvalidTimeout;

impl From<InvalidTimeout> for Fault {
    fn from(InvalidTimeout: InvalidTimeout) -> Self {
        let problem = "must be one to eight digits and one of H, M, S, m, u, n";
        InvalidRequest::field("grpc-timeout", problem).into()
    }
}

/// The deadline of a call that has just come; `None` without one, or if it is farther away than clocks reach.
pub(in crate::grpc) fn of(headers: &HeaderMap) -> Result<Option<Deadline>, InvalidTimeout> {
    let Some(timeout) = headers.get(TIMEOUT) else {
        return Ok(None);
    };
    let timeout = parse(timeout.as_bytes()).ok_or(InvalidTimeout)?;
    Ok(Deadline::after(timeout))
}

/// When a call came, and its deadline.
#[derive(Debug, Clone, Copy)]
pub(in crate::grpc) struct Arrival {
    pub(in crate::grpc) since: Stopwatch,
    pub(in crate::grpc) deadline: Option<Deadline>,
}

impl Arrival {
    /// As attached to the request; otherwise it comes now, without a deadline.
    pub(in crate::grpc) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_else(|| Self {
            since: Stopwatch::start(),
            deadline: None,
        })
    }
}

fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Fails if the deadline has passed.
pub(in crate::grpc) fn check(deadline: Option<Deadline>) -> Result<(), Fault> {
    match deadline.is_some_and(|deadline| deadline.is_over()) {
        true => Err(Fault::DeadlineExceeded),
        false => Ok(()),
    }
}

/// The answer, if it comes before the deadline. The caller must be woken at the deadline, by a
/// [`DeadlineTimer`].
pub(in crate::grpc) async fn within<T>(
    deadline: Option<Deadline>,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let Some(deadline) = deadline else {
        return answer.await;
    };
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        check(Some(deadline))?;
        answer.as_mut().poll(cx)
    })
    .await
}

/// Ready once a deadline has passed. The timer is only set when somebody waits.
#[derive(Debug)]
pub(in crate::grpc) struct DeadlineTimer {
    deadline: Deadline,
    timer: Option<Pin<Box<Sleep>>>,
}

impl DeadlineTimer {
    pub(in crate::grpc) const fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            timer: None,
        }
    }

    pub(in crate::grpc) const fn deadline(&self) -> Deadline {
        self.deadline
    }

    pub(in crate::grpc) fn is_over(&self) -> bool {
        self.deadline.is_over()
    }

    pub(in crate::grpc) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_over() {
            let left = self.deadline.left();
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(left)));
            ready!(timer.as_mut().poll(cx));
            // The timer fired: the deadline has passed, or timers are coarser than the clock.
            self.timer = None;
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_read_as_grpc_writes_them() {
        let hour = Duration::from_secs(3_600);
        for (text, timeout) in [
            ("0n", Duration::ZERO),
            ("17n", Duration::from_nanos(17)),
            ("99999999u", Duration::from_micros(99_999_999)),
            ("250m", Duration::from_millis(250)),
            ("3S", Duration::from_secs(3)),
            ("2M", Duration::from_secs(120)),
            ("99999999H", hour * 99_999_999),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(timeout), "{text}");
        }
        for bad in [
            "",
            "m",
            "5",
            "5s",
            "-5m",
            "+5m",
            "1.5S",
            "123456789m",
            "5 m",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
