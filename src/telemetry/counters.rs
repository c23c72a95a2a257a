//! Counts of what an invocation did.

use crate::delivery::Skipped;

/// Counts of one invocation. These sums hold, so nothing is lost between the stages:
///
/// - `objects` = `objects_read` + `objects_failed`
/// - `records` = `records_selected` + `records_skipped` + `records_unreadable`
/// - `findings` = `disabled_mappings` + `changed_mappings` + `failing_mappings` + `denials` + `watched_events`; each
///   finding is part of an incident, or counted in `repeated` or `suppressed`
/// - `incidents` = `alerts` + `incidents_known` + `incidents_summarized`
/// - `alerts` = `alerts_published` + `alerts_failed`
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Log objects to read.
    pub objects: u64,
    /// Log objects that were read completely, including every record.
    pub objects_read: u64,
    /// Log objects that were not read completely.
    pub objects_failed: u64,
    /// Parts of the payload that do not need to be read.
    pub skipped: Skipped,
    /// Parts of the payload that were not understood.
    pub payload_problems: u64,
    /// Inflated bytes read.
    pub inflated_bytes: u64,
    /// Elements of `Records`, whether readable or not.
    pub records: u64,
    /// Records of the services to examine.
    pub records_selected: u64,
    /// Records of other services.
    pub records_skipped: u64,
    /// Elements that are not readable records.
    pub records_unreadable: u64,
    /// Records in the payload.
    pub inline_records: u64,
    /// Findings of all kinds.
    pub findings: u64,
    /// Event source mappings that AWS disabled.
    pub disabled_mappings: u64,
    /// Event source mappings that users changed.
    pub changed_mappings: u64,
    /// Event source mappings that are enabled but do not process their source.
    pub failing_mappings: u64,
    /// Calls that were denied.
    pub denials: u64,
    /// Events that match a watch rule.
    pub watched_events: u64,
    /// Findings that a rule suppressed.
    pub suppressed: u64,
    /// Findings of an event that was already found.
    pub repeated: u64,
    /// Incidents: single events that are never grouped, and groups of findings with one cause.
    pub incidents: u64,
    /// Incidents whose alert has already been published.
    pub incidents_known: u64,
    /// Incidents that were replaced by a summary of their caller.
    pub incidents_summarized: u64,
    /// Calls to the ledger that failed. Their alerts are published anyway.
    pub ledger_errors: u64,
    /// Context lookups that failed or timed out. Alerts are published without this context.
    pub context_errors: u64,
    /// Calls to the ledger about likely causes that failed, and changes that were not recorded. Alerts are published
    /// without these causes.
    pub cause_errors: u64,
    /// Checks that found the rules object unavailable or invalid.
    pub rules_errors: u64,
    /// Alerts to publish.
    pub alerts: u64,
    /// Alerts that every topic confirmed.
    pub alerts_published: u64,
    /// Alerts that a topic did not confirm.
    pub alerts_failed: u64,
    /// Accounts and Regions whose digests have stopped.
    pub silent_regions: u64,
    /// Those of them that became silent within the last two hours.
    pub newly_silent_regions: u64,
    /// Accounts and Regions that were swept completely.
    pub places_swept: u64,
    /// Event source mappings that a sweep listed.
    pub mappings_swept: u64,
    /// Accounts and Regions that could not be swept completely.
    pub sweep_failures: u64,
    /// 1 for the first invocation of an execution environment.
    pub cold_starts: u64,
}

impl Counters {
    /// Names and values of the metrics.
    #[must_use]
    pub fn metrics(&self) -> [(&'static str, u64); 39] {
        [
            ("Objects", self.objects),
            ("ObjectsRead", self.objects_read),
            ("ObjectsFailed", self.objects_failed),
            ("TestEventsSkipped", self.skipped.test_events),
            ("OtherEventsSkipped", self.skipped.other_events),
            ("DigestsSkipped", self.skipped.digests),
            ("OtherKeysSkipped", self.skipped.other_keys),
            ("RepeatedObjectsSkipped", self.skipped.repeated),
            ("PayloadProblems", self.payload_problems),
            ("InflatedBytes", self.inflated_bytes),
            ("Records", self.records),
            ("RecordsSelected", self.records_selected),
            ("RecordsSkipped", self.records_skipped),
            ("RecordsUnreadable", self.records_unreadable),
            ("InlineRecords", self.inline_records),
            ("Findings", self.findings),
            ("DisabledMappings", self.disabled_mappings),
            ("ChangedMappings", self.changed_mappings),
            ("FailingMappings", self.failing_mappings),
            ("Denials", self.denials),
            ("WatchedEvents", self.watched_events),
            ("SuppressedFindings", self.suppressed),
            ("RepeatedFindings", self.repeated),
            ("Incidents", self.incidents),
            ("IncidentsKnown", self.incidents_known),
            ("IncidentsSummarized", self.incidents_summarized),
            ("LedgerErrors", self.ledger_errors),
            ("ContextErrors", self.context_errors),
            ("CauseErrors", self.cause_errors),
            ("RulesErrors", self.rules_errors),
            ("Alerts", self.alerts),
            ("AlertsPublished", self.alerts_published),
            ("AlertsFailed", self.alerts_failed),
            ("SilentRegions", self.silent_regions),
            ("NewlySilentRegions", self.newly_silent_regions),
            ("PlacesSwept", self.places_swept),
            ("MappingsSwept", self.mappings_swept),
            ("SweepFailures", self.sweep_failures),
            ("ColdStarts", self.cold_starts),
        ]
    }
}
