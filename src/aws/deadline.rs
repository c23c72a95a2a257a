//! The end of the invocation, after which no call continues.

use std::cell::Cell;
use std::rc::Rc;

use tokio::time::Instant;

use crate::service::{Fault, ServiceError};

/// The time at which the invocation must end. All clients share it, and each invocation sets it.
#[derive(Debug, Default, Clone)]
pub struct Deadline(Rc<Cell<Option<Instant>>>);

impl Deadline {
    /// Sets the time at which every call ends.
    pub fn set(&self, at: Instant) {
        self.0.set(Some(at));
    }

    /// Waits for a call, at most until the deadline.
    pub(super) async fn hold<V>(
        &self,
        operation: &'static str,
        call: impl Future<Output = V>,
    ) -> Result<V, ServiceError> {
        match self.0.get() {
            None => Ok(call.await),
            Some(at) => tokio::time::timeout_at(at, call)
                .await
                .map_err(|_| ServiceError::new(operation, Fault::OutOfTime, "out of time")),
        }
    }
}
