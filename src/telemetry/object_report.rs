//! The log line about a log object.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::delivery::account_in_key;
use crate::s3_object::S3Object;

/// What an invocation found in a log object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReport {
    /// The object.
    pub object: S3Object,
    /// Whether it was read.
    pub result: ObjectResult,
    /// Inflated bytes read.
    pub inflated_bytes: u64,
    /// Elements of `Records`, whether readable or not.
    pub records: u64,
    /// Number of findings by alert type, including repeated and suppressed ones.
    pub findings: BTreeMap<&'static str, u64>,
}

/// Whether a log object was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectResult {
    /// Completely, including every record.
    Read,
    /// Not completely, for a reason that may resolve itself.
    Unavailable,
    /// Not completely, and a retry cannot succeed until something changes.
    Unreadable,
}

impl ObjectReport {
    /// The report as one line of JSON, with the fields that Lambda requires of a structured log. The account is part of
    /// the object's key, and appears only if there are findings.
    #[must_use]
    pub fn line(&self, time: Timestamp, request_id: &str) -> String {
        let line = Line {
            timestamp: time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            level: if self.result == ObjectResult::Read { "INFO" } else { "ERROR" },
            request_id,
            object: self.object.to_string(),
            result: self.result,
            inflated_bytes: self.inflated_bytes,
            records: self.records,
            findings: &self.findings,
            account: account_in_key(&self.object.key).filter(|_| !self.findings.is_empty()),
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    request_id: &'a str,
    object: String,
    result: ObjectResult,
    inflated_bytes: u64,
    records: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    findings: &'a BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(result: ObjectResult, findings: &[(&'static str, u64)]) -> ObjectReport {
        let key = "AWSLogs/o-abcdefghij/111122223333/CloudTrail/us-east-1/2026/01/02/a\nb.json.gz";
        let object = S3Object::new("trail", key);
        ObjectReport { object, result, inflated_bytes: 4_096, records: 3, findings: findings.iter().copied().collect() }
    }

    /// The length of the line about most objects. local/costs.py calculates the cost of the log from it.
    #[test]
    fn an_object_without_findings_logs_few_bytes() {
        let name = "111122223333_CloudTrail_us-east-1_20260102T0305Z_abcdefghijklmnop.json.gz";
        let key = format!("AWSLogs/o-abcdefghij/111122223333/CloudTrail/us-east-1/2026/01/02/{name}");
        let object = S3Object::new("trailwarden-111122223333-us-east-1", key);
        let report = ObjectReport { object, inflated_bytes: 123_456, records: 100, ..report(ObjectResult::Read, &[]) };
        let line = report.line(Timestamp::constant(1_767_323_100, 0), "8f2dd1c5-1a7f-4d5f-8f5c-0123456789ab");
        assert_eq!(line.len(), 350, "{line}");
    }

    #[test]
    fn an_object_is_one_line() {
        let at = Timestamp::constant(1_767_323_100, 0);
        insta::assert_snapshot!(report(ObjectResult::Read, &[]).line(at, "1-2-3"), @r#"{"timestamp":"2026-01-02T03:05:00.000Z","level":"INFO","requestId":"1-2-3","object":"s3://trail/AWSLogs/o-abcdefghij/111122223333/CloudTrail/us-east-1/2026/01/02/a\\u{a}b.json.gz","result":"read","inflatedBytes":4096,"records":3}"#);
        let found = report(ObjectResult::Unreadable, &[("access_denied", 2), ("esm_disabled", 1)]).line(at, "1-2-3");
        insta::assert_snapshot!(found, @r#"{"timestamp":"2026-01-02T03:05:00.000Z","level":"ERROR","requestId":"1-2-3","object":"s3://trail/AWSLogs/o-abcdefghij/111122223333/CloudTrail/us-east-1/2026/01/02/a\\u{a}b.json.gz","result":"unreadable","inflatedBytes":4096,"records":3,"findings":{"access_denied":2,"esm_disabled":1},"account":"111122223333"}"#);
    }
}
