//! Finds what goes wrong in silence around AWS Lambda, in the logs of AWS CloudTrail.
//!
//! CloudTrail delivers log objects to S3, S3 notifies the function, and the function publishes
//! alerts to SNS about
//!
//! - **event source mappings that AWS disabled** (`LambdaESMDisabled`): a queue or a stream is no
//!   longer processed, and nothing else says so;
//! - **calls that were denied**, grouped so that one cause is one alert;
//! - mappings that users changed, and events that the user's own [`rules`] watch for.
//!
//! ```text
//! invocation payload
//!   └─ delivery   payload   → log objects
//!        └─ trail      bytes     → records     inflate, split, parse only what rules read
//!             └─ detect     record    → finding
//!                  └─ triage     findings  → incidents   one cause, one incident; is an alert due?
//!                       └─ alert      incident  → message     text, chat, JSON
//!                            └─ publish    message   → topics     each entry's result checked
//!                                 └─ outcome    error, or a result for each message or task
//! ```
//!
//! [`pipeline`] is this flow, and the only place that decides what a failure means. Everything
//! above is free of I/O: [`ports`], [`triage::Ledger`] and [`rules::RulesObject`] are the traits of
//! what it needs from outside. The feature `lambda`, on by default, adds the function itself: the
//! Lambda runtime, and these traits over the AWS SDK.
//!
//! Its tenets, in this order: never lose a finding; never report a failure as a success; show the
//! unknown; stay quiet; keep memory flat; treat all text of a log as hostile.
//!
//! It does not decide who may do what, does not keep logs, and cannot see what CloudTrail does not
//! write: AWS writes no event when it disables a mapping of Kafka, Amazon MQ or DocumentDB.

pub mod alert;
pub mod delivery;
pub mod detect;
mod identity;
pub mod outcome;
pub mod pipeline;
pub mod ports;
pub mod publish;
pub mod rules;
pub mod settings;
pub mod telemetry;
pub mod test_alert;
pub mod trail;
pub mod triage;

#[cfg(feature = "lambda")]
pub mod aws;
#[cfg(feature = "lambda")]
pub mod lambda;
