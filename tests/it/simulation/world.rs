//! Runs the pipeline in the world of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::SignedDuration;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use trailwarden::delivery::AccountRegion;
use trailwarden::enrich::OwnerTagKeys;
use trailwarden::pipeline::Outcome;
use trailwarden::reply::Reply;
use trailwarden::sweep::Mapping;
use trailwarden::triage::{MappingNow, PresentState};

use super::checks::Checks;
use super::plan::{Delivery, MINUTE, Plan, TransitionKind, at, function};
use crate::fakes::{ApiFaults, BucketFaults, Dice, Invocation, LedgerFaults, MemoryLedger, TestClock, TopicFaults};
use crate::fixture::Fixture;
use crate::fixture::payload::{inline, notification, queue};
use crate::fixture::records::{ACCOUNT, REGION, gzip_stored, log_file, mapping_uuid};

const SWEEP: &str = r#"{"trailwarden":"sweep"}"#;
/// Number of times that a message is delivered before it moves to the dead-letter queue.
const MAX_RECEIVES: u32 = 5;
/// The longest time for which an invocation that has crashed may delay others. This is not the constant of the library, so that a
/// longer lease fails.
const LEASE: Duration = Duration::from_secs(4);

/// What happens next.
enum Task {
    Deliver(Message),
    Sweep,
    /// The Lambda API lists a mapping in another state.
    Transition,
    Expire,
    /// The faults end.
    Calm,
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) delivery: Delivery,
    receives: u32,
    calm_receives: u32,
}

/// An invocation, and the messages that it was invoked with; none for a sweep.
pub(super) struct Invoked {
    pub(super) id: usize,
    pub(super) messages: Vec<Message>,
    pub(super) started: u64,
}

/// What happened in a simulation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) invocations: usize,
    /// Number of invocations that crashed or timed out.
    pub(super) crashes: usize,
    /// The alerts, each with its time, its invocation and its text.
    pub(super) alerts: Vec<String>,
    /// True if every invocation could use the ledger, so that all checks were made.
    pub(super) is_strict: bool,
    /// Number of stops whose cause had to be named.
    pub(super) causes: usize,
}

struct World<'a> {
    plan: &'a Plan,
    fixture: &'a Fixture,
    dice: Dice,
    start: Instant,
    /// By time in seconds, and in the order in which they were added.
    agenda: BTreeMap<(u64, usize), Task>,
    added: usize,
    invocations: usize,
    checks: Checks<'a>,
    is_traced: bool,
    crashes: usize,
}

/// Simulates a plan. Panics if a guarantee is broken.
pub(super) async fn simulate(plan: &Plan, seed: u64, is_traced: bool) -> Summary {
    TestClock::restart();
    let fixture = fixture(plan, seed);
    let mut world = World {
        plan,
        fixture: &fixture,
        dice: Dice::seeded(seed ^ 0x5EED),
        start: Instant::now(),
        agenda: BTreeMap::new(),
        added: 0,
        invocations: 0,
        checks: Checks::new(plan, &fixture),
        is_traced,
        crashes: 0,
    };
    world.set_up();
    world.run().await;
    let causes = world.checks.check_end();
    Summary {
        invocations: world.invocations,
        crashes: world.crashes,
        alerts: world.checks.alerts(),
        is_strict: world.checks.is_strict(),
        causes,
    }
}

