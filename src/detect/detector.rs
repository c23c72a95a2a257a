//! Examines one record.

use std::sync::Arc;

use super::access_denied::{self, AccessDenied, DenialKind};
use super::api_action::api_action;
use super::change::{self, Change};
use super::event::Event;
use super::event_sources::{EventSources, is_lambda};
use super::finding::{Finding, FindingKind};
use super::watch::WatchRules;
use super::{esm_changed, esm_disabled};
use crate::trail::{Record, RecordBytes, RecordError};

/// Finds what matters in the records of the selected services.
#[derive(Debug, Clone, Default)]
pub struct Detector {
    /// Services to examine.
    pub event_sources: EventSources,
    /// Find mappings that users disable, delete or enable.
    pub esm_changes: bool,
    /// Find calls with invalid credentials.
    pub authentication_failures: bool,
    /// Detect calls to any service that changed a resource that a mapping depends on.
    pub causes: bool,
}

/// The result of examining a record.
#[derive(Debug, Default)]
pub struct Examined {
    /// The record belongs to a selected service or to one that a rule names.
    pub selected: bool,
    /// What was found.
    pub findings: Vec<Finding>,
    /// A call that changed a resource that a mapping depends on, whether or not its service is selected.
    pub change: Option<Box<Change>>,
    /// A field that detection or a rule needs does not parse, so a finding may be missing.
    pub unreadable: Option<RecordError>,
}

impl Detector {
    /// Examines one record of `object` for built-in findings and for events that `rules` watch for. Most records cost
    /// only a search in their bytes.
    ///
    /// # Errors
    /// If the record may contain a finding or match a rule, but does not parse.
    pub fn examine<'r>(
        &self,
        record: impl Into<RecordBytes<'r>>,
        object: &Arc<str>,
        rules: &WatchRules,
    ) -> Result<Examined, RecordError> {
        let record = record.into();
        if self.causes {
            return self.examine_with_change(record, object, rules);
        }
        if self.may_matter(record, rules) {
            return self.examine_parsed(record.as_slice(), object, rules);
        }
        Ok(self.rejected())
    }

    fn examine_with_change(
        &self,
        record: RecordBytes<'_>,
        object: &Arc<str>,
        rules: &WatchRules,
    ) -> Result<Examined, RecordError> {
        if !self.may_matter_or_change(record, rules) {
            return Ok(self.rejected());
        }
        match self.examine_parsed(record.as_slice(), object, rules) {
            // Changes are optional information. Detecting them never fails an object that would otherwise succeed.
            Err(_) if !self.may_matter(record, rules) => Ok(self.rejected()),
            examined => examined,
        }
    }

    fn rejected(&self) -> Examined {
        Examined { selected: self.event_sources.are_all(), ..Examined::default() }
    }

    /// Returns false if the record cannot contain a finding or match a rule. If not all services are examined, records of
    /// the selected ones are parsed in any case, because they are counted.
    fn may_matter(&self, record: RecordBytes<'_>, rules: &WatchRules) -> bool {
        if self.event_sources.are_all() {
            return rules.filter().accepts(record);
        }
        self.event_sources.may_select(record) || rules.sources().may_select(record)
    }

    /// Like [`may_matter`](Self::may_matter), but also returns true if the record may be a change.
    fn may_matter_or_change(&self, record: RecordBytes<'_>, rules: &WatchRules) -> bool {
        if self.event_sources.are_all() {
            return rules.filter_with_changes().accepts(record);
        }
        self.event_sources.may_select_or_change(record) || rules.sources().may_select(record)
    }

    fn examine_parsed(&self, bytes: &[u8], object: &Arc<str>, rules: &WatchRules) -> Result<Examined, RecordError> {
        let record = Record::parse(bytes)?;
        let event_source = record.event_source.as_deref().unwrap_or_default();
        let selected = self.event_sources.selects(event_source);
        let change = if self.causes { change::detect(&record, bytes) } else { None };
        if !selected && !rules.sources().selects(event_source) {
            return Ok(Examined { change, ..Examined::default() });
        }
        let mut findings = Vec::new();
        let mut unreadable = None;
        if selected {
            match self.built_in(&record, bytes) {
                Ok(Some(kind)) => {
                    findings.push(Finding { event: Event::of(&record, bytes, function_arn(&kind), object), kind });
                }
                Ok(None) => {}
                Err(error) => unreadable = Some(error),
            }
        }
        if !rules.rules().is_empty() {
            let event = Event::of(&record, bytes, None, object);
            if let Err(error) = rules.watch(&event, bytes, &mut findings) {
                unreadable = Some(error);
            }
        }
        Ok(Examined { selected: true, findings, change, unreadable })
    }

    fn built_in(&self, record: &Record<'_>, bytes: &[u8]) -> Result<Option<FindingKind>, RecordError> {
        let event_name = record.event_name.as_deref().unwrap_or_default();
        if is_lambda(record.event_source.as_deref().unwrap_or_default()) {
            if event_name == esm_disabled::EVENT_NAME {
                return Ok(Some(FindingKind::EsmDisabled(esm_disabled::detect(bytes))));
            }
            let changed = if self.esm_changes { esm_changed::detect(record, api_action(event_name))? } else { None };
            if let Some(changed) = changed {
                return Ok(Some(FindingKind::EsmChanged(changed)));
            }
        }
        let wanted = |it: &AccessDenied| self.authentication_failures || it.kind != DenialKind::Authentication;
        Ok(access_denied::detect(record).filter(wanted).map(FindingKind::AccessDenied))
    }
}

