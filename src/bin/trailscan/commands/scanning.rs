//! The parts that commands which read log files share.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::diagnostics;
use crate::failure::Failure;
use crate::scan::examine::{Event, Examine, Update};
use crate::scan::reading::Reading;
use crate::scan::{self, interrupt, progress};
use crate::sources::{Narrowing, Profile, Sources};

/// What a scan reads.
pub(super) struct Inputs {
    pub(super) sources: Sources,
    pub(super) narrowing: Narrowing,
    pub(super) profile: Profile,
    /// Findings are printed to a terminal as they arrive.
    pub(super) prints_findings: bool,
}

/// A scan that ended.
pub(super) struct Scanned {
    /// Number of files that were skipped.
    pub(super) skipped: u64,
    pub(super) elapsed: Duration,
    pub(super) is_interrupted: bool,
    /// The scan can be continued after the last object.
    can_continue: bool,
}

/// Scans the inputs, and passes updates to `take`.
pub(super) fn scan<E: Examine>(
    inputs: Inputs,
    examiner: &E,
    take: impl FnMut(Event<Update<E::Found>>) -> io::Result<()>,
) -> Result<Scanned, Failure> {
    let Inputs { sources, narrowing, profile, prints_findings } = inputs;
    let started = Instant::now();
    let (bytes, skipped, can_continue) = (sources.bytes, sources.skipped, sources.are_one_prefix());
    let stop = interrupt::flag().map_err(Failure::Signals)?;
    let progress = progress::bar(bytes);
    let sources = sources.into_iter(narrowing, profile);
    scan::run(sources, examiner, &progress, prints_findings, &stop, take)?;
    progress.finish_and_clear();
    Ok(Scanned { skipped, elapsed: started.elapsed(), is_interrupted: stop.load(Ordering::Relaxed), can_continue })
}

/// The exit code of a scan that has printed its results.
pub(super) fn exit_code(scanned: &Scanned, reading: &Reading) -> ExitCode {
    if scanned.is_interrupted {
        let last = reading.last.as_deref().filter(|_| scanned.can_continue);
        let hint = last.map(|last| format!("; to continue, add --start-after '{last}'")).unwrap_or_default();
        diagnostics::print(format_args!("interrupted{hint}"));
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    if reading.objects == 0 && reading.problems == 0 {
        diagnostics::print("no log object was found");
        return ExitCode::FAILURE;
    }
    if reading.problems > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
