//! Invocations that run concurrently on one thread, each with its own clock. They may crash.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use jiff::SignedDuration;

thread_local! {
    static RUNNING: Cell<Invocation> = const { Cell::new(Invocation { id: 0, skew: SignedDuration::ZERO }) };
}

/// An invocation. Outside of any, its ID is 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation {
    pub(crate) id: usize,
    /// How far its clock is ahead.
    pub(crate) skew: SignedDuration,
}

impl Invocation {
    /// The invocation that is being polled.
    pub(crate) fn running() -> Self {
        RUNNING.get()
    }

    /// Runs the invocation. If it crashes after a number of steps, its output is `None`.
    pub(crate) fn run<'a, V>(
        self,
        crashes_at: Option<usize>,
        future: impl Future<Output = V> + 'a,
    ) -> impl Future<Output = Option<V>> + 'a {
        MayCrash { invocation: self, steps_left: crashes_at, future: Box::pin(future) }
    }
}

struct MayCrash<F> {
    invocation: Invocation,
    /// Number of times that the future is polled before the invocation crashes.
    steps_left: Option<usize>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for MayCrash<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let crashes = self.steps_left == Some(0);
        self.steps_left = self.steps_left.map(|left| left.saturating_sub(1));
        let _outside = Outside(RUNNING.replace(self.invocation));
        let polled = self.future.as_mut().poll(context);
        if crashes { Poll::Ready(None) } else { polled.map(Some) }
    }
}

/// Ends the poll of an invocation, even with a panic, so that the next simulation on this thread starts outside of any.
struct Outside(Invocation);

impl Drop for Outside {
    fn drop(&mut self) {
        RUNNING.set(self.0);
    }
}
