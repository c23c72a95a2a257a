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
use crate::scan::examine::{Ended, Examine, Update};
use crate::scan::outbox::Outbox;
use crate::sources::file_name::is_archive;
use crate::sources::{Source, archive};

/// Number of bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
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
    pub(crate) fn scan(&mut self, source: Source, updates: &SyncSender<Vec<Update<E::Found>>>) {
        let progress = self.progress;
        let mut outbox = Outbox::new(updates);
        match source {
            Source::Stdin => self.scan_stdin(&mut outbox),
            Source::Files(paths) => paths.iter().for_each(|path| self.scan_file(path, &mut outbox)),
            Source::Object { location, content } => {
                self.scan_object(location, Pace::Live, progress.wrap_read(content), &mut outbox);
            }
            Source::Unreadable { name, problem } => outbox.add(Update::Unreadable { name, problem }),
        }
        outbox.pass_on();
    }

    /// Scans standard input, which may be an archive.
    fn scan_stdin(&mut self, outbox: &mut Outbox<'_, E>) {
        let name = "-".to_owned();
        match archive::recognized(self.progress.wrap_read(io::stdin())) {
            Ok((input, true)) => self.scan_archive(&name, input, outbox),
            Ok((input, false)) => self.scan_object(name, Pace::Live, input, outbox),
            Err(error) => outbox.add(Update::Unreadable { name, problem: io_error(&error) }),
        }
    }

    fn scan_file(&mut self, path: &Path, outbox: &mut Outbox<'_, E>) {
        let name = path.display().to_string();
        match File::open(path).map(|file| self.progress.wrap_read(file)) {
            Ok(file) if is_archive(path) => self.scan_archive(&name, file, outbox),
            Ok(file) => self.scan_object(name, Pace::Immediate, file, outbox),
            Err(error) => outbox.add(Update::Unreadable { name, problem: io_error(&error) }),
        }
    }

    /// Scans the log files in an archive.
    fn scan_archive(&mut self, name: &str, reader: impl Read, outbox: &mut Outbox<'_, E>) {
        let members = archive::for_each_log_file(reader, |member, content| {
            self.scan_object(format!("{name}:{member}"), Pace::Immediate, content, outbox);
            !self.stop.load(Ordering::Relaxed)
        });
        if let Err(error) = members {
            let problem = format!("damaged archive: {}", io_error(&error));
            outbox.add(Update::Unreadable { name: name.to_owned(), problem });
        }
    }

    /// Scans one log object.
    fn scan_object(&mut self, name: String, pace: Pace, mut reader: impl Read, outbox: &mut Outbox<'_, E>) {
        let mut scanning = Scanning {
            examiner: self.examiner,
            object: Arc::from(name.as_str()),
            outbox,
            found: E::Found::default(),
            ended: Ended { name, ..Ended::default() },
        };
        let outcome = self.read(pace, &mut reader, &mut scanning);
        scanning.ended.inflated_bytes = self.records.inflated_bytes();
        self.records.reset();
        let end = match outcome {
            Err(ReadProblem::Stopped) => {
                scanning.pass_on();
                Update::Stopped
            }
            Err(problem) => {
                scanning.problem(&problem);
                Update::End(scanning.found, scanning.ended)
            }
            Ok(()) => Update::End(scanning.found, scanning.ended),
        };
        scanning.outbox.add(end);
    }

    fn read(
        &mut self,
        pace: Pace,
        reader: &mut impl Read,
        scanning: &mut Scanning<'_, '_, E>,
    ) -> Result<(), ReadProblem> {
        loop {
            let read = match reader.read(&mut self.chunk) {
                Ok(0) => return Ok(self.records.finish()?),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let pushed = self.records.push(self.chunk.split_at(read).0, |entry| scanning.take(entry));
            if pace == Pace::Live {
                scanning.pass_on();
                scanning.outbox.pass_on();
            }
            if scanning.outbox.is_closed || self.stop.load(Ordering::Relaxed) {
                return Err(ReadProblem::Stopped);
            }
            pushed?;
        }
    }
}

/// How fast the bytes of an object arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// From a disk, without noticeable pauses.
    Immediate,
    /// From a program or a network. What was found is passed on before the next bytes are awaited.
    Live,
}

/// The scan of one object.
struct Scanning<'a, 'b, E: Examine> {
    examiner: &'a E,
    object: Arc<str>,
    outbox: &'a mut Outbox<'b, E>,
    found: E::Found,
    ended: Ended,
}

impl<E: Examine> Scanning<'_, '_, E> {
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
        if self.outbox.is_full_with(&self.found) {
            self.pass_on();
        }
    }

    /// Adds what was found so far to the outbox.
    fn pass_on(&mut self) {
        if E::size(&self.found) > 0 {
            self.outbox.add(Update::Found(std::mem::take(&mut self.found)));
        }
    }

    fn problem(&mut self, problem: &dyn std::fmt::Display) {
        self.ended.problem_count += 1;
        if self.ended.problems.len() < MAX_LISTED {
            self.ended.problems.push(problem.to_string());
        }
    }
}
