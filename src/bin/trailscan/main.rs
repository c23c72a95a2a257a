//! `trailscan`, the command-line tool: searches log files for what trailwarden alerts on.

mod arguments;
mod diagnostics;
mod explain;
mod interrupt;
mod output;
mod progress;
mod scan;
mod selection;
mod sources;
mod terminal;
mod totals;
mod worker;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::Utf8Error;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Parser as _;
use trailwarden::detect::Detector;
use trailwarden::rules::{Rules, RulesError};

use arguments::{Cli, Command, RulesCommand, ScanArgs};
use diagnostics::io_error;
use output::{Output, Results};
use scan::Search;
use sources::{Profile, Sources};
use terminal::Display;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Scan(args) => run_scan(*args),
        Command::Explain { words } => explain::text(&words).map_err(Failure::from).and_then(|text| print(&text)),
        Command::Rules(RulesCommand::Check { file }) => check_rules(&file),
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
    let sources = Sources::at(&args.paths);
    let (bytes, skipped) = (sources.bytes, sources.skipped);
    let inputs = sources.into_iter(search.selection.narrowing(args.start_after), Profile(args.profile));
    let stop = interrupt::flag().map_err(Failure::Signals)?;
    let mut output = Output::new(args.format, false)?;
    let started = Instant::now();
    let progress = progress::bar(bytes);
    let taken = scan::run(inputs, &search, &progress, &stop, |update| progress.suspend(|| output.take(update)));
    let is_interrupted = taken.is_ok() && stop.load(Ordering::Relaxed);
    progress.finish_and_clear();
    taken?;
    let results = output.finish(Display::of_stdout(args.color))?;
    Ok(end(&results, skipped, started.elapsed(), is_interrupted))
}

fn search(args: &ScanArgs) -> Result<Search, Failure> {
    let joins = !args.format.is_streamed();
    let detector = Detector {
        event_sources: args.event_sources.clone(),
        // They show which stops are over.
        esm_changes: args.esm_changes || joins,
        authentication_failures: args.authentication_failures,
        causes: joins,
    };
    let rules = args.rules.as_deref().map_or(Ok(Rules::default()), read_rules)?;
    Ok(Search { detector, esm_changes: args.esm_changes, rules, selection: args.selection.clone() })
}

/// Prints the summary. Returns the exit code.
fn end(results: &Results, skipped: u64, elapsed: Duration, is_interrupted: bool) -> ExitCode {
    let summary = results.summary(skipped, elapsed);
    write!(io::stderr(), "{summary}").ok();
    if is_interrupted {
        let next = results.last.as_deref().filter(|last| last.starts_with("s3://"));
        let hint = next.map(|last| format!("; to continue, add --start-after '{last}'")).unwrap_or_default();
        diagnostics::print(format_args!("interrupted{hint}"));
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    if results.totals.problems > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn check_rules(file: &std::path::Path) -> Result<ExitCode, Failure> {
    let rules = read_rules(file)?;
    let (watch, suppress) = (rules.watch.rules().len(), rules.suppress.len());
    print(&format!("{}: valid; watch rules: {watch}, suppressions: {suppress}\n", file.display()))
}

/// Prints text that ends with a line break.
fn print(text: &str) -> Result<ExitCode, Failure> {
    std::io::stdout().write_all(text.as_bytes())?;
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
}

fn problems(error: &RulesError) -> String {
    let lines = error.problems.iter().map(|it| format!("\n  {}: {}", it.path, it.problem));
    lines.fold("invalid rules".to_owned(), |text, line| text + &line)
}
