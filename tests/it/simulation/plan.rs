//! What happens in a simulation. A seed determines all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trailwarden::service::Fault;
use trailwarden::triage::WindowLength;

use crate::fakes::{ApiFaults, BucketFaults, Dice, LedgerFaults, TopicFaults};
use crate::fixture::records::{
    about_mapping, allowed, called_by_alice, denied_to, disabled_mapping, enabled_mapping, mapping_uuid, queue_url,
};

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Time that CloudTrail takes to collect the records of a log object.
const COLLECTION: u64 = 10 * MINUTE;
/// The role that tries many different actions.
pub(super) const PROBER: &str = "prober";

/// All times are in seconds since the start.
pub(super) struct Plan {
    pub(super) timelines: Vec<Timeline>,
    pub(super) objects: Vec<Object>,
    pub(super) deliveries: Vec<(u64, Delivery)>,
    pub(super) sweeps: Vec<u64>,
    /// When the ledger deletes what has expired.
    pub(super) expirations: Vec<u64>,
    /// When the faults end.
    pub(super) calm: u64,
    pub(super) faults: Faults,
    /// Objects are announced by messages of a queue, and failed messages are named in the reply. Otherwise, each invocation
    /// succeeds or fails as a whole.
    pub(super) is_queue: bool,
    /// Maximum number of messages in a batch of the queue.
    pub(super) batch: usize,
    /// Deliveries that are due in the same period begin together. With a long period, many invocations overlap.
    pub(super) period: u64,
    pub(super) searches_causes: bool,
    pub(super) looks_up_context: bool,
    /// After this time, Lambda ends an invocation.
    pub(super) lifetime: Duration,
    pub(super) windows: WindowLength,
}

/// What happens to a mapping.
pub(super) struct Timeline {
    pub(super) transitions: Vec<Transition>,
    /// CloudTrail logs stops of this kind of mapping.
    pub(super) is_logged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransitionKind {
    Stopped,
    Enabled,
    Deleted,
}

pub(super) struct Transition {
    pub(super) at: u64,
    pub(super) kind: TransitionKind,
    /// Its record; `None` if CloudTrail does not log it.
    pub(super) record: Option<Value>,
    /// Event ID of a change that may have caused the stop.
    pub(super) cause: Option<String>,
}

pub(super) struct Object {
    pub(super) name: String,
    pub(super) records: Vec<Value>,
    /// The end of the object is missing.
    pub(super) is_broken: bool,
}

/// What an invocation is about.
#[derive(Debug, Clone)]
pub(super) enum Delivery {
    /// The index of an object.
    Object(usize),
    /// A record that EventBridge delivers on the fast path.
    Inline(Value),
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Share of the invocations that crash.
    pub(super) crashes: f64,
    /// How far the clocks of two invocations differ at most.
    pub(super) skew: Duration,
    pub(super) ledger: LedgerFaults,
    pub(super) topics: TopicFaults,
    pub(super) bucket: BucketFaults,
    /// Share of the calls that list mappings that fail.
    pub(super) list: f64,
    /// Faults of the calls that look up context.
    pub(super) context: ApiFaults,
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::try_from(seconds).expect("a time"))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.faults)?;
        for (n, timeline) in self.timelines.iter().enumerate() {
            for Transition { at: time, kind, record, cause } in &timeline.transitions {
                let is_transition = |it: &&Object| it.records.iter().any(|other| Some(other) == record.as_ref());
                let object = self.objects.iter().position(|it| is_transition(&it));
                writeln!(f, "mapping {n} {kind:?} at {}, in object {object:?}, cause {cause:?}", at(*time))?;
            }
        }
        Ok(())
    }
}

