//! Reads log objects and examines their records.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{self, Either, FutureExt as _, Shared};
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;

use super::invocation::{Running, State};
use crate::clock::Clock;
use crate::detect::{Finding, FindingKind};
use crate::enrich::ContextSource;
use crate::failure::{ObjectFailure, ReadError, UnreadableError, UnreadableRecords};
use crate::publish::Topic;
use crate::s3_object::S3Object;
use crate::service::ServiceError;
use crate::telemetry::{Counters, ObjectReport, ObjectResult};
use crate::trail::{Entry, ObjectBody as _, ObjectSource, RecordReader};
use crate::triage::{Causes, Ledger, MappingStates};

/// Shown in place of the log object of an inline record.
const INLINE: &str = "not yet delivered; the event came through EventBridge";

impl<S: ObjectSource, T: Topic, L: Ledger + MappingStates + Causes, C: Clock, A: ContextSource>
    Running<'_, S, T, L, C, A>
{
    /// Examines the inline records, but only for mappings, whose alerts are urgent. The same records arrive later in a
    /// log object, and an unreadable one fails that object.
    pub(super) fn examine_inline(&self, records: &[String]) {
        let mut state = self.state.borrow_mut();
        for record in records {
            state.outcome.counters.inline_records += 1;
            let examined = self.pipeline.detector.examine(record.as_bytes(), &Arc::from(INLINE), &self.rules.watch);
            let is_mapping = |it: &Finding| matches!(it.kind, FindingKind::EsmDisabled(_) | FindingKind::EsmChanged(_));
            let mappings = examined.unwrap_or_default().findings.into_iter().filter(is_mapping);
            for finding in mappings {
                self.keep(&mut state, finding, record.as_bytes());
            }
        }
    }

    /// Reads the objects until the time is up.
    pub(super) async fn read_all(&self, objects: &[S3Object], time_up: impl Future<Output = ()>) {
        let time_up = time_up.shared();
        stream::iter(objects.iter().enumerate())
            .for_each_concurrent(self.pipeline.object_concurrency, |(at, object)| self.read(at, object, &time_up))
            .await;
    }

    async fn read<F: Future<Output = ()>>(&self, at: usize, object: &S3Object, time_up: &Shared<F>) {
        let mut reading = Reading::of(object);
        let end = self.read_entries(object, &mut reading, time_up).await.err();
        let Reading { unreadable, name, stored, inflated_bytes, records, findings } = reading;
        let State { outcome, triage, oldest_object, .. } = &mut *self.state.borrow_mut();
        triage.end_of(&name);
        outcome.counters.objects += 1;
        outcome.counters.records += records;
        outcome.counters.inflated_bytes += inflated_bytes;
        let failure = ObjectFailure { object: object.clone(), unreadable, end };
        let result = if failure.end.is_none() && failure.unreadable.is_empty() {
            outcome.counters.objects_read += 1;
            *oldest_object = [*oldest_object, stored].into_iter().flatten().min();
            ObjectResult::Read
        } else {
            outcome.counters.objects_failed += 1;
            let is_transient = failure.is_transient();
            outcome.failures.objects.insert(at, failure);
            if is_transient { ObjectResult::Unavailable } else { ObjectResult::Unreadable }
        };
        outcome.objects.push(ObjectReport { object: object.clone(), result, inflated_bytes, records, findings });
    }

    async fn read_entries<F: Future<Output = ()>>(
        &self,
        object: &S3Object,
        reading: &mut Reading,
        time_up: &Shared<F>,
    ) -> Result<(), ReadError> {
        let mut body = before(time_up, self.pipeline.source.open(object)).await?;
        reading.stored = body.stored();
        let reader = self.state.borrow_mut().readers.pop();
        let mut reader = reader.unwrap_or_else(|| RecordReader::new(self.pipeline.limits));
        let mut read = async || {
            while let Some(chunk) = before(time_up, body.next_chunk()).await? {
                let result = reader.push(&chunk, |entry| self.examine(entry, reading));
                // Alerts about mappings do not wait for the rest of the object.
                self.publish_mappings().await;
                result?;
                if self.state.borrow().triage.is_full() {
                    self.publish_incidents().await;
                }
            }
            Ok(reader.finish()?)
        };
        let end = read().await;
        reading.inflated_bytes = reader.inflated_bytes();
        reader.reset();
        self.state.borrow_mut().readers.push(reader);
        end
    }

    /// Adds a finding. Returns false if it is a change that is alerted only if it ends a stop.
    fn keep(&self, state: &mut State, finding: Finding, record: &[u8]) -> bool {
        if matches!(finding.kind, FindingKind::EsmChanged(_)) && !self.pipeline.esm_changes {
            state.add_change(finding, record, self.rules);
            return false;
        }
        state.add(finding, record, self.rules);
        true
    }

    fn examine(&self, entry: Entry<'_>, reading: &mut Reading) {
        let state = &mut *self.state.borrow_mut();
        let counters = &mut state.outcome.counters;
        reading.records += 1;
        let (offset, bytes) = match entry {
            Entry::Record { offset, bytes } => (offset, bytes),
            Entry::Unreadable { offset, error } => return reading.unreadable(offset, error.into(), counters),
        };
        match self.pipeline.detector.examine(bytes, &reading.name, &self.rules.watch) {
            Ok(examined) => {
                match examined.unreadable {
                    Some(error) => reading.unreadable(offset, error.into(), counters),
                    None if examined.selected => counters.records_selected += 1,
                    None => counters.records_skipped += 1,
                }
                if let Some(change) = examined.change.filter(|_| self.searches_causes()) {
                    self.causes.add(*change, &reading.name);
                }
                for finding in examined.findings {
                    let alert_type = finding.alert_type();
                    if self.keep(state, finding, &bytes) {
                        *reading.findings.entry(alert_type).or_default() += 1;
                    }
                }
            }
            Err(error) => reading.unreadable(offset, error.into(), counters),
        }
    }
}

/// An object that is being read.
struct Reading {
    /// Identifies the object in alerts and in the ledger.
    name: Arc<str>,
    unreadable: UnreadableRecords,
    stored: Option<Timestamp>,
    inflated_bytes: u64,
    records: u64,
    /// Number of findings by alert type.
    findings: BTreeMap<&'static str, u64>,
}

impl Reading {
    fn of(object: &S3Object) -> Self {
        Self {
            name: object.location().into(),
            unreadable: UnreadableRecords::default(),
            stored: None,
            inflated_bytes: 0,
            records: 0,
            findings: BTreeMap::new(),
        }
    }

    fn unreadable(&mut self, offset: u64, source: UnreadableError, counters: &mut Counters) {
        counters.records_unreadable += 1;
        self.unreadable.add(offset, source);
    }
}

/// Waits for a call to a service, at most until the time is up.
async fn before<V>(
    time_up: &Shared<impl Future<Output = ()>>,
    call: impl Future<Output = Result<V, ServiceError>>,
) -> Result<V, ReadError> {
    // `select` polls the time first, so no call starts after the time is up.
    match future::select(time_up.clone(), pin!(call)).await {
        Either::Left(((), _)) => Err(ReadError::OutOfTime),
        Either::Right((result, _)) => Ok(result?),
    }
}