fn fixture(plan: &Plan, seed: u64) -> Fixture {
    let mut fixture = Fixture::new().with_event_topic().chunks_of(700).configure(|it| {
        it.object_concurrency = 3;
        it.accepted.inline_records = true;
        it.windows = plan.windows;
        it.detector.causes = plan.searches_causes;
        it.context = plan.looks_up_context.then(OwnerTagKeys::default);
        it.api.faults.set(plan.faults.context);
        it.api.mappings = (0..plan.timelines.len()).map(|n| (mapping_uuid(n), mapping_now(n))).collect();
        it.ledger = MemoryLedger::seeded(seed);
        it.ledger.faults.set(plan.faults.ledger);
        it.source.dice = Dice::seeded(seed + 1).into();
        it.source.faults.set(plan.faults.bucket);
        it.topics.alert.dice = Dice::seeded(seed + 2);
        it.topics.alert.faults.set(plan.faults.topics);
        it.api.list.dice = Dice::seeded(seed + 4);
        it.api.list.failures.set(plan.faults.list);
        it.api.list.latency.set(plan.faults.bucket.latency);
        if let Some(topic) = &mut it.topics.event {
            topic.dice = Dice::seeded(seed + 3);
            topic.faults.set(plan.faults.topics);
        }
    });
    for object in &plan.objects {
        let mut bytes = gzip_stored(log_file(&object.records));
        bytes.truncate(bytes.len() - if object.is_broken { 9 } else { 0 });
        fixture = fixture.stored(&object.name, bytes);
    }
    fixture
}

/// What a lookup of context returns.
fn mapping_now(n: usize) -> MappingNow {
    MappingNow { state: PresentState::Disabled, function_arn: Some(function_arn(n)), ..MappingNow::deleted() }
}

fn function_arn(n: usize) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", function(n))
}

impl<'a> World<'a> {
    fn set_up(&mut self) {
        for (time, delivery) in &self.plan.deliveries {
            let message = Message { delivery: delivery.clone(), receives: 0, calm_receives: 0 };
            self.add(*time, Task::Deliver(message));
        }
        self.plan.sweeps.iter().for_each(|time| self.add(*time, Task::Sweep));
        self.plan.expirations.iter().for_each(|time| self.add(*time, Task::Expire));
        for timeline in &self.plan.timelines {
            timeline.transitions.iter().for_each(|transition| self.add(transition.at, Task::Transition));
        }
        self.add(self.plan.calm, Task::Calm);
        self.list();
        self.trace(self.plan);
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_secs()
    }

    fn add(&mut self, time: u64, task: Task) {
        let time = match &task {
            Task::Deliver(_) => time.next_multiple_of(self.plan.period),
            _ => time,
        };
        self.agenda.insert((time, self.added), task);
        self.added += 1;
    }

    fn trace(&self, what: impl fmt::Display) {
        if self.is_traced {
            println!("{:>10.3} {what}", self.start.elapsed().as_secs_f64());
        }
    }

    async fn run(&mut self) {
        let mut running = FuturesUnordered::new();
        loop {
            let next = self.agenda.first_key_value().map(|((time, _), _)| self.start + Duration::from_secs(*time));
            tokio::select! {
                biased;
                Some(ended) = running.next() => self.finish(&ended),
                () = sleep_until(next.unwrap_or(self.start)), if next.is_some() => {
                    for invoked in self.take_due() {
                        running.push(self.invoke(invoked));
                    }
                }
                else => return,
            }
        }
    }