fn timed(mut record: Value, seconds: u64) -> Value {
    record["eventTime"] = json!(at(seconds).to_string());
    record
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let dice = &Dice::seeded(seed);
        // Stops that last for days have reminders.
        let unit = if dice.roll(0.2) { HOUR } else { MINUTE };
        let length = 180 * unit;
        let searches_causes = dice.roll(0.5);
        let windows = WindowLength::of_hours(if dice.roll(0.5) { 1 } else { 24 }).expect("a length");
        let loses_events = dice.roll(0.3);
        let mut trail = Trail::new(dice, if dice.roll(0.3) { HOUR } else { 15 * MINUTE });
        let timelines =
            (0..=dice.below(3) as usize).map(|n| timeline(dice, n, unit, loses_events, &mut trail)).collect();
        for (at, record) in denials(dice, length) {
            trail.add(at, record);
        }
        let is_fast = dice.roll(0.5);
        let (objects, deliveries) = trail.deliver(is_fast);
        let calm = length + 2 * HOUR;
        let plan = Self {
            timelines,
            objects,
            deliveries,
            sweeps: sweeps(dice, length, calm),
            expirations: (0..6).map(|_| dice.below(calm)).collect(),
            calm,
            faults: Faults::of(dice),
            is_queue: dice.roll(0.5),
            batch: 1 + dice.below(10) as usize,
            period: [1, 20, 10 * MINUTE][dice.below(3) as usize],
            searches_causes,
            looks_up_context: dice.roll(0.5),
            lifetime: Duration::from_secs([15, 60, 300][dice.below(3) as usize]),
            windows,
        };
        if dice.roll(0.1) { plan.with_old_objects(dice) } else { plan }
    }

    /// Up to four months after the faults, an operator delivers some objects again. The ledger deletes what has expired.
    fn with_old_objects(mut self, dice: &Dice) -> Self {
        let days = 1 + dice.below(120);
        let start = self.calm + DAY;
        let again = start + days * DAY;
        if !self.sweeps.is_empty() {
            self.sweeps.extend((0..days.div_ceil(7)).map(|week| start + week * 7 * DAY));
            self.sweeps.extend((1..=4).map(|n| again + n * 20 * MINUTE));
        }
        self.expirations.extend((0..days).map(|day| start + day * DAY));
        let objects = (0..self.objects.len()).filter(|object| !self.objects[*object].is_broken && dice.roll(0.5));
        self.deliveries.extend(objects.map(|it| (again + dice.below(10 * MINUTE), Delivery::Object(it))));
        self
    }
}

impl Faults {
    /// Each kind of fault occurs in some simulations only, so that faults do not hide the effects of others. In some there is
    /// none, because some checks are strict only then.
    fn of(dice: &Dice) -> Self {
        if dice.roll(0.2) {
            return Self::default();
        }
        let some = |share: f64, most: f64| if dice.roll(share) { most * dice.share() } else { 0.0 };
        let latency = || Duration::from_millis([0, 5, 60, 900][dice.below(4) as usize]);
        Self {
            crashes: some(0.5, 0.4),
            skew: if dice.roll(0.3) { Duration::from_secs(dice.below(4)) } else { Duration::ZERO },
            ledger: LedgerFaults {
                conflicts: some(0.4, 0.5),
                lost: some(0.3, 0.4),
                failures: some(0.25, 0.3),
                hangs: some(0.2, 0.1),
                latency: latency(),
                ..LedgerFaults::default()
            },
            topics: TopicFaults {
                failures: some(0.3, 0.4),
                rejections: some(0.3, 0.5),
                lost: some(0.3, 0.4),
                latency: latency(),
            },
            bucket: BucketFaults { failures: some(0.3, 0.3), interruptions: some(0.3, 0.4), latency: latency() },
            list: some(0.2, 0.5),
            context: ApiFaults {
                latency: latency(),
                hangs: dice.roll(0.1).then_some("Get"),
                fails: dice.roll(0.2).then_some(("lambda:", Fault::Unavailable)),
            },
        }
    }
}

fn sweeps(dice: &Dice, length: u64, calm: u64) -> Vec<u64> {
    if dice.roll(0.3) {
        return Vec::new();
    }
    let first = dice.roll(0.6).then_some(0);
    let later = (0..dice.below(12)).map(|_| dice.below(length));
    // Several, because some alerts need two sweeps, and a sweep waits for events.
    let last = (1..=8).map(|n| calm + n * 20 * MINUTE);
    first.into_iter().chain(later).chain(last).collect()
}

/// A mapping that alternately stops and is enabled, and may be deleted.
fn timeline(dice: &Dice, n: usize, unit: u64, loses_events: bool, trail: &mut Trail<'_>) -> Timeline {
    let is_logged = dice.roll(0.8);
    let (mut transitions, mut time) = (Vec::new(), 0);
    for number in 0..dice.below(6) {
        time += (1 + dice.below(30)) * unit + dice.below(MINUTE);
        let id = 1_000 * n as u64 + number;
        let kind = match number % 2 {
            0 => TransitionKind::Stopped,
            _ if dice.roll(0.1) => TransitionKind::Deleted,
            _ => TransitionKind::Enabled,
        };
        let is_lost = loses_events && dice.roll(0.3) || kind == TransitionKind::Stopped && !is_logged;
        let record = (!is_lost).then(|| timed(transition_record(kind, n, id), time));
        let cause = (kind == TransitionKind::Stopped && dice.roll(0.5)).then(|| {
            let made = time - dice.below(time.min(40 * HOUR));
            let queue = json!({"queueUrl": queue_url(&function(n))});
            let change = timed(called_by_alice(200_000 + id, "sqs", "DeleteQueue", &queue), made);
            let event_id = change["eventID"].as_str().expect("an ID").to_owned();
            trail.add(made, change);
            event_id
        });
        if let Some(record) = &record {
            trail.add_mapping_event(time, record.clone());
        }
        transitions.push(Transition { at: time, kind, record, cause });
        if kind == TransitionKind::Deleted {
            break;
        }
    }
    Timeline { transitions, is_logged }
}

