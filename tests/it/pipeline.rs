//! From payload to topic: what an invocation alerts, and how it fails.

mod causes;
mod context;
mod counters;
mod deliveries;
mod denials;
mod failures;
mod hostile;
pub(crate) mod lifecycle;
mod limits;
mod mappings;
mod publishing;
mod rules;
mod silence;
pub(crate) mod sweep;
mod telemetry;
