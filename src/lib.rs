//! Reads AWS CloudTrail logs, finds silent failures around AWS Lambda, and alerts people.
//!
//! CloudTrail delivers log objects to S3, S3 notifies the function, and the function publishes alerts to SNS about
//!
//! - **event source mappings that AWS disabled** (`LambdaESMDisabled`), or that the Lambda API reports as stopped or
//!   failing: a queue or stream is no longer processed, and no other signal reports it;
//! - **denied calls**, grouped so that one cause is one alert;
//! - mappings that users changed, and events that the user's own [`rules`] watch for.
//!
//! ```text
//! invocation payload
//!   └─ delivery   payload   → log objects, inline records
//!        └─ trail      bytes     → records      inflate, split, parse only what matters
//!             └─ detect     record    → findings, changes
//!                  └─ triage     findings  → incidents     one incident per cause, and the alerts that are due
//!                       └─ enrich     incident  → context       present state of a mapping, owner of its function
//!                            └─ alert      incident  → messages      text, chat, JSON
//!                                 └─ publish    messages  → topics        the result of each entry is checked
//!                                      └─ reply      error, failed messages, or a result for each task
//! ```
//!
//! [`pipeline`] runs these stages. [`failure`] and [`reply`] decide what a failure means for the invocation. All
//! modules except [`aws`] and [`lambda`] are free of I/O: the module that calls a service defines the trait that it
//! needs ([`trail::ObjectSource`], [`triage::Ledger`], [`triage::Causes`], [`publish::Topic`], [`heartbeat::Heartbeats`],
//! [`rules::RulesObject`], [`enrich::ContextSource`], [`sweep::MappingSource`], [`clock::Clock`]).
//! The feature `lambda`, on by default, adds the function: the Lambda runtime, and implementations of these traits with
//! the AWS SDK.
//!
//! The tenets, in order: never lose a finding; never report a failure as a success; show the unknown; stay quiet; keep
//! memory flat; treat all text in a log as hostile.
//!
//! trailwarden does not manage permissions or store logs.

pub mod alert;
pub mod clock;
pub mod delivery;
pub mod detect;
pub mod enrich;
pub mod failure;
pub mod heartbeat;
mod identity;
pub mod pattern;
pub mod pipeline;
pub mod publish;
pub mod reply;
pub mod rules;
pub mod s3_object;
pub mod service;
pub mod settings;
pub mod sweep;
pub mod telemetry;
pub mod trail;
pub mod triage;

#[cfg(feature = "s3")]
pub mod aws;
#[cfg(feature = "lambda")]
pub mod lambda;