    /// Does everything that is due. Returns the invocations that begin.
    fn take_due(&mut self) -> Vec<Invoked> {
        let later = self.agenda.split_off(&(self.now() + 1, 0));
        let due = std::mem::replace(&mut self.agenda, later);
        let (mut messages, mut invoked) = (Vec::new(), Vec::new());
        for task in due.into_values() {
            match task {
                Task::Deliver(message) => messages.push(message),
                Task::Sweep => invoked.push(self.next_invocation(Vec::new())),
                Task::Transition => self.list(),
                Task::Expire => self.fixture.pipeline.ledger.expire(),
                Task::Calm => self.calm(),
            }
        }
        let (objects, records): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|it| matches!(it.delivery, Delivery::Object(_)));
        let size = if self.plan.is_queue { self.plan.batch } else { 1 };
        for batch in objects.chunks(size).chain(records.chunks(1)) {
            invoked.push(self.next_invocation(batch.to_vec()));
        }
        invoked
    }

    fn next_invocation(&mut self, mut messages: Vec<Message>) -> Invoked {
        self.invocations += 1;
        let is_calm = self.now() >= self.plan.calm;
        for message in &mut messages {
            message.receives += 1;
            message.calm_receives += u32::from(is_calm);
        }
        Invoked { id: self.invocations, messages, started: self.now() }
    }

    /// The invocation, with its outcome unless it crashes.
    fn invoke(&mut self, invoked: Invoked) -> impl Future<Output = (Invoked, Option<Outcome>)> + use<'a> {
        let faults = &self.plan.faults;
        let is_calm = invoked.started >= self.plan.calm;
        let crashes = !is_calm && self.dice.roll(faults.crashes);
        // An invocation may have hundreds of steps. Crashes at early steps are as likely as at late ones.
        let crashes_at = crashes.then(|| self.dice.below(1 << (1 + self.dice.below(9))) as usize);
        let skew = SignedDuration::try_from(faults.skew.mul_f64(self.dice.share())).expect("a duration");
        self.trace(format_args!("#{} begins {invoked} crashes_at={crashes_at:?}", invoked.id));
        self.checks.begin(invoked.id, invoked.started);
        let payload = self.payload(&invoked);
        let (id, fixture, lifetime) = (invoked.id.to_string(), self.fixture, self.plan.lifetime);
        let run = async move {
            // A third of the time is left for publishing.
            let run = fixture.run(&id, &payload, sleep(lifetime * 2 / 3));
            timeout(lifetime, run).await.ok()
        };
        let run = Invocation { id: invoked.id, skew }.run(crashes_at, run);
        async move { (invoked, run.await.flatten()) }
    }

    fn payload(&self, invoked: &Invoked) -> String {
        let name = |object: usize| [&self.plan.objects[object].name];
        match invoked.messages.as_slice() {
            [] => SWEEP.to_owned(),
            [Message { delivery: Delivery::Inline(record), .. }] => inline(record),
            [Message { delivery: Delivery::Object(object), .. }] if !self.plan.is_queue => notification(&name(*object)),
            messages => {
                let ids: Vec<_> = (0..messages.len()).map(|n| n.to_string()).collect();
                queue(ids.iter().zip(messages).filter_map(|(id, message)| match message.delivery {
                    Delivery::Object(object) => Some((Some(id.as_str()), notification(&name(object)))),
                    Delivery::Inline(_) => None,
                }))
            }
        }
    }

    fn finish(&mut self, (invoked, outcome): &(Invoked, Option<Outcome>)) {
        let outcome = outcome.as_ref();
        self.trace(format_args!("#{} ends {}", invoked.id, Ending(outcome)));
        self.crashes += usize::from(outcome.is_none());
        let alerts: Vec<_> = self.checks.end(invoked.id, outcome).iter().map(ToString::to_string).collect();
        for alert in alerts {
            self.trace(alert);
        }
        if invoked.messages.is_empty() && invoked.started >= self.plan.calm {
            assert!(outcome.is_some_and(is_complete_sweep), "a sweep fails without faults: {}", Ending(outcome));
        }
        let failed = failed_messages(invoked, outcome);
        for (n, message) in invoked.messages.iter().enumerate() {
            if failed.contains(&n) {
                self.retry(message.clone(), invoked.started);
            } else {
                self.checks.check_acknowledged(&message.delivery, self.start.elapsed());
            }
        }
    }

    fn retry(&mut self, message: Message, started: u64) {
        let is_broken = matches!(message.delivery, Delivery::Object(at) if self.plan.objects[at].is_broken);
        if is_broken && message.calm_receives > 0 {
            return;
        }
        // An invocation that began before the end of the faults may still hold a lease.
        let leases_end = self.plan.calm + (self.plan.lifetime + self.plan.faults.skew + LEASE).as_secs();
        let may_wait = message.calm_receives == 1 && started <= leases_end;
        assert!(message.calm_receives == 0 || may_wait, "{} fails without faults", Listed(&[message]));
        let soon = self.now() + MINUTE + self.dice.below(5 * MINUTE);
        // An operator redrives the dead-letter queue after the faults have ended.
        let time = if message.receives.is_multiple_of(MAX_RECEIVES) { soon.max(self.plan.calm) } else { soon };
        self.add(time, Task::Deliver(message));
    }

    /// Updates the list of mappings.
    fn list(&self) {
        let now = self.now();
        let mappings = self.plan.timelines.iter().enumerate().filter_map(|(n, timeline)| {
            let latest = timeline.transitions.iter().rev().find(|it| it.at <= now);
            let (state, reason) = match latest.map(|it| it.kind) {
                Some(TransitionKind::Deleted) => return None,
                Some(TransitionKind::Stopped) => ("Disabled", "Lambda initiated"),
                Some(TransitionKind::Enabled) | None => ("Enabled", "User action"),
            };
            let (name, kind) = (function(n), if timeline.is_logged { "sqs" } else { "kafka" });
            Some(Mapping {
                uuid: mapping_uuid(n),
                function_arn: Some(function_arn(n)),
                event_source_arn: Some(format!("arn:aws:{kind}:{REGION}:{ACCOUNT}:{name}-queue")),
                state: Some(state.to_owned()),
                reason: Some(reason.to_owned()),
                last_result: Some("OK".to_owned()),
                modified: Some(at(latest.map_or(0, |it| it.at))),
                filter_error: None,
            })
        });
        let place = AccountRegion { account: ACCOUNT.to_owned(), region: REGION.to_owned() };
        self.fixture.pipeline.api.list.mappings.borrow_mut().insert(place, mappings.collect());
    }

    fn calm(&self) {
        let pipeline = &self.fixture.pipeline;
        pipeline.ledger.faults.set(LedgerFaults::default());
        pipeline.source.faults.set(BucketFaults::default());
        pipeline.api.list.failures.set(0.0);
        pipeline.api.faults.set(ApiFaults::default());
        for topic in [self.fixture.topic(), self.fixture.event_topic()] {
            topic.faults.set(TopicFaults::default());
        }
    }
}