/// The ARN that names the function of a finding. In a denial, the resource may be a function.
fn function_arn(kind: &FindingKind) -> Option<&str> {
    match kind {
        FindingKind::EsmDisabled(esm) => esm.function_arn.as_deref(),
        FindingKind::EsmChanged(esm) => esm.function_arn.as_deref(),
        FindingKind::EsmFailing(esm) => esm.names.function_arn.as_deref(),
        FindingKind::EsmRecovered(esm) => esm.names.function_arn.as_deref(),
        FindingKind::AccessDenied(denied) => denied.resource.as_deref(),
        FindingKind::Watched(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Severity, WatchRule};
    use crate::pattern::Pattern;

    fn examine(record: &str) -> Examined {
        let object = Arc::from("s3://trail/key");
        Detector::default().examine(record.as_bytes(), &object, &WatchRules::default()).expect("a record")
    }

    #[test]
    fn functions_are_named_in_every_form() {
        for (function, name) in [
            ("orders", "orders"),
            ("orders:live", "orders"),
            ("my-function:live", "my-function"),
            ("111122223333:function:orders", "orders"),
            ("arn:aws:lambda:us-east-1:111122223333:function:orders:7", "orders"),
        ] {
            let record = format!(
                r#"{{"eventSource":"lambda.amazonaws.com","eventName":"Invoke","errorCode":"AccessDenied",
                     "requestParameters":{{"functionName":"{function}"}}}}"#
            );
            let finding = examine(&record).findings.pop().expect("a finding");
            assert_eq!(finding.event.function_name.as_deref(), Some(name), "{function}");
        }
    }

    #[test]
    fn text_in_a_record_is_not_a_record() {
        let fake = r#"{\"eventSource\":\"lambda.amazonaws.com\",\"eventName\":\"LambdaESMDisabled\"}"#;
        for record in [
            format!(r#"{{"eventSource":"s3.amazonaws.com","eventName":"PutObject","userAgent":"{fake}"}}"#),
            r#"{"eventSource":"s3.amazonaws.com","requestParameters":{"eventSource":"lambda.amazonaws.com",
                "eventName":"LambdaESMDisabled","errorCode":"AccessDenied"}}"#
                .to_owned(),
            r#"{"eventSource":"s3.lambda.amazonaws.com","eventName":"LambdaESMDisabled"}"#.to_owned(),
            r#"{"eventSource":"lambda.amazonaws.com","eventName":"UpdateFunctionConfiguration",
                "requestParameters":{"eventName":"LambdaESMDisabled","errorCode":"AccessDenied"}}"#
                .to_owned(),
        ] {
            assert_eq!(examine(&record).findings, [], "{record}");
        }
    }

    #[test]
    fn lambda_in_china_is_lambda() {
        let examined = examine(r#"{"eventSource":"lambda.amazonaws.com.cn","eventName":"LambdaESMDisabled"}"#);
        assert!(matches!(examined.findings.as_slice(), [Finding { kind: FindingKind::EsmDisabled(_), .. }]));
    }

    fn watching(pattern: &str) -> WatchRules {
        let pattern = serde_json::from_str(pattern).expect("JSON");
        let pattern = Pattern::parse(&pattern, "pattern").expect("a pattern");
        let (name, title) = ("w".to_owned(), "t".to_owned());
        WatchRules::new(vec![WatchRule { name, title, severity: Severity::Low, pattern }])
    }

    fn of_all_services() -> Detector {
        Detector { esm_changes: true, event_sources: EventSources::all(), ..Detector::default() }
    }

    #[test]
    fn rules_see_records_with_odd_values() {
        let deep = format!("{}{{}}{}", r#"{"a":["#.repeat(90), "]}".repeat(90));
        for (odd, pattern) in [
            (r#""half \ud800""#, r#"{"requestParameters":{"x":[{"prefix":"half"}]}}"#),
            ("1e999", r#"{"requestParameters":{"x":[{"numeric":[">",5]}]}}"#),
            (&deep, r#"{"requestParameters":{"name":["orders"]}}"#),
        ] {
            let record = format!(r#"{{"eventName":"Put","requestParameters":{{"name":"orders","x":{odd}}}}}"#);
            let examined = of_all_services().examine(record.as_bytes(), &Arc::from("key"), &watching(pattern));
            let examined = examined.expect("a record");
            assert_eq!(examined.findings.len(), 1, "{record}");
        }
    }

    #[test]
    fn an_unreadable_field_is_reported_in_addition_to_the_findings() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(300), "}".repeat(300));
        let (detector, rules) = (of_all_services(), watching(r#"{"requestParameters":{"name":["orders"]}}"#));
        let examine = |fields: &str| {
            let record = format!(r#"{{"requestParameters":{deep},{fields}}}"#);
            let examined = detector.examine(record.as_bytes(), &Arc::from("key"), &rules).expect("a record");
            assert!(matches!(examined.unreadable, Some(RecordError::TooDeep)), "{fields}");
            examined.findings.len()
        };
        let lambda = r#""eventSource":"lambda.amazonaws.com","eventName""#;
        assert_eq!(examine(&format!(r#"{lambda}:"UpdateEventSourceMapping""#)), 0);
        assert_eq!(examine(&format!(r#"{lambda}:"CreateFunction""#)), 0);
        assert_eq!(examine(&format!(r#"{lambda}:"LambdaESMDisabled""#)), 1);
        assert_eq!(examine(r#""errorCode":"AccessDenied""#), 1);
        // The field is not needed in a record of another service, or if no rule is matched against the record.
        let record = format!(r#"{{"requestParameters":{deep},"sourceIPAddress":"lambda.amazonaws.com"}}"#);
        let default = Detector { esm_changes: true, ..Detector::default() };
        let examine = |record: &str| default.examine(record.as_bytes(), &Arc::from("key"), &WatchRules::default());
        assert!(examine(&record).is_ok_and(|it| !it.selected && it.unreadable.is_none()));
        let record = format!(r#"{{"requestParameters":{deep},{lambda}:"CreateFunction"}}"#);
        assert!(examine(&record).is_ok_and(|it| it.selected && it.unreadable.is_none()));
    }

    #[test]
    fn events_with_a_blank_id_are_distinct() {
        for blank in ["", " "] {
            let [one, other] = ["orders", "invoices"].map(|function| {
                let record = format!(
                    r#"{{"eventSource":"lambda.amazonaws.com","eventName":"LambdaESMDisabled","eventID":"{blank}",
                         "requestParameters":{{"functionName":"{function}"}}}}"#
                );
                examine(&record).findings.pop().expect("a finding").event
            });
            assert_ne!(one.identity(), other.identity());
        }
    }

    #[test]
    fn only_changes_and_records_of_the_services_are_parsed() {
        let of_lambda = Detector { causes: true, ..Detector::default() };
        let of_all = Detector { event_sources: EventSources::all(), ..of_lambda.clone() };
        for (members, parsed) in [
            (r#""eventSource":"sqs.amazonaws.com","eventName":"DeleteQueue""#, [true, true]),
            (r#""eventName":"DeleteQueue","eventSource":"sqs.amazonaws.com""#, [true, true]),
            (r#""eventSource":"sqs.amazonaws.com","eventName":"ListQueues""#, [false, false]),
            (r#""eventName":"ListQueues","eventSource":"sqs.amazonaws.com""#, [false, false]),
            // Starts like the name of a change.
            (r#""eventSource":"s3.amazonaws.com","eventName":"DeleteBucket""#, [false, false]),
            (r#""eventSource":"lambda.amazonaws.com","eventName":"GetFunction20150331v2""#, [true, false]),
            (r#""eventSource":"s3.amazonaws.com","errorCode":"AccessDenied""#, [false, true]),
        ] {
            let record = format!("{{{members}}}");
            let parses = |it: &Detector| it.may_matter_or_change(record.as_bytes().into(), &WatchRules::default());
            assert_eq!([&of_lambda, &of_all].map(parses), parsed, "{members}");
        }
    }
}
