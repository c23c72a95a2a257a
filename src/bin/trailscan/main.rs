//! `trailscan`, the command-line tool: searches log files for what trailwarden alerts on.

mod arguments;
mod diagnostics;
mod examine;
mod examples;
mod explain;
mod group;
mod interrupt;
mod manual;
mod outbox;
mod output;
mod progress;
mod reading;
mod report;
mod rules_test;
mod scan;
mod search;
mod selection;
mod sources;
mod terminal;
mod timeline;
mod totals;
mod worker;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::Utf8Error;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Parser as _;
use jiff::Timestamp;
use trailwarden::detect::{Detector, EventSources};
use trailwarden::rules::{Rules, RulesError};

use arguments::{Cli, Command, RulesCommand, RulesTestArgs, ScanArgs};
use diagnostics::io_error;
use examine::{Event, Examine, Update};
use output::{Format, Output, summary};
use reading::Reading;
use report::{Report, Scan};
use rules_test::{Matches, RulesTest};
use search::Search;
use sources::{Narrowing, Profile, Sources};
use terminal::Display;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Scan(args) => run_scan(*args),
        Command::Explain { words } => {
            explain::text(&words).map_err(Failure::from).and_then(|text| print(text.as_bytes()))
        }
        Command::Rules(RulesCommand::Check { file }) => check_rules(&file),
        Command::Rules(RulesCommand::Test(args)) => test_rules(args),
        Command::Completions { shell } => print(&manual::completions(shell)),
        Command::Man { directory } => write_manual(directory.as_deref()),
    };
    match outcome {
        Ok(code) => code,
        // The reader closed the pipe, as `head` does.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            diagnostics::print(error);
            ExitCode::FAILURE
        }
    }
}

fn run_scan(args: ScanArgs) -> Result<ExitCode, Failure> {
    let search = search(&args)?;
    let narrowing = search.selection.narrowing(args.start_after);
    let sources = Sources::at(&args.inputs.paths);
    // Its temporary file may be in a folder that has just been listed.
    let report = args.report.as_deref().map(create_report).transpose()?;
    let mut output = Output::new(args.format, report.is_some())?;
    let prints_findings = args.format.is_streamed() && io::stdout().is_terminal();
    let inputs = Inputs { sources, narrowing, profile: Profile(args.inputs.profile), prints_findings };
    let scanned = match scan_with(inputs, &search, |event| output.take(event)) {
        // A closed pipe is a success only if nothing else was to be written.
        Err(Failure::Output(source)) => match args.report {
            Some(file) => return Err(Failure::Report { file, source }),
            None => return Err(source.into()),
        },
        scanned => scanned?,
    };
    let results = output.finish()?;
    if let (Some(report), Some(file)) = (report, args.report) {
        let Scanned { skipped, is_interrupted, .. } = scanned;
        let scan = Scan { results: &results, skipped, is_interrupted, at: Timestamp::now() };
        report.write(&scan).map_err(|source| Failure::Report { file, source })?;
    }
    results.print(args.format, Display::of_stdout(args.color))?;
    write!(io::stderr(), "{}", results.summary(scanned.skipped, scanned.elapsed)).ok();
    Ok(exit_code(&scanned, &results.reading))
}

/// What a scan reads.
struct Inputs {
    sources: Sources,
    narrowing: Narrowing,
    profile: Profile,
    /// Findings are printed to a terminal as they arrive.
    prints_findings: bool,
}

/// A scan that ended.
struct Scanned {
    /// Number of files that were skipped.
    skipped: u64,
    elapsed: Duration,
    is_interrupted: bool,
}

/// Scans the inputs, and passes updates to `take`.
fn scan_with<E: Examine>(
    inputs: Inputs,
    examiner: &E,
    take: impl FnMut(Event<Update<E::Found>>) -> io::Result<()>,
) -> Result<Scanned, Failure> {
    let Inputs { sources, narrowing, profile, prints_findings } = inputs;
    let started = Instant::now();
    let (bytes, skipped) = (sources.bytes, sources.skipped);
    let stop = interrupt::flag().map_err(Failure::Signals)?;
    let progress = progress::bar(bytes);
    let sources = sources.into_iter(narrowing, profile);
    scan::run(sources, examiner, &progress, prints_findings, &stop, take)?;
    progress.finish_and_clear();
    Ok(Scanned { skipped, elapsed: started.elapsed(), is_interrupted: stop.load(Ordering::Relaxed) })
}

