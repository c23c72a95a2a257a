//! The flow of an invocation, from its payload to published alerts.
//!
//! One failure blocks nothing else: the other parts of the payload, the other objects, and findings before a fault
//! still lead to alerts. Then the invocation fails and lists everything that failed, so that it is retried, and finally
//! moved to the dead-letter queue. A retry may repeat an alert, but no finding is lost.

mod causes;
mod invocation;
mod publishing;
mod reading;
mod silence;
mod sweep;
mod test_alert;
mod wiring;

pub use invocation::Outcome;
pub use wiring::{Invocation, Pipeline};

use crate::clock::Clock;
use crate::delivery::{self, Announced, BatchJob, Delivery, Queue};
use crate::enrich::ContextSource;
use crate::heartbeat::Heartbeats;
use crate::publish::Topic;
use crate::reply::Reply;
use crate::sweep::MappingSource;
use crate::trail::ObjectSource;
use crate::triage::{Audience, Causes, Ledger, MappingStates};
use invocation::Running;

impl<S, T, L, C, A> Pipeline<S, T, L, C, A>
where
    S: ObjectSource,
    T: Topic,
    L: Ledger + MappingStates + Causes + Heartbeats,
    C: Clock,
    A: ContextSource + MappingSource,
{
    /// Handles one invocation.
    pub async fn run(&self, invocation: Invocation<'_, impl Future<Output = ()>>) -> Outcome {
        match delivery::decode(invocation.payload, &self.accepted) {
            Delivery::TestAlert => self.publish_test_alert().await,
            Delivery::SilenceCheck => self.check_silence().await,
            Delivery::Sweep => self.sweep(invocation).await,
            Delivery::Notification(announced) => self.process(announced, Audience::All, invocation).await,
            Delivery::Queue(Queue { announced, messages, without_id }) => {
                let mut outcome = self.process(announced, Audience::All, invocation).await;
                outcome.reply = Reply::to_queue(messages, without_id, &outcome.failures);
                outcome
            }
            Delivery::BatchJob(BatchJob { announced, schema_version, invocation_id, tasks }) => {
                let mut outcome = self.process(announced, Audience::Machines, invocation).await;
                outcome.reply = Reply::to_job(schema_version, invocation_id, tasks, &outcome.failures);
                outcome
            }
        }
    }

    async fn process(
        &self,
        announced: Announced,
        audience: Audience,
        invocation: Invocation<'_, impl Future<Output = ()>>,
    ) -> Outcome {
        let Announced { objects, records, digests, skipped, problems } = announced;
        let running = Running::new(self, audience, &invocation);
        running.examine_inline(&records);
        running.publish_mappings().await;
        running.read_all(&objects, invocation.time_up).await;
        running.publish_incidents().await;
        running.record_heartbeats(digests).await;
        running.record_changes().await;
        running.finish(skipped, problems)
    }
}
