//! Test alerts: one of each kind, about fictitious events.
//!
//! The payload `{"trailwarden": "test-alert"}` requests them. Like real alerts, they result from records and are
//! published to every topic with all attributes, so the test covers subscriptions, filter policies and forwarders too.

use std::sync::Arc;

use futures_util::future;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::invocation::Outcome;
use super::wiring::Pipeline;
use crate::alert::Alert;
use crate::clock::Clock;
use crate::detect::{Arn, Detector};
use crate::publish::{self, Subscriptions, Topic};
use crate::reply::Reply;
use crate::rules::Rules;
use crate::service::ServiceError;
use crate::triage::{Audience, DedupKey, Incident, TopicRole, Triage};

/// Shown in place of a log object.
const OBJECT: &str = "none (test alert)";

/// The rule that the watched event matches.
const RULES: &str = r#"{"watch": [{"name": "test", "title": "A Lambda function was deleted", "severity": "high",
    "pattern": {"finding": {"api_action": ["DeleteFunction"]}}}]}"#;

impl<S, T: Topic, L, C: Clock, A> Pipeline<S, T, L, C, A> {
    /// Publishes a test alert of each kind, regardless of earlier alerts.
    pub(super) async fn publish_test_alert(&self) -> Outcome {
        let incidents = incidents(self.topics.alert.arn(), self.clock.now());
        let roles: Vec<TopicRole> = self.topics.roles().collect();
        let alerts: Vec<_> = incidents.iter().map(|incident| (Alert::of(incident), roles.as_slice())).collect();
        let results = publish::publish(&self.topics, &alerts, &self.clock).await;
        let confirmed = alerts.iter().zip(&results).filter(|(_, result)| result.failures.is_empty());
        let published = confirmed.map(|((alert, _), _)| alert.subject.clone()).collect();
        let topics = roles.iter().filter_map(|role| self.topics.get(*role));
        let subscriptions =
            future::join_all(topics.map(async |topic| (topic.arn(), topic.subscriptions().await))).await;
        let warnings = subscriptions.into_iter().filter_map(|(topic, found)| warning(topic, &found)).collect();
        let mut outcome = Outcome { reply: Reply::TestAlert { published, warnings }, ..Outcome::default() };
        outcome.counters.incidents = incidents.len() as u64;
        outcome.count_published(results);
        outcome
    }
}

/// The incidents of the test alerts, in the account and Region of a topic.
fn incidents(topic: &str, now: Timestamp) -> Vec<Incident> {
    let detector = Detector { esm_changes: true, ..Detector::default() };
    let rules = Rules::parse(RULES).unwrap_or_default();
    let mut triage = Triage::default();
    for record in records(topic, now) {
        let examined =
            detector.examine(record.to_string().as_bytes(), &Arc::from(OBJECT), &rules.watch).unwrap_or_default();
        examined.findings.into_iter().for_each(|finding| triage.add(finding));
    }
    // A FIFO topic drops a message that is repeated within five minutes, so each test has its own dedup keys.
    let key = |incident: &Incident| DedupKey::of_event(Audience::All, &incident.finding);
    let test = |incident| Incident { is_test: true, dedup_key: key(&incident), ..incident };
    triage.take_incidents().into_iter().map(test).collect()
}

