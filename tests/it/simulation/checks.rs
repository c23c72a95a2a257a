//! The guarantees of `docs/SEMANTICS.md`, checked while a simulation runs and at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use trailwarden::alert::Message;
use trailwarden::detect::{Detector, WatchRules};
use trailwarden::pipeline::Outcome;
use trailwarden::triage::{DedupKey, Incident, Scope, TopicRole, alert_threshold};

use super::alerts::{Alert, StopOf, key_and_threshold};
use super::plan::{Delivery, Object, PROBER, Plan, Transition, TransitionKind, at};
use crate::fakes::MemoryTopic;
use crate::fixture::findings::{findings, incidents_in};
use crate::fixture::records::{key, mapping_uuid};
use crate::fixture::{BUCKET, Fixture};

pub(super) struct Checks<'a> {
    plan: &'a Plan,
    fixture: &'a Fixture,
    start: Instant,
    /// The dedup keys of the incidents of each object.
    keys_of_objects: Vec<Vec<String>>,
    /// The incidents of all objects and their numbers of events, by dedup key.
    incidents: BTreeMap<String, (Incident, u64)>,
    invocations: BTreeMap<usize, InvocationState>,
    /// The alerts that the topic for machines has confirmed.
    alerts: Vec<Alert>,
    /// What the topic for people and the one for machines have confirmed.
    people: Confirmed,
    machines: Confirmed,
    /// Event IDs in deliveries that succeeded, and when they did.
    acknowledged: BTreeMap<String, Duration>,
    /// The dedup keys of alerts that a topic did not confirm to an invocation.
    unconfirmed: BTreeSet<String>,
    /// Number of ledger calls that failed, as far as is known: a crashed invocation does not report them.
    ledger_errors: u64,
}

/// The alerts that a topic has confirmed.
#[derive(Debug, Default)]
struct Confirmed {
    messages: usize,
    /// The highest threshold for each dedup key.
    thresholds: BTreeMap<String, u64>,
    /// The text of each summary of a caller.
    summaries: Vec<String>,
}

impl Confirmed {
    /// Adds what the topic has confirmed since the last call.
    fn update(&mut self, topic: &MemoryTopic) {
        for message in topic.confirmed_after(self.messages) {
            let (key, threshold) = key_and_threshold(&message.deduplication_id);
            let highest = self.thresholds.entry(key.to_owned()).or_default();
            *highest = threshold.max(*highest);
            self.messages += 1;
            if message.subject.contains("different calls") {
                self.summaries.push(message.body);
            }
        }
    }
}

#[derive(Debug)]
struct InvocationState {
    started: u64,
    ended: Instant,
    /// The invocation crashed or could not use the ledger.
    is_troubled: bool,
}

fn incidents_of(plan: &Plan, object: &Object) -> Vec<Incident> {
    let location = format!("s3://{BUCKET}/{}", key(&object.name));
    let find = |record| findings(&Detector::default(), &WatchRules::default(), &location, record);
    incidents_in(plan.windows, object.records.iter().flat_map(find))
}

impl<'a> Checks<'a> {
    pub(super) fn new(plan: &'a Plan, fixture: &'a Fixture) -> Self {
        let (mut all, mut keys_of_objects) = (BTreeMap::new(), Vec::new());
        for object in &plan.objects {
            let mut keys = Vec::new();
            for incident in incidents_of(plan, object) {
                let key = incident.dedup_key.to_string();
                let (_, events) = all.entry(key.clone()).or_insert((incident.clone(), 0));
                *events += incident.count;
                keys.push(key);
            }
            keys_of_objects.push(keys);
        }
        Self {
            plan,
            fixture,
            start: Instant::now(),
            keys_of_objects,
            incidents: all,
            invocations: BTreeMap::new(),
            alerts: Vec::new(),
            people: Confirmed::default(),
            machines: Confirmed::default(),
            acknowledged: BTreeMap::new(),
            unconfirmed: BTreeSet::new(),
            ledger_errors: 0,
        }
    }

    /// The alerts that the topic for machines has confirmed.
    pub(super) fn alerts(&self) -> Vec<String> {
        self.alerts.iter().map(ToString::to_string).collect()
    }

    pub(super) fn begin(&mut self, id: usize, started: u64) {
        self.invocations.insert(id, InvocationState { started, ended: Instant::now(), is_troubled: true });
    }

