//! Scans the inputs on all cores.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use trailwarden::detect::{Detector, EventSources, Finding};
use trailwarden::rules::Rules;
use trailwarden::trail::{Entry, Limits, RecordReader};
use trailwarden::triage::suppressing_rule;

use crate::inputs::{Inputs, Source};
use crate::selection::Selection;

/// Number of bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// Number of inputs per worker that may be started before the oldest result is taken.
const AHEAD: usize = 4;
/// Maximum number of problems that are listed for one input. All are counted.
const MAX_LISTED: usize = 10;

/// What to search for.
pub(crate) struct Search {
    pub(crate) detector: Detector,
    pub(crate) rules: Rules,
    pub(crate) selection: Selection,
}

/// The result of one input.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Name of the input.
    pub(crate) name: String,
    pub(crate) findings: Vec<Finding>,
    /// Suppressed findings, by the name of the rule.
    pub(crate) suppressed: BTreeMap<String, u64>,
    /// Number of findings that the options do not select.
    pub(crate) not_selected: u64,
    pub(crate) records: u64,
    pub(crate) lambda_events: u64,
    pub(crate) inflated_bytes: u64,
    /// The first [`MAX_LISTED`] problems.
    pub(crate) problems: Vec<String>,
    /// The number of all problems.
    pub(crate) problem_count: u64,
}

/// Scans the inputs and passes each result to `take`, in the order of the inputs. Returns the elapsed time.
pub(crate) fn run(
    inputs: &Inputs,
    search: &Search,
    mut take: impl FnMut(Scanned) -> io::Result<()>,
) -> io::Result<Duration> {
    let started = Instant::now();
    let progress = progress_bar(inputs);
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(inputs.sources.len());
    let worker = || {
        let mut worker = Worker::new(search, &progress);
        move |source| worker.scan(source)
    };
    let outcome = in_order(&inputs.sources, workers, worker, |scanned| progress.suspend(|| take(scanned)));
    progress.finish_and_clear();
    outcome.map(|()| started.elapsed())
}

/// Processes inputs on `workers` threads, and passes the results to `take` in the order of the inputs. Each thread uses
/// its own function, which `worker` returns.
///
/// Memory is bounded: while one input is slow, at most [`AHEAD`] × `workers` inputs are being processed or have results
/// that have not been taken. If `take` fails, each worker processes at most one more input.
fn in_order<I: Send, R: Send, W: FnMut(I) -> R>(
    inputs: impl IntoIterator<Item = I>,
    workers: usize,
    worker: impl Fn() -> W + Sync,
    mut take: impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    let (jobs, queue) = mpsc::channel::<(I, SyncSender<R>)>();
    let queue = Mutex::new(queue);
    std::thread::scope(|scope| {
        // Dropped at the end of this closure, even after an error. The workers then find the queue closed.
        let jobs = jobs;
        for _ in 0..workers {
            scope.spawn(|| {
                let mut process = worker();
                while let Some((input, result)) = next_job(&queue) {
                    if result.send(process(input)).is_err() {
                        return;
                    }
                }
            });
        }
        let mut inputs = inputs.into_iter();
        let mut results = VecDeque::new();
        loop {
            for input in inputs.by_ref().take(AHEAD * workers - results.len()) {
                let (sender, result) = mpsc::sync_channel(1);
                if jobs.send((input, sender)).is_ok() {
                    results.push_back(result);
                }
            }
            // If a result never arrives, its worker panicked, and the scope will panic, too.
            let Some(Ok(result)) = results.pop_front().map(|result: Receiver<R>| result.recv()) else { return Ok(()) };
            take(result)?;
        }
    })
}

/// The next job for a worker; `None` if there are no more. The lock is released before the job is processed.
fn next_job<J>(queue: &Mutex<Receiver<J>>) -> Option<J> {
    queue.lock().ok()?.recv().ok()
}

fn progress_bar(inputs: &Inputs) -> ProgressBar {
    let bytes = |source: &Source| match source {
        Source::File { bytes, .. } => Some(*bytes),
        Source::Stdin => None,
    };
    let template = "{bar:30} {bytes}/{total_bytes} read, {bytes_per_sec}, {eta} left";
    match inputs.sources.iter().map(bytes).sum::<Option<u64>>() {
        Some(total) => {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style)
        }
        None => ProgressBar::new_spinner(),
    }
}

/// Scans inputs one after another on a thread, and reuses its buffers.
struct Worker<'a> {
    search: &'a Search,
    lambda: EventSources,
    progress: &'a ProgressBar,
    chunk: Vec<u8>,
    records: RecordReader,
}

impl<'a> Worker<'a> {
    fn new(search: &'a Search, progress: &'a ProgressBar) -> Self {
        let records = RecordReader::new(Limits { object_bytes: u64::MAX, ..Limits::default() });
        Self { search, lambda: EventSources::default(), progress, chunk: vec![0; CHUNK], records }
    }

