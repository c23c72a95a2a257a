//! Reads the inputs on all cores.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use trailwarden::detect::{Detector, Finding};
use trailwarden::rules::SuppressRule;
use trailwarden::trail::{Entry, Limits, RecordReader};
use trailwarden::triage::suppressing_rule;

use crate::inputs::{Inputs, Source};

/// Stored bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// Problems that are told of one input; all are counted.
const TOLD: usize = 10;

/// What one input came to.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Name of the input.
    pub(crate) name: String,
    pub(crate) findings: Vec<Finding>,
    /// Suppressed findings, by the name of the rule.
    pub(crate) suppressed: BTreeMap<String, u64>,
    pub(crate) records: u64,
    pub(crate) lambda_events: u64,
    pub(crate) inflated_bytes: u64,
    /// The first problems.
    pub(crate) problems: Vec<String>,
    /// How many there are.
    pub(crate) problem_count: u64,
}

/// Scans the inputs; hands over what each came to, in their order. Returns the time it took.
pub(crate) fn run(
    inputs: &Inputs,
    detector: &Detector,
    suppress: &[SuppressRule],
    mut take: impl FnMut(Scanned) -> io::Result<()>,
) -> io::Result<Duration> {
    let started = Instant::now();
    let progress = progress_bar(inputs);
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(inputs.sources.len());
    let outcome = std::thread::scope(|scope| {
        // Bounded, so that one slow input does not pile up what comes behind it.
        let (sender, receiver) = mpsc::sync_channel(4 * workers.max(1));
        for _ in 0..workers {
            let (sender, next, progress) = (sender.clone(), &next, &progress);
            scope.spawn(move || {
                let mut buffer = vec![0; CHUNK];
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = inputs.sources.get(at) else { return };
                    let scanned = scan(source, detector, suppress, &mut buffer, progress);
                    if sender.send((at, scanned)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        in_order(&receiver, |scanned| progress.suspend(|| take(scanned)))
    });
    progress.finish_and_clear();
    outcome.map(|()| started.elapsed())
}

/// Hands over what comes in, by its place.
fn in_order(
    receiver: &mpsc::Receiver<(usize, Scanned)>,
    mut take: impl FnMut(Scanned) -> io::Result<()>,
) -> io::Result<()> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (at, scanned) in receiver {
        waiting.insert(at, scanned);
        while let Some(scanned) = waiting.remove(&next) {
            take(scanned)?;
            next += 1;
        }
    }
    Ok(())
}

fn progress_bar(inputs: &Inputs) -> ProgressBar {
    let bytes = |source: &Source| match source {
        Source::File { bytes, .. } => Some(*bytes),
        Source::Stdin => None,
    };
    let template = "{bar:30} {bytes}/{total_bytes} stored, {bytes_per_sec}, {eta} left";
    match inputs.sources.iter().map(bytes).sum::<Option<u64>>() {
        Some(total) => {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style)
        }
        None => ProgressBar::new_spinner(),
    }
}

fn scan(
    source: &Source,
    detector: &Detector,
    suppress: &[SuppressRule],
    buffer: &mut [u8],
    progress: &ProgressBar,
) -> Scanned {
    let (name, reader) = match source {
        Source::Stdin => ("-".to_owned(), Ok(Box::new(io::stdin()) as Box<dyn Read>)),
        Source::File { path, .. } => {
            (path.display().to_string(), File::open(path).map(|file| Box::new(file) as Box<dyn Read>))
        }
    };
    let mut scanning = Scanning {
        detector,
        suppress,
        object: Arc::from(name.as_str()),
        scanned: Scanned { name, ..Scanned::default() },
    };
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => {
            scanning.problem(&error);
            return scanning.scanned;
        }
    };
    let mut records = RecordReader::new(Limits { object_bytes: u64::MAX, ..Limits::default() });
    if let Err(problem) = read(&mut *reader, &mut records, &mut scanning, buffer, progress) {
        scanning.problem(&problem);
    }
    scanning.scanned.inflated_bytes = records.inflated_bytes();
    scanning.scanned
}

fn read(
    reader: &mut dyn Read,
    records: &mut RecordReader,
    scanning: &mut Scanning<'_>,
    buffer: &mut [u8],
    progress: &ProgressBar,
) -> Result<(), ReadProblem> {
    loop {
        let read = match reader.read(buffer) {
            Ok(0) => return Ok(records.finish()?),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        progress.inc(read as u64);
        records.push(buffer.split_at(read).0, |entry| scanning.examine(entry))?;
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadProblem {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Trail(#[from] trailwarden::trail::TrailError),
}

/// An input while it is read.
struct Scanning<'a> {
    detector: &'a Detector,
    suppress: &'a [SuppressRule],
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
        match self.detector.examine(bytes, &self.object) {
            Ok(examined) => {
                self.scanned.lambda_events += u64::from(examined.of_lambda);
                examined.findings.into_iter().for_each(|finding| self.take(finding, bytes));
            }
            Err(error) => self.problem(&format_args!("record at inflated byte {offset}: {error}")),
        }
    }

    fn take(&mut self, finding: Finding, record: &[u8]) {
        match suppressing_rule(self.suppress, &finding, record) {
            Some(rule) => *self.scanned.suppressed.entry(rule.name.clone()).or_default() += 1,
            None => self.scanned.findings.push(finding),
        }
    }

    fn problem(&mut self, problem: &dyn std::fmt::Display) {
        self.scanned.problem_count += 1;
        if self.scanned.problems.len() < TOLD {
            self.scanned.problems.push(problem.to_string());
        }
    }
}
