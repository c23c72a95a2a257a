//! `trailscan`, the command-line tool: searches log files for what trailwarden alerts on.

mod arguments;
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
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Parser as _;
use trailwarden::detect::Detector;
use trailwarden::rules::{Rules, RulesError};

use arguments::{Cli, Command, RulesCommand, ScanArgs};
use output::{Output, Results};
use scan::Search;
use sources::{Profile, Sources};
use terminal::{Display, message};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Scan(args) => run_scan(*args),
        Command::Rules(RulesCommand::Check { file }) => check_rules(&file),
    };
    outcome.unwrap_or_else(|error| {
        message(error);
        ExitCode::FAILURE
    })
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
    match taken.and_then(|()| output.finish(Display::of_stdout(args.color))) {
        Ok(results) => Ok(end(&results, skipped, started.elapsed(), is_interrupted)),
        // The reader closed the pipe, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
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
        message(format_args!("interrupted{hint}"));
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    if results.totals.problems > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn check_rules(file: &std::path::Path) -> Result<ExitCode, Failure> {
    let rules = read_rules(file)?;
    let (watch, suppress) = (rules.watch.rules().len(), rules.suppress.len());
    let line = format!("{}: valid; watch rules: {watch}, suppressions: {suppress}", file.display());
    writeln!(std::io::stdout(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}

fn read_rules(file: &std::path::Path) -> Result<Rules, Failure> {
    let text = std::fs::read_to_string(file).map_err(|source| Failure::File { file: file.to_owned(), source })?;
    Rules::parse(&text).map_err(|source| Failure::Rules { file: file.to_owned(), source })
}

/// An error that ends `trailscan`.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{}: {}", file.display(), problems(source))]
    Rules { file: PathBuf, source: RulesError },
    #[error("cannot handle signals: {0}")]
    Signals(std::io::Error),
    #[error("cannot write output: {0}")]
    Output(#[from] std::io::Error),
}

fn problems(error: &RulesError) -> String {
    let lines = error.problems.iter().map(|it| format!("\n  {}: {}", it.path, it.problem));
    lines.fold("invalid rules".to_owned(), |text, line| text + &line)
}