fn is_complete_sweep(outcome: &Outcome) -> bool {
    outcome.failures.error_type().is_none()
        && matches!(&outcome.reply, Reply::Sweep { failed, .. } if failed.is_empty())
}

/// The indexes of the messages that are delivered again.
fn failed_messages(invoked: &Invoked, outcome: Option<&Outcome>) -> BTreeSet<usize> {
    let all = (0..invoked.messages.len()).collect();
    let Some(outcome) = outcome else { return all };
    match (&outcome.reply, outcome.error_type()) {
        (_, Some(_)) => all,
        (Reply::BatchItemFailures(ids), None) => {
            ids.iter().map(|id| id.parse().expect("the ID of a message")).collect()
        }
        (_, None) => BTreeSet::new(),
    }
}

impl fmt::Display for Invoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.messages.is_empty() { f.write_str("a sweep") } else { Listed(&self.messages).fmt(f) }
    }
}

struct Listed<'a>(&'a [Message]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, message) in self.0.iter().enumerate() {
            f.write_str(if n > 0 { ", " } else { "" })?;
            match &message.delivery {
                Delivery::Object(object) => write!(f, "object {object}")?,
                Delivery::Inline(record) => write!(f, "record {} {}", record["eventName"], record["eventID"])?,
            }
        }
        Ok(())
    }
}

/// How an invocation ended.
struct Ending<'a>(Option<&'a Outcome>);

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(outcome) = self.0 else { return f.write_str("by a crash or timeout") };
        write!(f, "{:?} {:?}", outcome.reply, outcome.failures.lines().collect::<Vec<_>>())
    }
}