    /// Checks the alerts that have been published since the last call. Returns them.
    pub(super) fn end(&mut self, id: usize, outcome: Option<&Outcome>) -> &[Alert] {
        let ledger_errors = outcome.map_or(0, |it| it.counters.ledger_errors + it.counters.cause_errors);
        self.ledger_errors += ledger_errors;
        let failures = outcome.into_iter().flat_map(|it| &it.failures.alerts);
        self.unconfirmed.extend(failures.map(|it| it.alert_id.to_string()));
        let invocation = self.invocations.get_mut(&id).expect("an invocation");
        invocation.is_troubled = outcome.is_none() || ledger_errors > 0;
        invocation.ended = Instant::now();
        let known = self.alerts.len();
        self.alerts.extend(Alert::after(self.fixture.event_topic(), known, self.start));
        self.people.update(self.fixture.topic());
        self.machines.update(self.fixture.event_topic());
        let new = &self.alerts[known..];
        for alert in new {
            self.check_resolution(alert);
            self.check_reported_stops(alert);
        }
        new
    }

    /// A delivery succeeded, so everything in it must have been alerted.
    pub(super) fn check_acknowledged(&mut self, delivery: &Delivery, now: Duration) {
        let records = match delivery {
            Delivery::Object(at) => {
                let object = &self.plan.objects[*at];
                assert!(!object.is_broken, "a broken object was read");
                for key in self.keys_of_objects[*at].iter().filter(|key| self.incidents[*key].0.scope != Scope::Event) {
                    self.check_denial_is_alerted(key);
                }
                object.records.as_slice()
            }
            Delivery::Inline(record) => std::slice::from_ref(record),
        };
        let ids: Vec<_> = records.iter().map(event_id).collect();
        for id in &ids {
            if let Some((timeline, transition)) = self.stop_of_event(id) {
                self.check_stop_is_alerted(timeline, transition);
            }
        }
        for id in ids {
            self.acknowledged.entry(id).or_insert(now);
        }
    }

    /// Returns the number of stops whose cause had to be named.
    pub(super) fn check_end(&self) -> usize {
        for (n, timeline) in self.plan.timelines.iter().enumerate() {
            for stop in timeline.transitions.iter().filter(|it| it.kind == TransitionKind::Stopped) {
                let is_found = self.is_last(n, stop) && !self.plan.sweeps.is_empty() && !self.is_still_alerted(n, stop);
                if stop.record.is_some() || is_found {
                    self.check_stop_is_alerted(n, stop);
                }
            }
            self.check_last_state(n);
        }
        for (key, (incident, events)) in &self.incidents {
            if incident.scope != Scope::Event {
                self.check_denial_is_alerted(key);
                self.check_count(incident, *events);
            }
            self.check_topics_agree(key);
        }
        self.check_topics_are_equal();
        for topic in [self.fixture.topic(), self.fixture.event_topic()] {
            self.check_repetitions(topic);
        }
        self.check_stops_are_alerted_once();
        self.check_causes()
    }

    pub(super) fn is_strict(&self) -> bool {
        !self.may_ledger_have_failed()
    }

    fn stop_of_event(&self, id: &str) -> Option<(usize, &Transition)> {
        let transitions =
            self.plan.timelines.iter().enumerate().flat_map(|(n, it)| it.transitions.iter().map(move |it| (n, it)));
        transitions
            .filter(|(_, it)| it.kind == TransitionKind::Stopped)
            .find(|(_, it)| it.record.as_ref().is_some_and(|record| record["eventID"] == id))
    }

    fn is_last(&self, timeline: usize, transition: &Transition) -> bool {
        self.plan.timelines[timeline].transitions.last().is_some_and(|it| it.at == transition.at)
    }

    /// The transition that ended a stop.
    fn end_of(&self, timeline: usize, stop: &Transition) -> Option<&Transition> {
        self.plan.timelines[timeline].transitions.iter().find(|it| it.at > stop.at)
    }

    fn is_acknowledged(&self, transition: &Transition, before: Duration) -> bool {
        let record = transition.record.as_ref();
        record.is_some_and(|it| self.acknowledged.get(&event_id(it)).is_some_and(|acknowledged| *acknowledged < before))
    }