fn records(topic: &str, now: Timestamp) -> [Value; 4] {
    let partition = topic.split(':').nth(1).unwrap_or("aws");
    let topic = Arn::parse(topic);
    let [region, account] = topic.map_or(["us-east-1", "000000000000"], |arn| [arn.region, arn.account]);
    let arn = |service: &str, resource: &str| format!("arn:{partition}:{service}:{region}:{account}:{resource}");
    let caller = format!("arn:{partition}:iam::{account}:user/trailwarden-test");
    let uuid = |n: u8| format!("{:08x}-0000-4000-8000-{:012x}", n, now.as_microsecond());
    let record = |n: u8, name: &str, more: Value| {
        let mut record = json!({
            "eventVersion": "1.11",
            "eventTime": Timestamp::from_second(now.as_second()).unwrap_or(now).to_string(),
            "eventSource": "lambda.amazonaws.com",
            "eventName": name,
            "eventID": uuid(n),
            "awsRegion": region,
            "recipientAccountId": account,
            "sourceIPAddress": "192.0.2.1",
            "userIdentity": {"type": "IAMUser", "arn": caller, "accountId": account, "userName": "trailwarden-test"},
        });
        if let (Some(record), Value::Object(more)) = (record.as_object_mut(), more) {
            record.extend(more);
        }
        record
    };
    let function = arn("lambda", "function:trailwarden-test");
    let denied = format!(
        "User: {caller} is not authorized to perform: lambda:GetFunction on \
         resource: {function} because no identity-based policy allows the lambda:GetFunction action"
    );
    let mapping = json!({"UUID": uuid(0), "functionArn": function, "eventSourceArn": arn("sqs", "trailwarden-test")});
    [
        record(
            1,
            "LambdaESMDisabled",
            json!({
                "resources": [{"ARN": arn("lambda", &format!("event-source-mapping:{}", uuid(0)))}, {"ARN": function},
                              {"ARN": arn("sqs", "trailwarden-test")}],
                "serviceEventDetails": {"ESMDisableReason": "AUTHORIZATION_ERROR"},
            }),
        ),
        record(
            2,
            "DeleteEventSourceMapping20150331",
            json!({"requestParameters": mapping, "responseElements": mapping}),
        ),
        record(3, "GetFunction20150331v2", json!({"errorCode": "AccessDenied", "errorMessage": denied})),
        record(4, "DeleteFunction20150331", json!({"requestParameters": {"functionName": "trailwarden-test"}})),
    ]
}

/// The warning if nobody receives the alerts of a topic, or if that could not be checked.
fn warning(topic: &str, subscriptions: &Result<Subscriptions, ServiceError>) -> Option<String> {
    match subscriptions {
        Ok(Subscriptions { confirmed: 0, pending: 0 }) => {
            Some(format!("{topic} has no subscriptions, so nobody receives its alerts"))
        }
        Ok(Subscriptions { confirmed: 0, pending }) => {
            Some(format!("{topic} has no confirmed subscriptions ({pending} pending), so nobody receives its alerts"))
        }
        Ok(_) => None,
        Err(error) => Some(format!("could not check the subscriptions of {topic}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Fault;

    #[test]
    fn there_is_a_test_alert_of_each_kind() {
        let incidents = incidents("arn:aws-cn:sns:cn-north-1:111122223333:alerts", Timestamp::UNIX_EPOCH);
        let shown: Vec<_> = incidents
            .iter()
            .map(|it| (it.finding.alert_type(), it.finding.event.account.as_deref(), it.regions.only(), it.is_test))
            .collect();
        let expected = ["esm_disabled", "watch", "esm_changed", "access_denied"]
            .map(|kind| (kind, Some("111122223333"), Some("cn-north-1"), true));
        assert_eq!(shown, expected);
        assert!(incidents.iter().all(|it| it.functions.only() == Some("trailwarden-test")));
    }

    /// SNS drops a message to a FIFO topic if its deduplication ID was used within the last five minutes.
    #[test]
    fn each_test_has_its_own_deduplication_ids() {
        let at = |second| incidents("arn:aws:sns:us-east-1:111122223333:a.fifo", Timestamp::constant(second, 0));
        let (first, second) = (at(1), at(2));
        assert_eq!(first, at(1));
        assert!(first.iter().all(|it| second.iter().all(|other| it.dedup_key != other.dedup_key)));
    }

    #[test]
    fn missing_or_unknown_subscriptions_are_a_warning() {
        let warning = |confirmed, pending| warning("t", &Ok(Subscriptions { confirmed, pending }));
        assert_eq!(warning(0, 0).as_deref(), Some("t has no subscriptions, so nobody receives its alerts"));
        assert_eq!(
            warning(0, 2).as_deref(),
            Some("t has no confirmed subscriptions (2 pending), so nobody receives its alerts")
        );
        assert_eq!(warning(1, 1), None);
        let denied = ServiceError::new("sns:GetTopicAttributes", Fault::Denied, "AuthorizationError");
        assert_eq!(
            super::warning("t", &Err(denied)).as_deref(),
            Some("could not check the subscriptions of t: sns:GetTopicAttributes: AuthorizationError")
        );
    }
}
