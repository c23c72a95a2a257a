//! Alerts as subscribers receive them.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use trailwarden::alert::Message;

use crate::fakes::MemoryTopic;

/// An alert that the topic for machines confirmed.
#[derive(Debug)]
pub(super) struct Alert {
    /// The invocation that published it.
    pub(super) by: usize,
    /// When, since the start.
    pub(super) at: Duration,
    /// The dedup key.
    pub(super) key: String,
    json: Value,
}

/// A stop that an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StopOf<'a> {
    pub(super) uuid: &'a str,
    pub(super) at: &'a str,
}

/// The dedup key and the threshold of a deduplication ID.
pub(super) fn key_and_threshold(deduplication_id: &str) -> (&str, u64) {
    let (key, threshold) = deduplication_id.split_once('-').expect("a dedup key and a threshold");
    (key, threshold.parse().expect("a threshold"))
}

impl Alert {
    /// The alerts that a topic has confirmed after the first `known` ones.
    pub(super) fn after(topic: &MemoryTopic, known: usize, start: Instant) -> Vec<Self> {
        let (at, by) = (topic.confirmed_at.borrow(), topic.confirmed_by.borrow());
        let published = topic.confirmed_after(known).into_iter().zip(&at[known..]).zip(&by[known..]);
        let alert = |((message, at), by): ((Message, &Instant), &usize)| Self {
            by: *by,
            at: *at - start,
            key: key_and_threshold(&message.deduplication_id).0.to_owned(),
            json: serde_json::from_str(&message.body).expect("JSON"),
        };
        published.map(alert).collect()
    }

    pub(super) fn field(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    pub(super) fn is_of_sweep(&self) -> bool {
        self.field("origin") == "lambda_api"
    }

    pub(super) fn is_follow_up(&self) -> bool {
        self.json["follow_up"] == true
    }

    /// The alert replaces those about the denials of a caller.
    pub(super) fn is_summary(&self) -> bool {
        self.field("category") == "many_denials"
    }

    /// The stops that the alert or reminder reports.
    pub(super) fn stops(&self) -> Vec<StopOf<'_>> {
        if self.field("alert_type") != "esm_disabled" || self.resolved().is_some() || self.is_follow_up() {
            return Vec::new();
        }
        let stop = |json, at| StopOf { uuid: text(json, "mapping_uuid"), at: text(json, at) };
        match self.json["mappings"].as_array() {
            Some(mappings) => mappings.iter().map(|it| stop(it, "stopped_at")).collect(),
            None if self.field("status") == "reminder" => vec![stop(&self.json, "stopped_at")],
            None => vec![stop(&self.json, "event_time")],
        }
    }

    /// The stop that the alert resolves.
    pub(super) fn resolved(&self) -> Option<StopOf<'_>> {
        let resolves = self.field("status") == "resolved" && !self.field("stopped_at").is_empty();
        resolves.then(|| StopOf { uuid: self.field("mapping_uuid"), at: self.field("stopped_at") })
    }

    /// The alert reports a stop that has already ended.
    pub(super) fn is_over(&self) -> bool {
        self.field("status") == "resolved" && self.resolved().is_none()
    }

    /// The event IDs of the likely causes.
    pub(super) fn causes(&self) -> impl Iterator<Item = &str> {
        self.json["likely_causes"].as_array().into_iter().flatten().map(|it| text(it, "event_id"))
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} alerted at {:.3} {} {}", self.by, self.at.as_secs_f64(), self.key, self.field("summary"))?;
        self.stops().iter().try_for_each(|stop| write!(f, ", stopped {stop}"))?;
        self.resolved().map_or(Ok(()), |stop| write!(f, ", resolved {stop} at {}", self.field("ended_at")))
    }
}

impl fmt::Display for StopOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.uuid, self.at)
    }
}

fn text<'a>(json: &'a Value, field: &str) -> &'a str {
    json[field].as_str().unwrap_or_default()
}
