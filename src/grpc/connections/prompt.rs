//! Where calls run: each on a task of its own, but for those that are refused on arrival.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hyper::rt::Executor;
use parking_lot::Mutex;

use crate::grpc::admission::Admission;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the calls of a worker.
#[derive(Debug, Clone)]
pub(super) struct Prompt {
    admission: Arc<Admission>,
    refused: Refused,
}

/// The calls that were refused in this turn of a connection, and are still to be told so. They wait for each other
/// and for nothing else: HTTP/2's library goes through a connection once for each call, and would write to its
/// socket each time that there is something to say. That takes longer than all else about a refusal.
#[derive(Clone, Default)]
pub(super) struct Refused(Arc<Mutex<Vec<Call>>>);

impl Prompt {
    pub(super) const fn new(admission: Arc<Admission>, refused: Refused) -> Self {
        Self { admission, refused }
    }
}

impl<F> Executor<F> for Prompt
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        match self.admission.has_refused() {
            // A task of its own would stand in the very queue that it was refused for.
            true => self.refused.0.lock().push(Box::pin(call)),
            false => drop(tokio::spawn(call)),
        }
    }
}

impl Refused {
    /// Lets a connection have its turn, and then tells all that were refused in it.
    pub(super) fn turn<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        cx: &mut Context<'_>,
    ) -> Poll<C::Output> {
        loop {
            let turned = connection.as_mut().poll(cx);
            // Always taken: the next turn is another connection's.
            let refused = mem::take(&mut *self.0.lock());
            if turned.is_ready() || refused.is_empty() {
                return turned;
            }
            refused.into_iter().for_each(begin_now);
        }
    }
}

/// Does now what mostly waits for nothing; what does goes on as a task.
pub(in crate::grpc) fn begin_now<F>(mut future: Pin<Box<F>>)
where
    F: Future<Output = ()> + Send + ?Sized + 'static,
{
    let mut now = Context::from_waker(Waker::noop());
    if future.as_mut().poll(&mut now).is_pending() {
        tokio::spawn(future);
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refused")
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use super::*;

    #[test]
    fn who_is_refused_in_a_turn_is_told_when_it_is_over_and_the_connection_says_it_at_once() {
        let (refused, told) = (Refused::default(), Arc::new(Mutex::new(0)));
        let mut polls = 0;
        let mut connection = pin!(poll_fn(|_| {
            polls += 1;
            match polls {
                // Three calls come, one after the other.
                1 => (0..3).for_each(|_| {
                    assert_eq!(*told.lock(), 0);
                    let told = Arc::clone(&told);
                    let call = async move { *told.lock() += 1 };
                    refused.0.lock().push(Box::pin(call));
                }),
                _ => assert_eq!(*told.lock(), 3),
            }
            Poll::<()>::Pending
        }));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(refused.turn(connection.as_mut(), &mut cx).is_pending());
        assert!(refused.turn(connection, &mut cx).is_pending());
        assert_eq!(polls, 3, "twice, and once where nobody was refused");
    }
}
