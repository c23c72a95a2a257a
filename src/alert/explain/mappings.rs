//! Explains the codes about event source mappings.

use super::super::attributes::MANY_MAPPINGS;
use super::super::mapping::Source;
use super::super::next_steps::{self, Step, step};
use super::super::{esm_changed, esm_disabled, esm_failing, esm_recovered};
use super::explanation::{CodeGroup, Explanation};
use crate::detect::{
    AlertType, EsmCategory, EsmChange, EsmChanged, EsmDisabled, EsmFailing, EsmRecovered, Event, EventSourceKind,
    FailingCategory, MappingNames, Recovery, Trouble,
};

/// How long sources keep events. Sources: "Amazon SQS message quotas" in the Amazon SQS Developer Guide, "Change the data
/// retention period" in the Amazon Kinesis Data Streams Developer Guide, and "Change data capture for DynamoDB Streams" in
/// the Amazon DynamoDB Developer Guide.
const RETENTION: &str = "An SQS queue keeps messages for 4 days unless it is configured otherwise, and for 14 days at \
                         most. A Kinesis stream keeps records for 24 hours unless it is configured otherwise, and for 365 \
                         days at most. A DynamoDB stream keeps records for 24 hours. Expired messages and records are lost.";

/// The sources with few permissions, which are worth listing.
const GRANTS: [(EventSourceKind, &str); 3] = [
    (EventSourceKind::Queue, "an SQS queue"),
    (EventSourceKind::Stream, "a Kinesis stream"),
    (EventSourceKind::Table, "a DynamoDB stream"),
];

pub(super) fn of_disabled_type() -> Explanation {
    Explanation {
        group: CodeGroup::AlertType,
        code: AlertType::EsmDisabled.as_str().to_owned(),
        brief: "AWS disabled an event source mapping.",
        summary:
            "AWS disabled an event source mapping, so Lambda stopped reading its queue or stream. The category says \
                  why. If the alert has the status \"resolved\", Lambda reads again or the mapping was deleted."
                .to_owned(),
        ..of_disabled(EsmCategory::Unknown)
    }
}

pub(super) fn of_changed_type() -> Explanation {
    Explanation {
        group: CodeGroup::AlertType,
        code: AlertType::EsmChanged.as_str().to_owned(),
        brief: "A user disabled, deleted or enabled an event source mapping.",
        summary: "A user disabled, deleted or enabled an event source mapping. The category says which.".to_owned(),
        ..of_changed(EsmChange::Disabled)
    }
}

pub(super) fn of_failing_type() -> Explanation {
    Explanation {
        group: CodeGroup::AlertType,
        code: AlertType::EsmFailing.as_str().to_owned(),
        brief: "An event source mapping is enabled but does not process its source.",
        summary:
            "An event source mapping is enabled but does not process its source. The category says why. Only a sweep \
                  finds such a mapping; CloudTrail logs no event about it."
                .to_owned(),
        ..of_failing(FailingCategory::ProcessingProblem)
    }
}

pub(super) fn of_disabled(category: EsmCategory) -> Explanation {
    let mut steps = next_steps::of_disabled_mapping(&Event::unnamed(), &disabled(category), None);
    if category == EsmCategory::AuthorizationError {
        let at = steps.len().min(2);
        steps.splice(
            at..at,
            GRANTS.map(|(kind, source)| step(format!("For {source}, grant {}.", permissions(kind)), None)),
        );
    }
    steps.extend(catching_up());
    Explanation {
        group: CodeGroup::Category(AlertType::EsmDisabled),
        code: category.as_str().to_owned(),
        brief: esm_disabled::meaning(category),
        summary: format!("AWS disabled the event source mapping: {}.", esm_disabled::meaning(category)),
        consequences: waiting(Source::consequence),
        steps,
    }
}

pub(super) fn of_failing(category: FailingCategory) -> Explanation {
    let failing = EsmFailing { category, problem: String::new(), names: MappingNames::default() };
    Explanation {
        group: CodeGroup::Category(AlertType::EsmFailing),
        code: category.as_str().to_owned(),
        brief: esm_failing::meaning(category),
        summary: format!("The event source mapping is enabled but fails: {}.", esm_failing::meaning(category)),
        consequences: waiting(Source::unprocessed),
        steps: next_steps::of_failing_mapping(&Event::unnamed(), &failing).into_iter().chain(catching_up()).collect(),
    }
}