    /// Checks that each topic has an alert about the stop, or an alert of a later sweep that the mapping is stopped, unless the
    /// end of this stop was known then.
    fn check_stop_is_alerted(&self, timeline: usize, stop: &Transition) {
        let (uuid, time) = (mapping_uuid(timeline), at(stop.at).to_string());
        let end = self.end_of(timeline, stop);
        let covers = |alert: &Alert| {
            let is_own = alert.stops().contains(&StopOf { uuid: &uuid, at: &time });
            let is_known_over =
                || end.is_some_and(|end| alert.at.as_secs() >= end.at && self.is_acknowledged(end, alert.at));
            let is_later = alert.is_of_sweep()
                && alert.stops().iter().any(|it| it.uuid == uuid)
                && alert.at.as_secs() >= stop.at
                && !is_known_over();
            is_own || is_later
        };
        let keys: Vec<_> = self.alerts.iter().filter(|it| covers(it)).map(|it| &it.key).collect();
        assert!(!keys.is_empty(), "the stop of mapping {timeline} at {time} is not alerted");
        let has_people = keys.iter().any(|key| self.people.thresholds.contains_key(*key));
        assert!(has_people, "the stop of mapping {timeline} at {time} is alerted only to machines");
    }

    /// Returns true if an earlier stop is still reported as open, because its end is not known.
    fn is_still_alerted(&self, timeline: usize, stop: &Transition) -> bool {
        let (uuid, time) = (mapping_uuid(timeline), at(stop.at).to_string());
        let is_known_over = |since: &str| {
            let ends = self.plan.timelines[timeline].transitions.iter().filter(|it| it.kind != TransitionKind::Stopped);
            let mut ends = ends.filter(|it| (since..time.as_str()).contains(&at(it.at).to_string().as_str()));
            ends.any(|it| self.is_acknowledged(it, Duration::MAX)) && !self.may_ledger_have_failed()
                || self.is_resolved_on_all_topics(&StopOf { uuid: &uuid, at: since })
        };
        let earlier = self.alerts.iter().flat_map(Alert::stops).filter(|it| it.uuid == uuid && it.at < time.as_str());
        earlier.into_iter().any(|it| !is_known_over(it.at))
    }

    fn is_resolved_on_all_topics(&self, stop: &StopOf<'_>) -> bool {
        let times = |messages: &[Message], key: &str| {
            messages.iter().filter(|it| key_and_threshold(&it.deduplication_id).0 == key).count()
        };
        let is_acknowledged =
            |topic: &MemoryTopic, key: &str| times(&topic.confirmed(), key) > times(&topic.lost.borrow(), key);
        let topics = [self.fixture.topic(), self.fixture.event_topic()];
        let resolving = self.alerts.iter().filter(|it| it.resolved().as_ref() == Some(stop));
        resolving.into_iter().any(|it| topics.iter().all(|topic| is_acknowledged(topic, &it.key)))
    }

    fn check_denial_is_alerted(&self, key: &str) {
        let (incident, _) = &self.incidents[key];
        let caller = &incident.finding.event.principal.key;
        let is_alerted = self.alerts.iter().any(|it| it.key == key) || self.is_summarized(incident);
        assert!(is_alerted, "the incident {key} of {caller} is not alerted");
        let has_people = self.people.thresholds.contains_key(key) || self.is_summarized_for_people(incident);
        assert!(has_people, "the incident {key} of {caller} is alerted only to machines");
    }

    /// Returns true if a summary of the caller's denials in the same window was published to the topic for machines.
    fn is_summarized(&self, incident: &Incident) -> bool {
        let start = incident.window.map(|it| it.start().to_string()).unwrap_or_default();
        let caller = &incident.finding.event.principal.key;
        let is_its =
            |it: &Alert| it.is_summary() && it.field("principal") == caller && it.field("window_start") == start;
        caller.ends_with(PROBER) && self.alerts.iter().any(is_its)
    }

    fn is_summarized_for_people(&self, incident: &Incident) -> bool {
        let caller = &incident.finding.event.principal.key;
        caller.ends_with(PROBER) && self.people.summaries.iter().any(|it| it.contains(PROBER))
    }