pub(super) fn function(n: usize) -> String {
    format!("f{n}")
}

fn transition_record(kind: TransitionKind, n: usize, id: u64) -> Value {
    let record = match kind {
        TransitionKind::Stopped => disabled_mapping(id, &function(n), "AUTHORIZATION_ERROR"),
        TransitionKind::Enabled => enabled_mapping(id, &function(n)),
        TransitionKind::Deleted => allowed(45 * MINUTE + id, "DeleteEventSourceMapping", &json!({})),
    };
    about_mapping(&mapping_uuid(n), record)
}

/// Denials of some callers, and sometimes many of the prober.
fn denials(dice: &Dice, length: u64) -> Vec<(u64, Value)> {
    let callers = 1 + dice.below(4);
    let some = (0..dice.below(120)).map(|n| {
        let (caller, action) = (format!("r{}", dice.below(callers)), format!("Action{}", dice.below(2)));
        (n, caller, action)
    });
    let mut denials: Vec<_> = some.collect();
    if dice.roll(0.3) {
        let probes = (0..20 + dice.below(20)).map(|n| (1_000 + n, PROBER.to_owned(), format!("Probe{n}")));
        denials.extend(probes);
    }
    let timed_denial = |(n, caller, action): (u64, String, String)| {
        let time = dice.below(length);
        (time, timed(denied_to(&caller, 100_000 + n, &action, "orders"), time))
    };
    denials.into_iter().map(timed_denial).collect()
}

/// Collects records in log objects.
struct Trail<'a> {
    dice: &'a Dice,
    /// The longest time until CloudTrail collects a record.
    longest_delay: u64,
    /// By the number of the collection, and by one of its objects.
    objects: BTreeMap<(u64, u64), Vec<Value>>,
    mapping_events: Vec<(u64, Value)>,
}

impl<'a> Trail<'a> {
    fn new(dice: &'a Dice, longest_delay: u64) -> Self {
        Self { dice, longest_delay, objects: BTreeMap::new(), mapping_events: Vec::new() }
    }

    fn add(&mut self, at: u64, record: Value) {
        let collection = (at + self.dice.below(self.longest_delay)) / COLLECTION;
        let records = self.objects.entry((collection, self.dice.below(2))).or_default();
        records.insert(self.dice.below(records.len() as u64 + 1) as usize, record);
    }

    fn add_mapping_event(&mut self, at: u64, record: Value) {
        self.mapping_events.push((at, record.clone()));
        self.add(at, record);
    }

    /// The objects and their deliveries, and those of mapping events on the fast path.
    fn deliver(self, is_fast: bool) -> (Vec<Object>, Vec<(u64, Delivery)>) {
        let dice = self.dice;
        let (mut objects, mut deliveries) = (Vec::new(), Vec::new());
        let mut announce = |created: u64, object: Object| {
            let delivery = Delivery::Object(objects.len());
            deliveries.push((created + dice.below(MINUTE), delivery.clone()));
            if dice.roll(0.3) {
                deliveries.push((created + dice.below(2 * HOUR), delivery));
            }
            objects.push(object);
        };
        for ((collection, part), records) in self.objects {
            let name = format!("{collection}-{part}");
            announce((collection + 1) * COLLECTION, Object { name, records, is_broken: false });
        }
        if dice.roll(0.3) {
            let records = vec![timed(denied_to("cut", 300_000, "Cut", "orders"), 0)];
            announce(COLLECTION, Object { name: "cut".to_owned(), records, is_broken: true });
        }
        for (at, record) in self.mapping_events {
            if is_fast && dice.roll(0.8) {
                deliveries.push((at + 5 + dice.below(MINUTE), Delivery::Inline(record)));
            }
        }
        (objects, deliveries)
    }
}
