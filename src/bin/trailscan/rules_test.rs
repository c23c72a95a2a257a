//! Applies rules to log files, and counts what each rule matches.

mod matches;

use std::sync::Arc;

use trailwarden::detect::{Detector, EventSources, Finding, FindingKind};
use trailwarden::rules::Rules;
use trailwarden::trail::{RecordBytes, RecordError};
use trailwarden::triage::{SuppressRule, suppressing_rule};

use crate::scan::examine::Examine;
pub(crate) use matches::Matches;

/// The rules, and how they are applied.
pub(crate) struct RulesTest {
    detector: Detector,
    pub(crate) rules: Rules,
    /// The suppressions without their expiry dates.
    lasting: Vec<SuppressRule>,
}

impl RulesTest {
    /// Examines these services. Finds everything that a rule can match, even what is off by default.
    pub(crate) fn new(rules: Rules, event_sources: EventSources) -> Self {
        let detector = Detector { event_sources, esm_changes: true, authentication_failures: true, causes: false };
        let lasting = rules.suppress.iter().map(|rule| SuppressRule { expires: None, ..rule.clone() }).collect();
        Self { detector, rules, lasting }
    }

    fn count(&self, finding: &Finding, record: &[u8], matches: &mut Matches) {
        matches.findings += 1;
        if let FindingKind::Watched(watched) = &finding.kind {
            matches.watch.entry(watched.rule.clone()).or_default().add(finding);
        }
        // Most findings match no suppression, and need only this search.
        if suppressing_rule(&self.lasting, finding, record).is_none() {
            return;
        }
        let first = suppressing_rule(&self.rules.suppress, finding, record).map(|rule| &rule.name);
        for (rule, lasting) in self.rules.suppress.iter().zip(&self.lasting) {
            let is_match = |rule| suppressing_rule(std::slice::from_ref(rule), finding, record).is_some();
            if !is_match(lasting) {
                continue;
            }
            let suppressed = matches.suppress.entry(rule.name.clone()).or_default();
            if first == Some(&rule.name) {
                suppressed.findings.add(finding);
            } else if is_match(rule) {
                suppressed.by_earlier += 1;
            } else {
                suppressed.too_late += 1;
            }
        }
    }
}

impl Examine for RulesTest {
    type Found = Matches;

    fn examine(
        &self,
        record: RecordBytes<'_>,
        object: &Arc<str>,
        matches: &mut Matches,
    ) -> Result<Option<RecordError>, RecordError> {
        let examined = self.detector.examine(record, object, &self.rules.watch)?;
        examined.findings.iter().for_each(|finding| self.count(finding, &record, matches));
        Ok(examined.unreadable)
    }

    /// The size does not depend on the number of records.
    fn size(_: &Matches) -> usize {
        0
    }
}
