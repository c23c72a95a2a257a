//! What an invocation did, for the log: counts, delivery lag, and a line for each log object.
//!
//! The log contains nothing from records. CloudWatch Logs creates metrics from the counts and the lag.

mod counters;
mod lag;
mod metrics;
mod object_report;

/// The version that appears in the log, in the user agent of requests and in the reply to a test alert.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub use counters::Counters;
pub use lag::Lag;
pub use metrics::{FindingCounts, Metrics};
pub use object_report::{ObjectReport, ObjectResult};