    fn scan(&mut self, source: &Source) -> Scanned {
        let name = match source {
            Source::Stdin => "-".to_owned(),
            Source::File { path, .. } => path.display().to_string(),
        };
        let mut scanning = Scanning {
            search: self.search,
            lambda: self.lambda.clone(),
            object: Arc::from(name.as_str()),
            scanned: Scanned { name, ..Scanned::default() },
        };
        if let Err(problem) = self.read(source, &mut scanning) {
            scanning.problem(&problem);
        }
        scanning.scanned.inflated_bytes = self.records.inflated_bytes();
        self.records.reset();
        scanning.scanned
    }

    fn read(&mut self, source: &Source, scanning: &mut Scanning<'_>) -> Result<(), ReadProblem> {
        let mut reader: Box<dyn Read> = match source {
            Source::Stdin => Box::new(io::stdin()),
            Source::File { path, .. } => Box::new(File::open(path)?),
        };
        loop {
            let read = match reader.read(&mut self.chunk) {
                Ok(0) => return Ok(self.records.finish()?),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.progress.inc(read as u64);
            self.records.push(self.chunk.split_at(read).0, |entry| scanning.examine(entry))?;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadProblem {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Trail(#[from] trailwarden::trail::TrailError),
}

/// The scan of one input.
struct Scanning<'a> {
    search: &'a Search,
    lambda: EventSources,
    object: Arc<str>,
    scanned: Scanned,
}

impl Scanning<'_> {
    fn examine(&mut self, entry: Entry<'_>) {
        self.scanned.records += 1;
        let (offset, bytes) = match entry {
            Entry::Record { offset, bytes } => (offset, bytes),
            Entry::Unreadable { offset, error } => {
                return self.problem(&format_args!("record at inflated byte {offset}: {error}"));
            }
        };
        match self.search.detector.examine(bytes, &self.object, &self.search.rules.watch) {
            Ok(examined) => {
                self.scanned.lambda_events += u64::from(self.lambda.includes(bytes));
                if let Some(error) = examined.unreadable {
                    self.problem(&format_args!("record at inflated byte {offset}: {error}"));
                }
                examined.findings.into_iter().for_each(|finding| self.take(finding, &bytes));
            }
            Err(error) => self.problem(&format_args!("record at inflated byte {offset}: {error}")),
        }
    }

    fn take(&mut self, finding: Finding, record: &[u8]) {
        if !self.search.selection.includes(&finding) {
            self.scanned.not_selected += 1;
            return;
        }
        match suppressing_rule(&self.search.rules.suppress, &finding, record) {
            Some(rule) => *self.scanned.suppressed.entry(rule.name.clone()).or_default() += 1,
            None => self.scanned.findings.push(finding),
        }
    }

    fn problem(&mut self, problem: &dyn std::fmt::Display) {
        self.scanned.problem_count += 1;
        if self.scanned.problems.len() < MAX_LISTED {
            self.scanned.problems.push(problem.to_string());
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_inputs() {
        for (inputs, workers) in [(0, 0), (1, 1), (100, 1), (100, 7)] {
            let mut taken = Vec::new();
            let take = |result| {
                taken.push(result);
                Ok(())
            };
            in_order(0..inputs, workers, || |input: usize| 2 * input, take).expect("taken");
            assert_eq!(taken, (0..inputs).map(|input| 2 * input).collect::<Vec<_>>());
        }
    }

    #[test]
    fn workers_stay_close_to_the_slowest_input() {
        const WORKERS: usize = 3;
        let (started, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let most_ahead = AtomicUsize::new(0);
        let process = |input: usize| {
            started.fetch_add(1, Ordering::SeqCst);
            most_ahead.fetch_max(input + 1 - taken.load(Ordering::SeqCst), Ordering::SeqCst);
            // The first input waits until the other workers reach the limit, and long enough for them to exceed it.
            while input == 0 && started.load(Ordering::SeqCst) < AHEAD * WORKERS {
                std::thread::yield_now();
            }
            if input == 0 {
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        let take = |()| {
            taken.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        in_order(0..1_000, WORKERS, || process, take).expect("taken");
        assert_eq!(taken.load(Ordering::SeqCst), 1_000);
        assert_eq!(most_ahead.load(Ordering::SeqCst), AHEAD * WORKERS);
    }

    #[test]
    fn workers_stop_when_a_result_cannot_be_written() {
        let started = AtomicUsize::new(0);
        let process = |_| started.fetch_add(1, Ordering::SeqCst);
        let outcome = in_order(0..1_000, 2, || process, |_| Err(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(outcome.map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
        assert!(started.load(Ordering::SeqCst) <= 2 * AHEAD);
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_in_a_worker_does_not_hang_the_others() {
        let process = |input| assert!(input != 500, "a bug");
        in_order(0..1_000, 2, || process, Ok).ok();
    }
}
