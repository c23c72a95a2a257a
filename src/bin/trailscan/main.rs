//! `trailscan`, the command-line tool: searches log files for what trailwarden alerts on.

mod arguments;
mod inputs;
mod report;
mod scan;
mod selection;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use trailwarden::detect::Detector;
use trailwarden::rules::{Rules, RulesError};

use arguments::{Cli, Command, RulesCommand, ScanArgs};
use report::Report;
use scan::Search;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Scan(args) => run_scan(*args),
        Command::Rules(RulesCommand::Check { file }) => check_rules(&file),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("trailscan: {error}");
        ExitCode::FAILURE
    })
}

fn run_scan(args: ScanArgs) -> Result<ExitCode, Failure> {
    let rules = args.rules.as_deref().map_or(Ok(Rules::default()), read_rules)?;
    let detector = Detector {
        event_sources: args.event_sources,
        esm_changes: args.esm_changes,
        authentication_failures: args.authentication_failures,
        // Causes are in the ledger of the function.
        causes: false,
    };
    let search = Search { detector, rules, selection: args.selection };
    let inputs = inputs::collect(&args.paths);
    let mut report = Report::new(args.format);
    let written = scan::run(&inputs, &search, |scanned| report.add(scanned));
    match written.and_then(|elapsed| report.finish(&inputs, elapsed)) {
        Ok(()) if report.is_complete() => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::FAILURE),
        // The reader closed the pipe, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
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
    #[error("cannot write output: {0}")]
    Output(#[from] std::io::Error),
}

fn problems(error: &RulesError) -> String {
    let lines = error.problems.iter().map(|it| format!("\n  {}: {}", it.path, it.problem));
    lines.fold("invalid rules".to_owned(), |text, line| text + &line)
}
