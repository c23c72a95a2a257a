//! What a scan searches for.

use std::collections::BTreeMap;
use std::sync::Arc;

use trailwarden::detect::{Change, Detector, EventSources, Finding, FindingKind};
use trailwarden::rules::Rules;
use trailwarden::trail::{RecordBytes, RecordError};
use trailwarden::triage::suppressing_rule;

use crate::scan::examine::Examine;
use crate::selection::Selection;

/// What to search for.
pub(crate) struct Search {
    pub(crate) detector: Detector,
    /// Mappings that users changed are findings.
    pub(crate) esm_changes: bool,
    pub(crate) rules: Rules,
    pub(crate) selection: Selection,
    /// AWS Lambda, whose records are counted.
    pub(crate) lambda: EventSources,
}

/// What was found in some records of an object.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    /// Calls that may have caused stops of mappings, if the detector detects them.
    pub(crate) changes: Vec<Change>,
    /// Mappings that users changed, if such findings were not asked for.
    pub(crate) mapping_changes: Vec<Finding>,
    /// Suppressed findings, by the name of the rule.
    pub(crate) suppressed: BTreeMap<String, u64>,
    /// Number of findings that the options do not select.
    pub(crate) not_selected: u64,
    /// Number of records of AWS Lambda.
    pub(crate) lambda_events: u64,
}

impl Examine for Search {
    type Found = Found;

    fn examine(
        &self,
        record: RecordBytes<'_>,
        object: &Arc<str>,
        found: &mut Found,
    ) -> Result<Option<RecordError>, RecordError> {
        let examined = self.detector.examine(record, object, &self.rules.watch)?;
        found.lambda_events += u64::from(self.lambda.includes(record));
        found.changes.extend(examined.change.map(|it| *it));
        examined.findings.into_iter().for_each(|finding| self.take(finding, &record, found));
        Ok(examined.unreadable)
    }

    fn size(found: &Found) -> usize {
        found.findings.len() + found.changes.len() + found.mapping_changes.len()
    }
}

impl Search {
    fn take(&self, finding: Finding, record: &[u8], found: &mut Found) {
        let is_change = matches!(finding.kind, FindingKind::EsmChanged(_));
        if is_change && !self.esm_changes {
            found.mapping_changes.push(finding);
            return;
        }
        if !self.selection.includes(&finding, record) {
            found.not_selected += 1;
        } else if let Some(rule) = suppressing_rule(&self.rules.suppress, &finding, record) {
            *found.suppressed.entry(rule.name.clone()).or_default() += 1;
        } else {
            found.findings.push(finding);
            return;
        }
        // It may still end a stop.
        if is_change {
            found.mapping_changes.push(finding);
        }
    }
}
