//! Finds what matters in a record.
//!
//! [`Detector::examine`] decides whether a record belongs to a selected service and, if it does, whether AWS disabled
//! an event source mapping, a user changed one, a call was denied, or a rule watches for the event. It also finds calls
//! that changed a resource that a mapping depends on, because they may explain a stop. It examines one record at a
//! time, keeps no state, and returns owned values, so that the buffer of the record can be reused.

mod access_denied;
mod api_action;
mod arn;
mod change;
mod change_table;
mod denial_message;
mod detector;
mod esm_changed;
mod esm_disabled;
mod esm_failing;
mod esm_recovered;
mod event;
mod event_sources;
mod finding;
mod json;
mod principal;
mod record_filter;
mod resource_key;
mod severity;
mod watch;

pub use access_denied::{AccessDenied, DenialKind};
pub(crate) use arn::{Arn, EventSourceKind};
pub use change::Change;
pub use denial_message::{DenialMessage, Effect, PolicyType};
pub use detector::{Detector, Examined};
pub use esm_changed::{EsmChange, EsmChanged};
pub(crate) use esm_disabled::{EVENT_NAME as ESM_DISABLED, is_uuid};
pub use esm_disabled::{EsmCategory, EsmDisabled, MappingNames};
pub use esm_failing::{EsmFailing, FailingCategory};
pub use esm_recovered::{EsmRecovered, Recovery, Trouble};
pub use event::{Event, Origin};
pub use event_sources::{EventSources, EventSourcesError};
pub(crate) use event_sources::{LAMBDA, is_lambda};
pub use finding::{AlertType, Finding, FindingKind, Watched};
pub use json::FindingJson;
pub use principal::Principal;
pub use resource_key::{ResourceKey, ResourceKeyError, ResourceKind};
pub use severity::Severity;
pub use watch::{WatchRule, WatchRules};