    /// An alert resolves a stop that took place, and the mapping is not known to be stopped again.
    fn check_resolution(&self, alert: &Alert) {
        let Some(resolved) = alert.resolved() else { return };
        let timelines = self.plan.timelines.iter().enumerate();
        let (n, timeline) = timelines.into_iter().find(|(n, _)| mapping_uuid(*n) == resolved.uuid).expect("a mapping");
        let stops = || timeline.transitions.iter().filter(|it| it.kind == TransitionKind::Stopped);
        assert!(stops().any(|it| at(it.at).to_string() == resolved.at), "mapping {n} did not stop: {alert}");
        let ended = alert.field("ended_at");
        assert!(ended > resolved.at, "resolved before it stopped: {alert}");
        let started = self.invocations[&alert.by].started;
        let is_known = |stop: &&Transition| self.is_acknowledged(stop, Duration::from_secs(started));
        let later = stops().filter(is_known).find(|it| at(it.at).to_string().as_str() > ended);
        let may_be_unknown =
            self.may_ledger_have_failed() || self.fixture.pipeline.ledger.has_mapping_expired(resolved.uuid);
        assert!(
            may_be_unknown || later.is_none(),
            "mapping {n} is known to be stopped since {}: {alert}",
            later.map_or(0, |it| it.at)
        );
        if alert.is_of_sweep() {
            let ran = |it: &Transition| self.is_running_between(n, it, started, alert.at.as_secs());
            let runs_first = timeline.transitions.first().is_none_or(|it| it.at > started);
            assert!(
                runs_first || timeline.transitions.iter().any(ran),
                "mapping {n} was stopped during the sweep: {alert}"
            );
        }
    }

    /// Checks that the alert reports only stops that took place, and is no reminder of a stop that is known to be over.
    fn check_reported_stops(&self, alert: &Alert) {
        let started = Duration::from_secs(self.invocations[&alert.by].started);
        for stop in alert.stops() {
            let mut timelines = self.plan.timelines.iter().enumerate();
            let (_, timeline) = timelines.find(|(n, _)| mapping_uuid(*n) == stop.uuid).expect("a mapping");
            let is_its = |it: &Transition| it.kind == TransitionKind::Stopped && at(it.at).to_string() == stop.at;
            assert!(timeline.transitions.iter().any(is_its), "there was no such stop: {alert}");
            let is_resolution = |it: &Alert| it.at < started && it.resolved().as_ref() == Some(&stop);
            let is_resolved = self.alerts.iter().any(is_resolution) && self.is_resolved_on_all_topics(&stop);
            let is_reminder = alert.field("status") == "reminder";
            assert!(!(is_reminder && is_resolved && self.is_strict()), "the stop is over: {alert}");
        }
    }

    /// Returns true if the mapping ran between these times because of this transition.
    fn is_running_between(&self, timeline: usize, transition: &Transition, from: u64, to: u64) -> bool {
        let next = self.plan.timelines[timeline]
            .transitions
            .iter()
            .find(|it| it.at > transition.at)
            .map_or(u64::MAX, |it| it.at);
        transition.kind != TransitionKind::Stopped && transition.at <= to && next > from
    }

    /// If the mapping runs, the latest alert about it says so.
    fn check_last_state(&self, timeline: usize) {
        let uuid = mapping_uuid(timeline);
        let Some(last) = self.plan.timelines[timeline].transitions.last() else { return };
        let resolved: Vec<_> = self.alerts.iter().filter_map(Alert::resolved).filter(|it| it.uuid == uuid).collect();
        if last.kind == TransitionKind::Stopped {
            let time = at(last.at).to_string();
            assert!(resolved.iter().all(|it| it.at < time.as_str()), "mapping {timeline} is stopped since {time}");
            return;
        }
        let reported = self.alerts.iter().flat_map(|alert| alert.stops().into_iter().map(move |stop| (alert, stop)));
        let reported: Vec<_> = reported.filter(|(_, stop)| stop.uuid == uuid).collect();
        let Some(latest) = reported.iter().map(|(_, stop)| stop.at).max() else { return };
        let is_over = resolved.iter().any(|it| it.at >= latest)
            || reported.iter().any(|(alert, stop)| alert.is_over() && stop.at >= latest);
        let is_seen = last.record.is_some() || !self.plan.sweeps.is_empty();
        let may_be_missing = self.may_ledger_have_failed();
        assert!(
            is_over || !is_seen || may_be_missing,
            "nothing says that the stop of mapping {timeline} at {latest} is over"
        );
    }

