//! Records the heartbeats of the trail, and checks for silent accounts and Regions.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{self, Either};

use super::invocation::{Outcome, Running};
use super::wiring::Pipeline;
use crate::clock::Clock;
use crate::delivery::AccountRegion;
use crate::heartbeat::{Heartbeat, Heartbeats};
use crate::reply::Reply;
use crate::service::{Fault, ServiceError};
use crate::triage::Audience;

/// Time limit for recording the heartbeats of an invocation.
const RECORD_TIME: Duration = Duration::from_secs(4);

impl<S, T, L: Heartbeats, C: Clock, A> Running<'_, S, T, L, C, A> {
    /// Records a heartbeat for each digest in the payload. A failure counts as a ledger error.
    pub(super) async fn record_heartbeats(&self, digests: BTreeSet<AccountRegion>) {
        let Pipeline { ledger, clock, heartbeats, .. } = self.pipeline;
        if digests.is_empty() || !heartbeats || self.audience == Audience::Machines {
            return;
        }
        let digests: Vec<_> = digests.into_iter().collect();
        let recording = pin!(ledger.record_heartbeats(&digests, clock.now()));
        let result = match future::select(recording, pin!(clock.sleep(RECORD_TIME))).await {
            Either::Left((result, _)) => result,
            Either::Right(((), _)) => Err(ServiceError::new("heartbeats", Fault::Unavailable, "no response in time")),
        };
        self.state.borrow_mut().heartbeat_error = result.err();
    }
}

impl<S, T, L: Heartbeats, C: Clock, A> Pipeline<S, T, L, C, A> {
    /// Finds the accounts and Regions whose digests have stopped.
    pub(super) async fn check_silence(&self) -> Outcome {
        let mut outcome = Outcome::default();
        match self.ledger.heartbeats().await {
            Ok(heartbeats) => {
                let now = self.clock.now();
                let known = heartbeats.len() as u64;
                let mut silent: Vec<Heartbeat> = heartbeats.into_iter().filter(|it| it.is_silent(now)).collect();
                silent.sort_by_key(|it| (Reverse(it.at), it.of.clone()));
                outcome.counters.silent_regions = silent.len() as u64;
                outcome.counters.newly_silent_regions =
                    silent.iter().filter(|it| it.is_newly_silent(now)).count() as u64;
                outcome.reply = Reply::Silence { known, silent };
            }
            Err(error) => outcome.failures.heartbeats = Some(error),
        }
        outcome
    }
}