/// The exit code of a scan that has printed its results.
fn exit_code(scanned: &Scanned, reading: &Reading) -> ExitCode {
    if scanned.is_interrupted {
        let last = reading.last.as_deref().filter(|last| last.starts_with("s3://"));
        let hint = last.map(|last| format!("; to continue, add --start-after '{last}'")).unwrap_or_default();
        diagnostics::print(format_args!("interrupted{hint}"));
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    if reading.problems > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn create_report(file: &std::path::Path) -> Result<Report, Failure> {
    Report::create(file).map_err(|source| Failure::Report { file: file.to_owned(), source })
}

fn search(args: &ScanArgs) -> Result<Search, Failure> {
    let detector = Detector {
        event_sources: args.event_sources.clone(),
        // They show which stops are over.
        esm_changes: args.esm_changes || args.report.is_some() || !args.format.is_streamed(),
        authentication_failures: args.authentication_failures,
        causes: args.causes || args.report.is_some() || args.format == Format::Text,
    };
    let rules = args.rules.as_deref().map_or(Ok(Rules::default()), read_rules)?;
    let selection = args.selection.clone();
    Ok(Search { detector, esm_changes: args.esm_changes, rules, selection, lambda: EventSources::default() })
}

fn check_rules(file: &std::path::Path) -> Result<ExitCode, Failure> {
    let rules = read_rules(file)?;
    let (watch, suppress) = (rules.watch.rules().len(), rules.suppress.len());
    print(format!("{}: valid; watch rules: {watch}, suppressions: {suppress}\n", file.display()).as_bytes())
}

fn test_rules(args: RulesTestArgs) -> Result<ExitCode, Failure> {
    let test = RulesTest::new(read_rules(&args.rules)?, args.event_sources);
    let mut matches = Matches::default();
    let mut reading = Reading::default();
    let take = |event| {
        match event {
            Event::Idle => {}
            Event::Update(Update::Found(found)) => matches.extend(found),
            Event::Update(Update::End(found, ended)) => {
                matches.extend(found);
                reading.end(ended);
            }
            Event::Update(Update::Unreadable { name, problem }) => reading.unreadable(name, problem),
            Event::Update(Update::Stopped) => reading.stop(),
        }
        Ok(())
    };
    let sources = Sources::at(&args.inputs.paths);
    let profile = Profile(args.inputs.profile);
    let inputs = Inputs { sources, narrowing: Narrowing::default(), profile, prints_findings: false };
    let scanned = scan_with(inputs, &test, take)?;
    print(matches.text(&test.rules).as_bytes())?;
    write!(io::stderr(), "{}", summary::of_reading(&reading, matches.findings, scanned.skipped)).ok();
    Ok(exit_code(&scanned, &reading))
}

fn write_manual(directory: Option<&std::path::Path>) -> Result<ExitCode, Failure> {
    let Some(directory) = directory else { return print(&manual::page()?) };
    manual::write_pages(directory).map_err(|source| Failure::File { file: directory.to_owned(), source })?;
    Ok(ExitCode::SUCCESS)
}

fn print(output: &[u8]) -> Result<ExitCode, Failure> {
    std::io::stdout().write_all(output)?;
    std::io::stdout().flush()?;
    Ok(ExitCode::SUCCESS)
}

fn read_rules(file: &std::path::Path) -> Result<Rules, Failure> {
    let bytes = std::fs::read(file).map_err(|source| Failure::File { file: file.to_owned(), source })?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::Utf8 { file: file.to_owned(), source: error.utf8_error() })?;
    Rules::parse(&text).map_err(|source| Failure::Rules { file: file.to_owned(), source })
}

/// An error that ends `trailscan`.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {}", file.display(), io_error(source))]
    File { file: PathBuf, source: io::Error },
    #[error("{}: invalid UTF-8 at byte {}", file.display(), source.valid_up_to())]
    Utf8 { file: PathBuf, source: Utf8Error },
    #[error("{}: {}", file.display(), problems(source))]
    Rules { file: PathBuf, source: RulesError },
    #[error("cannot handle signals: {}", io_error(_0))]
    Signals(io::Error),
    #[error(transparent)]
    Code(#[from] explain::UnknownCode),
    #[error("cannot write output: {}", io_error(_0))]
    Output(#[from] io::Error),
    #[error("cannot write the report {}: {}", file.display(), io_error(source))]
    Report { file: PathBuf, source: io::Error },
}

fn problems(error: &RulesError) -> String {
    let lines = error.problems.iter().map(|it| format!("\n  {}: {}", it.path, it.problem));
    lines.fold("invalid rules".to_owned(), |text, line| text + &line)
}
