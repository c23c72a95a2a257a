//! The integration tests: the function and `trailscan` from outside, by topic.
//!
//! A test builds a [`fixture::Fixture`], invokes it, and asserts what was alerted. [`fakes`] contains the services that
//! it uses: in memory, and over sockets with the AWS SDK.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and a snapshot is as long as its output"
)]

mod architecture;
mod deduplication;
mod docs;
mod fakes;
mod fixture;
mod formats;
mod fuzz;
mod oracle;
mod pipeline;
mod record_filter;
mod security_rules;
mod simulation;
mod storm;
mod trail;

#[cfg(feature = "lambda")]
mod aws;
#[cfg(feature = "lambda")]
mod faults;
#[cfg(feature = "lambda")]
mod logs;

#[cfg(feature = "cli")]
mod trailscan;
