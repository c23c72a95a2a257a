//! Scans one input after another on a thread, and reuses its buffers.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use indicatif::ProgressBar;
use trailwarden::trail::{Entry, Limits, RecordReader, TrailError};

use crate::diagnostics::io_error;
use crate::examine::{Ended, Examine, Update};
use crate::sources::file_name::is_archive;
use crate::sources::{Source, archive};

/// Number of bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// Number of elements after which they are passed on, even within a chunk.
const BATCH: usize = 256;
/// Maximum number of problems that are listed for one object. All are counted.
const MAX_LISTED: usize = 10;

/// Scans inputs one after another.
pub(crate) struct Worker<'a, E> {
    examiner: &'a E,
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

impl<'a, E: Examine> Worker<'a, E> {
    pub(crate) fn new(examiner: &'a E, progress: &'a ProgressBar, stop: &'a AtomicBool) -> Self {
        let records = RecordReader::new(Limits { object_bytes: u64::MAX, ..Limits::default() });
        Self { examiner, progress, stop, chunk: vec![0; CHUNK], records }
    }

    /// Scans an input.
    pub(crate) fn scan(&mut self, source: Source, updates: &SyncSender<Update<E::Found>>) {
        let progress = self.progress;
        match source {
            Source::Stdin => self.scan_object("-".to_owned(), progress.wrap_read(io::stdin()), updates),
            Source::File(path) => self.scan_file(&path, updates),
            Source::Object { location, content } => self.scan_object(location, progress.wrap_read(content), updates),
            Source::Unreadable { name, problem } => unreadable(name, problem, updates),
        }
    }

    fn scan_file(&mut self, path: &Path, updates: &SyncSender<Update<E::Found>>) {
        let name = path.display().to_string();
        match File::open(path).map(|file| self.progress.wrap_read(file)) {
            Ok(file) if is_archive(path) => self.scan_archive(&name, file, updates),
            Ok(file) => self.scan_object(name, file, updates),
            Err(error) => unreadable(name, io_error(&error), updates),
        }
    }

    /// Scans the log files in an archive.
    fn scan_archive(&mut self, name: &str, reader: impl Read, updates: &SyncSender<Update<E::Found>>) {
        let members = archive::for_each_log_file(reader, |member, content| {
            self.scan_object(format!("{name}:{member}"), content, updates);
            !self.stop.load(Ordering::Relaxed)
        });
        if let Err(error) = members {
            unreadable(name.to_owned(), format!("damaged archive: {}", io_error(&error)), updates);
        }
    }

    /// Scans one log object.
    fn scan_object(&mut self, name: String, mut reader: impl Read, updates: &SyncSender<Update<E::Found>>) {
        let mut scanning = Scanning {
            examiner: self.examiner,
            object: Arc::from(name.as_str()),
            updates,
            found: E::Found::default(),
            is_stopped: false,
            ended: Ended { name, ..Ended::default() },
        };
        let outcome = self.read(&mut reader, &mut scanning);
        scanning.ended.inflated_bytes = self.records.inflated_bytes();
        self.records.reset();
        match outcome {
            Err(ReadProblem::Stopped) => {
                updates.send(Update::Stopped).ok();
                return;
            }
            Err(problem) => scanning.problem(&problem),
            Ok(()) => {}
        }
        scanning.end();
    }

    fn read(&mut self, reader: &mut impl Read, scanning: &mut Scanning<'_, E>) -> Result<(), ReadProblem> {
        loop {
            let read = match reader.read(&mut self.chunk) {
                Ok(0) => return Ok(self.records.finish()?),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let pushed = self.records.push(self.chunk.split_at(read).0, |entry| scanning.take(entry));
            scanning.pass_on();
            if scanning.is_stopped || self.stop.load(Ordering::Relaxed) {
                return Err(ReadProblem::Stopped);
            }
            pushed?;
        }
    }
}

/// Reports an input that cannot be opened. If nobody takes the update, the scan was stopped.
fn unreadable<F>(name: String, problem: String, updates: &SyncSender<Update<F>>) {
    updates.send(Update::Unreadable { name, problem }).ok();
}

/// The scan of one object.
struct Scanning<'a, E: Examine> {
    examiner: &'a E,
    object: Arc<str>,
    updates: &'a SyncSender<Update<E::Found>>,
    found: E::Found,
    /// Nobody takes the updates any more.
    is_stopped: bool,
    ended: Ended,
}

impl<E: Examine> Scanning<'_, E> {
    fn take(&mut self, entry: Entry<'_>) {
        self.ended.records += 1;
        let (offset, error) = match entry {
            Entry::Unreadable { offset, error } => (offset, Some(error.to_string())),
            Entry::Record { offset, bytes } => {
                let incomplete = self.examiner.examine(bytes, &self.object, &mut self.found).unwrap_or_else(Some);
                (offset, incomplete.map(|error| error.to_string()))
            }
        };
        if let Some(error) = error {
            self.problem(&format_args!("record at inflated byte {offset}: {error}"));
        }
        if E::size(&self.found) >= BATCH {
            self.pass_on();
        }
    }

    /// Passes on what was found so far. Waits while too many updates have not been taken.
    fn pass_on(&mut self) {
        if E::size(&self.found) > 0 {
            let found = std::mem::take(&mut self.found);
            self.is_stopped |= self.updates.send(Update::Found(found)).is_err();
        }
    }

    /// Passes on the rest. If nobody takes it, the scan was stopped.
    fn end(self) {
        self.updates.send(Update::End(self.found, self.ended)).ok();
    }

    fn problem(&mut self, problem: &dyn std::fmt::Display) {
        self.ended.problem_count += 1;
        if self.ended.problems.len() < MAX_LISTED {
            self.ended.problems.push(problem.to_string());
        }
    }
}
