//! `trailscan scan`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use jiff::Timestamp;
use trailwarden::detect::{Detector, EventSources};
use trailwarden::rules::Rules;

use super::rules;
use super::scanning::{Inputs, Scanned, exit_code, scan};
use crate::arguments::{Cli, ScanArgs};
use crate::failure::Failure;
use crate::output::terminal::Display;
use crate::output::{Format, Output};
use crate::report::{Report, Scan};
use crate::search::Search;
use crate::sources::{Profile, Sources};

pub(super) fn run(args: ScanArgs) -> Result<ExitCode, Failure> {
    let sources = Sources::at(&args.inputs.paths);
    if let Some(problem) = contradiction(&args, &sources) {
        Cli::command().error(ErrorKind::ArgumentConflict, problem).exit();
    }
    let search = search(&args)?;
    let narrowing = search.selection.narrowing(search.detector.causes, args.start_after);
    // Its temporary file may be in a folder that has just been listed.
    let report = args.report.as_deref().map(create_report).transpose()?;
    let mut output = Output::new(args.format, report.is_some())?;
    let prints_findings = args.format.is_streamed() && io::stdout().is_terminal();
    let inputs = Inputs { sources, narrowing, profile: Profile(args.inputs.profile), prints_findings };
    let scanned = match scan(inputs, &search, |event| output.take(event)) {
        // A closed pipe is a success only if nothing else was to be written.
        Err(Failure::Output(error)) if report.is_some() => return Err(Failure::NoReport(error)),
        scanned => scanned?,
    };
    let (results, mut printer) = output.finish();
    if let (Some(report), Some(file)) = (report, args.report) {
        let Scanned { skipped, is_interrupted, .. } = scanned;
        let scan = Scan { results: &results, skipped, is_interrupted, at: Timestamp::now() };
        report.write(&scan).map_err(|source| Failure::Report { file, source })?;
    }
    printer.flush()?;
    results.print(args.format, Display::of_stdout(args.color))?;
    // On a terminal, the summary follows the incidents.
    let separator = if io::stdout().is_terminal() && !results.incidents.is_empty() { "\n" } else { "" };
    write!(io::stderr(), "{separator}{}", results.summary(scanned.skipped, scanned.elapsed)).ok();
    Ok(exit_code(&scanned, &results.reading))
}

/// Why the arguments contradict each other.
fn contradiction(args: &ScanArgs, sources: &Sources) -> Option<&'static str> {
    let start_after = args.start_after.as_deref();
    if start_after.is_some_and(|object| !sources.are_one_prefix_of(object)) {
        return Some("--start-after needs exactly one PATH, s3://bucket/prefix, that contains the object");
    }
    args.selection.contradiction(args.rules.is_some())
}

fn create_report(file: &Path) -> Result<Report, Failure> {
    Report::create(file).map_err(|source| Failure::Report { file: file.to_owned(), source })
}

fn search(args: &ScanArgs) -> Result<Search, Failure> {
    let esm_changes = args.esm_changes || args.selection.selects_esm_changes();
    let detector = Detector {
        event_sources: args.event_sources.clone(),
        // They show which stops are over.
        esm_changes: esm_changes || args.report.is_some() || !args.format.is_streamed(),
        authentication_failures: args.authentication_failures,
        causes: args.causes || args.report.is_some() || args.format == Format::Text,
    };
    let rules = args.rules.as_deref().map_or(Ok(Rules::default()), rules::read)?;
    let selection = args.selection.clone();
    Ok(Search { detector, esm_changes, rules, selection, lambda: EventSources::default() })
}
