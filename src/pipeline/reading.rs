//! From log objects to triage.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{self, Either, Shared};
use futures_util::stream::{self, StreamExt as _};

use super::{InvocationState, Run};
use crate::detect::{Finding, FindingKind};
use crate::outcome::{ObjectFailure, ReadError, UnreadableError, UnreadableRecord};
use crate::ports::{AlertSink, Clock, ObjectBody as _, ObjectSource, ServiceError};
use crate::telemetry::Counters;
use crate::trail::{Entry, LogObject, RecordReader};
use crate::triage::Ledger;

/// Unreadable records of an object that a failure names individually; it counts all.
const NAMED_RECORDS: usize = 10;
/// Shown in place of a log object for a record that came in the payload.
const INLINE: &str = "none yet: the event came through EventBridge";

impl<S: ObjectSource, A: AlertSink, L: Ledger, C: Clock> Run<'_, S, A, L, C> {
    /// Examines the records in the payload. They arrive in a log object too, and an unreadable one
    /// fails that object; only mappings cannot wait.
    pub(super) fn examine_inline(&self, records: &[String]) {
        let mut state = self.state.borrow_mut();
        for record in records {
            state.outcome.counters.inline_records += 1;
            let examined = self.pipeline.detector.examine(record.as_bytes(), &Arc::from(INLINE), self.rules);
            let is_mapping = |it: &Finding| matches!(it.kind, FindingKind::EsmDisabled(_) | FindingKind::EsmChanged(_));
            let mappings = examined.unwrap_or_default().findings.into_iter().filter(is_mapping);
            mappings.for_each(|finding| state.take(finding, record.as_bytes(), self.rules));
        }
    }

    /// Reads objects until the time is up.
    pub(super) async fn read_all<T: Future<Output = ()>>(&self, objects: &[LogObject], time_up: Shared<T>) {
        stream::iter(objects.iter().enumerate())
            .for_each_concurrent(self.pipeline.object_concurrency, |(at, object)| self.read(at, object, &time_up))
            .await;
    }

    async fn read<T: Future<Output = ()>>(&self, at: usize, object: &LogObject, time_up: &Shared<T>) {
        let mut reading = Reading { name: object.to_string().into(), unreadable: Vec::new(), count: 0 };
        let end = self.read_entries(object, &mut reading, time_up).await.err();
        let Reading { unreadable, count, name } = reading;
        let InvocationState { outcome, triage, .. } = &mut *self.state.borrow_mut();
        triage.end_of(&name);
        outcome.counters.objects += 1;
        if end.is_none() && count == 0 {
            outcome.counters.objects_read += 1;
        } else {
            outcome.counters.objects_failed += 1;
            outcome.objects.insert(at, ObjectFailure { object: object.clone(), unreadable, count, end });
        }
    }

    async fn read_entries<T: Future<Output = ()>>(
        &self,
        object: &LogObject,
        reading: &mut Reading,
        time_up: &Shared<T>,
    ) -> Result<(), ReadError> {
        let mut body = before(time_up, self.pipeline.source.open(object)).await?;
        let reader = self.state.borrow_mut().readers.pop();
        let mut reader = reader.unwrap_or_else(|| RecordReader::new(self.pipeline.limits));
        let mut read = async || {
            while let Some(chunk) = before(time_up, body.next_chunk()).await? {
                let result = reader.push(&chunk, |entry| self.examine(entry, reading));
                // Stopped mappings do not wait for the rest of the object.
                self.publish_mappings().await;
                result?;
                if self.state.borrow().triage.is_full() {
                    self.publish_incidents().await;
                }
            }
            Ok(reader.finish()?)
        };
        let end = read().await;
        let InvocationState { outcome, readers, .. } = &mut *self.state.borrow_mut();
        outcome.counters.inflated_bytes += reader.inflated_bytes();
        reader.reset();
        readers.push(reader);
        end
    }

    fn examine(&self, entry: Entry<'_>, reading: &mut Reading) {
        let state = &mut *self.state.borrow_mut();
        let counters = &mut state.outcome.counters;
        counters.records += 1;
        let (offset, bytes) = match entry {
            Entry::Record { offset, bytes } => (offset, bytes),
            Entry::Unreadable { offset, error } => return reading.unreadable(offset, error.into(), counters),
        };
        match self.pipeline.detector.examine(bytes, &reading.name, self.rules) {
            Ok(examined) => {
                match examined.unreadable {
                    Some(error) => reading.unreadable(offset, error.into(), counters),
                    None if examined.selected => counters.records_selected += 1,
                    None => counters.records_passed_over += 1,
                }
                examined.findings.into_iter().for_each(|finding| state.take(finding, bytes, self.rules));
            }
            Err(error) => reading.unreadable(offset, error.into(), counters),
        }
    }
}

/// An object that is being read.
struct Reading {
    name: Arc<str>,
    unreadable: Vec<UnreadableRecord>,
    count: u64,
}

impl Reading {
    fn unreadable(&mut self, offset: u64, source: UnreadableError, counters: &mut Counters) {
        counters.records_unreadable += 1;
        self.count += 1;
        if self.unreadable.len() < NAMED_RECORDS {
            self.unreadable.push(UnreadableRecord { offset, source });
        }
    }
}

/// Calls a service unless the time is up, and waits for it no longer than that.
async fn before<V>(
    time_up: &Shared<impl Future<Output = ()>>,
    call: impl Future<Output = Result<V, ServiceError>>,
) -> Result<V, ReadError> {
    // The time is checked first, so that no call is started when it is up.
    match future::select(time_up.clone(), pin!(call)).await {
        Either::Left(((), _)) => Err(ReadError::OutOfTime),
        Either::Right((result, _)) => Ok(result?),
    }
}
