//! Builds a pipeline, invokes it, and returns what it alerted.

pub(crate) mod findings;
pub(crate) mod payload;
pub(crate) mod records;

use std::cell::Cell;
use std::fmt::Write as _;
use std::ops::Deref;

use jiff::Timestamp;
use serde_json::Value;
use trailwarden::alert::Message;
use trailwarden::delivery::Accepted;
use trailwarden::detect::Detector;
use trailwarden::enrich::ContextSource;
use trailwarden::pipeline::Outcome;
use trailwarden::pipeline::{Invocation, Pipeline};
use trailwarden::publish::Topic;
use trailwarden::publish::Topics;
use trailwarden::rules::Rules;
use trailwarden::service::{Fault, ServiceError};
use trailwarden::sweep::{MappingSource, SweepAccounts, SweepPlaces, SweepRegions};
use trailwarden::telemetry::Metrics;
use trailwarden::trail::Limits;
use trailwarden::trail::ObjectSource;
use trailwarden::triage::WindowLength;

use crate::fakes::{LedgerFaults, MemoryApi, MemoryBucket, MemoryLedger, MemoryTopic, TestClock};
use payload::notification;
use records::{ACCOUNT, REGION, gzip, key, log_file};

/// The bucket that the pipeline may read.
pub(crate) const BUCKET: &str = "trail";

/// A pipeline with the default settings and one topic. Its bucket and topic are in memory unless a test needs sockets;
/// its clock needs a tokio runtime.
pub(crate) struct Fixture<S = MemoryBucket, A = MemoryTopic, P = MemoryApi> {
    pub(crate) pipeline: Pipeline<S, A, MemoryLedger, TestClock, P>,
    rules: Rules,
    without_rules: bool,
    invocations: Cell<usize>,
}

impl<S: ObjectSource, A: Topic> Fixture<S, A> {
    pub(crate) fn over(source: S, topic: A) -> Self {
        Self::over_api(source, topic, MemoryApi::default())
    }
}

impl<S: ObjectSource, A: Topic, P: ContextSource + MappingSource> Fixture<S, A, P> {
    pub(crate) fn over_api(source: S, topic: A, api: P) -> Self {
        let pipeline = Pipeline {
            accepted: Accepted { trail_buckets: vec![BUCKET.to_owned()], ..Accepted::default() },
            detector: Detector { esm_changes: true, ..Detector::default() },
            esm_changes: false,
            limits: Limits::default(),
            object_concurrency: 8,
            windows: WindowLength::default(),
            source,
            topics: Topics { alert: topic, chat: None, event: None },
            ledger: MemoryLedger::default(),
            heartbeats: true,
            api,
            context: None,
            sweep: SweepPlaces {
                accounts: SweepAccounts::Listed(vec![ACCOUNT.to_owned()]),
                regions: SweepRegions::Listed(vec![REGION.to_owned()]),
            },
            clock: TestClock,
        };
        Self { pipeline, rules: Rules::default(), without_rules: false, invocations: Cell::default() }
    }

    pub(crate) fn configure(mut self, change: impl FnOnce(&mut Pipeline<S, A, MemoryLedger, TestClock, P>)) -> Self {
        change(&mut self.pipeline);
        self
    }

    /// Sets the user's rules, from JSON.
    pub(crate) fn rules(self, rules: &str) -> Self {
        Self { rules: Rules::parse(rules).expect("valid rules"), ..self }
    }

    /// Makes the user's rules unavailable.
    pub(crate) fn without_rules(self) -> Self {
        Self { without_rules: true, ..self }
    }

    pub(crate) fn ledger_faults(self, faults: LedgerFaults) -> Self {
        self.pipeline.ledger.faults.set(faults);
        self
    }

    /// Runs an invocation that must stop reading when `time_up` resolves. Checks that its counters add up, and that it
    /// logs nothing from a record.
    pub(crate) async fn run(&self, id: &str, payload: &str, time_up: impl Future<Output = ()>) -> Outcome {
        let outcome = self.run_any(id, payload, time_up).await;
        assert_nothing_is_logged(&outcome);
        outcome
    }

