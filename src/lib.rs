//! Finds in AWS CloudTrail logs what goes wrong silently around AWS Lambda, and alerts people.
//!
//! CloudTrail delivers log objects to S3, S3 notifies the function, and the function publishes alerts to SNS about
//!
//! - **event source mappings that AWS disabled** (`LambdaESMDisabled`): a queue or stream is no longer processed, and no
//!   other signal says so;
//! - **denied calls**, grouped so that one cause is one alert;
//! - mappings that users changed, and events that the user's own [`rules`] watch for.
//!
//! ```text
//! invocation payload
//!   └─ delivery   payload   → log objects, inline records
//!        └─ trail      bytes     → records      inflate, split, parse only what matters
//!             └─ detect     record    → findings
//!                  └─ triage     findings  → incidents     one cause, one incident; which alerts are due?
//!                       └─ alert      incident  → messages      text, chat, JSON
//!                            └─ publish    messages  → topics        the result of each entry is checked
//!                                 └─ reply      error, failed messages, or a result for each task
//! ```
//!
//! [`pipeline`] is this flow, and the only place that decides what a failure means. All modules except [`aws`] and
//! [`lambda`] are free of I/O: the module that calls a service defines the trait that it needs ([`trail::ObjectSource`],
//! [`triage::Ledger`], [`publish::Topic`], [`rules::RulesObject`], [`clock::Clock`]). The feature `lambda`, on by default,
//! adds the function: the Lambda runtime, and these traits over the AWS SDK.
//!
//! The tenets, in order: never lose a finding; never report a failure as a success; show the unknown; stay quiet; keep
//! memory flat; treat all text in a log as hostile.
//!
//! trailwarden does not decide who may do what, does not store logs, and cannot see what CloudTrail does not log: AWS logs
//! no event when it disables a mapping for Kafka, Amazon MQ or DocumentDB.

pub mod alert;
pub mod clock;
pub mod delivery;
pub mod detect;
pub mod failure;
mod identity;
pub mod pattern;
pub mod pipeline;
pub mod publish;
pub mod reply;
pub mod rules;
pub mod s3_object;
pub mod service;
pub mod settings;
pub mod telemetry;
pub mod trail;
pub mod triage;

#[cfg(feature = "lambda")]
pub mod aws;
#[cfg(feature = "lambda")]
pub mod lambda;