    /// Returns true if an invocation may have been unable to use the ledger, which a crashed invocation does not report.
    fn may_ledger_have_failed(&self) -> bool {
        self.ledger_errors > 0 || self.invocations.values().any(|it| it.is_troubled) && self.may_ledger_fail()
    }

    fn may_ledger_fail(&self) -> bool {
        let faults = self.plan.faults.ledger;
        faults.failures > 0.0 || faults.hangs > 0.0 || faults.lost > 0.0 || faults.conflicts > 0.0
    }

    /// The ledger has counted each event once, and alerted the highest threshold that their number reaches.
    fn check_count(&self, incident: &Incident, events: u64) {
        let ledger_key = incident.ledger_key();
        let entry = self.fixture.pipeline.ledger.entry(&ledger_key);
        let is_cut = self.plan.objects.iter().any(|it| it.is_broken && it.name == "cut");
        let key = ledger_key.dedup_key;
        assert!(entry.count <= events, "{key}: {} of {events}", entry.count);
        let may_be_less = self.may_ledger_have_failed() || self.fixture.pipeline.ledger.expired_entries(key) > 0;
        if may_be_less || is_cut && incident.finding.event.principal.key.ends_with("cut") {
            return;
        }
        assert_eq!(entry.count, events, "{key}");
        for (role, confirmed, is_summarized) in [
            (TopicRole::Alert, &self.people, self.is_summarized_for_people(incident)),
            (TopicRole::Event, &self.machines, self.is_summarized(incident)),
        ] {
            let recorded = entry.alerted_on(role);
            let published = confirmed.thresholds.get(&key.to_string()).copied().unwrap_or_default();
            let is_summarized = recorded == 0 && is_summarized;
            assert!(recorded == alert_threshold(events) || is_summarized, "{key}: {recorded} of {events} on {role:?}");
            assert_eq!(published, recorded, "{key}: {events} events on {role:?}");
        }
    }

    fn check_topics_agree(&self, key: &str) {
        let [people, machines] = [&self.people, &self.machines].map(|it| it.thresholds.get(key));
        assert!(
            people == machines || self.may_ledger_have_failed(),
            "{key}: {people:?} for people, {machines:?} for machines"
        );
    }

    /// Without crashes and faults, both topics have the same alerts, also those of sweeps.
    fn check_topics_are_equal(&self) {
        let faults = self.plan.faults.topics;
        let may_differ = faults.failures + faults.rejections + faults.lost > 0.0
            || self.ledger_errors > 0
            || self.invocations.values().any(|it| it.is_troubled);
        if !may_differ {
            assert_eq!(self.people.thresholds, self.machines.thresholds, "the topics differ");
        }
    }

    /// Messages are repeated only if an invocation crashed or could not use the ledger, if a response was lost, or if a lease
    /// or the entry of the ledger expired.
    fn check_repetitions(&self, topic: &MemoryTopic) {
        let mut published: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut troubled = BTreeSet::new();
        for (message, by) in topic.confirmed().iter().zip(topic.confirmed_by.borrow().iter()) {
            let (key, _) = key_and_threshold(&message.deduplication_id);
            let (times, excuses) = published.entry(key.to_owned()).or_default();
            *times += 1;
            *excuses += u64::from(self.invocations[by].is_troubled && troubled.insert((key.to_owned(), *by)));
        }
        for message in topic.lost.borrow().iter() {
            if let Some((_, excuses)) = published.get_mut(key_and_threshold(&message.deduplication_id).0) {
                *excuses += 1;
            }
        }
        for (key, (times, excuses)) in published {
            let dedup_key = DedupKey::parse(&key).expect("a key");
            let ledger = &self.fixture.pipeline.ledger;
            let expired = ledger.expired_leases_in_all_windows(dedup_key);
            let expired = expired.iter().filter(|(holder, at)| self.is_running(holder, *at)).count() as u64;
            let thresholds = self.thresholds(&key) * (1 + ledger.expired_entries(dedup_key));
            assert!(
                times <= thresholds + excuses + expired,
                "{key} is published {times} times for {thresholds} thresholds, {excuses} faults and {expired} leases"
            );
        }
    }

    /// Returns true if the invocation with this lease was still running.
    fn is_running(&self, holder: &str, at: Instant) -> bool {
        let (id, _) = holder.split_once('#').unwrap_or((holder, ""));
        self.invocations[&id.parse().expect("an invocation")].ended >= at
    }