    /// Runs an invocation whose objects may have any key, even one that contains what is usually in a record. Keys may be logged.
    pub(crate) async fn run_any(&self, id: &str, payload: &str, time_up: impl Future<Output = ()>) -> Outcome {
        let (rules, without_rules) = (&self.rules, self.without_rules);
        let outcome = self.pipeline.run(Invocation { id, payload, rules, without_rules, time_up }).await;
        assert_counters_add_up(&outcome);
        outcome
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::over(MemoryBucket::default(), MemoryTopic::default())
    }
}

impl<P: ContextSource + MappingSource> Fixture<MemoryBucket, MemoryTopic, P> {
    /// Adds a compressed log object with these records.
    pub(crate) fn object(self, name: &str, records: impl IntoIterator<Item = Value>) -> Self {
        self.stored(name, gzip(log_file(&records.into_iter().collect::<Vec<_>>())))
    }

    /// Adds compressed log objects with these records.
    pub(crate) fn objects(
        self,
        objects: impl IntoIterator<Item = (impl AsRef<str>, impl IntoIterator<Item = Value>)>,
    ) -> Self {
        objects.into_iter().fold(self, |fixture, (name, records)| fixture.object(name.as_ref(), records))
    }

    /// Adds an object with these bytes.
    pub(crate) fn stored(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.pipeline.source.put(key(name), bytes);
        self
    }

    /// Sets the size of the chunks in which the bucket returns its objects.
    pub(crate) fn chunks_of(mut self, bytes: usize) -> Self {
        self.pipeline.source.chunk = Some(bytes);
        self
    }

    /// Interrupts each transfer of an object after this many bytes.
    pub(crate) fn interrupted(mut self, name: &str, after: usize) -> Self {
        self.pipeline.source.interrupted.get_mut().insert(key(name), after);
        self
    }

    /// Stalls each transfer of an object after this many chunks.
    pub(crate) fn stalled(mut self, name: &str, after: usize) -> Self {
        self.pipeline.source.stalled.insert(key(name), after);
        self
    }

    pub(crate) fn with_chat_topic(self) -> Self {
        self.configure(|pipeline| pipeline.topics.chat = Some(MemoryTopic::default()))
    }

    pub(crate) fn with_event_topic(self) -> Self {
        self.configure(|pipeline| pipeline.topics.event = Some(MemoryTopic::default()))
    }

    /// The topic for people.
    pub(crate) fn topic(&self) -> &MemoryTopic {
        &self.pipeline.topics.alert
    }

    pub(crate) fn chat_topic(&self) -> &MemoryTopic {
        self.pipeline.topics.chat.as_ref().expect("a topic for chat")
    }

    pub(crate) fn event_topic(&self) -> &MemoryTopic {
        self.pipeline.topics.event.as_ref().expect("a topic for machines")
    }

    /// Subjects of the alerts that the topic for people has confirmed.
    pub(crate) fn subjects(&self) -> Vec<String> {
        self.topic().confirmed().into_iter().map(|it| it.subject).collect()
    }

    /// Announces objects in an S3 notification.
    pub(crate) async fn invoke(&self, names: &[impl AsRef<str>]) -> Run {
        self.invoke_with(&notification(names)).await
    }

    /// Announces objects; reading must stop when `time_up` resolves.
    pub(crate) async fn invoke_until(&self, names: &[impl AsRef<str>], time_up: impl Future<Output = ()>) -> Run {
        self.invoke_with_until(&notification(names), time_up).await
    }

    pub(crate) async fn invoke_with(&self, payload: &str) -> Run {
        self.invoke_with_until(payload, std::future::pending()).await
    }

    async fn invoke_with_until(&self, payload: &str, time_up: impl Future<Output = ()>) -> Run {
        self.invocations.set(self.invocations.get() + 1);
        let earlier = self.topic().confirmed().len();
        let outcome = self.run(&self.invocations.get().to_string(), payload, time_up).await;
        Run { outcome, alerts: self.topic().confirmed().split_off(earlier) }
    }
}

