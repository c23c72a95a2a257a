//! Scans one input after another on a thread, and reuses its buffers.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use indicatif::ProgressBar;
use trailwarden::detect::{EventSources, Finding, FindingKind};
use trailwarden::trail::{Entry, Limits, RecordReader, TrailError};
use trailwarden::triage::suppressing_rule;

use crate::diagnostics::io_error;
use crate::scan::{Ended, Found, Search, Update};
use crate::sources::{Source, archive};

/// Number of bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// Number of findings and changes after which they are passed on, even within a chunk.
const BATCH: usize = 256;
/// Maximum number of problems that are listed for one object. All are counted.
const MAX_LISTED: usize = 10;

/// Scans inputs one after another.
pub(crate) struct Worker<'a> {
    search: &'a Search,
    progress: &'a ProgressBar,
    stop: &'a AtomicBool,
    chunk: Vec<u8>,
    records: RecordReader,
}

#[derive(Debug, thiserror::Error)]
enum ReadProblem {
    #[error("{}", io_error(_0))]
    Io(#[from] io::Error),
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// The scan was stopped, so the rest of the object is not needed.
    #[error("the scan was stopped")]
    Stopped,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(search: &'a Search, progress: &'a ProgressBar, stop: &'a AtomicBool) -> Self {
        let records = RecordReader::new(Limits { object_bytes: u64::MAX, ..Limits::default() });
        Self { search, progress, stop, chunk: vec![0; CHUNK], records }
    }

    /// Scans an input.
    pub(crate) fn scan(&mut self, source: Source, updates: &SyncSender<Update>) {
        let progress = self.progress;
        match source {
            Source::Stdin => self.scan_object("-".to_owned(), progress.wrap_read(io::stdin()), updates),
            Source::File(path) => self.scan_file(&path, updates),
            Source::Object { location, content } => self.scan_object(location, progress.wrap_read(content), updates),
            Source::Unreadable { name, problem } => unreadable(name, problem, updates),
        }
    }

    fn scan_file(&mut self, path: &Path, updates: &SyncSender<Update>) {
        let name = path.display().to_string();
        match File::open(path).map(|file| self.progress.wrap_read(file)) {
            Ok(file) if archive::is_archive(path) => self.scan_archive(&name, file, updates),
            Ok(file) => self.scan_object(name, file, updates),
            Err(error) => unreadable(name, io_error(&error), updates),
        }
    }

    /// Scans the log files in an archive.
    fn scan_archive(&mut self, name: &str, reader: impl Read, updates: &SyncSender<Update>) {
        let members = archive::for_each_log_file(reader, |member, content| {
            self.scan_object(format!("{name}:{member}"), content, updates);
            !self.stop.load(Ordering::Relaxed)
        });
        if let Err(error) = members {
            unreadable(name.to_owned(), format!("damaged archive: {}", io_error(&error)), updates);
        }
    }

    /// Scans one log object.
    fn scan_object(&mut self, name: String, mut reader: impl Read, updates: &SyncSender<Update>) {
        let mut scanning = Scanning {
            search: self.search,
            lambda: EventSources::default(),
            object: Arc::from(name.as_str()),
            updates,
            found: Found::default(),
            is_stopped: false,
            ended: Ended { name, ..Ended::default() },
        };
        let outcome = self.read(&mut reader, &mut scanning);
        scanning.ended.inflated_bytes = self.records.inflated_bytes();
        self.records.reset();
        match outcome {
            Err(ReadProblem::Stopped) => return,
            Err(problem) => scanning.problem(&problem),
            Ok(()) => {}
        }
        scanning.end();
    }

    fn read(&mut self, reader: &mut impl Read, scanning: &mut Scanning<'_>) -> Result<(), ReadProblem> {
        loop {
            let read = match reader.read(&mut self.chunk) {
                Ok(0) => return Ok(self.records.finish()?),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let pushed = self.records.push(self.chunk.split_at(read).0, |entry| scanning.examine(entry));
            scanning.pass_on();
            if scanning.is_stopped || self.stop.load(Ordering::Relaxed) {
                return Err(ReadProblem::Stopped);
            }
            pushed?;
        }
    }
}

/// Reports an input that cannot be opened. If nobody takes the update, the scan was stopped.
fn unreadable(name: String, problem: String, updates: &SyncSender<Update>) {
    updates.send(Update::Unreadable { name, problem }).ok();
}

/// The scan of one object.
struct Scanning<'a> {
    search: &'a Search,
    lambda: EventSources,
    object: Arc<str>,
    updates: &'a SyncSender<Update>,
    found: Found,
    /// Nobody takes the updates any more.
    is_stopped: bool,
    ended: Ended,
}

impl Scanning<'_> {
    fn examine(&mut self, entry: Entry<'_>) {
        self.ended.records += 1;
        let (offset, bytes) = match entry {
            Entry::Record { offset, bytes } => (offset, bytes),
            Entry::Unreadable { offset, error } => {
                return self.problem(&format_args!("record at inflated byte {offset}: {error}"));
            }
        };
        match self.search.detector.examine(bytes, &self.object, &self.search.rules.watch) {
            Ok(examined) => {
                self.ended.lambda_events += u64::from(self.lambda.includes(bytes));
                if let Some(error) = examined.unreadable {
                    self.problem(&format_args!("record at inflated byte {offset}: {error}"));
                }
                self.found.changes.extend(examined.change.map(|it| *it));
                examined.findings.into_iter().for_each(|finding| self.take(finding, &bytes));
                if self.found.len() >= BATCH {
                    self.pass_on();
                }
            }
            Err(error) => self.problem(&format_args!("record at inflated byte {offset}: {error}")),
        }
    }

    fn take(&mut self, finding: Finding, record: &[u8]) {
        if matches!(finding.kind, FindingKind::EsmChanged(_)) && !self.search.esm_changes {
            return self.found.mapping_changes.push(finding);
        }
        if !self.search.selection.includes(&finding, record) {
            self.ended.not_selected += 1;
            return;
        }
        match suppressing_rule(&self.search.rules.suppress, &finding, record) {
            Some(rule) => *self.ended.suppressed.entry(rule.name.clone()).or_default() += 1,
            None => self.found.findings.push(finding),
        }
    }

    /// Passes on what was found so far. Waits while too many updates have not been taken.
    fn pass_on(&mut self) {
        if self.found.len() == 0 {
            return;
        }
        let found = std::mem::take(&mut self.found);
        self.is_stopped |= self.updates.send(Update::Found(found)).is_err();
    }

    fn end(mut self) {
        self.pass_on();
        // If nobody takes the update, the scan was stopped.
        self.updates.send(Update::End(self.ended)).ok();
    }

    fn problem(&mut self, problem: &dyn std::fmt::Display) {
        self.ended.problem_count += 1;
        if self.ended.problems.len() < MAX_LISTED {
            self.ended.problems.push(problem.to_string());
        }
    }
}