    /// Number of alerts that the events with this dedup key cause.
    fn thresholds(&self, key: &str) -> u64 {
        match self.incidents.get(key) {
            Some((incident, events)) if incident.scope != Scope::Event => u64::from(events.ilog10()) + 1,
            // Each alert about a mapping has its own key.
            Some(_) | None => 1,
        }
    }

    /// A stop has one alert, not one from a sweep and another from its event.
    fn check_stops_are_alerted_once(&self) {
        if self.ledger_errors > 0 || self.invocations.values().any(|it| it.is_troubled) {
            return;
        }
        let mut alerts: BTreeMap<StopOf<'_>, BTreeMap<&str, &Alert>> = BTreeMap::new();
        for alert in self.alerts.iter().filter(|it| it.field("status") != "reminder") {
            for stop in alert.stops() {
                alerts.entry(stop).or_default().insert(&alert.key, alert);
            }
        }
        // If one topic confirms the alert of a sweep and another does not, the event or the next sweep causes another alert. So
        // does the event of a stop if sweeps have reported it and a later one, if a sweep reports it at the same time, or if the
        // ledger has forgotten the mapping.
        let latest = |uuid: &str| alerts.keys().filter(|it| it.uuid == uuid).map(|it| it.at).max();
        for (stop, of_stop) in &alerts {
            let unconfirmed = of_stop.keys().filter(|key| self.unconfirmed.contains(**key)).count();
            let is_earlier = latest(stop.uuid) > Some(stop.at);
            let overlaps = of_stop.values().any(|it| of_stop.values().any(|other| self.overlap(it, other)));
            let is_forgotten = self.fixture.pipeline.ledger.has_mapping_expired(stop.uuid);
            let exceptions = [is_earlier, overlaps, is_forgotten].into_iter().filter(|it| *it).count();
            let most = 1 + unconfirmed + exceptions;
            assert!(of_stop.len() <= most, "{stop} has {} alerts instead of {most}", of_stop.len());
        }
    }

    /// Returns true if a sweep and another invocation, which published these alerts, ran at the same time.
    fn overlap(&self, of_sweep: &Alert, other: &Alert) -> bool {
        let began_before = |it: &Alert, end: Duration| self.invocations[&it.by].started <= end.as_secs();
        of_sweep.is_of_sweep()
            && !other.is_of_sweep()
            && began_before(of_sweep, other.at)
            && began_before(other, of_sweep.at)
    }

    /// Checks that each cause of a stop is named once. Returns the number of stops with a cause.
    fn check_causes(&self) -> usize {
        let mut named: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for alert in &self.alerts {
            for cause in alert.causes() {
                *named.entry((alert.field("alert_id"), cause)).or_default() += 1;
            }
        }
        if !self.plan.searches_causes {
            assert_eq!(named.len(), 0, "causes are off");
            return 0;
        }
        let faults = &self.plan.faults;
        let may_repeat = self.invocations.values().any(|it| it.is_troubled)
            || self.fixture.pipeline.ledger.has_expired()
            || self.may_ledger_fail()
            || faults.topics.lost > 0.0
            || faults.topics.failures > 0.0
            || faults.topics.rejections > 0.0
            || !faults.topics.latency.is_zero()
            || !faults.ledger.latency.is_zero();
        if may_repeat {
            return 0;
        }
        for ((alert, cause), times) in &named {
            assert_eq!(*times, 1, "alert {alert} names the cause {cause}");
        }
        let mut stops = 0;
        for timeline in &self.plan.timelines {
            for stop in timeline.transitions.iter().filter(|it| it.record.is_some()) {
                let (Some(cause), Some(record)) = (&stop.cause, &stop.record) else { continue };
                let of_stop = self.alerts.iter().filter(|it| it.field("event_id") == event_id(record) && !it.is_over());
                let alert_ids: BTreeSet<_> = of_stop.map(|it| it.field("alert_id")).collect();
                let is_named = |alert: &&str| named.contains_key(&(*alert, cause.as_str()));
                assert!(alert_ids.iter().all(is_named), "the cause {cause} of the stop at {} is not named", stop.at);
                stops += usize::from(!alert_ids.is_empty());
            }
        }
        stops
    }
}

fn event_id(record: &Value) -> String {
    record["eventID"].as_str().expect("an ID").to_owned()
}