/// The outcome of an invocation, and the alerts that the topic for people confirmed in the meantime.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) alerts: Vec<Message>,
}

impl Deref for Run {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}

impl Run {
    pub(crate) fn subjects(&self) -> Vec<&str> {
        self.alerts.iter().map(|it| it.subject.as_str()).collect()
    }

    /// Everything that failed, one line each.
    pub(crate) fn failed(&self) -> String {
        self.failures.lines().collect::<Vec<_>>().join("\n")
    }

    /// Subjects, attributes and bodies.
    pub(crate) fn rendered(&self) -> String {
        let mut out = String::new();
        for message in &self.alerts {
            writeln!(out, "Subject: {}", message.subject).expect("a string");
            for attribute in &message.attributes {
                writeln!(out, "{}: {}", attribute.name, attribute.values.join(" | ")).expect("a string");
            }
            writeln!(out, "\n{}", message.body).expect("a string");
        }
        out
    }
}

/// Checks that everything that enters a stage of the pipeline leaves it.
fn assert_counters_add_up(outcome: &Outcome) {
    let it = &outcome.counters;
    assert_eq!(it.objects, it.objects_read + it.objects_failed, "{it:?}");
    assert_eq!(it.objects_failed, outcome.failures.objects.len() as u64, "{it:?}");
    assert_eq!(it.objects, outcome.objects.len() as u64, "{it:?}");
    assert_eq!(it.records, outcome.objects.iter().map(|object| object.records).sum::<u64>(), "{it:?}");
    assert_eq!(it.findings, outcome.findings.values().sum::<u64>(), "{it:?}");
    assert_eq!(it.records, it.records_selected + it.records_skipped + it.records_unreadable, "{it:?}");
    assert_eq!(
        it.findings,
        it.disabled_mappings + it.changed_mappings + it.failing_mappings + it.denials + it.watched_events,
        "{it:?}"
    );
    assert_eq!(it.suppressed, outcome.suppressed.values().sum::<u64>(), "{it:?}");
    assert_eq!(it.incidents, it.alerts + it.incidents_known + it.incidents_summarized, "{it:?}");
    assert_eq!(it.alerts, it.alerts_published + it.alerts_failed, "{it:?}");
    assert_eq!(it.alerts_failed > 0, !outcome.failures.alerts.is_empty(), "{it:?}");
    assert_eq!(it.payload_problems, outcome.failures.payload.len() as u64, "{it:?}");
}

/// Parts of the values of generated records: callers, credentials, clients, resources and events.
pub(crate) const MARKERS: [&str; 9] = [
    "AROAEXAMPLE",
    "ASIA0000",
    "203.0.113.",
    "aws-sdk-rust",
    "assumed-role/",
    ":role/",
    ":function:",
    "-queue",
    "LambdaESMDisabled",
];

/// Checks that what the function logs about an invocation, including its error, contains no value of a record.
fn assert_nothing_is_logged(outcome: &Outcome) {
    let Outcome { counters, lag, findings, suppressed, failures, objects, ledger_error, .. } = outcome;
    let metrics = Metrics { counters, lag: *lag, findings, suppressed }.lines(Timestamp::UNIX_EPOCH, "trailwarden");
    let objects = objects.iter().map(|it| it.line(Timestamp::UNIX_EPOCH, "1"));
    let ledger = ledger_error.iter().map(ToString::to_string);
    let mut lines = failures.lines().chain(metrics).chain(objects).chain(ledger);
    let leak = lines.find_map(|line| MARKERS.iter().find(|it| line.contains(**it)).map(|it| format!("{it} in {line}")));
    assert_eq!(leak, None);
}

#[test]
#[should_panic(expected = "-queue in s3:GetObject: orders-queue")]
fn a_value_of_a_record_in_the_log_is_detected() {
    let ledger_error = Some(ServiceError::new("s3:GetObject", Fault::Other, "orders-queue"));
    assert_nothing_is_logged(&Outcome { ledger_error, ..Outcome::default() });
}