pub(super) fn of_changed(change: EsmChange) -> Explanation {
    let changed = EsmChanged { change, mapping_uuid: None, function_arn: None, event_source_arn: None };
    let consequences = match change {
        EsmChange::Disabled => waiting(Source::consequence),
        EsmChange::Deleted => {
            vec![esm_changed::consequence(change, &Source::of(None)).to_owned(), RETENTION.to_owned()]
        }
        EsmChange::Enabled => vec![esm_changed::consequence(change, &Source::of(None)).to_owned()],
    };
    let brief = match change {
        EsmChange::Disabled => "A user disabled an event source mapping.",
        EsmChange::Deleted => "A user deleted an event source mapping.",
        EsmChange::Enabled => "A user enabled an event source mapping.",
    };
    Explanation {
        group: CodeGroup::Category(AlertType::EsmChanged),
        code: change.as_str().to_owned(),
        brief,
        summary: brief.to_owned(),
        consequences,
        steps: next_steps::of_changed_mapping(&Event::unnamed(), &changed),
    }
}

pub(super) fn of_recovered(recovery: Recovery) -> Explanation {
    let recovered = EsmRecovered { from: Trouble::Stopped, recovery, names: MappingNames::default() };
    let brief = match recovery {
        Recovery::Enabled => "The event source mapping is enabled again: Lambda now reads its source.",
        Recovery::Processing => "The event source mapping remained enabled, and Lambda processes its source again.",
        Recovery::Deleted => "The event source mapping no longer exists.",
        Recovery::Disabled => "A user disabled the event source mapping that was failing.",
    };
    let consequences = match recovery {
        Recovery::Disabled => waiting(Source::consequence),
        Recovery::Enabled | Recovery::Deleted | Recovery::Processing => {
            vec![esm_recovered::consequence(recovery, &Source::of(None)).to_owned()]
        }
    };
    Explanation {
        group: CodeGroup::Recovery,
        code: recovery.as_str().to_owned(),
        brief,
        summary: brief.to_owned(),
        consequences,
        steps: next_steps::of_recovered_mapping(&Event::unnamed(), &recovered),
    }
}

pub(super) fn of_many_mappings() -> Explanation {
    Explanation {
        group: CodeGroup::Several,
        code: MANY_MAPPINGS.to_owned(),
        brief: "Several event source mappings are stopped.",
        summary:
            "Several event source mappings are stopped. The first sweep of a Region, and reminders, report them in one \
                  alert."
                .to_owned(),
        consequences: waiting(Source::consequence),
        steps: next_steps::of_stopped_mappings(&Event::unnamed()),
    }
}

fn disabled(category: EsmCategory) -> EsmDisabled {
    EsmDisabled { category, reason: None, mapping_uuid: None, function_arn: None, event_source_arn: None }
}

fn permissions(kind: EventSourceKind) -> &'static str {
    next_steps::permissions(Some(kind))
}

/// What happens to the events in a queue and in a stream, and how long they are kept.
fn waiting(consequence: fn(&Source<'static>) -> &'static str) -> Vec<String> {
    let of_kinds = [EventSourceKind::Queue, EventSourceKind::Stream].map(|kind| consequence(&Source::of_kind(kind)));
    of_kinds.into_iter().chain([RETENTION]).map(str::to_owned).collect()
}

/// How to see what waits in a queue or a stream.
fn catching_up() -> [Step; 2] {
    [
        step(
            "To see how many messages are in a queue, and for how many seconds it keeps them:",
            "aws sqs get-queue-attributes --region REGION --queue-url QUEUE_URL --attribute-names ApproximateNumberOfMessages \
             MessageRetentionPeriod"
                .to_owned(),
        ),
        step(
            "To see for how many hours a Kinesis stream keeps records:",
            "aws kinesis describe-stream-summary --region REGION --stream-name STREAM --query \
             StreamDescriptionSummary.RetentionPeriodHours"
                .to_owned(),
        ),
    ]
}
