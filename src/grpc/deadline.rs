//! Until when a client waits for its answer: what it says with `grpc-timeout`.
//!
//! A call that waits gets DEADLINE_EXCEEDED in time, and a payment whose time is over before its turn comes
//! is not scored: nobody would hear the answer. A batch gives way to others between its chunks, and may end
//! there: what was scored stays, as that of any call whose answer comes too late, and a retry is told so. Only
//! a call that has a deadline and has to wait costs a timer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::HeaderName;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::codegen::http::Extensions;

use super::convert::InvalidRequest;
use super::status::Fault;
use crate::clock::{Deadline, Stopwatch};

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What gRPC allows of digits.
const DIGITS_MAX: usize = 8;

/// What stands where a time-out should: nobody knows for how long the client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotTimed;

impl From<NotTimed> for Fault {
    fn from(NotTimed: NotTimed) -> Self {
        let problem = "must be one to eight digits and one of H, M, S, m, u, n";
        InvalidRequest::field("grpc-timeout", problem).into()
    }
}

/// The deadline in the headers of a call that has just come, if there is one, and it is not farther than clocks go.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Deadline>, NotTimed> {
    let Some(timeout) = headers.get(TIMEOUT) else {
        return Ok(None);
    };
    let timeout = parse(timeout.as_bytes()).ok_or(NotTimed)?;
    Ok(Deadline::after(timeout))
}

/// When a call came, and until when it is to be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub(super) since: Stopwatch,
    pub(super) deadline: Option<Deadline>,
}

impl Came {
    /// What is known of it; else it has come just now, and has time.
    pub(super) fn of(extensions: &Extensions) -> Self {
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

/// That there still is time, if there is a deadline.
pub(super) fn check(deadline: Option<Deadline>) -> Result<(), Fault> {
    match deadline.is_some_and(|deadline| deadline.is_over()) {
        true => Err(Fault::DeadlineExceeded),
        false => Ok(()),
    }
}

/// The answer, if it is there before the deadline; somebody else [wakes](Wait) whoever waits for it then.
pub(super) async fn within<T>(
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

/// Ready once a deadline is over. Has a timer only once somebody waits.
#[derive(Debug)]
pub(super) struct Wait {
    deadline: Deadline,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    pub(super) const fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            timer: None,
        }
    }

    pub(super) const fn deadline(&self) -> Deadline {
        self.deadline
    }

    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_over()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_over() {
            let left = self.deadline.left();
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(left)));
            ready!(timer.as_mut().poll(cx));
            // It fired: the deadline is over, or the timer's steps are coarser than the clock's.
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
