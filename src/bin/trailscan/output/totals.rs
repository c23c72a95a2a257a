//! Counts what a scan found.

use std::collections::{BTreeMap, HashMap};

use trailwarden::detect::{AccessDenied, Effect, Finding, FindingKind, PolicyType};

use crate::output::group::Group;
use crate::output::timeline::Timeline;
use crate::search::Found;

/// Maximum number of distinct values of which a [`Ranking`] keeps the counts.
const MAX_RANKED: usize = 100_000;

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Number of records of AWS Lambda.
    pub(crate) lambda_events: u64,
    /// Number of findings that the options do not select.
    pub(crate) not_selected: u64,
    /// Number of findings, by alert type.
    pub(crate) findings: BTreeMap<&'static str, u64>,
    /// Number of suppressed findings, by the name of the rule.
    pub(crate) suppressed: BTreeMap<String, u64>,
    /// Times of the earliest and the latest finding.
    pub(crate) period: Option<(String, String)>,
    pub(crate) callers: Ranking,
    pub(crate) actions: Ranking,
    pub(crate) functions: Ranking,
    pub(crate) accounts: Ranking,
    pub(crate) error_codes: Ranking,
    pub(crate) timeline: Timeline,
    /// Number of denials, by the policy that caused them.
    pub(crate) policies: BTreeMap<(Option<PolicyType>, Option<Effect>), u64>,
}

/// Counts how often each value occurs.
#[derive(Debug, Default)]
pub(crate) struct Ranking(HashMap<String, u64>);

impl Totals {
    /// Counts what was found.
    pub(crate) fn add(&mut self, found: &Found) {
        self.lambda_events += found.lambda_events;
        self.not_selected += found.not_selected;
        for (rule, count) in &found.suppressed {
            *self.suppressed.entry(rule.clone()).or_default() += count;
        }
        found.findings.iter().for_each(|finding| self.count(finding));
    }

    fn count(&mut self, finding: &Finding) {
        *self.findings.entry(finding.alert_type()).or_default() += 1;
        let event = &finding.event;
        match &finding.kind {
            FindingKind::AccessDenied(denied) => {
                self.count_denial(denied);
                self.actions.add(&finding.action());
            }
            _ => self.actions.add(&event.api_action),
        }
        self.timeline.count(event.time.as_deref(), Group::of(finding));
        self.callers.add(&event.principal.key);
        event.function_name.iter().for_each(|function| self.functions.add(function));
        event.account.iter().for_each(|account| self.accounts.add(account));
        event.time.iter().for_each(|time| self.extend_period(time));
    }

    fn count_denial(&mut self, denied: &AccessDenied) {
        self.error_codes.add(&denied.error_code);
        *self.policies.entry((denied.policy_type, denied.effect)).or_default() += 1;
    }

    /// Extends the period to include `time`. The lexical order of event times is chronological.
    fn extend_period(&mut self, time: &str) {
        match &mut self.period {
            None => self.period = Some((time.to_owned(), time.to_owned())),
            Some((first, _)) if time < first.as_str() => time.clone_into(first),
            Some((_, last)) if time > last.as_str() => time.clone_into(last),
            Some(_) => {}
        }
    }
}

impl Ranking {
    /// Counts a value. After [`MAX_RANKED`] distinct values, new values are not counted, so memory is bounded.
    pub(crate) fn add(&mut self, value: &str) {
        if let Some(count) = self.0.get_mut(value) {
            *count += 1;
        } else if self.0.len() < MAX_RANKED {
            self.0.insert(value.to_owned(), 1);
        }
    }

    /// Number of distinct values, up to [`MAX_RANKED`].
    pub(crate) fn distinct(&self) -> usize {
        self.0.len()
    }

    /// Returns true if new values are not counted any more.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_RANKED
    }

    /// The `most` most frequent values with their counts, in alphabetical order where the counts are equal.
    pub(crate) fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut values: Vec<_> = self.0.iter().map(|(value, count)| (value.as_str(), *count)).collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        values.truncate(most);
        values
    }
}
